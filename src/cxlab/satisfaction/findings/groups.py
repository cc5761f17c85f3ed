"""Groups: which is highest and lowest, how sure the ranks are, who differs from the rest, whether marks mislead.

References
----------
Liddell and Kruschke (2018), Analyzing ordinal data with metric models, doi:10.1016/j.jesp.2018.08.009 (`scales`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.tidy import REAL, Estimates, Row, Say, bars
from cxlab.report.writing import (
    Certainty,
    Chart,
    Group,
    Level,
    Listed,
    Message,
    Metric,
    Number,
    Table,
    tally,
)
from cxlab.vocab import UNKNOWN

RANKS: Final = {"p_rank_best": "probability_best", "p_rank_worst": "probability_worst", "rank": "rank"}
LATENT: Final = "latent"  # the metric of rows on what lies beneath the marks
MOST_ROWS: Final = 40  # of a figure or table; of more groups the first and the last ones are shown
_CLEAR: Final = 0.9  # probability from which a first or last rank is named without "we cannot tell"
_SURE: Final = 0.95  # probability from which the marks are said to mislead
_WIDE: Final = 1.1  # times the average spread from which a group is named for it


def groups(estimates: Estimates, item: str, metric: str, level: str, *, weighting: str = "") -> Finding:
    """Say who is highest and lowest among the groups of a level, and how sure the first and the last rank are.

    `level` is ``segment:<name>``, ``touchpoint`` or ``channel``.
    """
    about = replace(estimates.about, more={"level": Level(level)})
    what = {"item": item, "metric": metric, "level": level, "weighting": weighting}
    past = estimates.select(estimand="level", **what)
    every = past.now().ordered()
    ranks = {e: estimates.select(estimand=e, period=about.period, **what).by("group") for e in RANKS}
    stated = every[every.frame["group"] != UNKNOWN]  # "not stated" is no group to act on
    shown = (stated if len(stated) else every).known
    now = _ends(every, shown)
    earlier = past.before()
    before = past.where(period=earlier).aligned("group", now.frame["group"]) if earlier else None
    top, last = shown.first, shown.last
    if top is None or last is None:
        says: list[Say | None] = [Say(f"groups.{_why(every, level)}")]
    else:
        ends = {"best": top.group, "worst": last.group, "value": top.value(), "span": top.span()}
        ends |= {"worst_value": last.value(), "worst_span": last.span()} if len(shown) > 1 else {}
        says = (
            [Say("groups.single", **ends)]
            if len(shown) == 1
            else [
                Say("groups.range", **ends),
                Say("groups.ranges", **ends),
                _rank_sure("p", "", ranks["p_rank_best"], top, ends),
                _rank_sure("q", "_lowest", ranks["p_rank_worst"], last, ends),
            ]
        )
        hidden = len(every) - len(every.known)
        if hidden and "withheld" not in set(every.frame["verdict"]):
            says.append(Say("groups.hidden", quantity=hidden, hidden=tally(hidden)))
    columns: dict[str, Any] = {"table.group": [row.group for row in now], "table.estimate": now.cells()}
    columns |= {
        f"table.{head}": [_rank_cell(estimand, ranks[estimand].get(str(row["group"]))) for row in now]
        for estimand, head in RANKS.items()
        if ranks[estimand]
    }
    columns["table.n"] = now.values("n")
    return about.finding(
        "groups",
        says,
        row=every.together if top is not None else every.first,
        verdict=None if top is None else "",
        chart=None if top is None else Chart(charts.intervals, now, [row.group for row in now], previous=before),
        caption=[*bars(earlier if before is not None else ""), _folded(shown, now)],
        table=Table(columns, caption=Message("groups.caption", metric=Metric(metric)), csv=about.csv)
        if len(now)
        else None,
        association=len(shown) > 1,
    )


def differences(estimates: Estimates, item: str, metric: str, level: str, *, weighting: str = "") -> Finding:
    """Say which groups of a level are clearly above or below all the others together."""
    about = replace(estimates.about, more={"level": Level(level)})
    what = {"item": item, "metric": metric, "level": level, "weighting": weighting}
    every = estimates.select(estimand="difference", period=about.period, **what)
    every = every[every.frame["group"] != UNKNOWN].ordered()
    shown = every.known
    now = _ends(every, shown)
    if not len(shown):
        says = [Say(f"differences.{_why(every, level)}")]
    else:
        clear = [row for row in shown if row.verdict in REAL]
        sides = {
            key: [Message("list.quoted", name=row.group) for row in clear if row.verdict == verdict]
            for key, verdict in (("higher", "better"), ("lower", "worse"))
        }
        both = "both" if all(sides.values()) else "nobody"
        key = both if both == "both" else next((k for k, found in sides.items() if found), both)
        says = [Say(f"differences.{key}", **{k: Listed(found) for k, found in sides.items()})]
        rest = len(shown) - len(clear)
        if clear:
            far = max(clear, key=lambda row: abs(row.mean))
            span = far.span(signed=True)
            says.append(Say("differences.farthest", farthest=far.group, value=far.value(signed=True), span=span))
        if clear and rest:
            says.append(Say("differences.rest", quantity=rest, rest=tally(rest)))
    names = [row.group for row in now]
    return about.finding(
        "differences",
        says,
        row=every.together if len(shown) else every.first,
        verdict="" if len(shown) else None,
        chart=Chart(charts.intervals, now, names, reference=0.0) if len(shown) else None,
        caption=[*bars(), _folded(shown, now)],
        table=Table(
            {
                "table.group": names,
                "table.difference": now.cells(),
                "table.probability_direction": [Number(row.chance, "probability") for row in now],
                "table.verdict": [Message(f"difference.{row.verdict}") if row.verdict else "" for row in now],
                "table.n": now.values("n"),
            },
            caption=Message("differences.caption", metric=Metric(metric)),
            csv=about.csv,
        )
        if len(every)
        else None,
        association=len(shown) > 1,
    )


def scales(estimates: Estimates, item: str, metric: str, *, weighting: str = "") -> Finding:
    """Say whether the marks and what lies beneath them put the same group first and last.

    A group whose answers spread more widely meets the ends of the scale more often, so its mean mark can lie below that
    of a group that is less satisfied underneath. Rows of metric ``latent`` are there for one level at most.
    """
    beneath = estimates.now(estimand="latent_location", item=item)
    beneath = beneath[beneath.frame["group"] != UNKNOWN]
    unknown = estimates.about.finding("scales", [Say("scales.unknown")])
    if not len(beneath) or "withheld" in set(beneath.frame["verdict"]) or len(beneath.known) < len(beneath):
        return unknown
    level = str(beneath.frame["level"].iloc[0])
    about = replace(estimates.about, more={"level": Level(level)})
    own = {"item": item, "level": level, "period": about.period, "weighting": weighting}
    marks = estimates.select(estimand="level", metric=metric, **own).known
    marks = marks[marks.frame["group"] != UNKNOWN].ordered()
    first, last, spread = (
        {str(row["group"]): row.mean for row in estimates.select(estimand=e, metric=LATENT, **own).known}
        for e in ("p_rank_best", "p_rank_worst", "latent_scale")
    )
    if len(marks) < 2 or not first:
        return unknown
    says, doubtful = [], False
    for key, by_marks, chances in (("first", marks.first, first), ("last", marks.last, last)):
        under = max(chances, key=lambda group, p=chances: p[group])  # type: ignore[misc]
        marked = str(by_marks["group"]) if by_marks else ""
        if under == marked or chances[under] < _SURE:
            doubtful |= under != marked
            continue
        p = Number(chances[under], "probability", drawn=False)
        named = {"marks": Group(level, marked), "beneath": Group(level, under), "sure": Certainty(p.value)}
        says.append(Say(f"scales.{key}", **named, **{f"p_{key}": p}))
    wide = max(spread, key=lambda group: spread[group], default="")
    if not says:
        says = [Say("scales.open" if doubtful else "scales.same")]
    elif wide and spread[wide] >= _WIDE:
        says.append(Say("scales.wide", wide=Group(level, wide), spread=Number(spread[wide], "mean", drawn=False)))
    keys = [str(row["group"]) for row in marks]
    n = marks.frame["n"].sum()
    return about.finding(
        "scales",
        says,
        notes=[Message("note.answers", n=n, quantity=n)],
        table=Table(
            {
                "table.group": [row.group for row in marks],
                "table.estimate": marks.cells(),
                "scales.head_first": [Number(first.get(key, np.nan), "probability") for key in keys],
                "scales.head_last": [Number(last.get(key, np.nan), "probability") for key in keys],
                "scales.head_spread": [Number(spread.get(key, np.nan), "mean") for key in keys],
            },
            caption=Message("scales.caption", metric=Metric(metric)),
            csv=about.csv,
        ),
    )


def _why(rows: Estimates, level: str) -> str:
    """Return why there is nothing to compare; ``alone`` where the data tell no groups apart."""
    return "alone" if not len(rows) and level in ("", "auto", "total") else rows.first_of()


def _ends(every: Estimates, shown: Estimates) -> Estimates:
    """Return all rows, or the first and the last of those with a number where they are too many to read."""
    if len(every) <= MOST_ROWS:
        return every
    half = MOST_ROWS // 2
    if len(shown) <= MOST_ROWS:
        return shown
    return Estimates(pd.concat([shown.frame.head(half), shown.frame.tail(half)]), every.about)


def _folded(shown: Estimates, now: Estimates) -> Any:
    hidden = len(shown) - len(now)
    return Message("groups.folded", n=hidden) if hidden > 0 else ""


def _rank_sure(field: str, end: str, ranks: dict[str, Row], row: Row, ends: dict[str, Any]) -> Say | None:
    """Say how sure a group's first or last rank is."""
    chance = ranks[str(row["group"])].mean if str(row["group"]) in ranks else np.nan
    if not np.isfinite(chance):
        return None
    key = f"groups.{'clear' if chance >= _CLEAR else 'open'}{end}"
    named = {"best": ends["best"], "worst": ends["worst"], "sure": Certainty(chance)}
    return Say(key, **named, **{field: Number(chance, "probability", drawn=False)})


def _rank_cell(estimand: str, row: Row | None) -> Any:
    if row is None or not row.is_known:
        return "—"
    if estimand != "rank":
        return Number(row.mean, "probability")
    low, high = (float(round(row.number(end))) for end in ("ci_low", "ci_high"))
    return Number(low, "count", high=None if low == high else high)
