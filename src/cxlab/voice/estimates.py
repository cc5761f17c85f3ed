"""Draws of what topics do to the score -> rows of the tidy table ``topic_estimates``.

Coordinates beside `vocab.ESTIMATE_COLUMNS`: ``topic``, ``situation`` (empty where a row is about none).

======================  =========================================================================================
estimand                a row is
======================  =========================================================================================
``share``               of the comments that have a topic, those that mention it; total or touchpoint, each period
``share_change``        against the period before, in percentage points as a share; ref 0
``score_effect``        mean score of those who mention it, minus what it would be did they not, all else as it is
``effect_difference``   at a touchpoint, minus over all
``points_at_stake``     share of the unit's period times effect: by how much the mean score of comments would differ
``p_rank_worst``        probability (in ``mean``) that the topic costs most points
``sentiment``           mean P(positive) of the comments that mention it, about the topic
``p_emerging``          probability that the topic is new or rising from next to nothing
``situation_share``     of the comments of a period, those that tell the situation
``situation_effect``    like ``score_effect``, of a situation
======================  =========================================================================================

An effect is called better or worse (real) when its direction has at least the probability
`cxlab.inference.estimates.SURE` and it
is not surely smaller than the practical limit. Of topics without any effect at most `FALSE_ALARM` are so called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference.diagnostics import Gate, gate
from cxlab.inference.estimates import SURE, compared, summaries
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS
from cxlab.voice import model, prevalence
from cxlab.voice.mentions import Heard
from cxlab.voice.prevalence import Shares

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.params.models import Params

MODEL: Final = model.MODEL
COORDS: Final = ("topic", "situation")
FALSE_ALARM: Final = 2 * (1 - SURE)  # share of topics without effect that may be called real
_LEAN: Final = 4.0  # comments that the tone of all topics is worth where a topic has few


@dataclass(frozen=True)
class Fits:
    """Draws of a unit.

    Attributes
    ----------
    tree : DataTree or None
        From `mentions.fit`; None where too few comments have a score.
    reported : Dataset or None
        From `mentions.estimands`.
    shares : dict of str to Shares
        By topic.
    withheld : frozenset of str
        Topics whose shares cannot be believed: those alone are withheld.
    gate : Gate
        Whether the draws of effects may be believed.
    weight : float
        What one comment counts among those of its customer.
    draws, chains : int
    """

    tree: xr.DataTree | None
    reported: xr.Dataset | None
    shares: dict[str, Shares]
    withheld: frozenset[str]
    gate: Gate
    weight: float
    draws: int
    chains: int


def fit(heard: Heard, *, seed: int, draws: int = 500, chains: int = 4) -> Fits:
    """Fit effects and shares; the same comments and seed give the same draws."""
    comments = heard.counts(np.ones(len(heard.comments), bool))
    shares = {}
    for i, topic in enumerate(heard.topics):
        own = heard.counts(heard.mention[topic].to_numpy())
        shares[topic] = prevalence.fit(own, comments, draws=draws, chains=chains, seed=seed + i)
    failed = frozenset(t for t, one in shares.items() if not gate(one.tree).passed)
    tree = reported = None
    weight = 1.0
    verdict = Gate(True, 1.0, float(draws * chains), float(draws * chains), 0)
    if heard.scored is not None:
        tree, weight = model.fit(heard.scored, draws=draws, chains=chains, seed=seed)
        reported = model.estimands(tree["posterior"].dataset, heard.scored)
        verdict = gate(tree, reported)
    return Fits(tree, reported, shares, failed, verdict, weight, draws, chains)


def table(
    heard: Heard, fits: Fits, *, params: Params, period: str, emerging: pd.DataFrame | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the estimates as tidy rows; fits that failed their checks give rows without numbers.

    Parameters
    ----------
    heard : Heard
    fits : Fits
    params : Params
        Practical limits and the smallest n.
    period : str
        The unit's.
    emerging : DataFrame, optional
        ``topic``, ``mean`` (probability), ``n`` and, if known, ``verdict``.
    seed : int
        Of the draws of tones and situations' shares.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run and brand, and `COORDS`.
    """
    random = np.random.default_rng(seed)
    parts = [*_shares(heard, fits, params), *_tones(heard, random), *_told(heard, fits, random)]
    parts += _effects(heard, fits, params, period)
    if emerging is not None and len(emerging):
        rows = emerging[[c for c in ("topic", "mean", "n", "verdict") if c in emerging]]
        parts.append(rows.assign(estimand="p_emerging", metric="probability", unit="probability", period=period))
    parts = [p for p in parts if len(p)]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    given = {
        "item": heard.item, "weighting": "none", "level": "total", "group": "", "verdict": "", "topic": "",
        "situation": "", "ci_kind": "",
    }  # fmt: skip
    for column, value in given.items():
        whole[column] = whole[column].fillna(value) if column in whole else value
    for column in (*ESTIMATE_COLUMNS, *COORDS):
        if column not in whole:
            whole[column] = np.nan
    whole["n_eff"] = whole["n_eff"].astype(float).fillna(whole["n"].astype(float))
    kind, topic = whole["estimand"], whole["topic"]
    failed = topic.isin(fits.withheld) & kind.isin(["share", "share_change", "points_at_stake", "p_rank_worst"])
    if not fits.gate.passed:
        failed |= ~kind.isin(["share", "share_change", "sentiment", "p_emerging", "situation_share"])
    whole.loc[failed, list(ESTIMATE_NUMBERS)] = np.nan
    whole.loc[failed, "verdict"] = "withheld"
    return whole.assign(model=MODEL)[[*(c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand")), *COORDS]]


def draws_of(heard: Heard, fits: Fits, *, period: str) -> xr.Dataset:
    """Return the draws that later notebooks and what-if read, of fits that passed.

    Returns
    -------
    Dataset
        ``effect``, ``share``, ``stake`` (chain, draw, topic) and ``place_effect``, ``place_share`` (chain, draw, topic,
        touchpoint), of the period, float32; NaN where nothing is known, no topic where the fit failed.
        Attributes ``item``, ``metric``.
    """
    import xarray as xr

    shape = (fits.chains, fits.draws)
    if not fits.gate.passed or not fits.shares:
        dims, none = ("chain", "draw", "topic", "touchpoint"), np.zeros(0, "<U1")
        flat, placed = np.empty((*shape, 0), "float32"), np.empty((*shape, 0, 0), "float32")
        nothing: dict[str, Any] = dict.fromkeys(("effect", "share", "stake"), (dims[:3], flat))
        nothing |= dict.fromkeys(("place_effect", "place_share"), (dims, placed))
        return xr.Dataset(
            nothing,
            coords={"topic": none, "touchpoint": none},
            attrs={"item": heard.item, "metric": heard.metric},
        )
    at = heard.periods.index(period)
    size = fits.chains * fits.draws
    believed = np.array([np.nan if t in fits.withheld else 1.0 for t in heard.topics])
    share = np.column_stack([fits.shares[t].total[:, at] for t in heard.topics]) * believed
    place_share = np.stack([fits.shares[t].cell[:, :, at] for t in heard.topics], axis=1) * believed[:, None]
    effect, place_effect = np.full_like(share, np.nan), np.full_like(place_share, np.nan)
    if fits.reported is not None:
        drawn = fits.reported
        for j, topic in enumerate(drawn["topic"].to_numpy()):
            effect[:, heard.topics.index(str(topic))] = drawn["score_effect"].to_numpy().reshape(size, -1)[:, j]
        placed = drawn["place_effect"].to_numpy().reshape(size, -1)
        pairs = zip(drawn["pair_topic"].to_numpy(), drawn["pair_place"].to_numpy(), strict=True)
        for j, (topic, place) in enumerate(pairs):
            place_effect[:, heard.topics.index(str(topic)), heard.places.index(str(place))] = placed[:, j]
    one = ("chain", "draw", "topic")
    found = {"effect": effect, "share": share, "stake": share * effect}
    both = {"place_effect": place_effect, "place_share": place_share}
    variables: dict[str, Any] = {k: (one, v.reshape(*shape, -1).astype("float32")) for k, v in found.items()}
    variables |= {k: ((*one, "touchpoint"), v.reshape(*shape, *v.shape[1:]).astype("float32")) for k, v in both.items()}
    coords = {"topic": heard.topics, "touchpoint": heard.places}
    return xr.Dataset(variables, coords=coords, attrs={"item": heard.item, "metric": heard.metric})


def expected_false(estimates: pd.DataFrame) -> float:
    """Return how many of the topics called real are expected to have no effect of that direction."""
    rows = estimates[(estimates["estimand"] == "score_effect") & (estimates["level"] == "total")]
    called = rows[rows["verdict"].isin(["better", "worse"])]["prob_gt_ref"].to_numpy(float)
    return float(np.minimum(called, 1 - called).sum())


def _shares(heard: Heard, fits: Fits, params: Params) -> list[pd.DataFrame]:
    """Shares of every period over all and by touchpoint, and their changes."""
    comments = heard.counts(np.ones(len(heard.comments), bool))
    total = comments.sum(axis=0)
    share = {"metric": "share", "unit": "share"}
    limit = params.limits.practical_change.top_box
    parts = []
    for topic, drawn in fits.shares.items():
        about = {"topic": topic, **share}
        known = np.flatnonzero(total > 0)
        place = pd.DataFrame({"period": np.array(heard.periods)[known], "n": total[known]})
        parts.append(pd.concat([place, summaries(drawn.total[:, known])], axis=1).assign(estimand="share", **about))
        g, p = np.nonzero(comments)
        place = pd.DataFrame({"period": np.array(heard.periods)[p], "n": comments[g, p], "level": "touchpoint"})
        place["group"] = np.array(heard.places, object)[g]
        parts.append(pd.concat([place, summaries(drawn.cell[:, g, p])], axis=1).assign(estimand="share", **about))
        after = np.flatnonzero((total[1:] > 0) & (total[:-1] > 0)) + 1
        if len(after):
            n = np.minimum(total[after], total[after - 1])
            place = pd.DataFrame({"period": np.array(heard.periods)[after], "n": n})
            numbers = _changed(drawn.total[:, after] - drawn.total[:, after - 1], limit)
            parts.append(pd.concat([place, numbers], axis=1).assign(estimand="share_change", **about))
        here = np.flatnonzero((comments[:, -1] > 0) & (comments[:, -2] > 0)) if len(total) > 1 else np.zeros(0, int)
        if len(here):
            place = pd.DataFrame({"n": comments[here, -2:].min(axis=1), "level": "touchpoint"})
            place["group"] = np.array(heard.places, object)[here]
            numbers = _changed(drawn.cell[:, here, -1] - drawn.cell[:, here, -2], limit)
            named = about | {"period": heard.periods[-1]}
            parts.append(pd.concat([place, numbers], axis=1).assign(estimand="share_change", **named))
    return parts


def _changed(values: np.ndarray, limit: float) -> pd.DataFrame:
    """Numbers of changes of shares; whether more talk is better or worse is not theirs to say."""
    numbers = compared(values, practical=limit).drop(columns="prob_practical")
    return numbers.assign(verdict=numbers["verdict"].replace({"better": "", "worse": ""}))


def _effects(heard: Heard, fits: Fits, params: Params, period: str) -> list[pd.DataFrame]:
    """Effects, points at stake and who costs most."""
    drawn = fits.reported
    if drawn is None:
        return []
    size = fits.draws * fits.chains
    limit = float(getattr(params.limits.practical_change, heard.metric))
    named = {
        "metric": heard.metric, "unit": "NPS points" if heard.metric == "nps" else "points", "period": period,
    }  # fmt: skip
    effect = drawn["score_effect"].to_numpy().reshape(size, -1)
    topics = drawn["topic"].to_numpy().astype(str)
    place = pd.DataFrame({"topic": topics, "n": drawn["n"].to_numpy()})
    place["n_eff"] = fits.weight * place["n"]
    numbers = compared(effect, practical=limit).drop(columns="prob_practical")
    parts = [pd.concat([place, numbers], axis=1).assign(estimand="score_effect", **named)]
    at = heard.periods.index(period)
    stake = effect * np.column_stack([fits.shares[t].total[:, at] for t in topics])
    if np.isfinite(stake).all():
        at_stake = summaries(stake, ref=0.0).assign(verdict=numbers["verdict"])
        parts.append(pd.concat([place, at_stake], axis=1).assign(estimand="points_at_stake", **named))
        shown = np.flatnonzero(place["n"] >= params.limits.min_n)
        if len(shown) > 1:
            worst = np.where(stake[:, shown].min(axis=1) < 0, stake[:, shown].argmin(axis=1), len(shown))
            chance = np.bincount(worst, minlength=len(shown) + 1)[:-1] / size
            rows = place.iloc[shown].assign(mean=chance, estimand="p_rank_worst", metric="probability")
            parts.append(rows.assign(unit="probability", period=period))
    told = drawn["situation"].to_numpy().astype(str)
    if len(told):
        values = drawn["situation_effect"].to_numpy().reshape(size, -1)
        place = pd.DataFrame({"situation": told, "n": drawn["situation_n"].to_numpy()})
        place["n_eff"] = fits.weight * place["n"]
        numbers = compared(values, practical=limit).drop(columns="prob_practical")
        parts.append(pd.concat([place, numbers], axis=1).assign(estimand="situation_effect", **named))
    return parts + _placed(heard, fits, limit, named, at)


def _placed(heard: Heard, fits: Fits, limit: float, named: dict[str, str], at: int) -> list[pd.DataFrame]:
    """Effects and points at stake of topics at touchpoints, and how an effect differs from that over all."""
    drawn = fits.reported
    if drawn is None or not drawn.sizes["pair"]:
        return []
    size = fits.draws * fits.chains
    values = drawn["place_effect"].to_numpy().reshape(size, -1)
    topics, places = drawn["pair_topic"].to_numpy().astype(str), drawn["pair_place"].to_numpy().astype(str)
    rows = pd.DataFrame({"topic": topics, "level": "touchpoint", "group": places, "n": drawn["pair_n"].to_numpy()})
    rows["n_eff"] = fits.weight * rows["n"]
    numbers = compared(values, practical=limit).drop(columns="prob_practical")
    parts = [pd.concat([rows, numbers], axis=1).assign(estimand="score_effect", **named)]
    order = {str(t): i for i, t in enumerate(drawn["topic"].to_numpy())}
    over_all = drawn["score_effect"].to_numpy().reshape(size, -1)[:, [order[t] for t in topics]]
    apart = compared(values - over_all, practical=limit).drop(columns="prob_practical")
    parts.append(pd.concat([rows, apart], axis=1).assign(estimand="effect_difference", **named))
    index = {g: i for i, g in enumerate(heard.places)}
    share = np.column_stack([fits.shares[t].cell[:, index[g], at] for t, g in zip(topics, places, strict=True)])
    known = np.flatnonzero(np.isfinite(share).all(axis=0))
    if len(known):
        stake = summaries((values * share)[:, known], ref=0.0)
        stake["verdict"] = numbers["verdict"].to_numpy()[known]
        own = rows.iloc[known].reset_index(drop=True)
        parts.append(pd.concat([own, stake], axis=1).assign(estimand="points_at_stake", **named))
    return parts


def _tones(heard: Heard, random: np.random.Generator) -> list[pd.DataFrame]:
    """Mean P(positive) by topic: each period over all, and by touchpoint in the last one."""
    tone = heard.tone.to_numpy(float)
    row, column = np.nonzero(np.isfinite(tone))
    if not len(row):
        return []
    long = heard.comments.iloc[row][["period", "touchpoint"]].reset_index(drop=True)
    long = long.assign(topic=np.array(heard.topics, object)[column], tone=tone[row, column])
    typical = float(long["tone"].mean())
    last = long[long["period"] == heard.periods[-1]].rename(columns={"touchpoint": "group"})
    parts = []
    for rows, keys, level in (
        (long, ["topic", "period"], "total"),
        (last, ["topic", "period", "group"], "touchpoint"),
    ):
        groups = rows.groupby(keys, as_index=False)["tone"].agg(n="count", good="sum")
        if len(groups):
            a = groups.pop("good").to_numpy() + _LEAN * typical
            b = groups["n"].to_numpy() + _LEAN - a
            numbers = summaries(random.beta(np.maximum(a, 1e-6), np.maximum(b, 1e-6), (2000, len(groups))))
            parts.append(pd.concat([groups, numbers], axis=1).assign(level=level, estimand="sentiment"))
    return [p.assign(metric="share", unit="share", verdict="") for p in parts]


def _told(heard: Heard, fits: Fits, random: np.random.Generator) -> list[pd.DataFrame]:
    """Shares of comments that tell a situation, each period: least shares, see `cxlab.voice.mentions`."""
    size = heard.comments.groupby("period").size().reindex(list(heard.periods), fill_value=0)
    known = size[size > 0]
    parts = []
    for name in heard.situation.columns:
        said = heard.comments[heard.situation[name].to_numpy()].groupby("period").size()
        y = said.reindex(known.index, fill_value=0).to_numpy()
        draws = random.beta(y + 0.5, known.to_numpy() - y + 0.5, (2000, len(known)))
        place = pd.DataFrame({"situation": name, "period": known.index, "n": known.to_numpy()})
        parts.append(pd.concat([place, summaries(draws)], axis=1))
    return [p.assign(estimand="situation_share", metric="share", unit="share", verdict="") for p in parts]
