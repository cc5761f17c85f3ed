"""Client files of a few rows, and the unit they make, for the tests of the journey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cxlab import connect
from cxlab.params.models import Params
from cxlab.runs import UnitData

ANSWERS = "id,who,day,order,overall,speed,page"
MET = "id,who,day,place,order,late"


def unit(
    folder: Path,
    *,
    answers: Sequence[str] = (),
    met: Sequence[str] = (),
    bought: Sequence[str] = (),
    customers: Sequence[str] = (),
    **changes: object,
) -> tuple[UnitData, Params]:
    """Write files, build the store, return the unit of brand ``one`` up to 2025.

    Parameters
    ----------
    answers : rows of `ANSWERS`
        ``speed`` rates the touchpoint delivery, ``page`` the web; 9 is refused.
    met : rows of `MET`
        Interactions; ``late`` is true, false or empty.
    bought : rows ``who,day`` or ``who,day,kind``
    customers : rows ``who,since,age``
    """
    kinds = [row if row.count(",") == 2 else f"{row},purchase" for row in bought]
    numbered = [f"{i},{row}" for i, row in enumerate(kinds)]
    for name, head, rows in (
        ("answers", ANSWERS, answers), ("met", MET, met), ("bought", "id,who,day,kind", numbered),
        ("customers", "who,since,age", customers),
    ):  # fmt: skip
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    given_rows = {"answers": answers, "met": met, "bought": bought, "customers": customers}
    here = {name for name, rows in given_rows.items() if rows}
    item = {"scale": "five", "role": "attribute"}
    tables = {
        "customers": {"from": "customers", "customer": "who", "since": "since", "segments": {"age": "age"}},
        "transactions": {"from": "bought", "transaction_id": "id", "customer": "who", "date": "day", "kind": "kind",
                         "channel": {"const": "web"}},
        "interactions": {"from": "met", "interaction_id": "id", "customer": "who", "date": "day", "touchpoint": "place",
                         "link": "order", "outcome": {"late": "try_cast(late AS BOOLEAN)"}},
        "responses": {"from": "answers", "response_id": "id", "customer": "who", "date": "day", "link": "order"},
        "ratings": {"from": "answers", "items": {
            "overall": {"column": "overall", "scale": "five", "role": "overall"},
            "speed": item | {"column": "speed", "touchpoint": "delivery"},
            "page": item | {"column": "page", "touchpoint": "web"},
        }},
    }  # fmt: skip
    given = {
        "client": "me",
        "data_root": str(folder),
        "brands": ["one"],
        "periods": {"grain": "year", "first": 2025, "last": 2025, "history_from": 2024},
        "scales": {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {9: "refused"}}},
        "inputs": {name: {"path": f"{name}.csv"} for name in sorted(here)},
        "tables": {name: table for name, table in tables.items() if table["from"] in here},
        "journey": {"stages": [{"id": "before", "touchpoints": ["web"]}, {"id": "after", "touchpoints": ["delivery"]}]},
        "limits": {"max_reject_share": 1.0},
    }
    params = Params.model_validate(given | changes)
    store = connect.open_store(connect.build(params, folder / "store"))
    return UnitData(store, "one", "2025"), params
