r"""Pareto/NBD: a customer buys at rate lambda for a lifetime that ends at rate mu.

    lambda ~ Gamma(r, alpha),  mu ~ Gamma(s, beta)

With x repeat purchases, the last at time t, observed for a time T, the likelihood of one customer is

    G(r + x) / G(r) alpha^r beta^s [ (alpha+T)^-(r+x) (beta+T)^-s + s int_t^T (alpha+v)^-(r+x) (beta+v)^-(s+1) dv ].

The integral is Gauss's hypergeometric function. Here it is taken as an integral in w = ((c+t)/(c+v))^k with c the
smaller of alpha and beta and k a third of the decay at v = t: the integrand is then bounded and smooth whichever of
alpha and beta is larger and however often somebody bought (24 nodes: ten digits), and it can be differentiated under
the sign. Covariates z multiply the rate of buying by exp(g'z) and that of leaving by exp(h'z).

Coordinates: log r, log r/alpha (purchases a unit of time), log s, log s/beta (leavings a unit of time), g, h.

References
----------
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
Fader and Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models (note 019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, gammaln, psi

from cxlab.value.clv.quadrature import unit_rule
from cxlab.value.clv.unique_rows import Rows

NAMES: Final = ("r", "alpha", "s", "beta")
_NODES: Final = 24
_SLOWEST: Final = 0.3  # decay below which the change of variable would stretch too far
_FAR: Final = 300.0  # of a logarithm: where a search for the mode that went astray still has a finite slope
_BLOCK: Final = 20_000  # rows at once, so that the nodes stay in the cache


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood of weighted rows."""

    rows: Rows

    def value(self, point: np.ndarray) -> float:
        """Return the log likelihood at a point of the coordinates."""
        return sum(float(part.weight @ _row(point, part, slopes=False)[0]) for part in self._blocks())

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log likelihood and its gradient."""
        k = self.rows.z.shape[1]
        value, slope = 0.0, np.zeros(4 + 2 * k)
        for part in self._blocks():
            r, alpha, s, beta = natural(point, part.z)
            each, (d_r, d_alpha, d_s, d_beta) = _row(point, part, slopes=True)
            w = part.weight
            value += float(w @ each)
            rate, leave = -w * alpha[part.cell] * d_alpha, -w * beta[part.cell] * d_beta
            slope[0] += r * float(w @ d_r) - rate.sum()
            slope[1] += rate.sum()
            slope[2] += s * float(w @ d_s) - leave.sum()
            slope[3] += leave.sum()
            slope[4 : 4 + k] += np.bincount(part.cell, rate, len(part.z)) @ part.z
            slope[4 + k :] += np.bincount(part.cell, leave, len(part.z)) @ part.z
        return value, slope

    def _blocks(self) -> list[Rows]:
        n = len(self.rows)
        return [self.rows.pick(np.arange(i, min(i + _BLOCK, n))) for i in range(0, n, _BLOCK)]


def likelihood(rows: Rows) -> Likelihood:
    """Prepare the log likelihood of some rows."""
    return Likelihood(rows)


def natural(point: np.ndarray, z: np.ndarray) -> tuple[float, np.ndarray, float, np.ndarray]:
    """Return r, alpha of each cell, s, beta of each cell."""
    k = z.shape[1]
    r, s = (float(np.exp(np.clip(v, -_FAR, _FAR))) for v in (point[0], point[2]))
    rate, leave = point[1] + z @ point[4 : 4 + k], point[3] + z @ point[4 + k :]
    return r, r / np.exp(np.clip(rate, -_FAR, _FAR)), s, s / np.exp(np.clip(leave, -_FAR, _FAR))


def coordinates(r: float, alpha: float, s: float, beta: float) -> np.ndarray:
    """Return the point of the coordinates, without covariates."""
    return np.array([np.log(r), np.log(r / alpha), np.log(s), np.log(s / beta)])


def start(rows: Rows) -> np.ndarray:
    """Return where the search for the mode begins."""
    age = (rows.weight @ rows.age) / rows.customers
    rate = (rows.weight @ rows.x + 1) / (rows.weight @ rows.age + 1)
    return np.r_[-0.5, np.log(2 * rate), -0.5, np.log(1 / max(age, 1e-9)), np.zeros(2 * rows.z.shape[1])]


def _row(point: np.ndarray, rows: Rows, *, slopes: bool) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Log likelihood of each row and its derivatives by r, alpha, s, beta."""
    r, alphas, s, betas = natural(point, rows.z)
    alpha, beta = alphas[rows.cell], betas[rows.cell]
    power = r + rows.x
    constant = gammaln(power) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    last, end = alpha + rows.age, beta + rows.age
    lives = -power * np.log(last) - s * np.log(end)
    left, *means = _left(power, s, alpha, beta, rows, slopes=slopes)
    both = np.logaddexp(lives, left)
    value = constant + both
    if not slopes:
        return value, ()
    share, stays = np.exp(left - both), np.exp(lives - both)
    by_log, by_alpha, by_log_beta, by_beta = means
    d_r = psi(power) - psi(r) + np.log(alpha) - stays * np.log(last) - share * by_log
    d_alpha = r / alpha - stays * power / last - share * power * by_alpha
    d_s = np.log(beta) - stays * np.log(end) + share * (1 / s - by_log_beta)
    d_beta = s / beta - stays * s / end - share * (s + 1) * by_beta
    return value, (d_r, d_alpha, d_s, d_beta)


def _left(
    power: np.ndarray, s: float, alpha: np.ndarray, beta: np.ndarray, rows: Rows, *, slopes: bool
) -> tuple[np.ndarray, ...]:
    """Return the log of the term of those who left after v.

    With `slopes` also the means of log(alpha+v), 1/(alpha+v), log(beta+v) and 1/(beta+v) over the time v of leaving.
    """
    buying, living = alpha + rows.recency, beta + rows.recency
    scale = np.minimum(alpha, beta) + rows.recency
    decay = np.maximum((power / buying + (s + 1) / living) * scale - 1, _SLOWEST) / 3
    span = np.log1p((rows.age - rows.recency) / scale)
    low, width = np.exp(-decay * span), -np.expm1(-decay * span)
    total = np.zeros_like(scale)
    sums = [np.zeros_like(scale) for _ in range(4)]
    for node, mass in zip(*unit_rule(_NODES), strict=True):
        w = low + width * node
        grown = np.minimum(-np.log(w) / decay, span)
        v = scale * np.expm1(grown)
        in_buying, in_living = np.log1p(v / buying), np.log1p(v / living)
        weight = mass / w * np.exp(grown - power * in_buying - (s + 1) * in_living)
        total += weight
        if slopes:
            sums[0] += weight * in_buying
            sums[1] += weight / (buying + v)
            sums[2] += weight * in_living
            sums[3] += weight / (living + v)
    with np.errstate(divide="ignore"):  # a customer who bought on the last day had no time to leave
        log_integral = np.log(total * width * scale / decay)
    out = np.log(s) - power * np.log(buying) - (s + 1) * np.log(living) + log_integral
    if not slopes:
        return (out,)
    means = [part / total for part in sums]
    means[0] += np.log(buying)
    means[2] += np.log(living)
    return (out, *means)


def alive(points: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the probability that a customer of each row has not left, (draw, row)."""
    out = np.empty((len(points), len(rows)))
    for i, point in enumerate(points):
        r, alphas, s, betas = natural(point, rows.z)
        alpha, beta = alphas[rows.cell], betas[rows.cell]
        power = r + rows.x
        (left,) = _left(power, s, alpha, beta, rows, slopes=False)
        out[i] = expit(-power * np.log(alpha + rows.age) - s * np.log(beta + rows.age) - left)
    return out


def intensity(points: np.ndarray, rows: Rows, ahead: np.ndarray) -> np.ndarray:
    """Return the expected purchases a unit of time at times `ahead`, of customers alive now, (draw, row, time)."""
    r, alpha, s, beta = _spread(points, rows)
    later = np.log1p(ahead / (beta + rows.age)[..., None])
    return ((r + rows.x) / (alpha + rows.age))[..., None] * np.exp(-s[..., None] * later)


def simulate(points: np.ndarray, rows: Rows, *, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw what a living customer of each row is like: rates of buying and of leaving, (draw, row)."""
    r, alpha, s, beta = _spread(points, rows)
    rate = random.standard_gamma(np.broadcast_to(r + rows.x, alpha.shape)) / (alpha + rows.age)
    return rate, random.standard_gamma(np.broadcast_to(s, alpha.shape)) / (beta + rows.age)


def counts(rate: np.ndarray, leave: np.ndarray, horizon: float, random: np.random.Generator) -> np.ndarray:
    """Draw the purchases of living customers within the horizon."""
    life = random.standard_exponential(rate.shape) / np.maximum(leave, 1e-300)
    return random.poisson(np.minimum(rate * np.minimum(life, horizon), 1e9))


def leaving(rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """Return the rate of leaving."""
    return leave


def _spread(points: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Parameters as (draw, row)."""
    k = rows.z.shape[1]
    z = rows.z[rows.cell]
    r, s = np.exp(points[:, :1]), np.exp(points[:, 2:3])
    shape = (len(points), len(rows))
    alpha = np.broadcast_to(r / np.exp(points[:, 1:2] + points[:, 4 : 4 + k] @ z.T), shape)
    beta = np.broadcast_to(s / np.exp(points[:, 3:4] + points[:, 4 + k :] @ z.T), shape)
    return r, alpha, s, beta
