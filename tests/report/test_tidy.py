"""Tidy estimates as findings read them."""

from __future__ import annotations

import numpy as np
from tidy import frame, row

from cxlab.report import About, Estimates


def test_of_many_rows_without_effect_hardly_ever_one_is_called_clear() -> None:
    """Looked at one by one, more than a third of the families would have one."""
    random = np.random.default_rng(7)
    families = [random.normal(size=9) for _ in range(400)]

    def rows(means: np.ndarray) -> Estimates:
        return Estimates(frame([row(mean=m, sd=1.0, ref=0.0) for m in means]), About())

    alone = np.mean([bool((np.abs(means) > 1.96).any()) for means in families])
    together = np.mean([len(rows(means).holding()) > 0 for means in families])
    assert alone > 0.3
    assert together <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 400)
    found = rows(np.r_[5.0, -4.0, np.zeros(7)]).holding()
    assert [r.mean for r in found] == [5.0, -4.0]
    assert len(rows(np.r_[np.nan, np.nan]).holding()) == 0
