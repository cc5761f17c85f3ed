"""Counts of one item, checked and turned into arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SatisfactionData:
    """Counts and index arrays of one item; made by `model_data`, which has checked it.

    Attributes
    ----------
    codes : tuple of float
        The K legal codes in order.
    periods : tuple of str
        The P periods in order.
    factors : tuple of str
        Names of the factor columns.
    groups : dict of str to tuple of str
        The groups of each factor, in order.
    cells : DataFrame, M rows
        The factors' groups and the period of each cell.
    counts : array, shape (M, K)
        Answers by code, effective; 0 for cells that only the population has.
    n_raw : array of int, shape (M,)
        Respondents.
    population : array, shape (M,)
        Weight of each cell in estimates.
    design : array, shape (M, E)
        Orthonormal zero-sum contrasts of the factors, centred steps of the walk.
    scale_of : array of int, shape (E,)
        Position of each column's scale in `pymc_model.SCALES`.
    scale_by : str
        The factor whose groups use the scale in ways of their own; empty: all use it alike.
    scale_group : array of int, shape (M,)
        Scale group of each cell.
    base : str
        Where a population that is not the answers' own is from, `cxlab.satisfaction.population.Frame.source`.
    """

    codes: tuple[float, ...]
    periods: tuple[str, ...]
    factors: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    cells: pd.DataFrame
    counts: np.ndarray
    n_raw: np.ndarray
    population: np.ndarray
    design: np.ndarray
    scale_of: np.ndarray
    scale_by: str
    scale_group: np.ndarray
    base: str = ""

    @property
    def scale_groups(self) -> tuple[str, ...]:
        """Names of the scale groups; one without a name where all use the scale alike."""
        return self.groups[self.scale_by] if self.scale_by else ("",)
