"""What a fitted driver model expects of respondents: probabilities of codes, log scores, answers in points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.drivers import imputation
from cxlab.drivers.data import BLANK, DriverData
from cxlab.drivers.design import HALO_CODES, HaloScale, halo
from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import xarray as xr

TIMES: Final = 20  # imputations of a row with blanks
CELLS: Final = 4_000_000  # numbers held at once


def predict(
    tree: xr.DataTree | xr.Dataset, codes: np.ndarray, *, group: np.ndarray | None, draws: int, seed: int
) -> np.ndarray:
    """See `cxlab.drivers.model.predict`."""
    posterior = _posterior(tree)
    filled, size = _filled(tree, np.asarray(codes), seed)
    cut = _flat(posterior, "cut", draws) if "cut" in posterior else None
    out = np.zeros(
        (len(_flat(posterior, "noise_var", draws)), len(codes), *(() if cut is None else (cut.shape[1] + 1,)))
    )
    row = np.repeat(np.arange(len(codes)), size)
    each = max(1, CELLS // out.shape[0])
    for s in range(0, len(filled), each):
        at = slice(s, s + each)
        eta = _eta(tree, posterior, filled[at], None if group is None else np.asarray(group)[row[at]], draws)
        mean = probabilities(eta, cut) if cut is not None else eta + _flat(posterior, "location", draws)[:, None]
        first = np.flatnonzero(np.diff(row[at], prepend=-1))
        out[:, row[at][first]] += np.add.reduceat(mean, first, axis=1)
    return out / (size if cut is None else size[:, None])


def probabilities(eta: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Probabilities of the codes: eta (draw, N), cut (draw, K - 1) -> (draw, N, K)."""
    from scipy.special import expit

    below = expit(cut[:, None, :] - eta[:, :, None])
    return np.diff(below, axis=2, prepend=0.0, append=1.0)


def log_score(tree: xr.DataTree, data: DriverData, *, draws: int, seed: int) -> np.ndarray:
    """See `cxlab.drivers.model.log_score`."""
    posterior = _posterior(tree)
    out, has = np.full(len(data.codes), np.nan), np.flatnonzero(data.answered)
    group = data.group if "group_mean" in posterior else None
    if data.kind != "continuous":
        cells = max(1, CELLS // (draws * len(data.outcome_levels)))
        for s in range(0, len(has), cells):
            who = has[s : s + cells]
            p = predict(tree, data.codes[who], group=None if group is None else group[who], draws=draws, seed=seed)
            own = p[:, np.arange(len(who)), data.outcome[who]].mean(axis=0)
            out[who] = np.log(np.maximum(own, 1e-300))
        return out
    filled, size = _filled(tree, data.codes[has], seed)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    eta = _eta(tree, posterior, filled, None if group is None else np.repeat(group[has], size), draws)
    eta += _flat(posterior, "location", draws)[:, None]
    variance = _flat(posterior, "noise_var", draws)[:, None]
    density = np.exp(-0.5 * (np.repeat(data.outcome[has], size) - eta) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    out[has] = np.log(np.maximum((np.add.reduceat(density, first, axis=1) / size).mean(axis=0), 1e-300))
    return out


def estimands(posterior: xr.Dataset, data: DriverData) -> xr.Dataset:
    """See `cxlab.drivers.model.estimands`."""
    import xarray as xr

    effect, share = posterior["level_effect"].to_numpy(), posterior["level_share"].to_numpy()
    own = np.nansum(effect * share, axis=-1)  # zero but for those who did not use it
    eta = effect + (own.sum(axis=-1, keepdims=True) - own)[..., None]
    if data.kind == "continuous":
        expected = eta + posterior["location"].to_numpy()[..., None, None]
    else:
        cut = posterior["cut"].to_numpy()
        points = np.array(data.outcome_levels) if data.kind == "ordinal" else np.array([0.0, 1.0])
        p = probabilities(eta.reshape(-1, eta.shape[-2] * eta.shape[-1]), cut.reshape(-1, cut.shape[-1]))
        expected = (p @ points).reshape(eta.shape)
    best = np.array(data.sizes)[None, None, :, None]
    rise = np.take_along_axis(expected, np.broadcast_to(best, (*eta.shape[:3], 1)), axis=3)[..., 0] - expected[..., 1]
    explained = posterior["contribution_cov"].sum(dim=("attribute", "attribute_"))
    return xr.Dataset(
        {
            "expected": (posterior["level_effect"].dims, expected),
            "rise": (posterior["level_effect"].dims[:3], rise),
            "r2": explained / (explained + posterior["noise_var"] + posterior["halo_var"]),
        },
        coords={"attribute": posterior["attribute"], "level": posterior["level"]},
    )


def _posterior(tree: xr.DataTree | xr.Dataset) -> xr.Dataset:
    return tree["posterior"].dataset if "posterior" in getattr(tree, "children", {}) else tree


def _flat(posterior: xr.Dataset, name: str, draws: int) -> np.ndarray:
    """Draws of a variable in one row, evenly thinned to at most `draws`."""
    values = posterior[name].to_numpy()
    values = values.reshape(-1, *values.shape[2:])
    return values[np.linspace(0, len(values) - 1, min(draws, len(values))).astype(int)]


def _filled(tree: xr.DataTree | xr.Dataset, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows without blanks, and how many stand for each respondent."""
    gaps = (codes == BLANK).any(axis=1)
    if not gaps.any():
        return codes, np.ones(len(codes), int)
    if "copula" not in getattr(tree, "children", {}):
        raise ModelError(
            Problem("these ratings have blanks, and the fit knew none", where="codes", value=f"{int(gaps.sum())} rows",
                    todo="pass what `fit` returned, from data with blanks")
        )  # fmt: skip
    size = np.where(gaps, TIMES, 1)
    out = np.repeat(codes, size, axis=0)
    copula = imputation.from_dataset(tree["copula"].dataset)
    out[np.repeat(gaps, size)] = imputation.impute(copula, codes[gaps], times=TIMES, seed=seed).reshape(
        -1, codes.shape[1]
    )
    return out, size


def _eta(
    tree: xr.DataTree | xr.Dataset, posterior: xr.Dataset, codes: np.ndarray, group: np.ndarray | None, draws: int
) -> np.ndarray:
    """Latent outcome without its noise, shape (draw, rows). A state the fit never saw counts as average."""
    effect = np.nan_to_num(_flat(posterior, "level_effect", draws))
    state = np.where(codes >= 0, codes + 1, 0)
    eta = np.zeros((len(effect), len(codes)))
    for a in range(codes.shape[1]):
        eta += effect[:, a, state[:, a]]
    if "halo_effect" in posterior:
        if "halo" not in getattr(tree, "children", {}):
            raise ModelError(Problem("a fit with halo predicts as a whole only", todo="pass what `fit` returned"))
        kept = tree["halo"].dataset
        mean, sd = kept["mean"].to_numpy(), kept["sd"].to_numpy()
        scale = HaloScale(mean, sd, float(kept["centre"]), float(kept["width"]))
        place = halo(codes, scale) / (HALO_CODES - 1)
        eta += _flat(posterior, "halo_low", draws)[:, None] + _flat(posterior, "halo_effect", draws)[:, None] * place
    if group is not None:
        rise = _flat(posterior, "group_rise", draws)
        eta += _flat(posterior, "group_mean", draws)[:, group]
        score = posterior["score"].to_numpy()
        for a in range(codes.shape[1]):
            eta += rise[:, :, a][:, group] * score[a, state[:, a]]
    return eta
