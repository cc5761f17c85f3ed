"""Estimates on their scale, in one visual grammar: interval bar, dot, the last period's value as a dashed tick."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from matplotlib.transforms import offset_copy

from cxlab.report.charts.canvas import PHONE, SMALL, WIDTH, empty, figure_style, rows_sheet, sheet, text_width
from cxlab.report.format import is_number, known, number, span, tick_name
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_HEIGHT = 180


def trend(rows: pd.DataFrame, *, language: str, changes: pd.DataFrame | None = None, ahead: bool = False) -> Figure:
    """Draw one estimate over periods: line, band of the interval, the last value in words.

    Parameters
    ----------
    rows : DataFrame
        Estimates of ``level`` (tidy columns ``period, metric, mean, ci_low, ci_high``), one row a period. Periods
        without a number leave a gap.
    language : str
    changes : DataFrame, optional
        Estimates of ``change``; where its verdict is better or worse, the point is marked by a triangle.
    ahead : bool
        Whether the last period is a forecast: a dashed line leads to its open dot.

    Returns
    -------
    Figure
        The y data of its line (gid ``mean``) are `mean` in the order of the periods, but for a forecast.
    """
    data = rows.sort_values("period").reset_index(drop=True)
    shown = data[known(data["mean"])]
    if shown.empty:
        return empty(message(language, "figure.empty"))
    metric = str(data["metric"].iloc[0])
    mean, low, high = (data[c].astype(float).to_numpy() for c in ("mean", "ci_low", "ci_high"))
    end = int(shown.index[-1])
    value = number(mean[end], metric=metric, language=language)
    limits = f"({span(low[end], high[end], metric=metric, language=language)})" if is_number(low[end]) else ""
    room = max(text_width(value, size=15), text_width(limits, size=SMALL)) * PHONE + 16
    with figure_style():
        figure = sheet(_HEIGHT, left=44, right=room, bottom=34)
        axes = figure.axes[0]
        x = np.arange(len(data), dtype=float)
        axes.fill_between(x, low, high, color=colour("band"), alpha=0.7, lw=0, clip_on=False)
        if len(shown) == 1:  # a band needs two points
            axes.plot([end, end], [low[end], high[end]], color=colour("accent"), lw=5, alpha=INTERVAL_OPACITY)
        known_to = len(x) - 1 if ahead else len(x)
        axes.plot(x[:known_to], mean[:known_to], color=colour("accent"), clip_on=False, gid="mean")
        if ahead:
            axes.plot(x[-2:], mean[-2:], color=colour("accent"), ls=(0, (1.5, 2)), clip_on=False, gid="ahead")
            axes.plot(x[end], mean[end], "o", ms=9, mew=2, color=colour("accent"), mfc=colour("paper"), clip_on=False)
        else:
            axes.plot(x[end], mean[end], "o", ms=9, mew=0, color=colour("accent"), clip_on=False)
        _mark_changes(axes, data, changes)
        gap = 10 / (WIDTH - 44 - room) * max(len(data) - 1, 1) if len(data) > 1 else 0.05
        value_axis(axes.yaxis, np.r_[low, high, mean], metric=metric, language=language, ticks=5)
        axes.set_xlim((0, len(data) - 1) if len(data) > 1 else (-0.5, 0.5))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.spines["bottom"].set_visible(False)
        axes.annotate(value, (end + gap, mean[end]), xytext=(0, 2), textcoords="offset points", fontsize=15,
                      fontweight="bold", va="bottom" if limits else "center", annotation_clip=False)  # fmt: skip
        if limits:
            axes.annotate(limits, (end + gap, mean[end]), xytext=(0, -1), textcoords="offset points", fontsize=SMALL,
                          color=colour("soft"), va="top", annotation_clip=False)  # fmt: skip
        axes.tick_params(axis="x", pad=10)
        _period_axis(axes, data["period"].astype(str).tolist(), width=WIDTH - 44 - room, language=language)
    return figure


def intervals(
    rows: pd.DataFrame,
    names: Sequence[str],
    *,
    language: str,
    previous: pd.DataFrame | None = None,
    reference: float | None = None,
) -> Figure:
    """Draw one estimate a row: interval bar, dot, the value in words, last period's value as a dashed tick.

    Parameters
    ----------
    rows : DataFrame
        Estimates in the order to draw them, first on top, one metric (tidy columns ``metric, mean, ci_low, ci_high,
        verdict``). Rows without a number say why.
    names : sequence of str
        Label of each row.
    language : str
    previous : DataFrame, optional
        As many rows in the same order, of the period before.
    reference : float, optional
        A value to mark by a thin line, e.g. 0 for differences or a target.

    Returns
    -------
    Figure
        Dots in a line with gid ``mean``: x data are `mean`, y data 0, 1, ... from the top.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    data = rows.reset_index(drop=True)
    metric = str(data["metric"].iloc[0])
    signed = "estimand" in data and str(data["estimand"].iloc[0]) in ("change", "difference")
    mean, low, high = (data[c].astype(float).to_numpy() for c in ("mean", "ci_low", "ci_high"))
    before = None if previous is None else previous["mean"].astype(float).to_numpy()
    values = [_in_words(r, metric=metric, language=language, signed=signed) for r in data.to_dict("records")]
    roles = ["ink" if is_number(m) else "soft" for m in mean]
    with figure_style():
        figure = rows_sheet(names, values, bottom=30, roles=roles)
        axes = figure.axes[0]
        y = np.arange(len(data), dtype=float)
        axes.hlines(y, low, high, color=colour("accent"), lw=5, alpha=INTERVAL_OPACITY, capstyle="round", clip_on=False)
        if before is not None:
            before = np.where(np.isfinite(mean), before, np.nan)
            axes.vlines(before, y - 0.32, y + 0.32, color=colour("soft"), lw=1.5, ls=(0, (1.5, 1.2)), clip_on=False)
        axes.plot(mean, y, "o", ms=9, mew=0, color=colour("accent"), clip_on=False, gid="mean")
        spread = np.r_[low, high, mean, [] if before is None else before, [] if reference is None else reference]
        value_axis(axes.xaxis, spread, metric=metric, language=language, signed=signed, ticks=3)
        if reference is not None:
            axes.axvline(reference, color=colour("soft"), lw=1, zorder=0.5)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
    return figure


def codes(
    shares: pd.DataFrame, *, language: str, good_from: float | None = None, bad_to: float | None = None
) -> Figure:
    """Draw how answers are spread over the codes of a scale, last period's shares as dashed ticks.

    Parameters
    ----------
    shares : DataFrame
        Columns ``code``, ``share`` (0-1) and, optionally, ``previous`` (0-1).
    good_from, bad_to : float, optional
        Codes at or above, at or below which a bar is coloured as good or bad.
    """
    data = shares[known(shares["share"])].sort_values("code").reset_index(drop=True)
    if data.empty:
        return empty(message(language, "figure.empty"))
    share = data["share"].astype(float).to_numpy()
    code = data["code"].astype(float).to_numpy()
    with figure_style():
        figure = sheet(_HEIGHT, left=4, right=4, top=22, bottom=40)
        axes = figure.axes[0]
        good = code >= good_from if good_from is not None else np.zeros(len(code), bool)
        bad = code <= bad_to if bad_to is not None else np.zeros(len(code), bool)
        role = np.where(good, "good", np.where(bad, "bad", "accent" if good_from is None else "soft"))
        x = np.arange(len(data), dtype=float)
        axes.bar(x, share, width=0.72, color=[colour(str(r)) for r in role], alpha=0.85)
        before = data["previous"].astype(float).to_numpy() if "previous" in data else np.full(len(data), np.nan)
        top = max(float(np.nanmax(np.r_[share, before])), 1e-9)
        axes.hlines(before, x - 0.44, x + 0.44, color=colour("ink"), lw=1.5, ls=(0, (2, 1.5)))
        for place, (height, old) in enumerate(zip(share, before, strict=True)):
            text = number(float(height), metric="share", language=language, unit=len(data) <= 7)
            above = old if height <= old < height + 0.14 * top else height  # keeps the number off the dashed tick
            axes.annotate(text, (place, above), xytext=(0, 4), ha="center", va="bottom", textcoords="offset points",
                          fontsize=SMALL, annotation_clip=False)  # fmt: skip
        axes.set_ylim(0, top)
        axes.set_yticks([])
        axes.set_xlim(-0.6, len(data) - 0.4)
        axes.set_xticks(x, [f"{c:g}" for c in code])
        axes.set_xlabel(message(language, "figure.rating"), labelpad=6)
    return figure


def _in_words(row: Mapping[Any, Any], *, metric: str, language: str, signed: bool) -> str:
    if is_number(row["mean"]):
        return number(float(row["mean"]), metric=metric, language=language, signed=signed)
    verdict = str(row.get("verdict") or "")
    return message(language, f"figure.{verdict}") if verdict in ("withheld", "suppressed") else "—"


def _mark_changes(axes: Axes, data: pd.DataFrame, changes: pd.DataFrame | None) -> None:
    if changes is None or changes.empty:
        return
    real = changes[changes["verdict"].isin(["better", "worse"])].set_index("period")
    for place, (period, mean) in enumerate(zip(data["period"], data["mean"], strict=True)):
        if period in real.index and is_number(mean):
            verdict, size = str(real.loc[period, "verdict"]), float(real.loc[period, "mean"])
            role = "good" if verdict == "better" else "bad"
            beside = offset_copy(axes.transData, axes.get_figure(root=True), y=14 if size > 0 else -14, units="points")
            axes.plot(place, mean, "^" if size > 0 else "v", ms=9, mew=0, color=colour(role), clip_on=False,
                      transform=beside, gid="changed")  # fmt: skip


def value_axis(
    axis: object, values: np.ndarray, *, metric: str, language: str, signed: bool = False, ticks: int = 4
) -> None:
    """Set limits and ticks of an axis for the finite values of a metric."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        axis.set_ticks([])  # type: ignore[attr-defined]
        return
    low, high = float(finite.min()), float(finite.max())
    # A narrower axis would dramatise noise.
    least = {"nps": 20.0, "index": 10.0, "mean": 0.6, "ces": 0.6}.get(metric, 0.15)
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    inside = [v for v in MaxNLocator(nbins=ticks, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= v <= high]
    places = np.asarray(inside)
    axis.set_major_locator(FixedLocator(inside))  # type: ignore[attr-defined]
    axis.set_view_interval(low, high, ignore=True)  # type: ignore[attr-defined]
    axis.set_major_formatter(_formatter(places, metric=metric, language=language, signed=signed))  # type: ignore[attr-defined]


def _formatter(places: np.ndarray, *, metric: str, language: str, signed: bool) -> FuncFormatter:
    step = float(places[1] - places[0]) if len(places) > 1 else 0.0
    needed = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    write: Callable[[float, object], str]
    if metric == "rate" and step >= 0.01:
        metric = "share"  # whole per cents are enough for ticks
    if metric in ("mean", "ces"):
        write = lambda v, _: f"{v:.{max(1, needed)}f}".replace("-", "\u2212")  # noqa: E731
    else:
        write = lambda v, _: number(v, metric=metric, language=language, signed=signed, unit=not signed)  # noqa: E731
    return FuncFormatter(write)


def _period_axis(axes: Axes, periods: list[str], *, width: float, language: str) -> None:
    """Label as many periods as fit, always the last."""
    names = [tick_name(p, language=language) for p in periods]
    each = max(text_width(n, size=SMALL) for n in names) * 1.15 + 10
    step = max(1, math.ceil(each * max(len(names) - 1, 1) / max(width, 1)))
    shown = [i for i in range(len(names)) if (len(names) - 1 - i) % step == 0]
    axes.set_xticks(shown, [names[i] for i in shown])
