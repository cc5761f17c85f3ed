"""Cumulative logit of scores on sparse columns, over rows that are alike counted once: value, slopes, many points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.inference.ordinal_regression import cuts, shares

if TYPE_CHECKING:
    from scipy import sparse

_ROOM: Final = 3_000_000  # numbers held at once when many points are judged
_TINY: Final = 1e-200


@dataclass(frozen=True)
class Scores:
    """Everything of the density but the priors of coefficients whose scale is learnt (`pooled.Base`).

    A point is the log ratios of the codes' shares to the last one (`ordinal.regression`), then the coefficients.

    Attributes
    ----------
    x : sparse matrix, shape (row, column)
        Columns of 0 and 1, not centred.
    mean : array, shape (column,)
        Of all rows: the shares of the codes are those of an average row.
    y : array of int, shape (row,)
        Place of the score among the codes.
    count : array, shape (row,)
        What a row counts.
    codes : int
    precision : array, shape (column,)
        Of the normal prior of coefficients whose scale is given; 0 where it is learnt.
    """

    x: sparse.csr_matrix
    mean: np.ndarray
    y: np.ndarray
    count: np.ndarray
    codes: int
    precision: np.ndarray

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.codes - 1 + len(self.mean)

    def start(self) -> np.ndarray:
        """Return where the search begins: the shares as they were, no effects."""
        share = np.bincount(self.y, weights=self.count, minlength=self.codes) + 1.0
        return np.concatenate([np.log(share[:-1] / share[-1]), np.zeros(len(self.mean))])

    def predictor(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the rows' linear predictors: (column,) -> (row,), or (column, m) -> (row, m)."""
        return np.asarray(self.x @ coefficients - self.mean @ coefficients)

    def slopes(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what a row says by itself, uncounted.

        Returns
        -------
        value, slope, curve : arrays, shape (row,)
            Log probability without the distance of the cuts, and its derivatives by the predictor.
        at_cut : array, shape (row, boundary)
            Derivative by each cut, the distance of the cuts left out.
        """
        k = self.codes - 1
        cut = cuts(point[:k])
        eta = self.predictor(point[k:])
        at = np.arange(len(eta))
        up, low = self.y < k, self.y > 0
        over, under, value = np.zeros(len(eta)), np.zeros(len(eta)), np.zeros(len(eta))
        beyond, before = eta[up] - cut[self.y[up]], cut[self.y[low] - 1] - eta[low]
        over[up], under[low] = _logistic(beyond), _logistic(before)  # chance of being outside on either side
        value[up] -= np.logaddexp(0, beyond)
        value[low] -= np.logaddexp(0, before)
        at_cut = np.zeros((len(eta), k))
        at_cut[at[up], self.y[up]] += over[up]
        at_cut[at[low], self.y[low] - 1] -= under[low]
        return value, under - over, over * (1 - over) + under * (1 - under), at_cut

    def value(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return log density and gradient."""
        k = self.codes - 1
        theta, beta = point[:k], point[k:]
        p, below, above = shares(theta)
        cut = np.log(below) - np.log(above)
        by_row, slope, _, at_cut = self.slopes(point)
        value = float(self.count @ by_row)
        by_cut = self.count @ at_cut
        if k > 1:
            inner = np.bincount(self.y, weights=self.count, minlength=self.codes)[1:-1]
            gap = np.maximum(np.diff(cut), _TINY)
            value += float(inner @ np.log(-np.expm1(-gap)))
            push = inner / np.expm1(np.minimum(gap, 700))
            by_cut[1:] += push
            by_cut[:-1] -= push
        ordered = np.arange(k)[None, :] <= np.arange(k)[:, None]
        jacobian = p[None, :k] * (ordered - below[:, None]) / (below * above)[:, None]
        by_eta = self.count * slope
        by_beta = self.x.T @ by_eta - self.mean * by_eta.sum() - self.precision * beta
        by_theta = by_cut @ jacobian + 1 - self.codes * p[:k]
        value += float(np.log(p).sum() - 0.5 * self.precision @ beta**2)
        return value, np.concatenate([by_theta, by_beta])

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Return second derivatives: exact for coefficients, differences of the gradient for the few cuts."""
        k, size = self.codes - 1, self.size
        matrix = np.zeros((size, size))
        curve = self.count * self.slopes(point)[2]
        weighted = self.x.multiply(curve[:, None]).tocsr()
        square = (self.x.T @ weighted).toarray()
        moved = np.outer(self.x.T @ curve, self.mean)
        square += -moved - moved.T + curve.sum() * np.outer(self.mean, self.mean)
        matrix[k:, k:] = -square - np.diag(self.precision)
        for i in range(k):
            shift = np.zeros(size)
            shift[i] = 1e-4
            row = (self.value(point + shift)[1] - self.value(point - shift)[1]) / 2e-4
            matrix[i], matrix[:, i] = row, row
        return (matrix + matrix.T) / 2

    def many(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points (m, parameter).

        P(code) = (1 - exp(-gap)) / ((1 + exp(eta - cut above)) (1 + exp(cut below - eta))).
        """
        k = self.codes - 1
        theta, beta = points[:, :k], points[:, k:]
        p, below, above = shares(theta)
        cut = np.log(below) - np.log(above)
        inner = np.bincount(self.y, weights=self.count, minlength=self.codes)[1:-1]
        found = np.log(-np.expm1(-np.maximum(np.diff(cut, axis=1), _TINY))) @ inner
        found += np.log(p).sum(axis=1) - 0.5 * (beta**2) @ self.precision
        none = np.zeros((len(points), 1))
        up = np.concatenate([np.exp(-cut.clip(-60, 60)), none], axis=1).T.astype(np.float32)
        low = np.concatenate([none, np.exp(cut.clip(-60, 60))], axis=1).T.astype(np.float32)
        small = self.x.astype(np.float32)
        step = max(1, _ROOM // max(1, len(self.y)))
        for start in range(0, len(points), step):
            part = slice(start, start + step)
            e = small @ beta[part].T.astype(np.float32)
            e -= (beta[part] @ self.mean).astype(np.float32)
            np.exp(np.clip(e, -30, 30, out=e), out=e)
            other = low[:, part][self.y] / e
            other += 1
            e *= up[:, part][self.y]
            e += 1
            other *= e
            found[part] -= self.count @ np.log(other, out=other)
        return found


def collapse(x: sparse.csr_matrix, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find rows alike in every column and in the score.

    Returns
    -------
    first : array of int
        One row of each kind.
    kind : array of int, shape (row,)
        Which of them a row is like.
    """
    import pandas as pd

    x = x.sorted_indices()
    keys = [x.indices[a:b].tobytes() + bytes([c]) for a, b, c in zip(x.indptr[:-1], x.indptr[1:], y, strict=True)]
    kind, _ = pd.factorize(np.array(keys, object))
    return np.unique(kind, return_index=True)[1], kind


def _logistic(x: np.ndarray) -> np.ndarray:
    half = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, half) / (1.0 + half))
