"""Hamiltonian Monte Carlo with many walkers at once, for densities that take many points in one call.

One call of a vectorised density serves all walkers, which makes a step of theirs some twenty times cheaper than as many
steps of one chain. Walkers start from the curvature at the mode, adapt the step together, take their common covariance
as the metric, adapt again, and then draw.

References
----------
Neal (2011), MCMC using Hamiltonian dynamics, doi:10.1201/b10905-6.
Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari and Gelman (2024), Nested R-hat, doi:10.1214/24-BA1453.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

LogDensities = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
MENDED: Final = 3.0  # an exact density may refuse seven in ten; if more, shorter ways are tried
WILD: Final = 1000.0  # an energy error that no rounding explains


def walk(
    density: LogDensities,
    mode: np.ndarray,
    factor: np.ndarray,
    *,
    walkers: int,
    draws: int,
    tune: int,
    seed: int,
    thin: int = 1,
    exact: Callable[[np.ndarray], np.ndarray] | None = None,
    start: np.ndarray | None = None,
    accept: float = 0.85,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a density.

    Parameters
    ----------
    density : callable
        Points (S, d) -> log densities (S,) and gradients (S, d); minus infinity outside the support.
    mode : array, shape (d,)
    factor : array, shape (d, d)
        Square root of the covariance at the mode.
    walkers, draws, tune : int
        Walkers, draws of each, and steps thrown away.
    seed : int
    thin : int
        Trajectories for each draw that is kept.
    exact : callable, optional
        Points (S, d) -> log densities (S,) that judge where a trajectory ends, if `density` is but an approximation
        whose gradient is the force: any force leaves the exact density as it is.
    start : array, shape (walkers, d), optional
        Where the walkers begin; by default near the mode.
    accept : float
        Share of the trajectories to be taken, which the step is adapted to.

    Returns
    -------
    values : array, shape (walkers, draws, d)
    diverging : array of bool, shape (walkers, draws)
    """
    random = np.random.default_rng(seed)
    d = len(mode)
    x = mode + 0.5 * random.standard_normal((walkers, d)) @ factor.T if start is None else start
    value, slope = density(x)
    if exact is not None:
        value = exact(x)
    value = np.where(np.isfinite(value), value, -np.inf)
    step = 0.9 / d**0.25
    for stage in range(3):
        count = (tune // 2, tune // 4, tune // 4)[stage]
        search = _Step(step, accept)
        seen = []
        for i in range(count):
            x, value, slope, rate, _ = _move(density, exact, x, value, slope, factor, search.now, random)
            search.update(rate)
            if i >= count // 2:
                seen.append(x)
        step = search.settled
        if stage == 0:  # walkers that lost their way while the step was found join others
            lost = np.flatnonzero(value < np.median(value) - 3 * d**0.5 - 20)
            found = random.choice(np.setdiff1d(np.arange(walkers), lost), len(lost))
            x[lost], value[lost], slope[lost] = x[found], value[found], slope[found]
        if stage < 2 and len(seen) * walkers > 5 * d:
            everything = np.concatenate(seen)
            cloud = np.cov(everything.T)
            m = len(everything) / 4  # neighbours in a walk are alike
            cloud = (m * cloud + d * factor @ factor.T) / (m + d)
            factor = np.linalg.cholesky(cloud + 1e-10 * np.diag(np.diag(cloud)))
            step *= 0.8
    values, diverging = np.empty((walkers, draws, d)), np.empty((walkers, draws), bool)
    for i in range(draws):
        diverging[:, i] = False
        for _ in range(thin):
            x, value, slope, _, wild = _move(density, exact, x, value, slope, factor, step, random)
            diverging[:, i] |= wild
        values[:, i] = x
    return values, diverging


def _move(
    density: LogDensities,
    exact: Callable[[np.ndarray], np.ndarray] | None,
    x: np.ndarray,
    value: np.ndarray,
    slope: np.ndarray,
    factor: np.ndarray,
    step: float,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
    """Let every walker take one trajectory of a random length about a quarter of a turn."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _trajectory(density, exact, x, value, slope, factor, step, random)


def _trajectory(
    density: LogDensities,
    exact: Callable[[np.ndarray], np.ndarray] | None,
    x: np.ndarray,
    value: np.ndarray,
    slope: np.ndarray,
    factor: np.ndarray,
    step: float,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
    """Leapfrog steps and the verdict on where they end.

    The rate returned is what the step is to be adapted to. Where an exact density judges, it is that of the
    approximation's own energy: no step, however short, makes up for what the approximation lacks.
    """
    before = value if exact is None else density(x)[0]
    momentum = random.standard_normal(x.shape)
    energy = value - 0.5 * (momentum**2).sum(axis=1)
    length = max(1, min(60, round(random.uniform(0.5, 1.2) * np.pi / 2 / step)))
    at, there, pull = x, value, slope
    p = momentum + 0.5 * step * pull @ factor
    for i in range(length):
        at = at + step * p @ factor.T
        there, pull = density(at)
        pull = np.where(np.isfinite(pull), pull, 0.0)
        p = p + (1.0 if i < length - 1 else 0.5) * step * pull @ factor
    drawn_by = there
    if exact is not None:
        there = exact(at)
    moving = 0.5 * (p**2).sum(axis=1)
    gain = _finite(there - moving - energy)
    rate = _rate(gain)
    if exact is not None:
        rate = min(_rate(_finite(drawn_by - moving - (before - 0.5 * (momentum**2).sum(axis=1)))), rate * MENDED)
    taken = np.log(random.random(len(x))) < gain
    wild = gain < -WILD
    x = np.where(taken[:, None], at, x)
    value = np.where(taken, there, value)
    slope = np.where(taken[:, None], pull, slope)
    return x, value, slope, rate, wild


def _finite(gain: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(gain), gain, -np.inf)


def _rate(gain: np.ndarray) -> float:
    """Share of the trajectories that would be taken."""
    return float(np.exp(np.minimum(gain, 0.0)).mean())


class _Step:
    """Dual averaging of the step size (Hoffman and Gelman 2014)."""

    def __init__(self, start: float, accept: float) -> None:
        self.accept = accept
        self.aim, self.error, self.count = np.log(2 * start), 0.0, 0
        self.log_now, self.log_settled = np.log(start), np.log(start)

    @property
    def now(self) -> float:
        return float(np.exp(self.log_now))

    @property
    def settled(self) -> float:
        return float(np.exp(self.log_settled))

    def update(self, rate: float) -> None:
        self.count += 1
        self.error += (self.accept - rate - self.error) / (self.count + 10)
        self.log_now = self.aim - np.sqrt(self.count) / 0.1 * self.error
        mix = self.count**-0.75
        self.log_settled = mix * self.log_now + (1 - mix) * self.log_settled
