"""Posterior draws -> numbers of the tidy estimates table (`vocab.ESTIMATE_COLUMNS`) and verdicts."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import pandas as pd

from cxlab.vocab import Verdict

CI_PROB: Final = 0.9
SURE: Final = 0.975  # probability of a direction from which it is called better or worse


def verdict(draws: np.ndarray, *, practical: float) -> Verdict:
    """Judge a change: inside the practical limit, clearly up, clearly down, or neither.

    Parameters
    ----------
    draws : array
        Posterior draws of the change; up is good.
    practical : float
        Smallest change worth acting on, in the same unit.
    """
    return cast(Verdict, str(compared(np.asarray(draws, float).reshape(-1, 1), practical=practical)["verdict"].iloc[0]))


def summary(draws: np.ndarray, *, ref: float | None = None) -> dict[str, Any]:
    """Return the numbers of one tidy row: mean, median, sd, 90 % interval; with `ref` the probability above it."""
    low, high = np.quantile(draws, [(1 - CI_PROB) / 2, (1 + CI_PROB) / 2])
    return {
        "mean": float(draws.mean()),
        "median": float(np.median(draws)),
        "sd": float(draws.std()),
        "ci_low": float(low),
        "ci_high": float(high),
        "ci_prob": CI_PROB,
        "ci_kind": "eti",
        "prob_gt_ref": float("nan") if ref is None else float((draws > ref).mean()),
        "ref": float("nan") if ref is None else float(ref),
    }


def summaries(values: np.ndarray, *, ref: float | None = None) -> pd.DataFrame:
    """Return the numbers of `summary` for each column of draws, shape (draws, rows), a row each."""
    low, middle, high = np.quantile(values, [(1 - CI_PROB) / 2, 0.5, (1 + CI_PROB) / 2], axis=0)
    return pd.DataFrame(
        {
            "mean": values.mean(axis=0),
            "median": middle,
            "sd": values.std(axis=0),
            "ci_low": low,
            "ci_high": high,
            "ci_prob": CI_PROB,
            "ci_kind": "eti",
            "prob_gt_ref": float("nan") if ref is None else (values > ref).mean(axis=0),
            "ref": float("nan") if ref is None else float(ref),
        }
    )


def compared(values: np.ndarray, *, practical: float) -> pd.DataFrame:
    """Return numbers, ``prob_practical`` and verdict of changes or differences, shape (draws, rows); ref is 0."""
    numbers = summaries(values, ref=0.0).assign(prob_practical=(np.abs(values) > practical).mean(axis=0))
    small = (numbers["ci_low"] > -practical) & (numbers["ci_high"] < practical)
    up, down = numbers["prob_gt_ref"] > SURE, 1 - numbers["prob_gt_ref"] > SURE
    return numbers.assign(verdict=np.select([small, up, down], ["no_real_change", "better", "worse"], "cannot_tell"))
