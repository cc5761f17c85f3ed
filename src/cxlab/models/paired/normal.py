"""Probabilities of rectangles under a standard bivariate normal, for many cells and draws at once, with gradients.

The distribution function follows from its derivative in the correlation, which is the density (Plackett)::

    F(h, k; r) = F(h) F(k) + 1/(2 pi) integral_0^{asin r} exp(-(h^2 + k^2 - 2 h k sin t) / (2 cos^2 t)) dt

so that a rectangle is the product of its margins plus second differences of a smooth integral, taken by Gauss-Legendre.

References
----------
Plackett (1954), A reduction formula for normal multivariate integrals, doi:10.1093/biomet/41.3-4.351.
Drezner and Wesolowsky (1990), On the computation of the bivariate normal integral, doi:10.1080/00949659008811236.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import ndtr

NODES: Final = 12  # error below 1e-7 up to a correlation of .95, below 1e-12 up to .7
LEAST: Final = 1e-13  # probabilities below are rounding
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(NODES)


def nodes(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what multiplies h^2 + k^2, h k and the exponentials at each node: three arrays, shape (S, NODES)."""
    half = np.arcsin(correlation)[:, None] / 2
    angle = half * (1 + _NODE)
    square = np.cos(angle) ** 2
    return -0.5 / square, np.sin(angle) / square, half * _WEIGHT / (2 * np.pi)


def beyond_margins(h: np.ndarray, k: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """F(h, k; r) - F(h) F(k).

    Parameters
    ----------
    h : array, shape (S, M, I)
    k : array, shape (S, M, J)
    correlation : array, shape (S,)

    Returns
    -------
    array, shape (S, M, I, J)
    """
    a, b, weight = nodes(correlation)
    squares = (h**2)[..., :, None] + (k**2)[..., None, :]
    product = h[..., :, None] * k[..., None, :]
    total = np.zeros_like(product)
    for q in range(NODES):  # a node at a time: the arrays stay in the cache
        at = (slice(None), q, None, None, None)
        total += weight[at] * np.exp(a[at] * squares + b[at] * product)
    return total


def shares(h: np.ndarray) -> np.ndarray:
    """Probabilities between the boundaries, shape (..., I + 1), from boundaries in sd, shape (..., I)."""
    end = np.full((*h.shape[:-1], 1), np.inf)
    low, high = np.concatenate([-end, h], axis=-1), np.concatenate([h, end], axis=-1)
    far = low > 0  # above the middle, measured from the other end: no cancellation
    return np.maximum(ndtr(np.where(far, -low, high)) - ndtr(np.where(far, -high, low)), LEAST)


def rectangles(h: np.ndarray, k: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Probability of each pair of categories, shape (S, M, I + 1, J + 1); arguments as for `beyond_margins`."""
    extra = np.pad(beyond_margins(h, k, correlation), [(0, 0), (0, 0), (1, 1), (1, 1)])
    extra = np.diff(np.diff(extra, axis=-1), axis=-2)
    return np.maximum(shares(h)[..., :, None] * shares(k)[..., None, :] + extra, LEAST)


def density(x: np.ndarray) -> np.ndarray:
    """Return the standard normal density."""
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def shares_slope(h: np.ndarray, by_share: np.ndarray) -> np.ndarray:
    """Carry a gradient in the shares (..., I + 1) back to the boundaries (..., I)."""
    return density(h) * (by_share[..., :-1] - by_share[..., 1:])


def rectangles_slope(
    h: np.ndarray, k: np.ndarray, correlation: np.ndarray, by_share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Carry a gradient in the rectangles (S, M, I + 1, J + 1) back to h (S, M, I), k (S, M, J) and the correlation (S,).

    Uses dF/dh = phi(h) F((k - r h) / sqrt(1 - r^2)), with rows of the edge k = infinity, and dF/dr = phi_2(h, k; r).
    """
    r = correlation[:, None, None, None]
    root = np.sqrt(1 - r * r)
    corner = -np.diff(-np.diff(by_share, axis=-1), axis=-2)  # what F(h_i, k_j) gets, shape (.., I, J)
    edge_h = by_share[..., :-1, -1] - by_share[..., 1:, -1]
    edge_k = by_share[..., -1, :-1] - by_share[..., -1, 1:]
    hh, kk = h[..., :, None], k[..., None, :]
    z = (kk - r * hh) / root
    by_h = density(h) * ((corner * ndtr(z)).sum(axis=-1) + edge_h)
    by_k = density(k) * ((corner * ndtr((hh - r * kk) / root)).sum(axis=-2) + edge_k)
    joint = density(hh) * density(z) / root
    return by_h, by_k, (corner * joint).sum(axis=(1, 2, 3))
