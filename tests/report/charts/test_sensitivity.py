from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.report import charts
from cxlab.report.charts.svg import to_svg


def curve() -> pd.DataFrame:
    gap = np.linspace(-4, 2, 61)
    mean = 0.7 + 0.1 * gap
    return pd.DataFrame({"gap": gap, "metric": "csat", "mean": mean, "ci_low": mean - 0.02, "ci_high": mean + 0.02})


def lines(figure: object) -> dict[str, object]:
    return {x.get_gid(): x for x in figure.axes[0].lines}  # type: ignore[attr-defined]


def test_the_curve_the_reference_and_the_mark() -> None:
    figure = charts.supposed(curve(), language="en", reference=0.6, mark=-1.0)
    found = lines(figure)
    x, y = found["mean"].get_xdata(), found["mean"].get_ydata()  # type: ignore[attr-defined]
    assert y == pytest.approx(0.7 + 0.1 * x)
    assert found["mark"].get_xdata()[0] == pytest.approx(-1.0)  # type: ignore[attr-defined]
    assert found["reference"].get_ydata()[0] == 0.6  # type: ignore[attr-defined]
    assert (x.min(), x.max()) == (pytest.approx(-2.2), pytest.approx(2.0))  # what matters lies near the mark
    assert "silent" in figure.axes[0].get_xlabel()
    assert to_svg(figure)


def test_without_a_mark_or_anything() -> None:
    found = lines(charts.supposed(curve(), language="zh"))
    assert set(found) == {"mean", "plain"}
    nothing = charts.supposed(curve().head(0), language="en")
    assert [t.get_text() for t in nothing.axes[0].texts] == ["nothing to show"]
