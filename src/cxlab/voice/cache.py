"""Vectors and models kept between runs: safetensors by content hash, put in place at once, bounded in size.

Nothing is written before somebody asks for a vector, and nothing is ever unpickled. Models (public, the same for every
client) lie in the user's cache folder; vectors of a client's texts lie where the caller says, as a rule with the
client's other data, since texts can be guessed from their vectors.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

MOST_BYTES: Final = 2 * 1024**3  # of one folder of vectors; the ones not used for longest go first


def home() -> Path:
    """Return the folder of models: ``CXLAB_CACHE``, else ``cxlab`` in the user's cache folder."""
    named = os.environ.get("CXLAB_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cxlab"


def key(method: str, version: str, texts: Iterable[str], *more: Iterable[str]) -> str:
    """Return the name of what is computed from these texts by this version of a method.

    Parameters
    ----------
    method, version : str
    texts : iterable of str
        In order: each entry enters with its length, so that no two lists share a key.
    *more : iterables of str
        Whatever else the result depends on (words of the texts, ids).
    """
    state = hashlib.sha256()
    for part in ((method, version), texts, *more):
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
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / f"{name}.safetensors"
    try:
        found = load_file(path)["vectors"]
        os.utime(path)
    except (OSError, KeyError, SafetensorError):
        return None
    return found if found.ndim == 2 else None


def store(folder: Path, name: str, vectors: np.ndarray, *, most: int = MOST_BYTES) -> None:
    """Keep vectors; the folder's oldest files go when it holds more than `most` bytes.

    A folder that cannot be written (full, read-only) is no error: the vectors are computed again next time.
    """
    from safetensors.numpy import save

    data = save({"vectors": np.ascontiguousarray(vectors)})
    if len(data) > most:
        return
    try:
        put(folder / f"{name}.safetensors", lambda path: path.write_bytes(data))
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
