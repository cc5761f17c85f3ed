"""The finding on those nobody heard: how far they would have to differ for a verdict to change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report import rows as tell
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, small_print
from cxlab.report.format import Labels, is_number, known, number, subject
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES

_NO_VERDICT = ("cannot_tell", "")


def sensitivity(
    curve: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "sensitivity",
    csv: str = "",
) -> Finding:
    """Say how much those who did not answer would have to differ for the verdict to change.

    Parameters
    ----------
    curve : DataFrame
        As `cxlab.satisfaction.nonresponse_report.sensitivity` gives it; empty where nobody is known to have been asked.
    labels, item, metric, period, languages, id, csv
        As in `satisfaction.level`.
    """
    data = curve.sort_values("gap").reset_index(drop=True)
    names = tell.names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    if data.empty or not known(data["mean"]).any():
        return build(id, (Statement("sensitivity.unknown", names),), languages)
    plain = data.iloc[_nearest(data, 0.0)]
    tip = tell.first(data[data["tipping"].astype(bool)])
    claim = str(plain["verdict"])
    if claim not in _NO_VERDICT:
        for lang in languages:
            names[lang]["claim"] = message(lang, f"sensitivity.claim_{claim}", names[lang])
    if claim in _NO_VERDICT:
        tip = data.iloc[_nearest(data, max(-1.0, float(data["gap"].min())))]
        found = _gap(tip) | tell.estimate(tip, "if_value", "if_span")
        statements = (Statement("sensitivity.supposed", names, found),)
    elif tip is None:
        statements = (Statement("sensitivity.robust", names),)
    else:
        way = "lower" if tip["gap"] < 0 else "higher"
        statements = (Statement(f"sensitivity.{way}", names, _gap(tip)),)
    rows = _some(data, tip)

    def draw(language: str) -> Figure:
        before = float(plain["ref"]) if is_number(plain["ref"]) else None
        mark = float(tip["gap"]) if tip is not None and claim not in _NO_VERDICT else None
        return charts.supposed(data, language=language, reference=before, mark=mark)

    def tabulate(language: str) -> Block:
        fields = tell.captions(metric, period, language)
        heads = [message(language, f"sensitivity.{k}") for k in ("gap_head", "value_head", "verdict_head")]
        body = [
            [_gap_text(r, language), tables.estimate_cell(r, language=language), _verdict(str(r["verdict"]), language)]
            for _, r in rows.iterrows()
        ]
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "sensitivity.caption", fields), csv=csv
        )

    def legend(language: str) -> str:
        parts = [message(language, "figure.band")]
        if is_number(plain["ref"]):
            parts.append(message(language, f"sensitivity.ref_{plain['claim'] or 'change'}"))
        if tip is not None and claim not in _NO_VERDICT:
            parts.append(message(language, "sensitivity.mark"))
        return small_print(language, [*parts, message(language, "sensitivity.only_now")])

    verdict = claim if claim in ("better", "worse", "no_real_change", "cannot_tell") else ""
    return build(id, statements, languages, verdict=verdict, caption=legend, draw=draw, tabulate=tabulate)


def _nearest(data: pd.DataFrame, gap: float) -> int:
    """Return the place of the row whose gap is nearest to one."""
    return int(np.argmin(np.abs(data["gap"].to_numpy(float) - gap)))


def _gap(row: pd.Series) -> dict[str, Number]:
    return {"gap": Number(abs(float(row["gap"])), "gap", drawn=False)}


def _gap_text(row: pd.Series, language: str) -> str:
    gap = number(abs(float(row["gap"])), metric="gap", language=language)
    if float(gap) == 0:
        return message(language, "sensitivity.alike")
    return message(language, f"sensitivity.{'lower' if row['gap'] < 0 else 'higher'}_cell", {"gap": gap})


def _verdict(verdict: str, language: str) -> str:
    own = verdict in ("above", "below")
    return message(language, f"sensitivity.{verdict}" if own else f"verdict.{verdict}") if verdict else ""


def _some(data: pd.DataFrame, tip: pd.Series | None) -> pd.DataFrame:
    """Return few rows to read: the estimate itself, the tipping point, and steps to both sides."""
    low, high = float(data["gap"].min()), float(data["gap"].max())
    wanted = [low, low / 2, low / 4, low / 8, 0.0, high / 8, high / 4, high / 2, high]
    wanted += [] if tip is None else [float(tip["gap"])]
    return data.iloc[sorted({_nearest(data, w) for w in wanted})].assign(estimand="level")
