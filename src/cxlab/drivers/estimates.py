"""What is reported of drivers as tables: shares, sides and kinds, ranks, scenarios; and the draws kept for later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.drivers import importance, whatif
from cxlab.drivers.data import BLANK, NOT_USED, DriverData
from cxlab.drivers.fits import Measured, blank_share
from cxlab.drivers.kano import KINDS
from cxlab.drivers.model import MOST_BLANK
from cxlab.drivers.whatif import Move
from cxlab.inference.estimates import estimand, tidy, withhold

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.inference.diagnostics import Gate
    from cxlab.params.models import Params
    from cxlab.runs import UnitData

TOP: Final = 3
METRIC_UNITS: Final = {"nps": "NPS points", "mean": "points"}  # of everything else: shares
PROBABILITY: Final = {"metric": "probability", "unit": "probability"}
VARIANCE: Final = {"metric": "share", "unit": "share of variance"}
_COUNTED: Final = ("rated", "not_used", "blank", "stated")  # known without a fit
_SHARED: Final = ("importance_share", "johnson_share", "bare_share", "p_top3", "p_first", "p_keep", "p_later", "p_fine")


def table(
    measured: Sequence[Measured], gates: Sequence[Gate], *, stated: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return ``driver_estimates``: a row an outcome, attribute and estimand; a fit that failed gives no numbers.

    ``item`` is the outcome. ``importance_share``, ``johnson_share`` and ``bare_share`` (the respondents' common factor
    credited to nobody) are shares of its variance, which add up to ``r2`` and ``bare_r2``, rows of no attribute;
    ``rated_share`` is that of those who rated it. What rests on such shares is ``withheld`` for an attribute that more
    than `MOST_BLANK` left blank. ``reward``, ``penalty`` and ``effect`` (all ratings one code higher) are changes of
    the outcome's lead metric, ``performance`` the share of users satisfied with the attribute, ``use_part`` how much
    of its contribution is by use; ``map_correlation`` belongs to the cloud of performance and importance. ``rated``,
    ``not_used`` and ``blank`` are shares of the respondents, ``stated`` is how important customers call it.
    """
    parts = []
    for k, (one, verdict) in enumerate(zip(measured, gates, strict=True)):
        rows = _rows(one, (stated or {}) if k == 0 else {})
        if not verdict.passed:
            rows = withhold(rows, ~rows["estimand"].isin(_COUNTED))
        hollow = [a for a, blank in zip(one.data.attributes, blank_share(one.data), strict=True) if blank > MOST_BLANK]
        parts.append(withhold(rows, rows["attribute"].isin(hollow) & rows["estimand"].isin(_SHARED)))
    return pd.concat(parts, ignore_index=True)


def _rows(one: Measured, stated: Mapping[str, float]) -> pd.DataFrame:
    data = one.data
    place = pd.DataFrame({"attribute": data.attributes, "n": one.answers, "n_eff": _weighed(data)})
    whole = pd.DataFrame({"attribute": [""], "n": [data.n], "n_eff": [data.n_eff]})
    lead = {"metric": one.metric, "unit": _unit(one, one.metric)}
    shares, bare = one.shares.values, importance.lmg(one.bare).values * (one.bare[:, -1, -1] / one.whole)[:, None]
    performance = one.performance[:: -(-len(one.performance) // len(shares))]  # as shares were thinned
    visible = blank_share(data) <= MOST_BLANK
    top = (np.argsort(np.argsort(-shares, axis=1), axis=1) < TOP).mean(axis=0)
    chances = quadrants(performance, shares, visible)
    chances |= {kind: one.kinds.mean(axis=0)[:, k] for k, kind in enumerate(KINDS)}
    codes = data.codes[data.answered]
    everybody = place.assign(n=len(codes))
    counts = {"rated": codes >= 0, "not_used": codes == NOT_USED, "blank": codes == BLANK}
    rows = [
        estimand("importance_share", shares, place, **VARIANCE),
        estimand("johnson_share", one.johnson, place, **VARIANCE),
        estimand("bare_share", bare, place, **VARIANCE),
        estimand("effect", one.effect, place, ref=0.0, **lead),
        estimand("reward", one.reward, place, ref=0.0, **lead),
        estimand("penalty", one.penalty, place, ref=0.0, **lead),
        estimand("performance", one.performance, place, metric="csat", unit="share"),
        estimand("r2", one.explained[:, None], whole, **VARIANCE),
        estimand("bare_r2", bare.sum(axis=1, keepdims=True), whole, **VARIANCE),
        estimand("p_top3", top, place, **PROBABILITY),
        *(estimand(f"p_{name}", chance, place, **PROBABILITY) for name, chance in chances.items()),
        estimand("use_part", one.by_use, place, metric="share", unit="share"),
        estimand("map_correlation", _correlations(performance, shares), place, metric="r", unit="correlation"),
        estimand("sampling_error", one.shares.mc_error, place, **VARIANCE),
        *(estimand(k, v.mean(axis=0), everybody, metric="share", unit="share") for k, v in counts.items()),
    ]
    for name, values in one.rated.items():
        rows.append(estimand("rated_share", values[:, None], place[place["attribute"] == name], **VARIANCE))
    for group, (n, values) in one.by_group.items():
        there = place.assign(n=n, n_eff=np.nan)
        rows.append(estimand("effect", values, there, ref=0.0, level=one.question.by, group=group, **lead))
    said = place[place["attribute"].isin(list(stated))]
    if len(said):
        rows.append(
            estimand("stated", said["attribute"].map(stated).to_numpy(float), said, metric="mean", unit="points")
        )
    return tidy(rows, also=["attribute"], item=one.outcome, weighting=one.weighting)


def quadrants(performance: np.ndarray, shares: np.ndarray, among: np.ndarray) -> dict[str, np.ndarray]:
    """Return P(quadrant) of each attribute against the averages of those `among`, draw by draw.

    Returns
    -------
    dict
        ``first`` (matters more, rated lower), ``keep`` (more, higher), ``later`` (less, lower), ``fine``; they add up
        to one.
    """
    above, more = (x >= x[:, among].mean(axis=1, keepdims=True) for x in (performance, shares))
    found = {"first": more & ~above, "keep": more & above, "later": ~more & ~above, "fine": ~more & above}
    return {name: values.mean(axis=0) for name, values in found.items()}


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation over draws of each column of two arrays; 0 where one does not vary."""
    away = [x - x.mean(axis=0) for x in (first, second)]
    size = np.sqrt((away[0] ** 2).sum(axis=0) * (away[1] ** 2).sum(axis=0))
    return np.asarray((away[0] * away[1]).sum(axis=0) / np.where(size > 0, size, 1.0))


def ranks(measured: Sequence[Measured], gates: Sequence[Gate]) -> pd.DataFrame:
    """Return ``driver_ranks``: P(rank) of each attribute as ``mean``, a row an outcome, attribute and rank."""
    parts = []
    for one, verdict in zip(measured, gates, strict=True):
        chances = importance.rank_chances(one.shares.values)
        size = len(chances)
        withheld = np.repeat(~(verdict.passed & (blank_share(one.data) <= MOST_BLANK)), size)
        part = {
            "item": one.outcome,
            "attribute": np.repeat(one.data.attributes, size),
            "rank": np.tile(np.arange(1, size + 1), size),
            "mean": np.where(withheld, np.nan, chances.ravel()),
            "n": np.repeat(one.answers, size),
            "verdict": np.where(withheld, "withheld", ""),
        }
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Scenario:
    """A what-if with a name.

    Attributes
    ----------
    id : str
        ``lift:<attribute>``, ``target:<touchpoint>`` or ``together``.
    moves : tuple of Move
    """

    id: str
    moves: tuple[Move, ...]


def scenarios(one: Measured, *, params: Params) -> list[Scenario]:
    """Return what a page works out: each attribute lifted, each touchpoint at its target, the best lifts at once."""
    lifts = [Scenario(f"lift:{a}", (Move(a, "lift"),)) for a in one.data.attributes]
    gain = {s.id: float(np.abs(whatif.change(one.outlook, s.moves)[one.metric]).mean()) for s in lifts}
    lifts = sorted(lifts, key=lambda s: -gain[s.id])
    found = list(lifts)
    for name, targets in params.targets.items():
        goal = targets.get("csat")
        moved = [
            Move(a, "target", float(goal))
            for a, touchpoint in zip(one.data.attributes, one.question.touchpoints, strict=True)
            if goal is not None and name in (a, touchpoint)
        ]
        if moved:
            found.append(Scenario(f"target:{name}", tuple(moved)))
    if len(lifts) > TOP:
        found.append(Scenario("together", tuple(m for s in lifts[:TOP] for m in s.moves)))
    return found


def outlook_table(measured: Sequence[Measured], gates: Sequence[Gate], *, params: Params) -> pd.DataFrame:
    """Return ``whatif_estimates``: the change of each metric in each scenario, and the share of people it moves.

    The scenarios are those of the first outcome, so that all outcomes answer the same questions.
    """
    parts = []
    planned = scenarios(measured[0], params=params) if measured else []
    for one, verdict in zip(measured, gates, strict=True):
        at, attributes = one.outlook, list(one.data.attributes)
        known = [s for s in planned if {m.attribute for m in s.moves} <= set(attributes)]
        places = [[attributes.index(m.attribute) for m in s.moves] for s in known]
        moved = [(whatif.moved(at, s.moves) != at.codes).any(axis=1) for s in known]
        changes = [whatif.change(at, s.moves) for s in known]
        place = pd.DataFrame(
            {
                "scenario": [s.id for s in known],
                "moved": [float(at.weight[rows].sum()) for rows in moved],
                "n": [int(one.answers[a].min()) for a in places],
                "n_eff": [float(_weighed(one.data)[a].min()) for a in places],
            }
        )
        rows = [
            estimand("change", np.stack([c[m] for c in changes], axis=1), place, metric=m, unit=_unit(one, m), ref=0.0)
            for m in (at.measures if known else ())
        ]
        about: dict[str, Any] = {"item": one.outcome, "weighting": one.weighting, "withheld": not verdict.passed}
        parts.append(tidy(rows, also=["scenario", "moved"], **about))
    return pd.concat(parts, ignore_index=True)


def predictive(one: Measured) -> pd.DataFrame:
    """Compare the observed shares of the outcome's codes with those the model expects.

    It expects them of the respondents kept for what-ifs, so intervals are those of as many answers at most: of more,
    the choice of respondents alone would look like a fault of the model.

    Returns
    -------
    DataFrame
        ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (90 % predictive, shares 0-1); empty for a number.
    """
    data, at = one.data, one.outlook
    if data.kind == "continuous":
        return pd.DataFrame(columns=["code", "observed", "mean", "ci_low", "ci_high"])
    size = len(data.outcome_levels)
    above = [whatif.share_above(at, k) for k in range(size - 1)]
    whole = np.ones(len(at.effect))
    shares = np.stack([a - b for a, b in zip([whole, *above], [*above, 0 * whole], strict=True)], axis=1).clip(min=0)
    n = max(round(min(data.n_eff, 1 / float((at.weight**2).sum()))), 1)
    again = np.random.default_rng(0).multinomial(n, shares / shares.sum(axis=1, keepdims=True)) / n
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    seen = np.bincount(data.outcome[data.answered], weights=data.weights[data.answered], minlength=size)
    found = {"code": data.outcome_levels, "observed": seen / seen.sum(), "mean": shares.mean(axis=0)}
    return pd.DataFrame(found | {"ci_low": low, "ci_high": high})


def agrees(shares: pd.DataFrame) -> bool:
    """Whether all observed shares but one in ten, at least one, lie in their predictive intervals."""
    outside = (shares["observed"] < shares["ci_low"]) | (shares["observed"] > shares["ci_high"])
    return int(outside.sum()) <= max(1, len(shares) // 10)


def stated(data: UnitData, *, params: Params, period: str) -> dict[str, float]:
    """Return how important customers call each attribute: the mean answer to the item that asks, by survey weights."""
    said = data.sql(
        "SELECT t.item, sum(t.value * r.weight) / sum(r.weight) AS mean, count(*) AS n FROM ratings t"
        " JOIN responses r USING (response_id) WHERE t.period = ? AND t.value IS NOT NULL GROUP BY t.item",
        params=[period],
    )
    kept = said[said["n"] >= params.limits.min_n]
    mean = dict(zip(kept["item"], kept["mean"].astype(float), strict=True))
    return {attribute: mean[item] for attribute, item in params.drivers.stated.items() if item in mean}


def draws_of(measured: Sequence[Measured], gates: Sequence[Gate]) -> xr.Dataset:
    """Return the draws of all outcomes that passed, side by side, for later notebooks and the workbench.

    Returns
    -------
    Dataset
        Dims (chain, draw, outcome, ..): the model's draws and, without draws, ``respondent_code``
        (levels, -1 beyond the kept respondents), ``respondent_weight`` and ``satisfied``; see
        `cxlab.drivers.whatif.stored`.
    """
    import xarray as xr

    parts = []
    for one, verdict in zip(measured, gates, strict=True):
        if not verdict.passed:
            continue
        part = one.posterior.drop_attrs()
        part = part[[v for v in ("level_effect", "cut", "contribution_cov", "noise_var", "level_share") if v in part]]
        part = part.astype("float32")
        part["respondent_code"] = (("respondent", "attribute"), one.outlook.codes.astype("int8"))
        part["respondent_weight"] = ("respondent", one.outlook.weight)
        part["satisfied"] = ("attribute", one.outlook.satisfied.astype("int8"))
        part["measures"] = json.dumps(one.outlook.measures)
        part = part.assign_coords(respondent=np.arange(len(one.outlook.codes)))
        parts.append(part.expand_dims(outcome=[one.outcome]))
    if not parts:
        return xr.Dataset({"level_effect": (("chain", "draw", "outcome"), np.zeros((1, 1, 0), "float32"))})
    joined = xr.concat(parts, dim="outcome", join="outer", fill_value={"respondent_code": -1, "satisfied": 0})
    return joined.transpose("chain", "draw", ...)


def _unit(one: Measured, metric: str) -> str:
    return "log of money" if one.data.kind == "continuous" else METRIC_UNITS.get(metric, "share")


def _weighed(data: DriverData) -> np.ndarray:
    """Effective number of respondents who rated each attribute."""
    rated = (data.codes >= 0) & data.answered[:, None]
    weight = data.weights[:, None] * rated
    return np.asarray(weight.sum(axis=0) ** 2 / np.maximum((weight**2).sum(axis=0), 1e-300))
