"""What customers last told of their experience, and what it adds to their value or takes from it.

Nothing later than the day asked for is read, and nothing older than a year before it counts as known.

Those who told of a bad experience buy less afterwards than their past buying lets one expect, those who told of a good
one more; by how much is learned on held-out weeks, from customers whose experience was known before them::

    log(actual_g / expected_g) ~ normal(effect_g + common, spread_g),   effect_g ~ normal(0, sd)
    common: whatever moved everybody (season, campaign), taken out by comparing groups with all of them

and what customers of each group are worth now is multiplied by it. Nobody counts twice: the change is a difference to
the present value, not a value of its own. It is an association: who tells of a bad experience may differ in other ways
that past purchases do not show yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference.experiences import edges, question
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.value.rfm.backtest import Holdout
from cxlab.value.rfm.history import History

EXPERIENCE: Final = ("bad", "middling", "good")
UNKNOWN: Final = "unknown"
_YEAR: Final = timedelta(days=365)
_SD: Final = 0.3  # of an effect before the data, logs: a factor of 0.6 to 1.6
_LEAST: Final = 30  # customers of a group, below which its effect is not learned
_ANSWERS: Final = """
    SELECT r.customer, r.date AS told, t.value FROM ratings t JOIN responses r USING (response_id)
    WHERE t.item = $item AND t.value IS NOT NULL AND r.customer IS NOT NULL AND r.date > $since AND r.date <= $until
    ORDER BY r.date, r.response_id"""


@dataclass(frozen=True)
class Effects:
    """How customers bought after telling of an experience, against what was expected of them.

    Attributes
    ----------
    groups : tuple of str
        Of `EXPERIENCE`, those with enough customers.
    factor : array (draw, group)
        What expected purchases are multiplied by, 1 on average over these customers.
    table : DataFrame
        ``experience, n, expected, actual`` (purchases in the held-out weeks).
    """

    groups: tuple[str, ...]
    factor: np.ndarray
    table: pd.DataFrame


def answers(data: UnitData, params: Params, *, since: date, until: date) -> pd.DataFrame | None:
    """Return ``customer, told, experience`` of every answer to the overall question in a span, in order of days.

    None where nothing is asked that stands for the whole relationship.
    """
    asked = question(data, params)
    if asked is None:
        return None
    rows = data.sql(_ANSWERS, params={"item": asked.item, "since": since, "until": until})
    scale = next(s for s in params.scales.values() if tuple(s.codes) == asked.codes)
    place = rows["value"].map({float(c): i for i, c in enumerate(asked.codes)})
    word = np.select([place > asked.success, place <= edges(scale)[0]], ["good", "bad"], "middling")
    return rows.assign(experience=word)[place.notna()][["customer", "told", "experience"]].reset_index(drop=True)


def experience(data: UnitData, params: Params, *, until: date) -> pd.DataFrame | None:
    """Return the latest experience of customers who told it in the year before a day: ``customer, experience, told``.

    None if nobody of the customers known told any.
    """
    rows = answers(data, params, since=until - _YEAR, until=until)
    if rows is None or rows.empty:
        return None
    return rows.drop_duplicates("customer", keep="last").reset_index(drop=True)


def labelled(customers: pd.Series, told: pd.DataFrame | None) -> np.ndarray:
    """Return the experience of each customer in the order given, ``unknown`` where none was told."""
    if told is None or told.empty:
        return np.full(len(customers), UNKNOWN, object)
    word = told.set_index("customer")["experience"].reindex(customers).astype(object)
    return word.where(word.notna(), UNKNOWN).to_numpy(object)


def effects(history: History, proof: Holdout, told: pd.DataFrame | None, *, seed: int) -> Effects | None:
    """Learn the effects of experience on the held-out weeks of a proof.

    Parameters
    ----------
    history : History
    proof : Holdout
    told : DataFrame or None
        ``customer, experience`` as of the day of the split, nothing later.
    seed : int
    """
    if told is None or told.empty:
        return None
    before, after = (history.customers(until=day, known=proof.split) for day in (proof.split, proof.end))
    each = proof.outlook.customers
    if not len(before) == len(after) == len(each):
        value = f"{len(each)} and {len(before)} customers"
        raise ModelError(Problem("the proof is of another history", value=value))
    hoped, spread = (each[c].to_numpy(float) for c in ("expected_purchases", "purchases_sd"))
    return learn_effects(labelled(before["customer"], told), hoped, spread, (after["x"] - before["x"]), seed=seed)


def learn_effects(
    told: Sequence[str] | np.ndarray,
    expected: np.ndarray,
    spread: np.ndarray,
    actual: np.ndarray | pd.Series,
    *,
    seed: int,
    draws: int = 1000,
) -> Effects | None:
    """Learn how experience goes with buying more or less than expected.

    Parameters
    ----------
    told : sequence of str (customer,)
        What each had told before; words that are none of `EXPERIENCE` are left out.
    expected, spread, actual : arrays (customer,)
        Purchases: mean and sd of the forecast, and what came.
    seed, draws : int

    Returns
    -------
    Effects or None
        None unless two groups have enough customers.

    Raises
    ------
    ModelError
        If the lengths differ.
    """
    if len({len(told), len(expected), len(spread), len(actual)}) != 1:
        raise ModelError(Problem("each customer needs an experience, a forecast and what came"))
    each = pd.DataFrame({"n": 1, "expected": expected, "actual": np.asarray(actual, float), "error": spread**2})
    table = each.groupby(np.asarray(told, object)).sum().reindex(EXPERIENCE).fillna(0)
    table = table[(table["n"] >= _LEAST) & (table["expected"] > 0) & (table["actual"] > 0)]
    if len(table) < 2:
        return None
    hoped, came = (table[c].to_numpy(float) for c in ("expected", "actual"))
    error, off = table["error"].to_numpy(float) / hoped**2, np.log(came / hoped)
    # posterior of the effects around a common level with a flat prior, then measured from their weighted mean
    weight = 1 / (error + _SD**2)
    common = float(weight @ off / weight.sum())
    cover = np.linalg.inv(np.diag(1 / error) + np.eye(len(off)) / _SD**2)
    random = np.random.default_rng([seed, 16])
    drift = random.standard_normal(draws)[:, None] / np.sqrt(weight.sum()) * (cover @ (1 / error))
    noise = random.standard_normal((draws, len(off))) @ np.linalg.cholesky(cover).T
    factor = np.exp(cover @ ((off - common) / error) - drift + noise)
    factor /= (factor @ hoped / hoped.sum())[:, None]
    shown = table[["n", "expected", "actual"]].rename_axis("experience").reset_index()
    return Effects(tuple(table.index), factor, shown)
