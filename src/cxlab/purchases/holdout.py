"""Which model, how far its totals can be trusted, and the proof: chosen on past weeks only, tried on later ones.

The rule, stated before any later week is looked at: stand at several days within the calibration (origins), fit each
model to what was known then, and add up the log likelihood of what the same customers did from there to the end of the
calibration. The highest sum wins. The same origins tell how far totals were off: the root mean square of
log(actual / expected) is a shock common to all customers (season, campaign, economy), which no customer's own history
can show; every forecast of a total carries it.

References
----------
Tashman (2000), Out-of-sample tests of forecasting accuracy, doi:10.1016/S0169-2070(00)00065-0.
Gneiting and Raftery (2007), Strictly proper scoring rules, doi:10.1198/016214506000001437.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.models import value
from cxlab.models.buying import families
from cxlab.models.buying.families import FAMILIES, Family
from cxlab.models.buying.quadrature import unit_rule
from cxlab.models.value import Outlook, Priors
from cxlab.purchases.history import History, known

if TYPE_CHECKING:
    import xarray as xr

ORIGINS: Final = (0.4, 0.5, 0.6, 0.7, 0.8)  # of the calibration's span
LEAST_ORIGINS: Final = 4  # below which errors of the past say too little
UNKNOWN_SHOCK: Final = 0.2  # sd of the common shock where the past cannot tell
MOST: Final = 20_000  # customers on whom a model is chosen
CLASSES: Final = 7  # repeat purchases from which on customers are one class


@dataclass(frozen=True)
class Choice:
    """The model chosen, and what was learned on the way.

    Attributes
    ----------
    family : str
    scores : DataFrame
        One row a model: ``family``, ``score`` (held-out log likelihood a customer and origin), ``behind`` (log
        likelihood behind the best, in all), ``rms`` (of log(actual / expected)), ``bias`` (their mean).
    errors : DataFrame
        One row a model and origin: ``family, origin, customers, actual, expected, score``.
    shock : float
        Standard deviation (log) of the common shock of the chosen model.
    learned : bool
        Whether the shock was learned from at least four origins; else it is a cautious convention.
    """

    family: Family
    scores: pd.DataFrame
    errors: pd.DataFrame
    shock: float
    learned: bool


@dataclass(frozen=True)
class Holdout:
    """Forecast against what came.

    Attributes
    ----------
    family : str
    split, end : date
        Last day of the calibration and of the holdout.
    choice : Choice
    total : dict of str to float
        ``actual, mean, low, high`` (90 %), ``error`` (mean / actual - 1), ``plain_low, plain_high`` (without the
        shock), ``covers`` (1 or 0), ``customer_cover`` (share of customers whose purchases lay within their interval),
        ``customer_promised`` (what those intervals promise, counts being whole), ``correlation``.
    classes : DataFrame
        ``x`` (repeat purchases in the calibration, the last class and more), ``n, actual, mean, low, high`` (means a
        customer; intervals of the class's mean with the shock).
    weeks : DataFrame
        ``week`` (from 1), ``actual, mean, low, high``.
    tree, outlook
        Posterior and forecast of the calibration.
    """

    family: Family
    split: date
    end: date
    choice: Choice
    total: dict[str, float]
    classes: pd.DataFrame
    weeks: pd.DataFrame
    tree: xr.DataTree
    outlook: Outlook


def choose(
    history: History,
    *,
    until: date | None = None,
    candidates: Sequence[Family] = FAMILIES,
    priors: Priors | None = None,
) -> Choice:
    """Choose a model by what it foretold within the calibration; no purchase after `until` is read.

    Raises
    ------
    ModelError
        If there is no origin at which anybody had bought a second time, or a candidate is unknown.
    """
    for name in candidates:
        known(name, FAMILIES)
    end = until or history.end
    span = (end - history.first).days
    of = max(1, -(-history.counts["customers"] // MOST))
    rows = []
    for share in ORIGINS:
        origin = history.first + timedelta(days=round(share * span))
        before = history.customers(until=origin, known=origin, of=of)
        if (before["x"] > 0).sum() < 2 or (end - origin).days < 7:
            continue
        after = history.customers(until=end, known=origin, of=of)
        rows += [
            {"origin": origin, **_foretell(name, before, after, history.covariates, priors)} for name in candidates
        ]
    if not rows:
        raise ModelError(
            Problem("the past is too short to choose a model on", value=f"{span} days",
                    todo="name the model, or look at a longer span")
        )  # fmt: skip
    errors = pd.DataFrame(rows)
    off = np.log((errors["actual"] + 0.5) / (errors["expected"] + 0.5))
    tried = errors.assign(off=off, square=off**2).groupby("family", sort=False)
    scores = pd.DataFrame(
        {
            "score": tried["score"].sum() / tried["customers"].sum(),
            "behind": tried["score"].sum().max() - tried["score"].sum(),
            "rms": np.sqrt(tried["square"].mean()),
            "bias": tried["off"].mean(),
        }
    ).reset_index()
    best = scores.iloc[int(scores["behind"].argmin())]
    learned = errors["origin"].nunique() >= LEAST_ORIGINS
    shock = float(best["rms"]) if learned else max(float(best["rms"]), UNKNOWN_SHOCK)
    return Choice(best["family"], scores, errors, shock, learned)


def holdout(
    history: History,
    *,
    seed: int,
    split: date | None = None,
    family: Family | None = None,
    draws: int = 400,
    priors: Priors | None = None,
) -> Holdout:
    """Fit the first part of the history and foretell the second.

    Parameters
    ----------
    history : History
    seed : int
    split : date, optional
        Last day of the calibration; default a year before the end, at most half the span.
    family : str, optional
        Default: chosen within the calibration. The shock is learned there in any case.
    draws : int
    priors : Priors, optional

    Raises
    ------
    ModelError
        If the split is not within the history, or leaves nothing to learn from.
    """
    span = (history.end - history.first).days
    day = split or history.end - timedelta(days=min(364, span // 2 // 7 * 7))
    if not history.first < day <= history.end - timedelta(days=7):
        raise ModelError(
            Problem("the split must leave weeks on both sides", value=str(day),
                    allowed=f"{history.first + timedelta(days=1)} to {history.end - timedelta(days=7)}")
        )  # fmt: skip
    choice = choose(history, until=day, priors=priors, candidates=FAMILIES if family is None else (family,))
    before = history.customers(until=day, known=day)
    data = value.model_data(before, family=choice.family, covariates=history.covariates)
    tree = value.fit(data, seed=seed, priors=priors)
    weeks = (history.end - day).days // 7
    days = day + timedelta(days=7 * weeks)
    groups = before["x"].clip(upper=CLASSES).to_numpy(int)
    future = value.outlook(
        tree, data, weeks=weeks, seed=seed, draws=draws, discount=0.0, shock=choice.shock, steps=weeks, groups=groups
    )
    came = history.customers(until=days, known=day)["x"].to_numpy() - before["x"].to_numpy()
    return Holdout(
        choice.family, day, days, choice, _total(came, future), _classes(groups, came, future),
        _weeks(history.weeks(day)["purchases"].to_numpy(float)[:weeks], future), tree, future,
    )  # fmt: skip


def _foretell(
    family: Family,
    before: pd.DataFrame,
    after: pd.DataFrame,
    covariates: tuple[str, ...],
    priors: Priors | None,
) -> dict[str, float | str]:
    """What a model fitted at an origin expected, what came, and how likely it held that to be."""
    covariates = tuple(c for c in covariates if before[c].nunique() > 1)
    data = value.model_data(before.drop(columns="spend"), family=family, covariates=covariates)
    point, _ = value.mode(data, priors)
    later = value.model_data(after.drop(columns="spend"), family=family, covariates=covariates)
    score = value.log_likelihood(later, point) - value.log_likelihood(data, point)
    assert data.rows is not None
    horizon = float((after["age"] - before["age"]).iloc[0])
    node, mass = unit_rule(16)
    ahead = families.intensity(family, point[None], data.rows, horizon * node) @ (horizon * mass)
    expected = float((families.alive(family, point[None], data.rows) * ahead)[0] @ data.rows.weight)
    actual = float((after["x"] - before["x"]).sum())
    return {"family": family, "customers": len(before), "actual": actual, "expected": expected, "score": score}


def _ends(draws: np.ndarray) -> np.ndarray:
    return np.quantile(draws, [0.05, 0.95], axis=0)


def _total(came: np.ndarray, future: Outlook) -> dict[str, float]:
    actual, draws = float(came.sum()), future.purchases.sum(axis=1)
    mean = float(future.customers["expected_purchases"].sum())
    (low, high), (plain_low, plain_high) = _ends(draws), _ends(future.plain.sum(axis=1))
    one = future.customers
    inside = (came >= one["purchases_low"]) & (came <= one["purchases_high"])
    both = came.std() > 0 and one["expected_purchases"].std() > 0
    return {
        "actual": actual,
        "mean": mean,
        "low": float(low),
        "high": float(high),
        "plain_low": float(plain_low),
        "plain_high": float(plain_high),
        "error": mean / actual - 1 if actual else float("nan"),
        "covers": float(low <= actual <= high),
        "customer_cover": float(inside.mean()),
        "customer_promised": float(one["purchases_promised"].mean()),
        "correlation": float(np.corrcoef(came, one["expected_purchases"])[0, 1]) if both else float("nan"),
    }


def _classes(groups: np.ndarray, came: np.ndarray, future: Outlook) -> pd.DataFrame:
    n = np.bincount(groups)
    actual = np.bincount(groups, came)
    expected = np.bincount(groups, future.customers["expected_purchases"])
    low, high = _ends(future.purchases)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame({"x": np.arange(len(n)), "n": n, "actual": actual / n, "mean": expected / n,
                              "low": low / n, "high": high / n})  # fmt: skip
    return table[table["n"] > 0].reset_index(drop=True)


def _weeks(actual: np.ndarray, future: Outlook) -> pd.DataFrame:
    low, high = _ends(future.steps)
    week = np.arange(1, len(actual) + 1)
    return pd.DataFrame({"week": week, "actual": actual, "mean": future.steps.mean(axis=0), "low": low, "high": high})
