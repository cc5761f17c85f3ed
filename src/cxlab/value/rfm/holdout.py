"""The proof: a model is chosen and fitted on the first part of the past, and foretells the second.

The rule of choice is that of `cxlab.value.rfm.model_selection`; no purchase of the second part is read before the
forecast
stands.

References
----------
Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.model import Outlook, Priors
from cxlab.value.rfm.history import History
from cxlab.value.rfm.model_selection import Choice, choose

if TYPE_CHECKING:
    import xarray as xr

CLASSES: Final = 7  # repeat purchases from which on customers are one class


@dataclass(frozen=True)
class Holdout:
    """Forecast against what came.

    Attributes
    ----------
    family : str
    covariates : tuple of str
        Columns of the customers that the model knows.
    split, end : date
        Last day of the calibration and of the holdout.
    choice : Choice
    total : dict of str to float
        ``actual, mean, low, high`` (90 %), ``error`` (mean / actual - 1), ``plain_low, plain_high`` (without the
        shock), ``covers`` (1 or 0), ``customer_cover`` (share of customers whose purchases lay within their interval),
        ``customer_promised`` (what those intervals promise, counts being whole), ``correlation``; of the probability
        to buy at all: ``brier`` (mean squared error), ``brier_base`` (that of the share who did buy, known only
        afterwards), ``bought`` (that share).
    classes : DataFrame
        ``x`` (repeat purchases in the calibration, the last class and more), ``n, actual, mean, low, high`` (means a
        customer; intervals of the class's mean with the shock).
    weeks : DataFrame
        ``week`` (from 1), ``actual, mean, low, high``.
    tree, outlook
        Posterior and forecast of the calibration.
    """

    family: Family
    covariates: tuple[str, ...]
    split: date
    end: date
    choice: Choice
    total: dict[str, float]
    classes: pd.DataFrame
    weeks: pd.DataFrame
    tree: xr.DataTree
    outlook: Outlook


def holdout(
    history: History,
    *,
    seed: int,
    split: date | None = None,
    family: Family | None = None,
    draws: int = 400,
    priors: Priors | None = None,
    covariates: Sequence[str] | None = None,
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
    covariates : sequence of str, optional
        Columns beside those of the history; default: those that foretold better within the calibration.

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
    tried = FAMILIES if family is None else (family,)
    choice = choose(history, until=day, priors=priors, candidates=tried, covariates=covariates)
    before = history.customers(until=day, known=day)
    differ = tuple(c for c in choice.covariates if before[c].nunique() > 1)
    data = model.model_data(before, family=choice.family, covariates=differ)
    tree = model.fit(data, seed=seed, priors=priors)
    weeks = (history.end - day).days // 7
    days = day + timedelta(days=7 * weeks)
    groups = before["x"].clip(upper=CLASSES).to_numpy(int)
    future = model.outlook(
        tree, data, weeks=weeks, seed=seed, draws=draws, discount=0.0, shock=choice.shock, steps=weeks, groups=groups
    )
    came = history.customers(until=days, known=day)["x"].to_numpy() - before["x"].to_numpy()
    return Holdout(
        choice.family, differ, day, days, choice, _total(came, future), _classes(groups, came, future),
        _weeks(history.weeks(day)["purchases"].to_numpy(float)[:weeks], future), tree, future,
    )  # fmt: skip


def _ends(draws: np.ndarray) -> np.ndarray:
    return np.quantile(draws, [0.05, 0.95], axis=0)


def _total(came: np.ndarray, future: Outlook) -> dict[str, float]:
    actual, draws = float(came.sum()), future.purchases.sum(axis=1)
    mean = float(future.customers["expected_purchases"].sum())
    (low, high), (plain_low, plain_high) = _ends(draws), _ends(future.plain.sum(axis=1))
    one = future.customers
    inside = (came >= one["purchases_low"]) & (came <= one["purchases_high"])
    bought = came > 0
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
        "brier": float(np.mean((one["p_purchase"] - bought) ** 2)),
        "brier_base": float(bought.mean() * (1 - bought.mean())),
        "bought": float(bought.mean()),
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
