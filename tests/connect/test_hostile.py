"""Names and values of client files are data: nothing of them runs, nothing of them leaks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from connect.make import params, store

from cxlab import connect
from cxlab.connect.sql import expression_columns
from cxlab.connect.stage import connect as open_memory

NAMES = [
    'a"; DROP TABLE s0; --',
    "x' OR '1'='1",
    "select",
    "_row",
    "c0",
    "Age",
    "age",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${HOME}",
    "名称",
    "a.b",
    "a b",
    "%s",
    "=1+1",
    "_f",
    "t_responses",
    "\u202eevil",
    "nul",
]


def test_hostile_column_names_and_values(tmp_path: Path) -> None:
    values = [f"{n} value" for n in NAMES]
    with (tmp_path / "s.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["id", "day", *NAMES], ["1", "2026-01-05", *values]])
    tables = {
        "responses": {
            "from": "s",
            "response_id": "id",
            "date": "day",
            "segments": {f"s{i}": {"column": n} for i, n in enumerate(NAMES)},
            "where": {n: [v] for n, v in zip(NAMES, values, strict=True)},
        }
    }
    built = store(tmp_path, params(tmp_path, brands=["b"], tables=tables))
    row = built.table("responses").iloc[0]
    assert [row[f"segment:s{i}"] for i in range(len(NAMES))] == values
    brands = [{"id": "b", "label": "B", "where": {n: ["no such value", v] for n, v in zip(NAMES, values, strict=True)}}]
    again = store(tmp_path, params(tmp_path, brands=brands, tables=tables), "again")
    assert again.count("responses", brand="b") == 1


def test_hostile_values_in_brands_ids_and_queries(tmp_path: Path) -> None:
    with (tmp_path / "s.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [[n, "2026-01-05", n, "5"] for n in NAMES]
        csv.writer(stream).writerows([["id", "day", "how", "q1"], *rows])
    tables = {
        "responses": {"from": "s", "response_id": "id", "date": "day", "channel": "how"},
        "ratings": {"from": "s", "items": {"q": {"column": "q1", "scale": "five", "role": "overall"}}},
    }
    built = store(tmp_path, params(tmp_path, brands=["b"], tables=tables))
    cells = built.cells("q", factors=["channel"], brand="b", until="2026Q2")
    assert set(cells.channel) == set(NAMES)
    for name in NAMES:
        assert built.table("responses", brand=name).empty
        assert built.cells(name, factors=[], brand=name, until=name).empty
        assert len(built.sql("SELECT * FROM responses WHERE channel = $c", params={"c": name})) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(SELECT max(day) FROM s0)",
        "1) FROM s0; DROP TABLE s0; --",
        "1; DROP TABLE s0",
        "row_number() OVER ()",
        "*",
        "s0.c0",
        "EXISTS (SELECT 1)",
        "a IN (SELECT 1)",
        "$1",
        "list_transform([1], lambda x: x)",
        "1 FROM range(3)",
        "",
        "1 AS a, 2 AS b",
        "a = 1 --",
        "a /* ",
    ],
)
def test_expressions_are_single_and_scalar(text: str) -> None:
    con = open_memory()
    if text == "a = 1 --":  # a comment at the end is harmless: it is closed by a line break
        assert expression_columns(con, text) == ["a"]
        return
    with pytest.raises(ValueError, match=r"."):
        expression_columns(con, text)


def test_expressions_list_their_columns() -> None:
    con = open_memory()
    text = "CASE WHEN a > 3 AND \"b c\" LIKE 'x%' THEN lower(d) ELSE cast(a AS VARCHAR) END IN ('x', e)"
    assert expression_columns(con, text) == ["a", "b c", "d", "e"]


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("content", "no such column"),
        ("read_text('/etc/hostname')", "fails"),
        ("getenv('HOME')", "fails"),
        ("q1 > 'x' || nothing", "no such column"),
        ("sum(q1) > 1", "fails"),
        ("(SELECT 1)", "is no allowed expression"),
    ],
)
def test_expressions_of_a_params_file_reach_no_file(tmp_path: Path, expression: str, word: str) -> None:
    (tmp_path / "s.csv").write_text("id,day,q1\n1,2026-01-05,5\n")
    tables = {"responses": {"from": "s", "response_id": "id", "date": "day", "segments": {"x": {"expr": expression}}}}
    (problem,) = connect.check(params(tmp_path, brands=["b"], tables=tables))
    assert word in problem.what
    assert problem.value in (expression, "content", "nothing")


def test_a_failing_expression_gives_nothing_for_that_row_only(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,day,n\n1,2026-01-05,5\n2,2026-01-05,0\n3,2026-01-05,\n")
    tables = {
        "responses": {
            "from": "s",
            "response_id": "id",
            "date": "day",
            "segments": {"size": {"expr": "CASE WHEN n > 3 THEN 'big' WHEN n >= 0 THEN 'small' END"}},
        }
    }
    found = store(tmp_path, params(tmp_path, brands=["b"], tables=tables)).table("responses").set_index("response_id")
    assert found["segment:size"].fillna("").to_dict() == {"1": "big", "2": "small", "3": ""}


def test_links_out_of_the_data_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("id,day\n1,2026-01-05\n")
    data = tmp_path / "data"
    data.mkdir()
    (data / "s.csv").symlink_to(tmp_path / "secret.csv")
    problems = connect.check(params(data))
    assert "the file lies outside data_root" in {p.what for p in problems}


def test_passwords_of_databases_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "s3cret!")
    inputs = {"s": {"database": "postgres://ann:${CRM_PASSWORD}@crm.example:5432/x", "table": "t"}}
    found = connect.check(params(tmp_path, inputs=inputs))
    assert found
    assert "s3cret" not in " ".join(map(str, found))
