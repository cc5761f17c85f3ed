"""Small worlds for the models' tests."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

CODES = (1.0, 2.0, 3.0, 4.0, 5.0)


def cells(*, factors: dict[str, int], periods: int, n: int) -> pd.DataFrame:
    """All combinations of groups and periods, `n` respondents in each."""
    names = [*factors, "period"]
    groups = [[f"{name[:1]}{i}" for i in range(size)] for name, size in factors.items()]
    rows = itertools.product(*groups, labels(periods))
    return pd.DataFrame(list(rows), columns=names).assign(n=n)


def labels(periods: int) -> list[str]:
    return [f"{2001 + i}" for i in range(periods)]


def counts(table: pd.DataFrame, share: np.ndarray, *, codes: tuple[float, ...] = CODES, seed: int = 0) -> pd.DataFrame:
    """Answers of the cells' respondents, drawn from `share` (cells, codes), as rows for `model_data`."""
    answers = np.random.default_rng(seed).multinomial(table["n"], share)
    keys = table.drop(columns="n")
    long = keys.loc[np.repeat(keys.index, len(codes))].reset_index(drop=True)
    long = long.assign(code=np.tile(codes, len(keys)), n_raw=answers.ravel(), n=answers.ravel().astype(float))
    return long[long["n_raw"] > 0].reset_index(drop=True)
