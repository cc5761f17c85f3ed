"""Findings on the index: what they say, and what they refuse to say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import LABELS

from cxlab.index import findings
from cxlab.report import About, Estimates
from cxlab.vocab import ESTIMATE_COLUMNS

TARGET = "satisfaction"


def told(rows: pd.DataFrame) -> Estimates:
    return Estimates(rows, About(LABELS, period="2026Q3"))


def row(estimand: str, mean: float, half: float, **more: object) -> dict[str, object]:
    base = dict.fromkeys(ESTIMATE_COLUMNS) | {
        "period": "2026Q3", "metric": estimand, "estimand": estimand, "level": "", "group": "", "item": "", "from": "",
        "to": "", "weighting": "none", "ci_prob": 0.9, "n": 300.0, "verdict": "", "prob_gt_ref": 0.99,
        "prior_sensitive": False, "narrow": mean, "wide": mean, "likelihood": mean, "sd": half / 1.64,
    }  # fmt: skip
    return base | {"mean": mean, "median": mean, "ci_low": mean - half, "ci_high": mean + half} | more


def table(*, verdict: str = "worse", flagged: bool = False) -> pd.DataFrame:
    rows = []
    for latent, now, before in (("quality", 70.0, 71.0), ("value", 60.0, 60.5), ("satisfaction", 63.0, 67.0)):
        about = {"metric": "index", "to": latent, "level": "latent", "group": latent}
        rows += [row("index", before, 2.0, **about | {"period": "2026Q2"}), row("index", now, 2.0, **about)]
        rows.append(row("composite_index", now + 0.5, 2.0, **about))
        judged = verdict if latent == "satisfaction" else "cannot_tell"
        rows.append(row("index_change", now - before, 2.5, **about | {"prob_gt_ref": 0.01, "verdict": judged}))
    ways = (("quality", "satisfaction", 0.6), ("value", "satisfaction", 0.2), ("satisfaction", "loyalty", 0.7))
    for origin, to, size in ways:
        about = {"from": origin, "to": to, "verdict": "better"}
        weak = flagged and origin == "value"
        for estimand in ("path", "total_effect", "point_effect"):
            rows.append(row(estimand, size, 0.1, **about | {"prior_sensitive": weak}))
        rows.append(row("composite_path", size - 0.1, 0.1, **about | {"metric": "path"}))
    for estimand, size in (("r2", 0.6), ("composite_r2", 0.47)):
        rows.append(row(estimand, size, 0.05, to="satisfaction", metric="share"))
    for latent, act in (("quality", 0.05), ("value", 0.9)):
        for name, p in (("act", act), ("keep", 0.95 - act), ("watch", 0.05), ("enough", 0.0)):
            rows.append(row("p_quadrant", p, 0.0, **{"from": latent, "group": name, "to": "satisfaction"}))
    for item, size in (("s1", 0.8), ("q1", 0.4)):
        rows.append(row("loading", size, 0.05, item=item, **{"from": "quality", "to": item}))
    spend = {"item": "spend", "from": "satisfaction", "to": "spend", "metric": "money", "verdict": "better"}
    rows.append(row("outcome_effect", 1.4, 0.5, **spend))
    rows.append(row("outcome_mean", 100.0, 0.0, **spend))
    return pd.DataFrame(rows)


def blank(rows: pd.DataFrame, verdict: str) -> pd.DataFrame:
    gone = ["mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref", "narrow", "wide", "likelihood"]
    return rows.assign(**dict.fromkeys(gone, np.nan), verdict=verdict)


def test_a_fall_of_the_index() -> None:
    found = findings.now(told(table()), TARGET)
    assert found.verdict == "worse"
    assert found.sentence("en") == (
        "Q3 2026: the satisfaction index was 63.0 of 100 (likely 61.0 to 65.0). It fell from 67.0 (difference likely"
        " −6.5 to −1.5); a fall is almost certain (P = .99)."
    )
    assert "63.0" in found.sentence("zh")


@pytest.mark.parametrize(("verdict", "word"), [("cannot_tell", "we cannot tell"), ("no_real_change", "No real change")])
def test_no_change_is_called_that(verdict: str, word: str) -> None:
    found = findings.now(told(table(verdict=verdict)), TARGET)
    assert word in found.sentence("en")
    assert found.verdict == verdict


def test_the_first_period_has_nothing_to_compare_with() -> None:
    rows = table()
    found = findings.now(told(rows[(rows["period"] != "2026Q2") & (rows["estimand"] != "index_change")]), TARGET)
    assert "first period" in found.sentence("en")


def test_effects_lead_with_the_total_and_pass_over_what_rests_on_the_prior() -> None:
    found = findings.effects(told(table()), TARGET)
    assert found.sentence("en").startswith("Quality counts most: one point more goes with 0.60 points more")
    assert "60\u00a0%" in found.sentence("en")
    flagged = findings.effects(told(table(flagged=True)), TARGET)
    assert "rest on assumptions" in flagged.sentence("en")
    assert "Next comes" not in flagged.sentence("en")


@pytest.mark.parametrize(
    "change",
    [
        {"from": "value", "mean": 0.5, "ci_high": 0.9, "prior_sensitive": True},  # may count more, but cannot be read
        {"from": "quality", "verdict": "cannot_tell", "ci_low": -0.1},
        {"from": "quality", "ci_low": 0.25},  # its range meets that of the next
    ],
)
def test_what_counts_most_is_said_only_when_nothing_may_count_more(change: dict[str, object]) -> None:
    rows = table()
    mine = (rows["estimand"] == "point_effect") & (rows["from"] == change["from"])
    rows.loc[mine, list(change)] = list(change.values())
    said = findings.effects(told(rows), TARGET).sentence("en")
    assert said.startswith("Which of them counts most we cannot tell.")
    assert "Quality counts most" not in said


def test_a_share_explained_that_rests_on_the_prior_says_so() -> None:
    rows = table()
    assert "rests on assumptions, too" not in findings.effects(told(rows), TARGET).sentence("en")
    rows.loc[rows["estimand"] == "r2", "prior_sensitive"] = True
    assert "rests on assumptions, too" in findings.effects(told(rows), TARGET).sentence("en")


def test_where_to_begin_is_said_only_when_clear() -> None:
    found = findings.where(told(table()), TARGET)
    assert found.sentence("en").startswith("Counts much and is weak, so look here first: value (P = .90).")
    rows = table()
    act = (rows["estimand"] == "p_quadrant") & (rows["group"] == "act")
    rows.loc[act, "mean"] = 0.5
    assert findings.where(told(rows), TARGET).verdict == "cannot_tell"


def test_model_and_composites_stand_side_by_side() -> None:
    found = findings.paths(told(table(flagged=True)), TARGET)
    assert "3 of the 3 are weaker than those of the model" in found.sentence("en")
    assert "value → satisfaction" in found.sentence("en")
    cells = found.pages["en"].table
    assert cells is not None
    assert "0.50 (0.40 to 0.60)" in str(cells)


def test_money_is_an_association() -> None:
    found = findings.money(told(table()), TARGET, days=90)
    assert "spent 1.40 more in the 90 days after answering (likely 0.90 to 1.90)" in found.sentence("en")
    assert "not proof of a cause" in found.pages["en"].note
    rows = table()
    assert "is not known" in findings.money(
        told(rows[~rows["estimand"].str.startswith("outcome")]), TARGET, days=90
    ).sentence("en")


@pytest.mark.parametrize(("verdict", "word"), [("withheld", "no statement"), ("suppressed", "Too few answers")])
def test_nothing_is_claimed_without_numbers(verdict: str, word: str) -> None:
    rows = blank(table(), verdict)
    found = [
        findings.now(told(rows), TARGET),
        findings.levels(told(rows)),
        findings.effects(told(rows), TARGET),
        findings.where(told(rows), TARGET),
        findings.after(told(rows), TARGET),
        findings.money(told(rows), TARGET, days=90),
        findings.paths(told(rows), TARGET),
    ]
    for one in found:
        assert word in one.sentence("en"), one.id
        assert one.verdict == verdict
        assert one.pages["zh"].figure is None
