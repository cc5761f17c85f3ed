"""Moments of truth: the density, known truth, the folk figure that is wrong, customers who come several times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from journey_worlds import TOUCHPOINTS, confounded, excludes, experiences, from_prior, inside

from cxlab.errors import ModelError
from cxlab.inference import ordinal_regression
from cxlab.journey import moments_of_truth
from cxlab.journey.moments_of_truth import MomentsData


def effects(data: MomentsData, seed: int, *, raw: bool = False) -> np.ndarray:
    """Draws (draw, place) of the effect of a bad experience, or of the plain difference."""
    tree, _, weight = moments_of_truth.fit(data, draws=250, chains=4, seed=seed)
    told = moments_of_truth.estimands(tree["posterior"].dataset, data, weight=weight, seed=seed)
    return told["raw" if raw else f"mot_{data.outcome}"].to_numpy().reshape(1000, -1)


@pytest.mark.parametrize("codes", [2, 5])
def test_density_is_that_of_the_pymc_model(codes: int) -> None:
    data, _ = from_prior(3, n=120, codes=codes)
    one = replace(moments_of_truth.design(data), weight=0.7)
    model = ordinal_regression.graph(one)
    oracle = model.compile_logp(mode="FAST_COMPILE")
    points = np.random.default_rng(0).normal(0.0, 0.7, (5, one.size))
    ours = np.array([ordinal_regression.log_density(one, p)[0] for p in points])
    theirs = [oracle({"theta": p[: codes - 1], "beta": p[codes - 1 :]}) for p in points]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8)
    np.testing.assert_allclose(ordinal_regression.many(one, points), ours, rtol=1e-10)


@pytest.mark.parametrize("codes", [2, 3, 11])
def test_gradient_and_curvature_are_those_of_the_density(codes: int) -> None:
    data, _ = from_prior(4, n=80, codes=codes)
    one = moments_of_truth.design(data)
    point = np.random.default_rng(1).normal(0.0, 0.5, one.size)
    step = np.eye(one.size) * 1e-5
    slope = [
        (ordinal_regression.log_density(one, point + e)[0] - ordinal_regression.log_density(one, point - e)[0]) / 2e-5
        for e in step
    ]
    np.testing.assert_allclose(ordinal_regression.log_density(one, point)[1], slope, atol=1e-5)
    curve = [
        (ordinal_regression.log_density(one, point + e)[1] - ordinal_regression.log_density(one, point - e)[1]) / 2e-5
        for e in step
    ]
    np.testing.assert_allclose(ordinal_regression.hessian(one, point), curve, atol=1e-3)


def covered(worlds: int, *, shuffle: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Whether each interval holds the truth, and whether it leaves out 0."""
    hits, found = [], []
    for seed in range(worlds):
        data, truth = from_prior(seed, n=150 + 40 * (seed % 10), codes=(2, 5, 3, 7)[seed % 4])
        if len(np.unique(data.y)) < 2:
            continue
        if shuffle:
            data = replace(data, y=np.random.default_rng(seed).permutation(data.y))
        drawn = effects(data, seed)
        true = moments_of_truth.estimands(truth, data)[f"mot_{data.outcome}"].to_numpy()[0, 0]
        hits.append(inside(drawn, true))
        found.append(excludes(drawn))
    return np.concatenate(hits), np.concatenate(found)


def test_effects_are_covered_and_found_and_labels_shuffled_they_are_not() -> None:
    hits, found = covered(20)
    assert 0.78 <= hits.mean() <= 0.99
    shuffled, nothing = covered(20, shuffle=True)
    assert nothing.mean() <= 0.22
    assert found.mean() >= 2 * nothing.mean() + 0.15
    assert shuffled.mean() < hits.mean() - 0.15  # the test of coverage would notice a broken link


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_cover_as_often_as_they_say() -> None:
    hits, _ = covered(200)
    _, nothing = covered(200, shuffle=True)
    print(f"moments: covered {hits.mean():.3f} of {len(hits)}, shuffled: {nothing.mean():.3f} leave out 0")
    assert 0.87 <= hits.mean() <= 0.93
    assert nothing.mean() <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / len(nothing))


def one_bad(worlds: int) -> pd.DataFrame:
    rows = []
    for seed in range(worlds):
        data, truth = confounded(seed, n=1200, effect=0.5)
        adjusted, raw = effects(data, seed)[:, 0], effects(data, seed, raw=True)[:, 0]
        own = {"bias": adjusted.mean() - truth, "raw_bias": raw.mean() - truth}
        own |= {
            "hit": inside(adjusted[:, None], np.array([truth]))[0],
            "raw_hit": inside(raw[:, None], np.array([truth]))[0],
        }
        rows.append(own)
    return pd.DataFrame(rows)


def test_the_folk_figure_is_wrong_where_the_adjusted_one_is_right() -> None:
    found = one_bad(20)
    assert abs(found["bias"].mean()) < 0.03
    assert found["raw_bias"].mean() > 0.1
    assert found["hit"].mean() >= 0.75
    assert found["raw_hit"].mean() <= 0.2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_adjusted_figure_covers_as_often_as_it_says() -> None:
    found = one_bad(200)
    print(found.mean().round(3).to_dict())
    assert 0.85 <= found["hit"].mean() <= 0.945  # 200 intervals: 0.9 within two standard errors
    assert found["raw_hit"].mean() < 0.1


def test_customers_who_come_several_times_do_not_count_as_many() -> None:
    """Moods of a customer last over five answers: taken row by row, intervals would be far too narrow."""
    honest, naive = [], []
    for seed in range(30):
        random = np.random.default_rng(seed)
        customer = np.repeat(np.arange(80), 5)
        bad = np.repeat(random.random(80) < 0.4, 5)  # the same customers meet it each time
        mood = np.repeat(random.normal(0.0, 2.0, 80), 5)
        y = (random.logistic(size=400) + mood > 0).astype(int)
        levels = pd.DataFrame(np.where(bad, "bad", "good")[:, None], columns=pd.MultiIndex.from_tuples([("web", "x")]))
        data = moments_of_truth.model_data(levels, y, outcome="leaving", codes=2, success=0, customer=customer)
        honest.append(not excludes(effects(data, seed))[0])
        naive.append(not excludes(effects(replace(data, cluster=np.arange(400)), seed))[0])
    assert np.mean(honest) >= 0.75
    assert np.mean(naive) <= np.mean(honest) - 0.15


def test_shares_after_bad_and_good_belong_to_the_difference() -> None:
    data, _ = from_prior(1, n=300, codes=5)
    tree, _, weight = moments_of_truth.fit(data, draws=100, chains=2, seed=0)
    told = moments_of_truth.estimands(tree["posterior"].dataset, data, weight=weight)
    assert weight == 1.0
    assert told["touchpoint"].to_numpy().tolist() == list(TOUCHPOINTS)
    np.testing.assert_allclose(told["after_bad"] - told["after_good"], told["mot_satisfaction"])
    place = data.levels[:, 0]
    assert told["n_bad"].to_numpy()[0] == (place == 1).sum()
    assert told["n"].to_numpy()[0] == (place > 0).sum()


def test_the_same_seed_gives_the_same_draws() -> None:
    data, _ = from_prior(2, n=200, codes=5)
    np.testing.assert_array_equal(effects(data, 5), effects(data, 5))


def test_what_is_wrong_with_rows_is_said_at_once() -> None:
    levels = pd.DataFrame([["awful"]], columns=pd.MultiIndex.from_tuples([("web", "rating")]))
    with pytest.raises(ModelError) as caught:
        moments_of_truth.model_data(levels, np.array([7]), outcome="satisfaction", codes=5, success=4, customer=[1])
    assert {"answers out of range", "no such boundary", "no such experience"} <= {p.what for p in caught.value.problems}
    with pytest.raises(ModelError, match="no rows"):
        moments_of_truth.model_data(levels.iloc[:0], np.zeros(0), outcome="leaving", codes=2, success=0, customer=[])


def test_a_place_without_a_bad_experience_is_not_reported() -> None:
    data = experiences(0, n=100, codes=2)
    fine = replace(data, levels=np.where(data.levels == 1, 3, data.levels), y=np.arange(100) % 2)
    tree, _, _ = moments_of_truth.fit(fine, draws=50, chains=2, seed=0)
    assert moments_of_truth.estimands(tree["posterior"].dataset, fine).sizes["row"] == 0
