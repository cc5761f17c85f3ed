"""Coherence and diversity against counts by hand, and words that name topics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxlab.voice.topics import coherence, counts

SAID = [["a", "b"], ["a", "b", "c"], ["a", "c"], ["d"], ["d", "c"], ["e", "e"]]


def test_npmi_is_that_of_the_formula():
    found = counts.Counts(counts._matrix(SAID, {w: i for i, w in enumerate("abcde")}), list("abcde"))
    value = coherence.npmi(found.matrix, found.words, [["a", "b"], ["a", "d"], ["a"], ["a", "b", "c"]])
    ab = math.log((2 / 6) / (3 / 6 * 2 / 6)) / -math.log(2 / 6)
    ac = math.log((2 / 6) / (3 / 6 * 3 / 6)) / -math.log(2 / 6)
    bc = math.log((1 / 6) / (2 / 6 * 3 / 6)) / -math.log(1 / 6)
    assert value[0] == pytest.approx(ab)
    assert value[1] == -1
    assert np.isnan(value[2])
    assert value[3] == pytest.approx((ab + ac + bc) / 3)


def test_words_that_always_stand_together_are_worth_one_and_independent_ones_nothing():
    random = np.random.default_rng(0)
    said = [["p", "q"] if x else ["z"] for x in random.random(4000) < 0.3]
    said = [[*s, *(["r"] if y else [])] for s, y in zip(said, random.random(4000) < 0.5, strict=True)]
    found = counts.Counts(counts._matrix(said, {w: i for i, w in enumerate("pqrz")}), list("pqrz"))
    value = coherence.npmi(found.matrix, found.words, [["p", "q"], ["p", "r"]])
    assert value[0] == pytest.approx(1)
    assert abs(value[1]) < 0.03


def test_diversity_is_the_share_of_different_words():
    assert coherence.diversity([["a", "b"], ["b", "c"]]) == 0.75
    assert math.isnan(coherence.diversity([]))


def test_words_are_counted_without_stop_words_and_banned_ones():
    found = counts.count([["the", "parcel", "was", "late"], ["parcel", "spam"]], "en", leave_out=["spam", "absent"])
    assert found.words == ["late", "parcel"]
    assert found.banned == {"spam"}
    assert found.of([["parcel", "parcel", "new"]]).toarray().tolist() == [[0, 2]]


def test_a_word_tells_a_topic_by_its_share_there_against_everywhere():
    value = counts.telling(np.array([[3.0, 1.0], [0.0, 4.0]]))
    assert value[0, 0] == pytest.approx(0.75 * math.log(0.75 / (3 / 8)))
    assert value[0, 1] < 0 == value[1, 0]
    assert value[1, 1] == pytest.approx(math.log(1 / (5 / 8)))


def test_repeated_words_count_once_a_clause_and_praise_names_a_topic_only_alone():
    said = [["parcel", "parcel", "parcel", "great"], ["parcel", "late"], ["great"], ["great", "good"]]
    found = counts.count(said, "en")
    by = counts.by_topic(found, np.array([0, 0, 1, 1]), 2)
    assert by[0, found.words.index("parcel")] == 2
    assert counts.keywords(found, by, "en")[0] == ["parcel", "late"]
    assert set(counts.keywords(found, by, "en")[1]) == {"great", "good"}
