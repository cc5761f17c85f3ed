"""Figures of what customers say: how much of each topic, what it weighs and where, how many topics to tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cxlab.report.charts.canvas import (
    PHONE,
    SMALL,
    WIDTH,
    empty,
    figure_style,
    fit,
    row_label,
    rows_sheet,
    sheet,
    text_width,
    wrap,
)
from cxlab.report.charts.intervals import value_axis
from cxlab.report.charts.shares import DEEPEST
from cxlab.report.format import known, number
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour


def bars(values: np.ndarray, names: Sequence[str], *, metric: str, language: str) -> Figure:
    """Draw one number a row as a bar from zero, the longest as wide as the room there is.

    Parameters
    ----------
    values : array (row,)
        Not negative, first on top.
    names : sequence of str
        Label of each row.
    metric : str
        How numbers are written.
    language : str

    Returns
    -------
    Figure
        A bar a row, as wide as its value, at y 0, 1, ...
    """
    if not len(values) or not np.isfinite(values).any():
        return empty(message(language, "figure.empty"))
    texts = [number(float(v), metric=metric, language=language) for v in values]
    with figure_style():
        figure = rows_sheet(names, texts, bottom=8)
        axes = figure.axes[0]
        axes.barh(np.arange(len(values), dtype=float), values, height=0.42, color=colour("accent"), alpha=0.85)
        axes.set(xlim=(0, max(float(np.nanmax(values)), 1e-9)), xticks=[])
    return figure


def effect_map(
    rows: pd.DataFrame, names: Sequence[str], *, titles: tuple[str, str], metric: str, language: str
) -> Figure:
    """Draw how much is said of each topic (to the right) and what goes with a mention (upwards), as numbered dots.

    Parameters
    ----------
    rows : DataFrame
        Columns ``x, x_low, x_high`` (share of comments), ``y, y_low, y_high`` (points of the score) and ``role``: the
        colour of the dot.
    names : sequence of str
        Of each row; written below with its number.
    titles : (str, str)
        Of the axes.
    metric : str
        Of the score.
    language : str

    Returns
    -------
    Figure
        Dots in a line with gid ``mean``.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    x, x_low, x_high, y, y_low, y_high = (
        rows[c].astype(float).to_numpy() for c in ("x", "x_low", "x_high", "y", "y_low", "y_high")
    )
    labels = [fit(f"{i} {name}", width=WIDTH / 2 - 8, size=SMALL) for i, name in enumerate(names, 1)]
    below = 20 * ((len(labels) + 1) // 2) + 8
    with figure_style():
        figure = sheet(280 + below, left=50, right=26, top=28, bottom=50 + below)
        axes = figure.axes[0]
        axes.axhline(0, color=colour("soft"), lw=1, zorder=0.5)
        for i, role in enumerate(rows["role"].astype(str)):
            axes.hlines(y[i], x_low[i], x_high[i], color=colour(role), lw=2.5, alpha=INTERVAL_OPACITY)
            axes.vlines(x[i], y_low[i], y_high[i], color=colour(role), lw=2.5, alpha=INTERVAL_OPACITY)
        for i, role in enumerate(rows["role"].astype(str)):
            axes.plot(x[i], y[i], "o", ms=16, mew=0, color=colour(role), clip_on=False)
            axes.annotate(str(i + 1), (x[i], y[i]), ha="center", va="center", fontsize=10, color=colour("paper"))
        axes.plot(x, y, "none", gid="mean")
        value_axis(axes.xaxis, np.r_[x_low, x_high, 0], metric="share", language=language)
        value_axis(axes.yaxis, np.r_[y_low, y_high, 0], metric=metric, language=language, signed=True)
        axes.grid(axis="both")
        axes.set_axisbelow(True)
        axes.set_xlabel(fit(titles[0], width=WIDTH - 70, size=SMALL), labelpad=6)
        axes.annotate(fit(titles[1], width=WIDTH - 20, size=SMALL), (0, 1), xycoords="axes fraction", xytext=(-44, 12),
                      textcoords="offset points", color=colour("soft"), fontsize=SMALL,
                      annotation_clip=False)  # fmt: skip
        height = float(figure.get_figheight()) * 72
        for i, text in enumerate(labels):
            place = (6 + (i % 2) * WIDTH / 2) / WIDTH, (below - 14 - 20 * (i // 2)) / height
            figure.text(*place, text, fontsize=SMALL, color=colour("ink"), va="center")
    return figure


def heat(
    cells: pd.DataFrame,
    *,
    rows: Mapping[str, str],
    columns: Mapping[str, str],
    metric: str,
    signed: bool,
    language: str,
) -> Figure:
    """Draw a number in each cell of a map, the deeper the colour the further from zero: red below, green above.

    Parameters
    ----------
    cells : DataFrame
        Columns ``row``, ``column``, ``value``; a cell without a number stays empty.
    rows, columns : mapping id -> label
        The map's rows and columns in order.
    metric : str
        How numbers are written.
    signed : bool
        Whether they are differences; else all cells take the colour of the house.
    language : str

    Returns
    -------
    Figure
        One rectangle a cell and its number as text; a line with gid ``mean`` holds the numbers as y data.
    """
    shown = cells[known(cells["value"])]
    if not rows or not columns or shown.empty:
        return empty(message(language, "figure.empty"))
    held = {(str(r), str(c)): float(v) for r, c, v in shown[["row", "column", "value"]].itertuples(index=False)}
    largest = max(abs(v) for v in held.values()) or 1.0
    labels = [wrap(n, width=0.3 * WIDTH, size=SMALL) for n in rows.values()]
    left = max(text_width(line, size=SMALL) for lines in labels for line in lines) * PHONE + 16
    room = (WIDTH - left - 4) / len(columns)
    heads = [wrap(n, width=room - 6, size=11) for n in columns.values()]
    with figure_style():
        figure = sheet(32 * len(rows) + 48, left=left, right=4, top=42, bottom=6)
        axes = figure.axes[0]
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                value = held.get((row, column))
                role = "line" if value is None else "accent" if not signed else "bad" if value < 0 else "good"
                deep = 0.35 if value is None else DEEPEST * abs(value) / largest
                box = Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, lw=0, fc=colour(role), alpha=deep)
                axes.add_patch(box)
                text = "–" if value is None else _cell(value, metric=metric, signed=signed, language=language)
                axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=SMALL,
                          color=colour("soft" if value is None else "ink"))  # fmt: skip
            row_label(axes, labels[y], y + 0.5, size=SMALL)
        for x, lines in enumerate(heads):
            for rise, line in zip((8,) if len(lines) == 1 else (22, 8), lines, strict=True):
                axes.annotate(line, (x + 0.5, 0), xytext=(0, rise), textcoords="offset points", ha="center",
                              fontsize=11, color=colour("soft"), annotation_clip=False)  # fmt: skip
        axes.plot(np.zeros(len(held)), list(held.values()), "none", gid="mean")
        axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
        axes.set_axis_off()
    return figure


def _cell(value: float, *, metric: str, signed: bool, language: str) -> str:
    return number(value, metric=metric, language=language, signed=signed, unit=not signed)
