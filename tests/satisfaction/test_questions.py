"""Which questions are fitted, with which groups and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab import connect
from cxlab.errors import ParamsError
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.satisfaction import questions

PERIODS = ["2025", "2026"]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(2)
    n = 400
    pd.DataFrame(
        {
            "year": random.choice(PERIODS, n),
            "age": random.choice(["young", "old", ""], n),
            "row": range(n),
            "weight": random.uniform(0.5, 2, n).round(3),
            "recommend": random.integers(0, 11, n),
            "clean": random.integers(1, 6, n),
            "hoped": random.integers(1, 6, n),
        }
    ).to_csv(folder / "answers.csv", index=False)
    items = {
        "nps": {"column": "recommend", "scale": "ten", "role": "nps"},
        "clean": {"column": "clean", "scale": "five", "role": "attribute"},
        "hoped": {"column": "hoped", "scale": "five", "role": "expectation"},
    }
    return Params.model_validate(
        {
            "client": "me",
            "data_root": str(folder),
            "brands": ["one"],
            "periods": {"grain": "year", "first": 2025, "last": 2026},
            "scales": {"ten": {"codes": list(range(11))}, "five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4}},
            "inputs": {"answers": {"path": "answers.csv"}},
            "tables": {
                "responses": {
                    "from": "answers",
                    "period": "year",
                    "weight": "weight",
                    "segments": {"age": "age", "row": "row"},
                },
                "ratings": {"from": "answers", "items": items},
            },
        }
    )


@pytest.fixture(scope="module")
def data(params: Params, tmp_path_factory: pytest.TempPathFactory) -> UnitData:
    place = connect.build(params, tmp_path_factory.mktemp("store") / "store")
    return UnitData(connect.open_store(Path(place)), "one", "2026")


@pytest.fixture(scope="module")
def found(data: UnitData, params: Params) -> list[questions.Measure]:
    return questions.measures(data, params=params, period="2026")


def test_headlines_come_first_and_with_and_without_weights(found: list[questions.Measure]) -> None:
    assert [(m.item, m.weighting) for m in found] == [("nps", "none"), ("nps", "survey"), ("clean", "survey")]
    assert found[0].metrics == ("mean", "top_box", "nps")
    assert found[2].metrics == ("mean", "top_box", "csat")


def test_an_id_is_no_segment(found: list[questions.Measure]) -> None:
    assert {m.factors for m in found} == {("segment:age",)}


def test_wanted_groupings_are_taken(data: UnitData, params: Params) -> None:
    wanted = params.model_copy(update={"model": params.model.model_copy(update={"groupings": []})})
    assert {m.factors for m in questions.measures(data, params=wanted, period="2026")} == {()}


def test_weighted_counts_claim_no_more_than_the_design_carries(data: UnitData, found: list[questions.Measure]) -> None:
    plain, weighted, _ = questions.load(found, data, periods=PERIODS)
    assert plain.counts.sum() == 400
    assert 300 < weighted.counts.sum() < 390
    assert weighted.n_raw.sum() == 400


def test_a_page_begins_with_the_headline(found: list[questions.Measure], params: Params) -> None:
    assert (questions.lead(found, params=params).item, questions.lead(found, params=params).weighting) == (
        "nps",
        "survey",
    )
    assert questions.lead(found, params=params, item="clean").item == "clean"
    assert questions.comparison(found[0]) == "segment:age"
    assert questions.reported_by(found, "csat").item == "clean"


def test_unknown_names_say_which_are_known(found: list[questions.Measure], params: Params) -> None:
    with pytest.raises(ParamsError, match=r"did you mean 'clean'"):
        questions.lead(found, params=params, item="cleen")
    with pytest.raises(ParamsError, match=r"segment:age"):
        questions.comparison(found[0], grouping="segment:aeg")
