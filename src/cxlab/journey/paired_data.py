"""What the model of expectation and experience sees: counts of pairs and of single answers by cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class PairedData:
    """Counts and design of one touchpoint.

    Attributes
    ----------
    expectation_codes, experience_codes, manager_codes : tuple of float
        Legal codes from worst to best; empty where that was never asked.
    periods : tuple of str
        In order.
    cells : DataFrame, M rows
        ``period``, the segments and one 0/1 column an event and nuisance, a row a distinct combination.
    columns : tuple of (block, name), P of them
        What each column of `design` stands for; columns of a block share the scale of their prior.
    design : array, shape (M, P)
    both : array, shape (M, KE, KX)
        Respondents who answered both, by codes.
    expectation_only, experience_only : arrays, shape (M, KE) and (M, KX)
        Respondents who answered one of the two.
    managers : array, shape (T, KM)
        Managers' answers by period.
    """

    expectation_codes: tuple[float, ...]
    experience_codes: tuple[float, ...]
    manager_codes: tuple[float, ...]
    periods: tuple[str, ...]
    cells: pd.DataFrame
    columns: tuple[tuple[str, str], ...]
    design: np.ndarray
    both: np.ndarray
    expectation_only: np.ndarray
    experience_only: np.ndarray
    managers: np.ndarray

    @cached_property
    def expected(self) -> bool:
        """Whether anybody said what they expected."""
        return bool(self.both.sum() + self.expectation_only.sum())

    @cached_property
    def experienced(self) -> bool:
        """Whether anybody said what they experienced."""
        return bool(self.both.sum() + self.experience_only.sum())

    @cached_property
    def managed(self) -> bool:
        """Whether managers answered."""
        return bool(self.managers.sum())

    @cached_property
    def boundaries(self) -> int:
        """Boundaries of the finest of the scales: the free ones."""
        return max(len(c) for c in (self.expectation_codes, self.experience_codes, self.manager_codes)) - 1

    @cached_property
    def period_of(self) -> np.ndarray:
        """Position of each cell's period, shape (M,)."""
        rank = {period: i for i, period in enumerate(self.periods)}
        return self.cells["period"].map(rank).to_numpy(int)

    @cached_property
    def answered(self) -> pd.DataFrame:
        """Numbers a period: ``expectation``, ``experience``, ``both``, ``managers`` (index: period)."""
        both = self.both.sum(axis=(1, 2))
        parts = {
            "expectation": both + self.expectation_only.sum(axis=1),
            "experience": both + self.experience_only.sum(axis=1),
            "both": both,
        }
        size = len(self.periods)
        sums = {k: np.bincount(self.period_of, weights=v, minlength=size).astype(int) for k, v in parts.items()}
        return pd.DataFrame(sums | {"managers": self.managers.sum(axis=1).astype(int)}, index=list(self.periods))

    @cached_property
    def weight(self) -> np.ndarray:
        """Share of each cell in the respondents of its period, shape (T, M)."""
        n = self.both.sum(axis=(1, 2)) + self.expectation_only.sum(axis=1) + self.experience_only.sum(axis=1)
        member = self.period_of[None, :] == np.arange(len(self.periods))[:, None]
        return member * n / np.maximum((member * n).sum(axis=1, keepdims=True), 1)

    def event_columns(self) -> tuple[tuple[int, str], ...]:
        """Position and name of the columns that are events."""
        return tuple((i, name) for i, (block, name) in enumerate(self.columns) if block == "event")


def interpolate(fine: int, boundaries: int) -> np.ndarray:
    """Weights that turn `fine` boundaries into those of a shorter scale, shape (boundaries, fine).

    A boundary a given part of the way up the scale is taken to mean the same on both: between the two boundaries of
    the finer scale that surround it, in proportion. The identity for scales of equal length.
    """
    place = np.arange(1, boundaries + 1) / (boundaries + 1) * (fine + 1) - 1
    low = np.clip(np.floor(place + 1e-9).astype(int), 0, max(fine - 2, 0))
    part = place - low
    weights = np.zeros((boundaries, fine))
    weights[np.arange(boundaries), low] = 1 - part
    if fine > 1:
        weights[np.arange(boundaries), low + 1] += part
    return weights
