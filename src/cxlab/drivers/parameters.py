r"""What is drawn and what it means: standard normal parameters, turned into effects of codes by the prior's quantiles.

Every parameter is standard normal under the prior: a share of something is the quantile of its beta distribution there,
a scale that of its gamma. What the data leave open is then normal, what they settle nearly so, and one sampler does for
3 attributes and for 40; the log prior is ``-z.z / 2`` whatever the priors are. Dirichlet shares are sticks broken off
one after the other. All is linear but for the logs and exponentials of shares, so that the slope is the same products
backwards, for hundreds of walkers in one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal

import numpy as np

Shape = Literal["linear", "monotone", "free"]
NOISE_VAR: Final = np.pi**2 / 3  # of the standard logistic
_REACH, _STEP = 9.0, 0.02  # of the tables of quantiles, sds
_TINY: Final = 1e-300


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    r2_a: float = 0.5  # beta weight of R2 near 0; share of the latent variance, no unit
    r2_b: float = 1.0  # beta weight of R2 near 1; no unit
    split: float = 0.5  # gamma weight of each squared strength; 0.5 = half-normal strengths, smaller = fewer drivers
    step: float = 1.0  # Dirichlet weight of each step of a curve, in answers; 1 = any rising curve alike
    unused_scale: float = 0.5  # sd of the effect of not having used, in rises of a middling attribute
    concentration: float = 1.0  # Dirichlet weight of each code of the outcome, in answers
    group_mean_scale: float = 0.5  # half-normal sd of the groups' averages, logits
    group_slope_scale: float = 0.25  # half-normal sd of the groups' own rises, logits from middle to best code


@dataclass(frozen=True)
class Layout:
    """Columns of the design, and the places of the parameters.

    Attributes
    ----------
    sizes : tuple of int
        Codes of each attribute.
    column : array of int, shape (A, Kmax)
        Column of each code; -1 beyond an attribute's codes.
    unused : array of int, shape (A,)
        Column of *not used*; -1 where everybody used it.
    share : array, shape (D,)
        Share of each column among the users of its attribute (codes), or among all (not used).
    spread : array, shape (D, D)
        Covariance of the columns over the respondents.
    direction : array, shape (A,)
        1, or -1 where a better code goes with a worse outcome.
    shape : str
        ``linear``, ``monotone`` or ``free``.
    groups : int
        Groups with slopes of their own.
    codes : int
        Codes of the outcome; 0 if continuous.
    """

    sizes: tuple[int, ...]
    column: np.ndarray
    unused: np.ndarray
    share: np.ndarray
    spread: np.ndarray
    direction: np.ndarray
    shape: Shape
    groups: int
    codes: int

    @property
    def noise_var(self) -> float:
        """Of the latent outcome."""
        return NOISE_VAR if self.codes else 1.0

    @property
    def effects(self) -> int:
        """Number of effects: columns, then the groups' averages and slopes."""
        return len(self.share) + self.groups * (1 + len(self.sizes))

    @property
    def tail(self) -> int:
        """Number of unknowns after the effects: cuts, or the mean and one over the sd."""
        return self.codes - 1 if self.codes else 2

    @cached_property
    def places(self) -> dict[str, slice]:
        """Slices of the parameter vector, by name."""
        a = len(self.sizes)
        steps = {"linear": 0, "monotone": sum(k - 2 for k in self.sizes), "free": sum(k - 1 for k in self.sizes)}
        lengths = {
            "r2": 1,
            "strength": a - 1,  # sticks of the squared strengths ..
            "size": 1,  # .. and their sum, against which the effect of not having used is measured
            "unused": int((self.unused >= 0).sum()),
            "steps": steps[self.shape],
            "group_scale": 2 if self.groups else 0,
            "group": self.groups * (a + 1),
            "tail": self.tail,
        }
        ends = np.cumsum(list(lengths.values()))
        return {name: slice(int(e - n), int(e)) for (name, n), e in zip(lengths.items(), ends, strict=True)}

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.places["tail"].stop


class Prior:
    """The map from standard normal parameters z to the unknowns of the likelihood, for many points at once.

    Parameters
    ----------
    layout : Layout
    priors : Priors
    """

    def __init__(self, layout: Layout, priors: Priors) -> None:
        self.layout, self.split = layout, priors.split
        place, a, d = layout.places, len(layout.sizes), len(layout.share)
        betas: list[tuple[int, float, float]] = [(0, priors.r2_a, priors.r2_b)]
        blocks: list[tuple[list[int], int]] = []  # sticks of each set of shares, and how many shares

        def broken(first: int, shares: int, weight: float) -> None:
            sticks = [first + j for j in range(shares - 1)]
            blocks.append((list(range(len(betas), len(betas) + shares - 1)), shares))
            betas.extend((z, weight, weight * (shares - 1 - j)) for j, z in enumerate(sticks))

        broken(place["strength"].start, a, priors.split)
        at = place["steps"].start
        for k in layout.sizes if layout.shape == "monotone" else ():
            broken(at, k - 1, priors.step)
            at += k - 2
        if layout.codes:
            broken(place["tail"].start, layout.codes, priors.concentration)
        self._z = np.array([z for z, _, _ in betas])
        scales = [(place["size"].start, priors.split * a)]
        scales += [(z, 0.5) for z in range(place["group_scale"].start, place["group_scale"].stop)]
        self._scale = np.array([z for z, _ in scales])
        self._table, self._which = _tables([("beta", x, y) for _, x, y in betas] + [("gamma", x, 0) for _, x in scales])
        shares = sum(n for _, n in blocks)
        self._of = np.zeros((2, len(betas), shares))  # logs of sticks and of what they leave -> logs of shares
        start, self._shares = 0, []
        for sticks, n in blocks:
            for j in range(n):
                self._of[1, sticks[:j], start + j] = 1.0
                if j < n - 1:
                    self._of[0, sticks[j], start + j] = 1.0
            self._shares.append(slice(start, start + n))
            start += n
        self._curve, self._line, self._normal = np.zeros((shares, d)), np.zeros(d), np.zeros((layout.size, d))
        self._strength = np.zeros((a, d))
        at = place["steps"].start
        for i, k in enumerate(layout.sizes):
            own = layout.column[i, :k]
            rise = np.tri(k, k - 1, -1)  # code x step
            rise = layout.direction[i] * (rise - layout.share[own] @ rise).T
            if layout.shape == "free":
                self._normal[at : at + k - 1, own] = rise * layout.direction[i] / np.sqrt(k - 1)
                at += k - 1
                continue
            self._strength[i, own] = 1.0
            if layout.shape == "linear":
                self._line[own] = rise.mean(axis=0)
            else:
                self._curve[self._shares[1 + i], own] = rise
        has = layout.unused[layout.unused >= 0]
        self._normal[place["unused"], has] = priors.unused_scale * np.eye(len(has))
        self._group = np.log([priors.group_mean_scale, priors.group_slope_scale])
        self._below = np.zeros((2, shares, max(layout.codes - 1, 0)))
        if layout.codes:
            self._below[:, self._shares[-1]] = _sides(layout.codes)

    def unknowns(self, z: np.ndarray) -> np.ndarray:
        """Return effects of the columns, the groups' averages and slopes, the tail: (S, size) -> (S, unknowns)."""
        return self.forward(z)[0]

    def r2(self, z: np.ndarray) -> np.ndarray:
        """Return the share of the latent variance that goes with the attributes, (S,)."""
        value, _ = self._looked(z)
        return np.asarray(np.exp(value[0][:, 0]))

    def of_strengths(self, strength: np.ndarray) -> np.ndarray:
        """Return the sticks whose squared strengths are in these proportions, (A - 1,)."""
        from scipy.special import betainc, ndtri

        square = np.maximum(np.asarray(strength, float), 1e-9) ** 2
        rest = np.cumsum(square[::-1])[::-1]
        after = self.split * np.arange(len(square) - 1, 0, -1)
        return np.asarray(ndtri(betainc(self.split, after, square[:-1] / rest[:-1]).clip(1e-16, 1 - 1e-16)))

    def _looked(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logs of all quantiles and of one minus them with their slopes, each (2, S, betas and gammas)."""
        at = np.concatenate([z[:, self._z], z[:, self._scale]], axis=1)
        x = (at.clip(-_REACH + 1e-6, _REACH - 1e-6) + _REACH) / _STEP
        cell = x.astype(int)
        t = ((x - cell) * _STEP)[..., None]
        c = self._table[cell, self._which]
        value = ((c[..., 0] * t + c[..., 1]) * t + c[..., 2]) * t + c[..., 3]
        slope = (3 * c[..., 0] * t + 2 * c[..., 1]) * t + c[..., 2]
        return np.moveaxis(value, 2, 0), np.moveaxis(slope, 2, 0)

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the unknowns, and what `backward` needs of the way there."""
        layout, place, n = self.layout, self.layout.places, len(self._z)
        log, slope = self._looked(z)
        share = np.exp(log[0, :, :n] @ self._of[0] + log[1, :, :n] @ self._of[1])
        strength = np.sqrt(2 * np.exp(log[0, :, n])[:, None] * share[:, self._shares[0]] + _TINY)
        wide = strength @ self._strength if layout.shape != "free" else np.ones((len(z), len(layout.share)))
        curve = share @ self._curve + self._line
        raw = curve * wide + z @ self._normal
        bent = raw @ layout.spread
        explained = np.maximum((raw * bent).sum(axis=1), _TINY)
        fit = log[0, :, 0] - log[1, :, 0]  # logit of R2
        scale = np.exp(0.5 * fit) * np.sqrt(layout.noise_var / explained)
        sd = np.exp(0.5 * np.logaddexp(0.0, fit))  # of the latent outcome, in units of its noise
        parts = [scale[:, None] * raw]
        if layout.groups:
            by = np.exp(0.5 * (np.log(2) + log[0, :, n + 1 :]) + self._group)
            by = np.repeat(by, [layout.groups, layout.groups * len(layout.sizes)], axis=1)
            parts.append(z[:, place["group"]] * by)
        tail = z[:, place["tail"]]
        if layout.codes:
            under, over = (np.maximum(share @ side, _TINY) for side in self._below)
            parts.append(sd[:, None] * (np.log(under) - np.log(over)))
        else:
            parts += [tail[:, :1], (sd * np.exp(-tail[:, 1]))[:, None]]
        kept = {"slope": slope, "share": share, "strength": strength, "wide": wide, "curve": curve, "bent": bent}
        kept |= {"explained": explained, "scale": scale, "sd": sd, "r2": np.exp(log[0, :, 0])}
        return np.concatenate(parts, axis=1), kept | ({"by": by} if layout.groups else {})

    def backward(self, z: np.ndarray, unknowns: np.ndarray, kept: dict[str, np.ndarray], g: np.ndarray) -> np.ndarray:
        """Carry gradients by the unknowns, shape (S, unknowns), back to the parameters: (S, size)."""
        layout, place, n, d = self.layout, self.layout.places, len(self._z), len(self.layout.share)
        out = np.zeros_like(z)
        by_log = np.zeros((2, len(z), len(self._which)))
        along = (g[:, :d] * unknowns[:, :d]).sum(axis=1)
        by_raw = kept["scale"][:, None] * g[:, :d] - (along / kept["explained"])[:, None] * kept["bent"]
        by_fit = 0.5 * along
        out += by_raw @ self._normal.T
        by_curve = by_raw * kept["wide"]
        by_share = by_curve @ self._curve.T
        if layout.shape != "free":
            by_square = 0.5 * ((by_curve * kept["curve"]) @ self._strength.T)
            by_log[0, :, n] = by_square.sum(axis=1)
        by_tail, tail = g[:, layout.effects :], unknowns[:, layout.effects :]
        if layout.codes:
            by_sd = (by_tail * tail).sum(axis=1)
            by_logit = by_tail * kept["sd"][:, None]
            for side, sign in zip(self._below, (1, -1), strict=True):
                by_share += sign * (by_logit / np.maximum(kept["share"] @ side, _TINY)) @ side.T
        else:
            by_sd = by_tail[:, 1] * tail[:, 1]
            out[:, place["tail"]] += np.stack([by_tail[:, 0], -by_sd], axis=1)
        by_fit += 0.5 * kept["r2"] * by_sd
        by_log[0, :, 0] += by_fit
        by_log[1, :, 0] -= by_fit
        by_share *= kept["share"]
        if layout.shape != "free":
            by_share[:, self._shares[0]] += by_square
        by_log[:, :, :n] += np.stack([by_share @ side.T for side in self._of])
        if layout.groups:
            own = g[:, d : layout.effects] * unknowns[:, d : layout.effects]
            by_log[0, :, n + 1] = 0.5 * own[:, : layout.groups].sum(axis=1)
            by_log[0, :, n + 2] = 0.5 * own[:, layout.groups :].sum(axis=1)
            out[:, place["group"]] += g[:, d : layout.effects] * kept["by"]
        by_z = (by_log * kept["slope"]).sum(axis=0)
        out[:, self._z] += by_z[:, :n]
        out[:, self._scale] += by_z[:, n:]
        return out


def _sides(k: int) -> np.ndarray:
    """Shares of codes -> those below each boundary, and those above it: (2, K, K - 1)."""
    below = (np.arange(k)[:, None] <= np.arange(k - 1)).astype(float)
    return np.stack([below, 1 - below])


def _tables(kinds: list[tuple[str, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Cubics of the log quantiles, (cell, kind, 2, 4), and which kind each parameter has."""
    different = list(dict.fromkeys(kinds))
    return np.stack([_cubics(*kind) for kind in different], axis=1), np.array([different.index(k) for k in kinds])


@lru_cache(maxsize=256)
def _cubics(kind: str, a: float, b: float) -> np.ndarray:
    """Log of the quantile at the normal's probability, and of one minus it (beta only), as splines: (cell, 2, 4)."""
    from scipy import special
    from scipy.interpolate import CubicSpline

    grid = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    low, high = special.ndtr(grid), special.ndtr(-grid)
    if kind == "gamma":
        value = np.where(grid < 0, special.gammaincinv(a, low), special.gammainccinv(a, high))
        both = [np.log(np.maximum(value, _TINY)), np.zeros(len(grid))]
    else:
        first, second = special.betaincinv(a, b, low), special.betaincinv(b, a, high)
        logs = [np.log(np.maximum(x, _TINY)) for x in (first, second)]
        rest = [np.log1p(-np.minimum(x, 1 - 1e-16)) for x in (first, second)]
        both = [np.where(grid < 0, logs[0], rest[1]), np.where(grid < 0, rest[0], logs[1])]
    return np.stack([CubicSpline(grid, x).c.T for x in both], axis=1)
