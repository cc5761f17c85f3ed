from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import LABELS, estimates, tell

from cxlab.brief import digest, findings
from cxlab.report import blocks, findings_table
from cxlab.report.messages import message
from cxlab.satisfaction.findings import change, trend
from cxlab.vocab import FINDING_COLUMNS

NPS = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3"}
MEASURES = [("nps", "nps"), ("overall", "csat"), ("delivery", "csat"), ("absent", "csat")]


def title(passage: digest.Passage, language: str = "en") -> str:
    return str(passage.pages[language][0]["text"])


def test_the_headline_is_the_verdict() -> None:
    found = findings.headline(estimates(), **NPS, answers=4210, customers=61300)
    assert title(found) == "Fewer customers would recommend us than in Q2 2026."
    assert title(found, "zh") == "与2026年第二季度相比，愿意推荐我们的客户少了。"
    assert found.pages["en"][0]["sub"] == (
        "Alder, Q3 2026. 4,210 answers; 61,300 customers in all."
        " Answers are weighted to the customers; what those who did not answer think is not known."
    )
    assert found.pages["zh"][0]["sub"].startswith("阿尔德，2026年第三季度。")


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ("2026Q1", "More customers would recommend us than in Q4 2025."),
        ("2026Q2", "Customers recommend us about as much as in Q1 2026."),
        ("2025Q3", "The net promoter score of Q3 2025 is 36."),
        ("2030Q1", "There are no answers on recommendation in Q1 2030."),
    ],
)
def test_headlines(period: str, text: str) -> None:
    assert title(findings.headline(estimates(), **NPS | {"period": period})) == text


def test_a_headline_on_satisfaction_that_cannot_tell() -> None:
    found = findings.headline(estimates(), **NPS | {"item": "overall", "metric": "csat"})
    assert title(found) == "We cannot tell whether more or fewer customers are satisfied than in Q2 2026."


@pytest.mark.parametrize("verdict", ["withheld", "suppressed"])
def test_headline_and_cards_claim_nothing_without_numbers(verdict: str) -> None:
    rows = estimates().assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, prob_gt_ref=np.nan, verdict=verdict)
    assert {"withheld": "no statement", "suppressed": "Too few"}[verdict] in title(findings.headline(rows, **NPS))
    card = findings.cards(rows, labels=LABELS, measures=MEASURES[:1], period="2026Q3").pages["en"][0]["items"][0]
    assert (card["value"], card["low"], card["verdict"]) == ("—", None, verdict)


def test_cards_show_value_range_and_change() -> None:
    found = findings.cards(estimates(), labels=LABELS, measures=MEASURES, period="2026Q3")
    first, second, third = found.pages["en"][0]["items"]
    assert (first["label"], first["value"], first["range"]) == ("Net promoter score", "31", "likely 28 to 34")
    assert (first["chip"], first["verdict"]) == ("worse: −6 (−10 to −2)", "worse")
    assert (first["low"], first["mid"], first["previous"]) == (pytest.approx(28.2), pytest.approx(31.2), 37.0)
    assert (first["axis_low"], first["axis_high"]) == (0.0, 60.0)
    assert (second["chip"], second["value"]) == ("cannot tell", "72\u00a0%")
    assert third["label"] == "Satisfied: Delivery on time"
    assert found.pages["zh"][0]["items"][2]["label"] == "满意占比：准时送达"


def test_what_changed_and_what_did_not() -> None:
    page = findings.changes(estimates(), labels=LABELS, measures=MEASURES, period="2026Q3").pages["en"]
    assert [b["text"] for b in page] == [
        "The net promoter score fell: −6 (−10 to −2).",
        "What did not change: the share satisfied with “Delivery on time”.",
        "What we cannot tell: the share of satisfied customers.",
    ]
    assert page[0]["verdict"] == "worse"
    none = findings.changes(estimates(), labels=LABELS, measures=MEASURES, period="2025Q3").pages["zh"]
    assert none == [blocks.note("没有更早的时期可供比较。")]


def test_how_sure_we_are() -> None:
    found = findings.certainty(hits=(34, 38), would_change={"en": "It would take more."})
    assert found.pages["en"][0]["text"] == (
        "“Likely” means nine times in ten. All models passed their checks."
        " Of our 38 forecasts for this period, 34 fell in their range. It would take more."
    )
    assert findings.certainty(passed=False).pages["en"][0]["kind"] == "warning"
    assert "80 times in a hundred" in findings.certainty(ci_prob=0.8).pages["en"][0]["text"]


def test_findings_of_other_notebooks_again() -> None:
    rows = findings_table([tell(trend, estimates(), **NPS), tell(change, estimates(), **NPS)], notebook="20")
    found = digest.digest(rows, ids=["change", "absent"])
    (block,) = found.pages["en"]
    assert block["lead"] == "The net promoter score fell from 37 to 31 (likely 28 to 34)."
    assert block["verdict"] == "worse"
    assert found.pages["zh"][0]["lead"].endswith("。")
    assert len(digest.digest(rows).pages["en"]) == 2


QUESTIONS = {"30_drivers": {"en": "Why?", "zh": "为什么？"}, "35_journey": {"en": "Where?", "zh": "在哪里？"}}


def further() -> pd.DataFrame:
    rows = [
        ("30_drivers", "checks", "en", "The model passed its checks.", ""),
        ("30_drivers", "drivers", "en", "Delivery matters most. It is .42 of all. Price is next.", "worse"),
        ("30_drivers", "drivers", "zh", "配送最重要。占 42%。其次是价格。", "worse"),
        ("30_drivers", "second", "en", "Something else.", ""),
    ]
    return pd.DataFrame([(*r, "{}") for r in rows], columns=list(FINDING_COLUMNS))


def test_further_notebooks_are_told_under_their_question() -> None:
    found = digest.behind(further(), questions=QUESTIONS)
    (block,) = found.pages["en"]
    assert block["text"] == "Why? Delivery matters most. It is .42 of all."
    assert (block["lead"], block["verdict"]) == ("Why?", "worse")
    assert found.pages["zh"][0]["text"] == "为什么？配送最重要。占 42%。"
    none = digest.behind(further().head(1), questions=QUESTIONS)
    assert none.pages["en"][0]["type"] == "note"


def test_how_well_a_model_predicts_is_no_answer_to_the_question() -> None:
    rows = further().replace({"id": {"checks": "agreement"}})
    assert digest.behind(rows, questions=QUESTIONS) == digest.behind(further(), questions=QUESTIONS)


def test_doubts_are_told_with_what_they_doubt() -> None:
    cost = "Service weighs most: 24 %. Over all that is −0.08. Whether another weighs more we cannot tell. Also: Staff."
    rows = further().assign(sentence=lambda d: d["sentence"].mask(d["id"] == "drivers", cost))
    (block,) = digest.behind(rows, questions=QUESTIONS, languages=["en"]).pages["en"]
    assert block["text"] == "Why? Service weighs most: 24 %. Whether another weighs more we cannot tell."
    late = "So far 548. They lead 696 to be expected. Over all it is 3. Whether it adds cannot be told."
    for verdict, end in (("cannot_tell", "Whether it adds cannot be told."), ("", "They lead 696 to be expected.")):
        rows = further().assign(sentence=late, verdict=verdict)
        (block,) = digest.behind(rows, questions=QUESTIONS, languages=["en"]).pages["en"]
        assert block["text"] == f"Why? So far 548. {end}"


def tried(trust: str, topics: str) -> pd.DataFrame:
    names = ("error", "percent", "split", "end", "value", "span", "came", "best", "old", "new")
    fields = dict.fromkeys(names, "14.4 %") | dict.fromkeys(("before", "change", "change_span"), "Q2 2026")
    rows = []
    for lang, gap in (("en", " "), ("zh", "")):
        first, chance = message(lang, "value_trust.one_class"), message(lang, "value_trust.chance")
        rows += [
            ("30_drivers", "worth", lang, first, ""),
            ("30_drivers", "trust", lang, chance + gap + message(lang, f"value_trust.{trust}", fields), ""),
            ("35_journey", "first", lang, first, ""),
            ("35_journey", "changes", lang, message(lang, f"voice_change.{topics}", fields) + gap + chance, ""),
        ]
    return pd.DataFrame([(*r, "{}") for r in rows], columns=list(FINDING_COLUMNS))


@pytest.mark.parametrize("key", ["many", "few", "outside", "close", "inside"])
def test_a_forecast_outside_its_own_limit_is_told(key: str) -> None:
    rows = tried(key, "same")
    off = key in ("many", "few", "outside")
    told = digest.missed(rows, questions=QUESTIONS)
    assert told == ({"en": ("Why?",), "zh": ("为什么？",)} if off else {"en": (), "zh": ()})
    for lang in ("en", "zh"):
        said = digest.behind(rows, questions=QUESTIONS).pages[lang][0]["text"]
        assert ("14.4 %" in said) == off
        assert (message(lang, "brief.tried") in said) == (key in ("many", "few"))
        (note,) = findings.certainty(missed=told).pages[lang]
        assert (
            (note["kind"] == "warning") == (told[lang] != ()) == ("Why?" in note["text"] or "为什么？" in note["text"])
        )
    assert digest.believed(rows)


@pytest.mark.parametrize("key", ["rose", "fell", "same"])
def test_what_customers_speak_of_more_is_told(key: str) -> None:
    rows = tried("close", key)
    for lang in ("en", "zh"):
        said = digest.behind(rows, questions=QUESTIONS).pages[lang][1]["text"]
        assert ("Q2 2026" in said) == (key != "same")


def test_where_nothing_else_was_asked_no_earlier_period_is_missed() -> None:
    page = findings.changes(estimates(), labels=LABELS, measures=[], period="2026Q3").pages
    assert [b["text"] for b in page["en"]] == ["Nothing else was asked in this period."]
    assert page["zh"] != page["en"]


def test_one_model_that_failed_is_told() -> None:
    rows = further()
    assert digest.believed(rows)
    rows.loc[rows["id"] == "checks", "verdict"] = "withheld"
    assert not digest.believed(rows)


def test_one_finding_of_a_notebook_is_told_again() -> None:
    said = digest.told(further(), notebook="30_drivers", id="second")
    assert said == {"en": "Something else."}
    assert digest.told(further(), notebook="30_drivers", id="absent") == {}


def test_a_passage_is_displayable() -> None:
    found = findings.cards(estimates(), labels=LABELS, measures=MEASURES, period="2026Q3")
    assert 'class="kpis"' in blocks.mimebundle(found.payload(["zh"]))["text/html"]
