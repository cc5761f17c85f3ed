"""What a finding is: statements with named numbers, and for each language a figure and a table that show the same.

A finding that contradicts itself cannot be made: `Finding` compares its sentence with its numbers, and each number with
the marks of the figure and the cells of the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab.errors import ModelError, Problem
from cxlab.report import blocks
from cxlab.report.blocks import Block
from cxlab.report.charts import drawn_numbers, to_svg
from cxlab.report.format import count, is_number, plain, sentence, tidy_relation
from cxlab.report.messages import message
from cxlab.report.writing import Number, tally
from cxlab.vocab import FINDING_COLUMNS

__all__ = [
    "Finding",
    "Number",
    "Statement",
    "Version",
    "build",
    "findings_table",
    "listed",
    "note",
    "small_print",
    "tally",
]

_TOKEN = re.compile(r"[\u2212+]?\d[\d,]*(?:\.\d+)?|\.\d+")


@dataclass(frozen=True)
class Statement:
    """One sentence: a message of the catalogue, its names in each language and its numbers.

    Attributes
    ----------
    key : str
        Key of the message.
    names : mapping language -> mapping field -> text
    numbers : mapping field -> Number
    quantity : float, optional
        The count that chooses singular or plural.
    """

    key: str
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    quantity: float | None = None

    def text(self, language: str) -> str:
        """Write the sentence in a language."""
        fields = {k: plain(v) for k, v in self.names.get(language, {}).items()}
        fields |= {k: n.text(language) for k, n in self.numbers.items()}
        return tidy_relation(sentence(message(language, self.key, fields, quantity=self.quantity)))


@dataclass(frozen=True)
class Version:
    """A finding in one language, as it is shown."""

    sentence: str
    note: str = ""
    figure: Figure | None = None
    caption: str = ""
    table: Block | None = None


@dataclass(frozen=True)
class Finding:
    """A sentence, a figure and a table that say the same.

    Attributes
    ----------
    id : str
        Name on its page, e.g. ``change``.
    verdict : str
        One of `vocab.VERDICTS`.
    statements : tuple of Statement
        The first is the lead, set in bold.
    pages : mapping language -> Version
    inside : tuple of Finding
        Findings told within this one: their sentences follow its own, their figures and tables come below its own.

    Raises
    ------
    ModelError
        The sentence, the figure or the table of a page differs from the numbers.
    """

    id: str
    verdict: str
    statements: tuple[Statement, ...]
    pages: Mapping[str, Version]
    inside: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        problems = [p for language in self.pages for p in self._contradictions(language)]
        if problems:
            raise ModelError(problems)

    @property
    def numbers(self) -> dict[str, Number]:
        """All numbers of the statements by field."""
        return {key: n for one in (*self.inside, self) for s in one.statements for key, n in s.numbers.items()}

    def sentence(self, language: str) -> str:
        """Return the whole finding as one text."""
        return self.pages[language].sentence

    def blocks(self, language: str) -> list[Block]:
        """Return the finding's blocks: sentence, figure, folded table."""
        page = self.pages[language]
        lead = self.statements[0].text(language)
        found = [blocks.finding(page.sentence, verdict=self.verdict, note=page.note, lead=lead)]
        if page.figure is not None:
            found.append(blocks.figure(to_svg(page.figure), alt=page.sentence, caption=page.caption))
        if page.table is not None:
            found.append(page.table)
        for one in self.inside:
            found += one.blocks(language)[1:]
        return found

    def payload(self, languages: Sequence[str] = ()) -> dict[str, object]:
        """Return the JSON payload in the given languages (all of the finding's by default), primary first."""
        return blocks.payload(self.id, {lang: self.blocks(lang) for lang in languages or self.pages})

    def display(self, languages: Sequence[str] = ()) -> None:
        """Show the finding in a notebook."""
        blocks.display(self.payload(languages))

    def _contradictions(self, language: str) -> list[Problem]:
        page = self.pages[language]
        here = f"finding {self.id} ({language})"
        found = []
        wanted = write(_told(self.statements, self.inside), language)
        if page.sentence != wanted:
            found.append(
                Problem("the sentence is not what its numbers say", where=here, value=page.sentence, allowed=wanted)
            )
        cells = [page.note] + [cell for row in (page.table or {}).get("rows", []) for cell in row]
        shown = {token for cell in cells for token in _TOKEN.findall(cell)}
        marks = drawn_numbers(page.figure) if page.figure is not None else None
        own = {key: n for s in self.statements for key, n in s.numbers.items()}
        for key, value in own.items():
            if not is_number(value.value):
                continue
            text = value.text(language)
            if page.table is not None and value.tabled and not set(_TOKEN.findall(text)) <= shown:
                found.append(Problem(f"the table does not show {key}", where=here, value=text))
            ends = [x for x in (value.value, value.high) if x is not None]
            if (
                marks is not None
                and value.drawn
                and not all(np.isclose(marks, x, rtol=1e-9, atol=1e-12).any() for x in ends)
            ):
                found.append(Problem(f"the figure does not show {key}", where=here, value=text))
        return found


def build(
    id: str,
    statements: Sequence[Statement],
    languages: Sequence[str],
    *,
    verdict: str = "",
    note: Callable[[str], str] | None = None,
    caption: Callable[[str], str] | None = None,
    draw: Callable[[str], Figure] | None = None,
    tabulate: Callable[[str], Block] | None = None,
    inside: Sequence[Finding] = (),
) -> Finding:
    """Return a finding whose pages are made by one call a language of `note`, `caption`, `draw`, `tabulate`."""
    pages = {
        lang: Version(
            write(_told(statements, inside), lang),
            note=note(lang) if note else "",
            figure=draw(lang) if draw else None,
            caption=caption(lang) if caption and draw else "",
            table=tabulate(lang) if tabulate else None,
        )
        for lang in languages
    }
    return Finding(id, verdict, tuple(statements), pages, tuple(inside))


def small_print(language: str, parts: Sequence[str]) -> str:
    """Return the parts of a note as one text."""
    return message(language, "note.separator").join(p for p in parts if p)


def listed(names: Sequence[str], language: str, *, most: int = 6) -> str:
    """Return names as one text, cut after `most` of them."""
    text = message(language, "list.comma").join(plain(n) for n in names[:most])
    more = len(names) - most
    return text if more <= 0 else message(language, "list.more", {"list": text, "n": count(more)})


def _told(statements: Sequence[Statement], inside: Sequence[Finding]) -> list[Statement]:
    return [*statements, *(s for one in inside for s in _told(one.statements, one.inside))]


def write(statements: Sequence[Statement], language: str) -> str:
    """Return statements as one text."""
    return message(language, "list.join").join(s.text(language) for s in statements)


def note(language: str, *, n: float, ci_prob: float = float("nan"), weighting: str = "") -> str:
    """Return the small print of a finding: answers, interval, weighting."""
    parts = []
    if is_number(n):
        parts.append(message(language, "note.answers", {"n": count(n)}, quantity=n))
    if is_number(ci_prob):
        parts.append(message(language, "note.interval", {"percent": f"{100 * ci_prob:g}"}))
    if weighting:
        parts.append(message(language, f"weighting.{weighting}"))
    return small_print(language, parts)


def findings_table(findings: Sequence[Finding], *, notebook: str = "") -> pd.DataFrame:
    """Return findings as rows of ``findings.parquet``: one a finding and language, numbers as JSON."""
    rows = []
    for found in findings:
        values: dict[str, float | list[float]] = {
            key: float(n.value) if n.high is None else [float(n.value), float(n.high)]
            for key, n in found.numbers.items()
            if is_number(n.value)
        }
        text = json.dumps(values, allow_nan=False)
        rows += [(notebook, found.id, lang, page.sentence, found.verdict, text) for lang, page in found.pages.items()]
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS)).astype(str)
