"""Warm kernels: same results as cold ones, their own randomness and environment; the parent imports, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import small_suite

from cxlab import batch, runs
from cxlab.batch import engine, kernels
from cxlab.batch.suite import load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm kernels need fork")

LOOK = """\
import json, os, random, sys
import numpy
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "group": os.getpgid(0), "cwd": os.getcwd(),
    "random": [random.random(), float(numpy.random.random())], "threads": os.environ["OMP_NUM_THREADS"],
    "name": __name__, "notebook": os.environ["CXLAB_NOTEBOOK"], "mine": os.environ.get("CX_MINE"),
    "loaded": [m for m in ("json.tool", "cxlab.batch", "papermill") if m in sys.modules],
    "history": get_ipython().history_manager.enabled,
}))
"""


@pytest.fixture
def workplace() -> Iterator[kernels.Workplace]:
    made = kernels.Workplace()
    yield made
    made.close()
    assert not made.path.exists()


def parent(workplace: kernels.Workplace, *modules: str) -> kernels.Warm:
    environment = {**os.environ, **kernels.thread_environment(2)}
    return kernels.Warm(modules=modules, environment=environment, workplace=workplace)


def look(tmp_path: Path, workplace: kernels.Workplace, warm: kernels.Warm | None, name: str) -> dict[str, object]:
    source, output = tmp_path / "look.ipynb", tmp_path / f"{name}.ipynb"
    nbformat.write(small_suite.template(LOOK), source)
    outcome = engine.execute(
        source,
        output,
        parameters={"brand": "x"},
        folder=workplace.folder(),
        environment={**os.environ, **kernels.thread_environment(2), "CXLAB_NOTEBOOK": name, "CX_MINE": name},
        cwd=tmp_path,
        timeout=60,
        warm=warm,
    )
    assert outcome == engine.Outcome("ok")
    (text,) = [o.text for c in nbformat.read(output, as_version=4).cells for o in c.get("outputs", [])]
    return json.loads(text)


def test_forks_differ_from_each_other_and_look_like_cold_kernels(tmp_path: Path, workplace: kernels.Workplace) -> None:
    warm = parent(workplace, "numpy", "json.tool", "ipykernel.kernelapp", "no.such.module")
    try:
        assert warm.wait_ready(60)
        assert warm.report is not None
        assert warm.report["threads"] == 1
        assert list(warm.report["failed"]) == ["no.such.module"]
        one, two = (look(tmp_path, workplace, warm, name) for name in ("one", "two"))
    finally:
        warm.close()
    cold = look(tmp_path, workplace, None, "cold")
    assert one["random"] != two["random"]
    assert one["pid"] != two["pid"]
    assert one["parent"] == two["parent"] != cold["parent"]
    assert (one["notebook"], one["mine"]) == ("one", "one")
    assert one["loaded"] == ["json.tool"]  # what it was told to import; nothing of the batch
    assert one["threads"] == str(max(1, (os.cpu_count() or 1) // 2))
    for key in ("cwd", "name", "threads", "history"):
        assert one[key] == cold[key], key
    assert all(k["group"] == k["pid"] for k in (one, cold))  # its own group: it can be ended with all it started
    assert one["history"] is False


def test_kernels_start_cold_when_the_parent_has_died(tmp_path: Path, workplace: kernels.Workplace) -> None:
    warm = parent(workplace)
    assert warm.wait_ready(60)
    first = look(tmp_path, workplace, warm, "one")
    os.kill(int(str(first["parent"])), 9)
    end = time.monotonic() + 10
    while warm.alive and time.monotonic() < end:
        time.sleep(0.05)
    assert not warm.alive
    with pytest.raises(OSError, match="gone"):
        warm.fork(connection_file="", environment={}, cwd=".", log="")
    assert look(tmp_path, workplace, warm, "two")["parent"] == os.getpid()
    warm.close()


def test_a_fork_that_never_answers_is_replaced_by_a_cold_kernel(
    home: small_suite.Home, workplace: kernels.Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(kernels.Warm):
        """Its forks are processes that live and never open their sockets."""

        def fork(self, **_: object) -> int:
            self.asleep = subprocess.Popen(["sleep", "60"], start_new_session=True)
            return self.asleep.pid

        def code(self, pid: int) -> int | None:
            return self.asleep.poll()

    monkeypatch.setattr(engine, "FORK_TIMEOUT", 2)
    warm = Deaf(modules=[], environment=dict(os.environ), workplace=workplace)
    try:
        assert warm.wait_ready(60)
        monkeypatch.setattr(batch, "Warm", lambda **_: warm)
        home.brands = ("north",)
        home.client(last="2025Q1")
        report = batch.run(home.params, jobs=1)
        assert warm.asleep.wait(5) < 0  # it was ended by a signal
    finally:
        warm.close()
    assert report.exit_code == 0, report.failures
    (unit,) = report.runs
    assert {r.attempts for r in runs.Folder(unit).records().values()} == {2}


def test_a_batch_says_the_same_on_warm_and_on_cold_kernels(home: small_suite.Home) -> None:
    home.brands = ("north",)
    home.client(last="2025Q1")
    tables = []
    for warm in (True, False):
        report = batch.run(home.params, jobs=2, warm=warm, fresh=True)
        assert report.exit_code == 0
        assert bool(report.warm) is warm
        folders = [runs.Folder(p) for p in report.runs]
        records = [r for f in folders for r in f.records().values()]
        assert {r.warm for r in records} == {warm}
        assert all('["limits", "min_n"]' in r.reads for r in records)  # by the writer, whatever the notebook reads
        assert all('["model", "seed"]' in r.reads for r in records if r.notebook == "20_share")
        assert not any('["model", "draws"]' in r.reads for r in records)
        tables.append(pd.concat([pd.read_parquet(f.table("shares")) for f in folders]))
    pd.testing.assert_frame_equal(*tables)


def test_a_notebook_can_travel_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path))
    home = small_suite.make(tmp_path, last="2025Q1", brands=("南方",))
    home.alone()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        report = batch.run(home.params, executor=pool)
    assert (report.exit_code, report.executed) == (0, ("20_share 南方/2025Q1",))
    page = (tmp_path / "reports" / "me" / "南方" / "2025Q1" / "20_share.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in page  # where the operator works is nobody's business


def test_threads_are_shared_out() -> None:
    cores = os.cpu_count() or 1
    assert set(kernels.thread_environment(1).values()) == {str(cores)}
    assert set(kernels.thread_environment(10 * cores).values()) == {"1"}
    assert {"OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"} <= set(kernels.thread_environment(1))


def test_the_parent_is_told_what_the_templates_import(home: small_suite.Home) -> None:
    home.notebook("10_count", "%matplotlib inline\nimport numpy as np, pandas\nfrom cxlab import runs, report", "x = (")
    found = kernels.modules_of(n.template for n in load(home.path).notebooks)
    assert {"numpy", "pandas", "cxlab.runs", "cxlab.report"} <= set(found)
    assert len(found) == len(set(found))
    assert set(kernels.STACK) <= set(found)  # what capabilities load inside functions


def test_a_suite_without_capabilities_loads_no_stack(home: small_suite.Home) -> None:
    assert not set(kernels.STACK) & set(kernels.modules_of(n.template for n in load(home.path).notebooks))


def test_the_folder_of_sockets_is_private_and_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    made = kernels.Workplace()
    assert len(str(made.folder())) < kernels.MAX_SOCKET_FOLDER
    assert made.path.stat().st_mode & 0o777 == 0o700
    made.close()
