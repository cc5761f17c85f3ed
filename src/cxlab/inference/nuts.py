"""The one place that compiles and samples a PyMC model: nutpie on numba, with smaller steps where chains diverge."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MAX_CHAINS: Final = 16
MOST_CORES: Final = 4
TARGETS: Final = (0.85, 0.95, 0.99)  # target acceptance of the first attempt and of those after divergences

Start = Mapping[str, tuple[np.ndarray, np.ndarray]]


def sample(
    model: pm.Model, *, draws: int, tune: int, chains: int, seed: int, start: Start | None = None
) -> xr.DataTree:
    """Draw from the posterior of a model; the same model and seed give the same draws.

    Where a chain diverges the model is sampled again with smaller steps (`TARGETS`), the last attempt is returned, and
    the number of attempts is written down; whether the draws may be believed is for `cxlab.inference.diagnostics` to
    say.

    Parameters
    ----------
    model : pm.Model
    draws, tune : int
        Draws a chain kept, and thrown away while adapting.
    chains : int
        1 to 16; as many at once as OMP_NUM_THREADS allows, 4 at most.
    seed : int
        Non-negative.
    start : mapping of str to (middle, spread)
        Where chains begin: uniform within `spread` of `middle` of a raw parameter, under its unconstrained name
        (``x_log__``); those not named within 1 of 0.

    Returns
    -------
    xr.DataTree
        Groups ``posterior`` and ``sample_stats``; attributes ``attempts``, ``target_accept``, ``seed``, ``tune``.
    """
    problems = [
        Problem(f"{name} must be {allowed}", where=name, value=str(value))
        for name, value, ok, allowed in (
            ("draws", draws, draws >= 4, "4 or more"),
            ("tune", tune, tune >= 50, "50 or more"),
            ("chains", chains, 1 <= chains <= MAX_CHAINS, f"1 to {MAX_CHAINS}"),
            ("seed", seed, seed >= 0, "0 or more"),
        )
        if not ok
    ]
    if problems:
        raise ModelError(problems)
    import nutpie

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of numba and pytensor, about each other
        compiled = nutpie.compile_pymc_model(model)
    compiled = dataclasses.replace(compiled, initial_point_func=_beginning(compiled, start or {}))
    settings = {"draws": draws, "tune": tune, "chains": chains, "seed": seed, "save_warmup": False}
    settings["cores"] = min(chains, MOST_CORES, int(os.environ.get("OMP_NUM_THREADS") or 1))
    attempts = 0
    for target in TARGETS:
        attempts += 1
        tree = nutpie.sample(compiled, adaptation="diag", target_accept=target, progress_bar=False, **settings)
        if not int(tree["sample_stats"]["diverging"].sum()):
            break
    tree.attrs.update(attempts=attempts, target_accept=target, seed=seed, tune=tune)
    return tree


def _beginning(compiled: Any, start: Start) -> Callable[[int | None], np.ndarray]:
    """Initial points of chains, in the order of the compiled parameters."""
    middle, spread = np.zeros(compiled.n_dim), np.ones(compiled.n_dim)
    names, slices, _ = compiled.shape_info
    for name, piece in zip(names, slices, strict=True):
        if name in start:
            middle[piece], spread[piece] = start[name]

    def begin(seed: int | None) -> np.ndarray:
        return middle + spread * np.random.default_rng(seed).uniform(-1.0, 1.0, len(middle))

    return begin
