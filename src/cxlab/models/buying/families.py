"""The models of repeat buying in continuous time side by side: what each of them says about rows."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from cxlab.models.buying import geometric, pareto
from cxlab.models.buying.rows import Rows

Family = Literal["bgnbd", "mbgnbd", "pareto"]
FAMILIES: Final[tuple[Family, ...]] = ("bgnbd", "mbgnbd", "pareto")
_LATE: Final = {"bgnbd": 0, "mbgnbd": 1}

Likelihood = geometric.Likelihood | pareto.Likelihood


def likelihood(family: Family, rows: Rows) -> Likelihood:
    """Prepare the log likelihood of some rows."""
    return pareto.likelihood(rows) if family == "pareto" else geometric.likelihood(rows, late=_LATE[family])


def names(family: Family) -> tuple[str, ...]:
    """Names of the parameters."""
    return pareto.NAMES if family == "pareto" else geometric.NAMES


def coordinates(family: Family, parameters: tuple[float, float, float, float]) -> np.ndarray:
    """Return the point of the coordinates of published parameters, in the order of `names`."""
    return (pareto if family == "pareto" else geometric).coordinates(*parameters)


def natural(family: Family, points: np.ndarray) -> np.ndarray:
    """Return the parameters (.., 4) of points (.., coordinate) where all covariates are 0."""
    flat = points[..., :4].reshape(-1, 4)
    none = np.zeros((1, 0))
    turn = pareto.natural if family == "pareto" else geometric.natural
    found = np.array([[float(np.ravel(v)[0]) for v in turn(point, none)] for point in flat])
    return found.reshape(*points.shape[:-1], 4)


def start(family: Family, rows: Rows) -> np.ndarray:
    """Return where the search for the mode begins."""
    return (pareto if family == "pareto" else geometric).start(rows)


def alive(family: Family, points: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the probability of not having left, (draw, row)."""
    return pareto.alive(points, rows) if family == "pareto" else geometric.alive(points, rows, late=_LATE[family])


def intensity(family: Family, points: np.ndarray, rows: Rows, ahead: np.ndarray) -> np.ndarray:
    """Return the expected purchases a unit of time at times `ahead` of customers alive now, (draw, row, time)."""
    if family == "pareto":
        return pareto.intensity(points, rows, ahead)
    return geometric.intensity(points, rows, ahead, late=_LATE[family])


def simulate(
    family: Family, points: np.ndarray, rows: Rows, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rate of buying and what governs leaving of living customers, (draw, row)."""
    if family == "pareto":
        return pareto.simulate(points, rows, random=random)
    return geometric.simulate(points, rows, late=_LATE[family], random=random)


def counts(
    family: Family, rate: np.ndarray, leave: np.ndarray, horizon: float, random: np.random.Generator
) -> np.ndarray:
    """Draw the purchases of living customers within the horizon."""
    return (pareto if family == "pareto" else geometric).counts(rate, leave, horizon, random)


def leaving(family: Family, rate: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """Return the rate of leaving."""
    return (pareto if family == "pareto" else geometric).leaving(rate, leave)


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
