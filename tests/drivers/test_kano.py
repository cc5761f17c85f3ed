"""Pains and wows of curves with known shape: posterior draws are a planted curve plus noise."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.drivers import kano

CURVES = {  # codes 1 to 5
    "must_be": (-1.6, -0.8, 0.0, 0.1, 0.2),
    "linear": (-1.0, -0.5, 0.0, 0.5, 1.0),
    "delighter": (-0.2, -0.1, 0.0, 0.8, 1.6),
    "indifferent": (-0.02, -0.01, 0.0, 0.01, 0.02),
}
EVEN = (0.0, 0.1, 0.2, 0.4, 0.2, 0.1)
TOP_HEAVY = (0.0, 0.02, 0.03, 0.05, 0.2, 0.7)
LOW = (0.0, 0.6, 0.3, 0.05, 0.03, 0.02)


def draws(curves: list[tuple[float, ...]], *, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    effect = np.array([(0.0, *one) for one in curves])
    return effect + np.random.default_rng(seed).normal(size=(500, *effect.shape)) * noise


def chances(effect: np.ndarray, share: tuple[float, ...], *, practical: float = 0.03) -> np.ndarray:
    at = kano.anchors(effect, np.tile(share, (effect.shape[1], 1)))
    up, down = kano.sides(effect, at)
    worth = np.maximum(np.abs(up), np.abs(down)) * 0.15  # about the share satisfied that goes with a logit
    each = kano.kinds(effect, at, worth=worth, practical=practical)
    assert (each.sum(axis=2) == 1).all()
    return np.asarray(each.mean(axis=0))


@pytest.mark.parametrize("share", [EVEN, TOP_HEAVY, LOW], ids=["even", "top-heavy", "low"])
@pytest.mark.parametrize("kind", CURVES)
def test_planted_kinds_are_named_right_wherever_the_answers_lie(kind: str, share: tuple[float, ...]) -> None:
    found = chances(draws([CURVES[kind]]), share)
    assert found[0, kano.KINDS.index(kind)] > 0.9
    assert kano.call(found) == [kind]


def test_a_straight_line_is_no_pain_though_most_are_at_the_top() -> None:
    """The plain contrast of both sides, without slopes, fails here: it sees three codes below and one above."""
    effect = draws([CURVES["linear"]])
    at = kano.anchors(effect, np.array([TOP_HEAVY]))
    up, down = kano.sides(effect, at)
    assert (down / (down + up)).mean() > kano.MOST
    assert kano.call(chances(effect, TOP_HEAVY)) == ["linear"]


def test_noise_is_called_nothing() -> None:
    flat = [(0.0,) * 5] * 20
    found = chances(draws(flat, noise=0.5), EVEN)
    assert found[:, [0, 2]].max() < 0.9
    assert set(kano.call(found)) == {""}


def test_a_higher_code_may_be_worse() -> None:
    """Waiting time: the first minutes matter, the later ones do not."""
    found = chances(draws([tuple(-x for x in CURVES["delighter"])]), EVEN)
    assert kano.call(found) == ["must_be"]


def test_reference_is_never_at_an_end() -> None:
    effect = draws([CURVES["linear"]])
    for share, wanted in ((EVEN, 3), (TOP_HEAVY, 4), (LOW, 2)):
        at = kano.anchors(effect, np.array([share]))
        assert (at.worst[0], at.reference[0], at.best[0]) == (1, wanted, 5)
        assert at.two_sided[0]


def test_two_codes_have_no_sides_to_compare() -> None:
    effect = np.zeros((100, 2, 4))
    effect[:, 0] = [0, -1, 1, np.nan]
    effect[:, 1] = [0, -1, 0, 4]
    at = kano.anchors(effect, np.array([[0, 0.5, 0.5, 0], [0, 0.2, 0.6, 0.2]]))
    assert at.best.tolist() == [2, 3]
    assert at.two_sided.tolist() == [False, True]
    up, down = kano.sides(effect, at)
    each = kano.kinds(effect, at, worth=np.maximum(up, down), practical=0.1)
    assert kano.call(each.mean(axis=0)) == ["linear", "delighter"]


def test_an_attribute_nobody_used() -> None:
    effect = np.zeros((10, 1, 6))
    at = kano.anchors(effect, np.zeros((1, 6)))
    assert 1 <= at.reference[0] <= 5
