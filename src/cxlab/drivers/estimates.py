"""What is reported of drivers as tables: shares, sides and kinds, ranks, scenarios; and the draws kept for later.

All are summaries of the draws of `cxlab.drivers.measures.Measured`, which the page's clouds and ranks read, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.drivers import importance, whatif
from cxlab.drivers.data import BLANK, NOT_USED, DriverData
from cxlab.drivers.kano import KINDS
from cxlab.drivers.measures import Measured
from cxlab.drivers.whatif import Move
from cxlab.inference.estimates import summary
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.inference.diagnostics import Gate
    from cxlab.params.models import Params
    from cxlab.runs import UnitData

TOP: Final = 3
METRIC_UNITS: Final = {"nps": "NPS points", "mean": "points"}  # of everything else: shares


def table(measured: Sequence[Measured], gates: Sequence[Gate]) -> pd.DataFrame:
    """Return ``driver_estimates``: a row an outcome, attribute and estimand; a fit that failed gives no numbers.

    ``item`` is the outcome. ``importance_share`` and ``johnson_share`` are shares of its variance and add up to R2;
    ``reward``, ``penalty`` and ``effect`` (all ratings one code higher) are changes of the outcome's lead metric;
    ``performance`` is the share of users satisfied with the attribute.
    """
    rows = [r for one, gate in zip(measured, gates, strict=True) for r in _rows(one, withheld=not gate.passed)]
    return pd.DataFrame(rows, columns=[*_given(), "attribute"])


def ranks(measured: Sequence[Measured], gates: Sequence[Gate]) -> pd.DataFrame:
    """Return ``driver_ranks``: P(rank) of each attribute as ``mean``, a row an outcome, attribute and rank."""
    parts = []
    for one, gate in zip(measured, gates, strict=True):
        chances = importance.rank_chances(one.shares.values)
        size = len(chances)
        part = pd.DataFrame(
            {
                "item": one.outcome,
                "attribute": np.repeat(one.data.attributes, size),
                "rank": np.tile(np.arange(1, size + 1), size),
                "mean": chances.ravel() if gate.passed else np.nan,
                "n": np.repeat(one.answers, size),
                "verdict": "" if gate.passed else "withheld",
            }
        )
        parts.append(part)
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
    rows: list[dict[str, Any]] = []
    planned = scenarios(measured[0], params=params) if measured else []
    for one, gate in zip(measured, gates, strict=True):
        known = set(one.data.attributes)
        answers, weighed = (dict(zip(one.data.attributes, x, strict=True)) for x in (one.answers, _weighed(one.data)))
        for scenario in (s for s in planned if {m.attribute for m in s.moves} <= known):
            names = {m.attribute for m in scenario.moves}
            n, n_eff = min(int(answers[a]) for a in names), min(float(weighed[a]) for a in names)
            moved = (whatif.moved(one.outlook, scenario.moves) != one.outlook.codes).any(axis=1)
            for metric, values in whatif.change(one.outlook, scenario.moves).items():
                own = _place(one) | {"metric": metric, "estimand": "change", "scenario": scenario.id}
                own |= {"moved": float(one.outlook.weight[moved].sum()), "n": n, "n_eff": n_eff}
                own |= {"unit": _unit(one, metric), "verdict": "" if gate.passed else "withheld"}
                rows.append(own | _numbers(values, withheld=not gate.passed, ref=0.0))
    return pd.DataFrame(rows, columns=[*_given(), "scenario", "moved"])


def clouds(one: Measured) -> dict[str, np.ndarray]:
    """Return performance and importance share of each attribute, draw by draw: {attribute: (draw, 2)}."""
    performance = one.performance[:: -(-len(one.performance) // len(one.shares.values))]  # as shares were thinned
    both = np.stack([performance, one.shares.values], axis=2)
    return {name: both[:, a] for a, name in enumerate(one.data.attributes)}


def with_and_without(one: Measured, estimates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the shares of all differences, as rated and with the respondents' common factor credited to nobody.

    Parameters
    ----------
    one : Measured
    estimates : DataFrame
        The written ``driver_estimates``: what is suppressed there is so here.
    """
    plain = estimates[(estimates["item"] == one.outcome) & (estimates["estimand"] == "importance_share")]
    plain = plain[plain["level"] == "total"]
    kept = one.bare[:, -1, -1] / one.whole  # of the variance with the mood in it
    shares = importance.lmg(one.bare).values * kept[:, None]
    rows = []
    for row in plain.to_dict("records"):
        values = shares[:, one.data.attributes.index(str(row["attribute"]))]
        shown = bool(np.isfinite(row["mean"]))
        rows.append(row | _numbers(values, withheld=not shown, ref=None))
    return plain.reset_index(drop=True), pd.DataFrame(rows, columns=plain.columns)


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


def heard(one: Measured) -> pd.DataFrame:
    """Count who with an outcome rated each attribute, did not use it or left it blank."""
    codes = one.data.codes[one.data.answered]
    counts = {"rated": codes >= 0, "not_used": codes == NOT_USED, "blank": codes == BLANK}
    return pd.DataFrame({"attribute": one.data.attributes, **{k: v.sum(axis=0) for k, v in counts.items()}})


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
    for one, gate in zip(measured, gates, strict=True):
        if not gate.passed:
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


def _rows(one: Measured, *, withheld: bool) -> list[dict[str, Any]]:
    found = []
    worst_unit = _unit(one, one.metric)
    top = (np.argsort(np.argsort(-one.shares.values, axis=1), axis=1) < TOP).mean(axis=0)
    chances = one.kinds.mean(axis=0)
    weighed = _weighed(one.data)
    for a, name in enumerate(one.data.attributes):
        place = _place(one) | {"attribute": name, "n": int(one.answers[a]), "n_eff": float(weighed[a])}
        place["verdict"] = "withheld" if withheld else ""
        drawn = (
            ("importance_share", "share", "share of variance", one.shares.values[:, a]),
            ("johnson_share", "share", "share of variance", one.johnson[:, a]),
            ("effect", one.metric, worst_unit, one.effect[:, a]),
            ("reward", one.metric, worst_unit, one.reward[:, a]),
            ("penalty", one.metric, worst_unit, one.penalty[:, a]),
            ("performance", "csat", "share", one.performance[:, a]),
        )
        for estimand, metric, unit, values in drawn:
            ref = 0.0 if estimand in ("effect", "reward", "penalty") else None
            numbers = _numbers(values, withheld=withheld, ref=ref)
            found.append(place | numbers | {"estimand": estimand, "metric": metric, "unit": unit})
        for group, (n, values) in one.by_group.items():
            about = place | {"level": one.question.by, "group": group, "n": n, "n_eff": float("nan")}
            numbers = _numbers(values[:, a], withheld=withheld, ref=0.0)
            found.append(about | numbers | {"estimand": "effect", "metric": one.metric, "unit": worst_unit})
        certain = {"p_top3": top[a], **{f"p_{kind}": chances[a, k] for k, kind in enumerate(KINDS)}}
        for estimand, value in certain.items():
            numbers = dict.fromkeys((*ESTIMATE_NUMBERS, "ci_prob"), float("nan")) | {"ci_kind": ""}
            numbers["mean"] = float("nan") if withheld else float(value)
            found.append(place | numbers | {"estimand": estimand, "metric": "probability", "unit": "probability"})
    return found


def _unit(one: Measured, metric: str) -> str:
    return "log of money" if one.data.kind == "continuous" else METRIC_UNITS.get(metric, "share")


def _weighed(data: DriverData) -> np.ndarray:
    """Effective number of respondents who rated each attribute."""
    rated = (data.codes >= 0) & data.answered[:, None]
    weight = data.weights[:, None] * rated
    return np.asarray(weight.sum(axis=0) ** 2 / np.maximum((weight**2).sum(axis=0), 1e-300))


def _place(one: Measured) -> dict[str, Any]:
    return {"item": one.outcome, "level": "total", "group": "", "weighting": one.weighting}


def _numbers(values: np.ndarray, *, withheld: bool, ref: float | None) -> dict[str, Any]:
    numbers = summary(values, ref=ref)
    return numbers | dict.fromkeys(ESTIMATE_NUMBERS, float("nan")) if withheld else numbers


def _given() -> list[str]:
    return [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "period", "model")]
