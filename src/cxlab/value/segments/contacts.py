"""Whom not to spend on, and what customers are worth through those whom they brought.

What a contact does is no finding of this page: `lift` and `winback` are assumptions, said so wherever the result is
shown. With them a contact is expected to bring ``lift x value`` of a customer who may still be there, and ``winback x
(1 - P(alive)) x value of a living customer like this`` of one who may have left.

Of those who were brought, some would have come anyway: only the share that would not is owed to who brought them
(``share``, an assumption of the params; no data can tell it). That part of a customer's value is moved to the one who
brought them, no more: what somebody owes is never passed on twice, and all customers together are worth what they were.

References
----------
Kumar, Petersen and Leone (2010), Driving profitability by encouraging customer referrals, doi:10.1509/jmkg.74.5.001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    from datetime import date

    from cxlab.runs import UnitData

LIFT: Final = 0.05  # share by which a contact raises what a customer is worth, where nobody says
SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the customers, in the table of break-even costs


@dataclass(frozen=True)
class Policy:
    """For whom a contact pays.

    Attributes
    ----------
    gain : array (customer,)
        What a contact is expected to bring, in money.
    spare : array of bool (customer,)
        Whom a contact does not pay for; nobody where its cost is not known.
    saved, forgone : float
        What is not spent when they are left alone, and what contacting them would have been expected to bring.
    break_even : mapping of share of the customers to money
        The highest cost of a contact that pays for all of them, the most promising first.
    """

    gain: np.ndarray
    spare: np.ndarray
    saved: float
    forgone: float
    break_even: dict[float, float]


def contact_policy(customers: pd.DataFrame, *, cost: float | None, lift: float = LIFT, winback: float = 0.0) -> Policy:
    """Find the customers whom a contact does not pay for.

    Parameters
    ----------
    customers : DataFrame
        ``p_alive`` and ``clv_mean`` (expected contribution) of each.
    cost : float or None
        Of one contact, in money; None where it is not known.
    lift : float
        Share by which a contact raises what a customer is worth.
    winback : float
        Share of lost customers whom a contact brings back.

    Raises
    ------
    ModelError
        If an assumption is not legal, or no value in money is known.
    """
    problems = [
        Problem(f"{name} must be {allowed}", value=str(value))
        for name, value, legal, allowed in (
            ("the cost of a contact", cost or 0.0, (cost or 0.0) >= 0, "0 or more"),
            ("the lift of a contact", lift, lift >= 0, "0 or more"),
            ("the share won back", winback, 0 <= winback <= 1, "0 to 1"),
        )
        if not (np.isfinite(value) and legal)
    ]
    worth, alive = customers["clv_mean"].to_numpy(float), customers["p_alive"].to_numpy(float)
    if not np.isfinite(worth).all():
        problems.append(Problem("no amounts are known, so nobody's worth in money is", todo="map the amounts"))
    if problems:
        raise ModelError(problems)
    living = worth / np.maximum(alive, 1e-6)  # of a customer like this who is still there
    most = living[alive > 0.5].max() if (alive > 0.5).any() else living.max(initial=0.0)
    gain = lift * np.maximum(worth, 0.0) + winback * (1 - alive) * np.clip(living, 0.0, max(float(most), 0.0))
    spare = gain < cost if cost is not None else np.zeros(len(gain), bool)
    ends = {share: float(np.quantile(gain, 1 - share)) for share in SHARES} if len(gain) else {}
    return Policy(gain, spare, float(spare.sum() * (cost or 0.0)), float(gain[spare].sum()), ends)


def referred(data: UnitData, *, until: date) -> pd.DataFrame | None:
    """Return ``customer, referrer`` of those whom somebody brought by a day; None if the data know no such thing."""
    if "referred_by" not in data.store.columns("customers"):
        return None
    rows = data.sql(
        """SELECT customer, any_value(referred_by) AS referrer FROM customers
        WHERE referred_by IS NOT NULL AND customer IS NOT NULL AND (since IS NULL OR since <= $until)
        GROUP BY customer ORDER BY customer""",
        params={"until": until},
    )
    return rows if len(rows) else None


def credit(values: pd.Series, brought: pd.DataFrame, *, share: float = 0.5) -> pd.DataFrame:
    """Move the part of a value that is owed to whoever brought a customer.

    Parameters
    ----------
    values : Series
        Value of each customer (index: customer); what is below 0 is owed to nobody.
    brought : DataFrame
        ``customer, referrer``; pairs in which either is not among the customers, or both are the same, move nothing.
    share : float
        Share of those brought who would not have come otherwise.

    Returns
    -------
    DataFrame
        By customer, in the order of `values`: ``own`` (as given), ``given`` (owed to who brought them), ``credit``
        (owed by those whom they brought), ``value`` (own - given + credit), ``brought`` (customers brought). The sums
        of `own` and of `value` are the same.

    Raises
    ------
    ModelError
        If the share is no share, or a customer appears twice.
    """
    problems = []
    if not 0 <= share <= 1:
        what = "the share of referrals that would not have come is no share"
        problems.append(Problem(what, value=str(share), allowed="0 to 1"))
    if not values.index.is_unique:
        problems.append(Problem("a customer appears twice among the values"))
    if brought["customer"].duplicated().any():
        problems.append(Problem("a customer was brought by two", todo="keep the first one"))
    if problems:
        raise ModelError(problems)
    who, by = (values.index.get_indexer(pd.Index(brought[c])) for c in ("customer", "referrer"))
    known = (who >= 0) & (by >= 0) & (who != by)
    who, by = who[known], by[known]
    own = values.to_numpy(float)
    owed = np.zeros(len(own))
    owed[who] = share * np.maximum(np.nan_to_num(own[who]), 0.0)
    gained = np.bincount(by, owed[who], len(own))
    table = {"own": own, "given": owed, "credit": gained, "value": own - owed + gained}
    return pd.DataFrame({**table, "brought": np.bincount(by, minlength=len(own))}, index=values.index)
