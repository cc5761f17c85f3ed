"""What comes back: the return on customers, those to come, who buys again and who comes for service, first choices.

Rows for ``value_estimates``:

=============================  ========================================================================================
estimand                       a row is
=============================  ========================================================================================
``roc``                        (profit of the period + closing - opening equity) / opening equity, over the period;
                               level ``tenure``: what customers from before and new ones add to it
``roc_year``                   the same as a yearly rate; `ref` is the discount rate
``profit``                     contribution of the period, at its worth at the end
``lifetime_equity``            equity over customers' whole life at the end of the period; ``lifetime_opening``: before
``opening_equity``             equity until the horizon at the begin of the period
``equity_change``              of the equity until the horizon, relative
``npv``                        known customers and those to come within the horizon; ``newcomers`` those to come
``repurchase_rate``            share of the customers of the year before who bought in the period;
``service_return_rate``        share of them who came for service
``second_purchase``            probability of a second purchase within 13 weeks by first choice (level: feature)
``second_purchase_over``       against those who chose something else
``second_purchase_all``        of all new customers
``first_choice``               share of new customers who chose it first (level: feature)
=============================  ========================================================================================

Opening and closing equity are measured with one posterior, that of today, and the same draws: what is told as a return
is what customers did, not what the model has learned meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.inference import diagnostics
from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import SURE, summaries, summary
from cxlab.params.models import Params
from cxlab.params.periods import parse
from cxlab.value import model, second_purchase, segments
from cxlab.value.fits import DRAWS, Fitted
from cxlab.value.model import WEEKS_A_YEAR, Newcomers
from cxlab.value.segments import First
from cxlab.value.segments_report import People, worth_of

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.runs import UnitData

_PAID: Final = """
    WITH bought AS (SELECT customer, date, kind, amount FROM transactions
        WHERE customer IS NOT NULL AND date <= $end AND kind IN ('purchase', 'booking', 'renewal', 'return')),
    came AS (SELECT customer, min(date) AS first FROM bought WHERE kind <> 'return' AND (amount IS NULL OR amount >= 0)
        GROUP BY customer)
    SELECT date_diff('day', date, $end) AS days, came.first >= $begin AS new,
        sum(CASE WHEN kind = 'return' THEN -abs(amount) ELSE amount END) AS amount
    FROM bought JOIN came USING (customer) WHERE date >= $begin GROUP BY ALL"""
Row = dict[str, Any]


@dataclass(frozen=True)
class Returned:
    """The return on customers of a period.

    Attributes
    ----------
    roc : array (draw,)
        Over the period.
    parts : array (draw, 2)
        What customers from before and new ones add to it.
    profit : float
        Contribution of the period at its worth at the end.
    opening, closing : array (draw,)
        Equity over customers' whole life.
    before : array (draw,)
        Equity until the horizon at the begin.
    years : float
        Length of the period.
    """

    roc: np.ndarray
    parts: np.ndarray
    profit: float
    opening: np.ndarray
    closing: np.ndarray
    before: np.ndarray
    years: float


@dataclass(frozen=True)
class Back:
    """What comes back.

    Attributes
    ----------
    returned : Returned or None
        None in the first period, and without a model that passed.
    newcomers : Newcomers or None
    rates : DataFrame
        From `cxlab.value.segments.repurchase_rates`.
    first : First or None
        First purchases of new customers.
    again : Dataset or None
        Draws of the second purchase by first choice.
    gate : Gate or None
        Of them.
    """

    returned: Returned | None
    newcomers: Newcomers | None
    rates: pd.DataFrame
    first: First | None
    again: xr.Dataset | None
    gate: Gate | None


def find(
    fitted: Fitted,
    people: People | None,
    data: UnitData,
    *,
    params: Params,
    periods: tuple[str, ...],
    seed: Callable[[str], int],
) -> Back:
    """Look at what comes back; what cannot be known is left out.

    Parameters
    ----------
    fitted : Fitted
    people : People or None
        From `cxlab.value.segments_report.find`.
    data : UnitData
    params : Params
    periods : tuple of str
        Up to the unit's.
    seed : callable
        Name -> seed, `Run.seed`.
    """
    known = [parse(p, params.periods.grain) for p in periods]
    rates = segments.rates(data, known, service=params.value.service)
    first = segments.first(data, params, fitted.history)
    again, gate = _second(first, seed=seed("second purchase"))
    usable = fitted.kind == "buying" and fitted.gate is not None and fitted.gate.passed
    returned = _returned(fitted, people, params, seed=seed) if usable else None
    newcomers = _newcomers(fitted, params, seed=seed("outlook")) if usable else None
    return Back(returned, newcomers, rates, first, again, gate)


def rows(back: Back, fitted: Fitted, people: People | None, *, params: Params, seed: Callable[[str], int]) -> list[Row]:
    """Return the rows for ``value_estimates`` (see above)."""
    n = fitted.history.counts["customers"]
    metric = "money" if fitted.data is not None and fitted.data.spend is not None else "count"
    out = _return_rows(back, fitted, people, params, metric) if back.returned is not None else []
    if back.newcomers is not None and fitted.outlook is not None:
        coming, here = back.newcomers.equity, fitted.outlook.equity.sum(axis=1)
        size = min(len(coming), len(here))
        out.append({"estimand": "newcomers", "metric": metric, "n": n, **summary(coming)})
        out.append({"estimand": "npv", "metric": metric, "n": n, **summary(here[:size] + coming[:size])})
    for name, group in back.rates.groupby("rate", sort=False):
        drawn = segments.rate_draws(group["n"].to_numpy(), group["came"].to_numpy(), draws=1000, seed=seed(str(name)))
        told = summaries(drawn).assign(estimand=name, metric="share", n=group["n"].to_numpy(),
                                       period=group["period"].to_numpy())  # fmt: skip
        out += [{str(k): v for k, v in row.items()} for row in told.to_dict("records")]
    out += _first_rows(back)
    return [{"n_all": n} | row for row in out]


def _return_rows(back: Back, fitted: Fitted, people: People | None, params: Params, metric: str) -> list[Row]:
    found = back.returned
    assert found is not None
    assert people is not None
    discount, n = params.value.discount, len(fitted.customers)
    new = int(fitted.customers["new"].sum())
    expected = float((1 + discount) ** found.years - 1)
    year = (1 + np.maximum(found.roc, -0.999)) ** (1 / found.years) - 1
    out: list[Row] = [
        {"estimand": "roc", "metric": "rate", "n": n, **summary(found.roc, ref=expected)},
        {"estimand": "roc_year", "metric": "rate", "n": n, **summary(year, ref=discount)},
        {"estimand": "profit", "metric": metric, "n": n, "mean": found.profit},
        {"estimand": "lifetime_opening", "metric": metric, "n": n - new, **summary(found.opening)},
        {"estimand": "lifetime_equity", "metric": metric, "n": n, **summary(found.closing)},
        {"estimand": "opening_equity", "metric": metric, "n": n - new, **summary(found.before)},
    ]
    for place, (group, size) in enumerate((("existing", n - new), ("new", new))):
        out.append({"estimand": "roc", "metric": "rate", "level": "tenure", "group": group, "n": size,
                    **summary(found.parts[:, place])})  # fmt: skip
    numbers = summary(people.members.worth.sum(axis=1) / found.before - 1, ref=0.0)
    out.append({"estimand": "equity_change", "metric": "share", "n": n - new, **numbers,
                "verdict": _verdict(numbers, params.value.practical_change)})  # fmt: skip
    return out


def _first_rows(back: Back) -> list[Row]:
    out: list[Row] = []
    if back.first is None:
        return out
    for feature in ("product", "channel"):
        if feature in back.first.features:
            for row in segments.choices(back.first.spells, feature).to_dict("records"):
                out.append({"estimand": "first_choice", "metric": "share", "level": feature, "group": str(row["level"]),
                            "n": int(row["n"]), "mean": float(row["share"])})  # fmt: skip
    if back.again is None:
        return out
    drawn = back.again
    fitted: list[Row] = [
        {"estimand": "second_purchase_all", "metric": "share", "n": len(back.first.spells),
         **summary(drawn["again"].to_numpy().ravel())}
    ]  # fmt: skip
    place = pd.DataFrame({"level": drawn["feature"].to_numpy().astype(str), "n": drawn["n"].to_numpy(),
                          "group": drawn["level"].to_numpy().astype(str)})  # fmt: skip
    for name, variable in (("second_purchase", "second_purchase"),
                           ("second_purchase_over", "second_purchase_over_others")):  # fmt: skip
        if place.empty:
            continue
        values = drawn[variable].to_numpy().reshape(-1, len(place))
        numbers = pd.concat([place, summaries(values, ref=0.0 if name.endswith("over") else None)], axis=1)
        if name.endswith("over"):
            up = numbers["prob_gt_ref"]
            numbers["verdict"] = np.select([up > SURE, up < 1 - SURE], ["better", "worse"], "cannot_tell")
        told = numbers.assign(estimand=name, metric="share").to_dict("records")
        fitted += [{str(k): v for k, v in row.items()} for row in told]
    if back.gate is not None and not back.gate.passed:
        blank = dict.fromkeys(("mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref"), np.nan)
        fitted = [row | blank | {"verdict": "withheld"} for row in fitted]
    return out + fitted


def _verdict(numbers: dict[str, Any], practical: float) -> str:
    if numbers["ci_low"] > -practical and numbers["ci_high"] < practical:
        return "no_real_change"
    if numbers["prob_gt_ref"] > SURE:
        return "better"
    return "worse" if 1 - numbers["prob_gt_ref"] > SURE else "cannot_tell"


def _returned(fitted: Fitted, people: People | None, params: Params, *, seed: Callable[[str], int]) -> Returned | None:
    history, settings = fitted.history, params.value
    if people is None or people.then is None or people.worth_before is None or fitted.data is None:
        return None
    if fitted.data.spend is None:
        return None
    cuts, weeks, same_seed = people.cuts, model.LIFETIME, seed("lifetime")
    begin = worth_of(fitted, people.then, cuts, settings, weeks=weeks, seed=same_seed).worth.sum(axis=1)
    came = np.where(fitted.customers["new"], "new", "existing").astype(object)
    end = worth_of(fitted, fitted.data, cuts, settings, weeks=weeks, seed=same_seed, labels={"tenure": came}).by[
        "tenure"
    ]
    parts = {name: end.worth[:, :, place].sum(axis=1) for place, name in enumerate(end.names)}
    old, new = (parts.get(name, np.zeros(len(begin))) for name in ("existing", "new"))
    if not (begin > 0).all() or not (people.worth_before > 0).all():
        return None
    paid = history.data.sql(_PAID, params={"begin": fitted.begin, "end": history.end})
    profit = [  # what was paid is after returns already
        fitted.margin
        * model.brought_forward(own["amount"].fillna(0).to_numpy(), own["days"].to_numpy(), discount=settings.discount)
        for own in (paid[~paid["new"]], paid[paid["new"]])
    ]
    whole = model.return_on_customer(begin, sum(profit), old + new)
    same = model.return_on_customer(begin, profit[0], old)
    years = ((history.end - fitted.begin).days + 1) / 365.25
    added = np.column_stack([same, whole - same])
    return Returned(whole, added, sum(profit), begin, old + new, people.worth_before, years)


def _newcomers(fitted: Fitted, params: Params, *, seed: int) -> Newcomers | None:
    if fitted.tree is None or fitted.data is None:
        return None
    came, within, first = fitted.history.newcomers()
    if not came or within <= 0:
        return None
    settings = params.value
    return model.newcomers(
        fitted.tree, fitted.data, came=came, within=within, first=first, weeks=settings.horizon_years * WEEKS_A_YEAR,
        seed=seed, draws=DRAWS, discount=settings.discount, margin=fitted.contribution, shock=fitted.shock,
    )  # fmt: skip


def _second(first: First | None, *, seed: int) -> tuple[xr.Dataset | None, Gate | None]:
    if first is None:
        return None, None
    try:
        data = second_purchase.model_data(first.spells, features=first.features, since=first.since)
    except ModelError:
        return None, None
    tree = second_purchase.fit(data, seed=seed)
    drawn = second_purchase.estimands(tree["posterior"].dataset, data)
    return drawn, diagnostics.gate(tree, drawn, names=("base",))
