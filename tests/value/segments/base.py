"""Worlds with known truth for the tests of segments: customers, a posterior that knows the parameters, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import xarray as xr
from value import simulate

from cxlab.value import model
from cxlab.value.clv import gamma_gamma
from cxlab.value.clv.families import BUYING, Family
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.segments.cuts import Cuts

BEGIN = date(2025, 1, 1)
PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.9, 6.0, 0.8, 4.0),
    "mbgnbd": (0.9, 6.0, 0.8, 4.0),
    "pareto": (0.9, 6.0, 0.6, 14.0),
}
AMOUNTS = (6.25, 3.74, 15.45)
CUTS = Cuts((150.0, 450.0))


@dataclass(frozen=True)
class Known:
    """A world, its customers as the model sees them, and a posterior of which the truth is all."""

    world: simulate.World
    data: ValueData
    tree: xr.DataTree

    @property
    def yearly(self) -> np.ndarray:
        """What customers truly spend in a year while they are customers."""
        return (self.world.truth["rate"] * self.world.truth["amount"]).to_numpy() * WEEKS_A_YEAR


def known(n: int, family: Family, seed: int, *, draws: int = 200, weeks: float = 52.0, arrivals: float = 26.0) -> Known:
    """Draw customers and take the true parameters for the posterior."""
    world = simulate.draw(
        n, family=family, parameters=PARAMETERS[family], spend=AMOUNTS, weeks=weeks, arrivals=arrivals, seed=seed
    )
    data = model.model_data(world.customers, family=family)
    assert data.spend is not None
    point = BUYING[family].coordinates(*PARAMETERS[family])
    paid = gamma_gamma.coordinates(AMOUNTS[0], AMOUNTS[1], AMOUNTS[2] / data.spend.scale)
    many = {
        "point": (("chain", "draw", "coordinate"), np.tile(point, (1, draws, 1))),
        "spend_point": (("chain", "draw", "spend_coordinate"), np.tile(paid, (1, draws, 1))),
    }
    return Known(world, data, xr.DataTree.from_dict({"posterior": xr.Dataset(many)}))


class Tables:
    """Canonical tables in DuckDB, asked as a unit's data are."""

    def __init__(self, transactions: pd.DataFrame, interactions: pd.DataFrame | None = None) -> None:
        self.database = duckdb.connect()
        given = transactions.assign(
            **{c: None for c in ("kind", "amount", "margin", "product") if c not in transactions}
        )
        given["kind"] = given["kind"].fillna("purchase")
        self.database.register("given", given)
        self.database.execute(
            """CREATE TABLE transactions AS SELECT customer::VARCHAR AS customer, date::DATE AS date,
                kind::VARCHAR AS kind, amount::DOUBLE AS amount, margin::DOUBLE AS margin, product::VARCHAR AS product,
                NULL::VARCHAR AS channel, NULL::VARCHAR AS seller, NULL::VARCHAR AS basket, NULL::VARCHAR AS link
            FROM given"""
        )
        self.database.execute("CREATE TABLE customers (customer VARCHAR, since DATE)")
        self.database.execute("CREATE TABLE events (customer VARCHAR, date DATE, kind VARCHAR, name VARCHAR)")
        self.database.execute(
            "CREATE TABLE interactions (customer VARCHAR, date DATE, kind VARCHAR, touchpoint VARCHAR)"
        )
        if interactions is not None:
            self.database.register("met", interactions)
            self.database.execute("INSERT INTO interactions SELECT customer, date, kind, touchpoint FROM met")

    def sql(self, query: str, *, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pd.DataFrame:
        """Answer a query."""
        return self.database.execute(query, params).df()


def purchases_of(world: simulate.World, *, until: float = 1e9) -> pd.DataFrame:
    """Events of a world as transactions, at most one a customer and day."""
    events = world.events[world.events["time"] < until]
    when = [BEGIN + timedelta(days=int(t * 7)) for t in events["time"]]
    who = "c" + events["customer"].astype(str).str.zfill(5)
    table = pd.DataFrame({"customer": who, "date": when, "amount": events["amount"]})
    return table.groupby(["customer", "date"], as_index=False).sum()
