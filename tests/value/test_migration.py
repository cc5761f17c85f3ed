"""Migration between segments: covered, counted, and inputs that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.value.segments import lifecycle

NAMES = ("high", "middle", "low")
NEW = "new"


def world(seed: int, n: int = 300) -> tuple[np.ndarray, list[str], list[str]]:
    """Customers who move by shares drawn at random, most of them staying."""
    random = np.random.default_rng(seed)
    truth = np.stack([random.dirichlet(np.eye(3)[i] * 4 + 0.5) for i in range(3)])
    before = random.choice(3, n, p=[0.15, 0.25, 0.6])
    now = np.array([random.choice(3, p=truth[i]) for i in before])
    names = np.array(NAMES, object)
    return truth, [str(v) for v in names[before]], [str(v) for v in names[now]]


def covered(seed: int, *, moved: bool = False) -> np.ndarray:
    truth, before, now = world(seed)
    found = lifecycle.moves(before, now, segments=NAMES, new=NEW, seed=seed)
    low, high = np.quantile(found["migration"].to_numpy(), [0.05, 0.95], axis=0)
    true = np.array(
        [
            truth[NAMES.index(a), NAMES.index(b)]
            for a, b in zip(found["from"].to_numpy(), found["to"].to_numpy(), strict=True)
        ]
    )
    true = np.roll(true, 3) if moved else true
    return (true >= low) & (true <= high)


def test_shares_are_covered_and_those_of_other_segments_are_not() -> None:
    hits = np.concatenate([covered(seed) for seed in range(100)])
    assert 0.86 <= hits.mean() <= 0.94
    wrong = np.concatenate([covered(seed, moved=True) for seed in range(40)])
    assert wrong.mean() < 0.5


def test_counts_and_who_is_new() -> None:
    before, now = ["high", None, "low", "low", "high"], ["low", "high", "low", "low", None]
    found = lifecycle.moves(before, now, segments=NAMES, new=NEW, seed=1)  # type: ignore[arg-type]
    assert list(dict.fromkeys(found["from"].to_numpy())) == ["high", "low", "new"]
    assert found["n"].to_numpy().tolist() == [1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert found["moved"].to_numpy().tolist() == [0, 0, 1, 0, 0, 2, 1, 0, 0]
    np.testing.assert_allclose(found["migration"].to_numpy().reshape(-1, 3, 3).sum(axis=-1), 1.0)


def test_the_posterior_is_the_dirichlet_of_the_counts() -> None:
    _, before, now = world(1, n=40)
    found = lifecycle.moves(before, now, segments=NAMES, new=NEW, seed=1, draws=20_000)
    expected = (found["moved"] + 1 / 3) / (found["n"] + 1)
    np.testing.assert_allclose(found["migration"].mean("draw"), expected, atol=0.01)


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
        lifecycle.moves(before, now, segments=NAMES, new=NEW, seed=1)
