r"""Migration: from which segment customers came, and into which they go within a period.

A customer who was in segment i at the end of the period before is in segment j now; n_ij customers did so::

    n_i. | p_i ~ Multinomial(p_i)
    p_i        ~ Dirichlet(w / K, .., w / K)        K segments

so the posterior of row i is Dirichlet(w / K + n_i.), exactly.

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| p_ij | ``migration`` | from, to | share | Dirichlet, see `Priors` |

Assumptions: both segments of a customer are the most probable ones, told by one posterior on both days (see
`cxlab.value.segments.earlier`), so a move says that what is known of the customer has changed; customers move
independently.
A prior of weight w in all says next to nothing about a row that many customers began in, and keeps one that few began
in from claiming certainty. What it cannot say: why they moved; where they go next, unless the same happens again.

References
----------
Pfeifer and Carraway (2000), Modeling customer relationships as Markov chains,
doi:10.1002/(SICI)1520-6653(200021)14:2<43::AID-DIR4>3.0.CO;2-H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "migration"


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    weight: float = 1.0  # Dirichlet weight of a row in all, in customers


@dataclass(frozen=True)
class MigrationData:
    """Counts of moves.

    Attributes
    ----------
    origins : tuple of str
        Segments of the period before, and where customers come from who are new.
    targets : tuple of str
        Segments of now.
    counts : array of int, shape (origin, target)
    """

    origins: tuple[str, ...]
    targets: tuple[str, ...]
    counts: np.ndarray


def model_data(before: Sequence[str], now: Sequence[str], *, segments: Sequence[str], new: str) -> MigrationData:
    """Count the moves of customers.

    Parameters
    ----------
    before, now : sequences of str (customer,)
        Segment of each customer; missing or `new` before: not a customer then. Missing now: left out.
    segments : sequence of str
        All segments, in order.
    new : str
        Name of the row of those who were no customers before.

    Raises
    ------
    ModelError
        If there is nobody, the lengths differ, or a segment is unknown.
    """
    start, end = (pd.Series(list(v), dtype=object) for v in (before, now))
    if len(start) != len(end):
        raise ModelError(Problem("each customer needs two segments", value=f"{len(start)} and {len(end)}"))
    start = start.where(start.notna(), new)
    start, end = start[end.notna()], end[end.notna()]
    if end.empty:
        raise ModelError(Problem("no customer has a segment", todo="give customers of two periods"))
    origins, targets = (*segments, new), tuple(segments)
    problems = [
        Problem("there is no such segment", value=str(name), allowed=", ".join(allowed), nearest=nearest(name, allowed))
        for values, allowed in ((start, origins), (end, targets))
        for name in map(str, values.unique())
        if name not in allowed
    ]
    if problems:
        raise ModelError(problems)
    place = start.map(origins.index).to_numpy(int) * len(targets) + end.map(targets.index).to_numpy(int)
    counts = np.bincount(place, minlength=len(origins) * len(targets)).reshape(len(origins), -1)
    return MigrationData(origins, targets, counts)


def build_model(data: MigrationData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `draw` has its posterior in closed form."""
    import pymc as pm

    k = len(data.targets)
    weight = np.full(k, (priors or Priors()).weight / k)
    with pm.Model(coords={"from": data.origins, "to": data.targets}) as model:
        p = pm.Dirichlet("migration", weight, dims=("from", "to"))
        pm.Multinomial("moved", n=data.counts.sum(axis=1), p=p, observed=data.counts, dims=("from", "to"))
    return model


def draw(data: MigrationData, *, draws: int, chains: int, seed: int, priors: Priors | None = None) -> xr.Dataset:
    """Return exact posterior draws of ``migration``, dims (chain, draw, from, to)."""
    import xarray as xr

    random = np.random.default_rng([seed, 12])
    weight = (priors or Priors()).weight / len(data.targets) + data.counts
    each = random.standard_gamma(np.maximum(weight, 1e-3), (chains, draws, *weight.shape))
    share = each / np.maximum(each.sum(axis=-1, keepdims=True), 1e-300)
    return xr.Dataset(
        {"migration": (("chain", "draw", "from", "to"), share)},
        coords={"from": list(data.origins), "to": list(data.targets)},
    )


def estimands(posterior: xr.Dataset, data: MigrationData) -> xr.Dataset:
    """Return the shares of the rows that somebody began in.

    Returns
    -------
    Dataset
        ``migration`` (chain, draw, row); coords ``from``, ``to``, ``n`` (customers who began there) and ``moved``
        (those of them who went to `to`).
    """
    import xarray as xr

    n = data.counts.sum(axis=1)
    place = [(i, j) for i in np.flatnonzero(n > 0) for j in range(len(data.targets))]
    at, to = (np.array(v, int) for v in zip(*place, strict=True))
    values = posterior["migration"].transpose("chain", "draw", "from", "to").to_numpy()[:, :, at, to]
    return xr.Dataset(
        {"migration": (("chain", "draw", "row"), values)},
        coords={
            "from": ("row", np.array(data.origins, object)[at]),
            "to": ("row", np.array(data.targets, object)[to]),
            "n": ("row", n[at]),
            "moved": ("row", data.counts[at, to]),
        },
    )
