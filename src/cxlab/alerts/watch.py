"""What came since the last call: alarms and care items, written exactly once to an embedded ledger.

The ledger is one SQLite file (write-ahead log). A call computes everything first and writes it in one transaction, so a
call that is killed has written nothing or all; a second call finds what is there by its key and adds what is new.
"""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cxlab.alerts import sequential
from cxlab.alerts.streams import Stream, weekly
from cxlab.connect import Store
from cxlab.params import Params, items, periods

LEDGER: Final = "alerts.sqlite"
ALARM: Final = (
    "stream", "start", "brand", "item", "metric", "part", "kind", "limit_value", "since", "found", "before", "after",
    "baseline", "horizon", "rate", "bound", "sure",
)  # fmt: skip
CARE: Final = ("response_id", "brand", "customer", "date", "touchpoint", "channel", "item", "score", "comment", "state")
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS alarms ({", ".join(ALARM)}, PRIMARY KEY (stream, kind, start));
CREATE TABLE IF NOT EXISTS care ({", ".join(CARE)}, PRIMARY KEY (response_id, item));
CREATE TABLE IF NOT EXISTS calls
    (id INTEGER PRIMARY KEY, since TEXT, until TEXT, streams INTEGER, alarms INTEGER, care INTEGER);
"""


@dataclass
class Result:
    """What a call found.

    Attributes
    ----------
    alarms, care : list of dict
        What is new since the last call, with the columns `ALARM` and `CARE`.
    watched, settling : list of str
        Streams that are watched, and those whose baseline is still too short, with the weeks they have.
    folder : Path
        Where ``alarms.csv``, ``care.csv`` and ``alerts.json`` stand: all that is in the ledger.
    """

    alarms: list[dict[str, Any]]
    care: list[dict[str, Any]]
    watched: list[str]
    settling: list[str]
    folder: Path
    since: date
    notes: list[str] = field(default_factory=list)


def call(params: Params, store: Store, folder: Path, *, since: date | None = None) -> Result:
    """Watch every stream up to its newest complete week, remember what is new, write it out.

    Parameters
    ----------
    params : Params
        ``alerts`` says horizon, rate, what is watched, and the limits people set.
    store : Store
        The canonical tables.
    folder : Path
        The client's folder for alarms; the ledger and the files are written there.
    since : date, optional
        First day that is watched; what was before is the baseline. Default: as in the calls before, and at first the
        first day of the last period.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with closing(_open(folder / LEDGER)) as con:
        first = since or _since(con) or periods.parse(params.periods.last).start
    first -= timedelta(days=first.weekday())
    streams = weekly(params, store)
    found: list[dict[str, Any]] = []
    watched: list[str] = []
    settling: list[str] = []
    for stream in streams:
        own, state = _watched(stream, params, first)
        found += own
        (watched if state == "" else settling).append(stream.name + (f" ({state})" if state else ""))
    patience = params.alerts.horizon / params.alerts.rate
    kept = sequential.sure([a["evidence"] for a in found], patience, among=len(streams)) if found else []
    alarms = [{k: a.get(k) for k in ALARM} | {"sure": int(s)} for a, s in zip(found, kept, strict=True)]
    care = list(_care(params, store, first))
    with closing(_open(folder / LEDGER)) as con:
        new_alarms, new_care = _remember(con, alarms, care, streams, first)
        _export(con, folder)
    return Result(new_alarms, new_care, watched, settling, folder, first)


def _watched(stream: Stream, params: Params, first: date) -> tuple[list[dict[str, Any]], str]:
    """Return the alarms of a stream since the first watched week, and why it is not watched, if it is not."""
    rule, frame = params.alerts, stream.frame
    out: list[dict[str, Any]] = []
    start = int((frame["week"] < first).sum())
    begin = max(0, start - rule.baseline)
    while start - begin >= sequential.FEWEST and start < len(frame):
        part = frame.iloc[begin : start + rule.horizon]
        verdict = _judge(part, start - begin, stream, params)
        if not verdict.alarm:
            begin, start = max(begin, start + rule.horizon - rule.baseline), start + rule.horizon
            continue
        out.append(_alarm(stream, part, start - begin, verdict, params, "change"))
        begin = begin + verdict.since  # what came since the change is the new baseline
        start = begin + sequential.FEWEST
    for name, limit in rule.rules.items():
        if limit.item == stream.item and limit.brand in (None, stream.brand) and not stream.column:
            out += _beyond(stream, params, first, name)
    before = int((frame["week"] < first).sum())
    lacking = f"{before} weeks before, {sequential.FEWEST} needed" if before < sequential.FEWEST else ""
    return out, lacking


def _judge(part: pd.DataFrame, baseline: int, stream: Stream, params: Params, **more: Any) -> sequential.Verdict:
    return sequential.watch(
        part["value"].to_numpy(float), part["n"].to_numpy(float), baseline=baseline, variance=stream.variance,
        horizon=params.alerts.horizon, rate=params.alerts.rate, **more,
    )  # fmt: skip


def _beyond(stream: Stream, params: Params, first: date, name: str) -> list[dict[str, Any]]:
    """Return the alarm of a limit that people set: the level is beyond it, with the declared rate."""
    rule, frame = params.alerts, stream.frame
    limit = rule.rules[name]
    start = int((frame["week"] < first).sum())
    if start < sequential.FEWEST:
        return []
    side: sequential.Side = "below" if limit.below is not None else "above"
    bound = limit.below if limit.below is not None else limit.above
    while start < len(frame):
        begin = max(0, start - rule.baseline)
        part = frame.iloc[begin : start + rule.horizon]
        verdict = _judge(part, start - begin, stream, params, limit=bound, side=side)
        if verdict.alarm:
            return [_alarm(stream, part, start - begin, verdict, params, side, name)]
        start += rule.horizon
    return []


def _alarm(
    stream: Stream, part: pd.DataFrame, baseline: int, verdict: sequential.Verdict, params: Params, kind: str,
    name: str = "",
) -> dict[str, Any]:  # fmt: skip
    weeks = part["week"].tolist()
    proof = min(1.0, params.alerts.horizon / verdict.evidence) if verdict.evidence > 0 else None
    return {
        "stream": f"{stream.name}:{name}" if name else stream.name,
        "start": weeks[baseline].isoformat(),
        "brand": stream.brand,
        "item": stream.item,
        "metric": stream.metric,
        "part": f"{stream.column}={stream.group}" if stream.column else "",
        "kind": kind,
        "limit_value": verdict.before if name else None,
        "since": weeks[verdict.since].isoformat(),
        "found": weeks[verdict.at].isoformat(),
        "before": round(verdict.before, 2),
        "after": round(verdict.after, 2),
        "baseline": baseline,
        "horizon": params.alerts.horizon,
        "rate": params.alerts.rate,
        "bound": proof,
        "evidence": verdict.evidence,
    }


def _care(params: Params, store: Store, first: date) -> Iterator[dict[str, Any]]:
    """Yield the answers since the first watched day that say somebody is unhappy, the worst first."""
    asked = items(params)
    arms = []
    for name, item in asked.items():
        codes = params.scales[item.scale].codes
        if item.role == "nps":
            arms.append(f"(r.item = '{name}' AND r.value <= 6)")
        elif item.role == "overall" and len(codes) > 2:
            low = ", ".join(map(str, codes[: max(1, len(codes) * 2 // 5)]))
            arms.append(f"(r.item = '{name}' AND r.value IN ({low}))")
    if not arms:
        return
    rows = store.sql(
        f"""SELECT a.response_id, a.brand, a.customer, a.date::DATE AS day, a.touchpoint, a.channel, r.item,
            r.value AS score, left(any_value(c.text), 400) AS comment
        FROM ratings r JOIN responses a USING (response_id)
        LEFT JOIN comments c ON c.response_id = a.response_id
        WHERE a.date >= DATE '{first.isoformat()}' AND ({" OR ".join(arms)})
        GROUP BY ALL ORDER BY day, a.response_id, r.item"""
    )
    for row in rows.to_dict("records"):
        plain = {str(k): None if pd.isna(v) else v for k, v in row.items()}
        plain["date"] = pd.Timestamp(row["day"]).date().isoformat()
        yield plain | {"state": "open"}


def _open(path: Path) -> sqlite3.Connection:
    con = sqlite3.connect(path, timeout=60, isolation_level=None)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA synchronous = FULL")
    con.executescript(_SCHEMA)
    return con


def _since(con: sqlite3.Connection) -> date | None:
    """Return since when the calls before have watched: a new period does not make what was watched the baseline."""
    row = con.execute("SELECT since FROM calls ORDER BY id DESC LIMIT 1").fetchone()
    return date.fromisoformat(row[0]) if row else None


def _remember(
    con: sqlite3.Connection,
    alarms: list[dict[str, Any]],
    care: list[dict[str, Any]],
    streams: list[Stream],
    first: date,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Add what is not there yet in one transaction, and return it."""
    con.execute("BEGIN IMMEDIATE")
    try:
        known = {tuple(r) for r in con.execute("SELECT stream, kind, start FROM alarms")}
        seen = {tuple(r) for r in con.execute("SELECT response_id, item FROM care")}
        new_alarms = [a for a in alarms if (a["stream"], a["kind"], a["start"]) not in known]
        new_care = [c for c in care if (c["response_id"], c["item"]) not in seen]
        for table, columns, rows in (("alarms", ALARM, new_alarms), ("care", CARE, new_care)):
            places = ", ".join("?" for _ in columns)
            con.executemany(f"INSERT INTO {table} VALUES ({places})", [[r.get(c) for c in columns] for r in rows])
        until = max((s.frame["week"].iloc[-1].isoformat() for s in streams), default="")
        counts = (first.isoformat(), until, len(streams), len(new_alarms), len(new_care))
        con.execute("INSERT INTO calls (since, until, streams, alarms, care) VALUES (?, ?, ?, ?, ?)", counts)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return new_alarms, new_care


def _export(con: sqlite3.Connection, folder: Path) -> None:
    """Write all that the ledger holds, each file whole or not at all."""
    whole = {}
    for table, columns in (("alarms", ALARM), ("care", CARE)):
        names = ", ".join(columns)
        rows = [dict(zip(columns, r, strict=True)) for r in con.execute(f"SELECT {names} FROM {table} ORDER BY rowid")]
        whole[table] = rows
        lines = [columns, *([_safe(r[c]) for c in columns] for r in rows)]
        _put(folder / f"{table}.csv", lines)
    _put(folder / "alerts.json", json.dumps(whole, ensure_ascii=False, indent=1))


def _safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula is written as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _put(path: Path, content: str | list[Any]) -> None:
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8-sig" if isinstance(content, list) else "utf-8", newline="") as stream:
        if isinstance(content, str):
            stream.write(content)
        else:
            csv.writer(stream).writerows(content)
    Path(name).chmod(0o644)
    Path(name).replace(path)
