from __future__ import annotations

import base64
import logging
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Browser
from tidy import HOSTILE

from cxlab.report.charts.canvas import WIDTH, empty, figure_style, rows_sheet, sheet
from cxlab.report.charts.svg import MAX_MARKS, to_svg
from cxlab.report.style import PALETTE, colour


def drawing() -> Figure:
    with figure_style():
        figure = sheet(120, left=40, right=20)
        axes = figure.axes[0]
        axes.plot([0, 1, 2], [3.25, 4, 5], color=colour("accent"))
        axes.fill_between([0, 1, 2], [2, 3, 4], [4, 5, 6.5], color=colour("band"), alpha=0.7, lw=0)
        axes.set_xticks([0, 1, 2], ["2024", "网上商城", "$x^$ <b>"])
    return figure


def test_an_svg_is_small_legal_and_the_same_each_time() -> None:
    first, second = to_svg(drawing()), to_svg(drawing())
    assert first == second
    root = ET.fromstring(first)
    assert root.get("viewBox") == f"0 0 {WIDTH} 120"
    assert len(first) < 4000
    for unwanted in ("metadata", "<!--", "matplotlib", "xlink", "DejaVu", "http://www.w3.org/1999"):
        assert unwanted not in first


def test_drawing_an_svg_twice_gives_the_same() -> None:
    figure = drawing()
    assert to_svg(figure) == to_svg(figure)


def test_text_stays_text_and_no_glyph_is_missed(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        svg = to_svg(drawing())
    texts = [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "网上商城" in texts
    assert "$x^$ <b>" in texts
    assert [str(w.message) for w in recwarn] == []
    assert caplog.records == []
    assert "Noto Sans CJK SC" in svg


def test_colours_are_classes_with_a_dark_variant() -> None:
    svg = to_svg(drawing())
    style, body = svg.split("</style>")
    assert f".s-accent{{stroke:{PALETTE['accent'][0]}}}" in style
    dark = style.split("prefers-color-scheme:dark")[1]
    assert f".s-accent{{stroke:{PALETTE['accent'][1]}}}" in dark
    assert not re.search("#[0-9a-f]{6}", body)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_are_drawn_as_text(text: str) -> None:
    with figure_style():
        figure = rows_sheet([text, "other"], [text[:20], "1"], bottom=20)
        figure.axes[0].set_xlabel(text)
        figure.axes[0].set_title(text.replace("\ud800", "").replace("\uffff", "").replace("\0", "").replace("\x1b", ""))
    root = ET.fromstring(to_svg(figure))
    assert {e.tag.split("}")[1] for e in root.iter()} <= {
        "svg",
        "style",
        "g",
        "path",
        "text",
        "use",
        "defs",
        "clipPath",
        "rect",
    }


def test_many_marks_become_one_picture() -> None:
    def cloud(n: int) -> str:
        with figure_style():
            figure = sheet(200)
            x = np.linspace(0, 1, n)
            figure.axes[0].scatter(x, x**2, s=4, color=colour("accent"))
            figure.axes[0].plot([0, 1], [0, 1], color=colour("ink"))
        return to_svg(figure)

    few, many = cloud(MAX_MARKS - 100), cloud(MAX_MARKS + 100)
    assert few.count("<use") == MAX_MARKS - 100
    assert "<image" not in few
    assert many.count("<use") == 0
    assert many.count("<image") == 1
    assert "s-ink" in many  # what is no cloud stays a drawing
    assert len(many) < 60_000


def test_an_empty_figure_says_so() -> None:
    assert ">nothing<" in to_svg(empty("nothing"))


def test_the_settings_do_not_leak() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    to_svg(drawing())
    assert dict(mpl.rcParams) == before


def test_an_image_follows_the_readers_scheme_and_screen(browser: Browser) -> None:
    svg = base64.b64encode(to_svg(drawing()).encode()).decode()

    def picture(scheme: str, width: int) -> bytes:
        page = browser.new_page(viewport={"width": width, "height": 200}, color_scheme=scheme)  # type: ignore[arg-type]
        try:
            page.set_content(f'<body style="margin:0"><img width="{width}" src="data:image/svg+xml;base64,{svg}">')
            page.wait_for_function("document.images[0].complete && document.images[0].naturalWidth > 0")
            read = page.evaluate(
                """() => { const c = document.createElement('canvas'); c.width = 460; c.height = 120;
                const x = c.getContext('2d'); x.drawImage(document.images[0], 0, 0, 460, 120);
                return Array.from(x.getImageData(0, 0, 460, 120).data) }"""
            )
        finally:
            page.close()
        return bytes(read)

    light, dark = (np.frombuffer(picture(s, 460), np.uint8).reshape(-1, 4) for s in ("light", "dark"))

    def holds(pixels: np.ndarray, hexa: str) -> bool:
        rgb = np.array([int(hexa[i : i + 2], 16) for i in (1, 3, 5)])
        return bool(((np.abs(pixels[:, :3].astype(int) - rgb) <= 2).all(axis=1) & (pixels[:, 3] > 250)).any())

    assert holds(light, PALETTE["accent"][0])
    assert holds(dark, PALETTE["accent"][1])
    assert not holds(dark, PALETTE["accent"][0])
    assert (light[:, 3] == 0).any()  # transparent ground
