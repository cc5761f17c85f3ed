"""Which score came with a comment.

The overall answer of its questionnaire, else recommendation, else effort, else the number written beside the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.voice.sentiment import labels

if TYPE_CHECKING:
    from cxlab.params.models import Params, Scale
    from cxlab.runs import UnitData

ROLES: Final = ("overall", "nps", "ces")  # the first one answered is a comment's score
COLUMNS: Final = ("comment_id", "item", "role", "scale", "value", "place", "codes", "good")
BESIDE: Final = "rating"  # item of the number beside a text that no questionnaire explains
_RANGES: Final = ((0, 1), (1, 5), (0, 5), (1, 7), (1, 10), (0, 10))  # scales such a number may be on, by its source


def of(data: UnitData, params: Params) -> pd.DataFrame:
    """Return the score of every comment that has one.

    Parameters
    ----------
    data : UnitData
    params : Params

    Returns
    -------
    DataFrame
        One row a scored comment: ``comment_id``; ``item`` and ``role`` it answers (`BESIDE` and "" where only a number
        stood beside the text); ``scale`` (id, or the range such numbers lie in); ``value`` (code), ``place`` (0 the
        worst), ``codes`` (how many); ``good``: 1, 0, or NaN for the middle (`sentiment.labels`). Good is what the scale
        calls satisfied, promoters where the question is about recommending; bad below the middle, or detractors.
    """
    asked = data.sql(
        """SELECT c.comment_id, t.item, t.role, t.scale, t.value,
            row_number() OVER (PARTITION BY c.comment_id ORDER BY CASE t.role WHEN 'overall' THEN 0 WHEN 'nps' THEN 1
                ELSE 2 END, t.touchpoint IS NOT NULL, t.item) AS choice
        FROM comments c JOIN ratings t USING (response_id)
        WHERE t.role IN ('overall', 'nps', 'ces') AND t.value IS NOT NULL
        QUALIFY choice = 1 ORDER BY c.comment_id"""
    ).drop(columns="choice")
    beside = data.sql(
        "SELECT comment_id, source, rating AS value FROM comments WHERE rating IS NOT NULL ORDER BY comment_id"
    )
    # A number beside a text whose questionnaires have scales of their own was judged there.
    explained = beside.loc[beside["comment_id"].isin(asked["comment_id"]), "source"].unique()
    beside = beside[~beside["source"].isin(explained)]
    parts = [_on_scale(asked, params)]
    for _, rows in beside.groupby("source", sort=True):
        parts.append(_guessed(rows))
    found = pd.concat([p for p in parts if len(p)], ignore_index=True) if any(map(len, parts)) else parts[0]
    return found.reindex(columns=list(COLUMNS)).reset_index(drop=True)


def good_from(scale: Scale, role: str) -> tuple[int, int | None]:
    """Return the first good place and the last bad one of a scale (None: below the middle)."""
    codes = scale.codes
    if role == "nps" and len(codes) == 11:
        return 9, 6
    if scale.satisfied_from is not None:
        return codes.index(scale.satisfied_from), None
    return len(codes) - max(1, round(0.4 * len(codes))), None


def _on_scale(rows: pd.DataFrame, params: Params) -> pd.DataFrame:
    rows = rows.assign(place=np.nan, codes=0, good=np.nan)
    for (name, role), part in rows.groupby(["scale", "role"]):
        scale = params.scales[str(name)]
        place = part["value"].map({float(c): i for i, c in enumerate(scale.codes)}).astype(float)
        first, last = good_from(scale, str(role))
        rows.loc[part.index, "place"] = place
        rows.loc[part.index, "codes"] = len(scale.codes)
        rows.loc[part.index, "good"] = labels(place.to_numpy(), len(scale.codes), good_from=first, bad_to=last)
    return rows[rows["place"].notna()].reset_index(drop=True)


def _guessed(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers without a scale: whole ones within one of the usual ranges; others say nothing we could trust."""
    value = rows["value"]
    ranges = [r for r in _RANGES if value.between(*r).all()] if (value % 1 == 0).all() else []
    if not ranges:
        return pd.DataFrame(columns=list(COLUMNS))
    low, high = ranges[0]
    codes = high - low + 1
    place = (value - low).astype(float)
    first = 1 if codes == 2 else codes - max(1, round(0.4 * codes))
    good = labels(place.to_numpy(), codes, good_from=first)
    return rows[["comment_id", "value"]].assign(
        item=BESIDE, role="", scale=f"{low}-{high}", place=place, codes=codes, good=good
    )
