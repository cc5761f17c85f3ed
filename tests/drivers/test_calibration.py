"""Two hundred worlds drawn from the prior: do intervals of importance cover, and does nothing come of nothing?"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from drivers.drive_worlds import again, levels, ratings, with_blanks

from cxlab.drivers import importance, model
from cxlab.drivers.data import BLANK, DriverData, model_data
from cxlab.errors import ModelError

POPULATION = 20_000
ATTRIBUTES = 6
COVER = 0.9


def shares(posterior: xr.Dataset) -> np.ndarray:
    covariance = importance.joint(posterior["contribution_cov"].to_numpy(), posterior["noise_var"].to_numpy())
    return importance.lmg(covariance).values


def world(seed: int, *, n: int = 500, blank: float = 0.3) -> tuple[DriverData, np.ndarray]:
    """Some people of a world, ratings correlated .9, with blanks, and the shares that are true of all its people."""
    everybody, truth = model.simulate(
        ratings(POPULATION, ATTRIBUTES, seed=seed), levels=levels(ATTRIBUTES), seed=seed + 1
    )
    asked = model_data(
        everybody.codes[:n],
        everybody.outcome[:n],
        attributes=everybody.attributes,
        levels=everybody.levels,
        kind="ordinal",
        outcome_levels=everybody.outcome_levels,
    )
    return with_blanks(asked, blank, seed=seed + 2), shares(truth)[0]


def covered(data: DriverData, truth: np.ndarray, *, seed: int) -> np.ndarray:
    draws = shares(model.fit(data, draws=500, seed=seed)["posterior"].dataset)
    parts = draws / draws.sum(axis=1, keepdims=True)
    low, high = np.quantile(parts, [(1 - COVER) / 2, (1 + COVER) / 2], axis=0)
    return (low <= truth / truth.sum()) & (truth / truth.sum() <= high)


def pooled(worlds: int, *, others: bool = False) -> float:
    """Share of intervals that hold the truth, their own or (`others`) that of the next attribute."""
    found = []
    for seed in range(0, 10 * worlds, 10):
        try:
            data, truth = world(seed)
        except ModelError:  # these few people all said the same
            continue
        found.append(covered(data, np.roll(truth, 1) if others else truth, seed=seed))
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_intervals_of_importance_cover_what_they_say() -> None:
    assert 0.87 <= pooled(200) <= 0.93


@pytest.mark.slow
def test_the_shares_of_other_attributes_are_not_covered() -> None:
    assert pooled(40, others=True) < 0.85


@pytest.mark.slow
def test_nothing_comes_of_nothing() -> None:
    for seed in range(20):
        data, _ = model.simulate(ratings(2000, 12, seed=seed), levels=levels(12), seed=seed)
        shuffled = again(data, outcome=np.random.default_rng(seed).permutation(data.outcome))
        found = shares(model.fit(with_blanks(shuffled, 0.3, seed=seed), draws=500, seed=seed)["posterior"].dataset)
        assert np.quantile(found.sum(axis=1), 0.95) < 0.03
        assert np.bincount(found.argmax(axis=1)).max() / len(found) < 0.9


@pytest.mark.slow
def test_ranks_are_nearer_to_the_truth_than_those_of_correlations_and_of_ols() -> None:
    from scipy.stats import kendalltau

    ours, plain, johnson = [], [], []
    for seed in range(0, 300, 10):
        data, truth = world(seed)
        ours.append(
            kendalltau(shares(model.fit(data, draws=500, seed=seed)["posterior"].dataset).mean(axis=0), truth)[0]
        )
        codes = np.where(data.codes == BLANK, np.nan, data.codes)
        complete = np.where(np.isnan(codes), np.nanmean(codes, axis=0), codes)
        matrix = np.cov(np.column_stack([complete, data.outcome]).T)
        plain.append(kendalltau(np.abs(np.corrcoef(np.column_stack([complete, data.outcome]).T)[:-1, -1]), truth)[0])
        johnson.append(kendalltau(importance.johnson(matrix[None])[0], truth)[0])
    assert np.mean(ours) > np.mean(plain)
    assert np.mean(ours) > np.mean(johnson)
