"""Columns of client files -> a mapping in the grammar of params files, with the doubts spelled out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from cxlab.errors import ParamsError
from cxlab.params import periods
from cxlab.params.names import slug
from cxlab.scaffold import exports, money
from cxlab.scaffold.columns import ISO_FORMATS, Column, chinese, examine, looks, parse_date
from cxlab.scaffold.files import Group
from cxlab.scaffold.scales import NAMED, RARE
from cxlab.vocab import Grain

MAX_SEGMENTS = 6
_QUESTION = re.compile(r"^[*\s]*[qvf]\d+(?:[a-z]?\d*[_\-. :]+|(?=[a-z]{2}))", re.IGNORECASE)
_BIRTH = re.compile(r"birth|dob|生日|出生", re.IGNORECASE)
_ANSWERED = re.compile(r"respon|answer|submit|interview|complet|survey|review|答|评价", re.IGNORECASE)
_OVERALL = re.compile(r"overall|whole|general|total_?sat|(^|_)all$|总体|整体|csat$", re.IGNORECASE)
_EFFORT = re.compile(r"effort|(^|[_\W])ces($|[_\W\d])|ease|easy|费力|轻松", re.IGNORECASE)
_EXPECT = re.compile(r"expect|期望|预期", re.IGNORECASE)
_INTENT = re.compile(r"intent|repurchase|buy_?again|return_?visit|renew|复购|再次购买|续", re.IGNORECASE)
_ITEM = re.compile(r"^(item|question|attribute|measure|metric|题目|问题|指标)(_?(id|name|code))?$", re.IGNORECASE)
_VALUE = re.compile(r"^(value|score|rating|answer|得分|分数|评分|取值)$", re.IGNORECASE)
_SINCE = re.compile(r"since|join|creat|regist|signup|sign_up|opened|member|注册|加入|开户", re.IGNORECASE)
_UNSOLICITED = re.compile(r"review|social|forum|app_?store|评论|评价", re.IGNORECASE)
_REVIEW = re.compile(r"review|star[\W_]*rating|^stars?$|评论|点评|评价|星级|rezension|avis|reseña", re.IGNORECASE)
_CLUSTER = re.compile(
    r"flight|voyage|cruise|interviewer|enumerator|household|session|class_?id|航班|班次", re.IGNORECASE
)
_GROUP_OF_NPS = re.compile(r"nps[\W_]*(group|category|type|kategorie)$", re.IGNORECASE)
_PREVIEW = ("1", "Survey Preview", "Survey Test")  # Qualtrics: rows that nobody but its author answered


@dataclass(frozen=True)
class Item:
    """One question: its column, scale and role."""

    id: str
    column: Column
    scale: str
    role: str
    sure: bool = True  # of the role


@dataclass
class Input:
    """One input and the table it fills; `table` is survey, transactions, interactions, customers or empty."""

    name: str
    group: Group
    columns: list[Column]
    table: str = ""
    items: list[Item] = field(default_factory=list)
    text: list[Column] = field(default_factory=list)
    response_id: Column | None = None
    prefixed: bool = False
    customer: Column | None = None
    email: Column | None = None
    phone: Column | None = None
    link: Column | None = None
    brand: Column | None = None
    channel: Column | None = None
    touchpoint: Column | None = None
    weight: Column | None = None
    language: Column | None = None
    date: Column | None = None
    period: Column | None = None
    wave_periods: dict[str, str] = field(default_factory=dict)  # wave -> period label
    product: Column | None = None
    amount: Column | None = None
    item: Column | None = None  # long ratings
    value: Column | None = None
    segments: dict[str, Column] = field(default_factory=dict)
    more_segments: list[Column] = field(default_factory=list)
    decimal_comma: bool = False
    amount_expr: str = ""  # unit price x quantity, where there is no amount
    cluster: Column | None = None
    export: dict[str, Any] = field(default_factory=dict)  # the tool it comes from, as exports.toml describes it
    basket: Column | None = None  # order that several rows belong to
    key: Column | None = None  # identifies an answer over exports that contain each other
    exclude: dict[str, list[str]] = field(default_factory=dict)  # column -> values of rows that do not count
    where: dict[str, list[str]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # what is known of it, and no doubt
    lookup: tuple[str, str, str] | None = None  # input that knows the customer, column they share, column to take

    @property
    def asks_to_recommend(self) -> bool:
        """Whether one of its questions is that of the net promoter score."""
        return any(i.role == "nps" for i in self.items)

    @property
    def used(self) -> set[str]:
        """Names of the columns the mapping reads."""
        one = (
            self.response_id, self.customer, self.email, self.phone, self.link, self.brand, self.channel,
            self.touchpoint, self.weight, self.language, self.date, self.period, self.product, self.amount, self.item,
            self.value, self.basket, self.key, self.cluster,
        )  # fmt: skip
        all_ = [*(c for c in one if c), *self.text, *self.segments.values(), *(i.column for i in self.items)]
        named = {n for c in all_ for n in (c.name, *c.others)}
        return named | set(self.exclude) | set(self.where)


@dataclass
class Mapping:
    """The whole guess."""

    inputs: list[Input]
    brands: list[tuple[str, str]]  # id, label
    grain: Grain
    first: str
    last: str
    history_from: str
    doubts: list[str] = field(default_factory=list)


def guess(groups: Sequence[Group], client: str, wordings: dict[str, dict[str, int]]) -> Mapping:
    """Guess the mapping of all inputs."""
    names: set[str] = set()
    inputs = [_input(g, names, wordings) for g in groups]
    out = Mapping(inputs, [], "quarter", "", "", "")
    _lookups(inputs)
    _brands(out, client)
    _periods(out)
    return out


def to_id(text: str, taken: Iterable[str] = (), *, default: str = "x") -> str:
    """Return a legal id made of a name: lower case, letters, digits and ``_``; unlike those taken."""
    plain = re.sub(r"[^\w]+|_+", "_", text.strip().casefold()).strip("_")[:60] or default
    if not plain[0].isalnum():
        plain = default + plain
    known = set(taken)
    found, number = plain, 2
    while found in known:
        found, number = f"{plain}_{number}", number + 1
    return found


def mappable(name: str) -> bool:
    """Tell whether the grammar can name a column."""
    return 0 < len(name) <= 200 and all(ord(c) >= 32 and ord(c) not in (0x7F, 0x2028, 0x2029) for c in name)


def _input(group: Group, names: set[str], wordings: dict[str, dict[str, int]]) -> Input:
    stem = group.looks[0].path.name if not group.waves else group.pattern.replace("{wave}", "")
    sheet = group.looks[0].sheet
    name = to_id(stem.split(".")[0] + (f"_{sheet}" if sheet else ""), names, default="data")
    names.add(name)
    columns = [c for c in _columns(group, wordings) if mappable(c.name)]
    export = exports.recognised(columns)
    columns = exports.named_by(export, columns)
    out = Input(name, group, columns, export=export)
    if export:
        out.said.append(f"recognised by its columns as an export of {export['label']}")
    spss = {c.name for c in columns}

    def all_of(kind: str) -> list[Column]:
        return [c for c in columns if c.kind == kind and not c.name.endswith(":label")]

    def first(kind: str) -> Column | None:
        return next(iter(all_of(kind)), None)

    ratings = [*all_of("nps"), *all_of("rating")]
    ratings.sort(key=columns.index)
    dates = [c for c in all_of("date") if not _BIRTH.search(c.name)]
    dates.sort(key=lambda c: (not _ANSWERED.search(c.name), -c.filled))
    out.date = next(iter(dates), None)
    out.period = first("period")
    out.brand, out.channel, out.touchpoint = first("brand"), first("channel"), first("touchpoint")
    out.email, out.phone = first("email"), first("phone")
    out.customer, out.link = first("customer"), first("order")
    out.text = all_of("comment")
    ids = all_of("id")
    out.response_id = next((c for c in ids if c.unique), None)
    if out.response_id is None and group.waves:
        out.response_id = next((c for c in ids if _unique_in_each(c, group)), None)
        out.prefixed = out.response_id is not None  # numbers start again in each file
        if out.response_id is not None and _contained(out.response_id, group):
            out.prefixed, out.key = False, out.response_id
            out.doubts.append(f"the files contain each other: rows with a {out.response_id.name} met before count once")
    amounts = all_of("amount")
    question = next((c for c in columns if _ITEM.match(c.name) and 2 <= len(c.counts) <= 60), None)
    answer = next((c for c in ratings if _VALUE.match(c.name)), None)
    if question is not None and answer is not None and len(ratings) == 1:
        out.table, out.item, out.value = "survey", question, answer
        out.response_id = next((c for c in ids if c.filled == c.rows), out.response_id)
        taken: list[str] = []
        for value in question.counts:
            taken.append(to_id(value, taken, default="item"))
            out.items.append(_item(taken[-1], replace(answer, name=value, others=()), value))
    elif ratings or out.text:
        out.table = "survey"
        titles = [c for c in columns if re.fullmatch(r"(review[\W_]*)?(title|headline)|标题", c.name, re.IGNORECASE)]
        out.text = _own_words([*out.text, *(t for t in titles if t not in out.text)] if out.text else [], out)
        out.weight, out.language = first("weight"), first("language")
        taken = []
        for column in ratings:
            taken.append(to_id(_QUESTION.sub("", column.name) or column.name, taken, default="item"))
            out.items.append(_item(taken[-1], column, column.name))
        if out.items and not any(i.role in ("overall", "nps") for i in out.items):
            out.items[0] = replace(out.items[0], role="overall", sure=False)
        status = next((c for c in columns if c.name.casefold() in ("status", "response type")), None)
        if status is not None and {"recordeddate", "responseid"} <= {c.name.casefold() for c in columns}:
            out.exclude[status.name] = [v for v in _PREVIEW if v in status.counts] or [_PREVIEW[1]]
    elif amounts and (out.date or out.period):
        out.table = "transactions"
        money.purchases(out, amounts)
        if out.customer is None and out.email is None and out.phone is None:  # the id that comes back is the customer's
            taken_ = (*amounts, out.link, out.product)
            back = next((c for c in columns if looks(c.name, "id") and not c.unique and c not in taken_), None)
            out.customer = replace(back, kind="customer", sure=False) if back else None
        out.product = first("product")
    elif (out.customer or out.email or out.phone) and (out.channel or out.touchpoint or out.link) and out.date:
        out.table = "interactions"
    elif any(c and len(c.counts) > 0.9 * c.filled for c in (out.customer, out.email, out.phone)):
        known = out.email or out.phone or out.date is None or _SINCE.search(out.date.name)
        out.table = "customers" if known else ""
    if out.table in ("survey", "customers"):
        segments = [c for c in columns if c.kind == "segment" and c is not question and c not in out.text]
        segments = [c for c in segments if f"{c.name}:label" not in spss]  # SPSS: the texts say more than the codes
        segments.sort(key=lambda c: not c.sure)
        for column in segments[:MAX_SEGMENTS]:
            plain = _QUESTION.sub("", column.name.removesuffix(":label")) or column.name
            out.segments[to_id(plain, out.segments, default="segment")] = column
        out.more_segments = segments[MAX_SEGMENTS:]
    if out.table == "survey":
        _together(out)
    out.decimal_comma = any(money.decimal_comma(c) for c in (out.amount, out.weight) if c is not None)
    twice = [c.name for c in columns if re.fullmatch(r".+ \(2\)", c.name) and c.name[:-4] in {x.name for x in columns}]
    out.doubts += [f"the header names {n[:-4]} twice: the second is called {n}" for n in twice]
    if group.waves:
        out.wave_periods = _wave_periods(group.waves)
    return out


def _contained(column: Column, group: Group) -> bool:
    """Tell whether later files hold the rows of earlier ones again."""
    sets = []
    for look in group.looks:
        name = next((n for n in (column.name, *column.others) if n in look.columns), "")
        sets.append(set(look.columns.get(name, ())))
    shared = [len(a & b) / min(len(a), len(b)) for a, b in pairwise(sets) if a and b]
    numbered = all(value.isdigit() for value in list(sets[0])[:50])  # 1, 2, 3 start again in each file
    return (
        bool(shared) and min(shared) > 0.5 and (not numbered or (max(shared) == 1.0 and len(set(map(len, sets))) > 1))
    )


def _columns(group: Group, wordings: dict[str, dict[str, int]]) -> list[Column]:
    """Examine the columns of all files together; columns that waves renamed become one."""
    order = list(dict.fromkeys(n for look in group.looks for n in look.columns))
    together: list[tuple[str, list[str]]] = []  # what is left of a name without its question number -> its names
    for name in order:
        key = re.sub(r"\W|_", "", _QUESTION.sub("", name)).casefold()
        for other, known in together:
            if key and key == other and not _clash(name, known, group):
                known.append(name)
                break
        else:
            together.append((key, [name]))
    out = []
    for _, alternatives in together:
        counts: Counter[str] = Counter()
        rows = 0
        for look in group.looks:
            for name in alternatives:
                if name in look.columns:
                    counts += look.columns[name]
                    rows += look.rows
        first = group.looks[0]
        name, texts = alternatives[0], first.labels.get(alternatives[0])
        column = examine(name, counts, rows, wordings, labels=texts, declared=first.declared.get(name, []))
        column = replace(column, others=tuple(alternatives[1:]))
        loose = column.kind in ("other", "segment", "amount")
        if loose and len(group.looks) > 1 and looks(column.name, "id") and _unique_in_each(column, group):
            column = replace(column, kind="id", missing=None)
        out.append(column)
    return _settle(sorted(out, key=lambda c: order.index(c.name)))


def _clash(name: str, known: Sequence[str], group: Group) -> bool:
    """Two names of one question never stand in the same file."""
    return any(name in look.columns and any(k in look.columns for k in known) for look in group.looks)


def _settle(columns: list[Column]) -> list[Column]:
    """Doubtful ratings: sure where many columns share their scale, segments where they stand alone among many."""
    lowest = min((c.codes[0] for c in columns if c.halves), default=0)
    columns = [replace(c, codes=tuple(range(lowest, 11))) if c.halves else c for c in columns]
    zero = any(c.kind == "rating" and c.codes == tuple(range(11)) for c in columns)
    ten = tuple(range(1, 11))
    columns = [
        replace(c, codes=tuple(range(11)), doubts=(*c.doubts, "nobody gave 0, as they did to a twin question"))
        if zero and c.kind == "rating" and c.codes == ten
        else c
        for c in columns
    ]
    scored = {_GROUP_OF_NPS.sub("", c.name).rstrip("_ -") for c in columns if _GROUP_OF_NPS.search(c.name)}
    columns = [
        replace(c, kind="nps", codes=tuple(range(11)), sure=True, doubts=())
        if c.name in scored
        and c.kind == "rating"
        and len(c.codes) >= 10
        and any(_GROUP_OF_NPS.search(x.name) for x in columns)
        else replace(c, kind="other", doubts=("a group made of the score: no question of its own",))
        if _GROUP_OF_NPS.search(c.name)
        else c
        for c in columns
    ]
    shared = Counter(c.codes for c in columns if c.kind == "rating")
    many = {codes for codes, n in shared.items() if n >= 5}
    out = []
    for column in columns:
        if column.kind == "rating" and not column.sure and column.codes in many:
            column = replace(column, sure=True)
        elif column.kind == "rating" and not column.sure and many and shared[column.codes] == 1:
            column = replace(column, kind="segment", codes=(), missing=None)
        out.append(column)
    return out


def _unique_in_each(column: Column, group: Group) -> bool:
    """Tell whether a column identifies the rows of every file."""
    for look in group.looks:
        found = next((look.columns[n] for n in (column.name, *column.others) if n in look.columns), None)
        if found is None or len(found) != look.rows:
            return False
    return True


def scale_of(codes: tuple[int, ...], *, effort: bool = False, half: bool = False) -> str:
    """Return the name of a scale: of the core preset, or one that the params file defines itself."""
    if codes == tuple(range(5, 0, -1)) and not effort:
        return "best1_of5"
    if codes in NAMED and not half:
        return NAMED[codes]
    if codes[0] > codes[-1]:
        return f"best{codes[-1]}_of{len(codes)}"
    return "half_stars" if codes == tuple(range(2, 11)) or half else f"points{len(codes)}"


def _item(name: str, column: Column, text: str) -> Item:
    effort = bool(_EFFORT.search(text))
    scale = scale_of(column.codes, effort=effort, half=column.halves)
    if column.kind == "nps":
        role, scale = "nps", "nps11"
    elif effort:
        role = "ces"
        scale = "ces7" if scale == "csat7" else scale
    elif _EXPECT.search(text):
        role = "expectation"
    elif _INTENT.search(text):
        role = "intent"
    elif _OVERALL.search(text):
        role = "overall"
    else:
        role = "attribute"
    if scale == "csat5" and re.search(r"star|星", text.casefold()):
        scale = "stars5"
        role = "overall" if role == "attribute" else role
    return Item(name, column, scale, role)


def _wave_periods(waves: Sequence[str]) -> dict[str, str]:
    """Return the period each wave names, empty if they do not."""
    out = {}
    for wave in waves:
        text = wave.upper().replace("_", "-")
        text = re.sub(r"^(\d{4})-?([QHW])(\d+)$", r"\1\2\3", text)
        text = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", re.sub(r"^(\d{4})(\d\d)$", r"\1-\2", text))
        try:
            out[wave] = periods.parse(text).label
        except ParamsError:
            return {}
    return out if len({periods.parse(p).grain for p in out.values()}) == 1 else {}


def _lookups(inputs: list[Input]) -> None:
    """Take the customer from the file that knows it, where both name the same order or case."""
    for one in inputs:
        if one.link is None or one.customer is not None or not one.table:
            continue
        for other in inputs:
            if other is one or other.customer is None or other.link is None:
                continue
            if other.link.name == one.link.name and other.link.unique and not other.group.waves:
                one.lookup = (other.name, one.link.name, other.customer.name)
                break


def _brands(out: Mapping, client: str) -> None:
    values: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for one in out.inputs:
        if one.brand is not None:
            for value, n in one.brand.counts.items():
                shown.setdefault(value.casefold(), value)
                values[value.casefold()] += n
    if not values:
        out.brands = [(client, client)]
        return
    rare = [v for v, n in values.items() if n < RARE * values.total()]
    if rare:
        names = ", ".join(shown.pop(v) for v in rare)
        out.doubts.append(f"so rare that they are taken for slips, not for brands: {names}")
    for one in out.inputs:  # a column of another name that holds the same values
        if one.brand is None:
            fits = (c for c in one.columns if c.kind == "segment" and {v.casefold() for v in c.counts} <= set(shown))
            one.brand = next(fits, None)
            one.segments = {k: c for k, c in one.segments.items() if c is not one.brand}
    ids: list[str] = []
    slugs: set[str] = set()
    for key, _ in values.most_common():
        if key not in shown:
            continue
        value = shown[key]
        found = to_id(value, ids, default="brand")
        while slug(found) in slugs:
            found += "_2"
        slugs.add(slug(found))
        ids.append(found)
        out.brands.append((found, value if mappable(value) else found))
    for one in out.inputs:
        if one.table in ("survey", "transactions", "interactions") and one.brand is None:
            out.doubts.append(f"{one.name}: no brand column; all rows are taken for {ids[0]}")


def _periods(out: Mapping) -> None:
    """Choose the grain and range: from what the answers span; older operational rows become history."""
    heard = [i for i in out.inputs if i.table == "survey"] or [i for i in out.inputs if i.table]
    grains: set[Grain] = set()
    for one in heard:
        full = one.date is not None and one.date.filled >= 0.9 * one.group.rows
        if full:
            one.period, one.wave_periods = None, {}
        elif one.period is not None or one.wave_periods:
            one.date = None
            label = next(iter(one.period.counts)) if one.period else next(iter(one.wave_periods.values()))
            grains.add(periods.parse(label).grain)
    spans = [d for one in heard for d in _days(one)]
    if not spans:
        year = str(date.today().year)
        out.grain, out.first, out.last, out.history_from = "year", year, year, ""
        out.doubts.append(f"no dates were found: all rows are taken for {year}")
        return
    first, last = min(spans), max(spans)
    out.grain = grains.pop() if len(grains) == 1 else _grain((last - first).days)
    if len(grains) > 0:
        out.doubts.append("the files have periods of different lengths; their dates decide")
    out.first, out.last = periods.label(first, out.grain), periods.label(last, out.grain)
    before = [d for one in out.inputs if one not in heard and one.table for d in _days(one)]
    if before and min(before) < first:
        out.history_from = periods.label(min(before), out.grain)


def _grain(days: int) -> Grain:
    if days > 5 * 365:
        return "year"
    if days > 240:
        return "quarter"
    if days > 62:
        return "month"
    return "week" if days > 14 else "day"


def _days(one: Input) -> list[date]:
    if one.date is not None and one.date.expr:
        return _days_of(one.date)
    if one.date is not None:
        forms = one.date.formats or ISO_FORMATS
        found = [next((d for f in forms if (d := parse_date(v, f))), None) for v in one.date.counts]
        return [d for d in found if d is not None]
    labels = list(one.period.counts) if one.period is not None else list(one.wave_periods.values())
    return [d for x in labels for d in (periods.parse(x).start, periods.parse(x).end)]


def _days_of(column: Column) -> list[date]:
    """Days that an expression makes of a column's values."""
    import duckdb

    con = duckdb.connect()
    con.register("t", pa.table({column.name: list(column.counts)}))
    found = con.execute(f"SELECT TRY_CAST(({column.expr}) AS DATE) FROM t").fetchall()
    return [day for (day,) in found if day is not None]


def is_chinese(mapping: Mapping) -> bool:
    """Tell whether the comments (or else the column names) are mostly Chinese."""
    texts = [t for i in mapping.inputs for c in i.text for t in list(c.counts)[:200]]
    return chinese(texts or [c.name for i in mapping.inputs for c in i.columns])


def unsolicited(one: Input) -> tuple[bool, bool, str]:
    """Return whether answers look like reviews rather than a survey, whether that is sure, and by what."""
    if "solicited" in one.export:
        return not one.export["solicited"], True, f"an export of {one.export['label']}"
    asked = [w for w, there in (("weights", one.weight), ("a recommendation question", one.asks_to_recommend)) if there]
    if asked:
        return False, True, f"it has {asked[0]}"
    if _UNSOLICITED.search(one.name):
        return True, False, "its name speaks of reviews"
    named = next((c.name for c in [*one.text, *(i.column for i in one.items)] if _REVIEW.search(c.name)), "")
    if named and len(one.items) <= 5:
        return True, False, f"{named} is what review sites call it"
    if not one.items:
        return True, False, "words without questions"
    return False, len(one.items) >= 3, f"{len(one.items)} question{'s' * (len(one.items) > 1)}"


def _own_words(text: list[Column], out: Input) -> list[Column]:
    """Leave out columns whose words another one holds already, as a review that begins with its own title."""
    kept = list(text)
    for one in text:
        sample = [v.casefold() for v in one.counts if len(v) >= 8][:60]
        for other in kept:
            if other is one or not sample:
                continue
            held = "\n".join(other.counts).casefold()
            if sum(v in held for v in sample) > 0.8 * len(sample) and sum(map(len, sample)) < len(held):
                kept.remove(one)
                out.doubts.append(f"{one.name} stands inside {other.name} already: its words are read once")
                break
    return kept


def _together(out: Input) -> None:
    """Name the column whose answers were given together, such as a flight: they are alike."""
    for column in out.columns:
        several = 5 <= len(column.counts) < column.filled / 3
        if several and _CLUSTER.search(column.name) and column.kind in ("segment", "other", "id", "order"):
            out.cluster = column
            out.segments = {k: c for k, c in out.segments.items() if c is not column}
            out.more_segments = [c for c in out.more_segments if c is not column]
            out.link = None if out.link is column else out.link
            return
