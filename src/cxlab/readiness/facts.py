"""What the data are and how far they can be trusted: one tidy table of facts, each from a count of rows.

=================  ================================================================================================
section            one row is
=================  ================================================================================================
`map`              source x touchpoint x solicited x structured: n_used answers or texts; verdict ``gap`` where one of
                   the four kinds of listening has nothing
`kinds`            one of the four kinds of customer data (and who they are): n_used rows; verdict present, missing
`reconciliation`   source -> table (in `kind`): rows in, used, rejected; share used; verdict ok, rejects
`links`            lookup, ``from -> to`` in `kind`: rows, matched, share matched
`response_rate`    touchpoint and channel (in `kind`): invited, answered, share
`heard_share`      the brand's customers (`kind`: all, active): how many, how many said anything, share
`duplicates`       `kind` copied_texts, floods, same_customer_same_day: in, distinct, repeats, share repeated
`order`            touchpoint, outcome in `kind`: tied ratings, given after, given before, share before
`first_party`      answers and texts: all, the company's own, share
`questions`        notebook in `source`: verdict yes, partly, no; `kind` names what is missing
=================  ================================================================================================

What managers say their customers experience (role ``management``) is no answer of a customer: only `reconciliation`
counts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from cxlab.connect.asof import rated_too_early
from cxlab.connect.population import own_customers
from cxlab.connect.store import Store
from cxlab.params.models import Params
from cxlab.vocab import KINDS, READINESS_COLUMNS, TABLES

FLOOD = 5  # the same text this often within a day and a brand is no coincidence
_MANAGERS = "(SELECT response_id FROM ratings WHERE role = 'management')"  # questionnaires answered by managers
_SAME = r"regexp_replace(lower(text), '[\s\p{P}\p{S}]+', '', 'g')"

Row = dict[str, Any]


def readiness(store: Store, params: Params, brand: str | None, until: str | None) -> pd.DataFrame:
    """Return the facts of the module's table for a brand up to a period.

    Parameters
    ----------
    store : Store
    params : Params
        Its periods and limits decide the verdicts.
    brand, until : str or None
        None spans all brands, or all periods.

    Returns
    -------
    DataFrame
        Columns `vocab.READINESS_COLUMNS`; `solicited` and `structured` are booleans or missing, counts are integers or
        missing, `share` runs 0-1.
    """
    unit = _Unit(store, params, brand, until)
    sections = (
        unit.map, unit.kinds, unit.reconciliation, unit.links, unit.response_rate, unit.heard_share, unit.duplicates,
        unit.order, unit.first_party, unit.questions,
    )  # fmt: skip
    rows = [{"section": s.__name__} | row for s in sections for row in s()]
    frame = pd.DataFrame(rows, columns=list(READINESS_COLUMNS))
    for c in ("source", "touchpoint", "kind", "verdict"):
        frame[c] = frame[c].fillna("").astype(str)
    return frame.astype(
        {"solicited": "boolean", "structured": "boolean", "n_in": "Int64", "n_used": "Int64", "n_rejected": "Int64",
         "share": "float64"}
    )  # fmt: skip


def copied_texts(store: Store, brand: str | None = None, until: str | None = None) -> pd.DataFrame:
    """Return texts of customers that stand more than once, whatever their case, spaces and punctuation.

    Returns
    -------
    DataFrame
        ``[text, n, customers, first, last, most_in_a_day]``, most frequent first; `customers` counts known ones.
    """
    return store.sql(
        f"""WITH said AS (SELECT {_SAME} AS same, text, customer, date, count(*) OVER (PARTITION BY {_SAME}, date) AS d
            FROM comments WHERE {_SAME} <> '' AND speaker IS DISTINCT FROM 'agent')
        SELECT min(text) AS text, count(*) AS n, count(DISTINCT customer) AS customers, min(date) AS first,
            max(date) AS last, max(d) FILTER (WHERE date IS NOT NULL) AS most_in_a_day
        FROM said GROUP BY same HAVING count(*) > 1 ORDER BY n DESC, text""",
        brand=brand,
        until=until,
    )


def response_rates(store: Store, brand: str | None = None, until: str | None = None) -> pd.DataFrame:
    """Return invitations and answers: ``[touchpoint, channel, period, invited, answered, rate]``."""
    return store.sql(
        """SELECT coalesce(touchpoint, '') AS touchpoint, coalesce(channel, '') AS channel, period,
            count(*) AS invited, count(*) FILTER (WHERE answered) AS answered, avg(answered::INTEGER) AS rate
        FROM invitations GROUP BY ALL ORDER BY ALL""",
        brand=brand,
        until=until,
    )


class _Unit:
    def __init__(self, store: Store, params: Params, brand: str | None, until: str | None) -> None:
        self.store, self.params, self.brand, self.until = store, params, brand, until

    def _rows(self, query: str) -> list[Row]:
        frame = self.store.sql(query, brand=self.brand, until=self.until)
        return [{str(k): v for k, v in r.items()} for r in frame.to_dict("records")]

    def _one(self, query: str) -> Row:
        return self._rows(query)[0]

    def map(self) -> Iterable[Row]:
        rows = self._rows(
            """SELECT r.source, coalesce(t.touchpoint, '') AS touchpoint, r.solicited, true AS structured,
                count(*) AS n_in, count(t.value) AS n_used FROM ratings t JOIN responses r USING (response_id)
            WHERE t.role IS DISTINCT FROM 'management' GROUP BY ALL UNION ALL
            SELECT source, coalesce(touchpoint, ''), coalesce(solicited, false), false, count(*), count(*) FROM comments
            WHERE speaker IS DISTINCT FROM 'agent' GROUP BY ALL ORDER BY ALL"""
        )
        yield from rows
        for solicited in (True, False):
            for structured in (True, False):
                if not any(r["solicited"] == solicited and r["structured"] == structured and r["n_used"] for r in rows):
                    yield {"solicited": solicited, "structured": structured, "n_used": 0, "verdict": "gap"}
        spoken = {r["touchpoint"] for r in rows if r["n_used"]}
        named = [t for s in self.params.journey.stages for t in s.touchpoints]
        for touchpoint in dict.fromkeys(named):
            if touchpoint not in spoken:
                yield {"touchpoint": touchpoint, "n_used": 0, "verdict": "gap"}

    def kinds(self) -> Iterable[Row]:
        for kind in KINDS:
            n = {
                t: self.store.count(t, brand=self.brand, until=self.until)
                for t, spec in TABLES.items()
                if spec.kind == kind and t != "invitations"
            }
            if "responses" in n:
                n |= self._one(
                    f"""SELECT (SELECT count(*) FROM responses WHERE response_id NOT IN {_MANAGERS}) AS responses,
                    (SELECT count(*) FROM ratings WHERE role IS DISTINCT FROM 'management') AS ratings"""
                )
            there = [t for t, count in n.items() if count]
            yield {
                "kind": kind,
                "source": ", ".join(there),
                "n_used": sum(n.values()),
                "verdict": "present" if there else "missing",
            }

    def reconciliation(self) -> Iterable[Row]:
        limit = self.params.limits.max_reject_share
        found = self.store.table("reconciliation")
        sums = found.groupby(["source", "table"], sort=True)[["rows_in", "rows_used", "rows_rejected"]].sum()
        for source, table, n_in, n_used, n_rejected in sums.reset_index().itertuples(index=False):
            yield {
                "source": source,
                "kind": table or "lookups",
                "n_in": n_in,
                "n_used": n_used,
                "n_rejected": n_rejected,
                "share": n_used / n_in if n_in else None,
                "verdict": "rejects" if n_rejected > limit / 2 * n_in else "ok",
            }

    def links(self) -> Iterable[Row]:
        for row in self.store.table("links").to_dict("records"):
            yield {
                "source": row["lookup"],
                "kind": f"{row['from']} -> {row['to']}",
                "n_in": row["rows"],
                "n_used": row["matched"],
                "n_rejected": row["rows"] - row["matched"],
                "share": row["rate"],
            }

    def response_rate(self) -> Iterable[Row]:
        frame = response_rates(self.store, self.brand, self.until)
        sums = frame.groupby(["touchpoint", "channel"])[["invited", "answered"]].sum().reset_index()
        for touchpoint, channel, invited, answered in sums.itertuples(index=False):
            yield {
                "touchpoint": touchpoint, "kind": channel, "n_in": invited, "n_used": answered,
                "n_rejected": invited - answered, "share": answered / invited,
            }  # fmt: skip

    def heard_share(self) -> Iterable[Row]:
        said = """SELECT customer FROM responses WHERE customer IS NOT NULL
            UNION SELECT customer FROM comments WHERE customer IS NOT NULL"""
        did = """SELECT customer FROM transactions WHERE customer IS NOT NULL
            UNION SELECT customer FROM interactions WHERE customer IS NOT NULL"""
        for kind, who in (("all", own_customers(self.brand)), ("active", did)):
            row = self._one(
                f"""SELECT count(*) AS n_in, count(*) FILTER (WHERE customer IN ({said})) AS n_used FROM ({who})"""
            )
            if row["n_in"]:
                yield {"kind": kind} | row | {"share": row["n_used"] / row["n_in"]}

    def duplicates(self) -> Iterable[Row]:
        texts = self._one("SELECT count(*) AS n FROM comments WHERE speaker IS DISTINCT FROM 'agent'")["n"]
        copies = copied_texts(self.store, self.brand, self.until)
        if texts:
            repeats = int((copies["n"] - 1).sum())
            flooded = int(copies.loc[copies["most_in_a_day"].fillna(0) >= FLOOD, "n"].sum())
            yield _repeats("copied_texts", texts, repeats)
            yield _repeats("floods", texts, flooded)
        row = self._one(
            """SELECT coalesce(sum(n), 0)::BIGINT AS n_in, coalesce(sum(n - 1), 0)::BIGINT AS repeats FROM (
                SELECT count(*) AS n FROM responses WHERE customer IS NOT NULL AND date IS NOT NULL
                GROUP BY source, customer, date, touchpoint)"""
        )
        if row["n_in"]:
            yield _repeats("same_customer_same_day", row["n_in"], row["repeats"])

    def order(self) -> Iterable[Row]:
        for row in rated_too_early(self.store, brand=self.brand, until=self.until).to_dict("records"):
            happened = (
                "" if row["happened"] is None or row["happened"] is pd.NA else ("" if row["happened"] else "not ")
            )
            yield {
                "source": row["item"],
                "touchpoint": row["touchpoint"],
                "kind": f"{happened}{row['outcome']}",
                "n_in": row["n"],
                "n_used": row["n"] - row["n_before"],
                "n_rejected": row["n_before"],
                "share": row["share_before"],
                "verdict": "too_early" if row["share_before"] > 0.1 else "ok",
            }

    def first_party(self) -> Iterable[Row]:
        row = self._one(
            f"""SELECT count(*) AS n_in, count(*) FILTER (WHERE first_party) AS n_used FROM (
                SELECT first_party FROM responses WHERE response_id NOT IN {_MANAGERS}
                UNION ALL SELECT first_party FROM comments WHERE response_id IS NULL)"""
        )
        if row["n_in"]:
            yield row | {"share": row["n_used"] / row["n_in"]}

    def questions(self) -> Iterable[Row]:
        have = self._pieces()
        for notebook, needs, wants in QUESTIONS:
            missing = [p for p in needs if p not in have]
            lacking = [p for p in wants if p not in have]
            yield {
                "source": notebook,
                "kind": ", ".join(missing + lacking),
                "verdict": "no" if missing else "partly" if lacking else "yes",
            }

    def _pieces(self) -> set[str]:
        """Name what is there in numbers that a model can use."""
        enough = self.params.limits.min_n
        row = self._one(
            """SELECT (SELECT count(*) FROM ratings WHERE value IS NOT NULL AND role IN ('overall', 'nps', 'ces'))
                AS outcomes,
            (SELECT count(DISTINCT period) FROM ratings WHERE value IS NOT NULL AND role <> 'management') AS periods,
            (SELECT count(*) FROM ratings WHERE value IS NOT NULL AND role = 'attribute') AS attributes,
            (SELECT count(*) FROM ratings WHERE value IS NOT NULL AND role = 'expectation') AS expectations,
            (SELECT count(*) FROM ratings WHERE value IS NOT NULL AND role = 'image') AS image,
            (SELECT count(DISTINCT touchpoint) FROM ratings WHERE value IS NOT NULL AND role <> 'management')
                AS touchpoints,
            (SELECT count(*) FROM comments) AS comments,
            (SELECT count(*) FROM transactions WHERE customer IS NOT NULL) AS transactions,
            (SELECT count(*) FROM (SELECT customer FROM transactions WHERE customer IS NOT NULL AND kind <> 'return'
                GROUP BY customer HAVING count(DISTINCT date) > 1)) AS repeat_customers,
            (SELECT count(*) FROM responses WHERE customer IN (SELECT customer FROM transactions)) AS linked_answers,
            (SELECT count(*) FROM responses WHERE customer IS NOT NULL) AS known_customers,
            (SELECT count(*) FROM invitations) AS invitations,
            (SELECT count(*) FROM actions) AS actions,
            (SELECT count(*) FROM responses WHERE variant IS NOT NULL) AS variants"""
        )
        few = {"periods": 2, "touchpoints": 2, "actions": 1}
        return {piece for piece, n in row.items() if n >= few.get(piece, enough)}


# notebook, pieces it cannot do without, pieces it gains from
QUESTIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("20_satisfaction", ("outcomes",), ("periods", "invitations")),
    ("25_index", ("outcomes", "attributes"), ("expectations", "image")),
    ("30_drivers", ("outcomes", "attributes"), ()),
    ("35_journey", ("touchpoints", "outcomes"), ("expectations",)),
    ("40_voice", ("comments",), ("outcomes",)),
    ("50_value", ("transactions",), ("repeat_customers",)),
    ("60_growth", ("transactions", "linked_answers"), ("repeat_customers",)),
    ("70_actions", ("known_customers", "outcomes"), ("transactions",)),
    ("80_ledger", ("periods", "outcomes"), ("actions", "variants")),
)


def _repeats(kind: str, n: int, repeats: int) -> Row:
    return {"kind": kind, "n_in": n, "n_used": n - repeats, "n_rejected": repeats, "share": repeats / n}
