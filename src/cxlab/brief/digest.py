"""Findings of other notebooks, told again on the one page: by their sentences, no number computed anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from cxlab.report import blocks
from cxlab.report.blocks import Block
from cxlab.report.format import pick
from cxlab.report.messages import catalogue, message
from cxlab.report.passage import Passage
from cxlab.vocab import LANGUAGES

_OF_THE_MODEL = ("checks", "prior", "agreement")  # findings on a model, not on customers
_SENTENCES = 2  # of a finding that is told again, and the doubts that come with it
# what a page says of the past it was tried on, where it missed by more than it allows itself
_MISSED = ("value_trust.outside", "value_trust.many", "value_trust.few")
# what further findings of a page say when something is new; only then they are told, too
_NEWS = {
    "changes": ("voice_change.rose", "voice_change.fell"),
    "emerging": ("voice_new.lead",),
    "facts": tuple(f"journey_facts.{way}_{judged}" for way in ("rose", "fell") for judged in ("worse", "better")),
}


def digest(findings: pd.DataFrame, *, languages: Sequence[str] = LANGUAGES, ids: Sequence[str] = ()) -> Passage:
    """Return findings of other notebooks again, by their sentence.

    Parameters
    ----------
    findings : DataFrame
        `vocab.FINDING_COLUMNS`.
    ids : sequence of str
        Which, in this order; empty takes all.
    """
    pages: dict[str, list[Block]] = {}
    for lang in languages:
        rows = findings[findings["language"] == lang]
        rows = pd.concat([rows[rows["id"] == i] for i in ids]) if ids else rows
        pages[lang] = [
            blocks.finding(str(r["sentence"]), verdict=str(r["verdict"]), lead=_lead(str(r["sentence"])))
            for r in rows.to_dict("records")
        ]
    return Passage("digest", pages)


def behind(
    findings: pd.DataFrame, *, questions: Mapping[str, Mapping[str, str]], languages: Sequence[str] = LANGUAGES
) -> Passage:
    """Return the first finding of each further notebook, under the question it answers, with the doubts it names.

    With it stand what came up anew and, where the page's forecast missed the past by more than it allows, that it did.

    Parameters
    ----------
    findings : DataFrame
        `vocab.FINDING_COLUMNS`; within a notebook in the order of its page.
    questions : mapping of notebook id to its question in each language
        In the order to tell them; notebooks that have found nothing are passed over.
    languages : sequence of str
        Primary language first.
    """
    told = findings[~findings["id"].isin(_OF_THE_MODEL)]
    pages: dict[str, list[Block]] = {}
    for lang in languages:
        page = []
        for notebook, question in questions.items():
            own = told[(told["notebook"] == notebook) & (told["language"] == lang)]
            if own.empty:
                continue
            asked, row = pick(question, lang), own.iloc[0]
            said = [asked, _begin(str(row["sentence"]), _SENTENCES, lang, row["verdict"] == "cannot_tell")]
            said += [_begin(s, 1, lang) for i, s in zip(own["id"], own["sentence"].astype(str), strict=True)
                     if i != row["id"] and _finds(s, _NEWS.get(str(i), ()), lang)]  # fmt: skip
            said += _misses(own, lang)
            page.append(blocks.finding(message(lang, "list.join").join(said), verdict=str(row["verdict"]), lead=asked))
        pages[lang] = page or [blocks.note(message(lang, "brief.behind_none"))]
    return Passage("behind", pages)


def believed(findings: pd.DataFrame) -> bool:
    """Return whether the models of all notebooks passed their checks."""
    return not ((findings["id"] == "checks") & (findings["verdict"] == "withheld")).any()


def missed(
    findings: pd.DataFrame, *, questions: Mapping[str, Mapping[str, str]], languages: Sequence[str] = LANGUAGES
) -> dict[str, tuple[str, ...]]:
    """Return the questions of the pages whose forecast, tried on the past, lay outside its own limit, by language.

    Parameters are those of `behind`.
    """
    found = {}
    for lang in languages:
        rows = findings[findings["language"] == lang]
        found[lang] = tuple(
            pick(question, lang) for n, question in questions.items() if _misses(rows[rows["notebook"] == n], lang)
        )
    return found


def told(findings: pd.DataFrame, *, notebook: str, id: str, languages: Sequence[str] = LANGUAGES) -> dict[str, str]:
    """Return the text of one finding of a notebook in each language that has it."""
    rows = findings[(findings["notebook"] == notebook) & (findings["id"] == id)]
    said = dict(zip(rows["language"], rows["sentence"].astype(str), strict=True))
    return {lang: said[lang] for lang in languages if lang in said}


def _begin(text: str, sentences: int, language: str, doubtful: bool = False) -> str:
    """Return the first sentences of a text and the doubts right behind them; the first doubt anywhere if `doubtful`.

    Where such doubts come on top, only the first sentence stands before them: the page has room for few.
    """
    parts = _sentences(text)
    end = min(sentences, len(parts))
    while end < len(parts) and _doubts(parts[end], language):
        end += 1
    taken, more = parts[:sentences], parts[sentences:end]
    if doubtful and not more and not any(_doubts(p, language) for p in taken):
        more = [p for p in parts[end:] if _doubts(p, language)][:1]
    if more:
        taken = [p for i, p in enumerate(taken) if not i or _doubts(p, language)] + more
    return "".join(taken).strip()


def _sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the space before it; together they are the text."""
    parts: list[str] = []
    while rest := text[sum(map(len, parts)) :]:
        gap = len(rest) - len(rest.lstrip())
        parts.append(rest[:gap] + _lead(rest[gap:]))
    return parts


def _doubts(sentence: str, language: str) -> bool:
    """Whether a sentence says that something cannot be told."""
    return any(word in sentence for word in message(language, "brief.doubts").split("|"))


def _misses(own: pd.DataFrame, language: str) -> list[str]:
    """Return the sentences by which a page says that its forecast missed the past by more than it allows."""
    found = [p.strip() for text in own["sentence"].astype(str) for p in _sentences(text)
             if _finds(p, _MISSED, language)]  # fmt: skip
    if found and not _finds(found[0], _MISSED[:1], language):  # only that one says itself what was tried
        found.insert(0, message(language, "brief.tried"))
    return found


def _finds(text: str, keys: Sequence[str], language: str) -> bool:
    """Whether a text holds one of these messages of the catalogue, whatever stands in its fields."""
    messages = catalogue(language)
    shapes = (re.split(r"\{[^{}]*\}", messages[key]) for key in keys)
    return any(re.search(".+?".join(map(re.escape, shape)), text) for shape in shapes)


def _lead(text: str) -> str:
    """Return the first sentence of a text."""
    hit = re.match(r".+?(?:。|[.!?](?= [A-Z“]))", text)
    return hit[0] if hit else text
