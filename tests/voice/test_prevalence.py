"""Shares of comments that mention a topic: the density, known truth, thin cells, no change where nothing changed."""

from __future__ import annotations

import numpy as np
import pytest
from voice.mention_worlds import counts

from cxlab.errors import ModelError
from cxlab.voice import hierarchical, prevalence


def test_density_is_that_of_the_pymc_model() -> None:
    y, n, _ = counts(1, places=3, periods=3, size=5)
    bases, blocks, _ = prevalence.cells(y, n)
    oracle = prevalence.build_model(y, n).compile_logp(mode="FAST_COMPILE")
    points = np.random.default_rng(0).normal(0.0, 0.6, (4, 7)) - np.eye(7)[0] * 2
    ours = [hierarchical._whole(bases, blocks, p)[0] for p in points]
    theirs = [oracle({"level": p[:1], "block_0": p[1:4], "block_1": p[4:]}) for p in points]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-7)


def test_gradient_and_curvature_are_those_of_the_density() -> None:
    y, n, _ = counts(2, places=3, periods=4)
    one = prevalence.cells(y, n)[0][2]
    point = np.random.default_rng(1).normal(0.0, 0.5, 8) - np.eye(8)[0] * 2
    step = 1e-5 * np.eye(8)
    slope = [(one.value(point + e)[0] - one.value(point - e)[0]) / 2e-5 for e in step]
    np.testing.assert_allclose(one.value(point)[1], slope, atol=1e-4)
    curve = [(one.value(point + e)[1] - one.value(point - e)[1]) / 2e-5 for e in step]
    np.testing.assert_allclose(one.hessian(point), curve, atol=1e-3)


def test_shares_are_covered_and_those_of_other_touchpoints_are_not() -> None:
    cells, totals, wrong = [], [], []
    for seed in range(24):
        y, n, truth = counts(seed)
        drawn = prevalence.fit(y, n, draws=250, chains=4, seed=seed)
        low, high = np.quantile(drawn.cell, [0.05, 0.95], axis=0)
        cells += list(((low <= truth) & (truth <= high)).ravel())
        wrong += list(((low <= truth[::-1]) & (truth[::-1] <= high)).ravel())
        low, high = np.quantile(drawn.total, [0.05, 0.95], axis=0)
        total = (truth * n).sum(axis=0) / n.sum(axis=0)
        totals += list((low <= total) & (total <= high))
    assert 0.86 <= np.mean(cells) <= 0.94
    assert 0.84 <= np.mean(totals) <= 0.96
    assert np.mean(wrong) < 0.7


def test_a_change_is_seen_where_there_is_one_only() -> None:
    seen: dict[float, list[bool]] = {0.0: [], 1.0: []}
    for seed in range(20):
        for change, found in seen.items():
            y, n, _ = counts(seed, change=change, kappa=1e6, size=60)
            total = prevalence.fit(y, n, draws=250, chains=4, seed=seed).total
            p = (total[:, -1] > total[:, -2]).mean()
            found.append(bool(min(p, 1 - p) < 0.025))
    assert np.mean(seen[0.0]) <= 0.1
    assert np.mean(seen[1.0]) > 0.4


def test_a_thin_cell_leans_on_the_others() -> None:
    n = np.full((4, 4), 200)
    y = np.full((4, 4), 40)
    n[3, 3], y[3, 3] = 4, 3
    drawn = prevalence.fit(y, n, draws=250, chains=4, seed=1)
    assert 0.15 < drawn.cell[:, 3, 3].mean() < 0.35  # 3 of 4, and 1 of 5 everywhere else


def test_topics_that_are_hardly_told_are_drawn_by_weight() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        n = random.poisson(random.uniform(2, 60, 7)[:, None], (7, 7)) + 1
        share = 0.01 * np.exp(random.normal(0, 1.2, 7))[:, None] * (1 if seed % 4 else np.arange(7)[:, None] == 2)
        tree = prevalence.fit(random.binomial(n, np.clip(share, 0, 1)), n, draws=250, chains=4, seed=seed).tree
        assert tree.attrs["method"] == "nested"
        assert tree.attrs["khat"] < 0.7
        assert tree.attrs["ess"] >= 400


def test_empty_cells_one_cell_and_no_comments() -> None:
    y, n = np.array([[3, 0], [0, 0]]), np.array([[20, 0], [10, 0]])
    drawn = prevalence.fit(y, n, draws=100, chains=4, seed=1)
    assert np.isnan(drawn.cell[:, :, 1]).all()
    assert np.isnan(drawn.total[:, 1]).all()
    assert 0.02 < drawn.total[:, 0].mean() < 0.2
    one = prevalence.fit(np.array([[2]]), np.array([[40]]), draws=100, chains=4, seed=1)
    assert 0.01 < one.total.mean() < 0.15
    with pytest.raises(ModelError, match="no comments"):
        prevalence.fit(np.zeros((1, 1), int), np.zeros((1, 1), int), draws=10, chains=2, seed=1)
    with pytest.raises(ModelError, match="more mentions than comments"):
        prevalence.fit(np.array([[2]]), np.array([[1]]), draws=10, chains=2, seed=1)
