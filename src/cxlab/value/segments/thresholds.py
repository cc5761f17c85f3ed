"""Where one segment ends and the next begins: fixed once, so that a name means the same in every period.

Two questions make nine segments. How much does a customer spend in a year while a customer: ``high``, ``middle``,
``low``? And how likely is it that they have not left: ``active``, ``slipping``, ``lapsed``? The first is cut where the
spending of those who bought in a reference year stood; nothing after the reference day is read, so every later run
finds the same cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.value.rfm import History

VALUES: Final = ("high", "middle", "low")
STAGES: Final = ("active", "slipping", "lapsed")
KEYS: Final = tuple(f"{value}/{stage}" for value in VALUES for stage in STAGES)
NEW: Final = "new"  # where customers come from who were not there before
_YEAR: Final = 365
_LEAST: Final = 30  # customers of the reference year below which all that is known is used

_YEARLY: Final = """
    SELECT customer, sum(amount) AS spent, count(DISTINCT date) AS days FROM transactions
    WHERE customer IS NOT NULL AND date > $since AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
        AND (amount IS NULL OR amount >= 0)
    GROUP BY customer ORDER BY customer"""


@dataclass(frozen=True)
class Cuts:
    """Limits of the segments.

    Attributes
    ----------
    yearly : tuple of float
        Spend (or purchases) a year from which on value is middle, and high.
    alive : tuple of float
        P(has not left) below which a customer is lapsed, and from which on active.
    unit : str
        ``money``, or ``purchases`` where no amounts are known.
    reference : date or None
        Last day that was read to find `yearly`; None if given.
    """

    yearly: tuple[float, float]
    alive: tuple[float, float] = (0.3, 0.8)
    unit: str = "money"
    reference: date | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(f"the cuts of {name} must rise", value=str(pair), allowed=allowed)
            for name, pair, fine, allowed in (
                ("value", self.yearly, 0 < self.yearly[0] <= self.yearly[1], "0 < middle <= high"),
                ("P(alive)", self.alive, 0 < self.alive[0] <= self.alive[1] < 1, "0 < lapsed <= active < 1"),
            )
            if not (np.isfinite(pair).all() and fine)
        ]
        if problems:
            raise ModelError(problems)

    def value(self, yearly: np.ndarray) -> np.ndarray:
        """Return the place among `VALUES` of yearly spends."""
        middle, high = self.yearly
        return (yearly < high).astype(np.int8) + (yearly < middle)

    def stage(self, alive: np.ndarray) -> np.ndarray:
        """Return the place among `STAGES` of probabilities of not having left."""
        lapsed, active = self.alive
        return (alive < active).astype(np.int8) + (alive < lapsed)


def cuts(
    history: History,
    *,
    reference: date | None = None,
    quantiles: Sequence[float] = (0.5, 0.8),
    alive: tuple[float, float] = (0.3, 0.8),
) -> Cuts:
    """Learn the cuts of value from a reference year.

    Parameters
    ----------
    history : History
    reference : date, optional
        Last day of the reference year; default the end. Where few had bought by then, the end of the history.
    quantiles : sequence of two floats
        Of the yearly spend of those who bought in the year up to `reference`: from there on middle, and high.
    alive : tuple of float
        See `Cuts`.

    Raises
    ------
    ModelError
        If the quantiles are no two rising shares, or nobody bought.
    """
    low, high = (float(q) for q in quantiles)
    if not 0 < low <= high < 1:
        raise ModelError(Problem("the quantiles must rise", value=f"{low}, {high}", allowed="0 < middle <= high < 1"))
    day = min(reference or history.end, history.end)
    found = history.data.sql(_YEARLY, params={"since": day - timedelta(days=_YEAR), "until": day})
    if len(found) < _LEAST:
        day = history.end
        found = history.data.sql(_YEARLY, params={"since": day - timedelta(days=_YEAR), "until": day})
    spent = found["spent"].astype(float)
    unit = "money" if (spent > 0).sum() >= max(2, len(spent) // 2) else "purchases"
    values = spent[spent > 0] if unit == "money" else found["days"].astype(float)
    if values.empty:
        raise ModelError(Problem("nobody bought in the reference year", value=str(day), todo="name another reference"))
    ends = np.quantile(values, [low, high])
    if unit == "purchases":
        middle, top = float(max(2, np.ceil(ends[0]))), float(max(2, np.ceil(ends[1])))
    else:
        middle, top = (_short(float(v)) for v in ends)
    return Cuts((middle, max(middle, top)), alive, unit, day)


def _short(value: float) -> float:
    """Return a number of two digits that people can keep in mind."""
    return float(f"{value:.2g}")
