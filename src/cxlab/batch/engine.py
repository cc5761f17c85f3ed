"""One notebook, executed: papermill with an engine that tells the truth about dead kernels and timeouts.

Left alone, papermill calls a notebook complete whose kernel was killed or ran out of time. Here such an end becomes an
error output in the cell that was running, so that the notebook is saved anchored at it like any other failure.
"""

from __future__ import annotations

import contextlib
import math
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from cxlab.batch.kernels import KernelManager, Warm, kernel_manager, send_signal

NAME = "cxlab"
GRACE = 3.0  # seconds between the interrupt at the deadline, which shows where the code was, and the kill
START_TIMEOUT = 120
FORK_TIMEOUT = 45  # a fork has imported everything: it answers in a second, or something is wrong with it
NOT_STARTED = "the kernel did not start"
OUTPUT_TIMEOUT = 60  # nbclient's 4 s for an output to arrive are too short on a loaded machine
SILENCE = 90.0  # seconds an idle kernel may leave a request without a word; a cell may work for as long as it likes
_COMPLAINT = re.compile(r"(?i)fatal|error|abort|terminat|segmentation|killed|memory")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Outcome:
    """How an execution ended.

    Attributes
    ----------
    status : str
        `ok`, `failed`, `timeout`, `no_data`, or `dead` (the kernel was killed or crashed).
    error : str
        In one or two lines; empty if ok.
    cell : str
        Id of the failing cell.
    """

    status: str
    error: str = ""
    cell: str = ""


class Interrupt:
    """Ctrl-C for kernels that run in other threads: ends those that run and refuses new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self.called = threading.Event()

    def add(self, pid: int) -> None:
        """Note a kernel."""
        with self._lock:
            self._running.add(pid)
        if self.called.is_set():
            send_signal(pid, signal.SIGKILL)

    def remove(self, pid: int) -> None:
        """Forget a kernel that has ended."""
        with self._lock:
            self._running.discard(pid)

    def __call__(self) -> None:
        """Kill all kernels."""
        self.called.set()
        with self._lock:
            for pid in self._running:
                send_signal(pid, signal.SIGKILL)


class _Client(PapermillNotebookClient):
    """nbclient with a kernel of ours."""

    def create_kernel_manager(self) -> KernelManager:
        self.km = kernel_manager(self._folder, self._warm)
        return self.km

    def use(self, folder: Path, warm: Warm | None, watch: _Watch) -> None:
        self._folder, self._warm, self._watch = folder, warm, watch

    def execute_cell(self, cell: Any, cell_index: int, **kwargs: Any) -> Any:
        self._watch.expect()
        try:
            return super().execute_cell(cell, cell_index, **kwargs)
        finally:
            self._watch.expect()  # the next cell, or the farewell

    def process_message(self, msg: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            self._watch.expect()  # the reply
        else:
            self._watch.rest()
        return super().process_message(msg, *args, **kwargs)


class _Watch:
    """Ends a kernel that nbclient would wait for for ever.

    One that never takes up a request or never replies to one is killed; one that works past the deadline is
    interrupted, which shows where the code was, and killed a little later.
    """

    def __init__(self, timeout: float, pid: Callable[[], int | None]) -> None:
        self.silent = self.late = False
        self._end = time.monotonic() + timeout if timeout > 0 else math.inf
        self._pid = pid
        self._since: float | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def expect(self) -> None:
        """Note that a message is due from now on."""
        self._since = time.monotonic()

    def rest(self) -> None:
        """Note that none is due: the kernel works."""
        self._since = None

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(min(1.0, SILENCE / 4, max(self._end - time.monotonic(), 0.01))):
            now, since = time.monotonic(), self._since
            if now >= self._end:
                self.late = True
                send_signal(self._pid(), signal.SIGINT)
                if not self._done.wait(GRACE):
                    send_signal(self._pid(), signal.SIGKILL)
                return
            if since is not None and now - since > SILENCE:
                self.silent = True
                send_signal(self._pid(), signal.SIGKILL)
                return


class CxEngine(Engine):
    """papermill engine; all its options come from `execute`."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man, kernel_name, *, folder, warm, environment, kernel_cwd, timeout, on_cell, interrupt, **_
    ):
        """Run all cells; put an error into the running one if the kernel did not survive it."""
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=START_TIMEOUT if warm is None else FORK_TIMEOUT,
            iopub_timeout=OUTPUT_TIMEOUT,
            shutdown_kernel="immediate",  # all is written: a polite farewell costs up to a second
        )
        current, seen = 0, set()
        start = nb_man.cell_start

        def cell_start(cell, cell_index=None, **kwargs):
            nonlocal current
            current = cell_index
            on_cell(cell_index + 1, len(nb_man.nb.cells))
            return start(cell, cell_index, **kwargs)

        def pid() -> int | None:
            provisioner = getattr(client.km, "provisioner", None)
            found = getattr(provisioner, "pid", None) if getattr(provisioner, "has_process", False) else None
            return int(found) if found else None

        async def started(**_: Any) -> None:
            if (found := pid()) is not None:
                seen.add(found)
                interrupt.add(found)

        nb_man.cell_start = cell_start
        client.on_notebook_start = started
        ended = ""
        with _Watch(timeout, pid) as watch, (folder / "kernel.log").open("ab") as log:
            client.use(folder, warm, watch)
            # A forked kernel opens its log itself.
            streams = {} if warm is not None and warm.ready else {"stdout": log, "stderr": log}
            try:
                client.execute(env=dict(environment), cwd=kernel_cwd, **streams)
            except DeadKernelError:
                silent = f"the kernel left a request unanswered for {SILENCE:g} s"
                ended = silent if watch.silent else "the kernel died"
            except RuntimeError as error:  # nbclient's words for a kernel that never came up
                if "ernel" not in str(error):
                    raise
                ended = f"{NOT_STARTED}: {error}"
            finally:
                for known in seen:
                    interrupt.remove(known)
        # a kernel that never came up has run nothing: the first code cell stands for it
        cell = next((c for c in nb_man.nb.cells[current:] if c.cell_type == "code"), nb_man.nb.cells[current])
        if watch.late and (ended or cell.metadata.papermill.get("exception")):
            _mark(nb_man, cell, "CellTimeoutError", f"stopped after {timeout:g} s, the time it may take")
        elif ended:
            _mark(nb_man, cell, "DeadKernelError", ended + _last_words(folder))


def _last_words(folder: Path) -> str:
    """Return the last complaint of a dying kernel (a segmentation fault, a fatal error), if there is one."""
    with contextlib.suppress(OSError):
        text = (folder / "kernel.log").read_text(errors="replace")
        if lines := [x for x in text.splitlines() if _COMPLAINT.search(x)]:
            return f" (its last words: {lines[-1].strip()[:200]})"
    return ""


def _mark(nb_man: Any, cell: Any, name: str, text: str) -> None:
    """Put the error into the running cell and say so in papermill's metadata."""
    traceback: list[str] = next((o.traceback for o in cell.outputs if o.output_type == "error"), [])
    cell.outputs = [o for o in cell.outputs if o.output_type != "error"]
    cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[*traceback, text]))
    nb_man.cell_exception(cell)


def execute(
    template: Path,
    output: Path,
    *,
    parameters: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str],
    cwd: Path,
    timeout: float,
    warm: Warm | None = None,
    on_cell: Callable[[int, int], None] = lambda cell, cells: None,
    interrupt: Interrupt | None = None,
) -> Outcome:
    """Execute a template; the executed notebook is saved at `output` however it ends.

    Parameters
    ----------
    template, output : Path
    parameters : mapping
        JSON values, validated before (see `cxlab.batch.parameters`).
    folder : Path
        Private folder of this kernel.
    environment : mapping
        The kernel's whole environment.
    timeout : float
        Seconds for the whole notebook; 0 = no limit.
    on_cell : callable
        Called with the one-based cell and the number of cells when a cell starts.
    """
    papermill_engines.register(NAME, CxEngine)
    interrupt = interrupt or Interrupt()
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(template),
            str(output),
            parameters=dict(parameters),
            engine_name=NAME,
            kernel_name="python3",
            language="python",
            request_save_on_cell_execute=False,  # saving after every cell costs cells x size
            autosave_cell_every=0,
            progress_bar=False,
            folder=folder,
            warm=warm,
            environment=environment,
            timeout=timeout,
            on_cell=on_cell,
            interrupt=interrupt,
            kernel_cwd=str(cwd),  # `cwd` would change the directory of the whole process
        )
    except PapermillExecutionError as error:
        return _outcome(error, output)
    finally:
        ensure_event_loop().close()  # nbclient leaves this thread's loop open
    return Outcome("ok")


def _outcome(error: PapermillExecutionError, output: Path) -> Outcome:
    status = {"CellTimeoutError": "timeout", "DeadKernelError": "dead", "NoDataError": "no_data"}
    lines = _ANSI.sub("", str(error.evalue)).strip().splitlines()
    text = "\n".join(lines[:20]) or "no message"
    if error.ename not in status:
        text = f"{error.ename}: {text}"
    notebook = nbformat.read(output, as_version=4)
    cell = next((c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", []))), None)
    return Outcome(status.get(error.ename, "failed"), text, str(cell.get("id", "")) if cell else "")
