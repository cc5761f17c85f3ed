"""The site of a client: addresses, numbers on the index, what is missing and why, downloads, replacement at once."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import nbformat
import pages
import pandas as pd
import pytest

from cxlab.errors import RunError
from cxlab.report.html.download import write_csv
from cxlab.report.html.overview import headline
from cxlab.report.site import BrandRef, NotebookResult, PeriodRef, UnitResult, publish
from cxlab.vocab import ESTIMATE_COLUMNS, FINDING_COLUMNS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TITLES = {
    "10_readiness": {"en": "Readiness", "zh": "数据准备"},
    "20_satisfaction": {"en": "Satisfaction", "zh": "满意度"},
    "90_brief": {"en": "Brief", "zh": "简报"},
}
LEVELS = {"2026Q1": (36.0, 33.0, 39.0), "2026Q2": (37.0, 34.0, 40.0), "2026Q3": (31.0, 28.0, 34.0)}


def estimates(brand: str = "alder", *, metric: str = "nps", verdict: str = "worse") -> pd.DataFrame:
    rows = []
    for period, (mean, low, high) in LEVELS.items():
        row = dict.fromkeys(ESTIMATE_COLUMNS) | {
            "brand": brand, "period": period, "item": metric, "metric": metric, "level": "total", "group": "all",
            "weighting": "none", "n": 1234, "verdict": "", "estimand": "level", "mean": mean, "ci_low": low,
            "ci_high": high,
        }  # fmt: skip
        rows.append(row)
        rows.append(row | {"weighting": "survey", "mean": mean + 1})
        rows.append(row | {"level": "touchpoint", "group": "wifi", "mean": -50.0})
    change = {"estimand": "change", "mean": -6.0, "ci_low": -10.0, "ci_high": -2.0, "verdict": verdict}
    rows.append(row | {"weighting": "survey"} | change)
    return pd.DataFrame(rows)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    for name, notebook in (("brief", pages.brief()), ("report", pages.report()), ("failed", pages.failed())):
        nbformat.write(notebook, folder / f"{name}.ipynb")
    estimates().to_parquet(folder / "estimates.parquet")
    findings = [
        ("90_brief", "headline", "en", "Fewer would recommend Alder.", "worse", "{}"),
        ("90_brief", "headline", "zh", "愿意推荐 Alder 的客户少了。", "worse", "{}"),
    ]
    pd.DataFrame(findings, columns=list(FINDING_COLUMNS)).to_parquet(folder / "findings.parquet")
    pd.DataFrame({"value": ["ana@example.org"]}).to_parquet(folder / "rejects.parquet")
    return folder


def unit(inputs: Path, brand: str = "alder", period: str = "2026Q3", **states: str) -> UnitResult:
    """A unit of three notebooks, complete unless a state says otherwise."""
    files = {"10_readiness": "report", "20_satisfaction": "report", "90_brief": "brief"}
    notebooks = []
    for name, file in files.items():
        status = states.get(f"n{name[:2]}", "ok")
        path = {"ok": f"{file}.ipynb", "withheld": f"{file}.ipynb", "failed": "failed.ipynb"}.get(status)
        error = "ValueError: no rows in /home/ana/data.csv" if status == "failed" else ""
        notebooks.append(NotebookResult(name, TITLES[name], status, inputs / path if path else None, error))
    tables = {"satisfaction_estimates": inputs / "estimates.parquet", "findings": inputs / "findings.parquet"}
    return UnitResult(
        BrandRef(brand, {"en": brand.title(), "zh": f"{brand}牌"}, brand),
        PeriodRef(period),
        "20261003T061500Z-3f9ab",
        tuple(notebooks),
        tables | {"nps": inputs / "estimates.parquet", "rejects": inputs / "rejects.parquet"},
        "2026-10-01",
        {"en": "all models converged", "zh": "模型均已收敛"},
    )


def built(inputs: Path, *units: UnitResult, languages: tuple[str, ...] = ("en", "zh")) -> Path:
    return publish(units, client="Demo", languages=languages, folder=inputs.parent / "reports" / "demo").parent


def words(page: Path) -> str:
    html = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page.read_text("utf-8"), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_tree_has_every_page_in_every_language(inputs: Path) -> None:
    site = built(inputs, unit(inputs), unit(inputs, period="2026Q2"))
    pages_of = {str(p.relative_to(site)) for p in site.rglob("*.html")}
    unit_pages = {
        f"alder/{q}/{n}.html" for q in ("2026Q2", "2026Q3") for n in ("index", "10_readiness", "20_satisfaction")
    }
    assert pages_of == {"index.html", "zh/index.html"} | unit_pages | {f"zh/{p}" for p in unit_pages}
    assert {p.name for p in site.rglob("*.csv")} == {"satisfaction_estimates.csv", "findings.csv", "nps.csv"}
    assert not (site / "zh" / "alder" / "2026Q3" / "data").exists()
    assert "Fewer customers would recommend us" in words(site / "alder/2026Q3/index.html")
    assert "愿意推荐我们的客户比春季少了" in words(site / "zh/alder/2026Q3/index.html")
    assert "ana@example.org" not in "".join(p.read_text("utf-8") for p in site.rglob("*.*") if p.is_file())


def test_every_address_is_relative_and_leads_somewhere(inputs: Path) -> None:
    shared = replace(unit(inputs, n90="skipped"), brand=None)
    everything = replace(unit(inputs, n10="no_data", n20="no_data", n90="no_data"), brand=None, period=None)
    site = built(inputs, unit(inputs), unit(inputs, "birch", n20="failed"), shared, everything)
    checked = 0
    for page in site.rglob("*.html"):
        html = page.read_text("utf-8")
        ids = {unescape(i) for i in re.findall(r' id="([^"]+)"', html)}
        for raw in re.findall(r'(?:href|src)="([^"]+)"', html):
            address = urlsplit(unescape(raw))
            if address.scheme == "data":
                continue
            assert not raw.startswith("/"), raw
            assert not address.scheme + address.netloc, raw
            if address.path:
                assert (page.parent / unquote(address.path)).is_file(), f"{page}: {raw}"
            elif address.fragment:
                assert unquote(address.fragment) in ids, f"{page}: {raw}"
            checked += 1
    assert checked > 150
    assert str(inputs.parent) not in "".join(p.read_text("utf-8") for p in site.rglob("*.html"))


def test_index_shows_number_interval_change_and_sentence(inputs: Path) -> None:
    site = built(inputs, unit(inputs), unit(inputs, period="2026Q2"), unit(inputs, period="2026Q1"))
    said = words(site / "index.html")
    assert "Demo, Q3 2026: worse" in said
    assert "32 28 to 34" in said  # the weighted level
    assert "worse: −6 (−10 to −2)" in said
    assert "Fewer customers would recommend us than in spring." in said
    assert said.index("Q3 2026") < said.index("Q2 2026") < said.index("Q1 2026")
    assert "9 of 9 pages are complete." in said
    html = (site / "index.html").read_text("utf-8")
    assert "32, likely 28 to 34; last period 38" in html
    chinese = words(site / "zh/index.html")
    assert "变差" in chinese
    assert "愿意推荐我们的客户比春季少了。" in chinese
    assert "2026年第三季度" in chinese


def test_headline_prefers_weighted_nps_and_never_looks_ahead() -> None:
    table = pd.concat([estimates(metric="mean"), estimates(), estimates("birch")], ignore_index=True)
    found = headline(table, brand="alder", period="2026Q2")
    assert found is not None
    assert (found.metric, found.mean, found.previous, found.change, found.verdict) == ("nps", 38.0, 37.0, None, "")
    assert headline(table, brand="alder", period="2025Q4") is None
    assert headline(table, brand="cedar", period="2026Q3") is None


@pytest.mark.parametrize("verdict", ["withheld", "suppressed"])
def test_headline_without_a_number_says_so(inputs: Path, verdict: str) -> None:
    table = estimates()
    table.loc[table["estimand"] == "level", ["mean", "ci_low", "ci_high"]] = float("nan")
    table.loc[table["estimand"] == "level", "verdict"] = verdict
    table.to_parquet(inputs / "estimates.parquet")
    said = words(built(inputs, unit(inputs)) / "index.html")
    assert {"withheld": "withheld", "suppressed": "too few answers"}[verdict] in said
    assert "nan" not in said.casefold()


def test_failures_are_named_with_a_reason_and_a_way_to_look(inputs: Path) -> None:
    site = built(
        inputs,
        unit(inputs, "alder", n20="failed", n90="skipped"),
        unit(inputs, "birch", n10="no_data", n20="no_data", n90="no_data"),
        unit(inputs, "cedar", n20="withheld"),
        unit(inputs, "dune", n20="timeout"),
    )
    said = words(site / "index.html")
    assert "failed: a step stopped with an error – ValueError: no rows in …/data.csv" in said
    assert "not computed: a page it builds on is missing" in said
    assert "withheld: the model did not pass its checks" in said
    assert "out of time: it took longer than the time allowed" in said
    assert "no data: no answers in this period" in said
    assert "5 of 12 pages are complete." in said
    assert re.search(
        r'\(<a href="alder/2026Q3/20_satisfaction.html">log</a>\)', (site / "index.html").read_text("utf-8")
    )
    broken = (site / "alder/2026Q3/20_satisfaction.html").read_text("utf-8")
    assert 'href="#error"' in broken
    assert 'id="error"' in broken
    assert "This page is incomplete" in broken
    # no brief: the first page stands in; no page at all: one that says why
    assert words(site / "alder/2026Q3/index.html") == words(site / "alder/2026Q3/10_readiness.html")
    assert "no answers in this period" in words(site / "birch/2026Q3/index.html")


def test_a_notebook_without_data_gives_its_own_reason(inputs: Path) -> None:
    empty = unit(inputs, n20="no_data")
    own = replace(empty.notebooks[1], error="nobody rated attributes together with an outcome")
    said = words(built(inputs, replace(empty, notebooks=(empty.notebooks[0], own, empty.notebooks[2]))) / "index.html")
    assert "no data: nobody rated attributes together with an outcome" in said
    assert "no answers in this period" not in said


def test_an_older_good_page_is_shown_as_such(inputs: Path) -> None:
    good = unit(inputs)
    failed = replace(good.notebooks[1], status="failed", error="KeyError: ana@example.org in row 7", older=True)
    site = built(inputs, replace(good, notebooks=(good.notebooks[0], failed, good.notebooks[2])))
    said = words(site / "alder/2026Q3/20_satisfaction.html")
    assert "what stands here is from the run before. KeyError: [email] in row 7" in said
    assert "72 % are satisfied" in said
    assert "ana@example.org" not in words(site / "index.html")


def test_unreadable_notebook_stops_nothing(inputs: Path) -> None:
    (inputs / "report.ipynb").write_text("{not json", encoding="utf-8")
    site = built(inputs, unit(inputs))
    assert "could not be read" in words(site / "alder/2026Q3/20_satisfaction.html")
    assert "Fewer customers" in words(site / "alder/2026Q3/index.html")


def test_tabs_lead_to_the_pages_over_all_brands(inputs: Path) -> None:
    every = replace(
        unit(inputs),
        brand=None,
        period=None,
        notebooks=(NotebookResult("15_topics", {"en": "Topics", "zh": "话题"}, "ok", inputs / "report.ipynb"),),
        tables={},
    )
    site = publish([unit(inputs), every], client="A", languages=("en", "zh"), folder=inputs / "site").parent
    page = (site / "alder" / "2026Q3" / "20_satisfaction.html").read_text("utf-8")
    assert '<a href="../../_all/_all/15_topics.html">Topics</a>' in page
    assert ">话题</a>" in (site / "zh" / "alder" / "2026Q3" / "index.html").read_text("utf-8")
    assert "20_satisfaction.html" not in (site / "_all" / "_all" / "15_topics.html").read_text("utf-8")


def test_removed_units_lose_their_pages_and_nothing_is_left_beside(inputs: Path) -> None:
    site = built(inputs, unit(inputs), unit(inputs, "birch"))
    (site / "stray.txt").write_text("old")
    built(inputs, unit(inputs))
    assert not (site / "birch").exists()
    assert not (site / "stray.txt").exists()
    assert [p.name for p in site.parent.iterdir()] == ["demo"]
    built(inputs, unit(inputs), languages=("zh",))
    assert 'lang="zh-CN"' in (site / "index.html").read_text("utf-8")
    assert not (site / "zh").exists()


def test_a_reader_never_meets_half_a_site(inputs: Path) -> None:
    site = built(inputs, unit(inputs), languages=("en",))
    stop, missed, seen = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append((site / "index.html").stat().st_size)
            except FileNotFoundError as error:
                missed.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            built(inputs, unit(inputs), languages=("en",))
    finally:
        stop.set()
        reader.join()
    assert missed == []
    assert len(seen) > 100
    assert len(set(seen)) == 1


def test_a_failed_build_leaves_the_old_site(inputs: Path) -> None:
    site = built(inputs, unit(inputs))
    before = words(site / "index.html")
    (inputs / "estimates.parquet").write_bytes(b"broken")
    with pytest.raises(Exception, match=r"(?i)parquet|magic"):
        built(inputs, unit(inputs), unit(inputs, "birch"))
    assert words(site / "index.html") == before
    assert [p.name for p in site.parent.iterdir()] == ["demo"]


def test_unsafe_names_and_doubles_are_refused_at_once(inputs: Path) -> None:
    good = unit(inputs)
    evil = replace(
        good,
        brand=BrandRef("x", "x", "../../etc"),
        period=PeriodRef("a/b"),
        notebooks=(NotebookResult(".hidden", "t", "ok"),),
        tables={"..": inputs / "estimates.parquet"},
    )
    with pytest.raises(RunError) as caught:
        built(inputs, good, replace(good, run_id="later"), evil, unit(inputs, "zh"))
    text = str(caught.value)
    for part in ("../../etc", "a/b", ".hidden", "'..'", "two results for one unit", "folder of a language"):
        assert part in text
    assert not (inputs.parent / "reports").exists()


def test_csv_cannot_compute(tmp_path: Path) -> None:
    hostile = ["=1+1", " =x", "\u00a0@SUM(A1)", "\ufeff-2+3", "+1", "＝HYPERLINK()", "\t=x", "fine", "a=b", None]
    table = pd.DataFrame({"=name": hostile, "n": [-1.5] * 10, "kind": pd.Categorical(["-a", "b"] * 5)})
    write_csv(table, tmp_path / "t.csv")
    raw = (tmp_path / "t.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(tmp_path / "t.csv", encoding="utf-8-sig")
    assert list(back.columns) == ["'=name", "n", "kind"]
    assert [str(v)[:1] for v in back["'=name"]][:7] == ["'"] * 7
    assert list(back["'=name"])[7:9] == ["fine", "a=b"]
    assert back["n"].eq(-1.5).all()
    assert list(back["kind"])[:2] == ["'-a", "b"]


def test_csv_keeps_chinese_and_numbers(tmp_path: Path) -> None:
    write_csv(estimates().assign(brand="桤木"), tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv", encoding="utf-8-sig")
    assert set(back["brand"]) == {"桤木"}
    assert list(back["mean"]) == list(estimates()["mean"])


def test_site_in_a_browser(inputs: Path, browser: Browser) -> None:
    """Index, brief and a unit without pages pass the examination of every page, and the ways between them work."""
    hostile = "<img src=x onerror=\"document.title='PWNED'\">"
    bad = replace(
        unit(inputs, "birch", n20="failed", n90="skipped"),
        brand=BrandRef("birch", hostile, "birch"),
        run_id=hostile,
        diagnostics=hostile,
    )
    empty = unit(inputs, "cedar", n10="no_data", n20="no_data", n90="no_data")
    site = built(inputs, unit(inputs), unit(inputs, period="2026Q2"), bad, empty)
    pages.check_page(browser, site / "index.html")
    for path in ("zh/index.html", "cedar/2026Q3/index.html", "zh/alder/2026Q3/index.html"):
        pages.check_page(browser, site / path, schemes=("light",))
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Alder", exact=True).first.click()
    assert page.title().startswith("Fewer customers")
    page.get_by_role("link", name="中文").click()
    assert page.title().startswith("愿意推荐")
    page.get_by_role("link", name="满意度").first.click()
    page.get_by_role("link", name="English").click()
    page.get_by_role("link", name="Overview").click()
    assert page.url == (site / "index.html").as_uri()
    page.get_by_role("link", name="log").first.click()
    page.get_by_role("link", name="Go to the step").click()
    assert page.url.endswith("20_satisfaction.html#error")
    assert page.title() != "PWNED"
    page.close()
