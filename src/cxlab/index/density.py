"""The log density of the structural model on sufficient statistics, in numpy, and what points of it mean.

`Density` is for completed answers (one pattern), `exact` for the patterns there are. A point is a vector: paths, free
loadings, then the sds of latents and residuals, each as ``u`` with ``sd = SOFT log(1 + exp(u / SOFT))``: the sd itself
unless it is next to nothing, so that the posterior of an sd near zero is nearly normal in ``u`` (its log is skewed).

The gradient is written by hand, as the matrix calculus of three lines of covariances: one call takes some .1 ms. By
autograd it takes 3 ms, and where latents nearly coincide and weights fail NUTS asks for it 400,000 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from cxlab.index.data import Patterns, SemData, Structure
from cxlab.inference import importance_sampling

SOFT: Final = 0.05  # item sds: a twentieth of an item's spread, below which an sd says nothing
_LEAST: Final = -0.45  # of ``u``: an sd of 1e-5, beyond which variances run out of digits
_CHUNK: Final = 4096  # points worked on at once
_STEP = 1e-5
_RANK = 1e-6  # a singular value below this share of the largest counts as none
_NEAR = 4.0  # modes whose log density is this much lower are no rivals
_CROWDED = 0.85  # R2 from which a latent nearly coincides with what moves it
_APART = 0.3  # loadings that differ by more than this are another explanation of the same data


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on standardised items (1: one standard deviation of an item)."""

    path_sd: float = 1.0  # normal sd of a path, latent units a latent unit
    loading_sd: float = 0.5  # normal sd of a loading around 1, relative to the marker's
    sd_shape: float = 2.0  # gamma shape of all sds; above 1 keeps them off zero, where chains stick
    sd_rate: float = 3.0  # gamma rate of all sds, per item sd


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


def bounded(u: np.ndarray) -> np.ndarray:
    """Return the sds of unbounded numbers."""
    return SOFT * np.logaddexp(0.0, u / SOFT)


def unbounded(sd: np.ndarray) -> np.ndarray:
    """Return the unbounded numbers of sds."""
    return np.asarray(sd + SOFT * np.log(-np.expm1(-sd / SOFT)))


def unpack(points: np.ndarray, spec: Structure) -> Parts:
    """Vectors (m, d) -> parameters by name."""
    x = np.atleast_2d(points)
    m, k, j = len(x), len(spec.latents), len(spec.items)
    a, b = len(spec.paths), len(spec.paths) + len(spec.free)
    path = np.zeros((m, k, k))
    origin, to = spec.ends
    path[:, to, origin] = x[:, :a]
    loading = np.ones((m, j))
    loading[:, spec.free] = x[:, a:b]
    sds = bounded(x[:, b:])
    residual = np.repeat(spec.residual[None], m, axis=0)
    residual[:, spec.noisy] = sds[:, k:] ** 2
    return Parts(path, loading, sds[:, :k], residual)


def implied(parts: Parts, spec: Structure) -> np.ndarray:
    """Covariance of the items that the model implies, shape (m, J, J)."""
    strength, index = spec.member * parts.loading[:, :, None], np.arange(len(spec.items))
    within = strength @ parts.latent @ np.swapaxes(strength, 1, 2)
    within[:, index, index] += parts.residual
    return np.asarray(within)


class Density:
    """The log posterior of completed answers.

    Parameters
    ----------
    spec : Structure
    scatter : array, shape (J, J)
        Sums of squares and products around the periods' means.
    freedom : float
        Respondents less one a period: the means are integrated out under a flat prior.
    prior : Priors or None
        None leaves out all priors: the mode is then maximum likelihood.
    """

    def __init__(self, spec: Structure, scatter: np.ndarray, freedom: float, *, prior: Priors | None) -> None:
        self.spec, self.freedom, self.prior = spec, float(freedom), prior
        self.covariance = scatter / freedom
        self._a, self._b = len(spec.paths), len(spec.paths) + len(spec.free)

    def many(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points (m, d); minus infinity beyond what floating point can hold."""
        value = np.full(len(points), -np.inf)
        held = np.flatnonzero((points[:, self._b :] > _LEAST).all(axis=1))
        for part in np.split(held, range(_CHUNK, len(held), _CHUNK)):
            sigma = implied(unpack(points[part], self.spec), self.spec)
            fit = np.linalg.slogdet(sigma)[1] + np.einsum("ij,mij->m", self.covariance, np.linalg.inv(sigma))
            value[part] = -0.5 * self.freedom * fit + self.log_prior(points[part])
        return value

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its gradient at a point (d,)."""
        spec, a, b, k = self.spec, self._a, self._b, len(self.spec.latents)
        if not x[b:].min() > _LEAST:
            return float("-inf"), np.zeros_like(x)
        (origin, to), sds, identity = spec.ends, bounded(x[b:]), np.eye(k)
        path, strength, residual = np.zeros((k, k)), spec.member.copy(), spec.residual.copy()
        path[to, origin], residual[spec.noisy] = x[:a], sds[k:] ** 2
        strength[spec.free] *= x[a:b, None]
        total = np.linalg.inv(identity - path)
        v = total * sds[:k]
        latent = v @ v.T
        inverse = np.linalg.inv(strength @ latent @ strength.T + np.diag(residual))
        fit = (self.covariance * inverse).sum() - np.linalg.slogdet(inverse)[1]
        by_sigma = -0.5 * self.freedom * (inverse - inverse @ self.covariance @ inverse)
        pull = by_sigma @ strength
        up = total.T @ (strength.T @ pull)  # by what moves a latent, its covariance (latent) to the right
        slope = np.empty_like(x)
        slope[:a] = 2.0 * (up @ latent)[to, origin]
        slope[a:b] = 2.0 * ((pull @ latent) * spec.member).sum(axis=1)[spec.free]
        slope[b : b + k] = 2.0 * sds[:k] * (up * total.T).sum(axis=1)
        slope[b + k :] = 2.0 * sds[k:] * by_sigma.diagonal()[spec.noisy]
        inside = -np.expm1(-sds / SOFT)  # of sd by u
        slope[b:] *= inside
        if self.prior is not None:
            slope[:a] -= x[:a] / self.prior.path_sd**2
            slope[a:b] -= (x[a:b] - 1.0) / self.prior.loading_sd**2
            slope[b:] += ((self.prior.sd_shape - 1.0) / sds - self.prior.sd_rate) * inside + (1.0 - inside) / SOFT
        return float(-0.5 * self.freedom * fit + self.log_prior(x[None], sds[None])[0]), slope

    def log_prior(self, points: np.ndarray, sds: np.ndarray | None = None) -> np.ndarray:
        """Log prior of points (m, d) up to a constant, Jacobians of the sds included, shape (m,)."""
        prior, a, b = self.prior, self._a, self._b
        if prior is None:
            return np.zeros(len(points))
        sds = bounded(points[:, b:]) if sds is None else sds
        value = (np.log(sds) * (prior.sd_shape - 1.0) - prior.sd_rate * sds + np.log(-np.expm1(-sds / SOFT))).sum(
            axis=1
        )
        value -= 0.5 * (points[:, :a] ** 2).sum(axis=1) / prior.path_sd**2
        return np.asarray(value - 0.5 * ((points[:, a:b] - 1.0) ** 2).sum(axis=1) / prior.loading_sd**2)

    def start(self) -> np.ndarray:
        """A point from which the mode is found: loadings of first components, paths of regressions on block means."""
        spec, diagonal = self.spec, np.diag(self.covariance)
        k = len(spec.latents)
        origin, to = spec.ends
        spread = np.sqrt(np.maximum(diagonal, 1e-6))
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
        scores = spec.member / spec.member.sum(axis=0)
        between = scores.T @ self.covariance @ scores
        path = np.zeros(len(to))
        latent_sd = np.zeros(k)
        for latent in range(k):
            mine = np.flatnonzero(to == latent)
            left = between[latent, latent]
            if len(mine):
                origins = origin[mine]
                inside = between[np.ix_(origins, origins)] + 0.2 * np.eye(len(origins)) * np.diag(between)[origins]
                path[mine] = np.linalg.solve(inside, between[origins, latent])
                left = max(left - between[latent, origins] @ path[mine], 0.2 * left)
            marker = spec.markers[latent]
            latent_sd[latent] = np.sqrt(max(left * share[marker], 1e-3)) if marker in spec.noisy else np.sqrt(left)
        noisy = np.sqrt(np.maximum((1.0 - share[spec.noisy]) * diagonal[spec.noisy], 1e-3))
        return np.concatenate([path, free[spec.free], unbounded(np.concatenate([latent_sd, noisy]))])


def exact(points: np.ndarray, given: Patterns, spec: Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    m, j = len(points), len(spec.items)
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
        left[:, diagonal, diagonal] += (parts.loading * slope * seen) @ spec.member
        h = np.linalg.inv(left)  # covariance of the latents given the answers
        z = spec.member * (slope * seen)[:, :, None]
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


@dataclass(frozen=True)
class Scaled:
    """Quantities of m points on scales readers know.

    Attributes
    ----------
    path, total : array, shape (m, K, K)
        Standardised, ``[:, to, from]``.
    loading : array, shape (m, J)
        Correlation of each item with its latent.
    r2 : array, shape (m, K)
    weight : array, shape (m, J)
        Share of each item in its latent's index, on items that run from 0 to 100.
    spread : array, shape (m, K)
        Standard deviation of each latent in points of its index.
    """

    path: np.ndarray
    total: np.ndarray
    loading: np.ndarray
    r2: np.ndarray
    weight: np.ndarray
    spread: np.ndarray


def scaled(points: np.ndarray, spec: Structure, item_points: np.ndarray) -> Scaled:
    """Standardise the parameters of m points; `item_points` are index points of a standardised unit, shape (J,)."""
    parts = unpack(points, spec)
    sd = np.sqrt(np.diagonal(parts.latent, axis1=1, axis2=2))
    relative = sd[:, None, :] / sd[:, :, None]
    strength = parts.loading * sd[:, spec.of_item]
    # Each item counts by what it tells of the latent beside its noise; what points the other way does not count.
    raw = np.maximum(parts.loading, 0.0) / parts.residual / item_points
    weight = raw / (raw @ spec.member)[:, spec.of_item]
    return Scaled(
        path=parts.path * relative,
        total=parts.total * relative,
        loading=strength / np.sqrt(strength**2 + parts.residual),
        r2=1.0 - parts.sd**2 / sd**2,
        weight=weight,
        spread=sd * ((weight * parts.loading * item_points) @ spec.member),
    )


def pairs(spec: Structure) -> list[tuple[int, int]]:
    """All (from, to) between which a chain of paths runs, in causal order."""
    return [(spec.latents.index(a), b) for b, name in enumerate(spec.latents) for a in spec.antecedents(name)]


def index_of(mean: np.ndarray, weight: np.ndarray, data: SemData) -> np.ndarray:
    """Indices of the latents: means (m, T, J) of standardised items and weights (m, J) -> (m, T, K) in 0-100."""
    spec = data.structure
    codes = mean * data.spread + data.centre
    share = 100.0 * (codes - data.worst) / (data.best - data.worst)
    return np.asarray((share * weight[:, None, :]) @ spec.member)


def unidentified(spec: Structure) -> tuple[str, ...]:
    """Return the parameters that no number of answers could tell; empty if the structure is identified.

    The rank of the Jacobian of the items' covariance by the parameters, at generic points: where it is short, moving
    some parameters together leaves every covariance as it is.

    References
    ----------
    Bekker, Merckens and Wansbeek (1994), Identification, equivalent models and computer algebra (rank of the Jacobian);
    Rothenberg (1971), Identification in parametric models, doi:10.2307/1913267.
    """
    random = np.random.default_rng(1)
    rows = np.triu_indices(len(spec.items))
    names = spec.names
    best: tuple[str, ...] = tuple(names)
    for _ in range(3):
        a, b = len(spec.paths), len(spec.paths) + len(spec.free)
        x = random.normal(0.0, 0.5, spec.size)
        x[:a] += np.sign(x[:a]) * 0.3
        x[a:b] += 1.0
        x[b:] = unbounded(np.exp(x[b:]))
        shifts = _STEP * np.eye(spec.size)
        up, down = (implied(unpack(x + s * shifts, spec), spec)[:, rows[0], rows[1]] for s in (1.0, -1.0))
        jacobian = ((up - down) / (2.0 * _STEP)).T
        scale = np.linalg.norm(jacobian, axis=0)
        dead = scale < 1e-12
        jacobian = jacobian / np.where(dead, 1.0, scale)
        sizes, directions = np.linalg.svd(jacobian, full_matrices=True)[1:]
        sizes = np.r_[sizes, np.zeros(spec.size - len(sizes))]
        null = directions[sizes < _RANK * sizes[0]]
        share = np.abs(null).max(axis=0) if len(null) else np.zeros(spec.size)
        found = tuple(name for name, value in zip(names, share, strict=True) if value > 0.05)
        if len(found) < len(best) or not found:
            best = found
    return best


def modes(target: Density, *, seed: int, starts: int = 3) -> tuple[np.ndarray, int]:
    """Search the mode from several places.

    Returns
    -------
    point : array, shape (d,)
        The best point found.
    rivals : int
        Further modes, nearly as high, that tell another story of the items.
    """
    begin, sds, alone = target.start(), len(target.spec.paths) + len(target.spec.free), np.ones(len(target.spec.items))
    random = np.random.default_rng([seed, 7])
    width = np.where(np.arange(len(begin)) < sds, 0.4, 0.1)
    begins = [begin + width * random.standard_normal(len(begin)) * (i > 0) for i in range(starts)]
    ends = [importance_sampling.climb(target, x) for x in begins if np.isfinite(target(x)[0])]
    point, height, _ = max(ends, key=lambda end: end[1])
    best = scaled(point[None], target.spec, alone).loading
    rivals = [x for x, other, slope in ends if slope < 0.5 and height - _NEAR < other < height - 1e-3]
    apart = [np.abs(scaled(x[None], target.spec, alone).loading - best).max() > _APART for x in rivals]
    return point, sum(map(bool, apart))
