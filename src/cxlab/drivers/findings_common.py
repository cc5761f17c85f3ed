"""What findings on drivers share: the outcome they are about, its names, rows of the table, how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cxlab.report.blocks import Block, table
from cxlab.report.finding import Number, listed, note, small_print
from cxlab.report.format import Labels, known, period_name, subject
from cxlab.report.messages import catalogue, message
from cxlab.vocab import LANGUAGES

SURE = 0.9  # probability from which an attribute is named


@dataclass(frozen=True)
class About:
    """What the findings of one outcome share.

    Attributes
    ----------
    labels : Labels
    outcome : str
        Id of the outcome.
    metric : str
        Metric of its effects.
    n : float
        Respondents with an outcome.
    weighting : str
    languages : sequence of str
        Primary language first.
    since : str
        First period of the respondents, where those of the period alone were too few.
    """

    labels: Labels
    outcome: str
    metric: str
    n: float
    weighting: str = "none"
    languages: Sequence[str] = LANGUAGES
    since: str = ""

    def outcome_name(self, language: str) -> str:
        """Return the name of the outcome: that of the question or of the behaviour."""
        return outcome_name(self.outcome, labels=self.labels, language=language)

    def subject(self, language: str) -> str:
        """Return what effects are about: "the net promoter score"."""
        if self.outcome in ("spend", "repurchased", "left") and self.outcome not in self.labels.items:
            return message(language, f"driver_metric.{self.outcome}")
        if f"metric.{self.metric}.subject" in catalogue(language):
            return subject(self.metric, self.outcome, labels=self.labels, language=language)
        return message(language, f"driver_metric.{self.metric}")

    def name(self, attribute: str, language: str) -> str:
        """Return the name of an attribute."""
        return self.labels.item(attribute, language)

    def names(self, attributes: Sequence[str], language: str) -> str:
        """Return the names of attributes as one text."""
        return listed([self.name(a, language) for a in attributes], language)

    def note(self, language: str, *more: str) -> str:
        """Return the small print: answers, interval, weighting and `more`."""
        own = [note(language, n=self.n, ci_prob=0.9, weighting=self.weighting)]
        if self.since:
            begun = period_name(self.since, language=language)
            own.append(message(language, "driver_note.since", {"period": begun}))
        return small_print(language, [*own, *more])


def outcome_name(outcome: str, *, labels: Labels, language: str) -> str:
    """Return the name of an outcome: a question's, or the word for a behaviour."""
    key = f"driver_outcome.{outcome}"
    return (
        message(language, key)
        if key in catalogue(language) and outcome not in labels.items
        else labels.item(outcome, language)
    )


def sorted_rows(estimates: pd.DataFrame, about: About, estimand: str) -> pd.DataFrame:
    """Return the rows of one estimand for all respondents together, largest first."""
    rows = estimates[(estimates["item"] == about.outcome) & (estimates["estimand"] == estimand)]
    rows = rows[rows["level"] == "total"]
    return rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def known_rows(estimates: pd.DataFrame, about: About, estimand: str) -> pd.DataFrame:
    """Return those of `sorted_rows` that have a number."""
    rows = sorted_rows(estimates, about, estimand)
    return rows[known(rows["mean"])]


def values_of(estimates: pd.DataFrame, about: About, estimand: str) -> dict[str, float]:
    """Return one estimand as {attribute: value}, without what has no number."""
    rows = known_rows(estimates, about, estimand)
    return dict(zip(rows["attribute"].astype(str), rows["mean"].astype(float), strict=True))


def state_of(rows: pd.DataFrame) -> str:
    """Return why there is nothing to say: ``withheld`` or ``suppressed``; empty if there are numbers."""
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def numbers_of(row: pd.Series) -> dict[str, Number]:
    """Return the numbers of a row as ``value`` and ``span``."""
    metric = str(row["metric"])
    return {
        "value": Number(float(row["mean"]), metric),
        "span": Number(float(row["ci_low"]), metric, high=float(row["ci_high"])),
    }


def written_as(row: pd.Series, metric: str, *, signed: bool = False) -> pd.Series:
    """Return a row as it is written: in the form of `metric`, signed if it is a difference."""
    found = row.copy()
    found["metric"] = form_of(metric)
    if signed:
        found["estimand"] = "change"
    return found


def form_of(metric: str) -> str:
    """Return how numbers of a metric are written: what `cxlab.report.format` does not know is a share."""
    return metric if metric in ("nps", "csat", "mean") else "share"


def bars(language: str) -> str:
    """Return the caption of interval bars."""
    return message(language, "figure.interval")


def heads_table(
    heads: Sequence[str],
    body: Sequence[Sequence[str]],
    language: str,
    caption: str,
    csv: str,
    *,
    more: Sequence[str] = (),
) -> Block:
    """Return a folded table: titles by key, then `more` titles, then the answers if a column is left."""
    titles = [message(language, f"driver_table.{h}") for h in heads] + list(more)
    if body and len(body[0]) > len(titles):
        titles.append(message(language, "table.n"))
    columns = [
        (h, "left" if k == 0 or h == message(language, "driver_table.kind") else "right") for k, h in enumerate(titles)
    ]
    return table(columns, body, caption=caption, open=False, csv=csv)
