"""Reviews, names, outputs and forged payloads that try to run, load or disguise themselves, opened in real Chromium.

Each is rendered and opened with the page's policy and again without it: cleaning alone must hold.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pages
import pandas as pd
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output

from cxlab.report import blocks
from cxlab.report.html.context import Link
from cxlab.report.html.exporter import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

RUN = "document.title='PWNED'"
IMG = f'<img src=x onerror="{RUN}">'
CALL = "http://127.0.0.1:9/stolen"
QUOTES = f'"\'><script>{RUN}</script>{IMG}<b a="'


def shown(**data: Any) -> NotebookNode:
    """A cell that displays one output; keys are mime types with ``_`` for ``/``."""
    metadata = data.pop("metadata", {})
    return pages.code("x", new_output("display_data", data=data["data"], metadata=metadata))


def html(source: str) -> NotebookNode:
    return shown(data={"text/html": source})


def forged(*page: Any) -> NotebookNode:
    return shown(data={blocks.MIME: {"version": 1, "id": QUOTES, "languages": {"en": list(page)}}})


SVG_HOSTILE = (
    f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{RUN}\" viewBox='0 0 9 9'><script>{RUN}</script>"
    f"<image href='{CALL}'/><foreignObject>"
    f"<iframe xmlns='http://www.w3.org/1999/xhtml' src='{CALL}'/></foreignObject></svg>"
)
TABLE = pd.DataFrame({IMG: [IMG, QUOTES]})

VECTORS: dict[str, NotebookNode] = {
    # what customers write and clients name, in an analyst's own outputs
    "review in a data frame": html(TABLE.to_html()),
    "review in a data frame, unescaped": html(TABLE.to_html(escape=False)),
    "styler": html(TABLE.style.to_html()),
    "styler, escaped cells, hostile column": html(TABLE.style.format(escape="html").to_html()),
    "styler caption": html(pd.DataFrame({"a": [1]}).style.set_caption(f"<script>{RUN}</script>{IMG}").to_html()),
    "html": html(f"{IMG}<script>{RUN}</script>"),
    "html, obfuscated": html(f"<ScRiPt >{RUN}</sCrIpT><svg/onload={RUN}><math><mtext><style><img src onerror={RUN}>"),
    "html, broken nesting": html(
        f'<noscript><p title="</noscript>{IMG}"></noscript><table><td>{IMG}</table></p></div>'
    ),
    "html, mutation": html(
        f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={RUN}&gt;">'
    ),
    "html, form and clickable": html(
        f'<form action="javascript:{RUN}"><button formaction="javascript:{RUN}">x</button>'
        f'<input autofocus onfocus="{RUN}">'
    ),
    "html, details ontoggle": html(f'<details open ontoggle="{RUN}"><summary>x</summary></details>'),
    "html, frames": html(
        f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe><iframe src="javascript:parent.{RUN}"></iframe>'
        f'<object data="data:text/html,<script>{RUN}</script>"></object><embed src="{CALL}">'
    ),
    "html, redirect and base": html(
        f'<meta http-equiv="refresh" content="0;url={CALL}"><base href="{CALL}"><link rel="stylesheet" href="{CALL}">'
    ),
    "html, remote picture": html(
        f'<img src="{CALL}"><img srcset="{CALL} 2x"><video poster="{CALL}"><source src="{CALL}">'
    ),
    "css url": html(
        f'<p style="background:url({CALL})">x</p><style>@import "{CALL}";p{{background:url({CALL})}}</style>'
    ),
    "css over the page": html('<div style="position:fixed;inset:0;z-index:99;background:red" class="skip top">x</div>'),
    "javascript link": html(
        f'<a href="javascript:{RUN}">a</a><a href=" jAvAsCrIpT&#58;{RUN}">b</a><a href="java\tscript:{RUN}">c</a>'
    ),
    "data link": html(f'<a href="data:text/html,<script>{RUN}</script>">d</a><a href="vbscript:x">v</a>'),
    "alt text of a picture": shown(
        data={"image/png": base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()}, metadata={"image/png": {"alt": QUOTES}}
    ),
    "picture that is no picture": shown(data={"image/png": f'" onerror="{RUN}'}),
    "picture with a lying kind": shown(data={"image/jpeg": base64.b64encode(QUOTES.encode()).decode()}),
    "svg": shown(data={"image/svg+xml": SVG_HOSTILE}, metadata={"image/svg+xml": {"alt": QUOTES}}),
    "svg inside html": html(SVG_HOSTILE),
    # live kinds
    "javascript": shown(data={"application/javascript": RUN, "text/plain": QUOTES}),
    "mermaid": shown(data={"text/vnd.mermaid": f"graph TD; A[{IMG}]"}),
    "mermaid, closing its box": shown(data={"text/vnd.mermaid": f"x</div>{IMG}"}),
    "widget": shown(data={"application/vnd.jupyter.widget-view+json": {"model_id": f"</script>{IMG}"}}),
    "unknown kind": shown(data={f"application/x{QUOTES}": QUOTES}),
    # text
    "latex": shown(data={"text/latex": f"$x$</math>{IMG}"}),
    "latex command": shown(data={"text/latex": f"$\\href{{javascript:{RUN}}}{{x}} \\text{{{IMG}}}$"}),
    "plain text": shown(data={"text/plain": QUOTES}),
    "stream with terminal codes": pages.code(
        "x", new_output("stream", name="stdout", text=f"\x1b[31m{IMG}\x1b]8;;{CALL}\x07")
    ),
    "stream to stderr": pages.code("x", new_output("stream", name="stderr", text=QUOTES)),
    "error": pages.code("x", new_output("error", ename=IMG, evalue=QUOTES, traceback=[f"\x1b[0;31m{QUOTES}\x1b[0m"])),
    "source code": pages.code(f'x = """</code></pre>{QUOTES}"""'),
    "cell id": pages.code("x", new_output("stream", name="stdout", text="x"), id=QUOTES),
    # markdown
    "markdown output": shown(data={"text/markdown": f"{IMG}\n\n[x](javascript:{RUN})"}),
    "markdown cell": pages.markdown(f"# t\n{IMG}\n<script>{RUN}</script>\n\n<div>\n{IMG}\n</div>"),
    "markdown heading": pages.markdown(f'## {QUOTES}\n### `{IMG}`\n## <a name="x" onclick="{RUN}">y</a>'),
    "markdown link and picture": pages.markdown(
        f"[a](javascript:{RUN}) [b](data:text/html;base64,PHNjcmlwdD4=) ![{QUOTES}]({CALL}) <javascript:{RUN}>\n\n"
        f"[c]\n\n[c]: javascript:{RUN} '{QUOTES}'"
    ),
    "markdown formula": pages.markdown(f"$x{IMG}$ and $$</math>{IMG}$$ \\begin{{{IMG}}}x\\end{{{IMG}}}"),
    "markdown fences": pages.markdown(f"```mermaid\nA[{IMG}]\n```\n```{QUOTES}\n{IMG}\n```"),
    "markdown in chinese slot": pages.markdown("# ok", zh=IMG),
    # our own kind, forged
    "forged headline": forged({"type": "headline", "text": QUOTES, "sub": QUOTES}),
    "forged finding": forged(
        {"type": "finding", "text": QUOTES, "lead": QUOTES[:3], "verdict": QUOTES, "note": QUOTES}
    ),
    "forged figure": forged({"type": "figure", "svg": SVG_HOSTILE, "alt": QUOTES, "caption": QUOTES}),
    "forged figure that is no svg": forged({"type": "figure", "svg": f'x" onerror="{RUN}', "alt": {"a": QUOTES}}),
    "forged table": forged(
        {
            "type": "table",
            "caption": QUOTES,
            "columns": [{"label": QUOTES, "align": QUOTES}],
            "rows": [[QUOTES], QUOTES, [{"x": QUOTES}]],
            "open": QUOTES,
            "csv": f"javascript:{RUN}",
        }
    ),
    "forged kpis": forged(
        {
            "type": "kpis",
            "items": [
                {
                    "label": QUOTES,
                    "value": QUOTES,
                    "low": QUOTES,
                    "mid": "1e999",
                    "axis_low": QUOTES,
                    "chip": QUOTES,
                    "verdict": QUOTES,
                },
                QUOTES,
            ],
        }
    ),
    "forged strips": forged(
        {
            "type": "strips",
            "axis_low": 0,
            "axis_high": 1,
            "unit": QUOTES,
            "rows": [{"label": QUOTES, "low": 0, "high": QUOTES, "mid": 0.5, "chip": QUOTES}],
        }
    ),
    "forged quote and note": forged(
        {"type": "quote", "text": QUOTES, "source": QUOTES}, {"type": "note", "text": QUOTES, "kind": QUOTES}
    ),
    "unknown blocks": forged(
        {"type": QUOTES, "html": IMG}, {"html": IMG}, IMG, None, {"type": ["x"]}, {"type": "actions", "rows": IMG}
    ),
    "forged languages": shown(data={blocks.MIME: {"languages": {QUOTES: [{"type": "note", "text": QUOTES}]}}}),
    "forged shapes": shown(data={blocks.MIME: {"languages": [IMG]}, "text/plain": QUOTES}),
}


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def audit(page: Page, path: Path) -> None:
    """Open a page, press everything that can be pressed, and assert that nothing ran and nothing left."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(path.as_uri())
    title = page.title()
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.evaluate(
        "document.querySelectorAll('main a, main button, main summary, main input').forEach(e => {"
        " if (!(e.href || '').startsWith('http') && !(e.href || '').startsWith('file')) e.click(); })"
    )
    page.wait_for_timeout(10)
    page.remove_listener("request", note)
    assert page.title() == title != "PWNED"
    found = page.evaluate(
        "[...document.querySelectorAll('script,iframe,object,embed,form,base,link,style,meta[http-equiv=refresh]')]"
        ".map(e => e.outerHTML.slice(0, 60))"
        ".concat([...document.querySelectorAll('*')].flatMap(e => [...e.attributes].filter(a =>"
        " a.name.startsWith('on') || a.name === 'style' ||"
        " /^\\s*(javascript|vbscript|data:text)/i.test(a.value)).map(a => a.name + '=' + a.value)))"
    )
    ours = ("<style>:root", '<script>(function () {\n  "use strict"')
    assert [f for f in found if not f.startswith(ours)] == []
    assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []


def without_policy(html: str) -> str:
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert bare != html
    return bare


@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_runs_nothing_leaves(tab: Page, tmp_path: Path, vector: str) -> None:
    notebook = new_notebook(cells=[pages.markdown("# t")])
    notebook.cells.append(VECTORS[vector])
    for language in ("en", "zh") if "chinese" in vector else ("en",):
        page = render_page(notebook, language=language, context=pages.context())
        for name, content in (("policy", page), ("bare", without_policy(page))):
            path = tmp_path / f"{name}.html"
            path.write_text(content, encoding="utf-8")
            audit(tab, path)


def test_hostile_frame(tab: Page, tmp_path: Path) -> None:
    """Names of clients, brands, periods and pages stand outside the notebook."""
    link = Link(QUOTES, "x.html")
    frame = pages.context(
        client=QUOTES, brand=QUOTES, period=QUOTES, title=QUOTES, pages=(link,), previous=link, next=link,
        downloads=(link,), run_id=QUOTES, data_date=QUOTES, diagnostics=QUOTES, status="failed", reason=QUOTES,
    )  # fmt: skip
    page = render_page(new_notebook(cells=[pages.markdown("text")]), language="en", context=frame)
    path = tmp_path / "bare.html"
    path.write_text(without_policy(page), encoding="utf-8")
    audit(tab, path)
    assert QUOTES[:4] not in page


@pytest.mark.parametrize("vector", ["html", "css url", "javascript link", "html, remote picture"])
def test_the_audit_would_notice(tab: Page, tmp_path: Path, vector: str) -> None:
    """Negative control: the same vectors, not cleaned, are caught."""
    raw = VECTORS[vector].outputs[0]["data"]["text/html"]
    page = render_page(new_notebook(cells=[pages.markdown("# t")]), language="en", context=pages.context())
    path = tmp_path / "raw.html"
    path.write_text(without_policy(page).replace("</main>", f"{raw}</main>"), encoding="utf-8")
    with pytest.raises(AssertionError):
        audit(tab, path)


def test_the_policy_alone_stops_scripts_and_requests(tab: Page, tmp_path: Path) -> None:
    """Second line of defence: an uncleaned page under our policy runs nothing and loads nothing."""
    page = render_page(new_notebook(cells=[pages.markdown("# t")]), language="en", context=pages.context())
    raw = "".join(VECTORS[v].outputs[0]["data"]["text/html"] for v in ("html", "html, remote picture", "css url"))
    path = tmp_path / "raw.html"
    path.write_text(page.replace("</main>", f"{raw}</main>"), encoding="utf-8")
    opened = tab
    answered: list[str] = []
    opened.on("requestfinished", lambda request: answered.append(request.url))
    opened.goto(path.as_uri())
    opened.wait_for_timeout(50)
    assert opened.title() == "t · Alder · Q3 2026"
    assert [url for url in answered if url.startswith("http")] == []
