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
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import expit

from cxlab import density
from cxlab.errors import ModelError, Problem, nearest

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "second"
EDGES: Final = (0, 1, 2, 4, 8, 13, 26, 52)  # weeks at which a step of the baseline begins; the last one ends it
HORIZON: Final = 13  # weeks of what is reported: 91 days
MANY: Final = 6  # levels from which on a feature's effects share a spread that is learned
NOTHING: Final = ""  # level of those for whom a feature is not (yet) known
_GRID: Final = np.exp(np.linspace(np.log(0.03), np.log(1.6), 9))
_DEGREES: Final = 20.0  # of freedom of the proposal
_PROPOSALS: Final = 2000
_KINDS: Final = 60  # customers over whom effects are averaged, evenly from all
_LATEST: Final = 4  # week from which at the latest something that happened is taken to be known, in what is reported
_CHUNK: Final = 4_000_000


@dataclass(frozen=True)
class Priors:
    """What is believed before the data, on the logit scale."""

    first: tuple[float, float] = (-3.0, 2.0)  # centre and sd of the first week's base, logits
    walk: float = 1.0  # sd of the difference between neighbouring steps of the base, logits
    many: float = 0.5  # sd of the half-normal of the spread of a feature of many levels, logits
    few: float = 0.7  # sd of the effect of a level of a feature of few levels, logits


@dataclass(frozen=True)
class SecondData:
    """Customer-weeks at risk.

    Attributes
    ----------
    features : tuple of str
    levels : tuple of tuple of str
        Levels of each feature; those without one (`NOTHING`) have no effect.
    bins : array of int (cell,)
        Step of the base.
    codes : array of int (cell, feature)
        Place of the level, -1 where nothing is known.
    at_risk, bought : array (cell,)
        Customer-weeks, and second purchases in them.
    mix : array of int (kind, feature)
        Customers, evenly from all of them, by the levels known in the end.
    begins : tuple of array
        For each feature, the week from which each level usually holds: 0 for what is known at the first purchase.
    n : tuple of array of int
        Customers of each level.
    customers, again : int
        Spells, and those of them that ended with a second purchase within the steps of the base.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    bins: np.ndarray
    codes: np.ndarray
    at_risk: np.ndarray
    bought: np.ndarray
    mix: np.ndarray
    begins: tuple[np.ndarray, ...]
    n: tuple[np.ndarray, ...]
    customers: int
    again: int

    @property
    def steps(self) -> int:
        """Steps of the base."""
        return len(EDGES) - 1

    @property
    def places(self) -> tuple[slice, ...]:
        """Where each feature's effects stand among the parameters."""
        ends = np.cumsum([self.steps, *map(len, self.levels)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def size(self) -> int:
        """Number of parameters, sd apart."""
        return self.steps + sum(map(len, self.levels))


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
    begin = dict(since or {})
    wanted = ["weeks", "bought", *features, *begin.values()]
    problems = [
        Problem("the spells lack a column", value=c, nearest=nearest(c, list(map(str, spells.columns))))
        for c in wanted
        if c not in spells
    ]
    if spells.empty:
        problems.append(Problem("there is no first purchase", todo="give purchases of known customers, with dates"))
    elif "weeks" in spells and (spells["weeks"] < 0).any():
        problems.append(Problem("a second purchase before the first", where="weeks", value=str(spells["weeks"].min())))
    if problems:
        raise ModelError(problems)
    last = EDGES[-1]
    weeks = np.minimum(spells["weeks"].to_numpy(int), last)
    bought = spells["bought"].to_numpy(bool) & (spells["weeks"].to_numpy(int) < last)
    if not bought.any():
        raise ModelError(
            Problem("nobody has bought a second time", value=f"{len(spells)} customers", todo="wait until some have")
        )
    levels, place = [], []
    for name in features:
        text = spells[name].astype("string").fillna(NOTHING)
        known = tuple(sorted(str(v) for v in text.unique() if v != NOTHING))
        levels.append(known)
        place.append(text.map({v: i for i, v in enumerate(known)}).fillna(-1).to_numpy(int))
    code = np.column_stack([*place, np.empty((len(spells), 0), int)]).reshape(len(spells), len(features))
    starts = np.zeros(code.shape)
    for j, name in enumerate(features):
        if name in begin:
            starts[:, j] = spells[begin[name]].astype(float).fillna(np.inf)
    code[starts > np.maximum(weeks + bought - 1, 0)[:, None]] = -1  # never known while a second purchase was awaited
    bins, codes, at_risk, events = _cells(weeks, bought, code, starts, [len(v) for v in levels])
    order = np.lexsort(code.T) if code.size else np.arange(len(code))
    kinds = code[order[np.linspace(0, len(order) - 1, min(len(order), _KINDS)).astype(int)]]
    usual = tuple(
        np.array([_usual(starts[code[:, j] == i, j]) for i in range(len(known))]) for j, known in enumerate(levels)
    )
    n = tuple(np.bincount(code[code[:, j] >= 0, j], minlength=len(known)) for j, known in enumerate(levels))
    return SecondData(
        tuple(features), tuple(levels), bins, codes, at_risk, events, kinds, usual, n, len(spells), int(bought.sum()),
    )  # fmt: skip


def build_model(data: SecondData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through a grid of sd."""
    import pymc as pm
    import pytensor.tensor as pt

    prior = priors or Priors()
    names = [f"{f}={v}" for f, known in zip(data.features, data.levels, strict=True) for v in known]
    with pm.Model(coords={"bin": list(EDGES[:-1]), "level": names}) as model:
        walk = pm.Normal("walk", 0.0, prior.walk, shape=data.steps - 1)
        base = pt.concatenate([[pm.Normal("first", *prior.first)], walk]).cumsum()
        spread = pm.HalfNormal("sd", prior.many) if learned(data).any() else 1.0
        sd = pt.where(learned(data), spread, prior.few)
        effect = pm.Normal("effect", 0.0, sd, dims="level")
        x = design(data)
        logit = pt.dot(x[:, : data.steps], base) + pt.dot(x[:, data.steps :], effect)
        pm.Binomial("bought", data.at_risk.astype(int), logit_p=logit, observed=data.bought.astype(int))
    return model


def learned(data: SecondData) -> np.ndarray:
    """Return which effects share a spread that is learned, (level,)."""
    return np.concatenate([np.full(len(known), len(known) >= MANY) for known in data.levels] or [np.zeros(0, bool)])


def design(data: SecondData) -> np.ndarray:
    """Return the design (cell, parameter): the step of the base, then one column a level."""
    parts = [np.eye(data.steps)[data.bins]]
    for j, known in enumerate(data.levels):
        parts.append((data.codes[:, [j]] == np.arange(len(known))).astype(float))
    return np.hstack(parts)


def log_density(data: SecondData, sd: float, priors: Priors | None = None) -> density.LogDensity:
    """Return the log posterior density of base and effects given sd, up to a constant that does not depend on sd."""
    x, precision, centre = _fixed(data, sd, priors or Priors())
    at_risk, bought = data.at_risk, data.bought
    constant = 0.5 * float(np.linalg.slogdet(precision)[1])

    def both(point: np.ndarray) -> tuple[float, np.ndarray]:
        eta = x @ point
        off = point - centre
        pull = precision @ off
        value = bought @ eta - at_risk @ np.logaddexp(0, eta) - 0.5 * off @ pull + constant
        return float(value), (bought - at_risk * expit(eta)) @ x - pull

    return both


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
    modes, evidence = _modes(data, grid, prior)
    belief = np.log(grid) - 0.5 * (grid / prior.many) ** 2 if len(grid) > 1 else np.zeros(1)
    mass = np.exp(evidence + belief - (evidence + belief).max())
    mass = 0.98 * mass / mass.sum() + 0.02 / len(grid)
    m, d = max(_PROPOSALS, 2 * draws * chains), data.size
    which = np.searchsorted(np.cumsum(mass), (np.arange(m) + 0.5) / m).clip(max=len(grid) - 1)
    normal = random.standard_normal((m, d))
    stretch = random.chisquare(_DEGREES, m) / _DEGREES
    points, weight = np.empty((m, d)), np.empty(m)
    for i, (point, factor) in enumerate(modes):
        own = which == i
        points[own] = point + (normal[own] / np.sqrt(stretch[own])[:, None]) @ factor.T
        weight[own] = _many(data, float(grid[i]), prior, points[own]) + belief[i] - np.log(mass[i])
        weight[own] += np.linalg.slogdet(factor)[1]
    weight += 0.5 * (_DEGREES + d) * np.log1p((normal**2).sum(axis=1) / stretch / _DEGREES)
    weights, chosen, khat = density.resampled(
        np.where(np.isfinite(weight), weight, -np.inf), wanted=draws * chains, random=random
    )
    diverging = np.zeros((chains, draws), bool)
    method, sd = "importance", grid[which[chosen]].reshape(chains, draws)
    values = points[chosen].reshape(chains, draws, d)
    if not khat < density.KHAT or 1 / float((weights**2).sum()) < density.LEAST_ESS / 4 * m:
        best = int(mass.argmax())
        tree = density.sample(
            log_density(data, float(grid[best]), prior), modes[best][0], draws=draws, chains=chains, seed=seed,
            method="nuts",
        )  # fmt: skip
        values, diverging = tree["posterior"]["x"].to_numpy(), tree["sample_stats"]["diverging"].to_numpy()
        method, sd = "nuts", np.full((chains, draws), grid[best])
    names = [f"{f}={v}" for f, known in zip(data.features, data.levels, strict=True) for v in known]
    out = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "base": (("chain", "draw", "bin"), values[..., : data.steps]),
                    "effect": (("chain", "draw", "level"), values[..., data.steps :]),
                    "sd": (("chain", "draw"), sd),
                },
                coords={"bin": list(EDGES[:-1]), "level": names},
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
    week = np.arange(weeks)
    bins = np.searchsorted(EDGES, week, side="right") - 1
    usual = np.column_stack([_at(data.begins[j], data.mix[:, j]) for j in range(len(data.features))] or [data.mix])
    own = [_at_level(effect[:, p.start - data.steps : p.stop - data.steps], data.mix[:, j])
           for j, p in enumerate(data.places)]  # fmt: skip

    def chance(feature: int = -1, level: int = -1) -> np.ndarray:
        """P(second purchase) of all kinds of customers, a feature set to a level (or to nothing)."""
        stay = np.zeros((len(base), len(data.mix)))
        for w in week:
            eta = np.repeat(base[:, [bins[w]]], len(data.mix), axis=1)
            for j, values in enumerate(own):
                if j != feature:
                    eta = eta + values * (usual[:, j] <= w)
                elif level >= 0 and data.begins[j][level] <= w:
                    eta = eta + effect[:, [data.places[j].start - data.steps + level]]
            stay -= np.logaddexp(0, eta)
        return np.asarray(-np.expm1(stay).mean(axis=1))

    rows, values, over = [], [], []
    for j, known in enumerate(data.levels):
        each = [chance(j, i) for i in range(len(known))]
        none = data.customers - int(data.n[j].sum())
        for i, name in enumerate(known):
            others = [(chances, float(data.n[j][k])) for k, chances in enumerate(each) if k != i]
            if not others:  # against those of whom nothing is known
                others = [(chance(j, -1), float(max(none, 1)))]
            weight = np.array([w for _, w in others]) + 1e-9
            mean = np.column_stack([v for v, _ in others]) @ (weight / weight.sum())
            rows.append((data.features[j], name, int(data.n[j][i])))
            values.append(each[i])
            over.append(each[i] - mean)
    shape = (chains, draws, len(rows))
    table = pd.DataFrame(rows, columns=["feature", "level", "n"])
    stacked = [np.column_stack(v) if v else np.empty((chains * draws, 0)) for v in (values, over)]
    return xr.Dataset(
        {
            "again": (("chain", "draw"), chance().reshape(chains, draws)),
            "second_purchase": (("chain", "draw", "row"), stacked[0].reshape(shape)),
            "second_purchase_over_others": (("chain", "draw", "row"), stacked[1].reshape(shape)),
        },
        coords={c: ("row", table[c].to_numpy()) for c in table.columns},
    )


def _cells(
    weeks: np.ndarray, bought: np.ndarray, code: np.ndarray, starts: np.ndarray, sizes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sum customer-weeks by step of the base and by what was known in them."""
    length = weeks + bought
    who = np.repeat(np.arange(len(weeks)), length)
    week = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
    bins = np.searchsorted(EDGES, week, side="right") - 1
    key = bins.astype(np.int64)
    for j, size in enumerate(sizes):
        now = np.where(starts[who, j] <= week, code[who, j], -1)
        key = key * (size + 1) + now + 1
    event = bought[who] & (week == weeks[who])
    met, place = np.unique(key, return_inverse=True)
    codes = np.empty((len(met), len(sizes)), int)
    rest = met
    for j in range(len(sizes) - 1, -1, -1):
        codes[:, j] = rest % (sizes[j] + 1) - 1
        rest = rest // (sizes[j] + 1)
    at_risk = np.bincount(place, minlength=len(met)).astype(float)
    return rest.astype(int), codes, at_risk, np.bincount(place, event, len(met))


def _fixed(data: SecondData, sd: float, prior: Priors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design, precision and centre of the prior given sd."""
    walk = np.eye(data.steps) - np.eye(data.steps, k=-1)
    scale = np.r_[prior.first[1], np.full(data.steps - 1, prior.walk)]
    precision = np.zeros((data.size, data.size))
    precision[: data.steps, : data.steps] = walk.T @ np.diag(1 / scale**2) @ walk
    each = np.where(learned(data), sd, prior.few)
    precision[data.steps :, data.steps :] = np.diag(1 / each**2)
    return design(data), precision, np.r_[np.full(data.steps, prior.first[0]), np.zeros(len(each))]


def _modes(data: SecondData, grid: np.ndarray, prior: Priors) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Mode and factor of the curvature for each sd, and the log evidence by Laplace."""
    point = np.r_[np.full(data.steps, prior.first[0]), np.zeros(data.size - data.steps)]
    found, evidence = [], np.empty(len(grid))
    for i, sd in enumerate(grid):
        x, precision, _ = _fixed(data, float(sd), prior)

        def hessian(at: np.ndarray, x: np.ndarray = x, precision: np.ndarray = precision) -> np.ndarray:
            p = expit(x @ at)
            return -(x.T * (data.at_risk * p * (1 - p))) @ x - precision

        target = log_density(data, float(sd), prior)
        point, factor = density.mode(target, point, hessian=hessian)
        found.append((point, factor))
        evidence[i] = target(point)[0] + np.linalg.slogdet(factor)[1]
    return found, evidence


def _many(data: SecondData, sd: float, prior: Priors, points: np.ndarray) -> np.ndarray:
    """Log densities of points (m, parameter)."""
    x, precision, centre = _fixed(data, sd, prior)
    off = points - centre
    out = 0.5 * float(np.linalg.slogdet(precision)[1]) - 0.5 * np.einsum("mi,ij,mj->m", off, precision, off)
    step = max(1, _CHUNK // max(len(x), 1))
    for begin in range(0, len(points), step):
        here = slice(begin, begin + step)
        eta = points[here] @ x.T
        out[here] += eta @ data.bought - np.logaddexp(0, eta) @ data.at_risk
    return out


def _usual(starts: np.ndarray) -> float:
    """Week from which a level usually holds."""
    return float(min(np.median(starts), _LATEST)) if len(starts) else 0.0


def _at(values: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Values by level, 0 where there is none."""
    return np.where(code >= 0, np.append(values, 0.0)[code], 0.0)


def _at_level(effect: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Effects (draw, kind) by level, 0 where there is none."""
    return np.where(code >= 0, np.c_[effect, np.zeros(len(effect))][:, code], 0.0)
