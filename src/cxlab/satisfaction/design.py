"""Count tables checked, made wide, and their factors turned into contrasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import Problem, nearest
from cxlab.inference.contrasts import walk_basis, zero_sum_basis
from cxlab.satisfaction import pymc_model

PAIR_ANSWERS: Final = 20
MOST_PAIRS: Final = 48


def settings_problems(
    *, codes: Sequence[float], factors: Sequence[str], periods: Sequence[str], scale_by: str
) -> list[Problem]:
    """What is wrong with the scale, the factors and the periods asked for."""
    problems = []
    if not 2 <= len(codes) <= pymc_model.MOST_CODES:
        problems.append(
            Problem(
                "wrong number of codes", where="codes", value=str(len(codes)), allowed=f"2 to {pymc_model.MOST_CODES}"
            )
        )
    if any(not low < high for low, high in pairwise(codes)):
        problems.append(
            Problem("codes must ascend", where="codes", value=str(list(codes)), todo="order the scale's codes")
        )
    if len(factors) > pymc_model.MAX_FACTORS:
        problems.append(
            Problem(
                "too many factors", where="factors", value=str(len(factors)), allowed=f"up to {pymc_model.MAX_FACTORS}"
            )
        )
    for name, values in (("factors", factors), ("periods", periods)):
        repeated = sorted({v for v in values if list(values).count(v) > 1})
        if repeated:
            problems.append(Problem(f"{name} named twice", where=name, value=", ".join(repeated)))
    reserved = sorted({"period", "code", "n", "n_raw", "population"} & set(factors))
    if reserved:
        problems.append(Problem("not the name of a factor", where="factors", value=", ".join(reserved)))
    if not periods:
        problems.append(Problem("no periods", where="periods"))
    if scale_by and scale_by not in factors:
        problems.append(
            Problem("unknown factor", where="scale_by", value=scale_by, nearest=nearest(scale_by, list(factors)))
        )
    return problems


def counts_problems(
    counts: pd.DataFrame, *, keys: Sequence[str], codes: Sequence[float], periods: Sequence[str]
) -> list[Problem]:
    """What is wrong with a table of counts."""
    problems = _table_problems(counts, "counts", keys=[*keys, "code"], numbers=["n_raw", "n"], periods=periods)
    if problems:
        return problems
    known = {float(code) for code in codes}
    problems = [
        Problem(
            "unknown code in counts",
            where="code",
            value=f"{code:g}",
            allowed=", ".join(f"{c:g}" for c in codes),
            todo="list it among the scale's codes or under its `missing`",
        )
        for code in sorted(set(counts["code"].astype(float)) - known)
    ]
    n_raw, n = counts["n_raw"].to_numpy(float), counts["n"].to_numpy(float)
    if (n_raw != np.round(n_raw)).any():
        problems.append(Problem("respondents must be whole numbers", where="n_raw"))
    if ((n_raw == 0) & (n > 0)).any():
        problems.append(Problem("an effective count without a respondent", where="n"))
    if not n.sum() > 0:
        problems.append(Problem("no answers", where="counts", todo="check the item, brand and period asked for"))
    return problems


def population_problems(population: pd.DataFrame, *, keys: Sequence[str], periods: Sequence[str]) -> list[Problem]:
    """What is wrong with a table of population counts."""
    return _table_problems(population, "population", keys=keys, numbers=["population"], periods=periods)


def _table_problems(
    table: pd.DataFrame, name: str, *, keys: Sequence[str], numbers: Sequence[str], periods: Sequence[str]
) -> list[Problem]:
    present = [str(column) for column in table.columns]
    problems = [
        Problem(f"{name} lacks a column", where=column, nearest=nearest(column, present))
        for column in [*keys, *numbers]
        if column not in present
    ]
    if problems:
        return problems
    for column in keys:
        if table[column].isna().any():
            problems.append(
                Problem(
                    f"{name} has rows without a group",
                    where=column,
                    value=f"{int(table[column].isna().sum())} rows",
                    todo="give missing groups a name",
                )
            )
    for column in numbers:
        try:
            value = table[column].to_numpy(float)
        except (TypeError, ValueError):
            problems.append(Problem(f"{name} must hold numbers", where=column, value=str(table[column].dtype)))
            continue
        bad = ~(np.isfinite(value) & (value >= 0))
        if bad.any():
            problems.append(
                Problem(f"{name} must not be negative or missing", where=column, value=str(value[bad][0]), line=0)
            )
    if not problems and "code" in keys:
        try:
            table["code"].astype(float)
        except (TypeError, ValueError):
            problems.append(Problem("codes must be numbers", where="code", value=str(table["code"].dtype)))
    problems += [
        Problem(f"{name} has an unknown period", where="period", value=period, nearest=nearest(period, list(periods)))
        for period in sorted({str(p) for p in table["period"].dropna()} - set(periods))
    ]
    if table.duplicated(list(keys)).any():
        first = table[table.duplicated(list(keys))].iloc[0][list(keys)]
        problems.append(
            Problem(f"{name} has a cell twice", where=", ".join(keys), value=", ".join(str(v) for v in first))
        )
    return problems


def wide(counts: pd.DataFrame, keys: Sequence[str], codes: Sequence[float], value: str) -> pd.DataFrame:
    """Cells x codes, zero where nobody gave that answer; keys as text."""
    table = counts.astype({**dict.fromkeys(keys, str), "code": float, value: float})
    table = table.pivot_table(index=list(keys), columns="code", values=value, aggfunc="sum", observed=True)
    table.index = pd.MultiIndex.from_frame(table.index.to_frame())  # also of a single key
    return table.reindex(columns=[float(code) for code in codes]).fillna(0.0)


def design(
    cells: pd.DataFrame,
    *,
    groups: dict[str, tuple[str, ...]],
    periods: Sequence[str],
    answers: np.ndarray,
    people: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Contrasts of each factor and of pairs of factors, and steps of the walk, by cell.

    What two factors do together beyond the sum of both is told apart where there are `PAIR_ANSWERS` answers for each
    contrast, and for no more than `MOST_PAIRS` contrasts in all; the rest is left to the cells.

    Parameters
    ----------
    cells : DataFrame, M rows
        One column a factor, and ``period``.
    groups : dict
        Groups of each factor, in order.
    periods : sequence of str
        Periods in order.
    answers : array, shape (M,)
        Effective number of them in each cell.
    people : array, shape (M,), optional
        How many each cell stands for, where that is not the answers themselves: how far a cell is heard more than its
        share then has an effect of its own.

    Returns
    -------
    tuple of arrays
        The design, shape (M, E), and for each column the position of its scale among `pymc_model.SCALES`, shape (E,).
    """
    blocks, scale_of = [np.zeros((len(cells), 0))], []
    for position, (name, members) in enumerate(groups.items(), start=1):
        blocks.append(zero_sum_basis(len(members))[_codes(cells[name], members)])
        scale_of += [position] * (len(members) - 1)
    room = min(MOST_PAIRS, float(answers.sum()) / PAIR_ANSWERS)
    for left, right in combinations(blocks[1:], 2):
        columns = left.shape[1] * right.shape[1]
        if 0 < columns <= room:
            room -= columns
            blocks.append((left[:, :, None] * right[:, None, :]).reshape(len(cells), columns))
            scale_of += [pymc_model.PAIRS] * columns
    if people is not None:
        tendency = heard_more(answers, people, _codes(cells["period"], periods))
        if tendency.any():
            blocks.append(tendency[:, None])
            scale_of.append(pymc_model.HEARD)
    blocks.append(walk_basis(len(periods))[_codes(cells["period"], periods)])
    scale_of += [pymc_model.WALK] * (len(periods) - 1)
    return np.concatenate(blocks, axis=1), np.array(scale_of, int)


def heard_more(answers: np.ndarray, people: np.ndarray, period: np.ndarray) -> np.ndarray:
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


def _codes(values: Iterable[str], members: Sequence[str]) -> np.ndarray:
    position = {member: i for i, member in enumerate(members)}
    return np.array([position[value] for value in values], int)
