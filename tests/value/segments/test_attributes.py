"""From a client's files: what is known of customers by a day, first choices and what happened then."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab import connect
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.value import second_purchase
from cxlab.value.rfm import history as rfm
from cxlab.value.segments import contacts, repurchase
from cxlab.value.segments.experience import experience, labelled

HEADS = {
    "bought": "id,who,day,amount,product,order",
    "customers": "who,since,by",
    "answers": "id,who,day,overall,speed,page",
    "met": "id,who,day,place,kind,order,late",
}
TABLES: dict[str, Any] = {
    "customers": {"from": "customers", "customer": "who", "since": "since", "referred_by": "by"},
    "transactions": {
        "from": "bought", "transaction_id": "id", "customer": "who", "date": "day", "amount": "amount",
        "product": "product", "link": "order", "channel": {"const": "web"},
    },
    "interactions": {
        "from": "met", "interaction_id": "id", "customer": "who", "date": "day", "touchpoint": "place", "kind": "kind",
        "link": "order", "outcome": {"late": "try_cast(late AS BOOLEAN)"},
    },
    "responses": {"from": "answers", "response_id": "id", "customer": "who", "date": "day"},
    "ratings": {"from": "answers", "items": {
        "overall": {"column": "overall", "scale": "five", "role": "overall"},
        "speed": {"column": "speed", "scale": "five", "role": "attribute", "touchpoint": "delivery"},
        "page": {"column": "page", "scale": "five", "role": "attribute", "touchpoint": "web"},
    }},
}  # fmt: skip


def unit(folder: Path, **rows: list[str]) -> tuple[UnitData, Params]:
    for name, given in rows.items():
        (folder / f"{name}.csv").write_text("\n".join([HEADS[name], *given]) + "\n")
    data = {
        "client": "me", "data_root": str(folder), "brands": ["one"],
        "periods": {"grain": "year", "first": 2025, "last": 2025, "history_from": 2024},
        "scales": {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {9: "refused"}}},
        "inputs": {name: {"path": f"{name}.csv"} for name in sorted(rows)},
        "tables": {name: table for name, table in TABLES.items() if table["from"] in rows},
        "limits": {"max_reject_share": 1.0},
    }  # fmt: skip
    params = Params.model_validate(data)
    return UnitData(connect.open_store(connect.build(params, folder / "store")), "one", "2025"), params


def by_customer(table: pd.DataFrame, data: UnitData, column: str) -> dict[str, object]:
    """Values of a column by the amount of the customer's only purchase, which tells who it is."""
    who = data.table("transactions").groupby("customer")["amount"].first()
    return {str(int(who[c])): v for c, v in zip(table["customer"], table[column], strict=True)}


BOUGHT = [f"t{i},m{i},2025-01-0{i},{i},tea,o{i}" for i in range(1, 6)]
ANSWERS = [
    "r1,m1,2025-02-01,1,1,5", "r2,m1,2025-03-01,5,5,5", "r3,m2,2025-02-01,3,3,3", "r4,m3,2024-01-01,1,1,1",
    "r5,m4,2025-02-01,2,9,1", "r6,m5,2025-06-01,5,5,5",
]  # fmt: skip


def test_the_latest_experience_by_a_day(tmp_path: Path) -> None:
    data, params = unit(tmp_path, bought=BOUGHT, answers=ANSWERS)
    early = experience(data, params, until=date(2025, 2, 15))
    assert early is not None
    assert by_customer(early, data, "experience") == {"1": "bad", "2": "middling", "4": "bad"}  # m3 told too long ago
    late = experience(data, params, until=date(2025, 5, 1))
    assert late is not None
    assert by_customer(late, data, "experience") == {"1": "good", "2": "middling", "4": "bad"}
    assert experience(data, params, until=date(2023, 1, 1)) is None


def test_nobody_asked_is_no_experience(tmp_path: Path) -> None:
    bare, given = unit(tmp_path, bought=BOUGHT)
    assert experience(bare, given, until=date(2025, 5, 1)) is None


def test_labels_in_the_order_of_customers() -> None:
    who = pd.Series([f"c{i}" for i in range(4)])
    told = pd.DataFrame({"customer": ["c2", "c0"], "experience": ["bad", "good"]})
    assert labelled(who, told).tolist() == ["good", "unknown", "bad", "unknown"]
    assert set(labelled(who, None)) == {"unknown"}


def test_who_brought_whom(tmp_path: Path) -> None:
    rows = ["m1,2025-01-01,", "m2,2025-01-02,m1", "m3,2025-06-01,m2", "m4,2025-01-04,stranger"]
    data, _ = unit(tmp_path, bought=BOUGHT, customers=rows)
    found = contacts.referred(data, until=date(2025, 5, 1))
    assert found is not None
    who = data.table("transactions").set_index("amount")["customer"]
    assert found.to_numpy().tolist() == [[who[2.0], who[1.0]]]
    assert contacts.referred(data, until=date(2024, 1, 1)) is None


def lives(seed: int, *, n: int = 700, tea: float = 1.0) -> dict[str, list[str]]:
    """New customers whose first product is tea or milk; tea makes them come back sooner, a late parcel later."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[str]] = {"bought": [], "met": [], "customers": []}
    for k in range(n):
        first = np.datetime64("2024-06-01") + int(random.integers(0, 330))
        old = k < 60  # came before the data begin: what they bought first is not known
        rows["customers"].append(f"m{k},{'2020-01-01' if old else first},")
        product, late = random.choice(["tea", "milk"]), random.random() < 0.3
        rows["bought"].append(f"t{k},m{k},{first},{random.integers(5, 50)},{product},o{k}")
        rows["met"].append(f"i{k},m{k},{first + 5},delivery,delivery,o{k},{str(late).lower()}")
        weekly = 0.06 * np.exp(tea * (product == "tea") - 0.9 * late)
        day = first + 1 + int(random.exponential(7 / weekly))
        if day <= np.datetime64("2025-12-31"):
            rows["bought"].append(f"s{k},m{k},{day},9,{product},p{k}")
    return rows


@pytest.mark.parametrize("tea", [1.0, 0.0])
def test_first_choices_and_the_second_purchase(tmp_path: Path, tea: float) -> None:
    data, params = unit(tmp_path, **lives(1, tea=tea))
    history = rfm.read(data, end=date(2025, 12, 31))
    found = repurchase.first_purchases(data, params, history)
    assert found is not None
    assert found.before == 60
    assert len(found.spells) == 640
    assert found.features == ("product", "amount", "late")
    assert found.spells["late"].value_counts().to_dict().keys() == {"late", "not late"}
    assert (found.spells["late_week"] == 1).all()
    shares = repurchase.choices(found.spells)
    assert set(shares["level"]) == {"tea", "milk"}
    assert shares["share"].sum() == pytest.approx(1)
    counted = second_purchase.model_data(found.spells, features=found.features, since=found.since)
    told = second_purchase.estimands(second_purchase.fit(counted, seed=1)["posterior"].dataset, counted)
    over = told["second_purchase_over"].to_numpy()
    row = {(f, v): i for i, (f, v) in enumerate(zip(told["feature"].to_numpy(), told["level"].to_numpy(), strict=True))}
    low, high = np.quantile(over[:, row["product", "tea"]], [0.05, 0.95])
    if tea:
        assert low > 0.1
        assert np.quantile(over[:, row["late", "late"]], 0.95) < 0
    else:
        assert low < 0 < high


def test_first_choices_read_nothing_after_the_end(tmp_path: Path) -> None:
    rows = lives(2, n=300)
    (tmp_path / "cut").mkdir()
    data, params = unit(tmp_path, **rows)
    end = date(2025, 3, 1)
    found = repurchase.first_purchases(data, params, rfm.read(data, end=end))
    early = [r for r in rows["bought"] if r.split(",")[2] <= str(end)]
    met = [r for r in rows["met"] if r.split(",")[2] <= str(end)]
    bare, given = unit(tmp_path / "cut", bought=early, met=met, customers=rows["customers"])
    other = repurchase.first_purchases(bare, given, rfm.read(bare, end=end))
    assert found is not None
    assert other is not None
    one, two = (second_purchase.model_data(f.spells, features=f.features, since=f.since) for f in (found, other))
    pd.testing.assert_frame_equal(one.cells, two.cells)


def test_too_few_new_customers_are_nobody_to_speak_of(tmp_path: Path) -> None:
    data, params = unit(tmp_path, **lives(1, n=80))
    history = rfm.read(data, end=date(2025, 12, 31))
    assert repurchase.first_purchases(data, params, history) is None
