"""Rows of respondents, checked: the codes of their attributes, their outcome, weight and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem

BLANK: Final = -1
NOT_USED: Final = -2
FEWEST, MOST = 3, 40  # attributes
MOST_CODES: Final = 11
LEAST_ROWS: Final = 30  # with an outcome
Kind = Literal["ordinal", "binary", "continuous"]


@dataclass(frozen=True)
class DriverData:
    """Respondents of one outcome; made by `cxlab.drivers.model.model_data`, which has checked it.

    Attributes
    ----------
    attributes : tuple of str
        Names of the A attributes.
    levels : tuple of tuple of float
        The legal codes of each attribute, worst to best.
    codes : array of int, shape (N, A)
        Place of the code among the attribute's `levels`; -1 a blank, -2 not used.
    outcome : array, shape (N,)
        Ordinal and binary: place of the code, -1 where there is none; continuous: the value, NaN where there is none.
    kind : str
        ``ordinal``, ``binary`` or ``continuous``.
    outcome_levels : tuple of float
        The outcome's legal codes, worst to best; empty for continuous ones.
    weights : array, shape (N,)
        Scaled so that they add up to the effective number of respondents (Kish).
    groups : tuple of str
        Names of the groups whose effects may differ, two or more; empty: none.
    group : array of int, shape (N,)
        Place of each respondent's group; zeros without groups.
    name : str
        What the outcome is called.
    customers : array of object, shape (N,)
        Customer ids, None where unknown.
    since : str
        First period the respondents come from, where those of one alone were too few.
    """

    attributes: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]
    codes: np.ndarray
    outcome: np.ndarray
    kind: Kind
    outcome_levels: tuple[float, ...]
    weights: np.ndarray
    groups: tuple[str, ...]
    group: np.ndarray
    name: str
    customers: np.ndarray
    since: str = ""

    @property
    def n(self) -> int:
        """Respondents with an outcome."""
        return int(self.answered.sum())

    @property
    def n_eff(self) -> float:
        """Effective number of them."""
        return float(self.weights[self.answered].sum())

    @property
    def answered(self) -> np.ndarray:
        """Whether each respondent has an outcome, shape (N,)."""
        return np.isfinite(self.outcome) if self.kind == "continuous" else self.outcome >= 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each attribute."""
        return tuple(len(x) for x in self.levels)

    @property
    def blanks(self) -> np.ndarray:
        """Share of blanks of each attribute, shape (A,)."""
        return (self.codes == BLANK).mean(axis=0)

    def take(self, rows: np.ndarray) -> DriverData:
        """Return these respondents alone, e.g. to hold the others out."""
        return DriverData(
            self.attributes, self.levels, self.codes[rows], self.outcome[rows], self.kind, self.outcome_levels,
            self.weights[rows], self.groups, self.group[rows], self.name, self.customers[rows], self.since,
        )  # fmt: skip


def checked(
    codes: np.ndarray,
    outcome: np.ndarray,
    *,
    attributes: Sequence[str],
    levels: Sequence[Sequence[float]],
    kind: Kind,
    outcome_levels: Sequence[float],
    weights: np.ndarray | None,
    group: np.ndarray | None,
    groups: Sequence[str],
    name: str,
    customers: np.ndarray | None,
) -> DriverData:
    """Check everything and scale the weights; see `cxlab.drivers.model.model_data`."""
    codes, outcome = np.asarray(codes), np.asarray(outcome, float)
    problems = _problems(codes, outcome, attributes, levels, kind, outcome_levels, weights, group, groups)
    if problems:
        raise ModelError(problems)
    n = len(outcome)
    weight = np.ones(n) if weights is None else np.asarray(weights, float)
    weight = weight * weight.sum() / (weight**2).sum()
    several = group is not None and len(groups) > 1  # one group alone is everybody
    return DriverData(
        attributes=tuple(map(str, attributes)),
        levels=tuple(tuple(float(c) for c in x) for x in levels),
        codes=codes.astype(np.int16),
        outcome=outcome if kind == "continuous" else np.nan_to_num(outcome, nan=-1).astype(int),
        kind=kind,
        outcome_levels=() if kind == "continuous" else tuple(float(c) for c in outcome_levels),
        weights=weight,
        groups=tuple(map(str, groups)) if several else (),
        group=np.asarray(group, int) if several else np.zeros(n, int),
        name=name,
        customers=np.full(n, None, object) if customers is None else np.asarray(customers, object),
    )


def _problems(
    codes: np.ndarray,
    outcome: np.ndarray,
    attributes: Sequence[str],
    levels: Sequence[Sequence[float]],
    kind: Kind,
    outcome_levels: Sequence[float],
    weights: np.ndarray | None,
    group: np.ndarray | None,
    groups: Sequence[str],
) -> list[Problem]:
    shape = (len(outcome), len(attributes))
    if codes.shape != shape or len(levels) != len(attributes):
        return [Problem("codes, outcome, attributes and levels do not fit together", value=str(codes.shape),
                        allowed=f"{shape[0]} rows x {shape[1]} attributes")]  # fmt: skip
    found = []
    if not FEWEST <= len(attributes) <= MOST:
        found.append(
            Problem("too few or too many attributes", value=str(len(attributes)), allowed=f"{FEWEST} to {MOST}")
        )
    twice = sorted({a for a in attributes if list(attributes).count(a) > 1})
    found += [Problem("an attribute is named twice", value=a) for a in twice]
    for a, name in enumerate(attributes):
        size = len(levels[a])
        if not 2 <= size <= MOST_CODES:
            found.append(Problem("number of codes", where=name, value=str(size), allowed=f"2 to {MOST_CODES}"))
        wrong = codes[:, a][(codes[:, a] < NOT_USED) | (codes[:, a] >= size)]
        if len(wrong):
            found.append(Problem("no place of a code", where=name, value=str(wrong[0]), allowed=f"-2 to {size - 1}"))
        if shape[0] and not (codes[:, a] >= 0).any():
            found.append(Problem("nobody rated this attribute", where=name, todo="leave it out"))
    if codes.size and not (codes.max(axis=0) > codes.min(axis=0, where=codes != BLANK, initial=MOST_CODES)).any():
        found.append(Problem("all ratings of each attribute are the same: nothing could go with the outcome"))
    if kind == "continuous":
        has = np.isfinite(outcome)
        if has.any() and float(np.ptp(outcome[has])) == 0.0:
            found.append(Problem("the outcome is the same for everybody", value=f"{outcome[has][0]:g}"))
    else:
        has = np.nan_to_num(outcome, nan=-1.0) >= 0
        size = len(outcome_levels)
        if not 2 <= size <= MOST_CODES or (kind == "binary" and size != 2):
            allowed = "2" if kind == "binary" else f"2 to {MOST_CODES}"
            found.append(Problem("number of codes of the outcome", value=str(size), allowed=allowed))
        if has.any() and outcome[has].max() >= size:
            found.append(
                Problem("no place of a code of the outcome", value=f"{outcome.max():g}", allowed=f"0 to {size - 1}")
            )
        if has.any() and len(np.unique(outcome[has])) < 2:
            found.append(Problem("the outcome is the same for everybody", value=f"code {outcome[has][0]:g}"))
    if int(has.sum()) < LEAST_ROWS:
        found.append(
            Problem("too few respondents with an outcome", value=str(int(has.sum())), allowed=f"at least {LEAST_ROWS}")
        )
    if weights is not None and (
        len(weights) != shape[0]
        or not np.isfinite(weights).all()
        or np.min(weights, initial=1.0) < 0
        or not np.sum(weights) > 0
    ):
        found.append(Problem("weights are numbers, not negative and not all zero, one a respondent"))
    if group is not None and (
        len(group) != shape[0] or (shape[0] and not 0 <= np.min(group) <= np.max(group) < len(groups))
    ):
        found.append(Problem("group is a place among groups, one a respondent", allowed=f"0 to {len(groups) - 1}"))
    return found
