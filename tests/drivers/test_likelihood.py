"""The hand-written density against the PyMC model, gradients against differences, blanks against their average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drivers.drive_worlds import FIVE, again, levels, ratings, with_blanks

from cxlab.drivers import imputation, likelihood, monotonic, pymc_model, sampler
from cxlab.drivers import model as drivers
from cxlab.drivers.data import DriverData
from cxlab.drivers.design import completed, design, directed
from cxlab.drivers.model import Priors

PRIORS = Priors(step=1.7, concentration=2.0, split=0.8)
POINTS = 3


def data_of(kind: str) -> DriverData:
    codes = ratings(200, 4, seed=1, unused=0.1)
    options = {"ordinal": FIVE, "binary": (0.0, 1.0), "continuous": ()}
    data, _ = drivers.simulate(
        codes, levels=levels(4), kind=kind.removesuffix(" with blanks"), outcome_levels=options[kind.split()[0]], seed=3
    )  # type: ignore[arg-type]
    return with_blanks(data, 0.2, seed=2) if "blanks" in kind else data


@pytest.mark.parametrize("shape", ["monotone", "linear", "free"])
@pytest.mark.parametrize("kind", ["ordinal", "binary", "continuous", "ordinal with blanks"])
def test_gradient_and_curvature_are_those_of_the_value(kind: str, shape: str) -> None:
    data = data_of(kind)
    data = replace(data, groups=("x", "y"), group=np.arange(200) % 2)
    copula = imputation.fit(data, seed=1) if "blanks" in kind else None
    layout, rows = design(data, completed(data, copula, seed=2, times=4), shape=shape, with_halo=True)  # type: ignore[arg-type]
    layout = replace(layout, direction=np.array([1.0, -1.0, 1.0, -1.0, 1.0]))
    theta = np.random.default_rng(3).normal(0, 0.5, (2, layout.size))
    psi, _ = monotonic.forward(layout, PRIORS, theta)
    around, each, scores = likelihood.expand(rows, psi[0], scores=True)
    assert likelihood.total(rows, psi[:1])[0] == pytest.approx(rows.weight @ each, abs=1e-8)
    slope = around(psi[:1])[1][0]
    np.testing.assert_allclose(rows.weight @ scores, slope, atol=1e-8)
    step = 1e-5 * np.eye(psi.shape[1])
    differences = (likelihood.total(rows, psi[:1] + step) - likelihood.total(rows, psi[:1] - step)) / 2e-5
    np.testing.assert_allclose(slope, differences, atol=1e-5 * max(1.0, np.abs(slope).max()))
    bent = np.array(
        [likelihood.expand(rows, psi[0] + s)[0](psi[:1] + s)[1][0] - slope for s in step[:: max(1, len(step) // 9)]]
    )
    np.testing.assert_allclose(
        around.curvature(psi[0])[:: max(1, len(step) // 9)],
        bent / 1e-5,
        atol=0.02 * max(1.0, np.abs(bent / 1e-5).max()),
    )
    density = sampler.surrogate_density(layout, PRIORS, around)
    _, by_theta = density(theta)
    for j in range(layout.size):
        e = 1e-6 * np.eye(layout.size)[j]
        moved = (density(theta + e)[0] - density(theta - e)[0]) / 2e-6
        np.testing.assert_allclose(by_theta[:, j], moved, atol=2e-5 * max(1.0, np.abs(by_theta).max()))


@pytest.mark.parametrize("kind", ["ordinal with blanks", pytest.param("continuous", marks=pytest.mark.slow)])
def test_the_density_is_the_one_of_the_pymc_model(kind: str) -> None:
    data = data_of(kind)
    model = pymc_model.build(data, PRIORS, seed=5)
    copula = imputation.fit(data, seed=5) if "blanks" in kind else None
    layout, rows = design(data, completed(data, copula, seed=5), shape="monotone")
    layout = directed(layout, rows)
    theta = np.random.default_rng(6).normal(0, 0.5, (POINTS, layout.size))
    psi, _ = monotonic.forward(layout, PRIORS, theta)
    ours = likelihood.total(rows, psi) + monotonic.log_prior(layout, PRIORS, theta)[0]
    ours -= np.array([log_volume(layout, point) for point in theta])
    run = model.compile_fn(model.logp(jacobian=False), mode="FAST_COMPILE")
    theirs = []
    for point in theta:
        values, raw = named(layout, point), {}
        for rv in model.free_RVs:
            transform = model.rvs_to_transforms[rv]
            own = values[rv.name]
            given = own if transform is None else transform.forward(own, *rv.owner.inputs).eval()
            raw[model.rvs_to_values[rv].name] = given
        theirs.append(float(run(raw)))
    gap = ours - np.array(theirs)
    assert np.std(theirs) > 1.0  # the points do differ
    np.testing.assert_allclose(gap, gap[0], atol=1e-5)


def named(layout: monotonic.Layout, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The PyMC model's variables at a point of ours."""
    place = layout.places
    out = {
        "r2": np.array(1 / (1 + np.exp(-theta[0]))),
        "square": np.exp(2 * theta[place["strength"]]) / 2,
        "unused": theta[place["unused"]],
    }
    for kind, part in zip(layout.alike, monotonic.increments(layout, theta[None]), strict=True):
        for member, own in zip(kind.members, part[0], strict=True):
            out[f"steps_a{member}"] = own
    tail = theta[place["tail"]]
    if layout.noise_var == 1.0:
        out["mean"], out["log_sd"] = tail
    else:
        below = 1 / (1 + np.exp(-likelihood.cuts(tail)))
        out["share"] = np.diff(below, prepend=0.0, append=1.0)
    return {k: np.asarray(v, float) for k, v in out.items()}


def log_volume(layout: monotonic.Layout, theta: np.ndarray) -> float:
    """Log of how much room of the PyMC model's variables a unit of ours takes, by differences."""

    def flat(point: np.ndarray) -> np.ndarray:
        values = named(layout, point)
        parts = [v.ravel()[:-1] if k.startswith(("steps", "share")) else v.ravel() for k, v in values.items()]
        return np.concatenate(parts)

    step = 1e-6 * np.eye(len(theta))
    return float(np.linalg.slogdet(np.array([flat(theta + s) - flat(theta - s) for s in step]) / 2e-6)[1])


def test_a_wrong_prior_is_found() -> None:
    """The comparison above would not pass with another Dirichlet."""
    data = data_of("ordinal")
    layout, _ = design(data, completed(data, None, seed=5), shape="monotone")
    theta = np.random.default_rng(6).normal(0, 0.5, (POINTS, layout.size))
    gap = (
        monotonic.log_prior(layout, PRIORS, theta)[0] - monotonic.log_prior(layout, replace(PRIORS, step=1.2), theta)[0]
    )
    assert np.std(gap) > 1e-3  # against a tolerance of 1e-5


def test_imputed_rows_are_averaged() -> None:
    """A respondent in several rows has the mean of their probabilities."""
    data = again(data_of("ordinal"))
    layout, rows = design(data, completed(data, None, seed=1), shape="linear")
    pairs = replace(rows, first=np.arange(0, 200, 2), weight=np.ones(100), y=np.repeat(rows.y[::2], 2))
    psi, _ = monotonic.forward(layout, PRIORS, np.random.default_rng(2).normal(0, 0.5, (3, layout.size)))
    single = replace(rows, y=pairs.y)
    expected = np.log(np.exp(likelihood.pointwise(single, psi)).reshape(3, 100, 2).mean(axis=2))
    np.testing.assert_allclose(likelihood.pointwise(pairs, psi), expected, atol=1e-12)
