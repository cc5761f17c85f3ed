"""What the tests of texts share: models are written into a folder of the test session, not into the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of models (CXLAB_CACHE) while tests that use the English sentence model run."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_CACHE", str(folder))
        yield folder
