"""Published digits: CDNOW (BG/NBD, Pareto/NBD, Gamma-Gamma)."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from purchase_tables import Tables

from cxlab.value import model
from cxlab.value.clv import gamma_gamma
from cxlab.value.clv.families import BUYING, Family
from cxlab.value.clv.forecast import Ahead, look_ahead
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.clv.rows import unique_rows as unique
from cxlab.value.model import Priors
from cxlab.value.rfm import backtest
from cxlab.value.rfm.history import read

FLAT = Priors(strength=0)
OPTIMUM: dict[str, tuple[tuple[float, float, float, float], float]] = {
    "bgnbd": ((0.2426, 4.4136, 0.7929, 2.4259), -9582.43),
    "pareto": ((0.553, 10.578, 0.606, 11.668), -9594.98),
}


@pytest.fixture(scope="module")
def cdnow(shared_data: Path) -> pd.DataFrame:
    """Repeat buying of 2,357 customers in weeks 1-39."""
    query = """
        WITH days AS (SELECT sample_id AS customer, strptime(date::VARCHAR, '%Y%m%d')::DATE AS day,
            sum(amount) AS amount FROM read_csv($file) GROUP BY ALL),
        since AS (SELECT *, min(day) OVER (PARTITION BY customer) AS first FROM days)
        SELECT customer, count(*) - 1 AS x, date_diff('day', first, max(day)) / 7 AS recency,
            date_diff('day', first, DATE '1997-09-30') / 7 AS age, avg(amount) FILTER (WHERE day > first) AS spend
        FROM since WHERE day <= DATE '1997-09-30' GROUP BY customer, first ORDER BY customer"""
    with duckdb.connect() as database:
        return database.execute(query, {"file": str(shared_data / "cdnow" / "cdnow_sample.csv.gz")}).df()


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> xr.DataTree:
    """The posterior of BG/NBD and spend."""
    return model.fit(model.model_data(cdnow, family="bgnbd"), seed=1)


def test_the_sample_is_the_published_one(cdnow: pd.DataFrame) -> None:
    assert len(cdnow) == 2357
    assert cdnow["x"].sum() == 2457
    assert (cdnow["x"] == 0).sum() == 1411


@pytest.mark.parametrize("family", ["bgnbd", "pareto"])
def test_likelihood_and_optimum(cdnow: pd.DataFrame, family: Family) -> None:
    published, best = OPTIMUM[family]
    data = model.model_data(cdnow.drop(columns="spend"), family=family)
    at = BUYING[family].coordinates(*published)[None]
    assert model.density(data).likelihood(at)[0] == pytest.approx(best, abs=0.006)
    point = model.density(data, FLAT).find_map()
    digits = [4, 4, 4, 4] if family == "bgnbd" else [3, 2, 3, 2]
    for found, told, places in zip(
        BUYING[family].natural(point[None], np.zeros((1, 0))), published, digits, strict=True
    ):
        assert float(found.ravel()[0]) == pytest.approx(told, abs=1.1 * 10.0**-places)


def test_the_published_values_are_within_the_intervals(fitted: xr.DataTree) -> None:
    for name, told in zip(BUYING["bgnbd"].names, OPTIMUM["bgnbd"][0], strict=True):
        low, high = np.quantile(fitted["posterior"][name], [0.05, 0.95])
        assert low < told < high


@pytest.mark.slow
def test_those_of_pareto_are_too(cdnow: pd.DataFrame) -> None:
    family: Family = "pareto"
    posterior = model.fit(model.model_data(cdnow.drop(columns="spend"), family=family), seed=1)["posterior"]
    for name, told in zip(BUYING[family].names, OPTIMUM[family][0], strict=True):
        low, high = np.quantile(posterior[name], [0.05, 0.95])
        assert low < told < high


def test_the_published_customer_expects_1_226_purchases(fitted: xr.DataTree) -> None:
    one = unique([2], [30.43], [38.86])
    at = BUYING["bgnbd"].coordinates(*OPTIMUM["bgnbd"][0])[None]
    ahead, by_step, _ = time_rule(np.array([0.0, 39.0]), 0.0)
    alive = BUYING["bgnbd"].alive(at, one)
    expected = alive * (BUYING["bgnbd"].intensity(at, one, ahead)[0] @ by_step)
    assert float(expected[0, 0]) == pytest.approx(1.226, abs=5e-4)
    later = model.model_data(pd.DataFrame({"x": [2], "recency": [30.43], "age": [38.86]}), family="bgnbd")
    posterior = look_ahead(fitted, later, Ahead(39, discount=0.0), seed=1)
    assert posterior.customers["expected_purchases"].iloc[0] == pytest.approx(1.226, rel=0.01)


def test_all_are_forecast_to_buy_1653_times(cdnow: pd.DataFrame) -> None:
    ahead, by_step, _ = time_rule(np.array([0.0, 39.0]), 0.0)
    rows = unique(cdnow["x"], cdnow["recency"], cdnow["age"])
    at = BUYING["bgnbd"].coordinates(*OPTIMUM["bgnbd"][0])[None]
    each = BUYING["bgnbd"].alive(at, rows) * (BUYING["bgnbd"].intensity(at, rows, ahead) @ by_step)[..., 0]
    total = float(each[0] @ rows.weight)
    assert total == pytest.approx(1653.4, abs=0.5)
    assert total / 1882 - 1 == pytest.approx(-0.121, abs=0.001)
    at = BUYING["pareto"].coordinates(*OPTIMUM["pareto"][0])[None]
    each = BUYING["pareto"].alive(at, rows) * (BUYING["pareto"].intensity(at, rows, ahead) @ by_step)[..., 0]
    assert float(each[0] @ rows.weight) / 1882 - 1 == pytest.approx(-0.115, abs=0.001)


def test_spend(cdnow: pd.DataFrame, fitted: xr.DataTree) -> None:
    money = gamma_gamma.spend(cdnow["x"].to_numpy(), cdnow["spend"].to_numpy())
    assert len(money.x) == 946
    assert gamma_gamma.log_likelihood(6.25, 3.74, 15.45, money) == pytest.approx(-4055.92, abs=0.006)
    point = model.density_of_spend(money, FLAT).find_map()
    np.testing.assert_allclose(gamma_gamma.natural(point, money.scale), [6.25, 3.74, 15.45], atol=0.011)
    posterior = fitted["posterior"]
    for name, told in (("p", 6.25), ("q", 3.74), ("gamma", 15.45)):
        low, high = np.quantile(posterior[name], [0.05, 0.95])
        assert low < told < high


def test_shuffled_recency_leads_elsewhere(cdnow: pd.DataFrame) -> None:
    """The negative control: the published values are not within the intervals then."""
    again = cdnow["x"].to_numpy() > 0
    share = (cdnow["recency"] / cdnow["age"]).to_numpy(copy=True)
    share[again] = np.random.default_rng(0).permutation(share[again])
    mixed = cdnow.assign(recency=share * cdnow["age"]).drop(columns="spend")
    posterior = model.fit(model.model_data(mixed, family="bgnbd"), seed=1)["posterior"]
    inside = [
        np.quantile(posterior[name], 0.05) < told < np.quantile(posterior[name], 0.95)
        for name, told in zip(BUYING["bgnbd"].names, OPTIMUM["bgnbd"][0], strict=True)
    ]
    assert not all(inside)


def test_apparel_with_covariates(shared_data: Path) -> None:
    """Gender and channel: effects, and the holdout with and without them."""
    place = shared_data / "apparel_clv"
    bought, who = (pd.read_csv(place / f"apparel{name}.csv.gz") for name in ("Trans", "StaticCov"))
    day = pd.Timestamp(0) + pd.to_timedelta(bought["Date"], unit="D")
    rows = pd.DataFrame({"customer": bought["Id"].astype(str), "date": day.dt.date, "amount": bought["Price"]})
    known = pd.DataFrame({"customer": who["Id"].astype(str), "since": pd.NaT})
    for name in ("Gender", "Channel"):
        known[f"segment:{name.lower()}"] = who[name].astype(int).astype(str)
    history = read(
        Tables(rows, known, segments=["gender", "channel"]), covariates=["segment:gender", "segment:channel"]
    )
    assert history.counts["customers"] == 600
    assert history.traits is not None
    names = history.traits.names
    assert len(names) == 2
    kept = backtest.holdout(history, seed=1, families=["mbgnbd"], covariates=names, draws=150)
    assert kept.covariates == names
    data = model.model_data(history.customers().drop(columns="spend"), family=kept.family, covariates=names)
    effects = model.estimands(kept.tree["posterior"].dataset, data)
    assert effects["buy_ratio"].sizes["covariate"] == 2
    assert np.isfinite(effects["buy_ratio"]).all()
    assert kept.total["covers"] == 1
    assert kept.total["correlation"] > 0.4
    tried = backtest.choose(history, candidates=["bgnbd"]).sets
    assert list(tried["set"]) == ["none", "segments"]
    assert np.isfinite(tried["gain"]).all()
