"""Worlds drawn from the prior of expectation and experience: for tests of what the model claims to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cxlab.inference.contrasts import walk_basis
from cxlab.journey import bivariate_normal
from cxlab.journey.paired_data import PairedData
from cxlab.journey.paired_density import DEGREES, Posterior, Priors

if TYPE_CHECKING:
    import xarray as xr


def blank(
    cells: pd.DataFrame,
    *,
    codes: Sequence[float],
    experience_codes: Sequence[float],
    flags: Sequence[str],
    factors: Sequence[str],
) -> pd.DataFrame:
    """One pair and one single answer a cell, so that all parameters have a place."""
    keys = ["period", *factors, *flags]
    one = cells[keys].assign(expectation=codes[0], experience=experience_codes[0], n=1.0)
    return one.reset_index(drop=True)


def blank_managers(periods: Sequence[str], *, codes: Sequence[float]) -> pd.DataFrame:
    """One answer a period."""
    return pd.DataFrame({"period": list(periods), "code": codes[0], "n": 1.0})


def draw(
    frame: PairedData, cells: pd.DataFrame, *, priors: Priors, seed: int, managers: int, truth: Mapping[str, float]
) -> tuple[PairedData, xr.Dataset]:
    """Parameters from the prior (but those of `truth`) and answers from the parameters."""
    import xarray as xr

    random = np.random.default_rng(seed)
    target = Posterior(frame, priors)
    x = np.zeros(target.size)
    share = random.dirichlet(np.full(frame.boundaries + 1, priors.concentration))
    cut = ndtri(np.clip(np.cumsum(share)[:-1], 1e-9, 1 - 1e-9))
    for name, (mean, sd) in target.normals().items():
        place = target.places[name]
        x[place] = truth.get(name, random.normal(mean, sd, place.stop - place.start))
    for name in ("by_expectation", "by_experience"):
        for columns, scale in target.blocks:
            own = np.arange(target.size)[target.places[name]][columns]
            x[own] = _block(random, scale, len(own))
    for column, event in frame.event_columns():
        if event in truth:
            x[target.places["by_expectation"].start + column] = truth[event]
            x[target.places["by_experience"].start + column] = 0.0
    p = target.named(x[None], cut[None])
    h = (p.cut @ target.scales["expectation"].T)[:, None, :] - (p.by_expectation @ frame.design.T)[:, :, None]
    level = p.experience[:, None] + p.by_experience @ frame.design.T
    k = ((p.cut @ target.scales["experience"].T)[:, None, :] - level[:, :, None]) * np.exp(-p.spread)[:, None, None]
    pairs = bivariate_normal.rectangles(
        h, k, np.tanh(p.fisher), bivariate_normal.shares(h), bivariate_normal.shares(k)
    )[0]
    keys = list(frame.cells.columns)
    sizes = frame.cells.merge(cells, on=keys, how="left", validate="1:1")
    found = {
        "both": _multinomial(random, sizes["n_both"], pairs.reshape(len(pairs), -1)).reshape(pairs.shape),
        "expectation_only": _multinomial(random, sizes["n_expectation"], pairs.sum(axis=2)),
        "experience_only": _multinomial(random, sizes["n_experience"], pairs.sum(axis=1)),
    }
    if managers:
        height = (p.experience + p.manager)[:, None] + p.manager_walk @ walk_basis(len(frame.periods)).T
        away = ((p.cut @ target.scales["managers"].T)[:, None, :] - height[:, :, None]) * np.exp(-p.manager_spread)[0]
        found["managers"] = _multinomial(
            random, pd.Series(managers, index=range(len(frame.periods))), bivariate_normal.shares(away)[0]
        )
    data = replace(frame, **found)  # type: ignore[arg-type]  # its arrays only
    x[target.places["cut"]] = Posterior(data, priors).sticks.points(cut)
    return data, xr.Dataset({"x": (("chain", "draw", "parameter"), x[None, None])})


def _block(random: np.random.Generator, scale: float, size: int) -> np.ndarray:
    sd = scale * np.sqrt(DEGREES / random.chisquare(DEGREES))
    return random.normal(0.0, sd, size)


def _multinomial(random: np.random.Generator, sizes: pd.Series, share: np.ndarray) -> np.ndarray:
    n = sizes.fillna(0).to_numpy(int)
    share = share / share.sum(axis=1, keepdims=True)
    return np.stack([random.multinomial(k, s) for k, s in zip(n, share, strict=True)]).astype(float)
