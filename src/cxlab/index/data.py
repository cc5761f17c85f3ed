"""Answers -> sufficient statistics by pattern of missing answers, and their completion by EM.

A respondent enters through the pattern of the items answered: for each pattern and period the number of answers, their
means, and the scatter around them. That is all a normal likelihood needs, so its cost is that of the patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.index.structure import Structure

EXACT: Final = 40  # patterns whose likelihood is exact; those of fewer respondents enter completed
CHUNK: Final = 2048  # patterns worked on at once


@dataclass(frozen=True)
class Patterns:
    """Sufficient statistics by pattern of missing answers, of standardised items.

    Attributes
    ----------
    seen : array, shape (P, J)
        1 where the item was answered.
    n : array, shape (P, T)
        Respondents (effective ones where there are weights) by pattern and period.
    mean : array, shape (P, T, J)
        Mean answers; 0 where there are none.
    scatter : array, shape (P, J, J)
        Sums of squares and products around the means of pattern and period; 0 where there are none.
    """

    seen: np.ndarray
    n: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray


@dataclass(frozen=True)
class SemData:
    """What the model sees.

    Attributes
    ----------
    structure : Structure
    periods : tuple of str
        T labels with answers, in order.
    patterns : Patterns
        All patterns of missing answers.
    exact : Patterns
        The largest of them as they are; the rest completed, as if all items had been answered.
    complete : Patterns
        All answers completed by EM: one pattern, whose scatter includes what is uncertain of the missing.
    worst, best : array, shape (J,)
        Ends of each item's scale, in the order worst to best.
    centre, spread : array, shape (J,)
        Mean and sd used for standardising, on the scale of the codes.
    n_raw : array, shape (T,)
        Respondents.
    n_eff : array, shape (T,)
        Effective respondents; the same without weights.
    answered : array, shape (T, J)
        Respondents who answered each item.
    weighting : str
        ``none`` or ``survey``.
    """

    structure: Structure
    periods: tuple[str, ...]
    patterns: Patterns
    exact: Patterns
    complete: Patterns
    worst: np.ndarray
    best: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    n_raw: np.ndarray
    n_eff: np.ndarray
    answered: np.ndarray
    weighting: str

    @property
    def freedom(self) -> float:
        """Respondents less one a period: what is left of the covariance after the means."""
        return float(self.complete.n.sum()) - len(self.periods)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the completed standardised answers within periods, shape (J, J)."""
        return np.asarray(self.complete.scatter[0] / self.complete.n.sum())

    @property
    def blanks(self) -> float:
        """Share of the answers that are missing."""
        return 1.0 - float(self.answered.sum()) / float(self.n_raw.sum() * len(self.structure.items))

    @property
    def points(self) -> np.ndarray:
        """Index points (0-100) of one standardised unit of each item, shape (J,)."""
        return np.asarray(100.0 * self.spread / (self.best - self.worst))

    @property
    def completed_share(self) -> float:
        """Share of the respondents who enter completed, because few share their pattern."""
        rest = self.exact.n[EXACT:].sum() if len(self.patterns.seen) > EXACT else 0.0
        return float(rest / self.exact.n.sum())


def count(values: np.ndarray, period: np.ndarray, weight: np.ndarray, *, periods: int) -> Patterns:
    """Return the sufficient statistics of rows of answers, most frequent patterns first.

    Parameters
    ----------
    values : array, shape (N, J)
        Standardised answers; NaN where missing. Rows without any answer are not allowed.
    period : array of int, shape (N,)
    weight : array, shape (N,)
        Summing to the effective number of respondents.
    periods : int
        T.
    """
    seen = np.isfinite(values)
    packed = np.packbits(seen, axis=1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    which = which.ravel()
    size = np.bincount(which)
    order = np.argsort(-size, kind="stable")
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    which, masks = rank[which], seen[first[order]].astype(float)
    p, j = masks.shape
    n = np.zeros((p, periods))
    np.add.at(n, (which, period), weight)
    filled = np.where(seen, values, 0.0)
    mean = np.zeros((p, periods, j))
    rows = np.lexsort((period, which))
    scatter = np.zeros((p, j, j))
    cell = which[rows] * periods + period[rows]
    starts = np.flatnonzero(np.r_[True, np.diff(cell) > 0])
    for begin, end in zip(starts, np.r_[starts[1:], len(rows)], strict=True):
        mine = rows[begin:end]
        own, w = filled[mine], weight[mine]
        k, t = which[mine[0]], period[mine[0]]
        mean[k, t] = w @ own / w.sum()
        off = (own - mean[k, t]) * masks[k]
        scatter[k] += (off * w[:, None]).T @ off
    return Patterns(masks, n, mean, scatter)


def inverses(covariance: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Inverse of the covariance of the answered items, 0 elsewhere, for each pattern, shape (P, J, J)."""
    both = seen[:, :, None] * seen[:, None, :]
    padded = covariance * both + np.eye(covariance.shape[0]) * (1.0 - seen)[:, :, None]
    return np.asarray(np.linalg.inv(padded) * both)


def expected(given: Patterns, covariance: np.ndarray, mean: np.ndarray) -> Patterns:
    """Complete every pattern: expected means and scatter of all items, one pattern (the E step).

    Parameters
    ----------
    given : Patterns
    covariance : array, shape (J, J)
    mean : array, shape (T, J)
    """
    j, periods = covariance.shape[0], mean.shape[0]
    n = given.n.sum(axis=0)
    total = np.zeros((periods, j))
    square = np.zeros((j, j))
    means = []
    for begin in range(0, len(given.seen), CHUNK):
        part = slice(begin, begin + CHUNK)
        seen = given.seen[part]
        fill = covariance @ inverses(covariance, seen)  # answered items stay, missing ones are predicted
        own = np.swapaxes(fill, 1, 2)
        inside = fill @ given.scatter[part] @ own
        left = covariance - fill @ covariance
        square += inside.sum(axis=0) + np.einsum("p,pij->ij", given.n[part].sum(axis=1), left)
        off = (given.mean[part] - mean) * seen[:, None, :]
        found = mean + np.einsum("pij,ptj->pti", fill, off)
        means.append(found)
        total += np.einsum("pt,pti->ti", given.n[part], found)
    average = total / np.maximum(n, 1e-300)[:, None]
    for begin, found in zip(range(0, len(given.seen), CHUNK), means, strict=True):
        off = found - average
        square += np.einsum("pt,pti,ptj->ij", given.n[begin : begin + CHUNK], off, off)
    return Patterns(np.ones((1, j)), n[None], average[None], ((square + square.T) / 2)[None])


def em(given: Patterns, *, tolerance: float = 1e-6, most: int = 200) -> Patterns:
    """Maximum likelihood of means by period and a common covariance under missing answers: the completed statistics.

    References
    ----------
    Dempster, Laird and Rubin (1977), doi:10.1111/j.2517-6161.1977.tb01600.x.
    """
    j = given.seen.shape[1]
    n = given.n[:, :, None] * given.seen[:, None, :]
    mean = (n * given.mean).sum(axis=0) / np.maximum(n.sum(axis=0), 1e-300)
    covariance = np.eye(j)
    done = expected(given, covariance, mean)
    if (given.seen > 0).all():
        return done
    for _ in range(most):
        new = done.scatter[0] / done.n.sum()
        moved = max(float(np.abs(new - covariance).max()), float(np.abs(done.mean[0] - mean).max()))
        covariance, mean = new, done.mean[0]
        done = expected(given, covariance, mean)
        if moved < tolerance:
            break
    return done


def capped(given: Patterns, complete: Patterns) -> Patterns:
    """Keep the `EXACT` largest patterns; complete the rest at the EM estimate, as one more pattern."""
    if len(given.seen) <= EXACT:
        return given
    rest = Patterns(given.seen[EXACT:], given.n[EXACT:], given.mean[EXACT:], given.scatter[EXACT:])
    covariance = complete.scatter[0] / complete.n.sum()
    done = expected(rest, covariance, complete.mean[0])
    return Patterns(
        *(
            np.concatenate([getattr(given, name)[:EXACT], getattr(done, name)])
            for name in ("seen", "n", "mean", "scatter")
        )
    )
