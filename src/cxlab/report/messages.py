"""The words of the pages: in the folder of each capability a TOML file a language, with the same keys and fields.

A message is a string with ``{field}`` places, or a table ``one`` / ``other`` chosen by a count. What pages share stands
in ``report/words.<language>.toml``, what one capability says in its own folder. A further language is one more file
there; `languages` finds it.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from cxlab.errors import ParamsError, Problem, nearest


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of the languages that have messages, in alphabetical order."""
    return tuple(sorted(p.name.split(".")[1] for p in files("cxlab.report").iterdir() if p.name.startswith("words.")))


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return all messages of a language under dotted keys; plural forms end in ``.one`` and ``.other``."""
    if language not in languages():
        raise ParamsError(
            Problem(
                "no messages in this language",
                value=repr(language),
                allowed=", ".join(languages()),
                nearest=nearest(language, languages()),
                todo=f"add words.{language}.toml, with the keys of words.en.toml, beside each of those",
            )
        )
    found: dict[str, str] = {}
    for folder in sorted(files("cxlab").iterdir(), key=lambda p: p.name):
        page = folder / f"words.{language}.toml"
        if page.is_file():
            messages = dict(_flat(tomllib.loads(page.read_text("utf-8")), ""))
            if twice := sorted(found.keys() & messages.keys()):
                raise ParamsError(
                    Problem("messages of another folder of this language", file=str(page), value=", ".join(twice))
                )
            found |= messages
    return found


def _flat(tree: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, str(value))]
    return found


def fields_of(template: str) -> frozenset[str]:
    """Return the names of the fields of a message."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


def message(language: str, key: str, fields: Mapping[str, str] | None = None, *, quantity: float | None = None) -> str:
    """Return the message `key` with its fields filled in.

    Parameters
    ----------
    language : str
        Code of a catalogue, e.g. ``en`` or ``zh``.
    key : str
        Dotted key.
    fields : mapping of str, optional
        Values of the named fields, already written for the language.
    quantity : float, optional
        The count that chooses between ``one`` and ``other``.

    Raises
    ------
    KeyError
        A key or a field is missing: a fault in the program, not in the client's data.
    """
    messages = catalogue(language)
    if quantity is not None:
        one = f"{key}.one"
        key = one if quantity == 1 and one in messages else f"{key}.other"
    return messages[key].format_map(dict(fields or {}))
