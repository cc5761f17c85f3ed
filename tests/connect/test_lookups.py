"""Left joins between inputs: what matched, in which order, and what is ambiguous."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from connect.make import params, store

from cxlab import connect

DATA: dict[str, Any] = {
    "client": "shop",
    "brands": [{"id": "tea", "label": "Tea", "where": {"category": ["tea"]}}],
    "periods": {"grain": "year", "first": "2026", "last": "2026"},
    "inputs": {n: {"path": f"{n}.csv"} for n in ("reviews", "items", "products")},
    "lookups": {
        "review_category": {
            "from": "reviews", "to": "items", "on": "order", "take": ["category"], "one": "max price",
            "after": "item_category",
        },
        "item_category": {"from": "items", "to": "products", "on": {"product": "id"}, "take": {"category": "kind"}},
    },
    "tables": {"responses": {"from": "reviews", "response_id": "nr", "date": "day"}},
    "limits": {"max_reject_share": 1.0},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reviews.csv").write_text(
        "nr,order,day\n1,10,2026-01-01\n2,11,2026-01-01\n3,12,2026-01-01\n4,,2026-01-01\n"
    )
    (tmp_path / "items.csv").write_text("order,product,price\n10,a,9\n10.0,b,10\n11,b,5\n11,a,\n")
    (tmp_path / "products.csv").write_text("id,kind\na,coffee\nb,tea\nc,none\n")
    return tmp_path


def test_order_choice_and_match_rates(folder: Path) -> None:
    built = store(folder, params(folder, DATA))
    links = built.table("links").set_index("lookup")
    assert links.loc["item_category", ["rows", "matched", "rate"]].to_list() == [4, 4, 1.0]
    assert links.loc["review_category", ["rows", "matched", "rate"]].to_list() == [4, 2, 0.5]
    # order 10 takes the dearer item (10 > 9 as numbers), order 11 the one that has a price
    assert sorted(built.table("responses").response_id) == ["1", "2"]


def changed(folder: Path, lookup: str, **update: Any) -> list[str]:
    lookups = {n: dict(x) for n, x in DATA["lookups"].items()}
    lookups[lookup] |= update
    given = params(
        folder, DATA | {"lookups": {n: {k: v for k, v in x.items() if v is not None} for n, x in lookups.items()}}
    )
    return [f"{p.where}: {p.what} [{p.value}] {p.todo or p.nearest}" for p in connect.check(given)]


def test_several_matches_without_a_choice_name_an_example(folder: Path) -> None:
    (found,) = [p for p in changed(folder, "review_category", one=None) if p.startswith("lookups")]
    assert "2 keys match several rows of items" in found
    assert "matches 2" in found


def test_mistakes_in_lookups(folder: Path) -> None:
    assert "no such input [itms] items" in changed(folder, "review_category", to="itms")[0]
    assert "add after: item_category" in changed(folder, "review_category", after=None)[0]
    circle = changed(folder, "item_category", after="review_category")
    assert circle[0].startswith("lookups: lookups wait for each other [review_category, item_category]")
    assert "is no choice [largest price]" in changed(folder, "review_category", one="largest price")[0]
    assert "has no such column [prise] price" in changed(folder, "review_category", one="max prise")[0]
    assert "has a column of this name already [price]" in changed(folder, "item_category", take={"price": "kind"})[0]


def test_a_low_match_rate_can_stop_the_run(folder: Path) -> None:
    (problem,) = connect.check(params(folder, DATA, limits={"min_link_rate": 0.6, "max_reject_share": 1.0}))
    assert (problem.where, problem.value) == ("lookups.review_category", "2 of 4 (50.0%)")
