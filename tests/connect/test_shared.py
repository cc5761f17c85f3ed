"""Real data: the airport's six waves and the Olist shop, against figures known beforehand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cxlab import connect
from cxlab.connect import Store
from cxlab.params import from_dict

pytestmark = pytest.mark.shared

FIVE = {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {0: "blank", "Blank": "blank", 6: "not_used"}}
WAVES = [2012, 2013, 2014, 2015, 2016, 2017]


@pytest.fixture(scope="module")
def airport(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    params = from_dict(
        {
            "client": "airport",
            "data_root": str(shared_data / "sfo_survey"),
            "brands": [{"id": "airport", "label": "The airport"}],
            "periods": {"grain": "year", "first": "2012", "last": "2017"},
            "scales": {"five": FIVE, "nps": {"codes": list(range(11)), "missing": {11: "blank"}}},
            "inputs": {"survey": {"path": "sfo_{wave}.parquet", "waves": WAVES}},
            "tables": {
                "responses": {
                    "from": "survey",
                    "response_id": {"column": ["RESPNUM", "*RESPNUM"], "prefix": "wave"},
                    "period": {"from": "wave"},
                    "weight": {"column": "WEIGHT", "if_absent": "unweighted"},
                    "channel": {"const": "intercept"},
                    "segments": {
                        "age": {"column": ["Q19_AGE", "Q18_AGE", "Q18AGE", "Q19AGE"], "missing": {0: "blank"}}
                    },
                },
                "ratings": {
                    "from": "survey",
                    "items": {
                        "overall": {"column": ["Q8N_WHOLE", "Q7O_WHOLE", "Q7ALL"], "scale": "five", "role": "overall"},
                        "nps": {"column": "NETPRO", "scale": "nps", "role": "nps"},
                        "wifi": {
                            "column": ["Q7I_WIFI", "Q7WIFI"],
                            "scale": "five",
                            "role": "attribute",
                            "touchpoint": "wifi",
                        },
                    },
                },
            },
            "limits": {"max_reject_share": 0.02},
        }
    )
    assert connect.check(params) == []
    return connect.open_store(connect.build(params, tmp_path_factory.mktemp("airport") / "store"))


def nps(cells: pd.DataFrame, by: str) -> float:
    total = cells[by].sum()
    return float(100 * (cells[cells.code >= 9][by].sum() - cells[cells.code <= 6][by].sum()) / total)


def test_airport_recommend_question_gives_the_published_scores(airport: Store) -> None:
    plain = airport.cells("nps", factors=["segment:age"], brand="airport", until="2017")
    weighted = airport.cells("nps", factors=["segment:age"], brand="airport", until="2017", weighting="survey")
    assert plain.n_raw.sum() == 2746
    assert nps(plain, "n") == pytest.approx(39.8, abs=0.05)
    assert nps(weighted, "n") == pytest.approx(40.4, abs=0.05)
    assert set(plain.period) == {"2017"}


def test_every_airport_wave_reconciles(airport: Store, shared_data: Path) -> None:
    found = airport.table("ratings")
    for wave in map(str, WAVES):
        rows = pq.read_metadata(shared_data / "sfo_survey" / f"sfo_{wave}.parquet").num_rows
        own = found[found.period == wave]
        assert len(own) == 3 * rows  # nothing rejected: each item of each row is scored or of one kind of missing
        assert (own.value.isna() == own.missing.notna()).all()
        asked = pq.read_schema(shared_data / "sfo_survey" / f"sfo_{wave}.parquet").names
        never = own[own.item == "nps"].missing.eq("never_asked").sum()
        assert never == (0 if "NETPRO" in asked else rows)
    line = airport.table("reconciliation").set_index("table").loc["ratings"]
    assert line.rows_in == line.rows_used == 18_750
    kinds = ["values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected"]
    assert line.values_in == 3 * 18_750 == line[kinds].sum()
    assert line.values_rejected == 0
