"""Steps of customers in their order, counted in SQL: transitions, the first steps of journeys, spells up to a purchase.

A step is an interaction with a touchpoint, or a purchase by channel (``buy:web``). A journey is a customer's steps up
to a pause of more than `gap` days. Its first step is no start if it lies within the gap of the first day of the data:
nobody knows what came before. What follows a step within the gap of the last day counts for nothing, be it seen or not:
to keep the steps that are seen to go on, and drop the others, would make journeys look as if they hardly ever ended.

Days have no hours, so steps of one day are put in order by rule: a source keeps its own order of lines; of several
sources on a day those come first whose touchpoints stand earlier in the journey's stages, and a purchase stands after
the first stage. The same state twice in a row on one day is one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier, literal
from cxlab.inference.experiences import BOUGHT
from cxlab.journey.states import BUY, END, START
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.vocab import OUTCOME, SEGMENT

OTHER: Final = "other"
MOST_STATES: Final = 10  # with start and end twelve: more cannot be read
DEFAULT_GAP: Final = 30  # days, where the pauses show no two kinds
SHOWN_STEPS: Final = 4  # of the picture of the flow
_WINDOW: Final = 365  # days back from the end of the data in which spells begin


def states(data: UnitData, params: Params) -> pd.DataFrame:
    """Return what steps there are: ``state, n, customers``, commonest first."""
    return data.sql(
        f"""WITH {_steps(params, [])}
        SELECT state, count(*) AS n, count(DISTINCT customer) AS customers FROM ordered
        GROUP BY state ORDER BY n DESC, state"""
    )


def order_of(params: Params, found: Sequence[str]) -> list[str]:
    """Return states in the order of the journey: stages, purchases after the first stage, then the rest."""
    ranks = _ranks(params)
    place = {s: ranks.get(s, 0.5 if s.startswith(BUY) else 9e9) for s in found}
    return sorted(found, key=lambda s: (place[s], found.index(s)))


def learn_gap(data: UnitData, params: Params) -> int:
    """Return the pause in days after which another journey begins, learned from the pauses between steps.

    Pauses are of two kinds, within a journey and between journeys: two log-normals are fitted and the gap is where
    both are equally probable. Where the two cannot be told apart (means less than a factor e apart, or one of them
    rarer than one in twenty) it is `DEFAULT_GAP`.
    """
    pauses = data.sql(
        f"""WITH {_steps(params, [])},
            days AS (SELECT DISTINCT customer, date FROM ordered),
            gaps AS (SELECT date_diff('day', date, lead(date) OVER (PARTITION BY customer ORDER BY date)) AS days
                FROM days)
        SELECT days, count(*) AS n FROM gaps WHERE days IS NOT NULL GROUP BY days ORDER BY days"""
    )
    return crossing(np.log(pauses["days"].to_numpy(float)), pauses["n"].to_numpy(float))


def crossing(x: np.ndarray, n: np.ndarray) -> int:
    """Return the days at which two log-normals fitted to log pauses `x` with counts `n` are equally probable."""
    if n.sum() < 200 or len(x) < 5:
        return DEFAULT_GAP
    mean = np.array([np.log(3.0), np.log(60.0)])
    sd, share = np.ones(2), np.full(2, 0.5)

    def belongs(at: np.ndarray) -> np.ndarray:
        log = np.log(share) - np.log(sd) - 0.5 * ((at[:, None] - mean) / sd) ** 2
        log -= log.max(axis=1, keepdims=True)
        return np.exp(log) / np.exp(log).sum(axis=1, keepdims=True)

    for _ in range(300):
        weight = belongs(x) * n[:, None]
        total = weight.sum(axis=0) + 1e-9
        share, mean = total / total.sum(), (weight * x[:, None]).sum(axis=0) / total
        sd = np.sqrt(((weight * (x[:, None] - mean) ** 2).sum(axis=0)) / total + 0.05)
    if share.min() < 0.05 or mean[1] - mean[0] < 1:
        return DEFAULT_GAP
    days = np.arange(int(np.ceil(np.exp(mean[0]))), int(np.exp(mean[1])) + 1)
    later = belongs(np.log(days))[:, 1] > 0.5
    return int(np.clip(days[later.argmax()] if later.any() else DEFAULT_GAP, 1, 365))


def transitions(
    data: UnitData, params: Params, *, gap: int, kept: Sequence[str] = (), segment: str = ""
) -> pd.DataFrame:
    """Return how often each step follows each other one.

    Parameters
    ----------
    data : UnitData
    params : Params
        The journey's stages.
    gap : int
        Days of pause that end a journey.
    kept : sequence of str
        States told apart; others are `OTHER`. Empty: the `MOST_STATES` commonest that enough customers met.
    segment : str
        Name of a segment of the customers to count by; its column is ``group``.

    Returns
    -------
    DataFrame
        ``touchpoint, to, n`` and with a segment ``group``.
    """
    by = ""
    join = ""
    if segment:
        column = identifier(f"{SEGMENT}{segment}")
        by = ', coalesce(d."group", \'(unknown)\') AS "group"'
        join = f"""LEFT JOIN (SELECT customer, any_value({column}) AS "group" FROM customers GROUP BY customer) d
            USING (customer)"""
    return data.sql(
        f"""WITH {_steps(params, kept or _commonest(data, params))}, {_journeys(gap)}
        SELECT origin AS touchpoint, dest AS "to", count(*) AS n{by} FROM moves {join}
        GROUP BY ALL ORDER BY n DESC, touchpoint, "to"
        """
    )


def flow(data: UnitData, params: Params, *, gap: int, kept: Sequence[str] = ()) -> pd.DataFrame:
    """Return the first steps of journeys seen from their start: ``step, touchpoint, to, n``, step 1 first.

    Row (k, a, b) counts journeys whose step k is a and whose next is b (or the end).
    """
    return data.sql(
        f"""WITH {_steps(params, kept or _commonest(data, params))}, {_journeys(gap)},
            begun AS (SELECT customer, journey FROM moves WHERE origin = '{START}')
        SELECT place AS step, origin AS touchpoint, dest AS "to", count(*) AS n
        FROM moves JOIN begun USING (customer, journey)
        WHERE place BETWEEN 1 AND {SHOWN_STEPS - 1} GROUP BY ALL ORDER BY step, n DESC, touchpoint, "to"
        """
    )


def spells(data: UnitData, params: Params, *, sides: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Return how long customers took to buy after a touchpoint, as counts.

    Of each customer and touchpoint the first interaction in the last year of the data is followed up to the next
    purchase on a later day, or to the end of the data. At touchpoints of the first stage, which stand before a
    purchase, one on the same day counts too. A purchase in a week that the data do not hold whole is not counted:
    those who did not buy in it are not seen through it either.

    Parameters
    ----------
    data : UnitData
    params : Params
        The journey's stages.
    sides : mapping (touchpoint, outcome) -> bad side
        Outcomes that are told apart (see `experience.worse_side`).

    Returns
    -------
    DataFrame
        ``touchpoint, basis, days, bought, n``; `basis` is empty for all, else the outcome's name or ``not`` and it.
    """
    early = ", ".join(literal(t) for t, rank in _ranks(params).items() if rank == 0) or "''"
    parts = ["SELECT touchpoint, '' AS basis, days, bought FROM spell"]
    for touchpoint, outcome in sides:
        flag = identifier(OUTCOME + outcome)
        name = f"CASE WHEN {flag} THEN {literal(outcome)} ELSE {literal('not ' + outcome)} END"
        parts.append(
            f"SELECT touchpoint, {name}, days, bought FROM spell WHERE touchpoint = {literal(touchpoint)} "
            f"AND {flag} IS NOT NULL"
        )
    return data.sql(
        f"""WITH bought AS (SELECT DISTINCT customer, date FROM transactions
                WHERE kind IN {BOUGHT} AND customer IS NOT NULL AND date IS NOT NULL),
            span AS (SELECT max(date) AS last FROM bought),
            first AS (SELECT i.* FROM interactions i, span WHERE i.customer IS NOT NULL AND i.touchpoint IS NOT NULL
                AND i.date > last - {_WINDOW} AND i.date < last
                WINDOW w AS (PARTITION BY i.customer, i.touchpoint ORDER BY i.date, i.interaction_id)
                QUALIFY row_number() OVER w = 1),
            own AS (SELECT *, date - (touchpoint IN ({early}))::INTEGER AS eve FROM first, span),
            next AS (SELECT f.*, date_diff('day', f.date, b.date) AS until, date_diff('day', f.date, last) AS seen
                FROM own f ASOF LEFT JOIN bought b ON b.customer = f.customer AND f.eve < b.date),
            spell AS (SELECT *, until IS NOT NULL AND 7 * greatest(ceil(until / 7), 1) <= seen AS bought,
                CASE WHEN bought THEN until ELSE seen END AS days FROM next)
        SELECT touchpoint, basis, days, bought, count(*) AS n FROM ({" UNION ALL ".join(parts)})
        GROUP BY ALL ORDER BY ALL"""
    )


def _commonest(data: UnitData, params: Params) -> list[str]:
    every = states(data, params)
    # Many steps of few people are no group: they are told under another name.
    found = every.loc[every["customers"] >= params.limits.min_n, "state"].astype(str).tolist()
    return found if len(found) <= MOST_STATES else found[: MOST_STATES - 1]


def _ranks(params: Params) -> dict[str, float]:
    return {t: float(i) for i, stage in enumerate(params.journey.stages) for t in stage.touchpoints}


def _steps(params: Params, kept: Sequence[str]) -> str:
    """Common table expressions up to ``ordered``: customer, date, state, nth (place among the customer's steps)."""
    ranks = _ranks(params)
    rank = "CASE touchpoint " + " ".join(f"WHEN {literal(t)} THEN {r}" for t, r in ranks.items()) + " ELSE 1.0 END"
    names = ", ".join(map(literal, kept))
    state = f"CASE WHEN state IN ({names}) THEN state ELSE '{OTHER}' END" if kept else "state"
    return f"""raw AS (
            SELECT customer, date, touchpoint AS state, {rank if ranks else "1.0"} AS rank, source, line
            FROM interactions WHERE customer IS NOT NULL AND date IS NOT NULL AND touchpoint IS NOT NULL
            UNION ALL
            SELECT customer, date, '{BUY}' || coalesce(channel, ''), 0.5, source, min(line)
            FROM transactions WHERE customer IS NOT NULL AND date IS NOT NULL AND kind IN {BOUGHT}
            GROUP BY customer, date, channel, source),
        named AS (SELECT customer, date, {state} AS state, source, line,
            min(rank) OVER (PARTITION BY customer, date, source) AS rank FROM raw),
        numbered AS (SELECT *, lag(state) OVER w AS before, lag(date) OVER w AS day_before FROM named
            WINDOW w AS (PARTITION BY customer ORDER BY date, rank, source, line, state)),
        ordered AS (SELECT customer, date, state,
                row_number() OVER (PARTITION BY customer ORDER BY date, rank, source, line, state) AS nth
            FROM numbered WHERE NOT (before IS NOT DISTINCT FROM state AND day_before = date))"""


def _journeys(gap: int) -> str:
    """Further expressions up to ``moves``: customer, journey, place (0: into the first step), origin, dest."""
    return f"""paused AS (SELECT *, coalesce(date - lag(date) OVER w > {gap}, true) AS fresh FROM ordered
            WINDOW w AS (PARTITION BY customer ORDER BY nth)),
        grouped AS (SELECT *, sum(fresh::INTEGER) OVER (PARTITION BY customer ORDER BY nth) AS journey FROM paused),
        placed AS (SELECT *, row_number() OVER w AS place, lead(state) OVER w AS next FROM grouped
            WINDOW w AS (PARTITION BY customer, journey ORDER BY nth)),
        limits AS (SELECT min(date) + {gap} AS opens, max(date) - {gap} AS closes FROM ordered),
        moves AS (
            SELECT customer, journey, 0 AS place, '{START}' AS origin, state AS dest FROM placed, limits
            WHERE place = 1 AND date > opens
            UNION ALL
            SELECT customer, journey, place, state, coalesce(next, '{END}') FROM placed, limits WHERE date <= closes)"""
