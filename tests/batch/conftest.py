from __future__ import annotations

from pathlib import Path

import pytest
import small_suite

from cxlab.batch import keys


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> small_suite.Home:
    """Two brands, two quarters, two notebooks."""
    path = tmp_path / "home"
    monkeypatch.setenv("CXLAB_HOME", str(path))
    return small_suite.make(path)


@pytest.fixture(autouse=True)
def still_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone may edit the package while its tests run; `test_keys` tests the hash itself."""
    monkeypatch.setattr(keys, "of_code", lambda: "this code")
