from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cxlab.report.charts import drawn_numbers, to_svg
from cxlab.report.charts.canvas import PHONE, SMALL, WIDTH, text_width
from cxlab.voice import figures as voice


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]


def test_bars_are_as_wide_as_their_values() -> None:
    figure = voice.bars(np.array([0.45, 0.2]), ["Delivery", "Staff"], metric="share", language="en")
    assert [round(p.get_width(), 3) for p in figure.axes[0].patches] == [0.45, 0.2]
    assert "45\u00a0%" in texts(figure)


def test_a_heat_map_writes_each_number_and_colours_its_side() -> None:
    cells = pd.DataFrame({"row": ["a", "a"], "column": ["x", "y"], "value": [-0.5, 0.25]})
    figure = voice.heat(cells, rows={"a": "Delivery", "b": "Staff"}, columns={"x": "Store", "y": "Web"},
                        metric="mean", signed=True, language="en")  # fmt: skip
    assert {"\u22120.50", "+0.25", "–"} <= set(texts(figure))
    np.testing.assert_allclose(np.isin([-0.5, 0.25], drawn_numbers(figure)), True)
    bad, good = (figure.axes[0].patches[i].get_facecolor()[:3] for i in (0, 1))
    assert bad != good


def test_the_map_of_effects_numbers_its_dots() -> None:
    rows = pd.DataFrame({"x": [0.3, 0.1], "x_low": [0.28, 0.08], "x_high": [0.32, 0.12], "y": [-0.5, 0.2],
                         "y_low": [-0.6, 0.1], "y_high": [-0.4, 0.3], "role": ["bad", "good"]})  # fmt: skip
    figure = voice.effect_map(rows, ["Delivery", "Staff"], titles=("share", "points"), metric="mean", language="en")
    assert {"1", "2", "1 Delivery", "2 Staff"} <= set(texts(figure))
    (dots,) = [line for line in figure.axes[0].lines if line.get_gid() == "mean"]
    np.testing.assert_allclose(np.asarray(dots.get_ydata(), float), [-0.5, 0.2])


@pytest.mark.parametrize("top", [0.36, 0.4, 0.405, 0.43])
def test_the_last_tick_of_the_map_of_effects_is_on_the_sheet(top: float) -> None:
    rows = pd.DataFrame({"x": [top - 0.03, 0.05], "x_low": [top - 0.06, 0.02], "x_high": [top, 0.08], "y": [-0.5, 0.2],
                         "y_low": [-0.6, 0.1], "y_high": [-0.4, 0.3], "role": ["bad", "good"]})  # fmt: skip
    figure = voice.effect_map(rows, ["Delivery", "Staff"], titles=("share", "points"), metric="mean", language="en")
    figure.canvas.draw()
    for label in figure.axes[0].get_xticklabels():
        middle = figure.axes[0].transData.transform((label.get_position()[0], 0))[0] * WIDTH / figure.bbox.width
        room = text_width(label.get_text(), size=SMALL) * PHONE / 2
        assert room <= middle <= WIDTH - room


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_to_show_is_said(language: str) -> None:
    none = pd.DataFrame({"row": [], "column": [], "value": []})
    figures = [
        voice.bars(np.empty(0), [], metric="share", language=language),
        voice.heat(none, rows={"a": "A"}, columns={"x": "X"}, metric="mean", signed=True, language=language),
        voice.effect_map(pd.DataFrame(), [], titles=("a", "b"), metric="mean", language=language),
    ]
    for figure in figures:
        assert "<svg" in to_svg(figure)
        assert len(texts(figure))
