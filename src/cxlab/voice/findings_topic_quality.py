"""Findings on the making of topics: what became of every comment, floods, languages, tone, the topic file.

All read the table ``topic_checks`` of the client's topic space (see `cxlab.voice.topic_space`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, listed, tally
from cxlab.report.format import count, known, number, plain
from cxlab.report.messages import catalogue, message
from cxlab.vocab import LANGUAGES
from cxlab.voice import figures as drawn
from cxlab.voice.findings_topics import language_name, measures


def account(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "account") -> Finding:
    """Say what became of every comment: in a topic, or why not.

    Parameters
    ----------
    checks : DataFrame
        The table ``topic_checks``.
    languages, id
        As in `topics`.
    """
    kept = (checks["n"] > 0) | (checks["name"] == "modelled")
    rows = checks[(checks["section"] == "account") & kept].reset_index(drop=True)
    total = float(rows["n"].sum())
    if not total:
        return build(id, [Statement("topic_account.none")], languages)
    inside = float(rows.loc[rows["name"] == "modelled", "n"].sum())
    numbers = {
        "all": Number(total, "count", drawn=False, tabled=False),
        "value": Number(inside, "count"),
        "share": Number(inside / total, "share", drawn=False, tabled=False),
    }
    left = rows[rows["name"] != "modelled"]
    if left.empty:
        statements = [Statement("topic_account.all_in", {}, {"all": tally(total)}, quantity=total)]
    else:
        why = {lang: {"list": listed([_left(r, lang) for r in left.to_dict("records")], lang)} for lang in languages}
        statements = [Statement("topic_account.lead", {}, numbers), Statement("topic_account.rest", why)]

    def draw(language: str) -> Figure:
        called = [reason_name(str(name), language) for name in rows["name"]]
        return drawn.bars(rows["n"].to_numpy(float), called, metric="count", language=language)

    def tabulate(language: str) -> Block:
        body = [[reason_name(str(r["name"]), language), count(r["n"])] for r in rows.to_dict("records")]
        heads = [
            (message(language, "topic_account.reason"), "left"),
            (message(language, "topic_account.comments"), "right"),
        ]
        return table(heads, body, caption=message(language, "topic_account.caption"), open=False)

    return build(id, statements, languages, draw=draw, tabulate=tabulate)


def floods(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "floods") -> Finding:
    """Say how many comments are copies of each other; arguments as in `account`."""
    rows = checks[(checks["section"] == "flood") & (checks["n"] > 0)].reset_index(drop=True)
    total = float(rows["n"].sum())
    if not total:
        return build(id, [Statement("topic_flood.none")], languages)
    lead = Statement("topic_flood.lead", {}, {"value": tally(total)}, quantity=total)

    def tabulate(language: str) -> Block:
        body = [
            [message(language, f"topic_flood.{r['name']}"), count(r["value"]), count(r["n"])]
            for r in rows.to_dict("records")
        ]
        heads = [(message(language, f"topic_flood.{h}"), s) for h, s in
                 (("kind", "left"), ("floods", "right"), ("comments", "right"))]  # fmt: skip
        return table(heads, body, caption=message(language, "topic_flood.caption"), open=False)

    return build(id, [lead], languages, note=lambda lang: message(lang, "topic_flood.note"), tabulate=tabulate)


def meaning(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "meaning") -> Finding:
    """Say by what the meaning of comments was compared in each language; arguments as in `account`."""
    rows = checks[checks["section"] == "language"].sort_values("n", ascending=False, kind="stable")
    if rows.empty:
        return build(id, [Statement("topic_meaning.none")], languages)

    def way(name: str, language: str) -> str:
        method = name.partition(":")[0]
        key = method if method in ("use", "corpus") else "own"
        return message(language, f"topic_meaning.{key}", {"name": plain(name)})

    def how(language: str) -> str:
        parts = [
            message(language, "topic_meaning.in_language", {
                "language": language_name(str(r["language"]), language), "way": way(str(r["name"]), language),
            })
            for r in rows.to_dict("records")
        ]  # fmt: skip
        return listed(parts, language)

    def tabulate(language: str) -> Block:
        body = [
            [
                language_name(str(r["language"]), language),
                count(r["n"]),
                count(r["value"]),
                way(str(r["name"]), language),
            ]
            for r in rows.to_dict("records")
        ]
        heads = [message(language, "topic_meaning.language"), message(language, "topic_list.size")]
        heads += [message(language, f"topic_meaning.{h}") for h in ("clauses", "vectors")]
        columns = list(zip(heads, ("left", "right", "right", "left"), strict=True))
        return table(columns, body, caption=message(language, "topic_meaning.caption"), open=False)

    lead = Statement("topic_meaning.lead", {lang: {"how": how(lang)} for lang in languages})
    return build(id, [lead], languages, note=lambda lang: message(lang, "topic_meaning.note"), tabulate=tabulate)


def tone(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "tone") -> Finding:
    """Say how well praise and complaint are told apart on comments kept aside; arguments as in `account`."""
    wide = measures(checks, "sentiment")
    rated = wide[known(wide["accuracy"])] if "accuracy" in wide else wide.head(0)
    if rated.empty:
        key = "lexicon" if (checks.loc[checks["section"] == "sentiment", "text"] == "lexicon").any() else "none"
        return build(id, [Statement(f"topic_tone.{key}")], languages)
    weight = rated["n"].to_numpy(float)
    value = float(np.average(rated["accuracy"].to_numpy(float), weights=weight)) if weight.sum() else float("nan")
    same = len(rated) == 1
    numbers = {"n": Number(float(weight.sum()), "count", drawn=False, tabled=same)}
    numbers["value"] = Number(value, "share", drawn=False, tabled=same)
    said = [Statement("topic_tone.lead", {}, numbers)]
    if "base" in rated and weight.sum():
        good = rated["base"].to_numpy(float)
        usual = float(np.average(np.maximum(good, 1 - good), weights=weight))
        said.append(Statement("topic_tone.base", {}, {"base": Number(usual, "share", drawn=False, tabled=False)}))

    def tabulate(language: str) -> Block:
        heads = [(message(language, f"topic_tone.{h}"), "left" if h == "language" else "right")
                 for h in ("language", "rated", "accuracy", "auc", "brier")]  # fmt: skip
        body = [
            [
                language_name(str(code), language),
                count(r["n"]),
                number(r["accuracy"], metric="share", language=language),
                number(r.get("auc", np.nan), metric="mean", language=language),
                number(r.get("brier", np.nan), metric="mean", language=language),
            ]
            for code, r in rated.iterrows()
        ]
        return table(heads, body, caption=message(language, "topic_tone.caption"), open=False)

    return build(id, said, languages, note=lambda lang: message(lang, "topic_tone.note"), tabulate=tabulate)


def quality(checks: pd.DataFrame) -> tuple[float, str]:
    """Return how many of the held-out comments are told right, over all languages, and how praise is told.

    The way is ``rated`` (learnt from scores), ``lexicon`` (a list of words) or ``none``; NaN where nothing was learnt.
    """
    rows = checks[checks["section"] == "sentiment"]
    right = rows[(rows["name"] == "accuracy") & known(rows["value"])]
    if right.empty:
        return float("nan"), "lexicon" if (rows["text"] == "lexicon").any() else "none"
    return float(np.average(right["value"].to_numpy(float), weights=right["n"].to_numpy(float))), "rated"


def rules(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "rules") -> Finding:
    """Say which entries of the topic file were obeyed and which met nothing; arguments as in `account`."""
    rows = checks[checks["section"] == "rule"].reset_index(drop=True)
    if rows.empty:
        return build(id, [Statement("topic_rules.none")], languages)
    missed = rows[rows["value"] == 0]
    obeyed = float(len(rows) - len(missed))
    statements = [Statement("topic_rules.lead", {}, {"value": tally(obeyed)}, quantity=obeyed)]
    if not obeyed:
        statements = [Statement("topic_rules.idle")]
    if len(missed):
        entries = [plain(x) for x in missed["name"]]
        statements.append(
            Statement("topic_rules.unmatched", {lang: {"list": listed(entries, lang)} for lang in languages})
        )

    def tabulate(language: str) -> Block:
        body = []
        for r in rows.to_dict("records"):
            kind, _, entry = str(r["name"]).partition(": ")
            met = plain(r["text"]) if r["value"] else message(language, "topic_rules.nothing")
            near = "" if r["value"] else plain(r["text"]) or message(language, "topic_rules.far")
            body.append([plain(kind), plain(entry), met, near])
        heads = [(message(language, f"topic_rules.{h}"), "left") for h in ("kind", "entry", "outcome", "nearest")]
        return table(heads, body, caption=message(language, "topic_rules.caption"), open=bool(len(missed)))

    return build(id, statements, languages, tabulate=tabulate)


def reason_name(name: str, language: str) -> str:
    """Return what became of a comment, in words."""
    key = f"topic_reason.{name}"
    if key in catalogue(language):
        return message(language, key)
    return message(language, "topic_reason.else", {"reason": plain(name)})


def _left(row: Mapping[Hashable, object], language: str) -> str:
    return f"{reason_name(str(row['name']), language)} ({count(float(str(row['n'])))})"
