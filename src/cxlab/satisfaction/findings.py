"""Findings on satisfaction: how high, did it change, since when, and how the answers are spread.

All take the tidy estimates table (`vocab.ESTIMATE_COLUMNS`) and say associations only. `groups` compares groups,
`heard` tells whom the answers stand for, `ahead` what is expected next.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report import rows as tell
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed, note, small_print, tally
from cxlab.report.format import Labels, certainty, is_number, known, metric_name, period_name, sentence, subject
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES

_NAN = float("nan")


def level(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "level",
    csv: str = "",
    sensitivity: Finding | None = None,
    every_metric: bool = True,
) -> Finding:
    """Say how high a metric is in a period, beside the other questions of the same measure.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates.
    labels : Labels
        The client's names.
    item, metric, period : str
        What to speak of.
    weighting : str
        See `tell.select`.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    csv : str
        Name of the site's CSV file with these rows.
    sensitivity : Finding, optional
        What those who did not answer could change (`silent.sensitivity`): told within this finding.
    every_metric : bool
        Whether the table lists all measures or only this one.
    """
    now = tell.select(estimates, estimand="level", period=period, weighting=weighting)
    now = now.sort_values("mean", ascending=False, kind="stable")
    now = pd.concat([now[now["metric"] == metric], now[now["metric"] != metric].sort_values("metric", kind="stable")])
    same = now[now["metric"] == metric].reset_index(drop=True)
    rows = same[same["item"] == item]
    past = tell.select(estimates, estimand="level", metric=metric, weighting=weighting)
    earlier = sorted(p for p in past["period"].unique() if p < period)
    before = past[past["period"] == earlier[-1]].set_index("item").reindex(same["item"]) if earlier else None
    row = tell.first(rows)
    state = tell.state(row)
    names = tell.names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    numbers = {} if row is None or state else tell.estimate(row, "value", "span")
    statements = (Statement(f"level_finding.{state or 'was'}", names, numbers),)

    def draw(language: str) -> Figure:
        named = [labels.item(str(i), language) for i in same["item"]]
        return charts.intervals(same, named, language=language, previous=before)

    def tabulate(language: str) -> Block:
        caption = message(language, "level_finding.caption", tell.captions(metric, period, language))
        listed_rows = now if every_metric else same
        return tables.items_table(listed_rows, labels=labels, language=language, caption=caption, csv=csv)

    draw_it, tabulate_it = (None if state else draw), (tabulate if len(now) else None)
    within = () if sensitivity is None or state else (sensitivity,)
    legend = tell.bars(before, earlier)
    return tell.finding(id, row, statements, languages, draw_it, tabulate_it, caption=legend, inside=within)


def change(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "change",
    csv: str = "",
) -> Finding:
    """Say whether a metric changed since the period before; the figure shows all periods up to this one.

    Parameters are those of `level`.
    """
    levels = tell.select(estimates, estimand="level", item=item, metric=metric, weighting=weighting)
    changes = tell.select(estimates, estimand="change", item=item, metric=metric, weighting=weighting)
    levels, changes = levels[levels["period"] <= period], changes[changes["period"] <= period]
    row, now = tell.first(changes[changes["period"] == period]), tell.first(levels[levels["period"] == period])
    before = levels[levels["period"] < period]
    old = before.iloc[-1] if len(before) else None
    names = tell.names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    state = tell.state(row)
    if (
        row is None
        or now is None
        or old is None
        or state == "none"
        or (not state and (tell.state(now) or tell.state(old)))
    ):
        row = now if tell.state(now) else row
        blocked = tell.state(now) if tell.state(now) in ("withheld", "suppressed") else ""
        key = blocked or ("first" if old is None else "none")
        statements: tuple[Statement, ...] = (Statement(f"change.{key}", names),)
    elif state:
        statements = (Statement(f"change.{state}", names),)
    else:
        statements = _change_statements(row, now, old, names, languages)

    def draw(language: str) -> Figure:
        return charts.trend(levels, language=language, changes=changes)

    def tabulate(language: str) -> Block:
        caption = message(language, "change.caption", {"metric": metric_name(metric, language=language)})
        return tables.periods_table(levels, changes, language=language, caption=caption, csv=csv)

    drawn = known(levels["mean"]).any()
    draw_it, tabulate_it = (draw if drawn else None), (tabulate if len(levels) else None)
    return tell.finding(id, row, statements, languages, draw_it, tabulate_it, caption=tell.band(changes))


def trend(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str = "",
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "trend",
    csv: str = "",
) -> Finding:
    """Say which of all changes from period to period are real. Parameters are those of `level`."""
    levels = tell.select(estimates, estimand="level", item=item, metric=metric, weighting=weighting)
    changes = tell.select(estimates, estimand="change", item=item, metric=metric, weighting=weighting)
    if period:
        levels, changes = levels[levels["period"] <= period], changes[changes["period"] <= period]
    shown = levels[known(levels["mean"])]
    names = tell.names(languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)})
    real = changes[changes["verdict"].isin(["better", "worse"]) & known(changes["mean"])]
    row = levels.iloc[-1] if len(levels) else None
    if len(shown) < 2:
        states = {tell.state(r) for _, r in levels.iterrows()}
        state = next((s for s in ("withheld", "suppressed") if s in states and not len(shown)), "short")
        statements: tuple[Statement, ...] = (Statement(f"trend.{state}", names),)
    else:
        first, last = shown.iloc[0], shown.iloc[-1]
        for lang in languages:
            names[lang]["first_period"] = period_name(str(first["period"]), language=lang)
            names[lang]["period"] = period_name(str(last["period"]), language=lang)
            moves = [_move(r, lang) for _, r in real.iterrows()]
            names[lang]["list"] = listed(moves, lang)
        ends = {"first": Number(float(first["mean"]), metric), "value": Number(float(last["mean"]), metric)}
        statements = (Statement("trend.course", names, ends),)
        if len(real):
            found = {"total": tally(known(changes["mean"]).sum()), "real": tally(len(real))}
            statements += (Statement("trend.some", names, found, quantity=len(real)),)
        else:
            statements += (Statement("trend.none", names),)

    def draw(language: str) -> Figure:
        return charts.trend(levels, language=language, changes=changes)

    def tabulate(language: str) -> Block:
        ends = levels["period"].astype(str).iloc[[0, -1]]
        fields = {"metric": metric_name(metric, language=language)}
        fields |= {k: period_name(p, language=language) for k, p in zip(("first_period", "period"), ends, strict=True)}
        return tables.periods_table(
            levels, changes, language=language, caption=message(language, "trend.caption", fields), csv=csv
        )

    draw_it, tabulate_it = (draw if len(shown) else None), (tabulate if len(levels) else None)
    verdict = "" if len(shown) else None
    return tell.finding(
        id, row, statements, languages, draw_it, tabulate_it, caption=tell.band(changes), verdict=verdict
    )


def codes(
    shares: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    period: str,
    satisfied_from: float | None = None,
    net_promoter: bool = False,
    languages: Sequence[str] = LANGUAGES,
    id: str = "codes",
    csv: str = "",
) -> Finding:
    """Say how the answers to a question are spread over its scale.

    Parameters
    ----------
    shares : DataFrame
        Columns ``code``, ``share`` (0-1; missing when suppressed), ``n`` and, optionally, ``previous`` (0-1).
    labels : Labels
    item, period : str
    satisfied_from : float, optional
        Code from which an answer counts as satisfied; needed unless `net_promoter`.
    net_promoter : bool
        Whether it is a recommend question from 0 to 10.
    languages, id, csv
        As in `level`.
    """
    data = shares[known(shares["share"])].sort_values("code")
    names = tell.names(languages, lambda lang: {"item": labels.item(item, lang)}, period=period)
    good = 9.0 if net_promoter else satisfied_from
    bad = 6.0 if net_promoter else None
    captions = {lang: message(lang, "codes.caption", names[lang]) for lang in languages}
    if data.empty or good is None:
        key = "suppressed" if len(shares) else "none"
        said = (Statement(f"codes.{key}", names),)
        return build(id, said, languages, verdict="suppressed" if len(shares) else "")
    share = data.set_index("code")["share"].astype(float)
    top = float(share[share.index >= good].sum())
    low = float(share[share.index <= 6].sum() if net_promoter else share.iloc[0])
    numbers = {"top": Number(top, "share", drawn=False), "low": Number(low, "share", drawn=False)}
    for lang in languages:
        names[lang]["from"] = f"{good:g}"
    statement = Statement("codes.nps" if net_promoter else "codes.satisfied", names, numbers)

    def say(language: str) -> str:
        return small_print(language, [note(language, n=data["n"].sum(min_count=1)), message(language, "codes.raw")])

    def draw(language: str) -> Figure:
        return charts.codes(data, language=language, good_from=good, bad_to=bad)

    def tabulate(language: str) -> Block:
        sums = [(message(language, "codes.top_row", {"from": f"{good:g}"}), top)]
        sums += [(message(language, "codes.low_row"), low)] if net_promoter else []
        return tables.codes_table(data, language=language, caption=captions[language], sums=sums, csv=csv)

    def legend(language: str) -> str:
        return sentence(message(language, "figure.before")) if "previous" in data else ""

    return build(id, (statement,), languages, note=say, caption=legend, draw=draw, tabulate=tabulate)


def _move(row: pd.Series, language: str) -> str:
    key = "trend.rise" if row["mean"] > 0 else "trend.fall"
    return message(language, key, {"period": period_name(str(row["period"]), language=language)})


def _change_statements(
    row: pd.Series, now: pd.Series, old: pd.Series, names: dict[str, dict[str, str]], languages: Sequence[str]
) -> tuple[Statement, ...]:
    metric, verdict, size = str(row["metric"]), str(row["verdict"]), float(row["mean"])
    way = "rose" if size > 0 else "fell"
    chance = tables.direction(float(row["prob_gt_ref"]), size)
    ends = {"previous": Number(float(old["mean"]), metric), "value": Number(float(now["mean"]), metric)}
    if verdict in ("better", "worse"):
        likely = {"span": Number(float(now["ci_low"]), metric, high=float(now["ci_high"]))}
        statements: tuple[Statement, ...] = (Statement(f"change.{way}", names, ends | likely),)
    else:
        low, high = float(row["ci_low"]), float(row["ci_high"])
        likely = {"change_span": Number(low, metric, high=high, signed=True, drawn=False)}
        key = "no_real_change" if verdict == "no_real_change" else "cannot_tell"
        statements = (Statement(f"change.{key}", names, ends), Statement("change.difference", names, likely))
    if verdict != "no_real_change" and is_number(chance):
        sure = {lang: names[lang] | {"sure": certainty(chance, language=lang)} for lang in languages}
        found = {"p": Number(chance, "probability", drawn=False)}
        statements += (Statement(f"change.sure_{way}", sure, found),)
    large = float(row["prob_practical"]) if is_number(row.get("prob_practical")) else _NAN
    if verdict != "no_real_change" and is_number(large):
        statements += (Statement("change.large", names, {"large": Number(large, "probability", drawn=False)}),)
    return statements
