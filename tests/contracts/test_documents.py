"""What the documents for newcomers say is true: targets, commands, options and places exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "data/README.md")
SHELL = {"", "sh", "bash", "console"}
FOLDERS = ("src", "tests", "notebooks", "params", "tools", "data", "docs", "benchmarks", ".ci")
MADE_BY_A_RUN = ("data/demo/", "data/raw/", "data/.keys/")


def commands(text: str) -> list[str]:
    """Lines of shell blocks and whatever stands between back-ticks, without comments."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, flags=re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    lines = [
        line.strip().removeprefix("$ ")
        for language, block in blocks
        if language in SHELL
        for line in block.splitlines()
    ]
    return [re.sub(r"\s+#.*", "", line) for line in [*lines, *inline]]


def unknown_targets(text: str, makefile: str) -> set[str]:
    known = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, flags=re.M))
    return {target for line in commands(text) for target in re.findall(r"^make ([a-z][a-z-]*)", line)} - known


def unknown_places(text: str, *folders: Path) -> set[str]:
    """Links and back-ticked paths that lead nowhere from any of the folders."""
    tops = "|".join(map(re.escape, FOLDERS))
    places = set(re.findall(rf"`((?:{tops})/[\w./-]*)`", text)) | set(re.findall(r"\]\(((?!https?:|#)[^)\s#]+)", text))
    return {
        place
        for place in places
        if not place.startswith(MADE_BY_A_RUN) and not any((folder / place).exists() for folder in folders)
    }


def unknown_options(text: str) -> list[str]:
    """``cxlab`` commands and options that the command line does not have."""
    from typer.main import get_command

    from cxlab import cli

    known = get_command(cli.app).commands  # type: ignore[attr-defined]
    found = []
    for line in commands(text):
        if not re.match(r"cxlab [a-z]", line):
            continue
        _, name, *rest = shlex.split(line)
        if name not in known:
            found.append(f"cxlab {name}")
            continue
        legal = {option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
        found += [
            f"cxlab {name} {part}" for part in rest if re.match(r"--?[a-z]", part) and part.split("=")[0] not in legal
        ]
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(root: Path, document: str) -> None:
    assert unknown_targets((root / document).read_text(), (root / "Makefile").read_text()) == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_places_exist(root: Path, document: str) -> None:
    path = root / document
    assert unknown_places(path.read_text(), root, path.parent) == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_options_exist(root: Path, document: str) -> None:
    assert unknown_options((root / document).read_text()) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    text = "```sh\n$ make dmeo  # a slip\ncxlab rnu x.yaml\n```\n```yaml\nmake: no\n```\n"
    text += "`cxlab run a.yaml --jbos 2`, `src/nowhere.py`"
    assert unknown_targets(text, "demo: setup\n") == {"dmeo"}
    assert unknown_places(text + " [a](b.md) [c](https://example.org)", tmp_path) == {"src/nowhere.py", "b.md"}
    assert unknown_options(text) == ["cxlab rnu", "cxlab run --jbos"]


def test_makefile_explains_itself(root: Path) -> None:
    shown = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "test-slow", "check", "lab", "bench", "pictures", "lock", "clean"):
        assert re.search(rf"^  make {target} +\S", shown, flags=re.M), target


def test_the_architecture_names_every_folder_and_no_other(root: Path) -> None:
    package = root / "src" / "cxlab"
    table = [line.split("|")[1] for line in (root / "ARCHITECTURE.md").read_text().splitlines() if line.startswith("|")]
    named = {name.rstrip("/") for cell in table for name in re.findall(r"`([\w./]+)`", cell)}
    there = {p.name for p in package.iterdir() if (p / "__init__.py").is_file()} | {"vocab.py", "errors.py"}
    assert named == there


def test_the_rules_of_the_architecture_are_those_of_the_contracts(root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c["type"] == "layers"]
    order = re.search(r"^    (vocab.*)$", (root / "ARCHITECTURE.md").read_text(), flags=re.M)
    assert order is not None
    drawn = [set(step.strip().split(", ")) for step in order[1].split("<")]
    proved = [{name.strip().removeprefix("cxlab.") for name in layer.split("|")} for layer in reversed(layers)]
    assert drawn[:5] == proved[:5]
    assert drawn[-1] == set().union(*proved[5:])
