"""What is new is announced; where nothing is, hardly ever anything is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cxlab.voice import emerging


def mentions(
    seed: int, *, new: float = 0.0, n: int = 1500, groups: int = 60
) -> tuple[pd.DataFrame, dict[str, str], pd.DataFrame]:
    """Comments of five periods with topics and groups of unequal size; a share `new` of the last speaks of g0."""
    random = np.random.default_rng(seed)
    period = random.choice(["Q1", "Q2", "Q3", "Q4", "Q5"], n)
    size = random.dirichlet(np.full(groups, 0.7))
    group = random.choice(np.arange(groups), n, p=size)
    if new:
        group = np.where(group == 0, 1, group)
        group = np.where((period == "Q5") & (random.random(n) < new), 0, group)
    ids = np.array([f"c{i}" for i in range(n)])
    frame = pd.DataFrame(
        {"comment_id": ids, "topic_id": [f"t{g % 8}" for g in group], "group": [f"g{g}" for g in group]}
    )
    about = pd.DataFrame(
        {
            "group": [f"g{g}" for g in range(groups)],
            "topic_id": [f"t{g % 8}" for g in range(groups)],
            "keywords": "k",
            "language": "en",
        }
    )
    return frame, dict(zip(ids, period, strict=True)), about


def announced(seed: int, **settings: float) -> list[str]:
    frame, period, about = mentions(seed, **settings)
    found = emerging.find(frame, period=period, now="Q5", groups=about)
    return found.loc[found["verdict"] == emerging.EMERGING, "topic"].tolist()


def test_a_new_group_is_announced_with_its_topic():
    frame, period, about = mentions(1, new=0.08)
    found = emerging.find(frame, period=period, now="Q5", groups=about)
    assert found["topic"].iloc[0] == "g0"
    first = found.iloc[0]
    assert first["verdict"] == emerging.EMERGING
    assert first["parent"] == "t0"
    assert first["language"] == "en"
    assert first["mean"] > 0.999
    assert first["before"] == 0
    assert np.mean(["g0" in announced(s, new=0.06) for s in range(20)]) > 0.9


def test_where_nothing_is_new_hardly_anything_is_announced():
    assert np.mean([bool(announced(seed)) for seed in range(30)]) <= 0.1


@pytest.mark.slow
def test_false_alarms_are_no_more_than_declared():
    share = np.mean([bool(announced(seed)) for seed in range(200)])
    assert share <= emerging.FALSE_ALARM + 0.03
    assert (
        np.mean([bool(announced(seed, new=0.06)) for seed in range(200)]) > 0.9
    )  # the same test fails where it should


def test_later_periods_are_not_looked_at():
    frame, period, about = mentions(2, new=0.2)
    earlier = emerging.find(frame, period=period, now="Q4", groups=about)
    past = frame[frame["comment_id"].map(period) < "Q5"]
    pd.testing.assert_frame_equal(earlier, emerging.find(past, period=period, now="Q4", groups=about))
    assert not (earlier["verdict"] == emerging.EMERGING).any()


def test_without_a_past_or_a_present_nothing_is_said():
    frame, period, _ = mentions(3, n=50)
    assert emerging.find(frame, period=period, now="Q9").empty
    assert emerging.find(frame, period=dict.fromkeys(period, "Q5"), now="Q5").empty
    assert emerging.find(frame.iloc[:0], period=period, now="Q5").empty
    assert emerging.find(frame.assign(topic_id=None, group=None), period=period, now="Q5").empty


def test_the_probability_is_that_of_two_beta_distributions():
    random = np.random.default_rng(0)
    now, before = stats.beta.rvs(9.5, 91.5, size=200_000, random_state=random), random.beta(6.5, 194.5, 200_000)
    assert emerging.risen(9, 100, 6, 200) == pytest.approx((now > before).mean(), abs=0.005)
