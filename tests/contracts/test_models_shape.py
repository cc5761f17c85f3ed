"""Every model is a module of one shape, read from its source (importing pymc takes seconds)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "cxlab"

FUNCTIONS = {"model_data", "build_model", "estimands"}


def faults(text: str) -> list[str]:
    """What a model's source lacks of the shape."""
    tree = ast.parse(text)
    lines = text.splitlines()
    top = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    found = [f"no function {name}" for name in sorted(FUNCTIONS - set(top))]
    said = ast.get_docstring(tree) or ""
    if "doi.org/10." not in said and "doi:10." not in said.lower():
        found.append("the docstring cites no reference with its DOI")
    priors = top.get("Priors")
    if not isinstance(priors, ast.ClassDef):
        return [*found, "no class Priors"]
    if not any("dataclass" in ast.unparse(d) and "frozen=True" in ast.unparse(d) for d in priors.decorator_list):
        found.append("Priors is not a frozen dataclass")
    for node in priors.body:
        if isinstance(node, ast.AnnAssign):
            if "#" not in lines[(node.end_lineno or node.lineno) - 1]:
                found.append(f"Priors.{ast.unparse(node.target)} has no comment with its scale and unit")
            if node.value is None:
                found.append(f"Priors.{ast.unparse(node.target)} has no default")
    for name in sorted(FUNCTIONS & set(top)):
        function = top[name]
        assert isinstance(function, ast.FunctionDef)
        if function.args.kwarg or function.args.vararg:
            found.append(f"{name} takes *args or **kwargs")
        if function.returns is None:
            found.append(f"{name} does not say what it returns")
        if not ast.get_docstring(function):
            found.append(f"{name} has no docstring")
    return found


@pytest.mark.parametrize(
    "path",
    sorted(
        p
        for p in PACKAGE.rglob("*.py")
        if "class Priors" in p.read_text("utf-8") and "def build_model" in p.read_text("utf-8")
    ),
    ids=lambda p: p.relative_to(PACKAGE).as_posix(),
)
def test_model_has_the_shape(path: Path) -> None:
    beside = "\n".join(p.read_text("utf-8") for p in path.parent.glob("*.py") if p != path)
    told = {f"no function {name}" for name in FUNCTIONS if f"def {name}(" in beside}  # in data.py or estimates.py
    assert [fault for fault in faults(path.read_text(encoding="utf-8")) if fault not in told] == []


def test_a_misshapen_model_is_found() -> None:
    text = '''"""A model."""
@dataclass
class Priors:
    scale: float = 1.0
def model_data(**options): ...
def build_model(data, priors) -> object:
    """Build it."""
'''
    assert faults(text) == [
        "no function estimands",
        "the docstring cites no reference with its DOI",
        "Priors is not a frozen dataclass",
        "Priors.scale has no comment with its scale and unit",
        "model_data takes *args or **kwargs",
        "model_data does not say what it returns",
        "model_data has no docstring",
    ]
