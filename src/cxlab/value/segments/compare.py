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
from scipy.special import ndtr

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv.families import BUYING
from cxlab.value.clv.forecast import Posterior
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.rfm.history import History
from cxlab.value.segments.cuts import Cuts, still_there
from cxlab.value.segments.experience import EXPERIENCE
from cxlab.value.segments.lifecycle import skill_of

WAYS: Final = ("none", "rfm", "value_aliveness", "with_experience")
_BORROW: Final = 20.0  # customers of everybody whose distribution a group's is mixed with
_GRID: Final = 200  # places at which distributions are compared
_MOST: Final = 20_000  # customers
_LEAST: Final = 100  # customers a comparison needs
_WEEKS: Final = 26  # longest stretch
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
        amounts), ``skill`` (share by which it is lower than that of everybody alike; NaN where nobody spends anything),
        ``skill_low, skill_high`` (90 % over customers), ``ahead`` (probability that it is better than the next best).

    Raises
    ------
    ModelError
        If the history is too short or too few customers are known.
    """
    assert data.buyers is not None
    span = (history.end - history.first).days // 7
    weeks = min(_WEEKS, span // 3)
    if weeks < 4:
        what = "the history is too short to compare groupings"
        raise ModelError(Problem(what, value=f"{span} weeks", allowed="at least 12"))
    second = history.end - timedelta(days=7 * weeks)
    first = second - timedelta(days=7 * weeks)
    of = max(1, -(-history.counts["customers"] // _MOST))
    before, learned = (history.customers(until=day, known=day, of=of) for day in (first, second))
    if min(len(before), len(learned)) < _LEAST:
        what = "too few customers to compare groupings"
        raise ModelError(Problem(what, value=str(len(before)), allowed=f"at least {_LEAST}"))
    covariates = tuple(c for c in data.covariates if learned[c].nunique() > 1)
    fitted = model.model_data(learned, family=data.family, covariates=covariates)
    spent = None if fitted.spend is None else model.density_of_spend(fitted.spend).find_map()[None]
    scale = 1.0 if fitted.spend is None else fitted.spend.scale
    likeliest = Posterior(data.family, model.density(fitted).find_map()[None], spent, scale)
    stretches: list[tuple[dict[str, np.ndarray], np.ndarray]] = []
    for then, day, until in ((before, first, second), (learned, second, history.end)):
        cell = _cells(likeliest, then, cuts, covariates)
        groups = {"none": np.zeros(len(then), int), "rfm": _rfm(history, then, day), "value_aliveness": cell}
        told = experience(day) if experience is not None else None
        if told is not None and len(told):
            word = told.set_index("customer")["experience"].reindex(then["customer"])
            groups["with_experience"] = (
                cell * 4 + word.map({w: i for i, w in enumerate(EXPERIENCE)}).fillna(-1).to_numpy(int) + 1
            )
        came = history.spending(day, until)["spent" if cuts.unit == "money" else "days"]
        stretches.append((groups, came.reindex(then["customer"]).fillna(0.0).to_numpy(float)))
    (earlier, was_spent), (now, bought) = stretches
    ways = [way for way in WAYS if way in earlier and way in now]
    each = {way: score_groups(earlier[way], was_spent, now[way], bought) for way in ways}
    rows = []
    for way, score in each.items():
        rival = min((v for name, v in each.items() if name != way), key=lambda v: float(v.mean()))
        error = float((rival - score).std() / np.sqrt(len(score)))
        skill, low, high = skill_of(score, each["none"], least=1e-9 * max(float(bought.max()), 1e-300))
        row = {"way": way, "groups": len(np.unique(now[way])), "n": len(score), "score": float(score.mean())}
        row |= {"skill": skill, "skill_low": low, "skill_high": high}
        rows.append(row | {"ahead": float(ndtr((rival - score).mean() / error)) if error > 0 else 0.5})
    return pd.DataFrame(rows)


def _cells(at: Posterior, then: pd.DataFrame, cuts: Cuts, covariates: tuple[str, ...]) -> np.ndarray:
    """Segment of each customer, by the expected spend a year and the probability of not having left."""
    rows = model.rows_of(then, covariates)
    alive = still_there(at.family, at.points, rows)[0]
    rate = BUYING[at.family].intensity(at.points, rows, np.zeros(1))[0, :, 0]
    fixed, each = (v[0] for v in at.amount(rows))
    amount = fixed[rows.inverse] + each[rows.inverse] * np.nan_to_num(then["spend"].to_numpy(float))
    return 3 * cuts.value(rate[rows.inverse] * amount * WEEKS_A_YEAR).astype(int) + cuts.stage(alive)[rows.inverse]


def _rfm(history: History, then: pd.DataFrame, day: date) -> np.ndarray:
    """Quintiles of recency, frequency and money; equal values stay together."""
    past = history.spending(date.min, day).reindex(then["customer"])
    code = np.zeros(len(past), int)
    for values in (pd.to_datetime(past["last"]), past["days"], past["spent"].fillna(0.0)):
        rank = values.rank(method="average", pct=True).to_numpy()
        code = code * 5 + np.minimum((rank * 5 - 1e-9).astype(int), 4)
    return code


def score_groups(groups: np.ndarray, spent: np.ndarray, now: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of customers, the forecast being what their group spent before.

    Parameters
    ----------
    groups, spent : arrays (customer,)
        Of the first stretch.
    now, came : arrays (customer,)
        Groups and spend of the second one.
    """
    edges = np.unique(np.r_[0.0, np.quantile(np.r_[spent, came], np.linspace(0, 1, _GRID))])
    if len(edges) < 2:
        return np.zeros(len(now))
    width, names = np.diff(edges), np.union1d(groups, now)
    place = np.searchsorted(names, groups)
    n = np.bincount(place, minlength=len(names)).astype(float)
    at, y = (np.searchsorted(edges, v, side="left").clip(max=len(edges) - 1) for v in (spent, came))
    counts = np.bincount(place * len(edges) + at, minlength=len(names) * len(edges)).reshape(len(names), -1)
    everybody = np.cumsum(counts.sum(axis=0)) / len(spent)
    upto = (np.cumsum(counts, axis=1) + _BORROW * everybody) / (n + _BORROW)[:, None]
    # For a customer who spent y: the integral of F^2 below y and of (1 - F)^2 from y on, from sums over the grid.
    squares = (upto[:, :-1] ** 2, (1 - upto[:, :-1]) ** 2)
    below, above = (np.c_[np.zeros(len(names)), np.cumsum(v * width, axis=1)] for v in squares)
    who = np.searchsorted(names, now)
    return below[who, y] + above[who, -1] - above[who, y]
