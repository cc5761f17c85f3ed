"""The topic space of a client: nothing is lost, places are exact, planted things are found, odd inputs say why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.params.models import Voice
from cxlab.voice import topic_space

PARAMS: Any = SimpleNamespace(voice=Voice(), languages=("en", "zh"), brands=[])
NO_SCORES = pd.DataFrame({"comment_id": pd.Series(dtype=str), "good": pd.Series(dtype=float)})
PARTS = {
    "parcel": ("The parcel came late", "The courier lost the parcel", "Parcel delivered late by the courier"),
    "staff": (
        "The staff at the counter is friendly",
        "Friendly staff helped at the counter",
        "The counter staff is kind",
    ),
    "app": ("The app crashes at login", "Login in the app fails", "The app login crashes my phone"),
}


def comments(texts: list[str | None], **more: object) -> pd.DataFrame:
    """Canonical comments of one brand and period."""
    rows = pd.DataFrame({"comment_id": [f"c{i}" for i in range(len(texts))], "text": pd.Series(texts, dtype=object)})
    base = {"period": "2026Q1", "date": pd.Timestamp("2026-01-05"), "touchpoint": "store", "channel": "web",
            "customer": None, "source": "survey", "brand": "a", "language": None}  # fmt: skip
    return rows.assign(**(base | more))


def world(n: int = 180) -> tuple[pd.DataFrame, list[list[str]]]:
    """Comments of one or two of three things, in several words, and what each is about."""
    random = np.random.default_rng(0)
    texts, truth = [], []
    for i in range(n):
        about = [str(x) for x in random.choice(list(PARTS), 1 + i % 2, replace=False)]
        texts.append(". ".join(f"{PARTS[a][random.integers(3)]} {random.integers(90)}" for a in about) + ".")
        truth.append(about)
    days = pd.to_datetime("2026-01-01") + pd.to_timedelta(np.arange(n) % 90, "D")
    return comments(texts, date=days, customer=[f"p{i}" for i in range(n)]), truth


@pytest.fixture(scope="module")
def found() -> tuple[topic_space.Space, pd.DataFrame, list[list[str]]]:
    rows, truth = world()
    return topic_space.fit(rows, NO_SCORES, params=PARAMS, seed=1), rows, truth


def test_every_comment_has_a_topic_or_a_reason(found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]]) -> None:
    one, rows, _ = found
    told = set(one.mentions.loc[one.mentions["topic_id"].notna(), "comment_id"])
    assert told | set(one.rejected["comment_id"]) == set(rows["comment_id"])
    assert not told & set(one.rejected["comment_id"])
    assert one.checks.loc[one.checks["section"] == "account", "n"].sum() == len(rows)


def test_places_are_those_of_the_words(found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]]) -> None:
    one, rows, _ = found
    text = rows.set_index("comment_id")["text"]
    said = topic_space.said(one.mentions, rows)
    assert all(text[c][a:b] == t for c, a, b, t in said[["comment_id", "start", "end", "text"]].itertuples(index=False))
    assert list(one.mentions.columns) == list(topic_space.MENTION_COLUMNS)
    assert set(said["topic"]) <= set(one.topics["topic_id"])


def test_what_was_planted_is_found(found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]]) -> None:
    one, rows, truth = found
    about = dict(zip(rows["comment_id"], truth, strict=True))
    said = topic_space.said(one.mentions, rows)
    said = said.assign(
        true=[about[c][k] if k < len(about[c]) else "" for c, k in said[["comment_id", "clause"]].to_numpy()]
    )
    table = pd.crosstab(said["topic"], said["true"])
    assert table.max(axis=1).sum() / table.to_numpy().sum() > 0.95
    assert set(table.idxmax(axis=1)) == set(PARTS)
    assert (one.topics["share"] <= 1).all()
    assert one.topics["size"].is_monotonic_decreasing


def test_the_same_seed_gives_the_same_space(found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]]) -> None:
    one, rows, _ = found
    again = topic_space.fit(rows, NO_SCORES, params=PARAMS, seed=1)
    pd.testing.assert_frame_equal(one.mentions, again.mentions)
    pd.testing.assert_frame_equal(one.topics, again.topics)


def test_the_order_of_the_files_does_not_matter(
    found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]],
) -> None:
    space, frame, _ = found
    turned = frame.sample(frac=1.0, random_state=3).reset_index(drop=True)
    again = topic_space.fit(turned, NO_SCORES, params=PARAMS, seed=1)
    pd.testing.assert_frame_equal(again.topics, space.topics)
    pd.testing.assert_frame_equal(again.mentions, space.mentions)


def test_a_unit_sees_its_own_comments_only(found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]]) -> None:
    one, rows, _ = found
    own = rows.head(20)
    assert set(topic_space.said(one.mentions, own)["comment_id"]) <= set(own["comment_id"])
    late = comments(["Something that came in later."]).assign(comment_id="new")
    account = topic_space.account(
        pd.concat([own, late]), topic_space.said(one.mentions, own), one.rejected, period="2026Q1"
    )
    assert dict(zip(account["name"], account["n"], strict=True))["later"] == 1
    assert account["n"].sum() == 21


def test_copies_and_agents_are_left_out_with_a_reason() -> None:
    rows, _ = world(60)
    flood = comments(["This is the best shop in the whole wide world, buy here now, everybody!"] * 40)
    agent = comments(["Hello, my name is Sam, how may I help you?"]).assign(speaker="agent")
    every = pd.concat([rows.assign(speaker="customer"), flood.assign(speaker="customer"), agent], ignore_index=True)
    every["comment_id"] = [f"k{i}" for i in range(len(every))]
    one = topic_space.fit(every, NO_SCORES, params=PARAMS, seed=1)
    reasons = one.rejected["reason"].value_counts()
    assert reasons["flood"] == 39
    assert reasons["agent"] == 1
    assert one.checks.query("section == 'flood'")["n"].sum() == 40


@pytest.mark.parametrize(
    ("texts", "topics", "reasons"),
    [
        ([], 0, {}),
        ([None, "  ", "!!!"], 0, {"empty": 2, "no_words": 1}),
        (["The parcel came late."], 1, {}),
        (["good"] * 40, 1, {}),
        (["A entrega atrasou muito", "produto bom e barato", "não recebi"] * 30, 1, {}),
    ],
    ids=["none", "no words", "one", "all the same", "another language"],
)
def test_odd_inputs_are_told_not_raised(texts: list[str | None], topics: int, reasons: dict[str, int]) -> None:
    one = topic_space.fit(comments(texts), NO_SCORES, params=PARAMS, seed=0)
    assert len(one.topics) == topics
    assert one.rejected["reason"].value_counts().to_dict() == reasons
    assert one.checks.loc[one.checks["section"] == "account", "n"].sum() == len(texts)


def test_comments_of_a_banned_topic_are_told_as_such(
    found: tuple[topic_space.Space, pd.DataFrame, list[list[str]]],
) -> None:
    plain, rows, _ = found
    name = str(plain.topics["topic_id"].iloc[0])
    voice = Voice.model_validate({"topics": {"ban": [name]}})
    params: Any = SimpleNamespace(voice=voice, languages=("en", "zh"), brands=[])
    left = topic_space.fit(rows, NO_SCORES, params=params, seed=1)
    assert set(left.topics["topic_id"]) == set(plain.topics["topic_id"]) - {name}
    was = plain.mentions["topic_id"] == name
    assert left.mentions.loc[was, ["topic_id", "group"]].isna().all(axis=None)
    only = set(plain.mentions.loc[was, "comment_id"]) - set(left.mentions.dropna(subset="topic_id")["comment_id"])
    assert only
    assert set(left.rejected.loc[left.rejected["reason"] == topic_space.BANNED, "comment_id"]) == only
    account = left.checks[left.checks["section"] == "account"].set_index("name")["n"]
    assert account["banned"] == len(only)
    assert account.sum() == len(rows)


def test_the_number_of_topics_may_be_set() -> None:
    rows, _ = world(60)
    params: Any = SimpleNamespace(voice=Voice(k=2, refits=2), languages=("en", "zh"), brands=[])
    checks = topic_space.fit(rows, NO_SCORES, params=params, seed=1).checks
    assert checks.loc[(checks["section"] == "fit") & (checks["name"] == "k"), "value"].tolist() == [2]


def test_names_of_brands_are_kept_from_topics() -> None:
    rows, _ = world()
    rows = rows.assign(text=[f"Alder: {t}" for t in rows["text"]])
    brand = SimpleNamespace(id="alder", label={"en": "Alder", "zh": "桤木"})
    params: Any = SimpleNamespace(voice=Voice(refits=2), languages=("en", "zh"), brands=[brand])
    found = topic_space.fit(rows, NO_SCORES, params=params, seed=1)
    assert not found.topics["keywords"].str.contains("alder").any()
    assert "alder" in found.checks.query("section == 'everywhere'")["text"].iloc[0]
