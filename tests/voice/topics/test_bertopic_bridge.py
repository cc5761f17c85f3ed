"""Our topics inside BERTopic: its tools work on them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from cxlab.voice.topics import topics
from tests.topic_world import world


@pytest.fixture(scope="module")
def carried():
    vectors, said, *_ = world(300, 4)
    texts = [" ".join(w) for w in said]
    found = topics.fit(vectors, said, language="en", seeds=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of BERTopic's imports
        return found, texts, vectors, found.bertopic(texts, vectors)


@pytest.mark.filterwarnings("ignore")
def test_the_topics_are_the_same(carried):
    found, _, _, model = carried
    assert np.array_equal(np.array(model.topics_), found.assignment)
    for row, said in enumerate(found.table["keywords"]):
        assert len({w for w, _ in model.get_topic(row)} & set(said)) >= 6


@pytest.mark.filterwarnings("ignore")
def test_saved_and_loaded_as_safetensors(carried, tmp_path: Path):
    from bertopic import BERTopic

    found, *_, model = carried
    model.save(str(tmp_path / "m"), serialization="safetensors", save_ctfidf=True)
    assert not list((tmp_path / "m").glob("*.pkl"))
    again = BERTopic.load(str(tmp_path / "m"))
    assert np.array_equal(np.array(again.topics_), found.assignment)


@pytest.mark.filterwarnings("ignore")
def test_its_tools_work(carried):
    found, texts, vectors, model = carried
    classes = ["a" if i % 2 else "b" for i in range(len(texts))]
    table = model.topics_per_class(texts, classes=classes)
    assert set(table["Class"]) == {"a", "b"}
    assert table["Frequency"].sum() == len(texts)
    tree = model.hierarchical_topics(texts)
    assert len(tree) == found.k - 1
    with_outliers = [-1 if i < 10 else t for i, t in enumerate(model.topics_)]
    mended = model.reduce_outliers(texts, with_outliers, strategy="embeddings", embeddings=vectors)
    assert np.mean(np.array(mended[:10]) == found.assignment[:10]) > 0.8
    topic, _ = model.transform(texts[:20], embeddings=vectors[:20])
    assert np.mean(np.array(topic) == found.assignment[:20]) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_its_map_is_drawn(carried):
    found, *_, model = carried
    assert model.visualize_topics(top_n_topics=found.k).data


def test_texts_and_topics_must_belong_together(carried):
    found, texts, vectors, _ = carried
    with pytest.raises(ValueError, match="299 texts"):
        found.bertopic(texts[1:], vectors)
