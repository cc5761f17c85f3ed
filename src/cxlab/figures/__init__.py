"""Figures: a tidy table in, a matplotlib figure out; `canvas.to_svg` makes it a small SVG that adapts to dark mode."""

from cxlab.figures.canvas import drawn_numbers, figure_style, to_svg
from cxlab.figures.estimates import codes, intervals, trend

__all__ = ["codes", "drawn_numbers", "figure_style", "intervals", "to_svg", "trend"]
