"""Findings on what comes back: return on customers, those to come, who buys again, first choices, what is expected.

All take the tidy table ``value_estimates`` as the writer returned it.
"""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, small_print, tally
from cxlab.report.format import count, estimate, is_number, known, number, period_name, plain, probability
from cxlab.report.messages import message
from cxlab.value import findings_common as say
from cxlab.value.equity_report import Back
from cxlab.value.findings_common import Terms
from cxlab.value.segments import RATES

_MOST: Final = 6  # first choices that a figure shows
_FEATURES: Final = ("product", "channel", "amount")  # what is known at the first purchase; the rest happened afterwards


def roc(table: pd.DataFrame, *, terms: Terms, before: str, id: str = "roc") -> Finding:
    """Say what return the customers brought in the period, against the discount rate."""
    total, year = (say.first(say.of(table, k)) for k in ("roc", "roc_year"))
    if total is None or year is None:
        rows = say.of(table, "customer_equity")
        why = say.blocked(rows) if len(rows) else ""
        return say.stopped(id, why, terms.languages) if why else say.missing(id, "roc", "no_before", terms.languages)
    parts = say.of(table, "roc", level="tenure")
    names = {lang: {"before": period_name(before, language=lang),
                    "expected": number(float(total["ref"]), metric="rate", language=lang)}
             for lang in terms.languages}  # fmt: skip
    low, high, ref = float(total["ci_low"]), float(total["ci_high"]), float(total["ref"])
    key = "above" if low > ref else "below" if high < ref else "about"
    numbers = {"value": say.mean(total), "span": say.span(total)}
    statements = [Statement(f"value_roc.{key}", names, numbers)]
    numbers = {"year": say.mean(year, drawn=False), "year_span": say.span(year, drawn=False)}
    statements.append(Statement("value_roc.year", names, numbers))
    seen = {str(r["group"]): r for _, r in parts.iterrows() if is_number(r["mean"])}
    if {"existing", "new"} <= set(seen):
        numbers = {k: say.mean(seen[k], signed=True) for k in ("existing", "new")}
        statements.append(Statement("value_roc.parts", names, numbers))
    shown = pd.concat([say.of(table, "roc"), parts[known(parts["mean"])]], ignore_index=True)
    flows = [(k, say.first(say.of(table, k))) for k in ("lifetime_opening", "profit", "lifetime_equity")]

    def draw(language: str) -> Figure:
        named = [message(language, f"value_roc.{r['group'] or 'all'}") for _, r in shown.iterrows()]
        return charts.intervals(shown, named, language=language, reference=ref)

    def tabulate(language: str) -> Block:
        body = [[message(language, f"value_roc.row_{k}", names[language]), say.cell(r, language)] for k, r in flows]
        body += [[message(language, f"value_roc.{r['group'] or 'all'}"), say.cell(r, language, signed=True)]
                 for _, r in shown.iterrows()]  # fmt: skip
        body.append([message(language, "value_roc.row_total"), say.cell(total, language)])
        body.append([message(language, "value_roc.row_year"), say.cell(year, language)])
        return say.table("value_roc", ("what", "value"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_roc.note", money=True),
        caption=lambda lang: message(lang, "value_roc.legend", names[lang]), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def coming(table: pd.DataFrame, *, terms: Terms, id: str = "coming") -> Finding:
    """Say what customers to come will add, told apart from those who are known."""
    here, later, npv = (say.of(table, k) for k in ("customer_equity", "newcomers", "npv"))
    own, new, both = (say.first(r) for r in (here, later, npv))
    if own is None or new is None or both is None:
        why = say.blocked(here) if len(here) else ""
        return say.stopped(id, why, terms.languages) if why else say.missing(id, "coming", "no_new", terms.languages)
    rows = pd.DataFrame([own, new, both])
    years = {lang: {"years": f"{terms.years:g}"} for lang in terms.languages}
    numbers = {"value": say.mean(new), "span": say.span(new), "npv": say.mean(both), "npv_span": say.span(both)}
    statements = [Statement("value_coming.lead", years, numbers)]

    def named(language: str) -> list[str]:
        return [message(language, f"value_coming.{k}") for k in ("known", "new", "both")]

    def draw(language: str) -> Figure:
        return charts.intervals(rows, named(language), language=language)

    def tabulate(language: str) -> Block:
        body = [[name, say.cell(r, language)] for name, (_, r) in zip(named(language), rows.iterrows(), strict=True)]
        return say.table("value_coming", ("who", "value"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_coming.note", money=True), caption=say.bars,
        draw=draw, tabulate=tabulate,
    )  # fmt: skip


def rates(table: pd.DataFrame, *, period: str, terms: Terms, id: str = "rates") -> Finding:
    """Say how many customers bought again, and how many came back for service."""
    rows = {k: say.of(table, k).sort_values("period") for k in RATES}
    again, service = (_now(rows[k], period) for k in RATES)
    if again is None:
        own = rows[RATES[0]]
        why = say.blocked(own) if len(own) else ""
        return say.stopped(id, why, terms.languages) if why else say.missing(id, "rates", "first", terms.languages)
    names = {lang: {"period": period_name(period, language=lang)} for lang in terms.languages}
    statements = [Statement("value_rates.again", names, {"value": say.mean(again), "span": say.span(again)})]
    past = rows[RATES[0]]
    past = past[(past["period"] < period) & known(past["mean"])]
    if len(past):
        old = past.iloc[-1]
        says = {lang: {"before": period_name(str(old["period"]), language=lang)} for lang in terms.languages}
        numbers = {"old": say.mean(old), "old_span": say.span(old)}
        apart = float(again["ci_low"]) > float(old["ci_high"]) or float(again["ci_high"]) < float(old["ci_low"])
        key = ("rose" if again["mean"] > old["mean"] else "fell") if apart else "alike"
        statements.append(Statement(f"value_rates.{key}", says, numbers))
    if service is None:
        statements.append(Statement("value_rates.no_service"))
    else:
        numbers = {"service": say.mean(service, drawn=False), "service_span": say.span(service, drawn=False)}
        statements.append(Statement("value_rates.service", {}, numbers))

    def draw(language: str) -> Figure:
        return charts.trend(rows[RATES[0]], language=language)

    def tabulate(language: str) -> Block:
        other = rows[RATES[1]]
        body = []
        for _, row in rows[RATES[0]].iloc[::-1].iterrows():
            label = str(row["period"])
            served = say.cell(say.first(other[other["period"] == label]), language)
            body.append([period_name(label, language=language), say.cell(row, language), served, count(row["n"])])
        return say.table("value_rates", ("period", "again", "service", "n"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_rates.note", n=float(again["n"])),
        caption=lambda lang: message(lang, "value_rates.legend"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def firsts(table: pd.DataFrame, *, back: Back, terms: Terms, id: str = "firsts") -> Finding:
    """Say how many new customers buy a second time, and which first choices and experiences that goes with."""
    whole = say.of(table, "second_purchase_all")
    over = table[table["estimand"] == "second_purchase_over"]
    if back.first is None or whole.empty:
        return say.missing(id, "firsts", "no_first", terms.languages)
    if why := say.blocked(whole):
        return say.stopped(id, why, terms.languages)
    total = whole.iloc[0]
    numbers = {"value": say.mean(total, drawn=False), "span": say.span(total, drawn=False), "n": tally(total["n"])}
    statements = [Statement("value_firsts.lead", {}, numbers)]
    level = table[table["estimand"] == "second_purchase"].set_index(["level", "group"])
    clear = over[over["verdict"].isin(["better", "worse"]) & known(over["mean"])]
    clear = clear[clear["group"] != "other"].sort_values("prob_gt_ref", ascending=False, kind="stable")
    shown = _shown(over)
    for key, rows in (("more", clear[clear["verdict"] == "better"]),
                      ("less", clear[clear["verdict"] == "worse"].iloc[::-1])):  # fmt: skip
        if len(rows):
            top = rows.iloc[0]
            named = {lang: {"name": _choice(top, terms, lang)} for lang in terms.languages}
            drawn = bool(((shown["level"] == top["level"]) & (shown["group"] == top["group"])).any())
            statements.append(Statement(f"value_firsts.{key}", named,
                                        {f"{key}_span": say.span(top, drawn=drawn, signed=True)}))  # fmt: skip
    if clear.empty:
        statements.append(Statement("value_firsts.none"))
    asked = [f for f in ("product", "experience") if f not in back.first.features]
    statements += [Statement(f"value_firsts.no_{f}") for f in asked]

    def draw(language: str) -> Figure:
        names = [_choice(r, terms, language) for _, r in shown.iterrows()]
        return charts.intervals(shown.assign(estimand="difference"), names, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = [[message(language, "value_firsts.row_all"), say.cell(total, language), "", "", count(total["n"])]]
        for _, row in over.iterrows():
            own = level.loc[(row["level"], row["group"])]
            chance = probability(float(row["prob_gt_ref"]), language=language) if is_number(row["mean"]) else "—"
            body.append([_choice(row, terms, language), say.cell(own, language), say.cell(row, language, signed=True),
                         chance, count(row["n"])])  # fmt: skip
        return say.table("value_firsts", ("choice", "share", "over", "more", "n"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_firsts.note", "note.association"),
        caption=lambda lang: message(lang, "value_firsts.legend"), draw=draw if len(shown) else None, tabulate=tabulate,
    )  # fmt: skip


def expected(forecasts: pd.DataFrame, *, target: str, terms: Terms, id: str = "expected") -> Finding:
    """Say what the known customers will buy in the next period; the next report checks it."""
    rows = forecasts[forecasts["item"].isin(["purchases", "revenue"]) & known(forecasts["mean"])]
    own = {str(r["item"]): r for _, r in rows.iterrows()}
    if "purchases" not in own:
        return say.missing(id, "expected", "no_model", terms.languages)
    names = {lang: {"target": period_name(target, language=lang)} for lang in terms.languages}
    statements = []
    for item, row in own.items():
        metric = str(row["metric"])
        span = Number(float(row["q05"]), metric, float(row["q95"]))
        numbers = {item: Number(float(row["mean"]), metric), f"{item}_span": span}
        statements.append(Statement(f"value_expected.{item}", names, numbers))
    statements.append(Statement("value_expected.check", names))

    def tabulate(language: str) -> Block:
        body = []
        for item, row in own.items():
            ends = (float(row[c]) for c in ("mean", "q05", "q95"))
            told = estimate(*ends, metric=str(row["metric"]), language=language)
            body.append([message(language, f"value_expected.row_{item}"), told])
        return say.table("value_expected", ("what", "value"), body, language)

    def small(language: str) -> str:
        return small_print(language, [say.noted(terms, "value_expected.note")(language), terms.unit(language)])

    return build(id, statements, terms.languages, note=small, tabulate=tabulate)


def _now(rows: pd.DataFrame, period: str) -> pd.Series | None:
    return say.first(rows[rows["period"] == period])


def _shown(over: pd.DataFrame) -> pd.DataFrame:
    """The first choices and experiences with the largest differences, one of each pair of opposites."""
    rows = over[known(over["mean"]) & (over["group"] != "other") & ~over["group"].str.startswith("not ")]
    size = rows["mean"].abs() / (rows["ci_high"] - rows["ci_low"]).clip(lower=1e-9)
    kept = rows.assign(size=size).sort_values("size", ascending=False, kind="stable").head(_MOST)
    return kept.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def _choice(row: pd.Series, terms: Terms, language: str) -> str:
    """Return the name of a first choice: "product: 1016", "first amount: high", "delivery late"."""
    feature, group = str(row["level"]), str(row["group"])
    fields = {"feature": say.spoken(f"value_feature.{feature}", language, plain(feature.replace("_", " ")))}
    if feature == "channel":
        fields["name"] = terms.labels.group("channel", group, language)
    elif feature in (*_FEATURES, "experience"):
        fields["name"] = say.spoken(f"value_feature.{feature}_{group}", language, plain(group))
    else:
        fields = {"feature": message(language, "value_feature.happened"),
                  "name": terms.labels.group("outcome", group, language)}  # fmt: skip
    return message(language, "value_feature.both", fields)
