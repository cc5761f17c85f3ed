r"""Words of a text in any language, the words that carry no topic, and how good or bad a text is by a word list.

Chinese is cut by the dictionary and the hidden Markov model of jieba, by a walk of our own that gives the same words
in less than half the time and writes no file: the most probable path through the dictionary,

.. math:: r_i = \max_{j} \log f(c_{i:j}) - \log F + r_{j}

with :math:`f` the frequency of a word, :math:`F` of all; runs of single characters that are no word go through the
Markov model. Languages whose words are separated by spaces give their words; other scripts without spaces (Japanese,
Thai, ...) give pairs of neighbouring characters.

Stop words are those of the stopwords-iso project without what topics and sentiment live from: negations, words of
tone (good, bad, slow, ...) and words of trades (room, order, price, ...).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from math import log
from typing import Final

import numpy as np

from cxlab.connect.pii import placeholders

PLACEHOLDER: Final = re.compile(f"(?:{'|'.join(map(re.escape, placeholders()))})")
HAN: Final = r"\u3400-\u4dbf\u4e00-\u9fff"
_NOTHING_ZH: Final = re.compile(
    "(?:我)?(?:暂时|目前|暂|现在|都|也)?(?:没有?|无)(?:什么|任何|其他|其它|啥|特别的?)?(?:意见|建议|想法|要求|要说的?|评价|补充|看法)?(?:了|的|吧|啦)?"
)
_ENGLISH = re.compile("[a-zà-öø-ÿ][a-zà-öø-ÿ']*[a-zà-öø-ÿ]")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff" + HAN + "]+")
_HAN_RUN = re.compile(rf"[{HAN}]+")
_LATIN = re.compile("[a-z]")
JUDGED: Final = ("en", "zh")  # languages with words of praise and blame
_REACH: Final = 3  # words after a negation that it turns
_JOINED: Final = "不没"
_STEEP: Final = 1.2  # log-odds of a text whose every judging word praises, per square root of their number


def tokens(texts: Iterable[str], language: str) -> list[list[str]]:
    """Return the words of each text, lower case, in order; numbers, signs and placeholders of masked data are no words.

    Parameters
    ----------
    texts : iterable of str
        Clauses or whole comments.
    language : str
        ``zh`` is cut by jieba, ``en`` and other codes by spaces; scripts without spaces by pairs of characters.

    Returns
    -------
    list of list of str
        Empty lists for texts without words.
    """
    texts = (PLACEHOLDER.sub(" ", text) if "[" in text else text for text in texts)
    if language == "zh":
        cut, mixed = _cutter()
        return [_chinese(text.lower(), cut, mixed) for text in texts]
    if language == "en":
        return [_ENGLISH.findall(text.lower().replace("’", "'")) for text in texts]
    return [_other(text.lower()) for text in texts]


def _chinese(text: str, cut: Callable[[str], list[str]], mixed: re.Pattern[str]) -> list[str]:
    out: list[str] = []
    for run in mixed.findall(text) if _LATIN.search(text) else _HAN_RUN.findall(text):
        if run[0] <= "z":
            out.append(run)
        else:
            out += cut(run)
    return out


def _other(text: str) -> list[str]:
    out: list[str] = []
    for word in _LETTERS.findall(text):
        if not word.isascii() and _SPACELESS.fullmatch(word):
            out += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
        elif len(word) > 1:
            out.append(word)
    return out


@cache
def _cutter() -> tuple[Callable[[str], list[str]], re.Pattern[str]]:
    """Read jieba's dictionary once a process; `jieba.initialize` would write and trust a file in the temp folder.

    Returns the cutter of a run of Chinese characters and the pattern of runs in a text with Latin letters, where some
    words are of both (T恤, SIM卡).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # jieba 0.42 on its first compile
        import jieba
        from jieba import finalseg
    frequency, total = jieba.Tokenizer.gen_pfdict(jieba.dt.get_dict_file())
    base = log(total)
    # a prefix that is no word itself keeps the walk going and can never be chosen
    weight = {w: log(f) - base if f else None for w, f in frequency.items()}

    both = {w.lower() for w in frequency if frequency[w] and w[0].isascii() and w[0].isalpha() and not w.isascii()}
    mixed = re.compile("|".join([*sorted(both, key=len, reverse=True), rf"[{HAN}]+", "[a-z][a-z0-9+#'-]*[a-z0-9+#]"]))

    @lru_cache(1 << 16)
    def unknown(run: str) -> tuple[str, ...]:
        return tuple(finalseg.cut(run))

    def cut(run: str) -> list[str]:
        n = len(run)
        best, step = [0.0] * (n + 1), [0] * n
        for i in range(n - 1, -1, -1):
            top, to, j = -1e300, i + 1, i + 1
            while j <= n:
                piece = run[i:j]
                if piece not in weight:
                    break
                w = weight[piece]
                if w is not None and w + best[j] >= top:
                    top, to = w + best[j], j
                j += 1
            best[i], step[i] = (top, to) if top > -1e300 else (best[i + 1] - base, i + 1)
        out: list[str] = []
        i = single = 0
        while i < n:
            j = step[i]
            if j - i > 1:
                if single < i:
                    out += singles(run[single:i])
                out.append(run[i:j])
                single = j
            i = j
        return [*out, *singles(run[single:])] if single < n else out

    def singles(run: str) -> Iterable[str]:
        return run if len(run) == 1 or weight.get(run) is not None else unknown(run)

    return cut, mixed


@cache
def _lists() -> dict[str, dict[str, frozenset[str]]]:
    """Return the word lists beside this module: name -> language -> words."""
    with files("cxlab.voice").joinpath("word_lists.toml").open("rb") as file:
        lists = tomllib.load(file)
    return {n: {code: frozenset(words.split()) for code, words in by.items()} for n, by in lists.items()}


@cache
def _nothing() -> tuple[frozenset[str], re.Pattern[str]]:
    """Return the whole texts that say nothing, folded, and what platforms write."""
    with files("cxlab.voice").joinpath("nothing.toml").open("rb") as file:
        lists = tomllib.load(file)
    return frozenset(map(_bare, lists["answers"])), re.compile("|".join(f"(?:{p})" for p in lists["platforms"]))


def _bare(text: str) -> str:
    """Return a text in lower case, without signs and spaces at its ends; signs alone stay."""
    text = unicodedata.normalize("NFKC", text).casefold().strip()
    return text.strip(" .,;:!?\"'()[]{}-–—_~*。，！、…（）“”‘’") or text


def says_nothing(text: str) -> bool:
    """Say whether a whole text says that there is nothing to say, or is what a platform puts in the place of words."""
    bare = _bare(text)
    answers, platforms = _nothing()
    return bare in answers or any(form.fullmatch(bare) for form in (_NOTHING_ZH, platforms))


@cache
def stop(language: str) -> frozenset[str]:
    """Return words that carry no topic, negations, words of tone and of trades not among them.

    Parameters
    ----------
    language : str
        ISO 639-1 code; one without a list gives an empty set.
    """
    import stopwordsiso

    lists = _lists()
    kept = frozenset().union(*(lists[name].get(language, frozenset()) for name in ("negations", "tone", "trade")))
    return (frozenset(stopwordsiso.stopwords(language)) | lists["more_stops"].get(language, frozenset())) - kept


@cache
def tone(language: str) -> frozenset[str]:
    """Return negations and words of praise and blame: they judge a topic and name none."""
    return frozenset().union(*(_lists()[name].get(language, frozenset()) for name in ("negations", "tone")))


@cache
def thing(language: str) -> frozenset[str]:
    """Return words for whatever was bought or done: they name a topic only where nothing else does."""
    return _lists()["thing"].get(language, frozenset())


_SCRIPTS: Final = (
    ("ja", re.compile("[\u3040-\u30ff]{2}")),
    ("ko", re.compile("[\uac00-\ud7af]{2}")),
    ("th", re.compile("[\u0e00-\u0e7f]{3}")),
    ("ru", re.compile("[\u0400-\u04ff]{3}")),
    ("ar", re.compile("[\u0600-\u06ff]{3}")),
)


def language_of(text: str) -> str:
    """Guess the ISO 639-1 code of a text: by script, Latin letters by small words; "" where they give no hint."""
    for code, script in _SCRIPTS:
        if script.search(text):
            return code
    signs = len(re.findall(f"[{HAN}]", text))
    if signs and signs * 5 >= len(text.replace(" ", "")):
        return "zh"
    said = set(_LETTERS.findall(text.lower()))
    counts = {code: len(said & words) for code, words in _lists()["small_words"].items()}
    best = max(counts, key=lambda code: counts[code])  # English stands first and wins ties
    return best if counts[best] else ""


def judged(words: Iterable[Sequence[str]], language: str) -> np.ndarray:
    """Return P(positive) of each text: 0.5 where no word judges; an untested guess, never calibrated.

    Parameters
    ----------
    words : iterable of sequence of str
        `tokens` of each text.
    language : str
        One of `JUDGED`.

    Returns
    -------
    array, shape (text,)
    """
    good, bad, turn = _judging(language)

    @cache
    def side(word: str) -> int:
        own = 1 if good.fullmatch(word) else -1 if bad.fullmatch(word) else 0
        if own or word[0] not in _JOINED:
            return own
        return -1 if good.fullmatch(word[1:]) else 1 if bad.fullmatch(word[1:]) else 0  # cut as one word: 不好

    scores = []
    for text in words:
        total, count, turned = 0.0, 0, 0
        for word in text:
            turned = _REACH + 1 if word in turn else turned
            if side(word):
                total += side(word) * (-0.8 if turned else 1)
                count += 1
            turned = max(turned - 1, 0)
        scores.append(total / np.sqrt(count) if count else 0.0)
    return np.asarray(1 / (1 + np.exp(-_STEEP * np.array(scores))), float)


@cache
def _judging(language: str) -> tuple[re.Pattern[str], re.Pattern[str], frozenset[str]]:
    """Return the patterns of words of praise and of blame, and the words that turn them."""
    good, bad = (
        re.compile("|".join(re.escape(w).replace(r"\*", "[a-z]*") for w in sorted(_lists()[name][language])))
        for name in ("good", "bad")
    )
    return good, bad, _lists()["turn"][language]
