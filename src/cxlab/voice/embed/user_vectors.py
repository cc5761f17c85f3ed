"""The user's own vectors, from a file: every row finite, of one width, and matched to the texts without doubt.

======================  =============================================================================================
file                    how its rows find their texts
======================  =============================================================================================
``.parquet``            by ``comment_id`` (and ``clause``, if that column is there); the vector is one column of
                        lists or all other columns, which must be numbers
``.safetensors``        the tensor ``vectors`` (or the only one); by the metadata entry ``comment_id``, a JSON list, if
                        there is one, else in order as below
``.npy``                in order: one row for each text, or one for each comment as they come
======================  =============================================================================================

A vector of a comment serves all its clauses. A relative path is looked for from the working folder, then from the
folder that holds ``notebooks/``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from cxlab.errors import DataError, Problem, nearest
from cxlab.runs import user_files

SUFFIXES: Final = (".npy", ".safetensors", ".parquet")
_SHOWN: Final = 3  # examples named in an error


def vectors(
    path: str | Path, n: int, *, ids: Sequence[str] | None = None, clauses: Sequence[int] | None = None
) -> np.ndarray:
    """Return a vector for each text from the user's file, as it stands there.

    Parameters
    ----------
    path : str or Path
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
        raise _wrong(path, "there is no such file of vectors", near=near)
    read = {".npy": _npy, ".safetensors": _safetensors, ".parquet": _parquet}[path.suffix]
    rows, keys = read(path)
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind not in "fiu":
        raise _wrong(
            path, "does not hold rows of numbers", value=f"{rows.dtype}, shape {rows.shape}", allowed="shape (rows, d)"
        )
    _checked(path, rows)
    at = _in_order(path, len(rows), n, ids) if keys is None else _by_key(path, keys, n, ids, clauses)
    return rows[at].astype(np.float32)


def _npy(path: Path) -> tuple[np.ndarray, pd.DataFrame | None]:
    try:
        return np.load(path, allow_pickle=False), None
    except (OSError, ValueError, EOFError) as error:
        raise _wrong(path, f"cannot be read: {error}", todo="write it with numpy.save, no objects in it") from None


def _safetensors(path: Path) -> tuple[np.ndarray, pd.DataFrame | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as handle:
            names = list(handle.keys())
            told = (handle.metadata() or {}).get("comment_id", "")
            name = "vectors" if "vectors" in names else names[0] if len(names) == 1 else ""
            rows = handle.get_tensor(name) if name else None
    except (OSError, SafetensorError) as error:
        raise _wrong(path, f"cannot be read: {error}") from None
    if rows is None:
        raise _wrong(path, "has no tensor named vectors", value=", ".join(names) or "none", allowed="vectors")
    if not told:
        return rows, None
    try:
        keys = pd.DataFrame({"comment_id": [str(key) for key in json.loads(told)]})
    except (ValueError, TypeError):
        raise _wrong(path, "metadata comment_id is no JSON list", value=told[:60]) from None
    if len(keys) != len(rows):
        raise _wrong(path, "metadata comment_id does not have one id a row", value=f"{len(keys)} ids, {len(rows)} rows")
    return rows, keys


def _parquet(path: Path) -> tuple[np.ndarray, pd.DataFrame | None]:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _wrong(path, f"cannot be read: {error}") from None
    if "comment_id" not in table:
        near = nearest("comment_id", [str(c) for c in table.columns])
        raise _wrong(path, "has no column comment_id", value=", ".join(map(str, table.columns[:8])), near=near)
    keys = table[[c for c in ("comment_id", "clause") if c in table]].copy()
    keys["comment_id"] = keys["comment_id"].astype(str)
    rest = table.drop(columns=list(keys.columns))
    if rest.shape[1] == 1 and pd.api.types.is_object_dtype(rest.dtypes.iloc[0]):
        lists = rest.iloc[:, 0]
        widths = {0 if v is None else np.size(v) for v in lists}
        if len(widths) != 1:
            raise _wrong(path, "has vectors of several lengths", value=", ".join(map(str, sorted(widths)[:5])))
        return np.array([np.asarray(v, float) for v in lists]).reshape(len(lists), -1), keys
    words = [str(c) for c in rest.columns if not pd.api.types.is_numeric_dtype(rest[c])]
    if words or rest.empty:
        raise _wrong(
            path,
            "has columns that are no numbers" if words else "has no vectors",
            value=", ".join(words[:_SHOWN]),
            allowed="comment_id, clause and either one column of lists or columns of numbers",
        )
    return rest.to_numpy(float), keys


def _checked(path: Path, rows: np.ndarray) -> None:
    problems = []
    for what, bad in (
        ("has rows that are not finite", ~np.isfinite(rows).all(axis=1)),
        ("has rows of zeros, which point nowhere", ~rows.any(axis=1)),
    ):
        at = np.flatnonzero(bad)
        if len(at):
            shown = f"{len(at)} of {len(rows)}, row {', '.join(str(i + 1) for i in at[:_SHOWN])}"
            problems.append(Problem(what, file=str(path), value=shown, todo="leave those comments out or compute them"))
    if problems:
        raise DataError(problems)


def _in_order(path: Path, rows: int, n: int, ids: Sequence[str] | None) -> np.ndarray:
    if rows == n:
        return np.arange(n)
    if ids is not None:
        number, names = pd.factorize(np.asarray(ids, object))
        if rows == len(names):
            return np.asarray(number)
    raise _wrong(
        path,
        "does not have one row for each text",
        value=f"{rows} rows",
        allowed=f"{n} (texts)" + ("" if ids is None else f" or {len(set(ids))} (comments)"),
        todo="a .parquet file with comment_id needs no order",
    )


def _by_key(
    path: Path, keys: pd.DataFrame, n: int, ids: Sequence[str] | None, clauses: Sequence[int] | None
) -> np.ndarray:
    if ids is None or ("clause" in keys and clauses is None):
        raise _wrong(path, "is keyed by comment, but the texts came without their ids")
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


def _wrong(path: Path, what: str, *, value: str = "", allowed: str = "", near: str = "", todo: str = "") -> DataError:
    return DataError(Problem(what, file=str(path), value=value, allowed=allowed, nearest=near, todo=todo))
