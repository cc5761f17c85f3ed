"""Forecasts of customers and of all of them: means, counts, totals, value; and that no table of draws is kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from value import simulate

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import forecast
from cxlab.value.clv.families import BUYING, FAMILIES, Family
from cxlab.value.clv.forecast import Ahead, Correction, look_ahead

PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.6, 6.0, 0.8, 2.5),
    "mbgnbd": (0.6, 6.0, 0.8, 2.5),
    "pareto": (0.6, 10.0, 0.6, 12.0),
}


def known(world: simulate.World, family: Family, draws: int) -> tuple[xr.DataTree, model.ValueData]:
    """The truth as the posterior."""
    data = model.model_data(world.customers, family=family)
    assert data.spend is not None
    p, q, gamma = 6.25, 3.74, 15.45
    paid = np.array([np.log(p), np.log(q - 1), np.log(p * gamma / (q - 1) / data.spend.scale)])
    point = BUYING[family].coordinates(*PARAMETERS[family])
    drawn = {
        "point": (("chain", "draw", "coordinate"), np.tile(point, (1, draws, 1))),
        "spend_point": (("chain", "draw", "spend_coordinate"), np.tile(paid, (1, draws, 1))),
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(drawn)}), data


@pytest.mark.parametrize("family", FAMILIES)
def test_true_parameters_foretell_the_future_of_a_world(family: Family) -> None:
    """30,000 customers: totals by class, P(alive), spread and the value of all, against what truly came."""
    world = simulate.draw(30_000, family=family, parameters=PARAMETERS[family], seed=4)
    truth = world.truth
    tree, data = known(world, family, 20)
    group = world.customers["x"].clip(upper=3).to_numpy()
    ask = Ahead(39, draws=20, discount=float(np.expm1(0.002 * model.WEEKS_A_YEAR)), steps=3, ranges=True)
    found = look_ahead(tree, data, ask, seed=1, groups={"x": group})
    each, came = found.customers, np.bincount(group, truth["future"])
    sd = np.sqrt(np.bincount(group, (truth["future"] - each["expected_purchases"]) ** 2))
    assert (np.abs(np.bincount(group, each["expected_purchases"]) - came) < 4 * sd).all()
    np.testing.assert_allclose(found.totals["purchases"].mean("draw"), came, atol=5 * sd.max())
    assert found.totals["purchases"].sum("x").mean() == pytest.approx(each["expected_purchases"].sum(), rel=1e-9)
    alive = np.bincount(group, each["p_alive"]) / np.bincount(group)
    np.testing.assert_allclose(alive, np.bincount(group, truth["alive"]) / np.bincount(group), atol=0.02)
    worth = each["clv_mean"].sum()
    assert worth == pytest.approx(simulate.worth(world, weeks=39, discount=0.002), rel=0.03)
    assert float(found.worth().mean()) == pytest.approx(worth, rel=1e-9)
    inside = (truth["future"] >= each["purchases_low"]) & (truth["future"] <= each["purchases_high"])
    assert inside.mean() == pytest.approx(each["purchases_promised"].mean(), abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_customers_who_share_draws_are_worth_the_same(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many customers those beside each other share draws: totals keep their mean and all but their spread."""
    world = simulate.draw(4000, family=family, parameters=PARAMETERS[family], seed=2)
    tree, data = known(world, family, 200)
    apart = look_ahead(tree, data, Ahead(39, draws=200), seed=1)
    monkeypatch.setattr(forecast, "ENTRIES", 1500)
    together = look_ahead(tree, data, Ahead(39, draws=200), seed=1)
    np.testing.assert_allclose(together.customers["clv_mean"], apart.customers["clv_mean"])
    assert float(together.worth().mean()) == pytest.approx(float(apart.worth().mean()), rel=1e-9)
    assert float(together.worth().std()) < 3 * float(apart.worth().std())


def test_expected_purchases_agree_with_simulated_ones() -> None:
    for family in FAMILIES:
        table = pd.DataFrame({"x": [0, 1, 4, 12], "recency": [0, 3.0, 30.0, 36.0], "age": [38.0, 38.0, 35.0, 36.5]})
        data = model.model_data(table, family=family)
        points = np.repeat(BUYING[family].coordinates(*PARAMETERS[family])[None], 8_000, axis=0)
        tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"point": (("chain", "draw", "c"), points[None])})})
        found = look_ahead(tree, data, Ahead(39, draws=60), seed=5).customers
        random = np.random.default_rng(6)
        rows = data.buyers.pick(data.buyers.inverse)
        rate, leave = BUYING[family].draw_living(points, rows, random)
        count = BUYING[family].draw_purchases(rate, leave, 39.0, random)[0]
        count = count * (random.random(rate.shape) < found["p_alive"].to_numpy())
        error = 5 * count.std(axis=0) / np.sqrt(len(points))
        assert (np.abs(count.mean(axis=0) - found["expected_purchases"]) < error).all()


def test_counts_of_a_range_are_as_near_to_ninety_percent_as_they_can_be() -> None:
    random = np.random.default_rng(7)
    draws = np.sort(np.stack([random.poisson(m, 4000) for m in (0.02, 0.12, 0.5, 3.0, 60.0)], axis=1), axis=0)
    low, high, share = forecast.nearest_range(draws)
    assert (low <= high).all()
    np.testing.assert_allclose(share, [0.98, 0.887, 0.91, 0.9, 0.9], atol=0.04)
    assert high[0] == 0
    assert high[1] == 0  # not 1, which would hold 99 %
    assert low[4] > 40


@pytest.fixture(scope="module")
def fitted() -> tuple[xr.DataTree, model.ValueData]:
    world = simulate.draw(300, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=9)
    data = model.model_data(world.customers, family="bgnbd")
    return model.fit(data, seed=1), data


def test_value_needs_discount_margin_and_time(fitted: tuple[xr.DataTree, model.ValueData]) -> None:
    def equity(**more: float) -> float:
        asked = {"weeks": 52.0, "draws": 60, **more}
        return float(look_ahead(*fitted, Ahead(**asked), seed=1).worth().mean())  # type: ignore[arg-type]

    plain = equity()
    assert equity(margin=0.25) == pytest.approx(plain / 4)
    assert equity(discount=0.5) < 0.95 * plain
    assert equity(weeks=104.0) > 1.2 * plain
    with pytest.raises(ModelError, match="horizon"):
        equity(weeks=0.0)
    with pytest.raises(ModelError, match="discount"):
        equity(discount=-0.1)


def test_a_correction_widens_totals(fitted: tuple[xr.DataTree, model.ValueData]) -> None:
    wild = Correction(spread=0.3)
    calm, rough = (
        look_ahead(*fitted, Ahead(39, draws=200, correction=c, near_correction=c), seed=1) for c in (Correction(), wild)
    )
    np.testing.assert_allclose(rough.customers["p_alive"], calm.customers["p_alive"])
    np.testing.assert_allclose(rough.customers["clv_mean"], calm.customers["clv_mean"])
    spread = float(np.log(rough.totals["purchases"] / rough.totals["plain"]).std())
    assert spread == pytest.approx(0.3, abs=0.06)
    assert float(rough.totals["purchases"].mean()) == pytest.approx(float(calm.totals["purchases"].mean()))
    assert float(calm.steps.sum(axis=1).mean()) == pytest.approx(float(calm.totals["purchases"].mean()), rel=0.05)
    again = look_ahead(*fitted, Ahead(39, draws=200), seed=1)
    pd.testing.assert_frame_equal(calm.customers, again.customers)  # the same seed, the same numbers


def test_customers_without_known_spend_are_worth_the_average() -> None:
    world = simulate.draw(240, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=10)
    table = world.customers.assign(spend=world.customers["spend"].where(np.arange(240) % 3 > 0))
    data = model.model_data(table, family="bgnbd")
    out = look_ahead(model.fit(data, seed=1), data, Ahead(52, draws=100), seed=1).customers
    assert out.notna().all().all()
    none = model.model_data(table.drop(columns="spend"), family="bgnbd")
    bare = look_ahead(model.fit(none, seed=1), none, Ahead(52, draws=100), seed=1).customers
    assert bare["clv_mean"].isna().all()
    assert bare["expected_purchases"].notna().all()


def test_no_table_of_customers_and_draws_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times the customers take little more memory: they are forecast block by block."""
    monkeypatch.setattr(forecast, "_BLOCK", 60_000)
    peaks = []
    for n in (3000, 15_000):
        world = simulate.draw(n, family="bgnbd", parameters=PARAMETERS["bgnbd"], seed=11)
        tree, data = known(world, "bgnbd", 40)
        tracemalloc.start()
        look_ahead(tree, data, Ahead(39, draws=40), seed=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.5 * peaks[0] + 3e6


def test_a_forecast_in_continuous_time_is_refused_for_contracts() -> None:
    data = model.model_data(pd.DataFrame({"periods": [1, 2, 3], "ended": [True, False, False]}), family="sbg")
    with pytest.raises(ModelError, match="known who left"):
        look_ahead(xr.DataTree(), data, Ahead(52), seed=1)


def test_steps_of_time_are_never_negative() -> None:
    """Where rates of leaving differ beyond bounds, buying all but stops at once and a smooth curve would swing."""
    extreme = np.array([[[0.0, -6.0, 2.8, 1.6], [0.0, -5.0, 2.8, 2.5]]])
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"point": (("chain", "draw", "c"), extreme)})})
    table = pd.DataFrame({"x": [0, 0, 1], "recency": [0, 0, 0.1], "age": [0.0, 0.1, 0.2]})
    found = look_ahead(tree, model.model_data(table, family="pareto"), Ahead(31, steps=31), seed=1)
    assert (found.steps >= 0).all()
