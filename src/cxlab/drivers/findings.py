"""Findings on drivers: what goes with satisfaction, with and without the general mood, and with what customers do.

All take the tables that `run.write` returned, so what was suppressed or withheld there is neither drawn nor told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.drivers import figures
from cxlab.drivers.findings_common import (
    SURE,
    About,
    bars,
    heads_table,
    numbers_of,
    outcome_name,
    sorted_rows,
    state_of,
    values_of,
)
from cxlab.report import tables
from cxlab.report.blocks import Block, table
from cxlab.report.charts import intervals
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, estimate, known, number, probability
from cxlab.report.messages import message

_BY_USE = 0.5  # part of a contribution from which use counts for more than ratings
_LITTLE = 0.03  # upper end of R2 below which nothing is ranked


def importance(
    estimates: pd.DataFrame,
    explained: np.ndarray,
    *,
    about: About,
    ranks: pd.DataFrame | None = None,
    by_use: Mapping[str, float] | None = None,
    mc_error: float = 0.0,
    id: str = "importance",
    csv: str = "",
) -> Finding:
    """Say which attributes account for most of the differences in an outcome.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    explained : array (draw,)
        R2 of all attributes together.
    about : About
    ranks : DataFrame, optional
        ``driver_ranks``.
    by_use : mapping of attribute -> float, optional
        Part of its contribution that lies between those who use it and those who do not.
    mc_error : float
        Largest error of sampled orders of entry; 0 where all subsets were visited.
    id, csv : str
        Name of the finding on its page; of the site's CSV file with these rows.
    """
    rows = sorted_rows(estimates, about, "importance_share")
    state = state_of(rows)
    named = {lang: {"outcome": about.outcome_name(lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_share.{state}", named)], about.languages, verdict=state)
    weights, top = (values_of(estimates, about, e) for e in ("johnson_share", "p_top3"))
    low, high = (float(np.quantile(explained, q)) for q in (0.05, 0.95))
    whole = {
        "r2": Number(float(explained.mean()), "share", drawn=False),
        "r2_span": Number(low, "share", high=high, drawn=False),
    }
    statements: list[Statement]
    if high < _LITTLE:
        statements = [Statement("driver_share.little", named, whole)]
    else:
        first = rows[known(rows["mean"])].iloc[0]
        sure = [str(a) for a in rows["attribute"] if top.get(a, 0) >= SURE]
        for lang in about.languages:
            named[lang] |= {"best": about.name(str(first["attribute"]), lang), "list": about.names(sure, lang)}
        statements = [
            Statement("driver_share.lead", named, numbers_of(first)),
            Statement("driver_share.all", named, whole | {"n": tally(len(rows))}),
        ]
        statements += used(by_use or {}, str(first["attribute"]), about)
        if len(rows) > 3:
            statements.append(Statement("driver_share.top" if sure else "driver_share.top_open", named))

    def draw(language: str) -> Figure:
        return intervals(rows, [about.name(str(a), language) for a in rows["attribute"]], language=language)

    def tabulate(language: str) -> Block:
        heads = ["attribute", "lmg", "johnson", "top", "ranks"]
        body = [
            [
                about.name(str(r["attribute"]), language),
                tables.estimate_cell(r, language=language),
                number(weights.get(r["attribute"], np.nan), metric="share", language=language),
                probability(top.get(r["attribute"], np.nan), language=language),
                _likely_ranks(ranks, str(r["attribute"]), about, language),
                count(r["n"]),
            ]
            for _, r in rows.iterrows()
        ]
        together = estimate(float(explained.mean()), low, high, metric="share", language=language)
        body.append([message(language, "driver_table.all"), together, "", "", "", count(about.n)])
        return heads_table(heads, body, language, message(language, "driver_share.caption", named[language]), csv)

    def say(language: str) -> str:
        error = number(mc_error, metric="rate", language=language)
        sampled = message(language, "driver_share.sampled", {"error": error}) if mc_error > 0 else ""
        return about.note(
            language, message(language, "driver_share.note"), sampled, message(language, "note.association")
        )

    return build(id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=bars)


def used(by_use: Mapping[str, float], attribute: str, about: About) -> list[Statement]:
    """Return the sentence that an attribute counts by its use rather than by its ratings, where it does."""
    if by_use.get(attribute, 0.0) <= _BY_USE:
        return []
    return [Statement("driver_share.use", {lang: {"best": about.name(attribute, lang)} for lang in about.languages})]


def halo(plain: pd.DataFrame, bare: pd.DataFrame, *, about: About, id: str = "halo") -> Finding:
    """Say how the order changes when the respondents' general mood is taken out.

    Parameters
    ----------
    plain, bare : DataFrame
        ``importance_share`` rows with and without the mood, of the same attributes in the same order.
    about : About
    id : str
        Name of the finding on its page.
    """
    rows = plain.sort_values("mean", ascending=False, kind="stable")
    other = bare.set_index("attribute").reindex(rows["attribute"]).reset_index()
    rows = rows.reset_index(drop=True)
    state = state_of(rows)
    named = {lang: {"outcome": about.outcome_name(lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_share.{state}", named)], about.languages, verdict=state)
    first, best = str(rows["attribute"].iloc[0]), _strongest(other)
    for lang in about.languages:
        named[lang] |= {"best": about.name(first, lang), "other": about.name(best, lang)}
    numbers = {
        "plain": Number(float(rows["mean"].iloc[0]), "share"),
        "bare": Number(float(other["mean"].iloc[0]), "share"),
    }
    key = "driver_halo.same" if first == best else "driver_halo.changed"
    whole = {
        k: Number(float(r["mean"].astype(float).sum()), "share", drawn=False, tabled=False)
        for k, r in (("whole", rows), ("rest", other))
    }
    statements = [
        Statement(key, named, numbers),
        Statement("driver_halo.why"),
        Statement("driver_halo.rest", {}, whole),
    ]
    return _paired(id, statements, rows, other, about, "driver_halo")


def outcomes(
    estimates: pd.DataFrame,
    explained: Mapping[str, np.ndarray],
    *,
    about: About,
    second: str,
    by_use: Mapping[str, Mapping[str, float]] | None = None,
    id: str = "outcomes",
    inside: Sequence[Finding] = (),
) -> Finding:
    """Say whether the same attributes go with what customers say and with what they do.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates`` of both outcomes.
    explained : mapping of outcome -> array (draw,)
        R2 of all attributes together.
    about : About
        Of the first outcome.
    second : str
        Id of the second one.
    by_use : mapping of outcome -> mapping of attribute -> float, optional
        As in `importance`.
    id : str
        Name of the finding on its page.
    inside : sequence of Finding
        Told within this one.
    """
    rows = sorted_rows(estimates, about, "importance_share")
    both = (estimates["item"] == second) & (estimates["estimand"] == "importance_share")
    other = (
        estimates[both & (estimates["level"] == "total")]
        .set_index("attribute")
        .reindex(rows["attribute"])
        .reset_index()
    )
    named = {
        lang: {"first": about.outcome_name(lang), "second": outcome_name(second, labels=about.labels, language=lang)}
        for lang in about.languages
    }
    state = state_of(rows) or state_of(other)
    if state:
        blank = {lang: {"outcome": named[lang]["second"]} for lang in about.languages}
        return build(id, [Statement(f"driver_share.{state}", blank)], about.languages, verdict=state, inside=inside)
    first, best = str(rows["attribute"].iloc[0]), _strongest(other)
    for lang in about.languages:
        named[lang] |= {"best": about.name(first, lang), "other": about.name(best, lang)}
    low, high = (float(np.quantile(explained[second], q)) for q in (0.05, 0.95))
    whole = {
        "r2": Number(float(explained[second].mean()), "rate", drawn=False, tabled=False),
        "r2_span": Number(low, "rate", high=high, drawn=False, tabled=False),
    }
    if high < _LITTLE:
        statements = [Statement("driver_outcomes.open", named, whole)]
    else:
        statements = [Statement("driver_outcomes.same" if first == best else "driver_outcomes.differ", named)]
        statements += used((by_use or {}).get(second, {}), best, about)
    return _paired(
        id, statements, rows, other, about, "driver_outcomes", heads=("first", "second"), named=named, inside=inside
    )


def others(
    estimates: pd.DataFrame,
    explained: Mapping[str, np.ndarray],
    *,
    about: About,
    by_use: Mapping[str, Mapping[str, float]] | None = None,
    id: str = "outcomes",
) -> Finding:
    """Set every other outcome beside the first, what customers do before what else they say; see `outcomes`."""
    names = [name for name in explained if name != about.outcome]
    if not names:
        return build(id, [Statement("driver_outcomes.only")], about.languages)
    *rest, last = names
    inside = [
        outcomes(estimates, explained, about=about, second=name, by_use=by_use, id=f"{id}-{name}") for name in rest
    ]
    return outcomes(estimates, explained, about=about, second=last, by_use=by_use, id=id, inside=inside)


def _paired(
    id: str,
    statements: Sequence[Statement],
    first: pd.DataFrame,
    second: pd.DataFrame,
    about: About,
    section: str,
    *,
    heads: tuple[str, str] = ("plain", "bare"),
    named: Mapping[str, Mapping[str, str]] | None = None,
    inside: Sequence[Finding] = (),
) -> Finding:
    def title(key: str, language: str) -> str:
        return named[language][key] if named else message(language, f"driver_halo.{key}")

    def draw(language: str) -> Figure:
        names = [about.name(str(a), language) for a in first["attribute"]]
        legend = (title(heads[0], language), title(heads[1], language))
        return figures.pairs(first, second, names, legend, language=language)

    def tabulate(language: str) -> Block:
        columns = [message(language, "driver_table.attribute"), *(title(h, language) for h in heads)]
        body = [
            [about.name(str(a["attribute"]), language), *(tables.estimate_cell(r, language=language) for r in (a, b))]
            for (_, a), (_, b) in zip(first.iterrows(), second.iterrows(), strict=True)
        ]
        aligned = [(c, "left" if k == 0 else "right") for k, c in enumerate(columns)]
        return table(aligned, body, caption=message(language, f"{section}.caption"), open=False)

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=bars, inside=inside
    )  # fmt: skip


def _strongest(rows: pd.DataFrame) -> str:
    return str(rows["attribute"].iloc[int(np.nanargmax(rows["mean"].to_numpy(float)))])


def _likely_ranks(ranks: pd.DataFrame | None, attribute: str, about: About, language: str) -> str:
    """Write the ranks that hold nine tenths of the chance: "1", "2 to 4"."""
    if ranks is None:
        return "—"
    own = ranks[(ranks["item"] == about.outcome) & (ranks["attribute"] == attribute)].sort_values("rank")
    if own.empty or not known(own["mean"]).all():
        return "—"
    below = own["mean"].astype(float).cumsum().to_numpy()
    low, high = (int(own["rank"].iloc[int(np.searchsorted(below, q).clip(max=len(own) - 1))]) for q in (0.05, 0.95))
    return str(low) if low == high else message(language, "number.span", {"low": str(low), "high": str(high)})
