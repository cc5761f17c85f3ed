"""Which model, with which covariates, and how far its forecasts can be trusted: learned on past weeks only.

The rule of choice, stated before any later week is looked at: stand at several days within the calibration (origins),
fit each model to what was known then, and add up the log likelihood of what the same customers did from there to the
end of the calibration. The highest sum wins. Covariates beside those of the history are kept where they foretell better
by at least 3 in log likelihood (twenty to one) on the average of the origins.

The same origins teach how totals go wrong (season, campaign, economy), which no customer's own history can show: the
errors log(actual / expected) over the horizon become a shock common to all customers, whose mean is none. It is learned
from few origins, so its 90 % range is that of Student's t, and it is never too small for the past to have been covered
at 90 %, nor for the error of the forecast that was tried. Forecasts are widened, not shifted: next quarters foretold
from six days each of two retailers, CDNOW and three worlds were off by 3.9 % (median) as they are, by 8.2 % shifted by
the mean of past errors and by 4.6 % by half of the last one (`benchmarks/bench_origins.py`).

The proof: a model is chosen, fitted and widened on the first part of the past, and foretells the second; no purchase
of the second part is read before the forecast stands.

References
----------
Tashman (2000), Out-of-sample tests of forecasting accuracy, doi:10.1016/S0169-2070(00)00065-0.
Gneiting and Raftery (2007), Strictly proper scoring rules, doi:10.1198/016214506000001437.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv.families import BUYING, FAMILIES, Family, buying
from cxlab.value.clv.forecast import Ahead, Correction, Outlook, look_ahead
from cxlab.value.clv.quadrature import time_rule
from cxlab.value.model import Priors, ValueData
from cxlab.value.rfm.history import History

if TYPE_CHECKING:
    import xarray as xr

ORIGINS: Final = (0.4, 0.5, 0.6, 0.7, 0.8)  # of the calibration's span
LEAST_ORIGINS: Final = 4  # below which errors of the past say too little
UNKNOWN_SHOCK: Final = 0.2  # sd of the common shock where the past cannot tell
SHORT: Final = 4  # weeks from an origin below which its total is not looked at
MOST: Final = 20_000  # customers on whom a model is chosen
LARGE: Final = 200_000  # customers above which Pareto/NBD is left out: its integral has no short cut
TWO_YEARS: Final = 730  # days
GAIN: Final = 3.0  # log likelihood an origin by which covariates must foretell better
CLASSES: Final = 7  # repeat purchases from which on customers are one class
HELD: Final = 0.75  # share of weeks inside their 90 % range below which a forecast that was tried has failed


@dataclass(frozen=True)
class Choice:
    """The model chosen, and what was learned on the way.

    Attributes
    ----------
    family : str
    scores : DataFrame
        One row a model: ``family``, ``score`` (held-out log likelihood a customer and origin), ``behind`` (log
        likelihood behind the best, in all), ``rms`` (of log(actual / expected)), ``bias`` (their mean).
    weekly : DataFrame
        Of the chosen model: ``origin, week, actual, expected`` purchases.
    covariates : tuple of str
        Columns of the customers that the model should know.
    sets : DataFrame
        One row a set of covariates tried with the chosen model: ``set`` (none, segments, events, all), ``columns``,
        ``score``, ``gain`` (log likelihood an origin over none), ``kept``. Without further covariates one row.
    notes : tuple of Problem
        What was not tried or cannot be known, and why.
    """

    family: Family
    scores: pd.DataFrame
    weekly: pd.DataFrame
    covariates: tuple[str, ...]
    sets: pd.DataFrame
    notes: tuple[Problem, ...]

    @property
    def origins(self) -> int:
        """Days at which the models stood."""
        return int(self.weekly["origin"].nunique())

    @property
    def learned(self) -> bool:
        """Whether the correction was learned from at least four origins; else it is a cautious convention."""
        return self.origins >= LEAST_ORIGINS

    def correction(self, weeks: float, *, error: float = float("nan")) -> Correction:
        """Return what the errors of the past teach about a total over a horizon.

        Parameters
        ----------
        weeks : float
        error : float
            Log of actual over expected, without correction, of a forecast that was tried: the range must hold it.
        """
        from scipy.stats import norm, t

        off = self._errors(weeks)
        if len(off) < LEAST_ORIGINS:
            known = np.append(off, error if np.isfinite(error) else 0.0)
            return Correction(max(float(np.abs(known).max()), UNKNOWN_SHOCK), self._week_by_week())
        rest = np.abs(off)
        wide = t.ppf(0.95, len(off)) / norm.ppf(0.95)
        spread = max(wide * np.sqrt(np.mean(rest**2)), np.quantile(rest, 0.9) / norm.ppf(0.95))
        if np.isfinite(error):
            spread = max(spread, abs(error) / norm.ppf(0.95))
        return Correction(float(spread), self._week_by_week())

    def _errors(self, weeks: float) -> np.ndarray:
        """Logs of actual over expected totals over a horizon, as far as it was seen."""
        first = self.weekly[self.weekly["week"] < max(weeks, SHORT)]
        by = first.groupby("origin").agg(actual=("actual", "sum"), expected=("expected", "sum"), n=("week", "size"))
        by = by[by["n"] >= SHORT]
        return np.asarray(np.log((by["actual"] + 0.5) / (by["expected"] + 0.5)), float)

    def _week_by_week(self) -> float:
        """Spread (log) of single weeks around the course expected, beyond chance."""
        one = self.weekly[self.weekly["expected"] > 0]
        if one.empty:
            return 0.0
        total = one.groupby("origin")[["actual", "expected"]].transform("sum")
        mean = one["expected"] * total["actual"] / total["expected"]
        beyond = (one["actual"] - mean) ** 2 - mean
        return float(np.sqrt(np.log1p(max(beyond.sum() / (mean**2).sum(), 0.0))))


def unknown_correction() -> Correction:
    """Return what is assumed of totals where no past forecast can be tried."""
    return Correction(UNKNOWN_SHOCK)


@dataclass(frozen=True)
class Holdout:
    """Forecast against what came.

    Attributes
    ----------
    family : str
    covariates : tuple of str
        Columns of the customers that the model knows.
    split, end : date
        Last day of the calibration and of the holdout.
    choice : Choice
    correction : Correction
        Learned on the calibration.
    total : dict of str to float
        ``actual, mean, low, high`` (90 %), ``error`` (mean / actual - 1),
        ``plain_low, plain_high`` (without the shock), ``covers`` (1 or 0), ``customer_cover`` (share of customers whose
        purchases lay within their interval), ``customer_promised`` (what those intervals promise, counts being whole),
        ``week_cover`` (share of weeks within their range), ``correlation``.
    classes : DataFrame
        ``x`` (repeat purchases in the calibration, the last class and more), ``n, actual, mean, low, high`` (means a
        customer; intervals of the class's mean with the shock).
    weeks : DataFrame
        ``week`` (from 1), ``actual, mean, low, high``.
    tree, outlook
        Posterior and forecast of the calibration.
    """

    family: Family
    covariates: tuple[str, ...]
    split: date
    end: date
    choice: Choice
    correction: Correction
    total: dict[str, float]
    classes: pd.DataFrame
    weeks: pd.DataFrame
    tree: xr.DataTree
    outlook: Outlook

    def error(self, weeks: float = np.inf) -> float:
        """Log of actual over expected purchases within the first weeks."""
        first = self.weeks[self.weeks["week"] <= max(weeks, SHORT)]
        expected = first["mean"].sum()
        return float(np.log((first["actual"].sum() + 0.5) / (expected + 0.5)))

    @property
    def held(self) -> bool:
        """Whether the ranges held what came: the total, and most weeks."""
        return bool(self.total["covers"]) and self.total["week_cover"] >= HELD


def choose(
    history: History,
    *,
    until: date | None = None,
    candidates: Sequence[Family] = FAMILIES,
    priors: Priors | None = None,
    covariates: Sequence[str] | None = None,
) -> Choice:
    """Choose a model by what it foretold within the calibration; no purchase after `until` is read.

    Parameters
    ----------
    history : History
    until : date, optional
        End of the calibration; default the end of the history.
    candidates : sequence of str
    priors : Priors, optional
    covariates : sequence of str, optional
        Given: these beside those of the history, whatever they foretell. Default: by the rule.

    Raises
    ------
    ModelError
        If there is no origin at which anybody had bought a second time, or a candidate is unknown.
    """
    for name in candidates:
        buying(name)
    end, tried, notes = until or history.end, list(candidates), []
    span, n = (end - history.first).days, history.counts["customers"]
    if n > LARGE and len(tried) > 1 and "pareto" in tried:
        tried.remove("pareto")
        todo = "name the family to have it nevertheless"
        what = "Pareto/NBD is not tried on so many customers"
        notes.append(Problem(what, value=str(n), allowed=f"up to {LARGE}", todo=todo))
    if span < TWO_YEARS:
        what = "less than two years are seen: what recurs every year cannot be told from what changes, so no model here"
        notes.append(Problem(f"{what} knows seasons; the common shock stands for them", value=f"{span} days"))
    of = max(1, -(-n // MOST))
    days = [history.first + timedelta(days=round(share * span)) for share in ORIGINS]
    pasts = [_past(history, day, end, of) for day in days if (end - day).days >= 7]
    pasts = [past for past in pasts if (past.customers["x"] > 0).sum() >= 2]
    if not pasts:
        what, todo = "the past is too short to choose a model on", "name the model, or look at a longer span"
        raise ModelError(Problem(what, value=f"{span} days", todo=todo))
    own = (*history.covariates, *(covariates or ()))
    runs = {name: _run(pasts, name, own, priors) for name in tried}
    best: Family = max(tried, key=lambda name: float(runs[name]["score"].sum()))
    offered: dict[str, tuple[str, ...]] = {"none": ()}
    if history.traits is not None and covariates is None:
        offered |= {"segments": history.traits.segments, "events": history.traits.happened}
        offered |= {"all": history.traits.names} if all(list(offered.values())[1:]) else {}
    sets = {name: more for name, more in offered.items() if more or name == "none"}
    tries = {name: _run(pasts, best, (*own, *more), priors) if more else runs[best] for name, more in sets.items()}
    gains = {name: float((run["score"] - runs[best]["score"]).mean()) for name, run in tries.items()}
    winner = max(sets, key=lambda name: gains[name] if gains[name] >= GAIN else float(name == "none"))
    runs[best] = tries[winner]
    table = pd.DataFrame(
        {
            "set": list(sets),
            "columns": [len(more) for more in sets.values()],
            "score": [run["score"].sum() / run["customers"].sum() for run in tries.values()],
            "gain": list(gains.values()),
            "kept": [name == winner for name in sets],
        }
    )
    return Choice(best, _scores(runs), _by_week(runs[best]), (*own, *sets[winner]), table, tuple(notes))


def rivals(history: History, proof: Holdout) -> pd.DataFrame:
    """Return the error of every model of buying on the held-out weeks, each at its likeliest parameters.

    Returns
    -------
    DataFrame
        ``family``, ``expected`` (purchases), ``error`` (expected / actual - 1).
    """
    past = _past(history, proof.split, proof.end, 1)
    runs = pd.concat([_run([past], name, proof.covariates, None).assign(family=name) for name in FAMILIES])
    error = runs["expected"] / runs["actual"].where(runs["actual"] > 0) - 1
    return runs.assign(error=error)[["family", "expected", "error"]].reset_index(drop=True)


@dataclass(frozen=True)
class _Past:
    """Customers as of a day and at the end of the calibration, and what they bought in each whole week between."""

    day: date
    end: date
    customers: pd.DataFrame
    later: pd.DataFrame
    weeks: np.ndarray


def _past(history: History, day: date, end: date, of: int) -> _Past:
    then, now = (history.customers(until=until, known=day, of=of) for until in (day, end))
    return _Past(day, end, then, now, history.weeks([day], until=end, of=of)[0])


def _run(pasts: list[_Past], family: Family, covariates: Sequence[str], priors: Priors | None) -> pd.DataFrame:
    """What a model fitted at each origin expected, what came, and how likely it held that to be: a row an origin."""
    rows, begin = [], None
    for past in pasts:
        then, now = (t.drop(columns="spend") for t in (past.customers, past.later))
        differ = [c for c in covariates if then[c].nunique() > 1]
        data = model.model_data(then, family=family, covariates=differ)
        target = model.density(data, priors)
        point = target.find_map(begin if begin is not None and len(begin) == len(target.start) else None)
        begin = point  # the next mode is near
        later = BUYING[family].likelihood(model.rows_of(now, differ)).values(point[None])[0]
        score = float(later - target.likelihood(point[None])[0])
        expected = _expected(data, point, (past.end - past.day).days / 7)
        actual = float((now["x"] - then["x"]).sum())
        row = {"origin": past.day, "customers": len(then), "actual": actual, "expected": expected.sum(), "score": score}
        rows.append(row | {"weekly": np.stack([past.weeks, expected[: len(past.weeks)]])})
    return pd.DataFrame(rows)


def _expected(data: ValueData, point: np.ndarray, weeks: float) -> np.ndarray:
    """Expected purchases of all in each week ahead at one point of the parameters; the last one may be shorter."""
    ahead, by_step, _ = time_rule(np.append(np.arange(np.ceil(weeks)), weeks), 0.0, 12)
    alike, at = data.buyers.pairs()
    alive = BUYING[data.family].alive(point[None], data.buyers)[0]
    living = np.bincount(at, alive * data.buyers.weight, len(alike))
    return np.maximum(living @ BUYING[data.family].intensity(point[None], alike, ahead)[0] @ by_step, 0.0)


def _scores(runs: dict[Family, pd.DataFrame]) -> pd.DataFrame:
    best = max(float(run["score"].sum()) for run in runs.values())
    rows = []
    for name, run in runs.items():
        off = np.log((run["actual"] + 0.5) / (run["expected"] + 0.5))
        score = float(run["score"].sum())
        row = {"family": name, "score": score / run["customers"].sum(), "behind": best - score}
        rows.append(row | {"rms": float(np.sqrt((off**2).mean())), "bias": float(off.mean())})
    return pd.DataFrame(rows)


def _by_week(run: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"origin": origin, "week": np.arange(weekly.shape[1]), "actual": weekly[0], "expected": weekly[1]})
        for origin, weekly in zip(run["origin"], run["weekly"], strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def holdout(
    history: History,
    *,
    seed: int,
    split: date | None = None,
    families: Sequence[Family] = FAMILIES,
    draws: int = 400,
    priors: Priors | None = None,
    covariates: Sequence[str] | None = None,
) -> Holdout:
    """Fit the first part of the history and foretell the second.

    Parameters
    ----------
    history : History
    seed : int
    split : date, optional
        Last day of the calibration; default a year before the end, at most half the span.
    families : sequence of str
        Models of which one is chosen within the calibration. The correction is learned there in any case.
    draws : int
    priors : Priors, optional
    covariates : sequence of str, optional
        Columns beside those of the history; default: those that foretold better within the calibration.

    Raises
    ------
    ModelError
        If the split is not within the history, or leaves nothing to learn from.
    """
    span = (history.end - history.first).days
    day = split or history.end - timedelta(days=min(364, span // 2 // 7 * 7))
    if not history.first < day <= history.end - timedelta(days=7):
        allowed = f"{history.first + timedelta(days=1)} to {history.end - timedelta(days=7)}"
        raise ModelError(Problem("the split must leave weeks on both sides", value=str(day), allowed=allowed))
    choice = choose(history, until=day, priors=priors, candidates=families, covariates=covariates)
    before = history.customers(until=day, known=day)
    differ = tuple(c for c in choice.covariates if before[c].nunique() > 1)
    data = model.model_data(before.drop(columns="spend"), family=choice.family, covariates=differ)
    tree = model.fit(data, seed=seed, priors=priors)
    actual = history.weeks([day])[0]
    weeks, end = len(actual), day + timedelta(days=7 * len(actual))
    correction = choice.correction(weeks)
    groups = before["x"].clip(upper=CLASSES).to_numpy(int)
    ask = Ahead(weeks, draws=draws, correction=correction, near_correction=correction, steps=weeks, ranges=True)
    outlook = look_ahead(tree, data, ask, seed=seed, groups={"x": groups})
    came = (history.customers(until=end, known=day)["x"] - before["x"]).to_numpy(float)
    by_week = _ends(outlook.steps).assign(week=np.arange(1, weeks + 1), actual=actual)
    total = _total(came, outlook)
    total["week_cover"] = float(by_week["actual"].between(by_week["low"], by_week["high"]).mean())
    classes = _classes(groups, came, outlook)
    return Holdout(choice.family, differ, day, end, choice, correction, total, classes, by_week, tree, outlook)


def _ends(draws: np.ndarray) -> pd.DataFrame:
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    return pd.DataFrame({"mean": draws.mean(axis=0), "low": low, "high": high})


def _total(came: np.ndarray, outlook: Outlook) -> dict[str, float]:
    actual, each = float(came.sum()), outlook.customers
    whole, plain = (outlook.totals[name].sum("x").to_numpy()[:, None] for name in ("purchases", "plain"))
    mean = float(each["expected_purchases"].sum())
    ends, bare = (_ends(draws).iloc[0] for draws in (whole, plain))
    both = came.std() > 0 and each["expected_purchases"].std() > 0
    return {
        "actual": actual,
        "mean": mean,
        "low": float(ends["low"]),
        "high": float(ends["high"]),
        "plain_low": float(bare["low"]),
        "plain_high": float(bare["high"]),
        "error": mean / actual - 1 if actual else float("nan"),
        "covers": float(ends["low"] <= actual <= ends["high"]),
        "customer_cover": float(((came >= each["purchases_low"]) & (came <= each["purchases_high"])).mean()),
        "customer_promised": float(each["purchases_promised"].mean()),
        "correlation": float(np.corrcoef(came, each["expected_purchases"])[0, 1]) if both else float("nan"),
    }


def _classes(groups: np.ndarray, came: np.ndarray, outlook: Outlook) -> pd.DataFrame:
    names = outlook.totals["x"].to_numpy().astype(int)
    table = _ends(outlook.totals["purchases"].to_numpy()).assign(x=names).set_index("x")
    by = pd.DataFrame({"came": came, "mean": outlook.customers["expected_purchases"]}).groupby(groups)
    n = by.size()
    parts = {"n": n, "actual": by["came"].mean(), "mean": by["mean"].mean()}
    return table.div(n, axis=0).assign(**parts).sort_index().rename_axis("x").reset_index()
