"""Random files: whatever stands in them, every row and every value is accounted for once."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from connect.make import params, totals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxlab import connect
from cxlab.errors import DataError

CELLS = {
    "id": st.sampled_from(["1", "2", "3", "4", "5", "", "x y", 'a"b', "1.0"]),
    "brand": st.sampled_from(["north", "SOUTH", "nroth", "east", "", "南方", "north\n"]),
    "day": st.sampled_from(["2026-01-05", "2026-05-05", "2020-01-01", "", "soon", "2026-02-30", "20260105"]),
    "how": st.sampled_from(["web", "", "shop, old", "'; DROP TABLE t_responses; --", "a\nb"]),
    "age": st.sampled_from(["30", "", "30.0", "9"]),
    "a": st.sampled_from(["1", "5", "5.0", "9", "n/a", "", "7", "text", " 4 "]),
    "b": st.sampled_from(["1", "2", "", "99"]),
}
ROW = st.tuples(*CELLS.values())
FILES = st.lists(
    st.tuples(st.lists(ROW, max_size=12), st.sets(st.sampled_from(["how", "age", "b"]), max_size=2)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=FILES, data=st.data())
def test_every_row_and_value_is_accounted_for_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[tuple[str, ...]], set[str]]], data: Any
) -> None:
    folder = tmp_path_factory.mktemp("files")
    names = list(CELLS)
    rows_in = 0
    for i, (rows, absent) in enumerate(files):
        kept = [n for n in names if n not in absent]
        with (folder / f"f{i}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(kept)
            for row in rows:
                cells = [v for n, v in zip(names, row, strict=True) if n in kept]
                if data.draw(st.integers(0, 19)) == 0:
                    cells = [*cells, "one too many"]
                writer.writerow(cells)
                rows_in += 1
    given_params = params(
        folder,
        inputs={"s": {"path": "f*.csv", "key": data.draw(st.sampled_from([None, ["id"], ["id", "day"]]))}},
        tables={
            "responses": {
                "from": "s",
                "response_id": data.draw(st.sampled_from([None, "id", {"column": "id", "prefix": "file"}])),
                "brand": "brand",
                "date": "day",
                "channel": {"column": "how", "if_absent": "null"},
                "segments": {"age": "age"},
                "exclude": data.draw(st.sampled_from([{}, {"id": ["3"]}])),
            },
            "ratings": {
                "from": "s",
                "items": {
                    "a": {"column": "a", "scale": "five", "role": "overall"},
                    "b": {"column": "b", "scale": "five", "role": "attribute"},
                },
            },
        },
    )
    found = connect.checkup(given_params)
    fatal = {p.what for p in found.problems}
    if fatal:
        # absent everywhere, nothing left, or one item's values all wrong: said, and nothing is built
        known = ("no such column", "no row of any brand", "has no rows", "no row can be read", "too many values")
        assert all(w.startswith((*known, "is no code", "the header")) for w in fatal)
        with pytest.raises(DataError):
            connect.build(given_params, folder / "store")
        return
    built = connect.open_store(connect.build(given_params, folder / "store"))
    identical = sum("read once" in n for n in found.notices)
    responses, ratings = totals(built, "s", "responses"), totals(built, "s", "ratings")
    if not identical:
        assert responses["rows_in"] == rows_in
    assert ratings["rows_in"] == responses["rows_in"]
    assert responses["rows_used"] == built.count("responses") == ratings["rows_used"]
    assert ratings["values_in"] == 2 * ratings["rows_used"]
    stored = built.table("ratings")
    assert len(stored) == ratings["values_in"] - ratings["values_rejected"]
    assert int(stored.value.notna().sum()) == ratings["values_scored"]
    assert (stored.value.isna() == stored.missing.notna()).all()
    rejects = built.table("rejects")
    assert (rejects.table == "responses").sum() == responses["rows_rejected"]
    assert (rejects.table == "ratings").sum() == ratings["rows_rejected"] + ratings["values_rejected"]
    assert rejects.reason.notna().all()
    assert rejects.line.gt(1).all()
    places = built.table("responses")[["file", "line"]]
    assert not places.duplicated().any()
