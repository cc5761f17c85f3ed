from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from tidy import HOSTILE

from cxlab.report.charts.canvas import drawn_numbers, figure_style, fit, sheet, text_width, wrap
from cxlab.report.style import colour


def drawing() -> Figure:
    with figure_style():
        figure = sheet(120, left=40, right=20)
        axes = figure.axes[0]
        axes.plot([0, 1, 2], [3.25, 4, 5], color=colour("accent"))
        axes.fill_between([0, 1, 2], [2, 3, 4], [4, 5, 6.5], color=colour("band"), alpha=0.7, lw=0)
        axes.set_xticks([0, 1, 2], ["2024", "网上商城", "$x^$ <b>"])
    return figure


def test_drawn_numbers_are_those_of_the_marks() -> None:
    numbers = drawn_numbers(drawing())
    assert np.isin([3.25, 4, 5, 2, 6.5], numbers).all()
    assert not np.isin(3.3, numbers)


def test_chinese_takes_a_whole_em() -> None:
    assert text_width("网上商城", size=10) == 40
    assert text_width("shop", size=10) < 30
    assert text_width("é", size=10) == text_width("e\u0301", size=10)


@pytest.mark.parametrize("text", [*HOSTILE, "two words", "one", "网上商城的商品介绍与图片"])
def test_wrapped_text_fits(text: str) -> None:
    lines = wrap(text, width=90)
    assert len(lines) <= 2
    assert all(text_width(line) <= 90 for line in lines)
    assert text_width(fit(text, width=50)) <= 50


def test_lines_break_at_words_and_in_balance() -> None:
    assert wrap("no touchpoint named", width=100) == ["no touchpoint", "named"]
    first, second = wrap("网上商城的商品介绍与图片", width=100)
    assert abs(len(first) - len(second)) <= 1
