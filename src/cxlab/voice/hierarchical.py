"""Draws of effects whose scales are learnt, where the rest of the density is nearly quadratic.

Coefficients of a block are normal with one sd, and that sd is one of a few values, equally likely beforehand (middles
of equal parts of a half-normal law). Given the sds and a quadratic expansion of the likelihood the coefficients are
jointly normal, so sds are weighed and coefficients drawn without a chain; the ratio of the likelihood to its expansion
then weights each draw, which makes the draws exact. Pareto's k-hat judges the weights; where it refuses, NUTS takes
over.

References
----------
Rue, Martino and Chopin (2009), Approximate Bayesian inference for latent Gaussian models,
doi:10.1111/j.1467-9868.2008.00700.x.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cxlab.inference import importance_sampling

if TYPE_CHECKING:
    import xarray as xr

LEAST_ESS: Final = 0.4  # effective draws, as a share of those wanted, below which more proposals are made, then NUTS
_ROUNDS: Final = 4  # of the expansion, each about the centre found by the one before
_NEAR: Final = 0.01  # squared distance, in sds, from which on the centre has been found
_TAILED: Final = 25  # parameters up to which proposals have the tails of a Student t; with more these would cost draws
_DEGREES: Final = 8.0  # of freedom of that t
_FAR, _WIDE = 0.25, 1.5  # share of these proposals that are drawn wider still, and by how much
_TRIES: Final = (2, 8)  # proposals a draw wanted, the second where the first do not suffice
_LIGHT: Final = 12.0  # log of how much less a combination of sds may weigh and still be drawn from


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


def sample(
    bases: Sequence[Base], blocks: list[Block], *, draws: int, chains: int, seed: int, nuts: bool = True
) -> xr.DataTree:
    """Draw from ``exp(base) x prior of the blocks``; the same input and seed give the same draws.

    Parameters
    ----------
    bases : sequence of Base
        Of the same parameters; with several, one of them is true, each as likely beforehand.
    blocks : list of Block
        Blocks without columns are left out.
    draws, chains : int
        Weighted draws are independent; they are dealt out to as many chains.
    seed : int
    nuts : bool
        Whether NUTS takes over where the weights cannot be trusted; else they are taken, and k-hat says so.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``x`` (chain, draw, parameter) and ``base`` (chain, draw), which of them was drawn;
        ``sample_stats`` with ``diverging``; attributes ``method`` (nested or nuts), ``khat``, ``ess`` (effective number
        of draws) and ``seed``.
    """
    blocks = [b for b in blocks if len(b.columns)]
    random = np.random.default_rng(seed)
    wanted = draws * chains
    found = _expanded(bases, blocks)
    khat, ess = float("nan"), 0.0
    if found:
        for times in _TRIES:
            points, which, khat, ess, trusted = _weighted(bases, found, times * wanted, wanted, random)
            if trusted:
                break
        if trusted or not nuts:
            attrs: dict[str, float | str] = {
                "method": "nested",
                "khat": khat,
                "ess": min(ess, float(wanted)),
                "seed": seed,
            }
            shape = (draws, chains)
            return _tree(points.reshape(*shape, -1).swapaxes(0, 1), which.reshape(shape).T, attrs)
    begin = found[0].centre if found else bases[0].start()
    tree = importance_sampling.sample(
        lambda v: _whole(bases, blocks, v), begin, draws=draws, chains=chains, seed=seed, method="nuts"
    )
    values = tree["posterior"]["x"].to_numpy()
    chance = np.array([b.many(values.reshape(wanted, -1)) for b in bases])
    gumbel = random.gumbel(size=chance.shape)  # the largest of logs so perturbed is a draw by their shares
    which = (chance + gumbel).argmax(axis=0).reshape(chains, draws)
    attrs = {"method": "nuts", "khat": khat, "ess": ess, "seed": seed}
    return _tree(values, which, attrs, tree["sample_stats"]["diverging"].to_numpy())


def _tree(
    values: np.ndarray, which: np.ndarray, attrs: dict[str, float | str], diverging: np.ndarray | None = None
) -> xr.DataTree:
    import xarray as xr

    dims = ("chain", "draw")
    lost = np.zeros(which.shape, bool) if diverging is None else diverging
    posterior = xr.Dataset({"x": ((*dims, "parameter"), values), "base": (dims, which)})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset({"diverging": (dims, lost)})})
    tree.attrs.update(attrs)
    return tree


def _weighted(
    bases: Sequence[Base], found: list[_Expansion], m: int, wanted: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float, float, bool]:
    """Points chosen by weight among m proposals, their bases, k-hat, effective number, whether they can be trusted."""
    from arviz_stats.base import array_stats

    points, which, about = _proposed(found, m, random)
    raw = np.full(len(points), -np.inf)
    for k in np.unique(which):
        raw[which == k] = bases[k].many(points[which == k])
    raw = np.where(np.isfinite(raw), raw - about, -np.inf)
    raw -= raw.max()
    # `_psislw` negates its argument (it was written for leave-one-out), so the log weights go in negated.
    smooth, khat = array_stats._psislw(-np.maximum(raw, -700.0), 1.0)
    weight = np.exp(smooth - smooth.max())
    weight /= weight.sum()
    ess = float(1 / (weight**2).sum())
    trusted = bool(khat < importance_sampling.KHAT and ess > LEAST_ESS * wanted)
    places = (np.arange(wanted) + random.random()) / wanted
    chosen = random.permutation(np.searchsorted(np.cumsum(weight), places).clip(max=m - 1))
    return points[chosen], which[chosen], float(khat), ess, trusted


@dataclass(frozen=True)
class _Expansion:
    """A mixture of normals: the posterior as it would be, were the base its quadratic expansion."""

    base: int
    centre: np.ndarray
    value: float
    slope: np.ndarray
    curve: np.ndarray
    means: np.ndarray  # (node, d)
    factors: list[np.ndarray]  # lower Cholesky factors of the precisions
    logs: np.ndarray  # (node,) log of what a node weighs

    def mean(self) -> np.ndarray:
        """Of the mixture."""
        weight = np.exp(self.logs - self.logs.max())
        return np.asarray(weight @ self.means / weight.sum())

    def draw(self, node: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points (m, d), one from each node given, and the log density they were drawn from."""
        from scipy.linalg import solve_triangular

        points = random.standard_normal((len(node), len(self.centre)))
        tail = np.zeros(len(node))
        if points.shape[1] <= _TAILED:
            d = points.shape[1]
            points *= np.where(random.random((len(node), 1)) < _FAR, _WIDE, 1.0)
            points /= np.sqrt(random.chisquare(_DEGREES, (len(node), 1)) / _DEGREES)
            square = (points**2).sum(axis=1)
            near = np.log1p(-_FAR) - 0.5 * (_DEGREES + d) * np.log1p(square / _DEGREES)
            far = np.log(_FAR / _WIDE**d) - 0.5 * (_DEGREES + d) * np.log1p(square / _WIDE**2 / _DEGREES)
            tail = 0.5 * square + np.logaddexp(near, far)
        for k in np.unique(node):
            own = node == k
            points[own] = self.means[k] + solve_triangular(self.factors[k], points[own].T, lower=True, trans="T").T
        away = points - self.centre
        return points, tail + self.value + away @ self.slope + 0.5 * ((away @ self.curve) * away).sum(axis=1)


def _proposed(
    found: list[_Expansion], m: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of all expansions by their weights, which base each is of, and the expansions' log densities."""
    logs = np.concatenate([f.logs for f in found])
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    kind = np.repeat(np.arange(len(found)), [len(f.logs) for f in found])
    first = np.searchsorted(kind, np.arange(len(found)))
    node = np.searchsorted(np.cumsum(weight), (np.arange(m) + random.random()) / m).clip(max=len(weight) - 1)
    drawn = [found[k].draw(node[kind[node] == k] - first[k], random) for k in np.unique(kind[node])]
    points, about = (np.concatenate(part) for part in zip(*drawn, strict=True))
    return points, np.array([f.base for f in found])[kind[node]], about


def _expanded(bases: Sequence[Base], blocks: list[Block]) -> list[_Expansion]:
    """Expand each base about its posterior mean, found by turns; none where a curvature is not that of a peak."""
    centre = bases[0].start()
    middle = np.zeros(len(centre))
    for block in blocks:
        middle[block.columns] = 1 / block.scales[len(block.scales) // 2] ** 2
    found: list[_Expansion] = []
    for which, base in enumerate(bases):
        one: _Expansion | None = None
        centre = _mode(base, centre, middle)
        for _ in range(_ROUNDS):
            one = _mixture(which, base, centre, blocks)
            if one is None:
                return []
            away = one.mean() - centre
            centre = centre + away
            if float(away @ (-one.curve) @ away) < _NEAR:
                break
        if one is not None:
            found.append(one)
    return found


def _mixture(which: int, base: Base, centre: np.ndarray, blocks: list[Block]) -> _Expansion | None:
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
        step = cho_solve((factor, True), pull, check_finite=False)
        factors.append(factor)
        means.append(centre + step)
        logs.append(0.5 * float(pull @ step - precision @ centre**2) - size - float(np.log(np.diag(factor)).sum()))
    log = value + np.array(logs)
    kept = np.flatnonzero(log > log.max() - _LIGHT)
    return _Expansion(which, centre, value, slope, curve, np.array(means)[kept], [factors[k] for k in kept], log[kept])


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
        if sizes is None or directions is None:
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


def _whole(bases: Sequence[Base], blocks: list[Block], point: np.ndarray) -> tuple[float, np.ndarray]:
    each = [base.value(point) for base in bases]
    values = np.array([value for value, _ in each])
    share = np.exp(values - values.max())
    prior, pull = log_prior(blocks, point)
    slope = share @ np.array([slope for _, slope in each]) / share.sum()
    return float(values.max() + np.log(share.mean())) + prior, slope + pull
