from __future__ import annotations

import pandas as pd
import pytest
import voice_world as world

from cxlab.report import Finding
from cxlab.voice import findings_topics, names

ABOUT = world.about()


def page(found: pd.DataFrame, checks: pd.DataFrame) -> list[Finding]:
    """All findings of the page."""
    return [
        findings_topics.topics(ABOUT, found),
        findings_topics.stability(ABOUT, found, checks),
        findings_topics.choice(ABOUT, checks),
        *(
            f(ABOUT, checks)
            for f in (
                findings_topics.account,
                findings_topics.floods,
                findings_topics.meaning,
                findings_topics.tone,
            )
        ),
        findings_topics.rules(ABOUT, checks),
    ]


def test_what_is_talked_about() -> None:
    found = findings_topics.topics(ABOUT, world.topics())
    assert found.statements[0].text("en").startswith("Customers talk about 4 topics, most often about “Delivery”: 45")
    assert "2 of the 4 topics gather comments of several languages" in found.sentence("en")
    assert "配送" in found.sentence("zh")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][0][:3] == ["Delivery", "courier, late, parcel", "English, Chinese"]


def test_languages_of_topics_are_told() -> None:
    assert "Each topic gathers comments of several" in findings_topics.topics(
        ABOUT, world.topics().assign(language="en+zh")
    ).sentence("en")
    mixed = world.topics().assign(language=["en", "zh", "en", "zh"])
    assert "a topic file joins them" in findings_topics.topics(ABOUT, mixed).sentence("en")
    assert "languages" not in findings_topics.topics(ABOUT, world.topics().assign(language="en")).sentence("en")


def test_topics_without_a_label_bear_their_words() -> None:
    bare = world.topics().assign(label_zh=None)
    about = world.about(named=names.names_of(bare))
    assert "“Delivery”" in findings_topics.topics(about, bare).sentence("zh")


@pytest.mark.parametrize(("value", "said"), [(0.97, "are stable"), (0.8, "fairly stable"), (0.4, "not stable")])
def test_stability_is_said_as_it_is(value: float, said: str) -> None:
    found = findings_topics.stability(ABOUT, world.topics(), world.checks(stability=value))
    assert said in found.statements[0].text("en")
    assert "Least stable: “Prices”" in found.sentence("en")


def test_every_comment_is_accounted_for() -> None:
    found = findings_topics.account(ABOUT, world.checks())
    assert found.statements[0].text("en") == "Of 2,152 comments 2,000 have a topic, 93\u00a0% of them."
    assert "copied many times (100)" in found.sentence("en")
    assert "2,152" in found.sentence("zh")
    sums = [int(row[1].replace(",", "")) for row in found.pages["en"].table["rows"]]  # type: ignore[index]
    assert sum(sums) == 2152


def test_floods_are_named() -> None:
    assert "100 comments belong to floods" in findings_topics.floods(ABOUT, world.checks()).sentence("en")
    calm = world.checks().query("section != 'flood'")
    assert "No flood" in findings_topics.floods(ABOUT, calm).sentence("en")


def test_the_way_of_comparing_is_said_for_each_language() -> None:
    said = findings_topics.meaning(ABOUT, world.checks()).sentence("en")
    assert "in English by a language model for 16 languages" in said
    bare = world.checks().replace({"name": {"use": "corpus"}})
    assert "in Chinese by the company their words keep" in findings_topics.meaning(ABOUT, bare).sentence("en")


def test_tone_prints_its_accuracy() -> None:
    found = findings_topics.tone(ABOUT, world.checks())
    assert "learnt from 1,000 comments that came with a score: 91\u00a0%" in found.sentence("en")
    assert "Always guessing the commoner of the two would be right in 60" in found.sentence("en")
    assert "list of words" in findings_topics.tone(ABOUT, world.checks(sentiment="lexicon")).sentence("en")
    assert "not told apart" in findings_topics.tone(ABOUT, world.checks(sentiment="none")).sentence("en")


def test_an_entry_that_met_nothing_is_named() -> None:
    found = findings_topics.rules(ABOUT, world.checks())
    assert "1 entry of the topic file was obeyed. These met nothing: ban: refnud, name: wurst." in found.sentence("en")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"] == [
        ["merge", "delivery", "courier · late · parcel", ""],
        ["ban", "refnud", "nothing", "refund"],
        ["name", "wurst", "nothing", "none is like it"],
    ]
    idle = findings_topics.rules(ABOUT, world.checks().query("section != 'rule' or value == 0"))
    assert "No entry of the topic file was obeyed." in idle.sentence("en")
    assert "No topic file" in findings_topics.rules(ABOUT, world.checks(rules=False)).sentence("en")


def test_the_number_of_topics_is_explained_and_one_subject_is_told() -> None:
    said = findings_topics.choice(ABOUT, world.checks()).sentence("en")
    assert said.startswith("4 topics come back when they are looked for again")
    assert "60 finer groups" in said
    assert "below 0.60 of 1" in said
    one = world.checks()
    one.loc[one["section"] == "fit", "text"] = "one_subject"
    assert "the comments speak of one subject" in findings_topics.choice(ABOUT, one).sentence("en")


def test_topics_are_told_under_their_themes() -> None:
    themed = world.topics().assign(theme=["delivery", "staff", "delivery", "staff"])
    said = findings_topics.topics(ABOUT, themed).sentence("en")
    assert "2 themes, named by their largest topics: “Delivery / Prices”, “Staff / Sizes”" in said


def test_a_figure_says_which_topics_it_leaves_out() -> None:
    many = pd.concat([world.topics()] * 7, ignore_index=True)
    many["topic_id"] = [f"{t}-{i}" for i, t in enumerate(many["topic_id"])]
    assert (
        findings_topics.topics(ABOUT, many).pages["en"].caption
        == "The 24 most frequent of 28 topics; the table has them all."
    )
    assert (
        findings_topics.stability(ABOUT, many, world.checks()).pages["en"].caption
        == "The 24 least stable of 28 topics."
    )
    assert not findings_topics.topics(ABOUT, world.topics()).pages["en"].caption


def test_nothing_to_say() -> None:
    checks = world.checks().head(0)
    for found in page(world.none(), checks):
        assert found.sentence("en")
        assert found.blocks("zh")


def test_hostile_labels_break_nothing() -> None:
    text = " ".join(world.HOSTILE[i] for i in (0, 4, 6, 9, 10, 16))
    found = world.topics().assign(label_en=text, label_zh=text, keywords=text)
    about = world.about(named=names.names_of(found))
    for one in (findings_topics.topics(about, found), findings_topics.stability(about, found, world.checks())):
        assert one.blocks("en")
        assert one.blocks("zh")
