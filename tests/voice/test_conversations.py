"""Chats: the agent's turns are left out, outcomes are joined, and a topic of unsolved chats is told from others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.voice import clauses, conversations

CHAT = (
    "Agent: Hello, how can I help?\nCustomer: My parcel is late. The box was wet.\nAgent: I am sorry.\n"
    "Customer: Refund me"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CHAT, ["My parcel is late. The box was wet.\n", "Refund me"]),
        ("[10:02] 客服小王：您好，请问有什么可以帮您？\n[10:03] 顾客：快递太慢了\n", ["快递太慢了\n"]),
        ("Visitor 12: it broke. Support (Ann): which one? Visitor 12: the lamp", ["it broke. ", "the lamp"]),
        ("It never came.\nAgent: order number?\nUser: W12", ["It never came.\n", "W12"]),
    ],
)
def test_turns_in_one_text(text: str, said: list[str]) -> None:
    found = conversations.turns(text)
    assert [text[a:b] for who, a, b in found if who == "customer"] == said
    assert {who for who, *_ in found} == {"agent", "customer"}


@pytest.mark.parametrize(
    "text",
    [
        "Customer service: terrible. Price: fine.",
        "Support: none at all!",
        "Time 10:30: still nothing",
        "客服：态度很差",
        "",
    ],
)
def test_a_text_with_a_colon_is_no_chat(text: str) -> None:
    assert conversations.turns(text) == []


def test_agents_words_are_never_modelled() -> None:
    comments = pd.DataFrame(
        {
            "comment_id": ["whole", "row", "bot"],
            "text": [CHAT, "my lamp broke", "How can I help you?"],
            "speaker": ["customer", "customer", "agent"],
        }
    )
    cut = clauses.split(comments)
    assert list(cut.clauses["text"]) == ["My parcel is late.", "The box was wet.", "Refund me", "my lamp broke"]
    whole = cut.clauses[cut.clauses["comment_id"] == "whole"]
    assert all(CHAT[a:b] == t for a, b, t in zip(whole["start"], whole["end"], whole["text"], strict=True))
    assert list(cut.rejected.itertuples(index=False)) == [("bot", "agent")]


def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    comments = pd.DataFrame(
        {
            "comment_id": ["t1", "t2", "t3", "c9", "n1"],
            "conversation": ["k1", "k1", "k2", None, None],
            "speaker": ["customer", "agent", "customer", "customer", "customer"],
            "text": ["late", "sorry", "broken", CHAT, "a review"],
            "customer": ["p1", None, "p2", "p3", "p4"],
            "brand": "b",
            "period": "2026Q1",
            "date": pd.Timestamp("2026-01-01"),
        }
    )
    contacts = pd.DataFrame(
        {"interaction_id": ["k1", "x", "c9"], "link": [None, "k2", None], "outcome:solved": [True, False, None]}
    )
    return comments, contacts


def test_conversations_take_over_the_outcomes_of_their_contacts() -> None:
    found = conversations.conversations(*made()).set_index("conversation")
    assert list(found.index) == ["k1", "k2", "c9"]
    assert found["outcome:solved"].tolist()[:2] == [True, False]
    assert pd.isna(found.loc["c9", "outcome:solved"])
    assert found[["turns", "customer_turns", "agent_turns"]].to_numpy().tolist() == [[2, 1, 1], [1, 1, 0], [4, 2, 2]]


def test_no_contacts_and_no_comments() -> None:
    comments, contacts = made()
    assert len(conversations.conversations(comments, contacts.head(0))) == 2
    assert conversations.conversations(comments.head(0), contacts).empty
    told = pd.DataFrame({"comment_id": [], "topic": []})
    assert conversations.outcomes(
        told, conversations.conversations(comments, contacts.head(0)), pd.Series(dtype=object)
    ).empty


@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_a_topic_that_stays_unsolved_is_told_from_the_others(effect: float) -> None:
    rng = np.random.default_rng(8)
    n = 600
    topic = rng.choice(["delivery", "refund", "price"], n)
    solved = rng.random(n) < 0.7 - effect * (topic == "refund")
    ids = [f"k{i}" for i in range(n)]
    talk = pd.DataFrame({"conversation": ids, "outcome:solved": pd.array(solved, "boolean")})
    told = pd.DataFrame({"comment_id": ids, "topic": topic})
    found = conversations.outcomes(told, talk, pd.Series(ids, index=ids)).set_index("topic")
    assert found.loc[conversations.ALL_TOPICS, "n"] == n
    assert (found["k"] <= found["n"]).all()
    apart = found.loc["refund", "ci_high"] < found.loc[["delivery", "price"], "ci_low"].min()
    assert apart == bool(effect)
    truth = 0.7 - effect
    assert found.loc["refund", "ci_low"] < truth < found.loc["refund", "ci_high"]
