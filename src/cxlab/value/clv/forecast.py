"""What customers will buy and be worth: streamed over unique rows, so that no table of customers x draws ever exists.

For a block of rows all draws are made, summarised and thrown away. The mean of a row is an integral, not an average of
simulated purchases; spread and intervals come from simulated ones. A total of w customers who share a row is drawn as
``w mean + sqrt(w) (one - mean)``: the right mean and variance for any w, and the distribution itself for w = 1.

Spend enters by a product: what a purchase is worth to a customer with average m is linear in m, so the mean of each
customer needs two numbers of the row, and the interval is that of the row's average customer in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.value.clv import families
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.families import Family
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.clv.unique_rows import Rows, pairs

PROB: Final = 0.9
_BLOCK: Final = 600_000  # draws x rows at once
_SOON: Final = 160.0  # weeks up to which fewer times are enough


@dataclass(frozen=True)
class Forecast:
    """What is expected of customers from the end of the data to the horizon.

    Attributes
    ----------
    p_alive : array (row,)
        Probability of not having left.
    purchases, purchases_sd : array (row,)
        Expected number and standard deviation of purchases of one customer.
    purchases_low, purchases_high : array (row,)
        The counts whose probability is nearest to 90 %, shortest range.
    purchases_promised : array (row,)
        The probability of that range: counts being whole, it is rarely 90 % exactly.
    again : array (row,)
        Probability of at least one purchase.
    worth : array (row, 2)
        a, b such that a customer of the row with average purchase m is worth a + b m, discounted (before margin).
    revenue : array (row, 2)
        The same without discounting: expected spend.
    worth_sd, worth_low, worth_high : array (row,)
        As shares of the mean of a row's average customer.
    total : array (draw, group)
        Purchases of all customers of a group, the noise of single customers included.
    total_worth : array (draw, group)
        Their discounted value, before margin; purchases where there is no model of spend.
    steps : array (draw, step)
        Expected purchases of all customers in each step of time.
    edges : array (step + 1,)
    """

    p_alive: np.ndarray
    purchases: np.ndarray
    purchases_sd: np.ndarray
    purchases_low: np.ndarray
    purchases_high: np.ndarray
    purchases_promised: np.ndarray
    again: np.ndarray
    worth: np.ndarray
    revenue: np.ndarray
    worth_sd: np.ndarray
    worth_low: np.ndarray
    worth_high: np.ndarray
    total: np.ndarray
    total_worth: np.ndarray
    steps: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True)
class Amounts:
    """The model of spend as a forecast needs it.

    Attributes
    ----------
    points : array (draw, 3)
        Draws of its coordinates.
    scale : float
        See `spend.Spend`.
    x, mean : array (row,)
        Purchases averaged and the average of a row's customers; 0 where none was seen.
    power, log_time : array (row,) or None
        What is known of the rates of buying, for the joint model: see `spend.factors`.
    """

    points: np.ndarray
    scale: float
    x: np.ndarray
    mean: np.ndarray
    power: np.ndarray | None = None
    log_time: np.ndarray | None = None

    def factor(self, here: slice) -> np.ndarray | float:
        """What the rate of buying multiplies amounts by, (draw, row)."""
        if self.power is None or self.log_time is None:
            return 1.0
        return money.factors(self.points, self.power[here], self.log_time[here])


def stream(
    family: Family,
    points: np.ndarray,
    rows: Rows,
    *,
    edges: np.ndarray,
    seed: int,
    discount: float = 0.0,
    amounts: Amounts | None = None,
    groups: np.ndarray | None = None,
) -> Forecast:
    """Forecast rows under draws of the parameters.

    Parameters
    ----------
    family : str
    points : array (draw, coordinate)
    rows : Rows
    edges : array (step + 1,)
        Times from now, beginning with 0; the last is the horizon.
    seed : int
    discount : float
        Continuous rate a unit of time.
    amounts : Amounts, optional
        Without it, value is counted in purchases.
    groups : array of int (row,), optional
        Group of each row, for totals.

    Returns
    -------
    Forecast
    """
    random = np.random.default_rng(seed)
    group = np.zeros(len(rows), int) if groups is None else np.asarray(groups, int)
    horizon, n, d = float(edges[-1]), len(rows), len(points)
    ahead, by_step, worth_now = time_rule(np.asarray(edges, float), discount, 7 if horizon <= _SOON else 12)
    one = {
        name: np.empty(n)
        for name in ("alive", "mean", "sd", "low", "high", "promised", "again", "w_sd", "w_low", "w_high")
    }
    worth, revenue = np.zeros((n, 2)), np.zeros((n, 2))
    total, total_worth = (np.zeros((d, int(group.max()) + 1)) for _ in range(2))
    path = np.zeros((d, len(ahead)))
    size = max(1, _BLOCK // max(d, 1))
    for begin in range(0, n, size):
        here = slice(begin, min(begin + size, n))
        part = rows.pick(np.arange(here.start, here.stop))
        alike, at = pairs(part)
        flow = families.intensity(family, points, alike, ahead)  # (draw, pair, time)
        alive = families.alive(family, points, part)
        living = _by_pair(alive * part.weight, at, len(alike))
        path += np.einsum("dk,dkt->dt", living, flow)
        mean = alive * (flow @ by_step.sum(axis=1))[:, at]
        discounted = alive * (flow @ worth_now)[:, at]

        rate, leave = families.simulate(family, points, part, random)
        lives = random.random(alive.shape) < alive
        count = families.counts(family, rate, leave, horizon, random) * lives
        one["again"][here] = (alive * (1 - families.none(family, rate, leave, horizon))).mean(axis=0)
        gone = families.leaving(family, rate, leave) + discount
        value = lives * rate * -np.expm1(-gone * horizon) / np.maximum(gone, 1e-300)

        weight, root = part.weight, np.sqrt(part.weight)
        _add(total, group[here], mean * weight + root * (count - mean))
        if amounts is None:
            expected = discounted
            worth[here, 0], revenue[here, 0] = discounted.mean(axis=0), mean.mean(axis=0)
        else:
            x, average = amounts.x[here], amounts.mean[here]
            factor = amounts.factor(here)
            a, b = money.expected(amounts.points, amounts.scale, x, factor)
            worth[here] = np.stack([(discounted * a).mean(axis=0), (discounted * b).mean(axis=0)], axis=1)
            revenue[here] = np.stack([(mean * a).mean(axis=0), (mean * b).mean(axis=0)], axis=1)
            value = value * money.simulate(amounts.points, amounts.scale, x, average, random=random, factor=factor)
            expected = discounted * (a + b * average)
        _add(total_worth, group[here], expected * weight + root * (value - expected))

        one["alive"][here], one["mean"][here] = alive.mean(axis=0), mean.mean(axis=0)
        one["sd"][here] = count.std(axis=0)
        one["low"][here], one["high"][here], one["promised"][here] = _nearest(np.sort(count, axis=0))
        centre = np.maximum(expected.mean(axis=0), 1e-300)
        one["w_sd"][here] = value.std(axis=0) / centre
        ends = np.quantile(value, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
        one["w_low"][here], one["w_high"][here] = ends / centre
    return Forecast(
        p_alive=one["alive"],
        purchases=one["mean"],
        purchases_sd=one["sd"],
        purchases_low=one["low"],
        purchases_high=one["high"],
        purchases_promised=one["promised"],
        again=one["again"],
        worth=worth,
        revenue=revenue,
        worth_sd=one["w_sd"],
        worth_low=one["w_low"],
        worth_high=one["w_high"],
        total=total,
        total_worth=total_worth,
        steps=np.maximum(path @ by_step, 0.0),  # where buying all but stops at once the curve swings below
        edges=np.asarray(edges, float),
    )


def shocked(total: np.ndarray, shock: float, *, seed: int) -> np.ndarray:
    """Return draws of a total with a shock common to all customers: a factor with standard deviation `shock` (log)."""
    random = np.random.default_rng([seed, 7])
    return total * np.exp(shock * random.standard_normal((len(total), *(1,) * (total.ndim - 1))))


def _by_pair(values: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """Sum columns by pair, (draw, pair)."""
    order = np.argsort(at, kind="stable")
    begins = np.searchsorted(at[order], np.arange(n))
    return np.add.reduceat(values[:, order], begins, axis=1)


def _add(total: np.ndarray, group: np.ndarray, values: np.ndarray) -> None:
    for g in np.unique(group):
        total[:, g] += values[:, group == g].sum(axis=1)


def _nearest(count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shortest range of counts whose probability is nearest to 90 % and that probability, of sorted draws.

    Counts are few: any range that must hold at least 90 % holds far more. Of the shortest such range and the same less
    its lowest or its highest count, the one nearest to 90 % is taken.
    """
    d = len(count)
    take = min(int(np.ceil(PROB * d)), d)
    width = count[take - 1 :] - count[: d - take + 1]
    begin = width.argmin(axis=0)
    column = np.arange(count.shape[1])
    low, high = count[begin, column].astype(float), count[begin + take - 1, column].astype(float)
    share = _within(count, low, high)
    best = (low, high, share)
    for less in ((low, high - 1), (low + 1, high)):
        share = np.where(less[0] <= less[1], _within(count, *less), np.inf)
        better = np.abs(share - PROB) < np.abs(best[2] - PROB)
        best = (
            np.where(better, less[0], best[0]),
            np.where(better, less[1], best[1]),
            np.where(better, share, best[2]),
        )
    return best


def _within(count: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return ((count >= low) & (count <= high)).mean(axis=0)
