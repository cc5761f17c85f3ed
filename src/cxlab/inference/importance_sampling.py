"""Draws from a posterior given as a plain function: mode, curvature, importance sampling, and NUTS where that fails.

For models whose likelihood is cheap in numpy and whose compilation would cost more than their sampling. The draws are
exact in the limit either way: those of a Student t around the mode are weighted by the density itself and accepted only
when the shape of their weights (Pareto k-hat) says that the weights can be trusted; otherwise NUTS runs in coordinates
in which the mode's curvature is that of a standard normal, so that few steps suffice.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
Tierney and Kadane (1986), Accurate approximations for posterior moments, doi:10.1080/01621459.1986.10478240.
Hoffman and Gelman (2014), The No-U-Turn sampler, doi:10.48550/arXiv.1111.4246.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import xarray as xr

KHAT: Final = 0.7  # above it importance weights are not to be trusted, whatever their number
DEGREES: Final = 10.0  # of freedom of the proposal: heavier tails than the normal bound the weights
HOPE: Final = 0.9  # of light tails: below it weights tell where a better proposal lies, if not yet the posterior
ROUNDS: Final = 3  # of proposals, each from the moments that the one before found
LEAST_ESS: Final = 0.2  # effective share of the proposals below which NUTS is the cheaper way
Method = Literal["auto", "importance", "nuts"]
LogDensity = Callable[[np.ndarray], tuple[float, np.ndarray]]


def mode(
    log_density: LogDensity,
    start: np.ndarray,
    *,
    hessian: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the mode and the curvature there.

    Parameters
    ----------
    log_density : callable
        Point (d,) -> log density and its gradient (d,); unconstrained, Jacobians of transforms included.
    start : array, shape (d,)
    hessian : callable, optional
        Point -> matrix of second derivatives (d, d); by default differences of the gradient.

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
    from scipy.optimize import minimize

    begin = np.asarray(start, float)
    if not np.isfinite(log_density(begin)[0]):
        raise ModelError(Problem("the density is not finite where the search starts", value=str(begin[:5])))

    def down(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = log_density(x)
        return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

    found = minimize(down, begin, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "maxcor": 30, "ftol": 1e-13})
    point = np.asarray(found.x, float)
    curve = hessian or (lambda x: _differences(log_density, x))
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


def sample(
    log_density: LogDensity,
    start: np.ndarray,
    *,
    draws: int,
    chains: int,
    seed: int,
    tune: int = 400,
    many: Callable[[np.ndarray], np.ndarray] | None = None,
    hessian: Callable[[np.ndarray], np.ndarray] | None = None,
    method: Method = "auto",
    adaptation: Literal["diag", "low_rank"] = "diag",
    target_accept: float = 0.85,
    least_ess: float = LEAST_ESS,
    light_tails: bool = False,
) -> xr.DataTree:
    """Draw from the density; the same density and seed give the same draws.

    Parameters
    ----------
    log_density, start, hessian
        As for `mode`.
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
    light_tails : bool
        Whether the tails are known to be no heavier than a normal's, as under normal priors on all coordinates.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``x`` (chain, draw, parameter), ``sample_stats`` with ``diverging`` (chain, draw); attributes
        ``method`` (importance or nuts), ``khat``, ``ess_share`` (of the proposals) and ``seed``.

    Raises
    ------
    ModelError
        With ``method="importance"``, when the weights cannot be trusted.
    """
    import xarray as xr

    point, factor = mode(log_density, start, hessian=hessian)
    khat, share, taken = float("nan"), float("nan"), "nuts"
    values: np.ndarray = np.empty(0)
    diverging: np.ndarray = np.empty(0, bool)
    if method != "nuts":
        for _ in range(ROUNDS):
            values, khat, share, moments = _weighted(log_density, many, point, factor, wanted=draws * chains, seed=seed)
            if moments is None or not khat < (HOPE if light_tails else KHAT) or (khat < KHAT and share > least_ess):
                break
            point, factor = moments  # trusted but wasteful weights tell where a better proposal lies
        if khat < KHAT and share > least_ess:
            values, taken = values.reshape(draws, chains, -1).swapaxes(0, 1), "importance"
            diverging = np.zeros((chains, draws), bool)
        elif method == "importance":
            raise ModelError(
                Problem("importance weights cannot be trusted", value=f"k-hat {khat:.2f}", allowed=f"below {KHAT}",
                        todo='sample with method="nuts"')
            )  # fmt: skip
    if taken == "nuts":
        values, diverging = _nuts(
            log_density, point, factor, draws=draws, tune=tune, chains=chains, seed=seed, adaptation=adaptation,
            target_accept=target_accept,
        )  # fmt: skip
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw", "parameter"), values)}),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), diverging)}),
        }
    )
    tree.attrs.update(method=taken, khat=khat, ess_share=share, seed=seed)
    return tree


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
    from arviz_stats.base import array_stats

    raw = log_weight - log_weight.max()
    # `_psislw` negates its argument (it was written for leave-one-out), so the log weights go in negated.
    smooth, khat = array_stats._psislw(-np.maximum(raw, -700.0), 1.0)
    weight = np.exp(smooth - smooth.max())
    weight /= weight.sum()
    # Systematic resampling, then shuffled: the least extra noise, and chains that are alike.
    places = (np.arange(wanted) + random.random()) / wanted
    chosen = np.searchsorted(np.cumsum(weight), places).clip(max=len(weight) - 1)
    return weight, random.permutation(chosen), float(khat)


class _OutsideError(ValueError):
    """A point outside the support: nutpie counts a divergence and goes on."""

    is_recoverable = True  # what nutpie asks of an exception


def _differences(log_density: LogDensity, x: np.ndarray) -> np.ndarray:
    step = 1e-4
    matrix = np.empty((len(x), len(x)))
    for i in range(len(x)):
        shift = np.zeros(len(x))
        shift[i] = step
        matrix[i] = (log_density(x + shift)[1] - log_density(x - shift)[1]) / (2 * step)
    return (matrix + matrix.T) / 2


def _factor(hessian: np.ndarray) -> np.ndarray:
    """Square root of the inverse of the negative Hessian."""
    sizes, directions = np.linalg.eigh(-hessian)
    flat = sizes <= 1e-8 * max(float(sizes[-1]), 1e-300)
    return directions / np.sqrt(np.where(flat, 1.0, sizes))


def _weighted(
    log_density: LogDensity,
    many: Callable[[np.ndarray], np.ndarray] | None,
    point: np.ndarray,
    factor: np.ndarray,
    *,
    wanted: int,
    seed: int,
) -> tuple[np.ndarray, float, float, tuple[np.ndarray, np.ndarray] | None]:
    """Draws of a Student t weighted by the density and chosen by weight; k-hat, effective share, weighted moments."""
    random = np.random.default_rng(seed)
    m, d = max(4 * wanted, 4000), len(point)
    normal = random.standard_normal((m, d))
    stretch = random.chisquare(DEGREES, m) / DEGREES
    points = point + (normal / np.sqrt(stretch)[:, None]) @ factor.T
    proposal = -0.5 * (DEGREES + d) * np.log1p((normal**2).sum(axis=1) / stretch / DEGREES)
    target = many(points) if many else np.array([log_density(x)[0] for x in points])
    raw = np.where(np.isfinite(target), target - proposal, -np.inf)
    weight, chosen, khat = resampled(raw, wanted=wanted, random=random)
    share = 1 / float((weight**2).sum()) / m
    return points[chosen], khat, share, _moments(points, weight, enough=share * m > 10 * d)


def _moments(points: np.ndarray, weight: np.ndarray, *, enough: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Weighted mean, and a factor whose square is the weighted covariance less what a Student t is wider by."""
    centre = weight @ points
    away = points - centre
    spread = (away * weight[:, None]).T @ away * (DEGREES - 2) / DEGREES
    sizes, directions = np.linalg.eigh(spread)
    if not enough or sizes[0] <= 1e-12 * sizes[-1]:
        return None
    return centre, directions * np.sqrt(sizes)


def _nuts(
    log_density: LogDensity,
    point: np.ndarray,
    factor: np.ndarray,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    adaptation: Literal["diag", "low_rank"],
    target_accept: float,
) -> tuple[np.ndarray, np.ndarray]:
    """NUTS where the curvature at the mode is that of a standard normal; again with smaller steps after divergences."""
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

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
    for target in sorted({target_accept, *(x for x in (0.95, 0.99) if x > target_accept)}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = nutpie.sample(
                compiled, draws=draws, tune=tune, chains=chains, cores=1, seed=seed, target_accept=target,
                save_warmup=False, progress_bar=False, adaptation=adaptation,
            )  # fmt: skip
        diverging = tree["sample_stats"]["diverging"].to_numpy().astype(bool)
        if not diverging.any():
            break
    return point + tree["posterior"]["y"].to_numpy() @ factor.T, diverging
