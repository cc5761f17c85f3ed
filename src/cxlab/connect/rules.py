"""Cast rules: how text becomes a number, a day, a period, a code; and where a field's text comes from.

The rules are DuckDB macros, so a table is cast in one pass and a value that does not fit stays visible with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import duckdb

from cxlab.connect.sql import expression_columns, first, identifier, literal
from cxlab.connect.stage import Staged
from cxlab.errors import Problem, nearest
from cxlab.params.models import Field
from cxlab.vocab import Grain

_WIDE = "０１２３４５６７８９．，－＋＠"
_HALF = "0123456789.,-+@"
_CODES = (
    "USD|EUR|GBP|JPY|CNY|RMB|HKD|TWD|KRW|INR|AUD|CAD|NZD|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|RUB|TRY|BRL|MXN|ARS|CLP|COP|"
    "ZAR|SGD|THB|MYR|IDR|PHP|VND|AED|SAR|ILS|EGP|NGN|KES"
)
CURRENCY = f"[€$£¥￥₹₩₽₺]|\\b(?:{_CODES})\\b|(?:kr|zł|Kč|Fr|Rs)\\.?|[元円]"  # signs and codes beside an amount
_NO_NUMBER = ("null", "nan", "na", "n/a", "#n/a", "none", "-", "--", ".")  # how exports write "nothing"
_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz "
    "ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik "
    "io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml "
    "mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd "
    "se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi "
    "vo wa wo xh yi yo za zh zu "
)
_LANGUAGES = {  # names and longer codes that exports write
    "en": "eng english englisch anglais inglés ingles inglese 英语 英文",
    "zh": "zho chi cmn yue chinese mandarin chinesisch chinois 中文 汉语 简体中文 繁體中文 繁体中文 普通话",
    "de": "deu ger german deutsch allemand alemán 德语", "fr": "fra fre french français francais französisch 法语",
    "es": "spa spanish español espanol spanisch castellano 西班牙语", "it": "ita italian italiano italienisch 意大利语",
    "pt": "por portuguese português portugues portugiesisch 葡萄牙语", "nl": "nld dut dutch nederlands niederländisch",
    "ja": "jpn japanese japanisch 日本語 日语", "ko": "kor korean koreanisch 한국어 韩语",
    "ru": "rus russian russisch русский 俄语", "ar": "ara arabic arabisch العربية", "tr": "tur turkish türkçe türkisch",
    "pl": "pol polish polski polnisch", "th": "tha thai ไทย 泰语", "sv": "swe swedish svenska", "id": "ind indonesian",
    "vi": "vie vietnamese", "cs": "ces cze czech", "da": "dan danish dansk", "fi": "fin finnish suomi",
    "no": "nor norwegian norsk", "el": "ell gre greek", "hi": "hin hindi", "uk": "ukr ukrainian",
}  # fmt: skip
PERIODS: dict[Grain, tuple[str, str]] = {
    "year": ("[0-9]{4}", "strftime(d, '%Y')"),
    "half": ("[0-9]{4}H[12]", "strftime(d, '%Y') || 'H' || CASE WHEN month(d) > 6 THEN 2 ELSE 1 END"),
    "quarter": ("[0-9]{4}Q[1-4]", "strftime(d, '%Y') || 'Q' || quarter(d)"),
    "month": ("[0-9]{4}-(0[1-9]|1[0-2])", "strftime(d, '%Y-%m')"),
    "week": ("[0-9]{4}W(0[1-9]|[1-4][0-9]|5[0-3])", "strftime(d, '%GW%V')"),
    "day": ("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", "strftime(d, '%Y-%m-%d')"),
}


def install(con: duckdb.DuckDBPyConnection, grain: Grain) -> None:
    """Define the macros ``cx_*`` on a connection; `grain` fixes how a day becomes a period label."""
    nothing = ", ".join(literal(x) for x in _NO_NUMBER)
    for statement in (
        # most text is ASCII: the cheap test first
        "cx_ascii(x) AS strlen(x) = length(x)",
        f"cx_half(x) AS CASE WHEN cx_ascii(x) THEN x ELSE translate(x, {literal(_WIDE)}, {literal(_HALF)}) END",
        # "5.0" is how floats write the code 5
        r"""cx_tidy(x) AS CASE WHEN ends_with(cx_half(x), '.0') OR ends_with(cx_half(x), '.00')
            THEN regexp_replace(cx_half(x), '^([+-]?[0-9]+)\.0+$', '\1') ELSE cx_half(x) END""",
        r"""cx_fold(x) AS lower(CASE WHEN contains(x, ' ') OR NOT cx_ascii(x)
            THEN trim(regexp_replace(cx_tidy(x), '\s+', ' ', 'g')) ELSE cx_tidy(x) END)""",
        f"cx_nothing(x) AS x IS NULL OR lower(x) IN ({nothing})",
        "cx_finite(x) AS CASE WHEN isfinite(x) THEN x END",
        r"""cx_point(x) AS cx_finite(coalesce(try_cast(x AS DOUBLE),
            CASE WHEN regexp_full_match(x, '[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?')
            THEN try_cast(replace(x, ',', '') AS DOUBLE) END))""",
        r"""cx_comma(x) AS CASE WHEN regexp_full_match(x, '[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?')
            THEN try_cast(replace(replace(x, '.', ''), ',', '.') AS DOUBLE) END""",
        # 1 234,50 €, USD 12.50, (12.50), 12,50-, 1'234.50
        rf"""cx_bare(x) AS regexp_replace(x, '{CURRENCY}|[\s\x{{a0}}\x{{202f}}''’]', '', 'g')""",
        r"""cx_amount(x) AS CASE WHEN regexp_full_match(x, '[-+]?[0-9.,]+') THEN x
            ELSE regexp_replace(regexp_replace(cx_bare(x), '^\((.+)\)$', '-\1'), '^([^-+].*)-$', '-\1') END""",
        """cx_number(x, point) AS CASE WHEN point THEN cx_point(cx_amount(cx_half(x)))
            ELSE cx_comma(cx_amount(cx_half(x))) END""",
        # the local day as written: a zone never moves an answer to another day; year first is the only safe default
        r"""cx_iso(x) AS CASE
            WHEN regexp_full_match(x, '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?') THEN try_cast(left(x, 10) AS DATE)
            WHEN regexp_full_match(x, '[0-9]{8}') THEN try_strptime(x, '%Y%m%d')::DATE
            ELSE try_cast(regexp_replace(
                regexp_extract(x, '^([0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2})日?([T ].*)?$', 1),
                '[/.年月]', '-', 'g') AS DATE) END""",
        f"cx_language(x) AS {_language_of()}",
        "cx_sane(d) AS CASE WHEN year(d) BETWEEN 1900 AND 2199 THEN d END",
        "cx_day(x) AS cx_sane(cx_iso(cx_half(x)))",
        r"cx_plain_day(x) AS regexp_replace(cx_half(x), '([0-9])(st|nd|rd|th)\b', '\1', 'i')",
        "cx_day_as(x, forms) AS cx_sane(try_strptime(cx_plain_day(x), forms)::DATE)",
        f"cx_period(d) AS {PERIODS[grain][1]}",
        r"cx_label(x) AS regexp_replace(upper(cx_tidy(x)), '^([0-9]{4})[ -]?([QHW])', '\1\2')",
        f"cx_is_period(x) AS regexp_full_match(x, {literal(PERIODS[grain][0])})",
        """cx_true(x) AS CASE WHEN cx_fold(x) IN ('1', 'true', 't', 'yes', 'y', 'x', '是') THEN true
            WHEN cx_fold(x) IN ('0', 'false', 'f', 'no', 'n', '否') THEN false END""",
    ):
        con.execute(f"CREATE MACRO {statement}")


def _language_of() -> str:
    """Return SQL: the code of a language that a value names, as en, en-US, eng, English, __label__en; else NULL."""
    names = " ".join(
        f"WHEN f IN ({', '.join(map(literal, words.split()))}) THEN {literal(code)}"
        for code, words in _LANGUAGES.items()
    )
    codes = ", ".join(map(literal, _ISO_639_1.split()))
    # bound once: f is the folded value without region, script and label
    strip = r"regexp_replace(regexp_replace(cx_fold(x), '^__label__', ''), '^([a-z]{2,3})[-_][a-z0-9_-]{2,10}$', '\1')"
    return f"(SELECT CASE {names} WHEN f IN ({codes}) THEN f END FROM (SELECT {strip} AS f))"


def language(value: str) -> str | None:
    """Return the code of the language that a value names, None if it names none; as the macro ``cx_language`` does."""
    text = re.sub(r"^([a-z]{2,3})[-_][a-z0-9_-]{2,10}$", r"\1", fold(value).removeprefix("__label__"))
    named = next((code for code, words in _LANGUAGES.items() if text in words.split()), None)
    return named or (text if text in _ISO_639_1.split() else None)


def fold(value: Any) -> str:
    """Return a code or label of a params file as `cx_fold` writes the same value of a client file."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = text.translate(str.maketrans(_WIDE, _HALF)).strip(" \t\r\n\u00a0\u3000\ufeff\u200b")
    text = re.sub(r"^([+-]?[0-9]+)\.0+$", r"\1", text)
    return re.sub(r"\s+", " ", text).strip().lower()


@dataclass(frozen=True)
class Cell:
    """Where a field's text comes from.

    Attributes
    ----------
    sql : str
        Expression over the staged table that gives text; blank is NULL.
    label : str
        What rejects call the column.
    absent : frozenset of int
        Files that do not have the column.
    """

    sql: str
    label: str
    absent: frozenset[int] = frozenset()
    form: tuple[str, ...] = ()  # of dates; the first that fits
    factor: float | None = None


@dataclass
class Fields:
    """Turns the fields of one mapping into cells and collects what is wrong with them."""

    con: duckdb.DuckDBPyConnection
    staged: Staged
    key: str
    problems: list[Problem]
    notices: list[str]

    def cell(
        self, name: str, given: Field | None, *, optional: bool = False, words: bool = False, tidy: bool = True
    ) -> Cell | None:
        """Return the cell of a field, or None if it is not mapped or has a problem.

        Parameters
        ----------
        optional : bool
            Files without the column are fine as long as one has it (segments, items).
        words : bool
            A name that is no column is taken as a constant (``touchpoint: delivery``).
        tidy : bool
            Write whole numbers without a point, and full-width digits as ASCII ones.
        """
        if given is None:
            return None
        made = self._origin(name, given, optional=optional, words=words)
        if made is None:
            return None
        sql, label, absent = made
        if tidy and given.const is None:
            sql = f"cx_tidy({sql})" if sql.isidentifier() else f"(SELECT cx_tidy(v) FROM (SELECT {sql} AS v))"
        if given.missing or given.map:
            arms = [f"WHEN {literal(fold(k))} THEN NULL" for k in given.missing or ()]
            arms += [f"WHEN {literal(fold(k))} THEN {literal(v)}" for k, v in (given.map or {}).items()]
            # bound once by a subquery: macros and CASE repeat their operand, and nested ones would grow exponentially
            sql = (
                f"(SELECT CASE f {' '.join(arms)} ELSE v END FROM (SELECT v, cx_fold(v) AS f FROM (SELECT {sql} AS v)))"
            )
        if given.prefix:
            front = {"wave": self._per_file("wave"), "file": self._per_file("name")}.get(
                given.prefix, literal(self.staged.name)
            )
            sql = f"({front} || '-' || {sql})"
        return Cell(f"({sql})", label, frozenset(absent), tuple(given.format or ()), given.factor)

    def column(self, name: str, columns: list[str], *, optional: bool = True) -> Cell | None:
        """Return the cell of a column or its alternatives, untouched."""
        made = self._column(name, columns, optional=optional, words=False)
        return None if made is None else Cell(made[0], made[1], frozenset(made[2]))

    def _origin(self, name: str, given: Field, *, optional: bool, words: bool) -> tuple[str, str, set[int]] | None:
        if given.const is not None:
            return literal(fold(given.const) if isinstance(given.const, bool) else given.const), "", set()
        if given.from_ is not None:
            return self._per_file("wave" if given.from_ == "wave" else "name"), given.from_, set()
        if given.expr is not None:
            sql = self.expression(name, given.expr)
            return None if sql is None else (f"({sql})::VARCHAR", given.expr, set())
        if given.parts is not None:
            parts = [self._column(name, [p], optional=False, words=False) for p in given.parts]
            if any(p is None for p in parts):
                return None
            return "(" + " || '-' || ".join(f"cx_tidy({p[0]})" for p in parts if p) + ")", ", ".join(given.parts), set()
        assert given.column is not None
        lenient = optional or given.if_absent in ("null", "unweighted")
        if given.if_absent == "error":
            lenient = False
        return self._column(name, given.column, optional=lenient, words=words and given.if_absent is None)

    def _column(
        self, name: str, columns: list[str], *, optional: bool, words: bool
    ) -> tuple[str, str, set[int]] | None:
        """Choose, file by file, the one column of the alternatives that exists."""
        staged, key = self.staged, f"{self.key}.{name}"
        chosen: dict[str, list[int]] = {}
        absent: set[int] = set()
        for index, names in enumerate(staged.present):
            here = [c for c in columns if c in names]
            if len(here) > 1:
                self.problems.append(
                    Problem(
                        "two of the alternative columns exist",
                        file=staged.files[index].name,
                        where=key,
                        value=" and ".join(here),
                        todo="keep the one that is meant",
                    )
                )
                return None
            if here:
                chosen.setdefault(here[0], []).append(index)
            else:
                absent.add(index)
        if not chosen and words and len(columns) == 1 and not nearest(columns[0], list(staged.names), cutoff=0.8):
            self.notices.append(f"{key}: no column {columns[0]!r} in {staged.name}: taken as the text itself")
            return literal(columns[0]), "", set()
        if not chosen or (absent and not optional):
            lacking = [staged.files[i].name for i in sorted(absent)][:5]
            self.problems.append(
                Problem(
                    "no such column",
                    file=", ".join(lacking),
                    where=key,
                    value=" or ".join(columns),
                    nearest=next((n for n in map(staged.nearest, columns) if n), ""),
                    allowed="" if chosen else ", ".join(list(staged.names)[:12]),
                )
            )
            return None
        if len(chosen) == 1:
            return staged.columns[next(iter(chosen))], next(iter(chosen)), absent
        arms = " ".join(
            f"WHEN _f IN ({', '.join(map(str, files))}) THEN {staged.columns[c]}" for c, files in chosen.items()
        )
        return f"CASE {arms} END", " | ".join(chosen), absent

    def _per_file(self, what: str) -> str:
        arms = " ".join(f"WHEN {i} THEN {literal(getattr(f, what))}" for i, f in enumerate(self.staged.files))
        return f"CASE _f {arms} END" if arms else "NULL"

    def expression(self, name: str, text: str) -> str | None:
        """Return the SQL of a user's expression, its columns typed as number, timestamp or text by what they hold."""
        staged, key = self.staged, f"{self.key}.{name}"
        try:
            used = expression_columns(self.con, text)
        except ValueError as error:
            self.problems.append(Problem(f"is no allowed expression: {error}", where=key, value=text))
            return None
        absent = [c for c in used if c not in staged.columns]
        for c in absent:
            self.problems.append(
                Problem("no such column", where=key, value=c, nearest=staged.nearest(c), file=staged.name)
            )
        if absent:
            return None
        failure = ""
        point = "true" if staged.decimal == "." else "false"
        for types in (_kinds(self.con, staged, used, point), dict.fromkeys(used, "text")):
            columns = ", ".join(f"{_typed(staged.columns[c], types[c], point)} AS {identifier(c)}" for c in used)
            scope = f"(SELECT {columns or '1 AS one'})"
            sql = f"(SELECT TRY({text}\n) FROM {scope})"
            try:
                self.con.execute(f"EXPLAIN SELECT {sql} FROM {staged.table}")
                return sql
            except duckdb.Error as error:
                failure = failure or str(error).splitlines()[0]
        self.problems.append(Problem(f"the expression fails: {failure}", where=key, value=text))
        return None


def _kinds(con: duckdb.DuckDBPyConnection, staged: Staged, columns: list[str], point: str) -> dict[str, str]:
    """Return number, time or text for each column: what nine in ten of its values are."""
    out = {}
    for name in columns:
        c = staged.columns[name]
        casts = f"count({c}), count(cx_number({c}, {point})), count(try_cast({c} AS TIMESTAMP))"
        total, numbers, times = first(con, f"SELECT {casts} FROM {staged.table}")
        out[name] = (
            "number" if total and numbers >= 0.9 * total else "time" if total and times >= 0.9 * total else "text"
        )
    return out


def _typed(column: str, kind: str, point: str) -> str:
    return {"number": f"cx_number({column}, {point})", "time": f"try_cast({column} AS TIMESTAMP)"}.get(kind, column)
