r"""The few directions in which topics differ: vectors without what all share and without tone, reduced.

Topics say *what* is spoken of; how it is judged is measured apart (`cxlab.voice.sentiment`). Left in, praise and blame
cut every topic in two. So the direction from blamed to praised clauses,

.. math:: u \propto \bar x_{\text{praised}} - \bar x_{\text{blamed}}, \qquad x \leftarrow x - (x^\top u) u,

is taken out: by the scores that came with the texts, and by a short list of words (`cxlab.voice.text.lexicon`) where
the
language has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.voice.text import lexicon
from cxlab.voice.topics.clusters import unit

DIMS: Final = 40  # leading directions: more hold what single clauses say
_FEW: Final = 30  # clauses each side needs before its middle says what tone is
_SAMPLE: Final = 50_000  # rows the plane is found on, and rows worked on at once


@dataclass(frozen=True)
class Plane:
    """How vectors become short unit vectors.

    Attributes
    ----------
    middle : ndarray, shape (d,)
        What all vectors share.
    tone : ndarray, shape (r, d)
        Directions of tone, orthonormal; r is 0 where nothing tells it.
    basis : ndarray, shape (d, dims)
    """

    middle: np.ndarray
    tone: np.ndarray
    basis: np.ndarray

    def rows(self, vectors: np.ndarray) -> np.ndarray:
        """Return unit rows of shape (n, dims)."""
        found = np.empty((len(vectors), self.basis.shape[1]), np.float32)
        for begin in range(0, len(vectors), _SAMPLE):  # a million vectors have 1.5 GB: no second copy of all
            slab = unit(vectors[begin : begin + _SAMPLE]) - self.middle
            found[begin : begin + _SAMPLE] = unit(_without(slab, self.tone) @ self.basis)
        return found


def fit(vectors: np.ndarray, tones: Sequence[np.ndarray], weights: np.ndarray | None = None) -> Plane:
    """Find what vectors share, the directions of tone and the leading directions of the rest.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
    tones : sequence of ndarray, shape (n,)
        How much each clause praises (above 0) or blames (below 0); 0 or NaN where it does neither.
    weights : ndarray, shape (n,), optional
    """
    weights = np.ones(len(vectors), np.float32) if weights is None else weights.astype(np.float32)
    if len(vectors) > _SAMPLE:
        take = np.sort(np.random.default_rng(11).choice(len(vectors), _SAMPLE, replace=False))
        vectors, weights, tones = vectors[take], weights[take], [tone[take] for tone in tones]
    rows = unit(vectors)
    middle = np.average(rows, axis=0, weights=weights).astype(np.float32) if len(rows) > 1 else np.zeros_like(rows[0])
    rows = rows - middle
    away: list[np.ndarray] = []
    for tone in tones:
        good, bad = tone > 0, tone < 0
        if min(good.sum(), bad.sum()) < _FEW:
            continue
        direction = rows[good].mean(0) - rows[bad].mean(0)
        for known in away:
            direction = direction - (direction @ known) * known
        length = float(np.linalg.norm(direction))
        if length > 1e-6:
            away.append(direction / length)
    taken = np.asarray(away, np.float32).reshape(len(away), rows.shape[1])
    rows = unit(_without(rows, taken))
    values, vectors_of = np.linalg.eigh(np.asarray((rows * weights[:, None]).T @ rows, float))
    leading = np.argsort(-values, kind="stable")[: min(DIMS, max(len(rows) - 1, 1))]
    leading = leading[values[leading] > 1e-9 * max(values.max(), 1e-300)]
    if not len(leading):  # all clauses are the same
        leading = np.array([len(values) - 1])
    basis = vectors_of[:, leading]
    basis = basis * np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
    return Plane(middle, taken, basis.astype(np.float32))


def _without(rows: np.ndarray, directions: np.ndarray) -> np.ndarray:
    return rows - (rows @ directions.T) @ directions


def judged(tokens: Sequence[Sequence[str]], language: str) -> np.ndarray:
    """Return 1 for clauses with more words of praise, -1 for those with more of blame, 0 else, by the lexicon."""
    if language not in lexicon.LANGUAGES:
        return np.zeros(len(tokens))
    known = sorted({w for said in tokens for w in said})
    side = dict(zip(known, np.sign(np.round(lexicon.score(known, language) - 0.5, 6)), strict=True))
    return np.array([np.sign(sum(side[w] for w in said)) for said in tokens])
