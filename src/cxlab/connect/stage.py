"""Inputs as DuckDB tables of text: one row a row of the client's files, with file, line and wave.

Client column names are data: staged columns are called ``c0, c1, ...`` and `Staged.columns` maps names to them, so no
name of a client's file ever becomes part of a statement.
"""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from cxlab.connect.files import SourceFile
from cxlab.connect.pii import mask
from cxlab.connect.readers import LINE, BadRow, read
from cxlab.connect.sql import identifier, literal
from cxlab.errors import DataError, Problem, nearest
from cxlab.params.models import Input, Params

_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288) || chr(65279) || chr(8203)"


@dataclass
class Staged:
    """An input in DuckDB.

    Attributes
    ----------
    table : str
        Table with ``_row`` (unique), ``_f`` (index into `files`), ``_line`` and the text columns.
    columns : dict of str to str
        Client's column name -> staged column, for the columns that the params could mean.
    present : list of set of str
        Client's column names of each file.
    """

    name: str
    table: str
    decimal: str
    files: list[SourceFile]
    columns: dict[str, str] = field(default_factory=dict)
    present: list[set[str]] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)  # of all columns of all files, in order
    rows: int = 0

    def in_files(self, column: str) -> list[int]:
        """Return the indices of the files that have the column."""
        return [i for i, names in enumerate(self.present) if column in names]

    def nearest(self, column: str) -> str:
        """Return the column whose name is nearest to one that does not exist."""
        return nearest(column, list(self.names))

    def add(self, column: str) -> str:
        """Register one more column that every file has (lookups add them) and return its staged name."""
        self.columns[column] = f"c{len(self.columns)}"
        self.names[column] = None
        for names in self.present:
            names.add(column)
        return self.columns[column]


class _Wanted:
    """Which columns the params could mean: those named anywhere below inputs, lookups, tables and brands."""

    def __init__(self, params: Params) -> None:
        said = params.model_dump(mode="json", by_alias=True, include={"inputs", "lookups", "tables", "brands"})
        self._words: set[str] = set()
        self._collect(said)
        # an expression names its columns somewhere inside
        self._long = [w.casefold() for w in self._words if not w.replace("_", "").isalnum()]

    def _collect(self, part: object) -> None:
        if isinstance(part, dict):
            self._words.update(str(k) for k in part)
            for value in part.values():
                self._collect(value)
        elif isinstance(part, list):
            for value in part:
                self._collect(value)
        elif isinstance(part, str):
            self._words.add(part)

    def column(self, name: str) -> bool:
        return name in self._words or any(name.casefold() in w for w in self._long)


def spill_folder() -> str:
    """Return where DuckDB may put what does not fit into memory: never the working folder; it cleans up itself."""
    return str(Path(tempfile.gettempdir()) / f"cxlab-{uuid.uuid4().hex}")


def connect() -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that can reach no file, no network and no Python variable."""
    return duckdb.connect(
        config={
            "enable_external_access": "false",
            "temp_directory": spill_folder(),
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )


def _decimal(given: str, files: list[SourceFile]) -> str:
    """The decimal sign of an input's texts; typed cells (Excel, Parquet, SPSS, databases) are written with a point."""
    return given if any(file.format in ("csv", "jsonl") for file in files) else "."


def stage(
    con: duckdb.DuckDBPyConnection, params: Params, files: dict[str, list[SourceFile]]
) -> tuple[dict[str, Staged], list[Problem], list[str]]:
    """Load every input; return the staged inputs, the problems and the notices.

    Rows that cannot be read and later duplicates of `key` go to the table ``_bad`` (input, _f, _line, value, column,
    reason); everything else is left for the rules.
    """
    con.execute('CREATE TABLE _bad (input VARCHAR, _f INTEGER, _line BIGINT, "column" VARCHAR, value VARCHAR, '
                "reason VARCHAR)")  # fmt: skip
    wanted = _Wanted(params)
    out: dict[str, Staged] = {}
    problems: list[Problem] = []
    notices: list[str] = []
    for at, (name, item) in enumerate(params.inputs.items()):
        staged = Staged(name, f"s{at}", _decimal(item.decimal, files[name]), files[name])
        con.execute(f"CREATE TABLE {staged.table} (_row BIGINT, _f INTEGER, _line BIGINT)")
        failed = not staged.files  # said by the inventory already
        for index, file in enumerate(staged.files):
            try:
                count = _load(con, staged, index, file, item, wanted=wanted, root=params.data_root)
            except DataError as error:
                problems += error.problems
                failed = True
                continue
            if count == 0:
                notices.append(f"{name}: {file.name} has a header and no rows")
        if not failed:
            out[name] = staged
            if staged.rows == 0:
                file = staged.files[0]
                bad = con.execute("SELECT _line, value, reason FROM _bad WHERE input = ? LIMIT 1", [name]).fetchall()
                line, value, reason = bad[0] if bad else (0, "", "")
                what = f"no row can be read: {reason}" if bad else "has no rows"
                problems.append(Problem(what, str(file.path or file.name), line, f"inputs.{name}", mask(value)[:80]))
            problems += _reject_duplicates(con, staged, item)
    return out, problems, notices


def _load(
    con: duckdb.DuckDBPyConnection,
    staged: Staged,
    index: int,
    file: SourceFile,
    item: Input,
    *,
    wanted: _Wanted,
    root: str,
) -> int:
    count = 0
    staged.present.append(set())
    for chunk in read(file, item, root=root):
        if isinstance(chunk, list):
            _keep_bad(con, staged.name, index, chunk)
            count += len(chunk)
            continue
        staged.names.update(dict.fromkeys(chunk.column_names[1:]))
        staged.present[index].update(chunk.column_names[1:])
        names = [n for n in chunk.column_names[1:] if wanted.column(n)]
        chunk = chunk.select([LINE, *names])
        for name in names:
            if name not in staged.columns:
                staged.columns[name] = f"c{len(staged.columns)}"
                con.execute(f"ALTER TABLE {staged.table} ADD COLUMN {staged.columns[name]} VARCHAR")
        # positions, not names: DuckDB takes "Age" and "age" for one column
        types = chunk.schema.types[1:]
        con.register("_chunk", chunk.rename_columns([LINE, *(f"v{i}" for i in range(len(names)))]))
        targets = "".join(f", {staged.columns[n]}" for n in names)
        values = "".join(f", {_as_text(f'v{i}', t)}" for i, t in enumerate(types))
        con.execute(
            f"""INSERT INTO {staged.table} (_row, _f, _line{targets})
            SELECT {staged.rows} + row_number() OVER (), {index}, {LINE}{values} FROM _chunk"""
        )
        con.unregister("_chunk")
        staged.rows += chunk.num_rows
        count += chunk.num_rows
    return count


def _as_text(value: str, type_: pa.DataType) -> str:
    if pa.types.is_floating(type_):  # 5.0 becomes 5, not-a-number becomes blank
        whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
        return (
            f"CASE WHEN isnan({value}) THEN NULL WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {value}::VARCHAR END"
        )
    if pa.types.is_decimal(type_):
        return f"regexp_replace({value}::VARCHAR, '\\.0+$', '')"
    text = f"{value}::VARCHAR"  # most cells begin and end with a visible ASCII sign: trimming is dear
    clean = f"ascii({text}) BETWEEN 33 AND 126 AND ascii(right({text}, 1)) BETWEEN 33 AND 126"
    return f"CASE WHEN {clean} THEN {text} ELSE nullif(trim({text}, {_BLANKS}), '') END"


def _keep_bad(con: duckdb.DuckDBPyConnection, name: str, index: int, rows: list[BadRow]) -> None:
    table = pa.table(
        {
            "line": pa.array([r.line for r in rows], type=pa.int64()),
            "value": pa.array([r.value for r in rows], type=pa.string()),
            "reason": pa.array([r.reason for r in rows], type=pa.string()),
        }
    )
    con.register("_rows", table)
    con.execute(f"INSERT INTO _bad SELECT {literal(name)}, {index}, line, '', value, reason FROM _rows")
    con.unregister("_rows")


AGAIN = "is the same row as in "  # exports that contain each other: counted once, and no sign of bad data


def _reject_duplicates(con: duckdb.DuckDBPyConnection, staged: Staged, item: Input) -> list[Problem]:
    """Move later rows with the same key to ``_bad``; the first stays. The same row again is told from another one."""
    if not item.key or not staged.files:
        return []
    absent = [k for k in item.key if k not in staged.columns]
    if absent:
        return [
            Problem(
                "no such column",
                file=staged.files[0].name,
                where=f"inputs.{staged.name}.key",
                value=k,
                nearest=staged.nearest(k),
            )
            for k in absent
        ]
    keys = ", ".join(identifier(staged.columns[k]) for k in item.key)
    value = " || ', ' || ".join(f"coalesce({staged.columns[k]}, '')" for k in item.key)
    content = "hash(" + ", ".join(staged.columns.values()) + ")"
    con.execute(
        f"""CREATE TEMP TABLE _twice AS SELECT * FROM (
            SELECT _row, _f, _line, {value} AS value, {content} = first_value({content}) OVER same AS again,
                row_number() OVER same AS nth, first_value(_line) OVER same AS first_line,
                first_value(_f) OVER same AS first_f
            FROM {staged.table} WINDOW same AS (PARTITION BY {keys} ORDER BY _row)) WHERE nth > 1"""
    )
    names = "CASE first_f " + " ".join(f"WHEN {i} THEN {literal(f.name)}" for i, f in enumerate(staged.files)) + " END"
    con.execute(
        f"""INSERT INTO _bad SELECT {literal(staged.name)}, _f, _line, {literal(", ".join(item.key))}, value,
            CASE WHEN again THEN {literal(AGAIN)} ELSE 'the key stands already in ' END
            || {names} || ' line ' || first_line
            FROM _twice ORDER BY _row"""
    )
    con.execute(f"DELETE FROM {staged.table} WHERE _row IN (SELECT _row FROM _twice)")
    con.execute("DROP TABLE _twice")
    return []
