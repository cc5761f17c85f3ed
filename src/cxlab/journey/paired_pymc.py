"""The same posterior stated in PyMC, in the order of the generative story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxlab.inference.contrasts import walk_basis
from cxlab.journey.paired_data import PairedData, interpolate

if TYPE_CHECKING:
    import pymc as pm

    from cxlab.journey.paired_density import Priors


def build(data: PairedData, priors: Priors, *, degrees: float) -> pm.Model:
    """Return the model; documented at `cxlab.journey.expectations.build_model`."""
    import pymc as pm
    import pytensor.tensor as pt

    size, fine = len(data.columns), data.boundaries
    blocks = {
        b: [i for i, (c, _) in enumerate(data.columns) if c == b] for b in dict.fromkeys(b for b, _ in data.columns)
    }
    scale = {b: {"period": priors.step, "event": priors.event}.get(b, priors.group) for b in blocks}
    with pm.Model() as model:
        first = pm.Flat("cut_0")
        step = pm.Flat("log_step", shape=fine - 1)
        cut = first + pt.concatenate([pt.zeros(1), pt.cumsum(pt.exp(step))])
        share = _between(pt, cut[None, :])[0]
        law = pm.Dirichlet.dist(a=np.full(fine + 1, priors.concentration))
        to_cut = pm.logp(pm.Normal.dist(0, 1), cut).sum() + step.sum()  # d share / d cut, d cut / d step
        pm.Potential("shares_of_the_average_cell", pm.logp(law, share / share.sum()) + to_cut)

        def effects(name: str) -> Any:
            whole = pt.zeros(size)
            for block, places in blocks.items():
                spread = scale[block] ** 2 * np.eye(len(places))
                whole = pt.set_subtensor(
                    whole[places], pm.MvStudentT(f"{name}_{block}", nu=degrees, mu=np.zeros(len(places)), scale=spread)
                )
            return whole

        two = data.expected and data.experienced
        gap = pm.Normal("experience", 0, priors.gap) if two else pt.as_tensor(0.0)
        sigma = pt.exp(pm.Normal("spread", 0, priors.spread)) if two else pt.as_tensor(1.0)
        rho = pt.tanh(pm.Normal("fisher", 0, priors.fisher)) if data.both.any() else pt.as_tensor(0.0)
        if data.expected:
            e = _matrix(data, len(data.expectation_codes)) @ cut
            h = e[None, :] - (data.design @ effects("by_expectation"))[:, None]
            pm.Potential("only_expectation", (data.expectation_only * pt.log(_between(pt, h))).sum())
        if data.experienced:
            x = _matrix(data, len(data.experience_codes)) @ cut
            k = (x[None, :] - gap - (data.design @ effects("by_experience"))[:, None]) / sigma
            pm.Potential("only_experience", (data.experience_only * pt.log(_between(pt, k))).sum())
        if data.both.any():
            pm.Potential("pairs", (data.both * pt.log(_rectangles(pt, h, k, rho))).sum())
        if data.managed:
            walk = walk_basis(len(data.periods)) @ pm.Normal(
                "manager_walk", 0, priors.step, shape=len(data.periods) - 1
            )
            level = gap + pm.Normal("manager", 0, priors.manager) + walk
            m = _matrix(data, len(data.manager_codes)) @ cut
            away = (m[None, :] - level[:, None]) / pt.exp(pm.Normal("manager_spread", 0, priors.spread))
            pm.Potential("managers", (data.managers * pt.log(_between(pt, away))).sum())
    return model


def _matrix(data: PairedData, codes: int) -> np.ndarray:
    return interpolate(data.boundaries, codes - 1)


def _below(pt: Any, h: Any) -> Any:
    """P(Z <= h) with the ends of the scale, 0 and 1, added."""
    edge = pt.zeros_like(h[..., :1])
    return pt.concatenate([edge, 0.5 * pt.erfc(-h / np.sqrt(2)), edge + 1], axis=-1)


def _between(pt: Any, h: Any) -> Any:
    below = _below(pt, h)
    return below[..., 1:] - below[..., :-1]


def _rectangles(pt: Any, h: Any, k: Any, rho: Any) -> Any:
    """P of each pair of categories: product of the margins plus Plackett's integral, by Gauss-Legendre."""
    node, weight = np.polynomial.legendre.leggauss(24)
    half = pt.arcsin(rho) / 2
    total = 0.0
    for at, w in zip(node, weight, strict=True):
        sine, square = pt.sin(half * (1 + at)), pt.cos(half * (1 + at)) ** 2
        form = (h**2)[:, :, None] + (k**2)[:, None, :] - 2 * h[:, :, None] * k[:, None, :] * sine
        total = total + w * half / (2 * np.pi) * pt.exp(-form / (2 * square))
    inner = pt.zeros((h.shape[0], h.shape[1] + 2, k.shape[1] + 2))
    inner = pt.set_subtensor(inner[:, 1:-1, 1:-1], total)
    joint = _below(pt, h)[:, :, None] * _below(pt, k)[:, None, :] + inner
    rows = joint[:, 1:, :] - joint[:, :-1, :]
    return rows[:, :, 1:] - rows[:, :, :-1]
