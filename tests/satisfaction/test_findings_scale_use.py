"""The inversion of Liddell and Kruschke, from tidy rows: the means say A, what lies beneath says B."""

from __future__ import annotations

import numpy as np
import pandas as pd
from tidy import LABELS, frame, level, row, tell

from cxlab.satisfaction import findings

WHAT = {"labels": LABELS, "item": "overall", "metric": "mean", "period": "2026Q3"}


def rows(*, p: float = 0.98, first: str = "b") -> pd.DataFrame:
    found = []
    for group, mean, location, spread in (("a", 3.99, -0.1, 0.49), ("b", 3.78, 0.1, 2.04)):
        own = {"item": "overall", "level": "segment:age", "group": group}
        chance = p if group == first else 1 - p
        found += [
            level(mean, 0.03, metric="mean", **own),
            level(location, 0.05, metric="latent", estimand="latent_location", **own),
            level(spread, 0.1, metric="latent", estimand="latent_scale", **own),
            row(metric="latent", estimand="p_rank_best", mean=chance, **own),
            row(metric="latent", estimand="p_rank_worst", mean=1 - chance, **own),
        ]
    return frame(found)


def test_means_that_mislead_are_said_to() -> None:
    found = tell(findings.scales, rows(), **WHAT)
    said = found.sentence("en")
    assert said.startswith(
        "Mind the scale: by age the marks put “a” first, but underneath “b” is first; that is very probable (P = .98)."
    )
    assert "the marks put “b” last, but underneath “a” is last" in said
    assert "“b” spreads its answers most widely, 2.04 times the average" in said
    assert "小心量表" in found.sentence("zh")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][0] == ["a", "3.99 (3.96 to 4.02)", ".02", ".98", "0.49"]


def test_without_a_contradiction_nothing_is_claimed() -> None:
    assert tell(findings.scales, rows(first="a"), **WHAT).sentence("en") == (
        "By age, how groups use the scale gives no reason to doubt who comes first and who last."
    )


def test_a_contradiction_that_is_not_sure_is_left_open() -> None:
    found = tell(findings.scales, rows(p=0.7), **WHAT)
    assert found.sentence("en") == (
        "By age, whether the marks put the right group first and last we cannot tell: underneath, others may be."
    )
    assert "无法判断" in found.sentence("zh")


def test_without_rows_on_what_lies_beneath_we_cannot_tell() -> None:
    plain = rows()
    for nothing in (
        plain[plain["metric"] != "latent"],
        plain.assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="withheld"),
        plain.head(0),
    ):
        found = tell(findings.scales, nothing, **WHAT)
        assert "we cannot tell" in found.sentence("en")
        assert found.pages["en"].table is None
