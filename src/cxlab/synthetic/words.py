"""Comments in English and Chinese, put together from a bank of sentences by topic and tone."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pandas as pd

_SLOTS = {
    "en": {
        "item": ("kettle", "rain jacket", "desk lamp", "duvet", "frying pan", "backpack", "bookshelf", "wool coat",
                 "armchair", "coffee maker"),
        "city": ("Northgate", "Riverside", "Old Market", "Harbour", "Station Road", "Hillside"),
        "brand": ("Alder", "Birch"),
    },
    "zh": {
        "item": ("水壶", "雨衣", "台灯", "被子", "平底锅", "背包", "书架", "大衣", "沙发椅", "咖啡机"),
        "city": ("北门", "河滨", "老街", "港口", "车站路", "山下"),
        "brand": ("桤木", "白桦"),
    },
}  # fmt: skip
_TAILS = {"en": {"good": ("", "", "", " Thanks!", " :-)"), "bad": ("", "", "", " Very annoying.", " Please fix this.")},
          "zh": {"good": ("", "", "", "谢谢！", "赞！"), "bad": ("", "", "", "很失望。", "请尽快改进！")}}  # fmt: skip
_CONTACT = {
    "en": ("Please call me on {phone}.", "You can mail me at {email}.", "My number is {phone}, evenings only."),
    "zh": ("请回电{phone}。", "可以发邮件到{email}联系我。", "我的手机是{phone}，晚上有空。"),
}


_EITHER = re.compile(r"\[([^\]]+)\]")


def _chosen(text: str, u: float) -> str:
    """Replace each ``[this|that]`` by one of its words; one number in [0, 1) decides all of them."""
    while found := _EITHER.search(text):
        words = found[1].split("|")
        at = int(u * len(words))
        u = u * len(words) - at
        text = text[: found.start()] + words[at] + text[found.end() :]
    return text


def bank() -> dict[tuple[str, str, str], list[str]]:
    """Return the sentences by (topic, tone, language); customers have several words for one thing: ``[this|that]``."""
    with files("cxlab.synthetic").joinpath("sentences.tsv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    sentences: dict[tuple[str, str, str], list[str]] = {}
    for topic, tone, language, sentence in table.itertuples(index=False):
        sentences.setdefault((topic, tone, language), []).append(sentence)
    return sentences


def compose(plan: pd.DataFrame, *, rng: np.random.Generator, contact_share: float) -> tuple[list[str], pd.DataFrame]:
    """Write one comment for each row of a plan.

    Parameters
    ----------
    plan : DataFrame
        ``language``, ``brand`` (0 or 1), ``topics`` (list of (topic, tone), one sentence each, in order), ``email``,
        ``phone``: what a customer may leave in the text.
    rng : Generator
        Source of the wording.
    contact_share : float
        Share of comments in which the customer leaves a phone number or an e-mail address.

    Returns
    -------
    texts : list of str
        One comment a row of the plan.
    truth : DataFrame
        One row a sentence: ``row`` of the plan, ``sentence`` number, ``topic``, ``tone``, ``text``.
    """
    sentences = bank()
    texts: list[str] = []
    truth: list[tuple[int, int, str, str, str]] = []
    draws = rng.random((len(plan), 24))  # enough for four sentences; drawn at once to stay fast
    for row, (language, brand, topics, email, phone) in enumerate(
        zip(plan["language"], plan["brand"], plan["topics"], plan["email"], plan["phone"], strict=True)
    ):
        slots, u, parts = _SLOTS[language], draws[row], []
        for k, (topic, tone) in enumerate(topics[:4]):
            choices = sentences[topic, tone, language]
            text = _chosen(choices[int(u[5 * k] * len(choices))], float(u[5 * k + 4]))
            if "{" in text:
                text = text.format(
                    item=slots["item"][int(u[5 * k + 1] * len(slots["item"]))],
                    city=slots["city"][int(u[5 * k + 2] * len(slots["city"]))],
                    brand=slots["brand"][brand],
                    days=2 + int(u[5 * k + 3] * 8),
                )
            parts.append(text)
            truth.append((row, k + 1, topic, tone, text))
        tails = _TAILS[language][topics[-1][1]]
        joined = ("" if language == "zh" else " ").join(parts) + tails[int(u[21] * len(tails))]
        if u[22] < contact_share:
            lines = _CONTACT[language]
            # A line break inside a comment is what makes client CSV files hard to read.
            joined += "\n" + lines[int(u[23] * len(lines))].format(email=email, phone=phone.removeprefix("+86 "))
        texts.append(joined)
    return texts, pd.DataFrame(truth, columns=["row", "sentence", "topic", "tone", "text"])
