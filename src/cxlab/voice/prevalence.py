r"""Which share of the comments mentions a topic, by touchpoint and period, thin cells leaning on the others.

The generative story of one topic, for the n_gp comments at touchpoint g in period p of which y_gp mention it::

    y_gp     ~ binomial(n_gp, share_gp)
    share_gp ~ beta(kappa mu_gp, kappa (1 - mu_gp))
    logit mu_gp = a + at_g + in_p,     at_g ~ normal(0, sd_at),  in_p ~ normal(0, sd_in)
    a ~ normal(-3, 2);  kappa, sd_at, sd_in: one of a few values each, equally likely (`KAPPA`, `AT`, `IN`)

Given a, at, in and kappa the shares are beta again, so only those few are drawn by weight and the shares follow.
The share of a period is that of its comments as they were: cells by their number of comments.

References
----------
Gelman et al. (2013), Bayesian Data Analysis, ch. 5, doi:10.1201/b16018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.voice import hierarchical

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

AT: Final = hierarchical.half_normal(1.0, 5)  # sds of touchpoints, logits
IN: Final = hierarchical.half_normal(0.5, 6)  # sds of periods, logits
KAPPA: Final = (25.0, 75.0, 150.0, 275.0, 550.0, 1600.0)  # comments that the law of a cell's share is worth
_LEVEL: Final = (-3.0, 2.0)  # mean and sd of a, logits


@dataclass(frozen=True)
class Shares:
    """Draws of the shares of comments that mention a topic.

    Attributes
    ----------
    cell : array, shape (S, place, period)
        NaN where there is no comment.
    total : array, shape (S, period)
    tree : DataTree
        From `pooled.sample`: how they were drawn.
    """

    cell: np.ndarray
    total: np.ndarray
    tree: xr.DataTree


@dataclass(frozen=True)
class Cells:
    """The density of a, at_g and in_p at one kappa, without the priors of at and in (`pooled.Base`).

    Attributes
    ----------
    y, n : arrays, shape (cell,)
        Comments that mention, and all.
    design : array, shape (cell, 1 + place + period)
    kappa : float
    """

    y: np.ndarray
    n: np.ndarray
    design: np.ndarray
    kappa: float

    def start(self) -> np.ndarray:
        """Return the plain share, no differences."""
        p = (self.y.sum() + 0.5) / (self.n.sum() + 1)
        return np.append(np.log(p / (1 - p)), np.zeros(self.design.shape[1] - 1))

    def law(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both parameters of the beta law of each cell at a point (d,) or points (m, d)."""
        mu = _logistic(points @ self.design.T)
        return self.kappa * mu, self.kappa * (1 - mu)

    def value(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return log density and gradient."""
        from scipy.special import digamma

        a, b = self.law(point)
        by_mu = digamma(a + self.y) - digamma(a) - digamma(b + self.n - self.y) + digamma(b)
        slope = self.design.T @ (a * b / self.kappa * by_mu)
        slope[0] -= (point[0] - _LEVEL[0]) / _LEVEL[1] ** 2
        return float(self.many(point[None])[0]), slope

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Return second derivatives."""
        from scipy.special import digamma, polygamma

        a, b = self.law(point)
        rise = a * b / self.kappa
        by_mu = digamma(a + self.y) - digamma(a) - digamma(b + self.n - self.y) + digamma(b)
        bent = polygamma(1, np.stack([a + self.y, a, b + self.n - self.y, b]))
        curve = rise * (b - a) / self.kappa * by_mu + rise**2 * (bent[0] - bent[1] + bent[2] - bent[3])
        matrix = (self.design.T * curve) @ self.design
        matrix[0, 0] -= _LEVEL[1] ** -2
        return np.asarray(matrix)

    def many(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points (m, d)."""
        from scipy.special import gammaln

        a, b = self.law(points)
        said, silent = self.y > 0, self.n > self.y  # of the others the two terms are the same
        value = (gammaln(a[:, said] + self.y[said]) - gammaln(a[:, said])).sum(axis=1)
        value += (gammaln(b[:, silent] + (self.n - self.y)[silent]) - gammaln(b[:, silent])).sum(axis=1)
        value += float((gammaln(self.kappa) - gammaln(self.kappa + self.n)).sum())
        return np.asarray(value - 0.5 * ((points[:, 0] - _LEVEL[0]) / _LEVEL[1]) ** 2)


def cells(mentions: np.ndarray, comments: np.ndarray) -> tuple[list[Cells], list[hierarchical.Block], np.ndarray]:
    """Return the density of one topic's counts at each kappa, its blocks, and which cells have comments.

    Parameters
    ----------
    mentions, comments : arrays of int, shape (place, period)

    Raises
    ------
    ModelError
        No comments, or more mentions than comments.
    """
    mentions, comments = np.asarray(mentions), np.asarray(comments)
    if not comments.sum():
        raise ModelError(Problem("no comments", todo="give counts of at least one comment"))
    if (mentions > comments).any() or (mentions < 0).any():
        raise ModelError(Problem("more mentions than comments in a cell", value=str(int((mentions - comments).max()))))
    heard = comments > 0
    place, period = np.nonzero(heard)
    places, periods = np.flatnonzero(heard.any(axis=1)), np.flatnonzero(heard.any(axis=0))
    parts = [np.ones((len(place), 1))]
    blocks = []
    for own, names, scales in ((place, places, AT), (period, periods, IN)):
        if len(names) < 2:
            continue
        first = sum(p.shape[1] for p in parts)
        parts.append((own[:, None] == names).astype(float))
        blocks.append(hierarchical.Block(np.arange(first, first + len(names)), scales))
    y, n, design = mentions[heard].astype(float), comments[heard].astype(float), np.hstack(parts)
    return [Cells(y, n, design, kappa) for kappa in KAPPA], blocks, heard


def fit(mentions: np.ndarray, comments: np.ndarray, *, draws: int, chains: int, seed: int) -> Shares:
    """Draw the shares of one topic; see `cells` for the counts.

    Returns
    -------
    Shares
        Draws of all chains, one after another.
    """
    bases, blocks, heard = cells(mentions, comments)
    tree = hierarchical.sample(bases, blocks, draws=draws, chains=chains, seed=seed, nuts=False)
    points = tree["posterior"]["x"].to_numpy().reshape(draws * chains, -1)
    one = bases[0]
    mu = _logistic(points @ one.design.T)
    kappa = np.array(KAPPA)[tree["posterior"]["base"].to_numpy().reshape(-1, 1)]
    share = np.random.default_rng(seed + 1).beta(kappa * mu + one.y, kappa * (1 - mu) + one.n - one.y)
    cell = np.full((len(share), *heard.shape), np.nan)
    cell[:, heard] = share
    size = np.asarray(comments, float)
    total = np.nansum(cell * size, axis=1) / np.where(size.sum(axis=0) > 0, size.sum(axis=0), np.nan)
    return Shares(cell, total, tree)


def build_model(mentions: np.ndarray, comments: np.ndarray) -> pm.Model:
    """Return the same posterior in PyMC, the shares of cells summed out."""
    import pymc as pm
    import pytensor.tensor as pt

    bases, blocks, _ = cells(mentions, comments)
    one = bases[0]
    with pm.Model() as model:
        parts = [pm.Normal("level", *_LEVEL, shape=1)]
        for k, block in enumerate(blocks):
            own = pm.Flat(f"block_{k}", shape=len(block.columns))
            by_scale = [pm.logp(pm.Normal.dist(0.0, s), own).sum() for s in block.scales]
            pm.Potential(f"scale_{k}", pt.logsumexp(pt.stack(by_scale)) - np.log(len(by_scale)))
            parts.append(own)
        mu = pm.math.sigmoid(pt.dot(one.design, pt.concatenate(parts)))
        said, n = one.y.astype(int), one.n.astype(int)
        by_kappa = [pm.logp(pm.BetaBinomial.dist(k * mu, k * (1 - mu), n=n), said).sum() for k in KAPPA]
        pm.Potential("said", pt.logsumexp(pt.stack(by_kappa)) - np.log(len(KAPPA)))
    return model


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -35, 35))))
