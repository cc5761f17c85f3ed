"""One file of any format -> its rows with their true line numbers, as Arrow tables. Nothing is interpreted here.

Every reader yields `Chunk` tables whose first column is ``_line``; rows that cannot be read at all come as `BadRow`.
Text formats give text; typed formats (Parquet, databases) keep their types, which `stage` casts to text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cxlab.connect import databases, delimited
from cxlab.connect.cells import CHUNK, KEPT, LINE, BadRow, Chunk, as_text, columns, name_columns, open_bytes, open_text
from cxlab.connect.files import SourceFile
from cxlab.errors import DataError, Problem
from cxlab.params.models import Input


def read(file: SourceFile, item: Input, *, root: str) -> Iterator[Chunk]:
    """Yield the rows of a file, or of a database table (a relative database file lies below `root`).

    Raises
    ------
    DataError
        If it cannot be read as what it claims to be; names byte and line of a wrong encoding.
    """
    if file.format == "database":
        yield databases.read(item, root=root)
        return
    reader: dict[str, Callable[[Path, Input], Iterator[Chunk]]] = {
        "csv": delimited.read,
        "jsonl": _jsonl,
        "parquet": _parquet,
        "excel": _excel,
        "spss": _spss,
    }
    assert file.path is not None
    try:
        yield from reader[file.format](file.path, item)
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(_wrong_encoding(file.path, item.encoding)) from None
    except LookupError as error:
        raise DataError(Problem(f"unknown encoding: {error}", file=str(file.path), value=item.encoding)) from None
    except Exception as error:  # every library fails in its own way on a damaged file
        first = str(error).strip().splitlines()
        detail = (first[0] if first else type(error).__name__)[:200]
        raise DataError(Problem(f"cannot be read as {file.format}", file=str(file.path), value=detail)) from error


def _wrong_encoding(path: Path, encoding: str) -> Problem:
    with open_bytes(path) as stream:
        data = stream.read()
    at, line = 0, 1
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        at, line = error.start, data.count(b"\n", 0, error.start) + 1
    guess = ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        guess = "utf-16"
    else:
        for other in ("utf-8", "gb18030", "latin-1"):
            with suppress(UnicodeDecodeError):
                data.decode(other)
                guess = other
                break
    return Problem(
        f"is not {encoding}: byte {at} cannot be read",
        file=str(path),
        line=line,
        value=f"0x{data[at]:02x}" if data else "",
        todo=f"set encoding: {guess}" if guess else "",
    )


def _jsonl(path: Path, item: Input) -> Iterator[Chunk]:
    with open_text(path, item.encoding) as stream:
        text = stream.read()
    rows = text.split("\n")
    lines = np.array([i for i, row in enumerate(rows, 1) if row.strip()], dtype=np.int64)
    raw = pa.table({"line": lines, "raw": pa.array([rows[i - 1] for i in lines], type=pa.string())})
    con = duckdb.connect(config={"enable_external_access": "false"})
    con.register("_raw", raw)
    con.execute("CREATE TABLE raw AS SELECT * FROM _raw")
    good = "CASE WHEN json_valid(raw) THEN json_type(raw) = 'OBJECT' ELSE false END"
    con.execute(f"CREATE TABLE good AS SELECT * FROM raw WHERE {good}")
    broken = con.execute(f"SELECT line, left(raw, {KEPT}) FROM raw WHERE NOT {good}").fetchall()
    keys = con.execute(
        """SELECT key FROM (SELECT unnest(json_keys(raw)) AS key, line FROM good)
        GROUP BY key ORDER BY min(line), key"""
    ).fetchall()
    # a JSON pointer names any key, whatever signs it holds
    paths = ["/" + k.replace("~", "~0").replace("/", "~1") for (k,) in keys]
    picks = ", ".join(f"json_extract_string(raw, ?) AS c{i}" for i in range(len(paths)))
    query = f"SELECT line{', ' if picks else ''}{picks} FROM good ORDER BY line"
    table = con.sql(query, params=paths).to_arrow_table()
    yield table.rename_columns([LINE, *name_columns([k for (k,) in keys], path, 1)])
    if broken:
        yield [BadRow(line, value, "is not a JSON object") for line, value in broken]


def _parquet(path: Path, item: Input) -> Iterator[Chunk]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = name_columns(file.schema_arrow.names, path, 0)
        line = 0
        for batch in file.iter_batches(batch_size=CHUNK):
            numbers = pa.array(np.arange(line + 1, line + 1 + batch.num_rows))
            line += batch.num_rows
            yield pa.Table.from_arrays([numbers, *batch.columns], names=[LINE, *names])
        if line == 0:
            yield pa.Table.from_arrays(
                [pa.array([], type=pa.int64()), *(pa.array([], type=f.type) for f in file.schema_arrow)],
                names=[LINE, *names],
            )


def _excel(path: Path, item: Input) -> Iterator[Chunk]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if item.sheet is not None and item.sheet not in book.sheetnames:
            raise DataError(
                Problem("no such sheet", file=str(path), value=item.sheet, allowed=", ".join(book.sheetnames))
            )
        sheet = book[item.sheet] if item.sheet is not None else book.worksheets[0]
        sheet.reset_dimensions()  # some writers declare a wrong size, and openpyxl would believe it
        header: list[str] | None = None
        lines: list[int] = []
        rows: list[list[str | None]] = []
        bad: list[BadRow] = []
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            values = [as_text(v) for v in cells]
            while values and values[-1] is None:
                values.pop()
            if not values:
                continue
            if header is None:
                header = name_columns(values, path, number)
                continue
            if len(values) > len(header):
                shown = ",".join(v or "" for v in values)[:KEPT]
                bad.append(BadRow(number, shown, f"{len(values)} columns where the header has {len(header)}"))
                continue
            lines.append(number)
            rows.append(values + [None] * (len(header) - len(values)))
        if header is None:
            raise DataError(Problem("the sheet is empty", file=str(path), value=sheet.title))
        yield columns(header, lines, rows)
        if bad:
            yield bad
    finally:
        book.close()


def _spss(path: Path, item: Input) -> Iterator[Chunk]:
    """Codes under the variable's name; for variables with value labels also the texts, as ``<name>:label``."""
    import pyreadstat

    columns, meta = pyreadstat.read_sav(str(path), user_missing=True, output_format="dict")
    names = name_columns(meta.column_names, path, 0)
    texts = {n: [as_text(v) for v in columns[n]] for n in names}
    for name, labels in meta.variable_value_labels.items():
        by_text = {as_text(code): label for code, label in labels.items()}
        texts[f"{name}:label"] = [by_text.get(v, v) for v in texts[name]]
    lines = pa.array(np.arange(1, len(columns[names[0]]) + 1))
    arrays = [pa.array(v, type=pa.string()) for v in texts.values()]
    yield pa.Table.from_arrays([lines, *arrays], names=[LINE, *texts])
