from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import voice_world as world

from cxlab.report import Finding
from cxlab.voice import findings_topic_quality, findings_topics


def page(found: pd.DataFrame, checks: pd.DataFrame) -> list[Finding]:
    """All findings of the page."""
    return [
        findings_topics.topics(found),
        findings_topics.stability(found, checks),
        findings_topics.choice(checks),
        *(
            f(checks)
            for f in (
                findings_topic_quality.account,
                findings_topic_quality.floods,
                findings_topic_quality.meaning,
                findings_topic_quality.tone,
            )
        ),
        findings_topic_quality.rules(checks),
    ]


def test_what_is_talked_about() -> None:
    found = findings_topics.topics(world.topics())
    assert found.statements[0].text("en").startswith("Customers talk about 4 topics, most often about “Delivery”: 45")
    assert "2 of the 4 topics gather comments of several languages" in found.sentence("en")
    assert "配送" in found.sentence("zh")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"][0][:3] == ["Delivery", "courier, late, parcel", "English, Chinese"]


def test_languages_of_topics_are_told() -> None:
    assert "Each topic gathers comments of several" in findings_topics.topics(
        world.topics().assign(language="en+zh")
    ).sentence("en")
    mixed = world.topics().assign(language=["en", "zh", "en", "zh"])
    assert "a topic file joins them" in findings_topics.topics(mixed).sentence("en")
    assert "languages" not in findings_topics.topics(world.topics().assign(language="en")).sentence("en")


def test_topics_without_a_label_bear_their_words() -> None:
    bare = world.topics().assign(label_zh=None)
    assert "“Delivery”" in findings_topics.topics(bare).sentence("zh")


@pytest.mark.parametrize(("value", "said"), [(0.97, "are stable"), (0.8, "fairly stable"), (0.4, "not stable")])
def test_stability_is_said_as_it_is(value: float, said: str) -> None:
    found = findings_topics.stability(world.topics(), world.checks(stability=value))
    assert said in found.statements[0].text("en")
    assert "Least stable: “Prices”" in found.sentence("en")


def test_a_language_of_few_comments_does_not_decide_how_stable_topics_are() -> None:
    checks = world.checks(stability=0.97)
    fit = checks[checks["section"] == "fit"]
    few = fit[fit["language"] == fit["language"].iloc[0]].assign(language="other", n=5.0)
    few.loc[few["name"] == "stability", "value"] = 0.3
    found = findings_topics.stability(world.topics(), pd.concat([checks, few], ignore_index=True))
    assert found.statements[0] == findings_topics.stability(world.topics(), checks).statements[0]
    heavy = pd.concat([checks, few.assign(n=5000.0)], ignore_index=True)
    assert "not stable" in findings_topics.stability(world.topics(), heavy).statements[0].text("en")


def test_topics_asked_for_are_the_reason_of_less_agreement() -> None:
    calm = findings_topics.stability(world.topics(), world.checks(stability=0.5))
    assert "The reason" not in calm.sentence("en")
    asked = pd.DataFrame([("fit", "zh", "guided", 3.0, 600, "")], columns=world.checks().columns)
    found = findings_topics.stability(
        world.topics(), pd.concat([world.checks(stability=0.5), asked], ignore_index=True)
    )
    assert "The reason in Chinese (0.50): the topic file asks for topics" in found.sentence("en")
    assert "4 topics come back with an agreement of 0.97" in found.sentence("en")
    assert "The reason in English" not in found.sentence("en")
    sure = findings_topics.stability(world.topics(), pd.concat([world.checks(), asked], ignore_index=True))
    assert "The reason" not in sure.sentence("en")


def test_every_comment_is_accounted_for() -> None:
    found = findings_topic_quality.account(world.checks())
    assert found.statements[0].text("en") == "Of 2,152 comments 2,000 have a topic, 93\u00a0% of them."
    assert "copied many times (100)" in found.sentence("en")
    assert "2,152" in found.sentence("zh")
    sums = [int(row[1].replace(",", "")) for row in found.pages["en"].table["rows"]]  # type: ignore[index]
    assert sum(sums) == 2152


def test_floods_are_named() -> None:
    assert "100 comments belong to floods" in findings_topic_quality.floods(world.checks()).sentence("en")
    calm = world.checks().query("section != 'flood'")
    assert "No flood" in findings_topic_quality.floods(calm).sentence("en")


def test_the_way_of_comparing_is_said_for_each_language() -> None:
    said = findings_topic_quality.meaning(world.checks()).sentence("en")
    assert "in English by a language model that runs on this machine (MiniLM)" in said
    assert "in Chinese by the company their words keep" in said
    assert "not installed" not in said
    lacking = world.checks().replace({"name": {"minilm-int8": "corpus:onnxruntime", "minilm": "corpus:onnxruntime"}})
    assert "onnxruntime is not installed" in findings_topic_quality.meaning(lacking).sentence("en")
    assert "未安装 onnxruntime" in findings_topic_quality.meaning(lacking).sentence("zh")


def test_tone_prints_its_accuracy() -> None:
    found = findings_topic_quality.tone(world.checks())
    assert "learnt from 1,000 comments that came with a score: 91\u00a0%" in found.sentence("en")
    assert "Always guessing the commoner of the two would be right in 60" in found.sentence("en")
    assert "list of words" in findings_topic_quality.tone(world.checks(sentiment="lexicon")).sentence("en")
    assert "not told apart" in findings_topic_quality.tone(world.checks(sentiment="none")).sentence("en")


def test_an_entry_that_met_nothing_is_named() -> None:
    found = findings_topic_quality.rules(world.checks())
    assert "1 entry of the topic file was obeyed. These met nothing: ban: refnud, name: wurst." in found.sentence("en")
    table = found.pages["en"].table
    assert table is not None
    assert table["rows"] == [
        ["merge", "delivery", "courier · late · parcel", ""],
        ["ban", "refnud", "nothing", "refund"],
        ["name", "wurst", "nothing", "none is like it"],
    ]
    idle = findings_topic_quality.rules(world.checks().query("section != 'rule' or value == 0"))
    assert "No entry of the topic file was obeyed." in idle.sentence("en")
    assert "No topic file" in findings_topic_quality.rules(world.checks(rules=False)).sentence("en")


def test_the_choice_shows_what_was_tried() -> None:
    found = findings_topics.choice(world.checks())
    assert "English: 4 topics were chosen, from 2 to 5 tried. Chinese: 4 topics" in found.sentence("en")
    figure = found.pages["en"].figure
    assert figure is not None
    (line,) = [x for x in figure.axes[0].lines if x.get_gid() == "stability"]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [1.0, 0.99, 0.97, 0.8])


def test_many_fewer_topics_in_one_language_are_told() -> None:
    checks = world.checks()
    assert "several things may share" not in findings_topics.choice(checks).sentence("en")
    many = (checks["section"] == "fit") & (checks["language"] == "en") & (checks["name"] == "k")
    uneven = checks.assign(value=checks["value"].mask(many, 25))
    found = findings_topics.choice(uneven)
    assert "Chinese has 4 topics and English 25" in found.sentence("en")
    assert "voice: {k: {zh: 16}}" in found.sentence("en")
    assert "voice: {k: {zh: 16}}" in found.sentence("zh")
    told = uneven[(uneven["section"] != "choice") | (uneven["language"] != "zh")]  # the number was set
    assert "several things may share" not in findings_topics.choice(told).sentence("en")


def test_a_figure_says_which_topics_it_leaves_out() -> None:
    many = pd.concat([world.topics()] * 7, ignore_index=True)
    many["topic_id"] = [f"{t}-{i}" for i, t in enumerate(many["topic_id"])]
    assert (
        findings_topics.topics(many).pages["en"].caption == "The 24 most frequent of 28 topics; the table has them all."
    )
    assert findings_topics.stability(many, world.checks()).pages["en"].caption == "The 24 least stable of 28 topics."
    assert not findings_topics.topics(world.topics()).pages["en"].caption


def test_nothing_to_say() -> None:
    checks = world.checks().head(0)
    for found in page(world.none(), checks):
        assert found.sentence("en")
        assert found.blocks("zh")


def test_hostile_labels_break_nothing() -> None:
    text = " ".join(world.HOSTILE[i] for i in (0, 4, 6, 9, 10, 16))
    found = world.topics().assign(label_en=text, label_zh=text, keywords=text)
    for one in (findings_topics.topics(found), findings_topics.stability(found, world.checks())):
        assert one.blocks("en")
        assert one.blocks("zh")
