"""Recovery of planted effects, blanks, what was not used, groups, shapes, predictions, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from drivers.drive_worlds import FIVE, again, levels, ratings, with_blanks

from cxlab.drivers import importance, imputation, model
from cxlab.drivers.data import BLANK, NOT_USED, DriverData, model_data
from cxlab.drivers.parameters import Priors
from cxlab.errors import ModelError
from cxlab.inference import diagnostics

STRONG = Priors(r2_a=40.0, r2_b=40.0)  # worlds in which about half is explained
EVEN = Priors(r2_a=40.0, r2_b=40.0, step=500.0)  # .. by straight lines


@pytest.fixture(scope="module")
def planted() -> tuple[DriverData, xr.Dataset]:
    codes = ratings(1500, 5, seed=1, r=0.5, unused=0.15)
    return model.simulate(
        codes, levels=levels(5), seed=4, priors=STRONG, strength=np.array([1.0, 0.8, 0.6, 0.05, 0.05])
    )


@pytest.fixture(scope="module")
def fitted(planted: tuple[DriverData, xr.Dataset]) -> xr.DataTree:
    return model.fit(with_blanks(planted[0], 0.3, seed=2), draws=500, seed=3)


def inside(draws: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """Whether the truth lies in the 98 % intervals."""
    values = draws.to_numpy().reshape(-1, *draws.shape[2:])
    low, high = np.nanquantile(values, [0.01, 0.99], axis=0)
    return (low <= truth.to_numpy()[0, 0]) & (truth.to_numpy()[0, 0] <= high)


def shares(posterior: xr.Dataset) -> np.ndarray:
    return importance.lmg(
        importance.joint(posterior["contribution_cov"].to_numpy(), posterior["noise_var"].to_numpy())
    ).values


def test_the_layout_is_the_promised_one(fitted: xr.DataTree, planted: tuple[DriverData, xr.Dataset]) -> None:
    posterior = fitted["posterior"].dataset
    assert posterior["level_effect"].dims == ("chain", "draw", "attribute", "level")
    assert posterior["contribution_cov"].dims == ("chain", "draw", "attribute", "attribute_")
    assert posterior["cut"].dims == ("chain", "draw", "boundary")
    assert posterior.sizes["level"] == 6  # not used, then five codes
    assert (posterior["noise_var"] == np.pi**2 / 3).all()
    effect, share = posterior["level_effect"], posterior["level_share"]
    np.testing.assert_allclose(share.sum("level"), 1.0, atol=1e-9)
    np.testing.assert_allclose((effect * share).isel(level=slice(1, None)).sum("level"), 0.0, atol=1e-9)
    assert (np.diff(effect.isel(level=slice(1, None)).to_numpy(), axis=-1) >= -1e-12).all()  # never falls
    eigen = np.linalg.eigvalsh(posterior["contribution_cov"].to_numpy())
    assert eigen.min() > -1e-9
    assert np.linalg.eigvalsh(posterior["net_cov"].to_numpy()).min() > -1e-9
    assert set(fitted.attrs) >= {"method", "khat", "ess_share", "shape", "seed"}


def test_draws_thinned_evenly_still_see_all_worlds(fitted: xr.DataTree) -> None:
    """Who the customers are is uncertain, too: a page that keeps each fourth draw must not see a fourth of that."""
    for step in (2, 4):
        kept = fitted["posterior"]["level_share"].isel(draw=slice(None, None, step), attribute=0, level=1)
        assert len(np.unique(kept.to_numpy())) == model.WORLDS // model.COPULAS * model.COPULAS


def test_planted_effects_are_found_though_a_third_is_blank(
    fitted: xr.DataTree, planted: tuple[DriverData, xr.Dataset]
) -> None:
    truth, posterior = planted[1], fitted["posterior"].dataset
    found = inside(posterior["level_effect"], truth["level_effect"])
    assert found.mean() > 0.9
    assert inside(posterior["r2"], truth["r2"])
    assert inside(posterior["cut"], truth["cut"]).all()
    np.testing.assert_allclose(posterior["level_share"].mean(("chain", "draw")), truth["level_share"][0, 0], atol=0.035)
    assert set(np.argsort(-shares(posterior).mean(axis=0))[:3]) == {0, 1, 2}
    assert diagnostics.gate(fitted, names=("cut", "r2", "level_effect")).passed


def test_blanks_filled_with_the_middle_would_have_biased(planted: tuple[DriverData, xr.Dataset]) -> None:
    """The negative control of the test above."""
    data, truth = with_blanks(planted[0], 0.3, seed=2), planted[1]
    guessed = again(data, codes=np.where(data.codes == BLANK, 2, data.codes))
    posterior = model.fit(guessed, draws=250, seed=3, monotone="yes")["posterior"].dataset
    assert not inside(posterior["r2"], truth["r2"])


def test_no_rating_is_made_up_for_somebody_who_did_not_use_it(planted: tuple[DriverData, xr.Dataset]) -> None:
    data = with_blanks(planted[0], 0.3, seed=2)
    filled = imputation.impute(imputation.fit(data, seed=1), data.codes, times=3, seed=2)
    known = data.codes != BLANK
    assert (filled.swapaxes(1, 2)[known] == data.codes[known][:, None]).all()
    assert (filled != BLANK).all()
    hidden = (filled == NOT_USED).swapaxes(1, 2)[~known].mean()  # a blank may hide it as often as others said it
    assert hidden == pytest.approx(0.15, abs=0.03)


def test_blanks_follow_the_other_ratings_also_when_they_depend_on_them() -> None:
    """Who is unhappy with the first leaves the second blank: its mean and correlation are still found."""
    codes = ratings(3000, 4, seed=5, r=0.8)
    random = np.random.default_rng(6)
    gaps = random.random(3000) < np.where(codes[:, 0] <= 1, 0.8, 0.1)
    holed = codes.copy()
    holed[gaps, 1] = BLANK
    data, _ = model.simulate(codes, levels=levels(4), seed=7)
    data = again(data, codes=holed)
    copula = imputation.fit(data, seed=1)
    filled = imputation.impute(copula, data.codes, times=5, seed=2)
    assert codes[~gaps, 1].mean() - codes[:, 1].mean() > 0.15  # what was said misleads
    assert filled[:, :, 1].mean() == pytest.approx(codes[:, 1].mean(), abs=0.05)
    assert copula.correlation[0, 1] == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("blank", [0.0, 0.3])
def test_a_shuffled_outcome_has_no_drivers(blank: float) -> None:
    data, _ = model.simulate(ratings(2000, 12, seed=8), levels=levels(12), seed=9)
    shuffled = again(data, outcome=np.random.default_rng(10).permutation(data.outcome))
    posterior = model.fit(with_blanks(shuffled, blank, seed=11), draws=250, seed=12)["posterior"].dataset
    found = shares(posterior)
    assert np.quantile(found.sum(axis=1), 0.95) < 0.03
    assert np.bincount(found.argmax(axis=1)).max() / len(found) < 0.9


def test_an_attribute_that_works_the_other_way_is_turned_round() -> None:
    codes = ratings(2000, 4, seed=13, r=0.5)
    mirrored = codes.copy()
    mirrored[:, 0] = 4 - codes[:, 0]
    data, truth = model.simulate(codes, levels=levels(4), seed=14, priors=STRONG, strength=np.ones(4))
    posterior = model.fit(again(data, codes=mirrored), draws=250, monotone="yes")["posterior"].dataset
    effect = posterior["level_effect"].mean(("chain", "draw")).to_numpy()
    assert effect[0, 1] > 0 > effect[0, 5]
    assert (effect[1:, 5] > effect[1:, 1]).all()
    np.testing.assert_allclose(effect[0, :0:-1], truth["level_effect"].to_numpy()[0, 0, 0, 1:], atol=0.5)


def test_the_shape_is_chosen_by_prediction(planted: tuple[DriverData, xr.Dataset]) -> None:
    codes = ratings(2000, 3, seed=15, r=0.3)
    random = np.random.default_rng(16)
    latent = 1.5 * np.abs(codes[:, 0] - 2) + random.logistic(size=2000)  # the middle is worst
    bent = model_data(
        codes, np.searchsorted(np.quantile(latent, [0.2, 0.4, 0.6, 0.8]), latent), attributes=["a", "b", "c"],
        levels=levels(3), kind="ordinal", outcome_levels=FIVE,
    )  # fmt: skip
    table = model.compare(bent).set_index("shape")
    assert table.loc["free", "difference"] > 50
    assert model.fit(bent, draws=100).attrs["shape"] == "monotone"  # a curve that falls has to be asked for
    straight, _ = model.simulate(ratings(3000, 6, seed=15, r=0.9), levels=levels(6), seed=3, priors=EVEN)
    table = model.compare(straight).set_index("shape")
    assert table.loc["linear", "score"] > table.loc["monotone", "score"]
    table = model.compare(planted[0]).set_index("shape")  # rising curves: nothing is better by much
    assert table["difference"].max() < 10


def test_left_out_scores_are_those_of_refits() -> None:
    """One Newton step against leaving a tenth out and fitting again."""
    data, _ = model.simulate(ratings(400, 4, seed=17, r=0.5), levels=levels(4), seed=18, priors=STRONG)
    quick = float(model.compare(data).set_index("shape").loc["monotone", "score"])
    part = np.arange(400) % 10
    slow = 0.0
    for k in range(10):
        tree = model.fit(data.take(np.flatnonzero(part != k)), draws=50, monotone="yes")
        slow += model.log_score(tree, data.take(np.flatnonzero(part == k))).sum()
    assert quick == pytest.approx(slow, abs=6.0)


def test_groups_differ_where_they_do() -> None:
    codes = ratings(3000, 3, seed=19, r=0.3)
    random = np.random.default_rng(20)
    group = random.integers(0, 2, 3000)
    latent = codes @ [0.5, 0.5, 0.5] + np.where(group == 1, 0.6, -0.3) * codes[:, 0] + random.logistic(size=3000)
    outcome = np.searchsorted(np.quantile(latent, [0.2, 0.4, 0.6, 0.8]), latent)
    given = {"attributes": ["a", "b", "c"], "levels": levels(3), "kind": "ordinal", "outcome_levels": FIVE}
    data = model_data(codes, outcome, group=group, groups=["x", "y"], **given)  # type: ignore[arg-type]
    tree = model.fit(data, draws=250, monotone="yes")
    rise = tree["posterior"]["group_rise"].stack(s=("chain", "draw")).to_numpy()
    assert (rise[1, 0] > rise[0, 0]).mean() > 0.99
    assert 0.02 < (rise[1, 1] > rise[0, 1]).mean() < 0.98
    alone = model_data(codes, outcome, **given)  # type: ignore[arg-type]
    better = model.log_score(tree, data) - model.log_score(model.fit(alone, draws=250, monotone="yes"), alone)
    assert better.sum() > 20
    shuffled = replace(data, group=random.permutation(group))  # the negative control
    rise = model.fit(shuffled, draws=250, monotone="yes")["posterior"]["group_rise"].stack(s=("chain", "draw"))
    chance = (rise[1] > rise[0]).mean("s").to_numpy()
    assert ((chance > 0.01) & (chance < 0.99)).all()


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_other_outcomes(kind: str) -> None:
    codes = ratings(800, 4, seed=21, r=0.5)
    data, truth = model.simulate(
        codes, levels=levels(4), kind=kind, outcome_levels=(0, 1) if kind == "binary" else (), seed=22, priors=STRONG
    )  # type: ignore[arg-type]
    data = again(data, outcome=data.outcome if kind == "binary" else 50 + 10 * data.outcome)
    unit = 1.0 if kind == "binary" else 10.0
    tree = model.fit(data, draws=250, monotone="yes")
    posterior = tree["posterior"].dataset
    codes_only = {"level": slice(1, None)}  # everybody used everything
    assert (
        inside(posterior["level_effect"].isel(codes_only), unit * truth["level_effect"].isel(codes_only)).mean() > 0.85
    )
    assert inside(posterior["noise_var"], unit**2 * truth["noise_var"])
    said = model.predict(tree, data.codes)
    mean = said.mean(axis=0) if kind == "continuous" else said.mean(axis=0)[:, 1]
    assert mean.mean() == pytest.approx(data.outcome.mean(), abs=0.03 if kind == "binary" else 1.5)
    spread = data.outcome.std()
    known = np.log(spread * np.sqrt(2 * np.pi * np.e)) if kind == "continuous" else np.log(2)
    assert model.log_score(tree, data).mean() > -known


def test_predictions_are_probabilities(fitted: xr.DataTree, planted: tuple[DriverData, xr.Dataset]) -> None:
    data = with_blanks(planted[0], 0.3, seed=2)
    p = model.predict(fitted, data.codes[:50], draws=100)
    assert p.shape == (100, 50, 5)
    np.testing.assert_allclose(p.sum(axis=2), 1.0)
    with pytest.raises(ModelError, match="blanks"):
        model.predict(model.fit(planted[0], draws=50, monotone="yes"), data.codes[:50])
    counts = np.bincount(data.outcome)
    guess = np.log(counts / counts.sum())[data.outcome]
    assert model.log_score(fitted, data).mean() > guess.mean() + 0.1


def test_weights_count_for_what_they_are_worth(planted: tuple[DriverData, xr.Dataset]) -> None:
    data, _ = planted
    given = {"attributes": data.attributes, "levels": data.levels, "kind": data.kind, "outcome_levels": FIVE}
    heavy = model_data(data.codes, data.outcome, weights=np.full(1500, 3.0), **given)  # type: ignore[arg-type]
    assert heavy.n_eff == pytest.approx(1500)
    weights = np.where(np.arange(1500) % 2 == 0, 1.9, 0.1)
    uneven = model_data(data.codes, data.outcome, weights=weights, **given)  # type: ignore[arg-type]
    assert uneven.n_eff == pytest.approx(1500**2 / (750 * (1.9**2 + 0.1**2)), rel=1e-9)


def test_the_same_seed_gives_the_same_draws(planted: tuple[DriverData, xr.Dataset]) -> None:
    data = with_blanks(planted[0], 0.3, seed=2)
    first, second = (model.fit(data, draws=50, seed=5, monotone="yes")["posterior"].dataset for _ in range(2))
    xr.testing.assert_identical(first, second)


def test_everything_wrong_is_told_at_once() -> None:
    codes = np.zeros((10, 2), int)
    codes[0, 0] = 7
    codes[:, 1] = BLANK
    with pytest.raises(ModelError) as caught:
        model_data(
            codes, np.zeros(10), attributes=["a", "a"], levels=[FIVE, FIVE], kind="ordinal", outcome_levels=FIVE,
            weights=np.full(10, -1.0),
        )  # fmt: skip
    said = str(caught.value)
    for part in (
        "3 to 40",
        "named twice",
        "found 7",
        "nobody rated",
        "same for everybody",
        "at least 30",
        "not negative",
    ):
        assert part in said
    with pytest.raises(ModelError, match="do not fit together"):
        model_data(codes, np.zeros(9), attributes=["a", "b"], levels=[FIVE, FIVE], kind="ordinal", outcome_levels=FIVE)
