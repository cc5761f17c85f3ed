"""Texts -> clauses with their place in the text. Nothing is lost: a text is modelled or rejected with a reason.

A text is cut into sentences first, then a sentence into clauses where it speaks of several things: at a contrast (but,
although, 但是, 不过, ...), and at commas and conjunctions where both sides stand for themselves (in English: both have
a verb; in Chinese: both are long enough and the right one does not go on with the left one's thought). A piece without
words (an emoji, "!!!") stays with the piece before it. A piece that only offers contact ("call me on [phone]") is left
out (`only_contact`).

===============  ==================================================================================================
reason           a text that is not modelled
===============  ==================================================================================================
empty            no text at all, or spaces only
nothing          says that there is nothing to say ("none", "n/a", 无), or is what the platform puts there
no_words         emoji, signs and numbers only
agent            said by an employee (`speaker`), not by a customer; in a whole chat his turns are left out
contact          offers contact and says nothing else
flood            a repeat of a flood (`cxlab.voice.duplicates`), where those are left out
===============  ==================================================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from cxlab.voice.conversations import turns
from cxlab.voice.words import HAN, PLACEHOLDER, language_of, says_nothing, tokens

CLAUSE_COLUMNS: Final = ("comment_id", "clause", "start", "end", "text", "language", "of")
REASONS: Final = ("empty", "nothing", "no_words", "agent", "contact", "flood")
AGENT: Final = "agent"

_UNIT = re.compile(rf"[{HAN}\u3040-\u30ff\uac00-\ud7af\u0e00-\u0eff]|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLOSE = r"[\s\"'”’)）】」』]*"
_TWO_SIGNS = re.compile(f"[{HAN}]{{2}}")
_SENTENCE = re.compile(
    rf"[。！？!?；;…।॥۔؟\n\r]+{_CLOSE}|\.+{_CLOSE}(?=\s|$|[{HAN}])|(?<=[a-z]{{2}})\.(?=[A-Z][a-z])|(?<=\s)[-–—•*](?=\s)"
)
_ABBREVIATION = re.compile(
    r"(?i)(?:\b(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|approx|inc|ltd|co|jr|sr|fig|nr|z\.b|a\.m|p\.m)|(?<!['’\w])\w)\.$"
)
_EMOJI = r"[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]"
_WEAK_ZH = re.compile(rf"[，,、：:~～]+\s*|(?<=[{HAN}])\s+(?=[{HAN}])|{_EMOJI}+\s*")
_WEAK = re.compile(rf"[,:]\s+(?:and\s+|then\s+)?|\s+(?:and|plus)\s+|\s+[-–—]+\s+|{_EMOJI}+\s*")
_STRONG_ZH = re.compile(
    "但是|但(?!愿)|不过(?!如此)|然而|可是(?!一)|只不过|只是(?=[^，。]{3})|就是(?=[有太价量送服质味没不]|[^，。]{0,6}(?:差|贵|慢|少|小|难))|"
    "而且|另外|此外|还有就是|反而|唯一"
)
_STRONG: Final = {
    "en": re.compile(
        r"(?i)\b(?:but(?! also\b| also,)|however|although|though(?=\s+[a-z])|whereas|except(?= (?:that|the|for)\b)|"
        r"while(?= (?:the|my|their|it|i|we|they|our)\b)|yet(?= (?:the|my|it|i|we|they)\b))\b"
    ),
    "pt": re.compile(r"(?i)\b(?:mas|porém|só que|contudo|entretanto|embora)\b"),
    "es": re.compile(r"(?i)\b(?:pero|aunque|sin embargo)\b"),
    "de": re.compile(r"(?i)\b(?:aber|jedoch|obwohl|allerdings)\b"),
    "fr": re.compile(r"(?i)\b(?:mais|cependant|par contre|bien que)\b"),
}  # fmt: skip
_NO_CONTRAST = re.compile(r"(?i)\b(?:nothing|anything|everything|all|none|no one|nobody|last|not only)\b[^.]*$")
_VERB = re.compile(
    r"(?i)\b(?:is|are|was|were|am|be|been|has|have|had|do|does|did|can|could|will|would|should|may|might|must|came|come|"
    r"comes|got|get|gets|took|takes|take|went|goes|go|made|makes|feel|feels|felt|look|looks|fit|fits|work|works|seem|seems|"
    r"love|loves|like|likes|hate|want|wants|need|needs|keep|kept|gave|give|said|says|told|ran|runs|broke|fell|left|paid|"
    r"bought|sent|found|think|thought|know|knew|wish|recommend|tastes?|smells?|costs?|it's|i'm|they're|isn't|wasn't|"
    r"don't|didn't|doesn't|won't|can't|couldn't|[a-z]{3,}ed|[a-z]+n['’]t|[a-z]+['’](?:s|re|ve|ll|d|m))\b"
)
_GOES_ON_ZH = re.compile("^(?:所以|因此|才|就(?!是)|也(?!有)|都|那|然后|便|于是|以至|以免|导致|让人|使得|的|了)")
_OPENS_ZH = re.compile(r"^(?:如果|要是|因为|由于|既然|当|为了|除了|虽然|尽管|除非|一旦|每次|建议)[^，,]*[，,]?\s*$")

_CONTACT: Final = frozenset(
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
_REFUSED: Final = re.compile(
    r"(?i)\b(?:no one|nobody|never|not|nor|without|didn['’]t|don['’]t|won['’]t|can['’]t|couldn['’]t)\b|没|不|无"
)
_CONTACT_ZH: Final = re.compile(
    "请|尽快|麻烦|可以|可|能|能否|希望|您|你|你们|我们|我|本人|的|是|为|在|到|给|用|打|拨打|拨|致电|来电|回电|回复|回|联系|联络|方式|联系人|电话|手机|座机|号码|号|"
    "发邮件|发|邮件|邮箱|电邮|微信|加|叫|姓名|名字|客服|随时|晚上|白天|上午|下午|中午|早上|工作日|周末|有空|方便|时|的话|如有|如果|有|需要|问题|疑问|谢谢|多谢|或者|或|和|及|"
    "地址|住|先生|女士|小姐|身份证|护照|哦|吧|啊|呢|一下|尽早|马上|点|之后|以后|后|前"
)
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_RUNS: Final = re.compile(rf"[{HAN}]+")
# a request with its placeholder, where it stands in a sentence beside other things
_REQUEST: Final = re.compile(
    r"(?i)(?:\b(?:please |kindly |so |pls )?(?:you (?:can|may|could) )?(?:call"
    r"|ring|phone|text|mail|email|e-mail|contact|message|reach|"
    r"whatsapp|write to) (?:me |us )(?:back )?(?:on|at|under|via|by)?:? ?|\b(?:my"
    r"|our) (?:[\w-]+ ){1,3}(?:is|:) ?|\bbitte rufen sie mich unter |"
    rf"(?:请|可以|麻烦|我的)[{HAN}]{{0,8}}[:：]? ?){PLACEHOLDER.pattern}(?: an\b)?"
)


@dataclass(frozen=True)
class Texts:
    """Clauses of the texts that can be modelled, and the texts that cannot.

    Attributes
    ----------
    clauses : DataFrame
        `CLAUSE_COLUMNS`: ``comment_id``; ``clause`` number within the text, from 0; ``start``, ``end`` such that
        ``text`` is the comment's ``text[start:end]``; ``language`` of its words: ``en``, ``zh``, another ISO code that
        is frequent enough, else ``other``; ``of`` row number of the first clause with the same text and language (its
        own if it is the first). Rows in the order of the comments.
    rejected : DataFrame
        ``[comment_id, reason]``, see the module's table.
    comments : int
        Comments that came in: those in `clauses` and those in `rejected`.
    """

    clauses: pd.DataFrame
    rejected: pd.DataFrame
    comments: int

    @property
    def modelled(self) -> int:
        """Comments with at least one clause."""
        return self.comments - len(self.rejected)

    def languages(self) -> list[str]:
        """Languages of the clauses, the most frequent first."""
        return [str(v) for v in self.clauses["language"].value_counts().index]

    def words(self) -> list[list[str]]:
        """Return the words of each distinct clause, in the order of `of` (see `clauses`)."""
        distinct = self.clauses.loc[np.unique(self.clauses["of"].to_numpy(int))]
        out: list[list[str]] = [[] for _ in range(len(distinct))]
        for code in self.languages():
            at = np.flatnonzero((distinct["language"] == code).to_numpy())
            for i, said in zip(at, tokens(distinct["text"].iloc[at], code), strict=True):
                out[i] = said
        return out


def split(
    comments: pd.DataFrame,
    *,
    unit: Literal["clause", "sentence", "comment"] = "clause",
    leave_out: Collection[str] = (),
    least: int = 50,
) -> Texts:
    """Cut comments into clauses.

    Parameters
    ----------
    comments : DataFrame
        ``comment_id``, ``text`` (may be null); optional ``language`` (ISO 639-1, null = guessed) and ``speaker``
        (``agent`` is rejected, all else is a customer).
    unit : {"clause", "sentence", "comment"}
        How fine: clauses, whole sentences, or whole comments.
    leave_out : collection of str
        Ids of comments to reject as ``flood``.
    least : int
        A language other than English and Chinese with fewer comments than this is ``other``.

    Raises
    ------
    ValueError
        If a column is missing or a comment_id stands twice.
    """
    missing = [c for c in ("comment_id", "text") if c not in comments]
    if missing:
        raise ValueError(f"comments have no column {' and no '.join(missing)}; they have {', '.join(comments.columns)}")
    ids = comments["comment_id"].astype(str)
    if ids.duplicated().any():
        raise ValueError(f"comment_id must be unique; {ids[ids.duplicated()].iloc[0]!r} stands more than once")
    texts = ["" if pd.isna(t) else str(t) for t in comments["text"]]
    spoken = _column(comments, "speaker")
    given = _column(comments, "language")
    left_out = set(leave_out)
    cuts: dict[tuple[str, str], list[tuple[int, int]]] = {}
    silent: dict[tuple[str, str], str] = {}  # why none of its pieces are left, where none are
    rows: list[tuple[str, int, int, int, str, str]] = []
    rejected: list[tuple[str, str]] = []
    guessed = _guess({t for t, told in zip(texts, given, strict=True) if not told and _UNIT.search(t)})
    for identity, text, speaker, told in zip(ids, texts, spoken, given, strict=True):
        if not text or text.isspace():
            rejected.append((identity, "empty"))
        elif speaker == AGENT:
            rejected.append((identity, "agent"))
        elif identity in left_out:
            rejected.append((identity, "flood"))
        elif says_nothing(text):
            rejected.append((identity, "nothing"))
        elif not _UNIT.search(text):
            rejected.append((identity, "no_words"))
        else:
            language = told.lower()[:2] or guessed[text]
            key = (text, language)
            if key not in cuts:
                mine = _of_customer(text, language, unit)
                cuts[key] = without_contact(text, mine)
                silent[key] = "contact" if mine else "agent"
            if not cuts[key]:
                rejected.append((identity, silent[key]))
            rows += [(identity, k, a, b, text[a:b], language) for k, (a, b) in enumerate(cuts[key])]
    frame = pd.DataFrame(rows, columns=list(CLAUSE_COLUMNS[:6]))
    frame = frame.astype({"clause": "int64", "start": "int64", "end": "int64"})
    frame["language"] = _families(frame, least)
    first = frame.groupby(["text", "language"], sort=False).ngroup().to_numpy()
    at = np.unique(first, return_index=True)[1] if len(first) else np.zeros(0, int)
    frame["of"] = at[first] if len(first) else np.zeros(0, int)
    return Texts(frame, pd.DataFrame(rejected, columns=["comment_id", "reason"]), len(comments))


def _of_customer(text: str, language: str, unit: Literal["clause", "sentence", "comment"]) -> list[tuple[int, int]]:
    """Return the pieces of a text, of the customer's turns only where it is a whole chat."""
    said = turns(text)
    if not said:
        return pieces(text, language, unit)
    mine = [(start, end) for who, start, end in said if who != AGENT]
    return [(s + a, s + b) for s, e in mine for a, b in pieces(text[s:e], language, unit)]


def _guess(texts: Collection[str]) -> dict[str, str]:
    """Return the language of each text; one that gives no hint is taken to be in the language of most others."""
    guessed = {t: language_of(t) for t in texts}
    counts = Counter(code for code in guessed.values() if code not in ("", "zh", "ja", "ko"))
    usual = max(counts, key=lambda code: (counts[code], code)) if counts else "en"
    return {t: code or usual for t, code in guessed.items()}


def _column(comments: pd.DataFrame, name: str) -> list[str]:
    if name not in comments:
        return [""] * len(comments)
    return ["" if pd.isna(v) else str(v) for v in comments[name]]


def _families(frame: pd.DataFrame, least: int) -> list[str]:
    """Return the language the words of each clause are of: by script first, then as the comment's."""
    han = rf"[{HAN}]"
    out = []
    for text, language in zip(frame["text"], frame["language"], strict=True):
        signs = 0 if text.isascii() else len(re.findall(han, text))
        if language in ("ja", "ko"):
            out.append(language)
        elif signs * 3 >= len(text) or (signs and language == "zh"):
            out.append("zh")
        elif language == "zh":  # Latin letters in a Chinese comment are names and codes, unless they read as English
            english = len(_UNIT.findall(text)) >= 3 + signs and language_of(text) == "en"
            out.append("en" if english else "zh")
        else:
            out.append(language)
    counts = pd.Series(out, dtype=object).groupby(out).count() if out else pd.Series(dtype=int)
    per = frame.assign(family=out).groupby("family")["comment_id"].nunique() if out else counts
    rare = {c for c, n in per.items() if c not in ("en", "zh") and n < least}
    return ["other" if c in rare else c for c in out]


def pieces(
    text: str, language: str, unit: Literal["clause", "sentence", "comment"] = "clause"
) -> list[tuple[int, int]]:
    """Return (start, end) of the pieces of a text, in order, none without words, spaces at their edges left out."""
    if unit == "comment":
        ends = [len(text)]
    else:
        ends = _sentences(text)
        if unit == "clause":
            ends = [e for a, b in zip([0, *ends[:-1]], ends, strict=True) for e in [*_inside(text, a, b, language), b]]
    out: list[tuple[int, int]] = []
    start = 0
    for end in ends:
        if _UNIT.search(text, start, end):
            out.append((start, end))
        elif out:
            out[-1] = (out[-1][0], end)
        else:
            continue  # signs before the first word belong to it
        start = end
    return [_trimmed(text, a, b) for a, b in out]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _sentences(text: str) -> list[int]:
    """Return where sentences end; abbreviations and initials end none."""
    ends = []
    for m in _SENTENCE.finditer(text):
        if (
            m.group()[0] == "."
            and _ABBREVIATION.search(text, max(0, m.start() - 8), m.start() + 1)
            and m.end() < len(text)
        ):
            continue
        ends.append(m.end())
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return ends


def _inside(text: str, start: int, end: int, language: str) -> list[int]:
    """Return where a sentence is cut into clauses."""
    chinese = not text.isascii() and bool(_TWO_SIGNS.search(text, start, end))
    marks: list[tuple[int, bool]] = []
    if chinese:
        marks += [(m.start(), True) for m in _STRONG_ZH.finditer(text, start, end)]
        marks += [(m.end(), False) for m in _WEAK_ZH.finditer(text, start, end)]
    else:
        strong = _STRONG.get(language, _STRONG["en"] if language == "other" else None)
        if strong:
            marks += [
                (m.start(), True)
                for m in strong.finditer(text, start, end)
                if not _NO_CONTRAST.search(text, start, m.start())
            ]
        if language == "en":
            marks += [
                (m.start() + 1 if text[m.start()] in ",:" else m.end() if text[m.start()] > "ÿ" else m.start(), False)
                for m in _WEAK.finditer(text, start, end)
            ]
    requests = _edges(text, start, end)
    marks += [(mark, True) for mark in requests]
    cuts: list[int] = []
    at = start
    for mark, strong_cut in sorted(set(marks)):
        if mark in requests:
            if mark not in cuts:
                cuts.append(mark)
            at = mark
            continue
        least = (2 if strong_cut else 4) if chinese else (2 if strong_cut else 3)
        left, right = text[at:mark], text[mark:end]
        if len(_UNIT.findall(left)) < least or len(_UNIT.findall(right)) < least:
            continue
        if not strong_cut and chinese and (_GOES_ON_ZH.match(right) or _OPENS_ZH.match(left)):
            continue
        if not strong_cut and not chinese and not (_VERB.search(left) and _VERB.search(_next(right))):
            continue
        cuts.append(mark)
        at = mark
    return cuts


def _next(text: str) -> str:
    """Return the words up to the next comma or conjunction: the clause that would begin here."""
    m = _WEAK.search(text, 6)
    return text[: m.start()] if m else text


def only_contact(text: str, *, after: bool = False) -> bool:
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
    if plain and not _of_contact(bare):  # most pieces end here, at their second word
        return False
    if not (after or bare != text or _ASKS.search(text)) or _REFUSED.search(bare):
        return False
    return plain or (not _CONTACT_ZH.sub("", "".join(_RUNS.findall(bare))) and _of_contact(_RUNS.sub(" ", bare)))


def _of_contact(text: str) -> bool:
    return all(m.group() in _CONTACT for m in _LETTERS.finditer(text.lower().replace("’", "'")))


def _edges(text: str, start: int, end: int) -> list[int]:
    """Return where requests with a placeholder begin and end in a sentence: a clause is cut there."""
    if "[" not in text:
        return []
    return [at for m in _REQUEST.finditer(text, start, end) for at in m.span() if start < at < end]


def without_contact(text: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pieces of a text that do not only offer contact."""
    said = [text[start:end] for start, end in places]
    offers: list[bool] = []
    for piece in said:
        offers.append(only_contact(piece, after=bool(offers and offers[-1])))
    for at in range(len(said) - 2, -1, -1):  # "If you need more information, call me on [phone]."
        offers[at] = offers[at] or (offers[at + 1] and only_contact(said[at], after=True))
    return [place for place, offer in zip(places, offers, strict=True) if not offer]
