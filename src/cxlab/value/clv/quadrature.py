"""Integrals by rules of Gauss.

References
----------
Golub and Welsch (1969), Mathematics of Computation 23, doi:10.1090/S0025-5718-69-99647-1.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

_PARTS: Final = 16


@cache
def unit_rule(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


def time_rule(edges: np.ndarray, discount: float, n: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times, their weights for the integral over each step (time, step), and discounted over all (time,).

    What falls ever more slowly (an intensity of purchases) is smooth in the logarithm of time: few times are enough for
    any number of steps.
    """
    scale = edges[-1] / 8
    top = np.log1p(edges[-1] / scale)
    y = np.polynomial.legendre.leggauss(n)[0]
    node, mass = unit_rule(6)
    graded = scale * np.expm1(np.linspace(0, top, _PARTS + 1))[1:-1]  # a long step is taken in parts
    parts = np.unique(np.r_[edges, graded[~np.isclose(graded[:, None], edges, rtol=1e-6).any(axis=1)]])
    step = np.searchsorted(edges, parts[:-1], side="right") - 1
    fine = parts[:-1, None] + np.diff(parts)[:, None] * node
    share = np.diff(parts)[:, None] * mass
    basis = np.polynomial.legendre.legvander(2 * np.log1p(fine / scale) / top - 1, n - 1)
    basis = basis @ np.linalg.inv(np.polynomial.legendre.legvander(y, n - 1))
    return (
        scale * np.expm1((y + 1) / 2 * top),
        np.add.reduceat(np.einsum("sf,sfn->ns", share, basis), np.flatnonzero(np.diff(step, prepend=-1)), axis=1),
        np.einsum("sf,sfn->n", share * np.exp(-discount * fine), basis),
    )


def beta_rule(a: np.ndarray, b: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (.., n) and weights (.., n), summing to 1, of the expectation under Beta(a, b)."""
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    # Jacobi polynomials of the weight (1-y)^p (1+y)^q on (-1, 1), y = 2 x - 1
    p, q = b.reshape(-1, 1) - 1, a.reshape(-1, 1) - 1
    k = np.arange(n)
    total = 2 * k + p + q
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = (q**2 - p**2) / (total * (total + 2))
        j = k[1:]
        twice = total[:, 1:]
        off = 4 * j * (j + p) * (j + q) * (j + p + q) / (twice**2 * (twice + 1) * (twice - 1))
    diagonal[:, 0] = ((q - p) / (p + q + 2))[:, 0]
    off[:, 0] = (4 * (1 + p) * (1 + q) / ((2 + p + q) ** 2 * (3 + p + q)))[:, 0]
    matrix = np.zeros((a.size, n, n))
    place = np.arange(n)
    matrix[:, place, place] = diagonal
    matrix[:, place[1:], place[:-1]] = np.sqrt(off)
    nodes, vectors = np.linalg.eigh(matrix)
    shape = (*a.shape, n)
    x = np.clip((nodes + 1) / 2, 0.0, 1.0)
    return x.reshape(shape), (vectors[:, 0, :] ** 2).reshape(shape)
