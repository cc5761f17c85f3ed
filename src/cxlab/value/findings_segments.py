"""Findings on who the customers are: segments, moves between them, the next stage, which grouping foretells best.

All take the tidy table ``value_estimates`` as the writer returned it.
"""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed, small_print
from cxlab.report.format import count, known, number, period_name, probability
from cxlab.report.messages import message
from cxlab.value import figures as drawing
from cxlab.value import findings_common as say
from cxlab.value.findings_common import Terms
from cxlab.value.segments import NEW, STAGES
from cxlab.value.segments_report import EXPERIENCES, People

_SURE: Final = 0.9  # probability from which one grouping is said to be better than the next


def segments(table: pd.DataFrame, *, people: People | None, terms: Terms, id: str = "segments") -> Finding:
    """Say which customers hold the value, and how surely each is known to be one of them."""
    value, size, share, sure = (
        say.of(table, f"segment_{k}", level="segment") for k in ("value", "size", "share", "sure")
    )
    if people is None or value.empty:
        return say.missing(id, "segments", "no_model", terms.languages)
    if why := say.blocked(value):
        return say.stopped(id, why, terms.languages)
    seen = value[known(value["mean"])].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    top = seen.iloc[0]
    own = {k: _at(rows, str(top["group"])) for k, rows in (("size", size), ("share", share), ("sure", sure))}
    names = {lang: {"name": segment(str(top["group"]), lang)} for lang in terms.languages}
    numbers = {"value": say.mean(top), "span": say.span(top)}
    numbers |= {k: say.mean(r, drawn=False) for k, r in own.items() if k != "sure" and r is not None}
    statements = [Statement("value_segments.lead", names, numbers)]
    if own["sure"] is not None:
        statements.append(Statement("value_segments.sure", names, {"sure": say.mean(own["sure"], drawn=False)}))
    form = "money" if people.cuts.unit == "money" else "count"
    ends = {lang: {k: number(v, metric=form, language=lang) for k, v in zip(("middle", "high"), people.cuts.yearly,
                                                                            strict=True)}
            | {k: number(v, metric="share", language=lang) for k, v in zip(("lapsed", "active"), people.cuts.alive,
                                                                          strict=True)}
            for lang in terms.languages}  # fmt: skip

    def draw(language: str) -> Figure:
        return charts.intervals(seen, [segment(str(g), language) for g in seen["group"]], language=language)

    def tabulate(language: str) -> Block:
        body = []
        for _, row in value.iterrows():
            key = str(row["group"])
            cells = [say.cell(_at(rows, key), language) for rows in (size, value, share)]
            certain = _at(sure, key)
            body.append([segment(key, language), count(row["n"]), *cells,
                         say.cell(certain, language) if certain is not None else "—"])  # fmt: skip
        return say.table("value_segments", ("segment", "n", "size", "value", "share", "sure"), body, language)

    def small(language: str) -> str:
        parts = [say.noted(terms, n=float(top["n_all"]), money=True)(language)]
        parts.append(message(language, f"value_segments.note_{form}", ends[language]))
        return small_print(language, parts)

    return build(id, statements, terms.languages, note=small, caption=say.bars, draw=draw, tabulate=tabulate)


def moves(table: pd.DataFrame, *, before: str, terms: Terms, id: str = "moves") -> Finding:
    """Say how many customers moved between the stages since the end of the period before."""
    rows = say.of(table, "migration", level="stage")
    fine = say.of(table, "migration", level="segment")
    if rows.empty:
        fitted = len(say.of(table, "segment_value", level="segment")) > 0
        return say.missing(id, "moves", "first" if fitted else "no_model", terms.languages)
    if why := say.blocked(rows):
        return say.stopped(id, why, terms.languages)
    names = {lang: {"before": period_name(before, language=lang)} for lang in terms.languages}
    left = _between(rows, "active", "slipping"), _between(rows, "active", "lapsed")
    back = _between(rows, "slipping", "active"), _between(rows, "lapsed", "active")
    statements = []
    for key, (one, two) in (("down", left), ("up", back)):
        if one is not None:
            numbers = {f"{key}_value": say.mean(one, drawn=True), f"{key}_span": say.span(one, drawn=False)}
            if two is not None:
                numbers |= {f"{key}_other": say.mean(two, drawn=True)}
            statements.append(Statement(f"value_moves.{key}" if two is not None else f"value_moves.{key}_one", names,
                                        numbers))  # fmt: skip
    if not statements:
        return say.stopped(id, "suppressed", terms.languages)
    order = [s for s in (*STAGES, NEW) if (rows["from"] == s).any()]

    def draw(language: str) -> Figure:
        shown = rows.assign(**{"from": rows["from"].map(order.index), "to": rows["to"].map(list(STAGES).index)})
        return drawing.moves(
            shown, [stage(s, language) for s in order], [stage(s, language) for s in STAGES], language=language
        )

    def tabulate(language: str) -> Block:
        body = [[stage(str(r["from"]), language), stage(str(r["to"]), language), say.cell(r, language), count(r["n"])]
                for _, r in rows.iterrows()]  # fmt: skip
        told = fine[known(fine["mean"]) & (fine["mean"].astype(float) >= 0.01)]
        body += [
            [segment(str(r["from"]), language), segment(str(r["to"]), language), say.cell(r, language), count(r["n"])]
            for _, r in told.iterrows()
        ]
        return say.table("value_moves", ("from", "to", "share", "n"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_moves.note"),
        caption=lambda lang: message(lang, "value_moves.legend", names[lang]), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def next_stage(table: pd.DataFrame, *, terms: Terms, target: str, id: str = "next_stage") -> Finding:
    """Say where customers are expected to be at the end of the next period, and how good such forecasts were."""
    rows = say.of(table, "next_stage", level="stage")
    if rows.empty:
        return say.missing(id, "next_stage", "no_model", terms.languages)
    if why := say.blocked(rows):
        return say.stopped(id, why, terms.languages)
    names = {lang: {"target": period_name(target, language=lang)} for lang in terms.languages}
    one = _between(rows, "active", "slipping"), _between(rows, "active", "lapsed")
    statements = []
    if one[0] is not None and one[1] is not None:
        numbers = {"slip": say.mean(one[0]), "lapse": say.mean(one[1])}
        statements.append(Statement("value_next.active", names, numbers))
    back = _between(rows, "slipping", "active")
    if back is not None:
        statements.append(Statement("value_next.slipping", names, {"back": say.mean(back)}))
    if not statements:
        return say.stopped(id, "suppressed", terms.languages)
    skill = say.first(say.of(table, "next_stage_skill"))
    brier = say.of(table, "next_stage_brier", level="way")
    if skill is not None:
        sure = "better" if float(skill["ci_low"]) > 0 else "no_better"
        numbers = {"skill": say.mean(skill, drawn=False), "skill_span": say.span(skill, drawn=False)}
        statements.append(Statement(f"value_next.{sure}", names, numbers))
    order = [s for s in STAGES if (rows["from"] == s).any()]

    def draw(language: str) -> Figure:
        shown = rows.assign(**{"from": rows["from"].map(order.index), "to": rows["to"].map(list(STAGES).index)})
        return drawing.moves(
            shown, [stage(s, language) for s in order], [stage(s, language) for s in STAGES], language=language
        )

    def tabulate(language: str) -> Block:
        body = [[f"{stage(str(r['from']), language)} → {stage(str(r['to']), language)}", say.cell(r, language),
                 count(r["n"])] for _, r in rows.iterrows()]  # fmt: skip
        if skill is not None:
            body.append([message(language, "value_next.row_skill"), say.cell(skill, language), count(skill["n"])])
        for _, row in brier.iterrows():
            score = number(row["mean"], metric="mean", language=language)
            body.append([message(language, f"value_next.row_{row['group']}"), score, count(row["n"])])
        return say.table("value_next", ("what", "share", "n"), body, language)

    return build(
        id, statements, terms.languages, note=say.noted(terms, "value_next.note", interval=False),
        caption=lambda lang: message(lang, "value_next.legend", names[lang]), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def ways(table: pd.DataFrame, *, people: People | None, terms: Terms, id: str = "ways") -> Finding:
    """Say which grouping of customers foretells best what they spend later."""
    rows = say.of(table, "segmentation_skill", level="way")
    if people is None or people.ways is None or rows.empty:
        return say.missing(id, "ways", "no_model" if people is None else "short", terms.languages)
    if why := say.blocked(rows):
        return say.stopped(id, why, terms.languages)
    rows = rows[rows["group"] != "none"].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    best, rest = rows.iloc[0], rows.iloc[1:]
    names = {lang: {"name": message(lang, f"value_way.{best['group']}"),
                    "others": listed([message(lang, f"value_way.{g}") for g in rest["group"]], lang)}
             for lang in terms.languages}  # fmt: skip
    sure = float(best["prob_gt_ref"]) >= _SURE
    numbers = {"value": say.mean(best), "span": say.span(best)}
    statements = [Statement(f"value_ways.{'best' if sure else 'first'}", names, numbers)]
    if not sure:
        p = Number(float(best["prob_gt_ref"]), "probability", drawn=False)
        statements.append(Statement("value_ways.unsure", names, {"p": p}))
    if "with_experience" not in set(rows["group"]):
        statements.append(Statement("value_ways.no_experience"))

    def draw(language: str) -> Figure:
        named = [message(language, f"value_way.{g}") for g in rows["group"]]
        return charts.intervals(rows, named, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = [[message(language, f"value_way.{r['group']}"), say.cell(r, language),
                 probability(float(r["prob_gt_ref"]), language=language), count(r["n"])]
                for _, r in rows.iterrows()]  # fmt: skip
        return say.table("value_ways", ("way", "skill", "ahead", "n"), body, language)

    return build(
        id, statements, terms.languages, verdict="" if sure else "cannot_tell",
        note=say.noted(terms, "value_ways.note"), caption=say.bars, draw=draw, tabulate=tabulate,
    )  # fmt: skip


def experience(table: pd.DataFrame, *, people: People | None, terms: Terms, id: str = "experience") -> Finding:
    """Say how value goes with the latest experience that customers told."""
    rows = say.of(table, "experience_value", level="experience")
    if people is None or rows.empty:
        return say.missing(id, "experience", "no_model" if people is None else "no_experience", terms.languages)
    if why := say.blocked(rows):
        return say.stopped(id, why, terms.languages)
    rows = rows.assign(place=rows["group"].map(list(EXPERIENCES).index)).sort_values("place")
    good, bad, silent = (say.first(rows[rows["group"] == g]) for g in ("good", "bad", "unknown"))
    statements = []
    if good is not None and bad is not None:
        numbers = {"good": say.mean(good), "good_span": say.span(good), "bad": say.mean(bad),
                   "bad_span": say.span(bad)}  # fmt: skip
        apart = float(good["ci_low"]) > float(bad["ci_high"]) or float(bad["ci_low"]) > float(good["ci_high"])
        statements.append(Statement(f"value_experience.{'apart' if apart else 'alike'}", {}, numbers))
    if silent is not None:
        numbers = {"silent": say.mean(silent), "silent_span": say.span(silent)}
        statements.append(Statement("value_experience.silent", {}, numbers))
    if not statements:
        return say.stopped(id, "suppressed", terms.languages)

    def draw(language: str) -> Figure:
        return charts.intervals(
            rows, [message(language, f"value_experience.{g}_name") for g in rows["group"]], language=language
        )

    def tabulate(language: str) -> Block:
        body = [[message(language, f"value_experience.{r['group']}_name"), say.cell(r, language), count(r["n"])]
                for _, r in rows.iterrows()]  # fmt: skip
        return say.table("value_experience", ("told", "each", "n"), body, language)

    return build(
        id, statements, terms.languages,
        note=say.noted(terms, "value_experience.note", "note.association", money=True),
        caption=say.bars, draw=draw, tabulate=tabulate,
    )  # fmt: skip


def segment(key: str, language: str) -> str:
    """Return the name of a segment: "high value, active"."""
    if "/" not in key:
        return stage(key, language)
    value, at = key.split("/")
    fields = {"value": message(language, f"value_class.{value}"), "stage": stage(at, language)}
    return message(language, "value_class.both", fields)


def stage(key: str, language: str) -> str:
    """Return the name of a stage."""
    return message(language, f"value_stage.{key}")


def _at(rows: pd.DataFrame, group: str) -> pd.Series | None:
    found = rows[rows["group"] == group]
    return found.iloc[0] if len(found) else None


def _between(rows: pd.DataFrame, origin: str, to: str) -> pd.Series | None:
    return say.first(rows[(rows["from"] == origin) & (rows["to"] == to)])
