from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import voice_world as world
import xarray as xr
import yaml

from cxlab.params.models import TopicRules
from cxlab.voice.explore import Topics, explore


@pytest.fixture
def widget() -> Topics:
    words = world.topics().set_index("topic_id")["keywords"].str.replace(", ", " · ")
    return explore(world.said(), world.draws(), about=world.about(), keywords=words.to_dict())


def test_it_opens_on_the_topic_spoken_of_most(widget: Topics) -> None:
    assert widget.topic.value == "delivery"
    assert [name for name, _ in widget.topic.options] == ["Delivery", "Staff"]
    assert "The parcel came a week late." in widget.view.value
    assert "Mentions of “Delivery” 50" in widget.view.value


def test_fewer_mentions_of_a_burden_lift_the_score(widget: Topics) -> None:
    np.testing.assert_allclose(widget.answer.mean(), 0.5 * 0.8 * 0.45, atol=0.01)
    widget.cut.value = 1.0
    np.testing.assert_allclose(widget.answer.mean(), 0.8 * 0.45, atol=0.01)
    widget.topic.value = "staff"
    assert widget.answer.mean() < 0


def test_choices_narrow_what_is_quoted(widget: Topics) -> None:
    widget.spoken.value = "zh"
    assert "快递太慢了" in widget.view.value
    assert "parcel" not in widget.view.value
    assert "Chinese" in widget.view.value
    widget.touchpoint.value = "store"
    assert "No comment fits" in widget.view.value


def test_what_says_otherwise_is_marked(widget: Topics) -> None:
    assert "on the other side" in widget.view.value
    assert "Delivered the next day, wonderful!" in widget.view.value


def test_the_lines_are_a_topic_file(widget: Topics) -> None:
    found = yaml.safe_load(widget.rules.value)
    assert found["name"] == {"courier": {"en": "Delivery", "zh": "配送"}}
    assert found["merge"] == [["courier", "staff"]]
    assert found["ban"] == ["delivery"]
    assert TopicRules.model_validate(found).split == {"courier": 2}


def test_without_effects_nothing_is_promised() -> None:
    widget = explore(world.said(), xr.Dataset(coords={"topic": []}), about=world.about())
    assert "cannot be told" in widget.view.value
    assert not len(widget.answer)
    assert "The parcel came a week late." in widget.view.value


def test_nothing_was_said() -> None:
    widget = explore(world.said().head(0), world.draws(), about=world.about())
    assert "run 40_voice first" in widget.view.value


def test_hostile_words_stay_words() -> None:
    said = world.said().assign(text=world.HOSTILE[0])
    widget = explore(said, world.draws(), about=world.about())
    assert "<script" not in widget.view.value


def test_in_chinese() -> None:
    widget = explore(world.said(), world.draws(), about=world.about(), language="zh")
    assert "“配送”的提及减少 50%" in widget.view.value


def test_it_answers_at_once() -> None:
    many = pd.concat([world.said()] * 4000, ignore_index=True)
    widget = explore(many, world.draws(), about=world.about())
    start = time.process_time()
    for cut in np.linspace(0, 1, 10):
        widget.cut.value = float(cut)
    assert (time.process_time() - start) / 10 < 0.5  # .03 measured; .1 is the aim: a guard, no measurement
