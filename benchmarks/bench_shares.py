"""What shares of drivers and what-ifs cost: covariance algebra against a regression a subset, and a widget's answer.

    .venv/bin/python benchmarks/bench_shares.py

CPU seconds on one core; brute force is timed on a few draws and scaled up.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import xarray as xr

from cxlab.drivers import importance, whatif
from cxlab.drivers.whatif import Move

DRAWS = 4000


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call, the best of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def covariances(draws: int, size: int) -> np.ndarray:
    """Contributions of correlated attributes and a latent outcome."""
    load = 0.4 * np.random.default_rng(1).normal(size=(draws, size, size + 2)) + 0.5 * np.eye(size, size + 2)
    load[:, :, -1] += 0.7
    return importance.joint(load @ load.transpose(0, 2, 1), np.full(draws, np.pi**2 / 3))


def brute(cov: np.ndarray) -> np.ndarray:
    """LMG by its definition."""
    size = len(cov) - 1
    fit = {(): 0.0}
    for k in range(1, size + 1):
        for subset in itertools.combinations(range(size), k):
            inside = cov[np.ix_(subset, subset)]
            fit[subset] = float(cov[-1, subset] @ np.linalg.solve(inside, cov[subset, -1]) / cov[-1, -1])
    found = np.zeros(size)
    for subset, value in fit.items():
        for j in subset:
            weight = math.factorial(len(subset) - 1) * math.factorial(size - len(subset)) / math.factorial(size)
            found[j] += weight * (value - fit[tuple(i for i in subset if i != j)])
    return found


def shares() -> None:
    """LMG and Johnson shares of posterior draws."""
    print(f"{'attributes':>10} {'draws':>6} {'LMG':>8} {'Johnson':>8} {'brute force':>12} {'largest difference':>19}")
    for size, draws in ((10, DRAWS), (14, 500), (40, 400)):
        cov = covariances(draws, size)
        fast, weights = seconds(lambda c=cov: importance.lmg(c)), seconds(lambda c=cov: importance.johnson(c))
        slow, apart = float("nan"), float("nan")
        if size <= 10:
            few = cov[:3]
            slow = seconds(lambda c=few: [brute(one) for one in c]) / 3 * draws
            apart = float(np.abs(importance.lmg(few).values - [brute(one) for one in few]).max())
        compared = f"{slow:>11.1f}s {apart:>19.1e}" if size <= 10 else f"{'-':>12} {'-':>19}"
        print(f"{size:>10} {draws:>6} {fast:>7.2f}s {weights:>7.2f}s {compared}")
    error = importance.lmg(covariances(100, 40)).mc_error.max()
    print(f"40 attributes: orders sampled, error of one draw at most {error:.4f}")


def answers() -> None:
    """What-ifs as a widget asks them."""
    random = np.random.default_rng(2)
    size, people, draws = 12, whatif.SAMPLE, whatif.DRAWS
    effect = np.linspace(-0.6, 0.6, 6) + 0.02 * random.normal(size=(1, draws, size, 6))
    posterior = xr.Dataset(
        {
            "level_effect": (("chain", "draw", "attribute", "level"), effect),
            "cut": (("chain", "draw", "boundary"), np.tile(np.linspace(-4, 4, 10), (1, draws, 1))),
        },
        {"attribute": [f"a{k}" for k in range(size)]},
    )
    at = whatif.outlook(
        posterior,
        outcome="nps",
        measures=whatif.measures(range(11), role="nps", satisfied_from=None),
        codes=random.integers(0, 6, (people, size)),
        weight=np.ones(people),
        satisfied=[4] * size,
    )
    for name, moves in (
        ("one attribute lifted", [Move("a3", "lift")]),
        ("three lifted", [Move(f"a{k}", "lift") for k in range(3)]),
        ("all at a target", [Move(f"a{k}", "target", 0.95) for k in range(size)]),
    ):
        spent = seconds(lambda m=moves: whatif.change(at, m))
        print(f"what-if, {name:<22} {1000 * spent:6.1f} ms ({people} respondents, {draws} draws)")


if __name__ == "__main__":
    shares()
    answers()
