"""Which shape of curves predicts best: leave-one-out at the mode.

Leaving a respondent out moves the mode by about one Newton step, so each respondent's left-out score follows from their
gradient and the curvature; no refit is needed (infinitesimal jackknife; approximate leave-one-out).

References
----------
Giordano, Stephenson, Liu, Jordan and Broderick (2019), A Swiss army infinitesimal jackknife,
doi:10.48550/arXiv.1806.00550.
Sivula, Magnusson, Matamoros and Vehtari (2025), Uncertainty in Bayesian leave-one-out cross-validation,
doi:10.48550/arXiv.2008.10296.
Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation, doi:10.1007/s11222-016-9696-4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cxlab.drivers import monotonic
from cxlab.drivers.design import Completed, design, directed
from cxlab.drivers.monotonic import Layout, Shape
from cxlab.drivers.sampler import Mode, climb

if TYPE_CHECKING:
    import pandas as pd

    from cxlab.drivers.data import DriverData
    from cxlab.drivers.priors import Priors

CLEARLY: Final = 2.0  # standard errors by which another shape must be better than monotone curves ..
LEAST: Final = 4.0  # .. and log units: smaller differences are not to be trusted however small their error
CANDIDATES: Final[tuple[Shape, ...]] = ("monotone", "linear", "free")
AUTOMATIC: Final[tuple[Shape, ...]] = ("monotone", "linear")  # what a fit chooses from


def left_out(layout: Layout, priors: Priors, mode: Mode) -> np.ndarray:
    """Log probability of each outcome by the mode without it, shape (N,)."""
    slopes = _to_theta(layout, priors, mode.theta, mode.scores)
    leverage = ((slopes @ mode.factor) ** 2).sum(axis=1)  # how much one's own answer has raised one's own score
    return mode.each - leverage


def _to_theta(layout: Layout, priors: Priors, theta: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Gradients by the unknowns, shape (N, unknowns), as gradients by the parameters."""
    eye = np.eye(scores.shape[1])
    points = np.repeat(theta[None], len(eye), axis=0)
    psi, kept = monotonic.forward(layout, priors, points)
    return scores @ monotonic.backward(layout, priors, points, psi, kept, eye)


def compare(
    data: DriverData, done: Completed, priors: Priors, *, with_halo: bool, shapes: tuple[Shape, ...]
) -> pd.DataFrame:
    """Score candidates by leave-one-out.

    Returns
    -------
    DataFrame
        ``shape``, ``halo``, ``score`` (sum of log probabilities, weights respected), ``difference`` from monotone
        curves and its standard error ``se``.
    """
    import pandas as pd

    found: dict[tuple[Shape, bool], np.ndarray] = {}
    weight = data.weights[done.who]
    for halo in (False, True) if with_halo else (False,):
        layout, rows = design(data, done, shape="monotone", with_halo=halo)
        layout = directed(layout, rows)
        for shape in shapes:
            own = replace(layout, shape=shape)
            found[shape, halo] = left_out(own, priors, climb(own, rows, priors, scores=True))
    base = found["monotone", False]
    table = []
    for (shape, halo), score in found.items():
        gap = weight * (score - base)
        table.append(
            {"shape": shape, "halo": halo, "score": float(weight @ score), "difference": float(gap.sum()),
             "se": float(np.sqrt(len(gap)) * gap.std())}
        )  # fmt: skip
    return pd.DataFrame(table)


def chosen(table: pd.DataFrame) -> Shape:
    """Monotone curves, unless straight lines are clearly better; free curves, which may fall, have to be asked for."""
    able = table[
        (table["shape"] == "linear")
        & ~table["halo"]
        & (table["difference"] > CLEARLY * table["se"])
        & (table["difference"] > LEAST)
    ]
    return "monotone" if able.empty else "linear"
