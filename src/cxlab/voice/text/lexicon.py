"""How good or bad a text is by a short list of words, for texts of which none came with a score."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from cxlab.voice.text.words import tokens

LANGUAGES: Final = ("en", "zh")
_REACH: Final = 3  # words after a negation that it turns
_JOINED: Final = "不没"
_STEEP: Final = 1.2  # log-odds of a text whose every judging word praises, per square root of their number


def score(texts: Iterable[str], language: str) -> np.ndarray:
    """Return P(positive) of each text: 0.5 where no word judges; an untested guess, never calibrated.

    Parameters
    ----------
    texts : iterable of str
    language : str
        One of `LANGUAGES`.

    Returns
    -------
    array, shape (text,)
    """
    good, bad, turn = _patterns(language)
    found = []
    for words in tokens(texts, language):
        total, count, turned = 0.0, 0, 0
        for word in words:
            if word in turn:
                turned = _REACH + 1
            side = 1 if good.fullmatch(word) else -1 if bad.fullmatch(word) else 0
            if not side and word[0] in _JOINED:  # a negation and what it turns cut as one word: 不好
                side = -1 if good.fullmatch(word[1:]) else 1 if bad.fullmatch(word[1:]) else 0
            if side:
                total += -0.8 * side if turned else side
                count += 1
            turned = max(turned - 1, 0)
        found.append(total / np.sqrt(count) if count else 0.0)
    return np.asarray(1 / (1 + np.exp(-_STEEP * np.array(found))), float)


@cache
def _patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str], frozenset[str]]:
    with files("cxlab.voice.text").joinpath("lexicon.toml").open("rb") as file:
        lists = tomllib.load(file)
    good, bad = (
        re.compile("|".join(re.escape(w).replace(r"\*", "[a-z]*") for w in lists[side][language].split()))
        for side in ("good", "bad")
    )
    return good, bad, frozenset(lists["turn"][language].split())
