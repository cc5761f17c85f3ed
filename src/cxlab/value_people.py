"""Who the customers of a unit are, for the page on value: segments, moves between them, the next stage, what foretells.

Rows for ``value_estimates``:

========================  =============================================================================================
estimand                  a row is
========================  =============================================================================================
``segment_size``          share of the customers in a segment (level ``segment``); `n` those most probably in it
``segment_value``         their discounted contribution until the horizon; ``segment_share`` as a share of all value
``segment_sure``          mean probability of belonging to it, of those most probably in it
``migration``             share of those ``from`` a segment or stage at the end of the period before who are in ``to``
``next_stage``            share of those in a stage now expected in another at the end of the next period
``next_stage_brier``      Brier score of such forecasts in the past (level ``way``: model, base, stay)
``next_stage_skill``      share by which the model's is lower than the best naive one
``segmentation_skill``    share by which a grouping (level ``way``) foretells later spend better than treating all alike
``experience_value``      value of the customers by their latest experience (level ``experience``), a customer
========================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab import segments
from cxlab.errors import ModelError
from cxlab.estimates import CI_PROB, summaries, summary
from cxlab.models import migration
from cxlab.models.value import WEEKS_A_YEAR
from cxlab.params.models import Params
from cxlab.params.periods import parse
from cxlab.segments import KEYS, NEW, STAGES, Cuts, Members, Proof
from cxlab.value_fits import Fitted

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.runs import UnitData

DRAWS: Final = 200
EXPERIENCES: Final = ("good", "middling", "bad", "unknown")
LEAST_KNOWN: Final = 30  # customers whose experience is known, below which nothing is split by it
Row = dict[str, Any]


@dataclass(frozen=True)
class People:
    """Who the customers are.

    Attributes
    ----------
    cuts : Cuts
    members : Members
    before : DataFrame or None
        ``customer, segment`` at the end of the period before.
    moves : dict of level to Dataset
        Draws of the migration between segments and between stages.
    ahead : DataFrame or None
        Next stage of every customer.
    proof : Proof or None
        How good such forecasts were.
    ways : DataFrame or None
        Groupings by what they foretold.
    known : int
        Customers whose latest experience is known.
    """

    cuts: Cuts
    members: Members
    before: pd.DataFrame | None = None
    moves: dict[str, xr.Dataset] = field(default_factory=dict)
    ahead: pd.DataFrame | None = None
    proof: Proof | None = None
    ways: pd.DataFrame | None = None
    known: int = 0


def find(fitted: Fitted, data: UnitData, *, params: Params, seed: Callable[[str], int]) -> People | None:
    """Put the customers of a fitted base into segments and follow them.

    Parameters
    ----------
    fitted : Fitted
    data : UnitData
    params : Params
    seed : callable
        Name -> seed, `Run.seed`.

    Returns
    -------
    People or None
        None where no model of buying was fitted or its checks failed.
    """
    if fitted.kind != "buying" or fitted.tree is None or fitted.data is None:
        return None
    if fitted.gate is None or not fitted.gate.passed:
        return None
    settings, grain, history = params.value, params.periods.grain, fitted.history
    limits = segments.cuts(
        history, reference=parse(params.periods.first, grain).end, quantiles=settings.value_quantiles,
        alive=settings.alive,
    )  # fmt: skip
    ids = fitted.customers["customer"]
    told = segments.experience(data, params, until=history.end)
    label = segments.labelled(ids, told, "experience")
    known = int((label != "unknown").sum())
    found = segments.members(
        fitted.tree, fitted.data, limits, weeks=settings.horizon_years * WEEKS_A_YEAR, seed=seed("segments"),
        draws=DRAWS, discount=settings.discount, margin=fitted.contribution, shock=fitted.shock,
        labels={"experience": label} if known >= LEAST_KNOWN else None,
    )  # fmt: skip
    before, moves = _moves(fitted, limits, found, seed=seed)
    ahead, proof = _stages(fitted, limits, seed=seed)
    try:
        ways = segments.compare(
            history, fitted.data, limits, experience=lambda day: segments.experience(data, params, until=day)
        )
    except ModelError:
        ways = None
    return People(limits, found, before, moves, ahead, proof, ways, known)


def rows(people: People | None, fitted: Fitted) -> list[Row]:
    """Return the rows for ``value_estimates`` (see above); `value_estimates.complete` fills the other columns."""
    if people is None:
        return []
    n = len(fitted.customers)
    metric = "money" if fitted.data is not None and fitted.data.spend is not None else "count"
    found = people.members
    total = found.worth.sum(axis=1, keepdims=True)
    sure = found.customers.groupby("segment")["p_segment"].mean()
    out: list[Row] = []
    share = found.worth / np.where(total != 0, total, 1.0)
    for place, key in enumerate(KEYS):
        about = {"level": "segment", "group": key, "n": int(found.n[place])}
        out.append({"estimand": "segment_size", "metric": "share", **about, **summary(found.size[:, place] / n)})
        out.append({"estimand": "segment_value", "metric": metric, **about, **summary(found.worth[:, place])})
        out.append({"estimand": "segment_share", "metric": "share", **about, **summary(share[:, place])})
        if key in sure.index:
            out.append({"estimand": "segment_sure", "metric": "share", "mean": float(sure[key]), **about})
    for level, drawn in people.moves.items():
        values = drawn["migration"].to_numpy().reshape(-1, drawn.sizes["row"])
        numbers = summaries(values)
        ends = {k: drawn[k].to_numpy().astype(str) for k in ("from", "to")}
        moved = numbers.assign(**ends, group=ends["from"], n=drawn["n"].to_numpy(), level=level, metric="share")
        out += [{str(k): v for k, v in row.items()} for row in moved.assign(estimand="migration").to_dict("records")]
    out += _next(people) + _ways(people) + _experience(people, metric)
    return [row | {"n_all": n} for row in out]


def _moves(
    fitted: Fitted, limits: Cuts, found: Members, *, seed: Callable[[str], int]
) -> tuple[pd.DataFrame | None, dict[str, xr.Dataset]]:
    assert fitted.tree is not None
    assert fitted.data is not None
    day = fitted.begin - timedelta(days=1)
    if day <= fitted.history.first:
        return None, {}
    try:
        before = segments.earlier(
            fitted.history, fitted.tree, fitted.data, limits, day=day, seed=seed("segments before"), draws=DRAWS // 2
        )
    except ModelError:
        return None, {}
    old = before.set_index("customer")["segment"].reindex(fitted.customers["customer"]).to_numpy(object)
    now = found.customers["segment"].to_numpy(object)
    stage = np.array([v.split("/")[1] if isinstance(v, str) else v for v in old], object)
    levels: dict[str, Any] = {
        "segment": (old, now, KEYS),
        "stage": (stage, found.customers["stage"].to_numpy(object), STAGES),
    }
    moves = {}
    for level, (was, is_now, names) in levels.items():
        data = migration.model_data(was, is_now, segments=names, new=NEW)
        drawn = migration.draw(data, draws=500, chains=2, seed=seed(f"migration {level}"))
        moves[level] = migration.estimands(drawn, data)
    return before, moves


def _stages(fitted: Fitted, limits: Cuts, *, seed: Callable[[str], int]) -> tuple[pd.DataFrame | None, Proof | None]:
    assert fitted.tree is not None
    assert fitted.data is not None
    weeks = max(1, round(((fitted.history.end - fitted.begin).days + 1) / 7))
    try:
        ahead = segments.ahead(fitted.tree, fitted.data, limits, weeks=weeks, seed=seed("next stage"))
        proof = segments.next_stage(fitted.history, fitted.data, limits, weeks=weeks, seed=seed("next stage"))
    except ModelError:
        return None, None
    return ahead, proof


def _next(people: People) -> list[Row]:
    out: list[Row] = []
    if people.ahead is not None:
        grouped = people.ahead.groupby("stage")
        means, sizes = grouped[[f"p_{s}" for s in STAGES]].mean(), grouped.size()
        for stage in (s for s in STAGES if s in sizes.index):
            for to in STAGES:
                out.append({"estimand": "next_stage", "metric": "share", "level": "stage", "group": stage,
                            "from": stage, "to": to, "n": int(sizes[stage]),
                            "mean": float(means[f"p_{to}"][stage])})  # fmt: skip
    if people.proof is not None:
        proof = people.proof
        for row in proof.scores.to_dict("records"):
            out.append({"estimand": "next_stage_brier", "metric": "score", "level": "way", "group": row["way"],
                        "n": proof.n, "mean": float(row["stage"])})  # fmt: skip
        out.append({"estimand": "next_stage_skill", "metric": "share", "n": proof.n, "mean": proof.skill,
                    "ci_low": proof.skill_low, "ci_high": proof.skill_high, "ci_prob": CI_PROB,
                    "ci_kind": "normal"})  # fmt: skip
    return out


def _ways(people: People) -> list[Row]:
    if people.ways is None:
        return []
    return [
        {"estimand": "segmentation_skill", "metric": "rate", "level": "way", "group": row["way"], "n": int(row["n"]),
         "mean": float(row["skill"]), "ci_low": float(row["skill_low"]), "ci_high": float(row["skill_high"]),
         "ci_prob": CI_PROB, "ci_kind": "normal", "prob_gt_ref": float(row["ahead"])}
        for row in people.ways.to_dict("records")
    ]  # fmt: skip


def _experience(people: People, metric: str) -> list[Row]:
    """Value a customer by latest experience."""
    split = people.members.by.get("experience")
    if split is None:
        return []
    out: list[Row] = []
    for name in EXPERIENCES:
        if name not in split.names:
            continue
        at = split.names.index(name)
        n = int(split.n[:, at].sum())
        if n:
            out.append({"estimand": "experience_value", "metric": metric, "level": "experience", "group": name, "n": n,
                        **summary(split.worth[:, :, at].sum(axis=1) / n)})  # fmt: skip
    return out
