"""Ratings that agree with each other, and holes in them."""

from __future__ import annotations

import numpy as np

from cxlab.drivers.data import BLANK, DriverData, model_data

FIVE = (1.0, 2.0, 3.0, 4.0, 5.0)


def ratings(n: int, attributes: int, *, seed: int, r: float = 0.9, unused: float = 0.0) -> np.ndarray:
    """Places of codes 0..4 of attributes whose latent correlation is r; shares about 7, 13, 25, 35, 20 %."""
    random = np.random.default_rng(seed)
    z = np.sqrt(r) * random.standard_normal((n, 1)) + np.sqrt(1 - r) * random.standard_normal((n, attributes))
    codes = np.searchsorted([-1.48, -0.84, -0.13, 0.84], z)
    return np.where(random.random(codes.shape) < unused, -2, codes)


def with_blanks(data: DriverData, share: float, *, seed: int) -> DriverData:
    """The same respondents with a share of their ratings, used or not, left blank at random."""
    random = np.random.default_rng(seed)
    codes = np.where(random.random(data.codes.shape) < share, BLANK, data.codes)
    return again(data, codes=codes)


def again(data: DriverData, *, codes: np.ndarray | None = None, outcome: np.ndarray | None = None) -> DriverData:
    """The same questions with other answers."""
    return model_data(
        data.codes if codes is None else codes,
        data.outcome if outcome is None else outcome,
        attributes=data.attributes,
        levels=data.levels,
        kind=data.kind,
        outcome_levels=data.outcome_levels,
    )


def levels(attributes: int) -> list[tuple[float, ...]]:
    return [FIVE] * attributes
