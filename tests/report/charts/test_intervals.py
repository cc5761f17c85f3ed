from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from tidy import HOSTILE, NPS, codes, estimates, select

from cxlab.report import charts
from cxlab.report.charts.canvas import drawn_numbers
from cxlab.report.charts.svg import to_svg
from cxlab.report.style import colour


def line(figure: Figure, gid: str) -> list[Line2D]:
    return [x for x in figure.axes[0].lines if x.get_gid() == gid]


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts]


def nps() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = estimates()
    return tuple(select(rows, estimand=e, item="nps", metric="nps") for e in ("level", "change"))  # type: ignore[return-value]


def test_a_trend_shows_all_periods_and_the_last_value_in_words() -> None:
    levels, changes = nps()
    figure = charts.trend(levels, language="en", changes=changes)
    axes = figure.axes[0]
    assert line(figure, "mean")[0].get_ydata() == pytest.approx(NPS)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["Q3 2025", "Q4 2025", "Q1 2026", "Q2 2026", "Q3 2026"]
    assert texts(figure) == ["31", "(28 to 34)"]
    low, high = axes.get_ylim()
    assert low < 28.2
    assert high > 41


def test_real_changes_are_marked_with_their_direction() -> None:
    levels, changes = nps()
    marks = line(charts.trend(levels, language="en", changes=changes), "changed")
    assert [(m.get_xdata()[0], m.get_marker()) for m in marks] == [(1, "v"), (2, "^"), (4, "v")]
    assert {m.get_color() for m in marks} == {colour("bad"), colour("good")}
    assert line(charts.trend(levels, language="en"), "changed") == []


def test_a_trend_in_disorder_is_put_in_order() -> None:
    levels, _ = nps()
    figure = charts.trend(levels.sample(frac=1, random_state=1), language="en")
    assert line(figure, "mean")[0].get_ydata() == pytest.approx(NPS)


def test_a_gap_stays_a_gap_and_a_missing_last_value_is_not_labelled() -> None:
    levels, _ = nps()
    levels.loc[4, ["mean", "ci_low", "ci_high"]] = np.nan
    figure = charts.trend(levels, language="zh")
    assert np.isnan(line(figure, "mean")[0].get_ydata()[4])
    assert texts(figure) == ["37", "(34 至 40)"]


def test_many_periods_keep_their_labels_apart() -> None:
    levels, _ = nps()
    months = [f"{y}-{m:02d}" for y in (2024, 2025, 2026) for m in range(1, 13)]
    long = pd.concat([levels.head(1)] * 36, ignore_index=True).assign(period=months)
    labels = [t.get_text() for t in charts.trend(long, language="en").axes[0].get_xticklabels()]
    assert labels[-1] == "12/2026"
    assert 2 <= len(labels) <= 8


@pytest.mark.parametrize("rows", [0, 1])
def test_a_trend_of_hardly_anything(rows: int) -> None:
    levels, changes = nps()
    figure = charts.trend(levels.tail(rows), language="en", changes=changes.tail(0))
    assert to_svg(figure)
    assert texts(figure)[0] == ("31" if rows else "nothing to show")


def test_the_axis_does_not_dramatise_noise() -> None:
    levels, _ = nps()
    flat = levels.assign(mean=30 + levels["mean"] / 1000, ci_low=29.9, ci_high=30.2)
    low, high = charts.trend(flat, language="en").axes[0].get_ylim()
    assert high - low >= 20


def groups() -> pd.DataFrame:
    return select(estimates(), estimand="level", item="nps", metric="nps", level="segment:age", period="2026Q3")


def test_intervals_show_bar_dot_and_the_last_period() -> None:
    now = groups()
    before = now.assign(mean=now["mean"] + 2)
    figure = charts.intervals(now, ["a", "b", "c", "d"], language="en", previous=before)
    assert line(figure, "mean")[0].get_xdata()[:3] == pytest.approx([20, 33, 35])
    assert np.isin([16, 24, 29, 37, 31, 39, 22, 35, 37], drawn_numbers(figure)).all()
    assert texts(figure) == ["a", "20", "b", "33", "c", "35", "d", "too few answers"]
    assert figure.axes[0].get_ylim() == (3.5, -0.5)  # the first row on top


def test_a_hidden_row_hides_its_last_period_too() -> None:
    now = groups()
    figure = charts.intervals(now, list("abcd"), language="en", previous=now.assign(mean=[1.0, 2.0, 3.0, 77.0]))
    assert 77 not in drawn_numbers(figure)
    assert 3 in drawn_numbers(figure)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_group_names(name: str) -> None:
    assert to_svg(charts.intervals(groups().head(1), [name], language="zh"))


def test_intervals_of_nothing_and_of_hidden_rows() -> None:
    assert texts(charts.intervals(groups().head(0), [], language="en")) == ["nothing to show"]
    assert "too few answers" in texts(charts.intervals(groups().tail(1), ["d"], language="en"))


def test_differences_carry_signs_and_a_reference() -> None:
    _, changes = nps()
    figure = charts.intervals(changes, list("abcd"), language="en", reference=0.0)
    assert [t for t in texts(figure) if t not in "abcd"] == ["−3", "+5", "−1", "−6"]
    assert 0 in drawn_numbers(figure)


def test_codes_are_bars_coloured_by_zone() -> None:
    data = codes()
    figure = charts.codes(data, language="en", good_from=9, bad_to=6)
    bars = figure.axes[0].patches
    assert [b.get_height() for b in bars] == pytest.approx(data["share"].tolist())
    faces = [b.get_facecolor()[:3] for b in bars]
    assert len({faces[0], faces[7], faces[10]}) == 3
    assert faces[0] == faces[6] != faces[7]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [str(c) for c in range(11)]
    assert texts(figure)[-1] == "30"
    assert np.isin(data["previous"], drawn_numbers(figure)).all()


def test_short_scales_show_per_cent_signs() -> None:
    figure = charts.codes(codes().head(5).drop(columns="previous"), language="zh", good_from=4)
    assert texts(figure)[0] == "3%"


def test_codes_of_nothing() -> None:
    assert texts(charts.codes(codes().assign(share=np.nan), language="en")) == ["nothing to show"]
