"""Draws of the driver model: the mode, draws of a surrogate whose likelihood is quadratic, and weights that mend it.

The likelihood is expanded to second order in the effects of codes and the cuts (not in the parameters, in which it
bends sharply), the prior stays exact. This surrogate costs the same for 200 respondents and 200,000. Its draws are
weighted by exact over surrogate likelihood; the weights are accepted on k-hat, else the walkers go on with the force of
the surrogate and are accepted by the exact density, which is exact whatever the force.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.drivers import likelihood, monotonic
from cxlab.drivers.hmc import LogDensities, walk
from cxlab.drivers.likelihood import Quadratic, Rows
from cxlab.drivers.monotonic import Layout
from cxlab.inference.importance_sampling import KHAT

if TYPE_CHECKING:
    from cxlab.drivers.priors import Priors

WALKERS: Final = 64
TUNE: Final = 240
ACCEPT: Final = 0.85  # share of the trajectories that the step is adapted to
THIN: Final = 3  # trajectories between draws that are kept
LEAST_SHARE: Final = 0.35  # effective candidates for each draw below which the surrogate is mended


@dataclass(frozen=True)
class Mode:
    """The mode of the posterior and what surrounds it."""

    theta: np.ndarray
    log_posterior: float
    surrogate: Quadratic
    factor: np.ndarray
    each: np.ndarray
    scores: np.ndarray


def climb(layout: Layout, rows: Rows, priors: Priors, *, start: np.ndarray | None = None, scores: bool = False) -> Mode:
    """Find the mode: maximise surrogate and prior, expand anew, until nothing moves."""
    from scipy.optimize import minimize

    theta = starting_point(layout, rows) if start is None else start
    surrogate, each, slopes, best = _expanded(layout, rows, priors, theta, scores)
    for _ in range(25):
        density = surrogate_density(layout, priors, surrogate)

        def down(x: np.ndarray, density: LogDensities = density) -> tuple[float, np.ndarray]:
            up, slope = density(x[None])
            return (-float(up[0]), -slope[0]) if np.isfinite(up[0]) else (1e300, np.zeros_like(x))

        options = {"maxiter": 80, "maxcor": 20, "ftol": 1e-8}  # the next expansion goes on from there
        step = minimize(down, theta, jac=True, method="L-BFGS-B", options=options).x - theta
        for shrink in (1.0, 0.5, 0.2, 0.05, 0.01):
            expanded = _expanded(layout, rows, priors, theta + shrink * step, scores)
            if expanded[3] > best - 1e-9:
                break
        else:
            break
        theta, gain = theta + shrink * step, expanded[3] - best
        surrogate, each, slopes, best = expanded
        if gain < 1e-3:
            break
    curve = _curvature(surrogate_density(layout, priors, surrogate), theta)
    return Mode(theta, best, surrogate, _factor(curve), each, slopes)


def _expanded(
    layout: Layout, rows: Rows, priors: Priors, theta: np.ndarray, scores: bool
) -> tuple[Quadratic, np.ndarray, np.ndarray, float]:
    psi, _ = monotonic.forward(layout, priors, theta[None])
    surrogate, each, slopes = likelihood.expand(rows, psi[0], scores=scores)
    prior, _ = monotonic.log_prior(layout, priors, theta[None])
    return surrogate, each, slopes, float(rows.weight @ each + prior[0])


def surrogate_density(layout: Layout, priors: Priors, surrogate: Quadratic) -> LogDensities:
    """Density of prior times the expanded likelihood, for `walk`."""

    def density(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            psi, kept = monotonic.forward(layout, priors, theta)
            value, slope = surrogate(psi)
            more, by_prior = monotonic.log_prior(layout, priors, theta)
            whole = value + more
            by_theta = monotonic.backward(layout, priors, theta, psi, kept, slope) + by_prior
        return np.where(np.isfinite(whole), whole, -np.inf), by_theta

    return density


def starting_point(layout: Layout, rows: Rows) -> np.ndarray:
    """Parameters of a middling world with the outcome's own shares of codes."""
    theta, place = np.zeros(layout.size), layout.places
    theta[0] = -1.0
    if layout.shape == "free":
        for kind in layout.alike:
            theta[place["steps"]][kind.steps] = 1 / np.sqrt(kind.column.shape[1] - 1)
    theta[place["group_scale"]] = -2.0
    theta[place["tail"]] = tail_of(rows)
    return theta


def tail_of(rows: Rows) -> np.ndarray:
    """The tail if nothing had an effect: cuts of the outcome's own shares of codes, or mean 0 and log sd 0."""
    if not rows.codes:
        return np.zeros(2)
    share = np.bincount(rows.y[rows.first], weights=rows.weight, minlength=rows.codes) + 0.5
    below = np.cumsum(share / share.sum())[:-1]
    cut = np.log(below / (1 - below))
    return np.concatenate([cut[:1], np.log(np.diff(cut))])


def _curvature(density: LogDensities, theta: np.ndarray) -> np.ndarray:
    step = 1e-4 * np.eye(len(theta))
    matrix = (density(theta + step)[1] - density(theta - step)[1]) / 2e-4
    return (matrix + matrix.T) / 2


def _factor(hessian: np.ndarray) -> np.ndarray:
    """Square root of the inverse of the negative Hessian; flat directions get the sd 1."""
    sizes, directions = np.linalg.eigh(-hessian)
    return directions / np.sqrt(np.where(sizes <= 0.05, 1.0, sizes))


@dataclass(frozen=True)
class Drawn:
    """Draws of the parameters.

    Attributes
    ----------
    theta : array, shape (chains, draws, size)
    diverging : array of bool, shape (chains, draws)
    method : str
        ``importance`` (surrogate, weighted) or ``walkers`` (exact density).
    khat, share : float
        Shape of the tail of the weights; effective share of the draws.
    """

    theta: np.ndarray
    diverging: np.ndarray
    method: str
    khat: float
    share: float


def draw(layout: Layout, rows: Rows, priors: Priors, mode: Mode, *, draws: int, chains: int, seed: int,
         accept: float = ACCEPT, tune: int = TUNE) -> Drawn:  # fmt: skip
    """Draw from the posterior; see the module."""
    each = -(-draws * chains // WALKERS)
    surrogate, centre, factor = mode.surrogate, mode.theta, mode.factor
    for more in (1, 2, 2):  # candidates for each draw
        density = surrogate_density(layout, priors, surrogate)
        values, wild = walk(
            density,
            centre,
            factor,
            walkers=WALKERS,
            draws=each * more,
            tune=tune,
            thin=THIN,
            seed=seed + more,
            accept=accept,
        )
        theta, diverging = _deal(values, wild, draws=draws * more, chains=chains)
        flat = theta.reshape(-1, layout.size)
        psi, _ = monotonic.forward(layout, priors, flat)
        weight, khat, share = _smoothed(likelihood.total(rows, psi) - surrogate(psi)[0])
        if khat < KHAT and share * more > LEAST_SHARE:
            theta = _resampled(theta, weight, draws=draws, seed=seed)
            return Drawn(theta, diverging[:, ::more], "importance", khat, share)
        # Expand anew where the posterior is: a state all of whose people say the same is flat at the mode.
        surrogate, _, _ = likelihood.expand(rows, weight @ psi)
        centre, factor = flat.mean(axis=0), np.linalg.cholesky(np.cov(flat.T) + 1e-9 * np.eye(layout.size))

    def exact(points: np.ndarray) -> np.ndarray:
        psi, _ = monotonic.forward(layout, priors, points)
        return likelihood.total(rows, psi) + monotonic.log_prior(layout, priors, points)[0]

    density = surrogate_density(layout, priors, surrogate)
    values, wild = walk(
        density, centre, factor, walkers=WALKERS, draws=each, tune=tune, thin=THIN, seed=seed + 3, exact=exact,
        start=values[:, -1], accept=accept,
    )  # fmt: skip
    theta, diverging = _deal(values, wild, draws=draws, chains=chains)
    return Drawn(theta, diverging, "walkers", float("nan"), 1.0)


def _deal(values: np.ndarray, diverging: np.ndarray, *, draws: int, chains: int) -> tuple[np.ndarray, np.ndarray]:
    """Walkers one after the other, as many in each chain."""
    theta = values.reshape(-1, values.shape[-1])[: draws * chains].reshape(chains, draws, -1)
    return theta, diverging.reshape(-1)[: draws * chains].reshape(chains, draws)


def _smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Pareto-smoothed weights, their k-hat, their effective share."""
    from arviz_stats.base import array_stats

    raw = np.where(np.isfinite(log_weight), log_weight, -np.inf)
    raw -= raw.max()
    if float(np.ptp(np.maximum(raw, -700.0))) < 1e-9:
        return np.full(len(raw), 1 / len(raw)), -np.inf, 1.0
    # `_psislw` negates its argument (it was written for leave-one-out), so the log weights go in negated.
    smooth, khat = array_stats._psislw(-np.maximum(raw, -700.0), 1.0)
    weight = np.exp(smooth - smooth.max())
    weight /= weight.sum()
    return weight, float(khat), 1 / float((weight**2).sum()) / len(weight)


def _resampled(theta: np.ndarray, weight: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Each chain by its own weights, in its own order: a chain that is elsewhere stays elsewhere."""
    random = np.random.default_rng(seed)
    chains, candidates, size = theta.shape
    out = np.empty((chains, draws, size))
    for c, own in enumerate(weight.reshape(chains, candidates)):
        places = (np.arange(draws) + random.random()) / draws
        chosen = np.searchsorted(np.cumsum(own / own.sum()), places).clip(max=candidates - 1)
        out[c] = theta[c][chosen]
    return out
