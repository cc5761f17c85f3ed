"""Run folders: what a notebook reads and writes, and what the batch keeps of it.

A notebook needs one call::

    run = runs.open(params_file, brand=brand, period=period, run_dir=run_dir)
    cells = run.data.cells("recommend", factors=["segment:age"])
    estimates = run.write("satisfaction_estimates", table)   # completed, small cells suppressed

In the batch `run_dir` is the open run of the unit. An analyst leaves it empty and gets a scratch run of the same shape
(``runs/<client>/<brand>/<period>/interactive/``), which sees the batch's latest good tables and is never published.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxlab import connect
from cxlab.errors import ParamsError, Problem, RunError, nearest
from cxlab.params import reader
from cxlab.params.load import dumps, from_dict, load
from cxlab.params.models import Params
from cxlab.params.names import slug
from cxlab.params.periods import Period, between, parse
from cxlab.params.reads import watch
from cxlab.runs import stamp
from cxlab.runs.folder import (
    INTERACTIVE,
    SHARED,
    Folder,
    Record,
    client_dir,
    git_commit,
    history,
    home,
    keep_key,
    latest,
    legal_name,
    new_run_id,
    pseudonym_key,
    read_json,
    store_dir,
    unit_dir,
    write_atomic,
    write_json,
)
from cxlab.runs.run import PREFIXES, NoDataError, Run, UnitData, columns_of

__all__ = [
    "INTERACTIVE",
    "PREFIXES",
    "SHARED",
    "Folder",
    "NoDataError",
    "Record",
    "Run",
    "UnitData",
    "build_store",
    "client_dir",
    "columns_of",
    "context",
    "drop_old_stores",
    "git_commit",
    "history",
    "home",
    "keep_key",
    "known_periods",
    "latest",
    "legal_name",
    "load_params",
    "new_run_id",
    "open",
    "pseudonym_key",
    "read_json",
    "stamp",
    "store_dir",
    "unit_dir",
    "write_atomic",
    "write_json",
]


def load_params(params_file: str | Path) -> Params:
    """Load a params file that stands beside the working directory or below the repository's root."""
    return load(_locate(str(params_file), home()))


def open(
    params_file: str | Path,
    *,
    brand: str | int = "",
    period: str | int = "",
    run_dir: str | Path = "",
    scratch: bool = True,
) -> Run:
    """Open the run of a unit for a notebook.

    Parameters
    ----------
    params_file : str or Path
        The client's params file, relative to the working directory or to the repository's root.
    brand, period : str
        Brand id and period label (papermill's ``-p period 2023`` is a number); empty for a unit that spans all of them.
    run_dir : str or Path
        The unit's open run folder (given by the batch), from the repository's root; empty in an analyst's session.
    scratch : bool
        In an analyst's session read what the session itself has written, where it is newer than the batch's; False:
        only what the batch finished.

    Raises
    ------
    ParamsError
        If the params file, the brand or the period is not legal.
    DataError
        If the client's files cannot be read.
    RunError
        If `run_dir` is not the open run of this unit.
    """
    root, brand, period = home(), str(brand), str(period)
    if run_dir:
        return _batch(root / run_dir, brand, period)
    params = load(_locate(str(params_file), root))
    problems = check_unit(params, brand=brand, period=period)
    if problems:
        raise ParamsError(problems)
    fingerprint, _ = build_store(params, root)
    client = slug(params.client)
    unit = unit_dir(root, client, slug(brand) if brand else "", period)
    places = {"latest": _path(latest(unit, good=True))}
    for prefix, wide_brand, wide_period in (("client", "", ""), ("brand", brand, ""), ("period", "", period)):
        wide = unit_dir(root, client, slug(wide_brand) if wide_brand else "", wide_period)
        places[prefix] = _path(latest(wide, good=True))
    until = period or params.periods.last
    before = known_periods(params, until)[-2:-1]
    if before and period:
        places["previous"] = _path(latest(unit.parent / before[0].label, good=True))
    data = context(
        params,
        brand=brand,
        period=period,
        store=store_dir(root, client, fingerprint),
        places=places,
        writers=_writers(root),
        writes={},
    )
    folder = Folder(unit / INTERACTIVE).create(data)
    return replace(_run(folder, data, ""), scratch=scratch)


def context(
    params: Params,
    *,
    brand: str,
    period: str,
    store: Path,
    places: Mapping[str, str],
    writers: Mapping[str, str],
    writes: Mapping[str, tuple[str, ...]],
) -> dict[str, Any]:
    """Return what is laid into a run folder when it is opened: all a kernel needs to rebuild a `Run`.

    Parameters
    ----------
    brand, period : str
        Empty where the unit spans all.
    store : Path
        Folder of the canonical tables.
    places : mapping
        Prefix (`client`, `brand`, `period`, `previous`) -> folder of that run; empty text if there is none.
    writers : mapping
        Artefact -> notebook that writes it.
    writes : mapping
        Notebook -> artefacts it may write.
    """
    return {
        "brand": brand,
        "period": period,
        "params": dumps(params),
        "store": str(store),
        "places": dict(places),
        "writers": dict(writers),
        "writes": {k: list(v) for k, v in writes.items()},
    }


def known_periods(params: Params, until: str) -> list[Period]:
    """Return the periods a unit may know: from ``history_from`` (default ``first``) up to `until`."""
    return between(params.periods.history_from or params.periods.first, until, params.periods.grain)


def check_unit(params: Params, *, brand: str, period: str) -> list[Problem]:
    """Return what is wrong with a brand or period given by name, with the nearest legal one."""
    problems = []
    brands = [b.id for b in params.brands if not b.competitor]
    periods = [p.label for p in between(params.periods.first, params.periods.last, params.periods.grain)]
    for where, value, allowed in (("brand", brand, brands), ("period", period, periods)):
        if value and value not in allowed:
            legal = ", ".join(allowed) if len(allowed) <= 12 else f"{allowed[0]} to {allowed[-1]}"
            hint = nearest(value, allowed)
            problems.append(Problem(f"there is no such {where}", where=where, value=value, allowed=legal, nearest=hint))
    return problems


def build_store(params: Params, root: Path) -> tuple[str, connect.Store]:
    """Return the fingerprint of the client's data and the store of canonical tables, built if it is not there yet."""
    client = slug(params.client)
    key = pseudonym_key(root, client)
    fingerprint = connect.fingerprint(params, key=key)
    place = store_dir(root, client, fingerprint)
    if not place.is_dir():
        connect.build(params, place, key=key)
        keep_key(root, client, key)  # only now: what cannot be read leaves no trace
    os.utime(place)  # used now: see drop_old_stores
    return fingerprint, connect.open_store(place)


def drop_old_stores(root: Path, client: str, *, keep: int = 3) -> None:
    """Remove all but the canonical tables used last: each day's file makes a new store, and a year fills a disk.

    Closed runs need none; an analyst's session that still reads one of the last few goes on.
    """
    found = [p for p in (client_dir(root, client) / "_data").glob("[!.]*") if p.is_dir()]
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)[keep:]:
        shutil.rmtree(path, ignore_errors=True)


def _batch(run_dir: Path, brand: str, period: str) -> Run:
    folder = Folder(run_dir.resolve())
    data = folder.context()
    folder.require_open()
    for name, given in (("brand", brand), ("period", period)):
        if given != data[name]:
            problem = Problem("the run folder belongs to another unit", str(run_dir), 0, name, given, data[name])
            raise RunError(problem)
    return _run(folder, data, os.environ.get("CXLAB_NOTEBOOK", ""))


def _run(folder: Folder, data: Mapping[str, Any], notebook: str) -> Run:
    params = from_dict(data["params"])
    brand, period = data["brand"], data["period"]
    until = period or params.periods.last
    known = [p.label for p in known_periods(params, until)]
    before = parse(until, params.periods.grain).previous().label
    if notebook:
        params = watch(params, folder.note_read(notebook))
    unit = {(True, True): "brand_period", (True, False): "brand", (False, True): "period"}.get(
        (bool(brand), bool(period)), "client"
    )
    return Run(
        params=params,
        unit=unit,
        brand=next((b for b in params.brands if b.id == brand), None),
        period=until,
        periods=tuple(known),
        previous=before if before in known else "",
        data=UnitData(connect.open_store(Path(data["store"])), brand or None, until),
        folder=folder,
        places=data["places"],
        writers=data["writers"],
        writes=tuple(data["writes"].get(notebook, ())),
        notebook=notebook,
    )


def _locate(params_file: str, root: Path) -> Path:
    """Find a params file from the repository's root, ``notebooks/`` or ``notebooks/templates/`` alike."""
    given = Path(params_file).expanduser()
    for candidate in (given, root / given, root / "notebooks" / given):
        if candidate.is_file():
            return candidate
    return given


def _path(folder: Folder | None) -> str:
    return str(folder.path) if folder else ""


def _writers(root: Path) -> dict[str, str]:
    """Artefact -> notebook, straight from suite.yaml: the suite room stands above this one."""
    entries = reader.read(root / "notebooks" / "suite.yaml", "notebooks/suite.yaml").data.get("notebooks", [])
    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return {str(w): str(e.get("id")) for e in entries for w in e.get("writes") or []}
