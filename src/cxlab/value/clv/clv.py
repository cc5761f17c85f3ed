"""What a posterior says of every customer, and of all of them, until a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value.clv import families, forecast, independence
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.data import WEEKS_A_YEAR, ValueData
from cxlab.value.clv.unique_rows import Rows

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Outlook:
    """What is expected until the horizon.

    Attributes
    ----------
    customers : DataFrame
        One row a customer, in the order of the model's data: ``p_alive``, ``expected_purchases``, ``purchases_sd``,
        ``purchases_low``, ``purchases_high`` (counts nearest to 90 %) and their ``purchases_promised`` probability,
        ``p_purchase`` (of buying at all), ``expected_spend`` (not discounted), ``clv_mean``, ``clv_sd``, ``clv_low``,
        ``clv_high`` (5 and 95 %; discounted contribution). Amounts are NaN where no spend is known.
    purchases : array (draw, group)
        Purchases of all customers of a group, with the common shock.
    plain : array (draw, group)
        The same without the shock.
    equity : array (draw, group)
        Discounted contribution of all customers of a group: customer equity of the known base. Purchases where no
        spend is known.
    steps : array (draw, step)
        Purchases of all in each step of time, noise and shock included.
    edges : array (step + 1,)
        Weeks from now.
    """

    customers: pd.DataFrame
    purchases: np.ndarray
    plain: np.ndarray
    equity: np.ndarray
    steps: np.ndarray
    edges: np.ndarray


def points(tree: xr.DataTree, n: int, name: str = "point") -> np.ndarray:
    """Return `n` draws of the coordinates (all, if there are fewer), evenly from all chains."""
    values = tree["posterior"][name].to_numpy()
    flat = values.reshape(-1, values.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, min(n, len(flat))).astype(int)]


def outlook(
    tree: xr.DataTree,
    data: ValueData,
    *,
    weeks: float,
    seed: int,
    draws: int = 400,
    discount: float = 0.1,
    margin: float = 1.0,
    shock: float = 0.0,
    steps: int = 12,
    groups: np.ndarray | None = None,
) -> Outlook:
    """Forecast every customer and all of them.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    data : ValueData
        The customers to forecast; those of the fit, or others with the same family and covariates.
    weeks : float
        Horizon.
    draws : int
        Draws of the posterior that are used.
    discount : float
        Discount rate a year.
    margin : float
        Share of spend that is contribution.
    shock : float
        Standard deviation (log) of what moves all customers alike, see `holdout.shock`.
    steps : int
        Steps of time of the path of totals.
    groups : array of int (customer,), optional
        Group of each customer for totals; customers of one row must share it (a class of x does).

    Raises
    ------
    ModelError
        For families without continuous time, or a horizon, discount or margin that is not legal.
    """
    family = data.family
    if data.rows is None or family == "bgbb" or family == "sbg":
        raise ModelError(
            Problem("this forecast is for purchases in continuous time", value=family,
                    allowed=", ".join(families.FAMILIES))
        )  # fmt: skip
    problems = [
        Problem(f"{name} must be {allowed}", value=str(value))
        for name, value, fine, allowed in (
            ("the horizon in weeks", weeks, weeks > 0, "above 0"),
            ("the discount rate", discount, discount >= 0, "0 or more"),
            ("the common shock", shock, shock >= 0, "0 or more"),
        )
        if not (np.isfinite(value) and fine)
    ]
    if problems:
        raise ModelError(problems)
    rows = data.rows
    at = points(tree, draws)
    amounts, average = None, np.empty(0)
    if data.spend is not None and "spend_point" in tree["posterior"]:
        spent = points(tree, draws, "spend_point")
        p, q, gamma = money.natural(spent, data.spend.scale)
        average = np.where(np.isnan(data.average), (p * gamma / (q - 1)).mean(), np.maximum(data.average, 0.0))
        mean = np.bincount(rows.inverse, average, len(rows)) / np.bincount(rows.inverse, minlength=len(rows))
        known: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
        if spent.shape[1] > len(money.NAMES):
            known = independence.ahead(np.asarray(tree.attrs["joint_point"]), rows, float(tree.attrs["joint_centre"]))
        amounts = forecast.Amounts(spent, data.spend.scale, rows.x, mean, *known)
    by_row = None
    if groups is not None:
        by_row = np.zeros(len(rows), int)
        by_row[rows.inverse] = groups
    rate = float(np.log1p(discount) / WEEKS_A_YEAR)
    edges = np.linspace(0, weeks, steps + 1)
    found = forecast.stream(family, at, rows, edges=edges, seed=seed, discount=rate, amounts=amounts, groups=by_row)
    path = np.random.default_rng([seed, 3]).poisson(np.minimum(forecast.shocked(found.steps, shock, seed=seed), 1e12))
    return Outlook(
        _customers(found, rows, average, margin),
        forecast.shocked(found.total, shock, seed=seed),
        found.total,
        forecast.shocked(found.total_worth, shock, seed=seed) * margin,
        path.astype(float),
        edges,
    )


def _customers(found: forecast.Forecast, rows: Rows, average: np.ndarray, margin: float) -> pd.DataFrame:
    """One row a customer from one a row."""
    at = rows.inverse
    table = {
        "p_alive": found.p_alive[at],
        "expected_purchases": found.purchases[at],
        "purchases_sd": found.purchases_sd[at],
        "purchases_low": found.purchases_low[at],
        "purchases_high": found.purchases_high[at],
        "purchases_promised": found.purchases_promised[at],
        "p_purchase": found.again[at],
    }
    nothing = np.full(len(at), np.nan)
    if len(average):
        mean = margin * (found.worth[at, 0] + found.worth[at, 1] * average)
        table["expected_spend"] = found.revenue[at, 0] + found.revenue[at, 1] * average
        ends = {"clv_mean": mean, "clv_sd": abs(mean) * found.worth_sd[at]}
        ends |= {"clv_low": mean * found.worth_low[at], "clv_high": mean * found.worth_high[at]}
    else:
        table["expected_spend"] = nothing
        ends = dict.fromkeys(("clv_mean", "clv_sd", "clv_low", "clv_high"), nothing)
    return pd.DataFrame({**table, **ends})
