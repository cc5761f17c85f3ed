r"""BG/BB: at each opportunity a living customer buys with probability p, and leaves before it with probability t.

    p ~ Beta(alpha, beta),  t ~ Beta(gamma, delta)

With x purchases at n opportunities, the last at opportunity m::

    L = sum over the opportunity i = m .. n - 1 after which the customer left, and n for "still here", of
        B(alpha + x, beta + i - x) / B(alpha, beta) x B(gamma + [i < n], delta + i) / B(gamma, delta)

Coordinates: logit alpha/(alpha+beta), log(alpha+beta), logit gamma/(gamma+delta), log(gamma+delta). In `Rows`,
recency is m and age is n, whole numbers.

References
----------
Fader, Hardie and Shang (2010), Customer-base analysis in a discrete-time noncontractual setting,
doi:10.1287/mksc.1100.0580.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaln, expit, psi

from cxlab.value.clv.unique_rows import Rows

NAMES: Final = ("alpha", "beta", "gamma", "delta")


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of weighted rows: every row's possible ends are one entry each."""

    rows: Rows
    row: np.ndarray  # (entry,) row of each possible end
    end: np.ndarray  # (entry,) opportunity after which the customer left, the last one for "still here"
    left: np.ndarray  # (entry,) 1 where the customer left

    def value(self, point: np.ndarray) -> float:
        """Return the log likelihood at a point of the coordinates."""
        return self.gradient(point)[0]

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log likelihood and its gradient."""
        alpha, beta, gamma, delta = natural(point)
        x, w = self.rows.x[self.row], self.rows.weight
        terms = betaln(alpha + x, beta + self.end - x) + betaln(gamma + self.left, delta + self.end)
        each = _log_sum(terms, self.row, len(w))
        value = w @ (each - betaln(alpha, beta) - betaln(gamma, delta))
        share = w[self.row] * np.exp(terms - each[self.row])
        total = w.sum()
        both = psi(alpha + beta + self.end)
        d_alpha = share @ (psi(alpha + x) - both) - total * (psi(alpha) - psi(alpha + beta))
        d_beta = share @ (psi(beta + self.end - x) - both) - total * (psi(beta) - psi(alpha + beta))
        both = psi(gamma + delta + self.end + self.left)
        d_gamma = share @ (psi(gamma + self.left) - both) - total * (psi(gamma) - psi(gamma + delta))
        d_delta = share @ (psi(delta + self.end) - both) - total * (psi(delta) - psi(gamma + delta))
        slope = [*_by_mean(alpha, beta, d_alpha, d_beta), *_by_mean(gamma, delta, d_gamma, d_delta)]
        return float(value), np.array(slope)

    def alive(self, points: np.ndarray) -> np.ndarray:
        """Return the probability that a customer of each row is there at the next opportunity, (draw, row)."""
        out = np.empty((len(points), len(self.rows)))
        for i, point in enumerate(points):
            alpha, beta, gamma, delta = natural(point)
            x, n = self.rows.x, self.rows.age
            terms = betaln(alpha + x[self.row], beta + self.end - x[self.row])
            terms = terms + betaln(gamma + self.left, delta + self.end)
            here = betaln(alpha + x, beta + n - x) + betaln(gamma, delta + n + 1)
            out[i] = np.exp(here - _log_sum(terms, self.row, len(x)))
        return out

    def expected(self, points: np.ndarray, opportunities: int) -> np.ndarray:
        """Return the expected purchases at the next opportunities, (draw, row)."""
        out = np.empty((len(points), len(self.rows)))
        alive = self.alive(points)
        for i, point in enumerate(points):
            alpha, beta, gamma, delta = natural(point)
            x, n = self.rows.x, self.rows.age
            stays = [
                np.exp(betaln(gamma, delta + n + 1 + k) - betaln(gamma, delta + n + 1)) for k in range(opportunities)
            ]
            out[i] = alive[i] * (alpha + x) / (alpha + beta + n) * np.sum(stays, axis=0)
        return out


def likelihood(rows: Rows) -> Likelihood:
    """Prepare the log likelihood of some rows."""
    ends = (rows.age - rows.recency).astype(int) + 1
    row = np.repeat(np.arange(len(rows)), ends)
    step = np.arange(len(row)) - np.repeat(np.cumsum(ends) - ends, ends)
    end = rows.recency[row] + step
    return Likelihood(rows, row, end, (end < rows.age[row]).astype(float))


def natural(point: np.ndarray) -> tuple[float, float, float, float]:
    """Return alpha, beta, gamma, delta."""
    buy, leave = expit(point[0]), expit(point[2])
    one, two = float(np.exp(point[1])), float(np.exp(point[3]))
    return one * float(buy), one * float(1 - buy), two * float(leave), two * float(1 - leave)


def coordinates(alpha: float, beta: float, gamma: float, delta: float) -> np.ndarray:
    """Return the point of the coordinates."""
    return np.array([np.log(alpha / beta), np.log(alpha + beta), np.log(gamma / delta), np.log(gamma + delta)])


def start(rows: Rows) -> np.ndarray:
    """Return where the search for the mode begins."""
    share = (rows.weight @ rows.x + 1) / (rows.weight @ rows.age + 2)
    return np.array([np.log(2 * share / (2 - 2 * share + 1e-9)), 0.7, -1.5, 0.7])


def _by_mean(a: float, b: float, d_a: float, d_b: float) -> tuple[float, float]:
    """Slopes by the logit of the mean and the log of the sum of two parameters of a beta distribution."""
    return a * b / (a + b) * (d_a - d_b), a * d_a + b * d_b


def _log_sum(terms: np.ndarray, row: np.ndarray, n: int) -> np.ndarray:
    """Logarithm of the sum of the entries of each row."""
    top = np.full(n, -np.inf)
    np.maximum.at(top, row, terms)
    return top + np.log(np.bincount(row, np.exp(terms - top[row]), n))
