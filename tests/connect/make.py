"""Small worlds for the tests of connect: files in a folder, a params object, the built store."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from cxlab import connect
from cxlab.connect import Store
from cxlab.params import Params

SURVEY: dict[str, Any] = {
    "client": "tiny",
    "brands": [{"id": "north", "label": "North Star"}, {"id": "south", "label": {"en": "South", "zh": "南方"}}],
    "periods": {"grain": "quarter", "first": "2026Q1", "last": "2026Q2"},
    "scales": {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {9: "refused", "n/a": "not_used"}}},
    "inputs": {"s": {"path": "s.csv"}},
    "tables": {
        "responses": {
            "from": "s",
            "response_id": "id",
            "brand": "brand",
            "date": "day",
            "channel": {"column": "how", "if_absent": "null"},
            "segments": {"age": "age"},
        },
        "ratings": {"from": "s", "items": {"overall": {"column": "q1", "scale": "five", "role": "overall"}}},
    },
    "limits": {"max_reject_share": 1.0},
}
HEADER = "id,brand,day,how,age,q1\n"


def params(folder: Path, base: dict[str, Any] | None = None, **changes: Any) -> Params:
    """Return the survey's params (or `base`) with top-level keys replaced, reading from `folder`."""
    data = copy.deepcopy(SURVEY if base is None else base) | {"data_root": str(folder)} | changes
    return Params.model_validate(data)


def store(folder: Path, given: Params, name: str = "store", **how: Any) -> Store:
    """Build and open a store beside the files."""
    return connect.open_store(connect.build(given, folder / name, **how))


def survey(folder: Path, rows: str, header: str = HEADER, **changes: Any) -> Store:
    """Write ``s.csv``, build, open."""
    (folder / "s.csv").write_text(header + rows, encoding="utf-8")
    return store(folder, params(folder, **changes))


def totals(given: Store, source: str, table: str) -> dict[str, int]:
    """Return the sums of a source's reconciliation over its channels, after checking that they add up."""
    found = given.table("reconciliation")
    found = found[(found.source == source) & (found.table == table)]
    sums = {c: int(found[c].sum()) for c in found.columns[3:]}
    assert sums["rows_in"] == sums["rows_used"] + sums["rows_out_of_scope"] + sums["rows_rejected"]
    kinds = ("values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected")
    assert sums["values_in"] == sum(sums[k] for k in kinds)
    return sums
