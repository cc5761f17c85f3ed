"""Boundaries of a scale as numbers that are nearly standard normal, whatever codes are rare.

The shares of the categories are broken off a stick one after the other, v_k of what is left, and

    v_k = quantile of Beta(a_k, b_k) at F(y_k)          F the standard normal distribution function

with a_k, b_k from a first look at the answers (at most `MOST` of them). A code that nobody used has an exponential
posterior, whose logarithm is skewed; its y_k is not. The map changes no posterior, only the shape in which it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betainc, betaincinv, betaln, ndtr, ndtri, xlogy

from cxlab.journey.paired_data import PairedData, interpolate

MOST: Final = 2000.0  # answers in the first look: with more of them the posterior is normal in any coordinates
FARTHEST: Final = 30.0  # |y| beyond which normal tails are not told from 0
_TINY: Final = 1e-290


@dataclass(frozen=True)
class Broken:
    """Boundaries made from points: `cut` (S, C), the log prior with its Jacobian (S,), and what gradients need."""

    cut: np.ndarray
    value: np.ndarray
    by_y: np.ndarray  # gradient of `value`
    slope: np.ndarray  # d log(1 - v) / d y, negative, shape (S, C)
    weight: np.ndarray  # what is left of the stick over the density at the boundary, shape (S, C)


class Sticks:
    """The map of one scale: `shares` (K,) expected of `n` answers, Dirichlet prior of weight `concentration`."""

    def __init__(self, shares: np.ndarray, n: float, concentration: float) -> None:
        count = 1 + min(n, MOST) * shares
        self.prior_a = np.full(len(shares) - 1, concentration)
        self.prior_b = concentration * np.arange(len(shares) - 1, 0, -1.0)
        self.a = count[:-1]
        self.b = np.cumsum(count[::-1])[::-1][1:]
        self.constant = betaln(self.a, self.b)

    def __call__(self, y: np.ndarray) -> Broken:
        """Break sticks at points (S, C)."""
        far = (np.abs(y) > FARTHEST).any(axis=1)
        y = np.clip(y, -FARTHEST, FARTHEST)
        left = y < 0
        # each end from its own side: neither v nor 1 - v is rounded away
        v = np.where(left, betaincinv(self.a, self.b, ndtr(np.minimum(y, 0))), 0.0)
        rest = np.where(left, 1 - v, betaincinv(self.b, self.a, ndtr(-np.maximum(y, 0))))
        v, rest = np.maximum(np.where(left, v, 1 - rest), _TINY), np.maximum(rest, _TINY)
        log_density = xlogy(self.a - 1, v) + xlogy(self.b - 1, rest) - self.constant
        by_y = np.exp(-0.5 * y * y - 0.5 * np.log(2 * np.pi) - log_density)  # dv / dy
        remains = np.cumsum(np.log(rest), axis=1)
        cut = -ndtri(np.maximum(np.exp(remains), _TINY))
        prior = xlogy(self.prior_a - self.a, v) + xlogy(self.prior_b - self.b, rest) - 0.5 * y * y
        slope = ((self.prior_a - self.a) / v - (self.prior_b - self.b) / rest) * by_y - y
        weight = np.exp(remains + 0.5 * cut * cut + 0.5 * np.log(2 * np.pi))
        value = np.where(far, -np.inf, prior.sum(axis=1))
        return Broken(cut, value, slope, -by_y / rest, weight)

    def back(self, broken: Broken, by_cut: np.ndarray) -> np.ndarray:
        """Carry a gradient in the boundaries (S, C) back to the points (S, C)."""
        after = np.cumsum((by_cut * broken.weight)[:, ::-1], axis=1)[:, ::-1]
        return -broken.slope * after

    def points(self, cut: np.ndarray) -> np.ndarray:
        """Return the points of boundaries (C,): the map the other way round."""
        remains = np.r_[1.0, ndtr(-cut)]
        v = 1 - remains[1:] / remains[:-1]
        below = betainc(self.a, self.b, v)
        y = np.where(below < 0.5, ndtri(below), -ndtri(betainc(self.b, self.a, 1 - v)))
        return np.clip(y, -FARTHEST, FARTHEST)


def first_look(data: PairedData) -> tuple[np.ndarray, float]:
    """Shares of the categories of the finest scale where expectations have mean 0 and sd 1, and the answers seen.

    Taken from the side with the finest scale; if that is not the expectation, it is moved and stretched to its
    boundaries.
    """
    sides = [
        data.both.sum(axis=(0, 2)) + data.expectation_only.sum(axis=0),
        data.both.sum(axis=(0, 1)) + data.experience_only.sum(axis=0),
        data.managers.sum(axis=0),
    ]
    fine = data.boundaries
    whole = [s for s in sides if len(s) == fine + 1 and s.sum() > 0]
    if not whole:
        return np.full(fine + 1, 1 / (fine + 1)), 0.0
    counts = whole[0]
    reference = next(s for s in sides if s.sum() > 0)
    if reference is counts:
        return counts / counts.sum(), float(counts.sum())
    bounds = _normal(counts)
    other = interpolate(fine, len(reference) - 1)
    design = np.column_stack([np.ones(len(reference) - 1), other @ bounds])
    if len(reference) > 2:
        move, stretch = np.linalg.lstsq(design, _normal(reference), rcond=None)[0]
    else:
        move, stretch = float((_normal(reference) - other @ bounds)[0]), 1.0
    share = np.diff(ndtr(move + max(stretch, 0.2) * bounds), prepend=0.0, append=1.0)
    return share, float(counts.sum())


def _normal(counts: np.ndarray) -> np.ndarray:
    """Boundaries in sd from counts, half an answer added to each category."""
    share = (counts + 0.5) / (counts + 0.5).sum()
    return np.asarray(ndtri(np.cumsum(share)[:-1]))
