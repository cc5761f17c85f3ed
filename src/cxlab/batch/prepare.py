"""The warm parents of a batch: one for notebooks that only import, one for each model whose structures are compiled.

While a parent compiles, which takes longest, notebooks without a model already run on forks of the other one.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import nbformat

from cxlab import connect, runs
from cxlab.batch.kernels import Warm, Workplace
from cxlab.batch.plan import Plan
from cxlab.batch.suite import Notebook

KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "cxlab.runs",
)
PATIENCE = 10.0  # seconds of looking ahead: what is missed compiles in its own kernel
IMPORTS = 120.0  # seconds a parent may import before its notebooks start cold
TIMEOUT = 300.0  # the same with models to compile


class Parents:
    """The warm parents, by model (empty text: none).

    Parameters
    ----------
    plan, store
        What will run, and the data that says which structures that needs.
    environment : mapping
        Environment of the parents; threads are pinned in it.
    workplace : Workplace
    """

    def __init__(
        self, plan: Plan, store: connect.Store, *, environment: Mapping[str, str], workplace: Workplace
    ) -> None:
        self._since = time.monotonic()
        stale = plan.stale()
        users = Counter(s.notebook.model for s in stale)
        structures = structures_of(plan, store)
        self._warm = {
            model: Warm(
                modules=modules_of(s.notebook for s in stale if s.notebook.model == model),
                structures={model: structures[model]} if model in structures else {},
                environment=environment,
                workplace=workplace,
            )
            for model, n in users.items()
            if n > 1  # a single notebook pays for itself
        }

    def busy(self, model: str) -> bool:
        """Whether it pays to wait for the parent of a model."""
        warm = self._warm.get(model)
        patience = TIMEOUT if model else IMPORTS
        return warm is not None and warm.alive and warm.report is None and time.monotonic() < self._since + patience

    def of(self, model: str) -> Warm | None:
        """Return the parent for a model if it can fork now; None means a cold start."""
        warm = self._warm.get(model)
        return warm if warm is not None and warm.alive and warm.report is not None else None

    def report(self) -> dict[str, Any]:
        """Return model -> seconds of imports and compilation, and what could not be loaded."""
        return {model or "none": dict(warm.report) for model, warm in self._warm.items() if warm.report is not None}

    def close(self) -> None:
        """End them."""
        for warm in self._warm.values():
            warm.close()


def modules_of(notebooks: Iterable[Notebook]) -> list[str]:
    """Return the modules that the given templates import, found by reading them: no list to keep up to date."""
    found: dict[str, None] = dict.fromkeys(KERNEL)
    for template in dict.fromkeys(n.template for n in notebooks):
        for cell in nbformat.read(template, as_version=4).cells:
            if cell.cell_type == "code":
                found |= dict.fromkeys(_imports(cell.source))
    return list(found)


def _imports(source: str) -> list[str]:
    """Return what import statements name; ``from package import name`` may name a module as well."""
    try:
        tree = ast.parse("\n".join(x for x in source.splitlines() if not x.lstrip().startswith(("%", "!"))))
    except SyntaxError:
        return []
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out.append(node.module)
            if node.module.split(".")[0] == "cxlab":
                out += [f"{node.module}.{alias.name}" for alias in node.names]
    return out


def _askers(notebook: Notebook) -> list[Any]:
    """Return the functions ``structures`` of the package's modules a template imports: they know what it will fit."""
    found = []
    for name in modules_of([notebook]):
        if name.startswith("cxlab."):
            with contextlib.suppress(ModuleNotFoundError):  # the name is a function's, not a module's
                found.append(getattr(import_module(name), "structures", None))
    return [asked for asked in found if asked]


def structures_of(plan: Plan, store: connect.Store) -> dict[str, list[Any]]:
    """Return module of `cxlab.models` -> the structures its stale notebooks will fit, as far as counts tell.

    A wrong guess costs time, never a result: a kernel compiles what it does not find.
    """
    if not any(s.notebook.model for s in plan.stale()):
        return {}
    out: dict[str, set[Any]] = {}
    until = time.monotonic() + PATIENCE
    # The newest period first: its structure, the largest, is the one that pays most.
    for step in reversed(plan.stale()):
        model, unit = step.notebook.model, step.node.unit
        if not model or time.monotonic() > until:
            continue
        period = unit.period or plan.params.periods.last
        data = runs.UnitData(store, unit.brand or None, period)
        known = [p.label for p in runs.known_periods(plan.params, period)]
        for asked in _askers(step.notebook):
            needed = asked(data, params=plan.params, period=period, periods=known)
            out.setdefault(model, set()).update(s for s in needed if s.model == model)
    return {name: sorted(found) for name, found in out.items() if found}
