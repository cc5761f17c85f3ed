"""Presets: the shared core, experience profiles and industries that a params file builds on.

``profile: customer`` and ``industry: airport`` imply ``profile/customer`` and ``industry/airport``; ``index/acsi`` is
named under `extends`. A folder
``presets/`` beside a params file, or above it, comes before the ones that ship with cxlab: a new industry is one YAML
file.
"""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"(core|(profile|industry|index)/[\w-]+)")
_SHIPPED = Path(__file__).resolve().parents[3] / "params" / "presets"


def is_name(text: str) -> bool:
    """Tell a preset's name (``industry/airport``) from a file (``shared.yaml``)."""
    return not text.endswith((".yaml", ".yml"))


def folders(beside: Path) -> list[Path]:
    """Return the preset folders that count for a params file in the folder `beside`, nearest first."""
    beside = beside.resolve()
    own = [p / "presets" for p in (beside, *list(beside.parents)[:2]) if (p / "presets").is_dir()]
    return [*own, *([_SHIPPED] if _SHIPPED not in own else [])]


def find(name: str, beside: Path) -> Path | None:
    """Return the file of a preset, or None if there is none of this name."""
    if not _NAME.fullmatch(name):
        return None
    return next((f for folder in folders(beside) if (f := folder / f"{name}.yaml").is_file()), None)


def names(beside: Path, kind: str = "") -> list[str]:
    """Return the names of all presets, sorted; `kind` limits them to e.g. ``industry``."""
    found = set()
    for folder in folders(beside):
        for file in folder.glob("**/*.yaml"):
            name = file.relative_to(folder).with_suffix("").as_posix()
            if _NAME.fullmatch(name) and name.startswith(kind):
                found.add(name)
    return sorted(found)
