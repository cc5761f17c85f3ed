"""The batch: every notebook for every brand and period, only what changed, whatever fails.

>>> from cxlab import batch
>>> report = batch.run("params/demo.yaml", jobs=2)  # doctest: +SKIP
>>> report.exit_code  # doctest: +SKIP
0
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxlab import params as grammar
from cxlab import runs
from cxlab.batch import plan as planning
from cxlab.batch import suite
from cxlab.batch.execute import Execution, Progress, Tools, close_abandoned
from cxlab.batch.kernels import Warm, Workplace, modules_of, thread_environment
from cxlab.batch.plan import Plan
from cxlab.batch.report import BatchReport, Failure, Planned, report_of
from cxlab.errors import CxError, ParamsError, Problem, RunError
from cxlab.params.models import Params

__all__ = ["BatchReport", "Failure", "Planned", "Progress", "run", "site"]


def run(
    params_path: str | Path,
    *,
    brand: Iterable[str] = (),
    period: Iterable[str] = (),
    only: Iterable[str] = (),
    jobs: int = 0,
    fresh: bool = False,
    dry_run: bool = False,
    timeout: float = 0.0,
    warm: bool = True,
    draws: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    executor: Executor | None = None,
) -> BatchReport:
    """Run the suite for a client and publish its site.

    Parameters
    ----------
    params_path : str or Path
        The client's params file.
    brand, period, only : iterables of str
        Brands, periods and notebook ids to run; empty = all. With `only`, what those notebooks read is taken as it is.
    jobs : int
        Notebooks at a time; 0 = number of cores.
    fresh : bool
        Execute even what is up to date.
    dry_run : bool
        Plan only: nothing is executed, published or changed (but canonical tables are built to know what is stale).
    timeout : float
        Seconds a notebook may take; 0 = as suite.yaml says, else an hour.
    warm : bool
        Fork kernels from a warm parent where that is possible (Linux).
    draws : int
        Posterior draws per chain instead of the params'; 0 = the params'.
    on_progress : callable
        Called from worker threads with a `Progress`; must not raise.
    executor : Executor
        Where notebooks are executed; default threads of this process. Any other starts its kernels cold.

    Returns
    -------
    BatchReport
        Failures of notebooks are in it, not raised.

    Raises
    ------
    CxError
        Anything wrong with params, data, suite or names: nothing was executed (exit code 2).
    """
    began = time.perf_counter()
    tell = on_progress or (lambda progress: None)
    contents = suite.load()
    params = load(params_path, draws=draws)
    slots = _jobs(jobs)
    selection = planning.select(params, contents, only=only, brands=brand, periods_=period)  # before data is read
    with _lock(contents.root, params):
        fingerprint, store = runs.build_store(params, contents.root)
        tables = sorted({t for n in contents.notebooks for t in n.data})
        plan = planning.make(
            params,
            selection,
            params_file=_shown(Path(params_path), contents.root),
            suite=contents,
            store=runs.store_dir(contents.root, grammar.slug(params.client), fingerprint),
            fingerprint=fingerprint,
            partitions=store.partitions(tables),
            fresh=fresh,
        )
        if dry_run:
            return report_of(plan, None, began)
        close_abandoned(plan)
        execution, interrupted, warmth = _execute(
            plan, slots=slots, timeout=timeout, warm=warm, tell=tell, executor=executor
        )
        index, site_error = None, ""
        if not interrupted:
            tell(Progress("publishing", done=len(execution.ended), total=len(execution.ended)))
            try:
                from cxlab.batch.publish import publish

                index = publish(params, contents, keep=not fresh)
            except Exception as error:  # the runs stand, whatever is wrong with the site
                site_error = str(error) if isinstance(error, CxError) else f"{type(error).__name__}: {error}"
        runs.drop_old_stores(contents.root, grammar.slug(params.client))
        ended = report_of(plan, execution, began)
        return replace(ended, interrupted=interrupted, site=index, site_error=site_error, warm=warmth)


def site(params_path: str | Path) -> Path:
    """(Re)build the client's site from its runs without executing anything; returns the index page."""
    from cxlab.batch.publish import publish

    contents = suite.load()
    params = load(params_path)
    with _lock(contents.root, params):
        return publish(params, contents)


def load(params_path: str | Path, *, draws: int = 0) -> Params:
    """Load params with the operator's number of draws, if any."""
    return grammar.load(params_path, overrides={"model": {"draws": draws}} if draws else None)


def _shown(file: Path, root: Path) -> str:
    """Name the params file as pages may show it: from the repository's root, else without its folder."""
    file = file.resolve()
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _jobs(jobs: int) -> int:
    if jobs < 0:
        raise ParamsError(Problem("jobs must be positive", where="--jobs", value=str(jobs), allowed="1, 2, ..."))
    return jobs or os.cpu_count() or 1


def _execute(
    plan: Plan,
    *,
    slots: int,
    timeout: float,
    warm: bool,
    tell: Callable[[Progress], None],
    executor: Executor | None,
) -> tuple[Execution, bool, dict[str, Any]]:
    """Execute a plan; returns the execution, whether it was interrupted, and the report of the warm parent."""
    stale = plan.stale()
    environment = {**os.environ, **thread_environment(min(slots, max(len(stale), 1)))}
    environment.pop("JPY_PARENT_PID", None)  # of the session that calls us: kernels would take it for theirs
    workplace = Workplace()
    interrupted = False
    tools = Tools(workplace)
    execution = Execution(plan, tools, environment, timeout, tell)
    tools.on_cell = execution.on_cell
    try:
        with _terminable():
            try:
                if warm and sys.platform == "linux" and executor is None and len(stale) > 1:
                    tell(Progress("warming", total=len(stale)))
                    modules = modules_of(s.notebook.template for s in stale)
                    tools.warm = Warm(modules=modules, environment=environment, workplace=workplace)
                with contextlib.ExitStack() as stack:
                    pool = executor or stack.enter_context(ThreadPoolExecutor(slots, thread_name_prefix="notebook"))
                    execution.run(pool, slots=slots, local=executor is None)
            except KeyboardInterrupt:
                interrupted = True
    finally:
        warmth = dict(tools.warm.report or {}) if tools.warm else {}
        if tools.warm:
            tools.warm.close()
        workplace.close()
    return execution, interrupted, warmth


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let a scheduler's SIGTERM end the batch as Ctrl-C does: no kernel is left, what is done is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _lock(root: Path, params: Params) -> Iterator[None]:
    """Hold the client's lock: two batches at once would write the same runs."""
    folder = runs.client_dir(root, grammar.slug(params.client))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a+") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows has no flock; one operator is assumed there
            yield
            return
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            todo = "wait for it, or end it; the lock goes with the process"
            raise RunError(
                Problem("another batch works on this client", file=str(path), value=f"process {holder}", todo=todo)
            ) from None
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        try:
            yield
        finally:
            if list(folder.iterdir()) == [path]:  # nothing could be read: leave no trace
                path.unlink()
                folder.rmdir()
