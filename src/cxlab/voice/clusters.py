r"""Vectors of clauses -> the few directions in which topics differ, groups of them, and words that refine the groups.

A row stands in blocks: what it means (one space for all languages) and, for its own language, how the texts use its
words; each block is a unit vector, those of other languages are zero. A group's centre has a direction in every block,

.. math:: c_{kb} = \frac{\sum_i w_i x_{ib}}{\lVert \sum_i w_i x_{ib} \rVert + a}, \qquad
          z_i = \arg\max_k \sum_b x_{ib}^\top c_{kb},

so that a group may hold clauses of several languages without being torn apart by their words; the prior mass :math:`a`
keeps a handful of clauses from pulling a centre onto themselves. Starts are drawn from a stream of their own that no
seed changes: the same texts give the same groups. Plain NumPy: scikit-learn's k-means hangs in kernels forked from a
warm parent, and this one is as fast on some dozens of columns.

Groups found by vectors are refined by the words their clauses hold (`refine`):

.. math::
    z_i &\sim \mathrm{Categorical}(\pi) \\
    x_i \mid z_i = k &\sim \mathrm{vonMisesFisher}(c_k, \kappa)^{\tau} \\
    w_{ij} \mid z_i = k &\sim \mathrm{Categorical}(\theta_{kl}), \qquad \theta_{kl} \sim \mathrm{Dirichlet}(a\, V_l p_l)

with :math:`p_l` the shares of the words of language l. Counts are damped (:math:`1 + \log n`), as a repeated word is no
new evidence, and the vectors' part is raised to a power :math:`\tau` below one, as their columns are no independent
observations.

References
----------
Dhillon and Modha (2001), spherical k-means, https://doi.org/10.1023/A:1007612920971; Arthur and Vassilvitskii (2007),
k-means++, ACM-SIAM Symposium on Discrete Algorithms; Su and Dy (2007), starts by principal components,
https://doi.org/10.3233/IDA-2007-11402; Banerjee et al. (2005), clustering by von Mises-Fisher distributions, Journal of
Machine Learning Research 6; Nigam et al. (2000), mixtures of words, https://doi.org/10.1023/A:1007692713085.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy import sparse

DIMS: Final = 40  # leading directions of a block: more hold what single clauses say
STARTS: Final = 3  # random starts beside the one by principal components; the best fit is kept
ROUNDS: Final = 60  # of Lloyd's algorithm at most
MASS: Final = 2.0  # clauses that a centre's length is held back by
VECTORS: Final = 0.3  # tau
PRIOR: Final = 0.1  # a of the words
STEPS: Final = 20  # of the refinement, which starts at the groups and stays near them
_STILL: Final = 0.001  # share of rows whose moving no longer matters
_FEW: Final = 30  # clauses each side needs before its middle says what tone is
_SAMPLE: Final = 50_000  # rows that directions are found on, and rows worked on at once


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length one; a row of zeros stays as it is."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def directions(
    vectors: np.ndarray, tones: Sequence[np.ndarray], weights: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    r"""Return unit rows in the leading directions of vectors, without what all share and without tone.

    Topics say *what* is spoken of; how it is judged is measured apart (`cxlab.voice.sentiment`). Left in, praise and
    blame cut every topic in two, so the direction from blamed to praised clauses,
    :math:`\bar x_{\text{praised}} - \bar x_{\text{blamed}}`, is taken out.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        A row of zeros stays one.
    tones : sequence of ndarray, shape (n,)
        How much each clause praises (above 0) or blames (below 0); 0 or NaN where it does neither.
    weights : ndarray, shape (n,)
        How much each row counts.
    groups : ndarray, shape (n,), optional
        The language of each row: the mean of each is taken away, so that what remains tells no language.
    """
    rows = unit(vectors)
    there = rows.any(axis=1)
    for group in [None] if groups is None else np.unique(groups):
        inside = there if group is None else there & (groups == group)
        if inside.sum() > 1:
            rows[inside] -= np.average(rows[inside], axis=0, weights=weights[inside]).astype(np.float32)
    take = np.flatnonzero(there)
    if not rows.shape[1]:
        return np.zeros((len(rows), 0), np.float32)
    if len(take) > _SAMPLE:
        take = np.sort(np.random.default_rng(11).choice(take, _SAMPLE, replace=False))
    away = np.zeros((0, rows.shape[1]), np.float32)
    for tone in tones:
        good, bad = take[tone[take] > 0], take[tone[take] < 0]
        if min(len(good), len(bad)) >= _FEW:
            direction = rows[good].mean(0) - rows[bad].mean(0)
            direction -= (direction @ away.T) @ away
            if np.linalg.norm(direction) > 1e-6:
                away = np.vstack([away, direction / np.linalg.norm(direction)])
    plain = unit(rows[take] - (rows[take] @ away.T) @ away)
    sizes, along = np.linalg.eigh(np.asarray((plain * weights[take, None]).T @ plain, float))
    leading = np.argsort(-sizes, kind="stable")[: min(DIMS, max(len(take) - 1, 1))]
    leading = leading[sizes[leading] > 1e-9 * max(sizes.max(initial=0), 1e-300)]
    basis = along[:, leading if len(leading) else [-1]] if rows.shape[1] else along
    basis = (basis * np.sign(np.take_along_axis(basis, np.abs(basis).argmax(0)[None], 0))).astype(np.float32)
    out = np.empty((len(rows), basis.shape[1]), np.float32)
    for begin in range(0, len(rows), _SAMPLE):  # a million vectors have 2 GB: no second copy of all
        slab = rows[begin : begin + _SAMPLE]
        out[begin : begin + _SAMPLE] = unit((slab - (slab @ away.T) @ away) @ basis)
    return out


@dataclass(frozen=True)
class Rows:
    """Clauses as rows in blocks.

    Attributes
    ----------
    values : ndarray of float32, shape (n, d)
    blocks : tuple of slice
        Columns of each block; what clauses mean, if known, comes first.
    mass : ndarray of float32, shape (n,)
        How much each row counts.
    """

    values: np.ndarray
    blocks: tuple[slice, ...]
    mass: np.ndarray

    def __len__(self) -> int:
        """Return the number of clauses."""
        return len(self.values)

    def of(self, take: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.values[take], self.blocks, self.mass[take])

    def shared(self) -> np.ndarray:
        """Return the columns in which all rows can be compared: with several languages, what clauses mean."""
        return self.values if len(self.blocks) < 3 else self.values[:, self.blocks[0]]

    def different(self) -> int:
        """Return how many rows differ."""
        return len(np.unique(np.round(self.values, 4), axis=0))

    def centres(self, labels: np.ndarray, k: int) -> np.ndarray:
        """Return the centres of groups, shape (k, d); rows of group -1 do not count."""
        inside = np.flatnonzero(labels >= 0)
        member = sparse.csr_matrix((self.mass[inside], (labels[inside], inside)), shape=(k, len(labels)))
        return self.directed(np.asarray(member @ self.values))

    def directed(self, sums: np.ndarray) -> np.ndarray:
        """Return sums of rows as centres."""
        centres = np.empty(sums.shape, np.float32)
        for block in self.blocks:
            length = np.linalg.norm(sums[:, block], axis=1, keepdims=True)
            centres[:, block] = sums[:, block] / (length + MASS)
        return centres


def in_blocks(parts: Sequence[tuple[np.ndarray, np.ndarray]], n: int, mass: np.ndarray) -> Rows:
    """Return rows made of parts: places of the rows a part speaks of, and their unit vectors in it."""
    widths = [vectors.shape[1] for _, vectors in parts]
    ends = np.cumsum([0, *widths]).tolist()
    blocks = tuple(slice(a, b) for a, b in pairwise(ends))
    values = np.zeros((n, ends[-1]), np.float32)
    for block, (at, vectors) in zip(blocks, parts, strict=True):
        values[at, block] = vectors
    return Rows(values, blocks, mass.astype(np.float32))


@dataclass(frozen=True)
class Groups:
    """Rows in groups.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    centres : ndarray, shape (k, d)
    fit : float
        Weighted mean of the product of a row and its centre.
    """

    labels: np.ndarray
    centres: np.ndarray
    fit: float


def best(rows: Rows, k: int, *, starts: int = STARTS) -> Groups:
    """Return the best of several k-means fits, one by principal components; the same for the same rows."""
    found = lloyd(rows, principal(rows.shared(), k), k)
    random = np.random.default_rng(1957)  # no seed of the caller's: topics are the same for every seed
    for _ in range(starts if k > 1 else 0):
        other = lloyd(rows, spread(rows.shared(), k, random), k)
        if other.fit > found.fit * 1.0005:  # a tie keeps the start without chance
            found = other
    return found


def lloyd(rows: Rows, labels: np.ndarray, k: int, *, rounds: int = ROUNDS) -> Groups:
    """Move centres to the middle of their rows until next to no row changes its group; an empty one takes a bad fit."""
    centres = rows.centres(labels, k)
    near = rows.values @ centres.T
    for _ in range(rounds):
        old, labels = labels, near.argmax(1)
        if np.count_nonzero(old != labels) <= len(rows) * _STILL:
            break
        empty = np.flatnonzero(np.bincount(labels, minlength=k) == 0)
        if len(empty):
            labels[np.argsort(near.max(1), kind="stable")[: len(empty)]] = empty[: len(rows)]
        centres = rows.centres(labels, k)
        near = rows.values @ centres.T
    own = near[np.arange(len(rows)), labels]
    return Groups(labels, centres, float(np.average(own, weights=rows.mass)))


def principal(rows: np.ndarray, k: int) -> np.ndarray:
    """Return groups by cutting, k - 1 times, the widest group in the middle of its widest direction."""
    labels = np.zeros(len(rows), int)
    widths = {0: _widest(rows)}
    for new in range(1, k):
        split = max(widths, key=lambda g: (widths[g][0], -g))
        inside = np.flatnonzero(labels == split)
        middle, direction = widths[split][1:]
        labels[inside[(rows[inside] - middle) @ direction > 0]] = new
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
    """Return groups about k rows far from each other (greedy k-means++)."""
    square = np.einsum("ij,ij->i", rows, rows)
    chosen = [int(random.integers(len(rows)))]
    far = np.maximum(square + square[chosen[0]] - 2 * rows @ rows[chosen[0]], 0).astype(float)
    for _ in range(1, k):
        total = far.sum()
        tries = random.choice(len(rows), 2 + int(np.log(k)), p=far / total if total > 1e-9 else None)
        apart = square[:, None] + square[tries] - 2 * rows @ rows[tries].T
        after = np.minimum(far[:, None], np.maximum(apart, 0))
        take = int(after.sum(0).argmin())
        chosen.append(int(tries[take]))
        far = after[:, take]
    return (rows @ rows[chosen].T - square[chosen] / 2).argmax(1)


@dataclass(frozen=True)
class Mixture:
    """Groups as directions and words.

    Attributes
    ----------
    centres : ndarray, shape (k, d)
    tight : float
        Concentration kappa, common to the groups.
    words : ndarray, shape (k, v)
        Log shares of words, of each language apart.
    share : ndarray, shape (k,)
        Log shares of groups.
    """

    centres: np.ndarray
    tight: float
    words: np.ndarray
    share: np.ndarray

    def posterior(self, rows: Rows, damped: sparse.csr_matrix) -> np.ndarray:
        """Return P(group) of clauses, shape (n, k)."""
        score = VECTORS * self.tight * (rows.values @ self.centres.T) + damped @ self.words.T + self.share
        score -= score.max(1, keepdims=True)
        np.exp(score, out=score)
        return np.asarray(score / score.sum(1, keepdims=True), np.float32)


def refine(rows: Rows, counts: sparse.csr_matrix, spoken: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return P(group) of clauses by their vectors and words together, shape (n, k).

    Parameters
    ----------
    rows : Rows
    counts : csr_matrix, shape (n, v)
        How often each clause has each word.
    spoken : ndarray of int, shape (v,)
        Number of the language of each word.
    labels : ndarray of int, shape (n,)
        Where to start; -1 belongs to no group yet.
    k : int
    """
    damped = counts.copy()
    damped.data = 1 + np.log(damped.data)
    post = np.zeros((len(rows), k), np.float32)
    inside = labels >= 0
    post[inside, labels[inside]] = 1
    for _ in range(STEPS):
        new = _maximised(rows, damped, spoken, post * rows.mass[:, None]).posterior(rows, damped)
        change = float(np.abs(new - post).mean()) * k
        post = new
        if change < 1e-3:
            break
    return post


def _maximised(rows: Rows, damped: sparse.csr_matrix, spoken: np.ndarray, post: np.ndarray) -> Mixture:
    size = post.sum(0)
    centres = rows.directed(post.T @ rows.values)
    own = float((post * (rows.values @ centres.T)).sum() / max(float(post.sum()), 1e-9))
    d = rows.values.shape[1]
    blocks = max(float((rows.values**2).sum(1).mean()), 1e-9)  # a row's squared length: how many blocks it has
    mean = min(own / blocks, 0.999)
    tight = (mean * d - mean**3) / (1 - mean**2) / blocks
    language = sparse.csr_matrix((np.ones(len(spoken)), (np.arange(len(spoken)), spoken))) if len(spoken) else None
    said = np.asarray((damped.T @ post).T)
    if language is None:
        return Mixture(centres, tight, said, np.log((size + 1) / (size.sum() + len(size))).astype(np.float32))
    usual = np.asarray(damped.sum(0)).ravel() + 1e-9
    usual /= (language.T @ usual)[spoken]
    prior = PRIOR * np.bincount(spoken)[spoken]
    total = (said @ language)[:, spoken]
    shares = np.log((said + prior * usual) / (total + prior))
    return Mixture(
        centres, tight, shares.astype(np.float32), np.log((size + 1) / (size.sum() + len(size))).astype(np.float32)
    )
