"""Respondents with their blanks filled, the design of the likelihood, and the moments that scale the prior."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cxlab.drivers import imputation
from cxlab.drivers.data import BLANK, NOT_USED, DriverData
from cxlab.drivers.imputation import Copula
from cxlab.drivers.likelihood import CHUNK, Rows
from cxlab.drivers.monotonic import NOISE_VAR, Layout, Shape

TIMES: Final = 20  # imputations of a respondent with blanks ..
MOST_ROWS: Final = 800_000  # .. fewer where there would be more rows than this
LEAST_TIMES: Final = 5
HALO_CODES: Final = 11


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
    """

    codes: np.ndarray
    first: np.ndarray
    who: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each respondent."""
        return np.diff(np.append(self.first, len(self.codes)))


def completed(data: DriverData, copula: Copula | None, *, seed: int, times: int = TIMES) -> Completed:
    """Fill the blanks of the respondents with an outcome."""
    who = np.flatnonzero(data.answered)
    codes = data.codes[who]
    gaps = (codes == BLANK).any(axis=1)
    if copula is None or not gaps.any():
        return Completed(codes, np.arange(len(who)), who)
    times = int(np.clip(MOST_ROWS // gaps.sum(), LEAST_TIMES, times))
    size = np.where(gaps, times, 1)
    out = np.repeat(codes, size, axis=0)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    filled = imputation.impute(copula, codes[gaps], times=times, seed=seed)
    out[np.repeat(gaps, size)] = filled.reshape(-1, codes.shape[1])
    return Completed(out, first, who)


def standardised(data: DriverData) -> tuple[np.ndarray, float, float]:
    """A continuous outcome with mean 0 and sd 1, and what was taken off."""
    has = data.answered
    share = data.weights[has] / data.weights[has].sum()
    mean = float(share @ data.outcome[has])
    sd = float(np.sqrt(share @ (data.outcome[has] - mean) ** 2))
    return (data.outcome - mean) / sd, mean, sd


@dataclass(frozen=True)
class HaloScale:
    """How the common factor of a row's ratings is reckoned: the average of its standardised places of codes.

    Attributes
    ----------
    mean, sd : arrays, shape (A,)
        Of each attribute's places among its users.
    centre, width : float
        Mean and sd of the average.
    """

    mean: np.ndarray
    sd: np.ndarray
    centre: float
    width: float


def halo_scale(done: Completed, weights: np.ndarray) -> HaloScale:
    """Measure what the common factor is standardised by."""
    by_row = np.repeat(weights / done.sizes, done.sizes)
    used = done.codes >= 0
    share = used * by_row[:, None]
    share = share / share.sum(axis=0)
    place_of = np.where(used, done.codes, 0)
    mean = (share * place_of).sum(axis=0)
    sd = np.sqrt(np.maximum((share * (place_of - mean) ** 2).sum(axis=0), 1e-12))
    factor = _factor(done.codes, mean, sd)
    own = by_row / by_row.sum()
    centre = float(own @ factor)
    return HaloScale(mean, sd, centre, float(np.sqrt(max(own @ (factor - centre) ** 2, 1e-12))))


def halo(codes: np.ndarray, scale: HaloScale) -> np.ndarray:
    """Place of each row's common factor on a scale of `HALO_CODES` equal steps, shape (R,)."""
    relative = (_factor(codes, scale.mean, scale.sd) - scale.centre) / scale.width
    half = (HALO_CODES - 1) / 2
    return np.clip(np.round(relative / 2.5 * half + half), 0, HALO_CODES - 1).astype(int)


def _factor(codes: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    used = codes >= 0
    return np.where(used, (codes - mean) / sd, 0.0).sum(axis=1) / np.maximum(used.sum(axis=1), 1)


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


def place(codes: np.ndarray, column: np.ndarray, unused: np.ndarray) -> np.ndarray:
    """Columns of the design that hold each row's states, shape (R, A)."""
    a = np.arange(codes.shape[1])
    return np.where(codes >= 0, column[a, np.maximum(codes, 0)], unused[a])


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


def user_share(mean: np.ndarray, column: np.ndarray, unused: np.ndarray) -> np.ndarray:
    """Share of each code among the users of its attribute; of *not used* among all."""
    out = mean.copy()
    for row in column:
        own = row[row >= 0]
        out[own] /= max(mean[own].sum(), 1e-300)
    out[unused[unused >= 0]] = mean[unused[unused >= 0]]
    return out


def design(data: DriverData, done: Completed, *, shape: Shape, with_halo: bool = False) -> tuple[Layout, Rows]:
    """Lay out the parameters and the rows of the likelihood."""
    codes, sizes = done.codes, data.sizes
    weight = data.weights[done.who]
    if with_halo:
        codes = np.concatenate([codes, halo(codes, halo_scale(done, weight))[:, None]], axis=1)
        sizes = (*sizes, HALO_CODES)
    column, unused, d = columns_of(sizes, codes)
    at = place(codes, column, unused)
    mean, spread = moments(at, np.repeat(weight / done.sizes, done.sizes), d)
    share = user_share(mean, column, unused)
    score = np.zeros(d)
    for a, k in enumerate(sizes):
        rise = np.linspace(-1, 1, k)
        score[column[a, :k]] = rise - rise @ share[column[a, :k]]
    ordinal = data.kind != "continuous"
    y = data.outcome[done.who].astype(int) if ordinal else standardised(data)[0][done.who]
    groups = len(data.groups) if len(data.groups) > 1 else 0
    codes_of_outcome = len(data.outcome_levels) if ordinal else 0
    rows = Rows(at, np.repeat(data.group[done.who], done.sizes), score, groups, done.first, np.repeat(y, done.sizes),
                weight, codes_of_outcome, data.kind)  # fmt: skip
    layout = Layout(sizes, column, unused, share, spread, np.ones(len(sizes)), shape, with_halo, groups, rows.tail,
                    NOISE_VAR if ordinal else 1.0)  # fmt: skip
    return layout, rows


def directed(layout: Layout, rows: Rows, *, surely: float = 3.0) -> Layout:
    """Find attributes whose better codes go with worse outcomes beyond doubt, and turn their curves round.

    A ridge on straight lines, sd 2 for the rise from the worst code to the best; `surely` is in posterior sds.
    """
    from cxlab.drivers.likelihood import expand
    from cxlab.drivers.sampler import tail_of

    a, p = len(layout.sizes), rows.effects
    has = np.flatnonzero(layout.unused >= 0)
    lines = np.zeros((p + rows.tail, a + len(has) + rows.tail))
    for i, k in enumerate(layout.sizes):
        lines[layout.column[i, :k], i] = rows.score[layout.column[i, :k]] / 2
    lines[layout.unused[has], a + np.arange(len(has))] = 1.0
    lines[p + np.arange(rows.tail), a + len(has) + np.arange(rows.tail)] = 1.0
    ridge = np.diag(np.concatenate([np.full(a + len(has), 1 / 4.0), np.full(rows.tail, 1e-3)]))
    c = np.zeros(lines.shape[1])
    c[a + len(has) :] = tail_of(rows)
    best: float = -np.inf
    step: np.ndarray = np.zeros_like(c)
    for _ in range(12):
        psi = lines @ c
        around, each, _ = expand(rows, psi)
        value = float(rows.weight @ each - 0.5 * c @ ridge @ c)
        if value < best:  # too far: come half of the way back
            step = step / 2
            c = c - step
            continue
        settled, best = value - best < 1e-2, value
        _, gradient = around(psi[None])
        hessian = around.curvature(psi)
        curve = ridge - lines.T @ hessian @ lines
        if settled:
            break
        step = np.linalg.solve(curve, lines.T @ gradient[0] - ridge @ c)
        c = c + step
    sd = np.sqrt(np.diag(np.linalg.inv(curve)))
    direction = np.where(c[:a] < -surely * sd[:a], -1.0, 1.0)
    return replace(layout, direction=direction)
