"""Whom not to spend on: where a contact is expected to bring less than it costs.

What a contact does is no finding of this page: `lift` and `winback` are assumptions of the params, said so wherever the
result is shown. With them a contact is expected to bring ``lift x value`` of a customer who may still be there, and
``winback x (1 - P(alive)) x value of a living customer like this`` of one who may have left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, Problem

WORTH, SPARE = "worth", "spare"
SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the customers, in the table of break-even costs


@dataclass(frozen=True)
class Spare:
    """Whom a contact does not pay for.

    Attributes
    ----------
    label : array of str (customer,)
        ``worth`` or ``spare``: give it to `cxlab.value.segments.membership` as a label for draws of size and worth.
    gain : array (customer,)
        What a contact is expected to bring, in money.
    n, share : int, float
        Customers whom a contact does not pay for.
    saved : float
        What is not spent when they are left alone.
    forgone : float
        What contacting them would have been expected to bring.
    by_segment : DataFrame
        ``segment, n, spare`` (of them), ``gain`` (mean).
    break_even : DataFrame
        ``share`` (of the customers, the most promising first), ``cost`` (highest cost of a contact that pays for all
        of them).
    """

    label: np.ndarray
    gain: np.ndarray
    n: int
    share: float
    saved: float
    forgone: float
    by_segment: pd.DataFrame
    break_even: pd.DataFrame


def spare(
    customers: pd.DataFrame, *, cost: float, lift: float = 0.05, winback: float = 0.02, segment: pd.Series | None = None
) -> Spare:
    """Find the customers whom a contact does not pay for.

    Parameters
    ----------
    customers : DataFrame
        ``p_alive`` and ``clv_mean`` (expected contribution) of each; see `value.outlook`.
    cost : float
        Of one contact, in money.
    lift : float
        Share by which a contact raises what a customer is worth.
    winback : float
        Share of lost customers whom a contact brings back.
    segment : Series, optional
        Segment of each customer, for the table.

    Raises
    ------
    ModelError
        If an assumption is not legal, or no value in money is known.
    """
    problems = [
        Problem(f"{name} must be {allowed}", value=str(value))
        for name, value, fine, allowed in (
            ("the cost of a contact", cost, cost >= 0, "0 or more"),
            ("the lift of a contact", lift, lift >= 0, "0 or more"),
            ("the share won back", winback, 0 <= winback <= 1, "0 to 1"),
        )
        if not (np.isfinite(value) and fine)
    ]
    worth, alive = customers["clv_mean"].to_numpy(float), customers["p_alive"].to_numpy(float)
    if not np.isfinite(worth).all():
        problems.append(Problem("no amounts are known, so nobody's worth in money is", todo="map the amounts"))
    if problems:
        raise ModelError(problems)
    living = worth / np.maximum(alive, 1e-6)  # of a customer like this who is still there
    most = living[alive > 0.5].max() if (alive > 0.5).any() else living.max(initial=0.0)
    gain = lift * np.maximum(worth, 0.0) + winback * (1 - alive) * np.clip(living, 0.0, max(float(most), 0.0))
    none = gain < cost
    table = pd.DataFrame({"segment": "" if segment is None else segment.to_numpy(), "spare": none, "gain": gain})
    by = table.groupby("segment", sort=False).agg(n=("spare", "size"), spare=("spare", "sum"), gain=("gain", "mean"))
    ends = np.quantile(gain, [1 - s for s in SHARES]) if len(gain) else np.zeros(len(SHARES))
    return Spare(
        np.where(none, SPARE, WORTH).astype(object), gain, int(none.sum()), float(none.mean()) if len(none) else 0.0,
        float(none.sum() * cost), float(gain[none].sum()), by.reset_index(),
        pd.DataFrame({"share": SHARES, "cost": ends}),
    )  # fmt: skip
