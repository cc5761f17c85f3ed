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
from cxlab.value.clv.forecast import posterior
from cxlab.value.fits import Base
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


def keep(base: Base, *, settings: Value, seed: int) -> xr.Dataset:
    """Return the draws that what-ifs need, as a part of ``posterior/value``.

    Parameters
    ----------
    base : Base
        Buyers whose model passed its checks.
    settings : Value
        ``value`` of the params.
    seed : int
        Of the sample of customers.
    """
    import xarray as xr

    random = np.random.default_rng([seed, 17])
    n, data = len(base.customers), base.data
    who = np.arange(n) if n <= SAMPLE else np.sort(random.choice(n, SAMPLE, replace=False))
    draws, rows = posterior(base.tree, data, DRAWS), data.buyers.pick(data.buyers.inverse[who])
    average = np.zeros(len(who)) if not len(data.average) else np.nan_to_num(np.maximum(data.average[who], 0.0))
    lives = draws.lives(rows, average, random)
    fixed, each = draws.amount(rows)
    equity = base.outlook.worth().to_numpy()
    kept = xr.Dataset(
        {
            "flow": (("what_if", "customer"), (lives.rate * lives.there * (fixed + each * average)).astype(np.float32)),
            "leaving": (("what_if", "customer"), lives.leaving.astype(np.float32)),
            "equity_now": (("what_if",), equity[np.linspace(0, len(equity) - 1, len(lives.rate)).astype(int)]),
        },
        coords={"customer": base.customers["customer"].to_numpy(str)[who]},
    )
    kept["equity_now"] *= equity.mean() / kept["equity_now"].mean()  # one value on the page and in the workbench
    kept.attrs = {"discount": settings.discount, "years": settings.horizon_years, "contribution": base.margin}
    kept.attrs["priced"] = int(base.metric == "money")
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
    base = Terms(*(float(draws.attrs[k]) for k in ("discount", "years", "contribution")))
    flow, leaving, equity = (draws[name].to_numpy() for name in ("flow", "leaving", "equity_now"))
    who = draws["customer"].to_numpy().astype(str)
    return Kept(flow, leaving, who, equity, base, bool(draws.attrs["priced"]))


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
    place = np.flatnonzero(at.customer == customer)
    if not len(place):
        near, todo = nearest(customer, list(at.customer)), "the table customer_value has every customer"
        raise ModelError(Problem("no draws of this customer are kept", value=customer, nearest=near, todo=todo))
    return _each(at, terms, only=place[:1])[:, 0]


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
