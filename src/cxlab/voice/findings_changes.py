"""Findings on what changed in what customers say: topics spoken of more or less, and new ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, known, number, probability
from cxlab.report.messages import message
from cxlab.voice.findings_common import CSV, SURE, Voice, by_topic, ends, numbers_of, rows_of, signed, state_of
from cxlab.voice.findings_topics import language_name

_NEW = "emerging"  # verdict of what is announced
_WORDS = 4  # of the name of a finer group


def changes(estimates: pd.DataFrame, *, about: Voice, id: str = "changes") -> Finding:
    """Say what customers speak of more, or less, than in the period before; arguments as in `cost`."""
    moved = rows_of(estimates, "share_change", period=about.period)
    moved = moved.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    state = "first" if not about.previous else state_of(moved)
    if state:
        return build(id, [Statement(f"voice_change.{state}", about.fields())], about.languages,
                     verdict=state if state in ("withheld", "suppressed") else "")  # fmt: skip
    shares = [by_topic(rows_of(estimates, "share", period=p), moved["topic"]) for p in (about.previous, about.period)]
    # Surely more, but surely by less than matters, is no news.
    above = moved["prob_gt_ref"].astype(float).where(moved["verdict"] != "no_real_change")
    rose, fell = moved[above >= SURE], moved[above <= 1 - SURE].iloc[::-1]
    statements = []
    for key, rows in (("rose", rose), ("fell", fell)):
        if rows.empty:
            continue
        topic = str(rows["topic"].iloc[0])
        numbers = numbers_of(rows.iloc[0], "change", difference=True)
        numbers |= {
            k: Number(float(s[topic]["mean"]), "share", drawn=False)
            for k, s in zip(("old", "new"), shares, strict=True)
        }
        statements.append(Statement(f"voice_change.{key}", about.fields(best=topic), numbers))
        if len(rows) > 1:
            also = about.fields(list=rows["topic"].astype(str).tolist()[1:])
            statements.append(Statement(f"voice_change.also_{key}", also))
    statements = statements or [Statement("voice_change.same", about.fields())]
    shown = signed(moved)

    def draw(language: str) -> Figure:
        kept = shown[known(shown["mean"])]
        kept = kept.iloc[ends(len(kept))]
        names = [about.name(str(t), language) for t in kept["topic"]]
        return charts.intervals(kept, names, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = []
        for _, row in shown.iterrows():
            topic = str(row["topic"])
            chance = tables.direction(float(row["prob_gt_ref"]), float(row["mean"]))
            cells = [tables.estimate_cell(s[topic], language=language) for s in shares]
            body.append([about.name(topic, language), *cells, tables.estimate_cell(row, language=language),
                         probability(chance, language=language), count(row["n"])])  # fmt: skip
        own = [message(language, f"voice_table.{h}") for h in ("topic", "share_before", "share")]
        heads = [*own, *(message(language, f"table.{h}") for h in ("change", "probability_direction"))]
        heads.append(message(language, "voice_table.n"))
        columns = [(h, "left" if i == 0 else "right") for i, h in enumerate(heads)]
        return table(columns, body, caption=message(language, "voice_change.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    return build(id, statements, about.languages, note=lambda lang: about.note(lang), draw=draw, tabulate=tabulate,
                 caption=lambda lang: message(lang, "figure.interval"))  # fmt: skip


def emerging(
    estimates: pd.DataFrame, found: pd.DataFrame, *, about: Voice, alarms: float = float("nan"), id: str = "emerging"
) -> Finding:
    """Say which topics are new: hardly spoken of before, and now.

    Parameters
    ----------
    estimates : DataFrame
        ``topic_estimates``, whose rows ``p_emerging`` say what may be shown.
    found : DataFrame
        From `cxlab.voice.emerging.find`.
    about : Voice
    alarms : float
        Chance that a period without anything new has something called new.
    id : str
        Name of the finding on its page.
    """
    rows = rows_of(estimates, "p_emerging", period=about.period)
    rows = rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    state = "first" if not about.previous or found.empty else state_of(rows)
    if state:
        return build(id, [Statement(f"voice_new.{state}", about.fields())], about.languages,
                     verdict=state if state in ("withheld", "suppressed") else "")  # fmt: skip
    facts = {str(r["topic"]): r for r in found.to_dict("records")}
    rows = rows[rows["topic"].isin(facts)].reset_index(drop=True)
    announced = rows[[facts[str(t)]["verdict"] == _NEW for t in rows["topic"]]]
    shown = announced[known(announced["mean"])]
    called = {lang: {t: _name(r, about, lang) for t, r in facts.items()} for lang in about.languages}
    statements = []
    for _, row in shown.iterrows():
        topic, fact = str(row["topic"]), facts[str(row["topic"])]
        numbers = {
            "old": Number(float(fact["before"]), "rate", drawn=False),
            "new": Number(float(fact["share"]), "rate", drawn=False),
            "p": Number(float(row["mean"]), "probability", drawn=False),
        }
        named = about.fields()
        for lang in about.languages:
            named[lang]["best"] = called[lang][topic]
        statements.append(Statement("voice_new.lead", named, numbers))
    few = len(announced) - len(shown)
    if few:
        statements.append(Statement("voice_new.few", about.fields(), {"n": tally(few)}, quantity=few))
    statements = statements or [Statement("voice_new.nothing", about.fields())]

    def tabulate(language: str) -> Block:
        body = [
            [
                called[language][str(r["topic"])],
                number(facts[str(r["topic"])]["before"], metric="rate", language=language),
                number(facts[str(r["topic"])]["share"], metric="rate", language=language),
                probability(r["mean"], language=language),
                count(r["n"]),
            ]
            for r in rows[known(rows["mean"])].to_dict("records")
        ]
        heads = [message(language, f"voice_table.{h}") for h in ("topic", "earlier", "share", "rose", "n")]
        columns = [(h, "left" if i == 0 else "right") for i, h in enumerate(heads)]
        return table(columns, body, caption=message(language, "voice_new.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    def say(language: str) -> str:
        rate = {"rate": number(alarms, metric="share", language=language)}
        return about.note(language, message(language, "voice_new.alarms", rate) if np.isfinite(alarms) else "")

    return build(id, statements, about.languages, note=say, tabulate=tabulate)


def _name(fact: Mapping[Hashable, object], about: Voice, language: str) -> str:
    """Return the name of a topic, or the words of a finer group, their language and the topic it lies in."""
    if fact["kind"] == "topic":
        return about.name(str(fact["topic"]), language)
    words = " · ".join(str(fact["keywords"] or fact["topic"]).split(" · ")[:_WORDS])
    spoken, parent = fact.get("language"), fact["parent"]
    fields, key = {"name": words}, ""
    if isinstance(parent, str) and parent:
        fields["topic"], key = about.name(parent, language), "within"
    if isinstance(spoken, str) and spoken not in ("", "other", language):  # words nobody has translated
        fields["language"], key = language_name(spoken, language), f"{key}_spoken" if key else "spoken"
    return message(language, f"voice_new.{key}", fields) if key else words
