"""Personal data in free text -> placeholders, before anything is stored. Own patterns, each as narrow as it can be.

=============  =====================================================================================
placeholder    what is found
=============  =====================================================================================
[email]        e-mail addresses, also spelled ("ann at gmail dot com")
[url]          links with a user, a query that names a person, or a profile page; other links stay
[id number]    Chinese resident ids, by date and checksum; other papers behind their word
[account]      ids of WeChat and QQ, behind the word; wxid_...
[date of birth]  behind the word
[iban]         bank accounts, by length and check digits; any behind the word
[card]         payment cards, by issuer prefix, length and Luhn digit; any behind 卡号
[phone]        Chinese mobiles and landlines, international and national forms; any behind words that tell of a number
               to call ("my number is", "ring", Tel., 电话是); service lines (400, 800) stay
[ip]           IPv4 addresses (not version numbers)
[passport]     only behind the word
[address]      street and number in English, German, French, Spanish, Portuguese; Chinese road or estate with house
[plate]        Chinese number plates; European ones behind a word for them, or close to a car
[name]         Chinese and English names beside a title, said to be a name (我叫, "my name is"), below "Regards,"
=============  =====================================================================================

Prices, dates, times, ratings, counts, sizes and order numbers are no personal data and stay. Names that nothing tells
of are not found: nothing short of a language model would, and a guess would eat product names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Final

import duckdb
import pyarrow as pa

from cxlab.connect.pii import addresses, context
from cxlab.connect.sql import identifier

_WIDE = str.maketrans("０１２３４５６７８９＠．－＋（）：　", "0123456789@.-+():\u0020")
_HOLE = "\x00"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余杜叶程魏苏吕丁沈姚卢傅钟姜崔谭廖"
    "范汪陆金石戴贾韦夏邱侯邹熊孟秦白江阎薛尹段雷黎史陶贺毛郝顾龚邵万覃武钱严莫孔汤"
)
_NO_GIVEN = "的了是个位这那和与跟给让被把在有上下不很都也就先女老男"
_PLATES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _resident(text: str) -> bool:
    """Checksum of GB 11643: weighted digits modulo 11; and a birthday that exists."""
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(d) * w for d, w in zip(text[:17], _WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|62\d{14,17}|6011\d{12}|65\d{14}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)


def _card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _telephone(text: str) -> bool:
    """Enough digits for a number, and no date such as +2017-03-01."""
    return 7 <= len(re.sub(r"\D", "", text)) <= 15


def _always(text: str) -> bool:
    return True


_LEFT, _RIGHT = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
# placeholder, pattern (its group 1 is masked, or the whole), check; bounded, so that no text takes time without bound
_PATTERNS: list[tuple[str, re.Pattern[str], Callable[[str], bool]]] = [
    (
        "[url]",
        re.compile(
            r"(?i)\b(?:https?://|www\.)(?:"
            r"[^\s/@，。]{1,200}@[^\s，。)]+"
            r"|[^\s?，。]{0,999}\?[^\s，。)]{0,999}\b(?:id|uid|user|userid|username|token|e?mail|phone|mobile|tel|name|account|"
            r"session|sid|key|openid|member)=[^\s，。)]*"
            r"|[^\s，。]{0,999}/(?:u|user|users|profile|member|people|in)/[^\s，。)]+"
            r"|(?:www\.)?(?:wa\.me|t\.me|facebook\.com|instagram\.com|weibo\.com|linkedin\.com)/[^\s，。)]+)"
        ),
        _always,
    ),
    ("[email]", re.compile(r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]+ ?@ ?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), _always),
    *context.MAILS,
    *addresses.ADDRESSES,
    *context.NUMBERS,
    ("[id number]", re.compile(_LEFT + r"[1-9]\d{16}[\dXx]" + _RIGHT), _resident),
    ("[card]", re.compile(_LEFT + r"\d(?:[ -]?\d){12,18}" + _RIGHT), _card),
    ("[ip]", re.compile(
        r"(?<![\d.A-Za-z])(?<!version )(?<!Version )(?<!版本)(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}"
        r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"), _always),
    ("[phone]", re.compile(r"(?<![0-9A-Za-z.])(?:(?:\+|00)?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}(?![0-9])"),
     _telephone),
    ("[phone]", re.compile(r"(?<![\w+])(?:\+|00)[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,6}(?![0-9])"), _telephone),
    ("[phone]", re.compile(r"(?<![\d-])(?:\(0\d{2,3}\) ?|0\d{2,3}-)[2-9]\d{6,7}(?:-\d{1,6})?(?![\d-])"), _telephone),
    ("[phone]", re.compile(r"(?<![\d-])(?!(?:\()?[48]00)(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}(?![\d-])"),
     _telephone),
    ("[phone]", re.compile(r"(?<!\d)\(?[1-9]\d\)? ?9\d{4}-\d{4}(?!\d)|(?<!\d)\([1-9]\d\) ?[2-9]\d{3}-\d{4}(?!\d)"),
     _telephone),
    ("[phone]", re.compile(r"(?<!\d)0(?:7\d{3} ?\d{6}|20 ?\d{4} ?\d{4}|1\d{3} ?\d{6})(?!\d)"), _telephone),
    ("[phone]", re.compile(
        r"(?i)(?:(?<!i)phone|telephone|mobile|cell|whatsapp|call me (?:at|on)|\btel|电话|手机号?码?|联系方式|微信号?)"
        r"(?: number| no\.?| is|是|为)?[ :：.]{0,3}((?!400|800)\d(?:[ -]?\d){6,12})(?!\d)"), context.number),
    *context.PHONES,
    ("[passport]", re.compile(
        r"(?i)(?:passport|护照)(?: number| no\.?| is|号码?|是|为)*[ :：.#]{0,3}([A-Z]{1,2}\d{6,9}|\d{9})" + _RIGHT),
     _always),
    ("[plate]", re.compile(
        rf"[{_PLATES}][A-HJ-NP-Z][·• ]?(?=[A-HJ-NP-Z0-9]*\d)[A-HJ-NP-Z0-9]{{5,6}}(?![A-Za-z0-9])"), _always),
    *addresses.PLATES,
    ("[name]", re.compile(
        r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Sr|Sra|Mme)\.? ((?:[A-ZÀ-Þ][\w'’-]+)(?: [A-ZÀ-Þ][\w'’-]+){0,2})"),
     _always),
    ("[name]", re.compile(r"\b[Mm]y name is ((?:[A-ZÀ-Þ][\w'’-]+)(?: [A-ZÀ-Þ][\w'’-]+){0,2})"), _always),
    ("[name]", re.compile(
        rf"([{_SURNAMES}](?:(?![{_NO_GIVEN}])[一-鿿]){{0,2}})(?:先生|女士|小姐(?!姐))"), _always),
    ("[name]", re.compile(rf"(?<![一-鿿])([{_SURNAMES}])(?:经理|店长|主任|老师|师傅|医生|护士|主管)"), _always),
    ("[name]", re.compile(rf"姓名(?:是|为)?[:： ]{{0,2}}([{_SURNAMES}][一-鿿]{{1,2}})(?![一-鿿])"), _always),
    *context.NAMES,
]  # fmt: skip
PLACEHOLDERS: Final = tuple(dict.fromkeys(label for label, _, _ in _PATTERNS))
_GATES = {id(one[1]): gate for gate, group in context.GROUPS for one in group}
# what a text must hold for any pattern to match: keeps most texts out of Python
_SUSPECT = (
    r"[0-9０-９]{2}|[@＠]|://|www\.|先生|女士|小姐|经理|店长|主任|老师|师傅|医生|护士|主管|姓名"
    r"|\b(Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Sr|Sra|Mme)\b|" + context.SUSPECT + "|" + addresses.SUSPECT
)


def mask(text: str) -> str:
    """Return the text with personal data replaced by placeholders (see the module's table)."""
    view = text.translate(_WIDE)  # same length: spans of the view are spans of the text
    spans: list[tuple[int, int, str]] = []
    last, shut = None, False
    for label, pattern, check in _PATTERNS:
        gate = _GATES.get(id(pattern))
        if gate is not last:
            last, shut = gate, gate is not None and not gate(view)
        if shut:
            continue
        for match in list(pattern.finditer(view)):
            group = match.lastindex if match.lastindex and label != "[phone]" else 0
            if label == "[phone]" and match.lastindex and len(match.group(1) or "") > 1:
                group = 1
            start, end = match.span(group or 0)
            if _HOLE not in view[start:end] and check(view[start:end]):
                spans.append((start, end, label))
                view = view[:start] + _HOLE * (end - start) + view[end:]
    out, at = [], 0
    for start, end, label in sorted(spans):
        out += [text[at:start], label]
        at = end
    return "".join([*out, text[at:]])


def masked(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the texts that hold personal data with their masked form."""
    for text in texts:
        clean = mask(text)
        if clean != text:
            yield text, clean


def table(con: duckdb.DuckDBPyConnection, rows: str, column: str, condition: str) -> str:
    """Write the distinct texts of a column that need masking to a table of its own (text, masked); return its name."""
    name, text = identifier(f"{rows}_masked_{column}"), f"m.{identifier(column)}"
    suspects = con.execute(
        f"SELECT DISTINCT {text} FROM {rows} m WHERE ({condition}) AND regexp_matches({text}, ?)", [_SUSPECT]
    ).fetchall()
    pairs = list(masked(t for (t,) in suspects))
    con.register(
        "_masked",
        pa.table({n: pa.array([p[i] for p in pairs], pa.string()) for i, n in enumerate(("text", "masked"))}),
    )
    con.execute(f"CREATE TABLE {name} AS SELECT * FROM _masked")
    con.unregister("_masked")
    return name
