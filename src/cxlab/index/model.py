r"""What is the satisfaction index and what moves it: a structural equation model on sufficient statistics.

Satisfaction, its antecedents (image, expectation, quality, value) and its consequences (complaints, loyalty) are not
asked; each is a latent quantity that shows itself in a few questions. The generative story of a respondent i in period
t, with the items y standardised and the latents eta in causal order::

    eta_i   = B eta_i + zeta_i,              zeta_ik ~ normal(0, sd_k)          B strictly lower triangular
    y_ij    = mean_tj + loading_j eta_i,k(j) + epsilon_ij,     epsilon_ij ~ normal(0, residual_j)

Paths, loadings and sds are those of all periods together; the means are free in each. So an index compares periods by
one yardstick: a change is one of the ratings, not of the weights, and history helps a thin period.

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| B | ``path`` | arrow (from -> to) | latent units | normal(0, path_sd) |
| loading_j | ``loading`` | item; the marker's is 1 | item sds a latent unit | normal(1, loading_sd) |
| sd_k | ``sd`` | latent | item sds of the marker | gamma(sd_shape, sd_rate) |
| residual_j | ``residual`` | item | item sds | gamma(sd_shape, sd_rate) |
| mean_tj | ``mean`` | period, item | item sds | flat, integrated out |

The marker is the item most like its fellows, by default. An item that measures a latent alone is taken as it is, or
with the reliability declared for it. Missing answers are not dropped: respondents enter by their pattern of answered
items (full information; missing at random given the answers there are). The chains run on statistics completed by EM
and each draw is then weighted by the exact density of the patterns, checked on Pareto k-hat; beyond `data.EXACT`
patterns those of the fewest respondents enter completed.

The index of a latent with items scaled to 0-100 is the weighted mean of its items, weights proportional to
loading / residual variance: what each item tells of the latent beside its noise. On items from 1 to 10 this is the
ACSI's 100/9 sum w_j (mean_j - 1).

Assumptions: linear relations, normal errors that are unrelated beside the latents, the same paths in every period.
What it cannot say: whether a path is a cause (the direction of an arrow is assumed, not found); how each of several
latents that nearly coincide contributes by itself, which then rests on the prior and is flagged; anything about those
who did not answer.

References
----------
Fornell, Johnson, Anderson, Cha and Bryant (1996), The American Customer Satisfaction Index,
doi:10.1177/002224299606000403.
Merkle and Rosseel (2018), Bayesian structural equation models via parameter expansion, doi:10.18637/jss.v085.i04.
Merkle, Fitzsimmons, Uanhoro and Goodrich (2021), Efficient Bayesian SEM in Stan, doi:10.18637/jss.v100.i06.
Enders and Bandalos (2001), Full information maximum likelihood for missing data, doi:10.1207/S15328007SEM0803_5.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.index import data as tables
from cxlab.index import estimands as reporting
from cxlab.index import identification, missing
from cxlab.index.data import SemData
from cxlab.index.likelihood import Density, Prior, unpack
from cxlab.index.structure import Structure
from cxlab.inference import importance_sampling as drawing

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

LARGE: Final = 3000  # respondents from which the posterior is near enough to normal to try weighted draws first
LEAST: Final = 30  # respondents below which no structural model is fitted


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on standardised items (1: one standard deviation of an item)."""

    path_sd: float = 1.0  # normal sd of a path, latent units a latent unit
    loading_sd: float = 0.5  # normal sd of a loading around 1, relative to the marker's
    sd_shape: float = 2.0  # gamma shape of all sds; above 1 keeps them off zero, where chains stick
    sd_rate: float = 3.0  # gamma rate of all sds, per item sd


def model_data(
    answers: pd.DataFrame,
    *,
    structure: Structure,
    ends: Mapping[str, tuple[float, float]],
    periods: Sequence[str],
    choose_markers: bool = True,
    standardise: bool = True,
) -> SemData:
    """Turn answers into sufficient statistics.

    Parameters
    ----------
    answers : DataFrame
        A row a respondent: a column an item (codes; missing where not answered), ``period``, optionally ``weight``.
    structure : Structure
        From `cxlab.index.structure.structure`.
    ends : mapping of item to (worst, best)
        Codes at the ends of each item's scale.
    periods : sequence of str
        Labels in order; those without answers are left out.
    choose_markers : bool
        Whether the item most like its fellows becomes its latent's marker.
    standardise : bool
        Whether items are standardised; if not, they already are what the priors speak of.

    Returns
    -------
    SemData

    Raises
    ------
    ModelError
        With every problem: columns, periods, codes beyond the ends, items nobody or everybody answered alike, items
        without an answer in a period.
    """
    items = list(structure.items)
    problems = [Problem("the answers lack a column", value=c) for c in (*items, "period") if c not in answers]
    problems += [Problem("no ends of the scale", value=i) for i in items if i not in ends]
    if problems:
        raise ModelError(problems)
    weight = np.asarray(answers["weight"], float) if "weight" in answers else np.ones(len(answers))
    values = answers[items].to_numpy(float, na_value=np.nan)
    places = {label: k for k, label in enumerate(periods)}
    place = np.array([places.get(str(label), -1) for label in answers["period"]], int)
    used = np.isfinite(values).any(axis=1) & (place >= 0) & (weight > 0)
    if np.isnan(weight).any() or (weight < 0).any():
        problems.append(Problem("weights must be zero or more", where="weight"))
    if (place < 0).any():
        odd = sorted(set(answers.loc[place < 0, "period"].astype(str)))
        problems.append(Problem("unknown periods", where="period", value=", ".join(odd[:5])))
    problems += hindrances(answers[used], items, ends)
    for label in np.unique(place[used]) if not problems else ():
        never = ~np.isfinite(values[used & (place == label)]).any(axis=0)
        if never.any():
            problems.append(
                Problem("a period in which an item was never answered", where=str(periods[label]),
                        value=", ".join(np.array(items)[never]), todo="leave the period or the item out")
            )  # fmt: skip
    if problems:
        raise ModelError(problems)
    values, place, weight = values[used], place[used], weight[used]
    here = np.unique(place)
    labels = tuple(str(periods[k]) for k in here)
    place = np.searchsorted(here, place)
    n_raw = np.bincount(place, minlength=len(here)).astype(int)
    weighted = bool(np.ptp(weight) > 1e-9 * weight.max())
    for t in range(len(here)):  # weights of a period sum to its effective number of answers
        mine = place == t
        weight[mine] *= weight[mine].sum() / (weight[mine] ** 2).sum()
    share = weight[:, None] * np.isfinite(values)
    centre = np.nansum(share * np.nan_to_num(values), axis=0) / share.sum(axis=0)
    spread = np.sqrt((share * np.nan_to_num(values - centre) ** 2).sum(axis=0) / share.sum(axis=0))
    if not standardise:
        centre, spread = np.zeros(len(items)), np.ones(len(items))
    patterns = tables.count((values - centre) / spread, place, weight, periods=len(here))
    complete = tables.em(patterns)
    chosen = structure
    if choose_markers:
        chosen = replace(structure, markers=_strongest(complete.scatter[0] / complete.n.sum(), structure))
    return SemData(
        structure=chosen,
        periods=labels,
        patterns=patterns,
        exact=tables.capped(patterns, complete),
        complete=complete,
        worst=np.array([ends[i][0] for i in items], float),
        best=np.array([ends[i][1] for i in items], float),
        centre=centre,
        spread=spread,
        n_raw=n_raw,
        n_eff=complete.n[0],
        answered=np.stack([np.isfinite(values[place == t]).sum(axis=0) for t in range(len(here))]),
        weighting="survey" if weighted else "none",
    )


def hindrances(answers: pd.DataFrame, items: Sequence[str], ends: Mapping[str, tuple[float, float]]) -> list[Problem]:
    """Return what keeps answers (a column an item) from a structural model: too few, all alike, beyond the ends."""
    if len(answers) < LEAST:
        return [Problem("too few answers for a structural model", value=f"{len(answers)}", allowed=f"{LEAST} or more")]
    found = []
    for item in items:
        own = answers[item].dropna().to_numpy(float)
        low, high = sorted(ends[item])
        if len(own) < LEAST:
            found.append(Problem("an item that hardly anybody answered", where=item, value=f"{len(own)} answers",
                                 allowed=f"{LEAST} or more", todo="leave it out of the index"))  # fmt: skip
        elif np.ptp(own) == 0:
            found.append(Problem("all answers to an item are alike", where=item, value=f"{own[0]:g}",
                                 todo="leave it out of the index"))  # fmt: skip
        elif np.isfinite([low, high]).all() and (own.min() < low or own.max() > high):
            found.append(Problem("answers beyond the ends of the scale", where=item,
                                 value=f"{own.min():g} to {own.max():g}", allowed=f"{low:g} to {high:g}"))  # fmt: skip
    return found


def build_model(data: SemData, priors: Priors) -> pm.Model:
    """State the posterior in PyMC: the same density as `fit` draws from, with the items' means as parameters.

    Parameters
    ----------
    data : SemData
    priors : Priors

    Returns
    -------
    pm.Model
        Each pattern of missing answers adds the normal likelihood of its sufficient statistics.
    """
    import pymc as pm
    import pytensor.tensor as pt

    spec = data.structure
    k, j = len(spec.latents), len(spec.items)
    coords = {
        "arrow": [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in spec.paths],
        "free_item": [spec.items[i] for i in spec.free],
        "noisy_item": [spec.items[i] for i in spec.noisy],
        "latent": list(spec.latents),
        "item": list(spec.items),
        "period": list(data.periods),
    }
    origin, to = np.array(spec.paths, int).T
    with pm.Model(coords=coords) as model:
        path = pm.Normal("path", 0.0, priors.path_sd, dims="arrow")
        free = pm.Normal("loading", 1.0, priors.loading_sd, dims="free_item")
        sd = pm.Gamma("sd", priors.sd_shape, priors.sd_rate, dims="latent")
        residual = pm.Gamma("residual", priors.sd_shape, priors.sd_rate, dims="noisy_item")
        mean = pm.Flat("mean", dims=("period", "item"))
        total = pt.linalg.inv(pt.eye(k) - pt.set_subtensor(pt.zeros((k, k))[to, origin], path))
        v = total * sd
        loading = pt.set_subtensor(pt.ones(j)[spec.free], free)
        theta = pt.set_subtensor(pt.as_tensor(spec.residual)[spec.noisy], residual**2)
        member = np.zeros((j, k))
        member[np.arange(j), spec.of_item] = 1.0
        strength = member * loading[:, None]
        sigma = strength @ v @ v.T @ strength.T + pt.diag(theta)
        terms = []
        for seen, n, average, scatter in zip(
            data.exact.seen, data.exact.n, data.exact.mean, data.exact.scatter, strict=True
        ):
            o = np.flatnonzero(seen)
            inverse = pt.linalg.inv(sigma[o][:, o])
            square = pt.as_tensor(scatter[np.ix_(o, o)])
            for t in np.flatnonzero(n):
                off = average[t, o] - mean[t, o]
                square = square + n[t] * pt.outer(off, off)
            terms.append(-0.5 * n.sum() * pt.linalg.slogdet(sigma[o][:, o])[1] - 0.5 * (inverse * square).sum())
        pm.Potential("answers", pt.stack(terms).sum())
    return model


def fit(
    data: SemData,
    *,
    priors: Priors | None = None,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    seed: int = 1,
    accept: Callable[[xr.DataTree], bool] | None = None,
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : SemData
        From `model_data`.
    priors : Priors, optional
        By default ``Priors()``.
    draws, tune, chains, seed : int
        As for `cxlab.inference.importance_sampling.sample`; twice as many draws where latents nearly coincide.
    accept : callable, optional
        Judges the draws; what it refuses is sampled twice, then four times as long.

    Returns
    -------
    DataTree
        ``posterior`` with ``x`` (chain, draw, parameter; unconstrained) and ``mean`` (.., period, item); ``chains``,
        the draws before missing answers were weighted in; ``sample_stats``. Attributes: ``method``, ``khat`` of
        weighted draws, ``khat_missing`` and ``share_missing`` of the weights for missing answers, ``unidentified``
        (parameters that no data could tell), ``modes`` (modes found that differ).
    """
    import xarray as xr

    priors = priors or Priors()
    target = completed(data, priors)
    peak, others = identification.modes(target, seed=seed)
    first = 2 if identification.crowded(peak, data.structure) else 1
    for longer in (first, 2 * first, 4 * first):
        tree = drawing.sample(
            target,
            peak,
            draws=draws * longer,
            tune=tune * longer // first,
            chains=chains,
            seed=seed,
            method="auto" if data.freedom > LARGE else "nuts",
            adaptation="low_rank",
            target_accept=0.92,
        )
        x = tree["posterior"]["x"].to_numpy()
        weighed = missing.weigh(x, data, target, peak, seed=seed)
        result = xr.DataTree.from_dict(
            {
                "posterior": _named(weighed.points, weighed.mean, data),
                "chains": tree["posterior"].dataset.assign_coords(parameter=data.structure.names),
                "sample_stats": tree["sample_stats"].dataset,
            }
        )
        result.attrs.update(
            tree.attrs,
            khat_missing=weighed.khat,
            share_missing=weighed.share,
            unidentified=identification.unidentified(data.structure),
            modes=others,
        )
        if accept is None or accept(result):
            break
    return result


def completed(data: SemData, priors: Priors, *, flat: bool = False) -> Density:
    """The log posterior of the answers completed by EM; `flat` leaves out the priors (maximum likelihood)."""
    prior = Prior(priors.path_sd, priors.loading_sd, priors.sd_shape, priors.sd_rate)
    return Density(data.structure, data.complete.scatter[0], data.freedom, prior=None if flat else prior)


def estimands(posterior: xr.Dataset, data: SemData) -> xr.Dataset:
    """Draws of what is reported.

    Parameters
    ----------
    posterior : Dataset
        ``x`` and ``mean`` as `fit` gives them.
    data : SemData
        The data it was fitted to.

    Returns
    -------
    Dataset
        Dims (chain, draw, ..): ``index`` (period, latent; 0-100), ``path`` (arrow; standardised), ``total_effect`` and
        ``point_effect`` (pair; standardised, and index points a point), ``loading`` and ``weight`` (item), ``r2``
        (moved latent), ``p_quadrant`` (mover, quadrant; indicators).
    """
    return reporting.estimands(posterior, data)


def maximum_likelihood(data: SemData, *, start: np.ndarray) -> reporting.Scaled:
    """The standardised parameters that maximise the likelihood of the completed answers, without any prior."""
    flat = completed(data, Priors(), flat=True)
    point, _ = drawing.find_map(flat, start)
    return reporting.scaled(point[None], data.structure, data.points)


def simulate(spec: Structure, *, n: int, seed: int, priors: Priors | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a world from the prior: standardised answers of `n` respondents in one period, and the parameters.

    Returns
    -------
    tuple
        Answers for `model_data` with ``standardise=False``, and the unconstrained vector they came from, shape (d,).
    """
    priors = priors or Priors()
    random = np.random.default_rng(seed)
    x = prior_points(spec, draws=1, seed=seed, priors=priors)[0]
    parts = unpack(x, spec)
    shocks = random.standard_normal((n, len(spec.latents))) * parts.sd[0]
    latent = shocks @ parts.total[0].T
    noise = random.standard_normal((n, len(spec.items))) * np.sqrt(parts.residual[0])
    answers = pd.DataFrame(latent[:, spec.of_item] * parts.loading[0] + noise, columns=list(spec.items))
    return answers.assign(period="1"), x


def prior_points(spec: Structure, *, draws: int, seed: int, priors: Priors | None = None) -> np.ndarray:
    """Draw unconstrained vectors from the prior, shape (draws, d)."""
    priors = priors or Priors()
    random = np.random.default_rng([seed, 1])
    sds = len(spec.latents) + len(spec.noisy)
    return np.concatenate(
        [
            random.normal(0.0, priors.path_sd, (draws, len(spec.paths))),
            random.normal(1.0, priors.loading_sd, (draws, len(spec.free))),
            np.log(random.gamma(priors.sd_shape, 1.0 / priors.sd_rate, (draws, sds))),
        ],
        axis=1,
    )


def _strongest(covariance: np.ndarray, spec: Structure) -> tuple[int, ...]:
    """For each latent the item with the largest weight in the first component of its block."""
    found = []
    for k in range(len(spec.latents)):
        members = np.flatnonzero(spec.of_item == k)
        directions = np.linalg.eigh(covariance[np.ix_(members, members)])[1]
        found.append(int(members[np.abs(directions[:, -1]).argmax()]))
    return tuple(found)


def _named(points: np.ndarray, mean: np.ndarray, data: SemData) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            "x": (("chain", "draw", "parameter"), points),
            "mean": (("chain", "draw", "period", "item"), mean),
        },
        coords={
            "parameter": data.structure.names,
            "period": list(data.periods),
            "item": list(data.structure.items),
        },
    )
