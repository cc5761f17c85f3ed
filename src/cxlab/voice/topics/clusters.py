r"""Groups of directions: spherical k-means from starts that no seed changes, dense groups, and how good they are.

Rows are unit vectors, so a group's centre is a direction and its fit the mean cosine,

.. math:: \frac{1}{\sum_i w_i} \sum_i w_i \, x_i^\top c_{z_i}, \qquad \lVert c_k \rVert = 1

Starts are drawn from a stream of their own that no seed changes: the same texts give the same groups. Plain NumPy:
scikit-learn's k-means hangs in kernels forked from a warm parent, and this one is as fast on some dozens of columns.

References
----------
Dhillon and Modha (2001), spherical k-means, https://doi.org/10.1023/A:1007612920971; Arthur and Vassilvitskii (2007),
k-means++, ACM-SIAM Symposium on Discrete Algorithms; Su and Dy (2007), starts by principal components,
https://doi.org/10.3233/IDA-2007-11402; Rousseeuw (1987), silhouettes, https://doi.org/10.1016/0377-0427(87)90125-7;
Campello et al. (2015), HDBSCAN, https://doi.org/10.1145/2733381.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from scipy import sparse

STARTS: Final = 8  # random starts beside the one by principal components; the best fit is kept
ROUNDS: Final = 60  # of Lloyd's algorithm at most
_STILL: Final = 0.001  # share of rows whose moving no longer matters
_SAMPLE: Final = 2_000  # rows a silhouette looks at


@dataclass(frozen=True)
class Groups:
    """Rows in groups.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    centres : ndarray, shape (k, d)
        Of length one.
    fit : float
        Weighted mean cosine of a row with its centre.
    """

    labels: np.ndarray
    centres: np.ndarray
    fit: float


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length one; a row of zeros stays as it is."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def best(rows: np.ndarray, k: int, *, weights: np.ndarray | None = None, starts: int = STARTS) -> Groups:
    """Return the best of several k-means fits, the same for the same rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Unit vectors, n >= k.
    k : int
    weights : ndarray, shape (n,), optional
        How much each row counts.
    starts : int
        Random starts beside the one by principal components.
    """
    random = np.random.default_rng(1957)  # no seed of the caller's: topics are the same for every seed
    found = lloyd(rows, centres_of(rows, principal(rows, k), k, weights), weights=weights)
    for _ in range(starts if k > 1 else 0):
        other = lloyd(rows, spread(rows, k, random), weights=weights)
        if other.fit > found.fit * 1.0005:  # a tie keeps the start without chance
            found = other
    return found


def lloyd(rows: np.ndarray, centres: np.ndarray, *, weights: np.ndarray | None = None, rounds: int = ROUNDS) -> Groups:
    """Move centres to the middle of their rows until next to no row changes its group."""
    weights = np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32)
    labels = (rows @ centres.T).argmax(1)
    for _ in range(rounds):
        centres = centres_of(rows, labels, len(centres), weights, worst=partial(_worst, rows, centres))
        old, labels = labels, (rows @ centres.T).argmax(1)
        if np.count_nonzero(old != labels) <= len(rows) * _STILL:
            break
    own = np.einsum("ij,ij->i", rows, centres[labels])
    return Groups(labels, centres, float(np.average(own, weights=weights)))


def _worst(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return rows in the order of how badly they fit, the worst first."""
    return np.argsort((rows @ centres.T).max(1), kind="stable")


def centres_of(
    rows: np.ndarray,
    labels: np.ndarray,
    k: int,
    weights: np.ndarray | None = None,
    *,
    worst: Callable[[], np.ndarray] | None = None,
) -> np.ndarray:
    """Return the directions of the groups; an empty one takes a row that fits worst (`worst`: their order)."""
    weights = np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32)
    member = sparse.csr_matrix((weights, labels, np.arange(len(labels) + 1)), shape=(len(labels), k))
    sums = np.asarray(member.T @ rows)
    empty = np.flatnonzero(np.linalg.norm(sums, axis=1) < 1e-9)
    if len(empty):
        order = worst() if worst is not None else np.arange(len(rows))
        sums[empty] = rows[np.resize(order, len(empty))]
    return unit(sums)


def principal(rows: np.ndarray, k: int) -> np.ndarray:
    """Return groups by cutting, k - 1 times, the widest group in the middle of its widest direction."""
    labels = np.zeros(len(rows), int)
    widths = {0: _widest(rows)}
    for new in range(1, k):
        split = max(widths, key=lambda g: (widths[g][0], -g))
        inside = np.flatnonzero(labels == split)
        middle, direction = widths[split][1:]
        high = (rows[inside] - middle) @ direction > 0
        labels[inside[high]] = new
        for group in (split, new):
            widths[group] = _widest(rows[labels == group])
    return labels


def _widest(rows: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the spread along the first principal component, the middle and the component."""
    if len(rows) < 2:
        return -1.0, np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    middle = rows.mean(0)
    values, vectors = np.linalg.eigh(np.asarray((rows - middle).T @ (rows - middle), float))
    direction = vectors[:, -1]
    return float(values[-1]), middle, direction * np.sign(direction[np.abs(direction).argmax()])


def spread(rows: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    """Return k rows far from each other (greedy k-means++)."""
    chosen = [int(random.integers(len(rows)))]
    far = np.maximum(1 - rows @ rows[chosen[0]], 0).astype(float)
    for _ in range(1, k):
        total = far.sum()
        tries = random.choice(len(rows), 2 + int(np.log(k)), p=far / total if total > 1e-9 else None)
        after = np.minimum(far[:, None], np.maximum(1 - rows @ rows[tries].T, 0))
        take = int(after.sum(0).argmin())
        chosen.append(int(tries[take]))
        far = after[:, take]
    return rows[chosen].copy()


def density(rows: np.ndarray, *, least: int) -> np.ndarray:
    """Return groups that are dense, -1 where a row is in none (HDBSCAN).

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Unit vectors.
    least : int
        Rows a group must have.
    """
    from sklearn.cluster import HDBSCAN
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # OpenMP threads do not survive the fork of a warm kernel
        found = HDBSCAN(min_cluster_size=least, min_samples=max(2, least // 3), n_jobs=1, copy=True).fit(rows)
    return np.asarray(found.labels_)


def silhouette(rows: np.ndarray, labels: np.ndarray, *, sample: int = _SAMPLE) -> tuple[float, float]:
    """Return the mean cosine silhouette of a sample of rows and its standard error.

    Returns
    -------
    float, float
        (-1, 0) where there are fewer than two groups.
    """
    random = np.random.default_rng(7)
    take = random.choice(len(rows), min(sample, len(rows)), replace=False)
    of = np.unique(labels[take], return_inverse=True)[1]
    k = of.max() + 1 if len(of) else 0
    if k < 2:
        return -1.0, 0.0
    each = np.eye(k, dtype=np.float32)[of]
    size = each.sum(0)
    far = (1 - rows[take] @ rows[take].T) @ each
    at = np.arange(len(take))
    own = far[at, of] / np.maximum(size[of] - 1, 1)
    others = far / size
    others[at, of] = np.inf
    other = others.min(1)
    value = np.where(size[of] > 1, (other - own) / np.maximum(np.maximum(other, own), 1e-9), 0)
    return float(value.mean()), float(value.std() / np.sqrt(len(take)))


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the adjusted Rand index of two groupings of the same rows (1 same, 0 as by chance)."""
    table = sparse.coo_matrix(
        (np.ones(len(a)), (np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]))
    ).tocsr()
    pairs = lambda n: float((n * (n - 1) / 2).sum())  # noqa: E731  (one formula, used four times)
    table.sum_duplicates()
    both, left, right = pairs(table.data), pairs(np.asarray(table.sum(1))), pairs(np.asarray(table.sum(0)))
    chance = left * right / max(len(a) * (len(a) - 1) / 2, 1)
    top = (left + right) / 2
    return 1.0 if top == chance else (both - chance) / (top - chance)
