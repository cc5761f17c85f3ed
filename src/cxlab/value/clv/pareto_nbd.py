r"""Pareto/NBD: a customer buys at rate lambda for a lifetime that ends at rate mu.

    lambda ~ Gamma(r, alpha),  mu ~ Gamma(s, beta)

With x repeat purchases, the last at time t, observed for a time T, the likelihood of one customer is

    G(r + x) / G(r) alpha^r beta^s [ (alpha+T)^-(r+x) (beta+T)^-s + s int_t^T (alpha+v)^-(r+x) (beta+v)^-(s+1) dv ].

The integral is Gauss's hypergeometric function. Here it is taken as an integral in w = ((c+t)/(c+v))^k with c the
smaller of alpha and beta and k a third of the decay at v = t: the integrand is then bounded and smooth whichever of
alpha and beta is larger and however often somebody bought (24 nodes: ten digits), and it can be differentiated under
the sign. Covariates z multiply the rate of buying by exp(g'z) and that of leaving by exp(h'z).

Coordinates: log r, log r/alpha (purchases a unit of time), log s, log s/beta (leavings a unit of time), g, h. The slope
is written by hand: automatic differentiation takes five times as long, some seconds of a page on value.

References
----------
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
Fader and Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models (note 019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from scipy.special import expit, gammaln, psi

from cxlab.value.clv.quadrature import unit_rule
from cxlab.value.clv.rows import Rows

_NODES: Final = 24
_MOMENTS: Final = 12  # at which a customer may have left
_SLOWEST: Final = 0.3  # decay below which the change of variable would stretch too far
_FAR: Final = 300.0  # of a logarithm: where a search for the mode that went astray still has a finite slope
_BLOCK: Final = 2_000  # rows at once, so that the nodes stay in the cache
Parameters = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ParetoNbd:
    """The model of buying and leaving."""

    names: ClassVar = ("r", "alpha", "s", "beta")

    def natural(self, points: np.ndarray, z: np.ndarray) -> Parameters:
        """Return r (point, 1), alpha (point, cell), s (point, 1) and beta (point, cell)."""
        k = z.shape[1]
        exponent = [points[:, :1], points[:, 1:2] + points[:, 4 : 4 + k] @ z.T]
        exponent += [points[:, 2:3], points[:, 3:4] + points[:, 4 + k :] @ z.T]
        r, rate, s, leave = (np.exp(np.clip(v, -_FAR, _FAR)) for v in exponent)
        return r, r / rate, s, s / leave

    def coordinates(self, r: float, alpha: float, s: float, beta: float) -> np.ndarray:
        """Return the point of the coordinates, without covariates."""
        return np.array([np.log(r), np.log(r / alpha), np.log(s), np.log(s / beta)])

    def start(self, rows: Rows) -> np.ndarray:
        """Return where the search for the mode begins."""
        age = (rows.weight @ rows.age) / rows.customers
        rate = (rows.weight @ rows.x + 1) / (rows.weight @ rows.age + 1)
        return np.r_[-0.5, np.log(2 * rate), -0.5, np.log(1 / max(age, 1e-9)), np.zeros(2 * rows.z.shape[1])]

    def likelihood(self, rows: Rows) -> Likelihood:
        """Prepare the log likelihood of some rows."""
        return Likelihood(self, rows)

    def alive(self, points: np.ndarray, rows: Rows) -> np.ndarray:
        """Return the probability that a customer of each row has not left, (draw, row)."""
        return np.stack([expit(stays - left) for stays, left, *_ in (self.terms(p, rows) for p in points)])

    def intensity(self, points: np.ndarray, rows: Rows, ahead: np.ndarray) -> np.ndarray:
        """Return the expected purchases a unit of time at times `ahead`, of customers alive now, (draw, row, time)."""
        r, alpha, s, beta = self._by_row(points, rows)
        later = np.log1p(ahead / (beta + rows.age)[..., None])
        return ((r + rows.x) / (alpha + rows.age))[..., None] * np.exp(-s[..., None] * later)

    def draw_living(self, points: np.ndarray, rows: Rows, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw what a living customer of each row is like: rates of buying and of leaving, (draw, row)."""
        r, alpha, s, beta = self._by_row(points, rows)
        rate = random.standard_gamma(np.broadcast_to(r + rows.x, alpha.shape)) / (alpha + rows.age)
        return rate, random.standard_gamma(np.broadcast_to(s, alpha.shape)) / (beta + rows.age)

    def draw_gone(self, points: np.ndarray, rows: Rows, random: np.random.Generator) -> np.ndarray:
        """Draw the rate of those who left at a moment v between the last purchase and the end, (draw, row).

        The density of v is proportional to (alpha + v)^-(r + x) (beta + v)^-(s + 1), and rate ~ Gamma(r + x, alpha+v).
        """
        r, alpha, s, beta = (v[..., None] for v in self._by_row(points, rows))
        shape = r + rows.x[:, None]
        place = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
        moments = rows.recency[:, None] + (rows.age - rows.recency)[:, None] * place
        log = -shape * np.log((alpha + moments) / (alpha + rows.recency[:, None]))
        upto = np.cumsum(np.exp(log - (s + 1) * np.log((beta + moments) / (beta + rows.recency[:, None]))), axis=-1)
        chosen = (random.random(upto.shape[:2])[..., None] * upto[..., -1:] > upto).sum(axis=-1)
        until = np.take_along_axis(moments[None], chosen.clip(max=_MOMENTS - 1)[..., None], axis=-1)[..., 0]
        return random.standard_gamma(np.broadcast_to(shape[..., 0], until.shape)) / (alpha[..., 0] + until)

    def draw_purchases(
        self, rate: np.ndarray, leave: np.ndarray, weeks: float, random: np.random.Generator, *, when: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Draw the purchases of living customers within the weeks and, if asked, when the last one is."""
        span = np.minimum(random.standard_exponential(rate.shape) / np.maximum(leave, 1e-300), weeks)
        count = random.poisson(np.minimum(rate * span, 1e9))
        return count, span * random.random(rate.shape) ** (1 / np.maximum(count, 1)) if when else None

    def leaving(self, rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
        """Return the rate of leaving."""
        return leave

    def terms(self, point: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the logs of the two terms of each row: the customer is still there, or left after the last purchase.

        The factor G(r + x) / G(r) alpha^r beta^s is left out of both. Also the moments (node, row) of leaving after the
        last purchase, and their weights.
        """
        r, alpha, s, beta = (v[0] for v in self._by_row(point[None], rows))
        power, buying, living = r + rows.x, alpha + rows.recency, beta + rows.recency
        scale = np.minimum(buying, living)
        decay = np.maximum((power / buying + (s + 1) / living) * scale - 1, _SLOWEST) / 3
        span = np.log1p((rows.age - rows.recency) / scale)
        low = np.exp(-decay * span)
        node, mass = (v[:, None] for v in unit_rule(_NODES))
        w = low + (1 - low) * node
        grown = np.minimum(-np.log(w) / decay, span)
        v = scale * np.expm1(grown)
        weight = mass / w * np.exp(grown - power * np.log1p(v / buying) - (s + 1) * np.log1p(v / living))
        with np.errstate(divide="ignore"):  # a customer who bought on the last day had no time to leave
            left = np.log(weight.sum(axis=0) * -np.expm1(-decay * span) * scale / decay)
        left += np.log(s) - power * np.log(buying) - (s + 1) * np.log(living)
        return -power * np.log(alpha + rows.age) - s * np.log(beta + rows.age), left, v, weight

    def _by_row(self, points: np.ndarray, rows: Rows) -> Parameters:
        """Parameters as (draw, row), r and s as (draw, 1)."""
        r, alpha, s, beta = self.natural(points, rows.z)
        return r, alpha[:, rows.cell], s, beta[:, rows.cell]


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of weighted rows."""

    model: ParetoNbd
    rows: Rows

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return the log likelihood at points (point, coordinate)."""
        return np.array([sum(float(part.weight @ self._each(p, part)[0]) for part in self._blocks()) for p in points])

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log likelihood and its gradient at a point."""
        parts = [self._gradient(point, part) for part in self._blocks()]
        return sum(value for value, _ in parts), np.sum([slope for _, slope in parts], axis=0)

    def _gradient(self, point: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        each, (stays, left, v, weight) = self._each(point, rows)
        r, alpha, s, beta = (p[0] for p in self.model._by_row(point[None], rows))
        gone, power, w, cells = expit(left - stays), r + rows.x, rows.weight, len(rows.z)
        total = np.maximum(weight.sum(axis=0), 1e-300)

        def mean(of: np.ndarray, at_end: np.ndarray) -> np.ndarray:
            """Mean over what became of a customer: still there, or left at one of the moments."""
            return (1 - gone) * at_end + gone * (weight * of).sum(axis=0) / total

        buying, living = alpha + rows.recency + v, beta + rows.recency + v
        last, end = alpha + rows.age, beta + rows.age
        d_r = psi(power) - psi(r) + np.log(alpha) - mean(np.log(buying), np.log(last))
        d_s = np.log(beta) + gone / s - mean(np.log(living), np.log(end))
        rate = -w * (r - alpha * power * mean(1 / buying, 1 / last))  # by the logs of alpha and beta
        leave = -w * (s - beta * mean((s + 1) / living, s / end))
        by_cell = [np.bincount(rows.cell, v, cells) @ rows.z for v in (rate, leave)]
        whole = [r[0] * (w @ d_r) - rate.sum(), rate.sum(), s[0] * (w @ d_s) - leave.sum(), leave.sum()]
        return float(w @ each), np.concatenate([whole, *by_cell])

    def _each(self, point: np.ndarray, rows: Rows) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Log likelihood of each row, and its terms."""
        r, alpha, s, beta = (v[0] for v in self.model.natural(point[None], rows.z))
        powers, at = np.unique(rows.x, return_inverse=True)
        terms = self.model.terms(point, rows)
        front = (gammaln(r + powers) - gammaln(r))[at] + (r * np.log(alpha) + s * np.log(beta))[rows.cell]
        return front + np.logaddexp(terms[0], terms[1]), terms

    def _blocks(self) -> list[Rows]:
        return [self.rows.pick(slice(i, i + _BLOCK)) for i in range(0, len(self.rows), _BLOCK)]
