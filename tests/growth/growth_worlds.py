"""Worlds with known truth: customers whose satisfaction moves what they buy after they were asked, or does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

CUTS = np.array([-3.2, -1.9, -0.6, 1.4])
LOADING = 1.5


@dataclass(frozen=True)
class World:
    customers: pd.DataFrame
    ratings: np.ndarray
    theta: np.ndarray

    @property
    def mean_rating(self) -> float:
        """Of all customers, whoever answers."""
        return float(1 + (1 / (1 + np.exp(CUTS - LOADING * self.theta[:, None]))).sum(axis=1).mean())


def draw(n: int, *, seed: int, gamma: float, kappa: float = 0.4, answer: float = -1.2) -> World:
    random = np.random.default_rng(seed)
    segment = random.choice(3, n, p=[0.5, 0.3, 0.2])
    theta = np.array([0.0, 0.4, -0.5])[segment] + random.standard_normal(n)
    landmark = np.ceil(random.uniform(26, 52, n))
    age = landmark + 52
    rate = random.gamma(0.8, np.exp(kappa * theta) / 10)
    leaving = random.beta(0.6 * np.exp(-0.2 * theta), 2.4)
    faster = np.exp(gamma * theta)
    x, before = np.zeros(n), np.zeros(n)
    recency = np.zeros(n)
    clock, ends = np.zeros(n), landmark + faster * (age - landmark)
    going = np.arange(n)
    while len(going):
        clock[going] += random.exponential(1 / rate[going])
        going = going[clock[going] <= ends[going]]
        early = clock[going] <= landmark[going]
        week = np.where(early, clock[going], landmark[going] + (clock[going] - landmark[going]) / faster[going])
        x[going] += 1
        before[going] += early
        week = np.where(early, np.ceil(week * 7) / 7, np.maximum(np.ceil(week * 7) / 7, landmark[going] + 1 / 7))
        recency[going] = np.where(early, np.minimum(week, landmark[going]), np.minimum(week, age[going]))
        going = going[random.random(len(going)) >= leaving[going]]
    logit = answer + 0.4 * theta + 0.5 * np.log1p(before) + np.array([0.0, 0.6, -0.4])[segment]
    given = np.where(random.random(n) < 1 / (1 + np.exp(-logit)), random.choice([1, 2], n), 0)
    ratings = np.zeros((n, 5))
    for k in range(2):
        code = (LOADING * theta[:, None] + random.logistic(size=(n, 1)) > CUTS).sum(axis=1)
        rows = np.flatnonzero(given > k)
        ratings[rows, code[rows]] += 1
    columns = {"x": x, "x_before": before, "recency": recency, "landmark": landmark, "age": age}
    return World(pd.DataFrame(columns | {"segment": np.array(["a", "b", "c"])[segment]}), ratings, theta)


def log_ratio(world: World, gamma: float) -> float:
    """True log of the factor on the rate of buying for one point of the rating."""
    above = 1 / (1 + np.exp(CUTS - LOADING * world.theta[:, None]))
    return float(gamma / (LOADING * (above * (1 - above)).sum(axis=1).mean()))


def imputed(world: World) -> tuple[float, float]:
    """90 % interval of that by a regression: the mean rating for the silent, later purchases on rating and history."""
    given = world.ratings.sum(axis=1)
    rating = world.ratings @ np.arange(1, 6) / np.maximum(given, 1)
    rating[given == 0] = rating[given > 0].mean()
    bought = world.customers["x"].to_numpy() - world.customers["x_before"].to_numpy()
    design = np.column_stack([np.ones(len(given)), rating, np.log1p(world.customers["x_before"])])
    slope = np.array([np.log(bought.mean()), 0.0, 0.0])
    for _ in range(50):
        mean = np.exp(design @ slope)
        bread = np.linalg.inv(design.T @ (design * mean[:, None]))
        slope = slope + bread @ design.T @ (bought - mean)
    spread = bread @ (design.T @ (design * ((bought - mean) ** 2)[:, None])) @ bread
    half = 1.645 * spread[1, 1] ** 0.5
    return slope[1] - half, slope[1] + half
