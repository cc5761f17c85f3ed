"""Walkers: a step is as long as the approximation's own energy allows, whatever the exact density refuses."""

from __future__ import annotations

import numpy as np

from cxlab.drivers import hmc as walking

SIZE = 20


def bell(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return -0.5 * (x**2).sum(axis=1), -x


def rough(x: np.ndarray) -> np.ndarray:
    """What the approximation `bell` lacks: refuses half of the moves, however short the steps."""
    return bell(x)[0] + 0.3 * np.sin(40 * x).sum(axis=1)


def test_a_poor_approximation_does_not_shorten_the_steps() -> None:
    values, _ = walking.walk(
        bell, np.zeros(SIZE), np.eye(SIZE), walkers=32, draws=40, tune=120, seed=1, exact=rough,
        start=np.random.default_rng(2).standard_normal((32, SIZE)),
    )  # fmt: skip
    now, later = values[:, :-5].reshape(-1), values[:, 5:].reshape(-1)
    assert abs(np.corrcoef(now, later)[0, 1]) < 0.25
    assert abs(values.std() - 1) < 0.1
