"""Generate a demo world and write its files."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from cxlab.synthetic.answers import Answers, survey
from cxlab.synthetic.dirt import plant
from cxlab.synthetic.done import done_files, with_accounts
from cxlab.synthetic.files import ClientFile
from cxlab.synthetic.index import IndexAnswers, ask, index_file
from cxlab.synthetic.life import Life, simulate
from cxlab.synthetic.managers import Poll, managers_file, poll
from cxlab.synthetic.people import draw_identities, draw_people
from cxlab.synthetic.said import said_files
from cxlab.synthetic.settings import WorldSettings
from cxlab.synthetic.truth import Truth, tell
from cxlab.synthetic.visits import Visits, visits_file, wander


@dataclass(frozen=True)
class World:
    """A generated world: what really happened, what the client's systems show of it, and the truth for tests."""

    settings: WorldSettings
    people: pd.DataFrame
    life: Life
    answers: Answers
    index: IndexAnswers
    managers: Poll
    visits: Visits
    files: tuple[ClientFile, ...]
    truth: Truth


def generate(settings: WorldSettings | None = None) -> World:
    """Generate a world; equal settings give equal worlds.

    Parameters
    ----------
    settings : WorldSettings, optional
        Dials; the default is the demo.
    """
    settings = settings or WorldSettings()
    people = draw_people(settings)
    life = simulate(settings, people)
    future = len(settings.quarters) - 1
    online = life.orders["web"].to_numpy() & (life.orders["quarter"].to_numpy() < future)
    shops_online = np.bincount(life.orders["customer"], online, len(people)) > 0
    ids = draw_identities(settings, people, shops_online=shops_online)
    reachable = ((ids["member"] > 0) | (ids["account"] > 0)).to_numpy()
    answers = survey(settings, people, life, reachable=reachable, contact=ids)
    index = ask(settings, people, life, reachable=reachable)
    managers = poll(settings, people, life, answers.responses)
    visits = wander(settings, people, life, ids)
    files = [
        *said_files(settings, people, answers, ids),
        index_file(people, index, ids),
        managers_file(managers),
        visits_file(people, visits, with_accounts(settings, life.orders, ids), ids),
        *done_files(settings, people, life, ids),
    ]
    files, rejects = plant(settings, files)
    truth = tell(settings, people, life, answers, ids, rejects, index=index, managers=managers, visits=visits)
    return World(settings, people, life, answers, index, managers, visits, tuple(files), truth)


def write(world: World, folder: Path) -> list[Path]:
    """Write the client's files into a folder; equal worlds give equal bytes.

    Parameters
    ----------
    world : World
        From `generate`.
    folder : Path
        Created if absent; files of the same names are replaced, others left alone.

    Returns
    -------
    list of Path
        The files written. The truth is not among them: see `write_truth`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in world.files:
        path = folder / file.name
        visible = file.frame[[c for c in file.frame.columns if not c.startswith("_")]]
        path.write_bytes(_content(file, visible))
        paths.append(path)
    return paths


def write_truth(world: World, folder: Path) -> list[Path]:
    """Write the truth as Parquet, one file a table, apart from the client's files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for table in fields(world.truth):
        path = folder / f"{table.name}.parquet"
        getattr(world.truth, table.name).to_parquet(path, index=False)
        paths.append(path)
    return paths


def _content(file: ClientFile, frame: pd.DataFrame) -> bytes:
    if file.name.endswith((".csv", ".csv.gz")):
        text = frame.to_csv(sep=file.delimiter, index=False, lineterminator="\n")
        raw = text.encode(file.encoding)
        return gzip.compress(raw, mtime=0) if file.name.endswith(".gz") else raw
    if file.name.endswith(".jsonl"):
        rows = [_typed({str(k): v for k, v in row.items()}, file.numbers) for row in frame.to_dict("records")]
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if file.name.endswith(".parquet"):
        return frame.astype(str).astype(dict.fromkeys(file.numbers, "int64")).to_parquet(index=False)
    return _excel(frame)


def _typed(row: dict[str, object], numbers: tuple[str, ...]) -> dict[str, object]:
    return {k: int(str(v)) if k in numbers else v if v != "" else None for k, v in row.items()}


def _excel(frame: pd.DataFrame) -> bytes:
    """Return a workbook whose bytes do not hold the time it was written."""
    raw = io.BytesIO()
    frame.to_excel(raw, sheet_name="follow-ups", index=False)
    still = io.BytesIO()
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(still, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-10-05T08:00:00Z", part)
            new.writestr(zipfile.ZipInfo(name, (2026, 10, 5, 8, 0, 0)), part, zipfile.ZIP_DEFLATED)
    return still.getvalue()
