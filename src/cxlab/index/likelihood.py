"""The log density of the structural model on sufficient statistics, with its gradient, in numpy.

With a diagonal residual matrix Theta and each item on one latent, for N respondents with covariance S::

    log|Sigma| + tr(S Sigma^-1) = log|Theta| + log|G| + tr(S Theta^-1) - tr(G^-1 V'MV)
    V = (I - B)^-1 diag(sd),  D = Lambda' Theta^-1 Lambda (diagonal),  G = I + V'DV
    M = Lambda' Theta^-1 S Theta^-1 Lambda

so nothing larger than latents x latents is inverted. `Density` is for completed answers (one pattern); `exact` weighs
its draws where answers are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxlab.index import kernel
from cxlab.index.data import Patterns
from cxlab.index.structure import Structure


@dataclass(frozen=True)
class Prior:
    """Sds of the normal priors of paths (around 0) and loadings (around 1); the gamma prior of all sds."""

    path_sd: float
    loading_sd: float
    shape: float
    rate: float


@dataclass(frozen=True)
class Parts:
    """Parameters by name for m points.

    Attributes
    ----------
    path : array, shape (m, K, K)
        ``path[:, to, from]``.
    loading : array, shape (m, J)
    sd : array, shape (m, K)
        Of what moves a latent beside its paths.
    residual : array, shape (m, J)
        Residual variances.
    """

    path: np.ndarray
    loading: np.ndarray
    sd: np.ndarray
    residual: np.ndarray

    @cached_property
    def total(self) -> np.ndarray:
        """``(I - B)^-1``: total effects on the latents' own scales, shape (m, K, K), from in columns."""
        return np.asarray(np.linalg.inv(np.eye(self.path.shape[-1]) - self.path))

    @cached_property
    def latent(self) -> np.ndarray:
        """Covariance of the latents, shape (m, K, K)."""
        v = self.total * self.sd[:, None, :]
        return np.asarray(v @ np.swapaxes(v, 1, 2))


def unpack(points: np.ndarray, spec: Structure) -> Parts:
    """Unconstrained vectors (m, d) -> parameters by name."""
    x = np.atleast_2d(points)
    m, k, j = len(x), len(spec.latents), len(spec.items)
    a, b = len(spec.paths), len(spec.paths) + len(spec.free)
    path = np.zeros((m, k, k))
    if spec.paths:
        origin, to = np.array(spec.paths).T
        path[:, to, origin] = x[:, :a]
    loading = np.ones((m, j))
    loading[:, spec.free] = x[:, a:b]
    residual = np.repeat(spec.residual[None], m, axis=0)
    residual[:, spec.noisy] = np.exp(2.0 * x[:, b + k :])
    return Parts(path, loading, np.exp(x[:, b : b + k]), residual)


class Density:
    """The log posterior of completed answers as a function of the unconstrained vector.

    Parameters
    ----------
    spec : Structure
    scatter : array, shape (J, J)
        Sums of squares and products around the periods' means.
    freedom : float
        Respondents less one a period: the means are integrated out under a flat prior.
    prior : Prior or None
        None leaves out all priors: the mode is then maximum likelihood.
    """

    def __init__(self, spec: Structure, scatter: np.ndarray, freedom: float, *, prior: Prior | None) -> None:
        self.spec, self.freedom, self.prior = spec, float(freedom), prior
        self.covariance = scatter / freedom
        self._to = np.array([b for _, b in spec.paths], int)
        self._from = np.array([a for a, _ in spec.paths], int)
        self._members = np.zeros((len(spec.items), len(spec.latents)))
        self._members[np.arange(len(spec.items)), spec.of_item] = 1.0
        self._diagonal = np.diag(self.covariance).copy()
        self._kernel = kernel.compiled()
        self._fixed = (
            self._from,
            self._to,
            spec.free.astype(int),
            spec.noisy.astype(int),
            spec.of_item,
            spec.residual,
            np.ascontiguousarray(self.covariance),
            self.freedom,
        )

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its gradient; minus infinity outside what floating point can hold."""
        slopes = np.empty_like(x)
        value = self._kernel(x, slopes, *self._fixed)
        if not np.isfinite(value):
            return float("-inf"), np.zeros_like(x)
        if self.prior is None:
            return float(value), slopes
        a, b = len(self._to), len(self._to) + len(self.spec.free)
        slopes[:a] -= x[:a] / self.prior.path_sd**2
        slopes[a:b] -= (x[a:b] - 1.0) / self.prior.loading_sd**2
        slopes[b:] += self.prior.shape - self.prior.rate * np.exp(x[b:])
        return float(value) + float(self.log_prior(x[None])[0]), slopes

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Log prior of points (m, d) up to a constant, Jacobians of the log sds included, shape (m,)."""
        if self.prior is None:
            return np.zeros(len(points))
        a, b = len(self._to), len(self._to) + len(self.spec.free)
        logs = points[:, b:]
        value = (self.prior.shape * logs - self.prior.rate * np.exp(logs)).sum(axis=1)
        value -= 0.5 * (points[:, :a] ** 2).sum(axis=1) / self.prior.path_sd**2
        value -= 0.5 * ((points[:, a:b] - 1.0) ** 2).sum(axis=1) / self.prior.loading_sd**2
        return np.asarray(value)

    def start(self) -> np.ndarray:
        """A point from which the mode is found: loadings of first components, paths of regressions on block means."""
        spec = self.spec
        k = len(spec.latents)
        spread = np.sqrt(np.maximum(self._diagonal, 1e-6))
        free = np.ones(len(spec.items))
        share = np.full(len(spec.items), 0.5)
        for latent in range(k):
            members = np.flatnonzero(spec.of_item == latent)
            if len(members) < 2:
                continue
            block = self.covariance[np.ix_(members, members)]
            sizes, directions = np.linalg.eigh(block)
            strength = directions[:, -1] * np.sqrt(sizes[-1])
            marker = int(np.flatnonzero(members == spec.markers[latent])[0])
            strength = strength * np.sign(strength[marker] or 1.0)
            base = strength[marker] if abs(strength[marker]) > 0.2 * spread.mean() else 0.2 * spread.mean()
            free[members] = np.clip(strength / base, -3.0, 3.0)
            share[members] = np.clip((strength / spread[members]) ** 2 * 0.8, 0.05, 0.9)
        scores = self._members / self._members.sum(axis=0)
        between = scores.T @ self.covariance @ scores
        path = np.zeros(len(self._to))
        latent_sd = np.zeros(k)
        for latent in range(k):
            mine = np.flatnonzero(self._to == latent)
            left = between[latent, latent]
            if len(mine):
                origins = self._from[mine]
                inside = between[np.ix_(origins, origins)] + 0.2 * np.eye(len(origins)) * np.diag(between)[origins]
                path[mine] = np.linalg.solve(inside, between[origins, latent])
                left = max(left - between[latent, origins] @ path[mine], 0.2 * left)
            marker = spec.markers[latent]
            latent_sd[latent] = np.sqrt(max(left * share[marker], 1e-3)) if marker in spec.noisy else np.sqrt(left)
        noisy = np.sqrt(np.maximum((1.0 - share[spec.noisy]) * self._diagonal[spec.noisy], 1e-3))
        return np.concatenate([path, free[spec.free], np.log(latent_sd), np.log(noisy)])


def implied(points: np.ndarray, spec: Structure) -> np.ndarray:
    """Covariance of the items that the model implies, shape (m, J, J)."""
    parts = unpack(points, spec)
    block = spec.of_item
    within = parts.latent[:, block][:, :, block] * parts.loading[:, :, None] * parts.loading[:, None, :]
    index = np.arange(len(spec.items))
    within[:, index, index] += parts.residual
    return within


def means(points: np.ndarray, given: Patterns, spec: Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact log likelihood of patterns with the means integrated out, and what is known of the means.

    Parameters
    ----------
    points : array, shape (m, d)
    given : Patterns

    Returns
    -------
    value : array, shape (m,)
        Up to a constant.
    centre : array, shape (m, T, J)
        Posterior means of the items' means by period.
    factor : array, shape (m, T, J, J)
        ``factor @ factor.T`` is their covariance.
    """
    parts = unpack(points, spec)
    m, j, block = len(points), len(spec.items), spec.of_item
    member = (block[:, None] == np.arange(len(spec.latents))).astype(float)
    slope = parts.loading / parts.residual
    inside = np.linalg.inv(parts.latent)
    latent_size = np.linalg.slogdet(parts.latent)[1]
    log_residual = np.log(parts.residual)
    diagonal = np.arange(len(spec.latents))
    periods = given.n.shape[1]
    value = np.zeros(m)
    precision = np.zeros((m, periods, j, j))
    pull = np.zeros((m, periods, j))
    constant = np.zeros((m, periods))
    items = np.arange(j)
    for seen, n, mean, scatter in zip(given.seen, given.n, given.mean, given.scatter, strict=True):
        left = inside.copy()
        left[:, diagonal, diagonal] += (parts.loading * slope * seen) @ member
        h = np.linalg.inv(left)  # covariance of the latents given the answers
        z = member * (slope * seen)[:, :, None]
        inner = np.swapaxes(z, 1, 2) @ (scatter @ z)
        size = log_residual @ seen + latent_size + np.linalg.slogdet(left)[1]
        value -= 0.5 * n.sum() * size
        value -= 0.5 * ((np.diag(scatter) * seen / parts.residual).sum(axis=1) - (h * inner).sum(axis=(1, 2)))
        inverse = -(z @ h @ np.swapaxes(z, 1, 2))
        inverse[:, items, items] += seen / parts.residual
        for t in np.flatnonzero(n):
            precision[:, t] += n[t] * inverse
            own = inverse @ mean[t]
            pull[:, t] += n[t] * own
            constant[:, t] += n[t] * (own @ mean[t])
    centre = np.linalg.solve(precision, pull[..., None])[..., 0]
    value -= 0.5 * (np.linalg.slogdet(precision)[1] + constant - (pull * centre).sum(axis=2)).sum(axis=1)
    # precision = L L', so the inverse of L' is a root of the covariance.
    factor = np.linalg.inv(np.swapaxes(np.linalg.cholesky(precision), 2, 3))
    return value, centre, factor
