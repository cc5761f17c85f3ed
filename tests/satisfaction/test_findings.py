from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from tidy import HOSTILE, LABELS, codes, estimates, frame, level, row, tell

from cxlab.report import Finding, blocks
from cxlab.report.format import Labels
from cxlab.satisfaction import findings

WHAT = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3"}
AGE = WHAT | {"level": "segment:age"}


def blank(rows: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """All numbers gone, as suppression or failed checks leave them."""
    numbers = ["mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref"]
    return rows.assign(**dict.fromkeys(numbers, np.nan), verdict=verdict)


def test_level() -> None:
    found = tell(findings.level, estimates(), **WHAT)
    assert found.sentence("en") == "Q3 2026: the net promoter score was 31 (likely 28 to 34)."
    assert found.sentence("zh") == "2026年第三季度，净推荐值为 31（可能范围 28 至 34）。"
    assert found.pages["en"].note == "4,210 answers; 90\u00a0% interval; weighted to the customer base"
    assert found.pages["en"].caption == "Bar: likely range; dashed: Q2 2026"


def test_level_of_a_named_question_beside_the_others() -> None:
    found = tell(findings.level, estimates(), **WHAT | {"item": "delivery", "metric": "csat"})
    assert found.sentence("en") == (
        "Q3 2026: the share satisfied with “Delivery on time” was 61\u00a0% (likely 59 to 63\u00a0%)."
    )
    figure = found.pages["zh"].figure
    assert figure is not None
    assert [t.get_text() for t in figure.axes[0].texts] == ["店员", "80%", "总体满意度", "72%", "准时送达", "61%"]


def test_a_fall() -> None:
    found = tell(findings.change, estimates(), **WHAT)
    assert found.verdict == "worse"
    assert found.sentence("en") == (
        "The net promoter score fell from 37 to 31 (likely 28 to 34). A fall is very probable (P = .98)."
    )
    assert found.sentence("zh") == "净推荐值从 37 降至 31（可能范围 28 至 34）。极有可能是下降（P = 0.98）。"


def test_a_rise() -> None:
    found = tell(findings.change, estimates(), **WHAT | {"period": "2026Q1"})
    assert found.verdict == "better"
    assert found.sentence("en").startswith("The net promoter score rose from 33 to 38 (likely 35 to 41).")


def test_no_real_change() -> None:
    found = tell(findings.change, estimates(), **WHAT | {"period": "2026Q2"})
    assert found.sentence("en") == (
        "No real change: the net promoter score was 37, after 38 the period before. The difference is likely −5 to +3."
    )
    assert found.sentence("zh") == "没有实质变化：净推荐值为 37，上一期为 38。差异的可能范围为 −5 至 +3。"


def test_cannot_tell() -> None:
    found = tell(findings.change, estimates(), **WHAT | {"item": "overall", "metric": "csat"})
    assert found.verdict == "cannot_tell"
    assert found.sentence("en") == (
        "We cannot tell whether the share of satisfied customers changed: it was 72\u00a0%, after 73\u00a0% the period"
        " before. The difference is likely −3 to +1 points. A fall is more probable than not (P = .70)."
    )


@pytest.mark.parametrize("make", [findings.level, findings.change, findings.trend])
@pytest.mark.parametrize(("verdict", "word"), [("withheld", "no statement"), ("suppressed", "Too few answers")])
def test_nothing_is_claimed_without_numbers(make: object, verdict: str, word: str) -> None:
    found = tell(make, blank(estimates(), verdict), **WHAT)  # type: ignore[operator]
    assert word in found.sentence("en")
    assert found.verdict == verdict
    assert found.pages["en"].figure is None
    assert not re.search(r"\d\d %|\(P|likely \d", found.sentence("en"))


@pytest.mark.parametrize(("verdict", "word"), [("withheld", "no statement"), ("suppressed", "no group has enough")])
def test_groups_without_numbers(verdict: str, word: str) -> None:
    found = tell(findings.groups, blank(estimates(), verdict), **AGE)
    assert word in found.sentence("en")
    assert found.verdict == verdict


def test_a_change_whose_last_period_is_suppressed_gives_no_number() -> None:
    rows = estimates()
    now = (rows["period"] == "2026Q3") & (rows["estimand"] == "level") & (rows["item"] == "nps")
    rows.loc[now, ["mean", "ci_low", "ci_high"]] = np.nan
    rows.loc[now, "verdict"] = "suppressed"
    found = tell(findings.change, rows, **WHAT)
    assert found.sentence("en") == "Too few answers to say whether the net promoter score changed."


def test_the_first_period_has_no_change() -> None:
    assert "first period" in tell(findings.change, estimates(), **WHAT | {"period": "2025Q3"}).sentence("en")
    rows = estimates()
    without = rows[(rows["estimand"] != "change") | (rows["period"] != "2026Q3")]
    assert "cannot be compared" in tell(findings.change, without, **WHAT).sentence("en")


def test_groups() -> None:
    found = tell(findings.groups, estimates(), **AGE)
    assert found.sentence("en") == (
        "By age: “45-64” has the highest estimate, 35, and “18-24” the lowest, 20. Their likely ranges are 31 to 39 and"
        " 16 to 24. Which one is really the highest we cannot tell (P = .69 for “45-64”)."
        " 1 group has too few answers and is not shown."
    )
    assert "proof" in found.pages["en"].note
    assert "相关" in found.pages["zh"].note


def test_a_clear_first_rank() -> None:
    rows = estimates()
    rows.loc[(rows["estimand"] == "p_rank_best") & (rows["group"] == "45-64"), "mean"] = 0.96
    assert "That “45-64” is really the highest is very probable (P = .96)." in tell(
        findings.groups, rows, **AGE
    ).sentence("en")


def test_one_group() -> None:
    rows = estimates()
    rows = rows[rows["group"].isin(["total", "25-44"])]
    assert "only one group has enough answers, “25-44”, with 33" in tell(findings.groups, rows, **AGE).sentence("en")


def test_a_level_that_is_not_there() -> None:
    found = tell(findings.groups, estimates(), **WHAT | {"level": "channel"})
    assert found.sentence("en") == "There are no answers by channel."
    assert found.blocks("en")[0]["verdict"] == ""


def test_trend() -> None:
    found = tell(findings.trend, estimates(), **WHAT)
    assert found.sentence("en") == (
        "The net promoter score went from 36 in Q3 2025 to 31 in Q3 2026. Of 4 changes from one period to the next,"
        " 3 are real: a fall in Q4 2025, a rise in Q1 2026, a fall in Q3 2026."
    )
    calm = estimates()
    calm.loc[calm["estimand"] == "change", "verdict"] = "no_real_change"
    assert "No single change" in tell(findings.trend, calm, **WHAT).sentence("en")
    assert "only one period" in tell(findings.trend, estimates(), **WHAT | {"period": "2025Q3"}).sentence("en")


def test_codes() -> None:
    found = tell(findings.codes, codes(), labels=LABELS, item="nps", period="2026Q3", net_promoter=True)
    assert found.sentence("en") == "Q3 2026: 50\u00a0% are promoters (9 or 10) and 20\u00a0% are detractors (0 to 6)."
    five = codes().head(5).assign(code=range(1, 6), share=[0.05, 0.1, 0.15, 0.4, 0.3])
    found = tell(findings.codes, five, labels=LABELS, item="delivery", period="2026Q3", satisfied_from=4)
    assert found.sentence("zh") == "2026年第三季度，70% 打了 4 分及以上，5% 打了最低分。"


def test_codes_hidden_or_absent() -> None:
    hidden = codes().assign(share=np.nan)
    assert "Too few" in tell(
        findings.codes, hidden, labels=LABELS, item="nps", period="2026Q3", net_promoter=True
    ).sentence("en")
    none = tell(findings.codes, codes().head(0), labels=LABELS, item="nps", period="2026Q3", net_promoter=True)
    assert "no answers" in none.sentence("en")


def test_the_widest_weighting_speaks() -> None:
    both = pd.concat([estimates(), estimates().assign(weighting="none", mean=99.0, ci_low=98.0, ci_high=100.0)])
    assert "was 31" in tell(findings.level, both, **WHAT).sentence("en")
    assert "was 99" in tell(findings.level, both, **WHAT, weighting="none").sentence("en")
    assert tell(findings.level, both, **WHAT, weighting="none").pages["en"].note.endswith("unweighted")


def every(rows: pd.DataFrame, labels: Labels, item: str, group_level: str) -> list[Finding]:
    what = {"labels": labels, "item": item, "metric": "nps", "period": "2026Q3", "languages": ("zh",)}
    return [
        tell(findings.level, rows, **what),
        tell(findings.change, rows, **what),
        tell(findings.trend, rows, **what),
        tell(findings.groups, rows, level=group_level, **what),
        tell(findings.codes, codes(), labels=labels, item=item, period="2026Q3", satisfied_from=9, languages=("zh",)),
    ]


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t])  # which no column of a table can hold
def test_hostile_names_neither_break_nor_run(text: str) -> None:
    rows = estimates().replace(
        {"item": {"nps": text}, "group": {"45-64": text}, "level": {"segment:age": f"segment:{text}"}}
    )
    labels = Labels(brand=text, overall=())
    for found in every(rows, labels, text, f"segment:{text}"):
        html = blocks.mimebundle(found.payload())["text/html"]
        assert "<script" not in html.lower()
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', html))


def test_of_an_empty_table_there_is_nothing_to_say() -> None:
    for found in every(estimates().head(0), LABELS, "nps", "segment:age")[:4]:
        assert found.verdict == ""
        assert re.search("没有|第一个时期|只有一个时期", found.sentence("zh"))
        assert found.payload()


def test_a_group_with_digits_in_its_name_is_no_number() -> None:
    rows = [level(30.0 + g, 2.0, level="segment:store", group=str(g)) for g in (31, 32)]
    rows += [row(estimand="p_rank_best", level="segment:store", group=str(g), mean=0.5) for g in (31, 32)]
    found = tell(findings.groups, frame(rows), **WHAT | {"level": "segment:store"})
    assert "“32” has the highest estimate, 62" in found.sentence("en")
