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
items (full information; missing at random given the answers there are). Draws are made on statistics completed by EM,
of as many respondents as there are answers for, and then weighted by the exact density of the patterns, checked on
Pareto k-hat; beyond `data.EXACT` patterns those of the fewest respondents enter completed.

`fit` draws by weights around the mode where these can be trusted (at 300 respondents of the demo, as a rule), else by
NUTS on the same density; ``method="nuts"`` or an edited ``model`` draws from the PyMC statement itself.

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
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.index import data as tables
from cxlab.index import density
from cxlab.index.data import SemData, Structure
from cxlab.index.density import Density, Priors, Scaled, scaled, unpack
from cxlab.inference import importance_sampling, nuts

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

LEAST: Final = 30  # respondents below which no structural model is fitted
ENOUGH: Final = 800  # effective draws from which weights are enough
PROPOSALS: Final = 16_000
_CHUNK: Final = 250  # draws worked on at once: their matrices fit into the cache


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
        From `cxlab.index.data.structure`.
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
            what, names = "a period in which an item was never answered", ", ".join(np.array(items)[never])
            problems.append(Problem(what, where=str(periods[label]), value=names, todo="leave the period or item out"))
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
            what, value, allowed = "an item that hardly anybody answered", f"{len(own)} answers", f"{LEAST} or more"
        elif np.ptp(own) == 0:
            what, value, allowed = "all answers to an item are alike", f"{own[0]:g}", ""
        elif np.isfinite([low, high]).all() and (own.min() < low or own.max() > high):
            what, value = "answers beyond the ends of the scale", f"{own.min():g} to {own.max():g}"
            allowed = f"{low:g} to {high:g}"
        else:
            continue
        found.append(Problem(what, where=item, value=value, allowed=allowed, todo="leave it out of the index"))
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
    origin, to = spec.ends
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
        strength = spec.member * loading[:, None]
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
    method: Literal["auto", "nuts"] = "auto",
    model: pm.Model | None = None,
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
        As for `cxlab.inference.importance_sampling.sample`.
    method : str
        ``auto``, or ``nuts``: chains of the PyMC model (a minute and more to compile).
    model : pm.Model, optional
        An edited `build_model`, drawn from by NUTS; its parameters keep their names.
    accept : callable, optional
        Judges the draws; chains that it refuses are sampled twice, then four times as long.

    Returns
    -------
    DataTree
        ``posterior`` with ``x`` (chain, draw, parameter; `cxlab.index.density`) and ``mean`` (.., period, item);
        ``chains``, the draws before missing answers were weighted in; ``sample_stats``. Attributes: ``method``,
        ``khat`` and ``ess`` of weighted draws, ``khat_missing`` and ``share_missing`` of the weights for missing
        answers, ``unidentified`` (parameters that no data could tell), ``modes`` (modes found that differ).
    """
    import xarray as xr

    priors = priors or Priors()
    target = completed(data, priors, known=1.0 - data.blanks)
    point, rivals = density.modes(target, seed=seed)
    for longer in (1, 2, 4):
        if model is not None or method == "nuts":
            statement = model or build_model(data, priors)
            tree = nuts.sample(statement, draws=draws * longer, tune=tune, chains=chains, seed=seed)
            posterior = chained = _named(*_from_pymc(tree["posterior"].dataset), data)
            khat, share, tree.attrs["method"] = float("-inf"), 1.0, "nuts"
        else:
            tree = importance_sampling.sample(
                target,
                point,
                draws=draws * longer,
                tune=tune,
                chains=chains,
                seed=seed,
                method="auto" if longer == 1 else "nuts",
                adaptation="low_rank",
                target_accept=0.92,
                proposals=PROPOSALS,
                least_ess=ENOUGH / PROPOSALS,
                light_tails=True,
            )
            chained = tree["posterior"].dataset.assign_coords(parameter=data.structure.names)
            posterior, khat, share = _given_answers(tree["posterior"]["x"].to_numpy(), data, target, seed=seed)
        parts = {"posterior": posterior, "chains": chained, "sample_stats": tree["sample_stats"].dataset}
        result = xr.DataTree.from_dict(parts)
        unidentified = density.unidentified(data.structure)
        result.attrs.update(tree.attrs, khat_missing=khat, share_missing=share, unidentified=unidentified, modes=rivals)
        if "ess" in tree.attrs:
            result.attrs["ess"] = tree.attrs["ess"] * share
        if accept is None or result.attrs["method"] != "nuts" or accept(result):
            break
    return result


def completed(data: SemData, priors: Priors | None, *, known: float = 1.0) -> Density:
    """Return the log posterior of the answers completed by EM; without priors the likelihood.

    `known` is the share of the respondents that counts: that of the answers there are makes it a little wider than the
    exact posterior.
    """
    return Density(data.structure, data.complete.scatter[0] * known, data.freedom * known, prior=priors)


def maximum_likelihood(data: SemData, *, start: np.ndarray) -> Scaled:
    """Return the standardised parameters that maximise the likelihood of the completed answers, without any prior."""
    point, _ = importance_sampling.find_map(completed(data, None), start)
    return scaled(point[None], data.structure, data.points)


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
            density.unbounded(random.gamma(priors.sd_shape, 1.0 / priors.sd_rate, (draws, sds))),
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


def _from_pymc(posterior: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Points and means of draws of the PyMC model."""
    sds = [density.unbounded(posterior[name].to_numpy()) for name in ("sd", "residual")]
    x = np.concatenate([posterior["path"].to_numpy(), posterior["loading"].to_numpy(), *sds], axis=-1)
    return x, posterior["mean"].to_numpy()


def _given_answers(x: np.ndarray, data: SemData, target: Density, *, seed: int) -> tuple[xr.Dataset, float, float]:
    """Draws on completed answers (chain, draw, d) -> draws given those there are; k-hat, effective share of weights."""
    flat = x.reshape(-1, x.shape[-1])
    random = np.random.default_rng([seed, 3])
    value, mean = _with_means(flat, data, random)
    if (data.exact.seen > 0).all():
        return _named(x, mean.reshape(*x.shape[:2], *mean.shape[1:]), data), float("-inf"), 1.0
    raw = value + target.log_prior(flat) - target.many(flat)
    weight, chosen, khat = importance_sampling.resampled(raw, wanted=len(flat), random=random)
    points, means = flat[chosen].reshape(x.shape), mean[chosen].reshape(*x.shape[:2], *mean.shape[1:])
    return _named(points, means, data), khat, 1.0 / float((weight**2).sum()) / len(weight)


def _with_means(points: np.ndarray, data: SemData, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Exact log likelihoods (m,), and a draw of the items' means for each point (m, T, J)."""
    values, drawn = [], []
    for part in np.array_split(points, max(1, len(points) // _CHUNK)):
        value, centre, factor = density.exact(part, data.exact, data.structure)
        values.append(value)
        drawn.append(centre + (factor @ random.standard_normal((*centre.shape, 1)))[..., 0])
    return np.concatenate(values), np.concatenate(drawn)


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
