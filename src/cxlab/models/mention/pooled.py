"""Draws of effects whose scales are learnt, where the rest of the density is nearly quadratic.

Coefficients of a block are normal with one sd, and that sd is one of a few values, equally likely beforehand (middles of
equal parts of a half-normal law). Given the sds and a quadratic expansion of the likelihood the coefficients are jointly
normal, so sds are weighed and coefficients drawn without a chain; the ratio of the likelihood to its expansion then
weights each draw, which makes the draws exact. Pareto's k-hat judges the weights; where it refuses, NUTS takes over.

References
----------
Rue, Martino and Chopin (2009), Approximate Bayesian inference for latent Gaussian models,
doi:10.1111/j.1467-9868.2008.00700.x.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cxlab import density

if TYPE_CHECKING:
    import xarray as xr

LEAST_ESS: Final = 0.1  # effective share of the proposals below which NUTS is the better way
_ROUNDS: Final = 4  # of the expansion, each about the centre found by the one before
_LEAST_NODE: Final = 1e-5  # weight of a combination of sds that is worth drawing from


class Base(Protocol):
    """All of the log density but the blocks; concave enough near its centre for a quadratic expansion."""

    def value(self, point: np.ndarray) -> tuple[float, np.ndarray]: ...  # noqa: D102
    def hessian(self, point: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def many(self, points: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def start(self) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class Block:
    """Coefficients that share a scale.

    Attributes
    ----------
    columns : array of int
        Their places in a point.
    scales : array, shape (k,)
        Values of the shared sd, equally likely.
    """

    columns: np.ndarray
    scales: np.ndarray


def half_normal(sd: float, parts: int) -> np.ndarray:
    """Return the middles of equally likely parts of a half-normal law, shape (parts,)."""
    from scipy.stats import norm

    return np.asarray(sd * norm.ppf(0.5 + (np.arange(parts) + 0.5) / parts / 2))


def log_prior(blocks: list[Block], point: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the log prior of all blocks with their sds summed out, and its gradient."""
    value, slope = 0.0, np.zeros(len(point))
    for block in blocks:
        own = point[block.columns]
        by_scale = -0.5 * float(own @ own) / block.scales**2 - len(own) * np.log(block.scales)
        top = by_scale.max()
        share = np.exp(by_scale - top)
        value += float(top + np.log(share.mean()) - 0.5 * len(own) * np.log(2 * np.pi))
        slope[block.columns] -= own * float(share @ block.scales**-2) / share.sum()
    return value, slope


def peak(base: Base, blocks: list[Block]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode with every sd at the middle of its values, and the curvature there (minus the Hessian)."""
    start = base.start()
    precision = np.zeros(len(start))
    for block in blocks:
        precision[block.columns] = 1 / block.scales[len(block.scales) // 2] ** 2
    point = _mode(base, start, precision)
    return point, np.diag(precision) - base.hessian(point)


def sample(base: Base, blocks: list[Block], *, draws: int, chains: int, seed: int) -> xr.DataTree:
    """Draw from ``exp(base) x prior of the blocks``; the same input and seed give the same draws.

    Parameters
    ----------
    base : Base
    blocks : list of Block
        Blocks without columns are left out.
    draws, chains : int
        Weighted draws are independent; they are dealt out to as many chains.
    seed : int

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``x`` (chain, draw, parameter), ``sample_stats`` with ``diverging``; attributes ``method``
        (nested or nuts), ``khat``, ``ess`` (effective number of draws) and ``seed``.
    """
    import xarray as xr
    from arviz_stats.base import array_stats

    blocks = [b for b in blocks if len(b.columns)]
    random = np.random.default_rng(seed)
    wanted = draws * chains
    start = base.start()
    found = _expanded(base, start, blocks)
    khat, ess, taken = float("nan"), 0.0, "nuts"
    diverging = np.zeros((chains, draws), bool)
    values: np.ndarray = np.empty(0)
    if found is not None:
        points, about = found.draw(2 * wanted, random)
        raw = base.many(points) - about
        raw = np.where(np.isfinite(raw), raw - np.nanmax(raw), -np.inf)
        smooth, khat = array_stats._psislw(-np.maximum(raw, -700.0), 1.0)
        weight = np.exp(smooth - smooth.max())
        weight /= weight.sum()
        ess = float(1 / (weight**2).sum())
        if khat < density.KHAT and ess > LEAST_ESS * len(points):
            places = (np.arange(wanted) + random.random()) / wanted
            chosen = np.searchsorted(np.cumsum(weight), places).clip(max=len(points) - 1)
            values = points[random.permutation(chosen)].reshape(draws, chains, -1).swapaxes(0, 1)
            taken = "nested"
    attrs = {"method": taken, "khat": float(khat), "ess": min(ess, float(wanted)), "seed": seed}
    if taken == "nuts":
        begin = start if found is None else found.centre
        tree = density.sample(
            lambda v: _whole(base, blocks, v), begin, draws=draws, chains=chains, seed=seed, method="nuts"
        )
        values, diverging = tree["posterior"]["x"].to_numpy(), tree["sample_stats"]["diverging"].to_numpy()
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw", "parameter"), values)}),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), diverging)}),
        }
    )
    out.attrs.update(attrs)
    return out


@dataclass(frozen=True)
class _Expansion:
    """A mixture of normals: the posterior as it would be, were the base its quadratic expansion."""

    centre: np.ndarray
    value: float
    slope: np.ndarray
    curve: np.ndarray
    means: np.ndarray  # (node, d)
    factors: list[np.ndarray]  # lower Cholesky factors of the precisions
    weights: np.ndarray

    def draw(self, m: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points (m, d) and the expansion's log density there."""
        from scipy.linalg import solve_triangular

        node = np.searchsorted(np.cumsum(self.weights), (np.arange(m) + random.random()) / m)
        normal = random.standard_normal((m, len(self.centre)))
        points = np.empty_like(normal)
        for k in np.unique(node.clip(max=len(self.means) - 1)):
            own = node.clip(max=len(self.means) - 1) == k
            points[own] = self.means[k] + solve_triangular(self.factors[k], normal[own].T, lower=True, trans="T").T
        away = points - self.centre
        return points, self.value + away @ self.slope + 0.5 * ((away @ self.curve) * away).sum(axis=1)


def _expanded(base: Base, start: np.ndarray, blocks: list[Block]) -> _Expansion | None:
    """Expand about the posterior mean, found by turns; None where the curvature is not that of a peak."""
    middle = np.zeros(len(start))
    for block in blocks:
        middle[block.columns] = 1 / block.scales[len(block.scales) // 2] ** 2
    centre = _mode(base, start, middle)
    found: _Expansion | None = None
    for _ in range(_ROUNDS):
        found = _mixture(base, centre, blocks)
        if found is None:
            return None
        mean = found.weights @ found.means
        moved = float((mean - centre) @ (-found.curve) @ (mean - centre))
        centre = mean
        if moved < 0.01:
            break
    return found


def _mixture(base: Base, centre: np.ndarray, blocks: list[Block]) -> _Expansion | None:
    from scipy.linalg import cho_solve

    value, slope = base.value(centre)
    curve = base.hessian(centre)
    means, factors, logs = [], [], []
    for scales in product(*(b.scales for b in blocks)):
        precision = np.zeros(len(centre))
        size = 0.0
        for block, scale in zip(blocks, scales, strict=True):
            precision[block.columns] = scale**-2
            size += len(block.columns) * np.log(scale)
        try:
            factor = np.linalg.cholesky(np.diag(precision) - curve)
        except np.linalg.LinAlgError:
            return None
        pull = slope - precision * centre
        step = cho_solve((factor, True), pull)
        factors.append(factor)
        means.append(centre + step)
        logs.append(0.5 * float(pull @ step - precision @ centre**2) - size - float(np.log(np.diag(factor)).sum()))
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    kept = np.flatnonzero(weight > _LEAST_NODE)
    return _Expansion(
        centre, value, slope, curve, np.array(means)[kept], [factors[k] for k in kept],
        weight[kept] / weight[kept].sum(),
    )  # fmt: skip


def _mode(base: Base, start: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Newton's steps, damped, to the mode with the blocks' sds given."""
    point = start.astype(float)

    def whole(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = base.value(at)
        return value - 0.5 * float(precision @ at**2), slope - precision * at

    value, slope = whole(point)
    for _ in range(50):
        curve = np.diag(precision + 1e-8) - base.hessian(point)
        sizes, directions = np.linalg.eigh(curve) if not _peaked(curve) else (None, None)
        if sizes is None:
            step = np.linalg.solve(curve, slope)
        else:
            step = directions @ ((directions.T @ slope) / np.maximum(np.abs(sizes), 1e-4))
        gain = float(slope @ step)
        if gain < 1e-6:
            break
        shrink = 1.0
        while shrink > 1e-4:
            there = whole(point + shrink * step)
            if np.isfinite(there[0]) and there[0] > value:
                point, (value, slope) = point + shrink * step, there
                break
            shrink /= 3
        else:
            break
    return point


def _peaked(curve: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        return False
    return True


def _whole(base: Base, blocks: list[Block], point: np.ndarray) -> tuple[float, np.ndarray]:
    value, slope = base.value(point)
    prior, pull = log_prior(blocks, point)
    return value + prior, slope + pull
