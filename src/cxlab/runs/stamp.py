"""A folder that is made as a whole says what it was made of, so that it is not made again for nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NAME: Final = ".made.json"


def made_of(sources: Iterable[Path], *words: object) -> str:
    """Hash files by path, size and time, and words by how they are written; folders stand for all they hold."""
    files = [p for s in sources for p in (s.rglob("*") if s.is_dir() else [s]) if p.is_file() and p.suffix != ".pyc"]
    stamps = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(files)]
    return hashlib.sha256(repr([stamps, words]).encode()).hexdigest()


def put(folder: Path, made_of: str) -> None:
    """Write into a folder what it was made of and the files it has now."""
    (folder / _NAME).write_text(json.dumps({"made_of": made_of, "files": _sizes(folder)}), encoding="utf-8")


def stands(folder: Path, made_of: str) -> bool:
    """Say whether a folder was made of the same and has all its files, and no other."""
    try:
        made = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        return bool(made["made_of"] == made_of and made["files"] == _sizes(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sizes(folder: Path) -> dict[str, int]:
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != _NAME]
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in sorted(files)}
