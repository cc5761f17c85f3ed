r"""The second purchase: what first choices go with coming back, and how soon.

A spell begins with a customer's first purchase and ends with the second one, or is cut off where the data end. In week
w after the first purchase, for a customer who has not bought again::

    logit P(buys in week w) = base_b(w) + sum_f effect_{f, level of f}
    base_b   ~ a walk over the bins of weeks: base_1 ~ normal(-3, 2), base_b - base_{b-1} ~ normal(0, walk)
    effect   ~ normal(0, sd_f)
    sd_f     ~ half-normal(many)  for features of many levels (products): they are all drawn towards 0 as far as they
                                  are alike, so the best of many is not the luckiest one
    sd_f     = few                for features of few levels (channel, what happened with the order)

What happens after the first purchase (a late delivery, a bad rating) counts from the week after it: nobody is late
before the parcel is. The probability of a second purchase within 13 weeks (91 days) is 1 - prod_w (1 - P_w).

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| base_b | ``base`` | bin | logit a week | random walk |
| effect | ``effect`` | level | logit | normal, see `Priors` |
| sd_f | ``sd`` | - | logit | half-normal |

The posterior is drawn over a grid of sd: for each a mode and its curvature, weighted by evidence; all draws are then
weighted by the density itself and accepted on k-hat. `build_model` states the same with sd continuous.

Assumptions: the end of the data has nothing to do with whom it cuts off; a week that is not observed whole counts for
nothing; effects are the same in every week. What it cannot say: that the first choice made them come back; those who
choose it may be others.

References
----------
Singer and Willett (1993), It's about time: discrete-time survival analysis, doi:10.3102/10769986018002155.
Tierney and Kadane (1986), Accurate approximations for posterior moments, doi:10.1080/01621459.1986.10478240.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.inference import importance_sampling
from cxlab.value.second_averages import Averages
from cxlab.value.second_hazard import Hazard, design, hazard, modes
from cxlab.value.second_spells import EDGES, SecondData, counted

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "second"
HORIZON: Final = 13  # weeks of what is reported: 91 days
MANY: Final = 6  # levels from which on a feature's effects share a spread that is learned
_GRID: Final = np.exp(np.linspace(np.log(0.03), np.log(1.6), 9))
_DEGREES: Final = 20.0  # of freedom of the proposal
_PROPOSALS: Final = 2000


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale."""

    first: tuple[float, float] = (-3.0, 2.0)  # centre and sd of the first week's base, logits
    walk: float = 1.0  # sd of the difference between neighbouring steps of the base, logits
    many: float = 0.5  # sd of the half-normal of the spread of a feature of many levels, logits
    few: float = 0.7  # sd of the effect of a level of a feature of few levels, logits


def model_data(spells: pd.DataFrame, *, features: Sequence[str], since: Mapping[str, str] | None = None) -> SecondData:
    """Count customer-weeks.

    Parameters
    ----------
    spells : DataFrame
        One row a customer: ``weeks`` (whole weeks without a second purchase), ``bought`` (whether it came in the week
        after them), and the features as text (missing or empty: not known).
    features : sequence of str
        Columns of `spells`.
    since : mapping of str to str, optional
        Feature -> column with the week from which its level holds (missing: never).

    Raises
    ------
    ModelError
        No spells, nobody who came back, a missing column, or negative weeks: all at once.
    """
    return counted(spells, features=features, since=since)


def learned(data: SecondData) -> np.ndarray:
    """Return which effects share a spread that is learned, (level,)."""
    return np.concatenate([np.full(len(known), len(known) >= MANY) for known in data.levels] or [np.zeros(0, bool)])


def target(data: SecondData, sd: float, priors: Priors | None = None) -> Hazard:
    """Return the log posterior density of base and effects given sd, with its slope."""
    prior = priors or Priors()
    return hazard(data, prior.first, prior.walk, np.where(learned(data), sd, prior.few))


def build_model(data: SecondData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through a grid of sd."""
    import pymc as pm
    import pytensor.tensor as pt

    prior = priors or Priors()
    with pm.Model(coords={"bin": list(EDGES[:-1]), "level": data.names}) as model:
        walk = pm.Normal("walk", 0.0, prior.walk, shape=data.steps - 1)
        base = pt.concatenate([[pm.Normal("first", *prior.first)], walk]).cumsum()
        spread = pm.HalfNormal("sd", prior.many) if learned(data).any() else 1.0
        sd = pt.where(learned(data), spread, prior.few)
        effect = pm.Normal("effect", 0.0, sd, dims="level")
        x = design(data)
        logit = pt.dot(x[:, : data.steps], base) + pt.dot(x[:, data.steps :], effect)
        pm.Binomial("bought", data.at_risk.astype(int), logit_p=logit, observed=data.bought.astype(int))
    return model


def fit(data: SecondData, *, draws: int = 250, chains: int = 4, seed: int, priors: Priors | None = None) -> xr.DataTree:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``base`` (chain, draw, bin), ``effect`` (chain, draw, level) and ``sd`` (chain, draw);
        ``sample_stats``; attributes ``method`` (importance; nuts at the likeliest sd where the weights cannot be
        trusted) and ``khat``.
    """
    import xarray as xr

    prior = priors or Priors()
    grid = _GRID if learned(data).any() else np.array([1.0])
    random = np.random.default_rng([seed, 14])
    targets = [target(data, float(sd), prior) for sd in grid]
    found, evidence = modes(targets)
    belief = np.log(grid) - 0.5 * (grid / prior.many) ** 2 if len(grid) > 1 else np.zeros(1)
    mass = np.exp(evidence + belief - (evidence + belief).max())
    mass = 0.98 * mass / mass.sum() + 0.02 / len(grid)
    m, d = max(_PROPOSALS, 2 * draws * chains), data.size
    which = np.searchsorted(np.cumsum(mass), (np.arange(m) + 0.5) / m).clip(max=len(grid) - 1)
    normal = random.standard_normal((m, d))
    stretch = random.chisquare(_DEGREES, m) / _DEGREES
    points, weight = np.empty((m, d)), np.empty(m)
    for i, (point, factor) in enumerate(found):
        own = which == i
        points[own] = point + (normal[own] / np.sqrt(stretch[own])[:, None]) @ factor.T
        weight[own] = targets[i].values(points[own]) + belief[i] - np.log(mass[i])
        weight[own] += np.linalg.slogdet(factor)[1]
    weight += 0.5 * (_DEGREES + d) * np.log1p((normal**2).sum(axis=1) / stretch / _DEGREES)
    weights, chosen, khat = importance_sampling.resampled(
        np.where(np.isfinite(weight), weight, -np.inf), wanted=draws * chains, random=random
    )
    diverging = np.zeros((chains, draws), bool)
    method, sd = "importance", grid[which[chosen]].reshape(chains, draws)
    values = points[chosen].reshape(chains, draws, d)
    if not khat < importance_sampling.KHAT or 1 / float((weights**2).sum()) < importance_sampling.LEAST_ESS / 4 * m:
        best = int(mass.argmax())
        tree = importance_sampling.sample(
            targets[best].gradient, found[best][0], draws=draws, chains=chains, seed=seed, method="nuts"
        )  # fmt: skip
        values, diverging = tree["posterior"]["x"].to_numpy(), tree["sample_stats"]["diverging"].to_numpy()
        method, sd = "nuts", np.full((chains, draws), grid[best])
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "base": (("chain", "draw", "bin"), values[..., : data.steps]),
                    "effect": (("chain", "draw", "level"), values[..., data.steps :]),
                    "sd": (("chain", "draw"), sd),
                },
                coords={"bin": list(EDGES[:-1]), "level": data.names},
            ),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), diverging)}),
        }
    )
    out.attrs.update(method=method, khat=khat, seed=seed)
    return out


def estimands(posterior: xr.Dataset, data: SecondData, *, weeks: int = HORIZON) -> xr.Dataset:
    """Return how probable a second purchase within the weeks is, by level, and against the others.

    Averaged over the kinds of customers that there are, every other feature as it is; what happens after the first
    purchase counts from the week in which it usually does.

    Returns
    -------
    Dataset
        ``again`` (chain, draw): of all customers. ``second_purchase`` (chain, draw, row): of a level;
        ``second_purchase_over_others``: minus that of the other levels, weighted by their customers (of a feature with
        one level: of those without it). Coords of `row`: ``feature``, ``level``, ``n``.
    """
    import xarray as xr

    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    base = posterior["base"].to_numpy().reshape(chains * draws, -1)
    effect = posterior["effect"].to_numpy().reshape(chains * draws, -1)
    average = Averages(base, effect, data, weeks)
    rows, values, over = [], [], []
    for j, known in enumerate(data.levels):
        rows += [(data.features[j], name, int(n)) for name, n in zip(known, data.n[j], strict=True)]
        each, against = average.over_others(j)
        values += each
        over += against
    shape = (chains, draws, len(rows))
    table = pd.DataFrame(rows, columns=["feature", "level", "n"])
    stacked = [np.column_stack(v) if v else np.empty((chains * draws, 0)) for v in (values, over)]
    return xr.Dataset(
        {
            "again": (("chain", "draw"), average.chance().reshape(chains, draws)),
            "second_purchase": (("chain", "draw", "row"), stacked[0].reshape(shape)),
            "second_purchase_over_others": (("chain", "draw", "row"), stacked[1].reshape(shape)),
        },
        coords={c: ("row", table[c].to_numpy()) for c in table.columns},
    )
