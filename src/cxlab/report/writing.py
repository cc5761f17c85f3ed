"""What a finding speaks of, kept as what it is (a touchpoint, a period, an estimate) until a language writes it.

A finding names things by reference; `Writer` turns a reference into text with the client's names and the messages of
one language. So a finding is data, made once; its sentence, figure and table are written from the same objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import blocks, format
from cxlab.report.blocks import Block
from cxlab.report.format import Labels, is_number
from cxlab.report.messages import catalogue, message

MOST: Final = 6  # names listed before "and n more"


class Reference(ABC):
    """Anything that is written differently in each language."""

    @abstractmethod
    def written(self, write: Writer) -> str:
        """Return the text."""


@dataclass(frozen=True)
class Writer:
    """Writes references in one language.

    Attributes
    ----------
    labels : Labels
        The names a client gives to its things.
    language : str
    fields : mapping
        Fields that every message may name.
    """

    labels: Labels
    language: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, thing: Any) -> str:
        """Write a reference, a text, a name in several languages, a count or a list of these."""
        if isinstance(thing, Reference):
            return thing.written(self)
        if isinstance(thing, str):
            return format.plain(thing)
        if thing is None:
            return ""
        if isinstance(thing, Mapping):
            return format.pick(thing, self.language)
        if isinstance(thing, Sequence):
            return self(Listed(thing))
        return format.count(thing)

    def message(self, key: str, fields: Mapping[str, Any] | None = None, *, quantity: float | None = None) -> str:
        """Write a message; its fields are anything that can be written."""
        given = {name: self(value) for name, value in {**self.fields, **(fields or {})}.items()}
        return message(self.language, key, given, quantity=quantity)

    def resolved(self, value: Any) -> Any:
        """Return an argument of a chart: references as text, also inside lists and mappings; tables as frames."""
        if isinstance(value, Reference):
            return self(value)
        if isinstance(value, list | tuple):
            return type(value)(self.resolved(part) for part in value)
        if isinstance(value, dict):
            return {key: self.resolved(part) for key, part in value.items()}
        table = getattr(value, "frame", None)  # of `Estimates`; a column of a frame may bear that name
        return table if isinstance(table, pd.DataFrame) else value


@dataclass(frozen=True)
class Item(Reference):
    """A question."""

    id: str

    def written(self, write: Writer) -> str:
        return write.labels.item(self.id, write.language)


@dataclass(frozen=True)
class Group(Reference):
    """A group of a level: a touchpoint, a channel, an age, a latent."""

    level: str
    id: str

    def written(self, write: Writer) -> str:
        return write.labels.group(self.level, self.id, write.language)


@dataclass(frozen=True)
class Level(Reference):
    """What groups are of: touchpoint, channel, age."""

    id: str

    def written(self, write: Writer) -> str:
        return write.labels.level(self.id, write.language)


@dataclass(frozen=True)
class Period(Reference):
    """A period, e.g. ``2026Q3``."""

    label: str

    def written(self, write: Writer) -> str:
        return format.period_name(self.label, language=write.language)


@dataclass(frozen=True)
class Metric(Reference):
    """The name of a metric; with an item, the subject of a sentence ("the share satisfied with wifi")."""

    id: str
    item: str = ""

    def written(self, write: Writer) -> str:
        if self.item:
            return format.subject(self.id, self.item, labels=write.labels, language=write.language)
        return format.metric_name(self.id, language=write.language)


class Message(Reference):
    """A message and its fields, any of them references; `otherwise` stands in where there is no such message."""

    def __init__(self, key: str, *, quantity: Any = None, otherwise: Any = None, **fields: Any) -> None:
        self.key, self.quantity, self.otherwise, self.fields = key, quantity, otherwise, fields

    def written(self, write: Writer) -> str:
        if self.otherwise is not None and self.key not in catalogue(write.language):
            return write(self.otherwise)
        return write.message(self.key, self.fields, quantity=self.quantity)


@dataclass(frozen=True)
class Listed(Reference):
    """Things named one after the other, cut after `most` of them."""

    things: Sequence[Any]
    most: int = MOST

    def written(self, write: Writer) -> str:
        text = message(write.language, "list.comma").join(write(thing) for thing in self.things[: self.most])
        more = len(self.things) - self.most
        return text if more <= 0 else message(write.language, "list.more", {"list": text, "n": format.count(more)})


@dataclass(frozen=True)
class Capital(Reference):
    """Anything, with its first letter in upper case."""

    thing: Any

    def written(self, write: Writer) -> str:
        return format.sentence(write(self.thing))


@dataclass(frozen=True)
class Certainty(Reference):
    """A probability in words."""

    probability: float

    def written(self, write: Writer) -> str:
        return format.certainty(self.probability, language=write.language)


@dataclass(frozen=True)
class Number(Reference):
    """A number of a sentence or a cell.

    Attributes
    ----------
    value : float
        On the tidy scale; the lower end if `high` is given.
    metric : str
        How it is written: a metric, ``share``, ``rate``, ``count`` or ``probability``.
    high : float, optional
        The upper end of an interval.
    signed : bool
        Whether it is a difference.
    drawn, tabled : bool
        Whether the figure, the table or note show it (a count of their rows is in neither).
    """

    value: float
    metric: str
    high: float | None = None
    signed: bool = False
    drawn: bool = True
    tabled: bool = True

    def written(self, write: Writer) -> str:
        return self.text(write.language)

    def text(self, language: str) -> str:
        """Write the number for a language."""
        if self.metric == "probability":
            return format.probability(self.value, language=language)
        if self.metric == "count" and self.high is None:
            return format.count(self.value)
        how: dict[str, Any] = {"metric": self.metric, "language": language, "signed": self.signed}
        if self.high is not None:
            return format.span(self.value, self.high, **how)
        return format.number(self.value, **how)


def tally(value: float) -> Number:
    """Return a count of rows, which neither figure nor table spells out."""
    return Number(float(value), "count", drawn=False, tabled=False)


def aside(value: float, metric: str, high: float | None = None, *, signed: bool = False) -> Number:
    """Return a number that stands in the sentence alone."""
    return Number(float(value), metric, high, signed=signed, drawn=False, tabled=False)


@dataclass(frozen=True)
class Estimate(Reference):
    """An estimate with its interval as a cell of a table, or why there is none: ``31 (28 to 34)``."""

    mean: float
    low: float
    high: float
    metric: str
    signed: bool = False
    verdict: str = ""

    def written(self, write: Writer) -> str:
        if is_number(self.mean):
            values = (float(v) if is_number(v) else float("nan") for v in (self.mean, self.low, self.high))
            return format.estimate(*values, metric=self.metric, language=write.language, signed=self.signed)
        hidden = self.verdict in ("withheld", "suppressed")
        return message(write.language, f"verdict.{self.verdict}") if hidden else "—"


class Chart:
    """A figure to be drawn in each language: a function of `charts` (or a capability's own) and its arguments.

    References among the arguments, also inside lists, reach the function as text; it is given ``language`` as well.
    """

    def __init__(self, function: Callable[..., Figure], *arguments: Any, **options: Any) -> None:
        self.function, self.arguments, self.options = function, arguments, options

    def drawn(self, write: Writer) -> Figure:
        """Draw the figure."""
        given = [write.resolved(a) for a in self.arguments]
        options = {name: write.resolved(value) for name, value in self.options.items()}
        return self.function(*given, language=write.language, **options)


class Table:
    """The table behind a finding.

    Parameters
    ----------
    columns : mapping of heading -> cells
        A heading is the key of a message or a reference; cells are references, numbers (counts) or texts, all columns
        equally long. Columns of numbers and estimates stand right, all others left.
    caption : reference or key of a message
    csv : str
        Name of the site's CSV file with the same rows.
    open : bool
        Whether it is shown without a click.
    """

    def __init__(
        self, columns: Mapping[Any, Sequence[Any]], *, caption: Any, csv: str = "", open: bool = False
    ) -> None:
        self.columns, self.caption, self.csv, self.open = columns, caption, csv, open

    def written(self, write: Writer) -> Block:
        """Return the block."""
        heads, texts = [], []
        for place, (head, cells) in enumerate(self.columns.items()):
            title = write(Message(head) if isinstance(head, str) else head)
            heads.append((title, "right" if place and _are_numbers(cells) else "left"))
            texts.append([write(cell) for cell in cells])
        caption = write(Message(self.caption) if isinstance(self.caption, str) else self.caption)
        rows = [list(row) for row in zip(*texts, strict=True)]
        return blocks.table(heads, rows, caption=caption, csv=self.csv, open=self.open)


def _are_numbers(cells: Sequence[Any]) -> bool:
    """Whether no cell is a text or a name; empty texts say nothing."""
    told = [cell for cell in cells if not (isinstance(cell, str) and cell in ("", "—"))]
    return bool(told) and all(
        isinstance(cell, Number | Estimate) or (not isinstance(cell, Reference) and is_number(cell)) for cell in told
    )


class TableOf(Table):
    """A table that a function of `report.tables` makes from tidy rows; it is given the caption as text."""

    def __init__(
        self, function: Callable[..., Block], *arguments: Any, caption: Any, csv: str = "", **options: Any
    ) -> None:
        super().__init__({}, caption=caption, csv=csv)
        self.function, self.arguments, self.options = function, arguments, options

    def written(self, write: Writer) -> Block:
        caption = write(Message(self.caption) if isinstance(self.caption, str) else self.caption)
        given = [write.resolved(a) for a in self.arguments]
        options = {name: write.resolved(value) for name, value in self.options.items()}
        if "labels" in signature(self.function).parameters:
            options["labels"] = write.labels
        return self.function(*given, language=write.language, caption=caption, csv=self.csv, **options)
