"""`cxlab.open`: a finished run as pandas; what the batch finished is read, never an older scratch result."""

from __future__ import annotations

import os
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import small_suite

import cxlab
from cxlab import batch, runs
from cxlab.batch import keys
from cxlab.errors import CxError
from cxlab.runs.session import Session


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> small_suite.Home:
    """A small client that was run."""
    made = small_suite.make(tmp_path_factory.mktemp("session") / "home", last="2025Q1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_HOME", str(made.path))
        patch.setattr(keys, "of_code", lambda: "this code")
        assert batch.run(made.path / "params" / "me.yaml", jobs=1).exit_code == 0
    return made


@pytest.fixture
def run(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("CXLAB_HOME", str(home.path))
    return cxlab.open("params/me.yaml", brand="north", period="2025Q1")


def test_the_card_says_what_it_is_and_what_to_do(run: Session) -> None:
    card = repr(run)
    assert len(card) < 1_000
    assert all(
        word in card for word in ("me, north, 2025Q1", run.run_id, "minutes ago", "run.findings()", "run.data.sql")
    )
    assert "<table>" in run._repr_html_()


def test_tables_findings_and_data_are_pandas(run: Session) -> None:
    assert {"counts", "shares", "findings"} <= set(run.tables)
    share = float(run.tables.shares["share"].iloc[0])
    assert run.findings()["sentence"].tolist() == [f"{share:.0%}"]
    ratings = run.data.ratings
    assert share == pytest.approx((ratings["value"] >= 9).mean())
    counted = run.data.sql("SELECT count(*) AS n FROM ratings WHERE value >= $least", least=9)
    assert int(counted["n"].iloc[0]) == int((ratings["value"] >= 9).sum())


def test_filters_hold_for_answers_and_what_belongs_to_them(run: Session) -> None:
    high = run.where(value=[9, 10])
    assert set(high.data.ratings["value"]) <= {9, 10}
    low = run.without(value=[9, 10])
    assert len(high.data.ratings) + len(low.data.ratings) == len(run.data.ratings)
    some = run.data.responses["response_id"].iloc[:3].tolist()
    assert len(run.where(response_id=some).data.ratings) == 3
    assert "value = 9, 10" in repr(high)
    assert "value" not in repr(run)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda r: r.tables.share, "shares"),
        (lambda r: r.tables["finding"], "findings"),
        (lambda r: r.data.rating, "ratings"),
        (lambda r: r.where(tier="gold").data.ratings, "no such column"),
        (lambda r: r.findings("zh"), "en"),
        (lambda r: r.estimates(item="recommend"), "satisfaction_estimates"),
    ],
)
def test_slips_are_answered_with_what_there_is(run: Session, ask: object, said: str) -> None:
    with pytest.raises(CxError, match=said):
        ask(run)  # type: ignore[operator]


def test_which_brand_is_asked(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXLAB_HOME", str(home.path))
    with pytest.raises(CxError, match="which brand"):
        cxlab.open("params/me.yaml")


def test_an_older_scratch_result_never_shadows_the_batch(run: Session, home: small_suite.Home) -> None:
    scratch = runs.open("params/me.yaml", brand="north", period="2025Q1")
    right = run.tables.shares["share"].iloc[0]
    scratch.write("shares", pd.DataFrame({"share": [-1.0], "noise": [0.0]}))
    assert scratch.read("shares")["share"].iloc[0] == -1.0  # the analyst's own, and newer
    assert cxlab.open("params/me.yaml", brand="north", period="2025Q1").tables.shares["share"].iloc[0] == right
    path = scratch.folder.table("shares")
    os.utime(path, (1, 1))  # as if a batch had finished since
    assert runs.open("params/me.yaml", brand="north", period="2025Q1").read("shares")["share"].iloc[0] == right


def test_a_workbook_holds_the_numbers_and_no_formula(run: Session, tmp_path: Path) -> None:
    path = run.to_excel(tmp_path / "north.xlsx")
    book = openpyxl.load_workbook(path)
    assert {"about", "findings", "shares", "codebook"} <= set(book.sheetnames)
    shares = pd.read_excel(path, sheet_name="shares")
    assert shares["share"].iloc[0] == pytest.approx(run.tables.shares["share"].iloc[0])
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_text_like_a_formula_stays_text(run: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"what": ["=1+1", "+49 30", "@x", "bell\x07"], "customer": ["a", "b", "c", "d"]})
    monkeypatch.setattr(type(run.tables), "__getitem__", lambda self, name: table)
    monkeypatch.setattr(type(run), "findings", lambda self, language="": table)
    book = openpyxl.load_workbook(run.to_excel(tmp_path / "x.xlsx", customers=True))
    cells = [cell for row in book["shares"].iter_rows() for cell in row]
    assert [c.data_type for c in cells if str(c.value).startswith(("=", "+", "@"))] == ["s"] * 3
    assert "bell" in [c.value for c in cells]
    assert "shares" not in openpyxl.load_workbook(run.to_excel(tmp_path / "y.xlsx")).sheetnames
