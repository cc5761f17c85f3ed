"""The warm parent of kernels: imports, then forks a kernel at each request. Standard library only.

Run as ``python -P preload.py <socket>``. It reads one JSON object per line: first the order (modules to
import, the batch's workplace), then requests to fork. It stays single-threaded, because a
fork copies one thread only, and leaves, with all its kernels, as soon as the other end of the socket is closed, however
the batch has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
import types
from typing import Any

_PR_SET_PDEATHSIG = 1
LONG = 100  # seconds


def main(descriptor: int) -> None:
    """Serve until the batch closes its end of the socket."""
    with socket.socket(fileno=descriptor) as line:
        buffer = b""
        while b"\n" not in buffer:
            chunk = line.recv(65536)
            if not chunk:
                return
            buffer += chunk
        first, _, rest = buffer.partition(b"\n")
        order = json.loads(first)
        try:
            _watch(line)
            faulthandler.dump_traceback_later(LONG)  # the log then says what it hangs on
            report = _prepare(order)
            faulthandler.cancel_dump_traceback_later()  # ends its thread: a fork copies one thread only
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(line, {"is": "ready", **report})
            farewell = _serve(line, rest)
        except BrokenPipeError:
            farewell = False
        if not farewell:  # the batch was killed and cannot clean up itself
            shutil.rmtree(order["workplace"], ignore_errors=True)


def _watch(line: socket.socket) -> None:
    """Leave within a second or so if the batch ends while this process is still busy preparing (no thread allowed)."""

    def look(*_: object) -> None:
        with contextlib.suppress(BlockingIOError):
            if not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)


def _prepare(order: dict[str, Any]) -> dict[str, Any]:
    """Import; what fails is reported and left to the notebooks, which say it where it can be read."""
    began = time.perf_counter()
    failed = {}
    # ipykernel loads a debugger where it finds one: half a second a kernel, for nobody
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    with contextlib.suppress(ImportError):
        importlib.import_module("ipykernel.debugger")
    del sys.modules["debugpy"]
    for name in order["modules"]:
        try:
            importlib.import_module(name)
        except Exception as error:  # a notebook's own import will show it
            # `from a import b` names a.b, which need not be a module
            if not (isinstance(error, ModuleNotFoundError) and error.name == name):
                failed[name] = f"{type(error).__name__}: {error}"
    gc.collect()
    gc.freeze()  # keeps the collector of the children from touching, and so copying, every shared page
    return {"failed": failed, "imports": time.perf_counter() - began, "threads": threading.active_count()}


def _serve(line: socket.socket, buffer: bytes) -> bool:
    """Fork at each request until the batch says farewell (True) or is gone (False)."""
    farewell = False
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    children: set[int] = set()
    with selectors.DefaultSelector() as waiting:
        waiting.register(line, selectors.EVENT_READ)
        waiting.register(wake_read, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in waiting.select()}
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                _reap(line, children)
            if line in ready:
                chunk = line.recv(65536)
                if not chunk:
                    break
                buffer += chunk
            while b"\n" in buffer:
                text, _, buffer = buffer.partition(b"\n")
                request = json.loads(text)
                if farewell := request == {}:
                    break
                pid = os.fork()
                if pid == 0:
                    waiting.close()
                    signal.set_wakeup_fd(-1)
                    for handle in (wake_read, wake_write):
                        os.close(handle)
                    line.close()
                    _kernel(request)
                children.add(pid)
                _send(line, {"is": "forked", "ask": request["ask"], "pid": pid})
            if farewell:
                break
    for pid in children:
        for end in (os.killpg, os.kill):  # a child that has not yet made its own group is killed by its id
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(pid, signal.SIGKILL)
    return farewell


def _reap(line: socket.socket, children: set[int]) -> None:
    while children:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        children.discard(pid)
        _send(line, {"is": "exit", "pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _send(line: socket.socket, message: dict[str, Any]) -> None:
    line.sendall(json.dumps(message).encode() + b"\n")


def _kernel(request: dict[str, Any]) -> None:
    """Become a kernel; never returns."""
    code = 1
    try:
        parent = os.getppid()
        os.setsid()
        # Should the parent itself be killed, its kernels go with it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        for handled in (signal.SIGCHLD, signal.SIGALRM):
            signal.signal(handled, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["cwd"])
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        for name in ("__main__", "__mp_main__"):
            sys.modules[name] = types.ModuleType("__main__")
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=["-f", request["file"], "--HistoryManager.enabled=False"])
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
