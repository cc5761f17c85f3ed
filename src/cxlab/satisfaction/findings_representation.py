"""Findings on whom the answers stand for: who answers, who is heard too little or never, what weighting does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report import rows as tell
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed, note
from cxlab.report.format import Labels, count, estimate, known, number, sentence, subject
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES, WEIGHTINGS

_SHARES = ("base_share", "answer_share")
_ALIKE, _UNLIKE = 0.9, 0.8  # R-indicators from which, and below which, a word is given
_NEAR = 0.1  # response rates of which all that is likely lies this close together hardly differ
_UNDER = 0.02  # a share this much below that of the base is worth a word


def weightings(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    practical: float,
    languages: Sequence[str] = LANGUAGES,
    id: str = "weightings",
    csv: str = "",
) -> Finding:
    """Say what a metric is without weights, with the survey's, and weighted to the customer base.

    Parameters
    ----------
    practical : float
        Differences below this are no news.
    estimates, labels, item, metric, period, languages, id, csv
        As in `satisfaction.level`.
    """
    what = {"estimand": "level", "item": item, "metric": metric, "period": period}
    found = [tell.select(estimates, weighting=w, **what) for w in WEIGHTINGS]
    rows = pd.concat(found, ignore_index=True)
    shown = rows[known(rows["mean"])]
    names = tell.names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    wide = tell.first(shown.tail(1))
    bare = tell.first(shown.head(1))
    if wide is None or bare is None:
        state = next((v for v in ("withheld", "suppressed") if v in set(rows["verdict"])), "none")
        statements = (Statement(f"weightings.{state}", names),)
    elif len(shown) == 1:
        statements = (Statement(f"weightings.only_{wide['weighting']}", names),)
    else:
        for lang in languages:
            names[lang]["wide"] = message(lang, f"weightings.with_{wide['weighting']}")
            names[lang]["bare"] = message(lang, f"weightings.with_{bare['weighting']}")
        numbers = {"value": Number(float(wide["mean"]), metric), "bare_value": Number(float(bare["mean"]), metric)}
        key = "differ" if float(shown["mean"].max() - shown["mean"].min()) >= practical else "agree"
        statements = (Statement(f"weightings.{key}", names, numbers),)

    def draw(language: str) -> Figure:
        rows_named = [message(language, f"weightings.name_{w}") for w in rows["weighting"]]
        return charts.intervals(rows, rows_named, language=language)

    def tabulate(language: str) -> Block:
        caption = message(language, "weightings.caption", tell.captions(metric, period, language))
        return tables.weightings_table(rows, language=language, caption=caption, csv=csv)

    silent = wide is None

    def say(language: str) -> str:
        return "" if wide is None else note(language, n=wide["n"], ci_prob=wide["ci_prob"])

    return build(
        id, statements, languages, note=say, caption=tell.bars(None, ()), draw=None if silent else draw,
        tabulate=None if silent else tabulate,
    )  # fmt: skip


def rates(
    response: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "rates",
    csv: str = "",
) -> Finding:
    """Say how many of those asked answered, and which groups most and least readily.

    Parameters
    ----------
    response : DataFrame
        As `cxlab.satisfaction.nonresponse_report.response` gives it.
    labels, period, languages, id, csv
        As in `satisfaction.level`.
    """
    rows = response[(response["estimand"] == "response_rate") & (response["frame"] == "invitations")]
    total = tell.first(rows[(rows["level"] == "total") & known(rows["mean"])])
    names = tell.names(languages, lambda lang: {}, period=period)
    if total is None:
        return build(id, (Statement("rates.unknown", names),), languages)
    groups = rows[(rows["level"] != "total") & (rows["n"] > 0)]
    groups = groups.sort_values(["level", "mean"], ascending=[True, False], kind="stable").reset_index(drop=True)
    shown = groups[known(groups["mean"])]
    counts = {k: Number(float(total[c]), "count", drawn=False) for k, c in (("answered", "answered"), ("asked", "n"))}
    rate = {"rate": Number(float(total["mean"]), "share", drawn=False, tabled=False)}
    statements: tuple[Statement, ...] = (Statement("rates.whole", names, counts | rate, quantity=total["answered"]),)
    if len(shown) > 1:
        rate_of = shown["mean"].to_numpy(float)
        most, least = shown.iloc[int(rate_of.argmax())], shown.iloc[int(rate_of.argmin())]
        for lang in languages:
            names[lang] |= {"most": _group(most, labels, lang), "least": _group(least, labels, lang)}
        ends = {"most_rate": Number(float(most["mean"]), "rate"), "least_rate": Number(float(least["mean"]), "rate")}
        apart = float(most["ci_low"]) > float(least["ci_high"])
        near = float(shown["ci_high"].max() - shown["ci_low"].min()) < _NEAR
        statements += (Statement(f"rates.{'apart' if apart else 'alike' if near else 'open'}", names, ends),)

    def draw(language: str) -> Figure:
        return charts.intervals(groups, [_group(r, labels, language) for _, r in groups.iterrows()], language=language)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{k}") for k in ("group", "answered", "asked", "response")]
        body = [
            [_group(r, labels, language), count(r["answered"]), count(r["n"]), _rate(r, language)]
            for _, r in groups.iterrows()
        ]
        body.append(
            [labels.level("total", language), count(total["answered"]), count(total["n"]), _rate(total, language)]
        )
        caption = message(language, "rates.caption", names[language])
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    return build(
        id, statements, languages, caption=tell.bars(None, ()), draw=draw if len(shown) else None, tabulate=tabulate
    )


def representation(
    response: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "representation",
    csv: str = "",
) -> Finding:
    """Say whether those who answered are like those they stand for, who is heard too little, and who never.

    Parameters are those of `rates`.
    """
    groups = response[(response["estimand"] == "response_rate") & (response["level"] != "total")]
    groups = groups[known(groups["base_share"]) & (groups["base"] > 0)]
    groups = groups.sort_values(["level", "base_share"], ascending=[True, False], kind="stable").reset_index(drop=True)
    groups["answer_share"] = groups["answer_share"].astype(float).fillna(0.0)
    names = tell.names(languages, lambda lang: {}, period=period)
    if groups.empty:
        return build(id, (Statement("representation.unknown", names),), languages)
    statements: tuple[Statement, ...] = ()
    whole = tell.first(response[(response["estimand"] == "r_indicator") & known(response["mean"])])
    if whole is not None:
        word = _likeness(*(float(whole[c]) for c in ("mean", "ci_low", "ci_high")))
        ends = {"r": "mean", "r_low": "ci_low", "r_high": "ci_high"}
        found = {k: Number(float(whole[c]), "probability", drawn=False, tabled=False) for k, c in ends.items()}
        for lang in languages:
            names[lang]["frame"] = message(lang, f"representation.frame_{whole['frame']}")
        statements += (Statement(f"representation.{word}", names, found),)
    gap = (groups["answer_share"] - groups["base_share"].astype(float)).to_numpy()
    least = groups.iloc[int(gap.argmin())]
    for lang in languages:
        names[lang]["least"] = _group(least, labels, lang)
    if gap.min() < -_UNDER:
        found = {
            "base_share": Number(float(least["base_share"]), "rate"),
            "answer_share": Number(float(least["answer_share"]), "rate"),
        }
        statements += (Statement("representation.under", names, found),)
    else:
        statements += (Statement("representation.even", names),)
    silent = groups[groups["never_heard"].astype(bool)]
    for lang in languages:
        names[lang]["list"] = listed([_group(r, labels, lang) for _, r in silent.iterrows()], lang)
    statements += (Statement("representation.never" if len(silent) else "representation.all_heard", names),)

    def draw(language: str) -> Figure:
        rows = groups.assign(mean=groups["answer_share"], metric="rate", ci_low=np.nan, ci_high=np.nan, verdict="")
        base = groups.assign(mean=groups["base_share"])
        named = [_group(r, labels, language) for _, r in groups.iterrows()]
        return charts.intervals(rows, named, language=language, previous=base)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{k}") for k in ("group", "base_share", "heard_share")]
        body = [
            [_group(r, labels, language), *(number(r[c], metric="rate", language=language) for c in _SHARES)]
            for _, r in groups.iterrows()
        ]
        caption = message(language, "representation.caption", names[language])
        return tables.counts_table(heads, body, language=language, caption=caption, csv=csv)

    def legend(language: str) -> str:
        return message(language, "representation.legend")

    return build(id, statements, languages, caption=legend, draw=draw, tabulate=tabulate)


def _likeness(r: float, low: float, high: float) -> str:
    """Say how alike those who answered are, as far as the interval of the R-indicator bears it out."""
    if low < _UNLIKE and high >= _ALIKE:
        return "open"
    return "unlike" if high < _UNLIKE else "alike" if r >= _ALIKE else "somewhat"


def _group(row: pd.Series, labels: Labels, language: str) -> str:
    fields = {"level": sentence(labels.level(str(row["level"]), language))}
    fields["group"] = labels.group(str(row["level"]), str(row["group"]), language)
    return message(language, "list.group", fields)


def _rate(row: pd.Series, language: str) -> str:
    ends = (float(row[c]) for c in ("mean", "ci_low", "ci_high"))
    return estimate(*ends, metric="rate", language=language)
