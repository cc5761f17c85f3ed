"""pydantic's errors -> problems a reader can mend: file, line, key, value, what is allowed, nearest legal name."""

from __future__ import annotations

import copy
import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cxlab.errors import Problem, nearest
from cxlab.params.models import Params
from cxlab.params.reader import KeyPath, Place, dotted

MAX_ROUNDS = 12
_STAND_IN = {
    "client": "client",
    "brands": [{"id": "brand", "label": "Brand"}],
    "periods": {"grain": "year", "first": "2000", "last": "2000"},
}
_EXPECTED = {
    "string_type": "text (put numbers in quotes)",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}


def explain(
    error: ValidationError, data: Mapping[Any, Any], places: Mapping[KeyPath, Place], file: str
) -> list[Problem]:
    """Return the problems behind a validation error.

    Parameters
    ----------
    error : ValidationError
    data : mapping
        The merged data that was validated.
    places : mapping
        Keys from the root -> (file, line).
    file : str
        The file to name when a key has no place of its own.
    """
    groups: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        groups.setdefault(_walk(detail["loc"], data, detail["type"]), []).append(detail)
    problems = []
    for path, details in groups.items():
        deeper = [p for p in groups if len(p) > len(path) and p[: len(path)] == path]
        if deeper and all(d["type"] in _EXPECTED for d in details):
            continue  # another form of the same value was meant, and its own error says more
        source, line = _place(path, places, file)
        problems.append(_problem(path, details, data, source, line))
    return problems


def salvage(error: ValidationError, data: Mapping[Any, Any]) -> tuple[Params, set[str]] | None:
    """Return params from what is sound in broken data, and the names lost with the rest; None if nothing is left.

    Only good for finding more problems.
    """
    sound = copy.deepcopy(dict(data))
    for _ in range(MAX_ROUNDS):
        paths = {(_walk(d["loc"], sound, d["type"]), d["type"] == "missing") for d in error.errors(include_url=False)}
        for path, missing in sorted(paths, key=lambda p: [str(k).zfill(9) for k in p[0]], reverse=True):
            if len(path) == 1 and path[0] in _STAND_IN:
                sound[path[0]] = _STAND_IN[str(path[0])]
            else:  # a mapping without a required key goes as a whole
                _drop(sound, path[:-1] if missing else path)
        try:
            return Params.model_validate(sound), _keys(data) - _keys(sound)
        except ValidationError as next_error:
            error = next_error
    return None


def is_news(problem: Problem, known: list[Problem], lost: set[str]) -> bool:
    """Tell whether a problem of salvaged params is one of the file, not a consequence of a `known` one."""
    if problem.what.startswith("there is no such") and problem.value.strip("'") in lost:
        return False  # it is defined, with a mistake of its own
    if "the period" in problem.what and any(p.where.startswith("periods") for p in known):
        return False
    return not any(p.where and (p.where.startswith(problem.where) or problem.where.startswith(p.where)) for p in known)


def _drop(data: Any, path: KeyPath) -> None:
    for key in path[:-1]:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return
    if path and isinstance(data, dict):
        data.pop(path[-1], None)
    elif path and isinstance(data, list) and isinstance(path[-1], int) and path[-1] < len(data):
        del data[path[-1]]


def _keys(data: Any) -> set[str]:
    if isinstance(data, Mapping):
        return {str(k) for k in data} | {k for v in data.values() for k in _keys(v)}
    return {k for v in data for k in _keys(v)} if isinstance(data, list) else set()


def _problem(path: KeyPath, details: list[ErrorDetails], data: Mapping[Any, Any], file: str, line: int) -> Problem:
    first = details[0]
    kind = first["type"]
    where = dotted(path)
    if kind == "extra_forbidden":
        model = model_at(path[:-1])
        legal = sorted(_names(model)) if model else []
        given = set(_at(path[:-1], data) or ())
        name = str(path[-1])
        near = nearest(name, [x for x in legal if x not in given]) or nearest(name, legal)  # a preset may have given it
        return Problem("unknown key", file, line, where, allowed=", ".join(legal), nearest=near)
    if kind == "missing":
        model = model_at(path[:-1])
        return Problem("a required key is missing", file, line, where, allowed=_description(model, str(path[-1])))
    value = _shown(_at(path, data))
    literal = [d for d in details if d["type"] == "literal_error"]
    if literal:
        legal = list(dict.fromkeys(x for d in literal for x in _words(str(d.get("ctx", {}).get("expected", "")))))
        near = nearest(str(first["input"]), legal)
        others = [_EXPECTED[d["type"]] for d in details if d["type"] in _EXPECTED]
        return Problem("not a legal value", file, line, where, value, ", ".join([*legal, *others]), near)
    own = [d for d in details if d["type"] == "value_error"]
    if own:
        return Problem(own[0]["msg"].removeprefix("Value error, "), file, line, where, value)
    expected = list(dict.fromkeys(_EXPECTED[d["type"]] for d in details if d["type"] in _EXPECTED))
    if expected:
        return Problem("not a legal value", file, line, where, value, " or ".join(expected))
    return Problem(_lower(first["msg"]), file, line, where, value)


def _walk(loc: tuple[int | str, ...], data: Any, kind: str) -> KeyPath:
    """Keep of pydantic's location what the file says: names of union branches and validators drop out."""
    path: list[str | int] = []
    here = data
    for index, key in enumerate(loc):
        if isinstance(here, Mapping):
            hit = next((k for k in here if k == key or str(k) == str(key)), None)
            if hit is not None:
                path.append(hit)
                here = here[hit]
                continue
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            path.append(key)
            here = here[key]
            continue
        if kind == "missing" and index == len(loc) - 1:
            path.append(key)
    return tuple(path)


def _at(path: KeyPath, data: Any) -> Any:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _place(path: KeyPath, places: Mapping[KeyPath, Place], file: str) -> Place:
    for end in range(len(path), 0, -1):
        if path[:end] in places:
            return places[path[:end]]
    return (file, 0)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _lower(text: str) -> str:
    text = text.replace("Input should", "the value should")
    return text[:1].lower() + text[1:]


def _words(expected: str) -> list[str]:
    return [w.strip().strip("'") for w in expected.replace(" or ", ", ").split(",") if w.strip()]


def model_at(path: KeyPath) -> type[BaseModel] | None:
    """Return the grammar's model that stands at a path of keys, None if it is no mapping of fixed keys."""
    kinds: list[Any] = [Params]
    for key in path:
        kinds = [child for kind in kinds for child in _children(kind, key)]
    return next((k for kind in kinds for k in _models(kind)), None)


def _unwrap(kind: Any) -> list[Any]:
    """Return the alternatives of an annotation without Annotated, Union and None."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _unwrap(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [x for arg in get_args(kind) if arg is not type(None) for x in _unwrap(arg)]
    return [kind]


def _children(kind: Any, key: str | int) -> list[Any]:
    found = []
    for option in _unwrap(kind):
        origin = get_origin(option)
        if origin is list and isinstance(key, int):
            found.append(get_args(option)[0])
        elif origin is list:  # one mapping stands for a list of one
            found += _children(get_args(option)[0], key)
        elif origin is dict:
            found.append(get_args(option)[1])
        elif isinstance(option, type) and issubclass(option, BaseModel):
            found += [f.annotation for n, f in option.model_fields.items() if key in (n, f.alias) and f.annotation]
    return found


def _models(kind: Any) -> list[type[BaseModel]]:
    out: list[type[BaseModel]] = []
    for option in _unwrap(kind):
        if isinstance(option, type) and issubclass(option, BaseModel):
            out.append(option)
        elif get_origin(option) is list:
            out += _models(get_args(option)[0])
    return out


def _names(model: type[BaseModel]) -> list[str]:
    return [f.alias or n for n, f in model.model_fields.items()]


def _description(model: type[BaseModel] | None, key: str) -> str:
    for name, field in model.model_fields.items() if model else ():
        if key in (name, field.alias):
            return field.description or ""
    return ""
