"""Referrals: what customers are worth through those whom they brought, counted once.

Of those who were brought, some would have come anyway: only the share that would not is owed to who brought them
(``share``, an assumption of the params; no data can tell it). That part of a customer's value is moved to the one who
brought them, no more: what somebody owes is never passed on twice, and all customers together are worth what they were.

References
----------
Kumar, Petersen and Leone (2010), Driving profitability by encouraging customer referrals, doi:10.1509/jmkg.74.5.001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    from datetime import date

    from cxlab.runs import UnitData


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
        problems.append(Problem("the share of referrals that would not have come is no share", value=str(share),
                                allowed="0 to 1"))  # fmt: skip
    if not values.index.is_unique:
        problems.append(Problem("a customer appears twice among the values"))
    if brought["customer"].duplicated().any():
        problems.append(Problem("a customer was brought by two", todo="keep the first one"))
    if problems:
        raise ModelError(problems)
    who = values.index.get_indexer(pd.Index(brought["customer"]))
    by = values.index.get_indexer(pd.Index(brought["referrer"]))
    known = (who >= 0) & (by >= 0) & (who != by)
    who, by = who[known], by[known]
    own = values.to_numpy(float)
    owed = np.zeros(len(own))
    owed[who] = share * np.maximum(np.nan_to_num(own[who]), 0.0)
    gained = np.bincount(by, owed[who], len(own))
    return pd.DataFrame(
        {
            "own": own,
            "given": owed,
            "credit": gained,
            "value": own - owed + gained,
            "brought": np.bincount(by, minlength=len(own)),
        },
        index=values.index,
    )
