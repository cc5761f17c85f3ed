r"""Words of clauses as counts, words that stand everywhere, words that name a topic and how well they belong together.

A word names a topic by class-based TF-IDF, where it counts once a clause: frequent there and rarer elsewhere,

.. math:: W_{kt} = \frac{d_{kt}}{\sum_t d_{kt}} \log\Bigl(1 + \frac{A}{d_t}\Bigr) \cdot
          \frac{d_{kt} / D_k}{\sum_{j \in \text{siblings}} d_{jt} / D_j},

with :math:`d_{kt}` the clauses of topic :math:`k` that have word :math:`t`, :math:`d_t` those of all topics, :math:`A`
the mean number of words of a topic, :math:`D_k` the clauses of a topic; the last factor sets a topic apart from the
other topics of its theme. Words of praise and blame and negations name no topic.

Coherence of a topic is the mean normalised pointwise mutual information of all pairs of its words, counted exactly with
the whole clause as the window,

.. math:: \mathrm{npmi}(a, b) = \log\frac{p_{ab}}{p_a p_b} \Big/ (-\log p_{ab}).

A name that nearly every text carries (a brand, a greeting, a signature) tells nothing about what else stands in a text:
of the words :math:`v` met beside a word, :math:`o_v` times where :math:`e_v` are expected, the excess of
:math:`\sum_v (o_v - e_v)^2 / e_v` over its number of terms is next to nothing for each time it is met (`everywhere`).

References
----------
Grootendorst (2022), class-based TF-IDF, https://doi.org/10.48550/arXiv.2203.05794; Bouma (2009), normalised pointwise
mutual information, Proceedings of GSCL; Dieng, Ruiz and Blei (2020), diversity, https://doi.org/10.1162/tacl_a_00325.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse

from cxlab.voice import words

COMMON: Final = 0.5  # a word that more than this share of the clauses of a language have tells nothing
MOST: Final = 20_000  # words of a language, the most frequent ones
TOP: Final = 10  # keywords of a topic in a language
_SPOKEN: Final = 0.02  # share of a topic's words from which a language is one of its own
_OFTEN: Final = 0.05  # share of the texts from which a word may stand everywhere
_ENOUGH: Final = 500  # texts without which that cannot be told
_EVEN: Final = 0.02  # what a word that stands everywhere tells of each word beside it, at most
_BESIDE: Final = 600  # words looked at beside it, the most frequent ones


@dataclass(frozen=True)
class Counts:
    """Which words each clause has; the same word of two languages is two words.

    Attributes
    ----------
    matrix : csr_matrix of float32, shape (n, v)
        How often.
    words : list of str, length v
    spoken : ndarray of int, shape (v,)
        Place of the word's language among `languages`.
    languages : tuple of str
    sizes : tuple of int
        Clauses of each language.
    banned : frozenset of str
        Words left out by the rules that some clause has.
    """

    matrix: sparse.csr_matrix
    words: list[str]
    spoken: np.ndarray
    languages: tuple[str, ...]
    sizes: tuple[int, ...]
    banned: frozenset[str] = frozenset()


def count(
    tokens: Sequence[Sequence[str]], language: Sequence[str] | np.ndarray, *, leave_out: Collection[str] = ()
) -> Counts:
    """Count words: no stop words, none that only one or two clauses have (in large collections), none of `leave_out`.

    Parameters
    ----------
    tokens : sequence of sequence of str, length n
    language : sequence of str, length n
    leave_out : collection of str
        Banned words.
    """
    language = np.asarray(language, str)
    names = tuple(dict.fromkeys(language.tolist()))
    known: list[tuple[int, str]] = []
    banned: set[str] = set()
    sizes = tuple(int((language == code).sum()) for code in names)
    for number, code in enumerate(names):
        inside = np.flatnonzero(language == code)
        n = len(inside)
        least = 1 if n < 200 else 2 if n < 2_000 else 3
        seen = Counter(w for i in inside for w in set(tokens[int(i)]))
        banned |= set(leave_out) & seen.keys()
        without = words.stop(code) | set(leave_out)
        kept = [(c, w) for w, c in seen.items() if c >= least and w not in without and (c <= COMMON * n or n < 20)]
        kept = sorted(kept, key=lambda cw: (-cw[0], cw[1]))[:MOST]
        known += [(number, w) for w in sorted(w for _, w in kept)]
    place = {key: i for i, key in enumerate(known)}
    number_of = {code: i for i, code in enumerate(names)}
    ids: list[int] = []
    ends = [0]
    for said, code in zip(tokens, language.tolist(), strict=True):
        own = number_of[code]
        ids += [place[own, w] for w in said if (own, w) in place]
        ends.append(len(ids))
    shape = (len(tokens), len(known))
    matrix = sparse.csr_matrix(
        (np.ones(len(ids), np.float32), np.asarray(ids, np.int32), np.asarray(ends)), shape=shape
    )
    matrix.sum_duplicates()
    return Counts(matrix, [w for _, w in known], np.array([n for n, _ in known], int), names, sizes, frozenset(banned))


def everywhere(tokens: Sequence[Collection[str]], language: str) -> frozenset[str]:
    """Return words that many texts carry whatever they speak of: names, greetings, signatures.

    Parameters
    ----------
    tokens : sequence of collection of str
        Words of each whole text.
    language : str
        Whose stop words and words of tone are left aside.
    """
    if len(tokens) < _ENOUGH:
        return frozenset()
    aside = words.stop(language) | words.tone(language)
    seen = Counter(w for text in tokens for w in set(text) - aside)
    names = [w for w, c in seen.most_common(_BESIDE) if c >= 10]
    place = {w: i for i, w in enumerate(names)}
    pairs = [(row, place[w]) for row, text in enumerate(tokens) for w in set(text) if w in place]
    if not pairs:
        return frozenset()
    row, column = np.array(pairs).T
    has = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(tokens), len(names)))
    both = np.asarray((has.T @ has).todense())
    alone = np.diag(both).copy()
    joined = both > 0.5 * np.minimum(alone[:, None], alone)  # parts of the same greeting, and the word itself
    found = []
    for w in np.flatnonzero(alone >= _OFTEN * len(tokens)):
        beside = ~joined[w] & (alone >= 10)
        expected = alone[beside] * both[w, beside].sum() / max(alone[beside].sum(), 1)
        beside_w, expected = both[w, beside][expected >= 1], expected[expected >= 1]
        excess = ((beside_w - expected) ** 2 / np.maximum(expected, 1e-9)).sum() - len(expected)
        if len(expected) >= 20 and excess / max(beside_w.sum(), 1) < _EVEN:
            found.append(names[w])
    return frozenset(found)


def by_topic(counts: Counts, assignment: np.ndarray, k: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return how many clauses of each topic have each word, shape (k, v); clauses of topic -1 do not count."""
    rows = np.flatnonzero(assignment >= 0)
    mass = np.ones(len(assignment)) if weights is None else weights
    member = sparse.csr_matrix((mass[rows], (assignment[rows], rows)), shape=(k, len(assignment)))
    has = counts.matrix.copy()
    has.data = np.ones_like(has.data)
    return np.asarray((member @ has).todense())


def naming(said: np.ndarray, theme: np.ndarray) -> np.ndarray:
    """Return how well each word names each topic among all and among those of its theme, shape (k, v)."""
    total = said.sum(axis=0)
    share = said / np.maximum(said.sum(axis=1, keepdims=True), 1e-9)
    value = share * np.log1p(said.sum() / max(len(said), 1) / np.maximum(total, 1e-9))
    for name in np.unique(theme):
        own = np.flatnonzero(theme == name)
        if len(own) > 1:
            value[own] *= share[own] / np.maximum(share[own].sum(axis=0), 1e-12)
    return np.asarray(value)


def keywords(
    counts: Counts, said: np.ndarray, theme: np.ndarray | None = None, *, top: int = TOP
) -> list[dict[str, list[str]]]:
    """Return the words that name each topic in each of its languages, the best first; of most clauses first.

    Parameters
    ----------
    counts : Counts
    said : ndarray, shape (k, v)
        `by_topic`.
    theme : ndarray of int, shape (k,), optional
        Topics of one theme are told apart from each other.
    top : int
        Words a topic and language; fewer where it has no more.
    """
    theme = np.arange(len(said)) if theme is None else theme
    seen = np.asarray((counts.matrix > 0).sum(axis=0)).ravel()
    found: list[dict[str, list[str]]] = [{} for _ in said]
    sizes = np.array([said[:, counts.spoken == c].sum(axis=1) for c in range(len(counts.languages))])
    for number, code in enumerate(counts.languages):
        mine = np.flatnonzero(counts.spoken == number)
        judging = words.tone(code) | words.thing(code)
        plain = np.array(
            [counts.words[i] not in judging and (len(counts.words[i]) > 1 or code != "zh") for i in mine], bool
        )
        often = seen[mine] >= (1 if counts.matrix.shape[0] < 500 else 5)
        value = naming(said[:, mine], theme)
        for row in np.flatnonzero(sizes[number] >= np.maximum(_SPOKEN * sizes.sum(axis=0), 1)):
            legal = (said[row, mine] > 0) & often
            for allowed in (legal & plain, legal):  # a topic of praise alone is named by it
                order = np.argsort(-np.where(allowed, value[row], -1.0), kind="stable")[: 2 * top]
                if allowed[order].any():
                    break
            named = _apart([counts.words[mine[i]] for i in order if allowed[i]])[:top]
            if named:
                found[row][code] = named
    rank = {code: i for i, code in enumerate(counts.languages)}
    return [dict(sorted(named.items(), key=lambda item: -sizes[rank[item[0]], row])) for row, named in enumerate(found)]


def _apart(said: Sequence[str]) -> list[str]:
    """Leave out words that are the plural or the singular of a better one."""
    kept: list[str] = []
    for word in said:
        forms = {word + "s", word + "es", word.removesuffix("s"), word.removesuffix("es")} - {word}
        if not forms & set(kept):
            kept.append(word)
    return kept


def npmi(counts: Counts, topics: Sequence[Mapping[str, Sequence[str]]]) -> np.ndarray:
    """Return the mean NPMI of each topic's pairs of words of one language, shape (topics,).

    NaN for topics of fewer than two words; those that stand nowhere in `counts` are passed over.
    """
    place = {(counts.languages[n], w): i for i, (n, w) in enumerate(zip(counts.spoken, counts.words, strict=True))}
    has = (counts.matrix > 0).astype(np.float64).tocsc()
    size = dict(zip(counts.languages, counts.sizes, strict=True))
    found = []
    for topic in topics:
        values = [np.zeros(0)]
        for code, named in topic.items():
            ids = [place[code, w] for w in dict.fromkeys(named) if (code, w) in place]
            if len(ids) < 2:
                continue
            together = np.asarray((has[:, ids].T @ has[:, ids]).todense()) / size[code]
            a, b = np.triu_indices(len(ids), 1)
            pair, chance = together[a, b], np.diag(together)[a] * np.diag(together)[b]
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.log(pair / chance) / -np.log(pair)
            values.append(np.where(pair <= 0, -1.0, np.where(pair >= 1, 1.0, value)))
        flat = np.concatenate(values)
        found.append(float(flat.mean()) if len(flat) else float("nan"))
    return np.asarray(found)


def diversity(topics: Sequence[Sequence[str]]) -> float:
    """Return the share of the topics' words that are different words; NaN without words."""
    said = [w for topic in topics for w in topic]
    return len(set(said)) / len(said) if said else float("nan")
