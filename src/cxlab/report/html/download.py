"""Tables behind the pages as CSV, which nobody's spreadsheet may mistake for a program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pandas as pd
from pandas.api.types import is_numeric_dtype

_FORMULA: Final = re.compile(r"[\s\ufeff]*[=+\-@＝＋－＠]")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for spreadsheets: UTF-8 with a mark Excel understands, and no cell that it would compute.

    Parameters
    ----------
    table : DataFrame
    path : Path
        Its folder is made if need be.
    """

    def safe(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell

    out = table.rename(columns=lambda name: safe(str(name)))
    out = out.apply(lambda column: column if is_numeric_dtype(column) else column.astype(object).map(safe))
    path.parent.mkdir(parents=True, exist_ok=True)
    out.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
