"""What of a notebook reaches its page, in which language, under which heading, with which way to get there."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from string import Formatter

import nbformat
import pages
import pytest
from nbformat.v4 import new_notebook, new_output

from cxlab.report import blocks
from cxlab.report.html.clean import clean_html, plain_text
from cxlab.report.html.context import PageContext
from cxlab.report.html.exporter import ReportExporter, render_page
from cxlab.report.html.markdown import Outline, render_markdown


def page(*cells: nbformat.NotebookNode, language: str = "en", **context: object) -> str:
    html = render_page(new_notebook(cells=list(cells)), language=language, context=pages.context(**context))
    return re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.S)


def output(**data: object) -> nbformat.NotebookNode:
    return new_output("display_data", data={key.replace("_", "/"): value for key, value in data.items()})


def test_a_notebook_with_nothing_to_say_gives_its_reason_and_no_error() -> None:
    nothing = new_output("error", ename="NoDataError", evalue="nobody was asked", traceback=["line 3"])
    cell = pages.code("run.no_data('nobody was asked')", nothing, id="data", tags=("remove-cell",))
    html = page(cell, status="no_data", reason="nobody was asked")
    assert html.count("nobody was asked") == 1
    assert 'id="error"' not in html
    assert "#error" not in html
    assert "line 3" not in html


def test_machinery_stays_out_and_errors_stay_in() -> None:
    html = page(
        pages.markdown("# Title"),
        pages.code("import secret", output(text_plain="never seen"), tags=("remove-cell",)),
        pages.code("run_dir = '/home/ana/runs'", tags=("injected-parameters",)),
        pages.markdown("<b>An Exception was encountered at ...</b>", tags=("papermill-error-cell-tag",)),
        pages.code("shown = 1", output(text_plain="visible result")),
        pages.code("secret_model()", output(text_plain="only the result"), tags=("remove-input",)),
    )
    for absent in ("import secret", "never seen", "/home/ana", "An Exception", "secret_model"):
        assert absent not in html, absent
    for present in ("visible result", "only the result"):
        assert present in html
    assert "shown" in re.sub("<[^>]*>", "", html)

    error = new_output("error", ename="ValueError", evalue="no rows in <2026Q3>", traceback=["\x1b[31mline\x1b[0m"])
    html = page(pages.code("fit()", error, id="fit", tags=("remove-cell",)), status="failed")
    assert 'id="error"' in html
    assert 'id="fit"' in html
    assert 'href="#error"' in html
    assert "ValueError: no rows in &lt;2026Q3&gt;" in html
    assert "\x1b" not in html


def test_language_picks_markdown_and_blocks() -> None:
    cells = [
        pages.markdown("# How satisfied?", "# 满意度如何？"),
        pages.markdown("## English only"),
        pages.code("x", pages.result("f", en=[blocks.note("in English")], zh=[blocks.note("中文内容")])),
        pages.code("y", pages.result("g", en=[blocks.note("no translation")])),
    ]
    zh = page(*cells, language="zh")
    assert '<html lang="zh-CN">' in zh
    assert "满意度如何？</h1>" in zh
    assert "中文内容" in zh
    assert "in English" not in zh
    assert re.search(r'<div lang="en"><p class="sure">no translation', zh)
    assert re.search(r'<div lang="en"><h2[^>]*>English only', zh)
    en = page(*cells)
    assert "How satisfied?</h1>" in en
    assert "中文内容" not in en


def test_headline_replaces_the_notebooks_title() -> None:
    html = page(
        pages.markdown("# Brief\nfor managers", id="title"),
        pages.code("x", pages.result("h", en=[blocks.headline("It fell.", sub="Alder")])),
        layout="brief",
    )
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", html) == ["It fell."]
    assert "<title>It fell. · Alder · Q3 2026</title>" in html
    assert "for managers" not in html


@pytest.mark.parametrize(
    ("sources", "levels"),
    [
        (["# A", "## B", "#### C", "## D"], [1, 2, 3, 2]),
        (["# A", "# B", "### C"], [1, 2, 3]),
        (["text", "## B"], [1, 2]),
        (["no heading at all"], [1]),
    ],
)
def test_headings_have_no_gaps_and_one_h1(sources: list[str], levels: list[int]) -> None:
    html = page(*[pages.markdown(source) for source in sources], title="Given")
    assert [int(level) for level in re.findall(r"<h([1-6])", html)] == levels


def test_anchors_of_any_script_are_unique_and_cells_come_first() -> None:
    html = page(
        pages.markdown("# T"),
        pages.markdown("## 满意度如何？\n## 满意度如何？\n## Finding 1\n## Ünïcode & <b>bold</b>"),
        pages.code("x", output(text_plain="r"), id="finding-1"),
    )
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {"满意度如何", "满意度如何-2", "finding-1", "finding-1-2", "ünïcode-bold"} <= set(ids)
    targets = re.findall(r'<li class="l\d"><a href="#([^"]+)">', html)
    assert len(targets) == 4
    assert "%E6%BB%A1" in targets[0]


def test_formulas_are_mathml_and_money_is_money() -> None:
    (html,) = render_markdown("$x_i^2$ costs $5 to $10 and\n\n$$\\sum_i x_i$$", outline=Outline())
    assert html.count("<math") == 2
    assert 'display="block"' in html
    assert "<msubsup>" in html
    assert "costs $5 to $10" in html
    (html,) = render_markdown("$\\frac{$ stays readable", outline=Outline())
    assert "<math" not in html
    assert "\\frac{" in html


def test_foreign_tables_keep_structure_and_gain_scopes() -> None:
    html = clean_html(
        "<table border=1 class='dataframe x' style='width:1px'><thead><tr><th></th><th>n</th></tr></thead>"
        "<tbody><tr><th>wifi</th><td onclick=x()>3</td></tr></tbody></table>"
    )
    assert html == (
        '<table class="dataframe"><thead><tr><td></td><th scope="col">n</th></tr></thead>'
        '<tbody><tr><th scope="row">wifi</th><td>3</td></tr></tbody></table>'
    )


def test_pictures_must_be_what_they_claim() -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 20).decode()
    shown = new_output("display_data", data={"image/png": png}, metadata={"image/png": {"alt": "The score fell."}})
    assert f'alt="The score fell." src="data:image/png;base64,{png}"' in page(pages.code("x", shown))
    wrong = page(pages.code("x", output(image_png=base64.b64encode(b"GIF89a").decode())))
    assert "data:image/png" not in wrong
    assert "left out" in wrong


@pytest.mark.parametrize(
    "mime", ["application/vnd.jupyter.widget-view+json", "application/javascript", "text/vnd.mermaid"]
)
def test_live_outputs_leave_a_note(mime: str) -> None:
    shown = new_output("display_data", data={mime: "MARK", "text/html": "MARK", "text/plain": "MARK"})
    html = page(pages.code("x", shown, tags=("remove-input",)))
    assert "MARK" not in html
    assert '<p class="note">' in html


def test_downloads_are_linked_only_where_published() -> None:
    table = blocks.table([("a", "left")], [["1"]], caption="A table", csv="nps.csv")
    cell = pages.code("x", pages.result("f", en=[table]), tags=("remove-input",))
    assert 'href="../../alder/data/nps.csv" download' in page(cell, data="../../alder/data/")
    assert "nps.csv" not in page(cell, downloads=())


def test_code_switch_only_where_there_is_code() -> None:
    assert 'id="code"' in page(pages.code("x = 1"))
    assert 'id="code"' not in page(pages.code("x = 1", output(text_plain="r"), tags=("remove-input",)))


def test_an_odd_section_of_a_brief_takes_the_whole_width() -> None:
    def halves(n: int) -> list[bool]:
        html = page(pages.markdown("# T"), *[pages.markdown(f"## S{i}\ntext") for i in range(n)], layout="brief")
        return ["half" in section for section in re.findall(r"<section([^>]*)>", html)]

    assert halves(2) == [False, True, True]
    assert halves(3) == [False, True, True, False]


def test_policy_names_the_hashes_of_what_is_on_the_page() -> None:
    html = render_page(pages.report(), language="en", context=pages.context())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    for tag in ("style", "script"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;;" in policy[1]
    assert "unsafe" not in policy[1]


def test_same_notebook_same_page() -> None:
    notebook = pages.brief()
    first, second = (render_page(notebook, language="zh", context=pages.context()) for _ in range(2))
    assert first == second


def test_no_folder_of_the_machine_reaches_a_page() -> None:
    said = plain_text(
        "\x1b[1mFile /home/ana/.venv/lib/x.py, line 3; C:\\Users\\ana\\b.csv; 3/4 of a/b; http://a.b/c\x1b[0m"
    )
    assert said == "File …/x.py, line 3; …/b.csv; 3/4 of a/b; http://a.b/c"


def test_nbconvert_can_use_the_exporter(tmp_path: Path) -> None:
    path = tmp_path / "mine.ipynb"
    nbformat.write(new_notebook(cells=[pages.markdown("no title")]), path)
    html, resources = ReportExporter().from_filename(str(path))
    assert "<h1>mine</h1>" in html
    assert resources["output_extension"] == ".html"


def test_frame_speaks_every_language_completely() -> None:
    folder = files("cxlab.report.html").joinpath("theme")
    texts = {name: tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8")) for name in ("en", "zh")}
    assert texts["en"].keys() == texts["zh"].keys()
    for key, english in texts["en"].items():
        fields = [{f for _, f, _, _ in Formatter().parse(t) if f} for t in (english, texts["zh"][key])]
        assert fields[0] == fields[1], key
    sources = "".join(p.read_text("utf-8") for p in Path(str(folder)).parent.rglob("*") if p.suffix in (".py", ".j2"))
    unused = [
        k for k in texts["en"] if k not in sources and not k.startswith(("status_", "reason_", "notice_", "tally_"))
    ]
    assert unused == []


def test_context_has_sensible_defaults() -> None:
    html = render_page(new_notebook(cells=[]), language="en", context=PageContext(client="Demo"))
    assert "<h1>Report</h1>" in html
    assert "<b>Demo</b>" in html


def test_the_method_is_folded_under_its_heading_and_an_error_in_it_is_seen() -> None:
    said = pages.markdown("## The model\n\nWhy it is so.", id="model")
    after = pages.markdown("## What we found", id="found")
    html = page(said, pages.code("fit()", output(text_plain="prior result"), id="fit"), after)
    inside = re.search(r'<details class="method"><summary><h2[^>]*>.*?</h2></summary>(.*)</details></div>', html, re.S)
    assert inside is not None
    assert "Why it is so" in inside[1]
    assert "prior result" in inside[1]
    assert "What we found" not in inside[1]
    error = new_output("error", ename="ValueError", evalue="no", traceback=["line"])
    html = page(said, pages.code("fit()", error, id="fit"), after, status="failed")
    assert '<details class="method" open>' in html
