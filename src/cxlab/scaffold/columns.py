"""What a column of a client's file looks like: dates, scales, texts, ids, weights; from its values and its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from cxlab.connect.rules import CURRENCY, language
from cxlab.errors import ParamsError
from cxlab.params import periods
from cxlab.scaffold.scales import guess_scale, missing_word
from cxlab.vocab import Grain, Missing

Kind = Literal[
    "empty", "id", "customer", "email", "phone", "order", "date", "period", "nps", "rating", "comment", "weight",
    "amount", "brand", "channel", "touchpoint", "product", "segment", "language", "other",
]  # fmt: skip

_NAMES: dict[Kind, str] = {
    "email": r"e-?mail|邮箱|邮件",
    "phone": r"phone|mobile|(^|_)tel($|_)|手机|电话",
    "weight": r"^(w|wt|wgt|weight|weighting|gewicht|poids|peso|pond|权重|加权)$|_(weight|wgt|wt)$|^(weight|wgt)_",
    "customer": (
        r"(customer|client|member|account|user|buyer|guest|passenger|openid|person|kunde|客户|会员|用户|顾客)"
        r"(?!_?(lang|locale|agent|name|type|group|segment|since|status|tier|satis|feedback|comment|review|rating))"
    ),
    "order": r"order|bestell|auftrag|rechnung|invoice|basket|booking|ticket|case|交易号|订单",
    "brand": r"^(brand|marke|marque|marca|品牌)(_?(id|name|名称))?$",
    "channel": r"channel|^mode$|^medium$|渠道",
    "touchpoint": r"touch_?point|触点|环节",
    "language": r"^(lang|language|locale|语言)$",
    "product": r"product|sku|article|item_?(id|no)|商品|产品",
    "amount": r"amount|price|revenue|sales|total|turnover|spend|betrag|umsatz|金额|价格|销售额|付款",
    "nps": r"nps(?!_?(group|kategorie|category|segment|type|class))|recommend|netpro|推荐|weiterempfehl",
    "rating": (
        r"rat(e|ing)|score|satis|csat|ces$|effort|eas[ey]|star|quality|zufrieden|bewertung|note$|grade|"
        r"评分|满意|打分|分数|星级"
    ),
    "comment": (
        r"comment|kommentar|bemerk|anmerk|begründ|coment|verbatim|remark|review|feedback|open_?end|reason|why|text|message|explain|better|like|else|"
        r"评论|评价|意见|建议|反馈|写下|怎么样"
    ),
    "segment": (
        r"(?<![a-z])(age|sex|city|state|tier|type|class|group|level|store|branch|device)(?![a-z])|"
        r"gender|income|region|country|segment|categor|strat|purpose|residence|education|occupation|"
        r"年龄|性别|地区|城市|省|等级|收入|职业|类型|类别|门店"
    ),
    "id": r"(^|[_\W])(id|no|nr|key|uuid|guid|num|number|respnum|serial)$|id$|编号|序号|流水",
}
DATE_FORMATS = (  # ISO first: they need no format
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%Y", "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%m-%d-%Y", "%Y%m%d",
    "%Y年%m月%d日", "%Y年%m月%d日 %H:%M", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d %b, %Y", "%d %B, %Y", "%b %d, %Y",
    "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y %H:%M", "%d %b %Y %H:%M:%S",
    "%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p", "%A, %d %B %Y", "%A, %B %d, %Y", "%a, %d %b %Y",
)  # fmt: skip
ISO_FORMATS = DATE_FORMATS[:4]
_COUNTED = re.compile(
    r"(?<![a-z])(days|hours|minutes|seconds|months|years|times|count|number|num|qty|quantity)(?![a-z])|数量|次数|天数",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[+(]?\d[\d\s()./-]{6,}")
_NUMBER = re.compile(r"\(?[-+]?(\d{1,3}([.,]\d{3})+|\d+)([.,]\d+)?\)?-?")
_BESIDE = re.compile(rf"{CURRENCY}|(?<=\d)[\s'’](?=\d{{3}})")  # what may stand beside or inside an amount
_ORDINAL = re.compile(r"(?<=\d)(st|nd|rd|th)\b", re.IGNORECASE)
_PERSON = re.compile(r"name$|author|reviewer|nick|user_?name|昵称|用户名|姓名|作者", re.IGNORECASE)
_SWITCH = ({"0", "1"}, {"yes", "no"}, {"true", "false"}, {"checked", "unchecked"}, {"selected", "not selected"},
           {"ja", "nein"}, {"是", "否"}, {"x"}, {"1"}, {"y", "n"})  # fmt: skip
_WHOLE = re.compile(r"-?\d+([.,]0+)?")
_WORDS = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")
_CJK = re.compile(r"[\u3400-\u9fff]")
_GUESTS = {"0", "-1", "guest", "anonymous", "anonym", "none", "null", "unknown", "gast", "walk-in", "游客", "匿名"}
_REPLY = re.compile(r"reply|developer|owner_?resp|response_from|hotel_resp|company_?(answer|reply)|回复", re.IGNORECASE)
_URL = re.compile(r"https?://\S+|www\.\S+")
_SERIAL = re.compile(r"[3-5]\d{4}([.,]\d+)?")
_EPOCH = re.compile(r"1\d{9}(\d{3})?")


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
    formats : tuple of str
        Of a date, the first that fits is taken; empty for ISO.
    grain : Grain or None
        Of a period.
    doubts : tuple of str
        What else it could be, with the evidence.
    expr : str
        A DuckDB expression that makes the value, where the column alone is not it.
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
    formats: tuple[str, ...] = ()
    grain: Grain | None = None
    doubts: tuple[str, ...] = ()
    expr: str = ""

    @property
    def filled(self) -> int:
        """Rows that hold a value."""
        return self.counts.total()

    @property
    def halves(self) -> bool:
        """Whether it is a rating in half points: 9 is 4.5 stars."""
        return self.kind == "rating" and any("half points" in doubt for doubt in self.doubts)

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.filled == self.rows == len(self.counts)


def looks(name: str, kind: Kind) -> bool:
    """Tell whether a column's name alone speaks for a kind."""
    plain = name.strip().casefold().replace(" ", "_")
    return re.search(_NAMES[kind], plain) is not None


def examine(
    name: str,
    counts: Counter[str],
    rows: int,
    wordings: Mapping[str, Mapping[str, int]],
    *,
    labels: Mapping[str, str] | None = None,
    declared: Sequence[str] = (),
) -> Column:
    """Guess what a column is.

    Parameters
    ----------
    name : str
    counts : Counter
        Trimmed non-blank values -> rows.
    rows : int
    wordings : mapping
        Name of a scale -> text -> code, for ratings given in words.
    labels : mapping, optional
        Code -> text, as an SPSS file says.
    declared : sequence of str
        Codes that the file declares missing.
    """
    filled = counts.total()
    if not filled:
        return Column(name, "empty", True, counts, rows)

    def is_(kind: Kind, sure: bool = True, **more: object) -> Column:
        return Column(name, kind, sure, counts, rows, **more)  # type: ignore[arg-type]

    distinct = len(counts)
    sample = list(counts)[:2000]
    numeric = share(counts, lambda v: _NUMBER.fullmatch(bare(v)) is not None)
    if share(counts, lambda v: _EMAIL.fullmatch(v) is not None) > 0.9:
        return is_("email")
    if share(counts, lambda v: _URL.fullmatch(v) is not None) > 0.5 or (_REPLY.search(name) and numeric < 0.5):
        return is_("other", doubts=("the company's own words or addresses: not the customers'",))
    if looks(name, "phone") and share(counts, lambda v: _PHONE.fullmatch(v) is not None) > 0.8:
        return is_("phone")
    grain = _grain(sample)
    if (
        grain is not None
        and grain != "day"
        and (grain != "year" or re.search(r"year|period|wave|年|期", name.casefold()))
    ):
        return is_("period", grain=grain)
    if (
        re.search(r"time|date|zeit|日期|时间", name.casefold())
        and share(counts, lambda v: bool(_EPOCH.fullmatch(v))) > 0.97
    ):
        unit = "epoch_ms(CAST({} AS BIGINT))" if len(sample[0]) == 13 else "to_timestamp(CAST({} AS BIGINT))"
        return is_(
            "date", expr=unit.format(_quoted(name)), doubts=("seconds since 1970",) if len(sample[0]) < 13 else ()
        )
    dated = re.search(r"time|date|datum|zeit|日期|时间", name.casefold())
    if dated and share(counts, lambda v: _SERIAL.fullmatch(v) is not None) > 0.97:
        expr = f"DATE '1899-12-30' + CAST(floor(CAST({_quoted(name)} AS DOUBLE)) AS INTEGER)"
        return is_("date", False, expr=expr, doubts=("days since 1900, as Excel counts them",))
    if (dates := _dates(name, sample, numeric)) is not None:
        return is_("date", not dates.get("doubts"), **dates)
    if looks(name, "weight") and numeric > 0.95:
        return is_("weight")
    kind: Kind
    switch = {v.casefold() for v in counts} in _SWITCH  # an option that was chosen or not
    for kind in ("brand", "language", "channel", "touchpoint"):
        known = kind != "language" or share(counts, lambda v: language(v) is not None) > 0.5
        if looks(name, kind) and distinct <= 60 and known and not switch:
            return is_(kind)
    named = looks(name, "rating") or looks(name, "nps")
    group = (looks(name, "segment") and not looks(name, "nps")) or (looks(name, "id") and not named)
    if not group and (named or not _COUNTED.search(name.replace("_", " "))):
        scale = guess_scale(
            name, counts, nps=looks(name, "nps"), named=named, wordings=wordings, labels=labels, declared=declared
        )
        if scale is not None:
            kind = "nps" if looks(name, "nps") and len(scale.codes) == 11 else "rating"
            return is_(
                kind,
                named or bool(scale.words),
                codes=scale.codes,
                missing=dict(scale.missing),
                words=dict(scale.words),
                doubts=scale.doubts,
            )
    if several_answers(counts):
        return is_("other", doubts=("several answers in one cell: no group of its own",))
    length = sum(len(v) * n for v, n in counts.items()) / filled
    wordy = share(counts, lambda v: len(_WORDS.findall(v)) >= 3) if numeric < 0.5 else 0.0
    named = looks(name, "comment") and not looks(name, "id")
    if (
        named and length > (3 if chinese(sample) else 8) and share(counts, lambda v: len(_WORDS.findall(v)) >= 2) > 0.3
    ) or (wordy > 0.6 and length > 25 and distinct > 0.3 * filled):
        return is_("comment", wordy > 0.3)
    money = looks(name, "amount") and numeric > 0.95 and distinct > 2 and not looks(name, "id")
    if money and re.search(r"total|amount|price|revenue|betrag|umsatz|金额|价格", name.casefold()):
        return is_("amount")
    few = 2 <= distinct <= 30 and distinct <= max(2, filled / 5)
    if looks(name, "customer") and not few:
        sure = looks(name, "id") or "id" in name.casefold()
        guests = {v: n for v, n in counts.items() if v.casefold() in _GUESTS and n > 0.02 * filled}
        said = tuple(f"{v} ({n:,} rows) is a guest and no customer" for v, n in guests.items())
        return is_("customer", sure, missing=dict.fromkeys(guests, "blank"), doubts=said)
    if looks(name, "order") and not few:
        return is_("order")
    if looks(name, "product") and not few:
        return is_("product")
    if looks(name, "amount") and numeric > 0.95 and distinct > 2:
        return is_("amount")
    if looks(name, "id") and distinct > 0.5 * filled:
        return is_("id")
    if few:
        return is_("segment", looks(name, "segment") or numeric < 0.5, missing=_odd(counts) or None)
    if _PERSON.search(name.strip()):
        return is_("other", doubts=("names of people: told apart by no number, and shown nowhere",))
    numbered = share(counts, lambda v: "." not in v and any(c.isdigit() for c in v))
    if distinct == rows and rows > 1 and length < 40 and numbered == 1.0:
        return is_("id", False)
    return is_("other")


def bare(value: str) -> str:
    """Return an amount without currency and without the signs between its thousands that are no point or comma."""
    return _BESIDE.sub("", value).strip()


def currencies(counts: Counter[str]) -> Counter[str]:
    """Return the currencies that stand beside amounts, with their rows."""
    found: Counter[str] = Counter()
    for value, n in counts.items():
        for sign in re.findall(CURRENCY, value):
            found[sign] += n
    return found


def share(counts: Counter[str], test: object) -> float:
    """Return the share of rows whose value passes a test."""
    assert callable(test)
    total = counts.total()
    return sum(n for v, n in counts.items() if test(v)) / total if total else 0.0


def _dates(name: str, values: Sequence[str], numeric: float) -> dict[str, Any] | None:
    """Return how the values are read as days, with what is doubtful of it; None if they are no dates."""
    if numeric > 0.95 and not all(len(v) == 8 and v[:2] in ("19", "20") for v in values):
        return None
    enough = 0.97 * len(values)
    reads = {f: {v for v in values if parse_date(v, f) is not None} for f in DATE_FORMATS}
    whole = [f for f in DATE_FORMATS if len(reads[f]) >= enough]
    if whole:
        orders = {_order(f) for f in whole}
        both = "day or month first? Every value can be read both ways"
        return {
            "formats": () if whole[0] in ISO_FORMATS else (whole[0],),
            "doubts": (both,) if len(orders) > 1 else (),
        }
    if (swapped := _swapped_dates(name, values)) is not None:
        return swapped
    left: set[str] = set(values)
    chosen: list[tuple[str, list[str]]] = []
    while left and len(chosen) < 6:
        best = max(DATE_FORMATS, key=lambda f: len(reads[f] & left))
        if not reads[best] & left:
            break
        chosen.append((best, sorted(reads[best] & left, key=values.index)))
        left -= reads[best]
    if len(values) - len(left) < enough or not chosen:
        return None
    kinds = ", ".join(f"{len(own):,} such as {own[0]} ({form})" for form, own in chosen)
    doubts = [f"dates of {len(chosen)} kinds in one column: {kinds}"]
    order = {_order(form) for form, _ in chosen} - {""}
    if {"day", "month"} <= order:
        twice = sum(
            len(reads[f] & reads[g])
            for f, _ in chosen
            for g, _ in chosen
            if _order(f) == "day" and _order(g) == "month"
        )
        doubts.append(f"day and month stand in both orders, and {twice:,} values can be read both ways: mend the file")
    return {"formats": tuple(form for form, _ in chosen), "doubts": tuple(doubts)}


def _order(form: str) -> str:
    """Return which of day and month comes first where both are numbers."""
    if "%m" not in form or "%d" not in form or form.startswith("%Y"):
        return ""
    return "day" if form.index("%d") < form.index("%m") else "month"


def parse_date(value: str, form: str) -> date | None:
    """Read a date, None if it is none."""
    text = value[:19] if form in ISO_FORMATS[1:3] else _ORDINAL.sub("", value)
    try:
        found = datetime.strptime(text, form).date()
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2199 else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def several_answers(counts: Counter[str]) -> bool:
    """Tell whether cells hold several answers out of few: "Price, Packaging" beside "Price"."""
    for sign in (",", ";", "|", "┋"):
        lists = [[part.strip() for part in value.split(sign)] for value in counts]
        options = Counter(part for parts in lists for part in parts)
        joined = sum(len(parts) > 1 for parts in lists)
        if joined >= 0.3 * len(lists) and 3 <= len(options) <= 20 and len(lists) > len(options):
            return max(len(o) for o in options) < 40
    return False


def _swapped_dates(name: str, values: Sequence[str]) -> dict[str, Any] | None:
    """Days of which day and month were swapped where that is possible, as a program of another country does."""
    iso = [d for v in values if (d := parse_date(v[:10], "%Y-%m-%d"))]
    for form in ("%d/%m/%Y", "%d.%m.%Y"):
        text = [d for v in values if (d := parse_date(v, form))]
        whole = iso and text and len(iso) + len(text) >= 0.97 * len(values)
        if whole and all(d.day <= 12 for d in iso) and min(d.day for d in text) > 12:
            column = _quoted(name)
            expr = f"coalesce(try_strptime({column}, '{form}'), try_strptime(substr({column}, 1, 10), '%Y-%d-%m'))"
            shown = f"{len(iso)} values such as {values[0]} beside {len(text)} written {form}"
            return {
                "expr": expr,
                "doubts": (f"dates of two kinds: {shown}; day and month of the first are swapped back",),
            }
    return None


def _grain(values: Sequence[str]) -> Grain | None:
    found: set[Grain] = set()
    for value in values:
        try:
            found.add(periods.parse(value).grain)
        except ParamsError:
            return None
    return found.pop() if len(found) == 1 else None


def _odd(counts: Counter[str]) -> dict[str, Missing]:
    """Codes of a segment that most likely mean missing."""
    found = {v: kind for v in counts if (kind := missing_word(v)) is not None}
    whole = [v for v in counts if _WHOLE.fullmatch(v)]
    if len(whole) == len(counts) and len(counts) > 3:
        found |= dict.fromkeys([v for v in whole if v in ("0", "99", "999", "-1", "-9", "-99")], "blank")
    return found


def chinese(texts: Sequence[str]) -> bool:
    """Tell whether most texts are Chinese."""
    return sum(_CJK.search(t) is not None for t in texts) > len(texts) / 2
