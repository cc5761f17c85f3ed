r"""Paths: where customers go from one touchpoint to the next, and where journeys end.

A journey is a customer's steps (interactions, purchases by channel) until a pause longer than a gap. It begins in
``start`` and finishes in ``end``; the counts n_ij of steps from i to j are all the model sees. For state i::

    n_i. | p_i   ~ Multinomial(p_i)
    p_i | c, m   ~ Dirichlet(c m)
    m            ~ Dirichlet(1, .., 1)        where journeys go whatever the state
    log c        ~ normal(log 10, 1.5)        how alike the states are: large c, all rows near m

so a state seldom met borrows from all others as far as these agree. With the rows integrated out, m and c are drawn
through `cxlab.inference.importance_sampling`; given them the rows are Dirichlet.

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| p_ij | ``transition`` | touchpoint, to | share | Dirichlet(c m) |
| m_j | ``base`` | to | share | Dirichlet |
| c | ``concentration`` | | journeys | log-normal, see `Priors` |

Assumptions: the next step depends on the present one only (first-order Markov); journeys are alike but for chance, so
where customers differ much the intervals are somewhat narrow; steps of one day stand in the order described in
`cxlab.journey.transitions`. What it cannot say: what nobody recorded (a look at a shelf, a friend's word).

References
----------
MacKay and Bauman Peto (1995), A hierarchical Dirichlet language model, doi:10.1017/S1351324900000218.
Montgomery, Li, Srinivasan and Liechty (2004), Modeling online browsing and path analysis, doi:10.1287/mksc.1040.0073.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import digamma, gammaln

from cxlab.errors import ModelError, Problem
from cxlab.inference import importance_sampling
from cxlab.journey.states import BUY, END, START

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "paths"


@dataclass(frozen=True)
class Priors:
    """What is believed before the data."""

    base: float = 1.0  # Dirichlet weight of each destination, in steps
    concentration: float = 10.0  # median weight of the other states in a row, in steps
    spread: float = 1.5  # sd of the log of that weight


@dataclass(frozen=True)
class PathsData:
    """Counts of steps.

    Attributes
    ----------
    states : tuple of str
        Touchpoints and purchases, without start and end.
    counts : array of int, shape (state + 1, state + 1)
        Rows: start, then the states; columns: the states, then end.
    """

    states: tuple[str, ...]
    counts: np.ndarray

    @property
    def origins(self) -> tuple[str, ...]:
        """Names of the rows."""
        return (START, *self.states)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.states, END)


def model_data(counts: pd.DataFrame, *, states: Sequence[str] = ()) -> PathsData:
    """Arrange counts of steps as a matrix.

    Parameters
    ----------
    counts : DataFrame
        ``touchpoint``, ``to``, ``n``.
    states : sequence of str
        Order of the states; those not named follow by how often they are met.

    Raises
    ------
    ModelError
        No steps, steps into the start or out of the end.
    """
    if counts.empty or counts["n"].sum() <= 0:
        raise ModelError(Problem("no steps", todo="give interactions or purchases of known customers, with dates"))
    wrong = sorted({*counts.loc[counts["to"] == START, "to"], *counts.loc[counts["touchpoint"] == END, "touchpoint"]})
    if wrong:
        raise ModelError(Problem("a step that cannot be", value=", ".join(wrong)))
    met = pd.concat([counts[["touchpoint", "n"]], counts[["to", "n"]].rename(columns={"to": "touchpoint"})])
    order = met.groupby("touchpoint")["n"].sum().sort_values(ascending=False, kind="stable").index
    kept = [s for s in states if s in set(order)]
    kept += [str(s) for s in order if s not in (*kept, START, END)]
    matrix = np.zeros((len(kept) + 1, len(kept) + 1), int)
    rows, columns = {s: i for i, s in enumerate([START, *kept])}, {s: i for i, s in enumerate([*kept, END])}
    for origin, to, n in zip(counts["touchpoint"], counts["to"], counts["n"].to_numpy(int), strict=True):
        matrix[rows[str(origin)], columns[str(to)]] += n
    matrix[0, -1] = 0  # a journey has a step
    return PathsData(tuple(kept), matrix)


def log_density(data: PathsData, points: np.ndarray, priors: Priors | None = None) -> np.ndarray:
    """Return log densities of points (m, destination): log ratios of the base to its last share, then log c."""
    prior = priors or Priors()
    base, c = _base(points)
    log_c = points[:, -1]
    value = prior.base * np.log(base).sum(axis=1) - 0.5 * ((log_c - np.log(prior.concentration)) / prior.spread) ** 2
    for i, n in enumerate(data.counts):
        a = c[:, None] * (base[:, :-1] / base[:, :-1].sum(axis=1, keepdims=True) if i == 0 else base)
        n = n[: a.shape[1]]
        value += gammaln(c) - gammaln(c + n.sum()) + (gammaln(a + n) - gammaln(a)).sum(axis=1)
    return np.asarray(value)


def gradient(data: PathsData, point: np.ndarray, priors: Priors | None = None) -> np.ndarray:
    """Return the gradient of `log_density` at one point."""
    prior = priors or Priors()
    base, c = (x[0] for x in _base(point[None]))
    by_base = prior.base / base  # of the prior, with the Jacobian of the log ratios
    by_c = 0.0
    for i, n in enumerate(data.counts):
        within = 1 - base[-1] if i == 0 else 1.0
        share = base[:-1] / within if i == 0 else base
        n = n[: len(share)]
        slope = digamma(c * share + n) - digamma(c * share)
        by_c += float(digamma(c) - digamma(c + n.sum()) + (slope * share).sum())
        by_base[: len(share)] += c * slope / within
        if i == 0:
            by_base[-1] += float(c * (slope * share).sum() / within)
    ratios = base * (by_base - float(by_base @ base))
    at_c = c * by_c - (point[-1] - np.log(prior.concentration)) / prior.spread**2
    return np.append(ratios[:-1], at_c)


def build_model(data: PathsData, priors: Priors | None = None) -> pm.Model:
    """Return the model in PyMC, its rows integrated out (Dirichlet-multinomial)."""
    import pymc as pm

    prior = priors or Priors()
    with pm.Model(coords={"to": list(data.destinations)}) as model:
        base = pm.Dirichlet("base", np.full(len(data.destinations), prior.base), dims="to")
        c = pm.LogNormal("concentration", np.log(prior.concentration), prior.spread)
        first = base[:-1] / base[:-1].sum()
        pm.DirichletMultinomial("start", int(data.counts[0].sum()), c * first, observed=data.counts[0, :-1])
        for state, row in zip(data.states, data.counts[1:], strict=True):
            pm.DirichletMultinomial(f"from {state}", int(row.sum()), c * base, observed=row)
    return model


def draw(
    data: PathsData, *, draws: int, chains: int, seed: int, priors: Priors | None = None
) -> tuple[xr.DataTree, xr.Dataset]:
    """Draw from the posterior.

    Returns
    -------
    xr.DataTree
        Draws of the base and the concentration, for the convergence gate.
    Dataset
        ``transition`` (chain, draw, touchpoint, to), ``base`` (chain, draw, to), ``concentration`` (chain, draw).
    """
    import xarray as xr

    prior = priors or Priors()
    first = np.log(data.counts.sum(axis=0) + prior.base)
    tree = importance_sampling.sample(
        lambda v: (float(log_density(data, v[None], prior)[0]), gradient(data, v, prior)),
        np.append(first[:-1] - first[-1], np.log(prior.concentration)),
        draws=draws,
        chains=chains,
        seed=seed,
        many=lambda v: log_density(data, v, prior),
    )
    points = tree["posterior"]["x"].to_numpy()
    base, c = _base(points.reshape(-1, points.shape[-1]))
    k = len(data.destinations)
    own = np.repeat(base[:, None, :], k, axis=1)
    own[:, 0, -1] = 0.0  # a journey has a step
    own /= own.sum(axis=2, keepdims=True)
    weight = c[:, None, None] * own + data.counts
    gamma = np.random.default_rng([seed, 1]).standard_gamma(weight)
    transition = gamma / gamma.sum(axis=2, keepdims=True)
    shape = (chains, draws)
    return tree, xr.Dataset(
        {
            "transition": (("chain", "draw", "touchpoint", "to"), transition.reshape(*shape, k, k)),
            "base": (("chain", "draw", "to"), base.reshape(*shape, k)),
            "concentration": (("chain", "draw"), c.reshape(shape)),
        },
        coords={"touchpoint": list(data.origins), "to": list(data.destinations)},
    )


def estimands(posterior: xr.Dataset, data: PathsData) -> xr.Dataset:
    """Return the transitions as rows, and how many journeys that reach a state go on to a purchase.

    Returns
    -------
    Dataset
        ``transition`` (chain, draw, row), coords touchpoint, to, n (steps out of the state), steps (those to `to`);
        ``purchase`` (chain, draw, state), coords state, state_n: P(a purchase before the journey ends | at the state),
        for states that are no purchases, where there are purchases.
    """
    import xarray as xr

    p = posterior["transition"].to_numpy()
    k = len(data.states)
    buys = np.array([s.startswith(BUY) for s in data.states])
    other = np.flatnonzero(~buys)
    n = data.counts.sum(axis=1)
    place = [(i, j) for i in range(k + 1) for j in range(k + 1) if n[i] > 0 and not (i == 0 and j == k)]
    rows, columns = (np.array([x[a] for x in place], int) for a in (0, 1))
    among = p[..., 1:, :k][..., other, :][..., other]
    into = p[..., 1:, :k][..., other, :][..., np.flatnonzero(buys)].sum(axis=-1)
    reach = np.linalg.solve(np.eye(len(other)) - among, into[..., None])[..., 0]
    shown = np.arange(len(other)) if buys.any() else np.arange(0)
    return xr.Dataset(
        {"transition": (("chain", "draw", "row"), p[..., rows, columns]),
         "purchase": (("chain", "draw", "state"), reach[..., shown])},
        coords={
            "touchpoint": ("row", np.array(data.origins, object)[rows]),
            "to": ("row", np.array(data.destinations, object)[columns]),
            "n": ("row", n[rows]),
            "steps": ("row", data.counts[rows, columns]),
            "state": np.array([data.states[i] for i in other[shown]], object),
            "state_n": ("state", n[1:][other[shown]]),
        },
    )  # fmt: skip


def _base(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the base (m, destination) and the concentration (m,) of points."""
    ratios = np.hstack([points[:, :-1], np.zeros((len(points), 1))])
    share = np.exp(ratios - ratios.max(axis=1, keepdims=True))
    return np.maximum(share / share.sum(axis=1, keepdims=True), 1e-300), np.exp(points[:, -1])
