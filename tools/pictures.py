"""Pictures of the demo's report for the README: ``make pictures`` writes docs/pictures/*.png."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "reports" / "demo"
PICTURES = ROOT / "docs" / "pictures"
UNIT = "alder/2026Q3"  # the brand and period with the planted drop
# English pages only: a machine without a Chinese font would photograph boxes.
SHOTS = {  # picture: page, width and greatest height in CSS pixels, device pixels each
    "overview": ("index.html", 1280, 1000, 1),
    "brief": (f"{UNIT}/index.html", 1280, 1500, 1),
    "drivers": (f"{UNIT}/30_drivers.html", 1280, 2100, 1),
    "brief-phone": (f"{UNIT}/index.html", 390, 1400, 2),
}


def main() -> int:
    """Take every picture; 2 if a page or the browser is missing."""
    missing = [page for page, *_ in SHOTS.values() if not (PAGES / page).exists()]
    if missing:
        print(f"no page {', '.join(missing)} in {PAGES}: run `make demo` first", file=sys.stderr)
        return 2
    chromium = os.environ.get("CXLAB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium: install chromium, or set CXLAB_CHROMIUM to its path", file=sys.stderr)
        return 2
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (page, width, height, scale) in SHOTS.items():
            tab = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
            tab.goto((PAGES / page).as_uri())
            full = tab.evaluate("document.documentElement.scrollHeight")
            target = PICTURES / f"{name}.png"
            tab.screenshot(
                path=target, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": min(full, height)}
            )
            tab.close()
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KiB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
