r"""What customers to come will add, and the return on customers.

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

from typing import TYPE_CHECKING

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.forecast import Ahead, newcomer, posterior
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.model import ValueData

if TYPE_CHECKING:
    import xarray as xr


def return_on_customer(opening: np.ndarray, profit: np.ndarray | float, closing: np.ndarray) -> np.ndarray:
    """Return draws of (profit + closing - opening) / opening.

    Parameters
    ----------
    opening, closing : arrays (draw,)
        Customer equity at the begin and the end of the period, of `look_ahead` with the same posterior, seed and number
        of draws (so that they share parameters and the common shock, which then does not count twice), for life.
        `closing` of the same customers, or with those who came.
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
        shapes = f"{begin.shape}, {end.shape}"
        problems.append(Problem("opening and closing equity must have the same draws", value=shapes))
    if not (begin > 0).all():
        problems.append(Problem("no return on an opening equity that is not above 0", value=f"{begin.min():.4g}"))
    if problems:
        raise ModelError(problems)
    return np.asarray((profit + end - begin) / begin)


def brought_forward(amounts: np.ndarray, days_to_end: np.ndarray, *, discount: float) -> float:
    """Return what amounts earned so many days before the end of a period are worth at its end."""
    return float(np.asarray(amounts, float) @ (1 + discount) ** (np.asarray(days_to_end, float) / 365.25))


def newcomers(
    tree: xr.DataTree, data: ValueData, ask: Ahead, *, came: int, within: float, first: float, seed: int
) -> np.ndarray:
    """Return draws of what customers to come within the horizon will be worth, if they come as they lately did.

    Parameters
    ----------
    tree, data
        From `fit`; newcomers are like customers without covariates.
    ask : Ahead
    came, within, first : int, float, float
        How many came within how many past weeks, and the average amount of a first purchase: `History.newcomers`.
    seed : int

    Returns
    -------
    array (draw,)
        Discounted contribution, first purchases included; purchases where no spend is known.
    """
    random = np.random.default_rng([seed, 13])
    fresh = newcomer(data.buyers)
    draws, family = posterior(tree, data, ask.draws), BUYING[data.family]
    weeks, force = ask.weeks, ask.force
    ahead, _, worth = time_rule(np.array([0.0, weeks]), force, 12)
    flow = family.intensity(draws.points, fresh, ahead)[:, 0] * family.alive(draws.points, fresh)
    left = np.maximum(weeks - ahead, 0.0)  # who comes at s buys at s + u: all s until weeks - u
    reach, arrivals = (-np.expm1(-force * v) / force if force > 0 else v for v in (left, np.float64(weeks)))
    margin = ask.margin if draws.spent is not None else 1.0
    paid = margin * draws.amount(fresh)[0][:, 0]
    opening = margin * first if draws.spent is not None and np.isfinite(first) else float(paid.mean())
    a_week = random.gamma(came + 0.5, 1 / within, len(draws.points))
    mean = a_week * (opening * arrivals + paid * (flow @ (worth * reach)))
    # the number who come is Poisson, and they differ: one customer's spread is that of the value of a fresh one
    lives = draws.lives(fresh, np.zeros(1), random)
    one = opening + margin * lives.worth(weeks / 2, force)[:, 0]
    noise = np.sqrt(a_week * weeks * np.mean(one**2)) * random.standard_normal(len(mean))
    shock = ask.correction.draws(len(mean), seed=seed)
    return np.asarray(np.maximum(mean + noise * arrivals / weeks, 0.0) * shock)
