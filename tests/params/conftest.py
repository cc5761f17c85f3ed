from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.errors import ParamsError, Problem
from cxlab.params import load

SMALL = """\
client: me
brands: [{id: a, label: A}]
periods: {grain: quarter, first: 2026Q1, last: 2026Q3}
scales: {five: {codes: [1, 2, 3, 4, 5], satisfied_from: 4}}
sources:
  survey:
    path: survey.csv
    to: [responses, ratings, comments]
    date: date
    segments: {age: age}
    text: comment
    items:
      overall: {column: Q1, scale: five, role: overall}
      price: {column: Q2, scale: five, role: attribute, touchpoint: price}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a params file into a folder of its own."""

    def write(text: str | bytes, name: str = "p.yaml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    return write


@pytest.fixture
def small() -> str:
    """A params file that loads."""
    return SMALL


@pytest.fixture
def problems(write: Callable[..., Path]) -> Callable[[str | bytes], list[Problem]]:
    """What is wrong with a params file."""

    def problems(text: str | bytes) -> list[Problem]:
        with pytest.raises(ParamsError) as caught:
            load(write(text))
        return caught.value.problems

    return problems
