r"""Time to decision: how long after a touchpoint customers take to buy again, and how many do.

One spell a customer and touchpoint: it begins with their first experience in the window, ends with the next purchase,
and is cut off (censored) where the data end. For group g (a touchpoint, or one of its outcomes) and week w::

    P(buys in week w | has not bought before) = hazard_gw
    hazard_gw ~ Beta(strength h0, strength (1 - h0)),  h0: the hazard of all groups and weeks together

so the posterior is Beta(strength h0 + buyers, strength (1 - h0) + those who did not buy), and the share decided after
w weeks is 1 - prod_{v <= w} (1 - hazard_gv).

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| hazard_gw | ``hazard`` | group, week | share a week | Beta, see `Priors` |

Assumptions: the end of the data has nothing to do with whom it cuts off; spells of different customers are
independent; a week that is not observed whole counts for nothing, whatever was bought in it. What it cannot say:
that the touchpoint made them buy or stay away; those who buy often come back soon whatever happens.

References
----------
Singer and Willett (1993), It's about time: discrete-time survival analysis, doi:10.3102/10769986018002155.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "decision"
WEEKS: Final = 26  # horizon of the curves
SHOWN: Final = (1, 2, 4, 8, 13, 20, 26)  # weeks that are reported


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    strength: float = 2.0  # weight of the hazard of all groups together, in customers a week


@dataclass(frozen=True)
class DecisionData:
    """Who could decide, and who did, week by week.

    Attributes
    ----------
    groups : tuple of (touchpoint, basis)
        `basis` is empty for all experiences there, else the name of an outcome.
    n : array of int, shape (group,)
        Customers.
    at_risk, decided : array of int, shape (group, week)
        Customers who had not bought before week w + 1 and are observed through it, and those who bought in it.
    """

    groups: tuple[tuple[str, str], ...]
    n: np.ndarray
    at_risk: np.ndarray
    decided: np.ndarray

    @property
    def n_weeks(self) -> int:
        """Horizon in weeks."""
        return int(self.at_risk.shape[1])


def model_data(spells: pd.DataFrame, *, weeks: int = WEEKS) -> DecisionData:
    """Count spells.

    Parameters
    ----------
    spells : DataFrame
        ``touchpoint``, ``basis``, ``days`` (until the purchase, else until the data end), ``bought`` (bool), ``n``
        (customers with the same).
    weeks : int
        Horizon.

    Raises
    ------
    ModelError
        No spells, or negative days.
    """
    if spells.empty:
        raise ModelError(Problem("no spells", todo="give interactions of known customers, with dates"))
    if (spells["days"] < 0).any():
        raise ModelError(Problem("a purchase before its experience", where="days", value=str(spells["days"].min())))
    names = list(zip(spells["touchpoint"].astype(str), spells["basis"].astype(str), strict=True))
    keys = list(dict.fromkeys(names))
    at_risk, decided = (np.zeros((len(keys), weeks), int) for _ in range(2))
    n = np.zeros(len(keys), int)
    numbers = spells[["days", "n"]].to_numpy(int)
    for key, bought, (days, count) in zip(names, spells["bought"].to_numpy(bool), numbers, strict=True):
        i = keys.index(key)
        n[i] += count
        if not bought:
            at_risk[i, : days // 7] += count
            continue
        week = max(0, (days - 1) // 7)
        at_risk[i, : week + 1] += count
        if week < weeks:
            decided[i, week] += count
    return DecisionData(tuple(keys), n, at_risk, decided)


def prior_weights(data: DecisionData, priors: Priors | None = None) -> tuple[float, float]:
    """Return the two weights of the Beta prior of every hazard."""
    prior = priors or Priors()
    total = max(int(data.at_risk.sum()), 1)
    mean = (data.decided.sum() + 0.5) / (total + 1)
    return float(prior.strength * mean), float(prior.strength * (1 - mean))


def build_model(data: DecisionData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC; `draw` has its posterior in closed form."""
    import pymc as pm

    a, b = prior_weights(data, priors)
    with pm.Model(coords={"group": [f"{t}|{s}" for t, s in data.groups], "week": np.arange(1, data.n_weeks + 1)}) as m:
        hazard = pm.Beta("hazard", a, b, dims=("group", "week"))
        pm.Binomial("decided", data.at_risk, hazard, observed=data.decided, dims=("group", "week"))
    return m


def draw(data: DecisionData, *, draws: int, chains: int, seed: int, priors: Priors | None = None) -> xr.Dataset:
    """Return exact posterior draws of ``hazard``, dims (chain, draw, group, week)."""
    import xarray as xr

    a, b = prior_weights(data, priors)
    random = np.random.default_rng(seed)
    shape = (chains, draws, *data.at_risk.shape)
    hazard = random.beta(a + data.decided, b + data.at_risk - data.decided, shape)
    return xr.Dataset({"hazard": (("chain", "draw", "group", "week"), hazard)})


def estimands(posterior: xr.Dataset, data: DecisionData) -> xr.Dataset:
    """Return the share decided after some weeks, and the weeks after which half have decided.

    Weeks that nobody of a group was observed through are not reported, and nobody is taken to decide in them: there
    the hazard is that of other groups.

    Returns
    -------
    Dataset
        ``decided``, dims (chain, draw, row), coords touchpoint, basis, week, n; ``median_weeks``, dims (chain, draw,
        group), infinite where fewer than half decide within the horizon; coords group_touchpoint, group_basis,
        group_n.
    """
    import xarray as xr

    share = 1 - np.cumprod(1 - posterior["hazard"].to_numpy(), axis=-1)
    last = data.n_weeks
    place = [(g, w) for g in range(len(data.groups)) for w in SHOWN if w <= last and data.at_risk[g, w - 1] > 0]
    values = np.stack([share[..., g, w - 1] for g, w in place], axis=-1) if place else share[..., 0, :0]
    half = (share >= 0.5) & (data.at_risk > 0)
    median = np.where(half.any(axis=-1), half.argmax(axis=-1) + 1.0, np.inf)
    return xr.Dataset(
        {"decided": (("chain", "draw", "row"), values), "median_weeks": (("chain", "draw", "group"), median)},
        coords={
            "touchpoint": ("row", np.array([data.groups[g][0] for g, _ in place], object)),
            "basis": ("row", np.array([data.groups[g][1] for g, _ in place], object)),
            "week": ("row", [w for _, w in place]),
            "n": ("row", [int(data.n[g]) for g, _ in place]),
            "group_touchpoint": ("group", [t for t, _ in data.groups]),
            "group_basis": ("group", [b for _, b in data.groups]),
            "group_n": ("group", data.n),
        },
    )
