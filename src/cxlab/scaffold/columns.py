"""What a column of a client's file looks like: dates, scales, texts, ids, weights; from its values and its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from cxlab.errors import ParamsError
from cxlab.params import periods
from cxlab.vocab import Grain, Missing

Kind = Literal[
    "empty", "id", "customer", "email", "phone", "order", "date", "period", "nps", "rating", "comment", "weight",
    "amount", "brand", "channel", "touchpoint", "product", "segment", "language", "other",
]  # fmt: skip

_NAMES: dict[Kind, str] = {
    "email": r"e-?mail|邮箱|邮件",
    "phone": r"phone|mobile|(^|_)tel($|_)|手机|电话",
    "weight": r"^(w|wt|wgt|weight|weighting|gewicht|poids|peso|pond|权重|加权)$|_(weight|wgt|wt)$|^(weight|wgt)_",
    "customer": r"customer|client|member|account|user|buyer|guest|passenger|openid|person|kunde|客户|会员|用户|顾客",
    "order": r"order|invoice|basket|booking|ticket|case|交易号|订单",
    "brand": r"^(brand|marke|marque|marca|品牌)(_?(id|name|名称))?$",
    "channel": r"channel|^mode$|^medium$|渠道",
    "touchpoint": r"touch_?point|触点|环节",
    "language": r"^(lang|language|locale|语言)$",
    "product": r"product|sku|article|item_?(id|no)|商品|产品",
    "amount": r"amount|price|revenue|sales|total|turnover|spend|betrag|umsatz|金额|价格|销售额|付款",
    "nps": r"nps|recommend|netpro|推荐|weiterempfehl",
    "rating": r"rat(e|ing)|score|satis|csat|ces$|effort|ease|star|quality|评分|满意|打分|分数|星级",
    "comment": r"comment|verbatim|remark|review|feedback|open_?end|reason|why|text|message|评论|评价|意见|建议|反馈",
    "segment": (
        r"(?<![a-z])(age|sex|city|state|tier|type|class|group|level|store|branch|device)(?![a-z])|"
        r"gender|income|region|country|segment|categor|strat|purpose|residence|education|occupation|"
        r"年龄|性别|地区|城市|省|等级|收入|职业|类型|类别|门店"
    ),
    "id": r"(^|[_\W])(id|no|nr|key|uuid|guid|num|number|respnum|serial)$|id$|编号|序号|流水",
}
DATE_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p", "%d-%m-%Y", "%Y%m%d", "%Y年%m月%d日", "%d %b %Y", "%b %d, %Y",
)  # fmt: skip
ISO_FORMATS = DATE_FORMATS[:4]
_COUNTED = re.compile(
    r"(?<![a-z])(days|hours|minutes|seconds|months|years|times|count|number|num|qty|quantity)(?![a-z])|数量|次数|天数",
    re.IGNORECASE,
)
RARE = 0.004  # a value with a smaller share of the rows is taken for a slip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[+(]?\d[\d\s()./-]{6,}")
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
_WHOLE = re.compile(r"-?\d+([.,]0+)?")
_WORDS = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")
_CJK = re.compile(r"[\u3400-\u9fff]")
_MISSING: dict[int, Missing] = {
    0: "blank", -1: "blank", 6: "not_used", 8: "not_used", 9: "refused", 11: "blank", 77: "not_used", 88: "not_used",
    96: "not_used", 97: "not_used", 98: "refused", 99: "blank", 999: "blank", -9: "blank", -99: "blank", -999: "blank",
}  # fmt: skip
_MISSING_WORDS: dict[str, Missing] = {
    "blank": "blank", "missing": "blank", "na": "not_used", "n/a": "not_used", "not applicable": "not_used",
    "not used": "not_used", "never used": "not_used", "don't know": "refused", "dont know": "refused", "dk": "refused",
    "refused": "refused", "prefer not to say": "refused", "no answer": "blank", "不适用": "not_used",
    "未使用": "not_used", "拒绝回答": "refused", "不知道": "refused", "未填": "blank", "无": "blank",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column over all files of an input.

    Attributes
    ----------
    name : str
        Its name; with `others` where waves renamed it.
    kind : Kind
    sure : bool
        False marks a guess a reader should look at.
    counts : Counter
        Value (trimmed text) -> rows; blanks left out.
    rows : int
        All rows, blank or not.
    codes : tuple of int
        Scale of a rating, worst first.
    missing : mapping
        Codes outside the scale -> kind of missing.
    words : mapping
        Texts of a rating in words -> code.
    format : str
        Of a date; empty for ISO.
    grain : Grain or None
        Of a period.
    """

    name: str
    kind: Kind
    sure: bool
    counts: Counter[str]
    rows: int
    others: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    missing: Mapping[str, Missing] | None = None
    words: Mapping[str, int] | None = None
    format: str = ""
    grain: Grain | None = None

    @property
    def filled(self) -> int:
        """Rows that hold a value."""
        return self.counts.total()

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.filled == self.rows == len(self.counts)


def looks(name: str, kind: Kind) -> bool:
    """Tell whether a column's name alone speaks for a kind."""
    plain = name.strip().casefold().replace(" ", "_")
    return re.search(_NAMES[kind], plain) is not None


def examine(name: str, counts: Counter[str], rows: int, wordings: Mapping[str, Mapping[str, int]]) -> Column:
    """Guess what a column is.

    Parameters
    ----------
    name : str
    counts : Counter
        Trimmed non-blank values -> rows.
    rows : int
    wordings : mapping
        Name of a scale -> text -> code, for ratings given in words.
    """
    filled = counts.total()
    if not filled:
        return Column(name, "empty", True, counts, rows)

    def is_(kind: Kind, sure: bool = True, **more: object) -> Column:
        return Column(name, kind, sure, counts, rows, **more)  # type: ignore[arg-type]

    distinct = len(counts)
    sample = list(counts)[:2000]
    numeric = share(counts, lambda v: _NUMBER.fullmatch(v) is not None)
    if share(counts, lambda v: _EMAIL.fullmatch(v) is not None) > 0.9:
        return is_("email")
    if looks(name, "phone") and share(counts, lambda v: _PHONE.fullmatch(v) is not None) > 0.8:
        return is_("phone")
    grain = _grain(sample)
    if (
        grain is not None
        and grain != "day"
        and (grain != "year" or re.search(r"year|period|wave|年|期", name.casefold()))
    ):
        return is_("period", grain=grain)
    found = date_format(sample, numeric)
    if found is not None:
        text, ambiguous = found
        return is_("date", not ambiguous, format="" if text in ISO_FORMATS else text)
    if looks(name, "weight") and numeric > 0.95:
        return is_("weight")
    for kind in ("brand", "language", "channel", "touchpoint"):
        if looks(name, kind) and distinct <= 60:
            return is_(kind)
    rating = _rating(name, counts, numeric, wordings)
    if rating is not None:
        kind, sure, codes, missing, words = rating
        return is_(kind, sure, codes=codes, missing=missing, words=words)
    length = sum(len(v) * n for v, n in counts.items()) / filled
    wordy = share(counts, lambda v: len(_WORDS.findall(v)) >= 3) if numeric < 0.5 else 0.0
    named = looks(name, "comment") and not looks(name, "id")
    if (named and length > 8 and share(counts, lambda v: len(_WORDS.findall(v)) >= 2) > 0.3) or (
        wordy > 0.6 and length > 25 and distinct > 0.3 * filled
    ):
        return is_("comment", wordy > 0.3)
    few = 2 <= distinct <= 30 and distinct <= max(2, filled / 5)
    if looks(name, "customer") and not few:
        return is_("customer", looks(name, "id") or "id" in name.casefold())
    if looks(name, "order") and not few:
        return is_("order")
    if looks(name, "product") and not few:
        return is_("product")
    if looks(name, "amount") and numeric > 0.95:
        return is_("amount")
    if looks(name, "id") and distinct > 0.5 * filled:
        return is_("id")
    if few:
        return is_("segment", looks(name, "segment") or numeric < 0.5, missing=_odd(counts) or None)
    if distinct == rows and rows > 1 and length < 40 and share(counts, lambda v: "." not in v) == 1.0:
        return is_("id", False)
    return is_("other")


def share(counts: Counter[str], test: object) -> float:
    """Return the share of rows whose value passes a test."""
    assert callable(test)
    total = counts.total()
    return sum(n for v, n in counts.items() if test(v)) / total if total else 0.0


def date_format(values: Sequence[str], numeric: float) -> tuple[str, bool] | None:
    """Return the format that reads (nearly) all values, and whether another one would read them too."""
    if numeric > 0.95 and not all(len(v) == 8 and v[:2] in ("19", "20") for v in values):
        return None
    enough = 0.97 * len(values)
    fits = [f for f in DATE_FORMATS if sum(parse_date(v, f) is not None for v in values) >= enough]
    return (
        (fits[0], len(fits) > 1 and any("%d" in f and f.index("%d") != fits[0].index("%d") for f in fits[1:]))
        if fits
        else None
    )


def parse_date(value: str, form: str) -> date | None:
    """Read a date, None if it is none."""
    text = value[:19] if form in ISO_FORMATS[1:3] else value
    try:
        found = datetime.strptime(text, form).date()
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2199 else None


def _grain(values: Sequence[str]) -> Grain | None:
    found: set[Grain] = set()
    for value in values:
        try:
            found.add(periods.parse(value).grain)
        except ParamsError:
            return None
    return found.pop() if len(found) == 1 else None


Rating = tuple[Kind, bool, tuple[int, ...], dict[str, Missing], dict[str, int]]


def _rating(
    name: str, counts: Counter[str], numeric: float, wordings: Mapping[str, Mapping[str, int]]
) -> Rating | None:
    gone = {v: _MISSING_WORDS[v.casefold()] for v in counts if v.casefold() in _MISSING_WORDS}
    rest = Counter({v: n for v, n in counts.items() if v not in gone})
    rest = Counter({v: n for v, n in rest.items() if n > RARE * rest.total()})  # slips of the pen are no codes
    if not rest or len(rest) > 20:
        return None
    named = looks(name, "rating") or looks(name, "nps")
    texts = [v for v in rest if _WHOLE.fullmatch(v) is None]
    words: dict[str, int] = {}
    if texts:
        scale_of = _wording(texts, wordings, named=named)
        if scale_of is None:
            return None
        points, words = scale_of
        if len(texts) == len(rest):
            return ("rating", True, points, gone, words) if len(texts) > 1 else None
    codes = sorted({_code(v) for v in rest if v not in words} | set(words.values()))
    if _COUNTED.search(name.replace("_", " ")) and not named:
        return None
    if (looks(name, "segment") and not looks(name, "nps")) or (looks(name, "id") and not named):
        return None
    scale = _scale(codes, nps=looks(name, "nps"))
    if scale is None:
        return None
    outside = [c for c in codes if c not in scale]
    inside = {_code(v) for v in counts if _WHOLE.fullmatch(v) and _code(v) in scale} | set(words.values())
    few_inside = len(inside) < (3 if named else min(4, len(scale)))
    in_scale = sum(n for v, n in rest.items() if v in words or _code(v) in scale) / rest.total()
    if few_inside or in_scale < 0.1 or any(c not in _MISSING for c in outside):
        return None
    missing: dict[str, Missing] = {str(c): _MISSING[c] for c in outside} | gone
    kind: Kind = "nps" if scale == tuple(range(11)) else "rating"
    return kind, named, scale, missing, words


def _code(value: str) -> int:
    return int(re.split(r"[.,]", value)[0])


def _scale(codes: Sequence[int], *, nps: bool) -> tuple[int, ...] | None:
    """Return the scale that holds the codes but for a few typical codes of missing answers."""
    inside = [c for c in codes if 0 <= c <= 10]
    if not inside:
        return None
    if nps or (0 in inside and {7, 8, 9, 10} <= set(inside)):
        return tuple(range(11))
    top = max(inside)
    if top <= 4 and nps is False and min(inside) >= 1 and top >= 4 and 5 not in codes:
        return (1, 2, 3, 4) if len(inside) == 4 and 5 not in codes else (1, 2, 3, 4, 5)
    if top <= 6:  # 6 beside five points is "not used"; a six-point scale would be rare
        return (1, 2, 3, 4, 5)
    if 10 in inside:
        return tuple(range(1, 11))
    if top == 9 and not {7, 8} & set(inside):  # 9 as "refused" on a five-point scale
        return (1, 2, 3, 4, 5)
    return (1, 2, 3, 4, 5, 6, 7)


def _wording(
    texts: Sequence[str], wordings: Mapping[str, Mapping[str, int]], *, named: bool
) -> tuple[tuple[int, ...], dict[str, int]] | None:
    """Return the codes and the text -> code of the first known wording that has all texts."""
    for scale, known in wordings.items():
        if scale.startswith("yesno") and not named:  # yes and no answer any question, few of them are ratings
            continue
        folded = {t.casefold(): c for t, c in known.items()}
        if all(v.casefold() in folded for v in texts):
            return tuple(dict.fromkeys(folded.values())), {v: folded[v.casefold()] for v in texts}
    return None


def _odd(counts: Counter[str]) -> dict[str, Missing]:
    """Codes of a segment that most likely mean missing."""
    found = {v: _MISSING_WORDS[v.casefold()] for v in counts if v.casefold() in _MISSING_WORDS}
    whole = [v for v in counts if _WHOLE.fullmatch(v)]
    if len(whole) == len(counts) and len(counts) > 3:
        found |= {v: _MISSING[int(v)] for v in whole if v in ("0", "99", "999", "-1", "-9", "-99")}
    return found


def chinese(texts: Sequence[str]) -> bool:
    """Tell whether most texts are Chinese."""
    return sum(_CJK.search(t) is not None for t in texts) > len(texts) / 2
