"""How probable the outcomes are, given the effects of codes: value, gradient, curvature; blanks averaged out.

A respondent with blanks stands in several rows, one an imputation drawn from what the other ratings say of the blanks;
the probability of the outcome is the average over them. The unknowns are flat: the effects of the columns of the
design, then the tail: the cuts of an ordinal outcome, the mean and one over the sd of a continuous one. In them each
answer is a sum of terms of one linear predictor each::

    log P(y) = log logistic(cut_y - eta) + log logistic(eta - cut_{y-1}) + log(1 - exp(cut_{y-1} - cut_y))
    log p(y) = -(y / sd - mean - eta)^2 / 2 + log(1 / sd)

whose last one depends on the tail alone. So gradient and curvature are those of logistic and of plain regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cxlab.drivers import imputation
from cxlab.drivers.data import BLANK, NOT_USED, DriverData
from cxlab.drivers.imputation import Copula
from cxlab.drivers.parameters import Layout, Shape

CHUNK: Final = 30_000  # rows worked on at once
TIMES: Final = 20  # imputations of a respondent with blanks ..
MOST_ROWS: Final = 800_000  # .. fewer where there would be more rows than this
LEAST_TIMES: Final = 5
_TINY: Final = 1e-300


@dataclass(frozen=True)
class Completed:
    """Respondents with an outcome; those with blanks several times.

    Attributes
    ----------
    codes : array of int, shape (R, A)
        -2 not used; no blanks.
    first : array of int, shape (N,)
        First row of each respondent.
    who : array of int, shape (N,)
        Their places in the data.
    part : array, shape (R,)
        Share of a respondent's imputations that a row stands for.
    """

    codes: np.ndarray
    first: np.ndarray
    who: np.ndarray
    part: np.ndarray

    def by_row(self, values: np.ndarray) -> np.ndarray:
        """Values of the data's respondents as values of the rows."""
        return np.repeat(values[self.who], np.diff(np.append(self.first, len(self.codes))), axis=0)


def completed(data: DriverData, copula: Copula | None, *, seed: int, times: int = TIMES) -> Completed:
    """Fill the blanks of the respondents with an outcome."""
    who = np.flatnonzero(data.answered)
    codes = data.codes[who]
    gaps = (codes == BLANK).any(axis=1)
    if copula is None or not gaps.any():
        return as_they_are(codes, who)
    times = int(np.clip(MOST_ROWS // gaps.sum(), LEAST_TIMES, times))
    filled, size = imputation.repeated(copula, codes, times=times, seed=seed)
    person = np.repeat(np.arange(len(who)), size)
    key = filled.astype(np.int64) @ np.random.default_rng(0).integers(1, 2**62, filled.shape[1])
    order = np.lexsort((key, person))  # the same imputation of one respondent is one row
    new = np.flatnonzero((np.diff(key[order], prepend=0) != 0) | (np.diff(person[order], prepend=-1) != 0))
    count = np.diff(np.append(new, len(order)))
    first = np.searchsorted(person[order][new], np.arange(len(who)))
    return Completed(filled[order][new], first, who, count / size[person[order][new]])


def as_they_are(codes: np.ndarray, who: np.ndarray) -> Completed:
    """Respondents without blanks, each in one row."""
    return Completed(codes, np.arange(len(who)), who, np.ones(len(who)))


@dataclass(frozen=True)
class Rows:
    """Design of the respondents with an outcome, blanks filled in.

    Attributes
    ----------
    columns : array of int, shape (R, A)
        Column of the design that holds each attribute's state.
    group : array of int, shape (R,)
        Group whose own slopes apply.
    score : array, shape (D,)
        What a column counts for in the groups' slopes: place of the code from -1 to 1 about the users' mean.
    groups : int
        Number of groups with slopes and an average of their own; 0: none.
    first : array of int, shape (N,)
        First row of each respondent; rows of one respondent stand together.
    y : array, shape (R,)
        Place of the code, or the standardised value.
    part : array, shape (R,)
        Share of a respondent's imputations that a row stands for.
    weight : array, shape (N,)
    codes : int
        Codes of the outcome; 0 if continuous.
    """

    columns: np.ndarray
    group: np.ndarray
    score: np.ndarray
    groups: int
    first: np.ndarray
    y: np.ndarray
    part: np.ndarray
    weight: np.ndarray
    codes: int

    @property
    def effects(self) -> int:
        """Number of effects: columns, then the groups' averages and slopes."""
        return len(self.score) + self.groups * (1 + self.columns.shape[1])

    @property
    def has_blanks(self) -> bool:
        """Whether a respondent stands in several rows."""
        return len(self.first) < len(self.y)

    def design(self, rows: slice) -> np.ndarray:
        """Dense design of some rows, shape (rows, effects)."""
        columns = self.columns[rows]
        n, a = columns.shape
        x = np.zeros((n, self.effects), np.float32 if len(self.y) > 2 * CHUNK else np.float64)
        at, d = np.arange(n), len(self.score)
        x[at[:, None], columns] = 1.0
        if self.groups:
            x[at, d + self.group[rows]] = 1.0
            x[at[:, None], d + self.groups + self.group[rows][:, None] * a + np.arange(a)] = self.score[columns]
        return x

    def chunks(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Respondents, their rows, and where among these each respondent begins, in pieces of moderate size."""
        ends = np.append(self.first[1:], len(self.y))
        start = 0
        while start < len(self.first):
            stop = max(int(np.searchsorted(ends, self.first[start] + CHUNK, side="right")), start + 1)
            begin = int(self.first[start])
            yield slice(start, stop), slice(begin, int(ends[stop - 1])), self.first[start:stop] - begin
            start = stop

    def inner(self) -> np.ndarray:
        """Weighted answers of the codes between two cuts, shape (K - 2,)."""
        return np.bincount(self.y[self.first], weights=self.weight, minlength=self.codes)[1:-1]


def pointwise(rows: Rows, unknowns: np.ndarray) -> np.ndarray:
    """Log probability of each respondent's outcome at many points: (S, unknowns) -> (S, N)."""
    out = np.empty((len(unknowns), len(rows.first)))
    for who, where, first in rows.chunks():
        x = rows.design(where)
        each = max(1, int(2e6 // len(x)))
        for s in range(0, len(unknowns), each):
            part = unknowns[s : s + each]
            log_p = row_log(rows, where, x @ part[:, : rows.effects].T.astype(x.dtype), part[:, rows.effects :])
            out[s : s + each, who] = averaged(log_p, first, rows.part[where]).T
    return out


def row_log(rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Log probability of each row's outcome: eta (rows, S), overwritten, tail (S, q) -> (rows, S)."""
    y = rows.y[where]
    if not rows.codes:
        z = y[:, None] * tail[:, 1] - tail[:, 0] - eta
        return np.asarray(-0.5 * z**2 + np.log(np.maximum(tail[:, 1], _TINY) / np.sqrt(2 * np.pi)))
    # F(c_y - eta) - F(c_{y-1} - eta) = (1 - exp(-gap)) / ((1 + exp(eta - c_y)) (1 + exp(c_{y-1} - eta)))
    none = np.zeros((len(tail), 1))
    above = np.concatenate([np.exp(-tail.clip(-60, 60)), none], axis=1).astype(eta.dtype)
    below = np.concatenate([none, np.exp(tail.clip(-60, 60))], axis=1).astype(eta.dtype)
    gap = np.ones((len(tail), rows.codes))
    gap[:, 1:-1] = -np.expm1(-np.diff(tail, axis=1))
    e = np.exp(np.clip(eta, -25, 25, out=eta), out=eta)
    out = below[:, y].T / e
    out += 1
    e *= above[:, y].T
    e += 1
    out *= e
    return np.log(np.maximum(np.divide(gap.astype(eta.dtype)[:, y].T, out, out=out), 1e-37))


def averaged(log_p: np.ndarray, first: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Log of the mean over the rows of each respondent: (rows, S) -> (N, S)."""
    if len(first) == len(log_p):
        return log_p
    top = np.maximum.reduceat(log_p, first, axis=0)
    above = np.exp(log_p - np.repeat(top, np.diff(np.append(first, len(log_p))), axis=0))
    return np.log(np.add.reduceat(above * part[:, None].astype(log_p.dtype), first, axis=0)) + top


def total(rows: Rows, unknowns: np.ndarray) -> np.ndarray:
    """Weighted log-likelihood at many points: (S, unknowns) -> (S,)."""
    each = max(1, int(2e7 // max(len(rows.first), 1)))
    parts = [pointwise(rows, unknowns[s : s + each]) @ rows.weight for s in range(0, len(unknowns), each)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Quadratic:
    """The log-likelihood about a point: quadratic in the unknowns, but for what depends on the tail alone.

    The probability of a code between two cuts has a factor that depends on their distance and bends sharply where few
    gave that code; it is the same in all rows of a respondent, costs nothing and is kept exact.

    Attributes
    ----------
    point, gradient : arrays, shape (unknowns,)
    value : float
        Of the quadratic part there, weighted.
    hessian : array, shape (unknowns, unknowns)
    inner : array, shape (K - 2,)
        Weighted answers between two cuts; the weight of all if continuous.
    tail : int
        Unknowns that are cuts; 0 if continuous.
    """

    point: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    inner: np.ndarray
    tail: int

    def __call__(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (S,) and gradient (S, unknowns); minus infinity where cuts are out of order."""
        away = unknowns - self.point
        bent = away @ self.hessian
        value = self.value + away @ self.gradient + 0.5 * (bent * away).sum(axis=1)
        slope = self.gradient + bent
        own, by_tail = _tail(unknowns, self.inner, self.tail)
        slope[:, unknowns.shape[1] - by_tail.shape[1] :] += by_tail
        return value + own, slope

    def curvature(self, unknowns: np.ndarray) -> np.ndarray:
        """Matrix of second derivatives at one point."""
        step = 1e-5 * np.eye(len(unknowns))
        matrix = (self(unknowns + step)[1] - self(unknowns - step)[1]) / 2e-5
        return (matrix + matrix.T) / 2


def _tail(unknowns: np.ndarray, inner: np.ndarray, tail: int) -> tuple[np.ndarray, np.ndarray]:
    """What depends on the tail alone, and its gradient by the last unknowns."""
    if not tail:
        rate = np.maximum(unknowns[:, -1:], _TINY)
        return inner * np.log(rate)[:, 0], inner / rate
    gap = np.diff(unknowns[:, unknowns.shape[1] - tail :], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(gap > 0, np.log(-np.expm1(-np.abs(gap))), -np.inf) @ inner if len(inner) else 0.0
    pull = inner / np.expm1(np.clip(gap, 1e-12, 700))
    slope = np.zeros((len(unknowns), tail))
    slope[:, 1:] += pull
    slope[:, :-1] -= pull
    return value + np.zeros(len(unknowns)), slope


def expand(rows: Rows, unknowns: np.ndarray, *, scores: bool = False) -> tuple[Quadratic, np.ndarray, np.ndarray]:
    """Expand the weighted log-likelihood about a point.

    Parameters
    ----------
    rows : Rows
    unknowns : array, shape (unknowns,)
    scores : bool
        Whether each respondent's gradient is wanted.

    Returns
    -------
    quadratic : Quadratic
    each : array, shape (N,)
        Log probability of each outcome, unweighted.
    scores : array, shape (N, unknowns) or (0, unknowns)
        Its gradient.
    """
    size = len(unknowns)
    value, gradient, hessian = 0.0, np.zeros(size), np.zeros((size, size))
    each, by_person = np.empty(len(rows.first)), [np.empty((0, size))]
    for who, where, first in rows.chunks():
        terms = [(z, *_term(z @ unknowns.astype(z.dtype), rows.codes)) for z in _predictors(rows, where)]
        log_p = np.sum([log for _, log, _, _ in terms], axis=0)
        mean = averaged(log_p[:, None], first, rows.part[where])[:, 0]
        count = np.diff(np.append(first, len(log_p)))
        share = np.exp(log_p - np.repeat(mean, count)) * rows.part[where]
        weight = rows.weight[who]
        by_row = share * np.repeat(weight, count)
        value += float(weight @ mean)
        each[who] = mean
        score = np.sum([z * slope[:, None].astype(z.dtype) for z, _, slope, _ in terms], axis=0)
        for z, _, _, curve in terms:
            hessian += z.T @ (z * (by_row * curve)[:, None].astype(z.dtype))
        if len(first) < len(log_p):  # the mixture over imputations: Louis' formula
            root = np.sqrt(by_row)[:, None].astype(score.dtype) * score
            score = np.add.reduceat(score * share[:, None].astype(score.dtype), first, axis=0)
            back = np.sqrt(weight)[:, None].astype(score.dtype) * score
            hessian += root.T @ root - back.T @ back
        gradient += weight @ score.astype(float)
        if scores:
            by_person.append(score.astype(float))
    inner = rows.inner() if rows.codes else np.array([rows.weight.sum()])
    cuts = rows.codes - 1 if rows.codes else 0
    around = Quadratic(unknowns.copy(), value, gradient, hessian, inner, cuts)
    wholes = np.concatenate(by_person)
    if rows.codes:
        middle = np.flatnonzero((rows.y[rows.first] > 0) & (rows.y[rows.first] < cuts))
        kinds = np.eye(max(rows.codes - 2, 0))[rows.y[rows.first][middle] - 1]
        own = [_tail(unknowns[None], kind, cuts) for kind in np.eye(max(rows.codes - 2, 0))]
        each[middle] += kinds @ np.array([o[0][0] for o in own]) if own else 0.0
        if scores and own:
            wholes[middle, rows.effects :] += kinds @ np.array([o[1][0] for o in own])
    else:
        log, slope = _tail(unknowns[None], np.ones(1), 0)
        each += log[0] - 0.5 * np.log(2 * np.pi)
        wholes[:, -1] += slope[0, 0]
    return around, each, wholes


def _predictors(rows: Rows, where: slice) -> list[np.ndarray]:
    """Designs (rows, unknowns) of the linear predictors: how far below the upper cut and above the lower one."""
    x, y = rows.design(where), rows.y[where]
    if not rows.codes:
        return [np.concatenate([-x, np.full((len(x), 1), -1, x.dtype), y[:, None].astype(x.dtype)], axis=1)]
    code = np.eye(rows.codes, dtype=x.dtype)[y]
    upper, lower = np.concatenate([-x, code[:, :-1]], axis=1), np.concatenate([x, -code[:, 1:]], axis=1)
    upper[y == rows.codes - 1], lower[y == 0] = 0.0, 0.0  # no cut above the best code, none below the worst
    return [upper, lower]


def _term(z: np.ndarray, codes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log density of linear predictors, its slope and curvature by them."""
    from scipy.special import expit, log_expit

    z = z.astype(float)
    if not codes:
        return -0.5 * z**2, -z, -np.ones(len(z))
    p = expit(-z)
    empty = z == 0.0  # rows without that cut, but for a set of measure 0
    return np.where(empty, 0.0, log_expit(z)), np.where(empty, 0.0, p), np.where(empty, 0.0, -p * (1 - p))


def columns_of(sizes: tuple[int, ...], codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Columns of codes (A, Kmax) and of *not used* (A,), -1 where there is none, and their number."""
    column = np.full((len(sizes), max(sizes)), -1)
    unused = np.full(len(sizes), -1)
    at = 0
    for a, k in enumerate(sizes):
        if (codes[:, a] == NOT_USED).any():
            unused[a] = at
            at += 1
        column[a, :k] = np.arange(at, at + k)
        at += k
    return column, unused, at


def moments(at: np.ndarray, weight: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the columns over rows, shapes (D,), (D, D)."""
    share = weight / weight.sum()
    second = np.zeros((size, size))
    mean = np.bincount(at.ravel(), weights=np.repeat(share, at.shape[1]), minlength=size)
    for s in range(0, len(at), CHUNK):
        x = np.zeros((len(at[s : s + CHUNK]), size), np.float32)
        x[np.arange(len(x))[:, None], at[s : s + CHUNK]] = 1.0
        second += x.T @ (x * share[s : s + CHUNK, None].astype(np.float32))
    np.fill_diagonal(second, mean)
    return mean, second - np.outer(mean, mean)


def user_share(mean: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Share of each code among the users of its attribute; of *not used* among all."""
    out = mean.copy()
    for row in column:
        own = row[row >= 0]
        out[own] /= max(mean[own].sum(), _TINY)
    return out


def standardised(data: DriverData) -> tuple[np.ndarray, float, float]:
    """A continuous outcome with mean 0 and sd 1, and what was taken off."""
    has = data.answered
    share = data.weights[has] / data.weights[has].sum()
    mean = float(share @ data.outcome[has])
    sd = float(np.sqrt(share @ (data.outcome[has] - mean) ** 2))
    return (data.outcome - mean) / sd, mean, sd


def design(data: DriverData, done: Completed, *, shape: Shape) -> tuple[Layout, Rows]:
    """Lay out the parameters and the rows of the likelihood."""
    sizes = data.sizes
    column, unused, d = columns_of(sizes, done.codes)
    attribute = np.arange(len(sizes))
    at = np.where(done.codes >= 0, column[attribute, np.maximum(done.codes, 0)], unused)
    mean, spread = moments(at, done.by_row(data.weights) * done.part, d)
    share = user_share(mean, column)
    score = np.zeros(d)
    for a, k in enumerate(sizes):
        rise = np.linspace(-1, 1, k)
        score[column[a, :k]] = rise - rise @ share[column[a, :k]]
    codes = len(data.outcome_levels)
    y = done.by_row(data.outcome.astype(int) if codes else standardised(data)[0])
    group = done.by_row(data.group)
    rows = Rows(at, group, score, len(data.groups), done.first, y, done.part, data.weights[done.who], codes)
    return Layout(sizes, column, unused, share, spread, np.ones(len(sizes)), shape, len(data.groups), codes), rows


def directed(layout: Layout, rows: Rows, *, surely: float = 3.0) -> Layout:
    """Find attributes whose better codes go with worse outcomes beyond doubt, and turn their curves round.

    A ridge on straight lines, sd 2 for the rise from the worst code to the best; `surely` is in posterior sds.
    """
    a, p, q = len(layout.sizes), rows.effects, layout.tail
    has = np.flatnonzero(layout.unused >= 0)
    lines = np.zeros((p + q, a + len(has) + q))
    for i, k in enumerate(layout.sizes):
        lines[layout.column[i, :k], i] = rows.score[layout.column[i, :k]] / 2
    lines[layout.unused[has], a + np.arange(len(has))] = 1.0
    lines[p:, a + len(has) :] = np.eye(q)
    ridge = np.diag(np.concatenate([np.full(a + len(has), 1 / 4.0), np.full(q, 1e-3)]))
    c = np.zeros(lines.shape[1])
    c[a + len(has) :] = tail_of(rows)
    best, step = -np.inf, np.zeros_like(c)
    for _ in range(12):
        around, each, _ = expand(rows, lines @ c)
        value = float(rows.weight @ each - 0.5 * c @ ridge @ c)
        if not value >= best:  # too far: come half of the way back
            step = step / 2
            c = c - step
            continue
        settled, best = value - best < 1e-2, value
        curve = ridge - lines.T @ around.curvature(lines @ c) @ lines
        if settled:
            break
        step = np.linalg.solve(curve, lines.T @ around((lines @ c)[None])[1][0] - ridge @ c)
        c = c + step
    sd = np.sqrt(np.diag(np.linalg.inv(curve)))
    return replace(layout, direction=np.where(c[:a] < -surely * sd[:a], -1.0, 1.0))


def tail_of(rows: Rows) -> np.ndarray:
    """The tail if nothing had an effect: cuts of the outcome's own shares of codes, or mean 0 and sd 1."""
    if not rows.codes:
        return np.array([0.0, 1.0])
    share = np.bincount(rows.y[rows.first], weights=rows.weight, minlength=rows.codes) + 0.5
    below = np.cumsum(share / share.sum())[:-1]
    return np.log(below / (1 - below))
