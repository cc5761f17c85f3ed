from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import pytest
from tidy import HOSTILE

from cxlab.report import blocks

ALLOWED = {
    "a", "b", "blockquote", "caption", "circle", "details", "div", "figcaption", "figure", "footer", "h1", "img",
    "li", "line", "p", "span", "summary", "svg", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Reader(HTMLParser):
    """Collects tags, attributes and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def every_block(text: str) -> list[blocks.Block]:
    item = blocks.interval_item(
        text, text, low=1, mid=2, high=3, previous=2.5, chip=text, verdict=text, range=text, axis_low=0, axis_high=5
    )
    return [
        blocks.headline(text, sub=text),
        blocks.finding(text, verdict=text, note=text, lead=text),
        blocks.finding(text, verdict="worse", note=text),
        blocks.figure(f"<svg viewBox='0 0 1 1'>{text}</svg>", alt=text, caption=text),
        blocks.table([(text, "left"), (text, text)], [[text, text], [text, "1"]], caption=text, csv=text),
        blocks.table([(text, "left")], [[text]], caption=text, open=False),
        blocks.kpis([item]),
        blocks.strips([item], axis_low=0, axis_high=10, unit=text),
        blocks.quote(text, source=text, other_side=True, language=text),
        blocks.quotes(text, [blocks.quote(text, language="zh")], open=True),
        blocks.note(text, kind=text),
    ]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("language", ["en", "zh", "<x>"])
def test_hostile_text_stays_text(text: str, language: str) -> None:
    for block in every_block(text):
        read = Reader(blocks.to_html(block, language, data_href="data/"))
        assert read.open == []
        for tag, attributes in read.tags:
            assert tag in ALLOWED
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            assert str(attributes.get("src", "data:image/svg+xml;base64,")).startswith("data:image/svg+xml;base64,")
            assert "href" not in attributes


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"type": "script", "text": "x"},
        {"type": None},
        {"type": ["table"]},
        {"type": "table", "columns": "abc", "rows": {"a": 1}},
        {"type": "table", "columns": [{"label": ["x"]}, 3], "rows": [[1, None], "row", [[1]]]},
        {"type": "figure", "svg": 7, "alt": None},
        {"type": "kpis", "items": [None, 3, {"low": "a", "axis_low": "0", "axis_high": float("nan")}]},
        {"type": "strips", "rows": [{"low": None}], "axis_low": "x", "axis_high": None},
        {"type": "finding", "text": None, "verdict": {"a": 1}, "lead": 3},
        {"type": "quote"},
        {"type": "quotes", "items": [None, 3, {"type": "quotes", "items": [{}]}]},
        {"type": "note", "kind": ["warning"]},
        {"type": "headline"},
    ],
)
def test_forged_blocks_yield_harmless_html(forged: dict[str, object]) -> None:
    read = Reader(blocks.to_html(forged, "en"))
    assert {tag for tag, _ in read.tags} <= ALLOWED


def test_a_block_that_is_no_mapping_yields_nothing() -> None:
    assert blocks.to_html("<b>x</b>", "en") == ""  # type: ignore[arg-type]


def test_a_table_is_accessible() -> None:
    block = blocks.table(
        [("Period", "left"), ("n", "right")], [["Q1", "1"], ["Q2", "2"]], caption="Answers", csv="a.csv"
    )
    read = Reader(blocks.to_html(block, "en", data_href="../data/"))
    region = next(a for t, a in read.tags if t == "div")
    assert (region["role"], region["tabindex"], region["aria-label"]) == ("group", "0", "Table: Answers")
    heads = [a for t, a in read.tags if t == "th"]
    assert [a["scope"] for a in heads] == ["col", "col", "row", "row"]
    assert [a.get("class") for t, a in read.tags if t == "td"] == ["num", "num"]
    assert ("a", {"href": "../data/a.csv", "download": None}) in read.tags


@pytest.mark.parametrize("name", ["../x.csv", "x.html", "javascript:x.csv", "a b.csv", ".csv", "a.csv?x"])
def test_only_plain_csv_names_are_linked(name: str) -> None:
    html = blocks.to_html(blocks.table([("a", "left")], [], caption="c", csv=name), "en", data_href="data/")
    assert "<a" not in html


def test_a_folded_table_is_closed_and_named() -> None:
    html = blocks.to_html(blocks.table([("a", "left")], [["x"]], caption="Answers", open=False), "zh")
    assert html.startswith('<details class="data"><summary>数据: Answers</summary>')


def test_only_the_lead_is_bold() -> None:
    html = blocks.to_html(blocks.finding("It fell. A lot.", lead="It fell.", verdict="worse", note="n = 3"), "en")
    assert '<p><b>It fell.</b> A lot.</p><p class="src"><span class="chip worse">worse</span>n = 3</p>' in html
    assert "<b>" not in blocks.to_html(blocks.finding("It fell.", lead="Other"), "en")


def test_a_strip_places_its_marks_on_the_axis() -> None:
    svg = blocks.strip(low=2, mid=5, high=8, axis_low=0, axis_high=10, previous=20, label="5")
    assert 'x1="21.8%" x2="78.2%"' in svg
    assert 'cx="50.0%"' in svg
    assert 'class="tick" x1="97.0%"' in svg  # beyond the axis stays on the sheet


@pytest.mark.parametrize("ends", [(0, 0), (1, 0), (None, 1), (math.nan, 1)])
def test_a_strip_without_an_axis_is_left_out(ends: tuple[float | None, float | None]) -> None:
    assert blocks.strip(low=0, mid=0, high=0, axis_low=ends[0], axis_high=ends[1], label="x") == ""


def test_a_strip_says_what_it_shows() -> None:
    item = blocks.interval_item(
        "NPS",
        "31",
        low=28,
        mid=31,
        high=34,
        range="likely 28 to 34",
        axis_low=0,
        axis_high=60,
        verdict="better",
        chip="up",
    )
    read = Reader(blocks.to_html(blocks.kpis([item]), "en"))
    svg = next(a for t, a in read.tags if t == "svg")
    assert (svg["role"], svg["aria-label"]) == ("img", "31, likely 28 to 34")


def test_missing_numbers_become_null() -> None:
    item = blocks.interval_item("x", "—", low=math.nan, mid=math.inf, high=math.nan, previous=None)
    assert (item["low"], item["mid"], item["previous"]) == (None, None, None)
    json.dumps(item, allow_nan=False)


def test_the_bundle_holds_the_first_language_and_everything() -> None:
    data = blocks.payload("finding-1", {"zh": [blocks.note("你好")], "en": [blocks.note("hello")]})
    bundle = blocks.mimebundle(data)
    assert "你好" in bundle["text/html"]
    assert "hello" not in bundle["text/html"]
    assert bundle["text/html"].startswith('<div class="cx" lang="zh"><style>.cx{')
    assert bundle[blocks.MIME] == {
        "version": 1,
        "id": "finding-1",
        "languages": {"zh": [{"type": "note", "text": "你好", "kind": "info"}], "en": [blocks.note("hello")]},
    }
    assert json.loads(json.dumps(bundle)) == bundle


def test_a_payload_with_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        blocks.mimebundle(blocks.payload("x", {"en": [{"type": "note", "text": "a", "low": math.nan}]}))


def test_display_gives_one_output(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    try:
        blocks.display(blocks.payload("x", {"en": [blocks.note("hello")]}))
        outputs = shell.display_pub.outputs
    finally:
        shell.display_pub = before
        InteractiveShell.clear_instance()
    assert [set(o["data"]) for o in outputs] == [{"text/html", blocks.MIME}]
