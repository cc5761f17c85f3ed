"""Whom the answers stand for: who answers, who is heard too little or never, what weighting and the silent change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.tidy import REAL, Estimates, Row, Say, bars
from cxlab.report.writing import (
    Capital,
    Chart,
    Level,
    Listed,
    Message,
    Metric,
    Number,
    Table,
    aside,
)
from cxlab.vocab import WEIGHTINGS

_ALIKE, _UNLIKE = 0.9, 0.8  # R-indicators from which, and below which, a word is given
_NEAR: Final = 0.1  # response rates of which all that is likely lies this close together hardly differ
_UNDER: Final = 0.02  # a share this much below that of the base is worth a word
_NO_VERDICT: Final = ("cannot_tell", "")


def weightings(estimates: Estimates, item: str, metric: str, *, practical: float) -> Finding:
    """Say what a metric is without weights, with the survey's, and weighted to the customer base.

    Differences below `practical` are no news.
    """
    about = estimates.about
    what = {"estimand": "level", "item": item, "metric": metric, "period": about.period}
    rows = Estimates(pd.concat([estimates.select(weighting=w, **what).frame for w in WEIGHTINGS]), about)
    bare, wide = rows.known.first, rows.known.last
    subject = Metric(metric, item)
    if bare is None or wide is None:
        return about.finding("weightings", [Say(f"weightings.{rows.first_of()}", subject=subject)])
    if len(rows.known) == 1:
        say = Say(f"weightings.only_{wide['weighting']}", subject=subject)
    else:
        named = {k: Message(f"weightings.with_{r['weighting']}") for k, r in (("wide", wide), ("bare", bare))}
        means = rows.known.frame["mean"]
        key = "differ" if float(means.max() - means.min()) >= practical else "agree"
        say = Say(f"weightings.{key}", subject=subject, value=wide.value(), bare_value=bare.value(), **named)
    return about.finding(
        "weightings",
        [say],
        row=Row({**wide, "weighting": ""}),
        verdict="",
        chart=Chart(charts.intervals, rows, [Message(f"weightings.name_{r['weighting']}") for r in rows]),
        caption=bars(),
        table=Table(
            {
                "table.weighting": [Message(f"weighting.{r['weighting']}") for r in rows],
                "table.estimate": rows.cells(),
                "table.n": rows.values("n"),
                "table.n_eff": rows.values("n_eff"),
            },
            caption=Message("weightings.caption", metric=Metric(metric)),
            csv=about.csv,
        ),
    )


def _group(row: Row) -> Message:
    return Message("list.group", level=Capital(Level(str(row["level"]))), group=row.group)


def rates(response: Estimates) -> Finding:
    """Say how many of those asked answered, and which groups most and least readily (`representation` table)."""
    about = response.about
    rows = response.where(estimand="response_rate", frame="invitations")
    total = rows.where(level="total").known.first
    if total is None:
        return about.finding("rates", [Say("rates.unknown")])
    some = rows[(rows.frame["level"] != "total") & (rows.frame["n"] > 0)].frame
    some = some.sort_values(["level", "mean"], ascending=[True, False], kind="stable")
    groups = Estimates(some, about)
    shown = list(groups.known)
    counts = {k: Number(total.number(c), "count", drawn=False) for k, c in (("answered", "answered"), ("asked", "n"))}
    says = [Say("rates.whole", quantity=total["answered"], rate=aside(total.mean, "share"), **counts)]
    if len(shown) > 1:
        most, least = max(shown, key=lambda r: r.mean), min(shown, key=lambda r: r.mean)
        near = max(r["ci_high"] for r in shown) - min(r["ci_low"] for r in shown) < _NEAR
        key = "apart" if most["ci_low"] > least["ci_high"] else "alike" if near else "open"
        ends = {"most_rate": most.value(metric="rate"), "least_rate": least.value(metric="rate")}
        says.append(Say(f"rates.{key}", most=_group(most), least=_group(least), **ends))
    names = [_group(row) for row in groups]
    every = [*groups, total]
    return about.finding(
        "rates",
        says,
        chart=Chart(charts.intervals, groups, names) if shown else None,
        caption=bars(),
        table=Table(
            {
                "table.group": [*names, Level("total")],
                "table.answered": [row.number("answered") for row in every],
                "table.asked": [row.number("n") for row in every],
                "table.response": [row.cell(metric="rate") for row in every],
            },
            caption="rates.caption",
            csv=about.csv,
        ),
    )


def representation(response: Estimates) -> Finding:
    """Say whether those who answered are like those they stand for, who is heard too little, and who never."""
    about = response.about
    every = response.where(estimand="response_rate").frame
    some = every[(every["level"] != "total") & np.isfinite(every["base_share"].astype(float)) & (every["base"] > 0)]
    some = some.sort_values(["level", "base_share"], ascending=[True, False], kind="stable")
    groups = Estimates(some.assign(answer_share=some["answer_share"].astype(float).fillna(0.0)), about)
    if not len(groups):
        return about.finding("representation", [Say("representation.unknown")])
    whole = response.where(estimand="r_indicator").known.first
    says: list[Say | None] = []
    if whole is not None:
        ends = {"r": "mean", "r_low": "ci_low", "r_high": "ci_high"}
        found = {name: aside(whole.number(column), "probability") for name, column in ends.items()}
        frame = Message(f"representation.frame_{whole['frame']}")
        says.append(Say(f"representation.{_likeness(whole)}", frame=frame, **found))
    shares = {name: groups.frame[name].astype(float) for name in ("base_share", "answer_share")}
    gap = (shares["answer_share"] - shares["base_share"]).to_numpy()
    least = list(groups)[int(gap.argmin())]
    both = {name: Number(least.number(name), "rate") for name in shares}
    under = Say("representation.under", least=_group(least), **both)
    says.append(under if gap.min() < -_UNDER else Say("representation.even"))
    silent = [_group(row) for row in groups if bool(row["never_heard"])]
    says.append(Say("representation.never" if silent else "representation.all_heard", list=Listed(silent)))
    names = [_group(row) for row in groups]
    bare: dict[str, Any] = {"metric": "rate", "ci_low": np.nan, "ci_high": np.nan, "verdict": ""}
    drawn = groups.frame.assign(mean=shares["answer_share"], **bare)
    return about.finding(
        "representation",
        says,
        chart=Chart(charts.intervals, drawn, names, previous=groups.frame.assign(mean=shares["base_share"])),
        caption=["representation.legend"],
        table=Table(
            {
                "table.group": names,
                "table.base_share": groups.values("base_share", "rate"),
                "table.heard_share": groups.values("answer_share", "rate"),
            },
            caption="representation.caption",
            csv=about.csv,
        ),
    )


def _likeness(row: Row) -> str:
    """Say how alike those who answered are, as far as the interval of the R-indicator bears it out."""
    low, high = row.number("ci_low"), row.number("ci_high")
    if low < _UNLIKE and high >= _ALIKE:
        return "open"
    return "unlike" if high < _UNLIKE else "alike" if row.mean >= _ALIKE else "somewhat"


def sensitivity(curve: Estimates, item: str, metric: str) -> Finding:
    """Say how much those who did not answer would have to differ for the verdict to change.

    `curve` is empty where nobody is known to have been asked, and flat where everybody asked has answered.
    """
    about = replace(curve.about, more={"subject": Metric(metric, item)})
    data = curve.ordered("gap", down=False)
    if not len(data.known):
        return about.finding("sensitivity", [Say("sensitivity.unknown")])
    rows = list(data)
    if float(rows[0]["gap"]) == float(rows[-1]["gap"]):
        return about.finding("sensitivity", [Say("sensitivity.nobody")])
    plain = _nearest(rows, 0.0)
    tip = next((row for row in rows if bool(row["tipping"])), None)
    claim = Message(f"sensitivity.claim_{plain.verdict}")
    if plain.verdict in _NO_VERDICT:
        tip = far = _nearest(rows, max(-1.0, float(rows[0]["gap"])))
        says = [Say("sensitivity.supposed", gap=_gap(far), if_value=far.value(), if_span=far.span())]
        mark = None
    else:
        mark = tip
        key = "robust" if tip is None else "lower" if tip["gap"] < 0 else "higher"
        says = [Say(f"sensitivity.{key}", claim=claim, **({} if tip is None else {"gap": _gap(tip)}))]
    reference = plain.number("ref")
    low, high = float(rows[0]["gap"]), float(rows[-1]["gap"])
    steps = [
        low,
        low / 2,
        low / 4,
        low / 8,
        0.0,
        high / 8,
        high / 4,
        high / 2,
        high,
        *([float(tip["gap"])] if tip else []),
    ]
    shown = sorted({float(_nearest(rows, step)["gap"]) for step in steps})
    few = [_nearest(rows, gap) for gap in shown]
    verdicts = [f"{'sensitivity' if r.verdict in ('above', 'below') else 'verdict'}.{r.verdict}" for r in few]
    return about.finding(
        "sensitivity",
        says,
        verdict=plain.verdict if plain.verdict in (*REAL, "no_real_change", "cannot_tell") else "",
        chart=Chart(
            charts.supposed,
            data,
            reference=reference if np.isfinite(reference) else None,
            mark=None if mark is None else float(mark["gap"]),
        ),
        caption=[
            "figure.band",
            f"sensitivity.ref_{plain['claim'] or 'change'}" if np.isfinite(reference) else "",
            "sensitivity.mark" if mark is not None else "",
            "sensitivity.only_now",
        ],
        table=Table(
            {
                "sensitivity.gap_head": [_gap_cell(row) for row in few],
                "sensitivity.value_head": [row.cell(signed=False) for row in few],
                "sensitivity.verdict_head": [
                    Message(v) if r.verdict else "" for r, v in zip(few, verdicts, strict=True)
                ],
            },
            caption=Message("sensitivity.caption", metric=Metric(metric)),
            csv=about.csv,
        ),
    )


def _nearest(rows: Sequence[Row], gap: float) -> Row:
    return min(rows, key=lambda row: abs(float(row["gap"]) - gap))


def _gap(row: Row) -> Number:
    return Number(abs(row.number("gap")), "gap", drawn=False)


def _gap_cell(row: Row) -> Message:
    if round(abs(row.number("gap")), 1) == 0:
        return Message("sensitivity.alike")
    return Message(f"sensitivity.{'lower' if row['gap'] < 0 else 'higher'}_cell", gap=_gap(row))
