"""The one topic space of a client: every text of every brand and period, each with its topics, its tone or a reason.

Texts are cut into clauses, floods of copies left out; each language gets vectors and topics of its own, and the topic
file of the params names and joins them (`joined`). Praise and complaint are learnt from the scores that came with the
texts. The space is fitted once for the client, so that shares of brands and periods can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.voice import sentiment
from cxlab.voice.sentiment import Sentiment
from cxlab.voice.text import clauses, conversations, duplicates
from cxlab.voice.topics import per_language

if TYPE_CHECKING:
    from cxlab.params.models import Params
    from cxlab.voice.text.clauses import Texts
    from cxlab.voice.topics.topics import Topics

TOPIC_COLUMNS: Final = (
    "topic_id", "label", "label_en", "label_zh", "keywords", "size", "share", "stability", "npmi", "language",
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
        topic; ``language`` codes of its clauses joined by ``+``; ``label`` in the first language of the report.
    mentions : DataFrame
        `MENTION_COLUMNS`: a row a clause, in the order of the comments; ``topic_id`` is missing where a clause is
        unlike every topic, ``sentiment`` (P of praise) where nothing tells it, ``group`` where it is in none.
    groups : DataFrame
        `GROUP_COLUMNS`: finer groups of clauses, among which `cxlab.voice.emerging` looks for what is new.
    rejected : DataFrame
        ``comment_id`` and ``reason``: `FAR`, `BANNED`, else those of `clauses.split`.
    checks : DataFrame
        `CHECK_COLUMNS`. Section ``account``: comments by what became of them; ``language``: vectors (``name``), clauses
        (``value``), comments (``n``); ``fit``; ``choice`` (``n`` is the number of topics); ``sentiment``; ``flood``
        (``value`` floods, ``n`` comments); ``rule`` (``value`` 1 if it met something; ``text`` is what it met, else the
        nearest).
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
        ``comment_id`` and ``good`` (1, 0 or NaN) of those that came with a score (`cxlab.voice.text.scores.of`).
    params : Params
        Its ``voice`` block, and the topic file named there.
    seed : int
    kept : Path, optional
        Folder where vectors and fits are kept by their content.
    """
    flood = duplicates.find(comments)
    texts = clauses.split(comments, unit=params.voice.unit, leave_out=duplicates.repeats(flood))
    good = scores.set_index("comment_id")["good"].astype(float)
    tone = {str(k): float(v) for k, v in (2 * good - 1).dropna().items()}
    found = per_language.fit_all(texts, voice=params.voice, seed=seed, cache=kept, tone=tone)
    judges = _judges(comments, good, texts, seed=seed, kept=kept)
    mentions = texts.clauses.assign(
        topic_id=found.topic_id,
        probability=found.probability,
        sentiment=_judged(texts, judges),
        group=found.group,
    )
    told = set(mentions.loc[mentions["topic_id"].notna(), "comment_id"])
    silent = mentions.loc[~mentions["comment_id"].isin(told), "comment_id"].unique()
    banned = set(mentions.loc[found.banned, "comment_id"])
    far = pd.DataFrame({"comment_id": silent, "reason": [BANNED if c in banned else FAR for c in silent]})
    rejected = pd.concat([texts.rejected, far], ignore_index=True).astype(str)
    return Space(
        _topics(found.table, mentions, told=len(told), first=params.languages[0]),
        mentions[list(MENTION_COLUMNS)].reset_index(drop=True),
        found.groups.assign(keywords=_joined(found.groups["keywords"]))[list(GROUP_COLUMNS)],
        rejected,
        _checks(texts, rejected, found, judges, flood, told=len(told), seeds=params.voice.seeds),
    )


def said(mentions: pd.DataFrame, comments: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the clauses that have a topic with their words and what is known of their comment.

    Parameters
    ----------
    mentions : DataFrame
        ``comment_topics``.
    comments : DataFrame
        Canonical comments a unit may see; clauses of others are left out.
    scores : DataFrame, optional
        ``comment_id`` and ``good`` (`cxlab.voice.text.scores.of`).

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
    """Return how conversations ended by topic (`cxlab.voice.text.conversations.outcomes`).

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


def _judges(
    comments: pd.DataFrame, good: pd.Series, texts: Texts, *, seed: int, kept: Path | None
) -> dict[str, Sentiment]:
    """Return a judge of praise and complaint for each language, learnt from whole comments."""
    # The language of a comment is that of most of its clauses.
    spoken = texts.clauses.groupby("comment_id")["language"].agg(lambda x: x.mode().iloc[0])
    rows = comments[comments["comment_id"].isin(spoken.index)]
    language = rows["comment_id"].map(spoken).to_numpy()
    label = rows["comment_id"].map(good).to_numpy(float)
    words, who = rows["text"].astype(str).to_numpy(object), rows["customer"].astype(object).to_numpy(copy=True)
    who[pd.isna(who)] = None
    out = {}
    for code in texts.languages():
        own = language == code
        out[code] = sentiment.fit(list(words[own]), label[own], code, groups=who[own], seed=seed, kept=kept)
    return out


def _judged(texts: Texts, judges: Mapping[str, Sentiment]) -> np.ndarray:
    """Return P(praise) of each clause; texts that are alike are read once."""
    out = np.full(len(texts.clauses), np.nan)
    for code, judge in judges.items():
        distinct, back = texts.of_language(code)
        here = (texts.clauses["language"] == code).to_numpy()
        out[here] = judge.tone(distinct["text"].tolist())[back]
    return out


def _joined(keywords: pd.Series) -> list[str]:
    return [" · ".join(words) for words in keywords]


def _topics(table: pd.DataFrame, mentions: pd.DataFrame, *, told: int, first: str) -> pd.DataFrame:
    """Count comments instead of clauses, and put the first language's label in front."""
    size = mentions.dropna(subset=["topic_id"]).groupby("topic_id")["comment_id"].nunique()
    rows = table.assign(
        size=table["topic_id"].map(size).fillna(0).astype(int),
        label=table[f"label_{first}"],
        keywords=_joined(table["keywords"]),
    )
    rows = rows[rows["size"] > 0].assign(share=lambda x: x["size"] / max(told, 1))
    rows = rows.reindex(columns=list(TOPIC_COLUMNS)).sort_values("size", ascending=False, kind="stable")
    return rows.reset_index(drop=True)


def _checks(
    texts: Texts,
    rejected: pd.DataFrame,
    found: per_language.Space,
    judges: Mapping[str, Sentiment],
    flood: pd.DataFrame,
    *,
    told: int,
    seeds: int,
) -> pd.DataFrame:
    rows: list[tuple[str, str, str, float, float, str]] = [("account", "", "modelled", _NAN, told, "")]
    counts = rejected["reason"].value_counts()
    rows += [("account", "", str(reason), _NAN, float(n), "") for reason, n in counts.items()]
    for code in texts.languages():
        own = texts.clauses[texts.clauses["language"] == code]
        n = float(own["comment_id"].nunique())
        if code in found.embeddings:
            name, said_of_it = found.embeddings[code]
            rows.append(("language", code, name, float(len(own)), n, said_of_it))
        if code in found.fits:
            rows += _of_fit(code, found.fits[code], n, seeds=seeds)
        judge = judges[code]
        if judge.method == "rated":
            quality = {"accuracy": judge.accuracy, "auc": judge.auc, "brier": judge.brier, "base": judge.base}
            rows += [("sentiment", code, k, v, float(judge.n), judge.method) for k, v in quality.items()]
        else:
            rows.append(("sentiment", code, "method", _NAN, float(judge.n), judge.method))
    for kind, group in flood.groupby("kind", sort=True):
        rows.append(("flood", "", str(kind), float(group["flood"].nunique()), float(len(group)), ""))
    for rule in found.report.to_dict("records"):
        what = str(rule["found"] if rule["met"] else rule["nearest"])
        rows.append(("rule", "", f"{rule['rule']}: {rule['entry']}", float(rule["met"]), _NAN, what))
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))


def _of_fit(code: str, one: Topics, n: float, *, seeds: int) -> list[tuple[str, str, str, float, float, str]]:
    measures = {
        "k": len(one.table), "stability": one.stability, "npmi": one.npmi, "diversity": one.diversity,
        "outlier_share": one.outlier_share, "seeds": seeds, "guided": one.guided,
    }  # fmt: skip
    rows = [("fit", code, name, float(value), n, "") for name, value in measures.items()]
    for tried in one.choice.to_dict("records"):
        k = float(tried["k"])
        shown = {name: tried[name] for name in ("silhouette", "stability") if name in tried}
        rows += [("choice", code, str(name), float(value), k, "") for name, value in shown.items()]
        rows.append(("choice", code, "chosen", float(bool(tried["chosen"])), k, ""))
    return rows
