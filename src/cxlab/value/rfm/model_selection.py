"""Which model, with which covariates, and how far its totals can be trusted: learned on past weeks only.

The rule, stated before any later week is looked at: stand at several days within the calibration (origins), fit each
model to what was known then, and add up the log likelihood of what the same customers did from there to the end of the
calibration. The highest sum wins. Covariates beside those of the history are kept where they foretell better by at
least 3 in log likelihood (twenty to one) on the average of the origins.

The same origins tell how far totals were off: the root mean square of log(actual / expected) is a shock common to all
customers (season, campaign, economy), which no customer's own history can show; every forecast of a total carries it.
It is learned from few origins, so its 90 % range is that of Student's t with as many degrees of freedom as origins.

References
----------
Tashman (2000), Out-of-sample tests of forecasting accuracy, doi:10.1016/S0169-2070(00)00065-0.
Gneiting and Raftery (2007), Strictly proper scoring rules, doi:10.1198/016214506000001437.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.value import model
from cxlab.value.clv import families
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.quadrature import unit_rule
from cxlab.value.model import Priors
from cxlab.value.rfm.history import History, known

ORIGINS: Final = (0.4, 0.5, 0.6, 0.7, 0.8)  # of the calibration's span
LEAST_ORIGINS: Final = 4  # below which errors of the past say too little
UNKNOWN_SHOCK: Final = 0.2  # sd of the common shock where the past cannot tell
MOST: Final = 20_000  # customers on whom a model is chosen
LARGE: Final = 200_000  # customers above which Pareto/NBD is left out: its integral has no short cut
TWO_YEARS: Final = 730  # days
GAIN: Final = 3.0  # log likelihood an origin by which covariates must foretell better


@dataclass(frozen=True)
class Choice:
    """The model chosen, and what was learned on the way.

    Attributes
    ----------
    family : str
    scores : DataFrame
        One row a model: ``family``, ``score`` (held-out log likelihood a customer and origin), ``behind`` (log
        likelihood behind the best, in all), ``rms`` (of log(actual / expected)), ``bias`` (their mean).
    errors : DataFrame
        One row a model and origin: ``family, origin, customers, actual, expected, score``.
    shock : float
        Standard deviation (log) of the common shock of the chosen model.
    learned : bool
        Whether the shock was learned from at least four origins; else it is a cautious convention.
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
    errors: pd.DataFrame
    shock: float
    learned: bool
    covariates: tuple[str, ...]
    sets: pd.DataFrame
    notes: tuple[Problem, ...]


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
        known(name, FAMILIES)
    end = until or history.end
    span = (end - history.first).days
    of = max(1, -(-history.counts["customers"] // MOST))
    tried, notes = list(candidates), []
    if history.counts["customers"] > LARGE and len(tried) > 1 and "pareto" in tried:
        tried.remove("pareto")
        notes.append(Problem("Pareto/NBD is not tried on so many customers", value=str(history.counts["customers"]),
                             allowed=f"up to {LARGE}", todo="name the family to have it nevertheless"))  # fmt: skip
    if span < TWO_YEARS:
        notes.append(
            Problem("less than two years are seen: what recurs every year cannot be told from what changes, so no "
                    "model here knows seasons; the common shock stands for them", value=f"{span} days")
        )  # fmt: skip
    days = [history.first + timedelta(days=round(share * span)) for share in ORIGINS]
    days = [day for day in days if (end - day).days >= 7]
    pasts = [(day, one) for day, one in history.pasts(days, until=end, of=of) if (one["x"] > 0).sum() >= 2]
    if not pasts:
        raise ModelError(
            Problem("the past is too short to choose a model on", value=f"{span} days",
                    todo="name the model, or look at a longer span")
        )  # fmt: skip
    own = (*history.covariates, *(covariates or ()))
    errors = pd.concat([_foretell(name, pasts, own, priors) for name in tried], ignore_index=True)
    scores = _scores(errors)
    best: Family = scores["family"].iloc[int(scores["behind"].argmin())]
    plain = errors[errors["family"] == best]
    sets, chosen, told = _sets(history, best, pasts, own, plain, priors, asked=covariates is None)
    if chosen != own:  # the totals of the model that is used
        scores = pd.concat([scores[scores["family"] != best], _scores(told)], ignore_index=True)
        errors = pd.concat([errors[errors["family"] != best], told], ignore_index=True)
        scores["behind"] = (scores["score"].max() - scores["score"]) * float(plain["customers"].sum())
    learned = len(pasts) >= LEAST_ORIGINS
    rms = float(scores.loc[scores["family"] == best, "rms"].iloc[0])
    shock = _widened(rms, len(pasts)) if learned else max(rms, UNKNOWN_SHOCK)
    return Choice(best, scores, errors, shock, learned, chosen, sets, tuple(notes))


def _sets(
    history: History,
    family: Family,
    pasts: list[tuple[date, pd.DataFrame]],
    own: tuple[str, ...],
    plain: pd.DataFrame,
    priors: Priors | None,
    *,
    asked: bool,
) -> tuple[pd.DataFrame, tuple[str, ...], pd.DataFrame]:
    """Sets of covariates by what they foretold, the one kept and its errors."""
    traits = history.traits
    offered: dict[str, tuple[str, ...]] = {}
    if traits is not None and asked:
        offered = {"segments": traits.segments, "events": traits.happened}
        if traits.segments and traits.happened:
            offered["all"] = traits.names
    rows, kept, told = [], own, plain
    best = 0.0
    for name, columns in {"none": (), **offered}.items():
        if name != "none" and not columns:
            continue
        found = plain if name == "none" else _foretell(family, pasts, (*own, *columns), priors)
        gain = float((found["score"].sum() - plain["score"].sum()) / len(pasts))
        rows.append({"set": name, "columns": len(columns), "score": found["score"].sum() / found["customers"].sum(),
                     "gain": gain})  # fmt: skip
        if gain >= GAIN and gain > best:
            best, kept, told = gain, (*own, *columns), found
    table = pd.DataFrame(rows)
    winner = table["gain"].where(table["gain"] >= GAIN, 0.0).argmax() if best > 0 else 0
    return table.assign(kept=np.arange(len(table)) == winner), kept, told


def _foretell(
    family: Family,
    pasts: list[tuple[date, pd.DataFrame]],
    covariates: tuple[str, ...],
    priors: Priors | None,
) -> pd.DataFrame:
    """What a model fitted at each origin expected, what came, and how likely it held that to be."""
    rows, begin = [], None
    for day, one in pasts:
        differ = tuple(c for c in covariates if one[c].nunique() > 1)
        data = model.model_data(one, family=family, covariates=differ)
        point = model.summit(data, priors, begin=begin if differ == covariates else None)
        begin = point if differ == covariates else None  # the next mode is near
        then = one.assign(x=one["x_then"], recency=one["recency_then"], age=one["age_then"])
        later = model.model_data(then, family=family, covariates=differ)
        score = model.log_likelihood(later, point) - model.log_likelihood(data, point)
        assert data.rows is not None
        horizon = float((one["age_then"] - one["age"]).iloc[0])
        node, mass = unit_rule(16)
        ahead = families.intensity(family, point[None], data.rows, horizon * node) @ (horizon * mass)
        expected = float((families.alive(family, point[None], data.rows) * ahead)[0] @ data.rows.weight)
        actual = float((one["x_then"] - one["x"]).sum())
        rows.append({"family": family, "origin": day, "customers": len(one), "actual": actual, "expected": expected,
                     "score": score})  # fmt: skip
    return pd.DataFrame(rows)


def _scores(errors: pd.DataFrame) -> pd.DataFrame:
    off = np.log((errors["actual"] + 0.5) / (errors["expected"] + 0.5))
    tried = errors.assign(off=off, square=off**2).groupby("family", sort=False)
    return pd.DataFrame(
        {
            "score": tried["score"].sum() / tried["customers"].sum(),
            "behind": tried["score"].sum().max() - tried["score"].sum(),
            "rms": np.sqrt(tried["square"].mean()),
            "bias": tried["off"].mean(),
        }
    ).reset_index()


def _widened(rms: float, origins: int) -> float:
    """Return the sd of a normal distribution whose 90 % range is that of Student's t scaled by the root mean square."""
    from scipy.stats import norm, t

    return float(rms * t.ppf(0.95, origins) / norm.ppf(0.95))
