"""Figures: a tidy table in, a matplotlib figure out; `svg.to_svg` makes it a small SVG that adapts to dark mode."""

from cxlab.figures.canvas import drawn_numbers, figure_style
from cxlab.figures.estimates import codes, intervals, trend
from cxlab.figures.predictive import check, prior
from cxlab.figures.shares import coverage, parts, shares
from cxlab.figures.supposed import supposed
from cxlab.figures.svg import to_svg

__all__ = [
    "check", "codes", "coverage", "drawn_numbers", "figure_style", "intervals", "parts", "prior", "shares", "supposed",
    "to_svg", "trend",
]  # fmt: skip
