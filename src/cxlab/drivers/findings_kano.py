"""Findings on pains and wows, and on what to work on first.

All take the tables that `run.write` returned, so what was suppressed or withheld there is neither drawn nor told.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.drivers import figures
from cxlab.drivers.findings_common import (
    SURE,
    About,
    form_of,
    heads_table,
    known_rows,
    sorted_rows,
    state_of,
    values_of,
)
from cxlab.report import tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build
from cxlab.report.format import estimate, is_number, known, probability
from cxlab.report.messages import message

_PROBABLE = 0.8  # probability from which an attribute is one to work on
_PERHAPS = 0.7  # probability from which a kind is given with a question mark
_KINDS = ("must_be", "delighter", "linear", "indifferent")


def pains(estimates: pd.DataFrame, *, about: About, id: str = "pains", csv: str = "") -> Finding:
    """Say which attributes are pains and which are wows; parameters are those of `importance`."""
    rows = sorted_rows(estimates, about, "importance_share")
    costs, gains = (known_rows(estimates, about, e).set_index("attribute") for e in ("penalty", "reward"))
    state = state_of(rows)
    if state or not len(costs):
        return build(id, [Statement(f"driver_pain.{state or 'suppressed'}")], about.languages, verdict=state)
    likely = {k: values_of(estimates, about, f"p_{k}") for k in _KINDS}
    kinds = {a: next((k for k in _KINDS if likely[k][a] >= SURE), "") for a in likely["linear"]}
    perhaps = {a: next((k for k in _KINDS if likely[k][a] >= _PERHAPS), "") for a in kinds}
    rows = rows[rows["attribute"].isin(costs.index) & known(rows["mean"])].reset_index(drop=True)
    size = costs["mean"].abs() + gains["mean"].abs()
    rows = rows.assign(size=rows["attribute"].map(size)).sort_values("size", ascending=False, kind="stable")
    order = [str(a) for a in rows["attribute"]]
    drawn = pd.DataFrame(
        {
            "penalty": -costs["mean"],  # drawn and told as what the worst answer costs
            "penalty_low": -costs["ci_high"],
            "penalty_high": -costs["ci_low"],
            "reward": gains["mean"],
            "reward_low": gains["ci_low"],
            "reward_high": gains["ci_high"],
        }
    ).reindex(order)
    groups = {k: [a for a in order if kinds.get(a) == k] for k in (*_KINDS, "")}
    named = {
        lang: {"subject": about.subject(lang)} | {k: about.names(found, lang) for k, found in groups.items() if k}
        for lang in about.languages
    }
    statements = _pain_lead(groups, drawn, named, about)
    maybe = [a for a in groups[""] if perhaps[a] in ("must_be", "delighter")]
    if maybe:
        closest = max(maybe, key=lambda a: likely[perhaps[a]][a])
        chance = {"p": Number(likely[perhaps[closest]][closest], "probability", drawn=False)}
        fields = {lang: {"best": about.name(closest, lang)} for lang in about.languages}
        statements.append(Statement(f"driver_pain.perhaps_{perhaps[closest]}", fields, chance))
    for kind, found in groups.items():
        if found:
            key = f"driver_pain.{kind or 'open'}"
            statements.append(Statement(key, {lang: {"list": about.names(found, lang)} for lang in about.languages}))

    def word(attribute: str, language: str) -> str:
        sure, maybe = kinds[attribute], perhaps[attribute]
        named = message(language, f"driver_kind.{sure or maybe or 'open'}")
        return message(language, "driver_kind.perhaps", {"kind": named}) if maybe and not sure else named

    def draw(language: str) -> Figure:
        return figures.dumbbell(
            drawn,
            [about.name(a, language) for a in order],
            [word(a, language) for a in order],
            metric=form_of(about.metric),
            language=language,
        )

    def tabulate(language: str) -> Block:
        heads = ["attribute", "penalty", "reward", "kind"]
        body, mids = [], drawn.to_dict()
        for a in order:
            cells = [
                estimate(
                    *(float(mids[c][a]) for c in (s, f"{s}_low", f"{s}_high")),
                    metric=form_of(about.metric),
                    language=language,
                    signed=True,
                )
                for s in ("penalty", "reward")
            ]
            chances = [probability(likely[k][a], language=language) for k in _KINDS]
            body.append([about.name(a, language), *cells, word(a, language), *chances])
        more = [f"P ({message(language, f'driver_kind.{k}')})" for k in _KINDS]
        caption = message(language, "driver_pain.caption", {"subject": about.subject(language)})
        return heads_table(heads, body, language, caption, csv, more=more)

    def say(language: str) -> str:
        return about.note(language, message(language, "driver_pain.rule"), message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_pain.note"),
    )  # fmt: skip


def priorities(
    estimates: pd.DataFrame,
    clouds: Mapping[str, np.ndarray],
    *,
    about: About,
    stated: Mapping[str, float] | None = None,
    id: str = "priorities",
    csv: str = "",
) -> Finding:
    """Say what matters more than the average and is rated lower; with `stated`, what customers say matters.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    clouds : mapping of attribute -> array (draw, 2)
        Performance and importance share, draw by draw.
    about : About
    stated : mapping of attribute -> float, optional
        Mean of how important customers call an attribute.
    id, csv
        As in `importance`.
    """
    rows = sorted_rows(estimates, about, "importance_share")
    done = known_rows(estimates, about, "performance")
    state = state_of(rows)
    shown = [
        str(a)
        for a, m in zip(rows["attribute"], rows["mean"], strict=True)
        if is_number(m) and a in clouds and a in set(done["attribute"])
    ]
    if state or len(shown) < 2:
        state = state or "suppressed"
        return build(id, [Statement(f"driver_map.{state}")], about.languages, verdict=state)
    chances = {str(k): v.to_dict() for k, v in quadrants({a: clouds[a] for a in shown}).items()}
    first = [a for a in shown if chances["first"][a] >= _PROBABLE]
    keep = [a for a in shown if chances["keep"][a] >= _PROBABLE]
    nearest = max(shown, key=lambda a: chances["first"][a])
    named = {
        lang: {"best": about.name(nearest, lang), "list": about.names(first, lang), "keep": about.names(keep, lang)}
        for lang in about.languages
    }
    chance = {"p": Number(chances["first"][nearest], "probability", drawn=False)}
    statements = [Statement("driver_map.first", named) if first else Statement("driver_map.first_open", named, chance)]
    if keep:
        statements.append(
            Statement("driver_map.keep", {lang: {"list": named[lang]["keep"]} for lang in about.languages})
        )
    said = {a: float(v) for a, v in (stated or {}).items() if a in shown and is_number(v)}
    if len(said) > 1:
        loudest, strongest = max(said, key=lambda a: said[a]), next(a for a in shown if a in said)
        both = {
            lang: {"said": about.name(loudest, lang), "derived": about.name(strongest, lang)}
            for lang in about.languages
        }
        statements.append(Statement("driver_map.stated_same" if loudest == strongest else "driver_map.stated", both))
    place = {a: str(1 + sorted(said, key=lambda x: -said[x]).index(a)) for a in said}

    def draw(language: str) -> Figure:
        corners = [message(language, f"driver_map.corner_{c}") for c in ("first", "keep", "later", "fine")]
        titles = (message(language, "driver_map.performance"), message(language, "driver_map.importance"))
        labelled = {about.name(a, language): clouds[a] for a in shown}
        marked = [about.name(a, language) for a in first]
        return figures.clouds(labelled, corners=corners, marked=marked, titles=titles, language=language)

    def tabulate(language: str) -> Block:
        heads = ["attribute", "performance", "importance", "first", "keep", *(["stated", "derived"] if place else [])]
        body = []
        for k, a in enumerate(shown):
            row = [
                about.name(a, language),
                tables.estimate_cell(done[done["attribute"] == a].iloc[0], language=language),
                tables.estimate_cell(rows[rows["attribute"] == a].iloc[0], language=language),
                *(probability(chances[c][a], language=language) for c in ("first", "keep")),
            ]
            body.append(row + ([place.get(a, "—"), str(k + 1)] if place else []))
        return heads_table(heads, body, language, message(language, "driver_map.caption"), csv)

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_map.note"),
    )  # fmt: skip


def quadrants(clouds: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return P(quadrant) of each attribute against the averages of all, draw by draw.

    Returns
    -------
    DataFrame
        Columns ``first`` (matters more, rated lower), ``keep`` (more, higher), ``later`` (less, lower), ``fine``; they
        add up to one.
    """
    values = np.stack(list(clouds.values()))
    good, strong = values[..., 0], values[..., 1]
    above, more = good >= good.mean(axis=0), strong >= strong.mean(axis=0)
    found = {"first": more & ~above, "keep": more & above, "later": ~more & ~above, "fine": ~more & above}
    return pd.DataFrame({k: v.mean(axis=1) for k, v in found.items()}, index=list(clouds))


def _pain_lead(
    groups: Mapping[str, list[str]], drawn: pd.DataFrame, named: Mapping[str, Mapping[str, str]], about: About
) -> list[Statement]:
    metric = form_of(about.metric)
    kind = next((k for k in ("must_be", "delighter") if groups[k]), "")
    if not kind:
        return [Statement("driver_pain.none")]
    best = groups[kind][0]
    side = "penalty" if kind == "must_be" else "reward"
    row = drawn[drawn.index == best].iloc[0]
    numbers = {s: Number(float(row[s]), metric, signed=True) for s in ("penalty", "reward")}
    numbers["span"] = Number(float(row[f"{side}_low"]), metric, high=float(row[f"{side}_high"]), signed=True)
    fields = {lang: {"subject": named[lang]["subject"], "best": about.name(best, lang)} for lang in about.languages}
    return [Statement(f"driver_pain.lead_{kind}", fields, numbers)]
