r"""Do we meet what customers expect: expectation and experience as one pair of latent opinions, at one touchpoint.

A respondent may have said what they expected, what they experienced, or both, on scales of 2 to 11 codes. The model
sees counts only: of pairs, and of those who answered one of the two, who are not dropped.

The generative story, for a respondent of cell c (period, segments, events that reached them)::

    (E, X) ~ bivariate normal, means (mu_E[c], gap + mu_X[c]), sds (1, sigma), correlation rho
    said to expect     a   where   cut_E[a-1] < E <= cut_E[a]
    said to experience b   where   cut_X[b-1] < X <= cut_X[b]
    managers           m   where   cut_M[m-1] < gap + delta + walk + sigma_M * normal(0, 1) <= cut_M[m]
    mu_E, mu_X = walk[period] + group effects + baseline of those an event reached + effect of the event
    effects of a block ~ normal(0, s),  s^2 ~ scaled inverse chi-square(6, scale^2), integrated out: a multivariate t
    (P(cut[k-1] < Z <= cut[k]))_k ~ Dirichlet(concentration, ..), Z standard normal: the law of the cuts

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut | ``cut`` | boundary of the finest scale | sd of expectations | Dirichlet on the shares of the average cell |
| gap | ``experience`` | - | sd of expectations | normal(0, 1) |
| log sigma, log sigma_M | ``spread``, ``manager_spread`` | - | log | normal(0, .3) |
| atanh rho | ``fisher`` | - | - | normal(0, .5) |
| mu_E, mu_X | ``by_expectation``, ``by_experience`` | column | sd of expectations | multivariate t by block |
| delta, walk | ``manager``, ``manager_walk`` | -, period | sd of expectations | normal(0, .7), normal(0, .15) |

**Scales.** The same latent point is taken to lie behind the same answer, whether a customer speaks of what they
expected or of what they experienced, and whether a customer or a manager speaks. Scales of different length are
linked by one more assumption: a boundary a given part of the way up the scale means the same on both.

**Below, met, exceeded.** Nobody experiences exactly what they expected, so *met* is a band: |X - E| at most half the
width of an inner category of the experience scale. This is what "the same answer" means freed of the luck of
rounding: two opinions with a distance d fall into one category of width w with chance max(0, 1 - |d|/w), which has
the integral of a band of half-width w/2. With two codes there is no inner category; the band is then half an sd of
expectations.

Assumptions: given the cell, who answered which question does not depend on the opinions (missing at random); normal
latents; steps from period to period of one scale; the effect of an event is the same while it lasts. What it cannot
say: what caused a gap; what those expect who were not asked; whether an expectation asked after the experience was
coloured by it. An event that reached everybody at once is told from the trend only by the timing of the answers; one
that reached listed customers only, by the change of theirs against the change of the others.

References
----------
Oliver (1980), A cognitive model of satisfaction decisions, doi:10.1177/002224378001700405.
Parasuraman, Zeithaml and Berry (1985), A conceptual model of service quality, doi:10.1177/002224298504900403.
Olsson (1979), Maximum likelihood estimation of the polychoric correlation coefficient, doi:10.1007/BF02296207.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError
from cxlab.inference import importance_sampling
from cxlab.inference.contrasts import walk_basis, zero_sum_basis
from cxlab.journey import paired_estimands, paired_tables
from cxlab.journey.paired_data import PairedData
from cxlab.journey.paired_density import DEGREES, Posterior

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "expectations"


@dataclass(frozen=True)
class Priors:
    """What is believed before the data; the unit is the sd of expectations in a cell."""

    concentration: float = 1.0  # Dirichlet weight of each category in the average cell, in answers
    gap: float = 1.0  # normal sd of the mean of experience less that of expectation, sd of expectations
    spread: float = 0.3  # normal sd of the log of the sd of experience (and of managers' answers), log
    fisher: float = 0.5  # normal sd of Fisher's z of the correlation; 90 % of correlations within .68
    step: float = 0.15  # scale of the step from one period to the next (managers: normal sd), sd of expectations
    group: float = 0.2  # scale of the differences between segments, and of those reached, sd of expectations
    event: float = 0.3  # scale of the effect of an event, sd of expectations
    manager: float = 0.7  # normal sd of managers' mean less customers', sd of expectations


def model_data(
    counts: pd.DataFrame,
    *,
    expectation_codes: Sequence[float],
    experience_codes: Sequence[float],
    periods: Sequence[str],
    factors: Sequence[str] = (),
    events: Sequence[str] = (),
    baselines: Sequence[str] = (),
    managers: pd.DataFrame | None = None,
    manager_codes: Sequence[float] = (),
) -> PairedData:
    """Check counts and turn them into the arrays of the model.

    Parameters
    ----------
    counts : DataFrame
        ``period``, the columns of `factors`, `events` and `baselines`, ``expectation`` and ``experience`` (codes,
        missing where not answered) and ``n`` (respondents): a row a combination.
    expectation_codes, experience_codes : sequence of float
        Legal codes from worst to best; empty where that was never asked.
    periods : sequence of str
        Labels in order; periods without answers included.
    factors : sequence of str
        Columns of segments.
    events, baselines : sequence of str
        0/1 columns: answered while an event worked; belongs to those whom an event reached at some time.
    managers : DataFrame, optional
        ``period``, ``code``, ``n``: what managers believe that customers experience.
    manager_codes : sequence of float
        Legal codes of `managers`.

    Returns
    -------
    PairedData

    Raises
    ------
    ModelError
        With every problem found.
    """
    flags = [*events, *baselines]
    legal = {"expectation": expectation_codes, "experience": experience_codes}
    problems = paired_tables.problems(counts, legal=legal, periods=periods, factors=factors, flags=flags)
    if managers is not None and len(managers):
        problems += paired_tables.manager_problems(managers, codes=manager_codes, periods=periods)
    if problems:
        raise ModelError(problems)
    keys = ["period", *factors, *flags]
    cells, where = paired_tables.cells(counts, keys=keys, periods=periods)
    columns = [("period", period) for period in periods[1:]]
    parts = [walk_basis(len(periods))[cells["period"].map({p: i for i, p in enumerate(periods)}).to_numpy(int)]]
    for factor in factors:
        groups = sorted(set(cells[factor]))
        columns += [(factor, group) for group in groups[1:]]
        parts.append(zero_sum_basis(len(groups))[cells[factor].map({g: i for i, g in enumerate(groups)}).to_numpy(int)])
    columns += [("event", name) for name in events] + [("baseline", name) for name in baselines]
    parts.append(cells[flags].to_numpy(float).reshape(len(cells), len(flags)))
    both, first, second = paired_tables.arrays(counts, where, len(cells), legal=legal)
    asked = managers is not None and len(managers) > 0
    return PairedData(
        expectation_codes=tuple(map(float, expectation_codes)),
        experience_codes=tuple(map(float, experience_codes)),
        manager_codes=tuple(map(float, manager_codes)) if asked else (),
        periods=tuple(periods),
        cells=cells,
        columns=tuple(columns),
        design=np.concatenate(parts, axis=1),
        both=both,
        expectation_only=first,
        experience_only=second,
        managers=paired_tables.manager_array(managers, codes=manager_codes, periods=periods)
        if asked
        else np.zeros((1, 0)),
    )


def fit(data: PairedData, *, draws: int = 250, chains: int = 4, seed: int, priors: Priors | None = None) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : PairedData
    draws, chains : int
        Draws a chain, and chains. They are independent where importance sampling is accepted.
    seed : int
    priors : Priors, optional

    Returns
    -------
    DataTree
        ``posterior`` with ``x`` (chain, draw, parameter), ``sample_stats``; see
        `cxlab.inference.importance_sampling.sample`.
    """
    target = Posterior(data, priors or Priors())
    return importance_sampling.sample(target, target.start(), draws=draws, chains=chains, seed=seed, many=target.many)


def estimands(posterior: xr.Dataset, data: PairedData, *, satisfied_from: float | None = None) -> xr.Dataset:
    """Draws of what is reported, by period and by event.

    Parameters
    ----------
    posterior : Dataset
        With ``x``, dims (chain, draw, parameter).
    data : PairedData
    satisfied_from : float, optional
        Lowest satisfied code of the experience scale; without it there is no ``csat``.

    Returns
    -------
    Dataset
        Dims (chain, draw, period): ``expectation_mean`` and ``experience_mean`` (points of the experience scale),
        ``.._csat`` and ``.._top_box`` (shares), ``gap_mean`` (points), ``gap_latent`` (sd of expectations),
        ``p_below``, ``p_met``, ``p_exceeded`` (shares of customers), ``code_below``, ``code_met``, ``code_exceeded``
        (the same by answers, scales of one length only), ``correlation``, ``managers_..``, ``experience_gap_mean``
        (managers' less customers' points). Dims (chain, draw, event): ``expectation_shift_mean``,
        ``expectation_shift_latent``, ``gap_shift_mean``. A variable is there where the data can speak of it. Coords:
        ``n_expectation``, ``n_experience``, ``n_both``, ``n_managers`` on period, ``n_with`` and ``n_without`` on
        event.
    """
    target = Posterior(data, Priors())
    return paired_estimands.estimands(posterior, target, satisfied_from=satisfied_from)


def steps(
    posterior: xr.Dataset, data: PairedData, *, period: str, seed: int, draws: int = 500
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count how many codes lie between what was experienced and what was expected, seen and foretold by the model.

    Parameters
    ----------
    posterior : Dataset
        With ``x``, dims (chain, draw, parameter).
    data : PairedData
    period : str
        Pairs of this period, of which there must be one.
    seed : int
    draws : int
        About as many draws of the posterior are used.

    Returns
    -------
    steps : array, shape (D,)
        Position of the experience's code less that of the expectation's.
    seen : array, shape (D,)
        Respondents.
    foretold : array, shape (draws, D)
        As many respondents, drawn from the model.
    """
    return paired_estimands.steps(posterior, Posterior(data, Priors()), period=period, draws=draws, seed=seed)


def build_model(data: PairedData, priors: Priors | None = None) -> pm.Model:
    """State the posterior in PyMC: the oracle of `cxlab.journey.paired_density`, slower by its compilation.

    Parameters
    ----------
    data : PairedData
    priors : Priors, optional

    Returns
    -------
    pm.Model
        Free variables are those of the density: ``cut_0`` and ``log_step``, and the names of the table above.
    """
    from cxlab.journey import paired_pymc

    return paired_pymc.build(data, priors or Priors(), degrees=DEGREES)


def simulate(
    cells: pd.DataFrame,
    *,
    codes: Sequence[float],
    periods: Sequence[str],
    seed: int,
    factors: Sequence[str] = (),
    events: Sequence[str] = (),
    baselines: Sequence[str] = (),
    managers: int = 0,
    experience_codes: Sequence[float] = (),
    priors: Priors | None = None,
    truth: dict[str, float] | None = None,
) -> tuple[PairedData, xr.Dataset]:
    """Draw a world from the prior.

    Parameters
    ----------
    cells : DataFrame
        ``period``, factors, events, baselines, and how many answered: ``n_both``, ``n_expectation``, ``n_experience``.
    codes, periods, factors, events, baselines
        As in `model_data`; `experience_codes` are by default those of the expectation.
    seed : int
    managers : int
        Managers who answer, each period.
    priors : Priors, optional
    truth : dict, optional
        Parameters fixed instead of drawn: name of the table above (single ones), or the name of an event (its effect on
        expectation).

    Returns
    -------
    data : PairedData
    posterior : Dataset
        The true parameters as one draw, dims (chain, draw, parameter): give it to `estimands`.
    """
    from cxlab.journey import paired_simulate

    second = tuple(experience_codes or codes)
    empty = paired_simulate.blank(
        cells, codes=codes, experience_codes=second, flags=[*events, *baselines], factors=factors
    )
    asked = paired_simulate.blank_managers(periods, codes=codes) if managers else None
    frame = model_data(
        empty, expectation_codes=codes, experience_codes=second, periods=periods, factors=factors, events=events,
        baselines=baselines, managers=asked, manager_codes=codes if managers else (),
    )  # fmt: skip
    return paired_simulate.draw(
        frame, cells, priors=priors or Priors(), seed=seed, managers=managers, truth=truth or {}
    )
