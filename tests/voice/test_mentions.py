"""What a unit's comments mention: every comment counted once, the score most of them have, nothing from outside."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from cxlab.params.models import Scale
from cxlab.voice import mentions
from cxlab.voice.mentions import Heard

PARAMS: Any = SimpleNamespace(
    scales={
        "five": Scale(codes=[1, 2, 3, 4, 5]),
        "turned": Scale(codes=[5, 4, 3, 2, 1]),
        "ten": Scale(codes=list(range(11))),
    }
)


def world(
    n: int = 120, *, item: str = "overall", role: str = "overall", scale: str = "five"
) -> tuple[pd.DataFrame, ...]:
    """Comments of two periods and two touchpoints; delivery in each second one, staff in each third."""
    ids = [f"c{i}" for i in range(n)]
    comments = pd.DataFrame(
        {
            "comment_id": ids,
            "customer": [f"k{i // 2}" for i in range(n)],
            "period": np.where(np.arange(n) < n // 2, "2026Q1", "2026Q2"),
            "touchpoint": [None if i % 10 == 0 else "store" if i % 3 else "web" for i in range(n)],
            "source": "survey",
            "brand": "alder",
        }
    )
    clauses = pd.DataFrame(
        [(c, "delivery" if i % 2 == 0 else None, 0.2, "en") for i, c in enumerate(ids)]
        + [(c, "staff", 0.9, "en") for i, c in enumerate(ids) if i % 3 == 0],
        columns=["comment_id", "topic_id", "sentiment", "language"],
    )
    k = len(PARAMS.scales[scale].codes)
    scores = pd.DataFrame({"comment_id": ids, "item": item, "role": role, "scale": scale, "place": np.arange(n) % k})
    return comments, clauses, scores.assign(codes=k)


def of(comments: pd.DataFrame, clauses: pd.DataFrame, scores: pd.DataFrame, **more: Any) -> Heard:
    return mentions.of(comments, clauses, scores, params=PARAMS, periods=("2026Q1", "2026Q2"), **more)


def test_comments_are_counted_once_and_those_without_topic_are_no_mention() -> None:
    comments, clauses, scores = world()
    found = of(comments, pd.concat([clauses, clauses]), scores)
    assert found.topics == ["delivery", "staff"]
    assert found.mention["delivery"].sum() == 60
    assert found.counts(np.ones(120, bool)).sum() == found.comments["told"].sum() == 80
    assert found.counts(found.mention["staff"].to_numpy()).sum() == 40
    assert found.places == ["(unknown)", "store", "web"]
    assert found.tone["staff"].dropna().eq(0.9).all()
    assert found.scored is not None
    assert found.scored.topics == ("delivery", "staff")
    assert (found.item, found.metric, found.n_scored) == ("overall", "mean", 120)


def test_comments_of_other_units_and_later_periods_stay_out() -> None:
    comments, clauses, scores = world()
    found = mentions.of(comments[comments["touchpoint"] == "web"], clauses, scores, params=PARAMS, periods=("2026Q1",))
    assert set(found.comments["period"]) == {"2026Q1"}
    assert set(found.comments["touchpoint"]) == {"web"}


def test_a_recommendation_is_told_in_points_of_the_net_promoter_score() -> None:
    found = of(*world(item="nps", role="nps", scale="ten"))
    assert found.metric == "nps"
    assert found.scored is not None
    assert found.scored.values.tolist() == [-100] * 7 + [0] * 2 + [100] * 2


def test_up_is_good_also_where_the_best_code_is_the_lowest() -> None:
    found = of(*world(scale="turned"))
    assert found.scored is not None
    assert found.scored.values.tolist() == [1, 2, 3, 4, 5]


def test_the_scale_that_most_are_scored_on_is_taken_and_the_rest_counted() -> None:
    comments, clauses, scores = world()
    other = scores.iloc[:20].assign(item="nps", role="nps", scale="ten", codes=11)
    found = of(comments, clauses, pd.concat([other, scores.iloc[20:]]))
    assert (found.item, found.n_scored, found.left_out) == ("overall", 100, 20)


def test_too_few_scores_give_shares_and_a_reason() -> None:
    comments, clauses, scores = world()
    assert "only 10 comments" in of(comments, clauses, scores.iloc[:10]).reason
    assert "same" in of(comments, clauses, scores.assign(place=3)).reason
    assert of(comments, clauses, scores.iloc[:0]).scored is None
    silent = of(comments, clauses.assign(topic_id=None), scores)
    assert silent.topics == []
    assert "no topic" in silent.reason
    assert of(comments.iloc[:0], clauses, scores).comments.empty


def test_situations_are_columns_of_the_same_model() -> None:
    comments, clauses, scores = world()
    told = pd.DataFrame({"comment_id": [f"c{i}" for i in range(0, 120, 4)], "situation": "gift"})
    found = of(comments, clauses, scores, situations=told)
    assert found.situation["gift"].sum() == 30
    assert found.scored is not None
    assert found.scored.situations == ("gift",)
