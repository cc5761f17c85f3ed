r"""What better experience goes with: ratings, answering and purchases on one latent satisfaction.

Customer i has a satisfaction theta_i, seen through ratings of those who answer and through purchases of all. Purchases
x until the landmark t0 (the day of asking) and after it, the last one at t_x, were observed for a time T::

    theta_i  ~ Normal(m_segment, 1)
    answers  ~ Bernoulli(logit^-1(a0 + a_segment + a1 theta + a2 log(1 + x before t0)))
    P(rating <= k) = logit^-1(c_k - L theta), any number of ratings of each who answers
    lambda   ~ Gamma(r, alpha exp(-kappa theta)), purchases a week
    leaving after a repeat purchase: p ~ Beta(a exp(-h theta), b)
    after t0 time runs at exp(g0 + gamma theta)

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| m | ``segment`` | segment but the first | sd of theta | normal |
| L | ``loading`` | - | log | normal |
| c | ``cuts`` | cut | first cut, then logs of steps | normal |
| r, r / alpha | ``shape``, ``rate`` | - | log, log purchases a week | normal |
| a/(a+b), a+b | ``share``, ``alike`` | - | logit, log | normal |
| kappa | ``kappa`` | - | log rate for one sd: who buys more anyway | normal |
| g0, gamma | ``drift``, ``gamma`` | - | log rate after t0; its change for one sd | normal |
| h | ``leave`` | - | log odds of leaving for one sd | normal |
| a0, a1, a2 | ``answer``, ``answer_theta``, ``answer_bought`` | - | logits | normal |
| a_segment | ``answer_segment`` | segment but the first | logit | normal |

theta is summed out on a grid that all customers share, so that the likelihood of purchases depends on unique rows only.
The density is written once, for autograd and for PyTensor: `build_model` states what `fit` draws from.

What it cannot say: that satisfaction caused what came after it (gamma is a change after the rating, not an experiment);
anything of a rating that judges what came after the purchases. Answering is believed to depend on satisfaction, segment
and purchases alone; without terms for segments the mean of those who are silent is worse than that of those who
answered, so segments are demanded. Where rates are not gamma, gamma is too small.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Van Houwelingen (2007), Dynamic prediction by landmarking, doi:10.1111/j.1467-9469.2006.00529.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem
from cxlab.inference import importance_sampling

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

FARTHEST: Final = 5.0  # of the grid, in sd of theta
STEP: Final = 0.5  # of the grid: at .5 a loading of 3 moves the mode by .07 sd, at 1 by 1.44 sd
LEAST_EVENTS: Final = 400  # later purchases that tell a rate ratio of 1.10 from none
SCALARS: Final = (
    *("shape", "rate", "share", "alike", "kappa", "drift", "gamma", "leave"),
    *("loading", "answer", "answer_theta", "answer_bought"),
)
_TINY: Final = 1e-300  # below it a probability is told by the grid, not by the model
_ENOUGH: Final = 0.05  # effective share of the proposals: a call of the density costs less than a step of NUTS


@dataclass(frozen=True)
class Priors:
    """What is believed before the data; centre and sd of normal distributions. Times in weeks."""

    shape: tuple[float, float] = (-0.5, 1.0)  # log r: how alike customers are
    rate: tuple[float, float] = (-3.0, 2.0)  # log purchases a week of the average customer
    share: tuple[float, float] = (-1.0, 1.5)  # logit of the mean probability of leaving
    alike: tuple[float, float] = (1.0, 1.0)  # log of the sum of two beta parameters
    kappa: tuple[float, float] = (0.0, 1.0)  # log of a rate for one sd of theta
    drift: tuple[float, float] = (0.0, 0.5)  # log of a rate after the landmark
    gamma: tuple[float, float] = (0.0, 0.5)  # log of a rate after the landmark for one sd of theta
    leave: tuple[float, float] = (0.0, 0.5)  # log odds for one sd of theta
    loading: tuple[float, float] = (0.4, 0.5)  # log of logits for one sd of theta
    answer: tuple[float, float] = (-1.5, 2.0)  # logit
    answer_theta: tuple[float, float] = (0.0, 1.0)  # logit for one sd of theta
    answer_bought: tuple[float, float] = (0.0, 1.0)  # logit for one more of log(1 + purchases)
    first_cut: tuple[float, float] = (-3.0, 2.0)  # logit
    step: tuple[float, float] = (0.3, 1.0)  # log of a distance between cuts, logits
    segment: tuple[float, float] = (0.0, 1.0)  # sd of theta
    answer_segment: tuple[float, float] = (0.0, 1.0)  # logit


@dataclass(frozen=True)
class GrowthData:
    """Customers as the model sees them: unique rows of purchases, unique rows of ratings, and which go together.

    Attributes
    ----------
    x, later : arrays (buying,)
        Repeat purchases in all, and those after the landmark.
    age, recency : arrays (buying, 2)
        Weeks before and after the landmark, of observation and until the last purchase.
    segment : array (rating, segment but the first)
        1 where a row is of a segment.
    answered, bought : arrays (rating,)
        Whether they answered; log(1 + purchases before the landmark).
    counts : array (rating, code)
        Ratings of each code.
    pair : array of int (row, 2)
        Rows of buying and of rating that go together.
    weight : array (row,)
        Customers of each pair.
    segments : tuple of str
    grid : array (point,)
        Values of theta.
    """

    x: np.ndarray
    later: np.ndarray
    age: np.ndarray
    recency: np.ndarray
    segment: np.ndarray
    answered: np.ndarray
    bought: np.ndarray
    counts: np.ndarray
    pair: np.ndarray
    weight: np.ndarray
    segments: tuple[str, ...]
    grid: np.ndarray

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each block of parameters."""
        more = len(self.segments) - 1
        return dict.fromkeys(SCALARS, 1) | {"cuts": self.counts.shape[1] - 1, "segment": more, "answer_segment": more}


def model_data(customers: pd.DataFrame, ratings: np.ndarray, *, least_events: int = LEAST_EVENTS) -> GrowthData:
    """Prepare customers for the model.

    Parameters
    ----------
    customers : DataFrame
        One row a customer: ``x``, ``x_before`` (repeat purchases in all, and until the landmark), ``recency``,
        ``landmark``, ``age`` (weeks since the first purchase), ``segment``.
    ratings : array (customer, code)
        Ratings of each code that a customer gave until the landmark; zeros of those who never answered.
    least_events : int
        Purchases after the landmark below which nothing is claimed.

    Raises
    ------
    ModelError
        All that makes a claim impossible at once: too few later purchases, no customer rated twice, nothing observed
        after a rating, one segment only.
    """
    x, before, recency, landmark, age = (
        customers[name].to_numpy(float) for name in ("x", "x_before", "recency", "landmark", "age")
    )
    later = x - before
    codes, segments = pd.factorize(customers["segment"], sort=True)
    given = ratings.sum(axis=1)
    problems = []
    if (landmark >= age).any():
        value, todo = f"{(landmark >= age).sum()} customers", "ask earlier, or wait for what they do next"
        problems.append(Problem("ratings come after the purchases that they should explain", value=value, todo=todo))
    if later.sum() < least_events:
        allowed, todo = f"{least_events} or more", "wait for more, or look at a longer span"
        found = f"{later.sum():.0f}"
        problems.append(Problem("too few purchases after the rating", value=found, allowed=allowed, todo=todo))
    if not (given > 1).any():
        problems.append(Problem("nobody rated twice: noise is not told from opinion", todo="ask some of them again"))
    if len(segments) < 2:
        todo = "name a column that tells customers apart"
        problems.append(Problem("answering cannot be told from opinion without segments", todo=todo))
    if problems:
        raise ModelError(problems)
    last = np.column_stack([np.minimum(recency, landmark), np.maximum(recency - landmark, 0.0)])
    buying, of_buying = np.unique(
        np.column_stack([x, later, landmark, age - landmark, last]), axis=0, return_inverse=True
    )
    rating, of_rating = np.unique(
        np.column_stack([codes, given > 0, np.log1p(before), ratings]), axis=0, return_inverse=True
    )
    pair, weight = np.unique(np.column_stack([of_buying, of_rating]), axis=0, return_counts=True)
    return GrowthData(
        x=buying[:, 0],
        later=buying[:, 1],
        age=buying[:, 2:4],
        recency=buying[:, 4:6],
        segment=(rating[:, :1] == np.arange(1, len(segments))).astype(float),
        answered=rating[:, 1],
        bought=rating[:, 2],
        counts=rating[:, 3:],
        pair=pair,
        weight=weight.astype(float),
        segments=tuple(map(str, segments)),
        grid=np.arange(-FARTHEST, FARTHEST + STEP / 2, STEP),
    )


def log_likelihood(p: Mapping[str, Any], data: GrowthData, xp: Any) -> Any:
    """Return the log likelihood of parameters by name; `xp` is `autograd.numpy` or `pytensor.tensor`."""
    buying, rating = _of_buying(p, data, xp), _of_rating(p, data, xp)
    most = buying.max(axis=1), rating.max(axis=1)
    of_buying, of_rating = data.pair.T
    both = xp.exp(buying - most[0][:, None])[of_buying] * xp.exp(rating - most[1][:, None])[of_rating]
    each = xp.log(both.sum(axis=1) + _TINY) + most[0][of_buying] + most[1][of_rating]
    return (data.weight * each).sum()


def log_density(data: GrowthData, priors: Priors | None = None) -> importance_sampling.LogDensity:
    """Return the log posterior density of a point (all parameters in the order of `GrowthData.sizes`), with slope."""
    import autograd.numpy as xp
    from autograd import value_and_grad

    centre, sd = _normal(data, priors or Priors())

    def value(point: np.ndarray) -> Any:
        return log_likelihood(_named(point, data), data, xp) - 0.5 * (((point - centre) / sd) ** 2).sum()

    both = value_and_grad(value)

    def found(point: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):  # far points overflow, and are not finite
            return both(point)

    return found


def build_model(data: GrowthData, priors: Priors | None = None) -> pm.Model:
    """State the posterior in PyMC; `fit` draws from the same one."""
    import pymc as pm
    import pytensor.tensor as pt

    centre, sd = (_named(one, data) for one in _normal(data, priors or Priors()))
    coords = {"cut": range(data.sizes["cuts"]), "segment_but_first": data.segments[1:]}
    dims = {"cuts": "cut", "segment": "segment_but_first", "answer_segment": "segment_but_first"}
    with pm.Model(coords=coords) as model:
        p = {name: pm.Normal(name, centre[name], sd[name], dims=dims.get(name)) for name in data.sizes}
        pm.Potential("likelihood", log_likelihood(p, data, pt))
    return model


def fit(
    data: GrowthData,
    *,
    draws: int = 250,
    chains: int = 4,
    seed: int,
    priors: Priors | None = None,
    method: importance_sampling.Method = "auto",
    model: pm.Model | None = None,
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : GrowthData
    draws, chains, seed : int
    priors : Priors, optional
    method : str
        See `cxlab.inference.importance_sampling.sample`; ``nuts`` samples the PyMC model.
    model : pm.Model, optional
        An edited `build_model`, sampled with NUTS.

    Returns
    -------
    xr.DataTree
        ``posterior``: parameters by name; ``sample_stats``; attributes ``method`` and ``khat``, and ``grid_error``: by
        how much (sd over draws) the log likelihood changes with a grid of half the step.
    """
    import xarray as xr

    if model is not None or method == "nuts":
        from cxlab.inference import nuts

        tree = nuts.sample(model or build_model(data, priors), draws=draws, tune=400, chains=chains, seed=seed)
        tree.attrs.update(method="nuts", khat=float("nan"))
    else:
        target, start = log_density(data, priors), _normal(data, priors or Priors())[0]
        found = importance_sampling.sample(
            *(target, start),
            draws=draws,
            chains=chains,
            seed=seed,
            method=method,
            least_ess=_ENOUGH,
            proposals=draws * chains,
            light_tails=True,
        )
        values = _named(found["posterior"]["x"].to_numpy(), data)
        posterior = {n: (("chain", "draw", *([n] if v.ndim > 2 else [])), v) for n, v in values.items()}
        stats = found["sample_stats"].to_dataset()
        tree = xr.DataTree.from_dict({"posterior": xr.Dataset(posterior), "sample_stats": stats})
        tree.attrs.update(found.attrs)
    tree.attrs["grid_error"] = _grid_error(tree["posterior"].to_dataset(), data)
    return tree


def estimands(posterior: xr.Dataset, data: GrowthData) -> xr.Dataset:
    """Return what the parameters mean for one point of the rating (its codes are 1, 2, ...).

    Returns
    -------
    Dataset
        ``rate_ratio``: factor on the rate of buying after the rating, beyond what was bought before it;
        ``association``: factor on the rate of buying of those a point apart, whatever came first; ``mean_rating`` of
        all customers, those who never answered included.
    """
    import xarray as xr

    share = np.bincount(data.pair[:, 1], data.weight, len(data.counts)) / data.weight.sum()
    flat = posterior.stack(sample=("chain", "draw"))
    means, slopes = [], []
    for i in range(flat.sizes["sample"]):
        draw = flat.isel(sample=i)
        p = {name: draw[name].to_numpy() for name in ("cuts", "loading", "segment")}
        mass = share @ np.exp(-0.5 * (data.grid - (data.segment @ p["segment"])[:, None]) ** 2)
        mass /= mass.sum()
        above = 1 - _below(p, data, np)
        load = np.exp(p["loading"])
        means.append(1 + mass @ above.sum(axis=1))
        slopes.append(load * (mass @ (above * (1 - above)).sum(axis=1)))
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    slope = xr.DataArray(np.reshape(slopes, shape), dims=("chain", "draw"))
    mean = xr.DataArray(np.reshape(means, shape), dims=("chain", "draw"))
    ratio, together = np.exp(posterior["gamma"] / slope), np.exp(posterior["kappa"] / slope)
    return xr.Dataset({"rate_ratio": ratio, "association": together, "mean_rating": mean})


def _of_buying(p: Mapping[str, Any], data: GrowthData, xp: Any) -> Any:
    """Log likelihood of repeat purchases (buying, point of the grid), up to a constant."""
    theta, x, j = data.grid, data.x[:, None], np.arange(max(data.x.max(), 1.0))
    r, size = xp.exp(p["shape"]), xp.exp(p["alike"])
    share = 1 / (1 + xp.exp(-p["share"]))
    alpha = xp.exp(p["shape"] - p["rate"] - p["kappa"] * theta)
    a, b = size * share * xp.exp(-p["leave"] * theta), size * (1 - share)
    faster = p["drift"] + p["gamma"] * theta
    age, recency = (alpha + t[:, :1] + xp.exp(faster) * t[:, 1:] for t in (data.age, data.recency))
    steps = (j < x).astype(float)
    stays = xp.log(b + j)[:, None] - xp.log(a + b + j[:, None])
    ratio = xp.log(age) - xp.log(recency)
    left = (x > 0) * a / (b + np.maximum(x, 1.0) - 1) * xp.exp((r + x) * ratio)
    bought = steps @ (xp.log(r + j)[:, None] + stays) + r * xp.log(alpha) - (r + x) * xp.log(age)
    return bought + data.later[:, None] * faster + xp.log1p(left)


def _of_rating(p: Mapping[str, Any], data: GrowthData, xp: Any) -> Any:
    """Log of prior, answering and ratings (rating, point of the grid)."""
    theta = data.grid
    away = theta - xp.dot(data.segment, p["segment"])[:, None]
    logit = p["answer"] + xp.dot(data.segment, p["answer_segment"]) + p["answer_bought"] * data.bought
    logit = logit[:, None] + p["answer_theta"] * theta
    answers = data.answered[:, None] * logit - xp.log(1 + xp.exp(logit))
    below = _below(p, data, xp)
    edge = np.zeros((len(theta), 1))
    each = xp.concatenate([below, edge + 1], axis=1) - xp.concatenate([edge, below], axis=1)
    return -0.5 * away**2 + answers + xp.dot(data.counts, xp.log(each + _TINY).T)


def _below(p: Mapping[str, Any], data: GrowthData, xp: Any) -> Any:
    """Probability of a rating at or below each cut (point of the grid, cut)."""
    cuts = p["cuts"][0] + xp.concatenate([np.zeros(1), xp.cumsum(xp.exp(p["cuts"][1:]))])
    return 1 / (1 + xp.exp(xp.exp(p["loading"]) * data.grid[:, None] - cuts))


def _named(point: np.ndarray, data: GrowthData) -> dict[str, Any]:
    """Parameters by name, of points (..., coordinate)."""
    named, at = {}, 0
    for name, size in data.sizes.items():
        named[name] = point[..., at] if name in SCALARS else point[..., at : at + size]
        at += size
    return named


def _normal(data: GrowthData, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Centre and sd of all coordinates."""
    sizes = data.sizes
    pairs = [getattr(priors, name) for name in SCALARS] + [priors.first_cut] + [priors.step] * (sizes["cuts"] - 1)
    pairs += [priors.segment] * sizes["segment"] + [priors.answer_segment] * sizes["answer_segment"]
    centre, sd = np.array(pairs, float).T
    return centre, sd


def _grid_error(posterior: xr.Dataset, data: GrowthData) -> float:
    """By how much the log likelihood of 20 draws changes with half the step; sd over the draws."""
    half = replace(data, grid=np.arange(-FARTHEST, FARTHEST + STEP / 4, STEP / 2))
    flat = posterior.stack(sample=("chain", "draw"))
    some = [flat.isel(sample=i) for i in np.linspace(0, flat.sizes["sample"] - 1, 20).astype(int)]
    points = [{name: draw[name].to_numpy() for name in data.sizes} for draw in some]
    return float(np.std([log_likelihood(p, half, np) - log_likelihood(p, data, np) for p in points]))
