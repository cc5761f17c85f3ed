"""What the warm parent is told to load: the imports of the notebooks that will run, the model structures they need."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import nbformat

from cxlab.batch.plan import Plan
from cxlab.suite import Notebook

KERNEL = ("ipykernel.ipkernel", "ipykernel.kernelapp", "IPython.core.completer", "cxlab.runs", "cxlab.connect")


def modules_of(notebooks: Iterable[Notebook]) -> list[str]:
    """Return the modules that the given templates import, found by reading them: no list to keep up to date."""
    found: dict[str, None] = dict.fromkeys(KERNEL)
    for template in dict.fromkeys(n.template for n in notebooks):
        for cell in nbformat.read(template, as_version=4).cells:
            if cell.cell_type == "code":
                found |= dict.fromkeys(_imports(cell.source))
    return list(found)


def _imports(source: str) -> list[str]:
    """Modules named by import statements; `from package import name` may name a module as well."""
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
            if node.module == "cxlab":
                out += [f"cxlab.{alias.name}" for alias in node.names]
            if node.module.startswith("cxlab.models"):
                out += [f"{node.module}.{alias.name}" for alias in node.names]
    return out


def structures_of(plan: Plan) -> dict[str, Any]:
    """Return module of `cxlab.models` -> structures its pending notebooks will fit."""
    return {}
