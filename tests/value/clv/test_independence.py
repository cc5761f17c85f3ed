"""Do those who buy more often spend more? The check, the joint model where it fails, and that both say the truth."""

from __future__ import annotations

import numpy as np
import pytest
from value import simulate

from cxlab.inference import importance_sampling
from cxlab.value import model
from cxlab.value.clv import gamma_gamma
from cxlab.value.clv.families import BUYING, FAMILIES, Family
from cxlab.value.clv.forecast import Ahead, look_ahead

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
    told = tree.attrs["dependence"]
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
        out = look_ahead(tree, data, Ahead(52, draws=100), seed=1).customers["expected_spend"].to_numpy()
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
            at = model.density_of_spend(data)
            tree = importance_sampling.sample(at.gradient, at.start, draws=100, chains=2, seed=seed, many=at.values)
            points = tree["posterior"]["x"].to_numpy().reshape(-1, 3)
            failed[power] += gamma_gamma.check_independence(data, points, seed=seed).fails
    assert failed[0.0] <= max(1, 0.03 * count)
    assert failed[0.3] >= 0.9 * count - 1


def test_independent_worlds_keep_the_simpler_model() -> None:
    truth = world(0.0, seed=3)
    data = model.model_data(truth.customers, family="bgnbd")
    tree = model.fit(data, seed=1, draws=60)
    told = tree.attrs["dependence"]
    assert told.used == "independent"
    assert told.expected_low <= told.correlation <= told.expected_high
    forced = model.fit(data, seed=1, draws=60, together="joint")
    low, high = np.quantile(forced["posterior"]["together"], [0.005, 0.995])
    assert low < 0 < high
    bare = model.model_data(truth.customers[["x", "recency", "age"]], family="bgnbd")
    assert "dependence" not in model.fit(bare, seed=1).attrs


def test_few_customers_are_not_checked() -> None:
    data = model.model_data(world(0.3, n=30).customers, family="bgnbd")
    told = model.fit(data, seed=1).attrs["dependence"]
    assert told.used == "independent"
    assert np.isnan(told.correlation)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_of_0_is_independence(family: Family) -> None:
    data = model.model_data(world(0.3, n=700, family=family).customers, family=family)
    assert data.spend is not None
    joined, _ = gamma_gamma.joined(data.spend, BUYING[family], model.density(data).start, data.buyers)
    at = model.density_of_spend(joined)
    none = np.append(gamma_gamma.START, 0.0)
    other = none + np.array([0.2, -0.1, 0.1, 0.0])
    same = model.density_of_spend(data.spend)
    gain = np.diff(at.values(np.stack([none, other])))
    assert gain == pytest.approx(np.diff(same.values(np.stack([none[:3], other[:3]]))), rel=1e-8)  # 0 is independence


@pytest.mark.slow
def test_grouped_amounts_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = model.model_data(world(0.3, n=3000, seed=5).customers, family="bgnbd")
    fine = model.fit(data, seed=1, together="joint")
    monkeypatch.setattr(gamma_gamma, "GROUPED", 100)
    rough = model.fit(data, seed=1, together="joint")
    for name in ("together", "p", "q", "gamma"):
        one, two = (t["posterior"][name] for t in (fine, rough))
        assert float(one.mean()) == pytest.approx(float(two.mean()), abs=0.15 * float(one.std()))
