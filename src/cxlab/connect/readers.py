"""One file of any format, or a database table -> rows with their true line numbers, as Arrow tables, uninterpreted.

Every reader yields `Chunk` tables whose first column is ``_line``; rows that cannot be read at all come as `BadRow`.
Text formats give text; typed formats (Parquet, databases) keep their types, which `stage` casts to text. CSV is read
here and not by DuckDB, whose line numbers count records and so drift behind every quoted line break.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import io
import json
import math
import re
import sqlite3
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cxlab.connect.files import SourceFile, expand
from cxlab.connect.sql import identifier
from cxlab.errors import DataError, Problem
from cxlab.params.models import Input

LINE = "_line"  # first column of every chunk: where the row stands
KEPT = 4_000  # signs of a row that cannot be read: enough to mask whole addresses before it is cut to what is shown
_CHUNK = 100_000  # rows
_DELIMITERS = (",", ";", "\t", "|")
_MAX_FIELD = 1 << 24  # a field longer than this is an unclosed quotation mark
_LAST = 12  # lines at the end of a sheet among which those that sum it up stand
_TOTAL = re.compile(
    r"((grand|sub)?[ -]?totals?|sum|average|mean|avg|(gesamt|zwischen)?summe|gesamt|insgesamt|durchschnitt|mittelwert|"
    r"somme|moyenne|sous-total|suma|totale|media|totaal|合计|总计|总和|小计|汇总|平均|平均值|平均分|均值|合計|總計)"
    r"[ :：.]*",
    re.IGNORECASE,
)
_COMMA = re.compile(r"(\D{0,5}?)([-+]?(?:\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d+))(\D{0,5})")
_MAX_PLAIN = 1 << 30  # characters read at once
_ENCODINGS = ["utf_8", "utf_16", "gb18030", "big5", "cp932", "cp1252", "cp1251"]  # what client files come in
# engines beside DuckDB and SQLite: the ADBC driver and sqlglot's name of their SQL
_DRIVERS = dict.fromkeys(("postgres", "postgresql"), ("adbc_driver_postgresql", "postgres"))


@dataclass(frozen=True)
class BadRow:
    """A row that has no cells: wrong number of columns, broken JSON."""

    line: int
    value: str
    reason: str


type Chunk = pa.Table | list[BadRow]


def read(file: SourceFile, item: Input, *, root: str) -> Iterator[Chunk]:
    """Yield the rows of a file, or of a database table (a relative database file lies below `root`).

    Raises
    ------
    DataError
        If it cannot be read as what it claims to be; names byte and line of a wrong encoding. The address of a
        database is shown without user and password.
    """
    if file.format == "database":
        yield _database(item, root)
        return
    path = cast(Path, file.path)
    try:
        chunks = _READERS[file.format](path, item)
        yield from _without_totals(chunks) if file.format in ("csv", "excel") else chunks
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(_wrong_encoding(path, item.encoding)) from None
    except LookupError as error:
        raise DataError(Problem(f"unknown encoding: {error}", file=str(path), value=item.encoding)) from None
    except Exception as error:  # every library fails in its own way on a damaged file
        first = str(error).strip().splitlines()
        detail = (first[0] if first else type(error).__name__)[:200]
        raise DataError(Problem(f"cannot be read as {file.format}", file=str(path), value=detail)) from error


def _without_totals(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Take the lines that sum up a sheet from its end: mostly blank, with a word such as "Total" or "Summe"."""
    held: pa.Table | None = None
    rest: list[list[BadRow]] = []
    for chunk in chunks:
        if isinstance(chunk, list):
            rest.append(chunk)
            continue
        if held is not None:
            yield held
        held = chunk
    yield from rest
    if held is None:
        return
    rows = [list(row.values()) for row in held.slice(max(held.num_rows - _LAST, 0)).to_pylist()]
    usual = statistics.median([sum(bool(v) for v in row[1:]) for row in rows]) if rows else 0
    totals = []
    for line, *cells in rows:
        filled = [str(v) for v in cells if v]
        word = next((v for v in filled if _TOTAL.fullmatch(v.strip())), None)
        if word is not None and len(filled) <= max(0.7 * usual, usual - 2):
            totals.append(
                BadRow(line, ",".join(v or "" for v in cells)[:KEPT], f"sums up the rows above: {word.strip()!r}")
            )
    gone = pa.array([row.line for row in totals], pa.int64())
    yield held.filter(pc.invert(pc.is_in(held[LINE], gone))) if totals else held
    if totals:
        yield totals


def _open_bytes(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb"))


def _open_text(path: Path, encoding: str) -> TextIO:
    """Open a file, unpacked if it is gzipped, with its line breaks untouched and without a byte order mark."""
    codecs.lookup(encoding)
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    return io.TextIOWrapper(_open_bytes(path), encoding=name, newline="")


def _wrong_encoding(path: Path, encoding: str) -> Problem:
    import charset_normalizer

    with _open_bytes(path) as stream:
        data = stream.read()
    at, line = 0, 1
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        at, line = error.start, data.count(b"\n", 0, error.start) + 1
    guess = charset_normalizer.from_bytes(data, cp_isolation=_ENCODINGS).best()
    return Problem(
        f"is not {encoding}: byte {at} cannot be read", str(path), line, value=f"0x{data[at]:02x}" if data else "",
        todo=f"set encoding: {guess.encoding.replace('_', '-')}" if guess else "",
    )  # fmt: skip


def _texts(header: Sequence[str], lines: Sequence[int], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    values = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    arrays = [pa.array(column, type=pa.string()) for column in values]
    return pa.Table.from_arrays([pa.array(lines, type=pa.int64()), *arrays], names=[LINE, *header])


def _clean(name: Any) -> str:
    return "" if name is None else str(name).strip(" \t\r\n\ufeff\u00a0\u3000")


def _names(names: Sequence[Any], more: Sequence[Sequence[Any]] = ()) -> list[str]:
    """Return a header's names, trimmed.

    A column without a name of its own takes that of the header's next lines, behind the name that spans it; else its
    place. A name used twice is told apart by a number: two questions of one wording are two columns.
    """
    found, spanning = [], ""
    for place, name in enumerate(names):
        own, below = _clean(name), [_clean(line[place]) if place < len(line) else "" for line in more]
        if more and not own:
            own = " - ".join(part for part in (spanning, *below[:1]) if part)
        elif own:
            spanning = own
            right = _clean(names[place + 1]) if place + 1 < len(names) else "."
            if below and below[0] and not right and not below[0].startswith(("{", own)):
                own = f"{own} - {below[0]}"
        found.append(own or f"(column {place + 1})")
    seen: Counter[str] = Counter()
    for place, name in enumerate(found):
        seen[name] += 1
        while seen[name] > 1 and (numbered := f"{name} ({seen[name]})") in found:
            seen[name] += 1
        found[place] = numbered if seen[name] > 1 else name
    return found


def _as_text(value: Any) -> str | None:
    """Return a typed cell as text: whole numbers without a point, dates as ISO."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ") if (value.hour, value.minute, value.second) != (0, 0, 0) else str(value.date())
    return str(value)


def _widths(row: Sequence[str | None], header: Sequence[str]) -> str:
    return f"{len(row)} columns where the header has {len(header)}"


def _csv(path: Path, item: Input) -> Iterator[Chunk]:
    delimiter, skip = _layout(path, item)
    plain = _plain_csv(path, item.encoding, delimiter) if not skip and item.header_lines == 1 else None
    if plain is not None:
        yield plain
        return
    limit = csv.field_size_limit(_MAX_FIELD)
    try:
        with _open_text(path, item.encoding) as stream:
            for _ in range(skip):
                stream.readline()
            yield from _quoted_csv(path, csv.reader(stream, delimiter=delimiter), skip, item.header_lines)
    except csv.Error as error:
        todo = "look for a quotation mark that is opened and never closed"
        raise DataError(Problem(f"is no CSV: {error}", file=str(path), todo=todo)) from None
    finally:
        csv.field_size_limit(limit)


def _layout(path: Path, item: Input) -> tuple[str, int]:
    """Return the delimiter and the lines above the header; a first line ``sep=;`` says the delimiter itself."""
    with _open_text(path, item.encoding) as stream:
        first = stream.readline().strip()
    told = first[4:] if first.lower().startswith("sep=") and len(first) <= 5 else ""
    delimiter = item.delimiter or told or _delimiter(path, item.encoding, item.skip_lines)
    return delimiter.replace("\\t", "\t"), max(item.skip_lines, 1 if told else 0)  # YAML text holds no tab


def _quoted_csv(path: Path, reader: Any, skip: int, header_lines: int) -> Iterator[Chunk]:
    header: list[str] | None = None
    head: list[list[str]] = []
    lines: list[int] = []
    rows: list[list[str]] = []
    bad: list[BadRow] = []
    before = 0
    for row in reader:
        line, before = before + 1 + skip, reader.line_num
        if not row:
            continue
        if header is None:
            head.append(row)
            header = _names(head[0], head[1:]) if len(head) == header_lines else None
        elif len(row) != len(header):
            unclosed = reader.line_num + skip > line and "\n" in row[-1]
            hint = "; is a quotation mark opened and never closed?" if unclosed else ""
            bad.append(BadRow(line, ",".join(row)[:KEPT], _widths(row, header) + hint))
        else:
            lines.append(line)
            rows.append(row)
            if len(rows) == _CHUNK:
                yield _texts(header, lines, rows)
                lines, rows = [], []
    if header is None:
        raise DataError(Problem("the file is empty", file=str(path)))
    yield _texts(header, lines, rows)
    if bad:
        yield bad


def _delimiter(path: Path, encoding: str, skip: int = 0) -> str:
    """Return the delimiter that splits the first records into the most equal columns."""
    with _open_text(path, encoding) as stream:
        for _ in range(skip):
            stream.readline()
        head = stream.read(64 * 1024)
    best, score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = []
        with suppress(csv.Error):
            for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
                widths += [len(row)] if row else []
                if len(widths) == 50:
                    break
        if widths and widths[0] > 1:
            same = sum(width == widths[0] for width in widths) / len(widths)
            best, score = max((best, score), (delimiter, (round(same, 1), widths[0])), key=lambda x: x[1])
    return best


def _plain_csv(path: Path, encoding: str, delimiter: str) -> pa.Table | None:
    """Read a file without quotation marks, six times as fast: each line is a row. None if it is not that simple."""
    with _open_text(path, encoding) as stream:
        text = stream.read(_MAX_PLAIN)
        if stream.read(1) or '"' in text or not text:
            return None
    data = text.encode()
    if data.count(b"\r") != data.count(b"\r\n"):
        return None
    first, _, _ = data.partition(b"\n")
    header = _names(next(csv.reader([first.decode()], delimiter=delimiter), []))
    signs = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(signs == ord("\n"))
    ends = ends if data.endswith(b"\n") else np.append(ends, len(data))
    widths = np.diff(ends, prepend=-1) - 1
    blank = (widths == 0) | ((widths == 1) & (signs[ends - 1] == ord("\r")))
    if not header or blank[0]:
        return None
    lines = np.flatnonzero(~blank[1:]) + 2
    names = [f"v{i}" for i in range(len(header))]
    types = dict.fromkeys(names, pa.string())
    try:
        table = pacsv.read_csv(
            pa.py_buffer(data),
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=1, block_size=1 << 24),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=True),
            convert_options=pacsv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):  # rows of another width, or no rows: the slow way names them
        return None
    if table.num_rows != len(lines):
        return None
    return pa.Table.from_arrays([pa.array(lines), *table.columns], names=[LINE, *header])


def _jsonl(path: Path, item: Input) -> Iterator[Chunk]:
    rows: dict[int, dict[str, Any]] = {}
    bad: list[BadRow] = []
    with _open_text(path, item.encoding) as stream:
        for line, raw in enumerate(stream.read().split("\n"), 1):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows[line] = row
            else:
                bad.append(BadRow(line, raw[:KEPT], "is not a JSON object"))
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    texts = [[_json_text(row.get(key)) for key in keys] for row in rows.values()]
    yield _texts(_names(keys), list(rows), texts)
    if bad:
        yield bad


def _json_text(value: Any) -> str | None:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else _as_text(value)
    # half a surrogate pair, as cut emoji leave it, is no text
    return (
        text if text is None or text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _parquet(path: Path, item: Input) -> Iterator[Chunk]:
    with pq.ParquetFile(path) as file:
        names = [LINE, *_names(file.schema_arrow.names)]
        line = 0
        for batch in file.iter_batches(batch_size=_CHUNK):
            numbers = pa.array(np.arange(line + 1, line + 1 + batch.num_rows))
            line += batch.num_rows
            yield pa.Table.from_arrays([numbers, *batch.columns], names=names)
        if line == 0:
            empty = [pa.array([], type=field.type) for field in file.schema_arrow]
            yield pa.Table.from_arrays([pa.array([], type=pa.int64()), *empty], names=names)


def _excel(path: Path, item: Input) -> Iterator[Chunk]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    with closing(book):
        if item.sheet is not None and item.sheet not in book.sheetnames:
            allowed = ", ".join(book.sheetnames)
            raise DataError(Problem("no such sheet", file=str(path), value=item.sheet, allowed=allowed))
        sheet = book[item.sheet] if item.sheet is not None else book.worksheets[0]
        sheet.reset_dimensions()  # some writers declare a wrong size, and openpyxl would believe it
        header: list[str] | None = None
        rows: dict[int, list[str | None]] = {}
        bad: list[BadRow] = []
        head: list[list[str | None]] = []
        for line, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            values = [_as_text(_point(v) if item.decimal == "," else v) for v in cells]
            while values and values[-1] is None:
                values.pop()
            if not values or line <= item.skip_lines:
                continue
            if header is None:
                head.append(values)
                header = _names(head[0], head[1:]) if len(head) == item.header_lines else None
            elif len(values) > len(header):
                bad.append(BadRow(line, ",".join(v or "" for v in values)[:KEPT], _widths(values, header)))
            else:
                rows[line] = values + [None] * (len(header) - len(values))
        if header is None:
            raise DataError(Problem("the sheet is empty", file=str(path), value=sheet.title))
        yield _texts(header, list(rows), list(rows.values()))
        if bad:
            yield bad


def _point(value: Any) -> Any:
    """A text cell such as 1.234,50 or 9,90 € with a decimal point, as cells that are numbers are written."""
    comma = isinstance(value, str) and _COMMA.fullmatch(value.strip())
    return comma[1] + comma[2].replace(".", "").replace(",", ".") + comma[3] if comma else value


def _spss(path: Path, item: Input) -> Iterator[Chunk]:
    """Codes under the variable's name; for variables with value labels also the texts, as ``<name>:label``."""
    import pyreadstat

    encoding = None if item.encoding == "utf-8" else item.encoding.upper()
    columns, meta = pyreadstat.read_sav(str(path), user_missing=True, output_format="dict", encoding=encoding)
    names = _names(meta.column_names)
    texts = {n: [_as_text(v) for v in columns[n]] for n in names}
    for name, labels in meta.variable_value_labels.items():
        by_text = {_as_text(code): label for code, label in labels.items()}
        texts[f"{name}:label"] = [by_text.get(v, v) for v in texts[name]]
    yield _texts(list(texts), range(1, len(columns[names[0]]) + 1), list(zip(*texts.values(), strict=True)))


_READERS: dict[str, Callable[[Path, Input], Iterator[Chunk]]] = {
    "csv": _csv, "jsonl": _jsonl, "parquet": _parquet, "excel": _excel, "spss": _spss,
}  # fmt: skip


def _database(item: Input, root: str) -> pa.Table:
    problems: list[Problem] = []
    address = expand(item.database or "", where="database", problems=problems)
    folder = expand(root, where="data_root", problems=problems)
    if address is None or folder is None:
        raise DataError(problems)
    name, shown = item.table or "", address.split("@")[-1]
    try:
        if "://" in address:
            table = _server_table(address, name, shown)
        else:
            path = Path(folder) / address
            if not path.is_file():
                raise DataError(Problem("no such database file", file=str(path), where="database"))
            with path.open("rb") as stream:
                sqlite = stream.read(15) == b"SQLite format 3"
            table = (_sqlite_table if sqlite else _duckdb_table)(path, name)
    except DataError:
        raise
    except Exception as error:  # drivers repeat the address, password and all, in their messages
        what = f"the database cannot be read: {type(error).__name__}"
        raise DataError(Problem(what, file=shown, where="database")) from None
    lines = pa.array(np.arange(1, table.num_rows + 1))
    return pa.Table.from_arrays([lines, *table.columns], names=[LINE, *_names(table.column_names)])


def _check_table(name: str, names: list[str], shown: str) -> None:
    if name not in names:
        raise DataError(Problem("no such table", file=shown, value=name, allowed=", ".join(sorted(names))))


# the one statement is DuckDB's; sqlglot writes it for the other engines
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog')"
)


def _duckdb_table(path: Path, name: str) -> pa.Table:
    with duckdb.connect(str(path), read_only=True) as con:
        _check_table(name, [n for (n,) in con.execute(_TABLES).fetchall()], str(path))
        return con.sql(f"SELECT * FROM {identifier(name)}").to_arrow_table()


def _sqlite_table(path: Path, name: str) -> pa.Table:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as con:
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        _check_table(name, [n for (n,) in con.execute(query)], str(path))
        cursor = con.execute(f"SELECT * FROM {identifier(name)}")
        # SQLite types values, not columns: text keeps what is there
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(cursor.description)
        texts = [pa.array([_as_text(v) for v in column], pa.string()) for column in columns]
        return pa.table(texts, names=[description[0] for description in cursor.description])


def _server_table(address: str, name: str, shown: str) -> pa.Table:
    """Every value as the text the server writes."""
    import sqlglot

    engine = address.split("://")[0]
    driver, dialect = _DRIVERS.get(engine, ("", ""))
    try:
        if not driver:
            allowed = ", ".join(f"{other}://" for other in _DRIVERS)
            raise DataError(Problem("cannot read this engine", where="database", value=engine, allowed=allowed))
        connect = import_module(f"{driver}.dbapi").connect
    except ImportError:
        todo = "pip install 'cxlab[postgres]'"
        raise DataError(Problem(f"no driver for {engine} is installed", where="database", todo=todo)) from None
    with connect(address) as connection, connection.cursor() as cursor:

        def run(query: str) -> pa.Table:
            cursor.execute(sqlglot.transpile(query, read="duckdb", write=dialect)[0])
            return cursor.fetch_arrow_table()

        _check_table(name, run(_TABLES)["table_name"].to_pylist(), shown)
        names = run(f"SELECT * FROM {identifier(name)} LIMIT 0").column_names
        texts = ", ".join(f"CAST({identifier(n)} AS VARCHAR) AS {identifier(n)}" for n in names)
        return run(f"SELECT {texts} FROM {identifier(name)}")
