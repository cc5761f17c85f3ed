"""Contracts, whose end is seen: how many are kept, what a running one will still pay, and what all of them are worth.

Rows for ``value_estimates``: ``retention`` (share of contracts kept for so many periods; level ``contract``, group the
number of periods) beside ``retention_actual`` (counted, those cut off by the end of the data left out from there on),
``holdout_total`` and ``holdout_actual`` (contracts that ran on an earlier day and were foretold to be kept, and were),
``lifetime`` (further payments of a running contract within the horizon, discounted: its residual lifetime in money's
worth), ``customer_equity`` and ``ended_next`` (share of the running contracts that end in the next period).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv import sbg
from cxlab.value.fits import LEAST_CONTRACTS, LEAST_ENDED, Fitted
from cxlab.value.rfm import history as rfm
from cxlab.value.rfm.history import History
from cxlab.value.rows import Row, estimate

DRAWS: Final = 400
MOST: Final = 24  # periods that are shown


def rows(fitted: Fitted, *, discount: float, years: float) -> list[Row]:
    """Return the rows of a base of contracts; none for another one."""
    contract = fitted.history.contract
    if fitted.kind != "contract" or fitted.tree is None or contract is None:
        return []
    at, base = model.points(fitted.tree, DRAWS), fitted.contracts
    running = base[~base["ended"].astype(bool)]
    a_year = 365.25 / contract.every
    out: list[Row] = []
    for k in range(1, min(MOST, max(2, int(base["periods"].max()))) + 1):
        about: Row = {"metric": "share", "level": "contract", "group": str(k)}
        seen, share = _survived(base, k)
        out.append(estimate("retention", sbg.kept(at, np.array(float(k))), n=len(base), **about))
        if seen >= LEAST_CONTRACTS:
            out.append(estimate("retention_actual", share, n=seen, **about))
    if len(running):
        n, often = len(running), running["each"].to_numpy(float)  # payments a period
        a_period = (1 + discount) ** (1 / a_year) - 1
        after, inverse = np.unique(running["periods"].to_numpy(float), return_inverse=True)
        size, ahead = np.bincount(inverse), max(1, round(years * a_year))
        each = sbg.expected_periods(at, after=after, horizon=ahead, discount=a_period)  # (draw, place)
        ending = 1 - sbg.kept(at, np.ones(len(after)), after=after) @ size / n
        out.append(estimate("lifetime", each @ np.bincount(inverse, often) / n, metric="mean", n=n))
        out.append(estimate("ended_next", ending, metric="share", n=n))
        past = fitted.history.spending(date.min, fitted.history.end)
        amount = (past["spent"] / past["days"]).reindex(running["customer"]).fillna(0.0).to_numpy(float)
        priced = amount.sum() > 0
        weight = np.bincount(inverse, often * (amount * fitted.margin if priced else 1.0))
        out.append(estimate("customer_equity", each @ weight, metric="money" if priced else "count", n=n))
    out += _holdout(fitted)
    return [row | {"n_all": len(base)} for row in out]


def split_of(history: History) -> date:
    """Return the day on which the forecast that is tried on the past was made: half the time, at most a year back."""
    return history.end - timedelta(days=min(365, (history.end - history.first).days // 2))


def _holdout(fitted: Fitted) -> list[Row]:
    """Fit what was known on an earlier day, and foretell how many of the contracts running then are kept until now."""
    history, day = fitted.history, split_of(fitted.history)
    assert history.contract is not None
    try:
        before = replace(rfm.read(history.data, end=day), contract=history.contract).contracts()
        data = model.model_data(before, family="sbg")
    except ModelError:
        return []
    running = before[~before["ended"].astype(bool)]
    n, ahead = len(running), (history.end - day).days // history.contract.every
    if n < LEAST_CONTRACTS or ahead < 1 or before["ended"].sum() < LEAST_ENDED:
        return []
    at = model.points(model.fit(data, seed=DRAWS), DRAWS)
    after, inverse = np.unique(running["periods"].to_numpy(float), return_inverse=True)
    share = sbg.kept(at, np.full(len(after), float(ahead)), after=after)
    random = np.random.default_rng(DRAWS)
    drawn = random.binomial(np.bincount(inverse), np.clip(share, 0.0, 1.0)).sum(axis=1).astype(float)
    now = fitted.contracts.set_index("customer").reindex(running["customer"])
    longer = now["periods"].to_numpy(float) > running["periods"].to_numpy(float) + ahead
    kept = float((~now["ended"].to_numpy(bool) | longer).sum())
    out = [estimate("holdout_total", drawn, metric="count", n=n), estimate("holdout_actual", kept, metric="count", n=n)]
    return [*out, estimate("holdout_error", drawn / kept - 1, metric="rate", n=n)] if kept else out


def _survived(base: pd.DataFrame, k: int) -> tuple[int, float]:
    """Contracts seen for at least k periods or ended before, and the share of them that was kept for k."""
    periods, ended = base["periods"].to_numpy(int), base["ended"].to_numpy(bool)
    share = 1.0
    for j in range(1, k + 1):  # Kaplan and Meier: those cut off before j say nothing about j
        at_risk = periods >= j
        if not at_risk.any():
            return 0, float("nan")
        share *= 1 - (ended & (periods == j)).sum() / at_risk.sum()
    return int((periods >= k).sum()), float(share)
