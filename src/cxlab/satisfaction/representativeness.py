"""Who is heard: response rates and representativeness by group, and who never answers.

A response is representative when the probability of answering is the same for all; the R-indicator is 1 minus twice the
standard deviation of these probabilities between the cells of the factors: 1 when nothing tells who answers, .75 when
they vary by an eighth. It speaks of the factors given, never of what no factor shows.

References
----------
Schouten, Cobben and Bethlehem (2009), Indicators for the representativeness of survey response, Survey Methodology
35(1), 101-113.
Shlomo, Skinner and Schouten (2012), Estimation of an indicator of the representativeness of survey response,
doi:10.1016/j.jspi.2011.07.008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.population import told_apart
from cxlab.connect.sql import identifier, literal
from cxlab.inference.contrasts import zero_sum_basis
from cxlab.runs import UnitData
from cxlab.vocab import UNKNOWN

CI_PROB: Final = 0.9
PRIOR_SD: Final = 1.0  # of the log-odds of answering between groups
LOOK_BACK: Final = 4  # periods without an answer after which a group counts as never heard
DRAWS: Final = 2000
HEARD_COLUMNS: Final = (
    "level", "group", "asked", "answered", "rate", "rate_low", "rate_high", "base", "base_share", "answers",
    "answer_share", "never_heard",
)  # fmt: skip


@dataclass(frozen=True)
class Representativeness:
    """How far those who answered are like those they stand for.

    Attributes
    ----------
    frame : str
        ``invitations`` (those who were asked) or ``customers`` (the directory).
    factors : tuple of str
        What the frame tells apart.
    n : int
        People or invitations of the frame in the period.
    rate : float
        Share of them that answered.
    r, r_low, r_high : float
        R-indicator with its 90 % interval.
    partial : dict of str to float
        Standard deviation of the response rate between the groups of each factor alone.
    n_eff : float
        Answers that a sample with the frame's mix would need to say as much (Kish, cells weighted to the frame).
    answers : int
        Answers in cells of the frame.
    """

    frame: str
    factors: tuple[str, ...]
    n: int
    rate: float
    r: float
    r_low: float
    r_high: float
    partial: dict[str, float]
    n_eff: float
    answers: int


def heard(
    data: UnitData, *, factors: Sequence[str], periods: Sequence[str], period: str, look_back: int = LOOK_BACK
) -> pd.DataFrame:
    """Compare, for each group of each factor, who was asked, who is a customer and who answered in a period.

    Parameters
    ----------
    data : UnitData
    factors : sequence of str
        ``segment:<name>``, ``touchpoint`` or ``channel``.
    periods : sequence of str
        Periods up to the unit's, in order.
    period : str
        The period spoken of.
    look_back : int
        A group that is in the base and gave no answer in so many periods, this one included, is never heard.

    Returns
    -------
    DataFrame
        `HEARD_COLUMNS`: ``rate`` is answered / asked with a 90 % interval (Jeffreys), missing without invitations;
        ``base`` counts customers, else invitations; shares are of the period's base and solicited answers (0-1, groups
        not stated left out), missing where most answers of late do not state the group: nobody then knows who is heard;
        ``never_heard`` a boolean. Empty where neither customers nor invitations are known.
    """
    from scipy.stats import beta

    asked, base = data.invited(factors), data.base(factors, periods=[period])
    answers = _answers(data, factors)
    recent = [p for p in periods if p <= period][-look_back:]
    rows = []
    for level in factors:
        said = answers[answers["period"] == period].groupby(level)["n"].sum() if level in answers else pd.Series()
        lately = answers[answers["period"].isin(recent)].groupby(level)["n"].sum() if level in answers else pd.Series()
        invited = pd.DataFrame(columns=["asked", "answered"])
        if level in told_apart(asked, [level], "asked"):
            invited = asked[asked["period"] == period].groupby(level)[["asked", "answered"]].sum()
        people = invited["asked"]
        if level in told_apart(base, [level], "population"):
            people = base.groupby(level)["population"].sum()
        late = answers[answers["period"].isin(recent)]
        stated = late.empty or level in told_apart(late, [level], "n")
        groups = sorted((set(people.index) | set(invited.index)) - {UNKNOWN})
        total = float(people.reindex(groups).sum())
        spoken = float(said.drop(UNKNOWN, errors="ignore").sum())
        for group in groups:
            n, k = (float(invited[c].get(group, 0)) for c in ("asked", "answered"))
            low, high = beta.ppf([0.05, 0.95], k + 0.5, n - k + 0.5) if n else (np.nan, np.nan)
            own, answered = float(people.get(group, 0)), float(said.get(group, 0))
            rows.append(
                (level, group, int(n), int(k), k / n if n else np.nan, low, high, int(own),
                 own / total if total and stated else np.nan, int(answered),
                 answered / spoken if spoken and stated else np.nan,
                 stated and own > 0 and not lately.get(group, 0) > 0)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(HEARD_COLUMNS))


def representativeness(
    data: UnitData, *, factors: Sequence[str], period: str, seed: int = 1
) -> Representativeness | None:
    """Return the R-indicator of a period's answers, or None where no frame tells one of the factors apart.

    Response probabilities are those of a logistic regression with main effects (normal(0, 1) on the log-odds). Their
    variance is reduced by what estimation alone adds to it.

    Parameters
    ----------
    data : UnitData
    factors : sequence of str
        What may tell who answers.
    period : str
    seed : int
        Of the interval's draws.
    """
    asked = data.invited(factors)
    asked = asked[asked["period"] == period]
    known = told_apart(asked, factors, "asked")
    if known:
        frame, cells = "invitations", asked.rename(columns={"asked": "n"})
        cells = cells.groupby(list(known))[["n", "answered"]].sum().reset_index()
    else:
        base = data.base(factors, periods=[period])
        known = told_apart(base, factors, "population")
        if not known:
            return None
        frame, answers = "customers", _answers(data, known)
        answers = answers[answers["period"] == period].groupby(list(known))[["n"]].sum().reset_index()
        base = base.groupby(list(known))[["population"]].sum().reset_index()
        cells = base.merge(answers.rename(columns={"n": "answered"}), on=list(known), how="left")
        cells = cells.rename(columns={"population": "n"}).fillna({"answered": 0.0})
    n, answered = cells["n"].to_numpy(float), cells["answered"].to_numpy(float)
    n = np.maximum(n, answered)
    draws = _propensities(cells[list(known)], n, answered, seed=seed)
    share = n / n.sum()
    fitted = draws.mean(axis=0)
    spread = _variance(draws, share)
    noise = float(share @ draws.var(axis=0)) - float((draws @ share).var())
    adjusted = 1 - 2 * np.sqrt(np.maximum(spread - 2 * noise, 0.0))  # a draw has the noise of the estimate and its own
    middle = 1 - 2 * float(np.sqrt(max(float(_variance(fitted[None], share)[0]) - noise, 0.0)))
    low, high = np.quantile(adjusted, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2])
    partial = {}
    for factor in known:
        mean = pd.DataFrame({"g": cells[factor], "n": n, "k": fitted * n}).groupby("g")[["n", "k"]].sum()
        partial[factor] = float(
            np.sqrt(_variance((mean["k"] / mean["n"]).to_numpy()[None], (mean["n"] / n.sum()).to_numpy())[0])
        )
    there = answered > 0
    weight = n[there]
    effective = float(weight.sum() ** 2 / (weight**2 / answered[there]).sum()) if there.any() else 0.0
    return Representativeness(
        frame, known, int(n.sum()), float(answered.sum() / n.sum()), middle, float(min(low, middle)),
        float(max(high, middle)), partial, effective, int(answered.sum()),
    )  # fmt: skip


def _variance(values: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.asarray(((values - (values @ share)[:, None]) ** 2) @ share)


def _propensities(cells: pd.DataFrame, n: np.ndarray, answered: np.ndarray, *, seed: int) -> np.ndarray:
    """Draws of the probability of answering in each cell, shape (draws, cells): Newton's mode and its curvature."""
    columns = [np.ones((len(cells), 1))]
    for factor in cells.columns:
        codes, groups = pd.factorize(cells[factor], sort=True)
        columns.append(zero_sum_basis(len(groups))[codes])
    design = np.concatenate(columns, axis=1)
    precision = np.full(design.shape[1], 1 / PRIOR_SD**2)
    precision[0] = 0.01
    beta = np.zeros(design.shape[1])
    beta[0] = np.log((answered.sum() + 0.5) / (n.sum() - answered.sum() + 0.5))
    for _ in range(30):
        rate = 1 / (1 + np.exp(-design @ beta))
        curve = (design * (n * rate * (1 - rate))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curve, design.T @ (answered - n * rate) - precision * beta)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    normal = np.random.default_rng(seed).standard_normal((DRAWS, len(beta)))
    drawn = beta + np.linalg.solve(np.linalg.cholesky(curve).T, normal.T).T
    return np.asarray(1 / (1 + np.exp(-drawn @ design.T)))


def _answers(data: UnitData, factors: Sequence[str]) -> pd.DataFrame:
    """Solicited answers by those factors that responses have, and period."""
    columns = data.store.columns("responses")
    known = [f for f in factors if f in columns]
    picks = "".join(f"coalesce({identifier(f)}, {literal(UNKNOWN)}) AS {identifier(f)}, " for f in known)
    return data.sql(
        f"SELECT {picks}period, count(*) AS n FROM responses WHERE solicited AND period IS NOT NULL GROUP BY ALL"
    )
