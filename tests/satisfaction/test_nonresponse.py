"""Silent people who differ from those who answered: the planted difference is found, and only where it was planted."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.satisfaction import estimates, nonresponse

CODES = tuple(float(c) for c in range(1, 6))
CELLS = 12
ASKED = 1500
DRAWS = 300


def world(planted: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Posterior draws of the shares of those who answered, people asked, response rates, and the true shares of all.

    People differ between cells in what they think and in how readily they answer; within a cell the log odds of
    answering rise by `planted` for each point of the scale.
    """
    random = np.random.default_rng(seed)
    truth = random.dirichlet([2, 2, 3, 5, 4], size=CELLS)
    people = random.integers(ASKED // 2, ASKED, CELLS)
    asked = np.array([random.multinomial(n, p) for n, p in zip(people, truth, strict=True)])
    base = random.normal(-1.0, 0.5, CELLS)[:, None]
    readiness = 1 / (1 + np.exp(-(base + planted * (np.array(CODES) - 3))))
    answered = random.binomial(asked, readiness)
    draws = np.stack([random.dirichlet(counts + 0.2, size=DRAWS) for counts in answered], axis=1)
    return draws, people, answered.sum(axis=1) / people, asked / asked.sum()


def estimate(planted: float, supposed: float, seed: int, metric: str = "mean") -> tuple[float, float, float]:
    """The 90 % interval of the metric under a supposed delta, and the truth."""
    draws, people, rate, asked = world(planted, seed)
    score = estimates.scores(CODES, metric, satisfied_from=4)
    found = nonresponse.tilted(draws, codes=CODES, score=score, weight=people, rate=rate, delta=np.array([supposed]))
    low, high = np.quantile(found.values[0], [0.05, 0.95])
    return float(low), float(high), float(asked.sum(axis=0) @ score)


def coverage(planted: float, supposed: float, *, worlds: int, metric: str = "mean") -> float:
    inside = 0
    for seed in range(worlds):
        low, high, truth = estimate(planted, supposed, seed, metric)
        inside += low <= truth <= high
    return inside / worlds


@pytest.mark.parametrize("metric", ["mean", "csat"])
def test_the_curve_covers_the_truth_at_the_planted_difference_and_only_there(metric: str) -> None:
    assert coverage(0.5, 0.5, worlds=200, metric=metric) >= 0.8
    assert coverage(0.5, 0.0, worlds=200, metric=metric) < 0.3  # who supposes nothing misses
    assert coverage(0.5, -0.5, worlds=200, metric=metric) < 0.1  # and so does who supposes the opposite


def test_without_a_planted_difference_the_plain_estimate_covers() -> None:
    assert coverage(0.0, 0.0, worlds=200) >= 0.8
    assert coverage(0.0, 0.5, worlds=200) < 0.3


@pytest.mark.parametrize(("planted", "metric"), [(0.0, "mean"), (0.3, "mean"), (-0.4, "csat"), (0.5, "top_box")])
def test_nominal_coverage_over_200_worlds(planted: float, metric: str) -> None:
    assert 0.85 <= coverage(planted, planted, worlds=200, metric=metric) <= 0.97


def test_the_words_of_the_curve_say_how_far_the_silent_are_from_those_who_answered() -> None:
    """At the planted delta the reported gap is the one of the people in the world."""
    random = np.random.default_rng(5)
    truth = np.array([0.1, 0.15, 0.2, 0.3, 0.25])
    asked = random.multinomial(200_000, truth)
    answered = random.binomial(asked, 1 / (1 + np.exp(-(-1 + 0.6 * (np.array(CODES) - 3)))))
    shares = (answered / answered.sum())[None, None, :]
    found = nonresponse.tilted(
        shares, codes=CODES, score=np.array(CODES), weight=np.ones(1), rate=np.array([answered.sum() / asked.sum()]),
        delta=np.array([0.0, 0.6]),
    )  # fmt: skip
    silent = asked - answered
    actual = silent @ CODES / silent.sum() - answered @ CODES / answered.sum()
    assert found.gap[0] == 0
    assert found.gap[1] == pytest.approx(actual, abs=0.02)
    assert found.values[1, 0] == pytest.approx(asked @ CODES / asked.sum(), abs=0.01)


def clear_world() -> nonresponse.Tilted:
    draws, people, rate, _ = world(0.0, 3)
    score = np.array(CODES)
    delta = nonresponse.deltas(CODES)
    return nonresponse.tilted(draws, codes=CODES, score=score, weight=people, rate=rate, delta=delta)


def test_the_tipping_point_is_the_smallest_difference_that_changes_the_verdict() -> None:
    curve = clear_world()
    middle = curve.values[nonresponse.STEPS].mean()

    def judge(values: np.ndarray) -> str:
        return "above" if (values > middle - 0.4).mean() > 0.975 else "cannot_tell"

    place = nonresponse.tipping(curve, judge)
    assert place is not None
    assert curve.gap[place] < 0  # only lower scores of the silent can bring it down
    assert judge(curve.values[place]) == "cannot_tell"
    assert {judge(v) for v, gap in zip(curve.values, curve.gap, strict=True) if gap > curve.gap[place]} == {"above"}
    easier = nonresponse.tipping(curve, lambda v: "above" if (v > middle - 0.2).mean() > 0.975 else "cannot_tell")
    assert easier is not None
    assert curve.gap[place] < curve.gap[easier] < 0


def test_a_verdict_that_no_difference_changes_has_no_tipping_point() -> None:
    assert nonresponse.tipping(clear_world(), lambda v: "above" if (v > 0.9).mean() > 0.975 else "") is None


def test_where_everybody_answered_nothing_can_change() -> None:
    draws, people, _, _ = world(0.0, 1)
    delta = nonresponse.deltas(CODES)
    found = nonresponse.tilted(
        draws, codes=CODES, score=np.array(CODES), weight=people, rate=np.ones(CELLS), delta=delta
    )
    assert np.ptp(found.values, axis=0).max() < 1e-12
    assert not found.gap.any()


@pytest.mark.parametrize("codes", [(0.0, 1.0), tuple(float(c) for c in range(11))])
def test_the_extremes_are_the_ends_of_the_scale(codes: tuple[float, ...]) -> None:
    shares = np.full((1, 1, len(codes)), 1 / len(codes))
    found = nonresponse.tilted(
        shares, codes=codes, score=np.array(codes), weight=np.ones(1), rate=np.zeros(1), delta=nonresponse.deltas(codes)
    )
    assert found.values[0, 0] == pytest.approx(codes[-1], abs=0.3)
    assert found.values[-1, 0] == pytest.approx(codes[0], abs=0.3)
    assert (np.diff(found.values[:, 0]) < 0).all()


def test_arrays_that_do_not_fit_are_named_together() -> None:
    shares = np.full((2, 3, 5), 0.2)
    with pytest.raises(ModelError) as caught:
        nonresponse.tilted(
            shares, codes=CODES, score=np.array(CODES), weight=np.zeros(3), rate=np.array([0.5, 1.5]), delta=np.zeros(1)
        )
    said = str(caught.value)
    for words in ("rate", "1.5", "not all zero"):
        assert words in said
