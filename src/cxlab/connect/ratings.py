"""Answers to scale questions: wide files (a column an item) and long files (a row an answer), code by code.

The distinct values of an item are few, so `Codes` judges each once in Python and DuckDB joins the verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from cxlab.connect.rows import OUT, REJECTED, USED, Context, Rows, typo_of
from cxlab.connect.rules import fold
from cxlab.connect.sql import literal
from cxlab.connect.tables import file_of
from cxlab.errors import Problem, nearest
from cxlab.params.models import Item, RatingsMap, ResponsesMap, Scale

_NULL = ("null", "nan", "#null!")  # how exports write an empty cell


@dataclass(frozen=True)
class Code:
    """What a value of a file means on a scale: a code, a kind of missing, or nothing (with the reason)."""

    code: int | None = None
    missing: str | None = None
    reason: str | None = None


def code_of(value: str | None, item: Item, scale: Scale, *, point: bool = True) -> Code:
    """Judge one value of an item.

    Texts are looked up in the item's map, then the scale's; the numbers ``5``, ``5.0`` and full-width ``５`` are one
    code. Whatever is neither a code nor declared missing is an error, never a guess.
    """
    if value is None or fold(value) in ("", *_NULL):
        return Code(missing=next((kind for name, kind in scale.missing.items() if fold(str(name)) == ""), "blank"))
    text = fold(value)
    for codes in (item.map or {}, scale.map):
        for name, code in codes.items():
            if fold(name) == text and code in scale.codes:
                return Code(code=code)
            if fold(name) == text:
                text = str(code)
    for name, kind in scale.missing.items():
        if fold(name) == text:
            return Code(missing=kind)
    try:
        if "_" in text:
            raise ValueError  # Python reads 1_0 as 10
        number = float(text if point else text.replace(".", "x").replace(",", "."))
    except ValueError:
        number = float("nan")
    for name, kind in scale.missing.items():
        if isinstance(name, int | float) and not isinstance(name, bool) and float(name) == number:
            return Code(missing=kind)
    if number in scale.codes:
        return Code(code=int(number))
    legal = ", ".join(map(str, scale.codes))
    return Code(reason=f"is no code of scale {item.scale} ({legal}) nor declared missing")


def judge(context: Context) -> None:
    """Judge the rows of every ratings mapping and fill ``t_ratings``, ``_values`` and the rejected values.

    Comes after the responses are in ``t_responses``.
    """
    context.con.execute(
        """CREATE TABLE _values (source VARCHAR, channel VARCHAR, item VARCHAR, missing VARCHAR, rejected BOOLEAN,
            n BIGINT);
        CREATE TABLE _value_rejects (source VARCHAR, file VARCHAR, line BIGINT, "column" VARCHAR, value VARCHAR,
            reason VARCHAR, "table" VARCHAR)"""
    )
    for at, mapping in enumerate(context.params.tables.ratings):
        key = f"tables.ratings[{at}]"
        staged = context.input_of(key, mapping.from_)
        if staged is None or not _scales_exist(context, key, mapping):
            continue
        own = [
            r
            for r in context.rows
            if r.table == "responses"
            and r.staged is staged
            and mapping.response_id in (None, getattr(r.mapping, "response_id", None))
        ]
        if not own and mapping.response_id is None:
            if not any(p.where.startswith("tables.responses") for p in context.problems):
                context.problems.append(
                    Problem(
                        f"{staged.name} gives no responses that the ratings could belong to",
                        where=f"{key}.response_id",
                        todo="map response_id, or add a responses mapping from the same input",
                    )
                )
            continue
        for number, parent in enumerate(own or [None]):
            rows = Rows(f"m_ratings_{at}_{number}", "ratings", at, staged, ResponsesMap(from_=staged.name))
            rows.columns = ["response_id", "channel", "touchpoint", "brand", "period"]
            before = len(context.problems)
            if parent is None:
                _attach(context, rows, mapping)
            else:
                _same_rows(context, rows, parent)
            if len(context.problems) == before:
                (_wide if mapping.shape == "wide" else _long)(context, rows, mapping)
            if len(context.problems) == before:
                context.rows.append(rows)


def check(context: Context) -> None:
    """Name what is wrong with the ratings' columns and scales, when other problems forbid to build them."""
    for at, mapping in enumerate(context.params.tables.ratings):
        key = f"tables.ratings[{at}]"
        staged = context.inputs.get(mapping.from_ or next(iter(context.params.inputs), ""))
        if staged is None or not _scales_exist(context, key, mapping):
            continue
        fields = context.fields(staged, key)
        if mapping.shape == "wide":
            for name, item in mapping.items.items():
                fields.column(f"items.{name}", item.column)


def _scales_exist(context: Context, key: str, mapping: RatingsMap) -> bool:
    legal = list(context.params.scales)
    wrong = [
        Problem(
            "no such scale",
            where=f"{key}.items.{name}.scale",
            value=item.scale,
            allowed=", ".join(legal),
            nearest=nearest(item.scale, legal),
        )
        for name, item in mapping.items.items()
        if item.scale not in legal
    ]
    if not mapping.items:
        wrong = [Problem("names no items", where=f"{key}.items")]
    context.problems += wrong
    return not wrong


def _same_rows(context: Context, rows: Rows, parent: Rows) -> None:
    """The ratings stand in the rows of their responses and share their fate."""
    context.con.execute(
        f"""CREATE TABLE {rows.name} AS SELECT _row, _f, _line, false AS _twin, _state, _column, _value, _reason,
            response_id, channel, touchpoint, brand, period FROM {parent.name}"""
    )


def _attach(context: Context, rows: Rows, mapping: RatingsMap) -> None:
    """The ratings stand in a file of their own: by the response id."""
    con = context.con
    cell = context.fields(rows.staged, rows.key).cell("response_id", mapping.response_id)
    if cell is None:
        return
    known = " UNION ALL ".join(
        f"SELECT response_id, _state FROM {r.name}" for r in context.rows if r.table == "responses"
    )
    known = known or "SELECT NULL::VARCHAR AS response_id, NULL AS _state WHERE false"
    con.execute(
        f"""CREATE TABLE {rows.name} AS
        WITH known AS (SELECT response_id, bool_or(_state = '{OUT}') AS is_out FROM ({known}) GROUP BY 1)
        SELECT s._row, s._f, s._line, false AS _twin,
            CASE WHEN r.response_id IS NOT NULL THEN '{USED}' WHEN k.is_out THEN '{OUT}'
                ELSE '{REJECTED}' END AS _state,
            {literal(cell.label)} AS _column, s.id AS _value,
            CASE WHEN s.id IS NULL THEN 'has no response id' ELSE 'no response has this id' END AS _reason,
            s.id AS response_id, r.channel, r.touchpoint, r.brand, r.period
        FROM (SELECT *, {cell.sql} AS id FROM {rows.staged.table}) s
        LEFT JOIN t_responses r ON r.response_id = s.id LEFT JOIN known k ON k.response_id = s.id"""
    )
    if mapping.shape == "wide":
        _reject_later(context, rows, "response_id", "ratings of this response stand already in line ")


def _reject_later(context: Context, rows: Rows, keys: str, reason: str) -> None:
    context.con.execute(
        f"""UPDATE {rows.name} SET _state = '{REJECTED}', _value = response_id, _reason = {literal(reason)} || first
        FROM (SELECT _row AS r, row_number() OVER same AS nth, first_value(_line) OVER same AS first FROM {rows.name}
            WHERE _state = '{USED}' WINDOW same AS (PARTITION BY {keys} ORDER BY _row)) WHERE r = _row AND nth > 1"""
    )


def _codes(context: Context, values: list[tuple[str, str | None]], items: dict[str, Item], *, point: bool) -> None:
    """Write ``_codes``: every distinct (item, value) with its verdict."""
    judged = [(i, v, code_of(v, items[i], context.params.scales[items[i].scale], point=point)) for i, v in values]
    table = pa.table(
        {
            "item": pa.array([i for i, _, _ in judged], pa.string()),
            "v": pa.array([v for _, v, _ in judged], pa.string()),
            "code": pa.array([c.code for _, _, c in judged], pa.float64()),
            "missing": pa.array([c.missing for _, _, c in judged], pa.string()),
            "reason": pa.array([c.reason for _, _, c in judged], pa.string()),
        }
    )
    context.con.register("_judged", table)
    context.con.execute("CREATE OR REPLACE TEMP TABLE _codes AS SELECT * FROM _judged")
    context.con.unregister("_judged")


_TARGET = "response_id, brand, period, item, role, scale, touchpoint, value, missing, source, file, line"


def _wide(context: Context, rows: Rows, mapping: RatingsMap) -> None:
    """Each item is a column: one bad value rejects that value only."""
    con, staged = context.con, rows.staged
    fields = context.fields(staged, f"tables.ratings[{rows.at}]")
    cells = {name: fields.column(f"items.{name}", item.column) for name, item in mapping.items.items()}
    if any(c is None for c in cells.values()):
        return
    for name, item in mapping.items.items():
        cell = cells[name]
        assert cell is not None
        distinct = con.execute(f"SELECT DISTINCT {cell.sql} AS v FROM {staged.table}").fetchall()
        _codes(context, [(name, v) for (v,) in distinct], mapping.items, point=staged.decimal == ".")
        absent = ", ".join(map(str, sorted(cell.absent))) or "-1"
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE _item AS
            SELECT m._row, m._f, m._line, m.response_id, m.brand, m.period, m.channel, m.touchpoint, s.v, c.code,
                CASE WHEN m._f IN ({absent}) THEN 'never_asked' ELSE c.missing END AS missing, c.reason
            FROM {rows.name} m JOIN (SELECT _row, {cell.sql} AS v FROM {staged.table}) s USING (_row)
            LEFT JOIN _codes c ON c.v IS NOT DISTINCT FROM s.v WHERE m._state = '{USED}'"""
        )
        where = literal(item.touchpoint) if item.touchpoint else "m.touchpoint"
        con.execute(
            f"""INSERT INTO t_ratings ({_TARGET})
            SELECT m.response_id, m.brand, m.period, {literal(name)}, {literal(item.role)}, {literal(item.scale)},
                {where}, m.code, m.missing, {literal(staged.name)}, {file_of(rows, "m")}, m._line
            FROM _item m WHERE m.reason IS NULL ORDER BY m._row"""
        )
        con.execute(
            f"""INSERT INTO _value_rejects SELECT {literal(staged.name)}, {file_of(rows, "m")}, m._line,
                {literal(cell.label)}, m.v, m.reason, 'ratings'
            FROM _item m WHERE m.reason IS NOT NULL ORDER BY m._row"""
        )
        con.execute(
            f"""INSERT INTO _values SELECT {literal(staged.name)}, coalesce(channel, ''), {literal(name)}, missing,
                reason IS NOT NULL, count(*) FROM _item GROUP BY ALL"""
        )
    con.execute("DROP TABLE _item; DROP TABLE _codes")


def _long(context: Context, rows: Rows, mapping: RatingsMap) -> None:
    """Each row is one answer: a bad value rejects its row; items that are not asked for are out of scope."""
    con, staged = context.con, rows.staged
    fields = context.fields(staged, f"tables.ratings[{rows.at}]")
    item_cell, value_cell = fields.cell("item", mapping.item), fields.cell("value", mapping.value, tidy=False)
    for name, given in (("item", mapping.item), ("value", mapping.value)):
        if given is None:
            context.problems.append(Problem("a long file needs it", where=f"tables.ratings[{rows.at}].{name}"))
    if item_cell is None or value_cell is None:
        return
    names = {fold(n): i for i, item in mapping.items.items() for n in (i, *item.column)}
    found = con.execute(f"SELECT DISTINCT {item_cell.sql} AS i, {value_cell.sql} AS v FROM {staged.table}").fetchall()
    known = {raw: names[fold(raw)] for raw, _ in found if raw is not None and fold(raw) in names}
    near = {raw: typo_of(fold(raw), names) for raw, _ in found if raw is not None and raw not in known}
    _codes(context, sorted({(known[i], v) for i, v in found if i in known}, key=str), mapping.items,
           point=staged.decimal == ".")  # fmt: skip
    con.register(
        "_named",
        pa.table(
            {
                "raw": pa.array([*known, *near], pa.string()),
                "item": pa.array([*known.values(), *(None for _ in near)], pa.string()),
                "near": pa.array([*(None for _ in known), *near.values()], pa.string()),
            }
        ),
    )
    con.execute(
        f"""CREATE TABLE {rows.name}_long AS
        SELECT m.* EXCLUDE (_state, _column, _value, _reason), n.item, c.code, c.missing,
            CASE WHEN m._state = '{OUT}' OR (s.i IS NOT NULL AND n.item IS NULL AND n.near IS NULL) THEN '{OUT}'
                WHEN m._state = '{REJECTED}' OR n.item IS NULL OR c.reason IS NOT NULL THEN '{REJECTED}'
                ELSE '{USED}' END AS _state,
            CASE WHEN m._state = '{REJECTED}' THEN m._column WHEN n.item IS NULL THEN {literal(item_cell.label)}
                ELSE {literal(value_cell.label)} END AS _column,
            CASE WHEN m._state = '{REJECTED}' THEN m._value WHEN n.item IS NULL THEN s.i ELSE s.v END AS _value,
            CASE WHEN m._state = '{REJECTED}' THEN m._reason WHEN s.i IS NULL THEN 'names no item'
                WHEN n.item IS NULL THEN 'is no item; did you mean ' || n.near || '?' ELSE c.reason END AS _reason
        FROM {rows.name} m JOIN (SELECT _row, {item_cell.sql} AS i, {value_cell.sql} AS v FROM {staged.table}) s
            USING (_row)
        LEFT JOIN _named n ON n.raw = s.i LEFT JOIN _codes c ON c.item = n.item AND c.v IS NOT DISTINCT FROM s.v"""
    )
    con.unregister("_named")
    con.execute(f"DROP TABLE {rows.name}; ALTER TABLE {rows.name}_long RENAME TO {rows.name}")
    _reject_later(context, rows, "response_id, item", "this response answered the item already in line ")
    arms = {
        part: " ".join(f"WHEN {literal(n)} THEN {literal(getattr(i, part))}" for n, i in mapping.items.items())
        for part in ("role", "scale", "touchpoint")
    }
    con.execute(
        f"""INSERT INTO t_ratings ({_TARGET})
        SELECT response_id, brand, period, item, CASE item {arms["role"]} END, CASE item {arms["scale"]} END,
            coalesce(CASE item {arms["touchpoint"]} END, touchpoint), code, missing, {literal(staged.name)},
            {file_of(rows, "m")}, _line
        FROM {rows.name} m WHERE _state = '{USED}' ORDER BY _row"""
    )
    con.execute(
        f"""INSERT INTO _values SELECT {literal(staged.name)}, coalesce(channel, ''), item, missing, false, count(*)
        FROM {rows.name} WHERE _state = '{USED}' GROUP BY ALL"""
    )
