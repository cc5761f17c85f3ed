"""Findings on moments of truth: what a bad experience goes with, one bad experience, peak and end, age.

All take the tidy table ``journey_estimates`` as the writer returned it and what the data hold (`cxlab.journey.fits`); a
question that the data cannot answer gets one sentence that says what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.journey import figures as drawing
from cxlab.journey import findings_common
from cxlab.journey.fits import RATING, Journeys
from cxlab.journey.tenure import EDGES
from cxlab.report import charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed, tally
from cxlab.report.format import Labels, count, is_number, known, probability
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES

_NAN: Final = float("nan")
_SURE: Final = 0.975  # probability from which peak and end are said to count, or not to


def moments(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "moments"
) -> Finding:
    """Say at which touchpoint a bad experience goes with most loss of satisfaction, and with leaving.

    Parameters
    ----------
    table : DataFrame
        Rows of ``journey_estimates``.
    found : Journeys
        What the data hold.
    labels : Labels
        The client's names.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    """
    lost, gone = (findings_common.of(table, e) for e in ("mot_satisfaction", "mot_leaving"))
    if lost.empty and gone.empty:
        return findings_common.missing(id, "moments", found.missing.get("satisfaction", "no_experience"), languages)
    blocked = findings_common.blocked(pd.concat([lost, gone]))
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    both = _both(lost, gone)
    statements: list[Statement] = []
    clear = lost[lost["verdict"] == "worse"].sort_values("mean")
    if len(clear):
        worst = clear.iloc[0]
        pair = _pair(table, worst, "satisfaction")
        own = {lang: {"name": findings_common.moment(worst, labels, lang)} for lang in languages}
        drawn = both.empty or _same(both, worst) is not None
        numbers = {"bad": pair[0], "good": pair[1], "span": findings_common.span(worst, drawn=drawn)}
        statements.append(Statement("journey_moments.lead", own, numbers))
        rest = [r for _, r in clear.iloc[1:].iterrows()]
        if rest:
            said = {
                lang: {"list": listed([findings_common.moment(r, labels, lang) for r in rest], lang)}
                for lang in languages
            }
            statements.append(Statement("journey_moments.others", said))
    elif len(lost):
        statements.append(Statement("journey_moments.none"))
    statements += _leaving_statements(table, gone, both, found, labels, languages)

    def draw(language: str) -> Figure:
        if len(both):
            return drawing.effect_map(both, [findings_common.moment(r, labels, language) for _, r in both.iterrows()],
                                      language=language)  # fmt: skip
        rows = (lost if len(lost) else gone).assign(estimand="difference")
        named = [findings_common.moment(r, labels, language) for _, r in rows.iterrows()]
        return charts.intervals(rows, named, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        heads = ("touchpoint", "satisfied_good", "satisfied_bad", "satisfied", "leave_good", "leave_bad", "leave", "n")
        body = []
        for _, row in _union(lost, gone).iterrows():
            cells = [findings_common.moment(row, labels, language)]
            for rows, ending in ((lost, "satisfaction"), (gone, "leaving")):
                own = _same(rows, row)
                pair = _pair(table, row, ending)
                cells += [
                    pair[1].text(language),
                    pair[0].text(language),
                    findings_common.cell(own, language, signed=True),
                ]
            body.append([*cells, count(row["n"])])
        return findings_common.table("journey_moments", heads, body, language)

    shown = pd.concat([lost, gone])
    return build(
        id, statements, languages, note=findings_common.noted(shown, "journey_moments.note", unit="experiences"),
        caption=lambda lang: message(lang, "journey_moments.legend" if len(both) else "figure.interval"),
        draw=draw if known(shown["mean"]).any() else None, tabulate=tabulate,
    )  # fmt: skip


def one_bad(
    table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "one_bad"
) -> Finding:
    """Say what one bad experience goes with in leaving, adjusted, beside the folk figure. Parameters: see `moments`."""
    rows = {
        e: findings_common.of(table, e)
        for e in ("one_bad", "one_bad_raw", "one_bad_folk", "one_bad_after", "one_bad_without")
    }
    if rows["one_bad"].empty or found.horizon is None:
        return findings_common.missing(id, "one_bad", found.missing.get("one_bad", "no_bad"), languages)
    blocked = findings_common.blocked(rows["one_bad"])
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    basis = str(rows["one_bad"][known(rows["one_bad"]["mean"])]["basis"].iloc[-1])  # outcomes before ratings
    own = {e: r[r["basis"] == basis].iloc[0] for e, r in rows.items()}
    adjusted, raw = own["one_bad"], own["one_bad_raw"]
    weeks = {"weeks": tally(round(found.horizon.days / 7))}
    verdict = str(adjusted["verdict"])
    levels = {k: findings_common.share(own[e]) for k, e in (("after", "one_bad_after"), ("without", "one_bad_without"))}
    plain_numbers = {"folk": findings_common.share(own["one_bad_folk"]), "raw_span": findings_common.span(raw)}
    statements = [
        Statement(f"journey_one_bad.{verdict}", {}, weeks | levels | {"span": findings_common.span(adjusted)}),
        Statement("journey_one_bad.folk", {}, plain_numbers),
        Statement(f"journey_one_bad.{found.horizon.kind}", {}, weeks),
    ]
    both = pd.DataFrame([raw, adjusted]).assign(estimand="difference")

    def heads(language: str) -> list[str]:
        return [message(language, f"journey_one_bad.{k}") for k in ("raw", "adjusted")]

    def draw(language: str) -> Figure:
        return charts.intervals(both, heads(language), language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        ends = [("one_bad_folk", None), ("one_bad_after", "one_bad_without")]
        body = []
        for name, row, (bad, good) in zip(heads(language), (raw, adjusted), ends, strict=True):
            cells = [
                findings_common.share(own[bad]).text(language),
                "" if good is None else findings_common.share(own[good]).text(language),
            ]
            chance = probability(float(row["prob_gt_ref"]), language=language)
            body.append([name, *cells, findings_common.cell(row, language, signed=True), chance, count(row["n_all"])])
        return findings_common.table(
            "journey_one_bad", ("figure", "bad", "good", "difference", "more", "n"), body, language
        )

    return build(
        id, statements, languages, verdict=verdict,
        note=findings_common.noted(both, f"journey_one_bad.{_word(basis)}", unit="experiences"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def peak_end(
    table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "peak_end"
) -> Finding:
    """Say whether the worst, best and last experience count beyond the average. Parameters: see `moments`."""
    parts, over, gain = (findings_common.of(table, e) for e in ("peak_end", "peak_end_over_mean", "peak_end_gain"))
    if parts.empty or gain.empty:
        return findings_common.missing(id, "peak_end", found.missing.get("peak_end", "no_three"), languages)
    blocked = findings_common.blocked(parts)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    by = {str(r["group"]): r for _, r in parts.iterrows()}
    chance = float(gain["prob_gt_ref"].iloc[0])
    key = "yes" if chance > _SURE else "no" if chance < 1 - _SURE else "cannot_tell"
    numbers = {"p": Number(chance, "probability", drawn=False, tabled=False)}
    levels = {k: Number(float(by[k]["mean"]), "share", signed=True) for k in ("mean", "last", "worst")}
    levels |= {f"{k}_span": findings_common.span(by[k]) for k in ("last", "worst")}
    statements = [Statement(f"journey_peak_end.{key}", {}, numbers), Statement("journey_peak_end.parts", {}, levels)]

    def names(language: str) -> list[str]:
        return [message(language, f"journey_peak_end.{p}") for p in parts["group"]]

    def draw(language: str) -> Figure:
        return charts.intervals(parts.assign(estimand="difference"), names(language), language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        more = over.set_index("group")["prob_gt_ref"]
        body = [
            [
                name,
                findings_common.cell(row, language, signed=True),
                probability(float(more.get(row["group"], _NAN)), language=language),
            ]
            for name, (_, row) in zip(names(language), parts.iterrows(), strict=True)
        ]
        return findings_common.table("journey_peak_end", ("part", "effect", "over"), body, language)

    return build(
        id, statements, languages, verdict="cannot_tell" if key == "cannot_tell" else "",
        note=findings_common.noted(parts, "journey_peak_end.note", unit="answers"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def age(table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "age") -> Finding:
    """Say whether old relationships are more satisfied than young ones. Parameters: see `moments`."""
    rows, over = (findings_common.of(table, e) for e in ("tenure", "tenure_change"))
    if rows.empty or len(rows) < 2:
        return findings_common.missing(id, "age", found.missing.get("tenure", "no_since"), languages)
    blocked = findings_common.blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    order = rows["group"].astype(int).sort_values(kind="stable").index
    rows = rows.loc[order].reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    if len(shown) < 2:
        return findings_common.missing(id, "age", "one_age", languages)
    first, last = shown.iloc[0], shown.iloc[-1]
    change = findings_common.first(over[over["group"] == last["group"]])
    names = {lang: {"young": _age(str(first["group"]), lang), "old": _age(str(last["group"]), lang)}
             for lang in languages}  # fmt: skip
    verdict = "" if change is None else str(change["verdict"])
    numbers = {"first": findings_common.share(first), "last": findings_common.share(last)}
    statements = [Statement(f"journey_age.{verdict or 'plain'}", names, numbers)]
    if change is not None and is_number(change["mean"]) and str(first["group"]) == str(rows["group"].iloc[0]):
        span = Number(float(change["ci_low"]), "share", float(change["ci_high"]), signed=True, drawn=False)
        statements.append(Statement("journey_age.difference", names, {"span": span}))

    def draw(language: str) -> Figure:
        return drawing.ages(rows, [_age(str(g), language) for g in rows["group"]], language=language)

    def tabulate(language: str) -> Block:
        body = []
        for _, row in rows.iterrows():
            own = findings_common.first(over[over["group"] == row["group"]])
            cells = [
                _age(str(row["group"]), language),
                findings_common.cell(row, language),
                findings_common.cell(own, language, signed=True),
            ]
            body.append([*cells, count(row["n"])])
        return findings_common.table("journey_age", ("age", "share", "difference", "n"), body, language)

    return build(
        id, statements, languages, verdict=verdict, note=findings_common.noted(rows, "journey_age.note"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def _leaving_statements(
    table: pd.DataFrame,
    gone: pd.DataFrame,
    both: pd.DataFrame,
    found: Journeys,
    labels: Labels,
    languages: Sequence[str],
) -> list[Statement]:
    if gone.empty or found.horizon is None:
        reason = found.missing.get("leaving", "no_followed")
        said = {lang: {"reason": message(lang, f"journey_reason.{reason}")} for lang in languages}
        return [Statement("journey_missing.leaving", said)]
    weeks = {"weeks": tally(round(found.horizon.days / 7))}
    clear = gone[gone["verdict"] == "worse"].sort_values("mean", ascending=False)
    if clear.empty:
        return [Statement("journey_moments.leaving_none", {}, weeks)]
    worst = clear.iloc[0]
    pair = _pair(table, worst, "leaving")
    own = {lang: {"name": findings_common.moment(worst, labels, lang)} for lang in languages}
    span = findings_common.span(worst, drawn=len(both) > 0 and _same(both, worst) is not None)
    numbers = weeks | {"leave_bad": pair[0], "leave_good": pair[1], "leave_span": span}
    return [Statement("journey_moments.leaving", own, numbers)]


def _same(rows: pd.DataFrame, row: pd.Series) -> pd.Series | None:
    return findings_common.first(rows[(rows["touchpoint"] == row["touchpoint"]) & (rows["basis"] == row["basis"])])


def _union(lost: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([lost, gone]).drop_duplicates(["touchpoint", "basis"]).reset_index(drop=True)


def _both(lost: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Places whose effects on satisfaction and on leaving are both known, as the map wants them."""
    keys = ["touchpoint", "basis"]
    pairs = lost[known(lost["mean"])].merge(gone[known(gone["mean"])], on=keys, suffixes=("_s", "_l"))
    wanted = {f"{c}_{side}": f"{axis}{end}" for side, axis in (("s", "x"), ("l", "y"))
              for c, end in (("mean", ""), ("ci_low", "_low"), ("ci_high", "_high"))}  # fmt: skip
    return pairs.rename(columns=wanted)[[*keys, *wanted.values()]]


def _pair(table: pd.DataFrame, row: pd.Series, ending: str) -> tuple[Number, Number]:
    """The standardised shares after a bad and after a good experience."""
    found = [_same(findings_common.of(table, f"after_{k}_{ending}"), row) for k in ("bad", "good")]
    bad, good = (
        Number(_NAN, "share", drawn=False) if r is None else findings_common.share(r, drawn=False) for r in found
    )
    return bad, good


def _age(days: str, language: str) -> str:
    return message(language, f"journey_age.step_{EDGES.index(int(days))}")


def _word(basis: str) -> str:
    return "by_rating" if basis == RATING else "by_outcome"
