r"""BG/NBD and MBG/NBD: a customer buys at rate lambda and leaves after a purchase with probability p.

    lambda ~ Gamma(r, alpha),  p ~ Beta(a, b);  MBG/NBD: one may leave after the first purchase already (late = 1)

With x repeat purchases, the last at time t, observed for a time T, the likelihood of one customer is

    G(r + x) alpha^r    G(a + b) G(b + x + late)
    ----------------- x -------------------------  x (1 + e^l),  l = log a - log(b + x + late - 1)
    G(r) (alpha+T)^(r+x)  G(b) G(a + b + x + late)                   + (r + x) log((alpha + T)/(alpha + t))

where e^l is left out for x + late = 0, and 1 / (1 + e^l) is the probability of being alive. Covariates z multiply the
rate by exp(g'z) and the odds of leaving, a / b, by exp(h'z).

Coordinates: log r, log r/alpha (purchases a unit of time), logit a/(a+b), log(a+b), g, h. The slope is written by hand:
with automatic differentiation a page on value would take a fifth longer.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Batislam, Denizel and Filiztekin (2007), IJRM 24(3), doi:10.1016/j.ijresmar.2006.12.005.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from scipy.special import expit, gammaln, psi

from cxlab.value.clv.quadrature import beta_rule
from cxlab.value.clv.rows import Rows, Table, table

_NODES: Final = 5  # seven digits of the expected purchases
_CACHE: Final = 60_000  # numbers at once, so that they stay in the cache
Parameters = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BgNbd:
    """The model of buying and leaving.

    Attributes
    ----------
    late : int
        0: BG/NBD, 1: MBG/NBD.
    """

    late: int
    names: ClassVar = ("r", "alpha", "a", "b")

    def natural(self, points: np.ndarray, z: np.ndarray) -> Parameters:
        """Return r (point, 1), alpha, a and b (point, cell)."""
        k = z.shape[1]
        r, size = np.exp(points[:, :1]), np.exp(points[:, 3:4])
        share = expit(points[:, 2:3] + points[:, 4 + k :] @ z.T)
        return r, r / np.exp(points[:, 1:2] + points[:, 4 : 4 + k] @ z.T), size * share, size * (1 - share)

    def coordinates(self, r: float, alpha: float, a: float, b: float) -> np.ndarray:
        """Return the point of the coordinates, without covariates."""
        return np.array([np.log(r), np.log(r / alpha), np.log(a / b), np.log(a + b)])

    def start(self, rows: Rows) -> np.ndarray:
        """Return where the search for the mode begins."""
        rate = (rows.weight @ rows.x + 1) / (rows.weight @ rows.age + 1)
        return np.r_[-0.5, np.log(2 * rate), -1.0, 0.7, np.zeros(2 * rows.z.shape[1])]

    def likelihood(self, rows: Rows) -> Likelihood:
        """Prepare the log likelihood of some rows."""
        return Likelihood(self, rows, *(table(rows, v) for v in (rows.x, rows.age, rows.recency)))

    def alive(self, points: np.ndarray, rows: Rows) -> np.ndarray:
        """Return the probability that a customer of each row has not left, (draw, row)."""
        r, alpha, a, b = self._by_row(points, rows)
        n = rows.x + self.late
        late = (r + rows.x) * (np.log(alpha + rows.age) - np.log(alpha + rows.recency))
        return np.where(n > 0, expit(-late - np.log(a) + np.log(np.where(n > 0, b + n - 1, 1.0))), 1.0)

    def intensity(self, points: np.ndarray, rows: Rows, ahead: np.ndarray) -> np.ndarray:
        """Return the expected purchases a unit of time at times `ahead`, of customers alive now, (draw, row, time).

        With n = r + x, b' = b + x + late and c = ahead / (alpha + age) it is n / (alpha + age) times the mean of
        (1 + p c)^-(n+1) over p ~ Beta(a, b'). The map p -> p (1 + c) / (1 + p c) turns that mean into (1 + c)^(b'-n-1)
        times the mean of (1 + c (1 - p))^(n+1-a-b') over the same distribution. The form with the smaller power is the
        smoother one and is taken.
        """
        r, alpha, a, b = self._by_row(points, rows)
        shape, scale = r + rows.x, alpha + rows.age
        _, first, at = np.unique(np.stack([rows.cell, rows.x]), axis=1, return_index=True, return_inverse=True)
        rule = beta_rule(a[:, first], (b + rows.x + self.late)[:, first], _NODES)
        p, mass = (v[:, at.ravel()] for v in rule)
        mapped = r + 1 - a - b - self.late
        turned = np.abs(mapped) < shape + 1
        power = np.where(turned, mapped, -shape - 1)
        place = np.where(turned[..., None], 1 - p, p)
        front = np.where(turned, b + self.late - r - 1, 0.0)
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

    def draw_living(self, points: np.ndarray, rows: Rows, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw rate and probability of leaving after a purchase of living customers, (draw, row)."""
        r, alpha, a, b = self._by_row(points, rows)
        rate = random.standard_gamma(np.broadcast_to(r + rows.x, a.shape)) / (alpha + rows.age)
        first, second = random.standard_gamma(a), random.standard_gamma(b + rows.x + self.late)
        with np.errstate(invalid="ignore"):
            leave = first / (first + second)
        return rate, np.clip(np.nan_to_num(leave, nan=0.0), 1e-12, 1.0)

    def draw_gone(self, points: np.ndarray, rows: Rows, random: np.random.Generator) -> np.ndarray:
        """Draw the rate of those who left: they did so right after the last purchase, (draw, row)."""
        r, alpha, *_ = self._by_row(points, rows)
        return random.standard_gamma(np.broadcast_to(r + rows.x, alpha.shape)) / (alpha + rows.recency)

    def draw_purchases(
        self, rate: np.ndarray, leave: np.ndarray, weeks: float, random: np.random.Generator, *, when: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Draw the purchases of living customers (as many as come before their last one) and, if asked, when it is."""
        would = random.poisson(np.minimum(rate * weeks, 1e9))
        count = np.minimum(would, random.geometric(leave))
        if not when:
            return count, None  # the last of `count` among `would` moments of the span
        return count, weeks * random.beta(np.maximum(count, 1), np.maximum(would - count, 0) + 1)

    def leaving(self, rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
        """Return the rate of leaving."""
        return rate * leave

    def _by_row(self, points: np.ndarray, rows: Rows) -> Parameters:
        """Parameters as (draw, row)."""
        r, *rest = self.natural(points, rows.z)
        alpha, a, b = (v[:, rows.cell] for v in rest)
        return r, alpha, a, b


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of weighted rows; `x`, `age` and `recency` are tables of their distinct values."""

    model: BgNbd
    rows: Rows
    x: Table
    age: Table
    recency: Table

    @cached_property
    def _busy(self) -> tuple[np.ndarray, ...]:
        """Entries and weights of the rows of which it is open whether the customer still lives."""
        busy = self.rows.x + self.model.late > 0
        return (*(t.at[busy] for t in (self.x, self.age, self.recency)), self.rows.weight[busy])

    @cached_property
    def _sums(self) -> tuple[np.ndarray, ...]:
        """Weights by entry of x and of age; weights times x by age."""
        weight, n = self.rows.weight, len(self.age.values)
        by_age = (np.bincount(self.age.at, w, n) for w in (weight, weight * self.rows.x))
        return (np.bincount(self.x.at, weight, len(self.x.values)), *by_age)

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return the log likelihood at points (point, coordinate)."""
        size = max(1, 10 * _CACHE // max(len(self.rows), 1))
        return np.concatenate([self._parts(points[i : i + size])[0] for i in range(0, len(points), size)])

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log likelihood and its gradient at a point."""
        values, parameters, odds, logs = self._parts(point[None])
        (r, alpha, a, b), left, (log_age, log_recency) = ((v[0] for v in parameters), odds[0], (v[0] for v in logs))
        (by_x, by_age, x_by_age), (at_x, at_age, at_recency, weight) = self._sums, self._busy
        cells, k = len(self.rows.z), self.rows.z.shape[1]
        x_cell, age_cell, n = self.x.cell, self.age.cell, self.x.values + self.model.late
        gone = weight * expit(left)
        power = (r + self.x.values)[at_x]
        age, recency = alpha[age_cell] + self.age.values, alpha[self.recency.cell] + self.recency.values
        gap = log_age[at_age] - log_recency[at_recency]
        by_cell = np.bincount(self.rows.cell, self.rows.weight, cells)

        d_r = by_x @ (psi(r + self.x.values) - psi(r)) + by_cell @ np.log(alpha) - by_age @ log_age + gone @ gap
        d_alpha = (
            by_cell * r / alpha
            - np.bincount(age_cell, (r * by_age + x_by_age) / age, cells)
            + np.bincount(x_cell[at_x], gone * power * (1 / age[at_age] - 1 / recency[at_recency]), cells)
        )
        ax, bx = a[x_cell], b[x_cell]
        both = by_x * (psi(ax + bx) - psi(ax + bx + n))
        gone_x = np.bincount(at_x, gone, len(n))
        d_a = np.bincount(x_cell, both + gone_x / ax, cells)
        before = np.where(n > 0, bx + n - 1, 1.0)
        d_b = np.bincount(x_cell, both + by_x * (psi(bx + n) - psi(bx)) - gone_x / before, cells)

        tilt = a * b / (a + b) * (d_a - d_b)  # by the logit of leaving
        by_rate = -alpha * d_alpha  # alpha = r / rate
        whole = [float(r * d_r - by_rate.sum()), by_rate.sum(), tilt.sum(), float((a * d_a + b * d_b).sum())]
        return float(values[0]), np.r_[whole, by_rate @ self.rows.z, tilt @ self.rows.z] if k else np.array(whole)

    def _parts(self, points: np.ndarray) -> tuple[np.ndarray, Parameters, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Values, parameters, log odds of having left, and logs of alpha + age and alpha + recency, a row a point."""
        r, alpha, a, b = self.model.natural(points, self.rows.z)
        (by_x, by_age, x_by_age), (at_x, at_age, at_recency, weight) = self._sums, self._busy
        with np.errstate(divide="ignore"):
            log_age, log_recency = (np.log(alpha[:, t.cell] + t.values) for t in (self.age, self.recency))
        ax, bx, n = a[:, self.x.cell], b[:, self.x.cell], self.x.values + self.model.late
        power = r + self.x.values
        counted = gammaln(power) - gammaln(r) + r * np.log(alpha)[:, self.x.cell]
        counted += gammaln(ax + bx) - gammaln(ax + bx + n) + gammaln(bx + n) - gammaln(bx)
        odds = np.log(ax) - np.log(np.where(n > 0, bx + n - 1, 1.0))
        left = odds[:, at_x] + power[:, at_x] * (log_age[:, at_age] - log_recency[:, at_recency])
        value = counted @ by_x - r[:, 0] * (log_age @ by_age) - log_age @ x_by_age + np.logaddexp(0.0, left) @ weight
        return value, (r[:, 0], alpha, a, b), left, (log_age, log_recency)
