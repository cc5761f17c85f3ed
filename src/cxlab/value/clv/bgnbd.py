r"""BG/NBD and MBG/NBD: a customer buys at rate lambda and leaves after a purchase with probability p.

    lambda ~ Gamma(r, alpha),  p ~ Beta(a, b);  MBG/NBD: one may leave after the first purchase already (late = 1)

With x repeat purchases, the last at time t, observed for a time T, the likelihood of one customer is

    G(r + x) alpha^r    G(a + b) G(b + x + late)
    ----------------- x -------------------------  x (1 + e^l),  l = log a - log(b + x + late - 1)
    G(r) (alpha+T)^(r+x)  G(b) G(a + b + x + late)                   + (r + x) log((alpha + T)/(alpha + t))

where e^l is left out for x + late = 0, and 1 / (1 + e^l) is the probability of being alive. Covariates z multiply the
rate by exp(g'z) and the odds of leaving, a / b, by exp(h'z).

Coordinates: log r, log r/alpha (purchases a unit of time), logit a/(a+b), log(a+b), g, h.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Batislam, Denizel and Filiztekin (2007), IJRM 24(3), doi:10.1016/j.ijresmar.2006.12.005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, gammaln, psi

from cxlab.value.clv.quadrature import beta_rule
from cxlab.value.clv.unique_rows import Rows, Tables, tables

NAMES: Final = ("r", "alpha", "a", "b")
_NODES: Final = 5  # seven digits of the expected purchases
_CACHE: Final = 60_000  # numbers at once, so that they stay in the cache


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of weighted rows.

    Attributes
    ----------
    rows : Rows
    late : int
        0: BG/NBD, 1: MBG/NBD.
    """

    rows: Rows
    late: int
    table: Tables
    sums: tuple[np.ndarray, ...]  # weights by entry of x, age; weights times x by age
    busy: np.ndarray  # rows of which it is open whether the customer still lives
    places: tuple[np.ndarray, ...]  # entries of those rows, and their weights

    def value(self, point: np.ndarray) -> float:
        """Return the log likelihood at a point of the coordinates."""
        return self._parts(point)[0]

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log likelihood and its gradient."""
        value, (r, alpha, a, b), dead, (log_age, log_recency) = self._parts(point)
        t, late, (by_x, by_age, x_by_age) = self.table, self.late, self.sums
        at_x, at_age, at_recency, weight = self.places
        cells, k = len(self.rows.z), self.rows.z.shape[1]
        gone = weight * dead
        power = r + t.x[at_x]
        age, recency = alpha[t.age_cell] + t.age, alpha[t.recency_cell] + t.recency
        gap = log_age[at_age] - log_recency[at_recency]
        all_by_cell = np.bincount(self.rows.cell, self.rows.weight, cells)

        d_r = float(by_x @ (psi(r + t.x) - psi(r)) + all_by_cell @ np.log(alpha) - by_age @ log_age + gone @ gap)
        d_alpha = (
            all_by_cell * r / alpha
            - np.bincount(t.age_cell, (r * by_age + x_by_age) / age, cells)
            + np.bincount(t.x_cell[at_x], gone * power * (1 / age[at_age] - 1 / recency[at_recency]), cells)
        )
        ax, bx, n = a[t.x_cell], b[t.x_cell], t.x + late
        both = by_x * (psi(ax + bx) - psi(ax + bx + n))
        gone_x = np.bincount(at_x, gone, len(t.x))
        before = np.where(n > 0, bx + n - 1, 1.0)
        d_a = np.bincount(t.x_cell, both + gone_x / ax, cells)
        d_b = np.bincount(t.x_cell, both + by_x * (psi(bx + n) - psi(bx)) - gone_x / before, cells)

        share, size = a / (a + b), a + b
        tilt = size * share * (1 - share) * (d_a - d_b)  # by the logit of leaving
        slope = np.zeros(4 + 2 * k)
        by_rate = -alpha * d_alpha  # alpha = r / rate
        slope[0] = r * d_r + float((alpha * d_alpha).sum())
        slope[1] = by_rate.sum()
        slope[2] = tilt.sum()
        slope[3] = float((a * d_a + b * d_b).sum())
        slope[4 : 4 + k] = by_rate @ self.rows.z
        slope[4 + k :] = tilt @ self.rows.z
        return value, slope

    def _parts(self, point: np.ndarray) -> tuple[float, tuple, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        r, alpha, a, b = natural(point, self.rows.z)
        t, (by_x, by_age, x_by_age) = self.table, self.sums
        at_x, at_age, at_recency, weight = self.places
        with np.errstate(divide="ignore"):
            log_age = np.log(alpha[t.age_cell] + t.age)
            log_recency = np.log(alpha[t.recency_cell] + t.recency)
        ax, bx, n = a[t.x_cell], b[t.x_cell], t.x + self.late
        counted = (
            gammaln(r + t.x) - gammaln(r) + r * np.log(alpha)[t.x_cell]
            + gammaln(ax + bx) - gammaln(ax + bx + n) + gammaln(bx + n) - gammaln(bx)
        )  # fmt: skip
        odds = np.log(ax) - np.log(np.where(n > 0, bx + n - 1, 1.0))
        left = odds[at_x] + (r + t.x)[at_x] * (log_age[at_age] - log_recency[at_recency])
        value = by_x @ counted - (r * by_age + x_by_age) @ log_age + weight @ np.logaddexp(0.0, left)
        return float(value), (r, alpha, a, b), expit(left), (log_age, log_recency)


def likelihood(rows: Rows, *, late: int) -> Likelihood:
    """Prepare the log likelihood of some rows."""
    t = tables(rows)
    sums = (
        np.bincount(t.x_at, rows.weight, len(t.x)),
        np.bincount(t.age_at, rows.weight, len(t.age)),
        np.bincount(t.age_at, rows.weight * rows.x, len(t.age)),
    )
    busy = np.flatnonzero(rows.x + late > 0)
    places = (t.x_at[busy], t.age_at[busy], t.recency_at[busy], rows.weight[busy])
    return Likelihood(rows, late, t, sums, busy, places)


def natural(point: np.ndarray, z: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return r, and alpha, a, b of each cell."""
    k = z.shape[1]
    r = float(np.exp(point[0]))
    alpha = r / np.exp(point[1] + z @ point[4 : 4 + k])
    share = expit(point[2] + z @ point[4 + k :])
    size = np.exp(point[3])
    return r, alpha, size * share, size * (1 - share)


def coordinates(r: float, alpha: float, a: float, b: float) -> np.ndarray:
    """Return the point of the coordinates, without covariates."""
    return np.array([np.log(r), np.log(r / alpha), np.log(a / b), np.log(a + b)])


def start(rows: Rows) -> np.ndarray:
    """Return where the search for the mode begins."""
    rate = (rows.weight @ rows.x + 1) / (rows.weight @ rows.age + 1)
    return np.r_[-0.5, np.log(2 * rate), -1.0, 0.7, np.zeros(2 * rows.z.shape[1])]


def alive(points: np.ndarray, rows: Rows, *, late: int) -> np.ndarray:
    """Return the probability that a customer of each row has not left, (draw, row)."""
    r, alpha, a, b = _spread(points, rows)
    n = rows.x + late
    left = (
        np.log(a) - np.log(np.where(n > 0, b + n - 1, 1.0))
        + (r + rows.x) * (np.log(alpha + rows.age) - np.log(alpha + rows.recency))
    )  # fmt: skip
    return np.where(n > 0, expit(-left), 1.0)


def intensity(points: np.ndarray, rows: Rows, ahead: np.ndarray, *, late: int) -> np.ndarray:
    """Return the expected purchases a unit of time at times `ahead`, of customers alive now, (draw, row, time).

    With n = r + x, b' = b + x + late and c = ahead / (alpha + age) it is n / (alpha + age) times the mean of
    (1 + p c)^-(n+1) over p ~ Beta(a, b'). The map p -> p (1 + c) / (1 + p c) turns that mean into (1 + c)^(b'-n-1)
    times the mean of (1 + c (1 - p))^(n+1-a-b') over the same distribution. The form with the smaller power is the
    smoother one and is taken.
    """
    r, alpha, a, b = _spread(points, rows)
    shape, scale = r + rows.x, alpha + rows.age
    _, first, at = np.unique(np.stack([rows.cell, rows.x]), axis=1, return_index=True, return_inverse=True)
    p, mass = (v[:, at.ravel()] for v in beta_rule(a[:, first], (b + rows.x + late)[:, first], _NODES))
    mapped = r + 1 - a - b - late
    turned = np.abs(mapped) < shape + 1
    power = np.where(turned, mapped, -shape - 1)
    place = np.where(turned[..., None], 1 - p, p)
    front = np.where(turned, b + late - r - 1, 0.0)
    out = np.empty((*scale.shape, len(ahead)))
    size = max(1, _CACHE // max(len(rows) * len(ahead), 1))
    for begin in range(0, len(out), size):
        here = slice(begin, begin + size)
        c = ahead / scale[here][..., None]
        total = np.zeros(c.shape)
        for i in range(_NODES):  # log(1 + ..) is vectorised where log1p is not; what is raised is as exact
            term = place[here, :, i, None] * c
            term += 1.0
            np.log(term, out=term)
            term *= power[here][..., None]
            np.exp(term, out=term)
            term *= mass[here, :, i, None]
            total += term
        total *= np.exp(front[here][..., None] * np.log1p(c)) * (shape / scale)[here][..., None]
        out[here] = total
    return out


def simulate(
    points: np.ndarray, rows: Rows, *, late: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw rate and probability of leaving after a purchase of living customers, (draw, row)."""
    r, alpha, a, b = _spread(points, rows)
    rate = random.standard_gamma(np.broadcast_to(r + rows.x, a.shape)) / (alpha + rows.age)
    first, second = random.standard_gamma(a), random.standard_gamma(b + rows.x + late)
    with np.errstate(invalid="ignore"):
        leave = first / (first + second)
    return rate, np.clip(np.nan_to_num(leave, nan=0.0), 1e-12, 1.0)


def counts(rate: np.ndarray, leave: np.ndarray, horizon: float, random: np.random.Generator) -> np.ndarray:
    """Draw the purchases of living customers within the horizon: as many as come before the one that is the last."""
    return np.minimum(random.poisson(np.minimum(rate * horizon, 1e9)), random.geometric(leave))


def leaving(rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """Return the rate of leaving."""
    return rate * leave


def _spread(points: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Parameters as (draw, row)."""
    k = rows.z.shape[1]
    z = rows.z[rows.cell]
    r = np.exp(points[:, :1])
    alpha = r / np.exp(points[:, 1:2] + points[:, 4 : 4 + k] @ z.T)
    share = expit(points[:, 2:3] + points[:, 4 + k :] @ z.T)
    size = np.exp(points[:, 3:4])
    alpha, share = np.broadcast_to(alpha, (len(points), len(rows))), np.broadcast_to(share, (len(points), len(rows)))
    return r, alpha, size * share, size * (1 - share)
