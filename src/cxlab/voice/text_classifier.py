"""How a judge of texts is learnt: folds that keep together what belongs together, regression, calibration."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.voice.text import ngrams

if TYPE_CHECKING:
    from scipy import sparse

_ROOT: Final = 0.5  # power of the log ratio by which a feature counts


def together(texts: list[str], groups: Sequence[Hashable] | None) -> np.ndarray:
    """Number the groups of texts that must stay on one side: of one customer, or the same words."""
    import pandas as pd
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n = len(texts)
    same = pd.factorize(np.array([ngrams.plain(t) for t in texts], object))[0]
    if groups is None:
        return np.asarray(same)
    who = pd.factorize(np.array([*groups, None], object)[:-1])[0]
    who = np.where(who < 0, who.max(initial=0) + 1 + np.arange(n), who)  # nobody known: each for itself
    both = n + same, n + same.max(initial=0) + 1 + who
    edges = np.concatenate(both)
    size = int(edges.max()) + 1
    graph = sparse.csr_matrix((np.ones(2 * n, np.int8), (np.tile(np.arange(n), 2), edges)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][:n])


def folds(y: np.ndarray, groups: np.ndarray, folds: int, *, seed: int) -> np.ndarray:
    """Deal groups to folds, large ones first, so that folds are alike in size and in good ones."""
    n = int(groups.max()) + 1
    size, goods = np.bincount(groups, minlength=n), np.bincount(groups, weights=y, minlength=n)
    random = np.random.default_rng(seed + 1)
    order = np.lexsort((random.random(n), goods / np.maximum(size, 1), -size))
    return np.argsort(order)[groups] % folds


def checkable(y: np.ndarray, groups: np.ndarray, n: int, *, seed: int) -> bool:
    """Return whether every fold has texts, and those outside it are of both kinds: few groups allow no check."""
    fold = folds(y, groups, n, seed=seed)
    return all((fold == f).any() and len(np.unique(y[fold != f])) == 2 for f in range(n))


def scale(x: sparse.csr_matrix, y: np.ndarray) -> np.ndarray:
    """Root of the log ratio of a feature's share among good and bad texts: what tells nothing counts little."""
    from scipy import sparse

    has = sparse.csr_matrix((np.ones_like(x.data), x.indices, x.indptr), shape=x.shape)
    good = has.T @ (y == 1).astype(np.float32) + 1.0
    bad = has.T @ (y == 0).astype(np.float32) + 1.0
    ratio = np.log(good / good.sum()) - np.log(bad / bad.sum())
    return (np.abs(ratio) ** _ROOT).astype(np.float32)


def scaled(x: sparse.csr_matrix, scale: np.ndarray) -> sparse.csr_matrix:
    """Rows of unit length again after weighting their features."""
    from scipy import sparse

    data = x.data * scale[x.indices]
    row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    length = np.sqrt(np.bincount(row, weights=data.astype(float) ** 2, minlength=x.shape[0]))
    data = (data / np.maximum(length, 1e-12)[row]).astype(np.float32)
    return sparse.csr_matrix((data, x.indices, x.indptr), shape=x.shape)


def regress(x: sparse.csr_matrix, y: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """Return coefficients and intercept of a logistic regression held back by one over `strength`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, solver="liblinear", dual=True, tol=1e-2, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weaker penalty than is needed: another is chosen
        model.fit(x, y)
    return np.asarray(model.coef_[0], float), float(model.intercept_[0])


def bent(margin: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Columns of the calibration: one, the margin, how much was said, both together."""
    amount = np.log1p(said) / 3 - 1
    return np.column_stack([np.ones(len(margin)), margin, amount, margin * amount])


def calibrated(bent: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A logistic regression on the columns of `_bent`, a little held back; Newton's steps."""
    curve = np.array([0.0, 1.0, 0.0, 0.0])
    start = curve.copy()
    for _ in range(30):
        p = logistic(bent @ curve)
        slope = bent.T @ (y - p) - (curve - start)
        step = np.linalg.solve((bent.T * (p * (1 - p))) @ bent + np.eye(4), slope)
        curve = curve + step
        if np.abs(step).max() < 1e-8:
            break
    return curve


def judged(bent: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Calibrated probabilities, each fold's from the curve of the others."""
    p = np.empty(len(y))
    for f in range(int(fold.max()) + 1):
        out = fold == f
        p[out] = logistic(bent[out] @ calibrated(bent[~out], y[~out]))
    return p


def auc(p: np.ndarray, y: np.ndarray) -> float:
    """Probability that a good text gets a higher number than a bad one; NaN where one kind is missing."""
    from scipy.stats import rankdata

    goods = int((y == 1).sum())
    bads = len(y) - goods
    if not goods or not bads:
        return float("nan")
    return float((rankdata(p)[y == 1].sum() - goods * (goods + 1) / 2) / (goods * bads))


def logistic(x: np.ndarray) -> np.ndarray:
    """Return the probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))
