"""Whom the answers stand for: the directory's customers and those who were asked, counted by groups and period.

Both are counts of people (or of invitations), never of answers, and know nothing later than the unit's period.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cxlab.connect.rules import PERIODS
from cxlab.connect.sql import identifier, literal
from cxlab.connect.store import Store
from cxlab.vocab import SEGMENT, UNKNOWN

# whoever has dealt with the unit's brand: has bought, used, answered, written or was asked
DEALT = " UNION ".join(
    f"SELECT customer FROM {table} WHERE customer IS NOT NULL"
    for table in ("transactions", "interactions", "responses", "comments", "invitations")
)
KNOWN = 0.5  # a frame knows a factor when it names the group of at least this share of its rows


def customer_base(
    store: Store, factors: Sequence[str], *, periods: Sequence[str], brand: str | None = None, until: str | None = None
) -> pd.DataFrame:
    """Count the customers of a brand at the end of each period.

    A customer counts from the period of ``since`` on (from the first one where it is missing) and until they leave: a
    transaction of kind ``churn`` with no purchase after it. A brand's customers are those of `own_customers`; where it
    has none, customers of whom no brand is known.

    Parameters
    ----------
    store : Store
    factors : sequence of str
        Factors of a model; those that are no segment of the directory are left out.
    periods : sequence of str
        Period labels in order.
    brand, until : str, optional
        The unit.

    Returns
    -------
    DataFrame
        ``[*known factors, "period", "population"]``, a missing group as `vocab.UNKNOWN`; empty without customers.
    """
    known = [f for f in factors if f.startswith(SEGMENT) and f in store.columns("customers")]
    groups = "".join(f"coalesce(c.{identifier(f)}, {literal(UNKNOWN)}) AS {identifier(f)}, " for f in known)
    label = PERIODS[store.summary["grain"]][1]
    mine = "true"
    if brand is not None:
        mine = """CASE WHEN (SELECT count(*) FROM own) > 0 THEN c.customer IN (FROM own) ELSE c.brand IS NULL END"""
    query = f"""WITH own AS ({own_customers(brand)}),
        ended AS (
            SELECT customer, max(d) FILTER (WHERE kind = 'churn') AS d,
                max(d) FILTER (WHERE kind = 'purchase') AS bought
            FROM (SELECT customer, kind, date AS d FROM transactions) GROUP BY customer)
        SELECT {groups}(SELECT {label} FROM (SELECT c.since AS d)) AS _from,
            CASE WHEN e.bought IS NULL OR e.bought <= e.d THEN (SELECT {label} FROM (SELECT e.d AS d)) END AS _gone,
            count(*) AS n
        FROM customers c LEFT JOIN ended e USING (customer) WHERE {mine} GROUP BY ALL"""
    found = store.sql(query, brand=brand, until=until)
    parts = []
    for period in periods:
        there = found["_from"].isna() | (found["_from"] <= period)
        there &= found["_gone"].isna() | (found["_gone"] > period)
        parts.append(found[there].assign(period=period))
    return _counted(parts, known, "n", "population")


def own_customers(brand: str | None) -> str:
    """Return the SELECT of a brand's own customers, to be run by `Store.sql` for that brand.

    They are those whom the directory gives to the brand and those who have dealt with it, whatever the directory says;
    customers of the client's other brands are none of them. None takes everybody.
    """
    named = "" if brand is None else f" WHERE brand = {literal(brand)}"
    return f"SELECT customer FROM customers{named} UNION {DEALT}"


def invited(
    store: Store, factors: Sequence[str], *, brand: str | None = None, until: str | None = None
) -> pd.DataFrame:
    """Count those who were asked and those who answered, in each period.

    A segment that the invitation does not name is taken from the directory.

    Parameters
    ----------
    store, factors, brand, until
        As for `customer_base`; here touchpoint and channel are known, too.

    Returns
    -------
    DataFrame
        ``[*known factors, "period", "asked", "answered"]``; empty without invitations.
    """
    own, directory = store.columns("invitations"), store.columns("customers")
    known, picks = [], []
    for factor in factors:
        sources = [f"i.{identifier(factor)}"] if factor in own else []
        sources += [f"c.{identifier(factor)}"] if factor.startswith(SEGMENT) and factor in directory else []
        if sources:
            known.append(factor)
            picks.append(f"coalesce({', '.join(sources)}, {literal(UNKNOWN)}) AS {identifier(factor)}, ")
    found = store.sql(
        f"""SELECT {"".join(picks)}i.period, count(*) AS asked, count(*) FILTER (WHERE i.answered) AS answered
        FROM invitations i LEFT JOIN customers c USING (customer)
        WHERE i.period IS NOT NULL GROUP BY ALL ORDER BY ALL""",
        brand=brand,
        until=until,
    )
    return found[[*known, "period", "asked", "answered"]]


def told_apart(frame: pd.DataFrame, factors: Sequence[str], count: str) -> tuple[str, ...]:
    """Return the factors whose group a frame of counts names for at least half of its people, in order."""
    total = float(frame[count].sum()) if len(frame) else 0.0
    if not total:
        return ()
    named = {f: float(frame.loc[frame[f] != UNKNOWN, count].sum()) for f in factors if f in frame.columns}
    return tuple(f for f in factors if f in named and named[f] >= KNOWN * total)


def _counted(parts: Sequence[pd.DataFrame], known: Sequence[str], count: str, name: str) -> pd.DataFrame:
    keys = [*known, "period"]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*keys, count])
    return whole.groupby(keys, sort=True)[count].sum().rename(name).to_frame().reset_index()
