"""YAML as a params file has it: no surprises, no code, bounded cost, every place known."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxlab.params.reader import MAX_BYTES, read

Write = Callable[..., Path]


def said(file: Path) -> str:
    """The first problem as text."""
    doc = read(file, "p.yaml")
    assert doc.problems, doc.data
    return str(doc.problems[0])


def test_scalars_follow_yaml_1_2(write: Write) -> None:
    text = (
        "a: on\nb: yes\nc: true\nd: 2026-03-01\ne: 12\nf: 1.5\ng: '12'\nh:\ni: 12:30\nj: 1e3\nk: 0x1f\nl: 1_0\nm: No\n"
    )
    doc = read(write(text), "p.yaml")
    assert not doc.problems
    assert doc.data == {
        "a": "on", "b": "yes", "c": True, "d": "2026-03-01", "e": 12, "f": 1.5, "g": "12", "h": None, "i": "12:30",
        "j": 1000.0, "k": "0x1f", "l": "1_0", "m": "No",
    }  # fmt: skip


def test_keys_keep_their_words(write: Write) -> None:
    doc = read(write("on: 1\n0: blank\ntrue: x\n"), "p.yaml")
    assert doc.data == {"on": 1, 0: "blank", "true": "x"}


def test_every_key_has_its_line(write: Write) -> None:
    doc = read(write("a: 1\nb:\n  - x: 1\n    y: 2\n  - {x: 3}\n"), "p.yaml")
    assert doc.places["b", 0, "y"] == ("p.yaml", 4)
    assert doc.places["b", 1, "x"] == ("p.yaml", 5)
    assert doc.places["b",] == ("p.yaml", 2)


def test_a_repeated_key_is_a_problem_with_both_lines(write: Write) -> None:
    doc = read(write("a: 1\nb: {x: 1}\na: 2\n"), "p.yaml")
    (problem,) = doc.problems
    assert (problem.line, problem.where) == (3, "a")
    assert "line 1" in problem.what
    assert doc.data["a"] == 1


def test_a_code_and_its_text_are_one_key(write: Write) -> None:
    assert "second time" in said(write("0: blank\n'0': refused\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("   \n\n", "the file is empty"),
        ("# only a comment\n", "only comments"),
        ("- a\n- b\n", "this one is a list"),
        ("just words\n", "this one is a single value"),
        ("client: 国".encode("gb18030"), "p.yaml:1: the file is not UTF-8: byte 9"),
        (b"client: ok\nlabel: caf\xe9\n", "p.yaml:2: the file is not UTF-8: byte 22"),
        ("client: x\n".encode("utf-16"), "not UTF-8"),
        ("client: x\n".encode("utf-16-le"), "NUL byte"),
        ("a: 1\n\tb: 2\n", "p.yaml:2: not valid YAML: a tab"),
        ("a: b: c\n", "put text that holds ': ' in quotes"),
        ("a: [1, 2\nb: 3\n", "not valid YAML"),
        ("a: 'open\n", "not valid YAML"),
        ("a: @x\n", "put the text in quotes"),
        ("a: x\x01y\n", "p.yaml:1: not valid YAML: a control character"),
        ("a: 1\n---\nb: 2\n", "p.yaml:2: a second document"),
        ("a: *nowhere\n", "*nowhere is not defined above"),
        ("a: &x [*x]\n", "*x is not defined above"),
        ("a: 010\n", "leading zero"),
        ("a: -007\n", "leading zero"),
        ("a: !!python/object/apply:os.system [echo]\n", "tags are not allowed"),
        ("a: !!binary aGk=\n", "!!binary"),
        ("a: !include other.yaml\n", "!include"),
        ("? [a, b]\n: 1\n", "a key must be a single value"),
        ("? {a: 1}\n: 1\n", "a key must be a single value"),
        ("~: 1\n", "a key is missing before the colon"),
        ("[" * 5000, "levels of nesting"),
        ("{a: " * 5000, "levels of nesting"),
        ("a: " + "x" * MAX_BYTES, "too large"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str | bytes, words: str) -> None:
    assert words in said(write(text))


def test_leading_zero_says_both_ways_out(write: Write) -> None:
    assert "write '010' in quotes if it is a code, 10 if it is a number" in said(write("a: 010\n"))


def test_tags_execute_nothing(write: Write, tmp_path: Path) -> None:
    target = tmp_path / "made"
    read(write(f"a: !!python/object/apply:pathlib.Path.touch ['{target}']\n"), "p.yaml")
    assert not target.exists()


def test_aliases_work(write: Write) -> None:
    doc = read(write("a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 2}\n"), "p.yaml")
    assert doc.data == {"a": {"p": 1}, "b": {"p": 1}, "c": {"p": 1, "q": 2}}


def test_alias_bombs_cost_nothing(write: Write) -> None:
    lines = ["a0: &a0 [" + "x, " * 9 + "x]"]
    lines += [f"a{i}: &a{i} [" + f"*a{i - 1}, " * 9 + f"*a{i - 1}]" for i in range(1, 12)]
    began = time.perf_counter()
    assert "values" in said(write("\n".join(lines)))
    assert time.perf_counter() - began < 2


def test_a_chain_of_aliases_has_bounded_depth(write: Write) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000)]
    assert "levels of nesting" in said(write("\n".join(lines)))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "."])
def test_what_is_no_file_is_not_read(path: str) -> None:
    doc = read(Path(path), path)
    assert "no ordinary file" in doc.problems[0].what or "folder" in doc.problems[0].what


def test_a_missing_file_names_the_nearest(write: Write, tmp_path: Path) -> None:
    write("a: 1\n", "airport.yaml")
    assert read(tmp_path / "airprt.yaml", "airprt.yaml").problems[0].nearest == "airport.yaml"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_nonsense_gives_data_or_problems(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "nonsense.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    doc = read(file, "nonsense.yaml")
    assert isinstance(doc.data, dict)
    assert doc.problems or doc.data or text.strip() in ("{}", b"{}")


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.text(max_size=12) | st.integers(-(10**9), 10**9) | st.booleans() | st.none(),
        lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), x, max_size=4),
        max_leaves=12,
    )
)
def test_json_reads_as_itself(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    import json

    file = tmp_path_factory.getbasetemp() / "value.yaml"
    file.write_text(json.dumps({"value": value}), encoding="utf-8")
    doc = read(file, "value.yaml")
    if not doc.problems:  # surrogate pairs and a few control characters have no YAML form
        assert doc.data == {"value": value} or "\\ud" in file.read_text(encoding="utf-8")
