"""Customers who look the same to a model are one row with a weight: nothing is lost, and a million become a few."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cxlab.errors import ModelError, Problem


@dataclass(frozen=True)
class Rows:
    """Unique rows of repeat buying.

    Attributes
    ----------
    x : array (row,)
        Repeat purchases.
    recency : array (row,)
        Time of the last purchase since the first one; 0 without a repeat purchase.
    age : array (row,)
        Time observed since the first purchase, in the same unit.
    weight : array (row,)
        Customers who look like this.
    cell : array of int (row,)
        Place of the row's covariates in `z`.
    z : array (cell, covariate)
        Covariates; one cell and no columns where there are none.
    inverse : array of int (customer,)
        Row of each customer.
    """

    x: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    weight: np.ndarray
    cell: np.ndarray
    z: np.ndarray
    inverse: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    @property
    def customers(self) -> float:
        """Customers in all."""
        return float(self.weight.sum())

    def pick(self, chosen: np.ndarray | slice) -> Rows:
        """Return some rows, with the same cells; `inverse` counts the rows themselves."""
        some = {name: getattr(self, name)[chosen] for name in ("x", "recency", "age", "weight", "cell")}
        return replace(self, **some, inverse=np.arange(len(some["x"])))

    def pairs(self) -> tuple[Rows, np.ndarray]:
        """Return one row for each (cell, purchases, age), on which a living customer's future depends, and places."""
        key = np.stack([self.cell, self.x, self.age], axis=1)
        _, first, at = np.unique(key, axis=0, return_index=True, return_inverse=True)
        return self.pick(first), at.ravel()


def unique_rows(
    x: np.ndarray,
    recency: np.ndarray,
    age: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    z: np.ndarray | None = None,
) -> Rows:
    """Collapse customers to unique rows.

    Parameters
    ----------
    x, recency, age : arrays (customer,)
        See `Rows`.
    weight : array (customer,), optional
        Customers an entry stands for; 1 by default.
    z : array (customer, covariate), optional
        Covariates that do not change.

    Raises
    ------
    ModelError
        If there is no customer, or a row is impossible; every kind of fault is told with its number of rows.
    """
    x, recency, age = (np.asarray(v, float).ravel() for v in (x, recency, age))
    count = np.ones(len(x)) if weight is None else np.asarray(weight, float).ravel()
    covariates = np.zeros((len(x), 0)) if z is None else np.asarray(z, float).reshape(len(x), -1)
    _check(x, recency, age, count, covariates)
    cells, cell = np.zeros((1, 0)), np.zeros(len(x), int)
    if covariates.shape[1]:
        cells, cell = np.unique(covariates, axis=0, return_inverse=True)
    key = cell.ravel().astype(np.int64)  # sorted by cell, purchases, age: rows of one forecast lie together
    for values in (x, age, recency):
        distinct, place = np.unique(values, return_inverse=True)
        key = key * len(distinct) + place
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    weights = np.bincount(inverse, weights=count)
    return Rows(x[first], recency[first], age[first], weights, cell.ravel()[first], cells, inverse)


def _check(x: np.ndarray, recency: np.ndarray, age: np.ndarray, count: np.ndarray, z: np.ndarray) -> None:
    if not len(x):
        raise ModelError(Problem("there is no customer", todo="give purchases with a customer and a date"))
    wrong = {
        "a number that is not finite": ~(np.isfinite(x) & np.isfinite(recency) & np.isfinite(age) & np.isfinite(count)),
        "a covariate that is not finite": ~np.isfinite(z).all(axis=1),
        "a number of repeat purchases that is no count": (x < 0) | (x != np.round(x)),
        "a last purchase after the end of the data": recency > age,
        "a time below 0": (recency < 0) | (age < 0),
        "a last purchase although nothing was bought again": (x == 0) & (recency > 0),
        "repeat purchases on the day of the first": (x > 0) & (recency <= 0),
        "a weight that is not above 0": count <= 0,
    }
    problems = [
        Problem(f"{int(rows.sum())} customers have {what}", value=f"first at place {int(np.argmax(rows))}")
        for what, rows in wrong.items()
        if rows.any()
    ]
    if problems:
        raise ModelError(problems)


@dataclass(frozen=True)
class Table:
    """Distinct values within each cell: what depends on one number and the covariates is worked out once for each.

    Attributes
    ----------
    values : array (entry,)
    cell : array of int (entry,)
    at : array of int (row,)
        Entry of each row.
    """

    values: np.ndarray
    cell: np.ndarray
    at: np.ndarray


def table(rows: Rows, values: np.ndarray) -> Table:
    """Return the distinct values of a column of some rows."""
    distinct, place = np.unique(values, return_inverse=True)
    key, at = np.unique(rows.cell.astype(np.int64) * len(distinct) + place, return_inverse=True)
    return Table(distinct[key % len(distinct)], key // len(distinct), at)
