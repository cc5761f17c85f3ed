"""Findings on what topics do: which weigh on the score, how often and how heavily, what rose or fell, what is new.

All read the table ``topic_estimates`` as it was written. What is called tied to the score, or more or less spoken of,
holds with all topics looked at together.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import charts, tables
from cxlab.report.finding import Finding
from cxlab.report.format import is_number
from cxlab.report.tidy import Estimates, Row, Say
from cxlab.report.writing import Certainty, Chart, Message, Number, Reference, Table, Writer, aside, tally
from cxlab.voice import figures
from cxlab.voice.names import MOST, Spoken, differences, ends, quoted, rows_of, silent, small_print, tied, topic

SURE: Final = 0.95  # probability from which a topic is said to weigh more than every other one
EVERYWHERE: Final = 0.8  # share of comments from which a topic is in all of them
_OFTEN: Final = 0.25  # share of comments that is often, however often others are spoken of
_NEW: Final = "emerging"  # verdict of what is announced
_WORDS: Final = 4  # of the name of a finer group
_NAN: Final = float("nan")


def leading(estimates: Estimates, *, most: int = 3) -> list[str]:
    """Return the topics the page leads with: those that really weigh on the score first, then those that lift it.

    Where no topic is tied to the score, those spoken of most.
    """
    real = tied(estimates)
    shown = [row for row in rows_of(estimates, "points_at_stake").known.ordered(down=False) if row["topic"] in real]
    down, up = ([str(r["topic"]) for r in shown if sign * r.mean > 0] for sign in (-1, 1))
    often = rows_of(estimates, "sentiment").ordered("n").frame["topic"].astype(str).tolist()  # of all, never withheld
    return (down + up[::-1])[:most] or often[:most]


def leaning(estimates: Estimates) -> dict[str, float]:
    """Return the side of each topic that is really tied to the score: below 0 complaint, above 0 praise."""
    return {name: row.mean for name, row in tied(estimates).items()}


def cost(estimates: Estimates) -> Finding:
    """Say which topic weighs most on the score: how often it comes up times what goes with a mention."""
    about, stakes = estimates.about, rows_of(estimates, "points_at_stake").ordered(down=False)
    stakes, why = _apart(stakes, estimates)
    if (none := silent(stakes, "cost", "voice_cost", why)) is not None:
        return none
    order = stakes.frame["topic"]
    effects, shares = (rows_of(estimates, e).aligned("topic", order) for e in ("score_effect", "share"))
    firsts = rows_of(estimates, "p_rank_worst").known.by("topic")
    real, by = tied(estimates), stakes.by("topic")
    down = [name for name in order.astype(str) if name in real and real[name].verdict == "worse"]
    up = [name for name in order.astype(str)[::-1] if name in real and real[name].verdict == "better"]
    open_ = len(stakes.known) - len(down) - len(up)
    says: list[Say | None] = []
    if down:
        best, share = down[0], shares.by("topic")[down[0]]
        named: dict[str, Any] = {"best": topic(best)}
        effect = {"effect": real[best].value(signed=True, drawn=False), "share": share.value(drawn=False)}
        effect["effect_span"] = real[best].span(signed=True, drawn=False)
        value = {"value": by[best].value(signed=True), "value_span": by[best].span(signed=True)}
        says += [Say("voice_cost.lead", **named, **effect), Say("voice_cost.stake", **named, **value)]
        if best in firsts and len(stakes) > 1:
            chance = firsts[best].mean
            key = "first" if chance >= SURE else "first_open"
            p = Number(chance, "probability", drawn=False)
            says.append(Say(f"voice_cost.{key}", **named, sure=Certainty(chance), p=p))
    else:
        says.append(Say("voice_cost.nothing"))
    says.append(Say("voice_cost.down", list=quoted(down[1:])) if down[1:] else None)
    says.append(Say("voice_cost.up", list=quoted(up)) if up else None)
    says.append(Say("voice_cost.open", quantity=open_, n=tally(open_)) if open_ and (down or up) else None)
    drawn = ends(stakes.known)
    words = ("worse", "better", "no_real_change", "withheld", "suppressed")
    ties = [
        row.verdict if row.verdict in words and (row["topic"] in real or row.verdict not in words[:2]) else ""
        for row in effects
    ]
    columns: dict[Any, Any] = {
        "voice_table.topic": [topic(name) for name in order],
        "voice_table.share": shares.cells(),
        "voice_table.effect": effects.cells(signed=True),
        "voice_table.stake": stakes.cells(signed=True),
        "voice_table.first": [Number(firsts[n].mean if n in firsts else _NAN, "probability") for n in order],
        "voice_table.tie": [Message(f"voice_tie.{tie or 'cannot_tell'}") for tie in ties],
        "voice_table.n": stakes.values("n"),
    }
    return about.finding(
        "cost",
        says,
        verdict="",
        chart=Chart(charts.intervals, differences(drawn), [topic(r["topic"]) for r in drawn], reference=0.0),
        caption=["voice_cost.legend"],
        table=Table(columns, caption="voice_cost.caption", csv=about.csv),
        association=True,
        **small_print(stakes, "voice_cost.alarms", which="scored"),
    )


def _apart(rows: Estimates, estimates: Estimates) -> tuple[Estimates, str]:
    """Leave out topics that nearly every comment speaks of: nothing can be set against them; say if none is left."""
    wide = {str(row["topic"]) for row in rows_of(estimates, "share").known if row.mean > EVERYWHERE}
    left = rows[[str(name) not in wide for name in rows.frame["topic"]]] if len(rows) else rows
    return left, "everywhere" if len(rows) and not len(left) else ""


def weight(estimates: Estimates) -> Finding:
    """Set how often a topic comes up against what goes with a mention."""
    about = estimates.about
    effects, why = _apart(rows_of(estimates, "score_effect"), estimates)
    if (none := silent(effects, "weight", "voice_cost", why)) is not None:
        return none
    shares = rows_of(estimates, "share").known.ordered()
    by = effects.known.by("topic")
    shares = shares[[str(name) in by for name in shares.frame["topic"]]]
    effects = effects.aligned("topic", shares.frame["topic"])
    usual = min(float(shares.frame["mean"].median()), _OFTEN) if len(shares) else 0.0
    real = tied(estimates)
    lists: dict[str, list[str]] = {"often": [], "seldom": [], "harmless": [], "praised": []}
    for row in shares:
        name, often = str(row["topic"]), row.mean >= usual
        verdict = real[name].verdict if name in real else ""
        key = "praised" if verdict == "better" else "harmless" if not verdict else "often" if often else "seldom"
        if key != "harmless" or often:
            lists[key].append(name)
    says = [Say(f"voice_weight.{key}", list=quoted(names)) for key, names in lists.items() if names]
    role = {"worse": "bad", "better": "good"}
    spots = {
        f"{axis}{end}": rows.frame[column]
        for axis, rows in (("x", shares), ("y", effects))
        for column, end in (("mean", ""), ("ci_low", "_low"), ("ci_high", "_high"))
    }
    roles = [role[real[str(t)].verdict] if str(t) in real else "soft" for t in shares.frame["topic"]]
    return about.finding(
        "weight",
        says or [Say("voice_weight.none")],
        verdict="",
        chart=Chart(
            figures.effect_map,
            pd.DataFrame(spots).assign(role=roles).head(MOST),
            [topic(name) for name in shares.frame["topic"].head(MOST)],
            titles=(Message("voice_weight.x"), Message("voice_weight.y")),
            metric=str(effects.frame["metric"].iloc[0]) if len(effects) else "mean",
        ),
        caption=["voice_weight.legend"],
        association=True,
        **small_print(effects, which="scored"),
    )


def changes(estimates: Estimates) -> Finding:
    """Say what customers speak of more, or less, than in the period before."""
    about, moved = estimates.about, rows_of(estimates, "share_change").ordered()
    before = about.more.get("before")
    if (none := silent(moved, "changes", "voice_change", "" if before else "first")) is not None:
        return none
    order = moved.frame["topic"]
    periods = (before.label if before else "", about.period)
    old, new = (rows_of(estimates, "share", period=p).aligned("topic", order) for p in periods)
    # Surely more, but surely by less than matters, is no news.
    clear = [row for row in moved.known.holding() if row.verdict != "no_real_change"]
    says: list[Say] = []
    for key, rows in (("rose", [r for r in clear if r.mean > 0]), ("fell", [r for r in clear[::-1] if r.mean < 0])):
        if not rows:
            continue
        name = str(rows[0]["topic"])
        numbers = {"change": rows[0].value(signed=True), "change_span": rows[0].span(signed=True)}
        numbers |= {k: s.by("topic")[name].value(drawn=False) for k, s in (("old", old), ("new", new))}
        says.append(Say(f"voice_change.{key}", best=topic(name), **numbers))
        if rest := [row["topic"] for row in rows[1:]]:
            says.append(Say(f"voice_change.also_{key}", list=quoted(rest)))
    drawn = ends(moved.known)
    columns: dict[Any, Any] = {
        "voice_table.topic": [topic(name) for name in order],
        "voice_table.share_before": old.cells(),
        "voice_table.share": new.cells(),
        "table.change": moved.cells(signed=True),
        "table.probability_direction": [Number(_toward(row), "probability") for row in moved],
        "voice_table.n": moved.values("n"),
    }
    return about.finding(
        "changes",
        says or [Say("voice_change.same")],
        verdict="",
        chart=Chart(charts.intervals, differences(drawn), [topic(r["topic"]) for r in drawn], reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="voice_change.caption", csv=about.csv),
        **small_print(moved),
    )


def _toward(row: Row) -> float:
    chance = row.number("prob_gt_ref")
    return tables.direction(chance, row.mean) if is_number(chance) and row.is_known else _NAN


def emerging(estimates: Estimates, found: pd.DataFrame, *, alarms: float = _NAN) -> Finding:
    """Say which topics are new: hardly spoken of before, and now.

    Parameters
    ----------
    estimates : Estimates
        Whose rows ``p_emerging`` say what may be shown.
    found : DataFrame
        From `cxlab.voice.emerging.find`.
    alarms : float
        Chance that a period without anything new has something called new.
    """
    about, rows = estimates.about, rows_of(estimates, "p_emerging").ordered()
    first = "" if about.more.get("before") and len(found) else "first"
    if (none := silent(rows, "emerging", "voice_new", first)) is not None:
        return none
    facts = {str(fact["topic"]): fact for fact in found.to_dict("records")}
    rows = rows.where(topic=set(facts))
    announced = [row for row in rows if facts[str(row["topic"])]["verdict"] == _NEW]
    shown, says = [row for row in announced if row.is_known], []
    for row in shown:
        fact = facts[str(row["topic"])]
        numbers = {k: Number(float(fact[c]), "rate", drawn=False) for k, c in (("old", "before"), ("new", "share"))}
        p = row.value(metric="probability", drawn=False)
        says.append(Say("voice_new.lead", best=Fresh(fact), p=p, **numbers))
    if few := len(announced) - len(shown):
        says.append(Say("voice_new.few", quantity=few, n=tally(few)))
    told = [facts[str(row["topic"])] for row in rows.known]
    columns: dict[Any, Any] = {
        "voice_table.topic": [Fresh(fact) for fact in told],
        "voice_table.earlier": [Number(float(fact["before"]), "rate") for fact in told],
        "voice_table.share": [Number(float(fact["share"]), "rate") for fact in told],
        "voice_table.rose": [row.value(metric="probability") for row in rows.known],
        "voice_table.n": rows.known.values("n"),
    }
    declared = Message("voice_new.alarms", rate=aside(alarms, "share")) if np.isfinite(alarms) else ""
    return about.finding(
        "emerging",
        says or [Say("voice_new.nothing")],
        verdict="",
        table=Table(columns, caption="voice_new.caption", csv=about.csv),
        **small_print(rows, declared),
    )


class Fresh(Reference):
    """The name of a topic, or the words of a finer group, their language and the topic it lies in."""

    def __init__(self, fact: Any) -> None:
        self.fact = fact

    def written(self, write: Writer) -> str:
        """Return the text."""
        fact = self.fact
        if fact["kind"] == "topic":
            return write(topic(fact["topic"]))
        fields: dict[str, Any] = {"name": " · ".join(str(fact["keywords"] or fact["topic"]).split(" · ")[:_WORDS])}
        spoken, parent, keys = fact.get("language"), fact["parent"], []
        if isinstance(parent, str) and parent:
            fields["topic"], keys = topic(parent), ["within"]
        if isinstance(spoken, str) and spoken not in ("", "other", write.language):  # words nobody has translated
            fields["language"], keys = Spoken(spoken), [*keys, "spoken"]
        return write.message(f"voice_new.{'_'.join(keys)}", fields) if keys else write(fields["name"])
