"""What happened behind the scores: outcomes of interactions by touchpoint (late, unsolved), now and the period before.

Counts, not models: each interaction is there. The range is that of the share in a longer run of such periods (Jeffreys'
beta posterior); a change is judged by the side that goes with lower satisfaction where answers show which one it is.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier
from cxlab.inference.estimates import compared, summaries
from cxlab.runs import UnitData
from cxlab.vocab import OUTCOME

DRAWS: Final = 4_000


def table(
    data: UnitData,
    sides: dict[tuple[str, str], str],
    *,
    period: str,
    previous: str,
    practical: float,
    seed: int,
) -> pd.DataFrame:
    """Return the share of each outcome at each touchpoint, and its change.

    Parameters
    ----------
    data : UnitData
    sides : dict
        (touchpoint, outcome) -> the bad side: the outcome, or ``not <outcome>``; others have no better or worse.
    period, previous : str
        `previous` may be empty.
    practical : float
        Smallest change of a share worth acting on.
    seed : int

    Returns
    -------
    DataFrame
        Rows of ``journey_estimates``: ``fact`` (both periods), ``fact_change`` (this one); with touchpoint and basis.
    """
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for counted in _counts(data, [p for p in (previous, period) if p]).to_dict("records"):
        name = {"touchpoint": counted["touchpoint"], "basis": counted["outcome"], "level": "touchpoint"}
        name |= {"group": counted["touchpoint"], "item": "", "metric": "share", "unit": "share", "weighting": "none"}
        drawn = {}
        for when in ("then", "now"):
            n, k = int(counted[f"n_{when}"]), int(counted[f"k_{when}"])
            if not n:
                continue
            drawn[when] = random.beta(k + 0.5, n - k + 0.5, (DRAWS, 1))
            share = {str(c): v for c, v in summaries(drawn[when]).iloc[0].items()} | {"mean": k / n}
            rows.append(name | share | {"estimand": "fact", "period": period if when == "now" else previous, "n": n})
        if len(drawn) == 2:
            judged = compared(drawn["now"] - drawn["then"], practical=practical)
            change: dict[str, Any] = {str(k): v for k, v in judged.iloc[0].items()}
            bad = sides.get((counted["touchpoint"], counted["outcome"]), "")
            turn = {"better": "worse", "worse": "better"}
            if bad == counted["outcome"]:
                change["verdict"] = turn.get(change["verdict"], change["verdict"])
            elif not bad and change["verdict"] in turn:
                change["verdict"] = ""
            smaller = min(counted["n_then"], counted["n_now"])
            change["mean"] = counted["k_now"] / counted["n_now"] - counted["k_then"] / counted["n_then"]
            rows.append(name | change | {"estimand": "fact_change", "period": period, "n": smaller})
    return pd.DataFrame(rows)


def _counts(data: UnitData, periods: list[str]) -> pd.DataFrame:
    """Return known and true outcomes by touchpoint: ``touchpoint, outcome, n_then, k_then, n_now, k_now``."""
    columns = [c for c in data.store.columns("interactions") if c.startswith(OUTCOME)]
    parts = []
    for column in columns:
        name = identifier(column)
        parts.append(
            f"""SELECT touchpoint, '{column.removeprefix(OUTCOME).replace("'", "''")}' AS outcome,
                count({name}) FILTER (WHERE period = $then) AS n_then,
                count(*) FILTER (WHERE period = $then AND {name}) AS k_then,
                count({name}) FILTER (WHERE period = $now) AS n_now,
                count(*) FILTER (WHERE period = $now AND {name}) AS k_now
            FROM interactions WHERE touchpoint IS NOT NULL GROUP BY 1 HAVING n_now > 0"""
        )
    if not parts:
        return pd.DataFrame(columns=["touchpoint", "outcome", "n_then", "k_then", "n_now", "k_now"])
    then = periods[0] if len(periods) > 1 else ""
    query = " UNION ALL ".join(parts) + " ORDER BY 1, 2"
    return data.sql(query, params={"then": then, "now": periods[-1]})
