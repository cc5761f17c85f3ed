"""Paths: the density, known transitions, what leads to a purchase, nothing found where states are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from journey_worlds import inside, walks

from cxlab.errors import ModelError
from cxlab.journey import paths


def drawn(counts: pd.DataFrame, seed: int) -> tuple[paths.PathsData, np.ndarray]:
    """Data, and draws (draw, origin, destination) with the states in the order s0, s1, .."""
    order = sorted({*counts["touchpoint"], *counts["to"]} - {"start", "end"})
    data = paths.model_data(counts[counts["n"] > 0], states=order)
    _, posterior = paths.draw(data, draws=250, chains=4, seed=seed)
    size = len(data.destinations)
    return data, posterior["transition"].to_numpy().reshape(-1, size, size)


def test_density_is_that_of_the_pymc_model_and_its_gradient_too() -> None:
    counts, _ = walks(1, states=3, steps=400)
    data = paths.model_data(counts)
    model = paths.build_model(data)
    oracle = model.compile_logp(mode="FAST_COMPILE")
    points = np.random.default_rng(0).normal(0.0, 0.8, (4, len(data.destinations)))
    ours = paths.log_density(data, points)
    theirs = []
    for point in points:
        ratios = np.append(point[:-1], 0.0)  # pymc's simplex transform centres the logs
        values = {"base_simplex__": (ratios - ratios.mean())[:-1], "concentration_log__": point[-1]}
        theirs.append(oracle(values))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-7)
    step = np.eye(len(points[0])) * 1e-5
    slope = [(paths.log_density(data, (points[0] + e)[None]) - paths.log_density(data, (points[0] - e)[None]))[0] / 2e-5
             for e in step]  # fmt: skip
    np.testing.assert_allclose(paths.gradient(data, points[0]), slope, atol=1e-5)


def covered(worlds: int) -> np.ndarray:
    hits = []
    for seed in range(worlds):
        counts, law = walks(seed, states=4, steps=200 + 300 * (seed % 8))
        if len({*counts.loc[counts["n"] > 0, "touchpoint"], *counts.loc[counts["n"] > 0, "to"]}) < 6:
            continue  # a state nobody met is none
        data, draws = drawn(counts, seed)
        rows, columns = np.nonzero((law > 1e-3) & (data.counts.sum(axis=1) > 0)[:, None])
        hits.append(inside(draws[:, rows, columns], law[rows, columns]))
    return np.concatenate(hits)


def test_transitions_are_covered() -> None:
    hits = covered(20)
    assert len(hits) > 150
    assert 0.83 <= hits.mean() <= 0.97


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_transitions_are_covered_as_often_as_they_say() -> None:
    hits = covered(200)
    print(f"paths: covered {hits.mean():.3f} of {len(hits)}")
    assert 0.87 <= hits.mean() <= 0.93


def different(law: np.ndarray, seed: int) -> float:
    """Share of pairs of states whose rows are told apart: an interval of a difference leaves out 0."""
    random = np.random.default_rng(seed)
    names = ["start", "s0", "s1", "s2", "s3"]
    rows = [(o, t, n) for o, p in zip(names, law, strict=True)
            for t, n in zip([*names[1:], "end"], random.multinomial(400, p), strict=True)]  # fmt: skip
    _, draws = drawn(pd.DataFrame(rows, columns=["touchpoint", "to", "n"]), seed)
    pairs = [(i, j) for i in range(1, 5) for j in range(i + 1, 5)]
    apart = [~inside(draws[:, i] - draws[:, j], np.zeros(5)) for i, j in pairs]
    return float(np.mean(apart))


def test_states_that_are_alike_are_not_told_apart_and_those_that_differ_are() -> None:
    random = np.random.default_rng(5)
    alike, unlike = [], []
    for seed in range(20):
        same = random.dirichlet(np.full(5, 3.0))
        first = np.append(same[:4] / same[:4].sum(), 0.0)
        alike.append(different(np.array([first, same, same, same, same]), seed))
        unlike.append(different(np.array([first, *random.dirichlet(np.full(5, 3.0), 4)]), seed))
    assert np.mean(alike) <= 0.1
    assert np.mean(unlike) >= 0.5


def test_a_state_seldom_met_borrows_from_the_others() -> None:
    law = [0.5, 0.1, 0.4]
    rows = [(s, t, round(1000 * p)) for s in ("a", "b") for t, p in zip(("a", "b", "end"), law, strict=True)]
    rows += [("c", "end", 2), ("start", "a", 500), ("start", "c", 2)]
    data = paths.model_data(pd.DataFrame(rows, columns=["touchpoint", "to", "n"]), states=["a", "b", "c"])
    _, posterior = paths.draw(data, draws=250, chains=2, seed=0)
    seldom = posterior["transition"].sel(touchpoint="c").mean(("chain", "draw"))
    assert 0.2 < float(seldom.sel(to="a")) < 0.55  # two steps alone would say: never
    assert float(posterior["transition"].sel(touchpoint="start", to="end").max()) == 0.0


def test_purchase_is_reached_as_often_as_walking_says() -> None:
    law = {"web": {"web": 0.1, "buy:web": 0.3, "page": 0.3, "end": 0.3},
           "page": {"web": 0.2, "buy:web": 0.5, "end": 0.3}, "buy:web": {"end": 1.0}}  # fmt: skip
    rows = [("start", "web", 100_000)]
    rows += [(a, b, round(1e6 * p)) for a, own in law.items() for b, p in own.items()]
    data = paths.model_data(pd.DataFrame(rows, columns=["touchpoint", "to", "n"]), states=["web", "page", "buy:web"])
    _, posterior = paths.draw(data, draws=100, chains=2, seed=0)
    told = paths.estimands(posterior, data)
    # web = .3 + .1 web + .3 page; page = .5 + .2 web
    web = (0.3 + 0.3 * 0.5) / (1 - 0.1 - 0.3 * 0.2)
    expected = [web, 0.5 + 0.2 * web]
    np.testing.assert_allclose(told["purchase"].mean(("chain", "draw")), expected, atol=0.005)
    assert told["state"].to_numpy().tolist() == ["web", "page"]


def test_steps_that_cannot_be_are_refused() -> None:
    with pytest.raises(ModelError, match="a step that cannot be"):
        paths.model_data(pd.DataFrame([("end", "web", 3)], columns=["touchpoint", "to", "n"]))
    with pytest.raises(ModelError, match="no steps"):
        paths.model_data(pd.DataFrame(columns=["touchpoint", "to", "n"]))
