"""The one place that samples: structures compiled once, data checked before they reach compiled code."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.inference import nuts
from cxlab.inference.nuts import Structure

if TYPE_CHECKING:
    import pymc as pm

NORMAL, CLIFF = Structure("a_normal", 8), Structure("a_cliff", 1)
QUICK = {"keep": (), "draws": 200, "tune": 200, "chains": 2, "seed": 1}


def normal() -> pm.Model:
    """A mean of up to 8 numbers."""
    import pymc as pm

    with pm.Model() as model:
        y = pm.Data("y", np.zeros(8))
        pm.Normal("mu", 0.0, 10.0)
        pm.Potential("y_given_mu", -0.5 * ((y - model["mu"]) ** 2).sum())
    return model


def cliff() -> pm.Model:
    """A normal that ends in a cliff no gradient announces: trajectories fall off it."""
    import pymc as pm

    with pm.Model() as model:
        height = pm.Data("height", np.zeros(1))
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("fall", -height[0] * pm.math.switch(x > 1.0, 1.0, 0.0))
    return model


def start_at(middle: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {"mu": (np.array([middle]), np.array([0.1]))}


def test_data_smaller_than_the_structure_needs_no_compiling() -> None:
    assert not nuts.is_compiled(NORMAL)
    for y in (np.full(8, 3.0), np.array([5.0, 7.0])):
        tree = nuts.sample(NORMAL, normal, {"y": y}, start=start_at(y.mean()), **QUICK)
        assert nuts.is_compiled(NORMAL)
        precision = len(y) + 0.01
        mu = tree["posterior"]["mu"]
        assert float(mu.mean()) == pytest.approx(y.sum() / precision, abs=0.2)
        assert float(mu.std()) == pytest.approx(precision**-0.5, rel=0.25)
        assert tree.attrs["attempts"] == 1


def test_the_same_seed_gives_the_same_draws_however_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        tree = nuts.sample(NORMAL, normal, {"y": np.ones(4)}, start=start_at(1.0), **QUICK)
        draws.append(tree["posterior"]["mu"].to_numpy())
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"y": np.zeros(9)}, r"y: too large for .*found \(9,\); allowed: up to \(8,\)"),
        ({"y": np.zeros((2, 2))}, "y: too large"),
        ({"y": np.array([np.nan])}, "y: data must be finite"),
        ({}, "y: data for .* lack an array"),
        ({"y": np.zeros(2), "z": np.zeros(2)}, "z: .*has no such data"),
    ],
)
def test_data_that_compiled_code_would_read_past_are_refused(data: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        nuts.sample(NORMAL, normal, data, start={}, **QUICK)


def test_all_illegal_settings_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        nuts.sample(NORMAL, normal, {"y": np.zeros(2)}, start={}, keep=(), draws=1, tune=1, chains=0, seed=-1)
    assert [p.where for p in caught.value.problems] == ["draws", "tune", "chains", "seed"]


def test_divergences_are_met_with_smaller_steps_and_told() -> None:
    steep, flat = (
        nuts.sample(CLIFF, cliff, {"height": np.array([height])}, start={}, **QUICK) for height in (1e6, 0.0)
    )
    assert flat.attrs["attempts"] == 1
    assert int(flat["sample_stats"]["diverging"].sum()) == 0
    assert steep.attrs["attempts"] == len(nuts.TARGETS)
    assert steep.attrs["target_accept"] == nuts.TARGETS[-1]
    assert int(steep["sample_stats"]["diverging"].sum()) > 0  # told, for the gate to withhold


def test_a_forked_child_finds_what_its_parent_compiled() -> None:
    nuts.compile_structure(NORMAL, normal, keep=())
    ours, theirs = multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        _child(theirs)
    assert ours.poll(60), "the child did not answer"
    compiled, mean, seconds = ours.recv()
    os.waitpid(pid, 0)
    assert compiled
    assert mean == pytest.approx(4.0, abs=0.3)
    assert seconds < 20  # compiling alone takes longer than the sampling of this model ever does


def _child(pipe: Connection) -> None:
    """In a fork: fit, answer, leave without running what belongs to the parent."""
    status = 1
    try:
        begun = time.monotonic()
        known = nuts.is_compiled(NORMAL)
        tree = nuts.sample(NORMAL, normal, {"y": np.full(6, 4.0)}, start=start_at(4.0), **QUICK)
        pipe.send((known, float(tree["posterior"]["mu"].mean()), time.monotonic() - begun))
        status = 0
    finally:
        os._exit(status)
