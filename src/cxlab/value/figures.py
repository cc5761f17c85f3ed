"""Figures of value: forecast against what came by week and by class, a matrix of moves, a curve of retention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cxlab.report.charts.canvas import PHONE, SMALL, WIDTH, empty, figure_style, row_label, sheet, text_width, wrap
from cxlab.report.charts.intervals import value_axis
from cxlab.report.charts.shares import DEEPEST
from cxlab.report.format import is_number, number
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_HEIGHT = 200


def course(rows: pd.DataFrame, *, language: str, axis: str, metric: str = "mean") -> Figure:
    """Draw a forecast over time as a line with its band, and what came as dots.

    Parameters
    ----------
    rows : DataFrame
        Columns ``at`` (number), ``mean, ci_low, ci_high, actual``, in order; `actual` may be missing.
    language : str
    axis : str
        What `at` counts.
    metric : str
        How values are written.

    Returns
    -------
    Figure
        A line with gid ``mean``, dots with gid ``actual``.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    at, mean, low, high = (rows[c].astype(float).to_numpy() for c in ("at", "mean", "ci_low", "ci_high"))
    came = rows["actual"].astype(float).to_numpy() if "actual" in rows else np.full(len(rows), np.nan)
    with figure_style():
        figure = sheet(_HEIGHT, left=52, right=10, bottom=48)
        axes = figure.axes[0]
        axes.fill_between(at, low, high, color=colour("band"), alpha=0.7, lw=0)
        axes.plot(at, mean, color=colour("accent"), gid="mean")
        axes.plot(at, came, "o", ms=5, mew=0, color=colour("ink"), gid="actual", clip_on=False)
        value_axis(axes.yaxis, np.r_[low, high, came, 0], metric="count" if metric == "mean" else metric,
                   language=language, ticks=4)  # fmt: skip
        axes.set_xlim(at[0] - 0.5, at[-1] + 0.5)
        axes.set_xlabel(axis, labelpad=6)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
    return figure


def classes(rows: pd.DataFrame, names: Sequence[str], *, language: str, axis: str) -> Figure:
    """Draw a forecast of each class as an upright bar of its range with a dot, and what came as a dark tick.

    Parameters
    ----------
    rows : DataFrame
        Columns ``mean, ci_low, ci_high, actual``, a row a class.
    names : sequence of str
    language : str
    axis : str
        What the classes are.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    mean, low, high, came = (rows[c].astype(float).to_numpy() for c in ("mean", "ci_low", "ci_high", "actual"))
    x = np.arange(len(rows), dtype=float)
    with figure_style():
        figure = sheet(_HEIGHT, left=44, right=10, bottom=52)
        axes = figure.axes[0]
        axes.vlines(x, low, high, color=colour("accent"), lw=7, alpha=INTERVAL_OPACITY, capstyle="round")
        axes.plot(x, mean, "o", ms=9, mew=0, color=colour("accent"), gid="mean")
        axes.hlines(came, x - 0.3, x + 0.3, color=colour("ink"), lw=2)
        value_axis(axes.yaxis, np.r_[low, high, came, 0], metric="mean", language=language, ticks=4)
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_xticks(x, list(names))
        axes.set_xlabel(axis, labelpad=6)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
    return figure


def moves(rows: pd.DataFrame, names: Sequence[str], ends: Sequence[str], *, language: str) -> Figure:
    """Draw the shares of customers who moved from one group (row) to another (column), darker where more did.

    Parameters
    ----------
    rows : DataFrame
        ``from``, ``to`` (places in `names`, in `ends`), ``mean`` (share of those who were in `from`).
    names, ends : sequences of str
        Of the groups before and after, in order.
    language : str
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    labels = [wrap(n, width=0.26 * WIDTH, size=SMALL) for n in names]
    left = max(text_width(line, size=SMALL) for lines in labels for line in lines) * PHONE + 16
    room = (WIDTH - left - 4) / len(ends)
    heads = [wrap(n, width=(room - 6) / PHONE, size=11) for n in ends]
    with figure_style():
        figure = sheet(34 * len(names) + 52, left=left, right=4, top=46, bottom=6)
        axes = figure.axes[0]
        for row in rows.to_dict("records"):
            x, y, share = int(row["to"]), int(row["from"]), row["mean"]
            deep = DEEPEST * float(share) if is_number(share) else 0.0
            role = "accent" if is_number(share) else "line"
            axes.add_patch(Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, lw=0, fc=colour(role), alpha=max(deep, 0.05)))
            text = number(float(share), metric="share", language=language) if is_number(share) else "–"
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=SMALL)
        shown = rows["mean"].astype(float).to_numpy()
        axes.scatter(
            rows["to"] + 0.5, rows["from"] + 0.5, s=0, c=np.nan_to_num(shown), alpha=0
        )  # what the finding checks
        for y, lines in enumerate(labels):
            row_label(axes, lines, y + 0.5, size=SMALL)
        for x, lines in enumerate(heads):
            for rise, line in zip((8,) if len(lines) == 1 else (22, 8), lines, strict=True):
                axes.annotate(line, (x + 0.5, 0), xytext=(0, rise), textcoords="offset points", ha="center",
                              fontsize=11, color=colour("soft"), annotation_clip=False)  # fmt: skip
        axes.set(xlim=(0, len(ends)), ylim=(len(names), 0))
        axes.set_axis_off()
    return figure
