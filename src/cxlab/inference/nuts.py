"""The one place that compiles and samples: nutpie on numba, one compiled structure for every data set of its shape.

Compiling a model costs ten seconds and more, sampling it one or two. So a model pads its parameters to the sizes of a
`Structure` and keeps all data in `pm.Data`; the structure is compiled once a process for data of any size up to its
own, and a process forked from a warm parent inherits it.

The contract with a batch: a module ``cxlab.models.<name>`` that can be warmed exports

- ``structure_for(...) -> Structure``: which structure a unit needs, from a few cheap counts, without importing pymc;
- ``warm(structures)``: compiles them in this process. Call it in the parent, before it forks, with
  OMP_NUM_THREADS=1 in its environment. Nothing else is needed: a child that fits a model of that structure finds it.

A process that was not forked from a warm parent compiles on first use.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MAX_CHAINS: Final = 16
MOST_CORES: Final = 4
TARGETS: Final = (0.85, 0.95, 0.99)  # target acceptance of the first attempt and of those after divergences


@dataclass(frozen=True, order=True)
class Structure:
    """What a compiled model depends on: its module's name and the sizes of its parameters, no data.

    Attributes
    ----------
    model : str
        Name of the module in ``cxlab.models``.
    size : int
        Step of the module's own ladder of padded sizes.
    """

    model: str
    size: int


_compiled: dict[Structure, Any] = {}  # lives as long as the process; forked children inherit it


def is_compiled(structure: Structure) -> bool:
    """Whether this process (or the parent it was forked from) has compiled the structure."""
    return structure in _compiled


def compile_structure(structure: Structure, build: Callable[[], pm.Model], *, keep: tuple[str, ...]) -> None:
    """Compile a structure and draw one tiny sample, unless this process has it already.

    Parameters
    ----------
    structure : Structure
        The key it is kept under.
    build : callable
        Gives the PyMC model, each `pm.Data` in it at its largest and legal.
    keep : tuple of str
        Variables to store beside the raw parameters, e.g. those with a transform.
    """
    if structure in _compiled:
        return
    import nutpie

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of numba and pytensor, about each other
        compiled = nutpie.compile_pymc_model(build(), backend="numba", var_names=list(keep))
    compiled = dataclasses.replace(compiled, initial_point_func=_beginning(compiled, {}))
    _run(compiled, draws=2, tune=2, chains=1, cores=1, seed=0, target_accept=TARGETS[0])
    _compiled[structure] = compiled


def sample(
    structure: Structure,
    build: Callable[[], pm.Model],
    data: dict[str, np.ndarray],
    *,
    start: dict[str, tuple[np.ndarray, np.ndarray]],
    keep: tuple[str, ...],
    draws: int,
    tune: int,
    chains: int,
    seed: int,
) -> xr.DataTree:
    """Draw from the posterior of a structure with this data; the same data and seed give the same draws.

    Where a chain diverges the model is sampled again with smaller steps (`TARGETS`), the last attempt is returned, and
    the number of attempts is written down; whether the draws may be believed is for `cxlab.inference.diagnostics` to
    say.

    Parameters
    ----------
    structure, build, keep
        As for `compile_structure`.
    data : dict of str to array
        A value for every `pm.Data`. That it is finite and no larger than the structure's is checked here, that the
        arrays agree with each other by the model that made them.
    start : dict of str to (middle, spread)
        Where chains begin: uniform within `spread` of `middle` for the first entries of each raw parameter (under its
        unconstrained name, ``x_log__``), within 1 of 0 for the rest.
    draws, tune : int
        Draws a chain kept, and thrown away while adapting.
    chains : int
        1 to 16; as many at once as OMP_NUM_THREADS allows, 4 at most.
    seed : int
        Non-negative.

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
    compile_structure(structure, build, keep=keep)
    compiled = _compiled[structure]
    _check(compiled, data, structure)
    compiled = dataclasses.replace(compiled.with_data(**data), initial_point_func=_beginning(compiled, start))
    cores = min(chains, MOST_CORES, int(os.environ.get("OMP_NUM_THREADS") or 1))
    attempts = 0
    for target in TARGETS:
        attempts += 1
        tree = _run(compiled, draws=draws, tune=tune, chains=chains, cores=cores, seed=seed, target_accept=target)
        if not int(tree["sample_stats"]["diverging"].sum()):
            break
    tree.attrs.update(attempts=attempts, target_accept=target, seed=seed, tune=tune)
    return tree


def _check(compiled: Any, data: dict[str, np.ndarray], structure: Structure) -> None:
    """Refuse what `with_data` would take unchecked and read past its end."""
    largest = {var.name: compiled.shared_data[key].shape for var, key in compiled.shared_var_keys.items()}
    problems = [Problem(f"data for {structure} lack an array", where=name) for name in sorted(set(largest) - set(data))]
    problems += [Problem(f"{structure} has no such data", where=name) for name in sorted(set(data) - set(largest))]
    for name in sorted(set(data) & set(largest)):
        shape, limit = data[name].shape, largest[name]
        if len(shape) != len(limit) or any(n > most for n, most in zip(shape, limit, strict=False)):
            problems.append(
                Problem(f"too large for {structure}", where=name, value=str(shape), allowed=f"up to {limit}")
            )
        elif not np.isfinite(data[name]).all():
            problems.append(Problem("data must be finite", where=name))
    if problems:
        raise ModelError(problems)


def _run(
    compiled: Any, *, draws: int, tune: int, chains: int, cores: int, seed: int, target_accept: float
) -> xr.DataTree:
    import nutpie

    return nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        adaptation="diag",
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=False,
    )


def _beginning(compiled: Any, start: dict[str, tuple[np.ndarray, np.ndarray]]) -> Callable[[int | None], np.ndarray]:
    """Initial points of chains, in the order of the compiled parameters."""
    middle, spread = np.zeros(compiled.n_dim), np.ones(compiled.n_dim)
    names, slices, _ = compiled.shape_info
    for name, piece in zip(names, slices, strict=True):
        if name in start:
            for whole, part in zip((middle, spread), start[name], strict=True):
                whole[piece.start : piece.start + len(part)] = part

    def begin(seed: int | None) -> np.ndarray:
        return middle + spread * np.random.default_rng(seed).uniform(-1.0, 1.0, len(middle))

    return begin
