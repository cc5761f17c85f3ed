"""The one page: a verdict, the numbers on cards, what changed and what did not, and how sure we are.

Reads tidy estimates only. Every row shown is a row of the table; nothing is computed from means and intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cxlab.params.models import Params
from cxlab.report import blocks
from cxlab.report.blocks import Block
from cxlab.report.finding import listed, note
from cxlab.report.format import (
    Labels,
    count,
    is_number,
    metric_name,
    number,
    period_name,
    sentence,
    span,
    subject,
)
from cxlab.report.messages import message
from cxlab.report.passage import Passage
from cxlab.report.tables import change_cell
from cxlab.report.tidy import About, Estimates
from cxlab.vocab import FINDING_COLUMNS, LANGUAGES

_HALF_AXIS = {"nps": (30.0, 10.0, -100.0, 100.0), "csat": (0.25, 0.1, 0.0, 1.0), "top_box": (0.25, 0.1, 0.0, 1.0)}
_MEAN_AXIS = (1.0, 0.5, -math.inf, math.inf)
Measure = tuple[str, str]  # item, metric


@dataclass(frozen=True)
class Board:
    """Which measures the page shows.

    Attributes
    ----------
    item, metric : str
        The headline.
    cards, measures : tuple of (item, metric)
        Cards at the top; everything whose change is told.
    level : str
        The comparison of groups that is shown: the first factor of the headline's model, else `total`.
    passed : bool
        Whether no model was withheld.
    """

    item: str
    metric: str
    cards: tuple[Measure, ...]
    measures: tuple[Measure, ...]
    level: str
    passed: bool

    @property
    def others(self) -> tuple[Measure, ...]:
        """All measures but the headline."""
        return tuple(m for m in self.measures if m != (self.item, self.metric))


def board(estimates: pd.DataFrame, *, params: Params) -> Board:
    """Choose the page's measures: the params' headline, then satisfaction, effort and each attribute.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates.
    params : Params
        Its headline and the roles of its items.
    """
    roles = {name: item.role for table in params.tables.ratings for name, item in table.items.items()}
    have = set(zip(estimates["item"].astype(str), estimates["metric"].astype(str), strict=True))
    of_role = {role: [i for i in roles if roles[i] == role] for role in ("nps", "overall", "ces", "attribute")}
    item = params.headline.item or next((i for r in ("nps", "overall", "ces") for i in of_role[r]), "")
    if not any(i == item for i, _ in have):
        item = next((i for r in of_role for i in of_role[r] if any(x == i for x, _ in have)), item)
    preferred = (params.headline.metric, "nps", "ces", "csat", "mean")
    metric = next((m for m in preferred if m and (item, m) in have), "mean")
    wanted = [(item, metric)]
    wanted += [(i, m) for r, m in (("nps", "nps"), ("overall", "csat"), ("ces", "ces")) for i in of_role[r]]
    shown = tuple(dict.fromkeys(x for x in wanted if x in have))
    attributes = ((i, next((m for m in ("csat", "mean") if (i, m) in have), "")) for i in of_role["attribute"])
    every = (*shown, *(x for x in attributes if x in have))
    levels = [x for x in estimates.loc[estimates["item"] == item, "level"].unique() if x != "total"]
    passed = not (estimates["verdict"] == "withheld").any()
    return Board(item, metric, shown[:4], tuple(dict.fromkeys(every)), levels[0] if levels else "total", passed)


def answers(estimates: pd.DataFrame, *, item: str, period: str) -> float:
    """Return how many answers the headline rests on."""
    rows = Estimates(estimates, About()).select(estimand="level", item=item, period=period).frame
    return float(rows["n"].max()) if len(rows) else math.nan


def customers(readiness: pd.DataFrame) -> float:
    """Return how many customers there are, if the directory knows."""
    rows = readiness[(readiness["section"] == "heard_share") & (readiness["kind"] == "all")]
    known = rows["n_in"].dropna()
    return float(known.iloc[0]) if len(known) and known.iloc[0] else math.nan


def hits(ledger: pd.DataFrame, *, period: str) -> tuple[int, int] | None:
    """Return how many forecasts for the period fell in their range, and how many there were; None without any."""
    now = ledger[ledger["period"] == period] if len(ledger) else ledger
    return (int(now["inside90"].sum()), len(now)) if len(now) else None


def findings(passage: Passage, *, verdict: str = "", notebook: str = "") -> pd.DataFrame:
    """Return the headline as rows of ``findings.parquet``, one a language."""
    rows = [(notebook, passage.id, lang, str(page[0]["text"]), verdict, "{}") for lang, page in passage.pages.items()]
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS))


def headline(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    answers: float = float("nan"),
    customers: float = float("nan"),
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
) -> Passage:
    """Return the page's title: the verdict on the chosen measure, and below it what it stands on.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates.
    labels : Labels
    item, metric, period : str
        The measure that gives the verdict.
    answers, customers : float
        Answers used and customers there are; left out when not known.
    weighting : str
        See `tell.select`.
    languages : sequence of str
        Primary language first.
    """
    level, change, old = _rows(estimates, item=item, metric=metric, period=period, weighting=weighting)
    whole = Estimates(estimates, About(period=period)).now(estimand="level_all", item=item, metric=metric)
    everybody = whole.first
    key = _headline_key(level, change, old)
    kind = metric if metric in ("nps", "csat") else "other"
    pages = {}
    for lang in languages:
        names = {
            "subject": subject(metric, item, labels=labels, language=lang),
            "period": period_name(period, language=lang),
            "before": "" if old is None else period_name(str(old["period"]), language=lang),
            "value": "" if level is None else number(level["mean"], metric=metric, language=lang),
        }
        text = sentence(message(lang, f"headline.{kind}.{key}", names))
        sub = [message(lang, "headline.place", {"brand": labels.brand_name(lang), "period": names["period"]})]
        if is_number(answers):
            both = is_number(customers)
            fields = {"answers": count(answers), "customers": count(customers)}
            sub.append(message(lang, "headline.answers_of" if both else "headline.answers", fields, quantity=answers))
        if level is not None and is_number(level["mean"]):
            sub.append(message(lang, f"headline.weighting_{level['weighting']}"))
        if everybody is not None and is_number(everybody["mean"]):
            ends = (float(everybody["ci_low"]), float(everybody["ci_high"]))
            likely = {"subject": names["subject"], "span": span(*ends, metric=metric, language=lang)}
            sub.append(sentence(message(lang, "headline.all", likely)))
        pages[lang] = [blocks.headline(text, sub=message(lang, "list.join").join(sub))]
    return Passage("headline", pages)


def cards(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    measures: Sequence[Measure],
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
) -> Passage:
    """Return a row of cards: value, likely range, last period's tick, verdict of the change.

    Parameters
    ----------
    measures : sequence of (item, metric)
        A card each, those without any row are left out. Other parameters as in `headline`.
    """
    found = [(m, *_rows(estimates, item=m[0], metric=m[1], period=period, weighting=weighting)) for m in measures]
    pages = {
        lang: [
            blocks.kpis(
                [_card(m, level, change, old, labels, lang) for m, level, change, old in found if level is not None]
            )
        ]
        for lang in languages
    }
    return Passage("cards", pages)


def changes(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    measures: Sequence[Measure],
    period: str,
    weighting: str = "",
    languages: Sequence[str] = LANGUAGES,
) -> Passage:
    """Return what changed, each with its interval on one strip, and in words what did not and what we cannot tell.

    Parameters are those of `cards`.
    """
    found = [(m, *_rows(estimates, item=m[0], metric=m[1], period=period, weighting=weighting)) for m in measures]
    asked = any(level is not None for _, level, _, _ in found)
    by: dict[str, list[tuple[Measure, pd.Series]]] = {"real": [], "no_real_change": [], "cannot_tell": []}
    beside = {measure: (level, old) for measure, level, _, old in found}
    for measure, _, change, _ in found:
        if change is not None:
            verdict = "real" if change["verdict"] in ("better", "worse") else str(change["verdict"])
            by.setdefault(verdict, []).append((measure, change))
    shown = [str(change["weighting"]) for rows in by.values() for _, change in rows]
    usual = max(shown, key=shown.count, default="")
    pages = {}
    for lang in languages:
        page: list[Block] = []
        for measure, change in by["real"]:
            text = message(
                lang,
                "changes.rose" if change["mean"] > 0 else "changes.fell",
                {
                    "subject": subject(measure[1], measure[0], labels=labels, language=lang),
                    "change": change_cell(change, *beside[measure], language=lang),
                },
            )
            other = (
                str(change["weighting"]) if change["weighting"] != usual else ""
            )  # the page's head names the usual one
            small = note(lang, n=change["n"], weighting=other)
            page.append(blocks.finding(sentence(text), verdict=str(change["verdict"]), note=small))
        for key in ("no_real_change", "cannot_tell", "withheld", "suppressed"):
            named = [subject(m[1], m[0], labels=labels, language=lang) for m, _ in by.get(key, [])]
            if named:
                lead = message(lang, f"changes.{key}")
                page.append(
                    blocks.finding(
                        message(lang, "changes.list", {"lead": lead, "list": listed(named, lang)}), lead=lead
                    )
                )
        if not page:
            page.append(blocks.note(message(lang, "changes.none" if asked else "changes.nothing_else")))
        pages[lang] = page
    return Passage("changes", pages)


def certainty(
    *,
    ci_prob: float = 0.9,
    passed: bool = True,
    missed: Mapping[str, Sequence[str]] | None = None,
    hits: tuple[int, int] | None = None,
    would_change: Mapping[str, str] | None = None,
    languages: Sequence[str] = LANGUAGES,
) -> Passage:
    """Return how sure we are: what "likely" means, the checks, last forecasts, what would change the verdict.

    Parameters
    ----------
    ci_prob : float
        Probability of the intervals on the page.
    passed : bool
        Whether all models passed their checks.
    missed : mapping language -> questions, optional
        Of pages whose forecast, tried on the past, lay outside its own limit (`retold.missed`).
    hits : (int, int), optional
        Forecasts of last period that fell in their range, and how many there were.
    would_change : mapping language -> str, optional
        What one would have to believe for the conclusion to change.
    languages : sequence of str
        Primary language first.
    """
    pages = {}
    for lang in languages:
        said = [
            message(
                lang,
                "certainty_note.nine" if ci_prob == 0.9 else "certainty_note.likely",
                {"percent": f"{100 * ci_prob:g}"},
            )
        ]
        said.append(message(lang, "certainty_note.passed" if passed else "certainty_note.failed"))
        off = list((missed or {}).get(lang, ()))
        if off:
            named = {"list": listed([f"“{question}”" for question in off], lang)}
            said.append(message(lang, "certainty_note.missed", named))
        if hits is not None:
            said.append(message(lang, "certainty_note.hits", {"hits": count(hits[0]), "total": count(hits[1])}))
        if would_change is not None and would_change.get(lang):
            said.append(would_change[lang])
        pages[lang] = [
            blocks.note(message(lang, "list.join").join(said), kind="info" if passed and not off else "warning")
        ]
    return Passage("certainty", pages)


def _rows(
    estimates: pd.DataFrame, *, item: str, metric: str, period: str, weighting: str
) -> tuple[pd.Series | None, pd.Series | None, pd.Series | None]:
    levels = Estimates(estimates, About()).select(estimand="level", item=item, metric=metric, weighting=weighting).frame
    changed = (
        Estimates(estimates, About()).select(estimand="change", item=item, metric=metric, weighting=weighting).frame
    )
    now, before = levels[levels["period"] == period], levels[levels["period"] < period]
    moved = changed[changed["period"] == period]
    return tuple(rows.iloc[-1] if len(rows) else None for rows in (now, moved, before))  # type: ignore[return-value]


def _headline_key(level: pd.Series | None, change: pd.Series | None, old: pd.Series | None) -> str:
    if level is None:
        return "none"
    if level["verdict"] in ("withheld", "suppressed"):
        return str(level["verdict"])
    if not is_number(level["mean"]):
        return "none"
    if change is None or old is None or not is_number(change["mean"]):
        return "first"
    if change["verdict"] in ("better", "worse"):
        return "rose" if change["mean"] > 0 else "fell"
    return "no_real_change" if change["verdict"] == "no_real_change" else "cannot_tell"


def _card(
    measure: Measure,
    level: pd.Series,
    change: pd.Series | None,
    old: pd.Series | None,
    labels: Labels,
    language: str,
) -> Block:
    item, metric = measure
    label = metric_name(metric, language=language)
    if item not in labels.overall:
        label = message(language, f"metric.{metric}.card", {"item": labels.item(item, language)})
    verdict = str(change["verdict"] or "") if change is not None else str(level["verdict"] or "")
    chip = message(language, f"verdict.{verdict}") if verdict else ""
    if change is not None and verdict in ("better", "worse"):
        chip = message(
            language, "card.chip", {"verdict": chip, "change": change_cell(change, level, old, language=language)}
        )
    if not is_number(level["mean"]):
        own = str(level["verdict"] or "")
        word = message(language, f"verdict.{own}") if own else ""
        return blocks.interval_item(label, "—", low=math.nan, mid=math.nan, high=math.nan, chip=word, verdict=own)
    mid, low, high = (float(level[c]) for c in ("mean", "ci_low", "ci_high"))
    likely = message(language, "strip.likely", {"span": span(low, high, metric=metric, language=language)})
    past = float(old["mean"]) if old is not None and is_number(old["mean"]) else None
    axis_low, axis_high = _axis(metric, [mid, low, high] if past is None else [mid, low, high, past])
    return blocks.interval_item(
        label,
        number(mid, metric=metric, language=language),
        low=low,
        mid=mid,
        high=high,
        previous=past,
        chip=chip,
        verdict=verdict,
        range=likely,
        axis_low=axis_low,
        axis_high=axis_high,
    )


def _axis(metric: str, values: Sequence[float]) -> tuple[float, float]:
    """Return an axis of a fixed width around the values (wider if they need it), so cards compare from page to page."""
    half, step, least, most = _HALF_AXIS.get(metric, _MEAN_AXIS)
    middle = step * round(values[0] / step)
    low, high = min([middle - half, *values]), max([middle + half, *values])
    return max(low, least), min(high, most)
