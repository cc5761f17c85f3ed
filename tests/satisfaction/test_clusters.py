"""Answers given in clusters (flights, stores and days) say less than as many independent ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from asked_files import PERIODS, read

from cxlab.params.models import ModelSettings
from cxlab.satisfaction import estimates
from cxlab.satisfaction import questions as measures


def flights(seed: int, *, spread: float, flights: int = 40, size: int = 25) -> pd.DataFrame:
    """Passengers of flights in two years that are alike; flights differ by `spread` points (sd), passengers by one."""
    random = np.random.default_rng(seed)
    rows = []
    for period in PERIODS:
        mood = np.repeat(spread * random.standard_normal(flights), size)
        score = np.clip(np.round(3.4 + mood + random.standard_normal(len(mood))), 1, 5).astype(int)
        flight = np.repeat([f"{period}-{i}" for i in range(flights)], size)
        rows.append(pd.DataFrame({"year": period, "score": score, "flight": flight}))
    asked = pd.concat(rows, ignore_index=True).assign(age="any", answered=True)
    asked["invitation"] = [f"i{i}" for i in range(len(asked))]
    return asked.assign(answer=asked["invitation"].str.replace("i", "r"))


def by_cluster(asked: pd.DataFrame) -> pd.DataFrame:
    asked = asked.assign(square=asked["score"] ** 2).rename(columns={"year": "period"})
    return asked.groupby(["period", "flight"], as_index=False).agg(
        n=("score", "size"), total=("score", "sum"), squares=("square", "sum")
    )


@pytest.mark.parametrize(("spread", "alike"), [(0.0, 0.0), (0.35, 0.1), (0.7, 0.31)])
def test_the_design_effect_is_kishs(spread: float, alike: float) -> None:
    found = [measures.design_effect(by_cluster(flights(seed, spread=spread, flights=60))) for seed in range(20)]
    assert np.mean(found) == pytest.approx(1 + alike * 24, rel=0.12, abs=0.15)
    assert min(found) >= 1


def test_answers_alone_have_none() -> None:
    alone = by_cluster(flights(1, spread=0.5).assign(flight=lambda t: t.index.astype(str)))
    assert measures.design_effect(alone) == 1.0
    assert measures.design_effect(alone.head(0)) == 1.0


def change(tmp_path: Path, seed: int, cluster: str) -> str:
    folder = tmp_path / f"{seed}{cluster}"
    folder.mkdir()
    data, params = read(flights(seed, spread=0.4), folder, invited=False, cluster=cluster)
    questions = measures.measures(data, params=params, period="2026")
    counts = measures.load(questions, data, periods=PERIODS)
    fits = measures.fit(questions, counts, settings=ModelSettings(draws=200, chains=2), seed=lambda name: seed)
    table = estimates.table(fits, estimates.gates(fits), params=params, periods=PERIODS)
    return str(table.query("estimand == 'change' and metric == 'mean'")["verdict"].iloc[0])


def test_halves_that_are_alike_are_seldom_told_apart(tmp_path: Path) -> None:
    """Without the flights (the control) the two years are told apart far more often than stated."""
    real = {"better", "worse"}
    by_flight = np.mean([change(tmp_path, seed, "flight") in real for seed in range(14)])
    alone = np.mean([change(tmp_path, seed, "") in real for seed in range(14)])
    assert by_flight <= 0.15
    assert alone > by_flight + 0.1
