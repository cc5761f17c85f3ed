"""Counts without a model: parts of a whole, shares by source, and the map of what is known where."""

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
from cxlab.report.format import count, is_number, number
from cxlab.report.messages import message
from cxlab.report.style import colour

_PARTS = ("accent", "soft", "bad")
DEEPEST = 0.48  # opacity of the fullest cell: text on it keeps 4.5:1 in both schemes


def shares(rows: pd.DataFrame, names: Sequence[str], *, language: str) -> Figure:
    """Draw one share a row as a bar from 0 to 100 %, with the share in words.

    Parameters
    ----------
    rows : DataFrame
        Column ``share`` (0-1), in the order to draw them, first on top.
    names : sequence of str
        Label of each row.
    language : str

    Returns
    -------
    Figure
        A bar a row, as wide as its share, at y 0, 1, ...
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    share = rows["share"].astype(float).to_numpy()
    values = [number(float(s), metric="rate", language=language) for s in share]
    with figure_style():
        figure = rows_sheet(names, values, bottom=10)
        axes = figure.axes[0]
        y = np.arange(len(share), dtype=float)
        axes.barh(y, np.ones(len(share)), height=0.36, color=colour("line"), alpha=0.7)
        axes.barh(y, share, height=0.36, color=colour("accent"), alpha=0.85)
        axes.set(xlim=(0, 1), xticks=[])
    return figure


def parts(
    rows: pd.DataFrame, names: Sequence[str], *, columns: Sequence[str], legend: Sequence[str], language: str
) -> Figure:
    """Draw how each row's count splits into up to three parts, as one bar from 0 to 100 %.

    Parameters
    ----------
    rows : DataFrame
        One column of counts a part, first row on top.
    names : sequence of str
        Label of each row.
    columns : sequence of str
        The parts, first left.
    legend : sequence of str
        Names of the parts.
    language : str

    Returns
    -------
    Figure
        Bars at y 0, 1, ...; the widths of a row's bars are its shares and add up to 1.
    """
    counts = rows[list(columns)].astype(float).to_numpy()
    total = counts.sum(axis=1)
    if rows.empty or not total.any():
        return empty(message(language, "figure.empty"))
    with figure_style():
        figure = rows_sheet(names, [count(t) for t in total], bottom=34)
        axes = figure.axes[0]
        y = np.arange(len(rows), dtype=float)
        share = counts / np.where(total > 0, total, 1)[:, None]
        left = np.zeros(len(rows))
        for part, role in enumerate(_PARTS[: len(columns)]):
            axes.barh(y, share[:, part], left=left, height=0.36, color=colour(role), alpha=0.85)
            left = left + share[:, part]
        axes.set(xlim=(0, 1), xticks=[])
        _legend(figure, legend)
    return figure


def coverage(cells: pd.DataFrame, *, rows: Mapping[str, str], columns: Mapping[str, str], language: str) -> Figure:
    """Draw a map of what is known where: a dark cell holds much, a light one little, an empty one is a gap.

    Parameters
    ----------
    cells : DataFrame
        Columns ``row``, ``column``, ``n``; a cell that is not there is a gap.
    rows, columns : mapping id -> label
        The map's rows and columns in order.
    language : str

    Returns
    -------
    Figure
        One rectangle a cell and its count, or "–" for a gap, as text.
    """
    if not rows or not columns:
        return empty(message(language, "figure.empty"))
    held = {(str(r), str(c)): float(n) for r, c, n in cells[["row", "column", "n"]].itertuples(index=False)}
    largest = max((n for n in held.values() if is_number(n)), default=0.0)
    labels = [wrap(n, width=0.26 * WIDTH, size=SMALL) for n in rows.values()]
    left = max(text_width(line, size=SMALL) for lines in labels for line in lines) * PHONE + 16
    room = (WIDTH - left - 4) / len(columns)
    heads = [wrap(n, width=room - 6, size=11) for n in columns.values()]
    with figure_style():
        figure = sheet(34 * len(rows) + 48, left=left, right=4, top=42, bottom=6)
        axes = figure.axes[0]
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                n = held.get((row, column), 0.0)
                deep = DEEPEST * (0.25 + 0.75 * np.log1p(n) / np.log1p(largest) if largest > 0 else 0)
                role = "accent" if n > 0 else "line"
                axes.add_patch(
                    Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, lw=0, fc=colour(role), alpha=deep if n > 0 else 0.35)
                )
                text = count(n) if n > 0 else "–"
                axes.text(
                    x + 0.5,
                    y + 0.5,
                    text,
                    ha="center",
                    va="center",
                    fontsize=SMALL,
                    color=colour("ink" if n > 0 else "soft"),
                )
            row_label(axes, labels[y], y + 0.5, size=SMALL)
        for x, lines in enumerate(heads):
            for rise, line in zip((8,) if len(lines) == 1 else (22, 8), lines, strict=True):
                axes.annotate(line, (x + 0.5, 0), xytext=(0, rise), textcoords="offset points", ha="center",
                              fontsize=11, color=colour("soft"), annotation_clip=False)  # fmt: skip
        axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
        axes.set_axis_off()
    return figure


def _legend(figure: Figure, names: Sequence[str]) -> None:
    """Write the parts' names in a row below, each behind a small square."""
    height = float(figure.get_figheight()) * 72
    x = 4.0
    for name, role in zip(names, _PARTS, strict=False):
        figure.add_artist(
            Rectangle((x / WIDTH, 9 / height), 11 / WIDTH, 11 / height, lw=0, fc=colour(role), alpha=0.85)
        )
        text = fit(name, width=WIDTH / 2, size=SMALL)
        figure.text((x + 16) / WIDTH, 10 / height, text, fontsize=SMALL, color=colour("soft"), va="baseline")
        x += 32 + text_width(text, size=SMALL) * PHONE
