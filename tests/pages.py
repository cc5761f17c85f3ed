"""Notebooks to render and the examination every page has to pass in a real browser."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cxlab.report import blocks
from cxlab.report.html.context import Link, PageContext

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if TYPE_CHECKING:
    pass

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 120" font-family="Noto Sans CJK SC, sans-serif">'
    "<style>text{{fill:#1b2430}}@media (prefers-color-scheme:dark){{text{{fill:#e7ecf2}}}}</style>"
    '<text x="10" y="40">{label}</text><rect x="10" y="60" width="300" height="12" fill="#0b5cad"/></svg>'
)


def result(identifier: str, **pages: list[blocks.Block]) -> NotebookNode:
    """A displayed result: blocks per language, as `blocks.display` writes it."""
    return new_output("display_data", data=blocks.mimebundle(blocks.payload(identifier, pages)), metadata={})


def markdown(source: str, zh: str = "", id: str = "", tags: tuple[str, ...] = ()) -> NotebookNode:
    cell = new_markdown_cell(source, metadata={"tags": list(tags)} if tags else {})
    if zh:
        cell.metadata["cxlab"] = {"zh": zh}
    if id:
        cell["id"] = id
    return cell


def code(source: str, *outputs: NotebookNode, id: str = "", tags: tuple[str, ...] = ()) -> NotebookNode:
    cell = new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {})
    if id:
        cell["id"] = id
    return cell


def kpi(label: str, value: str, chip: str, verdict: str) -> blocks.Block:
    return blocks.interval_item(
        label, value, low=28, mid=31, high=34, previous=37, axis_low=0, axis_high=60, chip=chip, verdict=verdict,
        range="likely 28 to 34",
    )  # fmt: skip


def brief() -> NotebookNode:
    """A brief in two languages: headline, cards, findings in sections side by side."""
    trend = {
        "en": blocks.figure(SVG.format(label="score by quarter"), alt="The score fell from 37 to 31."),
        "zh": blocks.figure(SVG.format(label="各季度净推荐值"), alt="净推荐值由 37 降至 31。"),
    }
    data = blocks.table(
        [("Quarter", "left"), ("NPS", "right")], [["Q2", "37"], ["Q3", "31"]], caption="NPS", open=False, csv="nps.csv"
    )
    return new_notebook(
        cells=[
            markdown("# Brief\nOne page for managers.", "# 简报\n给管理者的一页。", id="title"),
            code("cxlab_secret = '/home/me'", id="injected", tags=("injected-parameters",)),
            code(
                "brief.headline()",
                result(
                    "headline",
                    en=[
                        blocks.headline(
                            "Fewer customers would recommend us than in spring.",
                            sub="Alder, third quarter 2026. 4,210 answers from 61,300 customers.",
                        )
                    ],
                    zh=[blocks.headline("愿意推荐我们的客户比春季少了。", sub="Alder，2026年第三季度。4,210 份回答。")],
                ),
                id="headline",
                tags=("remove-input",),
            ),
            code(
                "brief.kpis()",
                result(
                    "kpis",
                    en=[
                        blocks.kpis(
                            [
                                kpi("Net promoter score", "31", "worse: −6 (−10 to −2)", "worse"),
                                kpi("Satisfied customers", "72 %", "no real change", "no_real_change"),
                                kpi("Value of the customer base", "€ 48.2 M", "cannot tell", "cannot_tell"),
                                kpi("Return on customer", "7 %", "better", "better"),
                            ]
                        )
                    ],
                    zh=[
                        blocks.kpis(
                            [kpi("净推荐值", "31", "下降", "worse"), kpi("满意客户占比", "72%", "无法判断", "")]
                        )
                    ],
                ),
                id="kpis",
                tags=("remove-input",),
            ),
            markdown("## What changed", "## 发生了什么变化"),
            code(
                "finding()",
                result(
                    "finding-1",
                    en=[
                        blocks.finding(
                            "The score fell from 37 to 31. A fall is almost certain.",
                            lead="The score fell from 37 to 31.",
                            verdict="worse",
                            note="n = 4,210; 90 % interval; P = .99",
                        ),
                        trend["en"],
                        data,
                    ],
                    zh=[
                        blocks.finding("净推荐值由 37 降至 31。", verdict="worse", note="n = 4,210"),
                        trend["zh"],
                        data,
                    ],
                ),
                id="finding-1",
                tags=("remove-input",),
            ),
            markdown("## Why", "## 为什么"),
            code(
                "quotes()",
                result(
                    "finding-2",
                    en=[
                        blocks.finding("Delivery is a must-be (93 %): when it fails, satisfaction drops."),
                        blocks.quote("Third time the parcel came late, and nobody said a word.", source="survey"),
                        blocks.quote("Arrived a day early, well packed.", other_side=True, source="the other side"),
                    ],
                    zh=[blocks.finding("配送属于基本需求。"), blocks.quote("第三次晚到，也没人说一声。")],
                ),
                id="finding-2",
                tags=("remove-input",),
            ),
            markdown("## How sure are we", "## 有多大把握"),
            code(
                "sure()",
                result(
                    "sure",
                    en=[blocks.note("“Likely” means nine times in ten.")],
                    zh=[blocks.note("“可能”指十次中有九次。")],
                ),
                id="sure",
                tags=("remove-input",),
            ),
        ]
    )


def report() -> NotebookNode:
    """An ordinary page: prose, formula, code, an analyst's own table and picture, a widget, messages."""
    table = (
        '<div><style scoped>.dataframe{color:red}</style><table border="1" class="dataframe"><thead>'
        '<tr style="text-align: right;"><th></th><th>mean</th><th>n</th></tr></thead>'
        "<tbody><tr><th>wifi</th><td>3.2</td><td>310</td></tr><tr><th>food</th><td>4.1</td><td>290</td></tr></tbody>"
        "</table></div>"
    )
    strips = blocks.strips(
        [
            blocks.interval_item("Wifi", "3.2", low=3.0, mid=3.2, high=3.4, previous=3.3, chip="cannot tell"),
            blocks.interval_item("Food", "4.1", low=3.9, mid=4.1, high=4.3, chip="better", verdict="better"),
        ],
        axis_low=1,
        axis_high=5,
    )
    return new_notebook(
        cells=[
            markdown(
                "# Satisfaction\nHow satisfied are they, where, and did it change?",
                "# 满意度\n客户有多满意，在哪里，变化了吗？",
                id="title",
            ),
            code("brand = 'alder'  # the brand", id="parameters", tags=("parameters",)),
            code("import secret_machinery", id="setup", tags=("remove-cell",)),
            markdown(
                "## The model\nAnswers follow $y_i \\sim \\mathrm{Ordered}(\\eta_j)$; it costs $5 or $10.", id="model"
            ),
            markdown(
                "$$\\eta_j = \\alpha + \\sum_k \\beta_{kj}$$\n\n### In words\nEffects add.\n\n|a|b|\n|-|-|\n|1|2|"
            ),
            code(
                "frame.describe()  # the table\nx = 1 if True else 'no'",
                new_output("stream", name="stderr", text="UserWarning: slow\n"),
                new_output("stream", name="stdout", text="\x1b[31mfitted\x1b[0m in 3 s\n"),
                new_output("execute_result", data={"text/html": table, "text/plain": "mean n"}, execution_count=3),
                id="data",
            ),
            code(
                "widget",
                new_output(
                    "display_data",
                    data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Dropdown()"},
                ),
                id="explore",
                tags=("remove-input",),
            ),
            markdown("## 满意度如何？ How satisfied?", "## 满意度如何？", id="finding-title"),
            code(
                "finding()",
                result(
                    "finding-1",
                    en=[
                        blocks.finding("72 % are satisfied (likely 70 to 74 %).", note="n = 2,746"),
                        blocks.figure(SVG.format(label="satisfaction by touchpoint"), alt="72 % are satisfied."),
                        strips,
                        blocks.table(
                            [("Touchpoint", "left"), *[(f"Column {n}", "right") for n in range(12)]],
                            [["Wifi", *["1,234"] * 12], ["Food", *["1,234"] * 12]],
                            caption="Ratings by touchpoint",
                        ),
                    ],
                    zh=[
                        blocks.finding("72% 的客户满意。", note="n = 2,746"),
                        blocks.figure(SVG.format(label="各触点满意度"), alt="72% 的客户满意。"),
                    ],
                ),
                id="finding-1",
                tags=("remove-input",),
            ),
        ]
    )


def context(**changes: object) -> PageContext:
    """The frame of a page as the site makes it."""
    frame = PageContext(
        client="Demo client",
        brand="Alder",
        period="Q3 2026",
        title="Satisfaction",
        index="../../index.html",
        pages=(
            Link("Brief", "index.html"),
            Link("Satisfaction", "20_satisfaction.html", current=True),
            Link("Drivers", ""),
        ),
        previous=Link("Brief", "index.html"),
        next=Link("Drivers", "30_drivers.html"),
        languages=(Link("中文", "../../zh/alder/2026Q3/20_satisfaction.html", language="zh"),),
        downloads=(Link("nps", "data/nps.csv"),),
        run_id="20261003T061500Z-3f9ab",
        data_date="2026-10-01",
        diagnostics="all models converged",
    )
    return replace(frame, **changes)


def failed() -> NotebookNode:
    """A notebook whose hidden step raised."""
    notebook = report()
    trace = ["\x1b[0;31m---\x1b[0m", "File /home/ana/.venv/lib/python3.12/site-packages/x.py:3", "ValueError: no rows"]
    error = new_output("error", ename="ValueError", evalue="no rows in <b>2026Q3</b>", traceback=trace)
    notebook.cells.append(code("model.fit()", error, id="fit", tags=("remove-cell",)))
    return notebook


def check_page(
    browser: Browser, path: Path, *, widths: tuple[int, ...] = (1280, 390), schemes: tuple[str, ...] = ("light", "dark")
) -> None:
    """Open a page as readers do and assert that nothing is wrong with it.

    No console message, no request beyond the file itself, no axe violation with everything unfolded, no sideways
    scrolling, at each width in each colour scheme.
    """
    page = browser.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        for scheme, width in product(schemes, widths):
            where = f"{path.name} at {width} px, {scheme}"
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path.as_uri())
            for state in ("", " with everything unfolded"):
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over <= 0, f"{where}: {over} px wider than the screen{state}"
                page.evaluate("document.body.classList.remove('nocode')")
                page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
            found = Axe().run(page)
            assert found.violations_count == 0, f"{where}\n{found.generate_report()}"
            assert said == [], f"{where}: {said}"
            outside = [url for url in asked if url != path.as_uri() and not url.startswith("data:")]
            assert outside == [], f"{where}: {outside}"
    finally:
        page.close()
