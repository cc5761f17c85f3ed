"""The driver model as a PyMC graph: the same posterior as the hand-written density, for reading and for checking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxlab.drivers import imputation
from cxlab.drivers.data import BLANK, DriverData
from cxlab.drivers.design import completed, design, directed

if TYPE_CHECKING:
    import pymc as pm

    from cxlab.drivers.priors import Priors


def build(data: DriverData, priors: Priors, *, seed: int = 1) -> pm.Model:
    """See `cxlab.drivers.model.build_model`."""
    import pymc as pm
    import pytensor.tensor as pt

    copula = imputation.fit(data, seed=seed) if (data.codes == BLANK).any() else None
    done = completed(data, copula, seed=seed)
    layout, rows = design(data, done, shape="monotone")
    layout = directed(layout, rows)
    x = rows.design(slice(0, len(rows.y))).astype(float)
    with pm.Model(coords={"attribute": data.attributes}) as model:
        r2 = pm.Beta("r2", priors.r2_a, priors.r2_b)
        odds = r2 / (1 - r2)
        square = pm.Gamma("square", priors.split, 1.0, dims="attribute")
        unused = pm.Normal("unused", 0.0, 1.0, shape=int((layout.unused >= 0).sum()))
        raw = pt.zeros(len(layout.share))
        for a, name in enumerate(data.attributes):
            k, column = layout.sizes[a], layout.column[a, : layout.sizes[a]]
            steps = pm.Dirichlet(f"steps_{name}", np.full(k - 1, priors.step)) if k > 2 else pt.ones(1)
            rise = pt.concatenate([pt.zeros(1), pt.cumsum(steps)])
            curve = layout.direction[a] * (rise - pt.dot(rise, layout.share[column]))
            raw = raw[column].set(pt.sqrt(2 * square[a]) * curve)
        raw = raw[layout.unused[layout.unused >= 0]].set(priors.unused_scale * unused)
        explained = pt.dot(raw, pt.dot(layout.spread, raw))
        effect = pm.Deterministic("effect", raw * pt.sqrt(odds * layout.noise_var / explained))
        eta = pt.dot(x[:, : len(layout.share)], effect)
        if layout.groups:
            scales = pm.HalfNormal("group_scale", np.array([priors.group_mean_scale, priors.group_slope_scale]))
            own = pm.Normal("group", 0.0, 1.0, shape=layout.groups * (len(layout.sizes) + 1))
            sd = pt.repeat(scales, np.array([layout.groups, layout.groups * len(layout.sizes)]))
            eta = eta + pt.dot(x[:, len(layout.share) :], own * sd)
        if data.kind == "continuous":
            mean = pm.Normal("mean", 0.0, 1.0)
            log_sd = pm.Normal("log_sd", 0.0, 1.0)
            sigma = pt.exp(log_sd) / pt.sqrt(1 + odds)
            by_row = pm.logp(pm.Normal.dist(sigma * (mean + eta), sigma), rows.y)
        else:
            share = pm.Dirichlet("share", np.full(rows.codes, priors.concentration))
            below = pt.cumsum(share)[:-1]
            cut = pm.Deterministic("cut", pt.sqrt(1 + odds) * (pt.log(below) - pt.log1p(-below)))
            by_row = pm.logp(pm.OrderedLogistic.dist(eta=eta, cutpoints=cut, compute_p=False), rows.y)
        average = np.zeros((len(rows.first), len(rows.y)))
        average[np.repeat(np.arange(len(rows.first)), done.sizes), np.arange(len(rows.y))] = np.repeat(
            1 / done.sizes, done.sizes
        )
        pm.Potential("answers", pt.dot(rows.weight, pt.log(pt.dot(average, pt.exp(by_row)))))
    return model
