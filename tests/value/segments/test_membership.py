"""Segments against known truth: probabilities that hold, sizes that are covered, cuts that stay, nothing later."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from value import simulate
from value.segments.base import AMOUNTS, BEGIN, CUTS, PARAMETERS, Known, Tables, known, purchases_of

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.forecast import Ahead, Outlook, look_ahead
from cxlab.value.rfm import history as rfm
from cxlab.value.segments.cuts import KEYS, STAGES, VALUES, Cuts, cuts


def found(one: Known, draws: int = 200, groups: dict[str, np.ndarray] | None = None) -> Outlook:
    return look_ahead(one.tree, one.data, Ahead(52.0, draws=draws), seed=1, groups=groups, cuts=CUTS)


def parts(customers: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Value and stage of the most probable segment."""
    both = customers["segment"].str.split("/", expand=True)
    return both[0], both[1]


def true_class(one: Known) -> np.ndarray:
    return np.array(VALUES, object)[CUTS.value(one.yearly)]


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_of_membership_hold(family: Family) -> None:
    """As many customers truly are of the value told as the probabilities say, in every stage: the lapsed too."""
    one = known(6000, family, 3)
    told = found(one).customers
    value, stages = parts(told)
    right = (value == true_class(one)).to_numpy(float)
    for some in ((stages == stage).to_numpy() for stage in STAGES):
        few = 4 * np.sqrt(0.25 / some.sum())  # the stage is certain here, since the parameters are known
        assert right[some].mean() == pytest.approx(told["p_segment"][some].mean(), abs=few)
    for stage, (low, high) in zip(STAGES, ((0.8, 1.0), (0.3, 0.8), (0.0, 0.3)), strict=True):
        again = (one.world.customers["x"] > 0).to_numpy() | (family != "bgnbd")  # see `cuts.still_there`
        alive = one.world.truth["alive"][(stages == stage).to_numpy() & again]
        assert low - 0.03 <= alive.mean() <= high + 0.03
    by = told.assign(right=right).groupby(pd.cut(told["p_segment"], [0.3, 0.5, 0.7, 0.9, 1.0]), observed=True)
    table = by[["right", "p_segment"]].mean()
    np.testing.assert_allclose(table["right"], table["p_segment"], atol=0.06)


def test_whoever_bought_once_long_ago_is_not_active_for_ever() -> None:
    """bgnbd alone would say so; a second purchase, or the other models, tell the stage by the silence."""
    one = known(2000, "bgnbd", 3, weeks=104, arrivals=8)
    told = found(one).customers
    once = (one.world.customers["x"] == 0).to_numpy()
    assert parts(told)[1][once].eq("active").sum() == 0
    assert (told["p_alive"][once] == 1).all()  # what they are worth stays what the model says


def test_amounts_of_others_break_the_probabilities() -> None:
    """The control: with the amounts of other customers the same test of the same probabilities fails."""
    one = known(6000, "bgnbd", 3)
    average = one.data.average.copy()
    some = np.flatnonzero(~np.isnan(average))
    average[some] = average[np.random.default_rng(1).permutation(some)]
    told = found(dataclasses.replace(one, data=dataclasses.replace(one.data, average=average))).customers
    right = (parts(told)[0] == true_class(one)).mean()
    assert right < told["p_segment"].mean() - 4 * np.sqrt(0.25 / 6000)


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_and_worth_of_segments_are_the_true_ones(family: Family) -> None:
    one = known(20_000, family, 4)
    many = found(one, draws=40)
    stage = parts(many.customers)[1].map(STAGES.index)
    truth = np.bincount(3 * CUTS.value(one.yearly) + stage, minlength=9)
    np.testing.assert_allclose(many.totals["size"].mean("draw"), truth, atol=5 * np.sqrt(truth.max()))
    assert (many.totals["size"].sum("segment") == 20_000).all()
    worth = simulate.worth(one.world, weeks=52, discount=np.log(1.1) / model.WEEKS_A_YEAR)
    assert float(many.worth().mean()) == pytest.approx(worth, rel=0.03)


def covered(seed: int, *, fit: bool, n: int = 400) -> np.ndarray:
    """Whether the 90 % intervals of size and worth of each class of value hold the true ones."""
    one = known(n, "bgnbd", seed)
    tree = model.fit(one.data, seed=seed, draws=100, together="independent") if fit else one.tree
    drawn = look_ahead(tree, one.data, Ahead(52.0, draws=400), seed=seed, cuts=CUTS)
    place, truth = CUTS.value(one.yearly), one.world.truth
    gone = truth["leaving"] + np.log(1.1) / model.WEEKS_A_YEAR
    worth = truth["alive"] * truth["rate"] * -np.expm1(-gone * 52) / gone * truth["amount"]
    hits = []
    for values, true in ((drawn.totals["size"], None), (drawn.worth("segment"), worth.to_numpy())):
        by = values.to_numpy().reshape(len(values), 3, 3).sum(axis=2)
        low, high = np.quantile(by, [0.05, 0.95], axis=0)
        told = np.bincount(place, true, 3)
        hits.append((told >= low) & (told <= high))
    return np.concatenate(hits)


def test_intervals_of_size_and_worth_cover() -> None:
    hits = np.concatenate([covered(seed, fit=False) for seed in range(60)])
    assert 0.84 <= hits.mean() <= 0.97


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_of_size_and_worth_cover_as_often_as_they_say() -> None:
    hits = np.concatenate([covered(seed, fit=True) for seed in range(200)])
    print(f"size and worth of classes of value: covered {hits.mean():.3f} of {len(hits)}")
    assert 0.87 <= hits.mean() <= 0.94


def test_labels_split_what_all_have() -> None:
    one = known(500, "bgnbd", 5)
    label = np.random.default_rng(1).choice(["a", "b", "c"], 500)
    split = found(one, groups={"mood": label})
    assert split.totals["mood"].to_numpy().tolist() == ["a", "b", "c"]
    assert (split.totals["size"].sum("segment").isel(draw=0) == [(label == g).sum() for g in "abc"]).all()
    each = pd.Series(split.customers["clv_mean"]).groupby(label).sum()
    np.testing.assert_allclose(split.worth("mood").mean("draw"), each, rtol=0.1)
    assert split.worth("mood").sum("mood").mean() == pytest.approx(split.customers["clv_mean"].sum())
    with pytest.raises(ModelError, match="a label for every customer"):
        found(one, groups={"mood": label[:-1]})


def test_without_amounts_value_is_counted_in_purchases() -> None:
    one = known(500, "bgnbd", 5)
    data = model.model_data(one.world.customers.drop(columns="spend"), family="bgnbd")
    told = look_ahead(one.tree, data, Ahead(52.0), seed=1, cuts=Cuts((2.0, 8.0), unit="purchases"))
    assert set(told.customers["segment"]) <= set(KEYS)
    assert told.customers["clv_mean"].isna().all()
    assert float(told.worth().mean()) < told.customers["expected_purchases"].sum()  # discounted


def test_contracts_are_refused() -> None:
    held = model.model_data(pd.DataFrame({"periods": [1, 2, 3, 3], "ended": [1, 0, 1, 0]}), family="sbg")
    with pytest.raises(ModelError, match="known who left"):
        look_ahead(xr.DataTree(), held, Ahead(52.0), seed=1, cuts=CUTS)


@pytest.fixture(scope="module")
def history() -> rfm.History:
    world = simulate.draw(
        700, family="bgnbd", parameters=PARAMETERS["bgnbd"], spend=AMOUNTS, weeks=78, arrivals=52, horizon=0.1, seed=2
    )
    return rfm.read(Tables(purchases_of(world, until=78)), end=BEGIN + timedelta(weeks=78))


def test_cuts_are_the_same_in_every_later_run(history: rfm.History) -> None:
    """They are what the reference year shows, and rows after it change nothing."""
    day = BEGIN + timedelta(weeks=52)
    rows = history.data.sql("SELECT * FROM transactions")
    until = rows[pd.to_datetime(rows["date"]) <= pd.Timestamp(day)]
    spent = until[pd.to_datetime(until["date"]) > pd.Timestamp(day - timedelta(days=365))].groupby("customer")["amount"]
    one = cuts(history, reference=day)
    assert one.yearly == tuple(float(f"{q:.2g}") for q in spent.sum().quantile([0.5, 0.8]))
    early = rfm.read(Tables(until), end=day)
    assert cuts(early, reference=day) == one
    assert cuts(history).yearly != one.yearly


def test_cuts_that_cannot_be_are_said(history: rfm.History) -> None:
    for wrong in ((0.8, 0.5), (0.0, 0.5), (0.5, 1.0)):
        with pytest.raises(ModelError, match="quantiles must rise"):
            cuts(history, quantiles=wrong)
    with pytest.raises(ModelError, match="cuts of value") as caught:
        Cuts((0.0, 5.0), alive=(0.9, 0.3))
    assert "P(alive)" in str(caught.value)
    bare = rfm.read(Tables(history.data.sql("SELECT customer, date FROM transactions")))
    assert cuts(bare).unit == "purchases"
    assert cuts(history, reference=date(2024, 1, 1)).reference == history.end
