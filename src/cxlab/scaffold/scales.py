"""Which scale a column's values are on: codes from worst to best, what is no score, what it could be instead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cxlab.vocab import Missing

RARE = 0.004  # a value with a smaller share of the rows is taken for a slip
NAMED = {  # codes from worst to best -> scale of the core preset
    (1, 2, 3, 4, 5): "csat5",
    (1, 2, 3, 4, 5, 6, 7): "csat7",
    tuple(range(1, 11)): "csat10",
    tuple(range(11)): "csat11",
    (0, 1): "yesno",
    (5, 4, 3, 2, 1): "ces5",
}
NEVER: Missing = "never_asked"
_CODES: dict[int, Missing] = {
    0: "blank", 6: "not_used", 7: "not_used", 8: "not_used", 9: "refused", 11: "blank", 77: "not_used", 88: "not_used",
    96: "not_used", 97: "not_used", 98: "refused", 99: "blank", 999: "blank", -1: "blank", -2: "blank", -3: NEVER,
    -9: "blank", -99: "blank", -999: "blank",
}  # fmt: skip
_WORDS: dict[str, Missing] = {
    word: kind  # type: ignore[misc]
    for kind, words in {
        "blank": "blank|missing|no answer|offered|未填|无|空|(blank)",
        "not_used": "na|n/a|not applicable|not used|never used|nicht genutzt|trifft nicht zu|不适用|未使用|没用过",
        "refused": "don't know|dont know|dk|refused|prefer not to say|weiß nicht|keine angabe|k.a.|拒绝回答|不知道",
        NEVER: "unoffered|not asked|skipped|(跳过)|跳过",
    }.items()
    for word in words.split("|")
}
_GOOD = re.compile(
    r"\b(very|extremely|completely|highly|fully)\s+(satis|likely|good|easy|happy)|excellent|strongly agree|outstanding|"
    r"sehr (gut|zufrieden)|ausgezeichnet|stimme voll|definitely would|非常(满意|同意|好|可能)|很满意",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"dissatis|unsatis|unlikely|not (at all )?(satis|likely)|very (bad|poor|difficult)|terrible|strongly disagree|"
    r"unzufrieden|sehr schlecht|ungen|stimme.*nicht|definitely not|不满意|不同意|很差|不可能",
    re.IGNORECASE,
)
_BEST_FIRST = re.compile(
    r"schulnote|school.?(grade|mark)|(^|[\W_])note$|1\s*(=|ist|is)\s*(best|sehr|very|excellent)", re.I
)
_SPELLED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\(?(\d{1,2})\)?\s*[-–—:=.)]\s*\D.*",  # 10 - Extremely likely
        r"(\d{1,2}(?:[.,]\d)?)\s*(?:/|out of|von|of|aus)\s*\d{1,2}(?:\D.*)?",  # 4/5
        r"(?:rated|rating:?|bewertung:?)\s*(\d{1,2}(?:[.,]\d)?).*",  # Rated 2 out of 5 stars
        r"(\d{1,2}(?:[.,]\d)?)[\s-]*(?:stars?|sterne?|points?|星|分)",
        r"(\d[.,]5)",
    )
)
_STARS = re.compile(r"[★⭐]*[☆✩]*(?:\ufe0f)?")
_WHOLE = re.compile(r"-?\d{1,4}(?:[.,]0+)?")


@dataclass(frozen=True)
class Scale:
    """A guessed scale.

    Attributes
    ----------
    codes : tuple of int
        From worst to best.
    missing : mapping
        Values that are no scores -> kind of missing.
    words : mapping
        Values that are no plain codes -> code.
    doubts : tuple of str
        What else it could be, with the evidence.
    """

    codes: tuple[int, ...]
    missing: Mapping[str, Missing] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def missing_word(value: str) -> Missing | None:
    """Return which kind of missing a text means, None if it is an answer."""
    return _WORDS.get(value.strip().casefold())


def spelled(value: str) -> float | None:
    """Return the number that a spelling such as "4/5", "10 - Extremely likely" or five stars stands for."""
    if _WHOLE.fullmatch(value):
        return float(re.split("[.,]", value)[0])
    if value and _STARS.fullmatch(value):
        return float(sum(value.count(star) for star in "★⭐"))
    hits = (pattern.fullmatch(value.strip()) for pattern in _SPELLED)
    return next((float(hit[1].replace(",", ".")) for hit in hits if hit), None)


def guess_scale(
    name: str,
    counts: Counter[str],
    *,
    nps: bool,
    named: bool,
    wordings: Mapping[str, Mapping[str, int]],
    labels: Mapping[str, str] | None = None,
    declared: Iterable[str] = (),
) -> Scale | None:
    """Guess the scale of a column, None if its values are no ratings.

    Parameters
    ----------
    name : str
    counts : Counter
        Values -> rows.
    nps, named : bool
        Whether the name speaks of recommending, of a rating.
    wordings : mapping
        Name of a scale -> text -> code, for answers in words.
    labels : mapping, optional
        Code -> text, as an SPSS file says.
    declared : iterable of str
        Codes that the file itself declares missing.
    """
    labels, gone = labels or {}, dict.fromkeys(declared, "refused")
    missing: dict[str, Missing] = {}
    for value in counts:
        kind = missing_word(labels.get(value, value)) or ("refused" if value in gone else None)
        if kind is not None and (value in gone or missing_word(value) is not None):
            missing[value] = kind
    rest = Counter({value: n for value, n in counts.items() if value not in missing})
    rest = Counter({value: n for value, n in rest.items() if n > RARE * rest.total()})
    if not rest or len(rest) > 24:
        return None
    numbers = {value: number for value in rest if (number := spelled(value)) is not None}
    texts = [value for value in rest if value not in numbers]
    words: dict[str, int] = {}
    stray: tuple[str, ...] = ()
    if named and texts and len(texts) <= 3 and sum(rest[v] for v in texts) < 0.1 * rest.total() and len(numbers) > 3:
        missing |= dict.fromkeys(texts, "refused")
        stray, texts = (f"{', '.join(texts)}: taken for no score",), []
        rest = Counter({value: n for value, n in rest.items() if value in numbers})
    if texts:
        codes, words = _wording(texts, wordings, named=named) or ((), {})
        if not words or (not numbers and len(texts) < 2):
            return None
        if not numbers:
            return Scale(codes, missing, words)
    half = any(number % 1 for number in numbers.values())
    if (
        half
        and not named
        and not (len(numbers) >= 4 and all(0 < n <= 5 and (2 * n) % 1 == 0 for n in numbers.values()))
    ):
        return None
    points = Counter[int]()
    for value, number in numbers.items():
        points[round(2 * number) if half else round(number)] += rest[value]
    for value, code in words.items():
        points[code] += rest[value]
    found = (
        tuple(range(1 if 1 in points else 2, 11))
        if half
        else _codes(points, nps=nps, best_first=bool(_BEST_FIRST.search(name)))
    )
    least = 1 if nps and max(points) > 6 else 3 if named or len(found) < 5 else 4
    if len([code for code in points if code in found]) < least or not found:
        return None
    outside = [code for code in points if code not in found]
    odd = [code for code in outside if code not in _CODES]
    if odd and not (named and sum(points[code] for code in odd) < 0.02 * rest.total()):
        return None
    outside = [code for code in outside if code in _CODES]
    if odd:
        stray = (*stray, f"{', '.join(map(str, odd))}: on no such scale, and rejected")
    missing |= {
        value: _CODES[round(number)] for value, number in numbers.items() if round(number) in outside and not half
    }
    inside = sum(n for code, n in points.items() if code in found)
    if inside < 0.1 * rest.total():
        return None
    plain = {value: round(2 * n if half else n) for value, n in numbers.items() if not _WHOLE.fullmatch(value) or half}
    words |= {value: code for value, code in plain.items() if code in found}
    scale, doubts = _direction(name, found, points, labels)
    doubts = (*stray, *doubts)
    if half:
        doubts = (*doubts, "half stars are counted in half points: 9 is 4.5 stars")
    if 6 in outside and 0 not in outside and not half:
        share = points[6] / rest.total()
        doubts = (
            *doubts,
            f"6 ({share:.0%} of the rows) is taken for not used; if it is a score, the scale has six points",
        )
    return Scale(scale, missing, words, doubts)


def _codes(points: Counter[int], *, nps: bool, best_first: bool) -> tuple[int, ...]:
    """Return the scale that holds the codes but for a few typical codes of missing answers."""
    inside = sorted(code for code in points if 0 <= code <= 10)
    if not inside or (nps and inside[-1] <= 3):  # 1 to 3 are the groups of the net promoter score, no answers
        return ()
    top, total = inside[-1], points.total()
    if nps or (0 in inside and {7, 8, 9, 10} <= set(inside)):
        return tuple(range(11))
    if 10 in inside or (
        top in (8, 9) and {6, 7} <= set(inside) and min(points[6], points[7], points[8]) > 0.03 * total
    ):
        return tuple(range(11)) if 0 in inside and points[0] > 0.01 * total else tuple(range(1, 11))
    run = next((code - 1 for code in range(1, 12) if code not in points), 0)  # 1, 2, .., run are all there
    if run >= 7 or (top == 7 and 6 in inside):
        return tuple(range(1, 8))
    if best_first and run == 6:
        return tuple(range(1, 7))
    if 0 in inside and inside == [0, 1]:
        return ()
    if top == 4 and len(inside) == 4 and 0 not in inside:
        return (1, 2, 3, 4)
    return (1, 2, 3, 4, 5)


def _direction(
    name: str, codes: tuple[int, ...], points: Counter[int], labels: Mapping[str, str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Turn the codes so that the best comes last, and tell what speaks against it."""
    ends = [labels.get(str(code), "") for code in (codes[0], codes[-1])]
    if _GOOD.search(ends[0]) and not _BAD.search(ends[0]) and (_BAD.search(ends[1]) or not _GOOD.search(ends[1])):
        return codes[::-1], ()
    if _BEST_FIRST.search(name):
        return codes[::-1], (f"{codes[0]} is taken for the best, as its name says",)
    if any(ends) or len(codes) > 10:
        return codes, ()
    total = sum(points[code] for code in codes) or 1
    low, high = (sum(points[code] for code in part) / total for part in (codes[:2], codes[-2:]))
    if low > 0.5 and high < 0.3:
        return codes, (f"if {codes[0]} is best, satisfied is {low:.0%} and not {high:.0%}: is {codes[-1]} best?",)
    return codes, ()


def _wording(
    texts: Sequence[str], wordings: Mapping[str, Mapping[str, int]], *, named: bool
) -> tuple[tuple[int, ...], dict[str, int]] | None:
    """Return the codes and text -> code of the first known wording that has all texts, each with a code of its own."""
    for scale, known in wordings.items():
        if scale.startswith("yesno") and not named:  # yes and no answer any question, few of them are ratings
            continue
        folded = {text.casefold(): code for text, code in known.items()}
        codes = [folded.get(text.casefold()) for text in texts]
        if None not in codes and len(set(codes)) == len({text.casefold() for text in texts}):
            return tuple(dict.fromkeys(folded.values())), {text: folded[text.casefold()] for text in texts}
    return None
