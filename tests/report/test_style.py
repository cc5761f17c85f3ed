from __future__ import annotations

import re

import numpy as np
import pytest

from cxlab.report.style import PALETTE, colour, css, css_variables, verdict_class

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB; doi:10.1109/TVCG.2009.113.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def linear(hexa: str) -> np.ndarray:
    rgb = np.array([int(hexa[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, two: str) -> float:
    bright, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("role", ["ink", "soft", "accent", "good", "bad"])
def test_text_is_readable_on_every_ground(scheme: int, ground: str, role: str) -> None:
    assert contrast(PALETTE[role][scheme], PALETTE[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_good_and_bad_differ_for_colour_blind_readers(scheme: int, deficiency: str) -> None:
    seen = [lab(np.array(DEFICIENCIES[deficiency]) @ linear(PALETTE[r][scheme])) for r in ("good", "bad")]
    assert np.linalg.norm(seen[0] - seen[1]) > 25


def test_the_first_green_of_the_sketch_would_have_failed() -> None:
    seen = [lab(np.array(DEFICIENCIES["deuteranopia"]) @ linear(c)) for c in ("#1a7f4e", "#b3361b")]
    ours = [lab(np.array(DEFICIENCIES["deuteranopia"]) @ linear(colour(r))) for r in ("good", "bad")]
    assert np.linalg.norm(ours[0] - ours[1]) > np.linalg.norm(seen[0] - seen[1])


def test_css_is_confined_to_its_scope() -> None:
    for line in re.findall(r"([^{}]+)\{", css(scope=".cx")):
        selectors = line.strip().split(",")
        assert all(s.strip().startswith((".cx", "@media")) for s in selectors if s.strip()), line


def test_css_needs_nothing_from_outside() -> None:
    assert not re.search(r"url\(|@import|http", css())
    assert ":root{" in css_variables()
    assert "prefers-color-scheme:dark" in css_variables()


def test_verdicts_have_three_colours() -> None:
    assert [verdict_class(v) for v in ("better", "worse", "cannot_tell", "withheld", "")] == [
        "better", "worse", "same", "same", "same",
    ]  # fmt: skip
