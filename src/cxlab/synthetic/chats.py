"""Chats with the call centre: turns of customers and agents, one row a turn, of some of the contacts by chat."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic import words
from cxlab.synthetic.files import ClientFile, day, strings
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

MOST: Final = 160  # chats in the file
# greeting, regret, settled, passed on
_AGENT: Final = {
    "en": (
        "Thank you for contacting us, how can I help you today?",
        "I am sorry to hear that, let me check.",
        "That is settled now, is there anything else?",
        "I have to pass this on, a colleague will call you back.",
    ),
    "zh": (
        "您好，很高兴为您服务，请问有什么可以帮您？",
        "非常抱歉，我马上为您查询。",
        "已经为您处理好了，请问还有其他问题吗？",
        "这个问题需要转给同事，稍后给您回复。",
    ),
}
# last words where it was settled, and where it was not
_CLOSE: Final = {
    "en": (
        ("No, thank you, that was quick.", "Great, thank you!"),
        ("Again? I have been told that before.", "I will not wait any longer."),
    ),
    "zh": (("没有了，谢谢，很快。", "好的，谢谢！"), ("又要等？上次也是这么说的。", "我不想再等了。")),
}


def chats_file(
    settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame, cut: np.datetime64
) -> ClientFile:
    """Write down some contacts by chat as the chat tool exports them.

    Parameters
    ----------
    settings, people, life, ids
        The world so far.
    cut : datetime64
        Last day of the exports; contacts are numbered as in the call centre's own file.
    """
    rng = settings.stream("chats")
    cases = life.contacts[life.contacts["date"] <= cut].reset_index(drop=True)
    by_chat = np.flatnonzero(cases["channel"] == "chat")
    chosen = np.sort(rng.choice(by_chat, min(MOST, len(by_chat)), replace=False))
    who = cases["customer"].to_numpy()[chosen]
    languages = people["language"].to_numpy()[who]
    plan = pd.DataFrame(
        {
            "language": languages,
            "brand": (people["brand"].to_numpy()[who] == s.BRANDS[1]).astype(int),
            "topics": [[(t, "bad")] for t in cases["topic"].to_numpy()[chosen]],
            "email": ids["email"].to_numpy()[who],
            "phone": ids["phone"].to_numpy()[who],
        }
    )
    asked, _ = words.compose(plan, rng=rng, contact_share=0.05)
    solved = cases["solved"].to_numpy()[chosen]
    close = rng.integers(0, 2, len(chosen))
    rows = []
    for k, at in enumerate(chosen.tolist()):
        hello, sorry, settled, passed = _AGENT[languages[k]]
        last = _CLOSE[languages[k]][0 if solved[k] else 1][close[k]]
        said = [
            ("agent", hello), ("visitor", asked[k].replace("\n", " ")), ("agent", sorry),
            ("agent", settled if solved[k] else passed), ("visitor", last),
        ]  # fmt: skip
        rows += [
            (f"H{at + 1:05d}-{n}", f"C{at + 1:05d}", n, speaker, k, text) for n, (speaker, text) in enumerate(said, 1)
        ]
    turns = pd.DataFrame(rows, columns=["turn_id", "case", "turn", "who", "_row", "words"])
    turns["turn"] = turns["turn"].astype(str)
    mine = turns.pop("_row").to_numpy(int)
    customer = ids["desk"].to_numpy()[who][mine]
    turns.insert(3, "on", day(cases["date"].to_numpy()[chosen][mine]))
    turns.insert(4, "shop", people["brand"].map(s.BRAND_NAMES).to_numpy()[who][mine])
    turns.insert(5, "customer", np.where(turns["who"] == "visitor", customer, ""))
    return ClientFile("chats.csv", "chats", strings(turns), key=("turn_id",))
