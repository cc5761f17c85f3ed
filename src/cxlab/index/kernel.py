"""The log likelihood of completed answers and its gradient as plain loops, compiled by numba when first used.

As loops it costs some 10 microseconds, as array operations ten times as much, nearly all of it numpy's own overhead;
NUTS asks for it a hundred thousand times where latents nearly coincide. The PyMC model is its oracle in a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np


@cache
def compiled() -> Callable[..., float]:
    """Return `log_likelihood` as machine code; numba keeps it beside this file for later processes."""
    import numba

    made: Callable[..., float] = numba.njit(cache=True)(log_likelihood)
    return made


def log_likelihood(
    x: np.ndarray,
    slopes: np.ndarray,
    origin: np.ndarray,
    to: np.ndarray,
    free: np.ndarray,
    noisy: np.ndarray,
    block: np.ndarray,
    residual: np.ndarray,
    covariance: np.ndarray,
    freedom: float,
) -> float:
    """Compute the log likelihood at `x` and write its gradient into `slopes`.

    Parameters
    ----------
    x, slopes : array, shape (d,)
        Paths, free loadings, log sds of latents, log residual sds.
    origin, to : array of int, shape (paths,)
        Latents in causal order, so that ``origin < to``.
    free, noisy : array of int
        Items whose loading, whose residual is a parameter.
    block : array of int, shape (J,)
        Latent of each item.
    residual : array, shape (J,)
        Residual variances of the other items.
    covariance : array, shape (J, J)
    freedom : float

    Returns
    -------
    float
        Minus infinity where an sd is beyond what floating point can hold.
    """
    a, b = len(origin), len(origin) + len(free)
    j, d = len(block), len(x)
    k = d - b - len(noisy)
    for i in range(d):
        slopes[i] = 0.0
    for i in range(b, d):
        if not (-11.5 < x[i] < 11.5):
            return -np.inf
    loading, theta = np.ones(j), residual.copy()
    for i in range(len(free)):
        loading[free[i]] = x[a + i]
    for i in range(len(noisy)):
        theta[noisy[i]] = math.exp(2.0 * x[b + k + i])
    sd, slope = np.exp(x[b : b + k]), loading / theta
    less = np.zeros((k, k))
    for i in range(a):
        less[to[i], origin[i]] = x[i]
    total = np.zeros((k, k))  # (I - B)^-1 by substitution
    for c in range(k):
        total[c, c] = 1.0
        for r in range(c + 1, k):
            for m in range(c, r):
                total[r, c] += less[r, m] * total[m, c]
    sz, inner, info = np.zeros((j, k)), np.zeros((k, k)), np.zeros(k)
    for i in range(j):
        info[block[i]] += loading[i] * slope[i]
        for m in range(j):
            sz[i, block[m]] += covariance[i, m] * slope[m]
    for i in range(j):
        for c in range(k):
            inner[block[i], c] += slope[i] * sz[i, c]
    v, g = np.zeros((k, k)), np.zeros((k, k))
    for r in range(k):
        for c in range(r + 1):
            v[r, c] = total[r, c] * sd[c]
    for r in range(k):
        for c in range(r + 1):
            for m in range(r, k):
                g[r, c] += v[m, r] * info[m] * v[m, c]
        g[r, r] += 1.0
    value = 0.0
    for r in range(k):  # Cholesky in place, lower triangle
        for c in range(r + 1):
            left = g[r, c]
            for m in range(c):
                left -= g[r, m] * g[c, m]
            if r == c:
                if left <= 0.0:
                    return -np.inf
                g[r, r] = math.sqrt(left)
                value += 2.0 * math.log(g[r, r])
            else:
                g[r, c] = left / g[c, c]
    root = np.zeros((k, k))  # L^-1 V'
    for c in range(k):
        for r in range(k):
            left = v[c, r]
            for m in range(r):
                left -= g[r, m] * root[m, c]
            root[r, c] = left / g[r, r]
    h, hm, hmh = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    for r in range(k):
        for c in range(r + 1):
            for m in range(k):
                h[r, c] += root[m, r] * root[m, c]
            h[c, r] = h[r, c]
    for r in range(k):
        for c in range(k):
            for m in range(k):
                hm[r, c] += h[r, m] * inner[m, c]
    for r in range(k):
        value -= hm[r, r]
        for c in range(r + 1):
            for m in range(k):
                hmh[r, c] += hm[r, m] * h[m, c]
            hmh[c, r] = hmh[r, c]
    by_theta, by_loading = np.zeros(j), np.zeros(j)
    for i in range(j):
        own = block[i]
        value += math.log(theta[i]) + covariance[i, i] / theta[i]
        szh = 0.0
        for m in range(k):
            szh += sz[i, m] * h[m, own]
        both = (h[own, own] + hmh[own, own]) * slope[i]
        by_loading[i] = 2.0 * (both - szh / theta[i])
        by_theta[i] = (1.0 - covariance[i, i] / theta[i] + slope[i] * (2.0 * szh - both * theta[i])) / theta[i]
    # Derivative by the latents' covariance: r = D W - W' M W with W = I - H D.
    w, mw, by_latent = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    for r in range(k):
        for c in range(k):
            w[r, c] = -h[r, c] * info[c]
        w[r, r] += 1.0
    for r in range(k):
        for c in range(k):
            for m in range(k):
                mw[r, c] += inner[r, m] * w[m, c]
    for r in range(k):
        for c in range(k):
            by_latent[r, c] = info[r] * w[r, c]
            for m in range(k):
                by_latent[r, c] -= w[m, r] * mw[m, c]
    pulled, vv = np.zeros((k, k)), np.zeros((k, k))
    for r in range(k):
        for c in range(k):
            for m in range(r, k):
                pulled[r, c] += total[m, r] * by_latent[m, c]
            for m in range(min(r, c) + 1):
                vv[r, c] += v[r, m] * v[c, m]
    for i in range(a):
        for m in range(k):
            slopes[i] -= freedom * pulled[to[i], m] * vv[m, origin[i]]
    for i in range(len(free)):
        slopes[a + i] = -0.5 * freedom * by_loading[free[i]]
    for c in range(k):
        for m in range(c, k):
            slopes[b + c] -= freedom * pulled[c, m] * total[m, c] * sd[c] * sd[c]
    for i in range(len(noisy)):
        slopes[b + k + i] = -freedom * by_theta[noisy[i]] * theta[noisy[i]]
    return -0.5 * freedom * value
