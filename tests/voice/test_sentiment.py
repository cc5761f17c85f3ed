"""Sentiment learnt from scores: better than chance on what it has not seen, honest about it, a word list elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import ModelError
from cxlab.synthetic.words import bank
from cxlab.voice import sentiment, words


def comments(language: str, n: int, seed: int, *, content: float = 0.6) -> tuple[list[str], np.ndarray]:
    """Comments of one to three sentences of one tone from the bank, a tenth scored against their tone."""
    random = np.random.default_rng(seed)
    sentences = {
        tone: [s for (_, t, code), lines in bank().items() if t == tone and code == language for s in lines]
        for tone in ("good", "bad")
    }
    good = random.random(n) < content
    texts = [
        " ".join(random.choice(sentences["good" if g else "bad"], random.integers(1, 4)))
        .replace("{", "")
        .replace("}", "")
        for g in good
    ]
    return texts, np.where(random.random(n) < 0.1, ~good, good).astype(float)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tones_are_learnt_and_the_promise_is_kept(language: str) -> None:
    texts, good = comments(language, 700, 1)
    one = sentiment.fit(texts[:500], good[:500], language, seed=1)
    p = one.predict(texts[500:])
    seen = float(((p > 0.5) == good[500:]).mean())
    assert one.method == "rated"
    assert one.accuracy > 0.83  # nine in ten is the most that can be had
    assert abs(seen - one.accuracy) < 0.07
    assert one.auc > 0.85
    sure = (p > 0.8) | (p < 0.2)
    assert 0.8 < ((p > 0.5) == good[500:])[sure].mean() <= 1.0
    assert abs(p.mean() - good[500:].mean()) < 0.07


def test_a_complaint_of_the_content_is_a_complaint() -> None:
    random = np.random.default_rng(7)
    lines = {
        tone: [s for (_, t, code), found in bank().items() if t == tone and code == "en" for s in found if "{" not in s]
        for tone in ("good", "bad")
    }
    texts, good = [], []
    for _ in range(900):
        content = random.random() < 0.88
        tones = random.random(random.integers(1, 4)) < (0.65 if content else 0.2)  # the content complain, too
        texts.append(" ".join(random.choice(lines["good" if t else "bad"]) for t in tones))
        good.append(float(content))
    one = sentiment.fit(texts, np.array(good), "en", seed=1)
    clauses = lines["good"] + lines["bad"]
    praise = np.arange(len(clauses)) < len(lines["good"])
    tone, plain = one.tone(clauses), one.predict(clauses)
    assert ((tone > 0.5) == praise).mean() > 0.8
    assert plain[~praise].mean() > 0.5  # of a comment that complains, the writer is still likelier content
    assert tone[praise].mean() - tone[~praise].mean() > 0.2


@pytest.mark.parametrize("content", [0.16, 0.84])
def test_comments_are_calibrated_to_few_or_many_good_ones_and_clauses_drawn_to_one_half(content: float) -> None:
    texts, good = comments("en", 1200, 5, content=content)
    one = sentiment.fit(texts[:700], good[:700], "en", seed=1)
    p, tone = one.predict(texts[700:]), one.tone(texts[700:])
    seen = good[700:].mean()
    assert abs(p.mean() - seen) < 0.05
    assert abs(tone.mean() - 0.5) < abs(p.mean() - 0.5) - 0.05  # which the page says under its shares


def test_of_scores_that_say_nothing_nothing_is_learnt() -> None:
    texts, good = comments("en", 500, 2)
    shuffled = np.random.default_rng(0).permutation(good)
    one = sentiment.fit(texts, shuffled, "en", seed=1)
    assert abs(one.auc - 0.5) < 0.08
    p = one.predict(texts)
    assert p.std() < 0.12  # calibrated: nearly the share of good ones for every text


def test_copies_and_customers_are_never_on_both_sides() -> None:
    random = np.random.default_rng(3)
    known = [f"word{i}" for i in range(400)]
    own = [" ".join(random.choice(known, 8)) for _ in range(60)]
    texts, good = own * 5, np.tile(random.random(60) < 0.5, 5).astype(float)
    assert sentiment.fit(texts, good, "en").auc < 0.65  # copies would be told by heart
    mixed = [f"{t} {random.choice(known)}" for t in texts]
    whose = np.tile(np.arange(60), 5)
    assert sentiment.fit(mixed, good, "en").auc > 0.9
    assert sentiment.fit(mixed, good, "en", groups=whose).auc < 0.65


def test_without_scores_a_word_list_judges_and_says_so() -> None:
    one = sentiment.fit(["fine", "bad"], np.array([np.nan, np.nan]), "en")
    assert one.method == "lexicon"
    assert np.isnan(one.accuracy)
    p = one.predict(["Great service, friendly staff", "not good at all", "It arrived on Monday", ""])
    assert p[0] > 0.7 > 0.5 > p[1]
    assert p[2] == p[3] == 0.5
    p = words.judged(words.tokens(["质量很好，服务热情", "质量不好", "太慢了，很失望"], "zh"), "zh")
    assert p[0] > 0.7 > 0.5 > max(p[1], p[2])
    assert sentiment.fit(["bom"], np.array([1.0]), "pt").method == "none"
    assert np.isnan(sentiment.fit(["bom"], np.array([1.0]), "pt").predict(["bom"])).all()


def test_the_word_list_is_checked_where_a_few_scores_are() -> None:
    texts, good = comments("en", 60, 4)
    one = sentiment.fit(texts, good, "en")
    assert one.method == "lexicon"
    assert one.n == 60
    assert 0.5 < one.accuracy <= 1.0


def test_middling_scores_are_left_out() -> None:
    places = np.array([0, 1, 2, 3, 4, np.nan])
    np.testing.assert_array_equal(sentiment.labels(places, 5, good_from=3), [0, 0, np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(
        sentiment.labels(np.arange(11.0), 11, good_from=9, bad_to=6)[[6, 7, 8, 9]], [0, np.nan, np.nan, 1]
    )
    np.testing.assert_array_equal(sentiment.labels(np.array([0.0, 1.0]), 2, good_from=1), [0, 1])


def test_arguments_that_do_not_fit_are_told() -> None:
    with pytest.raises(ModelError, match="as many scores"):
        sentiment.fit(["a"], np.array([]), "en")
    with pytest.raises(ModelError, match=r"(?s)1 \(good\), 0 \(bad\).*as many groups"):
        sentiment.fit(["a"], np.array([3.0]), "en", groups=[])
    assert sentiment.fit([], np.array([]), "en").method == "lexicon"


def test_reviews_with_stars_are_judged_as_well_as_by_a_tuned_model(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "zh_reviews" / "waimai_10k.parquet").sample(3000, random_state=1)
    texts, good = table["review"].astype(str).tolist(), table["label"].to_numpy(float)
    one = sentiment.fit(texts[:2400], good[:2400], "zh")
    assert ((one.predict(texts[2400:]) > 0.5) == good[2400:]).mean() > 0.85


def test_one_text_in_many_copies_cannot_be_learnt_from():
    copies = ["Very good service and fast delivery"] * 60
    good = np.tile([1.0, 0.0], 30)
    assert sentiment.fit(copies, good, "en").method == "lexicon"
    two = copies[:30] + ["Slow and rude, never again please"] * 30
    found = sentiment.fit(two, np.repeat([1.0, 0.0], 30), "en")
    assert found.method == "lexicon"
    assert np.isfinite(found.predict(two[:1])).all()
