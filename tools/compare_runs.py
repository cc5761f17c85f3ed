"""Hold two batches against each other: estimates, findings and page blocks of every unit.

    python tools/compare_runs.py runs/before runs/after [--only 30_drivers] [--sd 0.3] [--names 20]

`runs/before` and `runs/after` are folders of a client (``runs/<client>``). A refactoring changes nothing: every line of
the answer is a difference. Where a sampler changed, ``--sd 0.3`` lets means and interval ends differ by that many
posterior sds; verdicts that flip are told in any case. The exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

MIME = "application/vnd.cxlab+json"
KEYS = ["item", "metric", "estimand", "level", "group", "period", "weighting"]
LIKE = ("mean", "median", "ci_low", "ci_high")  # may differ by Monte Carlo error


def units(client: Path) -> dict[str, Path]:
    """Return brand/period -> its newest run folder."""
    found = {}
    for manifest in sorted(client.glob("*/*/*/manifest.json")):
        found["/".join(manifest.parts[-4:-2])] = manifest.parent
    return found


def table_differences(name: str, before: pd.DataFrame, after: pd.DataFrame, *, sd: float) -> Iterator[str]:
    """Tell what differs between two versions of one table."""
    drop = [c for c in ("run_id", "model") if c in before and c in after]
    before, after = before.drop(columns=drop), after.drop(columns=drop)
    if set(before) != set(after):
        yield f"{name}: columns differ: {sorted(set(before) ^ set(after))}"
    if len(before) != len(after):
        yield f"{name}: {len(before)} rows, now {len(after)}"
        keys = [c for c in before if before[c].dtype != float and c in after and c != "verdict"]
        if not keys:
            return
        before, after = (t.drop_duplicates(keys).set_index(keys) for t in (before, after))
        for side, missing in (
            ("gone", before.index.difference(after.index)),
            ("new", after.index.difference(before.index)),
        ):
            yield from (f"{name}: {side}: {key}" for key in list(missing)[:5])
        shared = before.index.intersection(after.index)
        before, after = before.loc[shared].reset_index(), after.loc[shared].reset_index()
    scale = before["sd"].to_numpy(float) if sd and "sd" in before else np.zeros(len(before))
    for column in [c for c in before if c in after]:
        old, new = before[column], after[column]
        if pd.api.types.is_float_dtype(old) and pd.api.types.is_float_dtype(new):
            x, y = old.to_numpy(float), new.to_numpy(float)
            room = 1e-9 * np.maximum(1.0, np.abs(x))
            if sd and column in LIKE:
                room = room + sd * np.nan_to_num(scale)
            elif sd and column == "sd":
                room = room + 0.15 * np.abs(x)
            elif sd:
                room = room + 0.03 * np.maximum(1.0, np.abs(x))
            bad = ~((np.abs(x - y) <= room) | (np.isnan(x) & np.isnan(y)))
        else:
            bad = np.array([str(x) != str(y) for x, y in zip(old, new, strict=True)], bool)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            where = ", ".join(str(before[k].iloc[i]) for k in KEYS if k in before and str(before[k].iloc[i]))
            step = f"{old.iloc[i]} -> {new.iloc[i]}"
            yield f"{name}.{column}: {int(bad.sum())} of {len(bad)} differ, first at {where}: {step}"


def blocks(notebook: Path) -> Iterator[tuple[str, str]]:
    """Yield cell id and canonical blocks of each finding of an executed notebook."""
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if MIME in output.get("data", {}):
                text = json.dumps(output["data"][MIME], sort_keys=True, ensure_ascii=False)
                yield cell["id"], re.sub(r"(id|href|clip-path)=\\?\"[^\"]*\"|url\(#[^)]*\)", "", text)


def main() -> int:
    """Print every difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", default="", help="a notebook: its tables and blocks only")
    parser.add_argument("--sd", type=float, default=0.0, help="posterior sds that means may differ by")
    parser.add_argument("--names", type=int, default=40, help="differences shown a unit")
    given = parser.parse_args()
    old, new = units(given.before), units(given.after)
    total = 0
    for unit in sorted(old.keys() & new.keys()):
        found: list[str] = []
        pages = [p.name for p in sorted((new[unit] / "notebooks").glob(f"{given.only or '*'}.ipynb"))]
        written: set[str] = set()
        for page in pages:
            record = new[unit] / "records" / page.replace(".ipynb", ".json")
            written |= (
                set(re.findall(r"tables/(\w+)\.parquet", record.read_text("utf-8"))) if record.exists() else set()
            )
        for path in sorted((new[unit] / "tables").glob("*.parquet")):
            if given.only and path.stem not in written:
                continue
            there = old[unit] / "tables" / path.name
            if not there.exists():
                found.append(f"{path.name}: new")
                continue
            one, two = pd.read_parquet(there), pd.read_parquet(path)
            if path.stem == "findings":
                if given.only:
                    one, two = (t[t["notebook"] == given.only].reset_index(drop=True) for t in (one, two))
                one, two = (t.drop(columns=[c for c in ("numbers",) if c in t]) for t in (one, two))
            found += table_differences(path.stem, one.reset_index(drop=True), two.reset_index(drop=True), sd=given.sd)
        for page in pages:
            if not (old[unit] / "notebooks" / page).exists():
                found.append(f"{page}: new")
                continue
            ours, theirs = (dict(blocks(folder[unit] / "notebooks" / page)) for folder in (old, new))
            found += [f"{page} {cell}: only before" for cell in ours.keys() - theirs.keys()]
            found += [f"{page} {cell}: only now" for cell in theirs.keys() - ours.keys()]
            found += [f"{page} {cell}: blocks differ" for cell in ours if cell in theirs and ours[cell] != theirs[cell]]
        total += len(found)
        print(f"{unit}: {len(found) or 'no'} differences")
        for line in found[: given.names]:
            print(f"  {line}")
    return int(total > 0)


if __name__ == "__main__":
    raise SystemExit(main())
