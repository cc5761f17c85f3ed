from __future__ import annotations

import re
from pathlib import Path

import pytest
import small_suite

from cxlab import runs
from cxlab.batch import suite
from cxlab.errors import RunError

ENTRY = "  - {{id: {id}, title: {{en: T, zh: 题}}, question: {{en: Q, zh: 问}}{more}}}\n"


def contents(path: Path, **entries: str) -> Path:
    """A home with one empty template an entry, the entry's other keys as given."""
    home = small_suite.Home(path)
    for name in entries:
        home.notebook(name)
    home.suite("notebooks:\n" + "".join(ENTRY.format(id=k, more=f", {v}" if v else "") for k, v in entries.items()))
    return path


def problems(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        suite.load(path)
    return str(caught.value)


def test_order_follows_reads_and_writes_else_the_file(tmp_path: Path) -> None:
    root = contents(
        tmp_path,
        brief="reads: [est, findings]",
        ready="writes: [readiness, findings]",
        sat="writes: [est, findings, posterior/sat], timeout: 60",
        drivers="reads: [posterior/sat], writes: [findings]",
    )
    found = suite.load(root)
    assert found.ids == ["ready", "sat", "drivers", "brief"]
    assert found["sat"].timeout == 60
    assert [n.id for n in found.notebooks if "findings" in n.writes] == ["ready", "sat", "drivers"]


def test_units_and_the_period_before(tmp_path: Path) -> None:
    root = contents(
        tmp_path,
        score='reads: ["client:topics", "previous:forecasts", "brand:value?"], writes: [forecasts]',
        topics="unit: client, writes: [topics]",
        value='unit: brand, reads: ["client:topics"], writes: [value]',
    )
    found = suite.load(root)
    assert found.ids == ["topics", "value", "score"]
    reads = found["score"].reads
    assert [(r.prefix, r.name, r.optional) for r in reads] == [
        ("client", "topics", False),
        ("previous", "forecasts", False),
        ("brand", "value", True),
    ]
    assert [n.id for n in suite.upstream(found["score"], reads[1], found.notebooks)] == ["score"]


def test_profiles_select(tmp_path: Path) -> None:
    found = suite.load(contents(tmp_path, all_of_them="", team="profile: [employee]"))
    assert [n.profiles for n in found.notebooks] == [suite.PROFILES, ("employee",)]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"a": "writes: [x]", "b": "writes: [x]"}, "a, b both write it"),
        ({"a": "reads: [y], writes: [x]", "b": "reads: [x], writes: [y]"}, "wait for each other .*a -> b -> a"),
        ({"a": "reads: [fandings]", "b": "writes: [findings]"}, "no notebook writes it .*did you mean 'findings'"),
        ({"a": "reads: [t]", "b": "unit: client, writes: [t]"}, "once per client, not per brand_period .*`client:t`"),
        ({"a": 'reads: ["client:t"]', "b": "writes: [t]"}, "b writes it once per brand_period"),
        ({"a": 'unit: client, reads: ["previous:t"], writes: [t]'}, "client unit has no period before it"),
        ({"a": 'unit: brand, reads: ["period:t"]', "b": "unit: period, writes: [t]"}, "lies in no period unit"),
        ({"a": "unit: brnad"}, "a.unit: not known .*did you mean 'brand'"),
        ({"a": "data: [respones]"}, "did you mean 'responses'"),
        ({"a": "writes: [../x]"}, "no legal name for an artefact"),
        ({"a": "writes: [posterior/Big]"}, "no legal name"),
        ({"a": "writes: [x, x]"}, "a name stands twice"),
        ({"a": "wirtes: [x]"}, "unknown key .*did you mean 'writes'"),
        ({"a": "timeout: soon"}, "must be seconds"),
        ({"a": "profile: costumer"}, "did you mean 'customer'"),
        ({"a": 'reads: ["cleint:x"]', "b": "writes: [x]"}, "did you mean 'client'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, entries: dict[str, str], said: str) -> None:
    text = problems(contents(tmp_path, **entries))
    assert re.search(said, text), text
    assert "notebooks/suite.yaml:" in text or "wait for each other" in text


def test_all_problems_at_once_with_lines(tmp_path: Path) -> None:
    text = problems(contents(tmp_path, a="unit: x", b="data: [y]", c="timeout: -1"))
    assert [line.split(": ")[0] for line in text.splitlines()] == [f"notebooks/suite.yaml:{n}" for n in (2, 3, 4)]


def test_entries_without_a_template_or_a_language(tmp_path: Path) -> None:
    home = small_suite.Home(tmp_path)
    home.notebook("10_ready")
    home.suite("notebooks:\n  - {id: 10_raedy, title: {en: T}, question: {en: Q, zh: 问}}\n  - {id: ../x}\n  - word\n")
    text = problems(tmp_path)
    assert "no notebooks/templates/10_raedy.ipynb" in text
    assert "did you mean '10_ready'" in text
    assert "needs a text in each language" in text
    assert "an id names a file and an anchor" in text
    assert "an entry is a mapping" in text


def test_the_folder_is_found_from_inside_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = contents(tmp_path / "home", a="")
    monkeypatch.delenv("CXLAB_HOME", raising=False)
    for inside in ("", "notebooks", "notebooks/templates"):
        monkeypatch.chdir(root / inside)
        assert runs.home() == root.resolve()
    monkeypatch.chdir(tmp_path)
    assert (runs.home() / "notebooks" / "suite.yaml").is_file()  # the repository's own
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match="CXLAB_HOME"):
        runs.home()
