"""Findings on what would go with better ratings, for whom it would, and who is heard in all this."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.drivers.findings_common import About, bars, form_of, heads_table, outcome_name, state_of, written_as
from cxlab.report import tables
from cxlab.report.blocks import Block, table
from cxlab.report.charts import intervals, parts
from cxlab.report.finding import Finding, Number, Statement, build, tally
from cxlab.report.format import count, is_number, known, number
from cxlab.report.messages import message

_CLEAR = 1.645  # difference of two groups in its sds from which it is told


def what_if(outlook: pd.DataFrame, *, about: About, practical: float, id: str = "what-if", csv: str = "") -> Finding:
    """Say what would go with better ratings.

    Parameters
    ----------
    outlook : DataFrame
        ``whatif_estimates``: a row a scenario and metric.
    about : About
    practical : float
        Smallest change of the metric worth acting on.
    id, csv
        As in `importance`.
    """
    own = outlook[outlook["item"] == about.outcome]
    lead = own[own["metric"] == about.metric].reset_index(drop=True)
    state = state_of(lead)
    if state:
        return build(id, [Statement(f"driver_whatif.{state}")], about.languages, verdict=state)
    lifts = lead[lead["scenario"].str.startswith("lift:") & known(lead["mean"])]
    best = lifts.iloc[int(lifts["mean"].abs().to_numpy(float).argmax())]
    together = lead[lead["scenario"] == "together"]
    named = {
        lang: {"subject": about.subject(lang), "best": about.name(_attribute(best), lang)} for lang in about.languages
    }
    metric = form_of(about.metric)
    statements = []
    if abs(float(best["mean"])) < practical:
        statements.append(Statement("driver_whatif.none", named))
    ends = {"value": Number(float(best["mean"]), metric, signed=True)}
    ends["span"] = Number(float(best["ci_low"]), metric, high=float(best["ci_high"]), signed=True)
    statements.append(Statement("driver_whatif.lead", named, ends))
    if len(together) and is_number(together["mean"].iloc[0]):
        both = together.iloc[0]
        numbers = {"together_value": Number(float(both["mean"]), metric, signed=True)}
        numbers["together_span"] = Number(float(both["ci_low"]), metric, high=float(both["ci_high"]), signed=True)
        statements.append(Statement("driver_whatif.together", named, numbers))

    def scenario(row: pd.Series, language: str) -> str:
        kind, _, what = str(row["scenario"]).partition(":")
        if kind == "together":
            return message(language, "driver_whatif.together_name")
        groups = about.labels.groups.get("touchpoint", {})
        name = (
            about.labels.group("touchpoint", what, language)
            if what in groups and kind == "target"
            else about.name(what, language)
        )
        return message(language, f"driver_whatif.{kind}", {"name": name})

    def draw(language: str) -> Figure:
        named = [
            about.name(_attribute(r), language) if str(r["scenario"]).startswith("lift:") else scenario(r, language)
            for _, r in lead.iterrows()
        ]
        return intervals(lead.assign(metric=metric), named, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        metrics = [str(m) for m in own["metric"].unique()]
        heads = ["scenario", "moved", *metrics]
        beside = [(str(o), str(m)) for o, m in outlook[["item", "metric"]].drop_duplicates().itertuples(index=False)]
        beside = [(o, m) for o, m in beside if o != about.outcome and m != "unhappy"]
        more = [outcome_name(o, labels=about.labels, language=language) for o, _ in beside]
        body = []
        for _, row in lead.iterrows():
            cells = [scenario(row, language), number(row["moved"], metric="share", language=language)]
            for m in metrics:
                found = own[(own["scenario"] == row["scenario"]) & (own["metric"] == m)].iloc[0]
                cells.append(tables.estimate_cell(written_as(found, m), language=language))
            for o, m in beside:
                here = (outlook["item"] == o) & (outlook["metric"] == m) & (outlook["scenario"] == row["scenario"])
                shown = [tables.estimate_cell(written_as(r, m), language=language) for _, r in outlook[here].iterrows()]
                cells += shown or ["—"]
            body.append(cells)
        return heads_table(heads, body, language, message(language, "driver_whatif.caption"), csv, more=more)

    def say(language: str) -> str:
        return about.note(language, message(language, "driver_whatif.note"))

    return build(id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=bars)


def groups(estimates: pd.DataFrame, *, by: str, about: About, id: str = "groups", csv: str = "") -> Finding:
    """Say which attribute matters more to one group than to another.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    by : str
        Level whose groups were to be compared; empty if none was asked for.
    about : About
    id, csv
        As in `importance`.
    """
    rows = estimates[
        (estimates["item"] == about.outcome) & (estimates["estimand"] == "effect") & (estimates["level"] == by)
    ]
    if not by:
        return build(id, [Statement("driver_groups.alike")], about.languages)
    state = "withheld" if rows.empty else state_of(rows)
    key = "untold" if rows.empty else state
    level = {lang: {"level": about.labels.level(by, lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_groups.{key}", level)], about.languages, verdict=state)
    seen = rows[known(rows["mean"])]
    order = list(
        seen.groupby("attribute", sort=False)["mean"]
        .agg(lambda m: m.max() - m.min())
        .sort_values(ascending=False)
        .index
    )
    gaps = {}
    for attribute, own in seen.groupby("attribute", sort=False):
        high, low = own.iloc[int(own["mean"].argmax())], own.iloc[int(own["mean"].argmin())]
        gaps[attribute] = float((high["mean"] - low["mean"]) / max(float(np.hypot(high["sd"], low["sd"])), 1e-12))
    best = max(gaps, key=lambda a: gaps[a])
    shown = seen[seen["attribute"] == best].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    top, bottom = shown.iloc[0], shown.iloc[-1]
    metric = form_of(about.metric)
    for lang in about.languages:
        level[lang] |= {"best": about.name(str(best), lang)}
        level[lang] |= {
            "top": about.labels.group(by, str(top["group"]), lang),
            "bottom": about.labels.group(by, str(bottom["group"]), lang),
        }
    numbers = {
        "high": Number(float(top["mean"]), metric, signed=True),
        "low": Number(float(bottom["mean"]), metric, signed=True),
    }
    clear = gaps[best] > _CLEAR and len(shown) > 1
    statements = [Statement("driver_groups.some", level, numbers) if clear else Statement("driver_groups.none", level)]

    def draw(language: str) -> Figure:
        names = [about.labels.group(by, str(g), language) for g in shown["group"]]
        return intervals(shown.assign(metric=metric, estimand="change"), names, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        names = list(dict.fromkeys(rows["group"]))
        body = []
        for attribute in order:
            own = rows[rows["attribute"] == attribute].set_index("group").reindex(names).reset_index()
            cells = [
                tables.estimate_cell(written_as(r, about.metric, signed=True), language=language)
                for _, r in own.iterrows()
            ]
            body.append([about.name(str(attribute), language), *cells])
        more = [about.labels.group(by, str(g), language) for g in names]
        return heads_table(
            ["attribute"], body, language, message(language, "driver_groups.caption", level[language]), csv, more=more
        )

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_groups.figure", {"best": level[lang]["best"]}),
    )  # fmt: skip


def heard(counts: pd.DataFrame, *, about: About, id: str = "heard", csv: str = "") -> Finding:
    """Say who rated what, who did not use it and who left it blank.

    Parameters
    ----------
    counts : DataFrame
        ``attribute``, ``rated``, ``not_used``, ``blank``: numbers of respondents.
    about : About
    id, csv
        As in `importance`.
    """
    total = counts[["rated", "not_used", "blank"]].sum(axis=1)
    share = (counts["rated"] / total).to_numpy(float)
    least = int(share.argmin())
    named = {lang: {"least": about.name(str(counts["attribute"].iloc[least]), lang)} for lang in about.languages}
    numbers = {"share": Number(float(share[least]), "share", drawn=False), "n": tally(float(total.max()))}
    statements = [
        Statement("driver_heard.least" if share[least] < 0.5 else "driver_heard.all", named, numbers),
        Statement("driver_heard.how"),
    ]
    order = counts.assign(share=share).sort_values("share", kind="stable")

    def draw(language: str) -> Figure:

        columns = ("rated", "not_used", "blank")
        legend = [message(language, f"driver_table.{c}") for c in columns]
        named = [about.name(str(a), language) for a in order["attribute"]]
        return parts(order.reset_index(drop=True), named, columns=columns, legend=legend, language=language)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"driver_table.{k}") for k in ("attribute", "rated", "not_used", "blank")]
        body = [
            [
                about.name(str(r["attribute"]), language),
                *(count(r[c]) for c in ("rated", "not_used", "blank")),
                number(r["share"], metric="share", language=language),
            ]
            for r in order.to_dict("records")
        ]
        columns = [(h, "left" if k == 0 else "right") for k, h in enumerate([*heads, message(language, "table.share")])]
        return table(columns, body, caption=message(language, "driver_heard.caption"), open=False, csv=csv)

    return build(id, statements, about.languages, draw=draw, tabulate=tabulate)


def _attribute(row: pd.Series) -> str:
    return str(row["scenario"]).partition(":")[2]
