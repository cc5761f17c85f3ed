"""The table of contents and the templates say the same: ids, titles, what is read, written and looked at."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cxlab import vocab
from cxlab.batch import suite

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "notebooks" / "templates"
# What was loaded, whole; a page tells how it stood when it ran and is not made again because of it.
BOOKKEEPING = {"reconciliation", "links", "merges", "rejects"}


@pytest.fixture(scope="module")
def contents() -> suite.Suite:
    return suite.load(ROOT)


def cells(template: Path) -> list[dict[str, Any]]:
    return json.loads(template.read_text(encoding="utf-8"))["cells"]


def code(template: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(template) if cell["cell_type"] == "code")


def named(text: str, method: str) -> set[str]:
    """First arguments of ``run.<method>("...")`` and ``run.data.<method>("...")`` that are plain text."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and re.fullmatch(r"run(\.data)?", ast.unparse(node.func.value))
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def looked_at(text: str) -> set[str]:
    """Canonical tables a notebook asks the store for."""
    tables = named(text, "table") - BOOKKEEPING
    for query in named(text, "sql"):
        tables |= {name for name in vocab.TABLES if re.search(rf"\b{name}\b", query)}
    if re.search(r"run\.data\.(cells|items|factors)\(", text):
        tables |= {"responses", "ratings"}
    return tables


def written(text: str) -> set[str]:
    return (
        named(text, "write")
        | {f"posterior/{name}" for name in named(text, "write_posterior")}
        | ({"findings"} if re.search(r"run\.write_findings\(|page\.save\(", text) else set())
    )


def test_reader_sees_what_a_notebook_does() -> None:
    text = (
        "run.write('a', t)\nrun.write_posterior('m', d)\nrun.write_findings(f)\nrun.read('previous:b')\n"
        "run.data.table('comments')\nrun.data.sql('select count(*) from transactions')\nrun.data.cells(item)\n"
    )
    assert written(text) == {"a", "posterior/m", "findings"}
    assert named(text, "read") == {"previous:b"}
    assert looked_at(text) == {"comments", "transactions", "responses", "ratings"}


def test_every_template_has_an_entry_and_every_entry_a_template(contents: suite.Suite) -> None:
    assert {path.stem for path in TEMPLATES.glob("*.ipynb")} == set(contents.ids)


def test_no_notebook_runs_before_what_it_reads(contents: suite.Suite) -> None:
    for place, notebook in enumerate(contents.notebooks):
        for read in notebook.reads:
            if read.prefix != "previous":
                before = {name for earlier in contents.notebooks[:place] for name in earlier.writes}
                assert read.name in before, f"{notebook.id} reads {read}"


def test_a_notebook_writes_what_it_promises(contents: suite.Suite) -> None:
    wrong = {n.id: written(code(n.template)) ^ set(n.writes) for n in contents.notebooks}
    assert {name: difference for name, difference in wrong.items() if difference} == {}


def test_a_notebook_reads_only_what_it_declares(contents: suite.Suite) -> None:
    """A name missing here is missing from the content key too: a stale page would be taken for a good one."""
    wrong = {n.id: named(code(n.template), "read") - {str(read) for read in n.reads} for n in contents.notebooks}
    assert {name: undeclared for name, undeclared in wrong.items() if undeclared} == {}


def test_a_notebook_looks_only_at_declared_tables(contents: suite.Suite) -> None:
    wrong = {n.id: looked_at(code(n.template)) - set(n.data) for n in contents.notebooks}
    assert {name: undeclared for name, undeclared in wrong.items() if undeclared} == {}


def test_titles_are_the_same_on_the_page_and_in_the_contents(contents: suite.Suite) -> None:
    def heading(text: str) -> str:
        found = re.search(r"^# (.+)$", text, flags=re.M)
        return found[1].strip() if found else ""

    wrong = {}
    for notebook in contents.notebooks:
        (title,) = [cell for cell in cells(notebook.template) if cell["id"] == "title"]
        shown = {"en": heading("".join(title["source"])), "zh": heading(title["metadata"]["cxlab"]["zh"])}
        if shown != dict(notebook.title):
            wrong[notebook.id] = shown
    assert wrong == {}
