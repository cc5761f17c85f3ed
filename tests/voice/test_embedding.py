"""What texts mean: one space for all languages, kept vectors, names of methods."""

import numpy as np
import pytest

from cxlab import params
from cxlab.batch import keys
from cxlab.errors import ModelError
from cxlab.voice import embedding

SAID = ["The room was clean", "cold soup again", "The room was clean", "parcel lost", "great staff", "bed too soft"]


def test_every_text_gets_a_vector_of_length_one_the_same_wherever_it_stands():
    found = embedding.embed(SAID)
    assert found.name == "use"
    assert found.vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(found.vectors, axis=1) - 1).max() < 1e-3
    assert np.array_equal(found.vectors[0], found.vectors[2])
    assert np.allclose(embedding.embed(SAID[::-1]).vectors[::-1], found.vectors, atol=1e-2)


def test_what_means_the_same_is_near_in_every_language():
    pairs = [("The parcel came too late", "快递来得太晚了"), ("The staff is friendly", "店员很热情"),
             ("It is too expensive", "价格太贵了")]  # fmt: skip
    english, chinese = (embedding.embed(texts).vectors for texts in zip(*pairs, strict=True))
    assert ((english @ chinese.T).argmax(axis=1) == np.arange(3)).all()


def test_placeholders_of_masked_data_mean_nothing():
    plain, masked = embedding.embed(["Mr  was rude to me", "Mr [name] was rude to me"]).vectors
    assert plain @ masked > 0.99


def test_a_second_run_takes_what_the_first_kept(tmp_path, monkeypatch):
    first = embedding.embed(SAID, kept=tmp_path)
    asked = []
    monkeypatch.setattr(embedding, "_encoder", lambda: lambda texts: asked.append(texts) or np.ones((len(texts), 512)))
    again = embedding.embed(SAID, kept=tmp_path)
    assert np.array_equal(again.vectors, first.vectors)
    assert not asked
    more = embedding.embed([*SAID, "new"], kept=tmp_path)
    assert asked == [["new"]]
    assert np.array_equal(more.vectors[:6], first.vectors)
    next(iter(tmp_path.glob("*.npz"))).write_bytes(b"damaged")
    assert len(embedding.embed(SAID, kept=tmp_path).vectors) == 6


def test_weights_that_are_not_the_published_ones_are_refused(monkeypatch):
    embedding._encoder.cache_clear()
    monkeypatch.setitem(embedding.WEIGHTS, "sp.model", "0" * 64)
    with pytest.raises(ModelError, match=r"not the published file.*sp\.model|sp\.model.*not the published file"):
        embedding.embed(SAID)
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match=r"not installed.*make setup"):
        embedding.embed(SAID)
    embedding._encoder.cache_clear()


def test_the_users_own_vectors_get_length_one(tmp_path):
    rows = np.random.default_rng(0).standard_normal((3, 4)) * 10
    np.save(tmp_path / "mine.npy", rows)
    found = embedding.embed(SAID[:3], method=f"file:{tmp_path / 'mine.npy'}")
    assert np.allclose(found.vectors, rows / np.linalg.norm(rows, axis=1)[:, None], atol=1e-6)
    assert found.name == "file:mine.npy"


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("corpsu", r"corpsu.*allowed: auto, corpus.*did you mean 'corpus'"),
        ("file:", r"no way to make vectors"),
        ("sentence_transformers:x", r"did you mean 'sentence-transformers'"),
        ("sentence-transformers:x", r"is not installed"),
    ],
)
def test_a_method_that_is_none_is_told_with_the_nearest(method, wanted):
    with pytest.raises(ModelError, match=wanted):
        embedding.embed(["text"], method=method)


def test_no_texts_and_no_model_give_no_vectors(tmp_path):
    assert len(embedding.embed([], kept=tmp_path).vectors) == 0
    assert embedding.embed(SAID, method="corpus").vectors.shape == (6, 0)


def test_other_files_behind_the_same_name_make_a_page_stale(tmp_path):
    (tmp_path / "v.npy").write_bytes(b"one")
    spec = {"client": "me", "brands": ["a"], "periods": {"grain": "year", "first": "2024", "last": "2025"}}
    own = params.from_dict({**spec, "voice": {"embedding": f"file:{tmp_path / 'v.npy'}"}})
    before = keys.visible_params(own, brand="a", period="")
    assert before == keys.visible_params(own, brand="a", period="")
    (tmp_path / "v.npy").write_bytes(b"another")
    assert before != keys.visible_params(own, brand="a", period="")
