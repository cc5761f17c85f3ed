"""Findings on the satisfaction index: how high, did it change, what moves it, where to begin, what it goes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from cxlab.index.figures import importance_map
from cxlab.report import charts, tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, listed, small_print
from cxlab.report.format import Labels, certainty, known, number, period_name, probability, span
from cxlab.report.messages import message
from cxlab.report.rows import band, bars, estimate, finding, first, names, state
from cxlab.vocab import LANGUAGES

if TYPE_CHECKING:
    from cxlab.params.models import Params

LEVEL = "latent"
CLEAR = 0.8  # probability of a quadrant from which it is named


def named(labels: Labels, params: Params) -> Labels:
    """Return the names of a client with those of the index's latents."""
    latents = params.index.latents if params.index else {}
    own = {name: latent.label for name, latent in latents.items() if latent.label}
    return replace(labels, groups={**labels.groups, LEVEL: own})


def rows_of(estimates: pd.DataFrame, estimand: str, *, period: str = "", to: str = "") -> pd.DataFrame:
    """Return the rows of an estimand, of one period and one target where these are given."""
    rows = estimates[estimates["estimand"] == estimand]
    for column, value in (("period", period), ("to", to)):
        if value:
            rows = rows[rows[column] == value]
    return rows.reset_index(drop=True)


def silent(id: str, row: pd.Series | None, languages: Sequence[str]) -> Finding:
    """Return the finding that says why there is none."""
    return finding(id, row, (Statement(f"index_state.{state(row)}"),), languages, None, None)


def now(
    estimates: pd.DataFrame,
    *,
    target: str,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "index",
    csv: str = "",
) -> Finding:
    """Say how high the index of a latent is and whether it changed; the figure shows all periods.

    Parameters
    ----------
    estimates : DataFrame
        From `cxlab.index.estimates.table`, as written.
    target : str
        The latent.
    labels : Labels
        With the names of latents, see `named`.
    period : str
    languages : sequence of str
        Primary language first.
    id, csv : str
        Name on the page, and of the site's CSV file.
    """
    levels = rows_of(estimates, "index", to=target).sort_values("period")
    changes = rows_of(estimates, "index_change", to=target).sort_values("period").assign(estimand="change")
    row = first(levels[levels["period"] == period])
    if row is None or state(row):
        return silent(id, row, languages)
    change = first(changes[changes["period"] == period])
    words = names(languages, lambda lang: {"name": labels.group(LEVEL, target, lang)}, period=period)
    statements = [Statement("index_now.was", words, estimate(row, "value", "span"))]
    before = levels[(levels["period"] < period) & known(levels["mean"])]
    if change is None or state(change) or before.empty:
        statements.append(Statement("index_now.first" if before.empty else "index_now.no_change"))
    else:
        verdict = str(change["verdict"])
        numbers = {
            "previous": Number(float(before.iloc[-1]["mean"]), "index"),
            "change_span": Number(
                float(change["ci_low"]), "index", high=float(change["ci_high"]), signed=True, drawn=False
            ),
        }
        key = {"better": "rose", "worse": "fell"}.get(verdict, verdict)
        sure = words
        if verdict in ("better", "worse"):
            chance = tables.direction(float(change["prob_gt_ref"]), float(change["mean"]))
            numbers["p"] = Number(chance, "probability", drawn=False)
            sure = {lang: words[lang] | {"sure": certainty(chance, language=lang)} for lang in languages}
        statements.append(Statement(f"index_now.{key}", sure, numbers))

    def draw(language: str) -> Figure:
        return charts.trend(levels, language=language, changes=changes)

    def tabulate(language: str) -> Block:
        caption = message(language, "index_now.caption", {"name": labels.group(LEVEL, target, language)})
        return tables.periods_table(levels, changes, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        return small_print(language, [band(changes)(language), message(language, "index_now.weights")])

    judged = "" if change is None or state(change) else str(change["verdict"])
    return finding(id, row, tuple(statements), languages, draw, tabulate, caption=legend, verdict=judged)


def levels(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "indices",
    csv: str = "",
) -> Finding:
    """Say which latent's index is highest and lowest, and which really changed. Parameters are those of `now`."""
    rows = rows_of(estimates, "index", period=period).sort_values("mean", ascending=False, kind="stable")
    shown = rows[known(rows["mean"])]
    if shown.empty:
        return silent(id, first(rows), languages)
    changes = rows_of(estimates, "index_change", period=period).set_index("to")
    every = rows_of(estimates, "index")
    earlier = sorted(p for p in every["period"].unique() if p < period)
    before = every[every["period"] == earlier[-1]].set_index("to").reindex(rows["to"]) if earlier else None
    top, last = shown.iloc[0], shown.iloc[-1]
    real = changes[changes["verdict"].isin(["better", "worse"])]

    def words(lang: str) -> dict[str, str]:
        marks = [
            message(
                lang,
                f"index_all.{'up' if r['verdict'] == 'better' else 'down'}",
                {"name": labels.group(LEVEL, str(k), lang)},
            )
            for k, r in real.iterrows()
        ]
        return {
            "best": labels.group(LEVEL, str(top["to"]), lang),
            "worst": labels.group(LEVEL, str(last["to"]), lang),
            "list": listed(marks, lang),
        }

    told = names(languages, words, period=period)
    numbers = {"value": Number(float(top["mean"]), "index"), "worst_value": Number(float(last["mean"]), "index")}
    statements = [Statement("index_all.range", told, numbers)]
    if len(changes):
        statements.append(Statement("index_all.moved" if len(real) else "index_all.still", told))

    def draw(language: str) -> Figure:
        return charts.intervals(
            rows, [labels.group(LEVEL, str(k), language) for k in rows["to"]], language=language, previous=before
        )

    def tabulate(language: str) -> Block:
        heads = [message(language, f"index_table.{k}") for k in ("latent", "index", "change", "verdict", "composite")]
        composite = rows_of(estimates, "composite_index", period=period).set_index("to")
        body = []
        for _, row in rows.iterrows():
            change = changes.loc[row["to"]] if row["to"] in changes.index else None
            verdict = "" if change is None else str(change["verdict"] or "")
            body.append(
                [
                    labels.group(LEVEL, str(row["to"]), language),
                    tables.estimate_cell(row, language=language),
                    ""
                    if change is None
                    else tables.estimate_cell(change.replace("index_change", "change"), language=language),
                    message(language, f"verdict.{verdict}") if verdict else "",
                    number(float(composite.loc[row["to"], "mean"]), metric="index", language=language),
                ]
            )
        caption = message(language, "index_all.caption", {"period": period_name(period, language=language)})
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        return small_print(language, [bars(before, earlier)(language), message(language, "index_all.scale")])

    return finding(id, top, tuple(statements), languages, draw, tabulate, caption=legend, verdict="")


def effects(
    estimates: pd.DataFrame,
    *,
    target: str,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "effects",
    csv: str = "",
) -> Finding:
    """Say what goes most with the target: total effects of one index point. Parameters are those of `now`."""
    rows = rows_of(estimates, "point_effect", to=target).sort_values("mean", ascending=False, kind="stable")
    rows = rows.reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    if shown.empty:
        return silent(id, first(rows), languages)
    total = rows_of(estimates, "total_effect", to=target).set_index("from")
    r2 = first(rows_of(estimates, "r2", to=target))
    sure = shown[~shown["prior_sensitive"]]
    flagged = shown[shown["prior_sensitive"]]

    def words(lang: str) -> dict[str, str]:
        found = {"target": labels.group(LEVEL, target, lang)}
        found["list"] = listed([labels.group(LEVEL, str(k), lang) for k in flagged["from"]], lang)
        for key, place in (("best", 0), ("second", 1)):
            if len(sure) > place:
                found[key] = labels.group(LEVEL, str(sure.iloc[place]["from"]), lang)
        return found

    told = names(languages, words)
    statements = []
    rivals = shown if sure.empty else shown.drop(index=sure.index[0])  # also those that rest on assumptions
    clear = len(sure) > 0 and str(sure.iloc[0]["verdict"]) == "better"
    clear = clear and not (rivals["ci_high"].astype(float) > float(sure.iloc[0]["ci_low"])).any()
    if sure.empty:
        statements.append(Statement("index_effect.unsure"))
    else:
        key = "index_effect.lead" if clear else "index_effect.lead_open"
        statements.append(Statement(key, told, estimate(sure.iloc[0], "value", "span")))
    if len(sure) > 1:
        statements.append(Statement("index_effect.second", told, estimate(sure.iloc[1], "second_value", "second_span")))
    if r2 is not None and not state(r2):
        numbers = {
            "r2": Number(float(r2["mean"]), "share", drawn=False, tabled=False),
            "r2_span": Number(float(r2["ci_low"]), "share", high=float(r2["ci_high"]), drawn=False, tabled=False),
        }
        key = "index_effect.explained_flagged" if r2["prior_sensitive"] else "index_effect.explained"
        statements.append(Statement(key, told, numbers))
    statements.append(Statement("index_effect.flagged" if len(flagged) else "index_effect.none_flagged", told))

    def draw(language: str) -> Figure:
        named_rows = [labels.group(LEVEL, str(k), language) for k in rows["from"]]
        return charts.intervals(rows, named_rows, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"index_table.{k}") for k in ("latent", "effect", "total", "p", "flag")]
        body = [
            [
                labels.group(LEVEL, str(row["from"]), language),
                tables.estimate_cell(row, language=language),
                tables.estimate_cell(total.loc[row["from"]], language=language),
                probability(float(row["prob_gt_ref"]), language=language),
                message(language, f"index_table.{'yes' if row['prior_sensitive'] else 'no'}"),
            ]
            for _, row in rows.iterrows()
        ]
        caption = message(language, "index_effect.caption", {"target": labels.group(LEVEL, target, language)})
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        fields = {"target": labels.group(LEVEL, target, language)}
        parts = [message(language, "figure.interval"), message(language, "index_effect.points", fields)]
        return small_print(language, parts)

    return finding(
        id, shown.iloc[0], tuple(statements), languages, draw, tabulate, caption=legend, verdict="", association=True
    )


def where(
    estimates: pd.DataFrame,
    *,
    target: str,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "map",
    csv: str = "",
) -> Finding:
    """Say what counts much and is weak: the importance-performance map. Parameters are those of `now`."""
    importance = rows_of(estimates, "point_effect", to=target)
    performance = rows_of(estimates, "index", period=period).set_index("to").reindex(importance["from"])
    performance = performance.reset_index(drop=True)
    chance = rows_of(estimates, "p_quadrant").pivot(index="from", columns="group", values="mean")
    row = first(importance)
    if row is None or state(row) or not known(performance["mean"]).any() or chance.isna().all(axis=None):
        return silent(id, row if row is None or state(row) else first(performance), languages)
    first_place = {str(k): float(p) for k, p in chance["act"].items()}
    act = max(first_place, key=lambda k: first_place[k])
    clear = first_place[act] >= CLEAR
    keep = [str(k) for k, p in chance["keep"].items() if p >= CLEAR]

    def words(lang: str) -> dict[str, str]:
        found = {"best": labels.group(LEVEL, act, lang), "target": labels.group(LEVEL, target, lang)}
        return found | {"list": listed([labels.group(LEVEL, k, lang) for k in keep], lang)}

    told = names(languages, words, period=period)
    numbers = {"p": Number(first_place[act], "probability", drawn=False)}
    statements = [Statement("index_map.act", told, numbers) if clear else Statement("index_map.open", told)]
    if keep:
        statements.append(Statement("index_map.keep", told))

    def draw(language: str) -> Figure:
        shown = [labels.group(LEVEL, str(k), language) for k in importance["from"]]
        return importance_map(importance, performance, shown, language=language)

    def tabulate(language: str) -> Block:
        keys = ("latent", "performance", "effect", "act", "keep", "watch", "enough")
        heads = [message(language, f"index_table.{k}") for k in keys]
        body = []
        for (_, one), (_, other) in zip(importance.iterrows(), performance.iterrows(), strict=True):
            cells = [probability(float(chance.loc[one["from"], q]), language=language) for q in keys[3:]]
            texts = [tables.estimate_cell(x, language=language) for x in (other, one)]
            body.append([labels.group(LEVEL, str(one["from"]), language), *texts, *cells])
        fields = {"period": period_name(period, language=language)}
        caption = message(language, "index_map.caption", fields)
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        return message(language, "index_map.across", {"target": labels.group(LEVEL, target, language)})

    return finding(
        id, row, tuple(statements), languages, draw, tabulate, caption=legend, verdict="" if clear else "cannot_tell",
        association=True,
    )  # fmt: skip


def after(
    estimates: pd.DataFrame,
    *,
    target: str,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "after",
    csv: str = "",
) -> Finding:
    """Say what the target goes with among what follows from it. Parameters are those of `now`."""
    rows = rows_of(estimates, "point_effect")
    rows = rows[rows["from"] == target].reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    if shown.empty:
        return silent(id, first(rows), languages)
    statements = []
    for place, (_, row) in enumerate(shown.iterrows()):
        told = names(
            languages,
            lambda lang, row=row: {  # type: ignore[misc]
                "target": labels.group(LEVEL, target, lang),
                "outcome": labels.group(LEVEL, str(row["to"]), lang),
                "value": number(float(row["mean"]), metric="point_effect", language=lang),
                "span": span(float(row["ci_low"]), float(row["ci_high"]), metric="point_effect", language=lang),
            },
        )
        key = "loyalty" if row["mean"] > 0 else "falls"
        if row["verdict"] == "cannot_tell" or (row["prior_sensitive"] and row["mean"] <= 0):
            key = "open"
        elif row["prior_sensitive"]:
            key = "flagged"
        numbers = {} if key == "open" else {f"value_{place}": Number(float(row["mean"]), "point_effect")}
        statements.append(Statement(f"index_after.{key}", told, numbers))

    def draw(language: str) -> Figure:
        named_rows = [labels.group(LEVEL, str(k), language) for k in rows["to"]]
        return charts.intervals(rows, named_rows, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"index_table.{k}") for k in ("latent", "effect", "p", "flag")]
        body = [
            [
                labels.group(LEVEL, str(row["to"]), language),
                tables.estimate_cell(row, language=language),
                probability(float(row["prob_gt_ref"]), language=language),
                message(language, f"index_table.{'yes' if row['prior_sensitive'] else 'no'}"),
            ]
            for _, row in rows.iterrows()
        ]
        caption = message(language, "index_after.caption", {"target": labels.group(LEVEL, target, language)})
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        fields = {"target": labels.group(LEVEL, target, language)}
        return small_print(
            language, [message(language, "figure.interval"), message(language, "index_after.points", fields)]
        )

    return finding(
        id, shown.iloc[0], tuple(statements), languages, draw, tabulate, caption=legend, verdict="", association=True
    )
