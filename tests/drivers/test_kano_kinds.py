"""Pains and wows through the whole chain: respondents with planted curves -> fit -> kinds; and a shuffled outcome."""

from __future__ import annotations

import numpy as np
import pytest
from driver_world import PARAMS

from cxlab.drivers import fits, kano, model
from cxlab.drivers.data import model_data
from cxlab.drivers.fits import Measured, Question

PLANTED = {
    "must_be": (-2.0, -1.0, 0.0, 0.0, 0.0),
    "linear": (-1.2, -0.6, 0.0, 0.6, 1.2),
    "delighter": (0.0, 0.0, 0.0, 1.0, 2.0),
    "indifferent": (0.0, 0.0, 0.0, 0.0, 0.0),
}
EVEN, TOP_HEAVY = 0.0, 0.6  # how far ratings lie above the middle, in sds


def world(seed: int, *, people: int = 2000, shuffled: bool = False, height: float = EVEN) -> Measured:
    """Fit respondents with correlated ratings (r = .5), some blank, some not used."""
    random = np.random.default_rng(seed)
    size = 6
    latent = np.sqrt(0.5) * (random.normal(size=(people, 1)) + random.normal(size=(people, size))) + height
    codes = np.digitize(latent, [-1.3, -0.5, 0.3, 1.2])
    used = random.random(codes.shape) > 0.05
    curves = [*PLANTED.values(), PLANTED["indifferent"], np.array(PLANTED["linear"]) / 2]
    eta = sum(np.where(used[:, a], np.asarray(curves[a])[codes[:, a]], 0.0) for a in range(size))
    answer = np.digitize(eta + random.logistic(size=people), [-2.5, -1.5, -0.3, 1.5])
    if shuffled:
        answer = random.permutation(answer)
    blank = random.random(codes.shape) < 0.05
    data = model_data(
        np.where(~used, -2, np.where(blank, -1, codes)),
        answer,
        attributes=[*PLANTED, "idle", "weak"],
        levels=[(1, 2, 3, 4, 5)] * size,
        kind="ordinal",
        outcome_levels=(1, 2, 3, 4, 5),
        name="overall",
    )
    tree = model.fit(data, seed=seed, draws=500, monotone="yes")
    about = Question("overall", 4.0, (4,) * size, ("",) * size)
    return fits.measure(data, tree["posterior"].dataset, params=PARAMS, seed=seed, about=about)


def named(one: Measured) -> list[str]:
    return kano.call(one.kinds.mean(axis=0))


def test_planted_kinds_are_named_right() -> None:
    one = world(1)
    chances = one.kinds.mean(axis=0)
    for place, kind in enumerate(("must_be", "linear", "delighter")):
        assert chances[place, kano.KINDS.index(kind)] > 0.9
    assert not {"must_be", "delighter"} & set(named(one)[3:])


def test_nothing_is_named_when_the_outcome_is_shuffled() -> None:
    one = world(1, shuffled=True)
    assert not {"must_be", "delighter"} & set(named(one))
    assert np.quantile(one.explained, 0.95) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("height", [EVEN, TOP_HEAVY], ids=["even", "top-heavy"])
def test_planted_kinds_over_many_worlds(height: float) -> None:
    right, wrong = np.zeros(3), 0
    worlds = 20
    for seed in range(worlds):
        found = named(world(100 + seed, height=height))
        right += [name == kind for name, kind in zip(found[:3], PLANTED, strict=False)]
        wrong += sum(name not in ("", kind) for name, kind in zip(found[:3], PLANTED, strict=False))
        wrong += len({"must_be", "delighter"} & set(found[3:5]))
    assert (right >= 0.8 * worlds).all(), right
    assert wrong <= 1


@pytest.mark.slow
def test_shuffled_outcomes_over_many_worlds() -> None:
    false = [named(world(200 + seed, people=1000, shuffled=True)) for seed in range(20)]
    assert sum(name in ("must_be", "delighter") for found in false for name in found) == 0
