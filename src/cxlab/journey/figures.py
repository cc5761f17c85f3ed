"""Figures of the journey: the map of moments of truth, the flow of the first steps, curves of decision, ages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MultipleLocator

from cxlab.report.charts.canvas import PHONE, SMALL, WIDTH, empty, figure_style, fit, sheet, text_width, wrap
from cxlab.report.charts.intervals import value_axis
from cxlab.report.format import is_number, known, number
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_NODE = 9.0  # px, width of a state's bar
_GAP = 5.0  # px between states of one column
_FLOW = 330.0  # px, height of the flow
_ROLES = ("accent", "bad", "good", "soft")


def effect_map(rows: pd.DataFrame, names: Sequence[str], *, language: str) -> Figure:
    """Draw what a bad experience goes with: fewer satisfied to the right, more who leave upwards, numbered dots.

    Parameters
    ----------
    rows : DataFrame
        Columns ``x, x_low, x_high`` (change of the share satisfied) and ``y, y_low, y_high`` (of the share leaving).
    names : sequence of str
        Of each row; written below with its number.
    language : str

    Returns
    -------
    Figure
        Dots in a line with gid ``mean``; the x axis runs from few to many losses.
    """
    if rows.empty:
        return empty(message(language, "figure.empty"))
    x, x_low, x_high, y, y_low, y_high = (rows[c].astype(float).to_numpy() for c in
                                          ("x", "x_low", "x_high", "y", "y_low", "y_high"))  # fmt: skip
    labels = [fit(f"{i}  {name}", width=WIDTH / 2 - 8, size=SMALL) for i, name in enumerate(names, 1)]
    below = 20 * ((len(labels) + 1) // 2) + 8
    with figure_style():
        figure = sheet(290 + below, left=52, right=12, top=26, bottom=58 + below)
        axes = figure.axes[0]
        axes.axhline(0, color=colour("soft"), lw=1, zorder=0.5)
        axes.axvline(0, color=colour("soft"), lw=1, zorder=0.5)
        axes.hlines(y, x_low, x_high, color=colour("accent"), lw=2.5, alpha=INTERVAL_OPACITY)
        axes.vlines(x, y_low, y_high, color=colour("accent"), lw=2.5, alpha=INTERVAL_OPACITY)
        axes.plot(x, y, "o", ms=17, mew=0, color=colour("accent"), clip_on=False, gid="mean")
        for i, (at_x, at_y) in enumerate(zip(x, y, strict=True), 1):
            axes.annotate(str(i), (at_x, at_y), ha="center", va="center", fontsize=11, color=colour("paper"))
        value_axis(axes.xaxis, np.r_[x_low, x_high, 0], metric="share", language=language, signed=True)
        value_axis(axes.yaxis, np.r_[y_low, y_high, 0], metric="share", language=language, signed=True)
        axes.xaxis.set_inverted(True)
        axes.grid(axis="both")
        axes.set_axisbelow(True)
        axes.set_xlabel(message(language, "journey_moments.axis_satisfaction"), labelpad=6)
        axes.annotate(message(language, "journey_moments.axis_leaving"), (0, 1), xycoords="axes fraction",
                      xytext=(-44, 12), textcoords="offset points", color=colour("soft"), fontsize=SMALL,
                      annotation_clip=False)  # fmt: skip
        height = float(figure.get_figheight()) * 72
        for i, text in enumerate(labels):
            place = (6 + (i % 2) * WIDTH / 2) / WIDTH, (below - 14 - 20 * (i // 2)) / height
            figure.text(*place, text, fontsize=SMALL, color=colour("ink"), va="center")
    return figure


def flow(rows: pd.DataFrame, names: Mapping[str, str], *, order: Sequence[str], end: str, language: str) -> Figure:
    """Draw the first steps of journeys from left to right; bars and bands are as wide as the journeys are many.

    Parameters
    ----------
    rows : DataFrame
        ``step`` (1 first), ``touchpoint``, ``to``, ``mean`` (share of all journeys).
    names : mapping of state -> label
    order : sequence of str
        States from top to bottom; `end` is drawn last.
    end : str
        The state in which journeys end.
    language : str

    Returns
    -------
    Figure
        One rectangle a state and step (its height is the share), one patch a band.
    """
    data = rows[known(rows["mean"])]
    if data.empty:
        return empty(message(language, "figure.empty"))
    place = {s: i for i, s in enumerate([*order, end])}
    last = int(data["step"].max())
    columns: list[dict[str, float]] = []
    for step in range(1, last + 2):
        own = data[data["step"] == step] if step <= last else data[data["step"] == last]
        sums = own.groupby("touchpoint" if step <= last else "to")["mean"].sum()
        if 1 < step <= last:  # those that ended, or of whom too few went on to show where
            arrived = data[data["step"] == step - 1].groupby("to")["mean"].sum()
            sums = arrived
        columns.append({str(s): float(sums[s]) for s in sorted(sums.index, key=lambda s: place.get(str(s), 99))})
    scale = (_FLOW - _GAP * (max(map(len, columns)) - 1)) / max(sum(c.values()) for c in columns)
    with figure_style():
        figure = sheet(_FLOW + 34, left=2, right=2, top=26, bottom=8)
        axes = figure.axes[0]
        axes.set(xlim=(0, WIDTH - 4), ylim=(_FLOW, 0))
        axes.set_axis_off()
        pitch = (WIDTH - 4 - 84) / last
        tops: list[dict[str, float]] = []
        for i, column in enumerate(columns):
            y, x = 0.0, i * pitch
            tops.append({})
            for state, share in column.items():
                tops[i][state] = y
                height = share * scale
                role = _state_role(state, end)
                axes.add_patch(Rectangle((x, y), _NODE, height, lw=0, fc=colour(role), alpha=0.95))
                room = (84 if i == last else pitch) - _NODE - 8
                if height >= 13:
                    lines = wrap(names.get(state, state), width=room / PHONE, size=11)
                    lines = lines if height >= 26 else [fit(names.get(state, state), width=room / PHONE, size=11)]
                    for shift, line in zip((0,) if len(lines) == 1 else (-7, 7), lines, strict=True):
                        axes.text(x + _NODE + 4, y + min(height / 2, 40) + shift, line, fontsize=11, va="center",
                                  zorder=3)  # fmt: skip
                y += height + _GAP
            head = message(language, "journey_flow.step", {"n": str(i + 1)})
            axes.annotate(head, (x, 0), xytext=(0, 8), textcoords="offset points", fontsize=11, color=colour("soft"),
                          annotation_clip=False)  # fmt: skip
        _bands(axes, data, tops, place=place, end=end, pitch=pitch, scale=scale)
    return figure


def curves(rows: pd.DataFrame, names: Mapping[str, str], *, language: str) -> Figure:
    """Draw the share decided over weeks, a line a group with its band, the name at the line's end.

    Parameters
    ----------
    rows : DataFrame
        ``key`` (group), ``week``, ``mean``, ``ci_low``, ``ci_high``.
    names : mapping of key -> label
        The groups to draw, at most four, in order.
    language : str
    """
    data = rows[known(rows["mean"]) & rows["key"].isin(list(names))]
    if data.empty:
        return empty(message(language, "figure.empty"))
    room = min(max(text_width(n, size=SMALL) for n in names.values()) * PHONE + 14, 0.3 * WIDTH)
    with figure_style():
        figure = sheet(230, left=44, right=room, top=12, bottom=46)
        axes = figure.axes[0]
        ends = []
        for key, role in zip(names, _ROLES, strict=False):
            own = data[data["key"] == key].sort_values("week")
            if own.empty:
                continue
            x = np.r_[0.0, own["week"].astype(float)]
            mean, low, high = (np.r_[0.0, own[c].astype(float)] for c in ("mean", "ci_low", "ci_high"))
            axes.fill_between(x, low, high, color=colour(role), alpha=0.18, lw=0)
            axes.plot(x, mean, color=colour(role), clip_on=False, gid="mean")
            axes.plot(x[1:], mean[1:], "o", ms=5, mew=0, color=colour(role), clip_on=False)
            ends.append((float(mean[-1]), names[key], role))
        top = max(1e-9, float(data["ci_high"].astype(float).max()))
        axes.set(xlim=(0, float(data["week"].max())), ylim=(0, min(1.0, 1.05 * top)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, metric="share", language=language)))
        axes.yaxis.set_major_locator(MultipleLocator(0.25 if top > 0.6 else 0.1 if top > 0.2 else 0.05))
        weeks = sorted(data["week"].astype(int).unique())
        axes.set_xticks([w for w in weeks if w >= 4] or weeks)
        axes.set_xlabel(message(language, "journey_decision.axis"), labelpad=6)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        height = 172.0
        ends = sorted(ends)
        at = np.array([share / min(1.0, 1.05 * top) * height for share, _, _ in ends])
        for i in range(1, len(at)):
            at[i] = max(at[i], at[i - 1] + 17)
        at -= max(0.0, at[-1] - height)  # those at the top push the others down
        for i in range(len(at) - 2, -1, -1):
            at[i] = min(at[i], at[i + 1] - 17)
        for y, (_, name, role) in zip(at, ends, strict=True):
            text = fit(name, width=(room - 10) / PHONE, size=11)
            axes.annotate(text, (1, y / height), xycoords="axes fraction", xytext=(8, 0), textcoords="offset points",
                          va="center", fontsize=11, color=colour(role), annotation_clip=False)  # fmt: skip
    return figure


def ages(rows: pd.DataFrame, names: Sequence[str], *, language: str) -> Figure:
    """Draw an estimate over steps of age: dot and interval a step, a line through the dots.

    Parameters
    ----------
    rows : DataFrame
        ``mean, ci_low, ci_high, metric`` in the order of age; rows without a number leave a gap.
    names : sequence of str
        Of each step.
    language : str
    """
    if not known(rows["mean"]).any():
        return empty(message(language, "figure.empty"))
    mean, low, high = (rows[c].astype(float).to_numpy() for c in ("mean", "ci_low", "ci_high"))
    metric = str(rows["metric"].iloc[0])
    with figure_style():
        figure = sheet(226, left=52, right=32, top=12, bottom=64)
        axes = figure.axes[0]
        x = np.arange(len(rows), dtype=float)
        axes.plot(x, mean, color=colour("accent"), alpha=0.5, lw=1.5)
        axes.vlines(x, low, high, color=colour("accent"), lw=5, alpha=INTERVAL_OPACITY, capstyle="round")
        axes.plot(x, mean, "o", ms=9, mew=0, color=colour("accent"), clip_on=False, gid="mean")
        value_axis(axes.yaxis, np.r_[low, high], metric=metric, language=language, ticks=4)
        axes.set_xlim(-0.35, len(rows) - 0.65)
        axes.set_xticks([])
        for at, name in enumerate(names):
            for drop, line in zip((-16, -29), wrap(name, width=0.98 * (WIDTH - 84) / len(rows), size=11), strict=False):
                axes.annotate(line, (at, 0), xycoords=("data", "axes fraction"), xytext=(0, drop), ha="center",
                              textcoords="offset points", fontsize=11, color=colour("soft"),
                              annotation_clip=False)  # fmt: skip
        axes.set_xlabel(message(language, "journey_age.axis"), labelpad=36)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.spines["bottom"].set_visible(False)
    return figure


def _state_role(state: str, end: str) -> str:
    if state == end:
        return "soft"
    return "good" if state.startswith("buy:") else "accent"


def _bands(
    axes: Axes,
    data: pd.DataFrame,
    tops: Sequence[Mapping[str, float]],
    *,
    place: Mapping[str, int],
    end: str,
    pitch: float,
    scale: float,
) -> None:
    """Draw each step from state to state as a band, in the order of the states on both sides."""
    out = [dict(column) for column in tops]
    into = [dict(column) for column in tops]
    ordered = data.assign(a=data["touchpoint"].map(place), b=data["to"].map(place)).sort_values(["step", "a", "b"])
    for row in ordered.to_dict("records"):
        i, a, b = int(row["step"]) - 1, str(row["touchpoint"]), str(row["to"])
        if a not in out[i] or b not in into[i + 1] or not is_number(row["mean"]):
            continue
        height = float(row["mean"]) * scale
        y0, y1 = out[i][a], into[i + 1][b]
        out[i][a] += height
        into[i + 1][b] += height
        x0, x1 = i * pitch + _NODE, (i + 1) * pitch
        bend = (x0 + x1) / 2
        points = [
            (x0, y0), (bend, y0), (bend, y1), (x1, y1), (x1, y1 + height),
            (bend, y1 + height), (bend, y0 + height), (x0, y0 + height), (x0, y0),
        ]  # fmt: skip
        curve = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        role = "line" if b == end else _state_role(a, end)
        alpha = 0.75 if b == end else 0.3
        axes.add_patch(PathPatch(Path(points, curve), lw=0, fc=colour(role), alpha=alpha, zorder=0.8))
