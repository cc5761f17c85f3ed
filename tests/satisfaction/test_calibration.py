"""Does 90 % mean 90 %? Worlds drawn from the prior, and worlds in which nothing changed (`make test-slow`)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from satisfaction.worlds import CODES, cells, labels

from cxlab.inference.estimates import verdict
from cxlab.satisfaction import estimates, model
from cxlab.satisfaction.data import SatisfactionData, model_data
from cxlab.satisfaction.model import Priors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]
FACTORS = ("segment:age", "touchpoint")
NPS = tuple(map(float, range(11)))


def world(seed: int, *, codes: tuple[float, ...] = CODES, priors: Priors | None = None):
    """A world of 3 x 4 groups and 4 periods, unevenly answered, and its model data."""
    random = np.random.default_rng(seed)
    table = cells(factors={"segment:age": 3, "touchpoint": 4}, periods=4, n=0)
    share = random.dirichlet(np.full(len(table), 2.0))
    n = random.multinomial(int(np.exp(random.uniform(np.log(300), np.log(20_000)))), share)
    table = table.assign(n=n)[n > 0].reset_index(drop=True)
    counts, truth = model.simulate(table, codes=codes, factors=FACTORS, periods=labels(4), seed=seed, priors=priors)
    people = table.rename(columns={"n": "population"})
    data = model_data(counts, codes=codes, factors=FACTORS, periods=labels(4), population=people)
    return data, truth


def changes(draws: pd.DataFrame) -> pd.DataFrame:
    """Change against the period before, for each draw (columns) and group."""
    return draws.groupby(level=["level", "group"], sort=False).diff().dropna()


def frame(drawn, metric: str) -> pd.DataFrame:
    """Draws as columns; level, group, period as rows."""
    place = pd.MultiIndex.from_arrays(
        [drawn[name].to_numpy() for name in ("level", "group", "period")], names=["level", "group", "period"]
    )
    return pd.DataFrame(drawn[metric].to_numpy().reshape(-1, len(place)).T, index=place)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    families: dict[str, list[bool]] = {}
    for seed in range(240):
        codes = NPS if seed % 3 == 0 else CODES
        data, truth = world(seed, codes=codes)
        posterior = model.fit(data, seed=seed, draws=400, tune=400, chains=2)["posterior"].dataset
        metrics = ["mean", "top_box", "csat", *(["nps"] if codes == NPS else [])]
        told, true = (
            estimates.estimands(x, data, metrics=metrics, satisfied_from=codes[-2]) for x in (posterior, truth)
        )
        for metric in metrics:
            drawn, fact = frame(told, metric), frame(true, metric)
            for kind, d, f in (("level", drawn, fact), ("change", changes(drawn), changes(fact))):
                low, high = np.quantile(d.to_numpy(), [0.05, 0.95], axis=1)
                inside = (low <= f.to_numpy()[:, 0]) & (f.to_numpy()[:, 0] <= high)
                for level, hits in pd.Series(inside, index=d.index).groupby(level="level"):
                    families.setdefault(f"{metric} {kind} {level}", []).extend(hits)
    cover = {name: float(np.mean(hits)) for name, hits in families.items()}
    pooled = float(np.mean(np.concatenate(list(families.values()))))
    print(f"pooled {pooled:.3f}", {name: round(value, 3) for name, value in cover.items()})
    assert 0.87 <= pooled <= 0.93
    assert all(0.82 <= value <= 0.97 for value in cover.values()), cover


def test_worlds_without_change_are_rarely_said_to_have_changed() -> None:
    """1,000 worlds with groups and cells that differ but stay: better or worse is said in at most 5 %."""
    said = 0
    worlds = 1000
    for seed in range(worlds):
        data, _ = world(10_000 + seed, priors=Priors(walk_scale=0.0, newest_scale=0.0, cell_scale=0.0))
        posterior = model.fit(data, seed=seed, draws=400, tune=300, chains=2)["posterior"].dataset
        drawn = frame(estimates.estimands(posterior, even(data), metrics=["mean"]), "mean").loc[["total"]]
        change = changes(drawn).iloc[-1].to_numpy()
        said += verdict(change, practical=0.0) in ("better", "worse")
    print(f"better or worse in {said} of {worlds} worlds without change")
    assert said / worlds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds)


def even(data: SatisfactionData) -> SatisfactionData:
    """The same mix of groups in every period, so that nothing but opinion could change."""
    from dataclasses import replace

    return replace(data, population=np.ones(len(data.cells)))


def test_a_world_that_changed_is_said_to_have_changed() -> None:
    found = 0
    for seed in range(20):
        data, truth = world(50_000 + seed, priors=Priors(walk_scale=0.0, newest_scale=0.0, cell_scale=0.0))
        table = data.cells.assign(n=data.counts.sum(axis=1).astype(int) * 10)
        shift = np.where(data.cells["period"] == labels(4)[-1], 0.5, 0.0)
        moved = truth.assign(eta=truth["eta"] + shift)
        share = model.code_shares(moved, data, draws=1, seed=0)[0]
        answers = np.random.default_rng(seed).multinomial(table["n"], share)
        counts = data.cells.loc[np.repeat(data.cells.index, 5)].assign(
            code=np.tile(CODES, len(data.cells)), n_raw=answers.ravel(), n=answers.ravel().astype(float)
        )
        again = model_data(counts, codes=CODES, factors=FACTORS, periods=labels(4))
        posterior = model.fit(again, seed=seed, draws=400, tune=300, chains=2)["posterior"].dataset
        drawn = frame(estimates.estimands(posterior, even(again), metrics=["mean"]), "mean").loc[["total"]]
        found += verdict(changes(drawn).iloc[-1].to_numpy(), practical=0.0) == "better"
    assert found >= 18


@pytest.mark.parametrize("scale_by", ["", "segment:age"])
def test_nested_draws_and_nuts_have_the_same_posterior(scale_by: str) -> None:
    """The way that compiles nothing against the PyMC model: means within a tenth of an sd, sds alike."""
    table = cells(factors={"segment:age": 3, "touchpoint": 4}, periods=3, n=60)
    counts, _ = model.simulate(table, codes=CODES, factors=FACTORS, periods=labels(3), seed=4)
    data = model_data(counts, codes=CODES, factors=FACTORS, periods=labels(3), scale_by=scale_by)
    told = []
    for method in ("nested", "nuts"):
        tree = model.fit(data, seed=1, draws=3000, tune=1000, chains=4, method=method)
        assert tree.attrs["method"] == method
        told.append(estimates.estimands(tree["posterior"].dataset, data, metrics=["mean"])["mean"])
    (mean, sd), (other, wide) = ([getattr(x, f)(("chain", "draw")).to_numpy() for f in ("mean", "std")] for x in told)
    assert (abs(mean - other) / wide).max() < 0.1
    np.testing.assert_allclose(sd, wide, rtol=0.1)


def test_rows_and_counts_have_the_same_posterior() -> None:
    """A model written row by row with PyMC's own OrderedLogistic, against the counts: means within a tenth of an sd."""
    data, _ = world(7)
    data = model_data(thin(data), codes=CODES, factors=FACTORS, periods=labels(4))
    tree = model.fit(data, seed=1, draws=3000, tune=1000, chains=4)
    cell, code = np.nonzero(data.counts)
    repeat = data.counts[cell, code].astype(int)
    cell, code = np.repeat(cell, repeat), np.repeat(code, repeat)
    prior = Priors()
    with pm.Model():
        scale = pm.HalfNormal("scale", prior.scale_sd(data)[1:])
        own = pm.HalfNormal("own", prior.cell_scale)
        effect = scale[data.scale_of - 1] * pm.Normal("z", shape=len(data.scale_of))
        eta = pm.math.dot(data.design, effect) + own * pm.Normal("u", shape=len(data.cells))
        pm.Deterministic("eta", eta)
        share = pm.Dirichlet("share", prior.weight * data.shape)
        below = pm.math.cumsum(share)[:-1]
        cut = pm.Deterministic("cut", pm.math.logit(below))
        pm.OrderedLogistic("y", eta=eta[cell], cutpoints=cut, observed=code, compute_p=False)
        rows = pm.sample(
            draws=3000, tune=1000, chains=4, cores=1, random_seed=2, progressbar=False, nuts_sampler="nutpie"
        )
    told, size = [], rows["posterior"]["cut"].shape[:2]
    by_row = {name: rows["posterior"][name].to_numpy() for name in ("cut", "eta")} | {"split": np.ones((*size, 5))}
    by_row |= {"log_scale": np.zeros((*size, 1)), "effect": np.zeros((*size, len(data.scale_of)))}
    by_row |= {"scale": np.zeros((*size, len(data.scales)))}
    for posterior in (tree["posterior"].dataset, model._dataset(data, by_row)):
        told.append(estimates.estimands(posterior, data, metrics=["mean"])["mean"])
    mean = [x.mean(("chain", "draw")).to_numpy() for x in told]
    sd_ = told[1].std(("chain", "draw")).to_numpy()
    assert (abs(mean[0] - mean[1]) / sd_).max() < 0.1


def thin(data: SatisfactionData) -> pd.DataFrame:
    """A quarter of the answers: rows are slow."""
    answers = (data.counts // 4).astype(int)
    table = data.cells.loc[np.repeat(data.cells.index, 5)].assign(
        code=np.tile(CODES, len(data.cells)), n_raw=answers.ravel(), n=answers.ravel().astype(float)
    )
    return table[table["n_raw"] > 0].reset_index(drop=True)
