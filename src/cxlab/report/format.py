"""Numbers, probabilities, periods and names as a reader meets them, in each language of the report."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from cxlab.report.messages import message
from cxlab.vocab import SEGMENT

if TYPE_CHECKING:
    from cxlab.params.models import Params

MINUS: Final = "\u2212"
NBSP: Final = "\u00a0"
Name = str | Mapping[Any, str]  # one name for all languages, or one a language

# Metric -> how it is written: points (no decimals), percent, or decimals of a mean.
_PERCENT: Final = frozenset({"csat", "top_box", "share", "rate"})
_DECIMALS: Final = {
    "index": 1,
    "nps": 0,
    "mean": 2,
    "ces": 2,
    "share": 0,
    "csat": 0,
    "top_box": 0,
    "rate": 1,
    "count": 0,
    "gap": 1,
}

# Bidirectional overrides and isolates turn the text around them; control characters are illegal in XML.
_BIDI: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F])


def plain(text: object) -> str:
    """Return text as one safe line: no control, surrogate or direction-override characters, spaces collapsed."""
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in str(text).translate(_BIDI)
        if unicodedata.category(c) != "Cs" and ord(c) & 0xFFFE != 0xFFFE
    )
    return re.sub(r" {2,}", " ", kept).strip()


def is_number(value: object) -> bool:
    """Return whether a cell of a tidy table holds a finite number (not None, NaN, NA or text)."""
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def known(values: pd.Series) -> pd.Series:
    """Return which cells of a column hold a finite number, as booleans (of an empty column too)."""
    return values.map(is_number).astype(bool)


def _digits(value: float, decimals: int, *, signed: bool) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if not any(c in "123456789" for c in text):
        return text  # never "-0"
    return (MINUS if value < 0 else "+" if signed else "") + text


def _three_digits(value: float) -> float:
    """Round money to what a forecast of it can bear."""
    size = abs(value)
    return value if size < 1000 else round(value, 2 - math.floor(math.log10(size)))


def _money(value: float, *, signed: bool, whole: bool) -> str:
    return _digits(_three_digits(value), 0 if whole or not value else 2, signed=signed)


def number(value: float, *, metric: str, language: str, signed: bool = False, unit: bool = True) -> str:
    """Write one number of a metric.

    Parameters
    ----------
    value : float
        On the tidy scale: shares 0-1, NPS -100..100.
    metric : str
        A metric of `vocab.METRICS`, or ``share``, ``rate`` (one decimal), ``count``, ``money`` (three digits).
    signed : bool
        True for differences: a plus sign, and shares in percentage points.
    unit : bool
        Whether to write the per cent sign or the word for points.

    Returns
    -------
    str
        With U+2212 as the minus sign; an em dash when there is no number.
    """
    if not is_number(value):
        return "—"
    value = float(value)
    if metric == "money":
        return _money(value, signed=signed, whole=abs(value) >= 100)
    decimals = _DECIMALS.get(metric, 2)
    if metric not in _PERCENT:
        return _digits(value, decimals, signed=signed)
    text = _digits(100 * value, decimals, signed=signed)
    if not unit:
        return text
    if signed:
        return message(language, "number.points", {"value": text})
    edge, comparison = 10.0**-decimals, ""
    if 0 < value < 1 and text == _digits(100, decimals, signed=False):  # 99.97 % is not all of them
        text, comparison = _digits(100 - edge, decimals, signed=False), f">{NBSP}"
    elif value > 0 and text == _digits(0, decimals, signed=False):  # and .02 % is not none
        text, comparison = _digits(edge, decimals, signed=False), f"<{NBSP}"
    return comparison + message(language, "number.percent", {"value": text})


def apart(now: float, before: float, change: float, *, metric: str) -> float:
    """Return a change as it is to be written beside the two values it is between: 40 and 21 are 19 apart.

    Rounding alone may make the written change differ from the difference of the written values by one unit of the last
    digit; then the latter is told. The change itself where it differs by more, or points elsewhere.
    """
    if not all(is_number(v) for v in (now, before, change)) or metric == "money":
        return change
    decimals = _DECIMALS.get(metric, 2)
    scale = 100.0 if metric in _PERCENT else 1.0
    new, old, moved = (float(f"{scale * float(v):.{decimals}f}") for v in (now, before, change))
    shown = round(new - old, decimals)
    if shown * moved <= 0 or abs(shown - moved) > 1.5 * 10.0**-decimals:
        return change
    return shown / scale


def span(low: float, high: float, *, metric: str, language: str, signed: bool = False, unit: bool = True) -> str:
    """Write an interval: ``28 to 34``, ``70 to 74 %``, in Chinese with the per cent sign on both ends."""
    both = unit and not signed and message(language, "number.unit_on_both_ends") == "yes"
    if metric == "money" and is_number(low) and is_number(high):  # one precision for both ends
        whole = max(abs(low), abs(high)) >= 100
        ends = {
            "low": _money(float(low), signed=signed, whole=whole),
            "high": _money(float(high), signed=signed, whole=whole),
        }
        return message(language, "number.span", ends)
    first = number(low, metric=metric, language=language, signed=signed, unit=both)
    last = number(high, metric=metric, language=language, signed=signed, unit=unit)
    return message(language, "number.span", {"low": first, "high": last})


def estimate(mid: float, low: float, high: float, *, metric: str, language: str, signed: bool = False) -> str:
    """Write an estimate with its interval: ``31 (28 to 34)``."""
    if not is_number(mid):
        return "—"
    head = number(mid, metric=metric, language=language, signed=signed)
    if not (is_number(low) and is_number(high)):
        return head
    return message(
        language,
        "number.estimate",
        {"value": head, "span": span(low, high, metric=metric, language=language, signed=signed, unit=not signed)},
    )


def count(value: float) -> str:
    """Write a count with thousands separators."""
    return number(value, metric="count", language="en")


def probability(value: float, *, language: str) -> str:
    """Write a probability: ``.98``, ``> .99``, ``< .01`` (in Chinese ``0.98``)."""
    if not is_number(value):
        return "—"
    zero = message(language, "number.probability_zero")
    if value >= 0.995:
        return f">{NBSP}{zero}.99"
    if value < 0.005:
        return f"<{NBSP}{zero}.01"
    return zero + f"{value:.2f}"[1:]


def tidy_relation(text: str) -> str:
    """Write "P > .99" where a template gives "P = > .99"."""
    return re.sub(r"=\s+([<>])", r"\1", text)


def certainty(value: float, *, language: str) -> str:
    """Return the words for a probability; never "likely", which is kept for intervals."""
    for floor, key in ((0.99, "certain"), (0.95, "very"), (0.8, "probable"), (0.6, "rather")):
        if value >= floor:
            return message(language, f"certainty.{key}")
    return message(language, "certainty.open")


_PERIOD: Final = re.compile(
    r"(?P<year>\d{4})(?:-?(?:(?P<half>H[12])|(?P<quarter>Q[1-4])|(?P<week>W\d{2})|(?P<month>\d{2})(?:-(?P<day>\d{2}))?))?"
)


def period_name(period: str, *, language: str) -> str:
    """Write a period label: ``2026Q3`` as "Q3 2026" or "2026年第三季度"; unknown labels are left as they are."""
    hit = _PERIOD.fullmatch(str(period))
    if hit is None:
        return plain(period)
    part = hit.groupdict()
    year = str(part["year"])
    if part["half"]:
        return message(language, f"period.half_{part['half'][1]}", {"year": year})
    if part["quarter"]:
        return message(language, f"period.quarter_{part['quarter'][1]}", {"year": year})
    if part["week"]:
        return message(language, "period.week", {"year": year, "week": str(int(part["week"][1:]))})
    if part["month"]:
        month = int(part["month"])
        try:
            day = date(int(year), month, int(part["day"] or 1))
        except ValueError:
            return plain(period)
        fields = {"year": year, "month": message(language, f"period.month_{month}"), "day": str(day.day)}
        return message(language, "period.day" if part["day"] else "period.month", fields)
    return message(language, "period.year", {"year": year})


def tick_name(period: str, *, language: str) -> str:
    """Write a period label as short as a figure's axis needs it: "Q3 2026", "2026/7"."""
    hit = _PERIOD.fullmatch(str(period))
    if hit is None:
        return plain(period)
    kind = next((k for k in ("day", "half", "quarter", "week", "month") if hit[k]), "year")
    part = (hit["month"] if kind == "day" else hit[kind] if kind != "year" else "") or ""
    fields = {"year": hit["year"], "part": part.lstrip("HQW0"), "day": (hit["day"] or "").lstrip("0")}
    return message(language, f"tick.{kind}", fields)


def pick(name: Name, language: str) -> str:
    """Return a name in a language, else in the first one it has."""
    if isinstance(name, str):
        return plain(name)
    return plain(name.get(language) or next(iter(name.values()), ""))


@dataclass(frozen=True)
class Labels:
    """The names a client gives to its things; what is not named is written as its id.

    Attributes
    ----------
    brand : str, mapping language -> str, or a function that gives one
        Looked up only where it is written: a page without it does not depend on it.
    items : mapping of item id -> name
    levels : mapping of level (``segment:age``, ``touchpoint``, ``channel``) -> name
    groups : mapping of level -> mapping of group id -> name
    overall : ids of items that need no name in a sentence ("the net promoter score is 31")
    """

    brand: Name | Callable[[], Name] = ""
    items: Mapping[str, Name] = field(default_factory=dict)
    levels: Mapping[str, Name] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Name]] = field(default_factory=dict)
    overall: tuple[str, ...] = ("nps", "overall", "ces")

    def brand_name(self, language: str) -> str:
        """Return the name of the brand."""
        return pick(self.brand() if callable(self.brand) else self.brand, language)

    def item(self, item: str, language: str) -> str:
        """Return the name of an item."""
        if item in self.items:
            return pick(self.items[item], language)
        return message(language, f"item.{item}") if item in ("nps", "overall", "ces") else plain(_readable(item))

    def level(self, level: str, language: str) -> str:
        """Return the name of a level, e.g. "age" of ``segment:age``."""
        if level in self.levels:
            return pick(self.levels[level], language)
        if level in ("total", "touchpoint", "channel"):
            return message(language, f"level.{level}")
        return plain(_readable(level.removeprefix(SEGMENT)))

    def group(self, level: str, group: str, language: str) -> str:
        """Return the name of a group of a level."""
        named = self.groups.get(level, {})
        if group in named:
            return pick(named[group], language)
        if level == "total":
            return message(language, "level.total")
        if group == "(unknown)":
            return message(language, "level.unknown")
        return plain(_readable(group) if level == "touchpoint" else group)


def _readable(identifier: str) -> str:
    return str(identifier).replace("_", " ")


def metric_name(metric: str, *, language: str) -> str:
    """Return the name of a metric as a heading: "Net promoter score"."""
    return message(language, f"metric.{metric}.name")


def subject(metric: str, item: str, *, labels: Labels, language: str) -> str:
    """Return what a sentence is about: "the net promoter score", "the share satisfied with wifi"."""
    if item in labels.overall:
        return message(language, f"metric.{metric}.subject")
    return message(language, f"metric.{metric}.subject_of", {"item": labels.item(item, language)})


def sentence(text: str) -> str:
    """Return text with its first letter in upper case (no change in Chinese)."""
    return text[:1].upper() + text[1:]


def _chain(*names: Mapping[str, Any]) -> Mapping[str, Name]:
    """Return names of several places, the first before the others, each looked up only when it is written."""
    return ChainMap(*names)  # type: ignore[arg-type]


def labels_of(params: Params, brand: str = "") -> Labels:
    """Return the names a params file gives: brand, items, segments, groups, touchpoints and channels.

    Parameters
    ----------
    params : Params
        Of the client.
    brand : str
        Brand id; empty for a page about all brands, which bears the client's name.
    """

    def own() -> Name:
        return next((b.label for b in params.brands if b.id == brand), params.label or params.client)

    items: dict[str, Name] = {}
    roles: dict[str, list[str]] = {}
    for table in params.tables.ratings:
        for name, item in table.items.items():
            roles.setdefault(item.role, []).append(name)
            if item.label is not None:
                items[name] = item.label
    groups: dict[str, Mapping[str, Name]] = {
        level if level in ("touchpoint", "channel", "outcome") else f"{SEGMENT}{level}": {
            str(k): v for k, v in named.items()
        }
        for level, named in params.group_labels.items()
    }
    groups["touchpoint"] = _chain(groups.get("touchpoint", {}), params.journey.labels)
    alone = tuple(ids[0] for role in ("nps", "overall", "ces") if len(ids := sorted(set(roles.get(role, [])))) == 1)
    return Labels(
        brand=own,
        items=_chain(items, params.item_labels),  # what stands at the question itself, before presets
        levels={f"{SEGMENT}{name}": label for name, label in params.segment_labels.items()},
        groups=groups,
        overall=alone,
    )
