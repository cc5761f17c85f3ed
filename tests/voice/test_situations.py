"""Situations: told ones are found at their place, phrases that mean something else are not."""

from __future__ import annotations

import pandas as pd
import pytest

from cxlab.voice import clauses, mentions


def found(text: str, language: str | None = None) -> set[str]:
    cut = clauses.split(pd.DataFrame({"comment_id": ["c"], "text": [text], "language": [language]}))
    return set(mentions.situations_of(cut.clauses)["situation"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I wear it every day at work.", {"daily", "work"}),
        ("Bought as a birthday present for my husband.", {"gift", "partner"}),
        ("We ordered online at the weekend.", {"online", "weekend"}),
        ("Perfect for a picnic with my friends in the summer", {"outdoors", "friends", "season"}),
        ("My 3-year-old loves it", {"children"}),
        ("I needed it fast because my parents came for Christmas", {"urgent", "family", "holiday"}),
        ("周末和朋友露营用的", {"weekend", "friends", "outdoors"}),
        ("给女朋友买的生日礼物", {"partner", "gift"}),
        ("出差的时候每天都用", {"travel", "daily"}),
        ("小朋友很喜欢", {"children"}),
        ("晚上在家看电影", {"evening", "home"}),
    ],
)
def test_what_is_told_is_found(text: str, told: set[str]) -> None:
    assert found(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "It works well and the homepage is good.", "The online-only colour", "Great quality!",
        "The friendly staff helped", "Is this the weekender bag?",
        "男朋友圈", "宝贝收到了，质量很好", "母亲节", "presents itself well",
    ],
)  # fmt: skip
def test_words_that_only_look_alike_are_not(text: str) -> None:
    assert not found(text) - {"holiday", "partner"}


def test_places_are_those_of_the_comment() -> None:
    text = "Nice bag. I take it to the office and I use it every day."
    rows = mentions.situations_of(clauses.split(pd.DataFrame({"comment_id": ["c"], "text": [text]})).clauses)
    assert [text[a:b] for a, b in zip(rows["start"], rows["end"], strict=True)] == ["to the office", "every day"]
    assert list(rows["kind"]) == ["where", "for"]


def test_every_situation_has_a_kind_and_phrases_in_both_languages() -> None:
    assert set(mentions.situation_kinds().values()) == set(mentions.KINDS)
    for entry in mentions._phrases().values():
        assert set(entry) == {"kind", *mentions.PHRASED}


def test_no_clauses() -> None:
    nothing = clauses.split(pd.DataFrame({"comment_id": [], "text": []})).clauses
    assert list(mentions.situations_of(nothing).columns) == list(mentions.SITUATION_COLUMNS)
