"""Findings on value: what the customers are worth, whether the forecast held on the past, how the data were counted.

All take the tidy table ``value_estimates`` as the writer returned it; a question that the data cannot answer gets one
sentence that says what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.inference.diagnostics import Gate
from cxlab.report import charts, tables
from cxlab.report import checks as checking
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, small_print, tally
from cxlab.report.format import Name, count, is_number, known, number, period_name
from cxlab.report.messages import message
from cxlab.value import figures as drawing
from cxlab.value import findings_common as say
from cxlab.value.findings_common import Terms
from cxlab.value.fits import Fitted

CLOSE: Final = 0.08  # error of a total up to which a forecast is called close
SEASONS: Final = 104  # weeks of calibration below which no season has been seen twice


def worth(table: pd.DataFrame, *, fitted: Fitted, terms: Terms, before: str = "", id: str = "worth") -> Finding:
    """Say what the known customers are worth, and whether that changed.

    Parameters
    ----------
    table : DataFrame
        Rows of ``value_estimates``.
    fitted : Fitted
        What the data hold.
    terms : Terms
        What amounts mean.
    before : str
        Period the change is against.
    id : str
        Name of the finding on its page.
    """
    rows = pd.concat([say.of(table, "customer_equity"), say.of(table, "customer_equity", level="tenure")])
    if rows.empty:
        return no_model(fitted, terms=terms, id=id)
    if why := say.blocked(rows):
        return say.stopped(id, why, terms.languages)
    total = say.first(rows)
    assert total is not None
    kind = "purchases" if total["metric"] == "count" else "revenue" if terms.margin_from == "none" else "contribution"
    fields = {
        lang: {"years": f"{terms.years:g}", "discount": number(terms.discount, metric="share", language=lang),
               "before": period_name(before, language=lang)}
        for lang in terms.languages
    }  # fmt: skip
    statements = [
        Statement(f"value_worth.{kind}", fields,
                  {"customers": tally(total["n"]), "value": say.mean(total), "span": say.span(total)})
    ]  # fmt: skip
    change = say.first(say.of(table, "equity_change"))
    verdict = "" if change is None else str(change["verdict"])
    if change is not None:
        numbers = {"change": say.mean(change, drawn=False), "change_span": say.span(change, drawn=False)}
        key = verdict
        if verdict == "cannot_tell":  # a range without zero leans one way: saying nothing of it would contradict it
            key = "up" if float(change["ci_low"]) > 0 else "down" if float(change["ci_high"]) < 0 else verdict
        statements.append(Statement(f"value_worth.change_{key}", fields, numbers))
    shown = rows[known(rows["mean"])].reset_index(drop=True)
    names = {lang: [_tenure(r, lang) for _, r in shown.iterrows()] for lang in terms.languages}
    opening = say.first(say.of(table, "opening_equity"))

    def draw(language: str) -> Figure:
        old = None if opening is None else pd.DataFrame({"mean": [opening["mean"]] + [float("nan")] * (len(shown) - 1)})
        return charts.intervals(shown, names[language], language=language, previous=old)

    def tabulate(language: str) -> Block:
        body = [
            [_tenure(r, language), count(r["n"]), say.cell(r, language),
             number(r["mean"] / r["n"], metric="money", language=language) if is_number(r["mean"]) and r["n"] else "—"]
            for _, r in rows.iterrows()
        ]  # fmt: skip
        if change is not None:
            body.append([message(language, "value_worth.row_change", fields[language]), count(change["n"]),
                         say.cell(change, language), ""])  # fmt: skip
        if opening is not None:
            body.append([message(language, "value_worth.row_opening", fields[language]), "",
                         say.cell(opening, language), ""])  # fmt: skip
        return say.table("value_worth", ("who", "n", "equity", "each"), body, language)

    def legend(language: str) -> str:
        parts = [say.bars(language)]
        if opening is not None:
            parts.append(message(language, "figure.previous", {"period": fields[language]["before"]}))
        return small_print(language, parts)

    return build(
        id, statements, terms.languages, verdict=verdict, note=say.noted(terms, "value_worth.note", money=True),
        caption=legend, draw=draw, tabulate=tabulate,
    )  # fmt: skip


def checks(*, passed: bool, reasons: Sequence[Name], gates: Sequence[Gate], terms: Terms) -> Finding:
    """Say whether the models passed their checks, or that none was fitted."""
    if not gates:
        return build("checks", [Statement("value_none.unchecked")], terms.languages)
    return checking.checks(passed=passed, reasons=reasons, languages=terms.languages)


def no_model(fitted: Fitted, *, terms: Terms, id: str) -> Finding:
    """Say why nothing can be said of value."""
    counts = fitted.history.counts
    statements = []
    if fitted.history.contract is not None:
        statements.append(Statement("value_none.contract"))
    elif counts["customers"] < 30:
        statements.append(Statement("value_none.customers", {}, {"n": tally(counts["customers"])},
                                    quantity=counts["customers"]))  # fmt: skip
    else:
        share = Number(counts["again"] / max(counts["customers"], 1), "rate", drawn=False, tabled=False)
        numbers = {"n": tally(counts["customers"]), "again": tally(counts["again"]), "share": share}
        statements.append(Statement("value_none.again", {}, numbers, quantity=counts["again"]))
    statements.append(Statement("value_none.so"))
    return build(id, statements, terms.languages, verdict="cannot_tell")


def trust(table: pd.DataFrame, *, fitted: Fitted, terms: Terms, id: str = "trust") -> Finding:
    """Say how a forecast that was tried on the past compares with what came; the figure shows it week by week."""
    rows = say.of(table, "holdout_total")
    proof = fitted.proof
    if proof is None or fitted.kind != "buying" or rows.empty:
        reason = {"buying": "short", "contract": "contract", "none": "no_model"}[fitted.kind]
        return say.missing(id, "trust", reason, terms.languages)
    total, actual, error = (say.first(say.of(table, f"holdout_{k}")) for k in ("total", "actual", "error"))
    if total is None or actual is None or error is None:
        return say.stopped(id, "suppressed", terms.languages)
    days = {
        lang: {"split": period_name(proof.split.isoformat(), language=lang),
               "end": period_name(proof.end.isoformat(), language=lang),
               "percent": number(CLOSE, metric="share", language=lang)}
        for lang in terms.languages
    }  # fmt: skip
    off, inside = float(error["mean"]), bool(proof.total["covers"])
    seen = {"value": say.mean(total, drawn=False), "span": say.span(total, drawn=False),
            "came": say.mean(actual, drawn=False)}  # fmt: skip
    size = Number(abs(off), "rate", drawn=False, tabled=False)
    close = abs(off) <= CLOSE
    statements = [
        Statement(f"value_trust.{'inside' if inside else 'outside'}", days, seen),
        Statement(f"value_trust.{'close' if close else 'many' if off > 0 else 'few'}", days, {"error": size}),
    ]
    if not close:
        statements += _why(table, fitted, terms)
    cover, promised = (say.first(say.of(table, f"holdout_{k}")) for k in ("cover", "promised"))
    if cover is not None and promised is not None:
        shares = {"cover": say.mean(cover, drawn=False), "promised": say.mean(promised, drawn=False)}
        statements.append(Statement("value_trust.cover", {}, shares))
    weeks, groups = _beside(table, "week"), _beside(table, "class")

    def draw(language: str) -> Figure:
        shown = weeks.assign(at=weeks["group"].astype(int)).sort_values("at")
        return drawing.course(shown, language=language, axis=message(language, "value_trust.axis"))

    def tabulate(language: str) -> Block:
        body = [
            [message(language, "value_trust.row_total"), count(total["n"]), count(actual["mean"]),
             say.cell(total, language)],
            [message(language, "value_trust.row_error"), "", "", say.cell(error, language, signed=False)],
        ]  # fmt: skip
        for row, key in ((cover, "cover"), (promised, "promised")):
            if row is not None:
                body.append([message(language, f"value_trust.row_{key}"), "", "", say.cell(row, language)])
        body += [
            [_class(r, groups, language), count(r["n"]),
             number(r["actual"], metric="mean", language=language) if is_number(r["actual"]) else "—",
             say.cell(r, language)]
            for _, r in groups.iterrows()
        ]  # fmt: skip
        return say.table("value_trust", ("who", "n", "came", "expected"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_trust.note", n=float(total["n"])),
        caption=lambda lang: message(lang, "value_trust.legend"), draw=draw, tabulate=tabulate,
        inside=[_by_class(groups, terms)] if len(groups) else [],
    )  # fmt: skip


def _why(table: pd.DataFrame, fitted: Fitted, terms: Terms) -> list[Statement]:
    """What the data can say of the reason of an error: seasons never seen twice, and the past errors of the model."""
    proof = fitted.proof
    assert proof is not None
    weeks = (proof.split - fitted.history.first).days // 7
    found = []
    if weeks < SEASONS:
        found.append(Statement("value_trust.season", {}, {"weeks": tally(weeks)}))
    if proof.total["plain_low"] <= proof.total["actual"] <= proof.total["plain_high"]:
        found.append(Statement("value_trust.chance"))
    shock = Number(proof.choice.shock, "rate", drawn=False, tabled=False)
    found.append(Statement("value_trust.shock" if proof.choice.learned else "value_trust.shock_assumed", {},
                           {"shock": shock}))  # fmt: skip
    return found


def _by_class(groups: pd.DataFrame, terms: Terms) -> Finding:
    def draw(language: str) -> Figure:
        return drawing.classes(groups, [_short(r, groups) for _, r in groups.iterrows()], language=language,
                               axis=message(language, "value_trust.axis_class"))  # fmt: skip

    shown = groups[known(groups["mean"])]
    own = []
    if len(shown) > 1:
        few, many = shown.iloc[0], shown.iloc[-1]
        numbers = {
            "few": Number(float(few["mean"]), "mean", tabled=False),
            "few_came": Number(float(few["actual"]), "mean", tabled=False),
            "many": Number(float(many["mean"]), "mean", tabled=False),
            "many_came": Number(float(many["actual"]), "mean", tabled=False),
        }
        own = [Statement("value_trust.classes", {}, numbers)]
    return build("trust_classes", own or [Statement("value_trust.one_class")], terms.languages,
                 caption=lambda lang: message(lang, "value_trust.legend_class"), draw=draw)  # fmt: skip


def _beside(table: pd.DataFrame, level: str) -> pd.DataFrame:
    """Rows of a forecast by class or week with ``actual`` beside them."""
    rows = say.of(table, f"holdout_{level}", level=level)
    came = say.of(table, f"holdout_{level}_actual", level=level).set_index("group")["mean"]
    return rows.assign(actual=rows["group"].map(came).astype(float))


def models(table: pd.DataFrame, *, fitted: Fitted, terms: Terms, id: str = "models") -> Finding:
    """Say which model of buying was chosen, and by what."""
    rows = say.of(table, "model_score", level="model").sort_values("mean", kind="stable")
    off, tried = (say.of(table, f"model_{k}", level="model") for k in ("rms", "holdout"))
    rows = rows[known(rows["mean"])]
    if fitted.choice is None or rows.empty:
        reason = {"buying": "short", "contract": "contract", "none": "no_model"}[fitted.kind]
        return say.missing(id, "models", reason, terms.languages)
    chosen = fitted.choice.family
    names = {lang: {"name": message(lang, f"value_model.{chosen}")} for lang in terms.languages}
    key = "chosen" if len(rows) > 1 else "given"
    numbers = {"n": tally(len(rows)), "origins": tally(fitted.choice.errors["origin"].nunique())}
    statements = [Statement(f"value_models.{key}", names, numbers)]
    if len(rows) > 1:
        second = rows[rows["group"] != chosen].iloc[0]
        other = {lang: {"name": message(lang, f"value_model.{second['group']}")} for lang in terms.languages}
        behind = Number(float(second["mean"]), "count", tabled=False, drawn=False)
        statements.append(Statement("value_models.behind", other, {"behind": behind}))

    if len(rows) > 1 and "pareto" not in set(rows["group"]):
        statements.append(Statement("value_models.large"))

    def tabulate(language: str) -> Block:
        body = []
        for _, row in rows.iterrows():
            usual, last = (say.cell(say.first(x[x["group"] == row["group"]]), language) for x in (off, tried))
            body.append([message(language, f"value_model.{row['group']}"), count(row["mean"]), usual, last])
        return say.table("value_models", ("model", "behind", "rms", "holdout"), body, language)

    return build(id, statements, terms.languages, note=say.noted(terms, "value_models.note", interval=False),
                 tabulate=tabulate)  # fmt: skip


def handled(*, fitted: Fitted, terms: Terms, id: str = "handled") -> Finding:
    """Say what was counted and what was set apart: returns, negative amounts, duplicates, future dates."""
    history = fitted.history
    counts = history.counts
    days = {
        lang: {"first": period_name(history.first.isoformat(), language=lang),
               "end": period_name(history.end.isoformat(), language=lang)}
        for lang in terms.languages
    }  # fmt: skip
    numbers = {k: Number(counts[c], "count", drawn=False) for k, c in (("used", "used"), ("n", "customers"),
                                                                       ("again", "again"))}  # fmt: skip
    statements = [Statement("value_handled.lead", days, numbers)]
    if history.returned > 0:
        share = Number(history.returned, "rate", drawn=False, tabled=False)
        statements.append(Statement("value_handled.returned", {}, {"share": share}))
    told = [name for name in _SET_APART if counts.get(name)]
    if not told:
        statements.append(Statement("value_handled.nothing"))

    def tabulate(language: str) -> Block:
        heads = [message(language, f"value_handled.head_{h}") for h in ("what", "n", "how")]
        body: list[list[object]] = [
            [message(language, f"value_handled.row_{k}"), counts[k], ""] for k in ("rows", "used", "customers", "again")
        ]
        body += [
            [message(language, f"value_apart.{k}.what"), counts[k], message(language, f"value_apart.{k}.how")]
            for k in told
        ]
        return tables.counts_table(heads, body, language=language, caption=message(language, "value_handled.caption"))

    return build(id, statements, terms.languages, tabulate=tabulate)


_SET_APART: Final = (
    "anonymous", "undated", "later", "negative", "returns", "same_day", "twice", "unpriced", "free", "before",
)  # fmt: skip


def _tenure(row: pd.Series, language: str) -> str:
    return message(language, f"value_worth.{row['group'] or 'all'}")


def _class(row: pd.Series, rows: pd.DataFrame, language: str) -> str:
    return message(language, "value_trust.class", {"x": _short(row, rows)})


def _short(row: pd.Series, rows: pd.DataFrame) -> str:
    last = int(row["group"]) == rows["group"].astype(int).max() >= 7
    return f"{row['group']}+" if last else str(row["group"])
