"""A guessed mapping -> the text of a params file that a person reads, corrects and keeps."""

from __future__ import annotations

import os
from pathlib import Path

from cxlab.connect import mask
from cxlab.params import schema
from cxlab.scaffold.columns import Column
from cxlab.scaffold.guess import Input, Item, Mapping, is_chinese, unsolicited
from cxlab.scaffold.scales import NAMED
from cxlab.vocab import Missing

_PLAIN = set("_- ./+")
_WORDS = {"true", "false", "null", "~", "yes", "no", "on", "off", "y", "n"}
_COMMENT = 46  # column of the explanations


def write(mapping: Mapping, *, client: str, output: Path, root: Path) -> str:
    """Return the text of the params file.

    Parameters
    ----------
    client : str
    output : Path
        Where it will stand: paths are written relative to it.
    root : Path
        Folder of the data.
    """
    folder = output.resolve().parent
    lines = [
        f"# yaml-language-server: $schema={_relative(schema.FILE, folder)}",
        f"# Written by `cxlab init` from {_count(len([x for i in mapping.inputs for x in i.group.looks]), 'file')}.",
        "# Lines marked `# guess:` are doubtful: look at them first. Then: cxlab check " + _comment(str(output)),
    ]
    doubts = [*mapping.doubts, *(f"{i.name}: {d}" for i in mapping.inputs for d in i.doubts)]
    lines += [f"# guess: {_comment(d)}" for d in doubts]
    out = _Lines(lines, root)
    out.add(0, f"client: {quote(client)}", "id of the client: folders are named after it")
    languages = "[zh, en]" if is_chinese(mapping) else "[en]"
    out.add(0, f"languages: {languages}", "of the report: en, zh; the first is at its root")
    out.add(0, "profile: customer", "customer, product, employee or brand")
    out.add(0, "# industry: retail", "or airport, automotive, banking, ecommerce, food, hospitality, telecom")
    out.add(
        0, f"data_root: {quote(_relative(root, folder))}", "folder of the data, seen from this file; ${VAR} works too"
    )
    out.add(0, "brands:", "one report per brand and period")
    for name, label in mapping.brands:
        out.add(1, f"- {{id: {quote(name)}, label: {quote(label)}}}", "")
    out.add(0, "periods:", "")
    out.add(1, f"grain: {mapping.grain}", "year, half, quarter, month, week or day")
    out.add(1, f"first: {quote(mapping.first)}", "first and last period reported")
    out.add(1, f"last: {quote(mapping.last)}", "")
    if mapping.history_from:
        out.add(1, f"history_from: {quote(mapping.history_from)}", "older operational rows that models may use")
    _scales(out, mapping)
    surveys = [i for i in mapping.inputs if i.table == "survey"]
    if surveys:
        out.gap()
        out.add(0, "sources:", "files with answers and comments")
        for one in surveys:
            _survey(out, one, mapping)
    others = [i for i in mapping.inputs if i.table != "survey"]
    if others:
        out.gap()
        out.add(0, "inputs:", "files with operational data")
        for one in others:
            out.add(
                1, f"{one.name}:", "; ".join(one.said) if one.table else "guess: nothing was recognised in it; unused"
            )
            _file(out, one)
    looked = [i for i in mapping.inputs if i.lookup is not None]
    if looked:
        out.gap()
        out.add(0, "lookups:", "left joins that add columns; the report says how many rows find their match")
        for one in looked:
            to, on, take = one.lookup or ("", "", "")
            text = f"{{from: {one.name}, to: {to}, on: {quote(on)}, take: [{quote(take)}]}}"
            out.add(1, f"{one.name}_customer: {text}", "guess: who it was")
    if any(i.table for i in others):
        out.gap()
        out.add(0, "tables:", "what those files hold")
        for table in ("customers", "transactions", "interactions"):
            maps = [i for i in others if i.table == table]
            if maps:
                out.add(1, f"{table}:", "")
            for one in maps:
                _table(out, one, mapping)
    out.gap()
    out.add(0, "limits:", "")
    out.add(1, "min_n: 30", "groups with fewer answers are not shown")
    out.add(1, "max_reject_share: 0.05", "a source with more unusable rows stops the run")
    return "\n".join(out.lines) + "\n"


class _Lines:
    """Lines with their explanations in one column."""

    def __init__(self, lines: list[str], root: Path) -> None:
        self.lines = lines
        self.root = root  # folder of the data

    def add(self, depth: int, text: str, why: str) -> None:
        line = "  " * depth + text
        self.lines.append(f"{line:<{_COMMENT}}  # {_comment(why)}" if why else line)

    def gap(self) -> None:
        self.lines.append("")


def _scales(out: _Lines, mapping: Mapping) -> None:
    missing: dict[str, dict[str, Missing]] = {}
    codes: dict[str, tuple[int, ...]] = {}
    for one in mapping.inputs:
        for item in one.items:
            missing.setdefault(item.scale, {}).update(item.column.missing or {})
            codes[item.scale] = item.column.codes
    known = {*NAMED.values(), "nps11", "ces7", "stars5"}
    needed = [s for s in missing if missing[s] or s not in known]
    if not needed:
        return
    out.gap()
    out.add(0, "scales:", "codes from worst to best come with cxlab (params/presets/core.yaml)")
    for name in needed:
        out.add(1, f"{quote(name)}:", "")
        if name not in known:
            out.add(2, f"codes: {list(codes[name])}", "from worst to best")
            place = {4: 2, 5: 3, 6: 4, 7: 4, 9: 6}.get(len(codes[name]), len(codes[name]) - 3)
            out.add(2, f"satisfied_from: {codes[name][place]}", "csat counts codes from this one up")
        if missing[name]:
            kinds = ", ".join(f"{quote_code(c)}: {k}" for c, k in missing[name].items())
            why = "guess: codes that are no scores (blank, not_used, refused, never_asked)"
            out.add(2, f"missing: {{{kinds}}}", why)


def _file(out: _Lines, one: Input) -> None:
    first = one.group.looks[0]
    parent = _relative(first.path.resolve().parent, out.root)
    path = one.group.pattern if parent == "." else f"{parent}/{one.group.pattern}"
    out.add(2, f"path: {quote(path)}", f"{_count(one.group.rows, 'row')}" + ("" if first.whole else " or more"))
    if one.group.waves:
        waves = ", ".join(quote(w) for w in one.group.waves)
        out.add(2, f"waves: [{waves}]", "{wave} in the path is replaced by each of these")
    if first.sheet:
        out.add(2, f"sheet: {quote(first.sheet)}", "of the workbook")
    if first.skip:
        out.add(2, f"skip_lines: {first.skip}", "lines above the header")
    if first.header_lines > 1:
        out.add(2, f"header_lines: {first.header_lines}", "lines of the header: those after the first are no answers")
    if one.key is not None:
        out.add(
            2, f"key: {quote(one.key.name)}", "guess: the files contain each other; what was met before counts once"
        )
    if one.decimal_comma:
        out.add(2, 'decimal: ","', "numbers such as 12,50")
    if first.encoding != "utf-8":
        out.add(2, f"encoding: {first.encoding}", "found from the bytes")


def _survey(out: _Lines, one: Input, mapping: Mapping) -> None:
    out.add(1, f"{one.name}:", "; ".join(one.said))
    _file(out, one)
    _filters(out, 2, one)
    fills = ["responses", *(["ratings"] if one.items else []), *(["comments"] if one.text else [])]
    out.add(2, f"to: [{', '.join(fills)}]", "tables it fills")
    if one.item is not None and one.value is not None:
        out.add(2, "shape: long", "one row an answer")
        out.add(2, f"item: {quote(one.item.name)}", "which question")
        out.add(2, f"value: {quote(one.value.name)}", "the code")
    unasked, sure, evidence = unsolicited(one)
    why = f"{'' if sure else 'guess: '}{'given unasked (review)' if unasked else 'asked for (survey)'}: {evidence}"
    out.add(2, f"solicited: {'false' if unasked else 'true'}", why)
    if one.export.get("first_party") is False:
        out.add(2, "first_party: false", "collected by a platform")
    if one.response_id is not None:
        prefix = "wave" if one.prefixed else ""
        why = "unique per answer" if one.response_id.sure else "guess: it differs in every row"
        out.add(2, f"response_id: {_field(one.response_id, prefix=prefix)}", why)
    _shared(out, 2, one, mapping)
    if one.cluster is not None:
        why = f"guess: answers of one {one.cluster.name} are alike; {_count(len(one.cluster.counts), 'group')} of them"
        out.add(2, f"cluster: {_field(one.cluster, one)}", f"{why}, which ranges then allow for")
    if one.weight is not None:
        partial = len(one.group.looks) > 1 and one.weight.rows < one.group.rows
        text = f"{{column: {_names(one.weight)}, if_absent: unweighted}}" if partial else _field(one.weight)
        out.add(2, f"weight: {text}", "survey weight")
    if one.segments:
        out.add(2, "segments:", "groups to compare and to weigh by")
        for name, column in one.segments.items():
            out.add(3, f"{quote(name)}: {_field(column, one)}", _segment(column))
        for column in one.more_segments[:12]:
            out.add(3, f"# {_comment(quote(column.name))}", f"also possible: {_segment(column)}")
    if one.items:
        out.add(2, "items:", "questions; role: overall, nps, ces, attribute, expectation, intent or image")
        for item in one.items:
            out.add(3, f"{quote(item.id)}: {_item(item)}", _why(item))
    if one.text:
        names = ", ".join(quote(n) for c in one.text for n in (c.name, *c.others))
        out.add(2, f"text: [{names}]", "words of the customers; joined")
        out.add(2, f"language: {quote(one.language.name) if one.language else 'auto'}", "en, zh, auto, or a column")
        rating = next((i for i in one.items if i.role == "overall"), None)
        if rating is not None and not one.item:
            out.add(2, f"rating: {_rating(rating)}", "the score given with the words")
    _unused(out, 2, one)


def _shared(out: _Lines, depth: int, one: Input, mapping: Mapping) -> None:
    if one.customer is not None:
        mark = "" if one.customer.sure else "guess: "
        mark += "".join(f"guess: {doubt}; " for doubt in one.customer.doubts)
        told = f"{len(one.customer.counts):,} different in {_count(one.customer.filled, 'row')}"
        out.add(depth, f"customer: {_field(one.customer, one)}", f"{mark}who: {told}")
    elif one.lookup is not None:
        out.add(depth, f"customer: {quote(one.lookup[2])}", f"taken from {one.lookup[0]} by a lookup")
    keys = {k: c for k, c in (("email", one.email), ("phone", one.phone)) if c is not None}
    if keys:
        text = ", ".join(f"{k}: {_field(c, one)}" for k, c in keys.items())
        out.add(depth, f"keys: {{{text}}}", "more ways to recognise a customer; stored as pseudonyms")
    if one.brand is not None:
        out.add(depth, f"brand: {_field(one.brand, one)}", "ids or labels of the brands above")
    elif len(mapping.brands) > 1 and one.table != "customers":
        out.add(depth, f"brand: {{const: {quote(mapping.brands[0][0])}}}", "guess: no brand column was found")
    if one.date is not None:
        text = _field(one.date)
        if one.date.expr:
            text = f"{{expr: {quote(one.date.expr)}}}"
        elif one.date.formats:
            forms = [quote(form) for form in one.date.formats]
            form = forms[0] if len(forms) == 1 else f"[{', '.join(forms)}]"
            text = f"{{column: {_names(one.date)}, format: {form}}}"
        example = next(iter(one.date.counts))
        key = "since" if one.table == "customers" else "date"
        doubt = "" if one.date.sure else f"guess: {'; '.join(one.date.doubts)}; "
        out.add(depth, f"{key}: {text}", f"{doubt}e.g. {example}")
    elif one.period is not None:
        out.add(depth, f"period: {_field(one.period)}", "labels such as 2026Q3")
    elif one.wave_periods:
        changed = {w: p for w, p in one.wave_periods.items() if w != p}
        table = ", ".join(f"{quote(w)}: {quote(p)}" for w, p in changed.items())
        out.add(depth, f"period: {{from: wave{f', map: {{{table}}}' if changed else ''}}}", "the wave says when")
    elif one.table != "customers":
        out.add(depth, f"period: {{const: {quote(mapping.last)}}}", "guess: no date was found")
    if one.channel is not None:
        out.add(depth, f"channel: {_field(one.channel, one)}", _segment(one.channel))
    if one.touchpoint is not None:
        out.add(depth, f"touchpoint: {_field(one.touchpoint, one)}", _segment(one.touchpoint))
    if one.link is not None:
        out.add(depth, f"link: {_field(one.link, one)}", "order or case: ties answers to operations")


def _table(out: _Lines, one: Input, mapping: Mapping) -> None:
    out.add(2, f"- from: {quote(one.name)}", "")
    _filters(out, 3, one)
    _shared(out, 3, one, mapping)
    if one.table == "interactions":
        out.add(
            3, f"kind: {{const: {quote(one.name)}}}", "guess: contact, complaint, visit, click, call, delivery, ..."
        )
    if one.amount is not None:
        text = f"{{expr: {quote(one.amount_expr)}}}" if one.amount_expr else _field(one.amount)
        doubts = [f"guess: {doubt}" for doubt in one.amount.doubts]
        first = ", ".join(list(one.amount.counts)[:3])
        out.add(3, f"amount: {text}", "; ".join([f"money, returns negative; e.g. {first}", *doubts]))
    if one.basket is not None:
        out.add(3, f"group: {quote(one.basket.name)}", "guess: order that the row is a line of")
    if one.product is not None:
        out.add(3, f"product: {_field(one.product)}", "")
    if one.segments:
        out.add(3, "segments:", "")
        for name, column in one.segments.items():
            out.add(4, f"{quote(name)}: {_field(column)}", _segment(column))
    _unused(out, 3, one)


def _filters(out: _Lines, depth: int, one: Input) -> None:
    for word, rows in (("where", one.where), ("exclude", one.exclude)):
        if rows:
            text = ", ".join(f"{quote(c)}: [{', '.join(map(quote, values))}]" for c, values in rows.items())
            out.add(
                depth, f"{word}: {{{text}}}", f"guess: rows that {'alone count' if word == 'where' else 'do not count'}"
            )


def _unused(out: _Lines, depth: int, one: Input) -> None:
    more = {c.name for c in one.more_segments}
    left = [c.name for c in one.columns if c.name not in one.used | more and c.kind != "empty"]
    left += [
        n
        for look in one.group.looks
        for n in look.columns
        if n not in {x for c in one.columns for x in (c.name, *c.others)}
    ]
    if left:
        shown = ", ".join(_comment(n)[:40] for n in dict.fromkeys(left))
        out.lines.append("  " * depth + f"# not used: {shown[:400]}")


def _item(item: Item) -> str:
    text = f"{{column: {_names(item.column)}, scale: {item.scale}, role: {item.role}"
    if item.column.words:
        text += ", map: {" + ", ".join(f"{quote_code(w)}: {c}" for w, c in item.column.words.items()) + "}"
    return text + "}"


def _rating(item: Item) -> str:
    if not item.column.words:
        return _field(item.column, missing=False)
    words = ", ".join(f"{quote_code(w)}: {c}" for w, c in item.column.words.items())
    gone = ", ".join(f"{quote_code(w)}: {kind}" for w, kind in (item.column.missing or {}).items())
    more = f", missing: {{{gone}}}" if gone else ""
    return f"{{column: {_names(item.column)}, map: {{{words}}}{more}}}"


def _why(item: Item) -> str:
    low, high = item.column.codes[0], item.column.codes[-1]
    doubts = [] if item.column.sure else ["guess: a rating, not a group?"]
    doubts += ["guess: one question renamed?"] if item.column.others else []
    doubts += [] if item.sure else ["guess: is this the overall question?"]
    doubts += [f"guess: {doubt}" for doubt in item.column.doubts]
    often = ", ".join(f"{mask(v)[:16]}: {n / item.column.filled:.0%}" for v, n in item.column.counts.most_common(3))
    evidence = f" ({often})" if doubts else ""
    return "; ".join([f"{low} to {high}, {_count(item.column.filled, 'answer')}{evidence}", *doubts])


def _segment(column: Column) -> str:
    values = [v for v, _ in column.counts.most_common(4)]
    more = f" and {len(column.counts) - 4} more" if len(column.counts) > 4 else ""
    return f"{'' if column.sure else 'guess: '}{', '.join(mask(v)[:24] for v in values)}{more}"


def _field(column: Column, one: Input | None = None, *, prefix: str = "", missing: bool = True) -> str:
    """Return a column as a field of the grammar; with `one`, a column that some of its files lack may be absent."""
    gone = column.missing if missing and column.kind in ("segment", "customer") else None
    partial = one is not None and column.rows < one.group.rows
    if not (prefix or gone or column.others or partial):
        return quote(column.name)
    text = f"{{column: {_names(column)}"
    if partial:
        text += ', if_absent: "null"'
    if prefix:
        text += f", prefix: {prefix}"
    if gone:
        text += ", missing: {" + ", ".join(f"{quote_code(c)}: {k}" for c, k in gone.items()) + "}"
    return text + "}"


def _names(column: Column) -> str:
    names = [quote(n) for n in (column.name, *column.others)]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def quote(text: str) -> str:
    """Return text as a YAML scalar that reads back as the same text, also inside [] and {}."""
    safe = (
        text[:1].isalpha()
        and all(c.isalnum() or c in _PLAIN for c in text)
        and text == text.strip()
        and text.casefold() not in _WORDS
    )
    if safe:
        return text
    body = ""
    for c in text:
        if c in '"\\':
            body += "\\" + c
        elif c.isprintable():
            body += c
        else:
            number = ord(c)
            body += f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    return f'"{body}"'


def quote_code(text: str) -> str:
    """Return a code as a YAML key: whole numbers plain, everything else as `quote`."""
    return text if text.lstrip("-").isdecimal() and str(int(text)) == text else quote(text)


def _comment(text: str) -> str:
    """Return text that stays inside one comment line."""
    return "".join(c if c.isprintable() else " " for c in text)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()
