"""Figures of drivers: penalty and reward side by side, importance against performance as clouds, shares in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cxlab.report.charts.canvas import PHONE, SMALL, WIDTH, empty, figure_style, fit, rows_sheet, sheet, text_width
from cxlab.report.charts.intervals import value_axis
from cxlab.report.format import known
from cxlab.report.messages import message
from cxlab.report.style import INTERVAL_OPACITY, colour

_HEIGHT: Final = 380
_ELLIPSES: Final = ((2.146, 0.14), (1.177, 0.24))  # radii in sds that hold 90 % and 50 % of a cloud, and their opacity
_SPOTS: Final = (  # where a label may stand: alignment, pixels right of its dot, pixels above it
    *(("left", 8, -7), ("right", -8, -7), ("center", 0, 7), ("center", 0, -21)),
    *(("left", 6, 6), ("left", 6, -20), ("right", -6, 6), ("right", -6, -20)),
)
_TURN: Final = np.linspace(0, 2 * np.pi, 41)


def dumbbell(rows: pd.DataFrame, names: Sequence[str], words: Sequence[str], *, metric: str, language: str) -> Figure:
    """Draw what the worst answer costs and the best one gains, a row an attribute, about zero.

    Parameters
    ----------
    rows : DataFrame
        ``penalty``, ``penalty_low``, ``penalty_high`` (negative where the worst answer costs) and ``reward``,
        ``reward_low``, ``reward_high``, in the order to draw them, first on top.
    names, words : sequence of str
        Label at the left and word at the right of each row.
    metric : str
        How numbers are written.
    language : str

    Returns
    -------
    Figure
        Dots in lines with gids ``penalty`` and ``reward``: x data are the columns, y data 0, 1, ...
    """
    data = rows[known(rows["penalty"])].reset_index(drop=True)
    if data.empty:
        return empty(message(language, "figure.empty"))
    y = np.arange(len(data), dtype=float)
    with figure_style():
        figure = rows_sheet(names, words, bottom=30)
        axes = figure.axes[0]
        ends = []
        for side, role in (("penalty", "bad"), ("reward", "good")):
            mid, low, high = (data[c].astype(float).to_numpy() for c in (side, f"{side}_low", f"{side}_high"))
            axes.hlines(y, np.zeros(len(data)), mid, color=colour(role), lw=2.5, clip_on=False)
            axes.hlines(y, low, high, color=colour(role), lw=6, alpha=0.35, capstyle="round", clip_on=False)
            axes.plot(mid, y, "o", ms=8, mew=0, color=colour(role), clip_on=False, gid=side)
            ends += [low, high, mid]
        value_axis(axes.xaxis, np.concatenate(ends), metric=metric, language=language, signed=True, ticks=4)
        axes.axvline(0, color=colour("soft"), lw=1, zorder=0.5)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
    return figure


def clouds(
    rows: pd.DataFrame, names: Sequence[str], *, corners: Sequence[str], titles: tuple[str, str], language: str
) -> Figure:
    """Draw importance against performance: for each attribute the dot of its means and ellipses of its draws.

    Parameters
    ----------
    rows : DataFrame
        ``x``, ``y`` (performance and importance, shares 0-1), ``x_sd``, ``y_sd``, their correlation ``r``, and
        ``marked``: whether to draw it in the colour of a warning.
    names : sequence of str
        Label of each.
    corners : four texts
        Of the corners: low performance and high importance, high and high, low and low, high and low.
    titles : (str, str)
        Of the axes.
    language : str

    Returns
    -------
    Figure
        Dots in a line with gid ``mean``; thin lines at the averages of all attributes.
    """
    if not len(rows):
        return empty(message(language, "figure.empty"))
    centre = rows[["x", "y"]].to_numpy(float)
    roles = ["bad" if marked else "accent" for marked in rows["marked"]]
    with figure_style():
        figure = sheet(_HEIGHT, left=46, right=12, top=44, bottom=44)
        axes = figure.axes[0]
        spread = [centre]
        turn = np.stack([np.cos(_TURN), np.sin(_TURN)])
        for place, role, (width, height, r) in zip(
            centre, roles, rows[["x_sd", "y_sd", "r"]].to_numpy(float), strict=True
        ):
            shape = np.array([[width, 0.0], [r * height, np.sqrt(max(1 - r**2, 1e-9)) * height]])
            for radius, opacity in _ELLIPSES:
                ring = place + radius * (shape @ turn).T
                axes.fill(*ring.T, color=colour(role), alpha=opacity, lw=0)
                spread.append(ring)
        for place, role in zip(centre, roles, strict=True):
            axes.plot(*place, "o", ms=6, mew=0, color=colour(role))
        axes.plot(*centre.T, "none", gid="mean")
        everything = np.concatenate(spread)
        value_axis(axes.xaxis, everything[:, 0], metric="share", language=language, ticks=5)
        value_axis(axes.yaxis, everything[:, 1], metric="share", language=language, ticks=5)
        middle = centre.mean(axis=0)
        axes.axvline(middle[0], color=colour("soft"), lw=1, ls=(0, (2, 2)), zorder=0.5)
        axes.axhline(middle[1], color=colour("soft"), lw=1, ls=(0, (2, 2)), zorder=0.5)
        small: dict[str, Any] = {"fontsize": SMALL, "color": colour("soft"), "annotation_clip": False}
        small |= {"xycoords": "axes fraction", "textcoords": "offset points"}
        for text, (x, y) in zip(corners, ((0, 1), (1, 1), (0, 0), (1, 0)), strict=True):
            side: dict[str, Any] = {
                "ha": "right" if x else "left",
                "va": "bottom" if y else "top",
                "xytext": (0, 6 if y else -22),
            }
            axes.annotate(fit(text, width=WIDTH * 0.42, size=SMALL), (x, y), **side, **small)
        axes.set_xlabel(titles[0], labelpad=14)
        axes.annotate(titles[1], (0, 1), xytext=(-44, 26), **small)
        _label_all(axes, names, centre)
    return figure


def pairs(
    first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str], legend: tuple[str, str], *, language: str
) -> Figure:
    """Draw two shares a row, one below the other, each with its interval.

    Parameters
    ----------
    first, second : DataFrame
        Tidy columns ``mean, ci_low, ci_high``; as many rows in the same order, first on top.
    names : sequence of str
        Label of each row.
    legend : (str, str)
        What the two are.
    language : str

    Returns
    -------
    Figure
        Dots in lines with gids ``first`` and ``second``.
    """
    if first.empty or not known(first["mean"]).any():
        return empty(message(language, "figure.empty"))
    with figure_style():
        figure = rows_sheet(names, [""] * len(names), bottom=60)
        axes = figure.axes[0]
        ends = []
        for rows, shift, role, gid in ((first, -0.17, "accent", "first"), (second, 0.17, "good", "second")):
            mid, low, high = (rows[c].astype(float).to_numpy() for c in ("mean", "ci_low", "ci_high"))
            y = np.arange(len(rows)) + shift
            axes.hlines(y, low, high, color=colour(role), lw=5, alpha=INTERVAL_OPACITY, capstyle="round", clip_on=False)
            axes.plot(mid, y, "o" if gid == "first" else "s", ms=7, mew=0, color=colour(role), clip_on=False, gid=gid)
            ends += [low, high, mid]
        value_axis(axes.xaxis, np.concatenate(ends), metric="share", language=language, ticks=4)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        _legend(figure, legend, ("accent", "good"))
    return figure


def _legend(figure: Figure, names: Sequence[str], roles: Sequence[str]) -> None:
    height = float(figure.get_figheight()) * 72
    x = 4.0
    for name, role in zip(names, roles, strict=True):
        figure.add_artist(Rectangle((x / WIDTH, 9 / height), 11 / WIDTH, 11 / height, lw=0, fc=colour(role)))
        text = fit(name, width=WIDTH / 2 - 40, size=SMALL)
        figure.text((x + 16) / WIDTH, 10 / height, text, fontsize=SMALL, color=colour("soft"), va="baseline")
        x += 32 + text_width(text, size=SMALL) * PHONE


def _label_all(axes: Axes, labels: Sequence[str], centre: np.ndarray) -> None:
    """Write each label beside its dot where it covers the fewest others."""
    box = axes.get_position()
    size = np.array([box.width * WIDTH, box.height * _HEIGHT])
    low = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    wide = np.array([np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())])
    dots = (centre - low) / wide * size
    taken = [np.r_[d - 5, d + 5] for d in dots]
    for place in np.argsort(-dots[:, 1]):
        text = fit(labels[place], width=150, size=SMALL)
        room = text_width(text, size=SMALL) * PHONE
        best, least, chosen = taken[place], np.inf, _SPOTS[0]
        for spot in _SPOTS:
            ha, away, rise = spot
            left = away - {"left": 0.0, "center": room / 2, "right": room}[ha]
            here = np.concatenate([dots[place] + (left, rise), dots[place] + (left + room, rise + 14)])
            outside = np.clip(-here[:2], 0, None).sum() + np.clip(here[2:] - size, 0, None).sum()
            cost = sum(_overlap(here, other) for other in taken) + 40 * outside
            if cost < least - 1e-9:
                best, least, chosen = here, cost, spot
        taken.append(best)
        where: dict[str, Any] = {"xytext": (chosen[1], chosen[2] + 3), "textcoords": "offset points", "ha": chosen[0]}
        axes.annotate(text, centre[place], fontsize=SMALL, annotation_clip=False, **where)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)))
