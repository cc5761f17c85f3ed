"""One palette, light and dark, and the CSS of blocks: figures, pages and notebooks draw from the same few colours.

Nothing heavy is imported here, so a page can be rendered without a plotting library.
"""

from __future__ import annotations

from typing import Final

# Role -> (light, dark). Text roles (ink, soft, accent, good, bad) keep 4.5:1 on paper and wash in both schemes;
# good is a teal, so that it differs from bad for red-green colour-blind readers too.
PALETTE: Final[dict[str, tuple[str, str]]] = {
    "ink": ("#1b2430", "#e7ecf2"),
    "soft": ("#5a6675", "#a3afbd"),
    "line": ("#dde3ea", "#2c3642"),
    "paper": ("#ffffff", "#12171d"),
    "wash": ("#f6f8fa", "#1a212a"),
    "accent": ("#0b5cad", "#7ab5f0"),
    "good": ("#00756b", "#57d3c0"),
    "bad": ("#b3361b", "#ff8f73"),
    "band": ("#c9dcf0", "#23415f"),
}
FONTS: Final = (
    'system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif'
)
INTERVAL_OPACITY: Final = 0.45  # the bar of an interval: the accent, thinned, so the dot stands out on it


def colour(role: str) -> str:
    """Return the light colour of a role as ``#rrggbb``; figures draw with it and `to_svg` makes it adapt."""
    return PALETTE[role][0]


def verdict_class(verdict: str) -> str:
    """Return the CSS class of a verdict's chip: ``better``, ``worse`` or, for everything else, ``same``."""
    return verdict if verdict in ("better", "worse") else "same"


def css_variables(*, scope: str = ":root") -> str:
    """Return the palette and the font list as CSS custom properties, with a dark variant.

    Parameters
    ----------
    scope : str
        Selector that carries the variables.
    """
    light = "".join(f"--{role}:{pair[0]};" for role, pair in PALETTE.items())
    dark = "".join(f"--{role}:{pair[1]};" for role, pair in PALETTE.items())
    return (
        f"{scope}{{color-scheme:light dark;{light}--flat:var(--soft);--font:{FONTS}}}\n"
        f"@media (prefers-color-scheme:dark){{{scope}{{{dark}}}}}\n"
        f"@media print{{{scope}{{color-scheme:light;{light}}}}}"
    )


# `&` stands for the scope's prefix. Only classes: a page's content security policy forbids inline styles.
_RULES: Final = """
&h1.headline{font-size:30px;line-height:1.25;margin:34px 0 6px;letter-spacing:-.01em;text-wrap:balance;font-weight:700}
&.sub{color:var(--soft);margin:0 0 26px;max-width:70ch}
&.kpis{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(220px,100%),1fr));gap:1px;margin:0 0 22px;
 padding:0;list-style:none;border:1px solid var(--line);border-radius:10px;overflow:hidden;background:var(--line)}
&.kpi{background:var(--paper);padding:16px 18px;margin:0}
&.kpi .t{font-size:14px;color:var(--soft)}
&.kpi .n{font-size:28px;font-weight:650;line-height:1.3;font-variant-numeric:tabular-nums}
&.kpi .r{font-size:14px;color:var(--soft);font-variant-numeric:tabular-nums}
&.chip{display:inline-block;font-size:13px;font-weight:600;line-height:1.5;padding:1px 9px;border-radius:12px;
 border:1px solid currentColor}
&.better{color:var(--good)}
&.worse{color:var(--bad)}
&.same{color:var(--flat)}
&svg.strip{display:block;width:100%;max-width:280px;height:18px;margin:4px 0 6px;overflow:visible}
&svg.strip .axis{stroke:var(--line);stroke-width:1.5}
&svg.strip .bar{stroke:var(--accent);stroke-width:5;stroke-linecap:round;opacity:.45}
&svg.strip .tick{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:2 2}
&svg.strip .dot{fill:var(--accent)}
&.finding{border-top:1px solid var(--line);padding:16px 0 4px;margin:0}
&.finding p{margin:0 0 10px;max-width:66ch}
&.src{font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums}
&.finding .src .chip{margin-right:6px}
&figure.fig{margin:6px 0 12px}
&figure.fig img{display:block;width:100%;max-width:560px;height:auto}
&figure.fig figcaption{font-size:13px;color:var(--soft);margin-top:4px;max-width:66ch}
&.scroll{overflow-x:auto;margin:0 0 12px}
&.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
&.scroll table{border-collapse:collapse;width:100%;font-size:15px}
&.scroll caption{text-align:left;font-size:13px;color:var(--soft);padding:0 0 4px}
&.scroll th,&.scroll td{padding:8px 16px 8px 0;border-bottom:1px solid var(--line);vertical-align:top;text-align:left}
&.scroll tr>:last-child{padding-right:0}
&.scroll thead th{font-weight:600;color:var(--soft);font-size:13px}
&.scroll tbody th{font-weight:400;min-width:6em}
&.scroll .num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
&.strips td.s{width:45%;min-width:140px}
&.strips .ends{display:flex;justify-content:space-between}
&details.more{border-top:1px solid var(--line);padding:10px 0}
&details.more>summary{cursor:pointer;max-width:66ch}
&details.more>.finding{border-top:0;padding-top:8px}
&details.data{margin:0 0 12px;font-size:14px}
&details.data summary{color:var(--soft);cursor:pointer;margin-bottom:6px}
&blockquote.quote{margin:8px 0 12px;padding:2px 0 2px 14px;border-left:3px solid var(--band);color:var(--soft);
 font-size:15px;max-width:66ch}
&blockquote.quote.other{border-left-style:dashed}
&blockquote.quote p{margin:0}
&blockquote.quote footer{margin:2px 0 0;padding:0;border:0;font-size:13px;font-style:italic}
&.sure{background:var(--wash);border-radius:10px;padding:14px 20px;margin:0 0 16px;max-width:80ch}
&.sure.warning{border-left:4px solid var(--bad);border-radius:4px}
&.sure.withheld{border-left:4px solid var(--soft);border-radius:4px}
@media (max-width:760px){&h1.headline{font-size:25px}&.strips td.s{min-width:90px}
 &.scroll th,&.scroll td{padding-right:10px}}
@media print{&.kpi{padding:8px 10px}&.kpi .n{font-size:19px}&.finding{padding:6px 0 0;break-inside:avoid}
 &figure.fig{break-inside:avoid}&svg.strip .bar,&svg.strip .dot{print-color-adjust:exact}}
"""


def css(*, scope: str = "") -> str:
    """Return the CSS of all blocks, variables included.

    Parameters
    ----------
    scope : str
        Class selector to confine the rules to, e.g. ``.cx`` in a notebook; empty for a page of our own.
    """
    rules = _RULES.replace("&", f"{scope} " if scope else "").strip()
    head = css_variables(scope=scope or ":root")
    if scope:
        head += f"\n{scope}{{font:16px/1.55 var(--font);color:var(--ink);background:var(--paper);padding:0 2px}}"
    return head + "\n" + rules
