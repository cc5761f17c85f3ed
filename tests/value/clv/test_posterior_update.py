"""Customer memory: carried from period to period, states and posterior are those of the whole past."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import families, simulate
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.unique_rows import unique

PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.6, 6.0, 0.8, 2.5),
    "mbgnbd": (0.6, 6.0, 0.8, 2.5),
    "pareto": (0.6, 10.0, 0.6, 12.0),
}
SPLIT, END = 38.0, 52.0


def state(events: pd.DataFrame, until: float) -> pd.DataFrame:
    """Customers of the whole past until a week."""
    known = events[events["time"] <= until]
    first = known.groupby("customer")["time"].transform("min")
    again = known[known["time"] > first]
    out = known.groupby("customer")["time"].agg(["min", "max", "size"])
    return pd.DataFrame(
        {
            "customer": out.index,
            "x": (out["size"] - 1).to_numpy(float),
            "recency": (out["max"] - out["min"]).to_numpy(),
            "age": (until - out["min"]).to_numpy(),
            "spend": again.groupby("customer")["amount"].mean().reindex(out.index).to_numpy(),
        }
    )


def news(events: pd.DataFrame) -> pd.DataFrame:
    """What came in the second period."""
    later = events[(events["time"] > SPLIT) & (events["time"] <= END)].sort_values("time")
    found = later.assign(week=later["time"] - SPLIT).groupby("customer").agg(
        bought=("amount", "size"), first=("week", "min"), last=("week", "max"), amount=("amount", "mean"),
        opening=("amount", "first"),
    )  # fmt: skip
    return found.reset_index()


def past(family: Family, n: int, seed: int, arrivals: float = 20.0) -> pd.DataFrame:
    return simulate.draw(
        n, family=family, parameters=PARAMETERS[family], weeks=END, arrivals=arrivals, horizon=0, seed=seed
    ).events


def test_a_state_carried_is_the_state_of_the_whole_past() -> None:
    events = past("bgnbd", 800, 1, arrivals=45.0)  # some come after the split
    found = model.carried(state(events, SPLIT), news(events), weeks=END - SPLIT).sort_values("customer")
    whole = state(events, END)
    assert len(found) == len(whole) > len(state(events, SPLIT)) + 50
    pd.testing.assert_frame_equal(found.reset_index(drop=True), whole, rtol=1e-9, check_dtype=False)
    lazy = state(events, SPLIT).assign(age=lambda t: t["age"] + END - SPLIT)  # the negative control: nothing learned
    assert (lazy["x"].to_numpy() < found["x"].to_numpy()[: len(lazy)]).mean() > 0.15


def test_what_cannot_be_carried_is_said() -> None:
    before = pd.DataFrame({"customer": ["a", "b"], "x": [0.0, 1], "recency": [0.0, 2], "age": [5.0, 6]})
    new = pd.DataFrame({"customer": ["a"], "bought": [1], "first": [3.0], "last": [30.0]})
    with pytest.raises(ModelError, match="outside the new period"):
        model.carried(before, new, weeks=10)
    with pytest.raises(ModelError, match="twice"):
        model.carried(pd.concat([before, before]), new, weeks=40)
    with pytest.raises(ModelError, match="bought nothing"):
        model.carried(before, new.assign(bought=0), weeks=40)
    nobody = model.carried(before, new.head(0), weeks=40)
    assert nobody["age"].tolist() == [45, 46]
    assert nobody["recency"].tolist() == [0, 2]


@pytest.mark.parametrize("family", ["bgnbd", pytest.param("pareto", marks=pytest.mark.slow)])
def test_sequential_is_batch(family: Family) -> None:
    """The posterior of period 1, weighted by what it foretold of period 2, is the posterior of both."""
    events = past(family, 900, 2)
    before, after = (model.model_data(state(events, t), family=family) for t in (SPLIT, END))
    first = model.fit(before, seed=1, draws=400, together="independent")
    carried = model.carry(first, before, after, seed=2)
    batch = model.fit(after, seed=3, draws=400, together="independent")
    assert carried.attrs["method"] == "carried"
    stale = []
    for name in (*families.names(family), "p", "q", "gamma"):
        one, two, old = (np.log(t["posterior"][name].to_numpy().ravel()) for t in (carried, batch, first))
        error = two.std() * 0.1  # Monte Carlo error of some 300 effective draws
        assert one.mean() == pytest.approx(two.mean(), abs=2.5 * error)
        assert one.std() == pytest.approx(two.std(), rel=0.2)
        stale.append(abs(old.mean() - two.mean()) / error)
    assert max(stale) > 4  # the negative control: what was known before is not what is known now
    told = [
        model.outlook(t, after, weeks=26, seed=4, draws=400).customers["p_alive"].to_numpy() for t in (carried, batch)
    ]
    assert np.abs(told[0] - told[1]).max() < 0.03
    old_state = model.outlook(carried, before, weeks=26, seed=4, draws=400).customers["p_alive"].to_numpy()
    assert np.abs(old_state - told[1][: len(old_state)]).max() > 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_customer_updated_event_by_event_is_the_customer_of_the_whole_past(family: Family) -> None:
    """Particles of one customer's own rate and leaving, moved through both periods, agree with the three numbers."""
    random = np.random.default_rng(5)
    n, times = 400_000, np.array([3.0, 9.0, 21.0, 41.0])  # repeat purchases; the last one after the split
    r, alpha, third, fourth = PARAMETERS[family]
    rate = random.gamma(r, 1 / alpha, n)
    mu = random.gamma(third, 1 / fourth, n) if family == "pareto" else np.zeros(n)
    leave = random.beta(third, fourth, n) if family != "pareto" else np.zeros(n)
    alive = np.ones(n) if family != "mbgnbd" else 1 - leave  # share of a particle that is still there
    weight, now = np.ones(n), 0.0
    for until in (SPLIT, END):  # the second pass begins with what the first one left
        for t in times[(times > now) & (times <= until)]:
            weight *= alive * rate * np.exp(-(rate + mu) * (t - now))
            alive, now = 1 - leave, t
        stays = alive * np.exp(-(rate + mu) * (until - now))
        gone = (1 - alive) + alive * mu * -np.expm1(-(rate + mu) * (until - now)) / np.maximum(rate + mu, 1e-300)
        weight *= stays + gone
        alive, now = stays / (stays + gone), until
        seen = times[times <= until]
        one = unique([len(seen)], [seen.max()], [until])
        at = families.coordinates(family, PARAMETERS[family])[None]
        share = float((weight * alive).sum() / weight.sum())
        assert share == pytest.approx(float(families.alive(family, at, one)[0, 0]), abs=0.01)
        power, first = families.rate_known(at[0], one)
        known = float((weight * alive * rate).sum() / (weight * alive).sum())
        assert known == pytest.approx(float((power / (first + until))[0]), rel=0.03)


def test_a_posterior_that_foretold_badly_is_fitted_anew() -> None:
    events = past("bgnbd", 900, 2)
    table = state(events, SPLIT)
    before = model.model_data(table, family="bgnbd")
    other = simulate.draw(900, family="bgnbd", parameters=(2.5, 5.0, 0.3, 4.0), weeks=END, horizon=0, seed=9).customers
    after = model.model_data(other, family="bgnbd")
    tree = model.fit(before, seed=1, together="independent")
    found = model.carry(tree, before, after, seed=2)
    assert found.attrs["method"] != "carried"
    with pytest.raises(ModelError, match="same model"):
        model.carry(tree, before, model.model_data(other, family="pareto"), seed=1)


def test_a_posterior_of_contracts_is_carried_too() -> None:
    random = np.random.default_rng(11)
    ends = random.geometric(random.beta(0.8, 1.6, 1500))
    seen = [pd.DataFrame({"periods": np.minimum(ends, t), "ended": ends <= t}) for t in (5, 6)]
    before, after = (model.model_data(table, family="sbg") for table in seen)
    carried = model.carry(model.fit(before, seed=1, draws=500), before, after, seed=2)
    batch = model.fit(after, seed=3, draws=500)
    assert carried.attrs["method"] == "carried"
    for name in ("a", "b"):
        one, two = (t["posterior"][name] for t in (carried, batch))
        assert float(one.mean()) == pytest.approx(float(two.mean()), abs=0.2 * float(two.std()))
