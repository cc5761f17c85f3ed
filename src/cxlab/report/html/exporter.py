"""Executed notebook -> page: the cells in order, cut into sections at each H2, set into the theme's one template.

``jupyter nbconvert --to cxlab.report.html.exporter.ReportExporter notebook.ipynb`` gives the same page without a
report.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from itertools import takewhile
from typing import Any, Final

import jinja2
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbconvert.filters import Highlight2HTML
from nbformat import NotebookNode

from cxlab.report.html.clean import clean_html
from cxlab.report.html.context import PageContext
from cxlab.report.html.markdown import Outline, render_markdown
from cxlab.report.html.outputs import NO_DATA, payload_blocks, render_output, text
from cxlab.report.html.wording import HTML_LANG, words
from cxlab.report.style import css

# Cells of the machinery: papermill's parameters may name folders, its error banner is replaced by our own.
METHOD: Final = "model"  # id of the cell that says how: it is folded, and what it computes with it
_MACHINERY: Final = {"remove-cell", "injected-parameters", "papermill-error-cell-tag"}


@dataclass
class Section:
    """A stretch of the page under one H2 (or before the first)."""

    parts: list[Markup] = field(default_factory=list)
    half: bool = False


@cache
def _theme() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("cxlab.report.html", "theme"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@cache
def asset(name: str) -> str:
    """Return a style sheet or script of the theme."""
    return files("cxlab.report.html").joinpath("theme", name).read_text(encoding="utf-8").strip()


def policy(*, style: str, script: str) -> str:
    """Return the Content-Security-Policy of a page: its own style and script by hash, embedded pictures, no more."""

    def source(code: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" if code else "'none'"

    return (
        f"default-src 'none'; img-src data:; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def set_page(template: str, *, language: str, script: str = "", **values: object) -> str:
    """Fill a template of the theme; every page goes out through here, with one style, one script and their hashes.

    Parameters
    ----------
    template : str
        Name of a template.
    language : str
        Language of the page.
    script : str
        Name of the theme's script the page needs; empty for none.
    **values
        What the template names; strings are escaped unless they are Markup.
    """
    style, code = css() + "\n" + asset("page.css"), asset(script) if script else ""
    return (
        _theme()
        .get_template(template)
        .render(
            language=HTML_LANG.get(language, language),
            w=words(language),
            style=Markup(style),  # noqa: S704  # our own files
            script=Markup(code),  # noqa: S704
            policy=policy(style=style, script=code),
            html_lang=HTML_LANG,
            **values,
        )
        + "\n"
    )


def render_page(notebook: Mapping[str, Any], *, language: str, context: PageContext) -> str:
    """Render an executed notebook as one self-contained page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed notebook (nbformat 4), also one that failed half-way.
    language : str
        Language of the page: picks ``metadata.cxlab.<language>`` of markdown cells and the payload's blocks.
    context : PageContext
        The frame: labels, links, provenance, status.

    Returns
    -------
    str
        HTML document with no outside reference.
    """
    say = words(language)
    outline = Outline(taken={"main", "error", "contents", "code"})
    cells = [cell for cell in notebook["cells"] if _shown(cell)]
    outline.taken |= {cell["id"] for cell in cells if cell.get("id")}
    headline = headline_text(cells, language)
    sections, code = _sections(cells, language=language, outline=outline, headline=headline, context=context)
    title = headline or outline.title
    return set_page(
        "page.html.j2",
        language=language,
        script="page.js",
        context=context,
        title=title or context.title or say["report"],
        h1="" if title else context.title or say["report"],
        sections=[s for s in sections if s.parts],
        contents=[h for h in outline.headings if h[0] == 2 or context.layout == "page"],
        has_code=code,
        stopped=any(_stops(output) for cell in cells for output in cell.get("outputs", [])),
    )


def _stops(output: Mapping[str, Any]) -> bool:
    return output.get("output_type") == "error" and output.get("ename") != NO_DATA


def _shown(cell: Mapping[str, Any]) -> bool:
    """Whether a cell belongs on the page; one that stopped with an error always does."""
    if any(_stops(output) for output in cell.get("outputs", [])):
        return True
    return not _MACHINERY & _tags(cell)


def headline_text(cells: list[Mapping[str, Any]], language: str) -> str:
    """Return the text of the first headline block: a brief's verdict takes the place of the notebook's H1."""
    for cell in cells:
        for output in cell.get("outputs", []):
            for block in (payload_blocks(output, language) or ([], ""))[0]:
                if block.get("type") == "headline":
                    return str(block.get("text", ""))
    return ""


def _sections(
    cells: list[Mapping[str, Any]], *, language: str, outline: Outline, headline: str, context: PageContext
) -> tuple[list[Section], bool]:
    """Cut the cells into sections; also say whether any code waits behind the switch."""
    sections, code = [Section()], False
    outline.title = headline
    for cell in _folded(cells):
        if cell["cell_type"] == "markdown":
            if headline and text(cell["source"]).lstrip().startswith("# "):
                continue
            parts = _markdown_cell(cell, language=language, outline=outline)
            if cell.get("under"):
                under = [_code_cell(c, language=language, outline=outline, context=context) for c in cell["under"]]
                code |= any('class="code"' in part for part in under)
                stopped = any(_stops(o) for c in cell["under"] for o in c.get("outputs", []))
                parts[-1] = _details(parts[-1], "".join(under), opened=stopped)
        elif cell["cell_type"] == "code":
            parts = [_code_cell(cell, language=language, outline=outline, context=context)]
            code |= 'class="code"' in parts[0]
        else:
            continue
        anchor = f' id="{escape(cell["id"])}"' if cell.get("id") and any(parts) else ""
        for n, part in enumerate(parts):
            if n:
                sections.append(Section(half=True))
            if part:
                sections[-1].parts.append(Markup(f'<div class="cell"{anchor}>{part}</div>'))  # noqa: S704  # cleaned
                anchor = ""
        if "wide" in _tags(cell):
            sections[-1].half = False
    for n, section in enumerate(sections):  # an odd one out gets the whole width
        alone = section.half and not (n + 1 < len(sections) and sections[n + 1].half)
        if alone and sum(1 for _ in takewhile(lambda s: s.half, reversed(sections[: n + 1]))) % 2:
            section.half = False
    return sections, code


def _folded(cells: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the cells; what is said and computed of the method goes under the heading of its cell."""
    method: dict[str, Any] | None = None
    for cell in cells:
        if cell["cell_type"] == "markdown":
            if method is not None:
                yield method
            method = {**cell, "under": []} if cell.get("id") == METHOD else None
            if method is None:
                yield cell
        elif method is not None:
            method["under"].append(cell)
        else:
            yield cell
    if method is not None:
        yield method


def _details(said: str, under: str, *, opened: bool) -> str:
    """Return a method under its heading, which opens it; one that stopped with an error stands open."""
    heading, mark, rest = said.partition("</h2>")
    shown = " open" if opened else ""
    return (
        f'<details class="method"{shown}><summary>{heading}{mark}</summary>{rest}{under}</details>'
        if mark
        else said + under
    )


def _markdown_cell(cell: Mapping[str, Any], *, language: str, outline: Outline) -> list[str]:
    """Return a markdown cell in the page's language, or in English marked as such; each H2 begins a new piece."""
    own = cell["metadata"].get("cxlab", {}).get(language, "")
    say = words(language)
    parts = render_markdown(
        text(own or cell["source"]), outline=outline, figure=say["figure"], attachments=cell.get("attachments")
    )
    if own or language == "en":
        return parts
    return [f'<div lang="en">{part}</div>' if part else "" for part in parts]


def _code_cell(cell: Mapping[str, Any], *, language: str, outline: Outline, context: PageContext) -> str:
    """Return a code cell's outputs, its source before them folded away."""
    say, html = words(language), ""
    files = {link.href.rsplit("/", 1)[-1] for link in context.downloads}
    source = text(cell["source"])
    if source.strip() and "remove-input" not in _tags(cell):
        lit = clean_html(Highlight2HTML(pygments_lexer="ipython3")(source))
        label = escape(say["code"])  # long lines scroll: a keyboard must reach them
        lit = lit.replace("<pre>", f'<pre tabindex="0" role="group" aria-label="{label}">', 1)
        html = f'<details class="code"><summary>{escape(say["code"])}</summary>{lit}</details>'
    return html + "".join(
        render_output(output, language=language, words=say, outline=outline, data=context.data, files=files)
        for output in cell.get("outputs", [])
    )


def _tags(cell: Mapping[str, Any]) -> set[str]:
    return set(cell["metadata"].get("tags", []))


class ReportExporter(Exporter):
    """nbconvert's door to `render_page`, for a notebook on its own."""

    output_mimetype = "text/html"
    export_from_notebook = "cxlab report page"

    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(  # type: ignore[override]  # a page is text, as in nbconvert's own HTMLExporter
        self, nb: NotebookNode, resources: Any | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Render `nb` in its first language, with a frame that knows nothing of a report."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        name = str(resources.get("metadata", {}).get("name", "") or "")
        return render_page(nb, language="en", context=PageContext(client="", title=name)), resources
