"""Findings behind the index: what it goes with in money, its paths beside composites, how the questions measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.index.findings import LEVEL, rows_of, silent
from cxlab.report import charts, tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, listed, small_print, tally
from cxlab.report.format import Labels, estimate, known, number
from cxlab.report.messages import message
from cxlab.report.rows import finding, first, names, state
from cxlab.vocab import LANGUAGES

if TYPE_CHECKING:
    from cxlab.index.data import SemData

WEAK = 0.25  # share a question has in common with its latent below which it is called weak


def money(
    estimates: pd.DataFrame,
    *,
    target: str,
    days: int,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "money",
    csv: str = "",
) -> Finding:
    """Say what one point of the target goes with in what customers do afterwards.

    Parameters
    ----------
    estimates : DataFrame
        From `cxlab.index.estimates.table`, as written.
    target : str
    days : int
        After the answer.
    labels : Labels
        With the names of latents.
    languages : sequence of str
        Primary language first.
    id, csv : str
        Name on the page, and of the site's CSV file.
    """
    rows = rows_of(estimates, "outcome_effect")
    means = {str(r["to"]): float(r["mean"]) for r in rows_of(estimates, "outcome_mean").to_dict("records")}
    told = names(languages, lambda lang: {"target": labels.group(LEVEL, target, lang), "days": str(days)})
    if rows.empty:
        return finding(id, None, (Statement("index_money.none", told),), languages, None, None)
    if not known(rows["mean"]).any():
        return silent(id, first(rows), languages)
    statements = []
    for _, row in rows[known(rows["mean"])].iterrows():
        what = str(row["to"])
        metric, signed = str(row["metric"]), what != "spend"
        ends = {
            "value": Number(float(row["mean"]), metric, signed=signed),
            "span": Number(float(row["ci_low"]), metric, high=float(row["ci_high"]), signed=signed),
        }
        more = {lang: told[lang] | {"what": message(lang, f"index_outcome.{what}")} for lang in languages}
        fields = {lang: more[lang] | {key: value.text(lang) for key, value in ends.items()} for lang in languages}
        if row["verdict"] == "cannot_tell":
            statements.append(Statement("index_money.open", fields, {f"{what}_span": ends["span"]}))
            continue
        key = "spend_less" if what == "spend" and row["mean"] < 0 else what
        statements.append(Statement(f"index_money.{key}", fields, {f"{what}_{k}": v for k, v in ends.items()}))

    def tabulate(language: str) -> Block:
        fields = {"target": labels.group(LEVEL, target, language)}
        heads = [message(language, "index_table.outcome"), message(language, "index_money.mean")]
        heads += [message(language, "index_money.per_point", fields), message(language, "table.n")]
        body = []
        for _, row in rows.iterrows():
            metric, what = str(row["metric"]), str(row["to"])
            mid, low, high = (float(row[c]) for c in ("mean", "ci_low", "ci_high"))
            cell = estimate(mid, low, high, metric=metric, language=language, signed=what != "spend")
            average = number(means[what], metric=metric, language=language)
            body.append([message(language, f"index_outcome.{what}"), average, cell, float(row["n"])])
        caption = message(language, "index_money.caption", fields | {"days": str(days)})
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    row = rows[known(rows["mean"])].iloc[0]
    return finding(id, row, tuple(statements), languages, None, tabulate, verdict="", association=True)


def paths(
    estimates: pd.DataFrame,
    *,
    target: str,
    period: str,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "paths",
    csv: str = "",
) -> Finding:
    """Show the model's paths beside those of composites, and which rest on the prior. Parameters: see `money`."""
    rows = rows_of(estimates, "path")
    if not known(rows["mean"]).any():
        return silent(id, first(rows), languages)
    composite = rows_of(estimates, "composite_path")
    flagged = rows[rows["prior_sensitive"]]

    def arrow(row: pd.Series, lang: str) -> str:
        ends = {k: labels.group(LEVEL, str(row[v]), lang) for k, v in (("origin", "from"), ("to", "to"))}
        return message(lang, "index_table.arrow", ends)

    told = names(
        languages,
        lambda lang: {
            "target": labels.group(LEVEL, target, lang),
            "list": listed([arrow(r, lang) for _, r in flagged.iterrows()], lang, most=12),
        },
        period=period,
    )
    weaker = int((composite["mean"].abs().to_numpy() < rows["mean"].abs().to_numpy()).sum())
    signs = np.sign(rows[["narrow", "wide", "likelihood"]].to_numpy(float))
    same = np.abs(signs.sum(axis=1)) == 3  # whatever the prior
    decided = int((rows["verdict"].isin(["better", "worse"]) & same).sum())
    index, other = (first(rows_of(estimates, e, period=period, to=target)) for e in ("index", "composite_index"))
    r2, other_r2 = (first(rows_of(estimates, e, to=target)) for e in ("r2", "composite_r2"))
    statements = [Statement("index_path.lead", told, {"total": tally(len(rows)), "decided": tally(decided)})]
    if index is not None and other is not None and not state(index):
        numbers = {
            "weaker": tally(weaker),
            "total": tally(len(rows)),
            "value": Number(float(index["mean"]), "index", drawn=False, tabled=False),
            "other": Number(float(other["mean"]), "index", drawn=False, tabled=False),
        }
        statements.append(Statement("index_path.attenuated", told, numbers))
    if r2 is not None and other_r2 is not None and not state(r2):
        numbers = {
            "r2": Number(float(r2["mean"]), "share", drawn=False, tabled=False),
            "other_r2": Number(float(other_r2["mean"]), "share", drawn=False, tabled=False),
        }
        statements.append(Statement("index_path.explained", told, numbers))
    statements.append(Statement("index_path.flagged" if len(flagged) else "index_path.none_flagged", told))

    def draw(language: str) -> Figure:
        shown = [arrow(r, language) for _, r in rows.iterrows()]
        return charts.intervals(rows, shown, language=language, previous=composite, reference=0.0)

    def tabulate(language: str) -> Block:
        keys = ("path", "total", "composite", "narrow", "wide", "likelihood", "flag")
        heads = [message(language, f"index_table.{k}") for k in keys]
        body = [
            [
                arrow(row, language),
                tables.estimate_cell(row, language=language),
                tables.estimate_cell(beside, language=language),
                *(number(float(row[k]), metric="path", language=language) for k in ("narrow", "wide", "likelihood")),
                message(language, f"index_table.{'yes' if row['prior_sensitive'] else 'no'}"),
            ]
            for (_, row), (_, beside) in zip(rows.iterrows(), composite.iterrows(), strict=True)
        ]
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "index_path.caption"), csv=csv
        )

    def legend(language: str) -> str:
        return small_print(language, [message(language, "figure.interval"), message(language, "index_path.dashed")])

    return finding(
        id, rows.iloc[0], tuple(statements), languages, draw, tabulate, caption=legend, verdict="", association=True
    )


def questions(
    estimates: pd.DataFrame,
    data: SemData,
    *,
    left_out: Sequence[str] = (),
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "questions",
    csv: str = "",
) -> Finding:
    """Say how well the questions measure, and what is missing. Parameters: see `money`; `data` of the fit."""
    rows = rows_of(estimates, "loading")
    shown = rows[known(rows["mean"])]
    if shown.empty:
        return silent(id, first(rows), languages)
    worst = shown.iloc[int(shown["mean"].abs().to_numpy().argmin())]
    shared = float(worst["mean"]) ** 2
    told = names(
        languages,
        lambda lang: {
            "worst": labels.item(str(worst["item"]), lang),
            "name": labels.group(LEVEL, str(worst["from"]), lang),
            "list": listed([labels.item(i, lang) for i in left_out], lang),
        },
    )
    numbers = {"value": Number(shared, "share", drawn=False, tabled=False)}
    statements = [Statement("index_measure.weak" if shared < WEAK else "index_measure.lead", told, numbers)]
    if data.blanks > 0:
        missing = {"share": Number(data.blanks, "rate", drawn=False, tabled=False)}
        statements.append(Statement("index_measure.blanks", told, missing))
        if data.completed_share > 0:
            rest = {"share": Number(data.completed_share, "rate", drawn=False, tabled=False)}
            statements.append(
                Statement(
                    "index_measure.completed",
                    {lang: told[lang] | {"share": rest["share"].text(lang)} for lang in languages},
                    {"completed_share": rest["share"]},
                )
            )
    else:
        statements.append(Statement("index_measure.whole"))
    if left_out:
        statements.append(Statement("index_measure.left_out", told))

    def tabulate(language: str) -> Block:
        heads = [message(language, f"index_table.{k}") for k in ("question", "weight", "loading")]
        heads.append(message(language, "table.n"))
        body = [
            [
                labels.item(str(row["item"]), language),
                labels.group(LEVEL, str(row["from"]), language),
                tables.estimate_cell(row, language=language),
                float(row["n"]),
            ]
            for _, row in rows.iterrows()
        ]
        caption = message(language, "index_measure.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    return finding(id, shown.iloc[0], tuple(statements), languages, None, tabulate, verdict="")
