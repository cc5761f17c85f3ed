"""Who is heard, and what the silent could change, from client files to the tidy rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from asked_files import CODES, PERIODS, read

from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.satisfaction import nonresponse
from cxlab.satisfaction import questions as measures
from cxlab.satisfaction.questions import Fit

OLD, NEW = np.array([0.04, 0.08, 0.18, 0.4, 0.3]), np.array([0.1, 0.14, 0.26, 0.32, 0.18])
PLANTED = 0.8  # log odds of answering for each point of the scale, in 2026
ASKED = 4000


def people() -> pd.DataFrame:
    """Customers asked once a year; in the second year the satisfied answer more often, the young less often."""
    random = np.random.default_rng(4)
    parts = []
    for period, truth, planted in (("2025", OLD, 0.0), ("2026", NEW, PLANTED)):
        score = random.choice(CODES, ASKED, p=truth)
        age = random.choice(["young", "old"], ASKED)
        odds = -1.0 + planted * (score - 3) - 0.8 * (age == "young")
        answered = random.random(ASKED) < 1 / (1 + np.exp(-odds))
        parts.append(pd.DataFrame({"year": period, "score": score.astype(int), "age": age, "answered": answered}))
    asked = pd.concat(parts, ignore_index=True)
    asked["invitation"] = [f"i{i}" for i in range(len(asked))]
    asked["answer"] = asked["invitation"].str.replace("i", "r").where(asked["answered"], "")
    return asked


@pytest.fixture(scope="module")
def asked() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def world(asked: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[UnitData, Params]:
    return read(asked, tmp_path_factory.mktemp("files"))


def fitted(data: UnitData, params: Params, asked: pd.DataFrame, *, draws: int = 800) -> Fit:
    """A fit whose draws are those of a conjugate posterior of one cell a period: no sampler is under test here."""
    questions = measures.measures(data, params=params, period="2026")
    one = next(q for q in questions if q.weighting == "none")
    (counts,) = measures.load([one], data, periods=PERIODS)
    random = np.random.default_rng(1)
    old, new = (
        np.bincount(asked.loc[asked["answered"] & (asked["year"] == p), "score"], minlength=6)[1:] for p in PERIODS
    )
    below = np.cumsum(random.dirichlet(new + 0.5, size=draws), axis=1)[:, :-1]
    cut = np.log(below / (1 - below))
    before = np.cumsum(random.dirichlet(old + 0.5, size=draws), axis=1)[:, :-1]
    shift = (cut - np.log(before / (1 - before))).mean(axis=1)  # one shift for all cuts: proportional odds
    eta = np.stack([shift, np.zeros(draws)], axis=1)
    posterior = xr.Dataset(
        {
            "cut": (("chain", "draw", "boundary"), cut[None]),
            "eta": (("chain", "draw", "cell"), eta[None]),
            "log_scale": (("chain", "draw", "scale_group"), np.zeros((1, draws, 1))),
            "split": (("chain", "draw", "code"), np.ones((1, draws, 5))),
        },
        coords={"block": ("code", np.arange(5))},
    )
    return Fit(one, counts, xr.DataTree.from_dict({"posterior": posterior}), xr.Dataset())


def supposed(one: Fit, data: UnitData, **changed: object) -> pd.DataFrame:
    what = {"metric": "mean", "period": "2026", "practical": 0.1, "seed": 3} | changed
    return nonresponse.sensitivity(one, data, **what)  # type: ignore[arg-type]


def covers(row: pd.Series, truth: float) -> bool:
    return bool(row["ci_low"] <= truth <= row["ci_high"])


def test_the_curve_covers_the_truth_at_the_planted_difference_only(
    world: tuple[UnitData, Params], asked: pd.DataFrame
) -> None:
    data, params = world
    curve = supposed(fitted(data, params, asked), data)
    truth = float(asked.loc[asked["year"] == "2026", "score"].mean())
    at = {d: curve.iloc[int(np.argmin(np.abs(curve["delta"] - d)))] for d in (0.0, PLANTED, -PLANTED)}
    assert covers(at[PLANTED], truth)
    assert not covers(at[0.0], truth)  # the plain estimate misses: only the satisfied spoke
    assert not covers(at[-PLANTED], truth)
    assert at[PLANTED]["gap"] < -0.5


def test_a_verdict_that_only_the_silent_make_tips_before_the_planted_difference(
    world: tuple[UnitData, Params], asked: pd.DataFrame
) -> None:
    """Satisfaction fell, but the satisfied answered more: a rise is seen, and the panel says what would undo it."""
    data, params = world
    curve = supposed(fitted(data, params, asked), data)
    plain = curve.iloc[nonresponse.STEPS]
    truth = asked.groupby("year")["score"].mean()
    assert truth["2026"] < truth["2025"] - 0.3
    assert plain["verdict"] == "better"
    assert set(curve["claim"]) == {"change"}
    (tip,) = curve[curve["tipping"]].to_dict("records")
    planted = curve.iloc[int(np.argmin(np.abs(curve["delta"] - PLANTED)))]
    assert planted["gap"] < tip["gap"] < 0
    assert planted["verdict"] == "worse"
    assert (curve["n"] == int(asked["answered"][asked["year"] == "2026"].sum())).all()


def test_without_a_change_to_speak_of_the_target_is_looked_at(
    world: tuple[UnitData, Params], asked: pd.DataFrame
) -> None:
    data, params = world
    one = fitted(data, params, asked)
    alone = Fit(one.measure, one.data, one.tree, one.reported)
    first = supposed(alone, data, period="2025", target=2.0)
    assert set(first["claim"]) == {"target"}
    assert first.iloc[nonresponse.STEPS]["verdict"] == "above"
    (tip,) = first[first["tipping"]].to_dict("records")
    assert tip["gap"] < 0
    nothing = supposed(alone, data, period="2025")
    assert set(nothing["claim"]) == {""}
    assert not nothing["tipping"].any()


def test_where_nobody_is_known_to_be_asked_there_is_no_curve(asked: pd.DataFrame, tmp_path: Path) -> None:
    data, params = read(asked, tmp_path, invited=False)
    assert supposed(fitted(data, params, asked), data).empty
    assert list(supposed(fitted(data, params, asked), data)) == list(nonresponse.SENSITIVITY_COLUMNS)


def test_response_rates_and_representativeness(world: tuple[UnitData, Params], asked: pd.DataFrame) -> None:
    data, _ = world
    rows = nonresponse.response(data, factors=["segment:age"], periods=PERIODS, period="2026")
    assert list(rows) == list(nonresponse.RESPONSE_COLUMNS)
    now = asked[asked["year"] == "2026"]
    total = rows[(rows["estimand"] == "response_rate") & (rows["level"] == "total")].iloc[0]
    assert total["mean"] == pytest.approx(now["answered"].mean())
    groups = rows[rows["level"] == "segment:age"].set_index("group")
    for age in ("young", "old"):
        own = now[now["age"] == age]
        assert groups.loc[age, "n"] == len(own)
        assert groups.loc[age, "ci_low"] < own["answered"].mean() < groups.loc[age, "ci_high"]
    assert groups.loc["young", "answer_share"] < groups.loc["young", "base_share"]
    spread = rows[rows["estimand"] == "r_indicator"].iloc[0]
    assert spread["ci_low"] <= spread["mean"] <= spread["ci_high"] < 0.95


def test_representativeness_is_full_where_everybody_answers_alike(asked: pd.DataFrame, tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    data, _ = read(asked.assign(age=random.permutation(asked["age"])), tmp_path)
    rows = nonresponse.response(data, factors=["segment:age"], periods=PERIODS, period="2026")
    assert rows[rows["estimand"] == "r_indicator"].iloc[0]["mean"] > 0.95


def test_without_customers_and_invitations_nothing_is_known(asked: pd.DataFrame, tmp_path: Path) -> None:
    data, _ = read(asked, tmp_path, invited=False)
    rows = nonresponse.response(data, factors=["segment:age"], periods=PERIODS, period="2026")
    assert rows.empty
    assert list(rows) == list(nonresponse.RESPONSE_COLUMNS)


def test_without_invitations_all_customers_count_as_asked(asked: pd.DataFrame, tmp_path: Path) -> None:
    data, params = read(asked, tmp_path, invited=False, directory=True)
    curve = supposed(fitted(data, params, asked), data)
    now = asked[asked["year"] == "2026"]
    assert curve["rate"].iloc[0] == pytest.approx(now["answered"].sum() / len(asked), rel=0.05)
    assert curve["mean"].iloc[0] > curve["mean"].iloc[-1]
