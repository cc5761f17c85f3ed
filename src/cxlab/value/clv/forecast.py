"""What customers will buy and be worth: streamed over customers, so that no table of customers x draws ever exists.

Every draw of the posterior says what each customer may be like: still there or not, a rate of buying, one of leaving,
an average purchase. From these all else follows: the value until a horizon in closed form, purchases of the near future
by drawing them, the segment. Means of customers are integrals over unique rows, not averages of draws, and totals are
scaled to be their sum: what is told of all is what is told of each, added up.

Spend enters by a product: what a purchase is worth to a customer with average m is linear in m, so the mean of each
customer needs two numbers of the row. More than 200,000 customers who stand beside each other share draws.

A forecast of a total carries the correction that past forecasts of totals have taught (`Correction`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import gammaln

from cxlab.errors import ModelError, Problem
from cxlab.value.clv import gamma_gamma
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.clv.rows import Rows
from cxlab.value.model import WEEKS_A_YEAR, ValueData, points
from cxlab.value.segments.cuts import KEYS, Cuts, still_there

if TYPE_CHECKING:
    import xarray as xr

PROB: Final = 0.9
LIFETIME: Final = 50 * WEEKS_A_YEAR  # at 10 % a year what comes later is worth under 1 % of what never left would be
ENTRIES: Final = 200_000  # customers up to whom each has draws of their own
NUMBERS: Final = 40_000_000  # draws x customers in all; of more customers fewer draws are taken
_FEWEST: Final = 40  # draws, whatever the number of customers
_BLOCK: Final = 400_000  # draws x customers at once
_EXACT: Final = 60  # draws over which the means of customers are taken
_SOON: Final = 160.0  # weeks up to which fewer times are enough


@dataclass(frozen=True)
class Correction:
    """What past forecasts of totals teach about the next one.

    Attributes
    ----------
    spread : float
        Standard deviation (log) of what moves all customers alike.
    weekly : float
        The same of single weeks, beside it.
    """

    spread: float = 0.0
    weekly: float = 0.0

    def draws(self, n: int, *, seed: int) -> np.ndarray:
        """Return factors of the common shock for draws of a total; their mean is 1, exactly."""
        z = np.exp(self.spread * np.random.default_rng([seed, 7]).standard_normal(n))
        return np.asarray(z / z.mean())


@dataclass(frozen=True)
class Ahead:
    """What is asked of the future.

    Attributes
    ----------
    weeks : float
        Horizon of expectations and of value.
    near : float
        Weeks for which purchases are drawn; 0: until the horizon.
    draws : int
        Draws of the posterior that are used; of very many customers fewer are.
    discount : float
        Discount rate a year.
    margin : float
        Share of spend that is contribution.
    correction, near_correction : Correction
        Of totals until the horizon, and of the near future.
    steps : int
        Steps of time in which purchases of the near future are told.
    ranges : bool
        Whether ranges of the purchases of single customers are wanted.
    """

    weeks: float
    near: float = 0.0
    draws: int = 300
    discount: float = 0.1
    margin: float = 1.0
    correction: Correction = field(default_factory=Correction)
    near_correction: Correction = field(default_factory=Correction)
    steps: int = 1
    ranges: bool = False

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{name} must be {allowed}", value=str(value))
            for name, value, legal, allowed in (
                ("the horizon in weeks", self.weeks, self.weeks > 0, "above 0"),
                ("the discount rate", self.discount, self.discount >= 0, "0 or more"),
                ("the common shock", self.correction.spread, self.correction.spread >= 0, "0 or more"),
            )
            if not (np.isfinite(value) and legal)
        ]
        if problems:
            raise ModelError(problems)

    @property
    def force(self) -> float:
        """Continuous discount rate a week."""
        return float(np.log1p(self.discount) / WEEKS_A_YEAR)


@dataclass(frozen=True)
class Outlook:
    """What is expected.

    Attributes
    ----------
    customers : DataFrame
        One row a customer, in the order of the model's data: ``p_alive``, ``expected_purchases`` and
        ``expected_spend`` (not discounted, no margin), ``clv_mean``, ``clv_low``, ``clv_high`` (5 and 95 %; discounted
        contribution) until the horizon; amounts are NaN where no spend is known. With cuts ``segment`` (most probable
        of `KEYS`) and ``p_segment``; with ranges ``purchases_sd``, ``purchases_low``, ``purchases_high`` (counts
        nearest to 90 %) and their ``purchases_promised`` probability.
    totals : Dataset
        Draws over all customers by group, corrected: ``worth`` and ``life`` (draw, segment, ..), discounted
        contribution until the horizon and for life; ``size`` (draw, segment); ``purchases`` and ``paid`` (draw, ..) of
        the near future, and ``plain``: purchases without the correction. Purchases where no spend is known.
    steps : array (draw, step)
        Purchases of all in each step of the near future.
    """

    customers: pd.DataFrame
    totals: xr.Dataset
    steps: np.ndarray

    def worth(self, *by: str, life: bool = False) -> xr.DataArray:
        """Return draws of the value of all customers by some of the groups."""
        draws = self.totals["life" if life else "worth"]
        return draws.sum([d for d in draws.dims if d not in ("draw", *by)])


@dataclass(frozen=True)
class Posterior:
    """Draws of the posterior of buying and of spend, and what may be asked of them.

    Attributes
    ----------
    family : str
    points : array (draw, coordinate)
    spent : array (draw, coordinate) or None
        None where no amounts are known.
    scale : float
        Unit of money of `spent`.
    joint : tuple or None
        Where amounts go with the rate of buying: see `cxlab.value.clv.gamma_gamma.joined`.
    """

    family: str
    points: np.ndarray
    spent: np.ndarray | None = None
    scale: float = 1.0
    joint: tuple[np.ndarray, float] | None = None

    def some(self, n: int) -> Posterior:
        """Return fewer draws, evenly."""
        at = np.linspace(0, len(self.points) - 1, min(n, len(self.points))).astype(int)
        spent = None if self.spent is None else self.spent[at]
        return Posterior(self.family, self.points[at], spent, self.scale, self.joint)

    def factor(self, rows: Rows) -> np.ndarray | float:
        """Return what the rate of buying multiplies the amount of coming purchases by, (draw, row).

        Of customers who are still there, weighted by what they will buy: who buys more counts more often.
        """
        if self.joint is None or self.spent is None:
            return 1.0
        power, alpha = gamma_gamma.rate_known(BUYING[self.family], self.joint[0], rows)
        t, log_time = self.spent[:, 3:4], np.log(alpha + rows.age) + self.joint[1]
        return np.exp(gammaln(power + 1 + t) - gammaln(power + 1) - t * log_time)

    def amount(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Return a, b (draw, row) such that a purchase of a customer with average m is worth a + b m."""
        if self.spent is None:
            return np.ones((1, len(rows))), np.zeros((1, len(rows)))
        p, q, gamma = (v[:, None] for v in gamma_gamma.natural(self.spent, self.scale))
        below = p * rows.x + q - 1
        return p * gamma * self.factor(rows) / below, p * rows.x / below

    def lives(self, rows: Rows, average: np.ndarray, random: np.random.Generator) -> Lives:
        """Draw what customers may be like, one a row: rows that stand beside each other may be the same."""
        family = BUYING[self.family]
        new = np.any([np.diff(v, prepend=np.nan) != 0 for v in (rows.cell, rows.x, rows.age, rows.recency)], axis=0)
        alike, at = rows.pick(np.flatnonzero(new)), np.cumsum(new) - 1
        there = random.random((len(self.points), len(rows))) < family.alive(self.points, alike)[:, at]
        rate, leave = family.draw_living(self.points, rows, random)
        amount: np.ndarray = np.ones((1, 1))
        if self.spent is not None:
            p, q, gamma = (v[:, None] for v in gamma_gamma.natural(self.spent, self.scale))
            below = np.maximum(random.standard_gamma(np.broadcast_to(p * rows.x + q, rate.shape)), 1e-300)
            amount = p * (gamma * self.factor(rows) + rows.x * average) / below
        stage = still_there(self.family, self.points, alike)[:, at]
        return Lives(there, rate, leave, family.leaving(rate, leave), amount, stage)


@dataclass(frozen=True)
class Lives:
    """Draws of what customers may be like, arrays (draw, customer).

    Attributes
    ----------
    there : array of bool
        Whether they have not left.
    rate, leave, leaving : array
        Of buying, what governs leaving, and the rate of leaving, of those still there.
    amount : array
        Average purchase.
    stage : array
        Probability of not having left by which the stage is told, see `cxlab.value.segments.cuts.still_there`.
    """

    there: np.ndarray
    rate: np.ndarray
    leave: np.ndarray
    leaving: np.ndarray
    amount: np.ndarray
    stage: np.ndarray

    def worth(self, weeks: float, force: float) -> np.ndarray:
        """Return the spend until a horizon, discounted at a continuous rate a week."""
        gone = self.leaving + force
        return self.there * self.rate * self.amount * -np.expm1(-gone * weeks) / np.maximum(gone, 1e-300)


def posterior(tree: xr.DataTree, data: ValueData, draws: int) -> Posterior:
    """Return draws of a posterior of repeat buying, as forecasts need them; contracts are refused."""
    if data.spend is None or "spend_point" not in tree["posterior"]:
        return Posterior(data.family, points(tree, draws))
    spent = points(tree, draws, "spend_point")
    return Posterior(data.family, points(tree, draws), spent, data.spend.scale, tree.attrs.get("joint"))


def look_ahead(
    tree: xr.DataTree,
    data: ValueData,
    ask: Ahead,
    *,
    seed: int,
    groups: Mapping[str, np.ndarray] | None = None,
    cuts: Cuts | None = None,
) -> Outlook:
    """Forecast every customer and all of them.

    Parameters
    ----------
    tree : DataTree
        From `cxlab.value.model.fit`.
    data : ValueData
        The customers to forecast; those of the fit, or others with the same family and covariates.
    ask : Ahead
    seed : int
    groups : mapping of str to array of str (customer,), optional
        Dims of the totals: a group for each customer.
    cuts : Cuts, optional
        Limits of the segments, a dim of the totals.

    Raises
    ------
    ModelError
        For contracts, or groups of another length.
    """
    rows = data.buyers
    n = len(rows.inverse)
    labels = {name: pd.factorize(np.asarray(of, object), sort=True) for name, of in (groups or {}).items()}
    problems = [
        Problem("a label for every customer is needed", where=name, value=str(len(codes)), allowed=str(n))
        for name, (codes, _) in labels.items()
        if len(codes) != n
    ]
    if problems:
        raise ModelError(problems)
    entry = _entries(rows, [codes for codes, _ in labels.values()], data.average)
    many = max(min(ask.draws, NUMBERS // int(entry.max() + 1)), min(ask.draws, _FEWEST))
    draws = posterior(tree, data, many)
    average = np.zeros(n)
    if draws.spent is not None:
        overall = float(draws.amount(newcomer(rows))[0].mean())
        average = np.where(np.isnan(data.average), overall, np.maximum(data.average, 0.0))
    customers, worth, path = _expected(draws.some(_EXACT), rows, average, ask)
    each, totals = _drawn(draws, rows, entry, average, ask, seed=seed, labels=labels, cuts=cuts)
    customers = customers.assign(**{name: values[entry] for name, values in each.items()})
    if draws.spent is None:
        customers[["expected_spend", "clv_mean", "clv_low", "clv_high"]] = np.nan
    _scale(totals, ("worth",), worth)
    if not ask.near:
        _scale(totals, ("purchases", "plain"), float(customers["expected_purchases"].sum()))
    return Outlook(customers, totals, _steps(path, totals, ask, seed=seed))


def newcomer(rows: Rows) -> Rows:
    """Return the row of somebody who has just come, without covariates."""
    none = np.zeros(1)
    return Rows(none, none, none, np.ones(1), np.zeros(1, int), np.zeros((1, rows.z.shape[1])), np.zeros(1, int))


def _entries(rows: Rows, codes: list[np.ndarray], average: np.ndarray) -> np.ndarray:
    """Return the entry of each customer: those of a row and of the same groups, beside each other, may share draws."""
    n = len(rows.inverse)
    cap, keys = -(-n // ENTRIES), [*codes, rows.inverse]
    order = np.lexsort([np.nan_to_num(average), *keys] if len(average) else keys)
    begins = np.flatnonzero(np.any([np.diff(k[order], prepend=-1) != 0 for k in keys], axis=0))
    place = np.arange(n) - np.repeat(begins, np.diff(begins, append=n))
    entry = np.empty(n, int)
    entry[order] = np.cumsum(place % cap == 0) - 1
    return entry


def _expected(draws: Posterior, rows: Rows, average: np.ndarray, ask: Ahead) -> tuple[pd.DataFrame, float, np.ndarray]:
    """Means of customers, the value of all, and expected purchases by step."""
    edges = np.linspace(0, ask.weeks, ask.steps + 1)
    ahead, by_step, now = time_rule(edges, ask.force, 7 if ask.weeks <= _SOON else 12)
    names = ("p_alive", "expected_purchases", "worth", "worth_each", "spend", "spend_each")
    means = {name: np.empty(len(rows)) for name in names}
    path = np.zeros(len(ahead))
    size = max(1, _BLOCK // len(draws.points))
    for begin in range(0, len(rows), size):
        here = slice(begin, begin + size)
        part = rows.pick(here)
        alike, at = part.pairs()
        flow = BUYING[draws.family].intensity(draws.points, alike, ahead)  # (draw, pair, time)
        alive = BUYING[draws.family].alive(draws.points, part)
        count, worth = ((alive * (flow @ rule)[:, at]) for rule in (by_step.sum(axis=1), now))
        fixed, each = draws.amount(part)
        parts = (alive, count, worth * fixed, worth * each, count * fixed, count * each)
        for name, values in zip(names, parts, strict=True):
            means[name][here] = values.mean(axis=0)
        living = np.stack([np.bincount(at, a * part.weight, len(alike)) for a in alive])
        path += np.einsum("dk,dkt->t", living, flow) / len(draws.points)
    table = pd.DataFrame(means).iloc[rows.inverse].reset_index(drop=True)
    table = table.assign(
        expected_spend=table["spend"] + table["spend_each"] * average,
        clv_mean=ask.margin * (table["worth"] + table["worth_each"] * average),
    )
    steps = np.maximum(path @ by_step, 0.0)  # where buying all but stops at once the curve of time swings below
    columns = ["p_alive", "expected_purchases", "expected_spend", "clv_mean"]
    return table[columns], float(table["clv_mean"].sum()), steps


def _drawn(
    draws: Posterior,
    rows: Rows,
    entry: np.ndarray,
    average: np.ndarray,
    ask: Ahead,
    *,
    seed: int,
    labels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    cuts: Cuts | None,
) -> tuple[dict[str, np.ndarray], xr.Dataset]:
    """What is drawn of each entry, summarised, and totals by group."""
    import xarray as xr

    random, family = np.random.default_rng([seed, 11]), BUYING[draws.family]
    _, first, weight = np.unique(entry, return_index=True, return_counts=True)
    coords = {name: list(map(str, names)) for name, (_, names) in labels.items()}
    group = np.zeros(len(weight), int)
    for codes, names in labels.values():
        group = group * len(names) + codes[first]
    cells = math.prod(map(len, coords.values()))
    d, kinds = len(draws.points), len(KEYS) if cuts is not None else 1
    total = {name: np.zeros((d, kinds * cells)) for name in ("worth", "life", "size")}
    total |= {name: np.zeros((d, cells)) for name in ("purchases", "paid")}
    parts: dict[str, list[np.ndarray]] = {}
    step = max(1, _BLOCK // d)
    for begin in range(0, len(weight), step):
        here = slice(begin, begin + step)
        part = rows.pick(rows.inverse[first[here]])
        lives = draws.lives(part, average[first[here]], random)
        worth, life = (ask.margin * lives.worth(weeks, ask.force) for weeks in (ask.weeks, LIFETIME))
        near = ask.near or ask.weeks
        count = family.draw_purchases(lives.rate, lives.leave, near, random)[0] * lives.there
        paid: np.ndarray = count
        if draws.spent is not None:
            p = np.exp(draws.spent[:, :1])
            paid = lives.amount * random.standard_gamma(p * count) / p
        low, high = np.quantile(worth, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
        summary = {"clv_low": low, "clv_high": high}
        place = np.broadcast_to(group[here], count.shape)
        fine = place
        if cuts is not None:
            rate = np.where(lives.there, lives.rate, family.draw_gone(draws.points, part, random))
            code = 3 * cuts.value(rate * lives.amount * WEEKS_A_YEAR).astype(int) + cuts.stage(lives.stage)
            fine = code * cells + place
            owner = code + kinds * np.arange(len(part))
            chance = np.bincount(owner.ravel(), minlength=kinds * len(part)).reshape(-1, kinds) / d
            summary |= {"segment": np.array(KEYS, object)[chance.argmax(axis=1)], "p_segment": chance.max(axis=1)}
        if ask.ranges:
            ends = nearest_range(np.sort(count, axis=0))
            summary |= {"purchases_sd": count.std(axis=0)}
            summary |= dict(zip(("purchases_low", "purchases_high", "purchases_promised"), ends, strict=True))
        for name, values in summary.items():
            parts.setdefault(name, []).append(values)
        drawn = {"worth": worth, "life": life, "size": np.ones(worth.shape), "purchases": count, "paid": paid}
        for name, values in drawn.items():
            wide = total[name].shape[1]
            cell = (fine if name in ("worth", "life", "size") else place) + wide * np.arange(d)[:, None]
            total[name] += np.bincount(cell.ravel(), (values * weight[here]).ravel(), d * wide).reshape(d, wide)
    total["plain"] = total["purchases"]
    for kinds_of, correction in ((("worth", "life"), ask.correction), (("purchases", "paid"), ask.near_correction)):
        factor = correction.draws(d, seed=seed)[:, None]
        total |= {name: total[name] * factor for name in kinds_of}
    by_segment = {} if cuts is None else {"segment": list(KEYS)}
    variables = {}
    for name, values in total.items():
        dims = {**(by_segment if name in ("worth", "life", "size") else {}), **coords}
        variables[name] = (("draw", *dims), values.reshape(d, *map(len, dims.values())))
    return {k: np.concatenate(v) for k, v in parts.items()}, xr.Dataset(variables, coords={**by_segment, **coords})


def _scale(totals: xr.Dataset, names: tuple[str, ...], mean: float) -> None:
    """Scale draws of totals so that their mean is the sum of the customers' means."""
    drawn = float(totals[names[0]].sum()) / totals.sizes["draw"]
    for name in names:
        totals[name] = totals[name] * (mean / max(drawn, 1e-300))


def _steps(path: np.ndarray, totals: xr.Dataset, ask: Ahead, *, seed: int) -> np.ndarray:
    """Purchases of all in each step: the expected course, the error common to all of it, and that of each step."""
    random = np.random.default_rng([seed, 3])
    purchases = totals["purchases"].to_numpy()
    total = purchases.reshape(len(purchases), -1).sum(axis=1)
    wild = np.exp(ask.near_correction.weekly * random.standard_normal((len(total), len(path))))
    course = path / max(path.sum(), 1e-300)
    return random.poisson(np.minimum(total[:, None] * course * wild / wild.mean(), 1e12)).astype(float)


def nearest_range(count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shortest range of counts whose probability is nearest to 90 % and that probability, of sorted draws.

    Counts are few: any range that must hold at least 90 % holds far more. Of the shortest such range and the same less
    its lowest or its highest count, the one nearest to 90 % is taken.
    """
    d = len(count)
    take = min(int(np.ceil(PROB * d)), d)
    begin = (count[take - 1 :] - count[: d - take + 1]).argmin(axis=0)
    column = np.arange(count.shape[1])
    low, high = count[begin, column].astype(float), count[begin + take - 1, column].astype(float)
    options = np.stack([[low, high], [low, high - 1], [low + 1, high]])
    share = np.stack([((count >= a) & (count <= b)).mean(axis=0) for a, b in options])
    off = np.where(options[:, 0] <= options[:, 1], np.abs(share - PROB), np.inf)
    best = off.argmin(axis=0)
    return options[best, 0, column], options[best, 1, column], share[best, column]
