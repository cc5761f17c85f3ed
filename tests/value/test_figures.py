"""Figures of value show what they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.report.charts import drawn_numbers
from cxlab.value.figures import classes, course, moves


def rows(n: int) -> pd.DataFrame:
    mean = np.linspace(3, 5, n)
    return pd.DataFrame({"at": range(1, n + 1), "mean": mean, "ci_low": mean - 1, "ci_high": mean + 1,
                         "actual": mean + 0.3})  # fmt: skip


def has(figure: object, value: float) -> bool:
    return bool(np.isclose(drawn_numbers(figure), value).any())  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_course_shows_forecast_and_what_came(language: str) -> None:
    figure = course(rows(6), language=language, axis="week")
    assert has(figure, 3.0)
    assert has(figure, 5.3)
    (line,) = [x for x in figure.axes[0].lines if x.get_gid() == "actual"]
    assert len(line.get_ydata()) == 6


def test_classes_have_a_bar_a_dot_and_a_tick_each() -> None:
    figure = classes(rows(3), ["0", "1", "2+"], language="en", axis="repeat purchases")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1", "2+"]
    assert all(has(figure, v) for v in (2.0, 4.0, 6.0, 4.3))


def test_moves_write_every_share_and_a_gap_where_none_is_known() -> None:
    data = pd.DataFrame({"from": [0, 0, 1, 1], "to": [0, 1, 0, 1], "mean": [0.9, 0.1, np.nan, 1.0]})
    figure = moves(data, ["active", "new"], ["active", "lapsed"], language="en")
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert [t for t in texts if "%" in t or t == "–"] == ["90\u00a0%", "10\u00a0%", "–", "100\u00a0%"]
    assert has(figure, 0.9)


def test_nothing_to_draw_says_so() -> None:
    for figure in (course(rows(0), language="en", axis=""), classes(rows(0), [], language="en", axis=""),
                   moves(pd.DataFrame(), [], [], language="en")):  # fmt: skip
        assert "nothing to show" in [t.get_text() for t in figure.axes[0].texts]
