"""Who belongs to which segment, how surely, and how many and how valuable its customers are.

What a customer truly spends in a year is not known, only more or less likely. Every draw says what each customer is
like (rate of buying, average purchase, left or not) and so puts each into a segment: the share of draws is the
probability of belonging to it, and draws of a segment's size and worth need no decision about anybody. Customers are
streamed; no table of customers x draws is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv import families, forecast, independence
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.unique_rows import Rows, unique
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.rfm import History
from cxlab.value.segments.p_alive import rate_of_gone, still_there
from cxlab.value.segments.thresholds import KEYS, STAGES, VALUES, Cuts

if TYPE_CHECKING:
    import xarray as xr

_BLOCK: Final = 400_000  # draws x customers at once
_MOST: Final = 40_000_000  # draws x customers in all; of more customers fewer draws are taken
_FEWEST: Final = 40  # draws, whatever the number of customers


@dataclass(frozen=True)
class Members:
    """Customers and segments.

    Attributes
    ----------
    customers : DataFrame
        One row a customer in the order of the model's data: ``segment`` (most probable of `KEYS`), ``p_segment`` (its
        probability), ``value_class``, ``stage``, ``yearly`` (expected spend a year while a customer), ``p_alive`` (by
        which the stage is told, see `cxlab.value.segments.p_alive.still_there`).
    size : array (draw, segment)
        Customers in each segment.
    worth : array (draw, segment)
        Their discounted contribution until the horizon, common shock included; purchases where no spend is known.
    n : array of int (segment,)
        Customers for whom it is the most probable one.
    by : dict of str to Split
        The same by groups of customers.
    """

    customers: pd.DataFrame
    size: np.ndarray
    worth: np.ndarray
    n: np.ndarray
    by: dict[str, Split]


@dataclass(frozen=True)
class Split:
    """Segments by groups of customers.

    Attributes
    ----------
    names : tuple of str
    size, worth : array (draw, segment, group)
    n : array of int (segment, group)
        Customers for whom the segment is the most probable one.
    """

    names: tuple[str, ...]
    size: np.ndarray
    worth: np.ndarray
    n: np.ndarray


def members(
    tree: xr.DataTree,
    data: ValueData,
    cuts: Cuts,
    *,
    weeks: float,
    seed: int,
    draws: int = 200,
    discount: float = 0.1,
    margin: float = 1.0,
    shock: float = 0.0,
    labels: Mapping[str, np.ndarray] | None = None,
) -> Members:
    """Put customers into segments.

    Parameters
    ----------
    tree : DataTree
        From `value.fit`.
    data : ValueData
        The customers: those of the fit, or others of the same model.
    cuts : Cuts
    weeks : float
        Horizon of the worth.
    seed : int
    draws : int
        Draws of the posterior that are used; of very many customers fewer are.
    discount : float
        Discount rate a year.
    margin : float
        Share of spend that is contribution.
    shock : float
        Standard deviation (log) of what moves all customers alike.
    labels : mapping of str to array of str (customer,), optional
        Groups of customers (experience, needs, ..), each split apart.

    Raises
    ------
    ModelError
        For contracts and discrete time, where who left is known or needs no such model, or labels of another length.
    """
    rows, family = buying(data)
    n = len(rows.inverse)
    groups = {name: pd.factorize(np.asarray(of, object), sort=True) for name, of in (labels or {}).items()}
    wrong = [
        Problem("a label for every customer is needed", where=name, value=str(len(codes)), allowed=str(n))
        for name, (codes, _) in groups.items()
        if len(codes) != n
    ]
    if wrong:
        raise ModelError(wrong)
    draws = max(min(draws, _MOST // max(n, 1)), min(draws, _FEWEST))
    at = model.points(tree, draws)
    d, k = len(at), len(KEYS)
    spent = model.points(tree, draws, "spend_point") if _priced(tree, data) else None
    joint = (np.asarray(tree.attrs["joint_point"]), float(tree.attrs["joint_centre"])) if _joint(spent) else None
    force = float(np.log1p(discount) / WEEKS_A_YEAR)
    random = np.random.default_rng([seed, 11])
    size, worth = np.zeros((d, k)), np.zeros((d, k))
    split = {name: (np.zeros((d, k, len(names))), np.zeros((d, k, len(names)))) for name, (_, names) in groups.items()}
    chance, yearly, alive_mean = np.zeros((n, k)), np.zeros(n), np.zeros(n)
    order = np.argsort(rows.inverse, kind="stable")
    step = max(1, _BLOCK // d)
    for begin in range(0, n, step):
        who = order[begin : begin + step]
        own = rows.pick(rows.inverse[who])
        living, rate, spend, future = _like(family, at, own, random, spent, data, who, joint, weeks=weeks, force=force)
        a_year = rate * spend * WEEKS_A_YEAR
        code = 3 * cuts.value(a_year).astype(np.int64) + cuts.stage(living)
        place = code + k * np.arange(d)[:, None]
        size += np.bincount(place.ravel(), minlength=d * k).reshape(d, k)
        worth += np.bincount(place.ravel(), future.ravel(), d * k).reshape(d, k)
        for name, (codes, names) in groups.items():
            fine = (place * len(names) + codes[who]).ravel()
            for total, weight in zip(split[name], (None, future.ravel()), strict=True):
                total += np.bincount(fine, weight, total.size).reshape(total.shape)
        chance[who] = np.bincount((code + k * np.arange(len(who))).ravel(), minlength=k * len(who)).reshape(-1, k) / d
        yearly[who], alive_mean[who] = a_year.mean(axis=0), living.mean(axis=0)
    best = chance.argmax(axis=1)
    told = forecast.shocked(worth, shock, seed=seed) * margin
    by = {
        name: Split(
            tuple(map(str, groups[name][1])), sizes, forecast.shocked(worths, shock, seed=seed) * margin,
            np.bincount(best * len(groups[name][1]) + groups[name][0], minlength=sizes[0].size).reshape(sizes[0].shape),
        )
        for name, (sizes, worths) in split.items()
    }  # fmt: skip
    table = pd.DataFrame(
        {
            "segment": np.array(KEYS, object)[best],
            "p_segment": chance.max(axis=1),
            "value_class": np.array(VALUES, object)[best // 3],
            "stage": np.array(STAGES, object)[best % 3],
            "yearly": yearly,
            "p_alive": alive_mean,
        }
    )
    return Members(table, size, told, np.bincount(best, minlength=k), by)


def as_of(history: History, data: ValueData, day: date) -> tuple[pd.DataFrame, ValueData]:
    """Return the customers of an earlier day, as the model of today would see them.

    Parameters
    ----------
    history : History
    data : ValueData
        Of today; family, covariates and the unit of money are taken from it.
    day : date
        No later purchase is read.
    """
    then = history.customers(until=day, known=day)
    rows = rows_of(then, data.covariates)
    average = data.average  # empty where no amount is known
    if len(average):
        average = np.where(rows.x[rows.inverse] > 0, then["spend"].to_numpy(float), np.nan)
    return then, replace(data, rows=rows, average=average)


def rows_of(customers: pd.DataFrame, covariates: Sequence[str]) -> Rows:
    """Return the unique rows of customers with ``x, recency, age`` and the covariates, which need not differ."""
    z = customers[list(covariates)].to_numpy(float) if covariates else None
    x, recency, age = (customers[c].to_numpy(float) for c in ("x", "recency", "age"))
    return unique(x, recency, age, z=z)


def earlier(
    history: History, tree: xr.DataTree, data: ValueData, cuts: Cuts, *, day: date, seed: int, draws: int = 100
) -> pd.DataFrame:
    """Return ``customer``, ``segment`` and ``p_segment`` as of an earlier day, measured with today's posterior.

    One ruler for both days: whoever moves from one segment to another does so because of what was bought or not
    bought meanwhile, not because the model has changed.
    """
    then, seen = as_of(history, data, day)
    found = members(tree, seen, cuts, weeks=WEEKS_A_YEAR, seed=seed, draws=draws).customers
    return pd.concat([then[["customer"]], found[["segment", "p_segment"]]], axis=1)


def buying(data: ValueData) -> tuple[Rows, Family]:
    """Return rows and family of a model of repeat buying; refuse others with the reason."""
    if data.rows is None or data.family not in FAMILIES:
        raise ModelError(
            Problem("segments by value and aliveness need a model of repeat buying", value=data.family,
                    allowed=", ".join(FAMILIES), todo="of contracts it is known who left")
        )  # fmt: skip
    return data.rows, data.family


def _priced(tree: xr.DataTree, data: ValueData) -> bool:
    return data.spend is not None and "spend_point" in tree["posterior"]


def _joint(spent: np.ndarray | None) -> bool:
    """Whether amounts go with the rate of buying: one coordinate more."""
    return spent is not None and spent.shape[1] > len(money.NAMES)


def _like(
    family: Family,
    at: np.ndarray,
    own: Rows,
    random: np.random.Generator,
    spent: np.ndarray | None,
    data: ValueData,
    who: np.ndarray,
    joint: tuple[np.ndarray, float] | None,
    *,
    weeks: float,
    force: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw what customers are like, each (draw, customer): P(alive), rate, average purchase, value ahead."""
    alone, at_row = _alone(own)
    lives = random.random((len(at), len(own))) < families.alive(family, at, alone)[:, at_row]
    living = still_there(family, at, alone)[:, at_row]
    rate, leave = families.simulate(family, at, own, random)
    spend = np.ones(living.shape)
    if spent is not None and data.spend is not None:
        average = data.average[who]
        paid = np.where(np.isnan(average), 0.0, own.x)  # of purchases without an amount nothing is known
        factor = money.factors(spent, *independence.ahead(joint[0], own, joint[1])) if joint is not None else 1.0
        seen = np.maximum(np.nan_to_num(average), 0.0)
        spend = money.simulate(spent, data.spend.scale, paid, seen, random=random, factor=factor)
    gone = families.leaving(family, rate, leave) + force
    future = lives * rate * -np.expm1(-gone * weeks) / np.maximum(gone, 1e-300) * spend
    return living, np.where(lives, rate, rate_of_gone(family, at, own, random)), spend, future


def _alone(own: Rows) -> tuple[Rows, np.ndarray]:
    """Customers stand sorted by row: each row once, and the place of every customer."""
    key = np.stack([own.cell, own.x, own.age, own.recency])
    new = np.r_[True, (np.diff(key, axis=1) != 0).any(axis=0)]
    return own.pick(np.flatnonzero(new)), np.cumsum(new) - 1
