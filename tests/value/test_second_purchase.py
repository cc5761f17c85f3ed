"""The second purchase: truth covered, nothing found where nothing is, the density that PyMC states, no look ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import halfnorm
from value import second_worlds as worlds

from cxlab.errors import ModelError
from cxlab.inference import diagnostics
from cxlab.value import second_purchase
from cxlab.value.second_purchase import STEPS, SecondData


def fitted(data: SecondData, seed: int, name: str = "second_purchase_over") -> np.ndarray:
    tree = second_purchase.fit(data, seed=seed)
    assert tree.attrs["method"] == "importance"
    return second_purchase.estimands(tree["posterior"].dataset, data)[name].to_numpy().reshape(1000, -1)


def inside(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    return (truth >= low) & (truth <= high)


def covered(seed: int) -> np.ndarray:
    world = worlds.draw(seed)
    data = worlds.data(world)
    return inside(fitted(data, seed), worlds.truth(world, data))


def shuffled(seed: int) -> pd.DataFrame:
    """Spells whose features are dealt out by lot."""
    spells = worlds.draw(seed).spells
    random = np.random.default_rng(seed)
    for columns in (["product"], ["channel"], ["late", "late_week"]):
        spells[columns] = spells[columns].to_numpy()[random.permutation(len(spells))]
    return spells


def test_effects_are_covered_and_found() -> None:
    hits = np.concatenate([covered(seed) for seed in range(8)])
    assert 0.8 <= hits.mean() <= 0.97
    data = worlds.data(worlds.draw(3))
    drawn = fitted(data, 3)
    late = drawn[:, -1]
    assert np.quantile(late, 0.95) < 0


def test_where_features_are_dealt_out_by_lot_nothing_is_found() -> None:
    """The control: intervals hold 0 as often as they say; products are drawn to each other."""
    hits, spread = [], []
    for seed in range(8):
        data = second_purchase.model_data(
            shuffled(seed), features=("product", "channel", "late"), since={"late": "late_week"}
        )
        drawn = fitted(data, seed)
        hits.append(inside(drawn, np.zeros(drawn.shape[1])))
        spread.append(np.abs(drawn[:, :10].mean(axis=0)).max())
    assert np.concatenate(hits).mean() >= 0.9
    assert np.mean(spread) < 0.03  # the best of ten products that are all alike
    truth = [worlds.truth(worlds.draw(s), worlds.data(worlds.draw(s))) for s in range(5)]
    assert np.mean([np.abs(t[:10]).max() for t in truth]) > 0.12  # where they differ, that much would be lost


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_effects_are_covered_as_often_as_they_say() -> None:
    hits = np.concatenate([covered(seed) for seed in range(200)])
    print(f"second purchase: covered {hits.mean():.3f} of {len(hits)}")
    assert 0.87 <= hits.mean() <= 0.93


def test_a_late_delivery_counts_from_when_it_is_known_only() -> None:
    """If lateness counted from the first week, those who waited long enough to be late would look loyal."""
    spells = pd.DataFrame(
        {
            "weeks": [0, 5, 5, 0],
            "bought": [True, True, False, False],
            "late": ["late", "late", "late", ""],
            "week": [3.0, 2.0, np.nan, np.nan],
        }
    )
    data = second_purchase.model_data(spells, features=("late",), since={"late": "week"})
    assert data.n["late"].tolist() == [1]  # the first one was back before the delivery; of the third it was never known
    at = data.cells[data.cells["late"] == 0]
    assert at["at_risk"].sum() == 4  # weeks 2 to 5 of the second
    assert data.cells["at_risk"].sum() == 1 + 6 + 5
    assert at["bought"].sum() == 1
    assert data.begins["late"].tolist() == [2.0]
    told = second_purchase.model_data(spells, features=("late",))
    assert told.n["late"].tolist() == [3]


def test_weeks_are_counted_whole() -> None:
    spells = pd.DataFrame({"weeks": [0, 0, 60, 51, 60], "bought": [True, False, False, True, True]})
    data = second_purchase.model_data(spells, features=())
    assert data.cells["at_risk"].sum() == 1 + 0 + 52 + 52 + 52  # the last one came back after the last step
    assert data.cells["bought"].sum() == 2
    drawn = fitted(data, 1, "again")
    assert drawn.shape == (1000, 1)
    assert ((drawn > 0) & (drawn < 1)).all()


def test_the_density_is_the_one_of_the_model_in_pymc() -> None:
    data = worlds.data(worlds.draw(1, n=200))
    model = second_purchase.build_model(data)
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    random = np.random.default_rng(1)
    off = []
    for _ in range(4):
        sd = float(random.uniform(0.1, 1.0))
        point = np.r_[random.normal(-3, 0.3, STEPS), random.normal(0, 0.4, len(data.names))]
        ours = second_purchase.target(data, sd).gradient(point)[0] + halfnorm.logpdf(sd, scale=0.5)
        base = point[:STEPS]
        theirs = logp({"first": base[0], "walk": np.diff(base), "sd_log__": np.log(sd), "effect": point[STEPS:]})
        off.append(float(ours - theirs))
    assert np.ptp(off) < 1e-6


def test_slopes() -> None:
    data = worlds.data(worlds.draw(2, n=300))
    function = second_purchase.target(data, 0.4).gradient
    point = np.random.default_rng(1).normal(-1, 0.5, STEPS + len(data.names))
    rough = [(function(point + e)[0] - function(point - e)[0]) / 2e-5 for e in np.eye(STEPS + len(data.names)) * 1e-5]
    np.testing.assert_allclose(function(point)[1], rough, rtol=1e-4, atol=1e-4)


def test_the_fit_is_judged_and_repeats() -> None:
    data = worlds.data(worlds.draw(4))
    one, other = (second_purchase.fit(data, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one["posterior"]["effect"], other["posterior"]["effect"])
    gate = diagnostics.gate(one)
    assert gate.passed, gate.reasons


@pytest.mark.parametrize(
    ("spells", "said"),
    [
        (pd.DataFrame({"weeks": [], "bought": [], "product": []}), "there is no first purchase"),
        (pd.DataFrame({"weeks": [3, 4], "bought": [False, False], "product": ["a", "b"]}), "bought a second time"),
        (pd.DataFrame({"weeks": [-3, 4], "bought": [True, False], "product": ["a", "b"]}), "before the first"),
        (pd.DataFrame({"weeks": [3, 4], "bought": [True, False], "products": ["a", "b"]}), "products"),
    ],
    ids=["empty", "nobody", "negative", "column"],
)
def test_what_cannot_be_is_said(spells: pd.DataFrame, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        second_purchase.model_data(spells, features=("product",))
