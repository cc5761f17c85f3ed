"""Counting texts: the same text is the same row whatever else is counted, kinds and languages."""

from __future__ import annotations

import numpy as np

from cxlab.voice.text import ngrams

TEXTS = ["The delivery was late!", "the delivery was LATE !", "Staff didn’t help, staff did not care", "😡", "", "late"]


def test_signs_case_and_apostrophes_do_not_matter_and_emoji_do() -> None:
    words = ngrams.vocabulary(TEXTS, "en", least=1)
    x = ngrams.matrix(TEXTS, words)
    assert abs(x[0] - x[1]).sum() == 0
    lengths = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 0, 1], atol=1e-6)
    assert ngrams.plain("Didn’t 很好！😡") == "didnt 很好 ! 😡"


def test_a_text_is_the_same_row_in_any_company() -> None:
    words = ngrams.vocabulary(TEXTS, "en", least=1)
    together = ngrams.matrix(TEXTS, words)
    alone = [ngrams.matrix([t], words) for t in TEXTS]
    for i, row in enumerate(alone):
        assert abs(together[i] - row).sum() < 1e-6


def test_features_are_those_a_plain_count_finds() -> None:
    words = ngrams.vocabulary(["ab abc ab"], "en", least=1)
    # words ab and abc, two pairs; runs of three to five characters, the edges of words counted
    assert (words.kind == 0).sum() == 4
    assert (words.kind == 1).sum() == 8
    chinese = ngrams.vocabulary(["很好，很快"], "zh", least=1)
    assert len(chinese.key) == 3 + 2  # 很 好 快, 很好 很快: no run crosses a comma


def test_rare_features_are_left_out_and_nothing_is_no_error() -> None:
    assert len(ngrams.vocabulary(["ab c", "ab d"], "en").key) == 4  # the word ab, and " ab", "ab ", " ab "
    none = ngrams.vocabulary([], "en")
    assert ngrams.matrix(["a"], none).shape == (1, 0)
    assert ngrams.matrix([], none).shape == (0, 0)
