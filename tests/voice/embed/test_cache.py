import os

import numpy as np
import pytest

from cxlab.voice.embed import cache


def vectors_of(texts):
    return np.array([[len(t), sum(map(ord, t)), 1.0] for t in texts], np.float32)


def recall(*given, **more):
    rows, at = cache.recall(*given, **more)
    return rows[at]


def test_models_lie_in_the_users_cache_folder_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv("CXLAB_CACHE", str(tmp_path / "mine"))
    assert cache.home() == tmp_path / "mine"
    monkeypatch.delenv("CXLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.home() == tmp_path / "cxlab"
    assert not any(tmp_path.iterdir())


def test_lists_that_read_alike_when_joined_have_keys_of_their_own():
    keys = {
        cache.key("m", "1", ["ab", "c"]),
        cache.key("m", "1", ["a", "bc"]),
        cache.key("m", "1", ["ab"], ["c"]),
        cache.key("m", "1", ["c", "ab"]),
        cache.key("m", "2", ["ab", "c"]),
        cache.key("m", "1", ["ab", "c", ""]),
    }
    assert len(keys) == 6
    assert cache.key("m", "1", ["ab", "c"]) == cache.key("m", "1", iter(["ab", "c"]))


def test_a_text_with_half_a_character_has_a_key():
    assert cache.key("m", "1", ["\ud83d"]) != cache.key("m", "1", ["\ud83c"])


def test_what_was_stored_is_loaded_as_it_was(tmp_path):
    rows = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    assert cache.load(tmp_path / "none", "a") is None
    cache.store(tmp_path / "new", "a", rows)
    assert np.array_equal(cache.load(tmp_path / "new", "a"), rows)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.safetensors"]  # no temporary file stays


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"\x80\x04K\x01."])
def test_a_damaged_file_counts_as_none(tmp_path, damage):
    cache.store(tmp_path, "a", np.ones((2, 2), np.float32))
    (tmp_path / "a.safetensors").write_bytes(damage)
    assert cache.load(tmp_path, "a") is None
    found = recall(tmp_path, "a", ["x", "yy"], vectors_of)
    assert found[:, 0].tolist() == [1, 2]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache.store(tmp_path / "file", "a", np.ones((2, 2), np.float32))
    assert recall(tmp_path / "file", "a", ["x"], vectors_of).shape == (1, 3)


def test_the_vectors_not_used_for_longest_go_first(tmp_path):
    rows = np.ones((100, 10), np.float32)
    for i, name in enumerate("abc"):
        cache.store(tmp_path, name, rows)
        os.utime(tmp_path / f"{name}.safetensors", (i, i))
    assert cache.load(tmp_path, "a") is not None  # used now
    cache.store(tmp_path, "d", rows, most=13_000)
    assert {p.stem for p in tmp_path.iterdir()} == {"a", "c", "d"}
    cache.store(tmp_path, "e", rows, most=100)  # more than the folder may hold: not kept, nothing thrown away
    assert not (tmp_path / "e.safetensors").exists()
    assert (tmp_path / "d.safetensors").exists()


def test_only_new_texts_are_computed(tmp_path):
    asked = []

    def compute(texts):
        asked.append(sorted(texts))
        return vectors_of(texts)

    first = recall(tmp_path, "m", ["one", "three", "no"], compute)
    again = recall(tmp_path, "m", ["no", "one", "three"], compute)
    more = recall(tmp_path, "m", ["three", "seven", "no"], compute)
    assert asked == [["no", "one", "three"], ["seven"]]
    assert np.array_equal(again, first[[2, 0, 1]])
    assert np.array_equal(more, vectors_of(["three", "seven", "no"]).astype(np.float16))
    assert recall(tmp_path, "m", ["one", "seven"], compute).shape == (2, 3)
    assert len(asked) == 2
    assert recall(tmp_path, "other", ["one"], compute).shape == (1, 3)
    assert len(asked) == 3  # of another method


def test_kept_and_computed_vectors_are_the_same_to_the_last_digit(tmp_path):
    texts = [f"text {i}" for i in range(50)]

    def compute(some):
        return np.array([np.random.default_rng(sum(map(ord, t))).standard_normal(5) for t in some], np.float32)

    plain = recall(None, "m", texts, compute)
    recall(tmp_path, "m", texts[:20], compute)
    assert np.array_equal(recall(tmp_path, "m", texts, compute), plain)
    assert np.array_equal(recall(tmp_path, "m", texts, compute), plain)


def test_texts_not_asked_for_are_forgotten_when_there_would_be_too_many(tmp_path):
    recall(tmp_path, "m", [f"old {i}" for i in range(100)], vectors_of)
    recall(tmp_path, "m", ["new"], vectors_of, most=1000)
    asked = []

    def compute(texts):
        asked.extend(texts)
        return vectors_of(texts)

    recall(tmp_path, "m", ["new", "old 1"], compute)
    assert asked == ["old 1"]


def test_no_texts_give_no_vectors(tmp_path):
    def compute(texts):
        return np.zeros((len(texts), 4), np.float32)

    assert recall(None, "m", [], compute).shape == (0, 4)
    assert recall(tmp_path, "m", [], compute).shape == (0, 4)
