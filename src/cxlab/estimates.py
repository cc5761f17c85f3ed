"""Posterior draws -> the one tidy estimates table (`vocab.ESTIMATE_COLUMNS`), verdicts and forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS, FORECAST_COLUMNS, UNKNOWN, Verdict

if TYPE_CHECKING:
    import xarray as xr

CI_PROB: Final = 0.9
SURE: Final = 0.975  # probability of a direction from which it is called better or worse
UNITS: Final = {"mean": "points", "ces": "points", "top_box": "share", "csat": "share", "nps": "NPS points"}


def verdict(draws: np.ndarray, *, practical: float) -> Verdict:
    """Judge a change: inside the practical limit, clearly up, clearly down, or neither.

    Parameters
    ----------
    draws : array
        Posterior draws of the change; up is good.
    practical : float
        Smallest change worth acting on, in the same unit.
    """
    low, high = np.quantile(draws, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2])
    if -practical < low and high < practical:
        return "no_real_change"
    up = float((draws > 0).mean())
    if up > SURE:
        return "better"
    return "worse" if 1 - up > SURE else "cannot_tell"


def tidy(
    draws: xr.Dataset,
    *,
    item: str,
    weighting: str,
    practical: Mapping[str, float],
    periods: Sequence[str],
    targets: Mapping[str, float] | None = None,
    min_n: int = 1,
    withheld: bool = False,
) -> pd.DataFrame:
    """Summarise draws of one item as rows of level, change and rank.

    Parameters
    ----------
    draws : Dataset
        A variable for each metric, dims (chain, draw, row), coords of `row`: level, group, period, n, n_eff.
    item, weighting : str
        Written into the rows.
    practical : mapping of metric to float
        Practical limits of change.
    periods : sequence of str
        All periods in order; a change compares with the one just before.
    targets : mapping of metric to float, optional
        `prob_gt_ref` of a level is the probability of exceeding it.
    min_n : int
        Groups with fewer answers take no part in a ranking.
    withheld : bool
        The fit did not pass its checks: rows without numbers.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run, brand and model, which the writer adds.
    """
    place = pd.DataFrame({c: draws[c].to_numpy() for c in ("level", "group", "period", "n", "n_eff")})
    before = dict(zip(periods[1:], periods[:-1], strict=True))
    rows: list[dict[str, Any]] = []
    for metric in draws.data_vars:
        values = draws[metric].to_numpy().reshape(-1, len(place))
        common = {"item": item, "metric": str(metric), "weighting": weighting, "unit": UNITS[str(metric)]}
        target = (targets or {}).get(str(metric))
        index = {(r.level, r.group, r.period): i for i, r in enumerate(place.itertuples())}
        for i, r in enumerate(place.to_dict("records")):
            own = common | {k: r[k] for k in ("level", "group", "period")}
            if r["n"] == 0:
                continue
            level = _summary(values[:, i], ref=target)
            rows.append(own | level | {"estimand": "level", "n": r["n"], "n_eff": r["n_eff"], "verdict": ""})
            j = index.get((r["level"], r["group"], before.get(str(r["period"]))))
            if j is not None and place["n"][j] > 0:
                change = values[:, i] - values[:, j]
                sizes = {k: min(r[k], place[k][j]) for k in ("n", "n_eff")}
                judged = {"verdict": verdict(change, practical=practical[str(metric)])}
                rows.append(own | _summary(change, ref=0.0) | {"estimand": "change"} | sizes | judged)
        rows += _ranks(place, values, common, min_n=min_n, period=periods[-1])
    table = pd.DataFrame(rows, columns=[c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")])
    if withheld:
        table[list(ESTIMATE_NUMBERS)] = np.nan
        table["verdict"] = "withheld"
    return table


def forecasts(draws: Mapping[str, np.ndarray], *, item: str, weighting: str, target_period: str) -> pd.DataFrame:
    """Summarise draws of the next period's totals as rows of `vocab.FORECAST_COLUMNS`.

    Parameters
    ----------
    draws : mapping of metric to array
        On the reporting scale.
    item, weighting, target_period : str
        Written into the rows.
    """
    rows = []
    for metric, values in draws.items():
        q = dict(
            zip(("q05", "q25", "q50", "q75", "q95"), np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]), strict=True)
        )
        about = {"item": item, "metric": metric, "level": "total", "group": "total", "weighting": weighting}
        rows.append(
            about
            | {"target_period": target_period, "mean": values.mean(), "sd": values.std(), "unit": UNITS[metric]}
            | q
        )
    return pd.DataFrame(rows, columns=[c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")])


def _summary(draws: np.ndarray, *, ref: float | None) -> dict[str, Any]:
    low, high = np.quantile(draws, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2])
    return {
        "mean": float(draws.mean()),
        "median": float(np.median(draws)),
        "sd": float(draws.std()),
        "ci_low": float(low),
        "ci_high": float(high),
        "ci_prob": CI_PROB,
        "ci_kind": "eti",
        "prob_gt_ref": float("nan") if ref is None else float((draws > ref).mean()),
        "ref": float("nan") if ref is None else float(ref),
    }


def _ranks(
    place: pd.DataFrame, values: np.ndarray, common: Mapping[str, Any], *, min_n: int, period: str
) -> list[dict[str, Any]]:
    """How probable it is that each group of a level is the best one in the period."""
    rows = []
    here = place[(place["period"] == period) & (place["n"] >= min_n) & (place["group"] != UNKNOWN)]
    for level, members in here[here["level"] != "total"].groupby("level", sort=False):
        if len(members) < 2:
            continue
        best = values[:, members.index].argmax(axis=1)
        for k, r in enumerate(members.to_dict("records")):
            own = dict(common) | {"level": level, "group": r["group"], "period": period, "unit": "probability"}
            number = _summary((best == k).astype(float), ref=None) | {"sd": float("nan"), "median": float("nan")}
            number |= {"ci_low": float("nan"), "ci_high": float("nan"), "ci_prob": float("nan"), "ci_kind": ""}
            rows.append(own | number | {"estimand": "p_rank_best", "n": r["n"], "n_eff": r["n_eff"], "verdict": ""})
    return rows
