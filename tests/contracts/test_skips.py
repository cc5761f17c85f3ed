"""Which tests may be skipped, and when a skip is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
def test_page(browser):
    raise AssertionError("never reached")

def test_data(shared_data):
    raise AssertionError("never reached")
"""


def run_without_browser(root: Path, folder: Path, **environment: str) -> str:
    shutil.copy(root / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers\nmarkers =\n    browser: b\n    shared: s\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": str(folder),
            "CXLAB_CHROMIUM": "",
            "CXLAB_DATA": str(folder / "none"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


@pytest.mark.parametrize(("promised", "outcome"), [("0", "2 skipped"), ("1", "1 skipped, 1 error")])
def test_a_skipped_browser_test_fails_only_where_a_browser_is_promised(
    root: Path, tmp_path: Path, promised: str, outcome: str
) -> None:
    said = run_without_browser(root, tmp_path, CXLAB_REQUIRE_BROWSER=promised)
    assert outcome in said, said
    assert "set CXLAB_CHROMIUM to its path" in said
    assert "set CXLAB_DATA to the folder that holds it" in said
