"""The customer base of a unit as a page on value needs it: read, proved on past weeks, fitted, looked ahead.

What cannot be fitted is told, not raised: contracts go to their own family; a brand whose customers are too few, all
new or all gone after one purchase keeps its counts and the reasons.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import diagnostics
from cxlab.inference.diagnostics import Gate
from cxlab.params.models import Value
from cxlab.params.periods import parse
from cxlab.value import model, rfm
from cxlab.value.clv import families
from cxlab.value.clv.families import FAMILIES, Family
from cxlab.value.clv.quadrature import unit_rule
from cxlab.value.model import WEEKS_A_YEAR, Outlook, ValueData
from cxlab.value.rfm import Choice, History, Holdout
from cxlab.vocab import Grain

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.runs import UnitData

LEAST_HOLDOUT: Final = 8  # weeks of holdout below which nothing is proved
RARE: Final = 0.02  # share of customers who bought on a second day below which nothing is fitted
DRAWS: Final = 300  # of the look ahead: the ends of an interval are good to a tenth of its width
ASSUMED: Final = 0.2  # sd of the common shock where the past cannot tell
POSTERIOR: Final = 250  # draws a chain of the parameters
NEAR: Final = 200  # of the next period
PATIENT: Final = 14  # days without any purchase that are no sign of the end of the data
STRAY: Final = 0.005  # share of a year's purchases that may lie beyond the end of the data, dated in the future
_DAYS: Final = """
    SELECT date, count(*) AS n, count(*) FILTER (WHERE kind IN ('purchase', 'booking', 'renewal')) AS bought
    FROM transactions
    WHERE date IS NOT NULL AND customer IS NOT NULL
    GROUP BY date ORDER BY date"""
_EVENTS: Final = "SELECT DISTINCT name FROM events WHERE customer IS NOT NULL AND name IS NOT NULL AND date <= $end"
Kind = Literal["buying", "contract", "none"]


@dataclass(frozen=True)
class Fitted:
    """The customer base of a unit at the end of its period.

    Attributes
    ----------
    kind : str
        ``buying`` (customers leave silently), ``contract`` (their end is seen) or ``none`` (no model can be fitted).
    history : History
    begin : date
        First day of the period: customers who came since are new.
    reasons : tuple of Problem
        Why no model of buying was fitted.
    choice : Choice or None
        Which model, by what it foretold within the past.
    proof : Holdout or None
        The forecast that was tried on the past.
    rivals : DataFrame
        Every model's error on the weeks held out (`tried`); empty without a proof.
    customers : DataFrame
        As `History.customers` or `History.contracts`, and ``new`` (came in this period); empty for ``none``.
    data : ValueData or None
    tree : DataTree or None
    gate : Gate or None
        Whether the draws may be believed.
    outlook : Outlook or None
        Until the horizon, group 0: existing customers, 1: new ones. None for contracts.
    near : Outlook or None
        Until the end of the next period, money as it will be paid: not discounted, no margin, less returns.
    margin : float
        Share of spend that is contribution.
    margin_from : str
        ``params``, ``transactions``, or ``none``: then value is revenue.
    """

    kind: Kind
    history: History
    begin: date
    reasons: tuple[Problem, ...]
    choice: Choice | None
    proof: Holdout | None
    rivals: pd.DataFrame
    customers: pd.DataFrame
    data: ValueData | None
    tree: xr.DataTree | None
    gate: Gate | None
    outlook: Outlook | None
    near: Outlook | None
    margin: float
    margin_from: Literal["params", "transactions", "none"]

    @property
    def shock(self) -> float:
        """Standard deviation (log) of what moves all customers alike."""
        return self.choice.shock if self.choice is not None else ASSUMED

    @property
    def contribution(self) -> float:
        """Share of what is paid that stays as contribution once returns are taken back."""
        return self.margin * (1 - self.history.returned)


def last_day(days: pd.DataFrame, until: date) -> date:
    """Return the last day of observation: the end of the period, or earlier where the data end earlier.

    Parameters
    ----------
    days : DataFrame
        ``date`` and ``n`` (purchases, returns, ends of contracts), in order of date.
    until : date
        Last day of the period.

    Notes
    -----
    Silence at the end is information about customers only if the shop was open: a pause longer than two weeks and than
    any of the year before ends the data. A few purchases after such a pause are dated in the future.
    """
    when = pd.to_datetime(days["date"]).dt.date.to_numpy()
    n = days["n"].to_numpy(float)
    kept = when <= until
    when, n = when[kept], n[kept]
    if not len(when):
        return until
    gaps = np.array([(b - a).days for a, b in itertools.pairwise(when)] + [(until - when[-1]).days])
    year = np.array([(when[-1] - d).days <= 365 for d in when])
    total = n[year].sum()
    for at in range(len(when) - 1, -1, -1):
        if n[at + 1 :].sum() > STRAY * total or not year[at]:
            break
        usual = gaps[:at][year[:at]].max(initial=0)
        if gaps[at] > max(PATIENT, usual):
            return cast(date, when[at])
    return until


def read(data: UnitData, *, settings: Value, period: str, grain: Grain) -> History | None:
    """Look at the purchases of a unit up to the end of its period; None if no known customer has bought anything.

    Of the covariates of the params those are taken that this unit has: an event may not have befallen anybody yet.
    """
    days = data.sql(_DAYS)
    if not days["bought"].any():
        return None
    end = last_day(days, parse(period, grain).end)
    if settings.covariates == ["auto"]:
        return rfm.read(data, end=end, covariates="auto")
    columns = data.sql("SELECT * FROM customers LIMIT 0").columns
    events = {f"event:{name}" for name in data.sql(_EVENTS, params={"end": end})["name"]}
    return rfm.read(data, end=end, covariates=[c for c in settings.covariates if c in columns or c in events])


def fit(
    history: History,
    *,
    settings: Value,
    period: str,
    grain: Grain,
    seed: Callable[[str], int],
    draws: int = 0,
) -> Fitted:
    """Prove, fit and look ahead.

    Parameters
    ----------
    history : History
        From `read`.
    settings : Value
        ``value`` of the params.
    period : str
    grain : str
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain of the posterior; 0: as `cxlab.value.model.fit` has it.

    Returns
    -------
    Fitted
    """
    begin = min(parse(period, grain).start, history.end)
    margin, origin = _margin(history, settings)
    nothing = pd.DataFrame()
    blank = Fitted(
        kind="none", history=history, begin=begin, reasons=history.why_not, choice=None, proof=None, rivals=nothing,
        customers=nothing, data=None, tree=None, gate=None, outlook=None, near=None, margin=margin, margin_from=origin,
    )  # fmt: skip
    if history.contract is not None:
        return _contracts(blank, seed=seed, draws=draws)
    if history.why_not or rare(history):
        return blank
    family: Family | None = None if settings.model == "auto" else settings.model
    proof = _proof(history, family, settings.calibration_end, seed=seed("holdout"))
    choice = proof.choice if proof is not None else _choice(history, family)
    customers = _with_new(history.customers(), begin)
    kept = margin * (1 - history.returned)
    rivals = tried(history, proof) if proof is not None else pd.DataFrame()
    chosen = choice.family if choice is not None else family or "bgnbd"
    known = choice.covariates if choice is not None else history.covariates
    differ = [c for c in known if customers[c].nunique() > 1]
    data = model.model_data(customers, family=chosen, covariates=differ)
    tree = model.fit(data, seed=seed("value"), draws=draws or POSTERIOR)
    shock = choice.shock if choice is not None else ASSUMED
    future = model.outlook(
        tree,
        data,
        weeks=settings.horizon_years * WEEKS_A_YEAR,
        seed=seed("outlook"),
        draws=DRAWS,
        discount=settings.discount,
        margin=kept,
        shock=shock,
        steps=1,
        groups=customers["new"].to_numpy(int),
    )
    ahead = parse(period, grain).next()
    near = model.outlook(
        tree,
        data,
        weeks=((ahead.end - ahead.start).days + 1) / 7,
        seed=seed("near"),
        draws=NEAR,
        discount=0.0,
        margin=1 - history.returned,
        shock=shock,
        steps=1,
    )
    return replace(
        blank, kind="buying", reasons=(), choice=choice, proof=proof, rivals=rivals, customers=customers, data=data,
        tree=tree, gate=_gate(tree, data), outlook=future, near=near,
    )  # fmt: skip


def rare(history: History) -> bool:
    """Whether so few bought again that who has left cannot be told from who never buys twice.

    Every model of buying then fits, and they differ by multiples in what they make of the rest.
    """
    return history.counts["again"] < RARE * history.counts["customers"]


def _with_new(customers: pd.DataFrame, begin: date) -> pd.DataFrame:
    return customers.assign(new=pd.to_datetime(customers["first"]).dt.date >= begin)


def _margin(history: History, settings: Value) -> tuple[float, Literal["params", "transactions", "none"]]:
    if settings.margin is not None:
        return settings.margin, "params"
    return history.margin, "transactions" if history.margin != 1.0 else "none"


def _proof(history: History, family: Family | None, split: date | None, *, seed: int) -> Holdout | None:
    """Try the model on the past, if there are weeks enough."""
    if (history.end - history.first) < timedelta(weeks=2 * LEAST_HOLDOUT):
        return None
    legal = split is not None and history.first < split <= history.end - timedelta(weeks=1)
    try:
        return rfm.holdout(history, seed=seed, family=family, split=split if legal else None)
    except ModelError:
        return None


def tried(history: History, proof: Holdout) -> pd.DataFrame:
    """Return the error of every model of buying on the held-out weeks, each at its likeliest parameters.

    Returns
    -------
    DataFrame
        ``family``, ``expected`` (purchases), ``error`` (expected / actual - 1).
    """
    before = history.customers(until=proof.split, known=proof.split)
    weeks, actual = (proof.end - proof.split).days / 7, proof.total["actual"]
    node, mass = unit_rule(16)
    rows = []
    for family in FAMILIES:
        data = model.model_data(before.drop(columns="spend"), family=family, covariates=proof.covariates)
        point = model.mode(data)[0][None]
        assert data.rows is not None
        ahead = families.intensity(family, point, data.rows, weeks * node) @ (weeks * mass)
        expected = float((families.alive(family, point, data.rows) * ahead)[0] @ data.rows.weight)
        rows.append({"family": family, "expected": expected, "error": expected / actual - 1 if actual else np.nan})
    return pd.DataFrame(rows)


def _choice(history: History, family: Family | None) -> Choice | None:
    try:
        return rfm.choose(history, candidates=FAMILIES if family is None else (family,))
    except ModelError:
        return None


def _gate(tree: xr.DataTree, data: ValueData) -> Gate:
    """Judge the draws; weights of importance are judged by k-hat, those of spend like those of buying."""
    import xarray as xr

    posterior = tree["posterior"].dataset
    reported = model.estimands(posterior, data)
    judged = xr.DataTree.from_dict({"posterior": reported, "sample_stats": tree["sample_stats"].dataset})
    methods = [(tree.attrs["method"], tree.attrs["khat"])]
    if "spend_method" in tree.attrs:
        methods.append((tree.attrs["spend_method"], tree.attrs["spend_khat"]))
    weighted = [khat for method, khat in methods if method != "nuts"]
    judged.attrs.update({"method": "nuts" if not weighted else "importance", "khat": max(weighted, default=0.0)})
    return diagnostics.gate(judged)


def _contracts(blank: Fitted, *, seed: Callable[[str], int], draws: int) -> Fitted:
    customers = blank.history.contracts()
    ended = int(customers["ended"].sum())
    if ended < 10 or len(customers) < 30 or customers["periods"].max() < 2:
        return replace(blank, kind="none", customers=customers)
    data = model.model_data(customers, family="sbg")
    tree = model.fit(data, seed=seed("value"), draws=draws or POSTERIOR)
    return replace(blank, kind="contract", customers=customers, data=data, tree=tree, gate=_gate(tree, data))
