"""The index questionnaire of a unit: from params and the store to the structural model's data, fit and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from cxlab.errors import ModelError
from cxlab.index import estimates, model
from cxlab.index.composites import composite_draws
from cxlab.index.data import ALONE, SemData, Structure, structure
from cxlab.index.density import Priors
from cxlab.index.estimates import Sensitivity
from cxlab.inference.experiences import BOUGHT
from cxlab.params import names
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData

OUTCOMES: Final = ("spend", "retention", "complaint")  # after the answer: money, bought again, complained
DRAWS: Final = 500  # a chain: they are independent, or more follow
_DECLARE: Final = (
    "declare them in the params under index.latents.<name>.items, or leave the latent out by index.without"
)


@dataclass(frozen=True)
class Questionnaire:
    """What of the index a unit's data can measure.

    Attributes
    ----------
    structure : Structure or None
        None where the index cannot be made; `reason` then says why and what to do.
    ends : mapping of item to (worst, best)
    left_out : tuple of str
        Items declared, but hardly answered in this unit, or no longer asked.
    reason : str
    """

    structure: Structure | None = None
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Fit:
    """The fitted index of a unit.

    Attributes
    ----------
    data : SemData
    tree : DataTree
        From `cxlab.index.model.fit`.
    reported : Dataset
        Draws on the reporting scale.
    composites : Dataset
        From `cxlab.index.composites.composite_draws`.
    sensitivity : Sensitivity
    outcomes : DataFrame
        ``outcome``, ``n``, ``mean`` (of the outcome) and ``draws`` (slope an index point); empty without transactions.
    """

    data: SemData
    tree: xr.DataTree
    reported: xr.Dataset
    composites: xr.Dataset
    sensitivity: Sensitivity
    outcomes: pd.DataFrame


def questionnaire(data: UnitData, *, params: Params, period: str) -> Questionnaire:
    """Say which structural model the unit's answers can carry.

    Parameters
    ----------
    data : UnitData
    params : Params
        Its section ``index``.
    period : str
        The unit's period: without answers in it there is no index.
    """
    spec = params.index
    if spec is None or not spec.latents:
        return Questionnaire(
            reason="no satisfaction index is declared: write `extends: index/acsi` (or index/ecsi, index/free) in the"
            " params and name the questions under index.latents.<name>.items"
        )
    wanted = {name: latent for name, latent in spec.latents.items() if name not in spec.without}
    if empty := [name for name, latent in wanted.items() if not latent.items]:
        return Questionnaire(reason=f"no questions for {', '.join(empty)} of the index: {_DECLARE}")
    items = [item for latent in wanted.values() for item in latent.items]
    asked = data.sql(
        "SELECT item, count(value) AS n, count(value) FILTER (period = $period) AS now, count(DISTINCT value) AS codes"
        " FROM ratings WHERE list_contains($items, item) GROUP BY item",
        params={"items": items, "period": period},
    ).set_index("item")
    number, now, codes = ({str(i): int(n) for i, n in asked[c].items()} for c in ("n", "now", "codes"))
    if spec.target in wanted and not any(now.get(i, 0) for i in wanted[spec.target].items):
        return Questionnaire(reason=f"nobody answered the index questions in {period}")
    enough = [i for i in items if number.get(i, 0) >= model.LEAST and codes[i] > 1 and now[i] > 0]
    blocks = {name: [i for i in latent.items if i in enough] for name, latent in wanted.items()}
    if lost := {n: wanted[n].items for n, left in blocks.items() if not left}:
        missing = "; ".join(f"{name} ({', '.join(ids)})" for name, ids in lost.items())
        return Questionnaire(reason=f"hardly anybody answered the questions of {missing}: {_DECLARE}")
    known = names.items(params)
    scales = {item: params.scales[known[item].scale] for item in enough}
    try:
        made = structure(
            blocks,
            {to: [o for o in origins if o in wanted] for to, origins in spec.paths.items() if to in wanted},
            target=spec.target,
            markers={n: x.marker for n, x in wanted.items() if x.marker in blocks[n]},
            reliability={n: x.reliability or ALONE for n, x in wanted.items()},
        )
    except ModelError as error:
        return Questionnaire(reason="; ".join(map(str, error.problems)))
    return Questionnaire(
        structure=made,
        ends={item: (float(scale.codes[0]), float(scale.codes[-1])) for item, scale in scales.items()},
        left_out=tuple(i for i in items if i not in enough),
    )


def answers(asked: Questionnaire, data: UnitData) -> pd.DataFrame:
    """Return a row a respondent who answered questions of two latents or more, oldest first.

    Periods in which a question was not asked yet are left out: nothing is known of its level there, so their index
    could not be compared.

    Returns
    -------
    DataFrame
        ``response_id``, ``customer``, ``date``, ``period``, ``weight`` (1 where there is none), a column an item.
    """
    assert asked.structure is not None
    spec = asked.structure
    values = {f"i{k}": item for k, item in enumerate(spec.items)}
    picks = ", ".join(f'max(t.value) FILTER (t.item = ${key}) AS "{key}"' for key in values)
    rows = data.sql(  # only names made here enter the text; ids of items are bound
        f"SELECT t.response_id, any_value(r.customer) AS customer, any_value(r.date) AS date,"
        f" any_value(r.period) AS period,"
        f" any_value(CASE WHEN r.weighted THEN r.weight ELSE 1 END) AS weight, {picks}"
        " FROM ratings t JOIN responses r USING (response_id)"
        " WHERE list_contains($items, t.item) AND t.value IS NOT NULL"
        " GROUP BY t.response_id ORDER BY period, t.response_id",
        params={**values, "items": list(spec.items)},
    ).rename(columns=values)
    seen = rows[list(spec.items)].notna().to_numpy()
    latents = np.stack([seen[:, spec.of_item == k].any(axis=1) for k in range(len(spec.latents))], axis=1).sum(axis=1)
    rows = rows[latents > 1]
    whole = rows.groupby("period")[list(spec.items)].count().gt(0).all(axis=1)
    return rows[rows["period"].map(whole).astype(bool)].reset_index(drop=True)


def hindrance(asked: Questionnaire, rows: pd.DataFrame, *, period: str) -> str:
    """Say why `answers` are too few or too alike for the index of a period; empty if they are not."""
    assert asked.structure is not None
    found = [str(one) for one in model.hindrances(rows, asked.structure.items, asked.ends)]
    if not found and not (rows["period"] == period).any():
        found = [f"nobody answered all parts of the index in {period}"]
    return "; ".join(found)


def model_data(asked: Questionnaire, rows: pd.DataFrame, *, params: Params, periods: Sequence[str]) -> SemData:
    """Return the model's data of `answers`; a marker named in the params stays the marker."""
    assert asked.structure is not None
    assert params.index is not None
    named = any(latent.marker for latent in params.index.latents.values())
    return model.model_data(rows, structure=asked.structure, ends=asked.ends, periods=periods, choose_markers=not named)


def fit(
    asked: Questionnaire,
    rows: pd.DataFrame,
    data: UnitData,
    *,
    params: Params,
    periods: Sequence[str],
    settings: ModelSettings,
    seed: Callable[[str], int],
    draws: int = 0,
    accept: Callable[[xr.DataTree], bool] | None = None,
) -> Fit:
    """Fit the structural model and the composites, compare priors, and look at what customers did afterwards.

    Parameters
    ----------
    asked, rows
        From `questionnaire` and `answers`.
    data : UnitData
        Transactions and interactions up to the unit's period.
    params, periods, settings
        Of the run; `draws` 0 takes those of `settings`, at most `DRAWS`.
    seed : callable
        Name -> seed, `Run.seed`.
    accept : callable, optional
        Judges the draws, e.g. `cxlab.index.estimates.believed`.
    """
    assert params.index is not None
    sem = model_data(asked, rows, params=params, periods=periods)
    priors = Priors(path_sd=params.index.path_sd)
    tree = model.fit(
        sem,
        priors=priors,
        draws=draws or min(settings.draws, DRAWS),
        tune=settings.tune,
        chains=settings.chains,
        seed=seed("index"),
        accept=accept,
    )
    posterior = tree["posterior"].dataset
    x = posterior["x"].to_numpy()
    return Fit(
        data=sem,
        tree=tree,
        reported=estimates.estimands(posterior, sem),
        composites=composite_draws(sem, draws=400, seed=seed("composites")),
        sensitivity=estimates.sensitivity(x, sem, model.completed(sem, priors)),
        outcomes=_outcomes(rows, data, posterior, sem, days=params.index.follow_days, seed=seed("outcomes")),
    )


def draws_of(one: Fit, *, keep: int = 1000) -> xr.Dataset:
    """Return the reported draws, thinned to a common number, for later notebooks."""
    chains, draws = one.reported.sizes["chain"], one.reported.sizes["draw"]
    thinned = one.reported.isel(draw=slice(None, None, max(1, chains * draws // keep)))
    return thinned.drop_vars("p_quadrant").astype("float32")


def _outcomes(
    rows: pd.DataFrame, data: UnitData, posterior: xr.Dataset, sem: SemData, *, days: int, seed: int
) -> pd.DataFrame:
    """Slopes of what customers did in the `days` after their answer, for answers whose days are over."""
    columns = ["outcome", "n", "mean", "draws"]
    known = rows[rows["customer"].notna() & rows["date"].notna()]
    done = data.sql(f"SELECT max(date) AS last FROM transactions WHERE kind IN {BOUGHT}")["last"].iloc[0]
    if known.empty or pd.isna(done):
        return pd.DataFrame(columns=columns)
    first = known.assign(date=pd.to_datetime(known["date"]))
    first = first[first["date"] + pd.Timedelta(days=days) <= pd.Timestamp(done)]
    after = data.sql(
        f"""
        WITH asked AS (
            SELECT DISTINCT r.response_id, r.customer, r.date FROM responses r JOIN ratings t USING (response_id)
            WHERE list_contains($items, t.item) AND r.customer IS NOT NULL AND r.date IS NOT NULL),
        bought AS (
            SELECT a.response_id, sum(x.amount) AS spend, count(*) AS orders FROM asked a JOIN transactions x
            ON x.customer = a.customer AND x.date > a.date AND x.date <= a.date + $days::INTEGER
            WHERE x.kind IN {BOUGHT} GROUP BY a.response_id),
        complained AS (
            SELECT a.response_id, count(*) AS complaints FROM asked a JOIN interactions i
            ON i.customer = a.customer AND i.date > a.date AND i.date <= a.date + $days::INTEGER
            WHERE i.kind = 'complaint' GROUP BY a.response_id)
        SELECT a.response_id, coalesce(b.spend, 0) AS spend, coalesce(b.orders, 0) > 0 AS retention,
               coalesce(c.complaints, 0) > 0 AS complaint
        FROM asked a LEFT JOIN bought b USING (response_id) LEFT JOIN complained c USING (response_id)
        """,
        params={"items": list(sem.structure.items), "days": days},
    )
    joined = first.merge(after, on="response_id", how="inner")
    happened = [name for name in OUTCOMES if joined[name].astype(float).std() > 0]
    if len(joined) < model.LEAST or not happened:
        return pd.DataFrame(columns=columns)
    values = (joined[list(sem.structure.items)].to_numpy(float, na_value=np.nan) - sem.centre) / sem.spread
    place = np.array([sem.periods.index(str(label)) for label in joined["period"]], int)
    points = posterior["x"].to_numpy().reshape(-1, posterior.sizes["parameter"])
    means = posterior["mean"].to_numpy().reshape(len(points), *posterior["mean"].shape[2:])
    step = max(1, len(points) // 400)
    outcome = joined[happened].astype(float).to_numpy()
    whose = pd.factorize(joined["customer"])[0]
    drawn = estimates.slopes(values, place, outcome, points[::step], means[::step], sem, seed=seed, customer=whose)
    return pd.DataFrame(
        {
            "outcome": happened,
            "n": len(joined),
            "mean": outcome.mean(axis=0),
            "draws": [drawn[:, k] for k in range(len(happened))],
        }
    )
