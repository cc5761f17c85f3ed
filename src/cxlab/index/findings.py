"""Findings on the satisfaction index: how high, what moves it, where to begin, what it goes with, what it rests on.

All read the tidy table of the index (`cxlab.index.estimates.table`) with names of latents in the page's labels; see
`labels_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxlab.index.figures import importance_map
from cxlab.report import charts, format, tables
from cxlab.report.finding import Finding
from cxlab.report.format import Labels
from cxlab.report.tidy import REAL, Estimates, Say, state
from cxlab.report.writing import (
    Certainty,
    Chart,
    Group,
    Item,
    Listed,
    Message,
    Number,
    Period,
    Reference,
    Table,
    TableOf,
    aside,
    tally,
)

if TYPE_CHECKING:
    from cxlab.params.models import Params

LEVEL = "latent"
CLEAR = 0.8  # probability of a quadrant from which it is named
WEAK = 0.25  # share a question has in common with its latent below which it is called weak


def labels_of(params: Params, brand: str) -> Labels:
    """Return the names of a client with those of the index's latents."""
    latents = params.index.latents if params.index else {}
    own = {name: latent.label for name, latent in latents.items() if latent.label}
    labels = format.labels_of(params, brand)
    return replace(labels, groups={**labels.groups, LEVEL: own})


def latent(name: object) -> Group:
    """Return the reference to a latent."""
    return Group(LEVEL, str(name))


def now(estimates: Estimates, target: str) -> Finding:
    """Say how high the index of a latent is and whether it changed; the figure shows all periods."""
    about = estimates.about
    levels = estimates.where(estimand="index", to=target).ordered("period", down=False)
    changes = estimates.where(estimand="index_change", to=target).ordered("period", down=False)
    changes = Estimates(changes.frame.assign(estimand="change"), about)
    row, change, name = levels.now().first, changes.now().first, latent(target)
    if row is None or state(row):
        return about.silent("index", row, "index_state")
    says = [Say("index_now.was", name=name, value=row.value(), span=row.span())]
    before = levels.known.by("period").get(levels.known.before())
    if change is None or state(change) or before is None:
        says.append(Say("index_now.no_change" if before else "index_now.first"))
    else:
        moved: dict[str, Any] = {
            "previous": before.value(),
            "change_span": change.span(metric="index", signed=True, drawn=False),
        }
        if change.verdict in REAL:
            chance = Number(change.chance, "probability", drawn=False)
            moved |= {"p": chance, "sure": Certainty(change.chance)}
        key = {"better": "rose", "worse": "fell"}.get(change.verdict, change.verdict)
        says.append(Say(f"index_now.{key}", **moved))
    real = "figure.changed" if any(c.verdict in REAL for c in changes) else ""
    return about.finding(
        "index",
        says,
        row=row,
        verdict="" if state(change) or change is None else change.verdict,
        chart=Chart(charts.trend, levels, changes=changes),
        caption=["figure.band", real, "index_now.weights"],
        table=TableOf(
            tables.periods_table, levels, changes, caption=Message("index_now.caption", name=name), csv=about.csv
        ),
    )


def levels(estimates: Estimates) -> Finding:
    """Say which latent's index is highest and lowest, and which really changed."""
    about = estimates.about
    rows = estimates.now(estimand="index").ordered()
    if not len(rows.known):
        return about.silent("indices", rows, "index_state")
    changes = estimates.now(estimand="index_change").by("to")
    composite = estimates.now(estimand="composite_index").by("to")
    every = estimates.where(estimand="index")
    earlier = every.before()
    before = every.where(period=earlier).aligned("to", rows.frame["to"]) if earlier else None
    top, *_, last = [*rows.known, *rows.known]
    moved = [
        Message(f"index_all.{'up' if change.verdict == 'better' else 'down'}", name=latent(name))
        for name, change in changes.items()
        if change.verdict in REAL
    ]
    ends = {"value": top.value(), "worst_value": last.value()}
    names = rows.named("to", LEVEL)
    per_row = [changes.get(row["to"]) for row in rows]
    return about.finding(
        "indices",
        [
            Say("index_all.range", best=latent(top["to"]), worst=latent(last["to"]), **ends),
            Say("index_all.moved" if moved else "index_all.still", list=Listed(moved)) if changes else None,
        ],
        row=top,
        verdict="",
        chart=Chart(charts.intervals, rows, names, previous=before),
        caption=[
            "figure.interval",
            Message("figure.previous", period=Period(earlier)) if earlier else "",
            "index_all.scale",
        ],
        table=Table(
            {
                "index_table.latent": names,
                "index_table.index": rows.cells(),
                "index_table.change": ["" if c is None else c.cell(signed=True) for c in per_row],
                "index_table.verdict": [Message(f"verdict.{c.verdict}") if c and c.verdict else "" for c in per_row],
                "index_table.composite": [composite[row["to"]].value(metric="index") for row in rows],
            },
            caption="index_all.caption",
        ),
    )


def effects(estimates: Estimates, target: str) -> Finding:
    """Say what goes most with the target: total effects of one index point."""
    about = estimates.about
    rows = estimates.where(estimand="point_effect", to=target).ordered()
    if not len(rows.known):
        return about.silent("effects", rows, "index_state")
    total = estimates.where(estimand="total_effect", to=target).by("from")
    r2 = estimates.where(estimand="r2", to=target).first
    readable = [row for row in rows.known if not row["prior_sensitive"]]
    flagged = [latent(row["from"]) for row in rows.known if row["prior_sensitive"]]
    says = [Say("index_effect.unsure")]
    if readable:
        best, *others = readable
        rivals = [row for row in rows.known if row["from"] != best["from"]]  # also those that rest on assumptions
        clear = best.verdict == "better" and all(row["ci_high"] <= best["ci_low"] for row in rivals)
        key = "index_effect.lead" if clear else "index_effect.lead_open"
        says = [Say(key, best=latent(best["from"]), value=best.value(), span=best.span())]
        if others:
            second = {"second_value": others[0].value(), "second_span": others[0].span()}
            says.append(Say("index_effect.second", second=latent(others[0]["from"]), **second))
    if r2 is not None and not state(r2):
        key = "index_effect.explained_flagged" if r2["prior_sensitive"] else "index_effect.explained"
        says.append(Say(key, r2=aside(r2.mean, "share"), r2_span=aside(r2["ci_low"], "share", r2["ci_high"])))
    says.append(Say("index_effect.flagged" if flagged else "index_effect.none_flagged", list=Listed(flagged)))
    totals = [total[row["from"]].cell() for row in rows]
    return _effects(estimates, "effects", "index_effect", rows, says, target, column="from", total=totals)


def after(estimates: Estimates, target: str) -> Finding:
    """Say what the target goes with among what follows from it."""
    rows = estimates.where(estimand="point_effect", from_=target)
    if not len(rows.known):
        return estimates.about.silent("after", rows, "index_state")
    says = []
    for row in rows.known:
        key = "loyalty" if row.mean > 0 else "falls"
        if row.verdict == "cannot_tell" or (row["prior_sensitive"] and row.mean <= 0):
            key = "open"
        elif row["prior_sensitive"]:
            key = "flagged"
        says.append(Say(f"index_after.{key}", outcome=latent(row["to"]), value=row.value(), span=row.span()))
    return _effects(estimates, "after", "index_after", rows, says, target, column="to")


def _effects(
    estimates: Estimates,
    id: str,
    section: str,
    rows: Estimates,
    says: Sequence[Say],
    target: str,
    *,
    column: str,
    total: Sequence[object] = (),
) -> Finding:
    names, goal = rows.named(column, LEVEL), {"target": latent(target)}
    columns: dict[str, Any] = {"index_table.latent": names, "index_table.effect": rows.cells()}
    columns |= {"index_table.total": list(total)} if total else {}
    columns["index_table.p"] = rows.values("prob_gt_ref", "probability")
    columns["index_table.flag"] = _flags(rows)
    return replace(estimates.about, more=goal).finding(
        id,
        says,
        row=rows.known.first,
        verdict="",
        chart=Chart(charts.intervals, rows, names, reference=0.0),
        caption=["figure.interval", f"{section}.points"],
        table=Table(columns, caption=f"{section}.caption"),
        association=True,
    )


def _flags(rows: Estimates) -> list[Reference]:
    return [Message(f"index_table.{'yes' if row['prior_sensitive'] else 'no'}") for row in rows]


def where(estimates: Estimates, target: str) -> Finding:
    """Say what counts much and is weak: the importance-performance map."""
    about = replace(estimates.about, more={"target": latent(target)})
    importance = estimates.where(estimand="point_effect", to=target)
    performance = estimates.now(estimand="index").aligned("to", importance.frame["from"])
    chance = estimates.where(estimand="p_quadrant").frame.pivot(index="from", columns="group", values="mean")
    if importance.state or not len(performance.known) or chance.isna().all(axis=None):
        return about.silent("map", importance if importance.state else performance, "index_state")
    act = str(chance["act"].idxmax())
    clear = float(chance["act"].max()) >= CLEAR
    keep = [latent(name) for name, p in chance["keep"].items() if p >= CLEAR]
    first = {"best": latent(act), "p": Number(float(chance["act"].max()), "probability", drawn=False)}
    names = importance.named("from", LEVEL)
    quadrants = {
        f"index_table.{q}": [Number(float(chance.loc[row["from"], q]), "probability") for row in importance]
        for q in ("act", "keep", "watch", "enough")
    }
    return about.finding(
        "map",
        [
            Say("index_map.act", **first) if clear else Say("index_map.open"),
            Say("index_map.keep", list=Listed(keep)) if keep else None,
        ],
        row=importance.first,
        verdict="" if clear else "cannot_tell",
        chart=Chart(importance_map, importance, performance, names),
        caption=["index_map.across"],
        table=Table(
            {
                "index_table.latent": names,
                "index_table.performance": performance.cells(),
                "index_table.effect": importance.cells(),
                **quadrants,
            },
            caption="index_map.caption",
        ),
        association=True,
    )


def money(estimates: Estimates, target: str, *, days: int) -> Finding:
    """Say what one point of the target goes with in what customers do in so many days after their answer."""
    about = replace(estimates.about, more={"target": latent(target), "days": str(days)})
    rows = estimates.where(estimand="outcome_effect")
    means = estimates.where(estimand="outcome_mean").by("to")
    if not len(rows):
        return about.finding("money", [Say("index_money.none")])
    if rows.state:
        return about.silent("money", rows, "index_state")
    says = []
    for row in rows.known:
        what, signed = str(row["to"]), row["to"] != "spend"
        value, span = row.value(signed=signed), row.span(signed=signed)
        key = "spend_less" if what == "spend" and row.mean < 0 else what
        told = {"value": value} if row.verdict != "cannot_tell" else {}
        key = key if told else "open"
        says.append(Say(f"index_money.{key}", what=Message(f"index_outcome.{what}"), span=span, **told))
    return about.finding(
        "money",
        says,
        row=rows.known.first,
        verdict="",
        table=Table(
            {
                "index_table.outcome": [Message(f"index_outcome.{row['to']}") for row in rows],
                "index_money.mean": [means[row["to"]].value(metric=row["metric"]) for row in rows],
                "index_money.per_point": [row.cell(signed=row["to"] != "spend") for row in rows],
                "table.n": rows.values("n"),
            },
            caption="index_money.caption",
        ),
        association=True,
    )


def paths(estimates: Estimates, target: str) -> Finding:
    """Show the model's paths beside those of composites, and which rest on the prior."""
    about = replace(estimates.about, more={"target": latent(target)})
    rows, composite = (estimates.where(estimand=estimand) for estimand in ("path", "composite_path"))
    if not len(rows.known):
        return about.silent("paths", rows, "index_state")
    arrows = [Message("index_table.arrow", origin=latent(row["from"]), to=latent(row["to"])) for row in rows]
    flagged = [arrow for arrow, row in zip(arrows, rows, strict=True) if row["prior_sensitive"]]
    weaker = int((composite.frame["mean"].abs().to_numpy() < rows.frame["mean"].abs().to_numpy()).sum())
    signs = np.sign(rows.frame[["narrow", "wide", "likelihood"]].to_numpy(float))
    same = np.abs(signs.sum(axis=1)) == 3  # whatever the prior
    decided = int((rows.frame["verdict"].isin(REAL) & same).sum())
    says = [Say("index_path.lead", total=tally(len(rows)), decided=tally(decided))]
    index, other = (estimates.now(estimand=e, to=target).first for e in ("index", "composite_index"))
    if index is not None and other is not None and not state(index):
        both = {"value": aside(index.mean, "index"), "other": aside(other.mean, "index")}
        says.append(Say("index_path.attenuated", weaker=tally(weaker), total=tally(len(rows)), **both))
    r2, other = (estimates.where(estimand=e, to=target).first for e in ("r2", "composite_r2"))
    if r2 is not None and other is not None and not state(r2):
        says.append(Say("index_path.explained", r2=aside(r2.mean, "share"), other_r2=aside(other.mean, "share")))
    listed = Listed(flagged, most=12)
    says.append(Say("index_path.flagged" if flagged else "index_path.none_flagged", list=listed))
    return about.finding(
        "paths",
        says,
        row=rows.first,
        verdict="",
        chart=Chart(charts.intervals, rows, arrows, previous=composite, reference=0.0),
        caption=["figure.interval", "index_path.dashed"],
        table=Table(
            {
                "index_table.path": arrows,
                "index_table.total": rows.cells(),
                "index_table.composite": composite.cells(),
                **{f"index_table.{k}": rows.values(k, "path") for k in ("narrow", "wide", "likelihood")},
                "index_table.flag": _flags(rows),
            },
            caption="index_path.caption",
        ),
        association=True,
    )


def questions(estimates: Estimates, *, blanks: float, completed: float, left_out: Sequence[str] = ()) -> Finding:
    """Say how well the questions measure, and what is missing.

    Parameters
    ----------
    estimates : Estimates
    blanks : float
        Share of the answers that are missing.
    completed : float
        Share that the pattern of blanks made us complete.
    left_out : sequence of str
        Questions nobody answered.
    """
    about = estimates.about
    rows = estimates.where(estimand="loading")
    if not len(rows.known):
        return about.silent("questions", rows, "index_state")
    worst = min(rows.known, key=lambda row: abs(row.mean))
    shared = worst.mean**2
    weakest = {"worst": worst.item, "name": latent(worst["from"]), "value": aside(shared, "share")}
    says = [Say("index_measure.weak" if shared < WEAK else "index_measure.lead", **weakest)]
    says.append(Say("index_measure.blanks", share=aside(blanks, "rate")) if blanks > 0 else Say("index_measure.whole"))
    if blanks > 0 and completed > 0:
        says.append(Say("index_measure.completed", share=aside(completed, "rate")))
    if left_out:
        says.append(Say("index_measure.left_out", list=Listed([Item(item) for item in left_out])))
    return about.finding(
        "questions",
        says,
        row=rows.known.first,
        verdict="",
        table=Table(
            {
                "index_table.question": rows.named("item"),
                "index_table.weight": rows.named("from", LEVEL),
                "index_table.loading": rows.cells(),
                "table.n": rows.values("n"),
            },
            caption="index_measure.caption",
        ),
    )
