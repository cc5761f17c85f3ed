from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cxlab
from cxlab.errors import ParamsError
from cxlab.report.messages import catalogue, fields_of, languages, message
from cxlab.vocab import KINDS, LANGUAGES, METRICS, VERDICTS, WEIGHTINGS

SOURCE = Path(cxlab.__file__).parent


def test_every_language_of_the_vocabulary_has_a_catalogue() -> None:
    assert set(LANGUAGES) <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_languages_have_the_same_keys_and_fields(language: str) -> None:
    ours, english = catalogue(language), catalogue("en")
    assert ours.keys() == english.keys()
    assert {k: fields_of(v) for k, v in ours.items()} == {k: fields_of(v) for k, v in english.items()}


def test_plural_forms_come_in_pairs() -> None:
    keys = catalogue("en").keys()
    for key in keys:
        stem, _, form = key.rpartition(".")
        if form in ("one", "other"):
            assert {f"{stem}.one", f"{stem}.other"} <= keys


@pytest.mark.parametrize("language", languages())
def test_the_vocabulary_has_words(language: str) -> None:
    keys = catalogue(language)
    wanted = [f"metric.{m}.{k}" for m in METRICS for k in ("name", "card", "subject", "subject_of")]
    wanted += [f"verdict.{v}" for v in VERDICTS if v] + [f"weighting.{w}" for w in WEIGHTINGS]
    wanted += [f"headline.weighting_{w}" for w in WEIGHTINGS] + [
        f"kind.{k}.{x}" for k in KINDS for x in ("name", "tells")
    ]
    assert [k for k in wanted if k not in keys] == []


def key_patterns(path: Path) -> set[str]:
    """The strings of a module as patterns of keys; what is filled in at run time matches any one word."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(p.value) if isinstance(p, ast.Constant) else r"[a-z_0-9]+" for p in node.values]
            found.add("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(re.escape(node.value))
    return {p for p in found if "." in p.replace(r"\.", ".")}


def test_every_message_is_used() -> None:
    patterns = [re.compile(p) for path in SOURCE.rglob("*.py") for p in key_patterns(path)]
    keys = {k.removesuffix(".one").removesuffix(".other") for k in catalogue("en")}
    assert [k for k in sorted(keys) if not any(p.fullmatch(k) for p in patterns)] == []


def test_every_literal_key_in_the_code_exists() -> None:
    text = "\n".join(p.read_text("utf-8") for p in SOURCE.rglob("*.py"))
    pattern = r'(?:message\(\s*[\w"]+,|Statement\(|Say\(|Message\()\s*"([a-z_]+(?:\.[a-z_0-9]+)*)"'
    literal = set(re.findall(pattern, text))
    keys = {k.removesuffix(".one").removesuffix(".other") for k in catalogue("en")}
    assert literal <= keys


def test_an_unknown_language_is_named_with_the_nearest() -> None:
    with pytest.raises(ParamsError, match="en, zh"):
        catalogue("eng")


def test_values_are_never_templates() -> None:
    assert "{list}" in message("en", "kinds.missing", {"list": "{list} {0.__class__}"})


def test_plurals() -> None:
    assert message("en", "note.answers", {"n": "1"}, quantity=1) == "1 answer"
    assert message("en", "note.answers", {"n": "2"}, quantity=2) == "2 answers"
    assert message("zh", "note.answers", {"n": "1"}, quantity=1) == "1 份答卷"
