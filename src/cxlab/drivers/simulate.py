"""Worlds drawn from the prior: what the model holds possible, and the truth its intervals must cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cxlab.drivers import monotonic, summary
from cxlab.drivers.data import DriverData, Kind, checked
from cxlab.drivers.design import completed, design
from cxlab.drivers.monotonic import Layout

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.drivers.priors import Priors


def prior_draw(layout: Layout, priors: Priors, random: np.random.Generator) -> np.ndarray:
    """One draw of the parameters from the prior, shape (size,)."""
    place, theta = layout.places, np.zeros(layout.size)
    r2 = random.beta(priors.r2_a, priors.r2_b)
    theta[0] = np.log(max(r2, 1e-12)) - np.log(max(1 - r2, 1e-12))
    theta[place["strength"]] = 0.5 * np.log(2 * np.maximum(random.gamma(priors.split, size=len(layout.rated)), 1e-200))
    theta[place["unused"]] = random.standard_normal(place["unused"].stop - place["unused"].start)
    steps = theta[place["steps"]]
    for kind in layout.alike:
        k = kind.column.shape[1] - 1
        if kind.steps.shape[1] and layout.shape == "monotone":
            part = np.maximum(random.dirichlet(np.full(k, priors.step), size=len(kind.members)), 1e-200)
            steps[kind.steps] = np.log(part) @ monotonic.contrasts(k)
        elif kind.steps.shape[1]:
            steps[kind.steps] = random.standard_normal(kind.steps.shape)
    tail = theta[place["tail"]]
    if layout.noise_var == 1.0:
        tail[:] = 0.0
        return theta
    below = np.cumsum(random.dirichlet(np.full(len(tail) + 1, priors.concentration)))[:-1].clip(1e-12, 1 - 1e-12)
    cut = np.log(below) - np.log1p(-below)
    tail[0], tail[1:] = cut[0], np.log(np.maximum(np.diff(cut), 1e-12))
    return theta


def simulate(
    codes: np.ndarray,
    *,
    levels: Sequence[Sequence[float]],
    kind: Kind,
    outcome_levels: Sequence[float],
    seed: int,
    priors: Priors,
    strength: np.ndarray | None,
) -> tuple[DriverData, xr.Dataset]:
    """See `cxlab.drivers.model.simulate`."""
    random = np.random.default_rng(seed)
    n, names = len(codes), [f"a{i}" for i in range(len(levels))]
    size = 0 if kind == "continuous" else len(outcome_levels)
    given = {"attributes": names, "levels": levels, "kind": kind, "weights": None, "group": None, "groups": (),
             "outcome_levels": outcome_levels, "name": "outcome", "customers": None}  # fmt: skip
    any_outcome = np.linspace(-np.sqrt(3), np.sqrt(3), n) if kind == "continuous" else np.arange(n) % size
    blank = checked(codes, any_outcome, **given)  # type: ignore[arg-type]
    done = completed(blank, None, seed=0)
    layout, rows = design(blank, done, shape="monotone")
    for _ in range(1000):
        theta = prior_draw(layout, priors, random)
        if strength is not None:
            with np.errstate(divide="ignore"):
                theta[layout.places["strength"]] = np.log(np.maximum(strength, 1e-9))
        psi, _ = monotonic.forward(layout, priors, theta[None])
        eta = rows.design(slice(0, n)) @ psi[0, : rows.effects]
        tail = psi[0, rows.effects :]
        if kind == "continuous":
            outcome = (tail[0] + eta + random.standard_normal(n)) * np.exp(tail[1])
            break
        latent = eta + random.logistic(size=n)
        outcome = np.searchsorted(np.cumsum(np.concatenate([tail[:1], np.exp(tail[1:])])), latent)
        if len(np.unique(outcome)) > 1:  # a world in which all say the same is told from the data, and drawn again
            break
    data = checked(codes, outcome, **given)  # type: ignore[arg-type]
    truth = summary.dataset(blank, done, layout, rows, priors, theta[None, None], seed=0, many=False)
    return data, truth
