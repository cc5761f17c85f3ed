"""A small client and a small suite of real notebooks: data in a CSV file, two notebooks a unit, faults on demand.

``10_count`` counts the answers of the unit; ``20_share`` reads that, takes the share of promoters and its noise from
the unit's seed. Before it does, it looks into ``faults.json`` of the home folder: a notebook's key must not change when
a fault is mended.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """\
params_file: str = "params/me.yaml"  # the client's params file
brand: str = "north"  # brand id
period: str = "2025Q1"  # period label
run_dir: str = ""  # given by the batch
"""
SETUP = """\
import numpy as np
import pandas as pd
from cxlab import runs

run = runs.open(params_file, brand=brand, period=period, run_dir=run_dir)
"""
COUNT = """\
cells = run.data.cells("recommend", factors=[])
counts = cells.groupby("period", as_index=False)["n_raw"].sum()
counts = run.write("counts", counts)
"""
FAULT = """\
import json, os, pathlib, signal, sys, time
kind = json.loads((pathlib.Path(os.environ["CXLAB_HOME"]) / "faults.json").read_text()).get(f"{brand}/{period}", "")
if kind == "kill": os.kill(os.getpid(), signal.SIGKILL)
if kind == "raise": raise ValueError("the price column is empty\\nand <b>more</b>")
if kind == "sleep": time.sleep(600)
if kind == "deaf": signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)
if kind == "once":
    seen = pathlib.Path(os.environ["CXLAB_HOME"]) / f"once-{brand}-{period}"
    if not seen.exists(): seen.touch(); os.kill(os.getpid(), signal.SIGKILL)
if kind == "mute":
    seen = pathlib.Path(os.environ["CXLAB_HOME"]) / f"mute-{brand}-{period}"
    session = get_ipython().kernel.session
    said = session.send
    def lose(stream, what, *a, **k): return None if what == "execute_reply" else said(stream, what, *a, **k)
    if not seen.exists(): seen.touch(); session.send = lose
if kind == "empty": run.no_data("nobody was asked")
if kind == "doubt": run.note_diagnostics("share", passed=False, verdict={"r_hat": np.float64(1.4)})
"""
SHARE = """\
counts = run.read("counts")
cells = run.data.cells("recommend", factors=[])
share = cells.loc[cells["code"] >= 9, "n_raw"].sum() / counts["n_raw"].sum()
noise = np.random.default_rng(run.seed("share")).normal()
shares = run.write("shares", pd.DataFrame({"share": [share], "noise": [noise]}))
run.note_sensitivity("share", "every second answer would have to be wrong")
run.write_findings(pd.DataFrame({"id": ["finding-1"], "language": ["en"], "sentence": [f"{share:.0%}"], "verdict": [""],
    "numbers": ["{}"]}))
shares
"""
SUITE = """\
notebooks:
  - id: 10_count
    title: {en: Count, zh: 计数}
    question: {en: "How many answered?", zh: 多少人回答了？}
    data: [responses, ratings]
    writes: [counts]
  - id: 20_share
    title: {en: Share, zh: 份额}
    question: {en: "How many recommend?", zh: 多少人推荐？}
    data: [responses, ratings]
    reads: [counts]
    writes: [shares, findings]
    timeout: 60
"""
PARAMS = """\
client: me
languages: [en, zh]
data_root: ../data
brands: [{brands}]
periods: {{grain: quarter, first: {first}, last: {last}}}
sources:
  survey:
    path: "survey*.csv"
    to: [responses, ratings]
    brand: brand
    period: period
    items:
      recommend: {{column: recommend, scale: nps11, role: nps, label: Recommend}}
"""


def template(*cells: str, parameters: str = PARAMETERS) -> nbformat.NotebookNode:
    """A notebook with a parameters cell and the given code."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title", id="title", metadata={"cxlab": {"zh": "# 标题"}}),
            new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]}),
            *(new_code_cell(code, id=f"cell-{i}") for i, code in enumerate(cells)),
        ]
    )
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@dataclass
class Home:
    """A folder laid out as the repository is."""

    path: Path
    brands: tuple[str, ...] = ("north", "south")
    first: str = "2025Q1"

    @property
    def params(self) -> Path:
        return self.path / "params" / "me.yaml"

    def notebook(self, name: str, *cells: str, parameters: str = PARAMETERS) -> None:
        path = self.path / "notebooks" / "templates" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(template(*cells, parameters=parameters), path)

    def suite(self, text: str = SUITE) -> None:
        (self.path / "notebooks" / "suite.yaml").write_text(text, encoding="utf-8")

    def alone(self) -> None:
        """Leave one notebook only, which reads nothing: one execution a unit."""
        share = SHARE.replace('run.read("counts")', 'cells.rename(columns={"n": "_"})').splitlines()
        share[0], share[1] = share[1], share[0]
        self.notebook("20_share", SETUP, FAULT, "\n".join(share))
        (self.path / "notebooks" / "templates" / "10_count.ipynb").unlink()
        self.suite(
            "notebooks:\n  - id: 20_share" + SUITE.partition("- id: 20_share")[2].replace("    reads: [counts]\n", "")
        )

    def client(self, *, last: str) -> None:
        self.params.parent.mkdir(exist_ok=True)
        text = PARAMS.format(brands=", ".join(self.brands), first=self.first, last=last)
        self.params.write_text(text, encoding="utf-8")

    def answers(self, brand: str, period: str, *, n: int = 40, seed: int = 0) -> None:
        """Add a file of answers."""
        draw = random.Random(f"{brand}{period}{seed}")
        (self.path / "data").mkdir(exist_ok=True)
        rows = [f"{brand},{period},{draw.randint(0, 10)}" for _ in range(n)]
        file = self.path / "data" / f"survey-{brand}-{period}-{seed}.csv"
        file.write_text("\n".join(["brand,period,recommend", *rows]) + "\n", encoding="utf-8")

    def faults(self, **kinds: str) -> None:
        """Set what goes wrong, by ``brand/period``; nothing if empty."""
        given = {k.replace("__", "/"): v for k, v in kinds.items()}
        (self.path / "faults.json").write_text(json.dumps(given), encoding="utf-8")


def make(path: Path, *, last: str = "2025Q2", brands: tuple[str, ...] = ("north", "south")) -> Home:
    """Lay out a home with answers of every brand in every quarter up to `last` (of 2025 and 2026)."""
    home = Home(path, brands)
    home.notebook("10_count", SETUP, COUNT)
    home.notebook("20_share", SETUP, FAULT, SHARE)
    home.suite()
    home.client(last=last)
    home.faults()
    for brand in brands:
        for period in (f"{year}Q{quarter}" for year in (2025, 2026) for quarter in (1, 2, 3, 4)):
            if period <= last:
                home.answers(brand, period)
    return home


def kernels_of(home: Path) -> list[int]:
    """Ids of living processes that were started for this home (by their environment)."""
    mark = f"CXLAB_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if int(folder.name) != os.getpid() and mark in (folder / "environ").read_bytes() and state != "Z":
                found.append(int(folder.name))
        except OSError:
            continue
    return found
