"""What customers bought and when: read once, then asked as of any day, never of a later one.

Days between dates count, not spans of 24 hours; several purchases of a day are one. Returns and negative amounts are no
purchases: those of the same day are taken off the day's money, and a day whose purchases were all taken back is no
purchase; later ones lower what the customer pays on average, and nobody's frequency. A customer's age begins with the
first purchase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value.rfm import covariates as traits
from cxlab.value.rfm.covariates import Asked, Traits, Wanted

LEAST_CUSTOMERS: Final = 30  # with fewer, a brand has no distribution of customers to speak of
LEAST_AGAIN: Final = 10  # who bought a second time
REGULAR: Final = 0.25  # spread of a customer's intervals over their mean below which they are a schedule
RENEWED: Final = 0.2  # share of renewals among purchases from which on they are contracts
ENDED: Final = 0.02  # share of customers whose end is recorded from which on ends are seen
_FEW: Final = 0.05  # share of customers below which they are no group of their own
_LATE: Final = 1.5  # intervals without a payment after which a contract counts as ended, where nothing is regular
_SILENT: Final = 3  # usual intervals without a purchase after which a customer has fallen silent
_TOLD: Final = 0.5  # share of the silent whose end must be recorded for ends to be seen
_DAYS_LATE: Final = 7  # that a regular payment may be late
_MIXED: Final = 1.5  # long over short intervals of customers from which on contracts are of several lengths

_BOUGHT: Final = "kind IN ('purchase', 'booking', 'renewal') AND (amount IS NULL OR amount >= 0)"
_BACK: Final = "kind = 'return' OR (kind <> 'churn' AND amount < 0)"
_VISITS: Final = f"""
    WITH days AS (SELECT customer, date, count(*) FILTER (WHERE {_BOUGHT}) AS n,
        sum(amount) FILTER (WHERE {_BOUGHT}) AS paid, sum(abs(amount)) FILTER (WHERE {_BACK}) AS back
        FROM transactions WHERE customer IS NOT NULL AND date <= $until GROUP BY customer, date)
    SELECT customer, date, paid, back, n > 0 AS bought,
        n > 0 AND NOT coalesce(back > 0 AND back >= paid, false) AS visit
    FROM days WHERE n > 0 OR back > 0 ORDER BY customer, date"""
_COUNTS: Final = """
    WITH bought AS (SELECT * FROM transactions WHERE kind IN ('purchase', 'booking', 'renewal')),
    used AS (SELECT * FROM bought WHERE customer IS NOT NULL AND date <= $until AND (amount IS NULL OR amount >= 0))
    SELECT (SELECT count(*) FROM bought) AS rows,
        (SELECT count(*) FROM used) AS used,
        (SELECT count(*) FROM bought WHERE customer IS NULL) AS anonymous,
        (SELECT count(*) FROM bought WHERE date IS NULL) AS undated,
        (SELECT count(*) FROM transactions WHERE date > $until) AS later,
        (SELECT count(*) FROM bought WHERE amount < 0) AS negative,
        (SELECT count(*) FROM transactions WHERE kind = 'return') AS returns,
        (SELECT count(*) FROM used WHERE amount IS NULL) AS unpriced,
        (SELECT count(*) FROM used WHERE amount = 0) AS free,
        (SELECT sum(margin) / nullif(sum(amount), 0) FROM used WHERE margin IS NOT NULL AND amount > 0) AS margin,
        (SELECT count(*) FROM used) - (SELECT count(*) FROM (SELECT DISTINCT customer, date FROM used)) AS same_day,
        (SELECT count(*) FROM used) - (SELECT count(*) FROM (SELECT DISTINCT customer, date, kind, amount, margin,
            product, channel, seller, basket, link FROM used)) AS twice,
        (SELECT count(*) FROM used WHERE kind = 'renewal') AS renewals"""
_ENDS: Final = """
    SELECT customer, max(date) AS gone FROM transactions
    WHERE kind = 'churn' AND customer IS NOT NULL AND date <= $until GROUP BY customer"""
_OLDER: Final = "SELECT DISTINCT customer FROM customers WHERE since < $first AND customer IS NOT NULL"
_LAST: Final = "SELECT max(date) AS day FROM transactions WHERE kind IN ('purchase', 'booking', 'renewal', 'return')"


@dataclass(frozen=True)
class Visits:
    """Days of purchase, sorted by customer and day.

    Attributes
    ----------
    names : array of str (customer,)
    who : array of int (visit,)
        Place of the customer.
    day : array of datetime64[D] (visit,)
    amount : array (visit,)
        What was paid, less what was returned on the same day; NaN where no amount is known.
    returns : DataFrame
        ``who, day, amount`` of what was returned on other days.
    older : array of bool (customer,)
        Whether they are known to have come before the data begin.
    """

    names: np.ndarray
    who: np.ndarray
    day: np.ndarray
    amount: np.ndarray
    returns: pd.DataFrame
    older: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """Day of the first visit, (customer,)."""
        return self.day[self.begins]

    @cached_property
    def begins(self) -> np.ndarray:
        """Place of each customer's first visit."""
        return np.flatnonzero(np.diff(self.who, prepend=-1))

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Money paid before each visit, and visits whose amount is known."""
        sums = (np.nan_to_num(self.amount), ~np.isnan(self.amount))
        money, priced = (np.concatenate([[0.0], np.cumsum(v)]) for v in sums)
        return money, priced

    def count(self, until: np.datetime64) -> np.ndarray:
        """Return how many visits each customer had made by the end of a day, (customer,)."""
        return np.bincount(self.who[self.day <= until], minlength=len(self.names))

    def paid(self, since: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return money and priced visits of each customer between two numbers of visits, (customer,)."""
        money, priced = (s[self.begins + until] - s[self.begins + since] for s in self._sums)
        return money, priced

    def returned(self, since: np.datetime64, until: np.datetime64) -> np.ndarray:
        """Return what each customer returned after one day until another, apart from the day of purchase."""
        some = self.returns[(self.returns["day"] > since) & (self.returns["day"] <= until)]
        return np.bincount(some["who"], some["amount"], len(self.names))


@dataclass(frozen=True)
class Contract:
    """Why the data are contracts.

    Attributes
    ----------
    reason : str
        ``renewals`` or ``ends`` are recorded, or purchases come at regular ``intervals``.
    every : int
        Days from one payment to the next; where contracts of several lengths are mixed, of the short ones.
    share : float
        Of renewals among purchases, of customers whose end is recorded, or the spread of intervals over their mean.
    late : float
        Intervals without a payment after which a contract counts as ended. The more regular payments are, the fewer
        days are waited: who is late while the data end would count as running.
    own : int
        Above 0: payments are regular, and every customer is judged by the own interval; who paid once only by this
        one, the longest that is usual.
    """

    reason: str
    every: int
    share: float
    late: float = _LATE
    own: int = 0


@dataclass(frozen=True)
class History:
    """Purchases of a unit up to a day.

    Attributes
    ----------
    data : Asked
    end : date
        Last day of observation.
    visits : Visits
    counts : dict of str to int
        ``rows`` of purchases, ``used``; ``customers``, ``again`` (bought on a second day); set apart: ``anonymous``,
        ``undated``, ``later``, ``negative``, ``returns``, ``cancelled``; told: ``same_day``, ``twice``, ``unpriced``,
        ``free``, ``before`` (customers known to have come before the first purchase that is seen).
    returned : float
        Money that known customers returned as a share of what they spent; 0 if nothing was.
    margin : float
        Contribution as a share of spend where it is known, else 1.
    contract : Contract or None
        Not None where leaving is seen or a schedule governs: no model of silent leaving is fitted then.
    why_not : tuple of Problem
        Why no model of repeat buying can be fitted; empty if one can.
    notes : tuple of Problem
        What was set apart or merged, one sentence each.
    traits : Traits or None
        Covariates asked for: segments and life events.
    """

    data: Asked
    end: date
    visits: Visits
    counts: dict[str, int]
    returned: float
    margin: float
    contract: Contract | None
    why_not: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    traits: Traits | None = None

    @property
    def first(self) -> date:
        """Day of the first purchase."""
        return _date(self.visits.day.min()) if len(self.visits.day) else self.end

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns of `customers` that a model should know: those who came before the data begin are another kind.

        Their first purchase seen is not their first, and those of them who had left are not seen at all.
        """
        share = self.counts["before"] / max(self.counts["customers"], 1)
        return ("before",) if _FEW <= share <= 1 - _FEW else ()

    def customers(self, *, until: date | None = None, known: date | None = None, of: int = 1) -> pd.DataFrame:
        """Return frequency, recency and age (weeks) of customers as of a day.

        Parameters
        ----------
        until : date, optional
            No later purchase is read; default the end.
        known : date, optional
            Only customers whose first purchase was not later.
        of : int
            Take one customer in so many, by hash.

        Returns
        -------
        DataFrame
            ``customer, first, x, recency, age, spend, before``: repeat days of purchase, their average amount less
            returns (missing without one; the first purchase is no part of it), and whether the customer is known to
            have come before the data begin (1 or 0); covariates asked for, as of `known` (1 or 0).

        Raises
        ------
        ModelError
            If no model of repeat buying can be fitted, with every reason.
        """
        if self.why_not:
            raise ModelError(self.why_not)
        day, knowing, v = _day(until or self.end), known or until or self.end, self.visits
        n = v.count(day)
        some = (v.first <= _day(knowing)) & (n > 0)
        if of > 1:
            some &= pd.util.hash_array(v.names) % of == 0
        whole, priced = v.paid(np.minimum(n, 1), n)
        total, _ = v.paid(np.zeros_like(n), n)
        with np.errstate(invalid="ignore", divide="ignore"):
            net = np.where(total > 0, np.maximum(1 - v.returned(_day(date.min), day) / total, 0.0), 1.0)
            spend = whole / priced * net
        last = v.day[v.begins + np.maximum(n, 1) - 1]
        table = pd.DataFrame(
            {
                "customer": v.names,
                "first": v.first,
                "x": n - 1,
                "recency": (last - v.first).astype(int) / 7,
                "age": (day - v.first).astype(int) / 7,
                "spend": spend,
                "before": v.older.astype(int),
            }
        )[some].reset_index(drop=True)
        return table if self.traits is None else self.traits.join(table, knowing)

    def weeks(self, origins: Sequence[date], *, until: date | None = None, of: int = 1) -> list[np.ndarray]:
        """Return purchases in each whole week after some days by customers known by then, an array (week,) each."""
        v, end = self.visits, _day(until or self.end)
        sampled = pd.util.hash_array(v.names) % of == 0 if of > 1 else np.ones(len(v.names), bool)
        out = []
        for origin in map(_day, origins):
            known = (sampled & (v.first <= origin))[v.who]
            week = ((v.day[known] - origin).astype(int) - 1) // 7
            whole = int((end - origin).astype(int)) // 7
            out.append(np.bincount(week[(week >= 0) & (week < whole)], minlength=whole).astype(float))
        return out

    def spending(self, after: date, until: date) -> pd.DataFrame:
        """Return ``spent`` (less returns), ``days`` and ``last`` by customer of those who bought in a span."""
        v = self.visits
        before, n = v.count(_day(after)), v.count(_day(until))
        spent, priced = v.paid(before, n)
        spent = np.maximum(spent - v.returned(_day(after), _day(until)), 0.0)
        last = v.day[v.begins + np.maximum(n, 1) - 1]
        table = pd.DataFrame(
            {"spent": np.where(priced > 0, spent, np.nan), "days": n - before, "last": last},
            index=pd.Index(v.names, name="customer"),
        )
        return table[n > before]

    def newcomers(self, weeks: float = 52.0) -> tuple[int, float, float]:
        """Return how many customers came within the last weeks, how many weeks that are, and their first amount.

        Customers known to be older than the data are none, and nobody is who appears in the first half of the data,
        when every regular customer is seen for the first time. The average amount of a first purchase is NaN where no
        amount is known.
        """
        v, span = self.visits, (self.end - self.first).days
        day = _day(self.end - timedelta(days=min(round(7 * weeks), max(span // 2, 1))))
        came = (v.first > day) & ~v.older
        amounts = v.amount[v.begins[came]]
        amount = float(np.nanmean(amounts)) if np.isfinite(amounts).any() else float("nan")
        return int(came.sum()), float((_day(self.end) - day).astype(int)) / 7, amount

    def contracts(self) -> pd.DataFrame:
        """Return one row a contract: ``customer, periods`` (kept, or in which it ended), ``ended`` and ``each``.

        A period is `Contract.every` days; ``each`` is how many payments a period brings (fewer than one where a
        customer pays less often than that).

        Raises
        ------
        ModelError
            If the data are no contracts.
        """
        if self.contract is None:
            todo = "use a model of repeat buying: bgnbd, mbgnbd, pareto"
            raise ModelError(Problem("these purchases are no contracts", todo=todo))
        every, late, v = self.contract.every, self.contract.late, self.visits
        gaps = _gaps(v)
        last = v.day[v.begins + np.bincount(v.who) - 1]
        gone = _ends(self.data, self.end, v)
        own = np.full(len(v.names), float(every))
        if self.contract.own:
            own = gaps["every"].fillna(float(self.contract.own)).to_numpy()
        paid = np.maximum(np.rint(own / every), 1.0)  # periods a payment is for
        running = np.rint((last - v.first).astype(int) / every)
        ended = ((_day(self.end) - last).astype(int) > late * own) | (gone >= last)
        each = {"periods": running + paid * ended, "ended": ended, "each": every / own}
        return pd.DataFrame({"customer": v.names, **each})


def read(data: Asked, *, end: date | None = None, covariates: Wanted = ()) -> History:
    """Look at the purchases of a unit.

    Parameters
    ----------
    data : Asked
        The unit's tables.
    end : date, optional
        Last day of observation; default the day of the last purchase or return. Later rows are set apart as future.
    covariates : sequence of str or "auto"
        Segments and life events that may make customers differ (``segment:region``, ``event:moved_house``), see
        `cxlab.value.rfm.covariates`; `cxlab.value.rfm.backtest.choose` says whether they foretell better.

    Raises
    ------
    ModelError
        If there is no purchase with a date at all, or no such covariate.
    """
    last = data.sql(_LAST)["day"].iloc[0]
    if pd.isna(last):
        raise ModelError(Problem("there is no purchase with a date", todo="map transactions: customer, date, amount"))
    until = end or pd.Timestamp(last).date()
    row = data.sql(_COUNTS, params={"until": until}).iloc[0]
    counts = {str(name): int(row[name]) for name in row.index if name != "margin"}
    days = data.sql(_VISITS, params={"until": until})
    visits = _visits(data, days)
    n = np.bincount(visits.who, minlength=1)
    counts |= {"customers": len(visits.names), "again": int((n > 1).sum()), "before": int(visits.older.sum())}
    counts["cancelled"] = int((days["bought"] & ~days["visit"]).sum())
    spent, back = (float(days[c].fillna(0).sum()) for c in ("paid", "back"))
    returned = back / spent if spent > 0 else 0.0
    gone = _ends(data, until, visits)
    counts["ended"] = int(np.isfinite(gone).sum())
    contract = _contract(visits, gone, counts, until)
    first = _date(visits.day.min()) if len(visits.day) else until
    known = traits.read(data, covariates, first=first, until=until) if len(covariates) else None
    notes = [*_notes(counts, returned, until), *(known.notes if known is not None else ())]
    margin = 1.0 if pd.isna(row["margin"]) else float(row["margin"])
    why_not = tuple(_obstacles(counts, contract))
    return History(data, until, visits, counts, returned, margin, contract, why_not, tuple(notes), known)


def _visits(data: Asked, days: pd.DataFrame) -> Visits:
    visit = days["visit"].to_numpy(bool)
    who, names = pd.factorize(days.loc[visit, "customer"])
    day = pd.to_datetime(days["date"]).to_numpy("datetime64[D]")
    net = (days["paid"] - days["back"].fillna(0)).to_numpy(float)
    back = days[~visit].assign(day=day[~visit], amount=-np.where(days["bought"], net, -days["back"])[~visit])
    back = back.assign(who=pd.Index(names).get_indexer(pd.Index(back["customer"])))
    older = np.zeros(len(names), bool)
    if len(names):
        known = data.sql(_OLDER, params={"first": _date(day[visit].min())})["customer"]
        older = pd.Index(names).isin(known)
    returns = back.loc[(back["who"] >= 0) & (back["amount"] > 0), ["who", "day", "amount"]]
    return Visits(np.asarray(names, object), who, day[visit], net[visit], returns, older)


def _gaps(visits: Visits) -> pd.DataFrame:
    """Days between visits of each customer: ``n``, ``spread`` over their mean, ``every`` (median), (customer,)."""
    same = visits.who[1:] == visits.who[:-1]
    gap = np.diff(visits.day).astype(float)[same]
    by = pd.Series(gap).groupby(visits.who[1:][same])
    table = pd.DataFrame({"n": by.size(), "spread": by.std(ddof=0) / by.mean(), "every": by.median()})
    return table.reindex(range(len(visits.names))).fillna({"n": 0})


def _ends(data: Asked, until: date, visits: Visits) -> np.ndarray:
    """Day on which the end of each customer is recorded; NaT where none is."""
    gone = data.sql(_ENDS, params={"until": until}).set_index("customer")["gone"]
    return pd.to_datetime(gone.reindex(visits.names)).to_numpy("datetime64[D]")


def _contract(visits: Visits, gone: np.ndarray, counts: Mapping[str, int], until: date) -> Contract | None:
    gaps = _gaps(visits)
    seen = gaps[gaps["n"] >= 3]
    every = max(1, round(float(gaps["every"].median()))) if gaps["every"].notna().any() else 30
    renewed, ended = counts["renewals"] / max(counts["used"], 1), counts["ended"] / max(len(gone), 1)
    spread = float(seen["spread"].median()) if len(seen) >= LEAST_AGAIN else np.inf
    late, own, usual = _LATE, 0, every
    if spread < REGULAR:
        own = every
        short, long = gaps.loc[gaps["n"] >= 2, "every"].quantile([0.1, 0.9])
        if long > _MIXED * short:
            usual, own = max(1, round(float(short))), round(float(long))
        late = 1 + max(_DAYS_LATE / usual, float(np.clip(4 * spread, 0.1, _LATE - 1)))
    if renewed >= RENEWED:
        return Contract("renewals", usual, renewed, late, own)
    if ended >= ENDED and (own or _ends_are_seen(visits, gone, until, every)):
        return Contract("ends", usual, ended, own=own)  # who left is recorded: no hurry
    return Contract("intervals", usual, spread, late, own) if own else None


def _ends_are_seen(visits: Visits, gone: np.ndarray, until: date, every: int) -> bool:
    """Whether the end of most who fell silent is recorded: some closed accounts make no contracts of a shop's sales."""
    last = visits.day[visits.begins + np.bincount(visits.who) - 1]
    silent = (_day(until) - last).astype(int) > _SILENT * every
    return not silent.any() or float(np.isfinite(gone[silent]).mean()) >= _TOLD


def _obstacles(counts: Mapping[str, int], contract: Contract | None) -> list[Problem]:
    out = []
    if contract is not None:
        why = {
            "renewals": f"{contract.share:.0%} of the purchases are renewals",
            "ends": f"the end is recorded for {contract.share:.0%} of the customers",
            "intervals": f"they pay every {contract.every} days (intervals vary by {contract.share:.0%} of the mean)",
        }[contract.reason]
        what = f"these are contracts: {why}; models of silent leaving (bgnbd, mbgnbd, pareto) do not hold"
        out.append(Problem(what, value=contract.reason, todo='use family "sbg" on `History.contracts`'))
    few = {
        "customers": (LEAST_CUSTOMERS, "too few customers with a purchase", "pool brands, or wait"),
        "again": (
            LEAST_AGAIN,
            "too few customers bought on a second day",
            "wait: who comes back cannot be learned yet",
        ),
    }
    for name, (least, what, todo) in few.items():
        if counts[name] < least:
            out.append(Problem(what, value=str(counts[name]), allowed=f"at least {least}", todo=todo))
    return out


def _notes(counts: Mapping[str, int], returned: float, end: date) -> list[Problem]:
    said = {
        "anonymous": "purchases without a known customer are left out",
        "undated": "purchases without a day are left out",
        "later": f"rows dated after {end} are left out",
        "negative": "purchases with a negative amount are taken for returns",
        "returns": f"returns are no purchases; they took back {returned:.1%} of the money spent",
        "cancelled": "days whose purchases were all taken back on the same day are no purchases",
        "same_day": "further purchases on the same day count with the first",
        "twice": "purchases are equal in everything: perhaps the same one exported twice; their amounts are added up",
        "unpriced": "purchases without an amount count, but say nothing about spend",
        "free": "purchases cost nothing",
        "before": "customers came before the first purchase in the data: what they bought earlier is not known",
    }
    return [Problem(text, where=name, value=str(counts[name])) for name, text in said.items() if counts[name]]


def _day(day: date) -> np.datetime64:
    return np.datetime64(day, "D")


def _date(day: np.datetime64) -> date:
    return pd.Timestamp(day).date()
