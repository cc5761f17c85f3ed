"""Customer-weeks until the second purchase, summed by what was known in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest

EDGES: Final = (0, 1, 2, 4, 8, 13, 26, 52)  # weeks at which a step of the baseline begins; the last one ends it
NOTHING: Final = ""  # level of those for whom a feature is not (yet) known
_KINDS: Final = 60  # customers over whom effects are averaged, evenly from all
_LATEST: Final = 4  # week from which at the latest something that happened is taken to be known, in what is reported


@dataclass(frozen=True)
class SecondData:
    """Customer-weeks at risk.

    Attributes
    ----------
    features : tuple of str
    levels : tuple of tuple of str
        Levels of each feature; those without one (`NOTHING`) have no effect.
    bins : array of int (cell,)
        Step of the base.
    codes : array of int (cell, feature)
        Place of the level, -1 where nothing is known.
    at_risk, bought : array (cell,)
        Customer-weeks, and second purchases in them.
    mix : array of int (kind, feature)
        Customers, evenly from all of them, by the levels known in the end.
    begins : tuple of array
        For each feature, the week from which each level usually holds: 0 for what is known at the first purchase.
    n : tuple of array of int
        Customers of each level.
    customers, again : int
        Spells, and those of them that ended with a second purchase within the steps of the base.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    bins: np.ndarray
    codes: np.ndarray
    at_risk: np.ndarray
    bought: np.ndarray
    mix: np.ndarray
    begins: tuple[np.ndarray, ...]
    n: tuple[np.ndarray, ...]
    customers: int
    again: int

    @property
    def steps(self) -> int:
        """Steps of the base."""
        return len(EDGES) - 1

    @property
    def places(self) -> tuple[slice, ...]:
        """Where each feature's effects stand among the parameters."""
        ends = np.cumsum([self.steps, *map(len, self.levels)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def size(self) -> int:
        """Number of parameters, sd apart."""
        return self.steps + sum(map(len, self.levels))

    @property
    def names(self) -> list[str]:
        """Names of the effects: feature=level."""
        return [f"{f}={v}" for f, known in zip(self.features, self.levels, strict=True) for v in known]


def counted(spells: pd.DataFrame, *, features: Sequence[str], since: Mapping[str, str] | None = None) -> SecondData:
    """Count customer-weeks; see `cxlab.value.second_purchase.model_data`."""
    begin = dict(since or {})
    wanted = ["weeks", "bought", *features, *begin.values()]
    problems = [
        Problem("the spells lack a column", value=c, nearest=nearest(c, list(map(str, spells.columns))))
        for c in wanted
        if c not in spells
    ]
    if spells.empty:
        problems.append(Problem("there is no first purchase", todo="give purchases of known customers, with dates"))
    elif "weeks" in spells and (spells["weeks"] < 0).any():
        problems.append(Problem("a second purchase before the first", where="weeks", value=str(spells["weeks"].min())))
    if problems:
        raise ModelError(problems)
    last = EDGES[-1]
    weeks = np.minimum(spells["weeks"].to_numpy(int), last)
    bought = spells["bought"].to_numpy(bool) & (spells["weeks"].to_numpy(int) < last)
    if not bought.any():
        raise ModelError(
            Problem("nobody has bought a second time", value=f"{len(spells)} customers", todo="wait until some have")
        )
    levels, place = [], []
    for name in features:
        text = spells[name].astype("string").fillna(NOTHING)
        known = tuple(sorted(str(v) for v in text.unique() if v != NOTHING))
        levels.append(known)
        place.append(text.map({v: i for i, v in enumerate(known)}).fillna(-1).to_numpy(int))
    code = np.column_stack([*place, np.empty((len(spells), 0), int)]).reshape(len(spells), len(features))
    starts = np.zeros(code.shape)
    for j, name in enumerate(features):
        if name in begin:
            starts[:, j] = spells[begin[name]].astype(float).fillna(np.inf)
    code[starts > np.maximum(weeks + bought - 1, 0)[:, None]] = -1  # never known while a second purchase was awaited
    bins, codes, at_risk, events = _cells(weeks, bought, code, starts, [len(v) for v in levels])
    order = np.lexsort(code.T) if code.size else np.arange(len(code))
    kinds = code[order[np.linspace(0, len(order) - 1, min(len(order), _KINDS)).astype(int)]]
    usual = tuple(
        np.array([_usual(starts[code[:, j] == i, j]) for i in range(len(known))]) for j, known in enumerate(levels)
    )
    n = tuple(np.bincount(code[code[:, j] >= 0, j], minlength=len(known)) for j, known in enumerate(levels))
    return SecondData(
        tuple(features), tuple(levels), bins, codes, at_risk, events, kinds, usual, n, len(spells), int(bought.sum()),
    )  # fmt: skip


def _cells(
    weeks: np.ndarray, bought: np.ndarray, code: np.ndarray, starts: np.ndarray, sizes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sum customer-weeks by step of the base and by what was known in them."""
    length = weeks + bought
    who = np.repeat(np.arange(len(weeks)), length)
    week = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
    bins = np.searchsorted(EDGES, week, side="right") - 1
    key = bins.astype(np.int64)
    for j, size in enumerate(sizes):
        now = np.where(starts[who, j] <= week, code[who, j], -1)
        key = key * (size + 1) + now + 1
    event = bought[who] & (week == weeks[who])
    met, place = np.unique(key, return_inverse=True)
    codes = np.empty((len(met), len(sizes)), int)
    rest = met
    for j in range(len(sizes) - 1, -1, -1):
        codes[:, j] = rest % (sizes[j] + 1) - 1
        rest = rest // (sizes[j] + 1)
    at_risk = np.bincount(place, minlength=len(met)).astype(float)
    return rest.astype(int), codes, at_risk, np.bincount(place, event, len(met))


def _usual(starts: np.ndarray) -> float:
    """Week from which a level usually holds."""
    return float(min(np.median(starts), _LATEST)) if len(starts) else 0.0
