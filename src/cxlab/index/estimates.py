"""Draws of the structural model -> what is reported of it: the tidy table, and whether it may be believed.

On scales readers know (`estimands`), how far it rests on the prior (`sensitivity`), and what an index point goes with
in what customers do afterwards (`slopes`).

A person's score is the expectation of the latent given the answers, for each draw of the parameters. Regressing an
outcome on such scores gives the slope on the latent itself: what the score lacks of the latent is unrelated to it.
Slopes on raw means of items would be attenuated by the items' noise.

References
----------
Kallioinen, Paananen, Buerkner and Vehtari (2024), Detecting and diagnosing prior and likelihood sensitivity with
power-scaling, doi:10.1007/s11222-023-10366-5.
Skrondal and Laake (2001), Regression among factor scores, doi:10.1007/BF02296196.
Rubin (1981), The Bayesian bootstrap, doi:10.1214/aos/1176345338.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.index.data import SemData
from cxlab.index.density import Density, index_of, pairs, scaled, unpack
from cxlab.inference import diagnostics, importance_sampling
from cxlab.inference.diagnostics import KHAT, Gate
from cxlab.inference.estimates import changes, estimand, tidy, withhold

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.index.questionnaire import Fit

LEAST_SHARE: Final = 0.1  # of the draws that count after missing answers were weighted in
EXTRA: Final = ("from", "to", "narrow", "wide", "likelihood", "prior_sensitive")
UNITS: Final = {"spend": "currency", "retention": "share", "complaint": "share"}
QUADRANTS: Final = ("act", "keep", "watch", "enough")  # important and weak, important and strong, neither, strong only
FACTORS: Final = {"narrow": 0.5, "wide": 2.0}  # of the prior sd of all paths
SHIFT: Final = 0.5  # posterior sds by which a mean may move under another prior before it is flagged
WIDTH: Final = 0.25  # log ratio by which the posterior sd may change
APART: Final = 0.75  # posterior sds by which maximum likelihood may differ before it is flagged
MATERIAL: Final = (0.0, 0.1, 0.1)  # of paths, total effects, R2: smaller differences of the latter change no reading


def estimands(posterior: xr.Dataset, data: SemData) -> xr.Dataset:
    """Draws of what is reported.

    Parameters
    ----------
    posterior : Dataset
        ``x`` and ``mean`` as `cxlab.index.model.fit` gives them.
    data : SemData
        The data it was fitted to.

    Returns
    -------
    Dataset
        Dims (chain, draw, ..): ``index`` (period, latent; 0-100), ``path`` (arrow; standardised), ``total_effect`` and
        ``point_effect`` (pair; standardised, and index points a point), ``loading`` and ``weight`` (item), ``r2``
        (moved latent), ``p_quadrant`` (mover, quadrant; indicators).
    """
    import xarray as xr

    spec = data.structure
    x = posterior["x"].to_numpy()
    shape = x.shape[:2]
    found = scaled(x.reshape(-1, x.shape[-1]), spec, data.points)
    mean = posterior["mean"].to_numpy().reshape(-1, len(data.periods), len(spec.items))
    index = index_of(mean, found.weight, data)
    both = pairs(spec)
    origin, to = (np.array([p[i] for p in both], int) for i in (0, 1))
    moved = np.unique(spec.ends[1])
    effect = found.total * found.spread[:, :, None] / found.spread[:, None, :]
    target = spec.latents.index(spec.target)
    movers = [spec.latents.index(name) for name in spec.antecedents(spec.target)]
    quadrant = _quadrants(effect[:, target, movers], index[:, -1, movers])

    def shaped(values: np.ndarray) -> np.ndarray:
        return np.asarray(values.reshape(*shape, *values.shape[1:]))

    arrow = [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in spec.paths]
    chain = [f"{spec.latents[a]} -> {spec.latents[b]}" for a, b in both]
    path_from, path_to = spec.ends
    return xr.Dataset(
        {
            "index": (("chain", "draw", "period", "latent"), shaped(index)),
            "path": (("chain", "draw", "arrow"), shaped(found.path[:, path_to, path_from])),
            "total_effect": (("chain", "draw", "pair"), shaped(found.total[:, to, origin])),
            "point_effect": (("chain", "draw", "pair"), shaped(effect[:, to, origin])),
            "loading": (("chain", "draw", "item"), shaped(found.loading)),
            "weight": (("chain", "draw", "item"), shaped(found.weight)),
            "r2": (("chain", "draw", "moved"), shaped(found.r2[:, moved])),
            "p_quadrant": (("chain", "draw", "mover", "quadrant"), shaped(quadrant)),
        },
        coords={
            "period": list(data.periods),
            "latent": list(spec.latents),
            "arrow": arrow,
            "pair": chain,
            "item": list(spec.items),
            "moved": [spec.latents[k] for k in moved],
            "mover": [spec.latents[k] for k in movers],
            "quadrant": list(QUADRANTS),
        },
    )


def _quadrants(importance: np.ndarray, performance: np.ndarray) -> np.ndarray:
    """Indicators (m, movers, 4): above or below the movers' average importance and performance, draw by draw."""
    important = importance >= importance.mean(axis=1, keepdims=True)
    strong = performance >= performance.mean(axis=1, keepdims=True)
    cells = [important & ~strong, important & strong, ~important & ~strong, ~important & strong]
    return np.stack(cells, axis=2).astype(float)


@dataclass(frozen=True)
class Sensitivity:
    """Means of standardised paths and total effects under other priors, in the order of `estimands`.

    Attributes
    ----------
    path, total_effect : dict
        ``narrow``, ``wide`` (prior sd halved, doubled) and ``likelihood`` (no prior) -> values by arrow or pair.
    flagged_path, flagged_total : array of bool
        What moves with the prior.
    flagged_r2 : array of bool
        By moved latent.
    by_modes : bool
        Whether another prior was too far off for weights: then mean and sd move as those of the
        normal approximation do.
    """

    path: dict[str, np.ndarray]
    total_effect: dict[str, np.ndarray]
    flagged_path: np.ndarray
    flagged_total: np.ndarray
    flagged_r2: np.ndarray
    by_modes: bool


def sensitivity(x: np.ndarray, data: SemData, target: Density) -> Sensitivity:
    """Compare draws (chain, draw, d) with what other priors would give, by weights where these can be trusted."""
    spec = data.structure
    flat = x.reshape(-1, x.shape[-1])
    origin, to = spec.ends
    both = pairs(spec)
    first, last = (np.array([p[i] for p in both], int) for i in (0, 1))
    with_paths = np.unique(to)

    def told(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = scaled(points, spec, data.points)
        return found.path[:, to, origin], found.total[:, last, first], found.r2[:, with_paths]

    prior = target.prior
    assert prior is not None
    base = told(flat)
    usual = [(values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)) for values in base]
    means, flags = {}, [np.zeros(values.shape[1], bool) for values in base]
    by_modes = False
    for name, factor in FACTORS.items():
        size = (flat[:, : len(spec.paths)] ** 2).sum(axis=1) / prior.path_sd**2
        weight, khat = importance_sampling.smoothed(-0.5 * size * (1.0 / factor**2 - 1.0))
        if khat < importance_sampling.KHAT and 1.0 / (weight**2).sum() > 100:
            moved = [_moments(values, weight) for values in base]
        else:
            by_modes = True
            wanted = replace(prior, path_sd=prior.path_sd * factor)
            far = Density(spec, data.complete.scatter[0], data.freedom, prior=wanted)
            there, here = (
                [_moments(values) for values in told(_normal(density, flat.mean(axis=0)))] for density in (far, target)
            )
            moved = [
                (mean + a[0] - b[0], sd * a[1] / np.maximum(b[1], 1e-9))
                for (mean, sd), a, b in zip(usual, there, here, strict=True)
            ]
        means[name] = [mean for mean, _ in moved]
        for flag, (mean, sd), (old, width), least in zip(flags, moved, usual, MATERIAL, strict=True):
            flag |= np.abs(mean - old) > np.maximum(SHIFT * width, least)
            flag |= (np.abs(np.log(np.maximum(sd, 1e-9) / width)) > WIDTH) & (np.abs(sd - width) > least / 2)
    flatly = Density(spec, data.complete.scatter[0], data.freedom, prior=None)
    best, _ = importance_sampling.find_map(flatly, flat.mean(axis=0))
    means["likelihood"] = [values[0] for values in told(best[None])]
    for flag, mean, (old, width), least in zip(flags, means["likelihood"], usual, MATERIAL, strict=True):
        flag |= np.abs(mean - old) > np.maximum(APART * width, least)
    return Sensitivity(
        path={name: values[0] for name, values in means.items()},
        total_effect={name: values[1] for name, values in means.items()},
        flagged_path=flags[0],
        flagged_total=flags[1],
        flagged_r2=flags[2],
        by_modes=by_modes,
    )


def _moments(values: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    mean = np.average(values, axis=0, weights=weight)
    return mean, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))


def _normal(density: Density, start: np.ndarray) -> np.ndarray:
    """Draws of the normal approximation, the same noise for every density."""
    point, factor = importance_sampling.find_map(density, start)
    return np.asarray(point + np.random.default_rng(1).standard_normal((500, len(point))) @ factor.T)


def slopes(
    values: np.ndarray,
    period: np.ndarray,
    outcome: np.ndarray,
    points: np.ndarray,
    means: np.ndarray,
    data: SemData,
    *,
    seed: int,
    customer: np.ndarray | None = None,
) -> np.ndarray:
    """Draw the slope of outcomes on the index of the target latent.

    Parameters
    ----------
    values : array, shape (N, J)
        Standardised answers of those whose outcome is known; NaN where missing.
    period : array of int, shape (N,)
        Places in ``data.periods``: levels of the periods are taken out of both sides.
    outcome : array, shape (N, O)
    points, means : arrays, shape (m, d) and (m, T, J)
        Draws of the model.
    data : SemData
    seed : int
        Of the Bayesian bootstrap over customers.
    customer : array of int, shape (N,), optional
        Whose answer a row is, from 0: several answers of one customer are weighted together, since what follows them
        may be the same purchases. By default everybody answered once.

    Returns
    -------
    array, shape (m, O)
        Outcome units an index point.
    """
    spec = data.structure
    k = spec.latents.index(spec.target)
    seen = np.isfinite(values)
    masks, which = np.unique(seen, axis=0, return_inverse=True)
    which = which.ravel()
    filled = np.where(seen, values, 0.0)
    parts = unpack(points, spec)
    told = scaled(points, spec, data.points)
    sd = np.sqrt(parts.latent[:, k, k])
    random = np.random.default_rng(seed)
    groups = np.eye(len(data.periods))[period]
    whose = np.arange(len(values)) if customer is None else customer
    found = np.empty((len(points), outcome.shape[1]))
    for i in range(len(points)):
        slope = parts.loading[i] / parts.residual[i]
        inside = np.linalg.inv(parts.latent[i])
        left = inside + np.einsum("pj,jk,kl->pkl", masks * (parts.loading[i] * slope), spec.member, np.eye(len(inside)))
        reach = np.linalg.inv(left)[:, k, :][:, spec.of_item] * slope * masks
        off = (filled - means[i][period]) * seen
        score = (reach[which] * off).sum(axis=1) * told.spread[i, k] / sd[i]
        weight = random.standard_exponential(int(whose.max()) + 1)[whose]
        total = np.maximum(groups.T @ weight, 1e-300)
        centred = score - groups @ ((groups.T @ (weight * score)) / total)
        level = groups @ ((groups.T @ (weight[:, None] * outcome)) / total[:, None])
        spread = float((weight * centred**2).sum())
        found[i] = (weight * centred) @ (outcome - level) / max(spread, 1e-300)
    return found


def gate(tree: xr.DataTree, reported: xr.Dataset | None = None) -> Gate:
    """Judge a fit: convergence of the chains, weights for missing answers, identification, rival explanations.

    Parameters
    ----------
    tree : DataTree
        From `cxlab.index.model.fit`.
    reported : Dataset, optional
        Draws on the reporting scale; judged where no answer is missing, since weighting ends the chains.
    """
    whole = not np.isfinite(tree.attrs["khat_missing"])
    found = diagnostics.gate(_before_weighting(tree), reported if whole else None)
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
    return replace(found, passed=not reasons, reasons=tuple(reasons))


def believed(tree: xr.DataTree) -> bool:
    """Whether the chains agree and are long enough: what more draws could mend."""
    return diagnostics.gate(_before_weighting(tree)).passed


def _before_weighting(tree: xr.DataTree) -> xr.DataTree:
    import xarray as xr

    chains = xr.DataTree.from_dict({"posterior": tree["chains"].dataset, "sample_stats": tree["sample_stats"].dataset})
    chains.attrs.update(tree.attrs)
    return chains


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
