r"""Vectors and words of clauses -> topics that come back when they are looked for again, gathered under themes.

1. A fine k-means makes groups, and so do refits on random four fifths of the clauses from random starts
   (`cxlab.voice.clusters`).
2. Groups that refits mix up are joined, pair by pair, into a tree. A node of it comes back in a refit as the refit's
   groups that lie mostly inside, and its stability is the mean Jaccard overlap with these, or that of all the rest with
   theirs where this is smaller: a topic comes back if both it and what it is not do.
3. Topics are the finest nodes with a stability of `FLOOR` or more and `LEAST` clauses; a node whose parts are not told
   apart so is one topic. So the number follows from how much is said and how surely parts of it come back. Groups below
   the floor are no findings: their clauses have no topic. Where nothing is told apart, all speak of one subject.
4. Words refine the topics, and name them (`cxlab.voice.keywords`).
5. Topics whose centres are near each other are gathered under `THEMES` themes.

Nothing here depends on a seed: the same clauses give the same topics. A clause that is no nearer to any topic than a
random direction would be, or that has neither words nor a vector, is left out (-1) and counted.

References
----------
Hennig (2007), Jaccard stability of clusters, https://doi.org/10.1016/j.csda.2006.11.025; Monti et al. (2003), consensus
of refits, https://doi.org/10.1023/A:1023949509487.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.voice import clusters, corpus_embedding
from cxlab.voice import keywords as naming
from cxlab.voice.clusters import Rows
from cxlab.voice.keywords import Counts
from cxlab.voice.words import JUDGED, judged

if TYPE_CHECKING:
    from bertopic import BERTopic

    from cxlab.voice.topic_rules import Rules

COLUMNS: Final = ("topic_id", "keywords", "size", "share", "stability", "npmi", "theme")
FLOOR: Final = 0.6  # stability without which a topic is no finding
LEAST: Final = 20  # clauses a topic must have, more where there would be more than `MOST` topics
MOST: Final = 60
FEW: Final = 2 * LEAST  # clauses below which all are one topic
LEAF: Final = 12  # clauses of a fine group on average
LEAVES: Final = 120  # fine groups at most: so many that what is new is not hidden in what is old
THEMES: Final = (5, 12)  # themes, at least and at most, where there are more topics than that
_SAMPLE: Final = 8_000  # clauses that groups are found on; all are assigned
_PART: Final = 0.8  # of the clauses, in a refit
_STARTS: Final = 2  # random starts of a refit


@dataclass(frozen=True)
class Topics:
    """Topics of clauses of all languages.

    Attributes
    ----------
    assignment : ndarray of int, shape (n,)
        Row of `table`, -1 where a clause has no topic.
    probability : ndarray, shape (n,)
        Of the assigned topic; 0 without one.
    table : DataFrame
        `COLUMNS`, the largest first: ``topic_id`` (from its keywords), ``keywords`` (language -> words), ``size``
        (clauses, by weight), ``share`` of the clauses with a topic, ``stability`` (0-1), ``npmi``, ``theme`` (its
        number; 0 where there are no themes).
    stability : float
        Mean stability of the topics, by size; NaN for a single one.
    npmi, diversity : float
        Coherence of the keywords, weighted equally; share of the keywords that stand in one topic only.
    outlier_share : float
        Share of clauses (by weight) without a topic.
    reason : str
        Why there is one topic or none: ``few``, ``same`` (all clauses alike), ``no_words``, ``one_subject`` (no parts
        come back); else empty.
    leaf : ndarray of int, shape (n,)
        Fine group of each clause, also of those without a topic (-1 without a vector): where something new may hide.
    leaves : list of (language -> words)
        Words of the fine groups.
    counts : Counts
    rows : Rows
    guided : int
        Topics that the rules asked for: seeds, and further parts of what was split.
    """

    assignment: np.ndarray
    probability: np.ndarray
    table: pd.DataFrame
    stability: float
    npmi: float
    diversity: float
    outlier_share: float
    reason: str
    leaf: np.ndarray
    leaves: list[dict[str, list[str]]]
    counts: Counts
    rows: Rows = field(repr=False)
    guided: int = 0

    @property
    def k(self) -> int:
        """Number of topics."""
        return len(self.table)


def rows_of(
    meaning: np.ndarray,
    tokens: Sequence[Sequence[str]],
    language: np.ndarray,
    weights: np.ndarray,
    tone: np.ndarray | None = None,
) -> Rows:
    """Return clauses as rows: what they mean, and how the texts of their language use their words.

    Parameters
    ----------
    meaning : ndarray, shape (n, d)
        `cxlab.voice.embedding.embed`; d may be 0.
    tokens : sequence of sequence of str, length n
    language : ndarray of str, shape (n,)
    weights : ndarray, shape (n,)
        How often each clause was said.
    tone : ndarray, shape (n,), optional
        Above 0 praised, below 0 blamed by the score that came with the comment, 0 or NaN unknown.
    """
    n = len(tokens)
    mass = 1 + np.log(np.maximum(weights, 1))  # by its logarithm, so that a flood makes no topic
    by_words = np.zeros(n)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for code in dict.fromkeys(language.tolist()):
        at = np.flatnonzero(language == code)
        own = [tokens[int(i)] for i in at]
        if code in JUDGED:
            by_words[at] = np.sign(np.round(judged(own, code) - 0.5, 6))
        tones = [by_words[at]] if tone is None else [np.nan_to_num(tone[at]), by_words[at]]
        parts.append((at, clusters.directions(corpus_embedding.vectors(own, code), tones, mass[at])))
    if meaning.shape[1] and n:
        tones = [by_words] if tone is None else [np.nan_to_num(tone), by_words]
        parts.insert(0, (np.arange(n), clusters.directions(meaning, tones, mass, language)))
    return clusters.in_blocks(parts, n, mass)


def fit(
    rows: Rows,
    counts: Counts,
    *,
    weights: np.ndarray | None = None,
    k: int | None = None,
    refits: int = 5,
    rules: Rules | None = None,
) -> Topics:
    """Find the topics of distinct clauses.

    Parameters
    ----------
    rows : Rows
        `rows_of`.
    counts : Counts
        `cxlab.voice.keywords.count`.
    weights : ndarray, shape (n,), optional
        How often each distinct clause was said.
    k : int, optional
        Number of topics; default: as many as come back.
    refits : int
        That measure stability.
    rules : Rules, optional
        Seeds and splits are obeyed here; merges and names by `topic_rules.join`.
    """
    n = len(rows)
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    blank = ~rows.values.any(axis=1) if rows.values.size else np.ones(n, bool)
    if not n or not counts.matrix.nnz:
        return _plain(rows, counts, weights, np.full(n, -1), "few" if not n else "no_words")
    if blank.all():  # nothing is left of rows that are all alike once their mean is out
        return _plain(rows, counts, weights, np.zeros(n, int), "same")
    different = rows.different()
    why = "same" if different < 2 else "few" if n < FEW and k is None else ""
    if why or k == 1:
        return _plain(rows, counts, weights, np.where(blank, -1, 0), why)
    found = _Tree.grown(rows, weights, k=min(k, different) if k else min(LEAVES, n // LEAF, different), refits=refits)
    nodes = [[leaf] for leaf in range(found.k)] if k else found.cut(LEAST)
    labels, stability = found.labels(nodes), np.array([found.stability(node) for node in nodes])
    labels, guided = _seeded(labels, rules.anchors(counts, labels) if rules else [])
    if rules:
        labels, parts = rules.divided(labels, rows, counts)
        guided += parts
    stability = np.append(stability, np.full(labels.max() + 1 - len(stability), np.nan))
    if len(stability) < 2:
        return _plain(rows, counts, weights, np.where(blank, -1, 0), "one_subject", leaf=found.leaf)
    return _whole(rows, counts, weights, labels, stability, found.leaf, guided)


@dataclass(frozen=True)
class _Tree:
    """Fine groups, how refits mix them up, and the order in which they are joined."""

    leaf: np.ndarray  # (n,)
    size: np.ndarray  # (leaf,) clauses, by weight
    mixed: list[np.ndarray]  # of each refit: mass of the clauses of each leaf (row) in each of its groups
    joined: list[tuple[int, int]]

    @property
    def k(self) -> int:
        return len(self.size)

    @classmethod
    def grown(cls, rows: Rows, weights: np.ndarray, *, k: int, refits: int) -> _Tree:
        from scipy.cluster.hierarchy import linkage
        from scipy.spatial.distance import squareform

        random = np.random.default_rng(17)
        few = len(rows) <= _SAMPLE
        take = np.arange(len(rows)) if few else np.sort(random.choice(len(rows), _SAMPLE, replace=False))
        part = rows.of(take)
        k = min(k, part.different())
        base = clusters.best(part, k)
        leaf = base.labels if few else (rows.values @ base.centres.T).argmax(1)
        mixed = []
        for _ in range(refits):
            some = part.of(random.permutation(len(part))[: max(int(_PART * len(part)), k)])
            fits = [clusters.lloyd(some, clusters.spread(some.shared(), k, random), k) for _ in range(_STARTS)]
            centres = max(fits, key=lambda g: g.fit).centres
            table = np.zeros((k, k))
            np.add.at(table, (leaf, (rows.values @ centres.T).argmax(1)), rows.mass)
            mixed.append(table)
        alike = sum(t @ t.T for t in (t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-9) for t in mixed))
        near = clusters.unit(base.centres) @ clusters.unit(base.centres).T
        apart = 1 - 0.999 * np.asarray(alike) / max(refits, 1) - 0.001 * near  # what refits never mix: by their centres
        apart = np.clip((apart + apart.T) / 2, 0, None)
        np.fill_diagonal(apart, 0)
        joined = linkage(squareform(apart, checks=False), "average") if k > 1 else np.zeros((0, 4))
        size = np.bincount(leaf, weights=weights, minlength=k)
        return cls(leaf, size, mixed, [(int(a), int(b)) for a, b, *_ in joined])

    def stability(self, node: Sequence[int]) -> float:
        """Mean overlap of a node, or of all the rest, with what lies mostly inside it in a refit."""
        found = []
        for table in self.mixed:
            inside, every = table[node].sum(0), table.sum(0)
            taken = inside > 0.5 * every
            both, own, theirs, whole = inside[taken].sum(), inside.sum(), every[taken].sum(), every.sum()
            outside = whole - own - theirs + both
            found.append(min(both / max(own + theirs - both, 1e-9), outside / max(whole - both, 1e-9)))
        return float(np.mean(found)) if found else float("nan")

    def cut(self, least: float) -> list[list[int]]:
        """Return the finest nodes that come back and are large enough."""
        nodes = [[leaf] for leaf in range(self.k)]
        best: list[list[tuple[float, list[int]]]] = []
        for number in range(self.k + len(self.joined)):
            below: list[tuple[float, list[int]]] = []
            if number >= self.k:
                left, right = self.joined[number - self.k]
                nodes.append(nodes[left] + nodes[right])
                below = best[left] + best[right]
            node = nodes[number]
            back = self.stability(node) if len(below) < 2 and len(node) < self.k else 0.0
            whole = back >= FLOOR and self.size[node].sum() >= least
            # A part that comes back alone is kept alone where the whole does so clearly less.
            best.append([(back, node)] if whole and (not below or back >= below[0][0] - 0.1) else below)
        found = [node for _, node in best[-1]]
        return found if len(found) <= MOST else self.cut(1.25 * least)

    def labels(self, nodes: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the node of each clause, -1 for those in none."""
        place = np.full(self.k, -1)
        for number, node in enumerate(nodes):
            place[list(node)] = number
        return place[self.leaf]


def _seeded(labels: np.ndarray, anchors: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """Make a topic of the clauses that hold the keywords of each seed."""
    labels = labels.copy()
    for rows in anchors:
        labels[rows] = labels.max() + 1
    kept = np.unique(labels[labels >= 0])
    place = np.full(max(labels.max(), 0) + 2, -1)
    place[kept] = np.arange(len(kept))
    return place[labels], len(anchors)


def _whole(
    rows: Rows,
    counts: Counts,
    weights: np.ndarray,
    labels: np.ndarray,
    stability: np.ndarray,
    leaf: np.ndarray,
    guided: int,
) -> Topics:
    """Refine groups by words, gather them under themes, name and count."""
    k = len(stability)
    rest = bool((labels < 0).any())  # clauses of no topic are a group of their own, which draws what is like them
    post = clusters.refine(rows, counts.matrix, counts.spoken, np.where(labels < 0, k, labels), k + rest)
    final = post.argmax(1)
    named = naming.keywords(counts, naming.by_topic(counts, np.where(final == k, -1, final), k))
    wordless = np.array([not words for words in named] + [True])
    assignment = np.where(wordless[final] | _far(rows, final, k), -1, final)
    size = np.bincount(assignment[assignment >= 0], weights=weights[assignment >= 0], minlength=k)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    place = np.full(k + 1, -1)
    place[order] = np.arange(len(order))
    assignment = place[assignment]
    probability = np.where(assignment >= 0, post.max(1), 0.0)
    theme = themes(rows, assignment, len(order))
    named = naming.keywords(counts, naming.by_topic(counts, assignment, len(order), weights), theme)
    table = _table(counts, named, size[order], stability[order], theme)
    whole = np.isfinite(table["stability"])
    mean = float(np.average(table["stability"][whole], weights=table["size"][whole])) if whole.any() else float("nan")
    return _told(rows, counts, weights, assignment, probability, table, mean, "", leaf, guided)


def _far(rows: Rows, labels: np.ndarray, k: int) -> np.ndarray:
    """Return which clauses are no nearer to any topic than half of all random directions are, or have no vector."""
    blocks = np.array([rows.values[:, b].any(axis=1) for b in rows.blocks]).sum(axis=0)
    d = rows.values[:, rows.blocks[0]].shape[1]
    usual = NormalDist().inv_cdf(0.5 ** (1 / max(k, 1))) / np.sqrt(d) if k > 1 and d > 2 else -1.0
    near = (rows.values @ rows.centres(np.where(labels < k, labels, -1), k).T).max(1)
    return np.asarray((near < usual * np.sqrt(np.maximum(blocks, 1))) | (blocks == 0))


def themes(rows: Rows, assignment: np.ndarray, k: int) -> np.ndarray:
    """Return the theme of each topic, numbered by its largest topic; all 0 where topics are too few for themes."""
    from scipy.cluster.hierarchy import fcluster, linkage

    least, most = THEMES
    if k <= least:
        return np.zeros(k, int)
    tree = linkage(clusters.unit(rows.centres(assignment, k)), "ward")
    gap = {n: tree[k - n, 2] - tree[k - n - 1, 2] for n in range(least, min(most, k - 1) + 1)}
    found = fcluster(tree, max(gap, key=lambda n: gap[n]), "maxclust")
    return np.asarray(pd.factorize(found)[0])


def _table(
    counts: Counts,
    named: Sequence[Mapping[str, Sequence[str]]],
    size: np.ndarray,
    stability: np.ndarray,
    theme: np.ndarray,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "topic_id": ids_of([[w for words in topic.values() for w in words] for topic in named]),
            "keywords": list(named),
            "size": np.round(size).astype(int),
            "share": size / max(size.sum(), 1e-9),
            "stability": stability,
            "npmi": naming.npmi(counts, named),
            "theme": theme,
        },
        columns=list(COLUMNS),
    )


def _told(
    rows: Rows, counts: Counts, weights: np.ndarray, assignment: np.ndarray, probability: np.ndarray,
    table: pd.DataFrame, stability: float, reason: str, leaf: np.ndarray, guided: int,
) -> Topics:  # fmt: skip
    leaves = naming.keywords(counts, naming.by_topic(counts, leaf, int(leaf.max(initial=-1)) + 1))
    blank = ~rows.values.any(axis=1) if rows.values.size else np.ones(len(rows), bool)
    coherent = table["npmi"].mean() if len(table) else float("nan")
    words = [w for topic in table["keywords"] for named in topic.values() for w in named]
    lost = float(weights[assignment < 0].sum() / max(weights.sum(), 1e-9))
    return Topics(
        assignment, probability, table, stability, float(coherent), naming.diversity([words]), lost, reason,
        np.where(blank, -1, leaf), leaves, counts, rows, guided,
    )  # fmt: skip


def _plain(
    rows: Rows,
    counts: Counts,
    weights: np.ndarray,
    assignment: np.ndarray,
    reason: str,
    *,
    leaf: np.ndarray | None = None,
) -> Topics:
    """Return all clauses as one topic, or none."""
    k = int((assignment >= 0).any())
    size = np.array([weights[assignment >= 0].sum()])[:k]
    named = naming.keywords(counts, naming.by_topic(counts, assignment, k, weights)) if k else []
    table = _table(counts, named, size, np.full(k, np.nan), np.zeros(k, int))
    sure = (assignment >= 0).astype(float)
    fine = np.full(len(rows), -1) if leaf is None else leaf
    return _told(rows, counts, weights, assignment, sure, table, float("nan"), reason, fine, 0)


def ids_of(names: Sequence[Sequence[str]]) -> list[str]:
    """Return readable ids: the first two keywords, more where two topics share them."""
    out: list[str] = []
    for i, said in enumerate(names):
        words = ["".join(c for c in w if c.isalnum()) for w in said] or [f"topic{i + 1}"]
        longer = ("-".join(words[:m]) for m in range(min(2, len(words)), len(words) + 1))
        new = next((name for name in longer if name not in out), f"{'-'.join(words[:2])}-{i + 1}")
        out.append(new)
    return out


class _Standing:
    """A clusterer whose groups stand, for a slot of BERTopic; new rows go to the nearest centre."""

    def __init__(self, topics: Topics) -> None:
        self.labels_, self.probabilities_ = topics.assignment, topics.probability
        self._centres = topics.rows.centres(topics.assignment, topics.k)

    def fit(self, rows: np.ndarray, y: object = None) -> _Standing:
        """Change nothing."""
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the nearest group of new rows."""
        return np.asarray((rows @ self._centres.T).argmax(1))


def bertopic(topics: Topics, tokens: Sequence[Sequence[str]]) -> BERTopic:
    """Return a BERTopic object carrying the topics, so that its figures and tools work on them.

    Parameters
    ----------
    topics : Topics
    tokens : sequence of sequence of str, length n
        Words of the clauses it was fitted on; its documents are these words, parted by spaces.

    Raises
    ------
    ValueError
        If clauses and topics differ in number.
    """
    if len(tokens) != len(topics.assignment):
        raise ValueError(f"{len(tokens)} texts for {len(topics.assignment)} clauses")
    from bertopic import BERTopic
    from bertopic.dimensionality import BaseDimensionalityReduction
    from sklearn.feature_extraction.text import CountVectorizer

    known = set(topics.counts.words)
    model = BERTopic(
        language="multilingual",
        embedding_model=None,
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=_Standing(topics),
        vectorizer_model=CountVectorizer(tokenizer=str.split, token_pattern=None, lowercase=False),
    )
    documents = [" ".join(w for w in own if w in known) or "-" for own in tokens]
    model.fit_transform(documents, embeddings=topics.rows.values)
    return model
