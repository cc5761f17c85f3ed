"""What the warm parent is told to load: the imports of the notebooks that will run, the model structures they need."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable
from typing import Any

import nbformat

from cxlab import connect, measures, runs
from cxlab.batch.plan import Plan
from cxlab.suite import Notebook

KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "cxlab.runs",
)
PATIENCE = 10.0  # seconds of looking ahead: what is missed compiles in its own kernel


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


def structures_of(plan: Plan, store: connect.Store) -> dict[str, list[Any]]:
    """Return module of `cxlab.models` -> the structures its stale notebooks will fit, as far as counts tell.

    A wrong guess costs time, never a result: a kernel compiles what it does not find.
    """
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
        needed = measures.structures(data, params=plan.params, period=period, periods=known)
        out.setdefault(model, set()).update(s for s in needed if s.model == model)
    return {name: sorted(found) for name, found in out.items() if found}
