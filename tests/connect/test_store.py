"""Reading a store: counts, weights, restricted queries, partitions; writing it all or nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from connect.make import HEADER, params, store

from cxlab import connect
from cxlab.connect import Store
from cxlab.connect.stage import connect as connect_memory
from cxlab.errors import DataError
from cxlab.vocab import TABLES, UNKNOWN

DAYS = {
    "2026-01-05": "1,north,2026-01-05,web,30,5\n2,north,2026-01-05,shop,,4\n3,south,2026-01-05,web,30,1\n",
    "2026-02-05": "4,north,2026-02-05,web,40,5\n5,north,2026-02-05,web,40,9\n",
    "2026-05-05": "6,north,2026-05-05,web,30,2\n7,south,2026-05-05,web,30,2\n",
}


def daily(folder: Path, days: list[str], name: str, header: str = HEADER) -> Store:
    data = folder / name
    data.mkdir()
    for day in days:
        (data / f"{day}.csv").write_text(header + DAYS[day])
    return store(folder, params(data, inputs={"s": {"path": "*.csv"}}), f"{name}-store")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return daily(tmp_path_factory.mktemp("store"), list(DAYS), "all")


def test_cells_count_answers_by_groups_period_and_code(built: Store) -> None:
    cells = built.cells("overall", factors=["segment:age", "channel"], brand="north", until="2026Q2")
    assert sorted(cells.values.tolist()) == sorted(
        [
            [UNKNOWN, "shop", "2026Q1", 4, 1, 1.0],
            ["30", "web", "2026Q1", 5, 1, 1.0],
            ["30", "web", "2026Q2", 2, 1, 1.0],
            ["40", "web", "2026Q1", 5, 1, 1.0],
        ]
    )
    assert list(cells.columns) == ["segment:age", "channel", "period", "code", "n_raw", "n"]
    assert set(built.cells("overall", factors=[], brand="north", until="2026Q1").period) == {"2026Q1"}
    assert built.cells("overall", factors=[], brand="north", until="2026Q2", since="2026Q2").n_raw.sum() == 1
    both = built.cells("overall", factors=["brand"], brand=None, until=None)
    assert both.groupby("brand").n_raw.sum().to_dict() == {"north": 4, "south": 2}
    assert built.cells("nothing", factors=["touchpoint"], brand="north", until="2026Q2").empty


def test_weighted_cells_add_up_to_the_effective_sample_size(tmp_path: Path) -> None:
    weights = [1.0, 2.0, 4.0, 0.5, 0.5]
    rows = "".join(f"{i},north,2026-0{1 + 3 * (i > 3)}-05,web,30,{1 + i % 5},{w}\n" for i, w in enumerate(weights, 1))
    rows += "9,north,2026-01-05,web,30,,100\n"  # no answer: its weight must not count
    (tmp_path / "s.csv").write_text("id,brand,day,how,age,q1,w\n" + rows)
    given = params(tmp_path)
    tables = given.tables.model_dump(by_alias=True, exclude_unset=True)
    tables["responses"][0]["weight"] = "w"
    cells = store(tmp_path, params(tmp_path, tables=tables)).cells(
        "overall", factors=[], brand="north", until="2026Q2", weighting="survey"
    )
    n = cells.groupby("period").n.sum()
    assert n["2026Q1"] == pytest.approx(7**2 / (1 + 4 + 16))
    assert n["2026Q2"] == pytest.approx(2.0)  # equal weights lose nothing, whatever their size
    first = cells[cells.period == "2026Q1"].set_index("code").n
    assert (first / first.sum()).to_dict() == pytest.approx({2: 1 / 7, 3: 2 / 7, 4: 4 / 7})


def test_tables_by_brand_and_period(built: Store) -> None:
    assert built.tables()[:9] == list(TABLES)
    found = built.table("responses", brand="north", until="2026Q1", columns=["response_id", "period"])
    assert sorted(found.response_id) == ["1", "2", "4", "5"]
    assert list(found.columns) == ["response_id", "period"]
    assert list(built.table("responses", brand="north", since="2026Q2").response_id) == ["6"]
    assert built.count("ratings", brand="south") == 2
    for call in (lambda: built.table("respnses"), lambda: built.table("responses", columns=["perid"])):
        with pytest.raises(DataError) as error:
            call()
        assert error.value.problems[0].nearest in ("responses", "period")
    with pytest.raises(DataError, match="segment:age"):
        built.cells("overall", factors=["segment:agee"], brand="north", until="2026Q2")


def test_items_factors_and_units(built: Store) -> None:
    items = built.items("north", "2026Q2")
    assert items[["item", "role", "scale", "period", "n"]].values.tolist() == [
        ["overall", "overall", "five", "2026Q1", 3],
        ["overall", "overall", "five", "2026Q2", 1],
    ]
    assert built.factors("overall", "north", "2026Q2").values.tolist() == [["segment:age", 2, 3], ["channel", 2, 4]]
    assert built.factors("overall", "south", "2026Q2").empty
    units = built.units()[["brand", "period", "responses", "transactions"]].values.tolist()
    assert units == [
        ["north", "2026Q1", 4, 0],
        ["north", "2026Q2", 1, 0],
        ["south", "2026Q1", 1, 0],
        ["south", "2026Q2", 1, 0],
    ]


def test_sql_sees_nothing_of_others_or_later(built: Store) -> None:
    query = "SELECT brand, max(period) AS last, count(*) AS n FROM responses GROUP BY brand"
    assert built.sql(query, brand="north", until="2026Q1").values.tolist() == [["north", "2026Q1", 4]]
    shadow = "WITH responses AS (SELECT * FROM responses) SELECT count(*) AS n FROM responses"
    assert built.sql(shadow, brand="north", until="2026Q1").n[0] == 4
    joined = "SELECT count(*) AS n FROM ratings t WHERE t.response_id IN (SELECT response_id FROM RESPONSES)"
    assert built.sql(joined, brand="south", until="2026Q1").n[0] == 1
    assert built.sql("SELECT count(*) AS n FROM responses WHERE channel = $c", params={"c": "shop"}).n[0] == 1
    assert built.sql("SELECT ? + 1 AS n", params=[1]).n[0] == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{path}/responses.parquet')",
        "SELECT * FROM '{path}/responses.parquet'",
        "SELECT * FROM main.responses",
        "SELECT * FROM memory.main.responses",
        "SELECT (SELECT max(period) FROM memory.main.responses)",
        "SELECT * FROM query_table('responses')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM glob('/*')",
        "SELECT read_text FROM read_text('/etc/hostname')",
        "COPY responses TO '/tmp/x'",
        "DROP VIEW responses",
        "ATTACH '/tmp/x'",
        "SET enable_external_access = true",
        "SELECT 1; DROP VIEW responses",
        "PRAGMA database_list",
        "SELECT * FROM nobody",
        "SELECT nothing FROM responses",
        "SELEC 1",
    ],
)
def test_sql_allows_one_select_over_the_tables(built: Store, query: str) -> None:
    with pytest.raises(DataError):
        built.sql(query.replace("{path}", str(built.path)), brand="north", until="2026Q1")
    assert built.count("responses") == 7


def test_a_days_file_changes_only_its_own_partitions(tmp_path: Path) -> None:
    two = daily(tmp_path, ["2026-01-05", "2026-02-05"], "two")
    three = daily(tmp_path, list(DAYS), "three")
    before, after = two.partitions(), three.partitions()
    assert {k: after[k] for k in before} == before
    new = set(after) - set(before)
    assert {(t, b, p) for t, b, p in new} == {
        (t, b, "2026Q2") for t in ("responses", "ratings") for b in ("north", "south")
    }


def test_partitions_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    one = daily(tmp_path, ["2026-01-05"], "one")
    lines = DAYS["2026-01-05"].splitlines(keepends=True)
    DAYS["mixed"] = "".join(reversed(lines))
    DAYS["changed"] = DAYS["2026-01-05"].replace("web,30,5", "web,30,4")
    assert daily(tmp_path, ["mixed"], "mixed").partitions() == one.partitions()
    changed = daily(tmp_path, ["changed"], "changed").partitions()
    assert {k for k, v in changed.items() if one.partitions()[k] != v} == {("ratings", "north", "2026Q1")}
    del DAYS["mixed"], DAYS["changed"]


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + DAYS["2026-01-05"])
    given = params(tmp_path)
    first = connect.fingerprint(given)
    store(tmp_path, given)
    stamps = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "store").iterdir()}
    assert connect.build(given, tmp_path / "store") == tmp_path / "store"
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "store").iterdir()} == stamps
    assert connect.fingerprint(given) == first
    labelled = params(tmp_path, label="Another name", segment_labels={"age": "Age"})
    assert connect.fingerprint(labelled) == first  # names on pages do not shape the tables


@pytest.mark.parametrize(
    "change", [{"first_party_only": True}, {"unlinked": {"brand": "keep"}}, {"directory": {"max_cluster": 3}}]
)
def test_the_fingerprint_follows_what_shapes_the_tables(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "s.csv").write_text(HEADER + DAYS["2026-01-05"])
    first = connect.fingerprint(params(tmp_path))
    assert connect.fingerprint(params(tmp_path, **change)) != first
    assert connect.fingerprint(params(tmp_path), key=b"other") != first
    (tmp_path / "s.csv").write_text(HEADER + DAYS["2026-02-05"])
    assert connect.fingerprint(params(tmp_path)) != first


def test_builds_at_the_same_time_end_in_one_store(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + "".join(DAYS.values()))
    given = params(tmp_path)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            connect.build(given, tmp_path / "dest")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dest", "s.csv"]
    assert connect.open_store(tmp_path / "dest").count("responses") == 7


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.csv").write_text(HEADER + DAYS["2026-01-05"])

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("cxlab.connect.reconcile.summary", broken)
    with pytest.raises(OSError, match="no space left"):
        connect.build(params(tmp_path), tmp_path / "dest")
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]
    with pytest.raises(DataError, match="no finished store"):
        connect.open_store(tmp_path / "dest")


def test_every_table_has_the_columns_of_the_vocabulary(built: Store) -> None:
    for name, table in TABLES.items():
        columns = built.columns(name)
        assert columns[: len(table.columns)] == [c.name for c in table.columns]
        assert [c for c in columns if c.startswith("segment:")] == (["segment:age"] if table.segments else [])


def test_summary_tells_sources_and_counts(built: Store) -> None:
    summary = built.summary
    assert summary["tables"]["responses"] == {"rows": 7, "first": "2026Q1", "last": "2026Q2"}
    assert [f["file"] for f in summary["sources"]["s"]] == [f"{d}.csv" for d in DAYS]
    assert summary["values"] == {"refused": 1, "scored": 6}
    assert isinstance(built.table("reconciliation"), pd.DataFrame)


def test_what_does_not_fit_into_memory_never_goes_to_the_working_folder(built: Store) -> None:
    made = connect_memory()
    for con in (made, built._con):
        (place,) = con.execute("SELECT current_setting('temp_directory')").fetchall()[0]
        assert Path(place).is_absolute()
        assert not Path(place).exists()
