"""What the model expects: before it sees data, and beside the data it saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cxlab.report.charts.canvas import SMALL, empty, figure_style, sheet
from cxlab.report.format import known, metric_name, number
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_HEIGHT = 170


def prior(draws: pd.DataFrame, *, language: str) -> Figure:
    """Draw what the prior holds possible for a metric, as a histogram.

    Parameters
    ----------
    draws : DataFrame
        Columns ``metric`` (one value) and ``value`` on the tidy scale, a row a draw.
    language : str
    """
    import seaborn as sns  # seconds to import, needed by this figure alone

    kept = draws[known(draws["value"])]
    if kept.empty:
        return empty(message(language, "figure.empty"))
    metric = str(kept["metric"].iloc[0])
    with figure_style():
        figure = sheet(_HEIGHT, left=8, right=8, top=8, bottom=44)
        axes = figure.axes[0]
        sns.histplot(
            x=kept["value"].astype(float).to_numpy(), bins=24, stat="probability", color=colour("accent"), alpha=0.6,
            edgecolor=colour("paper"), linewidth=1, ax=axes,
        )  # fmt: skip
        axes.set(ylabel="", yticks=[])
        axes.xaxis.set_major_formatter(lambda v, _: number(v, metric=metric, language=language))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        named = f"{metric_name(metric, language=language)}, {message(language, 'figure.prior')}"
        axes.set_xlabel(named, labelpad=6)
    return figure


def check(shares: pd.DataFrame, *, language: str) -> Figure:
    """Draw observed shares of the codes as bars and what the fitted model predicts as intervals with dots.

    Parameters
    ----------
    shares : DataFrame
        Columns ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (shares 0-1).
    language : str

    Returns
    -------
    Figure
        Bars at x 0, 1, ... in the order of the codes; the line with gid ``mean`` holds the predictions.
    """
    if shares.empty:
        return empty(message(language, "figure.empty"))
    data = shares.sort_values("code").reset_index(drop=True)
    observed, mean, low, high = (data[c].astype(float).to_numpy() for c in ("observed", "mean", "ci_low", "ci_high"))
    x = np.arange(len(data), dtype=float)
    with figure_style():
        figure = sheet(_HEIGHT + 20, left=44, right=8, top=30, bottom=40)
        axes = figure.axes[0]
        bars = axes.bar(
            x, observed, width=0.72, color=colour("soft"), alpha=0.35, label=message(language, "figure.observed")
        )
        axes.vlines(x, low, high, color=colour("accent"), lw=5, alpha=INTERVAL_OPACITY, capstyle="round")
        dots = axes.plot(x, mean, "o", ms=8, mew=0, color=colour("accent"), gid="mean")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.yaxis.set_major_formatter(lambda v, _: number(v, metric="share", language=language))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_xticks(x, [f"{c:g}" for c in data["code"]])
        axes.set_xlabel(message(language, "figure.rating"), labelpad=6)
        names = [message(language, "figure.observed"), message(language, "figure.predicted")]
        axes.legend([bars, dots[0]], names, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False,
                    fontsize=SMALL, borderaxespad=0.2, labelcolor=colour("soft"))  # fmt: skip
    return figure
