"""Equity, customers to come and the return on customers: with nothing unexpected it is the discount rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import families, forecast, simulate
from cxlab.value.clv.unique_rows import unique

PARAMETERS = (0.6, 6.0, 0.8, 2.5)
SPEND = (6.25, 9.0, 45.0)
YEAR = model.WEEKS_A_YEAR
DISCOUNT = 0.1
AT = families.coordinates("bgnbd", PARAMETERS)[None]
PAID = np.array([[np.log(6.25), np.log(8.0), np.log(6.25 * 45.0 / 8.0)]])


def equity(seen: pd.DataFrame, at: np.ndarray = AT) -> float:
    """Equity over the whole life at the true parameters."""
    rows = unique(seen["x"].to_numpy(), seen["recency"].to_numpy(), seen["age"].to_numpy())
    mean = np.bincount(rows.inverse, seen["spend"].fillna(0)) / rows.weight
    amounts = forecast.Amounts(PAID, 1.0, rows.x, mean)
    found = forecast.stream(
        "bgnbd", at, rows, edges=np.array([0.0, model.LIFETIME]), seed=1,
        discount=float(np.log1p(DISCOUNT) / YEAR), amounts=amounts,
    )  # fmt: skip
    average = seen["spend"].fillna(0).to_numpy()
    return float((found.worth[rows.inverse, 0] + found.worth[rows.inverse, 1] * average).sum())


def year(seed: int, lost: float = 0.0) -> float:
    """Return on customer of a year in which a share of the purchases is lost without reason."""
    world = simulate.draw(12_000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, horizon=YEAR, seed=seed)
    seen, events = world.customers, world.events
    begin = events.groupby("customer")["time"].min()
    events = events.assign(at=events["time"] - events["customer"].map(begin), age=events["customer"].map(seen["age"]))
    later = events[events["at"] > events["age"]]
    later = later[np.random.default_rng(seed).random(len(later)) >= lost]
    ahead = (later["at"] - later["age"]).to_numpy()
    profit = model.brought_forward(later["amount"].to_numpy(), (YEAR - ahead) * 7, discount=DISCOUNT)
    new = later.assign(ahead=ahead).groupby("customer").agg(
        bought=("amount", "size"), amount=("amount", "mean"), first=("ahead", "min"), last=("ahead", "max")
    )  # fmt: skip
    before = seen.assign(customer=np.arange(len(seen)))[["customer", "x", "recency", "age", "spend"]]
    after = model.carried(before, new.reset_index().assign(opening=np.nan), weeks=YEAR)
    return float(model.return_on_customer(np.array([equity(before)]), profit, np.array([equity(after)]))[0])


def test_the_return_is_the_discount_rate_when_nothing_unexpected_happens() -> None:
    found = np.array([year(seed) for seed in range(1, 13)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert error < 0.008
    assert abs(found.mean() - DISCOUNT) < 3 * error + 0.001
    assert year(1, lost=0.2) < found[0] - 0.1  # the negative control: a year in which one purchase in five is missed


def test_draws_that_do_not_belong_together_have_no_return() -> None:
    with pytest.raises(ModelError, match="same draws"):
        model.return_on_customer(np.ones(3), 1.0, np.ones(4))
    with pytest.raises(ModelError, match="above 0"):
        model.return_on_customer(np.zeros(3), 1.0, np.ones(3))
    np.testing.assert_allclose(model.return_on_customer(np.array([100.0, 200]), 20.0, np.array([90.0, 200])), 0.1)


def test_customers_to_come_are_worth_what_they_will_buy() -> None:
    """Those who do come in a simulated year spend on average what was foretold, first purchases apart."""
    world = simulate.draw(3000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, seed=3)
    data = model.model_data(world.customers, family="bgnbd")
    tree = model.fit(data, seed=1)
    found = model.newcomers(tree, data, came=520, within=52, first=30.0, weeks=52, seed=1, discount=0.0)
    assert found.expected == pytest.approx(520)
    come = simulate.draw(
        40_000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, arrivals=52, horizon=0, seed=4
    )
    repeat = come.customers["x"] * come.customers["spend"].fillna(0)
    true = 520 * (30 + float(repeat.mean()))
    low, high = np.quantile(found.equity, [0.005, 0.995])
    assert low < true < high
    assert high - low < 0.8 * true
    twice = model.newcomers(tree, data, came=1040, within=52, first=30.0, weeks=52, seed=1, discount=0.0)
    assert twice.equity.mean() == pytest.approx(2 * found.equity.mean(), rel=0.03)
    later = model.newcomers(tree, data, came=520, within=52, first=30.0, weeks=52, seed=1, discount=0.5, margin=0.5)
    assert later.equity.mean() < 0.46 * found.equity.mean()
    ended = model.model_data(pd.DataFrame({"periods": [1, 2, 3], "ended": [True, False, False]}), family="sbg")
    with pytest.raises(ModelError, match="continuous time"):
        model.newcomers(tree, ended, came=1, within=1, first=1.0, weeks=1, seed=1)
