r"""Gamma-Gamma: what a purchase of a customer is worth, given how many were seen and what they cost on average.

A purchase of customer i is Gamma(p, nu_i), nu_i ~ Gamma(q, gamma). With x purchases of m on average

    log L = log G(p x + q) - log G(p x) - log G(q) + q log gamma + (p x - 1) log m + p x log x
            - (p x + q) log(gamma + x m),

and the customer's mean is p (gamma + x m) / nu' with nu' ~ Gamma(p x + q, 1), so that its expectation
(gamma p + p x m) / (p x + q - 1) lies between the average of all and the customer's own. q > 1 is asked for: below it,
the average of all is infinite.

Coordinates: log p, log(q - 1), log of the average of all, p gamma / (q - 1), in units of the average seen.

Joint with frequency: where those who buy more often spend more (or less) a purchase, amounts are those above times a
factor g_i = E[lambda_i^t | purchases] / e^(t c), the power t of the customer's own rate of buying averaged over what is
not known of it (Gamma(r + x, alpha + the time the customer is expected to have been there), r and alpha at the
posterior mean of buying), c the mean log rate. The expected amount is then exactly that of log amount = .. + t log
lambda; t is a fourth coordinate, 0 means independence.

The check of independence is posterior predictive. Under independence the average amount of a customer still tells on
the number of purchases it is an average of: averages of few skewed amounts lie below the mean more often than not. So
the rank correlation that is seen is compared with those of amounts drawn from the model for the same numbers of
purchases, not with 0. Independence fails where the correlation lies outside 99 % of the drawn ones and at least 0.05
from their middle: with many customers the smallest dependence is significant, but it changes no value.

References
----------
Fader, Hardie and Lee (2005), RFM and CLV: using iso-value curves, doi:10.1509/jmkr.2005.42.4.415.
Glady, Baesens and Croux (2009), A modified Pareto/NBD approach for predicting customer lifetime value (spend that
depends on the number of purchases), doi:10.1016/j.eswa.2007.12.049.
Gelman, Meng and Stern (1996), Posterior predictive assessment of model fitness, Statistica Sinica 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import gammaln

from cxlab.errors import ModelError, Problem
from cxlab.value.clv.families import Buying
from cxlab.value.clv.rows import Rows

NAMES: Final = ("p", "q", "gamma")
START: Final = np.array([1.5, 1.0, 0.0])
MATTERS: Final = 0.05  # distance of the rank correlation from that of independence
LEAST: Final = 30  # customers with an average, below which nothing is checked
GROUPED: Final = 20_000  # customers from which on amounts and rates are seen to the nearest per cent
_CHUNK: Final = 500_000  # numbers at once, so that they stay near the processor
_DRAWS: Final = 200


@dataclass(frozen=True)
class Spend:
    """Purchases and their average.

    Attributes
    ----------
    x : array (customer,)
        Purchases averaged; above 0.
    mean : array (customer,)
        Their average amount; above 0.
    weight : array (customer,)
        Customers an entry stands for.
    scale : float
        Average of all purchases: the unit in which the model sees amounts.
    who : array of int (customer,)
        Place of an entry among the customers given.
    power, log_time : arrays (customer,) or None
        Joint with frequency: shape and log scale of a customer's rate of buying, see `joined`.
    """

    x: np.ndarray
    mean: np.ndarray
    weight: np.ndarray
    scale: float
    who: np.ndarray
    power: np.ndarray | None = None
    log_time: np.ndarray | None = None

    @property
    def joint(self) -> bool:
        """Whether amounts depend on the rate of buying."""
        return self.power is not None


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
    correlation: float = np.nan
    low: float = np.nan
    high: float = np.nan
    expected_low: float = np.nan
    expected_high: float = np.nan
    fails: bool = False
    used: str = "independent"


def spend(x: np.ndarray, mean: np.ndarray, *, weight: np.ndarray | None = None) -> Spend:
    """Prepare the likelihood of spend.

    Parameters
    ----------
    x, mean : arrays (customer,)
        Purchases and their average amount; customers without any, or with an average that is not above 0, are left out.
    weight : array (customer,), optional

    Raises
    ------
    ModelError
        If fewer than two customers remain.
    """
    x, mean = np.asarray(x, float), np.asarray(mean, float)
    count = np.ones(len(x)) if weight is None else np.asarray(weight, float)
    with np.errstate(invalid="ignore"):
        who = np.flatnonzero((x > 0) & (mean > 0) & np.isfinite(mean) & (count > 0))
    x, mean, count = x[who], mean[who], count[who]
    if len(x) < 2:
        todo = "map the amount of transactions"
        what = "too few customers with a known amount above 0 to learn what a purchase is worth"
        raise ModelError(Problem(what, value=str(len(x)), allowed="at least 2", todo=todo))
    return Spend(x, mean, count, float((count * x) @ mean / (count @ x)), who)


def joined(data: Spend, family: Buying, point: np.ndarray, rows: Rows) -> tuple[Spend, float]:
    """Return the same amounts for the joint model, and the mean log rate of buying that they are centred at.

    A customer's rate is known as Gamma(r + x, alpha + the time they are expected to have been there): until the last
    purchase for those who have left. `point` are the coordinates of buying at which r and alpha are taken.
    """
    alive = family.alive(point[None], rows)[0]
    power, alpha = rate_known(family, point, rows)
    log_time = np.log(alpha + alive * rows.age + (1 - alive) * rows.recency)
    at = rows.inverse[data.who]
    log_rate = (np.log(power) - log_time)[at]
    centre = float((data.weight * data.x) @ log_rate / (data.weight @ data.x))
    return replace(data, power=power[at], log_time=log_time[at] + centre), centre


def rate_known(family: Buying, point: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return r + x and alpha of each row: with the time seen they are what is known of a customer's rate of buying."""
    r, alpha, *_ = family.natural(point[None], rows.z)
    return r[0] + rows.x, alpha[0][rows.cell]


def grouped(data: Spend) -> Spend:
    """Return many customers with amounts and rates to the nearest per cent, those who agree as one entry.

    The spread that this adds to the logarithm of an amount is a third of a per cent.
    """
    if len(data.x) <= GROUPED:
        return data
    columns = [data.x, np.round(np.log(data.mean / data.scale) * 100)]
    if data.power is not None and data.log_time is not None:
        columns += [np.round(data.power * 1e6), np.round(data.log_time * 100)]
    met, at = np.unique(np.stack(columns), axis=1, return_inverse=True)
    weight = np.bincount(at.ravel(), data.weight)
    joint = {"power": met[2] / 1e6, "log_time": met[3] / 100} if data.joint else {}
    mean = data.scale * np.exp(met[1] / 100)
    return replace(data, x=met[0], mean=mean, weight=weight, who=np.arange(len(weight)), **joint)


def values(points: np.ndarray, data: Spend) -> np.ndarray:
    """Return the log likelihoods, amounts in units of their average, at points (point, coordinate)."""
    size = max(1, _CHUNK // len(data.x))
    return np.concatenate([_values(points[i : i + size], data) for i in range(0, len(points), size)])


def _values(points: np.ndarray, data: Spend) -> np.ndarray:
    p, q = np.exp(points[:, :1]), 1 + np.exp(points[:, 1:2])
    log_gamma = points[:, 2:3] + points[:, 1:2] - points[:, :1]
    x, weight, log_mean = data.x, data.weight, np.log(data.mean / data.scale)
    counts, at = np.unique(x, return_inverse=True)
    seen = p * counts
    out = (gammaln(seen + q) - gammaln(seen)) @ np.bincount(at, weight)
    if data.power is not None and data.log_time is not None:
        # amounts are g times those of the model: their logs move by that of g, once more for the Jacobian
        powers, place = np.unique(data.power, return_inverse=True)
        t = points[:, 3:4]
        factor = (gammaln(powers + t) - gammaln(powers))[:, place] - t * data.log_time
        log_mean = log_mean - factor
        out -= factor @ weight
    log_total = np.log(np.exp(log_gamma) + x * np.exp(log_mean))
    out += weight.sum() * (q * log_gamma - gammaln(q))[:, 0] - log_mean @ weight
    out += p[:, 0] * ((np.log(x) + log_mean - log_total) @ (weight * x)) - q[:, 0] * (log_total @ weight)
    return np.asarray(out)


def log_likelihood(p: float, q: float, gamma: float, data: Spend) -> float:
    """Return the log likelihood of the amounts in their own unit, as published values have it."""
    value = float(values(coordinates(p, q, gamma / data.scale)[None], data)[0])
    return value - float(data.weight.sum()) * float(np.log(data.scale))


def coordinates(p: float, q: float, gamma: float) -> np.ndarray:
    """Return the point of the coordinates; gamma in units of the average spend."""
    return np.array([np.log(p), np.log(q - 1), np.log(p * gamma / (q - 1))])


def natural(points: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p, q and gamma in the client's currency, of points (.., 3)."""
    p, more = np.exp(points[..., 0]), np.exp(points[..., 1])
    return p, 1 + more, scale * np.exp(points[..., 2]) * more / p


def check_independence(data: Spend, points: np.ndarray, *, seed: int) -> Dependence:
    """Compare the rank correlation of frequency and amounts with what independence would show.

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
    chosen = np.arange(n) if n <= GROUPED else random.choice(n, GROUPED, replace=False)
    x, mean = data.x[chosen], data.mean[chosen]
    if len(x) < LEAST or len(np.unique(x)) < 2 or len(np.unique(mean)) < 2:
        return Dependence(n)
    rank = rankdata(x) - (len(x) + 1) / 2

    def correlation(amounts: np.ndarray) -> float:
        other = rankdata(amounts) - (len(x) + 1) / 2
        return float(rank @ other / np.sqrt((rank @ rank) * (other @ other)))

    seen = correlation(mean)
    drawn = [
        correlation(random.standard_gamma(p * x) / x / np.maximum(random.standard_gamma(1 + more, len(x)), 1e-300))
        for p, more in np.exp(points[np.linspace(0, len(points) - 1, _DRAWS).astype(int), :2])
    ]
    low, middle, high = (float(v) for v in np.quantile(drawn, [0.005, 0.5, 0.995]))
    wide = 1.645 * np.sqrt((1 + seen**2 / 2) / max(len(x) - 3, 1))  # Bonett and Wright, of the transform of Fisher
    ends = np.tanh(np.arctanh(np.clip(seen, -0.9999, 0.9999)) + np.array([-wide, wide]))
    fails = bool(not low <= seen <= high and abs(seen - middle) >= MATTERS)
    return Dependence(n, seen, float(ends[0]), float(ends[1]), low, high, fails=fails)
