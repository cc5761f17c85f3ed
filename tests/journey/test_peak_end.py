"""Peak and end: found where planted, not found where customers average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.journey import peak_end
from cxlab.journey.peak_end import PeakEndData


def world(seed: int, *, weights: tuple[float, float, float, float], n: int = 900) -> PeakEndData:
    """Answers that follow the mean, the worst, the best and the last of three to five ratings."""
    random = np.random.default_rng(seed)
    mood = random.normal(0.6, 0.15, n)[:, None]
    ratings = np.clip(np.round(4 * (mood + random.normal(0.0, 0.25, (n, 5)))) / 4, 0, 1)
    ratings[random.random((n, 5)) < 0.25] = np.nan
    ratings[np.isfinite(ratings).sum(axis=1) < 3] = 0.5
    blank = peak_end.model_data(ratings, np.zeros(n, int), codes=5, success=2, customer=np.arange(n))
    eta = blank.parts @ np.array(weights)
    y = (eta[:, None] + random.logistic(size=(n, 1)) > np.quantile(eta, [0.1, 0.3, 0.5, 0.8])).sum(axis=1)
    return replace(blank, y=y)


def test_parts_are_mean_worst_best_and_last() -> None:
    ratings = np.array([[0.0, 1.0, 0.5, np.nan], [np.nan, 0.25, np.nan, np.nan], [1.0, np.nan, 0.0, 0.5]])
    data = peak_end.model_data(ratings, np.array([0, 1, 2]), codes=3, success=1, customer=np.array(list("abc")))
    np.testing.assert_allclose(data.parts, [[0.5, 0.0, 1.0, 0.5], [0.5, 0.0, 1.0, 0.5]])
    assert data.y.tolist() == [0, 2]  # one rating is no journey


def test_an_end_that_counts_is_found_and_an_average_is_not_taken_for_one() -> None:
    ended, averaged = [], []
    for seed in range(12):
        found = []
        for weights in ((2.0, 0.0, 0.0, 2.5), (4.0, 0.0, 0.0, 0.0)):
            data = world(seed, weights=weights)
            gain, error = peak_end.gain(data, seed=seed)
            tree, _, _ = peak_end.fit(data, draws=100, chains=4, seed=seed)
            told = peak_end.estimands(tree["posterior"].dataset, data)["peak_end"].to_numpy().reshape(400, 4)
            found.append((gain / error, (told[:, 3] > 0).mean()))
        ended.append(found[0])
        averaged.append(found[1])
    ended, averaged = np.array(ended), np.array(averaged)
    assert (ended[:, 0] > 1.96).mean() >= 0.8
    assert (ended[:, 1] > 0.975).mean() >= 0.9
    assert (averaged[:, 0] > 1.96).sum() <= 2
    assert (averaged[:, 1] > 0.975).sum() <= 2


@pytest.mark.slow
def test_averaging_customers_are_rarely_said_to_mind_the_end() -> None:
    said = 0
    for seed in range(200):
        gain, error = peak_end.gain(world(seed, weights=(4.0, 0.0, 0.0, 0.0), n=500), seed=seed)
        said += gain > 1.96 * error
    print(f"peak and end said to count in {said} of 200 worlds that average")
    assert said <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_one_rating_is_no_journey() -> None:
    with pytest.raises(ModelError, match="no answer rates two"):
        peak_end.model_data(np.array([[0.5, np.nan]]), np.array([1]), codes=5, success=2, customer=np.array([1]))


def test_the_pymc_model_is_of_the_same_size() -> None:
    data = world(0, weights=(1.0, 0.0, 0.0, 0.0), n=50)
    model = peak_end.build_model(data)
    assert {v.name for v in model.value_vars} == {"theta", "beta"}
    assert model.initial_point()["beta"].shape == (4,)
