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
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.rows import Rows
from cxlab.value.rfm.history import History

VALUES: Final = ("high", "middle", "low")
STAGES: Final = ("active", "slipping", "lapsed")
KEYS: Final = tuple(f"{value}/{stage}" for value in VALUES for stage in STAGES)
NEW: Final = "new"  # where customers come from who were not there before
_YEAR: Final = timedelta(days=365)
_LEAST: Final = 30  # customers of the reference year below which all that is known is used


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
            for name, pair, legal, allowed in (
                ("value", self.yearly, 0 < self.yearly[0] <= self.yearly[1], "0 < middle <= high"),
                ("P(alive)", self.alive, 0 < self.alive[0] <= self.alive[1] < 1, "0 < lapsed <= active < 1"),
            )
            if not (np.isfinite(pair).all() and legal)
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
    year = history.spending(day - _YEAR, day)
    if len(year) < _LEAST:
        day = history.end
        year = history.spending(day - _YEAR, day)
    spent, unit = year.loc[year["spent"] > 0, "spent"], "money"
    if len(spent) < max(2, len(year) // 2):
        spent, unit = year["days"].astype(float), "purchases"
    if spent.empty:
        raise ModelError(Problem("nobody bought in the reference year", value=str(day), todo="name another reference"))
    middle, top = (float(q) for q in np.quantile(spent, [low, high]))
    if unit == "money":  # two digits, that people can keep in mind
        middle, top = float(f"{middle:.2g}"), float(f"{top:.2g}")
    else:
        middle, top = (float(max(2, np.ceil(v))) for v in (middle, top))
    return Cuts((middle, max(middle, top)), alive, unit, day)


def still_there(family: str, points: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the probability of not having left by which stages are told, (draw, row).

    bgnbd lets nobody leave before the second purchase, however long ago the first one was: with it, whoever bought once
    would be active for ever. Of them the stage is told as if the first purchase were one after which customers may
    leave like any other, as mbgnbd has it, with the same parameters. What they are worth stays what bgnbd says.
    """
    alive = BUYING[family].alive(points, rows)
    if family != "bgnbd" or (rows.x > 0).all():
        return alive
    return np.where(rows.x > 0, alive, BUYING["mbgnbd"].alive(points, rows))
