"""Worlds with known truth for the tests of the journey's models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from cxlab.inference import ordinal_regression
from cxlab.journey import moments_of_truth, paths
from cxlab.journey.moments_of_truth import LEVELS, MomentsData

TOUCHPOINTS = ("web", "delivery", "service")


def inside(draws: np.ndarray, truth: np.ndarray, *, prob: float = 0.9) -> np.ndarray:
    """Whether central intervals of draws (draw, row) hold the truth (row,)."""
    low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return (low <= truth) & (truth <= high)


def excludes(draws: np.ndarray, *, prob: float = 0.9) -> np.ndarray:
    """Whether central intervals of draws (draw, row) leave out 0."""
    return ~inside(draws, np.zeros(draws.shape[1]), prob=prob)


def one_draw(cut: np.ndarray, beta: np.ndarray) -> xr.Dataset:
    """The truth in the shape of a posterior."""
    return xr.Dataset(
        {
            "cut": (("chain", "draw", "boundary"), cut[None, None]),
            "beta": (("chain", "draw", "column"), beta[None, None]),
        }
    )


def experiences(seed: int, *, n: int, codes: int) -> MomentsData:
    """Customers of three segments who used some of three touchpoints; more is bad in some segments than in others."""
    random = np.random.default_rng([seed, 1])  # a stream of its own: the answers come from `seed`
    segment = random.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    bad = np.where(segment == "a", 0.12, 0.3)
    levels = {}
    for touchpoint in TOUCHPOINTS:
        word = np.where(random.random(n) < bad, 1, random.choice([2, 3], n, p=[0.3, 0.7]))
        word = np.where(random.random(n) < 0.25, 0, word)
        levels[touchpoint, "rating"] = np.array(LEVELS, object)[word]
    table = pd.DataFrame(levels)
    table.columns = pd.MultiIndex.from_tuples(list(levels))
    return moments_of_truth.model_data(
        table, np.zeros(n, int), outcome="satisfaction" if codes > 2 else "leaving", codes=codes,
        success=codes - 3 if codes > 2 else 0, customer=np.arange(n), covariates=pd.DataFrame({"segment": segment}),
    )  # fmt: skip


def from_prior(seed: int, *, n: int, codes: int) -> tuple[MomentsData, xr.Dataset]:
    """Answers drawn from the prior, and the truth."""
    data = experiences(seed, n=n, codes=codes)
    one, cut, beta = ordinal_regression.simulate(moments_of_truth.design(data), seed=seed)
    return replace(data, y=one.y), one_draw(cut, beta)


def confounded(seed: int, *, n: int, effect: float) -> tuple[MomentsData, float]:
    """Leaving after one bad experience: the segment that meets more of them leaves more anyhow.

    Returns
    -------
    MomentsData
    float
        The true difference of P(leave), averaged over the customers.
    """
    random = np.random.default_rng(seed)
    hard = random.random(n) < 0.4
    bad = random.random(n) < np.where(hard, 0.45, 0.08)
    base = np.where(hard, 0.3, -1.6)
    left = random.random(n) < 1 / (1 + np.exp(-(base + effect * bad)))
    levels = pd.DataFrame(np.where(bad, "bad", "good")[:, None], columns=pd.MultiIndex.from_tuples([("any", "late")]))
    data = moments_of_truth.model_data(
        levels, left.astype(int), outcome="leaving", codes=2, success=0, customer=np.arange(n),
        covariates=pd.DataFrame({"segment": np.where(hard, "hard", "easy")}),
    )  # fmt: skip
    truth = (1 / (1 + np.exp(-(base + effect))) - 1 / (1 + np.exp(-base))).mean()
    return data, float(truth)


def walks(seed: int, *, states: int = 5, steps: int = 3000) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts of steps whose law is drawn from the prior of `paths`, and that law (states + 1, states + 1)."""
    random = np.random.default_rng(seed)
    prior = paths.Priors()
    base = random.dirichlet(np.full(states + 1, prior.base))
    c = np.exp(random.normal(np.log(prior.concentration), prior.spread))
    names = [f"s{i}" for i in range(states)]
    law = np.zeros((states + 1, states + 1))
    law[0, :-1] = _dirichlet(random, c * base[:-1] / base[:-1].sum())
    law[1:] = [_dirichlet(random, c * base) for _ in range(states)]
    many = random.multinomial(steps, random.dirichlet(np.full(states + 1, 1.0)))
    rows = [
        (origin, to, n)
        for origin, p, m in zip(["start", *names], law, many, strict=True)
        for to, n in zip([*names, "end"], random.multinomial(m, p), strict=True)
    ]
    return pd.DataFrame(rows, columns=["touchpoint", "to", "n"]), law


def _dirichlet(random: np.random.Generator, weight: np.ndarray) -> np.ndarray:
    """A Dirichlet that does not fail where all weights are tiny."""
    logs = np.log(random.standard_gamma(weight + 1)) + np.log(random.random(len(weight))) / np.maximum(weight, 1e-12)
    share = np.exp(logs - logs.max())
    return share / share.sum()
