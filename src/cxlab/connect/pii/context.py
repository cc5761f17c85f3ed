"""Personal data told by the words before them: what masking looks for behind "my number is", 我叫 or "Regards,".

A number of six digits may be anything, so each pattern wants the word that tells what it is, and none of the words that
tell otherwise (order, booking, room, ...). Bank accounts (IBAN) tell themselves by their check digits (ISO 7064).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cxlab.connect.pii.addresses import Pattern

_ELSE = re.findall(
    r"\w+",
    "order booking tracking reservation confirmation reference ref invoice room model serial item product article "
    "parcel account customer ticket case flight part batch lot membership member page version seat gate table receipt "
    "shipment policy contract transaction apartment code sku voucher coupon house winning train bus line rma",
)
_OTHER = "".join(rf"(?<!\b{w} )(?<!\b{w}-)" for w in _ELSE)  # no number of these
_FILL = (
    r"(?: ?(?:number|no\.?|nr\.?|num[ée]ro|nummer|code|is|was|ist|lautet|es|est"
    r"|é|:|：|#|=|-|号码?|号|是|为)){0,3}[ .]{0,2}"
)
_DIGITS = r"((?:\+ ?|00)?\(?(?!400|800)\d\)?(?:[ ./()-]{0,2}\d){5,13})(?![0-9])"
_NATIONAL = r"(\(?0\d{1,5}\)?[ /-]{0,2}\d(?:[ /-]?\d){4,9})(?![0-9])"
_DEVICE = (
    r"(?:(?<![\w-])(?:(?:mobile|cell|home|work|office|daytime|contact)[ -]?)?"
    r"(?:phone|telephone|mobile|cell|whatsapp|fax|handy"
    r"|telefon|mobil|tel|ph|tél|téléphone|portable|teléfono|móvil|telefone|celular"
    r"|viber)(?:nummer)?\.?(?: number| no\.?| nr\.?)?"
    r"(?: is| was| ist| est| es| é| ?:| ?=)"
    rf"|(?<![\w-])(?:my|our|his|her|best|contact|direct|home|work|daytime) (?:"
    rf"(?!(?:{'|'.join(_ELSE)})\b)\w+ )?number(?: is| was| ?:)?"
    r"|(?<![\w-])(?:meine|unsere) (?:telefon|handy|mobil|rückruf|festnetz)?nummer"
    r"(?: ist| lautet| ?:)?"
    r"|(?<![\w-])(?:call|ring|text|phone|reach|contact|dial|whatsapp|message"
    r"|sms) (?:(?:me|us|him|her|back) ){1,2}(?:back )?(?:on|at|under|via)"
    r"|(?<![\w-])(?:erreichbar|erreichen sie mich|rückruf|anruf) (?:unter|auf|an)"
    r"|(?:电话|手机|座机|联系方式|我的号码|我号码)号?码?(?:是|为|[:： ]){1,2}|(?:拨打|致电|回电|打给我|联系我)[:： ]?)"
)
_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|märz|mai|juni"
    r"|juli|okt|dez|janv|févr|enero|abril)[a-zé]{0,7}\.?"
)
_DAY = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19\d\d|20[01]\d|\d\d(?!\d))|(?:19\d\d|20[01]\d)[-/.年]\d{1,2}[-/.月]\d{1,2}日?"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH},?(?: de)? (?:19\d\d"
    rf"|20[01]\d)|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19\d\d|20[01]\d))"
)

# length of an IBAN by country (SWIFT registry), check digits and country included
_IBANS = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG DE GB GE IE ME RS",
    23: "AE GI IL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC SM",
    28: "AL AZ CY DO HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
}
_IBAN = "|".join(rf"(?:{c.replace(' ', '|')})\d\d(?:[ -]?[A-Z\d]){{{n - 4}}}" for n, c in _IBANS.items())

_AT = r"(?: ?[(\[] ?at ?[)\]] ?| at | ?@ ?| ?艾特 ?)"
_DOT = r"(?: ?[(\[] ?dot ?[)\]] ?| dot | ?\. ?| ?点 ?)"
_TOP = r"(?:com|net|org|de|co|uk|fr|es|it|nl|at|ch|eu|cn|info|io|br|pt|edu|gov|me|us|ca|au)"
_LOCAL = r"[A-Za-z0-9][\w+-]*(?:(?:\.| dot )[\w+-]+){0,3}"
_HOST = (
    r"(?:gmail|googlemail|outlook|hotmail|yahoo|icloud|gmx|web|qq|163|126|sina"
    r"|foxmail|proton(?:mail)?|aol|live|msn|ymail|"
    r"t-online|freenet|orange|mail|me)"
)
_NO_LOCAL = (
    r"(?!(?:look|looked|bought|buy|order|ordered|orders|find|found|available"
    r"|shop|shopped|store|sold|sells|sell|price|prices|cheaper|"
    r"it|them|this|that|here|work|works|us|me|one|site|website|check|seen|saw"
    r"|see|app|page|online|reviews?|account|support|team|"
    r"service|people|staff|everyone|anyone|mad|angry|back|day|time|not|only|and"
    r"|or|is|was|are|were|also|just) at )"
)

_N = r"[A-ZÀ-Þ][a-zà-ÿ'’][\w'’-]*|[A-ZÀ-Þ]{2,}(?![a-z])|[A-ZÀ-Þ]\.?(?= [A-ZÀ-Þ])"
_PERSON = (
    rf"((?:{_N})(?: (?:(?:van|von|de|der|den|la|da|dos|di|zu|al|bin) ){{0,2}}"
    rf"(?:{_N})){{0,2}})"
)
_NOT_NAMED = r"(?!(?:NOT|ON|IN|WRONG|SPELLED|MISSPELLED|AND|BUT|STILL|NEVER|Not|Still|Never)\b)"
_END = r"(?=[ \t]*(?:[.!,;(\[\r\n]|$))"
_SIGN_OFF = (
    r"(?i:(?:(?:kind|best|warm|warmest|with kind|with best|many) )?regards|(?:yours )?"
    r"(?:sincerely|faithfully|truly)(?: yours)?|best wishes"
    r"|mit (?:freundlichen|besten|herzlichen|lieben) gr(?:ü|ue)(?:ß|ss)en|(?:viele"
    r"|liebe|beste|herzliche|freundliche) gr(?:ü|ue)(?:ß|ss)e|mfg"
    r"|hochachtungsvoll|cordialement|bien à vous|un saludo|saludos(?: cordiales)?"
    r"|atentamente|atenciosamente|cordiali saluti)"
)
_HAN_NAMES = (
    "(?:欧阳|司马|上官|诸葛|司徒|皇甫|令狐|慕容|尉迟|公孙|夏侯|[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余杜叶"
    "程魏苏吕丁沈姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱侯邹熊孟秦江阎薛尹段雷黎史陶贺毛郝顾龚邵万覃武钱严莫孔汤高方任康邢葛倪庞颜施牛温季俞鲁岳柳詹])"
)
_GIVEN = "(?:(?![的了是个位这那和与跟给让被把在有上下不很都也就先来去住今现从到过着吗吧呢啊])[一-鿿])"
_NO_PERSON = (
    "(?!顾客|颜值|黄金|白领|金卡|金牌|金融|江苏|江西|江南|江浙|石家|石油|武汉|武警|程序|周[一二三四五六日末]|夏天|夏季|马上|马来|郑州|徐州|许久|许多|谢谢|万分|万万|董事|"
    "陆续|史上|严重|严格|高级|高中|高管|高三|高一|高二|方便|方案|任何|任性|康复|温州|温柔|温和|毛病|毛重|余额|金色|金属|金额|雷同|雷人|何必|何苦|黄色|黄牛|"
    "牛奶|牛皮|牛人|林业|季节|钱多|钱包|施工|陶瓷|汤圆|石头|罗技|罗马|韩国|韩式|苏州|苏宁|苏南|广东|杜绝|宋代|唐山|唐代|田园|范围|钟爱|沈阳|葛优|马虎|任务|高度|高手|史无|莫名|孔雀)"
)


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def number(text: str) -> bool:
    """A number to call, no date."""
    return 6 <= _digits(text) <= 15 and not re.fullmatch(
        r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{4}", text
    )


def _national(text: str) -> bool:
    """A number with its area: nine digits and more, or seven where it is written with the area apart; no date."""
    return 8 <= _digits(text) <= 13 and number(text)


def _iban(text: str) -> bool:
    """Check digits of ISO 13616: the number with its head at the end, letters as 10 to 35, leaves 1 modulo 97."""
    plain = re.sub(r"[ -]", "", text).upper()
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _paper(text: str) -> bool:
    """Numbers of papers have at least four digits and are no date."""
    return _digits(text) >= 4 and not re.fullmatch(r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d", text)


def _always(text: str) -> bool:
    return True


# as in `cxlab.connect.pii.mask`: placeholder, pattern (its group 1 is masked, or the whole), check
MAILS: Final[list[Pattern]] = [
    (
        "[email]",
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_.+-]){_LOCAL}(?: ?[(\[] ?at ?[)\]] ?| ?艾特 ?)[\w-]+(?:{_DOT}[\w-]+){{0,3}}?{_DOT}"
            rf"{_TOP}(?![\w-])"
        ),
        _always,
    ),
    (
        "[email]",
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_.+-]){_NO_LOCAL}{_LOCAL}{_AT}(?:[\w-]+(?: dot |[(\[]dot[)\]]"
            rf"|点)){{1,3}}{_TOP}(?![\w-])"
        ),
        _always,
    ),
    (
        "[email]",
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_.+-]){_NO_LOCAL}{_LOCAL}{_AT}{_HOST}{_DOT}{_TOP}(?:\.{_TOP})?"
            rf"(?![\w-])"
        ),
        _always,
    ),
    (
        "[email]",
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_.+-])(?=[\w+-]*[._\d])(?!\d+(?:\.\d+)? ){_LOCAL} at [\w-]+"
            rf"(?:\.[\w-]+){{0,2}}\.{_TOP}(?![\w-])"
        ),
        _always,
    ),
    (
        "[email]",
        re.compile(
            rf"(?i)\be-?mail(?: address)?(?: me| is|:| ist){{0,2}}(?: (?:at|on))? ({_LOCAL} at [\w-]+"
            rf"(?:\.[\w-]+){{0,2}}\.{_TOP})(?![\w-])"
        ),
        _always,
    ),
]
NUMBERS: Final[list[Pattern]] = [
    ("[iban]", re.compile(rf"(?i)(?<![0-9A-Za-z])(?:{_IBAN})(?![0-9A-Za-z])"), _iban),
    (
        "[iban]",
        re.compile(
            r"(?:(?i:iban)(?i:(?: ?(?:number|no\.?|is|ist|:|是|为)){0,2}) ?)([A-Z]{2}\d\d"
            r"(?:[ -]?[A-Z\d]{4}){2,7}(?:[ -]?[A-Z\d]{1,3})?)(?!\w)"
        ),
        _always,
    ),
    (
        "[passport]",
        re.compile(
            rf"(?i)(?:passport|reisepass|pass nr\.?|passeport|pasaporte|护照){_FILL}([A-Z\d]{{6,12}})"
            rf"(?![0-9A-Za-z])"
        ),
        _paper,
    ),
    (
        "[id number]",
        re.compile(
            r"(?i)(?:(?<![\w-])(?:identity card|id card|national id|personal id|identity number"
            r"|driver['’]?s? licen[cs]e|driving licen[cs]e|"
            r"(?:personal)?ausweis|führerschein|social security|ssn|national insurance"
            r"|ni number|tax id|dni|nie|cpf|my id(?= (?:is|number|no))|"
            rf"carte d['’]identité)|身份证|驾驶证|驾照|通行证|社保卡){_FILL}([A-Z]{{0,2}}\d[A-Z\d]*"
            rf"(?:[ .-]?[A-Z\d]{{1,6}}){{0,4}})(?![0-9A-Za-z])"
        ),
        _paper,
    ),
    (
        "[date of birth]",
        re.compile(
            rf"(?i)(?:(?<![\w-])(?:born|date of birth|birth ?date|birthday|dob|d\.o\.b\.?"
            rf"|geboren|geb\.|geburtsdatum|geburtstag|née? le|nacid[oa]|nascid[oa]|"
            rf"fecha de nacimiento)|出生(?:日期)?|生日|生于)(?: ?(?:is|was|on|the|am|ist|el|em"
            rf"|le|:|：|是|为|于)){{0,3}} ?({_DAY})"
        ),
        _always,
    ),
    (
        "[date of birth]",
        re.compile(r"(?i)((?:19\d\d|20[01]\d)[-/.年]\d{1,2}[-/.月]\d{1,2}日?)(?:出生|生人|生的)"),
        _always,
    ),
    (
        "[card]",
        re.compile(r"(?:银行卡号?|银行账[号户]|卡号)(?:是|为|[:： ]){0,2}(\d(?:[ -]?\d){11,18})(?!\d)"),
        _always,
    ),
    ("[account]", re.compile(r"(?i)(?<![0-9A-Za-z_])wxid_\w{4,30}"), _always),
    (
        "[account]",
        re.compile(
            r"(?i)(?:微信号|(?:微信|v信|薇信|(?<![a-z])(?:vx|wechat|weixin))(?: ?(?:id|号))?(?: ?[:：]"
            r"|是|为))[:：是为 ]{0,2}([a-z][\w-]{4,19})(?![\w-])"
        ),
        _always,
    ),
    (
        "[account]",
        re.compile(
            r"(?i)(?:微信|v信|薇信|(?<![a-z])(?:vx|wx|wechat|weixin))(?: ?(?:id|number|is"
            r"|name)){0,2} ?((?=[\w-]{0,19}[\d_])[a-z][\w-]{5,19})(?![\w-])"
        ),
        _always,
    ),
    (
        "[account]",
        re.compile(
            r"(?i)(?<![a-z])qq(?: ?(?:号码?|是|为|is|number|no\.?|id|:|：)){0,3} ?([1-9]\d{4,10})"
            r"(?![\d.]|[元块个年])"
        ),
        _always,
    ),
]
PHONES: Final[list[Pattern]] = [
    ("[phone]", re.compile(rf"(?i){_DEVICE} ?{_DIGITS}"), number),
    (
        "[phone]",
        re.compile(
            r"(?i)(?:(?<![\w-])(?:phone|telephone|mobile|cell|whatsapp|fax|handy|telefon"
            r"|mobil|tel|ph|tél|téléphone|portable|teléfono|móvil|telefone|"
            rf"celular|call|ring|dial|text|{_OTHER}(?:number|nummer|numéro|número))(?:nummer)?\.?"
            rf"(?: ?(?:us|me|him|her|back|at|on|is|no\.?|nr\.?|number|:|：|unter)){{0,3}}"
            rf"|电话|手机|座机|(?<![单房票运证货箱])号码|打)[是为:： ]{{0,2}}{_NATIONAL}"
        ),
        _national,
    ),
]
NAMES: Final[list[Pattern]] = [
    (
        "[name]",
        re.compile(
            rf"(?i:\b(?:my|the|his|her) (?:full |first |last )?name(?: is|['’]s|:)|\bmein name ist"
            rf"|\bich hei(?:ß|ss)e|\bje m['’]appelle|\bmon nom est"
            rf"|\bme llamo|\bmi nombre es|\bmeu nome é|\bme chamo|\bmi chiamo) {_NOT_NAMED}{_PERSON}"
        ),
        _always,
    ),
    (
        "[name]",
        re.compile(rf"(?<![\w-]){_SIGN_OFF}(?=[ \t]?[,.!:\-–—\r\n])[,.!:\-–—\s]{{1,12}}{_PERSON}{_END}"),
        _always,
    ),
    ("[name]", re.compile(rf"(?<![\w-]){_SIGN_OFF} {_PERSON}[ \t]*[.!]?\s*$"), _always),
    (
        "[name]",
        re.compile(
            rf"(?:我叫|本人叫|名字叫|名字是|我的名字是|敬礼[！!，,\s]+){_NO_PERSON}({_HAN_NAMES}{_GIVEN}{{1,2}})"
        ),
        _always,
    ),
    (
        "[name]",
        re.compile(
            rf"(?:我是|本人是?|署名[:：]?){_NO_PERSON}({_HAN_NAMES}{_GIVEN}{{1,2}})(?=[，,。.！!；;、\s）)]"
            rf"|$|住|电话|手机)"
        ),
        _always,
    ),
]
_NAMED = (
    r"name(?:: |['’]s | is )|mein name|ich hei|m['’]appelle|mon nom|me llamo"
    r"|mi nombre|meu nome|me chamo|mi chiamo|regards|sincerely|"
    r"faithfully|yours truly|best wishes|gr(?:ü|ue)(?:ß|ss)e|\bmfg\b|hochachtung"
    r"|cordialement|bien à vous|saludo|atentamente|"
    r"atenciosamente|cordiali|我叫|名字|我是|本人|敬礼|署名"
)
_MAILED = r"\bdot\b|[(\[] ?(?:at|dot) ?[)\]]| at [a-z0-9-]+ ?\.[a-z]|@ [a-z]|艾特|点(?:com|cn)"
_WRITTEN = r"wxid_|微信|薇信|v信|wechat|weixin|\bvx"
# what a text must hold for any of them to match, digits left aside (RE2 and Python)
SUSPECT: Final = f"(?i:{_NAMED}|{_MAILED}|{_WRITTEN})"
_OF_MAILS: Final = ("dot", " at ", "(at", "( at", "[at", "[ at", "@ ", "艾特", "点com", "点cn")
_OF_NUMBERS: Final = (
    *(
        "wx",
        "微信",
        "薇信",
        "v信",
        "wechat",
        "weixin",
        "vx",
        "qq",
        "iban",
        "pass",
        "护照",
        "证",
        "驾照",
        "社保",
        "生",
        "卡",
    ),
    *(
        "my id",
        "id card",
        "national",
        "personal id",
        "identi",
        "identité",
        "licence",
        "license",
        "ausweis",
        "führerschein",
    ),
    *("social", "ssn", "ni number", "tax id", "dni", "nie", "cpf", "birth", "born", "dob", "d.o.b", "geb", "né"),
    *("nacid", "nascid", "nacim"),
)
_OF_NAMES: Final = (
    *(
        "name",
        "ich hei",
        "m'appelle",
        "m’appelle",
        "mon nom",
        "me llamo",
        "mi nombre",
        "me chamo",
        "mi chiamo",
        "regards",
    ),
    *("sincerely", "faithfully", "truly", "best wishes", "grü", "grue", "mfg", "hochachtung", "cordial", "bien à"),
    *("saludo", "atentamente", "atenciosamente", "我叫", "名字", "我是", "本人", "敬礼", "署名"),
)
_BANK: Final = re.compile(r"(?i)(?<![0-9a-z])[a-z]{2}\d\d ?-?[a-z\d]")
_SIX: Final = re.compile(r"\d(?:[ ./()-]{0,2}\d){5}")


def _holds(words: tuple[str, ...], text: str) -> bool:
    """Whether any of the words is in a text: much faster than a pattern of all of them."""
    low = text.lower()
    return any(word in low for word in words)


# patterns that are tried on a text of which this is true
GROUPS: Final[list[tuple[Callable[[str], bool], list[Pattern]]]] = [
    (lambda text: _holds(_OF_MAILS, text), MAILS),
    (lambda text: _BANK.search(text) is not None or _holds(_OF_NUMBERS, text), NUMBERS),
    (lambda text: _SIX.search(text) is not None, PHONES),
    (lambda text: _holds(_OF_NAMES, text), NAMES),
]
