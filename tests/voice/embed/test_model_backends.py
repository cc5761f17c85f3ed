import shutil

import numpy as np
import onnx
import pytest
from model2vec import StaticModel
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from cxlab.errors import ModelError
from cxlab.runs import user_files
from cxlab.voice.embed import embed, minilm, model_backends

SAID = ["The room was clean, but breakfast cost too much.", "Parcel never arrived!", "ok"]
WORDS = ["[UNK]", "soup", "bread", "bed", "pillow", "the"]
ROWS = np.array([[0, 0, 0], [1, 0, 0], [0.8, 0.2, 0], [0, 0, 1], [0, 0.2, 0.8], [0.1, 0.1, 0.1]], np.float32)


@pytest.fixture
def tiny(tmp_path):
    """A model of six words, written to a folder."""
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    StaticModel(ROWS, tokenizer).save_pretrained(str(tmp_path / "tiny"))
    return tmp_path / "tiny"


def test_a_model2vec_model_is_read_from_its_folder(tiny):
    found = model_backends.vectors("model2vec", str(tiny), ["soup", "soup bread", "bed"])
    assert found.dtype == np.float32
    assert np.allclose(found, [ROWS[1], (ROWS[1] + ROWS[2]) / 2, ROWS[3]], atol=1e-3)


def test_it_is_used_by_name_of_the_method_and_kept(tiny, tmp_path, monkeypatch):
    said = ["soup bread", "soup", "pillow bed", "nothing known", "soup"]
    found = embed.vectors(said, "en", method=f"model2vec:{tiny}", cache=tmp_path / "kept")
    assert found.name == "model2vec:tiny"
    assert "model2vec" in found.note
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)  # the unknown text too
    assert found.vectors[0] @ found.vectors[1] > 0.9 > 0.3 > found.vectors[0] @ found.vectors[2]
    assert np.array_equal(found.vectors[1], found.vectors[4])
    monkeypatch.setattr(model_backends, "vectors", None)
    again = embed.vectors(said, "en", method=f"model2vec:{tiny}", cache=tmp_path / "kept")
    assert np.array_equal(again.vectors, found.vectors)


def test_another_model_in_the_same_folder_is_another_model(tiny):
    before = user_files.fingerprint(str(tiny))
    assert before == user_files.fingerprint(str(tiny))
    (tiny / "model.safetensors").write_bytes(b"changed")
    assert user_files.fingerprint(str(tiny)) != before
    assert user_files.fingerprint("minishlab/potion-base-8M") == "minishlab/potion-base-8M"


def test_a_folder_without_a_model_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"model2vec cannot load the model.*empty.*give the folder"):
        model_backends.vectors("model2vec", str(tmp_path / "empty"), ["text"])


@pytest.mark.parametrize("library", ["sentence-transformers", "fastembed"])
def test_a_library_that_is_not_installed_is_told_with_what_to_run(library):
    if model_backends.find_spec(model_backends.MODULES[library]) is not None:
        pytest.skip(f"{library} is installed here")
    with pytest.raises(ModelError, match=rf"{library} is not installed.*pip install {library}"):
        embed.vectors(["text"], "en", method=f"{library}:some/model")


def test_a_sentence_transformers_model_is_read_from_its_folder(models):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed: it brings torch")
    found = embed.vectors(SAID, "en", method=f"sentence-transformers:{minilm.folder()}").vectors
    assert (found * embed.vectors(SAID, "en", method="minilm").vectors).sum(axis=1).min() > 0.9999


def test_a_fastembed_model_is_read_from_its_folder(tmp_path):
    pytest.importorskip("fastembed", reason="fastembed is not installed")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"):
        shutil.copy(minilm.folder() / name, tmp_path / name)
    rows = np.random.default_rng(0).standard_normal((30_522, 8)).astype(np.float32)
    asked = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["rows", "input_ids"], ["last_hidden_state"])],
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["text", "token"]) for name in asked],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["text", "token", 8])],
        [numpy_helper.from_array(rows, "rows")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "model.onnx"
    )
    found = embed.vectors(SAID, "en", method=f"fastembed:sentence-transformers/all-MiniLM-L6-v2@{tmp_path}").vectors
    tokenizer = minilm.Encoder().tokenizer
    means = np.array([rows[tokenizer.encode(text).ids].mean(axis=0) for text in SAID])
    assert np.allclose(found, means / np.linalg.norm(means, axis=1)[:, None], atol=1e-3)


def test_a_changed_file_of_vectors_has_another_fingerprint(tmp_path):
    path = tmp_path / "v.npy"
    np.save(path, ROWS)
    before = user_files.fingerprint(str(path))
    assert before != str(path)
    np.save(path, ROWS[:2])
    assert user_files.fingerprint(str(path)) != before
