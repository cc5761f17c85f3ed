from __future__ import annotations

import numpy as np
import pandas as pd
from tidy import LABELS, NPS, estimates, tell

from cxlab.satisfaction import findings
from cxlab.vocab import FORECAST_COLUMNS

WHAT = {"labels": LABELS, "item": "nps", "metric": "nps", "period": "2026Q3"}


def forecasts() -> pd.DataFrame:
    base = dict.fromkeys(FORECAST_COLUMNS) | {
        "level": "total",
        "group": "",
        "target_period": "2026Q4",
        "period": "2026Q3",
    }
    rows = []
    for item, metric, weighting, mid, half in (
        ("nps", "nps", "none", 50.0, 5.0),
        ("nps", "nps", "population", 33.0, 9.0),
        ("overall", "csat", "population", 0.7, 0.05),
    ):
        own = {"item": item, "metric": metric, "weighting": weighting, "mean": mid, "q50": mid}
        rows.append(base | own | {"q05": mid - half, "q95": mid + half})
    return pd.DataFrame(rows)


def test_what_is_expected_next() -> None:
    found = tell(findings.forecast, forecasts(), estimates(), **WHAT)
    assert found.sentence("en") == (
        "For Q4 2026 we expect the net promoter score to be 33 (likely 24 to 42), if things go on as they have."
        " The report on Q4 2026 will check this."
    )
    assert found.sentence("zh").startswith("如一切照旧，预计2026年第四季度净推荐值为 33（可能范围 24 至 42）。")
    figure, table = found.pages["en"].figure, found.pages["en"].table
    assert figure is not None
    assert table is not None
    lines = {x.get_gid(): x for x in figure.axes[0].lines}
    assert list(lines["mean"].get_ydata()) == list(NPS)
    assert list(lines["ahead"].get_ydata()) == [NPS[-1], 33.0]
    assert [r[2] for r in table["rows"]] == ["33 (24 to 42)", "70\u00a0% (65 to 75\u00a0%)"]


def test_a_model_that_failed_expects_nothing() -> None:
    for rows in (forecasts().head(0), forecasts().assign(q50=np.nan)):
        found = tell(findings.forecast, rows, estimates(), **WHAT)
        assert "We expect nothing" in found.sentence("en")
        assert found.pages["en"].figure is None
