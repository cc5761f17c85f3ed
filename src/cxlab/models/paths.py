r"""Paths: where customers go from one touchpoint to the next, and where journeys end.

A journey is a customer's steps (interactions, purchases by channel) until a pause longer than a gap. It begins in
``start`` and finishes in ``end``; the counts n_ij of steps from i to j are all the model sees. For state i::

    n_i. | p_i   ~ Multinomial(p_i)
    p_i | c, m   ~ Dirichlet(c m)
    m            ~ Dirichlet(1, .., 1)        where journeys go whatever the state
    log c        ~ normal(log 10, 1.5)        how alike the states are: large c, all rows near m

so a state seldom met borrows from all others as far as these agree. Given m and c the rows are conjugate; m and c are
drawn by Gibbs steps (the table counts of the Chinese restaurant representation, and a grid for c).

| symbol | name | dims | unit | prior |
|-|-|-|-|-|
| p_ij | ``transition`` | touchpoint, to | share | Dirichlet(c m) |
| m_j | ``base`` | to | share | Dirichlet |
| c | ``concentration`` | | journeys | log-normal, see `Priors` |

Assumptions: the next step depends on the present one only (first-order Markov); journeys are alike but for chance, so
where customers differ much the intervals are somewhat narrow; steps of one day stand in the order described in
`cxlab.models.journey.steps`. What it cannot say: what nobody recorded (a look at a shelf, a friend's word).

References
----------
Teh, Jordan, Beal and Blei (2006), Hierarchical Dirichlet processes, doi:10.1198/016214506000000302.
Montgomery, Li, Srinivasan and Liechty (2004), Modeling online browsing and path analysis, doi:10.1287/mksc.1040.0073.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import digamma, gammaln, polygamma

from cxlab.errors import ModelError, Problem

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

MODEL: Final = "paths"
START: Final = "start"
END: Final = "end"
BUY: Final = "buy:"  # how the states that are purchases begin; the channel follows
_EXACT: Final = 300  # counts up to here have their tables drawn one by one
_BURN: Final = 60


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


def log_marginal(data: PathsData, base: np.ndarray, concentration: np.ndarray) -> np.ndarray:
    """Return log P(counts | m, c), the rows integrated out, for several c: shape of `concentration`."""
    c = np.atleast_1d(np.asarray(concentration, float))[:, None]
    total = 0.0
    for i, row in enumerate(data.counts):
        own, n = (base[:-1] / base[:-1].sum(), row[:-1]) if i == 0 else (base, row)
        a = c * own
        total = total + gammaln(c[:, 0]) - gammaln(c[:, 0] + n.sum()) + (gammaln(a + n) - gammaln(a)).sum(axis=1)
    return np.asarray(total)


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


def draw(data: PathsData, *, draws: int, chains: int, seed: int, priors: Priors | None = None) -> xr.Dataset:
    """Draw from the posterior by Gibbs steps.

    Returns
    -------
    Dataset
        ``transition`` (chain, draw, touchpoint, to), ``base`` (chain, draw, to), ``concentration`` (chain, draw).
    """
    import xarray as xr

    prior = priors or Priors()
    k = len(data.destinations)
    grid = np.exp(np.linspace(np.log(prior.concentration) - 4 * prior.spread,
                              np.log(prior.concentration) + 4 * prior.spread, 49))  # fmt: skip
    before = -0.5 * ((np.log(grid) - np.log(prior.concentration)) / prior.spread) ** 2
    counts = data.counts
    allowed = np.ones_like(counts, bool)
    allowed[0, -1] = False
    out = np.empty((chains, draws, k, k))
    bases, cs = np.empty((chains, draws, k)), np.empty((chains, draws))
    for chain in range(chains):
        random = np.random.default_rng([seed, chain])
        base = random.dirichlet(counts.sum(axis=0) + prior.base)
        for t in range(-_BURN, draws):
            score = log_marginal(data, base, grid) + before
            c = random.choice(grid, p=_normalised(score))
            own = np.where(allowed, base, 0.0)
            own /= own.sum(axis=1, keepdims=True)
            # The start's row knows m without its last part; its tables inform the rest in proportion.
            tables = _tables(counts, c * own, random)
            base = random.dirichlet(tables.sum(axis=0) + prior.base + _missing(tables, base, random))
            if t >= 0:
                own = np.where(allowed, base, 0.0)
                own /= own.sum(axis=1, keepdims=True)
                gamma = np.where(allowed, random.standard_gamma(np.where(allowed, c * own + counts, 1.0)), 0.0)
                out[chain, t] = gamma / gamma.sum(axis=1, keepdims=True)
                bases[chain, t], cs[chain, t] = base, c
    return xr.Dataset(
        {
            "transition": (("chain", "draw", "touchpoint", "to"), out),
            "base": (("chain", "draw", "to"), bases),
            "concentration": (("chain", "draw"), cs),
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


def _normalised(score: np.ndarray) -> np.ndarray:
    weight = np.exp(score - score.max())
    return weight / weight.sum()


def _tables(counts: np.ndarray, a: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How many of the steps of each cell came from the base: sum of Bernoulli(a / (a + i)), i < count."""
    found = np.zeros(counts.shape)
    small = (counts > 0) & (counts <= _EXACT) & (a > 0)
    if small.any():
        n, weight = counts[small], a[small]
        i = np.arange(int(n.max()))
        draws = random.random((len(n), len(i))) < weight[:, None] / (weight[:, None] + i)
        found[small] = (draws & (i < n[:, None])).sum(axis=1)
    large = (counts > _EXACT) & (a > 0)
    if large.any():  # a sum of so many is normal
        n, weight = counts[large], a[large]
        mean = weight * (digamma(weight + n) - digamma(weight))
        variance = mean + weight**2 * (polygamma(1, weight + n) - polygamma(1, weight))
        found[large] = np.clip(np.rint(random.normal(mean, np.sqrt(np.maximum(variance, 0)))), 1, n)
    return found


def _missing(tables: np.ndarray, base: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Tables that the start's row would have had in the end, were that allowed: completes its Dirichlet."""
    own = np.zeros(len(base))
    seen = int(tables[0].sum())
    if seen:
        own[-1] = random.negative_binomial(seen, 1 - base[-1])
    return own
