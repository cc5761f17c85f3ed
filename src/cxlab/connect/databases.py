"""Tables in databases: the one place that knows other engines.

DuckDB and SQLite files are read by their own libraries. Every other address (``postgres://...``) goes through ibis,
whose back-end for it must be installed.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cxlab.connect.cells import LINE, as_text, name_columns
from cxlab.connect.files import expand
from cxlab.connect.sql import identifier
from cxlab.errors import DataError, Problem
from cxlab.params.models import Input


def read(item: Input, *, root: str) -> pa.Table:
    """Return a whole table with its row numbers; a relative database file lies below `root`.

    Raises
    ------
    DataError
        If the file, the table or the back-end is missing. The address is shown without user and password.
    """
    problems: list[Problem] = []
    address = expand(item.database or "", where="database", problems=problems)
    folder = expand(root, where="data_root", problems=problems)
    if address is None or folder is None:
        raise DataError(problems)
    name = item.table or ""
    shown = address.split("@")[-1]
    try:
        if "://" in address:
            table = _through_ibis(address, name, shown)
        else:
            path = Path(folder) / address
            if not path.is_file():
                raise DataError(Problem("no such database file", file=str(path), where="database"))
            with path.open("rb") as stream:
                sqlite = stream.read(15) == b"SQLite format 3"
            table = (_sqlite if sqlite else _duckdb)(path, name)
    except DataError:
        raise
    except Exception as error:  # drivers repeat the address, password and all, in their messages
        what = f"the database cannot be read: {type(error).__name__}"
        raise DataError(Problem(what, file=shown, where="database")) from None
    lines = pa.array(np.arange(1, table.num_rows + 1))
    names = name_columns(table.column_names, Path(shown), 0)
    return pa.Table.from_arrays([lines, *table.columns], names=[LINE, *names])


def _known(name: str, names: list[str], shown: str) -> None:
    if name not in names:
        raise DataError(Problem("no such table", file=shown, value=name, allowed=", ".join(sorted(names))))


def _duckdb(path: Path, name: str) -> pa.Table:
    with duckdb.connect(str(path), read_only=True) as con:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'"
        _known(name, [n for (n,) in con.execute(query).fetchall()], str(path))
        return con.sql(f"SELECT * FROM main.{identifier(name)}").to_arrow_table()


def _sqlite(path: Path, name: str) -> pa.Table:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as con:
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        _known(name, [n for (n,) in con.execute(query)], str(path))
        cursor = con.execute(f"SELECT * FROM {identifier(name)}")
        names = [d[0] for d in cursor.description]
        # SQLite types values, not columns: text keeps what is there
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        return pa.table([pa.array([as_text(v) for v in c], pa.string()) for c in columns], names=names)


def _through_ibis(address: str, name: str, shown: str) -> pa.Table:
    import ibis

    try:
        connection = ibis.connect(address)
    except ImportError:
        engine = address.split("://")[0]
        todo = f"pip install 'ibis-framework[{engine}]'"
        raise DataError(Problem(f"no back-end for {engine} is installed", where="database", todo=todo)) from None
    try:
        _known(name, list(connection.list_tables()), shown)
        return connection.table(name).to_pyarrow()
    finally:
        connection.disconnect()
