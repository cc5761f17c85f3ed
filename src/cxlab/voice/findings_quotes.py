"""Customers' own words under a topic: a few that stand for it and one that says otherwise, folded away."""

from __future__ import annotations

import pandas as pd

from cxlab.report import blocks
from cxlab.report.blocks import Block
from cxlab.report.finding import small_print
from cxlab.report.format import count, period_name, plain
from cxlab.report.messages import message
from cxlab.report.passage import Passage
from cxlab.voice.findings_common import Voice
from cxlab.voice.findings_topics import language_name


def words(quotes: pd.DataFrame, *, about: Voice, id: str = "words") -> Passage:
    """Return quotes by topic, each topic below a line of its own; the first one is open.

    Parameters
    ----------
    quotes : DataFrame
        ``topic``, ``text`` (masked), ``language``, ``period``, ``touchpoint`` (may be missing), ``other_side``: in the
        order to show them. See `cxlab.voice.quotes.choose`.
    about : Voice
    id : str
        Name of the passage on its page.
    """
    pages: dict[str, list[Block]] = {}
    for lang in about.languages:
        page = [_folded(str(topic), own, about, lang, first=i == 0) for i, (topic, own) in
                enumerate(quotes.groupby("topic", sort=False))]  # fmt: skip
        foot = (
            blocks.note(message(lang, "voice_words.note")) if page else blocks.note(message(lang, "voice_words.none"))
        )
        pages[lang] = [*page, foot]
    return Passage(id, pages)


def _folded(topic: str, quotes: pd.DataFrame, about: Voice, language: str, *, first: bool) -> Block:
    against = quotes["other_side"].astype(bool)
    n = int((~against).sum())
    fields = {"name": about.name(topic, language), "n": count(n)}
    summary = message(language, "voice_words.lead", fields, quantity=n)
    if against.any():
        summary = small_print(language, [summary, message(language, "voice_words.counter")])
    items = [quote(row, about, language) for _, row in quotes.sort_values("other_side", kind="stable").iterrows()]
    return blocks.quotes(summary, items, open=first)


def quote(row: pd.Series, about: Voice, language: str) -> Block:
    """Return one quote, with where and when it was said, and in which language if that is not the page's."""
    other = bool(row.get("other_side", False))
    spoken = str(row["language"])
    place = row.get("touchpoint")
    parts = [
        message(language, "voice_words.other_side") if other else "",
        about.labels.group("touchpoint", str(place), language) if isinstance(place, str) and place else "",
        period_name(str(row["period"]), language=language),
        language_name(spoken, language) if spoken != language else "",
    ]
    code = spoken if spoken != "other" else ""
    return blocks.quote(plain(row["text"]), source=small_print(language, parts), other_side=other, language=code)
