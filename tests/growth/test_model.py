"""The joint model of ratings, answering and purchases: its density, recovery of a planted link, a cut one, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from growth import growth_worlds
from scipy.special import betaln, expit, gammaln, logsumexp

from cxlab.errors import ModelError
from cxlab.growth import model as growth

LINK = 0.3
WORLDS = 3


def small(n: int = 400, seed: int = 1) -> tuple[growth_worlds.World, growth.GrowthData]:
    world = growth_worlds.draw(n, seed=seed, gamma=LINK)
    return world, growth.model_data(world.customers, world.ratings, least_events=1)


def points(data: growth.GrowthData, n: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(2)
    middle = {"rate": -2.5, "share": -1.3, "alike": 1.0, "loading": 0.4, "answer": -1.0}
    out = []
    for _ in range(n):
        point = {
            name: middle.get(name, 0.0) + random.normal(0, 0.2, () if name in growth.SCALARS else size)
            for name, size in data.sizes.items()
        }
        point["cuts"] = np.r_[-3.0, 0.2, 0.3, 0.6] + point["cuts"]
        out.append(point)
    return out


def customer_by_customer(world: growth_worlds.World, p: dict[str, np.ndarray], grid: np.ndarray) -> float:
    """The log likelihood up to a constant: the story of each customer, with the functions of scipy."""
    r, alpha = np.exp(p["shape"]), np.exp(p["shape"] - p["rate"] - p["kappa"] * grid)
    size, share = np.exp(p["alike"]), expit(p["share"])
    a, b = size * share * np.exp(-p["leave"] * grid), size * (1 - share)
    cuts = np.cumsum(np.r_[p["cuts"][0], np.exp(p["cuts"][1:])])
    below = np.column_stack([expit(cuts - np.exp(p["loading"]) * grid[:, None]), np.ones(len(grid))])
    code = np.log(np.diff(below, axis=1, prepend=0))
    total = 0.0
    for row, given in zip(world.customers.itertuples(), world.ratings, strict=True):
        k = "abc".index(row.segment)
        centre, tone = (np.r_[0.0, p[name]][k] for name in ("segment", "answer_segment"))
        pace = np.exp(p["drift"] + p["gamma"] * grid)
        time, last = (min(t, row.landmark) + pace * max(t - row.landmark, 0) for t in (row.age, row.recency))
        stays = gammaln(r + row.x) - gammaln(r) + r * np.log(alpha) - (r + row.x) * np.log(alpha + time)
        stays = stays + betaln(a, b + row.x) - betaln(a, b)
        if row.x:
            left = gammaln(r + row.x) - gammaln(r) + r * np.log(alpha) - (r + row.x) * np.log(alpha + last)
            stays = np.logaddexp(stays, left + betaln(a + 1, b + row.x - 1) - betaln(a, b))
        logit = p["answer"] + tone + p["answer_theta"] * grid + p["answer_bought"] * np.log1p(row.x_before)
        answers = np.log(expit(logit if given.sum() else -logit))
        rows = stays + (row.x - row.x_before) * np.log(pace) + answers + code @ given - 0.5 * (grid - centre) ** 2
        total += logsumexp(rows)
    return total


def test_unique_rows_tell_what_customers_do() -> None:
    world, data = small()
    values = [growth.log_likelihood(p, data, np) for p in points(data, 4)]
    truth = [customer_by_customer(world, p, data.grid) for p in points(data, 4)]
    assert np.subtract(values, truth) == pytest.approx(0.0, abs=1e-6)
    assert np.ptp(truth) > 10


def test_pymc_states_the_same_posterior() -> None:
    _, data = small()
    density, names = growth.log_density(data), list(data.sizes)
    logp = growth.build_model(data).compile_logp(mode="FAST_COMPILE")
    ours = [density(np.concatenate([np.atleast_1d(p[name]) for name in names]))[0] for p in points(data, 3)]
    theirs = [float(logp(p)) for p in points(data, 3)]
    assert np.diff(ours) == pytest.approx(np.diff(theirs), rel=1e-6)


def fitted(n: int, seed: int, gamma: float, answer: float) -> tuple[growth_worlds.World, dict[str, np.ndarray]]:
    world = growth_worlds.draw(n, seed=seed, gamma=gamma, answer=answer)
    data = growth.model_data(world.customers, world.ratings)
    tree = growth.fit(data, draws=100, seed=seed, method="importance")
    assert tree.attrs["grid_error"] < 0.1
    means = growth.estimands(tree["posterior"].to_dataset(), data)
    ranges = {name: np.quantile(means[name], [0.05, 0.95]) for name in means}
    return world, ranges | {"log_ratio": np.log(ranges["rate_ratio"])}


def recovery(n: int, seeds: range, answer: float) -> dict[str, int]:
    """Worlds in which each range holds the truth; those in which a regression on imputed ratings does."""
    held = {"log_ratio": 0, "mean_rating": 0, "imputed": 0, "claimed": 0}
    for seed in seeds:
        world, ranges = fitted(n, seed, LINK, answer)
        truth = growth_worlds.log_ratio(world, LINK)
        low, high = growth_worlds.imputed(world)
        held["log_ratio"] += ranges["log_ratio"][0] < truth < ranges["log_ratio"][1]
        held["mean_rating"] += ranges["mean_rating"][0] < world.mean_rating < ranges["mean_rating"][1]
        held["imputed"] += low < truth < high
        held["claimed"] += ranges["log_ratio"][0] > 0
    return held


def test_a_planted_link_is_recovered_and_a_regression_on_imputed_ratings_misses_it() -> None:
    held = recovery(3000, range(1, 1 + WORLDS), answer=-1.2)
    assert held["log_ratio"] >= WORLDS - 1
    assert held["mean_rating"] >= WORLDS - 1
    assert held["claimed"] == WORLDS
    assert held["imputed"] == 0


def test_where_the_link_is_cut_who_buys_more_anyway_is_not_taken_for_it() -> None:
    false = 0
    for seed in range(11, 11 + WORLDS):
        _, ranges = fitted(3000, seed, 0.0, -1.2)
        low, high = ranges["log_ratio"]
        false += not low < 0 < high
        assert ranges["association"][0] > 1  # they do buy more, before they were asked as well
    assert false <= 1


def test_what_cannot_be_claimed_is_said_at_once() -> None:
    world = growth_worlds.draw(200, seed=1, gamma=LINK)
    customers = world.customers.assign(segment="all", landmark=world.customers["age"])
    with pytest.raises(ModelError) as caught:
        growth.model_data(customers.assign(x_before=customers["x"]), np.minimum(world.ratings, 0))
    for said in ("too few purchases after", "nobody rated twice", "ratings come after", "without segments"):
        assert said in str(caught.value)
