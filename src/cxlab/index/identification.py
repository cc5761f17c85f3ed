"""Whether data could tell the parameters of a structure apart at all, and whether the posterior has one mode."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from cxlab.index import estimands, likelihood
from cxlab.index.likelihood import Density
from cxlab.index.structure import Structure

_STEP = 1e-5
_RANK = 1e-6  # a singular value below this share of the largest counts as none
_NEAR = 4.0  # modes whose log density is this much lower are no rivals
_CROWDED = 0.85  # R2 from which a latent nearly coincides with what moves it
_APART = 0.3  # loadings that differ by more than this are another explanation of the same data


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
        shifts = _STEP * np.eye(spec.size)
        up, down = (likelihood.implied(x + s * shifts, spec)[:, rows[0], rows[1]] for s in (1.0, -1.0))
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
    peak : array, shape (d,)
        The best point found.
    rivals : int
        Further modes, nearly as high, that tell another story of the items.
    """
    begin = target.start()
    random = np.random.default_rng([seed, 7])
    found = []
    for i in range(starts):
        x0 = begin + (random.normal(0.0, 0.4, len(begin)) if i else 0.0)
        if not np.isfinite(target(x0)[0]):
            continue

        def down(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = target(x)
            return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

        done = minimize(down, x0, jac=True, method="L-BFGS-B", options={"maxiter": 1500, "maxcor": 30, "ftol": 1e-12})
        found.append((-float(done.fun), np.asarray(done.x), bool(np.abs(done.jac).max() < 0.5)))
    height, peak, _ = max(found, key=lambda one: one[0])
    spec = target.spec
    loadings = estimands.scaled(peak[None], spec, np.ones(len(spec.items))).loading
    rivals = 0
    for other, x, settled in found:
        if settled and height - _NEAR < other < height - 1e-3:
            mine = estimands.scaled(x[None], spec, np.ones(len(spec.items))).loading
            rivals += bool(np.abs(mine - loadings).max() > _APART)
    return peak, rivals


def crowded(peak: np.ndarray, spec: Structure) -> bool:
    """Whether latents nearly coincide at the mode: the posterior then has ridges, and draws depend on each other."""
    return bool(estimands.scaled(peak[None], spec, np.ones(len(spec.items))).r2.max() > _CROWDED)
