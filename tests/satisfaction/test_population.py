"""Whom the answers stand for: directory, invitations and margins as populations of cells; who is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab import connect
from cxlab.errors import ParamsError
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.satisfaction import population, representativeness
from cxlab.satisfaction import questions as measures
from cxlab.vocab import UNKNOWN

AGE, TOUCH = "segment:age", "touchpoint"
PERIODS = ["2025", "2026"]
RATES = {"young": 0.2, "old": 0.6}


def test_raking_meets_the_margins_and_keeps_the_association() -> None:
    seed = np.random.default_rng(1).uniform(1, 5, (3, 4, 2))
    margins = [np.array([0.2, 0.3, 0.5]), np.full(4, 0.25), np.array([0.9, 0.1])]
    found = population.raked(seed, margins)
    for axis, wanted in enumerate(margins):
        np.testing.assert_allclose(found.sum(axis=tuple({0, 1, 2} - {axis})), wanted, atol=1e-9)
    odds = seed[0, 0] * seed[1, 1] / (seed[0, 1] * seed[1, 0])
    np.testing.assert_allclose(found[0, 0] * found[1, 1] / (found[0, 1] * found[1, 0]), odds)


def params_of(folder: Path, **more: object) -> Params:
    scale = {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4}}
    tables: dict[str, object] = {
        "customers": {"from": "people", "customer": "who", "since": "since", "segments": {"age": "age"}},
        "transactions": {"from": "ends", "customer": "who", "date": "day", "kind": "kind"},
        "invitations": {"from": "asked", "invitation_id": "id", "customer": "who", "date": "day",
                        "touchpoint": "touchpoint", "response_id": "answer"},
        "responses": {"from": "answers", "response_id": "id", "customer": "who", "date": "day",
                      "touchpoint": "touchpoint", "segments": {"age": "age"}},
        "ratings": {"from": "answers", "items": {"overall": {"column": "q", "scale": "five", "role": "overall"}}},
    }  # fmt: skip
    names = {"people", "ends", "asked", "answers"}
    dropped = more.pop("without", ())
    return Params.model_validate(
        {
            "client": "tiny", "data_root": str(folder), "brands": ["one"], "scales": scale,
            "periods": {"grain": "year", "first": 2025, "last": 2026},
            "inputs": {name: {"path": f"{name}.csv"} for name in names},
            "tables": {k: v for k, v in tables.items() if k not in dropped},
        }
        | more
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 customers, three of four young; the old answer three times as often, and score higher."""
    place, random = tmp_path_factory.mktemp("files"), np.random.default_rng(3)
    age = np.array(["young"] * 750 + ["old"] * 250)
    people = pd.DataFrame({"who": [f"c{i}" for i in range(1000)], "age": age, "since": "2024-05-01"})
    people.loc[900:, "since"] = "2026-02-01"
    people.loc[::10, "age"] = ""  # the directory does not know one in ten
    people.to_csv(place / "people.csv", index=False)
    pd.DataFrame({"who": ["c1", "c2"], "day": "2025-06-01", "kind": "churn"}).to_csv(place / "ends.csv", index=False)
    rows, answers = [], []
    for year in PERIODS:
        for i in range(1000):
            touchpoint = random.choice(["web", "store"])
            rows.append((f"{year}-{i}", f"c{i}", f"{year}-03-0{random.integers(1, 9)}", touchpoint, ""))
            if random.random() < RATES[age[i]]:
                rows[-1] = (*rows[-1][:4], rows[-1][0])
                score = np.clip(np.rint(random.normal(4.5 if age[i] == "old" else 3, 1)), 1, 5)
                answers.append((rows[-1][0], f"c{i}", rows[-1][2], touchpoint, age[i], int(score)))
    pd.DataFrame(rows, columns=["id", "who", "day", "touchpoint", "answer"]).to_csv(place / "asked.csv", index=False)
    columns = ["id", "who", "day", "touchpoint", "age", "q"]
    pd.DataFrame(answers, columns=columns).to_csv(place / "answers.csv", index=False)
    return place


def unit(params: Params, place: Path) -> UnitData:
    return UnitData(connect.open_store(connect.build(params, place / "store")), "one", "2026")


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> UnitData:
    return unit(params_of(folder), tmp_path_factory.mktemp("full"))


def test_the_base_is_who_is_a_customer_then(data: UnitData) -> None:
    base = data.base([AGE, TOUCH], periods=PERIODS)
    assert base.groupby("period")["population"].sum().to_dict() == {"2025": 898, "2026": 998}  # two left, 100 joined
    assert list(base.columns) == [AGE, "period", "population"]  # a directory knows no touchpoints


def test_by_population_the_silent_majority_counts(data: UnitData, folder: Path) -> None:
    params = params_of(folder)
    questions = measures.measures(data, params=params, period="2026")
    assert [m.weighting for m in questions] == ["none", "population"]
    assert measures.lead(questions, params=params).weighting == "population"
    bare, people = measures.load(questions, data, periods=PERIODS)
    assert people.base == "customers+invitations"
    assert bare.base == ""
    share = people.population[people.cells[AGE] == "young"].sum() / people.population.sum()
    assert 0.7 < share < 0.8  # the unknown tenth is dealt out as those who are known
    fits = measures.fit(questions, [bare, people], settings=params.model, seed=lambda _: 1)
    assert fits[0].tree is fits[1].tree  # one fit, two weightings
    plain, weighed = (one.reported["mean"].isel(row=1).mean().item() for one in fits)
    truth = 0.75 * 3 + 0.25 * 4.35  # 5 is the end of the scale
    assert plain > weighed + 0.2
    assert weighed == pytest.approx(truth, abs=0.2)
    assert fits[1].reported["n_eff"].isel(row=1) < fits[0].reported["n_eff"].isel(row=1)


def test_invitations_stand_in_for_a_directory(folder: Path, tmp_path: Path) -> None:
    params = params_of(folder, without=("customers", "transactions"))
    params = params.model_copy(update={"model": params.model.model_copy(update={"groupings": [TOUCH]})})
    data = unit(params, tmp_path)
    loaded = measures.load(measures.measures(data, params=params, period="2026"), data, periods=PERIODS)
    assert loaded[-1].base == "invitations"
    assert loaded[-1].population.sum() == 2000


def test_margins_of_the_params_come_first(folder: Path, data: UnitData) -> None:
    params = params_of(folder, population={AGE: {"young": 90, "old": 10}})
    loaded = measures.load(measures.measures(data, params=params, period="2026"), data, periods=PERIODS)
    people = loaded[-1]
    assert people.base == "margins+invitations"
    assert people.population[people.cells[AGE] == "young"].sum() / people.population.sum() == pytest.approx(0.9)


def test_margins_that_leave_out_a_group_are_refused(folder: Path, data: UnitData) -> None:
    params = params_of(folder, population={AGE: {"young": 1.0, "olde": 1.0}})
    with pytest.raises(ParamsError, match=r"population.segment:age: .*found old; .*did you mean 'olde'"):
        measures.load(measures.measures(data, params=params, period="2026"), data, periods=PERIODS)
    with pytest.raises(ValueError, match="give some group a share above 0"):
        params_of(folder, population={AGE: {"young": 0, "old": 0}})


def test_who_is_heard(data: UnitData) -> None:
    rows = representativeness.heard(data, factors=[AGE, TOUCH], periods=PERIODS, period="2026").set_index("group")
    for group, rate in RATES.items():
        assert rows.loc[group, "rate_low"] < rate < rows.loc[group, "rate_high"]
    assert rows.loc["young", "base_share"] == pytest.approx(0.75, abs=0.01)
    assert rows.loc["young", "answer_share"] < 0.6
    assert not rows["never_heard"].any()
    found = representativeness.representativeness(data, factors=[AGE, TOUCH], period="2026")
    assert found is not None
    assert found.frame == "invitations"
    spread = 1 - 2 * np.sqrt(0.75 * 0.25) * 0.4
    assert found.r_low - 0.02 < spread < found.r_high + 0.02
    assert found.partial[AGE] > 5 * found.partial[TOUCH]  # the touchpoint tells nothing of who answers


def test_of_answers_without_a_name_nobody_knows_whom_they_lack(data: UnitData, monkeypatch: pytest.MonkeyPatch) -> None:
    for unstated, known in ((500, False), (5, True)):
        said = pd.DataFrame({AGE: ["old", UNKNOWN], "period": "2026", "n": [50, unstated]})
        monkeypatch.setattr(representativeness, "_answers", lambda data, factors, said=said: said)
        rows = representativeness.heard(data, factors=[AGE], periods=PERIODS, period="2026").set_index("group")
        assert rows["never_heard"].to_dict() == {"old": False, "young": known}
        assert rows["base_share"].notna().all() == known
        assert (rows["asked"] > 0).all()  # who was asked is known either way


def test_without_a_frame_nobody_is_said_to_be_represented(folder: Path, tmp_path: Path) -> None:
    data = unit(params_of(folder, without=("customers", "transactions", "invitations")), tmp_path)
    assert representativeness.representativeness(data, factors=[AGE], period="2026") is None
    assert representativeness.heard(data, factors=[AGE], periods=PERIODS, period="2026").empty
    questions = measures.measures(data, params=params_of(folder), period="2026")
    assert {m.weighting for m in questions} == {"none"}
