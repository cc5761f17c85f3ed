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

NODES: Final = {0.4: 5, 0.7: 8, 0.9: 12, 1.0: 20}  # up to which correlation: an error below 1e-9 (1e-7 beyond .98)
LEAST: Final = 1e-13  # probabilities below are rounding
_RULE: Final = {count: np.polynomial.legendre.leggauss(count) for count in NODES.values()}


def nodes(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what multiplies h^2 + k^2, h k and the exponentials at each node: three arrays, shape (S, nodes)."""
    largest = float(np.abs(correlation).max(initial=0.0))
    node, weight = _RULE[next((n for limit, n in NODES.items() if largest <= limit), 20)]
    half = np.arcsin(correlation)[:, None] / 2
    angle = half * (1 + node)
    square = np.cos(angle) ** 2
    return -0.5 / square, np.sin(angle) / square, half * weight / (2 * np.pi)


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
    for q in range(weight.shape[1]):  # a node at a time: the arrays stay in the cache
        at = (slice(None), q, None, None, None)
        total += weight[at] * np.exp(a[at] * squares + b[at] * product)
    return total


def shares(h: np.ndarray) -> np.ndarray:
    """Probabilities between the boundaries, shape (..., I + 1), from boundaries in sd, shape (..., I)."""
    tail = ndtr(-np.abs(h))  # differences of tails: no cancellation on either side of the middle
    none = np.zeros((*h.shape[:-1], 1))
    up = np.concatenate([none > 0, h > 0, none == 0], axis=-1)
    tail = np.concatenate([none, tail, none], axis=-1)
    one, two = tail[..., :-1], tail[..., 1:]
    apart = np.where(up[..., :-1], one - two, np.where(up[..., 1:], 1 - one - two, two - one))
    return np.maximum(apart, LEAST)


def rectangles(h: np.ndarray, k: np.ndarray, correlation: np.ndarray, by_h: np.ndarray, by_k: np.ndarray) -> np.ndarray:
    """Probability of each pair of categories, shape (S, M, I + 1, J + 1).

    Arguments are those of `beyond_margins`, and the shares of both margins, (S, M, I + 1) and (S, M, J + 1).
    """
    extra = np.pad(beyond_margins(h, k, correlation), [(0, 0), (0, 0), (1, 1), (1, 1)])
    extra = np.diff(np.diff(extra, axis=-1), axis=-2)
    return np.maximum(by_h[..., :, None] * by_k[..., None, :] + extra, LEAST)


def density(x: np.ndarray) -> np.ndarray:
    """Return the standard normal density."""
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def shares_slope(h: np.ndarray, by_share: np.ndarray) -> np.ndarray:
    """Carry a gradient in the shares (..., I + 1) back to the boundaries (..., I)."""
    return density(h) * (by_share[..., :-1] - by_share[..., 1:])


def rectangles_slope(
    h: np.ndarray, k: np.ndarray, correlation: np.ndarray, by_share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Carry a gradient in the rectangles (S, M, I + 1, J + 1) back to h (S, M, I), k (S, M, J), correlation (S,).

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
