"""The log density of expectation and experience, for many points at once, with its gradient.

Parameters stand in one vector: the boundaries in the coordinates of `sticks`, then what `Unpacked` lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from cxlab.inference.contrasts import walk_basis
from cxlab.journey import bivariate_normal
from cxlab.journey.paired_data import PairedData, interpolate
from cxlab.journey.stick_breaking import Broken, Sticks, first_look

DEGREES: Final = 6.0  # of freedom: effects of a block share a scale with a scaled inverse chi-square law
ROOM: Final = 400_000  # numbers held at once by the evaluation of many points


class Priors(Protocol):
    """What `cxlab.journey.expectations.Priors` states."""

    @property
    def concentration(self) -> float: ...  # noqa: D102
    @property
    def gap(self) -> float: ...  # noqa: D102
    @property
    def spread(self) -> float: ...  # noqa: D102
    @property
    def fisher(self) -> float: ...  # noqa: D102
    @property
    def step(self) -> float: ...  # noqa: D102
    @property
    def group(self) -> float: ...  # noqa: D102
    @property
    def event(self) -> float: ...  # noqa: D102
    @property
    def manager(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Unpacked:
    """Parameters by name, each with a leading axis of points (S).

    Attributes
    ----------
    cut : (S, C) boundaries of the finest scale
    experience, spread, fisher : (S,) mean, log sd and Fisher's z of the correlation of experience
    by_expectation, by_experience : (S, P) effects
    manager, manager_spread : (S,) mean beyond the customers' and log sd; manager_walk : (S, T - 1)
    """

    cut: np.ndarray
    experience: np.ndarray
    spread: np.ndarray
    fisher: np.ndarray
    by_expectation: np.ndarray
    by_experience: np.ndarray
    manager: np.ndarray
    manager_spread: np.ndarray
    manager_walk: np.ndarray


class Posterior:
    """Log density of the parameters given one touchpoint's counts, up to a constant."""

    def __init__(self, data: PairedData, priors: Priors) -> None:
        self.data, self.priors = data, priors
        self.places = _places(data)
        self.sticks = Sticks(*first_look(data), priors.concentration)
        self.size = max(p.stop for p in self.places.values())
        one = np.eye(data.boundaries)
        self.scales = {
            name: interpolate(data.boundaries, len(codes) - 1) if codes else one[:0]
            for name, codes in (
                ("expectation", data.expectation_codes),
                ("experience", data.experience_codes),
                ("managers", data.manager_codes),
            )
        }
        self.paired = np.flatnonzero(data.both.sum(axis=(1, 2)) > 0)
        self.blocks = [
            (np.array([i for i, (b, _) in enumerate(data.columns) if b == block]), _scale(block, priors))
            for block in dict.fromkeys(b for b, _ in data.columns)
        ]

    @cached_property
    def walk(self) -> np.ndarray:
        """Centred cumulative sums: managers' course over the periods, shape (T, T - 1)."""
        return walk_basis(len(self.data.periods))

    def start(self) -> np.ndarray:
        """Return a point of finite density: 0 everywhere."""
        return np.zeros(self.size)

    def unpack(self, x: np.ndarray) -> Unpacked:
        """Name the parameters of points (S, d)."""
        return self.named(x, self.sticks(x[:, self.places["cut"]]).cut)

    def named(self, x: np.ndarray, cut: np.ndarray) -> Unpacked:
        """Name the parameters of points (S, d) whose boundaries are `cut` (S, C)."""
        part = {name: x[:, place] for name, place in self.places.items()}
        zero, none = np.zeros(len(x)), np.zeros((len(x), len(self.data.columns)))
        one = {k: part[k][:, 0] if k in part else zero for k in ("experience", "spread", "fisher", "manager")}
        return Unpacked(
            cut,
            one["experience"],
            one["spread"],
            one["fisher"],
            part.get("by_expectation", none),
            part.get("by_experience", none),
            one["manager"],
            part["manager_spread"][:, 0] if "manager_spread" in part else zero,
            part.get("manager_walk", np.zeros((len(x), 0))),
        )

    def many(self, x: np.ndarray) -> np.ndarray:
        """Log densities of points (S, d), shape (S,)."""
        data = self.data
        each = max(len(self.paired) * max(len(data.expectation_codes), 2) * max(len(data.experience_codes), 2), 1)
        step = max(1, ROOM // each)
        return np.concatenate([self._evaluate(x[i : i + step], slope=False)[0] for i in range(0, len(x), step)])

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density and gradient of one point (d,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            value, slope = self._evaluate(np.asarray(x, float)[None], slope=True)
        return (float(value[0]), slope[0]) if np.isfinite(value[0]) else (-np.inf, np.zeros_like(x))

    def _evaluate(self, x: np.ndarray, *, slope: bool) -> tuple[np.ndarray, np.ndarray]:
        data, broken = self.data, self.sticks(x[:, self.places["cut"]])
        p = self.named(x, broken.cut)
        back = np.zeros_like(x)
        value = self._prior(x, broken, back)
        by_cut = np.zeros_like(p.cut)
        rate = np.exp(-p.spread)[:, None, None]
        correlation = np.tanh(p.fisher)
        level_e = p.by_expectation @ data.design.T
        level_x = p.experience[:, None] + p.by_experience @ data.design.T
        by_e, by_x, by_rate = np.zeros_like(level_e), np.zeros_like(level_x), np.zeros(len(x))
        h = (p.cut @ self.scales["expectation"].T)[:, None, :] - level_e[:, :, None]
        off = (p.cut @ self.scales["experience"].T)[:, None, :] - level_x[:, :, None]
        k = off * rate
        by_h, by_k = np.zeros_like(h), np.zeros_like(k)
        share_h, share_k = bivariate_normal.shares(h), bivariate_normal.shares(k)
        for bounds, share, counts, to in (
            (h, share_h, data.expectation_only, by_h),
            (k, share_k, data.experience_only, by_k),
        ):
            value += (counts * np.log(share)).sum(axis=(1, 2))
            if slope:
                to += bivariate_normal.shares_slope(bounds, counts / share)
        if len(self.paired):
            n, at = data.both[self.paired], (slice(None), self.paired)
            pairs = bivariate_normal.rectangles(h[at], k[at], correlation, share_h[at], share_k[at])
            value += np.einsum("mab,smab->s", n, np.log(pairs))
            if slope:
                one, two, three = bivariate_normal.rectangles_slope(h[at], k[at], correlation, n / pairs)
                by_h[at] += one
                by_k[at] += two
                back[:, self.places["fisher"]] += (three * (1 - correlation**2))[:, None]
        if slope:
            by_e -= by_h.sum(axis=2)
            by_x -= (by_k * rate).sum(axis=2)
            by_rate += (by_k * off).sum(axis=(1, 2))
            by_cut += by_h.sum(axis=1) @ self.scales["expectation"]
            by_cut += (by_k * rate).sum(axis=1) @ self.scales["experience"]
        if data.managed:
            wide = np.exp(-p.manager_spread)[:, None, None]
            level = (p.experience + p.manager)[:, None] + p.manager_walk @ self.walk.T
            away = (p.cut @ self.scales["managers"].T)[:, None, :] - level[:, :, None]
            share = bivariate_normal.shares(away * wide)
            value += (data.managers * np.log(share)).sum(axis=(1, 2))
            if slope:
                by_away = bivariate_normal.shares_slope(away * wide, data.managers / share) * wide
                by_level = -by_away.sum(axis=2)
                by_cut += by_away.sum(axis=1) @ self.scales["managers"]
                back[:, self.places["manager"]] += by_level.sum(axis=1)[:, None]
                back[:, self.places["manager_walk"]] += by_level @ self.walk
                back[:, self.places["manager_spread"]] -= (by_away * away).sum(axis=(1, 2))[:, None]
                if "experience" in self.places:
                    back[:, self.places["experience"]] += by_level.sum(axis=1)[:, None]
        if slope:
            back[:, self.places["cut"]] += self.sticks.back(broken, by_cut)
            if "by_expectation" in self.places:
                back[:, self.places["by_expectation"]] += by_e @ data.design
            if "by_experience" in self.places:
                back[:, self.places["by_experience"]] += by_x @ data.design
            if "experience" in self.places:
                back[:, self.places["experience"]] += by_x.sum(axis=1)[:, None]
                back[:, self.places["spread"]] -= (by_rate * rate[:, 0, 0])[:, None]
        return value, back

    def _prior(self, x: np.ndarray, broken: Broken, back: np.ndarray) -> np.ndarray:
        """Log prior with the Jacobian of the boundaries; adds its gradient to `back`."""
        value = broken.value.copy()
        back[:, self.places["cut"]] += broken.by_y
        for name, (mean, sd) in self.normals().items():
            z = (x[:, self.places[name]] - mean) / sd
            value -= 0.5 * (z**2).sum(axis=1)
            back[:, self.places[name]] -= z / sd
        for name in ("by_expectation", "by_experience"):
            for columns, scale in self.blocks if name in self.places else []:
                value += _block(x, np.arange(self.size)[self.places[name]][columns], scale, back)
        return value

    def normals(self) -> dict[str, tuple[float, float]]:
        """Mean and sd of the parameters with a normal prior."""
        q = self.priors
        laws = {"experience": (0.0, q.gap), "spread": (0.0, q.spread), "fisher": (0.0, q.fisher)}
        laws |= {"manager": (0.0, q.manager), "manager_spread": (0.0, q.spread), "manager_walk": (0.0, q.step)}
        return {name: law for name, law in laws.items() if name in self.places}


def _places(data: PairedData) -> dict[str, slice]:
    """Where each parameter stands; only what the data can speak of has a place."""
    sizes = {"cut": data.boundaries}
    columns = len(data.columns)
    if data.expected and data.experienced:
        sizes |= {"experience": 1, "spread": 1}
    if data.both.any():
        sizes |= {"fisher": 1}
    sizes |= {"by_expectation": columns} if data.expected and columns else {}
    sizes |= {"by_experience": columns} if data.experienced and columns else {}
    if data.managed:
        sizes |= {"manager": 1, "manager_spread": 1, "manager_walk": len(data.periods) - 1}
    ends = np.cumsum(list(sizes.values()))
    return {name: slice(int(end - size), int(end)) for (name, size), end in zip(sizes.items(), ends, strict=True)}


def _scale(block: str, priors: Priors) -> float:
    return {"period": priors.step, "event": priors.event}.get(block, priors.group)


def _block(x: np.ndarray, places: np.ndarray, scale: float, back: np.ndarray) -> np.ndarray:
    """Multivariate t: normal effects whose common variance has a scaled inverse chi-square law, integrated out."""
    effect = x[:, places]
    inside = 1 + (effect**2).sum(axis=1) / (DEGREES * scale**2)
    power = 0.5 * (DEGREES + len(places))
    back[:, places] -= (2 * power / (DEGREES * scale**2)) * effect / inside[:, None]
    return -power * np.log(inside)
