import numpy as np
import pytest

from cxlab import params
from cxlab.batch import keys
from cxlab.errors import ModelError
from cxlab.voice.embed import corpus_embedding, embed, minilm

SAID = ["The room was clean", "cold soup again", "The room was clean", "parcel lost", "great staff", "bed too soft"]
GESAGT = ["房间很干净", "汤是凉的", "快递丢了", "服务员很热情", "床太软", "房间很干净"]


def test_the_rule_of_auto():
    assert embed.choose("auto", "en", 5_000) == ("minilm", "")
    assert embed.choose("auto", "en", 5_001) == ("minilm-int8", "")
    assert embed.choose("auto", "zh", 10) == ("corpus", "")
    assert embed.choose("auto", "pt", 10**6) == ("corpus", "")
    assert embed.choose("auto", "other", 10) == ("corpus", "")
    assert embed.choose("corpus", "en", 10) == ("corpus", "")
    assert embed.choose("minilm", "zh", 10**6) == ("minilm", "")


@pytest.mark.parametrize(("texts", "language", "name"), [(SAID, "en", "minilm"), (GESAGT, "zh", "corpus")])
def test_every_text_gets_a_vector_of_length_one_and_the_method_is_told(models, texts, language, name):
    found = embed.vectors(texts, language)
    assert found.name == name
    assert found.vectors.dtype == np.float32
    assert len(found.vectors) == len(texts)
    assert np.abs(np.linalg.norm(found.vectors, axis=1) - 1).max() < 1e-5
    assert ("MiniLM" in found.note) == (name == "minilm")
    assert found.tokens == (256 if name == "minilm" else 0)
    assert not found.missing


def test_the_same_text_has_the_same_vector_wherever_it_stands(models):
    found = embed.vectors(SAID, "en").vectors
    assert np.array_equal(found[0], found[2])
    assert np.allclose(embed.vectors(SAID[::-1], "en").vectors[::-1], found, atol=1e-3)


def test_many_english_texts_are_read_in_whole_numbers_and_shorter(models, monkeypatch):
    monkeypatch.setattr(embed, "MANY", 5)
    found = embed.vectors(SAID, "en")
    assert found.name == "minilm-int8"
    assert found.tokens == embed.SHORT == 128
    assert "whole numbers; the first 128 tokens" in found.note
    exact = embed.vectors(SAID, "en", method="minilm").vectors
    assert 0.95 < (found.vectors * exact).sum(axis=1).mean() < 0.99999


@pytest.mark.parametrize("lost", ["onnxruntime", "tokenizers", minilm.PACKAGE])
def test_without_the_model_english_is_learnt_from_the_texts_and_the_page_says_so(monkeypatch, lost):
    there = minilm.find_spec
    monkeypatch.setattr(minilm, "find_spec", lambda name: None if name == lost else there(name))
    found = embed.vectors(SAID, "en")
    assert found.name == f"corpus:{found.missing}"
    assert found.missing == lost.replace("_", "-")
    assert found.missing in found.note
    assert np.array_equal(found.vectors, embed.vectors(SAID, "en", method="corpus").vectors)


@pytest.mark.parametrize(("texts", "language"), [(SAID, "en"), (GESAGT, "zh")])
def test_a_second_run_takes_what_the_first_kept(models, tmp_path, monkeypatch, texts, language):
    first = embed.vectors(texts, language, cache=tmp_path)
    plain = embed.vectors(texts, language)
    monkeypatch.setattr(minilm.Encoder, "encode", None)
    monkeypatch.setattr(corpus_embedding, "vectors", None)
    again = embed.vectors(texts, language, cache=tmp_path)
    assert np.array_equal(again.vectors, first.vectors)
    assert np.array_equal(plain.vectors, first.vectors)
    assert (again.name, again.note) == (first.name, first.note)
    with pytest.raises(TypeError):
        embed.vectors([*texts, "new"], language, cache=tmp_path)


def test_words_given_are_used(tmp_path):
    tokens = [["same"]] * 3 + [["other"]] * 3
    a = embed.vectors(SAID, "pt", tokens=tokens, method="corpus", cache=tmp_path).vectors
    b = embed.vectors(SAID, "pt", method="corpus", cache=tmp_path).vectors
    assert a.shape != b.shape or not np.allclose(a, b)


def test_the_users_own_vectors_get_length_one(tmp_path):
    rows = np.random.default_rng(0).standard_normal((3, 4)) * 10
    np.save(tmp_path / "mine.npy", rows)
    found = embed.vectors(SAID[:3], "en", method=f"file:{tmp_path / 'mine.npy'}")
    assert np.allclose(found.vectors, rows / np.linalg.norm(rows, axis=1)[:, None], atol=1e-6)
    assert found.name == "file:mine.npy"
    assert "mine.npy" in found.note
    assert str(tmp_path) not in found.note


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("minilm-in8", r"minilm-in8.*allowed: auto, corpus.*did you mean 'minilm-int8'"),
        ("model2vec", r"names no model.*model2vec:NAME"),
        ("file:", r"names no file"),
        ("sentence_transformers:x", r"did you mean 'sentence-transformers'"),
        ("", r"no way to make vectors"),
    ],
)
def test_a_method_that_is_none_is_told_with_the_nearest(method, wanted):
    assert embed.problem(method) is not None
    with pytest.raises(ModelError, match=wanted):
        embed.vectors(["text"], "en", method=method)
    assert embed.problem("model2vec:some/name") is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_texts_give_no_vectors(models, tmp_path, language):
    assert len(embed.vectors([], language, cache=tmp_path).vectors) == 0


def test_other_files_behind_the_same_name_make_a_page_stale(tmp_path):
    (tmp_path / "v.npy").write_bytes(b"one")
    spec = {"client": "me", "brands": ["a"], "periods": {"grain": "year", "first": "2024", "last": "2025"}}
    own = params.from_dict({**spec, "voice": {"embedding": f"file:{tmp_path / 'v.npy'}"}})
    before = keys.visible_params(own, brand="a", period="")
    assert before == keys.visible_params(own, brand="a", period="")
    (tmp_path / "v.npy").write_bytes(b"another")
    assert before != keys.visible_params(own, brand="a", period="")


def test_as_many_threads_as_the_process_may_use(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert embed._allowed() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert embed._allowed() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert embed._allowed() >= 1
