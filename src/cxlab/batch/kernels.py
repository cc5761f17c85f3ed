"""Kernels of a batch: private transport, pinned threads, and either forked from a warm parent or started cold.

The warm parent (`cxlab.batch.preload`) is one process that has imported what the notebooks import; a kernel is a fork
of it. That needs Linux. Everywhere else, with `--cold`, and whenever the parent is gone, kernels start cold: same
results, only slower.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "POLARS", "VECLIB")
ARGUMENTS = ("--HistoryManager.enabled=False",)  # no SQLite file in the user's home, none shared by parallel kernels
PATIENCE = 120.0  # seconds the warm parent may import before notebooks start cold
KERNEL = (  # what every kernel loads beside what its notebook imports
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "cxlab.runs",
)
STACK = (  # what the capabilities load inside functions, in most notebooks
    "arviz",
    "h5netcdf.legacyapi",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib_inline.backend_inline",
    "numba",
    "nutpie.compiled_pyfunc",
    "scipy.signal",
)
MAX_SOCKET_FOLDER = 80  # a Unix socket's path may have 107 bytes


def thread_environment(jobs: int) -> dict[str, str]:
    """Return the variables that give each of `jobs` kernels its share of the cores and no more."""
    share = str(max(1, (os.cpu_count() or 1) // max(1, jobs)))
    names = {"VECLIB": "VECLIB_MAXIMUM_THREADS", "POLARS": "POLARS_MAX_THREADS"}
    return {names.get(t, f"{t}_NUM_THREADS"): share for t in THREADS}


def modules_of(templates: Iterable[Path]) -> list[str]:
    """Return the modules that templates import, found by reading them: no list to keep up to date."""
    found: dict[str, None] = dict.fromkeys(KERNEL)
    for template in dict.fromkeys(templates):
        for cell in nbformat.read(template, as_version=4).cells:
            if cell.cell_type == "code":
                found |= dict.fromkeys(_imports(cell.source))
    capabilities = any(name.startswith("cxlab.") and not name.startswith("cxlab.runs") for name in found)
    return [*found, *(STACK if capabilities else ())]


def _imports(source: str) -> list[str]:
    """Return what import statements name; ``from package import name`` may name a module as well."""
    try:
        tree = ast.parse("\n".join(x for x in source.splitlines() if not x.lstrip().startswith(("%", "!"))))
    except SyntaxError:
        return []
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out.append(node.module)
            if node.module.split(".")[0] == "cxlab":
                out += [f"{node.module}.{alias.name}" for alias in node.names]
    return out


class Workplace:
    """The batch's private folder for sockets, connection files and kernel logs; removed at the end."""

    def __init__(self) -> None:
        base = tempfile.gettempdir()
        short = base if len(base) < MAX_SOCKET_FOLDER - 20 else "/tmp"  # noqa: S108 - mkdtemp makes it private
        self.path = Path(tempfile.mkdtemp(prefix="cxlab-", dir=short))

    def folder(self) -> Path:
        """Return a fresh folder for one kernel (two kernels in one folder hang)."""
        return Path(tempfile.mkdtemp(prefix="k", dir=self.path))

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)


class Warm:
    """Client of the warm parent process: asks it to fork and hears of its children's ends."""

    def __init__(self, *, modules: Sequence[str], environment: Mapping[str, str], workplace: Workplace) -> None:
        """Start the parent; it is ready once it has imported `modules`.

        Parameters
        ----------
        modules : sequence of str
            Imported in this order; one that cannot be imported is left to the notebook that needs it.
        environment : mapping
            Environment of the parent (threads must be pinned before anything is imported).
        workplace : Workplace
            Removed by the parent should the batch be killed.
        """
        mine, theirs = socket.socketpair()
        order = {"modules": list(modules), "workplace": str(workplace.path)}
        self._until = time.monotonic() + PATIENCE
        self._log = (workplace.path / "parent.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # by its file, and -P: neither the rooms of the batch nor its folder's names belong into a kernel
            [sys.executable, "-P", str(Path(__file__).with_name("preload.py")), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is the batch's to handle
        )
        theirs.close()
        self._socket = mine
        self._lock = threading.Condition()
        self._exits: dict[int, int] = {}
        self._replies: dict[int, int] = {}
        self._asked = 0
        self.report: dict[str, Any] | None = None
        self._gone = False
        self._send(order)
        self._reader = threading.Thread(target=self._read, name="warm-kernels", daemon=True)
        self._reader.start()

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._lost()

    def _lost(self) -> None:
        with self._lock:
            self._gone = True
            self._lock.notify_all()

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                with self._lock:
                    if message["is"] == "ready":
                        self.report = message
                    elif message["is"] == "forked":
                        self._replies[message["ask"]] = message["pid"]
                    else:
                        self._exits[message["pid"]] = message["code"]
                    self._lock.notify_all()
        self._lost()

    @property
    def alive(self) -> bool:
        """Whether the parent still answers."""
        return not self._gone

    @property
    def ready(self) -> bool:
        """Whether it can fork now."""
        return self.alive and self.report is not None

    @property
    def busy(self) -> bool:
        """Whether it still imports and is worth waiting for."""
        return self.alive and self.report is None and time.monotonic() < self._until

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the imports are done; False if the parent died or took too long."""
        with self._lock:
            self._lock.wait_for(lambda: self.report is not None or self._gone, timeout)
            return self.ready

    def fork(self, *, connection_file: str, environment: Mapping[str, str], cwd: str, log: str) -> int:
        """Return the process id of a new kernel.

        Raises
        ------
        OSError
            If the parent is gone.
        """
        with self._lock:
            self._asked += 1
            ask = self._asked
        self._send({"ask": ask, "file": connection_file, "environment": dict(environment), "cwd": cwd, "log": log})
        with self._lock:
            self._lock.wait_for(lambda: ask in self._replies or self._gone, 30)
            if ask not in self._replies:
                raise OSError("the warm parent of the kernels is gone")
            return self._replies.pop(ask)

    def code(self, pid: int) -> int | None:
        """Return a kernel's exit code (negative: signal), None while it runs."""
        with self._lock:
            return -signal.SIGKILL if self._gone and pid not in self._exits else self._exits.get(pid)

    def close(self) -> None:
        """End the parent and every kernel that is left."""
        self._send({})  # the farewell: the parent ends its children and leaves
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # busy with an import
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(5)
        self._socket.close()
        self._log.close()


class ForkProvisioner(KernelProvisionerBase):
    """Lets jupyter_client treat a fork of the warm parent like a process of its own."""

    warm: Warm
    log_file: str = ""
    pid: int | None = None
    _running = False

    @property
    def has_process(self) -> bool:
        """Whether a kernel was forked and not yet seen to end."""
        return self._running

    async def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return 0 if self.pid is None else self.warm.code(self.pid)

    async def wait(self) -> int | None:
        """Wait for the end."""
        while (code := await self.poll()) is None:
            await asyncio.sleep(0.02)
        self._running = False
        return code

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel and what it started."""
        send_signal(self.pid, signum)

    async def kill(self, restart: bool = False) -> None:
        """End it at once."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Ask it to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Nothing to do: the workplace is removed by the batch."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Write the connection file."""
        manager = self.parent
        assert manager is not None
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        for name in ("extra_arguments", "transport_encryption"):
            kwargs.pop(name, None)
        return await super().pre_launch(cmd=["fork"], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork."""
        assert self.parent is not None
        self.pid = await asyncio.to_thread(
            self.warm.fork,
            connection_file=self.parent.connection_file,
            environment=kwargs["env"],
            cwd=str(kwargs["cwd"]),
            log=self.log_file,
        )
        self._running = True
        return self.connection_info


class KernelManager(AsyncKernelManager):
    """A kernel with this interpreter, whatever kernelspecs are installed, on sockets in its own private folder."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Return how a cold kernel is started."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *ARGUMENTS]
        return KernelSpec(argv=argv, display_name="cxlab", language="python", interrupt_mode="signal")


def kernel_manager(folder: Path, warm: Warm | None) -> KernelManager:
    """Return a manager whose kernel is forked from `warm`, or started cold without it."""
    manager = KernelManager(kernel_name="python3", shutdown_wait_time=2.0)
    if os.name == "posix":
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    manager.connection_file = str(folder / "kernel.json")
    if warm is not None and warm.ready:
        provisioner = ForkProvisioner(kernel_id=folder.name, kernel_spec=manager.kernel_spec, parent=manager)
        provisioner.warm = warm
        provisioner.log_file = str(folder / "kernel.log")
        manager.provisioner = provisioner
    return manager


def send_signal(pid: int | None, signum: int) -> None:
    """Signal a kernel's process group (kernels lead their own); one that is gone is no error."""
    if pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(pid, signum)
            else:
                os.kill(pid, signum)
