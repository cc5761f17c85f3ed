"""Counts of pairs checked and made into arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from cxlab.errors import Problem, nearest

SIDES = ("expectation", "experience")


def problems(
    counts: pd.DataFrame,
    *,
    legal: Mapping[str, Sequence[float]],
    periods: Sequence[str],
    factors: Sequence[str],
    flags: Sequence[str],
) -> list[Problem]:
    """What is wrong with a table of counts of pairs."""
    present = [str(c) for c in counts.columns]
    wanted = ["period", *factors, *flags, *SIDES, "n"]
    found = [Problem("counts lacks a column", where=c, nearest=nearest(c, present)) for c in wanted if c not in present]
    found += [p for side in SIDES for p in _scale_problems(side, legal[side])]
    if not periods:
        found.append(Problem("no periods", where="periods"))
    repeated = sorted({c for c in wanted if wanted.count(c) > 1})
    if repeated:
        found.append(Problem("a column named twice", where=", ".join(repeated)))
    if found:
        return found
    for side in SIDES:
        found += _code_problems(side, counts[side], legal[side])
    for column in ("period", *factors, *flags):
        if counts[column].isna().any():
            found.append(Problem("counts has rows without a group", where=column, todo="give missing groups a name"))
    found += [
        Problem("counts has an unknown period", where="period", value=p, nearest=nearest(p, list(periods)))
        for p in sorted({str(p) for p in counts["period"].dropna()} - set(periods))
    ]
    for flag in flags:
        if not set(counts[flag].dropna().astype(float)) <= {0.0, 1.0}:
            found.append(Problem("must be 0 or 1", where=flag, value=str(sorted(set(counts[flag]))[:3])))
    found += _number_problems(counts["n"])
    if not found and not counts.loc[counts[list(SIDES)].notna().any(axis=1), "n"].sum() > 0:
        found.append(Problem("no answers", where="counts", todo="check the items, brand and period asked for"))
    return found


def manager_problems(managers: pd.DataFrame, *, codes: Sequence[float], periods: Sequence[str]) -> list[Problem]:
    """What is wrong with a table of managers' answers."""
    present = [str(c) for c in managers.columns]
    found = [
        Problem("managers lacks a column", where=c, nearest=nearest(c, present))
        for c in ("period", "code", "n")
        if c not in present
    ]
    found += _scale_problems("managers", codes)
    if found:
        return found
    found += _code_problems("managers", managers["code"], codes)
    found += [
        Problem("managers has an unknown period", where="period", value=p, nearest=nearest(p, list(periods)))
        for p in sorted({str(p) for p in managers["period"].dropna()} - set(periods))
    ]
    return found + _number_problems(managers["n"])


def cells(counts: pd.DataFrame, *, keys: Sequence[str], periods: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the distinct cells in order of period, and the cell of each row of `counts`."""
    frame = counts[list(keys)].astype({"period": str}).reset_index(drop=True)
    rank = {p: i for i, p in enumerate(periods)}
    distinct = frame.drop_duplicates()
    distinct = distinct.sort_values(list(keys), key=lambda c: c.map(rank) if c.name == "period" else c)
    distinct = distinct.reset_index(drop=True)
    at = pd.Series(range(len(distinct)), index=pd.MultiIndex.from_frame(distinct))
    return distinct, at.reindex(pd.MultiIndex.from_frame(frame)).to_numpy(int)


def arrays(
    counts: pd.DataFrame, where: np.ndarray, size: int, *, legal: Mapping[str, Sequence[float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of both (M, KE, KX), of the expectation only (M, KE), of the experience only (M, KX)."""
    n = counts["n"].to_numpy(float)
    code = {}
    for side in SIDES:
        place = {float(c): i for i, c in enumerate(legal[side])}
        code[side] = counts[side].astype(float).map(place).fillna(-1).to_numpy(int)
    e, x = code["expectation"], code["experience"]
    both = np.zeros((size, len(legal["expectation"]), len(legal["experience"])))
    first, second = np.zeros(both.shape[:2]), np.zeros((size, both.shape[2]))
    for to, rows, at in (
        (both, (e >= 0) & (x >= 0), (where, e, x)),
        (first, (e >= 0) & (x < 0), (where, e)),
        (second, (e < 0) & (x >= 0), (where, x)),
    ):
        np.add.at(to, tuple(a[rows] for a in at), n[rows])
    return both, first, second


def manager_array(managers: pd.DataFrame | None, *, codes: Sequence[float], periods: Sequence[str]) -> np.ndarray:
    """Managers' answers by period and code, shape (T, KM)."""
    assert managers is not None
    table = managers.pivot_table(index="period", columns="code", values="n", aggfunc="sum")
    table.columns = table.columns.astype(float)
    return table.reindex(index=list(periods), columns=[float(c) for c in codes]).fillna(0.0).to_numpy(float)


def _scale_problems(side: str, codes: Sequence[float]) -> list[Problem]:
    found = []
    if len(codes) and not 2 <= len(codes) <= 11:
        found.append(Problem("wrong number of codes", where=side, value=str(len(codes)), allowed="2 to 11"))
    if any(not low < high for low, high in pairwise(codes)):
        found.append(Problem("codes must ascend", where=side, value=str(list(codes)), todo="order the scale's codes"))
    return found


def _code_problems(side: str, values: pd.Series, codes: Sequence[float]) -> list[Problem]:
    try:
        given = set(values.dropna().astype(float))
    except (TypeError, ValueError):
        return [Problem("codes must be numbers", where=side, value=str(values.dtype))]
    allowed = ", ".join(f"{c:g}" for c in codes) or "none: it was never asked"
    return [
        Problem("unknown code in counts", where=side, value=f"{code:g}", allowed=allowed)
        for code in sorted(given - {float(c) for c in codes})
    ]


def _number_problems(n: pd.Series) -> list[Problem]:
    try:
        value = n.to_numpy(float)
    except (TypeError, ValueError):
        return [Problem("counts must hold numbers", where="n", value=str(n.dtype))]
    bad = ~(np.isfinite(value) & (value >= 0))
    return [Problem("counts must not be negative or missing", where="n", value=str(value[bad][0]))] if bad.any() else []
