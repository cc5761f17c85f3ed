"""Do those who buy more often spend more a purchase? The check of independence, and what the joint model needs.

The check is posterior predictive. Under independence the average amount of a customer still tells on the number of
purchases it is an average of: averages of few skewed amounts lie below the mean more often than not. So the rank
correlation that is seen is compared with those of amounts drawn from the model for the same numbers of purchases, not
with 0. Independence fails where the correlation lies outside 99 % of the drawn ones and at least 0.05 from their
middle: with many customers the smallest dependence is significant, but it changes no value.

References
----------
Gelman, Meng and Stern (1996), Posterior predictive assessment of model fitness, Statistica Sinica 6.
Schmittlein and Peterson (1994), Customer base analysis: an industrial purchase process application,
doi:10.1287/mksc.13.1.41 (the assumption and its check).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.value.clv import families
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.data import Family
from cxlab.value.clv.gamma_gamma import Spend
from cxlab.value.clv.unique_rows import Rows

MATTERS: Final = 0.05  # distance of the rank correlation from that of independence
LEAST: Final = 30  # customers with an average, below which nothing is checked
_DRAWS: Final = 200
_MOST: Final = 20_000


@dataclass(frozen=True)
class Dependence:
    """How frequency and amounts go together.

    Attributes
    ----------
    customers : int
        Customers with a repeat purchase of known amount; below 30 nothing is checked.
    correlation, low, high : float
        Rank correlation of repeat purchases and their average amount, and its 90 % interval.
    expected_low, expected_high : float
        Where 99 % of the correlations lie that independence would show.
    fails : bool
        Whether independence fails.
    used : str
        ``independent`` or ``joint``: the model of spend that was fitted.
    """

    customers: int
    correlation: float
    low: float
    high: float
    expected_low: float
    expected_high: float
    fails: bool
    used: str = "independent"


def check(data: Spend, points: np.ndarray, *, seed: int) -> Dependence:
    """Compare the rank correlation with what independence would show.

    Parameters
    ----------
    data : Spend
    points : array (draw, 3)
        Draws of the coordinates of independent spend.
    seed : int
    """
    from scipy.stats import rankdata

    random = np.random.default_rng([seed, 11])
    n = len(data.x)
    chosen = np.arange(n) if n <= _MOST else random.choice(n, _MOST, replace=False)
    x, mean = data.x[chosen], data.mean[chosen]
    nothing = float("nan")
    if len(x) < LEAST or len(np.unique(x)) < 2 or len(np.unique(mean)) < 2:
        return Dependence(n, nothing, nothing, nothing, nothing, nothing, fails=False)
    rank = rankdata(x)
    rank -= rank.mean()
    rank /= np.sqrt((rank**2).sum())

    def correlation(amounts: np.ndarray) -> float:
        other = rankdata(amounts)
        return float(rank @ (other - other.mean()) / np.sqrt(((other - other.mean()) ** 2).sum()))

    seen = correlation(mean)
    drawn = []
    for p, q in np.exp(points[np.linspace(0, len(points) - 1, _DRAWS).astype(int), :2]):
        alike = random.standard_gamma(1 + q, len(x))
        drawn.append(correlation(random.standard_gamma(p * x) / x / np.maximum(alike, 1e-300)))
    low, middle, high = np.quantile(drawn, [0.005, 0.5, 0.995])
    wide = 1.645 * np.sqrt((1 + seen**2 / 2) / max(len(x) - 3, 1))  # Bonett and Wright, of the transform of Fisher
    ends = np.tanh(np.arctanh(np.clip(seen, -0.9999, 0.9999)) + np.array([-wide, wide]))
    fails = not low <= seen <= high and abs(seen - middle) >= MATTERS
    return Dependence(n, seen, float(ends[0]), float(ends[1]), float(low), float(high), fails=bool(fails))


def rates(family: Family, point: np.ndarray, rows: Rows, centre: float) -> tuple[np.ndarray, np.ndarray]:
    """Return power and log time of the rate of buying of customers of each row, see `spend.joined`.

    The time is the one a customer is expected to have been there: until the last purchase for those who have left.
    """
    assert family in families.FAMILIES
    one = point[None]
    alive = families.alive(family, one, rows)[0]
    known = families.rate_known(point, rows)
    return known[0], np.log(known[1] + alive * rows.age + (1 - alive) * rows.recency) + centre


def ahead(point: np.ndarray, rows: Rows, centre: float) -> tuple[np.ndarray, np.ndarray]:
    """Return power and log time of the rate of those who are still there."""
    power, first = families.rate_known(point, rows)
    return power, np.log(first + rows.age) + centre


def joined(family: Family, point: np.ndarray, rows: Rows, data: Spend) -> tuple[Spend, float]:
    """Return the amounts for the joint model, and the mean log rate they are centred at."""
    power, log_time = rates(family, point, rows, 0.0)
    at = rows.inverse[data.who]
    log_rate = np.log(power) - log_time
    centre = float((data.weight * data.x) @ log_rate[at] / (data.weight @ data.x))
    return money.joined(data, power[at], np.exp(log_time[at] + centre)), centre
