"""What may not be in the repository: hosts, secrets, places of one machine, big files, outputs, loose ends."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

BIG = 1024 * 1024
# Written in pieces, so that this file does not find itself.
HOSTS = (
    "pyp" + "i.org",
    "pythonhos" + "ted.org",
    "npmj" + "s.org",
    "npmj" + "s.com",
    "deb.deb" + "ian.org",
    "conda.ana" + "conda",
)
PLACES = re.compile(
    r"(?<![\w.~$}])/(?:ro" + r"ot|wo" + r"rk|far" + r"m|home/(?!ana/)\w+|Users/\w+)/[\w.]"
)  # ana is made up
SECRETS = re.compile(
    "(AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE " + "KEY|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[0-9A-Za-z-]{20})"
)
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
LOCKS = {"uv" + ".lock", "pylock" + ".toml", "poetry" + ".lock", "Pipfile" + ".lock"}


@pytest.fixture(scope="module")
def files(root: Path) -> list[Path]:
    """Every file under version control or about to be."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def problems(path: Path) -> Iterator[str]:
    """What is wrong with one file, as ``line: what``."""
    content = path.read_bytes()
    if path.name in LOCKS:
        yield f"0: {path.name} writes the address of an index into every line; requirements.lock is the lock"
    if len(content) > BIG:
        yield f"0: {len(content) // 1024} KiB; the limit is {BIG // 1024}"
    if b"\0" in content:
        return
    for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
        yield from (f"{number}: package host {host}" for host in HOSTS if host in line)
        yield from (f"{number}: path of one machine: {found[0]}" for found in [PLACES.search(line)] if found)
        yield from (f"{number}: a secret" for found in [SECRETS.search(line)] if found)
        if path.suffix in {".py", ".ipynb", ".sh", ".js", ".css", ".j2", ".yaml", ".toml"} or path.name == "Makefile":
            yield from (f"{number}: unfinished: {found[0]}" for found in [UNFINISHED.search(line)] if found)
    if path.suffix == ".ipynb":
        yield from (f"0: {what}" for what in notebook_problems(content))


def notebook_problems(content: bytes) -> Iterator[str]:
    """Outputs, counts and missing or repeated ids in a notebook."""
    cells = json.loads(content)["cells"]
    ids = [cell.get("id") for cell in cells]
    if None in ids:
        yield "a cell without id"
    yield from (f"cell id {name} is used twice" for name in sorted({str(i) for i in ids if ids.count(i) > 1}))
    if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
        yield "outputs are committed; run `make format`"


def test_nothing_forbidden_is_in_the_repository(root: Path, files: list[Path]) -> None:
    assert [f"{path.relative_to(root)}:{what}" for path in files for what in problems(path)] == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.md", "see https://" + HOSTS[0] + "/x", "package host"),
        ("a.py", "open('/" + "ro" + "ot/x.csv')", "path of one machine"),
        ("a.yaml", "path: /" + "home/anna/x.csv", "path of one machine"),
        ("a.env", "gh" + "p_" + "a1" * 18, "a secret"),
        ("a.py", "# TO" + "DO later", "unfinished"),
        ("uv" + ".lock", "", "address of an index"),
        ("a.csv", "0123456789abcdef" * (BIG // 16 + 1), "KiB"),
        ("a.ipynb", '{"cells": [{"id": "a", "outputs": [1]}, {"id": "a"}, {}]}', "outputs are committed"),
        ("a.ipynb", '{"cells": [{"id": "a"}, {"id": "a"}]}', "used twice"),
        ("a.ipynb", '{"cells": [{"source": "1"}]}', "without id"),
    ],
)
def test_the_search_finds_what_is_forbidden(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert any(said in what for what in problems(path))


def test_the_search_lets_ordinary_text_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    inner = "  ".join(f"{start}/{name}/x" for start, name in (("~", "work"), ("${HOME}", "root")))
    path.write_text(f"reports/demo/index.html  {inner}  https://doi.org/10.1000/182  /workspace/x\n")
    assert list(problems(path)) == []


def test_scripts_are_valid_shell(root: Path) -> None:
    for script in (*(root / "tools").glob("*.sh"), root / ".ci" / "run"):
        shell = script.read_text().split("\n", 1)[0].split("/")[-1].split()[-1]
        subprocess.run([shell, "-n", str(script)], check=True)
    assert (root / ".ci" / "run").stat().st_mode & 0o100
