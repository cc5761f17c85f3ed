"""Which way of grouping customers foretells best what they will spend.

Two stretches of equal length before the end of the data: what groups spent in the first one is what each grouping
foretells for the second one, customer by customer, as a whole distribution (few customers of a group: mixed with that
of everybody). It is scored by the continuous ranked probability score, in money: 0 is a perfect forecast, and no
grouping can win by pretending to know more than it does. Groups are formed from what was known before each stretch;
the model of buying is learned before the second one.

References
----------
Gneiting and Raftery (2007), Strictly proper scoring rules, doi:10.1198/016214506000001437.
Miglautsch (2000), Thoughts on RFM scoring, doi:10.1057/palgrave.jdm.3240019.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv import families
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.rfm import History
from cxlab.value.segments.membership import buying, rows_of
from cxlab.value.segments.p_alive import still_there
from cxlab.value.segments.thresholds import Cuts

WAYS: Final = ("none", "rfm", "value_aliveness", "with_experience")
_BORROW: Final = 20.0  # customers of everybody whose distribution a group's is mixed with
_GRID: Final = 200  # places at which distributions are compared
_MOST: Final = 20_000  # customers
_LEAST: Final = 100  # customers a comparison needs
_WEEKS: Final = 26  # longest stretch

_SPENT: Final = """
    SELECT customer, sum(amount) AS spent, count(DISTINCT date) AS days FROM transactions
    WHERE customer IS NOT NULL AND date > $since AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
        AND (amount IS NULL OR amount >= 0)
    GROUP BY customer"""
_PAST: Final = """
    SELECT customer, sum(amount) AS spent, count(DISTINCT date) AS days, max(date) AS last FROM transactions
    WHERE customer IS NOT NULL AND date <= $until AND kind IN ('purchase', 'booking', 'renewal')
        AND (amount IS NULL OR amount >= 0)
    GROUP BY customer"""
Known = Callable[[date], pd.DataFrame | None]


def compare(history: History, data: ValueData, cuts: Cuts, *, experience: Known | None = None) -> pd.DataFrame:
    """Score ways of grouping customers by what the groups spend later.

    Parameters
    ----------
    history : History
    data : ValueData
        Of today: family and covariates; the parameters are learned again, on the past only.
    cuts : Cuts
    experience : callable, optional
        Day -> ``customer, experience`` as known by then, or None; see `cxlab.value.segments.experience`.

    Returns
    -------
    DataFrame
        ``way`` (of `WAYS`: everybody alike; quintiles of recency, frequency and money; value by aliveness; the same
        with experience where known), ``groups``, ``n`` (customers), ``score`` (money a customer, purchases without
        amounts), ``skill`` (share by which it is lower than that of everybody alike), ``skill_low, skill_high`` (90 %
        over customers), ``ahead`` (probability that it is better than the next best), ``weeks``.

    Raises
    ------
    ModelError
        If the history is too short or too few customers are known.
    """
    buying(data)
    span = (history.end - history.first).days // 7
    weeks = min(_WEEKS, span // 3)
    if weeks < 4:
        raise ModelError(
            Problem("the history is too short to compare groupings", value=f"{span} weeks", allowed="at least 12")
        )
    second = history.end - timedelta(days=7 * weeks)
    first = second - timedelta(days=7 * weeks)
    of = max(1, -(-history.counts["customers"] // _MOST))
    learned = history.customers(until=second, known=second, of=of)
    before = history.customers(until=first, known=first, of=of)
    if min(len(before), len(learned)) < _LEAST:
        raise ModelError(
            Problem("too few customers to compare groupings", value=str(len(before)), allowed=f"at least {_LEAST}")
        )
    covariates = tuple(c for c in data.covariates if learned[c].nunique() > 1)
    fitted = model.model_data(learned, family=data.family, covariates=covariates)
    point, paid = model.mode(fitted)
    found: dict[str, tuple[dict[str, np.ndarray], np.ndarray]] = {}
    for name, then, day, until in (("before", before, first, second), ("after", learned, second, history.end)):
        came = history.data.sql(_SPENT, params={"since": day, "until": until}).set_index("customer")
        past = history.data.sql(_PAST, params={"until": day}).set_index("customer").reindex(then["customer"])
        what = "spent" if cuts.unit == "money" else "days"
        later = came[what].reindex(then["customer"]).fillna(0.0).to_numpy(float)
        cell = _cells(then, point, paid, fitted, cuts, covariates)
        groups: dict[str, np.ndarray] = {
            "none": np.zeros(len(then), int),
            "rfm": _rfm(past, day),
            "value_aliveness": cell,
        }
        told = experience(day) if experience is not None else None
        if told is not None and len(told):
            word = told.set_index("customer")["experience"].reindex(then["customer"])
            code = word.map({"bad": 1, "middling": 2, "good": 3}).fillna(0).to_numpy(int)
            groups["with_experience"] = cell * 4 + code
        found[name] = (groups, later)
    (earlier, spent), (now, bought) = found["before"], found["after"]
    ways: list[str] = [way for way in WAYS if way in earlier and way in now]
    each = {way: _score(earlier[way], spent, now[way], bought) for way in ways}
    return _told(each, {way: len(np.unique(now[way])) for way in ways}, weeks)


def _cells(
    then: pd.DataFrame,
    point: np.ndarray,
    paid: np.ndarray | None,
    fitted: ValueData,
    cuts: Cuts,
    covariates: tuple[str, ...],
) -> np.ndarray:
    """Segment of each customer, by the expected spend a year and the probability of not having left."""
    _, family = buying(fitted)
    rows = rows_of(then, covariates)
    at = point[None]
    alive = still_there(family, at, rows)[0][rows.inverse]
    rate = families.intensity(family, at, rows, np.zeros(1))[0, :, 0][rows.inverse]
    amount = np.ones(len(then))
    if paid is not None and fitted.spend is not None:
        average = then["spend"].to_numpy(float)
        x = np.where(np.isnan(average), 0.0, then["x"].to_numpy(float))
        a, b = money.expected(paid[None], fitted.spend.scale, x)
        amount = a[0] + b[0] * np.maximum(np.nan_to_num(average), 0.0)
    return 3 * cuts.value(rate * amount * WEEKS_A_YEAR).astype(int) + cuts.stage(alive)


def _rfm(past: pd.DataFrame, day: date) -> np.ndarray:
    """Quintiles of recency, frequency and money; equal values stay together."""
    recency = -(pd.Timestamp(day) - pd.to_datetime(past["last"])).dt.days.to_numpy(float)
    parts = (recency, past["days"].to_numpy(float), past["spent"].fillna(0.0).to_numpy(float))
    code = np.zeros(len(past), int)
    for values in parts:
        rank = pd.Series(values).rank(method="average", pct=True).to_numpy()
        code = code * 5 + np.minimum((rank * 5 - 1e-9).astype(int), 4)
    return code


def _score(groups: np.ndarray, spent: np.ndarray, now: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each customer, the forecast being what the own group spent before."""
    edges = np.unique(np.r_[0.0, np.quantile(np.r_[spent, came], np.linspace(0, 1, _GRID))])
    if len(edges) < 2:
        return np.zeros(len(now))
    width = np.diff(edges)
    names = np.union1d(groups, now)
    place = np.searchsorted(names, groups)
    n = np.bincount(place, minlength=len(names)).astype(float)
    at = np.searchsorted(edges, spent, side="left").clip(max=len(edges) - 1)
    counts = np.bincount(place * len(edges) + at, minlength=len(names) * len(edges)).reshape(len(names), -1)
    everybody = np.cumsum(counts.sum(axis=0)) / len(spent)
    upto = (np.cumsum(counts, axis=1) + _BORROW * everybody) / (n + _BORROW)[:, None]
    # For a customer who spent y: the integral of F^2 below y and of (1 - F)^2 from y on, from sums over the grid.
    below = np.c_[np.zeros(len(names)), np.cumsum(upto[:, :-1] ** 2 * width, axis=1)]
    above = np.c_[np.zeros(len(names)), np.cumsum((1 - upto[:, :-1]) ** 2 * width, axis=1)]
    who = np.searchsorted(names, now)
    y = np.searchsorted(edges, came, side="left").clip(max=len(edges) - 1)
    return below[who, y] + above[who, -1] - above[who, y]


def _told(each: dict[str, np.ndarray], groups: dict[str, int], weeks: int) -> pd.DataFrame:
    n = len(each["none"])
    base = max(float(each["none"].mean()), 1e-12)
    rows = []
    for way, score in each.items():
        skill = 1 - float(score.mean()) / base
        spread = float((score - (1 - skill) * each["none"]).std() / base / np.sqrt(n))
        others = [v for name, v in each.items() if name != way]
        rival = min(others, key=lambda v: float(v.mean())) if others else score
        gap = rival - score
        error = float(gap.std() / np.sqrt(n))
        rows.append(
            {"way": way, "groups": groups[way], "n": n, "score": float(score.mean()), "skill": skill,
             "skill_low": skill - 1.645 * spread, "skill_high": skill + 1.645 * spread,
             "ahead": _normal(float(gap.mean()) / error) if error > 0 else 0.5, "weeks": weeks}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _normal(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(z))
