"""Findings on the ways of customers: which paths they take, where these break off, how long until they buy.

All take the tidy table ``journey_estimates`` as the writer returned it and what the data hold (`cxlab.journey.fits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.journey import figures as drawing
from cxlab.journey import findings_common
from cxlab.journey.fits import Journeys
from cxlab.journey.states import BUY, END, START
from cxlab.journey.transitions import OTHER
from cxlab.params.models import Stage
from cxlab.report import charts, tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import Labels, count, estimate, is_number, known
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES

_NAN: Final = float("nan")


def flow(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "flow"
) -> Finding:
    """Say how journeys begin and which touchpoints lead to a purchase. Parameters: see `journey.moments`."""
    steps, first, bought = (findings_common.of(table, e) for e in ("flow", "transition", "purchase"))
    if found.paths is None or first.empty:
        return findings_common.missing(id, "flow", found.missing.get("paths", "no_steps"), languages)
    blocked = findings_common.blocked(first)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    begin = first[(first["touchpoint"] == START) & known(first["mean"])].sort_values("mean", ascending=False)
    states = found.paths.states
    statements = []
    if len(begin):
        own = {lang: {"name": findings_common.state(str(begin["to"].iloc[0]), labels, lang)} for lang in languages}
        numbers = {
            "total": tally(begin["n"].iloc[0]),
            "gap": tally(found.gap),
            "value": findings_common.share(begin.iloc[0]),
        }
        statements.append(Statement("journey_flow.lead", own, numbers))
    reach = bought[known(bought["mean"])].sort_values("mean", ascending=False)
    if len(reach):
        ends = reach.iloc[0], reach.iloc[-1]
        said = {
            lang: {
                k: findings_common.state(str(r["touchpoint"]), labels, lang)
                for k, r in zip(("best", "worst"), ends, strict=True)
            }
            for lang in languages
        }
        numbers = {
            "value": findings_common.share(ends[0]),
            "span": findings_common.span(ends[0], signed=False, drawn=False),
        }
        if len(reach) > 1:
            numbers |= {"worst_value": findings_common.share(ends[1])}
        numbers = {f"buy_{k}": v for k, v in numbers.items()}
        statements.append(Statement(f"journey_flow.{'buy' if len(reach) > 1 else 'buy_one'}", said, numbers))
    drawn = steps.assign(step=steps["group"].astype(int))

    def draw(language: str) -> Figure:
        names = {s: findings_common.state(s, labels, language) for s in (*states, END)}
        return drawing.flow(drawn, names, order=states, end=END, language=language)

    def tabulate(language: str) -> Block:
        to = [*states, END]
        body = []
        for origin in (START, *states):
            own = first[first["touchpoint"] == origin]
            cells = [findings_common.cell(findings_common.first(own[own["to"] == t]), language) for t in to]
            chance = reach[reach["touchpoint"] == origin]
            n = float(own["n"].iloc[0]) if len(own) else _NAN
            body.append(
                [
                    findings_common.state(origin, labels, language),
                    *cells,
                    findings_common.cell(findings_common.first(chance), language),
                    count(n),
                ]
            )
        heads = [message(language, "journey_flow.head_from"), *(findings_common.state(t, labels, language) for t in to)]
        heads += [message(language, f"journey_flow.head_{k}") for k in ("purchase", "n")]
        caption = message(language, "journey_flow.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=findings_common.CSV)

    return build(
        id, statements, languages, note=findings_common.noted(first, "journey_flow.note"),
        caption=lambda lang: message(lang, "journey_flow.legend"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def drop_off(
    table: pd.DataFrame,
    *,
    found: Journeys,
    labels: Labels,
    stages: Sequence[Stage] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "drop_off",
) -> Finding:
    """Say at which touchpoint journeys end most often.

    Parameters are those of `journey.moments`, and `stages`: ``params.journey.stages``. The sentence speaks of the
    touchpoints of the first stage, where an end is a loss; the figure shows all.
    """
    rows = findings_common.of(table, "transition")
    rows = rows[(rows["to"] == END) & ~rows["touchpoint"].str.startswith(BUY) & (rows["touchpoint"] != OTHER)]
    if found.paths is None or rows.empty:
        return findings_common.missing(id, "drop_off", found.missing.get("paths", "no_steps"), languages)
    blocked = findings_common.blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    rows = rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    before = [t for stage in stages[:1] for t in stage.touchpoints]
    early = shown["touchpoint"].isin(before) & any(s.startswith(BUY) for s in found.paths.states)
    shown = shown[early] if early.any() else shown
    ends = shown.iloc[0], shown.iloc[-1]
    names = {
        lang: {
            k: findings_common.state(str(r["touchpoint"]), labels, lang)
            for k, r in zip(("most", "least"), ends, strict=True)
        }
        for lang in languages
    }
    numbers = {"value": findings_common.share(ends[0]), "span": findings_common.span(ends[0], signed=False)}
    statements = [Statement(f"journey_drop_off.{'before' if early.any() else 'lead'}", names, numbers)]
    if len(shown) > 1:
        least = {
            "least_value": findings_common.share(ends[1]),
            "least_span": findings_common.span(ends[1], signed=False),
        }
        statements.append(Statement("journey_drop_off.least", names, least))

    def draw(language: str) -> Figure:
        return charts.intervals(
            rows, [findings_common.state(t, labels, language) for t in rows["touchpoint"]], language=language
        )

    def tabulate(language: str) -> Block:
        body = [
            [
                findings_common.state(str(r["touchpoint"]), labels, language),
                findings_common.cell(r, language),
                count(r["n"]),
            ]
            for _, r in rows.iterrows()
        ]
        return findings_common.table("journey_drop_off", ("touchpoint", "share", "n"), body, language)

    return build(
        id, statements, languages, note=findings_common.noted(rows, "journey_drop_off.note"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def decision(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "decision"
) -> Finding:
    """Say how long customers take to buy again after a touchpoint. Parameters: see `journey.moments`."""
    rows, weeks = (findings_common.of(table, e) for e in ("decided", "decision_weeks"))
    if found.decision is None or rows.empty:
        return findings_common.missing(id, "decision", found.missing.get("decision", "no_spells"), languages)
    blocked = findings_common.blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    rows = rows.assign(week=rows["group"].astype(int), key=rows["touchpoint"] + "|" + rows["basis"])
    weeks = weeks.assign(key=weeks["touchpoint"] + "|" + weeks["basis"])
    seen = rows[known(rows["mean"])]
    last = seen[seen["week"] == seen["week"].max()]
    columns = sorted({4, 13, int(last["week"].iloc[0])} & set(seen["week"]))
    whole = last[last["basis"] == ""].sort_values("mean", ascending=False)
    chosen = whole.sort_values("n", ascending=False).head(4)["key"].tolist()
    chosen = [k for k in whole["key"] if k in chosen]
    ends = (whole[whole["key"].isin(chosen)] if chosen else last).iloc[[0, -1]]
    statements = []
    for place, (_, row) in zip(("fast", "slow"), ends.iterrows(), strict=True):
        if place == "slow" and len(chosen) < 2:
            continue
        own = {lang: {"name": findings_common.moment(row, labels, lang)} for lang in languages}
        half = weeks[weeks["key"] == row["key"]]
        numbers = {f"{place}_share": findings_common.share(row), f"{place}_weeks": tally(row["week"])}
        if len(half) and is_number(half["mean"].iloc[0]):
            numbers |= {f"{place}_half": Number(float(half["median"].iloc[0]), "count", drawn=False)}
            weeks_half = float(half["median"].iloc[0])
            statements.append(Statement(f"journey_decision.{place}_half", own, numbers, quantity=weeks_half))
        else:
            statements.append(Statement(f"journey_decision.{place}", own, numbers))

    def draw(language: str) -> Figure:
        shown = rows[rows["key"].isin(chosen)]
        names = {k: findings_common.moment(shown[shown["key"] == k].iloc[0], labels, language) for k in chosen}
        return drawing.curves(shown, names, language=language)

    def tabulate(language: str) -> Block:
        body = []
        for key, own in rows.groupby("key", sort=False):
            half = findings_common.first(weeks[weeks["key"] == key])
            middle = "—"
            if half is not None and is_number(half["mean"]):
                middle = estimate(*(float(half[c]) for c in ("median", "ci_low", "ci_high")), metric="count",
                                  language=language)  # fmt: skip
            cells = [findings_common.cell(findings_common.first(own[own["week"] == w]), language) for w in columns]
            body.append(
                [findings_common.moment(own.iloc[0], labels, language), middle, *cells, count(own["n"].iloc[0])]
            )
        heads = [message(language, f"journey_decision.head_{k}") for k in ("touchpoint", "half", "n")]
        heads[2:2] = [message(language, "journey_decision.head_week", {"n": str(w)}) for w in columns]
        caption = message(language, "journey_decision.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=findings_common.CSV)

    return build(
        id, statements, languages, note=findings_common.noted(rows, "journey_decision.note"),
        caption=lambda lang: message(lang, "journey_decision.legend"), draw=draw if chosen else None, tabulate=tabulate,
    )  # fmt: skip
