"""Expectation against experience on worlds with known truth, on worlds with nothing in them, and at its edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import ndtr
from scipy.stats import binom, multivariate_normal

from cxlab.errors import ModelError
from cxlab.inference import estimates
from cxlab.journey import bivariate_normal, expectations
from cxlab.journey.expectations import Priors
from cxlab.journey.paired_data import PairedData, interpolate
from cxlab.journey.paired_density import Posterior

CODES = (1.0, 2.0, 3.0, 4.0, 5.0)
PERIODS = ("2025", "2026", "2027")


def cells(*, n: int = 150, single: int = 40, periods: tuple[str, ...] = PERIODS, event: bool = False) -> pd.DataFrame:
    """Cells of periods and two segments; with an event: those listed and not, before and after it."""
    rows = []
    for period in periods:
        for segment in "ab":
            for reached in (0, 1) if event else (0,):
                on = int(bool(reached) and period == periods[-1])
                rows.append({"period": period, "age": segment, "promise": on, "reached": reached})
    sizes = {"n_both": n, "n_expectation": single, "n_experience": single}
    frame = pd.DataFrame(rows).assign(**sizes)
    return frame if event else frame.drop(columns=["promise", "reached"])


def world(seed: int, *, event: bool = False, **options) -> tuple[PairedData, xr.Dataset]:
    size = {k: options.pop(k) for k in ("n", "single", "periods") if k in options}
    flags = {"events": ["promise"], "baselines": ["reached"]} if event else {}
    frame = cells(event=event, **size)
    periods = size.get("periods", PERIODS)
    options = {"codes": CODES} | options
    return expectations.simulate(frame, periods=periods, factors=["age"], seed=seed, **flags, **options)


def told(data: PairedData, *, seed: int = 1, draws: int = 250, priors: Priors | None = None) -> xr.Dataset:
    tree = expectations.fit(data, seed=seed, draws=draws, priors=priors)
    return expectations.estimands(tree["posterior"].dataset, data, satisfied_from=4.0)


def draws_of(found: xr.Dataset, name: str) -> np.ndarray:
    return found[name].to_numpy().reshape(-1, found[name].shape[-1])


def covered(found: xr.Dataset, true: xr.Dataset, names: list[str] | None = None) -> np.ndarray:
    """Whether each true value lies in its 90 % interval."""
    hits = []
    for name in names or [str(v) for v in found.data_vars]:
        low, high = np.quantile(draws_of(found, name), [0.05, 0.95], axis=0)
        hits.append((low <= draws_of(true, name)[0]) & (draws_of(true, name)[0] <= high))
    return np.concatenate(hits)


# the density ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", [-0.97, -0.6, 0.0, 0.35, 0.69, 0.9, 0.98])
def test_rectangles_are_those_of_the_bivariate_normal(correlation: float) -> None:
    h, k = np.array([[[-1.2, 0.3, 2.0]]]), np.array([[[-2.5, 0.1, 1.5, 3.0]]])
    share = bivariate_normal.rectangles(
        h, k, np.array([correlation]), bivariate_normal.shares(h), bivariate_normal.shares(k)
    )[0, 0]
    law = multivariate_normal(cov=[[1, correlation], [correlation, 1]])
    below = np.zeros((5, 6))
    below[1:-1, 1:-1] = [[law.cdf([a, b]) for b in k[0, 0]] for a in h[0, 0]]
    below[-1] = np.r_[0, ndtr(k[0, 0]), 1]
    below[:, -1] = np.r_[0, ndtr(h[0, 0]), 1]
    np.testing.assert_allclose(share, np.diff(np.diff(below, axis=0), axis=1), atol=2e-6)
    assert share.sum() == pytest.approx(1, abs=1e-9)


def test_shares_of_far_categories_do_not_cancel() -> None:
    h = np.array([[-9.0, -8.0, 0.5, 8.0, 9.0]])
    share = bivariate_normal.shares(h)[0]
    assert share[1] == pytest.approx(ndtr(-8.0) - ndtr(-9.0), rel=1e-2, abs=bivariate_normal.LEAST)
    assert share[1] == pytest.approx(share[4], rel=1e-12)


@pytest.mark.parametrize("case", ["all", "seven codes", "unpaired", "experience only", "two codes"])
def test_gradient_and_many_points(case: str) -> None:
    options = {"seven codes": {"experience_codes": range(1, 8)}, "two codes": {"codes": (0.0, 1.0)}}.get(case, {})
    size = {"unpaired": {"n": 0}, "experience only": {"n": 0}}.get(case, {})
    data, _ = world(2, event=True, managers=20, **options, **size)
    if case == "experience only":
        counts = pd.DataFrame({"period": ["2025"], "expectation": np.nan, "experience": 3.0, "n": 10})
        data = expectations.model_data(counts, expectation_codes=(), experience_codes=CODES, periods=PERIODS)
    target = Posterior(data, Priors())
    x = target.start() + np.random.default_rng(1).normal(0, 0.2, target.size)
    value, slope = target(x)
    steps = np.eye(target.size) * 1e-5
    numeric = [(target(x + s)[0] - target(x - s)[0]) / 2e-5 for s in steps]
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-5 * abs(slope).max())
    np.testing.assert_allclose(target.many(np.stack([x, x + 0.1]))[0], value)


def test_density_is_that_of_the_pymc_model() -> None:
    data, _ = world(3, event=True, managers=20, experience_codes=range(1, 8))
    target = Posterior(data, Priors())
    oracle = expectations.build_model(data).compile_logp(mode="FAST_COMPILE")
    random, apart = np.random.default_rng(0), []
    for _ in range(3):
        x = target.start() + random.normal(0, 0.25, target.size)
        point = {}
        for name, place in target.places.items():
            if name == "cut":
                cut = target.unpack(x[None]).cut[0]
                point |= {"cut_0": cut[0], "log_step": np.log(np.diff(cut))}
                jacobian = np.array([target.unpack((x + s)[None]).cut[0] - target.unpack((x - s)[None]).cut[0] for s in
                                     np.eye(target.size)[place] * 1e-5]) / 2e-5  # fmt: skip
                volume = np.linalg.slogdet(jacobian)[1] - np.log(np.diff(cut)).sum()
            elif name.startswith("by_"):
                point |= {f"{name}_{data.columns[block[0]][0]}": x[place][block] for block, _ in target.blocks}
            else:
                point[name] = x[place] if name == "manager_walk" else x[place][0]
        apart.append(float(oracle(point)) + volume - target(x)[0])
    np.testing.assert_allclose(apart, apart[0], atol=1e-6)


def test_a_shorter_scale_has_its_boundaries_between_those_of_the_longer() -> None:
    np.testing.assert_array_equal(interpolate(4, 4), np.eye(4))
    np.testing.assert_allclose(interpolate(10, 1) @ np.arange(1.0, 11.0), 5.5)
    weights = interpolate(6, 4)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights @ (np.arange(1, 7) / 7), np.arange(1, 5) / 5)


# what it finds -------------------------------------------------------------------------------------------------------


def coverage(worlds: int, *, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Pooled hits of the intervals for the own truth, and for that of the world before."""
    own, other, before = [], [], None
    for seed in range(first, first + worlds):
        data, truth = world(seed, event=True, managers=30, n=100)
        found, true = told(data, seed=seed), expectations.estimands(truth, data, satisfied_from=4.0)
        own.append(covered(found, true))
        if before is not None:
            other.append(covered(found, before))
        before = true
    return np.concatenate(own), np.concatenate(other)


def test_intervals_cover_on_worlds_of_the_prior() -> None:
    own, other = coverage(20, first=100)
    assert 0.82 < own.mean() < 0.97  # of 20 worlds the quantities of one are alike: an sd of about .03
    assert other.mean() < 0.5  # intervals so wide that they cover anything would pass the line above


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_calibration() -> None:
    own, other = coverage(200, first=1000)
    assert 0.87 < own.mean() < 0.93
    assert other.mean() < 0.5


def shuffled(data: PairedData, seed: int) -> PairedData:
    """The same margins in each cell, the pairs drawn anew."""
    from dataclasses import replace

    random = np.random.default_rng(seed)
    both = np.zeros_like(data.both)
    for cell, table in zip(both, data.both, strict=True):
        first = np.repeat(np.arange(5), table.sum(axis=1).astype(int))
        second = random.permutation(np.repeat(np.arange(5), table.sum(axis=0).astype(int)))
        np.add.at(cell, (first, second), 1)
    return replace(data, both=both)


def test_shuffled_pairs_have_no_correlation_and_fewer_met_expectations() -> None:
    data, _ = world(4, truth={"fisher": 1.0, "experience": 0.0, "spread": 0.0}, n=200)
    apart = shuffled(data, 1)
    found, none = told(data), told(apart)
    low, high = np.quantile(draws_of(none, "correlation")[:, 0], [0.05, 0.95])
    assert low < 0 < high
    assert np.quantile(draws_of(found, "correlation")[:, 0], 0.05) > 0.6
    met = [draws_of(f, "p_met")[:, -1] for f in (found, none)]
    assert np.quantile(met[0], 0.05) > np.quantile(met[1], 0.95)
    gap = [draws_of(f, "gap_mean")[:, -1].mean() for f in (found, none)]
    assert gap[0] == pytest.approx(gap[1], abs=0.05)  # margins alone say as much of the mean gap


def test_pairs_narrow_the_interval_of_the_gap_and_it_stays_right() -> None:
    from dataclasses import replace

    narrower, hits = [], []
    for seed in range(8):
        data, truth = world(
            seed, truth={"fisher": 0.9, "spread": 0.0}, n=150, single=0, periods=("2025",),
            priors=Priors(concentration=4.0),
        )  # fmt: skip
        torn = replace(
            data, both=np.zeros_like(data.both), expectation_only=data.both.sum(axis=2),
            experience_only=data.both.sum(axis=1),
        )  # fmt: skip
        paired, unpaired = told(data), told(torn)
        narrower.append(draws_of(paired, "gap_mean").std() / draws_of(unpaired, "gap_mean").std())
        hits.append(covered(paired, expectations.estimands(truth, data, satisfied_from=4.0), ["gap_mean"])[0])
    assert np.mean(narrower) < 0.75  # sqrt(1 - rho) = .53 for continuous answers, rho = .72
    assert sum(hits) >= binom.ppf(0.01, 8, 0.9)


def verdicts(gap: float, worlds: int) -> list[str]:
    found = []
    for seed in range(worlds):
        frame = pd.DataFrame({"period": ["2026"], "n_both": 120, "n_expectation": 20, "n_experience": 40})
        data, _ = expectations.simulate(
            frame, codes=CODES, periods=["2026"], seed=seed, truth={"experience": gap, "spread": 0.0},
            priors=Priors(concentration=5.0),
        )  # fmt: skip
        found.append(estimates.verdict(draws_of(told(data, seed=seed), "gap_mean")[:, 0], practical=0.1))
    return found


def test_without_a_gap_nothing_is_called_missed_or_exceeded() -> None:
    called = sum(v in ("better", "worse") for v in verdicts(0.0, 60))
    assert called <= binom.ppf(0.995, 60, 0.05)  # a direction is named at .975 on either side
    assert verdicts(-0.6, 10).count("worse") >= 9


def test_those_who_answered_one_question_only_are_not_dropped() -> None:
    """Who was disappointed beforehand does not rate the experience: complete pairs flatter, the model does not."""
    from dataclasses import replace

    frame = pd.DataFrame({"period": ["2026"], "n_both": 3000, "n_expectation": 0, "n_experience": 0})
    fixed = {"experience": 0.0, "spread": 0.0, "fisher": 1.0}
    data, truth = expectations.simulate(
        frame, codes=CODES, periods=["2026"], seed=5, truth=fixed, priors=Priors(concentration=20.0)
    )
    true = float(expectations.estimands(truth, data)["experience_mean"].squeeze())
    kept = data.both.copy()
    kept[:, :3] = 0.0
    silent = replace(data, both=kept, expectation_only=data.both.sum(axis=2) * (np.arange(5) < 3))
    naive = float((kept.sum(axis=(0, 1)) @ np.array(CODES)) / kept.sum())
    found = draws_of(told(silent), "experience_mean")[:, 0]
    assert naive > true + 0.3
    assert np.quantile(found, 0.005) < true < np.quantile(found, 0.995)
    assert abs(found.mean() - true) < 0.15


def test_scales_of_different_length_are_linked() -> None:
    hits = []
    for seed in range(1, 7):
        data, truth = world(seed, experience_codes=range(0, 11), n=120, periods=("2025", "2026"))
        assert data.both.shape[1:] == (5, 11)
        found, true = told(data), expectations.estimands(truth, data, satisfied_from=4.0)
        assert "code_met" not in found
        hits.append(covered(found, true, ["expectation_mean", "experience_mean", "gap_mean", "gap_latent", "p_below"]))
    assert np.mean(hits) > 0.75


def test_managers_are_compared_with_experiences_only() -> None:
    """Where nobody told an experience in the periods kept, there is nothing to compare managers with."""
    counts = pd.DataFrame({"period": "2025", "expectation": CODES, "experience": np.nan, "n": 20})
    managers = pd.DataFrame({"period": "2025", "code": [4.0, 5.0], "n": 10})
    data = expectations.model_data(
        counts, expectation_codes=CODES, experience_codes=CODES, periods=["2025"], managers=managers,
        manager_codes=CODES,
    )  # fmt: skip
    found = told(data)
    assert "expectation_mean" in found
    assert not [str(name) for name in found.data_vars if "managers" in str(name) or "experience" in str(name)]


def test_managers_who_overestimate_are_found_and_those_who_do_not_are_not() -> None:
    for seed, delta in ((1, 0.8), (2, 0.0)):
        data, truth = world(
            seed, managers=60, n=150, truth={"manager": delta, "manager_spread": 0.0, "manager_walk": 0.0},
            priors=Priors(concentration=5.0),
        )  # fmt: skip
        found = draws_of(told(data), "experience_gap_mean")[:, -1]
        true = float(expectations.estimands(truth, data)["experience_gap_mean"].squeeze()[-1])
        assert np.quantile(found, 0.005) < true < np.quantile(found, 0.995)
        assert ((found > 0).mean() > 0.975) == (delta > 0)


def test_an_event_is_told_from_who_it_reached() -> None:
    """Those reached expect more anyway: their level is no effect, their change is."""
    priors = Priors(concentration=5.0)
    for effect in (0.0, 0.6):
        data, truth = world(7, event=True, n=220, truth={"promise": effect}, priors=priors)
        target = Posterior(data, priors)
        level = target.places["by_expectation"].start + data.columns.index(("baseline", "reached"))
        x = truth["x"].to_numpy().copy()
        x[..., level] = 0.5
        data = redrawn(data, x, priors=priors)
        found = told(data, draws=500)
        shift = draws_of(found, "expectation_shift_latent")[:, 0]
        assert abs(shift.mean() - effect) < 0.3
        assert ((shift > 0).mean() > 0.975) == (effect > 0)
        on, reached = (data.cells[c].to_numpy() == 1 for c in ("promise", "reached"))
        said = data.both.sum(axis=2) + data.expectation_only
        now = (data.cells["period"] == PERIODS[-1]).to_numpy()
        raw = [said[m].sum(axis=0) @ np.array(CODES) / said[m].sum() for m in (on, now & ~reached)]
        assert raw[0] - raw[1] > 0.2  # the plain difference claims an effect in both worlds
        assert found["n_with"].item() == said[on].sum()


def redrawn(data: PairedData, x: np.ndarray, *, priors: Priors) -> PairedData:
    """Answers drawn anew from changed parameters."""
    from dataclasses import replace

    target = Posterior(data, priors)
    p = target.unpack(x[0])
    level_e = (p.by_expectation @ data.design.T)[:, :, None]
    level_x = (p.experience[:, None] + p.by_experience @ data.design.T)[:, :, None]
    h, k = p.cut[:, None, :] - level_e, (p.cut[:, None, :] - level_x) * np.exp(-p.spread)[:, None, None]
    share = bivariate_normal.rectangles(
        h, k, np.tanh(p.fisher), bivariate_normal.shares(h), bivariate_normal.shares(k)
    )[0]
    random = np.random.default_rng(3)

    def counts(old: np.ndarray, shares: np.ndarray) -> np.ndarray:
        size = old.reshape(len(old), -1).sum(axis=1).astype(int)
        flat = shares.reshape(len(shares), -1)
        flat = flat / flat.sum(axis=1, keepdims=True)
        return (
            np.stack([random.multinomial(n, s) for n, s in zip(size, flat, strict=True)])
            .reshape(old.shape)
            .astype(float)
        )

    return replace(
        data,
        both=counts(data.both, share),
        expectation_only=counts(data.expectation_only, share.sum(axis=2)),
        experience_only=counts(data.experience_only, share.sum(axis=1)),
    )


def test_history_helps_a_thin_period() -> None:
    frame = cells(n=300)
    frame.loc[frame["period"] == "2027", ["n_both", "n_expectation", "n_experience"]] = (15, 5, 5)
    data, _ = expectations.simulate(frame, codes=CODES, periods=PERIODS, factors=["age"], seed=6)
    alone, _ = expectations.simulate(
        frame[frame["period"] == "2027"], codes=CODES, periods=["2027"], factors=["age"], seed=6
    )
    sd = [draws_of(told(d), "gap_latent")[:, -1].std() for d in (data, alone)]
    assert sd[0] < 0.75 * sd[1]


def test_the_same_seed_gives_the_same_draws() -> None:
    data, _ = world(8, n=40)
    one, two, other = (expectations.fit(data, seed=s, draws=100)["posterior"]["x"].to_numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


# edges ---------------------------------------------------------------------------------------------------------------


def test_one_answer() -> None:
    counts = pd.DataFrame({"period": ["2025"], "expectation": [4.0], "experience": [np.nan], "n": [1]})
    data = expectations.model_data(counts, expectation_codes=CODES, experience_codes=CODES, periods=["2025"])
    found = told(data)
    assert set(found.data_vars) == {"expectation_mean", "expectation_top_box", "expectation_csat"}
    assert 2.5 < found["expectation_mean"].mean() < 4.2
    assert found["n_experience"].item() == 0


def test_unpaired_answers_have_a_gap_and_no_share_of_disappointed() -> None:
    data, _ = world(9, n=0, single=100)
    found = told(data)
    assert "gap_mean" in found
    assert "p_below" not in found


BAD = {
    "column": (lambda t: t.rename(columns={"experience": "experiense"}), r"experience: .*did you mean 'experiense'"),
    "code": (lambda t: t.assign(expectation=6.0), r"expectation: unknown code .*found 6; allowed: 1, 2, 3, 4, 5"),
    "text": (lambda t: t.assign(expectation="good"), "expectation: codes must be numbers"),
    "period": (lambda t: t.assign(period="2052"), r"unknown period \(found 2052; did you mean '202[56]'"),
    "negative": (lambda t: t.assign(n=-1), "n: counts must not be negative"),
    "nobody": (lambda t: t.assign(n=0), "no answers"),
    "empty": (lambda t: t.iloc[:0], "no answers"),
    "missing": (lambda t: t.assign(expectation=np.nan, experience=np.nan), "no answers"),
    "group": (lambda t: t.assign(age=None), "age: counts has rows without a group"),
    "flag": (lambda t: t.assign(promise=2), "promise: must be 0 or 1"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_counts_are_refused(case) -> None:
    change, said = case
    table = pd.DataFrame(
        {"period": ["2025", "2026"], "age": "a", "promise": [0, 1], "expectation": 4.0, "experience": 3.0, "n": 5}
    )
    with pytest.raises(ModelError, match=said):
        expectations.model_data(
            change(table), expectation_codes=CODES, experience_codes=CODES, periods=["2025", "2026"], factors=["age"],
            events=["promise"],
        )  # fmt: skip


def test_all_problems_are_told_at_once() -> None:
    table = pd.DataFrame({"period": ["2025"], "expectation": 9.0, "experience": 7.0, "n": 5})
    managers = pd.DataFrame({"period": ["2029"], "code": 8.0, "n": 1})
    with pytest.raises(ModelError) as failed:
        expectations.model_data(
            table,
            expectation_codes=CODES,
            experience_codes=CODES,
            periods=["2025"],
            managers=managers,
            manager_codes=CODES,
        )
    assert len(failed.value.problems) == 4
