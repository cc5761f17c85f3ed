"""The density against the PyMC model, gradients against differences, blanks against their average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drivers.drive_worlds import FIVE, again, levels, ratings, with_blanks
from scipy.special import ndtr

from cxlab.drivers import fits, imputation, likelihood, sampler
from cxlab.drivers import model as drivers
from cxlab.drivers.data import DriverData
from cxlab.drivers.likelihood import completed, design, directed
from cxlab.drivers.parameters import Prior, Priors

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
    layout, rows = design(data, completed(data, copula, seed=2, times=4), shape=shape)  # type: ignore[arg-type]
    prior = Prior(replace(layout, direction=np.array([1.0, -1.0, 1.0, -1.0])), PRIORS)
    z = np.random.default_rng(3).normal(0, 0.5, (2, layout.size))
    psi = prior.unknowns(z)
    around, each, scores = likelihood.expand(rows, psi[0], scores=True)
    assert likelihood.total(rows, psi[:1])[0] == pytest.approx(rows.weight @ each, abs=1e-8)
    slope = around(psi[:1])[1][0]
    np.testing.assert_allclose(rows.weight @ scores, slope, atol=1e-8)
    step = 1e-5 * np.eye(psi.shape[1])
    differences = (likelihood.total(rows, psi[:1] + step) - likelihood.total(rows, psi[:1] - step)) / 2e-5
    np.testing.assert_allclose(slope, differences, atol=1e-5 * max(1.0, np.abs(slope).max()))
    some = slice(None, None, max(1, len(step) // 9))
    bent = np.array([likelihood.expand(rows, psi[0] + s)[0](psi[:1] + s)[1][0] - slope for s in step[some]]) / 1e-5
    np.testing.assert_allclose(around.curvature(psi[0])[some], bent, atol=0.02 * max(1.0, np.abs(bent).max()))
    density = sampler.surrogate_density(prior, around)
    _, by_z = density(z)
    for j in range(layout.size):
        e = 1e-6 * np.eye(layout.size)[j]
        moved = (density(z + e)[0] - density(z - e)[0]) / 2e-6
        np.testing.assert_allclose(by_z[:, j], moved, atol=2e-5 * max(1.0, np.abs(by_z).max()))


def test_parameters_follow_the_prior() -> None:
    """Standard normal parameters give the priors that are promised: of R2, strengths, steps and the outcome's codes."""
    data = data_of("ordinal")
    layout, _ = design(data, completed(data, None, seed=1), shape="monotone")
    prior = Prior(layout, PRIORS)
    z = np.random.default_rng(1).standard_normal((40_000, layout.size))
    _, way = prior.forward(z)
    r2, square = prior.r2(z), way["strength"] ** 2 / 2
    assert r2.mean() == pytest.approx(PRIORS.r2_a / (PRIORS.r2_a + PRIORS.r2_b), abs=0.01)
    np.testing.assert_allclose(square.mean(axis=0), PRIORS.split, atol=0.03)
    np.testing.assert_allclose(square.var(axis=0), PRIORS.split, atol=0.08)
    steps, codes = way["share"][:, 4:8], way["share"][:, -5:]
    for shares, weight in ((steps, PRIORS.step), (codes, PRIORS.concentration)):
        k = shares.shape[1]
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
        np.testing.assert_allclose(shares.mean(axis=0), 1 / k, atol=0.01)
        np.testing.assert_allclose(shares.var(axis=0), (k - 1) / k**2 / (k * weight + 1), rtol=0.05)


@pytest.mark.parametrize("kind", ["ordinal with blanks", pytest.param("continuous", marks=pytest.mark.slow)])
def test_the_density_is_the_one_of_the_pymc_model(kind: str) -> None:
    data = data_of(kind)
    model = drivers.build_model(data, PRIORS, seed=5)
    copula = imputation.fit(data, seed=5) if "blanks" in kind else None
    layout, rows = design(data, completed(data, copula, seed=5), shape="monotone")
    prior = Prior(directed(layout, rows), PRIORS)
    z = np.random.default_rng(6).normal(0, 0.5, (POINTS, layout.size))
    ours = likelihood.total(rows, prior.unknowns(z)) - 0.5 * (z**2).sum(axis=1)
    ours -= np.array([log_volume(prior, point) for point in z])
    run = model.compile_fn(model.logp(jacobian=False), mode="FAST_COMPILE")
    theirs = []
    for point in z:
        values, raw = named(prior, point), {}
        for rv in model.free_RVs:
            transform = model.rvs_to_transforms[rv]
            own = values[rv.name]
            given = own if transform is None else transform.forward(own, *rv.owner.inputs).eval()
            raw[model.rvs_to_values[rv].name] = given
        theirs.append(float(run(raw)))
    gap = ours - np.array(theirs)
    assert np.std(theirs) > 1.0  # the points do differ
    np.testing.assert_allclose(gap, gap[0], atol=1e-3)  # of quantiles as cubics


def named(prior: Prior, z: np.ndarray) -> dict[str, np.ndarray]:
    """The PyMC model's variables at a point of ours."""
    layout, (_, way) = prior.layout, prior.forward(z[None])
    a = len(layout.sizes)
    out = {"r2": prior.r2(z[None])[0], "square": way["strength"][0] ** 2 / 2, "unused": z[layout.places["unused"]]}
    shares = way["share"][0]
    at = a
    for i, k in enumerate(layout.sizes):
        out[f"steps_a{i}"] = shares[at : at + k - 1]
        at += k - 1
    if layout.codes:
        out["share"] = shares[at:]
    else:
        out["mean"], out["log_sd"] = z[layout.places["tail"]]
    return {k: np.asarray(v, float) for k, v in out.items()}


def log_volume(prior: Prior, z: np.ndarray) -> float:
    """Log of how much room of the PyMC model's variables a unit of ours takes, by differences."""

    def flat(point: np.ndarray) -> np.ndarray:
        values = named(prior, point)
        parts = [v.ravel()[:-1] if k.startswith(("steps", "share")) else v.ravel() for k, v in values.items()]
        return np.concatenate(parts)

    step = 1e-5 * np.eye(len(z))
    return float(np.linalg.slogdet(np.array([flat(z + s) - flat(z - s) for s in step]) / 2e-5)[1])


def test_a_wrong_prior_is_found() -> None:
    """The comparison above would not pass with another Dirichlet: the same point is another curve."""
    data = data_of("ordinal")
    layout, _ = design(data, completed(data, None, seed=5), shape="monotone")
    z = np.random.default_rng(6).normal(0, 0.5, (POINTS, layout.size))
    both = [Prior(layout, priors).unknowns(z) for priors in (PRIORS, replace(PRIORS, step=1.2))]
    assert np.abs(both[0] - both[1]).max() > 1e-2


def test_imputed_rows_are_averaged() -> None:
    """A respondent in several rows has the mean of their probabilities, by the share of imputations each stands for."""
    data = again(data_of("ordinal"))
    layout, rows = design(data, completed(data, None, seed=1), shape="linear")
    y = np.repeat(rows.y[::2], 2)
    part = np.tile([0.25, 0.75], 100)
    pairs = replace(rows, first=np.arange(0, 200, 2), weight=np.ones(100), y=y, part=part)
    psi = Prior(layout, PRIORS).unknowns(np.random.default_rng(2).normal(0, 0.5, (3, layout.size)))
    p = np.exp(likelihood.pointwise(replace(rows, y=y), psi)).reshape(3, 100, 2)
    np.testing.assert_allclose(likelihood.pointwise(pairs, psi), np.log(p @ [0.25, 0.75]), atol=1e-12)


def test_the_same_imputation_is_one_row() -> None:
    """Twenty imputations of one blank among five codes are at most five rows, and count as twenty."""
    data = data_of("ordinal with blanks")
    done = completed(data, imputation.fit(data, seed=1), seed=2)
    sizes = np.diff(np.append(done.first, len(done.codes)))
    blanks = (data.codes[done.who] == -1).sum(axis=1)
    assert (sizes[blanks == 0] == 1).all()
    assert sizes[blanks == 1].max() <= 6  # five codes, or not used
    np.testing.assert_allclose(np.add.reduceat(done.part, done.first), 1)


def bell(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return -0.5 * (x**2).sum(axis=1), -x


def rough(x: np.ndarray) -> np.ndarray:
    """What the approximation `bell` lacks: refuses half of the moves, however short the steps."""
    return bell(x)[0] + 0.3 * np.sin(40 * x).sum(axis=1)


def test_a_poor_approximation_does_not_shorten_the_steps() -> None:
    cloud = sampler.Cloud(np.zeros(20), np.eye(20), seed=1)
    cloud.adapt(bell, 30, exact=rough)
    assert cloud.step > 0.3
    values, _ = cloud.draw(bell, 250 * 20, thin=2, exact=rough)
    walks = values.reshape(250, 20, 20)
    assert abs(np.corrcoef(walks[:, :-5].ravel(), walks[:, 5:].ravel())[0, 1]) < 0.25
    assert abs(values.std() - 1) < 0.1


def bank(seed: int, *, codes: int, attributes: int, people: int) -> DriverData:
    """A survey as a bank's: attributes that agree, some blank, most of them with no effect of their own."""
    random = np.random.default_rng(seed)
    latent = 0.8 * random.standard_normal((people, 1)) + 0.6 * random.standard_normal((people, attributes))
    places = (ndtr(latent + 0.5) * codes).astype(int).clip(0, codes - 1)
    eta = 4 * places[:, :3] @ [1.0, 0.5, 0.25] / codes
    data, _ = drivers.simulate(places, levels=[tuple(range(codes))] * attributes, seed=seed)
    y = np.digitize(eta + random.logistic(size=people), np.quantile(eta, [0.05, 0.15, 0.35, 0.7]))
    return with_blanks(again(data, outcome=y), 0.15, seed=seed)


@pytest.mark.parametrize(
    ("seed", "size"),
    [(s, (5, 6, 448)) for s in range(4)] + [(9, (7, 22, 450))],
    ids=["half a", "half b", "half c", "half d", "22 attributes"],
)
def test_fits_pass_whatever_half_of_the_respondents_they_see(seed: int, size: tuple[int, int, int]) -> None:
    codes, attributes, people = size
    tree = drivers.fit(bank(seed, codes=codes, attributes=attributes, people=people), seed=seed, monotone="yes")
    assert fits.judge(tree).passed, tree.attrs
    assert tree.attrs["method"] == "importance"  # one round of walkers and no more: their number is fixed
