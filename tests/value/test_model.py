"""The likelihoods of buying, spend and contracts: slopes, the PyMC statement, recovery, and inputs that cannot be."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyp2f1
from value import simulate

from cxlab.errors import ModelError
from cxlab.value import model as value
from cxlab.value.clv import gamma_gamma, sbg
from cxlab.value.clv.families import BUYING, FAMILIES, Family
from cxlab.value.clv.quadrature import beta_rule, time_rule
from cxlab.value.clv.rows import Rows
from cxlab.value.clv.rows import unique_rows as unique
from cxlab.value.model import Priors

PARAMETERS: dict[str, tuple[float, float, float, float]] = {
    "bgnbd": (0.6, 6.0, 0.8, 2.5),
    "mbgnbd": (0.6, 6.0, 0.8, 2.5),
    "pareto": (0.6, 10.0, 0.6, 12.0),
}
CENTRE = {"bgnbd": [-0.7, -2.5, -1, 0.7], "mbgnbd": [-0.7, -2.5, -1, 0.7], "pareto": [-0.7, -2.5, -0.7, -3]}


def world(family: Family, n: int = 300, seed: int = 1, **more: object) -> simulate.World:
    return simulate.draw(n, family=family, parameters=PARAMETERS[family], seed=seed, **more)  # type: ignore[arg-type]


def rows_of(table: pd.DataFrame, z: np.ndarray | None = None) -> Rows:
    return unique(table["x"].to_numpy(), table["recency"].to_numpy(), table["age"].to_numpy(), z=z)


def slope_error(function, point: np.ndarray) -> float:
    """Largest difference between the slope and central differences, relative to the largest slope."""
    step = 1e-5
    found = function(point)[1]
    rough = np.array(
        [(function(point + e)[0] - function(point - e)[0]) / (2 * step) for e in np.eye(len(point)) * step]
    )
    return float(np.abs(found - rough).max() / np.abs(found).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("covariates", [0, 2])
def test_slopes_of_buying(family: Family, covariates: int) -> None:
    random = np.random.default_rng(3)
    z = random.integers(0, 3, (300, covariates)).astype(float) if covariates else None
    one = BUYING[family].likelihood(rows_of(world(family).customers, z))
    for _ in range(4):
        point = np.r_[CENTRE[family], np.zeros(2 * covariates)] + random.normal(0, 0.7, 4 + 2 * covariates)
        assert slope_error(one.gradient, point) < 1e-7
        assert one.gradient(point)[0] == pytest.approx(one.values(point[None])[0], rel=1e-12)


def test_slopes_of_the_others() -> None:
    random = np.random.default_rng(4)
    x = random.poisson(2, 900)
    money = value.density_of_spend(gamma_gamma.spend(x, random.gamma(3, 10, 900)))
    held = value.density(
        value.model_data(pd.DataFrame({"periods": [1, 2, 3, 5, 5, 0], "ended": [1, 1, 1, 1, 0, 0]}), family="sbg")
    )
    for _ in range(4):
        assert slope_error(money.gradient, gamma_gamma.START + random.normal(0, 0.5, 3)) < 1e-6
        assert slope_error(held.gradient, random.normal(0, 0.7, 2)) < 1e-6


def test_amounts_grouped_to_the_nearest_per_cent_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    money = gamma_gamma.spend(random.poisson(2, 9000), random.lognormal(3, 1, 9000))
    monkeypatch.setattr(gamma_gamma, "GROUPED", 100)
    rough = gamma_gamma.grouped(money)
    assert len(rough.x) < 0.6 * len(money.x)
    assert rough.weight.sum() == money.weight.sum()
    at = gamma_gamma.START + random.normal(0, 0.3, (5, 3))
    fine, few = (gamma_gamma.values(at, data) for data in (money, rough))
    np.testing.assert_allclose(few - few[0], fine - fine[0], rtol=5e-4)


def test_the_integral_of_pareto_is_the_hypergeometric_function() -> None:
    """Published form, where the function of scipy is to be trusted; ours also holds far outside."""
    random = np.random.default_rng(6)
    for _ in range(40):
        r, s = np.exp(random.normal(-0.5, 0.7, 2))
        alpha, beta = np.exp(random.normal(2.5, 0.7, 2))
        x = int(random.integers(0, 12))
        age = float(random.uniform(5, 80))
        last = age * float(random.uniform(0.2, 1)) if x else 0.0
        at = BUYING["pareto"].coordinates(r, alpha, s, beta)
        one = BUYING["pareto"].likelihood(unique([x], [last], [age])).values(at[None])[0]
        big, m = max(alpha, beta), r + s + x
        second = s + 1 if alpha >= beta else r + x
        ends = [hyp2f1(m, second, m + 1, abs(alpha - beta) / (big + t)) / (big + t) ** m for t in (last, age)]
        rest = (alpha + age) ** -(r + x) * (beta + age) ** -s
        front = np.prod([r + i for i in range(x)]) * alpha**r * beta**s
        assert one == pytest.approx(np.log(front * (rest + s / m * (ends[0] - ends[1]))), rel=1e-8)
    far = unique([300, 0], [5.0, 0.0], [200.0, 200.0])
    at = BUYING["pareto"].coordinates(0.1, 900.0, 3.0, 0.02)
    assert np.isfinite(BUYING["pareto"].likelihood(far).gradient(at)[0])


def test_expected_purchases_are_the_published_formula() -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        r, a, b = np.exp(random.normal([-0.7, -1, 0.5], 1))
        alpha, horizon = float(np.exp(random.normal(2, 0.7))), float(random.choice([4, 39, 104]))
        x, age = int(random.choice([1, 3, 20, 200])), float(random.uniform(10, 120))
        one = unique([x], [0.9 * age], [age])
        ahead, by_step, _ = time_rule(np.linspace(0, horizon, 6), 0.0)
        at = BUYING["bgnbd"].coordinates(r, alpha, a, b)[None]
        found = (BUYING["bgnbd"].intensity(at, one, ahead) @ by_step).sum()
        z, c = horizon / (alpha + age + horizon), a + b + x - 1
        true = c / (a - 1) * (1 - (1 - z) ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, c, z))
        assert found == pytest.approx(true, rel=1e-6)


def test_rules_of_integration() -> None:
    nodes, mass = beta_rule(np.array([0.3, 5.0]), np.array([2.0, 400.0]), 8)
    np.testing.assert_allclose(mass.sum(axis=1), 1)
    np.testing.assert_allclose((nodes * mass).sum(axis=1), [0.3 / 2.3, 5 / 405])
    ahead, by_step, now = time_rule(np.array([0.0, 2.0, 13.0, 52.0]), 0.01)
    np.testing.assert_allclose(by_step.sum(axis=0), [2, 11, 39])
    np.testing.assert_allclose(np.exp(-0.02 * ahead) @ now, (1 - np.exp(-0.03 * 52)) / 0.03, rtol=1e-6)


@pytest.mark.parametrize("family", ["bgnbd", "pareto", "sbg", pytest.param("mbgnbd", marks=pytest.mark.slow)])
def test_the_density_is_that_of_the_pymc_statement(family: value.Kind) -> None:
    """Differences between points agree with pymc-marketing's distributions; a shifted prior does not."""
    random = np.random.default_rng(8)
    covariates: tuple[str, ...] = ()
    if family == "sbg":
        table = pd.DataFrame({"periods": [1, 1, 2, 3, 4, 4, 0], "ended": [True, True, True, True, False, True, False]})
    else:
        z = random.integers(0, 2, (25, 1)).astype(float)
        table, covariates = world(family, 25, z=z, buy=np.array([0.5]), leave=np.array([0.3])).customers, ("z0",)
    data = value.model_data(table, family=family, covariates=covariates)
    if family == "pareto":  # spend joint with the rate of buying
        assert data.rows is not None
        assert data.spend is not None
        joined, _ = gamma_gamma.joined(data.spend, BUYING["pareto"], value.density(data).start, data.rows)
        data = dataclasses.replace(data, spend=joined)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = value.build_model(data)
        theirs = model.compile_logp(mode="FAST_COMPILE")
        start = model.initial_point()
    ours = value.density(data)
    points = [random.normal(0, 0.4, start["point"].shape) + ours.start for _ in range(4)]
    paid = value.density_of_spend(data.spend) if data.spend is not None else None
    gap = []
    for point in points:
        at = {"point": point}
        total = ours.values(point[None])[0]
        if paid is not None:
            coordinates = start["spend_point"].shape
            at["spend_point"] = np.resize([*gamma_gamma.START, 0.0], coordinates) + random.normal(0, 0.3, coordinates)
            total += paid.values(at["spend_point"][None])[0]
        gap.append(total - float(theirs(at)))
    assert np.ptp(gap) < 1e-6
    moved = value.density(data, Priors(rate=(0.0, 2.0), share=(1.0, 1.5)))
    assert np.ptp(moved.values(np.array(points)) - ours.values(np.array(points))) > 1e-3


@pytest.mark.parametrize("family", ["bgnbd", "mbgnbd", pytest.param("pareto", marks=pytest.mark.slow)])
def test_parameters_are_recovered_with_covariates(family: Family) -> None:
    z = np.random.default_rng(9).integers(0, 2, (1500, 1)).astype(float)
    truth = world(family, 1500, seed=9, z=z, buy=np.array([0.7]), leave=np.array([-0.5]))
    data = value.model_data(truth.customers, family=family, covariates=["z0"])
    tree = value.fit(data, seed=1, draws=250, chains=4)
    posterior = tree["posterior"].dataset
    found = value.estimands(posterior, data)
    low, high = np.quantile(posterior["buy"], [0.005, 0.995])
    assert low < 0.7 < high
    assert low > 0.3
    low, high = np.quantile(posterior["leave"], [0.005, 0.995])
    assert low < -0.5 < high
    r, alpha, *_ = PARAMETERS[family]
    low, high = np.quantile(found["purchases_a_year"], [0.005, 0.995])
    assert low < r / alpha * value.WEEKS_A_YEAR < high
    low, high = np.quantile(found["purchase_value"], [0.005, 0.995])
    assert low < 6.25 * 15.45 / 2.74 < high


def test_a_covariate_without_effect_is_said_to_have_none() -> None:
    z = np.random.default_rng(10).integers(0, 2, (700, 1)).astype(float)
    table = world("bgnbd", 700, seed=10, z=z).customers.drop(columns="spend")
    posterior = value.fit(value.model_data(table, family="bgnbd", covariates=["z0"]), seed=1)["posterior"]
    low, high = np.quantile(posterior["buy"], [0.01, 0.99])
    assert low < 0 < high
    assert high - low < 1.0


def test_weights_are_customers() -> None:
    table = world("bgnbd", 200).customers.drop(columns="spend").round(0)
    table = table.assign(recency=np.where(table["x"] > 0, table["recency"].clip(1, None), 0))
    table = table.assign(age=table[["age", "recency"]].max(axis=1))
    one = value.model_data(pd.concat([table] * 3), family="bgnbd")
    many = value.model_data(table.assign(n=3.0), family="bgnbd")
    at = BUYING["bgnbd"].coordinates(*PARAMETERS["bgnbd"])[None]
    assert value.density(one).likelihood(at) == pytest.approx(value.density(many).likelihood(at), rel=1e-12)
    assert len(one.rows or []) == len(many.rows or []) < 200


def test_contracts_of_customers_who_are_alike_are_not_foretold_to_last() -> None:
    """The prior expects that customers differ; where nobody does, 500 contracts must be enough to see it."""
    errors = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        life, seen = random.geometric(0.08, 500), 18 - random.integers(0, 8, 500) - 9
        ended = life <= seen
        table = pd.DataFrame({"periods": np.where(ended, life, seen), "ended": ended})
        at = value.points(value.fit(value.model_data(table, family="sbg"), seed=seed), 200)
        after = seen[~ended].astype(float)
        kept = sbg.kept(at, np.full(len(after), 9.0), after=after)
        errors.append(kept.sum(axis=1).mean() / (life[~ended] > seen[~ended] + 9).sum() - 1)
    assert np.mean(errors) < 0.2  # 0.24 with a prior half as wide


def test_contracts_are_kept_better_the_longer_they_have_been_kept() -> None:
    """Restless customers leave first: a difference between customers shows as a rising rate of keeping."""
    random = np.random.default_rng(11)
    ends = random.geometric(random.beta(0.8, 1.6, 4000))
    table = pd.DataFrame({"periods": np.minimum(ends, 6), "ended": ends <= 6})
    data = value.model_data(table, family="sbg")
    tree = value.fit(data, seed=2)
    posterior = tree["posterior"].dataset
    for name, true in (("a", 0.8), ("b", 1.6)):
        low, high = np.quantile(posterior[name], [0.005, 0.995])
        assert low < true < high
    at = value.points(tree, 200)
    kept = sbg.kept(at, np.ones(6), after=np.arange(6.0)).mean(axis=0)
    assert (np.diff(kept) > 0).all()
    alike = np.minimum(random.geometric(0.3, 4000), 7)
    same = pd.DataFrame({"periods": np.minimum(alike, 6), "ended": alike <= 6})
    flat = sbg.kept(
        value.points(value.fit(value.model_data(same, family="sbg"), seed=2), 200), np.ones(6), after=np.arange(6.0)
    )
    assert np.ptp(flat.mean(axis=0)) < 0.5 * np.ptp(kept)  # the negative control: nobody differs
    worth = sbg.expected_periods(at, after=np.array([0.0, 5.0]), horizon=3).mean(axis=0)
    assert 0 < worth[0] < worth[1] < 3


def test_shuffled_recency_foretells_worse() -> None:
    """Who bought last when belongs to the customer: given to another one, it misleads."""
    truth = world("bgnbd", 3000, seed=12)
    table = truth.customers.drop(columns="spend")
    again = table["x"].to_numpy() > 0
    share = (table["recency"] / table["age"]).to_numpy(copy=True)
    share[again] = np.random.default_rng(0).permutation(share[again])
    found = []
    for one in (table, table.assign(recency=share * table["age"])):
        rows = rows_of(one)
        data = value.model_data(one, family="bgnbd")
        at = value.density(data).find_map()[None]
        ahead, by_step, _ = time_rule(np.array([0.0, 39.0]), 0.0)
        alive = BUYING["bgnbd"].alive(at, rows)[0]
        each = alive * (BUYING["bgnbd"].intensity(at, rows, ahead)[0] @ by_step)[:, 0]
        expected, alive = each[rows.inverse][again], alive[rows.inverse][again]
        found.append((np.corrcoef(expected, truth.truth["future"][again])[0, 1], truth.truth["alive"][again], alive))
    assert found[0][0] > found[1][0] + 0.02
    gaps = [float(np.mean((lives - chance) ** 2)) for _, lives, chance in found]  # Brier score of being alive
    assert gaps[0] < gaps[1] - 0.02


def test_impossible_customers_are_refused_together() -> None:
    table = pd.DataFrame({"x": [0, 2, -1, 1], "recency": [3, 9, 0, 1.0], "age": [5, 8, 4, np.nan]})
    with pytest.raises(ModelError) as caught:
        value.model_data(table, family="bgnbd")
    said = str(caught.value)
    for part in ("not finite", "no count", "after the end", "nothing was bought again"):
        assert part in said


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"x": [], "recency": [], "age": []}), "no customer"),
        (pd.DataFrame({"x": [0, 0], "recency": [0, 0], "age": [5, 9]}), "nobody has bought a second time"),
        (pd.DataFrame({"x": [0], "recencyy": [0], "age": [5]}), "lack a column"),
    ],
    ids=["empty", "all new", "misspelt"],
)
def test_what_cannot_be_modelled_is_said(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        value.model_data(table, family="bgnbd")


def test_an_unknown_family_and_a_constant_covariate_are_refused() -> None:
    table = world("bgnbd", 50).customers.assign(same=1.0)
    with pytest.raises(ModelError, match="did you mean 'bgnbd'"):
        value.model_data(table, family="bgndb")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="must differ"):
        value.model_data(table, family="bgnbd", covariates=["same"])
    with pytest.raises(ModelError, match="before its first period"):
        value.model_data(pd.DataFrame({"periods": [0, 2], "ended": [True, False]}), family="sbg")


def test_a_search_that_went_astray_still_has_a_slope() -> None:
    rows = value.model_data(world("pareto", 200).customers.drop(columns="spend"), family="pareto").rows
    assert rows is not None
    found, slope = BUYING["pareto"].likelihood(rows).gradient(np.array([0.0, -2.0, -900.0, -3.0]))
    assert np.isfinite(found)
    assert np.isfinite(slope).all()
