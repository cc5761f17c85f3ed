"""The budgeted choice is the best of all sets, draw by draw; what it says of risk is what the draws say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.growth.choice import best_choice, dominated


def options(seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    costs = random.uniform(5, 40, n)
    return costs * random.uniform(0.6, 2.2, n) + random.normal(0, 15, (400, n)), costs


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("budget", [0.0, 30.0, 90.0, 1000.0])
def test_no_other_set_of_twelve_brings_more(seed: int, budget: float) -> None:
    gains, costs = options(seed)
    sets = np.array(list(itertools.product([False, True], repeat=12)))
    affordable = sets[sets @ costs <= budget]
    most = (affordable @ (gains.mean(axis=0) - costs)).max()
    choice = best_choice(gains, costs, budget)
    assert choice.cost <= budget + 1e-9
    assert choice.gain - choice.cost == pytest.approx(most)


def test_the_best_ratio_first_is_not_the_best_set() -> None:
    choice = best_choice(np.array([[5.0, 11.0]]), np.array([2.0, 5.0]), 5.0)  # ratios 2.5 and 2.2
    assert choice.chosen.tolist() == [False, True]


def test_risk_is_that_of_the_draws_together() -> None:
    gains, costs = np.array([[0.0, 20.0], [20.0, 0.0]] * 50), np.array([8.0, 8.0])
    both = best_choice(gains, costs, 16.0)
    assert (both.p_pays_back, both.downside) == (1.0, 4.0)  # one pays where the other fails
    one = best_choice(gains, costs, 8.0)
    assert (one.p_pays_back, one.downside) == (0.5, -8.0)


def test_options_that_another_beats_are_named() -> None:
    gains, costs = np.array([[10.0, 8.0, 12.0, 10.0]]), np.array([4.0, 5.0, 6.0, 4.0])
    assert dominated(gains, costs).tolist() == [False, True, False, False]


def test_what_cannot_be_is_refused() -> None:
    for costs, budget, said in (
        ([1.0], 5.0, "one cost"),
        ([1.0, -1.0], 5.0, "less than nothing"),
        ([1.0, 2.0], -1.0, "keeps to"),
    ):
        with pytest.raises(ModelError, match=said):
            best_choice(np.ones((3, 2)), np.array(costs), budget)
