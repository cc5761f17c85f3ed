from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_suite
import xarray as xr

from cxlab import params as grammar
from cxlab import runs
from cxlab.errors import DataError, ParamsError, RunError
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> small_suite.Home:
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path))
    return small_suite.make(tmp_path)


def batch_run(
    home: small_suite.Home, *, notebook: str = "", writes: dict[str, tuple[str, ...]] | None = None
) -> runs.Run:
    """An open run as the batch makes it, of north in 2025Q2."""
    params = grammar.load(home.params)
    fingerprint, _ = runs.build_store(params, home.path)
    place = runs.unit_dir(home.path, "me", "north", "2025Q2")
    folder = runs.Folder(place / runs.new_run_id(place, ""))
    folder.create(
        runs.context(
            params,
            brand="north",
            period="2025Q2",
            store=runs.store_dir(home.path, "me", fingerprint),
            places={"previous": "", "client": ""},
            writers={"shares": "20_share", "posterior/sat": "20_sat"},
            writes=writes or {},
        )
    )
    os.environ["CXLAB_NOTEBOOK"] = notebook
    try:
        return runs.open("", brand="north", period="2025Q2", run_dir=folder.path)
    finally:
        del os.environ["CXLAB_NOTEBOOK"]


def estimates(**columns: object) -> pd.DataFrame:
    fixed = dict.fromkeys(ESTIMATE_COLUMNS, "") | dict.fromkeys((*ESTIMATE_NUMBERS, "n_eff", "ci_prob"), 1.5)
    rows = {k: v for k, v in fixed.items() if k not in ("run_id", "brand", "model")}
    return pd.DataFrame({**rows, "n": [5, 50], **columns})


# reading and writing -------------------------------------------------------------------------------------------------


def test_the_one_writer_completes_orders_and_suppresses(home: small_suite.Home) -> None:
    run = batch_run(home)
    out = run.write("satisfaction_estimates", estimates(wave="w"), model="satisfaction")
    assert tuple(out.columns) == (*ESTIMATE_COLUMNS, "wave")
    assert out["verdict"].tolist() == ["suppressed", ""]
    assert np.isnan(out.loc[0, "mean"])
    assert out[["run_id", "brand", "model"]].drop_duplicates().to_numpy().tolist() == [
        [run.run_id, "north", "satisfaction"]
    ]
    stored = pd.read_parquet(run.folder.table("satisfaction_estimates"))
    pd.testing.assert_frame_equal(stored, out, check_dtype=False)
    pd.testing.assert_frame_equal(run.read("satisfaction_estimates"), stored)


def test_a_table_that_breaks_its_contract_is_refused_with_every_missing_column(home: small_suite.Home) -> None:
    with pytest.raises(RunError) as caught:
        batch_run(home).write("x_estimates", estimates().drop(columns=["mean", "n"]))
    assert [p.value for p in caught.value.problems] == ["model", "mean", "n"]


@pytest.mark.parametrize("name", ["", "../x", "X", "a b", "a/b", "a.b", "1a", "ü", "a\n", "a" * 81])
def test_names_that_are_no_artefacts(home: small_suite.Home, name: str) -> None:
    run = batch_run(home)
    with pytest.raises(RunError, match="no legal name"):
        run.write(name, pd.DataFrame({"x": [1]}))
    with pytest.raises(RunError, match="no legal name"):
        run.write_posterior(name, xr.Dataset())


def test_a_missing_artefact_names_its_writer(home: small_suite.Home) -> None:
    run = batch_run(home)
    with pytest.raises(RunError, match="20_share writes it"):
        run.read("shares")
    with pytest.raises(RunError, match="20_sat writes it"):
        run.read_posterior("sat")
    with pytest.raises(RunError, match=r"no such artefact.*did you mean 'shares'"):
        run.read("share")
    with pytest.raises(RunError, match=r"no such prefix.*did you mean 'previous'"):
        run.read("previuos:shares")
    assert not run.has("shares")
    assert list(run.read("previous:forecasts").columns)[:2] == ["run_id", "brand"]


def test_a_notebook_writes_only_what_the_suite_promises(home: small_suite.Home) -> None:
    run = batch_run(home, notebook="20_share", writes={"20_share": ("shares", "findings")})
    run.write("shares", pd.DataFrame({"x": [1]}))
    with pytest.raises(RunError, match=r"20_share may not write this.*did you mean 'shares'"):
        run.write("share", pd.DataFrame({"x": [1]}))
    with pytest.raises(RunError, match="may not write"):
        run.write_posterior("sat", xr.Dataset())


def test_a_verdict_keeps_what_is_no_number_as_none(home: small_suite.Home) -> None:
    run = batch_run(home, notebook="20_share")
    run.note_diagnostics(
        "fit", passed=True, verdict={"fits": [{"khat": np.float64("nan"), "ess": float("inf"), "n": 3}]}
    )
    notes = json.loads(run.folder.notes("20_share").read_text(encoding="utf-8"))
    assert notes["diagnostics"]["fit"] == {"passed": True, "fits": [{"khat": None, "ess": None, "n": 3}]}


def test_several_notebooks_share_the_findings(home: small_suite.Home) -> None:
    run = batch_run(home, notebook="10_count")
    other = runs.Run(**{**vars(run), "notebook": "20_share"})
    row = pd.DataFrame(
        {"id": ["finding-1"], "language": ["zh"], "sentence": ["满意"], "verdict": [""], "numbers": ["{}"]}
    )
    run.write_findings(row)
    other.write_findings(row)
    other.write_findings(row)  # again: replaces its own part only
    assert run.read("findings")["notebook"].tolist() == ["10_count", "20_share"]


def test_posterior_comes_back_as_it_was(home: small_suite.Home) -> None:
    run = batch_run(home)
    draws = xr.Dataset(
        {"effect": (("chain", "draw", "group"), np.arange(12.0).reshape(2, 3, 2))}, {"group": ["年轻", "old"]}
    )
    run.write_posterior("sat", draws)
    xr.testing.assert_identical(run.read_posterior("sat"), draws)
    with pytest.raises(RunError, match="no posterior draws"):
        run.write_posterior("sat", draws.rename(draw="x"))


def test_the_unit_sees_its_brand_and_nothing_later(home: small_suite.Home) -> None:
    home.client(last="2025Q2")
    run = runs.open(home.params, brand="south", period="2025Q1")
    assert (run.unit, run.period, run.periods, run.previous) == ("brand_period", "2025Q1", ("2025Q1",), "")
    for rows in (
        run.data.table("responses"),
        run.data.sql("select * from responses"),
        run.data.cells("recommend", factors=[]).assign(brand="south"),
    ):
        assert set(rows["brand"]) == {"south"}
        assert set(rows["period"]) == {"2025Q1"}
    assert run.data.items()["item"].unique().tolist() == ["recommend"]


def test_what_is_dear_to_make_lies_with_the_client(home: small_suite.Home) -> None:
    one, other = (runs.open(home.params, brand=b, period="2025Q1") for b in ("north", "south"))
    assert one.kept == other.kept
    assert one.kept.parent.name == "me"
    assert not one.kept.exists()


def test_seeds_are_the_same_every_time_and_differ_by_unit_and_name(home: small_suite.Home) -> None:
    north, south = (runs.open(home.params, brand=b, period="2025Q1") for b in ("north", "south"))
    again = runs.open(home.params, brand="north", period="2025Q1")
    assert north.seed("fit") == again.seed("fit")
    seeds = {north.seed("fit"), north.seed("plot"), south.seed("fit")}
    assert len(seeds) == 3
    assert all(0 <= s < 2**31 for s in seeds)


# an analyst's session ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "notebooks", "notebooks/templates"])
def test_an_analyst_may_sit_anywhere(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    monkeypatch.delenv("CXLAB_HOME")
    monkeypatch.chdir(home.path / inside)
    run = runs.open("params/me.yaml", brand="north", period="2025Q2")
    assert run.run_id == "interactive"
    assert run.folder.path == home.path.resolve() / "runs" / "me" / "north" / "2025Q2" / "interactive"
    run.write("shares", pd.DataFrame({"x": [1]}))
    run.write("shares", pd.DataFrame({"x": [2]}))
    assert run.read("shares")["x"].tolist() == [2]
    assert run.previous == "2025Q1"


def test_an_analysts_tables_hide_the_batchs_and_are_never_taken_for_them(home: small_suite.Home) -> None:
    made = batch_run(home, notebook="20_share")
    made.write("shares", pd.DataFrame({"x": ["batch"]}))
    made.folder.close({"state": "good"})
    run = runs.open(home.params, brand="north", period="2025Q2")
    assert run.read("shares")["x"].tolist() == ["batch"]
    run.write("shares", pd.DataFrame({"x": ["mine"]}))
    assert run.read("shares")["x"].tolist() == ["mine"]
    place = runs.unit_dir(home.path, "me", "north", "2025Q2")
    assert [f.run_id for f in runs.history(place)] == [made.run_id]


def test_a_period_may_be_a_number(home: small_suite.Home) -> None:
    """papermill's ``-p period 2023`` gives one."""
    text = home.params.read_text().replace(
        "grain: quarter, first: 2025Q1, last: 2025Q2", "grain: year, first: 2025, last: 2025"
    )
    home.params.write_text(text)
    with pytest.raises(ParamsError, match=r"there is no such period .*found 2023; allowed: 2025"):
        runs.open(home.params, brand="north", period=2023)


def test_names_mistyped_by_an_analyst(home: small_suite.Home) -> None:
    with pytest.raises(ParamsError) as caught:
        runs.open(home.params, brand="nroth", period="2025Q9")
    assert [p.nearest for p in caught.value.problems] == ["north", "2025Q2"]
    with pytest.raises(ParamsError, match="no such file"):
        runs.open("params/nobody.yaml", brand="north")


def test_a_missing_artefact_names_its_writer_for_an_analyst_too(home: small_suite.Home) -> None:
    with pytest.raises(RunError, match="20_share writes it"):
        runs.open(home.params, brand="north", period="2025Q1").read("shares")


# folders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "../x", "a\\b", "~root", "a\x00b", "/etc"])
def test_no_name_leads_out_of_the_runs(tmp_path: Path, part: str) -> None:
    with pytest.raises(RunError, match="no legal folder name"):
        runs.client_dir(tmp_path, part)
    with pytest.raises(RunError, match="no legal folder name"):
        runs.pseudonym_key(tmp_path, f"../{part}")
    if part:
        with pytest.raises(RunError, match="no legal folder name"):
            runs.unit_dir(tmp_path, "me", part, "2025Q1")


def test_a_closed_run_never_changes(home: small_suite.Home) -> None:
    run = batch_run(home, notebook="20_share")
    run.write("shares", pd.DataFrame({"x": [1]}))
    run.folder.close({"state": "good"})
    for change in (
        lambda: run.write("shares", pd.DataFrame({"x": [2]})),
        lambda: run.note_sensitivity("a", "b"),
        lambda: run.folder.save(runs.Record("20_share", "ok")),
        lambda: run.folder.close({}),
        lambda: runs.open("", brand="north", period="2025Q2", run_dir=run.folder.path),
    ):
        with pytest.raises(RunError, match="closed and may not change"):
            change()
    modes = {stat.S_IMODE(p.stat().st_mode) for p in run.folder.path.rglob("*") if p.is_file()}
    assert modes == {0o444}


def test_a_folder_of_another_unit_is_refused(home: small_suite.Home) -> None:
    run = batch_run(home)
    with pytest.raises(RunError, match="belongs to another unit"):
        runs.open("", brand="south", period="2025Q2", run_dir=run.folder.path)


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "a" / "t.json"
    runs.write_json(target, {"x": 1})

    def half(path: Path) -> None:
        path.write_text("{")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        runs.write_atomic(target, half)
    assert json.loads(target.read_text()) == {"x": 1}
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(ValueError, match="JSON"):
        runs.write_json(target, {"x": float("nan")})


def test_run_ids_grow_even_within_a_second_or_when_the_clock_goes_back(tmp_path: Path) -> None:
    unit = tmp_path / "u"
    for _ in range(3):
        runs.Folder(unit / runs.new_run_id(unit, "x")).create({})
    future = runs.Folder(unit / "20990101T000000Z-abcdef").create({})
    runs.Folder(unit / runs.new_run_id(unit, "x")).create({})
    found = [f.run_id for f in runs.history(unit)]
    assert len({i.split("-")[0] for i in found}) == 5
    assert found[1] == future.run_id


def test_the_latest_good_run(tmp_path: Path) -> None:
    unit = tmp_path / "u"
    assert runs.latest(unit, good=True) is None
    names = []
    for state in ("good", "failed", "interrupted", None):
        folder = runs.Folder(unit / runs.new_run_id(unit, "")).create({})
        names.append(folder.run_id)
        if state:
            folder.close({"state": state})
    good, newest = runs.latest(unit, good=True), runs.latest(unit, good=False)
    assert good is not None
    assert newest is not None
    assert (good.run_id, newest.run_id) == (names[0], names[2])


def test_linked_artefacts_are_the_same_and_changed_ones_are_noticed(tmp_path: Path) -> None:
    old, new = (runs.Folder(tmp_path / name).create({}) for name in ("a", "b"))
    runs.write_atomic(old.table("x"), lambda p: p.write_text("1"))
    record = runs.Record("n", "ok", key="k", artefacts=old.hashes([old.table("x")]), made_by="a")
    old.save(record)
    assert new.adopt(record, old) == record
    assert new.table("x").samefile(old.table("x"))
    assert new.records() == {"n": record}
    new.table("x").unlink()
    new.table("x").write_text("2")
    assert old.intact(record)
    assert not new.intact(record)


# secrets -------------------------------------------------------------------------------------------------------------


def test_the_key_is_private_stays_and_lies_outside_the_runs(home: small_suite.Home) -> None:
    params = grammar.load(home.params)
    first, _ = runs.build_store(params, home.path)
    key = home.path / "data" / ".keys" / "me.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (key.parent / ".gitignore").read_text() == "*\n"
    secret = key.read_bytes()
    assert len(secret) == 32
    again, _ = runs.build_store(params, home.path)
    assert (again, key.read_bytes()) == (first, secret)
    for path in (home.path / "runs").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()


def test_only_the_stores_used_last_stay(home: small_suite.Home) -> None:
    params = grammar.load(home.params)
    first, _ = runs.build_store(params, home.path)
    made = [first]
    for seed in range(1, 5):
        home.answers("north", "2025Q2", n=seed, seed=seed)
        made.append(runs.build_store(params, home.path)[0])
    for age, name in enumerate(reversed(made)):
        os.utime(runs.store_dir(home.path, "me", name), (1e9 - age, 1e9 - age))
    os.utime(runs.store_dir(home.path, "me", first))  # used again just now
    runs.drop_old_stores(home.path, "me")
    assert {p.name for p in runs.store_dir(home.path, "me", "x").parent.iterdir()} == {first, *made[-2:]}


def test_data_that_cannot_be_read_leaves_no_trace(home: small_suite.Home) -> None:
    for path in (home.path / "data").glob("*.csv"):
        path.unlink()
    with pytest.raises(DataError):
        runs.open(home.params, brand="north", period="2025Q1")
    assert not (home.path / "runs").exists()
    assert not (home.path / "data" / ".keys").exists()
