"""However a batch ends (Ctrl-C, SIGTERM, kill -9), no kernel outlives it, and what was done is not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_suite

from cxlab import batch, runs
from cxlab.errors import RunError

SCRIPT = """\
import faulthandler, sys
faulthandler.dump_traceback_later(200)  # a hang shows where
from cxlab import batch
from cxlab.batch import keys
keys.of_code = lambda: "this code"  # as in the tests around it
report = batch.run(sys.argv[1], jobs=2, warm=sys.argv[2] == "warm",
                   on_progress=lambda p: print(p.what, p.notebook, p.brand, p.cell, flush=True))
sys.exit(report.exit_code)
"""
AT_WORK = "cell 20_share south 5"  # the notebook of south that sleeps

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
    pytest.mark.timeout(500),  # a parent or a kernel that hangs is given up after two minutes: still no failure
]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def start(home: small_suite.Home, kernels: str) -> subprocess.Popen[str]:
    """Start a batch in a process of its own and return when the last cell of interest runs and the rest is done."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home.params), kernels],
        env={**os.environ, "CXLAB_HOME": str(home.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen: list[str] = []
    try:
        for line in process.stdout:
            seen.append(line.strip())
            if AT_WORK in seen and seen.count("done 20_share north 0") == 1:
                return process
        raise AssertionError("the batch ended early")
    except BaseException:  # also the time limit of a test: leave no process, tell how far it came
        logs = {p: p.read_text(errors="replace")[-3000:] for p in Path(tempfile.gettempdir()).glob("cxlab-*/**/*.log")}
        print(*seen, *(f"{p}:\n{text}" for p, text in logs.items()), sep="\n")
        process.kill()
        process.wait(10)
        process.stdout.close()
        raise


@pytest.fixture
def slow(home: small_suite.Home) -> small_suite.Home:
    """One period; the share of south never comes."""
    home.client(last="2025Q1")
    home.suite(small_suite.SUITE.replace("timeout: 60", "timeout: 300"))
    home.faults(south__2025Q1="deaf")
    return home


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files; short, as a socket's path has little room."""
    with tempfile.TemporaryDirectory(prefix="cx", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.mark.parametrize(("kernels", "signum"), [("warm", signal.SIGINT), ("cold", signal.SIGTERM)])
def test_an_interrupted_batch_leaves_no_kernel_and_can_be_resumed(
    slow: small_suite.Home, kernels: str, signum: int
) -> None:
    process = start(slow, kernels)
    process.send_signal(signum)
    assert process.wait(60) == 130
    assert process.stdout is not None
    process.stdout.close()
    assert small_suite.kernels_of(slow.path) == []
    states = [
        f.manifest()["state"] for b in slow.brands for f in runs.history(slow.path / "runs" / "me" / b / "2025Q1")
    ]
    assert states == ["good", "interrupted"]
    if kernels == "cold":  # resuming is the same
        return

    slow.faults()
    report = batch.run(slow.params, jobs=2)
    assert report.exit_code == 0
    assert report.executed == ("20_share south/2025Q1",)


@pytest.mark.parametrize("kernels", ["warm", "cold"])
def test_a_batch_that_is_killed_leaves_no_kernel_and_can_be_resumed(
    slow: small_suite.Home, private: Path, kernels: str
) -> None:
    process = start(slow, kernels)
    assert len(list(private.glob("cxlab-*"))) == 1
    assert len(small_suite.kernels_of(slow.path)) >= 2
    with pytest.raises(RunError, match=rf"another batch works on this client.*process {process.pid}"):
        batch.run(slow.params)
    process.kill()
    process.wait(5)
    assert process.stdout is not None
    process.stdout.close()
    assert until(lambda: small_suite.kernels_of(slow.path) == [], 20)
    if kernels == "warm":  # the parent of the kernels cleans up; without one the system's own cleaning has to do
        assert until(lambda: not list(private.glob("cxlab-*")), 20)
    else:  # resuming is the same
        return

    slow.faults()
    report = batch.run(slow.params, jobs=2)
    assert report.exit_code == 0
    assert report.executed == ("20_share south/2025Q1",)
    south = list(runs.history(slow.path / "runs" / "me" / "south" / "2025Q1"))
    assert [f.manifest()["state"] for f in south] == ["good", "interrupted"]
