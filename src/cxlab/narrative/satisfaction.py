"""Findings on satisfaction: how high, did it change, where, since when, and how the answers are spread.

All take the tidy estimates table (`vocab.ESTIMATE_COLUMNS`) and say associations only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab import figures, tables
from cxlab.blocks import Block
from cxlab.catalogue import message
from cxlab.narrative.finding import Finding, Number, Statement, build, listed, note, small_print, tally
from cxlab.vocab import LANGUAGES, UNKNOWN
from cxlab.wording import Labels, certainty, is_number, known, metric_name, period_name, sentence, subject

_WEIGHTINGS = ("population", "survey", "none")  # the one that speaks for most people first
_CLEAR = 0.9  # probability from which a first rank is named without "we cannot tell"
_NAN = float("nan")


def select(
    estimates: pd.DataFrame,
    *,
    estimand: str,
    item: str = "",
    metric: str = "",
    level: str = "total",
    period: str = "",
    weighting: str = "",
) -> pd.DataFrame:
    """Return the rows of one estimand, in order of period.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates.
    estimand, item, metric, level, period : str
        Values to keep; an empty `item`, `metric` or `period` keeps all.
    weighting : str
        Empty takes the widest there is: population, else survey, else none.
    """
    rows = estimates[(estimates["estimand"] == estimand) & (estimates["level"] == level)]
    for column, value in (("item", item), ("metric", metric), ("period", period)):
        if value:
            rows = rows[rows[column] == value]
    chosen = weighting or next((w for w in _WEIGHTINGS if (rows["weighting"] == w).any()), "none")
    return rows[rows["weighting"] == chosen].sort_values("period", kind="stable").reset_index(drop=True)


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
        See `select`.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    csv : str
        Name of the site's CSV file with these rows.
    """
    now = select(estimates, estimand="level", period=period, weighting=weighting)
    now = now.sort_values("mean", ascending=False, kind="stable")
    now = pd.concat([now[now["metric"] == metric], now[now["metric"] != metric].sort_values("metric", kind="stable")])
    same = now[now["metric"] == metric].reset_index(drop=True)
    rows = same[same["item"] == item]
    past = select(estimates, estimand="level", metric=metric, weighting=weighting)
    earlier = sorted(p for p in past["period"].unique() if p < period)
    before = past[past["period"] == earlier[-1]].set_index("item").reindex(same["item"]) if earlier else None
    row = _first(rows)
    state = _state(row)
    names = _names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    numbers = {} if row is None or state else _estimate(row, "value", "span")
    statements = (Statement(f"level_finding.{state or 'was'}", names, numbers),)

    def draw(language: str) -> Figure:
        named = [labels.item(str(i), language) for i in same["item"]]
        return figures.intervals(same, named, language=language, previous=before)

    def tabulate(language: str) -> Block:
        caption = message(language, "level_finding.caption", _captions(metric, period, language))
        return tables.items_table(now, labels=labels, language=language, caption=caption, csv=csv)

    draw_it, tabulate_it = (None if state else draw), (tabulate if len(now) else None)
    return _finding(id, row, statements, languages, draw_it, tabulate_it, caption=_bars(before, earlier))


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
    levels = select(estimates, estimand="level", item=item, metric=metric, weighting=weighting)
    changes = select(estimates, estimand="change", item=item, metric=metric, weighting=weighting)
    levels, changes = levels[levels["period"] <= period], changes[changes["period"] <= period]
    row, now = _first(changes[changes["period"] == period]), _first(levels[levels["period"] == period])
    before = levels[levels["period"] < period]
    old = before.iloc[-1] if len(before) else None
    names = _names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    state = _state(row)
    if row is None or now is None or old is None or state == "none" or (not state and (_state(now) or _state(old))):
        row = now if _state(now) else row
        blocked = _state(now) if _state(now) in ("withheld", "suppressed") else ""
        key = blocked or ("first" if old is None else "none")
        statements: tuple[Statement, ...] = (Statement(f"change.{key}", names),)
    elif state:
        statements = (Statement(f"change.{state}", names),)
    else:
        statements = _change_statements(row, now, old, names, languages)

    def draw(language: str) -> Figure:
        return figures.trend(levels, language=language, changes=changes)

    def tabulate(language: str) -> Block:
        caption = message(language, "change.caption", {"metric": metric_name(metric, language=language)})
        return tables.periods_table(levels, changes, language=language, caption=caption, csv=csv)

    drawn = known(levels["mean"]).any()
    draw_it, tabulate_it = (draw if drawn else None), (tabulate if len(levels) else None)
    return _finding(id, row, statements, languages, draw_it, tabulate_it, caption=_band(changes))


def groups(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    level: str,
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "groups",
    csv: str = "",
) -> Finding:
    """Say who is highest and lowest among the groups of a level, and how sure the first rank is.

    Parameters are those of `level` (the function), and `level`: ``segment:<name>``, ``touchpoint`` or ``channel``.
    """
    what = {"item": item, "metric": metric, "level": level, "weighting": weighting}
    now = select(estimates, estimand="level", period=period, **what).sort_values("mean", ascending=False, kind="stable")
    best = select(estimates, estimand="p_rank_best", period=period, **what)
    past = select(estimates, estimand="level", **what)
    earlier = sorted(p for p in past["period"].unique() if p < period)
    before = past[past["period"] == earlier[-1]].set_index("group").reindex(now["group"]) if earlier else None
    named = (
        now[now["group"] != UNKNOWN] if (now["group"] != UNKNOWN).any() else now
    )  # "not stated" is no group to act on
    shown = named[known(named["mean"])]
    top = _first(shown)
    names = _names(languages, lambda lang: {"level": labels.level(level, lang)}, period=period)
    chance = _NAN
    if top is None:
        verdicts = set(now["verdict"])
        state = next((v for v in ("withheld", "suppressed") if v in verdicts), "none")
        statements: tuple[Statement, ...] = (Statement(f"groups.{state}", names),)
    else:
        last = shown.iloc[-1]
        for lang in languages:
            names[lang]["best"] = labels.group(level, str(top["group"]), lang)
            names[lang]["worst"] = labels.group(level, str(last["group"]), lang)
        numbers = _estimate(top, "value", "span")
        if len(shown) == 1:
            statements = (Statement("groups.single", names, numbers),)
        else:
            numbers |= _estimate(last, "worst_value", "worst_span")
            statements = (Statement("groups.range", names, numbers), Statement("groups.ranges", names, numbers))
            ranked = best[best["group"] == top["group"]]["mean"]
            chance = float(ranked.iloc[0]) if len(ranked) and is_number(ranked.iloc[0]) else _NAN
            if is_number(chance):
                sure = {lang: names[lang] | {"sure": certainty(chance, language=lang)} for lang in languages}
                key = "clear" if chance >= _CLEAR else "open"
                statements += (Statement(f"groups.{key}", sure, {"p": Number(chance, "probability", drawn=False)}),)
        hidden = int((~known(now["mean"])).sum())
        if hidden and not (now["verdict"] == "withheld").any():
            found = {"hidden": tally(hidden)}
            statements += (Statement("groups.hidden", names, found, quantity=hidden),)

    def draw(language: str) -> Figure:
        named = [labels.group(level, str(g), language) for g in now["group"]]
        return figures.intervals(now, named, language=language, previous=before)

    def tabulate(language: str) -> Block:
        fields = _captions(metric, period, language) | {"level": labels.level(level, language)}
        caption = message(language, "groups.caption", fields)
        return tables.groups_table(now, best, level=level, labels=labels, language=language, caption=caption, csv=csv)

    row = _total(now) if top is not None else _first(now)
    draw_it, tabulate_it = (None if top is None else draw), (tabulate if len(now) else None)
    return _finding(
        id, row, statements, languages, draw_it, tabulate_it, caption=_bars(before, earlier),
        verdict=None if top is None else "", association=len(shown) > 1,
    )  # fmt: skip


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
    levels = select(estimates, estimand="level", item=item, metric=metric, weighting=weighting)
    changes = select(estimates, estimand="change", item=item, metric=metric, weighting=weighting)
    if period:
        levels, changes = levels[levels["period"] <= period], changes[changes["period"] <= period]
    shown = levels[known(levels["mean"])]
    names = _names(languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)})
    real = changes[changes["verdict"].isin(["better", "worse"]) & known(changes["mean"])]
    row = levels.iloc[-1] if len(levels) else None
    if len(shown) < 2:
        states = {_state(r) for _, r in levels.iterrows()}
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
        return figures.trend(levels, language=language, changes=changes)

    def tabulate(language: str) -> Block:
        ends = levels["period"].astype(str).iloc[[0, -1]]
        fields = {"metric": metric_name(metric, language=language)}
        fields |= {k: period_name(p, language=language) for k, p in zip(("first_period", "period"), ends, strict=True)}
        return tables.periods_table(
            levels, changes, language=language, caption=message(language, "trend.caption", fields), csv=csv
        )

    draw_it, tabulate_it = (draw if len(shown) else None), (tabulate if len(levels) else None)
    verdict = "" if len(shown) else None
    return _finding(id, row, statements, languages, draw_it, tabulate_it, caption=_band(changes), verdict=verdict)


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
    names = _names(languages, lambda lang: {"item": labels.item(item, lang)}, period=period)
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
        return figures.codes(data, language=language, good_from=good, bad_to=bad)

    def tabulate(language: str) -> Block:
        sums = [(message(language, "codes.top_row", {"from": f"{good:g}"}), top)]
        sums += [(message(language, "codes.low_row"), low)] if net_promoter else []
        return tables.codes_table(data, language=language, caption=captions[language], sums=sums, csv=csv)

    def legend(language: str) -> str:
        return sentence(message(language, "figure.before")) if "previous" in data else ""

    return build(id, (statement,), languages, note=say, caption=legend, draw=draw, tabulate=tabulate)


def _bars(before: pd.DataFrame | None, earlier: Sequence[str]) -> Callable[[str], str]:
    """Return the legend of an interval figure."""

    def legend(language: str) -> str:
        parts = [message(language, "figure.interval")]
        if before is not None:
            fields = {"period": period_name(str(earlier[-1]), language=language)}
            parts.append(message(language, "figure.previous", fields))
        return small_print(language, parts)

    return legend


def _band(changes: pd.DataFrame) -> Callable[[str], str]:
    """Return the legend of a trend."""

    def legend(language: str) -> str:
        real = changes["verdict"].isin(["better", "worse"]).any()
        parts = [message(language, "figure.band"), message(language, "figure.changed") if real else ""]
        return small_print(language, parts)

    return legend


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
    return statements


def _first(rows: pd.DataFrame) -> pd.Series | None:
    return rows.iloc[0] if len(rows) else None


def _total(rows: pd.DataFrame) -> pd.Series:
    """Return a row of the groups together: their answers, the interval's kind and the weighting."""
    whole = rows.iloc[0].copy()
    whole["n"] = rows["n"].sum(min_count=1)
    return whole


def _state(row: pd.Series | None) -> str:
    """Return why a row has no number to speak of: ``withheld``, ``suppressed``, ``none``; empty if it has one."""
    if row is None:
        return "none"
    if row["verdict"] in ("withheld", "suppressed"):
        return str(row["verdict"])
    return "" if is_number(row["mean"]) else "none"


def _estimate(row: pd.Series, value: str, interval: str) -> dict[str, Number]:
    metric = str(row["metric"])
    found = {value: Number(float(row["mean"]), metric)}
    return found | {interval: Number(float(row["ci_low"]), metric, high=float(row["ci_high"]))}


def _names(
    languages: Sequence[str], more: Callable[[str], dict[str, str]], *, period: str = ""
) -> dict[str, dict[str, str]]:
    return {lang: {"period": period_name(period, language=lang)} | more(lang) for lang in languages}


def _captions(metric: str, period: str, language: str) -> dict[str, str]:
    return {"metric": metric_name(metric, language=language), "period": period_name(period, language=language)}


def _finding(
    id: str,
    row: pd.Series | None,
    statements: tuple[Statement, ...],
    languages: Sequence[str],
    draw: Callable[[str], Figure] | None,
    tabulate: Callable[[str], Block] | None,
    *,
    caption: Callable[[str], str] | None = None,
    verdict: str | None = None,
    association: bool = False,
) -> Finding:
    silent = row is None or not is_number(row["mean"])

    def say(language: str) -> str:
        if row is None:
            return ""
        if silent:
            return note(language, n=row["n"])
        text = note(language, n=row["n"], ci_prob=row["ci_prob"], weighting=str(row["weighting"]))
        return small_print(language, [text, message(language, "note.association") if association else ""])

    own = str(row["verdict"] or "") if row is not None else ""
    chosen = own if verdict is None else verdict
    return build(id, statements, languages, verdict=chosen, note=say, caption=caption, draw=draw, tabulate=tabulate)
