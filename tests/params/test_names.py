from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxlab.errors import ParamsError
from cxlab.params import find_brand, find_period, labels, load, own_brands, segments, slug, text, touchpoints, units
from cxlab.params.names import MAX_SLUG

Write = Callable[..., Path]
WORLD = """\
client: me
brands: [{id: alder, label: {en: Alder, zh: 桤木}}, {id: Birch, label: Birch Ltd}, {id: c, label: C, competitor: true}]
periods: {grain: month, first: 2026-01, last: 2026-03, history_from: 2025-11}
sources:
  survey:
    path: s.csv
    to: [responses, ratings]
    date: d
    touchpoint: {column: t, map: {1: delivery, 2: store}}
    segments: {age: a, region: r}
    items: {overall: {column: q, scale: csat5, role: overall, touchpoint: checkout_desk}}
"""


@given(st.text(max_size=90))
def test_slugs_are_safe_anywhere(name: str) -> None:
    found = slug(name)
    assert found
    assert re.fullmatch(r"[\w-]+", found)
    assert not found.startswith(("_", "-", "."))
    assert len(found) <= MAX_SLUG
    assert len(found.encode()) < 255
    assert found == found.casefold()
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)", found)
    assert slug(found) == found or len(found) == MAX_SLUG or found.endswith("_")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Alder", "alder"), ("Alder & Birch", "alder-birch"), ("../../etc", "etc"), ("..\\x", "x"), ("CON", "con_"),
        ("com1", "com1_"), ("data", "data_"), ("zh", "zh_"), ("桤木", "桤木"), ("_all", "all"),
        ("Ａｌｄｅｒ", "alder"), ("a/b", "a-b"),
        ("café", "café"), ("a\nb", "a-b"), ("a\u202eb", "a-b"),
    ],
)  # fmt: skip
def test_slugs_read_well(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_names_without_letters_stay_apart() -> None:
    assert slug("..") != slug("???")
    assert slug("x" * 300) != slug("x" * 299 + "y")


def test_units_leave_competitors_out(write: Write) -> None:
    params = load(write(WORLD))
    assert [b.id for b in own_brands(params)] == ["alder", "Birch"]
    assert [(b.id, p) for b, p in units(params)] == [
        ("alder", ["2026-01", "2026-02", "2026-03"]), ("Birch", ["2026-01", "2026-02", "2026-03"]),
    ]  # fmt: skip
    assert labels(params, history=True)[0] == "2025-11"


def test_names_of_things(write: Write) -> None:
    params = load(write(WORLD))
    assert segments(params) == ["age", "region"]
    assert {"delivery", "store", "checkout_desk", "payment"} <= set(touchpoints(params))


@pytest.mark.parametrize("name", ["alder", "ALDER", "桤木", " Alder "])
def test_brands_are_found_as_people_write_them(write: Write, name: str) -> None:
    assert find_brand(load(write(WORLD)), name).id == "alder"


def test_a_mistyped_brand_names_the_nearest(write: Write) -> None:
    with pytest.raises(ParamsError) as caught:
        find_brand(load(write(WORLD)), "aldr")
    assert caught.value.problems[0].nearest == "alder"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2026-04", "not reported"),
        ("2025-12", "not reported"),
        ("2026Q1", "the grain is month"),
        ("2026-02-30", "grain is month"),
    ],
)
def test_periods_outside_are_said(write: Write, name: str, words: str) -> None:
    params = load(write(WORLD))
    assert find_period(params, "2026-02") == "2026-02"
    with pytest.raises(ParamsError, match=words):
        find_period(params, name)


def test_labels_fall_back() -> None:
    assert text({"en": "Alder", "zh": "桤木"}, "zh", "a") == "桤木"
    assert text({"en": "Alder"}, "zh", "a") == "Alder"
    assert text("Alder", "zh", "a") == "Alder"
    assert text(None, "zh", "a") == "a"
