"""The JSON schema of params files, for completion and checks in editors.

Editors find it by the first line of a file: ``# yaml-language-server: $schema=../schema.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cxlab.params.models import Params

FILE = Path(__file__).resolve().parents[3] / "params" / "schema.json"


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a params file, shorthands included.

    A file that others extend may leave out required keys, so a preset is checked without them.
    """
    out = Params.model_json_schema(by_alias=True, mode="validation")
    out = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cxlab params file",
        **{k: v for k, v in out.items() if k != "title"},
    }
    out["description"] = "Everything about one client: sources, scales, journey, targets, limits, model settings."
    return out


def text() -> str:
    """Return the schema as the text that is checked in."""
    return json.dumps(schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(file: Path = FILE) -> Path:
    """Write the schema."""
    file.write_text(text(), encoding="utf-8")
    return file
