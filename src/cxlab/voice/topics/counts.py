r"""Words of clauses as counts, the words that name a topic, how coherent they are.

A word names a topic by its part of how the topic's words differ from all words (Kullback-Leibler), where a word counts
once a clause,

.. math:: W_{kt} = s_{kt} \log\frac{s_{kt}}{s_t}, \qquad s_{kt} = \frac{d_{kt}}{\sum_t d_{kt}}, \quad
          s_t = \frac{d_t}{\sum_t d_t}

with :math:`d_{kt}` the clauses of topic :math:`k` that have word :math:`t`: frequent there and rarer elsewhere. Words
of praise and blame and negations name no topic.

References
----------
Kullback and Leibler (1951), https://doi.org/10.1214/aoms/1177729694.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse

from cxlab.voice.text import words

COMMON: Final = 0.5  # a word that more than this share of the clauses have tells nothing
MOST: Final = 20_000  # words, the most frequent ones


@dataclass(frozen=True)
class Counts:
    """Which words each clause has.

    Attributes
    ----------
    matrix : csr_matrix of float32, shape (n, v)
        How often.
    words : list of str, length v
        Sorted.
    banned : frozenset of str
        Words left out by the rules that some clause has.
    """

    matrix: sparse.csr_matrix
    words: list[str]
    banned: frozenset[str] = frozenset()

    def of(self, tokens: Sequence[Sequence[str]]) -> sparse.csr_matrix:
        """Return counts of other clauses in the same words."""
        return _matrix(tokens, {w: i for i, w in enumerate(self.words)})


def count(tokens: Sequence[Sequence[str]], language: str, *, leave_out: Collection[str] = ()) -> Counts:
    """Count words: no stop words, none that only one or two clauses have (in large collections), none of `leave_out`.

    Parameters
    ----------
    tokens : sequence of sequence of str, length n
    language : str
        Whose stop words are left out.
    leave_out : collection of str
        Banned words.
    """
    n = len(tokens)
    without = words.stop(language) | set(leave_out)
    least = 1 if n < 200 else 2 if n < 2_000 else 3
    seen = Counter(w for said in tokens for w in set(said))
    kept = [(c, w) for w, c in seen.items() if c >= least and w not in without and (c <= COMMON * n or n < 20)]
    if len(kept) > MOST:
        kept = sorted(kept, key=lambda cw: (-cw[0], cw[1]))[:MOST]
    names = sorted(w for _, w in kept)
    banned = frozenset(leave_out) & seen.keys()
    return Counts(_matrix(tokens, {w: i for i, w in enumerate(names)}), names, frozenset(banned))


def _matrix(tokens: Sequence[Sequence[str]], place: dict[str, int]) -> sparse.csr_matrix:
    ids: list[int] = []
    ends = [0]
    for said in tokens:
        ids += [place[w] for w in said if w in place]
        ends.append(len(ids))
    matrix = sparse.csr_matrix(
        (np.ones(len(ids), np.float32), np.asarray(ids, np.int32), np.asarray(ends)), shape=(len(tokens), len(place))
    )
    matrix.sum_duplicates()
    return matrix


def by_topic(counts: Counts, assignment: np.ndarray, k: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return how many clauses of each topic have each word, shape (k, v); clauses of topic -1 do not count."""
    rows = np.flatnonzero(assignment >= 0)
    mass = np.ones(len(assignment)) if weights is None else weights
    member = sparse.csr_matrix((mass[rows], (assignment[rows], rows)), shape=(k, len(assignment)))
    has = counts.matrix.copy()
    has.data = np.ones_like(has.data)
    return np.asarray((member @ has).todense())


def telling(said: np.ndarray) -> np.ndarray:
    """Return how much each word tells a topic from all others, shape (k, v); above 0 where it has more of it."""
    own = said / np.maximum(said.sum(1, keepdims=True), 1e-9)
    usual = said.sum(0) / max(said.sum(), 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.where(said > 0, own * np.log(own / usual), 0.0))


def keywords(counts: Counts, said: np.ndarray, language: str, *, top: int = 10) -> list[list[str]]:
    """Return the words that name each topic, the best first.

    Parameters
    ----------
    counts : Counts
    said : ndarray, shape (k, v)
        `by_topic`.
    language : str
        Whose words of tone are passed over.
    top : int
        Words a topic; fewer where it has no more.
    """
    weight = said / max(said.sum(), 1e-9) if len(said) == 1 else telling(said)
    seen = np.asarray((counts.matrix > 0).sum(0)).ravel()
    least = 1 if counts.matrix.shape[0] < 500 else 5
    judging = words.tone(language) | words.thing(language)
    naming = np.array([w not in judging and (len(w) > 1 or language != "zh") for w in counts.words], bool)
    found = []
    for value in weight:
        legal = (value > 0) & (seen >= least)
        for allowed in (legal & naming, legal):  # a topic of praise alone is named by it
            order = np.argsort(-np.where(allowed, value, 0), kind="stable")[: 2 * top]
            if allowed[order].any():
                break
        found.append(_apart([counts.words[i] for i in order if allowed[i]])[:top])
    return found


def _apart(said: Sequence[str]) -> list[str]:
    """Leave out words that are the plural or the singular of a better one."""
    kept: list[str] = []
    for word in said:
        forms = {word + "s", word + "es", word.removesuffix("s"), word.removesuffix("es")} - {word}
        if not forms & set(kept):
            kept.append(word)
    return kept
