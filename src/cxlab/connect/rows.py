"""One mapping of a params file -> one table of typed rows, each used, out of scope or rejected with its reason."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from cxlab.connect.files import WILD
from cxlab.connect.rules import CURRENCY, Cell, Fields, fold
from cxlab.connect.sql import first, literal
from cxlab.connect.stage import Staged
from cxlab.errors import Problem
from cxlab.params.models import Brand, Field, Params, ResponsesMap
from cxlab.params.models import _Mapped as Mapped
from cxlab.params.periods import EXAMPLES

USED, OUT, REJECTED = "used", "out", "rejected"

# canonical column -> (params key, kind); the columns every table shares are added below
_TEXT = {"touchpoint": ("touchpoint", "text"), "channel": ("channel", "text"), "link": ("link", "text")}
SHAPES: dict[str, dict[str, tuple[str, str]]] = {
    "customers": {"since": ("since", "date"), "referred_by": ("referred_by", "text")},
    "transactions": {
        "transaction_id": ("transaction_id", "id"),
        "amount": ("amount", "number"),
        "margin": ("margin", "number"),
        "kind": ("kind", "text"),
        "product": ("product", "text"),
        "seller": ("seller", "text"),
        "basket": ("group", "text"),
        "channel": ("channel", "text"),
        "link": ("link", "text"),
    },
    "interactions": {"interaction_id": ("interaction_id", "id"), "kind": ("kind", "text"), **_TEXT},
    "events": {
        "event_id": ("event_id", "id"),
        "date_end": ("date_end", "date"),
        "kind": ("kind", "text"),
        "name": ("name", "text"),
        "value": ("value", "number"),
    },
    "responses": {
        "response_id": ("response_id", "id"),
        "weight": ("weight", "number"),
        "variant": ("variant", "text"),
        "cluster": ("cluster", "text"),
        **_TEXT,
    },
    "comments": {
        "comment_id": ("comment_id", "id"),
        "response_id": ("response_id", "text"),
        "rating": ("rating", "number"),
        "conversation": ("conversation", "text"),
        "turn": ("turn", "number"),
        "speaker": ("speaker", "text"),
        "touchpoint": ("touchpoint", "text"),
        "channel": ("channel", "text"),
    },
    "invitations": {
        "invitation_id": ("invitation_id", "id"),
        "answered": ("answered", "flag"),
        "response_id": ("response_id", "text"),
        "touchpoint": ("touchpoint", "text"),
        "channel": ("channel", "text"),
    },
    "actions": {
        "action_id": ("action_id", "id"),
        "team": ("team", "text"),
        "owner": ("owner", "text"),
        "kind": ("kind", "text"),
        "outcome": ("outcome", "text"),
    },
}
_WORDS = {"touchpoint", "channel", "kind", "speaker"}  # keys whose bare name may be the text itself
# whose turn it is, in the words chat tools use
_SPEAKERS = {
    "customer": "customer user client visitor guest caller passenger buyer member patient "
    "顾客 客户 用户 买家 会员 访客",
    "agent": "agent staff employee operator support representative rep assistant bot system admin seller "
    "客服 坐席 店员 商家 卖家 机器人 系统 员工",
}
_BRAND_OPTIONAL = {"customers", "events"}
_FOUNDERS_OF_LINK = {"transactions"}


@dataclass
class Rows:
    """A mapping turned into the DuckDB table `name`.

    Its columns: ``_row, _f, _line, _state`` (used, out, rejected), ``_twin`` (a used row that repeats a record),
    ``_column, _value, _reason`` of a reject, the canonical columns, ``segment:*``, ``outcome:*`` and ``_k<i>``, the
    identity nodes named in `identities`.
    """

    name: str
    table: str
    at: int
    staged: Staged
    mapping: Mapped
    columns: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    primary: str | None = None  # the id system of `customer`

    @property
    def key(self) -> str:
        """Where the mapping stands in the params file."""
        return f"tables.{self.table}[{self.at}]"


@dataclass
class Context:
    """What the mappings share."""

    con: duckdb.DuckDBPyConnection
    params: Params
    inputs: dict[str, Staged]
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)

    def fields(self, staged: Staged, key: str) -> Fields:
        """Return the translator of fields for a mapping that stands at `key`."""
        return Fields(self.con, staged, key, self.problems, self.notices)

    def input_of(self, key: str, name: str | None) -> Staged | None:
        """Return the input a mapping reads, None if it is unknown (a problem) or could not be read (one already)."""
        names = list(self.params.inputs)
        if name is None and len(names) == 1:
            name = names[0]
        if name is None or name not in names:
            self.problems.append(
                Problem("no such input", where=f"{key}.from", value=name or "", allowed=", ".join(names))
            )
            return None
        return self.inputs.get(name)


def build(context: Context, table: str, at: int, mapping: Mapped) -> Rows | None:
    """Type and judge the rows of one mapping; None if the mapping has a problem."""
    key = f"tables.{table}[{at}]"
    staged = context.input_of(key, mapping.from_)
    if staged is None:
        return None
    before = len(context.problems)
    made = _Mapping(context, Rows(f"m_{table}_{at}", table, at, staged, mapping)).run()
    return made if len(context.problems) == before else None


class _Mapping:
    """The steps from cells to judged rows, with what they pass on to each other."""

    def __init__(self, context: Context, rows: Rows) -> None:
        self.context, self.con, self.params, self.rows = context, context.con, context.params, rows
        self.table, self.mapping, self.staged = rows.table, rows.mapping, rows.staged
        self.fields = context.fields(rows.staged, rows.key)
        self.raw: dict[str, Cell] = {}  # name in the raw stage -> cell
        self.typed: dict[str, str] = {}  # canonical column -> SQL over the raw stage; conditions see it as "=name"
        self.once: dict[str, str] = {}  # SQL that several conditions need, seen as "=name" too
        self.out: list[str] = []  # conditions that put a row out of scope
        self.rejects: list[tuple[str, str, str, str]] = []  # condition, column, value, reason (SQL)

    def run(self) -> Rows:
        self._values()
        self._where()
        self._brand()
        self._time()
        self._who()
        self._extras()
        if not self.context.problems:
            self._write()
            self._ids()
        return self.rows

    def _cell(self, name: str, given: Field | None, **how: bool) -> Cell | None:
        cell = self.fields.cell(name, given, **how)
        if cell is not None:
            self.raw[name] = cell
        return cell

    def _values(self) -> None:
        for column, (key, kind) in SHAPES[self.table].items():
            given = getattr(self.mapping, key, None)
            cell = self._cell(key, given, words=key in _WORDS)
            raw = f'"{key}"'
            if cell is None:
                self.typed[column] = {"number": "NULL::DOUBLE", "date": "NULL::DATE", "flag": "NULL::BOOLEAN"}.get(
                    kind, "NULL::VARCHAR"
                )
            elif kind == "number":
                self.typed[column] = self._number(cell, raw)
                self._reject(f'"={column}" IS NULL AND NOT cx_nothing({raw})', cell, raw, "is no number")
                self._one_currency(key, cell)
            elif kind == "date":
                self.typed[column] = self._day(cell, raw)
                self._reject(f'"={column}" IS NULL AND NOT cx_nothing({raw})', cell, raw, _no_date(cell))
            elif kind == "flag":
                self.typed[column] = f"cx_true({raw})"
                self._reject(f'"={column}" IS NULL AND NOT cx_nothing({raw})', cell, raw, "is neither yes nor no")
            else:
                self.typed[column] = raw
                if kind == "id":
                    self._reject(f"{raw} IS NULL", cell, raw, "has no id")

    def _number(self, cell: Cell, raw: str) -> str:
        number = f"cx_number({raw}, {'true' if self.staged.decimal == '.' else 'false'})"
        return number if cell.factor is None else f"({number} * {float(cell.factor)!r})"

    def _one_currency(self, key: str, cell: Cell) -> None:
        """Amounts of several currencies cannot be added: said, with how many of each."""
        mark = f"regexp_extract(v, '{CURRENCY}')"
        query = f"""SELECT {mark} AS sign, count(*) AS n FROM (SELECT {cell.sql} AS v FROM {self.staged.table})
            WHERE v IS NOT NULL AND try_cast(v AS DOUBLE) IS NULL AND NOT cx_nothing(v) AND sign <> ''
                AND cx_number(v, true) IS NOT NULL
            GROUP BY sign ORDER BY n DESC, sign"""
        found = self.con.execute(query).fetchall()
        if len(found) > 1:
            self.context.problems.append(
                Problem(
                    "amounts of several currencies in one column",
                    where=f"{self.rows.key}.{key}",
                    value=", ".join(f"{sign} ({n:,} rows)" for sign, n in found[:6]),
                    todo="make a column of one currency, or keep the rows of one with where",
                )
            )

    def _day(self, cell: Cell, raw: str) -> str:
        forms = ", ".join(map(literal, cell.form))
        return f"cx_day_as({raw}, [{forms}])" if forms else f"cx_day({raw})"

    def _reject(self, condition: str, cell: Cell, value: str, reason: str) -> None:
        self.rejects.append((condition, literal(cell.label), value, literal(reason)))

    def _where(self) -> None:
        for key, negate in (("where", True), ("exclude", False)):
            for i, (column, values) in enumerate(getattr(self.mapping, key).items()):
                cell = self.fields.column(key, [column])
                if cell is not None:
                    name = f"{key}:{i}"  # never the client's own name
                    self.raw[name] = cell
                    self.out.append(_among(name, values, negate=negate))

    def _brand(self) -> None:
        """By the mapped column, by the brands' `where`, or the only brand."""
        brands = self.params.brands
        given = self.mapping.brand
        keep = self.params.unlinked.brand == "keep" or self.table in _BRAND_OPTIONAL
        if given is not None:
            cell = self._cell("brand", given)
            if cell is not None:
                self._mapped_brand(cell, keep)
            return
        with_where = [b for b in brands if b.where]
        if with_where:
            columns = {c for b in with_where for c in b.where}
            absent = [c for c in columns if c not in self.staged.columns]
            if absent and self.table in _BRAND_OPTIONAL:
                self.typed["brand"] = "NULL::VARCHAR"
                return
            if absent:
                for c in absent:
                    self.context.problems.append(
                        Problem(
                            f"the brands' where needs a column that {self.staged.name} does not have",
                            where=f"{self.rows.key}.brand",
                            value=c,
                            nearest=self.staged.nearest(c),
                            todo="map brand, or add the column by a lookup",
                        )
                    )
                return
            self._brand_by_where(with_where, sorted(columns), keep)
        elif len(brands) == 1:
            self.typed["brand"] = literal(brands[0].id)
        elif self.table in _BRAND_OPTIONAL:
            self.typed["brand"] = "NULL::VARCHAR"
        else:
            self.context.problems.append(
                Problem(
                    "nothing tells the brand of a row",
                    where=f"{self.rows.key}.brand",
                    todo="map brand to a column, or give each brand a where",
                )
            )

    def _mapped_brand(self, cell: Cell, keep: bool) -> None:
        legal: dict[str, str] = {}
        for brand in self.params.brands:
            labels = brand.label.values() if isinstance(brand.label, dict) else [brand.label]
            for name in (brand.id, *labels):
                legal.setdefault(fold(name), brand.id)
        found = self.con.execute(f"SELECT DISTINCT {cell.sql} AS v FROM {self.staged.table} WHERE v IS NOT NULL")
        values = [v for (v,) in found.fetchall()]
        judged = [(v, legal.get(fold(v)), None if fold(v) in legal else typo_of(fold(v), legal)) for v in values]
        self.con.register(
            "_brands",
            pa.table({n: pa.array([j[i] for j in judged], pa.string()) for i, n in enumerate(("v", "id", "near"))}),
        )
        lookup = f"{self.rows.name}_brands"
        self.con.execute(f"CREATE TABLE {lookup} AS SELECT * FROM _brands")
        self.con.unregister("_brands")
        self.typed["brand"] = f"(SELECT id FROM {lookup} WHERE v = brand)"
        self.once["near"] = f"(SELECT near FROM {lookup} WHERE v = brand)"
        self.out.append('(brand IS NOT NULL AND "=brand" IS NULL AND "=near" IS NULL)')
        reason = "'is no brand; did you mean ' || \"=near\" || '?'"
        self.rejects.append(('(brand IS NOT NULL AND "=brand" IS NULL)', literal(cell.label), "brand", reason))
        if not keep:
            self._reject("brand IS NULL", cell, "NULL", "has no brand")

    def _brand_by_where(self, brands: list[Brand], columns: list[str], keep: bool) -> None:
        names = {c: f"brand:{i}" for i, c in enumerate(columns)}
        for c, name in names.items():
            cell = self.fields.column("brand", [c])
            if cell is not None:
                self.raw[name] = cell
        hits = {b.id: " AND ".join(_among(names[c], v, negate=False) for c, v in b.where.items()) for b in brands}
        self.typed["brand"] = "CASE " + " ".join(f"WHEN {h} THEN {literal(i)}" for i, h in hits.items()) + " END"
        self.once["hits"] = " + ".join(f"({h})::INTEGER" for h in hits.values())
        blank = " OR ".join(f'"{n}" IS NULL' for n in names.values())
        label, value = literal(", ".join(columns)), '"brand:0"'
        self.out.append(f'("=hits" = 0 AND NOT ({blank}))')
        self.rejects.append(('"=hits" > 1', label, value, literal("belongs to two brands")))
        if not keep:
            self.rejects.append(('"=hits" = 0', label, value, literal("has no brand (no link)")))

    def _time(self) -> None:
        if self.table == "customers":
            return
        date = self._cell("date", self.mapping.date)
        period = self._cell("period", self.mapping.period)
        grain = self.params.periods.grain
        day = self._day(date, '"date"') if date is not None else "NULL::DATE"
        self.typed["date"] = day
        if date is not None:
            self._reject('"=date" IS NULL AND NOT cx_nothing("date")', date, '"date"', _no_date(date))
        if period is not None:
            self.typed["period"] = "CASE WHEN cx_is_period(cx_label(period)) THEN cx_label(period) END"
            self._reject(
                'period IS NOT NULL AND "=period" IS NULL',
                period,
                "period",
                f"is no {grain} such as {EXAMPLES[grain]}",
            )
            self._reject("period IS NULL", period, "NULL", "has no period")
        elif date is not None:
            self.typed["period"] = f"cx_period({day})"
            self._reject('cx_nothing("date")', date, "NULL", "has no date")
        elif self.mapping.date is None and self.mapping.period is None:
            self.context.problems.append(
                Problem("nothing tells when it happened", where=self.rows.key, todo="map date or period")
            )
            return
        first = self.params.periods.history_from or self.params.periods.first
        span = f"BETWEEN {literal(first)} AND {literal(self.params.periods.last)}"
        self.out.append(f'("=period" NOT {span})')

    def _who(self) -> None:
        nodes: list[str] = []
        own = self.mapping.customer
        one_per = getattr(self.mapping, "one_per", None)
        if own is None and one_per is not None:
            own = Field(column=[one_per])
        given = {"customer": own, **{f"keys.{k}": v for k, v in self.mapping.keys.items()}}
        for name, cell_of in given.items():
            cell = self._cell(name, cell_of, optional=name != "customer")
            if cell is None:
                continue
            system = (self.mapping.system or "id") if name == "customer" else name.removeprefix("keys.")
            nodes.append(f"{literal(system + ':')} || {normalised(system, chr(34) + name + chr(34))}")
            self.rows.identities.append(system)
            if name == "customer":
                self.rows.primary = system
        for i, node in enumerate(nodes):
            self.typed[f"_k{i}"] = node
        if "referred_by" in self.raw:  # a node as well: `tables` turns it into a customer
            system = self.mapping.system or "id"
            self.typed["referred_by"] = (
                f"{literal(system + ':')} || {normalised(system, chr(34) + 'referred_by' + chr(34))}"
            )
        if self.table == "customers" and not nodes:
            self.context.problems.append(
                Problem("nothing tells who the customer is", where=self.rows.key, todo="map customer or keys")
            )
        if nodes and (self.params.unlinked.customer == "reject" or self.table == "customers"):
            blank = " AND ".join(f'"=_k{i}" IS NULL' for i in range(len(nodes)))
            self.rejects.append((blank, literal("customer"), "NULL", literal("has no customer")))

    def _extras(self) -> None:
        for name, given in getattr(self.mapping, "segments", {}).items():
            cell = self.fields.cell(f"segments.{name}", given, optional=True)
            if cell is not None:
                self.raw[f"segment:{name}"] = cell
                self.typed[f"segment:{name}"] = f'"segment:{name}"'
        outcomes = self.mapping.outcome if self.table == "interactions" else {}  # type: ignore[attr-defined]
        for name, text in outcomes.items():
            sql = self.fields.expression(f"outcome.{name}", text)
            if sql is not None:
                self.raw[f"outcome:{name}"] = Cell(f"({sql})", text)
                self.typed[f"outcome:{name}"] = f'try_cast("outcome:{name}" AS BOOLEAN)'
        if self.table == "comments":
            self._text()
            self._speaker()
        if isinstance(self.mapping, ResponsesMap):
            self._weight(self.mapping)
        first_party = getattr(self.mapping, "first_party", None)
        if self.params.first_party_only and first_party is False:
            self.out.insert(0, "true")

    def _text(self) -> None:
        columns: list[str] = self.mapping.text  # type: ignore[attr-defined]
        cells = [self.fields.column("text", [c]) for c in columns]  # waves rename: one of them a file
        parts = [c.sql for c in cells if c is not None]
        if len(parts) == len(columns):
            joined = f"nullif(trim(concat_ws(chr(10), {', '.join(_once(parts))})), '')"
            self.raw["text"] = Cell(joined, ", ".join(columns))
            self.typed["text"] = '"text"'
        language = self.mapping.language  # type: ignore[attr-defined]
        if isinstance(language, Field):
            self._cell("language", language)
            self.typed["language"] = "cx_language(language)"
            self._unknown_languages()
        else:
            self.typed["language"] = "NULL::VARCHAR" if language == "auto" else literal(language)

    def _unknown_languages(self) -> None:
        """A value that names no language is told, and the words are asked instead."""
        cell = self.raw.get("language")
        if cell is None:
            return
        query = f"""SELECT count(*), count(*) FILTER (WHERE cx_language(v) IS NULL),
            any_value(v) FILTER (WHERE cx_language(v) IS NULL)
            FROM (SELECT {cell.sql} AS v FROM {self.staged.table}) WHERE v IS NOT NULL"""
        total, unknown, example = first(self.con, query)
        if unknown:
            self.context.notices.append(
                f"{self.rows.key}.language: {unknown:,} of {total:,} values such as {str(example)[:40]!r} name no"
                " language; there it is told from the words"
            )

    def _speaker(self) -> None:
        cell = self.raw.get("speaker")
        if cell is None:
            self.typed["speaker"] = "'customer'"
            return
        arms = " ".join(
            f"WHEN cx_fold(speaker) IN ({', '.join(map(literal, names.split()))}) THEN {literal(who)}"
            for who, names in _SPEAKERS.items()
        )
        self.typed["speaker"] = f"CASE WHEN cx_nothing(speaker) THEN 'customer' {arms} END"
        reason = f"is neither customer nor agent (map it: {{column: {cell.label}, map: {{...: agent}}}})"
        self._reject('"=speaker" IS NULL', cell, "speaker", reason)

    def _weight(self, mapping: ResponsesMap) -> None:
        cell = self.raw.get("weight")
        if cell is None:
            self.typed["weight"], self.typed["weighted"] = "1.0::DOUBLE", "false"
            return
        absent = ", ".join(map(str, sorted(cell.absent))) or "-1"
        value = self.typed["weight"]
        self.typed["weighted"] = f"(_f NOT IN ({absent}))"
        self.typed["weight"] = f"CASE WHEN _f IN ({absent}) THEN 1.0 ELSE {value} END"
        self._reject(f"_f NOT IN ({absent}) AND cx_nothing(weight)", cell, "NULL", "has no weight")
        self._reject('"=weight" < 0', cell, "weight", "is a negative weight")

    def _write(self) -> None:
        """Write the table: raw cells, then types and the verdict on every row."""
        raw = ", ".join(f'{c.sql} AS "{n}"' for n, c in self.raw.items())
        typed = ", ".join(f'({sql}) AS "={n}"' for n, sql in (self.typed | self.once).items())
        final = ", ".join(f'"={n}" AS "{n}"' for n in self.typed)
        out = " OR ".join(f"coalesce({c}, false)" for c in self.out) or "false"
        which = " ".join(f"WHEN coalesce({c}, false) THEN {i}" for i, (c, *_) in enumerate(self.rejects))
        which = f"CASE {which} END" if which else "NULL::INTEGER"
        arms = {
            part: " ".join(f"WHEN {i} THEN {r[at]}" for i, r in enumerate(self.rejects))
            for part, at in (("_column", 1), ("_value", 2), ("_reason", 3))
        }
        told = ", ".join((f"CASE _which {a} END AS {n}" if a else f"NULL::VARCHAR AS {n}") for n, a in arms.items())
        self.con.execute(
            f"""CREATE TABLE {self.rows.name} AS
            WITH raw AS (SELECT _row, _f, _line{", " if raw else ""}{raw} FROM {self.staged.table}),
            typed AS (SELECT *, {typed} FROM raw),
            judged AS (SELECT *, {out} AS _is_out, {which} AS _which FROM typed)
            SELECT _row, _f, _line, false AS _twin,
                CASE WHEN _is_out THEN '{OUT}' WHEN _which IS NOT NULL THEN '{REJECTED}' ELSE '{USED}' END AS _state,
                {told}, {final} FROM judged"""
        )
        self.rows.columns = list(self.typed)

    def _ids(self) -> None:
        """Ids are unique over the file: later rows are rejected; rows of a long file are twins of one response."""
        ids = [c for c, (_, kind) in SHAPES[self.table].items() if kind == "id"]
        one_per = getattr(self.mapping, "one_per", None)
        if not ids or one_per is not None:
            return
        column = ids[0]
        key, _ = SHAPES[self.table][column]
        if key not in self.raw:
            stem = self.fields._per_file("name") if self._many_files() else None
            front = f"{literal(self.staged.name)} || '-' || " + (f"{stem} || '-' || " if stem else "")
            siblings = [m for m in getattr(self.params.tables, self.table) if m.from_ == self.mapping.from_]
            back = f" || '-{self.rows.at}'" if len(siblings) > 1 else ""
            self.con.execute(f'UPDATE {self.rows.name} SET "{column}" = {front}_line{back}')
            return
        long = self.table == "responses" and any(
            r.shape == "long" and self.context.input_of(self.rows.key, r.from_) is self.staged
            for r in self.params.tables.ratings
        )
        found = f"""FROM (SELECT _row AS r, row_number() OVER same AS nth,
                first_value(_line) OVER same AS first FROM {self.rows.name} WHERE _state = '{USED}'
            WINDOW same AS (PARTITION BY "{column}" ORDER BY _row)) WHERE r = _row AND nth > 1"""
        change = (
            "_twin = true"
            if long
            else f"""_state = '{REJECTED}', _column = {literal(self.raw[key].label)}, _value = "{column}",
            _reason = 'the id stands already in line ' || first"""
        )
        self.con.execute(f"UPDATE {self.rows.name} SET {change} {found}")

    def _many_files(self) -> bool:
        """By what the params say, not by what is there: ids stay when the second day's file comes."""
        patterns = self.params.inputs[self.staged.name].path or []
        return len(patterns) > 1 or any(sign in p for p in patterns for sign in WILD)


def _once(parts: list[str]) -> list[str]:
    """Leave out, row by row, what another part says already: a review that holds its own title."""
    if len(parts) == 1:
        return parts

    def said(at: int, other: int) -> str:
        longer = ">=" if other < at else ">"  # of two alike the first stays
        holds = f"contains(lower({parts[other]}), lower({parts[at]}))"
        return f"coalesce(length({parts[other]}) {longer} length({parts[at]}) AND {holds}, false)"

    others = [[said(i, j) for j in range(len(parts)) if j != i] for i in range(len(parts))]
    return [f"CASE WHEN {' OR '.join(o)} THEN NULL ELSE {p} END" for p, o in zip(parts, others, strict=True)]


def _among(name: str, values: list[str], *, negate: bool) -> str:
    codes = ", ".join(literal(fold(v)) for v in values)
    inside = f'coalesce(cx_fold("{name}") IN ({codes}), false)'
    return f"(NOT {inside})" if negate else f"({inside})"


def _no_date(cell: Cell) -> str:
    return "is no date" + (
        f" of the form {' or '.join(cell.form)}" if cell.form else " (year first; else give a format)"
    )


def normalised(system: str, raw: str) -> str:
    """Return the SQL that writes an identity key the same way whatever system it comes from."""
    half = f"trim(cx_half({raw}))"
    if system in ("email", "mail", "e-mail"):
        text = f"CASE WHEN contains({half}, '@') THEN lower({half}) END"
    elif system in ("phone", "mobile", "tel"):
        digits = f"regexp_replace(regexp_replace({half}, '[^0-9]', '', 'g'), '^00', '')"
        # the country code of China is dropped where a mobile number follows
        text = f"CASE WHEN length({digits}) >= 6 THEN regexp_replace({digits}, '^86(1[3-9][0-9]{{9}})$', '\\1') END"
    elif system == "card":
        text = f"nullif(regexp_replace({half}, '[^0-9A-Za-z]', '', 'g'), '')"
    else:
        text = f"cx_tidy({raw})"
    return f"CASE WHEN lower({raw}) NOT IN ('null', 'nan', 'n/a', 'none', '-', '无') THEN {text} END"


def typo_of(value: str, legal: Mapping[str, Any]) -> str | None:
    """Return the legal name `value` is most likely a slip of, or None: another brand is not a slip.

    Names that differ only in a number or in a short token (brand a, brand b; north 1, north 2) are different names.
    """
    hit = difflib.get_close_matches(value, list(legal), n=1, cutoff=0.8)
    if not hit:
        return None
    mine, other = re.findall(r"\w+", value.replace("_", " ")), re.findall(r"\w+", hit[0].replace("_", " "))
    if len(mine) == len(other):
        pairs = [(a, b) for a, b in zip(mine, other, strict=True) if a != b]
        if any(min(len(a), len(b)) < 3 or re.findall(r"\d+", a) != re.findall(r"\d+", b) for a, b in pairs):
            return None
    return str(legal[hit[0]])
