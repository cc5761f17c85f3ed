"""The rooms: who may import whom, and which heavy library lives where.

The order of the rooms is import-linter's business (pyproject.toml). The libraries are checked here: the contract that
import-linter has for them wants every home to exist and to import its library already.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PARAMS = ("params",)
DATA = ("connect", "synthetic", "runs", "disclosure")
MODELS = (
    "attributes",
    "measures",
    "models",
    "sampling",
    "density",
    "journeys",
    "importance",
    "reward",
    "touchpoints",
    "latents",
    "purchases",
    "segments",
    "voice",
)
RESULTS = (
    "diagnostics",
    "estimates",
    "journey_estimates",
    "silence",
    "whatif",
    "driver_fits",
    "driver_measures",
    "driver_estimates",
    "gaps",
    "index_estimates",
    "voice_estimates",
    "value_fits",
    "value_contracts",
    "value_people",
    "value_returns",
    "value_estimates",
    "value_whatif",
)
SHOW = (
    "style",
    "wording",
    "catalogue",
    "blocks",
    "figures",
    "tables",
    "narrative",
    "explore",
    "explore_drivers",
    "explore_topics",
    "explore_value",
)
SUITE = ("suite", "batch", "render", "site", "scaffold", "doctor", "cli")

HOMES = {  # library: the only modules of cxlab that may import it
    "pydantic": PARAMS,
    "yaml": (*PARAMS, "suite"),
    "duckdb": (*DATA, "scaffold"),
    "ibis": DATA,
    "pymc": MODELS,
    "pymc_marketing": MODELS,
    "pytensor": MODELS,
    "nutpie": MODELS,
    "numba": MODELS,
    "bertopic": MODELS,
    "sklearn": MODELS,
    "onnx": MODELS,
    "onnxruntime": MODELS,
    "model2vec": MODELS,
    "arviz": (*MODELS, *RESULTS),
    "matplotlib": SHOW,
    "seaborn": SHOW,
    "ipywidgets": SHOW,
    "papermill": SUITE,
    "nbconvert": SUITE,
    "nbclient": SUITE,
    "jupyter_client": SUITE,
    "dask": SUITE,
    "typer": ("cli",),
}
SLOW_TO_IMPORT = {
    "pymc",
    "pymc_marketing",
    "pytensor",
    "nutpie",
    "numba",
    "arviz",
    "bertopic",
    "sklearn",
    "onnxruntime",
    "model2vec",
    "seaborn",
    "ibis",
}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def strangers(package: Path) -> list[str]:
    """Imports of a heavy library outside its home, as ``file:line: library``."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).parts[0].removesuffix(".py")
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            library = name.split(".")[0]
            if library in HOMES and module not in HOMES[library]:
                found.append(f"{path.relative_to(package)}:{line}: {library} (lives in {', '.join(HOMES[library])})")
    return found


def test_heavy_libraries_stay_in_their_room(root: Path) -> None:
    assert strangers(root / "src" / "cxlab") == []


def test_a_stranger_is_found(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "bars.py").write_text("import seaborn\n\ndef f():\n    from pymc import math\n")
    assert [line.split(" (")[0] for line in strangers(tmp_path)] == [str(Path("figures") / "bars.py:4: pymc")]


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_rooms_import_from_the_left_only(root: Path) -> None:
    result = lint_imports(root)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("runs.py", "from cxlab import estimates\n", "cxlab.runs is not allowed to import cxlab.estimates"),
        ("surprise.py", "", "surprise"),
    ],
    ids=["import to the right", "module without a room"],
)
def test_a_broken_layer_is_found(root: Path, tmp_path: Path, module: str, text: str, said: str) -> None:
    rules = (root / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text("[tool.importlinter]" + rules.split("[tool.importlinter]", 1)[1])
    package = tmp_path / "cxlab"
    package.mkdir()
    for name in ("__init__.py", "vocab.py", "errors.py", "estimates.py"):
        (package / name).touch()
    (package / module).write_text(text)
    program = "from importlinter.cli import lint_imports_command as c; c(['--no-cache'])"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {program}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 1
    assert said in result.stdout


def test_every_room_of_the_contract_is_known_here(root: Path) -> None:
    (layers,) = [
        contract["layers"]
        for contract in tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    rooms = [tuple(name.strip("() ") for name in layer.split(":")) for layer in layers]
    assert rooms == [SUITE, SHOW, RESULTS, MODELS, DATA, PARAMS, ("vocab", "errors")]


def crossings(folder: Path) -> list[str]:
    """Imports of one model (a file in models/) by another; packages beside them hold what models share."""
    models = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return [
        f"{path.relative_to(folder)}:{line}: {name}"
        for path in sorted(folder.rglob("*.py"))
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[:2] == ["cxlab", "models"] and models & set(name.split(".")[2:3])
    ]


def test_models_know_nothing_of_each_other(root: Path) -> None:
    assert crossings(root / "src" / "cxlab" / "models") == []


def test_a_crossing_between_models_is_found(tmp_path: Path) -> None:
    (tmp_path / "satisfaction.py").write_text("from cxlab.models.ordinal import graph\n")
    (tmp_path / "drivers.py").write_text("from cxlab.models import satisfaction\n")
    assert crossings(tmp_path) == ["drivers.py:1: cxlab.models.satisfaction"]


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    program = """
        import sys
        import cxlab.cli
        print(*sorted({name.split(".")[0] for name in sys.modules}))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120, check=True
    )
    assert SLOW_TO_IMPORT & set(result.stdout.split()) == set()
