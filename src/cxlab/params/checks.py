"""What the grammar alone cannot see: names that nothing defines, circles, periods that do not exist."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params import names, periods
from cxlab.params.models import Input, Params, RatingsMap, Source, Tables
from cxlab.params.reader import KeyPath, dotted
from cxlab.vocab import EMBEDDING_SOURCES, EMBEDDINGS, METRICS, SEGMENT

_ONE = re.compile(r"first|(min|max) \S.*")
_NPS_CODES = list(range(11))


def check(params: Params) -> list[Problem]:
    """Return every cross-reference problem of params as they stand in the file, before `desugar`."""
    return [
        *_brands(params),
        *_periods(params),
        *_scales(params),
        *_inputs(params),
        *_lookups(params),
        *_tables(params),
        *_fields(params),
        *_items(params),
        *_reports(params),
        *_index(params),
        *_drivers(params),
        *_value(params),
        *_voice(params),
        *_topics(params),
    ]


def _problem(params: Params, what: str, *keys: str | int, **more: str) -> Problem:
    file, line = ("", 0)
    for end in range(len(keys), 0, -1):
        part: KeyPath = keys[:end]
        plain = (*part[:2], *part[3:]) if part[0] == "tables" and 0 in part[2:3] else part
        if part in params._places or plain in params._places:
            file, line = params._places.get(part) or params._places[plain]
            break
    return Problem(what, file, line, dotted(keys), **more)


def _unknown(params: Params, kind: str, name: str, legal: Iterable[str], *keys: str | int) -> Problem:
    known = list(legal)
    allowed = ", ".join(known) if known else f"no {kind} is defined"
    return _problem(
        params, f"there is no such {kind}", *keys, value=repr(name), allowed=allowed, nearest=nearest(name, known)
    )


def _brands(params: Params) -> list[Problem]:
    out = []
    seen: dict[str, str] = {}
    for index, brand in enumerate(params.brands):
        slug = names.slug(brand.id)
        if slug in seen:
            what = f"this brand and {seen[slug]!r} would share one folder"
            if seen[slug] == brand.id:
                what = "the brand is listed twice"
            out.append(_problem(params, what, "brands", index, value=repr(brand.id), todo="give it another id"))
        seen.setdefault(slug, brand.id)
    if all(b.competitor for b in params.brands):
        out.append(_problem(params, "every brand is a competitor: none is reported", "brands"))
    return out


def _periods(params: Params) -> list[Problem]:
    spec = params.periods
    out = []
    for key in ("first", "last", "history_from"):
        value = getattr(spec, key)
        if value is None:
            continue
        try:
            periods.parse(value, spec.grain)
        except ParamsError as error:
            p = error.problems[0]
            out.append(_problem(params, p.what, "periods", key, value=repr(value), allowed=p.allowed))
    if out:
        return out
    begin = spec.history_from or spec.first
    for first, last, key in ((spec.first, spec.last, "last"), (begin, spec.first, "history_from")):
        try:
            periods.between(first, last, spec.grain)
        except ParamsError as error:
            p = error.problems[0]
            what = "history_from lies after first" if key == "history_from" and "before" in p.what else p.what
            out.append(_problem(params, what, "periods", key, value=p.value, allowed=p.allowed))
    return out


def _scales(params: Params) -> list[Problem]:
    out = []
    for name, scale in params.scales.items():
        legal = ", ".join(map(str, scale.codes))
        for key, codes in (("labels", scale.labels), ("map", scale.map.values())):
            out += [
                _problem(params, f"{code} is no code of this scale", "scales", name, key, allowed=legal)
                for code in dict.fromkeys(codes)
                if code not in scale.codes
            ]
    return out


def _inputs(params: Params) -> list[Problem]:
    out = []
    for name in params.sources.keys() & params.inputs.keys():
        out.append(_problem(params, "a source and an input have the same name", "sources", name, todo="rename one"))
    if not params.inputs and not params.sources:
        todo = "name files under `sources` or `inputs`; `cxlab init FILES -o THIS` writes a first version"
        out.append(_problem(params, "there is nothing to read: no sources and no inputs", "sources", todo=todo))
    both: list[tuple[str, str, Input]] = [("inputs", k, v) for k, v in params.inputs.items()]
    both += [("sources", k, v) for k, v in params.sources.items()]
    for kind, name, item in both:
        try:
            codecs.lookup(item.encoding)
        except LookupError:
            legal = ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk", "big5", "latin-1", "cp1252", "shift_jis"]
            out.append(_unknown(params, "encoding", item.encoding, legal, kind, name, "encoding"))
        if item.delimiter is not None and len(item.delimiter) != 1 and item.delimiter != "\\t":
            what = "the delimiter is one character"
            out.append(_problem(params, what, kind, name, "delimiter", value=repr(item.delimiter)))
        for path in item.path or ():
            parts = PurePosixPath(path.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", path):
                todo = "write it relative to data_root; set data_root to a folder above"
                what = "a path must lie below data_root"
                out.append(_problem(params, what, kind, name, "path", value=repr(path), todo=todo))
        if item.waves and not any("{wave}" in p for p in item.path or ()):
            out.append(_problem(params, "waves are given, but no path holds {wave}", kind, name, "waves"))
        if item.waves and len(set(item.waves)) != len(item.waves):
            out.append(_problem(params, "a wave is listed twice", kind, name, "waves", value=", ".join(item.waves)))
    return out


def _all_inputs(params: Params) -> dict[str, Input]:
    return {**params.inputs, **params.sources}


def _lookups(params: Params) -> list[Problem]:
    out = []
    legal = list(_all_inputs(params))
    for name, lookup in params.lookups.items():
        for key, target in (("from", lookup.from_), ("to", lookup.to)):
            if target not in legal:
                out.append(_unknown(params, "input", target, legal, "lookups", name, key))
        for index, before in enumerate(lookup.after):
            if before not in params.lookups:
                others = [x for x in params.lookups if x != name]
                out.append(_unknown(params, "lookup", before, others, "lookups", name, "after", index))
        if lookup.one is not None and not _ONE.fullmatch(lookup.one):
            allowed = "first, 'min COLUMN', 'max COLUMN'"
            what = "this does not say which row to take"
            out.append(_problem(params, what, "lookups", name, "one", value=repr(lookup.one), allowed=allowed))
    graph = {n: [a for a in lookup.after if a in params.lookups] for n, lookup in params.lookups.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        loop = list(reversed(error.args[1]))
        what = "lookups wait for each other: " + " after ".join(loop)
        out.append(_problem(params, what, "lookups", loop[0], "after", todo="drop one `after`"))
    return out


def _tables(params: Params) -> list[Problem]:
    out = []
    legal = list(_all_inputs(params))
    maps = [(t, i, m) for t in Tables.model_fields for i, m in enumerate(getattr(params.tables, t))]
    if (params.inputs or params.sources) and not maps and not params.sources:
        out.append(_problem(params, "inputs are named, but no table is filled from them", "tables"))
    for table, index, mapping in maps:
        keys: KeyPath = ("tables", table, index)
        if mapping.from_ is None and len(legal) != 1:
            what = "which input is meant? `from` is missing"
            out.append(_problem(params, what, *keys, allowed=", ".join(legal)))
        elif mapping.from_ is not None and mapping.from_ not in legal:
            out.append(_unknown(params, "input", mapping.from_, legal, *keys, "from"))
        if isinstance(mapping, RatingsMap):
            out += _shape(params, mapping, *keys)
    for name, source in params.sources.items():
        keys = ("sources", name)
        if "ratings" in source.to:
            out += _shape(params, source, *keys)
        for key, table in (("items", "ratings"), ("text", "comments"), ("segments", "responses")):
            if getattr(source, key) and table not in source.to:
                todo = f"add {table} to `to`, or remove `{key}`"
                out.append(_problem(params, f"`{key}` fills {table}, which `to` does not list", *keys, key, todo=todo))
        if "comments" in source.to and not source.text:
            out.append(_problem(params, "comments need `text`: the columns that hold the words", *keys))
    return out


def _shape(params: Params, mapping: RatingsMap | Source, *keys: str | int) -> list[Problem]:
    out = []
    if not mapping.items:
        out.append(_problem(params, "ratings need `items`: which questions, on which scale", *keys))
    for key in ("item", "value"):
        given = getattr(mapping, key) is not None
        if given and mapping.shape == "wide":
            todo = "write `shape: long`, or remove it"
            out.append(_problem(params, f"`{key}` belongs to long ratings, these are wide", *keys, key, todo=todo))
        if not given and mapping.shape == "long":
            out.append(_problem(params, f"long ratings need `{key}`", *keys))
    return out


def _fields(params: Params) -> list[Problem]:
    out = []
    for keys, field in names.fields(params):
        if "wave" not in (field.from_, field.prefix):
            continue
        root = str(keys[1]) if keys[0] == "sources" else _input_of(params, keys)
        source = _all_inputs(params).get(root)
        if source is not None and not source.waves:
            what = f"this takes the wave of the file, but {root!r} has no waves"
            out.append(_problem(params, what, *keys, todo="give `waves` and a path with {wave}"))
        elif source is not None and keys[-1] == "period" and field.from_ == "wave" and not field.map:
            for wave in source.waves or ():
                try:
                    periods.parse(wave, params.periods.grain)
                except ParamsError as error:
                    p = error.problems[0]
                    what = f"a wave cannot be the period: {p.what}"
                    out.append(_problem(params, what, *keys, value=repr(wave), allowed=p.allowed))
    return out


def _input_of(params: Params, keys: Sequence[str | int]) -> str:
    mapping = getattr(params.tables, str(keys[1]))[int(keys[2])]
    inputs = _all_inputs(params)
    return mapping.from_ or (next(iter(inputs)) if len(inputs) == 1 else "")


def _items(params: Params) -> list[Problem]:
    out = []
    groups: list[tuple[KeyPath, RatingsMap | Source]] = [
        (("tables", "ratings", i), m) for i, m in enumerate(params.tables.ratings)
    ]
    groups += [(("sources", n), s) for n, s in params.sources.items()]
    for keys, group in groups:
        for name, item in group.items.items():
            here = (*keys, "items", name)
            scale = params.scales.get(item.scale)
            if scale is None:
                out.append(_unknown(params, "scale", item.scale, params.scales, *here, "scale"))
                continue
            if item.role == "nps" and sorted(scale.codes) != _NPS_CODES:
                what = "role nps needs a scale of the codes 0 to 10"
                out.append(_problem(params, what, *here, "role", value=f"scale {item.scale}: {scale.codes}"))
            out += [
                _problem(params, f"{code} is no code of scale {item.scale}", *here, "map", allowed=str(scale.codes))
                for code in dict.fromkeys((item.map or {}).values())
                if code not in scale.codes
            ]
    return out


def _reports(params: Params) -> list[Problem]:
    """Labels, targets, headline and groupings name things that exist; presets may name more than a client has."""
    out = []
    known = names.items(params)
    segments = names.segments(params)
    touchpoints = names.touchpoints(params)
    open_set = any(k[-1] == "touchpoint" and f.const is None for k, f in names.fields(params))
    for name in params.item_labels:
        if name not in known and _own(params, "item_labels", name):
            out.append(_unknown(params, "item", name, known, "item_labels", name))
    # Channels and outcomes of interactions are groups as well, and their names have no other place.
    for key, legal in (("segment_labels", segments), ("group_labels", [*segments, "channel", "outcome"])):
        for name in getattr(params, key):
            if name not in legal and _own(params, key, name):
                out.append(_unknown(params, "segment", name, legal, key, name))
    for name in params.journey.labels:
        if name not in touchpoints and not open_set and _own(params, "journey", "labels", name):
            out.append(_unknown(params, "touchpoint", name, touchpoints, "journey", "labels", name))
    for name, metrics in params.targets.items():
        if name not in known and name not in touchpoints and not open_set:
            out.append(_unknown(params, "item or touchpoint", name, [*known, *touchpoints], "targets", name))
        out += [
            _unknown(params, "metric", metric, METRICS, "targets", name, metric)
            for metric in metrics
            if metric not in METRICS
        ]
    for name, rule in params.alerts.rules.items():
        if rule.item not in known:
            out.append(_unknown(params, "item", rule.item, known, "alerts", "rules", name, "item"))
        if rule.brand is not None and rule.brand not in (brands := [b.id for b in params.brands]):
            out.append(_unknown(params, "brand", rule.brand, brands, "alerts", "rules", name, "brand"))
    head = params.headline
    if head.item is not None and head.item not in known:
        out.append(_unknown(params, "item", head.item, known, "headline", "item"))
    elif head.item is not None and head.metric is not None:
        out += _metric(params, head.item, head.metric)
    legal = [SEGMENT + s for s in segments] + ["touchpoint", "channel"]
    for index, name in enumerate(params.model.groupings or ()):
        if name not in legal:
            out.append(_unknown(params, "grouping", name, legal, "model", "groupings", index))
    return out


def _index(params: Params) -> list[Problem]:
    """Latents, paths and items of the index name things that exist, and paths do not run in a circle."""
    if params.index is None:
        return []
    out = []
    spec, known, latents = params.index, names.items(params), list(params.index.latents)
    seen: dict[str, str] = {}
    for name, latent in spec.latents.items():
        here = ("index", "latents", name)
        for index, item in enumerate(latent.items):
            if item not in known:
                out.append(_unknown(params, "item", item, known, *here, "items", index))
            elif item in seen:
                what = f"this item measures {seen[item]} already; an item measures one latent"
                out.append(_problem(params, what, *here, "items", index, value=repr(item)))
            seen.setdefault(item, name)
        if latent.marker is not None and latent.marker not in latent.items:
            out.append(_unknown(params, "item of this latent", latent.marker, latent.items, *here, "marker"))
    for to, origins in spec.paths.items():
        if to not in latents:
            out.append(_unknown(params, "latent", to, latents, "index", "paths", to))
        for index, origin in enumerate(origins):
            if origin not in latents:
                out.append(_unknown(params, "latent", origin, latents, "index", "paths", to, index))
    for index, name in enumerate(spec.without):
        if name not in latents:
            out.append(_unknown(params, "latent", name, latents, "index", "without", index))
    if latents and spec.target not in latents:
        out.append(_unknown(params, "latent", spec.target, latents, "index", "target"))
    elif spec.target in spec.without:
        out.append(_problem(params, "the target cannot be left out", "index", "without", value=repr(spec.target)))
    try:
        TopologicalSorter({to: list(origins) for to, origins in spec.paths.items()}).prepare()
    except CycleError as error:
        loop = " -> ".join(reversed(error.args[1]))
        out.append(_problem(params, "the paths run in a circle", "index", "paths", value=loop, todo="drop one of them"))
    return out


def _drivers(params: Params) -> list[Problem]:
    spec, known = params.drivers, names.items(params)
    named: list[tuple[str, KeyPath]] = [(x, ("drivers", "attributes", k)) for k, x in enumerate(spec.attributes)]
    named += [
        (x, ("drivers", "stated", attribute)) for attribute, item in spec.stated.items() for x in (attribute, item)
    ]
    out = [_unknown(params, "item", item, known, *where) for item, where in named if item not in known]
    grouping = spec.by or "period"
    legal = ["period", "channel", "touchpoint", *(f"{SEGMENT}{name}" for name in names.segments(params))]
    if grouping not in legal:
        out.append(_unknown(params, "grouping", grouping, legal, "drivers", "by"))
    return out


def _value(params: Params) -> list[Problem]:
    """Segments are known from the mapping; which life events there are, only the data can tell."""
    legal = ["auto", *(f"{SEGMENT}{name}" for table in params.tables.customers for name in table.segments)]
    return [
        _unknown(params, "segment of customers or event:<name>", name, legal, "value", "covariates", place)
        for place, name in enumerate(params.value.covariates)
        if name not in legal and not name.startswith("event:")
    ]


def _voice(params: Params) -> list[Problem]:
    method = params.voice.embedding
    kind, _, name = method.partition(":")
    if method in EMBEDDINGS or (kind in EMBEDDING_SOURCES and name.strip()):
        return []
    legal = [*EMBEDDINGS, *(f"{source}:<name>" for source in EMBEDDING_SOURCES)]
    return [_unknown(params, "way to make vectors of texts", method, legal, "voice", "embedding")]


def _topics(params: Params) -> list[Problem]:
    """Rules of topics that cannot all be obeyed."""
    rules = params.voice.topics
    if rules is None:
        return []
    out = []
    at = ("voice", "topics")
    owner: dict[str, int] = {}
    banned = {word.casefold() for word in rules.ban}
    for index, entry in enumerate(rules.topics):
        for word in dict.fromkeys(w.casefold() for w in entry.keywords):
            here = (*at, "topics", index, "keywords")
            if word in owner:
                what, todo = "another topic has this keyword too", "leave it to one of them"
                out.append(_problem(params, what, *here, value=repr(word), todo=todo))
            elif word in banned:
                what, todo = "this keyword is banned below", "take it from one of the two lists"
                out.append(_problem(params, what, *here, value=repr(word), todo=todo))
            owner.setdefault(word, index)
    for index, group in enumerate(rules.merge):
        if len({name.casefold() for name in group}) < 2:
            what, todo = "there is nothing to merge", "name two topics or more, each by its id or a keyword"
            out.append(_problem(params, what, *at, "merge", index, value=", ".join(group), todo=todo))
    return out


def _own(params: Params, *keys: str) -> bool:
    return not params._places.get(keys, ("", 0))[0].startswith("preset ")


def _metric(params: Params, name: str, metric: str) -> list[Problem]:
    item = names.items(params)[name]
    scale = params.scales.get(item.scale)
    if metric == "nps" and item.role != "nps":
        what = f"the headline is nps, but {name} is no nps item"
    elif metric == "csat" and scale is not None and scale.satisfied_from is None:
        what = f"the headline is csat, but scale {item.scale} does not say satisfied_from"
    elif metric == "ces" and item.role != "ces":
        what = f"the headline is ces, but {name} is no ces item"
    else:
        return []
    return [_problem(params, what, "headline", "metric", value=metric)]
