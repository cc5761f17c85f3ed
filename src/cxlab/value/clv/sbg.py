r"""Shifted beta-geometric: in each period a contract is ended with a probability that differs between customers.

    theta ~ Beta(a, b)
    P(ended in period t) = B(a + 1, b + t - 1) / B(a, b),  P(kept t periods) = B(a, b + t) / B(a, b)

A group that loses its restless members keeps better from period to period although nobody changes. Coordinates: logit
a/(a+b) (the share that ends in the first period), log(a+b).

References
----------
Fader and Hardie (2007), How to project customer retention, doi:10.1002/dir.20074.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaln, expit

from cxlab.errors import ModelError, Problem

NAMES: Final = ("a", "b")
START: Final = np.array([-1.0, 0.7])


@dataclass(frozen=True)
class Contracts:
    """Contracts by how long they were seen.

    Attributes
    ----------
    periods : array (row,)
        Whole periods of the contract seen; for one that ended, the period in which it did.
    ended : array of bool (row,)
    weight : array (row,)
        Contracts.
    """

    periods: np.ndarray
    ended: np.ndarray
    weight: np.ndarray


def contracts(periods: np.ndarray, ended: np.ndarray, *, weight: np.ndarray | None = None) -> Contracts:
    """Count contracts by the periods seen.

    Raises
    ------
    ModelError
        No contract, a period that is no count, or an end before the first period.
    """
    t, over = np.asarray(periods, float), np.asarray(ended, bool)
    n = np.ones(len(t)) if weight is None else np.asarray(weight, float)
    problems = []
    if not len(t):
        problems.append(Problem("there is no contract", todo="give renewals or regular payments with a customer"))
    elif not (np.isfinite(t) & (t >= 0) & (t == np.round(t))).all():
        problems.append(Problem("a number of periods is no count", value=str(t[~(t == np.round(t))][:1])))
    elif (over & (t < 1)).any():
        problems.append(Problem("a contract ended before its first period", value=str(int((over & (t < 1)).sum()))))
    if problems:
        raise ModelError(problems)
    met, at = np.unique(np.stack([t, over]), axis=1, return_inverse=True)
    return Contracts(met[0], met[1] > 0, np.bincount(at.ravel(), n))


def values(points: np.ndarray, data: Contracts) -> np.ndarray:
    """Return the log likelihood at points (point, coordinate)."""
    a, b = (v[:, None] for v in natural(points))
    over = data.ended.astype(float)
    return np.asarray((betaln(a + over, b + data.periods - over) - betaln(a, b)) @ data.weight)


def natural(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b of points (.., coordinate)."""
    share, size = expit(points[..., 0]), np.exp(points[..., 1])
    return size * share, size * (1 - share)


def kept(points: np.ndarray, periods: np.ndarray, *, after: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the share of contracts kept for `periods` more periods by those who kept them for `after`, (draw, ..)."""
    periods, after = np.broadcast_arrays(np.asarray(periods, float), np.asarray(after, float))
    a, b = (v.reshape(-1, *(1,) * periods.ndim) for v in natural(points))
    return np.exp(betaln(a, b + after + periods) - betaln(a, b + after))


def expected_periods(points: np.ndarray, *, after: np.ndarray, horizon: int, discount: float = 0.0) -> np.ndarray:
    """Return the expected payments within the next periods, discounted a period, of running contracts, (draw, row)."""
    ahead = np.arange(1, horizon + 1)
    each = (kept(points, np.full(len(after), float(k)), after=after) / (1 + discount) ** k for k in ahead)
    return sum(each, np.zeros((len(points), len(after))))
