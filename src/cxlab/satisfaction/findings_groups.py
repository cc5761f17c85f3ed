"""Findings on groups: which is highest and lowest, how sure the ranks are, and who differs from the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report import rows as tell
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, listed, small_print, tally
from cxlab.report.format import Labels, certainty, count, is_number, known
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES, UNKNOWN

_CLEAR: Final = 0.9  # probability from which a first or last rank is named without "we cannot tell"
MOST_ROWS: Final = 40  # of a figure or table; of more groups the first and the last ones are shown


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
    """Say who is highest and lowest among the groups of a level, and how sure the first and the last rank are.

    Parameters are those of `satisfaction.level`, and `level`: ``segment:<name>``, ``touchpoint`` or ``channel``.
    """
    what = {"item": item, "metric": metric, "level": level, "weighting": weighting}
    every = tell.select(estimates, estimand="level", period=period, **what)
    every = every.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    ranks = {e: tell.select(estimates, estimand=e, period=period, **what) for e in tables.RANKS}
    past = tell.select(estimates, estimand="level", **what)
    earlier = sorted(p for p in past["period"].unique() if p < period)
    stated = every[every["group"] != UNKNOWN]  # "not stated" is no group to act on
    named = stated if len(stated) else every
    shown = named[known(named["mean"])]
    now = _ends(every, shown)
    before = past[past["period"] == earlier[-1]].set_index("group").reindex(now["group"]) if earlier else None
    top = tell.first(shown)
    names = tell.names(languages, lambda lang: {"level": labels.level(level, lang)}, period=period)
    if top is None:
        statements: tuple[Statement, ...] = (Statement(f"groups.{_why(every, level)}", names),)
    else:
        last = shown.iloc[-1]
        for lang in languages:
            names[lang]["best"] = labels.group(level, str(top["group"]), lang)
            names[lang]["worst"] = labels.group(level, str(last["group"]), lang)
        numbers = tell.estimate(top, "value", "span")
        if len(shown) == 1:
            statements = (Statement("groups.single", names, numbers),)
        else:
            numbers |= tell.estimate(last, "worst_value", "worst_span")
            statements = (Statement("groups.range", names, numbers), Statement("groups.ranges", names, numbers))
            statements += _sure("p", "", ranks["p_rank_best"], str(top["group"]), names)
            statements += _sure("q", "_lowest", ranks["p_rank_worst"], str(last["group"]), names)
        hidden = int((~known(every["mean"])).sum())
        if hidden and not (every["verdict"] == "withheld").any():
            found = {"hidden": tally(hidden)}
            statements += (Statement("groups.hidden", names, found, quantity=hidden),)

    def draw(language: str) -> Figure:
        rows = [labels.group(level, str(g), language) for g in now["group"]]
        return charts.intervals(now, rows, language=language, previous=before)

    def tabulate(language: str) -> Block:
        fields = tell.captions(metric, period, language) | {"level": labels.level(level, language)}
        caption = message(language, "groups.caption", fields)
        return tables.groups_table(now, ranks, level=level, labels=labels, language=language, caption=caption, csv=csv)

    row = tell.together(every) if top is not None else tell.first(every)
    draw_it, tabulate_it = (None if top is None else draw), (tabulate if len(now) else None)
    return tell.finding(
        id, row, statements, languages, draw_it, tabulate_it, caption=_legend(before, earlier, len(shown) - len(now)),
        verdict=None if top is None else "", association=len(shown) > 1,
    )  # fmt: skip


def differences(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    level: str,
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
    id: str = "differences",
    csv: str = "",
) -> Finding:
    """Say which groups of a level are clearly above or below all the others together.

    Parameters are those of `groups`.
    """
    every = tell.select(
        estimates, estimand="difference", item=item, metric=metric, level=level, period=period, weighting=weighting
    )
    every = every[every["group"] != UNKNOWN].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    shown = every[known(every["mean"])]
    now = _ends(every, shown)
    names = tell.names(languages, lambda lang: {"level": labels.level(level, lang)}, period=period)
    if shown.empty:
        statements: tuple[Statement, ...] = (Statement(f"differences.{_why(every, level)}", names),)
    else:
        clear = shown[shown["verdict"].isin(["better", "worse"])]
        for lang in languages:
            for key, verdict in (("higher", "better"), ("lower", "worse")):
                found = clear[clear["verdict"] == verdict]["group"]
                quoted = [message(lang, "list.quoted", {"name": labels.group(level, str(g), lang)}) for g in found]
                names[lang][key] = listed(quoted, lang)
        above, below = ((clear["verdict"] == v).any() for v in ("better", "worse"))
        key = "both" if above and below else "higher" if above else "lower" if below else "nobody"
        statements = (Statement(f"differences.{key}", names),)
        if len(clear):
            far = clear.iloc[int(clear["mean"].abs().to_numpy().argmax())]
            for lang in languages:
                names[lang]["farthest"] = labels.group(level, str(far["group"]), lang)
            signed = {
                "value": Number(float(far["mean"]), metric, signed=True),
                "span": Number(float(far["ci_low"]), metric, high=float(far["ci_high"]), signed=True),
            }
            statements += (Statement("differences.farthest", names, signed),)
        rest = len(shown) - len(clear)
        if len(clear) and rest:
            statements += (Statement("differences.rest", names, {"rest": tally(rest)}, quantity=rest),)

    def draw(language: str) -> Figure:
        rows = [labels.group(level, str(g), language) for g in now["group"]]
        return charts.intervals(now, rows, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        fields = tell.captions(metric, period, language) | {"level": labels.level(level, language)}
        caption = message(language, "differences.caption", fields)
        return tables.differences_table(now, level=level, labels=labels, language=language, caption=caption, csv=csv)

    row = tell.together(every) if len(shown) else tell.first(every)
    draw_it, tabulate_it = (draw if len(shown) else None), (tabulate if len(every) else None)
    return tell.finding(
        id, row, statements, languages, draw_it, tabulate_it, caption=_legend(None, (), len(shown) - len(now)),
        verdict=None if shown.empty else "", association=len(shown) > 1,
    )  # fmt: skip


def _why(rows: pd.DataFrame, level: str) -> str:
    """Return why there is nothing to compare; ``alone`` where the data tell no groups apart."""
    if rows.empty and level in ("", "auto", "total"):
        return "alone"
    return next((v for v in ("withheld", "suppressed") if v in set(rows["verdict"])), "none")


def _ends(every: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Return all rows, or the first and the last of those with a number where they are too many to read."""
    if len(every) <= MOST_ROWS:
        return every
    half = MOST_ROWS // 2
    return shown if len(shown) <= MOST_ROWS else pd.concat([shown.head(half), shown.tail(half)])


def _legend(before: pd.DataFrame | None, earlier: Sequence[str], folded: int) -> Callable[[str], str]:
    bars = tell.bars(before, earlier)

    def legend(language: str) -> str:
        more = message(language, "groups.folded", {"n": count(folded)}) if folded > 0 else ""
        return small_print(language, [bars(language), more])

    return legend


def _sure(
    field: str, end: str, ranks: pd.DataFrame, group: str, names: dict[str, dict[str, str]]
) -> tuple[Statement, ...]:
    """Say how sure a group's first or last rank is."""
    ranked = ranks[ranks["group"] == group]["mean"]
    chance = float(ranked.iloc[0]) if len(ranked) and is_number(ranked.iloc[0]) else float("nan")
    if not is_number(chance):
        return ()
    sure = {lang: named | {"sure": certainty(chance, language=lang)} for lang, named in names.items()}
    key = "clear" if chance >= _CLEAR else "open"
    return (Statement(f"groups.{key}{end}", sure, {field: Number(chance, "probability", drawn=False)}),)
