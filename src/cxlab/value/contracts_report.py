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
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.inference.estimates import summaries, summary
from cxlab.params.models import Value
from cxlab.value import model, rfm
from cxlab.value.clv import sbg
from cxlab.value.fits import Fitted

DRAWS: Final = 400
MOST: Final = 24  # periods that are shown
LEAST_ENDED: Final = 10  # ends that a fit needs
LEAST: Final = 30  # contracts seen long enough to count a share of
_PAID: Final = """
    SELECT customer, avg(amount) AS amount FROM transactions
    WHERE customer IS NOT NULL AND date <= $end AND kind IN ('purchase', 'booking', 'renewal') AND amount >= 0
    GROUP BY customer"""
Row = dict[str, Any]


def rows(fitted: Fitted, *, settings: Value) -> list[Row]:
    """Return the rows of a base of contracts; none for another one."""
    found = fitted.history.contract
    if fitted.kind != "contract" or fitted.tree is None or found is None:
        return []
    at = model.points(fitted.tree, DRAWS)
    base = fitted.customers
    n, running = len(base), base[~base["ended"].astype(bool)]
    a_year = 365.25 / found.every
    ahead = max(1, round(settings.horizon_years * a_year))
    shown = np.arange(1, min(MOST, max(2, int(base["periods"].max()))) + 1)
    kept = sbg.kept(at, shown.astype(float))
    out: list[Row] = []
    for k, row in zip(shown, summaries(kept).to_dict("records"), strict=True):
        about = {"metric": "share", "level": "contract", "group": str(int(k))}
        seen, share = _survived(base, int(k))
        out.append({"estimand": "retention", **about, "n": n, **{str(c): v for c, v in row.items()}})
        if seen >= LEAST:
            out.append({"estimand": "retention_actual", **about, "n": seen, "mean": share})
    if len(running):
        a_period = (1 + settings.discount) ** (1 / a_year) - 1
        after, inverse = np.unique(running["periods"].to_numpy(float), return_inverse=True)
        each = sbg.expected_periods(at, after=after, horizon=ahead, discount=a_period)  # (draw, place)
        size = np.bincount(inverse)
        often = running["each"].to_numpy(float)  # payments a period
        out.append({"estimand": "lifetime", "metric": "mean", "n": len(running),
                    **summary(each @ np.bincount(inverse, often) / size.sum())})  # fmt: skip
        ending = 1 - sbg.kept(at, np.ones(len(after)), after=after) @ size / size.sum()
        out.append({"estimand": "ended_next", "metric": "share", "n": len(running), **summary(ending)})
        paid = fitted.history.data.sql(_PAID, params={"end": fitted.history.end}).set_index("customer")["amount"]
        amount = paid.reindex(running["customer"]).fillna(0.0).to_numpy(float)
        priced = amount.sum() > 0
        weight = np.bincount(inverse, often * (amount * fitted.contribution if priced else 1.0))
        out.append({"estimand": "customer_equity", "metric": "money" if priced else "count", "n": len(running),
                    **summary(each @ weight)})  # fmt: skip
    out += _holdout(fitted)
    return [row | {"n_all": n} for row in out]


def split_of(fitted: Fitted) -> date:
    """Return the day on which the forecast that is tried on the past was made: half the time, at most a year back."""
    history = fitted.history
    return history.end - timedelta(days=min(365, (history.end - history.first).days // 2))


def _holdout(fitted: Fitted) -> list[Row]:
    """Fit what was known on an earlier day, and foretell how many of the contracts running then are kept until now."""
    history, day = fitted.history, split_of(fitted)
    assert history.contract is not None
    try:
        past = rfm.read(history.data, end=day)
        before = replace(past, contract=history.contract).contracts()
        data = model.model_data(before, family="sbg")
    except ModelError:
        return []
    running = before[~before["ended"].astype(bool)]
    ahead = (history.end - day).days // history.contract.every
    if len(running) < LEAST or ahead < 1 or before["ended"].sum() < LEAST_ENDED:
        return []
    at = model.points(model.fit(data, seed=DRAWS), DRAWS)
    after, inverse = np.unique(running["periods"].to_numpy(float), return_inverse=True)
    share = sbg.kept(at, np.full(len(after), float(ahead)), after=after)
    random = np.random.default_rng(DRAWS)
    drawn = random.binomial(np.bincount(inverse), np.clip(share, 0.0, 1.0)).sum(axis=1).astype(float)
    now = fitted.customers.set_index("customer").reindex(running["customer"])
    kept = ~now["ended"].astype(bool) | (now["periods"].to_numpy() > running["periods"].to_numpy() + ahead)
    n = len(running)
    rows: list[Row] = [
        {"estimand": "holdout_total", "metric": "count", "n": n, **summary(drawn)},
        {"estimand": "holdout_actual", "metric": "count", "n": n, "mean": float(kept.sum())},
    ]
    if kept.sum():
        rows.append({"estimand": "holdout_error", "metric": "rate", "n": n, **summary(drawn / kept.sum() - 1)})
    return rows


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
