"""Markdown cells -> safe HTML with heading anchors in any script and formulas as MathML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Any, Final

from latex2mathml.converter import convert as to_mathml
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from cxlab.report.html.clean import clean_html

_CUT: Final = "\ue000cut\ue000"  # stands before each H2 until the fragments are cleaned one by one


@dataclass
class Outline:
    """Headings and anchors of one page, in order.

    Attributes
    ----------
    headings : list of (level, id, text)
        H2 and H3 for the list of contents.
    """

    taken: set[str] = field(default_factory=set)
    headings: list[tuple[int, str, str]] = field(default_factory=list)
    title: str = ""
    level: int = 1

    def anchor(self, text: str) -> str:
        """Return a new id made of the heading's own words; letters of every script stay."""
        stem = re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:60] or "section"
        name, n = stem, 1
        while name in self.taken:
            n += 1
            name = f"{stem}-{n}"
        self.taken.add(name)
        return name

    def enter(self, text: str, level: int) -> tuple[int, str]:
        """Note a heading; return its level without gaps (one H1 a page, no H4 under an H2) and its id."""
        level = max(level, 2) if self.title else level
        level = min(level, self.level + 1)
        self.level = level
        name = self.anchor(text)
        if level == 1:
            self.title = text
        elif level <= 3 and text:
            self.headings.append((level, name, text))
        return level, name


class _Renderer(IPythonRenderer):
    """nbconvert's renderer with our headings and MathML in place of MathJax's delimiters."""

    def __init__(self, outline: Outline, attachments: dict[str, dict[str, str]]) -> None:
        super().__init__(escape=False, attachments=attachments)
        self.outline = outline

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        words = unescape(re.sub(r"<[^>]*>", "", text)).strip()
        level, name = self.outline.enter(words, level)
        return f'{_CUT if level == 2 else ""}<h{level} id="{escape(name)}">{text}</h{level}>\n'

    def block_mermaidjs(self, code: str) -> str:
        return f"<pre><code>{escape(code)}</code></pre>"

    def inline_math(self, body: str) -> str:
        if body != body.strip() or not body.strip():  # "$5 and $10" is money
            return f"${escape(body)}$"
        return mathml(body, block=False)

    def block_math(self, body: str) -> str:
        return mathml(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if url.startswith("attachment:") and url.removeprefix("attachment:") not in self.attachments:
            return f"<em>{text}</em>"
        return str(super().image(text, url, title))


def mathml(tex: str, *, block: bool) -> str:
    """Return a formula as safe MathML, or its source as code where it cannot be read."""
    try:  # the converter passes \text and \href through unescaped
        return clean_html(to_mathml(tex, display="block" if block else "inline"))
    except Exception:  # the converter raises whatever its stack machine trips over
        return f"<code>{escape(tex)}</code>"


def render_markdown(
    source: str,
    *,
    outline: Outline,
    figure: str = "Figure",
    attachments: dict[str, dict[str, str]] | None = None,
) -> list[str]:
    """Return a markdown cell as safe HTML fragments; each H2 begins a new one.

    Parameters
    ----------
    source : str
        Markdown with ``$``-delimited TeX.
    outline : Outline
        The page's headings so far; extended in place.
    figure : str
        Alternative text for pictures without one.
    attachments : dict, optional
        Pictures stored in the cell: name -> mime -> base64.

    Returns
    -------
    list of str
        The first fragment is empty if the cell begins with an H2.
    """
    before = set(outline.taken)
    renderer = _Renderer(outline, attachments or {})
    html = MarkdownWithMath(renderer=renderer).render(re.sub("[\ue000\x00]", "", source))
    ids = outline.taken - before
    parts = [clean_html(part, figure=figure, ids=ids).strip() for part in html.split(_CUT)]
    # A wide formula or block of code scrolls: a keyboard must reach it.
    return [
        part.replace('<math display="block">', '<math display="block" tabindex="0">').replace(
            "<pre>", '<pre tabindex="0">'
        )
        for part in parts
    ]
