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
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import expit

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference import importance_sampling

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

EDGES: Final = (0, 1, 2, 4, 8, 13, 26, 52)  # weeks at which a step of the baseline begins; the last one ends it
STEPS: Final = len(EDGES) - 1
HORIZON: Final = 13  # weeks of what is reported: 91 days
MANY: Final = 6  # levels from which on a feature's effects share a spread that is learned
NOTHING: Final = ""  # level of those for whom a feature is not (yet) known
_KINDS: Final = 60  # customers over whom effects are averaged, evenly from all
_LATEST: Final = 4  # week from which at the latest something that happened is taken to be known, in what is reported
_GRID: Final = np.exp(np.linspace(np.log(0.03), np.log(1.6), 9))
_DEGREES: Final = 20.0  # of freedom of the proposal
_PROPOSALS: Final = 2000
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
    """Customer-weeks at risk, summed by what was known in them.

    Attributes
    ----------
    levels : dict of str to tuple of str
        Levels of each feature; those without one (`NOTHING`) have no effect.
    cells : DataFrame
        ``bin`` (step of the base), the place of each feature's level (-1 where nothing is known), ``at_risk`` and
        ``bought``: customer-weeks, and second purchases in them.
    mix : array of int (kind, feature)
        Customers, evenly from all of them, by the levels known in the end.
    begins : dict of str to array
        For each feature, the week from which each level usually holds: 0 for what is known at the first purchase.
    n : dict of str to array of int
        Customers of each level.
    """

    levels: dict[str, tuple[str, ...]]
    cells: pd.DataFrame
    mix: np.ndarray
    begins: dict[str, np.ndarray]
    n: dict[str, np.ndarray]

    @property
    def names(self) -> list[str]:
        """Names of the effects: feature=level."""
        return [f"{f}={v}" for f, known in self.levels.items() for v in known]

    @property
    def learned(self) -> np.ndarray:
        """Which effects share a spread that is learned, (level,)."""
        return np.array([len(known) >= MANY for known in self.levels.values() for _ in known], bool)

    @property
    def design(self) -> np.ndarray:
        """The design (cell, parameter): the step of the base, then one column a level."""
        parts = [np.eye(STEPS)[self.cells["bin"]]]
        for name, known in self.levels.items():
            parts.append((self.cells[name].to_numpy()[:, None] == np.arange(len(known))).astype(float))
        return np.hstack(parts)

    @property
    def places(self) -> dict[str, slice]:
        """Where each feature's effects stand among all effects."""
        ends = list(accumulate(map(len, self.levels.values()), initial=0))
        return {name: slice(a, b) for name, a, b in zip(self.levels, ends, ends[1:], strict=False)}


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
    problems = [
        Problem("the spells lack a column", value=c, nearest=nearest(c, list(map(str, spells.columns))))
        for c in ("weeks", "bought", *features, *begin.values())
        if c not in spells
    ]
    if spells.empty:
        problems.append(Problem("there is no first purchase", todo="give purchases of known customers, with dates"))
    elif "weeks" in spells and (spells["weeks"] < 0).any():
        problems.append(Problem("a second purchase before the first", where="weeks", value=str(spells["weeks"].min())))
    if problems:
        raise ModelError(problems)
    weeks = spells["weeks"].to_numpy(int).clip(max=EDGES[-1])
    bought = spells["bought"].to_numpy(bool) & (weeks < EDGES[-1])
    if not bought.any():
        value = f"{len(spells)} customers"
        raise ModelError(Problem("nobody has bought a second time", value=value, todo="wait until some have"))
    length = weeks + bought
    who = np.repeat(np.arange(len(weeks)), length)
    week = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
    cells = {"bin": np.searchsorted(EDGES, week, side="right") - 1}
    levels, begins, n, code = {}, {}, {}, np.empty((len(spells), 0), int)
    for name in features:
        known = tuple(sorted(map(str, set(spells[name].dropna()) - {NOTHING})))
        place = spells[name].map({v: i for i, v in enumerate(known)}).fillna(-1).to_numpy(int)
        start: np.ndarray = np.zeros(len(spells))
        if name in begin:
            start = spells[begin[name]].astype(float).fillna(np.inf).to_numpy()
        place = np.where(start > np.maximum(length - 1, 0), -1, place)  # never known while one was awaited
        cells[name] = np.where(start[who] <= week, place[who], -1)
        levels[name], n[name] = known, np.bincount(place[place >= 0], minlength=len(known))
        usual = [np.median(start[place == i]) if (place == i).any() else 0.0 for i in range(len(known))]
        begins[name], code = np.minimum(usual, _LATEST), np.column_stack([code, place])
    table = pd.DataFrame(cells).assign(at_risk=1.0, bought=(bought[who] & (week == weeks[who])).astype(float))
    order = np.lexsort(code.T) if code.size else np.arange(len(code))
    kinds = code[order[np.linspace(0, len(order) - 1, min(len(order), _KINDS)).astype(int)]]
    return SecondData(levels, table.groupby(list(cells), as_index=False).sum(), kinds, begins, n)


@dataclass(frozen=True)
class Hazard:
    """A logistic regression of customer-weeks with a normal prior: the density of base and effects given sd.

    Attributes
    ----------
    x : array (cell, parameter)
    at_risk, bought : array (cell,)
    centre : array (parameter,)
    precision : array (parameter, parameter)
        Of the prior.
    """

    x: np.ndarray
    at_risk: np.ndarray
    bought: np.ndarray
    centre: np.ndarray
    precision: np.ndarray

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return the log densities of points (point, parameter), up to a constant that is the same for every sd."""
        off = points - self.centre
        out = 0.5 * np.linalg.slogdet(self.precision)[1] - 0.5 * ((off @ self.precision) * off).sum(axis=1)
        step = max(1, _CHUNK // max(len(self.x), 1))
        for begin in range(0, len(points), step):
            eta = points[begin : begin + step] @ self.x.T
            out[begin : begin + step] += eta @ self.bought - np.logaddexp(0, eta) @ self.at_risk
        return np.asarray(out)

    def gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its slope."""
        pull = self.precision @ (point - self.centre)
        slope = (self.bought - self.at_risk * expit(self.x @ point)) @ self.x - pull
        return float(self.values(point[None])[0]), slope

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Return the second derivatives."""
        p = expit(self.x @ point)
        return np.asarray(-(self.x.T * (self.at_risk * p * (1 - p))) @ self.x - self.precision)


def target(data: SecondData, sd: float, priors: Priors | None = None) -> Hazard:
    """Return the log posterior density of base and effects given sd."""
    prior = priors or Priors()
    effects = np.where(data.learned, sd, prior.few)
    steps = np.eye(STEPS) - np.eye(STEPS, k=-1)
    scale = np.r_[prior.first[1], np.full(STEPS - 1, prior.walk)]
    precision = np.zeros((STEPS + len(effects),) * 2)
    precision[:STEPS, :STEPS] = steps.T @ np.diag(1 / scale**2) @ steps
    precision[STEPS:, STEPS:] = np.diag(1 / effects**2)
    centre = np.r_[np.full(STEPS, prior.first[0]), np.zeros(len(effects))]
    at_risk, bought = (data.cells[c].to_numpy(float) for c in ("at_risk", "bought"))
    return Hazard(data.design, at_risk, bought, centre, precision)


def build_model(data: SecondData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `fit` draws from the same posterior through a grid of sd."""
    import pymc as pm
    import pytensor.tensor as pt

    prior = priors or Priors()
    with pm.Model(coords={"bin": list(EDGES[:-1]), "level": data.names}) as model:
        walk = pm.Normal("walk", 0.0, prior.walk, shape=STEPS - 1)
        base = pt.concatenate([[pm.Normal("first", *prior.first)], walk]).cumsum()
        spread = pm.HalfNormal("sd", prior.many) if data.learned.any() else 1.0
        effect = pm.Normal("effect", 0.0, pt.where(data.learned, spread, prior.few), dims="level")
        logit = pt.dot(data.design, pt.concatenate([base, effect]))
        at_risk, bought = (data.cells[c].to_numpy(int) for c in ("at_risk", "bought"))
        pm.Binomial("bought", at_risk, logit_p=logit, observed=bought)
    return model


def fit(data: SecondData, *, draws: int = 250, chains: int = 4, seed: int, priors: Priors | None = None) -> xr.DataTree:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        ``posterior`` with ``base`` (chain, draw, bin), ``effect`` (chain, draw, level) and ``sd`` (chain, draw);
        ``sample_stats``; attributes ``method`` (importance; nuts at the likeliest sd where the weights cannot be
        trusted), ``khat`` and ``ess``.
    """
    import xarray as xr

    prior = priors or Priors()
    grid = _GRID if data.learned.any() else np.array([1.0])
    targets = [target(data, float(sd), prior) for sd in grid]
    modes: list[tuple[np.ndarray, np.ndarray]] = []
    for at in targets:
        start = modes[-1][0] if modes else at.centre
        modes.append(importance_sampling.find_map(at.gradient, start, hessian=at.hessian))
    belief = np.log(grid) - 0.5 * (grid / prior.many) ** 2 if len(grid) > 1 else np.zeros(1)
    volume = np.array([np.linalg.slogdet(factor)[1] for _, factor in modes])
    evidence = belief + volume + [at.values(point[None])[0] for at, (point, _) in zip(targets, modes, strict=True)]
    mass = np.exp(evidence - evidence.max())
    mass = 0.98 * mass / mass.sum() + 0.02 / len(grid)
    random = np.random.default_rng([seed, 14])
    m, d = max(_PROPOSALS, 2 * draws * chains), len(targets[0].centre)
    which = np.searchsorted(np.cumsum(mass), (np.arange(m) + 0.5) / m).clip(max=len(grid) - 1)
    normal, stretch = random.standard_normal((m, d)), random.chisquare(_DEGREES, m) / _DEGREES
    points, weight = np.empty((m, d)), 0.5 * (_DEGREES + d) * np.log1p((normal**2).sum(axis=1) / stretch / _DEGREES)
    for i, (point, factor) in enumerate(modes):
        own = which == i
        points[own] = point + (normal[own] / np.sqrt(stretch[own])[:, None]) @ factor.T
        weight[own] += targets[i].values(points[own]) + belief[i] + volume[i] - np.log(mass[i])
    weights, chosen, khat = importance_sampling.resampled(
        np.where(np.isfinite(weight), weight, -np.inf), wanted=draws * chains, random=random
    )
    ess = 1 / float((weights**2).sum())
    diverging, method = np.zeros((chains, draws), bool), "importance"
    values, sd = points[chosen].reshape(chains, draws, d), grid[which[chosen]].reshape(chains, draws)
    if not khat < importance_sampling.KHAT or ess < importance_sampling.LEAST_ESS / 4 * m:
        best, method = int(mass.argmax()), "nuts"
        tree = importance_sampling.sample(
            targets[best].gradient, modes[best][0], draws=draws, chains=chains, seed=seed, method="nuts"
        )
        values, diverging = tree["posterior"]["x"].to_numpy(), tree["sample_stats"]["diverging"].to_numpy()
        sd = np.full((chains, draws), grid[best])
    dims = ("chain", "draw")
    drawn = {"base": ((*dims, "bin"), values[..., :STEPS]), "effect": ((*dims, "level"), values[..., STEPS:])}
    coords = {"bin": list(EDGES[:-1]), "level": data.names}
    posterior = xr.Dataset({**drawn, "sd": (dims, sd)}, coords=coords)
    stats = xr.Dataset({"diverging": (dims, diverging)})
    out = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    out.attrs.update(method=method, khat=khat, ess=ess, seed=seed)
    return out


def estimands(posterior: xr.Dataset, data: SecondData, *, weeks: int = HORIZON) -> xr.Dataset:
    """Return how probable a second purchase within the weeks is, by level, and against the others.

    Averaged over the kinds of customers that there are, every other feature as it is; what happens after the first
    purchase counts from the week in which it usually does.

    Returns
    -------
    Dataset
        ``again`` (draw): of all customers. ``second_purchase`` (draw, row): of a level; ``second_purchase_over``: minus
        that of the other levels, weighted by their customers (of a feature with one level: of those without it).
        Coords of `row`: ``feature``, ``level``, ``n``.
    """
    import xarray as xr

    n = posterior.sizes["chain"] * posterior.sizes["draw"]
    base, effect = (posterior[k].to_numpy().reshape(n, m) for k, m in (("base", STEPS), ("effect", len(data.names))))
    week = np.arange(weeks)
    bins = np.searchsorted(EDGES, week, side="right") - 1
    late = np.unique(np.concatenate([[0.0], *data.begins.values()]))
    alike = np.stack([bins, *(t <= week for t in late)])  # weeks in which the same holds count together
    _, first, size = np.unique(alike, axis=1, return_index=True, return_counts=True)

    def own(j: int, name: str) -> np.ndarray:
        """What the feature adds to the logits of each kind of customer, (draw, kind, week)."""
        code = data.mix[:, j]
        added = np.where(code >= 0, effect[:, data.places[name]][:, code], 0.0)
        starts = np.where(code >= 0, data.begins[name][code], np.inf)
        return added[..., None] * (starts[:, None] <= first)

    def chance(logits: np.ndarray) -> np.ndarray:
        return np.asarray(-np.expm1(-np.logaddexp(0, logits) @ size).mean(axis=1))

    added = {name: own(j, name) for j, name in enumerate(data.levels)}
    whole = base[:, None, bins[first]] + sum(added.values(), np.zeros((1, len(data.mix), 1)))
    rows, each, over = [], [], []
    for name, known in data.levels.items():
        rest, n = whole - added[name], data.n[name].astype(float) + 1e-9
        effects, starts = effect[:, data.places[name]], data.begins[name]
        values = [chance(rest + effects[:, i, None, None] * (starts[i] <= first)) for i in range(len(known))]
        each += values
        total = sum(n[i] * v for i, v in enumerate(values))
        over += [
            v - (total - n[i] * v) / (n.sum() - n[i]) if len(known) > 1 else v - chance(rest)
            for i, v in enumerate(values)
        ]
        rows += [(name, level, int(size)) for level, size in zip(known, data.n[name], strict=True)]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    coords = {c: ("row", list(v)) for c, v in zip(("feature", "level", "n"), columns, strict=True)}
    stacked = (np.column_stack(v) if v else np.empty((len(base), 0)) for v in (each, over))
    drawn = {k: (("draw", "row"), v) for k, v in zip(("second_purchase", "second_purchase_over"), stacked, strict=True)}
    return xr.Dataset({"again": ("draw", chance(whole)), **drawn}, coords=coords)
