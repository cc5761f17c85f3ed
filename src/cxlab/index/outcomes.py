"""What a point of the index goes with in what customers do afterwards, measurement error accounted for.

A person's score is the expectation of the latent given the answers, for each draw of the parameters. Regressing an
outcome on such scores gives the slope on the latent itself: what the score lacks of the latent is unrelated to it.
Slopes on raw means of items would be attenuated by the items' noise.

References
----------
Skrondal and Laake (2001), Regression among factor scores, doi:10.1007/BF02296196.
Rubin (1981), The Bayesian bootstrap, doi:10.1214/aos/1176345338.
"""

from __future__ import annotations

import numpy as np

from cxlab.index.data import SemData
from cxlab.index.estimands import scaled
from cxlab.index.likelihood import unpack


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
    member = (spec.of_item[:, None] == np.arange(len(spec.latents))).astype(float)
    groups = np.eye(len(data.periods))[period]
    whose = np.arange(len(values)) if customer is None else customer
    found = np.empty((len(points), outcome.shape[1]))
    for i in range(len(points)):
        slope = parts.loading[i] / parts.residual[i]
        inside = np.linalg.inv(parts.latent[i])
        left = inside + np.einsum("pj,jk,kl->pkl", masks * (parts.loading[i] * slope), member, np.eye(len(inside)))
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
