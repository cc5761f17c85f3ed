"""Small-cell suppression: the one rule all tables, pages and downloads go through.

Only the single writer (`cxlab.runs.Run.write`) calls it, so a notebook cannot forget it.
"""

from __future__ import annotations

import pandas as pd

from cxlab.vocab import ESTIMATE_NUMBERS

SUPPRESSED = "suppressed"


def applies(table: pd.DataFrame) -> bool:
    """Whether the rows of `table` are estimates about `n` people each."""
    return "n" in table.columns and "mean" in table.columns


def suppress(table: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """Blank the numbers of every row that rests on fewer than `min_n` answers.

    Parameters
    ----------
    table : DataFrame
        A tidy table. One without the columns ``n`` and ``mean`` holds no estimates of groups and is returned as it is.
    min_n : int
        Smallest number of answers a row may show.

    Returns
    -------
    DataFrame
        A copy: in rows with ``n < min_n`` or an unknown ``n`` the numbers are missing, ``n_eff`` too, and ``verdict``
        says `suppressed`. ``n`` stays, so that totals still add up.

    Notes
    -----
    No second row is hidden to protect the first: what is published are posterior quantities of partially pooled
    cells, from which a hidden row cannot be had by subtraction.
    """
    if not applies(table):
        return table
    out = table.copy()
    small = ~(pd.to_numeric(out["n"], errors="coerce") >= min_n)
    if "verdict" not in out.columns:
        out["verdict"] = ""
    # A claim withheld for failed diagnostics stays withheld: the stronger warning wins.
    withheld = out["verdict"].eq("withheld")
    out.loc[small & ~withheld, "verdict"] = SUPPRESSED
    for column in (*ESTIMATE_NUMBERS, "prob_practical", "n_eff"):
        if column in out.columns:
            out[column] = out[column].astype("float64").mask(small)
    return out
