"""Findings on the ways of customers: which paths they take, where these break off, how long until they buy.

All take the tidy table ``journey_estimates`` as the writer returned it and what the data hold (`cxlab.journeys`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab import figures, tables
from cxlab.blocks import Block
from cxlab.catalogue import message
from cxlab.figures import journey as drawing
from cxlab.journeys import Journeys
from cxlab.models.journey.names import BUY, END, START
from cxlab.models.journey.steps import OTHER
from cxlab.narrative import along
from cxlab.narrative.finding import Finding, Number, Statement, build, tally
from cxlab.params.models import Stage
from cxlab.vocab import LANGUAGES
from cxlab.wording import Labels, count, estimate, is_number, known

_NAN: Final = float("nan")


def flow(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "flow"
) -> Finding:
    """Say how journeys begin and which touchpoints lead to a purchase. Parameters: see `journey.moments`."""
    steps, first, bought = (along.of(table, e) for e in ("flow", "transition", "purchase"))
    if found.paths is None or first.empty:
        return along.missing(id, "flow", found.missing.get("paths", "no_steps"), languages)
    blocked = along.blocked(first)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    begin = first[(first["touchpoint"] == START) & known(first["mean"])].sort_values("mean", ascending=False)
    states = found.paths.states
    statements = []
    if len(begin):
        own = {lang: {"name": along.state(str(begin["to"].iloc[0]), labels, lang)} for lang in languages}
        numbers = {"total": tally(begin["n"].iloc[0]), "gap": tally(found.gap), "value": along.share(begin.iloc[0])}
        statements.append(Statement("journey_flow.lead", own, numbers))
    reach = bought[known(bought["mean"])].sort_values("mean", ascending=False)
    if len(reach):
        ends = reach.iloc[0], reach.iloc[-1]
        said = {
            lang: {
                k: along.state(str(r["touchpoint"]), labels, lang) for k, r in zip(("best", "worst"), ends, strict=True)
            }
            for lang in languages
        }
        numbers = {"value": along.share(ends[0]), "span": along.span(ends[0], signed=False, drawn=False)}
        if len(reach) > 1:
            numbers |= {"worst_value": along.share(ends[1])}
        numbers = {f"buy_{k}": v for k, v in numbers.items()}
        statements.append(Statement(f"journey_flow.{'buy' if len(reach) > 1 else 'buy_one'}", said, numbers))
    drawn = steps.assign(step=steps["group"].astype(int))

    def draw(language: str) -> Figure:
        names = {s: along.state(s, labels, language) for s in (*states, END)}
        return drawing.flow(drawn, names, order=states, end=END, language=language)

    def tabulate(language: str) -> Block:
        to = [*states, END]
        body = []
        for origin in (START, *states):
            own = first[first["touchpoint"] == origin]
            cells = [along.cell(along.first(own[own["to"] == t]), language) for t in to]
            chance = reach[reach["touchpoint"] == origin]
            n = float(own["n"].iloc[0]) if len(own) else _NAN
            body.append(
                [along.state(origin, labels, language), *cells, along.cell(along.first(chance), language), count(n)]
            )
        heads = [message(language, "journey_flow.head_from"), *(along.state(t, labels, language) for t in to)]
        heads += [message(language, f"journey_flow.head_{k}") for k in ("purchase", "n")]
        caption = message(language, "journey_flow.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=along.CSV)

    return build(
        id, statements, languages, note=along.noted(first, "journey_flow.note"),
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
    rows = along.of(table, "transition")
    rows = rows[(rows["to"] == END) & ~rows["touchpoint"].str.startswith(BUY) & (rows["touchpoint"] != OTHER)]
    if found.paths is None or rows.empty:
        return along.missing(id, "drop_off", found.missing.get("paths", "no_steps"), languages)
    blocked = along.blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    rows = rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    before = [t for stage in stages[:1] for t in stage.touchpoints]
    early = shown["touchpoint"].isin(before) & any(s.startswith(BUY) for s in found.paths.states)
    shown = shown[early] if early.any() else shown
    ends = shown.iloc[0], shown.iloc[-1]
    names = {
        lang: {k: along.state(str(r["touchpoint"]), labels, lang) for k, r in zip(("most", "least"), ends, strict=True)}
        for lang in languages
    }
    numbers = {"value": along.share(ends[0]), "span": along.span(ends[0], signed=False)}
    statements = [Statement(f"journey_drop_off.{'before' if early.any() else 'lead'}", names, numbers)]
    if len(shown) > 1:
        least = {"least_value": along.share(ends[1]), "least_span": along.span(ends[1], signed=False)}
        statements.append(Statement("journey_drop_off.least", names, least))

    def draw(language: str) -> Figure:
        return figures.intervals(
            rows, [along.state(t, labels, language) for t in rows["touchpoint"]], language=language
        )

    def tabulate(language: str) -> Block:
        body = [
            [along.state(str(r["touchpoint"]), labels, language), along.cell(r, language), count(r["n"])]
            for _, r in rows.iterrows()
        ]
        return along.table("journey_drop_off", ("touchpoint", "share", "n"), body, language)

    return build(
        id, statements, languages, note=along.noted(rows, "journey_drop_off.note"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def decision(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "decision"
) -> Finding:
    """Say how long customers take to buy again after a touchpoint. Parameters: see `journey.moments`."""
    rows, weeks = (along.of(table, e) for e in ("decided", "decision_weeks"))
    if found.decision is None or rows.empty:
        return along.missing(id, "decision", found.missing.get("decision", "no_spells"), languages)
    blocked = along.blocked(rows)
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
        own = {lang: {"name": along.moment(row, labels, lang)} for lang in languages}
        half = weeks[weeks["key"] == row["key"]]
        numbers = {f"{place}_share": along.share(row), f"{place}_weeks": tally(row["week"])}
        if len(half) and is_number(half["mean"].iloc[0]):
            numbers |= {f"{place}_half": Number(float(half["median"].iloc[0]), "count", drawn=False)}
            weeks_half = float(half["median"].iloc[0])
            statements.append(Statement(f"journey_decision.{place}_half", own, numbers, quantity=weeks_half))
        else:
            statements.append(Statement(f"journey_decision.{place}", own, numbers))

    def draw(language: str) -> Figure:
        shown = rows[rows["key"].isin(chosen)]
        names = {k: along.moment(shown[shown["key"] == k].iloc[0], labels, language) for k in chosen}
        return drawing.curves(shown, names, language=language)

    def tabulate(language: str) -> Block:
        body = []
        for key, own in rows.groupby("key", sort=False):
            half = along.first(weeks[weeks["key"] == key])
            middle = "—"
            if half is not None and is_number(half["mean"]):
                middle = estimate(*(float(half[c]) for c in ("median", "ci_low", "ci_high")), metric="count",
                                  language=language)  # fmt: skip
            cells = [along.cell(along.first(own[own["week"] == w]), language) for w in columns]
            body.append([along.moment(own.iloc[0], labels, language), middle, *cells, count(own["n"].iloc[0])])
        heads = [message(language, f"journey_decision.head_{k}") for k in ("touchpoint", "half", "n")]
        heads[2:2] = [message(language, "journey_decision.head_week", {"n": str(w)}) for w in columns]
        caption = message(language, "journey_decision.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=along.CSV)

    return build(
        id, statements, languages, note=along.noted(rows, "journey_decision.note"),
        caption=lambda lang: message(lang, "journey_decision.legend"), draw=draw if chosen else None, tabulate=tabulate,
    )  # fmt: skip
