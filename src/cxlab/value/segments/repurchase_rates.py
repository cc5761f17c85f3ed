"""Who comes back: to buy, and for service. Two rates beside each other, a period at a time.

The base of a period are the customers who bought in the year before it began. The repurchase rate is the share of them
who bought in the period; the service-return rate the share who came for service in it. Periods are alike but not the
same, so thin ones borrow from all: rate_p ~ Beta(m c, (1 - m) c) with m and c learned on a grid, drawn exactly.

References
----------
Gelman et al. (2013), Bayesian Data Analysis, ch. 5 (beta-binomial hierarchies), doi:10.1201/b16018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import betaln

from cxlab.params.periods import Period

if TYPE_CHECKING:
    from cxlab.runs import UnitData

SERVICE_KINDS: Final = ("service", "repair", "maintenance", "inspection", "contact", "complaint", "call")
RATES: Final = ("repurchase_rate", "service_return_rate")
_YEAR: Final = 365
_GRID: Final = 60
_FEW: Final = 3  # periods below which nothing is learned about how alike they are

_BACK: Final = """
    WITH bought AS (SELECT DISTINCT customer, date FROM transactions
        WHERE customer IS NOT NULL AND kind IN ('purchase', 'booking', 'renewal') AND (amount IS NULL OR amount >= 0)
            AND date <= $end),
    base AS (SELECT DISTINCT customer FROM bought WHERE date >= $since AND date < $start),
    again AS (SELECT DISTINCT customer FROM bought WHERE date >= $start),
    served AS (SELECT DISTINCT customer FROM interactions WHERE customer IS NOT NULL AND date >= $start AND date <= $end
        AND (list_contains($kinds, kind) OR list_contains($touchpoints, touchpoint)))
    SELECT count(*) AS n, count(*) FILTER (WHERE customer IN (SELECT customer FROM again)) AS again,
        count(*) FILTER (WHERE customer IN (SELECT customer FROM served)) AS served,
        count(*) FILTER (WHERE customer IN (SELECT customer FROM again)
            AND customer IN (SELECT customer FROM served)) AS both
    FROM base"""


def rates(data: UnitData, periods: Sequence[Period], *, service: Sequence[str] = ()) -> pd.DataFrame:
    """Count who came back in each period.

    Parameters
    ----------
    data : UnitData
    periods : sequence of Period
        In order; those before which nobody is seen for a year at least in part are left out.
    service : sequence of str
        Kinds or touchpoints of interactions that are service; default `SERVICE_KINDS`.

    Returns
    -------
    DataFrame
        ``rate`` (of `RATES`), ``period``, ``n`` (base), ``came``, and for service ``also_bought`` (of those who came);
        no rows of the service-return rate where no interaction is service.
    """
    named = list(service) or list(SERVICE_KINDS)
    first = data.sql("SELECT min(date) AS day FROM transactions WHERE kind IN ('purchase', 'booking', 'renewal')")
    some = data.sql(
        """SELECT count(*) AS n FROM interactions WHERE customer IS NOT NULL
        AND (list_contains($kinds, kind) OR list_contains($touchpoints, touchpoint))""",
        params={"kinds": named, "touchpoints": list(service)},
    )["n"].iloc[0]
    rows: list[dict[str, object]] = []
    begun = first["day"].iloc[0]
    for period in periods:
        start = pd.Timestamp(period.start)
        if pd.isna(begun) or pd.Timestamp(begun) >= start:
            continue
        span = {"since": (start - pd.Timedelta(days=_YEAR)).date(), "start": period.start, "end": period.end}
        found = data.sql(_BACK, params={**span, "kinds": named, "touchpoints": list(service)}).iloc[0]
        if found["n"] == 0:
            continue
        about = {"period": period.label, "n": int(found["n"])}
        rows.append({"rate": RATES[0], **about, "came": int(found["again"]), "also_bought": np.nan})
        if some:
            both = float(found["both"])
            rows.append({"rate": RATES[1], **about, "came": int(found["served"]), "also_bought": both})
    return pd.DataFrame(rows, columns=["rate", "period", "n", "came", "also_bought"])


def rate_draws(n: np.ndarray, came: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Draw the rates of periods, each borrowing from all.

    Parameters
    ----------
    n, came : arrays of int (period,)
    draws : int
    seed : int

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
    log = -1.5 * np.log1p(c) + np.log(c)
    for k, t in zip(came, n, strict=True):
        log = log + betaln(a + k, b + t - k) - betaln(a, b)
    mass = np.exp(log - log.max())
    chosen = random.choice(len(mass), draws, p=mass / mass.sum())
    return random.beta(a[chosen, None] + came, b[chosen, None] + n - came)
