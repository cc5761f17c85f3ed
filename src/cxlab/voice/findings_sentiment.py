"""Findings on how it is said: praise and complaint, what became of conversations, what the page rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, known
from cxlab.report.messages import message
from cxlab.voice.findings_common import CSV, Voice, ends, numbers_of, rows_of, state_of
from cxlab.voice.findings_topic_quality import reason_name


def tone(
    estimates: pd.DataFrame, *, about: Voice, accuracy: float = float("nan"), method: str = "rated", id: str = "tone"
) -> Finding:
    """Say of which topics customers speak well and badly.

    Parameters
    ----------
    estimates, about, id
        As in `where`.
    accuracy : float
        Share of held-out comments whose tone is told right.
    method : str
        ``rated`` (learnt from scores), ``lexicon`` or ``none``.
    """
    rows = rows_of(estimates, "sentiment", period=about.period).sort_values("mean", kind="stable")
    rows = rows.reset_index(drop=True).assign(metric="share")
    state = state_of(rows)
    if state:
        return build(id, [Statement(f"voice_tone.{state}", about.fields())], about.languages,
                     verdict="" if state == "none" else state)  # fmt: skip
    shown = rows[known(rows["mean"])].reset_index(drop=True)
    worst, best = shown.iloc[0], shown.iloc[-1]
    named = about.fields(worst=str(worst["topic"]), best=str(best["topic"]))
    numbers = numbers_of(worst, "low")
    if len(shown) > 1:
        numbers |= numbers_of(best, "high")
    apart = float(best["ci_low"]) > float(worst["ci_high"])  # else which is worst, and which best, is chance
    key = "single" if len(shown) == 1 else "lead" if apart else "alike"
    if key == "alike":
        numbers = {k: numbers[k] for k in ("low", "high")}
    statements = [Statement(f"voice_tone.{key}", named, numbers)]
    if np.isfinite(accuracy):
        right = {"accuracy": Number(accuracy, "share", drawn=False, tabled=False)}
        statements.append(Statement("voice_tone.accuracy", {}, right))
    elif method == "lexicon":
        statements.append(Statement("voice_tone.lexicon"))

    def draw(language: str) -> Figure:
        kept = shown.iloc[ends(len(shown))]
        return charts.intervals(kept, [about.name(str(t), language) for t in kept["topic"]], language=language)

    def tabulate(language: str) -> Block:
        body = [
            [about.name(str(r["topic"]), language), tables.estimate_cell(r, language=language), count(r["n"])]
            for _, r in rows.iterrows()
        ]
        heads = [message(language, f"voice_table.{h}") for h in ("topic", "positive", "n")]
        columns = list(zip(heads, ("left", "right", "right"), strict=True))
        return table(columns, body, caption=message(language, "voice_tone.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    return build(id, statements, about.languages, note=lambda lang: about.note(lang), draw=draw, tabulate=tabulate,
                 caption=lambda lang: message(lang, "figure.interval"))  # fmt: skip


def conversations(outcomes: pd.DataFrame, *, about: Voice, least: int, id: str = "conversations") -> Finding:
    """Say which topics of conversations (calls, chats, tickets) end well and which do not.

    Parameters
    ----------
    outcomes : DataFrame
        ``outcome``, ``topic`` (empty: of all conversations), ``n`` conversations, ``k`` with that outcome, ``mean``,
        ``ci_low`` and ``ci_high`` shares; see `cxlab.voice.conversations.outcomes`.
    about, id
        As in `where`.
    least : int
        Smallest number of conversations a row may show.
    """
    if outcomes.empty:
        return build(id, [Statement("voice_talk.none")], about.languages)
    rows = outcomes[outcomes["n"] >= least].reset_index(drop=True)
    rows = rows[rows["outcome"].isin(rows.loc[rows["topic"] != "", "outcome"])]
    if rows.empty:
        return build(id, [Statement("voice_talk.suppressed")], about.languages, verdict="suppressed")
    first, *rest = [_one_outcome(str(o), own, about, id) for o, own in rows.groupby("outcome", sort=False)]
    return build(id, first.statements, about.languages, note=lambda lang: first.pages[lang].note,
                 draw=lambda lang: first.pages[lang].figure or charts.intervals(rows.head(0), [], language=lang),
                 tabulate=lambda lang: first.pages[lang].table or {}, inside=rest,
                 caption=lambda lang: first.pages[lang].caption)  # fmt: skip


def _one_outcome(outcome: str, rows: pd.DataFrame, about: Voice, id: str) -> Finding:
    rows = rows.assign(metric="share", estimand="level", verdict="")
    every = rows[rows["topic"] == ""]
    ordered = rows[rows["topic"] != ""].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    usual = float(every["mean"].iloc[0]) if len(every) else float("nan")
    more, less = ordered[ordered["ci_low"] > usual], ordered[ordered["ci_high"] < usual].iloc[::-1]
    named = about.fields()
    for lang in about.languages:
        named[lang]["outcome"] = about.labels.group("outcome", outcome, lang)
    statements = []
    if len(every):
        statements.append(Statement("voice_talk.whole", named, numbers_of(every.iloc[0], "value", drawn=False)))
    for key, field, name, own in (("more", "best", "high", more), ("less", "worst", "low", less)):
        if len(own):
            topic = about.fields(**{field: str(own["topic"].iloc[0])})
            statements.append(Statement(f"voice_talk.{key}", topic, numbers_of(own.iloc[0], name)))
    if more.empty and less.empty:
        statements.append(Statement("voice_talk.same"))

    def draw(language: str) -> Figure:
        names = [about.name(str(t), language) for t in ordered["topic"]]
        return charts.intervals(ordered, names, language=language, reference=usual if np.isfinite(usual) else None)

    def tabulate(language: str) -> Block:
        body = [
            [
                about.name(str(r["topic"]), language) if r["topic"] else message(language, "voice_talk.all"),
                tables.estimate_cell(r, language=language),
                count(r["n"]),
            ]
            for _, r in pd.concat([every, ordered]).iterrows()
        ]
        heads = [message(language, "voice_table.topic"), named[language]["outcome"]]
        heads.append(message(language, "voice_table.conversations"))
        columns = list(zip(heads, ("left", "right", "right"), strict=True))
        return table(columns, body, caption=message(language, "voice_talk.caption", named[language]), open=False)

    return build(f"{id}-{outcome}", statements, about.languages, draw=draw,
                 tabulate=tabulate, note=lambda lang: message(lang, "voice_talk.note"),
                 caption=lambda lang: message(lang, "voice_talk.legend"))  # fmt: skip


def heard(account: pd.DataFrame, *, about: Voice, id: str = "heard") -> Finding:
    """Say on how many comments the page rests, and what is left out of it.

    Parameters
    ----------
    account : DataFrame
        ``name`` (``modelled`` or the reason) and ``n``, of the brand's comments of the period.
    about, id
        As in `where`.
    """
    total = float(account["n"].sum())
    inside = float(account.loc[account["name"] == "modelled", "n"].sum())
    numbers = {
        "all": Number(total, "count", drawn=False, tabled=False),
        "value": Number(inside, "count", drawn=False),
    }
    statements = [Statement("voice_heard.lead", about.fields(), numbers, quantity=total)]
    if np.isfinite(about.scored):
        scored = {"scored": tally(about.scored)}
        key = "scored" if about.scored else "unscored"
        statements.append(Statement(f"voice_heard.{key}", about.fields(), scored if about.scored else {}))
    flood = float(account.loc[account["name"] == "flood", "n"].sum())
    if flood:
        statements.append(Statement("voice_heard.flood", {}, {"flood": tally(flood)}, quantity=flood))
    statements.append(Statement("voice_heard.silent"))

    def tabulate(language: str) -> Block:
        body = [[reason_name(str(r["name"]), language), count(r["n"])] for r in account.to_dict("records")]
        heads = [
            (message(language, "topic_account.reason"), "left"),
            (message(language, "topic_account.comments"), "right"),
        ]
        return table(heads, body, caption=message(language, "topic_account.caption"), open=False)

    return build(id, statements, about.languages, tabulate=tabulate)
