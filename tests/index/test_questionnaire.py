"""From params and files to the index: what cannot be made says why, what can reaches the tidy table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from index.index_worlds import BLOCKS, PATHS, answers

from cxlab import connect
from cxlab.index import estimates, questionnaire
from cxlab.inference.diagnostics import Gate
from cxlab.params.models import Params
from cxlab.runs import UnitData

PERIODS = ["2025", "2026"]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(2)
    rows = pd.concat([answers(200, seed=1, period="2025"), answers(200, seed=2, period="2026")], ignore_index=True)
    items = [c for c in rows if c not in ("period", "later")]
    spend = rows["s1"] + rows["s2"] + rows["s3"] + random.normal(0, 3, 400)
    rows[items] = rows[items].round().mask(random.random((400, len(items))) < 0.03)
    rows["who"] = [f"c{i}" for i in range(400)]
    rows["date"] = np.where(rows["period"] == "2025", "2025-03-01", "2026-02-01")
    rows["never"] = ""
    rows.to_csv(folder / "answers.csv", index=False)
    bought = pd.DataFrame({"who": rows["who"], "date": "2026-03-01", "amount": spend.round(2)})
    bought.loc[rows["period"] == "2025", "date"] = "2025-04-01"
    late = pd.DataFrame({"who": ["c1"], "date": ["2026-12-30"], "amount": [1.0]})
    orders = pd.concat([bought[random.random(400) < 0.8], late])
    orders.assign(kind=np.where(np.arange(len(orders)) % 2, "purchase", "booking")).to_csv(
        folder / "orders.csv", index=False
    )
    questions = {item: {"column": item, "scale": "ten", "role": "image"} for item in (*items, "never")}
    return Params.model_validate(
        {
            "client": "me",
            "data_root": str(folder),
            "brands": ["one"],
            "periods": {"grain": "year", "first": 2025, "last": 2026},
            "scales": {"ten": {"codes": list(range(1, 11))}},
            "inputs": {"answers": {"path": "answers.csv"}, "orders": {"path": "orders.csv"}},
            "tables": {
                "responses": {"from": "answers", "customer": "who", "date": "date", "response_id": "who"},
                "ratings": {"from": "answers", "response_id": "who", "items": questions},
                "transactions": {
                    "from": "orders", "customer": "who", "date": "date", "amount": "amount",
                    "kind": "kind",
                },
            },
            "index": {"latents": {name: {"items": ids} for name, ids in BLOCKS.items()}, "paths": PATHS},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(params: Params, tmp_path_factory: pytest.TempPathFactory) -> UnitData:
    place = tmp_path_factory.mktemp("store") / "store"
    connect.build(params, place, key=b"k" * 32)
    return UnitData(connect.open_store(place), "one", "2026")


def without(data: UnitData, *, item: str, period: str) -> UnitData:
    """The unit as if nobody had been asked an item in a period."""

    class Blanked(UnitData):
        def sql(self, query: str, **more: Any) -> pd.DataFrame:
            hidden = f"(SELECT * FROM ratings WHERE item <> '{item}' OR period <> '{period}')"
            return UnitData.sql(self, query.replace("FROM ratings", f"FROM {hidden}"), **more)

    return Blanked(data.store, data.brand, data.until)


def changed(params: Params, **index: object) -> Params:
    assert params.index is not None
    spec = params.index.model_dump(mode="json") | index
    return Params.model_validate(params.model_dump(mode="json", by_alias=True, exclude_none=True) | {"index": spec})


def reason(params: Params, data: UnitData, period: str = "2026") -> str:
    return questionnaire.questionnaire(data, params=params, period=period).reason


def test_what_cannot_be_made_says_why_and_what_to_do(params: Params, data: UnitData) -> None:
    assert "extends: index/acsi" in reason(params.model_copy(update={"index": None}), data)
    blank = changed(params, latents={**{k: {"items": v} for k, v in BLOCKS.items()}, "value": {"items": []}})
    assert "no questions for value" in reason(blank, data)
    assert "index.latents.<name>.items" in reason(blank, data)
    never = changed(params, latents={**{k: {"items": v} for k, v in BLOCKS.items()}, "value": {"items": ["never"]}})
    assert "value (never)" in reason(never, data)
    assert "nobody answered" in reason(params, data, period="2030")
    assert reason(changed(params, without=["loyalty"]), data) == ""


def test_a_question_nobody_answered_is_left_out_and_named(params: Params, data: UnitData) -> None:
    more = {**{k: {"items": v} for k, v in BLOCKS.items()}, "value": {"items": [*BLOCKS["value"], "never"]}}
    asked = questionnaire.questionnaire(data, params=changed(params, latents=more), period="2026")
    assert asked.left_out == ("never",)
    assert asked.structure is not None
    assert "never" not in asked.structure.items


def test_a_question_that_came_later_leaves_out_the_periods_before_it(params: Params, data: UnitData) -> None:
    asked = questionnaire.questionnaire(data, params=params, period="2026")
    assert asked.structure is not None
    rows = questionnaire.answers(asked, data)
    assert set(rows["period"]) == set(PERIODS)
    assert questionnaire.hindrance(asked, rows, period="2026") == ""
    before = rows["period"] == "2025"
    assert "2026" in questionnaire.hindrance(asked, rows[before], period="2026")
    assert "too few" in questionnaire.hindrance(asked, rows.head(20), period="2026")
    assert "alike" in questionnaire.hindrance(asked, rows.assign(s1=5.0), period="2026")
    for blank, kept, left_out in (("2025", ["2026"], ()), ("2026", ["2025", "2026"], ("s1",))):
        other = without(data, item="s1", period=blank)
        told = questionnaire.questionnaire(other, params=params, period="2026")
        assert told.left_out == left_out
        assert sorted(set(questionnaire.answers(told, other)["period"])) == kept


def test_from_the_store_to_the_table(params: Params, data: UnitData) -> None:
    asked = questionnaire.questionnaire(data, params=params, period="2026")
    rows = questionnaire.answers(asked, data)
    assert len(rows) == 400
    assert rows["s1"].isna().any()
    settings = params.model.model_copy(update={"draws": 300, "tune": 300})
    fit = questionnaire.fit(
        asked, rows, data, params=params, periods=PERIODS, settings=settings, seed=lambda name: len(name)
    )  # fmt: skip
    assert estimates.gate(fit.tree, fit.reported).rhat < 1.05  # short
    judged = Gate(True, 1.0, 1000.0, 1000.0, 0)
    table = estimates.table(fit, judged, periods=PERIODS, practical=1.0)
    index = table[(table["estimand"] == "index") & (table["to"] == "satisfaction")]
    assert index["period"].tolist() == PERIODS
    assert index["mean"].between(50, 61).all()
    spend = table[(table["estimand"] == "outcome_effect") & (table["to"] == "spend")].iloc[0]
    assert spend["verdict"] == "better"
    assert spend["n"] == 400
    again = table[(table["estimand"] == "outcome_mean") & (table["to"] == "retention")].iloc[0]
    assert 0.7 < again["mean"] < 0.9  # purchases and bookings
    assert questionnaire.draws_of(fit).sizes["draw"] <= 1000


def test_a_shuffled_outcome_goes_with_nothing(params: Params, data: UnitData) -> None:
    """Negative control of the effect on spend: the same answers given to other customers."""
    asked = questionnaire.questionnaire(data, params=params, period="2026")
    rows = questionnaire.answers(asked, data)
    items = list(asked.structure.items) if asked.structure else []
    shuffled = rows.copy()
    shuffled[items] = rows[items].sample(frac=1.0, random_state=3).to_numpy()
    settings = params.model.model_copy(update={"draws": 150, "tune": 300})
    fit = questionnaire.fit(
        asked, shuffled, data, params=params, periods=PERIODS, settings=settings, seed=lambda name: len(name)
    )
    draws = fit.outcomes.set_index("outcome").loc["spend", "draws"]
    assert 0.025 <= float((draws > 0).mean()) <= 0.975
