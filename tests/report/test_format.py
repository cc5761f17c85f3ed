from __future__ import annotations

import math

import pytest
from tidy import HOSTILE

from cxlab.report import format
from cxlab.report.format import Labels


@pytest.mark.parametrize(
    ("value", "metric", "signed", "en", "zh"),
    [
        (31.2, "nps", False, "31", "31"),
        (-31.2, "nps", False, "−31", "−31"),
        (-0.3, "nps", False, "0", "0"),
        (-0.3, "nps", True, "0", "0"),
        (6.4, "nps", True, "+6", "+6"),
        (0.724, "csat", False, "72\u00a0%", "72%"),
        (-0.031, "csat", True, "−3 points", "−3 个百分点"),
        (3.994, "mean", False, "3.99", "3.99"),
        (0.9996, "rate", False, ">\u00a099.9\u00a0%", ">\u00a099.9%"),
        (1.0, "rate", False, "100.0\u00a0%", "100.0%"),
        (0.0002, "rate", False, "<\u00a00.1\u00a0%", "<\u00a00.1%"),
        (0.0, "rate", False, "0.0\u00a0%", "0.0%"),
        (1234567, "count", False, "1,234,567", "1,234,567"),
        (302_456.7, "money", False, "302,000", "302,000"),
        (-1234.5, "money", True, "−1,230", "−1,230"),
        (412.6, "money", False, "413", "413"),
        (23.184, "money", False, "23.18", "23.18"),
        (0.0, "money", False, "0", "0"),
        (math.nan, "nps", False, "—", "—"),
    ],
)
def test_numbers(value: float, metric: str, signed: bool, en: str, zh: str) -> None:
    assert format.number(value, metric=metric, language="en", signed=signed) == en
    assert format.number(value, metric=metric, language="zh", signed=signed) == zh


@pytest.mark.parametrize(
    ("language", "metric", "signed", "wanted"),
    [
        ("en", "nps", False, "31 (28 to 34)"),
        ("zh", "nps", False, "31（28 至 34）"),
        ("en", "nps", True, "+31 (+28 to +34)"),
    ],
)
def test_estimates(language: str, metric: str, signed: bool, wanted: str) -> None:
    assert format.estimate(31, 28, 34, metric=metric, language=language, signed=signed) == wanted


def test_an_interval_of_shares_names_its_unit() -> None:
    assert format.span(0.7, 0.74, metric="csat", language="en") == "70 to 74\u00a0%"
    assert format.span(0.7, 0.74, metric="csat", language="zh") == "70% 至 74%"
    assert format.span(-0.03, 0.01, metric="csat", language="en", signed=True) == "−3 to +1 points"
    assert format.estimate(-0.01, -0.03, 0.01, metric="csat", language="en", signed=True) == "−1 points (−3 to +1)"


@pytest.mark.parametrize(
    ("value", "en", "zh"),
    [
        (0.98, ".98", "0.98"),
        (0.996, ">\u00a0.99", ">\u00a00.99"),
        (0.001, "<\u00a0.01", "<\u00a00.01"),
        (0.5, ".50", "0.50"),
    ],
)
def test_probabilities(value: float, en: str, zh: str) -> None:
    assert (format.probability(value, language="en"), format.probability(value, language="zh")) == (en, zh)


@pytest.mark.parametrize(
    ("period", "en", "zh"),
    [
        ("2017", "2017", "2017年"),
        ("2026H1", "first half of 2026", "2026年上半年"),
        ("2026Q3", "Q3 2026", "2026年第三季度"),
        ("2026-Q3", "Q3 2026", "2026年第三季度"),
        ("2026-07", "July 2026", "2026年7月"),
        ("2026W05", "week 5 of 2026", "2026年第5周"),
        ("2026-07-15", "15 July 2026", "2026年7月15日"),
        ("2026-13", "2026-13", "2026-13"),
        ("2026-02-30", "2026-02-30", "2026-02-30"),
        ("wave <3>", "wave <3>", "wave <3>"),
    ],
)
def test_periods(period: str, en: str, zh: str) -> None:
    assert format.period_name(period, language="en") == en
    assert format.period_name(period, language="zh") == zh
    assert format.tick_name(period, language="en")


def test_words_for_probabilities_never_say_likely() -> None:
    words = [format.certainty(p, language="en") for p in (0.999, 0.96, 0.85, 0.7, 0.5)]
    assert len(set(words)) == 5
    assert not any("likely" in w for w in words)


def test_names_fall_back_to_the_id() -> None:
    labels = Labels(items={"wifi": {"en": "Wi-Fi"}}, groups={"touchpoint": {"food": "Restaurants"}})
    assert labels.item("wifi", "zh") == "Wi-Fi"
    assert labels.item("check_in", "en") == "check in"
    assert labels.item("nps", "zh") == "推荐意愿"
    assert labels.group("touchpoint", "food", "zh") == "Restaurants"
    assert labels.group("segment:age", "(unknown)", "zh") == "未说明"
    assert labels.level("segment:age_band", "en") == "age band"


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_is_one_legal_line(text: str) -> None:
    kept = format.plain(text)
    assert kept.encode("utf-8").decode() == kept
    assert not any(ord(c) < 32 or c in "\u202e\u2028\uffff" for c in kept)


def test_both_ends_of_a_range_of_money_have_one_precision() -> None:
    assert format.span(94.55, 127.2, metric="money", language="en") == "95 to 127"
    assert format.span(-1430.2, 19.03, metric="money", language="en", signed=True) == "−1,430 to +19"
    assert format.span(1.5, 23.184, metric="money", language="en") == "1.50 to 23.18"


@pytest.mark.parametrize(
    ("now", "before", "change", "metric", "told"),
    [
        (20.6, 40.4, -19.8, "nps", -19.0),  # 21 after 40, not "-20"
        (20.6, 40.4, -30.0, "nps", -30.0),  # another difference is left alone
        (20.4, 20.1, 0.3, "nps", 0.3),
        (20.4, 19.6, 0.8, "nps", 0.8),  # both written as 20: no sign is invented
        (0.654, 0.706, -0.052, "csat", -0.06),
        (4.184, 3.176, 1.008, "mean", 1.0),
        (float("nan"), 40.0, -1.0, "nps", -1.0),
        (123.4, 234.5, -111.1, "money", -111.1),
    ],
)
def test_a_change_agrees_with_the_values_beside_it(
    now: float, before: float, change: float, metric: str, told: float
) -> None:
    assert format.apart(now, before, change, metric=metric) == pytest.approx(told)
