"""Parameters of notebook templates: read from the `parameters` cell, checked before any kernel starts.

papermill writes parameter names raw into a code cell and only warns about unknown ones, so a mistyped brand would give
another brand's report, and a name with a line break would run code.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxlab.errors import ParamsError, Problem, nearest

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


@dataclass(frozen=True)
class Declared:
    """One line of a `parameters` cell.

    Attributes
    ----------
    type : str
        str, int, float, bool, list or dict.
    default : object
        The value in the template.
    help : str
        The trailing comment.
    """

    type: str
    default: Any
    help: str = ""


def declared_parameters(source: str) -> dict[str, Declared]:
    """Read the parameters a template declares.

    Parameters
    ----------
    source : str
        The code of the `parameters` cell: lines ``name: type = literal  # help`` (the type may be left out).

    Raises
    ------
    ParamsError
        If a line is anything else: templates are data here and are never run.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ParamsError(Problem("the parameters cell is no Python", line=error.lineno or 0)) from None
    lines = source.splitlines()
    out: dict[str, Declared] = {}
    problems = []
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        target: ast.expr | None = None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        try:
            if not isinstance(target, ast.Name) or not isinstance(node, ast.Assign | ast.AnnAssign) or not node.value:
                raise ValueError
            default = ast.literal_eval(node.value)
            kind = type(default).__name__
            if isinstance(node, ast.AnnAssign):
                kind = ast.unparse(node.annotation).split("[")[0]
            if kind not in _TYPES or not _fits(default, kind):
                raise ValueError
        except ValueError:
            todo = "write `name: type = value  # help` with str, int, float, bool, list or dict"
            problems.append(
                Problem("not a parameter", line=node.lineno, value=lines[node.lineno - 1].strip()[:80], todo=todo)
            )
            continue
        tail = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :]
        out[target.id] = Declared(kind, default, tail.partition("#")[2].strip())
    if problems:
        raise ParamsError(problems)
    return out


def validate_notebook_parameters(
    declared: Mapping[str, Declared | str], given: Mapping[str, Any], *, notebook: str = ""
) -> dict[str, Any]:
    """Check parameters for a notebook.

    Parameters
    ----------
    declared : mapping
        Name -> `Declared` or the name of its type: what the template's `parameters` cell says.
    given : mapping
        Name -> value of JSON type.
    notebook : str
        Named in messages.

    Returns
    -------
    dict
        The given parameters; whole numbers for float parameters are made floats.

    Raises
    ------
    ParamsError
        Unknown names (with the nearest), wrong types, names that are no identifiers: all at once.
    """
    problems = []
    out: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            what = "a parameter's name must be a plain identifier; nothing was run"
            problems.append(Problem(what, notebook, where=_cut(repr(name)), todo="rename it"))
            continue
        if name not in declared:
            near = nearest(name, list(declared))
            legal = ", ".join(declared) or "none"
            problems.append(Problem("the notebook has no such parameter", notebook, 0, name, "", legal, near))
            continue
        spec = declared[name]
        kind = (spec.type if isinstance(spec, Declared) else spec).split("[")[0]
        if kind in _TYPES and not _fits(value, kind):
            allowed = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
            problems.append(Problem("wrong type", notebook, 0, name, _cut(repr(value)), allowed.get(kind, f"a {kind}")))
            continue
        if not _is_json(value):
            problems.append(Problem("only JSON values can be passed", notebook, 0, name, type(value).__name__))
            continue
        out[name] = float(value) if kind == "float" else value
    if problems:
        raise ParamsError(problems)
    return out


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _TYPES[kind])


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_json(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_json(v) for k, v in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (str, int, bool)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
