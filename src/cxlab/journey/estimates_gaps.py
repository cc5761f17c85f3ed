"""Draws of expectation and experience -> rows of the tidy table: levels, gaps, shares met, managers, events.

A gap's verdict says `worse` where the experience stays below the expectation, `better` where it exceeds it,
`no_real_change` where both are the same within the practical limit, else `cannot_tell`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference import diagnostics, estimates
from cxlab.journey import expectations
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.inference.diagnostics import Gate
    from cxlab.journey.questions import Fit
    from cxlab.params.models import Params

COORDS: Final = ("touchpoint", "to", "event")
COLUMNS: Final = (*(c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")), *COORDS)
UNITS: Final = {"mean": "points", "csat": "share", "top_box": "share", "latent": "sd of expectations", "share": "share"}
_SHARES: Final = ("p_below", "p_met", "p_exceeded", "code_below", "code_met", "code_exceeded")


def judged(tree: xr.DataTree, reported: xr.Dataset) -> Gate:
    """Judge one fit: weighted draws by k-hat and effective size, chains by their agreement."""
    return diagnostics.gate(tree, reported)


def converged(tree: xr.DataTree, reported: xr.Dataset) -> bool:
    """Whether draws pass `judged`."""
    return judged(tree, reported).passed


def gates(fits: Sequence[Fit]) -> list[Gate]:
    """Judge every fit, in order."""
    return [judged(one.tree, one.reported) for one in fits]


def predictive(fits: Sequence[Fit], *, params: Params, period: str, seed: int) -> pd.DataFrame:
    """Compare how far experience lies from expectation, step by step, with what the model would see again.

    Of the question with most pairs in the period; nothing if they are fewer than ``limits.min_n``.

    Returns
    -------
    DataFrame
        ``code`` (position of the experience's code less the expectation's), ``observed``, ``mean``, ``ci_low``,
        ``ci_high`` (90 % predictive, shares 0-1), ``n`` (respondents in all) and ``touchpoint``.
    """
    pairs = [
        int(one.reported["n_both"].sel(period=period)) if period in one.question.data.periods else 0 for one in fits
    ]
    if max(pairs, default=0) < max(params.limits.min_n, 1):
        return pd.DataFrame(columns=["code", "observed", "mean", "ci_low", "ci_high", "n", "touchpoint"])
    best = fits[int(np.argmax(pairs))]
    posterior = best.tree["posterior"].dataset
    code, seen, again = expectations.steps(posterior, best.question.data, period=period, seed=seed)
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    frame = {"observed": seen, "mean": again.mean(axis=0), "ci_low": low, "ci_high": high}
    shares = pd.DataFrame(frame) / seen.sum()
    return shares.assign(code=code.astype(float), n=int(seen.sum()), touchpoint=best.question.touchpoint)


def table(fits: Sequence[Fit], found: Sequence[Gate], *, params: Params) -> pd.DataFrame:
    """Return the estimates of all touchpoints as tidy rows; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fits : sequence of Fit
        From `cxlab.journey.questions.fit`.
    found : sequence of Gate
        A verdict for each fit.
    params : Params
        Practical limits and targets (of the item, else of the touchpoint).

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run, brand and model, and the coords ``touchpoint``, ``to`` (empty here) and
        ``event``. Estimands: ``expectation``, ``experience``, ``gap``, ``managers``, ``experience_gap`` (managers' less
        customers') and their ``.._change``; ``p_below``, ``p_met``, ``p_exceeded``, ``code_below``, ``code_met``,
        ``code_exceeded`` (metric ``share``); ``correlation``; ``p_target``; by event ``expectation_shift`` and
        ``gap_shift``.
    """
    parts = []
    for one, gate in zip(fits, found, strict=True):
        targets = params.targets.get(one.question.name) or params.targets.get(one.question.touchpoint) or {}
        rows = _rows(one, practical=params.limits.practical_change.model_dump(), targets=targets)
        part = pd.DataFrame(rows, columns=list(COLUMNS))
        if not gate.passed:
            part[list(ESTIMATE_NUMBERS)] = np.nan
            part["verdict"] = "withheld"
        parts.append(part)
    parts += _largest([one for one, gate in zip(fits, found, strict=True) if gate.passed])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _largest(fits: Sequence[Fit]) -> list[pd.DataFrame]:
    """How probable it is that no other touchpoint has a larger shortfall, or surplus, in the last period."""
    draws, rows = [], []
    for one in fits:
        if "gap_mean" not in one.reported:
            continue
        gap = one.reported["gap_mean"].isel(period=-1).to_numpy().ravel()
        if not np.isfinite(gap).all():
            continue
        draws.append(gap)
        place = {"item": one.question.name, "group": one.question.touchpoint, "touchpoint": one.question.touchpoint}
        n = min(int(one.reported[f"n_{side}"].isel(period=-1)) for side in ("expectation", "experience"))
        rows.append(place | {"period": str(one.reported["period"].to_numpy()[-1])} | _counted(n))
    if not rows or len({len(d) for d in draws}) > 1:
        return []
    values = np.column_stack(draws)
    about = {"metric": "probability", "unit": "probability", "level": "touchpoint", "weighting": "none"}
    about |= {"to": "", "event": "", "verdict": ""}
    found = []
    for estimand, first in (("p_shortfall", values.argmin(axis=1)), ("p_surplus", values.argmax(axis=1))):
        chance = np.bincount(first, minlength=len(rows)) / len(values)
        found.append(pd.DataFrame(rows).assign(estimand=estimand, mean=chance, **about).reindex(columns=list(COLUMNS)))
    return found


def _rows(one: Fit, *, practical: Mapping[str, float], targets: Mapping[str, float]) -> list[dict[str, Any]]:
    drawn, touchpoint = one.reported, one.question.touchpoint
    base = {"item": one.question.name, "level": "touchpoint", "group": touchpoint, "weighting": "none"}
    base |= {"touchpoint": touchpoint, "to": "", "event": "", "verdict": ""}
    n = {side: drawn[f"n_{side}"].to_numpy() for side in ("expectation", "experience", "both", "managers")}
    n |= {"gap": np.minimum(n["expectation"], n["experience"])}
    n |= {"experience_gap": np.minimum(n["managers"], n["experience"])}
    rows: list[dict[str, Any]] = []
    for name in drawn.data_vars:
        if "period" not in drawn[name].dims:
            continue
        estimand, metric = _named(str(name))
        values = drawn[name].to_numpy().reshape(-1, drawn.sizes["period"])
        sizes = n.get(estimand, n["both"])
        for i, period in enumerate(drawn["period"].to_numpy()):
            if sizes[i] == 0:
                continue
            own = base | {"period": str(period), "metric": metric, "unit": UNITS.get(metric, "")}
            rows.append(own | _level(estimand, metric, values[:, i], practical, targets) | _counted(sizes[i]))
            if estimand == "experience" and metric in targets:
                rows.append(own | _target(values[:, i], targets[metric]) | _counted(sizes[i]))
            if i and sizes[i - 1] > 0 and metric in ("mean", "csat", "share"):
                moved = values[:, i] - values[:, i - 1]
                limit = practical["csat" if metric == "share" else metric]
                word = {"estimand": f"{estimand}_change", "verdict": _change(estimand, moved, limit)}
                rows.append(own | word | estimates.summary(moved, ref=0.0) | _counted(min(sizes[i], sizes[i - 1])))
    return rows + _events(one, base, practical=practical["mean"])


def _named(name: str) -> tuple[str, str]:
    """Variable -> estimand and metric."""
    if name in (*_SHARES, "correlation"):
        return name, "share" if name in _SHARES else "correlation"
    for metric in ("mean", "csat", "top_box", "latent"):
        if name.endswith(f"_{metric}"):
            return name.removesuffix(f"_{metric}"), metric
    return name, ""


def _level(
    estimand: str, metric: str, draws: np.ndarray, practical: Mapping[str, float], targets: Mapping[str, float]
) -> dict[str, Any]:
    if estimand in ("gap", "experience_gap"):
        word = estimates.verdict(draws, practical=practical["mean"]) if metric == "mean" and estimand == "gap" else ""
        return {"estimand": estimand, "verdict": word} | estimates.summary(draws, ref=0.0)
    ref = targets.get(metric) if estimand == "experience" else None
    return {"estimand": estimand} | estimates.summary(draws, ref=ref)


def _target(draws: np.ndarray, target: float) -> dict[str, Any]:
    """How probable it is that the target is met."""
    nothing = {"sd": np.nan, "median": np.nan, "ci_low": np.nan, "ci_high": np.nan, "ci_prob": np.nan, "ci_kind": ""}
    own = estimates.summary((draws >= target).astype(float)) | nothing
    return own | {"estimand": "p_target", "ref": float(target), "unit": "probability"}


def _change(estimand: str, draws: np.ndarray, practical: float) -> str:
    """Verdict of a change; no direction of expectations, managers' views, p_met and correlations is the good one."""
    if estimand in ("p_below", "code_below"):
        return estimates.verdict(-draws, practical=practical)
    if estimand in ("experience", "gap", "p_exceeded", "code_exceeded"):
        return estimates.verdict(draws, practical=practical)
    return ""


def _events(one: Fit, base: Mapping[str, Any], *, practical: float) -> list[dict[str, Any]]:
    """What each event did to expectations; those with too few answers on one side stay without numbers."""
    drawn, rows = one.reported, []
    period = one.question.data.periods[-1]
    for name in drawn.data_vars:
        if "event" not in drawn[name].dims:
            continue
        estimand, metric = _named(str(name))
        for i, event in enumerate(drawn["event"].to_numpy()):
            draws = drawn[name].isel(event=i).to_numpy().ravel()
            if not np.isfinite(draws).all():
                continue
            own = dict(base) | {"period": period, "event": str(event), "metric": metric, "unit": UNITS[metric]}
            word = estimates.verdict(draws, practical=practical) if metric == "mean" else ""
            # A raised expectation is neither better nor worse: the sign tells its direction.
            own |= {"estimand": estimand, "verdict": "" if word in ("better", "worse") else word}
            n = min(int(drawn["n_with"][i]), int(drawn["n_without"][i]))
            rows.append(own | estimates.summary(draws, ref=0.0) | _counted(n))
    for event, sides in one.question.thin.items():
        own = dict(base) | {
            "period": period,
            "event": event,
            "metric": "mean",
            "unit": "points",
            "verdict": "suppressed",
        }
        blank = dict.fromkeys(ESTIMATE_NUMBERS, np.nan) | {"ci_prob": np.nan, "ci_kind": ""}
        rows.append(own | blank | {"estimand": "expectation_shift"} | _counted(min(sides)))
    return rows


def _counted(n: float) -> dict[str, float]:
    return {"n": int(n), "n_eff": float(n)}
