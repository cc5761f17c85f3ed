"""Figures of the journey, by what their axes hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from cxlab.journey import figures as drawing
from cxlab.report.charts import drawn_numbers, to_svg

MAP = pd.DataFrame(
    {"x": [-0.3, -0.05], "x_low": [-0.35, -0.1], "x_high": [-0.25, 0.0], "y": [0.1, 0.02], "y_low": [0.05, -0.03],
     "y_high": [0.15, 0.07]}
)  # fmt: skip
FLOW = pd.DataFrame(
    [(1, "web", "buy:web", 0.6, 60), (1, "web", "end", 0.3, 30), (1, "buy:web", "end", 0.1, 10),
     (2, "buy:web", "end", 0.6, 60)],
    columns=["step", "touchpoint", "to", "mean", "n"],
)  # fmt: skip


def mean(figure: Figure) -> np.ndarray:
    (line,) = [x for x in figure.axes[0].lines if x.get_gid() == "mean"]
    return np.asarray(line.get_xydata(), float)


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in (*figure.axes[0].texts, *figure.texts)]


def test_the_map_puts_losses_to_the_right_and_names_every_dot() -> None:
    figure = drawing.effect_map(MAP, ["Delivery", "网上商城"], language="en")
    np.testing.assert_allclose(mean(figure), MAP[["x", "y"]])
    assert figure.axes[0].xaxis_inverted()
    assert {"1", "2", "1 Delivery", "2 网上商城"} <= set(texts(figure))
    assert np.isin([-0.35, -0.25, 0.05, 0.15], drawn_numbers(figure)).all()


def test_the_flow_is_as_wide_as_its_journeys_are_many() -> None:
    figure = drawing.flow(FLOW, {"web": "Web", "buy:web": "Purchase", "end": "The end"}, order=["web", "buy:web"],
                          end="end", language="en")  # fmt: skip
    axes = figure.axes[0]
    bars = [(round(p.get_x()), p.get_height()) for p in axes.patches if isinstance(p, Rectangle)]
    columns = sorted({x for x, _ in bars})
    heights = {x: [h for at, h in bars if at == x] for x in columns}
    first = heights[columns[0]]
    assert len(columns) == 3
    np.testing.assert_allclose(first[0] / first[1], 9.0)  # 90 journeys begin on the web, 10 with a purchase
    np.testing.assert_allclose(sum(heights[columns[1]]), sum(first))
    np.testing.assert_allclose(heights[columns[2]], [0.6 * sum(first)])
    assert sum(isinstance(p, PathPatch) for p in axes.patches) == len(FLOW)
    assert "Web" in texts(figure)
    assert "<path" in to_svg(figure)


def test_curves_begin_at_nought_and_bear_their_names() -> None:
    rows = pd.DataFrame({"key": ["a"] * 2 + ["b"] * 2, "week": [4, 13] * 2, "mean": [0.3, 0.6, 0.1, 0.2]})
    rows = rows.assign(ci_low=rows["mean"] - 0.05, ci_high=rows["mean"] + 0.05)
    figure = drawing.curves(rows, {"a": "After delivery", "b": "After web"}, language="en")
    lines = [np.asarray(x.get_ydata(), float).tolist() for x in figure.axes[0].lines if x.get_gid() == "mean"]
    assert lines == [[0.0, 0.3, 0.6], [0.0, 0.1, 0.2]]
    assert {"After delivery", "After web"} <= set(texts(figure))


def test_names_at_the_end_of_curves_do_not_lie_on_each_other() -> None:
    rows = pd.DataFrame({"key": list("abcd"), "week": 13, "mean": [0.7, 0.71, 0.705, 0.7]})
    rows = rows.assign(ci_low=0.6, ci_high=0.72)
    figure = drawing.curves(rows, {k: k.upper() for k in "abcd"}, language="en")
    heights = sorted(t.xy[1] for t in figure.axes[0].texts)
    assert min(np.diff(heights)) * 172 >= 16.9
    assert heights[-1] <= 1.0


def test_ages_show_every_step_and_a_gap_where_too_few_answered() -> None:
    rows = pd.DataFrame({"mean": [0.6, np.nan, 0.7], "ci_low": [0.5, np.nan, 0.6], "ci_high": [0.7, np.nan, 0.8]})
    figure = drawing.ages(rows.assign(metric="share"), ["first 3 months", "3 to 6 months", "later"], language="en")
    (dots,) = [x for x in figure.axes[0].lines if x.get_gid() == "mean"]
    np.testing.assert_array_equal(np.asarray(dots.get_ydata(), float), [0.6, np.nan, 0.7])
    assert any(isinstance(c, LineCollection) for c in figure.axes[0].collections)
    assert "later" in texts(figure)


def test_nothing_to_draw_is_said() -> None:
    none = FLOW.assign(mean=np.nan)
    for figure in (
        drawing.effect_map(MAP.iloc[:0], [], language="en"),
        drawing.flow(none, {}, order=[], end="end", language="en"),
        drawing.curves(none.assign(key="a", week=1), {"a": "A"}, language="en"),
        drawing.ages(none.assign(metric="share"), [""] * 4, language="zh"),
    ):
        assert texts(figure) in (["nothing to show"], ["没有可显示的内容"]) or len(texts(figure)) == 1
