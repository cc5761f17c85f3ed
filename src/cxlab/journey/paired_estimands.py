"""Draws of expectation and experience on the reporting scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from cxlab.inference.contrasts import walk_basis
from cxlab.journey import bivariate_normal
from cxlab.journey.paired_density import Posterior, Unpacked

if TYPE_CHECKING:
    import xarray as xr


def estimands(posterior: xr.Dataset, target: Posterior, *, satisfied_from: float | None) -> xr.Dataset:
    """Draws of what is reported; documented at `cxlab.journey.expectations.estimands`."""
    import xarray as xr

    data = target.data
    x = posterior["x"].to_numpy()
    p = target.unpack(x.reshape(-1, x.shape[-1]))
    level_e = p.by_expectation @ data.design.T
    level_x = p.experience[:, None] + p.by_experience @ data.design.T
    out = {}
    codes = data.experience_codes if data.experienced else data.expectation_codes
    scale = target.scales["experience" if data.experienced else "expectation"]
    cut = p.cut @ scale.T
    sides = {"expectation": (level_e, np.zeros(len(cut)))} if data.expected else {}
    sides |= {"experience": (level_x, p.spread)} if data.experienced else {}
    for name, (level, log_sd) in sides.items():
        share = _shares(cut, level, log_sd)
        for metric, score in _scores(codes, satisfied_from).items():
            out[f"{name}_{metric}"] = (share @ score) @ data.weight.T
    if data.expected and data.experienced:
        out["gap_mean"] = out["experience_mean"] - out["expectation_mean"]
        centre = level_e @ data.weight.T
        extra = (level_e**2) @ data.weight.T - centre**2
        out["gap_latent"] = ((level_x - level_e) @ data.weight.T) / np.sqrt(1 + np.maximum(extra, 0))
    if data.both.any():
        out |= _met(target, p, cut, level_e, level_x)
    if data.managed and data.experienced:
        out |= _managers(target, p, codes, cut, satisfied_from, out["experience_mean"])
    events = _events(target, p, codes, cut, level_e, level_x)
    shape, names = x.shape[:2], ("chain", "draw")
    found = {k: ((*names, "period"), v.reshape(*shape, -1)) for k, v in out.items()}
    found |= {k: ((*names, "event"), v.reshape(*shape, -1)) for k, v in events.items()}
    n = data.answered
    people = data.both.sum(axis=(1, 2)) + data.expectation_only.sum(axis=1)
    where = [i for i, _ in data.event_columns()]
    with_event = [int(people[data.design[:, i] > 0].sum()) for i in where]
    coords = {
        "period": list(data.periods),
        **{f"n_{side}": ("period", n[side].to_numpy()) for side in ("expectation", "experience", "both", "managers")},
        "event": [name for _, name in data.event_columns()],
        "n_with": ("event", with_event),
        "n_without": ("event", [int(people.sum()) - k for k in with_event]),
    }
    return xr.Dataset(found, coords=coords)


def steps(
    posterior: xr.Dataset, target: Posterior, *, period: str, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps between the codes; documented at `cxlab.journey.expectations.steps`."""
    data = target.data
    inside = (data.cells["period"] == period).to_numpy() & (data.both.sum(axis=(1, 2)) > 0)
    x = posterior["x"].to_numpy()
    x = x.reshape(-1, x.shape[-1])
    p = target.unpack(x[:: max(1, len(x) // draws)])
    level_e = (p.by_expectation @ data.design[inside].T)[:, :, None]
    level_x = (p.experience[:, None] + p.by_experience @ data.design[inside].T)[:, :, None]
    h = (p.cut @ target.scales["expectation"].T)[:, None, :] - level_e
    k = ((p.cut @ target.scales["experience"].T)[:, None, :] - level_x) * np.exp(-p.spread)[:, None, None]
    share = bivariate_normal.rectangles(h, k, np.tanh(p.fisher), bivariate_normal.shares(h), bivariate_normal.shares(k))
    n = data.both[inside].sum(axis=(1, 2))
    whole = np.einsum("smab,m->sab", share, n / n.sum())
    random = np.random.default_rng(seed)
    again = random.multinomial(int(n.sum()), (whole / whole.sum(axis=(1, 2), keepdims=True)).reshape(len(whole), -1))
    first, second = np.indices(whole.shape[1:])
    apart = (second - first).ravel()
    values = np.arange(apart.min(), apart.max() + 1)
    member = (apart[:, None] == values).astype(float)
    return values, data.both[inside].sum(axis=0).ravel() @ member, again @ member


def band(target: Posterior, cut: np.ndarray) -> np.ndarray:
    """Half-width of what counts as met: half an inner category, shape (S,)."""
    return (cut[:, -1] - cut[:, 0]) / (cut.shape[1] - 1) / 2 if cut.shape[1] > 1 else np.full(len(cut), 0.5)


def _shares(cut: np.ndarray, level: np.ndarray, log_sd: np.ndarray) -> np.ndarray:
    """Shares of the codes, shape (S, M, K)."""
    return bivariate_normal.shares((cut[:, None, :] - level[:, :, None]) * np.exp(-log_sd)[:, None, None])


def _scores(codes: tuple[float, ...], satisfied_from: float | None) -> dict[str, np.ndarray]:
    """What each code adds to a metric."""
    values = np.asarray(codes, float)
    found = {"mean": values, "top_box": (values == values[-1]).astype(float)}
    return found if satisfied_from is None else found | {"csat": (values >= satisfied_from).astype(float)}


def _met(
    target: Posterior, p: Unpacked, cut: np.ndarray, level_e: np.ndarray, level_x: np.ndarray
) -> dict[str, np.ndarray]:
    data = target.data
    rho, sd = np.tanh(p.fisher), np.exp(p.spread)
    apart = np.sqrt(1 + sd**2 - 2 * rho * sd)[:, None]
    half, gap = band(target, cut)[:, None], level_x - level_e
    below, above = ndtr((-half - gap) / apart), ndtr((gap - half) / apart)
    out = {"p_below": below, "p_met": 1 - below - above, "p_exceeded": above}
    if data.expectation_codes == data.experience_codes:
        h, k = cut[:, None, :] - level_e[:, :, None], (cut[:, None, :] - level_x[:, :, None]) / sd[:, None, None]
        step = max(1, 2_000_000 // max(h[0].size * k.shape[2], 1))
        parts = [slice(i, i + step) for i in range(0, len(h), step)]
        share = np.concatenate([_ordered(h[s], k[s], rho[s]) for s in parts])
        out |= {name: share[..., i] for i, name in enumerate(("code_below", "code_met", "code_exceeded"))}
    return {k: v @ data.weight.T for k, v in out.items()} | {
        "correlation": np.repeat(rho[:, None], len(data.periods), 1)
    }


def _ordered(h: np.ndarray, k: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Probability that the experience's code is below, equal to, above the expectation's, shape (S, M, 3)."""
    share = bivariate_normal.rectangles(h, k, rho, bivariate_normal.shares(h), bivariate_normal.shares(k))
    e, x = np.indices(share.shape[-2:])
    sides = np.stack([x < e, x == e, x > e], axis=-1).reshape(-1, 3).astype(float)
    return share.reshape(*share.shape[:2], -1) @ sides


def _managers(
    target: Posterior,
    p: Unpacked,
    codes: tuple[float, ...],
    cut: np.ndarray,
    satisfied_from: float | None,
    customers: np.ndarray,
) -> dict[str, np.ndarray]:
    """Managers' answers in points of the customers' scale, so that both can be compared."""
    level = (p.experience + p.manager)[:, None] + p.manager_walk @ walk_basis(len(target.data.periods)).T
    share = _shares(cut, level, p.manager_spread)
    out = {f"managers_{m}": share @ score for m, score in _scores(codes, satisfied_from).items()}
    return out | {"experience_gap_mean": out["managers_mean"] - customers}


def _events(
    target: Posterior, p: Unpacked, codes: tuple[float, ...], cut: np.ndarray, level_e: np.ndarray, level_x: np.ndarray
) -> dict[str, np.ndarray]:
    """With the event less without it, for those it reached."""
    data = target.data
    score, found = np.asarray(codes, float), []
    if not data.expected:
        return {}
    for column, _ in data.event_columns():
        reached = data.design[:, column] > 0
        weight = data.weight.sum(axis=0)[reached]
        weight = weight / weight.sum()
        moved = []
        for level, effect, log_sd in (
            (level_e, p.by_expectation[:, column], np.zeros(len(cut))),
            (level_x, p.by_experience[:, column], p.spread),
        ):
            own = level[:, reached]
            change = _shares(cut, own, log_sd) - _shares(cut, own - effect[:, None], log_sd)
            moved.append((change @ score) @ weight)
        gap = moved[1] - moved[0] if data.experienced else np.full(len(cut), np.nan)
        found.append((moved[0], p.by_expectation[:, column], gap))
    if not found:
        return {}
    names = ("expectation_shift_mean", "expectation_shift_latent", "gap_shift_mean")
    return {name: np.stack([f[i] for f in found], axis=1) for i, name in enumerate(names)}
