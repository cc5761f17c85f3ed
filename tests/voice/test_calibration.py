"""Two hundred worlds: do intervals of effects and shares cover, and is nothing called an effect?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from voice.mention_worlds import counts, draw

from cxlab.synthetic import WorldSettings, generate
from cxlab.voice import model, prevalence

WORLDS = 200
pytestmark = pytest.mark.slow


def effects(seed: int, *, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws, truths, and truths of the topic before, of the topics of a world."""
    world = draw(seed, n=(300, 600, 1500)[seed % 3], topics=(6, 12, 20)[seed % 3], tau=tau, omega=0.25 * (tau > 0),
                 rho=0.3 * (tau > 0))  # fmt: skip
    tree, _ = model.fit(world.data, draws=250, chains=4, seed=seed)
    told = model.estimands(tree["posterior"].dataset, world.data)
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


def test_effects_of_the_demo_world_are_covered() -> None:
    own, others = [], []
    for seed in range(1, 9):
        world = generate(replace(WorldSettings(), seed=seed))
        truth = world.truth
        said = truth.topics[truth.topics["source"] == "survey"]
        mention = pd.crosstab(said["id"], said["topic"]) > 0
        told = truth.responses.reset_index(drop=True)
        given = world.answers.responses.reset_index(drop=True)[["overall", "touchpoint"]]
        for brand in told["brand"].unique():
            here = told["brand"].eq(brand) & told["response_id"].isin(mention.index) & given["overall"].between(1, 5)
            rows, score = told[here], given[here]
            data = model.model_data(
                mention.loc[rows["response_id"]].reset_index(drop=True),
                score["overall"].to_numpy() - 1,
                values=range(1, 6),
                touchpoint=score["touchpoint"].to_numpy(),
                covariates=rows[["period"]].reset_index(drop=True),
                customer=rows["true_id"].to_numpy(),
            )
            tree, _ = model.fit(data, draws=250, chains=4, seed=seed)
            effect = model.estimands(tree["posterior"].dataset, data)["score_effect"].to_numpy()
            low, high = np.quantile(effect.reshape(1000, -1), [0.05, 0.95], axis=0)
            table = truth.topic_effects.query("brand == @brand and item == 'overall' and kind == 'topic'")
            true = table.set_index("topic")["effect"].loc[list(data.topics)].to_numpy()
            own += list((low <= true) & (true <= high))
            others += list((low <= np.roll(true, 1)) & (np.roll(true, 1) <= high))
    print(f"effects of demo worlds covered: {np.mean(own):.3f} of {len(own)}; of other topics: {np.mean(others):.3f}")
    assert 0.84 <= np.mean(own) <= 0.96  # one hundred and seventy intervals
    assert np.mean(others) < 0.7
