r"""What all customers are worth together, what those to come will add, and the return on customers.

The value of a customer is what is earned from now to a horizon, discounted continuously at rate d = log(1 + discount).
Customer equity is its sum over the customers who are known; those to come are counted apart::

    return on customer = (profit of the period + closing equity - opening equity) / opening equity

With profit at its worth at the end of the period, equity over customers' whole life and nothing unexpected, the same
customers return exactly the discount rate: E[profit + closing] = (1 + discount) opening. What is above it was not
expected: customers who bought more, or came, or stayed longer than foretold.

References
----------
Gupta, Lehmann and Stuart (2004), Valuing customers, doi:10.1509/jmkr.41.1.7.25084.
Peppers and Rogers (2005), Return on Customer, ISBN 978-0-385-51030-1.
Rust, Lemon and Zeithaml (2004), Return on marketing, doi:10.1509/jmkg.68.1.109.24030.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.value.clv import families, forecast, independence
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.clv import points
from cxlab.value.clv.data import WEEKS_A_YEAR, ValueData
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.clv.unique_rows import Rows

if TYPE_CHECKING:
    import xarray as xr

LIFETIME: Final = (
    50 * WEEKS_A_YEAR
)  # weeks: at 10 % a year what comes later is worth under 1 % of what never left would be


@dataclass(frozen=True)
class Newcomers:
    """Customers to come within the horizon, if they come as they lately did.

    Attributes
    ----------
    expected : float
        Their number.
    equity : array (draw,)
        Their discounted contribution within the horizon, first purchases included; purchases where no spend is known.
    each : array (draw,)
        What one who came today would be worth on average.
    """

    expected: float
    equity: np.ndarray
    each: np.ndarray


def return_on_customer(opening: np.ndarray, profit: np.ndarray | float, closing: np.ndarray) -> np.ndarray:
    """Return draws of (profit + closing - opening) / opening.

    Parameters
    ----------
    opening, closing : arrays (draw,)
        Customer equity at the begin and the end of the period, of `outlook` with the same posterior, the same seed and
        number of draws (so that they share parameters and the common shock, which then does not count twice), over
        `LIFETIME`. `closing` of the same customers, or with those who came.
    profit : array (draw,) or float
        Contribution of the period at its worth at the end, see `brought_forward`.

    Raises
    ------
    ModelError
        If the draws do not belong together, or the opening equity is not above 0.
    """
    begin, end = np.asarray(opening, float), np.asarray(closing, float)
    problems = []
    if begin.shape != end.shape:
        problems.append(
            Problem("opening and closing equity must have the same draws", value=f"{begin.shape}, {end.shape}",
                    todo="ask `outlook` for as many draws with the same seed")
        )  # fmt: skip
    if not (begin > 0).all():
        problems.append(Problem("no return on an opening equity that is not above 0", value=f"{begin.min():.4g}"))
    if problems:
        raise ModelError(problems)
    return np.asarray((profit + end - begin) / begin)


def brought_forward(amounts: np.ndarray, days_to_end: np.ndarray, *, discount: float) -> float:
    """Return what amounts earned so many days before the end of a period are worth at its end."""
    return float(np.asarray(amounts, float) @ (1 + discount) ** (np.asarray(days_to_end, float) / 365.25))


def newcomers(
    tree: xr.DataTree,
    data: ValueData,
    *,
    came: int,
    within: float,
    first: float,
    weeks: float,
    seed: int,
    draws: int = 400,
    discount: float = 0.1,
    margin: float = 1.0,
    shock: float = 0.0,
) -> Newcomers:
    """Return what customers to come will be worth, told apart from those who are known.

    Parameters
    ----------
    tree, data
        From `fit`; newcomers are like customers without covariates.
    came, within, first : int, float, float
        How many came within how many past weeks, and the average amount of a first purchase: `History.newcomers`.
    weeks : float
        Horizon.
    seed, draws, discount, margin, shock
        As for `outlook`.
    """
    family = data.family
    if family == "bgbb" or family == "sbg" or data.rows is None:
        raise ModelError(Problem("customers to come are foretold in continuous time", value=family,
                                 allowed=", ".join(families.FAMILIES)))  # fmt: skip
    random = np.random.default_rng([seed, 13])
    at = points(tree, draws)
    rate = float(np.log1p(discount) / WEEKS_A_YEAR)
    none, k = np.zeros(1), data.rows.z.shape[1]
    fresh = Rows(none, none, none, np.ones(1), np.zeros(1, int), np.zeros((1, k)), np.zeros(1, int))
    ahead, _, worth = time_rule(np.array([0.0, float(weeks)]), rate, 12)
    flow = families.intensity(family, at, fresh, ahead)[:, 0] * families.alive(family, at, fresh)
    left = np.maximum(weeks - ahead, 0.0)  # who comes at s buys at s + u: all s until weeks - u
    reach = -np.expm1(-rate * left) / rate if rate > 0 else left
    paid, opening = np.ones(len(at)), 1.0
    if data.spend is not None and "spend_point" in tree["posterior"]:
        spent = points(tree, draws, "spend_point")
        factor: np.ndarray | float = 1.0
        if spent.shape[1] > len(money.NAMES):
            known = independence.ahead(np.asarray(tree.attrs["joint_point"]), fresh, float(tree.attrs["joint_centre"]))
            factor = money.factors(spent, *known)
        paid = money.expected(spent, data.spend.scale, np.zeros(1), factor)[0][:, 0] * margin
        opening = margin * (first if np.isfinite(first) else float(paid.mean()) / margin)
    a_week = random.gamma(came + 0.5, 1 / within, len(at))
    arrivals = -np.expm1(-rate * weeks) / rate if rate > 0 else weeks
    each = opening + paid * (flow @ worth)
    mean = a_week * (opening * arrivals + paid * (flow @ (worth * reach)))
    # the number who come is Poisson, and they differ: one customer's spread is that of the value of a fresh one
    likes, leaves = families.simulate(family, at, fresh, random)
    gone = families.leaving(family, likes, leaves)[:, 0] + rate
    one = opening + paid * likes[:, 0] * -np.expm1(-gone * weeks / 2) / np.maximum(gone, 1e-300)
    noise = np.sqrt(a_week * weeks * np.mean(one**2)) * random.standard_normal(len(at))
    total = np.maximum(mean + noise * arrivals / weeks, 0.0)
    return Newcomers(came / within * weeks, forecast.shocked(total, shock, seed=seed), each)
