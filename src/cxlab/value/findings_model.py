"""Findings on what the model of value takes for granted: independence of frequency and spend, covariates, contracts."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, is_number, known, number, period_name, plain
from cxlab.report.messages import message
from cxlab.value import figures as drawing
from cxlab.value import findings_common as say
from cxlab.value import model
from cxlab.value.contracts_report import split_of
from cxlab.value.findings_common import Terms
from cxlab.value.fits import Fitted
from cxlab.vocab import SEGMENT, UNKNOWN

_EVENT: Final = "event:"


def independence(*, fitted: Fitted, terms: Terms, id: str = "independence") -> Finding:
    """Say whether those who buy more often spend more a purchase, and what was made of it."""
    found = model.dependence_of(fitted.tree) if fitted.tree is not None and fitted.kind == "buying" else None
    if found is None or not is_number(found.correlation):
        reason = "no_model" if fitted.kind != "buying" else "no_money"
        return say.missing(id, "independence", reason, terms.languages)
    numbers = {
        "value": Number(found.correlation, "mean", signed=True),
        "span": Number(found.low, "mean", found.high, signed=True),
        "free_span": Number(found.expected_low, "mean", found.expected_high, drawn=False, signed=True),
    }
    statements = [
        Statement(f"value_independence.{'fails' if found.fails else 'holds'}", {}, numbers),
        Statement(f"value_independence.{found.used}"),
    ]
    rows = pd.DataFrame(
        [
            {"mean": found.correlation, "ci_low": found.low, "ci_high": found.high},
            {"mean": (found.expected_low + found.expected_high) / 2, "ci_low": found.expected_low,
             "ci_high": found.expected_high},
        ]
    ).assign(metric="mean", estimand="difference", verdict="")  # fmt: skip

    def names(language: str) -> list[str]:
        return [message(language, f"value_independence.{k}") for k in ("seen", "free")]

    def draw(language: str) -> Figure:
        return charts.intervals(rows, names(language), language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = [[name, say.cell(r, language, signed=True)]
                for name, (_, r) in zip(names(language), rows.iterrows(), strict=True)]  # fmt: skip
        return say.table("value_independence", ("what", "value"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_independence.note", n=float(found.customers)),
        caption=say.bars, draw=draw, tabulate=tabulate,
    )  # fmt: skip


def covariates(*, fitted: Fitted, terms: Terms, id: str = "covariates") -> Finding:
    """Say which segments and life events go with buying more often, and which of them help a forecast."""
    choice = fitted.choice
    if choice is None or fitted.tree is None or fitted.data is None or fitted.kind != "buying":
        return say.missing(id, "covariates", "no_model", terms.languages)
    sets = choice.sets
    offered = fitted.history.traits.names if fitted.history.traits is not None else ()
    kept = [c for c in fitted.data.covariates if c != "before"]
    statements = []
    if not offered:
        statements.append(Statement("value_covariates.none"))
    elif not kept:
        best = sets[sets["set"] != "none"]["gain"].max() if (sets["set"] != "none").any() else float("nan")
        numbers = {"n": tally(len(offered)), "gain": Number(float(best), "mean", drawn=False, signed=True)}
        statements.append(Statement("value_covariates.left", {}, numbers))
    else:
        won = sets[sets["kept"].astype(bool)].iloc[0]
        gain = Number(float(won["gain"]), "mean", drawn=False, signed=True)
        statements.append(Statement("value_covariates.kept", {}, {"gain": gain}))
    rows = _ratios(fitted)
    clear = rows[(rows["covariate"] != "before") & ~rows["covariate"].astype(str).str.endswith(UNKNOWN)]
    clear = clear[(clear["ci_low"] > 1) | (clear["ci_high"] < 1)]
    if len(clear):
        most = clear.iloc[int(np.abs(np.log(clear["mean"].to_numpy(float))).argmax())]
        named = {lang: {"name": trait(str(most["covariate"]), terms, lang)} for lang in terms.languages}
        numbers = {"ratio": say.mean(most), "ratio_span": say.span(most)}
        statements.append(Statement("value_covariates.clear", named, numbers))
    before = rows[rows["covariate"] == "before"]
    if len(before):
        row = before.iloc[0]
        numbers = {"older": say.mean(row), "older_span": say.span(row)}
        statements.append(Statement("value_covariates.before", {}, numbers))

    def draw(language: str) -> Figure:
        return charts.intervals(rows, [trait(c, terms, language) for c in rows["covariate"]], language=language,
                                 reference=1.0)  # fmt: skip

    def tabulate(language: str) -> Block:
        body = [[trait(str(r["covariate"]), terms, language), say.cell(r, language), ""] for _, r in rows.iterrows()]
        body += [[message(language, f"value_covariates.set_{r['set']}", {"n": str(int(r["columns"]))}),
                  "", number(float(r["gain"]), metric="mean", language=language, signed=True)]
                 for r in sets.to_dict("records") if len(sets) > 1 and r["set"] != "none"]  # fmt: skip
        return say.table("value_covariates", ("what", "ratio", "gain"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_covariates.note", "note.association"),
        caption=say.bars, draw=draw if len(rows) else None, tabulate=tabulate if len(rows) or len(sets) > 1 else None,
    )  # fmt: skip


def contract(table: pd.DataFrame, *, fitted: Fitted, terms: Terms, id: str = "contract") -> Finding:
    """Say that the purchases are contracts, how long they are kept, and what a running one will still pay."""
    found = fitted.history.contract
    if found is None:
        return build(id, [Statement("value_contract.none")], terms.languages)
    rows = say.of(table, "retention", level="contract")
    names = {lang: {"reason": message(lang, f"value_contract.{found.reason}",
                                      {"share": number(found.share, metric="share", language=lang)}),
                    "days": str(found.every)} for lang in terms.languages}  # fmt: skip
    statements = [Statement("value_contract.refused", names)]
    if rows.empty or say.blocked(rows):
        statements.append(Statement("value_contract.thin"))
        return build(id, statements, terms.languages, verdict="cannot_tell")
    came = say.of(table, "retention_actual", level="contract").set_index("group")["mean"]
    rows = rows.assign(at=rows["group"].astype(int), actual=rows["group"].map(came).astype(float)).sort_values("at")
    one, last = rows.iloc[0], rows.iloc[-1]
    numbers = {"first": say.mean(one), "first_span": say.span(one), "later": say.mean(last),
               "later_span": say.span(last), "periods": tally(float(last["at"]))}  # fmt: skip
    statements.append(Statement("value_contract.kept", names, numbers))
    total, actual = (say.first(say.of(table, f"holdout_{k}")) for k in ("total", "actual"))
    if total is not None and actual is not None:
        days = {lang: {"split": period_name(split_of(fitted).isoformat(), language=lang),
                       "end": period_name(fitted.history.end.isoformat(), language=lang)}
                for lang in terms.languages}  # fmt: skip
        inside = float(total["ci_low"]) <= float(actual["mean"]) <= float(total["ci_high"])
        numbers = {"n": tally(total["n"]), "value": say.mean(total, drawn=False), "span": say.span(total, drawn=False),
                   "came": say.mean(actual, drawn=False)}  # fmt: skip
        statements.append(Statement(f"value_contract.{'inside' if inside else 'outside'}", days, numbers))
    still, worth = say.first(say.of(table, "lifetime")), say.first(say.of(table, "customer_equity"))
    if still is not None:
        years = {
            lang: {"years": f"{terms.years:g}", "discount": number(terms.discount, metric="share", language=lang)}
            for lang in terms.languages
        }
        numbers = {"payments": say.mean(still, drawn=False), "payments_span": say.span(still, drawn=False)}
        statements.append(Statement("value_contract.lifetime", years, numbers))

    def draw(language: str) -> Figure:
        return drawing.course(rows, language=language, axis=message(language, "value_contract.axis"), metric="share")

    def tabulate(language: str) -> Block:
        body = [[message(language, "value_contract.row", {"n": str(int(r["at"]))}), say.cell(r, language),
                 number(r["actual"], metric="share", language=language)] for _, r in rows.iterrows()]  # fmt: skip
        if total is not None and actual is not None:
            told = message(language, "value_contract.row_holdout")
            body.append([told, say.cell(total, language), count(actual["mean"])])
        for row, key in ((still, "lifetime"), (worth, "equity")):
            if row is not None:
                body.append([message(language, f"value_contract.row_{key}"), say.cell(row, language), ""])
        return say.table("value_contract", ("what", "share", "came"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_contract.note", n=float(one["n_all"])),
        caption=lambda lang: message(lang, "value_contract.legend"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def trait(column: str, terms: Terms, language: str) -> str:
    """Return the name of a covariate: "age: 18 to 29", "had it: moved house"."""
    if column == "before":
        return message(language, "value_covariates.older")
    if column.startswith(_EVENT):
        fields = {"event": plain(column.removeprefix(_EVENT).replace("_", " "))}
        return message(language, "value_covariates.event", fields)
    level, _, group = column.partition("=")
    if level.startswith(SEGMENT):
        fields = {"feature": terms.labels.level(level, language), "name": terms.labels.group(level, group, language)}
        return message(language, "value_feature.both", fields)
    return plain(column)


def _ratios(fitted: Fitted) -> pd.DataFrame:
    """Factors on the rate of buying, a row a covariate."""
    from cxlab.inference.estimates import summaries

    assert fitted.tree is not None
    assert fitted.data is not None
    if not fitted.data.covariates or fitted.gate is None or not fitted.gate.passed:
        return pd.DataFrame(columns=["covariate", "metric", "mean", "ci_low", "ci_high", "verdict"])
    drawn = model.estimands(fitted.tree["posterior"].dataset, fitted.data)["buy_ratio"].to_numpy()
    numbers = summaries(drawn.reshape(-1, drawn.shape[-1]), ref=1.0)
    rows = numbers.assign(covariate=list(fitted.data.covariates), metric="mean", verdict="")
    return rows[known(rows["mean"])].reset_index(drop=True)
