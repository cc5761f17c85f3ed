"""Experience beside operations in time: what had happened to a customer when they spoke, never what came later.

Data carry days, not hours, so what happened on the very day of an answer counts as before it only if the caller says
so. `asof_join` looks back and may feed a model of that moment; `outcomes` looks forward, for the analysis of what
followed, and is a function of its own so that nobody mixes the two by a flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from cxlab.connect.sql import identifier
from cxlab.connect.store import Store
from cxlab.errors import DataError, Problem
from cxlab.vocab import OUTCOME, TABLES

_IDS = {
    "responses": "response_id",
    "comments": "comment_id",
    "transactions": "transaction_id",
    "interactions": "interaction_id",
    "events": "event_id",
    "invitations": "invitation_id",
    "actions": "action_id",
}
By = Literal["customer", "link"]


def asof_join(
    store: Store,
    events: str,
    others: Sequence[str],
    *,
    brand: str | None = None,
    until: str | None = None,
    by: By = "customer",
    same_day: bool = False,
) -> pd.DataFrame:
    """Join each event with the last thing that had happened before it in each other table.

    Parameters
    ----------
    store : Store
    events : str
        Table of the moments looked back from, e.g. ``responses``.
    others : sequence of str
        Tables looked at, e.g. ``["transactions", "interactions"]``.
    brand, until : str, optional
        Both sides are limited to what was known of the brand at the end of the period.
    by : {"customer", "link"}
        What ties the two: the person, or the operational key (order, case).
    same_day : bool
        Whether the event's own day counts as before it.

    Returns
    -------
    DataFrame
        One row an event that has a day: its id, `customer`, `brand`, `period`, `date`, and for each other table
        ``<table>_before`` (count), ``<table>_last`` (day, missing if none), ``<table>_days`` (days between the dates).
    """
    return _around(store, events, others, brand=brand, until=until, by=by, forward=False, same_day=same_day)


def outcomes(
    store: Store,
    events: str,
    others: Sequence[str],
    *,
    brand: str | None = None,
    until: str | None = None,
    by: By = "customer",
) -> pd.DataFrame:
    """Join each event with the next thing that happened after it in each other table.

    Looks into the event's future, though never beyond `until`: an outcome, never a covariate.

    Returns
    -------
    DataFrame
        As `asof_join`, with ``<table>_after`` (count), ``<table>_next`` (day) and ``<table>_days``.
    """
    return _around(store, events, others, brand=brand, until=until, by=by, forward=True, same_day=False)


def _around(
    store: Store,
    events: str,
    others: Sequence[str],
    *,
    brand: str | None,
    until: str | None,
    by: By,
    forward: bool,
    same_day: bool,
) -> pd.DataFrame:
    for name in (events, *others):
        if name not in _IDS:
            raise DataError(Problem("has no moments in time", value=name, allowed=", ".join(_IDS)))
        if by == "link" and "link" not in {c.name for c in TABLES[name].columns}:
            raise DataError(Problem("has no operational key", value=name, where="by: link"))
    sign = ("<" if forward else ">") + ("=" if same_day else "")
    words = ("after", "next") if forward else ("before", "last")
    order = "DESC" if forward else "ASC"
    picks, joins = [], []
    for i, name in enumerate(others):
        # one row a key and day with the running count: one as-of join then gives day and count
        joins.append(
            f"""ASOF LEFT JOIN (
                SELECT {by} AS key, date, sum(count(*)) OVER (PARTITION BY {by} ORDER BY date {order})::BIGINT AS n
                FROM {name} WHERE {by} IS NOT NULL AND date IS NOT NULL GROUP BY {by}, date) o{i}
            ON o{i}.key = e.{by} AND e.date {sign} o{i}.date"""
        )
        days = f"abs(date_diff('day', o{i}.date, e.date))"
        picks.append(f"coalesce(o{i}.n, 0) AS {name}_{words[0]}, o{i}.date AS {name}_{words[1]}, {days} AS {name}_days")
    key = _IDS[events]
    link = ", e.link" if by == "link" else ""
    query = f"""SELECT e.{key}, e.customer{link}, e.brand, e.period, e.date, {", ".join(picks)}
        FROM {events} e {" ".join(joins)} WHERE e.date IS NOT NULL ORDER BY e.{key}"""
    return store.sql(query, brand=brand, until=until)


def rated_too_early(
    store: Store,
    *,
    item: str | None = None,
    brand: str | None = None,
    until: str | None = None,
    same_day: bool = False,
) -> pd.DataFrame:
    """Tell how many ratings were given before the experience they are tied to had happened.

    A rating is tied to an interaction by the operational key. Rated before it, it judges something else (the wait, the
    promise), and no effect of the interaction can be read from it.

    Parameters
    ----------
    item : str, optional
        Default: the items of role ``overall`` and ``nps``.
    same_day : bool
        Whether an interaction of the very day counts as before the rating; as in `asof_join`, by default it does not,
        since days cannot tell.

    Returns
    -------
    DataFrame
        ``[touchpoint, outcome, happened, item, n, n_before, share_before, mean, mean_before, mean_after]``: one row a
        touchpoint and item (`outcome` empty), and one for each outcome that did or did not happen (`happened`).
    """
    sign = "<" if same_day else "<="
    named = [c for c in store.columns("interactions") if c.startswith(OUTCOME)]
    groups = [("''", "NULL::BOOLEAN"), *((f"'{c.removeprefix(OUTCOME)}'", f"i.{identifier(c)}") for c in named)]
    chosen = "t.item = $item" if item is not None else "t.role IN ('overall', 'nps')"
    parts = " UNION ALL ".join(
        f"""SELECT i.touchpoint, {name} AS outcome, {value} AS happened, t.item, t.value, r.date {sign} i.date AS early
        FROM linked i JOIN responses r USING (link) JOIN ratings t USING (response_id)
        WHERE t.value IS NOT NULL AND {chosen} AND r.date IS NOT NULL
            {"" if name == "''" else f"AND {value} IS NOT NULL"}"""
        for name, value in groups
    )
    query = f"""WITH linked AS (
            -- the first time it happened: a second delivery does not make the first answer early
            SELECT * FROM interactions WHERE link IS NOT NULL AND date IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY link, touchpoint ORDER BY date, interaction_id) = 1)
        SELECT touchpoint, outcome, happened, item, count(*) AS n, count(*) FILTER (WHERE early) AS n_before,
            avg(early::INTEGER) AS share_before, avg(value) AS mean, avg(value) FILTER (WHERE early) AS mean_before,
            avg(value) FILTER (WHERE NOT early) AS mean_after
        FROM ({parts}) GROUP BY ALL ORDER BY touchpoint, item, outcome, happened"""
    return store.sql(query, brand=brand, until=until, params={} if item is None else {"item": item})
