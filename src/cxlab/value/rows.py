"""Rows of the tidy table ``value_estimates``."""

from __future__ import annotations

from typing import Any

import numpy as np

from cxlab.inference.estimates import CI_PROB, summary

Row = dict[str, Any]


def estimate(
    name: str,
    values: np.ndarray | float,
    *,
    ends: tuple[float, float] | None = None,
    ref: float | None = None,
    **about: Any,
) -> Row:
    """Return one row: draws, or a number that is known without them (with the ends of its interval, if it has one)."""
    if isinstance(values, np.ndarray):
        return {"estimand": name, **about, **summary(values, ref=ref)}
    row = {"estimand": name, **about, "mean": float(values)}
    if ends is not None:
        row |= {"ci_low": float(ends[0]), "ci_high": float(ends[1]), "ci_prob": CI_PROB, "ci_kind": "normal"}
    return row
