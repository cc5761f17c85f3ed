"""From a params file to a store: check everything, then write every table at once or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

import cxlab
from cxlab.connect import directory, lookups, ratings, reconcile, rules, tables
from cxlab.connect.files import Inventory, inventory
from cxlab.connect.lookups import Link
from cxlab.connect.readers import read
from cxlab.connect.rows import Context
from cxlab.connect.sql import first, identifier
from cxlab.connect.stage import connect, stage
from cxlab.errors import DataError, Problem
from cxlab.params.models import Params
from cxlab.vocab import TABLES

SUMMARY = "summary.json"
SCHEMA = 5  # of the stored tables: a change makes every old store stale
_ROW_GROUP = 200_000


@dataclass
class Checkup:
    """What a look at the sources found, before anything is written.

    Attributes
    ----------
    problems : list of Problem
        What stops a run.
    notices : list of str
        What does not, but should be known: files read once, brands without rows, keys that merge nobody.
    reconciliation, links : list of dict
        Rows of the bookkeeping tables, see `cxlab.vocab`.
    rejects : list of dict
        How many rows or values each reason rejected, with an example.
    """

    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    reconciliation: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Built:
    con: duckdb.DuckDBPyConnection
    context: Context
    files: Inventory
    links: list[Link]
    checkup: Checkup


def fingerprint(params: Params, *, key: bytes = b"") -> str:
    """Return a hash of everything the tables depend on: source bytes, mapping, package version, pseudonym key.

    Raises
    ------
    DataError
        If a source is missing or cannot be read.
    """
    found = inventory(params)
    if found.problems:
        raise DataError(found.problems)
    sources = {
        name: [[f.name, f.wave, f.digest or _table_digest(params, name)] for f in files]
        for name, files in found.files.items()
    }
    said = params.model_dump(
        mode="json",
        by_alias=True,
        include={
            "brands", "periods", "scales", "inputs", "lookups", "tables", "directory", "unlinked", "first_party_only",
            "mask_personal_data", "limits",
        },
    )  # fmt: skip
    for scale in said["scales"].values():
        scale.pop("labels", None)
    for mapping in said["tables"]["ratings"]:
        for item in mapping["items"].values():
            item.pop("label", None)
    said["limits"] = {k: said["limits"][k] for k in ("max_reject_share", "min_link_rate")}
    whole = {
        "version": cxlab.__version__,
        "schema": SCHEMA,
        "sources": sources,
        "params": said,
        "key": hashlib.blake2b(key, digest_size=16).hexdigest(),
    }
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _table_digest(params: Params, name: str) -> str:
    """Return a hash of a database table's rows that does not depend on their order."""
    found = inventory(params).files[name][0]
    con = connect()
    rows = next(iter(read(found, params.inputs[name], root=params.data_root)))
    assert not isinstance(rows, list)
    con.register("rows", rows.drop_columns([rows.column_names[0]]))
    row = first(con, "SELECT count(*), bit_xor(hash(rows)), sum(hash(rows)) FROM rows")
    return f"{row}"


def checkup(params: Params) -> Checkup:
    """Read and judge every source without writing anything."""
    return _build(params, key=b"").checkup


def check(params: Params) -> list[Problem]:
    """Return every problem of the sources at once, without writing anything; an empty list means a build succeeds."""
    return checkup(params).problems


def build(params: Params, dest: Path, *, key: bytes = b"") -> Path:
    """Write the canonical tables and their bookkeeping to the folder `dest`, all or nothing.

    Parameters
    ----------
    params : Params
    dest : Path
        The folder to make. If it holds a finished store already it is returned untouched.
    key : bytes
        The client's secret for pseudonyms; keep it outside the store and never publish it.

    Returns
    -------
    Path
        `dest`, with ``<table>.parquet`` for every canonical table, ``rejects``, ``reconciliation``, ``links``,
        ``merges`` and ``summary.json``.

    Raises
    ------
    DataError
        With every problem that stops the build; nothing is written.
    """
    dest = Path(dest)
    if (dest / SUMMARY).is_file():
        return dest
    built = _build(params, key=key)
    if built.checkup.problems:
        raise DataError(built.checkup.problems)
    dest.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{dest.name}-", dir=dest.parent))
    try:
        for table in (*TABLES, *reconcile.TABLES):
            _write(built.con, table, work / f"{table}.parquet")
        summary = reconcile.summary(built.context, built.checkup, built.files)
        (work / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
        work.chmod(0o755)
        try:
            work.replace(dest)
        except OSError:
            if not (dest / SUMMARY).is_file():  # somebody else finished the same store meanwhile: theirs is as good
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return dest


def _write(con: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    names = [c for c, *_ in con.execute(f"DESCRIBE t_{table}").fetchall()]
    # one order whatever the order of the files, and not by pseudonyms, which differ with each client's secret: equal
    # data give equal results, and readers skip what they do not need
    keys = [c for c in ("brand", "period", "item") if c in names]
    order = ", ".join(map(identifier, [*keys, *(c for c in ("source", "file", "line") if c in names)])) or "ALL"
    reader = con.sql(f"SELECT * FROM t_{table} ORDER BY {order}").to_arrow_reader(_ROW_GROUP)
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch, row_group_size=_ROW_GROUP)


def _build(params: Params, *, key: bytes) -> _Built:
    found = inventory(params)
    con = connect()
    rules.install(con, params.periods.grain)
    inputs, problems, notices = stage(con, params, found.files)
    links, more = lookups.run(con, params, inputs)
    context = Context(con, params, inputs, [*found.problems, *problems, *more], [*found.notices, *notices])
    result = Checkup(context.problems, context.notices)
    built = _Built(con, context, found, links, result)
    tables.judge(context)
    if context.problems:
        # the ratings' columns can be checked though nothing can be built
        ratings.check(context)
        return built
    tables.follow_responses(context)
    context.notices += directory.resolve(con, params, context.rows, key=key)
    tables.fill(context)
    ratings.judge(context)
    if context.problems:
        return built
    tables.status(context)
    reconcile.write(context, links)
    reconcile.judge(context, result)
    return built
