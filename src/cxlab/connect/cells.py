"""What all formats share: opening files, naming columns, rows that cannot be read, typed cells as text."""

from __future__ import annotations

import codecs
import datetime as dt
import gzip
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from cxlab.errors import DataError, Problem

LINE = "_line"  # first column of every chunk: where the row stands
CHUNK = 100_000  # rows
KEPT = 4_000  # signs of a row that cannot be read: enough to mask whole addresses before it is cut to what is shown


@dataclass(frozen=True)
class BadRow:
    """A row that has no cells: wrong number of columns, broken JSON."""

    line: int
    value: str
    reason: str


type Chunk = pa.Table | list[BadRow]


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacked if it is gzipped."""
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb"))


def open_text(path: Path, encoding: str) -> TextIO:
    """Open a file as text with its line breaks untouched."""
    # utf-8-sig also reads files without a byte order mark
    codecs.lookup(encoding)
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    return io.TextIOWrapper(open_bytes(path), encoding=name, newline="")


def columns(header: list[str], lines: list[int], rows: list[list[Any]]) -> pa.Table:
    """Return rows of text as a chunk."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    arrays = [pa.array(c, type=pa.string()) for c in values]
    return pa.Table.from_arrays([pa.array(lines, type=pa.int64()), *arrays], names=[LINE, *header])


def name_columns(names: Sequence[Any], path: Path, line: int) -> list[str]:
    """Return a header's names, trimmed; a nameless column is called by its place, a name used twice is an error."""
    clean = [
        (str(n).strip(" \t\r\n\ufeff\u00a0\u3000") if n is not None else "") or f"(column {i})"
        for i, n in enumerate(names, 1)
    ]
    twice = [n for n, count in Counter(clean).items() if count > 1]
    if twice:
        raise DataError([Problem("the header names a column twice", file=str(path), line=line, value=n) for n in twice])
    return clean


def as_text(value: Any) -> str | None:
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
