r"""Vectors and words of clauses -> topics that come back from seed to seed, with the number that says how surely.

1. Vectors are brought to the few directions in which topics differ, tone taken out (`plane`).
2. The number of topics is chosen by silhouette and stability (`choice`); a best spherical k-means, or dense groups for
   narrow intents, makes groups (`clusters`).
3. Words refine the groups (`mixture`).
4. The whole is repeated on random four fifths of the clauses from random starts, once a seed. Repeats are matched to
   the topics one to one; a topic's stability is the mean Jaccard overlap with its matches, the run's the mean adjusted
   Rand index. A clause's probability is the mean over the fit and its repeats; where all repeats agree on another
   topic, the clause goes there.

The topics themselves do not depend on the seed: it moves the repeats, which measure. A clause that is no nearer to any
topic than a random direction would be, or that has neither words nor a vector, is left out (-1) and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from cxlab.voice.topics import clusters, coherence, counts, groups, refinement
from cxlab.voice.topics import n_topics as choice
from cxlab.voice.topics import reduction as plane
from cxlab.voice.topics.counts import Counts
from cxlab.voice.topics.groups import Method
from cxlab.voice.topics.reduction import Plane
from cxlab.voice.topics.refinement import Mixture

if TYPE_CHECKING:
    from bertopic import BERTopic

    from cxlab.voice.topics.rules import Rules

COLUMNS: Final = ("topic_id", "keywords", "size", "share", "stability", "npmi")
FEW: Final = 2 * choice.SMALLEST  # clauses below which all are one topic
WORDS: Final = 10  # keywords of a topic
FINE: Final = 12  # clauses of a fine group on average
MOST_GROUPS: Final = 120  # so many that what is new is not hidden in what is old


@dataclass(frozen=True)
class Topics:
    """Topics of the clauses of one language.

    Attributes
    ----------
    language : str
    assignment : ndarray of int, shape (n,)
        Row of `table`, -1 where a clause has no topic.
    probability : ndarray, shape (n,)
        Mean probability of the assigned topic over the fit and its repeats; 0 without a topic.
    table : DataFrame
        ``topic_id`` (from its keywords), ``keywords`` (list), ``size`` (clauses, by weight), ``share`` of the clauses
        with a topic, ``stability`` (0-1), ``npmi``; the largest first.
    stability : float
        Mean adjusted Rand index between the topics and their repeats; NaN for a single topic.
    npmi, diversity : float
        Coherence of the keywords, weighted equally; share of the keywords that stand in one topic only.
    outlier_share : float
        Share of clauses (by weight) without a topic.
    choice : DataFrame
        `choice.COLUMNS`; empty if the number was given.
    method : str
        ``themes`` (k-means), ``fine`` (dense groups) or ``one`` (too few clauses).
    reason : str
        Why there is one topic or none: ``few``, ``same`` (all clauses alike), ``no_words``; else empty.
    plane : Plane or None
    model : Mixture or None
    counts : Counts
    rows : ndarray, shape (n, dims)
        Unit vectors the topics were found on.
    guided : int
        Topics that the rules asked for: seeds, and further parts of what was split.
    """

    language: str
    assignment: np.ndarray
    probability: np.ndarray
    table: pd.DataFrame
    stability: float
    npmi: float
    diversity: float
    outlier_share: float
    choice: pd.DataFrame
    method: str
    reason: str
    plane: Plane | None
    model: Mixture | None
    counts: Counts
    rows: np.ndarray = field(repr=False)
    guided: int = 0

    @property
    def k(self) -> int:
        """Number of topics."""
        return len(self.table)

    def predict(self, vectors: np.ndarray, tokens: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return topic (-1 for none) and its probability of new clauses, without a change to the topics."""
        if self.model is None or self.plane is None:
            inside = np.zeros(len(vectors), int) if self.k else np.full(len(vectors), -1)
            return inside, (inside >= 0).astype(float)
        rows = self.plane.rows(vectors)
        matrix = self.counts.of(tokens)
        post = self.model.posterior(rows, matrix)
        found = np.where(_far(rows, self.model, vectors), -1, post.argmax(1))
        return found, np.where(found >= 0, post.max(1), 0.0)

    def of_comments(self, comment: np.ndarray, weights: np.ndarray | None = None) -> pd.DataFrame:
        """Return the main topic of each comment: the most probable over its clauses, longer ones counting more.

        Parameters
        ----------
        comment : ndarray, shape (n,)
            Which comment each clause belongs to.
        weights : ndarray, shape (n,), optional
            How much a clause counts; default: the number of words that can name a topic, plus one.

        Returns
        -------
        DataFrame
            ``comment`` and ``topic`` (row of `table`, -1 where no clause has one), in the order of first appearance.
        """
        codes, names = pd.factorize(comment)
        mass = weights if weights is not None else 1 + np.asarray(self.counts.matrix.sum(1)).ravel()
        told = self.assignment >= 0
        shape = (len(names), max(self.k, 1))
        votes = sparse.coo_matrix(
            ((mass * self.probability)[told], (codes[told], self.assignment[told])), shape=shape
        ).toarray()
        return pd.DataFrame({"comment": names, "topic": np.where(votes.sum(1) > 0, votes.argmax(1), -1)})

    def fine(self) -> tuple[np.ndarray, list[list[str]]]:
        """Return fine groups of all clauses, also of those without a topic: where something new may hide.

        Returns
        -------
        ndarray of int, shape (n,)
            Group of each clause, -1 without a vector.
        list of list of str
            Words of each group.
        """
        n = len(self.assignment)
        blank = ~(np.abs(self.rows).sum(1) > 0)
        k = min(n // FINE, MOST_GROUPS, len(np.unique(np.round(self.rows, 4), axis=0)))
        if k < 2:
            return np.full(n, -1), []
        take = np.random.default_rng(5).choice(n, groups.LARGE, replace=False) if n > groups.LARGE else np.arange(n)
        centres = clusters.best(self.rows[take], k, starts=2).centres
        labels = np.where(blank, -1, (self.rows @ centres.T).argmax(1))
        said = counts.by_topic(self.counts, labels, k)
        return labels, counts.keywords(self.counts, said, self.language, top=WORDS)

    def bertopic(self, texts: Sequence[str], vectors: np.ndarray) -> BERTopic:
        """Return a BERTopic object that carries these topics: see `cxlab.voice.topics.bertopic_bridge`."""
        from cxlab.voice.topics import bertopic_bridge

        return bertopic_bridge.bertopic(self, texts, vectors)


def fit(
    vectors: np.ndarray,
    tokens: Sequence[Sequence[str]],
    *,
    language: str,
    weights: np.ndarray | None = None,
    tone: np.ndarray | None = None,
    k: int | None = None,
    seeds: int = 5,
    seed: int = 0,
    method: Method = "auto",
    rules: Rules | None = None,
) -> Topics:
    """Find the topics of distinct clauses.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        `cxlab.voice.embed.embed.vectors`.
    tokens : sequence of sequence of str, length n
        `cxlab.voice.text.words.tokens`.
    language : str
        Of all clauses.
    weights : ndarray, shape (n,), optional
        How often each distinct clause was said; counts in sizes as it is, in the fit by its logarithm, so that a flood
        makes no topic.
    tone : ndarray, shape (n,), optional
        Above 0 praised, below 0 blamed by the score that came with the comment, 0 or NaN unknown.
    k : int, optional
        Number of topics; default: chosen.
    seeds : int
        Repeats that measure stability.
    seed : int
        Of the repeats.
    method : {"auto", "themes", "fine"}
        K-means, dense groups, or what the rule of `choice` says.
    rules : Rules, optional
        Banned words, seeds and splits are obeyed here; merges and names when languages are joined (`rules.join`).

    Raises
    ------
    ValueError
        If vectors, tokens and weights differ in length.
    """
    n = len(tokens)
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    if len(vectors) != n or len(weights) != n:
        raise ValueError(
            f"{len(vectors)} vectors, {n} lists of words and {len(weights)} weights: give one each a clause"
        )
    said = counts.count(tokens, language, leave_out=rules.banned_words(language) if rules else ())
    blank = np.asarray(~vectors.any(axis=1)) if n else np.zeros(0, bool)
    if not n or blank.all() or not any(len(t) for t in tokens):
        return _none(language, n, said, "few" if not n else "no_words")
    mass = 1 + np.log(np.maximum(weights, 1))
    tones = [plane.judged(tokens, language)]
    if tone is not None:
        tones.insert(0, np.nan_to_num(np.asarray(tone, float)))
    flat = plane.fit(vectors, tones, mass)
    rows = flat.rows(vectors)
    seeded = rules.anchors(said) if rules else []
    same = len(np.unique(np.round(rows, 4), axis=0)) < 2
    if same or (n < FEW and k is None) or (k == 1 and not seeded):
        return _one(language, said, weights, blank, flat, rows, "same" if same else "few" if k is None else "")
    guides = [clusters.unit(np.average(rows[a], axis=0, weights=mass[a])[None, :]) for a in seeded]
    guided = np.vstack(guides) if guides else np.zeros((0, rows.shape[1]), np.float32)
    labels, tried, how = groups.find(rows, mass, seeded, guided, k=k, seeds=seeds, seed=seed, method=method)
    cut = rules.divided(labels, rows, said, mass, language) if rules else labels
    found = _whole(language, vectors, rows, said, weights, mass, cut, guided, flat, tried, how, seeds, seed)
    return replace(found, guided=len(guides) + int(cut.max() - labels.max()))


def _whole(
    language: str, vectors: np.ndarray, rows: np.ndarray, said: Counts, weights: np.ndarray, mass: np.ndarray,
    labels: np.ndarray, guides: np.ndarray, flat: Plane, tried: pd.DataFrame, how: str, seeds: int, seed: int,
) -> Topics:  # fmt: skip
    """Refine groups by words, repeat, name and count."""
    labels = np.unique(labels, return_inverse=True)[1]
    model = refinement.fit(rows, said.matrix, labels, labels.max() + 1, mass)
    post = model.posterior(rows, said.matrix)
    alive = np.flatnonzero(np.bincount(post.argmax(1), minlength=post.shape[1]))
    if len(alive) < post.shape[1]:  # words left a group without clauses
        model = refinement.fit(rows, said.matrix, np.unique(post.argmax(1), return_inverse=True)[1], len(alive), mass)
        post = model.posterior(rows, said.matrix)
    k = post.shape[1]
    mean, final, overlap, rand = _repeats(rows, said.matrix, mass, post, guides, seeds, seed)
    wordless = np.array([not x for x in counts.keywords(said, counts.by_topic(said, final, k, weights), language)])
    assignment = np.where(_far(rows, model, vectors) | wordless[final], -1, final)
    size = np.bincount(assignment[assignment >= 0], weights=weights[assignment >= 0], minlength=k)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    place = np.full(k, -1)
    place[order] = np.arange(len(order))
    model = refinement.Mixture(model.centres[order], model.tight, model.words[order], model.share[order])
    assignment = np.where(assignment >= 0, place[assignment], -1)
    mean = mean[:, order]
    probability = np.where(assignment >= 0, mean[np.arange(len(rows)), np.maximum(assignment, 0)], 0.0)
    table, npmi, diversity = _named(said, assignment, weights, language, len(order), overlap[order])
    return Topics(
        language, assignment, probability, table, rand, npmi, diversity,
        float(weights[assignment < 0].sum() / max(weights.sum(), 1e-9)), tried, how, "", flat, model, said, rows,
    )  # fmt: skip


def _repeats(
    rows: np.ndarray,
    matrix: sparse.csr_matrix,
    mass: np.ndarray,
    post: np.ndarray,
    guides: np.ndarray,
    seeds: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Repeat the fit; return mean posterior, topic of each clause, overlap of each topic, Rand index."""
    k = post.shape[1]
    labels = post.argmax(1)
    if k < 2 or not seeds:
        return post, labels, np.full(k, np.nan), float("nan")
    random = np.random.default_rng([seed, 17])
    take = random.choice(len(rows), groups.LARGE, replace=False) if len(rows) > groups.LARGE else np.arange(len(rows))
    total, votes = post.copy(), np.zeros_like(post)
    overlap, rand = [], []
    for start in choice.repeated(rows[take], k, weights=mass[take], seeds=seeds, seed=seed, guided=guides):
        again = refinement.fit(rows[take], matrix[take], start, k, mass[take])
        other = again.posterior(rows, matrix)
        theirs = other.argmax(1)
        cross = np.zeros((k, k))
        np.add.at(cross, (labels, theirs), mass)
        jaccard = cross / np.maximum(cross.sum(0)[None, :] + cross.sum(1)[:, None] - cross, 1e-9)
        mine, match = linear_sum_assignment(-jaccard)
        overlap.append(jaccard[mine, match])
        rand.append(clusters.agreement(labels, theirs))
        total += other[:, match]
        np.add.at(votes, (np.arange(len(rows)), np.argsort(match)[theirs]), 1)
    final = np.where(votes.max(1) == seeds, votes.argmax(1), labels)  # moved only where every repeat agrees
    return total / (seeds + 1), final, np.mean(overlap, 0), float(np.mean(rand))


def _far(rows: np.ndarray, model: Mixture, vectors: np.ndarray) -> np.ndarray:
    """Return which clauses are no nearer to any topic than half of all random directions are, or have no vector."""
    k, d = model.centres.shape
    usual = NormalDist().inv_cdf(0.5 ** (1 / k)) / np.sqrt(d) if k > 1 and d > 2 else -1.0
    return ((rows @ model.centres.T).max(1) < usual) | ~vectors.any(axis=1)


def _named(
    said: Counts, assignment: np.ndarray, weights: np.ndarray, language: str, k: int, overlap: np.ndarray
) -> tuple[pd.DataFrame, float, float]:
    """Return the table of topics, the mean coherence and the diversity of their keywords."""
    names = counts.keywords(said, counts.by_topic(said, assignment, k, weights), language, top=WORDS)
    each = coherence.npmi(said.matrix, said.words, names)
    size = np.bincount(assignment[assignment >= 0], weights=weights[assignment >= 0], minlength=k)
    table = pd.DataFrame(
        {
            "topic_id": _ids(names),
            "keywords": names,
            "size": np.round(size).astype(int),
            "share": size / max(size.sum(), 1e-9),
            "stability": overlap,
            "npmi": each,
        }
    )
    coherent = float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")
    return table, coherent, coherence.diversity(names)


def _ids(names: Sequence[Sequence[str]]) -> list[str]:
    """Return readable ids: the first two keywords, more where two topics share them."""
    out: list[str] = []
    for i, said in enumerate(names):
        words = ["".join(c for c in w if c.isalnum()) for w in said] or [f"topic{i + 1}"]
        new = next(
            ("-".join(words[:m]) for m in range(min(2, len(words)), len(words) + 1) if "-".join(words[:m]) not in out),
            "",
        )
        out.append(new or f"{'-'.join(words[:2])}-{i + 1}")
    return out


def _one(
    language: str, said: Counts, weights: np.ndarray, blank: np.ndarray, flat: Plane, rows: np.ndarray, reason: str
) -> Topics:
    """Return all clauses as one topic."""
    assignment = np.where(blank, -1, 0)
    table, npmi, diversity = _named(said, assignment, weights, language, 1, np.array([np.nan]))
    return Topics(
        language, assignment, (assignment >= 0).astype(float), table, float("nan"), npmi, diversity,
        float(weights[blank].sum() / weights.sum()), pd.DataFrame(columns=list(choice.COLUMNS)), "one", reason,
        flat, None, said, rows,
    )  # fmt: skip


def _none(language: str, n: int, said: Counts, reason: str) -> Topics:
    """Return no topic at all."""
    table = pd.DataFrame({c: pd.Series(dtype=object if c in ("topic_id", "keywords") else float) for c in COLUMNS})
    empty: Any = pd.DataFrame(columns=list(choice.COLUMNS))
    return Topics(
        language, np.full(n, -1), np.zeros(n), table, float("nan"), float("nan"), float("nan"), 1.0 if n else 0.0,
        empty, "one", reason, None, None, said, np.zeros((n, 1), np.float32),
    )  # fmt: skip
