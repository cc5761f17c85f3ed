"""What a page is made of: plain JSON blocks, built here and turned into safe HTML here, for notebook and page alike.

A result is displayed once, with two mime types: HTML in the first language for JupyterLab and `MIME` with the blocks of
every language, from which the pages are rendered.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cxlab.report.format import is_number, plain
from cxlab.report.messages import languages, message
from cxlab.report.style import css, verdict_class
from cxlab.vocab import VERDICTS

MIME: Final = "application/vnd.cxlab+json"
SCOPE: Final = "cx"  # class of the wrapper in a notebook, so that the rules touch nothing else there
Block = dict[str, Any]

_CSV_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
_SVG_SIZE = re.compile(r'<svg[^>]*?\bviewBox="0 0 ([\d.]+) ([\d.]+)"')


def headline(text: str, *, sub: str = "") -> Block:
    """Return the H1 of a brief, which replaces the notebook's own."""
    return {"type": "headline", "text": text, "sub": sub}


def finding(text: str, *, verdict: str = "", note: str = "", lead: str = "") -> Block:
    """Return a finding's sentence; `lead` is the beginning of `text` that is set in bold."""
    return {"type": "finding", "text": text, "verdict": verdict, "note": note, "lead": lead}


def figure(svg: str, *, alt: str, caption: str = "") -> Block:
    """Return a figure; `svg` is a whole SVG document with its text kept as text."""
    return {"type": "figure", "svg": svg, "alt": alt, "caption": caption}


def table(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    open: bool = True,
    csv: str = "",
) -> Block:
    """Return a table of plain text.

    Parameters
    ----------
    columns : sequence of (label, ``left`` or ``right``)
    rows : sequence of rows of text, as long as `columns`
    caption : str
        Also the accessible name of the scroll region.
    open : bool
        False folds the table away under "Data".
    csv : str
        Name of the file in the site's ``data/`` folder that holds the same rows; empty if none.
    """
    heads = [{"label": label, "align": align} for label, align in columns]
    body = [[str(cell) for cell in row] for row in rows]
    return {"type": "table", "caption": caption, "columns": heads, "rows": body, "open": open, "csv": csv}


def interval_item(
    label: str,
    value: str,
    *,
    low: float,
    mid: float,
    high: float,
    previous: float | None = None,
    chip: str = "",
    verdict: str = "",
    range: str = "",
    axis_low: float | None = None,
    axis_high: float | None = None,
) -> Block:
    """Return one item of `kpis` (which needs `range` and an axis) or one row of `strips`."""
    numbers = {"low": low, "mid": mid, "high": high, "previous": previous, "axis_low": axis_low, "axis_high": axis_high}
    item: Block = {"label": label, "value": value, "range": range, "chip": chip, "verdict": verdict}
    return item | {key: float(x) if x is not None and is_number(x) else None for key, x in numbers.items()}


def kpis(items: Sequence[Block]) -> Block:
    """Return a row of cards, each a number with its interval."""
    return {"type": "kpis", "items": list(items)}


def strips(rows: Sequence[Block], *, axis_low: float, axis_high: float, unit: str = "") -> Block:
    """Return interval bars below each other on one axis."""
    return {
        "type": "strips",
        "axis_low": float(axis_low),
        "axis_high": float(axis_high),
        "unit": unit,
        "rows": list(rows),
    }


def quote(text: str, *, source: str = "", other_side: bool = False, language: str = "") -> Block:
    """Return a customer's words; `other_side` marks a counter-quote, `language` is that of the words if known."""
    return {"type": "quote", "text": text, "source": source, "other_side": other_side, "language": language}


def quotes(summary: str, items: Sequence[Block], *, open: bool = False) -> Block:
    """Return quotes below a line that folds them away; `open` shows them at once."""
    return {"type": "quotes", "summary": summary, "items": list(items), "open": open}


def note(text: str, *, kind: str = "info") -> Block:
    """Return a remark; `kind` is ``info``, ``warning`` or ``withheld``."""
    return {"type": "note", "text": text, "kind": kind}


def fold(page: Sequence[Block]) -> Block:
    """Return blocks that stand folded under the first sentence of their finding."""
    first, *rest = page
    lead = str(first.get("lead") or first.get("text") or "")
    text = str(first.get("text") or "").removeprefix(lead).strip()
    return {"type": "fold", "summary": lead, "blocks": [{**first, "text": text, "lead": ""}, *rest]}


def folded(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with the blocks of every language folded."""
    return {**data, "languages": {language: [fold(page)] for language, page in data["languages"].items()}}


def payload(identifier: str, pages: Mapping[str, Sequence[Block]]) -> dict[str, Any]:
    """Return the JSON object of one result.

    Parameters
    ----------
    identifier : str
        Name of the result on its page, e.g. ``finding-1``.
    pages : mapping of language -> blocks
        The first language is the one shown in JupyterLab.
    """
    return {"version": 1, "id": identifier, "languages": {lang: list(page) for lang, page in pages.items()}}


def mimebundle(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mime bundle of a payload: HTML of its first language, and the payload itself.

    Raises
    ------
    ValueError
        A number is not finite or a value is no JSON.
    """
    json.dumps(data, allow_nan=False)
    language, page = next(iter(data["languages"].items()), ("en", []))
    body = "".join(to_html(block, language) for block in page)
    scoped = f"<style>{css(scope=f'.{SCOPE}')}</style>"
    return {
        "text/html": f'<div class="{SCOPE}" lang="{_e(language)}">{scoped}{body}</div>',
        MIME: dict(data),
    }


def display(data: Mapping[str, Any]) -> None:
    """Show a payload in the notebook: one output with both mime types."""
    from IPython.display import display as show  # only a notebook has it at hand

    show(mimebundle(data), raw=True)


def to_html(block: Mapping[str, Any], language: str, *, data_href: str = "") -> str:
    """Return safe HTML of any block: all text escaped, classes only, figures as images.

    Parameters
    ----------
    block : mapping
        A block of this module, or anything: a forged or unknown one yields harmless HTML.
    language : str
        Language of the words the block itself does not hold ("Data").
    data_href : str
        Where the site's CSV files lie, seen from the page (``data/``); empty for no download links.
    """
    if language not in languages():
        language = "en"
    kind = block.get("type") if isinstance(block, Mapping) else None
    match kind:
        case "headline":
            sub = f'<p class="sub">{_e(block.get("sub"))}</p>' if block.get("sub") else ""
            return f'<h1 class="headline">{_e(block.get("text"))}</h1>{sub}'
        case "finding":
            return _finding_html(block, language)
        case "figure":
            return _figure_html(block)
        case "table":
            return _table_html(block, language, data_href)
        case "kpis":
            return f'<ul class="kpis">{"".join(_kpi_html(item, language) for item in _maps(block.get("items")))}</ul>'
        case "strips":
            return _strips_html(block, language)
        case "quote":
            return _quote_html(block)
        case "quotes":
            inner = "".join(_quote_html(item) for item in _maps(block.get("items")))
            shown = " open" if block.get("open") is True else ""
            return f'<details class="data"{shown}><summary>{_e(block.get("summary"))}</summary>{inner}</details>'
        case "fold":
            inner = "".join(to_html(part, language, data_href=data_href) for part in _maps(block.get("blocks")))
            return f'<details class="more"><summary>{_e(block.get("summary"))}</summary>{inner}</details>'
        case "note":
            extra = {"warning": " warning", "withheld": " withheld"}.get(str(block.get("kind")), "")
            return f'<p class="sure{extra}">{_e(block.get("text"))}</p>'
        case _:
            return ""


def chip(verdict: str, text: str) -> str:
    """Return a verdict chip as HTML; empty without text."""
    return f'<span class="chip {verdict_class(verdict)}">{_e(text)}</span>' if text else ""


def strip(
    *,
    low: float | None,
    mid: float | None,
    high: float | None,
    axis_low: float | None,
    axis_high: float | None,
    previous: float | None = None,
    label: str,
) -> str:
    """Return one estimate on its axis as inline SVG: interval bar, dot, last period's value as a dashed tick.

    Positions are percentages, so the strip fills whatever width it is given without bending the dot.
    """
    ends = [float(v) if is_number(v) else None for v in (axis_low, axis_high)]  # type: ignore[arg-type]
    first, last = ends
    if first is None or last is None or not last > first:
        return ""

    def x(value: float) -> str:
        share = min(max((float(value) - first) / (last - first), 0.0), 1.0)
        return f"{3 + 94 * share:.1f}%"

    marks = '<line class="axis" x1="3%" x2="97%" y1="9" y2="9"/>'
    if is_number(low) and is_number(high):
        marks += f'<line class="bar" x1="{x(low)}" x2="{x(high)}" y1="9" y2="9"/>'  # type: ignore[arg-type]
    if is_number(previous):
        marks += f'<line class="tick" x1="{x(previous)}" x2="{x(previous)}" y1="2" y2="16"/>'  # type: ignore[arg-type]
    if is_number(mid):
        marks += f'<circle class="dot" cx="{x(mid)}" cy="9" r="4.5"/>'  # type: ignore[arg-type]
    return f'<svg class="strip" role="img" aria-label="{_e(label)}">{marks}</svg>'


def _e(value: object) -> str:
    return html.escape(plain("" if value is None else value), quote=True)


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [x for x in value if isinstance(x, Mapping)] if isinstance(value, list | tuple) else []


def _finding_html(block: Mapping[str, Any], language: str) -> str:
    text, lead, verdict = str(block.get("text") or ""), str(block.get("lead") or ""), str(block.get("verdict") or "")
    if not text.startswith(lead):
        lead = ""
    body = f"<b>{_e(lead)}</b> {_e(text[len(lead) :])}" if lead else _e(text)
    word = message(language, f"verdict.{verdict}") if verdict and verdict in VERDICTS else ""
    note_text = _e(block.get("note"))
    source = f'<p class="src">{chip(verdict, word)}{note_text}</p>' if word or note_text else ""
    return f'<div class="finding"><p>{body}</p>{source}</div>'


def _quote_html(block: Mapping[str, Any]) -> str:
    source = f"<footer>{_e(block.get('source'))}</footer>" if block.get("source") else ""
    side = " other" if block.get("other_side") is True else ""
    code = str(block.get("language") or "")
    own = f' lang="{code}"' if _LANGUAGE.fullmatch(code) else ""
    words = f"<p{own}>{_e(block.get('text'))}</p>"
    return f'<blockquote class="quote{side}" dir="auto">{words}{source}</blockquote>'


def _figure_html(block: Mapping[str, Any]) -> str:
    svg = block.get("svg")
    if not isinstance(svg, str) or "<svg" not in svg:
        return ""
    # As an image, an SVG runs no script and loads nothing, whatever stands in it.
    data = base64.b64encode(svg.encode("utf-8", "replace")).decode("ascii")
    size = _SVG_SIZE.search(svg)
    box = f' width="{float(size[1]):.0f}" height="{float(size[2]):.0f}"' if size else ""
    caption = f"<figcaption>{_e(block.get('caption'))}</figcaption>" if block.get("caption") else ""
    return (
        f'<figure class="fig"><img src="data:image/svg+xml;base64,{data}" alt="{_e(block.get("alt"))}"{box}>'
        f"{caption}</figure>"
    )


def _table_html(block: Mapping[str, Any], language: str, data_href: str) -> str:
    columns, rows = _maps(block.get("columns")), block.get("rows")
    caption = _e(block.get("caption"))
    numeric = [' class="num"' if c.get("align") == "right" else "" for c in columns]
    head = "".join(f'<th scope="col"{k}>{_e(c.get("label"))}</th>' for k, c in zip(numeric, columns, strict=True))
    body = ""
    for row in rows if isinstance(rows, list | tuple) else []:
        cells = list(zip(numeric, row, strict=False)) if isinstance(row, list | tuple) else []
        body += "<tr>" + "".join(f'<th scope="row"{k}>{_e(cell)}</th>' for k, cell in cells[:1])
        body += "".join(f"<td{k}>{_e(cell)}</td>" for k, cell in cells[1:]) + "</tr>"
    name = _e(message(language, "table.scroll", {"caption": plain(block.get("caption") or "")}))
    inner = (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{name}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    file = str(block.get("csv") or "")
    if data_href and _CSV_NAME.fullmatch(file):
        words = _e(message(language, "table.download"))
        inner += f'<p class="src"><a href="{_e(data_href + file)}" download>{words}</a></p>'
    if block.get("open") is not False:
        return inner
    return f'<details class="data"><summary>{_e(message(language, "table.data"))}: {caption}</summary>{inner}</details>'


def _strip_of(item: Mapping[str, Any], language: str, axis: Mapping[str, Any]) -> str:
    value, bounds = plain(item.get("value") or ""), plain(item.get("range") or "")
    label = ", ".join(x for x in (value, bounds) if x) or message(language, "strip.scale")
    return strip(
        low=item.get("low"),
        mid=item.get("mid"),
        high=item.get("high"),
        previous=item.get("previous"),
        axis_low=axis.get("axis_low"),
        axis_high=axis.get("axis_high"),
        label=label,
    )


def _kpi_html(item: Mapping[str, Any], language: str) -> str:
    return (
        f'<li class="kpi"><div class="t">{_e(item.get("label"))}</div><div class="n">{_e(item.get("value"))}</div>'
        f'<div class="r">{_e(item.get("range"))}</div>{_strip_of(item, language, item)}'
        f"{chip(str(item.get('verdict') or ''), str(item.get('chip') or ''))}</li>"
    )


def _strips_html(block: Mapping[str, Any], language: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_e(row.get("label"))}</th><td class="num">{_e(row.get("value"))}</td>'
        f'<td class="s">{_strip_of(row, language, block)}</td>'
        f"<td>{chip(str(row.get('verdict') or ''), str(row.get('chip') or ''))}</td></tr>"
        for row in _maps(block.get("rows"))
    )
    ends = [f"{float(str(block.get(k))):g}" if is_number(block.get(k)) else "" for k in ("axis_low", "axis_high")]
    heads = [message(language, f"table.{k}") for k in ("item", "estimate", "verdict")]
    scale = f'<span class="ends"><span>{_e(ends[0])}</span><span>{_e(ends[1])} {_e(block.get("unit"))}</span></span>'
    name = _e(message(language, "table.scroll", {"caption": heads[1]}))
    return (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{name}"><table class="strips"><thead><tr>'
        f'<th scope="col">{_e(heads[0])}</th><th scope="col" class="num">{_e(heads[1])}</th>'
        f'<th scope="col">{scale}</th><th scope="col">{_e(heads[2])}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
