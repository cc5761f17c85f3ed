from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from driver_world import CURVES, CUT, FAILED, GOOD, LABELS, PARAMS, data, estimates, measured, posterior, question

from cxlab.drivers import estimates as driver_estimates
from cxlab.drivers import fits, kano, whatif
from cxlab.drivers.data import model_data
from cxlab.drivers.findings import Subject
from cxlab.drivers.fits import Measured
from cxlab.errors import ModelError
from cxlab.report.writing import Writer
from cxlab.vocab import ESTIMATE_COLUMNS

DRAWN = {"importance_share", "johnson_share", "bare_share", "effect", "reward", "penalty", "performance"}
CHANCES = {"p_top3", *(f"p_{k}" for k in (*kano.KINDS, "first", "keep", "later", "fine"))}
COUNTED = {"rated", "not_used", "blank", "use_part", "map_correlation", "sampling_error"}


@pytest.fixture(scope="module")
def world() -> tuple[Measured, pd.DataFrame]:
    one, table = estimates()
    return one, table.frame


def value(table: pd.DataFrame, estimand: str) -> dict[str, float]:
    rows = table[table["estimand"] == estimand]
    return dict(zip(rows["attribute"], rows["mean"], strict=True))


def test_every_estimand_of_every_attribute(world: tuple[Measured, pd.DataFrame]) -> None:
    _, table = world
    each = DRAWN | CHANCES | COUNTED
    assert set(table["estimand"]) == each | {"r2", "bare_r2"}
    assert len(table) == len(each) * len(CURVES) + 2
    assert set(ESTIMATE_COLUMNS) - {"run_id", "brand", "period", "model"} | {"attribute"} == set(table.columns)
    with_interval = table[table["estimand"].isin(DRAWN | {"r2", "bare_r2"})]
    assert (with_interval["ci_prob"] == 0.9).all()
    assert (with_interval["ci_low"] <= with_interval["ci_high"]).all()
    assert table["n"].between(1, 1500).all()


def test_shares_add_up_to_what_is_explained(world: tuple[Measured, pd.DataFrame]) -> None:
    one, table = world
    for estimand in ("importance_share", "johnson_share"):
        assert sum(value(table, estimand).values()) == pytest.approx(one.explained.mean(), abs=1e-6)
    np.testing.assert_allclose(one.shares.values.sum(axis=1), one.explained, atol=1e-8)


def test_kinds_add_up_to_one_and_are_the_planted_ones(world: tuple[Measured, pd.DataFrame]) -> None:
    _, table = world
    kinds = {k: value(table, f"p_{k}") for k in ("must_be", "linear", "delighter", "indifferent")}
    for attribute, kind in zip(CURVES, ("must_be", "linear", "delighter", "indifferent"), strict=True):
        assert sum(kinds[k][attribute] for k in kinds) == pytest.approx(1)
        assert kinds[kind][attribute] > 0.9


def test_nothing_is_named_where_nothing_matters() -> None:
    """The same judgement on a world without effects: nothing is a pain or a wow, and little is explained."""
    one, found = estimates(strength=0.01)
    table = found.frame
    assert value(table, "p_must_be")["delivery"] < 0.1
    assert value(table, "p_delighter")["staff"] < 0.1
    assert np.quantile(one.explained, 0.95) < 0.03


def test_performance_is_the_share_of_users_satisfied(world: tuple[Measured, pd.DataFrame]) -> None:
    one, table = world
    share = one.level_share
    wanted = share[:, 4:].sum(axis=1) / share[:, 1:].sum(axis=1)
    np.testing.assert_allclose(list(value(table, "performance").values()), wanted)
    assert not np.allclose(wanted, share[:, 4:].sum(axis=1))  # those who do not use it have no say


def test_a_fit_that_failed_gives_no_numbers() -> None:
    table = estimates(gate=FAILED)[1].frame
    counted = table["estimand"].isin(["rated", "not_used", "blank"])  # known without a fit
    assert table.loc[~counted, "mean"].isna().all()
    assert set(table.loc[~counted, "verdict"]) == {"withheld"}
    assert table.loc[counted, "mean"].notna().all()
    one = measured()
    assert driver_estimates.outlook_table([one], [FAILED], params=PARAMS)["mean"].isna().all()
    assert driver_estimates.ranks([one], [FAILED])["mean"].isna().all()
    with pytest.raises(ModelError, match="no fit passed"):
        whatif.stored(driver_estimates.draws_of([one], [FAILED]))


def test_chances_of_ranks_add_up(world: tuple[Measured, pd.DataFrame]) -> None:
    one, table = world
    ranks = driver_estimates.ranks([one], [GOOD])
    np.testing.assert_allclose(ranks.groupby("attribute")["mean"].sum(), 1)
    np.testing.assert_allclose(ranks.groupby("rank")["mean"].sum(), 1)
    top = ranks[ranks["rank"] <= 3].groupby("attribute")["mean"].sum()
    assert dict(top) == pytest.approx(value(table, "p_top3"))


def test_scenarios_of_a_page() -> None:
    one = measured()
    table = driver_estimates.outlook_table([one], [GOOD], params=PARAMS)
    assert set(table["scenario"]) == {*(f"lift:{a}" for a in CURVES), "target:home", "together"}
    assert set(table["metric"]) == {"csat", "unhappy"}
    csat = table[table["metric"] == "csat"].set_index("scenario")
    lifts = [csat.loc[f"lift:{a}", "mean"] for a in CURVES]
    assert csat.loc["together", "mean"] > max(lifts)
    assert abs(csat.loc["lift:web", "mean"]) < 0.01
    assert (csat["moved"] > 0).all()
    unhappy = table[table["metric"] == "unhappy"].set_index("scenario")
    assert (unhappy.loc[["lift:delivery", "lift:quality"], "ci_high"] < 0).all()


def test_blanks_are_filled_in_and_not_used_stays() -> None:
    one = data()
    codes, weight = fits.filled(one, seed=1)
    answered = one.codes[one.answered]
    assert codes.shape == answered.shape
    assert (codes >= 0).all()
    seen = answered != -1
    assert (codes[seen] == np.where(answered[seen] == -2, 0, answered[seen] + 1)).all()
    assert len(weight) == one.n
    filled = codes[~seen]
    assert np.corrcoef(filled, codes.mean(axis=1)[np.nonzero(~seen)[0]])[0, 1] > 0.2  # by who they are, not at random


def test_many_respondents_are_sampled_by_weight() -> None:
    one = data(6000, weighted=True)
    codes, weight = fits.filled(one, seed=1, most=500)
    assert codes.shape == (500, 4)
    assert np.ptp(weight) == 0
    rows = one.codes[one.answered]
    rated = rows[:, 1] >= 0
    wanted = np.average(rows[rated, 1], weights=one.weights[one.answered][rated])
    users = codes[:, 1] > 0
    assert codes[users, 1].mean() - 1 == pytest.approx(wanted, abs=0.15)


def test_a_what_if_of_stored_draws_is_that_of_the_page(tmp_path: object) -> None:
    first, second = measured(n=900), measured(name="again")
    path = f"{tmp_path}/drivers.nc"
    driver_estimates.draws_of([first, second], [GOOD, GOOD]).to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        at = whatif.stored(stored.load(), "again")
    moves = [whatif.Move("delivery", "lift")]
    np.testing.assert_allclose(
        whatif.change(at, moves)["csat"], whatif.change(second.outlook, moves)["csat"], atol=1e-4
    )
    with pytest.raises(ModelError, match="did you mean 'again'"):
        whatif.stored(stored, "agan")


def test_a_number_as_outcome() -> None:
    codes = data().codes
    random = np.random.default_rng(0)
    one = model_data(
        codes,
        random.normal(size=len(codes)),
        attributes=list(CURVES),
        levels=[(1, 2, 3, 4, 5)] * 4,
        kind="continuous",
        name="spend",
    )
    draws = posterior(data()).drop_vars("cut")
    about = question(role="behaviour", satisfied_from=None)
    found = fits.measure(one, draws, params=PARAMS, seed=1, about=about)
    assert found.metric == "mean"
    assert found.practical == pytest.approx(0.03)  # not that of mean ratings
    units = driver_estimates.table([found], [GOOD]).set_index("estimand")["unit"]
    assert set(units[["effect", "reward", "penalty"]]) == {"log of money"}
    write = Writer(LABELS, "en")
    assert "logarithm" in write(Subject("mean", "spend"))
    assert write(Subject("csat", "overall")).startswith("the share of satisfied customers")
    assert value(driver_estimates.table([found], [GOOD]), "effect")["quality"] == pytest.approx(0.4, abs=0.15)


def test_without_the_general_mood_shares_are_smaller(world: tuple[Measured, pd.DataFrame]) -> None:
    _, table = world
    plain, bare = (value(table, e) for e in ("importance_share", "bare_share"))
    assert sum(bare.values()) < sum(plain.values())
    assert sum(bare.values()) == pytest.approx(value(table, "bare_r2")[""])


def test_who_is_heard_adds_up(world: tuple[Measured, pd.DataFrame]) -> None:
    _, table = world
    parts = np.array([list(value(table, e).values()) for e in ("rated", "not_used", "blank")])
    np.testing.assert_allclose(parts.sum(axis=0), 1)


def test_predicted_answers_are_held_against_the_observed(world: tuple[Measured, pd.DataFrame]) -> None:
    one, _ = world
    shares = driver_estimates.predictive(one)
    assert shares["observed"].sum() == pytest.approx(1)
    assert shares["mean"].sum() == pytest.approx(1, abs=1e-5)
    assert driver_estimates.agrees(shares)
    wrong = shares.assign(observed=shares["observed"].to_numpy()[::-1])
    assert not driver_estimates.agrees(wrong)


def test_importance_by_use_is_told_apart_from_ratings() -> None:
    one = data()
    draws = posterior(one)
    plain = fits.measure(one, draws, params=PARAMS, seed=1, about=question())
    assert plain.by_use.max() < 0.2
    effect = draws["level_effect"].copy()
    effect[:, :, 3, 0] = 2.0  # not to use the web shop goes with much, how it is rated with little
    used = fits.measure(one, draws.assign(level_effect=effect), params=PARAMS, seed=1, about=question())
    assert used.by_use[3] > 0.9
    assert used.by_use[:3].max() < 0.1


def leaving(*, likes: float = 1.0) -> pd.DataFrame:
    """A world where what satisfies keeps customers from leaving (`likes` -1: makes them leave), as a table."""
    plain = data()
    one = replace(plain, name="left", kind="binary", outcome_levels=(0.0, 1.0), outcome=(plain.outcome < 2).astype(int))
    draws = posterior(one, strength=-likes).isel(boundary=[1])
    about = question(role="behaviour", satisfied_from=None)
    return driver_estimates.table([fits.measure(one, draws, params=PARAMS, seed=1, about=about)], [GOOD])


def test_what_makes_customers_leave_when_it_fails_is_a_pain() -> None:
    """Leaving is nobody's wish: what goes with it when rated poorly is a pain, what goes with staying is a wow."""
    table = leaving()
    assert value(table, "p_must_be")["delivery"] > 0.9
    assert value(table, "p_linear")["quality"] > 0.9
    assert value(table, "p_delighter")["staff"] > 0.9
    assert value(table, "penalty")["delivery"] < -0.1  # the numbers stay those of the outcome: fewer leave
    assert value(leaving(likes=-1.0), "p_must_be")["delivery"] < 0.1


def test_the_choice_of_respondents_is_no_fault_of_the_model() -> None:
    """Of many answers only some respondents are kept: the right model must not look wrong for it, a wrong one must."""
    for seed in (0, 2):
        one = data(60_000, seed=seed)
        draws = posterior(one, draws=50, noise=0.002)
        about = question()
        right = fits.measure(one, draws.assign(cut=draws["cut"] * 0 + CUT), params=PARAMS, seed=1, about=about)
        assert driver_estimates.agrees(driver_estimates.predictive(right))
        wrong = fits.measure(
            one, draws.assign(cut=draws["cut"] * 0 + np.array(CUT) * 0.8), params=PARAMS, seed=1, about=about
        )
        assert not driver_estimates.agrees(driver_estimates.predictive(wrong))


def test_the_map_pairs_draws_of_the_same_world(world: tuple[Measured, pd.DataFrame]) -> None:
    one, _ = world
    linked = replace(one, performance=one.shares.values * 0.5)  # performance rises with importance, draw by draw
    table = driver_estimates.table([linked], [GOOD])
    assert value(table, "map_correlation")["delivery"] == pytest.approx(1)


def test_one_group_is_everybody() -> None:
    plain = data(400)
    one = model_data(
        plain.codes,
        plain.outcome,
        attributes=plain.attributes,
        levels=plain.levels,
        kind="ordinal",
        outcome_levels=plain.outcome_levels,
        group=np.zeros(400, int),
        groups=("web",),
    )
    found = fits.measure(one, posterior(one, draws=50), params=PARAMS, seed=1, about=question())
    assert found.by_group == {}
    two = replace(one, groups=("web", "shop"))
    with pytest.raises(KeyError, match="group_rise"):  # where there are two, these draws would lack what is asked for
        fits.measure(two, posterior(one, draws=50), params=PARAMS, seed=1, about=question())


def test_the_score_of_a_scale_is_the_same_without_the_codes_that_nobody_gave() -> None:
    whole = tuple(map(float, range(11)))
    present = (3.0, 5.0, 6.0, 7.0, 9.0, 10.0)
    share = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.1])
    above = 1 - np.cumsum(share)
    found = whatif.measures(whole, role="nps", satisfied_from=None)
    score = sum(w * (1.0 if k < 0 else above[k]) for k, w in fits._among(found["nps"], whole, present))
    assert score == pytest.approx(100 * (0.4 - 0.4))
    unhappy = fits._among(found["unhappy"], whole, present)
    assert sum(w * (1.0 if k < 0 else above[k]) for k, w in unhappy) == pytest.approx(0.4)
