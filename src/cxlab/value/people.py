"""Who the customers of a fitted base are, how they moved, what they returned, and who comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.inference import diagnostics
from cxlab.inference.diagnostics import Gate
from cxlab.params.models import Params
from cxlab.params.periods import parse
from cxlab.value import second_purchase
from cxlab.value.clv import equity
from cxlab.value.clv.forecast import Outlook, look_ahead
from cxlab.value.fits import Base, Fitted, Seed
from cxlab.value.segments import compare, contacts, lifecycle, repurchase
from cxlab.value.segments.compare import Known
from cxlab.value.segments.contacts import Policy
from cxlab.value.segments.cuts import KEYS, NEW, STAGES
from cxlab.value.segments.experience import Effects, effects, experience
from cxlab.value.segments.lifecycle import Proof
from cxlab.value.segments.repurchase import First

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.runs import UnitData

SEASON: Final = 21  # days by which two dates may be apart, but for whole years, to lie in the same season


@dataclass(frozen=True)
class Returned:
    """The return on customers of a period.

    Attributes
    ----------
    parts : array (draw, 2)
        What customers from before and new ones add to the return over the period.
    profit : float
        Contribution of the period at its worth at the end.
    opening, closing : array (draw,)
        Equity over customers' whole life.
    before : array (draw,)
        Equity until the horizon at the begin.
    years : float
        Length of the period.
    """

    parts: np.ndarray
    profit: float
    opening: np.ndarray
    closing: np.ndarray
    before: np.ndarray
    years: float

    @property
    def same_season(self) -> bool:
        """Whether begin and end lie in the same season, so that the difference is not that of the season."""
        return abs(self.years - max(round(self.years), 1)) * 365.25 <= SEASON


@dataclass(frozen=True)
class People:
    """Who the customers are; what cannot be known is None or empty.

    Attributes
    ----------
    returned : Returned or None
        None in the first period, and without a model that passed.
    moves : dict of level to Dataset
        Draws of the migration between segments and between stages.
    ahead : DataFrame or None
        Next stage of every customer.
    proof : Proof or None
        How good such forecasts were.
    ways : DataFrame or None
        Groupings by what they foretold.
    effects : Effects or None
        What experience adds or takes.
    policy : Policy or None
        For whom a contact pays; None where no money is known.
    credit : DataFrame or None
        Value moved to those who brought others.
    newcomers : array (draw,) or None
        What customers to come will be worth.
    known : dict of str to int
        Customers by the latest experience they told.
    asked : bool
        Whether the params say what a contact costs and does.
    rates : DataFrame
        Who came back, from `cxlab.value.segments.repurchase.rates`.
    first : First or None
        First purchases of new customers.
    again : Dataset or None
        Draws of the second purchase by first choice.
    gate : Gate or None
        Of them.
    """

    rates: pd.DataFrame
    first: First | None = None
    again: xr.Dataset | None = None
    gate: Gate | None = None
    returned: Returned | None = None
    moves: dict[str, xr.Dataset] = field(default_factory=dict)
    ahead: pd.DataFrame | None = None
    proof: Proof | None = None
    ways: pd.DataFrame | None = None
    effects: Effects | None = None
    policy: Policy | None = None
    credit: pd.DataFrame | None = None
    newcomers: np.ndarray | None = None
    known: dict[str, int] = field(default_factory=dict)
    asked: bool = False


def find(fitted: Fitted, data: UnitData, *, params: Params, periods: tuple[str, ...], seed: Seed) -> People:
    """Follow the customers of a base.

    Parameters
    ----------
    fitted : Fitted
    data : UnitData
    params : Params
    periods : tuple of str
        Up to the unit's.
    seed : callable
        Name -> seed, `Run.seed`.
    """
    history, settings = fitted.history, params.value
    known = [parse(p, params.periods.grain) for p in periods]
    rates = repurchase.rates(history, data, known, service=settings.service)
    first = repurchase.first_purchases(data, params, history)
    again, gate = _second(first, seed=seed("second purchase"))
    base = fitted.base
    if base is None or not fitted.passed:
        return People(rates, first, again, gate)
    returned, moves = _moves(base, seed=seed)
    ahead, proof = _stages(base, seed=seed("next stage"))
    learned = None
    if "experience" in base.outlook.totals.dims and base.proof is not None:
        earlier = experience(data, params, until=base.proof.split)
        learned = effects(history, base.proof, earlier, seed=seed("intention"))
    policy, credit = None, None
    if base.metric == "money":
        each, lift = base.outlook.customers, settings.contact_lift
        cost = settings.contact_cost if lift is not None else None
        winback = settings.contact_winback or 0.0
        policy = contacts.contact_policy(each, cost=cost, lift=contacts.LIFT if lift is None else lift, winback=winback)
        brought = contacts.referred(data, until=history.end)
        if brought is not None:
            values = pd.Series(each["clv_mean"].to_numpy(), index=base.customers["customer"].to_numpy())
            credit = contacts.credit(values, brought, share=settings.referral_share)
    return People(
        rates,
        first,
        again,
        gate,
        returned,
        moves,
        ahead,
        proof,
        ways=_ways(base, lambda day: experience(data, params, until=day)),
        effects=learned,
        policy=policy,
        credit=credit,
        newcomers=_newcomers(base, seed=seed("outlook")),
        known=base.known,
        asked=settings.contact_cost is not None and settings.contact_lift is not None,
    )


def _moves(base: Base, *, seed: Seed) -> tuple[Returned | None, dict[str, xr.Dataset]]:
    """Measure the customers of the end of the period before with the posterior of today: one ruler for both days."""
    day = base.begin - timedelta(days=1)
    if day <= base.history.first:
        return None, {}
    try:
        people, then = base.as_of(day)
        past = look_ahead(base.tree, then, base.ask, seed=seed("outlook"), cuts=base.cuts)
    except ModelError:
        return None, {}
    was = past.customers["segment"].set_axis(people["customer"]).reindex(base.customers["customer"])
    is_now = base.outlook.customers["segment"]
    levels = {"segment": (was, is_now, KEYS)}
    levels["stage"] = (was.str.split("/").str[1], is_now.str.split("/").str[1], STAGES)
    moves = {
        level: lifecycle.moves(old, now, segments=names, new=NEW, seed=seed(f"migration {level}"))
        for level, (old, now, names) in levels.items()
    }
    return _returned(base, past) if base.metric == "money" else None, moves


def _returned(base: Base, past: Outlook) -> Returned | None:
    opening, before = (past.worth(life=life).to_numpy() for life in (True, False))
    if not (opening > 0).all() or not (before > 0).all():
        return None
    visits, back = base.history.visits, base.history.visits.returns
    begin, end = np.datetime64(base.begin, "D"), np.datetime64(base.history.end, "D")
    who = np.concatenate([visits.who, back["who"]])
    day = np.concatenate([visits.day, back["day"].to_numpy("datetime64[D]")])
    amount = np.nan_to_num(np.concatenate([visits.amount, -back["amount"]])) * base.margin
    fresh = (visits.first >= begin)[who]
    profit = [
        equity.brought_forward(amount[some], (end - day[some]).astype(int), discount=base.ask.discount)
        for some in ((day >= begin) & ~fresh, (day >= begin) & fresh)
    ]
    by = base.outlook.worth("tenure", life=True)
    here = list(by["tenure"].to_numpy())
    old, new = (by.sel(tenure=t).to_numpy() if t in here else np.zeros(len(opening)) for t in ("existing", "new"))
    same = equity.return_on_customer(opening, profit[0], old)
    added = equity.return_on_customer(opening, sum(profit), old + new) - same
    years = ((base.history.end - base.begin).days + 1) / 365.25
    return Returned(np.column_stack([same, added]), sum(profit), opening, old + new, before, years)


def _stages(base: Base, *, seed: int) -> tuple[pd.DataFrame | None, Proof | None]:
    weeks = max(1, round(((base.history.end - base.begin).days + 1) / 7))
    try:
        ahead = lifecycle.next_stage(base.tree, base.data, base.cuts, weeks=weeks, seed=seed)
        return ahead, lifecycle.prove(base.history, base.data, base.cuts, weeks=weeks, seed=seed)
    except ModelError:
        return None, None


def _ways(base: Base, told: Known) -> pd.DataFrame | None:
    try:
        return compare.compare(base.history, base.data, base.cuts, experience=told)
    except ModelError:
        return None


def _newcomers(base: Base, *, seed: int) -> np.ndarray | None:
    came, within, first = base.history.newcomers()
    if not came or within <= 0:
        return None
    return equity.newcomers(base.tree, base.data, base.ask, came=came, within=within, first=first, seed=seed)


def _second(first: First | None, *, seed: int) -> tuple[xr.Dataset | None, Gate | None]:
    if first is None:
        return None, None
    try:
        data = second_purchase.model_data(first.spells, features=first.features, since=first.since)
    except ModelError:
        return None, None
    tree = second_purchase.fit(data, seed=seed)
    drawn = second_purchase.estimands(tree["posterior"].dataset, data)
    return drawn, diagnostics.gate(tree, names=("base",))
