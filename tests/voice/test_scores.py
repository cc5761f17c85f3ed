"""Which score came with a comment, and what is good or bad of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from cxlab.params.models import Scale
from cxlab.voice import mentions

SCALES = {
    "five": Scale(codes=[1, 2, 3, 4, 5], satisfied_from=4),
    "turned": Scale(codes=[5, 4, 3, 2, 1]),
    "recommend": Scale(codes=list(range(11))),
}


def found(comments: list[tuple[Any, ...]], ratings: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Scores by comment."""
    tables = {
        "comments": pd.DataFrame(comments, columns=["comment_id", "response_id", "source", "rating"]),
        "ratings": pd.DataFrame(ratings, columns=["response_id", "item", "role", "scale", "touchpoint", "value"]),
    }
    types = {"rating": "float", "value": "float", "touchpoint": "string", "response_id": "string"}
    con = duckdb.connect()
    for name, table in tables.items():
        con.register(name, table.astype({k: v for k, v in types.items() if k in table}))
    data: Any = SimpleNamespace(sql=lambda query: con.sql(query).df())
    params: Any = SimpleNamespace(scales=SCALES)
    return mentions.scores_of(data, params).set_index("comment_id")


def test_the_overall_answer_goes_before_recommendation() -> None:
    table = found(
        [("c1", "r1", "s", None), ("c2", "r2", "s", None), ("c3", None, "s", None)],
        [
            ("r1", "nps", "nps", "recommend", None, 2),
            ("r1", "overall", "overall", "five", None, 5),
            ("r1", "staff", "attribute", "five", "store", 1),
            ("r2", "nps", "nps", "recommend", None, 7),
            ("r2", "overall", "overall", "five", None, None),
        ],
    )
    assert list(table.index) == ["c1", "c2"]
    assert list(table["item"]) == ["overall", "nps"]
    assert list(table["place"]) == [4, 7]
    assert table.loc["c1", "good"] == 1
    assert np.isnan(table.loc["c2", "good"])  # a passive is neither


def test_codes_from_best_to_worst_are_turned() -> None:
    table = found([("c", "r", "s", None)], [("r", "q", "overall", "turned", None, 5)])
    assert table.loc["c", "place"] == 0
    assert table.loc["c", "good"] == 0


@pytest.mark.parametrize(
    ("values", "scale"), [([1, 3, 5], "1-5"), ([0, 1, 1], "0-1"), ([0, 7, 10], "0-10"), ([2.5, 3], "")]
)
def test_numbers_beside_texts_lie_in_the_narrowest_usual_range(values: list[float], scale: str) -> None:
    table = found([(f"c{i}", None, "shop", v) for i, v in enumerate(values)], [])
    assert list(table["scale"].unique()) == ([scale] if scale else [])


def test_a_number_that_the_questionnaire_refused_is_no_score() -> None:
    table = found([("c1", "r1", "s", 5), ("c2", "r2", "s", 7)], [("r1", "overall", "overall", "five", None, 5)])
    assert list(table.index) == ["c1"]
    assert found([], []).empty
