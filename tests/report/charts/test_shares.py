from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from tidy import HOSTILE

from cxlab.report import charts
from cxlab.report.charts.shares import DEEPEST
from cxlab.report.charts.svg import to_svg
from cxlab.report.style import PALETTE

PARTS = ("used", "out", "rejected")


def rows() -> pd.DataFrame:
    return pd.DataFrame({"share": [0.994, 0.62], "used": [990, 20], "out": [10, 70], "rejected": [0, 10]})


def test_a_share_is_as_wide_as_it_is() -> None:
    axes = charts.shares(rows(), ["a", "b"], language="en").axes[0]
    assert [p.get_width() for p in axes.patches] == pytest.approx([1, 1, 0.994, 0.62])
    assert [t.get_text() for t in axes.texts] == ["a", "99.4\u00a0%", "b", "62.0\u00a0%"]


def test_parts_of_a_row_make_a_whole() -> None:
    figure = charts.parts(rows(), ["a", "b"], columns=PARTS, legend=PARTS, language="en")
    bars = np.array([p.get_width() for p in figure.axes[0].patches]).reshape(3, 2)
    assert bars.sum(axis=0) == pytest.approx([1, 1])
    assert bars[:, 1] == pytest.approx([0.2, 0.7, 0.1])
    assert [t.get_text() for t in figure.texts] == list(PARTS)
    assert [t.get_text() for t in figure.axes[0].texts] == ["a", "1,000", "b", "100"]


def test_the_map_names_its_gaps() -> None:
    cells = pd.DataFrame({"row": ["food", "wifi"], "column": ["x", "y"], "n": [1200, 3]})
    figure = charts.coverage(cells, rows={"food": "Food", "wifi": "Wi-Fi"}, columns={"x": "X", "y": "Y"}, language="en")
    axes = figure.axes[0]
    squares = [p for p in axes.patches if isinstance(p, Rectangle)]
    assert len(squares) == 4
    assert squares[0].get_alpha() > squares[3].get_alpha()  # 1,200 is darker than 3
    assert [t.get_text() for t in axes.texts] == ["1,200", "–", "Food", "–", "3", "Wi-Fi", "X", "Y"]


def test_text_on_a_dark_cell_stays_readable() -> None:
    for scheme in (0, 1):
        mixed, ink = (
            np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255
            for c in (PALETTE["accent"][scheme], PALETTE["ink"][scheme])
        )
        paper = np.array([int(PALETTE["paper"][scheme][i : i + 2], 16) for i in (1, 3, 5)]) / 255
        ground = DEEPEST * mixed + (1 - DEEPEST) * paper

        def luminance(rgb: np.ndarray) -> float:
            return float(
                np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
            )

        bright, dark = sorted((luminance(ground), luminance(ink)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    data = rows().head(1)
    assert to_svg(charts.shares(data, [name], language="zh"))
    assert to_svg(charts.parts(data, [name], columns=PARTS, legend=[name] * 3, language="zh"))
    cells = pd.DataFrame({"row": ["a"], "column": ["b"], "n": [1]})
    assert to_svg(charts.coverage(cells, rows={"a": name}, columns={"b": name}, language="en"))


def test_nothing_to_show() -> None:
    none = rows().head(0)
    for figure in (
        charts.shares(none, [], language="en"),
        charts.parts(none, [], columns=PARTS, legend=PARTS, language="en"),
        charts.parts(rows().head(1) * 0, ["a"], columns=PARTS, legend=PARTS, language="en"),
        charts.coverage(pd.DataFrame(columns=["row", "column", "n"]), rows={}, columns={}, language="en"),
    ):
        assert [t.get_text() for t in figure.axes[0].texts] == ["nothing to show"]
