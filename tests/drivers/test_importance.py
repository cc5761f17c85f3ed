from __future__ import annotations

import itertools
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.drivers import importance
from cxlab.errors import ModelError

# R package relaimpo on the data set `swiss`: Agriculture, Examination, Education, Catholic, Infant.Mortality.
SWISS_R2 = 0.706735001593
SWISS_LMG = (0.0570912, 0.1711730, 0.2601347, 0.1055702, 0.1127659)
SWISS_JOHNSON = (0.0484169, 0.1547083, 0.2719641, 0.1146800, 0.1169657)


def covariances(draws: int, size: int, *, seed: int = 0, common: float = 0.7) -> np.ndarray:
    """Correlated attributes and an outcome, a matrix a draw."""
    random = np.random.default_rng(seed)
    load = random.normal(size=(draws, size + 1, size + 3)) * 0.5
    load[:, :, 0] += common
    return load @ load.transpose(0, 2, 1)


def r2(cov: np.ndarray, subset: tuple[int, ...]) -> float:
    if not subset:
        return 0.0
    inside = cov[np.ix_(subset, subset)]
    return float(cov[-1, subset] @ np.linalg.solve(inside, cov[subset, -1]) / cov[-1, -1])


def brute(cov: np.ndarray) -> np.ndarray:
    """LMG by its definition: a regression for every subset."""
    size = len(cov) - 1
    found = np.zeros(size)
    for k in range(1, size + 1):
        for subset in itertools.combinations(range(size), k):
            for j in subset:
                gain = r2(cov, subset) - r2(cov, tuple(i for i in subset if i != j))
                found[j] += math.factorial(k - 1) * math.factorial(size - k) / math.factorial(size) * gain
    return found


def relative_weights(rows: np.ndarray) -> np.ndarray:
    """Johnson's weights by their definition: regression on the closest orthogonal variables, through the data."""
    x, y = rows[:, :-1] - rows[:, :-1].mean(axis=0), rows[:, -1] - rows[:, -1].mean()
    x, y = x / np.linalg.norm(x, axis=0), y / np.linalg.norm(y)
    left, _, right = np.linalg.svd(x, full_matrices=False)
    z = left @ right
    return np.asarray((z.T @ x) ** 2 @ (z.T @ y) ** 2) if z.shape[1] == 1 else ((x.T @ z) ** 2) @ (z.T @ y) ** 2


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_shares_are_those_of_all_subsets(size: int) -> None:
    cov = covariances(3, size)
    found = importance.lmg(cov)
    assert found.exact
    np.testing.assert_allclose(found.values, [brute(one) for one in cov], atol=1e-9)
    np.testing.assert_allclose(found.values.sum(axis=1), importance.explained(cov), atol=1e-9)


def test_weights_are_johnsons() -> None:
    rows = np.random.default_rng(3).normal(size=(60, 5)) @ np.random.default_rng(4).normal(size=(5, 5))
    cov = np.cov(rows.T)
    np.testing.assert_allclose(importance.johnson(cov)[0], relative_weights(rows), atol=1e-12)
    np.testing.assert_allclose(importance.johnson(cov).sum(axis=1), importance.explained(cov), atol=1e-9)


def test_swiss_has_the_published_digits(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "swiss.csv")
    columns = [c for c in table.columns if c != "Fertility"]
    cov = np.cov(table[[*columns, "Fertility"]].to_numpy().T)
    shares = importance.lmg(cov).values[0]
    np.testing.assert_allclose(shares, brute(cov), atol=1e-9)
    np.testing.assert_allclose(shares, SWISS_LMG, atol=5e-8)
    np.testing.assert_allclose(importance.johnson(cov)[0], SWISS_JOHNSON, atol=5e-8)
    assert importance.explained(cov)[0] == pytest.approx(SWISS_R2, abs=1e-11)


def test_without_correlation_a_share_is_a_squared_correlation() -> None:
    cov = np.diag([1.0, 4.0, 9.0, 25.0])
    cov[:3, 3] = cov[3, :3] = [1.0, 2.0, 6.0]
    wanted = [1 / 25, 1 / 25, 36 / 9 / 25]
    np.testing.assert_allclose(importance.lmg(cov).values[0], wanted, atol=1e-12)
    np.testing.assert_allclose(importance.johnson(cov)[0], wanted, atol=1e-12)


def test_sampled_orders_meet_the_exact_shares_within_their_error() -> None:
    cov = covariances(40, 9, seed=5)
    exact = importance.lmg(cov)
    sampled = importance.lmg(cov, most_exact=4, squares=4, seed=1)
    assert not sampled.exact
    miss = np.sqrt(((sampled.values - exact.values) ** 2).mean(axis=0))
    assert ((miss < 2 * sampled.mc_error) & (miss > sampled.mc_error / 2)).all()
    np.testing.assert_allclose(sampled.values.sum(axis=1), importance.explained(cov), atol=1e-6)
    wrong = np.sqrt(((sampled.values - np.roll(exact.values, 1, axis=1)) ** 2).mean(axis=0))
    assert (wrong > 2 * sampled.mc_error).any()  # the same judgement refuses shares of the wrong attributes


def test_forty_attributes_have_shares_with_a_small_error() -> None:
    cov = covariances(50, 40, common=2.0)
    found, longer = importance.lmg(cov), importance.lmg(cov, squares=8)
    assert not found.exact
    assert longer.mc_error.mean() == pytest.approx(found.mc_error.mean() / 2, rel=0.2)
    assert 0 < longer.mc_error.max() < 0.003


def test_what_does_not_vary_and_what_is_said_twice() -> None:
    rows = np.random.default_rng(6).normal(size=(100, 3))
    twice = np.c_[rows[:, 0], rows[:, 0], np.zeros(100), rows[:, 0] + rows[:, 1]]
    cov = np.cov(twice.T)
    for shares in (
        importance.lmg(cov).values[0],
        importance.lmg(cov, most_exact=1).values[0],
        importance.johnson(cov)[0],
    ):
        assert shares[2] == 0
        assert shares[0] == pytest.approx(shares[1], abs=1e-6)
        assert shares.sum() == pytest.approx(importance.explained(cov)[0], abs=1e-6)


def test_no_contribution_at_all_explains_nothing() -> None:
    cov = importance.joint(np.zeros((2, 3, 3)), np.full(2, np.pi**2 / 3))
    np.testing.assert_allclose(importance.lmg(cov).values, 0, atol=1e-12)
    assert importance.johnson(cov).tolist() == [[0.0] * 3] * 2
    assert importance.explained(cov).tolist() == [0.0, 0.0]


def test_joint_covariance_of_contributions_and_outcome() -> None:
    inner = np.array([[[1.0, 0.5], [0.5, 2.0]]])
    cov = importance.joint(inner[None], np.array([[3.0]]))[0]
    np.testing.assert_allclose(cov, [[1.0, 0.5, 1.5], [0.5, 2.0, 2.5], [1.5, 2.5, 7.0]])
    assert importance.explained(cov)[0] == pytest.approx(4 / 7)  # McKelvey and Zavoina: explained over total


@pytest.mark.parametrize("cov", [np.full((2, 3, 3), np.nan), np.ones((2, 3)), np.ones((2, 3, 4)), np.ones((1, 1, 1))])
def test_no_covariance_is_refused(cov: np.ndarray) -> None:
    with pytest.raises(ModelError, match="no covariance"):
        importance.lmg(cov)


def test_rank_chances() -> None:
    chances = importance.rank_chances(np.array([[0.3, 0.2, 0.1], [0.1, 0.3, 0.2]]))
    np.testing.assert_allclose(chances, [[0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]])


def test_thousands_of_draws_at_once() -> None:
    cov = covariances(4000, 10)
    start = time.process_time()
    importance.lmg(cov)
    assert time.process_time() - start < 3  # .3 measured; the aim is 1: a guard against a loop over draws
