r"""Customer value: who is still a customer, what they will buy, and what they and all of them together are worth.

Repeat purchases x of a customer, the last one at time t, were observed for a time T after the first one (weeks).
A living customer buys at a rate lambda of their own; leaving is never seen, only ever longer silence::

    lambda ~ Gamma(r, alpha exp(-g'z))
    bgnbd     leaves after a repeat purchase with probability p ~ Beta(a, b), odds a / b times exp(h'z)
    mbgnbd    the same, after the first purchase already
    pareto    leaves at a rate mu ~ Gamma(s, beta exp(-h'z)), whatever is bought
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
`cxlab.inference.importance_sampling` (around the mode, accepted on k-hat, else NUTS); `build_model` states the same
posterior with the distributions of pymc-marketing. `cxlab.value.clv.forecast` looks ahead with the draws.

What it cannot say: why somebody buys; anything of seasons, campaigns or prices, unless the same will happen again
(hence the correction and the common shock of totals, learned from past forecasts); who left, only how likely. It is
wrong for contracts, whose customers buy at regular intervals: those are for `sbg`. A life event counts as having had
it: what it did before it came is averaged with what it does since.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
Fader, Hardie and Lee (2005), RFM and CLV (Gamma-Gamma), doi:10.1509/jmkr.2005.42.4.415.
Fader and Hardie (2007), How to project customer retention, doi:10.1002/dir.20074.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference import importance_sampling
from cxlab.value.clv import gamma_gamma, sbg
from cxlab.value.clv.families import BUYING, FAMILIES, buying
from cxlab.value.clv.gamma_gamma import Spend
from cxlab.value.clv.rows import Rows, unique_rows
from cxlab.value.clv.sbg import Contracts

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "value"
WEEKS_A_YEAR: Final = 365.25 / 7
_ENOUGH: Final = 0.1  # effective share of the proposals: many covariates waste some, which costs less than NUTS
_FLAT: Final = 1e6  # sd of a prior without strength
_STEP: Final = 1e-4  # of differences: half the digits of a density are right
Together = Literal["auto", "independent", "joint"]
Kind = Literal["bgnbd", "mbgnbd", "pareto", "sbg"]


@dataclass(frozen=True)
class Priors:
    """What is believed before the data; centre and sd of normal distributions. Times in weeks."""

    shape: tuple[float, float] = (-0.7, 1.2)  # log r and log s: how alike customers are
    rate: tuple[float, float] = (-3.0, 2.0)  # log purchases a week of a living customer
    leaving: tuple[float, float] = (-3.0, 2.0)  # log leavings a week (pareto)
    share: tuple[float, float] = (-1.0, 1.5)  # logit of a mean probability of leaving or ending
    alike: tuple[float, float] = (1.0, 1.0)  # log of the sum of two beta parameters
    alike_contracts: tuple[float, float] = (1.5, 2.0)  # the same of sbg: wide, for customers may be all but identical
    covariate: float = 0.5  # sd of an effect on the log scale
    amounts: tuple[float, float, float] = (1.0, 1.0, 0.0)  # log p, log(q-1), log average purchase over the one seen
    amounts_sd: tuple[float, float, float] = (1.0, 1.0, 1.0)  # logs
    together: float = 0.3  # sd of the power of the rate of buying that amounts go with (joint model of spend)
    strength: float = 1.0  # divides all sds; 0: flat, so that the mode is the maximum of the likelihood


@dataclass(frozen=True)
class ValueData:
    """Customers as a model sees them.

    Attributes
    ----------
    family : str
    rows : Rows or None
        Unique rows of repeat buying; None for contracts.
    contracts : Contracts or None
    spend : Spend or None
        Amounts of repeat purchases; None if unknown.
    average : array (customer,)
        Average repeat purchase of each customer, NaN where none is known; empty without amounts.
    covariates : tuple of str
        Names of the columns of ``rows.z``.
    """

    family: Kind
    rows: Rows | None
    contracts: Contracts | None = None
    spend: Spend | None = None
    average: np.ndarray = field(default_factory=lambda: np.empty(0))
    covariates: tuple[str, ...] = ()

    @property
    def buyers(self) -> Rows:
        """Rows of repeat buying; contracts, of which it is known who left, are refused."""
        if self.rows is None:
            what = "this is for models of repeat buying: of contracts it is known who left"
            raise ModelError(Problem(what, value=self.family, allowed=", ".join(FAMILIES)))
        return self.rows


@dataclass(frozen=True)
class Density:
    """A log posterior density: the log likelihood, normal priors on all coordinates, and where a search begins.

    Attributes
    ----------
    likelihood : callable
        Points (point, coordinate) -> values (point,).
    centre, sd, start : arrays (coordinate,)
    slope : callable, optional
        Point -> value and gradient of the likelihood; without it both come from differences.
    """

    likelihood: Callable[[np.ndarray], np.ndarray]
    centre: np.ndarray
    sd: np.ndarray
    start: np.ndarray
    slope: Callable[[np.ndarray], tuple[float, np.ndarray]] | None = None

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points; far ones overflow, and are not finite."""
        with np.errstate(all="ignore"):
            return self.likelihood(points) - 0.5 * (((points - self.centre) / self.sd) ** 2).sum(axis=1)

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density at a point and its gradient."""
        if self.slope is None:
            step = np.eye(len(point)) * _STEP
            found = self.values(np.vstack([point, point + step, point - step]))
            ups, downs = found[1:].reshape(2, -1)
            return float(found[0]), (ups - downs) / (2 * _STEP)
        with np.errstate(all="ignore"):
            value, slope = self.slope(point)
        off = (point - self.centre) / self.sd
        return value - 0.5 * float(off @ off), slope - off / self.sd

    def find_map(self, begin: np.ndarray | None = None) -> np.ndarray:
        """Return the mode, without the curvature there."""
        from scipy.optimize import minimize

        def down(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self.gradient(x)
            return (-value, -slope) if np.isfinite(value) else (1e300, np.zeros_like(x))

        begin = self.start if begin is None else begin
        options = {"maxcor": 30, "ftol": 1e-7 / max(abs(down(begin)[0]), 1.0)}
        return np.asarray(minimize(down, begin, jac=True, method="L-BFGS-B", options=options).x, float)


def model_data(customers: pd.DataFrame, *, family: Kind, covariates: Sequence[str] = ()) -> ValueData:
    """Prepare customers for a model.

    Parameters
    ----------
    customers : DataFrame
        One row a customer. Buying: ``x`` (repeat purchases), ``recency``, ``age`` (weeks), ``spend`` (average repeat
        purchase, optional), `covariates` (numbers). Contracts: ``periods``, ``ended``. ``n`` (customers a row stands
        for) is optional.
    family : str
    covariates : sequence of str
        Columns that make customers differ; models of buying only.

    Raises
    ------
    ModelError
        No customers, impossible rows, nobody who bought again, a covariate without variation, an unknown family.
    """
    n = customers["n"].to_numpy(float) if "n" in customers else None
    if family == "sbg":
        _demand(customers, ("periods", "ended"))
        ends = sbg.contracts(customers["periods"].to_numpy(), customers["ended"].to_numpy(), weight=n)
        return ValueData(family, None, ends)
    buying(family)
    _demand(customers, ("x", "recency", "age", *covariates))
    problems = [
        Problem("a covariate must differ between customers", where=c, todo="leave it out")
        for c in covariates
        if customers[c].nunique(dropna=False) < 2
    ]
    if problems:
        raise ModelError(problems)
    rows = rows_of(customers, covariates, weight=n)
    if not (rows.x > 0).any():
        todo = "wait until some have, or look at a longer span: without repeat purchases nothing can be learned about"
        todo += " who comes back"
        raise ModelError(Problem("nobody has bought a second time", value=f"{rows.customers:.0f} customers", todo=todo))
    if not (rows.age > 0).any():
        raise ModelError(Problem("all customers came on the last day", todo="look at a longer span"))
    if "spend" not in customers:
        return ValueData(family, rows, covariates=tuple(covariates))
    x, average = (customers[c].to_numpy(float) for c in ("x", "spend"))
    average = np.where(x > 0, average, np.nan)
    if (average > 0).sum() < 2:
        return ValueData(family, rows, covariates=tuple(covariates))
    amounts = gamma_gamma.spend(x, average, weight=n)
    return ValueData(family, rows, None, amounts, average, tuple(covariates))


def rows_of(customers: pd.DataFrame, covariates: Sequence[str], *, weight: np.ndarray | None = None) -> Rows:
    """Return the unique rows of customers with ``x, recency, age`` and covariates, which need not differ."""
    z = customers[list(covariates)].to_numpy(float) if covariates else None
    x, recency, age = (customers[c].to_numpy(float) for c in ("x", "recency", "age"))
    return unique_rows(x, recency, age, z=z, weight=weight)


def density(data: ValueData, priors: Priors | None = None) -> Density:
    """Return the log posterior density of buying, or of keeping contracts."""
    prior = priors or Priors()
    k = 2 * len(data.covariates)
    if data.contracts is not None:
        ends = data.contracts
        centre, sd = _normal([prior.share, prior.alike_contracts], prior)
        return Density(lambda points: sbg.values(points, ends), centre, sd, sbg.START)
    rows, family = data.buyers, buying(data.family)
    leaving = (prior.shape, prior.leaving) if data.family == "pareto" else (prior.share, prior.alike)
    centre, sd = _normal([prior.shape, prior.rate, *leaving, *[(0.0, prior.covariate)] * k], prior)
    likelihood = family.likelihood(rows)
    return Density(likelihood.values, centre, sd, family.start(rows), likelihood.gradient)


def density_of_spend(data: Spend, priors: Priors | None = None) -> Density:
    """Return the log posterior density of spend."""
    prior = priors or Priors()
    pairs = [*zip(prior.amounts, prior.amounts_sd, strict=True), *[(0.0, prior.together)] * data.joint]
    centre, sd = _normal(pairs, prior)
    seen = gamma_gamma.grouped(data)
    start = np.append(gamma_gamma.START, np.zeros(int(data.joint)))
    return Density(lambda points: gamma_gamma.values(points, seen), centre, sd, start)


def build_model(data: ValueData, priors: Priors | None = None) -> pm.Model:
    """State the posterior in PyMC with the distributions of pymc-marketing; `fit` draws from the same one.

    The distribution of an average of x gammas is Gamma(p x, nu x); with nu ~ Gamma(q, gamma) it is a beta of the
    second kind, written here as the beta of u = x m / (gamma + x m) and its Jacobian.
    """
    import pymc as pm
    from pymc_marketing.clv import distributions as clv

    at, exp = density(data, priors), pm.math.exp
    with pm.Model() as model:
        point = pm.Normal("point", at.centre, at.sd, shape=len(at.centre))
        if data.contracts is not None:
            share, size, held = pm.math.sigmoid(point[0]), exp(point[1]), data.contracts
            ends = clv.ShiftedBetaGeometric.dist(alpha=size * share, beta=size * (1 - share))
            over, going = held.ended, ~held.ended & (held.periods > 0)
            if over.any():
                pm.Potential("ended", (held.weight[over] * pm.logp(ends, held.periods[over])).sum())
            if going.any():
                lasting = pm.math.log1mexp(pm.logcdf(ends, held.periods[going]))
                pm.Potential("kept", (held.weight[going] * lasting).sum())
            return model
        rows, k = data.buyers, len(data.covariates)
        z = rows.z[rows.cell]
        buy, leave = pm.math.dot(z, point[4 : 4 + k]), pm.math.dot(z, point[4 + k :])
        rates: dict[str, Any] = {"r": exp(point[0]), "alpha": exp(point[0] - point[1] - buy), "T": rows.age}
        if data.family == "pareto":
            seen = clv.ParetoNBD.dist(s=exp(point[2]), beta=exp(point[2] - point[3] - leave), **rates)
        else:
            share, size = pm.math.sigmoid(point[2] + leave), exp(point[3])
            which = clv.BetaGeoNBD if data.family == "bgnbd" else clv.ModifiedBetaGeoNBD
            seen = which.dist(a=size * share, b=size * (1 - share), **rates)
        pm.Potential("likelihood", (rows.weight * pm.logp(seen, np.stack([rows.recency, rows.x], axis=1))).sum())
        if data.spend is not None:
            paid, to = data.spend, density_of_spend(data.spend, priors)
            spent = pm.Normal("spend_point", to.centre, to.sd, shape=len(to.centre))
            p, more = exp(spent[0]), exp(spent[1])
            gamma = exp(spent[2]) * more / p
            factor = 0.0
            if paid.power is not None and paid.log_time is not None:
                factor = pm.math.gammaln(paid.power + spent[3]) - pm.math.gammaln(paid.power) - spent[3] * paid.log_time
            total = paid.x * paid.mean / paid.scale / exp(factor)
            each = pm.logp(pm.Beta.dist(p * paid.x, 1 + more), total / (gamma + total))
            each = each + pm.math.log(paid.x * gamma) - 2 * pm.math.log(gamma + total)
            pm.Potential("spend_likelihood", (paid.weight * (each - factor)).sum())
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
        See `cxlab.inference.importance_sampling.sample`.
    together : str
        Whether amounts may go with the rate of buying: ``joint``, ``independent``, or ``auto``: joint where
        independence fails.

    Returns
    -------
    xr.DataTree
        ``posterior``: the parameters by name and ``point`` (chain, draw, coordinate), ``buy`` and ``leave``
        (chain, draw, covariate), with spend ``p``, ``q``, ``gamma``, ``spend_point`` and, where joint, ``together``
        (the power of the rate that amounts go with); ``sample_stats``; attributes ``method``, ``khat``, ``ess`` (the
        worst of buying and spend), ``dependence`` (a `Dependence`) and, where joint, ``joint`` (see
        `cxlab.value.clv.gamma_gamma.joined`).
    """
    import xarray as xr

    def sampled(target: Density, seed: int) -> xr.DataTree:
        return importance_sampling.sample(
            target.gradient,
            target.start,
            draws=draws,
            chains=chains,
            seed=seed,
            many=target.values,
            method=method,
            least_ess=_ENOUGH,
            light_tails=priors is None or priors.strength > 0,
        )

    trees = [sampled(density(data, priors), seed)]
    point = trees[0]["posterior"]["x"].to_numpy()
    dims = ("chain", "draw")
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"point": ((*dims, "coordinate"), point)}
    names: tuple[str, ...] = sbg.NAMES
    natural: tuple[np.ndarray, ...] = sbg.natural(point)
    if data.rows is not None:
        family = BUYING[data.family]
        flat = family.natural(point.reshape(-1, point.shape[-1])[:, :4], np.zeros((1, 0)))
        names, natural = family.names, tuple(np.reshape(v, point.shape[:2]) for v in flat)
    values |= {name: (dims, value) for name, value in zip(names, natural, strict=True)}
    k = len(data.covariates)
    if k:
        values |= {"buy": ((*dims, "covariate"), point[..., 4 : 4 + k])}
        values |= {"leave": ((*dims, "covariate"), point[..., 4 + k :])}
    attributes: dict[str, Any] = {"seed": seed}
    if data.spend is not None:
        paid = sampled(density_of_spend(data.spend, priors), seed + 1)
        spent = paid["posterior"]["x"].to_numpy()
        check = gamma_gamma.check_independence(data.spend, spent.reshape(-1, spent.shape[-1]), seed=seed)
        if together == "joint" or (together == "auto" and check.fails):
            check = replace(check, used="joint")
            middle = point.reshape(-1, point.shape[-1]).mean(axis=0)
            amounts, centre = gamma_gamma.joined(data.spend, BUYING[data.family], middle, data.buyers)
            attributes["joint"] = (middle, centre)
            paid = sampled(density_of_spend(amounts, priors), seed + 1)
            spent = paid["posterior"]["x"].to_numpy()
            values["together"] = (dims, spent[..., -1])
        trees.append(paid)
        attributes["dependence"] = check
        values["spend_point"] = ((*dims, "spend_coordinate"), spent)
        values |= {
            name: (dims, value)
            for name, value in zip(gamma_gamma.NAMES, gamma_gamma.natural(spent, data.spend.scale), strict=True)
        }
    diverging = sum(tree["sample_stats"]["diverging"].to_numpy() for tree in trees) > 0
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(values, coords={"covariate": list(data.covariates)} if k else None),
            "sample_stats": xr.Dataset({"diverging": (dims, diverging)}),
        }
    )
    methods = {tree.attrs["method"] for tree in trees}
    out.attrs.update(attributes, method="nuts" if "nuts" in methods else "importance")
    weighted = [tree.attrs for tree in trees if tree.attrs["method"] != "nuts"]
    out.attrs["khat"] = max((a["khat"] for a in weighted), default=float("nan"))
    out.attrs["ess"] = min((a["ess"] for a in weighted), default=float("nan"))
    return out


def points(tree: xr.DataTree, n: int, name: str = "point") -> np.ndarray:
    """Return `n` draws of the coordinates (all, if there are fewer), evenly from all chains."""
    values = tree["posterior"][name].to_numpy()
    flat = values.reshape(-1, values.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, min(n, len(flat))).astype(int)]


def estimands(posterior: xr.Dataset, data: ValueData) -> xr.Dataset:
    """Return what the parameters mean.

    Returns
    -------
    Dataset
        ``purchases_a_year`` of the average living customer; ``p_leave`` after a purchase (bgnbd, mbgnbd) or in the
        first period (sbg), ``left_in_a_year`` (pareto); ``purchase_value`` in money; ``twice_as_often``, what an
        amount is multiplied by for a rate of buying twice as high (joint spend); ``buy_ratio`` and ``leave_ratio``
        (covariate), factors on the rate of buying and on the odds or the rate of leaving for one more unit of a
        covariate.
    """
    import xarray as xr

    means = {}
    if data.family != "sbg":
        means["purchases_a_year"] = posterior["r"] / posterior["alpha"] * WEEKS_A_YEAR
    if data.family == "pareto":
        beta = posterior["beta"]
        means["left_in_a_year"] = 1 - (beta / (beta + WEEKS_A_YEAR)) ** posterior["s"]
    else:
        means["p_leave"] = posterior["a"] / (posterior["a"] + posterior["b"])
    if data.spend is not None:
        means["purchase_value"] = posterior["p"] * posterior["gamma"] / (posterior["q"] - 1)
    if "together" in posterior:
        means["twice_as_often"] = 2 ** posterior["together"]
    if data.covariates:
        means |= {f"{name}_ratio": np.exp(posterior[name]) for name in ("buy", "leave")}
    return xr.Dataset(means)


def _normal(pairs: Sequence[tuple[float, float]], prior: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sds of normal priors."""
    centre, sd = np.array(pairs, float).T
    return centre, sd / prior.strength if prior.strength > 0 else np.full(len(sd), _FLAT)


def _demand(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    problems = [
        Problem("the customers lack a column", value=c, nearest=nearest(c, list(map(str, table.columns))))
        for c in wanted
        if c not in table
    ]
    if problems:
        raise ModelError(problems)
