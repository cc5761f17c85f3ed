"""What a model says of itself: what it holds possible before data, and whether it passed its checks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed
from cxlab.report.format import Labels, Name, known, number, pick, subject
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES


def prior(
    draws: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "prior",
) -> Finding:
    """Show what the model holds possible for a metric before it sees data.

    Parameters
    ----------
    draws : DataFrame
        Columns ``metric`` (one value) and ``value`` on the tidy scale, a row a draw.
    labels : Labels
    item : str
        Question the metric is of.
    languages : sequence of str
        Primary language first.
    id : str
        Name on its page.
    """
    kept = draws[known(draws["value"])]
    metric = str(kept["metric"].iloc[0]) if len(kept) else "mean"
    low, high = (float(kept["value"].astype(float).quantile(q)) for q in (0.05, 0.95)) if len(kept) else (0.0, 0.0)
    names = {lang: {"subject": subject(metric, item, labels=labels, language=lang)} for lang in languages}
    numbers = {"span": Number(low, metric, high=high, drawn=False)}

    def draw(language: str) -> Figure:
        return charts.prior(kept, language=language)

    return build(id, [Statement("checks.prior", names, numbers)], languages, draw=draw)


def checks(
    *,
    passed: bool,
    reasons: Sequence[Name] = (),
    predictive: pd.DataFrame | None = None,
    predictive_ok: bool = True,
    languages: Sequence[str] = LANGUAGES,
    id: str = "checks",
    csv: str = "",
) -> Finding:
    """Say whether the model passed its checks, and show its predictions beside the answers.

    Parameters
    ----------
    passed : bool
        Verdict of the convergence gate.
    reasons : sequence of str or mapping language -> str
        Why not.
    predictive : DataFrame, optional
        Columns ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (shares 0-1).
    predictive_ok : bool
        Whether predictions agree with the answers.
    languages : sequence of str
        Primary language first.
    id : str
        Name on its page.
    csv : str
        Name of the site's CSV file with these rows.
    """
    why = {lang: {"reasons": listed([pick(r, lang) for r in reasons], lang)} for lang in languages}
    statements = [Statement("checks.passed" if passed else "checks.failed", why)]
    data = pd.DataFrame() if predictive is None else predictive
    if len(data):
        statements.append(Statement("checks.predictive" if predictive_ok else "checks.predictive_off"))

    def draw(language: str) -> Figure:
        return charts.check(data, language=language)

    def tabulate(language: str) -> Block:
        heads = [message(language, k) for k in ("table.code", "figure.observed", "figure.predicted")]
        body = [
            [
                f"{r['code']:g}",
                number(r["observed"], metric="rate", language=language),
                tables.share_cell(r, language=language),
            ]
            for r in data.sort_values("code").to_dict("records")
        ]
        return tables.counts_table(heads, body, language=language, caption=message(language, "checks.caption"), csv=csv)

    verdict = "" if passed else "withheld"
    shown = bool(len(data))
    return build(
        id, statements, languages, verdict=verdict, draw=draw if shown else None, tabulate=tabulate if shown else None
    )
