"""Rows of experiences: nothing later than the answer, words of ratings, bad sides of outcomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from journey_files import unit

from cxlab import connect
from cxlab.inference import experiences
from cxlab.params.models import Params, Scale
from cxlab.runs import UnitData


@pytest.mark.parametrize(
    ("codes", "satisfied", "expected"),
    [
        ([1, 2, 3, 4, 5], 4, (1, 3)),
        ([1, 2, 3, 4, 5], None, (1, 3)),
        (list(range(11)), 9, (3, 9)),
        ([1, 2, 3, 4, 5, 6, 7], 5, (2, 4)),
        ([0, 1], None, (0, 1)),
        ([1, 2, 3], 2, (0, 1)),
    ],
)
def test_bad_is_the_lower_two_fifths_and_good_what_satisfies(
    codes: list[int], satisfied: int | None, expected: tuple[int, int]
) -> None:
    assert experiences.edges(Scale(codes=codes, satisfied_from=satisfied)) == expected


def test_a_question_on_one_touchpoint_does_not_stand_for_the_whole(tmp_path: Path) -> None:
    item = {"scale": "five", "role": "overall"}
    ratings = {"from": "answers", "items": {
        "parcel": item | {"column": "speed", "touchpoint": "delivery"}, "whole": item | {"column": "overall"},
    }}  # fmt: skip
    _, params = unit(tmp_path, answers=["r1,ann,2025-03-10,,4,2,", "r2,bob,2025-03-10,,,2,"])
    own = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    own["tables"]["ratings"] = ratings
    params = Params.model_validate(own)
    store = connect.open_store(connect.build(params, tmp_path / "again"))
    asked = experiences.question(UnitData(store, "one", "2025"), params)
    assert asked is not None
    assert asked.item == "whole"


def test_an_interaction_counts_only_if_it_was_before_the_answer(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        answers=[
            "r1,ann,2025-03-10,,4,2,",
            "r2,bob,2025-03-10,o7,2,1,",
            "r3,cid,2025-03-10,,3,3,",
            "r4,dora,2025-03-10,,5,5,",
        ],
        met=[
            "i1,ann,2025-03-09,delivery,,true",  # the day before
            "i2,ann,2025-03-10,delivery,,false",  # the same day: nobody knows
            "i3,ann,2025-03-11,delivery,,false",  # later
            "i4,bob,2025-01-02,delivery,o7,true",  # the answer's own order, long ago
            "i5,bob,2025-03-08,delivery,,false",  # another order
            "i6,cid,2024-10-01,delivery,,true",  # too long ago
            "i7,dora,2025-03-01,delivery,,true",
            "i8,dora,2025-03-02,delivery,,false",  # the last one counts
        ],
    )
    asked = experiences.question(data, params)
    assert asked is not None
    said = experiences.answers(data, params, asked)
    met = experiences.met_before(data, said).set_index("response_id")["happened"]
    assert met.to_dict() == {"r1": True, "r2": True, "r4": False}


def test_answers_given_before_the_outcome_are_told_from_too_few(tmp_path: Path) -> None:
    answers = [f"r{k},c{k},2025-03-10,o{k},4,," for k in range(80)]
    met = [f"i{k},c{k},2025-03-{20 if k < 40 else 1:02d},delivery,o{k},{str(k < 40).lower()}" for k in range(80)]
    data, _ = unit(tmp_path, answers=answers, met=met)
    assert experiences.asked_too_early(data, least=30)
    assert not experiences.asked_too_early(data, least=41)  # too few late ones, whenever they were asked


def test_ratings_of_a_touchpoint_are_averaged_and_named(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path, answers=["r1,ann,2025-03-10,,4,2,1", "r2,bob,2025-03-10,,4,,5", "r3,cid,2025-03-10,,4,9,3"]
    )
    said = pd.Series(["r3", "r1", "r2"])
    places, words = experiences.rated(data, params, said)
    assert list(words.columns) == ["web", "delivery"]  # the order of the stages
    assert words["web"].tolist() == ["middling", "bad", "good"]
    assert words["delivery"].tolist() == ["unknown", "bad", "unknown"]  # 9 is refused
    assert places["web"].tolist() == [0.5, 0.0, 1.0]


def test_the_bad_side_of_an_outcome_is_learned_and_all_are_kept() -> None:
    rows = []
    for i in range(400):
        rows.append((f"r{i}", "service", "solved", i % 2 == 0, 3 if i % 2 == 0 and i % 5 else 1))
        rows.append((f"r{i}", "delivery", "blue", i % 3 == 0, 3 if i % 2 == 0 and i % 5 else 1))
    table = pd.DataFrame(rows, columns=["response_id", "touchpoint", "outcome", "happened", "y"])
    said = table[["response_id", "y"]].drop_duplicates()
    sides, clear = experiences.worse_side(table.drop(columns="y"), said, success=2)
    assert sides == {("service", "solved"): "not solved", ("delivery", "blue"): "blue"}
    assert clear == {("service", "solved")}
    few = table[table["response_id"].isin([f"r{i}" for i in range(20)])].drop(columns="y")
    assert experiences.worse_side(few, said, success=2) == ({}, set())
