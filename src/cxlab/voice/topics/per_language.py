"""Every clause of a client -> its topic: each language gets vectors and topics of its own, the rules join them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxlab.voice.embed import embed
from cxlab.voice.text import words
from cxlab.voice.text.clauses import Texts
from cxlab.voice.topics import rules, topics

if TYPE_CHECKING:
    from cxlab.params.models import Voice
    from cxlab.voice.topics.topics import Topics


@dataclass(frozen=True)
class Space:
    """One list of topics for all clauses.

    Attributes
    ----------
    topic_id : ndarray of object, shape (clauses,)
        Aligned to ``Texts.clauses``; None where a clause is unlike every topic, or its topic is banned.
    banned : ndarray of bool, shape (clauses,)
        Whether its topic is banned.
    probability : ndarray, shape (clauses,)
        0 without a topic.
    table : DataFrame
        As `rules.Joined.table`.
    fits : dict of str to Topics
        By language; rows are its distinct clauses.
    embeddings : dict of str to (name, note)
        Which vectors each language has.
    report : DataFrame
        `rules.REPORT_COLUMNS`.
    group : ndarray of object, shape (clauses,)
        Fine group of each clause, blind to periods (`cxlab.voice.emerging`); None where it has none.
    groups : DataFrame
        ``group``, ``topic_id`` most of its clauses have (None: none), ``keywords`` (list), ``size``, ``language``.
    """

    topic_id: np.ndarray
    banned: np.ndarray
    probability: np.ndarray
    table: pd.DataFrame
    fits: dict[str, Topics]
    embeddings: dict[str, tuple[str, str]]
    report: pd.DataFrame
    group: np.ndarray
    groups: pd.DataFrame


def fit_all(
    texts: Texts, *, voice: Voice, seed: int = 0, cache: Path | None = None, tone: Mapping[str, float] | None = None
) -> Space:
    """Find the topics of all clauses.

    Parameters
    ----------
    texts : Texts
        `cxlab.voice.text.clauses.split`.
    voice : Voice
        The block of the params, with the rules of its topics file.
    seed : int
    cache : Path, optional
        Folder of vectors kept by content.
    tone : mapping of str to float, optional
        Comment id -> above 0 for a good score, below 0 for a bad one.
    """
    told = rules.Rules(voice.topics) if voice.topics is not None else None
    frame = texts.clauses
    fits: dict[str, Topics] = {}
    embeddings: dict[str, tuple[str, str]] = {}
    where: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    scores = frame["comment_id"].map(tone).to_numpy(float) if tone else None
    for language in texts.languages():
        distinct, back = texts.of_language(language)
        mine = np.flatnonzero((frame["language"] == language).to_numpy())
        said = words.tokens(distinct["text"], language)
        method = "corpus" if voice.embedding.startswith("minilm") and language != "en" else voice.embedding
        vectors = embed.vectors(
            distinct["text"].tolist(), language, tokens=said, ids=distinct["comment_id"].tolist(),
            clauses=distinct["clause"].tolist(), method=method, cache=cache, seed=seed,
        )  # fmt: skip
        fits[language] = topics.fit(
            vectors.vectors, said, language=language, weights=np.bincount(back, minlength=len(distinct)),
            tone=_tone(scores, mine, back, len(distinct)), k=_number(voice, language),
            seeds=voice.seeds, seed=seed, method=voice.method, rules=told,
        )  # fmt: skip
        embeddings[language] = (vectors.name, vectors.note)
        where[language] = (mine, back)
    joined = rules.join(fits, told)
    ids = np.array([*joined.table["topic_id"], None], object)
    topic_id = np.full(len(frame), None, object)
    banned = np.zeros(len(frame), bool)
    probability = np.zeros(len(frame))
    for language, (mine, back) in where.items():
        fit = fits[language]
        place = np.array([joined.place.get((language, row), -1) for row in range(fit.k)] + [-1])
        final = place[fit.assignment[back]]
        topic_id[mine] = ids[final]
        banned[mine] = (fit.assignment[back] >= 0) & (final < 0)
        probability[mine] = np.where(final >= 0, fit.probability[back], 0.0)
    group, groups = _groups(topic_id, banned, fits, where)
    unmet = pd.DataFrame(_unmet(voice, fits.keys()), columns=list(rules.REPORT_COLUMNS))
    report = pd.concat([joined.report, unmet], ignore_index=True) if len(unmet) else joined.report
    return Space(topic_id, banned, probability, joined.table, fits, embeddings, report, group, groups)


def _number(voice: Voice, language: str) -> int | None:
    """Return how many topics a language is to have; None: the texts say."""
    if isinstance(voice.k, dict):
        return voice.k.get(language)
    return None if voice.k == "auto" else voice.k


def _unmet(voice: Voice, languages: Collection[str]) -> list[tuple[str, str, bool, str, str]]:
    """Return languages whose number of topics is set but of which there are no texts, as rows of the report."""
    named = voice.k if isinstance(voice.k, dict) else {}
    return [("k", code, False, "", ", ".join(sorted(languages))) for code in named if code not in languages]


def _groups(
    topic_id: np.ndarray,
    banned: np.ndarray,
    fits: Mapping[str, Topics],
    where: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the fine group of each clause and what is known of the groups; banned clauses are in none."""
    group = np.full(len(topic_id), None, object)
    rows: list[tuple[str, str | None, list[str], int, str]] = []
    used = {str(t) for t in topic_id if t is not None}
    for language, (mine, back) in where.items():
        labels, named = fits[language].fine()
        of_mine = np.where(banned[mine], -1, labels[back])
        ids: list[str | None] = []
        for row, said in enumerate(named):
            inside = mine[of_mine == row]
            if not len(inside):
                ids.append(None)
                continue
            plain = "-".join(said[:3]) or f"{language}-{row + 1}"
            name = plain if plain not in used else f"{plain}-{language}{row + 1}"
            used.add(name)
            parents = pd.Series(topic_id[inside]).value_counts(dropna=False)
            ids.append(name)
            rows.append((name, parents.index[0] or None, said, len(inside), language))
        group[mine] = np.array([*ids, None], object)[of_mine]
    return group, pd.DataFrame(rows, columns=["group", "topic_id", "keywords", "size", "language"])


def _tone(scores: np.ndarray | None, mine: np.ndarray, back: np.ndarray, n: int) -> np.ndarray | None:
    """Return the mean score of the comments that hold each distinct clause; 0 where none has one."""
    if scores is None:
        return None
    value = scores[mine]
    known = np.isfinite(value)
    total = np.bincount(back[known], weights=value[known], minlength=n)
    return np.asarray(total / np.maximum(np.bincount(back[known], minlength=n), 1))
