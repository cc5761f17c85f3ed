"""How text becomes SQL: quoting, and expressions of a params file held to what is harmless."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa

_EXPRESSION = {
    "COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION", "CASE", "CAST", "BETWEEN", "TYPE",
}  # fmt: skip
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Quote a text value; None is NULL."""
    return "NULL" if value is None else "'" + str(value).replace("\x00", "").replace("'", "''") + "'"


def first(con: duckdb.DuckDBPyConnection, query: str, values: list[object] | None = None) -> tuple[Any, ...]:
    """Return the one row of a query, read to its end so that the connection is free again."""
    row: tuple[Any, ...] = con.execute(query, values or []).fetchall()[0]
    return row


def put(con: duckdb.DuckDBPyConnection, name: str, **columns: Any) -> None:
    """Write columns of texts, or of whatever Arrow arrays hold, to a table of their own."""
    arrays = {n: v if isinstance(v, pa.Array) else pa.array(v, pa.string()) for n, v in columns.items()}
    con.register("_put", pa.table(arrays))
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM _put")
    con.unregister("_put")


def expression_columns(con: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Return the columns a scalar expression uses.

    Raises
    ------
    ValueError
        If it is no single scalar expression: a subquery, a window, several statements, a table function, a star.
    """
    if not text.strip():
        raise ValueError("it is empty")
    tree = _parse(con, f"SELECT ({text}\n)")
    if len(tree["statements"]) != 1:
        raise ValueError("one expression is allowed")
    node = tree["statements"][0]["node"]
    plain = (
        node["type"] == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node["cte_map"]["map"]
        and not node["modifiers"]
        and not any(node.get(k) for k in ("where_clause", "group_expressions", "having", "qualify"))
    )
    if not plain:
        raise ValueError("one expression is allowed, not a query")
    columns: list[str] = []

    def visit(part: dict[str, Any]) -> None:
        kind = part.get("class")
        if kind is None:
            return
        if kind not in _EXPRESSION:
            raise ValueError(f"{kind.lower()} is not allowed here")
        if kind == "COLUMN_REF":
            if len(part["column_names"]) != 1:
                raise ValueError("column names have no table: " + ".".join(part["column_names"]))
            columns.append(part["column_names"][0])

    _walk(node["select_list"][0], visit)
    return list(dict.fromkeys(columns))


def query_tables(con: duckdb.DuckDBPyConnection, query: str) -> tuple[set[str], set[str]]:
    """Return, in lower case, the tables a single SELECT names and those it defines itself (WITH).

    A name may be in both: inside its own definition it still means the table.

    Raises
    ------
    ValueError
        If it is not one SELECT, names a schema, or calls a table function that could read files.
    """
    tree = _parse(con, query)
    if len(tree["statements"]) != 1:
        raise ValueError("one SELECT is allowed")
    tables: set[str] = set()
    own: set[str] = set()

    def visit(part: dict[str, Any]) -> None:
        for entry in (part.get("cte_map") or {}).get("map", []):
            own.add(entry["key"].casefold())
        if part.get("type") == "TABLE_FUNCTION":
            name = part["function"]["function_name"].casefold()
            if name not in _TABLE_FUNCTIONS:
                raise ValueError(f"{name} is not allowed here")
        elif part.get("type") == "BASE_TABLE":
            if part.get("schema_name") or part.get("catalog_name"):
                raise ValueError("tables are named without a schema")
            tables.add(part["table_name"].casefold())

    _walk(tree["statements"][0]["node"], visit)
    return tables, own


def _parse(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    row = first(con, "SELECT json_serialize_sql(?)", [query])
    tree: dict[str, Any] = json.loads(row[0])
    if tree["error"]:
        raise ValueError(str(tree["error_message"]))
    return tree


def _walk(part: object, visit: Callable[[dict[str, Any]], None]) -> None:
    if isinstance(part, dict):
        visit(part)
        for value in part.values():
            _walk(value, visit)
    elif isinstance(part, list):
        for value in part:
            _walk(value, visit)
