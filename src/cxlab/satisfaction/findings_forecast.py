"""The finding on what is expected next, written down so that the next report can check it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab.report import charts, tables
from cxlab.report import rows as tell
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, note, small_print
from cxlab.report.format import Labels, known, period_name, subject
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES, WEIGHTINGS


def forecast(
    forecasts: pd.DataFrame,
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    item: str,
    metric: str,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "forecast",
    csv: str = "",
) -> Finding:
    """Say what is expected of a metric in the next period, beside what it was in this one.

    Parameters
    ----------
    forecasts : DataFrame
        `vocab.FORECAST_COLUMNS`.
    estimates : DataFrame
        Tidy estimates, for the value of this period.
    labels, item, metric, period, languages, id, csv
        As in `satisfaction.level`.
    """
    rows = forecasts[(forecasts["level"] == "total") & known(forecasts["q50"])]
    width = rows["weighting"].map({w: i for i, w in enumerate(WEIGHTINGS)}).astype(float)
    rows = rows[width == width.groupby(rows["item"]).transform("max")]
    own = rows[(rows["item"] == item) & (rows["metric"] == metric)]
    names = tell.names(
        languages, lambda lang: {"subject": subject(metric, item, labels=labels, language=lang)}, period=period
    )
    if own.empty:
        return build(id, (Statement("forecast.none", names),), languages)
    row = own.iloc[0]
    target = str(row["target_period"])
    for lang in languages:
        names[lang]["target"] = period_name(target, language=lang)
    numbers = {
        "value": Number(float(row["mean"]), metric),
        "span": Number(float(row["q05"]), metric, high=float(row["q95"])),
    }
    statements = (Statement("forecast.expected", names, numbers), Statement("forecast.check", names))
    levels = tell.select(estimates, estimand="level", item=item, metric=metric, weighting=str(row["weighting"]))
    levels = levels[levels["period"] <= period]
    ends = {"period": target, "ci_low": row["q05"], "ci_high": row["q95"], "mean": row["mean"]}
    course = pd.concat([levels, pd.DataFrame([ends | {"metric": metric, "verdict": ""}])], ignore_index=True)
    same = rows[rows["metric"] == metric]
    listed = pd.concat([same[same["item"] == item], same[same["item"] != item], rows[rows["metric"] != metric]])

    def draw(language: str) -> Figure:
        return charts.trend(course, language=language, ahead=True)

    def tabulate(language: str) -> Block:
        fields = {"target": period_name(target, language=language)}
        return tables.forecasts_table(
            listed, labels=labels, language=language, caption=message(language, "forecast.caption", fields), csv=csv
        )

    def say(language: str) -> str:
        return note(language, n=float("nan"), ci_prob=0.9, weighting=str(row["weighting"]))

    def legend(language: str) -> str:
        return small_print(language, [message(language, "figure.band"), message(language, "forecast.dashed")])

    return build(id, statements, languages, note=say, caption=legend, draw=draw, tabulate=tabulate)
