"""Two or three texts that stand for a topic, and one that speaks against it; masked, of different people.

A quote is good if its clause is surely of the topic, its text speaks of little else, is neither a shred nor a page,
and says what most say of the topic (praise or complaint): the clause itself, and the text that is shown around it. No
text stands under two topics. Of the best, each further one must come from another customer, say it in other words,
and counts less the more its touchpoint and language are already there. The counter-quote is the best of those clearly
on the other side: its clause and the text by a margin, and neither another of its clauses on the topic nor its score
the other way; none is better than one that agrees. Ties are broken by a hash of the id, so that nothing depends on
the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.pii import mask
from cxlab.voice.clauses import pieces, without_contact
from cxlab.voice.duplicates import letters, same

QUOTE_COLUMNS: Final = (
    "topic", "comment_id", "clause", "text", "language", "period", "date", "touchpoint", "other_side",
)  # fmt: skip
SHRED, PAGE = 24, 220  # letters (a Chinese character counts twice) below and above which a text reads badly
_VARIETY: Final = 0.8  # factor for each quote of the same touchpoint, and of the same language
_CLEAR: Final = (
    0.7  # P of the other side, from where a text clearly is on it; a whole text with other topics in it: 0.6
)
_POOL: Final = 60  # candidates a topic and side, the best first


def choose(
    said: pd.DataFrame,
    *,
    topics: Sequence[str] | None = None,
    each: int = 3,
    against: int = 1,
    leaning: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Choose the quotes of topics.

    Parameters
    ----------
    said : DataFrame
        One row a clause: ``comment_id``, ``clause``, ``topic`` (null = none), ``probability``, ``text`` (the clause);
        optional ``whole`` (the comment), ``start`` and ``end`` (the clause in it), ``sentiment`` (P of praise, 0-1),
        ``good`` (1 or 0 where the comment came with a score), ``customer``, ``language``, ``period``, ``date``,
        ``touchpoint``.
    topics : sequence of str, optional
        Which topics, in this order; default: all, the most frequent first.
    each, against : int
        Quotes and counter-quotes a topic, at most.
    leaning : mapping of topic -> number, optional
        Side of the finding: above 0 praise, below 0 complaint. Default: what most texts of the topic say.

    Returns
    -------
    DataFrame
        `QUOTE_COLUMNS` in the order to show them: the quotes of a topic, then its counter-quotes (``other_side``).
        ``text`` is masked, and cut with … around the clause where the comment is long.
    """
    rows = said[said["topic"].notna()].reset_index(drop=True)
    for column in ("whole", "sentiment", "good", "customer", "language", "period", "date", "touchpoint"):
        if column not in rows:
            rows[column] = None
    rows["said"] = pd.to_numeric(rows["sentiment"], errors="coerce").astype(float)
    rows["tone"] = _tone(rows)
    rows["pure"] = rows.groupby(["comment_id", "topic"])["clause"].transform("count") / rows.groupby("comment_id")[
        "clause"
    ].transform("count")
    on_topic = rows.groupby(["comment_id", "topic"])["said"]
    rows["least"], rows["most"] = on_topic.transform("min"), on_topic.transform("max")
    # one candidate a comment and topic: its surest clause
    rows = rows.sort_values("probability", ascending=False, kind="stable").drop_duplicates(["comment_id", "topic"])
    order = list(topics) if topics is not None else [str(t) for t in rows["topic"].value_counts().index]
    chosen: list[pd.DataFrame] = []
    shown: set[str] = set()
    for topic in order:
        own = rows[(rows["topic"] == topic) & ~rows["comment_id"].isin(shown)]
        if own.empty:
            continue
        mean = own["tone"].mean()
        lean = (leaning or {}).get(topic, 0.0 if pd.isna(mean) else mean - 0.5)
        taken: list[pd.Series] = []
        for number, other in ((each, False), (against, True)):
            side = _side(own, lean, other=other)
            taken += _best(side, number, taken, other=other)
        if taken:
            chosen.append(pd.DataFrame(taken))
            shown |= set(chosen[-1]["comment_id"])
    if not chosen:
        return pd.DataFrame(columns=list(QUOTE_COLUMNS))
    out = pd.concat(chosen, ignore_index=True)
    return out[list(QUOTE_COLUMNS)].assign(other_side=out["other_side"].astype(bool))


def _tone(rows: pd.DataFrame) -> np.ndarray:
    """What clause, whole comment and its score say together, as far as they are known; NaN if nothing is."""
    about = rows["about"] = rows.groupby("comment_id")["said"].transform("mean")
    score = pd.to_numeric(rows["good"], errors="coerce").astype(float)
    return pd.concat([rows["said"], about, score], axis=1).mean(axis=1).to_numpy(float)


def _side(own: pd.DataFrame, lean: float, *, other: bool) -> pd.DataFrame:
    """Return candidates of one side, rated: clause and whole are of it; texts without a tone will do for the own."""

    def wanted(tone: pd.Series) -> np.ndarray:
        values = tone.to_numpy(float) if lean else np.full(len(own), np.nan)
        return 1 - values if (lean > 0) == other else values

    clause, agrees = wanted(own["said"]), wanted(own["tone"])
    keep = ~(agrees < 0.5) & ~(clause < 0.5)
    if other:
        worst = np.fmin(wanted(own["least"]), wanted(own["most"]))
        score = wanted(pd.to_numeric(own["good"], errors="coerce"))
        keep = (agrees > _CLEAR) & ~(clause < _CLEAR) & ~(wanted(own["about"]) < 0.6) & ~(worst < 0.5) & ~(score < 0.5)
    texts = own["whole"].where(own["whole"].notna(), own["text"])
    length = letters(texts.to_numpy(object))
    shown = np.minimum(length, PAGE)
    readable = np.clip(shown / SHRED, 0.1, 1) * np.where(length > PAGE, 0.7, 1)
    agrees = np.where(np.isnan(agrees), 0.5, agrees)
    rated = own["probability"].fillna(0).to_numpy(float) * readable * (0.1 + 0.9 * agrees) * (0.5 + 0.5 * own["pure"])
    tie = [hashlib.sha256(str(i).encode()).hexdigest() for i in own["comment_id"]]
    candidates = own.assign(rated=rated, tie=tie)[keep]
    return candidates.sort_values(["rated", "tie"], ascending=[False, True]).head(_POOL)


def _best(candidates: pd.DataFrame, number: int, before: Sequence[pd.Series], *, other: bool) -> list[pd.Series]:
    """Take the best, one after the other, each of another customer and in other words."""
    people = {row["customer"] for row in before if pd.notna(row["customer"])}
    said = {same(row["text"]) for row in before} | {row["comment_id"] for row in before}
    places: dict[tuple[str, str], int] = {}
    taken: list[pd.Series] = []
    rows = [row for _, row in candidates.iterrows()]
    while rows and len(taken) < number:
        weight = [
            float(r["rated"]) * _VARIETY ** sum(places.get((c, str(r[c])), 0) for c in ("touchpoint", "language"))
            for r in rows
        ]
        row = rows.pop(int(np.argmax(weight)))
        words = same(row["text"])
        if words in said or row["comment_id"] in said or (pd.notna(row["customer"]) and row["customer"] in people):
            continue
        said |= {words, row["comment_id"]}
        people |= {row["customer"]} if pd.notna(row["customer"]) else set()
        for column in ("touchpoint", "language"):
            key = (column, str(row[column]))
            places[key] = places.get(key, 0) + 1
        taken.append(pd.concat([row.drop("text"), pd.Series({"text": excerpt(row), "other_side": other})]))
    return taken


def excerpt(row: pd.Series) -> str:
    """Return the comment, masked, without what only offers contact; where it is long, what is around the clause."""
    shown, language = _cut_out(row), str(row.get("language") or "en")
    places = pieces(shown, language) if "[" in shown else []
    kept = without_contact(shown, places)
    if not kept or len(kept) == len(places):
        return shown
    follows = [a == 0 or places[a - 1] in kept for a in range(len(places))]
    out = ""
    for number, (start, end) in enumerate(places):
        if places[number] in kept:
            gap = shown[places[number - 1][1] : start] if number and follows[number] else " … " if out else ""
            out += gap + shown[start:end]
    return out


def _cut_out(row: pd.Series) -> str:
    whole = row.get("whole")
    if not isinstance(whole, str) or not whole:
        return mask(str(row["text"]))
    if letters(np.array([whole], object))[0] <= PAGE or pd.isna(row.get("start")):
        return mask(whole.strip())
    start, end = int(row["start"]), int(row["end"])
    step = 2 if letters(np.array([whole[start:end]], object))[0] > 1.4 * (end - start) else 1
    spare = max(PAGE // step - (end - start), 0)
    left, right = max(start - spare // 3, 0), min(end + spare * 2 // 3, len(whole))
    while 0 < left < start and not _edge(whole, left):
        left += 1
    while end < right < len(whole) and not _edge(whole, right):
        right -= 1
    cut = mask(whole)  # masked before it is cut, so that no half of a number stays; the same text if nothing is masked
    if cut != whole:
        return mask(whole[start:end].strip())
    return ("… " if left else "") + whole[left:right].strip() + (" …" if right < len(whole) else "")


def _edge(text: str, at: int) -> bool:
    """Return whether a cut before this character splits no word."""
    return not (text[at - 1].isalnum() and text[at].isalnum() and text[at - 1].isascii() and text[at].isascii())
