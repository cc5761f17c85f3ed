"""What happened behind the scores: exact counts, a planted change told, none invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidy import LABELS

from cxlab import connect, params
from cxlab.connect import Store
from cxlab.journey import estimates, facts, findings
from cxlab.report import About, Estimates
from cxlab.runs import UnitData
from cxlab.vocab import ESTIMATE_COLUMNS


def made(place: Path, late: tuple[float, float], seed: int, n: int = 600) -> UnitData:
    """Deliveries of two quarters, late with these probabilities, and contacts that are solved alike."""
    random = np.random.default_rng(seed)
    rows = []
    for quarter, share in zip(("2026-02-10", "2026-05-10"), late, strict=True):
        rows += [("delivery", quarter, f"C{i}", str(random.random() < share).lower(), "") for i in range(n)]
        rows += [("service", quarter, f"C{i}", "", str(random.random() < 0.7).lower()) for i in range(n // 3)]
    frame = pd.DataFrame(rows, columns=["touchpoint", "date", "customer", "late", "solved"])
    frame.to_csv(place / "contacts.csv", index=False)
    (place / "me.yaml").write_text(
        """client: me
brands: [{id: a, label: A}]
periods: {grain: quarter, first: 2026Q1, last: 2026Q2}
inputs: {contacts: {path: contacts.csv}}
tables:
  interactions:
    - {from: contacts, customer: customer, date: date, touchpoint: touchpoint,
       outcome: {late: "late = 'true'", solved: "solved = 'true'"}}
""",
        encoding="utf-8",
    )
    given = params.load(place / "me.yaml")
    store: Store = connect.open_store(connect.build(given, place / "store"))
    return UnitData(store, "a", "2026Q2")


def told(data: UnitData, sides: dict[tuple[str, str], str], previous: str = "2026Q1") -> Estimates:
    frame = facts.table(data, sides, period="2026Q2", previous=previous, practical=0.03, seed=1)
    frame = estimates.together(frame.assign(model="facts"))
    for column in ESTIMATE_COLUMNS:
        if column not in frame:
            frame[column] = np.nan
    return Estimates(frame.assign(brand="a"), About(LABELS, period="2026Q2"))


def test_counts_are_those_of_the_files_and_the_planted_change_is_told(tmp_path: Path) -> None:
    data = made(tmp_path, (0.08, 0.4), 1)
    rows = told(data, {("delivery", "late"): "late"})
    file = pd.read_csv(tmp_path / "contacts.csv")
    parcels = file[file["touchpoint"] == "delivery"]
    for period, month in (("2026Q1", "02"), ("2026Q2", "05")):
        counted = parcels.loc[parcels["date"].str[5:7] == month, "late"].astype(str).str.lower() == "true"
        row = rows.where(estimand="fact", period=period, touchpoint="delivery", basis="late").first
        assert row is not None
        assert row.mean == pytest.approx(counted.mean())
        assert row["n"] == 600
    found = findings.facts(rows)
    assert found.sentence("en").startswith("What happened got worse: “")
    assert "goes with lower satisfaction" in found.sentence("en")
    assert "实际情况变差" in found.sentence("zh")
    neutral = findings.facts(told(data, {}))
    assert neutral.sentence("en").startswith("More often than the period before")
    turned = findings.facts(told(data, {("delivery", "late"): "not late"}))
    assert turned.sentence("en").startswith("What happened got better")


def test_nothing_is_told_where_nothing_changed(tmp_path: Path) -> None:
    """Two outcomes at a time, no change: a sentence in one world of twenty; chance allows five."""
    false = 0
    for seed in range(20):
        place = tmp_path / str(seed)
        place.mkdir()
        false += "did not clearly change" not in findings.facts(told(made(place, (0.2, 0.2), seed, 300), {})).sentence(
            "en"
        )
    assert false <= 5


def test_without_a_period_before_or_outcomes_it_says_so(tmp_path: Path) -> None:
    data = made(tmp_path, (0.1, 0.1), 3)
    assert "no period before" in findings.facts(told(data, {}, previous="")).sentence("en")
    empty = told(data, {}).where(touchpoint="nowhere")
    assert "no interaction has a known outcome" in findings.facts(empty).sentence("en")
