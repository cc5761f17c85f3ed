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
random). *Not used* is a state with its own effect: no rating is ever made up for it. `direction_a` is 1 unless straight
lines say the opposite beyond doubt.

Which shape of curves predicts best is judged by leave-one-out at the mode: without a respondent it moves by about one
Newton step, so each left-out score follows from their gradient and the curvature (infinitesimal jackknife).

Assumptions: respondents are independent given their ratings; effects add up on the latent scale; a better code never
makes things worse (monotone). What it cannot say: that a rating causes the outcome; how ratings would move together if
one were improved; anything of those who did not answer.

References
----------
Zhang, Naughton, Bondell and Reich (2022), The R2-D2 prior, doi:10.1080/01621459.2020.1825449.
Buerkner and Charpentier (2020), Modelling monotonic effects of ordinal predictors, doi:10.1111/bmsp.12195.
Giordano, Stephenson, Liu, Jordan and Broderick (2019), A Swiss army infinitesimal jackknife,
doi:10.48550/arXiv.1806.00550.
Rubin (1981), The Bayesian bootstrap, doi:10.1214/aos/1176345338.
McKelvey and Zavoina (1975), A statistical model for ordinal dependent variables, doi:10.1080/0022250X.1975.9989847.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cxlab.drivers import imputation, likelihood, sampler
from cxlab.drivers.data import BLANK, DriverData, Kind, model_data
from cxlab.drivers.imputation import Copula
from cxlab.drivers.likelihood import Rows, as_they_are, completed, design, directed, moments, standardised, user_share
from cxlab.drivers.parameters import Layout, Prior, Priors, Shape
from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr

COMPARED_ROWS: Final = 4000  # respondents on whom shapes are compared ..
COMPARED_TIMES: Final = 8  # .. with so many imputations of their blanks
CLEARLY: Final = 2.0  # standard errors by which straight lines must be better than monotone curves ..
LEAST: Final = 4.0  # .. and log units: smaller differences are not to be trusted however small their error
WORLDS: Final = 40  # completed data sets, each with its own weights of the respondents
MOST_BLANK: Final = 0.5  # part of the respondents who may have left an attribute blank: of more nothing is told
MUCH_BLANK: Final = 0.2  # from which what fills the blanks is uncertain, too: ..
COPULAS: Final = 3  # .. so many fits of it, whose draws take turns
TIMES: Final = 20  # imputations of a row with blanks that is predicted
CELLS: Final = 4_000_000  # numbers held at once
Monotone = Literal["auto", "yes", "linear", "free"]
SHAPES: Final[dict[str, Shape]] = {"yes": "monotone", "linear": "linear", "free": "free"}


def fit(
    data: DriverData,
    *,
    priors: Priors | None = None,
    seed: int = 1,
    draws: int = 1000,
    chains: int = 4,
    monotone: Monotone = "auto",
    effort: int = 1,
) -> xr.DataTree:
    """Draw from the posterior.

    Parameters
    ----------
    data : DriverData
        From `cxlab.drivers.data.model_data`.
    priors : Priors, optional
        By default ``Priors()``.
    seed, draws, chains : int
        Of the draws kept.
    monotone : str
        ``yes`` rising curves, ``linear`` straight lines, ``free`` any curves, ``auto`` rising ones unless straight
        lines predict clearly better.
    effort : int
        Multiplies the steps of the sampler.

    Returns
    -------
    xr.DataTree
        ``posterior``: ``level_effect``, ``level_share`` (chain, draw, attribute, level; level 0 = not used, NaN beyond
        an attribute's codes; the weighted average effect over users is 0), ``contribution_cov``, ``net_cov`` (..,
        attribute, attribute_; the second one with the common factor of the ratings taken out), ``noise_var``, ``r2``,
        ``cut`` (.., boundary) or ``location``; with groups ``group_rise``, ``group_mean``.
        ``sample_stats``: ``diverging``. ``copula`` where there are blanks. ``choice``: scores of the shapes compared.
        Attributes: ``method``, ``khat``, ``ess_share``, ``shape``, ``seed``.
    """
    import xarray as xr

    priors = priors or Priors()
    random = np.random.default_rng(seed)
    copulas = _copulas(data, random)
    table, shape = None, SHAPES.get(monotone)
    if shape is None:
        given: dict[str, Any] = {"priors": priors, "seed": _seed(random), "shapes": ("monotone", "linear")}
        table = compare(data, copula=copulas[0], **given)
        shape = chosen(table)
    each = max(-(-draws // len(copulas)), min(draws, 500))
    parts = []
    for copula in copulas:
        layout, rows = design(data, completed(data, copula, seed=_seed(random)), shape=shape)
        prior = Prior(directed(layout, rows), priors)
        drawn = sampler.draw(prior, rows, draws=each, chains=chains, seed=_seed(random), effort=effort)
        stray = xr.DataArray(drawn.diverging, dims=("chain", "draw"))
        own = posterior(data, prior, rows, drawn.z, seed=_seed(random), worlds=WORLDS // len(copulas))
        parts.append((drawn, own.assign(diverging=stray)))
    taken = np.linspace(0, each - 1, -(-draws // len(copulas))).round().astype(int)
    whole = xr.concat([own.isel(draw=taken) for _, own in parts], dim="draw", data_vars="minimal")
    turns = np.arange(whole.sizes["draw"]).reshape(len(parts), -1).T
    whole = whole.isel(draw=random.permuted(turns, axis=1).ravel()[:draws])  # no thinning sees one imputation alone
    groups = {"posterior": whole.drop_vars("diverging"), "sample_stats": whole[["diverging"]]}
    if copulas[0] is not None:
        groups["copula"] = imputation.as_dataset(copulas[0])
    if table is not None:
        groups["choice"] = xr.Dataset.from_dataframe(table)
    tree = xr.DataTree.from_dict(groups)
    exact = [d for d, _ in parts if d.method != "importance"]
    worst = exact[0] if exact else max((d for d, _ in parts), key=lambda d: d.khat)
    tree.attrs.update(method=worst.method, khat=worst.khat, ess_share=worst.share, shape=shape, seed=seed)
    return tree


def _copulas(data: DriverData, random: np.random.Generator) -> list[Copula | None]:
    """What fills the blanks: of attributes that many left blank several, each of the respondents weighted anew."""
    if not (data.codes == BLANK).any():
        return [None]
    blank = (data.codes[data.answered] == BLANK).mean(axis=0)
    if not ((blank > MUCH_BLANK) & (blank <= MOST_BLANK)).any():
        return [imputation.fit(data, seed=_seed(random))]
    weights = [data.weights * random.standard_exponential(len(data.weights)) for _ in range(COPULAS)]
    return [imputation.fit(replace(data, weights=w), seed=_seed(random)) for w in weights]


def compare(
    data: DriverData,
    *,
    priors: Priors | None = None,
    seed: int = 1,
    copula: Copula | None = None,
    shapes: tuple[Shape, ...] = ("monotone", "linear", "free"),
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
    shapes : tuple of str
        Which shapes are scored, ``monotone`` first.

    Returns
    -------
    DataFrame
        ``shape``, ``score`` (sum of log probabilities of the left-out answers, weights respected), ``difference`` from
        monotone curves, and its standard error ``se``.
    """
    import pandas as pd

    priors = priors or Priors()
    random = np.random.default_rng(seed)
    if copula is None and (data.codes == BLANK).any():
        copula = imputation.fit(data, seed=_seed(random))
    if data.n > COMPARED_ROWS:
        data = data.take(np.sort(random.choice(np.flatnonzero(data.answered), COMPARED_ROWS, replace=False)))
    done = completed(data, copula, seed=_seed(random), times=COMPARED_TIMES)
    layout, rows = design(data, done, shape="monotone")
    layout = directed(layout, rows)
    scores = {}
    for shape in shapes:
        mode = sampler.find_mode(Prior(replace(layout, shape=shape), priors), rows, scores=True)
        leverage = ((mode.scores @ mode.factor) ** 2).sum(axis=1)  # how much one's own answer raised one's own score
        scores[shape] = mode.each - leverage
    table = []
    for shape, score in scores.items():
        gap = rows.weight * (score - scores["monotone"])
        size = {"score": float(rows.weight @ score), "difference": float(gap.sum())}
        table.append({"shape": shape, **size, "se": float(np.sqrt(len(gap)) * gap.std())})
    return pd.DataFrame(table)


def chosen(table: pd.DataFrame) -> Shape:
    """Monotone curves, unless straight lines are clearly better; free curves, which may fall, have to be asked for."""
    better = (table["difference"] > CLEARLY * table["se"]) & (table["difference"] > LEAST)
    return "linear" if (better & (table["shape"] == "linear")).any() else "monotone"


def posterior(
    data: DriverData, prior: Prior, rows: Rows, z: np.ndarray, *, seed: int, worlds: int = WORLDS
) -> xr.Dataset:
    """Put draws of the parameters, shape (chain, draw, size), into the posterior's layout; see `fit`.

    Shares of codes and covariances are those of the population: each of so many worlds has its blanks filled and its
    respondents weighted anew (Bayesian bootstrap). With one world they are those of the respondents as they are.
    """
    import xarray as xr

    layout, dims = prior.layout, ("chain", "draw")
    shape, flat = z.shape[:2], z.reshape(-1, z.shape[2])
    unknowns = prior.unknowns(flat)
    s, a, d, width = len(flat), len(layout.sizes), len(layout.share), max(layout.sizes) + 1
    random = np.random.default_rng(seed)
    world = random.permutation(s) % worlds  # by turns, every fourth draw would see but a fourth of the worlds
    level, share = np.full((2, s, a, width), np.nan)
    cov, net, shift = np.empty((s, a, a)), np.empty((s, a, a)), np.zeros(s)
    person, blocks = _person(layout), np.zeros((d, a))
    for i, k in enumerate(layout.sizes):
        blocks[layout.column[i, :k], i] = 1.0
        blocks[layout.unused[i : i + 1][layout.unused[i] >= 0], i] = 1.0
    for w in range(worlds):
        mine = np.flatnonzero(world == w)
        picked = _pick(rows, unknowns[mine[0]], random) if rows.has_blanks else rows.first
        weight = rows.weight * random.standard_exponential(len(rows.weight)) if worlds > 1 else rows.weight
        mean, spread = moments(rows.columns[picked], weight, d)
        users = user_share(mean, layout.column)
        effect = unknowns[mine, :d].copy()
        for i, k in enumerate(layout.sizes):
            own, idle = layout.column[i, :k], layout.unused[i]
            off = effect[:, own] @ users[own]
            effect[:, own] -= off[:, None]
            shift[mine] += off
            level[mine, i, 1 : k + 1], share[mine, i, 1 : k + 1] = effect[:, own], mean[own]
            share[mine, i, 0] = 0.0
            if idle >= 0:
                effect[:, idle] -= off
                level[mine, i, 0], share[mine, i, 0] = effect[:, idle], mean[idle]
        for i in range(a):
            own = np.flatnonzero(blocks[:, i])
            cov[mine, i] = ((effect[:, own] @ spread[own]) * effect) @ blocks
        lean = (effect * (spread @ person)) @ blocks
        net[mine] = cov[mine] - lean[:, :, None] * lean[:, None, :] / max(float(person @ spread @ person), 1e-300)
    r2 = prior.r2(flat).reshape(shape)
    coords = {"attribute": list(data.attributes), "attribute_": list(data.attributes), "level": np.arange(width)}
    unit = np.ones(s)
    if layout.codes:
        cut = unknowns[:, layout.effects :] - shift[:, None]
        variables: dict[str, Any] = {"cut": ((*dims, "boundary"), cut.reshape(*shape, -1))}
        coords["boundary"] = [f"{low:g}|{high:g}" for low, high in pairwise(data.outcome_levels)]
    else:
        _, mean_of, sd_of = standardised(data)
        unit = sd_of / unknowns[:, -1]
        variables = {"location": (dims, (mean_of + unit * (unknowns[:, -2] + shift)).reshape(shape))}

    def scaled(values: np.ndarray, power: int) -> np.ndarray:
        return (values * (unit**power).reshape(-1, *[1] * (values.ndim - 1))).reshape(*shape, *values.shape[1:])

    variables |= {
        "noise_var": (dims, scaled(np.full(s, layout.noise_var), 2)),
        "level_effect": ((*dims, "attribute", "level"), scaled(level, 1)),
        "level_share": ((*dims, "attribute", "level"), scaled(share, 0)),
        "contribution_cov": ((*dims, "attribute", "attribute_"), scaled(cov, 2)),
        "net_cov": ((*dims, "attribute", "attribute_"), scaled(net, 2)),
        "r2": (dims, r2),
    }
    if layout.groups:
        n, own = layout.groups, unknowns[:, d : layout.effects]
        slopes = own[:, n:].reshape(s, n, a) * 2  # the score runs from -1 to 1
        score = np.zeros((a, width))
        for i, k in enumerate(data.sizes):
            score[i, 1 : k + 1] = rows.score[layout.column[i, :k]] / 2
        variables |= {
            "group_rise": ((*dims, "group", "attribute"), scaled(slopes, 1)),
            "group_mean": ((*dims, "group"), scaled(own[:, :n], 1)),
            "score": (("attribute", "level"), score),
        }
        coords["group"] = list(data.groups)
    return xr.Dataset(variables, coords=coords)


def _person(layout: Layout) -> np.ndarray:
    """Weights of the columns whose sum is the common factor: standardised places of the codes, averaged."""
    out = np.zeros(len(layout.share))
    for i, k in enumerate(layout.sizes):
        own, rise = layout.column[i, :k], np.arange(k, dtype=float)
        away = rise - rise @ layout.share[own]
        out[own] = away / np.sqrt(max(away**2 @ layout.share[own], 1e-12)) / len(layout.sizes)
    return out


def _pick(rows: Rows, unknowns: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One row of each respondent, by its probability given the outcome."""
    out = np.empty(len(rows.first), int)
    for who, where, first in rows.chunks():
        eta = (rows.design(where) @ unknowns[: rows.effects])[:, None]
        log_p = likelihood.row_log(rows, where, eta, unknowns[None, rows.effects :])[:, 0]
        noise = (
            log_p + np.log(rows.part[where]) + random.gumbel(size=len(log_p))
        )  # the largest of a respondent is a draw of that kind
        order = np.lexsort((noise, np.repeat(np.arange(len(first)), np.diff(np.append(first, len(log_p))))))
        out[who] = order[np.append(first[1:], len(log_p)) - 1] + where.start
    return out


def predict(
    tree: xr.DataTree, codes: np.ndarray, *, group: np.ndarray | None = None, draws: int = 500, seed: int = 1
) -> np.ndarray:
    """Predict the outcome of respondents, draw by draw.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
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
    draw_of = _Draws(tree, draws)
    filled, size = draw_of.filled(codes, seed)
    cut, first = draw_of["cut"], np.cumsum(size) - size
    eta = draw_of.eta(filled, None if group is None else np.repeat(group, size))
    if cut is None:
        return np.asarray(np.add.reduceat(eta, first, axis=1) / size)
    out = np.empty((len(eta), len(codes), cut.shape[1] + 1))
    each = max(1, CELLS // (filled.shape[1] * out.shape[2]))
    for s in range(0, len(eta), each):
        at = slice(s, s + each)
        out[at] = np.add.reduceat(_probabilities(eta[at], cut[at]), first, axis=1) / size[:, None]
    return out


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
    out, draw_of = np.full(len(data.codes), np.nan), _Draws(tree, draws)
    has = np.flatnonzero(data.answered)
    cells = max(1, CELLS // (draws * max(len(data.outcome_levels), 1)))
    for who in (has[s : s + cells] for s in range(0, len(has), cells)):
        group = data.group[who] if data.groups else None
        if data.kind != "continuous":
            p = predict(tree, data.codes[who], group=group, draws=draws, seed=seed)
            by_draw = p[:, np.arange(len(who)), data.outcome[who]]
        else:
            filled, size = draw_of.filled(data.codes[who], seed)
            eta = draw_of.eta(filled, None if group is None else np.repeat(group, size))
            variance = draw_of["noise_var"][:, None]
            density = np.exp(-0.5 * (np.repeat(data.outcome[who], size) - eta) ** 2 / variance)
            by_draw = np.add.reduceat(density / np.sqrt(2 * np.pi * variance), np.cumsum(size) - size, axis=1) / size
        out[who] = np.log(np.maximum(by_draw.mean(axis=0), 1e-300))
    return out


class _Draws:
    """Draws of a fit, evenly thinned to at most so many."""

    def __init__(self, tree: xr.DataTree, draws: int) -> None:
        self.tree, self.draws, self.posterior = tree, draws, tree["posterior"].dataset

    def __getitem__(self, name: str) -> Any:
        if name not in self.posterior:
            return None
        values = self.posterior[name].to_numpy()
        values = values.reshape(-1, *values.shape[2:])
        return values[np.linspace(0, len(values) - 1, min(self.draws, len(values))).astype(int)]

    def filled(self, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows without blanks, and how many stand for each respondent."""
        codes = np.asarray(codes)
        gaps = int((codes == BLANK).any(axis=1).sum())
        if not gaps:
            return codes, np.ones(len(codes), int)
        if "copula" not in self.tree.children:
            todo = "pass codes without blanks, or fit to data with some"
            raise ModelError(
                Problem("these ratings have blanks, and the fit knew none", where="codes", value=str(gaps), todo=todo)
            )
        copula = imputation.from_dataset(self.tree["copula"].dataset)
        return imputation.repeated(copula, codes, times=TIMES, seed=seed)

    def eta(self, codes: np.ndarray, group: np.ndarray | None) -> np.ndarray:
        """What is expected of rows, (draw, rows), latent or in the outcome's unit; unseen states count as average."""
        effect, location = np.nan_to_num(self["level_effect"]), self["location"]
        state = np.where(codes >= 0, codes + 1, 0)
        eta = np.zeros((len(effect), len(codes))) + (0.0 if location is None else location[:, None])
        rise = self["group_rise"]
        for a in range(codes.shape[1]):
            eta += effect[:, a, state[:, a]]
            if group is not None:
                eta += rise[:, :, a][:, group] * self.posterior["score"].to_numpy()[a, state[:, a]]
        return eta if group is None else eta + self["group_mean"][:, group]


def _probabilities(eta: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Probabilities of the codes: eta (draw, N), cut (draw, K - 1) -> (draw, N, K)."""
    from scipy.special import expit

    return np.diff(expit(cut[:, None, :] - eta[:, :, None]), axis=2, prepend=0.0, append=1.0)


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
    random = np.random.default_rng(seed)
    n, names = len(codes), [f"a{i}" for i in range(len(levels))]
    size = 0 if kind == "continuous" else len(outcome_levels)
    outcome = np.linspace(-np.sqrt(3), np.sqrt(3), n) if kind == "continuous" else np.arange(n) % size

    def world() -> DriverData:
        return model_data(
            codes, outcome, attributes=names, levels=levels, kind=kind, outcome_levels=outcome_levels if size else ()
        )

    blank = world()
    layout, rows = design(blank, as_they_are(blank.codes, np.arange(n)), shape="monotone")
    prior = Prior(layout, priors or Priors())
    for _ in range(1000):
        z = random.standard_normal(layout.size)
        if kind == "continuous":
            z[layout.places["tail"]] = 0.0
        if strength is not None:
            z[layout.places["strength"]] = prior.of_strengths(strength)
        unknowns = prior.unknowns(z[None])[0]
        eta, tail = rows.design(slice(0, n)) @ unknowns[: rows.effects], unknowns[rows.effects :]
        if kind == "continuous":
            outcome = (tail[0] + eta + random.standard_normal(n)) / tail[1]
        else:
            outcome = np.searchsorted(tail, eta + random.logistic(size=n))
        if len(np.unique(outcome)) > 1:  # a world in which all say the same is told from the data, and drawn again
            break
    return world(), posterior(blank, prior, rows, z[None, None], seed=0, worlds=1)


def build_model(data: DriverData, priors: Priors, *, seed: int = 1) -> pm.Model:
    """Build the PyMC model: the readable statement of the posterior that `fit` draws from (monotone curves).

    Parameters
    ----------
    data : DriverData
        Blanks are filled as `fit` fills them, with this seed.
    priors : Priors

    Returns
    -------
    pm.Model
    """
    import pymc as pm
    import pytensor.tensor as pt

    copula = imputation.fit(data, seed=seed) if (data.codes == BLANK).any() else None
    layout, rows = design(data, completed(data, copula, seed=seed), shape="monotone")
    layout = directed(layout, rows)
    x = rows.design(slice(0, len(rows.y))).astype(float)
    with pm.Model(coords={"attribute": data.attributes}) as model:
        r2 = pm.Beta("r2", priors.r2_a, priors.r2_b)
        odds = r2 / (1 - r2)
        square = pm.Gamma("square", priors.split, 1.0, dims="attribute")
        unused = pm.Normal("unused", 0.0, 1.0, shape=int((layout.unused >= 0).sum()))
        raw = pt.zeros(len(layout.share))
        for a, name in enumerate(data.attributes):
            k, column = layout.sizes[a], layout.column[a, : layout.sizes[a]]
            steps = pm.Dirichlet(f"steps_{name}", np.full(k - 1, priors.step)) if k > 2 else pt.ones(1)
            rise = pt.concatenate([pt.zeros(1), pt.cumsum(steps)])
            curve = layout.direction[a] * (rise - pt.dot(rise, layout.share[column]))
            raw = raw[column].set(pt.sqrt(2 * square[a]) * curve)
        raw = raw[layout.unused[layout.unused >= 0]].set(priors.unused_scale * unused)
        explained = pt.dot(raw, pt.dot(layout.spread, raw))
        effect = pm.Deterministic("effect", raw * pt.sqrt(odds * layout.noise_var / explained))
        eta = pt.dot(x[:, : len(layout.share)], effect)
        if layout.groups:
            scales = pm.HalfNormal("group_scale", np.array([priors.group_mean_scale, priors.group_slope_scale]))
            own = pm.Normal("group", 0.0, 1.0, shape=layout.groups * (len(layout.sizes) + 1))
            sd = pt.repeat(scales, np.array([layout.groups, layout.groups * len(layout.sizes)]))
            eta = eta + pt.dot(x[:, len(layout.share) :], own * sd)
        if not layout.codes:
            mean = pm.Normal("mean", 0.0, 1.0)
            log_sd = pm.Normal("log_sd", 0.0, 1.0)
            sigma = pt.exp(log_sd) / pt.sqrt(1 + odds)
            by_row = pm.logp(pm.Normal.dist(sigma * (mean + eta), sigma), rows.y)
        else:
            share = pm.Dirichlet("share", np.full(layout.codes, priors.concentration))
            below = pt.cumsum(share)[:-1]
            cut = pm.Deterministic("cut", pt.sqrt(1 + odds) * (pt.log(below) - pt.log1p(-below)))
            by_row = pm.logp(pm.OrderedLogistic.dist(eta=eta, cutpoints=cut, compute_p=False), rows.y)
        average = np.zeros((len(rows.first), len(rows.y)))
        person = np.searchsorted(rows.first, np.arange(len(rows.y)), side="right") - 1
        average[person, np.arange(len(rows.y))] = rows.part
        pm.Potential("answers", pt.dot(rows.weight, pt.log(pt.dot(average, pt.exp(by_row)))))
    return model


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))
