"""Findings on drivers: what goes with satisfaction, pains and wows, what to work on, what if, and who is heard in it.

All read ``driver_estimates`` as it was written (`cxlab.drivers.estimates.table`), the outcome that leads first; what
was suppressed or withheld there is neither drawn nor told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.drivers import figures
from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.messages import catalogue
from cxlab.report.tidy import About, Estimates, Row, Say
from cxlab.report.writing import (
    Chart,
    Estimate,
    Group,
    Item,
    Level,
    Message,
    Metric,
    Number,
    Period,
    Reference,
    Table,
    Writer,
    aside,
    tally,
)

SURE: Final = 0.9  # probability from which an attribute is named
BEHAVIOUR: Final = ("repurchased", "left", "spend")
_BY_USE: Final = 0.5  # part of a contribution from which use counts for more than ratings
_LITTLE: Final = 0.03  # upper end of R2 below which nothing is ranked
_MOOD: Final = 0.05  # share left without the general mood below which attributes are not ranked by it
_PROBABLE: Final = 0.8  # probability from which an attribute is one to work on
_PERHAPS: Final = 0.7  # probability from which a kind is given with a question mark
_KINDS: Final = ("must_be", "delighter", "linear", "indifferent")
_CLEAR: Final = 1.645  # difference of two groups in its sds from which it is told
_MET: Final = ("rated", "not_used", "blank")


class Subject(Reference):
    """What effects on an outcome are about: the net promoter score, the share of customers who buy again."""

    def __init__(self, metric: str, outcome: str) -> None:
        self.metric, self.outcome = metric, outcome

    def written(self, write: Writer) -> str:
        """Return the text."""
        if self.outcome in BEHAVIOUR and self.outcome not in write.labels.items:
            return write(Message(f"driver_metric.{self.outcome}"))
        if f"metric.{self.metric}.subject" in catalogue(write.language):
            return write(Metric(self.metric, self.outcome))
        return write(Message(f"driver_metric.{self.metric}"))


class Outcome(Reference):
    """The name of an outcome: a question's, or the word for what customers do."""

    def __init__(self, id: str) -> None:
        self.id = id

    def written(self, write: Writer) -> str:
        """Return the text."""
        if self.id in write.labels.items:
            return write(Item(self.id))
        return write(Message(f"driver_outcome.{self.id}", otherwise=Item(self.id)))


def lead_of(t: Estimates) -> str:
    """Return the outcome that leads: that of the first row."""
    return str(t.frame["item"].iloc[0])


def importance(t: Estimates, *, ranks: pd.DataFrame | None = None) -> Finding:
    """Say which attributes account for most of the differences in an outcome; `ranks` is ``driver_ranks``."""
    rows, whole, lead = _rows(t, "importance_share").ordered(), _whole(t), lead_of(t)
    named = {"outcome": Outcome(lead)}
    if rows.state:
        return t.about.silent("importance", rows, "driver_share", **named)
    weights, top, errors = (_values(t, e) for e in ("johnson_share", "p_top3", "sampling_error"))
    blank, rated = _values(t, "blank"), _rows(t, "rated_share").by("attribute")
    first, all_of = next(iter(rows.known)), {"r2": whole.value(drawn=False), "r2_span": whole.span(drawn=False)}
    if whole["ci_high"] < _LITTLE:
        says = [Say("driver_share.little", **named, **all_of)]
    else:
        sure = [Item(a) for a in _names(rows) if top.get(a, 0.0) >= SURE]
        says = [
            Say("driver_share.lead", best=_item(first), value=first.value(), span=first.span(), **named),
            Say("driver_share.all", n=tally(len(rows)), **all_of),
            *_used(t, lead, first),
        ]
        if len(rows) > 3:
            says.append(Say("driver_share.top" if sure else "driver_share.top_open", list=sure))
        for row in rows.known:
            if (other := rated.get(row["attribute"])) is not None and other.is_known:
                ends = {"value": other.value(drawn=False), "span": other.span(drawn=False)}
                share = aside(blank[row["attribute"]], "share")
                says.append(Say("driver_share.rated", best=_item(row), blank=share, **ends))
    hollow = [_item(row) for row in rows if not row.is_known and row.verdict == "withheld"]
    if hollow:
        says.append(Say("driver_share.hollow", list=hollow))
    columns: dict[Any, list[Any]] = {
        "driver_table.attribute": [*map(_item, rows), Message("driver_table.all")],
        "driver_table.lmg": [*rows.cells(), whole.cell()],
        **({"driver_table.rated_share": [*(_cell(rated.get(a)) for a in _names(rows)), ""]} if rated else {}),
        "driver_table.johnson": [*(Number(weights.get(a, np.nan), "share") for a in _names(rows)), ""],
        "driver_table.top": [*(Number(top.get(a, np.nan), "probability") for a in _names(rows)), ""],
        "driver_table.ranks": [*(_likely(ranks, lead, a) for a in _names(rows)), ""],
        "table.n": [*rows.values("n"), Number(whole["n"], "count")],
    }
    error = max(errors.values(), default=0.0)
    sampled = Message("driver_share.sampled", error=Number(error, "rate")) if error > 0 else ""
    return t.about.finding(
        "importance",
        says,
        row=whole,
        verdict="",
        chart=Chart(charts.intervals, rows, [_item(row) for row in rows]),
        caption=["figure.interval"],
        table=Table(columns, caption=Message("driver_share.caption", **named), csv=t.about.csv),
        notes=[*_since(t.about), "driver_share.note", sampled],
        association=True,
    )


def halo(t: Estimates) -> Finding:
    """Say how the order changes when the respondents' general mood is taken out."""
    rows, lead = _rows(t, "importance_share").ordered(), lead_of(t)
    if rows.state:
        return t.about.silent("halo", rows, "driver_share", outcome=Outcome(lead))
    bare = _rows(t, "bare_share").aligned("attribute", _names(rows))
    first, best = next(iter(rows.known)), next(iter(bare.known.ordered()))
    left = _rows(t, "bare_r2").first
    whole = {"whole": aside(_whole(t).mean, "share"), "rest": aside(left.mean if left else np.nan, "share")}
    if whole["rest"].value < _MOOD:
        says = [Say("driver_halo.little", **whole), Say("driver_halo.why")]
    else:
        both = {"plain": first.value(), "bare": bare.by("attribute")[first["attribute"]].value()}
        key = "same" if first["attribute"] == best["attribute"] else "changed"
        says = [
            Say(f"driver_halo.{key}", best=_item(first), other=_item(best), outcome=Outcome(lead), **both),
            Say("driver_halo.why"),
            Say("driver_halo.rest", **whole),
        ]
    return _paired(
        t, "halo", says, rows, bare, "driver_halo", (Message("driver_halo.plain"), Message("driver_halo.bare"))
    )


def others(t: Estimates) -> Finding:
    """Set every other outcome beside the first, what customers do before what else they say."""
    lead, *names = list(dict.fromkeys(t.frame["item"]))
    if not names:
        return t.about.finding("outcomes", [Say("driver_outcomes.only")])
    *rest, last = names
    return _outcomes(t, lead, last, "outcomes", inside=[_outcomes(t, lead, name, f"outcomes-{name}") for name in rest])


def _outcomes(t: Estimates, lead: str, second: str, id: str, *, inside: Sequence[Finding] = ()) -> Finding:
    """Say whether the same attributes go with two outcomes."""
    rows = _rows(t, "importance_share").ordered()
    other = _rows(t, "importance_share", second).aligned("attribute", _names(rows))
    for own, outcome in ((rows, lead), (_rows(t, "importance_share", second), second)):
        if own.state:
            says = [Say(f"driver_share.{own.state}", outcome=Outcome(second if outcome == second else lead))]
            return t.about.finding(id, says, verdict=own.state, inside=inside)
    whole = _whole(t, second)
    named = {"first": Outcome(lead), "second": Outcome(second)}
    first, best = next(iter(rows.known)), next(iter(other.known.ordered()))
    if whole["ci_high"] < _LITTLE:
        ends = {"r2": aside(whole.mean, "rate"), "r2_span": aside(whole["ci_low"], "rate", whole["ci_high"])}
        says = [Say("driver_outcomes.open", **named, **ends)]
    else:
        key = "same" if first["attribute"] == best["attribute"] else "differ"
        says = [Say(f"driver_outcomes.{key}", best=_item(first), other=_item(best), **named)]
        says += _used(t, second, best)
    titles = (named["first"], named["second"])
    return _paired(t, id, says, rows, other, "driver_outcomes", titles, inside=inside)


def _paired(
    t: Estimates,
    id: str,
    says: Sequence[Say],
    first: Estimates,
    second: Estimates,
    section: str,
    titles: tuple[Reference, Reference],
    *,
    inside: Sequence[Finding] = (),
) -> Finding:
    names = [_item(row) for row in first]
    columns: dict[Any, Any] = {"driver_table.attribute": names, titles[0]: first.cells(), titles[1]: second.cells()}
    return t.about.finding(
        id,
        says,
        row=_whole(t),
        verdict="",
        chart=Chart(figures.pairs, first, second, names, titles),
        caption=["figure.interval"],
        table=Table(columns, caption=f"{section}.caption"),
        notes=_since(t.about),
        association=True,
        inside=inside,
    )


def pains(t: Estimates) -> Finding:
    """Say which attributes are pains and which are wows."""
    rows = _rows(t, "importance_share")
    costs, gains = (_rows(t, e).known.by("attribute") for e in ("penalty", "reward"))
    if rows.state or not costs:
        section = f"driver_pain.{rows.state or 'suppressed'}"
        return t.about.finding("pains", [Say(section)], verdict=rows.state)
    likely = {kind: _values(t, f"p_{kind}") for kind in _KINDS}
    order = sorted(costs, key=lambda a: -abs(costs[a].mean) - abs(gains[a].mean))

    def likely_kind(attribute: str, least: float) -> str:
        return next((k for k in _KINDS if likely[k][attribute] >= least), "")

    kinds, perhaps = ({a: likely_kind(a, p) for a in order} for p in (SURE, _PERHAPS))
    metric, subject = costs[order[0]]["metric"], Subject(costs[order[0]]["metric"], lead_of(t))
    form = _form(metric)
    groups = {k: [a for a in order if kinds[a] == k] for k in (*_KINDS, "")}
    says = [Say("driver_pain.none")]
    for kind, sign in (("delighter", 1), ("must_be", -1)):  # a pain leads, if there is one
        if groups[kind]:
            best = groups[kind][0]
            side = costs[best] if kind == "must_be" else gains[best]
            both = {
                "penalty": Number(-costs[best].mean, form, signed=True),
                "reward": Number(gains[best].mean, form, signed=True),
                "span": _span(side, form, sign),
            }
            says = [Say(f"driver_pain.lead_{kind}", subject=subject, best=Item(best), **both)]
    maybe = [a for a in groups[""] if perhaps[a] in ("must_be", "delighter")]
    if maybe:
        closest = max(maybe, key=lambda a: likely[perhaps[a]][a])
        chance = Number(likely[perhaps[closest]][closest], "probability", drawn=False)
        says.append(Say(f"driver_pain.perhaps_{perhaps[closest]}", best=Item(closest), p=chance))
    says += [Say(f"driver_pain.{k or 'open'}", list=[Item(a) for a in found]) for k, found in groups.items() if found]
    words = [_word(kinds[a], perhaps[a]) for a in order]
    drawn = pd.DataFrame(
        {
            "penalty": [-costs[a].mean for a in order],  # drawn and told as what the worst answer costs
            "penalty_low": [-costs[a]["ci_high"] for a in order],
            "penalty_high": [-costs[a]["ci_low"] for a in order],
            "reward": [gains[a].mean for a in order],
            "reward_low": [gains[a]["ci_low"] for a in order],
            "reward_high": [gains[a]["ci_high"] for a in order],
        }
    )
    names = [Item(a) for a in order]
    columns: dict[Any, list[Any]] = {"driver_table.attribute": names}
    for side_name in ("penalty", "reward"):
        ends = drawn[[side_name, f"{side_name}_low", f"{side_name}_high"]].itertuples(index=False)
        columns[f"driver_table.{side_name}"] = [Estimate(mean, low, high, form, True) for mean, low, high in ends]
    columns["driver_table.kind"] = words
    for kind in _KINDS:
        head = Message("driver_table.chance", kind=Message(f"driver_kind.{kind}"))
        columns[head] = [Number(likely[kind][a], "probability") for a in order]
    return t.about.finding(
        "pains",
        says,
        row=_whole(t),
        verdict="",
        chart=Chart(figures.dumbbell, drawn, names, words, metric=form),
        caption=["driver_pain.note"],
        table=Table(columns, caption=Message("driver_pain.caption", subject=subject), csv=t.about.csv),
        notes=[*_since(t.about), "driver_pain.rule"],
        association=True,
    )


def _word(sure: str, maybe: str) -> Message:
    word = Message(f"driver_kind.{sure or maybe or 'open'}")
    return Message("driver_kind.perhaps", kind=word) if maybe and not sure else word


def priorities(t: Estimates) -> Finding:
    """Say what matters more than the average and is rated lower; and what customers say matters, if they were asked."""
    rows, done = _rows(t, "importance_share").ordered(), _rows(t, "performance").known.by("attribute")
    shown = [row for row in rows.known if row["attribute"] in done]
    if rows.state or len(shown) < 2:
        state = rows.state or "suppressed"
        return t.about.finding("priorities", [Say(f"driver_map.{state}")], verdict=state)
    names = [str(row["attribute"]) for row in shown]
    chance = {corner: _values(t, f"p_{corner}") for corner in ("first", "keep")}
    first, keep = ([a for a in names if chance[c].get(a, 0.0) >= _PROBABLE] for c in ("first", "keep"))
    nearest = max(names, key=lambda a: chance["first"].get(a, 0.0))
    p = Number(chance["first"][nearest], "probability", drawn=False)
    says = [Say("driver_map.first_open", best=Item(nearest), p=p)]
    if first:
        says = [Say("driver_map.first", list=[Item(a) for a in first])]
    if keep:
        says.append(Say("driver_map.keep", list=[Item(a) for a in keep]))
    said = {a: v for a, v in _values(t, "stated").items() if a in names}
    if len(said) > 1:
        loudest, strongest = max(said, key=lambda a: said[a]), next(a for a in names if a in said)
        key = "driver_map.stated_same" if loudest == strongest else "driver_map.stated"
        says.append(Say(key, said=Item(loudest), derived=Item(strongest)))
    else:
        said = {}
    correlation = _values(t, "map_correlation")
    clouds = pd.DataFrame(
        {
            "x": [done[a].mean for a in names],
            "y": [row.mean for row in shown],
            "x_sd": [done[a]["sd"] for a in names],
            "y_sd": [row["sd"] for row in shown],
            "r": [correlation.get(a, 0.0) for a in names],
            "marked": [a in first for a in names],
        }
    )
    items = [Item(a) for a in names]
    columns: dict[Any, list[Any]] = {
        "driver_table.attribute": items,
        "driver_table.performance": [done[a].cell() for a in names],
        "driver_table.importance": [row.cell() for row in shown],
        **{f"driver_table.{c}": [Number(chance[c][a], "probability") for a in names] for c in ("first", "keep")},
    }
    if said:
        order = sorted(said, key=lambda a: -said[a])
        columns["driver_table.stated"] = [1 + order.index(a) if a in said else "—" for a in names]
        columns["driver_table.derived"] = list(range(1, len(names) + 1))
    corners = [Message(f"driver_map.corner_{c}") for c in ("first", "keep", "later", "fine")]
    titles = (Message("driver_map.performance"), Message("driver_map.importance"))
    return t.about.finding(
        "priorities",
        says,
        row=_whole(t),
        verdict="",
        chart=Chart(figures.clouds, clouds, items, corners=corners, titles=titles),
        caption=["driver_map.note"],
        table=Table(columns, caption="driver_map.caption", csv=t.about.csv),
        notes=_since(t.about),
        association=True,
    )


def what_if(outlook: Estimates, t: Estimates, *, practical: float) -> Finding:
    """Say what would go with better ratings.

    Parameters
    ----------
    outlook : Estimates
        ``whatif_estimates``: a row a scenario and metric.
    t : Estimates
        ``driver_estimates``.
    practical : float
        Smallest change of the metric worth acting on.
    """
    outcome = lead_of(t)
    own = outlook.where(item=outcome)
    metrics = list(dict.fromkeys(own.frame["metric"].astype(str)))
    lead = own.where(metric=metrics[0]) if metrics else own
    if lead.state:
        return t.about.finding("what-if", [Say(f"driver_whatif.{lead.state}")], verdict=lead.state)
    form, subject = _form(metrics[0]), Subject(metrics[0], outcome)
    best = max((row for row in lead.known if row["scenario"].startswith("lift:")), key=lambda row: abs(row.mean))
    named = {"subject": subject, "best": Item(best["scenario"].partition(":")[2])}
    says = [Say("driver_whatif.none", **named)] if abs(best.mean) < practical else []
    says.append(Say("driver_whatif.lead", value=best.value(metric=form, signed=True), span=_span(best, form), **named))
    together = lead.where(scenario="together").first
    if together is not None and together.is_known:
        value = together.value(metric=form, signed=True)
        says.append(
            Say("driver_whatif.together", together_value=value, together_span=_span(together, form), subject=subject)
        )
    stages = t.about.labels.groups.get("touchpoint", {})

    def scenario(row: Row, *, short: bool = False) -> Reference:
        kind, _, what = str(row["scenario"]).partition(":")
        if kind == "together":
            return Message("driver_whatif.together_name")
        name = Group("touchpoint", what) if kind == "target" and what in stages else Item(what)
        return name if short and kind == "lift" else Message(f"driver_whatif.{kind}", name=name)

    columns: dict[Any, list[Any]] = {
        "driver_table.scenario": [scenario(row) for row in lead],
        "driver_table.moved": lead.values("moved", "share"),
    }
    pairs = outlook.frame[["item", "metric"]].drop_duplicates().astype(str).itertuples(index=False)
    for item, metric in pairs:
        if item == outcome or metric != "unhappy":
            found = outlook.where(item=item, metric=metric).by("scenario")
            head = f"driver_table.{metric}" if item == outcome else Outcome(item)
            columns[head] = [_cell(found.get(row["scenario"]), metric=_form(metric), signed=True) for row in lead]
    figure = Estimates(lead.frame.assign(metric=form), lead.about)
    return t.about.finding(
        "what-if",
        says,
        row=_whole(t),
        verdict="",
        chart=Chart(charts.intervals, figure, [scenario(row, short=True) for row in lead], reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="driver_whatif.caption", csv=outlook.about.csv),
        notes=[*_since(t.about), "driver_whatif.note"],
    )


def groups(t: Estimates, *, by: str) -> Finding:
    """Say which attribute matters more to one group of a level than to another; no level: none was asked for."""
    rows = t.where(item=lead_of(t), estimand="effect", level=by)
    if not by:
        return t.about.finding("groups", [Say("driver_groups.alike")])
    level = {"level": Level(by)}
    if not len(rows) or rows.state:
        key, verdict = ("untold", "withheld") if not len(rows) else (rows.state, rows.state)
        return t.about.finding("groups", [Say(f"driver_groups.{key}", **level)], verdict=verdict)
    extremes = {}
    for attribute in dict.fromkeys(_names(rows.known)):
        own = list(rows.known.where(attribute=attribute).ordered())
        extremes[attribute] = (own[0], own[-1])
    gap = {
        a: (high.mean - low.mean) / max(np.hypot(high["sd"], low["sd"]), 1e-12) for a, (high, low) in extremes.items()
    }
    best = max(gap, key=lambda a: gap[a])
    top, bottom = extremes[best]
    shown, form = rows.known.where(attribute=best).ordered(), _form(str(top["metric"]))
    says = [Say("driver_groups.none", **level)]
    if gap[best] > _CLEAR and len(shown) > 1:
        ends = {"high": top.value(metric=form, signed=True), "low": bottom.value(metric=form, signed=True)}
        says = [Say("driver_groups.some", best=Item(best), top=top.group, bottom=bottom.group, **level, **ends)]
    order = sorted(extremes, key=lambda a: extremes[a][1].mean - extremes[a][0].mean)
    columns: dict[Any, list[Any]] = {"driver_table.attribute": [Item(a) for a in order]}
    for name in dict.fromkeys(rows.frame["group"]):
        cells = rows.where(group=name).by("attribute")
        columns[Group(by, str(name))] = [_cell(cells.get(a), metric=form, signed=True) for a in order]
    figure = Estimates(shown.frame.assign(metric=form, estimand="change"), shown.about)
    return t.about.finding(
        "groups",
        says,
        row=_whole(t),
        verdict="",
        chart=Chart(charts.intervals, figure, shown.named("group", by), reference=0.0),
        caption=[Message("driver_groups.figure", best=Item(best))],
        table=Table(columns, caption=Message("driver_groups.caption", **level)),
        notes=_since(t.about),
        association=True,
    )


def heard(t: Estimates) -> Finding:
    """Say who rated what, who did not use it and who left it blank."""
    rows = _rows(t, "rated").ordered(down=False)
    if rows.state:
        return t.about.silent("heard", rows, "driver_share", outcome=Outcome(lead_of(t)))
    shares = {e: _rows(t, e).aligned("attribute", _names(rows)) for e in _MET}
    counts = pd.DataFrame({e: (own.frame["mean"] * rows.frame["n"]).round() for e, own in shares.items()})
    least = next(iter(rows))
    share = least.value(drawn=False)
    key = "driver_heard.least" if least.mean < 0.5 else "driver_heard.all"
    names = [_item(row) for row in rows]
    legend = [Message(f"driver_table.{e}") for e in _MET]
    return t.about.finding(
        "heard",
        [Say(key, least=_item(least), share=share, n=tally(rows.frame["n"].max())), Say("driver_heard.how")],
        chart=Chart(charts.parts, counts, names, columns=_MET, legend=legend),
        table=Table(
            {
                "driver_table.attribute": names,
                **{f"driver_table.{e}": [Number(n, "count") for n in counts[e]] for e in _MET},
                "table.share": rows.values("mean", "share"),
            },
            caption="driver_heard.caption",
        ),
    )


def _rows(t: Estimates, estimand: str, outcome: str = "") -> Estimates:
    return t.where(item=outcome or lead_of(t), estimand=estimand, level="total")


def _whole(t: Estimates, outcome: str = "") -> Row:
    """The row of all attributes together: R2, the respondents, the interval, the weighting."""
    return next(iter(_rows(t, "r2", outcome)))


def _values(t: Estimates, estimand: str, outcome: str = "") -> dict[str, float]:
    return {a: row.mean for a, row in _rows(t, estimand, outcome).known.by("attribute").items()}


def _names(rows: Estimates) -> list[str]:
    return [str(a) for a in rows.frame["attribute"]]


def _item(row: Row) -> Item:
    return Item(str(row["attribute"]))


def _cell(row: Row | None, **how: Any) -> Estimate | str:
    return "—" if row is None else row.cell(**how)


def _form(metric: str) -> str:
    """How numbers of a metric are written: what `cxlab.report.format` does not know is a share."""
    return metric if metric in ("nps", "csat", "mean") else "share"


def _span(row: Row, form: str, sign: int = 1) -> Number:
    low, high = sorted((sign * float(row["ci_low"]), sign * float(row["ci_high"])))
    return Number(low, form, high, signed=True)


def _since(about: About) -> list[Message]:
    """The small print that respondents of earlier periods helped."""
    since = about.more.get("since")
    return [Message("driver_note.since", period=Period(since))] if since else []


def _used(t: Estimates, outcome: str, row: Row) -> list[Say]:
    """The sentence that an attribute counts by its use rather than by its ratings, where it does."""
    by_use = _values(t, "use_part", outcome).get(str(row["attribute"]), 0.0)
    return [Say("driver_share.use", best=_item(row))] if by_use > _BY_USE else []


def _likely(ranks: pd.DataFrame | None, outcome: str, attribute: str) -> str | Message:
    """The ranks that hold nine tenths of the chance: "1", "2 to 4"."""
    if ranks is None:
        return "—"
    own = ranks[(ranks["item"] == outcome) & (ranks["attribute"] == attribute)].sort_values("rank")
    if own.empty or not np.isfinite(own["mean"].astype(float)).all():
        return "—"
    below = own["mean"].astype(float).cumsum().to_numpy()
    low, high = (str(own["rank"].iloc[int(np.searchsorted(below, q).clip(max=len(own) - 1))]) for q in (0.05, 0.95))
    return low if low == high else Message("number.span", low=low, high=high)
