"""Nothing that a notebook brings along may run, load or disguise itself: the one place where foreign HTML is made safe.

The page's policy forbids inline styles and every request, so styles, scripts, forms, frames and remote images go here
already; what stays is structure, words and embedded pictures.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Set
from html import escape
from typing import Final

import nh3
from nbconvert.filters import strip_ansi

from cxlab.connect import mask

_MATH: Final = {
    "math", "mrow", "mi", "mo", "mn", "ms", "msub", "msup", "msubsup", "mfrac", "msqrt", "mroot", "mtext", "mspace",
    "mtable", "mtr", "mtd", "munder", "mover", "munderover", "mstyle", "mpadded", "mphantom", "menclose",
    "mmultiscripts", "mprescripts", "none",
}  # fmt: skip
_TAGS: Final = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "details",
    "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub", "summary",
    "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul", "var", "wbr",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "col": {"span"},
    "div": {"class"},
    "img": {"src", "alt", "width", "height", "title"},
    "math": {"display"},
    "mo": {"stretchy", "form", "fence", "separator", "lspace", "rspace", "minsize", "maxsize"},
    "mi": {"mathvariant"},
    "mspace": {"width", "height"},
    "mtd": {"columnspan", "rowspan"},
    "mover": {"accent"},
    "ol": {"start"},
    "span": {"class"},
    "table": {"class"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "scope", "headers", "abbr"},
    "time": {"datetime"},
    **{f"h{level}": {"id"} for level in range(1, 7)},
}
# Content goes with the tag: the words inside a script or a form control are no words for a reader.
_GONE: Final = {
    "script", "style", "template", "iframe", "object", "embed", "applet", "noscript", "noframes", "xmp",
    "plaintext", "textarea", "select", "option", "button", "form", "input", "video", "audio", "canvas", "title",
    "svg", "head", "link", "meta", "base",
}  # fmt: skip
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]+\Z")
_TOKEN: Final = re.compile(r"(?:[a-z]{1,2}\d?|highlight|hll)\Z")  # classes of highlighted code
_MAGIC: Final = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


def clean_html(html: str, *, figure: str = "Figure", ids: Set[str] = frozenset()) -> str:
    """Return foreign HTML with everything removed that could run, load, restyle or impersonate the page.

    Parameters
    ----------
    html : str
        Fragment from a markdown cell or an output.
    figure : str
        Alternative text for pictures that have none.
    ids : set of str
        Heading ids that the caller made itself; any other id is dropped.

    Returns
    -------
    str
        Well-formed fragment; tables carry `scope`, pictures an `alt`.
    """

    def keep(tag: str, attribute: str, value: str) -> str | None:
        match attribute:
            case "id":
                return value if value in ids else None
            case "class":
                kept = [c for c in value.split() if c == "dataframe" or (tag != "table" and _TOKEN.match(c))]
                return " ".join(kept) or None
            case "src":
                squeezed = re.sub(r"\s+", "", value)
                return squeezed if _PICTURE.match(squeezed) else None
            case "href":
                return None if value.lstrip().lower().startswith("data:") else value
            case "alt" | "title":
                return value.strip() or None
        return value

    safe = nh3.clean(
        html,
        tags=_TAGS | _MATH,
        clean_content_tags=_GONE,
        attributes=_ATTRIBUTES,
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )
    return _mend(safe, figure)


def _mend(html: str, figure: str) -> str:
    """Give pictures an `alt` and header cells a `scope`; safe on nh3's canonical output only."""
    html = re.sub(r"<img(?![^>]* src=)[^>]*>", "", html)  # its source was not allowed: nothing left to show
    html = re.sub(r"<img(?![^>]* alt=)", f'<img alt="{escape(figure)}"', html)
    html = re.sub(r"<th[^>]*>\s*</th>", "<td></td>", html)
    html = re.sub(
        r"<thead>.*?</thead>",
        lambda m: re.sub(r"<th(?=[ >])(?![^>]* scope=)", '<th scope="col"', m[0]),
        html,
        flags=re.S,
    )
    return re.sub(r"<th(?=[ >])(?![^>]* scope=)", '<th scope="row"', html)


def picture(data: str, mime: str) -> str:
    """Return a `data:` address for an embedded picture, or an empty string if the bytes are not what they claim.

    A SVG shown through ``<img>`` runs no script and loads nothing, so it needs no cleaning of its own.
    """
    if mime == "image/svg+xml":
        return "data:image/svg+xml;base64," + base64.b64encode(data.encode()).decode()
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return f"data:{mime};base64,{base64.b64encode(raw).decode()}" if raw.startswith(_MAGIC[mime]) else ""


def plain_text(text: str) -> str:
    """Return program output without terminal codes, control characters and folders of this machine; not escaped."""
    text = strip_ansi(text)
    text = re.sub(r"\x1b\].*?(?:\x07|\x1b\\)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text)
    return re.sub(r"(?:[A-Za-z]:)?(?:[/\\][\w.~+@-]+){2,}[/\\](?=[\w.-]+)", "…/", text)


def error_text(text: str) -> str:
    """Return `plain_text` with personal data masked: an error may quote the very value it could not read."""
    return mask(plain_text(text))


def plain(text: str) -> str:
    """Return `plain_text` escaped for HTML."""
    return escape(plain_text(text))
