"""What findings on tidy estimates share: choosing rows, saying why there is no number, names, notes and legends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, note, small_print
from cxlab.report.format import is_number, metric_name, period_name
from cxlab.report.messages import message
from cxlab.vocab import WEIGHTINGS


def select(
    estimates: pd.DataFrame,
    *,
    estimand: str,
    item: str = "",
    metric: str = "",
    level: str = "total",
    period: str = "",
    weighting: str = "",
) -> pd.DataFrame:
    """Return the rows of one estimand, in order of period.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates.
    estimand, item, metric, level, period : str
        Values to keep; an empty `item`, `metric` or `period` keeps all.
    weighting : str
        Empty takes the widest that each question has: population, else survey, else none.
    """
    rows = estimates[(estimates["estimand"] == estimand) & (estimates["level"] == level)]
    for column, value in (("item", item), ("metric", metric), ("period", period)):
        if value:
            rows = rows[rows[column] == value]
    if weighting:
        rows = rows[rows["weighting"] == weighting]
    else:
        width = rows["weighting"].map({w: float(i) for i, w in enumerate(WEIGHTINGS)}).astype(float)
        rows = rows[width == width.groupby(rows["item"]).transform("max")]
    return rows.sort_values("period", kind="stable").reset_index(drop=True)


def first(rows: pd.DataFrame) -> pd.Series | None:
    """Return the first row, if there is one."""
    return rows.iloc[0] if len(rows) else None


def together(rows: pd.DataFrame) -> pd.Series:
    """Return a row of several groups: their answers, the interval's kind and the weighting."""
    whole = rows.iloc[0].copy()
    whole["n"] = rows["n"].sum(min_count=1)
    return whole


def state(row: pd.Series | None) -> str:
    """Return why a row has no number to speak of: ``withheld``, ``suppressed``, ``none``; empty if it has one."""
    if row is None:
        return "none"
    if row["verdict"] in ("withheld", "suppressed"):
        return str(row["verdict"])
    return "" if is_number(row["mean"]) else "none"


def estimate(row: pd.Series, value: str, interval: str) -> dict[str, Number]:
    """Return the mean and the interval of a row as two named numbers."""
    metric = str(row["metric"])
    found = {value: Number(float(row["mean"]), metric)}
    return found | {interval: Number(float(row["ci_low"]), metric, high=float(row["ci_high"]))}


def names(
    languages: Sequence[str], more: Callable[[str], dict[str, str]], *, period: str = ""
) -> dict[str, dict[str, str]]:
    """Return the names of a statement in each language: the period, and what `more` gives."""
    return {lang: {"period": period_name(period, language=lang)} | more(lang) for lang in languages}


def captions(metric: str, period: str, language: str) -> dict[str, str]:
    """Return the fields of a table's caption."""
    return {"metric": metric_name(metric, language=language), "period": period_name(period, language=language)}


def bars(before: pd.DataFrame | None, earlier: Sequence[str]) -> Callable[[str], str]:
    """Return the legend of an interval figure."""

    def legend(language: str) -> str:
        parts = [message(language, "figure.interval")]
        if before is not None:
            fields = {"period": period_name(str(earlier[-1]), language=language)}
            parts.append(message(language, "figure.previous", fields))
        return small_print(language, parts)

    return legend


def band(changes: pd.DataFrame) -> Callable[[str], str]:
    """Return the legend of a trend."""

    def legend(language: str) -> str:
        real = changes["verdict"].isin(["better", "worse"]).any()
        parts = [message(language, "figure.band"), message(language, "figure.changed") if real else ""]
        return small_print(language, parts)

    return legend


def finding(
    id: str,
    row: pd.Series | None,
    statements: tuple[Statement, ...],
    languages: Sequence[str],
    draw: Callable[[str], Figure] | None,
    tabulate: Callable[[str], Block] | None,
    *,
    caption: Callable[[str], str] | None = None,
    verdict: str | None = None,
    association: bool = False,
    inside: Sequence[Finding] = (),
) -> Finding:
    """Return a finding whose small print and verdict are those of a row of the tidy table.

    Parameters
    ----------
    row : Series or None
        Gives n, the interval's probability and the weighting; its verdict is the finding's unless `verdict` is given.
    association : bool
        Whether the note says that this is no proof of a cause.
    """
    silent = row is None or not is_number(row["mean"])

    def say(language: str) -> str:
        if row is None:
            return ""
        if silent:
            return note(language, n=row["n"])
        text = note(language, n=row["n"], ci_prob=row["ci_prob"], weighting=str(row["weighting"]))
        return small_print(language, [text, message(language, "note.association") if association else ""])

    own = str(row["verdict"] or "") if row is not None else ""
    chosen = own if verdict is None else verdict
    return build(
        id, statements, languages, verdict=chosen, note=say, caption=caption, draw=draw, tabulate=tabulate,
        inside=inside,
    )  # fmt: skip
