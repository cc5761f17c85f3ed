"""Draws on completed answers -> draws given the answers there are: moved, weighted by the exact density, resampled.

Completing answers overstates what is known a little. The draws are therefore moved by the linear map that turns the
normal approximation of the completed posterior into that of the exact one, and weighted by exact / completed density;
the shape of the weights' tail (Pareto k-hat) says whether that may be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from cxlab.index import data as tables
from cxlab.index.data import SemData
from cxlab.index.likelihood import Density, implied, means
from cxlab.inference import importance_sampling as drawing

_CHUNK = 250  # draws worked on at once: their matrices fit into the cache


@dataclass(frozen=True)
class Weighed:
    """Draws given the answers there are.

    Attributes
    ----------
    points : array, shape (chain, draw, d)
    mean : array, shape (chain, draw, T, J)
        Means of the standardised items by period.
    khat, share : float
        Of the weights: Pareto shape, and effective share of the draws; -inf and 1 where nothing is missing.
    """

    points: np.ndarray
    mean: np.ndarray
    khat: float
    share: float


def weigh(x: np.ndarray, data: SemData, target: Density, peak: np.ndarray, *, seed: int) -> Weighed:
    """Turn draws on completed answers (chain, draw, d) into draws given the answers there are."""
    shape = x.shape[:2]
    flat = x.reshape(-1, x.shape[-1])
    random = np.random.default_rng([seed, 3])
    if (data.exact.seen > 0).all():
        _, mean = _with_means(flat, data, random)
        return Weighed(x, mean.reshape(*shape, *mean.shape[1:]), float("-inf"), 1.0)
    moved = _moved(flat, data, target, peak)
    value, mean = _with_means(moved, data, random)
    raw = value + target.log_prior(moved) - np.array([target(point)[0] for point in flat])
    weight, khat = smoothed(raw)
    share = 1.0 / float((weight**2).sum()) / len(weight)
    places = (np.arange(len(weight)) + random.random()) / len(weight)
    chosen = random.permutation(np.searchsorted(np.cumsum(weight), places).clip(max=len(weight) - 1))
    points, mean = moved[chosen], mean[chosen]
    return Weighed(points.reshape(x.shape), mean.reshape(*shape, *mean.shape[1:]), khat, share)


def _with_means(points: np.ndarray, data: SemData, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Exact log likelihoods (m,), and a draw of the items' means for each point (m, T, J)."""
    values, drawn = [], []
    for part in np.array_split(points, max(1, len(points) // _CHUNK)):
        value, centre, factor = means(part, data.exact, data.structure)
        values.append(value)
        noise = random.standard_normal((*centre.shape, 1))
        drawn.append(centre + (factor @ noise)[..., 0])
    return np.concatenate(values), np.concatenate(drawn)


def smoothed(raw: np.ndarray) -> tuple[np.ndarray, float]:
    """Pareto-smoothed weights of log weights (m,), summing to one, and the k-hat of their tail."""
    from arviz_stats.base import array_stats

    raw = np.where(np.isfinite(raw), raw - np.nanmax(np.where(np.isfinite(raw), raw, -np.inf)), -700.0)
    # `_psislw` negates its argument (it was written for leave-one-out), so the log weights go in negated.
    smooth, khat = array_stats._psislw(-np.maximum(raw, -700.0), 1.0)
    weight = np.exp(smooth - smooth.max())
    return weight / weight.sum(), float(khat)


def _moved(points: np.ndarray, data: SemData, target: Density, peak: np.ndarray) -> np.ndarray:
    """The optimal transport between the normal approximations of the completed and of the exact posterior."""
    from_point, from_factor = drawing.find_map(target, peak)
    there = from_point
    for _ in range(4):  # EM: completed at the model's own estimate instead of the saturated one
        step = _at(there, data, target)

        def down(x: np.ndarray, step: Density = step) -> tuple[float, np.ndarray]:
            value, slope = step(x)
            return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

        there = np.asarray(minimize(down, there, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)

    width = 1e-3
    curve = np.empty((len(there), len(there)))
    for i in range(len(there)):
        shift = np.zeros(len(there))
        shift[i] = width
        # By Fisher's identity the gradient is that of the completed density, completed at the same point.
        ahead, behind = (_at(there + s * shift, data, target)(there + s * shift)[1] for s in (1.0, -1.0))
        curve[i] = (ahead - behind) / (2.0 * width)
    to = drawing._factor((curve + curve.T) / 2.0)
    root, inverse = _roots(from_factor @ from_factor.T)
    middle, _ = _roots(root @ (to @ to.T) @ root)
    return np.asarray(there + (points - from_point) @ (inverse @ middle @ inverse).T)


def _at(x: np.ndarray, data: SemData, target: Density) -> Density:
    """The density of the answers completed at a point."""
    covariance = implied(x[None], data.structure)[0]
    _, centre, _ = means(x[None], data.exact, data.structure)
    done = tables.expected(data.exact, covariance, centre[0])
    return Density(data.structure, done.scatter[0], data.freedom, prior=target.prior)


def _roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Square root of a positive definite matrix, and its inverse."""
    sizes, directions = np.linalg.eigh((matrix + matrix.T) / 2.0)
    sizes = np.sqrt(np.maximum(sizes, 1e-14))
    return (directions * sizes) @ directions.T, (directions / sizes) @ directions.T
