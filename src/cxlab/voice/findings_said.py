"""Findings on where and how it is said: touchpoints, situations, praise and complaint, conversations, own words.

All read the table ``topic_estimates`` as it was written, or counts and quotes of the period.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.report import blocks, charts
from cxlab.report.blocks import Block
from cxlab.report.finding import Finding
from cxlab.report.format import plain
from cxlab.report.passage import Passage
from cxlab.report.tidy import About, Estimates, Say
from cxlab.report.writing import Chart, Group, Message, Number, Period, Table, Writer, aside, tally
from cxlab.vocab import UNKNOWN
from cxlab.voice import figures
from cxlab.voice.names import (
    MOST,
    Spoken,
    differences,
    ends,
    reason,
    rows_of,
    silent,
    situation,
    small_print,
    topic,
)

_PLACES: Final = 6  # touchpoints of the map
_SPREAD: Final = 3.29  # sds that a 90 % interval is wide


def where(estimates: Estimates) -> Finding:
    """Say at which touchpoint a topic clearly weighs on the score, or how much is said of it there."""
    about, rows = estimates.about, rows_of(estimates, "points_at_stake", level="touchpoint")
    in_points = len(rows.known) > 0
    rows = rows if in_points else rows_of(estimates, "share", level="touchpoint")
    if (none := silent(rows, "where", "voice_where")) is not None:
        return none
    shown = rows.known.frame
    places = shown.groupby("group")["n"].max().sort_values(ascending=False).index.astype(str).tolist()[:_PLACES]
    size = shown.groupby("topic")["mean"].agg(lambda x: x.abs().max()).sort_values(ascending=False)
    told = [r for r in rows.known if r["group"] in places and r["group"] != UNKNOWN]
    if in_points:
        clear = {(r["group"], r["topic"]) for r in rows.known.holding()}
        told = [r for r in told if r.verdict == "worse" and (r["group"], r["topic"]) in clear]
    if told:
        lead = min(told, key=lambda r: r.mean if in_points else -r.mean)
        numbers = {"value": lead.value(signed=in_points), "value_span": lead.span(signed=in_points, drawn=False)}
        key = "lead" if in_points else "often"
        place = Group("touchpoint", lead["group"])
        say = Say(f"voice_where.{key}", best=topic(lead["topic"]), place=place, **numbers)
    else:
        say = Say("voice_where.nothing" if in_points else "voice_where.open")
    ordered = rows.ordered("group", "mean", down=False)
    stake = "stake" if in_points else "share"
    columns: dict[Any, Any] = {
        "level.touchpoint": ordered.named("group", "touchpoint"),
        "voice_table.topic": [topic(name) for name in ordered.frame["topic"]],
        f"voice_table.{stake}": ordered.cells(signed=in_points),
        "voice_table.n": ordered.values("n"),
    }
    return about.finding(
        "where",
        [say],
        verdict="",
        chart=Chart(
            figures.heat,
            shown.rename(columns={"topic": "row", "group": "column", "mean": "value"})[["row", "column", "value"]],
            rows={name: topic(name) for name in size.index.astype(str)[:MOST]},
            columns={name: Group("touchpoint", name) for name in places},
            metric=str(shown["metric"].iloc[0]),
            signed=in_points,
        ),
        caption=["voice_where.legend" if in_points else "voice_where.legend_often"],
        table=Table(columns, caption="voice_where.caption", csv=about.csv),
        **small_print(rows),
    )


def situations(estimates: Estimates) -> Finding:
    """Say whether customers who tell of a situation (when, where, with whom) give other scores."""
    about = estimates.about
    if "situation" not in estimates.frame:
        return about.finding("situations", [Say("voice_situation.none")])
    effects = rows_of(estimates, "situation_effect", of="situation").ordered(down=False)
    if (none := silent(effects, "situations", "voice_situation")) is not None:
        return none
    shares = rows_of(estimates, "situation_share", of="situation").aligned("situation", effects.frame["situation"])
    clear = [row for row in effects.known.holding() if row.verdict in ("worse", "better")]
    worse, better = ([r for r in clear if r.verdict == verdict] for verdict in ("worse", "better"))
    says = [
        Say(
            f"voice_situation.{row.verdict}",
            situation=situation(str(row["situation"])),
            value=row.value(signed=True),
            value_span=row.span(signed=True),
        )
        for row in [*worse[:2], *better[::-1][:2]]
    ]
    columns: dict[Any, Any] = {
        "voice_table.situation": [situation(str(s)) for s in effects.frame["situation"]],
        "voice_table.share": shares.cells(metric="share"),
        "voice_table.effect": effects.cells(signed=True),
        "voice_table.n": effects.values("n"),
    }
    names = [situation(str(s)) for s in effects.known.frame["situation"]]
    n = len(effects)
    return about.finding(
        "situations",
        says or [Say("voice_situation.same", quantity=n, n=tally(n))],
        verdict="",
        chart=Chart(charts.intervals, differences(effects.known), names, reference=0.0),
        caption=["figure.interval"],
        table=Table(columns, caption="voice_situation.caption", csv=about.csv),
        association=True,
        **small_print(effects, which="scored"),
    )


def tone(estimates: Estimates, *, accuracy: float = float("nan"), method: str = "rated") -> Finding:
    """Say of which topics customers speak well and badly.

    Parameters
    ----------
    estimates : Estimates
    accuracy : float
        Share of held-out comments whose tone is told right.
    method : str
        ``rated`` (learnt from scores), ``lexicon`` or ``none``.
    """
    about, rows = estimates.about, rows_of(estimates, "sentiment").ordered(down=False)
    rows = Estimates(rows.frame.assign(metric="share"), about)
    if (none := silent(rows, "tone", "voice_tone")) is not None:
        return none
    worst, *_, best = [*rows.known, *rows.known]
    apart = best["ci_low"] > worst["ci_high"]  # else which is told better is chance
    key = "single" if len(rows.known) == 1 else "lead" if apart else "alike"
    numbers = {"low": worst.value(), "high": best.value()}
    numbers |= {"low_span": worst.span(), "high_span": best.span()} if key != "alike" else {}
    says = [Say(f"voice_tone.{key}", worst=topic(worst["topic"]), best=topic(best["topic"]), **numbers)]
    if np.isfinite(accuracy):
        says.append(Say("voice_tone.accuracy", accuracy=aside(accuracy, "share")))
    elif method == "lexicon":
        says.append(Say("voice_tone.lexicon"))
    drawn = ends(rows.known)
    columns: dict[Any, Any] = {
        "voice_table.topic": [topic(name) for name in rows.frame["topic"]],
        "voice_table.positive": rows.cells(),
        "voice_table.n": rows.values("n"),
    }
    return about.finding(
        "tone",
        says,
        verdict="",
        chart=Chart(charts.intervals, drawn, [topic(row["topic"]) for row in drawn]),
        caption=["figure.interval"],
        table=Table(columns, caption="voice_tone.caption", csv=about.csv),
        **small_print(rows, *(["voice_tone.odds"] if method == "rated" else [])),
    )


def conversations(outcomes: Estimates, *, least: int) -> Finding:
    """Say which topics of conversations (calls, chats, tickets) end well and which do not.

    Parameters
    ----------
    outcomes : Estimates
        ``outcome``, ``topic`` (empty: of all conversations), ``n`` conversations, ``k`` with that outcome, ``mean``,
        ``ci_low`` and ``ci_high`` shares; see `cxlab.voice.conversations.outcomes`.
    least : int
        Smallest number of conversations a row may show.
    """
    about, frame = outcomes.about, outcomes.frame
    if frame.empty:
        return about.finding("conversations", [Say("voice_talk.none")])
    frame = frame[frame["n"] >= least]
    frame = frame[frame["outcome"].isin(frame.loc[frame["topic"] != "", "outcome"])]
    if frame.empty:
        return about.finding("conversations", [Say("voice_talk.suppressed")], verdict="suppressed")
    frame = frame.assign(
        metric="share", estimand="level", verdict="", sd=(frame["ci_high"] - frame["ci_low"]) / _SPREAD
    )
    parts = [Estimates(own, about) for _, own in frame.groupby("outcome", sort=False)]
    rest = [_outcome(own, f"conversations-{own.frame['outcome'].iloc[0]}") for own in parts[1:]]
    return _outcome(parts[0], "conversations", rest)


def _outcome(rows: Estimates, id: str, inside: list[Finding] | None = None) -> Finding:
    """Say how often conversations have one outcome, and on which topics clearly more or less often."""
    about, every = rows.about, rows.where(topic="").first
    usual = every.mean if every is not None else float("nan")
    ordered = rows[rows.frame["topic"] != ""].ordered()
    ordered = Estimates(ordered.frame.assign(ref=usual), about)
    outcome = Group("outcome", str(rows.frame["outcome"].iloc[0]))
    clear = [row for row in ordered.holding() if np.isfinite(usual)]
    more, less = [r for r in clear if r.mean > usual], [r for r in clear[::-1] if r.mean < usual]
    says = []
    if every is not None:
        whole = {"value": every.value(drawn=False), "value_span": every.span(drawn=False)}
        says.append(Say("voice_talk.whole", outcome=outcome, **whole))
    for key, field, name, own in (("more", "best", "high", more), ("less", "worst", "low", less)):
        if own:
            numbers = {name: own[0].value(), f"{name}_span": own[0].span()}
            says.append(Say(f"voice_talk.{key}", **{field: topic(own[0]["topic"])}, **numbers))
    if not clear:
        says.append(Say("voice_talk.same"))
    listed = [*([every] if every is not None else []), *ordered]
    columns: dict[Any, Any] = {
        "voice_table.topic": [topic(r["topic"]) if r["topic"] else Message("voice_talk.all") for r in listed],
        outcome: [row.cell() for row in listed],
        "voice_table.conversations": [Number(row["n"], "count") for row in listed],
    }
    reference = usual if np.isfinite(usual) else None
    return about.finding(
        id,
        says,
        chart=Chart(charts.intervals, ordered, [topic(row["topic"]) for row in ordered], reference=reference),
        caption=["voice_talk.legend"],
        table=Table(columns, caption=Message("voice_talk.caption", outcome=outcome)),
        notes=["voice_talk.note"],
        inside=inside or [],
    )


def heard(about: About, account: pd.DataFrame) -> Finding:
    """Say on how many comments the page rests, and what is left out of it.

    Parameters
    ----------
    about : About
        Whose field ``scored`` counts the comments with a score that effects rest on.
    account : DataFrame
        ``name`` (``modelled`` or the reason) and ``n``, of the brand's comments of the period.
    """
    counts = account.set_index("name")["n"].astype(float)
    total, inside, flood = counts.sum(), counts.get("modelled", 0.0), counts.get("flood", 0.0)
    numbers = {"all": tally(total), "value": Number(float(inside), "count", drawn=False)}
    says = [Say("voice_heard.lead", quantity=float(total), **numbers)]
    scored = about.more.get("scored")
    if scored is not None:
        says.append(Say("voice_heard.scored", scored=tally(scored)) if scored else Say("voice_heard.unscored"))
    says += [Say("voice_heard.flood", quantity=flood, flood=tally(flood))] if flood else []
    columns: dict[Any, Any] = {
        "topic_account.reason": [reason(str(name)) for name in account["name"]],
        "topic_account.comments": [Number(float(n), "count") for n in account["n"]],
    }
    says.append(Say("voice_heard.silent"))
    return about.finding("heard", says, table=Table(columns, caption="topic_account.caption"))


def words(about: About, quotes: pd.DataFrame) -> Passage:
    """Return customers' own words by topic, each topic below a line of its own; the first one is open.

    Parameters
    ----------
    about : About
    quotes : DataFrame
        ``topic``, ``text`` (masked), ``language``, ``period``, ``touchpoint`` (may be missing), ``other_side``: in the
        order to show them. See `cxlab.voice.quotes.choose`.
    """
    pages: dict[str, list[Block]] = {}
    for language in about.languages:
        write = about.writer(language)
        page = [
            _folded(str(name), own, write, first=i == 0)
            for i, (name, own) in enumerate(quotes.groupby("topic", sort=False))
        ]
        pages[language] = [*page, blocks.note(write.message("voice_words.note" if page else "voice_words.none"))]
    return Passage("words", pages)


def _folded(name: str, quotes: pd.DataFrame, write: Writer, *, first: bool) -> Block:
    against = quotes["other_side"].astype(bool)
    n = int((~against).sum())
    lead = Message("voice_words.lead", quantity=n, name=topic(name), n=n)
    counter = Message("voice_words.counter") if against.any() else None
    items = [quote(row, write) for _, row in quotes.sort_values("other_side", kind="stable").iterrows()]
    return blocks.quotes(_joined(write, [lead, counter]), items, open=first)


def _joined(write: Writer, parts: list[Any]) -> str:
    return write.message("note.separator").join(text for part in parts if (text := write(part)))


def quote(row: pd.Series, write: Writer) -> Block:
    """Return one quote, with where and when it was said, and in which language if that is not the page's."""
    other, spoken, place = bool(row.get("other_side", False)), str(row["language"]), row.get("touchpoint")
    parts = [
        Message("voice_words.other_side") if other else None,
        Group("touchpoint", place) if isinstance(place, str) and place else None,
        Period(str(row["period"])),
        Spoken(spoken) if spoken != write.language else None,
    ]
    code = spoken if spoken != "other" else ""
    return blocks.quote(plain(row["text"]), source=_joined(write, parts), other_side=other, language=code)
