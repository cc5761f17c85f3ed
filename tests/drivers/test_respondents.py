"""Which outcomes and attributes a unit has; rows reach the model as they were said, as of when they were said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab import connect
from cxlab.drivers import data as people
from cxlab.drivers.data import BLANK, NOT_USED
from cxlab.errors import ModelError, ParamsError
from cxlab.params.models import Params
from cxlab.runs import UnitData

N = 400


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    random = np.random.default_rng(1)
    days = pd.to_datetime("2025-01-01") + pd.to_timedelta(random.integers(0, 540, N), unit="D")
    return pd.DataFrame(
        {
            "id": [f"r{i:03d}" for i in range(N)],
            "who": [f"c{i:03d}" for i in range(N)],
            "day": days.strftime("%Y-%m-%d"),
            "weight": random.uniform(0.5, 2, N).round(3),
            "age": random.choice(["young", "old"], N),
            "whole": random.integers(1, 6, N),
            "recommend": random.integers(0, 11, N),
            "a": random.choice([0, 1, 2, 3, 4, 5, 6, 9], N),  # 0 a blank, 6 not used, 9 refused
            "b": random.integers(1, 6, N),
            "c": random.integers(1, 6, N),
            "hoped": random.integers(1, 6, N),
        }
    )


@pytest.fixture(scope="module")
def sales(answers: pd.DataFrame) -> pd.DataFrame:
    """Every second customer bought ten days before the answer, every fourth of them ten days after it as well."""
    day = pd.to_datetime(answers["day"])
    before = answers.iloc[::2].assign(on=day - pd.Timedelta(days=10), money=5.0)
    after = answers.iloc[::4].assign(on=day + pd.Timedelta(days=10), money=20.0)
    out = pd.concat([before, after])[["who", "on", "money"]]
    return out.assign(on=out["on"].dt.strftime("%Y-%m-%d"), sale=[f"s{i}" for i in range(len(out))])


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory, answers: pd.DataFrame, sales: pd.DataFrame) -> Params:
    folder = tmp_path_factory.mktemp("files")
    answers.to_csv(folder / "answers.csv", index=False)
    sales.to_csv(folder / "sales.csv", index=False)
    items = {name: {"column": name, "scale": "five", "role": "attribute"} for name in ("a", "b", "c")}
    items |= {
        "whole": {"column": "whole", "scale": "five", "role": "overall"},
        "nps": {"column": "recommend", "scale": "ten", "role": "nps"},
        "hoped": {"column": "hoped", "scale": "five", "role": "expectation"},
    }
    five = {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {0: "blank", 6: "not_used", 9: "refused"}}
    return Params.model_validate(
        {
            "client": "me",
            "data_root": str(folder),
            "brands": ["one"],
            "periods": {"grain": "year", "first": 2025, "last": 2026},
            "scales": {"ten": {"codes": list(range(11))}, "five": five},
            "inputs": {"answers": {"path": "answers.csv"}, "sales": {"path": "sales.csv"}},
            "tables": {
                "responses": {
                    "from": "answers",
                    "response_id": "id",
                    "customer": "who",
                    "date": "day",
                    "weight": "weight",
                    "segments": {"age": "age"},
                },
                "ratings": {"from": "answers", "items": items},
                "transactions": {
                    "from": "sales", "transaction_id": "sale", "customer": "who", "date": "on", "amount": "money",
                },
            },
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(params: Params, tmp_path_factory: pytest.TempPathFactory) -> UnitData:
    return UnitData(connect.open_store(connect.build(params, tmp_path_factory.mktemp("store") / "s")), "one", "2026")


def in_period(answers: pd.DataFrame, year: str) -> pd.DataFrame:
    return answers[answers["day"].str.startswith(year)].sort_values("id").reset_index(drop=True)


def test_a_thin_period_is_helped_by_those_before_it(
    params: Params, data: UnitData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = people.respondents(data, params=params, period="2026", outcome="whole")
    assert (len(whole.outcome), whole.since) == (N, "2025")  # fewer than enough in 2026
    assert people.respondents(data, params=params, period="2025", outcome="whole").since == ""  # nothing later helps
    monkeypatch.setattr(people, "ENOUGH", 100)
    alone = people.respondents(data, params=params, period="2026", outcome="whole")
    assert len(alone.outcome) < N
    assert alone.since == ""


def test_codes_that_nobody_gave_have_no_cut() -> None:
    places, codes = people._given(np.array([1, 3, -1, 3, 4]), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    assert codes == (1.0, 3.0, 4.0, 5.0)  # the best one stays
    np.testing.assert_array_equal(places, [0, 1, -1, 1, 2])
    few, all_of_them = people._given(np.array([0, 0]), (1.0, 2.0, 3.0))
    np.testing.assert_array_equal(few, [0, 0])
    assert all_of_them == (1.0, 2.0, 3.0)


def test_rows_are_what_was_said(params: Params, data: UnitData, answers: pd.DataFrame) -> None:
    loaded = people.respondents(data, params=params, period="2025", outcome="whole")
    said = in_period(answers, "2025")
    assert loaded.attributes == ("a", "b", "c")  # hopes are no attributes
    assert loaded.kind == "ordinal"
    assert loaded.name == "whole"
    place = said["a"].map({0: BLANK, 9: BLANK, 6: NOT_USED, **{c: c - 1 for c in range(1, 6)}})
    np.testing.assert_array_equal(loaded.codes[:, 0], place)
    np.testing.assert_array_equal(loaded.codes[:, 1:], said[["b", "c"]] - 1)
    np.testing.assert_array_equal(loaded.outcome, said["whole"] - 1)
    weight = said["weight"].to_numpy()
    np.testing.assert_allclose(loaded.weights, weight * weight.sum() / (weight**2).sum(), rtol=1e-6)


def test_outcomes_of_all_kinds(params: Params, data: UnitData, answers: pd.DataFrame) -> None:
    assert people.outcomes(data, params=params, period="2025") == [
        "whole", "nps", "satisfied", "repurchased", "spend",
    ]  # fmt: skip
    said = in_period(answers, "2025")
    loaded = people.respondents(data, params=params, period="2025", outcome="satisfied")
    assert loaded.kind == "binary"
    np.testing.assert_array_equal(loaded.outcome, said["whole"] >= 4)
    assert people.respondents(data, params=params, period="2025", outcome="nps").outcome_levels == tuple(range(11))
    assert people.respondents(data, params=params, period="2025").name == "whole"
    led = params.model_copy(update={"headline": params.headline.model_copy(update={"item": "nps"})})
    assert people.respondents(data, params=led, period="2025").name == "nps"


def test_only_what_came_after_the_answer_counts(params: Params, data: UnitData, answers: pd.DataFrame) -> None:
    loaded = people.respondents(data, params=params, period="2026", outcome="repurchased")
    said = answers.sort_values("id")
    last = pd.to_datetime(said["day"]).iloc[::4].max() + pd.Timedelta(days=10)
    over = pd.to_datetime(said["day"]) + pd.Timedelta(days=people.HORIZON) <= last
    bought = np.isin(np.arange(N), np.arange(0, N, 4))  # those who bought before only did not buy again
    np.testing.assert_array_equal(loaded.outcome, np.where(over, bought, -1))
    assert loaded.kind == "binary"
    spent = people.respondents(data, params=params, period="2026", outcome="spend")
    assert spent.kind == "continuous"
    np.testing.assert_allclose(spent.outcome, np.where(over, np.log1p(20.0 * bought), np.nan))


def test_what_a_customer_does_counts_for_one_answer(tmp_path: Path, params: Params, answers: pd.DataFrame) -> None:
    """Answers of one customer within 90 days share what follows: the first one has it, one later than that its own."""
    own = [("a", "2025-01-10"), ("b", "2025-02-10"), ("c", "2025-04-09"), ("d", "2025-04-10"), ("e", "2025-07-08")]
    again = answers.iloc[: len(own)].assign(id=[f"z{i}" for i, _ in own], who="often", day=[d for _, d in own])
    nobody = again.assign(id=[f"y{i}" for i, _ in own], who="")
    pd.concat([answers, again, nobody]).to_csv(tmp_path / "answers.csv", index=False)
    sales = pd.DataFrame({"who": "often", "on": ["2025-04-12", "2026-12-01"], "money": 5.0, "sale": ["s1", "s2"]})
    plenty = pd.DataFrame({"who": answers["who"], "on": answers["day"], "money": 1.0, "sale": answers["id"]})
    later = pd.to_datetime(plenty["on"]) + pd.Timedelta(days=1)
    pd.concat([sales, plenty.assign(on=later.dt.strftime("%Y-%m-%d"))]).to_csv(tmp_path / "sales.csv", index=False)
    whole = params.model_copy(update={"data_root": str(tmp_path)})
    data = UnitData(connect.open_store(connect.build(whole, tmp_path / "s")), "one", "2026")
    loaded = people.respondents(data, params=whole, period="2026", outcome="repurchased")
    assert loaded.outcome[N + 5 :].tolist() == [0, -1, -1, 1, -1]
    assert (loaded.outcome[N : N + 5] == -1).all()  # of those not known nobody knows what they did
    assert (loaded.outcome == -1).sum() == 3 + 5  # everybody else answered once


def test_groups_are_places_among_their_names(params: Params, data: UnitData, answers: pd.DataFrame) -> None:
    loaded = people.respondents(data, params=params, period="2025", by="segment:age")
    assert loaded.groups == ("old", "young")
    names = np.array(loaded.groups)[loaded.group]
    np.testing.assert_array_equal(names, in_period(answers, "2025")["age"])
    both = people.respondents(data, params=params, period="2026", by="period")
    assert both.groups == ("2025", "2026")
    assert len(both.codes) == N


def test_what_is_not_there_is_said(params: Params, data: UnitData) -> None:
    with pytest.raises(ParamsError, match="did you mean 'whole'"):
        people.respondents(data, params=params, period="2025", outcome="hole")
    with pytest.raises(ParamsError, match="no such item was rated"):
        people.respondents(data, params=params, period="2025", named=["a", "b", "x"])
    with pytest.raises(ParamsError, match="did you mean 'segment:age'"):
        people.respondents(data, params=params, period="2025", by="segment:aged")
    with pytest.raises(ModelError, match="3 to 40"):
        people.respondents(data, params=params, period="2025", named=["a", "b"])
    nobody = UnitData(data.store, "one", "2024")
    assert people.outcomes(nobody, params=params, period="2024") == []
    with pytest.raises(ModelError, match="nobody rated"):
        people.respondents(nobody, params=params, period="2024")


def test_a_table_of_nothing_but_blanks_has_no_attributes(tmp_path: Path, params: Params, answers: pd.DataFrame) -> None:
    answers.assign(a=0, b="", c="").to_csv(tmp_path / "answers.csv", index=False)
    (tmp_path / "sales.csv").write_text("who,on,money,sale\nc001,2025-03-01,5,s1\n")
    empty = params.model_copy(update={"data_root": str(tmp_path)})
    data = UnitData(connect.open_store(connect.build(empty, tmp_path / "s")), "one", "2026")
    assert people.outcomes(data, params=empty, period="2025") == []
