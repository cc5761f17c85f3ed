"""What is known of customers beside their purchases: their latest experience, and what they last found wrong.

Nothing later than the day asked for is read, and nothing older than a year before it counts as known.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import literal
from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference.experiences import edges, question
from cxlab.params.models import Params
from cxlab.runs import UnitData

EXPERIENCE: Final = ("bad", "middling", "good")
NOT_KNOWN: Final = "unknown"
_DAYS: Final = 365

_ANSWERS: Final = """
    SELECT r.customer, arg_max(t.value, r.date) AS value, max(r.date) AS answered
    FROM ratings t JOIN responses r USING (response_id)
    WHERE t.item = $item AND t.value IS NOT NULL AND r.customer IS NOT NULL AND r.date > $since AND r.date <= $until
    GROUP BY r.customer"""
_COMPLAINTS: Final = """
    SELECT customer, touchpoint AS need, date FROM interactions
    WHERE kind = 'complaint' AND customer IS NOT NULL AND touchpoint IS NOT NULL AND date > $since AND date <= $until
    UNION ALL BY NAME
    SELECT customer, touchpoint AS need, date FROM comments
    WHERE NOT solicited AND first_party IS NOT FALSE AND customer IS NOT NULL AND touchpoint IS NOT NULL
        AND date > $since AND date <= $until"""


def experience(
    data: UnitData, params: Params, *, until: date, sentiment: pd.DataFrame | None = None
) -> pd.DataFrame | None:
    """Return the latest experience of customers who told it.

    The latest answer to the overall question counts; of customers who gave none, the latest sentiment of what they
    wrote, if given.

    Parameters
    ----------
    data : UnitData
    params : Params
    until : date
        No later answer is read.
    sentiment : DataFrame, optional
        ``customer, date, sentiment`` (-1 to 1) of comments.

    Returns
    -------
    DataFrame or None
        ``customer, experience`` (of `EXPERIENCE`), ``told`` (day), ``basis`` (rating, comment); None if nobody of the
        customers known told any.
    """
    since = until - timedelta(days=_DAYS)
    parts = []
    asked = question(data, params)
    if asked is not None:
        rows = data.sql(_ANSWERS, params={"item": asked.item, "since": since, "until": until})
        scale = next(s for s in params.scales.values() if tuple(s.codes) == asked.codes)
        bad = edges(scale)[0]
        place = rows["value"].map({float(c): i for i, c in enumerate(asked.codes)})
        word = np.where(place > asked.success, "good", np.where(place <= bad, "bad", "middling"))
        parts.append(rows.assign(experience=word, told=rows["answered"], basis="rating")[place.notna()])
    if sentiment is not None and len(sentiment):
        told = pd.to_datetime(sentiment["date"])
        near = sentiment[(told > pd.Timestamp(since)) & (told <= pd.Timestamp(until)) & sentiment["customer"].notna()]
        last = near.sort_values("date").groupby("customer", as_index=False).last()
        word = np.select([last["sentiment"] < -0.2, last["sentiment"] > 0.2], ["bad", "good"], "middling")
        parts.append(last.assign(experience=word, told=last["date"], basis="comment"))
    found = [p[["customer", "experience", "told", "basis"]] for p in parts if len(p)]
    if not found:
        return None
    return pd.concat(found, ignore_index=True).drop_duplicates("customer").reset_index(drop=True)


def needs(data: UnitData, params: Params, *, until: date, topics: pd.DataFrame | None = None) -> pd.DataFrame | None:
    """Return what customers last found wrong: a touchpoint rated badly or complained about, or a topic.

    Parameters
    ----------
    data : UnitData
    params : Params
    until : date
        Nothing later is read.
    topics : DataFrame, optional
        ``customer, date, need``: topics of unhappy comments, where a run has them.

    Returns
    -------
    DataFrame or None
        ``customer, need, date, basis`` (topic, rating, complaint), one row a customer; None if nothing is known.
    """
    since = until - timedelta(days=_DAYS)
    span = {"since": since, "until": until}
    parts = [
        _badly_rated(data, params, since=since, until=until),
        data.sql(_COMPLAINTS, params=span).assign(basis="complaint"),
    ]
    if topics is not None and len(topics):
        told = pd.to_datetime(topics["date"])
        near = topics[(told > pd.Timestamp(since)) & (told <= pd.Timestamp(until)) & topics["customer"].notna()]
        parts.append(near.assign(basis="topic"))
    found = [p[["customer", "need", "date", "basis"]] for p in parts if len(p)]
    if not found:
        return None
    whole = pd.concat([p.assign(date=pd.to_datetime(p["date"])) for p in found], ignore_index=True)
    whole = whole.sort_values(["date", "basis", "need"], kind="stable")
    return whole.drop_duplicates("customer", keep="last").sort_values("customer", ignore_index=True)


def labelled(customers: pd.Series, known: pd.DataFrame | None, column: str, *, most: int = 8) -> np.ndarray:
    """Return a label for each customer, ``unknown`` where nothing is known.

    Parameters
    ----------
    customers : Series
        Ids in the order wanted.
    known : DataFrame or None
        ``customer`` and `column`.
    column : str
    most : int
        Labels kept apart, the most frequent ones; the rest is ``other``.
    """
    if known is None or known.empty:
        return np.full(len(customers), NOT_KNOWN, object)
    found = known.set_index("customer")[column].reindex(customers)
    frequent = found.value_counts().index[:most]
    kept = found.where(found.isin(frequent) | found.isna(), "other")
    return kept.astype(object).where(kept.notna(), NOT_KNOWN).to_numpy(object)


def main_product(data: UnitData, *, until: date, column: str = "product", most: int = 12) -> pd.DataFrame | None:
    """Return the product (or channel) each customer bought most often; None where there are none or too many.

    Parameters
    ----------
    data : UnitData
    until : date
        Nothing later is read.
    column : str
        ``product``, ``channel`` or ``seller``.
    most : int
        Kinds above which they are no groups of customers.
    """
    if column not in ("product", "channel", "seller"):
        raise ModelError(
            Problem("customers have no such main thing", value=column, allowed="product, channel, seller",
                    nearest=nearest(column, ("product", "channel", "seller")))
        )  # fmt: skip
    rows = data.sql(
        f"""SELECT customer, {column} AS what, count(*) AS n, max(date) AS last FROM transactions
        WHERE customer IS NOT NULL AND {column} IS NOT NULL AND date <= DATE {literal(str(until))}
            AND kind IN ('purchase', 'booking', 'renewal')
        GROUP BY ALL ORDER BY customer, n DESC, last DESC, what"""
    )
    if rows.empty or not 2 <= rows["what"].nunique() <= most:
        return None
    return rows.drop_duplicates("customer")[["customer", "what"]].rename(columns={"what": column})


def _badly_rated(data: UnitData, params: Params, *, since: date, until: date) -> pd.DataFrame:
    """Touchpoints that customers rated badly, the worst of each answer."""
    items = data.items()
    items = items[(items["role"] == "attribute") & items["touchpoint"].notna()][["item", "scale"]].drop_duplicates()
    limits = [
        (item, params.scales[str(name)].codes[edges(params.scales[str(name)])[0]], params.scales[str(name)].codes)
        for item, name in items.itertuples(index=False)
    ]
    if not limits:
        return pd.DataFrame(columns=["customer", "need", "date", "basis"])
    listed = ", ".join(f"({literal(item)}, {worst}, {codes[0]}, {codes[-1]})" for item, worst, codes in limits)
    rows = data.sql(
        f"""SELECT r.customer, r.date, r.response_id, t.touchpoint AS need,
            (t.value - v.low) / nullif(v.high - v.low, 0) AS pos
        FROM ratings t JOIN responses r USING (response_id)
        JOIN (VALUES {listed}) v(item, worst, low, high) ON t.item = v.item
            AND (CASE WHEN v.high >= v.low THEN t.value <= v.worst ELSE t.value >= v.worst END)
        WHERE t.role = 'attribute' AND t.touchpoint IS NOT NULL AND r.customer IS NOT NULL
            AND r.date > $since AND r.date <= $until
        ORDER BY r.customer, r.response_id, pos, need""",
        params={"since": since, "until": until},
    )
    return rows.drop_duplicates("response_id").assign(basis="rating")
