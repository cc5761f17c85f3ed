r"""Forecasts against what came: was it in the range, how far off, and are the ranges honest over all periods so far.

A forecast is a distribution with mean :math:`m` and standard deviation :math:`s`; what came is known up to its own
error :math:`e` (an estimate from answers; 0 for what is counted). Both together say how far it should lie off:

.. math:: z = (came - m) / \sqrt{s^2 + e^2}, \qquad \text{inside 90 \%} \iff |z| \le 1.645

The record of a model is how many of its forecasts lay inside, with the interval of that share, and the factor that
would have made its ranges honest. Forecasts of one period share its surprises, so the hits of a period are
beta-binomial, with a correlation that is learned from the record and thought to be .4 before (Beta(2, 3)): six
periods of ten forecasts say less than sixty. The share itself is drawn to what is promised with the weight of five
forecasts. Over several models the verdicts are held to one error rate (Holm 1979).

.. math:: \text{scale} = \sqrt{(k + \sum z^2) / (k + n)}, \qquad k = 10

drawn towards 1 as if ten forecasts had been just right. Below 1 it is not used: no range is narrowed on a good record.
The score of one forecast is the CRPS of a normal (Gneiting and Raftery 2007), beside that of "the same as last time"
told with the same width. With fewer than two periods no verdict is given.

References
----------
Gneiting and Raftery (2007), Strictly proper scoring rules, doi:10.1198/016214506000001437.
Williams (1975), The analysis of binary responses from toxicological experiments, doi:10.2307/2529820 (beta-binomial).
Holm (1979), A simple sequentially rejective multiple test procedure, jstor:4615733.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

METRICS: Final = ("nps", "csat", "ces", "mean", "top_box", "money", "count")  # of one question the first that there is
WEIGHTINGS: Final = ("population", "survey", "none")
WIDE: Final = 3.29  # sds between the 5 and the 95 % quantile
SURE: Final = 0.95  # probability from which ranges are called too narrow or too wide
PROMISED: Final = {"inside50": 0.5, "inside90": 0.9}
SHARES: Final = np.linspace(0.0025, 0.9975, 200)
PRIOR: Final = 10.0  # forecasts that were just right, before any is known
FEWEST: Final = 10  # forecasts, of two periods or more, before anything is said of ranges
COLUMNS: Final = (
    "period", "model", "item", "metric", "estimand", "level", "group", "weighting", "unit", "mean", "sd", "ci_low",
    "ci_high", "ci_prob", "n", "verdict", "came", "came_sd", "last", "z", "inside50", "inside90", "crps", "crps_last",
)  # fmt: skip


def scored(
    forecasts: pd.DataFrame, satisfaction: pd.DataFrame, value: pd.DataFrame, *, period: str, previous: str
) -> pd.DataFrame:
    """Hold the forecasts for a period against what came.

    Parameters
    ----------
    forecasts : DataFrame
        `vocab.FORECAST_COLUMNS`, written in the period before.
    satisfaction, value : DataFrame
        ``satisfaction_estimates`` and ``value_estimates`` of this period; may be empty.
    period, previous : str
        This period and the one before.

    Returns
    -------
    DataFrame
        `COLUMNS`: a row a question (its first metric and widest weighting) or amount whose outcome is known.
    """
    if forecasts.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    due = forecasts[(forecasts["target_period"] == period) & (forecasts["level"] == "total")].copy()
    if due.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    for column, order in (("metric", METRICS), ("weighting", WEIGHTINGS)):
        due[f"_{column}"] = due[column].map({name: i for i, name in enumerate(order)}).fillna(len(order))
    due = due.sort_values(["_metric", "_weighting"], kind="stable").drop_duplicates(["model", "item"])
    levels = {p: _levels(satisfaction, p) for p in (previous, period)}
    counted = _counted(value)
    rows = []
    for one in due.sort_values(["model", "item"], kind="stable").to_dict("records"):
        key = (one["item"], one["metric"], one["weighting"])
        came, error, n = counted.get(one["item"], (np.nan,) * 3) if one["model"] == "value" else levels[period].get(
            key, (np.nan,) * 3
        )  # fmt: skip
        if not np.isfinite(came):
            continue
        last = levels[previous].get(key, (np.nan,) * 3)[0]
        rows.append(_row(one, period, float(came), float(error), n, float(last)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    one: Mapping[Hashable, Any], period: str, came: float, error: float, n: float, last: float
) -> dict[str, object]:
    own = (one["q95"] - one["q05"]) / WIDE  # a few wild draws move the sd, not the range that was told
    whole = float(np.hypot(own, error)) or np.finfo(float).tiny
    z = (came - one["q50"]) / whole
    row = {name: one[name] for name in ("model", "item", "metric", "level", "group", "weighting", "unit", "mean", "sd")}
    row |= {"period": period, "estimand": "forecast", "ci_low": one["q05"], "ci_high": one["q95"], "ci_prob": 0.9}
    row |= {"n": n, "verdict": "", "came": came, "came_sd": error, "last": last, "z": z}
    row |= {"inside50": abs(z) <= 0.6745, "inside90": abs(z) <= WIDE / 2}
    return row | {"crps": crps(came, one["q50"], whole), "crps_last": crps(came, last, whole)}


def crps(came: float, mean: float, sd: float) -> float:
    """Return the continuous ranked probability score of a normal forecast, in the unit of what is forecast."""
    from scipy.stats import norm

    z = (came - mean) / sd
    return float(sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)))


def _levels(table: pd.DataFrame, period: str) -> dict[tuple[str, str, str], tuple[float, float, float]]:
    """Question, metric and weighting -> level of all, its sd and answers."""
    if table.empty:
        return {}
    rows = table[(table["estimand"] == "level") & (table["level"] == "total") & (table["period"] == period)]
    keys = rows[["item", "metric", "weighting"]].itertuples(index=False, name=None)
    return dict(zip(keys, rows[["mean", "sd", "n"]].itertuples(index=False, name=None), strict=True))


def _counted(table: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """What customers known before the period bought in it: exact counts."""
    if table.empty:
        return {}
    rows = table[(table["level"] == "tenure") & (table["group"] == "existing") & table["mean"].notna()]
    rows = rows[rows["estimand"].isin(["purchases", "revenue"])]
    return {str(r["estimand"]): (float(r["mean"]), 0.0, float(r["n"])) for r in rows.to_dict("records")}


def together(earlier: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger with this period's rows in the place of those it may have of it already."""
    kept = earlier[~earlier["period"].isin(now["period"])] if len(earlier) else earlier
    parts = [part[list(COLUMNS)] for part in (kept, now) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def record(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how honest the ranges of each model were over all periods so far, and of all together.

    Parameters
    ----------
    ledger : DataFrame
        Rows of `scored`, of one or more periods.

    Returns
    -------
    DataFrame
        A row a model and one for all (``model`` empty): ``forecasts`` and ``periods``; ``hits50``, ``hits90``;
        ``share`` inside the 90 % range with its 90 % interval; ``scale``; ``better``
        how many were nearer than the last value, of ``compared``; ``state``: few, narrow, wide or honest.
    """
    rows = []
    groups = [("", ledger), *((str(m), own) for m, own in ledger.groupby("model", sort=True))] if len(ledger) else []
    for model, own in groups:
        n, periods = len(own), own["period"].nunique()
        hits = {name: int(own[name].sum()) for name in PROMISED}
        inside, half = (_share(own, name) for name in ("inside90", "inside50"))
        scale = float(np.sqrt((PRIOR + (own["z"].astype(float) ** 2).sum()) / (PRIOR + n)))
        few = n < FEWEST or periods < 2
        wide = half[PROMISED["inside50"] < SHARES].sum() > 1 - (1 - SURE) / 5 and scale < 0.8
        known = own[own["crps_last"].notna()]
        low, high = np.interp([0.05, 0.95], np.cumsum(inside), SHARES)
        rows.append(
            {
                "model": model,
                "forecasts": n,
                "periods": periods,
                "hits50": hits["inside50"],
                "hits90": hits["inside90"],
                "share": hits["inside90"] / n,
                "share_low": float(low),
                "share_high": float(high),
                "scale": scale,
                "better": int((known["crps"] < known["crps_last"]).sum()),
                "compared": len(known),
                "narrow": 1.0 if few else float(inside[PROMISED["inside90"] <= SHARES].sum()),
                "state": "few" if few else "wide" if wide else "honest",
            }
        )
    for row in _too_narrow(rows[1:]) + _too_narrow(rows[:1]):
        row["state"] = "narrow"
    columns = ["model", "forecasts", "periods", "hits50", "hits90", "share", "share_low", "share_high", "scale"]
    return pd.DataFrame(rows, columns=[*columns, "better", "compared", "state"])


def _too_narrow(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the models of which it is sure, all of them together, that less than promised lies inside (Holm)."""
    found: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda r: r["narrow"]):
        if row["narrow"] > (1 - SURE) / (len(rows) - len(found)):
            break
        found.append(row)
    return found


def _share(own: pd.DataFrame, name: str) -> np.ndarray:
    """Return the posterior of the share that lies inside, over `SHARES`: hits of a period are alike."""
    from scipy.stats import betabinom

    counts = own.groupby("period")[name].agg(["sum", "size"]).to_numpy().T.astype(int)
    alike = np.linspace(0.02, 0.9, 45)  # correlation of two forecasts of one period
    share, rho = np.meshgrid(SHARES, alike, indexing="ij")
    a, b = share * (1 - rho) / rho, (1 - share) * (1 - rho) / rho
    promised = PROMISED[name]
    log = np.log(rho) + 2 * np.log1p(-rho)
    log = log + (5 * promised - 1) * np.log(share) + (4 - 5 * promised) * np.log1p(-share)
    for hits, n in counts.T:
        log = log + betabinom.logpmf(hits, n, a, b)
    weights = np.exp(log - log.max()).sum(axis=1)
    return np.asarray(weights / weights.sum())
