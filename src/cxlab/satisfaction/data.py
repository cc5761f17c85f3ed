"""Counts of one item, checked and turned into the arrays of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem, nearest
from cxlab.inference.contrasts import walk_basis, zero_sum_basis

MOST_CODES: Final = 11
MOST_FACTORS: Final = 7
MOST_CELLS: Final = 4096
MOST_EFFECTS: Final = 256
PAIR_ANSWERS: Final = 20  # answers for each contrast of a pair of factors
MOST_PAIRS: Final = 48  # contrasts of pairs
RESERVED: Final = ("period", "code", "n", "n_raw", "population")
# scales beside those of the factors
CELL, PAIRS, HEARD, WALK, NEWEST = "cell", "pairs", "heard", "period", "newest"


@dataclass(frozen=True)
class SatisfactionData:
    """Counts and index arrays of one item; made by `model_data`, which has checked it.

    Attributes
    ----------
    codes : tuple of float
        The K legal codes in order.
    shape : array, shape (K,)
        Shares of the codes that are expected before any answer.
    block : array of int, shape (K,)
        Codes that have less than one answer in all stand in one block with a neighbour.
    periods : tuple of str
        The P periods in order.
    factors : tuple of str
        Names of the factor columns.
    groups : dict of str to tuple of str
        The groups of each factor, in order.
    cells : DataFrame, M rows
        The factors' groups and the period of each cell.
    place : dict of str to array of int, shape (M,)
        Of each factor and of ``period``: which group a cell belongs to.
    counts : array, shape (M, K)
        Answers by code, effective; 0 for cells that only the population has.
    n_raw : array of int, shape (M,)
        Respondents.
    population : array, shape (M,)
        Weight of each cell in estimates.
    design : array, shape (M, E)
        Orthonormal zero-sum contrasts of the factors, centred steps of the walk.
    scales : tuple of str
        Names of the scales: ``cell``, then factors and what else the design has.
    scale_of : array of int, shape (E,)
        Place in `scales` of each column's scale.
    scale_by : str
        The factor whose groups use the scale in ways of their own; empty: all use it alike.
    base : str
        Where a population that is not the answers' own is from, `cxlab.satisfaction.population.Frame.source`.
    """

    codes: tuple[float, ...]
    shape: np.ndarray
    block: np.ndarray
    periods: tuple[str, ...]
    factors: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    cells: pd.DataFrame
    place: dict[str, np.ndarray] = field(repr=False)
    counts: np.ndarray
    n_raw: np.ndarray
    population: np.ndarray
    design: np.ndarray
    scales: tuple[str, ...]
    scale_of: np.ndarray
    scale_by: str
    base: str = ""

    @property
    def scale_groups(self) -> tuple[str, ...]:
        """Names of the scale groups; one without a name where all use the scale alike."""
        return self.groups[self.scale_by] if self.scale_by else ("",)

    @property
    def scale_group(self) -> np.ndarray:
        """Scale group of each cell, shape (M,)."""
        return self.place[self.scale_by] if self.scale_by else np.zeros(len(self.cells), int)


def model_data(
    counts: pd.DataFrame,
    *,
    codes: Sequence[float],
    factors: Sequence[str],
    periods: Sequence[str],
    population: pd.DataFrame | None = None,
    scale_by: str = "",
    shape: np.ndarray | None = None,
) -> SatisfactionData:
    """Check counts and turn them into the arrays of the model.

    Parameters
    ----------
    counts : DataFrame
        One row an observed cell x code: the factor columns, ``period``, ``code``, ``n_raw`` (respondents) and ``n``
        (the effective count, equal to `n_raw` without weights).
    codes : sequence of float
        Legal codes in order, 2 to 11 of them.
    factors : sequence of str
        Factor columns, e.g. ``("segment:age", "touchpoint")``; may be empty.
    periods : sequence of str
        Period labels in order, up to the unit's; periods without answers included.
    population : DataFrame, optional
        The factor columns, ``period`` and ``population``: how many each cell stands for. By default its effective n.
        Cells that only the population has are predicted.
    scale_by : str, optional
        Factor whose groups each have a scale of their own (their answers spread wider or less wide); by default all
        use the scale alike. Needs three codes or more.
    shape : array, shape (K,), optional
        Shares of the codes expected before any answer, e.g. those of other items on the same scale; by default equal.

    Returns
    -------
    SatisfactionData

    Raises
    ------
    ModelError
        With every problem found: columns, groups, periods, codes, counts, size.
    """
    keys = [*factors, "period"]
    problems = _settings_problems(codes, factors, periods, scale_by)
    problems += _counts_problems(counts, keys, codes, periods)
    if population is not None:
        problems += _table_problems(population, "population", keys, ["population"], periods)
    if problems:
        raise ModelError(problems)

    answers, respondents = _wide(counts, keys, codes, "n"), _wide(counts, keys, codes, "n_raw")
    index = answers.index
    people = None
    if population is not None:
        named = population.astype(dict.fromkeys(keys, str))
        people = pd.Series(named["population"].to_numpy(float), index=pd.MultiIndex.from_frame(named[keys]))
        index = index.union(people.index)
    groups = {f: tuple(sorted(set(index.get_level_values(f)))) for f in factors}
    cells = index.to_frame(index=False)
    members = {**groups, "period": tuple(periods)}
    place = {name: pd.Index(members[name]).get_indexer(cells[name]).astype(int) for name in keys}
    order = np.lexsort([place[name] for name in reversed(keys)])
    cells, place = cells.iloc[order].reset_index(drop=True), {name: at[order] for name, at in place.items()}
    index = pd.MultiIndex.from_frame(cells)
    observed = answers.reindex(index, fill_value=0.0).to_numpy(float)
    weights = None if people is None else people.reindex(index, fill_value=0.0).to_numpy(float)
    design, scales, scale_of = _design(place, members, observed.sum(axis=1), weights)
    if len(cells) > MOST_CELLS or len(scale_of) > MOST_EFFECTS:
        raise ModelError(
            Problem(
                "too many cells for one model",
                where="grouping",
                value=f"{len(cells):,} cells, {len(scale_of):,} effects",
                allowed=f"up to {MOST_CELLS:,} cells and {MOST_EFFECTS:,} effects",
                todo="use fewer segments, merge small groups or take a coarser period",
            )
        )
    return SatisfactionData(
        codes=tuple(float(code) for code in codes),
        shape=np.full(len(codes), 1 / len(codes)) if shape is None else np.asarray(shape, float) / np.sum(shape),
        block=blocks(observed.sum(axis=0)),
        periods=tuple(periods),
        factors=tuple(factors),
        groups=groups,
        cells=cells,
        place=place,
        counts=observed,
        n_raw=respondents.reindex(index, fill_value=0).sum(axis=1).to_numpy(int),
        population=observed.sum(axis=1) if weights is None else weights,
        design=design,
        scales=scales,
        scale_of=scale_of,
        scale_by=scale_by,
    )


def blocks(totals: np.ndarray) -> np.ndarray:
    """Return the block of each code, shape (K,).

    A code with less than one answer joins the next one above it that has more, or else the last one below.
    """
    full = totals >= 1.0
    return np.minimum(np.cumsum(full) - full, max(int(full.sum()) - 1, 0))


def _settings_problems(
    codes: Sequence[float], factors: Sequence[str], periods: Sequence[str], scale_by: str
) -> list[Problem]:
    """What is wrong with the scale, the factors and the periods asked for."""
    problems = []
    if not 2 <= len(codes) <= MOST_CODES:
        found = str(len(codes))
        problems.append(Problem("wrong number of codes", where="codes", value=found, allowed=f"2 to {MOST_CODES}"))
    if any(not low < high for low, high in pairwise(codes)):
        ascend = "order the scale's codes"
        problems.append(Problem("codes must ascend", where="codes", value=str(list(codes)), todo=ascend))
    if len(factors) > MOST_FACTORS:
        found = str(len(factors))
        problems.append(Problem("too many factors", where="factors", value=found, allowed=f"up to {MOST_FACTORS}"))
    for name, values in (("factors", factors), ("periods", periods)):
        repeated = sorted({v for v in values if list(values).count(v) > 1})
        if repeated:
            problems.append(Problem(f"{name} named twice", where=name, value=", ".join(repeated)))
    reserved = sorted(set(RESERVED) & set(factors))
    if reserved:
        problems.append(Problem("not the name of a factor", where="factors", value=", ".join(reserved)))
    if not periods:
        problems.append(Problem("no periods", where="periods"))
    if scale_by and scale_by not in factors:
        near = nearest(scale_by, list(factors))
        problems.append(Problem("unknown factor", where="scale_by", value=scale_by, nearest=near))
    return problems


def _counts_problems(
    counts: pd.DataFrame, keys: Sequence[str], codes: Sequence[float], periods: Sequence[str]
) -> list[Problem]:
    """What is wrong with a table of counts."""
    problems = _table_problems(counts, "counts", [*keys, "code"], ["n_raw", "n"], periods)
    if problems:
        return problems
    legal, todo = ", ".join(f"{c:g}" for c in codes), "list it among the scale's codes or its `missing`"
    problems = [
        Problem("unknown code in counts", where="code", value=f"{code:g}", allowed=legal, todo=todo)
        for code in sorted(set(counts["code"].astype(float)) - {float(code) for code in codes})
    ]
    n_raw, n = counts["n_raw"].to_numpy(float), counts["n"].to_numpy(float)
    if (n_raw != np.round(n_raw)).any():
        problems.append(Problem("respondents must be whole numbers", where="n_raw"))
    if ((n_raw == 0) & (n > 0)).any():
        problems.append(Problem("an effective count without a respondent", where="n"))
    if not n.sum() > 0:
        problems.append(Problem("no answers", where="counts", todo="check the item, brand and period asked for"))
    return problems


def _table_problems(
    table: pd.DataFrame, name: str, keys: Sequence[str], numbers: Sequence[str], periods: Sequence[str]
) -> list[Problem]:
    """What is wrong with a table that has a row a cell."""
    present = [str(column) for column in table.columns]
    lacking = [column for column in [*keys, *numbers] if column not in present]
    if lacking:
        return [Problem(f"{name} lacks a column", where=c, nearest=nearest(c, present)) for c in lacking]
    problems = []
    for column in keys:
        blank = int(table[column].isna().sum())
        if blank:
            what, todo = f"{name} has rows without a group", "give missing groups a name"
            problems.append(Problem(what, where=column, value=f"{blank} rows", todo=todo))
    for column in [*numbers, *(["code"] if "code" in keys else [])]:
        try:
            value = table[column].to_numpy(float)
        except (TypeError, ValueError):
            problems.append(Problem(f"{name} must hold numbers", where=column, value=str(table[column].dtype)))
            continue
        bad = ~(np.isfinite(value) & (value >= 0))
        if column in numbers and bad.any():
            found = str(value[bad][0])
            problems.append(Problem(f"{name} must not be negative or missing", where=column, value=found))
    for period in sorted({str(p) for p in table["period"].dropna()} - set(periods)):
        near = nearest(period, list(periods))
        problems.append(Problem(f"{name} has an unknown period", where="period", value=period, nearest=near))
    twice = table.duplicated(list(keys))
    if twice.any():
        found = ", ".join(str(v) for v in table.loc[twice, list(keys)].iloc[0])
        problems.append(Problem(f"{name} has a cell twice", where=", ".join(keys), value=found))
    return problems


def _wide(counts: pd.DataFrame, keys: Sequence[str], codes: Sequence[float], value: str) -> pd.DataFrame:
    """Cells x codes, zero where nobody gave that answer; keys as text."""
    table = counts.astype({**dict.fromkeys(keys, str), "code": float, value: float})
    table = table.pivot_table(index=list(keys), columns="code", values=value, aggfunc="sum", observed=True)
    table.index = pd.MultiIndex.from_frame(table.index.to_frame())  # also of a single key
    return table.reindex(columns=[float(code) for code in codes]).fillna(0.0)


def _design(
    place: dict[str, np.ndarray], members: dict[str, tuple[str, ...]], answers: np.ndarray, people: np.ndarray | None
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Contrasts of factors and of pairs of factors, steps of the walk: the columns, and each one's scale.

    What two factors do together beyond the sum of both is told apart where there are `PAIR_ANSWERS` answers for each
    contrast, and for no more than `MOST_PAIRS` contrasts in all; the rest is left to the cells. How far a cell is
    heard more than its share has an effect of its own where `people` says whom the cells stand for.
    """
    period, periods = place["period"], members["period"]
    columns: list[tuple[str, np.ndarray]] = []
    for name, groups in members.items():
        if name != "period":
            columns.append((name, zero_sum_basis(len(groups))[place[name]]))
    room = min(MOST_PAIRS, float(answers.sum()) / PAIR_ANSWERS)
    for (_, left), (_, right) in combinations(columns.copy(), 2):
        size = left.shape[1] * right.shape[1]
        if 0 < size <= room:
            room -= size
            columns.append((PAIRS, (left[:, :, None] * right[:, None, :]).reshape(len(period), size)))
    if people is not None:
        tendency = _heard_more(answers, people, period)
        if tendency.any():
            columns.append((HEARD, tendency[:, None]))
    columns.append((WALK, walk_basis(len(periods))[period]))
    answered = np.unique(period[answers > 0])
    if len(answered) > 1:
        newest = np.arange(len(periods)) >= answered[-1]
        columns.append((NEWEST, (newest - newest.mean())[period][:, None]))
    scales = (CELL, *dict.fromkeys(name for name, block in columns if block.shape[1]))
    scale_of = [scales.index(name) for name, block in columns for _ in range(block.shape[1])]
    return np.concatenate([block for _, block in columns], axis=1), scales, np.array(scale_of, int)


def _heard_more(answers: np.ndarray, people: np.ndarray, period: np.ndarray) -> np.ndarray:
    """How much more each cell is heard than its share of the people, in sds; 0 for cells that stand for nobody.

    Log of answers to those expected from the cell's share in its period, half an answer added to both.
    """
    out = np.zeros(len(answers))
    for one in np.unique(period[(people > 0) & (answers > 0)]):
        here = (period == one) & (people > 0)
        share = people[here] / people[here].sum()
        ratio = np.log((answers[here] + 0.5) / (share * answers[here].sum() + 0.5))
        out[here] = ratio - share @ ratio
    spread = float(np.sqrt((out**2).mean()))
    return out / spread if spread > 0.05 else np.zeros(len(answers))
