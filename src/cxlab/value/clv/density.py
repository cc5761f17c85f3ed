"""The log posterior densities of buying and of spend as plain functions, with their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from cxlab.value.clv import bgbb, families, sbg
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.data import Beliefs, Family, ValueData
from cxlab.value.clv.gamma_gamma import Spend

_FLAT: Final = 1e6  # sd of a prior without strength
LogDensity = Callable[[np.ndarray], tuple[float, np.ndarray]]
Many = Callable[[np.ndarray], np.ndarray]


def names(family: Family) -> tuple[str, ...]:
    """Names of the parameters of buying."""
    if family == "sbg":
        return sbg.NAMES
    return bgbb.NAMES if family == "bgbb" else families.names(family)


def natural(family: Family, at: np.ndarray) -> np.ndarray:
    """Return the parameters of points of the coordinates."""
    if family != "bgbb" and family != "sbg":
        return families.natural(family, at)
    turn = sbg.natural if family == "sbg" else bgbb.natural
    flat = np.array([turn(x) for x in at.reshape(-1, at.shape[-1])])
    return flat.reshape(*at.shape[:-1], -1)


def likelihood(data: ValueData) -> tuple[LogDensity, Callable[[np.ndarray], float]]:
    """Return the log likelihood with its gradient, and without."""
    if data.contracts is not None:
        held = data.contracts
        return (lambda x: sbg.gradient(x, held)), (lambda x: sbg.gradient(x, held)[0])
    assert data.rows is not None
    if data.family == "bgbb" or data.family == "sbg":
        discretely = bgbb.likelihood(data.rows)
        return discretely.gradient, discretely.value
    found = families.likelihood(data.family, data.rows)
    return found.gradient, found.value


def prior(data: ValueData, priors: Beliefs) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and sd of the coordinates of buying."""
    parts = {
        "pareto": [priors.shape, priors.rate, priors.shape, priors.leaving],
        "bgbb": [priors.share, priors.alike] * 2,
        "sbg": [priors.share, priors.alike_contracts],
    }.get(data.family, [priors.shape, priors.rate, priors.share, priors.alike])
    pairs = [*parts, *[(0.0, priors.covariate)] * (2 * len(data.covariates))]
    return np.array([centre for centre, _ in pairs]), _sd([sd for _, sd in pairs], priors)


def prior_of_spend(data: Spend, priors: Beliefs) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and sd of the coordinates of spend."""
    centre, sd = [*priors.amounts], [*priors.amounts_sd]
    if data.joint:
        centre, sd = [*centre, 0.0], [*sd, priors.together]
    return np.array(centre), _sd(sd, priors)


def density(data: ValueData, priors: Beliefs) -> tuple[LogDensity, Many, np.ndarray]:
    """Return the log density of buying with its gradient, the same of many points, and where to start."""
    centre, sd = prior(data, priors)
    gradient, value = likelihood(data)
    begin = sbg.START
    if data.rows is not None:
        if data.family == "bgbb" or data.family == "sbg":
            begin = bgbb.start(data.rows)
        else:
            begin = families.start(data.family, data.rows)

    def many(xs: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = np.array([value(x) for x in xs])
        return found - 0.5 * (((xs - centre) / sd) ** 2).sum(axis=1)

    return _with_prior(gradient, centre, sd), many, begin


def density_of_spend(data: Spend, priors: Beliefs) -> tuple[LogDensity, Many, np.ndarray]:
    """Return the log density of spend with its gradient, the same of many points, and where to start."""
    centre, sd = prior_of_spend(data, priors)

    def many(xs: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = money.values(xs, data)
        return found - 0.5 * (((xs - centre) / sd) ** 2).sum(axis=1)

    begin = np.append(money.START, 0.0) if data.joint else money.START
    return _with_prior(lambda x: money.gradient(x, data), centre, sd), many, begin


def climb(function: LogDensity, begin: np.ndarray) -> np.ndarray:
    """Return the mode without the curvature there."""
    from scipy.optimize import minimize

    def down(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = function(x)
        return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

    scale = max(abs(down(begin)[0]), 1.0)
    found = minimize(down, begin, jac=True, method="L-BFGS-B", options={"maxcor": 30, "ftol": 1e-5 / scale})
    return np.asarray(found.x, float)


def _with_prior(gradient: LogDensity, centre: np.ndarray, sd: np.ndarray) -> LogDensity:
    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):  # far points overflow: their density is not finite, which is the answer
            found, slope = gradient(x)
        off = (x - centre) / sd
        return found - 0.5 * float(off @ off), slope - off / sd

    return both


def _sd(sd: Sequence[float], priors: Beliefs) -> np.ndarray:
    return np.asarray(sd, float) / priors.strength if priors.strength > 0 else np.full(len(sd), _FLAT)
