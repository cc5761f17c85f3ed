"""How the findings on what customers say name things: topics, languages, situations, what became of a comment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from cxlab.report import Finding
from cxlab.report.format import Labels, plain
from cxlab.report.messages import catalogue
from cxlab.report.tidy import Estimates, Row, Say
from cxlab.report.writing import Group, Listed, Message, Reference, Writer
from cxlab.vocab import LANGUAGES

LEVEL: Final = "topic"
MOST: Final = 16  # topics of a figure; the table has them all


def names_of(topics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the names of topics: id -> language -> name."""
    columns = {lang: f"label_{lang}" for lang in LANGUAGES if f"label_{lang}" in topics}
    return {
        str(row["topic_id"]): {lang: plain(row[c]) for lang, c in columns.items() if isinstance(row[c], str) and row[c]}
        or {"en": str(row["topic_id"])}
        for row in topics.to_dict("records")
    }


def with_topics(labels: Labels, topics: Mapping[str, Mapping[str, str]]) -> Labels:
    """Return the client's names with those of topics."""
    return replace(labels, groups={**labels.groups, LEVEL: topics})


def topic(name: object) -> Group:
    """Return the reference to a topic."""
    return Group(LEVEL, str(name))


def quoted(topics: Iterable[object]) -> Listed:
    """Return the names of topics (ids, or references) in quotation marks."""
    named = [t if isinstance(t, Reference) else topic(t) for t in topics]
    return Listed([Message("voice.quoted", name=name) for name in named])


@dataclass(frozen=True)
class Spoken(Reference):
    """A language, or several joined by ``+``; ``other`` is all that are rare."""

    code: str

    def written(self, write: Writer) -> str:
        """Return the text."""
        named = []
        for one in self.code.split("+"):
            key = f"topic_language.{'rest' if one == 'other' else one}"
            named.append(Message(key) if key in catalogue(write.language) else one)
        return write(Listed(named))


def situation(name: str) -> Message:
    """Return the reference to a situation in which something was used."""
    return Message(f"situation.{name}", otherwise=name.replace("_", " "))


def reason(name: str) -> Message:
    """Return the reference to what became of a comment."""
    return Message(f"topic_reason.{name}", otherwise=Message("topic_reason.else", reason=name))


def rows_of(
    estimates: Estimates, estimand: str, *, level: str = "total", of: str = "topic", period: str = ""
) -> Estimates:
    """Return the rows of one estimand in a period (the page's), a row a topic (or a row a situation for `of`)."""
    rows = estimates.where(estimand=estimand, level=level, period=period or estimates.about.period)
    kept = rows.frame[of].fillna("") != ""
    if of == "topic" and "situation" in rows.frame:
        kept &= rows.frame["situation"].fillna("") == ""
    return rows[kept]


def tied(estimates: Estimates) -> dict[str, Row]:
    """Return the effects on the score that are real, and hold with all topics looked at together."""
    effects = rows_of(estimates, "score_effect")
    return {str(row["topic"]): row for row in effects.known.holding() if row.verdict in ("worse", "better")}


def silent(rows: Estimates, id: str, section: str, otherwise: str = "") -> Finding | None:
    """Return the finding that says why there are no numbers; None where there are."""
    state = otherwise or ("none" if not len(rows) else rows.first_of(otherwise="suppressed") if rows.state else "")
    if not state:
        return None
    verdict = state if state in ("withheld", "suppressed") else ""
    return rows.about.finding(id, [Say(f"{section}.{state}")], verdict=verdict)


def small_print(rows: Estimates, *notes: Any, which: str = "comments") -> dict[str, Any]:
    """Return the small print: the interval, comments (of the period, or ``scored``), and `notes`."""
    first = rows.known.first
    row = Row({**first, "n": float("nan"), "weighting": ""}) if first is not None else None
    return {"row": row, "notes": [Message("voice.comments", n=rows.about.more.get(which, 0)), *notes]}


def ends(rows: Estimates) -> Estimates:
    """Return the rows to draw: all, or the first and last of many."""
    n = len(rows)
    return rows if n <= MOST else rows[[i < MOST // 2 or i >= n - MOST // 2 for i in range(n)]]


def differences(rows: Estimates) -> Estimates:
    """Return rows that are drawn as differences."""
    return Estimates(rows.frame.assign(estimand="change"), rows.about)
