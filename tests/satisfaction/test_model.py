"""The satisfaction model on worlds with known truth, on worlds with nothing in them, and at its edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from satisfaction.worlds import CODES, cells, counts, labels
from scipy import stats

from cxlab.errors import ModelError
from cxlab.inference import contrasts
from cxlab.satisfaction import data as arrays
from cxlab.satisfaction import estimates
from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction.data import SatisfactionData, model_data
from cxlab.satisfaction.model import Priors

FACTORS = ("segment:age", "touchpoint")
NPS = tuple(map(float, range(11)))
QUICK = {"draws": 500, "tune": 400, "chains": 2}


def world(*, periods: int = 3, n: int = 60, seed: int = 1, codes: tuple[float, ...] = CODES, priors: Priors = Priors()):  # noqa: B008
    table = cells(factors={"segment:age": 3, "touchpoint": 4}, periods=periods, n=n)
    return satisfaction.simulate(table, codes=codes, factors=FACTORS, periods=labels(periods), seed=seed, priors=priors)


def data_of(table: pd.DataFrame, *, codes: tuple[float, ...] = CODES, periods: int = 3) -> SatisfactionData:
    return model_data(table, codes=codes, factors=FACTORS, periods=labels(periods))


def test_a_model_of_too_many_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = world()
    monkeypatch.setattr(arrays, "MOST_CELLS", 35)
    with pytest.raises(ModelError, match=r"36 cells, 14 effects.*up to 35 cells and 256 effects.*merge small groups"):
        data_of(table)


@pytest.mark.parametrize("n", [5, 50, 500, 50_000], ids=["200", "2k", "20k", "2M"])
def test_any_amount_of_answers_is_drawn_from_exactly(n: int) -> None:
    """200, 2,000, 20,000 and 2 million answers in 40 cells: weights to be trusted, no divergence, no Markov chain."""
    table = cells(factors={"segment:age": 2, "touchpoint": 5}, periods=4, n=n)
    answers, _ = satisfaction.simulate(table, codes=CODES, factors=FACTORS, periods=labels(4), seed=3)
    tree = satisfaction.fit(data_of(answers, periods=4), seed=1, **QUICK)
    assert tree.attrs["method"] == "nested"
    assert tree.attrs["khat"] < 0.7
    assert tree.attrs["ess"] > 700
    assert int(tree["sample_stats"]["diverging"].sum()) == 0


def unequal(a: tuple[float, float], b: tuple[float, float], *, seed: int) -> tuple[pd.DataFrame, float]:
    """2,000 answers each of two groups, normal on a latent scale cut at 1.5 .. 4.5, and Welch's t of b over a."""
    random = np.random.default_rng(seed)
    drawn = {g: np.digitize(m + s * random.standard_normal(2000), [1.5, 2.5, 3.5, 4.5]) + 1 for g, (m, s) in
             (("a", a), ("b", b))}  # fmt: skip
    rows = pd.DataFrame([(g, "2001", float(c), int((y == c).sum())) for g, y in drawn.items() for c in CODES])
    rows.columns = ["segment:g", "period", "code", "n_raw"]
    t = stats.ttest_ind(drawn["b"], drawn["a"], equal_var=False).statistic
    return rows[rows["n_raw"] > 0].assign(n=lambda x: x["n_raw"].astype(float)), float(t)


def chance_b_is_higher(rows: pd.DataFrame) -> float:
    data = model_data(rows, codes=CODES, factors=["segment:g"], periods=["2001"], scale_by="segment:g")
    told = estimates.latent(satisfaction.fit(data, seed=1, method="nested")["posterior"].dataset, data, period="2001")
    assert told is not None
    location = told["latent_location"].to_numpy().reshape(-1, 2)
    return float((location[:, 1] > location[:, 0]).mean())


def test_the_order_that_means_turn_round_is_got_right() -> None:
    """Liddell and Kruschke's inversion: b is higher and wider, the means say lower, and surely so."""
    for seed in range(3):
        rows, t = unequal((4.0, 0.6), (4.4, 2.5), seed=seed)
        assert t < -3
        assert chance_b_is_higher(rows) > 0.95


def test_equal_scales_turn_nothing_round() -> None:
    """Negative control: where both use the scale alike, the latent order is that of the means."""
    for seed in range(3):
        rows, t = unequal((4.0, 0.6), (3.8, 0.6), seed=seed)
        assert t < -3
        assert chance_b_is_higher(rows) < 0.05


def test_a_world_is_recovered() -> None:
    table, truth = world(n=400, priors=Priors(factor_scale=2.0))
    data = data_of(table)
    tree = satisfaction.fit(data, seed=3, **QUICK)
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    metrics = ["mean", "top_box", "csat"]
    told = estimates.estimands(tree["posterior"].dataset, data, metrics=metrics, satisfied_from=4)
    true = estimates.estimands(truth, data, metrics=metrics, satisfied_from=4)
    assert list(told["level"].to_numpy()[:3]) == ["total"] * 3
    assert set(told["group"].to_numpy()[told["level"].to_numpy() == "touchpoint"]) == {"t0", "t1", "t2", "t3"}
    for metric in metrics:
        mean, sd = (getattr(told[metric], f)(("chain", "draw")).to_numpy() for f in ("mean", "std"))
        z = (mean - true[metric].to_numpy()[0, 0]) / sd
        assert abs(z).max() < 4
        assert (abs(z) < 1.645).mean() > 0.75
        assert np.corrcoef(mean, true[metric].to_numpy()[0, 0])[0, 1] > 0.98


def test_draws_depend_on_data_and_seed_only() -> None:
    table, _ = world()
    first, again, other = (
        satisfaction.fit(data_of(t), seed=s, draws=50, tune=100, chains=2)["posterior"]["eta"].to_numpy()
        for t, s in ((table, 5), (table.sample(frac=1.0, random_state=1), 5), (table, 6))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_counts_and_weights_are_fractional() -> None:
    table, _ = world(n=100)
    full, half = data_of(table), data_of(table.assign(n=table["n"] / 4))
    assert half.n_raw.sum() == full.n_raw.sum() == 3600
    assert half.counts.sum() == 900
    sd = [
        estimates.estimands(satisfaction.fit(d, seed=2, **QUICK)["posterior"].dataset, d, metrics=["mean"])["mean"]
        .isel(row=0)
        .std()
        .item()
        for d in (full, half)
    ]
    assert 1.5 < sd[1] / sd[0] < 2.4  # a quarter of the information: about twice the sd


EDGES = {
    "one period": {"periods": 1},
    "two codes": {"codes": (0.0, 1.0)},
    "eleven codes": {"codes": NPS},
    "a few answers": {"n": 1, "periods": 1},
}


@pytest.mark.parametrize("case", EDGES.values(), ids=EDGES)
def test_edges(case: dict) -> None:
    table, _ = world(**case)
    codes, periods = case.get("codes", CODES), case.get("periods", 3)
    data = data_of(table, codes=codes, periods=periods)
    posterior = satisfaction.fit(data, seed=1, draws=100, tune=200, chains=2)["posterior"].dataset
    told = estimates.estimands(posterior, data, metrics=["mean"])["mean"].to_numpy()
    assert np.isfinite(told).all()
    assert codes[0] <= told.min() <= told.max() <= codes[-1]
    ahead = estimates.forecast(posterior, data, target_period="next", metrics=["mean"], seed=1)["mean"]
    assert codes[0] <= ahead.min() < ahead.max() <= codes[-1]


def test_one_cell_one_answer_an_unused_code_and_a_single_group() -> None:
    one = pd.DataFrame({"touchpoint": ["t"], "period": ["2001"], "code": [4.0], "n_raw": [1], "n": [1.0]})
    data = model_data(one, codes=CODES, factors=["touchpoint"], periods=["2001"])
    assert data.design.shape == (1, 0)  # a factor with one group, a walk of one period: no effect at all
    tree = satisfaction.fit(data, seed=1, **QUICK)
    told = estimates.estimands(tree["posterior"].dataset, data, metrics=["mean", "top_box"])
    assert 2.2 < told["mean"].mean() < 4.2  # the prior's middle, moved a little
    assert told["mean"].std() > 0.4
    assert 0.05 < told["top_box"].isel(row=0).mean() < 0.4


def test_groups_that_only_the_population_has_are_predicted() -> None:
    table, _ = world(n=300, periods=1)
    people = cells(factors={"segment:age": 4, "touchpoint": 4}, periods=1, n=1).rename(columns={"n": "population"})
    data = model_data(table, codes=CODES, factors=FACTORS, periods=["2001"], population=people)
    tree = satisfaction.fit(data, seed=1, **QUICK)
    told = estimates.estimands(tree["posterior"].dataset, data, metrics=["mean"])
    n = pd.Series(told["n"].to_numpy(), index=told["group"].to_numpy())
    sd = pd.Series(told["mean"].std(("chain", "draw")).to_numpy(), index=told["group"].to_numpy())
    assert n["s3"] == 0
    assert n["s0"] == 1200
    assert sd["s3"] > 3 * sd["s0"]


def test_poststratification_uses_the_population() -> None:
    share = np.array([[0.7, 0.1, 0.1, 0.05, 0.05], [0.05, 0.05, 0.1, 0.1, 0.7]])
    table = cells(factors={"touchpoint": 2}, periods=1, n=1000)
    answers = counts(table, share)
    people = table.assign(population=[1.0, 3.0]).drop(columns="n")
    told = []
    for population in (None, people):
        data = model_data(answers, codes=CODES, factors=["touchpoint"], periods=["2001"], population=population)
        draws = satisfaction.fit(data, seed=1, **QUICK)["posterior"].dataset
        told.append(float(estimates.estimands(draws, data, metrics=["mean"])["mean"].isel(row=0).mean()))
    means = share @ np.array(CODES)
    assert told[0] == pytest.approx(means.mean(), abs=0.1)
    assert told[1] == pytest.approx(means @ [0.25, 0.75], abs=0.1)


def test_a_period_without_answers_is_bridged_and_not_reported() -> None:
    table, _ = world(n=100)
    gap = data_of(table[table["period"] != "2002"])
    told = estimates.estimands(
        satisfaction.fit(gap, seed=1, draws=100, tune=200, chains=2)["posterior"].dataset, gap, metrics=["mean"]
    )
    assert set(told["period"].to_numpy()) == {"2001", "2003"}


def test_forecast_is_wider_than_the_last_period_and_centred_on_it() -> None:
    table, _ = world(n=400, priors=Priors(walk_scale=0.5))
    data = data_of(table)
    posterior = satisfaction.fit(data, seed=1, **QUICK)["posterior"].dataset
    last = estimates.estimands(posterior, data, metrics=["mean"])["mean"].isel(row=2)
    ahead = estimates.forecast(posterior, data, target_period="2004", metrics=["mean"], seed=1)
    assert set(ahead["period"].to_numpy()) == {"2004"}
    first = ahead["mean"].isel(row=0)
    assert float(first.std()) > 2 * float(last.std())
    assert abs(float(first.mean() - last.mean())) < float(first.std())


def test_code_shares_are_shares() -> None:
    table, truth = world(n=400)
    data = data_of(table)
    true = satisfaction.code_shares(truth, data, draws=1, seed=1)
    assert true.shape == (1, 36, 5)
    np.testing.assert_allclose(true.sum(axis=-1), 1.0)
    observed = data.counts / data.counts.sum(axis=1, keepdims=True)
    assert abs(observed - true[0]).max() < 0.15


def test_metrics_are_what_they_say() -> None:
    share = np.array([[0.02, 0.01, 0.01, 0.02, 0.03, 0.05, 0.06, 0.1, 0.2, 0.2, 0.3]])
    table = cells(factors={}, periods=1, n=200_000)
    data = model_data(counts(table, share, codes=NPS), codes=NPS, factors=[], periods=["2001"])
    draws = satisfaction.fit(data, seed=1, **QUICK)["posterior"].dataset
    told = estimates.estimands(draws, data, metrics=["mean", "top_box", "csat", "nps", "ces"], satisfied_from=8)
    expected = {"mean": share[0] @ NPS, "top_box": 0.3, "csat": 0.7, "nps": 30.0, "ces": share[0] @ NPS}
    for metric, value in expected.items():
        assert float(told[metric].mean()) == pytest.approx(value, rel=0.02), metric


@pytest.mark.parametrize(
    ("metrics", "satisfied_from", "said"),
    [
        (["nps"], None, "NPS needs the codes 0 to 10"),
        (["csat"], None, "csat needs the lowest satisfied code"),
        (["csat"], 4.5, r"found 4.5; allowed: 1, 2, 3, 4, 5"),
        (["top_bx"], None, r"unknown metric .*did you mean 'top_box'"),
    ],
)
def test_metrics_that_a_scale_cannot_have(metrics: list[str], satisfied_from: float | None, said: str) -> None:
    table, truth = world()
    with pytest.raises(ModelError, match=said):
        estimates.estimands(truth, data_of(table), metrics=metrics, satisfied_from=satisfied_from)


def broken(change) -> pd.DataFrame:
    table, _ = world(periods=1)
    return change(table.reset_index(drop=True))


BAD = {
    "column": (lambda t: t.rename(columns={"n_raw": "nraw"}), r"n_raw: counts lacks a column .*did you mean 'nraw'"),
    "group": (lambda t: t.assign(touchpoint=t["touchpoint"].mask(t.index == 0)), "touchpoint: .*without a group"),
    "period": (lambda t: t.assign(period="2011"), r"unknown period \(found 2011; did you mean '2001'"),
    "code": (lambda t: t.assign(code=t["code"].replace(5.0, 6.0)), r"unknown code .*found 6; allowed: 1, 2, 3, 4, 5"),
    "negative": (lambda t: t.assign(n=t["n"].mask(t.index == 0, -1.0)), r"n: .*negative or missing \(found -1"),
    "missing": (lambda t: t.assign(n=t["n"].mask(t.index == 0)), r"n: .*negative or missing \(found nan"),
    "fraction": (lambda t: t.assign(n_raw=t["n_raw"] + 0.5), "n_raw: respondents must be whole"),
    "nobody": (lambda t: t.assign(n_raw=0), "an effective count without a respondent"),
    "none": (lambda t: t.assign(n=0.0), "no answers"),
    "empty": (lambda t: t.iloc[:0], "no answers"),
    "twice": (lambda t: pd.concat([t, t.iloc[:1]]), "has a cell twice"),
    "text": (lambda t: t.assign(n="many"), "n: counts must hold numbers"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_counts_are_refused(case) -> None:
    change, said = case
    with pytest.raises(ModelError, match=said):
        data_of(broken(change), periods=1)


def test_all_problems_at_once() -> None:
    table = broken(lambda t: t.assign(period="2011", n=-1.0))
    with pytest.raises(ModelError) as caught:
        model_data(table, codes=(3.0, 1.0), factors=[*FACTORS, "touchpoint"], periods=["2001"])
    said = str(caught.value)
    assert all(x in said for x in ("codes must ascend", "factors named twice", "unknown period", "negative or missing"))
    with pytest.raises(ModelError, match=r"wrong number of codes .*found 12; allowed: 2 to 11"):
        model_data(table, codes=range(12), factors=FACTORS, periods=["2001"])


def test_bad_population_is_refused() -> None:
    table, _ = world(periods=1)
    people = table[[*FACTORS, "period"]].drop_duplicates().assign(population=-1.0)
    with pytest.raises(ModelError, match=r"population must not be negative"):
        model_data(table, codes=CODES, factors=FACTORS, periods=["2001"], population=people)


def test_contrasts() -> None:
    for n in (1, 2, 7):
        basis = contrasts.zero_sum_basis(n)
        np.testing.assert_allclose(basis.T @ basis, np.eye(n - 1), atol=1e-12)
        np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)
    walk = contrasts.walk_basis(4)
    np.testing.assert_allclose(np.diff(walk, axis=0), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(walk.sum(axis=0), 0, atol=1e-12)


def test_shuffled_labels_show_no_groups() -> None:
    """Negative control: with the groups dealt out by chance, no group stands out."""
    table, _ = world(n=200, periods=1, priors=Priors(factor_scale=1.5))
    people = table.loc[np.repeat(table.index, table["n_raw"])]
    random = np.random.default_rng(8)
    apart = []
    for frame in (people, people.assign(touchpoint=random.permutation(people["touchpoint"].to_numpy()))):
        again = frame.groupby(["touchpoint", "period", "code"]).size().rename("n_raw").reset_index()
        data = model_data(
            again.assign(n=again["n_raw"].astype(float)), codes=CODES, factors=["touchpoint"], periods=["2001"]
        )
        draws = satisfaction.fit(data, seed=4, **QUICK)["posterior"].dataset
        told = estimates.estimands(draws, data, metrics=["mean"])["mean"]
        groups = told.to_numpy().reshape(-1, told.sizes["row"])[:, 1:]
        above = (groups[:, :, None] > groups[:, None, :]).mean(axis=0)
        apart.append(((above > 0.975) | (above < 0.025)).sum() - groups.shape[1])
    assert apart[0] >= 4  # the true groups are told apart
    assert apart[1] == 0
