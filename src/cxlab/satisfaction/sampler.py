"""Exact draws of the satisfaction model without a Markov chain: scales, then effects and cuts, then cells.

The posterior is nested, and each step is nearly normal given the one before, while the whole is not: a scale that may
be close to zero bends everything below it. So

1. scales are drawn from their approximate marginal posterior (normal likelihood for what lies below, expanded around
   its mode at several sds of the cells), by importance resampling in the few dimensions they have;
2. effects, log-scales and cuts given the scales from the t with the matching mean and precision;
3. cells given all of that by `Marginal.weigh`;

and each whole draw is weighted by the exact joint density. The weights are smoothed and judged by Pareto's k-hat, and
draws are dealt out by weight. A scale stands as z with scale = prior sd x half-normal quantile of z's own probability,
so its prior is a standard normal.

References
----------
Rue, Martino and Chopin (2009), Approximate Bayesian inference for latent Gaussian models,
doi:10.1111/j.1467-9868.2008.00700.x.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.satisfaction.laplace import Marginal

NODES: Final = 11  # sds of the cells at which the likelihood is expanded
REACH: Final = 5.0  # sds of z from the middle to the farthest of them: beyond it the nearest one stands in
NEAR: Final = 0.9  # sd of z from which down cubic splines join them, above it straight lines
LOWEST: Final = 6.0  # z from which down a scale is zero for all purposes
TAILS: Final = 5.0  # degrees of freedom of the scales' proposal
EXPANSIONS: Final = 3  # each around the scales that the one before found
ROUNDS: Final = 3  # of adapting that proposal
MORE: Final = 1.25  # proposals for each draw wanted
OVER: Final = 4  # scales proposed for each one kept
BATCH: Final = 500


@dataclass(frozen=True)
class Draws:
    """Draws of all parameters, dealt out by weight.

    Attributes
    ----------
    scale : array, shape (n, S)
        Of the used scales, logits.
    effect, log_scale, cut, eta : arrays, shapes (n, E), (n, G), (n, K - 1), (n, M)
        Logits.
    khat : float
        Shape of the weights' tail; below .7 they can be trusted.
    ess : float
        Effective number of the proposals.
    """

    scale: np.ndarray
    effect: np.ndarray
    log_scale: np.ndarray
    cut: np.ndarray
    eta: np.ndarray
    khat: float
    ess: float


class _Expansion:
    """Normal approximation of everything below the scales, for any scales."""

    def __init__(
        self,
        marginal: Marginal,
        prior_sd: np.ndarray,
        scale_of: np.ndarray,
        z: np.ndarray,
        *,
        spread: float,
        begin: np.ndarray,
    ) -> None:
        from scipy.interpolate import make_interp_spline

        self.marginal, self.prior_sd, self.scale_of = marginal, prior_sd, scale_of
        self.theta = self._mode(z, begin)
        edge = self._edge(self.theta, float(self.scales(z[None])[0, 0]))
        self.grid = np.linspace(max(z[0] - REACH * spread, -LOWEST), z[0] + REACH * spread, NODES)
        values, slopes, curves = [], [], []
        for node in self.grid:
            s = float(self.prior_sd[0] * half_normal(np.array([node]))[0])
            value, slope = marginal(self.theta, s)
            values.append(value)
            slopes.append(slope)
            curves.append(marginal.precision(self.theta, s) + edge)
        # from afar nothing may overshoot: a mean of curvatures is a curvature
        order = 1 if spread > NEAR else 3
        self.value, self.slope, self.curve = (
            make_interp_spline(self.grid, np.array(found), k=order) for found in (values, slopes, curves)
        )

    def scales(self, z: np.ndarray) -> np.ndarray:
        """Scales in logits, shape (m, S)."""
        return self.prior_sd * half_normal(z)

    def _trust(self, z: np.ndarray) -> np.ndarray:
        """Prior precision of theta beyond what is in the likelihood, shape (m, d)."""
        out = np.zeros((len(z), self.marginal.size))
        out[:, : self.marginal.effects] = self.scales(z)[:, self.scale_of] ** -2.0
        return out

    def _mode(self, z: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Theta that is most probable given the scales, by Newton's method with shortened steps."""
        trust = self._trust(z[None])[0]
        s = float(self.scales(z[None])[0, 0])

        def height(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self.marginal(x, s)
            return value - 0.5 * float(trust @ x**2), slope - trust * x

        value, slope = height(theta)
        ridge = np.where(np.arange(len(theta)) < self.marginal.effects, 0.0, 0.05)  # raw cuts are known to about one
        edge = np.zeros((len(theta), len(theta)))
        for _ in range(60):
            curve = self.marginal.precision(theta, s) + np.diag(trust + ridge + 1e-9) + edge
            step = np.linalg.solve(curve, slope)
            if not np.isfinite(step).all() or slope @ step <= 0:
                step = slope / (np.abs(np.diag(curve)) + 1.0)
            gain = slope @ step
            if gain < 1e-4:  # the point is an expansion's, not an estimate: a hundredth of an sd will do
                break
            if gain < 10.0 and not edge.any():
                edge = self._edge(theta, s)  # near the mode the gaps' own curvature decides
                continue
            step *= min(1.0, 3.0 / float(np.abs(step).max()))
            for shrink in (1.0, 0.5, 0.25, 0.1, 0.02, 0.002):
                new, new_slope = height(theta + shrink * step)
                if np.isfinite(new) and new > value - 1e-9 * abs(value):
                    break
            else:
                break
            theta, value, slope = theta + shrink * step, new, new_slope
        return theta

    def _edge(self, theta: np.ndarray, s: float) -> np.ndarray:
        """What `Marginal.precision` leaves out, in the rows and columns of cuts and log-scales, by differences."""
        marginal, width = self.marginal, 1e-4
        known = marginal.precision(theta, s)
        edge = np.zeros_like(known)
        for i in range(marginal.effects, marginal.size):
            shift = np.zeros(marginal.size)
            shift[i] = width
            up, down = marginal(theta + shift, s)[1], marginal(theta - shift, s)[1]
            edge[i] = (down - up) / (2 * width) - known[i]
        own = slice(marginal.effects, marginal.size)
        edge[:, own] = edge[own].T
        edge[own, own] = (edge[own, own] + edge[own, own].T) / 2
        return edge

    def given(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log marginal of scales (m,); of theta given them the Cholesky factor of the precision, and factor' mean."""
        at, trust = np.clip(z[:, 0], self.grid[0], self.grid[-1]), self._trust(z)
        curve = self.curve(at)
        i = np.arange(self.marginal.size)
        curve[:, i, i] += trust
        factor = _cholesky(curve)
        pulled = np.linalg.solve(factor, (self.slope(at) - trust * self.theta)[:, :, None])[:, :, 0]
        of = trust[:, : self.marginal.effects]
        value = self.value(at) - 0.5 * (z**2).sum(axis=1) + 0.5 * np.log(of).sum(axis=1)
        value += 0.5 * (pulled**2).sum(axis=1) - 0.5 * (trust * self.theta**2).sum(axis=1)
        return value - np.log(factor[:, i, i]).sum(axis=1), factor, pulled

    def height(self, z: np.ndarray) -> np.ndarray:
        """Approximate log marginal density of scales, shape (m,)."""
        return np.concatenate([self.given(z[k : k + BATCH])[0] for k in range(0, len(z), BATCH)])


def draw(
    arrays: dict[str, np.ndarray], *, used: np.ndarray, scale_of: np.ndarray, wanted: int, seed: int, more: int = 1
) -> Draws:
    """Draw from the posterior.

    Parameters
    ----------
    arrays : dict of str to array
        From `pymc_model.pack`, of cells that all have answers.
    used : array of int, shape (S,)
        Positions of the scales that something hangs on; the first is 0, the cells'.
    scale_of : array of int, shape (E,)
        Place in `used` of each effect's scale.
    wanted, seed : int
        Number of draws, and their seed.
    more : int
        Times the usual number of proposals.
    """
    random = np.random.default_rng(seed)
    marginal = Marginal(arrays)
    prior_sd = arrays["scale_prior"][used]
    middle, cov, begin = np.full(len(used), -0.3), np.eye(len(used)), np.zeros(marginal.size)
    for _ in range(EXPANSIONS):
        spread, around = float(np.sqrt(cov[0, 0])), np.clip(middle, -LOWEST, LOWEST)
        expansion = _Expansion(marginal, prior_sd, scale_of, around, spread=spread, begin=begin)
        begin = expansion.theta
        middle, cov = _around(expansion, middle, cov, random)

    m = int(np.ceil(MORE * wanted * more))
    z, log_q = _students(middle, cov, TAILS, OVER * m, random)
    weight, _, _ = smoothed(expansion.height(z) - log_q)
    z = z[random.permutation(_dealt(weight, m, random))]
    degrees = max(20.0, float(marginal.size))
    theta, log_q = np.empty((m, marginal.size)), np.empty(m)
    for k in range(0, m, BATCH):
        part = slice(k, k + BATCH)
        height, factor, pulled = expansion.given(z[part])
        normal = random.standard_normal(pulled.shape)
        stretch = random.chisquare(degrees, len(normal)) / degrees
        away = np.linalg.solve(np.swapaxes(factor, 1, 2), (pulled + normal / np.sqrt(stretch)[:, None])[:, :, None])
        theta[part] = expansion.theta + away[:, :, 0]
        i = np.arange(marginal.size)
        log_q[part] = height + np.log(factor[:, i, i]).sum(axis=1)
        log_q[part] -= 0.5 * (degrees + marginal.size) * np.log1p((normal**2).sum(axis=1) / stretch / degrees)
    scale = expansion.scales(z)
    s_at = float(expansion.scales(middle[None])[0, 0])
    eta, ratio = marginal.weigh(theta, scale[:, 0], at=expansion.theta, s_at=s_at, random=random)
    of = scale[:, scale_of]
    target = ratio - 0.5 * (z**2).sum(axis=1) - 0.5 * ((theta[:, : marginal.effects] / of) ** 2).sum(axis=1)
    weight, khat, ess = smoothed(target - np.log(of).sum(axis=1) - log_q)
    chosen = random.permutation(_dealt(weight, wanted, random))
    named = marginal.named(theta[chosen])
    return Draws(scale[chosen], named.effect, named.log_scale, named.cut, eta[chosen], khat, ess)


def smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return normalised Pareto-smoothed weights, k-hat and their effective number."""
    from arviz_stats.base import array_stats

    raw = np.where(np.isfinite(log_weight), log_weight, -np.inf)
    raw = np.maximum(raw - raw.max(), -700.0)
    smooth, khat = array_stats._psislw(-raw, 1.0)  # it negates its argument: written for leave-one-out
    weight = np.exp(smooth - smooth.max())
    weight /= weight.sum()
    return weight, float(khat), 1 / float((weight**2).sum())


def half_normal(z: np.ndarray) -> np.ndarray:
    """Half-normal quantile of a standard normal's own probability: a scale whose prior is normal in z."""
    from scipy.special import log_ndtr, ndtri_exp

    return np.asarray(np.maximum(-ndtri_exp(log_ndtr(-z) - np.log(2.0)), 1e-6))  # P(|x| > g) = P(x > z)


def _around(
    expansion: _Expansion, middle: np.ndarray, cov: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and widened covariance of the scales, in rounds of importance sampling."""
    size = len(middle)
    n = 150 + 50 * size
    for _ in range(ROUNDS):
        points, log_q = _students(middle, cov, TAILS, n, random)
        height = expansion.height(points) - log_q
        temper = 1.0  # a few points that carry all weight say little of the covariance
        while temper > 0.05:
            weight = np.exp(temper * (height - height.max()))
            weight /= weight.sum()
            if 1 / (weight**2).sum() > 10 * (size + 1):
                break
            temper *= 0.7
        middle = weight @ points
        cov = 1.2 * (points - middle).T @ ((points - middle) * weight[:, None]) + 1e-4 * np.eye(size)
    return middle, cov


def _students(
    middle: np.ndarray, cov: np.ndarray, degrees: float, n: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    normal = random.standard_normal((n, len(middle)))
    stretch = random.chisquare(degrees, n) / degrees
    points = middle + (normal / np.sqrt(stretch)[:, None]) @ np.linalg.cholesky(cov).T
    log_q = -0.5 * (degrees + len(middle)) * np.log1p((normal**2).sum(axis=1) / stretch / degrees)
    return np.clip(points, -8.0, 8.0), log_q


def _dealt(weight: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """Places chosen by weight, systematically: the least extra noise."""
    return np.searchsorted(np.cumsum(weight), (np.arange(n) + random.random()) / n).clip(max=len(weight) - 1)


def _cholesky(curve: np.ndarray) -> np.ndarray:
    """Cholesky factors; where the expansion is not convex, its eigenvalues are lifted."""
    try:
        return np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        sizes, directions = np.linalg.eigh(curve)
        sizes = np.maximum(sizes, 1e-6 * sizes[:, -1:])
        return np.linalg.cholesky((directions * sizes[:, None, :]) @ np.swapaxes(directions, 1, 2))
