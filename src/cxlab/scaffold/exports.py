"""Exports of common tools, known by the names of their columns (`exports.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxlab.scaffold.columns import Column, Kind


def recognised(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the tool that writes such columns, empty if none is known."""
    names = {_plain(c.name) for c in columns}
    for export in tomllib.loads((Path(__file__).parent / "exports.toml").read_text("utf-8"))["export"]:
        if all(any(_plain(name) in names for name in group) for group in export["has"]):
            asked = any(c.kind in ("rating", "nps") and len(c.name) > 20 for c in columns)
            if asked or not export.get("form"):
                return dict(export)
    return {}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.casefold()).strip() or name


def named_by(export: dict[str, Any], columns: list[Column]) -> list[Column]:
    """Give the columns of a known export the kind they have there."""
    kinds: dict[str, Kind] = {_plain(name): "other" for name in export.get("drop", [])}
    pinned: tuple[Kind, ...] = ("id", "date", "customer", "email", "language", "order", "amount", "product")
    for kind in pinned:
        names = [_plain(n) for n in export.get(kind, [])]
        there = next((n for n in names if any(_plain(c.name) == n and c.filled for c in columns)), None)
        kinds |= {there: kind} if there else {}
    kinds |= {_plain(name): "comment" for name in export.get("text", [])}
    out = []
    for column in columns:
        kind = kinds.get(_plain(column.name), column.kind)
        dated = kind != "date" or column.kind == "date"  # only what can be read as days is a date
        if kind != column.kind and dated and column.kind != "empty":
            column = replace(column, kind=kind, sure=True, codes=(), missing=None, words=None, doubts=())
        out.append(column)
    return out
