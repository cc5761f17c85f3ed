"""Findings on the data itself: what there is, what is missing, and how far it can be trusted.

They are counts of rows, so they carry no intervals. Shares of a section come as rows of `vocab.READINESS_COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import pandas as pd
from matplotlib.figure import Figure

from cxlab import figures, tables
from cxlab.blocks import Block
from cxlab.catalogue import message
from cxlab.errors import DataError, Problem
from cxlab.narrative.finding import Finding, Number, Statement, build, listed, tally
from cxlab.vocab import KINDS, LANGUAGES
from cxlab.wording import Labels, Name, pick

Section = Literal["response_rate", "heard", "duplicates", "order", "links"]
_PLACES: Final = ("asked_scored", "asked_words", "unasked_scored", "unasked_words", "did")
_PARTS: Final = ("rows_used", "rows_out_of_scope", "rows_rejected")
_ANSWERS: Final = ("yes", "partly", "no")


def coverage(
    rows: pd.DataFrame,
    *,
    labels: Labels,
    touchpoints: Sequence[str] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "coverage",
    csv: str = "",
) -> Finding:
    """Show the X/O map: what is known at which touchpoint, and name the gaps.

    Parameters
    ----------
    rows : DataFrame
        Readiness rows: ``touchpoint``, ``solicited``, ``structured`` (missing for O data), ``kind``, ``n_used``.
    labels : Labels
    touchpoints : sequence of str
        Touchpoints of the journey in order, so that one without any data is a gap; those of `rows` are added.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    csv : str
        Name of the site's CSV file with these rows.
    """
    known = [str(t) for t in rows["touchpoint"].dropna().unique() if str(t)]
    order = list(dict.fromkeys([*touchpoints, *known]))
    cells = pd.DataFrame(
        {
            "row": rows["touchpoint"].fillna("").astype(str),
            "column": [_place(r) for r in rows.to_dict("records")],
            "n": rows["n_used"].astype(float),
        }
    )
    grid = cells.pivot_table(index="row", columns="column", values="n", aggfunc="sum", fill_value=0.0)
    grid = grid.reindex(index=[*order, *([""] if "" in grid.index else [])], columns=list(_PLACES), fill_value=0.0)
    names = {lang: {"": ""} for lang in languages}
    heard = grid.loc[order, list(_PLACES[:-1])]
    silent = [t for t in order if not heard.loc[t].any()]
    missing = [p for p in _PLACES if not grid[p].any()]
    for lang in languages:
        names[lang]["list"] = listed([_touchpoint(t, labels, lang) for t in silent], lang)
        names[lang]["missing"] = listed([message(lang, f"coverage.{p}") for p in missing], lang)
    total = {"held": tally(int((heard > 0).to_numpy().sum())), "cells": tally(heard.size)}
    statements = [Statement("coverage.held" if order else "coverage.none", names, total)]
    if order:
        statements.append(Statement("coverage.silent" if silent else "coverage.all_heard", names))
    if missing and order:
        statements.append(Statement("coverage.missing", names))
    flat = grid.rename_axis("row").reset_index().melt("row", var_name="column", value_name="n")

    def draw(language: str) -> Figure:
        columns = {p: message(language, f"coverage.{p}") for p in _PLACES}
        named = {str(t): _touchpoint(str(t), labels, language) for t in grid.index}
        return figures.coverage(flat, rows=named, columns=columns, language=language)

    def tabulate(language: str) -> Block:
        body = [[_touchpoint(str(t), labels, language), *grid.loc[t]] for t in grid.index]
        heads = [message(language, "level.touchpoint"), *(message(language, f"coverage.{p}") for p in _PLACES)]
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "coverage.caption"), csv=csv
        )

    shown = draw if len(grid) else None
    return build(id, statements, languages, draw=shown, tabulate=tabulate if len(grid) else None)


def kinds(rows: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "kinds", csv: str = "") -> Finding:
    """Say which of the four kinds of customer data there are, and what the missing ones would tell.

    Parameters
    ----------
    rows : DataFrame
        Readiness rows: ``kind`` (one of `vocab.KINDS`), ``n_used``. Other parameters as in `coverage`.
    """
    held = rows.groupby("kind")["n_used"].sum().reindex(list(KINDS), fill_value=0).astype(float)
    missing = [k for k in KINDS if not held[k] > 0]
    names = {lang: {"list": listed([message(lang, f"kind.{k}.name") for k in missing], lang)} for lang in languages}
    found = {"held": tally(len(KINDS) - len(missing))}
    statements = [Statement("kinds.held" if missing else "kinds.all", names, found if missing else {})]
    if missing:
        statements.append(Statement("kinds.missing", names))

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{k}") for k in ("kind", "n_rows", "tells")]
        body = [[message(language, f"kind.{k}.name"), held[k], message(language, f"kind.{k}.tells")] for k in KINDS]
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "kinds.caption"), open=True, csv=csv
        )

    return build(id, statements, languages, tabulate=tabulate)


def reconciliation(
    rows: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "reconciliation", csv: str = ""
) -> Finding:
    """Account for every row that came in: used, out of scope or rejected.

    Parameters
    ----------
    rows : DataFrame
        `vocab.RECONCILIATION_COLUMNS`. Other parameters as in `coverage`.

    Raises
    ------
    DataError
        A source's rows do not add up: the connect step lost or doubled some.
    """
    whole = rows.groupby(["source", "table"], sort=False)[["rows_in", *_PARTS]].sum().reset_index()
    off = whole[whole["rows_in"] != whole[list(_PARTS)].sum(axis=1)]
    if len(off):
        raise DataError(
            [
                Problem(
                    "rows in are not rows used + out of scope + rejected",
                    where=f"{r['source']} -> {r['table']}",
                    value=f"{r['rows_in']} in; " + ", ".join(f"{r[p]} {p.removeprefix('rows_')}" for p in _PARTS),
                    todo="report this as a fault: no row may get lost",
                )
                for r in off.to_dict("records")
            ]
        )
    total = whole[["rows_in", *_PARTS]].sum()
    numbers = {str(k): Number(float(v), "count", drawn=False) for k, v in total.items()}
    share = float(total["rows_rejected"] / total["rows_in"]) if total["rows_in"] else 0.0
    numbers["share"] = Number(share, "rate", drawn=False, tabled=False)
    key = "reconciliation.all" if total["rows_in"] else "reconciliation.none"
    statements = [Statement(key, {}, numbers)] if total["rows_in"] else [Statement(key)]
    values = rows[
        ["values_in", "values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected"]
    ].sum()
    if values["values_in"]:
        empty = values[["never_asked", "not_used", "refused", "blank"]].sum()
        counts = {"values_in": values["values_in"], "scored": values["values_scored"], "empty": empty}
        counts["rejected"] = values["values_rejected"]
        statements.append(Statement("reconciliation.values", {}, {k: tally(float(v)) for k, v in counts.items()}))

    def draw(language: str) -> Figure:
        named = [f"{s} → {t}" for s, t in zip(whole["source"], whole["table"], strict=True)]
        legend = [message(language, f"table.{p}") for p in _PARTS]
        return figures.parts(whole, named, columns=_PARTS, legend=legend, language=language)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{c}") for c in ("source", "table", "rows_in", *_PARTS)]
        body = [list(r) for r in whole.itertuples(index=False)]
        body.append([message(language, "table.total"), "", *total])
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "reconciliation.caption"), texts=2, csv=csv
        )

    shown = bool(total["rows_in"])
    return build(id, statements, languages, draw=draw if shown else None, tabulate=tabulate if shown else None)


def shares(
    rows: pd.DataFrame,
    *,
    section: Section,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "",
    csv: str = "",
) -> Finding:
    """Say which share of a whole something holds for, and by source or touchpoint.

    Parameters
    ----------
    rows : DataFrame
        Readiness rows of one section; each row's share is ``n_used / n_in``:
        ``response_rate`` answered of asked; ``heard`` customers heard of all; ``links`` linked rows of all;
        ``duplicates`` suspicious answers of all; ``order`` ratings before their experience of all that can be dated.
        ``touchpoint`` or, if missing, ``source`` names the row.
    section : str
        What the shares are. Other parameters as in `coverage`.
    """
    data = rows[rows["n_in"].astype(float) > 0].copy()
    used, asked = data["n_used"].astype(float), data["n_in"].astype(float)
    data["share"] = used / asked
    worst_first = section in ("response_rate", "heard", "links")
    data = data.sort_values("share", ascending=worst_first, kind="stable").reset_index(drop=True)
    if data.empty:
        return build(id or section, [Statement(f"{section}.none")], languages)
    whole = {
        "used": tally(float(used.sum())),
        "total": tally(float(asked.sum())),
        "share": Number(float(used.sum() / asked.sum()), "rate", drawn=len(data) == 1, tabled=len(data) == 1),
    }
    statements = [Statement(f"{section}.whole", {}, whole, quantity=float(used.sum()))]
    if len(data) > 1:
        names = {lang: {"name": _row_name(data.iloc[0], labels, lang)} for lang in languages}
        edge = {"edge": Number(float(data["share"].iloc[0]), "rate")}
        statements.append(Statement(f"{section}.edge", names, edge))
    if section in ("order", "heard") and used.sum() > 0:
        statements.append(Statement(f"{section}.so"))

    def draw(language: str) -> Figure:
        return figures.shares(data, [_row_name(r, labels, language) for _, r in data.iterrows()], language=language)

    def tabulate(language: str) -> Block:
        named = [_row_name(r, labels, language) for _, r in data.iterrows()]
        heads = [message(language, "table.source"), *(message(language, f"{section}.{c}") for c in ("n_used", "n_in"))]
        caption = message(language, f"{section}.caption")
        return tables.shares_table(data, named, heads=heads, language=language, caption=caption, csv=csv)

    return build(id or section, statements, languages, draw=draw, tabulate=tabulate)


def links(rows: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "links", csv: str = "") -> Finding:
    """Say how many rows of each join found their partner.

    Parameters
    ----------
    rows : DataFrame
        `vocab.LINK_COLUMNS`. Other parameters as in `coverage`.
    """
    named = pd.DataFrame(
        {
            "source": [f"{r['from']} → {r['to']}" for r in rows.to_dict("records")],
            "touchpoint": None,
            "n_in": rows["rows"].to_numpy(float),
            "n_used": rows["matched"].to_numpy(float),
        }
    )
    return shares(named, section="links", labels=Labels(), languages=languages, id=id, csv=csv)


def answers(
    rows: pd.DataFrame,
    *,
    names: Mapping[str, Name] | None = None,
    languages: Sequence[str] = LANGUAGES,
    id: str = "answers",
    csv: str = "",
) -> Finding:
    """Say which questions this data can answer.

    Parameters
    ----------
    rows : DataFrame
        Columns ``question``, ``verdict`` (``yes``, ``partly``, ``no``) and ``reason``.
    names : mapping, optional
        Text -> its wording in each language, for questions and reasons. Other parameters as in `coverage`.

    Raises
    ------
    DataError
        A verdict is none of the three.
    """
    wrong = sorted(set(rows["verdict"].astype(str)) - set(_ANSWERS))
    if wrong:
        raise DataError(Problem("unknown answer", where="verdict", value=", ".join(wrong), allowed=", ".join(_ANSWERS)))
    given = names or {}

    def say(text: object, language: str) -> str:
        return pick(given.get(str(text), str(text)), language)

    by = {v: rows[rows["verdict"] == v] for v in _ANSWERS}
    said = {
        lang: {v: listed([f"“{say(q, lang)}”" for q in by[v]["question"]], lang, most=10) for v in _ANSWERS}
        for lang in languages
    }
    found = {"yes_n": tally(len(by["yes"])), "total": tally(len(rows))}
    statements = [Statement("answers.yes" if len(rows) else "answers.none", said, found if len(rows) else {})]
    statements += [Statement(f"answers.{v}", said) for v in ("partly", "no") if len(by[v])]

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{c}") for c in ("question", "answerable", "reason")]
        body = [
            [
                say(r["question"], language),
                message(language, f"answers.word_{r['verdict']}"),
                say(r["reason"], language),
            ]
            for r in rows.to_dict("records")
        ]
        caption = message(language, "answers.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, texts=3, open=True, csv=csv)

    return build(id, statements, languages, tabulate=tabulate if len(rows) else None)


def _place(row: Mapping[Any, Any]) -> str:
    if row["kind"] != "attitudinal":
        return "did"
    return ("asked" if row["solicited"] is True or row["solicited"] == 1 else "unasked") + (
        "_scored" if row["structured"] is True or row["structured"] == 1 else "_words"
    )


def _touchpoint(touchpoint: str, labels: Labels, language: str) -> str:
    return labels.group("touchpoint", touchpoint, language) if touchpoint else message(language, "coverage.general")


def _row_name(row: pd.Series, labels: Labels, language: str) -> str:
    touchpoint = row.get("touchpoint")
    if isinstance(touchpoint, str) and touchpoint:
        return labels.group("touchpoint", touchpoint, language)
    source = row.get("source")
    return source if isinstance(source, str) and source else message(language, "level.total")
