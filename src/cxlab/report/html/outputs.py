"""One output of a code cell -> safe HTML in the page's language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from html import escape
from typing import Any, Final

from cxlab.report import blocks
from cxlab.report.html.clean import clean_html, error_text, picture, plain
from cxlab.report.html.markdown import Outline, mathml, render_markdown

# Kinds that need a script to be seen; a page has none of theirs.
NO_DATA: Final = "NoDataError"  # how a notebook ends that has nothing to speak of; see `cxlab.runs`
_LIVE: Final = (
    "application/vnd.jupyter.widget-view+json",
    "application/javascript",
    "text/javascript",
    "text/vnd.mermaid",
    "application/vnd.plotly.v1+json",
    "application/vnd.vegalite.v5+json",
)


def text(value: object) -> str:
    """Return a notebook's multi-line string as one string; anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def payload_blocks(output: Mapping[str, Any], language: str) -> tuple[list[dict[str, Any]], str] | None:
    """Return the blocks of an output in `language` and the language they are in, or None if it carries none.

    Where the page's language is missing the first one there is stands in, so nothing silently disappears.
    """
    payload = output.get("data", {}).get(blocks.MIME)
    languages = payload.get("languages") if isinstance(payload, Mapping) else None
    if not isinstance(languages, Mapping) or not languages:
        return None
    found = language if language in languages else str(next(iter(languages)))
    chosen = languages[found]
    return [dict(b) for b in chosen if isinstance(b, Mapping)] if isinstance(chosen, list) else [], found


def render_output(
    output: Mapping[str, Any],
    *,
    language: str,
    words: Mapping[str, str],
    outline: Outline,
    data: str,
    files: Set[str],
) -> str:
    """Return one output as HTML.

    Parameters
    ----------
    output : mapping
        An nbformat output.
    language : str
        Language of the page.
    words : mapping
        Words of the frame in that language.
    outline : Outline
        The page's headings so far; markdown outputs extend it.
    data : str
        Relative address of the folder with CSV files.
    files : set of str
        Names of the files in it; a block's link to any other is left out.

    Returns
    -------
    str
        Safe HTML; empty if there is nothing to show.
    """
    match output.get("output_type"):
        case "stream":
            return _stream(text(output.get("text", "")), output.get("name", "stdout"), words)
        case "error":
            return _error(output, words)
        case "display_data" | "execute_result":
            ours = payload_blocks(output, language)
            if ours is not None:
                return _blocks(*ours, language=language, data=data, files=files)
            return _foreign(output.get("data", {}), output.get("metadata", {}), words, outline)
    return ""


def _blocks(chosen: list[dict[str, Any]], found: str, *, language: str, data: str, files: Set[str]) -> str:
    for block in chosen:
        if block.get("csv") not in files:
            block["csv"] = ""  # a link to a file that was not published would lead nowhere
    html = "".join(blocks.to_html(block, found, data_href=data) for block in chosen)
    return html if found == language else f'<div lang="{escape(found)}">{html}</div>'


def _stream(said: str, name: str, words: Mapping[str, str]) -> str:
    if not said.strip():
        return ""
    pre = f'<pre class="out" tabindex="0" aria-label="{escape(words["output"])}" role="group">{plain(said)}</pre>'
    if name == "stdout":
        return pre
    return f'<details class="code"><summary>{escape(words["log"])}</summary>{pre}</details>'


def _error(output: Mapping[str, Any], words: Mapping[str, str]) -> str:
    if output.get("ename") == NO_DATA:  # no failure; the notice above the page gives the reason
        return ""
    said = escape(error_text(f"{output.get('ename', 'Error')}: {text(output.get('evalue', ''))}").strip())
    trace = escape(error_text("\n".join(text(line) for line in output.get("traceback", []))))
    return (
        f'<div class="stop" id="error"><p><b>{escape(words["error_title"])}.</b> {escape(words["error_what"])}</p>'
        f'<p class="said">{escape(words["error_said"])}</p><pre tabindex="0" role="group" '
        f'aria-label="{escape(words["error_title"])}">{said}</pre>'
        f'<details class="code"><summary>{escape(words["technical"])}</summary>'
        f'<pre tabindex="0" role="group" aria-label="{escape(words["technical"])}">{trace}</pre></details></div>'
    )


def _foreign(data: Mapping[str, Any], metadata: Mapping[str, Any], words: Mapping[str, str], outline: Outline) -> str:
    """Render an analyst's own output by the richest kind a page can show."""
    live = next((kind for kind in _LIVE if kind in data), "")
    if live:
        kind = "interactive" if "widget" in live else "not_shown"
        return f'<p class="note">{escape(words[kind].format(kind=live))}</p>'
    for mime in ("image/svg+xml", "image/png", "image/jpeg"):
        if mime in data:
            return _figure(text(data[mime]), mime, metadata, words)
    if "text/html" in data:
        return _html(text(data["text/html"]), words)
    if "text/markdown" in data:
        return "".join(render_markdown(text(data["text/markdown"]), outline=outline, figure=words["figure"]))
    if "text/latex" in data:
        return f"<p>{mathml(text(data['text/latex']).strip().strip('$'), block=True)}</p>"
    if "text/plain" in data:
        said = plain(text(data["text/plain"]))
        return f'<pre class="out" tabindex="0" role="group" aria-label="{escape(words["output"])}">{said}</pre>'
    kinds = ", ".join(sorted(map(str, data)))
    return f'<p class="note">{escape(words["not_shown"].format(kind=kinds))}</p>' if kinds else ""


def _figure(data: str, mime: str, metadata: Mapping[str, Any], words: Mapping[str, str]) -> str:
    source = picture(data, mime)
    if not source:
        return f'<p class="note">{escape(words["not_shown"].format(kind=mime))}</p>'
    about = metadata.get(mime)
    alt = (about.get("alt") if isinstance(about, Mapping) else None) or metadata.get("alt") or words["figure"]
    return f'<figure><img alt="{escape(text(alt))}" src="{source}"></figure>'


def _html(html: str, words: Mapping[str, str]) -> str:
    safe = clean_html(html, figure=words["figure"]).strip()
    if not safe:
        return f'<p class="note">{escape(words["not_shown"].format(kind="text/html"))}</p>'
    if "<table" in safe:
        return f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(words["table"])}">{safe}</div>'
    return safe
