"""Addresses and number plates in free text: what masking looks for beyond single numbers.

Both are easily taken for something else (product codes, "a 2 way street", 地铁2号线), so each pattern wants more than a
number: a street's word and a name, a road with 号 behind its number, a word for the plate or a car close before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Pattern = tuple[str, re.Pattern[str], Callable[[str], bool]]

# Chinese: areas, then a road with its number or an estate with its house; small words before it belong to the sentence
_SIGN = "(?:(?![在到至是于给往住寄送址的了我请从去])[一-鿿])"
_AREA = rf"(?:{_SIGN}{{2,7}}?(?:省|自治区|市|自治州|区|县|镇|乡|街道)){{0,5}}"
_UNIT = r"\s?[A-Za-z\d一二三四五六七八九十]{1,4}\s?(?:期|栋|幢|座|单元|号楼|号|层|楼|室)"
_HOUSE = rf"(?:{_UNIT}){{1,6}}(?:\s?\d{{3,4}}室?)?"
_ROAD = rf"{_SIGN}{{1,8}}(?:(?<![一半走赶问上下顺迷让网马铁])路|(?<![逛一])街|大道|巷|胡同)(?:\d{{1,4}}弄)?"
_COUNTER = "线|口|门|店|柜|机|厅|馆|台|桌|窗|文"  # what a number with 号 counts when it is no house

_STREET = (
    r"Street|St\.?|Road|Rd\.?|Avenue|Ave\.?|Lane|Ln\.?|Drive|Boulevard|Blvd\.?|Court|Ct\.?|Square|Sq\.?|Terrace|Close|"
    r"Crescent|Parkway|Pkwy\.?|Highway|Hwy\.?|Gardens|Mews"
)
_NO_NAME = (
    r"(?:Star|Day|Hour|Minute|Year|Way|Lane|Speed|Door|Seat|Piece|Season|Pack|Ply|Inch|GB|TB|MB|Wheel|Month|Week|Point|Time)"
    r"s?\b"
)
_NAME = r"(?:[A-ZÀ-Þ][\w'’-]* |\d{1,3}(?:st|nd|rd|th) ){1,3}"
_FLAT = r"(?:,? (?:Apt\.?|Apartment|Unit|Suite|Flat|Floor|#) ?[A-Za-z\d-]{1,6})?"
_TOWN = (
    r"(?:, [A-ZÀ-Þ][a-zà-ÿ'’-]+(?: [A-ZÀ-Þ][a-zà-ÿ'’-]+)?)?"
    r"(?:,? [A-Z]{2} \d{5}(?:-\d{4})?|,? [A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})?"
)
_GERMAN = (
    r"(?:[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|weg|allee|gasse|platz)|"
    r"(?:[A-ZÄÖÜ][a-zäöüß]+er|Am|An der|Auf dem|Im) (?:[A-ZÄÖÜ][a-zäöüß]*)?"
    r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Ww]eg|[Aa]llee|[Pp]latz))"
)
_IBERIAN = (
    r"(?i:rua|avenida|av\.|travessa|alameda|calle|c/|paseo|plaza) "
    r"(?:[A-ZÀ-Þ][\w.'’-]* |(?i:da|do|das|dos|de|del|la) ){0,4}[A-ZÀ-Þ][\w'’-]*,? (?:(?i:n[º°o]?\.?|número|num\.?) ?)?"
)
# United Kingdom; France and Italy; Germany; Spain
_PLATE = r"[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]{2}-\d{3}-[A-Z]{2}|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}|\d{4} [B-DF-HJ-NPR-TV-Z]{3}"
_SAID = (
    r"(?i:(?<!\w)(?:licen[cs]e plate|number plate|plate|registration|reg\.?|kennzeichen|immatriculation|targa|"
    r"matr[íi]cula|placa)(?: (?:number|no\.?|n[º°]))?(?: is| was|:)? ?|(?:车牌号?|车牌号码)[是为:：]?\s?)"
)
_CAR = r"(?i:(?<!\w)(?:car|van|taxi|cab|vehicle|truck|lorry|auto|voiture|coche|carro)(?: [\w']+){0,3}[ :,(]{1,2})"


def _always(text: str) -> bool:
    return True


def _mixed(text: str) -> bool:
    """A plate has letters and digits: what follows the word may be any word or any number."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


# as in `cxlab.connect.pii.mask`: placeholder, pattern (its group 1 is masked, or the whole), check
ADDRESSES: Final[list[Pattern]] = [
    (
        "[address]",
        re.compile(rf"{_AREA}{_ROAD}\s?\d{{1,5}}(?:-\d{{1,4}})?\s?号(?!{_COUNTER})(?:院|楼)?(?:{_HOUSE})?"),
        _always,
    ),
    (
        "[address]",
        re.compile(rf"{_AREA}{_SIGN}{{2,10}}(?:小区|花园|家园|公寓|大厦|新村|公馆|宿舍|苑){_HOUSE}(?!{_COUNTER})"),
        _always,
    ),
    (
        "[address]",
        re.compile(
            rf"(?<![\w.,/-])\d{{1,5}}[A-Za-z]?,? (?:[NSEW]\.? )?(?!{_NO_NAME}){_NAME}(?:{_STREET})(?![\w-])"
            rf"{_FLAT}{_TOWN}"
        ),
        _always,
    ),
    (
        "[address]",
        re.compile(
            rf"(?i)(?:\b(?:live|lives|living) (?:at|on)|\baddress(?: is|:)?|\bdeliver(?:ed|y)? (?:it )?to) "
            rf"(\d{{1,5}}[a-z]?,? (?:[a-z'’-]+ ){{1,3}}(?:{_STREET})(?![\w-]){_FLAT})"
        ),
        _always,
    ),
    (
        "[address]",
        re.compile(rf"(?<![\w-]){_GERMAN} \d{{1,4}} ?(?:[a-z](?![a-z]))?(?!\w)(?:,? \d{{5}} [A-ZÄÖÜ][a-zäöüß]+)?"),
        _always,
    ),
    (
        "[address]",
        re.compile(
            r"(?i)(?<![\w-])\d{1,4},? (?:bis |ter )?(?:rue|boulevard|chemin|impasse|quai|allée)"
            r"(?: (?:de la|des|du|de|le|la))? (?:d['’]|l['’])?\w+(?:,? \d{5} \w+)?"
        ),
        _always,
    ),
    ("[address]", re.compile(rf"(?<!\w){_IBERIAN}\d{{1,5}}(?!\d)"), _always),
    ("[address]", re.compile(r"(?i)(?<!\w)p\.? ?o\.? box \d{1,7}(?!\d)"), _always),
]
PLATES: Final[list[Pattern]] = [
    ("[plate]", re.compile(rf"{_SAID}([A-ZÄÖÜ0-9]{{1,4}}(?:[ -]?[A-Z0-9]{{1,4}}){{1,2}})(?![\w-])"), _mixed),
    ("[plate]", re.compile(rf"{_CAR}({_PLATE})(?![\w-])"), _always),
]
# what a text must hold for any of them (RE2)
SUSPECT: Final = (
    r"[0-9０-９]\s?[号栋幢座单室层楼]|\b[0-9] [A-ZÀ-Þ]|[0-9],? (?i:rue|boulevard|chemin|impasse|quai|all|bis|ter) "
    r"|(?i:str\.|stra(ß|ss)e|weg|allee|gasse|platz|rua|calle|c/|avenida|av\.|travessa|alameda|paseo|plaza|box)"
    r" .{0,60}[0-9]|(?i:live|living|address|deliver).{0,30}[0-9]"
)
