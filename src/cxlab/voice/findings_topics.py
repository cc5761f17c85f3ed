"""Findings on the topics of all comments: which they are, how stable, what became of every comment.

All read the tables of the client's topic space: ``topics`` and ``topic_checks`` (see `cxlab.voice.topic_space`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, listed, tally
from cxlab.report.format import count, known, number, pick, plain
from cxlab.report.messages import catalogue, message
from cxlab.vocab import LANGUAGES
from cxlab.voice import figures as drawn

_STABLE, _FAIR = 0.85, 0.65  # overlap with what comes back from which topics are called stable, fairly stable
_SHAKY = 0.65  # stability of a topic below which it is named
_MOST = 24  # topics of a figure; the table has them all
_THEMES = 6  # named in a sentence
Names = Mapping[str, Mapping[str, str]]


def names_of(topics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the names of topics: id -> language -> name."""
    columns = {lang: f"label_{lang}" for lang in LANGUAGES if f"label_{lang}" in topics}
    return {
        str(row["topic_id"]): {lang: plain(row[c]) for lang, c in columns.items() if isinstance(row[c], str) and row[c]}
        or {"en": str(row["topic_id"])}
        for row in topics.to_dict("records")
    }


def quoted(names: Sequence[str], language: str) -> str:
    """Return names in quotation marks as one text."""
    return listed([message(language, "voice.quoted", {"name": n}) for n in names], language)


def language_name(code: str, language: str) -> str:
    """Return the name of a language, or of several joined by ``+``; ``other`` is all that are rare."""
    found = []
    for one in code.split("+"):
        key = f"topic_language.{'rest' if one == 'other' else one}"
        found.append(message(language, key) if key in catalogue(language) else plain(one))
    return listed(found, language)


def topics(
    found: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "topics", csv: str = "topics.csv"
) -> Finding:
    """Say what customers talk about.

    Parameters
    ----------
    found : DataFrame
        The table ``topics``.
    languages : sequence of str
        Primary language first.
    id, csv : str
        Name of the finding on its page; of the site's CSV file with these rows.
    """
    rows = found.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)
    if rows.empty:
        return build(id, [Statement("topic_list.none")], languages)
    names = names_of(rows)
    called = {lang: [pick(names[str(t)], lang) for t in rows["topic_id"]] for lang in languages}
    words = {lang: {"best": called[lang][0], "list": quoted(called[lang][1:5], lang)} for lang in languages}
    numbers = {"topics": tally(len(rows)), "value": Number(float(rows["share"].iloc[0]), "share")}
    if len(rows) == 1:
        statements = [Statement("topic_list.single", words)]
    else:
        statements = [Statement("topic_list.lead", words, numbers), Statement("topic_list.next", words)]
    spoken = rows["language"].astype(str)
    if len({c for code in spoken for c in code.split("+")}) > 1:
        both = int(spoken.str.contains("+", regex=False).sum())
        if 0 < both < len(rows):
            count_of = {"both": tally(both), "topics": tally(len(rows))}
            statements.append(Statement("topic_list.bilingual", {}, count_of))
        else:
            statements.append(Statement("topic_list.together" if both else "topic_list.apart"))

    if "theme" in rows and rows["theme"].nunique() > 1:
        statements.append(_themes(rows, names, languages))

    def draw(language: str) -> Figure:
        shown = rows.head(_MOST)
        return drawn.bars(shown["share"].to_numpy(float), called[language][:_MOST], metric="share", language=language)

    def tabulate(language: str) -> Block:
        heads = [("topic", "left"), ("keywords", "left"), ("language", "left"), ("size", "right"), ("share", "right")]
        heads += [("stability", "right"), ("npmi", "right")]
        body = [
            [
                name,
                plain(r["keywords"]),
                language_name(str(r["language"]), language),
                count(r["size"]),
                number(r["share"], metric="share", language=language),
                number(r["stability"], metric="mean", language=language),
                number(r["npmi"], metric="mean", language=language),
            ]
            for name, r in zip(called[language], rows.to_dict("records"), strict=True)
        ]
        columns = [(message(language, f"topic_list.{h}"), side) for h, side in heads]
        return table(columns, body, caption=message(language, "topic_list.caption"), open=False, csv=csv)

    def say(language: str) -> str:
        return message(language, "topic_list.note", {"topic_word": message(language, "topic_list.topic_word")})

    cut = _cut("most", len(rows))
    return build(id, statements, languages, note=say, caption=cut, draw=draw, tabulate=tabulate)


def _themes(rows: pd.DataFrame, names: Names, languages: Sequence[str]) -> Statement:
    """Name the themes by the two largest topics of each."""
    two = [own["topic_id"].astype(str).head(2).tolist() for _, own in rows.groupby("theme", sort=False)]
    words = {}
    for lang in languages:
        both = [" / ".join(pick(names[topic], lang) for topic in own) for own in two[:_THEMES]]
        words[lang] = {"list": quoted(both, lang)}
    return Statement("topic_list.themes", words, {"n": tally(len(two))})


def _cut(which: str, there: int) -> Callable[[str], str] | None:
    """Return what is said under a figure of the ``most`` frequent or ``least`` stable topics that leaves others out."""
    if there <= _MOST:
        return None
    numbers = {"shown": str(_MOST), "topics": str(there)}
    return lambda lang: message(lang, f"topic_list.{which}", numbers)


def stability(
    found: pd.DataFrame, checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "stability"
) -> Finding:
    """Say whether the same topics come back when they are looked for again, and which do not.

    Parameters
    ----------
    found, checks : DataFrame
        The tables ``topics`` and ``topic_checks``.
    languages, id
        As in `topics`.
    """
    fits = measures(checks, "fit")
    if fits.empty or "stability" not in fits or not known(fits["stability"]).any():
        return build(id, [Statement("topic_stability.none")], languages)
    weakest = float(fits["stability"].min())
    key = "lead" if weakest >= _STABLE else "fair" if weakest >= _FAIR else "weak"
    seeds = float(fits["refits"].max()) if "refits" in fits else 1.0
    numbers = {"seeds": tally(seeds), "value": Number(weakest, "mean", drawn=False)}
    statements = [Statement(f"topic_stability.{key}", {}, numbers)]
    rows = found[known(found["stability"])].sort_values("stability", ascending=False, kind="stable")
    names = names_of(rows)
    called = {lang: [pick(names[str(t)], lang) for t in rows["topic_id"]] for lang in languages}
    low = np.flatnonzero(rows["stability"].to_numpy(float) < _SHAKY)
    if len(low):
        worst = {lang: {"list": quoted([called[lang][i] for i in low[::-1]], lang)} for lang in languages}
        statements.append(Statement("topic_stability.shaky", worst))
    far = fits["outlier_share"].astype(float) if "outlier_share" in fits else pd.Series(dtype=float)
    if len(far) and float(far.max()) > 0:
        share = {"outliers": Number(float(far.max()), "rate", drawn=False)}
        statements.append(Statement("topic_stability.outliers", {}, share))

    def draw(language: str) -> Figure:
        last = rows.tail(_MOST)
        return drawn.bars(
            last["stability"].clip(lower=0).to_numpy(float), called[language][-_MOST:], metric="mean", language=language
        )

    def tabulate(language: str) -> Block:
        measures = [("k", "topics"), ("stability", "agreement"), ("npmi", "coherence"), ("diversity", "diversity")]
        measures += [("outlier_share", "outlier_share")]
        there = [(m, head) for m, head in measures if m in fits]
        written = {"k": "count", "outlier_share": "rate"}
        body = [
            [number(r[m], metric=written.get(m, "mean"), language=language) for m, _ in there]
            for r in fits.to_dict("records")
        ]
        columns = [(message(language, f"topic_stability.{head}"), "right") for _, head in there]
        return table(columns, body, caption=message(language, "topic_stability.caption"), open=False)

    def say(language: str) -> str:
        return message(language, "topic_stability.note")

    cut = _cut("least", len(rows))
    shown = draw if len(rows) else None
    return build(id, statements, languages, note=say, caption=cut, draw=shown, tabulate=tabulate)


def choice(checks: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, id: str = "choice") -> Finding:
    """Say how many topics were told apart and how that was chosen.

    Parameters
    ----------
    checks : DataFrame
        The table ``topic_checks``.
    languages, id
        As in `topics`.
    """
    fits = measures(checks, "fit")
    reasons = set(checks.loc[checks["section"] == "fit", "text"])
    if "one_subject" in reasons:
        return build(id, [Statement("topic_choice.single")], languages)
    if fits.empty or not known(fits["stability"]).any():
        return build(id, [Statement("topic_choice.none")], languages)
    row = fits.iloc[0]
    numbers = {"topics": tally(float(row["k"])), "tried": tally(float(row["leaves"]))}
    numbers["floor"] = Number(float(row["floor"]), "mean", drawn=False, tabled=False)
    return build(id, [Statement("topic_choice.lead", {}, numbers)], languages)


def measures(checks: pd.DataFrame, section: str) -> pd.DataFrame:
    """Return a section as a row a language and a column a measure; ``n`` is the largest of its rows."""
    rows = checks[checks["section"] == section]
    wide = rows.pivot_table(index="language", columns="name", values="value", aggfunc="first", sort=False)
    wide["n"] = rows.groupby("language")["n"].max()
    return wide
