from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.drivers import figures
from cxlab.report.charts import drawn_numbers, to_svg


def sides() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "penalty": [-0.3, -0.1],
            "penalty_low": [-0.4, -0.2],
            "penalty_high": [-0.2, 0.0],
            "reward": [0.05, 0.2],
            "reward_low": [0.0, 0.1],
            "reward_high": [0.1, 0.3],
        }
    )


def clouds(places: list[tuple[float, float]], *, marked: int = -1) -> pd.DataFrame:
    rows = pd.DataFrame(places, columns=["x", "y"]).assign(x_sd=0.01, y_sd=0.01, r=0.3)
    return rows.assign(marked=rows.index == marked)


CORNERS = ("work on first", "keep up", "later", "good enough")


def test_dumbbell_shows_both_sides_of_zero() -> None:
    figure = figures.dumbbell(sides(), ["Delivery", "Staff"], ["pain", "wow"], metric="csat", language="en")
    axes = figure.axes[0]
    dots = {line.get_gid(): np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_gid()}
    assert dots == {"penalty": [-0.3, -0.1], "reward": [0.05, 0.2]}
    assert {-0.4, 0.3} <= set(drawn_numbers(figure).tolist())
    assert [t.get_text() for t in axes.texts] == ["Delivery", "pain", "Staff", "wow"]


def test_clouds_lie_at_their_means() -> None:
    rows, names = clouds([(0.4, 0.3), (0.8, 0.1), (0.6, 0.05)], marked=0), ["Delivery", "Staff", "Web"]
    figure = figures.clouds(rows, names, corners=CORNERS, titles=("satisfied", "importance"), language="en")
    axes = figure.axes[0]
    (line,) = [x for x in axes.lines if x.get_gid() == "mean"]
    np.testing.assert_allclose(line.get_xdata(), rows["x"])
    assert {"Delivery", "Staff", "Web", *CORNERS} <= {t.get_text() for t in axes.texts}
    low, high = axes.get_xlim()
    assert low < 0.4 < 0.8 < high
    assert len(to_svg(figure)) < 30_000


def test_labels_of_a_crowd_do_not_all_cover_each_other() -> None:
    rows = clouds([(0.5 + 0.02 * (k % 4), 0.1 + 0.02 * (k // 4)) for k in range(12)])
    figure = figures.clouds(
        rows, [f"Attribute {k}" for k in range(12)], corners=CORNERS, titles=("x", "y"), language="zh"
    )
    texts = [t for t in figure.axes[0].texts if t.get_text().startswith("Attribute")]
    assert len(texts) == 12
    assert len({(*t.xy, t.get_position()) for t in texts}) == 12


def test_pairs_show_two_shares_a_row() -> None:
    rows = pd.DataFrame({"mean": [0.3, 0.1], "ci_low": [0.2, 0.05], "ci_high": [0.4, 0.15]})
    figure = figures.pairs(rows, rows / 2, ["A", "B"], ("as rated", "without"), language="en")
    dots = {x.get_gid(): np.asarray(x.get_xdata()).tolist() for x in figure.axes[0].lines if x.get_gid()}
    assert dots == {"first": [0.3, 0.1], "second": [0.15, 0.05]}
    assert {t.get_text() for t in figure.texts} == {"as rated", "without"}


def test_nothing_to_show() -> None:
    empty = sides().head(0)
    for figure in (
        figures.dumbbell(empty, [], [], metric="csat", language="en"),
        figures.clouds(clouds([]), [], corners=CORNERS, titles=("x", "y"), language="en"),
        figures.pairs(empty, empty, [], ("a", "b"), language="en"),
    ):
        assert [t.get_text() for t in figure.axes[0].texts] == ["nothing to show"]
