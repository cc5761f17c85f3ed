"""Which rows are used, out of scope or rejected, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from connect.make import HEADER, params, store, survey, totals

from cxlab import connect
from cxlab.connect import Store
from cxlab.connect.rows import typo_of
from cxlab.errors import DataError


def reasons(built: Store, table: str = "responses") -> dict[int, str]:
    found = built.table("rejects")
    found = found[found.table == table]
    return {int(line): reason for line, reason in zip(found.line, found.reason, strict=True)}


def test_brands_by_id_or_label_in_any_case(tmp_path: Path) -> None:
    rows = "".join(f"{i},{b},2026-01-05,web,30,5\n" for i, b in enumerate(["NORTH", "north  star", "South", "南方"]))
    found = survey(tmp_path, rows).table("responses").set_index("response_id")
    assert found.brand.to_dict() == {"0": "north", "1": "north", "2": "south", "3": "south"}


def test_a_slip_in_a_brand_is_rejected_another_brand_is_out_of_scope_none_is_rejected(tmp_path: Path) -> None:
    rows = "".join(f"{i},{b},2026-01-05,web,30,5\n" for i, b in enumerate(["nrth star", "East", "", "north"]))
    built = survey(tmp_path, rows)
    assert reasons(built) == {2: "is no brand; did you mean north?", 4: "has no brand"}
    counts = totals(built, "s", "responses")
    assert (counts["rows_in"], counts["rows_used"], counts["rows_out_of_scope"], counts["rows_rejected"]) == (
        4,
        1,
        1,
        2,
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [("nroth", "north"), ("souht", "south"), ("north 2", None), ("east", None), ("brand b", None), ("soouth", "south")],
)
def test_slips_are_told_from_other_names(value: str, meant: str | None) -> None:
    assert typo_of(value, {"north": "north", "south": "south", "north 1": "n1", "brand a": "a"}) == meant


def test_unlinked_brands_may_be_kept(tmp_path: Path) -> None:
    built = survey(tmp_path, "1,,2026-01-05,web,30,5\n", unlinked={"brand": "keep"})
    assert built.table("responses").brand.isna().all()
    assert len(built.table("ratings", brand="north")) == 0


def test_brands_by_where_the_only_brand_and_two_at_once(tmp_path: Path) -> None:
    brands = [
        {"id": "web", "label": "Web", "where": {"how": ["WEB", "app"]}},
        {"id": "old", "label": "Old", "where": {"age": [60, 70]}},
    ]
    rows = "1,x,2026-01-05,Web,30,5\n2,x,2026-01-05,shop,60.0,5\n3,x,2026-01-05,app,70,5\n4,x,2026-01-05,shop,30,5\n"
    rows += "5,x,2026-01-05,,,5\n"
    (tmp_path / "s.csv").write_text(HEADER + rows)
    given = params(tmp_path, brands=brands)
    responses = given.tables.responses[0].model_copy(update={"brand": None})
    given = given.model_copy(update={"tables": given.tables.model_copy(update={"responses": [responses]})})
    built = store(tmp_path, given)
    assert built.table("responses").set_index("response_id").brand.to_dict() == {"1": "web", "2": "old"}
    assert reasons(built) == {4: "belongs to two brands", 6: "has no brand (no link)"}
    assert totals(built, "s", "responses")["rows_out_of_scope"] == 1

    unsaid = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]
    (problem,) = connect.check(given.model_copy(update={"brands": params(tmp_path, brands=unsaid).brands}))
    assert problem.what == "nothing tells the brand of a row"
    one = given.model_copy(update={"brands": params(tmp_path, brands=["solo"]).brands})
    assert set(store(tmp_path, one, "one").table("responses").brand) == {"solo"}


def test_dates_decide_the_period_and_the_scope(tmp_path: Path) -> None:
    days = [
        "2025-12-31",
        "2026-01-01",
        "2026-03-31",
        "2026-04-01",
        "2026-06-30T23:59:59Z",
        "2026-07-01",
        "x",
        "",
        "1.1.26",
    ]
    rows = "".join(f"{i},north,{d},web,30,5\n" for i, d in enumerate(days))
    built = survey(tmp_path, rows)
    assert built.table("responses").set_index("response_id").period.to_dict() == {
        "1": "2026Q1", "2": "2026Q1", "3": "2026Q2", "4": "2026Q2",
    }  # fmt: skip
    assert reasons(built) == {
        8: "is no date (year first; else give a format)",
        9: "has no date",
        10: "is no date (year first; else give a format)",
    }
    history = {"grain": "quarter", "first": "2026Q1", "last": "2026Q2", "history_from": "2025Q4"}
    assert params(tmp_path, periods=history).periods.history_from == "2025Q4"
    assert store(tmp_path, params(tmp_path, periods=history), "h").count("responses") == 5


def test_period_labels_in_a_column(tmp_path: Path) -> None:
    labels = ["2026Q1", "2026-q2", "2026 Q1", "2026", "2026Q5", "", "2025Q1"]
    rows = "".join(f"{i},north,{d},web,30,5\n" for i, d in enumerate(labels))
    (tmp_path / "s.csv").write_text(HEADER + rows)
    given = params(tmp_path)
    field = given.tables.responses[0].date
    responses = given.tables.responses[0].model_copy(update={"date": None, "period": field})
    built = store(
        tmp_path, given.model_copy(update={"tables": given.tables.model_copy(update={"responses": [responses]})})
    )
    assert sorted(built.table("responses").period) == ["2026Q1", "2026Q1", "2026Q2"]
    assert reasons(built) == {
        5: "is no quarter such as 2017Q1",
        6: "is no quarter such as 2017Q1",
        7: "has no period",
    }


def test_repeated_keys_and_ids(tmp_path: Path) -> None:
    rows = "1,north,2026-01-05,web,30,5\n1,north,2026-01-05,web,30,4\n,north,2026-01-05,web,30,4\n"
    built = survey(tmp_path, rows)
    assert reasons(built) == {3: "the id stands already in line 2", 4: "has no id"}
    assert list(built.table("ratings").value) == [5]

    (tmp_path / "k.csv").write_text(HEADER + rows.replace("\n,north", "\n7,north"))
    keyed = store(tmp_path, params(tmp_path, inputs={"s": {"path": "k.csv", "key": ["id"]}}), "keyed")
    assert reasons(keyed) == {3: "the key stands already in k.csv line 2"}
    assert totals(keyed, "s", "responses")["rows_rejected"] == 1
    assert totals(keyed, "s", "ratings")["rows_rejected"] == 1


def test_where_and_exclude_put_rows_out_of_scope(tmp_path: Path) -> None:
    rows = "1,north,2026-01-05,web,30,5\n2,north,bad date,shop,30,5\n3,north,2026-01-05,web,99,5\n"
    (tmp_path / "s.csv").write_text(HEADER + rows)
    given = params(tmp_path)
    update = {"where": {"how": ["Web"]}, "exclude": {"age": ["99"]}}
    responses = given.tables.responses[0].model_copy(update=update)
    built = store(
        tmp_path, given.model_copy(update={"tables": given.tables.model_copy(update={"responses": [responses]})})
    )
    assert list(built.table("responses").response_id) == ["1"]
    assert totals(built, "s", "responses")["rows_out_of_scope"] == 2
    assert reasons(built) == {}


def test_too_many_rejects_stop_the_build_with_reasons_and_examples(tmp_path: Path) -> None:
    rows = "1,north,2026-01-05,web,30,5\n2,north,soon,web,30,7\n3,north,later,web,30,5\n"
    (tmp_path / "s.csv").write_text(HEADER + rows)
    found = connect.check(params(tmp_path, limits={"max_reject_share": 0.1}))
    share = next(p for p in found if p.what == "too many rows are rejected" and p.where == "s -> responses")
    assert share.value == "2 of 3 (66.7%)"
    reason = next(p for p in found if p.what.startswith("is no date"))
    assert (reason.line, reason.where, reason.value, reason.file) == (3, "day", "soon", "s.csv")
    with pytest.raises(DataError, match="too many rows are rejected"):
        connect.build(params(tmp_path, limits={"max_reject_share": 0.1}), tmp_path / "dest")
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_nothing_in_the_periods_is_an_error_one_empty_brand_a_notice(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + "1,north,2020-01-05,web,30,5\n")
    (problem,) = connect.check(params(tmp_path))
    assert problem.what == "no row of any brand falls into the periods"
    (tmp_path / "s.csv").write_text(HEADER + "1,north,2026-01-05,web,30,5\n")
    found = connect.checkup(params(tmp_path))
    assert (found.problems, found.notices) == ([], ["brand south has no rows"])


def shop(tmp_path: Path, **changes: Any) -> Store:
    (tmp_path / "sales.csv").write_text(
        "tid,who,day,cents,kind,basket\nt1,a,2026-01-05,1250,purchase,o1\nt2,a,2026-01-09,250,Return,o1\n"
        "t3,,2026-02-01,x,purchase,o2\nt4,b,2026-02-01,,purchase,o3\n"
    )
    (tmp_path / "calls.csv").write_text(
        "cid,who,day,promised,done\n1,a,2026-01-05,2026-01-03,2026-01-05\n2,b,2026-01-06,2026-01-09,2026-01-06\n"
        "3,b,2026-01-06,,2026-01-06\n"
    )
    data = {
        "client": "shop",
        "brands": ["solo"],
        "periods": {"grain": "month", "first": "2026-01", "last": "2026-02"},
        "inputs": {"sales": {"path": "sales.csv"}, "calls": {"path": "calls.csv"}},
        "tables": {
            "transactions": {
                "from": "sales", "transaction_id": "tid", "customer": "who", "date": "day", "kind": "kind",
                "amount": {"column": "cents", "factor": 0.01}, "group": "basket",
            },
            "interactions": {
                "from": "calls", "customer": "who", "date": "day", "touchpoint": "delivery", "kind": "delivery",
                "outcome": {"late": "done > promised", "any": "true"},
            },
        },
        "limits": {"max_reject_share": 1.0},
    }  # fmt: skip
    return store(tmp_path, params(tmp_path, data | changes))


def test_transactions_units_signs_and_baskets(tmp_path: Path) -> None:
    built = shop(tmp_path)
    found = built.table("transactions").set_index("transaction_id")
    assert found.amount.fillna(-1).to_dict() == {"t1": 12.5, "t2": -2.5, "t4": -1}
    assert found.kind.to_dict() == {"t1": "purchase", "t2": "return", "t4": "purchase"}
    assert found.link.to_dict() == {"t1": "o1", "t2": "o1", "t4": "o3"}
    assert reasons(built, "transactions") == {4: "is no number"}


def test_interactions_constants_and_outcomes(tmp_path: Path) -> None:
    found = shop(tmp_path).table("interactions").set_index("line")
    assert set(found.touchpoint) == {"delivery"}
    late = found["outcome:late"]
    assert (bool(late[2]), bool(late[3])) == (True, False)
    assert late.isna()[4]
    assert found["outcome:any"].all()


def test_anonymous_rows_are_kept_or_rejected(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,brand,day,who,q1\n1,north,2026-01-05,a,5\n2,north,2026-01-05,,5\n")
    tables = {"responses": {"from": "s", "response_id": "id", "brand": "brand", "date": "day", "customer": "who"}}
    kept = store(tmp_path, params(tmp_path, tables=tables)).table("responses").set_index("response_id")
    assert kept.customer.isna().to_dict() == {"1": False, "2": True}
    strict = store(tmp_path, params(tmp_path, tables=tables, unlinked={"customer": "reject"}), "strict")
    assert reasons(strict) == {3: "has no customer"}


def test_first_party_alone(tmp_path: Path) -> None:
    for name in ("own", "panel"):
        (tmp_path / f"{name}.csv").write_text("id,day,q\n1,2026-01-05,5\n2,2026-01-05,4\n")
    tables = {
        "responses": [
            {"from": n, "response_id": {"column": "id", "prefix": "source"}, "date": "day", "first_party": n == "own"}
            for n in ("own", "panel")
        ],
        "ratings": [
            {"from": n, "items": {"q": {"column": "q", "scale": "five", "role": "overall"}}} for n in ("own", "panel")
        ],
    }
    inputs = {n: {"path": f"{n}.csv"} for n in ("own", "panel")}
    both = store(tmp_path, params(tmp_path, brands=["b"], inputs=inputs, tables=tables))
    assert both.summary["first_party_share"] == 0.5
    alone = store(tmp_path, params(tmp_path, brands=["b"], inputs=inputs, tables=tables, first_party_only=True), "own1")
    assert alone.summary["first_party_share"] == 1
    assert totals(alone, "panel", "responses")["rows_out_of_scope"] == 2
    assert len(alone.table("ratings")) == 2


def test_two_sources_may_not_share_ids(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"id,day,q\n1,2026-01-0{1 if name == 'a' else 2},5\n")
    tables = {"responses": [{"from": n, "response_id": "id", "date": "day"} for n in ("a", "b")]}
    inputs = {n: {"path": f"{n}.csv"} for n in ("a", "b")}
    (problem,) = connect.check(params(tmp_path, brands=["b"], inputs=inputs, tables=tables))
    assert problem.what == "1 ids stand in more than one source"
    assert problem.value == "1 in a, b"


def test_comments_follow_their_responses(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "id,brand,day,title,words,stars\n1,north,2026-01-05,Good,really nice and clean,5\n2,north,soon,,bad,1\n"
        "3,north,2026-01-05,,,3\n4,east,2026-01-05,,other,3\n5,north,2026-01-06,,味道很好，下次再来,4\n"
    )
    tables = {
        "responses": {"from": "s", "response_id": "id", "brand": "brand", "date": "day", "solicited": False},
        "comments": {"from": "s", "text": ["title", "words"], "rating": "stars"},
    }
    built = store(tmp_path, params(tmp_path, tables=tables))
    found = built.table("comments").set_index("response_id")
    assert found.text.to_dict() == {"1": "Good\nreally nice and clean", "5": "味道很好，下次再来"}
    assert found.language.to_dict() == {"1": "en", "5": "zh"}
    assert not found.solicited.any()
    counts = totals(built, "s", "comments")
    assert (counts["rows_in"], counts["rows_used"], counts["rows_out_of_scope"], counts["rows_rejected"]) == (
        5,
        3,
        1,
        1,
    )
    assert (counts["values_in"], counts["values_scored"], counts["blank"]) == (3, 2, 1)


def test_invitations_know_who_answered(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(HEADER + "1,north,2026-01-05,web,30,5\n")
    (tmp_path / "i.csv").write_text(
        "nr,brand,day,answer\na,north,2026-01-01,1\nb,north,2026-01-01,\nc,north,2026-01-01,8\n"
    )
    given = params(tmp_path, inputs={"s": {"path": "s.csv"}, "i": {"path": "i.csv"}})
    more = {"from": "i", "invitation_id": "nr", "brand": "brand", "date": "day", "response_id": "answer"}
    tables = given.tables.model_dump(by_alias=True, exclude_unset=True) | {"invitations": [more]}
    found = store(tmp_path, params(tmp_path, inputs={"s": {"path": "s.csv"}, "i": {"path": "i.csv"}}, tables=tables))
    assert found.table("invitations").set_index("invitation_id").answered.to_dict() == {
        "a": True,
        "b": False,
        "c": False,
    }


def test_maps_and_missing_codes_of_waves_together(tmp_path: Path) -> None:
    ages = ["1", "2.0", "9", "NA", "7", ""]
    rows = "".join(f"{i},2026-01-05,{a}\n" for i, a in enumerate(ages))
    (tmp_path / "w1.csv").write_text("id,day,AGE\n" + rows)
    (tmp_path / "w2.csv").write_text("id,day,Q_AGE\n" + rows)
    field = {
        "column": ["AGE", "Q_AGE"],
        "map": {1: "young", 2: "old", **{f"x{i}": f"y{i}" for i in range(100)}},
        "missing": {9: "refused", "na": "blank"},
    }
    tables = {
        "responses": {
            "from": "s",
            "response_id": {"column": "id", "prefix": "wave"},
            "date": "day",
            "segments": {"age": field, "wave_age": field | {"prefix": "wave"}},
        }
    }
    inputs = {"s": {"path": "w{wave}.csv", "waves": [1, 2]}}
    built = store(tmp_path, params(tmp_path, brands=["b"], inputs=inputs, tables=tables))
    found = built.table("responses").sort_values("response_id")
    assert found["segment:age"].fillna("").to_list() == ["young", "old", "", "", "7", ""] * 2
    assert found["segment:wave_age"].dropna().to_list() == ["1-young", "1-old", "1-7", "2-young", "2-old", "2-7"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Great site airport.com que para", "en"),  # one foreign word is a name or a slip
        ("Las Vegas and Los Angeles", "en"),
        ("I would die for the pizza con queso", "en"),
        ("nice", "en"),
        ("Gostei muito, o produto chegou antes do prazo", "pt"),
        ("Die Lieferung war nicht gut und sehr langsam, was ist das", "de"),
        ("Je ne suis pas content, une attente très longue", "fr"),
        ("El servicio muy malo pero la comida bien", "es"),
        ("鲜の每日很好", "zh"),
        ("送货很快 very good and the best", "en"),
        ("とても良いです", "ja"),
        ("아주 좋아요", "ko"),
        ("12345 !!", "en"),
    ],
)
def test_the_language_of_a_comment(tmp_path: Path, text: str, language: str) -> None:
    (tmp_path / "s.csv").write_text(f'id,brand,day,words\n1,north,2026-01-05,"{text}"\n', encoding="utf-8")
    tables = {"comments": {"from": "s", "brand": "brand", "date": "day", "text": "words"}}
    assert list(store(tmp_path, params(tmp_path, tables=tables)).table("comments").language) == [language]


def test_a_language_in_doubt_is_that_of_most_others(tmp_path: Path) -> None:
    said = ["Gostei muito", "chegou antes do prazo", "Recomendo", "good and the best", "好", "5"]
    rows = "".join(f"{k},north,2026-01-05,{text}\n" for k, text in enumerate(said))
    (tmp_path / "s.csv").write_text("id,brand,day,words\n" + rows, encoding="utf-8")
    tables = {"comments": {"from": "s", "comment_id": "id", "brand": "brand", "date": "day", "text": "words"}}
    found = store(tmp_path, params(tmp_path, tables=tables)).table("comments").sort_values("comment_id").language
    assert list(found) == ["pt", "pt", "pt", "en", "zh", "pt"]


def test_ids_are_unique_over_folders_and_stay_when_a_file_comes(tmp_path: Path) -> None:
    tables = {
        "responses": {"from": "s", "brand": "brand", "date": "day"},
        "ratings": {"from": "s", "items": {"overall": {"column": "q1", "scale": "five", "role": "overall"}}},
    }
    given = params(tmp_path, inputs={"s": {"path": "*/day.csv"}}, tables=tables)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "day.csv").write_text("brand,day,q1\nnorth,2026-01-05,5\n")
    before = store(tmp_path, given, "before").table("responses").response_id
    assert list(before) == ["s-one/day.csv-2"]
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "day.csv").write_text("brand,day,q1\nnorth,2026-01-06,4\n")
    after = store(tmp_path, given, "after")
    assert list(after.table("responses").response_id) == ["s-one/day.csv-2", "s-two/day.csv-2"]
    assert after.cells("overall", factors=[], brand="north", until=None).n_raw.sum() == 2


def test_a_tab_may_be_said_as_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id\tday\n1\t2026-01-05\n")
    inputs = {"s": {"path": "s.csv", "delimiter": "\\t"}}
    tables = {"responses": {"from": "s", "response_id": "id", "date": "day"}}
    assert store(tmp_path, params(tmp_path, brands=["b"], inputs=inputs, tables=tables)).count("responses") == 1
