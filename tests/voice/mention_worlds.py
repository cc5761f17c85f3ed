"""Worlds of scored comments with known effects of what they mention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.voice import model
from cxlab.voice.model import MentionsData

CUTS = np.array([-2.2, -1.3, -0.3, 1.0])


@dataclass(frozen=True)
class World:
    """Data of the model and the true change of the expected score among those who mention."""

    data: MentionsData
    topics: dict[str, float]
    pairs: dict[tuple[str, str], float]
    situations: dict[str, float]


def logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def draw(
    seed: int, *, n: int = 500, topics: int = 10, places: int = 3, tau: float = 0.6, omega: float = 0.25,
    rho: float = 0.3, cuts: np.ndarray = CUTS,
) -> World:  # fmt: skip
    """Comments that mention about two topics, scored on ``len(cuts) + 1`` codes."""
    random = np.random.default_rng(seed)
    place = random.integers(0, places, n)
    chance = random.uniform(0.06, 0.3, topics) * np.exp(random.normal(0, 0.4, (places, topics)))
    said = random.random((n, topics)) < np.clip(chance, 0, 0.8)[place]
    told = random.random((n, 3)) < 0.1
    period = random.integers(0, 3, n)
    effect, by_place = random.normal(0, tau, topics), random.normal(0, omega, (topics, places))
    situation = random.normal(0, rho, 3)
    each = effect[:, None] + by_place
    eta = (said * each.T[place]).sum(axis=1) + told @ situation
    eta += random.normal(0, 0.3, 3)[period] + random.normal(0, 0.4, places)[place]
    y = ((eta + random.logistic(size=n))[:, None] > cuts).sum(axis=1)
    data = model.model_data(
        pd.DataFrame(said, columns=[f"t{i}" for i in range(topics)]),
        y,
        values=range(1, len(cuts) + 2),
        touchpoint=np.array([f"g{i}" for i in place]),
        situations=pd.DataFrame(told, columns=list("abc")),
        covariates=pd.DataFrame({"period": period.astype(str)}),
    )

    def change(who: np.ndarray, by: np.ndarray) -> float:
        def expected(at: np.ndarray) -> np.ndarray:
            return logistic(at[:, None] - cuts).sum(axis=1)

        return float((expected(eta[who]) - expected(eta[who] - by[who])).mean()) if who.any() else 0.0

    return World(
        data,
        {f"t{t}": change(said[:, t], each[t][place]) for t in range(topics)},
        {
            (f"t{t}", f"g{g}"): change(said[:, t] & (place == g), each[t][place])
            for t in range(topics)
            for g in range(places)
        },
        {"abc"[s]: change(told[:, s], np.full(n, situation[s])) for s in range(3)},
    )


def counts(
    seed: int, *, places: int = 6, periods: int = 6, size: float = 40, change: float = 0.3, kappa: float = 300.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mentions, comments and true shares by place and period."""
    random = np.random.default_rng(seed)
    n = random.poisson(random.uniform(0.3, 2, places)[:, None] * size, (places, periods)) + 1
    level = np.log(0.12 / 0.88) + random.normal(0, 0.5)
    mu = logistic(level + random.normal(0, 0.8, places)[:, None] + random.normal(0, change, periods))
    share = random.beta(kappa * mu, kappa * (1 - mu))
    return random.binomial(n, share), n, share
