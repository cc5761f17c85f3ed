"""The customer base of a unit as a page on value needs it: read, proved on past weeks, fitted, looked ahead.

What cannot be fitted is told, not raised: contracts go to their own family; a brand whose customers are too few, all
new or all gone after one purchase keeps its counts and the reasons.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference.diagnostics import Gate, gate
from cxlab.params.models import Params, Value
from cxlab.params.periods import parse
from cxlab.report.format import number
from cxlab.report.messages import message
from cxlab.value import model
from cxlab.value.clv.families import FAMILIES
from cxlab.value.clv.forecast import Ahead, Outlook, look_ahead
from cxlab.value.model import WEEKS_A_YEAR, ValueData
from cxlab.value.rfm import backtest
from cxlab.value.rfm import history as rfm
from cxlab.value.rfm.backtest import Choice, Holdout
from cxlab.value.rfm.history import History
from cxlab.value.segments import cuts as limits
from cxlab.value.segments.cuts import Cuts
from cxlab.value.segments.experience import UNKNOWN, experience, labelled
from cxlab.vocab import LANGUAGES

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.runs import UnitData

LEAST_HOLDOUT: Final = 8  # weeks of holdout below which nothing is proved
RARE: Final = 0.02  # share of customers who bought on a second day below which nothing is fitted
DRAWS: Final = 300  # of the look ahead: the ends of an interval are good to a tenth of its width
TOO_WIDE: Final = 0.5  # sd (log) of the common error of totals from which on no value is told: off by half or twice
POSTERIOR: Final = 250  # draws a chain of the parameters
LEAST_CONTRACTS: Final = 30
LEAST_ENDED: Final = 10  # ends that a fit needs
LEAST_KNOWN: Final = 30  # customers whose experience is known, below which nothing is split by it
PATIENT: Final = 14  # days without any purchase that are no sign of the end of the data
STRAY: Final = 0.005  # share of a year's purchases that may lie beyond the end of the data, dated in the future
_DAYS: Final = """
    SELECT date, count(*) AS n, count(*) FILTER (WHERE kind IN ('purchase', 'booking', 'renewal')) AS bought
    FROM transactions
    WHERE date IS NOT NULL AND customer IS NOT NULL
    GROUP BY date ORDER BY date"""
_EVENTS: Final = "SELECT DISTINCT name FROM events WHERE customer IS NOT NULL AND name IS NOT NULL AND date <= $end"
Kind = Literal["buying", "contract", "none"]
Seed = Callable[[str], int]


@dataclass(frozen=True)
class Base:
    """Customers who buy when they like, with a model of them and what is ahead.

    Attributes
    ----------
    history : History
    begin : date
        First day of the period: customers who came since are new.
    margin : float
        Share of spend that is contribution.
    proof : Holdout or None
        The forecast that was tried on the past.
    customers : DataFrame
        As `History.customers`, and ``new`` (came in this period).
    data : ValueData
    tree : DataTree
    ask : Ahead
        What was asked of the future: until the horizon, and the purchases of the next period.
    cuts : Cuts
        Limits of the segments.
    outlook : Outlook
        By segment, ``tenure`` (existing, new) and ``experience``.
    known : dict of str to int
        Customers by the latest experience they told; empty where few told any.
    """

    history: History
    begin: date
    margin: float
    proof: Holdout | None
    customers: pd.DataFrame
    data: ValueData
    tree: xr.DataTree
    ask: Ahead
    cuts: Cuts
    outlook: Outlook
    known: dict[str, int]

    @property
    def metric(self) -> str:
        """Unit of value: money, or purchases (count) where no amounts are known."""
        return "money" if self.data.spend is not None else "count"

    def as_of(self, day: date) -> tuple[pd.DataFrame, ValueData]:
        """Return the customers of an earlier day, as the model of today would see them; no later purchase is read."""
        then = self.history.customers(until=day, known=day)
        average = np.where(then["x"] > 0, then["spend"], np.nan) if len(self.data.average) else self.data.average
        return then, replace(self.data, rows=model.rows_of(then, self.data.covariates), average=average)


@dataclass(frozen=True)
class Fitted:
    """The customer base of a unit at the end of its period.

    Attributes
    ----------
    kind : str
        ``buying`` (customers leave silently), ``contract`` (their end is seen) or ``none`` (no model can be fitted).
    history : History
    begin : date
        First day of the period.
    margin : float
        Share of spend that is contribution.
    margin_from : str
        ``params``, ``transactions``, or ``none``: then value is revenue.
    reasons : tuple of Problem
        Why no model of buying was fitted.
    choice : Choice or None
        Which model, by what it foretold within the past.
    proof : Holdout or None
        The forecast that was tried on the past.
    rivals : DataFrame
        Every model's error on the weeks held out; empty without a proof.
    base : Base or None
    contracts : DataFrame
        From `History.contracts`; empty but for them.
    data : ValueData or None
    tree : DataTree or None
    gate : Gate or None
        Whether the draws may be believed, and the forecast.
    """

    kind: Kind
    history: History
    begin: date
    margin: float
    margin_from: Literal["params", "transactions", "none"]
    reasons: tuple[Problem, ...] = ()
    choice: Choice | None = None
    proof: Holdout | None = None
    rivals: pd.DataFrame = field(default_factory=pd.DataFrame)
    base: Base | None = None
    contracts: pd.DataFrame = field(default_factory=pd.DataFrame)
    data: ValueData | None = None
    tree: xr.DataTree | None = None
    gate: Gate | None = None

    @property
    def passed(self) -> bool:
        """Whether there is a model, and it passed its checks."""
        return self.gate is not None and self.gate.passed


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


def read(data: UnitData, *, params: Params, period: str) -> History | None:
    """Look at the purchases of a unit up to the end of its period; None if no known customer has bought anything.

    Of the covariates of the params those are taken that this unit has: an event may not have befallen anybody yet.
    """
    settings, grain = params.value, params.periods.grain
    days = data.sql(_DAYS)
    if not days["bought"].any():
        return None
    end = last_day(days, parse(period, grain).end)
    if settings.covariates == ["auto"]:
        return rfm.read(data, end=end, covariates="auto")
    wanted = settings.covariates
    if wanted:
        columns = data.sql("SELECT * FROM customers LIMIT 0").columns
        events = {f"event:{name}" for name in data.sql(_EVENTS, params={"end": end})["name"]}
        wanted = [c for c in wanted if c in columns or c in events]
    return rfm.read(data, end=end, covariates=wanted)


def fit(history: History, data: UnitData, *, params: Params, period: str, seed: Seed, draws: int = 0) -> Fitted:
    """Prove, fit and look ahead.

    Parameters
    ----------
    history : History
        From `read`.
    data : UnitData
    params : Params
    period : str
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain of the posterior; 0: `POSTERIOR`.
    """
    settings, now = params.value, parse(period, params.periods.grain)
    begin = min(now.start, history.end)
    margin, origin = history.margin, "transactions" if history.margin != 1.0 else "none"
    if settings.margin is not None:
        margin, origin = settings.margin, "params"
    blank = Fitted("none", history, begin, margin, cast(Literal["params", "transactions", "none"], origin))
    if history.contract is not None:
        return _contracts(blank, seed=seed, draws=draws or POSTERIOR)
    if history.why_not or rare(history):
        return replace(blank, reasons=history.why_not)
    families = FAMILIES if settings.model == "auto" else (settings.model,)
    proof = _proof(history, families, settings.calibration_end, seed=seed("holdout"))
    choice = proof.choice if proof is not None else _choice(history, families, None)
    customers = history.customers()
    customers["new"] = pd.to_datetime(customers["first"]).dt.date >= begin
    family = choice.family if choice is not None else families[0]
    covariates = choice.covariates if choice is not None else history.covariates
    seen = model.model_data(customers, family=family, covariates=[c for c in covariates if customers[c].nunique() > 1])
    tree = model.fit(seen, seed=seed("value"), draws=draws or POSTERIOR)
    ahead = now.next()
    ask = _asked(history, choice, proof, settings, margin, ((ahead.end - ahead.start).days + 1) / 7)
    told = labelled(customers["customer"], experience(data, params, until=history.end))
    groups = {"tenure": np.where(customers["new"], "new", "existing")}
    if (told != UNKNOWN).sum() >= LEAST_KNOWN:
        groups["experience"] = told
    known = {str(g): int(n) for g, n in pd.Series(groups.get("experience", [])).value_counts().items()}
    reference = parse(params.periods.first, params.periods.grain).end
    cuts = limits.cuts(history, reference=reference, quantiles=settings.value_quantiles, alive=settings.alive)
    outlook = look_ahead(tree, seen, ask, seed=seed("outlook"), groups=groups, cuts=cuts)
    return replace(
        blank,
        kind="buying",
        choice=choice,
        proof=proof,
        rivals=backtest.rivals(history, proof) if proof is not None else pd.DataFrame(),
        base=Base(history, begin, margin, proof, customers, seen, tree, ask, cuts, outlook, known),
        data=seen,
        tree=tree,
        gate=_trusted(gate(tree, model.estimands(tree["posterior"].dataset, seen)), ask),
    )


def rare(history: History) -> bool:
    """Whether so few bought again that who has left cannot be told from who never buys twice.

    Every model of buying then fits, and they differ by multiples in what they make of the rest.
    """
    return history.counts["again"] < RARE * history.counts["customers"]


def _asked(
    history: History, choice: Choice | None, proof: Holdout | None, settings: Value, margin: float, near: float
) -> Ahead:
    """What is asked of the future, with what all past weeks teach about totals."""
    weeks = settings.horizon_years * WEEKS_A_YEAR
    ask = Ahead(weeks, near=near, draws=DRAWS, discount=settings.discount, margin=margin)
    latest = choice
    if choice is not None and proof is not None:
        more = [c for c in choice.covariates if c not in history.covariates]
        latest = _choice(history, (choice.family,), more) or choice
    if latest is None:
        unknown = backtest.unknown_correction()
        return replace(ask, correction=unknown, near_correction=unknown)
    errors = [proof.error(span) if proof is not None else float("nan") for span in (weeks, near)]
    far, soon = (latest.correction(span, error=error) for span, error in zip((weeks, near), errors, strict=True))
    return replace(ask, correction=far, near_correction=soon)


def _proof(history: History, families: tuple, split: date | None, *, seed: int) -> Holdout | None:
    """Try the model on the past, if there are weeks enough."""
    if (history.end - history.first) < timedelta(weeks=2 * LEAST_HOLDOUT):
        return None
    legal = split is not None and history.first < split <= history.end - timedelta(weeks=1)
    try:
        return backtest.holdout(history, seed=seed, families=families, split=split if legal else None)
    except ModelError:
        return None


def _choice(history: History, families: tuple, covariates: list[str] | None) -> Choice | None:
    try:
        return backtest.choose(history, candidates=families, covariates=covariates)
    except ModelError:
        return None


def _trusted(judged: Gate, ask: Ahead) -> Gate:
    """Withhold what rests on forecasts of totals that were off by half or twice."""
    spread = ask.correction.spread
    if spread <= TOO_WIDE:
        return judged
    reason = {
        lang: message(lang, "value_trust.too_wide", {"shock": number(spread, metric="rate", language=lang)})
        for lang in LANGUAGES
    }
    return replace(judged, passed=False, reasons=(*judged.reasons, reason))


def _contracts(blank: Fitted, *, seed: Seed, draws: int) -> Fitted:
    customers = blank.history.contracts()
    ended = int(customers["ended"].sum())
    if ended < LEAST_ENDED or len(customers) < LEAST_CONTRACTS or customers["periods"].max() < 2:
        return replace(blank, contracts=customers)
    data = model.model_data(customers, family="sbg")
    tree = model.fit(data, seed=seed("value"), draws=draws)
    judged = gate(tree, model.estimands(tree["posterior"].dataset, data))
    return replace(blank, kind="contract", contracts=customers, data=data, tree=tree, gate=judged)
