"""Findings on where it is said: topics by touchpoint, and the situations in which something was used."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, known, plain
from cxlab.report.messages import catalogue, message
from cxlab.vocab import UNKNOWN
from cxlab.voice import figures as drawn
from cxlab.voice.findings_common import (  # fmt: skip
    CSV,
    MOST,
    Voice,
    by_topic,
    difference,
    numbers_of,
    rows_of,
    signed,
    state_of,
)

_PLACES = 6  # touchpoints of the map


def where(estimates: pd.DataFrame, *, about: Voice, id: str = "where") -> Finding:
    """Say which topic weighs most at which touchpoint.

    Parameters
    ----------
    estimates : DataFrame
        ``topic_estimates``.
    about : Voice
    id : str
        Name of the finding on its page.
    """
    weighed = rows_of(estimates, "points_at_stake", period=about.period, level="touchpoint")
    rows = weighed if known(weighed["mean"]).any() else rows_of(
        estimates, "share", period=about.period, level="touchpoint"
    )  # fmt: skip
    in_points = rows is weighed
    state = state_of(rows)
    if state:
        return build(id, [Statement(f"voice_where.{state}", about.fields())], about.languages,
                     verdict="" if state == "none" else state)  # fmt: skip
    shown = rows[known(rows["mean"])]
    places = shown.groupby("group")["n"].max().sort_values(ascending=False).index.astype(str).tolist()[:_PLACES]
    size = shown.groupby("topic")["mean"].agg(lambda x: x.abs().max()).sort_values(ascending=False)
    topics = size.index.astype(str).tolist()[:MOST]
    metric = str(shown["metric"].iloc[0])
    told = shown[shown["group"].isin(places) & (shown["group"] != UNKNOWN)]
    told = told[told["verdict"] == "worse"] if in_points else told
    numbers: dict[str, Number] = {}
    if told.empty:
        named, key = about.fields(), "nothing" if in_points else "open"
    else:
        lead, key = (
            told.sort_values("mean", ascending=in_points, kind="stable").iloc[0],
            "lead" if in_points else "often",
        )
        named = about.fields(best=str(lead["topic"]))
        for lang in about.languages:
            named[lang]["place"] = about.labels.group("touchpoint", str(lead["group"]), lang)
        # The map shows means; the range stands in the table.
        for name, n in numbers_of(lead, "value", difference=in_points).items():
            numbers[name] = Number(n.value, n.metric, n.high, n.signed, drawn=n.high is None)
    statement = Statement(f"voice_where.{key}", named, numbers)
    cells = shown.rename(columns={"topic": "row", "group": "column", "mean": "value"})[["row", "column", "value"]]

    def draw(language: str) -> Figure:
        return drawn.heat(
            cells,
            rows={t: about.name(t, language) for t in topics},
            columns={g: about.labels.group("touchpoint", g, language) for g in places},
            metric=metric,
            signed=in_points,
            language=language,
        )

    def tabulate(language: str) -> Block:
        every = signed(rows) if in_points else rows
        ordered = every.sort_values(["group", "mean"], kind="stable")
        body = [
            [
                about.labels.group("touchpoint", str(r["group"]), language),
                about.name(str(r["topic"]), language),
                tables.estimate_cell(r, language=language),
                count(r["n"]),
            ]
            for _, r in ordered.iterrows()
        ]
        heads = [message(language, "level.touchpoint"), message(language, "voice_table.topic")]
        heads += [message(language, f"voice_table.{k}") for k in ("stake" if in_points else "share", "n")]
        columns = list(zip(heads, ("left", "left", "right", "right"), strict=True))
        return table(columns, body, caption=message(language, "voice_where.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    key = "legend" if in_points else "legend_often"
    return build(id, [statement], about.languages, note=lambda lang: about.note(lang), draw=draw, tabulate=tabulate,
                 caption=lambda lang: message(lang, f"voice_where.{key}"))  # fmt: skip


def situation_name(situation: str, language: str) -> str:
    """Return the name of a situation in which something was used."""
    key = f"situation.{situation}"
    return message(language, key) if key in catalogue(language) else plain(situation.replace("_", " "))


def situations(estimates: pd.DataFrame, *, about: Voice, id: str = "situations") -> Finding:
    """Say whether customers who tell of a situation (when, where, with whom) give other scores; see `where`."""
    if "situation" not in estimates:
        return build(id, [Statement("voice_situation.none")], about.languages)
    effects = rows_of(estimates, "situation_effect", period=about.period, of="situation")
    effects = effects.sort_values("mean", kind="stable").reset_index(drop=True)
    state = state_of(effects)
    if state:
        return build(id, [Statement(f"voice_situation.{state}", about.fields())], about.languages,
                     verdict="" if state == "none" else state)  # fmt: skip
    shares = rows_of(estimates, "situation_share", period=about.period, of="situation").assign(metric="share")
    told = by_topic(shares.assign(topic=shares["situation"]), effects["situation"])
    statements = []
    for key, verdict in (("worse", "worse"), ("better", "better")):
        own = effects[effects["verdict"] == verdict]
        for _, row in (own if key == "worse" else own.iloc[::-1]).head(2).iterrows():
            named = about.fields()
            for lang in about.languages:
                named[lang]["situation"] = situation_name(str(row["situation"]), lang)
            numbers = numbers_of(row, "value", difference=True)
            statements.append(Statement(f"voice_situation.{key}", named, numbers))
    n = {"n": tally(len(effects))}
    statements = statements or [Statement("voice_situation.same", about.fields(), n, quantity=len(effects))]
    shown = signed(effects[known(effects["mean"])])

    def draw(language: str) -> Figure:
        names = [situation_name(str(s), language) for s in shown["situation"]]
        return charts.intervals(shown, names, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        body = [
            [
                situation_name(str(r["situation"]), language),
                tables.estimate_cell(told[str(r["situation"])], language=language),
                tables.estimate_cell(difference(r), language=language),
                count(r["n"]),
            ]
            for _, r in effects.iterrows()
        ]
        heads = [message(language, f"voice_table.{h}") for h in ("situation", "share", "effect", "n")]
        columns = [(h, "left" if i == 0 else "right") for i, h in enumerate(heads)]
        return table(columns, body, caption=message(language, "voice_situation.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    return build(id, statements, about.languages, draw=draw, tabulate=tabulate,
                 note=lambda lang: about.note(lang, message(lang, "note.association"), n=about.scored),
                 caption=lambda lang: message(lang, "figure.interval"))  # fmt: skip
