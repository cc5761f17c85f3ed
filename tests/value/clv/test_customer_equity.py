"""Equity, customers to come and the return on customers: with nothing unexpected it is the discount rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from value import simulate

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import equity as returns
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.forecast import LIFETIME, Ahead, look_ahead

PARAMETERS = (0.6, 6.0, 0.8, 2.5)
SPEND = (6.25, 9.0, 45.0)
YEAR = model.WEEKS_A_YEAR
DISCOUNT = 0.1


def equity(seen: pd.DataFrame) -> float:
    """Equity over the whole life at the true parameters."""
    data = model.model_data(seen, family="bgnbd")
    assert data.spend is not None
    p, q, gamma = SPEND
    paid = np.array([np.log(p), np.log(q - 1), np.log(p * gamma / (q - 1) / data.spend.scale)])
    drawn = {"point": BUYING["bgnbd"].coordinates(*PARAMETERS), "spend_point": paid}
    posterior = xr.Dataset({k: (("chain", "draw", k + "s"), np.tile(v, (1, 2, 1))) for k, v in drawn.items()})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    return float(
        look_ahead(tree, data, Ahead(LIFETIME, draws=2, discount=DISCOUNT), seed=1).customers["clv_mean"].sum()
    )


def year(seed: int, lost: float = 0.0) -> float:
    """Return on customer of a year in which a share of the purchases is lost without reason."""
    world = simulate.draw(12_000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, horizon=YEAR, seed=seed)
    seen, events = world.customers, world.events
    begin = events.groupby("customer")["time"].min()
    events = events.assign(at=events["time"] - events["customer"].map(begin), age=events["customer"].map(seen["age"]))
    later = events[events["at"] > events["age"]]
    later = later[np.random.default_rng(seed).random(len(later)) >= lost]
    ahead = (later["at"] - later["age"]).to_numpy()
    profit = returns.brought_forward(later["amount"].to_numpy(), (YEAR - ahead) * 7, discount=DISCOUNT)
    new = later.assign(ahead=ahead).groupby("customer").agg(
        bought=("amount", "size"), amount=("amount", "mean"), first=("ahead", "min"), last=("ahead", "max")
    )  # fmt: skip
    bought = new["bought"].reindex(range(len(seen))).fillna(0).to_numpy()
    total = seen["x"] * seen["spend"].fillna(0) + bought * new["amount"].reindex(range(len(seen))).fillna(0)
    last = (seen["age"] + new["last"].reindex(range(len(seen)))).fillna(seen["recency"])
    x = seen["x"] + bought
    after = pd.DataFrame({"x": x, "recency": last, "age": seen["age"] + YEAR, "spend": (total / x).where(x > 0)})
    before = seen
    return float(returns.return_on_customer(np.array([equity(before)]), profit, np.array([equity(after)]))[0])


def test_the_return_is_the_discount_rate_when_nothing_unexpected_happens() -> None:
    found = np.array([year(seed) for seed in range(1, 13)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert error < 0.008
    assert abs(found.mean() - DISCOUNT) < 3 * error + 0.001
    assert year(1, lost=0.2) < found[0] - 0.1  # the negative control: a year in which one purchase in five is missed


def test_draws_that_do_not_belong_together_have_no_return() -> None:
    with pytest.raises(ModelError, match="same draws"):
        returns.return_on_customer(np.ones(3), 1.0, np.ones(4))
    with pytest.raises(ModelError, match="above 0"):
        returns.return_on_customer(np.zeros(3), 1.0, np.ones(3))
    np.testing.assert_allclose(returns.return_on_customer(np.array([100.0, 200]), 20.0, np.array([90.0, 200])), 0.1)


def test_customers_to_come_are_worth_what_they_will_buy() -> None:
    """Those who do come in a simulated year spend on average what was foretold, first purchases apart."""
    world = simulate.draw(3000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, seed=3)
    data = model.model_data(world.customers, family="bgnbd")
    tree = model.fit(data, seed=1)

    def to_come(came: int, discount: float = 0.0, margin: float = 1.0) -> np.ndarray:
        ask = Ahead(52, draws=400, discount=discount, margin=margin)
        return returns.newcomers(tree, data, ask, came=came, within=52, first=30.0, seed=1)

    found = to_come(came=520)
    come = simulate.draw(
        40_000, family="bgnbd", parameters=PARAMETERS, spend=SPEND, weeks=52, arrivals=52, horizon=0, seed=4
    )
    repeat = come.customers["x"] * come.customers["spend"].fillna(0)
    true = 520 * (30 + float(repeat.mean()))
    low, high = np.quantile(found, [0.005, 0.995])
    assert low < true < high
    assert high - low < 0.8 * true
    twice = to_come(came=1040)
    assert twice.mean() == pytest.approx(2 * found.mean(), rel=0.03)
    later = to_come(came=520, discount=0.5, margin=0.5)
    assert later.mean() < 0.46 * found.mean()
    ended = model.model_data(pd.DataFrame({"periods": [1, 2, 3], "ended": [True, False, False]}), family="sbg")
    with pytest.raises(ModelError, match="known who left"):
        returns.newcomers(tree, ended, Ahead(1), came=1, within=1, first=1.0, seed=1)
