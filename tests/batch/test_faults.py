"""Real notebooks on real kernels: what fails is named, the rest is published, what is done is not done again."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import small_suite

from cxlab import batch, runs
from cxlab.batch import engine

BAD = {"north__2025Q2": "kill", "south__2025Q3": "raise", "north__2026Q1": "sleep"}


def done(report: batch.BatchReport) -> set[str]:
    return set(report.executed)


def test_twelve_units_three_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path))
    home = small_suite.make(tmp_path, last="2026Q2")
    home.alone()
    home.faults(**BAD)
    seen: list[batch.Progress] = []

    first = batch.run(home.params, jobs=2, timeout=25, on_progress=seen.append)

    assert first.exit_code == 1
    assert first.counts == {"ok": 9, "failed": 2, "timeout": 1}
    assert {(f.brand, f.period): (f.status, f.reason) for f in first.failures} == {
        ("north", "2025Q2"): ("failed", "the kernel died, 2 times"),
        ("south", "2025Q3"): ("failed", "ValueError: the price column is empty\nand <b>more</b>"),
        ("north", "2026Q1"): ("timeout", "stopped after 25 s, the time it may take"),
    }
    assert all(f.cell == "cell-1" for f in first.failures)
    assert small_suite.kernels_of(tmp_path) == []
    for failure in first.failures:  # saved, anchored at the failing cell, nothing after it was run
        cells = nbformat.read(failure.path, as_version=4).cells
        place = next(i for i, c in enumerate(cells) if c.get("id") == "cell-1")
        assert cells[place - 1].metadata["tags"] == ["papermill-error-cell-tag"]
        assert [o.output_type for o in cells[place].outputs][-1] == "error"
        assert cells[-1].outputs == []
    assert len([p for p in seen if p.what == "done"]) == 12
    assert {p.cells for p in seen if p.what == "cell"} == {6}
    assert first.site == tmp_path / "reports" / "me" / "index.html"
    assert first.site.is_file()

    home.faults()
    second = batch.run(home.params, jobs=2)

    assert second.exit_code == 0
    assert done(second) == {"20_share north/2025Q2", "20_share south/2025Q3", "20_share north/2026Q1"}
    assert second.counts == {"fresh": 9, "ok": 3}

    third = batch.run(home.params, jobs=2)
    assert (done(third), third.exit_code, third.runs) == (set(), 0, ())


def test_a_kernel_whose_answer_is_lost_gets_a_second_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SILENCE", 2.0)
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path))
    home = small_suite.make(tmp_path, last="2025Q1")
    home.alone()
    home.faults(north__2025Q1="mute")
    report = batch.run(home.params, jobs=2)
    assert report.exit_code == 0, report.failures
    attempts = {f.path.parts[-3]: r.attempts for f in map(runs.Folder, report.runs) for r in f.records().values()}
    assert attempts == {"north": 2, "south": 1}


def test_what_depends_on_a_failure_is_skipped_and_a_kernel_gets_a_second_chance(home: small_suite.Home) -> None:
    home.suite(
        small_suite.SUITE
        + """
  - id: 30_last
    title: {en: Last, zh: 末}
    question: {en: "And?", zh: 然后？}
    reads: [shares]
    writes: [last]
  - id: 40_free
    title: {en: Free, zh: 自由}
    question: {en: "And?", zh: 然后？}
    reads: ["shares?", "previous:free"]
    writes: [free]
"""
    )
    home.notebook("30_last", small_suite.SETUP, "run.write('last', run.read('shares'))")
    home.notebook(
        "40_free",
        small_suite.SETUP,
        "before = run.read('previous:free')\n"
        "run.write('free', pd.DataFrame({'n': [len(before)], 'had': [run.has('shares')]}))",
    )
    home.faults(north__2025Q1="raise", south__2025Q1="once", south__2025Q2="doubt", north__2025Q2="empty")

    report = batch.run(home.params, jobs=2)

    ended = {(f.notebook, f.brand, f.period): f.status for f in report.failures}
    assert ended == {("20_share", "north", "2025Q1"): "failed", ("30_last", "north", "2025Q1"): "skipped"}
    assert "20_share, which it reads from, ended as failed" in report.failures[1].reason
    folders = {p.parent.parent.name + "/" + p.parent.name: runs.Folder(p) for p in report.runs}
    status = {name: {k: r.status for k, r in f.records().items()} for name, f in folders.items()}
    assert status["north/2025Q1"] == {"10_count": "ok", "20_share": "failed", "30_last": "skipped", "40_free": "ok"}
    assert status["north/2025Q2"] == {"10_count": "ok", "20_share": "no_data", "30_last": "no_data", "40_free": "ok"}
    assert status["south/2025Q2"] == {"10_count": "ok", "20_share": "withheld", "30_last": "ok", "40_free": "ok"}
    assert folders["south/2025Q1"].records()["20_share"].attempts == 2
    assert folders["south/2025Q1"].records()["20_share"].status == "ok"
    manifest = folders["south/2025Q2"].manifest()
    assert manifest["diagnostics"] == {"20_share": {"share": {"passed": False, "r_hat": 1.4}}}
    assert manifest["sensitivity"]["20_share"] == {"share": "every second answer would have to be wrong"}

    # the optional reader ran without, so it runs again once what it lacked is there; nothing else does but the failed
    home.faults(south__2025Q2="doubt", north__2025Q2="empty")
    again = batch.run(home.params, jobs=2)
    assert done(again) == {
        "20_share north/2025Q1",
        "30_last north/2025Q1",
        "40_free north/2025Q1",
        "40_free north/2025Q2",  # reads previous:free of the period before
    }
    assert again.exit_code == 0
