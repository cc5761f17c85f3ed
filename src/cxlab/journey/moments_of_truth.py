r"""Moments of truth: what a bad experience at a touchpoint goes with, in satisfaction and in leaving.

Each row is one customer at one moment: an answered questionnaire, or an experience that is followed for a fixed time.
At each touchpoint the experience is unknown, bad, middling or good, and the outcome comes after it.

The generative story, for an outcome y with codes 1..K (satisfaction; leaving is K = 2)::

    P(y <= k) = logistic(cut_k - eta)
    eta       = sum_t (known_t used_t + bad_t [bad at t] + middling_t [middling at t]) + covariates . gamma
    bad_t, middling_t ~ normal(0, effect);  known_t, gamma ~ normal(0, covariate)
    shares of the codes of an average customer ~ Dirichlet(1, .., 1), which fixes the law of the cuts

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet on the shares at eta = 0 |
| bad_t, middling_t, known_t, gamma | ``beta`` | column | logit | normal, see `Priors` |

What is reported is on the scale of shares: among those who met touchpoint t, the share satisfied (or leaving) had all
had a bad experience there, minus the share had all had a good one, everything else as it was (standardisation). Beside
it stands the folk figure: the plain difference between the two groups, which segments and habits may explain.

Assumptions: given the columns, customers are exchangeable; effects add up on the logit scale and are the same for all;
rows of one customer are weighted down (`ordinal.regression`). What it cannot say: whether the experience is the cause.
What customers are like and we do not know (their mood, their luck) may bring about both.

References
----------
McCullagh (1980), Regression models for ordinal data, doi:10.1111/j.2517-6161.1980.tb01109.x.
Hernan and Robins (2006), Estimating causal effects from epidemiological data (standardisation),
doi:10.1136/jech.2004.029496.
van Houwelingen (2007), Dynamic prediction by landmarking, doi:10.1111/j.1467-9469.2006.00529.x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import ordinal_regression
from cxlab.inference.ordinal_regression import Regression

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "moments"
LEVELS: Final = ("unknown", "bad", "middling", "good")  # how an experience is written in `model_data`
Outcome = Literal["satisfaction", "leaving"]
_MOST = 1500  # rows that a standardised share is averaged over; more change nothing that can be seen


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale (1 logit: odds times 2.7)."""

    effect: float = 1.5  # sd of a bad or middling experience's effect against a good one, logits
    covariate: float = 0.7  # sd of the effect of a segment, a habit, or having used a touchpoint, logits


@dataclass(frozen=True)
class MomentsData:
    """Rows of one outcome.

    Attributes
    ----------
    outcome : str
        ``satisfaction`` or ``leaving``.
    y : array of int, shape (row,)
        Place of the answer among the codes, 0 the worst; for leaving 1 = left.
    codes : int
    success : int
        Places above this boundary count (satisfied; left).
    places : tuple of (touchpoint, basis)
        What an experience was known from: ``rating``, or the name of an outcome of interactions.
    levels : array of int, shape (row, place)
        Index into `LEVELS`.
    x : array, shape (row, column)
        Design, not centred: for each place bad, middling, known; then the covariates.
    cluster : array of int, shape (row,)
        The customer of a row.
    """

    outcome: Outcome
    y: np.ndarray
    codes: int
    success: int
    places: tuple[tuple[str, str], ...]
    levels: np.ndarray
    x: np.ndarray
    cluster: np.ndarray


def model_data(
    levels: pd.DataFrame,
    y: np.ndarray,
    *,
    outcome: Outcome,
    codes: int,
    success: int,
    customer: Sequence[object] | np.ndarray,
    covariates: pd.DataFrame | None = None,
) -> MomentsData:
    """Check rows and turn them into a design.

    Parameters
    ----------
    levels : DataFrame
        One column a place, named (touchpoint, basis), with words of `LEVELS`.
    y : array of int
        See `MomentsData`.
    outcome, codes, success
        See `MomentsData`.
    customer : sequence
        Who each row is about; rows of the same customer are not independent.
    covariates : DataFrame, optional
        Columns of groups (as text; missing is a group of its own).

    Raises
    ------
    ModelError
        No rows, unknown levels, codes out of range: all at once.
    """
    y = np.asarray(y, int)
    problems = []
    if not len(y):
        problems.append(Problem("no rows", where=outcome, todo="give at least one experience with its outcome"))
    elif y.min() < 0 or y.max() >= codes:
        found = f"{y.min()} to {y.max()}"
        problems.append(Problem("answers out of range", where=outcome, value=found, allowed=f"0 to {codes - 1}"))
    if not 0 <= success < codes - 1:
        problems.append(Problem("no such boundary", "", 0, "success", str(success), f"0 to {codes - 2}"))
    words = set(pd.unique(levels.to_numpy().ravel())) - set(LEVELS)
    if words:
        said = ", ".join(sorted(map(str, words)))
        problems.append(Problem("no such experience", value=said, allowed=", ".join(LEVELS)))
    if problems:
        raise ModelError(problems)
    place = np.column_stack([levels[c].map(LEVELS.index).to_numpy(int) for c in levels.columns] or [y[:, None][:, :0]])
    parts = [
        np.column_stack([place[:, [i]] == 1, place[:, [i]] == 2, place[:, [i]] > 0]) for i in range(place.shape[1])
    ]
    x = np.hstack([*parts, ordinal_regression.contrasts(covariates, len(y))]).astype(float)
    cluster = pd.factorize(np.asarray(customer, object))[0]
    places = tuple((str(c[0]), str(c[1])) for c in levels.columns)
    return MomentsData(outcome, y, codes, success, places, place, x, cluster)


def design(data: MomentsData, priors: Priors | None = None) -> Regression:
    """Return what the density needs: centred columns and the sd of each."""
    prior = priors or Priors()
    sd = np.full(data.x.shape[1], prior.covariate)
    for i in range(len(data.places)):
        sd[3 * i : 3 * i + 2] = prior.effect
    return Regression(data.x - data.x.mean(axis=0), data.y, data.codes, sd, data.cluster)


def build_model(data: MomentsData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through `cxlab.inference.importance_sampling`."""
    return ordinal_regression.graph(design(data, priors))


def fit(
    data: MomentsData, *, draws: int, chains: int, seed: int, priors: Priors | None = None
) -> tuple[xr.DataTree, MomentsData, float]:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``cut`` and ``beta``, dims (chain, draw, ..), and ``sample_stats``.
    MomentsData
        As given.
    float
        What one row counts: 1, less where customers come several times.
    """
    tree, used = ordinal_regression.fit(design(data, priors), draws=draws, chains=chains, seed=seed)
    return tree, data, used.weight


def estimands(posterior: xr.Dataset, data: MomentsData, *, weight: float = 1.0, seed: int = 0) -> xr.Dataset:
    """Return the effect of a bad against a good experience at each place, as a difference of shares.

    Parameters
    ----------
    posterior : Dataset
        ``cut``, ``beta`` with dims (chain, draw, ..).
    data : MomentsData
    weight : float
        What one row counts, from `fit`; it widens the folk figures too.
    seed : int
        Of the folk figures' draws.

    Returns
    -------
    Dataset
        Dims (chain, draw, row), a row a place where both bad and good experiences are known; ``mot_satisfaction`` or
        ``mot_leaving`` (adjusted difference), ``after_bad``, ``after_good`` (standardised shares), ``raw`` (plain
        difference), ``raw_bad`` (the plain share after a bad one); coords touchpoint, basis, n, n_bad, n_good.
    """
    import xarray as xr

    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    beta = posterior["beta"].to_numpy().reshape(chains * draws, -1)
    cut = posterior["cut"].to_numpy().reshape(chains * draws, -1)[:, data.success]
    centred = data.x - data.x.mean(axis=0)
    hit = data.y > data.success
    random = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {k: [] for k in ("effect", "after_bad", "after_good", "raw", "raw_bad")}
    rows = []
    for i, (touchpoint, basis) in enumerate(data.places):
        bad, good, known = data.levels[:, i] == 1, data.levels[:, i] == 3, data.levels[:, i] > 0
        if not bad.any() or not good.any():
            continue
        where = np.flatnonzero(known)
        where = where[np.linspace(0, len(where) - 1, min(len(where), _MOST)).astype(int)]
        eta = beta @ centred[where].T - beta[:, 3 * i : 3 * i + 2] @ data.x[where, 3 * i : 3 * i + 2].T
        at_good = ordinal_regression.above(cut, eta).mean(axis=1)
        at_bad = ordinal_regression.above(cut, eta + beta[:, [3 * i]]).mean(axis=1)
        plain = [
            random.beta(weight * hit[g].sum() + 0.5, weight * (~hit[g]).sum() + 0.5, len(beta)) for g in (bad, good)
        ]
        for key, values in zip(found, (at_bad - at_good, at_bad, at_good, plain[0] - plain[1], plain[0]), strict=True):
            found[key].append(values)
        rows.append((touchpoint, basis, int(known.sum()), int(bad.sum()), int(good.sum())))
    shape = (chains, draws, len(rows))
    named = {f"mot_{data.outcome}" if k == "effect" else k: v for k, v in found.items()}
    table = pd.DataFrame(rows, columns=["touchpoint", "basis", "n", "n_bad", "n_good"])
    return xr.Dataset(
        {
            k: (("chain", "draw", "row"), (np.column_stack(v) if v else np.empty((chains * draws, 0))).reshape(shape))
            for k, v in named.items()
        },
        coords={c: ("row", table[c].to_numpy()) for c in table.columns},
    )
