"""Findings of other notebooks, told again on the one page: by their sentences, no number computed anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cxlab import blocks
from cxlab.blocks import Block
from cxlab.catalogue import message
from cxlab.vocab import LANGUAGES
from cxlab.wording import pick

_OF_THE_MODEL = ("checks", "prior", "agreement")  # findings on a model, not on customers
_SENTENCES = 2  # of a finding that is told again


@dataclass(frozen=True)
class Passage:
    """A part of the page that is no finding of its own: blocks in each language."""

    id: str
    pages: Mapping[str, Sequence[Block]]

    def payload(self, languages: Sequence[str] = ()) -> dict[str, object]:
        """Return the JSON payload in the given languages, primary first."""
        return blocks.payload(self.id, {lang: self.pages[lang] for lang in languages or self.pages})

    def display(self, languages: Sequence[str] = ()) -> None:
        """Show the passage in a notebook."""
        blocks.display(self.payload(languages))


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
    """Return the first finding of each further notebook, under the question it answers.

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
            text = message(lang, "list.join").join([asked, _begin(str(row["sentence"]), _SENTENCES)])
            page.append(blocks.finding(text, verdict=str(row["verdict"]), lead=asked))
        pages[lang] = page or [blocks.note(message(lang, "brief.behind_none"))]
    return Passage("behind", pages)


def believed(findings: pd.DataFrame) -> bool:
    """Return whether the models of all notebooks passed their checks."""
    return not ((findings["id"] == "checks") & (findings["verdict"] == "withheld")).any()


def told(findings: pd.DataFrame, *, notebook: str, id: str, languages: Sequence[str] = LANGUAGES) -> dict[str, str]:
    """Return the text of one finding of a notebook in each language that has it."""
    rows = findings[(findings["notebook"] == notebook) & (findings["id"] == id)]
    said = dict(zip(rows["language"], rows["sentence"].astype(str), strict=True))
    return {lang: said[lang] for lang in languages if lang in said}


def _begin(text: str, sentences: int) -> str:
    """Return the first sentences of a text."""
    found = ""
    for _ in range(sentences):
        rest = text[len(found) :]
        found += rest[: len(rest) - len(rest.lstrip())] + _lead(rest.lstrip()) if rest.strip() else ""
    return found


def _lead(text: str) -> str:
    """Return the first sentence of a text."""
    hit = re.match(r".+?(?:。|[.!?](?= [A-Z“]))", text)
    return hit[0] if hit else text
