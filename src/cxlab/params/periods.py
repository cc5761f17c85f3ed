"""Periods of a grain: their labels, first and last day, neighbours. Labels of one grain sort as text.

==========  ===========  ==========================================
grain       label        meaning
==========  ===========  ==========================================
year        2017         calendar year
half        2017H1       January to June
quarter     2017Q1       January to March
month       2017-03      calendar month
week        2017W05      ISO 8601 week, Monday to Sunday
day         2017-03-14   calendar day
==========  ===========  ==========================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from cxlab.errors import ParamsError, Problem
from cxlab.vocab import GRAINS, Grain

EXAMPLES: dict[Grain, str] = {
    "year": "2017",
    "half": "2017H1",
    "quarter": "2017Q1",
    "month": "2017-03",
    "week": "2017W05",
    "day": "2017-03-14",
}
MAX_PERIODS = 4_000
_FORMS: dict[Grain, re.Pattern[str]] = {
    "year": re.compile(r"([0-9]{4})"),
    "half": re.compile(r"([0-9]{4})H([12])"),
    "quarter": re.compile(r"([0-9]{4})Q([1-4])"),
    "month": re.compile(r"([0-9]{4})-([0-9]{2})"),
    "week": re.compile(r"([0-9]{4})W([0-9]{2})"),
    "day": re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"),
}
_MONTHS: dict[Grain, int] = {"year": 12, "half": 6, "quarter": 3, "month": 1}


@dataclass(frozen=True, order=True)
class Period:
    """A span of days; periods of one grain compare by time.

    Attributes
    ----------
    start, end : date
        First and last day, both inside.
    label : str
        See the table above.
    grain : Grain
    """

    start: date
    end: date
    label: str
    grain: Grain

    def next(self) -> Period:
        """Return the period after this one."""
        return of(self.end + timedelta(days=1), self.grain)

    def previous(self) -> Period:
        """Return the period before this one."""
        return of(self.start - timedelta(days=1), self.grain)

    def __str__(self) -> str:
        return self.label


def of(day: date, grain: Grain) -> Period:
    """Return the period of `grain` that holds `day`."""
    if grain == "day":
        return Period(day, day, day.isoformat(), grain)
    if grain == "week":
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return Period(monday, monday + timedelta(days=6), f"{year:04d}W{week:02d}", grain)
    months = _MONTHS[grain]
    index = (day.month - 1) // months
    start = date(day.year, index * months + 1, 1)
    after = index * months + months
    end = date(day.year, 12, 31) if after == 12 else date(day.year, after + 1, 1) - timedelta(days=1)
    tail = {"year": "", "half": f"H{index + 1}", "quarter": f"Q{index + 1}", "month": f"-{index + 1:02d}"}[grain]
    return Period(start, end, f"{day.year:04d}{tail}", grain)


def label(day: date, grain: Grain) -> str:
    """Return the label of the period of `grain` that holds `day`."""
    return of(day, grain).label


def parse(label: str, grain: Grain | None = None) -> Period:
    """Read a period label.

    Parameters
    ----------
    label : str
    grain : Grain, optional
        The grain it must have; default: whatever its form says.

    Raises
    ------
    ParamsError
        If it has another form, or there is no such day, week or month.
    """
    text = str(label).strip()
    found: Grain | None = next((g for g in GRAINS if _FORMS[g].fullmatch(text)), None)
    if found is None or (grain is not None and found != grain):
        wanted = grain or "year, half, quarter, month, week or day"
        what = f"this is a {found}, the grain is {grain}" if found else "this is no period"
        allowed = f"a {wanted} such as {EXAMPLES[grain]}" if grain else ", ".join(EXAMPLES.values())
        raise ParamsError(Problem(what, value=text, allowed=allowed))
    match = _FORMS[found].fullmatch(text)
    assert match is not None
    numbers = [int(g) for g in match.groups()]
    try:
        if not 1900 <= numbers[0] <= 2199:
            raise ValueError("the year must lie in 1900-2199")
        if found == "week":
            return of(date.fromisocalendar(numbers[0], numbers[1], 1), found)
        if found == "day":
            return of(date(*numbers), found)
        month = 1 if found == "year" else (numbers[1] - 1) * _MONTHS[found] + 1
        return of(date(numbers[0], month, 1), found)
    except ValueError as error:
        raise ParamsError(Problem(f"there is no such {found}: {error}", value=text)) from None


def between(first: str, last: str, grain: Grain | None = None) -> list[Period]:
    """Return all periods from `first` to `last`, both inside.

    Raises
    ------
    ParamsError
        If one is no period, they have different grains, `last` lies before `first`, or there are too many.
    """
    begin = parse(first, grain)
    end = parse(last, begin.grain)
    if end < begin:
        raise ParamsError(Problem("the last period lies before the first", value=f"{first} to {last}"))
    if (end.start - begin.start).days / max((begin.end - begin.start).days, 1) > MAX_PERIODS:
        problem = Problem("too many periods", value=f"{first} to {last}", allowed=f"{MAX_PERIODS:,}")
        raise ParamsError(problem)
    out = [begin]
    while out[-1] < end:
        out.append(out[-1].next())
    return out
