"""`sources` -> `inputs` and `tables`: the shorthand says nothing the long form cannot say."""

from __future__ import annotations

from typing import Any

from cxlab.params.models import CommentsMap, Input, Params, Places, RatingsMap, ResponsesMap, Source, Tables

# Which of a source's keys each table takes over.
TAKES = {
    "responses": [x for x in ResponsesMap.model_fields if x in Source.model_fields],
    "ratings": [x for x in RatingsMap.model_fields if x in Source.model_fields],
    "comments": [x for x in CommentsMap.model_fields if x in Source.model_fields],
}


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
    given: dict[str, Any] = {k: getattr(source, k) for k in TAKES[table] if k in source.model_fields_set}
    given["from_"] = name
    if table == "responses":
        return ResponsesMap.model_construct(**given)
    return RatingsMap.model_construct(**given) if table == "ratings" else CommentsMap.model_construct(**given)


def _copy_places(places: Places, name: str, table: str, index: int) -> None:
    for keys, where in list(places.items()):
        if keys[:2] == ("sources", name) and (len(keys) == 2 or keys[2] in TAKES[table]):
            places["tables", table, index, *keys[2:]] = where
