"""CSV files: the delimiter, quoted line breaks, rows of another width, and the true line of every row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from cxlab.connect.cells import CHUNK, KEPT, LINE, BadRow, Chunk, columns, name_columns, open_text
from cxlab.errors import DataError, Problem
from cxlab.params.models import Input

DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD = 1 << 24  # a field longer than this is an unclosed quotation mark
MAX_PLAIN = 1 << 30  # characters read at once


def read(path: Path, item: Input) -> Iterator[Chunk]:
    """Yield the rows of a CSV file.

    Raises
    ------
    DataError
        If it is empty or no CSV.
    UnicodeDecodeError
        If it has another encoding.
    """
    delimiter = (item.delimiter or _delimiter(path, item.encoding)).replace("\\t", "\t")  # YAML text holds no tab
    plain = _plain(path, item.encoding, delimiter)
    if plain is not None:
        yield plain
        return
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        with open_text(path, item.encoding) as stream:
            yield from _csv_rows(path, csv.reader(stream, delimiter=delimiter))
    except csv.Error as error:
        problem = Problem(
            f"is no CSV: {error}", file=str(path), todo="look for a quotation mark that is opened and never closed"
        )
        raise DataError(problem) from None
    finally:
        csv.field_size_limit(limit)


def _csv_rows(path: Path, reader: Any) -> Iterator[Chunk]:
    header: list[str] | None = None
    lines: list[int] = []
    rows: list[list[str]] = []
    bad: list[BadRow] = []
    before = 0
    for row in reader:
        line, before = before + 1, reader.line_num
        if not row:
            continue
        if header is None:
            header = name_columns(row, path, line)
            continue
        if len(row) != len(header):
            reason = f"{len(row)} columns where the header has {len(header)}"
            if reader.line_num > line and any("\n" in cell for cell in row[-1:]):
                reason += "; is a quotation mark opened and never closed?"
            bad.append(BadRow(line, ",".join(row)[:KEPT], reason))
            continue
        lines.append(line)
        rows.append(row)
        if len(rows) == CHUNK:
            yield columns(header, lines, rows)
            lines, rows = [], []
    if header is None:
        raise DataError(Problem("the file is empty", file=str(path)))
    yield columns(header, lines, rows)
    if bad:
        yield bad


def _delimiter(path: Path, encoding: str) -> str:
    """Return the delimiter that splits the first records into the most equal columns."""
    with open_text(path, encoding) as stream:
        head = stream.read(64 * 1024)
    best, score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = []
        with suppress(csv.Error):
            for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
                if row:
                    widths.append(len(row))
                if len(widths) == 50:
                    break
        if widths and widths[0] > 1:
            same = sum(w == widths[0] for w in widths) / len(widths)
            best, score = max((best, score), (delimiter, (round(same, 1), widths[0])), key=lambda x: x[1])
    return best


def _plain(path: Path, encoding: str, delimiter: str) -> pa.Table | None:
    """Read a file without quotation marks, six times as fast: each line is a row. None if it is not that simple."""
    with open_text(path, encoding) as stream:
        text = stream.read(MAX_PLAIN)
        if stream.read(1) or '"' in text or not text:
            return None
    data = text.encode()
    if data.count(b"\r") != data.count(b"\r\n"):
        return None
    first, _, _ = data.partition(b"\n")
    header = name_columns(next(csv.reader([first.decode()], delimiter=delimiter), []), path, 1)
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    ends = ends if data.endswith(b"\n") else np.append(ends, len(data))
    widths = np.diff(ends, prepend=-1) - 1
    blank = (widths == 0) | ((widths == 1) & (np.frombuffer(data, dtype=np.uint8)[ends - 1] == ord("\r")))
    if not header or blank[0]:
        return None
    lines = np.flatnonzero(~blank[1:]) + 2
    names = [f"v{i}" for i in range(len(header))]
    try:
        table = pacsv.read_csv(
            pa.py_buffer(data),
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=1, block_size=1 << 24),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):  # rows of another width, or no rows: the slow way names them
        return None
    if table.num_rows != len(lines):
        return None
    return pa.Table.from_arrays([pa.array(lines), *table.columns], names=[LINE, *header])
