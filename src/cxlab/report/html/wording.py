"""The words of the page frame and of the index, one TOML file a language (findings bring their own)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

from cxlab.report.format import Name, plain

HTML_LANG: Final = {"zh": "zh-CN"}  # where the tag of a page differs from the language's code
LANGUAGE_NAMES: Final = {"en": "English", "zh": "中文"}


@cache
def words(language: str) -> dict[str, str]:
    """Return the frame's words in `language`; English where a language has no file of its own."""
    file = files("cxlab.report.html").joinpath("theme", f"{language}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else words("en")


def named(name: Name, language: str) -> str:
    """Return a client's own name of a thing in `language`, else in the first language it has one in."""
    return plain(name if isinstance(name, str) else name.get(language) or next(iter(name.values()), ""))
