"""Findings on the topics of all comments: which they are, how stable, how they were made, what became of each comment.

All read the tables of the client's topic space, ``topics`` and ``topic_checks`` (see `cxlab.voice.topic_space`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report.finding import Finding
from cxlab.report.format import known
from cxlab.report.tidy import About, Say
from cxlab.report.writing import Chart, Listed, Message, Number, Reference, Table, aside, tally
from cxlab.voice import figures
from cxlab.voice.names import Spoken, quoted, reason, topic

_STABLE, _FAIR = 0.85, 0.65  # overlap with what comes back from which topics are called stable, fairly stable
_SHAKY: Final = 0.65  # stability of a topic below which it is named
_MOST: Final = 24  # topics of a figure; the table has them all
_THEMES: Final = 6  # named in a sentence
_WRITTEN: Final = {"k": "count", "outlier_share": "rate"}


def topics(about: About, found: pd.DataFrame) -> Finding:
    """Say what customers talk about.

    Parameters
    ----------
    about : About
        The page, whose labels have the names of topics (`names.with_topics`).
    found : DataFrame
        The table ``topics``.
    """
    rows = found.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)
    if rows.empty:
        return about.finding("topics", [Say("topic_list.none")])
    named = [topic(name) for name in rows["topic_id"]]
    fields: dict[str, Any] = {"best": named[0], "list": quoted(rows["topic_id"].iloc[1:5])}
    numbers = {"topics": tally(len(rows)), "value": Number(float(rows["share"].iloc[0]), "share")}
    says = [Say("topic_list.single", **fields)]
    if len(rows) > 1:
        says = [Say("topic_list.lead", **fields, **numbers), Say("topic_list.next", **fields)]
    spoken = rows["language"].astype(str)
    if len({code for codes in spoken for code in codes.split("+")}) > 1:
        both = int(spoken.str.contains("+", regex=False).sum())
        if 0 < both < len(rows):
            says.append(Say("topic_list.bilingual", both=tally(both), topics=tally(len(rows))))
        else:
            says.append(Say("topic_list.together" if both else "topic_list.apart"))
    if "theme" in rows and rows["theme"].nunique() > 1:
        two = [Pair([topic(t) for t in own["topic_id"].head(2)]) for _, own in rows.groupby("theme", sort=False)]
        says.append(Say("topic_list.themes", n=tally(len(two)), list=quoted(two[:_THEMES])))
    columns: dict[Any, Any] = {
        "topic_list.topic": named,
        "topic_list.keywords": rows["keywords"].astype(str).tolist(),
        "topic_list.language": [Spoken(codes) for codes in spoken],
        "topic_list.size": _numbers(rows["size"], "count"),
        "topic_list.share": _numbers(rows["share"], "share"),
        "topic_list.stability": _numbers(rows["stability"], "mean"),
        "topic_list.npmi": _numbers(rows["npmi"], "mean"),
    }
    return about.finding(
        "topics",
        says,
        chart=Chart(figures.bars, rows["share"].to_numpy(float)[:_MOST], named[:_MOST], metric="share"),
        caption=_cut("most", len(rows)),
        table=Table(columns, caption="topic_list.caption", csv=about.csv),
        notes=[Message("topic_list.note", topic_word=Message("topic_list.topic_word"))],
    )


class Pair(Reference):
    """A theme, by its two largest topics."""

    def __init__(self, both: list[Reference]) -> None:
        self.both = both

    def written(self, write: Any) -> str:
        """Return the text."""
        return " / ".join(write(one) for one in self.both)


def _numbers(values: pd.Series, metric: str) -> list[Number]:
    return [Number(float(v), metric) for v in pd.to_numeric(values, errors="coerce")]


def _cut(which: str, there: int) -> list[Message]:
    """Return what is said under a figure of the ``most`` frequent or ``least`` stable topics that leaves others out."""
    return [Message(f"topic_list.{which}", shown=_MOST, topics=there)] if there > _MOST else []


def stability(about: About, found: pd.DataFrame, checks: pd.DataFrame) -> Finding:
    """Say whether the same topics come back when they are looked for again, and which do not.

    Parameters
    ----------
    about : About
    found, checks : DataFrame
        The tables ``topics`` and ``topic_checks``.
    """
    fits = measures(checks, "fit")
    if fits.empty or "stability" not in fits or not known(fits["stability"]).any():
        return about.finding("stability", [Say("topic_stability.none")])
    weakest = float(fits["stability"].min())
    key = "lead" if weakest >= _STABLE else "fair" if weakest >= _FAIR else "weak"
    seeds = float(fits["refits"].max()) if "refits" in fits else 1.0
    says = [Say(f"topic_stability.{key}", seeds=tally(seeds), value=Number(weakest, "mean", drawn=False))]
    rows = found[known(found["stability"])].sort_values("stability", ascending=False, kind="stable")
    shaky = rows.loc[rows["stability"].astype(float) < _SHAKY, "topic_id"].tolist()[::-1]
    says += [Say("topic_stability.shaky", list=quoted(shaky))] if shaky else []
    far = float(fits["outlier_share"].astype(float).max()) if "outlier_share" in fits else 0.0
    says += [Say("topic_stability.outliers", outliers=Number(far, "rate", drawn=False))] if far > 0 else []
    heads = {"k": "topics", "stability": "agreement", "npmi": "coherence", "diversity": "diversity"}
    heads |= {"outlier_share": "outlier_share"}
    columns: dict[Any, Any] = {
        f"topic_stability.{head}": _numbers(fits[m], _WRITTEN.get(m, "mean")) for m, head in heads.items() if m in fits
    }
    last = rows.tail(_MOST)
    bars = Chart(
        figures.bars,
        last["stability"].clip(lower=0).to_numpy(float),
        [topic(name) for name in last["topic_id"]],
        metric="mean",
    )
    return about.finding(
        "stability",
        says,
        chart=bars if len(rows) else None,
        caption=_cut("least", len(rows)),
        table=Table(columns, caption="topic_stability.caption"),
        notes=["topic_stability.note"],
    )


def choice(about: About, checks: pd.DataFrame) -> Finding:
    """Say how many topics were told apart and how that was chosen; `checks` is the table ``topic_checks``."""
    fits = measures(checks, "fit")
    if "one_subject" in set(checks.loc[checks["section"] == "fit", "text"]):
        return about.finding("choice", [Say("topic_choice.single")])
    if fits.empty or not known(fits["stability"]).any():
        return about.finding("choice", [Say("topic_choice.none")])
    row = fits.iloc[0]
    numbers = {"topics": tally(float(row["k"])), "tried": tally(float(row["leaves"]))}
    return about.finding("choice", [Say("topic_choice.lead", **numbers, floor=aside(row["floor"], "mean"))])


def account(about: About, checks: pd.DataFrame) -> Finding:
    """Say what became of every comment: in a topic, or why not; `checks` is the table ``topic_checks``."""
    kept = (checks["n"] > 0) | (checks["name"] == "modelled")
    rows = checks[(checks["section"] == "account") & kept].reset_index(drop=True)
    total = float(rows["n"].sum())
    if not total:
        return about.finding("account", [Say("topic_account.none")])
    inside = float(rows.loc[rows["name"] == "modelled", "n"].sum())
    left = rows[rows["name"] != "modelled"]
    says = [Say("topic_account.all_in", quantity=total, all=tally(total))]
    if len(left):
        numbers = {"all": tally(total), "value": Number(inside, "count"), "share": aside(inside / total, "share")}
        why = [Counted(str(name), float(n)) for name, n in zip(left["name"], left["n"], strict=True)]
        says = [Say("topic_account.lead", **numbers), Say("topic_account.rest", list=why)]
    named = [reason(str(name)) for name in rows["name"]]
    columns: dict[Any, Any] = {"topic_account.reason": named, "topic_account.comments": _numbers(rows["n"], "count")}
    return about.finding(
        "account",
        says,
        chart=Chart(figures.bars, rows["n"].to_numpy(float), named, metric="count"),
        table=Table(columns, caption="topic_account.caption"),
    )


class Counted(Reference):
    """Why comments have no topic, and how many."""

    def __init__(self, name: str, n: float) -> None:
        self.name, self.n = name, n

    def written(self, write: Any) -> str:
        """Return the text."""
        return f"{write(reason(self.name))} ({write(Number(self.n, 'count'))})"


def floods(about: About, checks: pd.DataFrame) -> Finding:
    """Say how many comments are copies of each other; `checks` is the table ``topic_checks``."""
    rows = checks[(checks["section"] == "flood") & (checks["n"] > 0)]
    total = float(rows["n"].sum())
    if not total:
        return about.finding("floods", [Say("topic_flood.none")])
    columns: dict[Any, Any] = {
        "topic_flood.kind": [Message(f"topic_flood.{name}") for name in rows["name"]],
        "topic_flood.floods": _numbers(rows["value"], "count"),
        "topic_flood.comments": _numbers(rows["n"], "count"),
    }
    lead = Say("topic_flood.lead", quantity=total, value=tally(total))
    table = Table(columns, caption="topic_flood.caption")
    return about.finding("floods", [lead], table=table, notes=["topic_flood.note"])


def meaning(about: About, checks: pd.DataFrame) -> Finding:
    """Say by what the meaning of comments was compared in each language; `checks` is the table ``topic_checks``."""
    rows = checks[checks["section"] == "language"].sort_values("n", ascending=False, kind="stable")
    if rows.empty:
        return about.finding("meaning", [Say("topic_meaning.none")])
    spoken = [Spoken(str(code)) for code in rows["language"]]
    ways = [_way(str(name)) for name in rows["name"]]
    how = [Message("topic_meaning.in_language", language=s, way=w) for s, w in zip(spoken, ways, strict=True)]
    columns: dict[Any, Any] = {
        "topic_meaning.language": spoken,
        "topic_list.size": _numbers(rows["n"], "count"),
        "topic_meaning.clauses": _numbers(rows["value"], "count"),
        "topic_meaning.vectors": ways,
    }
    table = Table(columns, caption="topic_meaning.caption")
    return about.finding(
        "meaning", [Say("topic_meaning.lead", how=Listed(how))], table=table, notes=["topic_meaning.note"]
    )


def _way(name: str) -> Message:
    method = name.partition(":")[0]
    return Message(f"topic_meaning.{method if method in ('use', 'corpus') else 'own'}", name=name)


def tone(about: About, checks: pd.DataFrame) -> Finding:
    """Say how well praise and complaint are told apart on comments kept aside; `checks`: ``topic_checks``."""
    wide = measures(checks, "sentiment")
    rated = wide[known(wide["accuracy"])] if "accuracy" in wide else wide.head(0)
    if rated.empty:
        return about.finding("tone", [Say(f"topic_tone.{quality(checks)[1]}")])
    weight, one = rated["n"].to_numpy(float), len(rated) == 1
    value = float(np.average(rated["accuracy"].to_numpy(float), weights=weight)) if weight.sum() else float("nan")
    numbers = {"n": Number(float(weight.sum()), "count", drawn=False, tabled=one)}
    numbers["value"] = Number(value, "share", drawn=False, tabled=one)
    says = [Say("topic_tone.lead", **numbers)]
    if "base" in rated and weight.sum():
        good = rated["base"].to_numpy(float)
        usual = float(np.average(np.maximum(good, 1 - good), weights=weight))
        says.append(Say("topic_tone.base", base=aside(usual, "share")))
    blank = pd.Series(np.nan, index=rated.index)
    columns: dict[Any, Any] = {
        "topic_tone.language": [Spoken(str(code)) for code in rated.index],
        "topic_tone.rated": _numbers(rated["n"], "count"),
        "topic_tone.accuracy": _numbers(rated["accuracy"], "share"),
        "topic_tone.auc": _numbers(rated.get("auc", blank), "mean"),
        "topic_tone.brier": _numbers(rated.get("brier", blank), "mean"),
    }
    return about.finding("tone", says, table=Table(columns, caption="topic_tone.caption"), notes=["topic_tone.note"])


def quality(checks: pd.DataFrame) -> tuple[float, str]:
    """Return how many of the held-out comments are told right, over all languages, and how praise is told.

    The way is ``rated`` (learnt from scores), ``lexicon`` (a list of words) or ``none``; NaN where nothing was learnt.
    """
    rows = checks[checks["section"] == "sentiment"]
    right = rows[(rows["name"] == "accuracy") & known(rows["value"])]
    if right.empty:
        return float("nan"), "lexicon" if (rows["text"] == "lexicon").any() else "none"
    return float(np.average(right["value"].to_numpy(float), weights=right["n"].to_numpy(float))), "rated"


def rules(about: About, checks: pd.DataFrame) -> Finding:
    """Say which entries of the topic file were obeyed and which met nothing; `checks`: ``topic_checks``."""
    rows = checks[checks["section"] == "rule"]
    if rows.empty:
        return about.finding("rules", [Say("topic_rules.none")])
    met = (rows["value"] != 0).tolist()
    obeyed = float(sum(met))
    says = [Say("topic_rules.lead", quantity=obeyed, value=tally(obeyed)) if obeyed else Say("topic_rules.idle")]
    missed = rows.loc[rows["value"] == 0, "name"].astype(str).tolist()
    says += [Say("topic_rules.unmatched", list=missed)] if missed else []
    parts = [str(name).partition(": ") for name in rows["name"]]
    texts = rows["text"].astype(str).tolist()
    columns: dict[Any, Any] = {
        "topic_rules.kind": [kind for kind, _, _ in parts],
        "topic_rules.entry": [entry for _, _, entry in parts],
        "topic_rules.outcome": [t if ok else Message("topic_rules.nothing") for t, ok in zip(texts, met, strict=True)],
        "topic_rules.nearest": [
            "" if ok else t or Message("topic_rules.far") for t, ok in zip(texts, met, strict=True)
        ],
    }
    return about.finding("rules", says, table=Table(columns, caption="topic_rules.caption", open=bool(missed)))


def measures(checks: pd.DataFrame, section: str) -> pd.DataFrame:
    """Return a section as a row a language and a column a measure; ``n`` is the largest of its rows."""
    rows = checks[checks["section"] == section]
    wide = rows.pivot_table(index="language", columns="name", values="value", aggfunc="first", sort=False)
    wide["n"] = rows.groupby("language")["n"].max()
    return wide
