"""What customers are truly like who may have left: the rate at which they bought while they were customers.

`cxlab.value.clv.families.simulate` draws the rate of living customers. Of one who left, the silence since says
nothing about the rate: it is that of the time until leaving.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, doi:10.1287/mksc.1040.0098.
Schmittlein, Morrison and Colombo (1987), Counting your customers, doi:10.1287/mnsc.33.1.1.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cxlab.value.clv import families
from cxlab.value.clv.families import Family
from cxlab.value.clv.unique_rows import Rows

_NODES: Final = 12  # moments at which a customer may have left


def still_there(family: Family, points: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the probability of not having left by which stages are told, (draw, row).

    bgnbd lets nobody leave before the second purchase, however long ago the first one was: with it, whoever bought once
    would be active for ever. Of them the stage is told as if the first purchase were one after which customers may
    leave like any other, as mbgnbd has it, with the same parameters. What they are worth stays what bgnbd says.
    """
    found = families.alive(family, points, rows)
    if family != "bgnbd" or (rows.x > 0).all():
        return found
    return np.asarray(np.where(rows.x > 0, found, families.alive("mbgnbd", points, rows)))


def rate_of_gone(family: Family, points: np.ndarray, rows: Rows, random: np.random.Generator) -> np.ndarray:
    """Draw the rate of buying of customers who have left, (draw, row).

    bgnbd and mbgnbd: whoever left did so right after the last purchase, so rate ~ Gamma(r + x, alpha + recency).
    pareto: whoever left did so at a moment v between the last purchase and the end, with density proportional to
    (alpha + v)^-(r + x) (beta + v)^-(s + 1), and rate ~ Gamma(r + x, alpha + v).
    """
    k = rows.z.shape[1]
    z = rows.z[rows.cell]
    r = np.exp(points[:, :1])
    alpha = r / np.exp(points[:, 1:2] + points[:, 4 : 4 + k] @ z.T)
    shape = np.broadcast_to(r + rows.x, (len(points), len(rows)))
    until = np.broadcast_to(rows.recency, shape.shape)
    if family == "pareto":
        s = np.exp(points[:, 2:3])
        beta = s / np.exp(points[:, 3:4] + points[:, 4 + k :] @ z.T)
        place = (np.arange(_NODES) + 0.5) / _NODES
        moments = rows.recency[:, None] + (rows.age - rows.recency)[:, None] * place
        log = -shape[..., None] * np.log((alpha[..., None] + moments) / (alpha + rows.recency)[..., None])
        log = log - (s + 1)[..., None] * np.log((beta[..., None] + moments) / (beta + rows.recency)[..., None])
        upto = np.cumsum(np.exp(log), axis=-1)
        chosen = (random.random(shape.shape)[..., None] * upto[..., -1:] > upto).sum(axis=-1).clip(max=_NODES - 1)
        until = np.take_along_axis(np.broadcast_to(moments, upto.shape), chosen[..., None], axis=-1)[..., 0]
    return random.standard_gamma(shape) / (alpha + until)
