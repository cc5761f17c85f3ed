"""One vector of length one for each text, by the method asked for or by the rule below; which one is told.

=============================  ======================================================================================
method                         vectors
=============================  ======================================================================================
``auto``                       ``minilm`` for English, above 5,000 texts ``minilm-int8``; ``corpus`` for any other
                               language, and where the English model cannot run
``corpus``                     learnt from the texts alone (`cxlab.voice.embed.corpus_embedding`)
``minilm``, ``minilm-int8``    all-MiniLM-L6-v2 in floating point, in whole numbers (`cxlab.voice.embed.minilm`)
``model2vec:NAME``             a model by name or folder (`cxlab.voice.embed.model_backends`); so
``sentence-transformers:NAME`` and
                               ``fastembed:NAME``
``file:PATH``                  the user's own vectors (`cxlab.voice.embed.user_vectors`)
=============================  ======================================================================================

Texts of several languages are embedded language by language: the caller splits them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from cxlab import vocab
from cxlab.errors import ModelError, Problem, nearest
from cxlab.runs import user_files
from cxlab.voice.embed import cache as files
from cxlab.voice.embed import corpus_embedding, minilm, minilm_onnx, model_backends, user_vectors
from cxlab.voice.text import words

MANY: Final = 5_000  # texts: above it speed is worth more than the last digit
SHORT: Final = 128  # tokens read of a text above it
PLAIN: Final = vocab.EMBEDDINGS
NAMED: Final = vocab.EMBEDDING_SOURCES
_TINY: Final = 1e-12
_SLAB: Final = 50_000


@dataclass(frozen=True)
class Embedding:
    """Vectors and what made them.

    Attributes
    ----------
    vectors : array of float32, shape (n, d)
        Rows of length one.
    name : str
        ``corpus``, ``minilm``, ``minilm-int8``, or the method as asked for, of a path its last part only;
        ``corpus:PACKAGE`` where `auto` lacked a package.
    note : str
        One English sentence for the page.
    missing : str
        The package without which `auto` had to take ``corpus`` for English; else empty.
    tokens : int
        Tokens read of a text; 0 where there is no such limit.
    """

    vectors: np.ndarray
    name: str
    note: str
    missing: str = ""
    tokens: int = 0


def problem(method: str) -> Problem | None:
    """Return what is wrong with the name of a method, None if it is one."""
    kind, _, rest = method.partition(":")
    if method in PLAIN or (kind in NAMED and rest.strip()):
        return None
    allowed = ", ".join([*PLAIN, *(f"{name}:..." for name in NAMED)])
    if kind in NAMED:
        what = "names no file" if kind == "file" else "names no model"
        return Problem(what, value=method, allowed=allowed, todo=f"write {kind}:NAME or {kind}:FOLDER")
    return Problem(
        "no way to make vectors of texts", value=method, allowed=allowed, nearest=nearest(kind, [*PLAIN, *NAMED])
    )


def choose(method: str, language: str, n: int) -> tuple[str, str]:
    """Return the method that `auto` means for `n` texts, and the missing package if it is the second choice.

    Parameters
    ----------
    method : str
        Any method; all but ``auto`` come back as they are.
    language : str
        ISO 639-1 code.
    n : int
        Texts.
    """
    if method != "auto":
        return method, ""
    if language != "en":
        return "corpus", ""
    missing = minilm.missing()
    if missing:
        return "corpus", missing
    return ("minilm-int8" if n > MANY else "minilm"), ""


def vectors(
    texts: Sequence[str],
    language: str,
    *,
    tokens: Sequence[Sequence[str]] | None = None,
    ids: Sequence[str] | None = None,
    clauses: Sequence[int] | None = None,
    method: str = "auto",
    threads: int = 0,
    cache: Path | None = None,
    seed: int = 0,
) -> Embedding:
    """Return a vector of length one for each text.

    Parameters
    ----------
    texts : sequence of str, length n
    language : str
        ISO 639-1 code of all of them.
    tokens : sequence of sequence of str, length n, optional
        Words of each text; computed where the method needs them and they are not given.
    ids, clauses : sequence, length n, optional
        Comment and number of the clause, for the user's own vectors.
    method : str
        See the table of the module.
    threads : int
        For models; 0 for as many as the process may use (``OMP_NUM_THREADS``, else its processors). The vectors do not
        depend on it.
    cache : Path, optional
        Where vectors are kept by the hash of their texts, as a rule ``run.kept``; None keeps none.
    seed : int
        Of corpus vectors.

    Returns
    -------
    Embedding

    Raises
    ------
    ModelError
        If there is no such method, or its model cannot be had.
    DataError
        If the user's own vectors do not fit the texts.
    """
    wrong = problem(method)
    if wrong:
        raise ModelError(wrong)
    chosen, missing = choose(method, language, len(texts))
    kind, _, name = chosen.partition(":")
    if kind == "file":
        found = _unit(user_vectors.vectors(name, len(texts), ids=ids, clauses=clauses))
        file = Path(name).name
        return Embedding(found, f"{kind}:{file}", f"The vectors are the client's own, from {file}.")
    if kind == "corpus":
        said = tokens if tokens is not None else words.tokens(texts, language)
        found = _corpus(texts, said, language, seed, cache)
        return Embedding(found, f"{kind}:{missing}" if missing else kind, _note(kind, 0, missing), missing)

    each = sorted(set(texts))
    longest = SHORT if len(texts) > MANY else minilm.LONGEST
    found, at = _model(chosen, each, longest, threads or _allowed(), cache)
    place = dict(zip(each, at.tolist(), strict=True))
    rows = np.empty((len(texts), found.shape[1]), np.float32)
    for begin in range(0, len(texts), _SLAB):  # single precision only once: a million clauses have 1.5 GB of it
        slab = found[[place[text] for text in texts[begin : begin + _SLAB]]]
        rows[begin : begin + _SLAB] = _unit(slab)
    shown = chosen if kind in PLAIN else f"{kind}:{_shown(name)}"
    return Embedding(rows, shown, _note(shown, longest, ""), "", longest if kind in PLAIN else 0)


def _corpus(
    texts: Sequence[str], tokens: Sequence[Sequence[str]], language: str, seed: int, cache: Path | None
) -> np.ndarray:
    version = f"{corpus_embedding.VERSION} {language} {seed}"
    key = files.key("corpus", version, texts, (" ".join(t) for t in tokens)) if cache else ""
    found = files.load(cache, key) if cache else None
    if found is None:
        found = corpus_embedding.vectors(texts, tokens, language, seed=seed)
        if cache:
            files.store(cache, key, found)
    return found


def _model(
    method: str, texts: Sequence[str], longest: int, threads: int, cache: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    kind, _, name = method.partition(":")
    encode: Callable[[list[str]], np.ndarray]
    if kind in PLAIN:
        precision: minilm.Precision = "int8" if kind == "minilm-int8" else "fp32"
        version = f"{minilm_onnx.VERSION} {minilm.WEIGHTS} {longest}"
        encode = minilm.Encoder(precision, longest, threads).encode
    else:
        version = user_files.fingerprint(name)
        encode = partial(_named, kind, name, threads)
    return files.recall(cache, files.key(method, version), texts, encode)


def _named(library: str, name: str, threads: int, texts: list[str]) -> np.ndarray:
    return _unit(model_backends.vectors(library, name, texts, threads=threads))


def _allowed() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit():
        return max(int(told), 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _note(method: str, longest: int, missing: str) -> str:
    if method == "corpus":
        instead = f" The English sentence model could not run here: {missing} is missing." if missing else ""
        return f"The vectors are learnt from the texts alone, without a language model.{instead}"
    if method.startswith("minilm"):
        how = "whole numbers" if method == "minilm-int8" else "floating point"
        return f"The vectors are those of all-MiniLM-L6-v2 in {how}; the first {longest} tokens of a text are read."
    library, _, name = method.partition(":")
    return f"The vectors are those of {name} ({library})."


def _shown(name: str) -> str:
    """Return the name of a model for a page, which tells no path of this machine."""
    known, _, folder = name.rpartition("@")
    place = user_files.located(folder)
    return known or (place.name if place.is_dir() else name)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; a row of zeros becomes the direction of the average row."""
    rows = np.asarray(rows, np.float32)
    length = np.linalg.norm(rows, axis=1)
    empty = ~(length > _TINY)
    if empty.any() and rows.size:
        middle = rows[~empty].mean(axis=0) if not empty.all() else np.ones(rows.shape[1])
        rows = np.where(empty[:, None], middle if np.linalg.norm(middle) > _TINY else 1.0, rows).astype(np.float32)
        length = np.linalg.norm(rows, axis=1)
    return (rows / np.maximum(length, _TINY)[:, None]).astype(np.float32)
