"""What findings on the voice of customers share: names of topics, rows of the tidy table, small print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cxlab.report.finding import Number, note, small_print
from cxlab.report.format import Labels, known, period_name, pick
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES
from cxlab.voice.findings_topics import quoted

SURE = 0.95  # probability from which a direction is told as one
MOST = 16  # topics of a figure; the table has them all
CSV = "topic_estimates.csv"  # of the site: the rows behind the page


@dataclass(frozen=True)
class Voice:
    """What the findings of one page share.

    Attributes
    ----------
    labels : Labels
    topics : mapping of topic id -> mapping of language -> name
    item : str
        The question whose scores came with the comments; empty if there were none.
    metric : str
        How that score is counted: ``mean`` of its codes or ``nps``.
    period : str
        The period told.
    previous : str
        The period before; empty if there is none.
    n : float
        Comments of the period that have a topic.
    scored : float
        Comments with a score that the effects rest on.
    languages : sequence of str
        Primary language first.
    """

    labels: Labels
    topics: Mapping[str, Mapping[str, str]]
    item: str
    period: str
    metric: str = "mean"
    previous: str = ""
    n: float = float("nan")
    scored: float = float("nan")
    languages: Sequence[str] = LANGUAGES

    def name(self, topic: str, language: str) -> str:
        """Return the name of a topic."""
        return pick(self.topics[topic], language) if topic in self.topics else topic

    def names(self, topics: Iterable[str], language: str) -> str:
        """Return the names of topics in quotation marks as one text."""
        return quoted([self.name(t, language) for t in topics], language)

    def score(self, language: str) -> str:
        """Return the name of the score."""
        return self.labels.item(self.item, language) if self.item else ""

    def fields(self, **more: Iterable[str] | str) -> dict[str, dict[str, str]]:
        """Return the names of a statement in each language: score, periods, and topics given by id or list of ids."""
        return {
            lang: {
                "score": self.score(lang),
                "period": period_name(self.period, language=lang),
                "before": period_name(self.previous, language=lang) if self.previous else "",
            }
            | {k: self.name(v, lang) if isinstance(v, str) else self.names(v, lang) for k, v in more.items()}
            for lang in self.languages
        }

    def note(self, language: str, *more: str, n: float | None = None) -> str:
        """Return the small print: comments, interval and `more`."""
        said = message(language, "voice.comments", {"n": f"{self.n if n is None else n:,.0f}"})
        return small_print(language, [said, note(language, n=float("nan"), ci_prob=0.9), *more])


def rows_of(
    estimates: pd.DataFrame, estimand: str, *, period: str = "", level: str = "total", of: str = "topic"
) -> pd.DataFrame:
    """Return the rows of one estimand, a row a topic (or a row a situation for `of`), without those for neither."""
    kept = (estimates["estimand"] == estimand) & (estimates["level"] == level) & (estimates[of].fillna("") != "")
    if of == "topic" and "situation" in estimates:
        kept &= estimates["situation"].fillna("") == ""
    if period:
        kept &= estimates["period"] == period
    return estimates[kept].reset_index(drop=True)


def state_of(rows: pd.DataFrame) -> str:
    """Return why there is nothing to say: ``none``, ``withheld`` or ``suppressed``; empty if there are numbers."""
    if rows.empty:
        return "none"
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def signed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows that are written as differences."""
    return rows.assign(estimand="change")


def difference(row: pd.Series) -> pd.Series:
    """Return one row that is written as a difference."""
    found = row.copy()
    found["estimand"] = "change"
    return found


def ends(n: int) -> list[int]:
    """Return the places of rows to draw: all, or the first and last of many."""
    return list(range(n)) if n <= MOST else [*range(MOST // 2), *range(n - MOST // 2, n)]


def numbers_of(row: pd.Series, name: str, *, drawn: bool = True, difference: bool = False) -> dict[str, Number]:
    """Return the numbers of a row as ``<name>`` and ``<name>_span``."""
    metric, mean, low, high = str(row["metric"]), *(float(row[c]) for c in ("mean", "ci_low", "ci_high"))
    return {
        name: Number(mean, metric, signed=difference, drawn=drawn),
        f"{name}_span": Number(low, metric, high=high, signed=difference, drawn=drawn),
    }


def by_topic(rows: pd.DataFrame, topics: Iterable[str]) -> dict[str, pd.Series]:
    """Return the row of each topic, one without numbers where there is none."""
    blank = pd.Series(float("nan"), index=rows.columns, dtype=object)
    found = {str(row["topic"]): row for _, row in rows.iterrows()}
    return {str(t): found.get(str(t), blank) for t in topics}


def mean_of(rows: pd.DataFrame) -> dict[str, float]:
    """Return the means of rows as {topic: value}, without what has no number."""
    shown = rows[known(rows["mean"])]
    return dict(zip(shown["topic"].astype(str), shown["mean"].astype(float), strict=True))
