"""Judged rows -> the canonical tables, with the share of every input row in the reconciliation."""

from __future__ import annotations

import pyarrow as pa

from cxlab.connect import directory, pii
from cxlab.connect.rows import OUT, REJECTED, SHAPES, USED, Context, Rows, build
from cxlab.connect.sql import identifier, literal
from cxlab.params.models import CommentsMap, InvitationsMap, ResponsesMap, Tables
from cxlab.params.models import _Mapped as Mapped
from cxlab.params.periods import parse
from cxlab.vocab import OUTCOME, SEGMENT, TABLES

_INHERITED = (
    "customer", "system", "keys", "brand", "date", "period", "touchpoint", "channel", "link", "where", "exclude",
    "solicited", "first_party", "response_id",
)  # fmt: skip
_WORDS = {"comments": ("text",), "events": ("name",), "actions": ("outcome",)}  # where people write what they like
# small words of each language, none of them English or part of an address (com, die, para, los, ...)
_SMALL_WORDS = {
    "en": "the|and|was|is|are|very|not|to|of|it|this|that|with|for|my|you|have|in|on|at|good|great|no|but",
    "pt": "não|muito|que|uma|foi|produto|recebi|chegou|gostei|meu|minha|mais|prazo|antes|entrega|bom|nao",
    "de": "und|nicht|sehr|der|das|ist|mit|ich|ein|eine|aber|auch|wir|zu|auf|wurde",
    "fr": "très|les|une|pas|avec|pour|dans|mais|nous|vous|est|je|bien|sur|qui",
    "es": "muy|una|por|pero|que|todo|más|como|servicio|tiempo|bien|bueno|mucho|esta",
}


def _language() -> str:
    """Return the SQL that guesses the language of ``text``: by its script; Latin letters by small words.

    Another language than English is guessed only from two of its words, and more than English has; "" is doubt, which
    `_settle` ends. One kana does not make a Chinese text Japanese.
    """
    counts = ", ".join(
        rf"len(list_distinct(regexp_extract_all(lower(text), '\b({words})\b'))) AS {code}"
        for code, words in _SMALL_WORDS.items()
    )
    others = [code for code in _SMALL_WORDS if code != "en"]
    arms = " ".join(f"WHEN {code} THEN {literal(code)}" for code in others)
    return rf"""(SELECT CASE WHEN signs * 5 >= length(text) AND signs > 0
            THEN CASE WHEN kana > 1 THEN 'ja' WHEN hangul THEN 'ko' ELSE 'zh' END
            WHEN most > 1 AND most > en THEN CASE most {arms} END
            WHEN en > 0 THEN 'en' ELSE '' END
        FROM (SELECT *, greatest({", ".join(others)}) AS most FROM (SELECT text, {counts},
            length(regexp_replace(text, '[^\p{{Han}}\p{{Hiragana}}\p{{Katakana}}\p{{Hangul}}]', '', 'g')) AS signs,
            len(list_distinct(regexp_extract_all(text, '[\p{{Hiragana}}\p{{Katakana}}]'))) AS kana,
            regexp_matches(text, '\p{{Hangul}}') AS hangul FROM (SELECT m.text AS text))))"""


def judge(context: Context) -> None:
    """Type and judge the rows of every mapping but ratings; comments take over what their responses say."""
    tables: Tables = context.params.tables
    for table in SHAPES:
        for at, mapping in enumerate(getattr(tables, table)):
            rows = build(context, table, at, _inherit(mapping, tables))
            if rows is not None:
                context.rows.append(rows)


def _inherit(mapping: Mapped, tables: Tables) -> Mapped:
    """Comments of an input that also gives responses say only what differs."""
    if not isinstance(mapping, CommentsMap):
        return mapping
    parent = next((r for r in tables.responses if r.from_ == mapping.from_), None)
    if parent is None:
        return mapping
    own = mapping.model_fields_set
    return mapping.model_copy(update={k: getattr(parent, k) for k in _INHERITED if k not in own})


def follow_responses(context: Context) -> None:
    """A comment's row has the fate of the response it came with, and its id, channel and touchpoint."""
    for rows in context.rows:
        parent = parent_of(context, rows)
        if rows.table != "comments" or parent is None:
            continue
        context.con.execute(
            f"""UPDATE {rows.name} m SET _state = p._state, _column = p._column, _value = p._value, _reason = p._reason,
                response_id = CASE WHEN p._state = '{USED}' THEN p.response_id END
            FROM {parent.name} p WHERE p._row = m._row AND m._state <> '{OUT}'
                AND (p._state <> '{USED}' OR m._state = '{USED}')"""
        )


def parent_of(context: Context, rows: Rows) -> Rows | None:
    """Return the responses of the same input, unless the mapping names its response itself."""
    if not isinstance(rows.mapping, CommentsMap):
        return None
    parent = next((r for r in context.rows if r.table == "responses" and r.staged is rows.staged), None)
    if parent is None or not isinstance(parent.mapping, ResponsesMap):
        return None
    return parent if rows.mapping.response_id in (None, parent.mapping.response_id) else None


def columns_of(context: Context, table: str) -> list[tuple[str, str]]:
    """Return names and types of a canonical table, its segments and outcomes included."""
    spec = TABLES[table]
    out = [(c.name, c.type) for c in spec.columns]
    if spec.segments:
        names = {s for t in context.params.tables for m in t[1] for s in getattr(m, "segments", {})}
        out += [(SEGMENT + s, "VARCHAR") for s in sorted(names)]
    if table == "interactions":
        names = {o for m in context.params.tables.interactions for o in m.outcome}
        out += [(OUTCOME + o, "BOOLEAN") for o in sorted(names)]
    return out


def fill(context: Context) -> None:
    """Create ``t_<table>`` for every canonical table and fill all but `ratings`."""
    con = context.con
    for table in TABLES:
        columns = ", ".join(f"{identifier(n)} {t}" for n, t in columns_of(context, table))
        con.execute(f"CREATE TABLE t_{table} ({columns})")
    for rows in context.rows:
        if rows.table != "customers":
            _insert(context, rows)
    _answered(context)
    _customers(context)


def _insert(context: Context, rows: Rows) -> None:
    who, joins = directory.customer(rows)
    values = {"customer": who, "source": literal(rows.staged.name), "file": file_of(rows, "m"), "line": "m._line"}
    values |= {"solicited": "NULL::BOOLEAN", "first_party": "NULL::BOOLEAN"} | _flags(rows.mapping)
    for c in rows.columns:
        values.setdefault(c, f"m.{identifier(c)}")
    condition = f"m._state = '{USED}' AND NOT m._twin"
    if rows.table == "transactions":
        kind = "coalesce(lower(m.kind), 'purchase')"
        values["kind"] = kind
        # a return gives money back whatever sign the file writes
        values["amount"] = f"CASE WHEN {kind} = 'return' THEN -abs(m.amount) ELSE m.amount END"
        values["margin"] = f"CASE WHEN {kind} = 'return' THEN -abs(m.margin) ELSE m.margin END"
        values["link"] = "coalesce(m.link, m.basket)"
    if rows.table == "comments":
        condition += " AND m.text IS NOT NULL"
        values["turn"] = """coalesce(m.turn::BIGINT, CASE WHEN m.conversation IS NOT NULL
            THEN row_number() OVER (PARTITION BY m.conversation ORDER BY m._row) END)"""
        if getattr(rows.mapping, "language", None) == "auto":
            values["language"] = _language()
    names = [n for n, _ in columns_of(context, rows.table) if n in values]
    masks, more = _masks(context, rows, [n for n in names if n in rows.columns], condition)
    values, joins = values | masks, joins + more
    context.con.execute(
        f"""INSERT INTO t_{rows.table} ({", ".join(map(identifier, names))})
        SELECT {", ".join(values[n] for n in names)} FROM {rows.name} m {joins} WHERE {condition} ORDER BY m._row"""
    )
    if rows.table == "comments":
        _settle(context, rows)


def _settle(context: Context, rows: Rows) -> None:
    """Texts whose language is in doubt are in that of most others of their source in Latin letters, else English."""
    source = literal(rows.staged.name)
    context.con.execute(
        f"""UPDATE t_comments SET language = coalesce((SELECT language FROM t_comments
                WHERE source = {source} AND language NOT IN ('', 'zh', 'ja', 'ko')
                GROUP BY language ORDER BY count(*) DESC, language LIMIT 1), 'en')
            WHERE source = {source} AND language = ''"""
    )


def _masks(context: Context, rows: Rows, names: list[str], condition: str) -> tuple[dict[str, str], str]:
    """Return the SQL of the columns with words in them, personal data masked, and the joins it needs."""
    if not context.params.mask_personal_data:
        return {}, ""
    words = [n for n in names if n.startswith(SEGMENT) or n in _WORDS.get(rows.table, ())]
    joins = "".join(
        f" LEFT JOIN {pii.masked_texts(context.con, rows.name, n, condition)} k{i} ON k{i}.text = m.{identifier(n)}"
        for i, n in enumerate(words)
    )
    return {n: f"coalesce(k{i}.masked, m.{identifier(n)})" for i, n in enumerate(words)}, joins


def _flags(mapping: Mapped) -> dict[str, str]:
    """Solicited and first-party are said once a mapping; texts without a questionnaire are unasked for."""
    if isinstance(mapping, ResponsesMap):
        return {"solicited": str(mapping.solicited).lower(), "first_party": str(mapping.first_party).lower()}
    if isinstance(mapping, CommentsMap):
        solicited = False if mapping.solicited is None else mapping.solicited
        first_party = True if mapping.first_party is None else mapping.first_party
        return {"solicited": str(solicited).lower(), "first_party": str(first_party).lower()}
    return {}


def file_of(rows: Rows, alias: str) -> str:
    """Return the SQL of the file name of a row."""
    arms = " ".join(f"WHEN {i} THEN {literal(f.name)}" for i, f in enumerate(rows.staged.files))
    return f"CASE {alias}._f {arms} END"


def _answered(context: Context) -> None:
    """Where the invitations do not say who answered: those whose response is there."""
    for rows in context.rows:
        if isinstance(rows.mapping, InvitationsMap) and rows.mapping.answered is None:
            context.con.execute(
                f"""UPDATE t_invitations SET answered = response_id IS NOT NULL
                    AND response_id IN (SELECT response_id FROM t_responses)
                WHERE source = {literal(rows.staged.name)}"""
            )


def _customers(context: Context) -> None:
    """One row a customer: the first value known of each column, then everybody else the other tables name."""
    con = context.con
    columns = columns_of(context, "customers")
    parts = []
    for rank, rows in enumerate(r for r in context.rows if r.table == "customers"):
        who, joins = directory.customer(rows)
        have = set(rows.columns)
        values: dict[str, str] = {
            "customer": who, "source": literal(rows.staged.name), "file": file_of(rows, "m"), "line": "m._line",
        }  # fmt: skip
        masks, more = _masks(context, rows, [n for n, _ in columns if n in have], "m._state = 'used'")
        values, joins = values | masks, joins + more
        if "referred_by" in have:  # whoever is no known customer is nobody, and nobody brings themselves
            values["referred_by"] = f"nullif(by_.customer, {who})"
            joins += " LEFT JOIN _who by_ ON by_.node = m.referred_by"
        picks = ", ".join(
            f"{values.get(n) or (f'm.{identifier(n)}' if n in have else f'NULL::{t}')} AS {identifier(n)}"
            for n, t in columns
        )
        parts.append(f"SELECT {rank} AS _rank, m._row, {picks} FROM {rows.name} m {joins} WHERE m._state = '{USED}'")
    if parts:
        firsts = ", ".join(
            f"min({identifier(n)})" if n == "since" else f"arg_min({identifier(n)}, [_rank, _row])"
            for n, _ in columns
            if n != "customer"
        )
        con.execute(
            f"""INSERT INTO t_customers SELECT customer, {firsts} FROM ({" UNION ALL ".join(parts)})
            WHERE customer IS NOT NULL GROUP BY customer ORDER BY customer"""
        )
    _first_seen(context)
    con.execute(
        """UPDATE t_customers SET since = f.day FROM _first_seen f
            WHERE f.customer = t_customers.customer AND since IS NULL;
        INSERT INTO t_customers (customer, since, source, file, line)
            SELECT customer, day, source, NULL, NULL FROM _first_seen
            WHERE customer NOT IN (SELECT customer FROM t_customers) ORDER BY customer"""
    )


def _first_seen(context: Context) -> None:
    """Write ``_first_seen``: since when a customer is known whose own row does not say, or who has none.

    Without it a reader of an early period would count the customers of later ones.
    """
    con = context.con
    rows = " UNION ALL ".join(
        f"SELECT customer, date, period, source FROM t_{t} WHERE customer IS NOT NULL"
        for t in TABLES
        if t not in ("customers", "ratings")
    )
    labels = [p for (p,) in con.execute(f"SELECT DISTINCT period FROM ({rows}) WHERE date IS NULL").fetchall() if p]
    starts = [parse(p, context.params.periods.grain).start for p in labels]
    con.register("_starts", pa.table({"period": pa.array(labels, pa.string()), "start": pa.array(starts, pa.date32())}))
    con.execute(
        f"""CREATE TEMP TABLE _first_seen AS
        SELECT customer, min(coalesce(date, start)) AS day, min(source) AS source
        FROM ({rows}) LEFT JOIN _starts USING (period) GROUP BY customer"""
    )
    con.unregister("_starts")


def status(context: Context) -> None:
    """Write ``_status``: the one fate of every input row in every table it is mapped to, and ``_rejects``."""
    con = context.con
    con.execute(
        """CREATE TABLE _status (source VARCHAR, "table" VARCHAR, channel VARCHAR, _row BIGINT, mapping INTEGER,
            state VARCHAR);
        CREATE TABLE _rejects (source VARCHAR, file VARCHAR, line BIGINT, "column" VARCHAR, value VARCHAR,
            reason VARCHAR, "table" VARCHAR)"""
    )
    for number, rows in enumerate(context.rows):
        channel = "coalesce(channel, '')" if "channel" in rows.columns else "''"
        source, table = literal(rows.staged.name), literal(rows.table)
        con.execute(f"INSERT INTO _status SELECT {source}, {table}, {channel}, _row, {number}, _state FROM {rows.name}")
    # several mappings of one input to one table: a row that one of them uses is used
    con.execute(
        f"""CREATE TABLE _fate AS SELECT source, "table", _row,
            arg_max(channel, r) AS channel, arg_max(mapping, r) AS mapping, arg_max(state, r) AS state
        FROM (SELECT *, [CASE state WHEN '{USED}' THEN 2 WHEN '{REJECTED}' THEN 1 ELSE 0 END, -mapping] AS r
            FROM _status) GROUP BY source, "table", _row"""
    )
    con.execute("DROP TABLE _status")
    for number, rows in enumerate(context.rows):
        con.execute(
            f"""INSERT INTO _rejects SELECT {literal(rows.staged.name)}, {file_of(rows, "m")}, m._line, m._column,
                m._value, m._reason, {literal(rows.table)}
            FROM {rows.name} m JOIN _fate f ON f._row = m._row AND f.source = {literal(rows.staged.name)}
                AND f."table" = {literal(rows.table)}
            WHERE f.mapping = {number} AND f.state = '{REJECTED}' ORDER BY m._row"""
        )
