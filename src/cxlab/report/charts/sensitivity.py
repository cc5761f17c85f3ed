"""An estimate as a function of something nobody knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cxlab.report.charts.canvas import SMALL, empty, figure_style, sheet
from cxlab.report.charts.intervals import value_axis
from cxlab.report.format import known, number
from cxlab.report.messages import message
from cxlab.report.style import colour

_HEIGHT = 210
_BEYOND = 2.2  # how much farther than the mark the axis reaches: what matters lies near it
_LEAST = 1.0  # points of the scale the axis shows to either side at least


def supposed(rows: pd.DataFrame, *, language: str, reference: float | None = None, mark: float | None = None) -> Figure:
    """Draw a metric over how many points of the scale the silent score above those who answered.

    Parameters
    ----------
    rows : DataFrame
        Columns ``gap`` (points of the scale), ``metric``, ``mean``, ``ci_low``, ``ci_high``.
    language : str
    reference : float, optional
        What the verdict compares with, as a dashed line.
    mark : float, optional
        The gap at which the verdict changes.

    Returns
    -------
    Figure
        The line with gid ``mean`` has `gap` as x data and `mean` as y data; the mark is a line with gid ``mark``.
    """
    data = rows[known(rows["mean"])].sort_values("gap").reset_index(drop=True)
    if data.empty:
        return empty(message(language, "figure.empty"))
    metric = str(data["metric"].iloc[0])
    far = max(_LEAST, _BEYOND * abs(mark)) if mark is not None else 2 * _LEAST
    data = data[data["gap"].abs() <= far] if (data["gap"].abs() <= far).sum() > 2 else data
    gap, mean, low, high = (data[c].astype(float).to_numpy() for c in ("gap", "mean", "ci_low", "ci_high"))
    with figure_style():
        figure = sheet(_HEIGHT, left=44, right=10, top=12, bottom=46)
        axes = figure.axes[0]
        axes.fill_between(gap, low, high, color=colour("band"), alpha=0.7, lw=0)
        axes.plot(gap, mean, color=colour("accent"), gid="mean")
        start = int(np.argmin(np.abs(gap)))
        axes.plot(gap[start], mean[start], "o", ms=9, mew=0, color=colour("accent"), gid="plain")
        if reference is not None:
            axes.axhline(reference, color=colour("soft"), lw=1.5, ls=(0, (3, 2)), gid="reference")
        if mark is not None:
            place = int(np.argmin(np.abs(gap - mark)))
            axes.axvline(gap[place], color=colour("bad"), lw=1.5, gid="mark")
        ends = [] if reference is None else [reference]
        value_axis(axes.yaxis, np.r_[low, high, ends], metric=metric, language=language, ticks=5)
        axes.set_xlim(float(gap.min()), float(gap.max()))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: number(v, metric="gap", language=language, signed=True))
        )
        axes.set_xlabel(message(language, "figure.silent"), labelpad=6, fontsize=SMALL)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
    return figure
