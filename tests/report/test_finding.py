from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from tidy import LABELS, codes, estimates, tell

from cxlab.errors import ModelError
from cxlab.report import Finding, Number, Statement, blocks, findings_table
from cxlab.report.finding import Version
from cxlab.satisfaction import findings
from cxlab.vocab import FINDING_COLUMNS

WHAT = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3"}


def replace_page(finding: Finding, language: str = "en", **changed: object) -> Finding:
    page = dataclasses.replace(finding.pages[language], **changed)  # type: ignore[arg-type]
    return dataclasses.replace(finding, pages={**finding.pages, language: page})


def test_a_tampered_sentence_is_refused() -> None:
    found = tell(findings.change, estimates(), **WHAT)
    for wrong in (found.sentence("en").replace("31", "32"), found.sentence("en").replace("fell", "rose"), ""):
        with pytest.raises(ModelError, match="sentence is not what its numbers say"):
            replace_page(found, sentence=wrong)


def test_a_tampered_number_is_refused() -> None:
    found = tell(findings.change, estimates(), **WHAT)
    first = found.statements[0]
    wrong = dataclasses.replace(first, numbers={**first.numbers, "value": Number(32.0, "nps")})
    with pytest.raises(ModelError) as error:
        dataclasses.replace(found, statements=(wrong, *found.statements[1:]))
    said = str(error.value)
    assert "sentence is not what its numbers say" in said
    assert "figure does not show value" in said
    assert "(zh)" in said  # both languages are checked


def test_a_number_rewritten_together_with_its_sentence_is_still_refused() -> None:
    found = tell(findings.change, estimates(), **WHAT)
    first = found.statements[0]
    numbers = {**first.numbers, "value": Number(32.0, "nps")}
    statements = (dataclasses.replace(first, numbers=numbers), *found.statements[1:])
    text = " ".join(s.text("en") for s in statements)
    page = dataclasses.replace(found.pages["en"], sentence=text)
    with pytest.raises(ModelError, match=r"table does not show value.*\n.*figure does not show value"):
        dataclasses.replace(found, statements=statements, pages={"en": page})


def test_a_tampered_table_is_refused() -> None:
    found = tell(findings.change, estimates(), **WHAT)
    table = found.pages["zh"].table
    assert table is not None
    rows = [[cell.replace("31", "30") for cell in row] for row in table["rows"]]
    with pytest.raises(ModelError, match="table does not show value"):
        replace_page(found, "zh", table={**table, "rows": rows})


def test_a_figure_of_other_numbers_is_refused() -> None:
    rows = estimates()
    found = tell(findings.change, rows, **WHAT)
    moved = rows.assign(mean=rows["mean"] + 0.4, ci_low=rows["ci_low"] + 0.4, ci_high=rows["ci_high"] + 0.4)
    other = tell(findings.change, moved, **WHAT)
    with pytest.raises(ModelError, match="figure does not show"):
        replace_page(found, figure=other.pages["en"].figure)


@pytest.mark.parametrize("make", [findings.level, findings.change, findings.trend])
def test_untampered_findings_stand(make: object) -> None:
    found = tell(make, estimates(), **WHAT)  # type: ignore[operator]
    assert dataclasses.replace(found) == found


def test_values_between_the_languages_are_the_same() -> None:
    found = tell(findings.groups, estimates(), level="segment:age", **WHAT)
    assert list(found.pages) == ["en", "zh"]
    rows = findings_table([found], notebook="20_satisfaction")
    assert tuple(rows.columns) == FINDING_COLUMNS
    assert rows["language"].tolist() == ["en", "zh"]
    assert rows["numbers"].nunique() == 1
    assert json.loads(rows["numbers"].iloc[0])["span"] == pytest.approx([31, 39])
    assert rows["notebook"].unique().tolist() == ["20_satisfaction"]
    assert not rows.isna().any().any()


def test_the_table_of_no_findings_has_its_columns() -> None:
    assert tuple(findings_table([]).columns) == FINDING_COLUMNS


def test_blocks_are_sentence_figure_and_folded_table() -> None:
    found = tell(findings.change, estimates(), **WHAT, csv="nps.csv")
    first, figure, table = found.blocks("en")
    assert (first["type"], figure["type"], table["type"]) == ("finding", "figure", "table")
    assert first["text"] == figure["alt"] == found.sentence("en")
    assert first["text"].startswith(first["lead"])
    assert (table["open"], table["csv"]) == (False, "nps.csv")
    assert figure["svg"].startswith("<svg")


def test_the_payload_has_the_primary_language_first() -> None:
    found = tell(findings.level, estimates(), **WHAT, languages=("zh", "en"))
    assert list(found.payload()["languages"]) == ["zh", "en"]  # type: ignore[call-overload]
    assert list(found.payload(["en"])["languages"]) == ["en"]  # type: ignore[call-overload]
    assert "净推荐值" in blocks.mimebundle(found.payload())["text/html"]


def test_a_list_of_names_is_cut() -> None:
    from cxlab.report.finding import listed

    assert listed(["a", "b"], "en") == "a, b"
    assert listed(list("abcdefgh"), "en") == "a, b, c, d, e, f and 2 more"
    assert listed(["a", "b"], "zh") == "a、b"


def test_missing_numbers_are_no_contradiction() -> None:
    statement = Statement("change.withheld", {"en": {"subject": "x"}}, {"value": Number(float("nan"), "nps")})
    found = Finding("x", "withheld", (statement,), {"en": Version(statement.text("en"))})
    assert findings_table([found])["numbers"].tolist() == ["{}"]


def test_shares_of_the_raw_answers_are_checked_too() -> None:
    found = tell(findings.codes, codes(), labels=LABELS, item="nps", period="2026Q3", net_promoter=True)
    assert found.numbers["top"].value == pytest.approx(0.5)
    table = found.pages["en"].table
    assert table is not None
    with pytest.raises(ModelError, match="table does not show"):
        replace_page(found, table={**table, "rows": table["rows"][:1]})
    assert np.isclose(found.numbers["low"].value, 0.2)
