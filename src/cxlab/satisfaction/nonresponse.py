r"""What if the silent are not like those who answered: an estimate as a function of how far they differ.

An ordinal model, poststratified or not, supposes that within a cell those who did not answer would have answered like
those who did. Here that is replaced by a selection model with one number that no data can tell:

    log odds of answering, given the answer y = a_cell + delta * y

With the response rate r of a cell known, `a_cell` follows from it, and by Bayes' rule the silent of a cell are those
who answered, tilted exponentially:

    P(y | silent, cell) is proportional to P(y | answered, cell) * exp(-delta * y)
    P(y | cell)         = r * P(y | answered, cell) + (1 - r) * P(y | silent, cell)

| symbol | name | dims | unit |
|-|-|-|-|
| P(y given answered, cell) | ``shares`` | draw, cell, code | share |
| r | ``rate`` | cell | share of those asked who answered |
| delta | ``delta`` | - | log odds of answering for each point of the scale; above 0 the satisfied answer more often |

At delta = 0 it is the estimate itself. What it cannot say: which delta is true. It says how large delta, or in words
how much lower or higher the silent, would have to be for a verdict to change; whether that is credible is the reader's
to judge. The rate counts as known, and one delta holds in all cells.

References
----------
Scharfstein, Rotnitzky and Robins (1999), Adjusting for nonignorable drop-out, doi:10.1080/01621459.1999.10473862.
Liublinska and Rubin (2014), Sensitivity analysis for a partially missing binary outcome, doi:10.1002/sim.6197.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem

FARTHEST: Final = 16.0  # log odds between the ends of a scale at which the silent are all but at one end
STEPS: Final = 48  # supposed values on either side of 0, denser where they are small


@dataclass(frozen=True)
class Tilted:
    """A metric under each supposed delta.

    Attributes
    ----------
    delta : array, shape (G,)
        In ascending order; 0 is among them if it was asked for.
    gap : array, shape (G,)
        How many points of the scale the silent score above those like them who answered, on average over the silent.
    values : array, shape (G, D)
        Draws of the metric among all who were asked.
    """

    delta: np.ndarray
    gap: np.ndarray
    values: np.ndarray


def deltas(codes: Sequence[float]) -> np.ndarray:
    """Return values of delta to suppose for a scale, shape (2 * STEPS + 1,): from one extreme over 0 to the other."""
    ends = np.asarray(codes, float)
    side = np.linspace(0.0, 1.0, STEPS + 1)[1:] ** 2 * FARTHEST / (ends[-1] - ends[0])
    return np.concatenate([-side[::-1], [0.0], side])


def tilted(
    shares: np.ndarray,
    *,
    codes: Sequence[float],
    score: np.ndarray,
    weight: np.ndarray,
    rate: np.ndarray,
    delta: np.ndarray,
) -> Tilted:
    """Return a metric under each delta.

    Parameters
    ----------
    shares : array, shape (D, M, K)
        Draws of the share of each code among those who answered in each cell.
    codes : sequence of float
        The K codes, from worst to best.
    score : array, shape (K,)
        What each code adds to the metric, `cxlab.satisfaction.estimands.scores`.
    weight : array, shape (M,)
        How many people each cell stands for, in any unit.
    rate : array, shape (M,)
        Share of those asked in each cell who answered.
    delta : array, shape (G,)
        Log odds of answering for each point of the scale.

    Raises
    ------
    ModelError
        Arrays that do not fit each other, a rate outside 0..1, weights that are negative or all zero.
    """
    weight, rate, points = np.asarray(weight, float), np.asarray(rate, float), np.asarray(codes, float)
    _check(shares, points, weight, rate)
    share = weight / weight.sum()
    silent = share * (1.0 - rate)
    heard = np.einsum("dmk,k,m->d", shares, score, share * rate, optimize=True)
    answered = shares @ points
    values, gap = np.empty((len(delta), len(shares))), np.zeros(len(delta))
    for g, one in enumerate(delta):
        tilt = np.exp(-one * (points - points[-1 if one < 0 else 0]))  # the largest is 1: nothing overflows
        mass = np.maximum(shares @ tilt, np.finfo(float).tiny)
        values[g] = heard + ((shares @ (tilt * score)) / mass) @ silent
        if one and silent.sum() > 0:
            gap[g] = float((((shares @ (tilt * points)) / mass - answered) @ silent).mean() / silent.sum())
    return Tilted(np.asarray(delta, float), gap, values)


def tipping(curve: Tilted, judge: Callable[[np.ndarray], str]) -> int | None:
    """Return the place in `curve` of the smallest difference at which a verdict changes; None where none changes it.

    Parameters
    ----------
    curve : Tilted
        Its `delta` holds 0.
    judge : callable
        Draws (D,) -> verdict.
    """
    start = int(np.argmin(np.abs(curve.delta)))
    verdict = judge(curve.values[start])
    for place in np.argsort(np.abs(curve.gap), kind="stable"):
        if judge(curve.values[place]) != verdict:
            return int(place)
    return None


def _check(shares: np.ndarray, codes: np.ndarray, weight: np.ndarray, rate: np.ndarray) -> None:
    cells = shares.shape[1]
    problems = [
        Problem("as many as there are cells are needed", where=name, value=str(len(values)), allowed=str(cells))
        for name, values in (("weight", weight), ("rate", rate))
        if len(values) != cells
    ]
    if shares.shape[2] != len(codes):
        problems.append(Problem("a share for each code is needed", where="shares", value=str(shares.shape[2])))
    if not ((rate >= 0) & (rate <= 1)).all():
        worst = rate[~((rate >= 0) & (rate <= 1))][0]
        problems.append(Problem("a response rate lies between 0 and 1", where="rate", value=f"{worst:g}"))
    if (weight < 0).any() or not weight.sum() > 0:
        problems.append(Problem("weights must not be negative, and not all zero", where="weight"))
    if problems:
        raise ModelError(problems)
