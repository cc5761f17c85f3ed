from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import voice_world as world

from cxlab.report import Estimates, Finding
from cxlab.voice import findings, findings_said


def _emerging(rows: Estimates) -> Finding:
    return findings.emerging(rows, world.news())


PAGE: list[Callable[..., Finding]] = [
    findings.cost, findings.weight, findings.changes, _emerging, findings_said.where,
    findings_said.tone,
    findings_said.situations,
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return world.estimates()


def test_what_weighs_most(table: pd.DataFrame) -> None:
    found = findings.cost(world.page(table))
    lead = found.statements[0].text("en")
    assert lead.startswith("What customers say about “Delivery” weighs most: 45\u00a0% of their comments speak of it")
    assert "go \u22120.80 points of “Overall satisfaction” (likely \u22120.90 to \u22120.70)" in lead
    said = found.sentence("en")
    assert "is very probable (P = .97)" in said
    assert "Also with a lower score: “Sizes”." in said
    assert "With a higher score: “Staff”." in said
    assert "Of 1 further topic we cannot tell" in said
    assert "An association" in found.pages["en"].note
    assert "holds for all topics together" in found.pages["en"].note
    assert "“配送”的话影响最大" in found.sentence("zh")


def test_a_topic_of_nearly_all_comments_is_set_against_nothing(table: pd.DataFrame) -> None:
    """Such a topic says that no parts were found, and the few comments without it are no fair comparison."""
    share = (table["estimand"] == "share") & (table["topic"] == "delivery")
    wide = table.assign(mean=table["mean"].where(~share, 0.97))
    assert "weighs most: 45" not in findings.cost(world.page(wide)).sentence("en")
    assert "“Delivery” weighs most" not in findings.cost(world.page(wide)).sentence("en")
    assert "“Delivery”" not in findings.weight(world.page(wide)).sentence("en")
    alone = wide[wide["topic"].isin(["delivery", ""])]
    for find in (findings.cost, findings.weight):
        assert find(world.page(alone)).sentence("en").startswith("Nearly all comments are about one subject")
        assert find(world.page(alone)).sentence("zh").startswith("几乎所有评论谈的都是同一件事")


def test_without_a_tie_nothing_weighs(table: pd.DataFrame) -> None:
    flat = table.assign(verdict="cannot_tell")
    found = findings.cost(world.page(flat))
    assert found.sentence("en") == "No topic goes with a clearly lower “Overall satisfaction”."
    assert findings.leading(world.page(flat)) == ["delivery", "staff", "price"]


def test_the_page_leads_with_what_weighs(table: pd.DataFrame) -> None:
    assert findings.leading(world.page(table)) == ["delivery", "sizing", "staff"]


def test_often_and_heavily_are_two_things(table: pd.DataFrame) -> None:
    said = findings.weight(world.page(table)).sentence("en")
    assert "Often spoken of and with a lower score: “Delivery”." in said
    assert "Seldom spoken of, but with a lower score: “Sizes”." in said
    common = table.assign(mean=table["mean"].where(table["estimand"] != "share", 0.3 + table["mean"] / 2))
    assert "Seldom" not in findings.weight(world.page(common)).sentence("en"), "three in ten are not seldom"


def test_what_rose(table: pd.DataFrame) -> None:
    found = findings.changes(world.page(table))
    assert found.statements[0].text("en").startswith("“Delivery” comes up more often than in Q2 2026: 45")
    assert "less often" not in found.sentence("en")
    small = table["verdict"].where(table["estimand"] != "share_change", "no_real_change")
    assert "No topic clearly" in findings.changes(world.page(table.assign(verdict=small))).sentence("en")
    same = table.assign(sd=table["sd"].where(table["estimand"] != "share_change", 0.5))
    assert "No topic clearly" in findings.changes(world.page(same)).sentence("en")
    assert "no period before" in findings.changes(world.page(table, previous="")).sentence("en")


def test_what_is_new(table: pd.DataFrame) -> None:
    found = findings.emerging(world.page(table), world.news(), alarms=0.05)
    assert "New: “Sizes”. Before Q3 2026 0.1" in found.sentence("en")
    assert "New: “voucher · code · refused · again (in: Prices)”." in found.sentence("en")
    assert "at most 5\u00a0%" in found.pages["en"].note
    assert "again（英文评论；属于：价格" in found.sentence("zh")  # words nobody has translated
    chinese = findings.emerging(world.page(table), world.news().assign(language="zh", parent=None))
    assert "New: “voucher · code · refused · again (said in Chinese)”." in chinese.sentence("en")
    calm = world.news().assign(verdict="")
    assert "Nothing that customers speak of" in findings.emerging(world.page(table), calm).sentence("en")


def test_a_new_topic_of_few_is_counted_not_named(table: pd.DataFrame) -> None:
    hidden = table["topic"].isin(["sizing", "voucher-code"]) & (table["estimand"] == "p_emerging")
    few = table.assign(mean=table["mean"].mask(hidden))
    said = findings.emerging(world.page(few), world.news()).sentence("en")
    assert said == "2 more new subjects have too few comments to be shown."


def test_where_it_weighs(table: pd.DataFrame) -> None:
    found = findings_said.where(world.page(table))
    assert found.sentence("en").startswith(
        "At the touchpoint “Delivery desk”, “Delivery” clearly weighs on the score: \u22120.54 points"
    )
    shares = table[~((table["estimand"] == "points_at_stake") & (table["level"] == "touchpoint"))]
    often = findings_said.where(world.page(shares))
    assert "“Delivery desk” 45\u00a0% of the comments speak of “Delivery”" in often.sentence("en")


def test_praise_and_complaint(table: pd.DataFrame) -> None:
    found = findings_said.tone(world.page(table), accuracy=0.91)
    assert found.sentence("en").startswith("Customers speak clearly worse of “Delivery” than of “Staff”: 10\u00a0%")
    assert "of comments kept aside 91\u00a0% are told right" in found.sentence("en")
    alike = table.assign(ci_low=table["ci_low"].where(table["estimand"] != "sentiment", 0.05))
    assert "Of no topic do customers clearly speak" in findings_said.tone(world.page(alike)).sentence("en")
    assert "draws every share towards one half" in found.pages["en"].note
    guessed = findings_said.tone(world.page(table), method="lexicon")
    assert "a rough guide" in guessed.sentence("en")
    assert "towards one half" not in guessed.pages["en"].note


def test_situations(table: pd.DataFrame) -> None:
    found = findings_said.situations(world.page(table))
    assert "Where customers tell “as a gift”, \u22120.40 points of “Overall satisfaction” go with it" in found.sentence(
        "en"
    )
    assert "evening" not in found.sentence("en")
    flat = table.assign(verdict="cannot_tell")
    assert "2 situations are told of" in findings_said.situations(world.page(flat)).sentence("en")


def test_conversations() -> None:
    rows = [("solved", "delivery", 120, 90, 0.65, 0.58, 0.71), ("solved", "price", 60, 20, 0.33, 0.24, 0.44),
            ("slow", "delivery", 120, 30, 0.25, 0.19, 0.32), ("solved", "", 200, 120, 0.6, 0.5, 0.7),
            ("solved", "sizing", 4, 4, 1.0, 0.6, 1.0)]  # fmt: skip
    outcomes = pd.DataFrame(rows, columns=["outcome", "topic", "n", "k", "mean", "ci_low", "ci_high"])
    found = findings_said.conversations(world.page(outcomes), least=30)
    assert found.sentence("en").startswith("“solved”: 60")
    assert "Clearly less often where they are about “Prices”: 33" in found.sentence("en")
    assert "more often" not in found.sentence("en")
    alike = outcomes.assign(ci_low=0.1, ci_high=0.9)
    flat = findings_said.conversations(world.page(alike), least=30)
    assert "does not clearly differ" in flat.sentence("en")
    assert "Sizes" not in found.sentence("en")
    assert "no known outcome" not in found.sentence("en")
    none = findings_said.conversations(world.page(outcomes.head(0)), least=30)
    assert "No conversation with customers has a known outcome" in none.sentence("en")


def test_what_the_page_rests_on() -> None:
    account = pd.DataFrame(list(world.REASONS.items()), columns=["name", "n"])
    found = findings_said.heard(world.about(), account)
    assert found.sentence("en").startswith("This page rests on 2,000 of the 2,152 comments of Q3 2026.")
    assert "100 copied texts are left out" in found.sentence("en")


@pytest.mark.parametrize("make", PAGE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("state", ["withheld", "suppressed", "empty"])
def test_no_number_is_told_where_there_is_none(make: Callable[..., Finding], state: str) -> None:
    rows = world.withheld()
    rows = {"withheld": rows, "suppressed": rows.assign(verdict="suppressed"), "empty": rows.head(0)}[state]
    found: Any = make(world.page(rows))
    for language in ("en", "zh"):
        page = found.pages[language]
        assert page.figure is None
        assert page.table is None
        assert not any(c.isdigit() for c in page.sentence.replace("2026", "").replace("Q3", "").replace("Q2", ""))
    assert found.numbers == {}
    if state != "empty":
        assert found.verdict == state


def test_an_unlabelled_topic_bears_its_id(table: pd.DataFrame) -> None:
    assert "“delivery”" in findings.cost(world.page(table, named={})).sentence("en")


def test_figures_show_the_numbers(table: pd.DataFrame) -> None:
    figure = findings.weight(world.page(table)).pages["en"].figure
    assert figure is not None
    (dots,) = [line for line in figure.axes[0].lines if line.get_gid() == "mean"]
    np.testing.assert_allclose(np.asarray(dots.get_xdata(), float), [0.45, 0.25, 0.15, 0.03])
