"""Files of every format: the same rows, true line numbers, and a clear word about what cannot be read."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
from connect.make import HEADER, params, store, survey, totals

from cxlab import connect
from cxlab.connect import readers
from cxlab.connect.files import SourceFile
from cxlab.errors import DataError, Problem
from cxlab.params import Input

ROWS = "1,north,2026-01-05,web,30,5\n2,south,2026-04-05,web,40,1\n"


def problems(folder: Path, **changes: Any) -> list[Problem]:
    return connect.check(params(folder, **changes))


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, [str(p) for p in found]
    return found[0]


def test_csv_lines_count_headers_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    rows = (
        '1,north,2026-01-05,"a\nb ""c"", d",30,5\n\n2,north,2026-01-06,web,30,4\r\n3,north,2026-01-07,"x\ny\nz",30,3\n'
    )
    found = survey(tmp_path, rows).table("responses").set_index("response_id")
    assert found.line.to_dict() == {"1": 2, "2": 5, "3": 6}
    assert found.channel["1"] == 'a\nb "c", d'


def test_a_quotation_mark_inside_a_field_is_text(tmp_path: Path) -> None:
    found = survey(tmp_path, '1,north,2026-01-05,5" screen,30,5\n2,north,2026-01-05,web,30,4\n').table("responses")
    assert sorted(found.channel) == ['5" screen', "web"]
    assert sorted(found.line) == [2, 3]


def test_a_quotation_mark_never_closed_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + '1,north,2026-01-05,"web,30,5\n2,north,2026-01-05,web,30,4\n')
    problem = only(problems(tmp_path))
    assert problem.line == 2
    assert problem.what.endswith("is a quotation mark opened and never closed?")


def test_rows_with_other_widths_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    built = survey(tmp_path, ROWS + "3,north,2026-01-05\n4,north,2026-01-05,web,30,5,extra\n")
    bad = built.table("rejects")
    bad = bad[bad.table == "responses"].sort_values("line")
    assert list(bad.line) == [4, 5]
    assert list(bad.reason) == ["3 columns where the header has 6", "7 columns where the header has 6"]
    assert totals(built, "s", "responses")["rows_in"] == 4


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = (HEADER + ROWS).replace(",", delimiter)
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    assert store(tmp_path, params(tmp_path)).count("responses") == 2


@pytest.mark.parametrize(
    ("encoding", "given"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("utf-16", "utf-16")]
)
def test_encodings_and_byte_order_marks(tmp_path: Path, encoding: str, given: str) -> None:
    (tmp_path / "s.csv").write_text(HEADER + "1,南方,2026-01-05,门店,30,5\n", encoding=encoding)
    found = store(tmp_path, params(tmp_path, inputs={"s": {"path": "s.csv", "encoding": given}})).table("responses")
    assert (found.brand[0], found.channel[0]) == ("south", "门店")


def test_a_wrong_encoding_names_byte_line_and_a_better_one(tmp_path: Path) -> None:
    head = HEADER + "1,north,2026-01-05,web,30,5\n"
    (tmp_path / "s.csv").write_bytes(head.encode() + "2,南方,2026-01-05,门店,30,5\n".encode("gb18030"))
    problem = only(problems(tmp_path))
    assert problem.line == 3
    assert f"byte {len(head) + 2}" in problem.what
    assert problem.todo == "set encoding: gb18030"


def test_gz_and_decimal_comma(tmp_path: Path) -> None:
    text = "id;brand;day;how;age;q1;w\n1;north;2026-01-05;web;30;5;1.234,5\n2;north;2026-01-05;web;30;5;0,5\n"
    with gzip.open(tmp_path / "s.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write(text)
    given = params(tmp_path, inputs={"s": {"path": "s.csv.gz", "decimal": ","}})
    responses = given.tables.responses[0].model_copy(update={"weight": connect_field("w")})
    tables = given.tables.model_copy(update={"responses": [responses]})
    found = store(tmp_path, given.model_copy(update={"tables": tables})).table("responses")
    assert sorted(found.weight) == [0.5, 1234.5]


def connect_field(column: str) -> Any:
    from cxlab.params import Field

    return Field(column=[column])


def typed_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [1, 2, 3],
            "brand": ["north", "South", " NORTH  star "],
            "day": pd.to_datetime(["2026-01-05", "2026-04-05", "2026-06-30"]),
            "how": ["web", "店", None],
            "age": [30.0, 40.0, None],
            "q1": [5.0, 9.0, None],
        }
    )


def expect_typed(built: connect.Store) -> None:
    found = built.table("responses").set_index("response_id")
    assert found.brand.to_dict() == {"1": "north", "2": "south", "3": "north"}
    assert found["segment:age"].fillna("").to_dict() == {"1": "30", "2": "40", "3": ""}
    assert [str(d)[:10] for d in found.date[["1", "2", "3"]]] == ["2026-01-05", "2026-04-05", "2026-06-30"]
    ratings = built.table("ratings").set_index("response_id")
    assert ratings.value.fillna(-1).to_dict() == {"1": 5, "2": -1, "3": -1}
    assert ratings.missing.fillna("").to_dict() == {"1": "", "2": "refused", "3": "blank"}


def test_parquet(tmp_path: Path) -> None:
    typed_frame().to_parquet(tmp_path / "s.parquet")
    built = store(tmp_path, params(tmp_path, inputs={"s": {"path": "s.parquet"}}))
    expect_typed(built)
    assert sorted(built.table("responses").line) == [1, 2, 3]


def test_excel_sheets_dates_and_row_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["nothing here"])
    sheet = book.create_sheet("answers")
    frame = typed_frame()
    sheet.append(list(frame.columns))
    sheet.append([])
    for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
        sheet.append([v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in row])
    book.save(tmp_path / "s.xlsx")
    built = store(tmp_path, params(tmp_path, inputs={"s": {"path": "s.xlsx", "sheet": "answers"}}))
    expect_typed(built)
    assert sorted(built.table("responses").line) == [3, 4, 5]
    wrong = only(problems(tmp_path, inputs={"s": {"path": "s.xlsx", "sheet": "answer"}}))
    assert (wrong.what, wrong.allowed) == ("no such sheet", "Sheet, answers")


def test_spss_gives_codes_and_labels(tmp_path: Path) -> None:
    frame = typed_frame()
    frame["day"] = frame["day"].dt.strftime("%Y-%m-%d")
    frame["how"] = [1.0, 2.0, None]
    pyreadstat.write_sav(frame, tmp_path / "s.sav", variable_value_labels={"how": {1: "web", 2: "店"}})
    given = params(tmp_path, inputs={"s": {"path": "s.sav"}})
    expect_typed(store(tmp_path, given))
    labelled = given.tables.responses[0].model_copy(update={"channel": connect_field("how:label")})
    tables = given.tables.model_copy(update={"responses": [labelled]})
    built = store(tmp_path, given.model_copy(update={"tables": tables}), "labelled").table("responses")
    assert built.set_index("response_id").channel.fillna("").to_dict() == {"1": "web", "2": "店", "3": ""}


def test_json_lines(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text(
        '{"id": 1, "brand": "north", "day": "2026-01-05", "how": "web", "age": 30, "q1": 5, "a/b~c": 1}\n'
        "\n"
        '{"id": 2, "brand": "south", "day": "2026-04-05", "q1": 9, "how": "店", "age": 40.0}\n'
        '{"id": 3, "brand": \n'
        '{"id": 3, "brand": "North Star", "day": "2026-06-30T23:59:59+08:00", "q1": null}\n',
        encoding="utf-8",
    )
    built = store(tmp_path, params(tmp_path, inputs={"s": {"path": "s.jsonl"}}))
    expect_typed(built)
    assert built.table("responses").set_index("response_id").line.to_dict() == {"1": 1, "2": 3, "3": 5}
    bad = built.table("rejects").query("table == 'responses'")
    assert [(int(line), reason) for line, reason in zip(bad.line, bad.reason, strict=True)] == [
        (4, "is not a JSON object")
    ]


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_database_tables(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = typed_frame()
    frame["day"] = frame["day"].dt.strftime("%Y-%m-%d")
    path = tmp_path / "crm.db"
    if engine == "duckdb":
        with duckdb.connect(str(path)) as con:
            con.register("frame", frame)
            con.execute('CREATE TABLE "an;swers" AS SELECT * FROM frame')
    else:
        con2 = sqlite3.connect(path)
        frame.to_sql("an;swers", con2, index=False)
        con2.close()
    monkeypatch.setenv("CRM_FILE", "crm.db")
    given = params(tmp_path, inputs={"s": {"database": "${CRM_FILE}", "table": "an;swers"}})
    expect_typed(store(tmp_path, given))
    assert connect.fingerprint(given) == connect.fingerprint(given)
    wrong = only(problems(tmp_path, inputs={"s": {"database": "crm.db", "table": "answers"}}))
    assert (wrong.what, wrong.value, wrong.allowed) == ("no such table", "answers", "an;swers")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Return the address of a PostgreSQL server of our own."""
    pytest.importorskip("adbc_driver_postgresql", reason="cxlab[postgres] is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "none").parent]
    if not (programs[-1] / "initdb").is_file():
        pytest.skip("no PostgreSQL server is installed")
    who = {"user": "postgres"} if os.getuid() == 0 else {}  # the server refuses to run as root
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        if who:
            shutil.chown(folder, "postgres")
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        initdb = [programs[-1] / "initdb", "-D", f"{folder}/db", "-U", "cx", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **who)
        serve = [programs[-1] / "postgres", "-D", f"{folder}/db", "-p", port, "-k", folder]
        with subprocess.Popen(serve, stderr=subprocess.DEVNULL, cwd=folder, **who) as server:
            try:
                for _ in range(100):
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                            break
                    time.sleep(0.1)
                yield f"postgresql://cx:secret@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)


def test_tables_of_a_postgresql_server(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres) as con, con.cursor() as cursor:
        cursor.execute('CREATE TABLE "an;swers" (id INT, brand TEXT, day DATE, how TEXT, age NUMERIC, q1 FLOAT8)')
        cursor.execute(
            """INSERT INTO "an;swers" VALUES (1, 'north', '2026-01-05', 'web', 30.00, 5),
            (2, 'South', '2026-04-05', '店', 40, 9), (3, ' NORTH  star ', '2026-06-30', NULL, NULL, NULL)"""
        )
        con.commit()
    monkeypatch.setenv("CRM", postgres)
    given = params(tmp_path, inputs={"s": {"database": "${CRM}", "table": "an;swers"}})
    expect_typed(store(tmp_path, given))
    assert connect.fingerprint(given) == connect.fingerprint(given)
    wrong = only(problems(tmp_path, inputs={"s": {"database": "${CRM}", "table": "answers"}}))
    assert (wrong.what, wrong.value, wrong.allowed) == ("no such table", "answers", "an;swers")
    assert "secret" not in str(wrong)


def test_an_engine_or_driver_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"s": {"database": "oracle://me:secret@host/db", "table": "answers"}}
    problem = only(problems(tmp_path, inputs=given))
    assert (problem.what, problem.value) == ("cannot read this engine", "oracle")
    assert "postgresql://" in problem.allowed
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    problem = only(problems(tmp_path, inputs={"s": {"database": "postgres://me:secret@host/db", "table": "t"}}))
    assert (problem.what, problem.todo) == ("no driver for postgres is installed", "pip install 'cxlab[postgres]'")


def test_what_cannot_be_read_is_said_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no parquet at all")
    (tmp_path / "headless.csv").write_text("id,brand\n")
    (tmp_path / "survey.csv").write_text(HEADER + ROWS)
    (tmp_path / "data.xyz").write_text("?")
    found = problems(
        tmp_path,
        inputs={
            "a": {"path": "empty.csv"},
            "b": {"path": "damaged.parquet"},
            "c": {"path": "headless.csv"},
            "e": {"path": "survei.csv"},
            "f": {"path": "data.xyz"},
            "g": {"path": "../outside.csv"},
            "h": {"path": "*.sav"},
            "s": {"path": "survey.csv", "encoding": "latin-99"},
        },
    )
    said = {p.what.split(":")[0]: p for p in found}
    assert set(said) == {
        "the file is empty",
        "cannot be read as parquet",
        "has no rows",
        "no such file",
        "the file's ending does not tell its format",
        "a path must stay below data_root",
        "no file matches",
        "unknown encoding",
    }
    assert said["no such file"].nearest == "survey.csv"


def test_an_unset_variable_and_a_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_PLACE", raising=False)
    assert "NO_SUCH_PLACE is not set" in only(problems(tmp_path, data_root="${NO_SUCH_PLACE}/x")).what
    assert only(problems(tmp_path, data_root=str(tmp_path / "nowhere"))).what == "the data folder does not exist"


def test_identical_files_of_overlapping_globs_are_read_once_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROWS)
    (tmp_path / "again.csv").write_text(HEADER + ROWS)
    given = params(tmp_path, inputs={"s": {"path": ["a*.csv", "a.csv", "*.csv"]}})
    assert store(tmp_path, given).count("responses") == 2
    assert connect.checkup(given).notices == ["s: again.csv holds the same bytes as a.csv and is read once"]


def test_waves_with_renamed_columns(tmp_path: Path) -> None:
    (tmp_path / "w1.csv").write_text("ID,brand,day,Q1\n1,north,2026-01-05,5\n")
    (tmp_path / "w2.csv").write_text("NR,brand,day,Q1_new,age\n1,north,2026-04-05,4,30\n")
    inputs = {"s": {"path": "w{wave}.csv", "waves": [1, 2]}}
    tables = {
        "responses": {
            "from": "s",
            "response_id": {"column": ["ID", "NR"], "prefix": "wave"},
            "brand": "brand",
            "date": "day",
            "segments": {"age": "age"},
        },
        "ratings": {
            "from": "s",
            "items": {
                "q": {"column": ["Q1", "Q1_new"], "scale": "five", "role": "overall"},
                "new": {"column": "Q1_new", "scale": "five", "role": "attribute"},
            },
        },
    }
    built = store(tmp_path, params(tmp_path, inputs=inputs, tables=tables))
    ratings = built.table("ratings").set_index(["response_id", "item"])
    assert ratings.value.dropna().to_dict() == {("1-1", "q"): 5, ("2-1", "q"): 4, ("2-1", "new"): 4}
    assert ratings.missing.dropna().to_dict() == {("1-1", "new"): "never_asked"}
    counts = totals(built, "s", "ratings")
    assert (counts["values_in"], counts["values_scored"], counts["never_asked"]) == (4, 3, 1)

    (tmp_path / "w2.csv").write_text("NR,brand,day,Q1,Q1_new,age\n1,north,2026-04-05,4,4,30\n")
    two = only(problems(tmp_path, inputs=inputs, tables=tables))
    assert (two.what, two.value, two.file) == ("two of the alternative columns exist", "Q1 and Q1_new", "w2.csv")


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,brand,dya,how,age,question_1\n1,north,2026-01-05,web,30,5\n")
    found = {p.where: p for p in problems(tmp_path)}
    assert found["tables.responses[0].date"].nearest == "dya"
    assert found["tables.ratings[0].items.overall"].nearest == ""
    with pytest.raises(DataError) as error:
        store(tmp_path, params(tmp_path))
    assert len(error.value.problems) == 2
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_plain_files_are_read_alike_by_the_fast_and_the_careful_way(tmp_path: Path, ending: str, last: bool) -> None:
    lines = ["id;brand;day;how", "", "1;north;2026-01-05;", "2;south;2026-01-06;a b", "", "", "3;北;2026-01-07;门店"]
    plain, quoted = tmp_path / "plain.csv", tmp_path / "quoted.csv"
    text = ending.join(lines) + (ending if last else "")
    plain.write_bytes(text.encode())
    quoted.write_bytes((text.replace("a b", '"a b"')).encode())
    item = Input(path=["x"])
    fast, slow = (pa.concat_tables(list(readers._csv(p, item))) for p in (plain, quoted))
    assert fast.to_pydict() == slow.to_pydict()
    assert fast["_line"].to_pylist() == [3, 4, 7]
    assert readers._plain_csv(plain, "utf-8", ";") is not None
    assert readers._plain_csv(quoted, "utf-8", ";") is None


def test_a_decimal_comma_is_for_texts_not_for_typed_cells(tmp_path: Path) -> None:
    """1.234 in a Parquet file is not one thousand two hundred and thirty-four."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cxlab import connect
    from cxlab.params.models import Params

    pq.write_table(pa.table({"day": ["2026-01-05"], "amount": [1.234]}), tmp_path / "orders.parquet")
    (tmp_path / "orders.csv").write_text("day;amount\n2026-01-05;1,5\n", encoding="utf-8")
    found = []
    for name in ("orders.parquet", "orders.csv"):
        params = Params.model_validate(
            {
                "client": "me",
                "data_root": str(tmp_path),
                "brands": ["one"],
                "periods": {"grain": "year", "first": 2026, "last": 2026},
                "inputs": {"orders": {"path": name, "decimal": ","}},
                "tables": {"transactions": {"from": "orders", "date": "day", "amount": "amount"}},
            }
        )
        store = connect.open_store(connect.build(params, tmp_path / f"store_{name}"))
        found.append(float(store.table("transactions")["amount"].iloc[0]))
    assert found == [1.234, 1.5]


def test_headers_of_several_lines_titles_and_names_used_twice(tmp_path: Path) -> None:
    def header(text: str, **how: object) -> list[str]:
        (tmp_path / "s.csv").write_text(text, encoding="utf-8")
        item = Input(path=["s.csv"], **how)
        source = SourceFile(tmp_path / "s.csv", "s.csv", "csv", None, "")
        (table,) = readers.read(source, item, root=str(tmp_path))
        assert isinstance(table, pa.Table)
        assert table.num_rows == 1
        assert table["_line"].to_pylist() == [text.count("\n")]
        return table.column_names[1:]

    assert header('id,"why",why\n1,2,3\n') == ["id", "why", "why (2)"]
    assert header("Q1,Q2\nHow much,Why\n1,2\n", header_lines=2) == ["Q1", "Q2"]
    assert header("id,rate,\n,Bill,Line\n1,2,3\n", header_lines=2) == ["id", "rate - Bill", "rate - Line"]
    assert header("Guests of 2026,\nremark,\nid,score\n1,2\n", skip_lines=2) == ["id", "score"]
    assert header("sep=;\nid;score\n1;2\n") == ["id", "score"]
