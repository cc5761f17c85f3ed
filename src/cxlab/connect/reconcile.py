"""Every input row accounted for: reconciliation, rejects, links, merges; and the limits that stop a run.

Per source, table and channel: rows in = used + out of scope + rejected. For answers on scales also: values in =
scored + missing by kind + rejected, over the rows used.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from cxlab.connect import pii
from cxlab.connect.files import Inventory
from cxlab.connect.lookups import Link
from cxlab.connect.rows import OUT, REJECTED, SHAPES, USED, Context
from cxlab.connect.sql import first, literal
from cxlab.connect.stage import AGAIN
from cxlab.errors import Problem
from cxlab.vocab import RECONCILIATION_COLUMNS, REJECT_COLUMNS
from cxlab.vocab import TABLES as CANONICAL

TABLES = ("rejects", "reconciliation", "links", "merges")
SHOWN = 200  # signs of a rejected value that are kept
EXAMPLES = 5  # reasons named when too many rows are rejected


def write(context: Context, links: list[Link]) -> None:
    """Create ``t_rejects``, ``t_reconciliation``, ``t_links`` and ``t_merges``."""
    con = context.con
    mapped: dict[str, set[str]] = {name: set() for name in context.inputs}
    for rows in context.rows:
        mapped[rows.staged.name].add(rows.table)
    for name, staged in context.inputs.items():
        for table in sorted(mapped[name]) or [""]:
            files = " ".join(f"WHEN {i} THEN {literal(f.name)}" for i, f in enumerate(staged.files))
            con.execute(
                f"""INSERT INTO _rejects SELECT input, {f"CASE _f {files} END" if files else "NULL"}, _line, "column",
                    value, reason, {literal(table)} FROM _bad WHERE input = {literal(name)}"""
            )
            con.execute(
                f"""INSERT INTO _fate SELECT input, {literal(table)}, -_line - 1, '', -1, '{REJECTED}'
                FROM _bad WHERE input = {literal(name)}"""
            )
            if not table:  # read by lookups only
                con.execute(f"INSERT INTO _fate SELECT {literal(name)}, '', _row, '', -1, '{USED}' FROM {staged.table}")
    names = _names(REJECT_COLUMNS)
    con.execute(f"CREATE TABLE t_rejects AS SELECT {names} FROM _rejects UNION ALL SELECT {names} FROM _value_rejects")
    _mask_values(context)
    con.execute(
        f"""CREATE TABLE t_reconciliation AS
        WITH fate AS (SELECT source, "table", channel, count(*) AS rows_in,
                count(*) FILTER (WHERE state = '{USED}') AS rows_used,
                count(*) FILTER (WHERE state = '{OUT}') AS rows_out_of_scope,
                count(*) FILTER (WHERE state = '{REJECTED}') AS rows_rejected FROM _fate GROUP BY ALL),
        ratings AS (SELECT source, 'ratings' AS "table", channel, {_value_counts("n", "_values")}),
        texts AS (SELECT source, 'comments' AS "table", channel, sum(n) AS values_in,
                sum(n) FILTER (WHERE filled) AS values_scored, 0 AS never_asked, 0 AS not_used, 0 AS refused,
                sum(n) FILTER (WHERE NOT filled) AS blank, 0 AS values_rejected
            FROM ({_texts(context)}) GROUP BY source, channel)
        SELECT source, "table", channel, rows_in, rows_used, rows_out_of_scope, rows_rejected,
            {", ".join(f"coalesce(v.{c}, 0)::BIGINT AS {c}" for c in RECONCILIATION_COLUMNS[7:])}
        FROM fate LEFT JOIN (SELECT * FROM ratings UNION ALL SELECT * FROM texts) v USING (source, "table", channel)
        ORDER BY source, "table", channel"""
    )
    con.execute(
        """CREATE TABLE t_links
            (lookup VARCHAR, "from" VARCHAR, "to" VARCHAR, rows BIGINT, matched BIGINT, rate DOUBLE)"""
    )
    for link in links:
        values = [link.lookup, link.from_, link.to, link.rows, link.matched, link.rate]
        con.execute("INSERT INTO t_links VALUES (?, ?, ?, ?, ?, ?)", values)
    con.execute("CREATE TABLE t_merges AS FROM _merges")


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{c}"' for c in columns)


def _value_counts(n: str, table: str) -> str:
    kinds = ", ".join(
        f"sum({n}) FILTER (WHERE NOT rejected AND missing = '{k}') AS {k}"
        for k in ("never_asked", "not_used", "refused", "blank")
    )
    return f"""sum({n}) AS values_in, sum({n}) FILTER (WHERE NOT rejected AND missing IS NULL) AS values_scored,
        {kinds}, sum({n}) FILTER (WHERE rejected) AS values_rejected FROM {table} GROUP BY source, channel"""


def _texts(context: Context) -> str:
    """Return a query of the used comment rows: with words, and blank."""
    parts = [
        f"""SELECT {literal(r.staged.name)} AS source, coalesce(channel, '') AS channel, text IS NOT NULL AS filled,
            count(*) AS n FROM {r.name} WHERE _state = '{USED}' GROUP BY ALL"""
        for r in context.rows
        if r.table == "comments"
    ]
    return " UNION ALL ".join(parts) or "SELECT '' AS source, '' AS channel, false AS filled, 0 AS n WHERE false"


def _mask_values(context: Context) -> None:
    """A rejected value may be somebody's e-mail, an id, or a whole row; file and line still say where it stands."""
    con = context.con
    if context.params.mask_personal_data:
        for name, columns in _identities(context).items():
            # names and ids look like anything: no pattern finds them in a row that fell apart
            con.execute(
                """UPDATE t_rejects SET value = CASE WHEN "column" = '' THEN '[row]' ELSE '[id]' END
                WHERE source = $source AND value IS NOT NULL AND ("column" = ''
                    OR list_has_any(regexp_split_to_array("column", ', | [|] '), $columns))""",
                {"source": name, "columns": sorted(columns)},
            )
        values = [v for (v,) in con.execute("SELECT DISTINCT value FROM t_rejects WHERE value IS NOT NULL").fetchall()]
        pairs = list(pii.masked(values))
        con.register("_pairs", pa.table({k: pa.array([p[i] for p in pairs], pa.string()) for i, k in enumerate("vm")}))
        con.execute("UPDATE t_rejects SET value = m FROM _pairs WHERE value = v")
        con.unregister("_pairs")
    # cut last: half an address is not recognised
    con.execute(f"UPDATE t_rejects SET value = left(value, {SHOWN}) WHERE length(value) > {SHOWN}")


def _identities(context: Context) -> dict[str, set[str]]:
    """Return the columns that say who somebody is, by input."""
    out: dict[str, set[str]] = {}
    for rows in context.rows:
        fields = [rows.mapping.customer, *rows.mapping.keys.values()]
        columns = {c for f in fields if f is not None for c in (*(f.column or ()), *(f.parts or ()))}
        one_per = getattr(rows.mapping, "one_per", None)
        columns |= {one_per} if one_per else set()
        if columns:
            out.setdefault(rows.staged.name, set()).update(columns)
    return out


def judge(context: Context, result: Any) -> None:
    """Add to the checkup what the limits of the params forbid, and what a reader should know."""
    con = context.con
    result.reconciliation = _dicts(context, "SELECT * FROM t_reconciliation")
    result.links = _dicts(context, "SELECT * FROM t_links")
    result.rejects = _dicts(
        context,
        """SELECT source, "table", "column", reason, count(*) AS n, arg_min(value, line) AS value,
            arg_min(file, line) AS file, min(line) AS line FROM t_rejects GROUP BY source, "table", "column", reason
        ORDER BY n DESC, source, "table", "column", reason""",
    )
    _reject_shares(context, result)
    _item_shares(context, result)
    _repeated_ids(context, result)
    units = con.execute(
        """SELECT brand, count(*) FROM (SELECT brand FROM t_responses UNION ALL SELECT brand FROM t_comments
            UNION ALL SELECT brand FROM t_transactions UNION ALL SELECT brand FROM t_interactions) GROUP BY brand"""
    ).fetchall()
    seen = {b for b, _ in units}
    if not seen and not result.problems:
        where = f"{context.params.periods.first} to {context.params.periods.last}"
        result.problems.append(
            Problem(
                "no row of any brand falls into the periods",
                where="periods",
                value=where,
                todo="check periods, brands and how dates are written",
            )
        )
    for brand in context.params.brands:
        if brand.id not in seen:
            result.notices.append(f"brand {brand.id} has no rows")


def _dicts(context: Context, query: str) -> list[dict[str, Any]]:
    cursor = context.con.execute(query)
    names = [d[0] for d in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _reject_shares(context: Context, result: Any) -> None:
    limit = context.params.limits.max_reject_share
    shares = context.con.execute(
        f"""SELECT source, "table", sum(rows_in) AS total,
            sum(rows_rejected) - coalesce(any_value(again), 0) AS rejected
        FROM t_reconciliation LEFT JOIN (
            SELECT input AS source, count(*) AS again FROM _bad
            WHERE starts_with(reason, {literal(AGAIN)}) GROUP BY input
        ) USING (source) GROUP BY source, "table" HAVING rejected > ? * total ORDER BY ALL""",
        [limit],
    ).fetchall()
    for source, table, total, rejected in shares:
        place = f"{source} -> {table}" if table else source
        result.problems.append(
            Problem(
                "too many rows are rejected",
                where=place,
                value=f"{rejected:,} of {total:,} ({rejected / total:.1%})",
                allowed=f"at most {limit:.1%} (limits.max_reject_share)",
                todo="the reasons follow",
            )
        )
        reasons = [r for r in result.rejects if r["source"] == source and r["table"] == table]
        result.problems += [_example(r) for r in reasons[:EXAMPLES]]


def _item_shares(context: Context, result: Any) -> None:
    """An item whose values do not fit its scale is mapped wrongly, however good the rest is."""
    limit = context.params.limits.max_reject_share
    found = context.con.execute(
        """SELECT source, item, sum(n), sum(n) FILTER (WHERE rejected) AS bad FROM _values
        GROUP BY ALL HAVING bad > ? * sum(n) FILTER (WHERE rejected OR missing IS NULL) ORDER BY ALL""",
        [limit],
    ).fetchall()
    for source, item, total, bad in found:
        example = next((r for r in result.rejects if r["source"] == source and _of_item(context, item, r)), None)
        result.problems.append(
            Problem(
                f"too many values of item {item} are rejected",
                where=f"{source} -> ratings",
                value=f"{bad:,} of {total:,}",
                allowed=f"at most {limit:.1%} (limits.max_reject_share)",
                todo="check its column, scale and missing codes",
            )
        )
        if example is not None:
            result.problems.append(_example(example))


def _of_item(context: Context, item: str, reject: dict[str, Any]) -> bool:
    names = {c for m in context.params.tables.ratings for i, x in m.items.items() if i == item for c in x.column}
    return reject["table"] == "ratings" and bool(names & set(str(reject["column"]).split(" | ")))


def _example(reject: dict[str, Any]) -> Problem:
    n = "" if reject["n"] == 1 else f" ({reject['n']:,} times)"
    return Problem(
        f"{reject['reason']}{n}",
        file=str(reject["file"] or ""),
        line=int(reject["line"] or 0),
        where=str(reject["column"] or ""),
        value=str(reject["value"] if reject["value"] is not None else "")[:80],
    )


def _repeated_ids(context: Context, result: Any) -> None:
    """Ids are unique within a mapping; two sources may still count from one."""
    for table, shape in SHAPES.items():
        column = next((c for c, (_, kind) in shape.items() if kind == "id"), None)
        if column is None or sum(r.table == table for r in context.rows) < 2:
            continue
        row = first(
            context.con,
            f"""SELECT count(*), any_value(i), any_value(s) FROM (
                SELECT {column} AS i, string_agg(DISTINCT source, ', ') AS s FROM t_{table}
                GROUP BY 1 HAVING count(*) > 1)""",
        )
        if row and row[0]:
            result.problems.append(
                Problem(
                    f"{row[0]:,} ids stand in more than one source",
                    where=f"tables.{table}.{column}",
                    value=f"{pii.mask(str(row[1]))} in {row[2]}",
                    todo="put the source before the id: prefix: source",
                )
            )


def summary(context: Context, result: Any, files: Inventory) -> dict[str, Any]:
    """Return what ``summary.json`` says of a store."""
    con = context.con
    tables: dict[str, Any] = {}
    for table, spec in CANONICAL.items():
        has_period = any(c.name == "period" for c in spec.columns)
        row = first(con, f"SELECT count(*){', min(period), max(period)' if has_period else ''} FROM t_{table}")
        tables[table] = {"rows": row[0]} | ({"first": row[1], "last": row[2]} if has_period else {})
    share = first(
        con,
        "SELECT avg(first_party::INTEGER) FROM (SELECT first_party FROM t_responses UNION ALL "
        "SELECT first_party FROM t_comments WHERE response_id IS NULL)",
    )
    missing = con.execute(
        "SELECT coalesce(missing, 'scored'), count(*) FROM t_ratings GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {
        "client": context.params.client,
        "grain": context.params.periods.grain,
        "first": context.params.periods.first,
        "last": context.params.periods.last,
        "tables": tables,
        "sources": {
            name: [{"file": f.name, "format": f.format, "wave": f.wave, "digest": f.digest} for f in found]
            for name, found in files.files.items()
        },
        "first_party_share": share[0] if share else None,
        "values": dict(missing),
        "reconciliation": result.reconciliation,
        "links": result.links,
        "rejects": json.loads(json.dumps(result.rejects[:100], default=str)),
        "notices": result.notices,
    }
