"""Who comes back: rates a period, and first purchases with the spells until the second one.

The base of a period are the customers who bought in the year before it began. The repurchase rate is the share of them
who bought in the period; the service-return rate the share who came for service in it. Periods are alike but not the
same, so thin ones borrow from all: rate_p ~ Beta(m c, (1 - m) c) with m and c learned on a grid, drawn exactly.

Only customers whose first purchase is seen have a first choice: of those who came before the data begin, it is not
known. What happened after the first purchase (a late delivery of that order, what they said) is known from the week
after it.

References
----------
Gelman et al. (2013), Bayesian Data Analysis, ch. 5 (beta-binomial hierarchies), doi:10.1201/b16018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import betaln

from cxlab.connect.sql import identifier
from cxlab.inference.experiences import NOT
from cxlab.params.models import Params
from cxlab.params.periods import Period
from cxlab.runs import UnitData
from cxlab.value.rfm.history import History
from cxlab.value.segments.experience import answers
from cxlab.vocab import OUTCOME

SERVICE_KINDS: Final = ("service", "repair", "maintenance", "inspection", "contact", "complaint", "call")
RATES: Final = ("repurchase_rate", "service_return_rate")
OTHER: Final = "other"
AMOUNTS: Final = ("low", "middle", "high")
_YEAR: Final = timedelta(days=365)
_GRID: Final = 60
_FEW: Final = 3  # periods below which nothing is learned about how alike they are
_MOST: Final = 12_000  # customers; of more a fixed share is drawn by hash
_LEVELS: Final = 15  # products kept apart
_LEAST: Final = 30  # customers of a level that is kept apart
_OUTCOMES: Final = 4  # kinds of what happened that are looked at
_SERVED: Final = """
    SELECT DISTINCT customer, date FROM interactions WHERE customer IS NOT NULL AND date <= $end
        AND (list_contains($kinds, kind) OR list_contains($touchpoints, touchpoint))"""


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


def rates(history: History, data: UnitData, periods: Sequence[Period], *, service: Sequence[str] = ()) -> pd.DataFrame:
    """Count who came back in each period.

    Parameters
    ----------
    history : History
    data : UnitData
    periods : sequence of Period
        In order; those before which nobody is seen for a year at least in part are left out.
    service : sequence of str
        Kinds or touchpoints of interactions that are service; default `SERVICE_KINDS`.

    Returns
    -------
    DataFrame
        ``rate`` (of `RATES`), ``period``, ``n`` (base), ``came``; no rows of the service-return rate where no
        interaction is service.
    """
    asked = {"kinds": list(service) or list(SERVICE_KINDS), "touchpoints": list(service), "end": history.end}
    served = data.sql(_SERVED, params=asked)
    day = pd.to_datetime(served["date"]).dt.date
    rows: list[tuple[object, ...]] = []
    for period in (p for p in periods if p.start > history.first):
        before = period.start - timedelta(days=1)
        base = history.spending(period.start - _YEAR - timedelta(days=1), before).index
        if base.empty:
            continue
        again = history.spending(before, min(period.end, history.end)).index
        rows.append((RATES[0], period.label, len(base), int(base.isin(again).sum())))
        if len(served):
            came = served.loc[(day >= period.start) & (day <= period.end), "customer"]
            rows.append((RATES[1], period.label, len(base), int(base.isin(came).sum())))
    return pd.DataFrame(rows, columns=["rate", "period", "n", "came"])


def rate_draws(n: np.ndarray, came: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Draw the rates of periods, each borrowing from all.

    Parameters
    ----------
    n, came : arrays of int (period,)
    draws, seed : int

    Returns
    -------
    array (draw, period)
    """
    n, came = np.asarray(n, float), np.asarray(came, float)
    random = np.random.default_rng([seed, 15])
    if len(n) < _FEW:
        return random.beta(0.5 + came, 0.5 + n - came, (draws, len(n)))
    # m uniform; the weight c of the others, in customers, with density (1 + c)^(-3/2): flat in the sd of rates
    seen, around = (came + 0.5) / (n + 1), (came.sum() + 0.5) / (n.sum() + 1)
    wide = 6 * np.sqrt((seen.var() + (around * (1 - around) / (n + 1)).mean()) / len(n))
    centre = np.unique(np.clip(np.linspace(around - wide, around + wide, 2 * _GRID + 1), 1e-4, 1 - 1e-4))
    weight = np.exp(np.linspace(0.0, np.log(1e5), _GRID))
    m, c = (v.ravel() for v in np.meshgrid(centre, weight, indexing="ij"))
    a, b = m * c, (1 - m) * c
    log = np.log(c) - 1.5 * np.log1p(c)
    log += (betaln(a[:, None] + came, b[:, None] + n - came) - betaln(a, b)[:, None]).sum(axis=1)
    mass = np.exp(log - log.max())
    chosen = random.choice(len(mass), draws, p=mass / mass.sum())
    return random.beta(a[chosen, None] + came, b[chosen, None] + n - came)


def first_purchases(data: UnitData, params: Params, history: History, *, least: int = _LEAST) -> First | None:
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
    met = "".join(
        f", min(i.date) FILTER (WHERE {'NOT ' * no}i.{identifier(c)}) AS {identifier(NOT * no + c)}"
        for c in flags
        for no in (False, True)
    )
    of = max(1, -(-history.counts["customers"] // _MOST))
    v, end = history.visits, pd.Timestamp(history.end)
    taken = pd.util.hash_array(v.names) % of == 0
    rows = pd.DataFrame({"customer": v.names, "first": pd.to_datetime(v.first), "older": v.older})
    rows["second"] = pd.Series(pd.to_datetime(v.day), index=v.who).groupby(level=0).nth(1).reindex(rows.index)
    rows = rows[taken & ~v.older].reset_index(drop=True)
    bought = data.sql(
        f"""WITH bought AS (SELECT customer, date, amount, product, channel, link FROM transactions
            WHERE customer IS NOT NULL AND date <= $end AND kind IN ('purchase', 'booking', 'renewal')
                AND (amount IS NULL OR amount >= 0)
            QUALIFY date = min(date) OVER (PARTITION BY customer)),
        chosen AS (SELECT customer, any_value(date) AS date, arg_max(product, coalesce(amount, 0)) AS product,
            arg_max(channel, coalesce(amount, 0)) AS channel, sum(amount) AS amount,
            list(DISTINCT link) FILTER (WHERE link IS NOT NULL) AS links FROM bought GROUP BY customer),
        met AS (SELECT c.customer{met} FROM chosen c JOIN interactions i ON i.customer = c.customer
            AND list_contains(c.links, i.link) AND i.date >= c.date GROUP BY c.customer)
        SELECT c.* EXCLUDE (links, date), m.* EXCLUDE (customer) FROM chosen c LEFT JOIN met m USING (customer)""",
        params={"end": history.end},
    )
    rows = rows.merge(bought, on="customer", how="left")
    days = (rows["second"].fillna(end) - rows["first"]).dt.days
    back = rows["second"].notna()
    weeks = np.where(back, (days - 1).clip(lower=0) // 7, days // 7)  # a second purchase on day 7 is in the first week
    seen = back.to_numpy() | (weeks > 0)
    if seen.sum() < least:
        return None
    spells = pd.DataFrame({"customer": rows["customer"], "weeks": weeks, "bought": back})
    spells = spells.assign(**{c: _frequent(rows[c], least) for c in ("product", "channel")})
    spells["amount"] = _terciles(rows["amount"])
    since = {}
    for flag in flags:
        name = flag.removeprefix(OUTCOME)
        yes, no = (_week(rows["first"], pd.to_datetime(rows[c])) for c in (flag, NOT + flag))
        spells[name] = np.where(yes.notna(), name, np.where(no.notna(), NOT + name, ""))
        since[name], spells[f"{name}_week"] = f"{name}_week", yes.fillna(no)
    told = answers(data, params, since=history.first - timedelta(days=1), until=history.end)
    if told is not None:
        both = told.merge(rows[["customer", "first"]], on="customer")
        both = both[pd.to_datetime(both["told"]) >= both["first"]].drop_duplicates("customer").set_index("customer")
        both = both.reindex(rows["customer"]).reset_index()
        spells["experience"] = both["experience"].fillna("")
        since["experience"], spells["experience_week"] = "experience_week", _week(rows["first"], both["told"])
    spells = spells[seen].reset_index(drop=True)
    features = [f for f in ("product", "channel", "amount", *since) if _differs(spells[f], least)]
    before = int(v.older[taken].sum())
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
    return text.where(text.isin(count[count >= least].index[:_LEVELS]) | text.isna(), OTHER).fillna("")


def _terciles(amount: pd.Series) -> pd.Series:
    values = amount.astype(float)
    if values.nunique() < len(AMOUNTS):
        return pd.Series("", index=amount.index)
    low, high = values.quantile([1 / 3, 2 / 3])
    word = np.select([values <= low, values <= high], AMOUNTS[:2], AMOUNTS[2])
    return pd.Series(np.where(values.notna(), word, ""), index=amount.index)


def _week(begin: pd.Series, when: pd.Series) -> pd.Series:
    """Week from which something is known: the one after it happened."""
    days = (pd.to_datetime(when) - begin).dt.days
    return (days // 7 + 1).where(days >= 0).astype(float)


def _differs(values: pd.Series, least: int) -> bool:
    """Whether two levels are large enough to be compared, or a single one with those of whom nothing is known."""
    n = values.fillna("").value_counts()
    known = n[n.index != ""]
    return int((known >= least).sum()) >= 2 or (len(known) == 1 and bool((n >= least).all()) and len(n) == 2)
