"""Findings on the data itself: what there is, what is missing, and how far it can be trusted.

They are counts of rows, so they carry no intervals. All but `reconciliation` read the readiness table
(`vocab.READINESS_COLUMNS`) and take the rows of their own section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import pandas as pd
from matplotlib.figure import Figure

from cxlab.errors import DataError, Problem
from cxlab.report import charts, tables
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding, Number, Statement, build, listed, tally
from cxlab.report.format import Labels, Name, pick, plain
from cxlab.report.messages import catalogue, message
from cxlab.vocab import KINDS, LANGUAGES

Section = Literal["response_rate", "heard_share", "duplicates", "order", "links", "first_party"]
_PLACES: Final = ("asked_scored", "asked_words", "unasked_scored", "unasked_words")
_PARTS: Final = ("rows_used", "rows_out_of_scope", "rows_rejected")
_VALUES: Final = ("values_in", "values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected")
_ANSWERS: Final = ("yes", "partly", "no")
_BAD: Final = ("duplicates", "order")  # sections whose share counts what should not be there, `n_rejected`
_NESTED: Final = ("heard_share", "duplicates")  # sections whose rows overlap, so that they have no sum


def coverage(
    readiness: pd.DataFrame,
    *,
    labels: Labels,
    touchpoints: Sequence[str] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "coverage",
    csv: str = "",
) -> Finding:
    """Show the X/O map: what customers say at which touchpoint and how it came, and name the gaps.

    Parameters
    ----------
    readiness : DataFrame
        Rows of section ``map``: ``touchpoint``, ``solicited``, ``structured``, ``n_used``; a row without the latter two
        names a touchpoint that nobody speaks of.
    labels : Labels
    touchpoints : sequence of str
        Order of the touchpoints; others follow.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    csv : str
        Name of the site's CSV file with these rows.
    """
    rows = _rows(readiness, "map")
    named = [str(t) for t in rows["touchpoint"].dropna().unique() if str(t)]
    order = list(dict.fromkeys([*(t for t in touchpoints if t), *named]))
    placed = rows[rows["solicited"].notna() & rows["structured"].notna()]
    cells = pd.DataFrame(
        {
            "row": placed["touchpoint"].fillna("").astype(str),
            "column": [_place(r) for r in placed.to_dict("records")],
            "n": placed["n_used"].astype(float),
        }
    )
    grid = cells.pivot_table(index="row", columns="column", values="n", aggfunc="sum", fill_value=0.0)
    general = [""] if "" in grid.index and grid.loc[""].any() else []
    grid = grid.reindex(index=[*order, *general], columns=list(_PLACES), fill_value=0.0)
    heard = grid.loc[order]
    silent = [t for t in order if not heard.loc[t].any()]
    missing = [p for p in _PLACES if not grid[p].any()]
    names = {
        lang: {
            "list": listed([_touchpoint(t, labels, lang) for t in silent], lang),
            "missing": listed([message(lang, f"coverage.{p}") for p in missing], lang),
        }
        for lang in languages
    }
    total = {"held": tally(int((heard > 0).to_numpy().sum())), "cells": tally(heard.size)}
    statements = [Statement("coverage.held" if order else "coverage.none", names, total)]
    if order:
        statements.append(Statement("coverage.silent" if silent else "coverage.all_heard", names))
    if missing and grid.to_numpy().any():
        statements.append(Statement("coverage.missing", names))
    flat = grid.rename_axis("row").reset_index().melt("row", var_name="column", value_name="n")

    def draw(language: str) -> Figure:
        columns = {p: message(language, f"coverage.{p}") for p in _PLACES}
        rows_named = {str(t): _touchpoint(str(t), labels, language) for t in grid.index}
        return charts.coverage(flat, rows=rows_named, columns=columns, language=language)

    def tabulate(language: str) -> Block:
        body = [[_touchpoint(str(t), labels, language), *grid.loc[t]] for t in grid.index]
        heads = [message(language, "level.touchpoint"), *(message(language, f"coverage.{p}") for p in _PLACES)]
        return tables.counts_table(
            heads, body, language=language, caption=message(language, "coverage.caption"), csv=csv
        )

    shown = bool(len(grid))
    return build(id, statements, languages, draw=draw if shown else None, tabulate=tabulate if shown else None)


def kinds(
    readiness: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "kinds", csv: str = ""
) -> Finding:
    """Say which of the four kinds of customer data there are, and what the missing ones would tell.

    Parameters
    ----------
    readiness : DataFrame
        Rows of section ``kinds``: ``kind`` (one of `vocab.KINDS`), ``n_used``. Other parameters as in `coverage`.
    """
    rows = _rows(readiness, "kinds")
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
    filled = rows.assign(table=rows["table"].fillna("").astype(str))
    whole = filled.groupby(["source", "table"], sort=False)[["rows_in", *_PARTS]].sum().reset_index()
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
    values = rows[list(_VALUES)].astype(float).fillna(0).sum()
    if values["values_in"]:
        empty = values[["never_asked", "not_used", "refused", "blank"]].sum()
        counts = {"values_in": values["values_in"], "scored": values["values_scored"], "empty": empty}
        counts["rejected"] = values["values_rejected"]
        statements.append(Statement("reconciliation.values", {}, {k: tally(float(v)) for k, v in counts.items()}))

    def draw(language: str) -> Figure:
        named = [f"{s} → {t}" if t else str(s) for s, t in zip(whole["source"], whole["table"], strict=True)]
        legend = [message(language, f"table.{p}") for p in _PARTS]
        return charts.parts(whole, named, columns=_PARTS, legend=legend, language=language)

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
    readiness: pd.DataFrame,
    *,
    section: Section,
    labels: Labels,
    languages: Sequence[str] = LANGUAGES,
    id: str = "",
    csv: str = "",
) -> Finding:
    """Say which share of a whole something holds for, in all and row by row.

    Parameters
    ----------
    readiness : DataFrame
        Rows of the section: ``touchpoint, source, kind`` name a row, ``n_in`` is the whole, ``n_used`` the part
        (``n_rejected`` for duplicates and order): ``links`` rows that found their partner; ``response_rate`` people
        asked who answered; ``heard_share`` customers who said anything; ``duplicates`` repeated texts and answers;
        ``order`` ratings given before the experience they judge; ``first_party`` what the company collected itself.
    section : str
        What the shares are. Other parameters as in `coverage`.
    """
    rows = _rows(readiness, section)
    rows = rows[rows["n_in"].astype(float) > 0]
    if section == "order":  # rows by outcome count the same ratings again
        undivided = rows["kind"].fillna("").astype(str) == ""
        rows = rows[undivided] if undivided.any() else rows
    part = "n_rejected" if section in _BAD else "n_used"
    data = pd.DataFrame({"n_used": rows[part].astype(float), "n_in": rows["n_in"].astype(float)})
    data["share"] = data["n_used"] / data["n_in"]
    data["row"] = range(len(data))
    if section not in _NESTED:
        data = data.sort_values("share", ascending=section not in _BAD, kind="stable")
    records = [rows.to_dict("records")[int(i)] for i in data["row"]]
    data = data.reset_index(drop=True)
    if data.empty:
        return build(id or section, [Statement(f"{section}.none")], languages)

    def name(place: int, language: str) -> str:
        return _row_name(records[place], section, labels, language)

    def about(place: int) -> dict[str, Number]:
        used, total, share = (float(data[c].iloc[place]) for c in ("n_used", "n_in", "share"))
        counts = {"used": Number(used, "count", drawn=False), "total": Number(total, "count", drawn=False)}
        return counts | {"share": Number(share, "rate")}

    statements = []
    if section in _NESTED:
        for place, record in enumerate(records):
            if section == "duplicates" and place and not data.loc[place, "n_used"]:
                continue  # nothing of that kind: the table says so
            key = f"{section}.{record['kind']}"
            known_kind = f"{key}.other" in catalogue("en")
            names = {lang: {"name": name(place, lang)} for lang in languages}
            found = about(place)
            statements.append(
                Statement(key if known_kind else f"{section}.row", names, found, quantity=found["used"].value)
            )
    else:
        added = data.loc[_disjoint(records, section)]
        used, total = float(added["n_used"].sum()), float(added["n_in"].sum())
        single = len(data) == 1
        whole = about(0) if single else {"used": tally(used), "total": tally(total)}
        whole |= {} if single else {"share": Number(used / total, "rate", drawn=False, tabled=False)}
        statements.append(Statement(f"{section}.whole", {}, whole, quantity=used))
        if not single:
            names = {lang: {"name": name(0, lang)} for lang in languages}
            edge = {f"edge_{k}": v for k, v in about(0).items()}
            statements.append(Statement(f"{section}.edge", names, edge))
        if section == "order" and used > 0:
            statements.append(Statement("order.so"))

    def draw(language: str) -> Figure:
        return charts.shares(data, [name(i, language) for i in range(len(data))], language=language)

    def tabulate(language: str) -> Block:
        named = [name(i, language) for i in range(len(data))]
        heads = [message(language, f"{section}.{c}") for c in ("rows", "n_used", "n_in")]
        caption = message(language, f"{section}.caption")
        return tables.shares_table(data, named, heads=heads, language=language, caption=caption, csv=csv)

    return build(id or section, statements, languages, draw=draw, tabulate=tabulate)


def questions(
    readiness: pd.DataFrame,
    *,
    titles: Mapping[str, Name] | None = None,
    languages: Sequence[str] = LANGUAGES,
    id: str = "questions",
    csv: str = "",
) -> Finding:
    """Say which questions this data can answer, and what is missing for the others.

    Parameters
    ----------
    readiness : DataFrame
        Rows of section ``questions``: ``source`` (a notebook's id), ``verdict`` (``yes``, ``partly``, ``no``), ``kind``
        (what is missing, ids separated by commas).
    titles : mapping of notebook id -> its question, optional
        Other parameters as in `coverage`.

    Raises
    ------
    DataError
        A verdict is none of the three.
    """
    rows = _rows(readiness, "questions")
    wrong = sorted(set(rows["verdict"].astype(str)) - set(_ANSWERS))
    if wrong:
        raise DataError(Problem("unknown answer", where="verdict", value=", ".join(wrong), allowed=", ".join(_ANSWERS)))
    given = titles or {}

    def ask(notebook: object, language: str) -> str:
        known = catalogue(language).get(f"question.{notebook}", str(notebook).replace("_", " "))
        return pick(given.get(str(notebook), known), language)

    def why(missing: object, language: str) -> str:
        pieces = [p.strip() for p in str(missing).split(",") if p.strip()]
        words = catalogue(language)
        return listed([words.get(f"piece.{p}", p) for p in pieces], language)

    by = {v: rows[rows["verdict"] == v] for v in _ANSWERS}
    said = {
        lang: {v: listed([f"“{ask(q, lang)}”" for q in by[v]["source"]], lang, most=10) for v in _ANSWERS}
        for lang in languages
    }
    found = {"yes_n": tally(len(by["yes"])), "total": tally(len(rows))}
    statements = [Statement("questions.yes" if len(rows) else "questions.none", said, found if len(rows) else {})]
    statements += [Statement(f"questions.{v}", said) for v in ("partly", "no") if len(by[v])]

    def tabulate(language: str) -> Block:
        heads = [message(language, f"table.{c}") for c in ("question", "answerable", "missing")]
        body = [
            [ask(r["source"], language), message(language, f"questions.word_{r['verdict']}"), why(r["kind"], language)]
            for r in rows.to_dict("records")
        ]
        caption = message(language, "questions.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, texts=3, open=True, csv=csv)

    return build(id, statements, languages, tabulate=tabulate if len(rows) else None)


def _rows(readiness: pd.DataFrame, section: str) -> pd.DataFrame:
    return readiness[readiness["section"] == section].reset_index(drop=True)


def _disjoint(records: Sequence[Mapping[Any, Any]], section: str) -> list[int]:
    """Return rows that may be added up: for order those of one outcome, since a rating may be tied to several."""
    if section != "order":
        return list(range(len(records)))
    outcomes = [str(r["kind"]).removeprefix("not ") for r in records]
    sizes = {o: sum(float(r["n_in"]) for r, x in zip(records, outcomes, strict=True) if x == o) for o in outcomes}
    largest = max(sizes, key=lambda o: sizes[o])
    return [i for i, o in enumerate(outcomes) if o == largest]


def _place(row: Mapping[Any, Any]) -> str:
    return ("asked" if row["solicited"] else "unasked") + ("_scored" if row["structured"] else "_words")


def _touchpoint(touchpoint: str, labels: Labels, language: str) -> str:
    return labels.group("touchpoint", touchpoint, language) if touchpoint else message(language, "coverage.general")


def _row_name(row: Mapping[Any, Any], section: str, labels: Labels, language: str) -> str:
    """Name a row by what its section keeps in touchpoint, source and kind."""
    source, touchpoint, kind = (
        plain(row[c]) if isinstance(row[c], str) else "" for c in ("source", "touchpoint", "kind")
    )
    if section in _NESTED or section == "first_party":
        return catalogue(language).get(f"{section}.name_{kind or 'all'}", kind or source)
    if section == "links":
        return kind.replace("->", "→") or source
    place = labels.group("touchpoint", touchpoint, language) if touchpoint else ""
    if section == "order":
        outcome = kind.removeprefix("not ")
        if kind.startswith("not "):
            outcome = message(language, "order.not", {"outcome": outcome})
        parts = [labels.item(source, language) if source else "", place, outcome]
    else:
        parts = [place, labels.group("channel", kind, language) if kind else source]
    return message(language, "list.comma").join(p for p in parts if p) or message(language, "level.total")
