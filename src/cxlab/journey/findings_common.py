"""What the findings on the journey share: cells, spans, names of states and moments, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd

from cxlab.inference.estimates import CI_PROB
from cxlab.inference.experiences import NOT
from cxlab.journey.fits import RATING
from cxlab.journey.states import BUY, END, START
from cxlab.journey.transitions import OTHER
from cxlab.report import tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, note, small_print
from cxlab.report.format import Labels, count, estimate, is_number, known, plain
from cxlab.report.messages import message

_NAN: Final = float("nan")
_PLAIN: Final = {START: "start", END: "end", OTHER: "rest"}  # states that are no touchpoints
CSV: Final = "journey_estimates.csv"


def of(table: pd.DataFrame, estimand: str) -> pd.DataFrame:
    """Return the rows of an estimand."""
    return table[table["estimand"] == estimand].reset_index(drop=True)


def first(rows: pd.DataFrame) -> pd.Series | None:
    """Return the first row, if there is one."""
    return rows.iloc[0] if len(rows) else None


def share(row: pd.Series, *, drawn: bool = False) -> Number:
    """Return the mean of a row as a number of a sentence."""
    return Number(float(row["mean"]), "share", drawn=drawn)


def span(row: pd.Series, *, signed: bool = True, drawn: bool = True) -> Number:
    """Return the interval of a row as a number of a sentence."""
    return Number(float(row["ci_low"]), "share", float(row["ci_high"]), signed=signed, drawn=drawn)


def cell(row: pd.Series | None, language: str, *, signed: bool = False) -> str:
    """Write an estimate with its interval as the cell of a table, or why there is none."""
    if row is None:
        return "—"
    if not is_number(row["mean"]):
        verdict = str(row["verdict"] or "")
        return message(language, f"verdict.{verdict}") if verdict in ("withheld", "suppressed") else "—"
    return estimate(
        *(float(row[c]) for c in ("mean", "ci_low", "ci_high")), metric="share", language=language, signed=signed
    )


def blocked(rows: pd.DataFrame) -> str:
    """Why none of the rows has a number; empty if one has."""
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def missing(id: str, question: str, reason: str, languages: Sequence[str]) -> Finding:
    """Return the finding that says what is missing to answer a question."""
    said = {lang: {"reason": message(lang, f"journey_reason.{reason}")} for lang in languages}
    return build(id, [Statement(f"journey_missing.{question}", said)], languages)


def noted(rows: pd.DataFrame, key: str, *, unit: str = "") -> Callable[[str], str]:
    """Return the small print: how many of a `unit`, the interval, what the numbers are, that it proves no cause."""
    column = "n_all" if known(rows["n_all"]).any() else "n"
    total = float(rows[column].astype(float).max()) if unit and len(rows) else _NAN

    def say(language: str) -> str:
        parts = [message(language, f"journey_note.{unit}", {"n": count(total)}, quantity=total)] if unit else []
        parts += [
            note(language, n=_NAN, ci_prob=CI_PROB),
            message(language, key),
            message(language, "note.association"),
        ]
        return small_print(language, parts)

    return say


def table(page: str, heads: Sequence[str], body: Sequence[Sequence[str]], language: str) -> Block:
    """Return the table behind a finding; its words are the messages of `page`."""
    named = [message(language, f"{page}.head_{h}") for h in heads]
    return tables.counts_table(named, body, language=language, caption=message(language, f"{page}.caption"), csv=CSV)


def state(state: str, labels: Labels, language: str) -> str:
    """Return the name of a state of a journey: a touchpoint, a purchase, start or end."""
    if state.startswith(BUY):
        channel = state.removeprefix(BUY)
        if not channel:
            return message(language, "journey_state.buy")
        return message(language, "journey_state.buy_by", {"channel": labels.group("channel", channel, language)})
    if state in _PLAIN:
        return message(language, f"journey_state.{_PLAIN[state]}")
    return labels.group("touchpoint", state, language)


def moment(row: pd.Series, labels: Labels, language: str) -> str:
    """Return the name of a touchpoint with the outcome that an experience was known from."""
    touchpoint, basis = str(row["touchpoint"]), str(row["basis"])
    name = labels.group("touchpoint", touchpoint, language)
    if basis in ("", RATING):
        return name
    if basis in labels.groups.get("outcome", {}):
        said = labels.group("outcome", basis, language)
    else:
        said = plain(labels.group("outcome", basis.removeprefix(NOT), language).replace("_", " "))
        said = message(language, "journey_state.not", {"outcome": said}) if basis.startswith(NOT) else said
    return message(language, "journey_state.outcome", {"touchpoint": name, "outcome": said})
