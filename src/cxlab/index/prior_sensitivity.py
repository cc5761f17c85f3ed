"""How far what is reported depends on the prior of the paths: narrower, wider, and none at all.

References
----------
Kallioinen, Paananen, Buerkner and Vehtari (2024), Detecting and diagnosing prior and likelihood sensitivity with
power-scaling, doi:10.1007/s11222-023-10366-5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cxlab.index import estimands, missing
from cxlab.index.data import SemData
from cxlab.index.likelihood import Density
from cxlab.inference import importance_sampling as drawing

FACTORS: Final = {"narrow": 0.5, "wide": 2.0}  # of the prior sd of all paths
SHIFT: Final = 0.5  # posterior sds by which a mean may move under another prior before it is flagged
WIDTH: Final = 0.25  # log ratio by which the posterior sd may change
APART: Final = 0.75  # posterior sds by which maximum likelihood may differ before it is flagged
MATERIAL: Final = (0.0, 0.1, 0.1)  # of paths, total effects, R2: smaller differences of the latter change no reading


@dataclass(frozen=True)
class Sensitivity:
    """Means of standardised paths and total effects under other priors, in the order of `reporting.estimands`.

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
    origin, to = np.array(spec.paths, int).T
    both = estimands.pairs(spec)
    first, last = (np.array([p[i] for p in both], int) for i in (0, 1))
    with_paths = np.unique(to)

    def told(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = estimands.scaled(points, spec, data.points)
        return found.path[:, to, origin], found.total[:, last, first], found.r2[:, with_paths]

    prior = target.prior
    assert prior is not None
    base = told(flat)
    usual = [(values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)) for values in base]
    means, flags = {}, [np.zeros(values.shape[1], bool) for values in base]
    by_modes = False
    for name, factor in FACTORS.items():
        size = (flat[:, : len(spec.paths)] ** 2).sum(axis=1) / prior.path_sd**2
        weight, khat = missing.smoothed(-0.5 * size * (1.0 / factor**2 - 1.0))
        if khat < drawing.KHAT and 1.0 / (weight**2).sum() > 100:
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
    best, _ = drawing.find_map(flatly, flat.mean(axis=0))
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
    point, factor = drawing.find_map(density, start)
    return np.asarray(point + np.random.default_rng(1).standard_normal((500, len(point))) @ factor.T)
