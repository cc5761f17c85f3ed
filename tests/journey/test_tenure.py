"""The relationship-age curve: covered, flat where nothing differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from journey_worlds import excludes, inside, one_draw

from cxlab.errors import ModelError
from cxlab.inference import ordinal_regression
from cxlab.journey import tenure
from cxlab.journey.tenure import TenureData


def world(seed: int, *, flat: bool = False, n: int = 500) -> tuple[TenureData, np.ndarray]:
    """Answers from the prior, and the true share satisfied at each age."""
    random = np.random.default_rng([seed, 1])  # a stream of its own: the answers come from `seed`
    days = random.exponential(700, n)
    data = tenure.model_data(days, np.zeros(n, int), codes=5, success=2)
    one, cut, beta = ordinal_regression.simulate(tenure.design(data), seed=seed)
    if flat:
        one = replace(one, y=random.permutation(one.y))
    told = tenure.estimands(one_draw(cut, beta), data)["tenure"].to_numpy()[0, 0]
    return replace(data, y=one.y), told


def fitted(data: TenureData, seed: int, name: str = "tenure") -> np.ndarray:
    tree, _, _ = tenure.fit(data, draws=250, chains=4, seed=seed)
    return tenure.estimands(tree["posterior"].dataset, data)[name].to_numpy().reshape(1000, -1)


def test_ages_are_sorted_into_steps() -> None:
    data = tenure.model_data(np.array([0, 90, 91, 4000, np.nan, -5]), np.arange(6) % 3, codes=3, success=0)
    assert data.edges == (0, 91, 1826)
    assert data.step.tolist() == [0, 0, 1, 2]
    assert data.y.tolist() == [0, 1, 2, 0]


def test_the_curve_is_covered_and_a_flat_one_stays_flat() -> None:
    hits, moved = [], []
    for seed in range(20):
        data, truth = world(seed)
        hits.append(inside(fitted(data, seed), truth))
        flat, _ = world(seed, flat=True)
        moved.append(excludes(fitted(flat, seed, "tenure_over_first")[:, 1:]))
    assert 0.8 <= np.concatenate(hits).mean() <= 0.98
    assert np.concatenate(moved).mean() <= 0.22


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_curve_is_covered_as_often_as_it_says() -> None:
    hits = np.concatenate([inside(fitted(data, seed), truth) for seed in range(200) for data, truth in [world(seed)]])
    print(f"tenure: covered {hits.mean():.3f} of {len(hits)}")
    assert 0.87 <= hits.mean() <= 0.93


def test_nobody_with_an_age_is_said() -> None:
    with pytest.raises(ModelError, match="no answer has a known age"):
        tenure.model_data(np.array([np.nan]), np.array([1]), codes=2, success=0)


def test_the_pymc_model_has_one_coefficient_a_step() -> None:
    data, _ = world(1, n=60)
    assert tenure.build_model(data).initial_point()["beta"].shape == (len(data.edges) - 1,)
