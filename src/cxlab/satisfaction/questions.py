"""Which questions of a unit are modelled, with which groups and weights: from the store to the model's data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
import xarray as xr

from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData
from cxlab.satisfaction import estimates, model
from cxlab.satisfaction import population as frames
from cxlab.satisfaction.data import SatisfactionData, model_data
from cxlab.satisfaction.model import Priors
from cxlab.satisfaction.population import Sources
from cxlab.vocab import WEIGHTINGS

HEADLINE_ROLES: Final = ("nps", "overall", "ces")  # these are also reported without weights
SATISFACTION_ROLES: Final = (*HEADLINE_ROLES, "attribute")  # expectations, intents and images are no satisfaction
Weighting = Literal["none", "survey", "population"]
MOST_GROUPS: Final = 40  # a factor with more groups is an id rather than a segment
MOST_CELLS: Final = 1024  # cells a model takes up by itself; `model.groupings` may ask for more
MOST_FACTORS: Final = 6
SCALE_ANSWERS: Final = 200  # answers of each group of a factor from which on their use of the scale is set free
MOST_SCALES: Final = 8
SMOOTHED: Final = 0.1  # share of an expected shape that is every code alike


@dataclass(frozen=True)
class Measure:
    """One question and one weighting.

    Without weights and by population are one fit: the same draws of the cells, averaged over the answers or over the
    customer base. Survey weights are another one.

    Attributes
    ----------
    item, role : str
        Item id and what it measures.
    codes : tuple of float
        Legal codes from worst to best.
    satisfied_from : float or None
        First code that counts as satisfied.
    metrics : tuple of str
        What is reported of it, `vocab.METRICS`.
    weighting : str
        ``none``, ``survey`` or ``population``.
    factors : tuple of str
        What the model tells apart.
    scale_by : str
        The factor whose groups may use the scale in ways of their own; empty: all use it alike.
    sources : Sources or None
        What is known of the customer base; only of weighting ``population``.
    """

    item: str
    role: str
    codes: tuple[float, ...]
    satisfied_from: float | None
    metrics: tuple[str, ...]
    weighting: Weighting
    factors: tuple[str, ...]
    scale_by: str = ""
    sources: Sources | None = field(default=None, compare=False, repr=False)

    @property
    def fitted(self) -> tuple[str, str]:
        """Which fit it takes: the item, and how its answers are counted."""
        return self.item, "survey" if self.weighting == "survey" else "none"


def measures(data: UnitData, *, params: Params, period: str) -> list[Measure]:
    """Return the measures of a unit: each item answered in the period, in the weightings that the data allow.

    By population where a customer directory, invitations or margins in the params know one of the question's factors,
    by survey weights where there are any. Items of the headline roles are reported in all ways, so that a reader sees
    what weights do; other items by population and without weights, or by survey weights when that is all there is.

    Parameters
    ----------
    data : UnitData
        The unit's tables.
    params : Params
        Scales, groupings.
    period : str
        The unit's period.

    Returns
    -------
    list of Measure
        Headline roles (nps, overall, ces) first, then by item id; empty if nobody answered.
    """
    asked = data.items()
    asked = asked[(asked["period"] == period) & (asked["n"] > 0) & asked["role"].isin(SATISFACTION_ROLES)]
    weighted = _weighted_items(data)
    found = []
    answered = sorted(data.items()["period"].astype(str).unique())
    known: dict[tuple[str, ...], Sources] = {}
    for row in asked.to_dict("records"):
        item, role, scale = str(row["item"]), str(row["role"]), params.scales[str(row["scale"])]
        codes = tuple(float(c) for c in scale.codes)
        metrics = ["mean", "top_box"]
        if scale.satisfied_from is not None:
            metrics.append("csat")
        if role == "nps" and codes == estimates.NPS_CODES:
            metrics.append("nps")
        if role == "ces":
            metrics.append("ces")
        satisfied = None if scale.satisfied_from is None else float(scale.satisfied_from)
        cells = _cells(data, item, wanted=params.model.groupings)
        factors = _factors(cells, wanted=params.model.groupings)
        if factors not in known:
            known[factors] = frames.sources(data, params=params, factors=factors, periods=answered)
        framed = known[factors].known(factors)
        spread = _scale_by(cells, factors) if len(codes) > 2 else ""
        headline = role in HEADLINE_ROLES
        asked_for: list[tuple[Weighting, bool]] = [
            ("none", framed or headline or item not in weighted),
            ("survey", item in weighted and (headline or not framed)),
            ("population", framed),
        ]
        for weighting in [name for name, wanted in asked_for if wanted]:
            base = known[factors] if weighting == "population" else None
            found.append(Measure(item, role, codes, satisfied, tuple(metrics), weighting, factors, spread, base))
    return sorted(found, key=lambda m: (_rank(m.role), m.item, WEIGHTINGS.index(m.weighting)))


def lead(questions: Sequence[Measure], *, params: Params, item: str = "auto") -> Measure:
    """Return the measure a page begins with: the item asked for, else the params' headline, else the first.

    Raises
    ------
    ParamsError
        If `item` is none of the questions.
    """
    names = [q.item for q in questions]
    if item != "auto" and item not in names:
        known = list(dict.fromkeys(names))
        raise ParamsError(
            Problem("no such question in this unit", where="item", value=item, allowed=", ".join(known),
                    nearest=nearest(item, known))
        )  # fmt: skip
    wanted = item if item != "auto" else params.headline.item
    of_item = [q for q in questions if q.item == wanted] or [q for q in questions if q.item == names[0]]
    return of_item[-1]  # by population, else by survey weights, else without


def reported_by(questions: Sequence[Measure], metric: str) -> Measure:
    """Return the first measure that reports a metric, in the widest weighting; else of the first item of all."""
    able = [q for q in questions if metric in q.metrics] or list(questions)
    return [q for q in able if q.item == able[0].item][-1]


def comparison(one: Measure, *, grouping: str = "auto") -> str:
    """Return the level whose groups are shown first: the one asked for, else the first factor.

    Raises
    ------
    ParamsError
        If the model does not tell groups of `grouping` apart.
    """
    if grouping == "auto" or grouping in one.factors:
        return one.factors[0] if grouping == "auto" and one.factors else grouping
    raise ParamsError(
        Problem("the model does not tell these groups apart", where="grouping", value=grouping,
                allowed=", ".join(["auto", *one.factors]), nearest=nearest(grouping, one.factors),
                todo="name it under model.groupings of the params")
    )  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """A fitted measure: its data, draws and what is reported of it.

    Attributes
    ----------
    measure : Measure
    data : SatisfactionData
    tree : DataTree
        Groups ``posterior`` (logits) and ``sample_stats``.
    reported : Dataset
        Draws on the reporting scale, see `cxlab.satisfaction.estimates.estimands`.
    latent : Dataset or None
        Draws of where groups stand before the codes cut them, see `cxlab.satisfaction.estimates.latent`.
    """

    measure: Measure
    data: SatisfactionData
    tree: xr.DataTree
    reported: xr.Dataset
    latent: xr.Dataset | None = None


def load(questions: Sequence[Measure], data: UnitData, *, periods: Sequence[str]) -> list[SatisfactionData]:
    """Count the answers of every measure in the store, and whom they stand for; in the order of `questions`.

    Measures that share a fit have the same cells and counts and differ in ``population`` alone.
    """
    found: dict[tuple[str, str], tuple[SatisfactionData, SatisfactionData]] = {}
    framed = {one.item: one.sources for one in questions if one.sources is not None}
    shapes = _shapes(data)
    clustered = int(data.sql("SELECT count(cluster) AS n FROM responses")["n"].iloc[0]) > 0
    for one in questions:
        if one.fitted in found:
            continue
        item, counted = one.fitted
        counts = data.cells(item, factors=one.factors, weighting="survey" if counted == "survey" else "none")
        counts["n"] /= design_effect(_clusters(data, item)) if clustered else 1.0
        given = framed.get(item) if counted == "none" else None
        people = frames.frame(given, counts, factors=one.factors) if given is not None else None
        whole = model_data(
            counts,
            codes=one.codes,
            factors=one.factors,
            periods=periods,
            population=None if people is None else people.table,
            scale_by=one.scale_by,
            shape=_shape(shapes, item, one.codes),
        )
        whole = replace(whole, base=people.source if people is not None else "")
        found[one.fitted] = (replace(whole, population=whole.counts.sum(axis=1), base=""), whole)
    return [found[one.fitted][one.weighting == "population"] for one in questions]


def fit(
    questions: Sequence[Measure],
    counts: Sequence[SatisfactionData],
    *,
    settings: ModelSettings,
    seed: Callable[[str], int],
    draws: int = 0,
    priors: Priors | None = None,
    accept: Callable[[xr.DataTree, xr.Dataset], bool] | None = None,
) -> list[Fit]:
    """Fit every measure.

    Parameters
    ----------
    questions, counts : sequences of equal length
        From `measures` and `load`.
    settings : ModelSettings
        Draws, tuning and chains of the params.
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain; 0 takes those of `settings`.
    priors : Priors, optional
        By default those of the model.
    accept : callable, optional
        Judges draws, e.g. `cxlab.satisfaction.estimates.converged`; what it refuses is sampled twice, then four times
        as long.
    """
    found: list[Fit | None] = [None] * len(questions)
    for fitted in dict.fromkeys(one.fitted for one in questions):
        places = [i for i, one in enumerate(questions) if one.fitted == fitted]
        for longer in (1, 2, 4):
            tree = model.fit(
                counts[places[0]],
                priors=priors,
                draws=(draws or settings.draws) * longer,
                tune=settings.tune * longer,
                chains=settings.chains,
                seed=seed(f"satisfaction {' '.join(fitted)}"),
            )
            posterior = tree["posterior"].dataset
            for i in places:
                one, data = questions[i], counts[i]
                told = estimates.estimands(posterior, data, metrics=one.metrics, satisfied_from=one.satisfied_from)
                last = [p for p in data.periods if (data.cells["period"] == p).any()][-1]
                found[i] = Fit(one, data, tree, told, estimates.latent(posterior, data, period=last))
            if accept is None or all(accept(tree, fit.reported) for fit in found if fit and fit.tree is tree):
                break
    return [one for one in found if one is not None]


def forecast(fits: Sequence[Fit], *, target_period: str, seed: Callable[[str], int]) -> list[xr.Dataset]:
    """Draw the totals of the next period for every fit, in order; see `cxlab.satisfaction.estimates.forecast`."""
    return [
        estimates.forecast(
            one.tree["posterior"].dataset,
            one.data,
            target_period=target_period,
            metrics=one.measure.metrics,
            satisfied_from=one.measure.satisfied_from,
            seed=seed(f"forecast {one.measure.item} {one.measure.weighting}"),
        )
        for one in fits
    ]


def prior_draws(one: Measure, data: SatisfactionData, *, period: str, seed: int, worlds: int = 1000) -> pd.DataFrame:
    """Draw a measure's last metric in worlds of the prior: what is held possible before any answer.

    Returns
    -------
    DataFrame
        ``metric`` and ``value`` (reporting scale), a row a world.
    """
    metric = one.metrics[-1]
    worlds_drawn = model.prior_draws(data, draws=worlds, seed=seed)
    drawn = estimates.estimands(worlds_drawn, data, metrics=[metric], satisfied_from=one.satisfied_from)
    total = (drawn["level"] == "total") & (drawn["period"] == period)
    return pd.DataFrame({"metric": metric, "value": drawn[metric].isel(row=total.to_numpy()).to_numpy().ravel()})


def code_shares(one: Fit, *, period: str, seed: int, draws: int = 500) -> pd.DataFrame:
    """Compare the observed shares of the codes in a period with what the model would see again.

    Returns
    -------
    DataFrame
        ``code``, ``observed``, ``mean``, ``ci_low``, ``ci_high`` (90 % predictive, shares 0-1), ``share``, ``previous``
        (observed in the period before, if any) and ``n`` (answers, effective ones where there are weights).
    """
    data = one.data
    in_period = (data.cells["period"] == period).to_numpy()
    n = data.counts.sum(axis=1) * in_period
    shares = model.code_shares(one.tree["posterior"].dataset, data, draws=draws, seed=seed, cells=in_period)
    expected = np.clip(np.einsum("dmk,m->dk", shares, n[in_period] / n.sum()), 0, None)
    expected /= expected.sum(axis=1, keepdims=True)
    whole = max(round(float(n.sum())), 1)
    again = np.random.default_rng(seed).multinomial(whole, expected) / whole
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    observed = data.counts[in_period].sum(axis=0) / n.sum()
    before = [p for p in data.periods if p < period]
    old = data.counts[(data.cells["period"] == before[-1]).to_numpy()].sum(axis=0) if before else np.zeros(len(low))
    return pd.DataFrame(
        {
            "code": np.asarray(data.codes, float),
            "observed": observed,
            "mean": expected.mean(axis=0),
            "ci_low": low,
            "ci_high": high,
            "share": observed,
            "previous": old / old.sum() if old.sum() else np.nan,
            "n": _by_code(data, in_period),
        }
    )


def _by_code(data: SatisfactionData, cells: np.ndarray) -> np.ndarray:
    """Answers of each code, scaled so that they add up to the respondents."""
    counts = data.counts[cells].sum(axis=0)
    return np.round(counts / counts.sum() * data.n_raw[cells].sum()).astype(int)


def draws_of(fits: Sequence[Fit], *, keep: int = 1000) -> xr.Dataset:
    """Put the reported draws of all fits side by side, thinned to a common number, for later notebooks.

    Returns
    -------
    Dataset
        A variable for each metric (missing where a measure has none), dims (chain, draw, row); coords ``item``,
        ``weighting``, ``level``, ``group``, ``period``, ``n``, ``n_eff`` on ``row``.
    """
    parts = []
    common = min(min(one.reported.sizes["draw"], keep // one.reported.sizes["chain"]) for one in fits)
    for one in fits:
        places = np.arange(common) * one.reported.sizes["draw"] // common
        thinned = one.reported.isel(draw=places)
        rows = thinned.sizes["row"]
        thinned = thinned.assign_coords(
            item=("row", [one.measure.item] * rows), weighting=("row", [one.measure.weighting] * rows)
        )
        parts.append(thinned.astype("float32"))
    return xr.concat(parts, dim="row", join="outer", data_vars="all", coords="minimal", compat="override")


def _shapes(data: UnitData) -> pd.DataFrame:
    """How often each code was given to each satisfaction item in all periods known, beside the item's scale."""
    roles = ", ".join(f"'{role}'" for role in SATISFACTION_ROLES)
    return data.sql(
        "SELECT item, scale, value::DOUBLE AS code, count(*)::DOUBLE AS n FROM ratings"
        f" WHERE value IS NOT NULL AND role IN ({roles}) GROUP BY ALL ORDER BY ALL"
    )


def _shape(answers: pd.DataFrame, item: str, codes: Sequence[float]) -> np.ndarray:
    """Shares of the codes that are expected of an item: those of the others on its scale, each item counting alike.

    The item's own answers are left out, so that none counts twice; a tenth is every code alike.
    """
    alike = np.full(len(codes), 1 / len(codes))
    own = answers["item"] == item
    others = answers[~own & answers["scale"].isin(answers.loc[own, "scale"])]
    if others.empty:
        return alike
    share = others["n"] / others.groupby("item")["n"].transform("sum")
    pooled = share.groupby(others["code"]).sum().reindex(list(codes), fill_value=0.0).to_numpy()
    return SMOOTHED * alike + (1 - SMOOTHED) * pooled / pooled.sum()


def design_effect(clusters: pd.DataFrame) -> float:
    """Return by how much answers that are given in clusters say less than as many independent ones, 1 or more.

    Parameters
    ----------
    clusters : DataFrame
        A row a period and cluster: ``period``, ``n`` answers, ``total`` and ``squares`` (sums of scores and of their
        squares).

    References
    ----------
    Kish (1965), Survey Sampling, chapter 5: one plus the intraclass correlation (analysis of variance, within periods)
    times the mean size of an answer's cluster less one.
    """
    n = clusters["n"].to_numpy(float)
    strata = clusters.groupby("period")
    size, total = (strata[c].transform("sum").to_numpy(float) for c in ("n", "total"))
    between, within = len(n) - strata.ngroups, float(n.sum()) - len(n)
    if between < 1 or within < 1:
        return 1.0
    mean = clusters["total"].to_numpy(float) / n
    spread = float((n * (mean - total / size) ** 2).sum()) / between
    noise = float((clusters["squares"].to_numpy(float) - n * mean**2).sum()) / within
    usual = (float(n.sum()) - float((n**2 / size).sum())) / between
    alike = (spread - noise) / (spread + (usual - 1) * noise) if spread + (usual - 1) * noise > 0 else 0.0
    return 1.0 + max(0.0, min(alike, 1.0)) * (float((n**2).sum()) / float(n.sum()) - 1)


def _clusters(data: UnitData, item: str) -> pd.DataFrame:
    """Answers to a question by period and cluster; an answer without one is a cluster of its own."""
    return data.sql(
        "SELECT r.period, coalesce(r.cluster, r.response_id) AS own, count(*) AS n, sum(t.value) AS total,"
        " sum(t.value * t.value) AS squares FROM ratings t JOIN responses r USING (response_id)"
        " WHERE t.item = ? AND t.value IS NOT NULL GROUP BY ALL",
        params=[item],
    )


def _weighted_items(data: UnitData) -> set[str]:
    rows = data.sql(
        "SELECT DISTINCT item FROM ratings JOIN responses USING (response_id) WHERE value IS NOT NULL AND weighted"
    )
    return set(rows["item"])


def _cells(data: UnitData, item: str, *, wanted: Iterable[str] | None) -> pd.DataFrame:
    """Answers by all factors that may be told apart, and period: one pass over the rows for all that follows."""
    known = data.factors(item)
    if wanted is not None:
        names = set(known["factor"])
        candidates = [f for f in dict.fromkeys(wanted) if f in names][:MOST_FACTORS]
    else:
        candidates = list(known.loc[known["groups"] <= MOST_GROUPS, "factor"].astype(str))
    return data.cells(item, factors=candidates)


def _factors(cells: pd.DataFrame, *, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """All wanted factors that vary; if none are named, those that fit into a model of moderate size, in order."""
    candidates = [str(c) for c in cells.columns if c not in ("period", "code", "n_raw", "n")]
    if wanted is not None:
        return tuple(candidates)
    chosen: tuple[str, ...] = ()
    for factor in candidates:
        more = (*chosen, factor)
        if len(more) <= MOST_FACTORS and len(cells[[*more, "period"]].drop_duplicates()) <= MOST_CELLS:
            chosen = more
    return chosen


def _scale_by(cells: pd.DataFrame, factors: Sequence[str]) -> str:
    """The first factor all of whose groups have answers enough to tell how they use the scale; empty if none has."""
    for factor in factors:
        counts = cells.groupby(factor)["n_raw"].sum()
        if 2 <= len(counts) <= MOST_SCALES and counts.min() >= SCALE_ANSWERS:
            return factor
    return ""


def _rank(role: str) -> int:
    return HEADLINE_ROLES.index(role) if role in HEADLINE_ROLES else len(HEADLINE_ROLES)
