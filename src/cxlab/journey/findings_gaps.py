"""Findings on expectation and experience: where we miss, meet, exceed; how many; managers' view; what sets it.

All read the tidy table ``journey_estimates``. A gap's verdict reads worse: misses, better: exceeds, no_real_change:
meets. Touchpoints stand in the order of ``params.journey.stages``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from cxlab.journey import figures_gaps
from cxlab.journey.findings import LARGEST
from cxlab.journey.names import Place, Quoted
from cxlab.report import charts, tables
from cxlab.report.finding import Finding
from cxlab.report.format import is_number
from cxlab.report.tidy import Estimates, Row, Say
from cxlab.report.writing import Chart, Estimate, Group, Listed, Message, Number, Reference, Table

if TYPE_CHECKING:
    from cxlab.params.models import Stage

_SURE: Final = 0.975  # probability from which a difference has a direction, as `estimates.SURE`
_MOST: Final = 3  # events told in words
_ROWS: Final = 12  # of a figure of events: the clearest; the table has all
_WORDS: Final = {"worse": "misses", "better": "exceeds", "no_real_change": "meets", "cannot_tell": "cannot_tell"}


class Touchpoints:
    """Touchpoints that some rows are about, in the order of the journey, and rows of other estimands beside them."""

    def __init__(self, estimates: Estimates, stages: Sequence[Stage], *estimands: str) -> None:
        frame = estimates.now().frame
        self.estimates = Estimates(frame.assign(key=frame["touchpoint"] + "|" + frame["item"]), estimates.about)
        order = {t: i for i, t in enumerate(t for stage in stages for t in stage.touchpoints)}
        found = self.estimates.where(estimand=set(estimands), metric={"mean", "share"}).frame["key"]
        self.keys = sorted(dict.fromkeys(found), key=lambda key: order.get(key.split("|")[0], len(order)))
        named = {t: _stage(stage) for stage in stages for t in stage.touchpoints}
        self.headings = [named.get(key.split("|")[0], "") for key in self.keys]

    def rows(self, estimand: str, metric: str = "mean") -> Estimates:
        """Return one row a touchpoint; without numbers where there is none."""
        wanted: dict[str, Any] = {"metric": metric} if metric else {}
        return self.estimates.where(estimand=estimand, **wanted).aligned("key", self.keys)

    def name(self, key: str) -> Place:
        """Return the reference to a touchpoint."""
        touchpoint, item = key.split("|", 1)
        return Place(touchpoint, item, sum(k.split("|")[0] == touchpoint for k in self.keys) > 1)

    @property
    def names(self) -> list[Place]:
        """References to all touchpoints."""
        return [self.name(key) for key in self.keys]

    def having(self, rows: Estimates, verdict: str) -> list[Place]:
        """Return the touchpoints whose row has a verdict."""
        return [self.name(row["key"]) for row in rows if row.verdict == verdict]


def profile(estimates: Estimates, *, stages: Sequence[Stage] = ()) -> Finding:
    """Say where experience misses, meets, exceeds expectation, in points of the scale.

    Parameters
    ----------
    estimates : Estimates
    stages : sequence of Stage
        ``params.journey.stages``.
    """
    about, at = estimates.about, Touchpoints(estimates, stages, "experience", "expectation")
    expected, lived, gap = (at.rows(estimand) for estimand in ("expectation", "experience", "gap"))
    moved, shown = at.rows("gap_change"), gap.known
    if not at.keys:
        return about.finding("gaps", [Say("gaps_profile.nobody")])
    says: list[Say | None] = []
    if gap.frame["estimand"].isna().all():
        says.append(Say("gaps_profile.unasked"))
    elif not len(shown):
        says.append(Say(f"gaps_profile.{gap.first_of(otherwise='suppressed')}"))
    else:
        judged = {verdict: at.having(gap, verdict) for verdict in _WORDS}
        says += [Say(f"gaps_profile.{key}", list=judged[v]) for v, key in _WORDS.items() if judged[v]]
        if judged["worse"] or judged["better"]:
            ending = "worst" if judged["worse"] else "best"
            says.append(_extreme(at, ending, expected, lived, gap))
        for verdict, key in (("worse", "lost"), ("better", "gained")):
            places = at.having(moved, verdict)
            says.append(Say(f"gaps_profile.{key}", list=places) if places else None)
    values = [
        Number(g.mean, "mean", signed=True)
        if g.is_known
        else Message("gaps_profile.not_asked")
        if len(shown) and g.verdict not in ("withheld", "suppressed")
        else x.value(metric="mean")
        if x.is_known
        else _state(x)
        for g, x in zip(gap, lived, strict=True)
    ]
    verdicts = [row.verdict for row in gap]
    n = [x["n"] if is_number(x["n"]) else e["n"] for x, e in zip(lived, expected, strict=True)]
    columns: dict[Any, Any] = {
        "gaps_head.touchpoint": at.names,
        "gaps_head.expected": _cells(expected),
        "gaps_head.experienced": _cells(lived),
        "gaps_head.gap": _cells(gap, signed=True),
        "gaps_head.verdict": [Message(f"gaps_word.{_WORDS[v]}") if v in _WORDS else "—" for v in verdicts],
        "gaps_head.change": _cells(moved, signed=True),
        "gaps_head.n": n,
    }
    pairs = len(at.estimates.where(estimand="p_below", metric="share")) > 0
    drawn = len(lived.known) or len(expected.known)
    return about.finding(
        "gaps",
        says,
        row=(shown if len(shown) else lived.known).together,
        verdict="withheld" if gap.state == "withheld" else "",
        chart=Chart(
            figures_gaps.dumbbell,
            expected.frame.fillna({"metric": "mean"}),
            lived,
            at.names,
            values,
            verdicts=verdicts,
            headings=at.headings,
        )
        if drawn
        else None,
        caption=["gaps_profile.legend"],
        table=Table(columns, caption="gaps_profile.caption", csv=about.csv),
        notes=[f"gaps_profile.{'note' if pairs else 'note_apart' if len(shown) else 'note_alone'}"],
    )


def _extreme(at: Touchpoints, ending: str, expected: Estimates, lived: Estimates, gap: Estimates) -> Say | None:
    """Say where the largest shortfall or surplus is, if it is with the probability `LARGEST` or the only one."""
    verdict, chances = ("worse", "p_shortfall") if ending == "worst" else ("better", "p_surplus")
    clear = [row for row in gap if row.verdict == verdict]
    chance = {row["key"]: row.mean for row in at.rows(chances, "probability").known}
    row = max(clear, key=lambda r: abs(r.mean))
    if len(gap.known) > 1 and chance.get(row["key"], 0.0) < LARGEST:
        return None
    by = {name: rows.by("key")[row["key"]].value() for name, rows in (("expected", expected), ("value", lived))}
    return Say(f"gaps_profile.{ending}", name=at.name(row["key"]), **by, span=row.span(signed=True, drawn=False))


def shares(estimates: Estimates, *, stages: Sequence[Stage] = ()) -> Finding:
    """Say how many customers experienced less than, as much as, more than they expected. Parameters: see `profile`."""
    about, at = estimates.about, Touchpoints(estimates, stages, "p_below")
    below, same, above = (at.rows(estimand, "share") for estimand in ("p_below", "p_met", "p_exceeded"))
    targets = at.estimates.where(estimand="p_target").known
    if not len(below.known):
        return _none(estimates, "met", "gaps_met", below)
    row = below.known.ordered().first
    assert row is not None
    says = [
        Say(
            "gaps_met.most",
            name=at.name(row["key"]),
            value=row.value(),
            span=row.span(),
            above=above.by("key")[row["key"]].value(drawn=False),
        )
    ]
    for key, places in (
        ("target_missed", [at.name(t["key"]) for t in targets if t.mean < 1 - _SURE]),
        ("target_hit", [at.name(t["key"]) for t in targets if t.mean > _SURE]),
    ):
        says += [Say(f"gaps_met.{key}", list=places)] if places else []
    chance = targets.by("key")
    named = zip(("p_below", "p_met", "p_exceeded"), (below, same, above), strict=True)
    parts = {name: rows.frame["mean"].astype(float) for name, rows in named}
    bars = pd.DataFrame(parts | {"low": below.frame["ci_low"], "high": below.frame["ci_high"]})
    fine = below.frame["mean"].notna().to_numpy()
    columns: dict[Any, Any] = {
        "gaps_head.touchpoint": at.names,
        **{f"gaps_head.{k}": _cells(r, metric="share") for k, r in (("below", below), ("met", same), ("above", above))},
        "gaps_head.target": [
            Number(chance[key].mean if key in chance else float("nan"), "probability") for key in at.keys
        ],
        "gaps_head.pairs": below.values("n"),
    }
    return about.finding(
        "met",
        says,
        row=below.known.together,
        verdict="",
        chart=Chart(figures_gaps.met, bars[fine].astype(float), [at.name(r["key"]) for r in below.known]),
        caption=["gaps_met.legend"],
        table=Table(columns, caption="gaps_met.caption", csv=about.csv),
        notes=["gaps_met.note"],
    )


def managers(estimates: Estimates, *, stages: Sequence[Stage] = ()) -> Finding:
    """Say what managers believe that customers experience, beside what customers say. Parameters: see `profile`."""
    about, at = estimates.about, Touchpoints(estimates, stages, "experience_gap")
    gap, theirs, customers = (at.rows(estimand) for estimand in ("experience_gap", "managers", "experience"))
    if not len(gap.known):
        return _none(estimates, "managers", "gaps_managers", gap)
    says = []
    for side in ("over", "under", "same", "open"):
        chosen = sorted((row for row in gap.known if _direction(row) == side), key=lambda row: -abs(row.mean))
        names = [at.name(row["key"]) for row in chosen]
        if not chosen:
            continue
        if side in ("same", "open"):
            says.append(Say(f"gaps_managers.{side}", list=names))
            continue
        key = chosen[0]["key"]
        told = {
            f"{side}_{who}": rows.by("key")[key].value()
            for who, rows in (("managers", theirs), ("customers", customers))
        }
        told[f"{side}_span"] = chosen[0].span(signed=True, drawn=False)
        says.append(Say(f"gaps_managers.{side}", name=names[0], **told))
        says += [Say(f"gaps_managers.{side}_too", list=names[1:])] if names[1:] else []
    fine = gap.frame["mean"].notna().to_numpy()
    columns: dict[Any, Any] = {
        "gaps_head.touchpoint": at.names,
        "gaps_head.managers": _cells(theirs),
        "gaps_head.customers": _cells(customers),
        "gaps_head.difference": _cells(gap, signed=True),
        "gaps_head.over": gap.values("prob_gt_ref", "probability"),
        "gaps_head.managers_n": theirs.values("n"),
    }
    values = [Number(row.mean, "mean", signed=True) for row in gap.known]
    shown = [at.name(row["key"]) for row in gap.known]
    return about.finding(
        "managers",
        says,
        row=theirs[fine].together,
        verdict="",
        chart=Chart(figures_gaps.dumbbell, theirs[fine], customers[fine], shown, values),
        caption=["gaps_managers.legend"],
        table=Table(columns, caption="gaps_managers.caption", csv=about.csv),
        notes=["gaps_managers.note"],
    )


def events(estimates: Estimates) -> Finding:
    """Say which campaign, price change or competitor's move went with other expectations.

    What is called clear holds for all events and touchpoints looked at together.
    """
    about, at = estimates.about, Touchpoints(estimates, (), "expectation_shift")
    rows = at.estimates.where(estimand="expectation_shift", metric="mean")
    order = {event: i for i, event in enumerate(dict.fromkeys(rows.frame["event"]))}
    rows = Estimates(rows.frame.iloc[sorted(range(len(rows)), key=lambda i: order[rows.frame["event"].iloc[i]])], about)
    if not len(rows.known):
        asked = len(estimates.where(estimand="expectation")) > 0
        return _none(estimates, "events", "gaps_events", rows, otherwise="none" if asked else "unasked")
    clear = sorted((r for r in rows.known.holding() if _direction(r) != "same"), key=lambda row: -abs(row.mean))
    says = [_event(at, row, place) for place, row in enumerate(clear[:_MOST])] or [Say("gaps_events.nothing")]
    sure = {row["event"] for row in clear}
    known = set(rows.known.frame["event"])
    open_ = {row["event"] for row in rows.known if _direction(row) != "same"} - sure
    for side in ("same", "open"):
        told = [e for e in order if e in known - sure and (e in open_) == (side == "open")]
        says += [Say(f"gaps_events.{side}", list=[Quoted(str(e)) for e in told])] if told else []
    ground = at.estimates.where(estimand="gap_shift", metric="mean")
    lost = sorted(ground.known.holding(), key=lambda row: -abs(row.mean / row.number("sd")))
    if lost:
        key = "gained" if lost[0].mean > 0 else "lost"
        numbers = {
            "ground": lost[0].value(signed=True, drawn=False),
            "ground_span": lost[0].span(signed=True, drawn=False),
        }
        says.append(Say(f"gaps_events.{key}", event=Quoted(lost[0]["event"]), name=at.name(lost[0]["key"]), **numbers))
    thin = list(dict.fromkeys(str(row["event"]) for row in rows if row.verdict == "suppressed"))
    says += [Say("gaps_events.thin", list=[Quoted(event) for event in thin])] if thin else []
    beside = {(row["key"], row["event"]): row for row in ground}
    columns: dict[Any, Any] = {
        "gaps_head.event": [_event_name(at, row) for row in rows],
        "gaps_head.shift": _cells(rows, signed=True),
        "gaps_head.direction": [Number(_toward(row), "probability") for row in rows],
        "gaps_head.gap_shift": [_gap_cell(beside.get((row["key"], row["event"]))) for row in rows],
        "gaps_head.n_fewer": rows.values("n"),
    }
    away = (rows.frame["mean"] / rows.frame["sd"]).astype(float).abs()
    shown = rows[rows.frame.index.isin(away.sort_values(ascending=False).index[:_ROWS]) & rows.frame["mean"].notna()]
    first = rows.known.first
    return about.finding(
        "events",
        says,
        row=Row({**first, "n": float("nan")}) if first is not None else None,
        verdict="",
        chart=Chart(
            charts.intervals,
            Estimates(shown.frame.assign(estimand="difference"), about),
            [_event_name(at, row) for row in shown],
            reference=0.0,
        ),
        caption=["gaps_events.legend"],
        table=Table(columns, caption="gaps_events.caption", csv=about.csv),
        notes=["gaps_events.note", Message("gaps_events.many", n=len(rows.known)) if len(rows.known) > 1 else ""],
    )


def agreement(predictive: Estimates) -> Finding:
    """Show whether the model foretells how far experience lies from expectation.

    Parameters
    ----------
    predictive : Estimates
        Of `cxlab.journey.estimates_gaps.predictive`.
    """
    about, frame = predictive.about, predictive.frame
    if frame.empty:
        return about.finding("agreement", [Say("gaps_check.none")])
    outside = (frame["observed"] < frame["ci_low"]) | (frame["observed"] > frame["ci_high"])
    fine = int(outside.sum()) <= max(1, round(0.3 * len(frame)))  # one of ten lies outside by chance
    name = Group("touchpoint", str(frame["touchpoint"].iloc[0]))
    columns: dict[Any, Any] = {
        "gaps_head.steps": [Number(code, "count", signed=True) for code in frame["code"]],
        "gaps_head.seen": [Number(share, "rate") for share in frame["observed"]],
        "gaps_head.foretold": [Estimate(r["mean"], r["ci_low"], r["ci_high"], "rate") for r in predictive],
    }
    return about.finding(
        "agreement",
        [Say(f"gaps_check.{'agrees' if fine else 'differs'}", name=name)],
        chart=Chart(figures_gaps.steps, frame),
        caption=["gaps_check.legend"],
        table=Table(columns, caption=Message("gaps_check.caption", name=name)),
        notes=[Message("note.answers", n=int(frame["n"].iloc[0]), quantity=int(frame["n"].iloc[0]))],
    )


def _none(estimates: Estimates, id: str, section: str, rows: Estimates, otherwise: str = "none") -> Finding:
    key = rows.first_of(otherwise=otherwise)
    return estimates.about.finding(id, [Say(f"{section}.{key}")], verdict="withheld" if key == "withheld" else "")


def _stage(stage: Stage) -> Reference:
    label: str | Mapping[str, str] = stage.label if stage.label is not None else stage.id.replace("_", " ")  # type: ignore[assignment]
    return Listed([label])


def _direction(row: Row) -> str:
    """Which way a difference points: over, under, same (within the practical limit) or open."""
    if row.verdict == "no_real_change":
        return "same"
    chance = row.number("prob_gt_ref")
    if row.verdict == "cannot_tell":
        return "open"
    return "over" if chance > _SURE else "under" if chance < 1 - _SURE else "open"


def _toward(row: Row) -> float:
    known = row.is_known and is_number(row["prob_gt_ref"])
    return tables.direction(row.number("prob_gt_ref"), row.mean) if known else float("nan")


def _event(at: Touchpoints, row: Row, place: int) -> Say:
    numbers = {
        f"shift_{place}": row.value(signed=True),
        f"span_{place}": row.span(signed=True),
        f"p_{place}": Number(_toward(row), "probability", drawn=False),
    }
    key = f"gaps_events.{'raised' if row.mean > 0 else 'lowered'}_{place}"
    return Say(key, event=Quoted(str(row["event"])), name=at.name(row["key"]), **numbers)


def _event_name(at: Touchpoints, row: Row) -> Message:
    return Message("gaps_events.row", event=str(row["event"]), name=at.name(row["key"]))


def _gap_cell(row: Row | None) -> Any:
    return "—" if row is None else row.cell(signed=True, metric="mean")


def _state(row: Row) -> Any:
    return Message(f"verdict.{row.verdict}") if row.verdict in ("withheld", "suppressed") else "—"


def _cells(rows: Estimates, *, signed: bool = False, metric: str = "mean") -> list[Any]:
    return [row.cell(signed=signed, metric=metric) for row in rows]
