"""Forecasts against what came: scored as they should be; a boastful ledger is caught, an honest one is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tidy import LABELS, frame, row

from cxlab.ledger import findings, scores
from cxlab.report import About, Estimates
from cxlab.vocab import FORECAST_COLUMNS


def forecast(item: str, metric: str, mean: float, sd: float, **more: object) -> dict[str, object]:
    ends = {f"q{q:02d}": mean + sd * z for q, z in ((5, -1.645), (25, -0.6745), (50, 0.0), (75, 0.6745), (95, 1.645))}
    base = {"run_id": "r", "brand": "b", "period": "2026Q2", "model": "satisfaction", "level": "total", "group": ""}
    base |= {"weighting": "population", "target_period": "2026Q3", "unit": "share"}
    return base | {"item": item, "metric": metric, "mean": mean, "sd": sd} | ends | more


def told() -> pd.DataFrame:
    rows = [
        forecast("nps", "nps", 30.0, 4.0),
        forecast("nps", "nps", 35.0, 4.0, weighting="none"),
        forecast("nps", "mean", 8.0, 0.2),
        forecast("delivery", "csat", 0.7, 0.02),
        forecast("purchases", "count", 100.0, 10.0, model="value", weighting="none"),
        forecast("staff", "csat", 0.7, 0.02, target_period="2026Q4"),
    ]
    return pd.DataFrame(rows, columns=list(FORECAST_COLUMNS))


def came() -> tuple[pd.DataFrame, pd.DataFrame]:
    levels = [("nps", "nps", "2026Q2", 33.0), ("nps", "nps", "2026Q3", 31.0), ("delivery", "csat", "2026Q3", 0.5)]
    rows = [row(item=i, metric=m, period=p, mean=v, sd=0.01, n=500.0) for i, m, p, v in levels]
    value = [row(item="value", metric="count", estimand="purchases", level="tenure", group="existing", mean=104.0)]
    return frame(rows), frame(value)


def test_a_forecast_is_held_against_what_came() -> None:
    found = scores.scored(told(), *came(), period="2026Q3", previous="2026Q2").set_index("item")
    assert sorted(found.index) == ["delivery", "nps", "purchases"]  # one metric and weighting a question, due now
    assert found.loc["nps", ["mean", "came", "last"]].tolist() == [30.0, 31.0, 33.0]
    assert found.loc["nps", "z"] == pytest.approx(1 / 4, rel=0.01)
    assert found["inside90"].to_dict() == {"nps": True, "purchases": True, "delivery": False}
    assert not found.loc["delivery", "inside50"]
    assert found.loc["purchases", "came_sd"] == 0
    assert scores.scored(told().head(0), *came(), period="2026Q3", previous="2026Q2").empty
    assert scores.scored(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), period="2026Q3", previous="2026Q2").empty


def test_the_crps_is_that_of_a_normal() -> None:
    """A normal at its mean scores sd (sqrt(2) - 1) / sqrt(pi); far away the distance counts (Gneiting and Raftery)."""
    assert scores.crps(5.0, 5.0, 2.0) == pytest.approx(2 * (np.sqrt(2) - 1) / np.sqrt(np.pi))
    assert scores.crps(105.0, 5.0, 1e-9) == pytest.approx(100.0)
    x = np.random.default_rng(1).normal(1.0, 3.0, (2, 400_000))
    drawn = np.abs(x[0] - 4.0).mean() - 0.5 * np.abs(x[0] - x[1]).mean()
    assert scores.crps(4.0, 1.0, 3.0) == pytest.approx(drawn, abs=0.01)


def ledger(
    seed: int, *, boast: float, n: int = 10, periods: int = 6, alike: float = 0.0, model: str = "satisfaction"
) -> pd.DataFrame:
    """A record whose ranges are `boast` times too narrow; forecasts of a period share part of their surprise."""
    random = np.random.default_rng([seed, len(model)])
    shared = np.repeat(random.standard_normal(periods), n)
    z = boast * (np.sqrt(alike) * shared + np.sqrt(1 - alike) * random.standard_normal(n * periods))
    when = np.repeat([f"p{i}" for i in range(periods)], n)
    rows = {"model": model, "period": when, "z": z, "inside90": np.abs(z) <= 1.645, "crps": np.abs(z)}
    return pd.DataFrame(rows | {"inside50": np.abs(z) <= 0.6745, "crps_last": np.abs(z[::-1])})


def test_a_boastful_ledger_is_caught_and_an_honest_one_is_not() -> None:
    boastful = [scores.record(ledger(seed, boast=2.0)).iloc[0] for seed in range(50)]
    assert np.mean([r["state"] == "narrow" for r in boastful]) >= 0.95
    assert np.mean([r["scale"] for r in boastful]) == pytest.approx(1.88, abs=0.1)  # drawn from 2 towards 1
    timid = [scores.record(ledger(seed, boast=0.4)).iloc[0]["state"] for seed in range(20)]
    assert timid.count("wide") >= 15
    assert scores.record(ledger(1, boast=3.0, periods=1)).iloc[0]["state"] == "few"


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.6])
def test_the_honest_are_not_accused(alike: float) -> None:
    """Two models at once, whose surprises are shared within a period: a plain count would accuse one in five."""
    n = 120
    accused, naive = [], []
    for seed in range(n):
        models = [ledger(seed, boast=1.0, alike=alike, model=m) for m in ("satisfaction", "value")]
        accused.append((scores.record(pd.concat(models))["state"].iloc[1:] == "narrow").any())
        naive.append(any(stats.binom.cdf(m["inside90"].sum(), len(m), 0.9) < 0.05 for m in models))
    assert np.mean(accused) <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / n)
    assert alike == 0 or np.mean(naive) > 0.1


def test_a_period_scored_again_counts_once() -> None:
    now = scores.scored(told(), *came(), period="2026Q3", previous="2026Q2")
    assert len(scores.together(now, now)) == len(now)
    assert len(scores.together(now.assign(period="2026Q2"), now)) == 2 * len(now)
    assert scores.together(pd.DataFrame(), now.head(0)).empty


def test_the_page_tells_hits_misses_and_what_comes_in_both_languages() -> None:
    about = About(LABELS, period="2026Q3")
    now = scores.scored(told(), *came(), period="2026Q3", previous="2026Q2")
    found = findings.last(Estimates(now, about))
    assert found.sentence("en").startswith("Of our 3 forecasts for Q3 2026, 2 lay in their range; nine in ten should.")
    assert "Furthest off was “Delivery on time” (Satisfied customers): it came to 50" in found.sentence("en")
    assert "“准时送达”" in found.sentence("zh")
    record = scores.record(ledger(1, boast=2.0))
    said = findings.honest(record, about)
    assert "our ranges are too narrow" in said.sentence("en")
    assert "Satisfaction: read its ranges" in said.sentence("en")
    assert "过窄" in said.sentence("zh")
    assert findings.honest(record.head(0), about).sentence("en") == "No forecast could be checked so far."
    assert "no forecast from the period before" in findings.last(Estimates(now.head(0), about)).sentence("en")
    ahead = findings.ahead(Estimates(told(), about), "2026Q3")
    assert "(Net promoter score): 30 (likely 23 to 37)" in ahead.sentence("en")
    assert findings.ahead(Estimates(told(), about), "2027Q1").sentence("en").startswith("No forecast is made")
