"""Findings on our own forecasts: was the last one right, are the ranges honest, did it help, what stands next."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.tidy import About, Estimates, Row, Say
from cxlab.report.writing import Chart, Estimate, Item, Message, Metric, Number, Reference, Table, aside, tally

AMOUNTS: Final = ("purchases", "revenue")  # of customers: no questions
NEXT: Final = 6  # forecasts told of the period to come
_HEADS: Final = {"nps": 0, "money": 1, "count": 2, "csat": 3}  # which are told first


def what(row: Row) -> Reference:
    """Return the reference to what a forecast is about."""
    if row["item"] in AMOUNTS:
        return Message(f"ledger_amount.{row['item']}")
    return Message("ledger_amount.question", metric=Metric(str(row["metric"])), item=Item(str(row["item"])))


def last(ledger: Estimates) -> Finding:
    """Say how many forecasts for the period came true, and which did not, the furthest off first."""
    about, now = ledger.about, ledger.now()
    if not len(now):
        return about.finding("last", [Say("ledger_last.none" if not len(ledger) else "ledger_last.nothing_due")])
    rows = Estimates(now.frame.assign(away=now.frame["z"].astype(float).abs()), about).ordered("away")
    missed = [row for row in rows if not row["inside90"]]
    hits = len(rows) - len(missed)
    counts = {"hits": tally(hits), "total": tally(len(rows))}
    says = [Say("ledger_last.hits", quantity=len(rows), **counts)]
    if missed:
        first = missed[0]
        came = first.value(value=first.number("came"), drawn=False)
        key = "above" if first.number("came") > first.mean else "below"
        says.append(Say(f"ledger_last.{key}", name=what(first), came=came, span=first.span(drawn=False)))
    if missed[1:]:
        says.append(Say("ledger_last.missed", list=[what(row) for row in missed[1:]]))
    csat = rows.where(metric="csat")
    ticks = Estimates(csat.frame.assign(mean=csat.frame["came"]), about)
    columns: dict[Any, Any] = {
        "ledger_table.what": [what(row) for row in rows],
        "ledger_table.expected": [row.cell(signed=False) for row in rows],
        "ledger_table.came": [row.value(value=row.number("came")) for row in rows],
        "ledger_table.inside": [Message(f"ledger_table.{'yes' if row['inside90'] else 'no'}") for row in rows],
        "ledger_table.last": [row.value(value=row.number("last")) for row in rows],
    }
    return about.finding(
        "last",
        says,
        verdict="",
        chart=Chart(charts.intervals, csat, csat.named("item"), previous=ticks) if len(csat) else None,
        caption=["ledger_last.legend"],
        table=Table(columns, caption="ledger_last.caption", csv=about.csv),
        notes=["ledger_last.note"],
    )


def honest(record: pd.DataFrame, about: About) -> Finding:
    """Say whether the ranges of all forecasts so far were honest, and what too narrow ones are widened by."""
    if record.empty:
        return about.finding("honest", [Say("ledger_record.none")])
    rows = [Row(r) for r in record.to_dict("records")]  # type: ignore[arg-type]
    whole, models = rows[0], rows[1:]
    share = {"value": aside(whole["share"], "share")}
    share["span"] = aside(whole["share_low"], "share", whole["share_high"])
    counts = {"n": tally(whole["forecasts"]), "periods": tally(whole["periods"])}
    narrow = [row for row in models if row["state"] == "narrow"]
    key = "mixed" if narrow and whole["state"] == "honest" else whole["state"]
    says = [Say(f"ledger_record.{key}", **share, **counts)]
    for place, row in enumerate(narrow[:2]):
        scale = {f"scale_{place}": Number(row["scale"], "mean", drawn=False)}
        says.append(Say(f"ledger_record.widen_{place}", name=Message(f"ledger_model.{row['model']}"), **scale))
    if whole["compared"]:
        key = "better" if 2 * whole["better"] > whole["compared"] else "no_better"
        says.append(Say(f"ledger_record.{key}", better=tally(whole["better"]), compared=tally(whole["compared"])))
    names = [Message(f"ledger_model.{row['model'] or 'all'}") for row in rows]
    columns: dict[Any, Any] = {
        "ledger_table.model": names,
        "ledger_table.forecasts": [Number(row["forecasts"], "count") for row in rows],
        "ledger_table.hits90": [Estimate(row["share"], row["share_low"], row["share_high"], "share") for row in rows],
        "ledger_table.hits50": [Number(row["hits50"] / row["forecasts"], "share") for row in rows],
        "ledger_table.scale": [Number(max(row["scale"], 1.0), "mean") for row in rows],
        "ledger_table.state": [Message(f"ledger_table.{row['state']}") for row in rows],
    }
    names_of = {"share": "mean", "share_low": "ci_low", "share_high": "ci_high"}
    bars = record.rename(columns=names_of).assign(metric="share", estimand="level", verdict="")
    return about.finding(
        "honest",
        says,
        verdict="",
        chart=Chart(charts.intervals, bars, names, reference=0.9),
        caption=["ledger_record.legend"],
        table=Table(columns, caption="ledger_record.caption"),
        notes=["ledger_record.note"],
    )


def ahead(forecasts: Estimates, target: str) -> Finding:
    """Say what is expected next, to be held against what comes."""
    about, frame = forecasts.about, forecasts.frame
    due = frame[(frame["target_period"] == target) & (frame["level"] == "total")]
    order = due["metric"].map(_HEADS).fillna(9)
    width = due["weighting"].map({"population": 0, "survey": 1}).fillna(2)
    due = due.assign(_o=order, _w=width).sort_values(["_w", "_o"], kind="stable").drop_duplicates(["model", "item"])
    ends: dict[str, Any] = {"ci_low": due["q05"], "ci_high": due["q95"], "estimand": "forecast", "verdict": ""}
    due = due.assign(**ends).sort_values("_o", kind="stable")
    rows = list(Estimates(due.head(NEXT), about))
    if not rows:
        return about.finding("ahead", [Say("ledger_ahead.none")])
    first = rows[0]
    says = [
        Say("ledger_ahead.lead", name=what(first), value=first.value(drawn=False), span=first.span(drawn=False)),
        Say("ledger_ahead.all", n=tally(len(due))),
    ]
    columns: dict[Any, Any] = {
        "ledger_table.what": [what(row) for row in rows],
        "ledger_table.expected": [row.cell(signed=False) for row in rows],
    }
    return about.finding("ahead", says, table=Table(columns, caption="ledger_ahead.caption"))
