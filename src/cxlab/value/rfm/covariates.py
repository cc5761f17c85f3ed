"""What is known of customers beside their purchases, as columns of 0 and 1: their segments, and what happened to them.

A segment is what the directory says today, one column for each level but the most frequent one. A life event is a
column that is 1 for those whom it befell between the first purchase in the data and the day asked for: what happened
later is not known on that day. Its effect is that of *having had* it, averaged over the time before and after, and so
nearer to none than the effect from that day on; nothing finer can be told of events that few have had.

A segment that is earned by buying (a tier, a bonus level) is no covariate: it would foretell what it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, Protocol

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier
from cxlab.errors import ModelError, Problem, nearest
from cxlab.vocab import SEGMENT, UNKNOWN

EVENT: Final = "event:"
LEAST: Final = 20  # customers on each side of a column
MOST_LEVELS: Final = 6  # of a segment
Wanted = Literal["auto"] | Sequence[str]

_EVENTS: Final = """
    SELECT DISTINCT customer, date, name FROM events
    WHERE customer IS NOT NULL AND name IS NOT NULL AND date BETWEEN $first AND $until
        AND customer IN (SELECT customer FROM transactions WHERE date <= $until)"""

_SEGMENTS: Final = """
    FROM (SELECT DISTINCT customer FROM transactions WHERE customer IS NOT NULL AND date <= $until)
    LEFT JOIN customers USING (customer) GROUP BY customer ORDER BY customer"""


class Asked(Protocol):
    """Who answers queries over the canonical tables: `cxlab.runs.UnitData`."""

    def sql(self, query: str, *, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pd.DataFrame:
        """Answer a query."""
        ...


@dataclass(frozen=True)
class Traits:
    """Columns of 0 and 1 for customers.

    Attributes
    ----------
    static : DataFrame
        Indexed by customer; one column for each level of a segment.
    events : DataFrame
        ``customer, date, column``.
    segments, happened : tuple of str
        Columns from segments (``segment:tier=gold``) and of events (``event:moved_house``).
    notes : tuple of Problem
        What was left out, and why.
    """

    static: pd.DataFrame
    events: pd.DataFrame
    segments: tuple[str, ...]
    happened: tuple[str, ...]
    notes: tuple[Problem, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.segments, *self.happened)

    def join(self, customers: pd.DataFrame, day: date) -> pd.DataFrame:
        """Add the columns as of a day to a table with a column ``customer``."""
        out = customers
        if self.segments:
            found = self.static.reindex(customers["customer"]).fillna(0).astype(int)
            out = out.assign(**{c: found[c].to_numpy() for c in self.segments})
        if self.happened:
            past = self.events[pd.to_datetime(self.events["date"]) <= pd.Timestamp(day)]
            for name in self.happened:
                those = past.loc[past["column"] == name, "customer"]
                out = out.assign(**{name: customers["customer"].isin(set(those)).astype(int)})
        return out


def read(data: Asked, wanted: Wanted, *, first: date, until: date) -> Traits:
    """Look for covariates.

    Parameters
    ----------
    data : Asked
    wanted : "auto" or sequence of str
        Names such as ``segment:region`` and ``event:moved_house``; ``auto``: all segments with few levels and all
        events that befell enough customers.
    first, until : date
        First purchase in the data and last day of observation.

    Raises
    ------
    ModelError
        A name that the data do not have, with all such names at once.
    """
    auto = wanted == "auto"
    segments = [c for c in map(str, data.sql("SELECT * FROM customers LIMIT 0").columns) if c.startswith(SEGMENT)]
    events = data.sql(_EVENTS, params={"first": first, "until": until})
    happened = [EVENT + str(name) for name in sorted(events["name"].unique())]
    legal = [*segments, *happened]
    todo = "map a segment of `customers`, or `events` with a customer"
    known = ", ".join(legal) or "none is known"
    problems = [
        Problem("there is no such covariate", value=name, allowed=known, nearest=nearest(name, legal), todo=todo)
        for name in (() if auto else wanted)
        if name not in legal
    ]
    if problems:
        raise ModelError(problems)
    notes: list[Problem] = []
    static = _levels(data, [c for c in segments if auto or c in wanted], until, notes, auto=auto)
    events = events.assign(column=EVENT + events["name"].astype(str))[["customer", "date", "column"]]
    n = events.groupby("column")["customer"].nunique()
    asked = [c for c in happened if auto or c in wanted]
    notes += [_too_few("customers had this event", name, n[name]) for name in asked if n[name] < LEAST]
    enough = [name for name in asked if n[name] >= LEAST]
    return Traits(static, events[events["column"].isin(enough)], tuple(static.columns), tuple(enough), tuple(notes))


def _levels(data: Asked, names: Sequence[str], until: date, notes: list[Problem], *, auto: bool) -> pd.DataFrame:
    """Columns of 0 and 1 for the levels of segments, but for the most frequent one of each."""
    if not names:
        return pd.DataFrame()
    picks = ", ".join(f"any_value({identifier(c)}) AS s{i}" for i, c in enumerate(names))
    table = data.sql(f"SELECT customer, {picks} {_SEGMENTS}", params={"until": until}).set_index("customer")
    columns: dict[str, np.ndarray] = {}
    for i, name in enumerate(names):
        levels = table[f"s{i}"].astype(object).where(table[f"s{i}"].notna(), UNKNOWN).astype(str)
        counts = levels.value_counts()
        if auto and len(counts) > MOST_LEVELS:
            what = "a segment with many levels is not used unless it is named"
            notes.append(Problem(what, where=name, value=str(len(counts)), allowed=f"at most {MOST_LEVELS}"))
            continue
        if len(counts) < 2:
            notes.append(Problem("all customers are alike in this segment", where=name))
        for level in counts.index[1:]:
            same = (levels == level).to_numpy(int)
            if any((same == other).all() for other in columns.values()):
                continue  # nothing is known of them in another segment either: one column says it
            if counts[level] >= LEAST:
                columns[f"{name}={level}"] = same
            else:
                notes.append(_too_few("customers are in this segment", f"{name}={level}", counts[level]))
    return pd.DataFrame(columns, index=table.index)


def _too_few(what: str, name: str, n: int) -> Problem:
    return Problem(f"too few {what} to learn its effect", where=name, value=str(n), allowed=f"at least {LEAST}")
