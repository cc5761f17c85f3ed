"""Findings on what topics do: which weigh on the score, how often and how heavily, what rose or fell, what is new.

All take the table that `run.write` returned, so what was suppressed or withheld there is neither drawn nor told.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import certainty, count, known, number, probability
from cxlab.report.messages import message
from cxlab.voice import figures as drawn
from cxlab.voice.findings_common import (  # fmt: skip
    CSV,
    MOST,
    SURE,
    Voice,
    by_topic,
    difference,
    ends,
    mean_of,
    numbers_of,
    rows_of,
    signed,
    state_of,
)

_OFTEN = 0.25  # share of comments that is often, however often others are spoken of
TIES = ("worse", "better", "no_real_change", "cannot_tell", "withheld", "suppressed")


def leading(estimates: pd.DataFrame, about: Voice, *, most: int = 3) -> list[str]:
    """Return the topics the page leads with: those that really weigh on the score first, then those that lift it.

    Where no topic is tied to the score, those spoken of most.
    """
    stakes = rows_of(estimates, "points_at_stake", period=about.period)
    effects = rows_of(estimates, "score_effect", period=about.period)
    real = set(effects.loc[effects["verdict"].isin(["worse", "better"]), "topic"].astype(str))
    shown = stakes[known(stakes["mean"]) & stakes["topic"].isin(real)].sort_values("mean", kind="stable")
    down = shown.loc[shown["mean"] < 0, "topic"].astype(str).tolist()
    up = shown.loc[shown["mean"] > 0, "topic"].astype(str).tolist()[::-1]
    tones = rows_of(estimates, "sentiment", period=about.period)  # of all topics, and never withheld
    often = tones.sort_values("n", ascending=False, kind="stable")["topic"].astype(str).tolist()
    return (down + up)[:most] or often[:most]


def leaning(estimates: pd.DataFrame, about: Voice) -> dict[str, float]:
    """Return the side of each topic that is really tied to the score: below 0 complaint, above 0 praise."""
    effects = rows_of(estimates, "score_effect", period=about.period)
    return mean_of(effects[effects["verdict"].isin(["worse", "better"])])


def cost(estimates: pd.DataFrame, *, about: Voice, alarms: float = float("nan"), id: str = "cost") -> Finding:
    """Say which topic weighs most on the score: how often it comes up times what goes with a mention.

    Parameters
    ----------
    estimates : DataFrame
        ``topic_estimates``.
    about : Voice
    alarms : float
        Share of topics without any tie to the score that are told as tied to it all the same.
    id : str
        Name of the finding on its page.
    """
    stakes = rows_of(estimates, "points_at_stake", period=about.period)
    stakes = stakes.sort_values("mean", kind="stable").reset_index(drop=True)
    state = state_of(stakes)
    if state:
        return build(id, [Statement(f"voice_cost.{state}", about.fields())], about.languages,
                     verdict="" if state == "none" else state)  # fmt: skip
    effects = by_topic(rows_of(estimates, "score_effect", period=about.period), stakes["topic"])
    shares = by_topic(rows_of(estimates, "share", period=about.period), stakes["topic"])
    firsts = mean_of(rows_of(estimates, "p_rank_worst", period=about.period))
    verdict = {topic: str(row["verdict"]) for topic, row in effects.items()}
    down = [t for t in stakes["topic"].astype(str) if verdict[t] == "worse"]
    up = [t for t in stakes["topic"].astype(str)[::-1] if verdict[t] == "better"]
    told = known(stakes["mean"])
    open_ = int(told.sum()) - len(down) - len(up)
    statements = []
    if down:
        row = stakes.iloc[stakes["topic"].astype(str).tolist().index(down[0])]
        numbers = numbers_of(row, "value", difference=True)
        numbers |= numbers_of(effects[down[0]], "effect", drawn=False, difference=True)
        numbers["share"] = Number(float(shares[down[0]]["mean"]), "share", drawn=False)
        named = about.fields(best=down[0])
        statements = [Statement("voice_cost.lead", named, numbers), Statement("voice_cost.stake", named, numbers)]
        if down[0] in firsts and len(stakes) > 1:
            sure = {"p": Number(firsts[down[0]], "probability", drawn=False)}
            key = "first" if firsts[down[0]] >= SURE else "first_open"
            for lang in about.languages:
                named[lang]["sure"] = certainty(firsts[down[0]], language=lang)
            statements.append(Statement(f"voice_cost.{key}", named, sure))
    else:
        statements.append(Statement("voice_cost.nothing", about.fields()))
    if down[1:]:
        statements.append(Statement("voice_cost.down", about.fields(list=down[1:])))
    if up:
        statements.append(Statement("voice_cost.up", about.fields(list=up)))
    if open_ and (down or up):
        statements.append(Statement("voice_cost.open", {}, {"n": tally(open_)}, quantity=open_))
    shown = signed(stakes)

    def draw(language: str) -> Figure:
        kept = shown[told].iloc[ends(int(told.sum()))]
        rows = [about.name(str(t), language) for t in kept["topic"]]
        return charts.intervals(kept, rows, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        heads = [("topic", "left"), ("share", "right"), ("effect", "right"), ("stake", "right"), ("first", "right")]
        body = []
        for _, row in shown.iterrows():
            topic = str(row["topic"])
            body.append([
                about.name(topic, language),
                tables.estimate_cell(shares[topic], language=language),
                tables.estimate_cell(difference(effects[topic]), language=language),
                tables.estimate_cell(row, language=language),
                probability(firsts.get(topic, np.nan), language=language),
                message(language, f"voice_tie.{verdict[topic] if verdict[topic] in TIES else 'cannot_tell'}"),
                count(row["n"]),
            ])  # fmt: skip
        columns = [(message(language, f"voice_table.{h}"), s) for h, s in (*heads, ("tie", "left"), ("n", "right"))]
        return table(columns, body, caption=message(language, "voice_cost.caption", about.fields()[language]),
                     open=False, csv=CSV)  # fmt: skip

    def say(language: str) -> str:
        rate = {"rate": number(alarms, metric="share", language=language)}
        declared = message(language, "voice_cost.alarms", rate) if np.isfinite(alarms) else ""
        return about.note(language, declared, message(language, "note.association"), n=about.scored)

    return build(id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
                 caption=lambda lang: message(lang, "voice_cost.legend"))  # fmt: skip


def weight(estimates: pd.DataFrame, *, about: Voice, id: str = "weight") -> Finding:
    """Set how often a topic comes up against what goes with a mention; arguments as in `cost`."""
    effects = rows_of(estimates, "score_effect", period=about.period)
    shares = rows_of(estimates, "share", period=about.period).set_index("topic").reindex(effects["topic"]).reset_index()
    state = state_of(effects)
    if state:
        return build(id, [Statement(f"voice_cost.{state}", about.fields())], about.languages,
                     verdict="" if state == "none" else state)  # fmt: skip
    both = (known(effects["mean"]) & known(shares["mean"])).to_numpy()
    effects, shares = effects[both].reset_index(drop=True), shares[both].reset_index(drop=True)
    order = np.argsort(-shares["mean"].to_numpy(float), kind="stable")
    effects, shares = effects.iloc[order].reset_index(drop=True), shares.iloc[order].reset_index(drop=True)
    usual = float(shares["mean"].median())
    often = shares["mean"].to_numpy(float) >= min(usual, _OFTEN)
    real = effects["verdict"].astype(str).to_numpy()
    topics = effects["topic"].astype(str).to_numpy()
    lists = {
        "often": topics[often & (real == "worse")],
        "seldom": topics[~often & (real == "worse")],
        "harmless": topics[often & (real != "worse") & (real != "better")],
        "praised": topics[real == "better"],
    }
    named = about.fields()
    statements = [Statement(f"voice_weight.{k}", about.fields(list=v.tolist())) for k, v in lists.items() if len(v)]
    statements = statements or [Statement("voice_weight.none", named)]
    role = {"worse": "bad", "better": "good"}

    def draw(language: str) -> Figure:
        spots = pd.DataFrame({
            "x": shares["mean"], "x_low": shares["ci_low"], "x_high": shares["ci_high"],
            "y": effects["mean"], "y_low": effects["ci_low"], "y_high": effects["ci_high"],
            "role": [role.get(v, "soft") for v in real],
        }).head(MOST)  # fmt: skip
        titles = (message(language, "voice_weight.x"), message(language, "voice_weight.y", named[language]))
        names = [about.name(t, language) for t in topics[:MOST]]
        return drawn.effect_map(spots, names, titles=titles, metric=about.metric, language=language)

    return build(id, statements, about.languages, draw=draw,
                 note=lambda lang: about.note(lang, message(lang, "note.association"), n=about.scored),
                 caption=lambda lang: message(lang, "voice_weight.legend"))  # fmt: skip
