"""Weekly values of the questions that lead: net promoter score or share satisfied, by brand, touchpoint and channel."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cxlab.connect import Store
from cxlab.params import Params, items, own_brands

ROLES = ("nps", "overall")  # of questions that are watched unasked
TOP = {"nps": 9.0}


@dataclass(frozen=True)
class Stream:
    """One series.

    Attributes
    ----------
    name : str
        ``brand/item`` or ``brand/item/column=value``; what the ledger calls it.
    metric : str
        ``nps`` (points, -100 to 100) or ``csat`` (per cent satisfied).
    frame : DataFrame
        ``week`` (its Monday), ``value``, ``n``; complete weeks with answers only, oldest first.
    variance : float
        Of one answer.
    """

    name: str
    brand: str
    item: str
    metric: str
    column: str
    group: str
    frame: pd.DataFrame
    variance: float


def weekly(params: Params, store: Store) -> list[Stream]:
    """Return the streams of a client: each question that leads or has a rule, in all and by what `alerts.by` names.

    Parameters
    ----------
    params : Params
    store : Store
        The canonical tables; answers without a day are left out.
    """
    asked = items(params)
    wanted = {i for i, item in asked.items() if item.role in ROLES} | {r.item for r in params.alerts.rules.values()}
    arms = []
    for name in sorted(wanted & set(asked)):
        scale = params.scales[asked[name].scale]
        if asked[name].role == "nps":
            value = "CASE WHEN value >= 9 THEN 100.0 WHEN value <= 6 THEN -100.0 ELSE 0.0 END"
        else:
            first = scale.codes.index(scale.satisfied_from) if scale.satisfied_from is not None else -1
            good = ", ".join(map(str, scale.codes[first:]))
            value = f"CASE WHEN value IN ({good}) THEN 100.0 ELSE 0.0 END"
        arms.append(f"WHEN '{name}' THEN {value}")
    if not arms:
        return []
    columns = [c for c in params.alerts.by if c in ("touchpoint", "channel")]
    sets = ", ".join(["(brand, item, week)", *(f"(brand, item, week, {c})" for c in columns)])
    found = store.sql(
        f"""WITH given AS (SELECT r.brand, r.item, date_trunc('week', a.date)::DATE AS week,
                {"".join(f"coalesce(a.{c}, '') AS {c}, " for c in columns)} CASE r.item {" ".join(arms)} END AS x
            FROM ratings r JOIN responses a USING (response_id)
            WHERE r.value IS NOT NULL AND a.date IS NOT NULL),
        until AS (SELECT brand, max(date)::DATE AS last FROM responses GROUP BY brand)
        SELECT brand, item, week, {"".join(f"{c}, " for c in columns)} avg(x) AS value, count(*) AS n,
            var_pop(x) AS spread
        FROM given JOIN until USING (brand) WHERE x IS NOT NULL AND week + 6 <= last
        GROUP BY GROUPING SETS ({sets}) ORDER BY ALL"""
    )
    found["week"] = pd.to_datetime(found["week"]).dt.date
    out = []
    for brand in [b.id for b in own_brands(params)]:
        for item in sorted(wanted & set(asked)):
            mine = found[(found["brand"] == brand) & (found["item"] == item)]
            whole = mine[mine[columns].isna().all(axis=1)] if columns else mine
            out += _stream(whole, brand, item, asked[item].role)
            for column in columns:
                parts = mine[mine[column].notna() & (mine[column] != "")]
                for group, part in parts.groupby(column, sort=True):
                    out += _stream(part, brand, item, asked[item].role, column, str(group))
    return out


def _stream(frame: pd.DataFrame, brand: str, item: str, role: str, column: str = "", group: str = "") -> list[Stream]:
    if frame.empty:
        return []
    n = frame["n"].astype(float)
    mean = float((frame["value"] * n).sum() / n.sum())
    total = ((frame["spread"] + frame["value"] ** 2) * n).sum() / n.sum() - mean**2
    name = f"{brand}/{item}" + (f"/{column}={group}" if column else "")
    values = frame[["week", "value", "n"]].sort_values("week").reset_index(drop=True)
    return [
        Stream(name, brand, item, "nps" if role == "nps" else "csat", column, group, values, max(float(total), 1.0))
    ]
