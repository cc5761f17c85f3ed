r"""What a topic does to the score of the comments that mention it.

Each row is one comment that came with a score. It mentions topics or not, may tell a situation, is about a touchpoint,
from a period and a source.

The generative story, for comment i with score code y_i in 1..K::

    P(y_i <= k) = logistic(cut_k - eta_i)                                            k = 1..K-1
    eta_i  = sum_t x_it (effect_t + by_place_tg) + sum_s z_is told_s + covariates_i . gamma        g: touchpoint of i
    effect_t ~ normal(0, tau),  by_place_tg ~ normal(0, omega),  told_s ~ normal(0, rho),  gamma ~ normal(0, covariate)
    tau, omega, rho: one of a few values, the middles of equally likely parts of half-normal laws
    shares of the codes of an average comment ~ Dirichlet(1, .., 1), which fixes the law of the cuts

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| cut_k | ``cut`` | boundary | logit | Dirichlet on the shares of codes |
| effect_t | ``effect`` | topic | logit | normal, sd tau learnt from all topics |
| by_place_tg | ``by_place`` | pair | logit | normal, sd omega learnt from all pairs |
| told_s | ``told`` | situation | logit | normal, sd rho learnt from all situations |
| gamma | ``covariate`` | column | logit | normal, see `Priors` |

What is reported is on the scale of the codes: among the comments that mention topic t, the expected score as it is
minus what it would be were t not mentioned, all else as it is (``score_effect``). Times the share of comments that
mention t (`cxlab.voice.prevalence`) that is ``points_at_stake``: by how much the mean score of comments would
differ.

Rows alike in everything are counted once with their number, which is exact. Survey weights are not used: the model
compares comments with comments, and those who write are no sample of anybody. Rows of one customer count less, as far
as they agree (`clustering` of `ordinal.regression`).

Assumptions: given the columns comments are exchangeable; effects add up on the logit scale; a topic mentioned in praise
and one mentioned in blame are the same column, so an effect is the balance of both; the effect of a topic that stands
out from all others is drawn in to them and told too small rather than too large. What it cannot say: whether the
topic is the cause. Where every comment has exactly one topic, an effect is one against the average of the others.

References
----------
McCullagh (1980), Regression models for ordinal data, doi:10.1111/j.2517-6161.1980.tb01109.x.
Gelman (2006), Prior distributions for variance parameters in hierarchical models, doi:10.1214/06-BA117A.
Ribatet, Cooley and Davison (2012), Bayesian inference from composite likelihoods, doi:10.48550/arXiv.0911.5357.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference.ordinal_regression import contrasts, cuts
from cxlab.vocab import UNKNOWN
from cxlab.voice import hierarchical
from cxlab.voice.likelihood import Scores, collapse
from cxlab.voice.standardisation import change, representatives

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr
    from scipy import sparse

MODEL: Final = "mentions"
LEAST: Final = 5  # comments for a topic, a situation or a topic at a touchpoint to have a coefficient of its own
_STAND: Final = 48  # comments that stand for all mentioning a topic, one from each equal part by predicted score


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale (1 logit: odds times 2.7)."""

    effect: float = 1.0  # sd of the half-normal law of tau, how much topics differ, logits
    by_place: float = 0.5  # sd of the half-normal law of omega, how much a topic's effect differs by touchpoint, logits
    told: float = 0.5  # sd of the half-normal law of rho, how much situations differ, logits
    covariate: float = 0.7  # sd of the effect of a touchpoint, period or source, logits
    parts: int = 8  # values an sd may take: the middles of as many equally likely parts


@dataclass(frozen=True)
class MentionsData:
    """Scored comments.

    Attributes
    ----------
    topics, situations, places : tuple of str
        Places are touchpoints; comments about none are `UNKNOWN`.
    pairs : array of int, shape (pair, 2)
        Topic and place with a coefficient of their own; none where there is one place only.
    x : sparse matrix, shape (row, column)
        0 and 1: topics, pairs, situations, covariates.
    y : array of int, shape (row,)
        Place of the score among the codes, 0 the worst.
    values : array of float, shape (code,)
        What a code counts in a mean; codes that nobody gave are left out.
    place : array of int, shape (row,)
    cluster : array of int, shape (row,)
        The customer.
    """

    topics: tuple[str, ...]
    situations: tuple[str, ...]
    places: tuple[str, ...]
    pairs: np.ndarray
    x: sparse.csr_matrix
    y: np.ndarray
    values: np.ndarray
    place: np.ndarray
    cluster: np.ndarray

    @property
    def blocks(self) -> tuple[slice, slice, slice, slice]:
        """Columns of topics, pairs, situations and covariates."""
        t, p, s = len(self.topics), len(self.pairs), len(self.situations)
        return slice(0, t), slice(t, t + p), slice(t + p, t + p + s), slice(t + p + s, self.x.shape[1])


def model_data(
    mention: pd.DataFrame,
    y: np.ndarray,
    *,
    values: Sequence[float],
    touchpoint: Sequence[object] | np.ndarray | pd.Series | None = None,
    situations: pd.DataFrame | None = None,
    covariates: pd.DataFrame | None = None,
    customer: Sequence[object] | np.ndarray | pd.Series | None = None,
) -> MentionsData:
    """Check scored comments and turn them into columns.

    Parameters
    ----------
    mention : DataFrame
        A row a comment, a column a topic, true where it is mentioned.
    y : array of int
        Place of the score among the codes, 0 the worst.
    values : sequence of float
        What each code counts, worst first: the codes themselves, or -100, 0 and 100 for a recommendation.
    touchpoint : sequence, optional
        Missing ones are a group of their own.
    situations : DataFrame, optional
        A column a situation, true where it is told.
    covariates : DataFrame, optional
        Columns of groups (as text): period, source, language.
    customer : sequence, optional
        Comments of one customer are not independent; missing ones stand for themselves.

    Raises
    ------
    ModelError
        No rows, scores out of range or all the same, lengths that differ: all at once.
    """
    from scipy import sparse

    y = np.asarray(y)
    told = pd.DataFrame(index=mention.index) if situations is None else situations
    lengths = {"y": len(y), "situations": len(told)}
    lengths |= {n: len(v) for n, v in (("touchpoint", touchpoint), ("covariates", covariates), ("customer", customer))
                if v is not None}  # fmt: skip
    n, codes = len(mention), len(values)
    problems = [
        Problem("as many rows as comments are needed", where=name, value=str(size), allowed=str(n))
        for name, size in lengths.items()
        if size != n
    ]
    if not n:
        problems.append(Problem("no comment with a score", todo="give comments that came with a rating"))
    elif not np.isfinite(y.astype(float)).all() or y.min() < 0 or y.max() >= codes:
        found = f"{y.min()} to {y.max()}"
        problems.append(Problem("scores out of range", where="y", value=found, allowed=f"0 to {codes - 1}"))
    elif len(np.unique(y)) < 2:
        problems.append(
            Problem("all scores are the same", where="y", value=str(y[0]), todo="nothing can differ by topic")
        )
    if problems:
        raise ModelError(problems)
    used, y = np.unique(y.astype(int), return_inverse=True)  # a code that nobody gave has no cut
    said, also = mention.to_numpy(bool), told.to_numpy(bool)
    said, also = said[:, heard_t := _both(said)], also[:, heard_s := _both(also)]
    topics = tuple(map(str, mention.columns[heard_t]))
    groups = pd.Series(UNKNOWN, index=range(n)) if touchpoint is None else pd.Series(np.asarray(touchpoint, object))
    place, names = pd.factorize(groups.astype("string").fillna(UNKNOWN), sort=True)
    at = np.eye(len(names))[place]
    counts = said.T.astype(float) @ at
    few = (counts < LEAST) | (said.sum(axis=0)[:, None] - counts < LEAST)  # the other places must say something too
    pairs = np.argwhere(~few) if len(names) > 1 else np.empty((0, 2), int)
    about = pd.DataFrame({"touchpoint": groups.to_numpy()})
    if covariates is not None:
        about = pd.concat([about, covariates.reset_index(drop=True)], axis=1)
    by_pair = said[:, pairs[:, 0]] & (at[:, pairs[:, 1]] > 0)
    x = np.hstack([said, by_pair, also, contrasts(about, n)]).astype(float)
    who = np.arange(n) if customer is None else pd.factorize(np.asarray(customer, object))[0]
    who = np.where(who < 0, who.max(initial=0) + 1 + np.arange(n), who)
    return MentionsData(
        topics, tuple(map(str, told.columns[heard_s])), tuple(map(str, names)), pairs, sparse.csr_matrix(x),
        y, np.asarray(values, float)[used], np.asarray(place), pd.factorize(who)[0],
    )  # fmt: skip


def blocks(data: MentionsData, priors: Priors | None = None) -> list[hierarchical.Block]:
    """Return the coefficients whose scales are learnt, by their places in a point."""
    prior = priors or Priors()
    first = len(data.values) - 1
    laws = (prior.effect, prior.by_place, prior.told)
    return [
        hierarchical.Block(np.arange(first + own.start, first + own.stop), hierarchical.half_normal(sd, prior.parts))
        for own, sd in zip(data.blocks[:3], laws, strict=True)
    ]


def rows(data: MentionsData, priors: Priors | None = None, *, weight: float = 1.0) -> Scores:
    """Return the likelihood of the rows, those alike counted once; each counts `weight`."""
    prior = priors or Priors()
    first, kind = collapse(data.x, data.y)
    precision = np.zeros(data.x.shape[1])
    precision[data.blocks[3]] = prior.covariate**-2
    count = weight * np.bincount(kind).astype(float)
    mean = np.asarray(data.x.mean(axis=0)).ravel()
    return Scores(data.x[first], mean, data.y[first], count, len(data.values), precision)


def build_model(data: MentionsData, priors: Priors | None = None, *, weight: float = 1.0) -> pm.Model:
    """Return the model in PyMC, every comment a row; `fit` draws from the same posterior through `mention.pooled`."""
    import pymc as pm
    import pytensor.tensor as pt

    coords = {"topic": data.topics, "situation": data.situations}
    with pm.Model(coords=coords) as model:
        theta = pm.Flat("theta", shape=len(data.values) - 1)
        share = pm.math.softmax(pt.concatenate([theta, np.zeros(1)]))
        pm.Potential("shares", pt.log(share).sum())  # Dirichlet(1, .., 1), with the Jacobian of the log ratios
        below = pt.cumsum(share)[:-1]
        parts = []
        for name, block in zip(("effect", "by_place", "told"), blocks(data, priors), strict=True):
            own = pm.Flat(name, shape=len(block.columns))
            by_scale = [pm.logp(pm.Normal.dist(0.0, s), own).sum() for s in block.scales]
            if len(block.columns):
                pm.Potential(f"{name}_scale", pt.logsumexp(pt.stack(by_scale)) - np.log(len(by_scale)))
            parts.append(own)
        held = (priors or Priors()).covariate
        parts.append(pm.Normal("covariate", 0.0, held, shape=data.x[:, data.blocks[3]].shape[1]))
        x = data.x.toarray()
        eta = pt.dot(x - x.mean(axis=0), pt.concatenate(parts))
        cut = pt.log(below) - pt.log1p(-below)
        if len(data.values) == 2:
            logp = pm.logp(pm.Bernoulli.dist(logit_p=eta - cut[0]), data.y)
        else:
            logp = pm.logp(pm.OrderedLogistic.dist(eta=eta, cutpoints=cut), data.y)
        pm.Potential("scores", weight * logp.sum())
    return model


def clustering(data: MentionsData, priors: Priors | None = None) -> float:
    """Return how many comments count as one because customers write several: 1 (independent) or more."""
    if data.cluster.max() + 1 == len(data.y):
        return 1.0
    one = rows(data, priors)
    held = blocks(data, priors)
    point, curve = hierarchical.peak(one, held)
    each = Scores(data.x, one.mean, data.y, np.ones(len(data.y)), one.codes, one.precision)
    slope = each.slopes(point)[1]
    from scipy import sparse

    at = (np.arange(len(slope)), data.cluster)
    whose = sparse.csr_matrix((slope, (at[1], at[0])), shape=(int(data.cluster.max()) + 1, len(slope)))
    together = (whose @ data.x).toarray() - np.outer(np.asarray(whose.sum(axis=1)).ravel(), one.mean)
    alone = data.x.multiply(slope[:, None]).toarray() - np.outer(slope, one.mean)
    half = np.linalg.cholesky(np.linalg.inv(curve))[one.codes - 1 :]
    plain, clustered = (float(((s @ half) ** 2).sum()) for s in (alone, together))
    return max(1.0, clustered / plain) if plain > 0 else 1.0


def fit(
    data: MentionsData, *, draws: int, chains: int, seed: int, priors: Priors | None = None
) -> tuple[xr.DataTree, float]:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        ``posterior``: ``cut`` (chain, draw, boundary), ``effect`` (.., topic), ``by_place`` (.., pair), ``told``
        (.., situation), ``covariate`` (.., column); ``sample_stats``; attributes of `mention.pooled.sample`.
    float
        What one comment counts: 1, less where customers write several.
    """
    import xarray as xr

    weight = 1 / clustering(data, priors)
    one = rows(data, priors, weight=weight)
    tree = hierarchical.sample([one], blocks(data, priors), draws=draws, chains=chains, seed=seed)
    values = tree["posterior"]["x"].to_numpy()
    k = one.codes - 1
    found = {"cut": (("chain", "draw", "boundary"), cuts(values[..., :k]))}
    dims = ("topic", "pair", "situation", "column")
    for name, dim, own in zip(("effect", "by_place", "told", "covariate"), dims, data.blocks, strict=True):
        found[name] = (("chain", "draw", dim), values[..., k:][..., own])
    posterior = xr.Dataset(found, coords={"topic": list(data.topics), "situation": list(data.situations)})
    out = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": tree["sample_stats"].dataset})
    out.attrs.update(tree.attrs)
    return out, weight


def estimands(posterior: xr.Dataset, data: MentionsData) -> xr.Dataset:
    """Return effects on the scale of the codes, among the comments that mention.

    Parameters
    ----------
    posterior : Dataset
        From `fit`, dims (chain, draw, ..).
    data : MentionsData

    Returns
    -------
    Dataset
        ``score_effect`` (chain, draw, topic), ``place_effect`` (chain, draw, pair), ``situation_effect`` (chain, draw,
        situation); coords ``n`` (topic), ``pair_topic``, ``pair_place`` and ``pair_n`` (pair), ``situation_n``.
    """
    import xarray as xr

    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    shape = (chains, draws)
    named = {name: posterior[name].to_numpy().reshape(chains * draws, -1) for name in posterior.data_vars}
    beta = np.concatenate([named[n] for n in ("effect", "by_place", "told", "covariate")], axis=1)
    x, mean = data.x.tocsc(), np.asarray(data.x.mean(axis=0)).ravel()
    typical = np.asarray(data.x @ beta.mean(axis=0))
    topic, pair, situation, _ = data.blocks
    partners = [np.flatnonzero(data.pairs[:, 0] == t) + pair.start for t in range(len(data.topics))]

    def among(column: int, columns: np.ndarray) -> np.ndarray:
        """Change of the expected score by the columns, over the comments that have the first one: (S,)."""
        who = x.indices[x.indptr[column] : x.indptr[column + 1]]
        stand = representatives(who, typical, _STAND)
        return change(data.x[stand], beta, named["cut"], columns=columns, mean=mean, values=data.values)

    every = [among(t, np.append(t, partners[t])) for t in range(len(data.topics))]
    placed = [
        among(pair.start + j, np.append(t, partners[t])) for j, (t, _) in enumerate(data.pairs)
    ]  # fmt: skip
    told = [among(s, np.array([s])) for s in range(situation.start, situation.stop)]
    size = np.diff(x.indptr)

    def stacked(parts: list[np.ndarray]) -> np.ndarray:
        return (np.column_stack(parts) if parts else np.empty((chains * draws, 0))).reshape(*shape, -1)

    return xr.Dataset(
        {
            "score_effect": (("chain", "draw", "topic"), stacked(every)),
            "place_effect": (("chain", "draw", "pair"), stacked(placed)),
            "situation_effect": (("chain", "draw", "situation"), stacked(told)),
        },
        coords={
            "topic": list(data.topics),
            "n": ("topic", size[topic]),
            "pair_topic": ("pair", np.array([data.topics[t] for t in data.pairs[:, 0]], str)),
            "pair_place": ("pair", np.array([data.places[g] for g in data.pairs[:, 1]], str)),
            "pair_n": ("pair", size[pair]),
            "situation": list(data.situations),
            "situation_n": ("situation", size[situation]),
        },
    )


def _both(columns: np.ndarray) -> np.ndarray:
    """Columns that at least `LEAST` rows have and as many have not."""
    return np.asarray(np.minimum(columns.sum(axis=0), (~columns).sum(axis=0)) >= LEAST)
