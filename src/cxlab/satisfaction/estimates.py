"""Draws of satisfaction -> rows of the tidy estimates table, and which fits may be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.inference.diagnostics import Gate, gate
from cxlab.inference.estimates import compared, summaries
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS, FORECAST_COLUMNS, UNKNOWN

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.params.models import Params
    from cxlab.satisfaction.questions import Fit

JUDGED: Final = ("cut", "scale")  # of the parameters; effects and cells are judged by what is reported of them


def converged(tree: xr.DataTree, reported: xr.Dataset) -> bool:
    """Whether the draws of a satisfaction fit pass `gate`."""
    return gate(tree, reported, names=JUDGED).passed


def gates(fits: Sequence[Fit]) -> list[Gate]:
    """Judge every fit by its cuts, its scales and everything that is reported of it."""
    return [gate(one.tree, one.reported, names=JUDGED) for one in fits]


RANKED: Final = 4_000_000  # draws x groups from which on ranks are counted on fewer draws

LATENT: Final = ("latent_location", "latent_scale")

MORE_COLUMNS: Final = ("prob_practical", "base")  # beside the contract's: see `tidy`

UNITS: Final = {"mean": "points", "ces": "points", "top_box": "share", "csat": "share", "nps": "NPS points"}


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
    latent: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Summarise draws of one item as rows of level, change, difference and rank.

    ==================  =============================================================================================
    estimand            a row is
    ==================  =============================================================================================
    ``level``           the metric of a group in a period; `prob_gt_ref` is the probability of exceeding the target
    ``change``          against the period just before; `prob_gt_ref` is P(change > 0)
    ``difference``      a group of the last period against all others of its level; `prob_gt_ref` is P(difference > 0)
    ``p_rank_best``     probability (in `mean`) of being the best group of its level in the last period
    ``p_rank_worst``    probability of being the worst one
    ``rank``            place among the groups of the level in the last period, 1 = best, with its interval
    ``latent_location`` where a group stands before the codes cut it (metric ``latent``, logits from the average
                        answer); differences and ranks of this metric follow as of any other
    ``latent_scale``    how wide a group's answers spread, times the average; `prob_gt_ref` is P(wider than average)
    ==================  =============================================================================================

    Parameters
    ----------
    draws : Dataset
        A variable for each metric, dims (chain, draw, row), coords of `row`: level, group, period, n, n_eff and weight
        (people the row stands for; by default n).
    item, weighting : str
        Written into the rows.
    practical : mapping of metric to float
        Practical limits of change.
    periods : sequence of str
        All periods in order; a change compares with the one just before.
    targets : mapping of metric to float, optional
        Reference of a level.
    min_n : int
        Groups with fewer answers take no part in a ranking.
    withheld : bool
        The fit did not pass its checks: rows without numbers.
    latent : Dataset, optional
        ``latent_location`` and ``latent_scale`` of groups of one level, coords as of `draws`.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run, brand and model, which the writer adds; ``prob_practical``, the
        probability of a change or difference larger than the practical limit in either direction; ``base``, where the
        population is from.
    """
    place = pd.DataFrame({c: draws[c].to_numpy() for c in ("level", "group", "period", "n", "n_eff")})
    place["weight"] = draws["weight"].to_numpy() if "weight" in draws.coords else place["n"].to_numpy(float)
    parts = []
    for metric in map(str, draws.data_vars):
        values = draws[metric].to_numpy().reshape(-1, len(place))
        limit = practical[metric]
        found = [
            _levels(place, values, ref=(targets or {}).get(metric)),
            _changes(place, values, periods=periods, practical=limit),
            _differences(place, values, period=periods[-1], practical=limit),
        ]
        found = [part.assign(unit=UNITS[metric]) for part in found]
        found.append(_ranks(place, values, min_n=min_n, period=periods[-1]))
        parts.append(pd.concat([f for f in found if len(f)], ignore_index=True).assign(metric=metric))
    if latent is not None:
        parts.append(_latent(latent, min_n=min_n))
    table = pd.concat(parts, ignore_index=True).assign(
        item=item, weighting=weighting, base=str(draws.attrs.get("base", ""))
    )
    own = [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")]
    table = table.reindex(columns=[*own, *MORE_COLUMNS])
    if withheld:
        table[[*ESTIMATE_NUMBERS, "prob_practical"]] = np.nan
        table["verdict"] = "withheld"
    return table


def table(fits: Sequence[Fit], gates: Sequence[Gate], *, params: Params, periods: Sequence[str]) -> pd.DataFrame:
    """Return the estimates of all fits as one tidy table; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fits : sequence of Fit
        From `cxlab.satisfaction.questions.fit`.
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
            latent=one.latent,
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
        From `cxlab.satisfaction.questions.forecast`.
    """
    rows = []
    for one, drawn, judged in zip(fits, ahead, gates, strict=True):
        place = int(np.flatnonzero(drawn["level"].to_numpy() == "total")[0])
        for metric in drawn.data_vars if judged.passed else ():
            values = drawn[metric].isel(row=place).to_numpy().ravel()
            about = {"item": one.measure.item, "metric": str(metric), "weighting": one.measure.weighting}
            about |= {"level": "total", "group": "", "target_period": str(drawn["period"].to_numpy()[place])}
            quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
            numbers = dict(zip(("q05", "q25", "q50", "q75", "q95"), map(float, quantiles), strict=True))
            numbers |= {"mean": float(values.mean()), "sd": float(values.std())}
            rows.append(about | numbers | {"unit": UNITS[str(metric)]})
    return pd.DataFrame(rows, columns=[c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")])


def _rows(place: pd.DataFrame, numbers: pd.DataFrame, estimand: str) -> pd.DataFrame:
    keys = place[["level", "group", "period", "n", "n_eff"]].reset_index(drop=True)
    return pd.concat([keys, numbers], axis=1).assign(estimand=estimand)


def _levels(place: pd.DataFrame, values: np.ndarray, *, ref: float | None) -> pd.DataFrame:
    heard = np.flatnonzero(place["n"] > 0)
    return _rows(place.iloc[heard], summaries(values[:, heard], ref=ref), "level").assign(verdict="")


def _changes(place: pd.DataFrame, values: np.ndarray, *, periods: Sequence[str], practical: float) -> pd.DataFrame:
    before = dict(zip(periods[1:], periods[:-1], strict=True))
    at = {key: i for i, key in enumerate(zip(place["level"], place["group"], place["period"], strict=True))}
    pairs = [(i, at.get((key[0], key[1], before.get(key[2], "")))) for key, i in at.items()]
    n = place["n"].to_numpy()
    kept = [(i, j) for i, j in pairs if j is not None and n[i] > 0 and n[j] > 0]
    if not kept:
        return pd.DataFrame()
    now, old = np.array(kept).T
    found = _rows(place.iloc[now], compared(values[:, now] - values[:, old], practical=practical), "change")
    for size in ("n", "n_eff"):
        found[size] = np.minimum(place[size].to_numpy()[now], place[size].to_numpy()[old])
    return found


def _differences(place: pd.DataFrame, values: np.ndarray, *, period: str, practical: float) -> pd.DataFrame:
    """Each group of a level against all others of it: the others' mean is the total less the group."""
    parts = []
    here = place[(place["period"] == period) & (place["level"] != "total")]
    for _, members in here.groupby("level", sort=False):
        weight = members["weight"].to_numpy(float)
        rest = weight.sum() - weight
        shown = (members["n"].to_numpy() > 0) & (members["group"] != UNKNOWN).to_numpy() & (rest > 0)
        if len(members) < 2 or not shown.any():
            continue
        drawn = values[:, members.index]
        others = ((drawn @ weight)[:, None] - drawn * weight)[:, shown] / rest[shown]
        found = _rows(members[shown], compared(drawn[:, shown] - others, practical=practical), "difference")
        for size in ("n", "n_eff"):
            own = members[size].to_numpy()
            found[size] = np.minimum(own, own.sum() - own)[shown]
        parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _latent(latent: xr.Dataset, *, min_n: int) -> pd.DataFrame:
    """Location and spread of groups on the latent scale, their differences and places."""
    place = pd.DataFrame({c: latent[c].to_numpy() for c in ("level", "group", "period", "n", "n_eff", "weight")})
    location, scale = (latent[name].to_numpy().reshape(-1, len(place)) for name in LATENT)
    period = str(place["period"].iloc[0])
    parts = [
        _rows(place, summaries(location), "latent_location").assign(unit="logits", verdict=""),
        _rows(place, summaries(scale, ref=1.0), "latent_scale").assign(unit="ratio", verdict=""),
        _differences(place, location, period=period, practical=0.0).assign(unit="logits", prob_practical=np.nan),
        _ranks(place, location, min_n=min_n, period=period),
    ]
    return pd.concat([p for p in parts if len(p)], ignore_index=True).assign(metric="latent")


def _ranks(place: pd.DataFrame, values: np.ndarray, *, min_n: int, period: str) -> pd.DataFrame:
    """How probable it is that each group of a level is the best or the worst one in the period, and its place."""
    parts = []
    here = place[(place["period"] == period) & (place["n"] >= min_n) & (place["group"] != UNKNOWN)]
    for _, members in here[here["level"] != "total"].groupby("level", sort=False):
        if len(members) >= 2:
            parts += ranked(members, values[:, members.index])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def ranked(members: pd.DataFrame, values: np.ndarray) -> list[pd.DataFrame]:
    """Return the rows of `p_rank_best`, `p_rank_worst` and `rank` of groups whose draws are columns of `values`."""
    groups = values.shape[1]
    thinned = values[:: max(1, values.shape[0] * groups // RANKED)]
    place = groups - np.argsort(np.argsort(thinned, axis=1), axis=1)
    found = []
    for estimand, winner in (("p_rank_best", values.argmax(axis=1)), ("p_rank_worst", values.argmin(axis=1))):
        chance = pd.DataFrame({"mean": np.bincount(winner, minlength=groups) / len(values), "ci_kind": ""})
        found.append(_rows(members, chance, estimand).assign(unit="probability", verdict=""))
    found.append(_rows(members, summaries(place.astype(float)), "rank").assign(unit="rank", verdict=""))
    return found
