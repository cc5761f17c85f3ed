"""Findings on moments of truth: what a bad experience goes with, one bad experience, peak and end, age.

All read the tidy table ``journey_estimates``; a question that the data cannot answer gets one sentence that says what
is missing (`cxlab.journey.fits.Journeys.missing`). What is called clear holds for all experiences looked at together;
what is called the largest is so with a probability of `LARGEST` or more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from cxlab.journey import figures
from cxlab.journey.names import Experience, small_print, unanswered
from cxlab.journey.states import RATING
from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.tidy import Estimates, Row, Say, state
from cxlab.report.writing import Chart, Message, Number, Table, aside, tally

LARGEST: Final = 0.8  # probability from which one thing is called the largest
AMONG: Final = 0.9  # of a few things, one of which is
FACT: Final = 0.01  # smallest change of what happened that a sentence is spent on
_SURE: Final = 0.975  # probability from which peak and end are said to count, or not to
_KEYS: Final = ["touchpoint", "basis"]
_ENDINGS: Final = ("satisfaction", "leaving")


def moments(estimates: Estimates, *, missing: Mapping[str, str], weeks: int = 0) -> Finding:
    """Say where a bad experience clearly goes with less satisfaction, and with leaving, and where most.

    Parameters
    ----------
    estimates : Estimates
    missing : mapping
        Question -> why it cannot be answered.
    weeks : int
        After which a customer is taken for gone; 0: nobody's leaving is known.
    """
    about, every = estimates.about, estimates.where(estimand={f"mot_{ending}" for ending in _ENDINGS})
    reason = missing.get("satisfaction", "no_experience")
    if (silent := unanswered(estimates, every, "moments", reason)) is not None:
        return silent
    lost, gone = (estimates.where(estimand=f"mot_{ending}") for ending in _ENDINGS)
    both = _both(lost, gone)
    seen = {(str(t), str(b)) for t, b in both[_KEYS].to_numpy()} if len(both) else set()
    says = _ending(estimates, lost, "satisfaction", seen, drawn=both.empty)
    if len(gone) and weeks:
        says += _ending(estimates, gone, "leaving", seen, weeks=tally(weeks))
    else:
        reason = missing.get("leaving", "no_followed")
        says.append(Say("journey_missing.leaving", reason=Message(f"journey_reason.{reason}")))
    shown = lost if len(lost) else gone
    chart = Chart(charts.intervals, _differences(shown), [_name(row) for row in shown], reference=0.0)
    if len(both):
        chart = Chart(figures.effect_map, both, [Experience(str(t), str(b)) for t, b in both[_KEYS].to_numpy()])
    rows = list(Estimates(every.frame.drop_duplicates(_KEYS), about))
    columns: dict[str, Any] = {"journey_moments.head_touchpoint": [_name(row) for row in rows]}
    for ending, short in zip(_ENDINGS, ("satisfied", "leave"), strict=True):
        columns[f"journey_moments.head_{short}_good"] = _beside(estimates, rows, f"after_good_{ending}", plain=True)
        columns[f"journey_moments.head_{short}_bad"] = _beside(estimates, rows, f"after_bad_{ending}", plain=True)
        columns[f"journey_moments.head_{short}"] = _beside(estimates, rows, f"mot_{ending}", signed=True)
        columns[f"journey_moments.head_{short}_most"] = _beside(estimates, rows, f"p_largest_{ending}", plain=True)
    columns["journey_moments.head_n"] = [row["n"] for row in rows]
    small = small_print(every, "journey_moments.note", "experiences")
    if len(every.known) > 1:
        small["notes"].append(Message("journey_moments.many", n=len(every.known)))
    return about.finding(
        "moments",
        says,
        verdict="",
        chart=chart,
        caption=["journey_moments.legend" if len(both) else "figure.interval"],
        table=Table(columns, caption="journey_moments.caption", csv=about.csv),
        **small,
    )


def _ending(
    estimates: Estimates, rows: Estimates, ending: str, seen: set[tuple[str, str]], *, drawn: bool = False, **more: Any
) -> list[Say]:
    """Say where a bad experience clearly goes with an ending, and where most if one can tell."""
    if not len(rows.known):
        return []
    section = "journey_moments" if ending == "satisfaction" else "journey_moments.leaving"
    section = section + "_" if ending == "leaving" else section + "."
    clear = {(row["touchpoint"], row["basis"]): row for row in rows.known.holding() if row.verdict == "worse"}
    if not clear:
        return [Say(f"{section}none", **more)]
    chances = estimates.where(estimand=f"p_largest_{ending}").known.ordered()
    first = next(iter(chances), None)
    leader = clear.get((first["touchpoint"], first["basis"])) if first is not None else None
    others = list(clear.values())
    says: list[Say | None] = []
    if first is not None and leader is not None and (first.mean >= LARGEST or len(rows.known) == 1):
        others.remove(leader)
        pair = {f"{ending}_{k}": _same(estimates, leader, f"after_{k}_{ending}") for k in ("bad", "good")}
        told = {k: row.value(drawn=False) for k, row in pair.items() if row is not None}
        span = leader.span(signed=True, drawn=drawn or (leader["touchpoint"], leader["basis"]) in seen)
        says.append(Say(f"{section}lead", name=_name(leader), **told, **{f"{ending}_span": span}, **more))
        says.append(Say(f"{section}others", list=[_name(row) for row in others]) if others else None)
    else:
        says.append(Say(f"{section}clear", list=[_name(row) for row in others], **more))
        among = _among(chances)
        if 1 < len(among) <= max(2, len(rows.known) // 2):
            total = aside(sum(row.mean for row in among), "probability")
            key = f"{section}among"
            says.append(Say(key, list=[_name(row) for row in among], **{f"{ending}_p": total}))
        elif len(others) > 1:
            says.append(Say(f"{section}open"))
    return [say for say in says if say is not None]


def _among(chances: Estimates) -> list[Row]:
    """The fewest things one of which is the largest with the probability `AMONG`."""
    found, total = [], 0.0
    for row in chances:
        if total >= AMONG:
            break
        found.append(row)
        total += row.mean
    return found


def one_bad(estimates: Estimates, *, missing: Mapping[str, str], weeks: int = 0, kind: str = "") -> Finding:
    """Say what one bad experience goes with in leaving, adjusted, beside the folk figure.

    Parameters
    ----------
    estimates, missing, weeks
        As for `moments`.
    kind : str
        How leaving is known: ``churn`` or ``purchase``.
    """
    about, rows = estimates.about, estimates.where(estimand="one_bad")
    if (silent := unanswered(estimates, rows, "one_bad", missing.get("one_bad", "no_bad"))) is not None:
        return silent
    adjusted = rows.known.last  # outcomes before ratings
    assert adjusted is not None
    names = ("one_bad_raw", "one_bad_folk", "one_bad_after", "one_bad_without")
    raw, folk, after, without = (_same(estimates, adjusted, name) for name in names)
    if raw is None or folk is None or after is None or without is None:
        return about.finding("one_bad", [Say("journey_blocked.suppressed")], verdict="suppressed")
    span, within = {"weeks": tally(weeks)}, adjusted.span(signed=True)
    levels = {"after": after.value(drawn=False), "without": without.value(drawn=False)}
    said = {"folk": folk.value(drawn=False), "raw_span": raw.span(signed=True)}
    both = Estimates(pd.DataFrame([raw, adjusted]).assign(estimand="difference"), about)
    heads = [Message(f"journey_one_bad.{key}") for key in ("raw", "adjusted")]
    columns: dict[Any, Any] = {
        "journey_one_bad.head_figure": heads,
        "journey_one_bad.head_bad": [folk.value(), after.value()],
        "journey_one_bad.head_good": ["", without.value()],
        "journey_one_bad.head_difference": both.cells(signed=True),
        "journey_one_bad.head_more": both.values("prob_gt_ref", "probability"),
        "journey_one_bad.head_n": both.values("n_all"),
    }
    key = "by_rating" if adjusted["basis"] == RATING else "by_outcome"
    return about.finding(
        "one_bad",
        [
            Say(f"journey_one_bad.{adjusted.verdict}", span=within, **span, **levels),
            Say("journey_one_bad.folk", **said),
            Say(f"journey_one_bad.{kind}", **span),
        ],
        verdict=adjusted.verdict,
        chart=Chart(charts.intervals, both, heads, reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="journey_one_bad.caption", csv=about.csv),
        **small_print(both, f"journey_one_bad.{key}", "experiences"),
    )


def peak_end(estimates: Estimates, *, missing: Mapping[str, str]) -> Finding:
    """Say whether the worst, best and last experience count beyond the average. Parameters: see `moments`."""
    about, parts = estimates.about, estimates.where(estimand="peak_end")
    gain = estimates.where(estimand="peak_end_gain").first
    parts = parts if gain is not None else parts[[False] * len(parts)]
    if (silent := unanswered(estimates, parts, "peak_end", missing.get("peak_end", "no_three"))) is not None:
        return silent
    assert gain is not None
    by, chance = parts.by("group"), gain.number("prob_gt_ref")
    key = "yes" if chance > _SURE else "no" if chance < 1 - _SURE else "cannot_tell"
    levels = {k: by[k].value(signed=True) for k in ("mean", "last", "worst")}
    levels |= {f"{k}_span": by[k].span(signed=True) for k in ("last", "worst")}
    names = [Message(f"journey_peak_end.{part}") for part in parts.frame["group"]]
    over = estimates.where(estimand="peak_end_over_mean").aligned("group", parts.frame["group"])
    columns: dict[Any, Any] = {
        "journey_peak_end.head_part": names,
        "journey_peak_end.head_effect": parts.cells(signed=True),
        "journey_peak_end.head_over": over.values("prob_gt_ref", "probability"),
    }
    return about.finding(
        "peak_end",
        [
            Say(f"journey_peak_end.{key}", p=aside(chance, "probability")),
            Say("journey_peak_end.parts", **levels),
        ],
        verdict="cannot_tell" if key == "cannot_tell" else "",
        chart=Chart(charts.intervals, _differences(parts), names, reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="journey_peak_end.caption", csv=about.csv),
        **small_print(parts, "journey_peak_end.note", "answers"),
    )


def age(estimates: Estimates, *, missing: Mapping[str, str]) -> Finding:
    """Say whether old relationships are more satisfied than young ones. Parameters: see `moments`."""
    about, rows = estimates.about, estimates.where(estimand="tenure")
    rows = Estimates(rows.frame.sort_values("group", key=lambda days: days.astype(int), kind="stable"), about)
    steps = rows if len(rows) > 1 else rows[[False] * len(rows)]
    if (silent := unanswered(estimates, steps, "age", missing.get("tenure", "no_since"))) is not None:
        return silent
    if len(rows.known) < 2:
        return about.finding("age", [Say("journey_missing.age", reason=Message("journey_reason.one_age"))])
    first, *_, last = rows.known
    over = estimates.where(estimand="tenure_change").by("group")
    change, ends = over.get(str(last["group"])), {"young": _step(first), "old": _step(last)}
    verdict = "" if change is None else change.verdict
    says = [Say(f"journey_age.{verdict or 'plain'}", **ends, first=first.value(), last=last.value())]
    if change is not None and not state(change) and first["group"] == rows.frame["group"].iloc[0]:
        says.append(Say("journey_age.difference", **ends, span=change.span(signed=True, drawn=False)))
    names = [_step(row) for row in rows]
    beside = [over.get(str(row["group"])) for row in rows]
    columns: dict[Any, Any] = {
        "journey_age.head_age": names,
        "journey_age.head_share": rows.cells(),
        "journey_age.head_difference": ["—" if row is None else row.cell(signed=True) for row in beside],
        "journey_age.head_n": rows.values("n"),
    }
    return about.finding(
        "age",
        says,
        verdict=verdict,
        chart=Chart(figures.ages, rows, names),
        caption=["figure.interval"],
        table=Table(columns, caption="journey_age.caption", csv=about.csv),
        **small_print(rows, "journey_age.note"),
    )


def _step(row: Row) -> Message:
    return Message(f"journey_age.step_{row['group']}")


def facts(estimates: Estimates, *, said: int = 3) -> Finding:
    """Say what happened more or less often than the period before, the largest clear change first."""
    about, now = estimates.about, estimates.where(estimand="fact", period=estimates.about.period)
    if (silent := unanswered(estimates, now, "facts", "no_outcomes")) is not None:
        return silent
    changes = estimates.where(estimand="fact_change")
    previous = estimates.where(estimand="fact").before()
    moved = [row for row in changes.known.holding() if abs(row.mean) >= FACT and row.verdict != "no_real_change"]
    moved.sort(key=lambda row: -abs(row.mean))
    says = []
    for place, row in enumerate(moved[:said]):
        then = estimates.where(estimand="fact", period=previous, **_key(row)).first
        here = now.where(**_key(row)).first
        if then is None or here is None:
            continue
        key = "rose" if row.mean > 0 else "fell"
        judged = f"{key}_{row.verdict}" if row.verdict in ("better", "worse") else key
        fields = {"name": _name(row), "before": then.value(drawn=False), "now": here.value(drawn=False)}
        says.append(
            Say(f"journey_facts.{judged}", **fields) if place == 0 else Say(f"journey_facts.too_{key}", **fields)
        )
    if not says:
        says = [Say("journey_facts.none" if len(changes.known) else "journey_facts.first", n=tally(len(now)))]
    rows = list(now)
    before = [estimates.where(estimand="fact", period=previous, **_key(row)).first for row in rows]
    change = [changes.where(**_key(row)).first for row in rows]
    columns: dict[str, Any] = {
        "journey_facts.head_what": [_name(row) for row in rows],
        "journey_facts.head_before": [row.value() if row is not None else "" for row in before],
        "journey_facts.head_now": [row.value() for row in rows],
        "journey_facts.head_change": [row.cell(signed=True) if row is not None else "" for row in change],
        "journey_facts.head_n": [row["n"] for row in rows],
    }
    drawn = changes if len(changes.known) else now
    return about.finding(
        "facts",
        says,
        verdict="",
        chart=Chart(charts.intervals, _differences(drawn), [_name(row) for row in drawn], reference=0.0)
        if len(changes.known)
        else None,
        caption=["figure.interval"] if len(changes.known) else [],
        table=Table(columns, caption="journey_facts.caption", csv=about.csv),
        notes=["journey_facts.note"],
        association=False,
    )


def _key(row: Row) -> dict[str, Any]:
    return {"touchpoint": row["touchpoint"], "basis": row["basis"]}


def _name(row: Row) -> Experience:
    return Experience(str(row["touchpoint"]), str(row["basis"]))


def _same(estimates: Estimates, row: Row, estimand: str) -> Row | None:
    """The row of another estimand of the same experience."""
    return estimates.where(estimand=estimand, touchpoint=row["touchpoint"], basis=row["basis"]).first


def _beside(
    estimates: Estimates, rows: list[Row], estimand: str, *, signed: bool = False, plain: bool = False
) -> list[Any]:
    """A column of the table: another estimand of the same experiences."""
    found = [_same(estimates, row, estimand) for row in rows]
    if plain:
        return [Number(float("nan"), "share") if row is None else row.value() for row in found]
    return ["—" if row is None else row.cell(signed=signed) for row in found]


def _differences(rows: Estimates) -> Estimates:
    return Estimates(rows.frame.assign(estimand="difference"), rows.about)


def _both(lost: Estimates, gone: Estimates) -> pd.DataFrame:
    """Experiences whose effects on satisfaction and on leaving are both known, as the map wants them."""
    pairs = lost.known.frame.merge(gone.known.frame, on=_KEYS, suffixes=("_s", "_l"))
    ends = (("mean", ""), ("ci_low", "_low"), ("ci_high", "_high"))
    wanted = {f"{c}_{side}": f"{axis}{end}" for side, axis in (("s", "x"), ("l", "y")) for c, end in ends}
    return pairs.rename(columns=wanted)[[*_KEYS, *wanted.values()]]
