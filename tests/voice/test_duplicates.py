"""Floods: five in a hundred planted texts are found, honest short texts are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.synthetic import words as bank
from cxlab.voice import duplicates

WORDS = [
    *("kettle", "coat", "lamp", "duvet", "pan", "backpack", "shelf", "chair", "mug", "towel", "sofa", "desk", "clock"),
    *("broke", "shone", "leaked", "smelled", "fitted", "faded", "rattled", "glowed", "bent", "arrived", "tore"),
    *("kitchen", "garden", "office", "hall", "attic", "bedroom", "cabin", "school", "garage"),
]
HONEST = ("good", "Great!", "very good", "ok", "很好", "不错", "质量很好", "love it")


def honest(rng: np.random.Generator, n: int) -> list[str]:
    """Half short and said again and again, half long and each in its own words."""
    long = [" ".join(rng.choice(WORDS, 14)) for _ in range(n // 2)]
    return long + [str(t) for t in rng.choice(HONEST, n - n // 2)]


def planted(rng: np.random.Generator, n: int) -> list[str]:
    """Three pasted texts, every second time with a word, a sign or an emoji changed."""
    out = []
    for k in range(n):
        text = (
            "Best shop ever, five stars, everybody should order here today!",
            "这家店真的太好了，五星好评，大家快来买吧，绝对不会后悔的！",
            "I bought three of these lamps for my family and all of them are simply wonderful",
        )[k % 3]
        if rng.random() < 0.5:
            at = int(rng.integers(len(text)))
            text = text[:at] + str(rng.choice(["!!", " 👍", "xx", "～"])) + text[at + 2 :]
        out.append(text.upper() if rng.random() < 0.2 else text)
    return out


def frame(texts: list[str], ids: str = "c", **more: object) -> pd.DataFrame:
    return pd.DataFrame({"comment_id": [f"{ids}{i}" for i in range(len(texts))], "text": texts, **more})


@pytest.mark.parametrize("dated", [False, True])
def test_planted_five_percent_are_found_and_nothing_else(dated: bool) -> None:
    rng = np.random.default_rng(1)
    n, bad = 3800, 200
    comments = pd.concat([frame(honest(rng, n)), frame(planted(rng, bad), "p")], ignore_index=True)
    if dated:
        comments["date"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 180, len(comments)), "D")
    found = duplicates.find(comments.sample(frac=1, random_state=2))
    hits = found["comment_id"].str.startswith("p").sum()
    assert hits >= 0.95 * bad
    assert hits >= 0.98 * len(found)
    assert set(found["kind"]) == {"copy", "near_copy"}
    assert len(duplicates.repeats(found)) == len(found) - found["flood"].nunique()


def test_honest_texts_are_no_flood() -> None:
    rng = np.random.default_rng(3)
    comments = frame(
        honest(rng, 4000), date=pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 60, 4000), "D")
    )
    assert duplicates.find(comments).empty


def test_a_short_text_is_a_flood_when_it_falls_on_one_day() -> None:
    rng = np.random.default_rng(4)
    day = pd.Timestamp("2026-03-01")
    comments = frame(honest(rng, 600), date=day + pd.to_timedelta(rng.integers(0, 60, 600), "D"))
    pasted = frame(["Superb prices"] * 12, "p", date=day + pd.Timedelta(9, "D"))
    spread = frame(["Nice towels"] * 12, "s", date=[day + pd.Timedelta(5 * k, "D") for k in range(12)])
    found = duplicates.find(pd.concat([comments, pasted, spread]))
    assert set(found["comment_id"]) == set(pasted["comment_id"])
    assert list(found["first"]) == [True] + [False] * 11


def test_phrases_everybody_uses_are_no_flood() -> None:
    sentences = [s for (_, _, language), said in bank.bank().items() if language == "en" for s in said if "{" not in s]
    rng = np.random.default_rng(5)
    comments = frame([str(t) for t in rng.choice(sentences, 3000)])
    assert len(duplicates.find(comments)) <= 0.005 * 3000


def test_a_burst_is_one_customer_with_many_texts_in_a_day_and_a_chat_is_one() -> None:
    texts = ["late", "broken", "no answer at all", "rude", "wrong size", "never again"]
    day = pd.Timestamp("2026-02-02")
    angry = frame(texts, customer="a1", date=day)
    chat = frame(texts, "t", customer="a2", date=day, conversation="k1")
    slow = frame(texts, "s", customer="a3", date=[day + pd.Timedelta(k, "D") for k in range(6)])
    unknown = frame(texts, "u", customer=None, date=day)
    found = duplicates.find(pd.concat([angry, chat, slow, unknown]))
    assert set(found["comment_id"]) == set(angry["comment_id"])
    assert set(found["kind"]) == {"burst"}


def test_agents_answer_in_set_phrases() -> None:
    phrase = "Thank you for contacting us, how can I help you today?"
    said = frame(honest(np.random.default_rng(6), 900), speaker="customer")
    assert duplicates.find(pd.concat([said, frame([phrase] * 50, "a", speaker="agent")])).empty
    assert len(duplicates.find(pd.concat([said, frame([phrase] * 50, "a", speaker="customer")]))) == 50


@pytest.mark.parametrize("texts", [[], [None], ["", " "], ["ok"], ["👍"] * 20, ["a" * 5000] * 2])
def test_odd_inputs(texts: list[str]) -> None:
    found = duplicates.find(frame(texts))
    assert found.empty
    assert list(found.columns) == list(duplicates.FLOOD_COLUMNS)
