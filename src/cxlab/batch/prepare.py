"""What the warm parent is told to load: the imports of the notebooks that will run, the model structures they need."""

from __future__ import annotations

import ast
import importlib
import time
from collections.abc import Iterable
from typing import Any

import nbformat

from cxlab import connect
from cxlab.batch.plan import Plan, Step
from cxlab.suite import Notebook

KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "cxlab.runs",
)
FITTED_ROLES = ("overall", "nps", "ces")  # of the items a model of satisfaction is fitted to
MAX_FACTORS = 6  # as ModelSettings.groupings says
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

    The module says which one a unit needs (``structure_for``, see `cxlab.sampling`). A wrong guess costs time, never a
    result: a kernel compiles what it does not find.
    """
    out: dict[str, set[Any]] = {}
    until = time.monotonic() + PATIENCE
    # The newest period first: its structure, the largest, is the one that pays most.
    for step in reversed(plan.stale()):
        if step.notebook.model and time.monotonic() < until:
            out.setdefault(step.notebook.model, set()).update(_structures(plan, step, store))
    return {name: sorted(found) for name, found in out.items() if found}


def _structures(plan: Plan, step: Step, store: connect.Store) -> Iterable[Any]:
    module = importlib.import_module(f"cxlab.models.{step.notebook.model}")
    brand, period = step.node.unit.brand or None, step.node.unit.period or plan.params.periods.last
    items = store.items(brand, period)
    for item in items.loc[items["role"].isin(FITTED_ROLES), "item"].unique():
        factors = plan.params.model.groupings
        if factors is None:
            factors = list(store.factors(item, brand, period)["factor"])[:MAX_FACTORS]
        cells = store.cells(item, factors=factors, brand=brand, until=period)
        if cells.empty:
            continue
        yield module.structure_for(
            cells=len(cells[[*factors, "period"]].drop_duplicates()),
            groups=[cells[f].nunique() for f in factors],
            periods=cells["period"].nunique(),
        )
