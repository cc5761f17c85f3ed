"""From a matplotlib figure to a small SVG: text as text, palette colours as classes with a dark variant."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from cxlab.report.charts.canvas import DPI, FONT, PHONE, figure_style
from cxlab.report.format import plain
from cxlab.report.style import FONTS, PALETTE

MAX_MARKS: Final = 2000  # more marks than this are rasterised
_SVG: Final = "{http://www.w3.org/2000/svg}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}href"


def to_svg(figure: Figure) -> str:
    """Return a figure as a compact, deterministic SVG document.

    Text stays text, the ground is transparent, colours of the palette become classes with a dark variant (an ``<img>``
    of it follows the reader's scheme), text grows on a phone, and more than `MAX_MARKS` marks become one picture.
    """
    with figure_style(), warnings.catch_warnings():
        # The measuring font lacks Chinese; the reader's fonts draw it, and our layout does not use the measure.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        for artist in figure.findobj(Text):
            if isinstance(artist, Text):
                artist.set_parse_math(False)
                artist.set_text(plain(artist.get_text()))
        _rasterise(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, dpi=DPI, metadata={"Date": None, "Creator": None})
    return _compact(buffer.getvalue())


def _marks(artist: Artist) -> int:
    if isinstance(artist, LineCollection):
        return len(artist.get_segments())
    if isinstance(artist, Collection):
        return max(len(np.atleast_2d(artist.get_offsets())), len(artist.get_paths()))
    if isinstance(artist, Line2D):
        return int(np.size(artist.get_xdata()))
    return 0


def _rasterise(figure: Figure) -> None:
    for axes in figure.axes:
        by_size = sorted(axes.get_children(), key=_marks, reverse=True)
        left = sum(_marks(a) for a in by_size)
        for artist in by_size:
            if left <= MAX_MARKS:
                break
            artist.set_rasterized(True)
            left -= _marks(artist)


def _compact(svg: str) -> str:
    ET.register_namespace("", _SVG[1:-1])
    root = ET.fromstring(svg)  # noqa: S314  matplotlib wrote it
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update(viewBox=box)
    names: dict[str, str] = {}
    used: set[str] = set()
    _prune(root, names, used)
    sizes = sorted({c for e in root.iter() for c in e.get("class", "").split() if re.fullmatch(r"t\d+", c)})
    style = ET.Element(f"{_SVG}style")
    style.text = _stylesheet(used, sizes)
    root.insert(0, style)
    body = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return re.sub(r">\s+<", "><", body)


def _stylesheet(used: set[str], sizes: list[str]) -> str:
    def rules(scheme: int) -> str:
        fills = "".join(f".f-{r}{{fill:{PALETTE[r][scheme]}}}" for r in PALETTE if f"f-{r}" in used)
        return fills + "".join(f".s-{r}{{stroke:{PALETTE[r][scheme]}}}" for r in PALETTE if f"s-{r}" in used)

    text = "".join(f".{s}{{font-size:{s[1:]}px}}" for s in sizes)
    phone = "".join(f".{s}{{font-size:{round(PHONE * int(s[1:]), 1):g}px}}" for s in sizes)
    return (
        f"*{{stroke-linejoin:round}}text{{font-family:{FONTS}}}{text}{rules(0)}"
        f"@media (max-width:380px){{{phone}}}@media (prefers-color-scheme:dark){{{rules(1)}}}"
    )


_ROLE_OF: Final = {pair[0]: role for role, pair in PALETTE.items()}
_KEEP: Final = ("fill-opacity", "stroke-opacity", "opacity", "stroke-width", "stroke-dasharray", "stroke-linecap")


def _prune(node: ET.Element, names: dict[str, str], used: set[str]) -> None:
    """Drop what a reader cannot see, shorten ids and numbers, turn styles into attributes and classes."""
    for child in list(node):
        _prune(child, names, used)
        tag = child.tag.removeprefix(_SVG)
        place = list(node).index(child)
        if tag in ("metadata", "style"):
            node.remove(child)
            continue
        _restyle(child, tag, used)
        _rename(child, names)
        invisible = child.get("fill") == "none" and not child.get("class") and not child.get("stroke")
        if tag == "path" and invisible and not child.get("id"):
            node.remove(child)
        elif tag == "g" and not child.attrib:
            node.remove(child)
            for offset, grandchild in enumerate(child):
                node.insert(place + offset, grandchild)
        elif tag in ("g", "defs") and not len(child):
            node.remove(child)


def _rename(node: ET.Element, names: dict[str, str]) -> None:
    tag = node.tag.removeprefix(_SVG)
    identifier = node.attrib.pop("id", None)
    if identifier and tag in ("path", "clipPath", "image", "pattern"):
        node.set("id", names.setdefault(identifier, f"i{len(names)}"))
    target = node.attrib.pop(_XLINK, None)
    if target:
        node.set("href", f"#{names.setdefault(target[1:], f'i{len(names)}')}" if target.startswith("#") else target)
    clip = node.get("clip-path")
    if clip:
        node.set("clip-path", re.sub(r"#(\w+)", lambda m: f"#{names.setdefault(m[1], f'i{len(names)}')}", clip))
    for key in ("d", "x", "y", "width", "height", "transform"):
        if node.get(key):
            short = re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), node.attrib[key])
            node.set(key, re.sub(r"\s+", " ", short).strip())
    turn = re.fullmatch(r"rotate\((-?[\d.]+) .*\)", node.get("transform", ""))
    if turn and float(turn[1]) == 0:
        del node.attrib["transform"]


def _restyle(node: ET.Element, tag: str, used: set[str]) -> None:
    style = dict(re.findall(r"([\w-]+):\s*([^;]+)", node.attrib.pop("style", "")))
    classes: list[str] = []
    for key, letter in (("fill", "f"), ("stroke", "s")):
        value = style.get(key)
        role = _ROLE_OF.get(value or "")
        if role:
            classes.append(f"{letter}-{role}")
        elif value:
            node.set(key, value)
    if tag == "text":
        if not style.get("fill"):
            classes.append("f-ink")
        classes.append(f"t{round(float(style.get('font-size', f'{FONT}px').removesuffix('px')))}")
        if style.get("text-anchor", "start") != "start":
            node.set("text-anchor", style["text-anchor"])
        if style.get("font-weight"):
            node.set("font-weight", style["font-weight"])
    for key in _KEEP:
        if style.get(key) and (key, style[key]) != ("stroke-linecap", "butt"):
            node.set(key, style[key])
    if classes:
        used.update(classes)
        node.set("class", " ".join(classes))
