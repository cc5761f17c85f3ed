"""The words every room shares: canonical tables and their columns, verdicts, kinds of missing, the tidy schema.

Types are DuckDB's. `X` marks experience data (what customers say), `O` operational data (what they do).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "zh"]
Grain = Literal["year", "half", "quarter", "month", "week", "day"]
Role = Literal["overall", "nps", "ces", "expectation", "attribute", "intent", "image", "management"]
Missing = Literal["never_asked", "not_used", "refused", "blank"]
Unit = Literal["brand_period", "brand", "period", "client"]
Verdict = Literal["better", "worse", "no_real_change", "cannot_tell", "withheld", "suppressed", ""]
Status = Literal["ok", "failed", "timeout", "skipped", "no_data", "withheld"]

LANGUAGES: Final = ("en", "zh")
GRAINS: Final = ("year", "half", "quarter", "month", "week", "day")
ROLES: Final = ("overall", "nps", "ces", "expectation", "attribute", "intent", "image", "management")
MISSING: Final = ("never_asked", "not_used", "refused", "blank")
UNITS: Final = ("brand_period", "brand", "period", "client")
VERDICTS: Final = ("better", "worse", "no_real_change", "cannot_tell", "withheld", "suppressed", "")
STATUSES: Final = ("ok", "failed", "timeout", "skipped", "no_data", "withheld")
METRICS: Final = ("mean", "top_box", "csat", "nps", "ces")
WEIGHTINGS: Final = ("none", "survey", "population")
KINDS: Final = ("descriptive", "behavioural", "interaction", "attitudinal")

EMBEDDINGS: Final = ("auto", "corpus")  # ways to make vectors of texts
EMBEDDING_SOURCES: Final = ("sentence-transformers", "file")  # and those that name something

ALL: Final = "_all"  # the place of a brand or period in a path when a unit spans all of them
UNKNOWN: Final = "(unknown)"  # the group of respondents whose segment value is missing
SEGMENT: Final = "segment:"  # prefix of segment columns in canonical tables and of levels in estimates
OUTCOME: Final = "outcome:"  # prefix of outcome columns of interactions


@dataclass(frozen=True)
class Column:
    """One column of a canonical table."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A canonical table: its grain, the kind of customer data it holds and its fixed columns.

    `segments` tables also carry one VARCHAR column ``segment:<name>`` for each segment of the params;
    `interactions` one BOOLEAN column ``outcome:<name>`` for each outcome.
    """

    name: str
    grain: str
    kind: str
    side: Literal["X", "O", "-"]
    columns: tuple[Column, ...]
    segments: bool = False


_SOURCE = (
    Column("source", "VARCHAR", "name of the source in the params file"),
    Column("file", "VARCHAR", "file name (no folder) or database table the row came from"),
    Column("line", "BIGINT", "one-based line in the file; row number for Parquet, Excel, SPSS and databases"),
)
_PLACE = (
    Column("brand", "VARCHAR", "brand id of the params; null when unlinked and kept"),
    Column("period", "VARCHAR", "period label of the params' grain, e.g. 2026Q3"),
    Column("date", "DATE", "day it happened; null if only the period is known"),
)
_WHO = Column("customer", "VARCHAR", "resolved customer id of the directory; null = anonymous")


TABLES: Final[dict[str, Table]] = {
    t.name: t
    for t in (
        Table(
            "customers",
            "one row a customer (the directory)",
            "descriptive",
            "O",
            (
                _WHO,
                Column("brand", "VARCHAR", "brand id if the customer belongs to one"),
                Column("since", "DATE", "first known day as a customer"),
                Column("referred_by", "VARCHAR", "resolved id of the customer who brought them; null = nobody known"),
                *_SOURCE,
            ),
            segments=True,
        ),
        Table(
            "transactions",
            "one row a purchase, return, renewal or booking",
            "behavioural",
            "O",
            (
                Column("transaction_id", "VARCHAR", "unique id"),
                _WHO,
                *_PLACE,
                Column("kind", "VARCHAR", "purchase, return, renewal, booking or churn"),
                Column("amount", "DOUBLE", "money in the client's currency; returns negative"),
                Column("margin", "DOUBLE", "contribution of the row, same currency"),
                Column("product", "VARCHAR", "product id"),
                Column("channel", "VARCHAR", "where it was bought"),
                Column("seller", "VARCHAR", "seller, store or unit"),
                Column("basket", "VARCHAR", "order the row belongs to (params key `group`)"),
                Column("link", "VARCHAR", "operational key other tables refer to"),
                *_SOURCE,
            ),
        ),
        Table(
            "interactions",
            "one row a contact, complaint, visit, click, call or delivery",
            "interaction",
            "O",
            (
                Column("interaction_id", "VARCHAR", "unique id"),
                _WHO,
                *_PLACE,
                Column("touchpoint", "VARCHAR", "touchpoint id"),
                Column("channel", "VARCHAR", "phone, letter, e-mail, web, store, ..."),
                Column("kind", "VARCHAR", "contact, complaint, visit, click, call, delivery, ..."),
                Column("link", "VARCHAR", "operational key (order, case)"),
                *_SOURCE,
            ),
        ),
        Table(
            "events",
            "one row a life event, campaign, price change or competitor's move",
            "descriptive",
            "O",
            (
                Column("event_id", "VARCHAR", "unique id"),
                Column("customer", "VARCHAR", "customer of a life event; null for market events"),
                *_PLACE,
                Column("date_end", "DATE", "last day, for campaigns"),
                Column("kind", "VARCHAR", "life_event, campaign, price_change, competitor, ..."),
                Column("name", "VARCHAR", "what happened"),
                Column("value", "DOUBLE", "size, e.g. the new price or spend"),
                *_SOURCE,
            ),
        ),
        Table(
            "responses",
            "one row an answered questionnaire or a star rating",
            "attitudinal",
            "X",
            (
                Column("response_id", "VARCHAR", "unique id"),
                _WHO,
                *_PLACE,
                Column("touchpoint", "VARCHAR", "touchpoint it is about"),
                Column("channel", "VARCHAR", "how it was collected"),
                Column("solicited", "BOOLEAN", "asked for (survey) or not (review)"),
                Column("first_party", "BOOLEAN", "collected by the company itself"),
                Column("weight", "DOUBLE", "survey weight; 1 where there is none"),
                Column("weighted", "BOOLEAN", "whether the source gave a weight"),
                Column("variant", "VARCHAR", "arm of a test"),
                Column("cluster", "VARCHAR", "what answers were given together in: a flight, a store and day"),
                Column("link", "VARCHAR", "operational key (order, case)"),
                *_SOURCE,
            ),
            segments=True,
        ),
        Table(
            "ratings",
            "response x item",
            "attitudinal",
            "X",
            (
                Column("response_id", "VARCHAR", "response the rating belongs to"),
                Column("brand", "VARCHAR", "of the response"),
                Column("period", "VARCHAR", "of the response"),
                Column("item", "VARCHAR", "item id of the params"),
                Column(
                    "role",
                    "VARCHAR",
                    "overall, nps, ces, expectation, attribute, intent, image or management (managers' view)",
                ),
                Column("scale", "VARCHAR", "scale id of the params"),
                Column("touchpoint", "VARCHAR", "the item's touchpoint, else the response's"),
                Column("value", "DOUBLE", "code on the scale; null if missing"),
                Column("missing", "VARCHAR", "never_asked, not_used, refused or blank; null if scored"),
                *_SOURCE,
            ),
        ),
        Table(
            "comments",
            "one row a text: verbatim, review, chat turn, ticket",
            "attitudinal",
            "X",
            (
                Column("comment_id", "VARCHAR", "unique id"),
                Column("response_id", "VARCHAR", "response it came with, if any"),
                _WHO,
                *_PLACE,
                Column("touchpoint", "VARCHAR", "touchpoint it is about"),
                Column("channel", "VARCHAR", "how it was collected"),
                Column("solicited", "BOOLEAN", "asked for or not"),
                Column("first_party", "BOOLEAN", "collected by the company itself"),
                Column("text", "VARCHAR", "the words, personal data masked"),
                Column("rating", "DOUBLE", "score given with it, if any"),
                Column("language", "VARCHAR", "ISO 639-1 code"),
                Column("conversation", "VARCHAR", "chat or ticket the text is a turn of; null if it stands alone"),
                Column("turn", "BIGINT", "place of the turn in its conversation, from 1"),
                Column("speaker", "VARCHAR", "customer or agent (an employee or a machine)"),
                *_SOURCE,
            ),
        ),
        Table(
            "invitations",
            "one row a customer asked (the non-response frame)",
            "descriptive",
            "-",
            (
                Column("invitation_id", "VARCHAR", "unique id"),
                _WHO,
                *_PLACE,
                Column("touchpoint", "VARCHAR", "touchpoint asked about"),
                Column("channel", "VARCHAR", "how they were asked"),
                Column("answered", "BOOLEAN", "whether an answer came"),
                Column("response_id", "VARCHAR", "the answer, if any"),
                *_SOURCE,
            ),
            segments=True,
        ),
        Table(
            "actions",
            "one row a follow-up taken",
            "interaction",
            "O",
            (
                Column("action_id", "VARCHAR", "unique id"),
                Column("customer", "VARCHAR", "customer followed up; null for a unit's action"),
                *_PLACE,
                Column("team", "VARCHAR", "unit or department"),
                Column("owner", "VARCHAR", "who is responsible"),
                Column("kind", "VARCHAR", "call, refund, fix, offer, ..."),
                Column("outcome", "VARCHAR", "open, done, recovered, lost, ..."),
                *_SOURCE,
            ),
        ),
    )
}

# Bookkeeping tables of the connect step; every run gets them beside the canonical ones.
REJECT_COLUMNS: Final = ("source", "file", "line", "column", "value", "reason", "table")
RECONCILIATION_COLUMNS: Final = (
    "source", "table", "channel", "rows_in", "rows_used", "rows_out_of_scope", "rows_rejected",
    "values_in", "values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected",
)  # fmt: skip
LINK_COLUMNS: Final = ("lookup", "from", "to", "rows", "matched", "rate")
MERGE_COLUMNS: Final = ("customer", "system", "key", "source", "rule")

ESTIMATE_COLUMNS: Final = (
    "run_id", "brand", "period", "model", "item", "metric", "estimand", "level", "group", "weighting",
    "mean", "median", "sd", "ci_low", "ci_high", "ci_prob", "ci_kind", "prob_gt_ref", "ref", "n", "n_eff", "unit",
    "verdict",
)  # fmt: skip
ESTIMATE_NUMBERS: Final = ("mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref")
FORECAST_COLUMNS: Final = (
    "run_id", "brand", "period", "model", "item", "metric", "level", "group", "weighting", "target_period",
    "mean", "sd", "q05", "q25", "q50", "q75", "q95", "unit",
)  # fmt: skip
FINDING_COLUMNS: Final = ("notebook", "id", "language", "sentence", "verdict", "numbers")
READINESS_COLUMNS: Final = (
    "section", "source", "touchpoint", "solicited", "structured", "kind", "n_in", "n_used", "n_rejected", "share",
    "verdict",
)  # fmt: skip
