"""Lookups: left joins that add columns of one input to another, each with its match rate."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from cxlab.connect.pii import mask
from cxlab.connect.sql import first
from cxlab.connect.stage import Staged
from cxlab.errors import Problem, nearest
from cxlab.params.models import Lookup, Params


@dataclass(frozen=True)
class Link:
    """How well a lookup matched: rows of `from`, and how many found a partner."""

    lookup: str
    from_: str
    to: str
    rows: int
    matched: int

    @property
    def rate(self) -> float:
        """Share of rows that found a partner, 0-1."""
        return self.matched / self.rows if self.rows else 0.0


def run(con: duckdb.DuckDBPyConnection, params: Params, inputs: dict[str, Staged]) -> tuple[list[Link], list[Problem]]:
    """Add the columns of every lookup to its input, in the order `after` asks for."""
    links: list[Link] = []
    order, problems = _order(params)
    done: set[str] = set()
    for name in order:
        lookup = params.lookups[name]
        if lookup.from_ not in inputs or lookup.to not in inputs:
            continue  # the input itself is a problem already
        found = _columns(name, lookup, inputs, params, done)
        if not found:
            found = _ambiguous(con, name, lookup, inputs)
        if found:
            problems += found
            continue
        link = _join(con, name, lookup, inputs[lookup.from_], inputs[lookup.to])
        links.append(link)
        done.add(name)
        if link.rate < params.limits.min_link_rate:
            problems.append(
                Problem(
                    "matches too few rows",
                    where=f"lookups.{name}",
                    value=f"{link.matched:,} of {link.rows:,} ({link.rate:.1%})",
                    allowed=f"at least {params.limits.min_link_rate:.1%} (limits.min_link_rate)",
                )
            )
    return links, problems


def _order(params: Params) -> tuple[list[str], list[Problem]]:
    """Return the lookups so that each comes after those it names; a circle or an unknown name is a problem."""
    problems = []
    for name, lookup in params.lookups.items():
        for key, value, legal in (
            ("from", lookup.from_, list(params.inputs)),
            ("to", lookup.to, list(params.inputs)),
            *(("after", other, list(params.lookups)) for other in lookup.after),
        ):
            if value not in legal:
                problems.append(
                    Problem(
                        "no such " + ("lookup" if key == "after" else "input"),
                        where=f"lookups.{name}.{key}",
                        value=value,
                        allowed=", ".join(legal),
                        nearest=nearest(value, legal),
                    )
                )
    if problems:
        return [], problems
    order: list[str] = []
    waiting = list(params.lookups)
    while waiting:
        ready = next((n for n in waiting if all(a in order for a in params.lookups[n].after)), None)
        if ready is None:
            problem = Problem("lookups wait for each other", where="lookups", value=", ".join(waiting))
            return order, [problem]
        order.append(ready)
        waiting.remove(ready)
    return order, []


def _columns(name: str, lookup: Lookup, inputs: dict[str, Staged], params: Params, done: set[str]) -> list[Problem]:
    from_, to = inputs[lookup.from_], inputs[lookup.to]
    wanted = [
        *((from_, c, "on") for c in lookup.on),
        *((to, c, "on") for c in lookup.on.values()),
        *((to, c, "take") for c in lookup.take.values()),
    ]
    kind, column = _choice(lookup)
    if kind not in ("", "first", "max", "min"):
        return [Problem("is no choice", where=f"lookups.{name}.one", value=lookup.one or "",
                        allowed="first, max <column>, min <column>")]  # fmt: skip
    if column:
        wanted.append((to, column, "one"))
    problems = []
    for staged, c, key in wanted:
        if c not in staged.columns:
            maker = next((n for n, x in params.lookups.items() if x.from_ == staged.name and c in x.take), "")
            problems.append(
                Problem(
                    f"{staged.name} has no such column",
                    where=f"lookups.{name}.{key}",
                    value=c,
                    nearest=staged.nearest(c),
                    todo=f"add after: {maker}" if maker and maker not in done else "",
                )
            )
    for c in lookup.take:
        if c in from_.columns:
            problems.append(
                Problem(
                    f"{from_.name} has a column of this name already",
                    where=f"lookups.{name}.take",
                    value=c,
                    todo=f"take it under another name: {{new_name: {lookup.take[c]}}}",
                )
            )
    return problems


def _choice(lookup: Lookup) -> tuple[str, str]:
    """Split ``max price`` into its kind and column."""
    if lookup.one is None:
        return "", ""
    kind, _, column = lookup.one.strip().partition(" ")
    if kind == "first" or not column.strip():
        return (kind if kind == "first" and not column else f"{kind}?"), ""
    return kind, column.strip()


def _keys(staged: Staged, columns: list[str], alias: str) -> list[str]:
    return [f"cx_tidy({alias}.{staged.columns[c]})" for c in columns]


def _ambiguous(con: duckdb.DuckDBPyConnection, name: str, lookup: Lookup, inputs: dict[str, Staged]) -> list[Problem]:
    """Without `one`, a key that several rows of `to` share is an error; the example is one that is looked up."""
    if lookup.one is not None:
        return []
    from_, to = inputs[lookup.from_], inputs[lookup.to]
    mine, theirs = _keys(from_, list(lookup.on), "f"), _keys(to, list(lookup.on.values()), "t")
    row = first(
        con,
        f"""SELECT count(*), any_value(k), any_value(n) FROM (
            SELECT [{", ".join(theirs)}] AS k, count(*) AS n FROM {to.table} t
            WHERE {" AND ".join(f"{k} IS NOT NULL" for k in theirs)} GROUP BY ALL HAVING count(*) > 1) many
        WHERE k IN (SELECT [{", ".join(mine)}] FROM {from_.table} f)""",
    )
    if not row[0]:
        return []
    return [
        Problem(
            f"{row[0]:,} keys match several rows of {to.name}",
            where=f"lookups.{name}",
            value=f"{', '.join(mask(str(k)) for k in row[1])} matches {row[2]}",
            todo="say which with one: max <column>, min <column> or first",
        )
    ]


def _join(con: duckdb.DuckDBPyConnection, name: str, lookup: Lookup, from_: Staged, to: Staged) -> Link:
    mine, theirs = _keys(from_, list(lookup.on), "f"), _keys(to, list(lookup.on.values()), "t")
    kind, column = _choice(lookup)
    order = "t._row"
    if column:
        c, way = f"t.{to.columns[column]}", "DESC" if kind == "max" else "ASC"
        order = (
            f"cx_point(cx_half({c})) {way} NULLS LAST, try_cast({c} AS TIMESTAMP) {way} NULLS LAST, "
            f"{c} {way} NULLS LAST, t._row"
        )
    keys = ", ".join(f"{k} AS k{i}" for i, k in enumerate(theirs))
    picks = ", ".join(f"t.{to.columns[c]} AS p{i}" for i, c in enumerate(lookup.take.values()))
    part = ", ".join(f"k{i}" for i in range(len(theirs)))
    con.execute(
        f"""CREATE TEMP TABLE _to AS SELECT * FROM (SELECT {keys}, {picks},
            row_number() OVER (PARTITION BY {part} ORDER BY {order}) AS nth FROM {to.table} t) WHERE nth = 1"""
    )
    on = " AND ".join(f"{k} = j.k{i}" for i, k in enumerate(mine))
    new = [from_.add(c) for c in lookup.take]
    table = f"{from_.table}_joined"
    con.execute(
        f"""CREATE TABLE {table} AS SELECT f.*, {", ".join(f"j.p{i} AS {c}" for i, c in enumerate(new))},
            j.nth IS NOT NULL AS _hit FROM {from_.table} f LEFT JOIN _to j ON {on}"""
    )
    row = first(con, f"SELECT count(*), count(*) FILTER (WHERE _hit) FROM {table}")
    con.execute(f"ALTER TABLE {table} DROP COLUMN _hit")
    con.execute("DROP TABLE _to")
    con.execute(f"DROP TABLE {from_.table}")
    con.execute(f"ALTER TABLE {table} RENAME TO {from_.table}")
    return Link(name, lookup.from_, lookup.to, row[0], row[1])
