"""Which params a notebook reads, noted as it reads them: only a change of one of those can change its result.

A kernel gets its params through `watch`. What it reads of them is a set of key paths, ``("value", "discount")`` or
``("targets", "nps")``; the same paths lead to values in the params as JSON data, so a plan can tell which of them
have changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast, get_origin

from pydantic import BaseModel

from cxlab.params.models import Params

KeyPath = tuple[str, ...]
Note = Callable[[KeyPath], None]
PRESENT = "?"  # ends a path: whether there is something, whatever is in it
# Keys that say where data comes from: its content counts, and of these what items are.
PLUMBING = {"extends", "data_root", "inputs", "lookups", "sources", "tables", "directory", "notebooks"}
ALWAYS: tuple[KeyPath, ...] = tuple(("periods", key) for key in ("grain", "history_from", "last"))


def watch(params: Params, note: Note) -> Params:
    """Return params that call `note` with the path of every key that is read."""
    return cast("Params", _Watched(params, (), note))


class _Watched:
    """A part of params that notes what is read of it; otherwise like the part itself."""

    def __init__(self, model: BaseModel, path: KeyPath, note: Note) -> None:
        self._model, self._path, self._note = model, path, note

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._model)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        field = type(self._model).model_fields.get(name)
        path = (*self._path, field.alias or name) if field else self._path
        if field is None:  # a method of pydantic's or the like: it may look at everything
            self._note(path)
        elif path[0] in PLUMBING:
            self._note(("items",))
        elif path == ("brands",):
            self._note(("brands", PRESENT))
            return [_Watched(brand, ("brands", brand.id), self._note) for brand in value]
        elif isinstance(value, BaseModel):
            self._note((*path, PRESENT))
            return _Watched(value, path, self._note)
        elif get_origin(field.annotation) is dict:
            return _WatchedDict(value, path, self._note)
        else:
            self._note(path)
        return value

    def __eq__(self, other: object) -> bool:
        self._note(self._path)
        return bool(self._model == (other._model if type(other) is _Watched else other))

    def __hash__(self) -> int:
        self._note(self._path)
        return hash(self._model)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._note(self._path)
        return self._model.__reduce_ex__(protocol)


class _WatchedDict(Mapping[Any, Any]):
    """A mapping of params that notes which of its keys are looked up; all of it where somebody walks through."""

    def __init__(self, inner: Mapping[Any, Any], path: KeyPath, note: Note) -> None:
        self._inner, self._path, self._note = inner, path, note

    def __getitem__(self, key: Any) -> Any:
        self._note((*self._path, str(key)))
        return self._inner[key]

    def __contains__(self, key: object) -> bool:
        self._note((*self._path, str(key)))
        return key in self._inner

    def __iter__(self) -> Iterator[Any]:
        self._note(self._path)
        return iter(self._inner)

    def __len__(self) -> int:
        self._note(self._path)
        return len(self._inner)


def digests(seen: Mapping[str, Any], paths: Iterable[KeyPath]) -> dict[str, str]:
    """Return dotted path -> short hash of the value there, for the params read and those every notebook depends on."""
    out = {}
    for path in sorted({*paths, *ALWAYS}):
        value: Any = seen
        for key in path:
            if key == PRESENT:
                value = sorted(value) if path[0] == "brands" else value is not None
            else:
                value = value.get(key) if isinstance(value, Mapping) else None
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        out[json.dumps(path, ensure_ascii=False)] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return out


def paths(read: Iterable[str]) -> list[KeyPath]:
    """Return the paths under which `digests` were recorded."""
    return [tuple(json.loads(path)) for path in read]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the params that differ, as readers write them: ``value.discount``."""
    names = []
    for path in (p for p in before if before[p] != now.get(p)):
        keys = [key for key in json.loads(path) if key != PRESENT]
        names.append(".".join(keys) or "something")
    return list(dict.fromkeys(names))
