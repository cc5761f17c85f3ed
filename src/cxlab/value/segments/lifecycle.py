r"""Moves between segments and stages, and the next stage: who will be active, slipping or lapsed a period from now.

A customer who was in segment i at the end of the period before is in segment j now; n_ij customers did so::

    n_i. | p_i ~ Multinomial(p_i),  p_i ~ Dirichlet(1 / K, .., 1 / K)        K segments

so the posterior of row i is Dirichlet(1 / K + n_i.), exactly: a prior of one customer in all says next to nothing about
a row that many began in, and keeps one that few began in from claiming certainty. Both segments of a customer are the
most probable ones, told by one posterior on both days, so a move says that what is known of the customer has changed.
Customers move independently. It cannot say why they moved, or where they go next unless the same happens again.

For the next stage, purchases of the coming weeks are drawn from what a customer is like; what would then be known of
them says their stage. The proof stands at an earlier day: nothing later is read for the forecast, and its Brier score
is told beside that of naive ones (the shares of everybody one period before; everybody stays). Where a naive forecast
is all but perfect, as where nobody's stage can change, there is nothing to be better at and no skill is told.

References
----------
Pfeifer and Carraway (2000), Modeling customer relationships as Markov chains,
doi:10.1002/(SICI)1520-6653(200021)14:2<43::AID-DIR4>3.0.CO;2-H.
Brier (1950), Verification of forecasts, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.value import model
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.rows import Rows
from cxlab.value.model import ValueData
from cxlab.value.rfm.history import History
from cxlab.value.segments.cuts import STAGES, Cuts, still_there

if TYPE_CHECKING:
    import xarray as xr

_FUTURES: Final = 60  # drawn of each customer; of more than 200,000 customers fewer, down to a third
_BLOCK: Final = 400_000  # futures x customers at once
_MOST: Final = 20_000  # customers of the proof
_LEAST: Final = 30  # customers a proof needs
NAUGHT: Final = 0.02  # Brier score of a naive forecast below which no other one can be better to speak of


@dataclass(frozen=True)
class Proof:
    """Forecasts of the next stage against what came.

    Attributes
    ----------
    origin : date
        The day the forecasts were made.
    n : int
        Customers.
    scores : DataFrame
        ``way`` (model, base, stay), ``stage`` and ``buys``: Brier scores of the next stage (0 best, 2 worst) and of
        buying within the weeks (0 best, 1 worst; none for stay).
    skill, skill_low, skill_high : float
        1 - Brier of the model / of the better naive forecast of stages, and its 90 % interval over customers; NaN where
        that one is all but perfect.
    foretold, came : array (customer, stage)
        Probabilities, and 1 for the stage that came.
    """

    origin: date
    n: int
    scores: pd.DataFrame
    skill: float
    skill_low: float
    skill_high: float
    foretold: np.ndarray
    came: np.ndarray


def moves(
    before: Sequence[str] | pd.Series,
    now: Sequence[str] | pd.Series,
    *,
    segments: Sequence[str],
    new: str,
    seed: int,
    draws: int = 1000,
) -> xr.Dataset:
    """Draw the shares of customers who moved from one segment to another.

    Parameters
    ----------
    before, now : sequences of str (customer,)
        Segment of each customer; missing or `new` before: not a customer then. Missing now: left out.
    segments : sequence of str
        All segments, in order.
    new : str
        Name of the row of those who were no customers before.
    seed, draws : int

    Returns
    -------
    Dataset
        ``migration`` (draw, row) for the segments that somebody began in; coords ``from``, ``to``, ``n`` (customers who
        began there) and ``moved`` (those of them who went to `to`).

    Raises
    ------
    ModelError
        If there is nobody, the lengths differ, or a segment is unknown.
    """
    import xarray as xr

    if len(before) != len(now):
        raise ModelError(Problem("each customer needs two segments", value=f"{len(before)} and {len(now)}"))
    table = pd.DataFrame({"from": list(before), "to": list(now)}, dtype=object).fillna({"from": new}).dropna()
    if table.empty:
        raise ModelError(Problem("no customer has a segment", todo="give customers of two periods"))
    legal = {"from": [*segments, new], "to": list(segments)}
    problems = [
        Problem("there is no such segment", value=name, allowed=", ".join(names), nearest=nearest(name, names))
        for column, names in legal.items()
        for name in map(str, table[column].unique())
        if name not in names
    ]
    if problems:
        raise ModelError(problems)
    counts = pd.crosstab(table["from"], table["to"]).reindex(index=legal["from"], columns=legal["to"], fill_value=0)
    counts = counts[counts.sum(axis=1) > 0]
    weight = counts.to_numpy() + 1 / len(segments)
    random = np.random.default_rng([seed, 12])
    each = random.standard_gamma(np.maximum(weight, 1e-3), (draws, *weight.shape))
    share = each / np.maximum(each.sum(axis=-1, keepdims=True), 1e-300)
    flat = counts.stack()
    ends = {name: ("row", flat.index.get_level_values(name).to_numpy(object)) for name in ("from", "to")}
    n = ("row", np.repeat(counts.sum(axis=1).to_numpy(), len(segments)))
    coords = {**ends, "n": n, "moved": ("row", flat.to_numpy())}
    return xr.Dataset({"migration": (("draw", "row"), share.reshape(draws, -1))}, coords=coords)


def next_stage(tree: xr.DataTree, data: ValueData, cuts: Cuts, *, weeks: float, seed: int) -> pd.DataFrame:
    """Foretell the stage of every customer.

    Parameters
    ----------
    tree : DataTree
        From `cxlab.value.model.fit`.
    data : ValueData
    cuts : Cuts
    weeks : float
        How far ahead.
    seed : int

    Returns
    -------
    DataFrame
        In the order of the data: ``stage`` (now), ``p_active``, ``p_slipping``, ``p_lapsed`` (then), ``p_buys`` (a
        purchase in between).
    """
    futures = int(np.clip(12_000_000 // max(len(data.buyers.inverse), 1), _FUTURES // 3, _FUTURES))
    return _ahead(data.family, model.points(tree, futures), data.buyers, cuts, weeks=weeks, seed=seed)


def prove(history: History, data: ValueData, cuts: Cuts, *, weeks: int, seed: int) -> Proof:
    """Foretell the stages of the last `weeks` from the day before them, and score it.

    Parameters
    ----------
    history : History
    data : ValueData
        Of today: its family and covariates are used; the parameters are learned again, up to the origin only.
    cuts : Cuts
    weeks, seed : int

    Raises
    ------
    ModelError
        If too little was known at the origin.
    """
    family, span = data.family, timedelta(days=7 * weeks)
    origin = history.end - span
    of = max(1, -(-history.counts["customers"] // _MOST))
    if origin <= history.first:
        allowed = f"less than {(history.end - history.first).days // 7}"
        raise ModelError(
            Problem("the history is too short to foretell so far", value=f"{weeks} weeks", allowed=allowed)
        )
    then = history.customers(until=origin, known=origin, of=of)
    if len(then) < _LEAST or not (then["x"] > 0).any():
        value = f"{len(then)} on {origin}"
        raise ModelError(Problem("too few customers were known then", value=value, allowed=f"at least {_LEAST}"))
    covariates = tuple(c for c in data.covariates if then[c].nunique() > 1)
    learned = model.model_data(then.drop(columns="spend"), family=family, covariates=covariates)
    point = model.density(learned).find_map()[None]

    def stages(customers: pd.DataFrame) -> np.ndarray:
        rows = model.rows_of(customers, covariates)
        return cuts.stage(still_there(family, point, rows)[0])[rows.inverse].astype(int)

    told = _ahead(family, np.repeat(point, _FUTURES, axis=0), learned.buyers, cuts, weeks=weeks, seed=seed)
    now = history.customers(until=history.end, known=origin, of=of)
    earlier = history.customers(until=origin - span, known=origin - span, of=of)
    base, bought_then = stages(then), np.nan
    if len(earlier) >= _LEAST:  # what became of the customers of one period before
        after = history.customers(until=origin, known=origin - span, of=of)
        base, bought_then = stages(after), float((after["x"].to_numpy() > earlier["x"].to_numpy()).mean())
    bought = (now["x"].to_numpy() > then["x"].to_numpy()).astype(float)
    usual = bought_then if np.isfinite(bought_then) else float(bought.mean())
    n, every = len(told), np.eye(len(STAGES))
    came, foretold = every[stages(now)], told[[f"p_{s}" for s in STAGES]].to_numpy()
    naive = {
        "base": np.tile(np.bincount(base, minlength=len(STAGES)) / len(base), (n, 1)),
        "stay": every[told["stage"].map(STAGES.index).to_numpy(int)],
    }
    each = {way: ((p - came) ** 2).sum(axis=1) for way, p in {"model": foretold, **naive}.items()}
    buys = [((told["p_buys"] - bought) ** 2).mean(), ((usual - bought) ** 2).mean(), np.nan]
    scores = pd.DataFrame({"way": list(each), "stage": [v.mean() for v in each.values()], "buys": buys})
    rival = min((each["base"], each["stay"]), key=lambda v: float(v.mean()))
    skill, low, high = skill_of(each["model"], rival, least=NAUGHT)
    return Proof(origin, n, scores, skill, low, high, foretold, came)


def skill_of(score: np.ndarray, naive: np.ndarray, *, least: float) -> tuple[float, float, float]:
    """Return 1 - mean score / mean naive score, and its 90 % range over customers by the delta method.

    NaN where the naive score is below `least`: there is nothing left to be better at.
    """
    base = float(naive.mean())
    if not base >= least:
        return float("nan"), float("nan"), float("nan")
    skill = 1 - float(score.mean()) / base
    spread = 1.645 * float((score - (1 - skill) * naive).std() / base / np.sqrt(len(score)))
    return skill, skill - spread, skill + spread


def _ahead(family: str, points: np.ndarray, rows: Rows, cuts: Cuts, *, weeks: float, seed: int) -> pd.DataFrame:
    random, buying = np.random.default_rng([seed, 13]), BUYING[family]
    centre = points.mean(axis=0, keepdims=True)
    n, d = len(rows.inverse), len(points)
    stage, buys = np.zeros((n, len(STAGES))), np.zeros(n)
    today = cuts.stage(still_there(family, centre, rows)[0])[rows.inverse]
    alive = buying.alive(points, rows)
    step = max(1, _BLOCK // d)
    for begin in range(0, n, step):
        who = rows.inverse[begin : begin + step]
        some = rows.pick(who)
        rate, leave = buying.draw_living(points, some, random)
        count, last = buying.draw_purchases(rate, leave, weeks, random, when=True)
        count = count * (random.random(rate.shape) < alive[:, who])
        later = np.where(count > 0, some.age + last, some.recency)
        age = np.tile(some.age + weeks, d)  # each future is a row
        future = replace(
            some,
            x=(some.x + count).ravel(),
            recency=np.minimum(later.ravel(), age),
            age=age,
            weight=np.ones(len(age)),
            cell=np.tile(some.cell, d),
        )
        then = cuts.stage(still_there(family, centre, future)[0]).reshape(d, -1)
        here = slice(begin, begin + len(who))
        stage[here] = np.stack([(then == i).mean(axis=0) for i in range(len(STAGES))], axis=1)
        buys[here] = (count > 0).mean(axis=0)
    shares = {f"p_{name}": stage[:, i] for i, name in enumerate(STAGES)}
    return pd.DataFrame({"stage": np.array(STAGES, object)[today], **shares, "p_buys": buys})
