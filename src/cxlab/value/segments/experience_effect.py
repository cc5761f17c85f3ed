"""What customers have been worth, are worth as they buy, and what their experience adds or takes.

Past: contribution up to now. Present: what their buying so far lets one expect. Change of intention: those who told
of a bad experience buy less afterwards than their past buying lets one expect, those who told of a good one more; by
how much is learned on held-out weeks, from customers whose experience was known before them::

    log(actual_g / expected_g) ~ normal(effect_g + common, spread_g),   effect_g ~ normal(0, sd)
    common: whatever moved everybody (season, campaign), taken out by comparing groups with all of them

and what customers of each group are worth now is multiplied by it. Nobody counts twice: the change is a difference to
the present value, not a value of its own.

It is an association: who tells of a bad experience may differ in other ways that past purchases do not show yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value.rfm import History, Holdout
from cxlab.value.segments.attributes import EXPERIENCE, NOT_KNOWN, labelled
from cxlab.value.segments.membership import Members

_SD: Final = 0.3  # of an effect before the data, logs: a factor of 0.6 to 1.6
_LEAST: Final = 30  # customers of a group, below which its effect is not learned
_PAST: Final = """
    SELECT coalesce(sum(amount) FILTER (WHERE kind IN ('purchase', 'booking', 'renewal') AND amount >= 0), 0) AS spent,
        coalesce(sum(abs(amount)) FILTER (WHERE kind = 'return' OR (kind <> 'churn' AND amount < 0)), 0) AS returned
    FROM transactions WHERE customer IS NOT NULL AND date <= $until"""


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


@dataclass(frozen=True)
class Intention:
    """Value split.

    Attributes
    ----------
    past : float
        Contribution up to now, returns taken off.
    present : array (draw,)
        Worth as their buying lets one expect.
    change : array (draw,)
        What experience adds or takes; nothing for customers who told none.
    by : array (draw, group)
        The same by experience, in the order of ``effects.groups``.
    effects : Effects
    """

    past: float
    present: np.ndarray
    change: np.ndarray
    by: np.ndarray
    effects: Effects


def learned(
    experience: Sequence[str] | np.ndarray,
    expected: np.ndarray,
    spread: np.ndarray,
    actual: np.ndarray,
    *,
    seed: int,
    draws: int = 1000,
    least: int = _LEAST,
) -> Effects | None:
    """Learn how experience goes with buying more or less than expected.

    Parameters
    ----------
    experience : sequence of str (customer,)
        What each had told before; words that are none of `EXPERIENCE` are left out.
    expected, spread, actual : arrays (customer,)
        Purchases: mean and sd of the forecast, and what came.
    seed : int
    draws : int
    least : int
        Customers of a group.

    Returns
    -------
    Effects or None
        None unless two groups have enough customers.

    Raises
    ------
    ModelError
        If the lengths differ.
    """
    word = np.asarray(experience, object)
    if len({len(word), len(expected), len(spread), len(actual)}) != 1:
        raise ModelError(Problem("each customer needs an experience, a forecast and what came"))
    groups = tuple(
        g
        for g in EXPERIENCE
        if (word == g).sum() >= least and expected[word == g].sum() > 0 and actual[word == g].any()
    )
    if len(groups) < 2:
        return None
    own = [word == g for g in groups]
    hoped, came = (np.array([float(v[o].sum()) for o in own]) for v in (expected, actual))
    error = np.array([float((spread[o] ** 2).sum()) for o in own]) / hoped**2
    off = np.log(came / hoped)
    # posterior of the effects around a common level with a flat prior, then measured from their weighted mean
    precision = np.diag(1 / error) + np.eye(len(groups)) / _SD**2
    weight = 1 / (error + _SD**2)
    common = float(weight @ off / weight.sum())
    cover = np.linalg.inv(precision)
    mean = cover @ ((off - common) / error)
    random = np.random.default_rng([seed, 16])
    drift = random.standard_normal(draws)[:, None] / np.sqrt(weight.sum()) * (cover @ (1 / error))
    drawn = mean - drift + random.standard_normal((draws, len(groups))) @ np.linalg.cholesky(cover).T
    factor = np.exp(drawn)
    factor /= (factor @ hoped / hoped.sum())[:, None]
    table = pd.DataFrame({"experience": groups, "n": [int(o.sum()) for o in own], "expected": hoped, "actual": came})
    return Effects(groups, factor, table)


def effects(
    history: History, proof: Holdout, told: pd.DataFrame | None, *, seed: int, draws: int = 1000
) -> Effects | None:
    """Learn the effects of experience on the held-out weeks of a proof.

    Parameters
    ----------
    history : History
    proof : Holdout
    told : DataFrame or None
        ``customer, experience`` as of the day of the split (`cxlab.value.segments.experience`), nothing later.
    """
    if told is None or told.empty:
        return None
    before = history.customers(until=proof.split, known=proof.split)
    after = history.customers(until=proof.end, known=proof.split)
    one = proof.outlook.customers
    if not len(before) == len(after) == len(one):
        raise ModelError(Problem("the proof is of another history", value=f"{len(one)} and {len(before)} customers"))
    actual = after["x"].to_numpy(float) - before["x"].to_numpy(float)
    word = labelled(before["customer"], told, "experience")
    hoped, spread = one["expected_purchases"].to_numpy(float), one["purchases_sd"].to_numpy(float)
    return learned(word, hoped, spread, actual, seed=seed, draws=draws)


def intention(
    history: History, found: Effects, members: Members, *, margin: float, label: str = "experience"
) -> Intention:
    """Split the value of all customers.

    Parameters
    ----------
    history : History
    found : Effects
    members : Members
        Made with ``labels={label: ...}``: the experience of each customer as known now.
    margin : float
        Share of spend that is contribution.
    label : str

    Raises
    ------
    ModelError
        If the members were not split by the label.
    """
    if label not in members.by:
        raise ModelError(
            Problem(
                "the segments were not split by experience", value=label, allowed=", ".join(members.by) or NOT_KNOWN
            )
        )
    split = members.by[label]
    worth = split.worth.sum(axis=1)
    d = len(worth)
    factor = found.factor[np.linspace(0, len(found.factor) - 1, d).astype(int)]
    by = np.column_stack(
        [
            worth[:, split.names.index(g)] * (factor[:, i] - 1) if g in split.names else np.zeros(d)
            for i, g in enumerate(found.groups)
        ]
    )
    money = history.data.sql(_PAST, params={"until": history.end}).iloc[0]
    past = float(money["spent"] - money["returned"]) * margin
    return Intention(past, members.worth.sum(axis=1), by.sum(axis=1), by, found)
