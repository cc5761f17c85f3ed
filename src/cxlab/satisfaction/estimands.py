"""From logits to the reporting scale: a metric for every group and period, never a grid of cells x codes x draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference import contrasts
from cxlab.satisfaction import pymc_model
from cxlab.vocab import METRICS

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.satisfaction.data import SatisfactionData

NPS_CODES: Final = tuple(float(code) for code in range(11))
CHUNK: Final = 50_000  # logits held at once: they stay in the processor's cache


def scores(codes: Sequence[float], metric: str, *, satisfied_from: float | None = None) -> np.ndarray:
    """Return what each code adds to a metric, shape (K,): a metric is the mean score of the answers.

    Parameters
    ----------
    codes : sequence of float
        Legal codes from worst to best.
    metric : str
        ``mean`` and ``ces`` (points of the scale), ``top_box`` (share of the highest code), ``csat`` (share at or above
        `satisfied_from`), ``nps`` (-100..100; codes 0 to 10 only).
    satisfied_from : float, optional
        Lowest satisfied code; needed for ``csat``.

    Raises
    ------
    ModelError
        An unknown metric, or one that this scale cannot have.
    """
    values = np.asarray(codes, float)
    listed = ", ".join(f"{c:g}" for c in values)
    if metric in ("mean", "ces"):
        return values
    if metric == "top_box":
        return (values == values[-1]).astype(float)
    if metric == "nps":
        if tuple(values) != NPS_CODES:
            raise ModelError(Problem("NPS needs the codes 0 to 10", where="codes", value=listed))
        return 100.0 * ((values >= 9).astype(float) - (values <= 6))
    if metric == "csat":
        if satisfied_from is None or satisfied_from not in values:
            raise ModelError(
                Problem(
                    "csat needs the lowest satisfied code",
                    where="satisfied_from",
                    value=str(satisfied_from),
                    allowed=listed,
                )
            )
        return (values >= satisfied_from).astype(float)
    legal = ", ".join(METRICS)
    raise ModelError(
        Problem("unknown metric", where="metrics", value=metric, allowed=legal, nearest=nearest(metric, METRICS))
    )


def estimands(
    posterior: xr.Dataset, data: SatisfactionData, *, metrics: Sequence[str], satisfied_from: float | None = None
) -> xr.Dataset:
    """Draws of every metric; documented at `cxlab.satisfaction.model.estimands`."""
    return _averages(posterior, posterior["eta"].to_numpy(), data, metrics, satisfied_from)


def forecast(
    posterior: xr.Dataset,
    data: SatisfactionData,
    *,
    target_period: str,
    metrics: Sequence[str],
    seed: int,
    satisfied_from: float | None = None,
) -> xr.Dataset:
    """Draws of the next period; documented at `cxlab.satisfaction.model.forecast`."""
    random = np.random.default_rng(seed)
    peopled = set(data.cells.loc[data.population > 0, "period"])
    last = [period for period in data.periods if period in peopled][-1]
    at = np.flatnonzero((data.cells["period"] == last).to_numpy())
    step = data.scale_of == pymc_model.WALK
    effect, scale = posterior["effect"].to_numpy(), posterior["scale"]
    walk = effect[..., step] @ contrasts.walk_basis(len(data.periods))[-1]
    walk = walk + scale.sel(factor="period").to_numpy() * random.standard_normal(walk.shape)
    fresh = scale.sel(factor="cell").to_numpy()[..., None] * random.standard_normal((*walk.shape, len(at)))
    eta = effect[..., ~step] @ data.design[np.ix_(at, ~step)].T + walk[..., None] + fresh
    eta -= posterior["location"].to_numpy()[..., None]
    ahead = replace(
        data,
        periods=(target_period,),
        cells=data.cells.iloc[at].assign(period=target_period).reset_index(drop=True),
        counts=np.zeros((len(at), len(data.codes))),
        n_raw=np.zeros(len(at), int),
        population=data.population[at],
        scale_group=data.scale_group[at],
    )
    return _averages(posterior, eta, ahead, metrics, satisfied_from)


def latent(posterior: xr.Dataset, data: SatisfactionData, *, period: str) -> xr.Dataset | None:
    """Draws of where the groups of `scale_by` stand and how wide they answer; documented at `satisfaction.latent`."""
    import xarray as xr

    if not data.scale_by:
        return None
    rows, weights = _rows(data)
    chosen = ((rows["level"] == data.scale_by) & (rows["period"] == period)).to_numpy()
    if not chosen.any():
        return None
    rows, weights = rows[chosen], weights[chosen]
    eta = posterior["eta"].to_numpy()
    place = [data.scale_groups.index(group) for group in rows["group"]]
    return xr.Dataset(
        {
            "latent_location": (("chain", "draw", "row"), eta @ weights.T.astype(eta.dtype)),
            "latent_scale": (("chain", "draw", "row"), np.exp(posterior["log_scale"].to_numpy()[..., place])),
        },
        coords={name: ("row", rows[name].to_numpy()) for name in rows.columns},
        attrs={"base": data.base},
    )


def shares(cut: np.ndarray, eta: np.ndarray, log_scale: np.ndarray, data: SatisfactionData) -> np.ndarray:
    """Return the share of each code, shape (draws, cells, K).

    From cuts (draws, K-1), eta (draws, cells) and log-scales (draws, groups).
    """
    narrow = np.exp(-log_scale)[:, data.scale_group]
    below = [_below(cut[:, j, None], eta, narrow) for j in range(cut.shape[1])]
    share = np.diff(np.stack(below, axis=-1), axis=-1, prepend=0.0, append=1.0).clip(0.0)
    return share / share.sum(axis=-1, keepdims=True)


def _rows(data: SatisfactionData) -> tuple[pd.DataFrame, np.ndarray]:
    """What is reported (level, group, period, n, n_eff, weight), and each cell's share of it, shape (R, M).

    The effective number of answers is Kish's, of answers weighted so that each cell stands for its population.
    """
    rows, weights = [], []
    for level in ("total", *data.factors):
        group = pd.Series("", index=data.cells.index) if level == "total" else data.cells[level]
        for name in ("",) if level == "total" else data.groups[level]:
            for period in data.periods:
                member = ((group == name) & (data.cells["period"] == period)).to_numpy()
                total = data.population[member].sum()
                if total > 0:
                    rows.append((level, name, period, int(data.n_raw[member].sum()), _effective(data, member), total))
                    weights.append(np.where(member, data.population / total, 0.0))
    return pd.DataFrame(rows, columns=["level", "group", "period", "n", "n_eff", "weight"]), np.array(weights)


def _effective(data: SatisfactionData, member: np.ndarray) -> float:
    n = data.counts[member].sum(axis=1)
    weight, n = data.population[member][n > 0], n[n > 0]
    return float(weight.sum() ** 2 / (weight**2 / n).sum()) if weight.sum() > 0 else 0.0


def _averages(
    posterior: xr.Dataset, eta: np.ndarray, data: SatisfactionData, metrics: Sequence[str], satisfied_from: float | None
) -> xr.Dataset:
    """Average each metric over the cells of each row, a few draws at a time."""
    import xarray as xr
    from scipy.sparse import csr_array

    value: Mapping[str, np.ndarray] = {m: scores(data.codes, m, satisfied_from=satisfied_from) for m in metrics}
    rows, weights = _rows(data)
    sparse = csr_array(weights)
    chains, draws = eta.shape[:2]
    flat = chains * draws
    cut, eta = posterior["cut"].to_numpy().reshape(flat, -1), eta.reshape(flat, -1)
    log_scale = posterior["log_scale"].to_numpy().reshape(flat, -1)
    # a metric is the last code's score, less a step for each boundary that is not reached
    out = {m: np.full((flat, len(rows)), score[-1]) for m, score in value.items()}
    needed = [j for j in range(cut.shape[1]) if any(score[j + 1] != score[j] for score in value.values())]
    step = max(1, CHUNK // eta.shape[1])
    for start in range(0, flat, step):
        part = slice(start, start + step)
        narrow = np.exp(-log_scale[part])[:, data.scale_group] if data.scale_by else 1.0
        for j in needed:
            below = (sparse @ _below(cut[part, j, None], eta[part], narrow).T).T
            for m, score in value.items():
                if score[j + 1] != score[j]:
                    out[m][part] -= (score[j + 1] - score[j]) * below
    return xr.Dataset(
        {m: (("chain", "draw", "row"), v.reshape(chains, draws, len(rows))) for m, v in out.items()},
        coords={
            **{name: ("row", rows[name].to_numpy(object)) for name in ("level", "group", "period")},
            **{name: ("row", rows[name].to_numpy()) for name in ("n", "n_eff", "weight")},
        },
        attrs={"base": data.base},
    )


def _below(cut: np.ndarray, eta: np.ndarray, narrow: np.ndarray | float) -> np.ndarray:
    """P(answer below the cut), shape (draws, cells)."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((eta - cut) * narrow, -500.0, 500.0))))
