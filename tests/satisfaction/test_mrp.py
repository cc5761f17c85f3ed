"""Answers that are not like the customer base: what poststratification mends, beside raw means and raking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from satisfaction.worlds import CODES, cells, labels

from cxlab.satisfaction import estimates
from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction import population as frame
from cxlab.satisfaction.data import model_data
from cxlab.satisfaction.model import Priors

FACTORS = ("segment:age", "segment:tier", "touchpoint")
PRIORS = Priors(factor_scale=0.6)
SMALL = 30  # answers of a small cell


@dataclass
class Found:
    """Errors and hits of one world."""

    raw_bias: float
    error: float
    hits: list[bool]
    cell_errors: np.ndarray  # (small cells, 2): raw mean, model
    domain_errors: np.ndarray  # (age x tier, 3): raw mean, raking, model


def world(seed: int, *, shuffled: bool = False) -> Found:
    """36 strata; the satisfied answer more often, through the strata only. `shuffled`: respondents lose theirs."""
    random = np.random.default_rng(seed)
    table = cells(factors={"segment:age": 4, "segment:tier": 3, "touchpoint": 3}, periods=1, n=1)
    people = random.multinomial(20_000, random.dirichlet(np.full(len(table), 2.0)))
    _, truth = satisfaction.simulate(table, codes=CODES, factors=FACTORS, periods=labels(1), seed=seed, priors=PRIORS)
    population = table.drop(columns="n").assign(population=people.astype(float))
    blank = model_data(
        table.drop(columns="n").assign(code=3.0, n_raw=1, n=1.0), codes=CODES, factors=FACTORS, periods=labels(1),
        population=population,
    )  # fmt: skip
    main = np.isin(blank.scale_of, (1, 2, 3))  # what a stratum's age, tier and touchpoint say of satisfaction
    tendency = blank.design[:, main] @ truth["effect"].to_numpy()[0, 0][: main.sum()]
    tendency = (tendency - tendency.mean()) / tendency.std() + 0.5 * random.standard_normal(len(tendency))
    rate = 1 / (1 + np.exp(3.2 - 1.1 * tendency))
    n = random.binomial(blank.population.astype(int), rate)
    share = satisfaction.code_shares(truth, blank, draws=1, seed=0)[0]
    answers = random.multinomial(n, share)
    if shuffled:
        scores = np.repeat(np.tile(np.arange(5), len(n)), answers.ravel())
        cell, code = np.repeat(np.arange(len(n)), n), random.permutation(scores)
        answers = np.bincount(cell * 5 + code, minlength=5 * len(n)).reshape(-1, 5)
    seen = blank.cells
    long = seen.loc[np.repeat(seen.index, 5)].reset_index(drop=True)
    long = long.assign(code=np.tile(CODES, len(seen)), n_raw=answers.ravel(), n=answers.ravel().astype(float))
    data = model_data(long[long["n_raw"] > 0], codes=CODES, factors=FACTORS, periods=labels(1), population=population)
    posterior = satisfaction.fit(data, seed=seed, draws=500, method="nested")["posterior"].dataset
    told = estimates.estimands(posterior, data, metrics=["mean", "top_box"])
    true = estimates.estimands(truth, blank, metrics=["mean", "top_box"])
    hits = []
    for metric in ("mean", "top_box"):
        low, high = np.quantile(told[metric].to_numpy().reshape(-1, told.sizes["row"]), [0.05, 0.95], axis=0)
        fact = true[metric].to_numpy()[0, 0]
        hits += list((low <= fact) & (fact <= high))
    score = np.array(CODES)
    fact = share @ score
    heard = data.counts.sum(axis=1)
    raw = np.divide(data.counts @ score, heard, out=np.full(len(heard), np.nan), where=heard > 0)
    model = (satisfaction.code_shares(posterior, data, draws=500, seed=1) @ score).mean(axis=0)
    small = (heard > 0) & (heard <= SMALL)
    whole = float(blank.population @ fact / blank.population.sum())
    return Found(
        raw_bias=float(np.nansum(raw * heard) / heard.sum() - whole),
        error=float(told["mean"].isel(row=0).mean()) - whole,
        hits=hits,
        cell_errors=np.column_stack([raw - fact, model - fact])[small],
        domain_errors=domains(data, raw, model, fact),
    )


def domains(data, raw: np.ndarray, model: np.ndarray, fact: np.ndarray) -> np.ndarray:
    """Errors of raw means, raked means and the model in the combinations of age and tier."""
    shape = tuple(len(data.groups[f]) for f in FACTORS)
    people, heard = data.population.reshape(shape), data.counts.sum(axis=1).reshape(shape)
    margins = [people.sum(axis=tuple(i for i in range(3) if i != axis)) for axis in range(3)]
    raked = frame.raked(heard, margins)
    filled = np.nan_to_num(raw).reshape(shape)

    def average(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
        total = weight.sum(axis=2)
        return np.divide(
            (value.reshape(shape) * weight).sum(axis=2), total, where=total > 0, out=np.full(total.shape, np.nan)
        )

    true = average(fact, people)
    errors = np.stack([average(filled, heard) - true, average(filled, raked) - true, average(model, people) - true], -1)
    errors = errors.reshape(-1, 3)
    return errors[np.isfinite(errors).all(axis=1)]


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))


def check(worlds: range, *, cover: tuple[float, float]) -> None:
    """The claims, over some worlds."""
    found = [world(seed) for seed in worlds]
    bias = np.mean([one.raw_bias for one in found])
    hits = np.concatenate([one.hits for one in found])
    cell = np.concatenate([one.cell_errors for one in found])
    domain = np.concatenate([one.domain_errors for one in found])
    told = {
        "raw bias": bias, "raw rms": rms(np.array([one.raw_bias for one in found])),
        "model rms": rms(np.array([one.error for one in found])), "cover": hits.mean(),
        "small cells raw, model": (rms(cell[:, 0]), rms(cell[:, 1])),
        "age x tier raw, raked, model": tuple(rms(domain[:, i]) for i in range(3)),
    }  # fmt: skip
    print(told)
    assert bias > 0.1  # the satisfied answer more often
    assert rms(np.array([one.error for one in found])) < 0.5 * rms(np.array([one.raw_bias for one in found]))
    assert cover[0] <= hits.mean() <= cover[1]
    assert rms(cell[:, 1]) <= 0.5 * rms(cell[:, 0])
    assert rms(domain[:, 2]) < rms(domain[:, 1])


def test_poststratification_mends_what_strata_explain() -> None:
    check(range(10), cover=(0.8, 0.97))


def test_shuffled_strata_mend_nothing() -> None:
    """Negative control: with strata that say nothing of who answers, the estimate stays wrong, and misses the truth."""
    found = [world(seed, shuffled=True) for seed in range(8)]
    assert np.mean([one.error for one in found]) > 0.7 * np.mean([one.raw_bias for one in found])
    assert np.concatenate([one.hits for one in found]).mean() < 0.6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_worlds() -> None:
    check(range(100, 300), cover=(0.87, 0.93))
