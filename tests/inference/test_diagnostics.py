"""The convergence gate: what it lets through and what it stops, and why."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from cxlab.inference import diagnostics


def tree(values: np.ndarray, *, diverging: int = 0) -> xr.DataTree:
    """A posterior of one variable, shape (chain, draw, k)."""
    flags = np.zeros(values.shape[:2], bool)
    flags.flat[:diverging] = True
    posterior = xr.Dataset({"scale": (("chain", "draw", "k"), values)})
    return xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), flags)})}
    )


@pytest.fixture
def good() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((4, 1000, 3))


def test_independent_draws_pass(good: np.ndarray) -> None:
    gate = diagnostics.gate(tree(good))
    assert gate.passed
    assert gate.rhat < 1.01
    assert gate.ess_bulk > 2000
    assert gate.reasons == ()


def test_a_chain_elsewhere_is_stopped(good: np.ndarray) -> None:
    good[0, :, 1] += 1.0
    gate = diagnostics.gate(tree(good))
    assert not gate.passed
    assert "r-hat" in gate.reasons[0]["en"]
    assert "r-hat" in gate.reasons[0]["zh"]


def test_a_slow_chain_is_stopped() -> None:
    steps = np.random.default_rng(4).standard_normal((4, 1000, 1))
    values = np.zeros_like(steps)
    for t in range(1, 1000):
        values[:, t] = 0.98 * values[:, t - 1] + steps[:, t]
    assert any("independent draws" in reason["en"] for reason in diagnostics.gate(tree(values)).reasons)


def test_divergences_are_stopped(good: np.ndarray) -> None:
    gate = diagnostics.gate(tree(good, diverging=3))
    assert gate.divergences == 3
    assert not gate.passed


def test_what_is_reported_is_judged_too(good: np.ndarray) -> None:
    bad = good.copy()
    bad[0] += 2.0
    reported = xr.Dataset({"nps": (("chain", "draw", "row"), bad)})
    assert not diagnostics.gate(tree(good), reported).passed


def test_constant_quantities_do_not_confuse_it(good: np.ndarray) -> None:
    good[:, :, 2] = 1.0
    assert diagnostics.gate(tree(good)).passed
    constant = xr.Dataset({"top_box": (("chain", "draw", "row"), np.ones((4, 1000, 2)))})
    assert diagnostics.gate(tree(good), constant).passed


def test_reasons_name_the_question(good: np.ndarray) -> None:
    found = [diagnostics.gate(tree(good)), diagnostics.gate(tree(good, diverging=1))]
    passed, reasons = diagnostics.overall(found, ["nps", "overall"])
    assert not passed
    assert [reason["en"].split(":")[0] for reason in reasons] == ["overall"]
