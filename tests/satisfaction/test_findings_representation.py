from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import HOSTILE, LABELS, estimates, frame, level, tell

from cxlab.report import blocks
from cxlab.report.format import Labels
from cxlab.satisfaction import findings
from cxlab.satisfaction.nonresponse import RESPONSE_COLUMNS, SENSITIVITY_COLUMNS

WHAT = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3"}


def curve(*, claim: str = "change", start: str = "worse", tips_at: float | None = 0.8) -> pd.DataFrame:
    """NPS 31 at a gap of 0, rising by 20 with each point; the verdict changes at `tips_at`."""
    gap = np.round(np.arange(-3.0, 3.01, 0.2), 6)
    mean = 31.2 + 20 * gap
    rows = pd.DataFrame({"gap": gap, "delta": -gap, "mean": mean, "ci_low": mean - 3, "ci_high": mean + 3})
    tipped = np.zeros(len(gap), bool) if tips_at is None else (gap >= tips_at if tips_at > 0 else gap <= tips_at)
    rows = rows.assign(
        item="nps", metric="nps", weighting="population", period="2026Q3", claim=claim, ci_prob=0.9, ref=37.0,
        verdict=np.where(tipped, "cannot_tell", start), tipping=np.isclose(gap, tips_at or np.nan), rate=0.4, n=4210,
    )  # fmt: skip
    return rows[list(SENSITIVITY_COLUMNS)]


def test_where_everybody_answered_nobody_is_silent() -> None:
    found = tell(findings.sensitivity, curve().assign(gap=0.0, rate=1.0, tipping=False), **WHAT)
    assert "Everybody who was asked answered" in found.sentence("en")


def test_how_strong_it_must_be() -> None:
    found = tell(findings.sensitivity, curve(), **WHAT)
    assert found.sentence("en") == (
        "That the net promoter score fell would no longer be clear if those who did not answer had scored 0.8 points"
        " higher than those like them who did."
    )
    assert found.sentence("zh") == "倘若未作答者的评分比同类作答者高 0.8 分，“净推荐值下降”就不再明确。"
    assert found.verdict == "worse"
    figure, table = found.pages["en"].figure, found.pages["en"].table
    assert figure is not None
    assert table is not None
    (mark,) = [x for x in figure.axes[0].lines if x.get_gid() == "mark"]
    assert mark.get_xdata()[0] == pytest.approx(0.8)
    (dashed,) = [x for x in figure.axes[0].lines if x.get_gid() == "reference"]
    assert dashed.get_ydata()[0] == 37.0
    assert ["as those like them", "31 (28 to 34)", "worse"] in table["rows"]
    assert ["0.8 higher", "47 (44 to 50)", "cannot tell"] in table["rows"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            curve(start="better", tips_at=-1.4),
            "rose would no longer be clear if those who did not answer had scored 1.4",
        ),
        (curve(start="no_real_change", tips_at=0.2), "did not really change would no longer be clear"),
        (curve(tips_at=None), "fell would hold however much those who did not answer differ"),
        (curve(claim="target", start="above", tips_at=-0.4), "is above its target would no longer be clear"),
        (
            curve(claim="", start="cannot_tell", tips_at=None),
            "If those who did not answer had scored 1.0 points lower than those like them who did, the net promoter"
            " score would be 11 (likely 8 to 14).",
        ),
        (curve().head(0), "neither who was asked nor who is a customer is known"),
        (curve().assign(mean=np.nan, verdict="suppressed"), "neither who was asked"),
    ],
)
def test_what_the_panel_says(rows: pd.DataFrame, said: str) -> None:
    found = tell(findings.sensitivity, rows, **WHAT)
    assert said in found.sentence("en")
    assert found.payload()


def test_it_is_told_inside_the_headline() -> None:
    inside = tell(findings.sensitivity, curve(), **WHAT)
    found = tell(findings.level, estimates(), inside=[inside], **WHAT)
    assert found.sentence("en") == f"Q3 2026: the net promoter score was 31 (likely 28 to 34). {inside.sentence('en')}"
    kinds = [b["type"] for b in found.blocks("en")]
    assert kinds == ["finding", "figure", "table", "figure", "table"]
    assert found.numbers["gap"].value == 0.8


def test_a_withheld_headline_supposes_nothing() -> None:
    rows = estimates().assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="withheld")
    found = tell(findings.level, rows, inside=[tell(findings.sensitivity, curve(), **WHAT)], **WHAT)
    assert "would" not in found.sentence("en")
    assert "figure" not in [b["type"] for b in found.blocks("en")]


def weighted(**means: float) -> pd.DataFrame:
    return frame([level(mean, 3.0, weighting=w) for w, mean in means.items()])


def test_three_ways_to_weigh() -> None:
    found = tell(findings.weightings, weighted(none=38.0, survey=33.0, population=31.2), practical=5, **WHAT)
    assert found.sentence("en") == (
        "How answers are weighted matters here: the net promoter score is 31 weighted to the customer base, and 38 as"
        " answered."
    )
    figure = found.pages["en"].figure
    assert figure is not None
    (dots,) = [x for x in figure.axes[0].lines if x.get_gid() == "mean"]
    assert list(dots.get_xdata()) == [38.0, 33.0, 31.2]
    table = found.pages["zh"].table
    assert table is not None
    assert table["rows"][2] == ["按客户总体加权", "31（28 至 34）", "4,210", "4,000"]


def test_weights_that_change_nothing_and_weights_that_are_not_there() -> None:
    found = tell(findings.weightings, weighted(none=31.0, population=31.2), practical=5, **WHAT)
    assert "less of a difference than the limit you set" in found.sentence("en")
    alone = tell(findings.weightings, weighted(none=31.0), practical=5, **WHAT)
    assert "`population:`" in alone.sentence("en")
    assert "stands for those who answered" in alone.sentence("en")
    none = tell(findings.weightings, weighted(none=31.0).head(0), practical=5, **WHAT)
    assert "no answers" in none.sentence("en")


def asked(*, invited: bool = True) -> pd.DataFrame:
    """Two ages and a group that never answers."""
    groups = [("18-24", 400, 80, 500, 0.25, 0.16), ("25-44", 800, 400, 1400, 0.7, 0.84), ("65+", 40, 0, 100, 0.05, 0.0)]
    whole = {"level": "total", "group": "", "n": 1240, "answered": 480}
    rows = [
        whole | {"mean": 480 / 1240, "estimand": "response_rate"},
        whole | {"mean": 0.74, "ci_low": 0.7, "ci_high": 0.78, "estimand": "r_indicator"},
    ]
    for group, n, answered, base, share, heard_share in groups:
        rate = answered / n
        own = {"level": "segment:age", "group": group, "estimand": "response_rate", "n": n, "answered": answered}
        own |= {"mean": rate, "ci_low": max(rate - 0.03, 0), "ci_high": rate + 0.03}
        rows.append(own | {"base": base, "base_share": share, "answer_share": heard_share})
    found = pd.DataFrame(rows).assign(frame="invitations", period="2026Q3", metric="rate", verdict="", ci_prob=0.9)
    found["never_heard"] = found["group"] == "65+"
    found = found.reindex(columns=list(RESPONSE_COLUMNS))
    return found if invited else found.assign(frame="customers", n=0, mean=np.nan, verdict="suppressed")


ABOUT = {"labels": LABELS, "period": "2026Q3"}


def test_response_rates() -> None:
    found = tell(findings.rates, asked(), **ABOUT)
    assert found.sentence("en") == (
        "In Q3 2026, 480 of 1,240 people asked answered (39\u00a0%). Most readily answered “Age 25-44” (50.0\u00a0%),"
        " least readily “Age 65+” (0.0\u00a0%)."
    )
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][-1][:3] == ["all customers", "480", "1,240"]
    figure = found.pages["en"].figure
    assert figure is not None
    (dots,) = [x for x in figure.axes[0].lines if x.get_gid() == "mean"]
    assert list(dots.get_xdata()) == [0.5, 0.2, 0.0]


@pytest.mark.parametrize(("half", "said"), [(0.005, "Most readily"), (0.02, "hardly differs"), (0.3, "we cannot tell")])
def test_rates_are_called_alike_only_where_they_are_known_to_be(half: float, said: str) -> None:
    rows = asked()
    groups = rows["level"] != "total"
    rows.loc[groups, "mean"] = [0.31, 0.32, 0.30]
    rows.loc[groups, "ci_low"], rows.loc[groups, "ci_high"] = rows["mean"] - half, rows["mean"] + half
    assert said in tell(findings.rates, rows, **ABOUT).sentence("en")


def test_rates_that_nobody_knows() -> None:
    for rows in (asked(invited=False), asked().head(0)):
        assert "nobody wrote down who was asked" in tell(findings.rates, rows, **ABOUT).sentence("en")


def test_who_is_heard_too_little_and_who_never() -> None:
    found = tell(findings.representation, asked(), **ABOUT)
    assert found.sentence("en") == (
        "Those who answered differ clearly from those who were asked: representativeness is .74 of 1 (likely .70 to"
        " .78). Heard least for its number is “Age 18-24”, with 25.0\u00a0% of the customers and 16.0\u00a0% of the"
        " answers. Never heard in the last periods: Age 65+."
    )
    assert "从未听到其声音的有：年龄 65+" in found.sentence("zh")


def test_an_even_hearing() -> None:
    rows = asked().assign(never_heard=False)
    rows["answer_share"] = rows["base_share"]
    rows.loc[rows["estimand"] == "r_indicator", ["mean", "ci_low", "ci_high"]] = 0.95, 0.91, 0.99
    text = tell(findings.representation, rows, **ABOUT).sentence("en")
    assert "much like those who were asked" in text
    assert "No group is heard much less" in text
    assert "Every group is heard." in text


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.74, 0.70, 0.78), "differ clearly"),
        ((0.78, 0.74, 0.82), "differ somewhat"),
        ((0.93, 0.86, 0.98), "much like"),
        ((0.74, 0.50, 0.96), "we cannot tell"),
        ((0.95, 0.60, 1.00), "we cannot tell"),
    ],
)
def test_likeness_is_claimed_as_far_as_its_interval_goes(ends: tuple[float, float, float], said: str) -> None:
    rows = asked()
    rows.loc[rows["estimand"] == "r_indicator", ["mean", "ci_low", "ci_high"]] = ends
    assert said in tell(findings.representation, rows, **ABOUT).sentence("en")


def test_without_a_frame_it_says_what_would_be_needed() -> None:
    found = tell(findings.representation, asked().head(0), **ABOUT)
    assert "`customers`, `invitations`" in found.sentence("en")


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t])
def test_hostile_names(text: str) -> None:
    rows = asked().replace({"group": {"18-24": text}, "level": {"segment:age": f"segment:{text}"}})
    for found in (
        tell(findings.rates, rows, labels=Labels(), period=text),
        tell(findings.representation, rows, labels=Labels(), period=text),
    ):
        html = blocks.mimebundle(found.payload())["text/html"]
        assert "<script" not in html.lower()
