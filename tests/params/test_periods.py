from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxlab.errors import ParamsError
from cxlab.params.periods import EXAMPLES, between, label, of, parse
from cxlab.vocab import GRAINS, Grain

DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))


@pytest.mark.parametrize(
    ("text", "grain", "start", "end"),
    [
        ("2017", "year", date(2017, 1, 1), date(2017, 12, 31)),
        ("2017H1", "half", date(2017, 1, 1), date(2017, 6, 30)),
        ("2017H2", "half", date(2017, 7, 1), date(2017, 12, 31)),
        ("2017Q4", "quarter", date(2017, 10, 1), date(2017, 12, 31)),
        ("2016-02", "month", date(2016, 2, 1), date(2016, 2, 29)),
        ("2017W05", "week", date(2017, 1, 30), date(2017, 2, 5)),
        ("2020W53", "week", date(2020, 12, 28), date(2021, 1, 3)),
        ("2017-03-14", "day", date(2017, 3, 14), date(2017, 3, 14)),
    ],
)
def test_labels_name_spans(text: str, grain: Grain, start: date, end: date) -> None:
    period = parse(text)
    assert (period.grain, period.start, period.end, period.label) == (grain, start, end, text)


@pytest.mark.parametrize("grain", GRAINS)
@given(day=DAYS)
def test_a_day_lies_in_its_period(grain: Grain, day: date) -> None:
    period = of(day, grain)
    assert period.start <= day <= period.end
    assert parse(period.label, grain) == period
    assert label(period.end, grain) == period.label


@pytest.mark.parametrize("grain", GRAINS)
@given(day=DAYS)
def test_neighbours_touch(grain: Grain, day: date) -> None:
    period = of(day, grain)
    assert period.next().start == period.end + timedelta(days=1)
    assert period.previous().next() == period
    assert period.previous() < period < period.next()


@pytest.mark.parametrize("grain", GRAINS)
@given(days=st.tuples(DAYS, DAYS))
def test_labels_sort_as_text(grain: Grain, days: tuple[date, date]) -> None:
    one, two = (of(d, grain) for d in days)
    assert (one < two) == (one.label < two.label)


@pytest.mark.parametrize(
    "text",
    ["", "17", "2017Q5", "2017Q0", "2017H3", "2017-13", "2017-00", "2026-02-30", "2019W53", "2017W00", "2017-3",
     "20170314", "0017", "9999", "2017q1", "２０１７", "2017Q1\n2018Q1", "; drop table"],
)  # fmt: skip
def test_what_is_no_period_is_said(text: str) -> None:
    with pytest.raises(ParamsError):
        parse(text)


def test_a_day_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParamsError, match=r"there is no such day.*2026-02-30"):
        parse("2026-02-30", "day")


def test_another_grain_is_named() -> None:
    with pytest.raises(ParamsError, match="this is a month, the grain is quarter"):
        parse("2026-02", "quarter")


def test_between_counts_both_ends() -> None:
    assert [p.label for p in between("2016Q3", "2017Q2")] == ["2016Q3", "2016Q4", "2017Q1", "2017Q2"]
    assert len(between("2015W50", "2016W02")) == 6  # 2015 has 53 weeks
    assert [p.label for p in between("2017", "2017")] == ["2017"]


@pytest.mark.parametrize(("first", "last"), [("2017Q2", "2017Q1"), ("2017", "2017Q1"), ("1900-01-01", "2199-01-01")])
def test_between_refuses(first: str, last: str) -> None:
    with pytest.raises(ParamsError):
        between(first, last)


def test_examples_are_legal() -> None:
    assert all(parse(text).grain == grain for grain, text in EXAMPLES.items())
