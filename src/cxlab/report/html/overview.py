"""The index of a report: each brand's headline number with its interval, its change, its words and its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from markupsafe import Markup

from cxlab.report import blocks, format
from cxlab.report.html.context import Link
from cxlab.report.html.exporter import set_page
from cxlab.report.html.wording import words
from cxlab.report.messages import languages as catalogues
from cxlab.report.messages import message
from cxlab.vocab import Status

# The number a unit is known by: the first of these that was asked about, over all customers.
_METRICS: Final = ("nps", "csat", "mean", "ces", "top_box")
_ITEMS: Final = ("nps", "overall", "ces")
_WEIGHTINGS: Final = ("population", "survey", "none")


@dataclass(frozen=True)
class Headline:
    """One unit's headline estimate, on the tidy scale (shares 0-1, NPS -100..100).

    Attributes
    ----------
    metric : str
        Metric of `vocab.METRICS`.
    mean, low, high : float
        Level with its interval; NaN where withheld or suppressed.
    previous : float or None
        Level of the period before.
    change, change_low, change_high : float or None
        Difference from the period before.
    verdict : str
        Verdict of the change, or of the level where that is withheld or suppressed.
    n : int
        Answers.
    """

    metric: str
    mean: float
    low: float
    high: float
    previous: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    verdict: str
    n: int


@dataclass(frozen=True)
class PageState:
    """How one notebook of a unit ended, and where to look."""

    link: Link
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One unit on the index."""

    label: str
    href: str
    headline: Headline | None
    sentence: str
    pages: tuple[PageState, ...]


@dataclass(frozen=True)
class Group:
    """All units of one period, newest period first on the index; `shared` holds those over all brands or periods."""

    label: str
    rows: tuple[Row, ...]
    shared: bool = False


def headline(estimates: pd.DataFrame, *, brand: str, period: str, first: tuple[str, str] = ("", "")) -> Headline | None:
    """Return the headline number of a unit from its tidy estimates.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `vocab.ESTIMATE_COLUMNS`; other brands and later periods are ignored.
    brand, period : str
        Ids of the unit.
    first : (item, metric)
        The measure to take if it is there.

    Returns
    -------
    Headline or None
        None if there is no level over all customers for this period.
    """
    total = estimates[
        (estimates["level"] == "total") & (estimates["brand"].astype(str) == brand) & (estimates["period"] <= period)
    ]
    levels = total[(total["estimand"] == "level") & (total["period"] == period)]
    if levels.empty:
        return None
    keys = list(zip(levels["metric"], levels["item"], levels["weighting"], strict=True))
    wanted = [tuple(bool(f) and str(v) == f for f, v in zip(first, (key[1], key[0]), strict=True)) for key in keys]
    places = [(not asked[0], not asked[1], *_preference(*key)) for asked, key in zip(wanted, keys, strict=True)]
    row = levels.iloc[places.index(min(places))]
    same = total[
        (total["item"] == row["item"]) & (total["metric"] == row["metric"]) & (total["weighting"] == row["weighting"])
    ]
    before = same[(same["estimand"] == "level") & (same["period"] < period)].sort_values("period").tail(1)
    change = same[(same["estimand"] == "change") & (same["period"] == period)].head(1)
    own = str(row["verdict"] or "")
    return Headline(
        metric=str(row["metric"]),
        mean=float(row["mean"]),
        low=float(row["ci_low"]),
        high=float(row["ci_high"]),
        previous=_number(before, "mean"),
        change=_number(change, "mean"),
        change_low=_number(change, "ci_low"),
        change_high=_number(change, "ci_high"),
        verdict=own if own in ("withheld", "suppressed") or change.empty else str(change["verdict"].iloc[0] or ""),
        n=int(row["n"]) if pd.notna(row["n"]) else 0,
    )


def _preference(metric: object, item: object, weighting: object) -> tuple[int, int, int]:
    def place(value: object, order: Sequence[str]) -> int:
        return order.index(str(value)) if str(value) in order else len(order)

    return place(metric, _METRICS), place(item, _ITEMS), place(weighting, _WEIGHTINGS)


def _number(rows: pd.DataFrame, column: str) -> float | None:
    value = rows[column].iloc[0] if len(rows) else None
    return float(value) if value is not None and pd.notna(value) else None


def render_index(
    groups: Sequence[Group],
    *,
    client: str,
    language: str,
    languages: Sequence[Link],
) -> str:
    """Return the index page.

    Parameters
    ----------
    groups : sequence of Group
        Newest period first.
    client : str
        The client's name.
    language : str
        Language of the page.
    languages : sequence of Link
        The index in the other languages.
    """
    say = words(language)
    lang = language if language in catalogues() else "en"
    axes = _axes([row.headline for group in groups for row in group.rows if row.headline])
    states = [(row, page) for group in groups for row in group.rows for page in row.pages]
    newest = next((g for g in groups if not g.shared), None)
    metrics = {row.headline.metric for g in groups for row in g.rows if row.headline}
    return set_page(
        "index.html.j2",
        language=language,
        client=client,
        languages=languages,
        title=_title(newest, client, lang, say),
        metric=" · ".join(format.metric_name(m, language=lang) for m in _METRICS if m in metrics),
        groups=[
            (group, [(row, _cells(row, axes, lang, say)) for row in group.rows], _ends(group, axes, lang))
            for group in groups
        ],
        missing=[
            ("" if group.shared else group.label, row, page)
            for group in groups
            for row in group.rows
            for page in row.pages
            if page.status != "ok"
        ],
        complete=say["complete_of"].format(done=sum(p.status == "ok" for _, p in states), all=len(states)),
    )


def _title(newest: Group | None, client: str, lang: str, say: dict[str, str]) -> str:
    """Say what happened in the newest period: how many units are better, worse, unchanged, unclear."""
    if newest is None:
        return client or say["report"]
    verdicts = [row.headline.verdict for row in newest.rows if row.headline]
    if len(newest.rows) == 1:
        title = say["index_title"].format(client=client or newest.rows[0].label, period=newest.label)
        parts = [message(lang, f"verdict.{v}") for v in verdicts if v]
    else:
        title = say["index_title_many"].format(n=len(newest.rows), period=newest.label)
        counts = {key: verdicts.count(key) for key in ("worse", "better", "no_real_change", "cannot_tell")}
        parts = [say[f"tally_{key}"].format(n=n) for key, n in counts.items() if n]
    return title + (say["separator"] + say["comma"].join(parts) if parts else "")


def _axes(headlines: Sequence[Headline]) -> dict[str, tuple[float, float]]:
    """Return one axis a metric, wide enough for every interval and last period's tick, so strips compare."""
    axes = {}
    for metric in {h.metric for h in headlines}:
        values = [
            v
            for h in headlines
            if h.metric == metric
            for v in (h.low, h.high, h.previous)
            if v is not None and format.is_number(v)
        ]
        step = {"nps": 10.0, "csat": 0.1, "top_box": 0.1}.get(metric, 0.5)
        if values:
            axes[metric] = (step * (min(values) // step), step * (max(values) // step + 1))
    return axes


def _ends(group: Group, axes: dict[str, tuple[float, float]], language: str) -> tuple[str, str] | None:
    """Return the ends of the axis as text where all strips of a period share it."""
    metrics = {row.headline.metric for row in group.rows if row.headline} & axes.keys()
    if len(metrics) != 1:
        return None
    metric = metrics.pop()
    low, high = (format.number(v, metric=metric, language=language) for v in axes[metric])
    return low, high


def _cells(row: Row, axes: dict[str, tuple[float, float]], language: str, say: dict[str, str]) -> dict[str, str]:
    """Return what the index shows of a headline: number, strip and verdict chip, all in words of the language."""
    found = row.headline
    if found is None:
        empty = bool(row.pages) and all(page.status == "no_data" for page in row.pages)
        chip = blocks.chip("", say["status_no_data"]) if empty else ""
        return {"value": "", "range": "", "strip": "", "chip": Markup(chip), "n": ""}  # noqa: S704

    def written(value: float) -> str:
        return format.number(value, metric=found.metric, language=language)

    known = format.is_number(found.mean)
    low, high = axes.get(found.metric, (0.0, 0.0))
    span = format.span(found.low, found.high, metric=found.metric, language=language) if known else ""
    label = say["range"].format(value=written(found.mean), span=span) if known else ""
    if known and found.previous is not None:
        label = say["was"].format(text=label, previous=written(found.previous))
    strip = (
        blocks.strip(
            low=found.low,
            mid=found.mean,
            high=found.high,
            axis_low=low,
            axis_high=high,
            previous=found.previous,
            label=label,
        )
        if known
        else ""
    )
    first = say["first_period"] if found.previous is None else ""
    verdict = message(language, f"verdict.{found.verdict}") if found.verdict else first
    if found.verdict in ("better", "worse") and found.change is not None:
        change = found.change
        if known and found.previous is not None:
            change = format.apart(found.mean, found.previous, change, metric=found.metric)
        verdict += say["separator"] + format.estimate(
            change,
            found.change_low,  # type: ignore[arg-type]
            found.change_high,  # type: ignore[arg-type]
            metric=found.metric,
            language=language,
            signed=True,
        )
    return {
        "value": written(found.mean) if known else "",
        "range": span,
        "strip": Markup(strip),  # noqa: S704  # made by blocks, which escapes its label
        "chip": Markup(blocks.chip(found.verdict, verdict)),  # noqa: S704
        "n": format.count(found.n),
    }
