"""From the parameters that are sampled to effects of codes, with the prior, for many points at once.

Everything here has the points in front, so that one call serves all chains. `Layout` says where each parameter stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from cxlab.drivers.priors import Priors

Shape = Literal["linear", "monotone", "free"]
FIXED: Final = 0.05  # log sd of a length that has no effect
NOISE_VAR: Final = np.pi**2 / 3  # of the standard logistic


@dataclass(frozen=True)
class Layout:
    """Columns of the design and the places of the parameters.

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
    halo : bool
        The last attribute is the common factor of the ratings; its curve is a line.
    groups : int
        Groups with slopes of their own.
    tail : int
        Unknowns of the outcome: cuts, or mean and sd.
    noise_var : float
        Of the latent outcome: pi^2 / 3, or 1.
    """

    sizes: tuple[int, ...]
    column: np.ndarray
    unused: np.ndarray
    share: np.ndarray
    spread: np.ndarray
    direction: np.ndarray
    shape: Shape
    halo: bool
    groups: int
    tail: int
    noise_var: float

    @cached_property
    def places(self) -> dict[str, slice]:
        """Slices of the parameter vector, by name."""
        a, g = len(self.sizes), self.groups
        lengths = {
            "fit": 1,  # logit of R2
            "strength": len(self.rated),  # log
            "unused": int((self.unused >= 0).sum()),
            "steps": sum(self._free(i) for i in range(a)),
            "group_scale": 2 if g else 0,  # log sd of the groups' averages and of their slopes
            "group": g * (a + 1),
            "tail": self.tail,
        }
        ends = np.cumsum(list(lengths.values()))
        return {name: slice(int(e - n), int(e)) for (name, n), e in zip(lengths.items(), ends, strict=True)}

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.places["tail"].stop

    @cached_property
    def rated(self) -> list[int]:
        """Attributes with a strength of their own; free curves have none but in their steps."""
        a = len(self.sizes)
        return list(range(a)) if self.shape != "free" else [a - 1] if self.halo else []

    def _free(self, a: int) -> int:
        """Number of parameters of an attribute's curve beside its strength."""
        if self.halo and a == len(self.sizes) - 1:
            return 0
        return {"linear": 0, "monotone": self.sizes[a] - 2, "free": self.sizes[a] - 1}[self.shape]

    @cached_property
    def alike(self) -> list[Alike]:
        """Attributes with as many codes and steps, which are worked on together."""
        starts = np.concatenate([[0], np.cumsum([self._free(a) for a in range(len(self.sizes))])]).astype(int)
        kinds: dict[tuple[int, int], list[int]] = {}
        for a, k in enumerate(self.sizes):
            kinds.setdefault((k, self._free(a)), []).append(a)
        return [
            Alike(
                np.array(members),
                self.column[members, :k],
                starts[members][:, None] + np.arange(n),
                self.share[self.column[members, :k]],
            )
            for (k, n), members in kinds.items()
        ]


@dataclass(frozen=True)
class Alike:
    """M attributes with as many codes K and step parameters n.

    Attributes
    ----------
    members : array of int, shape (M,)
    column : array of int, shape (M, K)
    steps : array of int, shape (M, n)
        Places among the steps.
    share : array, shape (M, K)
        Of the users.
    """

    members: np.ndarray
    column: np.ndarray
    steps: np.ndarray
    share: np.ndarray


@lru_cache
def contrasts(k: int) -> np.ndarray:
    """Orthonormal zero-sum columns, shape (k, k - 1)."""
    basis = np.zeros((k, k - 1))
    for j in range(1, k):
        basis[:j, j - 1] = 1.0
        basis[j, j - 1] = -j
        basis[:, j - 1] /= np.sqrt(j * (j + 1))
    return basis


def increments(layout: Layout, theta: np.ndarray) -> list[np.ndarray]:
    """Steps from code to code as parts of the whole rise, for each kind of `Layout.alike`: arrays (S, M, K - 1)."""
    raw = theta[:, layout.places["steps"]]
    out = []
    for kind in layout.alike:
        k = kind.column.shape[1] - 1
        if kind.steps.shape[1] == 0:
            out.append(np.full((len(theta), len(kind.members), k), 1 / k))
        elif layout.shape == "free":
            out.append(raw[:, kind.steps] / np.sqrt(k))
        else:
            e = raw[:, kind.steps] @ contrasts(k).T
            e = np.exp(e - e.max(axis=2, keepdims=True))
            out.append(e / e.sum(axis=2, keepdims=True))
    return out


def forward(layout: Layout, priors: Priors, theta: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Map parameters to the unknowns of the likelihood.

    Parameters
    ----------
    layout : Layout
    priors : Priors
    theta : array, shape (S, size)

    Returns
    -------
    psi : array, shape (S, unknowns)
        Effects of the columns, the groups' averages and slopes, the tail; see `cxlab.drivers.likelihood`.
    kept : dict
        Intermediate arrays for `backward`.
    """
    s, place, d = len(theta), layout.places, len(layout.share)
    strength = np.ones((s, len(layout.sizes)))
    strength[:, layout.rated] = np.exp(theta[:, place["strength"]])
    raw = np.zeros((s, d))
    parts = increments(layout, theta)
    curves = []
    for kind, part in zip(layout.alike, parts, strict=True):
        rise = np.zeros((s, *kind.column.shape))
        np.cumsum(part, axis=2, out=rise[:, :, 1:])
        rise -= (rise * kind.share).sum(axis=2, keepdims=True)
        rise *= layout.direction[kind.members][:, None]
        curves.append(rise)
        raw[:, kind.column] = strength[:, kind.members, None] * rise
    has = layout.unused >= 0
    raw[:, layout.unused[has]] = priors.unused_scale * theta[:, place["unused"]]
    spread = raw @ layout.spread
    explained = np.maximum((raw * spread).sum(axis=1), 1e-300)
    fit = theta[:, 0]
    scale = np.exp(0.5 * fit) * np.sqrt(layout.noise_var / explained)
    psi = np.zeros((s, d + layout.groups * (len(layout.sizes) + 1) + layout.tail))
    psi[:, :d] = scale[:, None] * raw
    if layout.groups:
        own = theta[:, place["group"]]
        psi[:, d : d + own.shape[1]] = own * np.exp(_scale_of_groups(layout, theta))
    wide = 0.5 * np.logaddexp(0.0, fit)  # log sd of the latent outcome, in units of its noise
    tail = theta[:, place["tail"]]
    out = psi[:, psi.shape[1] - layout.tail :]
    if layout.noise_var == 1.0:  # continuous
        out[:, 0] = tail[:, 0]
        out[:, 1] = tail[:, 1] - wide
    else:
        out[:, 0] = tail[:, 0] * np.exp(wide)
        out[:, 1:] = tail[:, 1:] + wide[:, None]
    return psi, {"raw": raw, "spread": spread, "explained": explained, "scale": scale, "wide": wide,
                 "strength": strength, "curves": curves, "parts": parts}  # fmt: skip


def backward(
    layout: Layout, priors: Priors, theta: np.ndarray, psi: np.ndarray, kept: dict, slope: np.ndarray
) -> np.ndarray:
    """Carry a gradient by the unknowns, shape (S, unknowns), back to the parameters: (S, size)."""
    place, d = layout.places, len(layout.share)
    out = np.zeros_like(theta)
    g, effects = slope[:, :d], psi[:, :d]
    along = (g * effects).sum(axis=1)
    out[:, 0] = 0.5 * along
    by_raw = kept["scale"][:, None] * g - (along / kept["explained"])[:, None] * kept["spread"]
    by_strength = np.empty((len(theta), len(layout.sizes)))
    for kind, part, curve in zip(layout.alike, kept["parts"], kept["curves"], strict=True):
        here = by_raw[:, kind.column]
        strength = kept["strength"][:, kind.members]
        by_strength[:, kind.members] = (here * curve).sum(axis=2) * strength
        if kind.steps.shape[1] == 0:
            continue
        centred = here - here.sum(axis=2, keepdims=True) * kind.share
        by_step = np.cumsum(centred[:, :, :0:-1], axis=2)[:, :, ::-1]
        by_step = by_step * (strength * layout.direction[kind.members])[:, :, None]
        if layout.shape == "free":
            out[:, place["steps"]][:, kind.steps] = by_step / np.sqrt(part.shape[2])
        else:
            by_log = part * (by_step - (part * by_step).sum(axis=2, keepdims=True))
            out[:, place["steps"]][:, kind.steps] = by_log @ contrasts(part.shape[2])
    out[:, place["strength"]] = by_strength[:, layout.rated]
    has = layout.unused >= 0
    out[:, place["unused"]] = priors.unused_scale * by_raw[:, layout.unused[has]]
    if layout.groups:
        n = layout.groups * (len(layout.sizes) + 1)
        own = slope[:, d : d + n]
        out[:, place["group"]] = own * np.exp(_scale_of_groups(layout, theta))
        moved = own * psi[:, d : d + n]
        scales = place["group_scale"].start
        out[:, scales] = moved[:, : layout.groups].sum(axis=1)
        out[:, scales + 1] = moved[:, layout.groups :].sum(axis=1)
    wide, fit = kept["wide"], theta[:, 0]
    by_wide = 0.5 / (1 + np.exp(-fit))
    tail, by_tail = psi[:, psi.shape[1] - layout.tail :], slope[:, slope.shape[1] - layout.tail :]
    out[:, place["tail"]] = by_tail
    if layout.noise_var == 1.0:
        out[:, 0] -= by_wide * by_tail[:, 1]
    else:
        out[:, place["tail"].start] *= np.exp(wide)
        out[:, 0] += by_wide * (by_tail[:, 0] * tail[:, 0] + by_tail[:, 1:].sum(axis=1))
    return out


def log_prior(layout: Layout, priors: Priors, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density of the parameters, Jacobians included, up to a constant, and its gradient: (S,), (S, size)."""
    place = layout.places
    slope = np.zeros_like(theta)
    fit = theta[:, 0]
    value = -priors.r2_a * np.logaddexp(0.0, -fit) - priors.r2_b * np.logaddexp(0.0, fit)
    r2 = 1 / (1 + np.exp(-fit))
    slope[:, 0] = priors.r2_a * (1 - r2) - priors.r2_b * r2
    log_strength = theta[:, place["strength"]]
    size = np.exp(2 * log_strength)
    value += (priors.split * 2 * log_strength - 0.5 * size).sum(axis=1)  # strength^2 / 2 is Gamma(split)
    slope[:, place["strength"]] = 2 * priors.split - size
    value -= 0.5 * (theta[:, place["group"]] ** 2).sum(axis=1)
    slope[:, place["group"]] = -theta[:, place["group"]]
    steps, unused = place["steps"], place["unused"]
    if layout.shape != "free":
        value -= 0.5 * (theta[:, unused] ** 2).sum(axis=1)
        slope[:, unused] = -theta[:, unused]
    else:
        # normal in every direction; of their common length, which has no effect, its usual value alone is asked for
        both = slice(unused.start, steps.stop)
        size = np.maximum((theta[:, both] ** 2).sum(axis=1), 1e-300)
        count = both.stop - both.start
        off = 0.5 * np.log(size / count) / FIXED
        value -= 0.5 * count * np.log(size) + 0.5 * off**2
        slope[:, both] = -theta[:, both] * ((count + off / FIXED) / size)[:, None]
    if layout.shape == "monotone":
        for kind, part in zip(layout.alike, increments(layout, theta), strict=True):
            k = part.shape[2]
            if kind.steps.shape[1]:
                value += priors.step * np.log(np.maximum(part, 1e-300)).sum(axis=(1, 2))
                slope[:, steps][:, kind.steps] = priors.step * (1 - k * part) @ contrasts(k)
    if layout.groups:
        scales = theta[:, place["group_scale"]]
        relative = np.exp(scales) / np.array([priors.group_mean_scale, priors.group_slope_scale])
        value += (scales - 0.5 * relative**2).sum(axis=1)
        slope[:, place["group_scale"]] = 1 - relative**2
    tail = theta[:, place["tail"]]
    if layout.noise_var == 1.0:
        value -= 0.5 * (tail**2).sum(axis=1)
        slope[:, place["tail"]] = -tail
    else:
        more, by_tail = _cut_prior(tail, priors.concentration)
        value += more
        slope[:, place["tail"]] = by_tail
    return value, slope


def _cut_prior(tail: np.ndarray, concentration: float) -> tuple[np.ndarray, np.ndarray]:
    """Dirichlet on the shares of the codes between cuts (in sds of the latent outcome), with its Jacobian."""
    from cxlab.drivers.likelihood import cuts

    cut = cuts(tail)
    below = 1 / (1 + np.exp(-cut))
    density = below * (1 - below)
    share = np.diff(below, axis=1, prepend=0.0, append=1.0).clip(min=1e-300)
    value = (concentration - 1) * np.log(share).sum(axis=1) + np.log(density.clip(min=1e-300)).sum(axis=1)
    value += tail[:, 1:].sum(axis=1)
    by_cut = (concentration - 1) * density * (1 / share[:, :-1] - 1 / share[:, 1:]) + (1 - 2 * below)
    later = np.cumsum(by_cut[:, ::-1], axis=1)[:, ::-1]
    slope = np.empty_like(tail)
    slope[:, 0] = later[:, 0]
    slope[:, 1:] = later[:, 1:] * np.exp(tail[:, 1:]) + 1.0
    return value, slope


def _scale_of_groups(layout: Layout, theta: np.ndarray) -> np.ndarray:
    """Log scale of each group parameter: averages first, then slopes; shape (S, G * (A + 1))."""
    scales = theta[:, layout.places["group_scale"]]
    return np.repeat(scales, [layout.groups, layout.groups * len(layout.sizes)], axis=1)
