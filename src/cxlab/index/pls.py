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

import numpy as np

from cxlab.index.structure import Structure


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
    member = np.zeros((j, k))
    member[np.arange(j), spec.of_item] = 1.0
    parents = [np.array([a for a, b in spec.paths if b == latent], int) for latent in range(k)]
    children = [np.array([b for a, b in spec.paths if a == latent], int) for latent in range(k)]
    weight = _scaled(np.repeat(member[None], m, axis=0), r)
    for _ in range(most):
        between = np.swapaxes(weight, 1, 2) @ r @ weight
        inner = np.zeros((m, k, k))  # composites of the neighbours of each latent, in columns
        for latent in range(k):
            if len(parents[latent]):
                inner[:, parents[latent], latent] = _regression(between, latent, parents[latent])
            inner[:, children[latent], latent] = between[:, children[latent], latent]
        new = _scaled((r @ weight @ inner) * member, r)
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
