r"""Gamma-Gamma: what a purchase of a customer is worth, given how many were seen and what they cost on average.

A purchase of customer i is Gamma(p, nu_i), nu_i ~ Gamma(q, gamma). With x purchases of m on average

    log L = log G(p x + q) - log G(p x) - log G(q) + q log gamma + (p x - 1) log m + p x log x
            - (p x + q) log(gamma + x m),

and the customer's mean is p (gamma + x m) / nu' with nu' ~ Gamma(p x + q, 1), so that its expectation
(gamma p + p x m) / (p x + q - 1) lies between the average of all and the customer's own. q > 1 is asked for: below it,
the average of all is infinite.

The customers' totals enter through log(gamma + x m) alone. Its two sums over customers are smooth functions of gamma
and are replaced by Chebyshev polynomials (12 digits), so that a million customers cost what a thousand do.

Coordinates: log p, log(q - 1), log of the average of all, p gamma / (q - 1), in units of the average seen.

Joint with frequency: where those who buy more often spend more (or less) a purchase, amounts are those above times a
factor g_i = E[lambda_i^t | purchases] / e^(t c), the power t of the customer's own rate of buying averaged over what is
not known of it (Gamma(r + x, alpha + the time the customer is expected to have been there), r and alpha at the
posterior mean of buying), c the mean log rate. The expected amount is then exactly that of log amount = .. + t log
lambda; t is a fourth coordinate, 0 means independence.

References
----------
Fader, Hardie and Lee (2005), RFM and CLV: using iso-value curves, doi:10.1509/jmkr.2005.42.4.415.
Glady, Baesens and Croux (2009), A modified Pareto/NBD approach for predicting customer lifetime value (spend that
depends on the number of purchases), doi:10.1016/j.eswa.2007.12.049.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import gammaln, psi

from cxlab.errors import ModelError, Problem

NAMES: Final = ("p", "q", "gamma")
START: Final = np.array([1.5, 1.0, 0.0])
_DEGREE: Final = 160
_REACH: Final = 12.0  # of the logarithm of gamma, in units of the average spend, on both sides
_MANY: Final = 400  # customers from which on the polynomials pay
_GROUPED: Final = 20_000  # customers from which on the joint model sees amounts and rates to the nearest per cent


@dataclass(frozen=True)
class Spend:
    """Purchases and their average.

    Attributes
    ----------
    x : array (customer,)
        Purchases averaged; above 0.
    mean : array (customer,)
        Their average amount; above 0.
    scale : float
        Average of all purchases: the unit in which the model sees amounts.
    weight : array (customer,)
        Customers an entry stands for.
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
    counts: np.ndarray  # distinct numbers of purchases and the customers with each
    customers: np.ndarray
    fixed: tuple[float, float]  # sums of x log(x m) and of log m
    curves: np.ndarray | None  # coefficients of the two sums over customers and of their slopes, (degree + 1, 4)
    power: np.ndarray | None = None
    log_time: np.ndarray | None = None

    @property
    def joint(self) -> bool:
        """Whether amounts depend on the rate of buying."""
        return self.power is not None


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
        kept = (x > 0) & (mean > 0) & np.isfinite(mean) & (count > 0)
    x, mean, count, who = x[kept], mean[kept], count[kept], np.flatnonzero(kept)
    if len(x) < 2:
        raise ModelError(
            Problem("too few customers with a known amount above 0 to learn what a purchase is worth",
                    value=str(len(x)), allowed="at least 2", todo="map the amount of transactions")
        )  # fmt: skip
    scale = float((count * x) @ mean / (count @ x))
    one = mean / scale
    counts, at = np.unique(x, return_inverse=True)
    curves = None
    if len(x) >= _MANY:
        places = chebyshev.chebpts1(_DEGREE + 1) * _REACH
        sums = np.array([_sums(np.exp(g), x, one, count) for g in places])
        curves = chebyshev.chebfit(places / _REACH, sums, _DEGREE)
        slopes = np.vstack([chebyshev.chebder(curves) / _REACH, np.zeros((1, 2))])
        curves = np.hstack([curves, slopes])
    fixed = (float(count @ (x * np.log(x * one))), float(count @ np.log(one)))
    return Spend(x, mean, count, scale, who, counts, np.bincount(at, count), fixed, curves)


def joined(data: Spend, power: np.ndarray, time: np.ndarray) -> Spend:
    """Return the same amounts for the joint model.

    Parameters
    ----------
    data : Spend
    power, time : arrays (customer,)
        A customer's rate of buying is known as Gamma(power, time): r + x, and alpha + time among the customers, in
        units of 1 / rate so that log rates are around 0.

    Notes
    -----
    Of many customers amounts and times are taken to the nearest per cent and those who agree become one entry: the
    spread this adds to the logarithm of an amount is a third of a per cent.
    """
    log_time = np.log(time)
    if len(data.x) > _GROUPED:
        log_mean = np.round(np.log(data.mean / data.scale) * 100)
        table = np.stack([data.x, power * 1e6, np.round(log_time * 100), log_mean])
        met, at = np.unique(np.round(table), axis=1, return_inverse=True)
        weight = np.bincount(at.ravel(), data.weight)
        mean = data.scale * np.exp(met[3] / 100)
        return replace(
            data, x=met[0], mean=mean, weight=weight, power=met[1] / 1e6, log_time=met[2] / 100, curves=None,
            who=np.arange(len(weight)),
        )  # fmt: skip
    return replace(data, power=power, log_time=log_time, curves=None)


def _sums(gamma: float, x: np.ndarray, one: np.ndarray, count: np.ndarray) -> tuple[float, float]:
    log_total = np.log(gamma + x * one)
    return float(count @ log_total), float((count * x) @ log_total)


def gradient(point: np.ndarray, data: Spend) -> tuple[float, np.ndarray]:
    """Return the log likelihood, amounts in units of their average, and its gradient."""
    p, q, log_mean = float(np.exp(point[0])), 1 + float(np.exp(point[1])), float(point[2])
    log_gamma = log_mean + point[1] - point[0]
    gamma = float(np.exp(log_gamma))
    k, n, total = data.counts, data.customers, float(data.customers.sum())
    fixed, factor = data.fixed, np.empty(0)
    if data.curves is not None and abs(log_gamma) < _REACH:
        one, by_x, d_one, d_by_x = chebyshev.chebval(log_gamma / _REACH, data.curves)
    else:
        log_one = np.log(data.mean / data.scale)
        if data.joint:
            factor, slope = _tilt(point[3], data)
            log_one = log_one - factor
            fixed = (float(data.weight @ (data.x * (np.log(data.x) + log_one))), float(data.weight @ log_one))
        mean = np.exp(log_one)
        one, by_x = _sums(gamma, data.x, mean, data.weight)
        share = data.weight * gamma / (gamma + data.x * mean)
        d_one, d_by_x = float(share.sum()), float(share @ data.x)
    value = (
        n @ (gammaln(p * k + q) - gammaln(p * k)) + total * (q * log_gamma - gammaln(q))
        + p * fixed[0] - fixed[1] - p * by_x - q * one
    )  # fmt: skip
    d_p = n @ (k * (psi(p * k + q) - psi(p * k))) + fixed[0] - by_x
    d_q = n @ psi(p * k + q) + total * (log_gamma - psi(q)) - one
    d_gamma = total * q - p * d_by_x - q * d_one  # by its logarithm
    out = np.array([p * d_p - d_gamma, (q - 1) * d_q + d_gamma, d_gamma])
    if not data.joint:
        return float(value), out
    # amounts are g times those of the model: the density of log amount moves by -t, its Jacobian is that of the amount
    by_log = data.weight * (p * data.x) - (p * data.x + q) * (data.weight - share)
    return float(value - data.weight @ factor), np.append(out, -float(by_log @ slope))


def values(points: np.ndarray, data: Spend) -> np.ndarray:
    """Return the log likelihoods of many points (point, coordinate)."""
    log_gamma = points[:, 2] + points[:, 1] - points[:, 0]
    if data.curves is None or not (np.abs(log_gamma) < _REACH).all():
        return np.array([gradient(point, data)[0] for point in points])
    p, q = np.exp(points[:, 0]), 1 + np.exp(points[:, 1])
    one, by_x = chebyshev.chebval(log_gamma / _REACH, data.curves[:, :2])
    seen = p[:, None] * data.counts
    return np.asarray(
        (gammaln(seen + q[:, None]) - gammaln(seen)) @ data.customers
        + data.customers.sum() * (q * log_gamma - gammaln(q))
        + p * data.fixed[0] - data.fixed[1] - p * by_x - q * one
    )  # fmt: skip


def _tilt(t: float, data: Spend) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the factors g and its slope by t."""
    assert data.power is not None
    assert data.log_time is not None
    powers, at = np.unique(data.power, return_inverse=True)
    return (
        (gammaln(powers + t) - gammaln(powers))[at] - t * data.log_time,
        psi(powers + t)[at] - data.log_time,
    )


def log_likelihood(p: float, q: float, gamma: float, data: Spend) -> float:
    """Return the log likelihood of the amounts in their own unit, as published values have it."""
    value, _ = gradient(coordinates(p, q, gamma / data.scale), data)
    return value - float(data.weight.sum()) * float(np.log(data.scale))


def coordinates(p: float, q: float, gamma: float) -> np.ndarray:
    """Return the point of the coordinates; gamma in units of the average spend."""
    return np.array([np.log(p), np.log(q - 1), np.log(p * gamma / (q - 1))])


def natural(points: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p, q and gamma in the client's currency, of points (.., 3)."""
    p, more = np.exp(points[..., 0]), np.exp(points[..., 1])
    return p, 1 + more, scale * np.exp(points[..., 2]) * more / p


def expected(
    points: np.ndarray, scale: float, x: np.ndarray, factor: np.ndarray | float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a, b (draw, row) such that a purchase of a customer with x purchases of m on average is worth a + b m.

    `factor` (draw, row) is what their rate of buying multiplies amounts by, see `factors`.
    """
    p, q, gamma = (v[:, None] for v in natural(points, scale))
    below = p * x + q - 1
    return p * gamma * factor / below, p * x / below


def simulate(
    points: np.ndarray,
    scale: float,
    x: np.ndarray,
    mean: np.ndarray,
    *,
    random: np.random.Generator,
    factor: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Draw what a purchase is worth on average to customers with x purchases of `mean`, (draw, row)."""
    p, q, gamma = (v[:, None] for v in natural(points, scale))
    shape = np.broadcast_to(p * x + q, (len(points), len(x)))
    return p * (gamma * factor + x * np.nan_to_num(mean)) / np.maximum(random.standard_gamma(shape), 1e-300)


def factors(points: np.ndarray, power: np.ndarray, log_time: np.ndarray) -> np.ndarray | float:
    """Return what the rate of buying multiplies the amount of coming purchases by, (draw, row); 1 if independent.

    Of customers whose rate is Gamma(power, time), weighted by what they will buy: who buys more counts more often.
    """
    if points.shape[1] < 4:
        return 1.0
    t = points[:, 3:4]
    return np.exp(gammaln(power + 1 + t) - gammaln(power + 1) - t * log_time)
