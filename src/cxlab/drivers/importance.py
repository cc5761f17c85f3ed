"""How much of an outcome each of several correlated attributes accounts for: LMG (Shapley) and Johnson shares.

All is algebra of one covariance matrix a draw: the attributes' first, the outcome's last. With a driver model the
"regressors" are the attributes' contributions to the latent outcome, so that an ordinal outcome has shares too: their
sum is McKelvey and Zavoina's R2.

    share_j = sum over S not holding j of  |S|! (p - 1 - |S|)! / p!  (R2(S + j) - R2(S))

Up to `MOST_EXACT` attributes all 2^p subsets are visited; above, Latin squares of orders of entry are drawn and
the Monte Carlo error is told. What nobody can say from any of these numbers is what would happen if an attribute
were changed: shares divide up an association.

References
----------
Groemping (2007), The American Statistician 61, doi:10.1198/000313007X188252 (LMG).
Johnson (2000), Multivariate Behavioral Research 35, doi:10.1207/S15327906MBR3501_1 (relative weights).
McKelvey and Zavoina (1975), Journal of Mathematical Sociology 4, doi:10.1080/0022250X.1975.9989847.
Castro, Gomez and Tejada (2009), Computers & Operations Research 36, doi:10.1016/j.cor.2008.04.004 (sampled orders).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem

MOST_EXACT: Final = 15  # attributes; beyond, 2^p subsets a draw cost more than they tell
_CHUNK: Final = 1 << 19  # numbers held at once, so that the work stays in the cache
_NOTHING: Final = 1e-12  # a regressor that leaves less of its own variance adds nothing to those before it


@dataclass(frozen=True)
class Shares:
    """Shares of an outcome's variance.

    Attributes
    ----------
    values : array (draw, attribute)
        Shares 0-1 of the outcome's variance; a row adds up to its R2.
    mc_error : array (attribute,)
        Standard error that sampling orders of entry adds to one draw; 0 where all subsets were visited.
    exact : bool
    """

    values: np.ndarray
    mc_error: np.ndarray
    exact: bool


def joint(contribution_cov: np.ndarray, noise_var: np.ndarray) -> np.ndarray:
    """Return the covariance of attributes' contributions and the latent outcome, their sum plus noise.

    Parameters
    ----------
    contribution_cov : array (.., attribute, attribute)
        Covariance of the contributions over respondents.
    noise_var : array (..)
        Variance of the noise: pi^2 / 3 on the logit scale, sigma^2 for a number.

    Returns
    -------
    array (draw, attribute + 1, attribute + 1)
        The outcome last; leading dims are flattened.
    """
    size = contribution_cov.shape[-1]
    inner = np.asarray(contribution_cov, float).reshape(-1, size, size)
    found = np.empty((len(inner), size + 1, size + 1))
    found[:, :size, :size] = inner
    found[:, :size, size] = found[:, size, :size] = inner.sum(axis=2)
    found[:, size, size] = inner.sum(axis=(1, 2)) + np.broadcast_to(np.ravel(noise_var), len(inner))
    return found


def explained(cov: np.ndarray) -> np.ndarray:
    """Return R2 of all attributes together, (draw,)."""
    scaled = _correlation(cov)
    return np.einsum("dj,dj->d", scaled[:, :-1, -1], _solve(scaled[:, :-1, :-1], scaled[:, :-1, -1]))


def lmg(cov: np.ndarray, *, most_exact: int = MOST_EXACT, squares: int = 2, seed: int = 0) -> Shares:
    """Return each attribute's average gain in R2 over all orders of entry.

    Parameters
    ----------
    cov : array (draw, attribute + 1, attribute + 1)
        Covariance with the outcome last, e.g. from `joint`; one matrix may come without the dim of draws.
    most_exact : int
        With more attributes orders are sampled.
    squares : int
        Latin squares of orders a draw, at least 2: each has every attribute once at every place, and its mirror image.
    seed : int
        Of the sampled orders.
    """
    scaled = _correlation(cov)
    size = scaled.shape[1] - 1
    if size <= most_exact:
        step = max(1, _CHUNK >> size)
        parts = [_all_subsets(scaled[i : i + step]) for i in range(0, len(scaled), step)]
        return Shares(np.concatenate(parts), np.zeros(size), exact=True)
    return _sampled_orders(scaled, squares=squares, seed=seed)


def johnson(cov: np.ndarray) -> np.ndarray:
    """Return Johnson's relative weights, (draw, attribute): shares through the nearest uncorrelated variables."""
    scaled = _correlation(cov)
    values, vectors = np.linalg.eigh(scaled[:, :-1, :-1])
    root = np.sqrt(np.clip(values, 0, None))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > np.sqrt(_NOTHING))
    loading = np.einsum("dik,dk,djk->dij", vectors, root, vectors)
    slope = np.einsum("dik,dk,djk,dj->di", vectors, inverse, vectors, scaled[:, :-1, -1])
    return np.einsum("dij,dj->di", loading**2, slope**2)


def rank_chances(shares: np.ndarray) -> np.ndarray:
    """Return P(rank), (attribute, rank): how often an attribute has each rank, the largest share first."""
    draws, size = shares.shape
    order = np.argsort(-shares, axis=1, kind="stable")
    found = np.zeros((size, size))
    np.add.at(found, (order, np.broadcast_to(np.arange(size), order.shape)), 1 / draws)
    return found


def _correlation(cov: np.ndarray) -> np.ndarray:
    """Scale to unit variances; what does not vary becomes a row of zeros, which adds nothing anywhere."""
    cov = np.asarray(cov, float)
    cov = cov[None] if cov.ndim == 2 else cov
    if cov.ndim != 3 or cov.shape[1] != cov.shape[2] or cov.shape[1] < 2 or not np.isfinite(cov).all():
        raise ModelError(
            Problem("no covariance to share out", value=f"shape {cov.shape}",
                    allowed="finite numbers (draw, attribute + 1, attribute + 1)")
        )  # fmt: skip
    scale = np.sqrt(np.clip(np.einsum("dii->di", cov), 0, None))
    floor = np.repeat(scale[:, :-1].max(axis=1, keepdims=True), scale.shape[1], axis=1)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-9 * floor)
    return cov * inverse[:, :, None] * inverse[:, None, :]


def _solve(inner: np.ndarray, right: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(inner)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > _NOTHING)
    return np.einsum("dik,dk,djk,dj->di", vectors, inverse, vectors, right)


def _all_subsets(scaled: np.ndarray) -> np.ndarray:
    """LMG of each matrix: R2 of all subsets by eliminating one attribute after the other in all branches at once."""
    size = scaled.shape[1] - 1
    rest = np.moveaxis(scaled, 0, -1)[None]  # (subset, row, column, draw): what the subset leaves unexplained
    for _ in range(size):
        pivot, column, kept = rest[:, 0, 0], rest[:, 1:, 0], rest[:, 1:, 1:]
        scale = np.divide(1.0, pivot, out=np.zeros_like(pivot), where=pivot > _NOTHING)
        taken = kept - column[:, :, None] * (column * scale[:, None])[:, None]
        rest = np.concatenate([kept, taken])  # bit k of the place in `rest` says whether attribute k is in
    left = rest[:, 0, 0]
    held = (np.arange(1 << size)[:, None] >> np.arange(size)) & 1
    count = held.sum(axis=1, keepdims=True)
    # A subset counts for its members as the larger one, for the others as the smaller one of a pair.
    weight = np.array([factorial(k) * factorial(size - 1 - k) / factorial(size) for k in range(size)] + [0.0])
    return np.asarray((np.where(held, -weight[count - 1], weight[count]).T @ left).T)


def _sampled_orders(scaled: np.ndarray, *, squares: int, seed: int) -> Shares:
    """Gains along random orders of entry, drawn as Latin squares: each attribute takes each place equally often."""
    random = np.random.default_rng(seed)
    draws, size = len(scaled), scaled.shape[1] - 1
    silent = np.einsum("dii->di", scaled) == 0
    ridged = scaled + np.eye(size + 1) * (np.r_[np.full(size, 1e-10), 0] + silent)[:, None]
    found = np.zeros((squares, draws, size))
    for square in found:  # each draw its own orders, so that their error averages out over draws
        order = np.argsort(random.random((draws, size)), axis=1)
        for shift in range(size):
            turned = np.roll(order, shift, axis=1)
            square += (_along(ridged, turned) + _along(ridged, turned[:, ::-1])) / (2 * size)
    error = np.sqrt(found.var(axis=0, ddof=1).mean(axis=0) / squares)
    return Shares(found.mean(axis=0), error, exact=False)


def _along(cov: np.ndarray, order: np.ndarray) -> np.ndarray:
    draws, size = order.shape
    full = np.c_[order, np.full(draws, size)]
    row = np.arange(draws)[:, None]
    factor = np.linalg.cholesky(cov[row[:, :, None], full[:, :, None], full[:, None, :]])
    gain = np.empty((draws, size))
    gain[row, order] = factor[:, -1, :-1] ** 2
    return gain
