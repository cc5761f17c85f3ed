"""The models as PyMC states them, with the distributions of pymc-marketing: to read, and to check our densities by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxlab.value.clv.gamma_gamma import Spend
from cxlab.value.clv.sbg import Contracts
from cxlab.value.clv.unique_rows import Rows

if TYPE_CHECKING:
    import pymc as pm


def buying(family: str, rows: Rows, centre: np.ndarray, sd: np.ndarray) -> pm.Model:
    """State BG/NBD, MBG/NBD, Pareto/NBD or BG/BB with normal priors on the coordinates."""
    import pymc as pm
    from pymc_marketing.clv import distributions as clv

    k = rows.z.shape[1]
    with pm.Model() as model:
        point = pm.Normal("point", centre, sd, shape=len(centre))
        seen = np.stack([rows.recency, rows.x], axis=1)
        z = rows.z[rows.cell]
        buy, leave = pm.math.dot(z, point[4 : 4 + k]), pm.math.dot(z, point[4 + k :])
        if family == "bgbb":
            one, share = pm.math.exp(point[1]), pm.math.sigmoid(point[0])
            two, gone = pm.math.exp(point[3]), pm.math.sigmoid(point[2])
            likelihood = clv.BetaGeoBetaBinom.dist(
                alpha=one * share, beta=one * (1 - share), gamma=two * gone, delta=two * (1 - gone), T=rows.age
            )
        elif family == "pareto":
            r, s = pm.math.exp(point[0]), pm.math.exp(point[2])
            alpha, beta = r / pm.math.exp(point[1] + buy), s / pm.math.exp(point[3] + leave)
            likelihood = clv.ParetoNBD.dist(r=r, alpha=alpha, s=s, beta=beta, T=rows.age)
        else:
            r = pm.math.exp(point[0])
            alpha = r / pm.math.exp(point[1] + buy)
            share, size = pm.math.sigmoid(point[2] + leave), pm.math.exp(point[3])
            which = clv.BetaGeoNBD if family == "bgnbd" else clv.ModifiedBetaGeoNBD
            likelihood = which.dist(a=size * share, b=size * (1 - share), r=r, alpha=alpha, T=rows.age)
        pm.Potential("likelihood", (rows.weight * pm.logp(likelihood, seen)).sum())
    return model


def spend(model: pm.Model, data: Spend, centre: np.ndarray, sd: np.ndarray) -> pm.Model:
    """Add Gamma-Gamma, amounts in units of their average: a purchase's average given the rate, the rate integrated out.

    The distribution of an average of x gammas is Gamma(p x, nu x); with nu ~ Gamma(q, gamma) it is a beta of the
    second kind, written here as the beta of u = x m / (gamma + x m) and its Jacobian.
    """
    import pymc as pm

    with model:
        point = pm.Normal("spend_point", centre, sd, shape=len(centre))
        p, more = pm.math.exp(point[0]), pm.math.exp(point[1])
        gamma = pm.math.exp(point[2]) * more / p
        factor = 0.0
        if data.power is not None and data.log_time is not None:
            factor = pm.math.gammaln(data.power + point[3]) - pm.math.gammaln(data.power) - point[3] * data.log_time
        total = data.x * data.mean / data.scale / pm.math.exp(factor)
        u = total / (gamma + total)
        each = pm.logp(pm.Beta.dist(p * data.x, 1 + more), u)
        each = each + pm.math.log(data.x * gamma) - 2 * pm.math.log(gamma + total)
        pm.Potential("spend_likelihood", (data.weight * (each - factor)).sum())
    return model


def contracts(data: Contracts, centre: np.ndarray, sd: np.ndarray) -> pm.Model:
    """State the shifted beta-geometric model with normal priors on the coordinates."""
    import pymc as pm
    from pymc_marketing.clv.distributions import ShiftedBetaGeometric

    with pm.Model() as model:
        point = pm.Normal("point", centre, sd, shape=2)
        share, size = pm.math.sigmoid(point[0]), pm.math.exp(point[1])
        ends = ShiftedBetaGeometric.dist(alpha=size * share, beta=size * (1 - share))
        over, going = data.ended, ~data.ended & (data.periods > 0)
        if over.any():
            pm.Potential("ended", (data.weight[over] * pm.logp(ends, data.periods[over])).sum())
        if going.any():
            kept = pm.math.log1mexp(pm.logcdf(ends, data.periods[going]))
            pm.Potential("kept", (data.weight[going] * kept).sum())
    return model
