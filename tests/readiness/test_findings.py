from __future__ import annotations

import re

import pandas as pd
import pytest
from tidy import HOSTILE

from cxlab.errors import DataError
from cxlab.readiness import findings
from cxlab.report import Finding, blocks
from cxlab.report.format import Labels
from cxlab.vocab import READINESS_COLUMNS, RECONCILIATION_COLUMNS

LABELS = Labels(groups={"touchpoint": {"checkin": {"en": "Check-in", "zh": "值机"}}})


def fact(section: str, **values: object) -> dict[str, object]:
    """One row of the readiness table."""
    base: dict[str, object] = dict.fromkeys(READINESS_COLUMNS, "")
    base |= dict.fromkeys(("solicited", "structured", "n_in", "n_used", "n_rejected", "share"), pd.NA)
    return base | {"section": section} | values


def table(*rows: dict[str, object]) -> pd.DataFrame:
    kinds = {"solicited": "boolean", "structured": "boolean", "n_in": "Int64", "n_used": "Int64", "n_rejected": "Int64"}
    return pd.DataFrame(rows, columns=list(READINESS_COLUMNS)).astype(kinds)


READY = table(
    fact("map", touchpoint="checkin", solicited=True, structured=True, n_used=1200),
    fact("map", touchpoint="checkin", solicited=True, structured=False, n_used=30),
    fact("map", touchpoint="food", solicited=False, structured=True, n_used=800),
    fact("map", touchpoint="", solicited=True, structured=True, n_used=7),
    fact("map", touchpoint="security", n_used=0, verdict="gap"),
    fact("map", solicited=False, structured=False, n_used=0, verdict="gap"),
    fact("kinds", kind="descriptive", n_used=0),
    fact("kinds", kind="behavioural", n_used=5000),
    fact("kinds", kind="interaction", n_used=0),
    fact("kinds", kind="attitudinal", n_used=2030),
    fact("links", source="o", kind="responses -> orders", n_in=1000, n_used=994, n_rejected=6),
    fact("links", source="c", kind="orders -> customers", n_in=5000, n_used=3000, n_rejected=2000),
    fact("response_rate", touchpoint="checkin", kind="email", n_in=1000, n_used=200),
    fact("response_rate", touchpoint="food", n_in=500, n_used=30),
    fact("heard_share", kind="all", n_in=5000, n_used=700),
    fact("heard_share", kind="active", n_in=4000, n_used=650),
    fact("duplicates", kind="copied_texts", n_in=3000, n_used=2990, n_rejected=10),
    fact("duplicates", kind="floods", n_in=3000, n_used=3000, n_rejected=0),
    fact("duplicates", kind="same_customer_same_day", n_in=900, n_used=899, n_rejected=1),
    fact("order", source="overall", touchpoint="delivery", kind="late", n_in=700, n_used=100, n_rejected=600),
    fact("order", source="overall", touchpoint="delivery", kind="not late", n_in=9000, n_used=8900, n_rejected=100),
    fact("order", source="overall", touchpoint="delivery", kind="damaged", n_in=60, n_used=60, n_rejected=0),
    fact("first_party", n_in=5000, n_used=4800),
    fact("questions", source="20_satisfaction", verdict="yes"),
    fact("questions", source="50_value", verdict="no", kind="transactions, repeat_customers"),
    fact("questions", source="40_voice", verdict="partly", kind="outcomes"),
)


def cells(finding: Finding, language: str = "en") -> list[list[str]]:
    block = finding.pages[language].table
    assert block is not None
    return block["rows"]


def test_the_map_names_what_nobody_hears() -> None:
    found = findings.coverage(READY, labels=LABELS, touchpoints=["checkin", "security"])
    assert found.sentence("en") == (
        "Customers are heard in 3 of the 12 places of the map. Nothing is heard about: security."
        " Missing at every touchpoint: unasked words."
    )
    assert "完全听不到客户声音的触点：security。" in found.sentence("zh")
    assert cells(found) == [
        ["Check-in", "1,200", "30", "0", "0"],
        ["security", "0", "0", "0", "0"],
        ["food", "0", "0", "800", "0"],
        ["no touchpoint named", "7", "0", "0", "0"],
    ]


def test_a_map_without_gaps() -> None:
    both = (True, False)
    full = table(*[fact("map", touchpoint="food", solicited=s, structured=t, n_used=5) for s in both for t in both])
    text = findings.coverage(full, labels=LABELS).sentence("en")
    assert text == "Customers are heard in 4 of the 4 places of the map. Every touchpoint is heard somewhere."


def test_kinds() -> None:
    assert findings.kinds(READY).sentence("en") == (
        "The data hold 2 of the four kinds of customer data. Missing: who they are, how they deal with us."
    )
    assert findings.kinds(READY.assign(n_used=1)).sentence("zh") == "四类客户数据齐全。"


def reconciled() -> pd.DataFrame:
    base = dict.fromkeys(RECONCILIATION_COLUMNS, 0)
    rows = [
        base | {"source": "survey", "table": "ratings", "channel": "web", "rows_in": 1000, "rows_used": 900,
                "rows_out_of_scope": 80, "rows_rejected": 20, "values_in": 5000, "values_scored": 4000,
                "never_asked": 500, "not_used": 300, "blank": 190, "values_rejected": 10},
        base | {"source": "orders", "table": "transactions", "channel": "", "rows_in": 5000, "rows_used": 5000},
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_every_row_is_accounted_for() -> None:
    found = findings.reconciliation(reconciled())
    assert found.sentence("en") == (
        "All 6,000 rows are accounted for: 5,900 used, 80 outside the brands and periods asked for, 20 rejected"
        " (0.3\u00a0%). Of 5,000 answers in them, 4,000 have a score,"
        " 990 are empty for a known reason and 10 were rejected."
    )
    assert cells(found)[-1] == ["Total", "", "6,000", "5,900", "80", "20"]


def test_lost_rows_are_an_error_that_names_the_source() -> None:
    rows = reconciled()
    rows.loc[0, "rows_used"] = 899
    with pytest.raises(DataError, match=r"survey -> ratings.*1000 in; 899 used, 80 out_of_scope, 20 rejected"):
        findings.reconciliation(rows)


TEXTS = {
    "links": "3,994 of 6,000 rows that refer to another table found their partner (66.6\u00a0%)."
    " The weakest link is orders → customers: 3,000 of 5,000 (60.0\u00a0%).",
    "response_rate": "230 of 1,500 people asked gave an answer (15.3\u00a0%)."
    " Fewest answer at “food”: 30 of 500 (6.0\u00a0%).",
    "heard_share": "700 of 5,000 customers have told us what they think (14.0\u00a0%)."
    " Of 4,000 who bought or dealt with us it is 650 (16.2\u00a0%); of the others we know only what they do.",
    "duplicates": "10 of 3,000 comments repeat another word for word (0.3\u00a0%)."
    " 1 of 900 answers is a second one of the same customer on the same day (0.1\u00a0%).",
    "order": "700 of 9,700 ratings were given before the experience they judge (7.2\u00a0%)."
    " The highest share is that of “Overall satisfaction, delivery, late”: 600 of 700 (85.7\u00a0%)."
    " Such ratings do not judge that experience and should be kept out of its drivers.",
    "first_party": "4,800 of 5,000 answers and texts were collected by the company itself (96.0\u00a0%).",
}


@pytest.mark.parametrize("section", TEXTS)
def test_shares(section: str) -> None:
    found = findings.shares(READY, section=section, labels=LABELS)  # type: ignore[arg-type]
    assert found.sentence("en") == TEXTS[section]
    assert found.pages["zh"].table is not None
    assert len(cells(found)) == (READY["section"] == section).sum()


@pytest.mark.parametrize("section", TEXTS)
def test_shares_of_nothing(section: str) -> None:
    for rows in (READY.head(0), READY.assign(n_in=0, n_used=0, n_rejected=0)):
        none = findings.shares(rows, section=section, labels=LABELS)  # type: ignore[arg-type]
        assert not re.search(r"\d", none.sentence("en"))
        assert none.pages["en"].figure is None


@pytest.mark.parametrize("section", ["links", "response_rate", "order"])
def test_shares_of_one_row_name_no_other(section: str) -> None:
    one = findings.shares(READY[READY["section"] == section].head(1), section=section, labels=LABELS)  # type: ignore[arg-type]
    assert "“" not in one.sentence("en")
    assert " of 1,000" in one.sentence("en") or "600 of 700" in one.sentence("en")


def test_a_kind_without_words_is_named_as_it_is() -> None:
    rows = table(fact("duplicates", kind="odd_one", n_in=10, n_used=8, n_rejected=2))
    text = findings.shares(rows, section="duplicates", labels=LABELS).sentence("en")
    assert text == "Odd_one: 2 of 10 (20.0\u00a0%)."


def test_which_questions_can_be_answered() -> None:
    titles = {"50_value": {"en": "What are they worth?", "zh": "客户价值多少？"}}
    found = findings.questions(READY, titles=titles)
    assert found.sentence("en") == (
        "This data can answer 1 of 3 questions. "
        "In part: “What do customers talk about and how does it matter?”. Not yet: “What are they worth?”."
    )
    assert "尚不能答：“客户价值多少？”。" in found.sentence("zh")
    assert cells(found)[1] == [
        "What are they worth?", "not yet", "purchases of known customers, customers who bought again",
    ]  # fmt: skip
    with pytest.raises(DataError, match="maybe"):
        findings.questions(READY.assign(verdict="maybe"))


def test_empty_tables() -> None:
    none = READY.head(0)
    assert findings.coverage(none, labels=LABELS).sentence("en") == "No touchpoint is known yet."
    assert findings.reconciliation(reconciled().head(0)).sentence("zh") == "没有读入任何数据行。"
    assert "Missing" in findings.kinds(none).sentence("en")
    assert findings.questions(none).sentence("en") == "No questions were put to this data."


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t])  # which no column of a table can hold
def test_hostile_names(text: str) -> None:
    rows = READY.assign(touchpoint=text, source=text, kind=text)
    found = [
        findings.coverage(rows, labels=Labels(), touchpoints=["a"], languages=["en"]),
        findings.reconciliation(reconciled().assign(source=text), languages=["en"]),
        *[findings.shares(rows, section=s, labels=Labels(), languages=["en"]) for s in TEXTS],  # type: ignore[arg-type]
        findings.questions(rows, languages=["en"]),
    ]
    for finding in found:
        assert "<script" not in blocks.mimebundle(finding.payload())["text/html"].lower()
