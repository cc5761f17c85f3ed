"""Posterior draws -> the one tidy estimates table (`vocab.ESTIMATE_COLUMNS`), verdicts and forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS, FORECAST_COLUMNS, UNKNOWN, Verdict

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.diagnostics import Gate
    from cxlab.measures import Fit
    from cxlab.params.models import Params

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
            level = summary(values[:, i], ref=target)
            rows.append(own | level | {"estimand": "level", "n": r["n"], "n_eff": r["n_eff"], "verdict": ""})
            j = index.get((r["level"], r["group"], before.get(str(r["period"]))))
            if j is not None and place["n"][j] > 0:
                change = values[:, i] - values[:, j]
                sizes = {k: min(r[k], place[k][j]) for k in ("n", "n_eff")}
                judged = {"verdict": verdict(change, practical=practical[str(metric)])}
                rows.append(own | summary(change, ref=0.0) | {"estimand": "change"} | sizes | judged)
        rows += _ranks(place, values, common, min_n=min_n, period=periods[-1])
    table = pd.DataFrame(rows, columns=[c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")])
    table["base"] = draws.attrs.get("base", "")
    if withheld:
        table[list(ESTIMATE_NUMBERS)] = np.nan
        table["verdict"] = "withheld"
    return table


def table(fits: Sequence[Fit], gates: Sequence[Gate], *, params: Params, periods: Sequence[str]) -> pd.DataFrame:
    """Return the estimates of all fits as one tidy table; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fits : sequence of Fit
        From `cxlab.measures.fit`.
    gates : sequence of Gate
        A verdict for each fit.
    params : Params
        Practical limits, targets and the smallest n.
    periods : sequence of str
        All periods up to the unit's.
    """
    practical = params.limits.practical_change.model_dump()
    parts = [
        tidy(
            one.reported,
            item=one.measure.item,
            weighting=one.measure.weighting,
            practical=practical,
            periods=periods,
            targets=params.targets.get(one.measure.item),
            min_n=params.limits.min_n,
            withheld=not gate.passed,
        )
        for one, gate in zip(fits, gates, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def forecasts(fits: Sequence[Fit], ahead: Sequence[xr.Dataset], gates: Sequence[Gate]) -> pd.DataFrame:
    """Summarise draws of the next period's totals as rows of `vocab.FORECAST_COLUMNS`; failed fits forecast nothing.

    Parameters
    ----------
    fits, gates : sequences of equal length
    ahead : sequence of Dataset
        From `cxlab.measures.forecast`.
    """
    rows = []
    for one, drawn, gate in zip(fits, ahead, gates, strict=True):
        place = int(np.flatnonzero(drawn["level"].to_numpy() == "total")[0])
        for metric in drawn.data_vars if gate.passed else ():
            values = drawn[metric].isel(row=place).to_numpy().ravel()
            about = {"item": one.measure.item, "metric": str(metric), "weighting": one.measure.weighting}
            about |= {"level": "total", "group": "", "target_period": str(drawn["period"].to_numpy()[place])}
            quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
            numbers = dict(zip(("q05", "q25", "q50", "q75", "q95"), map(float, quantiles), strict=True))
            numbers |= {"mean": float(values.mean()), "sd": float(values.std())}
            rows.append(about | numbers | {"unit": UNITS[str(metric)]})
    return pd.DataFrame(rows, columns=[c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")])


def summary(draws: np.ndarray, *, ref: float | None = None) -> dict[str, Any]:
    """Return the numbers of one tidy row: mean, median, sd, 90 % interval; with `ref` the probability above it."""
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
            number = summary((best == k).astype(float), ref=None) | {"sd": float("nan"), "median": float("nan")}
            number |= {"ci_low": float("nan"), "ci_high": float("nan"), "ci_prob": float("nan"), "ci_kind": ""}
            rows.append(own | number | {"estimand": "p_rank_best", "n": r["n"], "n_eff": r["n_eff"], "verdict": ""})
    return rows
