"""A client who asked people once a year: who was asked, and what those who answered said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cxlab import connect
from cxlab.params.models import Params
from cxlab.runs import UnitData

PERIODS = ["2025", "2026"]
CODES = np.arange(1.0, 6.0)


def read(
    asked: pd.DataFrame,
    folder: Path,
    *,
    invited: bool = True,
    directory: bool = False,
    groupings: bool = False,
    cluster: str = "",
) -> tuple[UnitData, Params]:
    asked[asked["answered"]].to_csv(folder / "answers.csv", index=False)
    asked.drop(columns="score").to_csv(folder / "asked.csv", index=False)
    tables: dict[str, object] = {
        "responses": {"from": "answers", "response_id": "answer", "period": "year", "segments": {"age": "age"}},
        "ratings": {
            "from": "answers",
            "response_id": "answer",
            "items": {"overall": {"column": "score", "scale": "five", "role": "overall"}},
        },
    }
    if cluster:
        tables["responses"] |= {"cluster": cluster}  # type: ignore[operator]
    inputs: dict[str, object] = {"answers": {"path": "answers.csv"}}
    if invited:
        inputs["asked"] = {"path": "asked.csv"}
        tables["invitations"] = {
            "from": "asked", "invitation_id": "invitation", "period": "year", "response_id": "answer",
            "segments": {"age": "age"},
        }  # fmt: skip
    if directory:
        inputs["people"] = {"path": "asked.csv"}
        tables["customers"] = {"from": "people", "customer": "invitation", "segments": {"age": "age"}}
    params = Params.model_validate(
        {
            "client": "me",
            "data_root": str(folder),
            "brands": ["one"],
            "periods": {"grain": "year", "first": 2025, "last": 2026},
            "scales": {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4}},
            "inputs": inputs,
            "tables": tables,
            "model": {} if groupings else {"groupings": []},
        }
    )
    place = connect.build(params, folder / "store")
    return UnitData(connect.open_store(Path(place)), "one", "2026"), params
