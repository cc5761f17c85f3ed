"""Fits of a page's outcomes with a verdict each, and what they say, draw by draw: shares, sides, kinds, what-ifs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cxlab import params as grammar
from cxlab.drivers import data as people
from cxlab.drivers import importance, kano, model, whatif
from cxlab.drivers.data import BEHAVIOUR, BLANK, FEWEST, NOT_USED, DriverData
from cxlab.drivers.importance import Shares
from cxlab.drivers.kano import Anchors
from cxlab.drivers.model import MOST_BLANK, MUCH_BLANK, Monotone
from cxlab.drivers.whatif import Outlook
from cxlab.errors import ModelError
from cxlab.inference.diagnostics import Gate, gate

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.params.models import ModelSettings, Params
    from cxlab.runs import UnitData

DONE: Final = ("repurchased", "left")  # what customers do, the first one there is
MOST_STRAY: Final = 0.001  # part of the trajectories that may have lost their way
EFFORT: Final = (1, 3)  # of the sampler; the second where the first did not pass
JUDGED: Final = ("level_effect", "r2")
KEPT: Final = 1000  # draws written down, of all chains together
UNWELCOME: Final = "left"  # what customers do and nobody wants: there a rating that lowers it is the good one
ROLE: Final = "behaviour"  # of an outcome that is no question
_GIVEN: Final = ("codes", "outcome", "attributes", "levels", "kind", "outcome_levels", "weights", "name", "customers")
_PRACTICAL: Final = 0.03  # smallest change worth acting on of shares without one in the params, and of the log of money
_MOOD_GROUPS: Final = 12
_SHAPES: Final[dict[str, Monotone]] = {"monotone": "yes", "linear": "linear", "free": "free"}


@dataclass(frozen=True)
class Fit:
    """A fitted outcome.

    Attributes
    ----------
    data : DriverData
    tree : DataTree
        From `cxlab.drivers.model.fit`.
    gate : Gate
        Whether its draws may be believed.
    """

    data: DriverData
    tree: xr.DataTree
    gate: Gate

    @property
    def posterior(self) -> xr.Dataset:
        """Draws of the model."""
        return self.tree["posterior"].dataset


def outcomes(data: UnitData, *, params: Params, period: str, outcome: str = "auto") -> list[str]:
    """Return the outcomes of a unit's page: the one asked for first, a second question, and what customers do.

    Parameters
    ----------
    data : UnitData
    params : Params
    period : str
        The unit's period.
    outcome : str
        ``auto`` takes that of the params, else the headline.

    Returns
    -------
    list of str
        Empty if nobody rated attributes and an outcome together.
    """
    able = people.outcomes(data, params=params, period=period)
    if not able:
        return []
    asked = outcome if outcome != "auto" else params.drivers.outcome
    lead = able[0] if asked == "auto" else asked
    questions = [name for name in able if name not in (*BEHAVIOUR, "satisfied", lead)]
    done = [name for name in DONE if name in able and name != lead]
    return [lead, *questions[:1], *done[:1]]


def load(names: Sequence[str], data: UnitData, *, params: Params, period: str) -> tuple[list[DriverData], list[str]]:
    """Read the respondents of each outcome.

    What customers do is known of respondents of earlier periods only; an attribute that most of them were not asked
    about yet is left out there.

    Returns
    -------
    found : list of DriverData
        Those that can be fitted, in order.
    reasons : list of str
        Why the others cannot.
    """
    spec = params.drivers
    asking = set(spec.stated.values())
    named = [a for a in spec.attributes or people.attributes(data, period=period) if a not in asking]
    found, reasons = [], []
    for name in names:
        by = spec.by if spec.by and name == names[0] else ""
        try:
            one = people.respondents(data, params=params, period=period, outcome=name, named=named, by=by)
            asked = [a for a, blank in zip(one.attributes, one.blanks, strict=True) if blank <= MOST_BLANK]
            if name in BEHAVIOUR and FEWEST <= len(asked) < len(one.attributes):
                one = people.respondents(data, params=params, period=period, outcome=name, named=asked)
            found.append(one)
        except ModelError as error:
            reasons += [f"{name}: {problem}" for problem in error.problems]
    return found, reasons


def fit(
    data: Sequence[DriverData], *, settings: ModelSettings, seed: Callable[[str], int], draws: int = 0
) -> list[Fit]:
    """Fit every outcome; the shape of the curves is chosen on the first one, and what does not pass is drawn longer.

    A fit whose effects may differ by group and that does not pass is replaced by one with the same effects for all.

    Parameters
    ----------
    data : sequence of DriverData
    settings : ModelSettings
        Draws and chains of the params.
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain; 0 takes those of `settings`.
    """
    found: list[Fit] = []
    shape: Monotone = "auto"
    for one in data:
        given = {"chains": settings.chains, "draws": draws or settings.draws, "seed": seed(f"drivers {one.name}")}
        fitted = _drawn(one, shape, **given)
        if one.groups and not fitted.gate.passed:  # better the same effects for all than none
            fitted = _drawn(replace(one, groups=(), group=np.zeros_like(one.group)), shape, **given)
        shape = _shape(fitted.tree)
        found.append(fitted)
    return found


def _drawn(data: DriverData, shape: Monotone, **given: Any) -> Fit:
    for effort in EFFORT:
        tree = model.fit(data, monotone=shape, effort=effort, **given)
        verdict = judge(tree)
        if verdict.passed:
            break
        shape = _shape(tree)
    return Fit(data, tree, verdict)


def _shape(tree: xr.DataTree) -> Monotone:
    return _SHAPES.get(str(tree.attrs.get("shape", "monotone")), "yes")


def judge(tree: xr.DataTree) -> Gate:
    """Judge a fit: weighted draws by their weights too, draws of the exact density as chains alone.

    Up to one stray trajectory in a thousand does not fail a fit: it was refused like any other step, and a corner that
    walkers cannot enter would turn back more of them. The verdict still counts all of them.
    """
    import xarray as xr

    plain = xr.DataTree.from_dict({k: tree[k].dataset for k in ("posterior", "sample_stats")})
    stray = plain["sample_stats"]["diverging"]
    if float(stray.mean()) <= MOST_STRAY:
        plain["sample_stats"]["diverging"] = stray & False
    if tree.attrs.get("method") == "importance":
        plain.attrs["khat"] = tree.attrs["khat"]
    return replace(gate(plain, names=JUDGED), divergences=int(stray.sum()))


def verdicts(fits: Sequence[Fit]) -> dict[str, Any]:
    """Return what a manifest keeps: how each fit was drawn and whether it passed."""
    kept = ("method", "khat", "ess_share", "shape")
    return {
        "fits": [
            {"name": one.data.name, **{k: one.tree.attrs.get(k) for k in kept}, **one.gate.as_dict()} for one in fits
        ]
    }


def reasons(fits: Sequence[Fit]) -> list[dict[str, str]]:
    """Return why fits did not pass, with the outcome's id, in each language."""
    return [
        {language: f"{one.data.name}: {text}" for language, text in reason.items()}
        for one in fits
        for reason in one.gate.reasons
    ]


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
    codes : tuple of float
        Legal codes of the outcome, worst to best, those that nobody gave included; empty for behaviour.
    """

    role: str
    satisfied_from: float | None
    satisfied: tuple[int, ...]
    touchpoints: tuple[str, ...]
    by: str = ""
    codes: tuple[float, ...] = ()


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
    rated : mapping of attribute -> array (draw,)
        Its share among those who rated it, where many left it blank.
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
    rated: Mapping[str, np.ndarray]
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
    codes = tuple(float(c) for c in scale.codes) if scale and data.kind == "ordinal" else ()
    return Question(own.role if own else ROLE, from_code, tuple(satisfied), tuple(touchpoints), by, codes)


def measure(
    data: DriverData,
    posterior: xr.Dataset,
    *,
    params: Params,
    seed: int,
    about: Question | None = None,
    rated: Mapping[str, np.ndarray] | None = None,
) -> Measured:
    """Work out everything that is reported of one outcome.

    Parameters
    ----------
    data : DriverData
    posterior : Dataset
        Of `cxlab.drivers.model`: ``level_effect``, ``contribution_cov``, ``noise_var``, ``level_share``, ``cut``.
    params : Params
        Limits; scales and touchpoints unless `about` is given.
    seed : int
        Of sampled orders and of the respondents kept.
    about : Question, optional
    rated : mapping, optional
        From `rated_shares`.
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
    codes, weight = filled(data, seed=seed)
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
    anchors = kano.anchors(effect, levels.mean(axis=0))
    up, down = whatif.sides(at, anchors, metric)
    practical = float(getattr(params.limits.practical_change, metric, _PRACTICAL))
    if data.kind == "continuous":  # the mean of money's logarithm is no mean rating
        practical = _PRACTICAL
    worth = np.maximum(np.abs(up), np.abs(down))
    liked = -1.0 if about.role == ROLE and data.name == UNWELCOME else 1.0
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
        kinds=kano.kinds(liked * at.effect, anchors, worth=worth, practical=practical),
        by_group=_groups(data, kept, at, metric, seed=seed),
        bare=bare,
        whole=cov[:, -1, -1],
        rated=rated or {},
        outlook=at,
        posterior=kept,
    )


def measures(fits: Sequence[Fit], *, params: Params, seed: Callable[[str], int]) -> list[Measured]:
    """Work out what is reported of every outcome; see `measure`. `seed` is `Run.seed`."""
    return [
        measure(
            one.data,
            one.posterior,
            params=params,
            seed=seed(f"shares {one.data.name}"),
            rated=rated_shares(one, seed=seed(f"rated {one.data.name}")) if k == 0 else None,
        )
        for k, one in enumerate(fits)
    ]


def rated_shares(fit: Fit, *, seed: int, draws: int = 250) -> dict[str, np.ndarray]:
    """Return the share of each attribute that many left blank among those alone who rated or did not use it.

    Draws of its share of the outcome's variance, of a fit to these respondents; nothing where they are too few or the
    fit fails.
    """
    found = {}
    for a, name in enumerate(fit.data.attributes):
        if not blank_share(fit.data)[a] > MUCH_BLANK:
            continue
        try:
            own = fit.data.take(np.flatnonzero(fit.data.codes[:, a] != BLANK))
            own = people.model_data(**{k: getattr(own, k) for k in _GIVEN})
        except ModelError:
            continue
        tree = model.fit(own, monotone=_shape(fit.tree), seed=seed, draws=draws)
        if judge(tree).passed:
            kept = thinned(tree["posterior"].dataset, KEPT // 2)
            cov = importance.joint(_draws(kept, "contribution_cov", 2), _draws(kept, "noise_var", 0))
            found[name] = importance.lmg(cov, seed=seed).values[:, a]
    return found


def blank_share(data: DriverData) -> np.ndarray:
    """Return the part of the respondents with an outcome who left each attribute blank, (attribute,)."""
    return np.asarray((data.codes[data.answered] == BLANK).mean(axis=0))


def filled(data: DriverData, *, seed: int, most: int = whatif.SAMPLE) -> tuple[np.ndarray, np.ndarray]:
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


def thinned(posterior: xr.Dataset, keep: int) -> xr.Dataset:
    """Return at most about `keep` draws of all chains together, evenly spaced."""
    step = -(-posterior.sizes["chain"] * posterior.sizes["draw"] // keep)
    return posterior.isel(draw=slice(None, None, step))


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
        codes, weight = filled(own, seed=seed)
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


def _measures(data: DriverData, about: Question) -> Mapping[str, tuple[tuple[int, float], ...]]:
    if data.kind == "continuous":
        return {"mean": ()}
    whole, present = about.codes or data.outcome_levels, data.outcome_levels
    found = whatif.measures(whole, role=about.role, satisfied_from=about.satisfied_from)
    return {name: _among(parts, whole, present) for name, parts in found.items()}


def _among(
    parts: tuple[tuple[int, float], ...], whole: Sequence[float], present: Sequence[float]
) -> tuple[tuple[int, float], ...]:
    """Boundaries between the codes of a scale as boundaries between those that somebody gave."""
    moved = [(k if k < 0 else sum(c <= whole[k] for c in present) - 1, weight) for k, weight in parts]
    return tuple((k, weight) for k, weight in moved if k < len(present) - 1)  # nobody is above the last


def _draws(posterior: xr.Dataset, name: str, dims: int) -> np.ndarray:
    values = posterior[name]
    rest = [d for d in values.dims if d not in ("chain", "draw")]
    array = values.transpose("chain", "draw", *rest).to_numpy()
    return np.asarray(array.reshape(-1, *array.shape[2:]) if dims else array.ravel(), float)
