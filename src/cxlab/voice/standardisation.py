"""Effects on the scale of the codes: the expected score of comments as they are, and were something not mentioned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse


def representatives(who: np.ndarray, typical: np.ndarray, most: int) -> np.ndarray:
    """Return rows that stand for all of `who`: those in the middle of `most` equal parts by their typical predictor."""
    if len(who) <= most:
        return who
    ranked = who[np.argsort(typical[who], kind="stable")]
    return np.asarray(ranked[((np.arange(most) + 0.5) / most * len(ranked)).astype(int)])


def change(
    x: sparse.csr_matrix,
    beta: np.ndarray,
    cut: np.ndarray,
    *,
    columns: np.ndarray,
    mean: np.ndarray,
    values: np.ndarray,
) -> np.ndarray:
    """Return the mean change of the expected score by some columns over rows, one number a draw.

    Parameters
    ----------
    x : sparse matrix, shape (row, column)
    beta : array, shape (S, column)
    cut : array, shape (S, boundary)
    columns : array of int
        Those that would be 0.
    mean : array, shape (column,)
        Of all rows: predictors are measured from it.
    values : array, shape (code,)

    Returns
    -------
    array, shape (S,)
    """
    eta = (x @ beta.T).T - (beta @ mean)[:, None]
    without = eta - (x[:, columns] @ beta[:, columns].T).T
    return np.asarray((expected(eta, cut, values) - expected(without, cut, values)).mean(axis=1))


def expected(eta: np.ndarray, cut: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Expected score of predictors (S, row) at cuts (S, boundary)."""
    total = np.full(eta.shape, values[0], np.float32)
    small = eta.astype(np.float32)
    for k, rise in enumerate(np.diff(values)):
        if rise:
            z = small - cut[:, [k]].astype(np.float32)
            total += np.float32(rise) / (1 + np.exp(np.clip(-z, -40, 40)))
    return total
