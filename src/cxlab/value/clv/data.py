"""Customers as the value model sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from cxlab.value.clv.gamma_gamma import Spend
from cxlab.value.clv.sbg import Contracts
from cxlab.value.clv.unique_rows import Rows

Family = Literal["bgnbd", "mbgnbd", "pareto", "bgbb", "sbg"]
FAMILIES: Final[tuple[Family, ...]] = ("bgnbd", "mbgnbd", "pareto", "bgbb", "sbg")
WEEKS_A_YEAR: Final = 365.25 / 7


@dataclass(frozen=True)
class ValueData:
    """Customers as a model sees them.

    Attributes
    ----------
    family : str
    rows : Rows or None
        Unique rows of repeat buying; None for contracts.
    contracts : Contracts or None
    spend : Spend or None
        Amounts of repeat purchases; None if unknown.
    average : array (customer,)
        Average repeat purchase of each customer, NaN where none is known; empty without amounts.
    covariates : tuple of str
        Names of the columns of ``rows.z``.
    """

    family: Family
    rows: Rows | None
    contracts: Contracts | None
    spend: Spend | None
    average: np.ndarray
    covariates: tuple[str, ...]


class Beliefs(Protocol):
    """What is believed before the data, as `cxlab.value.model.Priors` says it."""

    @property
    def shape(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def rate(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def leaving(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def share(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def alike(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def alike_contracts(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def covariate(self) -> float: ...  # noqa: D102

    @property
    def amounts(self) -> tuple[float, float, float]: ...  # noqa: D102

    @property
    def amounts_sd(self) -> tuple[float, float, float]: ...  # noqa: D102

    @property
    def together(self) -> float: ...  # noqa: D102

    @property
    def strength(self) -> float: ...  # noqa: D102
