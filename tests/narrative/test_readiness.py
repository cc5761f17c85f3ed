from __future__ import annotations

import re

import pandas as pd
import pytest
from tidy import HOSTILE

from cxlab import blocks
from cxlab.errors import DataError
from cxlab.narrative import readiness
from cxlab.vocab import LINK_COLUMNS, READINESS_COLUMNS, RECONCILIATION_COLUMNS
from cxlab.wording import Labels

LABELS = Labels(groups={"touchpoint": {"checkin": {"en": "Check-in", "zh": "值机"}}})


def xo(touchpoint: str | None, solicited: bool | None, structured: bool | None, kind: str, n: int) -> dict[str, object]:
    base = dict.fromkeys(READINESS_COLUMNS) | {"section": "xo", "source": "survey", "verdict": ""}
    return base | {
        "touchpoint": touchpoint,
        "solicited": solicited,
        "structured": structured,
        "kind": kind,
        "n_used": n,
    }


def map_rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            xo("checkin", True, True, "attitudinal", 1200),
            xo("checkin", True, False, "attitudinal", 30),
            xo("food", False, True, "attitudinal", 800),
            xo(None, None, None, "behavioural", 5000),
        ]
    )


def test_the_map_names_what_nobody_hears() -> None:
    found = readiness.coverage(map_rows(), labels=LABELS, touchpoints=["checkin", "security", "food"])
    assert found.sentence("en") == (
        "Customers are heard in 3 of the 12 places of the map. Nothing is heard about: security."
        " Missing at every touchpoint: unasked words."
    )
    assert "完全听不到客户声音的触点：security。" in found.sentence("zh")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][0] == ["Check-in", "1,200", "30", "0", "0", "0"]
    assert table["rows"][1][0] == "security"
    assert table["rows"][-1] == ["no touchpoint named", "0", "0", "0", "0", "5,000"]


def test_a_map_without_gaps() -> None:
    full = pd.DataFrame([xo("food", s, t, "attitudinal", 5) for s in (True, False) for t in (True, False)])
    found = readiness.coverage(pd.concat([full, map_rows().tail(1)]), labels=LABELS)
    assert (
        found.sentence("en")
        == "Customers are heard in 4 of the 4 places of the map. Every touchpoint is heard somewhere."
    )


def test_kinds() -> None:
    found = readiness.kinds(map_rows())
    assert found.sentence("en") == (
        "Of the four kinds of customer data, 2 are here. Missing: who they are, how they deal with us."
    )
    every = pd.DataFrame({"kind": ["descriptive", "behavioural", "interaction", "attitudinal"], "n_used": 1})
    assert readiness.kinds(every).sentence("zh") == "四类客户数据齐全。"


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
    found = readiness.reconciliation(reconciled())
    assert found.sentence("en") == (
        "All 6,000 rows are accounted for: 5,900 used, 80 outside the brands and periods asked for, 20 rejected"
        " (0.3\u00a0%). Of 5,000 answers in them, 4,000 have a score,"
        " 990 are empty for a known reason and 10 were rejected."
    )
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][-1] == ["Total", "", "6,000", "5,900", "80", "20"]


def test_lost_rows_are_an_error_that_names_the_source() -> None:
    rows = reconciled()
    rows.loc[0, "rows_used"] = 899
    with pytest.raises(DataError, match=r"survey -> ratings.*1000 in; 899 used, 80 out_of_scope, 20 rejected"):
        readiness.reconciliation(rows)


def test_the_weakest_link_is_named() -> None:
    rows = pd.DataFrame(
        [("o", "responses", "orders", 1000, 994, 0.994), ("c", "orders", "customers", 5000, 3000, 0.6)],
        columns=list(LINK_COLUMNS),
    )
    found = readiness.links(rows)
    assert found.sentence("en") == (
        "3,994 of 6,000 rows that refer to another table found their partner (66.6\u00a0%)."
        " The weakest link is orders → customers with 60.0\u00a0%."
    )
    assert readiness.links(rows.head(0)).sentence("en") == "No source refers to another, so there is nothing to link."


SECTIONS = ("response_rate", "heard", "duplicates", "order")


def parts() -> pd.DataFrame:
    return pd.DataFrame(
        {"source": "survey", "touchpoint": ["checkin", "food"], "n_in": [1000, 500], "n_used": [200, 30]}
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_shares(section: str) -> None:
    found = readiness.shares(parts(), section=section, labels=LABELS)  # type: ignore[arg-type]
    text = found.sentence("en")
    assert "230 of 1,500" in text
    assert "(15.3\u00a0%)" in text
    assert ("“food”: 6.0\u00a0%" if section in SECTIONS[:2] else "“Check-in”: 20.0\u00a0%") in text
    assert "值机" in str(found.pages["zh"].table)


@pytest.mark.parametrize("section", SECTIONS)
def test_shares_of_one_or_none(section: str) -> None:
    one = readiness.shares(parts().head(1), section=section, labels=LABELS)  # type: ignore[arg-type]
    assert "200 of 1,000" in one.sentence("en")
    for rows in (parts().head(0), parts().assign(n_in=0, n_used=0)):
        none = readiness.shares(rows, section=section, labels=LABELS)  # type: ignore[arg-type]
        assert not re.search(r"\d", none.sentence("en"))
        assert none.pages["en"].figure is None


def test_a_single_case_is_singular() -> None:
    rows = parts().head(1).assign(n_used=1)
    text = readiness.shares(rows, section="duplicates", labels=LABELS).sentence("en")
    assert text == "1 of 1,000 answers looks like a duplicate or a copy (0.1\u00a0%)."


def test_which_questions_can_be_answered() -> None:
    rows = pd.DataFrame(
        [("How satisfied?", "yes", "12 ratings"), ("What worth?", "no", "no purchases")],
        columns=["question", "verdict", "reason"],
    )
    found = readiness.answers(rows, names={"What worth?": {"en": "What worth?", "zh": "值多少？"}})
    assert found.sentence("en") == "This data can answer 1 of 2 questions. Not yet: “What worth?”."
    assert "尚不能答：“值多少？”。" in found.sentence("zh")
    with pytest.raises(DataError, match="maybe"):
        readiness.answers(rows.assign(verdict="maybe"))
    assert readiness.answers(rows.head(0)).sentence("en") == "No questions were put to this data."


def test_empty_tables() -> None:
    assert readiness.coverage(map_rows().head(0), labels=LABELS).sentence("en") == "No touchpoint is known yet."
    assert readiness.reconciliation(reconciled().head(0)).sentence("zh") == "没有读入任何数据行。"
    assert "Missing" in readiness.kinds(map_rows().head(0)).sentence("en")


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t])  # which no column of a table can hold
def test_hostile_names(text: str) -> None:
    found = [
        readiness.coverage(map_rows().assign(touchpoint=text), labels=Labels(), touchpoints=["a"], languages=["en"]),
        readiness.reconciliation(reconciled().assign(source=text), languages=["en"]),
        readiness.shares(parts().assign(touchpoint=text), section="heard", labels=Labels(), languages=["en"]),
        readiness.answers(pd.DataFrame({"question": [text], "verdict": ["no"], "reason": [text]})),
    ]
    for finding in found:
        assert "<script" not in blocks.mimebundle(finding.payload())["text/html"].lower()
