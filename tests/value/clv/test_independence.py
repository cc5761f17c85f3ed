"""Do those who buy more often spend more? The check, the joint model where it fails, and that both say the truth."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.inference import importance_sampling
from cxlab.value import model
from cxlab.value.clv import density as posterior
from cxlab.value.clv import gamma_gamma, independence, simulate
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.model import Priors

PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.8, 6.0, 0.8, 2.5),
    "mbgnbd": (0.8, 6.0, 0.8, 2.5),
    "pareto": (0.8, 10.0, 0.6, 12.0),
}


def world(power: float, *, n: int = 2500, family: Family = "bgnbd", seed: int = 1) -> simulate.World:
    return simulate.draw(
        n, family=family, parameters=PARAMETERS[family], weeks=52, horizon=52, together=power, seed=seed
    )


@pytest.mark.parametrize("power", [0.3, -0.25])
def test_dependence_is_found_and_its_size_recovered(power: float) -> None:
    truth = world(power)
    data = model.model_data(truth.customers, family="bgnbd")
    tree = model.fit(data, seed=1, draws=100)
    told = model.dependence_of(tree)
    assert told is not None
    assert told.fails
    assert told.used == "joint"
    assert np.sign(told.correlation) == np.sign(power)
    low, high = np.quantile(tree["posterior"]["together"], [0.005, 0.995])
    assert low < power < high
    assert not low < 0 < high
    ratio = model.estimands(tree["posterior"].dataset, data)["twice_as_often"]
    assert float(ratio.mean()) == pytest.approx(2**power, rel=0.12)


@pytest.mark.slow
def test_what_will_be_spent_is_foretold_where_independence_is_not_true() -> None:
    """By class of purchases, those who bought once only are worth less than independence says."""
    truth = world(0.4, n=6000, seed=2)
    seen = truth.customers
    data = model.model_data(seen, family="bgnbd")
    true = (truth.truth["future"] * truth.truth["amount"]).to_numpy()
    rare = (seen["x"] <= 1).to_numpy()
    off = {}
    for how in ("joint", "independent"):
        tree = model.fit(data, seed=1, draws=60, together=how)  # type: ignore[arg-type]
        out = model.outlook(tree, data, weeks=52, seed=1, draws=100).customers["expected_spend"].to_numpy()
        off[how] = np.log(out[rare].sum() / true[rare].sum())
    assert abs(off["joint"]) < 0.2
    assert off["independent"] > off["joint"] + 0.15


@pytest.mark.parametrize("count", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_independence_is_rarely_denied_and_dependence_rarely_missed(count: int) -> None:
    """The check fails where it should, and not where it should not."""
    failed = {0.0: 0, 0.3: 0}
    for seed in range(count):
        for power in failed:
            data = model.model_data(world(power, n=900, seed=seed).customers, family="bgnbd").spend
            assert data is not None
            function, many, begin = posterior.density_of_spend(data, Priors())
            tree = importance_sampling.sample(function, begin, draws=100, chains=2, seed=seed, many=many)
            points = tree["posterior"]["x"].to_numpy().reshape(-1, 3)
            failed[power] += independence.check(data, points, seed=seed).fails
    assert failed[0.0] <= max(1, 0.03 * count)
    assert failed[0.3] >= 0.9 * count - 1


def test_independent_worlds_keep_the_simpler_model() -> None:
    truth = world(0.0, seed=3)
    data = model.model_data(truth.customers, family="bgnbd")
    tree = model.fit(data, seed=1, draws=60)
    told = model.dependence_of(tree)
    assert told is not None
    assert told.used == "independent"
    assert told.expected_low <= told.correlation <= told.expected_high
    forced = model.fit(data, seed=1, draws=60, together="joint")
    low, high = np.quantile(forced["posterior"]["together"], [0.005, 0.995])
    assert low < 0 < high
    assert (
        model.dependence_of(
            model.fit(model.model_data(truth.customers[["x", "recency", "age"]], family="bgnbd"), seed=1)
        )
        is None
    )


def test_few_customers_are_not_checked() -> None:
    data = model.model_data(world(0.3, n=30).customers, family="bgnbd")
    told = model.dependence_of(model.fit(data, seed=1))
    assert told is not None
    assert told.used == "independent"
    assert np.isnan(told.correlation)


@pytest.mark.parametrize("family", FAMILIES)
def test_slopes_of_the_joint_density(family: Family) -> None:
    data = model.model_data(world(0.3, n=700, family=family).customers, family=family)
    assert data.spend is not None
    joined, _ = independence.joined(family, model.start(data), data.rows, data.spend)  # type: ignore[arg-type]
    function = model.log_density_of_spend(joined)
    random = np.random.default_rng(4)
    for _ in range(3):
        at = np.append(gamma_gamma.START, 0.1) + random.normal(0, 0.3, 4)
        step = np.eye(4) * 1e-5
        rough = [(function(at + e)[0] - function(at - e)[0]) / 2e-5 for e in step]
        np.testing.assert_allclose(function(at)[1], rough, rtol=1e-5, atol=1e-4)
    none = np.append(gamma_gamma.START, 0.0)
    same = model.log_density_of_spend(data.spend)
    other = none + np.array([0.2, -0.1, 0.1, 0.0])
    gain = function(other)[0] - function(none)[0]
    assert gain == pytest.approx(same(other[:3])[0] - same(none[:3])[0], rel=1e-8)  # power 0 is independence


@pytest.mark.slow
def test_grouped_amounts_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = model.model_data(world(0.3, n=3000, seed=5).customers, family="bgnbd")
    fine = model.fit(data, seed=1, together="joint")
    monkeypatch.setattr(gamma_gamma, "_GROUPED", 100)
    rough = model.fit(data, seed=1, together="joint")
    for name in ("together", "p", "q", "gamma"):
        one, two = (t["posterior"][name] for t in (fine, rough))
        assert float(one.mean()) == pytest.approx(float(two.mean()), abs=0.15 * float(one.std()))
