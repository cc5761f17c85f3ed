"""First choices: what new customers bought first, what happened then, and how long until they bought again.

Only customers whose first purchase is seen count: of those who came before the data begin, it is not known. What
happened after the first purchase (a late delivery of that order, what they said) is known from the week after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier
from cxlab.inference.experiences import NOT, edges, question
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.value.rfm import History
from cxlab.vocab import OUTCOME

OTHER: Final = "other"
AMOUNTS: Final = ("low", "middle", "high")
_MOST: Final = 12_000  # customers; of more a fixed share is drawn by hash
_LEVELS: Final = 15  # products kept apart
_LEAST: Final = 30  # customers of a level that is kept apart
_OUTCOMES: Final = 4  # kinds of what happened that are looked at


@dataclass(frozen=True)
class First:
    """First purchases and the spells until the second one.

    Attributes
    ----------
    spells : DataFrame
        One row a new customer: ``customer, weeks, bought`` and the features; see
        `cxlab.value.second_purchase.model_data`.
    features : tuple of str
        ``product, channel, amount, experience`` and outcomes, as far as they are known and differ.
    since : dict of str to str
        Feature -> column of the week from which it holds.
    before : int
        Customers left out because they came before the data begin.
    """

    spells: pd.DataFrame
    features: tuple[str, ...]
    since: dict[str, str]
    before: int


def first(data: UnitData, params: Params, history: History, *, least: int = _LEAST) -> First | None:
    """Read first purchases; None if fewer than `least` new customers are seen.

    Parameters
    ----------
    data : UnitData
    params : Params
    history : History
        Its last day ends the spells.
    least : int
        Customers a level (and the whole) needs to be looked at.
    """
    flags = [c for c in data.store.columns("interactions") if c.startswith(OUTCOME)][:_OUTCOMES]
    of = max(1, -(-history.counts["customers"] // _MOST))
    happened = "".join(
        f""", min(i.date) FILTER (WHERE i.{identifier(c)}) AS {identifier(c)},
            min(i.date) FILTER (WHERE NOT i.{identifier(c)}) AS {identifier(NOT + c)}"""
        for c in flags
    )
    rows = data.sql(
        f"""WITH bought AS (SELECT customer, date, amount, product, channel, link FROM transactions
            WHERE customer IS NOT NULL AND date <= $end AND kind IN ('purchase', 'booking', 'renewal')
                AND (amount IS NULL OR amount >= 0) AND hash(customer) % $of = 0),
        days AS (SELECT DISTINCT customer, date FROM bought),
        spans AS (SELECT customer, date AS first, lead(date) OVER (PARTITION BY customer ORDER BY date) AS second
            FROM days QUALIFY row_number() OVER (PARTITION BY customer ORDER BY date) = 1),
        chosen AS (SELECT s.customer, any_value(s.first) AS first, any_value(s.second) AS second,
            arg_max(b.product, coalesce(b.amount, 0)) AS product, arg_max(b.channel, coalesce(b.amount, 0)) AS channel,
            sum(b.amount) AS amount, list(DISTINCT b.link) FILTER (WHERE b.link IS NOT NULL) AS links
            FROM spans s JOIN bought b ON b.customer = s.customer AND b.date = s.first GROUP BY s.customer),
        came AS (SELECT customer, min(since) AS since FROM customers GROUP BY customer),
        met AS (SELECT c.customer{happened} FROM chosen c
            JOIN interactions i ON i.customer = c.customer AND list_contains(c.links, i.link) AND i.date >= c.first
            GROUP BY c.customer)
        SELECT c.* EXCLUDE (links), coalesce(k.since < $begin, false) AS before
            {"".join(f", m.{identifier(f)}, m.{identifier(NOT + f)}" for f in flags)}
        FROM chosen c LEFT JOIN came k USING (customer) LEFT JOIN met m USING (customer) ORDER BY c.customer""",
        params={"end": history.end, "begin": history.first, "of": of},
    )
    before = int(rows["before"].sum())
    rows = rows[~rows["before"].astype(bool)].reset_index(drop=True)
    begin, second = pd.to_datetime(rows["first"]), pd.to_datetime(rows["second"])
    end = second.fillna(pd.Timestamp(history.end))
    days = (end - begin).dt.days
    bought = second.notna()
    weeks = np.where(
        bought, (days - 1).clip(lower=0) // 7, days // 7
    )  # a second purchase on day 7 is in the first week
    kept = bought.to_numpy() | (weeks > 0)
    if kept.sum() < least:
        return None
    spells = pd.DataFrame({"customer": rows["customer"], "weeks": weeks, "bought": bought})
    spells["product"] = _frequent(rows["product"], least)
    spells["channel"] = _frequent(rows["channel"], least)
    spells["amount"] = _terciles(rows["amount"])
    since = {}
    for flag in flags:
        name = flag.removeprefix(OUTCOME)
        yes, no = (_week(begin, pd.to_datetime(rows[c])) for c in (flag, NOT + flag))
        spells[name] = np.where(yes.notna(), name, np.where(no.notna(), NOT + name, ""))
        since[name], spells[f"{name}_week"] = f"{name}_week", yes.fillna(no)
    told = _told(data, params, rows)
    if told is not None:
        when = _week(begin, pd.to_datetime(told["date"]))
        spells["experience"] = told["word"].where(when.notna()).fillna("").to_numpy()
        since["experience"], spells["experience_week"] = "experience_week", when
    spells = spells[kept].reset_index(drop=True)
    features = [f for f in ("product", "channel", "amount", *since) if _differs(spells[f], least)]
    return First(spells, tuple(features), {f: w for f, w in since.items() if f in features}, before)


def choices(spells: pd.DataFrame, feature: str = "product") -> pd.DataFrame:
    """Return what new customers chose first: ``level, n, share``, the most frequent first."""
    known = spells[feature].fillna("")
    n = known[known != ""].value_counts()
    return pd.DataFrame({"level": n.index.astype(str), "n": n.to_numpy(), "share": n.to_numpy() / max(n.sum(), 1)})


def _frequent(values: pd.Series, least: int) -> pd.Series:
    """Levels with enough customers, the rest as one."""
    text = values.astype("string")
    count = text.value_counts()
    kept = count[count >= least].index[:_LEVELS]
    return text.where(text.isin(kept) | text.isna(), OTHER).fillna("")


def _terciles(amount: pd.Series) -> pd.Series:
    values = amount.astype(float)
    if values.nunique() < len(AMOUNTS):
        return pd.Series("", index=amount.index)
    low, high = values.quantile([1 / 3, 2 / 3])
    word = np.select([values <= low, values <= high], AMOUNTS[:2], AMOUNTS[2])
    return pd.Series(np.where(values.notna(), word, ""), index=amount.index)


def _week(begin: pd.Series, when: pd.Series) -> pd.Series:
    """Week from which something is known: the one after it happened."""
    days = (when - begin).dt.days
    return (days // 7 + 1).where(days >= 0).astype(float)


def _told(data: UnitData, params: Params, rows: pd.DataFrame) -> pd.DataFrame | None:
    """What new customers first answered after their first purchase, in the order of `rows`."""
    asked = question(data, params)
    if asked is None:
        return None
    said = data.sql(
        """SELECT r.customer, r.date, t.value FROM ratings t JOIN responses r USING (response_id)
        WHERE t.item = $item AND t.value IS NOT NULL AND r.customer IS NOT NULL AND r.date IS NOT NULL
        ORDER BY r.date""",
        params={"item": asked.item},
    )
    both = said.merge(rows[["customer", "first"]], on="customer")
    both = both[pd.to_datetime(both["date"]) >= pd.to_datetime(both["first"])].drop_duplicates("customer")
    scale = next(s for s in params.scales.values() if tuple(s.codes) == asked.codes)
    place = both["value"].map({float(c): i for i, c in enumerate(asked.codes)})
    word = np.select([place > asked.success, place <= edges(scale)[0]], ["good", "bad"], "middling")
    found = both.assign(word=word).set_index("customer")[["word", "date"]]
    return found.reindex(rows["customer"]).reset_index(drop=True)


def _differs(values: pd.Series, least: int) -> bool:
    """Whether two levels are large enough to be compared, or a single one with those of whom nothing is known."""
    n = values.fillna("").value_counts()
    known = n[n.index != ""]
    return int((known >= least).sum()) >= 2 or (len(known) == 1 and bool((n >= least).all()) and len(n) == 2)
