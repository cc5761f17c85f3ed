"""The one topic space of a client: every text of every brand and period, each with its topics, its tone or a reason.

Texts are cut into clauses, floods of copies left out; all languages are put into one space, in which topics are found,
gathered under themes and joined and named by the topic file of the params. Praise and complaint are learnt from the
scores that came with the texts. The space is fitted once for the client, so that shares of brands and periods can be
compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cxlab.voice import clauses, conversations, duplicates, keywords, sentiment, topic_rules, topics
from cxlab.voice.embedding import embed
from cxlab.voice.sentiment import Sentiment
from cxlab.voice.topic_rules import Joined, Rules
from cxlab.voice.topics import Topics

if TYPE_CHECKING:
    from cxlab.params.models import Params
    from cxlab.voice.clauses import Texts

TOPIC_COLUMNS: Final = (
    "topic_id", "label", "label_en", "label_zh", "keywords", "theme", "size", "share", "stability", "npmi", "language",
)  # fmt: skip
MENTION_COLUMNS: Final = (
    "comment_id", "clause", "start", "end", "topic_id", "probability", "sentiment", "language", "group",
)  # fmt: skip
GROUP_COLUMNS: Final = ("group", "topic_id", "keywords", "size", "language")
CHECK_COLUMNS: Final = ("section", "language", "name", "value", "n", "text")
FAR: Final = "far"  # why a comment has no topic: each of its clauses is unlike all of them
BANNED: Final = "banned"  # one of its clauses was in a topic that the topic file leaves out, none in another
_NAN: Final = float("nan")


@dataclass(frozen=True)
class Space:
    """All texts of a client in one topic space.

    Attributes
    ----------
    topics : DataFrame
        `TOPIC_COLUMNS`, the largest first: ``size`` comments that mention it, ``share`` of the comments that have a
        topic; ``language`` codes of its clauses joined by ``+``; ``label`` in the first language of the report;
        ``theme`` the id of the largest topic of its theme, empty where there are too few topics for themes.
    mentions : DataFrame
        `MENTION_COLUMNS`: a row a clause, in the order of the comments; ``topic_id`` is missing where a clause is
        unlike every topic, ``sentiment`` (P of praise) where nothing tells it, ``group`` where it is in none.
    groups : DataFrame
        `GROUP_COLUMNS`: finer groups of clauses, among which `cxlab.voice.emerging` looks for what is new.
    rejected : DataFrame
        ``comment_id`` and ``reason``: `FAR`, `BANNED`, else those of `clauses.split`.
    checks : DataFrame
        `CHECK_COLUMNS`. Section ``account``: comments by what became of them; ``language``: vectors (``name``), clauses
        (``value``), comments (``n``); ``fit`` (language empty): measures of the topics; ``sentiment``; ``flood``
        (``value`` floods, ``n`` comments); ``everywhere``: names kept out of topics (``text``); ``rule`` (``value`` 1
        if it met something; ``text`` is what it met, else the nearest).
    """

    topics: pd.DataFrame
    mentions: pd.DataFrame
    groups: pd.DataFrame
    rejected: pd.DataFrame
    checks: pd.DataFrame


def fit(comments: pd.DataFrame, scores: pd.DataFrame, *, params: Params, seed: int, kept: Path | None = None) -> Space:
    """Find the topics of all comments.

    Parameters
    ----------
    comments : DataFrame
        Canonical comments of all brands and periods.
    scores : DataFrame
        ``comment_id`` and ``good`` (1, 0 or NaN) of those that came with a score (`cxlab.voice.mentions.scores_of`).
    params : Params
        Its ``voice`` block, and the topic file named there.
    seed : int
        Of the judges of tone.
    kept : Path, optional
        Folder where vectors are kept by their texts.
    """
    comments = _shuffled(comments)
    flood = duplicates.find(comments)
    texts = clauses.split(comments, unit=params.voice.unit, leave_out=duplicates.repeats(flood))
    good = scores.set_index("comment_id")["good"].astype(float)
    with threadpool_limits(1):  # sums of several threads differ in the last digit, and then topics do
        found = _found(texts, 2 * good - 1, params=params, kept=kept)
        judges = _judges(comments, good, texts, seed=seed)
    mentions = texts.clauses.assign(
        topic_id=found.topic_id, probability=found.probability, sentiment=_judged(texts, judges), group=found.group
    )
    told = set(mentions.loc[mentions["topic_id"].notna(), "comment_id"])
    silent = mentions.loc[~mentions["comment_id"].isin(told), "comment_id"].unique()
    banned = set(mentions.loc[found.banned, "comment_id"])
    far = pd.DataFrame({"comment_id": silent, "reason": [BANNED if c in banned else FAR for c in silent]})
    rejected = pd.concat([texts.rejected, far], ignore_index=True).astype(str)
    return Space(
        _topics(found, mentions, told=len(told), first=params.languages[0]),
        mentions[list(MENTION_COLUMNS)].reset_index(drop=True),
        found.groups,
        rejected,
        _checks(texts, rejected, found, judges, flood, told=len(told), refits=params.voice.refits),
    )


def _shuffled(comments: pd.DataFrame) -> pd.DataFrame:
    """Put comments in an order that hangs on their words alone: topics are the same however files were sorted."""
    key = [hashlib.blake2b(str(text).encode(), digest_size=8).hexdigest() for text in comments["text"]]
    order = np.lexsort((comments["comment_id"].astype(str).to_numpy(), np.array(key)))
    return comments.iloc[order].reset_index(drop=True)


@dataclass(frozen=True)
class _Found:
    """Topics of the clauses of `Texts`, in their order."""

    fit: Topics
    joined: Joined
    theme: np.ndarray  # of each row of the joined table
    vectors: str  # which vectors were used
    everywhere: dict[str, list[str]]  # language -> words that tell nothing
    topic_id: np.ndarray
    banned: np.ndarray
    probability: np.ndarray
    group: np.ndarray
    groups: pd.DataFrame


def _found(texts: Texts, tone: pd.Series, *, params: Params, kept: Path | None) -> _Found:
    voice = params.voice
    rules = Rules(voice.topics) if voice.topics is not None else None
    frame = texts.clauses
    first, back = np.unique(frame["of"].to_numpy(int), return_inverse=True)
    distinct = frame.iloc[first]
    language = distinct["language"].to_numpy(str)
    said = texts.words()
    names = {code: _everywhere(texts, said, code, params) for code in texts.languages()}
    said = [[w for w in own if w not in names[code]] for own, code in zip(said, language, strict=True)]
    bare = [_without(text, names[code]) for text, code in zip(distinct["text"], language, strict=True)]
    ids, numbers = distinct["comment_id"].tolist(), distinct["clause"].tolist()
    vectors = embed(bare, ids=ids, clauses=numbers, method=voice.embedding, kept=kept)
    weights = np.bincount(back, minlength=len(first)).astype(float)
    own_tone = frame["comment_id"].map(tone).to_numpy(float)
    mean_tone = np.bincount(back, weights=np.nan_to_num(own_tone), minlength=len(first)) / np.maximum(weights, 1)
    rows = topics.rows_of(vectors.vectors, said, language, weights, mean_tone)
    counts = keywords.count(said, language, leave_out=rules.banned_words() if rules else ())
    k = None if voice.k == "auto" else int(voice.k)
    fit = topics.fit(rows, counts, weights=weights, k=k, refits=voice.refits, rules=rules)
    joined = topic_rules.join(fit.table, counts, rules)
    final = np.append(joined.place, -1)[fit.assignment]
    topic_id = np.array([*joined.table["topic_id"], None], object)[final[back]]
    banned = ((fit.assignment >= 0) & (final < 0))[back]
    group, groups = _groups(fit, topic_id, banned, back)
    theme = topics.themes(rows, final, len(joined.table))
    shown = {code: sorted(own) for code, own in names.items() if own}
    probability = np.where(final >= 0, fit.probability, 0.0)[back]
    return _Found(fit, joined, theme, vectors.name, shown, topic_id, banned, probability, group, groups)


def _everywhere(texts: Texts, said: list[list[str]], code: str, params: Params) -> frozenset[str]:
    """Return words of a language that tell nothing: the brands' names, and what stands everywhere."""
    labels = [brand.label for brand in params.brands]
    brands = [brand.id for brand in params.brands] + [
        text for label in labels for text in (label.values() if isinstance(label, dict) else [label])
    ]
    own = texts.clauses[texts.clauses["language"] == code]
    place = {row: i for i, row in enumerate(np.unique(texts.clauses["of"]))}
    whole = [set().union(*(said[place[row]] for row in rows)) for _, rows in own.groupby("comment_id")["of"]]
    return keywords.everywhere(whole, code) | {text.casefold() for text in brands}


def _without(text: str, names: frozenset[str]) -> str:
    """Return a text without these words."""
    if not names:
        return text
    edge = "" if any(ord(c) > 0x2E80 for name in names for c in name) else r"\b"
    return re.sub(
        f"{edge}(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))}){edge}", " ", text, flags=re.I
    )


def _groups(fit: Topics, topic_id: np.ndarray, banned: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the fine group of each clause and what is known of the groups; banned clauses are in none."""
    leaf = np.where(banned, -1, fit.leaf[back])
    used = {str(t) for t in topic_id if t is not None}
    ids: list[str | None] = [None] * len(fit.leaves)
    rows = []
    for row, named in enumerate(fit.leaves):
        inside = leaf == row
        if not inside.any():
            continue
        code, said = next(iter(named.items()), ("other", []))
        plain = "-".join(said[:3]) or f"group-{row + 1}"
        name = plain if plain not in used else f"{plain}-{row + 1}"
        used.add(name)
        ids[row] = name
        parent = pd.Series(topic_id[inside]).value_counts(dropna=False).index[0]
        rows.append((name, parent if isinstance(parent, str) else None, " · ".join(said), int(inside.sum()), code))
    return np.array([*ids, None], object)[leaf], pd.DataFrame(rows, columns=list(GROUP_COLUMNS))


def said(mentions: pd.DataFrame, comments: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the clauses that have a topic with their words and what is known of their comment.

    Parameters
    ----------
    mentions : DataFrame
        ``comment_topics``.
    comments : DataFrame
        Canonical comments a unit may see; clauses of others are left out.
    scores : DataFrame, optional
        ``comment_id`` and ``good`` (`cxlab.voice.mentions.scores_of`).

    Returns
    -------
    DataFrame
        A row a clause: ``comment_id, clause, start, end, topic, probability, sentiment, language``; ``text`` of the
        clause and ``whole`` of its comment, masked; ``period, date, touchpoint, channel, customer, source``; with
        `scores` also ``good`` (1, 0 or NaN) of the comment.
    """
    about = ["comment_id", "text", "period", "date", "touchpoint", "channel", "customer", "source"]
    rows = mentions[mentions["topic_id"].notna()].rename(columns={"topic_id": "topic"})
    rows = rows.merge(comments[about], on="comment_id", how="inner", validate="many_to_one")
    rows = rows.rename(columns={"text": "whole"})
    if scores is not None:
        rows["good"] = rows["comment_id"].map(scores.drop_duplicates("comment_id").set_index("comment_id")["good"])
    places = zip(rows["whole"], rows["start"], rows["end"], strict=True)
    return rows.assign(text=[str(text)[a:b] for text, a, b in places])


def ended(told: pd.DataFrame, comments: pd.DataFrame, interactions: pd.DataFrame) -> pd.DataFrame:
    """Return how conversations ended by topic (`cxlab.voice.conversations.outcomes`).

    Parameters
    ----------
    told : DataFrame
        From `said`.
    comments, interactions : DataFrame
        Canonical tables a unit may see.
    """
    key = conversations.key_of(comments, pd.Index(interactions["interaction_id"]))
    by_id = pd.Series(key.to_numpy(), index=comments["comment_id"])
    return conversations.outcomes(told, conversations.conversations(comments, interactions), by_id)


def account(comments: pd.DataFrame, told: pd.DataFrame, rejects: pd.DataFrame, *, period: str) -> pd.DataFrame:
    """Return what became of the comments of a period: ``name`` (``modelled`` or the reason) and ``n``.

    Parameters
    ----------
    comments : DataFrame
        Canonical comments a unit may see.
    told : DataFrame
        From `said`.
    rejects : DataFrame
        ``comment_rejects``.
    period : str
    """
    own = comments.loc[comments["period"] == period, "comment_id"]
    why = rejects.drop_duplicates("comment_id").set_index("comment_id")["reason"]
    has = set(told["comment_id"])
    # A comment the space has not seen came in after it was fitted.
    became = ["modelled" if c in has else str(why.get(c, "later")) for c in own]
    counts = pd.Series(became, dtype=object).value_counts()
    return pd.DataFrame({"name": counts.index.astype(str), "n": counts.to_numpy(int)})


def _judges(comments: pd.DataFrame, good: pd.Series, texts: Texts, *, seed: int) -> dict[str, Sentiment]:
    """Return a judge of praise and complaint for each language, learnt from whole comments."""
    # The language of a comment is that of most of its clauses.
    spoken = texts.clauses.groupby("comment_id")["language"].agg(lambda x: x.mode().iloc[0])
    rows = comments[comments["comment_id"].isin(spoken.index)]
    language = rows["comment_id"].map(spoken).to_numpy()
    label = rows["comment_id"].map(good).to_numpy(float)
    said, who = rows["text"].astype(str).to_numpy(object), rows["customer"].astype(object).to_numpy(copy=True)
    who[pd.isna(who)] = None
    out = {}
    for code in texts.languages():
        own = language == code
        out[code] = sentiment.fit(list(said[own]), label[own], code, groups=who[own], seed=seed)
    return out


def _judged(texts: Texts, judges: Mapping[str, Sentiment]) -> np.ndarray:
    """Return P(praise) of each clause; texts that are alike are read once."""
    out = np.full(len(texts.clauses), np.nan)
    for code, judge in judges.items():
        here = (texts.clauses["language"] == code).to_numpy()
        back, distinct = pd.factorize(texts.clauses.loc[here, "text"])
        out[here] = judge.tone(distinct.tolist())[back]
    return out


def _topics(found: _Found, mentions: pd.DataFrame, *, told: int, first: str) -> pd.DataFrame:
    """Count comments instead of clauses, and put the first language's label in front."""
    table = found.joined.table
    size = mentions.dropna(subset=["topic_id"]).groupby("topic_id")["comment_id"].nunique()
    rows = table.assign(
        size=table["topic_id"].map(size).fillna(0).astype(int),
        label=table[f"label_{first}"],
        keywords=[" · ".join(own) for own in table["keywords"]],
        theme=found.theme,
    )
    rows = rows[rows["size"] > 0].assign(share=lambda x: x["size"] / max(told, 1))
    rows = rows.sort_values("size", ascending=False, kind="stable")
    several = rows["theme"].nunique() > 1
    rows["theme"] = rows.groupby("theme")["topic_id"].transform("first") if several else ""
    return rows.reindex(columns=list(TOPIC_COLUMNS)).reset_index(drop=True)


def _checks(
    texts: Texts,
    rejected: pd.DataFrame,
    found: _Found,
    judges: Mapping[str, Sentiment],
    flood: pd.DataFrame,
    *,
    told: int,
    refits: int,
) -> pd.DataFrame:
    rows: list[tuple[str, str, str, float, float, str]] = [("account", "", "modelled", _NAN, told, "")]
    counts = rejected["reason"].value_counts()
    rows += [("account", "", str(reason), _NAN, float(n), "") for reason, n in counts.items()]
    fit, comments = found.fit, float(texts.clauses["comment_id"].nunique())
    measures = {
        "k": fit.k, "leaves": len(fit.leaves), "stability": fit.stability, "npmi": fit.npmi, "diversity": fit.diversity,
        "outlier_share": fit.outlier_share, "refits": refits, "guided": fit.guided, "floor": topics.FLOOR,
    }  # fmt: skip
    rows += [("fit", "", name, float(value), comments, fit.reason) for name, value in measures.items()]
    for code in texts.languages():
        own = texts.clauses[texts.clauses["language"] == code]
        rows.append(("language", code, found.vectors, float(len(own)), float(own["comment_id"].nunique()), ""))
        judge = judges[code]
        if judge.method == "rated":
            quality = {"accuracy": judge.accuracy, "auc": judge.auc, "brier": judge.brier, "base": judge.base}
            rows += [("sentiment", code, k, v, float(judge.n), judge.method) for k, v in quality.items()]
        else:
            rows.append(("sentiment", code, "method", _NAN, float(judge.n), judge.method))
    for code, names in found.everywhere.items():
        rows.append(("everywhere", code, "names", float(len(names)), _NAN, " · ".join(names)))
    for kind, group in flood.groupby("kind", sort=True):
        rows.append(("flood", "", str(kind), float(group["flood"].nunique()), float(len(group)), ""))
    for rule in found.joined.report.to_dict("records"):
        what = str(rule["found"] if rule["met"] else rule["nearest"])
        rows.append(("rule", "", f"{rule['rule']}: {rule['entry']}", float(rule["met"]), _NAN, what))
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))
