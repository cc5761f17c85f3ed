r"""How satisfied are they, where, and did it change: a hierarchical cumulative logit on exact cell counts.

A cell is an observed combination of the factors' groups (segments, touchpoint, channel) and a period. The model sees
respondents only through the counts of each code in each cell, so a million answers cost what a thousand do, and the
posterior is the one of the respondents taken row by row.

The generative story, for an answer y with codes 1..K from cell c::

    P(y <= k | c) = logistic((cut_k - eta_c) / exp(log_scale_g(c)))                      k = 1..K-1
    eta_c         = sum_f effect_f[group of c] + sum_fg pair_fg[groups of c] + heard x_c + walk[period of c] + cell_c
    effect_f      ~ normal(0, scale_f), summing to zero over the groups of factor f
    pair_fg       ~ normal(0, scale_pairs), summing to zero over the groups of f and of g, one scale for all pairs
    heard         ~ normal(0, scale_heard), x_c: log of the answers of c to those its share of the people would give
    walk          = cumulative sum of steps ~ normal(0, scale_period), centred over the periods
    cell_c        ~ normal(0, scale_cell)
    log_scale     = zero-sum over the groups g of one factor (`scale_by`), or 0 where all use the scale alike
    (P(y = k | eta = 0))_k ~ Dirichlet(concentration, ..., concentration), which fixes the law of the cuts

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet on the code shares of a cell with eta = 0 |
| effect, pair, heard, steps | ``effect`` | contrast (of factors, pairs; slope; steps) | logit | normal(0, scale) |
| scale_f, scale_pairs, scale_heard, scale_period, scale_cell | ``scale`` | factor | logit | half-normal, see `Priors` |
| eta_c | ``eta`` | cell | logit | from the rows above |
| log_scale_g | ``log_scale`` | scale group | log | zero-sum contrasts ~ normal(0, log_scale); one group: 0 |

Assumptions: answers in a cell are exchangeable and independent given eta; a shift of eta moves all codes in proportion
(proportional odds); an effect of a group is the same in every period but for the cell effect; periods are equally far
apart. What it cannot say: why groups differ (they are associations); whether those who did not answer are like those
who did; without `scale_by`, whether two groups use the scale differently. A period without answers is bridged by the
walk and not reported.

With z = (cut - eta) / scale the log-likelihood of a cell with counts n_k is

    sum_k -(n_k + n_{k+1}) softplus(-z_k) - n_{k+1} z_k  +  sum_{k=2..K-1} n_k log(1 - exp(-(z_k - z_{k-1})))

and z_k - z_{k-1} does not depend on eta, so the last term needs the totals of a scale group only. Counts may be
fractional (survey weights scaled to the effective sample size).

References
----------
McCullagh (1980), Regression models for ordinal data, doi:10.1111/j.2517-6161.1980.tb01109.x.
Liddell and Kruschke (2018), Analyzing ordinal data with metric models, doi:10.1016/j.jesp.2018.08.009.
Park, Gelman and Bafumi (2004), Bayesian multilevel estimation with poststratification, doi:10.1093/pan/mph024.
Si, Pillai and Gelman (2015), Bayesian nonparametric weighted sampling inference, doi:10.1214/14-BA924.
Papaspiliopoulos, Roberts and Skold (2007), Parametrization of hierarchical models, doi:10.1214/088342307000000014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import contrasts, nuts
from cxlab.satisfaction import design as tables
from cxlab.satisfaction import estimands as reporting
from cxlab.satisfaction import pymc_model, sampler
from cxlab.satisfaction.data import SatisfactionData

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

NPS_CODES: Final = reporting.NPS_CODES
Method = Literal["auto", "nested", "nuts"]
KHAT: Final = 0.7  # above it importance weights are not to be trusted
LEAST_SHARE: Final = 0.2  # effective draws for each draw below which NUTS is the better way
ENOUGH: Final = 0.7  # effective draws for each draw from which on no more are proposed
KEPT: Final = 400_000  # cells x draws of a fit: independent draws say more than those of a chain
LEAST: Final = 1500  # draws of a fit, whatever its size
MOST_CELLS: Final = 4096
MOST_EFFECTS: Final = 256


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale (1 logit: odds times 2.7)."""

    concentration: float = 1.0  # Dirichlet weight of each code at eta = 0, in answers; 1 = any distribution alike
    factor_scale: float = 0.5  # half-normal sd of the differences between the groups of a factor, logits
    pair_scale: float = 0.3  # half-normal sd of what two factors do together beyond the sum of both, logits
    heard_scale: float = 0.3  # half-normal sd of the effect of one sd of being heard more than one's share, logits
    walk_scale: float = 0.25  # half-normal sd of the step from one period to the next, logits
    cell_scale: float = 0.2  # half-normal sd of what a cell has beyond its main effects, logits
    log_scale: float = 0.5  # normal sd of contrasts between groups' log-scales, log; at 0.5 twice as wide is common


def model_data(
    counts: pd.DataFrame,
    *,
    codes: Sequence[float],
    factors: Sequence[str],
    periods: Sequence[str],
    population: pd.DataFrame | None = None,
    scale_by: str = "",
) -> SatisfactionData:
    """Check counts and turn them into the arrays of the model.

    Parameters
    ----------
    counts : DataFrame
        One row an observed cell x code: the factor columns, ``period``, ``code``, ``n_raw`` (respondents) and ``n``
        (the effective count, equal to `n_raw` without weights).
    codes : sequence of float
        Legal codes in order, 2 to 11 of them.
    factors : sequence of str
        Factor columns, e.g. ``("segment:age", "touchpoint")``; may be empty.
    periods : sequence of str
        Period labels in order, up to the unit's; periods without answers included.
    population : DataFrame, optional
        The factor columns, ``period`` and ``population``: how many each cell stands for. By default its effective n.
        Cells that only the population has are predicted.
    scale_by : str, optional
        Factor whose groups each have a scale of their own (their answers spread wider or less wide); by default all
        use the scale alike. Needs three codes or more.

    Returns
    -------
    SatisfactionData

    Raises
    ------
    ModelError
        With every problem found: columns, groups, periods, codes, counts.
    """
    keys = [*factors, "period"]
    problems = tables.settings_problems(codes=codes, factors=factors, periods=periods, scale_by=scale_by)
    problems += tables.counts_problems(counts, keys=keys, codes=codes, periods=periods)
    if population is not None:
        problems += tables.population_problems(population, keys=keys, periods=periods)
    if problems:
        raise ModelError(problems)

    wide_n = tables.wide(counts, keys, codes, "n")
    wide_raw = tables.wide(counts, keys, codes, "n_raw")
    index = wide_n.index
    if population is not None:
        people = population.astype(dict.fromkeys(keys, str))
        weight = pd.Series(people["population"].to_numpy(float), index=pd.MultiIndex.from_frame(people[keys]))
        index = index.union(weight.index)
    rank = {period: i for i, period in enumerate(periods)}
    groups = {f: tuple(sorted(set(index.get_level_values(f)))) for f in factors}
    cells = index.to_frame(index=False)
    cells = cells.sort_values(keys, key=lambda column: column.map(rank) if column.name == "period" else column)
    cells = cells.reset_index(drop=True)
    index = pd.MultiIndex.from_frame(cells)
    observed = wide_n.reindex(index, fill_value=0.0).to_numpy(float)
    weights = None if population is None else weight.reindex(index, fill_value=0.0).to_numpy(float)
    design, scale_of = tables.design(
        cells, groups=groups, periods=periods, answers=observed.sum(axis=1), people=weights
    )
    scale_group = np.zeros(len(cells), int)
    if scale_by:
        scale_group = pd.Categorical(cells[scale_by], categories=list(groups[scale_by])).codes.astype(int)
    data = SatisfactionData(
        codes=tuple(float(code) for code in codes),
        periods=tuple(periods),
        factors=tuple(factors),
        groups=groups,
        cells=cells,
        counts=observed,
        n_raw=wide_raw.reindex(index, fill_value=0).sum(axis=1).to_numpy(int),
        population=observed.sum(axis=1) if weights is None else weights,
        design=design,
        scale_of=scale_of,
        scale_by=scale_by,
        scale_group=scale_group,
    )
    if len(data.cells) > MOST_CELLS or len(data.scale_of) > MOST_EFFECTS:
        raise ModelError(
            Problem(
                "too many cells for one model",
                where="grouping",
                value=f"{len(data.cells):,} cells, {len(data.scale_of):,} effects",
                allowed=f"up to {MOST_CELLS:,} cells and {MOST_EFFECTS:,} effects",
                todo="use fewer segments, merge small groups or take a coarser period",
            )
        )
    return data


def build_model(data: SatisfactionData, priors: Priors) -> pm.Model:
    """Build the PyMC model of this data.

    Parameters
    ----------
    data : SatisfactionData
        From `model_data`.
    priors : Priors
        Scales of the priors.

    Returns
    -------
    pm.Model
        Its random variables and deterministics are those of the table above.
    """
    coords = _coords(data, pymc_model.scales_used(data.scale_of))
    return pymc_model.build(_arrays(data, priors), coords)


def fit(
    data: SatisfactionData,
    *,
    priors: Priors | None = None,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    seed: int = 1,
    method: Method = "auto",
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : SatisfactionData
        From `model_data`.
    priors : Priors, optional
        By default ``Priors()``.
    draws, chains : int
        Draws of each chain, and chains. Nested draws are independent; they are dealt out to as many chains, and with
        more than `KEPT` cells x draws fewer of them are kept, though `LEAST` at least.
    tune : int
        Draws of NUTS thrown away while adapting.
    seed : int
        As for `cxlab.inference.nuts.sample`.
    method : str
        ``nested`` (`cxlab.satisfaction.sampler`), ``nuts`` (the PyMC model, compiled), or ``auto``: nested, and NUTS
        where the weights of nested draws cannot be trusted.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``cut`` (chain, draw, boundary), ``effect`` (.., contrast), ``scale`` (.., factor), ``eta``
        (.., cell), ``log_scale`` (.., scale_group) and ``location`` (..), all in logits; ``sample_stats``. ``cut`` and
        ``eta`` are measured from the average answer, whose own eta is ``location``: the data say nothing of it and no
        estimate depends on it. Attribute ``method`` says which one it was; of nested draws ``khat`` and ``ess``.
    """
    import xarray as xr

    priors = priors or Priors()
    heard = _subset(data, data.counts.sum(axis=1) > 0)
    arrays = _arrays(heard, priors)
    if method != "nuts":
        raw, khat, share = _nested(heard, arrays, draws=draws, chains=chains, seed=seed)
        if (khat < KHAT and share > LEAST_SHARE) or method == "nested":
            posterior = _whole(data, heard, raw, seed=seed)
            stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(raw["location"].shape, bool))})
            tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
            tree.attrs.update(method="nested", khat=khat, ess=min(share, 1.0) * raw["location"].size, seed=seed)
            return tree
    sampled = nuts.sample(
        build_model(heard, priors),
        start=pymc_model.start(arrays),
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
    )
    raw = {name: sampled["posterior"][name].to_numpy() for name in ("cut", "effect", "eta", "log_scale", "location")}
    raw["scale"] = _all_scales(sampled["posterior"]["scale"].to_numpy(), data=heard, arrays=arrays, seed=seed)
    posterior = _whole(data, heard, raw, seed=seed)
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sampled["sample_stats"].dataset})
    tree.attrs.update(sampled.attrs, method="nuts")
    return tree


def estimands(
    posterior: xr.Dataset, data: SatisfactionData, *, metrics: Sequence[str], satisfied_from: float | None = None
) -> xr.Dataset:
    """Draws of what is reported, for the total and each factor's groups in each period, on the reporting scale.

    A row averages what the model says of its cells, weighted by their population, so a row's change from one period to
    the next includes a change of mix. Groups without population in a period are left out.

    Parameters
    ----------
    posterior : Dataset
        ``cut`` and ``eta`` as `fit` gives them.
    data : SatisfactionData
        The data it was fitted to.
    metrics : sequence of str
        ``mean`` and ``ces`` (points of the scale), ``top_box`` (share of the highest code), ``csat`` (share at or above
        `satisfied_from`), ``nps`` (-100..100; codes 0 to 10 only).
    satisfied_from : float, optional
        Lowest satisfied code; needed for ``csat``.

    Returns
    -------
    Dataset
        One variable a metric, dims (chain, draw, row); coordinates ``level`` (``total`` or the factor), ``group``
        (empty for the total), ``period``, ``n`` (respondents) and ``n_eff`` (effective) on ``row``.
    """
    return reporting.estimands(posterior, data, metrics=metrics, satisfied_from=satisfied_from)


def forecast(
    posterior: xr.Dataset,
    data: SatisfactionData,
    *,
    target_period: str,
    metrics: Sequence[str],
    seed: int,
    satisfied_from: float | None = None,
) -> xr.Dataset:
    """Draws of the next period's estimands: the walk takes one more step, cells are drawn anew, the mix stays.

    Parameters
    ----------
    posterior : Dataset
        As `fit` gives it.
    data : SatisfactionData
        The data it was fitted to; the population of its last period with any is carried over.
    target_period : str
        Label of the period after the last one.
    metrics, satisfied_from
        As for `estimands`.
    seed : int
        Of the step and of the new cells.

    Returns
    -------
    Dataset
        As `estimands` gives, for ``target_period`` only; ``n`` and ``n_eff`` are 0.
    """
    return reporting.forecast(
        posterior, data, target_period=target_period, metrics=metrics, seed=seed, satisfied_from=satisfied_from
    )


def latent(posterior: xr.Dataset, data: SatisfactionData, *, period: str) -> xr.Dataset | None:
    """Draws of where groups stand on the latent scale and how wide their answers spread; None with equal scales.

    Averages of codes can be led astray by groups that use the scale in different ways: one that answers in extremes
    loses its highest answers at the end of the scale. The latent location is what they are before the codes cut them.

    Parameters
    ----------
    posterior : Dataset
        As `fit` gives it.
    data : SatisfactionData
        The data it was fitted to, with a `scale_by`.
    period : str
        The period spoken of.

    Returns
    -------
    Dataset
        ``latent_location`` (logits of the average spread, from the average answer) and ``latent_scale`` (times the
        average spread), dims (chain, draw, row); coordinates as of `estimands`, rows the groups of `scale_by`.
    """
    return reporting.latent(posterior, data, period=period)


def code_shares(posterior: xr.Dataset, data: SatisfactionData, *, draws: int, seed: int) -> np.ndarray:
    """Model shares of each code in each cell, shape (draws, M, K), for a random choice of draws."""
    cut, eta, log_scale = (
        posterior[name].to_numpy().reshape(posterior["cut"].shape[0] * posterior["cut"].shape[1], -1)
        for name in ("cut", "eta", "log_scale")
    )
    chosen = np.random.default_rng(seed).choice(len(cut), size=min(draws, len(cut)), replace=False)
    return reporting.shares(cut[chosen], eta[chosen], log_scale[chosen], data)


def prior_draws(data: SatisfactionData, *, draws: int, seed: int, priors: Priors | None = None) -> xr.Dataset:
    """Draw cuts and cells from the prior: what is held possible of these cells before any answer.

    Parameters
    ----------
    data : SatisfactionData
        Its cells and design; its counts are not looked at.
    draws, seed : int
        Number of worlds, and the seed of them.
    priors : Priors, optional
        By default ``Priors()``.

    Returns
    -------
    Dataset
        ``cut``, ``effect``, ``scale`` and ``eta`` as `fit` gives them, one chain.
    """
    priors = priors or Priors()
    random = np.random.default_rng(seed)
    scale = np.abs(random.standard_normal((draws, pymc_model.SCALES))) * _scale_prior(priors)
    below = np.cumsum(random.dirichlet(np.full(len(data.codes), priors.concentration), size=draws), axis=1)[:, :-1]
    below = below.clip(1e-12, 1 - 1e-12)
    effect = random.standard_normal((draws, len(data.scale_of))) * scale[:, data.scale_of]
    eta = effect @ data.design.T + random.standard_normal((draws, len(data.cells))) * scale[:, :1]
    cut = np.log(below) - np.log1p(-below)
    log_scale = random.standard_normal((draws, len(data.scale_groups) - 1)) @ _spread(data, priors).T
    drawn = {"cut": cut, "effect": effect, "scale": scale, "eta": eta, "log_scale": log_scale}
    return _dataset(data, {name: value[None] for name, value in drawn.items()} | {"location": np.zeros((1, draws))})


def simulate(
    cells: pd.DataFrame,
    *,
    codes: Sequence[float],
    factors: Sequence[str],
    periods: Sequence[str],
    seed: int,
    priors: Priors | None = None,
) -> tuple[pd.DataFrame, xr.Dataset]:
    """Draw a world from the prior: answers for respondents of given cells, and the truth they came from.

    Parameters
    ----------
    cells : DataFrame
        The factor columns, ``period`` and ``n`` (respondents, whole).
    codes, factors, periods
        As for `model_data`.
    seed : int
        Of everything drawn.
    priors : Priors, optional
        By default ``Priors()``. Scales of 0 make a world without that difference.

    Returns
    -------
    tuple
        `counts` for `model_data` (with ``population=cells.rename(columns={"n": "population"})`` the cells stand in the
        order of the truth), and the truth as a posterior of one chain and one draw.
    """
    priors = priors or Priors()
    keys = [*factors, "period"]
    blank = cells[keys].assign(code=float(codes[0]), n_raw=cells["n"], n=cells["n"].astype(float))
    data = model_data(blank, codes=codes, factors=factors, periods=periods)
    random = np.random.default_rng(seed)
    scale = np.abs(random.standard_normal(pymc_model.SCALES)) * _scale_prior(priors)
    below = np.cumsum(random.dirichlet(np.full(len(codes), priors.concentration)))[:-1].clip(1e-12, 1 - 1e-12)
    cut = np.log(below) - np.log1p(-below)
    effect = random.standard_normal(len(data.scale_of)) * scale[data.scale_of]
    eta = data.design @ effect + random.standard_normal(len(data.cells)) * scale[0]
    share = reporting.shares(cut[None], eta[None], np.zeros((1, 1)), data)[0]
    answers = random.multinomial(data.n_raw, share)
    counts = data.cells.loc[np.repeat(np.arange(len(eta)), len(codes))].reset_index(drop=True)
    counts = counts.assign(code=np.tile(np.array(codes, float), len(eta)), n_raw=answers.ravel())
    counts = counts[counts["n_raw"] > 0].assign(n=lambda table: table["n_raw"].astype(float)).reset_index(drop=True)
    draws = {
        "cut": cut,
        "effect": effect,
        "scale": scale,
        "eta": eta,
        "log_scale": np.zeros(1),
        "location": np.zeros(()),
    }
    return counts, _dataset(data, {name: value[None, None] for name, value in draws.items()})


def _arrays(data: SatisfactionData, priors: Priors) -> dict[str, np.ndarray]:
    return pymc_model.pack(
        counts=data.counts,
        design=data.design,
        scale_of=data.scale_of,
        scale_group=data.scale_group,
        spread=_spread(data, priors),
        scale_prior=_scale_prior(priors),
        concentration=priors.concentration,
    )


def _scale_prior(priors: Priors) -> np.ndarray:
    """Half-normal sds of all scales, in the order of `pymc_model.SCALES`."""
    factors = [priors.factor_scale] * pymc_model.MAX_FACTORS
    return np.array([priors.cell_scale, *factors, priors.pair_scale, priors.heard_scale, priors.walk_scale])


def _spread(data: SatisfactionData, priors: Priors) -> np.ndarray:
    """Contrasts of the scale groups' log-scales times their prior sd, shape (G, G - 1)."""
    return priors.log_scale * contrasts.zero_sum_basis(len(data.scale_groups))


def _subset(data: SatisfactionData, kept: np.ndarray) -> SatisfactionData:
    """The same data with some of the cells only."""
    return replace(
        data,
        cells=data.cells[kept].reset_index(drop=True),
        counts=data.counts[kept],
        n_raw=data.n_raw[kept],
        population=data.population[kept],
        design=data.design[kept],
        scale_group=data.scale_group[kept],
    )


def _nested(
    data: SatisfactionData, arrays: dict[str, np.ndarray], *, draws: int, chains: int, seed: int
) -> tuple[dict[str, np.ndarray], float, float]:
    """Nested draws as named logits (chain, draw, ..), k-hat and effective share; more proposals where few count."""
    kept = max(LEAST, KEPT // len(data.cells))
    each = min(draws, -(-kept // chains))
    used = pymc_model.scales_used(data.scale_of)
    scale_of = np.searchsorted(used, data.scale_of)
    for more in (1, 4):
        found = sampler.draw(arrays, used=used, scale_of=scale_of, wanted=each * chains, seed=seed, more=more)
        share = found.ess / (each * chains)
        if found.khat < KHAT and share > ENOUGH:
            break
    location = found.eta @ arrays["cell_share"]
    drawn = {
        "cut": found.cut - location[:, None],
        "effect": found.effect,
        "scale": _all_scales(found.scale, data=data, arrays=arrays, seed=seed),
        "eta": found.eta - location[:, None].astype(np.float32),
        "log_scale": found.log_scale,
        "location": location,
    }
    shaped = {name: v.reshape(each, chains, *v.shape[1:]).swapaxes(0, 1) for name, v in drawn.items()}
    return shaped, found.khat, share


def _whole(data: SatisfactionData, heard: SatisfactionData, drawn: dict[str, np.ndarray], *, seed: int) -> xr.Dataset:
    """Add the cells that nobody answered, drawn from the model given all else, and name the dims."""
    silent = np.flatnonzero(data.counts.sum(axis=1) <= 0)
    if len(silent):
        eta = np.empty((*drawn["location"].shape, len(data.cells)), drawn["eta"].dtype)
        eta[..., data.counts.sum(axis=1) > 0] = drawn["eta"]
        own = np.random.default_rng([seed, 2]).standard_normal((*drawn["location"].shape, len(silent)))
        main = drawn["effect"] @ data.design[silent].T
        eta[..., silent] = main + own * drawn["scale"][..., :1] - drawn["location"][..., None]
        drawn = drawn | {"eta": eta}
    return _dataset(data, drawn)


def _all_scales(drawn: np.ndarray, *, data: SatisfactionData, arrays: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Put the scales that no effect has beside those drawn: they are what they were before the data."""
    random = np.random.default_rng([seed, 1])
    scale = np.abs(random.standard_normal((*drawn.shape[:-1], pymc_model.SCALES))) * arrays["scale_prior"]
    scale[..., pymc_model.scales_used(data.scale_of)] = drawn
    return scale


def _dataset(data: SatisfactionData, drawn: dict[str, np.ndarray]) -> xr.Dataset:
    """Name the dims of (chain, draw, ...) arrays; scales without an effect are left out."""
    import xarray as xr

    used = pymc_model.scales_used(np.append(data.scale_of, pymc_model.WALK))
    dims = {"cut": "boundary", "effect": "contrast", "scale": "factor", "eta": "cell", "log_scale": "scale_group"}
    found = {name: (("chain", "draw", dim), drawn[name]) for name, dim in dims.items()}
    found["scale"] = (("chain", "draw", "factor"), drawn["scale"][..., used])
    return xr.Dataset(found | {"location": (("chain", "draw"), drawn["location"])}, coords=_coords(data, used))


def _coords(data: SatisfactionData, scales: np.ndarray) -> dict[str, list[str]]:
    """Labels of all dims; of ``factor`` the scales at these positions."""
    names = ["cell", *data.factors, *[""] * (pymc_model.MAX_FACTORS - len(data.factors)), "pairs", "heard", "period"]
    return {
        "boundary": [f"{low:g}|{high:g}" for low, high in pairwise(data.codes)],
        "contrast": [f"{names[s]}[{i}]" for i, s in enumerate(data.scale_of)],
        "factor": [names[s] for s in scales],
        "cell": [" | ".join(row) for row in data.cells.itertuples(index=False)],
        "scale_group": list(data.scale_groups),
    }
