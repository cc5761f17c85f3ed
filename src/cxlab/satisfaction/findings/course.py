"""How high, did it change, since when, how the answers are spread, what is expected next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxlab.report import charts, tables
from cxlab.report.finding import Finding
from cxlab.report.tidy import REAL, Estimates, Row, Say, bars, state
from cxlab.report.writing import (
    Capital,
    Certainty,
    Chart,
    Item,
    Listed,
    Message,
    Metric,
    Number,
    Period,
    Table,
    TableOf,
    aside,
    tally,
)


def level(
    estimates: Estimates,
    item: str,
    metric: str,
    *,
    weighting: str = "",
    id: str = "level",
    inside: Sequence[Finding] = (),
    every_metric: bool = True,
) -> Finding:
    """Say how high a metric is, beside the other questions of the same measure.

    Parameters
    ----------
    estimates : Estimates
        The tidy table; its page says which period.
    item, metric : str
        What to speak of.
    weighting : str
        Empty takes the widest of each question.
    inside : sequence of Finding
        Told within this one: what those who did not answer could change.
    every_metric : bool
        Whether the table lists all measures or only this one.
    """
    now = estimates.select(estimand="level", period=estimates.about.period, weighting=weighting).ordered()
    same = now.where(metric=metric)
    past = estimates.select(estimand="level", metric=metric, weighting=weighting)
    earlier = past.before()
    before = past.where(period=earlier).aligned("item", same.frame["item"]) if earlier else None
    row = same.where(item=item).first
    why = state(row)
    ends = {} if row is None or why else {"value": row.value(), "span": row.span()}
    everybody = estimates.now(estimand="level_all", item=item, metric=metric).known.first
    rest = now[now.frame["metric"] != metric].ordered("metric", down=False)
    rows = Estimates(pd.concat([same.frame, rest.frame]), now.about) if every_metric else same
    return estimates.about.finding(
        id,
        [Say(f"level_finding.{why or 'was'}", subject=Metric(metric, item), **ends), _of_all(everybody, row)],
        row=row,
        chart=None if why else Chart(charts.intervals, same, same.named("item"), previous=before),
        caption=bars(earlier),
        table=None
        if not len(now)
        else Table(
            {
                "table.item": rows.named("item"),
                "table.metric": [Metric(str(name)) for name in rows.frame["metric"]],
                "table.estimate": rows.cells(),
                "table.n": rows.values("n"),
                "table.n_eff": rows.values("n_eff"),
            },
            caption=Message("level_finding.caption", metric=Metric(metric)),
            csv=estimates.about.csv,
        ),
        inside=() if why else inside,
    )


def _of_all(everybody: Row | None, row: Row | None) -> Say | None:
    """Say what holds of all customers, those who did not answer included."""
    if everybody is None or row is None or not row.is_known:
        return None
    metric = str(row["metric"])
    all_span = aside(everybody.number("ci_low"), metric, everybody.number("ci_high"))
    key = "all_lower" if everybody.mean < row["ci_low"] else "all_higher" if everybody.mean > row["ci_high"] else "all"
    return Say(f"level_finding.{key}", all_value=aside(everybody.mean, metric), all_span=all_span)


def _course(estimates: Estimates, item: str, metric: str, weighting: str) -> tuple[Estimates, Estimates]:
    """Levels and changes of a metric up to the page's period."""
    found = [estimates.select(estimand=e, item=item, metric=metric, weighting=weighting) for e in ("level", "change")]
    until = estimates.about.period
    levels, changes = (rows[rows.frame["period"] <= until] if until else rows for rows in found)
    return levels, changes


def _trend(levels: Estimates, changes: Estimates, caption: Any) -> dict[str, Any]:
    """Figure and table of a course."""
    moved = any(row.verdict in REAL for row in changes)
    return {
        "chart": Chart(charts.trend, levels, changes=changes) if len(levels.known) else None,
        "caption": ["figure.band", "figure.changed" if moved else ""],
        "table": TableOf(tables.periods_table, levels, changes, caption=caption, csv=levels.about.csv)
        if len(levels)
        else None,
    }


def change(estimates: Estimates, item: str, metric: str, *, weighting: str = "") -> Finding:
    """Say whether a metric changed since the period before; the figure shows all periods up to this one."""
    levels, changes = _course(estimates, item, metric, weighting)
    row, now = changes.now().first, levels.now().first
    old = levels[levels.frame["period"] < estimates.about.period].last
    subject = Metric(metric, item)
    why = state(row)
    if row is None or now is None or old is None or why == "none" or (not why and (state(now) or state(old))):
        blocked = state(now) if state(now) in ("withheld", "suppressed") else ""
        row = now if state(now) else row
        says = [Say(f"change.{blocked or ('first' if old is None else 'none')}", subject=subject)]
    elif why:
        says = [Say(f"change.{why}", subject=subject)]
    else:
        says = _moved(row, now, old, subject)
    if not why and now is not None:
        says += _whole(estimates, item, metric, weighting or str(now["weighting"]), levels)
    return estimates.about.finding(
        "change", says, row=row, **_trend(levels, changes, Message("change.caption", metric=Metric(metric)))
    )


def _whole(estimates: Estimates, item: str, metric: str, weighting: str, levels: Estimates) -> list[Say]:
    """Say what all periods together tell, and how it stands against a year before."""
    says, known = [], list(levels.known)
    what = {"item": item, "metric": metric, "weighting": weighting}
    for estimand in ("course", "year"):
        row = estimates.now(estimand=estimand, **what).known.first
        if row is None or (estimand == "course" and len(known) < 3):
            continue
        verdict = ("rose" if row.mean > 0 else "fell") if row.verdict in REAL else row.verdict
        ends = aside(row.number("ci_low"), metric, row.number("ci_high"), signed=True)
        fields = {"subject": Metric(metric, item), "first": Period(str(known[0]["period"])), "n": len(known)}
        size = {f"{estimand}_size": aside(row.mean, metric, signed=True), f"{estimand}_span": ends}
        says.append(Say(f"change.{estimand}_{verdict}", **fields, **size))
    return says


def _moved(row: Row, now: Row, old: Row, subject: Metric) -> list[Say]:
    way = "rose" if row.mean > 0 else "fell"
    ends = {"subject": subject, "previous": old.value(), "value": now.value()}
    if row.verdict in REAL:
        says = [Say(f"change.{way}", span=now.span(), **ends)]
    else:
        key = "no_real_change" if row.verdict == "no_real_change" else "cannot_tell"
        difference = row.span(signed=True, drawn=False)
        says = [Say(f"change.{key}", **ends), Say("change.difference", change_span=difference)]
    if row.verdict == "no_real_change":
        return says
    if np.isfinite(row.chance):
        chance = Number(row.chance, "probability", drawn=False)
        says.append(Say(f"change.sure_{way}", subject=subject, sure=Certainty(row.chance), p=chance))
    large = row.number("prob_practical")
    if np.isfinite(large):
        says.append(Say("change.large", subject=subject, large=Number(large, "probability", drawn=False)))
    return says


def trend(estimates: Estimates, item: str, metric: str, *, weighting: str = "") -> Finding:
    """Say which of all changes from period to period are real."""
    levels, changes = _course(estimates, item, metric, weighting)
    shown, subject = list(levels.known), Metric(metric, item)
    periods = [Period(str(label)) for label in levels.frame["period"]]
    if len(shown) < 2:
        why = "short" if shown else levels.first_of(otherwise="short")
        says = [Say(f"trend.{why}", subject=subject)]
    else:
        first, last = shown[0], shown[-1]
        ends = {"first": first.value(), "value": last.value(), "period": Period(last["period"])}
        says = [Say("trend.course", subject=subject, first_period=Period(first["period"]), **ends)]
        real = [row for row in changes.known if row.verdict in REAL]
        moves = [Message(f"trend.{'rise' if r.mean > 0 else 'fall'}", period=Period(r["period"])) for r in real]
        counts = {"total": tally(len(changes.known)), "real": tally(len(real))}
        some = Say("trend.some", quantity=len(real), subject=subject, list=Listed(moves), **counts)
        says.append(some if real else Say("trend.none", subject=subject))
    caption = (
        Message("trend.caption", metric=Metric(metric), first_period=periods[0], period=periods[-1]) if periods else ""
    )
    verdict = "" if shown else None
    return estimates.about.finding("trend", says, row=levels.last, verdict=verdict, **_trend(levels, changes, caption))


def codes(shares: Estimates, item: str, *, satisfied_from: float | None = None, net_promoter: bool = False) -> Finding:
    """Say how the answers to a question are spread over its scale.

    Parameters
    ----------
    shares : Estimates
        Columns ``code``, ``share`` (0-1; missing when suppressed), ``n`` and, optionally, ``previous`` (0-1).
    item : str
    satisfied_from : float, optional
        Code from which an answer counts as satisfied; needed unless `net_promoter`.
    net_promoter : bool
        Whether it is a recommend question from 0 to 10.
    """
    about = replace(shares.about, more={"item": Item(item)})
    data = shares.frame[np.isfinite(shares.frame["share"].astype(float))].sort_values("code")
    good, bad = (9.0, 6.0) if net_promoter else (satisfied_from, None)
    if data.empty or good is None:
        hidden = len(shares) > 0
        return about.finding(
            "codes", [Say(f"codes.{'suppressed' if hidden else 'none'}")], verdict="suppressed" if hidden else ""
        )
    share = data.set_index("code")["share"].astype(float)
    top, low = float(share[share.index >= good].sum()), float(share[share.index <= 6].sum() if bad else share.iloc[0])
    ends = {"top": Number(top, "share", drawn=False), "low": Number(low, "share", drawn=False), "from": f"{good:g}"}
    sums = [
        (Message("codes.top_row", **{"from": f"{good:g}"}), top),
        *([(Message("codes.low_row"), low)] if bad else []),
    ]
    n = data["n"].sum(min_count=1)
    return about.finding(
        "codes",
        [Say("codes.nps" if net_promoter else "codes.satisfied", **ends)],
        notes=[Message("note.answers", n=n, quantity=n), "codes.raw"],
        chart=Chart(charts.codes, data, good_from=good, bad_to=bad),
        caption=[Capital(Message("figure.before"))] if "previous" in data else [],
        table=TableOf(tables.codes_table, data, caption="codes.caption", sums=sums, csv=about.csv),
    )


def forecast(forecasts: Estimates, estimates: Estimates, item: str, metric: str) -> Finding:
    """Say what is expected of a metric in the next period, beside what it was in this one ."""
    about = replace(estimates.about, more={"subject": Metric(metric, item)})
    rows = forecasts.where(level="total")
    rows = rows[np.isfinite(rows.frame["q50"].astype(float))].widest()
    row = rows.where(item=item, metric=metric).first
    if row is None:
        return about.finding("forecast", [Say("forecast.none")])
    target = Period(str(row["target_period"]))
    row |= {"ci_low": row["q05"], "ci_high": row["q95"], "ci_prob": 0.9, "n": np.nan, "verdict": ""}
    levels = estimates.select(estimand="level", item=item, metric=metric, weighting=str(row["weighting"]))
    past = levels[levels.frame["period"] <= about.period].frame
    ends = {k: row[k] for k in ("ci_low", "ci_high", "mean", "metric", "verdict")} | {"period": target.label}
    course = pd.concat([past, pd.DataFrame([ends])], ignore_index=True)
    same = rows.where(metric=metric)
    listed = [same.where(item=item), same[same.frame["item"] != item], rows[rows.frame["metric"] != metric]]
    table = Estimates(pd.concat([part.frame for part in listed]), about)
    table = Estimates(table.frame.assign(ci_low=table.frame["q05"], ci_high=table.frame["q95"]), about)
    return about.finding(
        "forecast",
        [
            Say("forecast.expected", target=target, value=row.value(), span=row.span()),
            Say("forecast.check", target=target),
        ],
        row=row,
        chart=Chart(charts.trend, course, ahead=True),
        caption=["figure.band", "forecast.dashed"],
        table=Table(
            {
                "table.item": table.named("item"),
                "table.metric": [Metric(str(name)) for name in table.frame["metric"]],
                "table.expected": table.cells(),
            },
            caption=Message("forecast.caption", target=target),
            csv=about.csv,
        ),
    )
