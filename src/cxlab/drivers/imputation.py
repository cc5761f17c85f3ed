"""What blanks may hide, given the other ratings: a Gaussian copula of the attributes, fitted and drawn from.

Each attribute has a latent normal cut into its codes; *not used* is a second latent, cut once, so that a rating is
never made up for somebody who did not use it, while a blank may hide either. The correlations start from pairwise
polychoric ones (Olsson 1979) and, with thresholds, are refined by stochastic approximation EM on the rows themselves,
the outcome among them, so that ratings missing because of other ratings or of the outcome do not bias them. Imputations
are drawn given the other ratings only: the outcome speaks through the likelihood.

References
----------
Olsson (1979), Maximum likelihood estimation of the polychoric correlation coefficient, doi:10.1007/BF02296207.
Hoff (2007), Extending the rank likelihood for semiparametric copula estimation, doi:10.1214/07-AOAS107.
Delyon, Lavielle and Moulines (1999), Convergence of a stochastic approximation version of EM,
doi:10.1214/aos/1018031103.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.drivers.data import BLANK, NOT_USED, DriverData

if TYPE_CHECKING:
    import xarray as xr

ANGLES: Final = np.linspace(-1.47, 1.47, 99)  # arcsine of the correlations tried
FITTED_ROWS: Final = 3000  # rows that refine the copula
SWEEPS: Final = 40
BURN, THIN = 15, 3


@dataclass(frozen=True)
class Copula:
    """Latent normals behind the ratings.

    Attributes
    ----------
    correlation : array, shape (L, L)
        Of the latents: the A ratings, then *used* of the attributes in `usage`.
    thresholds : array, shape (L, T)
        Cuts of each latent, in order; infinity beyond an attribute's codes.
    sizes : tuple of int
        Codes of each attribute.
    usage : tuple of int
        Attributes that some did not use.
    """

    correlation: np.ndarray
    thresholds: np.ndarray
    sizes: tuple[int, ...]
    usage: tuple[int, ...]


def states(codes: np.ndarray, usage: tuple[int, ...]) -> np.ndarray:
    """Places of the latents' codes, -1 where unknown, shape (N, L): ratings, then usage (0 not used, 1 used)."""
    used = codes[:, list(usage)]
    return np.concatenate(
        [np.where(codes >= 0, codes, BLANK), np.where(used == BLANK, BLANK, (used != NOT_USED).astype(int))], axis=1
    )


def fit(data: DriverData, *, seed: int) -> Copula:
    """Fit the copula to all respondents, those without an outcome too."""
    random = np.random.default_rng(seed)
    usage = tuple(int(a) for a in np.flatnonzero((data.codes == NOT_USED).any(axis=0)))
    state = np.concatenate([states(data.codes, usage), _outcome(data)[:, None]], axis=1)
    sizes = (*data.sizes, *[2] * len(usage), int(state[:, -1].max()) + 1)
    counts = [
        np.bincount(state[known := state[:, j] >= 0, j], weights=data.weights[known], minlength=k) + 0.5 / k
        for j, k in enumerate(sizes)
    ]
    thresholds = _thresholds(counts, max(sizes) - 1)
    correlation = _polychoric(state, sizes, thresholds, data.weights)
    kept = random.permutation(len(state))[:FITTED_ROWS]
    correlation, thresholds = _refined(state[kept], data.weights[kept], sizes, correlation, thresholds, random)
    last = len(sizes) - 1
    return Copula(correlation[:last, :last], thresholds[:last], data.sizes, usage)


def impute(copula: Copula, codes: np.ndarray, *, times: int, seed: int) -> np.ndarray:
    """Fill the blanks, given the rest of their row.

    Parameters
    ----------
    copula : Copula
    codes : array of int, shape (N, A)
        -1 a blank, -2 not used.
    times : int
        Completed copies of each row.

    Returns
    -------
    array of int, shape (N, times, A)
    """
    random = np.random.default_rng(seed)
    state = states(codes, copula.usage)
    low, high = _bounds(state, copula.thresholds)
    z = _within(low, high, np.zeros(1), 1.0, random)
    out = np.repeat(codes[:, None, :], times, axis=1)
    blank = codes == BLANK
    latents = len(codes[0])
    for i in range(BURN + times * THIN):
        _sweep(z, low, high, copula.correlation, random)
        if i >= BURN and (i - BURN) % THIN == THIN - 1:
            filled = np.empty_like(codes)
            for a, k in enumerate(copula.sizes):
                filled[:, a] = np.searchsorted(copula.thresholds[a, : k - 1], z[:, a])
            for u, a in enumerate(copula.usage):
                filled[z[:, latents + u] < copula.thresholds[latents + u, 0], a] = NOT_USED
            copy = out[:, (i - BURN) // THIN]
            copy[blank] = filled[blank]
    return out


def repeated(copula: Copula, codes: np.ndarray, *, times: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return respondents without blanks, those who left some `times` times, and how many rows stand for each."""
    gaps = (codes == BLANK).any(axis=1)
    size = np.where(gaps, times, 1)
    out = np.repeat(codes, size, axis=0)
    out[np.repeat(gaps, size)] = impute(copula, codes[gaps], times=times, seed=seed).reshape(-1, codes.shape[1])
    return out, size


def _outcome(data: DriverData) -> np.ndarray:
    """The outcome as places of codes; a continuous one in up to ten classes of equal size."""
    if data.kind != "continuous":
        return data.outcome.astype(int)
    has = data.answered
    out = np.full(len(has), BLANK)
    edges = np.unique(np.quantile(data.outcome[has], np.linspace(0.1, 0.9, 9)))
    out[has] = np.unique(np.searchsorted(edges, data.outcome[has], side="right"), return_inverse=True)[1]
    return out


def _thresholds(counts: list[np.ndarray], width: int) -> np.ndarray:
    from scipy.special import ndtri

    out = np.full((len(counts), width), np.inf)
    for j, n in enumerate(counts):
        out[j, : len(n) - 1] = ndtri((np.cumsum(n) / n.sum())[:-1].clip(1e-9, 1 - 1e-9))
    return out


def _polychoric(state: np.ndarray, sizes: tuple[int, ...], thresholds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pairwise correlations of the latents; pairs seen by few lean on the average pair; made positive definite."""
    last = len(sizes)
    pairs = [(i, j) for i in range(last) for j in range(i)]
    scores, seen = np.zeros((len(pairs), len(ANGLES))), np.zeros(len(pairs))
    for p, (i, j) in enumerate(pairs):
        known = (state[:, i] >= 0) & (state[:, j] >= 0)
        if not known.any():
            continue
        table = np.bincount(
            state[known, i] * sizes[j] + state[known, j], weights=weights[known], minlength=sizes[i] * sizes[j]
        ).reshape(sizes[i], sizes[j])
        cells = _cells(thresholds[i, : sizes[i] - 1], thresholds[j, : sizes[j] - 1])
        scores[p] = (table * np.log(cells)).sum(axis=(1, 2))
        seen[p] = table.sum()
    best = ANGLES[scores.argmax(axis=1)]
    centre = float((best * seen).sum() / max(seen.sum(), 1e-9))
    scores = scores - 0.5 * ((ANGLES - np.where(seen > 0, centre, 0.0)[:, None]) / 0.5) ** 2
    top = scores.argmax(axis=1).clip(1, len(ANGLES) - 2)
    left, mid, right = (scores[np.arange(len(pairs)), top + s] for s in (-1, 0, 1))
    bend = np.minimum(left + right - 2 * mid, -1e-9)
    angle = ANGLES[top] + (0.5 * (left - right) / bend).clip(-1, 1) * (ANGLES[1] - ANGLES[0])
    out = np.eye(last)
    for (i, j), a in zip(pairs, angle, strict=True):
        out[i, j] = out[j, i] = np.sin(a)
    return _proper(out)


def _cells(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Probabilities of the cells of two cut normals for every angle, shape (angles, K1, K2) (Plackett's identity)."""
    from scipy.special import ndtr

    h, k = first[:, None], second[None, :]
    sine, cosine = np.sin(ANGLES)[:, None, None], np.cos(ANGLES)[:, None, None]
    rate = np.exp(-(h**2 - 2 * h * k * sine + k**2) / (2 * cosine**2)) / (2 * np.pi)
    middle = len(ANGLES) // 2
    area = np.concatenate([np.zeros_like(rate[:1]), np.cumsum((rate[1:] + rate[:-1]) / 2, axis=0)])
    area = (area - area[middle]) * (ANGLES[1] - ANGLES[0])
    both = np.zeros((len(ANGLES), len(first) + 2, len(second) + 2))
    both[:, 1:-1, 1:-1] = ndtr(h) * ndtr(k) + area
    both[:, -1, 1:-1], both[:, 1:-1, -1], both[:, -1, -1] = ndtr(second), ndtr(first), 1.0
    return np.diff(np.diff(both, axis=1), axis=2).clip(min=1e-9)


def _proper(matrix: np.ndarray) -> np.ndarray:
    """The matrix with its eigenvalues lifted to 0.01 and ones on the diagonal."""
    sizes, directions = np.linalg.eigh((matrix + matrix.T) / 2)
    out = (directions * np.maximum(sizes, 0.01)) @ directions.T
    scale = np.sqrt(np.diag(out))
    return out / scale / scale[:, None]


def _refined(
    state: np.ndarray,
    weights: np.ndarray,
    sizes: tuple[int, ...],
    correlation: np.ndarray,
    thresholds: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Stochastic approximation EM for correlations and thresholds."""
    share = weights / weights.sum()
    blank = state < 0
    z = _within(*_bounds(state, thresholds), np.zeros(1), 1.0, random)
    known = [
        np.bincount(state[~blank[:, j], j], weights=weights[~blank[:, j]], minlength=k) for j, k in enumerate(sizes)
    ]
    for _ in range(5):
        _sweep(z, *_bounds(state, thresholds), correlation, random)
    moment = correlation
    expected = [np.zeros(k) for k in sizes]
    for i in range(SWEEPS):
        low, high = _bounds(state, thresholds)
        _sweep(z, low, high, correlation, random)
        pace = 1.0 if i < SWEEPS // 2 else 1 / (i - SWEEPS // 2 + 1)
        blend = 0.3 if i < SWEEPS // 2 else pace
        spread = (z * share[:, None]).T @ z - np.outer(share @ z, share @ z)
        moment = (1 - blend) * moment + blend * spread
        scale = np.sqrt(np.diag(moment))
        correlation = _proper(moment / scale / scale[:, None])
        for j, k in enumerate(sizes):
            # a latent's mean and sd are fixed at 0 and 1: shares of codes are counted, not the latent moved
            filled = np.searchsorted(thresholds[j, : k - 1], z[blank[:, j], j])
            counted = np.bincount(filled, weights=weights[blank[:, j]], minlength=k)
            expected[j] = (1 - blend) * expected[j] + blend * counted
        thresholds = _thresholds(
            [a + b + 0.5 / k for a, b, k in zip(known, expected, sizes, strict=True)], thresholds.shape[1]
        )
    return correlation, thresholds


def _bounds(state: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each latent, shape (N, L) each."""
    edges = np.concatenate(
        [np.full((len(thresholds), 1), -np.inf), thresholds, np.full((len(thresholds), 1), np.inf)], axis=1
    )
    latent = np.arange(state.shape[1])
    low = np.where(state >= 0, edges[latent, np.maximum(state, 0)], -np.inf)
    high = np.where(state >= 0, edges[latent, np.maximum(state, 0) + 1], np.inf)
    return low, high


def _sweep(
    z: np.ndarray, low: np.ndarray, high: np.ndarray, correlation: np.ndarray, random: np.random.Generator
) -> None:
    """Draw every latent given the others, in place."""
    precision = np.linalg.inv(correlation)
    for j in random.permutation(z.shape[1]):
        mean = z[:, j] - z @ precision[:, j] / precision[j, j]
        z[:, j] = _within(low[:, j], high[:, j], mean, 1 / np.sqrt(precision[j, j]), random)


def _within(low: np.ndarray, high: np.ndarray, mean: np.ndarray, sd: float, random: np.random.Generator) -> np.ndarray:
    """Normal draws between bounds."""
    from scipy.special import ndtr, ndtri

    a, b = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    u = (a + random.random(low.shape) * (b - a)).clip(1e-12, 1 - 1e-12)
    return mean + sd * ndtri(u)


def as_dataset(copula: Copula) -> xr.Dataset:
    """The copula as arrays, to be kept beside the draws."""
    import xarray as xr

    return xr.Dataset(
        {
            "correlation": (("latent", "latent_"), copula.correlation),
            "thresholds": (("latent", "cut"), copula.thresholds),
            "sizes": (("attribute",), np.array(copula.sizes)),
            "usage": (("used",), np.array(copula.usage, dtype=int)),
        }
    )


def from_dataset(kept: xr.Dataset) -> Copula:
    """Read back what `as_dataset` kept."""
    return Copula(
        kept["correlation"].to_numpy(), kept["thresholds"].to_numpy(), tuple(map(int, kept["sizes"].to_numpy())),
        tuple(map(int, kept["usage"].to_numpy())),
    )  # fmt: skip
