"""Expectation against experience: two estimates a row side by side, and who is below, met and above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxlab.report.charts import check
from cxlab.report.charts.canvas import SMALL, WIDTH, empty, figure_style, fit, rows_sheet
from cxlab.report.charts.intervals import value_axis
from cxlab.report.format import is_number, number
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_APART: Final = 0.16  # of a row: keeps two intervals from covering each other
_ROLE: Final = {"better": "good", "worse": "bad"}


def dumbbell(
    first: pd.DataFrame,
    second: pd.DataFrame,
    names: Sequence[str],
    values: Sequence[str],
    *,
    language: str,
    verdicts: Sequence[str] = (),
    headings: Sequence[str] = (),
) -> Figure:
    """Draw two estimates a row: the first as a hollow dot, the second as a full one, a line between them.

    Parameters
    ----------
    first, second : DataFrame
        Tidy rows of one metric in the order to draw them, first on top (``metric, mean, ci_low, ci_high``). A side
        without a number is left out.
    names, values : sequence of str
        Label and value in words of each row.
    language : str
    verdicts : sequence of str
        One a row; the line of a `better` or `worse` row has its colour.
    headings : sequence of str
        Heading above each row, e.g. its stage; one that repeats is written once; empty: none.

    Returns
    -------
    Figure
        Lines with gid ``first`` and ``second``: x data are the means; y data 0, 1, ..., a heading takes a place.
    """
    if first.empty or not np.isfinite(np.r_[_column(first, "mean"), _column(second, "mean")]).any():
        return empty(message(language, "figure.empty"))
    titles = list(headings) or [""] * len(names)
    places: list[int] = []
    shown: list[str] = []
    texts: list[str] = []
    above: list[tuple[int, str]] = []
    for i, title in enumerate(titles):
        if title and (i == 0 or title != titles[i - 1]):
            above.append((len(shown), title))
            shown.append("")
            texts.append("")
        places.append(len(shown))
        shown.append(names[i])
        texts.append(values[i])
    y = np.asarray(places, float)
    role = [_ROLE.get(v, "soft") for v in verdicts] or ["soft"] * len(places)
    whole = np.isfinite(_column(first, "mean")) & np.isfinite(_column(second, "mean"))
    faint = ["soft"] * len(shown)  # what has one side only
    for place, full in zip(places, whole, strict=True):
        faint[place] = "ink" if full or not whole.any() else "soft"
    with figure_style():
        figure = rows_sheet(shown, texts, bottom=30, roles=faint)
        axes = figure.axes[0]
        for place, title in above:
            _heading(axes, place, title)
        left, right = _column(first, "mean"), _column(second, "mean")
        for place, one, two, name in zip(y, left, right, role, strict=True):
            if is_number(one) and is_number(two):
                axes.plot([one, two], [place - _APART, place + _APART], color=colour(name), lw=1.5, clip_on=False)
        for rows, rise, hue, face, gid in (
            (first, -_APART, "soft", "none", "first"),
            (second, _APART, "accent", "accent", "second"),
        ):
            low, high, mean = (_column(rows, c) for c in ("ci_low", "ci_high", "mean"))
            axes.hlines(y + rise, low, high, color=colour(hue), lw=5, alpha=INTERVAL_OPACITY, capstyle="round",
                        clip_on=False)  # fmt: skip
            fill = colour("paper") if face == "none" else colour(face)
            axes.plot(mean, y + rise, "o", ms=8, mew=1.8, mec=colour(hue), mfc=fill, clip_on=False, gid=gid)
        spread = np.concatenate([_column(r, c) for r in (first, second) for c in ("ci_low", "ci_high", "mean")])
        value_axis(axes.xaxis, spread, metric=str(first["metric"].iloc[0]), language=language, ticks=3)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
    return figure


def met(rows: pd.DataFrame, names: Sequence[str], *, language: str) -> Figure:
    """Draw which share of customers experienced less than, as much as, more than they expected: a bar a row.

    Parameters
    ----------
    rows : DataFrame
        ``p_below``, ``p_met``, ``p_exceeded`` (0-1), ``low`` and ``high`` (interval of `p_below`), first on top.
    names : sequence of str
        Label of each row.
    language : str

    Returns
    -------
    Figure
        Bars at y 0, 1, ... from 0 to 1; the first of a row is `p_below`, its interval a thin line; `p_below` in words.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    below, same, above = (rows[c].to_numpy(float) for c in ("p_below", "p_met", "p_exceeded"))
    values = [number(float(v), metric="share", language=language) for v in below]
    y = np.arange(len(rows), dtype=float)
    with figure_style():
        figure = rows_sheet(names, values, bottom=12)
        axes = figure.axes[0]
        axes.barh(y, below, height=0.42, color=colour("bad"), alpha=0.85)
        axes.barh(y, same, left=below, height=0.42, color=colour("line"))
        axes.barh(y, above, left=below + same, height=0.42, color=colour("good"), alpha=0.85)
        axes.hlines(y, rows["low"], rows["high"], color=colour("ink"), lw=1.5)
        axes.set(xlim=(0, 1), xticks=[])
    return figure


def steps(shares: pd.DataFrame, *, language: str) -> Figure:
    """Draw how many steps experience lies from expectation: observed and predicted; see `report.charts.check`."""
    figure = check(shares, language=language)
    figure.axes[0].set_xlabel(message(language, "gaps_head.steps"))
    return figure


def _heading(axes: Axes, place: float, title: str) -> None:
    axes.annotate(fit(title, width=WIDTH / 2, size=SMALL), (0, place), xycoords=("figure fraction", "data"), ha="left",
                  va="center", fontsize=SMALL, fontweight="bold", color=colour("soft"),
                  annotation_clip=False)  # fmt: skip


def _column(rows: pd.DataFrame, name: str) -> np.ndarray:
    return pd.to_numeric(rows[name], errors="coerce").to_numpy(float)
