"""The fitted index as the one tidy table, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference import diagnostics
from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import CI_PROB, SURE, summary, verdict
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.index.questionnaire import Fit

KHAT: Final = 0.7  # above it the weights for missing answers are not to be trusted
LEAST_SHARE: Final = 0.1  # of the draws that count after weighting
EXTRA: Final = ("from", "to", "narrow", "wide", "likelihood", "prior_sensitive")
UNITS: Final = {"spend": "currency", "retention": "share", "complaint": "share"}


def gate(tree: xr.DataTree, reported: xr.Dataset | None = None) -> Gate:
    """Judge a fit: convergence of the chains, weights for missing answers, identification, rival explanations.

    Parameters
    ----------
    tree : DataTree
        From `cxlab.index.model.fit`.
    reported : Dataset, optional
        Draws on the reporting scale; judged where no answer is missing, since weighting ends the chains.
    """
    import xarray as xr

    chains = xr.DataTree.from_dict({"posterior": tree["chains"].dataset, "sample_stats": tree["sample_stats"].dataset})
    whole = not np.isfinite(tree.attrs["khat_missing"])
    found = diagnostics.gate(chains, reported if whole else None)
    reasons = list(found.reasons)
    if tree.attrs["unidentified"]:
        listed = ", ".join(tree.attrs["unidentified"][:6])
        reasons.append(
            {
                "en": f"no data could tell these parameters apart ({listed}): add questions or drop paths",
                "zh": f"任何数据都无法区分这些参数（{listed}）：请增加题目或减少路径",
            }
        )
    if tree.attrs["modes"]:
        reasons.append({"en": "the answers have two explanations that differ", "zh": "这些回答有两种不同的解释"})
    if not whole and not (tree.attrs["khat_missing"] < KHAT and tree.attrs["share_missing"] > LEAST_SHARE):
        reasons.append(
            {
                "en": f"too many answers are missing to be weighed in (k-hat {tree.attrs['khat_missing']:.2f})",
                "zh": f"缺失的回答过多，无法可靠加权（k-hat {tree.attrs['khat_missing']:.2f}）",
            }
        )
    return Gate(not reasons, found.rhat, found.ess_bulk, found.ess_tail, found.divergences, tuple(reasons))


def believed(tree: xr.DataTree) -> bool:
    """Whether the chains agree and are long enough: what more draws could mend."""
    import xarray as xr

    chains = xr.DataTree.from_dict({"posterior": tree["chains"].dataset, "sample_stats": tree["sample_stats"].dataset})
    return diagnostics.gate(chains).passed


def table(fit: Fit, judged: Gate, *, periods: Sequence[str], practical: float) -> pd.DataFrame:
    """Return the estimates of the index.

    Parameters
    ----------
    fit : Fit
    judged : Gate
        A fit that did not pass gives rows without numbers.
    periods : sequence of str
        All periods up to the unit's; a change compares with the one just before.
    practical : float
        Smallest change of an index worth acting on, in points.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` (without run, brand, model) and `EXTRA`: ``from``, ``to``; for paths, total effects and
        R2 the means under a prior half and twice as wide and by maximum likelihood, and whether that matters. The
        verdict of a path or effect is ``better`` (rises with), ``worse`` (falls with) or ``cannot_tell``.
    """
    rows = [*_indices(fit, periods, practical), *_paths(fit), *_composites(fit), *_outcomes(fit)]
    columns = [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")]
    out = pd.DataFrame(rows).reindex(columns=[*columns, *EXTRA])
    texts = ["item", "level", "group", "verdict", "from", "to", "ci_kind"]
    out[texts] = out[texts].fillna("")
    out["prior_sensitive"] = out["prior_sensitive"].fillna(False).astype(bool)
    out["weighting"] = fit.data.weighting
    out["period"] = out["period"].fillna(periods[-1])
    if not judged.passed:
        out[[*ESTIMATE_NUMBERS, "narrow", "wide", "likelihood"]] = np.nan
        out["prior_sensitive"] = False
        out["verdict"] = "withheld"
    return out


def _draws(data: xr.Dataset, name: str) -> np.ndarray:
    values = data[name].to_numpy()
    return np.asarray(values.reshape(-1, *values.shape[2:]))


def _sizes(fit: Fit) -> dict[str, float]:
    return {"n": float(fit.data.n_raw.sum()), "n_eff": float(fit.data.n_eff.sum())}


def _told(fit: Fit, t: int, k: int) -> dict[str, float]:
    """Who answered a question of latent `k` in period `t`: an index of three answers is no index of the period's."""
    own = float(fit.data.answered[t, fit.data.structure.of_item == k].max())
    return {"n": own, "n_eff": float(fit.data.n_eff[t]) * own / max(float(fit.data.n_raw[t]), 1.0)}


def _direction(chance: float) -> str:
    return "better" if chance > SURE else "worse" if chance < 1 - SURE else "cannot_tell"


def _indices(fit: Fit, periods: Sequence[str], practical: float) -> list[dict[str, Any]]:
    drawn, rows = _draws(fit.reported, "index"), []
    known = list(fit.data.periods)
    before = dict(zip(periods[1:], periods[:-1], strict=True))
    for k, latent in enumerate(fit.data.structure.latents):
        about: dict[str, Any] = {
            "metric": "index",
            "level": "latent",
            "group": latent,
            "to": latent,
            "unit": "index points",
        }
        for t, period in enumerate(known):
            own = about | {"period": period}
            rows.append(own | summary(drawn[:, t, k]) | {"estimand": "index"} | _told(fit, t, k))
            if before.get(period) in known:
                j = known.index(before[period])
                change = drawn[:, t, k] - drawn[:, j, k]
                sizes = {key: min(_told(fit, t, k)[key], _told(fit, j, k)[key]) for key in ("n", "n_eff")}
                judged = {"estimand": "index_change", "verdict": verdict(change, practical=practical)}
                rows.append(own | summary(change, ref=0.0) | sizes | judged)
    return rows


def _paths(fit: Fit) -> list[dict[str, Any]]:
    spec, rows, sizes = fit.data.structure, [], _sizes(fit)
    told = fit.sensitivity
    for estimand, dim, means, flagged in (
        ("path", "arrow", told.path, told.flagged_path),
        ("total_effect", "pair", told.total_effect, told.flagged_total),
        ("point_effect", "pair", {}, told.flagged_total),
    ):
        drawn = _draws(fit.reported, estimand)
        for i, arrow in enumerate(fit.reported[dim].to_numpy()):
            origin, to = str(arrow).split(" -> ")
            unit = "index points" if estimand == "point_effect" else "standard deviations"
            row: dict[str, Any] = {"metric": estimand, "estimand": estimand, "from": origin, "to": to, "unit": unit}
            numbers = summary(drawn[:, i], ref=0.0)
            row |= numbers | sizes | {name: float(values[i]) for name, values in means.items()}
            rows.append(row | {"prior_sensitive": bool(flagged[i]), "verdict": _direction(numbers["prob_gt_ref"])})
    loading = _draws(fit.reported, "loading")
    for j, item in enumerate(spec.items):
        about: dict[str, Any] = {
            "metric": "loading",
            "estimand": "loading",
            "item": item,
            "from": spec.latents[spec.block[j]],
            "to": item,
        }
        n = float(fit.data.answered[:, j].sum())
        rows.append(about | summary(loading[:, j]) | sizes | {"n": n, "unit": "correlation"})
    r2 = _draws(fit.reported, "r2")
    for i, latent in enumerate(fit.reported["moved"].to_numpy()):
        about = {"metric": "share", "estimand": "r2", "to": str(latent), "unit": "share"}
        rows.append(about | summary(r2[:, i]) | sizes | {"prior_sensitive": bool(told.flagged_r2[i])})
    quadrant = _draws(fit.reported, "p_quadrant").mean(axis=0)
    for i, mover in enumerate(fit.reported["mover"].to_numpy()):
        for q, name in enumerate(fit.reported["quadrant"].to_numpy()):
            about = {
                "metric": "probability",
                "estimand": "p_quadrant",
                "from": str(mover),
                "to": spec.target,
            }
            rows.append(about | sizes | {"group": str(name), "mean": float(quadrant[i, q]), "unit": "probability"})
    return rows


def _composites(fit: Fit) -> list[dict[str, Any]]:
    told, sizes, rows = fit.composites, _sizes(fit), []
    index = _draws(told, "composite_index")
    for t, period in enumerate(fit.data.periods):
        for k, latent in enumerate(fit.data.structure.latents):
            about: dict[str, Any] = {
                "metric": "index",
                "estimand": "composite_index",
                "level": "latent",
                "group": latent,
                "to": latent,
            }
            about |= {"period": period, "unit": "index points"} | _told(fit, t, k)
            rows.append(about | _around(float(told["best_index"][t, k]), index[:, t, k]))
    for i, arrow in enumerate(told["arrow"].to_numpy()):
        origin, to = str(arrow).split(" -> ")
        about = {
            "metric": "path",
            "estimand": "composite_path",
            "from": origin,
            "to": to,
            "unit": "standard deviations",
        }
        rows.append(about | sizes | _around(float(told["best_path"][i]), _draws(told, "composite_path")[:, i]))
    for i, latent in enumerate(told["moved"].to_numpy()):
        about = {"metric": "share", "estimand": "composite_r2", "to": str(latent), "unit": "share"}
        rows.append(about | sizes | _around(float(told["best_r2"][i]), _draws(told, "composite_r2")[:, i]))
    return rows


def _around(best: float, drawn: np.ndarray) -> dict[str, Any]:
    """The estimate itself with the interval of its draws: composites have no posterior mean of their own."""
    low, high = np.quantile(drawn, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2])
    numbers = {"mean": best, "median": float(np.median(drawn)), "sd": float(drawn.std())}
    ends = {"ci_low": min(float(low), best), "ci_high": max(float(high), best)}
    return numbers | ends | {"ci_prob": CI_PROB, "ci_kind": "eti"}


def _outcomes(fit: Fit) -> list[dict[str, Any]]:
    rows = []
    for told in fit.outcomes.to_dict("records"):
        name = str(told["outcome"])
        numbers = summary(np.asarray(told["draws"]), ref=0.0)
        about: dict[str, Any] = {
            "item": name,
            "from": fit.data.structure.target,
            "to": name,
            "estimand": "outcome_effect",
        }
        about |= {"metric": "money" if name == "spend" else "rate", "unit": UNITS[name], "n": float(told["n"])}
        rows.append(about | numbers | {"n_eff": float(told["n"]), "verdict": _direction(numbers["prob_gt_ref"])})
        level = {"mean": float(told["mean"]), "estimand": "outcome_mean", "verdict": ""}
        rows.append(about | level | {"n_eff": float(told["n"])})
    return rows
