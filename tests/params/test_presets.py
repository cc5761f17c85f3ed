"""What ships in params/: presets, examples and schema are complete, legal and current."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from cxlab.params import Params, dumps, from_dict, load, presets, schema
from cxlab.params.models import Scale
from cxlab.params.reader import read

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for p in (ROOT / "params").rglob("*.yaml") if not p.name.endswith(".topics.yaml"))
PROFILES = ("customer", "product", "employee", "brand")
INDUSTRIES = ("airport", "automotive", "banking", "ecommerce", "food", "hospitality", "retail", "telecom")


def test_all_profiles_and_industries_are_there() -> None:
    assert presets.names(ROOT, "profile/") == sorted(f"profile/{p}" for p in PROFILES)
    assert presets.names(ROOT, "industry/") == [f"industry/{i}" for i in INDUSTRIES]


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_pair_loads(tmp_path: Path, profile: str, industry: str, small: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"{small}profile: {profile}\nindustry: {industry}\n", encoding="utf-8")
    params = load(file)
    named = [t for stage in params.journey.stages for t in stage.touchpoints]
    assert len(named) == len(set(named)) >= 5
    assert all(set(params.journey.labels[t]) == {"en", "zh"} for t in named)  # type: ignore[arg-type]
    assert all(set(stage.label) == {"en", "zh"} for stage in params.journey.stages)  # type: ignore[arg-type]


def test_scales_of_the_presets_speak_both_languages(small: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(small, encoding="utf-8")
    for name, scale in load(file).scales.items():
        if name != "five":
            assert isinstance(scale, Scale)
            assert {scale.codes[0], scale.codes[-1]} <= set(scale.labels), name
            assert all(set(label) == {"en", "zh"} for label in scale.labels.values()), name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["../core", "core/../core", "industry/../core", "industry/", "/etc/passwd", "industry/a b"]
)
def test_names_cannot_leave_the_folders(name: str) -> None:
    assert presets.find(name, ROOT / "params") is None


def test_the_schema_is_current() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), "run: cxlab schema -o params/schema.json"


def test_the_schema_describes_what_an_editor_shows() -> None:
    found = json.loads(schema.FILE.read_text(encoding="utf-8"))
    assert [k for k, v in found["properties"].items() if "description" not in v] == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_the_schema_accepts_what_ships(file: Path) -> None:
    found = {k: v for k, v in schema.schema().items() if k != "required" or "presets" not in file.parts}
    data = json.loads(json.dumps(read(file, file.name).data))
    errors = [f"{list(e.path)}: {e.message[:200]}" for e in jsonschema.Draft202012Validator(found).iter_errors(data)]
    assert errors == []


def test_the_schema_refuses_mistakes() -> None:
    validator = jsonschema.Draft202012Validator(schema.schema())
    good = {"client": "x", "brands": ["a"], "periods": {"grain": "year", "first": 2024, "last": "2026"}}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"clinet": "y"})
    assert not validator.is_valid(good | {"profile": "custmer"})


@pytest.mark.parametrize("file", [f for f in FILES if "presets" not in f.parts], ids=lambda f: f.name)
def test_editors_find_the_schema(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.split("=", 1)[1]).resolve() == schema.FILE


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Params]:
    """Load a worked example; its data need not be there."""
    monkeypatch.setenv("CXLAB_DATA", str(tmp_path))
    return lambda name: load(ROOT / "params" / "examples" / f"{name}.yaml")


def test_airport(example: Callable[[str], Params]) -> None:
    params = example("airport")
    assert params.inputs["survey"].waves == ["2012", "2013", "2014", "2015", "2016", "2017"]
    assert params.scales["nps"].missing == {11: "blank"}
    assert params.tables.responses[0].weight is not None
    assert params.tables.responses[0].weight.if_absent == "unweighted"
    assert params.tables.ratings[0].items["wifi"].column == ["Q7I_WIFI", "Q7WIFI"]
    assert params.data_root.endswith("/sfo_survey")


def test_olist(example: Callable[[str], Params]) -> None:
    params = example("olist")
    assert len(params.inputs) == 7
    assert len(params.lookups) == 7
    assert params.tables.responses[0].response_id is not None
    assert params.tables.responses[0].response_id.parts == ["review_id", "order_id"]
    assert params.unlinked.brand == "reject"


@pytest.mark.parametrize("name", ["airport", "olist"])
def test_examples_survive_json(example: Callable[[str], Params], name: str) -> None:
    params = example(name)
    assert from_dict(json.loads(json.dumps(dumps(params)))) == params


def test_the_examples_name_the_variable_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from cxlab.errors import ParamsError

    monkeypatch.delenv("CXLAB_DATA", raising=False)
    with pytest.raises(ParamsError, match="CXLAB_DATA is not set"):
        load(ROOT / "params" / "examples" / "airport.yaml")


def test_the_demo_loads() -> None:
    params = load(ROOT / "params" / "demo.yaml")
    assert params.languages == ["en", "zh"]
    assert len(params.brands) >= 2
