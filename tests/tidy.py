"""Small tidy tables for tests of the show room, and strings that break naive pages and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.report import About, Estimates, Finding
from cxlab.report.format import Labels
from cxlab.vocab import ESTIMATE_COLUMNS, LANGUAGES

PERIODS = ("2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3")
NPS = (36.0, 33.0, 38.0, 37.0, 31.2)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><script>alert(1)</script>",
    "' onload='alert(1)",
    "line\nbreak\r\ttab\0null\x1b[31m",
    "مرحبا بالعالم",
    "\u202egnp.exe",
    "👩‍👩‍👧‍👦 family",
    "$x^$",
    "$\\frac{1}{$ and \\alpha",
    "{value} {0} {missing!r}",
    "%s %(name)s",
    "网上商城的商品介绍",
    "\ud800 lone surrogate \uffff",
    "",
    " ",
    "x" * 400,
    "&lt;b&gt; &amp; &#60;",
)


def row(**values: object) -> dict[str, object]:
    """One tidy row with plausible defaults."""
    base = dict.fromkeys(ESTIMATE_COLUMNS) | {
        "run_id": "r", "brand": "alder", "period": "2026Q3", "model": "satisfaction", "item": "nps", "metric": "nps",
        "estimand": "level", "level": "total", "group": "total", "weighting": "population", "sd": 1.0,
        "ci_prob": 0.9, "ci_kind": "eti", "n": 4210.0, "n_eff": 4000.0, "unit": "points", "verdict": "",
    }  # fmt: skip
    return base | values | {"median": values.get("mean")}


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows as a tidy table with numbers as numbers."""
    numbers = ["mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref", "ref", "n", "n_eff", "ci_prob"]
    return pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS)).astype(dict.fromkeys(numbers, float))


def level(mean: float | None, half: float, **values: object) -> dict[str, object]:
    """A level row with an interval of half-width `half`; None blanks the numbers."""
    ends = (None, None) if mean is None else (mean - half, mean + half)
    return row(mean=mean, ci_low=ends[0], ci_high=ends[1], **values)


def estimates() -> pd.DataFrame:
    """Five quarters of NPS that end in a fall, satisfaction of three items, four age groups of which one is small."""
    rows = [level(m, 3.0, period=p) for p, m in zip(PERIODS, NPS, strict=True)]
    verdicts = ("worse", "better", "no_real_change", "worse")
    for period, old, new, verdict in zip(PERIODS[1:], NPS, NPS[1:], verdicts, strict=False):
        chance = 0.02 if new < old else 0.98
        rows.append(
            level(new - old, 4.0, period=period, estimand="change", prob_gt_ref=chance, ref=0.0, verdict=verdict)
        )
    for item, share in (("overall", 0.72), ("delivery", 0.61), ("staff", 0.8)):
        for period, more in (("2026Q2", 0.01), ("2026Q3", 0.0)):
            rows.append(level(share + more, 0.02, item=item, metric="csat", period=period, unit="share"))
        change = {"item": item, "metric": "csat", "estimand": "change", "prob_gt_ref": 0.3, "ref": 0.0}
        rows.append(level(-0.01, 0.02, verdict="cannot_tell" if item == "overall" else "no_real_change", **change))
    for group, mean, chance in (
        ("18-24", 20.0, 0.01),
        ("25-44", 33.0, 0.3),
        ("45-64", 35.0, 0.69),
        ("65+", None, None),
    ):
        small = "suppressed" if mean is None else ""
        where = {"level": "segment:age", "group": group, "verdict": small, "n": 500.0 if mean else 12.0}
        rows += [level(mean, 4.0, period=p, **where) for p in PERIODS[-2:]]
        rows.append(row(estimand="p_rank_best", mean=chance, **where))
    return frame(rows)


def codes() -> pd.DataFrame:
    """Shares of the answers 0..10."""
    share = np.array([0.03, 0.01, 0.01, 0.02, 0.02, 0.05, 0.06, 0.1, 0.2, 0.2, 0.3])
    return pd.DataFrame({"code": np.arange(11), "share": share, "n": share * 1000, "previous": share[::-1]})


LABELS = Labels(
    brand={"en": "Alder", "zh": "阿尔德"},
    items={"delivery": {"en": "Delivery on time", "zh": "准时送达"}, "staff": {"en": "Shop staff", "zh": "店员"}},
    levels={"segment:age": {"en": "age", "zh": "年龄"}},
)


def tell(
    finding: Callable[..., Finding],
    rows: pd.DataFrame,
    *more: pd.DataFrame,
    labels: Labels | None = None,
    period: str = "2026Q3",
    languages: Sequence[str] = LANGUAGES,
    csv: str = "",
    **what: object,
) -> Finding:
    """Make a finding of tables on a page of this period."""
    about = About(LABELS if labels is None else labels, languages, period, csv)
    return finding(*(Estimates(frame, about) for frame in (rows, *more)), **what)


def select(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Return the rows of one estimand as findings choose them."""
    return Estimates(rows, About()).select(**wanted).frame
