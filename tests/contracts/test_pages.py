"""Every kind of page, opened in a real browser: accessible, quiet, offline, printable, in any width and colour."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pages
import pytest
from nbformat import NotebookNode

from cxlab.report.html.context import PageContext
from cxlab.report.html.exporter import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KINDS = {
    "brief": (pages.brief, pages.context(layout="brief")),
    "page": (pages.report, pages.context()),
    "failed": (pages.failed, pages.context(status="failed", reason="ValueError: no rows")),
}


def written(folder: Path, kind: str, language: str) -> Path:
    make, frame = KINDS[kind]
    return save(folder / f"{kind}.{language}.html", make(), frame, language)


def save(path: Path, notebook: NotebookNode, frame: PageContext, language: str) -> Path:
    path.write_text(render_page(notebook, language=language, context=frame), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_page_is_accessible_quiet_and_offline(browser: Browser, tmp_path: Path, kind: str, language: str) -> None:
    path = written(tmp_path, kind, language)
    assert path.stat().st_size < 120 * 1024
    pages.check_page(browser, path)


def test_examination_finds_what_it_looks_for(browser: Browser, tmp_path: Path) -> None:
    """The negative control of `check_page`: each fault alone is enough to fail."""
    good = written(tmp_path, "page", "en").read_text(encoding="utf-8")
    faults = {
        "contrast": good.replace("--soft:#5a6675", "--soft:#c9ced4"),
        "wide": good.replace("overflow-x:auto;margin:0 0 12px}", "overflow:visible}"),
        "request": good.replace("img-src data:", "img-src *").replace("<h1", '<img alt="" src="http://127.0.0.1:9/p.png"><h1'),
        "inline": good.replace("<h1", '<h1 style="color:red"'),
    }  # fmt: skip
    for fault, html in faults.items():
        assert html != good, fault
        path = tmp_path / f"{fault}.html"
        path.write_text(html, encoding="utf-8")
        with pytest.raises(AssertionError):
            pages.check_page(browser, path, schemes=("light",))


def test_chinese_stays_text(browser: Browser, tmp_path: Path) -> None:
    """Readers have the fonts that this machine lacks, so words must not become boxes or outlines."""
    page = browser.new_page()
    page.goto(written(tmp_path, "brief", "zh").as_uri())
    shown = page.inner_text("main")
    for words in ("愿意推荐我们的客户比春季少了", "净推荐值由 37 降至 31", "发生了什么变化"):
        assert words in shown
    assert page.get_attribute("html", "lang") == "zh-CN"
    source = page.get_attribute("figure img", "src") or ""
    assert "各季度净推荐值" in base64.b64decode(source.split(",", 1)[1]).decode()
    assert page.evaluate("document.querySelector('figure img').naturalWidth") > 0
    page.close()


def test_code_waits_behind_one_switch(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(written(tmp_path, "page", "en").as_uri())
    button, source = page.locator("#code"), page.get_by_text("frame.describe()")
    assert not source.is_visible()
    assert button.get_attribute("aria-pressed") == "false"
    button.press("Enter")
    assert source.is_visible()
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not source.is_visible()
    page.close()


def test_anchors_lead_to_cells_and_headings(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, "page", "en")
    page = browser.new_page(viewport={"width": 1280, "height": 500})
    page.goto(f"{path.as_uri()}#finding-1")
    assert page.evaluate("document.querySelector(':target').textContent.includes('72 % are satisfied')")
    link = page.locator(".toc a", has_text="满意度如何")
    link.click()
    assert "满意度如何" in page.evaluate("document.querySelector(':target').textContent")
    assert page.evaluate("document.querySelector(':target').getBoundingClientRect().top") < 100
    page.keyboard.press("Home")
    page.close()


def test_first_tab_stop_skips_to_the_content(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(written(tmp_path, "page", "en").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()


def test_prints_on_paper_without_the_frame(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(written(tmp_path, "brief", "en").as_uri())
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1  # a brief is one page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for frame in (".tabs", ".tools", ".skip", ".steps"):
        assert not page.locator(frame).first.is_visible(), frame
    assert page.get_by_text("The score fell from 37 to 31.").is_visible()
    page.close()


def test_brief_stands_side_by_side_only_on_wide_screens(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, "brief", "en")
    tops = {}
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(path.as_uri())
        boxes = [page.locator(f"h2:has-text('{h}')").bounding_box() for h in ("What changed", "Why", "How sure")]
        tops[width] = [box["y"] for box in boxes if box]
        page.close()
    assert tops[1280][0] == tops[1280][1] < tops[1280][2]
    assert tops[390][0] < tops[390][1] < tops[390][2]
