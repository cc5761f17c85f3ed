"""Every notebook template reads like a page: known cells in a known order, thin code, both languages."""

from __future__ import annotations

import ast
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

TEMPLATES = Path(__file__).resolve().parents[2] / "notebooks" / "templates"
PATHS = sorted(TEMPLATES.glob("*.ipynb"))

# Code cells in the order they may stand in, with the tag that says what a reader of the page sees of them.
CELLS = {
    "parameters": "parameters",
    "setup": "remove-cell",
    "data": "remove-input",
    "model": "remove-input",
    "prior-check": "remove-input",
    "fit": "remove-cell",
    "checks": "remove-input",
    "estimates": "remove-cell",
    "headline": "remove-input",
    "finding": "remove-input",
    "explore": "remove-cell",
    "save": "remove-cell",
}
ALWAYS = ("parameters", "setup", "save")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def kind(name: str) -> str:
    """``finding`` for finding-1, finding-2-..., else the id itself."""
    return re.sub(r"^(finding)-\d+.*$", r"\1", name)


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def markdown_faults(notebook: dict[str, Any]) -> list[str]:
    found = []
    pages = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    titles = [line for cell in pages for line in source(cell).splitlines() if re.match(r"# \S", line)]
    if len(titles) != 1:
        found.append(f"{len(titles)} H1 headings; one is the title of the page")
    if not notebook["cells"] or notebook["cells"][0]["id"] != "title":
        found.append("the first cell is not `title`")
    for cell in pages:
        chinese = cell["metadata"].get("cxlab", {}).get("zh", "")
        if not CHINESE.search(chinese):
            found.append(f"{cell['id']}: no Chinese text in metadata.cxlab.zh")
        elif [len(h) for h in re.findall(r"^#+(?= )", source(cell), re.M)] != [
            len(h) for h in re.findall(r"^#+(?= )", chinese, re.M)
        ]:
            found.append(f"{cell['id']}: headings differ between the languages")
    return found


def parameter_faults(text: str) -> list[str]:
    """Each parameter is one annotated literal with a comment, so papermill's inspector and a reader see it."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            (node,) = ast.parse(line).body
        except (SyntaxError, ValueError):
            found.append(f"parameters: not one statement on one line: {line}")
            continue
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.annotation, ast.Name | ast.Subscript):
            found.append(f"parameters: not `name: type = value`: {line}")
            continue
        try:
            ast.literal_eval(node.value or ast.Name("missing"))
        except ValueError:
            found.append(f"parameters: the default is not a literal: {line}")
        if not re.search(r"  # \S", line):
            found.append(f"parameters: no comment: {line}")
    return found


def code_faults(cell: dict[str, Any]) -> list[str]:
    found = []
    name, text = cell["id"], source(cell)
    wanted = CELLS.get(kind(name))
    if wanted is None:
        found.append(f"{name}: not one of {', '.join(CELLS)}")
    elif wanted not in cell["metadata"].get("tags", []):
        found.append(f"{name}: lacks the tag {wanted}")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            found.append(f"{name}: defines a function or class; the package is the place for it")
        if isinstance(node, ast.For | ast.While):
            found.append(f"{name}: a loop")
        if isinstance(node, ast.Import | ast.ImportFrom) and name != "setup":
            found.append(f"{name}: an import; `setup` is the place for it")
        if isinstance(node, ast.Attribute) and node.attr.startswith(("read_", "to_csv", "to_parquet")):
            found.append(f"{name}: reads or writes a file ({node.attr})")
        if (
            name != "parameters"  # where the params file is named
            and isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not re.fullmatch(r"\w+\.csv", node.value)  # a download of the page
            and re.search(r"\w/\w|\.parquet|\.csv", node.value)
        ):
            found.append(f"{name}: a path: {node.value}")
    return found


def faults(notebook: dict[str, Any]) -> list[str]:
    """Everything in which a notebook differs from the shape of a template."""
    found = (
        [] if (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5) else ["older than nbformat 4.5: no cell ids"]
    )
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("the kernel is not python3")
    found += markdown_faults(notebook)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = [cell["id"] for cell in cells]
    found += [f"no cell {name}" for name in ALWAYS if name not in names]
    if not any(kind(name) in {"finding", "headline"} for name in names):
        found.append("no finding")
    places = [list(CELLS).index(kind(name)) for name in names if kind(name) in CELLS]
    if places != sorted(places):
        found.append(f"cells are not in the order {', '.join(CELLS)}: {', '.join(names)}")
    for cell in cells:
        found += code_faults(cell)
        if cell["id"] == "parameters":
            found += parameter_faults(source(cell))
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_template_reads_like_a_page(path: Path) -> None:
    assert faults(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_papermill_sees_every_parameter(path: Path) -> None:
    from papermill import inspect_notebook

    (cell,) = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["id"] == "parameters"]
    named = {node.target.id for node in ast.parse(source(cell)).body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    seen = inspect_notebook(str(path))
    assert set(seen) == named
    assert [name for name, one in seen.items() if not one["help"]] == []


def cell(name: str, text: str, *tags: str, zh: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"tags": list(tags)} if tags else {"cxlab": {"zh": zh}}
    return {"id": name, "cell_type": "code" if tags else "markdown", "source": text, "metadata": metadata}


GOOD = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3"}},
    "cells": [
        cell("title", "# How satisfied?\n", zh="# 有多满意？\n"),
        cell("parameters", 'brand: str = "aurora"  # whose\nseed: int = 7  # of the draws\n', "parameters"),
        cell("setup", "from cxlab import runs", "remove-cell"),
        cell("finding-1", "shown", "remove-input"),
        cell("save", "run.write(table)", "remove-cell"),
    ],
}


def test_a_good_template_has_no_fault() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("place", "changed", "said"),
    [
        (0, cell("title", "# One\n# Two\n", zh="# 一\n# 二\n"), "2 H1 headings"),
        (0, cell("title", "# One\n"), "no Chinese text"),
        (0, cell("title", "# One\n", zh="一"), "headings differ"),
        (1, cell("parameters", "brand: str | None = None  # whose", "parameters"), "not `name: type = value`"),
        (1, cell("parameters", "brand: str = 'a'", "parameters"), "no comment"),
        (1, cell("parameters", "brand: str = f()  # whose", "parameters"), "not a literal"),
        (2, cell("setup", "import runs\ndef f(): ...", "remove-cell"), "defines a function"),
        (2, cell("finding-0", "1", "remove-input"), "no cell setup"),
        (3, cell("finding-1", "import os", "remove-input"), "an import"),
        (3, cell("finding-1", "pd.read_csv(x)", "remove-input"), "reads or writes a file"),
        (3, cell("finding-1", "open('runs/x')", "remove-input"), "a path"),
        (3, cell("finding-1", "for x in y: x", "remove-input"), "a loop"),
        (3, cell("finding-1", "1", "remove-cell"), "lacks the tag remove-input"),
        (3, cell("surprise", "1", "remove-cell"), "not one of"),
        (4, cell("data", "1", "remove-input"), "not in the order"),
    ],
)
def test_a_fault_is_found(place: int, changed: dict[str, Any], said: str) -> None:
    notebook = copy.deepcopy(GOOD)
    notebook["cells"][place] = changed
    assert any(said in fault for fault in faults(notebook)), faults(notebook)
