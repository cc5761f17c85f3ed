"""Contrasts of factors and steps of walks: coefficients without a redundant direction."""

from __future__ import annotations

import numpy as np


def zero_sum_basis(n: int) -> np.ndarray:
    """Orthonormal Helmert contrasts, shape (n, n - 1): normal coefficients give effects that sum to zero."""
    basis = np.zeros((n, n - 1))
    for j in range(n - 1):
        basis[: j + 1, j] = 1.0
        basis[j + 1, j] = -(j + 1.0)
        basis[:, j] /= np.sqrt((j + 1.0) * (j + 2.0))
    return basis


def walk_basis(n: int) -> np.ndarray:
    """Centred cumulative sums, shape (n, n - 1): coefficients are the steps of a walk."""
    basis = np.tri(n, n - 1, -1)
    return basis - basis.mean(axis=0)
