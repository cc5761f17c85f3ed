"""The section `index`: presets, and what is wrong with it named with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.errors import Problem
from cxlab.params import load, presets

Write = Callable[..., Path]
Problems = Callable[[str], list[Problem]]


def test_the_presets_are_there_and_load(write: Write, small: str) -> None:
    assert presets.names(Path(), "index/") == ["index/acsi", "index/ecsi", "index/free"]
    for name, latents in (("acsi", 6), ("ecsi", 7), ("free", 2)):
        params = load(write(f"extends: index/{name}\n{small}"))
        assert params.index is not None
        assert len(params.index.latents) == latents
        assert all(set(latent.label) == {"en", "zh"} for latent in params.index.latents.values())  # type: ignore[arg-type]
        assert params.index.target == "satisfaction"
    assert load(write(small)).index is None


def test_a_client_names_its_questions_only(write: Write, small: str) -> None:
    own = "index: {latents: {satisfaction: {items: [overall, price]}}, without: [complaints]}\n"
    params = load(write(f"extends: index/acsi\n{small}{own}"))
    assert params.index is not None
    assert params.index.latents["satisfaction"].items == ["overall", "price"]
    assert params.index.latents["satisfaction"].label == {"en": "Satisfaction", "zh": "满意度"}
    assert params.index.paths["satisfaction"] == ["expectation", "quality", "value"]


@pytest.mark.parametrize(
    ("index", "said", "near"),
    [
        ("{latents: {satisfaction: {items: [overal]}}}", "no such item", "overall"),
        ("{paths: {satisfaction: [qualty]}}", "no such latent", "quality"),
        ("{paths: {loyality: [quality]}}", "no such latent", "loyalty"),
        ("{without: [complaint]}", "no such latent", "complaints"),
        ("{target: satisfacton}", "no such latent", "satisfaction"),
        ("{paths: {quality: [satisfaction]}}", "circle", ""),
        ("{latents: {satisfaction: {items: [overall]}, value: {items: [overall]}}}", "measures", ""),
        ("{latents: {satisfaction: {items: [overall], marker: price}}}", "item of this latent", ""),
        ("{without: [satisfaction]}", "cannot be left out", ""),
    ],
)
def test_what_is_wrong_is_named(problems: Problems, small: str, index: str, said: str, near: str) -> None:
    found = problems(f"extends: index/acsi\n{small}index: {index}\n")
    assert any(said in p.what and p.nearest == near and p.where.startswith("index") for p in found), found
