"""The sheet every figure is drawn on: house settings, margins, room for text, and reading back what was drawn.

One unit of a figure is one CSS pixel. Text stays text, so the reader's fonts draw Chinese even where the figure was
made without them; its room is therefore estimated from the characters, not measured with a font of this machine.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cxlab.report.format import plain
from cxlab.report.style import colour

WIDTH: Final = 460  # px: a column of the page; a phone shows it at three quarters
FONT: Final = 13
SMALL: Final = 12
PHONE: Final = 1.2  # text grows by this on a narrow screen, so room is kept for it
DPI: Final = 72  # the SVG backend writes points; at 72 dpi a point is a unit


def figure_style() -> AbstractContextManager[None]:
    """Return a context with the house's matplotlib settings; nothing outside it changes.

    The measuring font is the one matplotlib ships, so a figure has the same bytes on every machine; the fonts that
    readers see are set by `svg.to_svg`.
    """
    return mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "cxlab",
            "text.parse_math": False,  # a "$" in a client's label is a dollar
            "font.family": ["DejaVu Sans"],
            "font.size": FONT,
            "figure.dpi": DPI,
            "text.color": colour("ink"),
            "axes.edgecolor": colour("line"),
            "axes.labelcolor": colour("soft"),
            "axes.labelsize": SMALL,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "axes.unicode_minus": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.spines.left": False,
            "axes.grid": False,
            "grid.color": colour("line"),
            "grid.linewidth": 1,
            "xtick.color": colour("soft"),
            "ytick.color": colour("soft"),
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "lines.linewidth": 2.5,
            "lines.solid_capstyle": "round",
            "lines.solid_joinstyle": "round",
        }
    )


def sheet(height: float, *, left: float = 0, right: float = 0, top: float = 8, bottom: float = 24) -> Figure:
    """Return a figure `WIDTH` wide with one axes; the margins are in pixels."""
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
    left, right = min(left, 0.6 * WIDTH), min(right, 0.3 * WIDTH)
    figure.add_axes(
        (
            left / WIDTH,
            bottom / height,
            max(WIDTH - left - right, 40) / WIDTH,
            max(height - top - bottom, 10) / height,
        )
    )
    return figure


def text_width(text: str, *, size: float = FONT) -> float:
    """Return the room in pixels that text needs in the fonts readers have; Chinese characters are one em wide."""
    ems = 0.0
    for char in text:
        if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
            continue
        if unicodedata.east_asian_width(char) in "WF":
            ems += 1.0
        elif char in " .,:;|!'ilj()[]":
            ems += 0.36
        elif char in "+\u2212<>=":
            ems += 0.84
        elif char.isupper() or char in "mwMW@%—":
            ems += 0.74
        else:
            ems += 0.6
    return ems * size


def fit(text: str, *, width: float, size: float = FONT) -> str:
    """Return text as one safe line, cut with an ellipsis so that it needs at most `width` pixels."""
    line = plain(text)
    if text_width(line, size=size) <= width:
        return line
    while line and text_width(line + "…", size=size) > width:
        line = line[:-1]
    return line.rstrip() + "…"


def wrap(text: str, *, width: float, size: float = FONT) -> list[str]:
    """Return text in one line or two, the second cut with an ellipsis where `width` pixels are not enough."""
    line = plain(text)
    if text_width(line, size=size) <= width:
        return [line]
    breaks = [i for i in range(1, len(line)) if line[i] == " " or unicodedata.east_asian_width(line[i - 1]) in "WF"]
    widths = {i: (text_width(line[:i], size=size), text_width(line[i:].strip(), size=size)) for i in breaks}
    fitting = {i: max(w) for i, w in widths.items() if w[0] <= width}
    if fitting:
        cut = min(fitting, key=lambda i: fitting[i])
    else:
        cut = max((i for i in range(1, len(line)) if text_width(line[:i], size=size) <= width), default=1)
    return [line[:cut].rstrip(), fit(line[cut:], width=width, size=size)]


def row_label(axes: Axes, lines: list[str], place: float, *, size: float = FONT) -> None:
    """Write the one or two lines of a row's label, right-aligned left of the axes.

    One text a line: matplotlib would align the lines of one text by its own font's widths.
    """
    for rise, line in zip((0,) if len(lines) == 1 else (8, -8), lines, strict=True):
        axes.annotate(line, (0, place), xycoords=("axes fraction", "data"), xytext=(-12, rise), ha="right", va="center",
                      textcoords="offset points", fontsize=size, annotation_clip=False)  # fmt: skip


def row_value(axes: Axes, text: str, place: float, *, role: str = "ink") -> None:
    """Write a row's value right of the axes."""
    axes.annotate(text, (1, place), xycoords=("axes fraction", "data"), xytext=(12, 0), va="center",
                  textcoords="offset points", color=colour(role), annotation_clip=False)  # fmt: skip


def rows_sheet(names: Sequence[str], values: Sequence[str], *, bottom: float, roles: Sequence[str] = ()) -> Figure:
    """Return a sheet with one row a name at y 0, 1, ... from the top, its name at the left, its value at the right."""
    labels = [wrap(n, width=0.33 * WIDTH) for n in names]
    left = max(text_width(line) for lines in labels for line in lines) * PHONE + 16
    right = max(text_width(t) for t in values) * PHONE + 14
    row = 28 if max(map(len, labels)) == 1 else 40
    figure = sheet(row * len(labels) + 4 + bottom, left=left, right=right, top=4, bottom=bottom)
    axes = figure.axes[0]
    axes.set(ylim=(len(labels) - 0.5, -0.5), yticks=[])
    axes.spines["bottom"].set_visible(False)
    for place, (lines, text) in enumerate(zip(labels, values, strict=True)):
        row_label(axes, lines, place)
        row_value(axes, text, place, role=roles[place] if roles else "ink")
    return figure


def empty(text: str) -> Figure:
    """Return a figure that says why there is nothing to see."""
    with figure_style():
        figure = sheet(60, bottom=8)
        axes = figure.axes[0]
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.text(0.5, 0.5, plain(text), ha="center", va="center", color=colour("soft"))
    return figure


def drawn_numbers(figure: Figure) -> np.ndarray:
    """Return every number that a figure's marks show, sorted: coordinates of lines, dots, bands and bars.

    A finding compares its sentence with these, so a figure cannot show something else than the words say.
    """
    found: list[np.ndarray] = [np.empty(0)]
    for axes in figure.axes:
        for artist in axes.get_children():
            if isinstance(artist, Line2D):
                found += [np.asarray(artist.get_xdata(), float), np.asarray(artist.get_ydata(), float)]
            elif isinstance(artist, LineCollection):
                found += [np.asarray(s, float).ravel() for s in artist.get_segments()]
            elif isinstance(artist, Collection):
                found += [np.asarray(p.vertices, float).ravel() for p in artist.get_paths()]
                found.append(np.asarray(artist.get_offsets(), float).ravel())
                values = artist.get_array()
                found.append(np.asarray([] if values is None else values, float).ravel())
            elif isinstance(artist, Rectangle) and artist is not axes.patch:
                found.append(np.asarray(artist.get_bbox().extents, float))
    numbers = np.concatenate(found)
    return np.unique(numbers[np.isfinite(numbers)])
