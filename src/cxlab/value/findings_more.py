"""Findings on value that fold under "more": return, those to come, models, contracts, next stages, groupings, parts.

All read the tidy table ``value_estimates``, as `cxlab.value.findings` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import charts
from cxlab.report import checks as checking
from cxlab.report.finding import Finding
from cxlab.report.tidy import About, Estimates, Row, Say
from cxlab.report.writing import Chart, Group, Level, Listed, Message, Number, Reference, Table, aside, tally
from cxlab.value import figures
from cxlab.value.findings import between, missing, moved, notes, one, rows_of, stage, stopped, told_by
from cxlab.vocab import SEGMENT, UNKNOWN

_SURE: Final = 0.9  # probability from which one grouping is said to be better than the next
_MOST: Final = 6  # first choices that a figure shows
_EVENT: Final = "event:"
_OTHER: Final = "other"
_SPOILT: Final = ("anonymous", "undated", "later", "negative", "returns", "cancelled")
APART: Final = (*_SPOILT, "same_day", "twice", "unpriced", "free", "before")


def roc(table: Estimates) -> Finding:
    """Say what return the customers brought in the period, against what comes if nothing unexpected happens."""
    about = table.about
    total = one(table, "roc")
    if total is None:
        rows = rows_of(table, "customer_equity")
        return stopped(table, "roc", rows.state) if rows.state else missing(table, "roc", "roc", "no_before")
    key = {"better": "above", "worse": "below", "": "season"}.get(total.verdict, "about")
    expected = aside(float(total["ref"]), "rate")
    says = [Say(f"value_roc.{key}", expected=expected, value=total.value(), span=total.span())]
    parts = rows_of(table, "roc", "tenure").known
    seen = parts.by("group")
    if {"existing", "new"} <= set(seen):
        says.append(Say("value_roc.parts", **{k: seen[k].value(signed=True) for k in ("existing", "new")}))
    shown = Estimates(pd.concat([rows_of(table, "roc").frame, parts.frame]), about)
    names = [Message(f"value_roc.{r['group'] or 'all'}") for r in shown]
    flows = [(k, one(table, k)) for k in ("lifetime_opening", "profit", "lifetime_equity")]
    columns: dict[str, Any] = {
        "value_roc.head_what": [*(Message(f"value_roc.row_{k}") for k, _ in flows), *names],
        "value_roc.head_value": [*(told_by(r) for _, r in flows), told_by(total), *parts.cells(signed=True)],
    }
    says.append(Say("value_roc.costs"))
    return about.finding(
        "roc",
        says,
        chart=Chart(charts.intervals, shown, names, reference=float(total["ref"])),
        caption=[Message("value_roc.legend", expected=expected)],
        table=Table(columns, caption="value_roc.caption", csv=about.csv),
        notes=notes(table, "value_roc.note", money=True),
    )


def coming(table: Estimates) -> Finding:
    """Say what customers to come will add, told apart from those who are known."""
    about = table.about
    known, new, both = (one(table, k) for k in ("customer_equity", "newcomers", "npv"))
    if known is None or new is None or both is None:
        rows = rows_of(table, "customer_equity")
        return stopped(table, "coming", rows.state) if rows.state else missing(table, "coming", "coming", "no_new")
    rows = Estimates(pd.DataFrame([known, new, both]), about)
    names = [Message(f"value_coming.{k}") for k in ("known", "new", "both")]
    ends = {"value": new.value(), "span": new.span(), "npv": both.value(), "npv_span": both.span()}
    columns: dict[str, Any] = {"value_coming.head_who": names, "value_coming.head_value": rows.cells(signed=False)}
    return about.finding(
        "coming",
        [Say("value_coming.lead", **ends)],
        chart=Chart(charts.intervals, rows, names),
        caption=["figure.interval"],
        table=Table(columns, caption="value_coming.caption", csv=about.csv),
        notes=notes(table, "value_coming.note", money=True),
    )


def models(table: Estimates) -> Finding:
    """Say which model of buying was chosen, and by what."""
    about, more = table.about, table.about.more
    rows = rows_of(table, "model_score", "model").known.ordered(down=False)
    if not len(rows):
        return missing(table, "models", "models", _reason(table, "short"))
    chosen = more["family"]
    name = Message(f"value_model.{chosen}")
    says = [Say(f"value_models.{'chosen' if len(rows) > 1 else 'given'}", name=name, n=tally(len(rows)))]
    others = [r for r in rows if r["group"] != chosen]
    if others:
        behind = Number(others[0].mean, "count", tabled=False, drawn=False)
        says.append(Say("value_models.behind", name=Message(f"value_model.{others[0]['group']}"), behind=behind))
        if "pareto" not in set(rows.frame["group"]):
            says.append(Say("value_models.large"))
    off, tried = (rows_of(table, f"model_{k}", "model").by("group") for k in ("rms", "holdout"))
    columns: dict[str, Any] = {
        "value_models.head_model": [Message(f"value_model.{r['group']}") for r in rows],
        "value_models.head_behind": rows.values("mean"),
        "value_models.head_rms": [told_by(off.get(r["group"])) for r in rows],
        "value_models.head_holdout": [told_by(tried.get(r["group"])) for r in rows],
    }
    table_of = Table(columns, caption="value_models.caption", csv=about.csv)
    return about.finding("models", says, table=table_of, notes=notes(table, "value_models.note", interval=False))


def _reason(table: Estimates, buying: str) -> str:
    """Why there is nothing to say, by the kind of the base."""
    return {"buying": buying, "contract": "contract", "none": "no_model"}[table.about.more["kind"]]


def contract(table: Estimates) -> Finding:
    """Say that the purchases are contracts, how long they are kept, and what a running one will still pay."""
    about, more = table.about, table.about.more
    if not more["reason"]:
        return about.finding("contract", [Say("value_contract.none")])
    rows = rows_of(table, "retention", "contract")
    says = [Say("value_contract.refused", reason=Message(f"value_contract.{more['reason']}"))]
    if rows.state or not len(rows):
        return about.finding("contract", [*says, Say("value_contract.thin")], verdict="cannot_tell")
    came = rows_of(table, "retention_actual", "contract").frame.set_index("group")["mean"]
    frame = rows.frame.assign(at=rows.frame["group"].astype(int), actual=rows.frame["group"].map(came).astype(float))
    rows = Estimates(frame.sort_values("at"), about)
    begin, *_, last = [*rows]
    numbers = {"first": begin.value(), "first_span": begin.span(), "later": last.value(), "later_span": last.span()}
    says.append(Say("value_contract.kept", **numbers, periods=tally(float(last["at"]))))
    total, actual = (one(table, f"holdout_{k}") for k in ("total", "actual"))
    lines: list[tuple[Any, Any, Any]] = [
        (Message("value_contract.row", n=str(int(r["at"]))), told_by(r), Number(float(r["actual"]), "share"))
        for r in rows
    ]
    if total is not None and actual is not None:
        key = "inside" if total["ci_low"] <= actual.mean <= total["ci_high"] else "outside"
        seen = {"value": total.value(drawn=False), "span": total.span(drawn=False), "came": actual.value(drawn=False)}
        says.append(Say(f"value_contract.{key}", n=tally(total["n"]), **seen))
        lines.append((Message("value_contract.row_holdout"), told_by(total), Number(actual.mean, "count")))
    still, worth = one(table, "lifetime"), one(table, "customer_equity")
    if still is not None:
        both = {"payments": still.value(drawn=False), "payments_span": still.span(drawn=False)}
        says.append(Say("value_contract.lifetime", **both))
    lines += [
        (Message(f"value_contract.row_{k}"), told_by(r), "") for k, r in (("lifetime", still), ("equity", worth)) if r
    ]
    heads = [f"value_contract.head_{k}" for k in ("what", "share", "came")]
    return about.finding(
        "contract",
        says,
        chart=Chart(figures.course, rows, axis=Message("value_contract.axis"), metric="share"),
        caption=["value_contract.legend"],
        table=_lines(heads, lines, "value_contract.caption", about.csv),
        notes=notes(table, "value_contract.note", n=float(begin["n_all"])),
    )


def _lines(heads: list[str], lines: list[tuple[Any, ...]], caption: str, csv: str) -> Table:
    """Return a table of lines."""
    return Table({h: [line[i] for line in lines] for i, h in enumerate(heads)}, caption=caption, csv=csv)


def next_stage(table: Estimates) -> Finding:
    """Say where customers are expected to be at the end of the next period, and how good such forecasts were."""
    about = table.about
    rows = rows_of(table, "next_stage", "stage")
    if not len(rows):
        return missing(table, "next_stage", "next_stage", "no_model")
    says = []
    slip, lapse, back = (
        between(rows, *w) for w in (("active", "slipping"), ("active", "lapsed"), ("slipping", "active"))
    )
    if slip is not None and lapse is not None:
        says.append(Say("value_next.active", slip=slip.value(), lapse=lapse.value()))
    if back is not None:
        says.append(Say("value_next.slipping", back=back.value()))
    if rows.state or not says:
        return stopped(table, "next_stage", rows.state or "suppressed")
    skill, brier = one(table, "next_stage_skill"), rows_of(table, "next_stage_brier", "way")
    lines: list[tuple[Any, ...]] = [
        (Message("value_next.way", origin=stage(r["from"]), to=stage(r["to"])), told_by(r), Number(r["n"], "count"))
        for r in rows
    ]
    if skill is not None:
        both = {"skill": skill.value(drawn=False), "skill_span": skill.span(drawn=False)}
        says.append(Say(f"value_next.{'better' if skill['ci_low'] > 0 else 'no_better'}", **both))
        lines.append((Message("value_next.row_skill"), told_by(skill), Number(skill["n"], "count")))
    elif len(brier):
        says.append(Say("value_next.certain"))
    for r in brier:
        lines.append((Message(f"value_next.row_{r['group']}"), r.value(metric="mean"), Number(r["n"], "count")))
    return about.finding(
        "next_stage",
        says,
        chart=moved(rows),
        caption=["value_next.legend"],
        table=_lines([f"value_next.head_{k}" for k in ("what", "share", "n")], lines, "value_next.caption", about.csv),
        notes=notes(table, "value_next.note", interval=False),
    )


def ways(table: Estimates) -> Finding:
    """Say which grouping of customers foretells best what they spend later."""
    about = table.about
    rows = rows_of(table, "segmentation_skill", "way")
    if not len(rows):
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "ways", "ways", "short" if fitted else "no_model")
    if rows.state:
        return stopped(table, "ways", rows.state)
    rows = rows[(rows.frame["group"] != "none").to_numpy()].ordered()
    names = [Message(f"value_way.{r['group']}") for r in rows]
    best = rows.first
    assert best is not None
    sure = float(best["prob_gt_ref"]) >= _SURE
    says = [Say(f"value_ways.{'best' if sure else 'first'}", name=names[0], value=best.value(), span=best.span())]
    if not sure:
        p = Number(float(best["prob_gt_ref"]), "probability", drawn=False)
        says.append(Say("value_ways.unsure", name=names[0], others=Listed(names[1:]), p=p))
    if "with_experience" not in set(rows.frame["group"]):
        says.append(Say("value_ways.no_experience"))
    columns: dict[str, Any] = {
        "value_ways.head_way": names,
        "value_ways.head_skill": rows.cells(signed=False),
        "value_ways.head_ahead": rows.values("prob_gt_ref", "probability"),
        "value_ways.head_n": rows.values("n"),
    }
    return about.finding(
        "ways",
        says,
        verdict="" if sure else "cannot_tell",
        chart=Chart(charts.intervals, rows, names, reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="value_ways.caption", csv=about.csv),
        notes=notes(table, "value_ways.note"),
    )


def experience(table: Estimates) -> Finding:
    """Say how value goes with the latest experience that customers told."""
    about = table.about
    rows = rows_of(table, "experience_value", "experience")
    if not len(rows):
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "experience", "experience", "no_experience" if fitted else "no_model")
    by, says = rows.known.by("group"), []
    good, bad, silent = (by.get(g) for g in ("good", "bad", "unknown"))
    if good is not None and bad is not None:
        apart = good["ci_low"] > bad["ci_high"] or bad["ci_low"] > good["ci_high"]
        ends = {"good": good.value(), "good_span": good.span(), "bad": bad.value(), "bad_span": bad.span()}
        says.append(Say(f"value_experience.{'apart' if apart else 'alike'}", **ends))
    if silent is not None:
        says.append(Say("value_experience.silent", silent=silent.value(), silent_span=silent.span()))
    if rows.state or not says:
        return stopped(table, "experience", rows.state or "suppressed")
    names = [Message(f"value_experience.{r['group']}_name") for r in rows]
    columns: dict[str, Any] = {
        "value_experience.head_told": names,
        "value_experience.head_each": rows.cells(signed=False),
        "value_experience.head_n": rows.values("n"),
    }
    return about.finding(
        "experience",
        says,
        chart=Chart(charts.intervals, rows, names),
        caption=["figure.interval"],
        table=Table(columns, caption="value_experience.caption", csv=about.csv),
        notes=notes(table, "value_experience.note", "note.association", money=True),
    )


def split(table: Estimates) -> Finding:
    """Say what customers have been worth, are worth by what they buy, and what their experience adds or takes."""
    about = table.about
    past, present, change = (one(table, f"value_{k}") for k in ("past", "present", "change"))
    if past is None or present is None or change is None:
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "split", "split", "no_effect" if fitted else "no_model")
    rows = rows_of(table, "value_change", "experience")
    seen = {"past": past.value(drawn=False), "present": present.value(drawn=False), "span": present.span(drawn=False)}
    key = "adds" if change["ci_low"] > 0 else "takes" if change["ci_high"] < 0 else "cannot_tell"
    says = [Say("value_split.lead", **seen)]
    says.append(Say(f"value_split.{key}", change_span=change.span(drawn=False, signed=True)))
    by = rows.known.by("group")
    if {"good", "bad"} <= set(by):
        both = {f"{g}_span": by[g].span(signed=True) for g in ("good", "bad")}
        says.append(Say("value_split.both", **both))
    names = [Message(f"value_experience.{r['group']}_name") for r in rows]
    lines = [
        (Message(f"value_split.row_{k}"), r.cell(signed=k == "change"), Number(r["n"], "count"))
        for k, r in (("past", past), ("present", present), ("change", change))
    ]
    lines += [(name, r.cell(signed=True), Number(r["n"], "count")) for name, r in zip(names, rows, strict=True)]
    shown = Estimates(rows.frame.assign(estimand="difference"), about)
    return about.finding(
        "split",
        says,
        verdict="cannot_tell" if key == "cannot_tell" else "",
        chart=Chart(charts.intervals, shown, names, reference=0.0) if len(shown) else None,
        caption=["figure.interval"],
        table=_lines(
            [f"value_split.head_{k}" for k in ("what", "value", "n")], lines, "value_split.caption", about.csv
        ),
        notes=notes(table, "value_split.note", "note.association", n=float(change["n"]), money=True),
    )


def referrals(table: Estimates) -> Finding:
    """Say what customers who bring others add, without counting anybody twice."""
    about = table.about
    rows, by = rows_of(table, "referral"), one(table, "referrers")
    if not len(rows):
        fitted = len(rows_of(table, "segment_value", "segment")) > 0
        return missing(table, "referrals", "referrals", "no_referral" if fitted else "no_model")
    row = rows.known.first
    if row is None or by is None:
        return stopped(table, "referrals", rows.state)
    n, others = Number(float(row["n"]), "count"), Number(by.mean, "count")
    keys = ("brought", "by", "value")
    columns: dict[str, Any] = {
        "value_referral.head_what": [Message(f"value_referral.row_{k}") for k in keys],
        "value_referral.head_value": [n, others, told_by(row)],
    }
    return about.finding(
        "referrals",
        [
            Say("value_referral.lead", n=n, by=others, value=row.value()),
            Say("value_referral.once", share=aside(about.more["referral_share"].value, "share")),
        ],
        table=Table(columns, caption="value_referral.caption", csv=about.csv),
        notes=notes(table, "value_referral.note", money=True, interval=False),
    )


def firsts(table: Estimates) -> Finding:
    """Say how many new customers buy a second time, and which first choices and experiences that goes with."""
    about = table.about
    whole = rows_of(table, "second_purchase_all")
    if not len(whole):
        return missing(table, "firsts", "firsts", "no_first")
    total = whole.known.first
    if total is None:
        return stopped(table, "firsts", whole.state)
    over = table.where(estimand="second_purchase_over")
    each = {(r["level"], r["group"]): r for r in table.where(estimand="second_purchase")}
    shown = _shown(over)
    drawn = {(r["level"], r["group"]) for r in shown}
    says = [Say("value_firsts.lead", value=total.value(drawn=False), span=total.span(drawn=False), n=tally(total["n"]))]
    real = [r for r in over.known.ordered("prob_gt_ref") if r["group"] != _OTHER]
    clear = {key: [r for r in real if r.verdict == verdict] for key, verdict in (("more", "better"), ("less", "worse"))}
    for key, rows in clear.items():
        if rows:
            top = rows[0] if key == "more" else rows[-1]
            ends = top.span(drawn=(top["level"], top["group"]) in drawn, signed=True)
            says.append(Say(f"value_firsts.{key}", name=_choice(top), **{f"{key}_span": ends}))
    if not any(clear.values()):
        says.append(Say("value_firsts.none"))
    levels = set(over.frame["level"])
    says += [Say(f"value_firsts.no_{f}") for f in ("product", "experience") if f not in levels]
    lines: list[tuple[Any, ...]] = [
        (Message("value_firsts.row_all"), told_by(total), "", "", Number(total["n"], "count"))
    ]
    for r in over:
        chance = Number(float(r["prob_gt_ref"]), "probability") if r.is_known else "—"
        own = told_by(each.get((r["level"], r["group"])))
        lines.append((_choice(r), own, r.cell(signed=True), chance, Number(r["n"], "count")))
    heads = [f"value_firsts.head_{k}" for k in ("choice", "share", "over", "more", "n")]
    names = [_choice(r) for r in shown]
    figure = Estimates(shown.frame.assign(estimand="difference"), about)
    return about.finding(
        "firsts",
        says,
        chart=Chart(charts.intervals, figure, names, reference=0.0) if len(shown) else None,
        caption=["value_firsts.legend"],
        table=_lines(heads, lines, "value_firsts.caption", about.csv),
        notes=notes(table, "value_firsts.note", "note.association"),
    )


def _shown(over: Estimates) -> Estimates:
    """The first choices and experiences with the largest differences, one of each pair of opposites."""
    rows = over.known.frame
    rows = rows[(rows["group"] != _OTHER) & ~rows["group"].astype(str).str.startswith("not ")]
    size = rows["mean"].abs() / (rows["ci_high"] - rows["ci_low"]).clip(lower=1e-9)
    largest = rows.assign(size=size).sort_values("size", ascending=False, kind="stable").head(_MOST)
    return Estimates(largest.sort_values("mean", ascending=False, kind="stable"), over.about)


def _choice(row: Row) -> Message:
    """Return the name of a first choice: "product: 1016", "first amount: high", "delivery late"."""
    feature, group = str(row["level"]), str(row["group"])
    kind: Reference = Message(f"value_feature.{feature}", otherwise=feature.replace("_", " "))
    name: Reference = Message(f"value_feature.{feature}_{group}", otherwise=group)
    if feature == "channel":
        name = Group("channel", group)
    elif feature not in ("product", "amount", "experience"):
        kind, name = Message("value_feature.happened"), Group("outcome", group)
    return Message("value_feature.both", feature=kind, name=name)


def independence(table: Estimates) -> Finding:
    """Say whether those who buy more often spend more a purchase, and what was made of it."""
    about, more = table.about, table.about.more
    seen, free = one(table, "dependence"), one(table, "dependence_free")
    if seen is None or free is None:
        return missing(table, "independence", "independence", "no_model" if more["kind"] != "buying" else "no_money")
    numbers = {"value": seen.value(signed=True), "span": seen.span(signed=True)}
    numbers["free_span"] = free.span(drawn=False, signed=True)
    key = "fails" if seen.verdict == "worse" else "holds"
    says = [Say(f"value_independence.{key}", **numbers), Say(f"value_independence.{more['used']}")]
    names = [Message(f"value_independence.{k}") for k in ("seen", "free")]
    rows = Estimates(pd.DataFrame([seen, free]).assign(estimand="difference", verdict=""), about)
    columns: dict[str, Any] = {
        "value_independence.head_what": names,
        "value_independence.head_value": rows.cells(signed=True),
    }
    return about.finding(
        "independence",
        says,
        chart=Chart(charts.intervals, rows, names, reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="value_independence.caption", csv=about.csv),
        notes=notes(table, "value_independence.note", n=float(seen["n"])),
    )


def covariates(table: Estimates) -> Finding:
    """Say which segments and life events go with buying more often, and which of them help a forecast."""
    about, more = table.about, table.about.more
    if more["kind"] != "buying":
        return missing(table, "covariates", "covariates", "no_model")
    rows, sets = rows_of(table, "buy_ratio", "covariate").known, rows_of(table, "covariate_gain", "set").known
    won = next((r for r in sets if r.verdict == "better"), None)
    if not more["offered"]:
        says = [Say("value_covariates.none")]
    elif won is None:
        best = max((r.mean for r in sets), default=float("nan"))
        says = [
            Say(
                "value_covariates.left",
                n=tally(float(more["offered"])),
                gain=Number(best, "mean", drawn=False, signed=True),
            )
        ]
    else:
        says = [Say("value_covariates.kept", gain=won.value(drawn=False, signed=True))]
    of_interest = [r for r in rows if r["group"] != "before" and not str(r["group"]).endswith(UNKNOWN)]
    clear = [r for r in of_interest if r["ci_low"] > 1 or r["ci_high"] < 1]
    if clear:
        most = max(clear, key=lambda r: abs(np.log(r.mean)))
        says.append(Say("value_covariates.clear", name=_trait(most), ratio=most.value(), ratio_span=most.span()))
    before = rows.where(group="before").first
    if before is not None:
        says.append(Say("value_covariates.before", older=before.value(), older_span=before.span()))
    lines: list[tuple[Any, ...]] = [(_trait(r), told_by(r), "") for r in rows]
    for r in sets:
        name = Message(f"value_covariates.set_{r['group']}", n=str(r["to"]))
        lines.append((name, "", r.value(signed=True)))
    heads = [f"value_covariates.head_{k}" for k in ("what", "ratio", "gain")]
    return about.finding(
        "covariates",
        says,
        chart=Chart(charts.intervals, rows, [_trait(r) for r in rows], reference=1.0) if len(rows) else None,
        caption=["figure.interval"],
        table=_lines(heads, lines, "value_covariates.caption", about.csv) if lines else None,
        notes=notes(table, "value_covariates.note", "note.association"),
    )


def _trait(row: Row) -> Reference:
    """Return the name of a covariate: "age: 18 to 29", "had it: moved house"."""
    column = str(row["group"])
    if column == "before":
        return Message("value_covariates.older")
    if column.startswith(_EVENT):
        return Message("value_covariates.event", event=column.removeprefix(_EVENT).replace("_", " "))
    level, _, group = column.partition("=")
    name = Group(level, group)
    return Message("value_feature.both", feature=Level(level), name=name) if level.startswith(SEGMENT) else name


def handled(table: Estimates) -> Finding:
    """Say what was counted and what was set apart: returns, negative amounts, duplicates, future dates."""
    about = table.about
    counts = {name.removeprefix("count_"): int(n) for name, n in about.more.items() if name.startswith("count_")}
    names = (("used", "used"), ("n", "customers"), ("again", "again"))
    numbers = {k: Number(counts.get(c, 0), "count", drawn=False) for k, c in names}
    says = [Say("value_handled.lead", **numbers)]
    returned = about.more["returned"].value
    if returned > 0:
        says.append(Say("value_handled.returned", share=aside(returned, "rate")))
    apart = [name for name in APART if counts.get(name)]
    if not apart:
        says.append(Say("value_handled.nothing"))
    lines: list[tuple[Any, ...]] = [
        (Message(f"value_handled.row_{k}"), Number(counts.get(k, 0), "count"), "")
        for k in ("rows", "used", "customers", "again")
    ]
    lines += [
        (Message(f"value_apart.{k}.what"), Number(counts[k], "count"), Message(f"value_apart.{k}.how")) for k in apart
    ]
    heads = [f"value_handled.head_{k}" for k in ("what", "n", "how")]
    return about.finding("handled", says, table=_lines(heads, lines, "value_handled.caption", about.csv))


def checks(about: About, *, fits: int, passed: bool, reasons: Sequence[Any]) -> Finding:
    """Say whether the models passed their checks, or that none was fitted."""
    if not fits:
        return about.finding("checks", [Say("value_none.unchecked")])
    return checking.checks(passed=passed, reasons=reasons, about=about)
