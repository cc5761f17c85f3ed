"""Personal data disappear from texts; what only looks like them stays."""

from __future__ import annotations

import re
import time
from pathlib import Path

import duckdb
import pytest
from connect.make import params, store
from stdnum.cn import ric

from cxlab.connect import mask, pii

FINDS = [(row.mask, text) for row in pii.patterns() for text in row.finds]
STAYS = [text for row in pii.patterns() for text in row.stays]
RESIDENT = "11010519491231002" + ric.calc_check_digit("11010519491231002")


@pytest.mark.parametrize(("kind", "example"), FINDS)
def test_personal_data_are_masked(kind: str, example: str) -> None:
    text = re.sub("[«»]", "", example)
    clean = re.sub("«[^»]*»", f"[{kind}]", example)
    assert mask(text) == clean
    assert mask(clean) == clean
    # and the database lets the text through to the patterns
    assert duckdb.execute(f"SELECT {pii.suspect('$1')}", [text]).fetchall() == [(True,)]


@pytest.mark.parametrize("text", ["", *STAYS])
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert mask(text) == text


def test_every_pattern_has_examples_of_what_it_finds() -> None:
    assert all(row.finds for row in pii.patterns())
    assert len(STAYS) > 40


def test_kinds_are_masked_beside_each_other() -> None:
    text = f"我叫王小明，住在北京市海淀区中关村大街27号，身份证{RESIDENT}，电话13800138000，a@b.co"
    assert mask(text) == "我叫[name]，住在[address]，身份证[id number]，电话[phone]，[email]"


def test_masking_is_settled_after_one_pass() -> None:
    text = f"Mr Smith, a@b.co, 13800138000, {RESIDENT}, 4111111111111111, 王先生"
    assert mask(mask(text)) == mask(text)


def test_texts_and_rejected_values_are_masked_before_they_are_stored(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "id,day,words\n1,2026-01-05,call 13800138000\n2,2026-01-06,call 13800138000\n3,2026-01-06,fine\n"
        "4,ann@example.org,moved a column\n"
    )
    tables = {
        "responses": {"from": "s", "response_id": "id", "date": "day"},
        "comments": {"from": "s", "text": "words"},
    }
    given = params(tmp_path, brands=["b"], tables=tables)
    built = store(tmp_path, given)
    assert sorted(built.table("comments").text) == ["call [phone]", "call [phone]", "fine"]
    assert set(built.table("rejects").value) == {"[email]"}
    assert b"13800138000" not in b"".join(p.read_bytes() for p in built.path.iterdir())
    plain = store(tmp_path, params(tmp_path, brands=["b"], tables=tables, mask_personal_data=False), "plain")
    assert "call 13800138000" in set(plain.table("comments").text)


def test_rejected_values_are_masked_before_they_are_cut(tmp_path: Path) -> None:
    value = "x" * 190 + " ann.long.name@mail.example.org"  # the cut at 200 signs goes through the address
    (tmp_path / "s.csv").write_text(f"id,day\n1,2026-01-05\n2,{value}\n3,2026-01-05,{value}\n")
    given = params(tmp_path, brands=["b"], tables={"responses": {"from": "s", "response_id": "id", "date": "day"}})
    shown = list(store(tmp_path, given).table("rejects").value)
    assert len(shown) == 2
    assert not any("ann" in v for v in shown)
    assert max(map(len, shown)) <= 200


def test_ids_and_broken_rows_of_people_are_not_kept_among_the_rejects(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("member,name,since\nM7,Jane Doe,2020-01-01\nM7,Jane,2020-01-01\nM8,Roe,Jane,x\n")
    tables = {"customers": {"from": "c", "customer": "member", "since": "since"}}
    given = params(
        tmp_path, brands=["b"], inputs={"s": {"path": "s.csv"}, "c": {"path": "c.csv", "key": "member"}},
        tables=tables | {"responses": {"from": "s", "response_id": "id", "date": "day"}},
    )  # fmt: skip
    (tmp_path / "s.csv").write_text("id,day\n1,2026-01-05\n2,soon\n")
    built = store(tmp_path, given)
    shown = {(r.source, r.line): r.value for r in built.table("rejects").itertuples()}
    assert shown == {("c", 3): "[id]", ("c", 4): "[row]", ("s", 3): "soon"}
    assert b"Jane" not in b"".join(p.read_bytes() for p in built.path.iterdir())
    open_ = store(tmp_path, given.model_copy(update={"mask_personal_data": False}), "open")
    assert "M7" in set(open_.table("rejects").value)


def test_words_in_segments_events_and_actions_are_masked(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,day,group\n1,2026-01-05,ann@example.org\n2,2026-01-05,18-24\n")
    tables = {
        "customers": {"from": "s", "customer": "id", "segments": {"tier": "group"}},
        "responses": {"from": "s", "response_id": "id", "date": "day", "segments": {"age": "group"}},
        "events": {"from": "s", "date": "day", "name": "group"},
        "actions": {"from": "s", "date": "day", "outcome": "group"},
    }
    built = store(tmp_path, params(tmp_path, brands=["b"], tables=tables))
    for table, column in (
        ("customers", "segment:tier"), ("responses", "segment:age"), ("events", "name"), ("actions", "outcome"),
    ):  # fmt: skip
        assert sorted(built.table(table)[column]) == ["18-24", "[email]"], table


@pytest.mark.parametrize("text", ["0a" * 100_000 + "@", "http://" * 20_000 + "11", "a.b-" * 50_000 + "11@"])
def test_a_text_without_spaces_takes_no_longer_than_others(text: str) -> None:
    assert mask(text) == text  # seconds if linear in its length, minutes to hours if quadratic


@pytest.mark.parametrize(
    "text",
    ["regards" + "\n" * 20_000, "regards" + ",\n" * 8_000 + "x", "微信" * 8_000 + "a-" * 5_000, "区" * 8_000 + "号"],
)
def test_signs_without_end_behind_a_word_take_no_time(text: str) -> None:
    began = time.process_time()
    assert mask(text) == text
    assert time.process_time() - began < 0.5
