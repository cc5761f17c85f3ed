"""Segments and life events as covariates: found, never known too early, kept only where they foretell better."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from purchase_tables import BEGIN, Tables, days
from value import simulate

from cxlab.errors import ModelError
from cxlab.value.rfm import backtest
from cxlab.value.rfm import history as rfm

N = 1500


def tables(*, effect: float, seed: int = 1) -> Tables:
    """A world where having moved and living in the south change the rate of buying, by `effect` up and down."""
    random = np.random.default_rng(seed)
    z = (random.random((N, 2)) < [0.25, 0.4]).astype(float)
    world = simulate.draw(
        N, family="bgnbd", parameters=(0.8, 8.0, 0.8, 2.5), weeks=52, horizon=26, z=z,
        buy=np.array([effect, -effect]), leave=np.zeros(2), seed=seed,
    )  # fmt: skip
    rows = days(world, until=78)
    names = np.array([f"c{i}" for i in range(N)])
    south = np.where(z[:, 1] > 0, "south", "north").astype(object)
    south[:30] = None
    known = pd.DataFrame({"customer": names, "since": BEGIN, "segment:region": south})
    known["segment:city"] = [f"city {i % 40}" for i in range(N)]
    moved = names[z[:, 0] > 0]
    events = pd.DataFrame({"customer": moved, "date": BEGIN + timedelta(days=5), "name": "moved"})
    late = pd.DataFrame({"customer": names[:200], "date": BEGIN + timedelta(weeks=70), "name": "married"})
    rare = pd.DataFrame({"customer": names[:5], "date": BEGIN, "name": "retired"})
    return Tables(rows, known, segments=["region", "city"], events=pd.concat([events, late, rare]))


def test_columns_and_what_is_left_out() -> None:
    history = rfm.read(tables(effect=0.0), covariates="auto")
    assert history.traits is not None
    names = ("segment:region=south", "segment:region=(unknown)", "event:married", "event:moved")
    assert set(history.traits.names) == set(names)
    told = {note.where: str(note) for note in history.traits.notes}
    assert "many levels" in told["segment:city"]
    assert "too few" in told["event:retired"]
    table = history.customers()
    assert table["event:moved"].mean() == pytest.approx(0.25, abs=0.04)
    assert set(np.unique(table["segment:region=south"])) == {0, 1}
    assert table.loc[table["segment:region=(unknown)"] == 1, "customer"].str[1:].astype(int).max() < 30


def test_what_happens_later_is_not_known_before() -> None:
    history = rfm.read(tables(effect=0.0), covariates=["event:married"])
    early = history.customers(until=BEGIN + timedelta(weeks=60))
    assert early["event:married"].sum() == 0
    assert history.customers(until=BEGIN + timedelta(weeks=75))["event:married"].sum() > 100
    then = history.customers(until=BEGIN + timedelta(weeks=75), known=BEGIN + timedelta(weeks=60))
    assert then["event:married"].sum() == 0


def test_an_unknown_covariate_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match="did you mean 'event:moved'"):
        rfm.read(tables(effect=0.0), covariates=["event:move"])
    with pytest.raises(ModelError, match="segment:region"):
        rfm.read(tables(effect=0.0), covariates=["segment:colour"])


def test_covariates_that_matter_are_kept_and_their_effects_found() -> None:
    split = BEGIN + timedelta(weeks=52)
    history = rfm.read(tables(effect=0.8), covariates=["event:moved", "segment:region"])
    proof = backtest.holdout(history, seed=1, split=split, families=["bgnbd"], draws=150)
    assert {"event:moved", "segment:region=south"} <= set(proof.covariates)
    sets = proof.choice.sets.set_index("set")
    assert list(sets.index) == ["none", "segments", "events", "all"]
    assert sets["kept"].sum() == 1
    assert bool(sets.loc["all", "kept"])
    assert sets.loc["all", "gain"] > sets.loc["segments", "gain"]
    buy = proof.tree["posterior"]["buy"]
    place = {name: i for i, name in enumerate(proof.covariates)}
    for name, true in (("event:moved", 0.8), ("segment:region=south", -0.8)):
        low, high = np.quantile(buy[..., place[name]], [0.005, 0.995])
        assert low < true < high
        assert not low < 0 < high
    without = backtest.holdout(history, seed=1, split=split, families=["bgnbd"], draws=150, covariates=())
    assert without.covariates == ()
    assert proof.total["correlation"] > without.total["correlation"] - 0.01


def test_covariates_without_effect_are_left_out() -> None:
    """The negative control."""
    history = rfm.read(tables(effect=0.0, seed=2), covariates="auto")
    choice = backtest.choose(history, until=BEGIN + timedelta(weeks=52), candidates=["bgnbd"])
    assert choice.covariates == ()
    assert choice.sets.loc[choice.sets["kept"], "set"].tolist() == ["none"]


def test_the_choice_with_covariates_reads_nothing_later() -> None:
    split = BEGIN + timedelta(weeks=52)
    one = tables(effect=0.8)
    two = tables(effect=0.8)
    two.database.execute(f"DELETE FROM transactions WHERE date > DATE '{split}'")
    two.database.execute(f"INSERT INTO events SELECT customer, DATE '{split}' + 7, 'moved' FROM customers")
    found = [
        backtest.choose(rfm.read(t, covariates=["event:moved"]), until=split, candidates=["bgnbd"]) for t in (one, two)
    ]
    pd.testing.assert_frame_equal(found[0].weekly, found[1].weekly)
    assert found[0].covariates == found[1].covariates == ("event:moved",)


def test_newcomers_are_counted() -> None:
    rows = pd.DataFrame(
        {
            "customer": ["a", "a", "b", "c"],
            "date": [date(2025, 1, 1), date(2025, 6, 1), date(2025, 6, 10), date(2025, 6, 20)],
            "amount": [10.0, 20, 30, 50],
        }
    )
    history = rfm.read(Tables(rows), end=date(2025, 7, 1))
    assert history.newcomers(weeks=4) == (2, 4.0, 40.0)
    came, weeks, _ = history.newcomers(weeks=520)
    assert came == 2  # whoever appears when the data begin is no newcomer
    assert weeks == pytest.approx(13, abs=0.2)
    older = Tables(rows, pd.DataFrame({"customer": ["b"], "since": [date(2020, 1, 1)]}))
    assert rfm.read(older, end=date(2025, 7, 1)).newcomers(weeks=4) == (1, 4.0, 50.0)
