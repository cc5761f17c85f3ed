"""The density of the counts against the density of the rows; what the sampler weighs by against the PyMC model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor
import pytest
from satisfaction.worlds import CODES, cells, labels
from scipy import stats

from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction.data import SatisfactionData, model_data
from cxlab.satisfaction.model import Priors
from cxlab.satisfaction.sampler import Marginal, draw

FACTORS = ("segment:age", "touchpoint")
NPS = tuple(map(float, range(11)))
POINTS = 60
SETTINGS = {
    "equal scales": {},
    "eleven codes": {"codes": NPS},
    "free scales and people": {"scale_by": "segment:age", "people": True},
}


def data_of(
    codes: tuple[float, ...] = CODES, *, seed: int = 4, n: int = 6, scale_by: str = "", people: bool = False
) -> SatisfactionData:
    table = cells(factors=dict.fromkeys(FACTORS, 3), periods=2, n=n)
    counts, _ = satisfaction.simulate(table, codes=codes, factors=FACTORS, periods=labels(2), seed=seed)
    population = None
    if people:
        population = table.rename(columns={"n": "population"})
        population["population"] *= np.random.default_rng(2).integers(10, 100, len(table))
    return model_data(counts, codes=codes, factors=FACTORS, periods=labels(2), population=population, scale_by=scale_by)


def evaluate(model: pm.Model, points: list[dict[str, np.ndarray]], what: str) -> np.ndarray:
    """A potential, a deterministic or the whole log density, at points of the raw parameters."""
    target = model.logp(jacobian=False) if what == "all" else model[what]
    if what != "all":
        (target,) = model.replace_rvs_by_values([target])
    run = pytensor.function(model.value_vars, target, mode="FAST_COMPILE", on_unused_input="ignore")
    return np.array([run(*(point[v.name] for v in model.value_vars)) for point in points])


def draw_points(model: pm.Model, *, seed: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    sizes = {name: value.shape for name, value in model.initial_point().items()}
    return [{name: random.normal(0.0, 0.7, size) for name, size in sizes.items()} for _ in range(POINTS)]


def named(model: pm.Model, points: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    names = ("scale", "effect", "own", "share", "eta", "cut", "log_scale")
    return {name: evaluate(model, points, name) for name in names}


@pytest.mark.parametrize("codes", [(0.0, 1.0), CODES, NPS])
def test_counts_and_rows_differ_by_a_constant(codes: tuple[float, ...]) -> None:
    data = data_of(codes)
    model = satisfaction.build_model(data, Priors())
    points = draw_points(model, seed=1)
    aggregated = evaluate(model, points, "answers")
    posterior = named(model, points)
    cell, code = np.nonzero(data.counts)
    rows = np.repeat(np.arange(len(cell)), data.counts[cell, code].astype(int))
    eta, cut = pytensor.tensor.dvector("eta"), pytensor.tensor.dvector("cut")
    one = pm.OrderedLogistic.dist(eta=eta, cutpoints=cut, compute_p=False)
    answer = pm.logp(one, data.block[code[rows]]).sum()
    by_row = pytensor.function([eta, cut], answer, mode="FAST_COMPILE")
    rowwise = np.array([float(by_row(posterior["eta"][i][cell[rows]], posterior["cut"][i])) for i in range(POINTS)])
    assert np.std(rowwise) > 1.0  # the points do differ
    np.testing.assert_allclose(aggregated - rowwise, (aggregated - rowwise)[0], rtol=0, atol=1e-7)


def test_unequal_scales_are_in_the_density() -> None:
    data = data_of(scale_by="segment:age")
    model = satisfaction.build_model(data, Priors())
    points = draw_points(model, seed=2)
    posterior = named(model, points)
    assert np.ptp(posterior["log_scale"]) > 0.1  # the groups do differ
    aggregated = evaluate(model, points, "answers")
    rowwise = []
    for i in range(POINTS):
        width = np.exp(posterior["log_scale"][i])[data.scale_group][:, None]
        z = (posterior["cut"][i][None] - posterior["eta"][i][:, None]) / width
        share = np.diff(stats.logistic.cdf(z), axis=1, prepend=0.0, append=1.0)
        rowwise.append((data.counts * np.log(share)).sum())
    np.testing.assert_allclose(aggregated, rowwise, rtol=0, atol=1e-7)


def test_the_prior_is_the_one_of_the_docstring() -> None:
    """Half-normal scales, normal effects and cells, a Dirichlet on the shares at eta = 0."""
    data, priors = data_of(), Priors(weight=2.5)
    model = satisfaction.build_model(data, priors)
    points = draw_points(model, seed=5)
    logp = evaluate(model, points, "all") - evaluate(model, points, "answers")
    posterior, expected = named(model, points), []
    for i in range(POINTS):
        scale, effect, own, eta, share = (posterior[v][i] for v in ("scale", "effect", "own", "eta", "share"))
        total = stats.halfnorm.logpdf(scale, scale=priors.scale_sd(data)).sum()
        total += stats.norm.logpdf(effect, scale=scale[data.scale_of]).sum() + stats.norm.logpdf(own).sum()
        expected.append(total + stats.dirichlet.logpdf(share / share.sum(), np.full(5, 0.5)))
        np.testing.assert_allclose(eta, data.design @ effect + scale[0] * own, atol=1e-9)
    difference = logp - np.array(expected)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-7)


def test_a_wrong_density_would_be_noticed() -> None:
    data = data_of()
    model = satisfaction.build_model(data, Priors())
    points = draw_points(model, seed=1)
    right = evaluate(model, points, "answers")
    moved = replace(data, counts=np.roll(data.counts, 1, axis=1))
    wrong = evaluate(satisfaction.build_model(moved, Priors()), points, "answers")
    assert np.std(wrong - right) > 0.1


@pytest.mark.parametrize("case", SETTINGS.values(), ids=SETTINGS)
def test_nested_draws_weigh_by_the_density_of_the_model(case: dict) -> None:
    """Joint density of `Marginal` against the PyMC model at random points: a constant apart."""
    data = data_of(**case)
    marginal, random = Marginal(satisfaction._cells(data, Priors())), np.random.default_rng(4)
    model = satisfaction.build_model(data, Priors())
    logp = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    apart = []
    for _ in range(4):
        scale = np.exp(random.normal(-1.0, 0.5, len(data.scales)))
        theta = 0.3 * random.standard_normal(marginal.size)
        parts = marginal.named(theta[None])
        main = data.design @ parts.effect[0]
        eta = main + 0.3 * random.standard_normal(len(main))
        sd = scale[data.scale_of]
        mine = marginal.joint(parts, eta[None], main[None], np.array([[scale[0] ** -2.0]]))[0]
        mine += marginal.priors(theta[None], parts)[0] - 0.5 * ((scale / Priors().scale_sd(data)) ** 2).sum()
        mine += -0.5 * ((parts.effect[0] / sd) ** 2).sum() - np.log(sd).sum()
        share = np.diff(stats.logistic.cdf(parts.cut[0]), prepend=0.0, append=1.0)
        turned = np.log(marginal._turned(theta)).sum() + np.log(parts.gap[0]).sum()  # raw cuts to cuts
        turned += stats.logistic.logpdf(parts.cut[0]).sum()  # cuts to shares
        logs = np.log(share)
        point = {"scale_log__": np.log(scale), "effect": parts.effect[0], "own": (eta - main) / scale[0]}
        point |= {"share_simplex__": logs[:-1] - logs.mean()}
        point |= {"spread": theta[marginal.effects : marginal.effects + marginal.spreads]}
        apart.append(mine - float(logp(point)) - turned + len(eta) * np.log(scale[0]))
    assert np.ptp(apart) < 1e-6 * abs(mine)


@pytest.mark.parametrize("case", SETTINGS.values(), ids=SETTINGS)
def test_slopes_are_those_of_the_value(case: dict) -> None:
    marginal = Marginal(satisfaction._cells(data_of(**case), Priors()))
    theta = 0.3 * np.random.default_rng(1).standard_normal(marginal.size)
    slope = marginal(theta, 0.3)[1]
    step = 1e-5 * np.eye(marginal.size)
    differences = [(marginal(theta + h, 0.3)[0] - marginal(theta - h, 0.3)[0]) / 2e-5 for h in step]
    np.testing.assert_allclose(slope, differences, atol=1e-5 * abs(slope).max())


def test_one_answer_only_teaches_nothing_of_scales() -> None:
    data = data_of()
    same = replace(data, counts=data.counts.sum(axis=1, keepdims=True) * np.eye(5)[4], block=np.zeros(5, int))
    drawn = draw(satisfaction._cells(same, Priors()), wanted=4000, seed=1)
    assert drawn.cut.shape == (4000, 0)
    np.testing.assert_allclose((drawn.scale**2).mean(axis=0), Priors().scale_sd(same) ** 2, rtol=0.1)
