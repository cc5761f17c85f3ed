"""One file of the client: its rows as text, its key, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ClientFile:
    """One file of the client: its rows as text and how it is written.

    Attributes
    ----------
    name : str
        File name in the client's folder.
    source : str
        Name of the input in ``params/demo.yaml``.
    frame : DataFrame
        All cells text; "" = empty. Columns starting with ``_`` are notes for the truth and are never written.
    key : tuple of str
        Columns that identify a row.
    delimiter, encoding : str
        Of CSV files.
    numbers : tuple of str
        Columns that are numbers where the format has types (Parquet, JSON lines).
    """

    name: str
    source: str
    frame: pd.DataFrame
    key: tuple[str, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"
    numbers: tuple[str, ...] = ()


def text(values: pd.Series | np.ndarray) -> np.ndarray:
    """Return values as text; 0 and missing become empty."""
    return np.array(["" if pd.isna(v) or v == 0 else str(v) for v in np.asarray(values, dtype=object)], dtype=object)


def day(values: pd.Series | np.ndarray, form: str = "%Y-%m-%d") -> np.ndarray:
    """Return dates as text."""
    return pd.DatetimeIndex(np.asarray(values, dtype="datetime64[s]")).strftime(form).to_numpy(dtype=object)


def strings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with cells of any kind, so that a wrong text fits into a column of numbers."""
    return frame.astype(object)
