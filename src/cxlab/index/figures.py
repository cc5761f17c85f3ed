"""Importance against performance: a dot a latent, its interval both ways, lines at the averages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report.charts.canvas import SMALL, WIDTH, empty, figure_style, fit, sheet, text_width
from cxlab.report.format import known
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_HEIGHT = 300


def importance_map(
    importance: pd.DataFrame, performance: pd.DataFrame, names: Sequence[str], *, language: str
) -> Figure:
    """Draw what counts against how well it does.

    Parameters
    ----------
    importance, performance : DataFrame
        Estimates (``mean, ci_low, ci_high``) in the same order of latents.
    names : sequence of str
    language : str

    Returns
    -------
    Figure
        Dots in a line with gid ``mean``: x data are performance, y data importance.
    """
    shown = known(importance["mean"]).to_numpy() & known(performance["mean"]).to_numpy()
    if not shown.any():
        return empty(message(language, "figure.empty"))
    x, x_low, x_high = (performance[c].astype(float).to_numpy()[shown] for c in ("mean", "ci_low", "ci_high"))
    y, y_low, y_high = (importance[c].astype(float).to_numpy()[shown] for c in ("mean", "ci_low", "ci_high"))
    with figure_style():
        figure = sheet(_HEIGHT, left=44, right=16, top=14, bottom=34)
        axes = figure.axes[0]
        axes.axvline(x.mean(), color=colour("soft"), lw=1, ls=(0, (2, 2)), zorder=0.5)
        axes.axhline(y.mean(), color=colour("soft"), lw=1, ls=(0, (2, 2)), zorder=0.5)
        role, thin = colour("accent"), INTERVAL_OPACITY
        axes.hlines(y, x_low, x_high, color=role, lw=4, alpha=thin, capstyle="round")
        axes.vlines(x, y_low, y_high, color=role, lw=4, alpha=thin, capstyle="round")
        axes.plot(x, y, "o", ms=9, mew=0, color=colour("accent"), gid="mean")
        wide = max(float(x_high.max() - x_low.min()), 4.0)
        tall = max(float(y_high.max() - y_low.min()), 0.2)
        axes.set_xlim(float(x_low.min()) - 0.08 * wide, float(x_high.max()) + 0.08 * wide)
        axes.set_ylim(float(y_low.min()) - 0.1 * tall, float(y_high.max()) + 0.12 * tall)
        places = axes.transData.transform(np.c_[x, y])
        taken: list[tuple[float, float]] = []
        for name, a, b, (left, up) in zip(
            [n for n, s in zip(names, shown, strict=True) if s], x, y, places, strict=True
        ):
            text = fit(name, width=150)
            room = text_width(text, size=SMALL)
            spots = [(9, 8), (-9 - room, 8), (9, -18), (-9 - room, -18)]
            free = [
                (dx, dy)
                for dx, dy in spots
                if left + dx > 0
                and left + dx + room < WIDTH
                and all(abs(left + dx - tx) > room or abs(up + dy - ty) > 16 for tx, ty in taken)
            ]
            dx, dy = (free or spots)[0]
            taken.append((left + dx, up + dy))
            axes.annotate(text, (a, b), xytext=(dx, dy), textcoords="offset points", fontsize=SMALL)
        axes.grid(True)
        axes.set_axisbelow(True)
    return figure
