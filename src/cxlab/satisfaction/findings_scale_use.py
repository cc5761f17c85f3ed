"""The finding on whether groups use the scale in different ways, and whether means mislead because of it.

A group whose answers spread more widely meets the ends of the scale more often, so its mean mark can lie below that of
a group that is less satisfied underneath.

References
----------
Liddell and Kruschke (2018), Analyzing ordinal data with metric models, doi:10.1016/j.jesp.2018.08.009.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from cxlab.report import rows as tell
from cxlab.report import tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, note
from cxlab.report.format import Labels, certainty, is_number, known, number, probability
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES, UNKNOWN

LATENT: Final = "latent"  # the metric of rows on what lies beneath the marks
_SURE: Final = 0.95  # probability from which the marks are said to mislead
_WIDE: Final = 1.1  # times the average spread from which a group is named for it


def scales(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "scales",
    csv: str = "",
) -> Finding:
    """Say whether the marks and what lies beneath them put the same group first and last.

    Parameters are those of `satisfaction.level`. Rows of metric ``latent`` are there for one level at most, whose
    groups all have answers enough.
    """
    beneath = estimates[
        (estimates["estimand"] == "latent_location")
        & (estimates["item"] == item)
        & (estimates["period"] == period)
        & (estimates["group"] != UNKNOWN)
    ]
    names = tell.names(languages, lambda lang: {}, period=period)
    if beneath.empty or (beneath["verdict"] == "withheld").any() or not known(beneath["mean"]).all():
        return build(id, (Statement("scales.unknown", names),), languages)
    level = str(beneath["level"].iloc[0])
    own = {"item": item, "level": level, "period": period, "weighting": weighting}
    marks = tell.select(estimates, estimand="level", metric=metric, **own)
    marks = marks[known(marks["mean"]) & (marks["group"] != UNKNOWN)].sort_values("mean", ascending=False)
    places = {e: _chances(tell.select(estimates, estimand=e, metric=LATENT, **own)) for e in tables.RANKS}
    spread = _chances(tell.select(estimates, estimand="latent_scale", metric=LATENT, **own))
    if len(marks) < 2 or not places["p_rank_best"]:
        return build(id, (Statement("scales.unknown", names),), languages)
    statements: tuple[Statement, ...] = ()
    doubtful = False
    for key, place, chances in (
        ("first", 0, places["p_rank_best"]),
        ("last", -1, places["p_rank_worst"]),
    ):
        by_marks = str(marks["group"].iloc[place])
        under = max(chances, key=lambda group: chances[group])
        if under == by_marks or chances[under] < _SURE:
            doubtful |= under != by_marks
            continue
        p = chances[under]
        said = {
            lang: names[lang]
            | {
                "level": labels.level(level, lang),
                "marks": labels.group(level, by_marks, lang),
                "beneath": labels.group(level, under, lang),
                "sure": certainty(p, language=lang),
            }
            for lang in languages
        }
        statements += (Statement(f"scales.{key}", said, {f"p_{key}": Number(p, "probability", drawn=False)}),)
    for lang in languages:
        names[lang]["level"] = labels.level(level, lang)
    misled = bool(statements)
    wide = max(spread, key=lambda group: spread[group], default="")
    if misled and wide and spread[wide] >= _WIDE:
        for lang in languages:
            names[lang]["wide"] = labels.group(level, wide, lang)
        statements += (Statement("scales.wide", names, {"spread": Number(spread[wide], "mean", drawn=False)}),)
    if not misled:
        statements = (Statement("scales.open" if doubtful else "scales.same", names),)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{k}") for k in ("group", "estimate")]
        heads += [message(language, f"scales.{k}") for k in ("head_first", "head_last", "head_spread")]
        body = [
            [
                labels.group(level, str(r["group"]), language),
                tables.estimate_cell(r, language=language),
                *(_chance(places[e], r["group"], language) for e in ("p_rank_best", "p_rank_worst")),
                number(spread.get(str(r["group"]), float("nan")), metric="mean", language=language),
            ]
            for _, r in marks.iterrows()
        ]
        fields = tell.captions(metric, period, language) | {"level": labels.level(level, language)}
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "scales.caption", fields), csv=csv
        )

    return build(id, statements, languages, note=lambda lang: note(lang, n=marks["n"].sum()), tabulate=tabulate)


def _chances(rows: pd.DataFrame) -> dict[str, float]:
    return {str(g): float(m) for g, m in zip(rows["group"], rows["mean"], strict=True) if is_number(m)}


def _chance(chances: dict[str, float], group: object, language: str) -> str:
    return probability(chances.get(str(group), float("nan")), language=language)
