"""What mentions do to the score: density, known truth, co-occurring topics, no effect, customers who write often."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from voice.mention_worlds import CUTS, World, draw, logistic

from cxlab.errors import ModelError
from cxlab.voice import hierarchical, model
from cxlab.voice.likelihood import collapse
from cxlab.voice.model import MentionsData


def reported(data: MentionsData, seed: int = 1, *, draws: int = 250) -> dict[str, np.ndarray]:
    """Draws by name of the topic, pair or situation."""
    tree, _ = model.fit(data, draws=draws, chains=4, seed=seed)
    told = model.estimands(tree["posterior"].dataset, data)
    found = {}
    for name, keys in (
        ("score_effect", [*told["topic"].to_numpy()]),
        ("place_effect", [*zip(told["pair_topic"].to_numpy(), told["pair_place"].to_numpy(), strict=True)]),
        ("situation_effect", [*told["situation"].to_numpy()]),
    ):
        values = told[name].to_numpy().reshape(4 * draws, -1)
        found |= {key: values[:, i] for i, key in enumerate(keys)}
    return found


def held(world: World, drawn: dict[str, np.ndarray], *, others: bool = False) -> list[bool]:
    """Whether 90 % intervals of effects hold the truth, or (`others`) that of the topic before."""
    names = [t for t in world.topics if t in drawn]
    truth = {t: world.topics[names[i - 1] if others else t] for i, t in enumerate(names)}
    return [bool(np.quantile(drawn[t], 0.05) <= truth[t] <= np.quantile(drawn[t], 0.95)) for t in names]


@pytest.mark.parametrize("cuts", [CUTS, np.array([0.3])])
def test_density_is_that_of_the_pymc_model(cuts: np.ndarray) -> None:
    data = draw(3, n=150, topics=4, cuts=cuts).data
    one, blocks = model.rows(data, weight=0.7), model.blocks(data)
    oracle = model.build_model(data, weight=0.7).compile_logp(mode="FAST_COMPILE")
    points = np.random.default_rng(0).normal(0.0, 0.6, (5, one.size))
    ours = np.array([hierarchical._whole([one], blocks, p)[0] for p in points])
    first = len(cuts)
    parts = dict(zip(("effect", "by_place", "told", "covariate"), data.blocks, strict=True))
    theirs = [
        oracle({"theta": p[:first]} | {name: p[first + own.start : first + own.stop] for name, own in parts.items()})
        for p in points
    ]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-7)
    np.testing.assert_allclose(np.diff(one.many(points)), np.diff([one.value(p)[0] for p in points]), atol=2e-3)


def test_gradient_and_curvature_are_those_of_the_density() -> None:
    data = draw(4, n=120, topics=4).data
    one, blocks = model.rows(data), model.blocks(data)
    point = np.random.default_rng(1).normal(0.0, 0.5, one.size)
    step = 1e-5 * np.eye(one.size)
    slope = [
        (hierarchical._whole([one], blocks, point + e)[0] - hierarchical._whole([one], blocks, point - e)[0]) / 2e-5
        for e in step
    ]
    np.testing.assert_allclose(hierarchical._whole([one], blocks, point)[1], slope, atol=1e-4)
    curve = [(one.value(point + e)[1] - one.value(point - e)[1]) / 2e-5 for e in step]
    np.testing.assert_allclose(one.hessian(point), curve, atol=1e-3)


def test_rows_alike_counted_once_say_the_same() -> None:
    data = draw(5, n=400, topics=3, places=2).data
    one = model.rows(data)
    assert len(one.y) < len(data.y) == one.count.sum()
    every = replace(one, x=data.x, y=data.y, count=np.ones(len(data.y)))
    point = np.random.default_rng(2).normal(0.0, 0.5, one.size)
    assert one.value(point)[0] == pytest.approx(every.value(point)[0], rel=1e-12)
    np.testing.assert_allclose(one.value(point)[1], every.value(point)[1], rtol=1e-9)
    first, kind = collapse(sparse.csr_matrix(np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]])), np.array([0, 0, 0, 1]))
    assert kind[0] == kind[2]
    assert len({kind[0], kind[1], kind[3]}) == len(first) == 3


def test_planted_effects_are_covered_and_others_are_not() -> None:
    own, wrong, places = [], [], []
    for seed in range(24):
        world = draw(seed)
        drawn = reported(world.data, seed)
        own += held(world, drawn)
        wrong += held(world, drawn, others=True)
        for key, truth in (world.pairs | world.situations).items():  # type: ignore[operator]
            if key in drawn:
                places.append(np.quantile(drawn[key], 0.05) <= truth <= np.quantile(drawn[key], 0.95))
    assert 0.84 <= np.mean(own) <= 0.96
    assert 0.84 <= np.mean(places) <= 0.96
    assert np.mean(wrong) < 0.6  # the same test fails for effects of another topic


def test_of_topics_without_effect_few_are_called_real() -> None:
    called, real = [], []
    for seed in range(12):
        for tau, found in ((0.0, called), (0.9, real)):
            drawn = reported(draw(seed, tau=tau, omega=0.0, rho=0.0).data, seed)
            topics = [v for k, v in drawn.items() if str(k).startswith("t")]
            found += [bool(min((v > 0).mean(), (v < 0).mean()) < 0.025) for v in topics]
    assert np.mean(called) <= 0.05
    assert np.mean(real) > 0.3


def test_a_topic_told_along_with_a_bad_one_is_not_blamed() -> None:
    random = np.random.default_rng(0)
    bad = random.random(3000) < 0.3
    along = random.random(3000) < np.where(bad, 0.7, 0.1)
    y = ((-1.5 * bad + random.logistic(size=3000))[:, None] > CUTS).sum(axis=1)
    said = pd.DataFrame({"bad": bad, "along": along})
    drawn = reported(model.model_data(said, y, values=range(1, 6)))
    plain = y[along].mean() - y[~along].mean()
    assert plain < -0.4
    assert np.quantile(drawn["along"], 0.05) < 0 < np.quantile(drawn["along"], 0.95)
    expected = (logistic(-1.5 - CUTS) - logistic(-CUTS)).sum()
    assert np.quantile(drawn["bad"], 0.02) < expected < np.quantile(drawn["bad"], 0.98)


def test_a_topic_that_matters_at_one_touchpoint_only_is_told_apart() -> None:
    random = np.random.default_rng(1)
    said, place = random.random(4000) < 0.3, random.integers(0, 2, 4000)
    y = ((-2.0 * (said & (place == 1)) + random.logistic(size=4000))[:, None] > CUTS).sum(axis=1)
    data = model.model_data(pd.DataFrame({"t": said}), y, values=range(1, 6), touchpoint=np.array(["a", "b"])[place])
    drawn = reported(data)
    assert np.quantile(drawn["t", "b"], 0.95) < -0.8
    assert abs(np.median(drawn["t", "a"])) < 0.15


def test_comments_of_one_customer_count_less() -> None:
    random = np.random.default_rng(2)
    once = random.random((300, 2)) < 0.3
    mood = random.normal(0, 2.0, 300)
    mention = pd.DataFrame(np.repeat(once, 6, axis=0), columns=["a", "b"])
    y = ((np.repeat(mood, 6) + random.logistic(size=1800))[:, None] > CUTS).sum(axis=1)
    who = np.repeat(np.arange(300), 6)
    assert model.clustering(model.model_data(mention, y, values=range(1, 6), customer=who)) > 2.0
    mixed = random.permutation(who)
    assert model.clustering(model.model_data(mention, y, values=range(1, 6), customer=mixed)) < 1.3


@pytest.mark.slow
def test_nuts_takes_over_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    data = draw(6, n=150, topics=3, places=1).data
    by_weight = reported(data, draws=500)
    monkeypatch.setattr(hierarchical, "LEAST_ESS", 9.0)
    tree, _ = model.fit(data, draws=300, chains=4, seed=1)
    assert tree.attrs["method"] == "nuts"
    told = model.estimands(tree["posterior"].dataset, data)["score_effect"]
    for topic in data.topics:
        ours, theirs = by_weight[topic].astype(float), told.sel(topic=topic).to_numpy().astype(float)
        assert ours.mean() == pytest.approx(theirs.mean(), abs=float(ours.std()) / 5)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.15)


def test_the_same_seed_gives_the_same_draws() -> None:
    data = draw(7, n=120, topics=3).data
    first, again = reported(data, 3), reported(data, 3)
    np.testing.assert_array_equal(first["t0"], again["t0"])


def test_what_cannot_be_fitted_is_told_at_once() -> None:
    with pytest.raises(ModelError, match="no comment with a score"):
        model.model_data(pd.DataFrame({"t": []}), np.array([]), values=range(1, 6))
    with pytest.raises(ModelError, match=r"(?s)as many rows.*scores out of range"):
        model.model_data(pd.DataFrame({"t": [True, False]}), np.array([0, 7]), values=range(1, 6), touchpoint=["a"])


def test_codes_that_nobody_gave_have_no_cut() -> None:
    random = np.random.default_rng(8)
    said = pd.DataFrame({"t": random.random(200) < 0.4})
    y = np.where(random.random(200) < np.where(said["t"], 0.3, 0.7), 10, 6)
    data = model.model_data(said, y, values=range(11))
    assert data.values.tolist() == [6, 10]
    tree, _ = model.fit(data, draws=250, chains=4, seed=1)
    assert tree.attrs["method"] == "nested"
    effect = model.estimands(tree["posterior"].dataset, data)["score_effect"]
    assert -2.6 < float(effect.mean()) < -0.9
    with pytest.raises(ModelError, match="all scores are the same"):
        model.model_data(said, np.full(200, 3), values=range(11))


def test_rare_topics_and_one_touchpoint_have_no_coefficient() -> None:
    said = pd.DataFrame({"rare": [True] * 4 + [False] * 96, "often": [True, False] * 50, "always": [True] * 100})
    data = model.model_data(said, np.arange(100) % 5, values=range(1, 6), touchpoint=["a"] * 100)
    assert data.topics == ("often",)
    assert not len(data.pairs)
    drawn = reported(data)
    assert set(drawn) == {"often"}
