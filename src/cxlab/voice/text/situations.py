"""When, where, with whom and what for, where a text tells it: phrases in English and Chinese, found with their place.

The phrases stand in ``situations.toml``; they are few and narrow, so a situation that is found was told, while one that
is not found may have been told in other words. Shares of situations are therefore least shares; scores compare the
texts that tell of one with those that do not.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

import pandas as pd

SITUATION_COLUMNS: Final = ("comment_id", "clause", "situation", "kind", "start", "end")
KINDS: Final = ("when", "where", "with", "for")
PHRASED: Final = ("en", "zh")  # languages that have phrases


@cache
def known() -> dict[str, str]:
    """Return the situations and the kind of each: when, where, with (whom), (what) for."""
    return {name: str(entry["kind"]) for name, entry in _phrases().items()}


@cache
def _phrases() -> dict[str, dict[str, str]]:
    with files("cxlab.voice.text").joinpath("situations.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """All phrases of a language in one pattern with a named group a situation."""
    edge = (r"(?<![\w-])", r"(?![\w-])") if language == "en" else ("", "")
    groups = (f"(?P<{name}>{entry[language]})" for name, entry in _phrases().items())
    return re.compile(f"{edge[0]}(?:{'|'.join(groups)}){edge[1]}", re.IGNORECASE)


def find(clauses: pd.DataFrame) -> pd.DataFrame:
    """Return the situations that clauses tell of.

    Parameters
    ----------
    clauses : DataFrame
        As `cxlab.voice.text.clauses.Texts.clauses`: ``comment_id``, ``clause``, ``start``, ``text``, ``language``.
        Languages
        without phrases give nothing.

    Returns
    -------
    DataFrame
        `SITUATION_COLUMNS`, one row a situation of a clause (its first phrase): ``start`` and ``end`` are the phrase's
        place in the comment.
    """
    rows: list[tuple[str, int, str, str, int, int]] = []
    kinds = known()
    for language in PHRASED:
        pattern = _pattern(language)
        mine = clauses[clauses["language"] == language]
        columns = (mine[c] for c in ("comment_id", "clause", "start", "text"))
        for identity, clause, start, text in zip(*columns, strict=True):
            seen: set[str] = set()
            for m in pattern.finditer(text):
                name = str(m.lastgroup)
                if name not in seen:
                    seen.add(name)
                    rows.append((identity, clause, name, kinds[name], start + m.start(), start + m.end()))
    found = pd.DataFrame(rows, columns=list(SITUATION_COLUMNS))
    found = found.astype({"clause": "int64", "start": "int64", "end": "int64"})
    order = pd.Series(range(len(clauses)), index=pd.MultiIndex.from_frame(clauses[["comment_id", "clause"]]))
    at = order.reindex(pd.MultiIndex.from_frame(found[["comment_id", "clause"]])).to_numpy()
    return found.assign(at=at).sort_values(["at", "start"]).drop(columns="at").reset_index(drop=True)
