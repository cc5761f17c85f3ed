"""The main job as its users run it: demo files -> warm kernels -> executed notebooks -> pages in two languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pages
import pandas as pd
import pytest

from cxlab import batch, synthetic, vocab
from cxlab.batch import BatchReport, suite

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.suite, pytest.mark.timeout(900)]
UNIT = Path("alder") / "2026Q3"
CONTENTS = suite.load(Path(__file__).resolve().parents[2])


@pytest.fixture(scope="module")
def world() -> synthetic.World:
    return synthetic.generate()


@pytest.fixture(scope="module")
def home(root: Path, tmp_path_factory: pytest.TempPathFactory, world: synthetic.World) -> Path:
    """A home with the repository's notebooks and params and a data folder of its own."""
    place = tmp_path_factory.mktemp("home")
    for name in ("notebooks", "params"):
        (place / name).symlink_to(root / name)
    synthetic.write(world, place / "data" / "demo")
    text = (root / "params" / "demo.yaml").read_text(encoding="utf-8")
    (place / "me").mkdir()
    (place / "me" / "demo.yaml").write_text(text.replace("schema.json", "../params/schema.json"), encoding="utf-8")
    (place / "me" / "demo.topics.yaml").symlink_to(root / "params" / "demo.topics.yaml")
    return place


@pytest.fixture(scope="module")
def report(home: Path) -> BatchReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_HOME", str(home))
        return batch.run(home / "me" / "demo.yaml", brand=["alder"], period=["2026Q3"], jobs=1)


@pytest.fixture(scope="module")
def run_folder(home: Path, report: BatchReport) -> Path:
    (folder,) = (p.parent for p in (home / "runs" / "demo" / UNIT).glob("*/manifest.json"))
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "tables" / f"{name}.parquet")


def test_everything_ran(report: BatchReport) -> None:
    assert report.failures == ()
    assert report.exit_code == 0
    assert len(report.executed) == len(CONTENTS.ids)


def test_models_converged(run_folder: Path) -> None:
    notes = json.loads((run_folder / "manifest.json").read_text())["diagnostics"]
    assert [name for found in notes.values() for name, verdict in found.items() if not verdict["passed"]] == []
    fits = notes["20_satisfaction"]["satisfaction"]["fits"]
    assert len(fits) >= 10
    assert all(fit["passed"] and fit["rhat"] < 1.01 and fit["divergences"] == 0 for fit in fits)


def test_the_planted_drop_is_found_and_what_did_not_move_is_not(run_folder: Path, world: synthetic.World) -> None:
    estimates = table(run_folder, "satisfaction_estimates")
    assert list(estimates.columns[: len(vocab.ESTIMATE_COLUMNS)]) == list(vocab.ESTIMATE_COLUMNS)
    total = estimates[(estimates["level"] == "total") & (estimates["period"] == "2026Q3")]
    change = total[(total["estimand"] == "change") & (total["weighting"] == "population")].set_index(["item", "metric"])
    assert change.loc[("nps", "nps"), "verdict"] == "worse"
    assert change.loc[("delivery", "csat"), "verdict"] == "worse"
    assert change.loc[("quality", "csat"), "verdict"] in ("no_real_change", "cannot_tell")
    assert change.loc[("staff", "csat"), "verdict"] in ("no_real_change", "cannot_tell")


def test_the_planted_pain_and_wow_are_the_likeliest_kinds(run_folder: Path, world: synthetic.World) -> None:
    estimates = table(run_folder, "driver_estimates").query("item == 'nps'")
    chances = estimates[estimates["metric"] == "probability"].pivot(
        index="attribute", columns="estimand", values="mean"
    )
    kinds = chances[["p_must_be", "p_linear", "p_delighter", "p_indifferent"]].idxmax(axis=1)
    planted = world.truth.touchpoints.set_index("touchpoint")["shape"]
    for attribute in ("delivery", "staff", "quality"):  # rated by most
        assert kinds[attribute] == f"p_{planted[attribute]}"
    assert chances.loc["delivery", "p_top3"] > 0.9
    assert chances.loc["app", "p_top3"] < 0.1  # planted without effect


def test_the_planted_topics_are_heard_and_what_is_new_is_announced(run_folder: Path) -> None:
    """Effects are attenuated, since clauses stand in wrong topics: praise has its direction, not always more."""
    estimates = table(run_folder, "topic_estimates").query("level == 'total' and period == '2026Q3'")
    effects = estimates[estimates["estimand"] == "score_effect"].set_index("topic")
    assert effects.loc["delivery", "verdict"] == "worse"
    quality = effects[effects.index.str.contains("quality|sturdy|solid")]  # praise of it may stand by itself
    assert quality["prob_gt_ref"].max() > 0.9
    assert not (quality["verdict"] == "worse").any()
    rose = estimates[estimates["estimand"] == "share_change"].set_index("topic")["prob_gt_ref"]
    assert rose["delivery"] > 0.95
    findings = table(run_folder, "findings").query("notebook == '40_voice' and language == 'en'").set_index("id")
    assert findings.loc["cost", "sentence"].startswith("What customers say about “Delivery” weighs most")
    assert findings.loc["emerging", "sentence"].startswith("New: ")  # the courier that came with the drop


def test_small_groups_have_no_numbers(run_folder: Path) -> None:
    estimates = table(run_folder, "satisfaction_estimates")
    small = estimates[estimates["n"] < 30]
    assert len(small)
    assert small[list(vocab.ESTIMATE_NUMBERS)].isna().all(axis=None)


def test_rejects_are_the_planted_ones(run_folder: Path, world: synthetic.World) -> None:
    found = table(run_folder, "rejects")[["file", "line"]].drop_duplicates()
    planted = world.truth.rejects.query("level != 'scope'")[["file", "line"]].drop_duplicates()
    assert set(map(tuple, found.to_numpy())) == set(map(tuple, planted.to_numpy()))


def test_findings_are_told_in_both_languages(run_folder: Path) -> None:
    findings = table(run_folder, "findings")
    mine = [n for n in CONTENTS.notebooks if n.unit == "brand_period"]
    assert set(findings["notebook"]) == {n.id for n in mine if "findings" in n.writes}
    assert (findings.groupby(["notebook", "id"])["language"].nunique() == 2).all()


def test_numbers_of_the_pages_are_those_of_the_tables(run_folder: Path) -> None:
    estimates = table(run_folder, "satisfaction_estimates")
    row = estimates.query("estimand == 'level' and level == 'total' and metric == 'nps' and weighting == 'survey'")
    value = row.set_index("period").loc["2026Q3", "mean"]
    notebook = nbformat.read(run_folder / "notebooks" / "90_brief.ipynb", as_version=4)
    shown = json.dumps([c.get("outputs", []) for c in notebook.cells], ensure_ascii=False)
    assert f'"value": "{value:.0f}"' in shown


def test_nothing_changed_nothing_runs(home: Path, report: BatchReport) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_HOME", str(home))
        again = batch.run(home / "me" / "demo.yaml", brand=["alder"], period=["2026Q3"], jobs=1)
    assert again.exit_code == 0
    assert again.executed == ()


@pytest.mark.parametrize(
    ("subject", "scenario", "table"),
    [("drivers", "nps", "importance_share"), ("topics", "ci_low", "points_at_stake"), ("value", "ci_low", "p_alive")],
)
def test_a_workbench_answers_from_the_finished_run(
    home: Path, report: BatchReport, subject: str, scenario: str, table: str
) -> None:
    from papermill import execute_notebook

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_HOME", str(home))
        done = execute_notebook(
            home / "notebooks" / f"explore_{subject}.ipynb",
            home / f"explored_{subject}.ipynb",
            parameters={"params_file": str(home / "me" / "demo.yaml")},
            cwd=home,
            kernel_name="python3",
            progress_bar=False,
        )
    shown = {cell["id"]: json.dumps(cell.get("outputs", [])) for cell in done.cells}
    assert "application/vnd.jupyter.widget-view+json" in shown["explore"]
    assert scenario in shown["scenario"]
    assert table in shown["table"]


def test_pages_are_small_and_name_no_path_of_the_machine(home: Path, report: BatchReport) -> None:
    made = sorted((home / "reports" / "demo").rglob("*.html"))
    assert len(made) >= 8
    for page in made:
        assert page.stat().st_size < 300 * 1024, page
        assert str(home) not in page.read_text(encoding="utf-8"), page


@pytest.mark.parametrize("place", ["index.html", "zh/index.html"])
def test_index_in_a_browser(home: Path, report: BatchReport, browser: Browser, place: str) -> None:
    pages.check_page(browser, home / "reports" / "demo" / place)


PLACES = {"brand_period": UNIT, "client": Path("_all") / "_all"}
OF_UNITS = [PLACES[n.unit] / ("index.html" if n.id == "90_brief" else f"{n.id}.html") for n in CONTENTS.notebooks]


@pytest.mark.parametrize("language", ["", "zh"])
@pytest.mark.parametrize("name", OF_UNITS, ids=str)
def test_pages_in_a_browser(home: Path, report: BatchReport, browser: Browser, language: str, name: Path) -> None:
    page = home / "reports" / "demo" / language / name
    pages.check_page(browser, page)
    if language == "zh":
        view = browser.new_page()
        view.goto(page.as_uri())
        text = view.inner_text("main")
        view.close()
        assert sum("\u4e00" <= letter <= "\u9fff" for letter in text) > 100
