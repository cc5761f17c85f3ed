"""What holds of all customers, those who did not answer included, where answering depends on the answer itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from asked_files import CODES, PERIODS, read

from cxlab.params.models import ModelSettings, Silent
from cxlab.satisfaction import estimates, nonresponse
from cxlab.satisfaction import questions as measures

NEW = np.array([0.1, 0.14, 0.26, 0.32, 0.18])
CSAT = float(NEW[3:].sum())
MEAN = float(CODES @ NEW)


def asked(planted: float, seed: int) -> pd.DataFrame:
    """People asked once a year; the answer moves the log odds of answering by `planted` from the worst to the best."""
    random = np.random.default_rng(seed)
    parts = []
    for period in PERIODS:
        score = random.choice(CODES, 3000, p=NEW)
        age = random.choice(["young", "old"], len(score))
        odds = -0.6 + planted * (score - 3) / 4 - 0.8 * (age == "young")
        answered = random.random(len(score)) < 1 / (1 + np.exp(-odds))
        parts.append(pd.DataFrame({"year": period, "score": score.astype(int), "age": age, "answered": answered}))
    rows = pd.concat(parts, ignore_index=True)
    rows["invitation"] = [f"i{i}" for i in range(len(rows))]
    return rows.assign(answer=rows["invitation"].str.replace("i", "r").where(rows["answered"], ""))


def told(tmp_path: Path, planted: float, believed: Silent, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of all customers, and of those who answered weighted to them, by metric."""
    data, params = read(asked(planted, seed), tmp_path, groupings=True)
    questions = measures.measures(data, params=params, period="2026")
    counts = measures.load(questions, data, periods=PERIODS)
    fits = measures.fit(questions, counts, settings=ModelSettings(draws=300, chains=2), seed=lambda name: 7)
    gates = estimates.gates(fits)
    every = nonresponse.included(fits, gates, data, period="2026", believed=believed, seed=lambda name: 7)
    table = estimates.table(fits, gates, params=params, periods=PERIODS)
    own = table.query("estimand == 'level' and level == 'total' and period == '2026' and weighting == 'population'")
    return every.set_index("metric"), own.set_index("metric")


@pytest.mark.parametrize("planted", [-0.4, 0.0, 1.0, 1.4])
def test_the_base_lies_in_the_range_whatever_the_silent_are_like(tmp_path: Path, planted: float) -> None:
    """Worlds that are not drawn from the belief; without it (the control) two of them are missed."""
    every, own = told(tmp_path, planted, Silent())
    for metric, truth in (("csat", CSAT), ("mean", MEAN)):
        assert every.loc[metric, "ci_low"] < truth < every.loc[metric, "ci_high"]
        if planted >= 1.0:
            assert not own.loc[metric, "ci_low"] < truth < own.loc[metric, "ci_high"]


def test_a_sure_belief_moves_the_middle_and_none_leaves_it(tmp_path: Path) -> None:
    for name in ("right", "none"):
        (tmp_path / name).mkdir()
    every, own = told(tmp_path / "right", 1.6, Silent(mean=1.6, sd=0.0))
    assert every.loc["csat", "mean"] == pytest.approx(CSAT, abs=0.03)
    assert own.loc["csat", "mean"] > CSAT + 0.05
    every, own = told(tmp_path / "none", 1.6, Silent(mean=0.0, sd=0.0))
    assert every.loc["csat", "mean"] == pytest.approx(own.loc["csat", "mean"], abs=0.01)


def test_where_nobody_is_known_to_be_silent_nothing_is_told(tmp_path: Path) -> None:
    data, params = read(asked(1.0, 5), tmp_path, invited=False, groupings=True)
    questions = measures.measures(data, params=params, period="2026")
    counts = measures.load(questions, data, periods=PERIODS)
    fits = measures.fit(questions, counts, settings=ModelSettings(draws=200, chains=2), seed=lambda name: 7)
    gates = estimates.gates(fits)
    found = nonresponse.included(fits, gates, data, period="2026", believed=Silent(), seed=lambda name: 7)
    assert found.empty
