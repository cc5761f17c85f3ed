"""The facts of readiness are counts of rows, and the questions name what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from connect.make import params, store

from cxlab.connect import Store, customer_base
from cxlab.params import Params
from cxlab.readiness import facts
from cxlab.vocab import READINESS_COLUMNS

DATA: dict[str, Any] = {
    "client": "shop",
    "brands": ["solo"],
    "periods": {"grain": "month", "first": "2026-01", "last": "2026-03"},
    "scales": {"five": {"codes": [1, 2, 3, 4, 5]}},
    "journey": {"stages": [{"id": "buy", "touchpoints": ["desk", "till"]}]},
    "inputs": {n: {"path": f"{n}.csv"} for n in ("answers", "sales", "asked", "posts")},
    "tables": {
        "responses": {
            "from": "answers", "response_id": "r", "customer": "who", "date": "day", "touchpoint": {"const": "desk"},
        },
        "ratings": {"from": "answers", "items": {"overall": {"column": "q", "scale": "five", "role": "overall"}}},
        "transactions": {"from": "sales", "transaction_id": "t", "customer": "who", "date": "day"},
        "invitations": {
            "from": "asked", "invitation_id": "i", "date": "day", "response_id": "r", "touchpoint": "desk",
            "channel": {"const": "mail"},
        },
        "comments": {"from": "posts", "text": "words", "date": "day", "first_party": False},
    },
    "limits": {"max_reject_share": 1.0, "min_n": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Params]:
    folder = tmp_path_factory.mktemp("ready")
    (folder / "answers.csv").write_text(
        "r,who,day,q\n1,a,2026-01-10,5\n2,a,2026-01-10,4\n3,b,2026-02-10,\n4,,2026-02-10,3\n"
    )
    (folder / "sales.csv").write_text("t,who,day\n1,a,2026-01-01\n2,a,2026-01-02\n3,c,2026-01-01\n4,c,2026-02-01\n")
    (folder / "asked.csv").write_text(
        "i,day,r\n" + "".join(f"{i},2026-01-01,{i if i < 4 else ''}\n" for i in range(1, 9))
    )
    flood = "".join(f"2026-01-05,Best shop EVER{'!' * i}\n" for i in range(6))
    (folder / "posts.csv").write_text("day,words\n" + flood + "2026-01-06,best shop ever\n2026-01-07,quite all right\n")
    given = params(folder, DATA)
    return store(folder, given), given


def section(world: tuple[Store, Params], name: str, until: str = "2026-03") -> pd.DataFrame:
    found = facts.readiness(*world, brand="solo", until=until)
    assert tuple(found.columns) == READINESS_COLUMNS
    return found[found.section == name]


def test_map_names_the_gaps(world: tuple[Store, Params]) -> None:
    found = section(world, "map")
    there = found[found.verdict == ""]
    assert there[["source", "touchpoint", "solicited", "structured", "n_used"]].values.tolist() == [
        ["answers", "desk", True, True, 3],
        ["posts", "", False, False, 8],
    ]
    gaps = found[found.verdict == "gap"]
    assert gaps[["solicited", "structured"]].dropna().values.tolist() == [[True, False], [False, True]]
    assert list(gaps.touchpoint)[2:] == ["till"]


def test_kinds_of_customer_data(world: tuple[Store, Params]) -> None:
    found = section(world, "kinds").set_index("kind")
    assert found.verdict.to_dict() == {
        "descriptive": "present", "behavioural": "present", "interaction": "missing", "attitudinal": "present",
    }  # fmt: skip
    assert found.n_used["behavioural"] == 4


def test_rates_and_shares(world: tuple[Store, Params]) -> None:
    (rate,) = section(world, "response_rate").to_dict("records")
    assert (rate["touchpoint"], rate["kind"], rate["n_in"], rate["n_used"], rate["share"]) == (
        "desk",
        "mail",
        8,
        3,
        3 / 8,
    )
    heard = section(world, "heard_share").set_index("kind")
    assert heard.loc["all", ["n_in", "n_used"]].to_list() == [3, 2]
    assert heard.loc["active", ["n_in", "n_used"]].to_list() == [2, 1]
    own = section(world, "first_party").iloc[0]
    assert (own.n_in, own.n_used) == (12, 4)
    assert section(world, "links").empty
    lines = section(world, "reconciliation").set_index("kind")
    assert lines.loc["responses", ["n_in", "n_used", "n_rejected"]].to_list() == [4, 4, 0]


def test_copies_and_floods(world: tuple[Store, Params]) -> None:
    found = section(world, "duplicates").set_index("kind")
    assert found.n_rejected.to_dict() == {"copied_texts": 6, "floods": 7, "same_customer_same_day": 1}
    copies = facts.copied_texts(world[0], "solo", "2026-03")
    assert copies[["n", "most_in_a_day"]].values.tolist() == [[7, 6]]


def test_questions_name_the_missing_piece(world: tuple[Store, Params]) -> None:
    found = section(world, "questions").set_index("source")
    assert found.verdict["40_voice"] == "yes"
    assert found.verdict["30_drivers"] == "no"
    assert found.kind["30_drivers"] == "attributes"
    assert (found.verdict["80_ledger"], found.kind["80_ledger"]) == ("partly", "actions, variants")
    early = section(world, "questions", until="2026-01").set_index("source")
    assert (early.verdict["80_ledger"], early.kind["80_ledger"]) == ("no", "periods, actions, variants")


def test_nothing_at_all_is_no_error(world: tuple[Store, Params]) -> None:
    found = facts.readiness(*world, brand="nobody", until="2026-01")
    assert set(found.query("section == 'questions'").verdict) == {"no"}


def test_what_managers_think_is_no_answer_of_a_customer(tmp_path: Path) -> None:
    """The same file read once as the customers' answers and once as the managers'."""
    (tmp_path / "poll.csv").write_text("r,day,q\n1,2026-01-10,5\n2,2026-02-10,4\n3,2026-03-10,3\n")
    found = {}
    for role in ("attribute", "management"):
        item = {"column": "q", "scale": "five", "role": role, "touchpoint": "till"}
        tables = {
            "responses": {"from": "poll", "response_id": "r", "date": "day"},
            "ratings": {"from": "poll", "items": {"view": item}},
        }
        given = params(tmp_path, DATA | {"inputs": {"poll": {"path": "poll.csv"}}, "tables": tables})
        found[role] = facts.readiness(store(tmp_path / role, given), given, brand="solo", until="2026-03")

    def counted(role: str, name: str) -> list[int]:
        rows = found[role].query("section == @name")
        return [int(n) for n in rows["n_used"].dropna() if n > 0]

    for name in ("map", "kinds", "first_party"):
        assert counted("attribute", name)
        assert not counted("management", name)
    assert counted("management", "reconciliation") == counted("attribute", "reconciliation") == [3, 3]
    missing = {role: frame.query("section == 'questions'").set_index("source").kind for role, frame in found.items()}
    assert "periods" in missing["management"]["80_ledger"]
    assert "periods" not in missing["attribute"]["80_ledger"]


@pytest.mark.parametrize("named", [False, True])
def test_a_brand_counts_its_own_customers(tmp_path: Path, named: bool) -> None:
    """Two brands share one directory, which names the brand of each customer or nobody's."""
    home = {"a": "left", "b": "left", "c": "right", "d": "right", "e": "right"}
    (tmp_path / "people.csv").write_text("who,home\n" + "".join(f"{w},{h}\n" for w, h in home.items()))
    (tmp_path / "answers.csv").write_text("r,who,day,q,at\n1,a,2026-01-10,5,left\n2,c,2026-01-11,4,right\n")
    (tmp_path / "sales.csv").write_text(
        "t,who,day,at\n1,a,2026-01-01,left\n2,c,2026-01-02,right\n3,e,2026-01-03,left\n4,x,2026-02-01,right\n"
    )
    own = {"column": "at", "map": {"left": "left", "right": "right"}}
    directory: dict[str, Any] = {"from": "people", "customer": "who"}
    if named:
        directory["brand"] = {"column": "home", "map": {"left": "left", "right": "right"}}
    given = params(
        tmp_path,
        DATA
        | {
            "brands": ["left", "right"],
            "inputs": {n: {"path": f"{n}.csv"} for n in ("people", "answers", "sales")},
            "tables": {
                "customers": directory,
                "responses": {"from": "answers", "response_id": "r", "customer": "who", "date": "day", "brand": own},
                "ratings": DATA["tables"]["ratings"],
                "transactions": {
                    "from": "sales", "transaction_id": "t", "customer": "who", "date": "day", "brand": own,
                },
            },
        },
    )  # fmt: skip
    built = store(tmp_path / "store", given)
    counted, base = {}, {}
    for brand in ("left", "right"):
        found = facts.readiness(built, given, brand=brand, until="2026-03")
        heard = found[found.section == "heard_share"].set_index("kind")
        counted[brand] = heard.loc["all", ["n_in", "n_used"]].to_list()
        people = customer_base(built, [], periods=["2026-03"], brand=brand, until="2026-03")
        base[brand] = int(people["population"].sum())
    # e is of the right by the directory and has bought at the left: a customer of both; b and d have dealt with nobody
    assert counted == ({"left": [3, 1], "right": [4, 1]} if named else {"left": [2, 1], "right": [2, 1]})
    assert base == {brand: n for brand, (n, _) in counted.items()}
    whole = facts.readiness(built, given, brand=None, until="2026-03")
    assert whole[whole.section == "heard_share"].set_index("kind").loc["all", "n_in"] == 6
