"""Files and folders a params file names beside its data: where they lie, and whether they changed."""

from __future__ import annotations

from pathlib import Path

from cxlab.errors import RunError
from cxlab.runs.folder import home


def located(path: str | Path) -> Path:
    """Return where a file or folder lies: as named, else seen from the home of the notebooks; it need not exist."""
    named = Path(path).expanduser()
    if named.is_absolute() or named.exists():
        return named
    try:
        there = home() / named
    except RunError:
        return named
    return there if there.exists() or there.parent.is_dir() else named


def fingerprint(name: str) -> str:
    """Return a text that changes when the file or the files of the folder do; the name itself where it is neither."""
    place = located(name.split("@")[-1])
    files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place] if place.is_file() else []
    seen = [f"{p.relative_to(place.parent)} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files]
    return "\n".join([name, *seen])
