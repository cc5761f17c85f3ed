"""Pieces of a text that only offer contact ("please call me on [phone]", 请联系我[phone]): they are no topic.

A piece only offers contact if each of its words is one of offering contact (`_WORDS`), and it holds a placeholder of
masked data or asks to be called or written to. One word more and it is kept: "I called [phone] and nobody answered".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cxlab.voice.text.words import HAN, PLACEHOLDER

_WORDS: Final = frozenset(
    re.findall(
        r"\S+",
        "please kindly pls plz call calls ring phone text mail email e-mail write contact reach whatsapp "
        "message dial sms fax drop send get in touch with back me us my our mine i we i'm im you your can could "
        "may might will would should be reached reachable on at to under via by through or and if the a is are "
        "number numbers mobile cell telephone tel address line name names for further more details information "
        "info here this it's its evenings evening mornings morning afternoons afternoon weekdays weekends only "
        "after before between pm am any time anytime day daytime asap soon possible as feel free available up "
        "need needed questions any thanks thank regards best kind sincerely yours truly work home office hours "
        "wechat id add qq someone somebody live living iban account passport born bitte rufen rufe sie mich uns "
        "an unter zurück meine mein nummer telefon telefonnummer handy handynummer ist lautet mail-adresse "
        "adresse per kontaktieren schreiben mir erreichbar erreichen bin ich oder und abends tagsüber grüße "
        "grüßen mit freundlichen viele liebe appelez contactez moi nous au sur mon ma numéro est téléphone "
        "portable adresse écrivez cordialement s'il vous plaît svp llame llamen contacte por favor mi número es "
        "teléfono móvil correo escriban al en el ligue ligar meu telefone celular para contato pode podem me no",
    )
)
_ASKS: Final = re.compile(
    r"(?i)\b(?:call|ring|phone|text|mail|email|e-mail|contact|message|reach|whatsapp"
    r"|write to|get in touch with|get back to) (?:me|us)\b"
    r"|\brufen sie (?:mich|uns)|\bkontaktieren sie (?:mich|uns)|\b(?:contactez|appelez)[ -](?:moi|nous)"
    r"|联系我|联络我|回电|致电|打给我|给我打|加我|发邮件给我|打我(?:电话|手机)|给我(?:来电|回复|电话)"
)
_NOT: Final = re.compile(
    r"(?i)\b(?:no one|nobody|never|not|nor|without|didn['’]t|don['’]t|won['’]t|can['’]t|couldn['’]t)\b|没|不|无"
)
_HAN_SAID: Final = re.compile(
    "请|尽快|麻烦|可以|可|能|能否|希望|您|你|你们|我们|我|本人|的|是|为|在|到|给|用|打|拨打|拨|致电|来电|回电|回复|回|联系|联络|方式|联系人|电话|手机|座机|号码|号|"
    "发邮件|发|邮件|邮箱|电邮|微信|加|叫|姓名|名字|客服|随时|晚上|白天|上午|下午|中午|早上|工作日|周末|有空|方便|时|的话|如有|如果|有|需要|问题|疑问|谢谢|多谢|或者|或|和|及|"
    "地址|住|先生|女士|小姐|身份证|护照|哦|吧|啊|呢|一下|尽早|马上|点|之后|以后|后|前"
)
_LATIN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SIGNS: Final = re.compile(rf"[{HAN}]+")
# a request with its placeholder, where it stands in a sentence beside other things
_WITHIN: Final = re.compile(
    r"(?i)(?:\b(?:please |kindly |so |pls )?(?:you (?:can|may|could) )?(?:call"
    r"|ring|phone|text|mail|email|e-mail|contact|message|reach|"
    r"whatsapp|write to) (?:me |us )(?:back )?(?:on|at|under|via|by)?:? ?|\b(?:my"
    r"|our) (?:[\w-]+ ){1,3}(?:is|:) ?|\bbitte rufen sie mich unter |"
    rf"(?:请|可以|麻烦|我的)[{HAN}]{{0,8}}[:：]? ?){PLACEHOLDER.pattern}(?: an\b)?"
)


def only(text: str, *, after: bool = False) -> bool:
    """Return whether a piece offers contact and says nothing else.

    Parameters
    ----------
    text : str
        A clause or sentence, personal data masked or not.
    after : bool
        Whether it stands beside such a piece: then the rest of one ("evenings only") is one, too.
    """
    bare = PLACEHOLDER.sub(" ", text) if "[" in text else text
    plain = bare.isascii()
    if plain and not _known(bare):  # most pieces end here, at their second word
        return False
    if not (after or bare != text or _ASKS.search(text)) or _NOT.search(bare):
        return False
    return plain or (not _HAN_SAID.sub("", "".join(_SIGNS.findall(bare))) and _known(_SIGNS.sub(" ", bare)))


def _known(text: str) -> bool:
    return all(m.group() in _WORDS for m in _LATIN.finditer(text.lower().replace("’", "'")))


def edges(text: str, start: int, end: int) -> list[int]:
    """Return where requests with a placeholder begin and end in a sentence: a clause is cut there."""
    if "[" not in text:
        return []
    return [at for m in _WITHIN.finditer(text, start, end) for at in m.span() if start < at < end]


def without(text: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pieces of a text that do not only offer contact."""
    said = [text[start:end] for start, end in places]
    offers: list[bool] = []
    for piece in said:
        offers.append(only(piece, after=bool(offers and offers[-1])))
    for at in range(len(said) - 2, -1, -1):  # "If you need more information, call me on [phone]."
        offers[at] = offers[at] or (offers[at + 1] and only(said[at], after=True))
    return [place for place, offer in zip(places, offers, strict=True) if not offer]
