"""Figures: a tidy table in, a matplotlib figure out; `svg.to_svg` makes it a small SVG that adapts to dark mode."""

from cxlab.report.charts.canvas import drawn_numbers, figure_style
from cxlab.report.charts.intervals import codes, intervals, trend
from cxlab.report.charts.predictive import check, prior
from cxlab.report.charts.sensitivity import supposed
from cxlab.report.charts.shares import coverage, parts, shares
from cxlab.report.charts.svg import to_svg

__all__ = [
    "check", "codes", "coverage", "drawn_numbers", "figure_style", "intervals", "parts", "prior", "shares", "supposed",
    "to_svg", "trend",
]  # fmt: skip
