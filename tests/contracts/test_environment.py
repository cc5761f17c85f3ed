"""pyproject.toml, requirements.lock, environment.yml and the environment in use say the same."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONDA_NAMES = {  # conda-forge's name -> the name in pyproject.toml; all others are spelled alike
    "python-duckdb": "duckdb",
    "matplotlib-base": "matplotlib",
    "jupyter_client": "jupyter-client",
    "jupyter_server": "jupyter-server",
}
NEVER = ("torch", "sentence-transformers", "rfc3987-syntax")  # declared by libraries, needed by nothing here


@dataclass(frozen=True)
class Locked:
    """One entry of the lock."""

    requirement: Requirement
    version: str
    hashes: int


def read_lock(text: str) -> dict[str, Locked]:
    """Entries of a requirements file with hashes, by canonical name."""
    entries = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.replace("\\\n", " ")):
        line = block.split("\n", 1)[0]
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)
        requirement = Requirement(line.split(" --hash")[0].strip())
        (pin,) = requirement.specifier
        assert pin.operator == "==", line
        entries[canonicalize_name(requirement.name)] = Locked(requirement, pin.version, len(hashes))
    return entries


def ranges(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def direct(pyproject: dict) -> dict[str, Requirement]:
    return ranges(pyproject["project"]["dependencies"])


@pytest.fixture(scope="module")
def lock(root: Path) -> dict[str, Locked]:
    return read_lock((root / "requirements.lock").read_text())


def test_lock_satisfies_every_range(pyproject: dict, lock: dict[str, Locked]) -> None:
    wanted = [*pyproject["project"]["dependencies"], *pyproject["dependency-groups"]["dev"]]
    wanted += pyproject["build-system"]["requires"]  # the package is built without isolation
    wrong = [
        f"{requirement} (locked: {lock[name].version if name in lock else 'nothing'})"
        for name, requirement in ranges(wanted).items()
        if name not in lock or not requirement.specifier.contains(lock[name].version)
    ]
    assert not wrong, "run `make lock`: " + ", ".join(wrong)


def test_lock_has_hashes_and_no_address(root: Path, lock: dict[str, Locked]) -> None:
    text = (root / "requirements.lock").read_text()
    assert len(lock) > 100
    assert [name for name, entry in lock.items() if entry.hashes == 0] == []
    assert [entry.requirement.name for entry in lock.values() if entry.requirement.url] == []
    assert [
        line for line in text.splitlines() if "://" in line or re.match(r"\s*-(i|f|-index|-extra|-find)", line)
    ] == []


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_lock_never_installs_what_is_not_needed(lock: dict[str, Locked], name: str, platform: str) -> None:
    entry = lock.get(name)
    assert entry is None or (
        entry.requirement.marker is not None and not entry.requirement.marker.evaluate({"sys_platform": platform})
    )


def test_reader_sees_a_missing_hash_and_a_marker() -> None:
    entries = read_lock(
        "a==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via b\nb-c==2 ; sys_platform == 'never'\n"
    )
    assert entries["a"].hashes == 1
    assert entries["b-c"].hashes == 0
    assert not entries["b-c"].requirement.marker.evaluate()


def test_conda_environment_has_the_same_packages_and_ranges(root: Path, direct: dict[str, Requirement]) -> None:
    entries = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    from_pip = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    conda = [entry for entry in entries if isinstance(entry, str) and not re.match(r"(python=|pip$)", entry)]
    split = [re.fullmatch(r"([\w.-]+)(.*)", line).groups() for line in [*conda, *from_pip]]
    found = {canonicalize_name(CONDA_NAMES.get(name, name)): Requirement("x" + rest).specifier for name, rest in split}
    build = {"hatchling", "editables"}
    assert set(found) - build == set(direct)
    assert {n: str(s) for n, s in found.items() if n not in build} == {n: str(r.specifier) for n, r in direct.items()}


def test_one_python_version(root: Path, pyproject: dict) -> None:
    wanted = (root / ".python-version").read_text().strip()
    assert pyproject["project"]["requires-python"].startswith(f">={wanted},")
    assert pyproject["tool"]["mypy"]["python_version"] == wanted
    assert pyproject["tool"]["ruff"]["target-version"] == "py" + wanted.replace(".", "")
    assert f"python={wanted}" in (root / "environment.yml").read_text()


def test_environment_in_use_is_the_locked_one(
    root: Path, direct: dict[str, Requirement], lock: dict[str, Locked]
) -> None:
    if Path(sys.prefix) != root / ".venv":
        pytest.skip("not the environment of `make setup`: versions may differ")

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "nothing"

    stale = {name: installed(name) for name in direct if installed(name) != lock[name].version}
    assert not stale, f"run `make setup`: {stale}"
    assert [name for name in NEVER[:2] if installed(name) != "nothing"] == []  # an older setup may have left the last
