"""From logits to the reporting scale: draws of a metric for every group and period, never holding cells x codes x draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import expit

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.models.satisfaction import SatisfactionData

TOTAL: Final = "total"


def scores(codes: Sequence[float], metric: str, *, satisfied_from: float | None = None) -> np.ndarray:
    """Return what each code adds to a metric, shape (K,): a metric is the mean score of the answers.

    Parameters
    ----------
    codes : sequence of float
        Legal codes from worst to best.
    metric : str
        ``mean`` and ``ces`` (codes), ``top_box`` and ``csat`` (shares 0-1), ``nps`` (-100..100).
    satisfied_from : float, optional
        First satisfied code; needed for ``csat``.
    """
    values = np.asarray(codes, float)
    place = np.arange(len(values))
    if metric in ("mean", "ces"):
        return values
    if metric == "top_box":
        return (place == len(values) - 1).astype(float)
    if metric == "nps":
        return 100.0 * ((values >= 9).astype(float) - (values <= 6))
    first = list(values).index(float(satisfied_from)) if satisfied_from is not None else len(values) - 1
    return (place >= first).astype(float)


def cell_values(cut: np.ndarray, eta: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the metric of each cell, shape (draws, cells), from cuts (draws, K-1) and eta (draws, cells)."""
    out = np.full_like(eta, score[-1])
    for j, step in enumerate(np.diff(score)):
        if step:
            out -= step * expit(cut[:, j, None] - eta)
    return out


def groups(data: SatisfactionData) -> pd.DataFrame:
    """Return the groups that are reported: level, group, period, n (respondents), n_eff and the cells of each."""
    rows = []
    for level in (TOTAL, *data.factors):
        keys = ["period"] if level == TOTAL else [level, "period"]
        for key, cells in data.cells.groupby(keys, sort=True, observed=True).indices.items():
            name, period = (TOTAL, key[0]) if level == TOTAL else (key[0], key[1])
            n, eff = int(data.n_raw[cells].sum()), float(data.counts[cells].sum())
            if data.population[cells].sum() > 0:
                rows.append((level, str(name), str(period), n, eff, cells))
    return pd.DataFrame(rows, columns=["level", "group", "period", "n", "n_eff", "cells"])


def estimands(
    posterior: xr.Dataset, data: SatisfactionData, *, metrics: Sequence[str], satisfied_from: float | None = None
) -> xr.Dataset:
    """Return draws of every metric for every reported group and period.

    Parameters
    ----------
    posterior : Dataset
        ``cut`` and ``eta`` of `cxlab.models.satisfaction.fit`.
    data : SatisfactionData
        What was fitted.
    metrics : sequence of str
        See `scores`.
    satisfied_from : float, optional
        First satisfied code.

    Returns
    -------
    Dataset
        A variable for each metric, dims (chain, draw, row); coords ``level``, ``group``, ``period``, ``n``, ``n_eff``
        on ``row``. Points, shares 0-1 and NPS points.
    """
    import xarray as xr

    cut, eta = posterior["cut"].to_numpy(), posterior["eta"].to_numpy()
    chains, draws = cut.shape[:2]
    cut, eta = cut.reshape(chains * draws, -1), eta.reshape(chains * draws, -1)
    rows = groups(data)
    weights = np.zeros((len(rows), len(data.cells)))
    for i, cells in enumerate(rows["cells"]):
        weights[i, cells] = data.population[cells] / data.population[cells].sum()
    values = {
        m: cell_values(cut, eta, scores(data.codes, m, satisfied_from=satisfied_from)) @ weights.T for m in metrics
    }
    return xr.Dataset(
        {m: (("chain", "draw", "row"), v.reshape(chains, draws, -1)) for m, v in values.items()},
        coords={name: ("row", rows[name].to_numpy()) for name in ("level", "group", "period", "n", "n_eff")},
    )


def next_period(
    posterior: xr.Dataset,
    data: SatisfactionData,
    *,
    metrics: Sequence[str],
    satisfied_from: float | None = None,
    seed: int,
) -> Mapping[str, np.ndarray]:
    """Return draws of each metric in the period after the last: the same people, one more step of the walk.

    Returns
    -------
    mapping of metric to array, shape (draws,)
    """
    rng = np.random.default_rng(seed)
    cut, eta = posterior["cut"].to_numpy(), posterior["eta"].to_numpy()
    size = cut.shape[0] * cut.shape[1]
    cut, eta = cut.reshape(size, -1), eta.reshape(size, -1)
    last = data.cells.loc[data.population > 0, "period"].map(list(data.periods).index).max()
    cells = np.flatnonzero((data.cells["period"] == data.periods[last]).to_numpy() & (data.population > 0))
    scale = posterior["scale"]
    step = scale.sel(factor="period").to_numpy().ravel() * rng.standard_normal(size)
    ahead = eta[:, cells] + step[:, None]
    weight = data.population[cells] / data.population[cells].sum()
    return {m: cell_values(cut, ahead, scores(data.codes, m, satisfied_from=satisfied_from)) @ weight for m in metrics}


def code_shares(posterior: xr.Dataset, data: SatisfactionData, *, period: str, seed: int) -> pd.DataFrame:
    """Compare the observed shares of the codes in a period with what the model would see again.

    Returns
    -------
    DataFrame
        ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (90 % predictive, shares 0-1) and ``n``.
    """
    rng = np.random.default_rng(seed)
    here = np.flatnonzero((data.cells["period"] == period).to_numpy() & (data.counts.sum(axis=1) > 0))
    counts = data.counts[here]
    n, k = counts.sum(axis=1), len(data.codes)
    cut = posterior["cut"].to_numpy().reshape(-1, k - 1)[::4]
    eta = posterior["eta"].to_numpy().reshape(-1, len(data.cells))[::4][:, here]
    below = np.stack([expit(cut[:, j, None] - eta) @ (n / n.sum()) for j in range(k - 1)], axis=1)
    share = np.diff(np.column_stack([np.zeros(len(below)), below, np.ones(len(below))]), axis=1)
    share = np.clip(share, 0.0, 1.0)
    share /= share.sum(axis=1, keepdims=True)
    whole = max(round(float(n.sum())), 1)
    again = rng.multinomial(whole, share) / whole
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    return pd.DataFrame(
        {
            "code": np.asarray(data.codes, float),
            "observed": counts.sum(axis=0) / n.sum(),
            "mean": share.mean(axis=0),
            "ci_low": low,
            "ci_high": high,
            "n": int(data.n_raw[here].sum()),
        }
    )
