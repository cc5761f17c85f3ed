"""How probable the outcomes are, given the effects of codes: value, gradient, curvature; blanks averaged out.

A respondent with blanks stands in several rows, one an imputation drawn from what the other ratings say of the blanks;
the probability of the outcome is the average over them. The unknowns here are flat: the effects of the columns of the
design, then the tail: of an ordinal outcome the first cut and the logs of the distances to the next ones, of a
continuous one the mean and the log of the sd (see `Rows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.drivers.data import Kind

CHUNK: Final = 30_000  # rows worked on at once


@dataclass(frozen=True)
class Rows:
    """Design of the respondents with an outcome, blanks filled in.

    Attributes
    ----------
    columns : array of int, shape (R, A)
        Column of the design that holds each attribute's state.
    group : array of int, shape (R,)
        Group whose own slopes apply; only looked at when `slopes` > 0.
    score : array, shape (D,)
        What a column counts for in the groups' slopes: place of the code from -1 to 1 about the users' mean.
    slopes : int
        Number of groups with slopes and an average of their own; 0: none.
    first : array of int, shape (N,)
        First row of each respondent; rows of one respondent stand together.
    y : array, shape (R,)
        Place of the code, or the standardised value.
    weight : array, shape (N,)
    codes : int
        Codes of the outcome; 0 if continuous.
    kind : str
    """

    columns: np.ndarray
    group: np.ndarray
    score: np.ndarray
    slopes: int
    first: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    codes: int
    kind: Kind

    @property
    def effects(self) -> int:
        """Number of effects: columns, then the groups' averages and slopes."""
        return len(self.score) + self.slopes * (1 + self.columns.shape[1])

    @property
    def tail(self) -> int:
        """Number of unknowns after the effects."""
        return self.codes - 1 if self.codes else 2

    def design(self, rows: slice) -> np.ndarray:
        """Dense design of some rows, shape (rows, effects)."""
        columns = self.columns[rows]
        n, a = columns.shape
        x = np.zeros((n, self.effects), np.float32 if len(self.y) > 2 * CHUNK else np.float64)
        at = np.arange(n)
        x[at[:, None], columns] = 1.0
        if self.slopes:
            d = len(self.score)
            x[at, d + self.group[rows]] = 1.0
            place = d + self.slopes + self.group[rows][:, None] * a + np.arange(a)
            x[at[:, None], place] = self.score[columns]
        return x

    def chunks(self) -> list[tuple[slice, slice]]:
        """Respondents and their rows, in pieces of moderate size."""
        ends = np.append(self.first[1:], len(self.y))
        pieces, start, n = [], 0, len(self.first)
        while start < n:
            stop = max(int(np.searchsorted(ends, self.first[start] + CHUNK, side="right")), start + 1)
            pieces.append((slice(start, stop), slice(int(self.first[start]), int(ends[stop - 1]))))
            start = stop
        return pieces


def cuts(tail: np.ndarray) -> np.ndarray:
    """Cuts from the first one and the logs of the distances; any leading shape."""
    return np.concatenate([tail[..., :1], tail[..., :1] + np.cumsum(np.exp(tail[..., 1:]), axis=-1)], axis=-1)


def pointwise(rows: Rows, point: np.ndarray) -> np.ndarray:
    """Log probability of each respondent's outcome at many points: (S, unknowns) -> (S, N)."""
    out = np.empty((len(point), len(rows.first)))
    effects, tail = point[:, : rows.effects], point[:, rows.effects :]
    for who, where in rows.chunks():
        x = rows.design(where)
        first = rows.first[who] - where.start
        size = np.diff(np.append(first, len(x)))
        each = max(1, int(2e6 // len(x)))
        for s in range(0, len(point), each):
            part = slice(s, s + each)
            eta = x @ effects[part].T.astype(x.dtype)
            if rows.kind == "continuous":
                out[part, who] = _average(row_log(rows, where, eta, tail[part]), first).T
                continue
            p = _probability(rows, where, eta, tail[part])
            if len(first) < len(x):
                p = np.add.reduceat(p, first, axis=0) / size[:, None].astype(x.dtype)
            out[part, who] = np.log(np.maximum(p, 1e-37)).T
    return out


def _probability(rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Probability of each row's code: eta (rows, S), overwritten, tail (S, q) -> (rows, S).

    F(c_y - eta) - F(c_{y-1} - eta) = (1 - exp(-gap)) / ((1 + exp(eta - c_y)) (1 + exp(c_{y-1} - eta))).
    """
    y, k = rows.y[where], rows.codes - 1
    cut = cuts(tail)
    none = np.zeros((len(tail), 1))
    above = np.concatenate([np.exp(-cut.clip(-60, 60)), none], axis=1).astype(eta.dtype)
    below = np.concatenate([none, np.exp(cut.clip(-60, 60))], axis=1).astype(eta.dtype)
    gap = np.ones((len(tail), k + 1))
    gap[:, 1:k] = -np.expm1(-np.diff(cut, axis=1))
    gap = gap.astype(eta.dtype)
    np.clip(eta, -25, 25, out=eta)
    e = np.exp(eta, out=eta)
    out = below[:, y].T / e
    out += 1
    e *= above[:, y].T
    e += 1
    out *= e
    return np.divide(gap[:, y].T, out, out=out)


def total(rows: Rows, point: np.ndarray) -> np.ndarray:
    """Weighted log-likelihood at many points: (S, unknowns) -> (S,)."""
    out = np.zeros(len(point))
    each = max(1, int(2e7 // max(len(rows.first), 1)))
    for s in range(0, len(point), each):
        out[s : s + each] = pointwise(rows, point[s : s + each]) @ rows.weight
    return out


@dataclass(frozen=True)
class Quadratic:
    """The log-likelihood about a point: quadratic in the effects and cuts, but for the widths of the codes.

    The probability of a code between two cuts has a factor that depends on their distance alone and bends sharply where
    few gave that code; it is the same in all rows of a respondent, costs nothing and is kept exact.

    Attributes
    ----------
    point : array, shape (unknowns,)
        Effects, then cuts (mean and log sd, if continuous).
    value : float
        Of the quadratic part there, weighted.
    gradient, hessian : arrays, shapes (unknowns,), (unknowns, unknowns)
        Of the quadratic part.
    inner : array, shape (K - 2,)
        Weighted answers of the codes between two cuts; empty if continuous.
    cut : bool
        Whether the tail is cuts.
    """

    point: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    inner: np.ndarray
    tail: int
    cut: bool

    def __call__(self, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (S,) and gradient (S, unknowns) at unknowns whose tail is the first cut and log distances."""
        at = psi
        p = psi.shape[1] - self.tail
        if self.cut:
            at = np.concatenate([psi[:, :p], cuts(psi[:, p:])], axis=1)
        away = at - self.point
        bent = away @ self.hessian
        value = self.value + away @ self.gradient + 0.5 * (bent * away).sum(axis=1)
        slope = self.gradient + bent
        if self.cut:
            slope[:, p:] = np.cumsum(slope[:, : p - 1 : -1][:, : self.tail], axis=1)[:, ::-1]
            width = np.exp(psi[:, p + 1 :])
            slope[:, p + 1 :] *= width
            value = value + np.log(np.maximum(-np.expm1(-width), 1e-300)) @ self.inner
            slope[:, p + 1 :] += self.inner * width / np.maximum(np.expm1(np.minimum(width, 700)), 1e-300)
        return value, slope

    def curvature(self, psi: np.ndarray) -> np.ndarray:
        """Matrix of second derivatives by effects and tail at one point, shape (unknowns, unknowns)."""
        step = 1e-5 * np.eye(len(psi))
        matrix = (self(psi + step)[1] - self(psi - step)[1]) / 2e-5
        return (matrix + matrix.T) / 2


def expand(rows: Rows, psi: np.ndarray, *, scores: bool = False) -> tuple[Quadratic, np.ndarray, np.ndarray]:
    """Expand the weighted log-likelihood about a point.

    Parameters
    ----------
    rows : Rows
    psi : array, shape (unknowns,)
        Effects and tail.
    scores : bool
        Whether each respondent's gradient is wanted.

    Returns
    -------
    quadratic : Quadratic
    each : array, shape (N,)
        Log probability of each outcome, unweighted.
    scores : array, shape (N, unknowns) or (0, unknowns)
        Its gradient by effects and tail.
    """
    p, q = rows.effects, rows.tail
    ordinal = rows.kind != "continuous"
    tail = cuts(psi[p:]) if ordinal else psi[p:]
    value, gradient, hessian = 0.0, np.zeros(p + q), np.zeros((p + q, p + q))
    each = np.empty(len(rows.first))
    slopes: list[np.ndarray] = []
    for who, where in rows.chunks():
        x = rows.design(where)
        small = x.dtype
        first = rows.first[who] - where.start
        eta = (x @ psi[:p].astype(small)).astype(float)
        part = _derivatives(rows, where, eta, tail)
        mean = _average(part.log_p[:, None], first)[:, 0]
        size = np.diff(np.append(first, len(x)))
        share = np.exp(part.log_p - np.repeat(mean, size)) / np.repeat(size, size)
        weight = rows.weight[who]
        by_row = share * np.repeat(weight, size)
        value += float(weight @ mean)
        each[who] = mean
        full = np.concatenate([x * part.slope[:, None].astype(small), part.tail.astype(small)], axis=1)
        hessian[:p, :p] += x.T @ (x * (by_row * part.curve)[:, None].astype(small))
        hessian[:p, p:] += x.T @ (part.cross * by_row[:, None]).astype(small)
        hessian[p:, p:] += np.einsum("i,ijk->jk", by_row, part.corner) if not ordinal else np.diag(by_row @ part.corner)
        if len(first) < len(x):
            root = np.sqrt(by_row)[:, None].astype(small) * full
            full = np.add.reduceat(full * share[:, None].astype(small), first, axis=0)
            back = np.sqrt(weight)[:, None].astype(small) * full
            hessian += root.T @ root - back.T @ back
        gradient += (weight.astype(small) @ full).astype(float)
        if scores:
            slopes.append(full.astype(float))
    hessian[p:, :p] = hessian[:p, p:].T
    inner: np.ndarray = np.zeros(0)
    y = rows.y[rows.first]
    if ordinal and q > 1:
        gap = np.diff(tail)
        inner = np.bincount(y, weights=rows.weight, minlength=rows.codes)[1:q]
        between = (y > 0) & (y < q)
        each[between] += np.log(np.maximum(-np.expm1(-gap), 1e-300))[y[between] - 1]
    rowwise = np.concatenate(slopes) if scores else np.empty((0, p + q))
    if scores and ordinal and q > 1:
        push = 1 / np.expm1(np.clip(gap, 1e-12, 700))
        mid = np.flatnonzero(between)
        rowwise[mid, p + y[mid]] += push[y[mid] - 1]
        rowwise[mid, p + y[mid] - 1] -= push[y[mid] - 1]
        rowwise[:, p:] = np.cumsum(rowwise[:, : p - 1 : -1][:, :q], axis=1)[:, ::-1]
        rowwise[:, p + 1 :] *= gap
    point = np.concatenate([psi[:p], tail])
    return Quadratic(point, value, gradient, hessian, inner, q, ordinal), each, rowwise


@dataclass(frozen=True)
class _Rowwise:
    """Of each row, without the factor of the distance between its cuts: log probability and derivatives."""

    log_p: np.ndarray  # (rows,)
    slope: np.ndarray  # (rows,) by eta
    tail: np.ndarray  # (rows, q) by cuts, or mean and log sd
    curve: np.ndarray  # (rows,) second, by eta
    cross: np.ndarray  # (rows, q)
    corner: np.ndarray  # (rows, q): the diagonal; continuous: (rows, 2, 2)


def _derivatives(rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray) -> _Rowwise:
    y, n = rows.y[where], len(eta)
    if rows.kind == "continuous":
        scaled = y * np.exp(-tail[1])
        z = scaled - tail[0] - eta
        log_p = -0.5 * z**2 - tail[1] - 0.5 * np.log(2 * np.pi)
        corner = -np.stack([np.ones(n), scaled, scaled, scaled**2 + z * scaled], axis=1).reshape(n, 2, 2)
        first = np.stack([z, z * scaled - 1.0], axis=1)
        return _Rowwise(log_p, z, first, -np.ones(n), -np.stack([np.ones(n), scaled], axis=1), corner)
    from scipy.special import expit, log_expit

    k, at = rows.codes - 1, np.arange(n)
    up, low = np.flatnonzero(y < k), np.flatnonzero(y > 0)
    above, below, log_p = np.ones(n), np.zeros(n), np.zeros(n)
    above[up], below[low] = expit(tail[y[up]] - eta[up]), expit(tail[y[low] - 1] - eta[low])
    log_p[up] += log_expit(tail[y[up]] - eta[up])
    log_p[low] += log_expit(eta[low] - tail[y[low] - 1])
    first, cross = np.zeros((n, k)), np.zeros((n, k))
    first[at[up], y[up]] = (1 - above)[up]
    first[at[low], y[low] - 1] = -below[low]
    bent_up, bent_low = above * (1 - above), below * (1 - below)
    cross[at[up], y[up]] = bent_up[up]
    cross[at[low], y[low] - 1] = bent_low[low]
    return _Rowwise(log_p, above + below - 1.0, first, -(bent_up + bent_low), cross, -cross)


def _average(log_p: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Log of the mean over the rows of each respondent: (rows, S) -> (N, S)."""
    if len(first) == len(log_p):
        return log_p
    top = np.maximum.reduceat(log_p, first, axis=0)
    size = np.diff(np.append(first, len(log_p)))
    return np.log(np.add.reduceat(np.exp(log_p - np.repeat(top, size, axis=0)), first, axis=0) / size[:, None]) + top


def row_log(rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Log probability of each row's outcome, eta overwritten: eta (rows, S), tail (S, q) -> (rows, S)."""
    if rows.kind == "continuous":
        z = rows.y[where][:, None] * np.exp(-tail[:, 1]) - tail[:, 0] - eta
        return -0.5 * z**2 - tail[:, 1] - 0.5 * np.log(2 * np.pi)
    return np.log(np.maximum(_probability(rows, where, eta, tail), 1e-37))
