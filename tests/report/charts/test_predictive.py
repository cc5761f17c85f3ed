from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.report import charts
from cxlab.report.charts.canvas import drawn_numbers
from cxlab.report.charts.svg import to_svg


def test_the_prior_is_a_histogram_of_all_draws() -> None:
    draws = pd.DataFrame({"metric": "nps", "value": np.r_[np.linspace(-60, 60, 500), np.nan]})
    figure = charts.prior(draws, language="en")
    axes = figure.axes[0]
    assert sum(p.get_height() for p in axes.patches) == pytest.approx(1)
    edges = [p.get_x() for p in axes.patches]
    assert min(edges) == pytest.approx(-60)
    assert axes.get_xlabel() == "Net promoter score, before seeing data"
    assert to_svg(figure)


def test_the_check_shows_answers_and_predictions() -> None:
    observed = np.array([0.2, 0.3, 0.5])
    shares = pd.DataFrame({"code": [3, 1, 2], "observed": observed, "mean": observed + 0.01,
                           "ci_low": observed - 0.05, "ci_high": observed + 0.06})  # fmt: skip
    figure = charts.check(shares, language="zh")
    axes = figure.axes[0]
    assert [p.get_height() for p in axes.patches] == pytest.approx([0.3, 0.5, 0.2])
    dots = next(x for x in axes.lines if x.get_gid() == "mean")
    assert dots.get_ydata() == pytest.approx([0.31, 0.51, 0.21])
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["实际", "模型预测"]
    assert all(np.isclose(drawn_numbers(figure), x).any() for x in (0.15, 0.26, 0.56))


def test_nothing_to_show() -> None:
    none = pd.DataFrame(columns=["metric", "value", "code", "observed", "mean", "ci_low", "ci_high"])
    assert [t.get_text() for t in charts.prior(none, language="en").axes[0].texts] == ["nothing to show"]
    assert [t.get_text() for t in charts.check(none, language="en").axes[0].texts] == ["nothing to show"]
