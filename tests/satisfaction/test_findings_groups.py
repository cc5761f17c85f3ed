from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import LABELS, estimates, frame, level, row, tell

from cxlab.satisfaction import findings

WHAT = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3", "level": "segment:age"}


def differences(**verdicts: str) -> pd.DataFrame:
    sizes = {"better": 9.0, "worse": -11.0, "cannot_tell": 2.0, "no_real_change": 0.5}
    rows = []
    for group, verdict in verdicts.items():
        own = {"level": "segment:age", "group": group, "estimand": "difference", "verdict": verdict, "ref": 0.0}
        rows.append(level(sizes[verdict], 4.0, prob_gt_ref=0.99 if sizes[verdict] > 0 else 0.01, **own))
    return frame(rows)


def test_differences_from_the_rest() -> None:
    found = tell(findings.differences, differences(old="better", mid="cannot_tell", young="worse"), **WHAT)
    assert found.sentence("en") == (
        "By age, against all others together: clearly higher are “old”; clearly lower are “young”. Farthest from the"
        " rest is “young”: −11 (likely −15 to −7). For 1 more group the difference is too small or too uncertain to"
        " name."
    )
    table = found.pages["en"].table
    assert table is not None
    assert [r[-2] for r in table["rows"]] == ["above the rest", "cannot tell", "below the rest"]
    figure = found.pages["en"].figure
    assert figure is not None
    (dots,) = [x for x in figure.axes[0].lines if x.get_gid() == "mean"]
    assert list(dots.get_xdata()) == [9.0, 2.0, -11.0]
    assert "proof" in found.pages["en"].note


def test_nobody_differs() -> None:
    found = tell(findings.differences, differences(a="cannot_tell", b="no_real_change"), **WHAT)
    assert found.sentence("en") == "By age, no group differs clearly from all others together."
    one = tell(findings.differences, differences(a="better", b="no_real_change"), **WHAT)
    assert "nobody is clearly lower" in one.sentence("en")


def test_groups_without_differences_say_so() -> None:
    assert "no groups by age to compare" in tell(findings.differences, estimates(), **WHAT).sentence("en")
    hidden = differences(a="better", b="worse").assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="withheld")
    found = tell(findings.differences, hidden, **WHAT)
    assert "checks of the model failed" in found.sentence("en")
    assert found.verdict == "withheld"


def many(n: int) -> pd.DataFrame:
    rows = []
    for i in range(n):
        own = {"level": "segment:age", "group": f"g{i:03d}"}
        rows.append(level(float(i), 2.0, **own))
        rows.append(row(estimand="p_rank_best", mean=0.6 if i == n - 1 else 0.4 / n, **own))
        rows.append(row(estimand="p_rank_worst", mean=0.97 if i == 0 else 0.03 / n, **own))
        rows.append(level(float(n - i), 0.0 if i == n - 1 else 1.0, estimand="rank", **own))
    return frame(rows)


def test_the_first_and_the_last_rank_with_their_probabilities() -> None:
    found = tell(findings.groups, many(5), **WHAT)
    said = found.sentence("en")
    assert "Which one is really the highest we cannot tell (P = .60 for “g004”)." in said
    assert "That “g000” is really the lowest is very probable (P = .97)." in said
    table = found.pages["en"].table
    assert table is not None
    assert [c["label"] for c in table["columns"]][2:5] == ["P (highest)", "P (lowest)", "Place (likely range)"]
    assert [r[4] for r in table["rows"]] == ["1", "1 to 3", "2 to 4", "3 to 5", "4 to 6"]


@pytest.mark.parametrize("n", [41, 1000])
def test_of_many_groups_the_first_and_the_last_are_shown(n: int) -> None:
    found = tell(findings.groups, many(n), **WHAT)
    page = found.pages["en"]
    assert page.figure is not None
    assert page.table is not None
    (dots,) = [x for x in page.figure.axes[0].lines if x.get_gid() == "mean"]
    assert len(dots.get_xdata()) == len(page.table["rows"]) == 40
    assert dots.get_xdata()[0] == n - 1
    assert dots.get_xdata()[-1] == 0
    assert f"{n - 40:,} lie between them" in page.caption
