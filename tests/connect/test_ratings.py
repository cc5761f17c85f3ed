"""Wide and long answers: one bad value rejects that value, four kinds of missing stay apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connect.make import params, store, totals

from cxlab import connect


def test_one_bad_value_rejects_that_value_only(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "id,brand,day,how,a,b\n1,north,2026-01-05,web,5,7\n2,north,2026-01-05,web,9,\n3,north,2026-01-05,app,n/a,4.0\n"
    )
    tables = {
        "responses": {"from": "s", "response_id": "id", "brand": "brand", "date": "day", "channel": "how"},
        "ratings": {
            "from": "s",
            "items": {
                "a": {"column": "a", "scale": "five", "role": "overall"},
                "b": {"column": "b", "scale": "five", "role": "attribute", "touchpoint": "till"},
                "c": {"column": ["c", "cc"], "scale": "five", "role": "attribute"},
            },
        },
    }
    (problem,) = connect.check(params(tmp_path, tables=tables))
    assert (problem.what, problem.value) == ("no such column", "c or cc")
    del tables["ratings"]["items"]["c"]  # type: ignore[attr-defined]
    built = store(tmp_path, params(tmp_path, tables=tables))
    found = built.table("ratings").set_index(["response_id", "item"])
    assert found.value.dropna().to_dict() == {("1", "a"): 5, ("3", "b"): 4}
    assert found.missing.dropna().to_dict() == {("2", "a"): "refused", ("2", "b"): "blank", ("3", "a"): "not_used"}
    assert found.touchpoint.dropna().to_dict() == {("2", "b"): "till", ("3", "b"): "till"}
    bad = built.table("rejects")
    assert bad[["line", "column", "value", "table"]].values.tolist() == [[2, "b", "7", "ratings"]]
    counts = totals(built, "s", "ratings")
    assert (counts["rows_in"], counts["rows_used"], counts["values_in"]) == (3, 3, 6)
    assert (counts["values_scored"], counts["refused"], counts["blank"]) == (2, 1, 1)
    assert (counts["not_used"], counts["values_rejected"]) == (1, 1)
    by_channel = built.table("reconciliation").query("table == 'ratings'").set_index("channel")
    assert by_channel.values_rejected.to_dict() == {"app": 0, "web": 1}


def test_an_item_that_does_not_fit_its_scale_stops_the_run(tmp_path: Path) -> None:
    rows = "".join(f"{i},north,2026-01-05,web,30,{10 if i % 2 else 5}\n" for i in range(10))
    (tmp_path / "s.csv").write_text("id,brand,day,how,age,q1\n" + rows)
    found = connect.check(params(tmp_path, limits={"max_reject_share": 0.05}))
    assert found[0].what == "too many values of item overall are rejected"
    assert found[0].value == "5 of 10"
    assert (found[1].value, found[1].line) == ("10", 3)


LONG = "rid,brand,day,question,score\n1,north,2026-01-05,Overall,5\n1,north,2026-01-05,staff,9\n" + (
    "2,north,2026-01-05,stafff,4\n2,north,2026-01-05,overall,8\n2,north,2026-01-05,parking,4\n2,north,2026-01-05,staff,3\n"
    "2,north,2026-01-05,staff,2\n3,east,2026-01-05,overall,4\n"
)


def long(folder: Path, **ratings: Any) -> connect.Store:
    (folder / "s.csv").write_text(LONG)
    tables = {
        "responses": {"from": "s", "response_id": "rid", "brand": "brand", "date": "day"},
        "ratings": {
            "from": "s",
            "shape": "long",
            "item": "question",
            "value": "score",
            "items": {
                "overall": {"column": "overall", "scale": "five", "role": "overall"},
                "people": {"column": ["staff"], "scale": "five", "role": "attribute", "touchpoint": "desk"},
            },
        }
        | ratings,
    }
    return store(folder, params(folder, tables=tables))


def test_long_files_give_one_response_of_several_rows(tmp_path: Path) -> None:
    built = long(tmp_path)
    assert list(built.table("responses").response_id) == ["1", "2"]
    found = built.table("ratings").set_index(["response_id", "item"])
    assert found.value.dropna().to_dict() == {("1", "overall"): 5, ("2", "people"): 3}
    assert found.missing.dropna().to_dict() == {("1", "people"): "refused"}
    bad = built.table("rejects").set_index("line")
    assert bad.reason.to_dict() == {
        4: "is no item; did you mean people?",
        5: "is no code of scale five (1, 2, 3, 4, 5) nor declared missing",
        8: "this response answered the item already in line 7",
    }
    assert set(bad.table) == {"ratings"}
    responses, ratings = totals(built, "s", "responses"), totals(built, "s", "ratings")
    assert (responses["rows_used"], responses["rows_out_of_scope"]) == (7, 1)
    assert (ratings["rows_used"], ratings["rows_out_of_scope"], ratings["rows_rejected"]) == (3, 2, 3)


def test_ratings_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rid,brand,day\n1,north,2026-01-05\n2,north,2020-01-05\n3,north,bad\n")
    (tmp_path / "s.csv").write_text("nr,q\n1.0,5\n2,4\n3,4\n,4\n1,3\n9,1\n")
    tables = {
        "responses": {"from": "r", "response_id": "rid", "brand": "brand", "date": "day"},
        "ratings": {
            "from": "s",
            "response_id": "nr",
            "items": {"q": {"column": "q", "scale": "five", "role": "overall"}},
        },
    }
    inputs = {"r": {"path": "r.csv"}, "s": {"path": "s.csv"}}
    built = store(tmp_path, params(tmp_path, inputs=inputs, tables=tables))
    assert built.table("ratings")[["response_id", "value", "period"]].values.tolist() == [["1", 5.0, "2026Q1"]]
    bad = built.table("rejects").query("source == 's'").set_index("line")
    assert bad.reason.to_dict() == {
        4: "no response has this id",
        5: "has no response id",
        6: "ratings of this response stand already in line 2",
        7: "no response has this id",
    }
    counts = totals(built, "s", "ratings")
    assert (counts["rows_used"], counts["rows_out_of_scope"], counts["rows_rejected"]) == (1, 1, 4)


def test_an_empty_cell_is_what_the_scale_says() -> None:
    from cxlab.connect.ratings import code_of
    from cxlab.params.models import Item, Scale

    item = Item.model_validate({"column": "a", "scale": "s", "role": "attribute"})
    declared = Scale.model_validate({"codes": [1, 2, 3], "missing": {"": "not_used"}})
    assert [code_of(v, item, declared).missing for v in (None, "", "  ")] == ["not_used"] * 3
    assert code_of("", item, Scale.model_validate({"codes": [1, 2, 3]})).missing == "blank"
