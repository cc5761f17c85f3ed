"""A params file, what it extends and the environment -> Params; all problems of all files at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params import checks, presets
from cxlab.params.explain import explain, is_news, salvage
from cxlab.params.models import CommentsMap, Input, Params, Places, RatingsMap, ResponsesMap, Source, Tables
from cxlab.params.reader import Document, KeyPath, Place, dotted, near_file, read

OVERRIDE = "(given on the command line)"
_VARIABLE = re.compile(r"\$\{([^}]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Which of a source's keys each table takes over.
_TAKES = {
    "responses": [x for x in ResponsesMap.model_fields if x in Source.model_fields],
    "ratings": [x for x in RatingsMap.model_fields if x in Source.model_fields],
    "comments": [x for x in CommentsMap.model_fields if x in Source.model_fields],
}


@dataclass
class _Stack:
    """The files read so far, each once, the ones built upon first."""

    layers: list[tuple[dict[Any, Any], dict[KeyPath, Place]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    done: set[Path] = field(default_factory=set)
    folders: dict[str, Path] = field(default_factory=dict)  # file as named in messages -> its folder


def load(path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Params:
    """Read a params file.

    Parameters
    ----------
    path : str or Path
        The params file.
    overrides : mapping, optional
        Values laid over the file's, e.g. ``{"model": {"draws": 500}}``.

    Returns
    -------
    Params
        Validated, presets and `extends` merged, `sources` turned into `inputs` and `tables`, `data_root` absolute.
        ``${VAR}`` in `database` stays as written, since it may be a secret: see `expand`.

    Raises
    ------
    ParamsError
        With every problem found: YAML, unknown keys, wrong values, names that nothing defines, unset variables.
    """
    file = Path(path)
    stack = _Stack()
    _collect(file, str(path), stack, ())
    if stack.problems and not stack.layers:
        raise ParamsError(stack.problems)
    own = list(stack.layers)
    beside = file.parent
    stack.layers = []
    for kind in ("profile", "industry"):  # what is implied lies under everything else
        _implied(kind, own, beside, stack)
    stack.layers += own
    data: dict[Any, Any] = {}
    places: dict[KeyPath, Place] = {}
    for layer, where in stack.layers:
        data = _merge(data, layer, (), places, where)
    if own:
        data["extends"] = own[-1][0].get("extends", [])
    if overrides:
        data = _merge(data, dict(overrides), (), places, {}, OVERRIDE)
    data = {k: v for k, v in data.items() if v is not None}  # `limits:` with nothing under it says nothing
    problems = stack.problems
    try:
        params = Params.model_validate(data)
    except ValidationError as error:
        problems += explain(error, data, places, str(path))
        rest = salvage(error, data)
        if rest is not None:  # go on with what is sound, so that the user sees everything at once
            sound, lost = rest
            sound._places.update(places)
            _, more = _environment(sound, stack.folders, beside)
            problems += [p for p in (*checks.check(sound), *more) if is_news(p, problems, lost)]
        raise ParamsError(_sorted(problems, str(path))) from None
    params._places.update(places)
    stack.folders[OVERRIDE] = Path.cwd()
    problems += checks.check(params)
    params, more = _environment(params, stack.folders, beside)
    problems = [*problems, *more]
    if problems:
        raise ParamsError(_sorted(problems, str(path)))
    return desugar(params)


def dumps(params: Params) -> dict[str, Any]:
    """Return params as plain JSON data, for manifests and kernels; `from_dict` reads it back."""
    return params.model_dump(mode="json", by_alias=True, exclude_none=True)


def from_dict(data: Mapping[str, Any]) -> Params:
    """Rebuild params from `dumps`.

    Raises
    ------
    ParamsError
        If the data is not what `dumps` wrote.
    """
    try:
        return Params.model_validate(dict(data))
    except ValidationError as error:
        raise ParamsError(explain(error, dict(data), {}, "")) from None


def place(params: Params, *keys: str | int) -> Place:
    """Return the file and line of a key, for messages about the data behind it.

    Falls back to the nearest key above; ``("", 0)`` when the params were rebuilt from JSON.
    """
    for end in range(len(keys), 0, -1):
        part = keys[:end]
        found = params._places.get(part)
        if found is None and part[0] == "tables" and 0 in part[2:3]:  # one mapping stands for a list of one
            found = params._places.get((*part[:2], *part[3:]))
        if found:
            return found
    return ("", 0)


def expand(text: str) -> str:
    """Replace ``${VAR}`` by its value from the environment.

    Raises
    ------
    ParamsError
        Naming each variable that is not set.
    """
    out, problems = _expand(text)
    if problems:
        raise ParamsError(problems)
    return out


def desugar(params: Params) -> Params:
    """Return params without `sources`; `from` is filled in where the only input is meant.

    Calling it again changes nothing. The shapes are checked by `cxlab.params.load` before.
    """
    inputs = dict(params.inputs)
    tables: dict[str, list[Any]] = {name: list(getattr(params.tables, name)) for name in Tables.model_fields}
    places = Places(params._places)
    for name, source in params.sources.items():
        inputs[name] = Input.model_construct(**{k: getattr(source, k) for k in Input.model_fields})
        for keys, where in params._places.items():
            if keys[:2] == ("sources", name):
                places["inputs", *keys[1:]] = where
        for table in source.to:
            _copy_places(places, name, table, len(tables[table]))
            tables[table].append(_mapping(table, name, source))
    only = next(iter(inputs)) if len(inputs) == 1 else None
    for name, maps in tables.items():
        tables[name] = [m if m.from_ else m.model_copy(update={"from_": only}) for m in maps]
    out = params.model_copy(update={"inputs": inputs, "tables": params.tables.model_copy(update=tables), "sources": {}})
    out._places = places
    return out


def _mapping(table: str, name: str, source: Source) -> ResponsesMap | RatingsMap | CommentsMap:
    given: dict[str, Any] = {k: getattr(source, k) for k in _TAKES[table] if k in source.model_fields_set}
    given["from_"] = name
    if table == "responses":
        return ResponsesMap.model_construct(**given)
    return RatingsMap.model_construct(**given) if table == "ratings" else CommentsMap.model_construct(**given)


def _copy_places(places: Places, name: str, table: str, index: int) -> None:
    for keys, where in list(places.items()):
        if keys[:2] == ("sources", name) and (len(keys) == 2 or keys[2] in _TAKES[table]):
            places["tables", table, index, *keys[2:]] = where


def _collect(file: Path, name: str, stack: _Stack, chain: tuple[Path, ...]) -> None:
    """Read a file after everything it extends."""
    real = file.resolve()
    if real in stack.done:
        return
    stack.done.add(real)
    doc = read(file, name)
    stack.problems += doc.problems
    stack.folders[name] = file.parent
    _topics_file(doc, file, stack)
    asked = doc.data.get("extends") or []
    for index, base in enumerate(asked if isinstance(asked, list) else [asked]):
        if not isinstance(base, str):
            continue  # reported by the grammar
        source, line = doc.places.get(("extends", index), doc.places.get(("extends",), (name, 0)))
        if presets.is_name(base):
            found = presets.find(base, file.parent)
            if found is None:
                stack.problems.append(_unknown(base, "extends", source, line, file.parent))
                continue
            shown = f"preset {base}"
        else:
            found = file.parent / base
            shown = str(found)
        if found.resolve() in (*chain, real):
            loop = " -> ".join(p.name for p in (*chain, real, found.resolve()))
            stack.problems.append(
                Problem("files extend each other in a circle", source, line, "extends", base, todo=f"break {loop}")
            )
            continue
        if not found.is_file():
            stack.problems.append(
                Problem("there is no such file", source, line, "extends", str(found), nearest=near_file(found))
            )
            continue
        _collect(found, shown, stack, (*chain, real))
    if doc.data:
        stack.layers.append((doc.data, doc.places))


def _topics_file(doc: Document, file: Path, stack: _Stack) -> None:
    """Read the file named under ``voice: topics`` as if its content stood there."""
    voice = doc.data.get("voice")
    if not isinstance(voice, dict) or not isinstance(voice.get("topics"), str):
        return
    keys: KeyPath = ("voice", "topics")
    source, line = doc.places.get(keys, (doc.name, 0))
    found = file.parent / voice.pop("topics")
    if not found.is_file():
        stack.problems.append(
            Problem("there is no such file", source, line, dotted(keys), str(found), nearest=near_file(found))
        )
        return
    rules = read(found, str(found))
    stack.problems += rules.problems
    voice["topics"] = rules.data
    doc.places.update({(*keys, *path): place for path, place in rules.places.items()})


def _implied(kind: str, own: list[tuple[dict[Any, Any], dict[KeyPath, Place]]], beside: Path, stack: _Stack) -> None:
    """Add the preset that `profile` or `industry` names."""
    default = "customer" if kind == "profile" else None
    value, where = default, ("", 0)
    for data, places in own:
        if isinstance(data.get(kind), str):
            value, where = data[kind], places.get((kind,), ("", 0))
    if value is None:
        return
    found = presets.find(f"{kind}/{value}", beside)
    if found is not None:
        _collect(found, f"preset {kind}/{value}", stack, ())
    elif kind == "industry":  # an unknown profile is reported by the grammar
        stack.problems.append(_unknown(f"{kind}/{value}", kind, *where, beside))


def _unknown(name: str, key: str, file: str, line: int, beside: Path) -> Problem:
    kind = name.split("/")[0] + "/" if "/" in name else ""
    legal = presets.names(beside, kind) or presets.names(beside)
    near = nearest(name, legal)
    short = key == "industry"
    return Problem(
        "there is no such preset",
        file,
        line,
        key,
        name.removeprefix("industry/") if short else name,
        ", ".join(x.split("/")[-1] if short else x for x in legal),
        near.split("/")[-1] if short else near,
        f"or write your own presets/{name}.yaml beside the params file",
    )


def _merge(
    below: Any, above: Any, path: KeyPath, places: dict[KeyPath, Place], where: dict[KeyPath, Place], source: str = ""
) -> Any:
    """Lay `above` over `below`: mappings merge key by key, everything else replaces; places follow the values."""
    if path and path in where:
        places[path] = where[path]
    elif path and source:
        places[path] = (source, 0)
    if isinstance(below, dict) and isinstance(above, dict):
        out = dict(below)
        for key, value in above.items():
            out[key] = _merge(out.get(key), value, (*path, key), places, where, source)
        return out
    _note(above, path, places, where, source)
    return above


def _note(value: Any, path: KeyPath, places: dict[KeyPath, Place], where: dict[KeyPath, Place], source: str) -> None:
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        here = (*path, key)
        if here in where:
            places[here] = where[here]
        elif source:
            places[here] = (source, 0)
        _note(child, here, places, where, source)


def _environment(params: Params, folders: dict[str, Path], beside: Path) -> tuple[Params, list[Problem]]:
    """Make `data_root` absolute; check that the variables of databases are set and hold no written-out secret."""
    problems = []
    file, line = place(params, "data_root")
    root, missing = _expand(params.data_root, file, line, "data_root")
    problems += missing
    if not missing:
        full = (folders.get(file, beside) / Path(root).expanduser()).resolve()
        params = params.model_copy(update={"data_root": str(full)})
    for kind, group in (("inputs", params.inputs), ("sources", params.sources)):
        for name, source in group.items():
            if source.database is None:
                continue
            file, line = place(params, kind, name, "database")
            where = dotted((kind, name, "database"))
            problems += _expand(source.database, file, line, where)[1]
            if re.search(r"://[^/@\s:]*:(?!\$)[^/@\s]+@", source.database):
                todo = "write ${DB_PASSWORD} and set that variable"
                problems.append(Problem("a password stands in the params file", file, line, where, todo=todo))
    return params, problems


def _expand(text: str, file: str = "", line: int = 0, where: str = "") -> tuple[str, list[Problem]]:
    problems = []

    def value(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        if match[1] is None or not _VARIABLE_NAME.fullmatch(name):
            todo = f"write ${{{match[2] or 'NAME'}}}"
            problems.append(Problem("a variable is written ${NAME}", file, line, where, match[0], todo=todo))
        elif not os.environ.get(name):
            todo = f"set it, e.g. export {name}=/path/to/data"
            if "database" in where:
                todo = f"set it, e.g. export {name}=..."
            problems.append(Problem(f"the environment variable {name} is not set", file, line, where, text, todo=todo))
        return os.environ.get(name, "")

    return _VARIABLE.sub(value, text), problems


def _sorted(problems: list[Problem], file: str) -> list[Problem]:
    """Without repeats, in the order of the files and lines; what has no place belongs to `file`."""
    unique = list(dict.fromkeys(p if p.file else replace(p, file=file) for p in problems))
    files = list(dict.fromkeys(p.file for p in unique))
    return sorted(unique, key=lambda p: (files.index(p.file), p.line))
