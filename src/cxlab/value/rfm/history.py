"""What customers bought and when: frequency, recency and age by one query, never of a later day than asked for.

Days between dates count, not spans of 24 hours; several purchases of a day are one. Returns and negative amounts are no
purchases: they are counted and told, and lower nobody's frequency. A customer's age begins with the first purchase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.value.rfm import covariates as traits
from cxlab.value.rfm import queries
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
    first, end : date
        First purchase, and the last day of observation.
    counts : dict of str to int
        ``rows`` of purchases, ``used``; ``customers``, ``again`` (bought on a second day); set apart: ``anonymous``,
        ``undated``, ``later``, ``negative``, ``returns``; told: ``same_day``, ``twice``, ``unpriced``, ``free``,
        ``before`` (customers known to have come before the first purchase that is seen).
    returned : float
        Money returned as a share of money spent; 0 if nothing was.
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
    first: date
    end: date
    counts: dict[str, int]
    returned: float
    margin: float
    contract: Contract | None
    why_not: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    traits: Traits | None = None

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
            ``customer, first, x, recency, age, spend, margin, before``: repeat days of purchase, their average amount
            and contribution (missing without one; the first purchase is no part of either), and whether the customer
            is known to have come before the data begin (1 or 0); covariates asked for, as of `known` (1 or 0).

        Raises
        ------
        ModelError
            If no model of repeat buying can be fitted, with every reason.
        """
        if self.why_not:
            raise ModelError(self.why_not)
        day = until or self.end
        found = self.data.sql(
            queries.CUSTOMERS, params={"until": day, "known": known or day, "of": of, "begin": self.first}
        )
        return found if self.traits is None else self.traits.join(found, known or day)

    def pasts(self, origins: Sequence[date], *, until: date, of: int = 1) -> list[tuple[date, pd.DataFrame]]:
        """Return customers as of several days at once, and what had become of the same customers by a later one.

        Parameters
        ----------
        origins : sequence of date
        until : date
            No later purchase is read.
        of : int
            Take one customer in so many, by hash.

        Returns
        -------
        list of (date, DataFrame)
            For each day ``customer, first, x, recency, age, before``, covariates as of the day, and ``x_then,
            recency_then, age_then`` as of `until`.
        """
        if self.why_not:
            raise ModelError(self.why_not)
        asked = {"origins": [str(d) for d in origins], "until": until, "of": of, "begin": self.first}
        found = self.data.sql(queries.PASTS, params=asked)
        out = []
        for day in origins:
            one = found[pd.to_datetime(found["origin"]) == pd.Timestamp(day)].drop(columns="origin")
            one = one.reset_index(drop=True)
            out.append((day, one if self.traits is None else self.traits.join(one, day)))
        return out

    def newcomers(self, weeks: float = 52.0) -> tuple[int, float, float]:
        """Return how many customers came within the last weeks, how many weeks that are, and their first amount.

        Customers known to be older than the data are none. The weeks are fewer where less is seen; the average amount
        of a first purchase is NaN where no amount is known.
        """
        day = max(self.end - timedelta(days=round(7 * weeks)), self.first - timedelta(days=1))
        row = self.data.sql(queries.NEW, params={"until": self.end, "after": day, "begin": self.first}).iloc[0]
        amount = float("nan") if pd.isna(row["amount"]) else float(row["amount"])
        return int(row["customers"]), (self.end - day).days / 7, amount

    def weeks(self, after: date) -> pd.DataFrame:
        """Return purchases in each week after a day by customers known by then: ``week`` (from 0), ``purchases``."""
        found = self.data.sql(queries.WEEKS, params={"until": self.end, "after": after})
        whole = (self.end - after).days // 7
        return found.set_index("week")["purchases"].reindex(range(whole), fill_value=0).reset_index()

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
            raise ModelError(
                Problem("these purchases are no contracts", todo="use a model of repeat buying: bgnbd, mbgnbd, pareto")
            )
        every, late = self.contract.every, self.contract.late
        found = self.data.sql(queries.ENDS, params={"until": self.end})
        first, last, gone = (pd.to_datetime(found[c]) for c in ("first", "last", "gone"))
        own = np.full(len(found), float(every))
        if self.contract.own:
            own = found["every"].astype(float).fillna(float(self.contract.own)).to_numpy()
        paid = np.maximum(np.rint(own / every), 1.0)  # periods a payment is for
        kept = np.rint((last - first).dt.days.to_numpy() / every)
        silent = (pd.Timestamp(self.end) - last).dt.days.to_numpy() > late * own
        ended = silent | (gone.notna() & (gone >= last)).to_numpy()
        return pd.DataFrame(
            {"customer": found["customer"], "periods": kept + paid * ended, "ended": ended, "each": every / own}
        )


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
        `cxlab.value.rfm.covariates`; `choose` says whether they foretell better.

    Raises
    ------
    ModelError
        If there is no purchase with a date at all, or no such covariate.
    """
    span = data.sql(queries.SPAN).iloc[0]
    if pd.isna(span["last"]):
        raise ModelError(Problem("there is no purchase with a date", todo="map transactions: customer, date, amount"))
    until = end or pd.Timestamp(span["last"]).date()
    row = data.sql(queries.READ, params={"until": until}).iloc[0]
    counts = {
        name: int(row[name])
        for name in (
            "rows", "used", "customers", "again", "seen", "anonymous", "undated", "later", "negative", "returns",
            "same_day", "twice", "unpriced", "free", "renewals", "ended",
        )
    }  # fmt: skip
    first = until if pd.isna(row["first"]) else pd.Timestamp(row["first"]).date()
    counts["before"] = int(data.sql(queries.BEFORE, params={"first": first})["n"].iloc[0])
    spent = 0.0 if pd.isna(row["spent"]) else float(row["spent"])
    returned = float(row["returned"]) / spent if spent > 0 and not pd.isna(row["returned"]) else 0.0
    margin = 1.0 if pd.isna(row["margin"]) else float(row["margin"])
    contract = _contract(data, counts, until)
    found = traits.read(data, covariates, first=first, until=until) if len(covariates) else None
    notes = [*_notes(counts, returned, until), *(found.notes if found is not None else ())]
    return History(
        data, first, until, counts, returned, margin, contract, tuple(_obstacles(counts, contract)), tuple(notes), found
    )


def _contract(data: Asked, counts: Mapping[str, int], until: date) -> Contract | None:
    found = data.sql(queries.INTERVALS, params={"until": until}).iloc[0]
    every = 30 if pd.isna(found["every"]) else max(1, round(float(found["every"])))
    renewed = counts["renewals"] / max(counts["used"], 1)
    ended = counts["ended"] / max(counts["customers"], 1)
    regular = bool(found["n"] >= LEAST_AGAIN and float(found["spread"]) < REGULAR)
    late, own = _LATE, 0
    if regular:
        own = every
        if float(found["long"]) > _MIXED * float(found["short"]):
            every, own = max(1, round(float(found["short"]))), round(float(found["long"]))
        late = 1 + max(_DAYS_LATE / every, float(np.clip(4 * found["spread"], 0.1, _LATE - 1)))
    if renewed >= RENEWED:
        return Contract("renewals", every, renewed, late, own)
    if ended >= ENDED and (regular or _ends_are_seen(data, until, every)):
        return Contract("ends", every, ended, own=own)  # who left is recorded: no hurry
    if regular:
        return Contract("intervals", every, float(found["spread"]), late, own)
    return None


def _ends_are_seen(data: Asked, until: date, every: int) -> bool:
    """Whether the end of most who fell silent is recorded: some closed accounts make no contracts of a shop's sales."""
    found = data.sql(queries.ENDS, params={"until": until})
    silent = (pd.Timestamp(until) - pd.to_datetime(found["last"])).dt.days > _SILENT * every
    return not silent.any() or float(found.loc[silent, "gone"].notna().mean()) >= _TOLD


def _obstacles(counts: Mapping[str, int], contract: Contract | None) -> list[Problem]:
    out = []
    if contract is not None:
        why = {
            "renewals": f"{contract.share:.0%} of the purchases are renewals",
            "ends": f"the end is recorded for {contract.share:.0%} of the customers",
            "intervals": f"customers pay every {contract.every} days "
            f"(their intervals vary by {contract.share:.0%} of the mean)",
        }[contract.reason]
        out.append(
            Problem(f"these are contracts: {why}; models of silent leaving (bgnbd, mbgnbd, pareto) do not hold",
                    value=contract.reason, todo='use family "sbg" on `History.contracts`')
        )  # fmt: skip
    if counts["customers"] < LEAST_CUSTOMERS:
        out.append(
            Problem("too few customers with a purchase", value=str(counts["customers"]),
                    allowed=f"at least {LEAST_CUSTOMERS}", todo="pool brands, or wait")
        )  # fmt: skip
    if counts["again"] < LEAST_AGAIN:
        out.append(
            Problem("too few customers bought on a second day", value=str(counts["again"]),
                    allowed=f"at least {LEAST_AGAIN}",
                    todo="all customers are new or buy once: nothing can be learned yet about who comes back")
        )  # fmt: skip
    return out


def _notes(counts: Mapping[str, int], returned: float, end: date) -> list[Problem]:
    said = {
        "anonymous": "purchases without a known customer are left out",
        "undated": "purchases without a day are left out",
        "later": f"rows dated after {end} are left out",
        "negative": "purchases with a negative amount are taken for returns",
        "returns": f"returns are no purchases; they took back {returned:.1%} of the money spent",
        "same_day": "further purchases on the same day count with the first",
        "twice": "purchases are equal in everything: perhaps the same one exported twice; their amounts are added up",
        "unpriced": "purchases without an amount count, but say nothing about spend",
        "free": "purchases cost nothing",
        "before": "customers came before the first purchase in the data: what they bought earlier is not known",
    }
    return [Problem(text, where=name, value=str(counts[name])) for name, text in said.items() if counts[name]]


def known(name: str, legal: Sequence[str]) -> None:
    """Refuse a name that is not legal."""
    if name not in legal:
        raise ModelError(Problem("no such model", value=name, allowed=", ".join(legal), nearest=nearest(name, legal)))
