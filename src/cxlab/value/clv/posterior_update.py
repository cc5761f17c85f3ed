r"""Customer memory: what is known of customers, carried from period to period instead of their whole past.

All that the past says of a customer's rate of buying and of leaving is in three numbers: repeat purchases, the time of
the last one, the time observed; of amounts, in the average and the number averaged. A new period moves them::

    x + purchases,   recency = age then + weeks to the last of them (unchanged without one),   age + weeks

so that a state carried is the state that the whole past would have given. What is known of all customers (the draws of
the parameters) is carried by weights: each draw counts as often as it foretold what customers did in the new period,
p(new | old, draw). Pareto's k-hat says whether the old draws still cover what is now known; if not, all is fitted
anew, from the carried states, which lose nothing.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
Chopin (2002), A sequential particle filter method for static models, doi:10.1093/biomet/89.3.539.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import importance_sampling
from cxlab.value.clv import density as posterior
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv.data import Beliefs, ValueData

if TYPE_CHECKING:
    import xarray as xr

_ENOUGH: Final = 0.1  # effective share of the draws


def carried(before: pd.DataFrame, new: pd.DataFrame, *, weeks: float) -> pd.DataFrame:
    """Return the states of customers after a new period.

    Parameters
    ----------
    before : DataFrame
        ``customer, x, recency, age`` (weeks) and, where amounts are known, ``spend`` (average repeat purchase).
    new : DataFrame
        ``customer, bought`` (days with a purchase in the period), ``first, last`` (weeks from the begin of the period
        to the first and the last of them) and ``amount`` (average of these days) and ``opening`` (amount of the first
        day; needed of customers who are new).
    weeks : float
        Length of the period.

    Returns
    -------
    DataFrame
        As `before`, customers who are new behind the known ones: theirs begins with their first purchase.

    Raises
    ------
    ModelError
        A customer twice, a purchase outside the period, no purchase where one is told.
    """
    problems = [
        Problem(f"{name} has a customer twice", value=str(table["customer"][table["customer"].duplicated()].iloc[0]))
        for name, table in (("the state", before), ("the new period", new))
        if table["customer"].duplicated().any()
    ]
    if len(new) and not ((new["first"] >= 0) & (new["last"] <= weeks) & (new["first"] <= new["last"])).all():
        problems.append(Problem("a purchase lies outside the new period", allowed=f"0 to {weeks} weeks"))
    if len(new) and (new["bought"] < 1).any():
        problems.append(Problem("a customer of the new period bought nothing", todo="leave them out"))
    if problems:
        raise ModelError(problems)
    amounts = "spend" in before
    known = before.merge(new, on="customer", how="left")
    more = known["bought"].fillna(0).to_numpy(float)
    x, age = known["x"].to_numpy(float), known["age"].to_numpy(float)
    out = pd.DataFrame({"customer": known["customer"], "x": x + more})
    out["recency"] = np.where(more > 0, age + known["last"].fillna(0).to_numpy(float), known["recency"])
    out["age"] = age + weeks
    if amounts:
        out["spend"] = _average(x, known["spend"].to_numpy(float), more, known["amount"].to_numpy(float))
    fresh = new[~new["customer"].isin(before["customer"])]
    came = pd.DataFrame({"customer": fresh["customer"], "x": fresh["bought"] - 1.0})
    came["recency"] = (fresh["last"] - fresh["first"]).where(came["x"] > 0, 0.0)
    came["age"] = weeks - fresh["first"]
    if amounts:
        bought = fresh["bought"].to_numpy(float)
        rest = fresh["amount"].to_numpy(float) * bought - fresh["opening"].to_numpy(float)
        came["spend"] = np.where(bought > 1, rest / np.maximum(bought - 1, 1), np.nan)
    return pd.concat([out, came], ignore_index=True)


def _average(x: np.ndarray, old: np.ndarray, more: np.ndarray, new: np.ndarray) -> np.ndarray:
    total = np.where(x > 0, x * np.nan_to_num(old), 0.0) + np.where(more > 0, more * np.nan_to_num(new), 0.0)
    n = np.where(np.isnan(old), 0.0, x) + np.where(np.isnan(new), 0.0, more)
    return np.where(n > 0, total / np.maximum(n, 1.0), np.nan)


def reweighed(
    tree: xr.DataTree, before: ValueData, after: ValueData, priors: Beliefs, *, seed: int
) -> xr.DataTree | None:
    """Return the draws weighted by how well they foretold the new period; None where they do not cover it."""
    import xarray as xr

    old, new = posterior.likelihood(before)[1], posterior.likelihood(after)[1]
    inside = tree["posterior"].dataset
    chains, draws, coordinates = inside["point"].shape
    flat = inside["point"].to_numpy().reshape(-1, coordinates)
    random = np.random.default_rng([seed, 17])
    with np.errstate(all="ignore"):
        chosen, khat = _chosen(np.array([new(x) - old(x) for x in flat]), random)
    if chosen is None:
        return None
    picked: dict[str, np.ndarray] = {"": chosen}
    noted: dict[str, object] = {"method": "carried", "khat": khat}
    of_spend = {"spend_point", "spend_gamma", *money.NAMES} - set(posterior.names(after.family))
    shifted = np.empty(0)
    if before.spend is not None and after.spend is not None:
        paid = inside["spend_point"].to_numpy().reshape(chains * draws, -1)
        if paid.shape[1] > len(money.NAMES):
            return None  # amounts that go with rates were told by the rates known then
        shifted = paid + np.array([0.0, 0.0, np.log(before.spend.scale / after.spend.scale)])  # each in its own unit
        foretold = posterior.density_of_spend(after.spend, priors)[1](shifted)
        foretold -= posterior.density_of_spend(before.spend, priors)[1](paid)
        told, noted["spend_khat"] = _chosen(foretold, random)
        if told is None:
            return None
        picked["spend"] = told
    values = {}
    for name, column in inside.data_vars.items():
        own = "spend" if name in of_spend else ""
        source = shifted if name == "spend_point" else column.to_numpy().reshape(chains * draws, *column.shape[2:])
        values[name] = (column.dims, source[picked[own]].reshape(column.shape))
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(values, coords=inside.coords),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), bool))}),
        }
    )
    out.attrs.update({**tree.attrs, **noted})
    return out


def _chosen(log_weight: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray | None, float]:
    weight, chosen, khat = importance_sampling.resampled(log_weight, wanted=len(log_weight), random=random)
    enough = 1 / float((weight**2).sum()) >= _ENOUGH * len(weight)
    return (chosen if khat < importance_sampling.KHAT and enough else None), khat
