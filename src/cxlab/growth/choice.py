"""The budgeted choice: which improvements together bring most for a budget, and how sure that is.

What improvements bring adds up (two that mend the same thing bring less together than this says).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxlab.errors import ModelError, Problem


@dataclass(frozen=True)
class Choice:
    """A set of improvements.

    Attributes
    ----------
    chosen : array of bool (option,)
    cost, gain : float
        Money spent, and the mean of what comes in.
    p_pays_back : float
        Share of draws in which more comes in than is spent.
    downside : float
        What comes in less what is spent, in the worst tenth of the draws on average.
    """

    chosen: np.ndarray
    cost: float
    gain: float
    p_pays_back: float
    downside: float


def best_choice(gains: np.ndarray, costs: np.ndarray, budget: float) -> Choice:
    """Choose the set with the largest expected gain, costs deducted, that the budget allows.

    Parameters
    ----------
    gains : array (draw, option)
        Money that each option brings, draw by draw, so that what they share stays shared.
    costs : array (option,)
    budget : float
        All in the same money.

    Raises
    ------
    ModelError
        A cost below zero, or costs that do not belong to the gains.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    if len(costs) != gains.shape[1]:
        raise ModelError(Problem("each option has one cost", value=str(len(costs)), allowed=str(gains.shape[1])))
    if (costs < 0).any():
        raise ModelError(Problem("an option costs less than nothing", value=str(costs.min()), allowed="0 or more"))
    net = gains.mean(axis=0) - costs
    within = LinearConstraint(costs[None], ub=budget)
    found = milp(
        -net, constraints=within, integrality=np.ones(len(costs)), bounds=Bounds(0, 1), options={"mip_rel_gap": 0}
    )
    if found.x is None:
        raise ModelError(Problem("no choice keeps to the budget", value=str(budget), allowed="0 or more"))
    chosen = found.x > 0.5
    left = gains[:, chosen].sum(axis=1) - costs[chosen].sum()
    worst = np.sort(left)[: max(len(left) // 10, 1)]
    return Choice(
        chosen=chosen,
        cost=float(costs[chosen].sum()),
        gain=float(gains[:, chosen].sum(axis=1).mean()),
        p_pays_back=float((left > 0).mean()),
        downside=float(worst.mean()),
    )


def dominated(gains: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return for each option whether another costs no more and is expected to bring no less, and differs (option,)."""
    mean = gains.mean(axis=0)
    cheaper, better = costs[:, None] <= costs, mean[:, None] >= mean
    differs = (costs[:, None] < costs) | (mean[:, None] > mean)
    return (cheaper & better & differs).any(axis=0)
