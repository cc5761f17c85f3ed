"""How probable the outcomes are, as a function of the effects of codes: value, gradient, curvature; blanks averaged out.

A respondent with blanks stands in several rows, one an imputation drawn from what the other ratings say of the blanks;
the probability of the outcome is the average over them. The unknowns here are flat: the effects of the columns of the
design, then the tail: of an ordinal outcome the first cut and the logs of the distances to the next ones, of a
continuous one the mean and the log of the sd (see `Rows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.models.drive.data import Kind

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

    F(c_y - eta) - F(c_{y-1} - eta) = (1 - exp(-gap)) / ((1 + exp(eta - c_y)) (1 + exp(c_{y-1} - eta))): one exponential.
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


def value_and_gradient(rows: Rows, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted log-likelihood at many points and its gradient: (S, unknowns) -> (S,), (S, unknowns)."""
    p = rows.effects
    value, gradient = np.zeros(len(point)), np.zeros_like(point)
    tail = point[:, p:]
    for who, where in rows.chunks():
        x, y = rows.design(where), rows.y[where]
        first = rows.first[who] - where.start
        eta = x @ point[:, :p].T.astype(x.dtype)
        log_p = row_log(rows, where, eta, tail)
        mean = _average(log_p, first)
        size = np.diff(np.append(first, len(x)))
        weight = np.repeat(rows.weight[who] / size, size)[:, None] * np.exp(log_p - np.repeat(mean, size, axis=0))
        value += rows.weight[who] @ mean
        if rows.kind == "continuous":
            scaled = y[:, None] * np.exp(-tail[:, 1])
            slope = weight * (scaled - tail[:, 0] - eta)
            gradient[:, p] += slope.sum(axis=0)
            gradient[:, p + 1] += (slope * scaled - weight).sum(axis=0)
        else:
            slope = _slopes_by_code(rows, y, eta, tail, weight, gradient[:, p:])
        gradient[:, :p] += slope.T @ x
    if rows.kind != "continuous":
        later = np.cumsum(gradient[:, : p - 1 : -1], axis=1)[:, ::-1]
        gradient[:, p:] = later
        gradient[:, p + 1 :] *= np.exp(tail[:, 1:])
    return value, gradient


def _slopes_by_code(
    rows: Rows, y: np.ndarray, eta: np.ndarray, tail: np.ndarray, weight: np.ndarray, by_cut: np.ndarray
) -> np.ndarray:
    """Weighted derivative by eta, shape (rows, S); those by cuts are added to `by_cut`, shape (S, q)."""
    from scipy.special import expit

    cut, k = cuts(tail), rows.codes - 1
    pull = 1 / np.expm1(np.maximum(np.diff(cut, axis=1), 1e-12))
    slope = np.empty_like(weight)
    for j in range(k + 1):
        here = y == j
        if not here.any():
            continue
        own = weight[here]
        above = expit(cut[:, j] - eta[here]) if j < k else 1.0
        below = expit(cut[:, j - 1] - eta[here]) if j > 0 else 0.0
        slope[here] = own * (above + below - 1.0)
        if j < k:
            by_cut[:, j] += (own * (1.0 - above)).sum(axis=0)
        if j > 0:
            by_cut[:, j - 1] -= (own * below).sum(axis=0)
        if 0 < j < k:
            push = own.sum(axis=0) * pull[:, j - 1]
            by_cut[:, j] += push
            by_cut[:, j - 1] -= push
    return slope


def expand(
    rows: Rows, point: np.ndarray, *, scores: bool = False
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Expand the weighted log-likelihood about a point.

    Returns
    -------
    value : float
    gradient : array, shape (unknowns,)
    hessian : array, shape (unknowns, unknowns)
    each : array, shape (N,)
        Log probability of each outcome, unweighted.
    scores : array, shape (N, unknowns) or (0, unknowns)
        Its gradient, if asked for.
    """
    p, q = rows.effects, rows.tail
    value, gradient, hessian = 0.0, np.zeros(p + q), np.zeros((p + q, p + q))
    each, slopes = np.empty(len(rows.first)), []
    chain, bend = _chain(rows, point[p:])
    for who, where in rows.chunks():
        x = rows.design(where)
        first = rows.first[who] - where.start
        eta = (x @ point[:p].astype(x.dtype)).astype(float)
        log_p = row_log(rows, where, eta[:, None], point[None, p:])
        mean = _average(log_p, first)[:, 0]
        size = np.diff(np.append(first, len(x)))
        share = np.exp(log_p[:, 0] - np.repeat(mean, size)) / np.repeat(size, size)
        weight = rows.weight[who]
        by_row = share * np.repeat(weight, size)
        slope, tail, curve, cross, corner = _row_derivatives(rows, where, eta, point[p:], by_row)
        value += float(weight @ mean)
        each[who] = mean
        small = x.dtype
        full = np.concatenate([x * slope[:, None].astype(small), tail.astype(small)], axis=1)
        hessian[:p, :p] += x.T @ (x * (by_row * curve)[:, None].astype(small))
        hessian[:p, p:] += x.T @ cross.astype(small)
        hessian[p:, p:] += corner
        grouped = full
        if len(first) < len(x):
            root = np.sqrt(by_row)[:, None].astype(small) * full
            grouped = np.add.reduceat(full * share[:, None].astype(small), first, axis=0)
            back = np.sqrt(weight)[:, None].astype(small) * grouped
            hessian += root.T @ root - back.T @ back
        gradient += (weight.astype(small) @ grouped).astype(float)
        if scores:
            slopes.append(grouped.astype(float))
    hessian[p:, :p] = hessian[:p, p:].T
    # from cuts to the first one and log distances
    hessian[:p, p:] = hessian[:p, p:] @ chain
    hessian[p:, :p] = hessian[:p, p:].T
    hessian[p:, p:] = chain.T @ hessian[p:, p:] @ chain + np.einsum("k,kij->ij", gradient[p:], bend)
    gradient[p:] = gradient[p:] @ chain
    rowwise = np.concatenate(slopes) if scores else np.empty((0, p + q))
    rowwise[:, p:] = rowwise[:, p:] @ chain
    return value, gradient, hessian, each, rowwise


def _average(log_p: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Log of the mean over the rows of each respondent: (rows, S) -> (N, S)."""
    if len(first) == len(log_p):
        return log_p
    top = np.maximum.reduceat(log_p, first, axis=0)
    size = np.diff(np.append(first, len(log_p)))
    return np.log(np.add.reduceat(np.exp(log_p - np.repeat(top, size, axis=0)), first, axis=0) / size[:, None]) + top


def row_log(rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Log probability of each row: eta (rows, S), tail (S, q) -> (rows, S)."""
    y = rows.y[where]
    if rows.kind == "continuous":
        z = y[:, None] * np.exp(-tail[:, 1]) - tail[:, 0] - eta
        return -0.5 * z**2 - tail[:, 1] - 0.5 * np.log(2 * np.pi)
    cut = cuts(tail).astype(eta.dtype)
    k = rows.codes - 1
    upper = cut[:, np.minimum(y, k - 1)].T - eta
    lower = cut[:, np.maximum(y - 1, 0)].T - eta
    inside = (y > 0) & (y < k)
    gap = np.diff(cut, axis=1, prepend=0.0)[:, np.minimum(y, k - 1)].T if inside.any() else np.ones_like(eta)
    out = np.where((y < k)[:, None], -np.logaddexp(0.0, -upper), 0.0)
    out -= np.where((y > 0)[:, None], np.logaddexp(0.0, lower), 0.0)
    if inside.any():
        out[inside] += np.log(-np.expm1(-np.maximum(gap[inside], 1e-12)))
    return out


def _row_derivatives(
    rows: Rows, where: slice, eta: np.ndarray, tail: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and second derivatives by eta and by cuts (or mean and log sd).

    Returns
    -------
    slope (rows,), tail (rows, q), curve (rows,), cross (rows, q; times weight), corner (q, q; weighted sum).
    """
    y, n = rows.y[where], len(eta)
    if rows.kind == "continuous":
        scaled = y * np.exp(-tail[1])
        z = scaled - tail[0] - eta
        first = np.stack([z, z * scaled - 1.0], axis=1)
        corner = np.array(
            [[-weight.sum(), -(weight @ scaled)], [-(weight @ scaled), -(weight @ (scaled**2 + z * scaled))]]
        )
        cross = -np.stack([weight, weight * scaled], axis=1)
        return z, first, -np.ones(n), cross, corner
    from scipy.special import expit

    cut, k, at = cuts(tail), rows.codes - 1, np.arange(n)
    has_up, has_low = y < k, y > 0
    up, low = np.minimum(y, k - 1), np.maximum(y - 1, 0)
    above = np.where(has_up, expit(cut[up] - eta), 1.0)
    below = np.where(has_low, expit(cut[low] - eta), 0.0)
    bent_up, bent_low = above * (1 - above), below * (1 - below)
    gap = np.where(has_up & has_low, cut[up] - cut[low], np.inf)
    with np.errstate(over="ignore"):
        pull = 1 / np.expm1(np.maximum(gap, 1e-12))
        stiff = pull * (1 + pull)
    first = np.zeros((n, k))
    cross = np.zeros((n, k))
    first[at[has_up], up[has_up]] += ((1 - above) + pull)[has_up]
    first[at[has_low], low[has_low]] += (-below - pull)[has_low]
    cross[at[has_up], up[has_up]] += (weight * bent_up)[has_up]
    cross[at[has_low], low[has_low]] += (weight * bent_low)[has_low]
    corner = np.zeros((k, k))
    both = has_up & has_low
    np.add.at(corner, (up, up), -weight * np.where(has_up, bent_up + np.where(both, stiff, 0.0), 0.0))
    np.add.at(corner, (low, low), -weight * np.where(has_low, bent_low + np.where(both, stiff, 0.0), 0.0))
    np.add.at(corner, (up[both], low[both]), (weight * stiff)[both])
    np.add.at(corner, (low[both], up[both]), (weight * stiff)[both])
    return above + below - 1.0, first, -(bent_up + bent_low), cross, corner


def _chain(rows: Rows, tail: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of cuts by the first cut and log distances: (q, q) and (q, q, q)."""
    q = rows.tail
    if rows.kind == "continuous":
        return np.eye(q), np.zeros((q, q, q))
    step = np.concatenate([[1.0], np.exp(tail[1:])])
    chain = np.tril(np.tile(step, (q, 1)))
    bend = np.zeros((q, q, q))
    for j in range(1, q):
        bend[j:, j, j] = step[j]
    return chain, bend
