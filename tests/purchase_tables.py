"""Purchases as canonical tables, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd
from value import simulate

BEGIN = date(2025, 1, 1)
TEXTS = ("product", "channel", "seller", "basket", "link")


class Tables:
    """Canonical tables in DuckDB, asked as a unit's data are."""

    def __init__(
        self,
        transactions: pd.DataFrame,
        customers: pd.DataFrame | None = None,
        *,
        segments: Sequence[str] = (),
        events: pd.DataFrame | None = None,
    ) -> None:
        self.database = duckdb.connect()
        given = transactions.assign(**{c: None for c in ("kind", "amount", "margin", *TEXTS) if c not in transactions})
        given["kind"] = given["kind"].fillna("purchase")
        self.database.register("given", given)
        types = {"customer": "VARCHAR", "date": "DATE", "kind": "VARCHAR", "amount": "DOUBLE", "margin": "DOUBLE"}
        picks = ", ".join(f"{c}::{t} AS {c}" for c, t in (types | dict.fromkeys(TEXTS, "VARCHAR")).items())
        self.database.execute(f"CREATE TABLE transactions AS SELECT {picks} FROM given")
        more = "".join(f', "segment:{name}" VARCHAR' for name in segments)
        self.database.execute(f"CREATE TABLE customers (customer VARCHAR, since DATE{more})")
        if customers is not None:
            self.database.register("known", customers)
            self.database.execute("INSERT INTO customers BY NAME SELECT * FROM known")
        self.database.execute("CREATE TABLE events (customer VARCHAR, date DATE, name VARCHAR)")
        if events is not None:
            self.database.register("happened", events)
            self.database.execute("INSERT INTO events BY NAME SELECT * FROM happened")

    def sql(self, query: str, *, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pd.DataFrame:
        return self.database.execute(query, params).df()


def days(world: simulate.World, until: float = 1e9) -> pd.DataFrame:
    """Events of a world as transactions, at most one a customer and day."""
    events = world.events[world.events["time"] < until]
    when = [BEGIN + timedelta(days=int(t * 7)) for t in events["time"]]
    table = pd.DataFrame({"customer": "c" + events["customer"].astype(str), "date": when, "amount": events["amount"]})
    return table.groupby(["customer", "date"], as_index=False).sum()
