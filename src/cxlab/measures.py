"""Which questions of a unit are modelled, with which groups and weights: from the store to the model's data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import xarray as xr

from cxlab.models import satisfaction
from cxlab.models.ordinal import report
from cxlab.models.satisfaction import Priors, SatisfactionData
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData
from cxlab.sampling import Structure
from cxlab.vocab import SEGMENT, UNKNOWN

HEADLINE_ROLES: Final = ("nps", "overall", "ces")  # these are also reported without weights
MOST_GROUPS: Final = 40  # a factor with more groups is an id rather than a segment
MOST_CELLS: Final = 1024  # cells a model takes up by itself; `model.groupings` may ask for more
MOST_FACTORS: Final = 6


@dataclass(frozen=True)
class Measure:
    """One question and one weighting: one fit.

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
        ``none`` or ``survey``.
    factors : tuple of str
        What the model tells apart.
    """

    item: str
    role: str
    codes: tuple[float, ...]
    satisfied_from: float | None
    metrics: tuple[str, ...]
    weighting: str
    factors: tuple[str, ...]


def measures(data: UnitData, *, params: Params, period: str) -> list[Measure]:
    """Return the fits of a unit: each item answered in the period, by survey weights where there are any.

    Items of the headline roles are reported without weights as well, so that a reader sees what the weights do.

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
    asked = asked[(asked["period"] == period) & (asked["n"] > 0)]
    weighted = _weighted_items(data)
    found = []
    for row in asked.to_dict("records"):
        item, role, scale = str(row["item"]), str(row["role"]), params.scales[str(row["scale"])]
        codes = tuple(float(c) for c in scale.codes)
        metrics = ["mean", "top_box"]
        if scale.satisfied_from is not None:
            metrics.append("csat")
        if role == "nps" and codes == satisfaction.NPS_CODES:
            metrics.append("nps")
        if role == "ces":
            metrics.append("ces")
        satisfied = None if scale.satisfied_from is None else float(scale.satisfied_from)
        factors = _factors(data, item, wanted=params.model.groupings)
        weightings = ("survey",) if item in weighted else ("none",)
        if item in weighted and role in HEADLINE_ROLES:
            weightings = ("none", "survey")
        for weighting in weightings:
            found.append(Measure(item, role, codes, satisfied, tuple(metrics), weighting, factors))
    return sorted(found, key=lambda m: (_rank(m.role), m.item, m.weighting))


def model_data(measure: Measure, data: UnitData, *, periods: Sequence[str]) -> SatisfactionData:
    """Count a measure's answers in the store and return the model's data."""
    counts = data.cells(measure.item, factors=measure.factors, weighting=measure.weighting)
    return satisfaction.model_data(counts, codes=measure.codes, factors=measure.factors, periods=periods)


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
        Draws on the reporting scale, see `cxlab.models.ordinal.report.estimands`.
    """

    measure: Measure
    data: SatisfactionData
    tree: xr.DataTree
    reported: xr.Dataset


def load(questions: Sequence[Measure], data: UnitData, *, periods: Sequence[str]) -> list[SatisfactionData]:
    """Count the answers of every measure; in the order of `questions`."""
    return [model_data(one, data, periods=periods) for one in questions]


def fit(
    questions: Sequence[Measure],
    counts: Sequence[SatisfactionData],
    *,
    settings: ModelSettings,
    seed: Callable[[str], int],
    draws: int = 0,
    priors: Priors | None = None,
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
    """
    found = []
    for one, data in zip(questions, counts, strict=True):
        tree = satisfaction.fit(
            data,
            priors=priors,
            draws=draws or settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=seed(f"satisfaction {one.item} {one.weighting}"),
        )
        posterior = tree["posterior"].dataset
        reported = report.estimands(posterior, data, metrics=one.metrics, satisfied_from=one.satisfied_from)
        found.append(Fit(one, data, tree, reported))
    return found


def draws_of(fits: Sequence[Fit], *, keep: int = 1000) -> xr.Dataset:
    """Put the reported draws of all fits side by side, thinned to a common number, for later notebooks.

    Returns
    -------
    Dataset
        A variable for each metric (missing where a measure has none), dims (chain, draw, row); coords ``item``,
        ``weighting``, ``level``, ``group``, ``period``, ``n``, ``n_eff`` on ``row``.
    """
    parts = []
    for one in fits:
        chains, draws = one.reported.sizes["chain"], one.reported.sizes["draw"]
        thinned = one.reported.isel(draw=slice(None, None, max(1, chains * draws // keep)))
        rows = thinned.sizes["row"]
        thinned = thinned.assign_coords(
            item=("row", [one.measure.item] * rows), weighting=("row", [one.measure.weighting] * rows)
        )
        parts.append(thinned.astype("float32"))
    return xr.concat(parts, dim="row", join="outer", data_vars="all", coords="minimal", compat="override")


def structures(data: UnitData, *, params: Params, period: str, periods: Sequence[str]) -> set[Structure]:
    """Return the compiled structures that the unit's fits need, from counts alone."""
    needed = set()
    for one in {m.item: m for m in measures(data, params=params, period=period)}.values():
        cells, groups = _sizes(data, one.item, one.factors)
        needed.add(satisfaction.structure_for(cells=cells, groups=groups, periods=len(periods)))
    return needed


def _weighted_items(data: UnitData) -> set[str]:
    rows = data.sql(
        "SELECT DISTINCT item FROM ratings JOIN responses USING (response_id) WHERE value IS NOT NULL AND weighted"
    )
    return set(rows["item"])


def _factors(data: UnitData, item: str, *, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """All wanted factors that vary; if none are named, those that fit into a model of moderate size, in order."""
    known = data.factors(item)
    if wanted is not None:
        names = set(known["factor"])
        return tuple(f for f in dict.fromkeys(wanted) if f in names)[:MOST_FACTORS]
    chosen: tuple[str, ...] = ()
    for factor in known.loc[known["groups"] <= MOST_GROUPS, "factor"]:
        more = (*chosen, str(factor))
        if len(more) <= MOST_FACTORS and _sizes(data, item, more)[0] <= MOST_CELLS:
            chosen = more
    return chosen


def _sizes(data: UnitData, item: str, factors: Sequence[str]) -> tuple[int, list[int]]:
    """Distinct cells, and distinct groups of each factor, with the missing ones as a group."""
    unknown = UNKNOWN.replace("'", "''")
    columns = [f"coalesce(r.{_quoted(f)}, '{unknown}')" for f in factors]
    groups = ", ".join(f"count(DISTINCT {c})" for c in columns)
    row = data.sql(
        f"SELECT count(DISTINCT ({', '.join([*columns, 't.period'])},)){', ' + groups if groups else ''}"
        " FROM ratings t JOIN responses r USING (response_id) WHERE t.item = ? AND t.value IS NOT NULL",
        params=[item],
    ).iloc[0]
    return int(row.iloc[0]), [int(n) for n in row.iloc[1:]]


def _quoted(factor: str) -> str:
    return '"' + factor.replace('"', '""') + '"' if factor.startswith(SEGMENT) else factor


def _rank(role: str) -> int:
    return HEADLINE_ROLES.index(role) if role in HEADLINE_ROLES else len(HEADLINE_ROLES)
