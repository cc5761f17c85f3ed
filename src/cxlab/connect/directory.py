"""The directory: identities of several systems that share an exact key become one customer with a pseudonym.

Rows give *records*: the distinct combinations of identity keys seen together. Two records that share a key are one
person; connected components over these links are the customers. A key that more than `max_cluster` records share
(info@, a front desk's phone) says nothing about who somebody is: it links nobody and is reported.

The customer id is a keyed hash of the component's first key, so it does not depend on the order of rows, stays the same
when rows are added (unless they merge two customers or bring an earlier key), and cannot be turned back without the
client's key.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from cxlab.connect.rows import USED, Rows
from cxlab.connect.sql import first, identifier, literal
from cxlab.params.models import Params

ID_DIGITS = 20  # 80 bits: a collision among ten million customers has probability 4e-11


def pseudonym(value: str, name: str = "secret") -> str:
    """Return the SQL of a keyed hash (HMAC's nesting) of a text expression; ``$name`` is bound to the key."""
    return f"left(sha256(${name} || sha256(${name} || {value})), {ID_DIGITS})"


def resolve(con: duckdb.DuckDBPyConnection, params: Params, rows: list[Rows], *, key: bytes) -> list[str]:
    """Write ``_who`` (node -> customer) and ``_merges``; return what a reader should know.

    Parameters
    ----------
    con : DuckDB connection
        Holds the tables of `rows` with their ``_k<i>`` node columns.
    key : bytes
        The client's secret: other keys give other pseudonyms.
    """
    secret = {"secret": key.hex()}
    records = [
        f"""SELECT {literal(r.staged.name)} AS source, list_filter([{", ".join(f"_k{i}" for i in range(n))}],
            lambda x: x IS NOT NULL) AS keys FROM {r.name} WHERE _state = '{USED}'"""
        for r in rows
        if (n := len(r.identities))
    ]
    con.execute("CREATE TABLE _who (node VARCHAR, customer VARCHAR, strong BOOLEAN)")
    con.execute("CREATE TABLE _merges (customer VARCHAR, system VARCHAR, key VARCHAR, source VARCHAR, rule VARCHAR)")
    if not records:
        return []
    con.execute(
        f"""CREATE TEMP TABLE _records AS
        SELECT row_number() OVER (ORDER BY keys) - 1 AS record, keys, min(source) AS source
        FROM ({" UNION ALL ".join(records)}) WHERE len(keys) > 0 GROUP BY keys"""
    )
    con.execute(
        """CREATE TEMP TABLE _nodes AS SELECT row_number() OVER (ORDER BY node) - 1 AS id, node,
            split_part(node, ':', 1) AS system, count(*) AS records
        FROM (SELECT unnest(keys) AS node FROM _records) GROUP BY node"""
    )
    primary = {r.primary for r in rows if r.primary is not None}
    merging = primary | set(params.directory.keys)
    legal = ", ".join(literal(s) for s in sorted(merging))
    con.execute(
        f"""ALTER TABLE _nodes ADD COLUMN strong BOOLEAN;
        UPDATE _nodes SET strong = system IN ({legal}) AND records <= {params.directory.max_cluster}"""
    )
    edges = con.sql(
        """SELECT a, b FROM (
            SELECT min(id) OVER (PARTITION BY record) AS a, id AS b
            FROM (SELECT record, unnest(keys) AS node FROM _records WHERE len(keys) > 1) JOIN _nodes USING (node)
            WHERE strong) WHERE a <> b"""
    ).to_arrow_table()
    count = first(con, "SELECT count(*) FROM _nodes")
    labels = _components(int(count[0]), edges["a"].to_numpy(), edges["b"].to_numpy())
    con.register("_labels", pa.table({"id": np.arange(len(labels)), "component": labels}))
    # the name of a component: its first key, ids before e-mails and phones, which come and go
    rank = " ".join(f"WHEN {literal(s)} THEN {i}" for i, s in enumerate(_precedence(primary, params)))
    con.execute(
        f"""CREATE TEMP TABLE _found AS
        SELECT n.node, n.system, n.records, n.strong, component,
            first_value(n.node) OVER (same ORDER BY CASE n.system {rank} ELSE 999 END, n.node) AS name,
            count(*) OVER same AS size
        FROM _nodes n JOIN _labels USING (id) WINDOW same AS (PARTITION BY component)"""
    )
    con.unregister("_labels")
    alone = ", ".join(literal(s) for s in sorted(primary))
    con.execute(
        f"""INSERT INTO _who SELECT node, 'c' || {pseudonym("name")}, strong FROM _found
        WHERE strong OR system IN ({alone})""",
        secret,
    )
    con.execute(
        f"""INSERT INTO _merges
        SELECT CASE WHEN f.strong THEN 'c' || {pseudonym("f.name")} END, f.system, {pseudonym("f.node")}, r.source,
            CASE WHEN f.strong THEN 'same ' || f.system
            ELSE 'not merged: ' || f.records || ' records share this ' || f.system END
        FROM _found f JOIN (SELECT unnest(keys) AS node, min(source) AS source FROM _records GROUP BY 1) r USING (node)
        WHERE (f.strong AND f.size > 1) OR (NOT f.strong AND f.system IN ({legal})) ORDER BY ALL""",
        secret,
    )
    shared = con.execute(
        f"""SELECT system, count(*), max(records) FROM _found WHERE NOT strong AND system IN ({legal}) GROUP BY 1
        ORDER BY 1"""
    ).fetchall()
    merged = first(
        con,
        "SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM _merges WHERE customer IS NOT NULL "
        "GROUP BY customer)",
    )
    con.execute("DROP TABLE _records; DROP TABLE _nodes; DROP TABLE _found")
    notices = [
        f"directory: {n:,} {system} keys are shared by more than {params.directory.max_cluster} records "
        f"(up to {most:,}) and merge nobody"
        for system, n, most in shared
    ]
    if merged and merged[0]:
        notices.append(f"directory: {int(merged[1]):,} keys were resolved to {merged[0]:,} customers of several keys")
    return notices


def _precedence(primary: set[str], params: Params) -> list[str]:
    return [s for s in params.directory.keys if s in primary] + sorted(primary - set(params.directory.keys)) + [
        s for s in params.directory.keys if s not in primary
    ]  # fmt: skip


def _components(size: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the component number of each of `size` nodes, given the edges a-b."""
    if len(a) == 0:
        return np.arange(size)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def customer(rows: Rows, alias: str = "m") -> tuple[str, str]:
    """Return the SQL of a row's customer and the joins it needs: a strong key first, then a key of its own."""
    if not rows.identities:
        return "NULL::VARCHAR", ""
    names = [f"w{i}" for i in range(len(rows.identities))]
    joins = " ".join(f"LEFT JOIN _who {w} ON {w}.node = {alias}.{identifier(f'_k{i}')}" for i, w in enumerate(names))
    strong = ", ".join(f"CASE WHEN {w}.strong THEN {w}.customer END" for w in names)
    weak = ", ".join(f"{w}.customer" for w in names)
    return f"coalesce({strong}, {weak})", joins
