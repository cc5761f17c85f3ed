"""The next stage: who will be active, slipping or lapsed a period from now, and how good such forecasts have been.

From what a customer is like, purchases of the coming weeks are drawn; what would then be known of them says their
stage. The proof stands at an earlier day: nothing later is read for the forecast, and its Brier score is told beside
that of naive ones (the shares of everybody one period before; everybody stays).

References
----------
Brier (1950), Verification of forecasts, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv import families
from cxlab.value.clv.families import Family
from cxlab.value.clv.unique_rows import Rows
from cxlab.value.model import Priors, ValueData
from cxlab.value.rfm import History
from cxlab.value.segments.membership import buying, rows_of
from cxlab.value.segments.p_alive import still_there
from cxlab.value.segments.thresholds import STAGES, Cuts

if TYPE_CHECKING:
    import xarray as xr

_FUTURES: Final = 60  # drawn of each customer; of more than 200,000 customers fewer, down to a third
_BLOCK: Final = 400_000  # futures x customers at once
_MOST: Final = 20_000  # customers of the proof
_LEAST: Final = 30  # customers a proof needs


@dataclass(frozen=True)
class Proof:
    """Forecasts of the next stage against what came.

    Attributes
    ----------
    origin, end : date
        The day the forecasts were made, and the day they were about.
    n : int
        Customers.
    scores : DataFrame
        ``way`` (model, base, stay), ``stage`` and ``buys``: Brier scores of the next stage (0 best, 2 worst) and of
        buying within the weeks (0 best, 1 worst; none for stay).
    skill, skill_low, skill_high : float
        1 - Brier of the model / of the better naive forecast of stages, and its 90 % interval over customers.
    table : DataFrame
        ``stage`` (then), ``next``, ``n`` (in `stage`), ``foretold`` and ``came`` (shares).
    buys : DataFrame
        ``foretold`` and ``came`` (shares who bought) by tenths of the forecast, ``n``.
    """

    origin: date
    end: date
    n: int
    scores: pd.DataFrame
    skill: float
    skill_low: float
    skill_high: float
    table: pd.DataFrame
    buys: pd.DataFrame


def ahead(tree: xr.DataTree, data: ValueData, cuts: Cuts, *, weeks: float, seed: int) -> pd.DataFrame:
    """Foretell the stage of every customer.

    Parameters
    ----------
    tree : DataTree
        From `value.fit`.
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
    rows, family = buying(data)
    futures = int(np.clip(12_000_000 // max(len(rows.inverse), 1), _FUTURES // 3, _FUTURES))
    return _ahead(family, model.points(tree, futures), rows, cuts, weeks=weeks, seed=seed)


def next_stage(
    history: History,
    data: ValueData,
    cuts: Cuts,
    *,
    weeks: int,
    seed: int,
    priors: Priors | None = None,
) -> Proof:
    """Foretell the stages of the last `weeks` from the day before them, and score it.

    Parameters
    ----------
    history : History
    data : ValueData
        Of today: its family and covariates are used; the parameters are learned again, up to the origin only.
    cuts : Cuts
    weeks : int
    seed : int
    priors : Priors, optional

    Raises
    ------
    ModelError
        If too little was known at the origin.
    """
    origin = history.end - timedelta(days=7 * weeks)
    of = max(1, -(-history.counts["customers"] // _MOST))
    if origin <= history.first:
        raise ModelError(
            Problem("the history is too short to foretell so far", value=f"{weeks} weeks",
                    allowed=f"less than {(history.end - history.first).days // 7}")
        )  # fmt: skip
    then = history.customers(until=origin, known=origin, of=of)
    if len(then) < _LEAST or not (then["x"] > 0).any():
        raise ModelError(
            Problem("too few customers were known then", value=f"{len(then)} on {origin}", allowed=f"at least {_LEAST}")
        )
    covariates = tuple(c for c in data.covariates if then[c].nunique() > 1)
    learned = model.model_data(then.drop(columns="spend"), family=data.family, covariates=covariates)
    point = model.mode(learned, priors)[0][None]
    known, family = buying(learned)
    told = _ahead(family, np.repeat(point, _FUTURES, axis=0), known, cuts, weeks=weeks, seed=seed)
    now = history.customers(until=history.end, known=origin, of=of)
    rows = rows_of(now, covariates)
    came = cuts.stage(still_there(family, point, rows)[0])[rows.inverse]
    bought = (now["x"].to_numpy() > then["x"].to_numpy()).astype(float)
    base = _base(history, family, point, cuts, covariates, origin=origin, weeks=weeks, of=of)
    return _scored(told, came, bought, base, origin=origin, end=history.end)


def _ahead(family: Family, points: np.ndarray, rows: Rows, cuts: Cuts, *, weeks: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng([seed, 13])
    centre = points.mean(axis=0, keepdims=True)
    n, d = len(rows.inverse), len(points)
    stage, buys = np.zeros((n, len(STAGES))), np.zeros(n)
    today = cuts.stage(still_there(family, centre, rows)[0])[rows.inverse]
    alive = families.alive(family, points, rows)
    step = max(1, _BLOCK // d)
    for begin in range(0, n, step):
        who = rows.inverse[begin : begin + step]
        own = rows.pick(who)
        rate, leave = families.simulate(family, points, own, random)
        lives = random.random(rate.shape) < alive[:, who]
        count, last = _purchases(family, rate, leave, weeks, random)
        count = count * lives
        later = _later(own, count, last, weeks)
        then = cuts.stage(still_there(family, centre, later)[0]).reshape(d, -1)
        here = slice(begin, begin + len(who))
        stage[here] = np.stack([(then == i).mean(axis=0) for i in range(len(STAGES))], axis=1)
        buys[here] = (count > 0).mean(axis=0)
    told = {f"p_{name}": stage[:, i] for i, name in enumerate(STAGES)}
    return pd.DataFrame({"stage": np.array(STAGES, object)[today], **told, "p_buys": buys})


def _purchases(
    family: Family, rate: np.ndarray, leave: np.ndarray, weeks: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw how many purchases living customers make within the weeks, and when the last one is (weeks from now)."""
    if family == "pareto":
        span = np.minimum(random.standard_exponential(rate.shape) / np.maximum(leave, 1e-300), weeks)
        count = random.poisson(np.minimum(rate * span, 1e6))
        return count, span * random.random(rate.shape) ** (1 / np.maximum(count, 1))
    would = random.poisson(np.minimum(rate * weeks, 1e6))
    count = np.minimum(would, random.geometric(leave))
    some = np.maximum(count, 1)  # the last of `count` among `would` moments of the span
    return count, weeks * random.beta(some, np.maximum(would - count, 0) + 1)


def _later(own: Rows, count: np.ndarray, last: np.ndarray, weeks: float) -> Rows:
    """Rows of customers after the weeks, each future a row."""
    d = len(count)
    x = np.tile(own.x, (d, 1)) + count
    recency = np.where(count > 0, own.age + last, own.recency)
    age = np.tile(own.age + weeks, (d, 1))
    many = x.size
    return replace(
        own, x=x.ravel(), recency=np.minimum(recency, age).ravel(), age=age.ravel(), weight=np.ones(many),
        cell=np.tile(own.cell, d), inverse=np.arange(many),
    )  # fmt: skip


def _base(
    history: History,
    family: Family,
    point: np.ndarray,
    cuts: Cuts,
    covariates: tuple[str, ...],
    *,
    origin: date,
    weeks: int,
    of: int,
) -> tuple[np.ndarray, float]:
    """Shares of stages and of buyers over the weeks before the origin: all that is known without a model."""
    start = origin - timedelta(days=7 * weeks)
    then = history.customers(until=start, known=start, of=of) if start >= history.first else pd.DataFrame()
    known = start if len(then) >= _LEAST else origin
    now = history.customers(until=origin, known=known, of=of)
    rows = rows_of(now, covariates)
    stage = cuts.stage(still_there(family, point, rows)[0])[rows.inverse]
    shares = np.bincount(stage, minlength=len(STAGES)) / len(stage)
    if known == origin:
        return shares, float("nan")
    return shares, float((now["x"].to_numpy() > then["x"].to_numpy()).mean())


def _scored(
    told: pd.DataFrame, came: np.ndarray, bought: np.ndarray, base: tuple[np.ndarray, float], *, origin: date, end: date
) -> Proof:
    n = len(told)
    truth = np.eye(len(STAGES))[came]
    now = told["stage"].map(STAGES.index).to_numpy(int)
    foretold = told[[f"p_{s}" for s in STAGES]].to_numpy()
    shares, buyers = base
    off = {"model": foretold, "base": np.tile(shares, (n, 1)), "stay": np.eye(len(STAGES))[now]}
    each = {way: ((p - truth) ** 2).sum(axis=1) for way, p in off.items()}
    p = told["p_buys"].to_numpy()
    usual = buyers if np.isfinite(buyers) else float(bought.mean())
    buys = {"model": ((p - bought) ** 2).mean(), "base": ((usual - bought) ** 2).mean(), "stay": float("nan")}
    scores = pd.DataFrame({"way": list(each), "stage": [v.mean() for v in each.values()], "buys": list(buys.values())})
    rival = min(("base", "stay"), key=lambda way: float(each[way].mean()))
    below = max(float(each[rival].mean()), 1e-12)
    skill = 1 - float(each["model"].mean()) / below
    # the delta method for a ratio of means over customers
    spread = float((each["model"] - (1 - skill) * each[rival]).std() / below / np.sqrt(n))
    table = [
        {"stage": a, "next": b, "n": int((now == i).sum()), "foretold": foretold[now == i, j].mean(),
         "came": truth[now == i, j].mean()}
        for i, a in enumerate(STAGES) if (now == i).any() for j, b in enumerate(STAGES)
    ]  # fmt: skip
    tenth = np.minimum((p * 10).astype(int), 9)
    deciles = pd.DataFrame({"foretold": p, "came": bought, "tenth": tenth}).groupby("tenth")
    by = deciles.agg(foretold=("foretold", "mean"), came=("came", "mean"), n=("came", "size")).reset_index(drop=True)
    return Proof(origin, end, n, scores, skill, skill - 1.645 * spread, skill + 1.645 * spread, pd.DataFrame(table), by)
