"""The analysts' workbenches beside the templates: empty outputs, one title, both languages, nothing but calls."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def faults(notebook: dict[str, Any]) -> list[str]:
    """Everything in which a notebook differs from a workbench as it is committed."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            if not re.search(r"[\u4e00-\u9fff]", cell["metadata"].get("cxlab", {}).get("zh", "")):
                found.append(f"{cell['id']}: no Chinese text")
            continue
        if cell["outputs"] or cell["execution_count"] is not None:
            found.append(f"{cell['id']}: has an output")
        if any(
            isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For)
            for n in ast.walk(ast.parse(source(cell)))
        ):
            found.append(f"{cell['id']}: the package is the place for functions and loops")
    titles = [line for c in notebook["cells"] if c["cell_type"] == "markdown" for line in source(c).splitlines()]
    if sum(line.startswith("# ") for line in titles) != 1:
        found.append("not one title")
    if notebook["metadata"].get("widgets"):
        found.append("the state of widgets is kept")
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_workbench_is_committed_empty(path: Path) -> None:
    assert faults(json.loads(path.read_text("utf-8"))) == []


def test_there_is_one_for_drivers_and_one_for_topics() -> None:
    assert {"explore_drivers", "explore_topics"} <= {p.stem for p in PATHS}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"outputs": [{"output_type": "stream"}]}, "has an output"),
        ({"execution_count": 3}, "has an output"),
        ({"source": ["def f(): ..."]}, "functions"),
    ],
)
def test_a_fault_is_found(changed: dict[str, Any], said: str) -> None:
    notebook = json.loads(PATHS[0].read_text("utf-8"))
    place = next(i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code")
    notebook["cells"][place] |= changed
    assert any(said in fault for fault in faults(notebook))
