"""The density of the counts against the density of the rows, and the prior against its textbook form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor
import pytest
from satisfaction.worlds import cells, labels
from scipy import stats

from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction import pymc_model
from cxlab.satisfaction.data import SatisfactionData
from cxlab.satisfaction.model import Priors

FACTORS = ("segment:age", "touchpoint")
POINTS = 100


def data_of(codes: tuple[float, ...], *, seed: int = 4, n: int = 6) -> SatisfactionData:
    table = cells(factors=dict.fromkeys(FACTORS, 3), periods=2, n=n)
    counts, _ = satisfaction.simulate(table, codes=codes, factors=FACTORS, periods=labels(2), seed=seed)
    return satisfaction.model_data(counts, codes=codes, factors=FACTORS, periods=labels(2))


def evaluate(model: pm.Model, points: list[dict[str, np.ndarray]], what: str) -> np.ndarray:
    """A potential, a deterministic or the whole log density, at points of the raw parameters."""
    target = model.logp() if what == "all" else model[what]
    if what != "all":
        (target,) = model.replace_rvs_by_values([target])
    run = pytensor.function(model.value_vars, target, mode="FAST_COMPILE", on_unused_input="ignore")
    return np.array([run(*(point[v.name] for v in model.value_vars)) for point in points])


def draw_points(model: pm.Model, *, seed: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    sizes = {name: value.shape for name, value in model.initial_point().items()}
    return [{name: random.normal(0.0, 0.7, size) for name, size in sizes.items()} for _ in range(POINTS)]


def named(model: pm.Model, points: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Logits of each point, as they stand in a posterior."""
    return {name: evaluate(model, points, name) for name in ("effect", "eta", "cut", "log_scale", "location")}


@pytest.mark.parametrize("codes", [(0.0, 1.0), (1.0, 2.0, 3.0, 4.0, 5.0), tuple(map(float, range(11)))])
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
    by_row = pytensor.function([eta, cut], pm.logp(one, code[rows]).sum(), mode="FAST_COMPILE")
    rowwise = np.array([float(by_row(posterior["eta"][i][cell[rows]], posterior["cut"][i])) for i in range(POINTS)])
    assert np.std(rowwise) > 1.0  # the points do differ
    np.testing.assert_allclose(aggregated - rowwise, (aggregated - rowwise)[0], rtol=0, atol=1e-8)


def test_unequal_scales_are_in_the_density() -> None:
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    data = satisfaction.model_data(
        data.cells.loc[np.repeat(np.arange(18), 5)].assign(
            code=np.tile(data.codes, 18), n_raw=data.counts.ravel().astype(int), n=data.counts.ravel()
        ),
        codes=data.codes,
        factors=FACTORS,
        periods=data.periods,
        scale_by="segment:age",
    )
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


def test_the_prior_is_the_one_of_the_docstring_however_it_is_centred() -> None:
    """Half-normal scales, normal effects and cells, a Dirichlet on the shares at eta = 0, each with its Jacobian."""
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    priors = Priors(concentration=2.5)
    arrays = satisfaction._arrays(data, priors)
    assert arrays["cell_centring"].min() > 0
    model = satisfaction.build_model(data, priors)
    points = draw_points(model, seed=5)
    logp = evaluate(model, points, "all") - evaluate(model, points, "answers")
    posterior = named(model, points)
    used = pymc_model.scales_used(data.scale_of)
    of_effect_at = np.searchsorted(used, data.scale_of)
    expected = []
    for i in range(POINTS):
        effect, cut, eta = (posterior[v][i] for v in ("effect", "cut", "eta"))
        cut, eta = cut + posterior["location"][i], eta + posterior["location"][i]
        scale = np.exp(points[i]["scale_log__"])
        of_effect = scale[of_effect_at]
        c, ce = arrays["cell_centring"], arrays["effect_centring"]
        total = stats.halfnorm.logpdf(scale, scale=arrays["scale_prior"][used]).sum() + np.log(scale).sum()
        total += stats.norm.logpdf(effect, scale=of_effect).sum() + np.log(of_effect / (1 - ce + ce * of_effect)).sum()
        total += stats.norm.logpdf(eta - data.design @ effect, scale=scale[0]).sum()
        total += np.log(scale[0] / (1 - c + c * scale[0])).sum()
        share = np.diff(stats.logistic.cdf(cut), prepend=0.0, append=1.0)
        total += stats.dirichlet.logpdf(share / share.sum(), np.full(5, 2.5))
        total += stats.logistic.logpdf(cut).sum() + np.log(np.diff(cut)).sum()
        expected.append(total)
    difference = logp - np.array(expected)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-7)


def test_a_wrong_density_would_be_noticed() -> None:
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    model = satisfaction.build_model(data, Priors())
    points = draw_points(model, seed=1)
    right = evaluate(model, points, "answers")
    moved = replace(data, counts=np.roll(data.counts, 1, axis=1))
    wrong = evaluate(satisfaction.build_model(moved, Priors()), points, "answers")
    assert np.std(wrong - right) > 0.1
