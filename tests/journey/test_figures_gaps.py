from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.journey.figures_gaps import dumbbell, met
from cxlab.report.charts import drawn_numbers


def side(*means: float) -> pd.DataFrame:
    mean = np.array(means)
    return pd.DataFrame({"metric": "mean", "mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.1})


def test_a_dumbbell_has_both_ends_of_each_row_below_its_heading() -> None:
    figure = dumbbell(
        side(4.2, np.nan, 3.9), side(3.1, 3.6, 4.0), ["Delivery", "Web", "Store"], ["−1.1", "", "+0.1"], language="en",
        verdicts=["worse", "", "better"], headings=["Get", "Buy", "Buy"],
    )  # fmt: skip
    axes = figure.axes[0]
    lines = {line.get_gid(): line for line in axes.lines if line.get_gid()}
    np.testing.assert_allclose(lines["first"].get_xdata(), [4.2, np.nan, 3.9])
    np.testing.assert_allclose(lines["second"].get_xdata(), [3.1, 3.6, 4.0])
    np.testing.assert_allclose(np.round(lines["second"].get_ydata()), [1, 3, 4])  # 0 and 2 are the headings
    assert [t.get_text() for t in axes.texts].count("Buy") == 1
    assert sum(line.get_gid() is None for line in axes.lines) == 2  # no line where one end is missing


def test_bars_of_met_expectations_are_the_shares() -> None:
    rows = pd.DataFrame({"p_below": [0.6], "p_met": [0.3], "p_exceeded": [0.1], "low": [0.55], "high": [0.65]})
    figure = met(rows, ["Delivery"], language="en")
    assert {0.6, 0.9, 1.0, 0.55, 0.65} <= set(np.round(drawn_numbers(figure), 9))


def test_nothing_to_draw() -> None:
    assert dumbbell(side(np.nan), side(np.nan), ["a"], [""], language="en").axes[0].texts[0].get_text()
    assert met(pd.DataFrame(), [], language="zh").axes[0].texts[0].get_text()
