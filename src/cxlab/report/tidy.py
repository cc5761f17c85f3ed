"""Tidy estimates as a finding reads them: rows chosen by what they are about, and the page they are told on.

::

    table = Estimates(run.write("index_estimates", rows), About(labels, run.languages, run.period))
    level = table.where(estimand="index", to=target).at()          # one row, of the page's period
    about.finding("index", [Say("index_now.was", name=..., value=level.value(), span=level.span())], row=level, ...)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import erfc, sqrt
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import finding as page
from cxlab.report.finding import Finding, Statement
from cxlab.report.format import Labels, is_number
from cxlab.report.writing import Chart, Estimate, Group, Item, Message, Metric, Number, Period, Reference, Table, Writer
from cxlab.vocab import LANGUAGES, WEIGHTINGS

REAL: Final = ("better", "worse")  # verdicts that a change is one


class Say(Message):
    """A sentence of a finding: a message whose fields are references; its numbers are held against figure and table."""

    def stated(self, about: About) -> Statement:
        """Return the statement in all languages of the page."""
        numbers = {name: value for name, value in self.fields.items() if isinstance(value, Number)}
        names = {}
        for language in about.languages:
            write = about.writer(language)
            given = {**about.fields, **self.fields}
            names[language] = {name: write(value) for name, value in given.items() if name not in numbers}
        return Statement(self.key, names, numbers, self.quantity)


@dataclass(frozen=True)
class About:
    """The page that findings are told on.

    Attributes
    ----------
    labels : Labels
        The client's names.
    languages : sequence of str
        Primary language first.
    period : str
        The period reported.
    csv : str
        Name of the site's CSV file with the rows.
    more : mapping
        Fields that every message may name, beside ``period``.
    """

    labels: Labels = field(default_factory=Labels)
    languages: Sequence[str] = LANGUAGES
    period: str = ""
    csv: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """What every message may name."""
        return {"period": Period(self.period)} | dict(self.more)

    def writer(self, language: str) -> Writer:
        """Return what writes references in a language."""
        return Writer(self.labels, language, self.fields)

    def finding(
        self,
        id: str,
        says: Sequence[Say | None],
        *,
        row: Row | None = None,
        verdict: str | None = None,
        chart: Chart | None = None,
        caption: Sequence[Any] = (),
        table: Table | None = None,
        notes: Sequence[Any] = (),
        association: bool = False,
        inside: Sequence[Finding] = (),
    ) -> Finding:
        """Return the finding whose sentence, figure and table are written from these.

        Parameters
        ----------
        id : str
            Name on the page, e.g. ``change``.
        says : sequence of Say
            The first is the lead; None is left out.
        row : Row, optional
            Gives n, the interval's probability and the weighting of the small print, and the verdict.
        verdict : str, optional
            Instead of that of `row`.
        chart, table : optional
        caption, notes : sequence of references or keys of messages
            The figure's legend; small print after that of `row`.
        association : bool
            Whether the small print says that this is no proof of a cause.
        inside : sequence of Finding
            Told within this one.
        """
        statements = [say.stated(self) for say in says if say is not None]
        last = [Message("note.association")] if association and not (row is not None and not row.is_known) else []

        def small_print(things: Sequence[Any], language: str) -> str:
            write = self.writer(language)
            told = [Message(thing) if isinstance(thing, str) else thing for thing in things if thing != ""]
            return page.small_print(language, [write(thing) for thing in told])

        def note(language: str) -> str:
            about_row = row.small_print(language) if row is not None else ""
            return page.small_print(language, [about_row, small_print([*notes, *last], language)])

        judged = (row.verdict if row is not None else "") if verdict is None else verdict
        return page.build(
            id,
            statements,
            self.languages,
            verdict=judged,
            note=note,
            caption=(lambda language: small_print(caption, language)) if caption else None,
            draw=(lambda language: chart.drawn(self.writer(language))) if chart else None,
            tabulate=(lambda language: table.written(self.writer(language))) if table else None,
            inside=inside,
        )

    def silent(self, id: str, rows: Row | Estimates | None, section: str, **fields: Any) -> Finding:
        """Return the finding that says why there is no number: message ``<section>.<state>``."""
        row = rows.first if isinstance(rows, Estimates) else rows
        return self.finding(id, [Say(f"{section}.{state(row)}", **fields)], row=row)


class Row(dict[str, Any]):
    """One row of the tidy table."""

    @property
    def is_known(self) -> bool:
        """Whether it has a number."""
        return is_number(self.get("mean"))

    @property
    def mean(self) -> float:
        """The mean; NaN where there is none."""
        return float(self["mean"]) if self.is_known else float("nan")

    def number(self, column: str) -> float:
        """Return a column as a number; NaN where there is none."""
        value = self.get(column)
        return float(value) if is_number(value) else float("nan")  # type: ignore[arg-type]

    @property
    def verdict(self) -> str:
        """One of `vocab.VERDICTS`."""
        return str(self.get("verdict") or "")

    @property
    def group(self) -> Group:
        """The group it is about."""
        return Group(str(self["level"]), str(self["group"]))

    @property
    def item(self) -> Item:
        """The question it is about."""
        return Item(str(self["item"]))

    @property
    def subject(self) -> Metric:
        """What a sentence on it is about: the share satisfied with wifi."""
        return Metric(str(self.get("metric", "")), str(self["item"]))

    @property
    def chance(self) -> float:
        """Probability of the direction that the mean points to."""
        above = self.number("prob_gt_ref")
        return above if self.mean > 0 else 1 - above

    def value(self, **how: Any) -> Number:
        """Return the mean as a number of a sentence; `how` as for `Number`."""
        given: dict[str, Any] = {"value": self.mean, "metric": str(self.get("metric", ""))} | how
        return Number(**given)

    def span(self, **how: Any) -> Number:
        """Return the interval as a number of a sentence."""
        ends: dict[str, Any] = {"value": float(self["ci_low"]), "high": float(self["ci_high"])}
        return Number(**ends | {"metric": str(self.get("metric", ""))} | how)

    def cell(self, *, signed: bool | None = None, metric: str = "") -> Estimate:
        """Return the estimate with its interval as a cell of a table."""
        if signed is None:
            signed = str(self.get("estimand")) in ("change", "difference")
        mean, low, high = (self.get(column, float("nan")) for column in ("mean", "ci_low", "ci_high"))
        return Estimate(mean, low, high, metric or str(self.get("metric", "")), signed, self.verdict)

    def small_print(self, language: str) -> str:
        """Write how many answers it rests on, the interval's probability and the weighting."""
        if not self.is_known:
            return page.note(language, n=self["n"])
        return page.note(language, n=self.number("n"), ci_prob=self["ci_prob"], weighting=str(self["weighting"]))


def state(row: Row | None) -> str:
    """Return why there is no number to speak of: ``withheld``, ``suppressed``, ``none``; empty if there is one."""
    if row is None:
        return "none"
    if row.verdict in ("withheld", "suppressed"):
        return row.verdict
    return "" if row.is_known else "none"


def bars(earlier: str = "") -> list[Any]:
    """Return the legend of interval bars: ticks stand for the period `earlier`, where there is one."""
    return ["figure.interval", *([Message("figure.previous", period=Period(earlier))] if earlier else [])]


class Estimates:
    """Rows of the tidy table, with the page they are told on.

    Parameters
    ----------
    frame : DataFrame
        `vocab.ESTIMATE_COLUMNS` and the coords of its capability.
    about : About
    """

    def __init__(self, frame: pd.DataFrame, about: About) -> None:
        self.frame, self.about = frame.reset_index(drop=True), about

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[Row]:
        return iter(Row(record) for record in self.frame.to_dict("records"))  # type: ignore[arg-type]

    def __getitem__(self, mask: Any) -> Estimates:
        return Estimates(self.frame[np.asarray(mask, bool)], self.about)

    def where(self, **wanted: Any) -> Estimates:
        """Return the rows whose columns have these values; a list, tuple or set allows any of its own."""
        keep = np.ones(len(self.frame), bool)
        for column, value in wanted.items():
            values = self.frame[column.rstrip("_")]
            chosen = values.isin(list(value)) if isinstance(value, list | tuple | set | frozenset) else values == value
            keep &= chosen.to_numpy(bool)
        return self[keep]

    def now(self, **wanted: Any) -> Estimates:
        """Return the rows of the page's period, and of `wanted`."""
        return self.where(period=self.about.period, **wanted)

    def select(self, *, weighting: str = "", level: str = "total", **wanted: Any) -> Estimates:
        """Return the rows of one estimand in order of period; by default of each question's widest weighting."""
        rows = self.where(level=level, **wanted)
        rows = rows.where(weighting=weighting) if weighting else rows.widest()
        return rows.ordered("period", down=False)

    def widest(self) -> Estimates:
        """Return, for each question, the rows of its widest weighting: population, else survey, else none."""
        width = self.frame["weighting"].map({w: float(i) for i, w in enumerate(WEIGHTINGS)}).astype(float)
        return self[width == width.groupby(self.frame["item"]).transform("max")]

    @property
    def known(self) -> Estimates:
        """The rows that have a number."""
        return self[[is_number(value) for value in self.frame["mean"]]]

    @property
    def first(self) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self), None)

    @property
    def last(self) -> Row | None:
        """The last row, if there is one."""
        return list(self)[-1] if len(self) else None

    @property
    def together(self) -> Row | None:
        """The first row with the answers of all, for the small print of several groups."""
        n = self.frame["n"].sum(min_count=1)
        return None if self.first is None else Row({**self.first, "n": n})

    def first_of(self, verdicts: Sequence[str] = ("withheld", "suppressed"), otherwise: str = "none") -> str:
        """Return the first of these verdicts that any row has."""
        there = set(self.frame["verdict"])
        return next((verdict for verdict in verdicts if verdict in there), otherwise)

    @property
    def state(self) -> str:
        """Why no row has a number to speak of; empty if one has."""
        return "" if len(self.known) else state(self.first)

    def ordered(self, *columns: str, down: bool = True) -> Estimates:
        """Return the rows in the order of columns (by default the mean), the largest first."""
        by = list(columns) or ["mean"]
        return Estimates(self.frame.sort_values(by, ascending=not down, kind="stable"), self.about)

    def holding(self, level: float = 0.05) -> Estimates:
        """Return the rows whose direction holds where all rows are looked at together.

        Of the two tails of a normal with each row's mean and sd, stepped down as in Holm (1979), Scandinavian Journal
        of Statistics 6: that any row of no effect is among them has at most the probability `level`.
        """
        refs = np.nan_to_num([row.number("ref") for row in self])
        sds = [row.number("sd") for row in self]
        far = [abs(row.mean - ref) for row, ref in zip(self, refs, strict=True)]
        tails = [erfc(d / sd / sqrt(2)) if sd > 0 else 1.0 for d, sd in zip(far, sds, strict=True)]
        left, keep = len(self.known), [False] * len(self)
        for place in sorted(range(len(tails)), key=tails.__getitem__):
            if not tails[place] <= level / max(left, 1):
                break
            keep[place], left = True, left - 1
        return self[keep]

    def by(self, column: str) -> dict[str, Row]:
        """Return value of a column -> its row (the last of several)."""
        return {str(row[column]): row for row in self}

    def aligned(self, column: str, values: Iterable[Any]) -> Estimates:
        """Return one row a value of a column, in that order; without numbers where there is none."""
        frame = self.frame.drop_duplicates(column, keep="last").set_index(column).reindex(list(values))
        return Estimates(frame.rename_axis(column).reset_index(), self.about)

    def before(self, period: str = "") -> str:
        """Return the last period before the page's that has rows; empty if there is none."""
        earlier = [str(p) for p in self.frame["period"] if str(p) < (period or self.about.period)]
        return max(earlier, default="")

    def named(self, column: str, level: str = "") -> list[Reference]:
        """Return the values of a column as references: groups of `level`, or questions."""
        values = [str(value) for value in self.frame[column]]
        return [Group(level, value) if level else Item(value) for value in values]

    def cells(self, **how: Any) -> list[Estimate]:
        """Return each row as a cell of a table."""
        return [row.cell(**how) for row in self]

    def values(self, column: str, metric: str = "count") -> list[Number]:
        """Return a column of numbers as cells."""
        return [Number(float(v) if is_number(v) else float("nan"), metric) for v in self.frame[column]]
