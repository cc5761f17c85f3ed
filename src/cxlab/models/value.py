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
    a purchase of customer i ~ Gamma(p, nu_i), nu_i ~ Gamma(q, gamma), independent of lambda and of leaving

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| r | ``r`` | - | shape of the rates | log normal |
| r / alpha | ``alpha`` | - | purchases a week of the average customer | log normal |
| a/(a+b), a+b | ``a``, ``b`` | - | share leaving after a purchase; how alike customers are | logit normal, log normal |
| s, s / beta | ``s``, ``beta`` | - | leavings a week | log normal |
| g, h | ``buy``, ``leave`` | covariate | logs | normal |
| p, q, gamma | ``p``, ``q``, ``gamma`` | - | -, -, money | log normal; average purchase over the one seen |

Customers who look the same are one row with a weight: the posterior is that of a million customers. It is drawn by
`cxlab.density` (importance sampling around the mode accepted on k-hat, else NUTS); `build_model` states the same
posterior with the distributions of pymc-marketing.

What it cannot say: why somebody buys; anything of seasons, campaigns or prices, unless the same will happen again
(hence the common shock in forecasts of totals, learned from past forecasts); who left, only how likely. It is wrong for
contracts, whose customers buy at regular intervals: those are for `sbg`.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
Fader, Hardie and Shang (2010), Customer-base analysis in discrete time, doi:10.1287/mksc.1100.0580.
Fader, Hardie and Lee (2005), RFM and CLV (Gamma-Gamma), doi:10.1509/jmkr.2005.42.4.415.
Fader and Hardie (2007), How to project customer retention, doi:10.1002/dir.20074.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from cxlab import density
from cxlab.errors import ModelError, Problem, nearest
from cxlab.models.buying import contracts, discrete, families, forecast, oracle
from cxlab.models.buying import spend as money
from cxlab.models.buying.contracts import Contracts
from cxlab.models.buying.rows import Rows, unique
from cxlab.models.buying.spend import Spend

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

Family = Literal["bgnbd", "mbgnbd", "pareto", "bgbb", "sbg"]
MODEL: Final = "value"
FAMILIES: Final[tuple[Family, ...]] = ("bgnbd", "mbgnbd", "pareto", "bgbb", "sbg")
WEEKS_A_YEAR: Final = 365.25 / 7
_FLAT: Final = 1e6  # sd of a prior without strength
LogDensity = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Priors:
    """What is believed before the data; centre and sd of normal distributions. Times in weeks."""

    shape: tuple[float, float] = (-0.7, 1.2)  # log r and log s: how alike customers are
    rate: tuple[float, float] = (-3.0, 2.0)  # log purchases a week of a living customer
    leaving: tuple[float, float] = (-3.0, 2.0)  # log leavings a week (pareto)
    share: tuple[float, float] = (-1.0, 1.5)  # logit of a mean probability of leaving, buying or ending
    alike: tuple[float, float] = (1.0, 1.0)  # log of the sum of two beta parameters
    covariate: float = 0.5  # sd of an effect on the log scale
    amounts: tuple[float, float, float] = (1.0, 1.0, 0.0)  # log p, log(q-1), log average purchase over the one seen
    amounts_sd: tuple[float, float, float] = (1.0, 1.0, 1.0)  # logs
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

    family: Family
    rows: Rows | None
    contracts: Contracts | None
    spend: Spend | None
    average: np.ndarray
    covariates: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """What is expected until the horizon.

    Attributes
    ----------
    customers : DataFrame
        One row a customer, in the order of the model's data: ``p_alive``, ``expected_purchases``, ``purchases_sd``,
        ``purchases_low``, ``purchases_high`` (counts nearest to 90 %) and their ``purchases_promised`` probability,
        ``expected_spend`` (not discounted),
        ``clv_mean``, ``clv_sd``, ``clv_low``, ``clv_high`` (5 and 95 %; discounted contribution). Amounts are NaN
        where no spend is known.
    purchases : array (draw, group)
        Purchases of all customers of a group, with the common shock.
    plain : array (draw, group)
        The same without the shock.
    equity : array (draw, group)
        Discounted contribution of all customers of a group: customer equity of the known base. Purchases where no
        spend is known.
    steps : array (draw, step)
        Purchases of all in each step of time, noise and shock included.
    edges : array (step + 1,)
        Weeks from now.
    """

    customers: pd.DataFrame
    purchases: np.ndarray
    plain: np.ndarray
    equity: np.ndarray
    steps: np.ndarray
    edges: np.ndarray


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
        found = contracts.contracts(customers["periods"].to_numpy(), customers["ended"].to_numpy(), weight=n)
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
    centre, sd = _prior(data, prior)
    if data.contracts is not None:
        return oracle.contracts(data.contracts, centre, sd)
    assert data.rows is not None
    model = oracle.buying(data.family, data.rows, centre, sd)
    if data.spend is not None:
        model = oracle.spend(model, data.spend, np.array(prior.amounts), _sd(prior.amounts_sd, prior))
    return model


def fit(
    data: ValueData,
    *,
    draws: int = 250,
    chains: int = 4,
    seed: int,
    priors: Priors | None = None,
    method: density.Method = "auto",
) -> xr.DataTree:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        ``posterior``: the parameters by name and ``point`` (chain, draw, coordinate), ``buy`` and ``leave``
        (chain, draw, covariate), with spend ``p``, ``q``, ``gamma`` and ``spend_point``; ``sample_stats``; attributes
        ``method``, ``khat`` and, of spend, ``spend_method``, ``spend_khat``.
    """
    import xarray as xr

    prior = priors or Priors()
    function, many, begin = _density(data, prior)
    tree = density.sample(function, begin, draws=draws, chains=chains, seed=seed, many=many, method=method)
    point = tree["posterior"]["x"].to_numpy()
    dims = ("chain", "draw")
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"point": ((*dims, "coordinate"), point)}
    names = _names(data.family)
    found = _natural(data.family, point)
    values |= {name: (dims, found[..., i]) for i, name in enumerate(names)}
    k = len(data.covariates)
    if k:
        values["buy"] = ((*dims, "covariate"), point[..., 4 : 4 + k])
        values["leave"] = ((*dims, "covariate"), point[..., 4 + k :])
    attributes = {"method": tree.attrs["method"], "khat": tree.attrs["khat"], "seed": seed}
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    if data.spend is not None:
        paid = density.sample(
            _spend_density(data.spend, prior), money.START, draws=draws, chains=chains, seed=seed + 1, method=method
        )
        point = paid["posterior"]["x"].to_numpy()
        values["spend_point"] = ((*dims, "spend_coordinate"), point)
        for name, value in zip(money.NAMES, money.natural(point, data.spend.scale), strict=True):
            values[f"spend_{name}" if name in values else name] = (dims, value)
        attributes |= {"spend_method": paid.attrs["method"], "spend_khat": paid.attrs["khat"]}
        diverging = diverging | paid["sample_stats"]["diverging"].to_numpy()
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(values, coords={"covariate": list(data.covariates)} if k else None),
            "sample_stats": xr.Dataset({"diverging": (dims, diverging)}),
        }
    )
    out.attrs.update(attributes)
    return out


def mode(data: ValueData, priors: Priors | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mode of buying (coordinates) and of spend; ``Priors(strength=0)`` gives the maximum likelihood."""
    prior = priors or Priors()
    function, _, begin = _density(data, prior)
    point, _ = density.mode(function, begin)
    if data.spend is None:
        return point, None
    return point, density.mode(_spend_density(data.spend, prior), money.START)[0]


def log_likelihood(data: ValueData, point: np.ndarray) -> float:
    """Return the log likelihood of buying (or of contracts) at a point of the coordinates."""
    return _likelihood(data)[1](point)


def log_density(data: ValueData, priors: Priors | None = None) -> LogDensity:
    """Return the log posterior density of buying, up to a constant, as a function of the coordinates."""
    return _density(data, priors or Priors())[0]


def log_density_of_spend(data: Spend, priors: Priors | None = None) -> LogDensity:
    """Return the log posterior density of spend, up to a constant, as a function of its coordinates."""
    return _spend_density(data, priors or Priors())


def start(data: ValueData) -> np.ndarray:
    """Return where the search for the mode begins."""
    return _density(data, Priors())[2]


def points(tree: xr.DataTree, n: int, name: str = "point") -> np.ndarray:
    """Return `n` draws of the coordinates (all, if there are fewer), evenly from all chains."""
    values = tree["posterior"][name].to_numpy()
    flat = values.reshape(-1, values.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, min(n, len(flat))).astype(int)]


def outlook(
    tree: xr.DataTree,
    data: ValueData,
    *,
    weeks: float,
    seed: int,
    draws: int = 400,
    discount: float = 0.1,
    margin: float = 1.0,
    shock: float = 0.0,
    steps: int = 12,
    groups: np.ndarray | None = None,
) -> Outlook:
    """Forecast every customer and all of them.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    data : ValueData
        The customers to forecast; those of the fit, or others with the same family and covariates.
    weeks : float
        Horizon.
    draws : int
        Draws of the posterior that are used.
    discount : float
        Discount rate a year.
    margin : float
        Share of spend that is contribution.
    shock : float
        Standard deviation (log) of what moves all customers alike, see `holdout.shock`.
    steps : int
        Steps of time of the path of totals.
    groups : array of int (customer,), optional
        Group of each customer for totals; customers of one row must share it (a class of x does).

    Raises
    ------
    ModelError
        For families without continuous time, or a horizon, discount or margin that is not legal.
    """
    family = data.family
    if data.rows is None or family == "bgbb" or family == "sbg":
        raise ModelError(
            Problem("this forecast is for purchases in continuous time", value=family,
                    allowed=", ".join(families.FAMILIES))
        )  # fmt: skip
    problems = [
        Problem(f"{name} must be {allowed}", value=str(value))
        for name, value, fine, allowed in (
            ("the horizon in weeks", weeks, weeks > 0, "above 0"),
            ("the discount rate", discount, discount >= 0, "0 or more"),
            ("the common shock", shock, shock >= 0, "0 or more"),
        )
        if not (np.isfinite(value) and fine)
    ]
    if problems:
        raise ModelError(problems)
    rows = data.rows
    at = points(tree, draws)
    amounts, average = None, np.empty(0)
    if data.spend is not None and "spend_point" in tree["posterior"]:
        spent = points(tree, draws, "spend_point")
        p, q, gamma = money.natural(spent, data.spend.scale)
        average = np.where(np.isnan(data.average), (p * gamma / (q - 1)).mean(), np.maximum(data.average, 0.0))
        mean = np.bincount(rows.inverse, average, len(rows)) / np.bincount(rows.inverse, minlength=len(rows))
        amounts = forecast.Amounts(spent, data.spend.scale, rows.x, mean)
    by_row = None
    if groups is not None:
        by_row = np.zeros(len(rows), int)
        by_row[rows.inverse] = groups
    rate = float(np.log1p(discount) / WEEKS_A_YEAR)
    edges = np.linspace(0, weeks, steps + 1)
    found = forecast.stream(family, at, rows, edges=edges, seed=seed, discount=rate, amounts=amounts, groups=by_row)
    path = np.random.default_rng([seed, 3]).poisson(np.minimum(forecast.shocked(found.steps, shock, seed=seed), 1e12))
    return Outlook(
        _customers(found, rows, average, margin),
        forecast.shocked(found.total, shock, seed=seed),
        found.total,
        forecast.shocked(found.total_worth, shock, seed=seed) * margin,
        path.astype(float),
        edges,
    )


def estimands(posterior: xr.Dataset, data: ValueData) -> xr.Dataset:
    """Return what the parameters say of the average customer.

    Returns
    -------
    Dataset
        Dims (chain, draw): ``purchases_a_year`` of a living customer; ``p_leave`` after a purchase (bgnbd, mbgnbd), at
        an opportunity (bgbb) or in the first period (sbg), ``left_in_a_year`` (pareto); ``p_buy`` at an opportunity
        (bgbb); ``purchase_value`` in money; ``buy_ratio`` and ``leave_ratio`` (covariate), factors on the rate of
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


def _names(family: Family) -> tuple[str, ...]:
    if family == "sbg":
        return contracts.NAMES
    return discrete.NAMES if family == "bgbb" else families.names(family)


def _natural(family: Family, at: np.ndarray) -> np.ndarray:
    if family != "bgbb" and family != "sbg":
        return families.natural(family, at)
    turn = contracts.natural if family == "sbg" else discrete.natural
    flat = np.array([turn(x) for x in at.reshape(-1, at.shape[-1])])
    return flat.reshape(*at.shape[:-1], -1)


def _likelihood(data: ValueData) -> tuple[LogDensity, Callable[[np.ndarray], float]]:
    """Log likelihood with its gradient, and without."""
    if data.contracts is not None:
        held = data.contracts
        return (lambda x: contracts.gradient(x, held)), (lambda x: contracts.gradient(x, held)[0])
    assert data.rows is not None
    if data.family == "bgbb" or data.family == "sbg":
        discretely = discrete.likelihood(data.rows)
        return discretely.gradient, discretely.value
    found = families.likelihood(data.family, data.rows)
    return found.gradient, found.value


def _sd(sd: Sequence[float], prior: Priors) -> np.ndarray:
    return np.asarray(sd, float) / prior.strength if prior.strength > 0 else np.full(len(sd), _FLAT)


def _prior(data: ValueData, prior: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Centre and sd of the coordinates of buying."""
    parts = {
        "pareto": [prior.shape, prior.rate, prior.shape, prior.leaving],
        "bgbb": [prior.share, prior.alike] * 2,
        "sbg": [prior.share, prior.alike],
    }.get(data.family, [prior.shape, prior.rate, prior.share, prior.alike])
    pairs = [*parts, *[(0.0, prior.covariate)] * (2 * len(data.covariates))]
    return np.array([centre for centre, _ in pairs]), _sd([sd for _, sd in pairs], prior)


def _density(data: ValueData, prior: Priors) -> tuple[LogDensity, Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Log density of buying with its gradient, the same of many points, and where to start."""
    centre, sd = _prior(data, prior)
    likelihood, value = _likelihood(data)
    begin = contracts.START
    if data.rows is not None:
        if data.family == "bgbb" or data.family == "sbg":
            begin = discrete.start(data.rows)
        else:
            begin = families.start(data.family, data.rows)

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):  # far points overflow: their density is not finite, which is the answer
            found, slope = likelihood(x)
        off = (x - centre) / sd
        return found - 0.5 * float(off @ off), slope - off / sd

    def many(xs: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = np.array([value(x) for x in xs])
        return found - 0.5 * (((xs - centre) / sd) ** 2).sum(axis=1)

    return both, many, begin


def _spend_density(data: Spend, prior: Priors) -> LogDensity:
    centre, sd = np.array(prior.amounts), _sd(prior.amounts_sd, prior)

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            found, slope = money.gradient(x, data)
        off = (x - centre) / sd
        return found - 0.5 * float(off @ off), slope - off / sd

    return both


def _customers(found: forecast.Forecast, rows: Rows, average: np.ndarray, margin: float) -> pd.DataFrame:
    """One row a customer from one a row."""
    at = rows.inverse
    table = {
        "p_alive": found.p_alive[at],
        "expected_purchases": found.purchases[at],
        "purchases_sd": found.purchases_sd[at],
        "purchases_low": found.purchases_low[at],
        "purchases_high": found.purchases_high[at],
        "purchases_promised": found.purchases_promised[at],
    }
    nothing = np.full(len(at), np.nan)
    if len(average):
        mean = margin * (found.worth[at, 0] + found.worth[at, 1] * average)
        table["expected_spend"] = found.revenue[at, 0] + found.revenue[at, 1] * average
        ends = {"clv_mean": mean, "clv_sd": abs(mean) * found.worth_sd[at]}
        ends |= {"clv_low": mean * found.worth_low[at], "clv_high": mean * found.worth_high[at]}
    else:
        table["expected_spend"] = nothing
        ends = dict.fromkeys(("clv_mean", "clv_sd", "clv_low", "clv_high"), nothing)
    return pd.DataFrame({**table, **ends})
