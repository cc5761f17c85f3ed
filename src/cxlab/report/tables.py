"""Tidy rows as tables for reading: each metric in its own format, each language in its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import pandas as pd

from cxlab.report.blocks import Block, table
from cxlab.report.format import (
    apart,
    count,
    estimate,
    is_number,
    known,
    number,
    period_name,
    probability,
)
from cxlab.report.messages import message
from cxlab.vocab import VERDICTS

RANKS: Final = {"p_rank_best": "probability_best", "p_rank_worst": "probability_worst", "rank": "rank"}


def direction(prob_gt_ref: float, change: float) -> float:
    """Return the probability of the direction a change points to, from the probability that it is above zero."""
    return prob_gt_ref if change > 0 else 1 - prob_gt_ref


def change_cell(row: pd.Series, now: pd.Series | None, before: pd.Series | None, *, language: str) -> str:
    """Write a change with its interval so that it agrees with the two values beside it, as they are written."""
    if now is None or before is None:
        return estimate_cell(row, language=language)
    mean = apart(now["mean"], before["mean"], row["mean"], metric=str(row["metric"]))
    return estimate_cell(pd.Series(row.to_dict() | {"mean": mean}), language=language)


def estimate_cell(row: pd.Series, *, language: str) -> str:
    """Write one estimate with its interval, or why there is none."""
    signed = str(row.get("estimand")) in ("change", "difference")
    if is_number(row["mean"]):
        mid, low, high = (float(row[c]) for c in ("mean", "ci_low", "ci_high"))
        return estimate(mid, low, high, metric=str(row["metric"]), language=language, signed=signed)
    verdict = str(row.get("verdict") or "")
    return message(language, f"verdict.{verdict}") if verdict in ("withheld", "suppressed") else "—"


def periods_table(
    levels: pd.DataFrame, changes: pd.DataFrame, *, language: str, caption: str, open: bool = False, csv: str = ""
) -> Block:
    """Return the table behind a trend: a row a period, newest first, with the change from the period before.

    Parameters
    ----------
    levels, changes : DataFrame
        Tidy estimates ``level`` and ``change`` of one item, metric and group.
    """
    rows = []
    by_period = changes.set_index("period")
    beyond = "prob_practical" in changes and bool(known(changes["prob_practical"]).any())
    newest = [row for _, row in levels.sort_values("period", ascending=False).iterrows()]
    for row, older in zip_longest(newest, newest[1:]):
        cells = [period_name(str(row["period"]), language=language), estimate_cell(row, language=language)]
        if row["period"] in by_period.index:
            change = by_period.loc[row["period"]]
            _, chance, word = _change_cells(change, language=language)
            moved = change_cell(change, row, older, language=language)
            large = [probability(change["prob_practical"], language=language)] if beyond else []
            cells += [moved, chance, *large, word]
        else:
            cells += ["", "", *([""] if beyond else []), ""]
        rows.append([*cells, count(row["n"])])
    heads = [("period", "left"), ("estimate", "right"), ("change", "right"), ("probability_direction", "right")]
    heads += [("probability_large", "right")] if beyond else []
    return _table([*heads, ("verdict", "left"), ("n", "right")], rows, language, caption, open, csv)


def codes_table(
    shares: pd.DataFrame,
    *,
    language: str,
    caption: str,
    sums: Sequence[tuple[str, float]] = (),
    open: bool = False,
    csv: str = "",
) -> Block:
    """Return how answers are spread, highest code first.

    Parameters
    ----------
    shares : DataFrame
        Columns ``code, share, n`` and, optionally, ``previous``.
    sums : sequence of (label, share)
        Further rows below, e.g. promoters.
    """
    heads = [("code", "left"), ("share", "right"), ("share_before", "right"), ("n", "right")]
    rows = [
        [
            f"{row['code']:g}",
            number(row["share"], metric="share", language=language),
            number(row.get("previous", float("nan")), metric="share", language=language),
            count(row["n"]),
        ]
        for _, row in shares.sort_values("code", ascending=False).iterrows()
    ]
    rows += [[label, number(share, metric="share", language=language), "", ""] for label, share in sums]
    return _table(heads, rows, language, caption, open, csv)


def counts_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    language: str,
    caption: str,
    texts: int = 1,
    open: bool = False,
    csv: str = "",
) -> Block:
    """Return a table whose cells are texts or counts.

    Parameters
    ----------
    heads : sequence of str
    rows : sequence of rows
        Numbers are written with thousands separators.
    texts : int
        How many of the first columns are text and so aligned left; columns of text further right are found.
    """
    cells = [[c if isinstance(c, str) else count(float(str(c))) for c in row] for row in rows]
    left = [i < texts or all(isinstance(row[i], str) for row in rows) for i in range(len(heads))]
    columns = [(head, "left" if text else "right") for head, text in zip(heads, left, strict=True)]
    return table(columns, cells, caption=caption, open=open, csv=csv)


def shares_table(
    rows: pd.DataFrame,
    names: Sequence[str],
    *,
    heads: Sequence[str],
    language: str,
    caption: str,
    open: bool = False,
    csv: str = "",
) -> Block:
    """Return names with ``n_used``, ``n_in`` and ``share``; `heads` are the titles of the first three columns."""
    cells = [
        [name, count(r["n_used"]), count(r["n_in"]), number(r["share"], metric="rate", language=language)]
        for name, (_, r) in zip(names, rows.iterrows(), strict=True)
    ]
    aligned = ["left", "right", "right", "right"]
    columns = list(zip([*heads, message(language, "table.share")], aligned, strict=True))
    return table(columns, cells, caption=caption, open=open, csv=csv)


def _change_cells(row: pd.Series, *, language: str) -> list[str]:
    verdict = str(row["verdict"] or "")
    word = message(language, f"verdict.{verdict}") if verdict and verdict in VERDICTS else ""
    chance = "—"
    if is_number(row["mean"]) and is_number(row["prob_gt_ref"]):
        chance = probability(direction(float(row["prob_gt_ref"]), float(row["mean"])), language=language)
    return [estimate_cell(row, language=language), chance, word]


def _table(
    heads: list[tuple[str, str]], rows: list[list[str]], language: str, caption: str, open: bool, csv: str
) -> Block:
    columns = [(message(language, f"table.{key}"), align) for key, align in heads]
    return table(columns, rows, caption=caption, open=open, csv=csv)
