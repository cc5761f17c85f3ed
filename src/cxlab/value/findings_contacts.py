"""Findings on where money goes: whom not to spend on, value so far and to come, those who bring others.

All take the tidy table ``value_estimates`` as the writer returned it.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cxlab.params.models import Value
from cxlab.report import charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, small_print
from cxlab.report.format import count, known, number
from cxlab.report.messages import message
from cxlab.value import findings_common as say
from cxlab.value.findings_common import Terms
from cxlab.value.findings_segments import segment
from cxlab.value.segments_report import People


def spare(table: pd.DataFrame, *, people: People | None, settings: Value, terms: Terms, id: str = "spare") -> Finding:
    """Say whom a contact is not expected to pay for, under the assumptions of the params."""
    rows = say.of(table, "spare", level="segment")
    total, saved, lost, worth = (
        say.first(say.of(table, k)) for k in ("spare", "spare_saved", "spare_forgone", "spare_value")
    )
    if people is None or people.spare is None or total is None:
        return say.missing(id, "spare", "no_model" if people is None else "no_money", terms.languages)
    names = {
        lang: {"cost": number(settings.contact_cost, metric="money", language=lang),
               "lift": number(settings.contact_lift, metric="share", language=lang),
               "winback": number(settings.contact_winback, metric="share", language=lang)}
        for lang in terms.languages
    }  # fmt: skip
    ends = say.of(table, "break_even", level="share")
    half = say.first(ends[ends["group"] == "0.5"])
    statements = [Statement("value_spare.none", names)]
    if people.spare.n:
        numbers = {"share": say.mean(total, drawn=False)}
        if worth is not None:
            numbers |= {"value": say.mean(worth, drawn=False)}
        statements = [Statement("value_spare.lead" if worth is not None else "value_spare.lead_plain", names, numbers)]
    if people.spare.n and saved is not None and lost is not None:
        numbers = {"saved": say.mean(saved, drawn=False), "lost": say.mean(lost, drawn=False)}
        statements.append(Statement("value_spare.saved", names, numbers))
    if half is not None:
        statements.append(Statement("value_spare.half", names, {"half": say.mean(half, drawn=False)}))
    shown = rows[known(rows["mean"])].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)

    def draw(language: str) -> Figure:
        return charts.shares(
            shown.assign(share=shown["mean"].astype(float)), [segment(str(g), language) for g in shown["group"]],
            language=language,
        )  # fmt: skip

    def tabulate(language: str) -> Block:
        body = [[message(language, "value_spare.row_all"), say.cell(total, language), count(total["n"])]]
        body += [[segment(str(r["group"]), language), say.cell(r, language), count(r["n"])] for _, r in rows.iterrows()]
        for row, key in ((worth, "value"), (saved, "saved"), (lost, "lost")):
            if row is not None:
                body.append([message(language, f"value_spare.row_{key}"), say.cell(row, language), ""])
        for _, row in ends.iterrows():
            share = {"share": number(float(row["group"]), metric="share", language=language)}
            body.append([message(language, "value_spare.row_even", share), say.cell(row, language), ""])
        return say.table("value_spare", ("who", "share", "n"), body, language)

    def small(language: str) -> str:
        said = message(language, "value_spare.note", names[language])
        return small_print(language, [said, terms.money(language)])

    return build(
        id, statements, terms.languages, note=small, caption=lambda lang: message(lang, "value_spare.legend"),
        draw=draw if people.spare.n and len(shown) else None, tabulate=tabulate,
    )  # fmt: skip


def split(table: pd.DataFrame, *, people: People | None, terms: Terms, id: str = "split") -> Finding:
    """Say what customers have been worth, are worth by what they buy, and what their experience adds or takes."""
    past, present, change = (say.first(say.of(table, f"value_{k}")) for k in ("past", "present", "change"))
    if people is None or people.intention is None or past is None or present is None or change is None:
        return say.missing(id, "split", "no_model" if people is None else "no_effect", terms.languages)
    rows = say.of(table, "value_change", level="experience")
    numbers = {"past": say.mean(past, drawn=False), "present": say.mean(present, drawn=False)}
    statements = [Statement("value_split.lead", {}, numbers | {"span": say.span(present, drawn=False)})]
    key = "adds" if float(change["ci_low"]) > 0 else "takes" if float(change["ci_high"]) < 0 else "cannot_tell"
    statements.append(Statement(f"value_split.{key}", {}, {"change_span": say.span(change, drawn=False, signed=True)}))
    good, bad = (say.first(rows[rows["group"] == g]) for g in ("good", "bad"))
    if good is not None and bad is not None:
        numbers = {"good_span": say.span(good, signed=True), "bad_span": say.span(bad, signed=True)}
        statements.append(Statement("value_split.both", {}, numbers))

    def draw(language: str) -> Figure:
        named = [message(language, f"value_experience.{g}_name") for g in rows["group"]]
        return charts.intervals(rows.assign(estimand="difference"), named, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = [[message(language, f"value_split.row_{k}"), say.cell(r, language, signed=k == "change"), count(r["n"])]
                for k, r in (("past", past), ("present", present), ("change", change))]  # fmt: skip
        body += [[message(language, f"value_experience.{r['group']}_name"), say.cell(r, language, signed=True),
                  count(r["n"])] for _, r in rows.iterrows()]  # fmt: skip
        return say.table("value_split", ("what", "value", "n"), body, language)

    return build(
        id, statements, terms.languages, verdict="cannot_tell" if key == "cannot_tell" else "",
        note=say.noted(terms, "value_split.note", "note.association", n=float(change["n"]), money=True),
        caption=say.bars, draw=draw if len(rows) else None, tabulate=tabulate,
    )  # fmt: skip


def referrals(table: pd.DataFrame, *, people: People | None, settings: Value, terms: Terms) -> Finding:
    """Say what customers who bring others add, without counting anybody twice."""
    rows = say.of(table, "referral")
    if people is None or people.credit is None or rows.empty:
        reason = "no_model" if people is None else "no_referral"
        return say.missing("referrals", "referrals", reason, terms.languages)
    if why := say.blocked(rows):
        return say.stopped("referrals", why, terms.languages)
    row = rows.iloc[0]
    giving = people.credit["credit"] > 0
    names = {lang: {"share": number(settings.referral_share, metric="share", language=lang)}
             for lang in terms.languages}  # fmt: skip
    numbers = {"n": Number(float(row["n"]), "count"), "value": say.mean(row),
               "by": Number(float(giving.sum()), "count")}  # fmt: skip

    def tabulate(language: str) -> Block:
        body = [[message(language, "value_referral.row_brought"), count(row["n"])],
                [message(language, "value_referral.row_by"), count(giving.sum())],
                [message(language, "value_referral.row_value"), say.cell(row, language)]]  # fmt: skip
        return say.table("value_referral", ("what", "value"), body, language)

    return build(
        "referrals", [Statement("value_referral.lead", names, numbers), Statement("value_referral.once", names)],
        terms.languages, note=say.noted(terms, "value_referral.note", money=True, interval=False), tabulate=tabulate,
    )  # fmt: skip
