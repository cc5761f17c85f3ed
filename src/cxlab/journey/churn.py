"""Who left: the time after which a customer must be taken for gone, and experiences followed for that time.

What follows an experience is counted from the day after it, the past is what lies before it. Which of a customer's
experiences is followed does not depend on anything later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier
from cxlab.inference.experiences import BOUGHT, binned, columns_of, sampled
from cxlab.runs import UnitData
from cxlab.vocab import OUTCOME, SEGMENT, UNKNOWN

_LEAST_SPAN: Final = 120  # days of purchases below which nothing can be followed


@dataclass(frozen=True)
class Horizon:
    """How leaving is known.

    Attributes
    ----------
    days : int
        A customer who does nothing for so long after an experience has left.
    kind : str
        ``churn`` where the data say who left, else ``purchase`` (nothing bought within the horizon).
    first, last : Timestamp
        First and last day of the transactions.
    """

    days: int
    kind: str
    first: pd.Timestamp
    last: pd.Timestamp


def horizon(data: UnitData, *, least: int = 30) -> Horizon | None:
    """Learn from the data when a customer must be taken for gone; None if nobody's leaving can be known.

    Where the data say who left (kind ``churn``), a quarter of a year or less. Else the time within which nine in ten
    of those who bought again had done so, in whole weeks, at most a third of the time observed; it takes `least`
    customers who bought again.
    """
    found = data.sql(
        f"""SELECT min(date) AS first, max(date) AS last, count(*) FILTER (WHERE kind = 'churn') AS gone,
            count(DISTINCT customer) AS customers
        FROM transactions WHERE customer IS NOT NULL AND date IS NOT NULL AND kind IN ('churn', {BOUGHT[1:-1]})"""
    ).iloc[0]
    if not found["customers"] or (found["last"] - found["first"]).days < _LEAST_SPAN:
        return None
    first, last = pd.Timestamp(found["first"]), pd.Timestamp(found["last"])
    span = (last - first).days
    if found["gone"] >= least:
        return Horizon(min(91, span // 3), "churn", first, last)
    half = (first + pd.Timedelta(days=span // 2)).date()
    gaps = data.sql(
        f"""WITH days AS (SELECT DISTINCT customer, date FROM transactions
                WHERE kind IN {BOUGHT} AND customer IS NOT NULL AND date IS NOT NULL),
            gaps AS (SELECT customer, date,
                date_diff('day', date, lead(date) OVER (PARTITION BY customer ORDER BY date)) AS gap FROM days)
        SELECT quantile_cont(gap, 0.9) AS often, count(DISTINCT customer) AS n FROM gaps
        WHERE gap <= {span // 2} AND date <= DATE '{half}'"""
    ).iloc[0]
    if not gaps["n"] >= least:
        return None
    weeks = int(np.ceil(float(gaps["often"]) / 7))
    return Horizon(int(np.clip(7 * weeks, 28, max(28, span // 3 // 7 * 7))), "purchase", first, last)


def followed(data: UnitData, to: Horizon, *, basis: str, names: Sequence[str] = ()) -> pd.DataFrame:
    """Return experiences that can be followed for the whole horizon, with whether the customer left.

    The time before the last full horizon is cut into windows as long as the horizon, the latest first; of each
    customer and window the *first* experience is taken. Which one that is does not depend on anything later, so those
    who leave early are not counted at their last moment only. Only customers can leave: whoever churned by that day,
    or (where that is not recorded) bought nothing in the horizon up to it, is gone already or has never come.

    Parameters
    ----------
    data : UnitData
    to : Horizon
    basis : str
        ``rating`` (answered questionnaires with a rating of a touchpoint) or ``outcome`` (interactions).
    names : sequence of str
        Outcomes looked at.

    Returns
    -------
    DataFrame
        ``id`` (of the answer or interaction), ``customer, window, touchpoint, outcome:*, left`` and covariates as text:
        ``segment:*, past, recent, tenure``.
    """
    segments = [c for c in data.store.columns("customers") if c.startswith(SEGMENT)]
    flags = [identifier(OUTCOME + n) for n in names]
    if basis == "rating":
        source = """SELECT r.response_id AS id, r.customer, r.date, NULL::VARCHAR AS touchpoint FROM responses r
            WHERE r.response_id IN (SELECT response_id FROM ratings
                WHERE role = 'attribute' AND touchpoint IS NOT NULL AND value IS NOT NULL)"""
    else:
        some = " OR ".join(f"{f} IS NOT NULL" for f in flags)
        source = f"""SELECT interaction_id AS id, customer, date, touchpoint, {", ".join(flags)} FROM interactions
            WHERE touchpoint IS NOT NULL AND ({some})"""
    until = (to.last - pd.Timedelta(days=to.days)).date()
    since = (to.first + pd.Timedelta(days=to.days)).date()  # the horizon before it tells about past purchases
    size = data.sql(f"SELECT count(DISTINCT customer) AS n FROM ({source}) WHERE date <= DATE '{until}'")
    gone = "kind = 'churn'" if to.kind == "churn" else f"kind IN {BOUGHT}"
    left = "f.customer IS NOT NULL" if to.kind == "churn" else "f.customer IS NULL"
    before = "e.date <= x.date" + ("" if to.kind == "churn" else f" AND e.date >= x.date - {to.days}")
    rows = data.sql(
        f"""WITH source AS ({source}),
            met AS (SELECT *, date_diff('day', date, DATE '{until}') // {to.days} AS win FROM source
                WHERE customer IS NOT NULL AND date <= DATE '{until}' AND date >= DATE '{since}'
                    AND {sampled("customer", int(size["n"].iloc[0]))}),
            ix AS (SELECT * FROM met QUALIFY row_number() OVER (PARTITION BY customer, win ORDER BY date, id) = 1),
            came AS (SELECT customer, min(since) AS since{
            "".join(f", any_value({identifier(s)}) AS {identifier(s)}" for s in segments)
        } FROM customers GROUP BY customer),
            bought AS (SELECT DISTINCT customer, date FROM transactions WHERE kind IN {BOUGHT}),
            ends AS (SELECT DISTINCT customer, date FROM transactions WHERE {gone}),
            past AS (SELECT x.id, count(*) AS n, min(date_diff('day', b.date, x.date)) AS recent FROM ix x
                JOIN bought b ON b.customer = x.customer AND b.date < x.date AND b.date >= x.date - {to.days}
                GROUP BY x.id),
            f AS (SELECT DISTINCT x.id, x.customer FROM ix x JOIN ends e ON e.customer = x.customer
                AND e.date > x.date AND e.date <= x.date + {to.days}),
            before AS (SELECT DISTINCT x.id FROM ix x JOIN ends e ON e.customer = x.customer AND {before})
        SELECT x.*, {left} AS left_us, coalesce(p.n, 0) AS past, p.recent, date_diff('day', c.since, x.date) AS tenure
            {"".join(f", c.{identifier(s)}" for s in segments)}
        FROM ix x LEFT JOIN f USING (id) LEFT JOIN past p USING (id) LEFT JOIN came c ON c.customer = x.customer
        WHERE x.id {"NOT IN" if to.kind == "churn" else "IN"} (SELECT id FROM before) ORDER BY x.date, x.id"""
    )
    rows["past"] = binned(rows["past"], pd.Series(True, index=rows.index))
    ends = [-np.inf, to.days / 3, 2 * to.days / 3, np.inf]
    for name, edges_, labels in (
        ("recent", ends, ["new", "middling", "old"]),
        ("tenure", [-np.inf, 183, 731, np.inf], ["half a year", "two years", "longer"]),
    ):
        rows[name] = pd.cut(rows[name].astype(float), edges_, labels=labels).astype("string").fillna(UNKNOWN)
    return rows.rename(columns={"left_us": "left", "win": "window"})


def outcome_words(rows: pd.DataFrame, sides: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Return the outcomes of `followed` interactions as words of `moments.LEVELS`, a column a (touchpoint, side)."""
    found = {}
    for (touchpoint, outcome), side in sides.items():
        happened = rows[OUTCOME + outcome].where(rows["touchpoint"] == touchpoint)
        bad = happened if side == outcome else ~happened.astype("boolean")
        found[touchpoint, side] = bad.map({True: "bad", False: "good"}).fillna("unknown").astype(str)
    table = pd.DataFrame({k: v.to_numpy() for k, v in found.items()}, index=rows.index)
    table.columns = columns_of(list(found))
    return table
