"""What the findings on value share: rows, numbers, cells, what is missing, the small print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cxlab.inference.estimates import CI_PROB
from cxlab.params.models import Value
from cxlab.report import tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, note, small_print
from cxlab.report.format import Labels, count, estimate, is_number, known, number
from cxlab.report.messages import catalogue, message
from cxlab.value.fits import Fitted
from cxlab.vocab import LANGUAGES

CSV: Final = "value_estimates.csv"
_NAN: Final = float("nan")


@dataclass(frozen=True)
class Terms:
    """What amounts of the page mean.

    Attributes
    ----------
    labels : Labels
    languages : sequence of str
        Primary language first.
    currency : str
        As the client writes it; empty if not told.
    margin_from : str
        ``params``, ``transactions`` or ``none``: then value is revenue, not contribution.
    margin, discount : float
        Share of spend; a year.
    years : float
        Horizon.
    """

    labels: Labels
    languages: Sequence[str] = LANGUAGES
    currency: str = ""
    margin_from: str = "none"
    margin: float = 1.0
    discount: float = 0.1
    years: float = 3.0

    def money(self, language: str) -> str:
        """Return the small print on amounts: what is counted and in which currency."""
        fields = {"margin": number(self.margin, metric="share", language=language)}
        return small_print(
            language, [message(language, f"value_money.{self.margin_from}", fields), self.unit(language)]
        )

    def unit(self, language: str) -> str:
        """Return the small print on the currency; empty if it is not told."""
        return message(language, "value_money.currency", {"currency": self.currency}) if self.currency else ""


def terms_of(fitted: Fitted, *, settings: Value, labels: Labels, languages: Sequence[str] = LANGUAGES) -> Terms:
    """Return what the amounts of a page mean."""
    return Terms(
        labels, languages, settings.currency or "", fitted.margin_from, fitted.margin, settings.discount,
        settings.horizon_years,
    )  # fmt: skip


def of(table: pd.DataFrame, estimand: str, *, level: str = "total", metric: str = "") -> pd.DataFrame:
    """Return the rows of an estimand on a level."""
    rows = table[(table["estimand"] == estimand) & (table["level"] == level)]
    return (rows[rows["metric"] == metric] if metric else rows).reset_index(drop=True)


def first(rows: pd.DataFrame) -> pd.Series | None:
    """Return the first row that has a number."""
    rows = rows[known(rows["mean"])]
    return rows.iloc[0] if len(rows) else None


def mean(row: pd.Series, *, drawn: bool = True, signed: bool = False, tabled: bool = True) -> Number:
    """Return the mean of a row as a number of a sentence."""
    return Number(float(row["mean"]), str(row["metric"]), drawn=drawn, signed=signed, tabled=tabled)


def span(row: pd.Series, *, drawn: bool = True, signed: bool = False) -> Number:
    """Return the interval of a row as a number of a sentence."""
    return Number(float(row["ci_low"]), str(row["metric"]), float(row["ci_high"]), drawn=drawn, signed=signed)


def cell(row: pd.Series | None, language: str, *, signed: bool = False) -> str:
    """Write an estimate with its interval as the cell of a table, or why there is none."""
    if row is None:
        return "—"
    if not is_number(row["mean"]):
        verdict = str(row["verdict"] or "")
        return message(language, f"verdict.{verdict}") if verdict in ("withheld", "suppressed") else "—"
    values = (float(row[c]) if is_number(row[c]) else _NAN for c in ("mean", "ci_low", "ci_high"))
    return estimate(*values, metric=str(row["metric"]), language=language, signed=signed)


def blocked(rows: pd.DataFrame) -> str:
    """Why none of the rows has a number: ``withheld``, ``suppressed``; empty if one has."""
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def stopped(id: str, why: str, languages: Sequence[str]) -> Finding:
    """Return the finding that makes no statement: checks failed, or too few customers."""
    return build(id, [Statement(f"value_blocked.{why}")], languages, verdict=why)


def missing(id: str, question: str, reason: str, languages: Sequence[str]) -> Finding:
    """Return the finding that says what is missing to answer a question."""
    said = {lang: {"reason": message(lang, f"value_reason.{reason}")} for lang in languages}
    return build(id, [Statement(f"value_missing.{question}", said)], languages)


def noted(
    terms: Terms, *keys: str, n: float = _NAN, money: bool = False, interval: bool = True
) -> Callable[[str], str]:
    """Return the small print: customers, interval, what the numbers are."""

    def say(language: str) -> str:
        parts = [message(language, "value_note.customers", {"n": count(n)}, quantity=n)] if is_number(n) else []
        parts += [note(language, n=_NAN, ci_prob=CI_PROB)] if interval else []
        parts += [terms.money(language)] if money else []
        return small_print(language, [*parts, *(message(language, key) for key in keys)])

    return say


def table(page: str, heads: Sequence[str], body: Sequence[Sequence[str]], language: str) -> Block:
    """Return the table behind a finding; its words are the messages of `page`."""
    named = [message(language, f"{page}.head_{h}") for h in heads]
    return tables.counts_table(named, body, language=language, caption=message(language, f"{page}.caption"), csv=CSV)


def bars(language: str) -> str:
    """Return the caption of interval bars."""
    return message(language, "figure.interval")


def spoken(key: str, language: str, otherwise: str) -> str:
    """Return a message if there is one, else a plain name."""
    return message(language, key) if key in catalogue(language) else otherwise
