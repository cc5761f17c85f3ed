"""Draws of the parameters -> what later pages read: effects of codes, covariance of contributions, shares of codes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.drivers import likelihood, monotonic
from cxlab.drivers.data import DriverData
from cxlab.drivers.design import Completed, moments, standardised, user_share
from cxlab.drivers.likelihood import Rows
from cxlab.drivers.monotonic import Layout

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.drivers.priors import Priors

WORLDS: Final = 40  # completed data sets, each with its own weights of the respondents


def dataset(
    data: DriverData,
    done: Completed,
    layout: Layout,
    rows: Rows,
    priors: Priors,
    theta: np.ndarray,
    *,
    seed: int,
    many: bool = True,
) -> xr.Dataset:
    """Put draws of the parameters, shape (chain, draw, size), into the posterior's layout; see `drivers.fit`.

    With `many`, shares of codes and covariances are those of the population: each of `WORLDS` has its blanks filled and
    its respondents weighted anew (Bayesian bootstrap; Rubin 1981, doi:10.1214/aos/1176345338). Without, those of the
    respondents as they are.
    """
    import xarray as xr

    chains, draws, size = theta.shape
    flat = theta.reshape(-1, size)
    psi, _ = monotonic.forward(layout, priors, flat)
    worlds = WORLDS if many else 1
    s, a_all, d = len(flat), len(layout.sizes), len(layout.share)
    a = len(data.attributes)
    random = np.random.default_rng(seed)
    world = random.permutation(s) % worlds  # by turns, every fourth draw would see but a fourth of the worlds
    width = max(data.sizes) + 1
    level, share = np.full((s, a, width), np.nan), np.full((s, a, width), np.nan)
    cov, net = np.empty((s, a, a)), np.empty((s, a, a))
    common = np.empty(s)
    shift = np.zeros(s)
    person, blocks = _person(layout, a), np.zeros((d, a_all))
    for i, k in enumerate(layout.sizes):
        blocks[layout.column[i, :k], i] = 1.0
        if layout.unused[i] >= 0:
            blocks[layout.unused[i], i] = 1.0
    for w in range(worlds):
        mine = np.flatnonzero(world == w)
        picked = _pick(rows, psi[mine[0]], random) if len(rows.first) < len(rows.y) else rows.first
        weight = rows.weight * random.standard_exponential(len(rows.weight)) if many else rows.weight
        mean, spread = moments(rows.columns[picked], weight, d)
        users = user_share(mean, layout.column, layout.unused)
        effect = psi[mine, :d].copy()
        for i, k in enumerate(layout.sizes):
            if i >= a:  # the common factor keeps its place, whatever fills the blanks
                continue
            own = layout.column[i, :k]
            off = effect[:, own] @ users[own]
            effect[:, own] -= off[:, None]
            if layout.unused[i] >= 0:
                effect[:, layout.unused[i]] -= off
            shift[mine] += off
            level[mine, i, 1 : k + 1], share[mine, i, 1 : k + 1] = effect[:, own], mean[own]
            level[mine, i, 0] = effect[:, layout.unused[i]] if layout.unused[i] >= 0 else np.nan
            share[mine, i, 0] = mean[layout.unused[i]] if layout.unused[i] >= 0 else 0.0
        whole = np.empty((len(mine), a_all, a_all))
        for i in range(a_all):
            own = np.flatnonzero(blocks[:, i])
            whole[:, i] = ((effect[:, own] @ spread[own]) * effect) @ blocks
        lean = (effect * (spread @ person)) @ blocks
        halo_var = float(person @ spread @ person)
        cov[mine] = whole[:, :a, :a]
        net[mine] = cov[mine] - lean[:, :a, None] * lean[:, None, :a] / max(halo_var, 1e-300)
        common[mine] = whole[:, a, a] if layout.halo else 0.0
    shape = (chains, draws)
    variables, coords = _tail(data, layout, psi, shift, shape)
    dims = ("chain", "draw")
    variables |= {
        "level_effect": ((*dims, "attribute", "level"), level.reshape(*shape, a, width)),
        "level_share": ((*dims, "attribute", "level"), share.reshape(*shape, a, width)),
        "contribution_cov": ((*dims, "attribute", "attribute_"), cov.reshape(*shape, a, a)),
        "net_cov": ((*dims, "attribute", "attribute_"), net.reshape(*shape, a, a)),
        "r2": (dims, (1 / (1 + np.exp(-flat[:, 0]))).reshape(shape)),
        "halo_var": (dims, common.reshape(shape)),
    }
    unit = 1.0
    if data.kind == "continuous":
        unit = (np.exp(psi[:, -1]) * standardised(data)[2]).reshape(shape)
        for name in ("level_effect", "contribution_cov", "net_cov", "halo_var"):
            where, values = variables[name]
            power = 1 if name == "level_effect" else 2
            variables[name] = (where, values * (unit**power).reshape(*shape, *[1] * (values.ndim - 2)))
    if layout.halo:
        k = layout.sizes[-1]
        rise = (psi[:, layout.column[-1, k - 1]] - psi[:, layout.column[-1, 0]]).reshape(shape) * unit
        low = psi[:, layout.column[-1, 0]].reshape(shape) * unit
        variables["halo_effect"], variables["halo_low"] = (dims, rise), (dims, low)
    if layout.groups:
        n = layout.groups
        own = psi[:, d : d + n * (a_all + 1)]
        slopes = own[:, n:].reshape(*shape, n, a_all)[..., :a] * 2  # the score runs from -1 to 1
        scale = np.broadcast_to(unit, shape)
        variables["group_rise"] = ((*dims, "group", "attribute"), slopes * scale[..., None, None])
        variables["group_mean"] = ((*dims, "group"), own[:, :n].reshape(*shape, n) * scale[..., None])
        score = np.zeros((a, width))
        for i, k in enumerate(data.sizes):
            score[i, 1 : k + 1] = rows.score[layout.column[i, :k]] / 2
        variables["score"] = (("attribute", "level"), score)
        coords["group"] = list(data.groups)
    coords |= {"attribute": list(data.attributes), "attribute_": list(data.attributes), "level": np.arange(width)}
    return xr.Dataset(variables, coords=coords)


def _tail(
    data: DriverData, layout: Layout, psi: np.ndarray, shift: np.ndarray, shape: tuple[int, int]
) -> tuple[dict, dict]:
    """The outcome's own parameters: cuts, or the mean answer; and the variance of its noise."""
    if layout.noise_var != 1.0:
        cut = likelihood.cuts(psi[:, psi.shape[1] - layout.tail :]) - shift[:, None]
        levels = data.outcome_levels
        names = [f"{low:g}|{high:g}" for low, high in pairwise(levels)]
        variables = {
            "cut": (("chain", "draw", "boundary"), cut.reshape(*shape, -1)),
            "noise_var": (("chain", "draw"), np.full(shape, layout.noise_var)),
        }
        return variables, {"boundary": names}
    _, mean, sd = standardised(data)
    own = np.exp(psi[:, -1]) * sd
    location = mean + own * (psi[:, -2] + shift)
    return {
        "location": (("chain", "draw"), location.reshape(shape)),
        "noise_var": (("chain", "draw"), (own**2).reshape(shape)),
    }, {}


def _person(layout: Layout, a: int) -> np.ndarray:
    """Weights of the columns whose sum is the common factor: standardised places of the codes, averaged."""
    out = np.zeros(len(layout.share))
    for i, k in enumerate(layout.sizes[:a]):
        own = layout.column[i, :k]
        rise = np.arange(k, dtype=float)
        mean = rise @ layout.share[own]
        sd = np.sqrt(max(((rise - mean) ** 2) @ layout.share[own], 1e-12))
        out[own] = (rise - mean) / sd / a
    return out


def _pick(rows: Rows, psi: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One row of each respondent, by its probability given the outcome."""
    out = np.empty(len(rows.first), int)
    for who, where in rows.chunks():
        eta = rows.design(where) @ psi[: rows.effects]
        log_p = likelihood.row_log(rows, where, eta[:, None], psi[None, rows.effects :])[:, 0]
        first = rows.first[who] - where.start
        noise = log_p + random.gumbel(size=len(log_p))  # the largest of a respondent is a draw of that kind
        order = np.lexsort((noise, np.repeat(np.arange(len(first)), np.diff(np.append(first, len(log_p))))))
        out[who] = order[np.append(first[1:], len(log_p)) - 1] + where.start
    return out
