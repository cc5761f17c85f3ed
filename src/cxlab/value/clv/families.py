"""The models of repeat buying in continuous time side by side: what each of them says about rows."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from cxlab.value.clv import bgnbd, pareto_nbd
from cxlab.value.clv.unique_rows import Rows

Family = Literal["bgnbd", "mbgnbd", "pareto"]
FAMILIES: Final[tuple[Family, ...]] = ("bgnbd", "mbgnbd", "pareto")
_LATE: Final = {"bgnbd": 0, "mbgnbd": 1}

Likelihood = bgnbd.Likelihood | pareto_nbd.Likelihood


def likelihood(family: Family, rows: Rows) -> Likelihood:
    """Prepare the log likelihood of some rows."""
    return pareto_nbd.likelihood(rows) if family == "pareto" else bgnbd.likelihood(rows, late=_LATE[family])


def names(family: Family) -> tuple[str, ...]:
    """Names of the parameters."""
    return pareto_nbd.NAMES if family == "pareto" else bgnbd.NAMES


def coordinates(family: Family, parameters: tuple[float, float, float, float]) -> np.ndarray:
    """Return the point of the coordinates of published parameters, in the order of `names`."""
    return (pareto_nbd if family == "pareto" else bgnbd).coordinates(*parameters)


def natural(family: Family, points: np.ndarray) -> np.ndarray:
    """Return the parameters (.., 4) of points (.., coordinate) where all covariates are 0."""
    flat = points[..., :4].reshape(-1, 4)
    none = np.zeros((1, 0))
    turn = pareto_nbd.natural if family == "pareto" else bgnbd.natural
    found = np.array([[float(np.ravel(v)[0]) for v in turn(point, none)] for point in flat])
    return found.reshape(*points.shape[:-1], 4)


def start(family: Family, rows: Rows) -> np.ndarray:
    """Return where the search for the mode begins."""
    return (pareto_nbd if family == "pareto" else bgnbd).start(rows)


def alive(family: Family, points: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the probability of not having left, (draw, row)."""
    return pareto_nbd.alive(points, rows) if family == "pareto" else bgnbd.alive(points, rows, late=_LATE[family])


def intensity(family: Family, points: np.ndarray, rows: Rows, ahead: np.ndarray) -> np.ndarray:
    """Return the expected purchases a unit of time at times `ahead` of customers alive now, (draw, row, time)."""
    if family == "pareto":
        return pareto_nbd.intensity(points, rows, ahead)
    return bgnbd.intensity(points, rows, ahead, late=_LATE[family])


def simulate(
    family: Family, points: np.ndarray, rows: Rows, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rate of buying and what governs leaving of living customers, (draw, row)."""
    if family == "pareto":
        return pareto_nbd.simulate(points, rows, random=random)
    return bgnbd.simulate(points, rows, late=_LATE[family], random=random)


def counts(
    family: Family, rate: np.ndarray, leave: np.ndarray, horizon: float, random: np.random.Generator
) -> np.ndarray:
    """Draw the purchases of living customers within the horizon."""
    return (pareto_nbd if family == "pareto" else bgnbd).counts(rate, leave, horizon, random)


def leaving(family: Family, rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """Return the rate of leaving."""
    return (pareto_nbd if family == "pareto" else bgnbd).leaving(rate, leave)


def none(family: Family, rate: np.ndarray, leave: np.ndarray, horizon: float) -> np.ndarray:
    """Return the probability that a living customer does not buy within the horizon."""
    if family == "pareto":
        both = rate + leave
        return np.asarray((leave + rate * np.exp(-both * horizon)) / np.maximum(both, 1e-300))
    return np.exp(-rate * horizon)


def rate_known(point: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return r + x and alpha of each row: with the time seen they are what is known of a customer's rate of buying."""
    k = rows.z.shape[1]
    r = float(np.exp(point[0]))
    return r + rows.x, (r / np.exp(point[1] + rows.z @ point[4 : 4 + k]))[rows.cell]
