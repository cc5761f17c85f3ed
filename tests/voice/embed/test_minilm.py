import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxlab.errors import ModelError
from cxlab.voice.embed import minilm, minilm_onnx

SAID = [
    "The room was clean, but breakfast cost too much.",
    "Parcel never arrived!",
    "Our room was filthy.",
    "The delivery is late again, a week now.",
    "Waited forty minutes at check-in.",
    "ok",
    "",
    "Very friendly staff " * 40,
]
# of sentence-transformers 5 on torch 2.15 for the first two, the first six numbers
REFERENCE = [
    [0.062060, 0.104829, 0.078638, 0.043742, 0.046040, -0.049229],
    [-0.017026, 0.003281, 0.044052, 0.020201, 0.013115, -0.030409],
]


@pytest.fixture(scope="module")
def exact(models):
    return minilm.Encoder("fp32")


@pytest.fixture(scope="module")
def whole(models):
    return minilm.Encoder("int8")


def test_the_graph_gives_the_vectors_of_the_published_model(exact):
    found = exact.encode(SAID)
    assert found.shape == (len(SAID), minilm_onnx.SIZE)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5
    assert np.abs(found[:2, :6] - REFERENCE).max() < 2e-5
    assert np.abs(found[[1, 0], :6] - REFERENCE).max() > 0.05  # of the other sentence: the bound can be missed


def test_like_is_near_like(exact):
    room, parcel, filthy, late = exact.encode(SAID)[:4]
    assert room @ filthy > room @ late + 0.1
    assert parcel @ late > parcel @ filthy + 0.1


def test_whole_numbers_stay_near_the_exact_vectors(exact, whole):
    near = (exact.encode(SAID) * whole.encode(SAID)).sum(axis=1)
    assert near.mean() > 0.985
    assert near.min() > 0.95
    crossed = (exact.encode(SAID) * whole.encode(SAID)[::-1]).sum(axis=1)
    assert crossed.mean() < 0.5


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_depends_on_its_text_alone(models, precision):
    together = minilm.Encoder(precision).encode(SAID)
    apart = np.vstack([minilm.Encoder(precision, batch=1).encode([text]) for text in SAID])
    assert np.abs(together - apart).max() < 1e-5
    assert np.array_equal(minilm.Encoder(precision, threads=2).encode(SAID), together)
    assert np.abs(minilm.Encoder(precision).encode(SAID[::-1])[::-1] - together).max() < 1e-5


def test_only_the_first_tokens_are_read(models):
    head, tail = "Great food and service. ", "The toilets were closed. "
    short = minilm.Encoder("fp32", longest=8)
    a, b = short.encode([head * 3, head * 3 + tail * 5])
    assert np.allclose(a, b, atol=1e-6)
    a, b = minilm.Encoder("fp32").encode([head * 3, head * 3 + tail * 5])
    assert a @ b < 0.98
    assert len(minilm.Encoder("fp32", longest=10_000)._ids(["word " * 1000])[0]) == minilm.LONGEST


def test_no_texts_give_no_vectors(exact):
    assert exact.encode([]).shape == (0, minilm_onnx.SIZE)


def test_weights_with_another_hash_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CXLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(minilm, "folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"model\.safetensors.*hash differs"):
        minilm.graph_file("fp32")
    with pytest.raises(ModelError, match=r"tokenizer\.json.*hash differs"):
        minilm.Encoder().encode(["text"])
    assert not (tmp_path / "cache").exists()


def test_a_package_that_is_not_installed_is_told(monkeypatch):
    assert minilm.missing() == ""
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_weights")
    assert minilm.missing() == "no-such-weights"
    with pytest.raises(ModelError, match=r"no-such-weights.*corpus"):
        minilm.folder()


def test_a_damaged_graph_is_written_again(models, monkeypatch, tmp_path):
    monkeypatch.setenv("CXLAB_CACHE", str(tmp_path))
    path = minilm.graph_file("int8")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert minilm.Encoder("int8").encode(["fine"]).shape == (1, minilm_onnx.SIZE)
    assert path.read_bytes() == whole
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_nothing_heavy_is_imported_and_nothing_written_before_it_is_needed(tmp_path):
    heavy = ("onnx", "onnxruntime", "tokenizers", "model2vec", "sklearn", minilm.PACKAGE, "torch")
    code = (
        "import sys; from cxlab.voice import embed, minilm; minilm.missing(); minilm.folder();"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, env={"HOME": str(tmp_path), "PATH": "", "CXLAB_CACHE": ""},
    )  # fmt: skip
    assert told.stdout.strip() == "[]"
    assert not any(tmp_path.iterdir())


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 600))
def test_batches_hold_every_text_once_and_are_bounded(lengths, most):
    found = list(minilm.batches(lengths, most))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[i] for i in batch)
        assert longest == lengths[batch[-1]]
        assert len(batch) == 1 or longest * len(batch) <= most
