"""Coherence and diversity against counts by hand, words that name topics, words that stand everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxlab.voice import keywords

SAID = [["aa", "bb"], ["aa", "bb", "cc"], ["aa", "cc"], ["dd"], ["dd", "cc"], ["ee", "ee"]]


def test_npmi_is_that_of_the_formula():
    found = keywords.count(SAID, ["pt"] * 6)
    value = keywords.npmi(
        found, [{"pt": ["aa", "bb"]}, {"pt": ["aa", "dd"]}, {"pt": ["aa"]}, {"pt": ["aa", "bb", "cc"]}]
    )
    ab = math.log((2 / 6) / (3 / 6 * 2 / 6)) / -math.log(2 / 6)
    ac = math.log((2 / 6) / (3 / 6 * 3 / 6)) / -math.log(2 / 6)
    bc = math.log((1 / 6) / (2 / 6 * 3 / 6)) / -math.log(1 / 6)
    assert value[0] == pytest.approx(ab)
    assert value[1] == -1
    assert np.isnan(value[2])
    assert value[3] == pytest.approx((ab + ac + bc) / 3)


def test_diversity_is_the_share_of_different_words():
    assert keywords.diversity([["a", "b"], ["b", "c"]]) == 0.75
    assert math.isnan(keywords.diversity([]))


def test_words_are_counted_by_language_without_stop_words_and_banned_ones():
    said = [["the", "parcel", "was", "late"], ["parcel", "spam"], ["parcel"]]
    found = keywords.count(said, ["en", "en", "de"], leave_out=["spam", "absent"])
    assert found.words == ["late", "parcel", "parcel"]
    assert found.spoken.tolist() == [0, 0, 1]
    assert (found.languages, found.sizes, found.banned) == (("en", "de"), (2, 1), {"spam"})
    assert found.matrix.toarray().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_a_word_names_a_topic_by_its_share_there_against_all_and_against_its_siblings():
    said = np.array([[3.0, 1.0, 0.0], [3.0, 0.0, 1.0]])
    alone, siblings = keywords.naming(said, np.array([0, 1])), keywords.naming(said, np.array([0, 0]))
    assert alone[0, 0] == pytest.approx(0.75 * math.log1p(4 / 6))
    assert siblings[0, 0] < alone[0, 0]
    assert siblings[0, 1] == pytest.approx(0.25 * math.log1p(4))
    assert siblings[0, 1] > siblings[0, 0]  # both topics of the theme have the first word


def test_repeated_words_count_once_a_clause_and_praise_names_a_topic_only_alone():
    said = [["parcel", "parcel", "parcel", "great"], ["parcel", "late"], ["great"], ["great", "good"]]
    found = keywords.count(said, ["en"] * 4)
    by = keywords.by_topic(found, np.array([0, 0, 1, 1]), 2)
    assert by[0, found.words.index("parcel")] == 2
    assert keywords.keywords(found, by)[0] == {"en": ["parcel", "late"]}
    assert set(keywords.keywords(found, by)[1]["en"]) == {"great", "good"}


def test_names_that_texts_carry_whatever_they_speak_of_are_found():
    random = np.random.default_rng(0)
    topics = [[f"word{chr(97 + t)}{chr(97 + i)}" for i in range(12)] for t in range(8)]
    texts = [set(random.choice(topics[random.integers(8)], 5)) for _ in range(2000)]
    carried = [text | {"alder"} if random.random() < 0.4 else text for text in texts]
    assert keywords.everywhere(carried, "en") == {"alder"}
    assert not keywords.everywhere(texts, "en")
    assert not keywords.everywhere(carried[:100], "en")  # too few to know
