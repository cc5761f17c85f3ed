"""The fitted index as the one tidy table, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference import diagnostics
from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import changes, estimand, tidy, withhold

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
    level = _latent(fit, fit.reported["index"])
    arrays = [level, changes(level, "index_change", periods=periods, practical=practical)]
    arrays += [*_paths(fit), *_composites(fit), *_outcomes(fit)]
    out = tidy(arrays, also=EXTRA, level="", weighting=fit.data.weighting, period=periods[-1])
    out["prior_sensitive"] = out["prior_sensitive"].fillna(False).astype(bool)
    if not judged.passed:
        out = withhold(out, also=("narrow", "wide", "likelihood")).assign(prior_sensitive=False)
    return out


def _known(array: xr.DataArray, dim: str, columns: Mapping[str, Any], **about: Any) -> xr.DataArray:
    """An estimand with columns along one of its dims, and what all its rows share."""
    return array.assign_coords({name: (dim, np.asarray(values)) for name, values in columns.items()}).assign_attrs(
        about
    )


def _between(array: xr.DataArray) -> dict[str, np.ndarray]:
    """Where arrows "a -> b", the last dim's labels, begin and end."""
    ends = np.array([str(arrow).split(" -> ") for arrow in array[array.dims[-1]].to_numpy()]).reshape(-1, 2)
    return {"from": ends[:, 0], "to": ends[:, 1]}


def _sizes(fit: Fit) -> dict[str, float]:
    return {"n": float(fit.data.n_raw.sum()), "n_eff": float(fit.data.n_eff.sum())}


def _latent(fit: Fit, index: xr.DataArray) -> xr.DataArray:
    """Indices and who answered a question of a latent: an index of three answers is no index of the period's."""
    data, names = fit.data, fit.data.structure.latents
    n = np.stack([data.answered[:, data.structure.of_item == k].max(axis=1) for k in range(len(names))], axis=1)
    sizes = {"n": n.astype(float), "n_eff": n * (data.n_eff / np.maximum(data.n_raw, 1.0))[:, None]}
    about = {"level": "latent", "metric": "index", "unit": "index points"}
    index = index.assign_coords({c: (("period", "latent"), values) for c, values in sizes.items()})
    return _known(index, "latent", {"group": names, "to": names}, **about)


def _paths(fit: Fit) -> Iterator[xr.DataArray]:
    spec, told, drawn, sizes = fit.data.structure, fit.sensitivity, fit.reported, _sizes(fit)
    for name, unit, columns in (
        ("path", "standard deviations", {**told.path, "prior_sensitive": told.flagged_path}),
        ("total_effect", "standard deviations", {**told.total_effect, "prior_sensitive": told.flagged_total}),
        ("point_effect", "index points", {"prior_sensitive": told.flagged_total}),
    ):
        array = drawn[name]
        about = {"metric": name, "unit": unit, "practical": 0.0, **sizes}
        yield _known(array, str(array.dims[-1]), {**_between(array), **columns}, **about)
    items = {"item": spec.items, "to": spec.items, "from": [spec.latents[k] for k in spec.block]}
    items["n"] = fit.data.answered.sum(axis=0).astype(float)
    yield _known(drawn["loading"], "item", items, metric="loading", unit="correlation", n_eff=sizes["n_eff"])
    moved = {"to": drawn["moved"].to_numpy(), "prior_sensitive": told.flagged_r2}
    yield _known(drawn["r2"], "moved", moved, metric="share", unit="share", **sizes)
    chance = drawn["p_quadrant"].mean(("chain", "draw")).assign_coords(group=drawn["quadrant"])
    about = {"metric": "probability", "unit": "probability", "to": spec.target, **sizes}
    yield _known(chance, "mover", {"from": drawn["mover"].to_numpy()}, **about)


def _composites(fit: Fit) -> Iterator[xr.DataArray]:
    """The estimates themselves with intervals of draws: composites have no posterior mean of their own."""
    told, sizes = fit.composites, _sizes(fit)
    index, path, r2 = (
        told[f"composite_{name}"].assign_coords(mean=told[f"best_{name}"]) for name in ("index", "path", "r2")
    )
    yield _latent(fit, index)
    yield _known(path, "arrow", _between(path), metric="path", unit="standard deviations", **sizes)
    yield _known(r2, "moved", {"to": told["moved"].to_numpy()}, metric="share", unit="share", **sizes)


def _outcomes(fit: Fit) -> list[xr.DataArray]:
    told = fit.outcomes
    if told.empty:
        return []
    names = told["outcome"].astype(str)
    place = pd.DataFrame({"item": names, "to": names, "from": fit.data.structure.target, "n": told["n"].astype(float)})
    place["metric"] = np.where(names == "spend", "money", "rate")
    place["unit"] = names.map(UNITS)
    drawn = np.column_stack([np.asarray(draws, float) for draws in told["draws"]])
    mean = told["mean"].to_numpy(float)
    return [estimand("outcome_effect", drawn, place, practical=0.0), estimand("outcome_mean", mean, place)]
