"""Migration between segments: covered, the posterior that PyMC states, and inputs that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.value import migration
from cxlab.value.migration import MigrationData

NAMES = ("high", "middle", "low")
NEW = "new"


def world(seed: int, n: int = 300) -> tuple[MigrationData, np.ndarray, list[str], list[str]]:
    """Customers who move by shares drawn at random, most of them staying."""
    random = np.random.default_rng(seed)
    truth = np.stack([random.dirichlet(np.eye(3)[i] * 4 + 0.5) for i in range(3)])
    before = random.choice(3, n, p=[0.15, 0.25, 0.6])
    now = np.array([random.choice(3, p=truth[i]) for i in before])
    names = np.array(NAMES, object)
    lists = [str(v) for v in names[before]], [str(v) for v in names[now]]
    return migration.model_data(*lists, segments=NAMES, new=NEW), truth, *lists


def covered(seed: int, *, moved: bool = False) -> np.ndarray:
    data, truth, _, _ = world(seed)
    found = migration.estimands(migration.draw(data, draws=500, chains=2, seed=seed), data)["migration"]
    low, high = np.quantile(found.to_numpy().reshape(1000, -1), [0.05, 0.95], axis=0)
    true = np.array([truth[NAMES.index(a), NAMES.index(b)]
                     for a, b in zip(found["from"].to_numpy(), found["to"].to_numpy(), strict=True)])  # fmt: skip
    true = np.roll(true, 3) if moved else true
    return (true >= low) & (true <= high)


def test_shares_are_covered_and_those_of_other_segments_are_not() -> None:
    hits = np.concatenate([covered(seed) for seed in range(100)])
    assert 0.86 <= hits.mean() <= 0.94
    wrong = np.concatenate([covered(seed, moved=True) for seed in range(40)])
    assert wrong.mean() < 0.5


def test_counts_and_who_is_new() -> None:
    data = migration.model_data(
        ["high", None, "low", "low", "high"], ["low", "high", "low", "low", None], segments=NAMES, new=NEW
    )  # type: ignore[list-item]
    assert data.origins == (*NAMES, NEW)
    assert data.counts.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 2], [1, 0, 0]]
    found = migration.estimands(migration.draw(data, draws=50, chains=2, seed=1), data)
    assert sorted(set(found["from"].to_numpy())) == ["high", "low", "new"]
    assert found["n"].to_numpy().tolist() == [1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert found["moved"].to_numpy().sum() == 4
    np.testing.assert_allclose(found["migration"].to_numpy().reshape(2, 50, 3, 3).sum(axis=-1), 1.0)


def test_the_posterior_is_the_one_of_the_model_in_pymc() -> None:
    """Its density differs from that of the Dirichlet drawn from by a constant."""
    from scipy.stats import dirichlet

    data, _, _, _ = world(1, n=40)
    logp = migration.build_model(data).compile_logp(jacobian=False, mode="FAST_COMPILE")
    random = np.random.default_rng(1)
    off = []
    for _ in range(3):
        p = random.dirichlet(np.ones(3), len(data.origins))
        value = np.log(p[:, :-1]) - np.log(p).mean(axis=1, keepdims=True)
        ours = sum(dirichlet.logpdf(row, 1 / 3 + n) for row, n in zip(p, data.counts, strict=True))
        off.append(float(logp({"migration_simplex__": value})) - ours)
    assert np.ptp(off) < 1e-6


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (["high"], ["hihg"], "high"),
        (["high"], ["low", "low"], "two segments"),
        ([], [], "no customer has a segment"),
        (["high"], [None], "no customer has a segment"),
    ],
    ids=["name", "length", "nobody", "nobody now"],
)
def test_what_cannot_be_is_said(before: list[str], now: list[str], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        migration.model_data(before, now, segments=NAMES, new=NEW)
