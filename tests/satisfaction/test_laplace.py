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
    """A potential, or the whole log density, at points of the raw parameters."""
    target = model.logp() if what == "all" else model[what]
    if what != "all":
        (target,) = model.replace_rvs_by_values([target])
    run = pytensor.function(model.value_vars, target, mode="FAST_COMPILE", on_unused_input="ignore")
    return np.array([float(run(*(point[v.name] for v in model.value_vars))) for point in points])


def draw_points(rung: int, *, seed: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    sizes = {
        "scale_log__": pymc_model.SCALES,
        "effect_raw": pymc_model.LADDER[rung],
        "cell_raw": rung,
        "cut_raw": pymc_model.CUTS,
    }
    sizes["spread_raw"] = pymc_model.LADDER[rung] // 4 - 1
    return [{name: random.normal(0.0, 0.7, size) for name, size in sizes.items()} for _ in range(POINTS)]


def named(data: SatisfactionData, points: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return satisfaction._named(data, satisfaction._arrays(data, Priors()), stacked(points))


def stacked(points: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Points as one chain of draws."""
    raw = {name: np.stack([p[name] for p in points])[None] for name in points[0]}
    return raw | {"scale": np.exp(raw["scale_log__"])}


@pytest.mark.parametrize("codes", [(0.0, 1.0), (1.0, 2.0, 3.0, 4.0, 5.0), tuple(map(float, range(11)))])
def test_counts_and_rows_differ_by_a_constant(codes: tuple[float, ...]) -> None:
    data = data_of(codes)
    points = draw_points(64, seed=1)
    aggregated = evaluate(satisfaction.build_model(data, Priors()), points, "answers")
    posterior = named(data, points)
    cell, code = np.nonzero(data.counts)
    rows = np.repeat(np.arange(len(cell)), data.counts[cell, code].astype(int))
    eta, cut = pytensor.tensor.dvector("eta"), pytensor.tensor.dvector("cut")
    one = pm.OrderedLogistic.dist(eta=eta, cutpoints=cut, compute_p=False)
    by_row = pytensor.function([eta, cut], pm.logp(one, code[rows]).sum(), mode="FAST_COMPILE")
    rowwise = np.array(
        [float(by_row(posterior["eta"][0, i][cell[rows]], posterior["cut"][0, i])) for i in range(POINTS)]
    )
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
    points = draw_points(64, seed=2)
    posterior = named(data, points)
    assert np.ptp(posterior["log_scale"]) > 0.1  # the groups do differ
    aggregated = evaluate(satisfaction.build_model(data, Priors()), points, "answers")
    rowwise = []
    for i in range(POINTS):
        width = np.exp(posterior["log_scale"][0, i])[data.scale_group][:, None]
        z = (posterior["cut"][0, i][None] - posterior["eta"][0, i][:, None]) / width
        share = np.diff(stats.logistic.cdf(z), axis=1, prepend=0.0, append=1.0)
        rowwise.append((data.counts * np.log(share)).sum())
    np.testing.assert_allclose(aggregated, rowwise, rtol=0, atol=1e-7)


def test_padding_changes_nothing() -> None:
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    arrays = satisfaction._arrays(data, Priors())
    small = draw_points(64, seed=3)
    for point in small:  # padding at its mode
        point["effect_raw"][len(data.scale_of) :] = 0.0
        point["cell_raw"][len(data.cells) :] = 0.0
        point["cut_raw"][4:] = 0.0
        point["spread_raw"][:] = 0.0  # one scale for all
    more = {"effect_raw": 32, "cell_raw": 192, "spread_raw": 8}
    large = [{name: np.pad(value, (0, more.get(name, 0))) for name, value in p.items()} for p in small]
    values = []
    for rung, points in ((64, small), (256, large)):
        model = pymc_model.graph(rung)
        pm.set_data(arrays, model=model)
        values.append(evaluate(model, points, "all"))
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-8)


def test_the_prior_is_the_one_of_the_docstring_however_it_is_centred() -> None:
    """Half-normal scales, normal effects and cells, a Dirichlet on the shares at eta = 0, each with its Jacobian."""
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    priors = Priors(concentration=2.5)
    arrays = satisfaction._arrays(data, priors)
    assert arrays["cell_centring"].min() > 0
    points = draw_points(64, seed=5)
    model = satisfaction.build_model(data, priors)
    logp = evaluate(model, points, "all") - evaluate(model, points, "answers")
    raw = stacked(points)
    posterior = satisfaction._named(data, arrays, raw)
    effects, m = len(data.scale_of), len(data.cells)
    expected = []
    for i in range(POINTS):
        scale, effect, cut, eta = raw["scale"][0, i], *(posterior[v][0, i] for v in ("effect", "cut", "eta"))
        cut, eta = cut + posterior["location"][0, i], eta + posterior["location"][0, i]
        of_effect = scale[data.scale_of]
        c, ce = arrays["cell_centring"], arrays["effect_centring"]
        total = stats.halfnorm.logpdf(scale, scale=arrays["scale_prior"]).sum() + np.log(scale).sum()
        total += stats.norm.logpdf(effect, scale=of_effect).sum() + np.log(of_effect / (1 - ce + ce * of_effect)).sum()
        total += stats.norm.logpdf(eta - data.design @ effect, scale=scale[0]).sum()
        total += np.log(scale[0] / (1 - c + c * scale[0])).sum()
        share = np.diff(stats.logistic.cdf(cut), prepend=0.0, append=1.0)
        total += stats.dirichlet.logpdf(share / share.sum(), np.full(5, 2.5))
        total += stats.logistic.logpdf(cut).sum() + np.log(np.diff(cut)).sum()
        total += stats.norm.logpdf(raw["cut_raw"][0, i, 4:]).sum()
        total += stats.norm.logpdf(raw["effect_raw"][0, i, effects:]).sum()
        total += stats.norm.logpdf(raw["spread_raw"][0, i]).sum()
        total += stats.norm.logpdf(raw["cell_raw"][0, i, m:]).sum()
        expected.append(total)
    difference = logp - np.array(expected)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-7)


def test_a_wrong_density_would_be_noticed() -> None:
    data = data_of((1.0, 2.0, 3.0, 4.0, 5.0))
    points = draw_points(64, seed=1)
    right = evaluate(satisfaction.build_model(data, Priors()), points, "answers")
    moved = replace(data, counts=np.roll(data.counts, 1, axis=1))
    wrong = evaluate(satisfaction.build_model(moved, Priors()), points, "answers")
    assert np.std(wrong - right) > 0.1
