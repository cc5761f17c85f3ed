r"""Peak and end: whether the worst, the best and the last experience say more about the verdict than the average.

Each row is one answer with a rating of two touchpoints or more, in the order customers meet them, each rating put on
0 (worst) to 1 (best). The generative story, for an overall answer y with codes 1..K::

    P(y <= k) = logistic(cut_k - eta)
    eta       = w_mean mean + w_worst worst + w_best best + w_end last + covariates . gamma
    w         ~ normal(0, weight);  gamma ~ normal(0, covariate)

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet(1, .., 1) on the shares of an average row |
| w, gamma | ``beta`` | column (`PARTS`, then the covariates) | logit per whole scale | normal, see `Priors` |

A customer who averages has w_mean alone. The two accounts are compared by what they predict of answers they have not
seen (ten-fold, expected log score), which punishes needless columns by itself.

Assumptions: the order is that of the journey's stages, or of the dates where they are known. What it cannot say: what
customers felt at the time; ratings are given afterwards, all at once, and colour each other.

References
----------
Kahneman, Fredrickson, Schreiber and Redelmeier (1993), When more pain is preferred to less,
doi:10.1111/j.1467-9280.1993.tb00589.x.
Vehtari, Gelman and Gabry (2017), Practical model evaluation, doi:10.1007/s11222-016-9696-4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import importance_sampling, ordinal_regression
from cxlab.inference.ordinal_regression import Regression

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "peak_end"
PARTS: Final = ("mean", "worst", "best", "last")
STEP: Final = 0.25  # what an effect is reported for: one code of a five-point scale
_FOLDS: Final = 10


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    weight: float = 2.0  # sd of the weight of a part, logits per whole scale
    covariate: float = 0.7  # sd of the effect of a segment, logits


@dataclass(frozen=True)
class PeakEndData:
    """Rows with two ratings or more.

    Attributes
    ----------
    parts : array, shape (row, part)
        Mean, worst, best and last rating, 0-1.
    y : array of int, shape (row,)
        Place of the overall answer among the codes.
    codes, success : int
        Number of codes; places above boundary `success` are satisfied.
    covariates : array, shape (row, column)
    cluster : array of int, shape (row,)
    """

    parts: np.ndarray
    y: np.ndarray
    codes: int
    success: int
    covariates: np.ndarray
    cluster: np.ndarray


def model_data(
    ratings: np.ndarray,
    y: np.ndarray,
    *,
    codes: int,
    success: int,
    customer: np.ndarray,
    covariates: np.ndarray | None = None,
) -> PeakEndData:
    """Keep the rows with at least two ratings and find their peaks and ends.

    Parameters
    ----------
    ratings : array, shape (row, touchpoint)
        0-1, in the order customers meet the touchpoints; NaN where not met.
    y, codes, success
        See `PeakEndData`.
    customer : array, shape (row,)
    covariates : array, shape (row, column), optional

    Raises
    ------
    ModelError
        If no row has two ratings.
    """
    kept = np.isfinite(ratings).sum(axis=1) >= 2
    if not kept.any():
        raise ModelError(Problem("no answer rates two touchpoints", todo="rate two touchpoints or more in one answer"))
    own = ratings[kept]
    last = own.shape[1] - 1 - np.isfinite(own)[:, ::-1].argmax(axis=1)
    parts = np.column_stack(
        [np.nanmean(own, axis=1), np.nanmin(own, axis=1), np.nanmax(own, axis=1), own[np.arange(len(own)), last]]
    )
    more = np.zeros((len(y), 0)) if covariates is None else covariates
    cluster = pd.factorize(np.asarray(customer, object)[kept])[0]
    return PeakEndData(parts, np.asarray(y, int)[kept], codes, success, more[kept].astype(float), cluster)


def design(data: PeakEndData, priors: Priors | None = None) -> Regression:
    """Return what the density needs."""
    prior = priors or Priors()
    x = np.hstack([data.parts, data.covariates])
    sd = np.r_[np.full(len(PARTS), prior.weight), np.full(data.covariates.shape[1], prior.covariate)]
    return Regression(x - x.mean(axis=0), data.y, data.codes, sd, data.cluster)


def build_model(data: PeakEndData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through `cxlab.inference.importance_sampling`."""
    return ordinal_regression.graph(design(data, priors))


def fit(
    data: PeakEndData, *, draws: int, chains: int, seed: int, priors: Priors | None = None
) -> tuple[xr.DataTree, PeakEndData, float]:
    """Draw from the posterior; returns also what one row counts where customers answer several times."""
    tree, used = ordinal_regression.fit(design(data, priors), draws=draws, chains=chains, seed=seed)
    return tree, data, used.weight


def estimands(posterior: xr.Dataset, data: PeakEndData) -> xr.Dataset:
    """Return what a better mean, worst, best or last rating goes with, all others alike.

    Returns
    -------
    Dataset
        Dims (chain, draw, row), coord ``part``: ``peak_end``, the change of the share satisfied for a rating higher by
        `STEP` of the scale; ``peak_end_over_mean``, the same minus that of the mean.
    """
    import xarray as xr

    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    beta = posterior["beta"].to_numpy().reshape(chains * draws, -1)
    cut = posterior["cut"].to_numpy().reshape(chains * draws, -1)[:, data.success]
    x = np.hstack([data.parts, data.covariates])
    x = (x - x.mean(axis=0))[np.linspace(0, len(x) - 1, min(len(x), 1000)).astype(int)]
    share = ordinal_regression.above(cut, beta @ x.T)
    slope = (share * (1 - share)).mean(axis=1)[:, None]
    effect = STEP * slope * beta[:, : len(PARTS)]
    shape = (chains, draws, len(PARTS))
    return xr.Dataset(
        {
            "peak_end": (("chain", "draw", "row"), effect.reshape(shape)),
            "peak_end_over_mean": (("chain", "draw", "row"), (effect - effect[:, :1]).reshape(shape)),
        },
        coords={"part": ("row", list(PARTS)), "n": ("row", np.full(len(PARTS), len(data.y)))},
    )


def gain(data: PeakEndData, *, seed: int, priors: Priors | None = None) -> tuple[float, float]:
    """Return by how much peak and end predict unseen answers better than the mean alone.

    Folds are of customers, so nobody helps to predict their own answers.

    Returns
    -------
    float
        Gain of the expected log score per 100 answers; below 0 where peak and end add noise.
    float
        Its standard error, customers being independent.
    """
    whole = design(data, priors)
    columns = [0, *range(len(PARTS), whole.x.shape[1])]
    mean = replace(whole, x=whole.x[:, columns], sd=whole.sd[columns])
    fold = np.random.default_rng(seed).permutation(int(data.cluster.max()) + 1)[data.cluster] % _FOLDS
    better = np.zeros(len(data.y))
    for k in np.unique(fold):
        better[fold == k] = _scores(whole, fold == k) - _scores(mean, fold == k)
    by_customer = np.bincount(data.cluster, better)
    error = float(np.sqrt(len(by_customer)) * by_customer.std()) / len(better)
    return 100 * float(better.mean()), 100 * error


def _scores(one: Regression, out: np.ndarray) -> np.ndarray:
    """Log score of the rows left out, under the mode of the others."""
    seen = replace(one, x=one.x[~out], y=one.y[~out], cluster=one.cluster[~out])
    point, _ = importance_sampling.find_map(
        lambda v: ordinal_regression.log_density(seen, v),
        ordinal_regression.start(seen),
        hessian=lambda v: ordinal_regression.hessian(seen, v),
    )
    cut = ordinal_regression.cuts(point[: one.codes - 1])
    below = 1 - ordinal_regression.above(cut, np.tile(one.x[out] @ point[one.codes - 1 :], (len(cut), 1))).T
    edges = np.hstack([np.zeros((len(below), 1)), below, np.ones((len(below), 1))])
    return np.log(np.maximum(np.diff(edges, axis=1)[np.arange(len(below)), one.y[out]], 1e-12))
