"""Findings on what changed in what customers say: topics spoken of more or less, and new ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab import figures, tables
from cxlab.blocks import Block, table
from cxlab.catalogue import message
from cxlab.narrative.finding import Finding, Number, Statement, build
from cxlab.narrative.voice_words import CSV, SURE, Voice, by_topic, ends, numbers_of, rows_of, signed, state_of
from cxlab.wording import count, known, number, probability


def changes(estimates: pd.DataFrame, *, about: Voice, id: str = "changes") -> Finding:
    """Say what customers speak of more, or less, than in the period before; arguments as in `cost`."""
    moved = rows_of(estimates, "share_change", period=about.period)
    moved = moved.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    state = "first" if not about.previous else state_of(moved)
    if state:
        return build(id, [Statement(f"voice_change.{state}", about.fields())], about.languages,
                     verdict=state if state in ("withheld", "suppressed") else "")  # fmt: skip
    shares = [by_topic(rows_of(estimates, "share", period=p), moved["topic"]) for p in (about.previous, about.period)]
    above = moved["prob_gt_ref"].astype(float)
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
        return figures.intervals(kept, names, language=language, reference=0.0)

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


def emerging(estimates: pd.DataFrame, *, about: Voice, alarms: float = float("nan"), id: str = "emerging") -> Finding:
    """Say which topics are new: hardly spoken of before, and now.

    Parameters
    ----------
    estimates, about, id
        As in `cost`.
    alarms : float
        Chance that a period without anything new has a topic called new.
    """
    rows = rows_of(estimates, "p_emerging", period=about.period)
    rows = rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    state = "first" if not about.previous else state_of(rows)
    if state:
        return build(id, [Statement(f"voice_new.{state}", about.fields())], about.languages,
                     verdict=state if state in ("withheld", "suppressed") else "")  # fmt: skip
    new = rows[rows["verdict"] == "emerging"] if (rows["verdict"] == "emerging").any() else rows[rows["mean"] >= SURE]
    shares = [by_topic(rows_of(estimates, "share", period=p), rows["topic"]) for p in (about.previous, about.period)]
    statements = []
    for _, row in new.iterrows():
        topic = str(row["topic"])
        numbers = {
            "old": Number(float(shares[0][topic]["mean"]), "rate", drawn=False),
            "new": Number(float(shares[1][topic]["mean"]), "rate", drawn=False),
            "p": Number(float(row["mean"]), "probability", drawn=False),
        }
        statements.append(Statement("voice_new.lead", about.fields(best=topic), numbers))
    statements = statements or [Statement("voice_new.nothing", about.fields())]

    def tabulate(language: str) -> Block:
        body = [
            [
                about.name(str(r["topic"]), language),
                *(number(s[str(r["topic"])]["mean"], metric="rate", language=language) for s in shares),
                probability(r["mean"], language=language),
                count(r["n"]),
            ]
            for r in rows.to_dict("records")
        ]
        heads = [message(language, f"voice_table.{h}") for h in ("topic", "share_before", "share", "new", "n")]
        columns = [(h, "left" if i == 0 else "right") for i, h in enumerate(heads)]
        return table(columns, body, caption=message(language, "voice_new.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    def say(language: str) -> str:
        rate = {"rate": number(alarms, metric="share", language=language)}
        return about.note(language, message(language, "voice_new.alarms", rate) if np.isfinite(alarms) else "")

    return build(id, statements, about.languages, note=say, tabulate=tabulate)
