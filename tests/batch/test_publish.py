"""What the site is given: the latest good run of every unit, and an honest word on what failed since."""

from __future__ import annotations

import nbformat
import pytest
import small_suite

from cxlab import batch, runs
from cxlab import params as grammar
from cxlab.batch import suite
from cxlab.batch.publish import publish, results
from cxlab.report.site import UnitResult


def lay(home: small_suite.Home, unit: str, state: str, **records: runs.Record) -> runs.Folder:
    """Lay down a closed run of a unit with an executed notebook for each record that has one."""
    brand, period = unit.split("/")
    place = runs.unit_dir(home.path, "me", brand, period)
    folder = runs.Folder(place / runs.new_run_id(place, "")).create({})
    for record in records.values():
        folder.notebook(record.notebook).parent.mkdir(parents=True, exist_ok=True)
        if record.status != "skipped":
            nbformat.write(small_suite.template("1"), folder.notebook(record.notebook))
        folder.save(record)
    runs.write_json(folder.table("shares"), [folder.run_id])
    folder.close({"state": state})
    return folder


def found(home: small_suite.Home) -> dict[str, UnitResult]:
    contents = suite.load(home.path)
    units = results(grammar.load(home.params), home.path, contents.notebooks)
    return {f"{u.brand.slug if u.brand else ''}/{u.period.id if u.period else ''}": u for u in units}


OK = {"a": runs.Record("10_count", "ok", "k"), "b": runs.Record("20_share", "ok", "k")}
BAD = {"a": runs.Record("10_count", "ok", "k"), "b": runs.Record("20_share", "failed", "k", error="ValueError: no")}


def test_a_failure_leaves_the_older_good_page_and_is_said(home: small_suite.Home) -> None:
    good = lay(home, "north/2025Q1", "good", **OK)
    lay(home, "north/2025Q1", "failed", **BAD)
    unit = found(home)["north/2025Q1"]
    assert unit.run_id == good.run_id
    assert [(n.id, n.status, n.error) for n in unit.notebooks] == [
        ("10_count", "ok", ""),
        ("20_share", "failed", "ValueError: no"),
    ]
    assert {n.notebook for n in unit.notebooks} == {good.notebook("10_count"), good.notebook("20_share")}
    assert unit.tables == {"shares": good.table("shares")}
    assert [n.older for n in unit.notebooks] == [False, True]
    assert unit.notebooks[0].title == {"en": "Count", "zh": "计数"}


def test_a_unit_that_never_had_a_good_run_shows_the_newest(home: small_suite.Home) -> None:
    lay(home, "north/2025Q1", "failed", **BAD)
    newest = lay(home, "north/2025Q1", "failed", **BAD)
    unit = found(home)["north/2025Q1"]
    assert unit.run_id == newest.run_id
    assert unit.notebooks[1].notebook == newest.notebook("20_share")
    assert not unit.notebooks[1].older  # there is no earlier page that could stand in its place


def test_an_interrupted_run_is_not_shown_over_a_good_one(home: small_suite.Home) -> None:
    good = lay(home, "north/2025Q1", "good", **OK)
    lay(home, "north/2025Q1", "interrupted", a=OK["a"])
    unit = found(home)["north/2025Q1"]
    assert (unit.run_id, [n.status for n in unit.notebooks]) == (good.run_id, ["ok", "ok"])


def test_units_without_data_are_listed_older_periods_stay_and_units_never_run_are_not_spoken_of(
    home: small_suite.Home,
) -> None:
    lay(home, "north/2025Q1", "good", **OK)
    lay(home, "south/2025Q2", "good", a=runs.Record("10_count", "no_data", error="no rows in responses"))
    home.params.write_text(home.params.read_text().replace("first: 2025Q1", "first: 2025Q2"))
    units = found(home)
    assert list(units) == ["north/2025Q1", "south/2025Q2"]
    assert [(n.status, n.error) for n in units["south/2025Q2"].notebooks] == [("no_data", "no rows in responses")]


def test_an_analysts_scratch_is_never_published(home: small_suite.Home) -> None:
    run = runs.open(home.params, brand="north", period="2025Q1")
    run.folder.close({"state": "good"})
    assert found(home) == {}


def test_the_site_can_be_rebuilt_without_running(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for unit in ("north/2025Q1", "north/2025Q2", "south/2025Q1", "south/2025Q2"):
        folder = lay(home, unit, "good", **OK)
        folder.table("shares").chmod(0o644)
        folder.table("shares").unlink()
    index = batch.site(home.params)
    assert index == home.path / "reports" / "me" / "index.html"
    assert (index.parent / "zh" / "north" / "2025Q1" / "20_share.html").is_file()


def test_a_site_that_shows_the_same_is_left_and_any_change_makes_it_anew(home: small_suite.Home) -> None:
    for unit in ("north/2025Q1", "north/2025Q2", "south/2025Q1", "south/2025Q2"):
        folder = lay(home, unit, "good", **OK)
        folder.table("shares").chmod(0o644)
        folder.table("shares").unlink()
    contents = suite.load(home.path)

    def made() -> int:
        return publish(grammar.load(home.params), contents, keep=True).stat().st_mtime_ns

    first = made()
    assert made() == first
    (home.path / "reports" / "me" / "north" / "2025Q1" / "20_share.html").unlink()
    second = made()
    assert second != first
    table = lay(home, "south/2025Q2", "good", **OK).table("shares")
    table.chmod(0o644)
    table.unlink()
    assert made() != second
