"""Is this machine ready? Each finding has a verdict and, where something is wrong, a remedy."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)\s*(?:;\s*(.*?))?\s*\\?$")


@dataclass(frozen=True)
class Finding:
    """One look.

    Attributes
    ----------
    name : str
    verdict : {"ok", "note", "bad"}
        A note costs something (speed, a test); bad means that runs will fail.
    found : str
    remedy : str
    """

    name: str
    verdict: Literal["ok", "note", "bad"]
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain JSON data."""
        return asdict(self)


def examine(root: Path | None = None) -> list[Finding]:
    """Look at the machine and at the repository in `root` (default: the one this package is installed from)."""
    place = root or Path(__file__).resolve().parents[2]
    looks: list[Callable[[], Finding]] = [
        _python,
        lambda: _packages(place / "requirements.lock"),
        _browser,
        _fonts,
        _cores,
        _memory,
        lambda: _disk(place),
        _threads,
        _forkserver,
        *[lambda folder=name: _writable(place / folder) for name in ("data", "runs", "reports")],
        _temporary,
    ]
    return [look() for look in looks]


def healthy(findings: list[Finding]) -> bool:
    """Tell whether nothing is bad."""
    return all(f.verdict != "bad" for f in findings)


def _python() -> Finding:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] == (3, 12):
        return Finding("python", "ok", found)
    return Finding("python", "bad", found, "install Python 3.12 and run `make setup`")


def _packages(lock: Path) -> Finding:
    from packaging.markers import Marker

    if not lock.is_file():
        return Finding("packages", "note", "no requirements.lock here: versions are not compared")
    wrong = []
    total = 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        match = _PIN.match(line)
        if match is None or (match[3] and not Marker(match[3]).evaluate()):
            continue
        total += 1
        try:
            have = importlib.metadata.version(match[1])
        except importlib.metadata.PackageNotFoundError:
            have = "missing"
        if have != match[2]:
            wrong.append(f"{match[1]} {have} (lock: {match[2]})")
    if not wrong:
        return Finding("packages", "ok", f"all {total} as in requirements.lock")
    shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    missing = any(" missing (" in w for w in wrong)
    return Finding("packages", "bad" if missing else "note", shown, "run `make setup`")


def _browser() -> Finding:
    path = next((p for b in BROWSERS if (p := shutil.which(b))), None)
    if path:
        return Finding("browser", "ok", path)
    todo = "install Chromium to test pages (Debian: apt-get install chromium); runs do not need it"
    return Finding("browser", "note", "no Chromium", todo)


def _fonts() -> Finding:
    """Pages name the reader's fonts, so a missing one here costs nothing but pictures made on this machine."""
    tool = shutil.which("fc-list")
    if tool is None:
        return Finding("fonts", "note", "fc-list is not installed: fonts are not examined")
    try:
        done = subprocess.run([tool, ":lang=zh", "family"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return Finding("fonts", "note", "fc-list does not answer")
    families = sorted({x.split(",")[0] for x in done.stdout.splitlines() if x})
    if families:
        return Finding("fonts", "ok", f"Chinese: {', '.join(families[:3])}")
    todo = "only pictures made here need one (Debian: fonts-noto-cjk); readers' machines draw the pages"
    return Finding("fonts", "note", "no Chinese font", todo)


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", "ok", f"{cores}: --jobs defaults to it")


def _memory() -> Finding:
    free = _free_memory()
    if free is None:
        return Finding("memory", "note", "this system does not tell")
    gib = min(free, _container_limit() or free) / 2**30
    if gib >= 3:
        return Finding("memory", "ok", f"{gib:.1f} GiB free")
    return Finding("memory", "note" if gib >= 1 else "bad", f"{gib:.1f} GiB free", "use --jobs 1, or free some memory")


def _free_memory() -> int | None:
    try:
        match = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
        if match:
            return int(match[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _container_limit() -> int | None:
    """Return what a container may use, in bytes: the machine's free memory is not the container's."""
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 2**60:
            return int(text)
    return None


def _disk(root: Path) -> Finding:
    gib = shutil.disk_usage(root).free / 2**30
    if gib >= 2:
        return Finding("disk", "ok", f"{gib:.1f} GiB free")
    return Finding("disk", "note" if gib >= 0.2 else "bad", f"{gib:.1f} GiB free", "free some space; old runs/ may go")


def _threads() -> Finding:
    wrong = [f"{n}={os.environ[n]}" for n in THREADS if n in os.environ and not os.environ[n].isdigit()]
    if wrong:
        return Finding("threads", "bad", ", ".join(wrong), "unset it, or give a whole number")
    given = [f"{n}={os.environ[n]}" for n in THREADS if n in os.environ]
    return Finding("threads", "ok", ", ".join(given) or "not set: the batch sets them per kernel, cores // jobs")


def _forkserver() -> Finding:
    if "forkserver" not in multiprocessing.get_all_start_methods() or not sys.platform.startswith("linux"):
        return Finding("kernels", "note", f"{platform.system()}: kernels start cold, slower but the same")
    try:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "pid"
            process = multiprocessing.get_context("forkserver").Process(target=_write_pid, args=(str(answer),))
            process.start()
            process.join(20)
            if process.is_alive():
                process.terminate()
            ok = process.exitcode == 0 and answer.read_text(encoding="ascii").isdigit()
    except OSError as error:
        return Finding("kernels", "note", f"no forkserver: {error}", "use `cxlab run --cold`")
    if ok:
        return Finding("kernels", "ok", "forkserver works: warm kernels")
    return Finding("kernels", "note", "the forkserver does not answer", "use `cxlab run --cold`")


def _write_pid(file: str) -> None:
    Path(file).write_text(str(os.getpid()), encoding="ascii")


def _writable(folder: Path) -> Finding:
    place = folder if folder.exists() else folder.parent
    if os.access(place, os.W_OK):
        return Finding(folder.name + "/", "ok", f"writable ({folder})")
    return Finding(folder.name + "/", "bad", f"not writable ({folder})", "change its owner or permissions")


def _temporary() -> Finding:
    folder = tempfile.gettempdir()
    if os.access(folder, os.W_OK):
        return Finding("temporary", "ok", folder)
    return Finding("temporary", "bad", f"{folder} is not writable", "set TMPDIR to a writable folder")
