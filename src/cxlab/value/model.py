r"""Customer value: who is still a customer, what they will buy, and what they and all of them together are worth.

Repeat purchases x of a customer, the last one at time t, were observed for a time T after the first one (weeks).
A living customer buys at a rate lambda of their own; leaving is never seen, only ever longer silence::

    lambda ~ Gamma(r, alpha exp(-g'z))
    bgnbd     leaves after a repeat purchase with probability p ~ Beta(a, b), odds a / b times exp(h'z)
    mbgnbd    the same, after the first purchase already
    pareto    leaves at a rate mu ~ Gamma(s, beta exp(-h'z)), whatever is bought
    bgbb      in discrete time: buys at an opportunity with p ~ Beta(alpha, beta),
              leaves before it with probability Beta(gamma, delta)
    sbg       contracts, whose end is seen: ends in each period with probability Beta(a, b)
    a purchase of customer i ~ Gamma(p, nu_i), nu_i ~ Gamma(q, gamma), independent of lambda and of leaving, or, where
              that fails, times the part of lambda^t that is known

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| r | ``r`` | - | shape of the rates | log normal |
| r / alpha | ``alpha`` | - | purchases a week of the average customer | log normal |
| a/(a+b), a+b | ``a``, ``b`` | - | share leaving after a purchase; how alike customers are | logit normal, log normal |
| s, s / beta | ``s``, ``beta`` | - | leavings a week | log normal |
| g, h | ``buy``, ``leave`` | covariate | logs | normal |
| p, q, gamma | ``p``, ``q``, ``gamma`` | - | -, -, money | log normal; average purchase over the one seen |
| t | ``together`` | - | power | normal |

Customers who look the same are one row with a weight: the posterior is that of a million customers. It is drawn by
`cxlab.inference.importance_sampling` (importance sampling around the mode accepted on k-hat, else NUTS);
`build_model` states the same
posterior with the distributions of pymc-marketing.

Amounts are checked for going with the rate of buying (`dependence_of`); `outlook` foretells every customer and all of
them, `newcomers` those to come, `return_on_customer` compares two days, `carry` takes a posterior into a new period.

What it cannot say: why somebody buys; anything of seasons, campaigns or prices, unless the same will happen again
(hence the common shock in forecasts of totals, learned from past forecasts); who left, only how likely. It is wrong for
contracts, whose customers buy at regular intervals: those are for `sbg`. A life event counts as having had it: what it
did before it came is averaged with what it does since.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
Fader, Hardie and Shang (2010), Customer-base analysis in discrete time, doi:10.1287/mksc.1100.0580.
Fader, Hardie and Lee (2005), RFM and CLV (Gamma-Gamma), doi:10.1509/jmkr.2005.42.4.415.
Fader and Hardie (2007), How to project customer retention, doi:10.1002/dir.20074.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference import importance_sampling
from cxlab.value.clv import density as posterior
from cxlab.value.clv import gamma_gamma as money
from cxlab.value.clv import independence, posterior_update, pymc_models, sbg
from cxlab.value.clv.clv import Outlook, outlook, points
from cxlab.value.clv.customer_equity import LIFETIME, Newcomers, brought_forward, newcomers, return_on_customer
from cxlab.value.clv.data import FAMILIES, WEEKS_A_YEAR, Family, ValueData
from cxlab.value.clv.density import LogDensity
from cxlab.value.clv.gamma_gamma import Spend
from cxlab.value.clv.independence import Dependence
from cxlab.value.clv.posterior_update import carried
from cxlab.value.clv.unique_rows import unique

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

__all__ = [
    "FAMILIES",
    "LIFETIME",
    "MODEL",
    "WEEKS_A_YEAR",
    "Dependence",
    "Family",
    "Newcomers",
    "Outlook",
    "Priors",
    "ValueData",
    "brought_forward",
    "build_model",
    "carried",
    "carry",
    "dependence_of",
    "estimands",
    "fit",
    "log_density",
    "log_density_of_spend",
    "log_likelihood",
    "mode",
    "model_data",
    "newcomers",
    "outlook",
    "points",
    "return_on_customer",
    "start",
    "summit",
]  # fmt: skip
MODEL: Final = "value"
_ENOUGH: Final = 0.1  # effective share of the proposals: many covariates waste some, which costs less than NUTS
Together = Literal["auto", "independent", "joint"]


@dataclass(frozen=True)
class Priors:
    """What is believed before the data; centre and sd of normal distributions. Times in weeks."""

    shape: tuple[float, float] = (-0.7, 1.2)  # log r and log s: how alike customers are
    rate: tuple[float, float] = (-3.0, 2.0)  # log purchases a week of a living customer
    leaving: tuple[float, float] = (-3.0, 2.0)  # log leavings a week (pareto)
    share: tuple[float, float] = (-1.0, 1.5)  # logit of a mean probability of leaving, buying or ending
    alike: tuple[float, float] = (1.0, 1.0)  # log of the sum of two beta parameters
    alike_contracts: tuple[float, float] = (1.5, 2.0)  # the same of sbg: wide, for customers may be all but identical
    covariate: float = 0.5  # sd of an effect on the log scale
    amounts: tuple[float, float, float] = (1.0, 1.0, 0.0)  # log p, log(q-1), log average purchase over the one seen
    amounts_sd: tuple[float, float, float] = (1.0, 1.0, 1.0)  # logs
    together: float = 0.3  # sd of the power of the rate of buying that amounts go with (joint model of spend)
    strength: float = 1.0  # divides all sds; 0: flat, so that the mode is the maximum of the likelihood


def model_data(customers: pd.DataFrame, *, family: Family, covariates: Sequence[str] = ()) -> ValueData:
    """Prepare customers for a model.

    Parameters
    ----------
    customers : DataFrame
        One row a customer. Buying: ``x`` (repeat purchases), ``recency``, ``age`` (weeks; for bgbb the last and the
        number of opportunities), ``spend`` (average repeat purchase, optional), `covariates` (numbers). Contracts:
        ``periods``, ``ended``. ``n`` (customers a row stands for) is optional.
    family : str
    covariates : sequence of str
        Columns that make customers differ; bgnbd, mbgnbd and pareto only.

    Raises
    ------
    ModelError
        No customers, impossible rows, nobody who bought again, a covariate without variation, an unknown family.
    """
    if family not in FAMILIES:
        raise ModelError(
            Problem("there is no such model of buying", value=str(family), allowed=", ".join(FAMILIES),
                    nearest=nearest(str(family), FAMILIES))
        )  # fmt: skip
    n = customers["n"].to_numpy(float) if "n" in customers else None
    if family == "sbg":
        _columns(customers, ("periods", "ended"))
        found = sbg.contracts(customers["periods"].to_numpy(), customers["ended"].to_numpy(), weight=n)
        return ValueData(family, None, found, None, np.empty(0), ())
    _columns(customers, ("x", "recency", "age", *covariates))
    problems = [
        Problem("a covariate must differ between customers", where=c, todo="leave it out")
        for c in covariates
        if customers[c].nunique(dropna=False) < 2
    ]
    if covariates and family == "bgbb":
        problems.append(Problem("covariates are for bgnbd, mbgnbd and pareto", value=", ".join(covariates)))
    if problems:
        raise ModelError(problems)
    z = customers[list(covariates)].to_numpy(float) if covariates else None
    x = customers["x"].to_numpy(float)
    rows = unique(x, customers["recency"].to_numpy(float), customers["age"].to_numpy(float), weight=n, z=z)
    if not (rows.x > 0).any():
        raise ModelError(
            Problem("nobody has bought a second time", value=f"{rows.customers:.0f} customers",
                    todo="wait until some have, or look at a longer span: without repeat purchases nothing can be "
                    "learned about who comes back")
        )  # fmt: skip
    if not (rows.age > 0).any():
        raise ModelError(Problem("all customers came on the last day", todo="look at a longer span"))
    average, amounts = np.empty(0), None
    if "spend" in customers and ((x > 0) & (customers["spend"].to_numpy(float) > 0)).sum() >= 2:
        average = np.where(x > 0, customers["spend"].to_numpy(float), np.nan)
        amounts = money.spend(x, average, weight=n)
    return ValueData(family, rows, None, amounts, average, tuple(covariates))


def build_model(data: ValueData, priors: Priors | None = None) -> pm.Model:
    """State the posterior in PyMC; `fit` draws from the same one."""
    prior = priors or Priors()
    centre, sd = posterior.prior(data, prior)
    if data.contracts is not None:
        return pymc_models.contracts(data.contracts, centre, sd)
    assert data.rows is not None
    model = pymc_models.buying(data.family, data.rows, centre, sd)
    if data.spend is not None:
        model = pymc_models.spend(model, data.spend, *posterior.prior_of_spend(data.spend, prior))
    return model


def fit(
    data: ValueData,
    *,
    draws: int = 250,
    chains: int = 4,
    seed: int,
    priors: Priors | None = None,
    method: importance_sampling.Method = "auto",
    together: Together = "auto",
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : ValueData
    draws, chains : int
    seed : int
    priors : Priors, optional
    method : str
        See `density.sample`.
    together : str
        Whether amounts may go with the rate of buying: ``joint``, ``independent``, or ``auto``: joint where
        independence fails (`dependence_of` tells).

    Returns
    -------
    xr.DataTree
        ``posterior``: the parameters by name and ``point`` (chain, draw, coordinate), ``buy`` and ``leave``
        (chain, draw, covariate), with spend ``p``, ``q``, ``gamma``, ``spend_point`` and, where joint, ``together``
        (the power of the rate that amounts go with); ``sample_stats``; attributes ``method``, ``khat`` and, of spend,
        ``spend_method``, ``spend_khat`` and what `dependence_of` reads.
    """
    import xarray as xr

    prior = priors or Priors()
    function, many, begin = posterior.density(data, prior)
    tree = importance_sampling.sample(
        function,
        begin,
        draws=draws,
        chains=chains,
        seed=seed,
        many=many,
        method=method,
        least_ess=_ENOUGH,
        light_tails=prior.strength > 0,
    )
    point = tree["posterior"]["x"].to_numpy()
    dims = ("chain", "draw")
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"point": ((*dims, "coordinate"), point)}
    names = posterior.names(data.family)
    found = posterior.natural(data.family, point)
    values |= {name: (dims, found[..., i]) for i, name in enumerate(names)}
    k = len(data.covariates)
    if k:
        values["buy"] = ((*dims, "covariate"), point[..., 4 : 4 + k])
        values["leave"] = ((*dims, "covariate"), point[..., 4 + k :])
    attributes = {"method": tree.attrs["method"], "khat": tree.attrs["khat"], "seed": seed}
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    if data.spend is not None:
        paid, noted = _spend(data, point, prior, draws=draws, chains=chains, seed=seed, method=method, how=together)
        point = paid["posterior"]["x"].to_numpy()
        values["spend_point"] = ((*dims, "spend_coordinate"), point)
        for name, value in zip(money.NAMES, money.natural(point, data.spend.scale), strict=True):
            values[f"spend_{name}" if name in values else name] = (dims, value)
        if point.shape[-1] > len(money.NAMES):
            values["together"] = (dims, point[..., -1])
        attributes |= {"spend_method": paid.attrs["method"], "spend_khat": paid.attrs["khat"], **noted}
        diverging = diverging | paid["sample_stats"]["diverging"].to_numpy()
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(values, coords={"covariate": list(data.covariates)} if k else None),
            "sample_stats": xr.Dataset({"diverging": (dims, diverging)}),
        }
    )
    out.attrs.update(attributes)
    return out


def _spend(
    data: ValueData,
    point: np.ndarray,
    prior: Priors,
    *,
    draws: int,
    chains: int,
    seed: int,
    method: importance_sampling.Method,
    how: Together,
) -> tuple[xr.DataTree, dict[str, object]]:
    """Draws of spend, joint with the rate of buying where asked for or needed, and what was found."""

    def drawn(amounts: Spend) -> xr.DataTree:
        function, many, begin = posterior.density_of_spend(amounts, prior)
        return importance_sampling.sample(
            function, begin, draws=draws, chains=chains, seed=seed + 1, many=many, method=method
        )

    assert data.spend is not None
    paid = drawn(data.spend)
    flat = paid["posterior"]["x"].to_numpy()
    found = independence.check(data.spend, flat.reshape(-1, flat.shape[-1]), seed=seed)
    joint = (how == "joint" or (how == "auto" and found.fails)) and data.family in ("bgnbd", "mbgnbd", "pareto")
    noted: dict[str, object] = {f"dependence_{name}": value for name, value in vars(found).items()}
    noted["dependence_used"] = "joint" if joint else "independent"
    if joint:
        assert data.rows is not None
        middle = point.reshape(-1, point.shape[-1]).mean(axis=0)
        amounts, centre = independence.joined(data.family, middle, data.rows, data.spend)
        paid = drawn(amounts)
        noted |= {"joint_point": middle.tolist(), "joint_centre": centre}
    return paid, noted


def carry(
    tree: xr.DataTree,
    before: ValueData,
    after: ValueData,
    *,
    seed: int,
    priors: Priors | None = None,
) -> xr.DataTree:
    """Carry a posterior into a new period: the draws are weighted by how well they foretold it.

    Parameters
    ----------
    tree : DataTree
        From `fit` (or `carry`) on `before`.
    before, after : ValueData
        The customers as they were and as they are now, those who are new included; `carried` moves their states.
    seed : int
    priors : Priors, optional
        Those of the fit.

    Returns
    -------
    DataTree
        As from `fit`; the attribute ``method`` is ``carried``, or that of a new fit where the old draws do not cover
        what is now known (k-hat, or fewer effective draws than a tenth). Both are the posterior of the whole past.

    Raises
    ------
    ModelError
        If the two are not of the same model.
    """
    model = [(d.family, d.covariates, d.spend is None) for d in (before, after)]
    if model[0] != model[1]:
        raise ModelError(
            Problem("a posterior is carried to the same model only", value=str(model[1]), allowed=str(model[0]))
        )
    out = posterior_update.reweighed(tree, before, after, priors or Priors(), seed=seed)
    if out is None:
        chains, draws = tree["posterior"]["point"].shape[:2]
        return fit(after, draws=draws, chains=chains, seed=seed, priors=priors)
    return out


def dependence_of(tree: xr.DataTree) -> Dependence | None:
    """Return how frequency and amounts go together, and which model of spend was used; None without amounts."""
    names = Dependence.__dataclass_fields__
    if "dependence_used" not in tree.attrs:
        return None
    return Dependence(**{name: tree.attrs[f"dependence_{name}"] for name in names})


def summit(data: ValueData, priors: Priors | None = None, *, begin: np.ndarray | None = None) -> np.ndarray:
    """Return the mode of buying to the accuracy that a score needs: a log density within 1e-4 of the highest."""
    function, _, first = posterior.density(data, priors or Priors())
    return posterior.climb(function, first if begin is None else begin)


def mode(data: ValueData, priors: Priors | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mode of buying (coordinates) and of spend; ``Priors(strength=0)`` gives the maximum likelihood."""
    prior = priors or Priors()
    function, _, first = posterior.density(data, prior)
    point, _ = importance_sampling.find_map(function, first)
    if data.spend is None:
        return point, None
    function, _, first = posterior.density_of_spend(data.spend, prior)
    return point, importance_sampling.find_map(function, first)[0]


def log_likelihood(data: ValueData, point: np.ndarray) -> float:
    """Return the log likelihood of buying (or of contracts) at a point of the coordinates."""
    return posterior.likelihood(data)[1](point)


def log_density(data: ValueData, priors: Priors | None = None) -> LogDensity:
    """Return the log posterior density of buying, up to a constant, as a function of the coordinates."""
    return posterior.density(data, priors or Priors())[0]


def log_density_of_spend(data: Spend, priors: Priors | None = None) -> LogDensity:
    """Return the log posterior density of spend, up to a constant, as a function of its coordinates."""
    return posterior.density_of_spend(data, priors or Priors())[0]


def start(data: ValueData) -> np.ndarray:
    """Return where the search for the mode begins."""
    return posterior.density(data, Priors())[2]


def estimands(posterior: xr.Dataset, data: ValueData) -> xr.Dataset:
    """Return what the parameters say of the average customer.

    Returns
    -------
    Dataset
        Dims (chain, draw): ``purchases_a_year`` of a living customer; ``p_leave`` after a purchase (bgnbd, mbgnbd), at
        an opportunity (bgbb) or in the first period (sbg), ``left_in_a_year`` (pareto); ``p_buy`` at an opportunity
        (bgbb); ``purchase_value`` in money; ``twice_as_often``, what an amount is multiplied by for a rate of buying
        twice as high (joint spend); ``buy_ratio`` and ``leave_ratio`` (covariate), factors on the rate of
        buying and on the odds or the rate of leaving for one more unit of a covariate.
    """
    found = {}
    if data.family in ("bgnbd", "mbgnbd", "pareto"):
        found["purchases_a_year"] = posterior["r"] / posterior["alpha"] * WEEKS_A_YEAR
    if data.family in ("bgnbd", "mbgnbd", "sbg"):
        found["p_leave"] = posterior["a"] / (posterior["a"] + posterior["b"])
    elif data.family == "pareto":
        beta = posterior["beta"]
        found["left_in_a_year"] = 1 - (beta / (beta + WEEKS_A_YEAR)) ** posterior["s"]
    else:
        found["p_buy"] = posterior["alpha"] / (posterior["alpha"] + posterior["beta"])
        found["p_leave"] = posterior["gamma"] / (posterior["gamma"] + posterior["delta"])
    if data.spend is not None:
        gamma = posterior["spend_gamma" if data.family == "bgbb" else "gamma"]
        found["purchase_value"] = posterior["p"] * gamma / (posterior["q"] - 1)
    if "together" in posterior:
        found["twice_as_often"] = 2 ** posterior["together"]
    if data.covariates:
        found |= {f"{name}_ratio": np.exp(posterior[name]) for name in ("buy", "leave")}
    import xarray as xr

    return xr.Dataset(found)


def _columns(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    problems = [
        Problem("the customers lack a column", value=c, nearest=nearest(c, list(map(str, table.columns))))
        for c in wanted
        if c not in table
    ]
    if problems:
        raise ModelError(problems)
