"""Personal data in free text -> placeholders, before anything is stored.

What is found is the table ``patterns.toml``: e-mail addresses, links of persons, telephones, Chinese resident ids and
plates, bank accounts and cards, addresses, and what words announce (names, ids, accounts, birthdays). Check digits are
those of python-stdnum. Prices, dates, times, ratings, counts, sizes and order numbers are no personal data and stay.
Names that nothing announces are not found: nothing short of a language model would, and a guess would eat products.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import duckdb
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from cxlab.connect.sql import identifier, literal, put

_WIDE, _HALF = "０１２３４５６７８９＠．－＋（）：　", "0123456789@.-+():\u0020"
_NARROW = str.maketrans(_WIDE, _HALF)
_HOLE = "\x00"
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|62\d{14,17}|6011\d{12}|65\d{14}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
_DATES = re.compile(
    r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{4}|(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d"
)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _resident(text: str) -> int:
    """A birthday that exists, and the check digit of GB 11643; whether the county still exists does not matter."""
    try:
        ric.get_birth_date(text)
    except ValidationError:
        return 0
    return len(text) * (ric.calc_check_digit(text) == text[-1].upper())


def _card(text: str) -> int:
    return len(text) * bool(_ISSUERS.fullmatch(_digits(text)) and luhn.is_valid(_digits(text)))


def _iban(text: str) -> int:
    """The words that follow may look like a part of it."""
    return next((len(text[:end].rstrip(" -")) for end in range(len(text), 14, -1) if iban.is_valid(text[:end])), 0)


def _phone(text: str) -> int:
    return len(text) * (7 <= len(_digits(text)) <= 15 and not _DATES.fullmatch(text))


def _paper(text: str) -> int:
    return len(text) * (len(_digits(text)) >= 4 and not _DATES.fullmatch(text))


# how many signs of a match count: 0 if it is something else
_CHECKS: dict[str, Callable[[str], int]] = {
    "": len, "resident": _resident, "card": _card, "iban": _iban, "phone": _phone, "paper": _paper,
}  # fmt: skip


@dataclass(frozen=True)
class Pattern:
    """A row of the table: `finds` and `stays` are its examples, see ``patterns.toml``."""

    mask: str
    pattern: re.Pattern[str]
    when: tuple[str, ...]
    digits: int
    check: Callable[[str], int]
    finds: tuple[str, ...]
    stays: tuple[str, ...]

    def spans(self, view: str) -> Iterator[tuple[int, int]]:
        """Yield where personal data of this kind stand in a text of half-width signs."""
        for match in self.pattern.finditer(view):
            start, end = match.span(match.lastgroup if match.lastgroup not in (None, "gap") else 0)
            length = self.check(view[start:end])
            if length and _HOLE not in view[start : start + length]:
                yield start, start + length


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the table, in the order in which its patterns are tried."""
    table = tomllib.loads(resources.files(__package__).joinpath("patterns.toml").read_text(encoding="utf-8"))
    parts: dict[str, str] = {}

    def whole(pattern: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda part: parts[part[1]], pattern)

    for name, part in table["parts"].items():
        parts[name] = whole(part)

    def row(given: dict[str, Any]) -> Pattern:
        lists = (tuple(given.get(key, ())) for key in ("when", "finds", "stays"))
        when, finds, stays = lists
        check = _CHECKS[given.get("check", "")]
        return Pattern(
            given["mask"], re.compile(whole(given["pattern"])), when, given.get("digits", 0), check, finds, stays
        )

    return tuple(map(row, table["pattern"]))


def placeholders() -> tuple[str, ...]:
    """Return what stands in masked texts instead of personal data."""
    return tuple(dict.fromkeys(f"[{pattern.mask}]" for pattern in patterns()))


def mask(text: str) -> str:
    """Return the text with personal data replaced by placeholders."""
    view = text.translate(_NARROW)  # same length: spans of the view are spans of the text
    low, digits = view.lower(), sum(map(str.isdigit, view))
    spans: list[tuple[int, int, str]] = []
    for pattern in patterns():
        if digits < pattern.digits or (pattern.when and not any(word in low for word in pattern.when)):
            continue
        for start, end in list(pattern.spans(view)):
            spans.append((start, end, f"[{pattern.mask}]"))
            view = view[:start] + _HOLE * (end - start) + view[end:]
    out, at = [], 0
    for start, end, placeholder in sorted(spans):
        out += [text[at:start], placeholder]
        at = end
    return "".join([*out, text[at:]])


def masked(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the texts that hold personal data with their masked form."""
    for text in texts:
        clean = mask(text)
        if clean != text:
            yield text, clean


@cache
def suspect(text: str) -> str:
    """Return the SQL condition on a text expression without which no pattern matches: most never come to Python."""

    def holding(rows: list[Pattern]) -> str:
        words = "|".join(dict.fromkeys(re.escape(word) for row in rows for word in row.when))
        for wide, half in zip(_WIDE, _HALF, strict=True):
            words = words.replace(re.escape(half), f"[{half}{wide}]") if half in "@.:" else words
        return f"regexp_matches({text}, {literal(f'(?i){words}')})"

    fewest = min(row.digits for row in patterns() if not row.when)
    free = holding([row for row in patterns() if row.when and not row.digits])
    numbered = holding([row for row in patterns() if row.when and row.digits])
    return (
        f"({free} OR (regexp_matches({text}, '[0-9０-９]') AND {numbered})"
        f" OR regexp_matches({text}, '([0-9０-９][^0-9０-９]*){{{fewest}}}'))"
    )


def masked_texts(con: duckdb.DuckDBPyConnection, rows: str, column: str, condition: str) -> str:
    """Write the distinct texts of a column that need masking to a table of its own (text, masked); return its name."""
    name, text = identifier(f"{rows}_masked_{column}"), f"m.{identifier(column)}"
    suspects = con.execute(f"SELECT DISTINCT {text} FROM {rows} m WHERE ({condition}) AND {suspect(text)}").fetchall()
    pairs = list(masked(text for (text,) in suspects))
    put(con, name, text=[pair[0] for pair in pairs], masked=[pair[1] for pair in pairs])
    return name
