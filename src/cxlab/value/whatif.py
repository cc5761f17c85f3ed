"""What-ifs on value from the draws of a finished run: other discount, horizon, margin, better retention, one customer.

Nothing is fitted and nobody is simulated again. The run keeps, draw by draw, what a sample of its customers is like:
the rate of buying, the rate of leaving, whether they are still there and what a purchase is worth. Any horizon T,
discount d (continuous) and retention (leaving times f) then has a value in closed form::

    alive * rate * amount * (1 - exp(-(f leaving + d) T)) / (f leaving + d)

The sample answers as a ratio to the run's own settings, which multiplies the equity of all customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.params.models import Value
from cxlab.value import model
from cxlab.value.clv import families, independence
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.fits import Fitted
from cxlab.value.model import WEEKS_A_YEAR

if TYPE_CHECKING:
    import xarray as xr

DRAWS: Final = 100
SAMPLE: Final = 800  # customers kept


@dataclass(frozen=True)
class Terms:
    """What a what-if changes.

    Attributes
    ----------
    discount : float
        A year.
    years : float
        Horizon.
    contribution : float
        Share of what is paid that stays, after returns.
    leaving : float
        Factor on the rate of leaving: 0.9 means that one in ten who would leave stays a while longer.
    """

    discount: float
    years: float
    contribution: float
    leaving: float = 1.0

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{name} must be {allowed}", value=str(given))
            for name, given, fine, allowed in (
                ("the discount rate", self.discount, self.discount >= 0, "0 or more"),
                ("the horizon in years", self.years, self.years > 0, "above 0"),
                ("the contribution", self.contribution, self.contribution > 0, "above 0"),
                ("the factor on leaving", self.leaving, self.leaving >= 0, "0 or more"),
            )
            if not (np.isfinite(given) and fine)
        ]
        if problems:
            raise ModelError(problems)


@dataclass(frozen=True)
class Kept:
    """What a run keeps for what-ifs.

    Attributes
    ----------
    flow : array (draw, customer)
        Money (or purchases) a week of a customer who is still there, 0 where not.
    leaving : array (draw, customer)
        Rate of leaving a week.
    customer : array of str (customer,)
        Pseudonyms.
    equity : array (draw,)
        Of all customers, under `base`.
    base : Terms
        The run's own.
    priced : bool
        Whether `flow` is money.
    """

    flow: np.ndarray
    leaving: np.ndarray
    customer: np.ndarray
    equity: np.ndarray
    base: Terms
    priced: bool


def keep(fitted: Fitted, *, settings: Value, seed: int) -> xr.Dataset:
    """Return the draws that what-ifs need, as a part of ``posterior/value``.

    Parameters
    ----------
    fitted : Fitted
        A base of buyers that passed its checks.
    settings : Value
        ``value`` of the params.
    seed : int
        Of the sample of customers.
    """
    import xarray as xr

    assert fitted.tree is not None
    assert fitted.outlook is not None
    data = fitted.data
    assert data is not None
    assert data.rows is not None
    random = np.random.default_rng([seed, 17])
    n = len(fitted.customers)
    who = np.arange(n) if n <= SAMPLE else np.sort(random.choice(n, SAMPLE, replace=False))
    family = data.family
    assert family in families.FAMILIES
    at = model.points(fitted.tree, DRAWS)
    rows = data.rows.pick(data.rows.inverse[who])
    rate, leave = families.simulate(family, at, rows, random)
    leaving = families.leaving(family, rate, leave)
    flow = rate * (random.random(rate.shape) < families.alive(family, at, rows))
    if data.spend is not None:
        spent = model.points(fitted.tree, DRAWS, "spend_point")
        average = data.average[who]
        x = np.where(np.isnan(average), 0.0, rows.x)
        factor: np.ndarray | float = 1.0
        if spent.shape[1] > len(money.NAMES):
            tree = fitted.tree.attrs
            known = independence.ahead(np.asarray(tree["joint_point"]), rows, float(tree["joint_centre"]))
            factor = money.factors(spent, *known)
        a, b = money.expected(spent, data.spend.scale, x, factor)
        flow = flow * (a + b * np.nan_to_num(np.maximum(average, 0.0)))
    equity = fitted.outlook.equity.sum(axis=1)
    kept = xr.Dataset(
        {
            "flow": (("what_if", "customer"), flow.astype(np.float32)),
            "leaving": (("what_if", "customer"), leaving.astype(np.float32)),
            "equity_now": (("what_if",), equity[np.linspace(0, len(equity) - 1, len(at)).astype(int)]),
        },
        coords={"customer": fitted.customers["customer"].to_numpy(str)[who]},
    )
    base = Terms(settings.discount, settings.horizon_years, fitted.contribution)
    kept.attrs = {"discount": base.discount, "years": base.years, "contribution": base.contribution,
                  "priced": int(data.spend is not None)}  # fmt: skip
    return kept


def stored(draws: xr.Dataset) -> Kept:
    """Return what-ifs from ``run.read_posterior("value")``.

    Raises
    ------
    ModelError
        If the run kept none: contracts, too few customers, or checks that failed.
    """
    if "flow" not in draws:
        raise ModelError(
            Problem("this run has no draws of buying", todo="look at its page on value: it says why nothing was fitted")
        )
    told = draws.attrs
    base = Terms(*(float(told[k]) for k in ("discount", "years", "contribution")))
    return Kept(
        draws["flow"].to_numpy(), draws["leaving"].to_numpy(), draws["customer"].to_numpy().astype(str),
        draws["equity_now"].to_numpy(), base, bool(told["priced"]),
    )  # fmt: skip


def equity(at: Kept, terms: Terms) -> np.ndarray:
    """Return draws of customer equity under other terms, (draw,)."""
    here, there = (_each(at, t).sum(axis=1) for t in (at.base, terms))
    return np.asarray(at.equity * there / np.maximum(here, 1e-300))


def worth(at: Kept, customer: str, terms: Terms) -> np.ndarray:
    """Return draws of the value of one customer of the sample, (draw,).

    Raises
    ------
    ModelError
        If the customer is not in the sample.
    """
    found = np.flatnonzero(at.customer == customer)
    if not len(found):
        raise ModelError(
            Problem("no draws of this customer are kept", value=customer, nearest=nearest(customer, list(at.customer)),
                    todo="the table customer_value has every customer, under the terms of the run")
        )  # fmt: skip
    return _each(at, terms, only=found[:1])[:, 0]


def pays(customers: pd.DataFrame, *, cost: float, lift: float) -> tuple[float, float]:
    """Return the share of customers for whom a contact pays, and what contacting them brings net of its cost.

    Parameters
    ----------
    customers : DataFrame
        ``customer_value``.
    cost : float
        Of one contact.
    lift : float
        Assumed share by which a contact raises what a customer is worth.
    """
    gain = lift * customers["clv_mean"].to_numpy(float) - cost
    fine = gain > 0
    return float(fine.mean()) if len(fine) else 0.0, float(gain[fine].sum())


def _each(at: Kept, terms: Terms, only: np.ndarray | None = None) -> np.ndarray:
    """Value of each customer of the sample, (draw, customer)."""
    flow, leaving = (at.flow, at.leaving) if only is None else (at.flow[:, only], at.leaving[:, only])
    weeks, force = np.float32(terms.years * WEEKS_A_YEAR), np.float32(np.log1p(terms.discount) / WEEKS_A_YEAR)
    gone = np.float32(terms.leaving) * leaving + force
    share = np.float32(terms.contribution if at.priced else 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = np.where(gone > 0, -np.expm1(-gone * weeks) / gone, weeks)
    return np.asarray(share * flow * ahead, float)
