"""The one place that samples PyMC models: the same seed, legal settings, smaller steps after divergences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.inference import nuts

if TYPE_CHECKING:
    import pymc as pm

QUICK = {"draws": 200, "tune": 200, "chains": 2, "seed": 1}


def normal(y: np.ndarray) -> pm.Model:
    """A mean of some numbers."""
    import pymc as pm

    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, 1.0, observed=y)
    return model


def cliff(height: float) -> pm.Model:
    """A normal that ends in a cliff no gradient announces: trajectories fall off it."""
    import pymc as pm

    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("fall", -height * pm.math.switch(x > 1.0, 1.0, 0.0))
    return model


def test_the_posterior_is_that_of_the_model_however_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.array([5.0, 7.0])
    draws = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        tree = nuts.sample(normal(y), start={"mu": (np.array(6.0), np.array(0.1))}, **QUICK)
        draws.append(tree["posterior"]["mu"].to_numpy())
        assert tree.attrs["attempts"] == 1
    precision = len(y) + 0.01
    assert draws[0].mean() == pytest.approx(y.sum() / precision, abs=0.2)
    assert draws[0].std() == pytest.approx(precision**-0.5, rel=0.25)
    np.testing.assert_array_equal(*draws)


def test_all_illegal_settings_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        nuts.sample(normal(np.zeros(2)), draws=1, tune=1, chains=0, seed=-1)
    assert [p.where for p in caught.value.problems] == ["draws", "tune", "chains", "seed"]


def test_divergences_are_met_with_smaller_steps_and_told() -> None:
    steep, flat = (nuts.sample(cliff(height), **QUICK) for height in (1e6, 0.0))
    assert flat.attrs["attempts"] == 1
    assert int(flat["sample_stats"]["diverging"].sum()) == 0
    assert steep.attrs["attempts"] == len(nuts.TARGETS)
    assert steep.attrs["target_accept"] == nuts.TARGETS[-1]
    assert int(steep["sample_stats"]["diverging"].sum()) > 0  # told, for the gate to withhold
