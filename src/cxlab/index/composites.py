"""Composites: partial least squares path modelling from a correlation matrix, mode A, path weighting.

What practitioners compute: each latent is replaced by a weighted sum of its items. The weights come from iterating
between the items' correlations with the neighbouring composites and the composites themselves. A composite carries its
items' errors, so its paths are attenuated: the fewer and the noisier the items, the more.

References
----------
Tenenhaus, Esposito Vinzi, Chatelin and Lauro (2005), PLS path modeling, doi:10.1016/j.csda.2004.03.005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxlab.index.data import SemData, Structure
from cxlab.index.density import index_of

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Composites:
    """Composites of m correlation matrices.

    Attributes
    ----------
    weight : array, shape (m, J)
        Weights of standardised items in composites of variance 1.
    loading : array, shape (m, J)
        Correlation of each item with its composite.
    path : array, shape (m, K, K)
        Regression coefficients of standardised composites, ``[:, to, from]``.
    r2 : array, shape (m, K)
    """

    weight: np.ndarray
    loading: np.ndarray
    path: np.ndarray
    r2: np.ndarray


def composites(correlation: np.ndarray, spec: Structure, *, tolerance: float = 1e-7, most: int = 300) -> Composites:
    """Compute the composites of correlation matrices.

    Parameters
    ----------
    correlation : array, shape (m, J, J) or (J, J)
    spec : Structure
    tolerance : float
        Largest change of a weight at which iterating ends.
    most : int
        Iterations at most.
    """
    r = correlation[None] if correlation.ndim == 2 else correlation
    m, j, k = len(r), len(spec.items), len(spec.latents)
    parents = [np.array([a for a, b in spec.paths if b == latent], int) for latent in range(k)]
    children = [np.array([b for a, b in spec.paths if a == latent], int) for latent in range(k)]
    weight = _scaled(np.repeat(spec.member[None], m, axis=0), r)
    for _ in range(most):
        between = np.swapaxes(weight, 1, 2) @ r @ weight
        inner = np.zeros((m, k, k))  # composites of the neighbours of each latent, in columns
        for latent in range(k):
            if len(parents[latent]):
                inner[:, parents[latent], latent] = _regression(between, latent, parents[latent])
            inner[:, children[latent], latent] = between[:, children[latent], latent]
        new = _scaled((r @ weight @ inner) * spec.member, r)
        new *= np.sign(new.sum(axis=1, keepdims=True) + 1e-300)
        moved = float(np.abs(new - weight).max())
        weight = new
        if moved < tolerance:
            break
    between = np.swapaxes(weight, 1, 2) @ r @ weight
    path, r2 = np.zeros((m, k, k)), np.zeros((m, k))
    for latent in range(k):
        if len(parents[latent]):
            found = _regression(between, latent, parents[latent])
            path[:, latent, parents[latent]] = found
            r2[:, latent] = (found * between[:, parents[latent], latent]).sum(axis=1)
    loading = (r @ weight)[:, np.arange(j), spec.of_item]
    return Composites(weight.sum(axis=2), loading, path, r2)


def _scaled(weight: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Weights whose composites have the variance 1."""
    size = np.einsum("mjk,mji,mik->mk", weight, r, weight)
    return weight / np.sqrt(np.maximum(size, 1e-12))[:, None, :]


def _regression(between: np.ndarray, latent: int, parents: np.ndarray) -> np.ndarray:
    inside = between[:, parents[:, None], parents] + 1e-10 * np.eye(len(parents))
    return np.asarray(np.linalg.solve(inside, between[:, parents, latent][..., None])[..., 0])


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
    found = composites(every / spread[:, :, None] / spread[:, None, :], spec)
    raw = np.maximum(found.weight, 0.0) / spread / data.points
    weight = raw / (raw @ spec.member)[:, spec.of_item]
    n = np.maximum(data.complete.n[0] * known, 1.0)
    noise = random.standard_normal((draws, len(data.periods), len(spec.items)))
    root = np.linalg.cholesky(every[1:] + ridge)
    mean = data.complete.mean[0] + np.einsum("mij,mtj->mti", root, noise) / np.sqrt(n)[:, None]
    index = index_of(np.concatenate([data.complete.mean, mean]), weight, data)
    origin, to = spec.ends
    path = found.path[:, to, origin]
    moved = np.unique(to)
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
