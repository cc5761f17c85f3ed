"""Identities of several systems become one customer: exactly, repeatably, never silently."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
from connect.make import params, store

from cxlab import connect
from cxlab.connect import Store

DATA: dict[str, Any] = {
    "client": "silos",
    "brands": ["solo"],
    "periods": {"grain": "year", "first": "2026", "last": "2026"},
    "inputs": {n: {"path": f"{n}.csv"} for n in ("crm", "shop", "survey")},
    "tables": {
        "customers": {
            "from": "crm", "customer": "nr", "system": "crm", "keys": {"email": "mail", "phone": "tel"},
            "since": "since", "segments": {"tier": "tier"},
        },
        "transactions": {
            "from": "shop", "transaction_id": "t", "customer": "login", "system": "shop", "keys": {"email": "mail"},
            "date": "day", "amount": "amount",
        },
        "responses": {"from": "survey", "response_id": "r", "keys": {"phone": "tel"}, "date": "day"},
    },
    "limits": {"max_reject_share": 1.0},
}  # fmt: skip
CRM = [
    "1,Ann@Example.org,+86 138-0013-8000,2020-01-01,gold",
    "2,,13800138001,2021-01-01,",
    "3,ann@example.org ,,2019-05-01,silver",
    "4,info@shop.org,,2022-01-01,",
]
SHOP = [
    "t1,ann,ANN@EXAMPLE.ORG,2026-01-05,10",
    "t2,bob,,2026-01-05,20",
    "t3,,ann@example.org,2026-01-06,30",
    "t4,,,2026-01-06,30",
]
SURVEY = ["a,138 0013 8000,2026-01-07", "b,0086-13800138001,2026-01-07", "c,n/a,2026-01-07", "d,13900000000,2026-01-07"]


def build(folder: Path, name: str = "store", key: bytes = b"k", shuffle: int | None = None, **changes: Any) -> Store:
    for file, header, rows in (
        ("crm", "nr,mail,tel,since,tier", CRM),
        ("shop", "t,login,mail,day,amount", SHOP),
        ("survey", "r,tel,day", SURVEY),
    ):
        own = list(rows)
        if shuffle is not None:
            random.Random(shuffle).shuffle(own)
        (folder / f"{file}.csv").write_text("\n".join([header, *own]) + "\n")
    return store(folder, params(folder, DATA | changes), name, key=key)


def people(built: Store) -> dict[str, str | None]:
    """Return the customer of each transaction and response."""
    t = built.table("transactions").set_index("transaction_id").customer
    r = built.table("responses").set_index("response_id").customer
    return {str(k): (None if pd.isna(v) else v) for k, v in pd.concat([t, r]).items()}


def test_records_that_share_a_key_are_one_customer(tmp_path: Path) -> None:
    who = people(build(tmp_path))
    assert who["t1"] == who["t3"] == who["a"]  # by e-mail, and by the phone of the crm record with that e-mail
    assert who["t4"] is None
    assert who["c"] is None
    assert len({who["t1"], who["t2"], who["b"], who["d"]}) == 4


def test_customers_are_merged_first_value_wins_and_everybody_is_in(tmp_path: Path) -> None:
    built = build(tmp_path)
    found = built.table("customers").set_index("customer")
    who = people(built)
    assert len(found) == 5  # ann (crm 1 and 3), crm 2, crm 4, bob, and the phone of response d
    ann = found.loc[who["t1"]]
    assert (ann["segment:tier"], str(ann.since)[:10]) == ("gold", "2019-05-01")
    assert pd.isna(found.loc[who["t2"]].line)


def test_merges_name_every_key_without_showing_it(tmp_path: Path) -> None:
    built = build(tmp_path)
    merges = built.table("merges")
    ann = merges[merges.customer == people(built)["t1"]]
    assert sorted(ann.system) == ["crm", "crm", "email", "phone", "shop"]
    assert set(ann.rule) == {"same crm", "same email", "same phone", "same shop"}
    everything = " ".join(p.read_bytes().decode("latin-1").lower() for p in built.path.iterdir())
    for secret in ("ann@example.org", "13800138000", "13900000000"):
        assert secret not in everything


def test_ids_do_not_depend_on_the_order_but_on_the_key(tmp_path: Path) -> None:
    first, mixed = people(build(tmp_path, "a")), people(build(tmp_path, "b", shuffle=7))
    assert first == mixed
    other = people(build(tmp_path, "c", key=b"another"))
    assert all(first[k] != other[k] for k in first if first[k])


def test_ids_stay_when_rows_are_added(tmp_path: Path) -> None:
    before = people(build(tmp_path, "a"))
    SHOP.append("t5,ann,aaa@example.org,2026-02-01,5")  # one more address, first in the alphabet
    try:
        after = people(build(tmp_path, "b"))
    finally:
        SHOP.pop()
    assert {k: after[k] for k in before} == before
    assert after["t5"] == before["t1"]


def test_a_key_that_many_share_merges_nobody_and_is_reported(tmp_path: Path) -> None:
    CRM.extend(f"{n},info@shop.org,,2022-01-01," for n in range(10, 15))
    try:
        given = params(tmp_path, DATA, directory={"max_cluster": 5})
        built = build(tmp_path, directory={"max_cluster": 5})
        notices = connect.checkup(given).notices
    finally:
        del CRM[4:]
    shared = built.table("merges").query("customer.isna()")
    assert shared.rule.to_list() == ["not merged: 6 records share this email"]
    assert any("1 email keys are shared by more than 5 records" in n for n in notices)
    assert len(built.table("customers").query("source == 'crm'")) == 9 - 1


def test_keys_that_the_params_leave_out_do_not_merge(tmp_path: Path) -> None:
    who = people(build(tmp_path, directory={"keys": ["phone"]}))
    assert who["t1"] != who["a"]
    assert who["t3"] is None


def test_one_system_alone_needs_no_merging(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("t,who,day\n1,7.0,2026-01-01\n2,7,2026-01-02\n3, ７ ,2026-01-03\n4,8,2026-01-03\n")
    tables = {"transactions": {"from": "s", "transaction_id": "t", "customer": "who", "date": "day"}}
    built = store(tmp_path, params(tmp_path, DATA, inputs={"s": {"path": "s.csv"}}, tables=tables))
    assert built.table("transactions").customer.nunique() == 2
    assert built.table("merges").empty


def test_who_brought_a_customer_is_resolved_as_a_customer(tmp_path: Path) -> None:
    """By the same id system, through merges; strangers and oneself are nobody; the client's number never appears."""
    (tmp_path / "crm.csv").write_text(
        "nr,mail,by\n1,ann@x.org,\n2,bob@x.org,1\n3,ann@x.org,2\n4,dan@x.org,99\n5,eve@x.org,5\n6,fay@x.org,3\n"
    )
    (tmp_path / "shop.csv").write_text("t,login,mail,day,amount\nt1,ann,ann@x.org,2026-01-05,10\n")
    (tmp_path / "survey.csv").write_text("r,tel,day\na,1,2026-01-07\n")
    mapping = {"from": "crm", "customer": "nr", "system": "crm", "keys": {"email": "mail"}, "referred_by": "by"}
    data = DATA | {"tables": DATA["tables"] | {"customers": mapping}}
    found = store(tmp_path, params(tmp_path, data), "store", key=b"k").table("customers")
    referrer = found["referred_by"].astype(object).where(found["referred_by"].notna(), None)
    by = dict(zip(found["customer"], referrer, strict=True))
    ann = next(c for c in by if by[c] is not None and sum(v == c for v in by.values()) == 2)  # 1 and 3 are one person
    assert sum(v == ann for v in by.values()) == 2  # bob, and fay through the other number
    assert sum(v is not None for v in by.values()) == 3  # ann by bob, bob by ann, fay by ann
    assert all(v is None or v in by for v in by.values())
