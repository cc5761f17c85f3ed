"""What the params say of value: legal numbers, known segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.errors import ParamsError
from cxlab.params.load import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo_with(tmp_path: Path) -> Callable[[str], Path]:
    """The demo's params with another `value:` block."""

    def write(block: str) -> Path:
        text = (ROOT / "params" / "demo.yaml").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^value:.*\n(?:  .*\n)+", block, text).replace("../data/demo", str(tmp_path))
        for beside in (ROOT / "params").glob("demo.*.yaml"):
            (tmp_path / beside.name).write_bytes(beside.read_bytes())
        path = tmp_path / "demo.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_what_is_not_said_has_a_default(demo_with: Callable[[str], Path]) -> None:
    found = load(demo_with("value: {discount: 0.05}\n")).value
    assert (found.discount, found.horizon_years, found.model, found.margin) == (0.05, 3.0, "auto", None)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("value: {discount: 2}\n", "discount"),
        ("value: {margin: 0}\n", "margin"),
        ("value: {model: bgnd}\n", "bgnbd"),
        ("value: {alive: [0.8, 0.3]}\n", "the smaller one first"),
        ("value: {covariates: [segment:regoin]}\n", "segment:region"),
        ("value: {covariates: [region]}\n", "segment:region"),
        ("value: {calibration_end: 1997-13-01}\n", "calibration_end"),
    ],
)
def test_a_mistake_is_named(demo_with: Callable[[str], Path], block: str, said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(demo_with(block))
    assert said in str(caught.value)


def test_events_and_segments_may_be_covariates(demo_with: Callable[[str], Path]) -> None:
    assert load(demo_with("value: {covariates: [segment:age, event:moved_house]}\n")).value.covariates
    assert load(demo_with("value: {covariates: auto}\n")).value.covariates == ["auto"]
