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
``value_past``            contribution up to now; ``value_present`` what buying so far lets one expect;
``value_change``          what the experience told adds or takes (level ``experience``: by experience)
``spare``                 customers a contact does not pay for, as a share; ``spare_value`` what they are worth,
                          ``spare_saved`` what is not spent, ``spare_forgone`` what contacts would have brought;
                          by segment (level ``segment``): share of them
``break_even``            highest cost of a contact that pays for a share of the customers (group), the best first
``referral``              value moved to customers who brought others; `n` those who were brought
========================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.inference.estimates import CI_PROB, summaries, summary
from cxlab.params.models import Params, Value
from cxlab.params.periods import parse
from cxlab.value import migration, segments
from cxlab.value.fits import Fitted
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.segments import KEYS, NEW, STAGES, Cuts, Intention, Members, Proof, Spare

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
    then : ValueData or None
        The customers at the end of the period before, as the model of today sees them.
    worth_before : array (draw,) or None
        Their discounted contribution until the horizon, with the same draws as `members`.
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
    spare : Spare or None
        Whom a contact does not pay for; None where no money is known.
    intention : Intention or None
        Value so far, present value, and what experience adds or takes.
    credit : DataFrame or None
        Value moved to those who brought others.
    """

    cuts: Cuts
    members: Members
    then: ValueData | None = None
    worth_before: np.ndarray | None = None
    moves: dict[str, xr.Dataset] = field(default_factory=dict)
    ahead: pd.DataFrame | None = None
    proof: Proof | None = None
    ways: pd.DataFrame | None = None
    known: int = 0
    spare: Spare | None = None
    intention: Intention | None = None
    credit: pd.DataFrame | None = None


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
    spare = _spare(fitted, settings)
    labels = {"experience": label} if known >= LEAST_KNOWN else {}
    labels |= {"contact": spare.label} if spare is not None else {}
    found = worth_of(fitted, fitted.data, limits, settings, weeks=settings.horizon_years * WEEKS_A_YEAR,
                     seed=seed("segments"), labels=labels)  # fmt: skip
    then, worth_before, moves = _moves(fitted, limits, found, settings, seed=seed)
    ahead, proof = _stages(fitted, limits, seed=seed)
    try:
        ways = segments.compare(
            history, fitted.data, limits, experience=lambda day: segments.experience(data, params, until=day)
        )
    except ModelError:
        ways = None
    intention = None
    if "experience" in labels and fitted.proof is not None:
        earlier = segments.experience(data, params, until=fitted.proof.split)
        effects = segments.effects(history, fitted.proof, earlier, seed=seed("intention"))
        if effects is not None:
            intention = segments.intention(history, effects, found, margin=fitted.margin)
    brought = segments.referred(data, until=history.end)
    credit = None
    if brought is not None and fitted.outlook is not None and fitted.data.spend is not None:
        values = pd.Series(fitted.outlook.customers["clv_mean"].to_numpy(), index=ids.to_numpy())
        credit = segments.credit(values, brought, share=settings.referral_share)
    return People(limits, found, then, worth_before, moves, ahead, proof, ways, known, spare, intention, credit)


def worth_of(
    fitted: Fitted,
    data: ValueData,
    limits: Cuts,
    settings: Value,
    *,
    weeks: float,
    seed: int,
    labels: Mapping[str, np.ndarray] | None = None,
) -> Members:
    """Return segments, sizes and worth of the customers of `data` with the posterior of a fitted base."""
    assert fitted.tree is not None
    return segments.members(
        fitted.tree, data, limits, weeks=weeks, seed=seed, draws=DRAWS, discount=settings.discount,
        margin=fitted.contribution, shock=fitted.shock, labels=labels or None,
    )  # fmt: skip


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
    out += _next(people) + _ways(people) + _experience(people, metric) + _money(people, metric)
    return [row | {"n_all": n} for row in out]


def _spare(fitted: Fitted, settings: Value) -> Spare | None:
    if fitted.outlook is None or fitted.data is None or fitted.data.spend is None:
        return None
    return segments.spare(
        fitted.outlook.customers, cost=settings.contact_cost, lift=settings.contact_lift,
        winback=settings.contact_winback,
    )  # fmt: skip


def _moves(
    fitted: Fitted, limits: Cuts, found: Members, settings: Value, *, seed: Callable[[str], int]
) -> tuple[ValueData | None, np.ndarray | None, dict[str, xr.Dataset]]:
    """Measure the customers of the end of the period before with the posterior of today: one ruler for both days."""
    assert fitted.data is not None
    day = fitted.begin - timedelta(days=1)
    if day <= fitted.history.first:
        return None, None, {}
    try:
        people, then = segments.as_of(fitted.history, fitted.data, day)
        past = worth_of(fitted, then, limits, settings, weeks=settings.horizon_years * WEEKS_A_YEAR,
                        seed=seed("segments"))  # fmt: skip
    except ModelError:
        return None, None, {}
    before = past.customers.assign(customer=people["customer"].to_numpy())
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
    return then, past.worth.sum(axis=1), moves


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


def _money(people: People, metric: str) -> list[Row]:
    """Whom not to spend on, value split in time, referrals."""
    out: list[Row] = []
    total = len(people.members.customers)
    if people.spare is not None:
        found = people.spare
        about = {"metric": metric, "n": total}
        out += [
            {"estimand": "spare", "metric": "share", "n": total, "mean": found.share},
            {"estimand": "spare_saved", "mean": found.saved, **about},
            {"estimand": "spare_forgone", "mean": found.forgone, **about},
        ]
        split = people.members.by.get("contact")
        if split is not None and "spare" in split.names:
            worth = split.worth[:, :, split.names.index("spare")].sum(axis=1)
            out.append({"estimand": "spare_value", **about, **summary(worth)})
        by = pd.DataFrame({"segment": people.members.customers["segment"], "spare": found.label == "spare"})
        for key, own in by.groupby("segment", sort=False):
            out.append({"estimand": "spare", "metric": "share", "level": "segment", "group": str(key), "n": len(own),
                        "mean": float(own["spare"].mean())})  # fmt: skip
        for row in found.break_even.to_dict("records"):
            out.append({"estimand": "break_even", "metric": metric, "level": "share", "group": f"{row['share']:g}",
                        "n": total, "mean": float(row["cost"])})  # fmt: skip
    if people.intention is not None:
        held = people.intention
        out.append({"estimand": "value_past", "metric": metric, "n": total, "mean": held.past})
        out.append({"estimand": "value_present", "metric": metric, "n": total, **summary(held.present)})
        out.append({"estimand": "value_change", "metric": metric, "n": people.known, **summary(held.change, ref=0.0)})
        sizes = people.members.by["experience"]
        for place, group in enumerate(held.effects.groups):
            n = int(sizes.n[:, sizes.names.index(group)].sum()) if group in sizes.names else 0
            out.append({"estimand": "value_change", "metric": metric, "level": "experience", "group": group, "n": n,
                        **summary(held.by[:, place], ref=0.0)})  # fmt: skip
    if people.credit is not None:
        moved = people.credit["credit"]
        out.append({"estimand": "referral", "metric": metric, "n": int((people.credit["given"] > 0).sum()),
                    "mean": float(moved.sum())})  # fmt: skip
    return out
