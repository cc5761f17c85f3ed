"""Clients made of a few rows, and the page on value run on them: the cells of the template, one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from value import simulate

from cxlab.report.finding import Finding

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "notebooks" / "templates" / "50_value.ipynb"
BEGIN = date(2025, 1, 1)


@dataclass(frozen=True)
class Shown:
    """What a run of the page left behind."""

    names: Mapping[str, Any]  # variables of the notebook

    @property
    def sentences(self) -> dict[str, str]:
        """English text of every finding, by its id."""
        return {one.id: one.sentence("en") for one in self.names["page"].findings}

    def finding(self, id: str) -> Finding:
        """Return a finding of the page."""
        return next(one for one in self.names["page"].findings if one.id == id)

    @property
    def table(self) -> pd.DataFrame:
        """``value_estimates`` as it was written."""
        return self.names["value"].frame

    def row(self, estimand: str, **where: str) -> pd.Series:
        """Return the first row of an estimand."""
        rows = self.table[self.table["estimand"] == estimand]
        for column, value in ({"level": "total"} | where).items():
            rows = rows[rows[column] == value]
        return rows.iloc[0]


def show(params_file: Path, home: Path, patch: pytest.MonkeyPatch, *, brand: str, period: str) -> Shown:
    """Run the template's code on a client as an analyst's session does."""
    patch.setenv("CXLAB_HOME", str(home))
    cells = json.loads(TEMPLATE.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        if cell["id"] == "parameters":
            names |= {"params_file": str(params_file), "brand": brand, "period": period}
    return Shown(names)


def client(folder: Path, rows: pd.DataFrame, *, first: str, last: str, more: str = "", grain: str = "quarter") -> Path:
    """Write a client with one file of purchases (customer, date, amount and, if it has it, kind) and its params."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("notebooks", "params"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    rows.to_csv(folder / "purchases.csv", index=False)
    kind = "    kind: kind\n" if "kind" in rows else ""
    text = f"""client: shop
label: Shop
languages: [en, zh]
brands: [{{id: shop, label: Shop}}]
periods: {{grain: {grain}, first: {first}, last: {last}, history_from: 2025Q1}}
inputs:
  purchases: {{path: purchases.csv}}
tables:
  transactions:
    from: purchases
    customer: customer
    brand: {{const: shop}}
    date: date
    amount: amount
{kind}{more}"""
    path = folder / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def buyers(n: int, *, seed: int, weeks: float = 52.0, arrivals: float = 20.0) -> pd.DataFrame:
    """Return purchases of customers drawn from the model itself, a row a purchase."""
    world = simulate.draw(n, family="bgnbd", parameters=(0.6, 6.0, 0.8, 2.5), weeks=weeks, arrivals=arrivals, seed=seed)
    events = world.events[world.events["time"] < weeks]
    when = [str(BEGIN + timedelta(days=int(t * 7))) for t in events["time"]]
    return pd.DataFrame(
        {"customer": "c" + events["customer"].astype(str), "date": when, "amount": events["amount"].round(2)}
    )


def subscribers(n: int, *, share: float, months: int, seed: int) -> pd.DataFrame:
    """Return monthly payments of subscribers, each of whom ends with a chance of their own, `share` on average."""
    random = np.random.default_rng(seed)
    ending = random.beta(1, 1 / share - 1, n)
    rows = []
    for customer in range(n):
        begin = int(random.integers(0, months // 2))
        for month in range(begin, months):
            day = BEGIN + timedelta(days=int(30.4375 * month) + customer % 5)
            rows.append({"customer": f"s{customer}", "date": str(day), "amount": 10.0})
            if random.random() < ending[customer]:
                break
    return pd.DataFrame(rows)
