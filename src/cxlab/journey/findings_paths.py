"""Findings on the ways of customers: which paths they take, where these break off, how long until they buy.

All read the tidy table ``journey_estimates``; see `cxlab.journey.findings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cxlab.journey import figures
from cxlab.journey.findings import AMONG, LARGEST
from cxlab.journey.names import Experience, State, small_print, unanswered
from cxlab.journey.states import BUY, END, START
from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.tidy import Estimates, Row, Say
from cxlab.report.writing import Chart, Estimate, Message, Number, Table, aside, tally

_NONE: Final = Number(float("nan"), "count")


def flow(estimates: Estimates, *, missing: Mapping[str, str], states: Sequence[str], gap: int) -> Finding:
    """Say how journeys begin and which touchpoints lead to a purchase.

    Parameters
    ----------
    estimates, missing
        As for `cxlab.journey.findings.moments`.
    states : sequence of str
        Of the journeys, in order.
    gap : int
        Days of pause after which another journey begins.
    """
    about = estimates.about
    first, bought = (estimates.where(estimand=e) for e in ("transition", "purchase"))
    if (silent := unanswered(estimates, first, "flow", missing.get("paths", "no_steps"))) is not None:
        return silent
    says = []
    begin, reach = first.where(touchpoint=START).known.ordered(), bought.known.ordered()
    if (start := begin.first) is not None:
        told = {"total": tally(start["n"]), "gap": tally(gap), "value": start.value(drawn=False)}
        says.append(Say("journey_flow.lead", name=State(str(start["to"])), **told))
    if (best := reach.first) is not None:
        numbers = {"buy_value": best.value(drawn=False), "buy_span": best.span(drawn=False)}
        ends: dict[str, Any] = {"best": State(str(best["touchpoint"]))}
        if (last := reach.last) is not None and len(reach) > 1:
            ends |= {"worst": State(str(last["touchpoint"]))}
            numbers["buy_worst_value"] = last.value(drawn=False)
        says.append(Say(f"journey_flow.{'buy' if 'worst' in ends else 'buy_one'}", **ends, **numbers))
    steps = estimates.where(estimand="flow").frame
    names = {state: State(state) for state in (*states, END)}
    origins, to = [START, *states], [*states, END]
    cells = {(row["touchpoint"], row["to"]): row for row in first}
    chance = bought.by("touchpoint")
    counts = {str(row["touchpoint"]): Number(row.number("n"), "count") for row in first}
    columns: dict[Any, Sequence[Any]] = {"journey_flow.head_from": [State(state) for state in origins]}
    columns |= {State(t): [_cell(cells.get((origin, t))) for origin in origins] for t in to}
    columns["journey_flow.head_purchase"] = [_cell(chance.get(origin)) for origin in origins]
    columns["journey_flow.head_n"] = [counts.get(origin, _NONE) for origin in origins]
    return about.finding(
        "flow",
        says,
        verdict="",
        chart=Chart(figures.flow, steps.assign(step=steps["group"].astype(int)), names, order=list(states), end=END),
        caption=["journey_flow.legend"],
        table=Table(columns, caption="journey_flow.caption", csv=about.csv),
        **small_print(first, "journey_flow.note"),
    )


def _cell(row: Row | None) -> Any:
    return "—" if row is None else row.cell()


def drop_off(estimates: Estimates, *, missing: Mapping[str, str], early: Sequence[str] = ()) -> Finding:
    """Say at which touchpoint journeys end most often, if one can tell.

    Parameters
    ----------
    estimates, missing
        As for `cxlab.journey.findings.moments`.
    early : sequence of str
        Touchpoints before a purchase, where an end is a loss; the others are left out. Empty: all touchpoints.
    """
    about, rows = estimates.about, estimates.where(estimand="transition", to=END)
    rows = rows[[not str(t).startswith(BUY) and t != "other" for t in rows.frame["touchpoint"]]]
    if (silent := unanswered(estimates, rows, "drop_off", missing.get("paths", "no_steps"))) is not None:
        return silent
    shown = rows.where(touchpoint=set(early)) if early else rows
    shown = (shown if len(shown.known) else rows).ordered()
    chances = estimates.where(estimand="p_ends_most", touchpoint=set(shown.frame["touchpoint"])).known.ordered()
    chance, most = chances.by("touchpoint"), chances.first
    section = "journey_drop_off.before" if early else "journey_drop_off.lead"
    lead = shown.known.by("touchpoint").get(str(most["touchpoint"])) if most is not None else shown.known.first
    assert lead is not None
    numbers = {"value": lead.value(), "span": lead.span()}
    if most is None or most.mean >= LARGEST or len(shown.known) == 1:
        says = [Say(section, most=State(str(lead["touchpoint"])), **numbers)]
    else:
        among, total = [], 0.0
        for row in chances:
            if total < AMONG:
                among.append(State(str(row["touchpoint"])))
                total += row.mean
        says = [Say(f"{section}_open", list=among, p=aside(total, "probability"))]
    names = [State(str(row["touchpoint"])) for row in shown]
    columns: dict[Any, Any] = {
        "journey_drop_off.head_touchpoint": names,
        "journey_drop_off.head_share": shown.cells(),
        "journey_drop_off.head_most": [
            chance[str(row["touchpoint"])].value() if str(row["touchpoint"]) in chance else _NONE for row in shown
        ],
        "journey_drop_off.head_n": shown.values("n"),
    }
    return about.finding(
        "drop_off",
        says,
        verdict="",
        chart=Chart(charts.intervals, shown, names),
        caption=["figure.interval"],
        table=Table(columns, caption="journey_drop_off.caption", csv=about.csv),
        **small_print(shown, "journey_drop_off.note"),
    )


def decision(estimates: Estimates, *, missing: Mapping[str, str]) -> Finding:
    """Say how long customers take to buy again after a touchpoint. Parameters: see `findings.moments`."""
    about, rows = estimates.about, estimates.where(estimand="decided")
    if (silent := unanswered(estimates, rows, "decision", missing.get("decision", "no_spells"))) is not None:
        return silent
    rows, half = _keyed(rows), _keyed(estimates.where(estimand="decision_weeks"))
    seen = rows.known.frame.assign(week=rows.known.frame["group"].astype(int))
    final = int(seen["week"].max())
    last = rows.known.where(group=str(final))
    weeks = sorted({4, 13, final} & set(seen["week"]))
    whole = last.where(basis="").ordered()
    common = set(whole.ordered("n").frame["key"].head(4))
    drawn = whole[[key in common for key in whole.frame["key"]]]
    told = list(drawn if len(drawn) else last)
    medians, says = half.by("key"), []
    for place, row in zip(("fast", "slow"), [told[0], told[-1]][: len(told)], strict=False):
        numbers = {f"{place}_share": row.value(drawn=False), f"{place}_weeks": tally(final)}
        middle = medians.get(row["key"])
        key, quantity = f"journey_decision.{place}", None
        if middle is not None and middle.is_known:
            key, quantity = f"{key}_half", middle.number("median")
            numbers[f"{place}_half"] = Number(quantity, "count", drawn=False)
        says.append(Say(key, name=Experience(row["touchpoint"], row["basis"]), quantity=quantity, **numbers))
    keys = list(dict.fromkeys(rows.frame["key"]))
    lives = {key: rows.where(key=key) for key in keys}
    columns: dict[Any, Sequence[Any]] = {
        "journey_decision.head_touchpoint": [Experience(*key.split("|", 1)) for key in keys],
        "journey_decision.head_half": [_weeks(medians.get(key)) for key in keys],
    }
    for week in weeks:
        head = Message("journey_decision.head_week", n=str(week))
        columns[head] = [_cell(lives[key].where(group=str(week)).first) for key in keys]
    columns["journey_decision.head_n"] = [lives[key].frame["n"].iloc[0] for key in keys]
    names = {row["key"]: Experience(row["touchpoint"], row["basis"]) for row in drawn}
    curves = rows.frame.assign(week=rows.frame["group"].astype(int))
    return about.finding(
        "decision",
        says,
        verdict="",
        chart=Chart(figures.curves, curves[curves["key"].isin(list(names))], names) if names else None,
        caption=["journey_decision.legend"],
        table=Table(columns, caption="journey_decision.caption", csv=about.csv),
        **small_print(rows, "journey_decision.note"),
    )


def _weeks(row: Row | None) -> Any:
    if row is None or not row.is_known:
        return "—"
    return Estimate(row.number("median"), row.number("ci_low"), row.number("ci_high"), "count")


def _keyed(rows: Estimates) -> Estimates:
    return Estimates(rows.frame.assign(key=rows.frame["touchpoint"] + "|" + rows.frame["basis"]), rows.about)
