r"""Vectors of texts learnt from the texts alone: no download, any language, cost linear in the texts.

Two views of a text stand side by side, each of length one before they are joined:

1. **Which words it has**: counts damped by a logarithm and weighed by how unevenly a word is spread over the texts
   (log-entropy), in the leading directions of a singular value decomposition,

   .. math:: x_{dw} = \log(1 + n_{dw}) \Bigl(1 + \frac{1}{\log D} \sum_{d'} p_{d'w} \log p_{d'w}\Bigr),
             \quad p_{dw} = n_{dw} / n_{\cdot w}

2. **What its words are like**: word vectors from the words around them (positive pointwise mutual information, smoothed
   contexts, singular value decomposition), averaged with weights :math:`a / (a + p_w)` and freed of what all texts
   share.

A text of which nothing is known (every word rarer than the floor) has a row of zeros.

References
----------
Dumais (1991), log-entropy weights, https://doi.org/10.3758/BF03203370; Levy, Goldberg and Dagan (2015), word vectors
by matrix factorisation, https://doi.org/10.1162/tacl_a_00134; Arora, Liang and Ma (2017), "A simple but tough-to-beat
baseline for sentence embeddings", International Conference on Learning Representations.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.voice import words

if TYPE_CHECKING:
    from scipy import sparse

DIMS: Final = 50  # of each view; more hold more noise than topics
COMMON: Final = 0.3  # words that more than this share of the texts have tell no topics apart
WINDOW: Final = 5  # words on each side that count as context
SMOOTH: Final = 0.75  # power of the contexts' frequencies
RARE: Final = 1e-3  # a of the weights a / (a + p)
MOST_WORDS: Final = 20_000  # that get a vector of their own
_SPAN: Final = 500_000  # pairs of neighbours counted at once


def vectors(tokens: Sequence[Sequence[str]], language: str, *, dims: int = DIMS, seed: int = 0) -> np.ndarray:
    """Return a vector of length one, or zero where nothing is known, for each text.

    Parameters
    ----------
    tokens : sequence of sequence of str, length n
        Words of each text (`cxlab.voice.words.tokens`).
    language : str
        ISO 639-1 code, whose stop words say nothing.
    dims : int
        Directions kept of each view, at most (`directions`).
    seed : int
        Of the random start of the decompositions.

    Returns
    -------
    array of float32, shape (n, d)
        ``d <= 2 * dims``; fewer where the texts hold fewer directions.
    """
    if not len(tokens):
        return np.zeros((0, 2 * dims), np.float32)
    dims = directions(len(tokens), most=dims)
    stop = words.stop(language)
    names, ids, lengths = _numbered(tokens)
    stopped = np.fromiter((w in stop for w in names), bool, len(names))
    counts = _counts(ids, lengths, len(names))
    which = _directions(_log_entropy(counts, stopped, floor(len(tokens))), dims, seed)
    return _unit(np.hstack([_unit(which), _unit(_likeness(ids, lengths, counts, stopped, dims, seed))]))


def floor(n: int) -> int:
    """Return in how many of `n` texts a feature must stand to be counted."""
    return 1 if n < 100 else 2 if n < 1000 else 3


def directions(n: int, *, most: int = DIMS) -> int:
    """Return how many directions of each view `n` texts can bear: few texts fill many with noise."""
    return max(min(most, int(1.75 * n**0.5)), 1)


def _numbered(tokens: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Words in order of appearance, the number of each word said, words of each text."""
    number: dict[str, int] = {}
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    said = (number.setdefault(word, len(number)) for word in chain.from_iterable(tokens))
    ids = np.fromiter(said, np.int32, int(lengths.sum()))
    return list(number), ids, lengths


def _counts(ids: np.ndarray, lengths: np.ndarray, size: int) -> sparse.csr_matrix:
    from scipy import sparse

    starts = np.append(0, np.cumsum(lengths))
    found = sparse.csr_matrix((np.ones(len(ids), np.float32), ids, starts), shape=(len(lengths), size))
    found.sum_duplicates()
    return found


def _log_entropy(counts: sparse.csr_matrix, stopped: np.ndarray, least: int) -> sparse.csr_matrix:
    """Texts x words that tell topics apart, rows of length one."""
    from scipy import sparse

    n = counts.shape[0]
    within = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = ~stopped & (within >= least) & (within <= max(COMMON * n, least))
    chosen = counts[:, np.flatnonzero(kept)].tocsr()
    total = np.asarray(chosen.sum(axis=0)).ravel()
    p = chosen.data / total[chosen.indices]
    spread = np.bincount(chosen.indices, weights=p * np.log(p), minlength=chosen.shape[1]) / np.log(max(n, 2))
    chosen.data = (np.log1p(chosen.data) * (1 + spread)[chosen.indices]).astype(np.float32)
    length = np.sqrt(np.asarray(chosen.multiply(chosen).sum(axis=1)).ravel())
    return sparse.diags_array(1 / np.maximum(length, 1e-12)).astype(np.float32) @ chosen


def _likeness(
    ids: np.ndarray, lengths: np.ndarray, counts: sparse.csr_matrix, stopped: np.ndarray, dims: int, seed: int
) -> np.ndarray:
    """Average of the vectors of a text's words, the common direction removed."""
    from scipy import sparse

    total = np.asarray(counts.sum(axis=0)).ravel()
    least = 5 if len(lengths) >= 1000 else 2
    known = np.flatnonzero(total >= least)
    if len(known) > MOST_WORDS:
        known = np.sort(known[np.argsort(-total[known], kind="stable")[:MOST_WORDS]])
    if len(known) < 2:
        return np.zeros((len(lengths), 0))
    place = np.full(len(total), -1)
    place[known] = np.arange(len(known))
    word = _unit(_directions(_surprise(place[ids], lengths, len(known)), dims, seed, power=0.5))
    p = total[known] / total[known].sum()
    weight = np.where(stopped[known], 0.0, RARE / (RARE + p)).astype(np.float32)
    said = (counts[:, known] @ sparse.diags_array(weight)).tocsr()
    found = np.asarray(said @ word) / np.maximum(np.asarray(said.sum(axis=1)), 1e-12).reshape(-1, 1)
    if min(found.shape) < 2:
        return found
    _, along = np.linalg.eigh(found.T @ found)
    return found - np.outer(found @ along[:, -1], along[:, -1])


def _surprise(place: np.ndarray, lengths: np.ndarray, size: int) -> sparse.csr_matrix:
    """Words x words: by how much more often than by chance two stand near each other (log, positive part)."""
    from scipy import sparse

    text = np.repeat(np.arange(len(lengths)), lengths)
    together = sparse.csr_matrix((size, size), dtype=np.float32)
    for begin in range(0, len(place), _SPAN):
        here, of = place[begin : begin + _SPAN + WINDOW], text[begin : begin + _SPAN + WINDOW]
        pairs = []
        for apart in range(1, WINDOW + 1):
            a, b = here[:-apart][:_SPAN], here[apart:][:_SPAN]
            near = (a >= 0) & (b >= 0) & (of[:-apart][:_SPAN] == of[apart:][:_SPAN])
            pairs.append((a[near], b[near], np.full(int(near.sum()), 1 / apart, np.float32)))
        a, b, near = (np.concatenate(part) for part in zip(*pairs, strict=True))
        together = together + sparse.coo_matrix((near, (a, b)), shape=(size, size)).tocsr()
    together = (together + together.T).tocoo()
    total = np.asarray(together.sum(axis=1)).ravel()
    context = total**SMOOTH / max((total**SMOOTH).sum(), 1e-12)
    value = np.log(np.maximum(together.data / (total[together.row] * context[together.col]), 1e-12))
    more = value > 0
    return sparse.csr_matrix(
        (value[more].astype(np.float32), (together.row[more], together.col[more])), shape=(size, size)
    )


def _directions(matrix: sparse.csr_matrix, dims: int, seed: int, *, power: float = 1.0) -> np.ndarray:
    """Rows in the leading singular directions, each direction's scale raised to `power`."""
    from sklearn.utils.extmath import randomized_svd

    k = min(dims, min(matrix.shape) - 1)
    if k < 1:
        return matrix.toarray() if min(matrix.shape) == 1 else np.zeros((matrix.shape[0], 0))
    left, scale, _ = randomized_svd(matrix, k, n_iter=4, random_state=seed)
    return (left * scale**power).astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one in single precision; rows without length stay as they are."""
    rows = rows.astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.where(length > 1e-12, length, np.float32(1))[:, None]
    return rows
