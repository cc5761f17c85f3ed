"""A cumulative logit of one answer on columns of a design, row by row: density, gradient, draws, PyMC statement.

An answer with codes 1..K (K = 2: yes or no) of a row with columns x::

    P(y <= k | x) = logistic(cut_k - x . beta)          k = 1..K-1
    beta_p        ~ normal(0, sd_p)
    (P(y = k | x = 0))_k ~ Dirichlet(1, ..., 1), which fixes the law of the cuts

The columns are centred by the caller, so the Dirichlet speaks of an average row. The cuts are reached through
``theta`` (K - 1 log ratios of the shares to the last one), in which the density is smooth and unbounded.

Rows of the same customer are not independent. `clustering` measures by how much the curvature overstates what they
tell (the sandwich over the plain variance) and `fit` divides the counts by it: the composite likelihood made honest in
the mean over all columns (Ribatet, Cooley and Davison 2012, doi:10.48550/arXiv.0911.5357).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.inference import importance_sampling
from cxlab.vocab import UNKNOWN

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

_TINY = 1e-200  # shares and distances of cuts that have run out of digits
_CHUNK = 4_000_000  # numbers held at once when many points are judged


@dataclass(frozen=True)
class Regression:
    """What the density needs.

    Attributes
    ----------
    x : array, shape (row, column)
        Centred design.
    y : array of int, shape (row,)
        Place of the answer among the codes, 0 the worst.
    codes : int
        Number of codes.
    sd : array, shape (column,)
        Prior sd of each coefficient, logits.
    cluster : array of int, shape (row,)
        The customer of a row.
    weight : float
        What one row counts: 1, less where customers answer several times.
    """

    x: np.ndarray
    y: np.ndarray
    codes: int
    sd: np.ndarray
    cluster: np.ndarray
    weight: float = 1.0

    @property
    def size(self) -> int:
        """Number of parameters: log ratios, then coefficients."""
        return self.codes - 1 + self.x.shape[1]

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """How often each boundary has an answer beside it, and just above it: arrays (row, boundary)."""
        place = np.eye(self.codes)[self.y]
        return place[:, :-1] + place[:, 1:], place[:, 1:]


def shares(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shares of the codes at x = 0, those up to each boundary and those above, along the last axis."""
    full = np.concatenate([theta, np.zeros((*theta.shape[:-1], 1))], axis=-1)
    p = np.exp(full - full.max(axis=-1, keepdims=True))
    p = np.maximum(p / p.sum(axis=-1, keepdims=True), _TINY)
    below = np.cumsum(p, axis=-1)[..., :-1]
    above = np.cumsum(p[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    return p, below, above


def cuts(theta: np.ndarray) -> np.ndarray:
    """Return the cuts (.., boundary) of log ratios (.., boundary)."""
    _, below, above = shares(theta)
    return np.log(below) - np.log(above)


def log_density(one: Regression, point: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the log posterior density (up to a constant) and its gradient at theta, beta."""
    k = one.codes - 1
    theta, beta = point[:k], point[k:]
    p, below, above = shares(theta)
    cut = np.log(below) - np.log(above)
    beside, over = one.ends()
    z = cut - (one.x @ beta)[:, None]
    value = -float((beside * _softplus(-z) + over * z).sum())
    slope = beside * _logistic(-z) - over
    at_cut = slope.sum(axis=0)
    inner = np.bincount(one.y, minlength=one.codes)[1:-1]
    gap = np.maximum(np.diff(cut), _TINY)
    if k > 1:
        value += float((inner * np.log(-np.expm1(-gap))).sum())
        pull = inner / np.expm1(gap)
        at_cut[1:] += pull
        at_cut[:-1] -= pull
    ordered = np.arange(k)[None, :] <= np.arange(k)[:, None]
    jacobian = p[None, :k] * (ordered - below[:, None]) / (below * above)[:, None]
    gradient = np.concatenate([at_cut @ jacobian, -(slope.sum(axis=1) @ one.x)]) * one.weight
    gradient[:k] += 1 - one.codes * p[:k]
    gradient[k:] -= beta / one.sd**2
    prior = float(np.log(p).sum() - 0.5 * ((beta / one.sd) ** 2).sum())
    return one.weight * value + prior, gradient


def many(one: Regression, points: np.ndarray) -> np.ndarray:
    """Return the log densities of points (m, parameter)."""
    k = one.codes - 1
    theta, beta = points[:, :k], points[:, k:]
    p, below, above = shares(theta)
    cut = np.log(below) - np.log(above)
    inner = np.bincount(one.y, minlength=one.codes)[1:-1]
    found = one.weight * (np.log(-np.expm1(-np.maximum(np.diff(cut, axis=1), _TINY))) @ inner)
    found += np.log(p).sum(axis=1) - 0.5 * ((beta / one.sd) ** 2).sum(axis=1)
    step = max(1, _CHUNK // max(1, len(one.y)))
    # The row's own boundaries are all that counts: the one below its code and the one above.
    top, bottom = one.y < k, one.y > 0
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        eta = one.x @ beta[part].T
        own = cut[part].T
        value = -_softplus(eta[top] - own[one.y[top]]).sum(axis=0)
        lower = own[one.y[bottom] - 1] - eta[bottom]
        value -= (_softplus(-lower) + lower).sum(axis=0)
        found[part] += one.weight * value
    return found


def hessian(one: Regression, point: np.ndarray) -> np.ndarray:
    """Return the second derivatives: exact for the coefficients, differences of the gradient for the few cuts."""
    k, size = one.codes - 1, one.size
    matrix = np.zeros((size, size))
    z = cuts(point[:k]) - (one.x @ point[k:])[:, None]
    beside, _ = one.ends()
    curve = (beside * _logistic(z) * _logistic(-z)).sum(axis=1) * one.weight
    matrix[k:, k:] = -(one.x.T * curve) @ one.x - np.diag(1 / one.sd**2)
    for i in range(k):
        shift = np.zeros(size)
        shift[i] = 1e-4
        row = (log_density(one, point + shift)[1] - log_density(one, point - shift)[1]) / 2e-4
        matrix[i], matrix[:, i] = row, row
    return matrix


def clustering(one: Regression) -> float:
    """Return how many rows count as one because customers have several: 1 (independent) or more."""
    if len(np.unique(one.cluster)) == len(one.cluster):
        return 1.0
    point, factor = importance_sampling.find_map(
        lambda v: log_density(one, v), start(one), hessian=lambda v: hessian(one, v)
    )
    k = one.codes - 1
    beside, over = one.ends()
    z = cuts(point[:k]) - (one.x @ point[k:])[:, None]
    score = -(beside * _logistic(-z) - over).sum(axis=1)[:, None] * one.x
    together = np.zeros((int(one.cluster.max()) + 1, score.shape[1]))
    np.add.at(together, one.cluster, score)
    half = factor[k:]
    plain, clustered = (float(((s @ half) ** 2).sum()) for s in (score, together))
    return max(1.0, clustered / plain) if plain > 0 else 1.0


def start(one: Regression) -> np.ndarray:
    """Return where the search for the mode begins: the shares answered, no effects."""
    share = np.bincount(one.y, minlength=one.codes) + 1.0
    return np.concatenate([np.log(share[:-1] / share[-1]), np.zeros(one.x.shape[1])])


def fit(one: Regression, *, draws: int, chains: int, seed: int) -> tuple[xr.DataTree, Regression]:
    """Draw from the posterior, rows of one customer weighted as `clustering` says.

    Returns
    -------
    xr.DataTree
        ``posterior``: ``cut`` (chain, draw, boundary) and ``beta`` (chain, draw, column).
    Regression
        As it was fitted, with its weight.
    """
    import xarray as xr

    used = replace(one, weight=1 / clustering(one))
    tree = importance_sampling.sample(
        lambda v: log_density(used, v),
        start(used),
        draws=draws,
        chains=chains,
        seed=seed,
        many=lambda v: many(used, v),
        hessian=lambda v: hessian(used, v),
    )
    values = tree["posterior"]["x"].to_numpy()
    k = one.codes - 1
    posterior = xr.Dataset(
        {
            "cut": (("chain", "draw", "boundary"), cuts(values[..., :k])),
            "beta": (("chain", "draw", "column"), values[..., k:]),
        }
    )
    whole = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": tree["sample_stats"].dataset})
    whole.attrs.update(tree.attrs)
    return whole, used


def graph(one: Regression) -> pm.Model:
    """Return the same posterior as a PyMC model: the readable statement, and the oracle of the tests."""
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        theta = pm.Flat("theta", shape=one.codes - 1)
        p = pm.math.softmax(pt.concatenate([theta, np.zeros(1)]))
        pm.Potential("shares", pt.log(p).sum())  # Dirichlet(1, .., 1) on p, with the Jacobian of the log ratios
        below = pt.cumsum(p)[:-1]
        beta: Any = pm.Normal("beta", 0.0, one.sd, shape=len(one.sd))
        eta = pt.dot(one.x, beta)
        cut = pt.log(below) - pt.log1p(-below)
        if one.codes == 2:
            logp = pm.logp(pm.Bernoulli.dist(logit_p=eta - cut[0]), one.y)
        else:
            logp = pm.logp(pm.OrderedLogistic.dist(eta=eta, cutpoints=cut), one.y)
        pm.Potential("answers", one.weight * logp.sum())
    return model


def contrasts(covariates: pd.DataFrame | None, rows: int) -> np.ndarray:
    """Return groups as columns of 0 and 1, the commonest group of each left out: shape (row, column)."""
    found = [np.zeros((rows, 0))]
    given = pd.DataFrame() if covariates is None else covariates
    for name in given.columns:
        groups = given[name].astype("string").fillna(UNKNOWN)
        order = groups.value_counts().index
        found += [(groups == g).to_numpy(float)[:, None] for g in order[1:]]
    return np.hstack(found)


def simulate(one: Regression, *, seed: int) -> tuple[Regression, np.ndarray, np.ndarray]:
    """Draw cuts and coefficients from the prior and answers from them.

    Returns
    -------
    Regression
        With new answers.
    cut : array, shape (boundary,)
    beta : array, shape (column,)
    """
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(one.codes))
    below = np.cumsum(p)[:-1]
    cut = np.log(below) - np.log1p(-below)
    beta = random.normal(0.0, one.sd)
    noise = random.logistic(size=len(one.x))
    y = ((one.x @ beta + noise)[:, None] > cut).sum(axis=1)
    return replace(one, y=y), cut, beta


def above(cut: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return P(answer above a cut): draws (draw,), linear predictors (draw, row) -> (draw, row)."""
    return _logistic(eta - cut[:, None])


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _logistic(x: np.ndarray) -> np.ndarray:
    half = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, half) / (1.0 + half)
