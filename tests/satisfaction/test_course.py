"""The course over all periods: falling and rising worlds are named, flat ones are not called a trend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.satisfaction import estimates, model
from cxlab.satisfaction.data import model_data

CODES = (1.0, 2.0, 3.0, 4.0, 5.0)
PERIODS = [f"202{t}" for t in range(1, 6)]
SHAPE = np.array([0.016, 0.09, 0.337, 0.378, 0.179])


def told(seed: int, steps: np.ndarray, *, n: int = 250) -> pd.DataFrame:
    """Rows of course, year and change in a world whose period t stands `steps[t]` logits higher."""
    random = np.random.default_rng(seed)
    below = np.cumsum(SHAPE)[:-1]
    rows = []
    for period, step in zip(PERIODS[-len(steps) :], steps, strict=True):
        moved = np.append(1 / (1 + np.exp(step - np.log(below / (1 - below)))), 1.0)
        counts = random.multinomial(n, np.diff(moved, prepend=0.0))
        rows += [
            {"period": period, "code": c, "n_raw": int(k), "n": float(k)} for c, k in zip(CODES, counts, strict=True)
        ]
    table = pd.DataFrame(rows).query("n_raw > 0")
    periods = PERIODS[-len(steps) :]
    data = model_data(table, codes=CODES, factors=[], periods=periods)
    tree = model.fit(data, draws=250, seed=seed)
    draws = estimates.estimands(tree["posterior"].dataset, data, metrics=["csat"], satisfied_from=4.0)
    found = estimates.tidy(draws, item="overall", weighting="none", practical={"csat": 0.02}, periods=periods)
    return found.set_index("estimand")


def verdicts(seeds: range, steps: np.ndarray) -> dict[str, float]:
    found = [str(told(seed, steps).loc["course", "verdict"]) for seed in seeds]
    return {word: float(np.mean([v == word for v in found])) for word in ("better", "worse")}


def test_a_decline_that_no_neighbours_show_is_named() -> None:
    """85, 82, 80 and 73 % of 234 answers: three times nothing could be told of neighbours."""
    rows = []
    for period, share in zip(PERIODS[1:], (0.85, 0.82, 0.80, 0.73), strict=True):
        good = round(234 * share)
        rows += [{"period": period, "code": 5.0, "n_raw": good}, {"period": period, "code": 2.0, "n_raw": 234 - good}]
    table = pd.DataFrame(rows).assign(n=lambda t: t["n_raw"].astype(float))
    data = model_data(table, codes=CODES, factors=[], periods=PERIODS[1:])
    draws = estimates.estimands(
        model.fit(data, seed=1)["posterior"].dataset, data, metrics=["csat"], satisfied_from=4.0
    )
    found = estimates.tidy(draws, item="o", weighting="none", practical={"csat": 0.02}, periods=PERIODS[1:])
    course = found.set_index("estimand").loc["course"]
    assert course["verdict"] == "worse"
    assert course["ci_low"] < -0.114 < course["ci_high"]
    assert course["n"] == 936


def test_flat_worlds_have_no_trend_and_falling_ones_have() -> None:
    flat = verdicts(range(24), np.zeros(5))
    assert flat["better"] + flat["worse"] <= 0.13  # 5 % is stated: 3 of 24 by chance in one of 30
    assert verdicts(range(100, 106), -0.25 * np.arange(5))["worse"] == 1.0
    assert verdicts(range(200, 206), 0.25 * np.arange(5))["better"] == 1.0


def test_two_periods_have_no_course() -> None:
    assert "course" not in told(1, np.array([0.0, 0.5])).index


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_courses_in_many_worlds() -> None:
    flat = verdicts(range(1000, 1300), np.zeros(5))
    assert flat["better"] + flat["worse"] <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 300)
    assert verdicts(range(2000, 2100), -0.2 * np.arange(5))["worse"] >= 0.95
    assert verdicts(range(3000, 3100), 0.2 * np.arange(5))["better"] >= 0.95
