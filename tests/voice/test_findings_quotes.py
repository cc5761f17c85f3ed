from __future__ import annotations

import voice_world as world

from cxlab.voice import findings_said


def test_quotes_stand_under_their_topic_and_the_first_is_open() -> None:
    quotes = world.said().assign(other_side=[False, False, True, False, False])
    page = findings_said.words(world.about(), quotes)
    first, second, foot = page.pages["en"]
    assert first["summary"] == "“Delivery”: 3 quotes; and one that says otherwise"
    assert first["open"]
    assert not second["open"]
    assert [q["text"] for q in first["items"]][-1] == "Delivered the next day, wonderful!"
    assert first["items"][-1]["other_side"]
    assert "masked" in foot["text"]


def test_a_quote_in_another_language_says_so() -> None:
    quotes = world.said().assign(other_side=False)
    english = findings_said.words(world.about(), quotes).pages["en"][0]["items"]
    chinese = findings_said.words(world.about(), quotes).pages["zh"][0]["items"]
    sources = {q["text"]: q["source"] for q in english}
    assert sources["The courier never rang."] == "Delivery desk; Q3 2026"
    assert sources["快递太慢了。"] == "Q3 2026; Chinese"
    assert any("英文" in q["source"] for q in chinese)
    assert {q["language"] for q in english} == {"en", "zh"}


def test_nothing_may_be_quoted() -> None:
    quotes = world.said().assign(other_side=False).head(0)
    assert findings_said.words(world.about(), quotes).pages["en"][0]["text"] == "No comment may be quoted."
