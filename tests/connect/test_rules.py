"""Cast rules, value by value."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxlab.connect import rules
from cxlab.connect.ratings import Code, code_of
from cxlab.connect.stage import connect
from cxlab.params import Item, Scale, periods
from cxlab.vocab import GRAINS


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    made = connect()
    rules.install(made, "quarter")
    return made


def call(con: duckdb.DuckDBPyConnection, expression: str, value: Any) -> Any:
    return con.execute(f"SELECT {expression} FROM (SELECT ?::VARCHAR AS x)", [value]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-2.50", -2.5), ("1,299.90", 1299.9), ("１２．５", 12.5), ("1e3", 1000), ("+7", 7), (".5", 0.5),
     ("¥5", 5), ("€1,234.50", 1234.5), ("USD 12.50", 12.5), ("(12.50)", -12.5), ("12.50-", -12.5), ("1'234.50", 1234.5),
     ("Rs. 1,200", 1200)],
)  # fmt: skip
def test_numbers(con: duckdb.DuckDBPyConnection, text: str, number: float) -> None:
    assert call(con, "cx_number(x, true)", text) == number


@pytest.mark.parametrize("text", ["abc", "12,5", "1,23,456", "5 stars", "inf", "nan", "", "1.2.3", "XQZ 5", "0x10"])
def test_no_numbers(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert call(con, "cx_number(x, true)", text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12,5", 12.5),
        ("1.299,90", 1299.9),
        ("1.299", 1299),
        ("7", 7),
        ("1.234,50 €", 1234.5),
        ("1 234,50", 1234.5),
        ("12,50-", -12.5),
    ],
)
def test_decimal_comma(con: duckdb.DuckDBPyConnection, text: str, number: float) -> None:
    assert call(con, "cx_number(x, false)", text) == number
    assert call(con, "cx_number(x, false)", "12.5") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01", "2026-03-01 23:59:59", "2026-03-01T00:00:00Z", "2026-03-01T23:30:00+08:00", "20260301",
        "2026/3/1", "2026/03/01", "2026.3.1", "2026年3月1日", "２０２６－０３－０１", "2026/3/1 8:05",
    ],
)  # fmt: skip
def test_days_as_written(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert call(con, "cx_day(x)", text) == date(2026, 3, 1)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "01/02/2026", "1.3.2026", "45000", "2026-13-01", "yesterday", "0026-03-01", "20261301"]
)
def test_no_days(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert call(con, "cx_day(x)", text) is None


def test_a_format_decides_what_is_ambiguous(con: duckdb.DuckDBPyConnection) -> None:
    assert call(con, "cx_day_as(x, '%d/%m/%Y')", "01/02/2026") == date(2026, 2, 1)
    assert call(con, "cx_day_as(x, '%d/%m/%Y')", "31/02/2026") is None


@pytest.mark.parametrize("grain", GRAINS)
def test_period_labels_are_those_of_params(grain: Any) -> None:
    con = connect()
    rules.install(con, grain)
    for day in (date(2026, 1, 1), date(2021, 1, 3), date(2024, 12, 31), date(2026, 6, 30), date(2026, 7, 1)):
        label = call(con, "cx_period(x::DATE)", day.isoformat())
        assert label == periods.label(day, grain)
        assert call(con, "cx_is_period(cx_label(x))", label)
    assert not call(con, "cx_is_period(cx_label(x))", "2026-99-99")


@given(st.text(max_size=12) | st.from_regex(r"[ ]?[+-]?[0-9０-９]{1,3}(\.0{1,2})?[ ]?", fullmatch=True))
def test_python_and_sql_fold_a_code_alike(con: duckdb.DuckDBPyConnection, text: str) -> None:
    plain = text.replace("\x00", "")
    if not plain.isascii() and plain != plain.lower():
        return  # lower-casing outside ASCII differs between libraries; codes of that kind do not exist
    staged = call(con, "nullif(trim(x, ' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288)), '')", plain)
    if staged is not None and all(c not in plain for c in "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029\ufeff\u200b"):
        assert call(con, "cx_fold(x)", staged) == rules.fold(plain) or not rules.fold(plain).isprintable()


FIVE = Scale.model_validate(
    {"codes": [1, 2, 3, 4, 5], "missing": {0: "blank", "N/A": "not_used", 9: "refused"}, "map": {"Very good": 5}}
)
ITEM = Item.model_validate({"column": "q", "scale": "five", "role": "overall", "map": {"很好": 5, "fine": 4}})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("5", Code(code=5)),
        ("5.0", Code(code=5)),
        ("５", Code(code=5)),
        (" 4 ", Code(code=4)),
        ("very  good", Code(code=5)),
        ("很好", Code(code=5)),
        ("Fine", Code(code=4)),
        ("05", Code(code=5)),
        (None, Code(missing="blank")),
        ("", Code(missing="blank")),
        ("nan", Code(missing="blank")),
        ("0", Code(missing="blank")),
        ("0.0", Code(missing="blank")),
        ("n/a", Code(missing="not_used")),
        ("9.00", Code(missing="refused")),
    ],
)
def test_codes(value: str | None, code: Code) -> None:
    assert code_of(value, ITEM, FIVE) == code


@pytest.mark.parametrize("value", ["6", "4.5", "-1", "good", "5 stars", "1e1", "inf", "four", "0_5"])
def test_no_codes(value: str) -> None:
    found = code_of(value, ITEM, FIVE)
    assert found.code is None
    assert found.missing is None
    assert found.reason == "is no code of scale five (1, 2, 3, 4, 5) nor declared missing"
