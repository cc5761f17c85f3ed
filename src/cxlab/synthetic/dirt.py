"""Rows and values that are wrong on purpose, and where they stand: every client has some."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cxlab.synthetic.files import ClientFile
from cxlab.synthetic.settings import WorldSettings


@dataclass(frozen=True)
class Fault:
    """One kind of error planted in a file.

    ``level`` says what becomes of it: ``row`` rejects the whole row, ``value`` that value only, ``copy`` the repeated
    row; ``scope`` is no error but a row of another brand, out of scope.
    """

    source: str
    column: str
    value: str
    count: int
    level: str
    why: str
    over: str = "[1-5]"  # pattern of the right values a wrong one may replace


FAULTS = (
    Fault("survey", "answered_on|DATE", "2026-02-30", 1, "row", "a date that does not exist"),
    Fault("survey", "brand|BRAND", "Adler", 1, "row", "unknown brand"),
    Fault("survey", "recommend_0_10|recommend|Q1_RECOMMEND", "12", 2, "value", "code outside the scale", over="\\d|10"),
    Fault("survey", "sat_quality|Q4B_QUALITY", "7", 2, "value", "code outside the scale"),
    Fault("reviews", "stars", "6", 2, "value", "code outside the scale"),
    Fault("reviews", "posted", "yesterday", 1, "row", "not a date"),
    Fault("web_orders", "ordered", "31/02/2026", 4, "row", "a date that does not exist"),
    Fault("web_orders", "shop", "Brich", 3, "row", "unknown brand"),
    Fault("web_orders", "shop", "Cedar", 3, "scope", "a brand nobody asked about"),
    Fault("web_orders", "amount_cents", "#REF!", 3, "row", "not a number"),
    Fault("web_orders", "order_no", "", 5, "copy", "repeated row"),
    Fault("receipts", "sold_on", "0000-00-00", 2, "row", "not a date"),
    Fault("contacts", "opened", "20261340", 2, "row", "a date that does not exist"),
    Fault("deliveries", "delivered_on", "soon", 2, "row", "not a date"),
)
FLOOD_SIZE = 14
FLOOD_TEXT = "Best shop ever, five stars, buy here!!!"


def plant(settings: WorldSettings, files: list[ClientFile]) -> tuple[list[ClientFile], pd.DataFrame]:
    """Plant the faults and list them.

    Returns
    -------
    files : list of ClientFile
        The files with their errors.
    rejects : DataFrame
        ``source``, ``file``, ``line`` (first line of the record in the file; row number where a format has no lines),
        ``column``, ``value``, ``level``, ``why``.
    """
    listed: list[pd.DataFrame] = []
    spoiled = []
    for file in files:
        rng = settings.stream(f"dirt {file.name}")
        frame = file.frame.copy()
        frame["_fault"] = -1
        for number, fault in enumerate(FAULTS):
            count = round(fault.count * settings.dirt)
            column = next((c for c in fault.column.split("|") if c in frame.columns), None)
            if fault.source == file.source and column is not None and count:
                frame = _spoil(frame, fault, number, column, count, file, rng)
        if file.source == "reviews":
            frame = _flood(frame, round(FLOOD_SIZE * settings.dirt), rng)
        frame = frame.reset_index(drop=True)
        spoiled.append(replace(file, frame=frame))
        fault_of = frame["_fault"].to_numpy(int)
        bad = np.flatnonzero(fault_of >= 0)
        line = first_lines(file, frame)
        rows = []
        for at in bad.tolist():
            fault = FAULTS[int(fault_of[at])]
            column = next(c for c in fault.column.split("|") if c in frame.columns)
            rows.append((file.source, file.name, int(line[at]), column, frame[column].iat[at], fault.level, fault.why))
        listed.append(pd.DataFrame(rows, columns=["source", "file", "line", "column", "value", "level", "why"]))
    return spoiled, pd.concat(listed, ignore_index=True)


def _spoil(
    frame: pd.DataFrame,
    fault: Fault,
    number: int,
    column: str,
    count: int,
    file: ClientFile,
    rng: np.random.Generator,
) -> pd.DataFrame:
    fine = np.flatnonzero(frame["_fault"] < 0)
    if fault.level == "value":
        scored = fine[frame[column].iloc[fine].astype(str).str.fullmatch(fault.over).to_numpy()]
        at = rng.choice(scored, count, replace=False)
        frame.loc[frame.index[at], column] = fault.value
        frame.loc[frame.index[at], "_fault"] = number
        return frame
    picked = np.sort(rng.choice(fine, count, replace=False))
    extra = frame.iloc[picked].copy()
    extra["_fault"] = number
    if "_row" in extra:
        extra["_row"] = -1
    if fault.level != "copy":
        extra[column] = fault.value
        identity = file.key[0]
        extra[identity] = [_new_identity(v, number, k) for k, v in enumerate(extra[identity])]
    # Behind the row they were copied from: the first of two equal keys is the one to keep.
    extra.index = pd.Index(picked + 0.5)
    return pd.concat([frame.reset_index(drop=True), extra]).sort_index(kind="stable").reset_index(drop=True)


def _new_identity(value: object, number: int, k: int) -> str:
    """Return an unused id of the same look, so that the row is rejected for its planted fault alone."""
    prefix = str(value)[:1] if str(value)[:1].isalpha() else ""
    return f"{prefix}9{number:02d}{k:03d}"


def _flood(frame: pd.DataFrame, size: int, rng: np.random.Generator) -> pd.DataFrame:
    """One evening somebody posts the same praise again and again. The rows are legal, the crowd is not."""
    if size == 0 or len(frame) == 0:
        return frame
    flood = pd.DataFrame(
        {
            "review_id": [f"R{80_000 + i}" for i in range(size)],
            "shop": "birch",
            "posted": "2026-05-17",
            "stars": 5,
            "body": FLOOD_TEXT,
            "lang": "en",
            "order_no": "",
            "_row": -1,
            "_fault": -1,
        }
    )
    at = int(rng.integers(len(frame) // 2, len(frame)))
    return pd.concat([frame.iloc[:at], flood, frame.iloc[at:]], ignore_index=True)


def first_lines(file: ClientFile, frame: pd.DataFrame) -> np.ndarray:
    """Return the line each record starts on: comments with line breaks push the rest of a CSV file down."""
    rows = np.arange(len(frame))
    if not file.name.endswith((".csv", ".csv.gz")):
        header = 1 if file.name.endswith(".xlsx") else 0
        return rows + 1 + header
    breaks = np.zeros(len(frame), int)
    for column in ("Q9_COMMENT", "comment", "note"):
        if column in frame:
            breaks += np.array([text.count("\n") for text in frame[column]])
    return rows + 2 + np.concatenate([[0], np.cumsum(breaks)[:-1]]) if len(frame) else rows
