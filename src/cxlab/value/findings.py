"""Findings on value that lead the page: worth, trust, who customers are, how they moved, who comes back, what next.

All read the tidy table ``value_estimates`` (`cxlab.value.estimates`), whose page also names what amounts mean, days and
periods (`cxlab.value.estimates.facts`). A question that the data cannot answer gets one sentence that says what is
missing. What folds under "more" is in `cxlab.value.findings_more`.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.format import is_number
from cxlab.report.tidy import Estimates, Row, Say
from cxlab.report.writing import Chart, Estimate, Message, Number, Period, Reference, Table, aside, tally
from cxlab.value import figures

CLOSE: Final = 0.08  # error of a total up to which a forecast is called close
SEASONS: Final = 104  # weeks of calibration below which no season has been seen twice
STAGES: Final = ("active", "slipping", "lapsed")
NEW: Final = "new"
RATES: Final = ("repurchase_rate", "service_return_rate")
_NAN: Final = float("nan")


def rows_of(table: Estimates, estimand: str, level: str = "total") -> Estimates:
    """Return the rows of an estimand on a level."""
    return table.where(estimand=estimand, level=level)


def one(table: Estimates, estimand: str, level: str = "total", **wanted: Any) -> Row | None:
    """Return the first row of an estimand that has a number."""
    return rows_of(table, estimand, level).where(**wanted).known.first


def missing(table: Estimates, id: str, question: str, reason: str) -> Finding:
    """Return the finding that says what is missing to answer a question."""
    return table.about.finding(id, [Say(f"value_missing.{question}", reason=Message(f"value_reason.{reason}"))])


def stopped(table: Estimates, id: str, why: str) -> Finding:
    """Return the finding that makes no statement: checks failed, or too few customers."""
    why = "suppressed" if why == "none" else why
    return table.about.finding(id, [Say(f"value_blocked.{why}")], verdict=why)


def notes(table: Estimates, *keys: str, n: float = _NAN, money: bool = False, interval: bool = True) -> list[Any]:
    """Return the small print: customers, interval, what amounts mean, and more."""
    out: list[Any] = [Message("value_note.customers", n=Number(n, "count"), quantity=n)] if is_number(n) else []
    out += [Message("note.interval", percent="90")] if interval else []
    if money:
        out += [f"value_money.{table.about.more['margin_from']}", *currency(table)]
    return [*out, *keys]


def currency(table: Estimates) -> list[Any]:
    """Return the small print on the currency, if it is told."""
    return ["value_money.currency"] if table.about.more["currency"] else []


def told_by(row: Row | None) -> Estimate | str:
    """Return a row as a cell of a table; a dash where there is none."""
    return "—" if row is None else row.cell(signed=False)


def stage(key: str) -> Message:
    """Return the name of a stage."""
    return Message(f"value_stage.{key}")


def segment(key: str) -> Message:
    """Return the name of a segment: "high value, active"."""
    value, _, at = key.partition("/")
    return Message("value_class.both", value=Message(f"value_class.{value}"), stage=stage(at)) if at else stage(key)


def worth(table: Estimates) -> Finding:
    """Say what the known customers are worth, and whether that changed."""
    about, more = table.about, table.about.more
    total, parts = (rows_of(table, "customer_equity", level) for level in ("total", "tenure"))
    if not len(total):
        return no_model(table)
    if total.state:
        return stopped(table, "worth", total.state)
    row = total.known.first
    assert row is not None
    kind = "purchases" if row["metric"] == "count" else "revenue" if more["margin_from"] == "none" else "contribution"
    says = [Say(f"value_worth.{kind}", customers=tally(row["n"]), value=row.value(), span=row.span())]
    proof = one(table, "holdout_total")
    if proof is not None and proof.verdict == "worse" and more["kind"] == "buying":
        says.append(Say("value_worth.widened"))
    change, opening = one(table, "equity_change"), one(table, "opening_equity")
    if change is not None:
        key = change.verdict or "season"
        if key == "cannot_tell":  # a range without zero leans one way: saying nothing of it would contradict it
            key = "up" if change["ci_low"] > 0 else "down" if change["ci_high"] < 0 else key
        moved = {"change": change.value(drawn=False), "change_span": change.span(drawn=False)}
        says.append(Say(f"value_worth.change_{key}", **moved))
    shown = Estimates(pd.concat([total.frame, parts.frame]), about)
    drawn = shown.known
    names = [Message(f"value_worth.{r['group'] or 'all'}") for r in shown]
    each = [Number(r.mean / r["n"], "money") if r.is_known and r["n"] else "—" for r in shown]
    cells: list[Any] = [told_by(r) for r in shown]
    who, n = [*names], [Number(r["n"], "count") for r in shown]
    for extra, key in ((change, "row_change"), (opening, "row_opening")):
        if extra is not None:
            who.append(Message(f"value_worth.{key}"))
            cells.append(told_by(extra))
            n.append(Number(extra["n"], "count"))
            each.append("")
    old = None
    if opening is not None:
        old = pd.DataFrame({"mean": [opening.mean] + [_NAN] * (len(drawn) - 1)})
    columns: dict[str, Any] = {"value_worth.head_who": who, "value_worth.head_n": n}
    columns |= {"value_worth.head_equity": cells, "value_worth.head_each": each}
    known = [name for name, r in zip(names, shown, strict=True) if r.is_known]
    return about.finding(
        "worth",
        says,
        verdict="" if change is None else change.verdict,
        chart=Chart(charts.intervals, drawn, known, previous=old),
        caption=["figure.interval", Message("figure.previous", period=more["before"]) if opening is not None else ""],
        table=Table(columns, caption="value_worth.caption", csv=about.csv),
        notes=notes(table, "value_worth.note", money=True),
    )


def no_model(table: Estimates) -> Finding:
    """Say why nothing can be said of value."""
    n, again = (float(table.about.more[f"count_{name}"]) for name in ("customers", "again"))
    if table.about.more["reason"]:
        say = Say("value_none.contract")
    elif n < 30:
        say = Say("value_none.customers", n=tally(n), quantity=n)
    else:
        share = aside(again / max(n, 1), "rate")
        say = Say("value_none.again", n=tally(n), again=tally(again), share=share, quantity=again)
    return table.about.finding("worth", [say, Say("value_none.so")], verdict="cannot_tell")


def trust(table: Estimates) -> Finding:
    """Say how a forecast that was tried on the past compares with what came; the figure shows it week by week."""
    about, more = table.about, table.about.more
    rows = rows_of(table, "holdout_total")
    if more["kind"] != "buying" or not len(rows):
        reason = {"buying": "short", "contract": "contract", "none": "no_model"}[more["kind"]]
        return missing(table, "trust", "trust", reason)
    total, actual, error = (one(table, f"holdout_{k}") for k in ("total", "actual", "error"))
    if total is None or actual is None or error is None:
        return stopped(table, "trust", "suppressed")
    inside = total["ci_low"] <= actual.mean <= total["ci_high"]
    seen = {"value": total.value(drawn=False), "span": total.span(drawn=False), "came": actual.value(drawn=False)}
    close = abs(error.mean) <= CLOSE
    size = f"value_trust.{'close' if close else 'many' if error.mean > 0 else 'few'}"
    says = [
        Say(f"value_trust.{'inside' if inside else 'outside'}", **seen),
        Say(size, error=aside(abs(error.mean), "rate"), percent=aside(CLOSE, "share")),
    ]
    held, cover, promised = (one(table, f"holdout_{k}") for k in ("week_cover", "cover", "promised"))
    if held is not None:
        key = "weeks_missed" if total.verdict == "worse" else "weeks_held"
        says.append(Say(f"value_trust.{key}", week_cover=held.value(drawn=False)))
    if not close or total.verdict == "worse":
        says += _why(table, total, actual)
    if cover is not None and promised is not None:
        both = {"cover": cover.value(drawn=False), "promised": promised.value(drawn=False)}
        says.append(Say("value_trust.cover", **both))
    weeks, groups = _beside(table, "week"), _beside(table, "class")
    extra = [(r, k) for r, k in ((cover, "cover"), (promised, "promised"), (held, "week_cover")) if r is not None]
    who = [Message("value_trust.row_total"), Message("value_trust.row_error")]
    who += [Message(f"value_trust.row_{k}") for _, k in extra]
    who += [Message("value_trust.class", x=name) for name in _short(groups)]
    lead: list[Any] = [""] * (1 + len(extra))
    columns: dict[str, Any] = {
        "value_trust.head_who": who,
        "value_trust.head_n": [Number(total["n"], "count"), *lead, *groups.values("n")],
        "value_trust.head_came": [Number(actual.mean, "count"), *lead, *groups.values("actual", "mean")],
        "value_trust.head_expected": [*(told_by(r) for r in (total, error, *(r for r, _ in extra))), *groups.cells()],
    }
    return about.finding(
        "trust",
        says,
        verdict="cannot_tell" if total.verdict == "worse" else "",
        chart=Chart(figures.course, weeks, axis=Message("value_trust.axis")),
        caption=["value_trust.legend"],
        table=Table(columns, caption="value_trust.caption", csv=about.csv),
        notes=notes(table, "value_trust.note", n=float(total["n"])),
        inside=[_by_class(groups)] if len(groups) else [],
    )


def _why(table: Estimates, total: Row, actual: Row) -> list[Say]:
    """What the data can say of the reason of an error: seasons never seen twice, and the past errors of the model."""
    more = table.about.more
    says = [Say("value_trust.season")] if int(more["weeks"]) < SEASONS else []
    plain, shock = one(table, "holdout_plain"), one(table, "shock", "span", group="horizon")
    if plain is not None and plain["ci_low"] <= actual.mean <= plain["ci_high"]:
        says.append(Say("value_trust.chance"))
    if shock is not None:
        key = "value_trust.shock" if more["learned"] else "value_trust.shock_assumed"
        says.append(Say(key, shock=aside(shock.mean, "rate")))
    return says


def _by_class(groups: Estimates) -> Finding:
    shown, says = [*groups.known], [Say("value_trust.one_class")]
    if len(shown) > 1:
        few, many = shown[0], shown[-1]
        numbers = {
            "few": Number(few.mean, "mean", tabled=False),
            "few_came": Number(float(few["actual"]), "mean", tabled=False),
            "many": Number(many.mean, "mean", tabled=False),
            "many_came": Number(float(many["actual"]), "mean", tabled=False),
        }
        says = [Say("value_trust.classes", **numbers)]
    chart = Chart(figures.classes, groups, _short(groups), axis=Message("value_trust.axis_class"))
    return groups.about.finding("trust_classes", says, chart=chart, caption=["value_trust.legend_class"])


def _beside(table: Estimates, level: str) -> Estimates:
    """Rows of a forecast by class or week with ``actual`` beside them, in order."""
    rows, came = (rows_of(table, f"holdout_{level}{end}", level).frame for end in ("", "_actual"))
    actual = rows["group"].map(came.set_index("group")["mean"]).astype(float)
    frame = rows.assign(at=rows["group"].astype(int), actual=actual).sort_values("at")
    return Estimates(frame, table.about)


def _short(rows: Estimates) -> list[str]:
    last = rows.frame["at"].max() if len(rows) else 0
    return [f"{r['group']}+" if int(r["group"]) == last >= 7 else str(r["group"]) for r in rows]


def segments(table: Estimates) -> Finding:
    """Say which customers hold the value, and how surely each is known to be one of them."""
    about, more = table.about, table.about.more
    value = rows_of(table, "segment_value", "segment")
    if not len(value):
        return missing(table, "segments", "segments", "no_model")
    if value.state:
        return stopped(table, "segments", value.state)
    seen = value.known.ordered()
    top = seen.first
    assert top is not None
    by = {k: rows_of(table, f"segment_{k}", "segment").by("group") for k in ("size", "share", "sure")}
    own = {k: rows[top["group"]] for k, rows in by.items() if top["group"] in rows}
    lead = {k: own[k].value(drawn=False) for k in ("size", "share") if k in own}
    says = [Say("value_segments.lead", name=segment(top["group"]), value=top.value(), span=top.span(), **lead)]
    if "sure" in own:
        says.append(Say("value_segments.sure", name=segment(top["group"]), sure=own["sure"].value(drawn=False)))
    keys = [str(r["group"]) for r in value]
    columns: dict[str, Any] = {
        "value_segments.head_segment": [segment(k) for k in keys],
        "value_segments.head_n": value.values("n"),
        "value_segments.head_size": [told_by(by["size"].get(k)) for k in keys],
        "value_segments.head_value": [told_by(r) for r in value],
        "value_segments.head_share": [told_by(by["share"].get(k)) for k in keys],
        "value_segments.head_sure": [told_by(by["sure"].get(k)) for k in keys],
    }
    form = "money" if more["unit"] == "money" else "count"
    return about.finding(
        "segments",
        says,
        verdict="",
        chart=Chart(charts.intervals, seen, [segment(r["group"]) for r in seen]),
        caption=["figure.interval"],
        table=Table(columns, caption="value_segments.caption", csv=about.csv),
        notes=[*notes(table, n=float(top["n_all"]), money=True), f"value_segments.note_{form}"],
    )


def moved(rows: Estimates) -> Chart:
    """Return the figure of shares of stages (rows) in stages (columns)."""
    frame = rows.frame
    order = [s for s in (*STAGES, NEW) if (frame["from"] == s).any()]
    placed = frame.assign(**{"from": frame["from"].map(order.index), "to": frame["to"].map(list(STAGES).index)})
    return Chart(figures.moves, placed, [stage(s) for s in order], [stage(s) for s in STAGES])


def between(rows: Estimates, origin: str, to: str) -> Row | None:
    """Return the share of those in one stage who are in another."""
    return rows.where(**{"from": origin, "to": to}).known.first


def moves(table: Estimates) -> Finding:
    """Say how many customers moved between stages since the end of the period before."""
    about = table.about
    rows, fine = (rows_of(table, "migration", level) for level in ("stage", "segment"))
    if not len(rows):
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "moves", "moves", "first" if fitted else "no_model")
    says = []
    for key, ways in (
        ("down", (("active", "slipping"), ("active", "lapsed"))),
        ("up", (("slipping", "active"), ("lapsed", "active"))),
    ):
        first, second = (between(rows, *way) for way in ways)
        if first is not None:
            numbers = {f"{key}_value": first.value(), f"{key}_span": first.span(drawn=False)}
            numbers |= {f"{key}_other": second.value()} if second is not None else {}
            says.append(Say(f"value_moves.{key}" if second is not None else f"value_moves.{key}_one", **numbers))
    if rows.state or not says:
        return stopped(table, "moves", rows.state or "suppressed")
    some = [*rows, *(r for r in fine.known if r.mean >= 0.01)]
    columns: dict[str, Any] = {f"value_moves.head_{k}": [segment(str(r[k])) for r in some] for k in ("from", "to")}
    columns |= {"value_moves.head_share": [told_by(r) for r in some]}
    columns |= {"value_moves.head_n": [Number(r["n"], "count") for r in some]}
    return about.finding(
        "moves",
        says,
        verdict="",
        chart=moved(rows),
        caption=["value_moves.legend"],
        table=Table(columns, caption="value_moves.caption", csv=about.csv),
        notes=notes(table, "value_moves.note"),
    )


def rates(table: Estimates) -> Finding:
    """Say how many customers bought again, and how many came back for service."""
    about = table.about
    rows, served = (rows_of(table, k).ordered("period", down=False) for k in RATES)
    again, service = (r.now().known.first for r in (rows, served))
    if again is None:
        return stopped(table, "rates", rows.state) if rows.state else missing(table, "rates", "rates", "first")
    says = [Say("value_rates.again", value=again.value(), span=again.span())]
    past = [r for r in rows.known if str(r["period"]) < about.period]
    if past:
        old = past[-1]
        apart = again["ci_low"] > old["ci_high"] or again["ci_high"] < old["ci_low"]
        key = ("rose" if again.mean > old.mean else "fell") if apart else "alike"
        says.append(Say(f"value_rates.{key}", before=Period(str(old["period"])), old=old.value(), old_span=old.span()))
    if service is None:
        says.append(Say("value_rates.no_service"))
    else:
        both = {"service": service.value(drawn=False), "service_span": service.span(drawn=False)}
        says.append(Say("value_rates.service", **both))
    newest = rows.ordered("period")
    other = served.by("period")
    columns: dict[str, Any] = {
        "value_rates.head_period": [Period(str(r["period"])) for r in newest],
        "value_rates.head_again": [told_by(r) for r in newest],
        "value_rates.head_service": [told_by(other.get(str(r["period"]))) for r in newest],
        "value_rates.head_n": newest.values("n"),
    }
    return about.finding(
        "rates",
        says,
        verdict="",
        chart=Chart(charts.trend, rows),
        caption=["value_rates.legend"],
        table=Table(columns, caption="value_rates.caption", csv=about.csv),
        notes=notes(table, "value_rates.note", n=float(again["n"])),
    )


def expected(table: Estimates, forecasts: pd.DataFrame) -> Finding:
    """Say what the known customers will buy in the next period; the next report checks it.

    Parameters
    ----------
    table : Estimates
    forecasts : DataFrame
        Rows of ``forecasts`` as written.
    """
    ends = {"q05": "ci_low", "q95": "ci_high"}
    ahead = Estimates(forecasts.rename(columns=ends).assign(verdict=""), table.about).known
    own = {item: row for item, row in ahead.by("item").items() if item in ("purchases", "revenue")}
    if "purchases" not in own:
        return missing(table, "expected", "expected", "no_model")
    says = [
        Say(f"value_expected.{item}", **{item: row.value(), f"{item}_span": row.span()}) for item, row in own.items()
    ]
    columns: dict[str, list[Reference | str]] = {
        "value_expected.head_what": [Message(f"value_expected.row_{item}") for item in own],
        "value_expected.head_value": [told_by(row) for row in own.values()],
    }
    return table.about.finding(
        "expected",
        [*says, Say("value_expected.check")],
        table=Table(columns, caption="value_expected.caption", csv=table.about.csv),
        notes=[*notes(table, "value_expected.note"), *currency(table)],
    )


def spare(table: Estimates) -> Finding:
    """Say what a contact may cost and, where the params say what it costs and does, for whom it does not pay."""
    about, more = table.about, table.about.more
    ends = rows_of(table, "break_even", "share")
    if not len(ends):
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "spare", "spare", "no_money" if fitted else "no_model")
    if ends.state:
        return stopped(table, "spare", ends.state)
    total, left, saved, lost = (one(table, k) for k in ("spare", "spare_value", "spare_saved", "spare_forgone"))
    rows = rows_of(table, "spare", "segment").ordered()
    half = ends.where(group="0.5").known.first
    says: list[Say | None] = []
    if total is not None and total.mean > 0 and left is not None and saved is not None and lost is not None:
        says.append(Say("value_spare.lead", share=total.value(drawn=False), value=left.value(drawn=False)))
        says.append(Say("value_spare.saved", saved=saved.value(drawn=False), lost=lost.value(drawn=False)))
    elif total is not None:
        says.append(Say("value_spare.none"))
    says.append(Say("value_spare.half", half=half.value(drawn=False)) if half is not None else None)
    says.append(None if more["asked"] else Say("value_spare.not_asked"))
    shown = rows.known
    parts = [(r, k) for r, k in ((left, "value"), (saved, "saved"), (lost, "lost")) if r is not None]
    who: list[Any] = [Message("value_spare.row_all")] if total is not None else []
    who += [*(segment(r["group"]) for r in rows), *(Message(f"value_spare.row_{k}") for _, k in parts)]
    who += [Message("value_spare.row_even", share=Number(float(r["group"]), "share")) for r in ends]
    told = [*([total] if total is not None else []), *rows, *(r for r, _ in parts), *ends]
    counts = [Number(r["n"], "count") if r["metric"] == "share" else "" for r in told]
    columns: dict[str, Any] = {"value_spare.head_who": who, "value_spare.head_share": [told_by(r) for r in told]}
    drawn = Estimates(shown.frame.assign(share=shown.frame["mean"].astype(float)), about)
    assumed = "value_spare.note" if more["asked"] else "value_spare.note_assumed"
    return about.finding(
        "spare",
        says,
        chart=Chart(charts.shares, drawn, [segment(r["group"]) for r in drawn]) if len(drawn) else None,
        caption=["value_spare.legend"],
        table=Table(columns | {"value_spare.head_n": counts}, caption="value_spare.caption", csv=about.csv),
        notes=[assumed, *notes(table, money=True, interval=False)],
    )
