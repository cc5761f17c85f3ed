r"""What if the silent are not like those who answered: an estimate as a function of how far they differ.

An ordinal model, poststratified or not, supposes that within a cell those who did not answer would have answered like
those who did. Here that is replaced by a selection model with one number that no data can tell:

    log odds of answering, given the answer y = a_cell + delta * y

With the response rate r of a cell known, `a_cell` follows from it, and by Bayes' rule the silent of a cell are those
who answered, tilted exponentially:

    P(y | silent, cell) is proportional to P(y | answered, cell) * exp(-delta * y)
    P(y | cell)         = r * P(y | answered, cell) + (1 - r) * P(y | silent, cell)

| symbol | name | dims | unit |
|-|-|-|-|
| P(y given answered, cell) | ``shares`` | draw, cell, code | share |
| r | ``rate`` | cell | share of those asked who answered |
| delta | ``delta`` | - | log odds of answering for each point of the scale; above 0 the satisfied answer more often |

At delta = 0 it is the estimate itself. What it cannot say: which delta is true. It says how large delta, or in words
how much lower or higher the silent, would have to be for a verdict to change; whether that is credible is the reader's
to judge. The rate counts as known, and one delta holds in all cells.

References
----------
Scharfstein, Rotnitzky and Robins (1999), Adjusting for nonignorable drop-out, doi:10.1080/01621459.1999.10473862.
Liublinska and Rubin (2014), Sensitivity analysis for a partially missing binary outcome, doi:10.1002/sim.6197.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.connect import population
from cxlab.errors import ModelError, Problem
from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import CI_PROB, SURE, summaries, verdict, withhold
from cxlab.params.models import Silent
from cxlab.runs import UnitData
from cxlab.satisfaction import estimates, model, representativeness
from cxlab.satisfaction.questions import HEADLINE_ROLES, Fit

FARTHEST: Final = 16.0  # log odds between the ends of a scale at which the silent are all but at one end
STEPS: Final = 48  # supposed values on either side of 0, denser where they are small
SENSITIVITY_COLUMNS: Final = (
    "item",
    "metric",
    "weighting",
    "period",
    "claim",
    "delta",
    "gap",
    "mean",
    "ci_low",
    "ci_high",
    "ci_prob",
    "ref",
    "verdict",
    "tipping",
    "rate",
    "n",
)
RESPONSE_COLUMNS: Final = (
    "period",
    "estimand",
    "level",
    "group",
    "metric",
    "mean",
    "ci_low",
    "ci_high",
    "ci_prob",
    "n",
    "answered",
    "base",
    "base_share",
    "answer_share",
    "never_heard",
    "frame",
    "verdict",
)
DRAWS: Final = (400, 1000)  # of the shares: fewest and most
HELD: Final = 2_500_000  # shares looked at for each supposed difference
PRIOR_ASKED: Final = 10.0  # people asked whom the rate of all lends to the rate of a cell, which may hold only a few


@dataclass(frozen=True)
class Tilted:
    """A metric under each supposed delta.

    Attributes
    ----------
    delta : array, shape (G,)
        In ascending order; 0 is among them if it was asked for.
    gap : array, shape (G,)
        How many points of the scale the silent score above those like them who answered, on average over the silent.
    values : array, shape (G, D)
        Draws of the metric among all who were asked.
    """

    delta: np.ndarray
    gap: np.ndarray
    values: np.ndarray


def deltas(codes: Sequence[float]) -> np.ndarray:
    """Return values of delta to suppose for a scale, shape (2 * STEPS + 1,): from one extreme over 0 to the other."""
    ends = np.asarray(codes, float)
    side = np.linspace(0.0, 1.0, STEPS + 1)[1:] ** 2 * FARTHEST / (ends[-1] - ends[0])
    return np.concatenate([-side[::-1], [0.0], side])


def tilted(
    shares: np.ndarray,
    *,
    codes: Sequence[float],
    score: np.ndarray,
    weight: np.ndarray,
    rate: np.ndarray,
    delta: np.ndarray,
) -> Tilted:
    """Return a metric under each delta.

    Parameters
    ----------
    shares : array, shape (D, M, K)
        Draws of the share of each code among those who answered in each cell.
    codes : sequence of float
        The K codes, from worst to best.
    score : array, shape (K,)
        What each code adds to the metric, `cxlab.satisfaction.estimates.scores`.
    weight : array, shape (M,)
        How many people each cell stands for, in any unit.
    rate : array, shape (M,)
        Share of those asked in each cell who answered.
    delta : array, shape (G,)
        Log odds of answering for each point of the scale.

    Raises
    ------
    ModelError
        Arrays that do not fit each other, a rate outside 0..1, weights that are negative or all zero.
    """
    weight, rate, points = np.asarray(weight, float), np.asarray(rate, float), np.asarray(codes, float)
    _check(shares, points, weight, rate)
    share = weight / weight.sum()
    silent = share * (1.0 - rate)
    heard = np.einsum("dmk,k,m->d", shares, score, share * rate, optimize=True)
    answered = shares @ points
    values, gap = np.empty((len(delta), len(shares))), np.zeros(len(delta))
    for g, one in enumerate(delta):
        tilt = np.exp(-one * (points - points[-1 if one < 0 else 0]))  # the largest is 1: nothing overflows
        mass = np.maximum(shares @ tilt, np.finfo(float).tiny)
        values[g] = heard + ((shares @ (tilt * score)) / mass) @ silent
        if one and silent.sum() > 0:
            gap[g] = float((((shares @ (tilt * points)) / mass - answered) @ silent).mean() / silent.sum())
    return Tilted(np.asarray(delta, float), gap, values)


def tipping(curve: Tilted, judge: Callable[[np.ndarray], str]) -> int | None:
    """Return the place in `curve` of the smallest difference at which a verdict changes; None where none changes it.

    Parameters
    ----------
    curve : Tilted
        Its `delta` holds 0.
    judge : callable
        Draws (D,) -> verdict.
    """
    start = int(np.argmin(np.abs(curve.delta)))
    verdict = judge(curve.values[start])
    for place in np.argsort(np.abs(curve.gap), kind="stable"):
        if judge(curve.values[place]) != verdict:
            return int(place)
    return None


def _check(shares: np.ndarray, codes: np.ndarray, weight: np.ndarray, rate: np.ndarray) -> None:
    cells = shares.shape[1]
    problems = [
        Problem("as many as there are cells are needed", where=name, value=str(len(values)), allowed=str(cells))
        for name, values in (("weight", weight), ("rate", rate))
        if len(values) != cells
    ]
    if shares.shape[2] != len(codes):
        problems.append(Problem("a share for each code is needed", where="shares", value=str(shares.shape[2])))
    if not ((rate >= 0) & (rate <= 1)).all():
        worst = rate[~((rate >= 0) & (rate <= 1))][0]
        problems.append(Problem("a response rate lies between 0 and 1", where="rate", value=f"{worst:g}"))
    if (weight < 0).any() or not weight.sum() > 0:
        problems.append(Problem("weights must not be negative, and not all zero", where="weight"))
    if problems:
        raise ModelError(problems)


def response(data: UnitData, *, factors: Sequence[str], periods: Sequence[str], period: str) -> pd.DataFrame:
    """Return who was asked, who answered and who is a customer, by group, and how representative the answers are.

    Parameters
    ----------
    data : UnitData
    factors : sequence of str
        What the lead question's model tells apart.
    periods : sequence of str
        Up to the unit's, in order.
    period : str
        The unit's.

    Returns
    -------
    DataFrame
        `RESPONSE_COLUMNS`. Estimand ``response_rate``, a row a group and one for all (level ``total``): `mean` is the
        share of the `n` asked that answered; `base` customers (or, without a directory, those asked), their share and
        the group's share of the answers; `never_heard` whether it gave no answer in the last periods. Estimand
        ``r_indicator``: one row, 1 when nothing tells who answers. Empty where neither customers nor invitations are
        known. See `cxlab.satisfaction.representativeness`.
    """
    groups = representativeness.heard(data, factors=factors, periods=periods, period=period)
    whole = representativeness.representativeness(data, factors=factors, period=period)
    rows = groups.rename(columns={"asked": "n", "rate": "mean", "rate_low": "ci_low", "rate_high": "ci_high"})
    rows = rows.assign(estimand="response_rate", metric="rate", frame="" if whole is None else whole.frame)
    if whole is not None:
        about = {"level": "total", "group": "", "n": whole.n, "answered": whole.answers, "frame": whole.frame}
        about |= {"never_heard": False}
        rate = {"estimand": "response_rate", "metric": "rate", "mean": whole.rate}
        spread = {"estimand": "r_indicator", "metric": "probability", "mean": whole.r}
        spread |= {"ci_low": whole.r_low, "ci_high": whole.r_high}
        rows = pd.concat([pd.DataFrame([about | rate, about | spread]), rows], ignore_index=True)
    rows = rows.assign(period=period, ci_prob=CI_PROB, verdict="")
    return rows.reindex(columns=list(RESPONSE_COLUMNS)).astype({"never_heard": bool})


def sensitivity(
    one: Fit,
    data: UnitData,
    *,
    metric: str,
    period: str,
    practical: float,
    seed: int,
    target: float | None = None,
    weight: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a metric of the unit's period as a function of how far the silent differ from those who answered.

    The claim looked at is the change from the period before if there is one to make (better, worse, no real change),
    else whether the target is met. Only the silent of this period are supposed to differ: a difference that was the
    same in both periods takes next to nothing from a change.

    Parameters
    ----------
    one : Fit
        Of the question.
    data : UnitData
        Its invitations say who was asked.
    metric : str
        One of the measure's metrics.
    period : str
        The unit's.
    practical : float
        Practical limit of a change of the metric.
    seed : int
        Of the choice of draws.
    target : float, optional
        Of the metric.
    weight : array, shape (M,), optional
        How many people each cell of the fit stands for; by default those of its estimates.

    Returns
    -------
    DataFrame
        `SENSITIVITY_COLUMNS`, a row a supposed difference: `gap` is how many points of the scale the silent score above
        those like them who answered, `claim` one of change, target or nothing, `ref` what it compares with, `verdict`
        what it then says (better, worse, no_real_change, cannot_tell; above, below), `tipping` marks the smallest
        difference at which it changes, `rate` is the response rate. Empty where nobody is known to have been asked.
    """
    counts, codes = one.data, one.data.codes
    here = (counts.cells["period"] == period).to_numpy()
    rate = _rates(one, data, period)[here]
    people = (counts.population if weight is None else np.asarray(weight, float))[here]
    if not np.isfinite(rate).all() or not people.sum() > 0:
        return pd.DataFrame(columns=list(SENSITIVITY_COLUMNS))
    score = estimates.scores(codes, metric, satisfied_from=one.measure.satisfied_from)
    draws = int(np.clip(HELD // (here.sum() * len(codes)), *DRAWS))
    shares = model.code_shares(one.tree["posterior"].dataset, counts, draws=draws, seed=seed)
    curve = tilted(shares[:, here], codes=codes, score=score, weight=people, rate=rate, delta=deltas(codes))
    before = _before(one, shares @ score, counts.population if weight is None else weight, period)
    claim, ref, judged = _claim(curve.values, before, practical=practical, target=target)
    place = None
    if claim:
        order = {v.tobytes(): text for v, text in zip(curve.values, judged, strict=True)}
        place = tipping(curve, lambda values: order[values.tobytes()])
    low, high = np.quantile(curve.values, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2], axis=1)
    about: dict[str, Any] = {"item": one.measure.item, "metric": metric, "weighting": one.measure.weighting}
    frame = pd.DataFrame(
        about
        | {
            "period": period,
            "claim": claim,
            "delta": curve.delta,
            "gap": curve.gap,
            "mean": curve.values.mean(axis=1),
            "ci_low": low,
            "ci_high": high,
            "ci_prob": CI_PROB,
            "ref": ref,
            "verdict": judged,
            "tipping": np.arange(len(curve.delta)) == (-1 if place is None else place),
            "rate": float(rate @ people / people.sum()),
            "n": int(counts.n_raw[here].sum()),
        }
    )
    return frame[list(SENSITIVITY_COLUMNS)]


def included(
    fits: Sequence[Fit],
    gates: Sequence[Gate],
    data: UnitData,
    *,
    period: str,
    believed: Silent,
    seed: Callable[[str], int],
) -> pd.DataFrame:
    """Return the headline questions' metrics of all customers, those who did not answer included, as tidy rows.

    The difference between the silent and those like them who answered is not known: each draw supposes one from what is
    believed of it. That patients who do not answer are less satisfied was found by Mazor, Clauser, Field, Yood and
    Gurwitz (2002), doi:10.1111/1475-6773.11194; others found the opposite, so the belief is wide.

    Parameters
    ----------
    fits, gates : sequences of equal length
    data : UnitData
        Its invitations and customers say who is silent.
    period : str
        The unit's.
    believed : Silent
        ``limits.silent`` of the params.
    seed : callable
        Name -> seed, `Run.seed`.

    Returns
    -------
    DataFrame
        Columns of `cxlab.satisfaction.estimates.tidy`, estimand ``level_all``: a row a metric of each question with a
        headline role that stands for a customer base.
    """
    parts = []
    for one, judged in zip(fits, gates, strict=True):
        if one.measure.role not in HEADLINE_ROLES or one.measure.weighting != "population":
            continue
        counts, codes = one.data, np.asarray(one.data.codes, float)
        here = (counts.cells["period"] == period).to_numpy() & (counts.population > 0)
        rate = _rates(one, data, period)[here]
        if not here.any() or not np.isfinite(rate).all():
            continue
        people, heard = counts.population[here], counts.n_raw[here]
        if counts.base.startswith("customers"):  # who was not asked has not answered either
            rate = np.minimum(rate, heard / people)
        random = seed(f"silent {one.measure.item}")
        draws = int(np.clip(HELD // (here.sum() * len(codes)), *DRAWS))
        shares = model.code_shares(one.tree["posterior"].dataset, counts, draws=draws, seed=random, cells=here)
        supposed = np.random.default_rng(random).normal(believed.mean, believed.sd, len(shares))
        tilt = -np.outer(supposed, (codes - codes[0]) / (codes[-1] - codes[0]))
        tilt = np.exp(tilt - tilt.max(axis=1, keepdims=True))
        mass = np.maximum(np.einsum("dmk,dk->dm", shares, tilt), np.finfo(float).tiny)
        share = people / people.sum()
        for metric in one.measure.metrics:
            score = estimates.scores(one.data.codes, metric, satisfied_from=one.measure.satisfied_from)
            silent = np.einsum("dmk,dk,k->dm", shares, tilt, score, optimize=True) / mass
            values = (shares @ score) @ (share * rate) + silent @ (share * (1 - rate))
            row = summaries(values[:, None]).assign(item=one.measure.item, metric=metric, n=int(heard.sum()))
            row = row.assign(unit=estimates.UNITS[metric], n_eff=float(heard.sum()))
            parts.append(row if judged.passed else withhold(row))
    about = {"estimand": "level_all", "level": "total", "group": "", "period": period, "weighting": "population"}
    found = pd.concat(parts, ignore_index=True).assign(**about) if parts else pd.DataFrame(columns=["verdict"])
    return found.assign(verdict=found.get("verdict", "")).fillna({"verdict": ""})


def _claim(
    values: np.ndarray, before: np.ndarray | None, *, practical: float, target: float | None
) -> tuple[str, float, list[str]]:
    """Return what the verdict is about, what it compares with, and the verdict under each supposed difference."""
    start = len(values) // 2
    if before is not None:
        judged = [str(verdict(v - before, practical=practical)) for v in values]
        if judged[start] != "cannot_tell":
            return "change", float(before.mean()), judged
    if target is not None:
        above = (values > target).mean(axis=1)
        judged = ["above" if p > SURE else "below" if 1 - p > SURE else "cannot_tell" for p in above]
        if judged[start] != "cannot_tell":
            return "target", float(target), judged
    return "", float("nan") if before is None else float(before.mean()), ["cannot_tell"] * len(values)


def _before(one: Fit, cells: np.ndarray, weight: np.ndarray, period: str) -> np.ndarray | None:
    """Draws (D,) of the metric in the period just before, if anybody answered in it."""
    place = one.data.periods.index(period)
    if place == 0:
        return None
    old = (one.data.cells["period"] == one.data.periods[place - 1]).to_numpy()
    if not one.data.n_raw[old].sum() or not weight[old].sum() > 0:
        return None
    return np.asarray(cells[:, old] @ weight[old] / weight[old].sum())


def _rates(one: Fit, data: UnitData, period: str) -> np.ndarray:
    """Response rate of each cell in a period, drawn towards the rate of all; missing where nobody is known to be asked.

    Without invitations, all customers count as asked.
    """
    counts = one.data
    nobody = np.full(len(counts.cells), np.nan)
    asked = data.invited(counts.factors)
    asked = asked[asked["period"] == period]
    if asked.empty:
        asked = _customers(one, data, period)
    if asked.empty or not _was_asked(one, data, period):
        return nobody
    whole = float(asked["answered"].sum() / asked["asked"].sum())
    known = [*population.told_apart(asked, counts.factors, "asked"), "period"]
    by_cell = counts.cells.merge(
        asked.groupby(known, as_index=False)[["asked", "answered"]].sum(), how="left", on=known
    )
    n, k = by_cell["asked"].fillna(0).to_numpy(float), by_cell["answered"].fillna(0).to_numpy(float)
    return np.asarray((k + PRIOR_ASKED * whole) / (n + PRIOR_ASKED))


def _customers(one: Fit, data: UnitData, period: str) -> pd.DataFrame:
    """Customers of each group in a period as those who were asked, and the answers as those who answered."""
    counts = one.data
    base = data.base(counts.factors, periods=[period]).rename(columns={"population": "asked"})
    known = [*population.told_apart(base, counts.factors, "asked"), "period"]
    said = counts.cells.assign(answered=counts.n_raw).groupby(known, as_index=False)["answered"].sum()
    people = base.groupby(known, as_index=False)["asked"].sum().merge(said, how="left", on=known)
    return people.assign(answered=people["answered"].fillna(0).clip(upper=people["asked"]))


def _was_asked(one: Fit, data: UnitData, period: str) -> bool:
    """Whether most of the answers to the question were asked for: of star ratings nobody is silent."""
    rows = data.sql(
        "SELECT avg(coalesce(r.solicited, true)::INTEGER) AS asked FROM ratings t JOIN responses r USING (response_id)"
        " WHERE t.item = ? AND t.period = ? AND t.value IS NOT NULL",
        params=[one.measure.item, period],
    )
    return bool(len(rows)) and pd.notna(rows["asked"].iloc[0]) and float(rows["asked"].iloc[0]) >= 0.5
