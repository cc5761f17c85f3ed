r"""How satisfied are they, where, and did it change: a hierarchical cumulative logit on exact cell counts.

A cell is an observed combination of the factors' groups (segments, touchpoint, channel) and a period. The model sees
respondents only through the counts of each code in each cell, so a million answers cost what a thousand do, and the
posterior is the one of the respondents taken row by row.

The generative story, for an answer y with codes 1..K from cell c::

    P(y <= k | c) = logistic((cut_k - eta_c) / exp(log_scale_g(c)))                      k = 1..K-1
    eta_c         = sum_f effect_f[group of c] + sum_fg pair_fg[groups of c] + heard x_c + walk[period of c]
                    + newest [c is of the newest period] + cell_c
    effect_f      ~ normal(0, scale_f), summing to zero over the groups of factor f
    pair_fg       ~ normal(0, scale_pairs), summing to zero over the groups of f and of g, one scale for all pairs
    heard         ~ normal(0, scale_heard), x_c: log of the answers of c to those its share of the people would give
    walk          = cumulative sum of steps ~ normal(0, scale_period), centred over the periods
    newest        ~ normal(0, scale_newest): the newest period may break with those before, so that it does not lag
    cell_c        ~ normal(0, scale_cell)
    log_scale     = zero-sum over the groups g of one factor (`scale_by`), or 0 where all use the scale alike
    (P(y = k | eta = 0))_k ~ Dirichlet(weight * shape), which fixes the law of the cuts

The `shape` is that of answers to other items on the same scale, the `weight` half an answer: a prior that says "as many
answers of each code" counts as one more answer for each code there is, eleven of them on a scale of eleven, and moves
40 answers with a net promoter score of 40 to 22. Codes that have less than one answer in all stand in one *block* with
a neighbour; the block has a cut and its codes a fixed share of it, the same in all cells::

    (share of code k of its block)_k ~ Dirichlet(weight * shape_k + answers of k)

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet on the code shares of a cell with eta = 0 |
| share of the block | ``split`` | code | share | Dirichlet |
| effect, pair, heard, steps, newest | ``effect`` | contrast | logit | normal(0, scale) |
| scale_f, scale_pairs, scale_heard, scale_period, .. | ``scale`` | factor | logit | half-normal, see `Priors` |
| eta_c | ``eta`` | cell | logit | from the rows above |
| log_scale_g | ``log_scale`` | scale group | log | zero-sum contrasts ~ normal(0, log_scale); one group: 0 |

Assumptions: answers in a cell are exchangeable and independent given eta; a shift of eta moves all codes in proportion
(proportional odds); an effect of a group is the same in every period but for the cell effect; periods are equally far
apart; the newest one may stand anywhere. What it cannot say: why groups differ (they are associations); whether those
who did not answer are like those who did; without `scale_by`, whether two groups use the scale differently. A period
without answers is bridged by the walk and not reported.

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

from cxlab.inference import contrasts, nuts
from cxlab.satisfaction import sampler
from cxlab.satisfaction.data import CELL, HEARD, NEWEST, PAIRS, WALK, SatisfactionData, model_data

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

Method = Literal["auto", "nested", "nuts"]
KHAT: Final = 0.7  # above it importance weights are not to be trusted
LEAST_SHARE: Final = 0.2  # effective draws for each draw below which NUTS is the better way
ENOUGH: Final = 0.7  # effective draws for each draw from which on no more are proposed
KEPT: Final = 400_000  # cells x draws of a fit: independent draws say more than those of a chain
LEAST: Final = 1500  # draws of a fit, whatever its size


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale (1 logit: odds times 2.7)."""

    weight: float = 0.5  # of the shape that answers are expected to have, in answers
    factor_scale: float = 0.5  # half-normal sd of the differences between the groups of a factor, logits
    pair_scale: float = 0.3  # half-normal sd of what two factors do together beyond the sum of both, logits
    heard_scale: float = 0.3  # half-normal sd of the effect of one sd of being heard more than one's share, logits
    walk_scale: float = 0.25  # half-normal sd of the step from one period to the next, logits
    newest_scale: float = 1.0  # half-normal sd of what the newest period does beyond such a step, logits
    cell_scale: float = 0.2  # half-normal sd of what a cell has beyond its main effects, logits
    log_scale: float = 0.5  # normal sd of contrasts between groups' log-scales, log; at 0.5 twice as wide is common

    def scale_sd(self, data: SatisfactionData) -> np.ndarray:
        """Return the half-normal sds of the data's scales, shape (S,)."""
        own = {CELL: self.cell_scale, PAIRS: self.pair_scale, HEARD: self.heard_scale, WALK: self.walk_scale}
        own[NEWEST] = self.newest_scale
        return np.array([own.get(name, self.factor_scale) for name in data.scales])

    def spread(self, data: SatisfactionData) -> np.ndarray:
        """Return contrasts of the scale groups' log-scales times their prior sd, shape (G, G - 1)."""
        return self.log_scale * contrasts.zero_sum_basis(len(data.scale_groups))


def build_model(data: SatisfactionData, priors: Priors | None = None) -> pm.Model:
    """Build the PyMC model of cells that have answers: what is sampled, to be read, edited and given to `fit`.

    Parameters
    ----------
    data : SatisfactionData
        From `model_data`.
    priors : Priors, optional
        Scales of the priors.
    """
    import pymc as pm
    import pytensor.tensor as pt

    cells = _cells(_answered(data), priors or Priors())
    coords = {
        "factor": data.scales,
        "contrast": range(len(cells.scale_of)),
        "cell": range(len(cells.counts)),
        "block": range(cells.counts.shape[1]),
        "scale_group": data.scale_groups,
        "spread_contrast": range(cells.spread.shape[1]),
    }
    with pm.Model(coords=coords) as model:
        scale = pm.HalfNormal("scale", cells.scale_sd, dims="factor")
        effect = pm.Normal("effect", 0, scale[cells.scale_of], dims="contrast")
        own = pm.Normal("own", 0, 1, dims="cell")
        eta = pm.Deterministic("eta", cells.design @ effect + scale[0] * own, dims="cell")
        spread = pm.Normal("spread", 0, 1, dims="spread_contrast")
        log_scale = pm.Deterministic("log_scale", cells.spread @ spread, dims="scale_group")
        share = pm.Dirichlet("share", cells.shape, dims="block")
        below = pt.cumsum(share)[:-1]
        cut = pm.Deterministic("cut", pt.log(below) - pt.log1p(-below))
        p = pm.math.sigmoid((cut[None, :] - eta[:, None]) * pt.exp(-cells.member @ log_scale)[:, None])
        ends = pt.zeros((len(cells.counts), 1))
        codes = pt.diff(pt.concatenate([ends, p, ends + 1.0], axis=1), axis=1)
        pm.Potential("answers", pt.sum(cells.counts * pt.log(codes)))
    return model


def fit(
    data: SatisfactionData,
    *,
    priors: Priors | None = None,
    draws: int = 1000,
    tune: int = 800,
    chains: int = 4,
    seed: int = 1,
    method: Method = "auto",
    model: pm.Model | None = None,
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
        Non-negative.
    method : str
        ``nested`` (`cxlab.satisfaction.sampler`), ``nuts`` (the PyMC model, compiled), or ``auto``: nested, and NUTS
        where the weights of nested draws cannot be trusted.
    model : pm.Model, optional
        An edited `build_model`: NUTS draws from it.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``cut`` (chain, draw, boundary), ``effect`` (.., contrast), ``scale`` (.., factor), ``eta``
        (.., cell), ``log_scale`` (.., scale_group), all in logits, and ``split`` (.., code), the share that a code has
        of its block; ``sample_stats``. Attribute ``method`` says which one it was; of nested draws ``khat``, ``ess``.
    """
    import xarray as xr

    priors = priors or Priors()
    heard = _answered(data)
    if method != "nuts" and model is None:
        raw, khat, share = _nested(_cells(heard, priors), draws=draws, chains=chains, seed=seed)
        if (khat < KHAT and share > LEAST_SHARE) or method == "nested":
            size = raw["eta"].shape[:2]
            stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(size, bool))})
            posterior = _dataset(data, _whole(data, raw, priors, seed=seed))
            tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
            tree.attrs.update(method="nested", khat=khat, ess=min(share, 1.0) * size[0] * size[1], seed=seed)
            return tree
    sampled = nuts.sample(model or build_model(data, priors), draws=draws, tune=tune, chains=chains, seed=seed)
    names = ("cut", "effect", "scale", "eta", "log_scale")
    raw = {name: sampled["posterior"][name].to_numpy() for name in names}
    posterior = _dataset(data, _whole(data, raw, priors, seed=seed))
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sampled["sample_stats"].dataset})
    tree.attrs.update(sampled.attrs, method="nuts")
    return tree


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
        As `fit` gives it, one chain, each code a block of its own.
    """
    priors = priors or Priors()
    return _prior(data, priors, priors.weight * data.shape, draws=draws, random=np.random.default_rng(seed))


def simulate(
    cells: pd.DataFrame,
    *,
    codes: Sequence[float],
    factors: Sequence[str],
    periods: Sequence[str],
    seed: int,
    priors: Priors | None = None,
    shares: np.ndarray | None = None,
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
    shares : array, shape (K,), optional
        Shares of the codes where eta is 0; by default any are as likely as any others.

    Returns
    -------
    tuple
        `counts` for `model_data` (with ``population=cells.rename(columns={"n": "population"})`` the cells stand in the
        order of the truth), and the truth as a posterior of one chain and one draw.
    """
    blank = cells.assign(code=float(codes[0]), n_raw=cells["n"], n=cells["n"].astype(float))
    data = replace(model_data(blank, codes=codes, factors=factors, periods=periods), scale_by="")
    random = np.random.default_rng(seed)
    shape = np.ones(len(codes)) if shares is None else 1e9 * np.asarray(shares, float)
    truth = _prior(data, priors or Priors(), shape, draws=1, random=random)
    answers = random.multinomial(data.n_raw, code_shares(truth, data)[0])
    counts = data.cells.loc[np.repeat(np.arange(len(data.cells)), len(codes))].reset_index(drop=True)
    counts = counts.assign(code=np.tile(np.array(codes, float), len(data.cells)), n_raw=answers.ravel())
    counts = counts[counts["n_raw"] > 0].assign(n=lambda table: table["n_raw"].astype(float)).reset_index(drop=True)
    return counts, truth


def code_shares(
    posterior: xr.Dataset, data: SatisfactionData, *, draws: int = 0, seed: int = 0, cells: np.ndarray | None = None
) -> np.ndarray:
    """Return the model's shares of each code in each cell, shape (draws, M, K).

    Parameters
    ----------
    posterior : Dataset
        As `fit` gives it.
    data : SatisfactionData
    draws, seed : int
        Number of draws chosen at random; 0 takes all.
    cells : array of bool, shape (M,), optional
        The cells wanted.
    """
    flat = posterior["cut"].shape[0] * posterior["cut"].shape[1]
    chosen = np.arange(flat)
    if draws:
        chosen = np.random.default_rng(seed).choice(flat, size=min(draws, flat), replace=False)
    cut, eta, log_scale, split = (
        posterior[name].to_numpy().reshape(flat, -1)[chosen] for name in ("cut", "eta", "log_scale", "split")
    )
    group = data.scale_group
    if cells is not None:
        eta, group = eta[:, cells], group[cells]
    narrow = np.exp(-log_scale)[:, group]
    p = [below(cut[:, j, None], eta, narrow) for j in range(cut.shape[1])]
    ends = np.zeros_like(eta)
    share = np.diff(np.stack([ends, *p, ends + 1], axis=-1), axis=-1).clip(0.0)
    share = share[..., posterior["block"].to_numpy()] * split[:, None]
    return np.asarray(share / share.sum(axis=-1, keepdims=True))


def below(cut: np.ndarray, eta: np.ndarray, narrow: np.ndarray | float) -> np.ndarray:
    """Return the probability of an answer below the cut, shape (draws, cells)."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((eta - cut) * narrow, -500.0, 500.0))))


def _cells(data: SatisfactionData, priors: Priors) -> sampler.Cells:
    """What the sampler sees: blocks of codes instead of codes."""
    into = np.eye(int(data.block.max()) + 1)[data.block]
    return sampler.Cells(
        counts=data.counts @ into,
        design=data.design,
        scale_of=data.scale_of,
        scale_sd=priors.scale_sd(data),
        shape=priors.weight * data.shape @ into,
        member=np.eye(len(data.scale_groups))[data.scale_group],
        spread=priors.spread(data),
    )


def _answered(data: SatisfactionData) -> SatisfactionData:
    """The same data with the cells only that have answers."""
    kept = data.counts.sum(axis=1) > 0
    return replace(
        data,
        cells=data.cells[kept].reset_index(drop=True),
        place={name: at[kept] for name, at in data.place.items()},
        counts=data.counts[kept],
        n_raw=data.n_raw[kept],
        population=data.population[kept],
        design=data.design[kept],
    )


def _nested(cells: sampler.Cells, *, draws: int, chains: int, seed: int) -> tuple[dict[str, np.ndarray], float, float]:
    """Nested draws (chain, draw, ..), k-hat and effective share; more proposals where few count."""
    kept = max(LEAST, KEPT // len(cells.counts))
    each = min(draws, -(-kept // chains))
    for more in (1, 4):
        drawn = sampler.draw(cells, wanted=each * chains, seed=seed, more=more)
        share = drawn.ess / (each * chains)
        if drawn.khat < KHAT and share > ENOUGH:
            break
    names = ("cut", "effect", "scale", "eta", "log_scale")
    raw = {name: getattr(drawn, name) for name in names}
    shaped = {name: v.reshape(each, chains, *v.shape[1:]).swapaxes(0, 1) for name, v in raw.items()}
    return shaped, drawn.khat, share


def _whole(data: SatisfactionData, raw: dict[str, np.ndarray], priors: Priors, *, seed: int) -> dict[str, np.ndarray]:
    """Add the cells that nobody answered, given all else, and each code's share of its block."""
    random = np.random.default_rng([seed, 2])
    answered = data.counts.sum(axis=1) > 0
    if not answered.all():
        size, silent = raw["eta"].shape[:2], ~answered
        eta = np.empty((*size, len(answered)), raw["eta"].dtype)
        own = random.standard_normal((*size, int(silent.sum()))) * raw["scale"][..., :1]
        eta[..., answered], eta[..., silent] = raw["eta"], raw["effect"] @ data.design[silent].T + own
        raw = raw | {"eta": eta}
    gamma = random.standard_gamma(
        priors.weight * data.shape + data.counts.sum(axis=0), (*raw["eta"].shape[:2], len(data.codes))
    )
    of_block = gamma @ np.equal.outer(data.block, data.block)
    return raw | {"split": np.divide(gamma, of_block, out=np.ones_like(gamma), where=of_block > 0)}


def _prior(
    data: SatisfactionData, priors: Priors, shape: np.ndarray, *, draws: int, random: np.random.Generator
) -> xr.Dataset:
    """Draws of everything from the prior, with Dirichlet weights `shape` of the codes; each code is its own block."""
    scale = np.abs(random.standard_normal((draws, len(data.scales)))) * priors.scale_sd(data)
    under = np.cumsum(random.dirichlet(shape, size=draws), axis=1)[:, :-1].clip(1e-12, 1 - 1e-12)
    effect = random.standard_normal((draws, len(data.scale_of))) * scale[:, data.scale_of]
    eta = effect @ data.design.T + random.standard_normal((draws, len(data.cells))) * scale[:, :1]
    log_scale = random.standard_normal((draws, len(data.scale_groups) - 1)) @ priors.spread(data).T
    drawn = {"cut": np.log(under) - np.log1p(-under), "effect": effect, "scale": scale, "eta": eta}
    drawn |= {"log_scale": log_scale, "split": np.ones((draws, len(data.codes)))}
    alone = replace(data, block=np.arange(len(data.codes)))
    return _dataset(alone, {name: value[None] for name, value in drawn.items()})


def _dataset(data: SatisfactionData, drawn: dict[str, np.ndarray]) -> xr.Dataset:
    """Name the dims of (chain, draw, ...) arrays."""
    import xarray as xr

    dims = {"cut": "boundary", "effect": "contrast", "scale": "factor", "eta": "cell", "log_scale": "scale_group"}
    dims["split"] = "code"
    last = [code for code, (own, after) in zip(data.codes, pairwise(data.block), strict=False) if own != after]
    return xr.Dataset(
        {name: (("chain", "draw", dim), drawn[name]) for name, dim in dims.items()},
        coords={
            "boundary": [f"{code:g}|" for code in last],
            "contrast": [f"{data.scales[s]}[{i}]" for i, s in enumerate(data.scale_of)],
            "factor": list(data.scales),
            "cell": [" | ".join(row) for row in data.cells.itertuples(index=False)],
            "scale_group": list(data.scale_groups),
            "code": list(data.codes),
            "block": ("code", data.block),
        },
    )
