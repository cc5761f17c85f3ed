"""The hazard of the second purchase given the spread of effects: density, slope, curvature, many points at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from cxlab.inference import importance_sampling
from cxlab.value.second_spells import SecondData

_CHUNK: Final = 4_000_000


@dataclass(frozen=True)
class Hazard:
    """A logistic regression of customer-weeks with a normal prior.

    Attributes
    ----------
    x : array (cell, parameter)
        Design: the step of the base, then one column a level.
    at_risk, bought : array (cell,)
    centre : array (parameter,)
    precision : array (parameter, parameter)
        Of the prior.
    """

    x: np.ndarray
    at_risk: np.ndarray
    bought: np.ndarray
    centre: np.ndarray
    precision: np.ndarray

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density, up to a constant that does not depend on the prior, and its slope."""
        eta, off = self.x @ point, point - self.centre
        pull = self.precision @ off
        value = self.bought @ eta - self.at_risk @ np.logaddexp(0, eta) - 0.5 * off @ pull + self.constant
        return float(value), (self.bought - self.at_risk * expit(eta)) @ self.x - pull

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Return the second derivatives."""
        p = expit(self.x @ point)
        return np.asarray(-(self.x.T * (self.at_risk * p * (1 - p))) @ self.x - self.precision)

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points (m, parameter)."""
        off = points - self.centre
        out = self.constant - 0.5 * np.einsum("mi,ij,mj->m", off, self.precision, off)
        step = max(1, _CHUNK // max(len(self.x), 1))
        for begin in range(0, len(points), step):
            here = slice(begin, begin + step)
            eta = points[here] @ self.x.T
            out[here] += eta @ self.bought - np.logaddexp(0, eta) @ self.at_risk
        return np.asarray(out)

    @property
    def constant(self) -> float:
        """Half the log determinant of the prior's precision: what priors of different spread differ by."""
        return 0.5 * float(np.linalg.slogdet(self.precision)[1])


def design(data: SecondData) -> np.ndarray:
    """Return the design (cell, parameter)."""
    parts = [np.eye(data.steps)[data.bins]]
    for j, known in enumerate(data.levels):
        parts.append((data.codes[:, [j]] == np.arange(len(known))).astype(float))
    return np.hstack(parts)


def hazard(data: SecondData, first: tuple[float, float], walk: float, sd: np.ndarray) -> Hazard:
    """Put data and prior together.

    Parameters
    ----------
    data : SecondData
    first : tuple of float
        Centre and sd of the first step of the base.
    walk : float
        Sd of the difference between neighbouring steps.
    sd : array (level,)
        Of the effects.
    """
    steps = np.eye(data.steps) - np.eye(data.steps, k=-1)
    scale = np.r_[first[1], np.full(data.steps - 1, walk)]
    precision = np.zeros((data.size, data.size))
    precision[: data.steps, : data.steps] = steps.T @ np.diag(1 / scale**2) @ steps
    precision[data.steps :, data.steps :] = np.diag(1 / sd**2)
    centre = np.r_[np.full(data.steps, first[0]), np.zeros(len(sd))]
    return Hazard(design(data), data.at_risk, data.bought, centre, precision)


def modes(targets: list[Hazard]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Return mode and factor of the curvature of each target, and the logs of their evidence by Laplace."""
    point, found, evidence = targets[0].centre, [], np.empty(len(targets))
    for i, target in enumerate(targets):
        point, factor = importance_sampling.find_map(target.gradient, point, hessian=target.hessian)
        found.append((point, factor))
        evidence[i] = target.gradient(point)[0] + np.linalg.slogdet(factor)[1]
    return found, evidence
