r"""Why are they satisfied: a regularised, monotone regression of an outcome on correlated ordinal ratings.

The generative story, for respondent i with states x_ia (a code 1..K_a, or not used) of attributes a::

    P(y_i <= k) = logistic(cut_k - eta_i)                        ordinal and binary outcomes, k = 1..K-1
    y_i         ~ normal(location + eta_i, sigma)                continuous ones (standardised)
    eta_i       = sum_a f_a(x_ia) + mean_g + sum_a rise_ga score(x_ia)            g: the group of i, where asked for
    f_a(code k) = s direction_a strength_a (sum of steps_a below k - users' average)
    f_a(unused) = s unused_scale unused_a
    strength_a^2 / 2 ~ gamma(split, 1),   unused_a ~ normal(0, 1)
    steps_a     ~ Dirichlet(step, ..) over the K_a - 1 steps     (linear: all alike; free: normal(0, 1 / (K_a - 1)))
    R2          ~ beta(r2_a, r2_b),   s such that var(eta) / (var(eta) + noise_var) = R2
    (P(y = k | eta = 0, in sds of the latent outcome))_k ~ Dirichlet(concentration, ..)

which is the R2D2 prior with its Dirichlet split taken over strengths, but with R2 that of the correlated attributes as
they are: with twelve ratings that agree, a prior on each would say that nearly all is explained.

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| f_a | ``level_effect`` | attribute, level (0 = not used) | logit; the outcome's unit if continuous | rows above |
| cut_k | ``cut`` | boundary | logit | Dirichlet on the shares of codes |
| R2 | ``r2`` | - | share of the latent variance | beta |
| rise_ga | ``group_rise`` | group, attribute | logit from worst to best code | normal, half-normal sd |
| mean_g | ``group_mean`` | group | logit | normal, half-normal sd |
| noise | ``noise_var`` | - | pi^2/3, or sigma^2 | - |

Blanks are averaged over: the likelihood of a respondent is the mean over completed rows drawn from a Gaussian copula
of the ratings (`cxlab.drivers.imputation`), which assumes that a blank depends on other answers only (missing at
random). *Not used* is a state with its own effect: no rating is ever made up for it. A common factor of the ratings
(halo) can be a term of its own. `direction_a` is 1 unless straight lines say the opposite beyond doubt.

Assumptions: respondents are independent given their ratings; effects add up on the latent scale; a better code never
makes things worse (monotone). What it cannot say: that a rating causes the outcome; how ratings would move together if
one were improved; anything of those who did not answer.

References
----------
Zhang, Naughton, Bondell and Reich (2022), The R2-D2 prior, doi:10.1080/01621459.2020.1825449.
Buerkner and Charpentier (2020), Modelling monotonic effects of ordinal predictors, doi:10.1111/bmsp.12195.
McKelvey and Zavoina (1975), A statistical model for ordinal dependent variables, doi:10.1080/0022250X.1975.9989847.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cxlab.drivers import imputation, model_comparison, prediction, pymc_model, summary
from cxlab.drivers import sampler as posterior
from cxlab.drivers import simulate as worlds
from cxlab.drivers.data import BLANK, DriverData, Kind, checked
from cxlab.drivers.design import completed, design, directed, halo_scale
from cxlab.drivers.imputation import Copula
from cxlab.drivers.monotonic import Shape

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr

    from cxlab.drivers.monotonic import Shape

MODEL: Final = "drivers"
COMPARED_ROWS: Final = 4000  # respondents on whom shapes are compared ..
COMPARED_TIMES: Final = 8  # .. with so many imputations of their blanks
Monotone = Literal["auto", "yes", "linear", "free"]
SHAPES: Final[dict[str, Shape]] = {"yes": "monotone", "linear": "linear", "free": "free"}


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    r2_a: float = 0.5  # beta weight of R2 near 0; share of the latent variance, no unit
    r2_b: float = 1.0  # beta weight of R2 near 1; no unit
    split: float = 0.5  # gamma weight of each squared strength; 0.5 = half-normal strengths, smaller = fewer drivers
    step: float = 1.0  # Dirichlet weight of each step of a curve, in answers; 1 = any rising curve alike
    unused_scale: float = 0.5  # sd of the effect of not having used, in rises of a middling attribute
    concentration: float = 1.0  # Dirichlet weight of each code of the outcome, in answers
    group_mean_scale: float = 0.5  # half-normal sd of the groups' averages, logits
    group_slope_scale: float = 0.25  # half-normal sd of the groups' own rises, logits from middle to best code


def model_data(
    codes: np.ndarray,
    outcome: np.ndarray,
    *,
    attributes: Sequence[str],
    levels: Sequence[Sequence[float]],
    kind: Kind,
    outcome_levels: Sequence[float] = (),
    weights: np.ndarray | None = None,
    group: np.ndarray | None = None,
    groups: Sequence[str] = (),
    name: str = "outcome",
    customers: np.ndarray | None = None,
) -> DriverData:
    """Check respondents and turn them into the model's data.

    Parameters
    ----------
    codes : array of int, shape (N, A)
        Place of each attribute's code among its `levels`, from 0; -1 a blank, -2 not used.
    outcome : array, shape (N,)
        Ordinal, binary: place of the code among `outcome_levels`, -1 if missing. Continuous: the value, NaN if missing.
    attributes : sequence of str, length A
        3 to 40 of them.
    levels : sequence of A sequences
        The legal codes of each attribute, worst to best; 2 to 11.
    kind : str
        ``ordinal``, ``binary`` or ``continuous``.
    outcome_levels : sequence of float
        The outcome's legal codes, worst to best; not for continuous outcomes.
    weights : array, shape (N,), optional
        Survey weights; scaled to the effective number of respondents.
    group, groups : optional
        Place of each respondent's group among `groups`, whose effects may differ.
    name : str
        What the outcome is called.
    customers : array, shape (N,), optional
        Customer ids.

    Raises
    ------
    ModelError
        With every problem found.
    """
    return checked(
        codes, outcome, attributes=attributes, levels=levels, kind=kind, outcome_levels=outcome_levels,
        weights=weights, group=group, groups=groups, name=name, customers=customers,
    )  # fmt: skip


def fit(
    data: DriverData,
    *,
    priors: Priors | None = None,
    seed: int = 1,
    draws: int = 1000,
    chains: int = 4,
    monotone: Monotone = "auto",
    halo: bool = False,
    accept: float = posterior.ACCEPT,
    tune: int = posterior.TUNE,
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : DriverData
        From `model_data`.
    priors : Priors, optional
        By default ``Priors()``.
    seed, draws, chains : int
        Of the draws kept.
    monotone : str
        ``yes`` rising curves, ``linear`` straight lines, ``free`` any curves, ``auto`` rising ones unless straight
        lines predict clearly better.
    halo : bool
        Whether a common factor of the ratings is a term of its own.
    accept, tune : float, int
        Share of the trajectories to be taken, and steps thrown away while adapting to it.

    Returns
    -------
    xr.DataTree
        ``posterior``: ``level_effect``, ``level_share`` (chain, draw, attribute, level; level 0 = not used, NaN beyond
        an attribute's codes; the weighted average effect over users is 0), ``contribution_cov``, ``net_cov`` (..,
        attribute, attribute_; the second one with the common factor of the ratings taken out), ``noise_var``, ``r2``,
        ``cut`` (.., boundary) or ``location``; with groups ``group_rise``, ``group_mean``; with halo ``halo_effect``.
        ``sample_stats``: ``diverging``. ``copula`` where there are blanks. ``choice``: scores of the shapes compared.
        Attributes: ``method``, ``khat``, ``ess_share``, ``shape``, ``halo``, ``seed``.
    """
    import xarray as xr

    priors = priors or Priors()
    random = np.random.default_rng(seed)
    copula = imputation.fit(data, seed=_seed(random)) if (data.codes == BLANK).any() else None
    table, shape = None, SHAPES.get(monotone)
    if shape is None:
        table = compare(data, priors=priors, seed=_seed(random), copula=copula, shapes=model_comparison.AUTOMATIC)
        shape = model_comparison.chosen(table)
    done = completed(data, copula, seed=_seed(random))
    layout, rows = design(data, done, shape=shape, with_halo=halo)
    layout = directed(layout, rows)
    mode = posterior.climb(layout, rows, priors)
    drawn = posterior.draw(layout, rows, priors, mode, draws=draws, chains=chains, seed=_seed(random),
                           accept=accept, tune=tune)  # fmt: skip
    found = summary.dataset(data, done, layout, rows, priors, drawn.theta, seed=_seed(random))
    parts = {
        "posterior": found,
        "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), drawn.diverging)}),
    }
    if halo:
        scale = halo_scale(done, data.weights[done.who])
        parts["halo"] = xr.Dataset(
            {
                "mean": ("attribute", scale.mean),
                "sd": ("attribute", scale.sd),
                "centre": scale.centre,
                "width": scale.width,
            }
        )
    if copula is not None:
        parts["copula"] = imputation.as_dataset(copula)
    if table is not None:
        parts["choice"] = xr.Dataset.from_dataframe(table)
    tree = xr.DataTree.from_dict(parts)
    tree.attrs.update(
        method=drawn.method, khat=drawn.khat, ess_share=drawn.share, shape=shape, halo=int(halo), seed=seed
    )
    return tree


def compare(
    data: DriverData,
    *,
    priors: Priors | None = None,
    seed: int = 1,
    copula: Copula | None = None,
    with_halo: bool = False,
    shapes: tuple[Shape, ...] = model_comparison.CANDIDATES,
) -> pd.DataFrame:
    """Score the shapes of curves by leave-one-out.

    Parameters
    ----------
    data : DriverData
        Of more than `COMPARED_ROWS` respondents a random choice is looked at.
    priors, seed
        As for `fit`.
    copula : Copula, optional
        Fitted anew by default, if there are blanks.
    with_halo : bool
        Whether candidates with the common factor as a term are scored too.
    shapes : tuple of str
        Which shapes are scored, ``monotone`` among them.

    Returns
    -------
    DataFrame
        ``shape``, ``halo``, ``score`` (sum of log probabilities of the left-out answers), ``difference`` from monotone
        curves without halo, and its standard error ``se``.
    """
    priors = priors or Priors()
    random = np.random.default_rng(seed)
    if copula is None and (data.codes == BLANK).any():
        copula = imputation.fit(data, seed=_seed(random))
    few = data
    if data.n > COMPARED_ROWS:
        few = data.take(np.sort(random.choice(np.flatnonzero(data.answered), COMPARED_ROWS, replace=False)))
    done = completed(few, copula, seed=_seed(random), times=COMPARED_TIMES)
    return model_comparison.compare(few, done, priors, with_halo=with_halo, shapes=shapes)


def predict(
    tree: xr.DataTree | xr.Dataset,
    codes: np.ndarray,
    *,
    group: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 1,
) -> np.ndarray:
    """Predict the outcome of respondents, draw by draw.

    Parameters
    ----------
    tree : DataTree or Dataset
        From `fit`; the posterior alone will do where there are neither blanks nor halo.
    codes : array of int, shape (N, A)
        As for `model_data`; blanks are averaged over.
    group : array of int, shape (N,), optional
        Place of each respondent's group, if the fit has groups; without it the average of all groups.
    draws : int
        Draws used, at most.
    seed : int
        Of the imputations.

    Returns
    -------
    array
        Probabilities of the outcome's codes, shape (draw, N, K); of a continuous outcome its expected value, shape
        (draw, N).
    """
    return prediction.predict(tree, codes, group=group, draws=draws, seed=seed)


def log_score(tree: xr.DataTree, data: DriverData, *, draws: int = 500, seed: int = 1) -> np.ndarray:
    """Log of the predictive probability (density, if continuous) of each respondent's outcome.

    Parameters
    ----------
    tree : DataTree
        From `fit`, of other respondents.
    data : DriverData
        With the same attributes, levels and kind.
    draws, seed : int
        As for `predict`.

    Returns
    -------
    array, shape (N,)
        NaN without an outcome.
    """
    return prediction.log_score(tree, data, draws=draws, seed=seed)


def estimands(posterior: xr.Dataset, data: DriverData) -> xr.Dataset:
    """Return draws on the reporting scale.

    Parameters
    ----------
    posterior : Dataset
        From `fit`.
    data : DriverData
        The data it was fitted to.

    Returns
    -------
    Dataset
        ``expected`` (chain, draw, attribute, level): the mean answer (points of the outcome; a share if binary) of
        somebody average in all else who gives this code or did not use it; ``rise`` (.., attribute): best minus worst
        code of it; ``r2``: share of the latent variance that goes with the attributes (McKelvey and Zavoina).
    """
    return prediction.estimands(posterior, data)


def simulate(
    codes: np.ndarray,
    *,
    levels: Sequence[Sequence[float]],
    kind: Kind = "ordinal",
    outcome_levels: Sequence[float] = (1, 2, 3, 4, 5),
    seed: int,
    priors: Priors | None = None,
    strength: np.ndarray | None = None,
) -> tuple[DriverData, xr.Dataset]:
    """Draw a world from the prior: outcomes of respondents whose ratings are given, and the truth they came from.

    Parameters
    ----------
    codes : array of int, shape (N, A)
        Without blanks (put them in afterwards); -2 not used.
    levels, kind, outcome_levels
        As for `model_data`.
    seed : int
        Of everything drawn.
    priors : Priors, optional
        By default ``Priors()``; curves are monotone.
    strength : array, shape (A,), optional
        Relative strengths of the attributes, in place of drawn ones.

    Returns
    -------
    DriverData
        With attributes a0, a1, ...
    Dataset
        The truth, as `fit` gives draws (one chain, one draw).
    """
    return worlds.simulate(
        codes, levels=levels, kind=kind, outcome_levels=outcome_levels, seed=seed, priors=priors or Priors(),
        strength=strength,
    )  # fmt: skip


def build_model(data: DriverData, priors: Priors) -> pm.Model:
    """Build the PyMC model: the readable statement of the posterior that `fit` draws from (monotone curves).

    Parameters
    ----------
    data : DriverData
        Blanks are filled as `fit` fills them.
    priors : Priors

    Returns
    -------
    pm.Model
    """
    return pymc_model.build(data, priors)


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))
