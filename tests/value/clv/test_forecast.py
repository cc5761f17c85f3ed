"""Forecasts of customers and of all of them: means, counts, totals, value; and that no table of draws is kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import families, forecast, simulate
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.unique_rows import unique

PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.6, 6.0, 0.8, 2.5),
    "mbgnbd": (0.6, 6.0, 0.8, 2.5),
    "pareto": (0.6, 10.0, 0.6, 12.0),
}


def point_of(family: Family) -> np.ndarray:
    return families.coordinates(family, PARAMETERS[family])[None]


@pytest.mark.parametrize("family", FAMILIES)
def test_true_parameters_foretell_the_future_of_a_world(family: Family) -> None:
    """30,000 customers: totals by class, P(alive), spread and the value of all, against what truly came."""
    world = simulate.draw(30_000, family=family, parameters=PARAMETERS[family], seed=4)
    seen, truth = world.customers, world.truth
    rows = unique(seen["x"].to_numpy(), seen["recency"].to_numpy(), seen["age"].to_numpy())
    many = np.repeat(point_of(family), 20, axis=0)
    x = rows.x
    mean = np.zeros(len(rows))
    mean[rows.inverse] = seen["spend"].fillna(0)
    amounts = forecast.Amounts(np.repeat(_spend(1.0)[None], 20, axis=0), 1.0, x, mean)
    found = forecast.stream(
        family, many, rows, edges=np.linspace(0, 39, 4), seed=1, discount=0.002, amounts=amounts,
        groups=np.minimum(x, 3).astype(int),
    )  # fmt: skip
    group = seen["x"].clip(upper=3).to_numpy()
    came = np.bincount(group, truth["future"])
    sd = np.sqrt(np.bincount(group, (truth["future"] - found.purchases[rows.inverse]) ** 2))
    assert (np.abs(np.bincount(group, found.purchases[rows.inverse]) - came) < 4 * sd).all()
    np.testing.assert_allclose(found.total.mean(axis=0), came, atol=5 * sd.max())
    assert found.steps.mean(axis=0).sum() == pytest.approx(found.purchases[rows.inverse].sum(), rel=1e-9)
    alive = np.bincount(group, found.p_alive[rows.inverse]) / np.bincount(group)
    np.testing.assert_allclose(alive, np.bincount(group, truth["alive"]) / np.bincount(group), atol=0.02)
    all_worth = (found.worth[rows.inverse, 0] + found.worth[rows.inverse, 1] * mean[rows.inverse]).sum()
    assert all_worth == pytest.approx(simulate.worth(world, weeks=39, discount=0.002), rel=0.03)
    assert found.total_worth.sum(axis=1).mean() == pytest.approx(all_worth, rel=0.01)
    high = truth["future"].to_numpy() > found.purchases_high[rows.inverse]
    low = truth["future"].to_numpy() < found.purchases_low[rows.inverse]
    assert 1 - (high | low).mean() == pytest.approx(found.purchases_promised[rows.inverse].mean(), abs=0.05)


def _spend(scale: float) -> np.ndarray:
    p, q, gamma = 6.25, 3.74, 15.45
    return np.array([np.log(p), np.log(q - 1), np.log(p * gamma / (q - 1) / scale)])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shared_row_has_the_spread_of_its_customers(family: Family) -> None:
    """1,000 alike customers as one row: the total varies as that of 1,000 rows does."""
    points = np.repeat(point_of(family), 3000, axis=0)
    one = unique([2], [20.0], [30.0], weight=np.array([400.0]))
    many = unique(np.full(400, 2), np.full(400, 20.0), 30 + np.arange(400) * 1e-9)
    assert len(many) == 400
    edges = np.array([0.0, 39.0])
    together = forecast.stream(family, points, one, edges=edges, seed=2).total[:, 0]
    apart = forecast.stream(family, points[:600], many, edges=edges, seed=3).total[:, 0]
    assert together.mean() == pytest.approx(apart.mean(), rel=0.02)
    assert together.std() == pytest.approx(apart.std(), rel=0.12)


def test_expected_purchases_agree_with_simulated_ones() -> None:
    for family in FAMILIES:
        rows = unique([0, 1, 4, 12], [0, 3.0, 30.0, 36.0], [38.0, 38.0, 35.0, 36.5])
        points = np.repeat(point_of(family), 8_000, axis=0)
        found = forecast.stream(family, points, rows, edges=np.array([0.0, 39.0]), seed=5)
        random = np.random.default_rng(6)
        rate, leave = families.simulate(family, points, rows, random)
        count = families.counts(family, rate, leave, 39.0, random) * (random.random(rate.shape) < found.p_alive)
        error = 5 * count.std(axis=0) / np.sqrt(len(points))
        assert (np.abs(count.mean(axis=0) - found.purchases) < error).all()


def test_counts_of_a_range_are_as_near_to_ninety_percent_as_they_can_be() -> None:
    random = np.random.default_rng(7)
    draws = np.sort(np.stack([random.poisson(m, 4000) for m in (0.02, 0.12, 0.5, 3.0, 60.0)], axis=1), axis=0)
    low, high, share = forecast._nearest(draws)
    assert (low <= high).all()
    np.testing.assert_allclose(share, [0.98, 0.887, 0.91, 0.9, 0.9], atol=0.04)
    assert high[0] == 0
    assert high[1] == 0  # not 1, which would hold 99 %
    assert low[4] > 40


def test_value_needs_discount_margin_and_time() -> None:
    world = simulate.draw(200, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=8)
    data = model.model_data(world.customers, family="bgnbd")
    tree = model.fit(data, seed=1)

    def equity(**more: float) -> float:
        return float(model.outlook(tree, data, **{"weeks": 52.0, "seed": 1, "draws": 60, **more}).equity.mean())  # type: ignore[arg-type]

    plain = equity()
    assert equity(margin=0.25) == pytest.approx(plain / 4)
    assert equity(discount=0.5) < 0.95 * plain
    assert equity(weeks=104.0) > 1.2 * plain
    with pytest.raises(ModelError, match="horizon"):
        equity(weeks=0.0)
    with pytest.raises(ModelError, match="discount"):
        equity(discount=-0.1)


def test_the_shock_widens_totals_alone() -> None:
    world = simulate.draw(300, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=9)
    data = model.model_data(world.customers, family="bgnbd")
    tree = model.fit(data, seed=1)
    calm = model.outlook(tree, data, weeks=39, seed=1, draws=200)
    rough = model.outlook(tree, data, weeks=39, seed=1, shock=0.3, draws=200)
    pd.testing.assert_frame_equal(calm.customers, rough.customers)
    np.testing.assert_array_equal(rough.plain, calm.purchases)
    spread = np.log(rough.purchases / rough.plain).std()
    assert spread == pytest.approx(0.3, abs=0.06)
    assert float(calm.steps.sum(axis=1).mean()) == pytest.approx(float(calm.purchases.mean()), rel=0.05)
    again = model.outlook(tree, data, weeks=39, seed=1, draws=200)
    pd.testing.assert_frame_equal(calm.customers, again.customers)  # the same seed, the same numbers


def test_customers_without_known_spend_are_worth_the_average() -> None:
    world = simulate.draw(240, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=10)
    table = world.customers.assign(spend=world.customers["spend"].where(np.arange(240) % 3 > 0))
    data = model.model_data(table, family="bgnbd")
    out = model.outlook(model.fit(data, seed=1), data, weeks=52, seed=1, draws=100).customers
    assert out.notna().all().all()
    none = model.model_data(table.drop(columns="spend"), family="bgnbd")
    bare = model.outlook(model.fit(none, seed=1), none, weeks=52, seed=1, draws=100).customers
    assert bare["clv_mean"].isna().all()
    assert bare["expected_purchases"].notna().all()


def test_no_table_of_customers_and_draws_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times the rows take the same memory: they are forecast block by block."""
    random = np.random.default_rng(11)
    x = random.poisson(1, 15_000)
    age = random.uniform(10, 60, 15_000)
    rows = unique(x, np.where(x > 0, age * random.uniform(0.2, 1, 15_000), 0), age)
    points = np.repeat(point_of("bgnbd"), 40, axis=0)
    monkeypatch.setattr(forecast, "_BLOCK", 60_000)
    tracemalloc.start()
    found = forecast.stream("bgnbd", points, rows.pick(np.arange(3000)), edges=np.array([0.0, 39.0]), seed=1)
    small = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    forecast.stream("bgnbd", points, rows, edges=np.array([0.0, 39.0]), seed=1)
    large = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.purchases) == 3000
    assert large < 1.3 * small + 3e6


def test_a_forecast_in_continuous_time_is_refused_for_contracts() -> None:
    data = model.model_data(pd.DataFrame({"periods": [1, 2, 3], "ended": [True, False, False]}), family="sbg")
    with pytest.raises(ModelError, match="continuous time"):
        model.outlook(model.fit(data, seed=1), data, weeks=52, seed=1)


def test_steps_of_time_are_never_negative() -> None:
    """Where rates of leaving differ beyond bounds, buying all but stops at once and a smooth curve would swing."""
    extreme = np.array([[0.0, -6.0, 2.8, 1.6], [0.0, -5.0, 2.8, 2.5]])
    rows = unique(np.zeros(2), np.zeros(2), np.array([0.0, 0.1]))
    found = forecast.stream("pareto", extreme, rows, edges=np.linspace(0, 31, 32), seed=1)
    assert (found.steps >= 0).all()
