"""Draws of the structural model -> what is reported: indices, standardised paths, total effects, effects of a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.index import likelihood, pls
from cxlab.index.data import SemData
from cxlab.index.structure import Structure

if TYPE_CHECKING:
    import xarray as xr

QUADRANTS: Final = ("act", "keep", "watch", "enough")  # important and weak, important and strong, neither, strong only


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
    parts = likelihood.unpack(points, spec)
    sd = np.sqrt(np.diagonal(parts.latent, axis1=1, axis2=2))
    relative = sd[:, None, :] / sd[:, :, None]
    strength = parts.loading * sd[:, spec.of_item]
    # Each item counts by what it tells of the latent beside its noise; what points the other way does not count.
    raw = np.maximum(parts.loading, 0.0) / parts.residual / item_points
    member = spec.of_item[:, None] == np.arange(len(spec.latents))
    weight = raw / (raw @ member)[:, spec.of_item]
    return Scaled(
        path=parts.path * relative,
        total=parts.total * relative,
        loading=strength / np.sqrt(strength**2 + parts.residual),
        r2=1.0 - parts.sd**2 / sd**2,
        weight=weight,
        spread=sd * ((weight * parts.loading * item_points) @ member),
    )


def pairs(spec: Structure) -> list[tuple[int, int]]:
    """All (from, to) between which a chain of paths runs, in causal order."""
    return [(spec.latents.index(a), b) for b, name in enumerate(spec.latents) for a in spec.antecedents(name)]


def index_of(mean: np.ndarray, weight: np.ndarray, data: SemData) -> np.ndarray:
    """Indices of the latents: means (m, T, J) of standardised items and weights (m, J) -> (m, T, K) in 0-100."""
    spec = data.structure
    codes = mean * data.spread + data.centre
    share = 100.0 * (codes - data.worst) / (data.best - data.worst)
    member = (spec.of_item[:, None] == np.arange(len(spec.latents))).astype(float)
    return np.asarray((share * weight[:, None, :]) @ member)


def estimands(posterior: xr.Dataset, data: SemData) -> xr.Dataset:
    """Draws on the reporting scale; see `cxlab.index.model.estimands`."""
    import xarray as xr

    spec = data.structure
    x = posterior["x"].to_numpy()
    shape = x.shape[:2]
    found = scaled(x.reshape(-1, x.shape[-1]), spec, data.points)
    mean = posterior["mean"].to_numpy().reshape(-1, len(data.periods), len(spec.items))
    index = index_of(mean, found.weight, data)
    both = pairs(spec)
    origin, to = (np.array([p[i] for p in both], int) for i in (0, 1))
    moved = np.unique([b for _, b in spec.paths])
    effect = found.total * found.spread[:, :, None] / found.spread[:, None, :]
    target = spec.latents.index(spec.target)
    movers = [spec.latents.index(name) for name in spec.antecedents(spec.target)]
    quadrant = _quadrants(effect[:, target, movers], index[:, -1, movers])

    def shaped(values: np.ndarray) -> np.ndarray:
        return np.asarray(values.reshape(*shape, *values.shape[1:]))

    arrow = [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in spec.paths]
    chain = [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in both]
    path_from, path_to = (np.array([p[i] for p in spec.paths], int) for i in (0, 1))
    return xr.Dataset(
        {
            "index": (("chain", "draw", "period", "latent"), shaped(index)),
            "path": (("chain", "draw", "arrow"), shaped(found.path[:, path_to, path_from])),
            "total_effect": (("chain", "draw", "pair"), shaped(found.total[:, to, origin])),
            "point_effect": (("chain", "draw", "pair"), shaped(effect[:, to, origin])),
            "loading": (("chain", "draw", "item"), shaped(found.loading)),
            "weight": (("chain", "draw", "item"), shaped(found.weight)),
            "r2": (("chain", "draw", "moved"), shaped(found.r2[:, moved])),
            "p_quadrant": (("chain", "draw", "mover", "quadrant"), shaped(quadrant)),
        },
        coords={
            "period": list(data.periods),
            "latent": list(spec.latents),
            "arrow": arrow,
            "pair": chain,
            "item": list(spec.items),
            "moved": [spec.latents[k] for k in moved],
            "mover": [spec.latents[k] for k in movers],
            "quadrant": list(QUADRANTS),
        },
    )


def _quadrants(importance: np.ndarray, performance: np.ndarray) -> np.ndarray:
    """Indicators (m, movers, 4): above or below the movers' average importance and performance, draw by draw."""
    important = importance >= importance.mean(axis=1, keepdims=True)
    strong = performance >= performance.mean(axis=1, keepdims=True)
    cells = [important & ~strong, important & strong, ~important & ~strong, ~important & strong]
    return np.stack(cells, axis=2).astype(float)


def composite_draws(data: SemData, *, draws: int, seed: int) -> xr.Dataset:
    """Draw the composites: covariances from their saturated posterior (inverse Wishart), PLS of each.

    The respondents that count are fewer by the share of missing answers.

    Returns
    -------
    Dataset
        ``composite_index`` (chain, draw, period, latent), ``composite_path`` (.., arrow), ``composite_r2`` (.., moved),
        ``composite_weight`` (.., item); the first draw is no draw but the estimate itself, kept in attribute-free
        variables ``best_index`` (period, latent), ``best_path`` (arrow), ``best_r2`` (moved).
    """
    import xarray as xr
    from scipy.stats import invwishart

    spec = data.structure
    known = 1.0 - data.blanks
    freedom = max(data.freedom * known, len(spec.items) + 2.0)
    covariance = data.covariance
    ridge = 1e-6 * np.eye(len(spec.items))
    random = np.random.default_rng(seed)
    drawn = invwishart(df=freedom, scale=(covariance + ridge) * freedom).rvs(draws, random_state=random)
    every = np.concatenate([covariance[None], np.reshape(drawn, (draws, *covariance.shape))])
    spread = np.sqrt(np.diagonal(every, axis1=1, axis2=2))
    found = pls.composites(every / spread[:, :, None] / spread[:, None, :], spec)
    member = (spec.of_item[:, None] == np.arange(len(spec.latents))).astype(float)
    raw = np.maximum(found.weight, 0.0) / spread / data.points
    weight = raw / (raw @ member)[:, spec.of_item]
    n = np.maximum(data.complete.n[0] * known, 1.0)
    noise = random.standard_normal((draws, len(data.periods), len(spec.items)))
    root = np.linalg.cholesky(every[1:] + ridge)
    mean = data.complete.mean[0] + np.einsum("mij,mtj->mti", root, noise) / np.sqrt(n)[:, None]
    index = index_of(np.concatenate([data.complete.mean, mean]), weight, data)
    path_from, path_to = (np.array([p[i] for p in spec.paths], int) for i in (0, 1))
    path = found.path[:, path_to, path_from]
    moved = np.unique([b for _, b in spec.paths])
    return xr.Dataset(
        {
            "composite_index": (("chain", "draw", "period", "latent"), index[None, 1:]),
            "composite_path": (("chain", "draw", "arrow"), path[None, 1:]),
            "composite_r2": (("chain", "draw", "moved"), found.r2[None, 1:, moved]),
            "best_index": (("period", "latent"), index[0]),
            "best_path": (("arrow",), path[0]),
            "best_r2": (("moved",), found.r2[0, moved]),
        },
        coords={
            "period": list(data.periods),
            "latent": list(spec.latents),
            "arrow": [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in spec.paths],
            "moved": [spec.latents[k] for k in moved],
        },
    )
