"""Draws of satisfaction -> the reporting scale, and rows of the tidy estimates table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference import contrasts
from cxlab.inference.diagnostics import Gate, gate
from cxlab.inference.estimates import compared, summaries, withhold
from cxlab.satisfaction.data import CELL, WALK, SatisfactionData
from cxlab.satisfaction.model import below
from cxlab.vocab import ESTIMATE_COLUMNS, FORECAST_COLUMNS, METRICS, UNKNOWN

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

    from cxlab.params.models import Params
    from cxlab.satisfaction.questions import Fit

NPS_CODES: Final = tuple(float(code) for code in range(11))
CHUNK: Final = 50_000  # logits held at once: they stay in the processor's cache
PLACE: Final = ("level", "group", "period", "n", "n_eff", "weight")
JUDGED: Final = ("scale",)  # of the parameters; cuts, effects and cells are judged by what is reported of them
RANKED: Final = 4_000_000  # draws x groups from which on ranks are counted on fewer draws
MORE_COLUMNS: Final = ("prob_practical", "base")  # beside the contract's: see `tidy`
UNITS: Final = {"mean": "points", "ces": "points", "top_box": "share", "csat": "share", "nps": "NPS points"}


def scores(codes: Sequence[float], metric: str, *, satisfied_from: float | None = None) -> np.ndarray:
    """Return what each code adds to a metric, shape (K,): a metric is the mean score of the answers.

    Parameters
    ----------
    codes : sequence of float
        Legal codes from worst to best.
    metric : str
        ``mean`` and ``ces`` (points of the scale), ``top_box`` (share of the highest code), ``csat`` (share at or above
        `satisfied_from`), ``nps`` (-100..100; codes 0 to 10 only).
    satisfied_from : float, optional
        Lowest satisfied code; needed for ``csat``.

    Raises
    ------
    ModelError
        An unknown metric, or one that this scale cannot have.
    """
    values = np.asarray(codes, float)
    listed = ", ".join(f"{c:g}" for c in values)
    if metric in ("mean", "ces"):
        return values
    if metric == "top_box":
        return (values == values[-1]).astype(float)
    if metric == "nps":
        if tuple(values) != NPS_CODES:
            raise ModelError(Problem("NPS needs the codes 0 to 10", where="codes", value=listed))
        return 100.0 * ((values >= 9).astype(float) - (values <= 6))
    if metric == "csat":
        if satisfied_from is None or satisfied_from not in values:
            found = str(satisfied_from)
            lacking = "csat needs the lowest satisfied code"
            raise ModelError(Problem(lacking, where="satisfied_from", value=found, allowed=listed))
        return (values >= satisfied_from).astype(float)
    legal, near = ", ".join(METRICS), nearest(metric, METRICS)
    raise ModelError(Problem("unknown metric", where="metrics", value=metric, allowed=legal, nearest=near))


def estimands(
    posterior: xr.Dataset, data: SatisfactionData, *, metrics: Sequence[str], satisfied_from: float | None = None
) -> xr.Dataset:
    """Draws of what is reported, for the total and each factor's groups in each period, on the reporting scale.

    A row averages what the model says of its cells, weighted by their population, so a row's change from one period to
    the next includes a change of mix. Groups without population in a period are left out.

    Parameters
    ----------
    posterior : Dataset
        As `cxlab.satisfaction.model.fit` gives it.
    data : SatisfactionData
        The data it was fitted to.
    metrics, satisfied_from
        As for `scores`.

    Returns
    -------
    Dataset
        One variable a metric, dims (chain, draw, row); coordinates ``level`` (``total`` or the factor), ``group``
        (empty for the total), ``period``, ``n`` (respondents), ``n_eff`` (effective) and ``weight`` on ``row``.
    """
    return _averages(posterior, posterior["eta"].to_numpy(), data, metrics, satisfied_from)


def forecast(
    posterior: xr.Dataset,
    data: SatisfactionData,
    *,
    target_period: str,
    metrics: Sequence[str],
    seed: int,
    satisfied_from: float | None = None,
) -> xr.Dataset:
    """Draws of the next period's estimands: the walk takes one more step, cells are drawn anew, the mix stays.

    Parameters
    ----------
    posterior, data, metrics, satisfied_from
        As for `estimands`; the population of the last period with any is carried over.
    target_period : str
        Label of the period after the last one.
    seed : int
        Of the step and of the new cells.

    Returns
    -------
    Dataset
        As `estimands` gives, for ``target_period`` only; ``n`` and ``n_eff`` are 0.
    """
    random = np.random.default_rng(seed)
    at = np.flatnonzero(data.place["period"] == data.place["period"][data.population > 0].max())
    design, scale = data.design[at].copy(), posterior["scale"]
    if WALK in data.scales:
        design[:, data.scale_of == data.scales.index(WALK)] = contrasts.walk_basis(len(data.periods))[-1]
    eta = posterior["effect"].to_numpy() @ design.T
    if WALK in data.scales:
        step = scale.sel(factor=WALK).to_numpy()
        eta += (step * random.standard_normal(step.shape))[..., None]
    eta += scale.sel(factor=CELL).to_numpy()[..., None] * random.standard_normal(eta.shape)
    ahead = replace(
        data,
        periods=(target_period,),
        cells=data.cells.iloc[at].assign(period=target_period).reset_index(drop=True),
        place={name: np.zeros_like(at) if name == "period" else place[at] for name, place in data.place.items()},
        counts=np.zeros((len(at), len(data.codes))),
        n_raw=np.zeros(len(at), int),
        population=data.population[at],
    )
    return _averages(posterior, eta, ahead, metrics, satisfied_from)


def latent(posterior: xr.Dataset, data: SatisfactionData, *, period: str) -> xr.Dataset | None:
    """Draws of where groups stand on the latent scale and how wide their answers spread; None with equal scales.

    Averages of codes can be led astray by groups that use the scale in different ways: one that answers in extremes
    loses its highest answers at the end of the scale. The latent location is what they are before the codes cut them.

    Parameters
    ----------
    posterior, data
        As for `estimands`; data with a `scale_by`.
    period : str
        The period spoken of.

    Returns
    -------
    Dataset
        ``latent_location`` (logits of the average spread, from the average answer) and ``latent_scale`` (times the
        average spread), dims (chain, draw, row); coordinates as of `estimands`, rows the groups of `scale_by`.
    """
    import xarray as xr

    if not data.scale_by:
        return None
    rows, weights = _rows(data)
    chosen = ((rows["level"] == data.scale_by) & (rows["period"] == period)).to_numpy()
    if not chosen.any():
        return None
    eta = posterior["eta"].to_numpy()
    answered = (data.counts.sum(axis=1) / data.counts.sum()).astype(eta.dtype)
    location = eta @ weights[np.flatnonzero(chosen)].toarray().T.astype(eta.dtype) - (eta @ answered)[..., None]
    place = [data.scale_groups.index(group) for group in rows.loc[chosen, "group"]]
    return xr.Dataset(
        {
            "latent_location": (("chain", "draw", "row"), location),
            "latent_scale": (("chain", "draw", "row"), np.exp(posterior["log_scale"].to_numpy()[..., place])),
        },
        coords={name: ("row", rows.loc[chosen, name].to_numpy()) for name in PLACE},
        attrs={"base": data.base},
    )


def _rows(data: SatisfactionData) -> tuple[pd.DataFrame, csr_array]:
    """What is reported (`PLACE`), and each cell's share of it, shape (R, M).

    The effective number of answers is Kish's, of answers weighted so that each cell stands for its population.
    """
    from scipy.sparse import csr_array, vstack

    people, answers, periods = data.population, data.counts.sum(axis=1), len(data.periods)
    square = np.divide(people**2, answers, out=np.zeros(len(people)), where=answers > 0)
    tables, weights = [], []
    for level in ("total", *data.factors):
        groups = ("",) if level == "total" else data.groups[level]
        key = data.place["period"] + (0 if level == "total" else data.place[level] * periods)

        def sums(values: np.ndarray, key: np.ndarray = key, size: int = len(groups) * periods) -> np.ndarray:
            return np.bincount(key, values, minlength=size)

        weight, heard = sums(people), sums(np.where(answers > 0, people, 0.0))
        n_eff = np.divide(heard**2, sums(square), out=np.zeros(len(weight)), where=heard > 0)
        shown = np.flatnonzero(weight > 0)
        share = people / np.where(weight[key] > 0, weight[key], 1.0)
        weights.append(csr_array((share, (key, np.arange(len(key)))), shape=(len(weight), len(key)))[shown])
        table = {"level": level, "group": np.repeat(np.array(groups, object), periods)[shown]}
        table |= {"period": np.tile(np.array(data.periods, object), len(groups))[shown]}
        table |= {"n": sums(data.n_raw)[shown].astype(int), "n_eff": n_eff[shown], "weight": weight[shown]}
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True), csr_array(vstack(weights))


def _averages(
    posterior: xr.Dataset, eta: np.ndarray, data: SatisfactionData, metrics: Sequence[str], satisfied_from: float | None
) -> xr.Dataset:
    """Average each metric over the cells of each row, a few draws at a time: never a grid of cells x codes x draws."""
    import xarray as xr

    rows, weights = _rows(data)
    weights = weights.astype(np.float32)
    chains, draws = eta.shape[:2]
    flat = chains * draws
    cut, split, log_scale = (posterior[name].to_numpy().reshape(flat, -1) for name in ("cut", "split", "log_scale"))
    eta = eta.reshape(flat, -1)
    cut, log_scale, eta = (values.astype(np.float32, copy=False) for values in (cut, log_scale, eta))
    # a metric is the last block's score, less a step for each boundary that is not reached
    block = posterior["block"].to_numpy()
    into = np.eye(int(block.max()) + 1)[block]
    score = {m: (split * scores(data.codes, m, satisfied_from=satisfied_from)) @ into for m in metrics}
    steps = {m: np.diff(value, axis=1) for m, value in score.items()}
    out = {m: np.repeat(value[:, -1:], len(rows), axis=1) for m, value in score.items()}
    needed = [j for j in range(cut.shape[1]) if any(step[:, j].any() for step in steps.values())]
    size = max(1, CHUNK // eta.shape[1])
    for start in range(0, flat, size):
        part = slice(start, start + size)
        narrow = np.exp(-log_scale[part])[:, data.scale_group] if data.scale_by else np.ones(1, np.float32)
        for j in needed:
            under = (weights @ below(cut[part, j, None], eta[part], narrow).T).T
            for m, step in steps.items():
                out[m][part] -= step[part, j, None] * under
    return xr.Dataset(
        {m: (("chain", "draw", "row"), v.reshape(chains, draws, len(rows))) for m, v in out.items()},
        coords={name: ("row", rows[name].to_numpy()) for name in PLACE},
        attrs={"base": data.base},
    )


def converged(tree: xr.DataTree, reported: xr.Dataset) -> bool:
    """Whether the draws of a satisfaction fit pass `gate`."""
    return gate(tree, reported, names=JUDGED).passed


def gates(fits: Sequence[Fit]) -> list[Gate]:
    """Judge every fit by its scales and everything that is reported of it."""
    return [gate(fit.tree, fit.reported, names=JUDGED) for fit in fits]


def tidy(
    draws: xr.Dataset,
    *,
    item: str,
    weighting: str,
    practical: Mapping[str, float],
    periods: Sequence[str],
    targets: Mapping[str, float] | None = None,
    min_n: int = 1,
    withheld: bool = False,
    latent: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Summarise draws of one item as rows of level, change, difference and rank.

    ==================  =============================================================================================
    estimand            a row is
    ==================  =============================================================================================
    ``level``           the metric of a group in a period; `prob_gt_ref` is the probability of exceeding the target
    ``change``          against the period just before; `prob_gt_ref` is P(change > 0)
    ``course``          along a straight line through all periods (three or more), the last against the first;
                        of all together
    ``year``            against the same period a year before; of all together
    ``difference``      a group of the last period against all others of its level; `prob_gt_ref` is P(difference > 0)
    ``p_rank_best``     probability (in `mean`) of being the best group of its level in the last period
    ``p_rank_worst``    probability of being the worst one
    ``rank``            place among the groups of the level in the last period, 1 = best, with its interval
    ``latent_location`` where a group stands before the codes cut it (metric ``latent``, logits from the average
                        answer); differences and ranks of this metric follow as of any other
    ``latent_scale``    how wide a group's answers spread, times the average; `prob_gt_ref` is P(wider than average)
    ==================  =============================================================================================

    Parameters
    ----------
    draws : Dataset
        A variable for each metric, dims (chain, draw, row), coords of `row`: level, group, period, n, n_eff and weight
        (people the row stands for; by default n).
    item, weighting : str
        Written into the rows.
    practical : mapping of metric to float
        Practical limits of change.
    periods : sequence of str
        All periods in order; a change compares with the one just before.
    targets : mapping of metric to float, optional
        Reference of a level.
    min_n : int
        Groups with fewer answers take no part in a ranking.
    withheld : bool
        The fit did not pass its checks: rows without numbers.
    latent : Dataset, optional
        ``latent_location`` and ``latent_scale`` of groups of one level, coords as of `draws`.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run, brand and model, which the writer adds; ``prob_practical``, the
        probability of a change or difference larger than the practical limit in either direction; ``base``, where the
        population is from.
    """
    rows = _Rows(draws, list(map(str, draws.data_vars)), practical=practical, min_n=min_n)
    refs = np.array([(targets or {}).get(metric, np.nan) for metric in rows.metrics])
    parts = [rows.levels(refs), rows.changes(periods), rows.course(periods), rows.year(periods)]
    parts += [rows.differences(periods[-1]), *rows.ranks(periods[-1])]
    if latent is not None:
        groups = _Rows(latent, ["latent_location"], practical={"latent_location": 0.0}, min_n=min_n)
        scale = _Rows(latent, ["latent_scale"], practical={}, min_n=min_n)
        last = str(latent["period"].to_numpy()[0])
        own = [groups.levels(np.array([np.nan]), "latent_location").assign(unit="logits")]
        own.append(scale.levels(np.array([1.0]), "latent_scale").assign(unit="ratio"))
        own.append(groups.differences(last).assign(unit="logits", prob_practical=np.nan))
        parts += [part.assign(metric="latent") for part in [*own, *groups.ranks(last)] if len(part)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table.assign(item=item, weighting=weighting, base=str(draws.attrs.get("base", "")))
    contract = [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")]
    table = table.reindex(columns=[*contract, *MORE_COLUMNS])
    return withhold(table, also=["prob_practical"]) if withheld else table


def table(fits: Sequence[Fit], gates: Sequence[Gate], *, params: Params, periods: Sequence[str]) -> pd.DataFrame:
    """Return the estimates of all fits as one tidy table; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fits : sequence of Fit
        From `cxlab.satisfaction.questions.fit`.
    gates : sequence of Gate
        A verdict for each fit.
    params : Params
        Practical limits, targets and the smallest n.
    periods : sequence of str
        All periods up to the unit's.
    """
    practical = params.limits.practical_change.model_dump()
    parts = [
        tidy(
            fit.reported,
            latent=fit.latent,
            item=fit.measure.item,
            weighting=fit.measure.weighting,
            practical=practical,
            periods=periods,
            targets=params.targets.get(fit.measure.item),
            min_n=params.limits.min_n,
            withheld=not judged.passed,
        )
        for fit, judged in zip(fits, gates, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def together(table: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates with further rows of the same columns, those that these lack left empty."""
    return pd.concat([table, more.reindex(columns=table.columns)], ignore_index=True) if len(more) else table


def forecasts(fits: Sequence[Fit], ahead: Sequence[xr.Dataset], gates: Sequence[Gate]) -> pd.DataFrame:
    """Summarise draws of the next period's totals as rows of `vocab.FORECAST_COLUMNS`; failed fits forecast nothing.

    Parameters
    ----------
    fits, gates : sequences of equal length
    ahead : sequence of Dataset
        From `cxlab.satisfaction.questions.forecast`.
    """
    rows = []
    for fit, drawn, judged in zip(fits, ahead, gates, strict=True):
        place = int(np.flatnonzero(drawn["level"].to_numpy() == "total")[0])
        for metric in drawn.data_vars if judged.passed else ():
            values = drawn[metric].isel(row=place).to_numpy().ravel()
            about = {"item": fit.measure.item, "metric": str(metric), "weighting": fit.measure.weighting}
            about |= {"level": "total", "group": "", "target_period": str(drawn["period"].to_numpy()[place])}
            quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
            numbers = dict(zip(("q05", "q25", "q50", "q75", "q95"), map(float, quantiles), strict=True))
            numbers |= {"mean": float(values.mean()), "sd": float(values.std())}
            rows.append(about | numbers | {"unit": UNITS[str(metric)]})
    return pd.DataFrame(rows, columns=[c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")])


class _Rows:
    """Rows of the tidy table from draws of several metrics in the same places, all metrics at once."""

    def __init__(self, draws: xr.Dataset, metrics: list[str], *, practical: Mapping[str, float], min_n: int) -> None:
        self.metrics, self.min_n = metrics, min_n
        self.practical = np.array([practical.get(metric, np.nan) for metric in metrics])
        self.place = pd.DataFrame({c: draws[c].to_numpy() for c in PLACE[:-1]})
        self.weight = (draws["weight"] if "weight" in draws.coords else draws["n"]).to_numpy().astype(float)
        self.n = self.place["n"].to_numpy()
        self.values = np.stack([draws[m].to_numpy().reshape(-1, len(self.n)) for m in metrics], axis=1)

    def levels(self, refs: np.ndarray, estimand: str = "level") -> pd.DataFrame:
        heard = np.flatnonzero(self.n > 0)
        values = self.values[:, :, heard]
        numbers = summaries(values.reshape(len(values), -1), ref=np.repeat(refs, len(heard)))
        numbers.loc[numbers["ref"].isna(), "prob_gt_ref"] = np.nan
        return self._rows(heard, numbers, estimand).assign(verdict="")

    def changes(self, periods: Sequence[str]) -> pd.DataFrame:
        before = dict(zip(periods[1:], periods[:-1], strict=True))
        at = {
            key: i for i, key in enumerate(self.place[["level", "group", "period"]].itertuples(index=False, name=None))
        }
        pairs = [(i, at.get((level, group, before.get(period, "")))) for (level, group, period), i in at.items()]
        pairs = [(i, j) for i, j in pairs if j is not None and self.n[i] > 0 and self.n[j] > 0]
        if not pairs:
            return pd.DataFrame()
        new, old = np.array(pairs).T
        found = self._judged(new, self.values[:, :, new] - self.values[:, :, old], "change")
        for size in ("n", "n_eff"):
            both = self.place[size].to_numpy()
            found[size] = np.tile(np.minimum(both[new], both[old]), len(self.metrics))
        return found

    def course(self, periods: Sequence[str]) -> pd.DataFrame:
        """All together, along the straight line through all periods that counts each by its effective answers."""
        total = self.place[(self.place["level"] == "total") & (self.n > 0)]
        at = [int(i) for period in periods for i in total.index[total["period"] == period]]
        if len(at) < 3:
            return pd.DataFrame()
        time = np.array([periods.index(p) for p in total.loc[at, "period"]], float)
        weight = np.maximum(total.loc[at, "n_eff"].to_numpy(float), 1e-9)
        away = time - np.average(time, weights=weight)
        pull = weight * away / (weight @ away**2) * (time[-1] - time[0])
        found = self._judged(np.array(at[-1:]), self.values[:, :, at] @ pull[:, None], "course")
        return found.assign(n=total.loc[at, "n"].sum(), n_eff=total.loc[at, "n_eff"].sum())

    def year(self, periods: Sequence[str]) -> pd.DataFrame:
        """All together, the last period against the same one a year before, where the grain is shorter than a year."""
        last, total = periods[-1], self.place[(self.place["level"] == "total") & (self.n > 0)]
        before = f"{int(last[:4]) - 1}{last[4:]}"
        new, old = (total.index[total["period"] == period] for period in (last, before))
        if len(last) == 4 or not len(new) or not len(old):
            return pd.DataFrame()
        found = self._judged(new.to_numpy(), self.values[:, :, new] - self.values[:, :, old], "year")
        smaller = {size: min(float(total.loc[i, size].iloc[0]) for i in (new, old)) for size in ("n", "n_eff")}
        return found.assign(**smaller)

    def differences(self, period: str) -> pd.DataFrame:
        """Each group of a level against all others of it: the others' mean is the total less the group."""
        parts = []
        for members in self._levels_in(period):
            weight = self.weight[members]
            rest = weight.sum() - weight
            shown = (self.n[members] > 0) & (self.place["group"].to_numpy()[members] != UNKNOWN) & (rest > 0)
            if len(members) < 2 or not shown.any():
                continue
            drawn = self.values[:, :, members]
            others = ((drawn @ weight)[:, :, None] - drawn * weight)[:, :, shown] / rest[shown]
            found = self._judged(members[shown], drawn[:, :, shown] - others, "difference")
            for size in ("n", "n_eff"):
                own = self.place[size].to_numpy()[members]
                found[size] = np.tile(np.minimum(own, own.sum() - own)[shown], len(self.metrics))
            parts.append(found)
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def ranks(self, period: str) -> list[pd.DataFrame]:
        """How probable it is that each group of a level is the best or the worst one in the period, and its place."""
        parts = []
        for every in self._levels_in(period):
            members = every[(self.n[every] >= self.min_n) & (self.place["group"].to_numpy()[every] != UNKNOWN)]
            groups = len(members)
            if groups < 2:
                continue
            values = self.values[:, :, members]
            thinned = values[:: max(1, len(values) * groups // RANKED)]
            place = groups - np.argsort(np.argsort(thinned, axis=2), axis=2)
            for estimand, winner in (("p_rank_best", values.argmax(axis=2)), ("p_rank_worst", values.argmin(axis=2))):
                chance = (winner[:, :, None] == np.arange(groups)).mean(axis=0)
                rows = self._rows(members, pd.DataFrame({"mean": chance.ravel(), "ci_kind": ""}), estimand)
                parts.append(rows.assign(unit="probability", verdict=""))
            rows = self._rows(members, summaries(place.reshape(len(place), -1).astype(float)), "rank")
            parts.append(rows.assign(unit="rank", verdict=""))
        return parts

    def _levels_in(self, period: str) -> list[np.ndarray]:
        """Places of the groups of each level in a period."""
        here = self.place[(self.place["period"] == period) & (self.place["level"] != "total")]
        return [members.index.to_numpy() for _, members in here.groupby("level", sort=False)]

    def _judged(self, at: np.ndarray, values: np.ndarray, estimand: str) -> pd.DataFrame:
        limits = np.repeat(self.practical, len(at))
        return self._rows(at, compared(values.reshape(len(values), -1), practical=limits), estimand)

    def _rows(self, at: np.ndarray, numbers: pd.DataFrame, estimand: str) -> pd.DataFrame:
        rows = self.place.iloc[np.tile(at, len(self.metrics))].reset_index(drop=True)
        metric = np.repeat(np.array(self.metrics, object), len(at))
        unit = [UNITS.get(m, "") for m in metric]
        return pd.concat([rows, numbers], axis=1).assign(metric=metric, unit=unit, estimand=estimand)
