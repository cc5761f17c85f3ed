"""Quotes: they stand for the topic, come from different people, are masked and always the same."""

from __future__ import annotations

import pandas as pd
import pytest

from cxlab.voice import quotes

LATE = [
    "The parcel came four days late and nobody told me why.", "I waited a week for my lamp, twice as long as promised.",
    "Delivery took far too long this time, call me on +1 202 555 0143.", "Late", "物流太慢了，等了整整一个星期才收到。",
    "My order was late again and the tracking page did not move.",
]  # fmt: skip
FAST = ["It arrived a day early, very pleased with the delivery.", "Quick delivery as always, thank you very much."]


def said(**more: list[object]) -> pd.DataFrame:
    texts = [*LATE, *FAST, "The price is fair for what you get."]
    n = len(texts)
    rows = {
        "comment_id": [f"c{i}" for i in range(n)],
        "clause": [0] * n,
        "start": [0] * n,
        "end": [len(t) for t in texts],
        "topic": ["delivery"] * (n - 1) + ["price"],
        "probability": [0.9, 0.85, 0.95, 0.99, 0.8, 0.7, 0.9, 0.85, 0.9],
        "text": texts,
        "whole": texts,
        "sentiment": [0.1] * 6 + [0.9] * 2 + [0.7],
        "customer": [f"p{i}" for i in range(n)],
        "language": ["zh" if "物" in t else "en" for t in texts],
        "period": ["2026Q3"] * n,
        "touchpoint": ["delivery"] * 6 + ["store"] * 3,
    }
    return pd.DataFrame(rows | more)


def test_two_sides_of_a_topic() -> None:
    chosen = quotes.choose(said())
    own = chosen[chosen["topic"] == "delivery"]
    assert list(own["other_side"]) == [False, False, False, True]
    assert set(own.loc[~own["other_side"], "comment_id"]) <= {f"c{i}" for i in range(6)} - {"c3"}, "a shred was quoted"
    assert "zh" in set(own["language"]), "the other language is heard too"
    assert own.iloc[-1]["text"] in FAST
    assert list(chosen["topic"].unique()) == ["delivery", "price"]
    assert not chosen["text"].str.contains("0143").any()


def test_the_side_of_the_finding_decides() -> None:
    chosen = quotes.choose(said(), topics=["delivery"], leaning={"delivery": 0.4})
    assert set(chosen.loc[~chosen["other_side"], "text"]) == set(FAST)
    assert chosen.iloc[-1]["comment_id"] in {f"c{i}" for i in range(6)}


def test_a_quote_says_what_the_finding_says() -> None:
    """Neither a clause of the other side, nor one in a text that is of the other side all in all, stands for it."""
    mixed = said(sentiment=[0.1, 0.1, 0.55, 0.1, 0.45, 0.1, 0.9, 0.9, 0.7])
    own = quotes.choose(mixed, topics=["delivery"], each=9, against=0, leaning={"delivery": -0.4})
    assert "c2" not in set(own["comment_id"])
    pleased = said(good=[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    own = quotes.choose(pleased, topics=["delivery"], against=0, leaning={"delivery": -0.4})
    assert "c1" not in set(own["comment_id"]), "who gave a good score stands for a complaint"
    around = said(
        comment_id=["c0"] * 2 + [f"c{i}" for i in range(2, 9)], topic=["delivery", "staff"] + ["delivery"] * 7
    )
    around["sentiment"] = [0.4, 0.95] + [0.1] * 4 + [0.9] * 3
    own = quotes.choose(around, topics=["delivery"], each=9, against=0, leaning={"delivery": -0.4})
    assert "c0" not in set(own["comment_id"]), "a text full of praise stands for a complaint"


def test_no_text_stands_under_two_topics() -> None:
    both = pd.concat([said(), said(topic=["staff"] * 9)], ignore_index=True)
    chosen = quotes.choose(both, topics=["delivery", "staff"])
    assert {"delivery", "staff"} <= set(chosen["topic"])
    assert not chosen["comment_id"].duplicated().any()


def test_the_order_of_rows_changes_nothing() -> None:
    first = quotes.choose(said(), topics=["delivery"])
    pd.testing.assert_frame_equal(first, quotes.choose(said().sample(frac=1, random_state=3), topics=["delivery"]))


def test_nobody_speaks_twice_and_no_words_come_twice() -> None:
    one = quotes.choose(said(customer=["p"] * 9), topics=["delivery"])
    assert len(one) == 1
    same = said(text=["The parcel came late!"] * 9, whole=["The parcel came late!"] * 9)
    assert len(quotes.choose(same, topics=["delivery"])) == 1


def test_unknown_tone_and_missing_columns() -> None:
    bare = said()[["comment_id", "clause", "topic", "probability", "text"]]
    chosen = quotes.choose(bare, topics=["delivery", "nothing"])
    assert len(chosen) == 3
    assert not chosen["other_side"].any()
    assert quotes.choose(bare.head(0)).empty


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_long_comment_is_cut_around_its_clause(language: str) -> None:
    filler = "Some words about nothing much here. " if language == "en" else "说了很多没什么关系的话。"
    clause = "the parcel came late" if language == "en" else "快递晚了三天才到"
    whole = filler * 20 + clause + ". " + filler * 20
    row = pd.Series({"text": clause, "whole": whole, "start": whole.index(clause), "end": whole.index(clause) + 20})
    shown = quotes.excerpt(row)
    assert clause in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) <= quotes.PAGE + 8


def test_no_half_of_a_number_is_left_at_a_cut() -> None:
    whole = "word " * 60 + "the parcel came late " + "call +1 202 555 0143 now " * 12
    at = whole.index("the parcel")
    assert "202" not in quotes.excerpt(pd.Series({"text": "the parcel", "whole": whole, "start": at, "end": at + 20}))


@pytest.mark.parametrize(
    ("sentiment", "good", "kept"),
    [
        ([0.9, 0.9], None, True),
        ([0.68, 0.68], None, False),  # hardly praise
        ([0.9, 0.39], None, False),  # the same text complains of the topic, too
        ([0.9, 0.9], 0.0, False),  # with a bad score
        ([0.9, 0.9], 1.0, True),
    ],
)
def test_what_says_otherwise_does_so_clearly(sentiment: list[float], good: float | None, kept: bool) -> None:
    """Waiting forty minutes is no praise because the words "customer service" are in it."""
    waits = "I was on hold with the customer service for 40 minutes and then the call was cut off."
    rows = said().head(6).assign(good=0.0, customer=None)
    one = rows.head(1).assign(comment_id="x", text=waits, whole=waits, probability=0.95, good=good)
    both = pd.concat([rows, *(one.assign(clause=k, sentiment=tone) for k, tone in enumerate(sentiment))])
    chosen = quotes.choose(both, topics=["delivery"], leaning={"delivery": -0.4})
    assert list(chosen.loc[chosen["other_side"], "comment_id"]) == (["x"] if kept else [])


def test_a_quote_offers_no_contact() -> None:
    shown = quotes.choose(said(), topics=["delivery"], each=9)["text"]
    assert "Delivery took far too long this time," in set(shown)
    for text, left in [
        ("The web shop crashed twice. Please call me on 0171 2318527.", "The web shop crashed twice."),
        ("My number is 0171 2318527, evenings only. It broke. It was late.", "It broke. It was late."),
        ("It broke. Please call me on 0171 2318527. It was late.", "It broke. … It was late."),
        ("物流太慢了。我的手机是13800138000，晚上有空。", "物流太慢了。"),
        ("Please call me on 0171 2318527.", "Please call me on [phone]."),
    ]:
        assert quotes.excerpt(pd.Series({"text": text, "whole": text})) == left
