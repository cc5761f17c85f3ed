"""What all tests share: where real data lies, a real browser, and which skips are allowed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # root in a container has none; the pages are our own
    "--disable-gpu",
    "--disable-background-networking",  # so that every request seen is the page's
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# Tests run beside each other and beside kernels: one thread each, set before numpy is imported.
for _name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON"):
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: CXLAB_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("CXLAB_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}: set CXLAB_DATA to the folder that holds it")
    return folder.resolve()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """An installed Chromium: CXLAB_CHROMIUM, else the first one on PATH."""
    path = os.environ.get("CXLAB_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no Chromium: install one of {', '.join(BROWSERS)}, or set CXLAB_CHROMIUM to its path")
    return path


@pytest.fixture(scope="module")  # no longer: its event loop would run under tests of other modules
def browser(chromium_path: str) -> Iterator[Browser]:
    """A running Chromium; open pages with ``browser.new_page()`` and close them in the test."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, args=[*FLAGS])
        yield running
        running.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by what a test asks for, so that no test forgets its marker."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "chromium_path" in fixtures:
            item.add_marker("browser")
        if "shared_data" in fixtures:
            item.add_marker("shared")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let a skipped browser test fail where a browser is promised (CXLAB_REQUIRE_BROWSER=1, set by .ci/run)."""
    report = yield
    if report.skipped and os.environ.get("CXLAB_REQUIRE_BROWSER") == "1" and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, but CXLAB_REQUIRE_BROWSER=1 promises a browser: {report.longrepr}"
        )
    return report
