"""Whom the cells stand for: counts of the customer base, taken to the groups and periods that the answers tell apart.

A frame is, in this order of preference, the margins given in the params (`population:`), the customer directory, or
those who were asked. It seldom knows all factors of a model: a directory knows ages but not touchpoints. What it does
not know keeps, within each cell that it does know, the mix of those asked or else of the answers.

References
----------
Deming and Stephan (1940), On a least squares adjustment of a sampled frequency table, doi:10.1214/aoms/1177731829.
Park, Gelman and Bafumi (2004), Bayesian multilevel estimation with poststratification, doi:10.1093/pan/mph024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.population import told_apart
from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.vocab import UNKNOWN

KEPT_UNKNOWN: Final = 0.05  # from this share of the answers on, "not stated" is a group of its own in the frame, too
MATCHED: Final = 0.5  # a factor whose frame names mostly groups that no answer has is spelled differently: not used
PRIOR_MIX: Final = 10.0  # answers that the mix of the whole period weighs within a cell
MOST_CELLS: Final = 4096


@dataclass(frozen=True)
class Frame:
    """Population of the cells of a model.

    Attributes
    ----------
    table : DataFrame
        ``[*factors, "period", "population"]``; periods without answers are left out.
    source : str
        ``margins``, ``customers`` or ``invitations``, and after a ``+`` where the mix of the other factors is from:
        ``customers+invitations``, ``customers+answers``.
    factors : tuple of str
        The factors that the source knows.
    """

    table: pd.DataFrame
    source: str
    factors: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """What is known of a unit's population before any question is looked at.

    Attributes
    ----------
    margins : mapping of factor to group to share
    customers : DataFrame
        ``[*factors, "period", "population"]``.
    invitations : DataFrame
        ``[*factors, "period", "asked", "answered"]``.
    """

    margins: Mapping[str, Mapping[str, float]]
    customers: pd.DataFrame
    invitations: pd.DataFrame

    def known(self, factors: Sequence[str]) -> bool:
        """Whether some source knows one of the factors."""
        return bool(
            any(f in self.margins for f in factors)
            or told_apart(self.customers, factors, "population")
            or told_apart(self.invitations, factors, "asked")
        )


def sources(data: UnitData, *, params: Params, factors: Sequence[str], periods: Sequence[str]) -> Sources:
    """Count the unit's customers and invitations by these factors, and read the margins of the params."""
    margins = {f: {str(g): float(s) for g, s in groups.items()} for f, groups in params.population.items()}
    return Sources(margins, data.base(factors, periods=periods), data.invited(factors))


def frame(given: Sources, counts: pd.DataFrame, *, factors: Sequence[str]) -> Frame | None:
    """Return the population of a question's cells, or None where no source knows one of its factors.

    Parameters
    ----------
    given : Sources
        Of the unit.
    counts : DataFrame
        Answers by factors, period and code, with ``n_raw``.
    factors : sequence of str
        Factors of the question's model.

    Raises
    ------
    ParamsError
        If margins of the params leave out a group that has answers.
    """
    keys = [*factors, "period"]
    answers = _sums(counts.assign(n=counts["n_raw"]), keys)
    answers[keys] = answers[keys].astype(str)
    stated = {f: answers.loc[answers[f] == UNKNOWN, "n"].sum() < KEPT_UNKNOWN * answers["n"].sum() for f in factors}
    asked = given.invitations.rename(columns={"asked": "n"})
    directory = given.customers.rename(columns={"population": "n"})
    asked_known = _usable(asked, answers, factors)
    known = tuple(f for f in factors if f in given.margins)
    if known:
        base, source = _margins(given.margins, answers, known), "margins"
    elif known := _usable(directory, answers, factors):
        base, source = _base(directory, known, stated), "customers"
    elif known := asked_known:
        base, source = _base(asked, known, stated), "invitations"
    else:
        return None
    base = base[base["period"].isin(answers["period"].unique())]
    if base.empty:
        return None
    cells, have = base, list(known)
    for name, mix, more in (("invitations", asked, asked_known), ("answers", answers, tuple(factors))):
        new = [f for f in more if f not in have]
        if not new:
            continue
        told = mix if name == "answers" else _base(mix, asked_known, stated)
        spread = extended(cells, told, have, new)
        if spread is not None:
            cells, source = spread, source if name in source else f"{source}+{name}"
            have += new
    table = cells[keys].assign(population=cells["n"].to_numpy(float))
    return Frame(_largest(table[table["population"] > 0], answers, keys), source, known)


def raked(
    seed: np.ndarray, margins: Sequence[np.ndarray], *, rounds: int = 200, tolerance: float = 1e-10
) -> np.ndarray:
    """Scale a table until it has these margins, keeping its association (iterative proportional fitting).

    Parameters
    ----------
    seed : array, one axis a factor
        Positive where the result may be.
    margins : sequence of arrays
        Sums wanted along each axis, in order; all add up to the same total.
    rounds, tolerance
        When to stop: largest relative change of a cell.

    Returns
    -------
    array
        Of the seed's shape.
    """
    table = np.array(seed, float)
    for _ in range(rounds):
        before = table
        for axis, wanted in enumerate(margins):
            others = tuple(i for i in range(table.ndim) if i != axis)
            now = table.sum(axis=others)
            factor = np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)
            table = table * np.expand_dims(factor, others)
        if np.allclose(table, before, rtol=tolerance, atol=0):
            break
    return table


def extended(cells: pd.DataFrame, mix: pd.DataFrame, known: Sequence[str], new: Sequence[str]) -> pd.DataFrame | None:
    """Split each cell of a population by further factors as `mix` is split within the cell.

    A cell's mix is drawn towards that of its period by `PRIOR_MIX` rows, so that two answers do not decide it.

    Parameters
    ----------
    cells : DataFrame
        ``[*known, "period", "n"]``.
    mix : DataFrame
        ``[*known, *new, "period", "n"]``; columns of `known` that it lacks are not looked at.
    known, new : sequences of str

    Returns
    -------
    DataFrame or None
        ``[*known, *new, "period", "n"]``; periods that `mix` lacks take its whole mix; None where it has no rows.
    """
    if not len(mix) or not mix["n"].sum():
        return None
    shared = [f for f in known if f in mix.columns]
    whole = _sums(mix, new)
    periods = [(p, _sums(mix[mix["period"] == p], new)) for p in cells["period"].unique()]
    average = pd.concat([(w if w["n"].sum() else whole).assign(period=p) for p, w in periods], ignore_index=True)
    average["prior"] = PRIOR_MIX * average["n"] / average.groupby("period")["n"].transform("sum")
    out = cells.merge(average.drop(columns="n"), on="period")
    own = _sums(mix, [*shared, *new, "period"]).rename(columns={"n": "seen"})
    out = out.merge(own, on=[*shared, *new, "period"], how="left")
    weight = out["prior"] + out["seen"].fillna(0.0)
    total = weight.groupby([out[c] for c in (*known, "period")]).transform("sum")
    return out.assign(n=out["n"] * weight / total)[[*known, *new, "period", "n"]]


def _sums(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Add up ``n`` by groups."""
    sums = table.groupby(list(keys), observed=True, sort=True)["n"].sum()
    return sums.to_frame().reset_index()


def _usable(table: pd.DataFrame, answers: pd.DataFrame, factors: Sequence[str]) -> tuple[str, ...]:
    """Factors that a source tells apart in the words of the answers."""
    return tuple(
        f
        for f in told_apart(table, factors, "n")
        if table.loc[table[f].isin(answers[f]), "n"].sum() >= MATCHED * table.loc[table[f] != UNKNOWN, "n"].sum()
    )


def _base(table: pd.DataFrame, known: tuple[str, ...], stated: Mapping[str, bool]) -> pd.DataFrame:
    """Counts by the known factors; those whose group is not known are dealt out as the known ones beside them."""
    keys = [*known, "period"]
    cells = _sums(table, keys)
    blank = {f: (cells[f] == UNKNOWN) & stated[f] for f in known}
    open_ = np.logical_or.reduce(list(blank.values()))
    if not open_.any() or open_.all():
        return cells
    full, parts = cells[~open_], [cells[~open_]]
    pattern = pd.Series(list(zip(*(blank[f] for f in known), strict=True)), index=cells.index)
    for which in pattern[open_].unique():
        rows = cells[(pattern == which) & open_]
        lost = [f for f, gone in zip(known, which, strict=True) if gone]
        kept = [k for k in keys if k not in lost]
        dealt = rows.drop(columns=lost).rename(columns={"n": "more"}).merge(full, on=kept, how="left")
        alone = _sums(dealt.loc[dealt["n"].isna(), ["period", "more"]].rename(columns={"more": "n"}), ["period"])
        alone = alone.rename(columns={"n": "more"})
        dealt = dealt[dealt["n"].notna()]
        whole = alone.merge(full, on="period")  # nobody like them is known: as all of the period
        whole["n"] *= whole["more"] / whole.groupby("period")["n"].transform("sum")
        parts.append(whole[[*keys, "n"]])
        dealt["n"] *= dealt["more"] / dealt.groupby(kept)["n"].transform("sum")
        parts.append(dealt[[*keys, "n"]])
    return _sums(pd.concat(parts, ignore_index=True), keys)


def _margins(margins: Mapping[str, Mapping[str, float]], answers: pd.DataFrame, known: tuple[str, ...]) -> pd.DataFrame:
    """Joint shares of each period with the given margins and the association of all answers."""
    problems = []
    for factor in known:
        wanted = margins[factor]
        here = sorted(set(answers[factor]) - set(wanted) - {UNKNOWN})
        problems += [
            Problem("the population leaves out a group that has answers", where=f"population.{factor}", value=group,
                    allowed=", ".join(wanted), nearest=nearest(group, list(wanted)), todo="give its share")
            for group in here
        ]  # fmt: skip
    if problems:
        raise ParamsError(problems)
    groups = [sorted(g for g, share in margins[f].items() if share > 0) for f in known]
    sums = [np.array([margins[f][g] for g in gs]) for f, gs in zip(known, groups, strict=True)]
    sums = [s / s.sum() for s in sums]
    index = pd.MultiIndex.from_product(groups, names=known)
    seen = answers.groupby(list(known))["n"].sum()
    seen.index = pd.MultiIndex.from_frame(seen.index.to_frame(index=False))
    alone = np.ones([len(g) for g in groups])
    for axis, one in enumerate(sums):
        alone = alone * np.expand_dims(one, tuple(i for i in range(len(sums)) if i != axis))
    seed = seen.reindex(index, fill_value=0.0).to_numpy(float).reshape(alone.shape) + PRIOR_MIX * alone
    joint = index.to_frame(index=False).assign(n=raked(seed, sums).ravel())
    return pd.concat([joint.assign(period=p) for p in answers["period"].unique()], ignore_index=True)


def _largest(table: pd.DataFrame, answers: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Keep answered cells and the largest of the others, where there are more than a model takes."""
    if len(table) <= MOST_CELLS - len(answers):
        return table.reset_index(drop=True)
    answered = pd.MultiIndex.from_frame(table[keys]).isin(pd.MultiIndex.from_frame(answers[keys]))
    rest = table[~answered].sort_values("population", ascending=False, kind="stable")
    room = max(MOST_CELLS - len(answers), 0)
    return pd.concat([table[answered], rest.iloc[:room]], ignore_index=True)
