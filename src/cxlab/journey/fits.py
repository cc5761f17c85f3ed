"""The journey of a unit: what its data can answer about moments of truth, paths and decisions, and the fits of that.

`load` asks the store for what each question needs and names what is missing where a question cannot be asked; `fit`
draws from every model that has data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.inference import experiences
from cxlab.inference.experiences import Question
from cxlab.journey import churn as leaving
from cxlab.journey import moments_of_truth, paths, peak_end, states, tenure, transitions
from cxlab.journey import time_to_decision as decision
from cxlab.journey.churn import Horizon
from cxlab.journey.moments_of_truth import MomentsData
from cxlab.journey.paths import PathsData
from cxlab.journey.peak_end import PeakEndData
from cxlab.journey.states import RATING
from cxlab.journey.tenure import TenureData
from cxlab.journey.time_to_decision import DecisionData
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData
from cxlab.vocab import SEGMENT

if TYPE_CHECKING:
    import xarray as xr

ANY: Final = "any"  # the place of an experience at whatever touchpoint
DRAWS: Final = 1000  # in all chains: what importance sampling draws is independent
_RARE: Final = 0.02  # share below which leaving, or staying, is too rare to learn from


@dataclass(frozen=True)
class Journeys:
    """What the data hold for each question; None or empty where `missing` says why.

    Attributes
    ----------
    question : Question or None
        The answer that stands for the relationship.
    horizon : Horizon or None
        When a customer is taken for gone.
    satisfaction, leaving : tuple of MomentsData
        One entry a basis: ratings of touchpoints, outcomes of interactions.
    one_bad : tuple of MomentsData
        Leaving after exactly one bad experience, in the same order as `leaving`.
    sides : dict
        (touchpoint, outcome) -> the bad side.
    peak_end, tenure, paths, decision
        Data of these models.
    flow : DataFrame
        The first steps of journeys, see `steps.flow`.
    gap : int
        Days of pause after which another journey begins.
    early : tuple of str
        Touchpoints of the first stage, where the end of a journey is a loss; empty where nothing is bought.
    missing : dict
        Question -> why it cannot be answered, a key of the catalogue.
    """

    question: Question | None = None
    horizon: Horizon | None = None
    satisfaction: tuple[MomentsData, ...] = ()
    leaving: tuple[MomentsData, ...] = ()
    one_bad: tuple[MomentsData, ...] = ()
    sides: dict[tuple[str, str], str] = field(default_factory=dict)
    peak_end: PeakEndData | None = None
    tenure: TenureData | None = None
    paths: PathsData | None = None
    decision: DecisionData | None = None
    flow: pd.DataFrame = field(default_factory=pd.DataFrame)
    gap: int = 0
    early: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def weeks(self) -> int:
        """After which a customer is taken for gone; 0: nobody's leaving is known."""
        return round(self.horizon.days / 7) if self.horizon else 0

    @property
    def kind(self) -> str:
        """How leaving is known."""
        return self.horizon.kind if self.horizon else ""

    @property
    def states(self) -> tuple[str, ...]:
        """States of the journeys, in order."""
        return tuple(self.paths.states) if self.paths is not None else ()

    @property
    def answerable(self) -> bool:
        """Whether any of the questions can be asked."""
        rows = self.satisfaction + self.leaving + self.one_bad
        return bool(rows) or any(x is not None for x in (self.peak_end, self.tenure, self.paths, self.decision))


@dataclass(frozen=True)
class Fitted:
    """Draws of one model.

    Attributes
    ----------
    name : str
        ``satisfaction``, ``leaving``, ``one_bad``, ``peak_end``, ``tenure``, ``paths`` or ``decision``.
    reported : Dataset
        What its ``estimands`` returned.
    tree : DataTree or None
        For the convergence gate; None where the draws are exact.
    weight : float
        What one row counts, where customers come several times.
    early : tuple of str
        Of ``paths``: touchpoints at which an end is a loss.
    gain : tuple of float
        Of ``peak_end``: how much better it predicts, and the standard error.
    """

    name: str
    reported: xr.Dataset
    tree: xr.DataTree | None = None
    weight: float = 1.0
    early: tuple[str, ...] = ()
    gain: tuple[float, float] = (float("nan"), float("nan"))


def load(data: UnitData, *, params: Params) -> Journeys:
    """Return what a unit's data hold for each question of the journey.

    Parameters
    ----------
    data : UnitData
        The unit's tables.
    params : Params
        Scales, stages, the smallest n.
    """
    least = params.limits.min_n
    missing: dict[str, str] = {}
    asked = experiences.question(data, params)
    said = experiences.answers(data, params, asked) if asked else pd.DataFrame({"response_id": []})
    places, words = experiences.rated(data, params, said["response_id"])
    met = experiences.met_before(data, said)
    sides, clear = experiences.worse_side(met, said, success=asked.success, least=least) if asked else ({}, set())
    satisfied = _satisfaction(said, words, met, sides, asked, least) if asked else ()
    if not satisfied:
        early = "too_early" if experiences.asked_too_early(data, least=least) else "no_experience"
        missing["satisfaction"] = "no_question" if asked is None or said.empty else early
    horizon = leaving.horizon(data, least=least)
    left, one_bad, why = _leaving(data, params, horizon, sides, clear, least)
    if why:
        missing["leaving"] = why
    if not one_bad:
        missing["one_bad"] = why or "no_bad"
    peak = aged = None
    if asked and len(said):
        own = experiences.contrasted(said, _segments(said))
        staged = {t for stage in params.journey.stages for t in stage.touchpoints}
        placed = places[[t for t in places.columns if t in staged]]  # without an order there is no end
        if int((placed.notna().sum(axis=1) >= 3).sum()) >= least:
            peak = peak_end.model_data(
                placed.to_numpy(float), said["y"].to_numpy(), codes=len(asked.codes), success=asked.success,
                customer=said["customer"].to_numpy(), covariates=own,
            )  # fmt: skip
        last = ~said["customer"].duplicated(keep="last").to_numpy()
        days = said["since"].astype(float).to_numpy()
        if int((last & (np.nan_to_num(days, nan=-1) >= 0)).sum()) >= least:
            aged = tenure.model_data(
                days[last], said["y"].to_numpy()[last], codes=len(asked.codes), success=asked.success,
                covariates=own[last],
            )  # fmt: skip
    if peak is None:
        ordered = bool(params.journey.stages)
        missing["peak_end"] = "no_question" if asked is None else "no_three" if ordered else "no_order"
    if aged is None or len(aged.edges) < 2:
        missing["tenure"], aged = "no_question" if asked is None else "no_since", None
    walked, gap, flow = _paths(data, params, least)
    if walked is None:
        missing["paths"] = "no_steps"
    bought = walked is not None and any(s.startswith(states.BUY) for s in walked.states)
    first = params.journey.stages[0].touchpoints if params.journey.stages and bought else []
    before = tuple(t for t in first if walked is not None and t in walked.states)
    spells = transitions.spells(data, params, sides=sides)
    decided = decision.model_data(spells) if len(spells) and int(spells["n"].sum()) >= least else None
    if decided is None:
        missing["decision"] = "no_spells"
    return Journeys(
        question=asked, horizon=horizon, satisfaction=satisfied, leaving=left, one_bad=one_bad, sides=sides,
        peak_end=peak, tenure=aged, paths=walked, decision=decided, flow=flow, gap=gap, early=before, missing=missing,
    )  # fmt: skip


def fit(found: Journeys, *, settings: ModelSettings, seed: Callable[[str], int], draws: int = 0) -> list[Fitted]:
    """Draw from every model that has data.

    Parameters
    ----------
    found : Journeys
    settings : ModelSettings
        Number of chains.
    seed : callable
        Name -> seed.
    draws : int
        Per chain; 0: `DRAWS` in all chains together.
    """
    chains = settings.chains
    each = draws or -(-DRAWS // chains)
    fits = []
    for name, group in (("satisfaction", found.satisfaction), ("leaving", found.leaving), ("one_bad", found.one_bad)):
        for i, one in enumerate(group):
            own = seed(f"{name} {i}")
            tree, _, weight = moments_of_truth.fit(one, draws=each, chains=chains, seed=own)
            reported = moments_of_truth.estimands(tree["posterior"].dataset, one, weight=weight, seed=own)
            fits.append(Fitted(name, reported, tree, weight=weight))
    if found.peak_end is not None:
        tree, peaks, weight = peak_end.fit(found.peak_end, draws=each, chains=chains, seed=seed("peak_end"))
        gain = peak_end.gain(peaks, seed=seed("peak_end folds"))
        reported = peak_end.estimands(tree["posterior"].dataset, peaks)
        fits.append(Fitted("peak_end", reported, tree, weight=weight, gain=gain))
    if found.tenure is not None:
        tree, ages, weight = tenure.fit(found.tenure, draws=each, chains=chains, seed=seed("tenure"))
        fits.append(Fitted("tenure", tenure.estimands(tree["posterior"].dataset, ages), tree, weight=weight))
    if found.paths is not None:
        tree, drawn = paths.draw(found.paths, draws=each, chains=chains, seed=seed("paths"))
        fits.append(Fitted("paths", paths.estimands(drawn, found.paths), tree, early=found.early))
    if found.decision is not None:
        drawn = decision.draw(found.decision, draws=each, chains=chains, seed=seed("decision"))
        fits.append(Fitted("decision", decision.estimands(drawn, found.decision)))
    return fits


def _segments(rows: pd.DataFrame) -> list[str]:
    return [c for c in rows.columns if c.startswith(SEGMENT)]


def _satisfaction(
    said: pd.DataFrame,
    words: pd.DataFrame,
    met: pd.DataFrame,
    sides: dict[tuple[str, str], str],
    asked: Question,
    least: int,
) -> tuple[MomentsData, ...]:
    found = []
    own = experiences.covariates(said, [*_segments(said), "period", "channel", "past"])
    by_rating = words.set_axis(experiences.columns_of([(t, RATING) for t in words.columns]), axis=1)
    for levels in (by_rating, experiences.words(met, sides, said["response_id"])):
        levels = _known_both(levels, least)
        if levels.shape[1] == 0:
            continue
        rows = (levels != "unknown").any(axis=1).to_numpy()
        found.append(
            moments_of_truth.model_data(
                levels[rows],
                said["y"].to_numpy()[rows],
                outcome="satisfaction",
                codes=len(asked.codes),
                success=asked.success,
                customer=said["customer"].to_numpy()[rows],
                covariates=own[rows],
            )
        )
    return tuple(found)


def _leaving(
    data: UnitData,
    params: Params,
    horizon: Horizon | None,
    sides: dict[tuple[str, str], str],
    clear: set[tuple[str, str]],
    least: int,
) -> tuple[tuple[MomentsData, ...], tuple[MomentsData, ...], str]:
    """Leaving by touchpoint, leaving after one bad experience, and why there is none."""
    if horizon is None:
        return (), (), "no_horizon"
    by_touchpoint, one_bad, why = [], [], "no_followed"
    for basis in (RATING, "outcome"):
        wanted = list(dict.fromkeys(o for _, o in sides))
        if basis == "outcome" and not wanted:
            continue
        rows = leaving.followed(data, horizon, basis=basis, names=wanted)
        gone = rows["left"].to_numpy(bool)
        if min(gone.sum(), (~gone).sum()) < max(least, _RARE * len(rows)):
            why = "rare" if len(rows) >= least else why
            continue
        more = [*_segments(rows), "window", "past", "recent", "tenure"]
        if basis == RATING:
            _, words = experiences.rated(data, params, rows["id"])
            levels = words.set_axis(experiences.columns_of([(t, RATING) for t in words.columns]), axis=1)
            judged = words
            rows["rated"] = (words != "unknown").sum(axis=1).clip(upper=6).astype("string")
            more.append("rated")
        else:
            levels = leaving.outcome_words(rows, sides)
            judged = leaving.outcome_words(rows, {k: v for k, v in sides.items() if k in clear})
        levels = _known_both(levels, least)
        own = experiences.covariates(rows, [*more, "touchpoint"] if basis != RATING else more)
        if levels.shape[1]:
            by_touchpoint.append(_left(levels, rows, own))
        whole, seen = _one_bad(judged, basis)
        if _known_both(whole[seen], least).shape[1]:
            one_bad.append(_left(whole[seen], rows[seen], own[seen]))
    return tuple(by_touchpoint), tuple(one_bad), "" if by_touchpoint else why


def _one_bad(judged: pd.DataFrame, basis: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return each row's experience at whatever touchpoint, and which rows have one that can be told bad or good."""
    bad = (judged == "bad").sum(axis=1).to_numpy()
    if basis != RATING:
        bad = np.minimum(bad, 1)  # several outcomes of one interaction are one experience
    word = np.where(bad == 1, "bad", np.where(bad > 1, "middling", "good"))
    whole = pd.DataFrame(word[:, None], index=judged.index, columns=experiences.columns_of([(ANY, basis)]))
    return whole, (judged != "unknown").any(axis=1).to_numpy()


def _left(levels: pd.DataFrame, rows: pd.DataFrame, own: pd.DataFrame) -> MomentsData:
    return moments_of_truth.model_data(
        levels, rows["left"].to_numpy(int), outcome="leaving", codes=2, success=0,
        customer=rows["customer"].to_numpy(), covariates=own,
    )  # fmt: skip


def _paths(data: UnitData, params: Params, least: int) -> tuple[PathsData | None, int, pd.DataFrame]:
    found = transitions.states(data, params)
    touched = found[~found["state"].astype(str).str.startswith(states.BUY)]
    if touched.empty or len(found) < 2 or found["customers"].max() < least:
        return None, 0, pd.DataFrame()
    gap = transitions.learn_gap(data, params)
    counts = transitions.transitions(data, params, gap=gap)
    if counts.empty or int(counts.loc[counts["touchpoint"] == states.START, "n"].sum()) < least:
        return None, gap, pd.DataFrame()
    met = list(dict.fromkeys([*counts["touchpoint"], *counts["to"]]))
    order = transitions.order_of(params, [s for s in met if s not in (states.START, states.END)])
    return paths.model_data(counts, states=order), gap, transitions.flow(data, params, gap=gap)


def _known_both(levels: pd.DataFrame, least: int) -> pd.DataFrame:
    """Keep the places with enough bad and enough good experiences to say anything about them."""
    kept = [min((levels.iloc[:, i] == w).sum() for w in ("bad", "good")) >= least for i in range(levels.shape[1])]
    return levels.loc[:, kept]
