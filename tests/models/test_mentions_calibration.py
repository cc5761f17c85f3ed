"""Two hundred worlds: do intervals of effects and shares cover, and is nothing called an effect?"""

from __future__ import annotations

import numpy as np
import pytest
from models.mention_worlds import counts, draw

from cxlab.models import mentions
from cxlab.models.mention import prevalence

WORLDS = 200
pytestmark = pytest.mark.slow


def effects(seed: int, *, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws, truths, and truths of the topic before, of the topics of a world."""
    world = draw(seed, n=(300, 600, 1500)[seed % 3], topics=(6, 12, 20)[seed % 3], tau=tau, omega=0.25 * (tau > 0),
                 rho=0.3 * (tau > 0))  # fmt: skip
    tree, _ = mentions.fit(world.data, draws=250, chains=4, seed=seed)
    told = mentions.estimands(tree["posterior"].dataset, world.data)
    truth = np.array([world.topics[t] for t in world.data.topics])
    return told["score_effect"].to_numpy().reshape(1000, -1), truth, np.roll(truth, 1)


def test_effects_are_covered_as_often_as_promised() -> None:
    own, others = [], []
    for seed in range(WORLDS):
        values, truth, wrong = effects(seed, tau=0.6)
        low, high = np.quantile(values, [0.05, 0.95], axis=0)
        own += list((low <= truth) & (truth <= high))
        others += list((low <= wrong) & (wrong <= high))
    print(f"effects covered: {np.mean(own):.3f}; those of other topics: {np.mean(others):.3f}")
    assert 0.87 <= np.mean(own) <= 0.93
    assert np.mean(others) < 0.6


def test_no_effect_is_called_real_more_often_than_stated() -> None:
    called = []
    for seed in range(WORLDS):
        values, _, _ = effects(seed, tau=0.0)
        p = (values > 0).mean(axis=0)
        called += list(np.minimum(p, 1 - p) < 0.025)
    print(f"called real without effect: {np.mean(called):.4f}")
    assert np.mean(called) <= 0.05


def test_shares_are_covered_as_often_as_promised() -> None:
    totals, others = [], []
    for seed in range(WORLDS):
        y, n, truth = counts(seed, size=(15, 40, 200)[seed % 3])
        drawn = prevalence.fit(y, n, draws=250, chains=4, seed=seed)
        total = (truth * n).sum(axis=0) / n.sum(axis=0)
        low, high = np.quantile(drawn.total, [0.05, 0.95], axis=0)
        totals += list((low <= total) & (total <= high))
        others += list((low <= total[::-1]) & (total[::-1] <= high))
    print(f"shares covered: {np.mean(totals):.3f}; those of another period: {np.mean(others):.3f}")
    assert 0.87 <= np.mean(totals) <= 0.93
    assert np.mean(others) < 0.8
