"""Names of columns and typed cells as text, the same for every format."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxlab.errors import DataError, Problem

LINE = "_line"  # first column of every chunk: where the row stands


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
