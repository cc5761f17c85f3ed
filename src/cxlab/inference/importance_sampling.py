"""Draws from a posterior given as a plain function: mode, curvature, importance sampling, and NUTS where that fails.

For models whose likelihood is cheap in numpy and whose compilation would cost more than their sampling. The draws are
exact in the limit either way: those of a Student t around the mode are weighted by the density itself and accepted only
when the shape of their weights (Pareto k-hat) says that the weights can be trusted; otherwise NUTS runs in coordinates
in which the mode's curvature is that of a standard normal, so that few steps suffice.

A density is a function of one point (d,) that returns the value and its gradient. `with_gradient` makes one of values
alone, so that a density is written once::

    def values(points):  # (m, d) -> (m,), in autograd.numpy
        return -0.5 * ((points - centre) ** 2).sum(axis=1)

    tree = sample(with_gradient(values), start, draws=500, chains=4, seed=1)

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
Tierney and Kadane (1986), Accurate approximations for posterior moments, doi:10.1080/01621459.1986.10478240.
Hoffman and Gelman (2014), The No-U-Turn sampler, doi:10.48550/arXiv.1111.4246.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import xarray as xr

KHAT: Final = 0.7  # above it importance weights are not to be trusted, whatever their number
DEGREES: Final = 10.0  # of freedom of the proposal: heavier tails than the normal bound the weights
ROUNDS: Final = 4  # of proposals, each from the moments that the one before found
TEMPERS: Final = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)  # powers of weights: flat enough to tell moments
LEAST_ESS: Final = 0.2  # effective share of the proposals below which NUTS is the cheaper way
STEP: Final = 1e-4  # of differences
Method = Literal["auto", "importance", "nuts"]
LogDensity = Callable[[np.ndarray], tuple[float, np.ndarray]]
Values = Callable[[np.ndarray], np.ndarray]
Proposal = tuple[np.ndarray, np.ndarray]  # centre, and a factor whose square is the covariance


def with_gradient(values: Values, *, by_differences: bool = False) -> Density:
    """Make a density of its values alone: gradients by automatic differentiation, or by differences.

    Parameters
    ----------
    values : callable
        Points (m, d) -> log densities (m,), each of its own point only. Written in `autograd.numpy` (which is numpy but
        for what it records; no assignment into arrays), unless `by_differences`.
    by_differences : bool
        Central differences of the values, all in one call: 2 d values a gradient, 2 d of these a Hessian. One call of
        autograd costs some milliseconds whatever the data, so differences win where values are cheap and d is small.
    """
    return Density(values, by_differences)


@dataclass(frozen=True)
class Density:
    """A log density known by its values at many points; see `with_gradient`."""

    many: Values
    by_differences: bool = False

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its gradient at one point (d,)."""
        value, slopes = self.gradients(np.asarray(point, float)[None])
        return float(value[0]), slopes[0]

    def gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log densities (m,) and gradients (m, d) of points (m, d)."""
        m, d = points.shape
        if self.by_differences:
            around = points[:, None, :] + STEP * np.concatenate([np.eye(d), -np.eye(d)])
            ahead, behind = np.moveaxis(self.many(around.reshape(-1, d)).reshape(m, 2, d), 1, 0)
            return self.many(points), (ahead - behind) / (2 * STEP)
        import autograd.numpy  # noqa: F401 - registers numpy's types
        from autograd.core import make_vjp

        pull, value = make_vjp(self.many, points)
        return value, pull(np.ones(m))

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Return the second derivatives (d, d) at a point: differences of the gradient, all in one call."""
        d = len(point)
        _, slopes = self.gradients(point + STEP * np.concatenate([np.eye(d), -np.eye(d)]))
        matrix = (slopes[:d] - slopes[d:]) / (2 * STEP)
        return (matrix + matrix.T) / 2


def find_map(
    log_density: LogDensity,
    start: np.ndarray,
    *,
    hessian: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Proposal:
    """Find the mode and the curvature there.

    Parameters
    ----------
    log_density : callable
        Point (d,) -> log density and its gradient (d,); unconstrained, Jacobians of transforms included.
    start : array, shape (d,)
    hessian : callable, optional
        Point -> matrix of second derivatives (d, d); by default that of `log_density` if it has one
        (`Density`), else differences of the gradient.

    Returns
    -------
    point : array, shape (d,)
    factor : array, shape (d, d)
        ``factor @ factor.T`` is the inverse of the negative Hessian; directions that are flat or curve the wrong way
        are given the sd 1.

    Raises
    ------
    ModelError
        If the density is not finite at `start`.
    """
    begin = np.asarray(start, float)
    if not np.isfinite(log_density(begin)[0]):
        raise ModelError(Problem("the density is not finite where the search starts", value=str(begin[:5])))
    point, _, _ = climb(log_density, begin)
    curve = hessian or getattr(log_density, "hessian", None) or (lambda x: _differences(log_density, x))
    for _ in range(20):  # Newton's steps end where L-BFGS gives up
        value, slope = log_density(point)
        factor = _factor(curve(point))
        step = factor @ (factor.T @ slope)
        if float(slope @ step) < 1e-14:
            break
        for shrink in (1.0, 0.5, 0.1, 0.01):
            if log_density(point + shrink * step)[0] > value:
                point = point + shrink * step
                break
        else:
            break
    return point, _factor(curve(point))


def climb(log_density: LogDensity, start: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return where L-BFGS ends, the log density there and its largest slope."""
    from scipy.optimize import minimize

    def down(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = log_density(x)
        return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

    found = minimize(down, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "maxcor": 30, "ftol": 1e-13})
    return np.asarray(found.x, float), -float(found.fun), float(np.abs(found.jac).max())


def sample(
    log_density: LogDensity,
    start: np.ndarray,
    *,
    draws: int,
    chains: int,
    seed: int,
    tune: int = 400,
    many: Values | None = None,
    hessian: Callable[[np.ndarray], np.ndarray] | None = None,
    method: Method = "auto",
    adaptation: Literal["diag", "low_rank"] = "diag",
    target_accept: float = 0.85,
    least_ess: float = LEAST_ESS,
    proposals: int = 0,
    light_tails: bool = False,
) -> xr.DataTree:
    """Draw from the density; the same density and seed give the same draws.

    Parameters
    ----------
    log_density, start, hessian
        As for `find_map`.
    draws, chains : int
        Draws a chain, and chains. Weighted draws are independent; they are dealt out to as many chains.
    seed : int
        Non-negative.
    tune : int
        Draws of NUTS thrown away while adapting.
    many : callable, optional
        Points (m, d) -> log densities (m,), where that is faster than one by one.
    method : str
        ``auto``: importance sampling when accepted on k-hat, else NUTS.
    adaptation : str
        How NUTS learns the posterior's shape; ``low_rank`` for curved ridges that the mode's curvature does not show.
    target_accept : float
        Acceptance rate NUTS begins with; after divergences it starts again with a higher one.
    least_ess : float
        Effective share of the proposals that is enough; lower where NUTS costs more than what is wasted.
    proposals : int
        Points weighted a round; by default four a draw, 4,000 at least.
    light_tails : bool
        Whether the tails are known to be no heavier than a normal's, as under normal priors on all coordinates: then
        weights that cannot be trusted yet tell where a better proposal lies.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``x`` (chain, draw, parameter), ``sample_stats`` with ``diverging`` (chain, draw); attributes
        ``method`` (importance or nuts), ``khat``, ``ess_share`` (of the proposals) and ``seed``; of weighted draws
        ``ess``, their effective number.

    Raises
    ------
    ModelError
        With ``method="importance"``, when the weights cannot be trusted.
    """
    import xarray as xr

    wanted = draws * chains
    at_mode = find_map(log_density, start, hessian=hessian)
    better: Proposal | None = at_mode
    many = many or getattr(log_density, "many", None) or (lambda points: np.array([log_density(x)[0] for x in points]))
    khat, share, accepted = float("nan"), float("nan"), False
    size = proposals or max(4 * wanted, 4000)
    for _ in range(0 if method == "nuts" else ROUNDS):
        if better is None or accepted or (khat >= KHAT and not light_tails):
            break
        values, khat, share, better = _weighted(many, better, size=size, wanted=wanted, seed=seed)
        accepted = khat < KHAT and share > least_ess
    if not accepted and method == "importance":
        problem = Problem("importance weights cannot be trusted", value=f"k-hat {khat:.2f}", allowed=f"below {KHAT}")
        raise ModelError(replace(problem, todo='sample with method="nuts"'))
    if accepted:
        x, diverging = values.reshape(draws, chains, -1).swapaxes(0, 1), np.zeros((chains, draws), bool)
    else:
        settings = {"draws": draws, "tune": tune, "chains": chains, "seed": seed, "adaptation": adaptation}
        x, diverging = _nuts(log_density, at_mode, target_accept=target_accept, **settings)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw", "parameter"), x)}),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), diverging)}),
        }
    )
    tree.attrs.update(method="importance" if accepted else "nuts", khat=khat, ess_share=share, seed=seed)
    if accepted:
        tree.attrs["ess"] = min(share * size, float(wanted))
    return tree


def smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Return Pareto-smoothed weights of log weights (m,; -inf where the density is 0), summing to 1, and k-hat."""
    from arviz_stats.base import array_stats

    known = np.where(np.isfinite(log_weight), log_weight, -np.inf)
    # `_psislw` negates its argument (it was written for leave-one-out), so the log weights go in negated.
    smooth, khat = array_stats._psislw(-np.maximum(known - known.max(), -700.0), 1.0)
    weight = np.exp(smooth - smooth.max())
    return weight / weight.sum(), float(khat)


def resampled(
    log_weight: np.ndarray, *, wanted: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Smooth importance weights and choose draws by them.

    Parameters
    ----------
    log_weight : array (m,)
        Logs of density over proposal, up to a constant; -inf where the density is 0.
    wanted : int
        Draws to choose.

    Returns
    -------
    weight : array (m,)
        Summing to 1.
    chosen : array of int (wanted,)
        Places of the draws, in random order.
    khat : float
        Pareto's shape of the weights: below `KHAT` they can be trusted.
    """
    weight, khat = smoothed(log_weight)
    # Systematic resampling, then shuffled: the least extra noise, and chains that are alike.
    places = (np.arange(wanted) + random.random()) / wanted
    chosen = np.searchsorted(np.cumsum(weight), places).clip(max=len(weight) - 1)
    return weight, random.permutation(chosen), khat


class _OutsideError(ValueError):
    """A point outside the support: nutpie counts a divergence and goes on."""

    is_recoverable = True  # what nutpie asks of an exception


def _differences(log_density: LogDensity, x: np.ndarray) -> np.ndarray:
    steps = STEP * np.eye(len(x))
    matrix = np.array([log_density(x + step)[1] - log_density(x - step)[1] for step in steps]) / (2 * STEP)
    return (matrix + matrix.T) / 2


def _factor(hessian: np.ndarray) -> np.ndarray:
    """Square root of the inverse of the negative Hessian."""
    sizes, directions = np.linalg.eigh(-hessian)
    flat = sizes <= 1e-8 * max(float(sizes[-1]), 1e-300)
    return directions / np.sqrt(np.where(flat, 1.0, sizes))


def _weighted(
    many: Values, proposal: Proposal, *, size: int, wanted: int, seed: int
) -> tuple[np.ndarray, float, float, Proposal | None]:
    """Draws of a Student t chosen by weight; k-hat, effective share of the proposals, and a better proposal."""
    random = np.random.default_rng(seed)
    point, factor = proposal
    d = len(point)
    normal = random.standard_normal((size, d))
    stretch = random.chisquare(DEGREES, size) / DEGREES
    points = point + (normal / np.sqrt(stretch)[:, None]) @ factor.T
    density = -0.5 * (DEGREES + d) * np.log1p((normal**2).sum(axis=1) / stretch / DEGREES)
    raw = many(points) - density
    weight, chosen, khat = resampled(raw, wanted=wanted, random=random)
    return points[chosen], khat, 1 / float((weight**2).sum()) / size, _better(points, weight)


def _better(points: np.ndarray, weight: np.ndarray) -> Proposal | None:
    """Weighted mean, and a factor whose square is the weighted covariance less what a Student t is wider by.

    Weights of too few points are flattened first: their moments lie between the proposal's and the density's.
    """
    d = points.shape[1]
    for power in TEMPERS:
        flat = weight**power
        flat /= flat.sum()
        if 1 / (flat**2).sum() > 10 * d:
            break
    else:
        return None
    centre = flat @ points
    away = points - centre
    spread = (away * flat[:, None]).T @ away * (DEGREES - 2) / DEGREES
    sizes, directions = np.linalg.eigh(spread)
    return None if sizes[0] <= 1e-12 * sizes[-1] else (centre, directions * np.sqrt(sizes))


def _nuts(
    log_density: LogDensity, at_mode: Proposal, *, target_accept: float, **settings: Any
) -> tuple[np.ndarray, np.ndarray]:
    """NUTS where the curvature at the mode is that of a standard normal; again with smaller steps after divergences."""
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    point, factor = at_mode
    d = len(point)

    def whitened(y: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = log_density(point + factor @ y)
        if not np.isfinite(value):
            raise _OutsideError
        return float(value), factor.T @ slope

    compiled = from_pyfunc(
        d,
        lambda: whitened,
        lambda *_: lambda y: {"y": np.asarray(y)},
        [np.dtype("float64")],
        [(d,)],
        ["y"],
        make_initial_point_fn=lambda s: np.random.default_rng(s).normal(0.0, 0.5, d),
    )
    settings |= {"cores": 1, "save_warmup": False, "progress_bar": False}
    for target in sorted({target_accept, *(x for x in (0.95, 0.99) if x > target_accept)}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = nutpie.sample(compiled, target_accept=target, **settings)
        diverging = tree["sample_stats"]["diverging"].to_numpy().astype(bool)
        if not diverging.any():
            break
    return point + tree["posterior"]["y"].to_numpy() @ factor.T, diverging
