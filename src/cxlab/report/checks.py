"""What a model says of itself: what it holds possible before data, and whether it passed its checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cxlab.report import charts
from cxlab.report.finding import Finding
from cxlab.report.format import Labels, Name, known
from cxlab.report.tidy import About, Say
from cxlab.report.writing import Chart, Estimate, Listed, Metric, Number, Table
from cxlab.vocab import LANGUAGES


def prior(
    draws: pd.DataFrame,
    *,
    item: str,
    about: About | None = None,
    labels: Labels | None = None,
    languages: Sequence[str] = LANGUAGES,
) -> Finding:
    """Show what the model holds possible for a metric before it sees data.

    Parameters
    ----------
    draws : DataFrame
        Columns ``metric`` (one value) and ``value`` on the tidy scale, a row a draw.
    item : str
        Question the metric is of.
    about : About
        The page.
    """
    kept = draws[known(draws["value"])]
    metric = str(kept["metric"].iloc[0]) if len(kept) else "mean"
    low, high = (float(kept["value"].astype(float).quantile(q)) for q in (0.05, 0.95)) if len(kept) else (0.0, 0.0)
    span = Number(low, metric, high=high, drawn=False)
    about = about or About(labels or Labels(), languages)
    return about.finding(
        "prior", [Say("checks.prior", subject=Metric(metric, item), span=span)], chart=Chart(charts.prior, kept)
    )


def checks(
    *,
    passed: bool,
    reasons: Sequence[Name] = (),
    predictive: pd.DataFrame | None = None,
    predictive_ok: bool = True,
    about: About | None = None,
    languages: Sequence[str] = LANGUAGES,
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
    about : About
        The page.
    """
    says = [Say("checks.passed" if passed else "checks.failed", reasons=Listed(list(reasons)))]
    data = pd.DataFrame() if predictive is None else predictive
    if len(data):
        says.append(Say("checks.predictive" if predictive_ok else "checks.predictive_off"))
    rows = data.sort_values("code").to_dict("records") if len(data) else []
    columns: dict[str, Any] = {
        "table.code": [f"{row['code']:g}" for row in rows],
        "figure.observed": [Number(row["observed"], "rate") for row in rows],
        "figure.predicted": [Estimate(row["mean"], row["ci_low"], row["ci_high"], "rate") for row in rows],
    }
    about = about or About(languages=languages)
    return about.finding(
        "checks",
        says,
        verdict="" if passed else "withheld",
        chart=Chart(charts.check, data) if rows else None,
        table=Table(columns, caption="checks.caption", csv=about.csv) if rows else None,
    )
