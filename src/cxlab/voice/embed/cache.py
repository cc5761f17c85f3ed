"""Vectors and models kept between runs: safetensors by content hash, put in place at once, bounded in size.

What depends on all texts together is kept under their joint hash (`load`, `store`). What a model says of one text is
kept text by text (`recall`): where a month's comments are new, only they are computed.

Nothing is written before somebody asks for a vector, and nothing is ever unpickled. Models (public, the same for every
client) lie in the user's cache folder; vectors of a client's texts lie where the caller says, as a rule with the
client's other data, since texts can be guessed from their vectors.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

MOST_BYTES: Final = 2 * 1024**3  # of one folder of vectors; the ones not used for longest go first
_SLAB: Final = 50_000  # texts computed at once
_NOTHING: Final = (np.zeros(0, np.uint64), np.zeros((0, 0), np.float16))


def home() -> Path:
    """Return the folder of models: ``CXLAB_CACHE``, else ``cxlab`` in the user's cache folder."""
    named = os.environ.get("CXLAB_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cxlab"


def key(method: str, version: str, *texts: Iterable[str]) -> str:
    """Return the name of what is computed from these texts by this version of a method.

    Parameters
    ----------
    method, version : str
    *texts : iterables of str
        What the result depends on, in order: each entry enters with its length, so that no two lists share a key.
    """
    state = hashlib.sha256()
    for part in ((method, version), *texts):
        for text in part:
            data = text.encode("utf-8", "surrogatepass")
            state.update(len(data).to_bytes(8, "little"))
            state.update(data)
        state.update(b"\xff" * 9)  # no length can begin so
    return state.hexdigest()


def load(folder: Path, name: str) -> np.ndarray | None:
    """Return the kept vectors, or None where there are none or the file is damaged.

    Parameters
    ----------
    folder : Path
    name : str
        A `key`.
    """
    found = _read(folder / f"{name}.safetensors").get("vectors")
    return found if found is not None and found.ndim == 2 else None


def store(folder: Path, name: str, vectors: np.ndarray, *, most: int = MOST_BYTES) -> None:
    """Keep vectors; the folder's oldest files go when it holds more than `most` bytes.

    A folder that cannot be written (full, read-only) is no error: the vectors are computed again next time.
    """
    _write(folder, name, {"vectors": vectors}, most)


def recall(
    folder: Path | None,
    name: str,
    texts: Sequence[str],
    compute: Callable[[list[str]], np.ndarray],
    *,
    most: int = MOST_BYTES,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a vector for each text, the kept ones as they are kept, the others computed and kept.

    Numbers are rounded to half precision with or without a folder, so that both give the same.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    name : str
        `key` of the method and its version, without texts.
    texts : sequence of str, length n
        No text twice.
    compute : callable
        Texts -> array of shape (texts, d).
    most : int
        Bytes; texts not asked for this time are forgotten when there would be more.

    Returns
    -------
    vectors : array of float16, shape (n, d)
        In an order of their own: a million of them are not held twice.
    at : array of int, shape (n,)
        Row of each text.
    """
    wanted = _digests(texts)
    order = np.argsort(wanted)
    wanted = wanted[order]
    known, kept = _shelf(folder / f"{name}.safetensors") if folder else _NOTHING
    at = np.searchsorted(known, wanted).clip(max=max(len(known) - 1, 0))
    have = known[at] == wanted if len(known) else np.zeros(len(texts), bool)
    fresh = np.flatnonzero(~have)
    if len(fresh) or not len(texts):
        rows = _computed(compute, [texts[i] for i in order[fresh]])
    else:
        rows = kept[:0]
    if have.any():
        found = np.empty((len(texts), rows.shape[1]), np.float16)
        found[fresh], found[have] = rows, kept[at[have]]
    else:
        found = rows
    if folder and len(fresh):
        if len(known) and (len(known) + len(fresh)) * (8 + 2 * rows.shape[1]) <= most:
            names, rows = np.concatenate([known, wanted[fresh]]), np.concatenate([kept, rows])
            sort = np.argsort(names)
            names, rows = names[sort], rows[sort]
        else:
            names, rows = wanted, found
        _write(folder, name, {"texts": names, "vectors": rows}, most)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return found, back


def _computed(compute: Callable[[list[str]], np.ndarray], texts: list[str]) -> np.ndarray:
    """Slab by slab, so that single precision is never held for all."""
    found = np.zeros((0, 0), np.float16)
    for begin in range(0, max(len(texts), 1), _SLAB):
        slab = compute(texts[begin : begin + _SLAB])
        if begin == 0:
            found = np.empty((len(texts), slab.shape[1]), np.float16)
        found[begin : begin + _SLAB] = slab
    return found


def _digests(texts: Sequence[str]) -> np.ndarray:
    """One number a text; among a million texts two share one with probability 3e-8."""
    data = b"".join(hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts)
    return np.frombuffer(data, np.uint64)


def _shelf(path: Path) -> tuple[np.ndarray, np.ndarray]:
    found = _read(path)
    names, rows = found.get("texts"), found.get("vectors")
    if names is None or rows is None or names.ndim != 1 or rows.ndim != 2 or len(names) != len(rows):
        return _NOTHING
    return names, rows


def _read(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a file; none where there is no file or it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
        os.utime(path)
    except (OSError, SafetensorError):
        return {}
    return found


def _write(folder: Path, name: str, tensors: dict[str, np.ndarray], most: int) -> None:
    from safetensors.numpy import save_file

    if sum(t.nbytes for t in tensors.values()) > most:
        return
    whole = {key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}
    try:
        put(folder / f"{name}.safetensors", lambda path: save_file(whole, path))
        _prune(folder, most)
    except OSError:
        return


def put(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in place at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _prune(folder: Path, most: int) -> None:
    files = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.safetensors")), reverse=True)
    kept = 0
    for _, size, path in files:
        kept += size
        if kept > most:
            path.unlink(missing_ok=True)
