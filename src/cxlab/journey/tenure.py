r"""The relationship-age curve: how satisfaction differs between young and old relationships.

One answer a customer (the latest), sorted into steps of the time since the customer came. For an answer y with codes
1..K at age step a::

    P(y <= k) = logistic(cut_k - eta_a),  eta_a = eta_{a-1} + step_a,  step_a ~ normal(0, step)
    covariates shift eta with coefficients ~ normal(0, covariate)

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet(1, .., 1) on the shares of an average row |
| step_a, gamma | ``beta`` | column | logit | normal, see `Priors` |

What it cannot say: that a customer's satisfaction changes with age. Those who were unhappy early have left, so old
relationships look happier even if nobody ever changes; and cohorts may differ.

References
----------
McCullagh (1980), Regression models for ordinal data, doi:10.1111/j.2517-6161.1980.tb01109.x.
Lang and Brezger (2004), Bayesian P-splines (random-walk smoothing), doi:10.1198/1061860043010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.inference import ordinal_regression
from cxlab.inference.ordinal_regression import Regression

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "tenure"
EDGES: Final = (0, 91, 183, 365, 731, 1096, 1826)  # days at which a step of age begins


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale."""

    step: float = 0.35  # sd of the difference between neighbouring steps of age, logits
    covariate: float = 0.7  # sd of the effect of a segment, logits


@dataclass(frozen=True)
class TenureData:
    """One answer a customer.

    Attributes
    ----------
    step : array of int, shape (row,)
        Place of the customer's age among `edges`.
    y : array of int, shape (row,)
        Place of the answer among the codes.
    codes, success : int
        Number of codes; places above boundary `success` are satisfied.
    edges : tuple of int
        Days at which each step begins, those without customers left out.
    covariates : array, shape (row, column)
    """

    step: np.ndarray
    y: np.ndarray
    codes: int
    success: int
    edges: tuple[int, ...]
    covariates: np.ndarray


def model_data(
    days: np.ndarray, y: np.ndarray, *, codes: int, success: int, covariates: np.ndarray | None = None
) -> TenureData:
    """Sort customers into steps of age.

    Parameters
    ----------
    days : array, shape (row,)
        Days since the customer came; rows below 0 or NaN are left out.
    y, codes, success
        See `TenureData`.
    covariates : array, shape (row, column), optional

    Raises
    ------
    ModelError
        If no row has an age.
    """
    kept = np.isfinite(days) & (np.nan_to_num(days, nan=-1.0) >= 0)
    if not kept.any():
        raise ModelError(Problem("no answer has a known age of the relationship", todo="give customers their `since`"))
    step = np.searchsorted(np.asarray(EDGES), days[kept], side="right") - 1
    met, step = np.unique(step, return_inverse=True)
    more = np.zeros((len(y), 0)) if covariates is None else covariates
    edges = tuple(EDGES[i] for i in met)
    return TenureData(step, np.asarray(y, int)[kept], codes, success, edges, more[kept].astype(float))


def design(data: TenureData, priors: Priors | None = None) -> Regression:
    """Return what the density needs: one column a step upwards, then the covariates."""
    prior = priors or Priors()
    steps = (data.step[:, None] >= np.arange(1, len(data.edges))).astype(float)
    x = np.hstack([steps, data.covariates])
    sd = np.r_[np.full(steps.shape[1], prior.step), np.full(data.covariates.shape[1], prior.covariate)]
    return Regression(x - x.mean(axis=0), data.y, data.codes, sd, np.arange(len(data.y)))


def build_model(data: TenureData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through `cxlab.inference.importance_sampling`."""
    return ordinal_regression.graph(design(data, priors))


def fit(
    data: TenureData, *, draws: int, chains: int, seed: int, priors: Priors | None = None
) -> tuple[xr.DataTree, TenureData, float]:
    """Draw from the posterior."""
    tree, used = ordinal_regression.fit(design(data, priors), draws=draws, chains=chains, seed=seed)
    return tree, data, used.weight


def estimands(posterior: xr.Dataset, data: TenureData) -> xr.Dataset:
    """Return the share satisfied at each age, the mix of covariates being that of all.

    Returns
    -------
    Dataset
        ``tenure`` and ``tenure_over_first`` (minus the first step's), dims (chain, draw, row); coords ``since`` (days
        at which the step begins) and ``n``.
    """
    import xarray as xr

    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    beta = posterior["beta"].to_numpy().reshape(chains * draws, -1)
    cut = posterior["cut"].to_numpy().reshape(chains * draws, -1)[:, data.success]
    one = design(data)
    k = len(data.edges) - 1
    mean = (data.step[:, None] >= np.arange(1, k + 1)).mean(axis=0)
    rows = np.linspace(0, len(one.x) - 1, min(len(one.x), 1000)).astype(int)
    rest = beta[:, k:] @ one.x[rows, k:].T
    shares = []
    for a in range(k + 1):
        own = beta[:, :k] @ ((np.arange(1, k + 1) <= a) - mean)
        shares.append(ordinal_regression.above(cut, rest + own[:, None]).mean(axis=1))
    share = np.column_stack(shares)
    shape = (chains, draws, k + 1)
    return xr.Dataset(
        {
            "tenure": (("chain", "draw", "row"), share.reshape(shape)),
            "tenure_over_first": (("chain", "draw", "row"), (share - share[:, :1]).reshape(shape)),
        },
        coords={"since": ("row", list(data.edges)), "n": ("row", np.bincount(data.step, minlength=k + 1))},
    )
