"""What a params file names: brands, periods, items, segments, touchpoints; safe path slugs; texts for pages."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator

from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params import periods
from cxlab.params.fields import Label, Strict
from cxlab.params.models import Brand, Field, Item, Params
from cxlab.vocab import Language

MAX_SLUG = 60
# Windows devices, and names of the site's own folders beside those of the brands.
_RESERVED = {"con", "prn", "aux", "nul", "data", "zh", "en", "assets", "static", "index", "interactive"} | {
    f"{d}{n}" for d in ("com", "lpt") for n in range(10)
}


def slug(name: str) -> str:
    """Return a path-safe form of a name: lower case, letters, digits, ``-`` and ``_``; never empty, never reserved.

    Chinese letters stay. Names that differ only in case or width give one slug: `load` reports such brands. What
    does not fit, or has no letters at all, gets a short hash, so that different names stay apart.
    """
    text = unicodedata.normalize("NFKC", str(name)).casefold()
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in text)
    kept = "-".join(p for p in kept.split("-") if p).strip("-_")
    if kept in _RESERVED:
        kept += "_"
    if not kept or len(kept) > MAX_SLUG:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        kept = f"{kept[: MAX_SLUG - 9].strip('-_')}-{mark}".lstrip("-")
    return kept


def own_brands(params: Params) -> list[Brand]:
    """Return the brands that are units of the batch: all but competitors."""
    return [b for b in params.brands if not b.competitor]


def labels(params: Params, *, history: bool = False) -> list[str]:
    """Return the period labels from `first` (or `history_from`) to `last`, oldest first."""
    p = params.periods
    first = p.history_from if history and p.history_from else p.first
    return [x.label for x in periods.between(first, p.last, p.grain)]


def units(params: Params) -> list[tuple[Brand, list[str]]]:
    """Return the brands to report with the labels of their periods, oldest first."""
    return [(b, labels(params)) for b in own_brands(params)]


def find_brand(params: Params, name: str) -> Brand:
    """Return the brand a user means: by id, slug or label, whatever the case.

    Raises
    ------
    ParamsError
        With the legal ids and the nearest one.
    """
    wanted = str(name).strip().casefold()
    for brand in params.brands:
        texts = [brand.id, slug(brand.id), *(brand.label.values() if isinstance(brand.label, dict) else [brand.label])]
        if wanted in (t.casefold() for t in texts):
            return brand
    legal = [b.id for b in params.brands]
    raise ParamsError(
        Problem(
            "no such brand", where="brand", value=repr(name), allowed=", ".join(legal), nearest=nearest(name, legal)
        )
    )


def find_period(params: Params, name: str) -> str:
    """Return the label of a reported period.

    Raises
    ------
    ParamsError
        If it is no period of the params' grain or lies outside first..last.
    """
    legal = labels(params)
    text = str(name).strip()
    if text in legal:
        return text
    shown = ", ".join(legal) if len(legal) <= 12 else f"{legal[0]} to {legal[-1]}"
    try:
        periods.parse(text, params.periods.grain)
        what = "this period is not reported"
    except ParamsError as error:
        what = error.problems[0].what
    raise ParamsError(Problem(what, where="period", value=repr(name), allowed=shown, nearest=nearest(text, legal)))


def items(params: Params) -> dict[str, Item]:
    """Return all items by id, in the order of the file."""
    groups = [m.items for m in params.tables.ratings] + [s.items for s in params.sources.values()]
    out: dict[str, Item] = {}
    for group in groups:
        out = {**group, **out}
    return {name: out[name] for group in groups for name in group}


def segments(params: Params) -> list[str]:
    """Return the names of all segments."""
    t = params.tables
    groups = [m.segments for m in t.responses] + [m.segments for m in params.sources.values()]
    groups += [m.segments for m in t.customers] + [m.segments for m in t.invitations]
    return list(dict.fromkeys(name for g in groups for name in g))


def touchpoints(params: Params) -> list[str]:
    """Return the touchpoints the params name: of the journey, of items and constants."""
    found = [t for stage in params.journey.stages for t in stage.touchpoints]
    found += [i.touchpoint for i in items(params).values() if i.touchpoint]
    for keys, field in fields(params):
        if keys[-1] == "touchpoint" and field.const is not None:
            found.append(str(field.const))
        if keys[-1] == "touchpoint" and field.map:
            found += [str(v) for v in field.map.values()]
    return list(dict.fromkeys(found))


def text(label: Label | None, language: Language, fallback: str) -> str:
    """Return a label in a language: its own text, else the other language's, else the fallback."""
    if isinstance(label, dict):
        return label.get(language) or next(iter(label.values()), "") or fallback
    return label or fallback


def fields(params: Params) -> Iterator[tuple[tuple[str | int, ...], Field]]:
    """Yield every mapped field of sources and tables with its keys."""
    for name, source in params.sources.items():
        yield from _fields(source, ("sources", name))
    for table in type(params.tables).model_fields:
        for index, mapping in enumerate(getattr(params.tables, table)):
            yield from _fields(mapping, ("tables", table, index))


def _fields(model: Strict, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Field]]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        key = info.alias or name
        if isinstance(value, Field):
            yield (*path, key), value
        elif isinstance(value, dict):
            yield from (((*path, key, k), v) for k, v in value.items() if isinstance(v, Field))
