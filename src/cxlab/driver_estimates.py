"""Draws of a driver model -> what is reported of each attribute: shares, sides, kinds, performance, scenarios.

One `Measured` holds everything of one outcome; the tables are summaries of its draws, and the page's clouds and ranks
read the same draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab import importance, reward, whatif
from cxlab import params as grammar
from cxlab.estimates import summary
from cxlab.importance import Shares
from cxlab.models.drive.data import BLANK, NOT_USED, DriverData
from cxlab.reward import KINDS, Anchors
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS
from cxlab.whatif import Move, Outlook

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.diagnostics import Gate
    from cxlab.params.models import Params
    from cxlab.runs import UnitData

TOP: Final = 3
KEPT: Final = 1000  # draws written down, of all chains together
METRIC_UNITS: Final = {"nps": "NPS points", "mean": "points"}  # of everything else: shares
_PRACTICAL: Final = 0.03  # of shares for which the params name no smallest change worth acting on
_MOOD_GROUPS: Final = 12


@dataclass(frozen=True)
class Question:
    """What the params say of an outcome and its attributes.

    Attributes
    ----------
    role : str
        Of the outcome: nps, overall, ces, or ``behaviour``.
    satisfied_from : float or None
        Of the outcome.
    satisfied : tuple of int
        First satisfied level of each attribute, 1 = its worst code; the best one where the scale does not say.
    touchpoints : tuple of str
        Of each attribute; empty where it belongs to none.
    by : str
        What effects may differ by; empty if they do not.
    """

    role: str
    satisfied_from: float | None
    satisfied: tuple[int, ...]
    touchpoints: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True)
class Measured:
    """All draws that are reported of one outcome.

    Attributes
    ----------
    data : DriverData
    question : Question
    weighting : str
        ``none`` or ``survey``.
    metric : str
        What reward, penalty and effect are measured in.
    practical : float
        Smallest change of it worth acting on.
    shares : Shares
        LMG shares (draw, attribute).
    johnson : array (draw, attribute)
    explained : array (draw,)
        R2 of all attributes together.
    performance : array (draw, attribute)
        Share of users satisfied with each attribute.
    by_use : array (attribute,)
        Part of the variance of each attribute's contribution that lies between those who use it and those who do not.
    level_share : array (attribute, level)
        Posterior mean of how often each level is answered.
    anchors : Anchors
    reward, penalty, effect : array (what-if draw, attribute)
        In the units of `metric`.
    kinds : bool array (what-if draw, attribute, kind)
    by_group : mapping of group -> (n, array (what-if draw, attribute))
        `effect` in each group, if effects may differ.
    bare : array (draw, attribute + 1, attribute + 1)
        Covariance of contributions and outcome with the respondents' common factor taken out.
    whole : array (draw,)
        Variance of the latent outcome with that factor.
    outlook : Outlook
    posterior : Dataset
        Thinned draws of the model.
    """

    data: DriverData
    question: Question
    weighting: str
    metric: str
    practical: float
    shares: Shares
    johnson: np.ndarray
    explained: np.ndarray
    performance: np.ndarray
    by_use: np.ndarray
    level_share: np.ndarray
    anchors: Anchors
    reward: np.ndarray
    penalty: np.ndarray
    effect: np.ndarray
    kinds: np.ndarray
    by_group: Mapping[str, tuple[int, np.ndarray]]
    bare: np.ndarray
    whole: np.ndarray
    outlook: Outlook
    posterior: xr.Dataset

    @property
    def outcome(self) -> str:
        """Id of the outcome."""
        return self.data.name

    @property
    def answers(self) -> np.ndarray:
        """How many respondents with an outcome rated each attribute, (attribute,)."""
        return np.asarray((self.data.codes[self.data.answered] >= 0).sum(axis=0))


def question(data: DriverData, *, params: Params) -> Question:
    """Look up scales and touchpoints of a driver model's outcome and attributes in the params."""
    items = grammar.items(params)
    own = items.get(data.name)
    scale = params.scales[own.scale] if own else None
    satisfied, touchpoints = [], []
    for name, levels in zip(data.attributes, data.levels, strict=True):
        item = items.get(name)
        start = params.scales[item.scale].satisfied_from if item else None
        satisfied.append(len(levels) if start is None else 1 + sum(c < float(start) for c in levels))
        touchpoints.append((item.touchpoint if item else None) or "")
    from_code = None if scale is None or scale.satisfied_from is None else float(scale.satisfied_from)
    by = (params.drivers.by or "") if data.groups else ""
    return Question(own.role if own else "behaviour", from_code, tuple(satisfied), tuple(touchpoints), by)


def measure(
    data: DriverData, posterior: xr.Dataset, *, params: Params, seed: int, about: Question | None = None
) -> Measured:
    """Work out everything that is reported of one outcome.

    Parameters
    ----------
    data : DriverData
    posterior : Dataset
        Of `cxlab.models.drivers`: ``level_effect``, ``contribution_cov``, ``noise_var``, ``level_share``, ``cut``.
    params : Params
        Limits; scales and touchpoints unless `about` is given.
    seed : int
        Of sampled orders and of the respondents kept.
    about : Question, optional
    """
    about = question(data, params=params) if about is None else about
    kept = thinned(posterior, KEPT)
    size = len(data.attributes)
    fewer = 1 if size <= 12 else 2 if size <= importance.MOST_EXACT else 3  # 2^p subsets a draw take their time
    noise = _draws(kept, "noise_var", 0)[::fewer]
    cov = importance.joint(_draws(kept, "contribution_cov", 2)[::fewer], noise)
    bare = importance.joint(_draws(kept, "net_cov", 2)[::fewer], noise)
    shares = importance.lmg(cov, seed=seed)
    levels = _draws(kept, "level_share", 2)
    users = np.nan_to_num(levels[:, :, 1:])
    good = np.arange(1, users.shape[2] + 1) >= np.asarray(about.satisfied)[:, None]
    codes, weight = respondents(data, seed=seed)
    at = whatif.outlook(
        kept,
        outcome=data.name,
        measures=_measures(data, about),
        codes=codes,
        weight=weight,
        satisfied=about.satisfied,
    )
    metric = next(iter(at.measures))
    effect = _draws(kept, "level_effect", 2)
    anchors = reward.anchors(effect, levels.mean(axis=0))
    up, down = whatif.sides(at, anchors, metric)
    practical = float(getattr(params.limits.practical_change, metric, _PRACTICAL))
    worth = np.maximum(np.abs(up), np.abs(down))
    return Measured(
        data=data,
        question=about,
        weighting="survey" if np.ptp(data.weights) > 0 else "none",
        metric=metric,
        practical=practical,
        shares=shares,
        johnson=importance.johnson(cov),
        explained=importance.explained(cov),
        performance=(users * good).sum(axis=2) / np.maximum(users.sum(axis=2), 1e-12),
        by_use=_by_use(effect, levels),
        level_share=levels.mean(axis=0),
        anchors=anchors,
        reward=up,
        penalty=down,
        effect=whatif.one_higher(at)[metric],
        kinds=reward.kinds(at.effect, anchors, worth=worth, practical=practical),
        by_group=_groups(data, kept, at, metric, seed=seed),
        bare=bare,
        whole=cov[:, -1, -1],
        outlook=at,
        posterior=kept,
    )


def _by_use(effect: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Part of each contribution's variance between users, whose mean is 0, and the others."""
    effect, share = np.nan_to_num(effect), np.nan_to_num(share)
    idle = share[:, :, 0]
    between = idle * (1 - idle) * effect[:, :, 0] ** 2
    within = (share[:, :, 1:] * effect[:, :, 1:] ** 2).sum(axis=2)
    return np.asarray((between / np.maximum(between + within, 1e-300)).mean(axis=0))


def _groups(
    data: DriverData, posterior: xr.Dataset, at: Outlook, metric: str, *, seed: int
) -> dict[str, tuple[int, np.ndarray]]:
    """What one code more goes with in each group: its own slopes, its own respondents."""
    if not data.groups:
        return {}
    found = {}
    for g, name in enumerate(data.groups):
        own = data.take(np.flatnonzero(data.group == g))
        if own.n == 0:
            continue
        rise = posterior["group_rise"].isel(group=g) * posterior["score"]
        tilted = posterior.assign(
            level_effect=posterior["level_effect"] + rise, cut=posterior["cut"] - posterior["group_mean"].isel(group=g)
        )
        codes, weight = respondents(own, seed=seed)
        there = whatif.outlook(
            tilted,
            outcome=at.outcome,
            measures={metric: at.measures[metric]},
            codes=codes,
            weight=weight,
            satisfied=at.satisfied.tolist(),
        )
        found[name] = (own.n, whatif.one_higher(there)[metric])
    return found


def respondents(data: DriverData, *, seed: int, most: int = whatif.SAMPLE) -> tuple[np.ndarray, np.ndarray]:
    """Draw respondents with an outcome in proportion to their weights and fill their blanks for a what-if.

    A blank takes the state (a code or "not used") of somebody whose other ratings are about as good.

    Returns
    -------
    codes : int array (respondent, attribute)
        Levels: 0 not used, 1 the worst code.
    weight : array (respondent,)
    """
    random = np.random.default_rng(seed)
    rows, weight = np.flatnonzero(data.answered), data.weights[data.answered]
    if len(rows) > most:
        places = (np.arange(most) + random.random()) / most
        rows, weight = (
            rows[np.searchsorted(np.cumsum(weight / weight.sum()), places).clip(max=len(rows) - 1)],
            np.ones(most),
        )
    codes = np.asarray(data.codes[rows], int)
    rated = np.where(codes >= 0, codes, np.nan) / (np.asarray(data.sizes) - 1)
    known = np.isfinite(rated)
    mood = np.where(known, rated, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    place = np.argsort(np.argsort(mood, kind="stable"), kind="stable") * _MOOD_GROUPS // max(len(rows), 1)
    for a in range(codes.shape[1]):
        blank = codes[:, a] == BLANK
        donors = np.flatnonzero(~blank)
        for group in np.unique(place[blank]):
            near = donors[place[donors] == group] if (place[donors] == group).any() else donors
            wanted = np.flatnonzero(blank & (place == group))
            codes[wanted, a] = codes[random.choice(near, len(wanted)), a] if near.size else NOT_USED
    return np.where(codes == NOT_USED, 0, codes + 1), weight


def table(measured: Sequence[Measured], gates: Sequence[Gate]) -> pd.DataFrame:
    """Return ``driver_estimates``: a row an outcome, attribute and estimand; a fit that failed gives no numbers.

    ``item`` is the outcome. ``importance_share`` and ``johnson_share`` are shares of its variance and add up to R2;
    ``reward``, ``penalty`` and ``effect`` (all ratings one code higher) are changes of the outcome's lead metric;
    ``performance`` is the share of users satisfied with the attribute.
    """
    rows = [r for one, gate in zip(measured, gates, strict=True) for r in _rows(one, withheld=not gate.passed)]
    return pd.DataFrame(rows, columns=[*_given(), "attribute"])


def ranks(measured: Sequence[Measured], gates: Sequence[Gate]) -> pd.DataFrame:
    """Return ``driver_ranks``: P(rank) of each attribute as ``mean``, a row an outcome, attribute and rank."""
    parts = []
    for one, gate in zip(measured, gates, strict=True):
        chances = importance.rank_chances(one.shares.values)
        size = len(chances)
        part = pd.DataFrame(
            {
                "item": one.outcome,
                "attribute": np.repeat(one.data.attributes, size),
                "rank": np.tile(np.arange(1, size + 1), size),
                "mean": chances.ravel() if gate.passed else np.nan,
                "n": np.repeat(one.answers, size),
                "verdict": "" if gate.passed else "withheld",
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Scenario:
    """A what-if with a name.

    Attributes
    ----------
    id : str
        ``lift:<attribute>``, ``target:<touchpoint>`` or ``together``.
    moves : tuple of Move
    """

    id: str
    moves: tuple[Move, ...]


def scenarios(one: Measured, *, params: Params) -> list[Scenario]:
    """Return what a page works out: each attribute lifted, each touchpoint at its target, the best lifts at once."""
    lifts = [Scenario(f"lift:{a}", (Move(a, "lift"),)) for a in one.data.attributes]
    gain = {s.id: float(np.abs(whatif.change(one.outlook, s.moves)[one.metric]).mean()) for s in lifts}
    lifts = sorted(lifts, key=lambda s: -gain[s.id])
    found = list(lifts)
    for name, targets in params.targets.items():
        goal = targets.get("csat")
        moved = [
            Move(a, "target", float(goal))
            for a, touchpoint in zip(one.data.attributes, one.question.touchpoints, strict=True)
            if goal is not None and name in (a, touchpoint)
        ]
        if moved:
            found.append(Scenario(f"target:{name}", tuple(moved)))
    if len(lifts) > TOP:
        found.append(Scenario("together", tuple(m for s in lifts[:TOP] for m in s.moves)))
    return found


def outlook_table(measured: Sequence[Measured], gates: Sequence[Gate], *, params: Params) -> pd.DataFrame:
    """Return ``whatif_estimates``: the change of each metric in each scenario, and the share of people it moves.

    The scenarios are those of the first outcome, so that all outcomes answer the same questions.
    """
    rows: list[dict[str, Any]] = []
    planned = scenarios(measured[0], params=params) if measured else []
    for one, gate in zip(measured, gates, strict=True):
        known = set(one.data.attributes)
        answers, weighed = (dict(zip(one.data.attributes, x, strict=True)) for x in (one.answers, _weighed(one.data)))
        for scenario in (s for s in planned if {m.attribute for m in s.moves} <= known):
            names = {m.attribute for m in scenario.moves}
            n, n_eff = min(int(answers[a]) for a in names), min(float(weighed[a]) for a in names)
            moved = (whatif.moved(one.outlook, scenario.moves) != one.outlook.codes).any(axis=1)
            for metric, values in whatif.change(one.outlook, scenario.moves).items():
                own = _place(one) | {"metric": metric, "estimand": "change", "scenario": scenario.id}
                own |= {"moved": float(one.outlook.weight[moved].sum()), "n": n, "n_eff": n_eff}
                own |= {"unit": METRIC_UNITS.get(metric, "share"), "verdict": "" if gate.passed else "withheld"}
                rows.append(own | _numbers(values, withheld=not gate.passed, ref=0.0))
    return pd.DataFrame(rows, columns=[*_given(), "scenario", "moved"])


def clouds(one: Measured) -> dict[str, np.ndarray]:
    """Return performance and importance share of each attribute, draw by draw: {attribute: (draw, 2)}."""
    performance = one.performance[:: len(one.performance) // len(one.shares.values)][: len(one.shares.values)]
    both = np.stack([performance, one.shares.values], axis=2)
    return {name: both[:, a] for a, name in enumerate(one.data.attributes)}


def with_and_without(one: Measured, estimates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the shares of all differences, as rated and with the respondents' common factor credited to nobody.

    Parameters
    ----------
    one : Measured
    estimates : DataFrame
        The written ``driver_estimates``: what is suppressed there is so here.
    """
    plain = estimates[(estimates["item"] == one.outcome) & (estimates["estimand"] == "importance_share")]
    plain = plain[plain["level"] == "total"]
    kept = one.bare[:, -1, -1] / one.whole  # of the variance with the mood in it
    shares = importance.lmg(one.bare).values * kept[:, None]
    rows = []
    for row in plain.to_dict("records"):
        values = shares[:, one.data.attributes.index(str(row["attribute"]))]
        shown = bool(np.isfinite(row["mean"]))
        rows.append(row | _numbers(values, withheld=not shown, ref=None))
    return plain.reset_index(drop=True), pd.DataFrame(rows, columns=plain.columns)


def predictive(one: Measured) -> pd.DataFrame:
    """Compare the observed shares of the outcome's codes with those the model expects of the same respondents.

    Returns
    -------
    DataFrame
        ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (90 % predictive, shares 0-1); empty for a number.
    """
    data, at = one.data, one.outlook
    if data.kind == "continuous":
        return pd.DataFrame(columns=["code", "observed", "mean", "ci_low", "ci_high"])
    size = len(data.outcome_levels)
    above = [whatif.share_above(at, k) for k in range(size - 1)]
    whole = np.ones(len(at.effect))
    shares = np.stack([a - b for a, b in zip([whole, *above], [*above, 0 * whole], strict=True)], axis=1).clip(min=0)
    n = max(round(data.n_eff), 1)
    again = np.random.default_rng(0).multinomial(n, shares / shares.sum(axis=1, keepdims=True)) / n
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    seen = np.bincount(data.outcome[data.answered], weights=data.weights[data.answered], minlength=size)
    found = {"code": data.outcome_levels, "observed": seen / seen.sum(), "mean": shares.mean(axis=0)}
    return pd.DataFrame(found | {"ci_low": low, "ci_high": high})


def stated(data: UnitData, *, params: Params, period: str) -> dict[str, float]:
    """Return how important customers call each attribute: the mean answer to the item that asks, by survey weights."""
    said = data.sql(
        "SELECT t.item, sum(t.value * r.weight) / sum(r.weight) AS mean, count(*) AS n FROM ratings t"
        " JOIN responses r USING (response_id) WHERE t.period = ? AND t.value IS NOT NULL GROUP BY t.item",
        params=[period],
    )
    kept = said[said["n"] >= params.limits.min_n]
    mean = dict(zip(kept["item"], kept["mean"].astype(float), strict=True))
    return {attribute: mean[item] for attribute, item in params.drivers.stated.items() if item in mean}


def heard(one: Measured) -> pd.DataFrame:
    """Count who with an outcome rated each attribute, did not use it or left it blank."""
    codes = one.data.codes[one.data.answered]
    counts = {"rated": codes >= 0, "not_used": codes == NOT_USED, "blank": codes == BLANK}
    return pd.DataFrame({"attribute": one.data.attributes, **{k: v.sum(axis=0) for k, v in counts.items()}})


def draws_of(measured: Sequence[Measured], gates: Sequence[Gate]) -> xr.Dataset:
    """Return the draws of all outcomes that passed, side by side, for later notebooks and the workbench.

    Returns
    -------
    Dataset
        Dims (chain, draw, outcome, ..): the model's draws, ``importance`` and, without draws, ``respondent_code``
        (levels, -1 beyond the kept respondents), ``respondent_weight`` and ``satisfied``; see `cxlab.whatif.stored`.
    """
    import xarray as xr

    parts = []
    for one, gate in zip(measured, gates, strict=True):
        if not gate.passed:
            continue
        part = one.posterior.drop_attrs()
        part = part[[v for v in ("level_effect", "cut", "contribution_cov", "noise_var", "level_share") if v in part]]
        part = part.astype("float32")
        part["respondent_code"] = (("respondent", "attribute"), one.outlook.codes.astype("int8"))
        part["respondent_weight"] = ("respondent", one.outlook.weight)
        part["satisfied"] = ("attribute", one.outlook.satisfied.astype("int8"))
        part["measures"] = json.dumps(one.outlook.measures)
        part = part.assign_coords(respondent=np.arange(len(one.outlook.codes)))
        parts.append(part.expand_dims(outcome=[one.outcome]))
    if not parts:
        return xr.Dataset({"level_effect": (("chain", "draw", "outcome"), np.zeros((1, 1, 0), "float32"))})
    joined = xr.concat(parts, dim="outcome", join="outer", fill_value={"respondent_code": -1, "satisfied": 0})
    return joined.transpose("chain", "draw", ...)


def thinned(posterior: xr.Dataset, keep: int) -> xr.Dataset:
    """Return at most about `keep` draws of all chains together, evenly spaced."""
    step = -(-posterior.sizes["chain"] * posterior.sizes["draw"] // keep)
    return posterior.isel(draw=slice(None, None, step))


def _rows(one: Measured, *, withheld: bool) -> list[dict[str, Any]]:
    found = []
    worst_unit = METRIC_UNITS.get(one.metric, "share")
    top = (np.argsort(np.argsort(-one.shares.values, axis=1), axis=1) < TOP).mean(axis=0)
    chances = one.kinds.mean(axis=0)
    weighed = _weighed(one.data)
    for a, name in enumerate(one.data.attributes):
        place = _place(one) | {"attribute": name, "n": int(one.answers[a]), "n_eff": float(weighed[a])}
        place["verdict"] = "withheld" if withheld else ""
        drawn = (
            ("importance_share", "share", "share of variance", one.shares.values[:, a]),
            ("johnson_share", "share", "share of variance", one.johnson[:, a]),
            ("effect", one.metric, worst_unit, one.effect[:, a]),
            ("reward", one.metric, worst_unit, one.reward[:, a]),
            ("penalty", one.metric, worst_unit, one.penalty[:, a]),
            ("performance", "csat", "share", one.performance[:, a]),
        )
        for estimand, metric, unit, values in drawn:
            ref = 0.0 if estimand in ("effect", "reward", "penalty") else None
            numbers = _numbers(values, withheld=withheld, ref=ref)
            found.append(place | numbers | {"estimand": estimand, "metric": metric, "unit": unit})
        for group, (n, values) in one.by_group.items():
            about = place | {"level": one.question.by, "group": group, "n": n, "n_eff": float("nan")}
            numbers = _numbers(values[:, a], withheld=withheld, ref=0.0)
            found.append(about | numbers | {"estimand": "effect", "metric": one.metric, "unit": worst_unit})
        certain = {"p_top3": top[a], **{f"p_{kind}": chances[a, k] for k, kind in enumerate(KINDS)}}
        for estimand, value in certain.items():
            numbers = dict.fromkeys((*ESTIMATE_NUMBERS, "ci_prob"), float("nan")) | {"ci_kind": ""}
            numbers["mean"] = float("nan") if withheld else float(value)
            found.append(place | numbers | {"estimand": estimand, "metric": "probability", "unit": "probability"})
    return found


def _measures(data: DriverData, about: Question) -> Mapping[str, tuple[tuple[int, float], ...]]:
    if data.kind == "continuous":
        return {"mean": ()}
    return whatif.measures(data.outcome_levels, role=about.role, satisfied_from=about.satisfied_from)


def _weighed(data: DriverData) -> np.ndarray:
    """Effective number of respondents who rated each attribute."""
    rated = (data.codes >= 0) & data.answered[:, None]
    weight = data.weights[:, None] * rated
    return np.asarray(weight.sum(axis=0) ** 2 / np.maximum((weight**2).sum(axis=0), 1e-300))


def _place(one: Measured) -> dict[str, Any]:
    return {"item": one.outcome, "level": "total", "group": "", "weighting": one.weighting}


def _numbers(values: np.ndarray, *, withheld: bool, ref: float | None) -> dict[str, Any]:
    numbers = summary(values, ref=ref)
    return numbers | dict.fromkeys(ESTIMATE_NUMBERS, float("nan")) if withheld else numbers


def _given() -> list[str]:
    return [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "period", "model")]


def _draws(posterior: xr.Dataset, name: str, dims: int) -> np.ndarray:
    values = posterior[name]
    rest = [d for d in values.dims if d not in ("chain", "draw")]
    array = values.transpose("chain", "draw", *rest).to_numpy()
    return np.asarray(array.reshape(-1, *array.shape[2:]) if dims else array.ravel(), float)
