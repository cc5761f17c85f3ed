"""The next stage: forecasts that hold and beat naive ones, a control that does not, nothing of later days read."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from value import simulate
from value.segments.base import AMOUNTS, BEGIN, CUTS, PARAMETERS, Tables, known, purchases_of

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv.families import BUYING, FAMILIES, Family
from cxlab.value.clv.rows import unique_rows as unique
from cxlab.value.model import ValueData
from cxlab.value.rfm import history as rfm
from cxlab.value.segments import lifecycle
from cxlab.value.segments.cuts import STAGES, still_there

END = BEGIN + timedelta(weeks=78)


def seen(family: Family = "bgnbd", *, n: int = 1500, seed: int = 2) -> tuple[rfm.History, ValueData]:
    world = simulate.draw(
        n, family=family, parameters=PARAMETERS[family], spend=AMOUNTS, weeks=78, arrivals=40, horizon=0.1, seed=seed
    )
    history = rfm.read(Tables(purchases_of(world, until=78)), end=END)
    return history, model.model_data(history.customers(), family=family)


@pytest.mark.parametrize("family", FAMILIES)
def test_who_will_buy_and_of_what_stage_they_will_be(family: Family) -> None:
    """With true parameters the shares foretold are those that come true, by stage and by tenth of the forecast."""
    one = known(8000, family, 6)
    told = lifecycle.next_stage(one.tree, one.data, CUTS, weeks=13, seed=1)
    events = one.world.events
    age = one.world.customers["age"].to_numpy()
    begin = events.groupby("customer")["time"].min().to_numpy()
    since = events["time"].to_numpy() - begin[events["customer"]] - age[events["customer"]]
    later = events[(since > 0) & (since <= 13)]
    bought = np.bincount(later["customer"], minlength=8000) > 0
    by = pd.DataFrame({"told": told["p_buys"], "came": bought}).groupby(pd.qcut(told["p_buys"], 8, duplicates="drop"))
    table = by.mean()
    np.testing.assert_allclose(table["told"], table["came"], atol=0.05)
    np.testing.assert_allclose(told[[f"p_{s}" for s in STAGES]].sum(axis=1), 1.0)
    x = one.world.customers["x"].to_numpy() + np.bincount(later["customer"], minlength=8000)
    last = one.world.customers["recency"].to_numpy().copy()
    np.maximum.at(last, later["customer"].to_numpy(), (since + age[events["customer"]])[(since > 0) & (since <= 13)])
    rows = unique(x, last, age + 13)
    then = CUTS.stage(still_there(family, BUYING[family].coordinates(*PARAMETERS[family])[None], rows)[0])
    came = np.bincount(then[rows.inverse], minlength=3) / 8000
    np.testing.assert_allclose(told[[f"p_{s}" for s in STAGES]].mean(), came, atol=0.015)


def test_the_proof_beats_naive_forecasts() -> None:
    history, data = seen()
    proof = lifecycle.prove(history, data, CUTS, weeks=13, seed=1)
    assert proof.origin == END - timedelta(weeks=13)
    score = proof.scores.set_index("way")
    assert score.loc["model", "stage"] < score.loc[["base", "stay"], "stage"].min()
    assert score.loc["model", "buys"] < score.loc["base", "buys"]
    assert proof.skill_low > 0
    np.testing.assert_allclose(proof.foretold.mean(axis=0), proof.came.mean(axis=0), atol=0.15)
    assert (proof.came.sum(axis=1) == 1).all()


def test_where_the_past_says_nothing_there_is_no_skill_in_who_buys() -> None:
    """The control: the last weeks' purchases are made by customers drawn by lot."""
    history, _ = seen()
    rows = history.data.sql("SELECT customer, date, amount FROM transactions ORDER BY ALL")
    late = (pd.to_datetime(rows["date"]) > pd.Timestamp(END - timedelta(weeks=13))).to_numpy()
    random = np.random.default_rng(1)
    rows.loc[late, "customer"] = random.choice(rows["customer"].unique(), late.sum())
    lot = rfm.read(Tables(rows), end=END)
    proof = lifecycle.prove(lot, model.model_data(lot.customers(), family="bgnbd"), CUTS, weeks=13, seed=1)
    score = proof.scores.set_index("way")
    assert score.loc["model", "buys"] > score.loc["base", "buys"] - 0.005


def test_nothing_after_the_origin_is_read_for_the_forecast() -> None:
    history, data = seen(n=600)
    rows = history.data.sql("SELECT customer, date, amount FROM transactions ORDER BY ALL")
    early = rows[pd.to_datetime(rows["date"]) <= pd.Timestamp(END - timedelta(weeks=13))]
    one = lifecycle.prove(history, data, CUTS, weeks=13, seed=1)
    other = lifecycle.prove(rfm.read(Tables(early), end=END), data, CUTS, weeks=13, seed=1)
    np.testing.assert_array_equal(one.foretold, other.foretold)
    assert not np.array_equal(one.came, other.came)


def test_what_cannot_be_proven_is_said() -> None:
    history, data = seen(n=600)
    with pytest.raises(ModelError, match="too short to foretell"):
        lifecycle.prove(history, data, CUTS, weeks=200, seed=1)
    with pytest.raises(ModelError, match="too few customers were known"):
        lifecycle.prove(history, data, CUTS, weeks=77, seed=1)
    held = model.model_data(pd.DataFrame({"periods": [1, 2, 3, 3], "ended": [1, 0, 1, 0]}), family="sbg")
    with pytest.raises(ModelError, match="known who left"):
        lifecycle.next_stage(xr.DataTree(), held, CUTS, weeks=13, seed=1)


def test_there_is_no_skill_against_a_guess_that_is_all_but_right() -> None:
    """A quarter of a million per cent worse than nothing says nothing."""
    naive = np.full(500, 1e-15)
    assert np.isnan(lifecycle.skill_of(np.full(500, 2e-6), naive, least=lifecycle.NAUGHT)).all()
    skill, low, high = lifecycle.skill_of(np.full(500, 0.2), np.full(500, 0.4), least=lifecycle.NAUGHT)
    assert low <= skill == 0.5 <= high
