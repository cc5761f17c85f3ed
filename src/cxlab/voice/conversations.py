"""Chats and tickets: whose turn it is, what became of the conversation, and the topics of those that ended well.

An employee's words are no customer's voice. Where rows are turns, ``speaker`` says whose; where a whole chat stands in
one text, its turns are told by their marks ("Agent: ... Customer: ...", 客服：... 顾客：...). A conversation is joined
to the contact it was (`interactions`) by the contact's id, else by its link, and takes over its outcomes.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from cxlab.vocab import OUTCOME

OUTCOME_COLUMNS: Final = ("outcome", "topic", "n", "k", "mean", "ci_low", "ci_high")
TALK_COLUMNS: Final = ("conversation", "customer", "brand", "period", "date", "turns", "customer_turns", "agent_turns")
ALL_TOPICS: Final = ""  # the topic of the row over all conversations
_AGENT = (
    "agent|advis[eo]r|representative|rep|support|operator|staff|assistant|chat ?bot|bot|客服[^\\s:：]{0,6}|坐席|机器人"
)
_CUSTOMER = "customer|client|user|visitor|guest|caller|me|顾客|客户|用户|买家|访客"
_CLOCK = r"(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?[\])]?\s*[-–]?\s*)?"
_MARK = re.compile(
    rf"(?:^|(?<=[\n|])|(?<=[.!?。！？]\s)|(?<=[。！？]))\s*{_CLOCK}(?:(?P<agent>{_AGENT})|(?P<customer>{_CUSTOMER}))"
    rf"(?: ?\d{{1,3}}| \([^()\n]{{1,30}}\))?\s*[:：]\s*",
    re.IGNORECASE,
)


def turns(text: str) -> list[tuple[str, int, int]]:
    """Return the turns of a chat that stands in one text: (``customer`` or ``agent``, start, end), marks left out.

    Empty unless both sides are marked: a text with a colon is no chat.
    """
    marks = list(_MARK.finditer(text)) if ":" in text or "：" in text else []
    sides = ["agent" if m.group("agent") else "customer" for m in marks]
    if len(set(sides)) < 2:
        return []
    ends = [m.start() for m in marks[1:]] + [len(text)]
    spans = [(who, m.end(), end) for who, m, end in zip(sides, marks, ends, strict=True)]
    lead = marks[0].start()
    return [("customer", 0, lead), *spans] if text[:lead].strip() else spans


def conversations(comments: pd.DataFrame, interactions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a conversation with its turns and the outcomes of the contact it was.

    Parameters
    ----------
    comments : DataFrame
        Canonical comments. A text without ``conversation`` is one of its own if a contact has its id (a call note).
    interactions : DataFrame
        Canonical interactions with their ``outcome:*`` columns.

    Returns
    -------
    DataFrame
        `TALK_COLUMNS` and the ``outcome:*`` columns (booleans, missing where no contact was found or it does not say).
        ``conversation`` is the comment's id where it is one of its own. ``turns`` counts texts; in conversations of one
        text its marked turns.
    """
    outcomes = [c for c in interactions.columns if str(c).startswith(OUTCOME)]
    known = interactions.drop_duplicates("interaction_id").set_index("interaction_id")
    key = key_of(comments, known.index)
    rows = comments.assign(conversation=key)[key != ""].copy()
    inside = [turns(t) for t in rows["text"].fillna("")]
    agent = rows["speaker"].eq("agent").to_numpy() if "speaker" in rows else np.zeros(len(rows), bool)
    rows["agent_turns"] = [
        sum(w == "agent" for w, *_ in t) if t else int(a) for t, a in zip(inside, agent, strict=True)
    ]
    rows["turns"] = [len(t) or 1 for t in inside]
    rows["customer_turns"] = rows["turns"] - rows["agent_turns"]
    firsts = {c: (c, "first") for c in ("customer", "brand", "period", "date")}
    sums = {c: (c, "sum") for c in ("turns", "customer_turns", "agent_turns")}
    out = rows.groupby("conversation", sort=False).agg(**firsts, **sums).reset_index()
    linked = interactions[interactions["link"].notna()].drop_duplicates("link").set_index("link")
    for c in outcomes:
        own = out["conversation"].map(known[c])
        out[c] = own.where(own.notna(), out["conversation"].map(linked[c])).astype("boolean")
    return out[[*TALK_COLUMNS, *outcomes]]


def key_of(comments: pd.DataFrame, contacts: pd.Index) -> pd.Series:
    """Return the conversation of each comment: its own, else its id where a contact has that id, else ""."""
    own = (
        comments["conversation"] if "conversation" in comments else pd.Series(None, index=comments.index, dtype=object)
    )
    alone = comments["comment_id"].where(comments["comment_id"].isin(contacts), "")
    return own.where(own.notna(), alone).astype(object)


def outcomes(told: pd.DataFrame, talks: pd.DataFrame, key: pd.Series, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Return how conversations ended by topic.

    The share of a topic is drawn to the share over all conversations by as much as two conversations weigh, and its
    interval is that of the Beta posterior.

    Parameters
    ----------
    told : DataFrame
        One row a clause with a topic: ``comment_id``, ``topic``.
    talks : DataFrame
        From `conversations`.
    key : Series
        Conversation by ``comment_id`` ("" = none): ``key_of(...)`` with the ids as index.
    ci_prob : float
        Probability of the intervals.

    Returns
    -------
    DataFrame
        `OUTCOME_COLUMNS`: for each outcome a row for all conversations (topic `ALL_TOPICS`), then a row a topic with at
        least one, the most frequent first; ``n`` conversations whose outcome is known, ``k`` with it, shares 0-1.
    """
    from scipy.stats import beta

    mine = told.assign(conversation=told["comment_id"].map(key))
    pairs = mine[mine["conversation"].fillna("") != ""][["conversation", "topic"]].dropna().drop_duplicates()
    rows: list[tuple[str, str, int, int, float, float, float]] = []
    low = (1 - ci_prob) / 2
    for column in (c for c in talks.columns if str(c).startswith(OUTCOME)):
        known = talks.loc[talks[column].notna(), ["conversation", column]]
        if known.empty:
            continue
        total, good = len(known), int(known[column].sum())
        overall = (good + 0.5) / (total + 1)
        counts = pairs.merge(known, on="conversation").groupby("topic")[column].agg(["size", "sum"])
        counts = counts.sort_values("size", ascending=False, kind="stable")
        sets = [(ALL_TOPICS, total, good, 0.5, 0.5)]
        sets += [(str(t), int(n), int(k), 2 * overall, 2 * (1 - overall)) for t, n, k in counts.itertuples()]
        for topic, n, k, a, b in sets:
            post = beta(k + a, n - k + b)
            rows.append((str(column).removeprefix(OUTCOME), topic, n, k, post.mean(), post.ppf(low), post.ppf(1 - low)))
    return pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS))
