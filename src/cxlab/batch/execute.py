"""Carry out a plan: a graph of notebooks over a `concurrent.futures.Executor`, a record and a manifest for each run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cxlab import params as grammar
from cxlab import runs
from cxlab.batch import engine, keys
from cxlab.batch.engine import Interrupt
from cxlab.batch.kernels import Warm, Workplace
from cxlab.batch.plan import Node, Plan, Step, Unit
from cxlab.params import reads

TIMEOUT = 3600.0  # seconds a notebook may take if neither suite.yaml nor the operator says
MANIFEST = ("status", "seconds", "attempts", "error", "cell", "key", "made_by", "artefacts")  # of a record
ATTEMPTS = 2  # a kernel that dies may have been unlucky (memory); one that dies twice was not


@dataclass(frozen=True)
class Progress:
    """What a display may show.

    Attributes
    ----------
    what : str
        `cell` (one starts), `done` (a notebook ended, was linked, or was skipped), `warming`, `publishing`.
    notebook, brand, period : str
    cell, cells : int
        One-based number of the cell and how many there are.
    status : str
        Of a notebook that is done; `linked` if its earlier result stands.
    seconds : float
    done, total : int
        Notebooks that ended and all of them.
    """

    what: str
    notebook: str = ""
    brand: str = ""
    period: str = ""
    cell: int = 0
    cells: int = 0
    status: str = ""
    seconds: float = 0.0
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Task:
    """One execution as plain data, so that it can travel to another process or machine."""

    node: Node
    template: Path
    folder: Path
    parameters: dict[str, Any]
    writes: tuple[str, ...]
    parts: dict[str, str]
    visible: Mapping[str, Any]
    environment: dict[str, str]
    timeout: float


@dataclass
class Tools:
    """What worker threads share; a worker on another machine makes its own."""

    workplace: Workplace
    warm: Warm | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    on_cell: Callable[[Node, int, int], None] = lambda node, cell, cells: None


def execute(task: Task, tools: Tools | None = None) -> runs.Record:
    """Execute one notebook, again if its kernel died; runs in a worker and never raises."""
    mine = tools or Tools(Workplace())
    folder, notebook = runs.Folder(task.folder), task.node.notebook
    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    warm = mine.warm if mine.warm and mine.warm.ready else None
    outcome, attempts = engine.Outcome("dead"), 0
    try:
        while outcome.status == "dead" and attempts < ATTEMPTS and not mine.interrupt.called.is_set():
            attempts += 1
            for name in task.writes:  # what an earlier attempt left behind
                folder.artefact(name, notebook).unlink(missing_ok=True)
            folder.notes(notebook).unlink(missing_ok=True)
            folder.take_reads(notebook)
            if outcome.error.startswith(engine.NOT_STARTED):  # a fork that never answered: a process of its own will
                warm = None
            outcome = engine.execute(
                task.template,
                folder.notebook(notebook),
                parameters=task.parameters,
                folder=mine.workplace.folder(),
                environment=task.environment,
                cwd=task.template.parent,
                timeout=task.timeout,
                warm=warm,
                on_cell=lambda cell, cells: mine.on_cell(task.node, cell, cells),
                interrupt=mine.interrupt,
            )
        status, error, artefacts = _verdict(folder, task, outcome, attempts)
    except Exception as error_:  # a full disk, a broken template: this notebook failed, the others go on
        outcome, status, error, artefacts = engine.Outcome("failed"), "failed", f"{type(error_).__name__}: {error_}", {}
    finally:
        if tools is None:
            mine.workplace.close()
    read = reads.digests(task.visible, folder.take_reads(notebook))
    return runs.Record(
        notebook=notebook,
        status=status,
        key=keys.key_of(task.parts, read),
        parts=task.parts,
        reads=read,
        seconds=round(time.perf_counter() - began, 3),
        started=started,
        attempts=attempts,
        warm=warm is not None,
        error=error,
        cell=outcome.cell,
        artefacts=artefacts,
        made_by=folder.run_id,
    )


def _verdict(
    folder: runs.Folder, task: Task, outcome: engine.Outcome, attempts: int
) -> tuple[str, str, dict[str, str]]:
    """Judge an execution by its end, by what it promised to write and by its diagnostics."""
    notebook = task.node.notebook
    status, error = outcome.status, outcome.error
    artefacts = [folder.artefact(name, notebook) for name in task.writes]
    missing = [name for name, path in zip(task.writes, artefacts, strict=True) if not path.is_file()]
    notes = runs.read_json(folder.notes(notebook)) if folder.notes(notebook).exists() else {}
    doubtful = [name for name, d in notes.get("diagnostics", {}).items() if not d.get("passed")]
    if status == "dead":
        status, error = "failed", f"{error}, {attempts} times" if attempts > 1 else error
    elif status == "ok" and missing:
        status, error = "failed", f"it ended without writing {', '.join(missing)}, promised in suite.yaml"
    elif status == "ok" and doubtful:
        status, error = "withheld", f"diagnostics did not pass: {', '.join(doubtful)}"
    kept = [folder.notebook(notebook), folder.notes(notebook)]
    if status in ("ok", "withheld"):
        kept += artefacts
    else:  # half of a result is no result
        for path in artefacts:
            path.unlink(missing_ok=True)
    return status, error, folder.hashes(kept)


@dataclass
class Execution:
    """State of a batch while it runs."""

    plan: Plan
    tools: Tools
    environment: Mapping[str, str]
    timeout: float
    on_progress: Callable[[Progress], None]
    ended: dict[Node, runs.Record] = field(default_factory=dict)
    executed: list[Node] = field(default_factory=list)
    linked: list[Node] = field(default_factory=list)

    def run(self, executor: Executor, *, slots: int, local: bool = True) -> None:
        """Work through the graph; `slots` notebooks at a time, in threads (`local`) or wherever `executor` works.

        Raises
        ------
        KeyboardInterrupt
            After all kernels were ended and all open runs closed.
        """
        waiting = {n: s for n, s in self.plan.steps.items() if s.node.unit in self.plan.new}
        running: dict[Future[runs.Record], Step] = {}
        left = {u: sum(n.unit == u for n in waiting) for u in self.plan.new}
        due: dict[Node, Step] = {}  # nothing in their way but a free slot and a parent that is ready
        try:
            while waiting or due or running:
                progressed = True
                while progressed:
                    progressed = False
                    busy = {*waiting, *due, *(s.node for s in running.values())}
                    for node, step in list(waiting.items()):
                        if any(need.node in busy for need in step.needs):
                            continue
                        del waiting[node]
                        record = self._settle(step)
                        if record is None:
                            due[node] = step
                        else:
                            progressed = True
                            self._end(step, record, left)
                importing = self.tools.warm is not None and self.tools.warm.busy
                for node, step in list(due.items()):
                    if len(running) < slots and not importing:
                        del due[node]
                        running[executor.submit(execute, self._task(step), self.tools if local else None)] = step
                pause = 0.2 if due and len(running) < slots else None  # then the parent still imports
                if pause and not running:
                    time.sleep(pause)
                done, _ = wait(running, timeout=pause, return_when=FIRST_COMPLETED)
                for future in done:
                    step = running.pop(future)
                    self.executed.append(step.node)
                    self._end(step, future.result(), left)
        except BaseException:
            self.tools.interrupt()
            wait(running)
            for future, step in running.items():
                if not future.cancelled() and future.exception() is None and future.result().settled:
                    self._end(step, future.result(), left)
            for unit in self.plan.new:
                self._close(unit, "interrupted")
            raise

    def _settle(self, step: Step) -> runs.Record | None:
        """Return the record of a step that needs no execution; None for one that does."""
        if step.state == "no_data" and not step.found:
            return runs.Record(step.node.notebook, "no_data", error=step.why)
        if step.state == "kept":
            return step.found[1] if step.found else runs.Record(step.node.notebook, "", error="not asked for")
        for need in step.needs:
            if need.optional:
                continue
            record = self.ended.get(need.node)
            if record is None and need.node.unit not in self.plan.new:
                found = self.plan.find(need.node)
                record = found[1] if found else None
            if record is not None and record.status == "no_data":
                return runs.Record(step.node.notebook, "no_data", error=f"{need.node.notebook} has no data")
            if record is None or not record.finished:
                ended = f"ended as {record.status}" if record and record.status else "has not run"
                todo = "" if need.node in self.plan.steps and record and record.status else "; run it as well"
                reason = f"{need.node.notebook}, which it reads from, {ended}{todo}"
                return runs.Record(step.node.notebook, "skipped", error=reason)
        step.parts["upstream"] = self.plan.upstream(step, self.ended)
        step.found = None if self.plan.fresh else self.plan.find(step.node, step.matches)
        return step.found[1] if step.found else None

    def _task(self, step: Step) -> Task:
        unit = step.node.unit
        folder = self._open(unit)
        parameters = {
            **self.plan.parameters[step.node.notebook],
            "params_file": self.plan.params_file,
            "brand": unit.brand,
            "period": unit.period,
            "run_dir": folder.path.relative_to(self.plan.root).as_posix(),  # pages show it: no path of this machine
        }
        return Task(
            step.node,
            step.notebook.template,
            folder.path,
            parameters,
            step.notebook.writes,
            dict(step.parts),
            step.visible,
            {**self.environment, "CXLAB_NOTEBOOK": step.node.notebook, "CXLAB_HOME": str(self.plan.root)},
            self.timeout or step.notebook.timeout or TIMEOUT,
        )

    def _end(self, step: Step, record: runs.Record, left: dict[Unit, int]) -> None:
        """Keep a record; close the run when it was the last of its unit."""
        unit = step.node.unit
        self.ended[step.node] = record
        linked = step.found is not None and record is step.found[1]
        if record.status:
            folder = self._open(unit)
            if linked and step.found:
                folder.adopt(record, step.found[0])
                self.linked.append(step.node)
            else:
                folder.save(record)
        left[unit] -= 1
        if left[unit] == 0:
            self._close(unit)
        self._tell("done", step.node, status="linked" if linked else record.status, seconds=record.seconds)

    def _open(self, unit: Unit) -> runs.Folder:
        """Return the unit's new run, made at first use."""
        folder = self.plan.targets[unit]
        if (folder.path / "context.json").exists():
            return folder
        plan = self.plan
        context = runs.context(
            plan.params,
            brand=unit.brand,
            period=unit.period,
            store=plan.store,
            places={p: str(self._place(unit, p) or "") for p in runs.PREFIXES},
            writers={w: n.id for n in plan.suite.notebooks for w in n.writes},
            writes={n.id: n.writes for n in plan.notebooks},
        )
        return folder.create(context)

    def _place(self, unit: Unit, prefix: str) -> Path | None:
        """Return the run a prefix of `reads` means for a unit."""
        if prefix == "previous":
            if not unit.period:
                return None
            before = grammar.periods.parse(unit.period, self.plan.params.periods.grain).previous().label
            other = Unit(before, unit.brand)
        else:
            other = unit.wider(prefix)
            if other == unit:
                return None
        place = self.plan.unit_dir(other)
        folder = self.plan.targets.get(other) or runs.latest(place, good=True) or runs.latest(place, good=False)
        return folder.path if folder else None

    def _close(self, unit: Unit, state: str = "") -> None:
        """Merge shared tables, write the manifest, make the run immutable."""
        folder = self.plan.targets[unit]
        if folder.closed or not (folder.path / "context.json").exists():
            return
        records = folder.records()
        for name in runs.SHARED:
            frames = [f for f in map(pd.read_parquet, folder.parts(name)) if len(f)]
            if folder.parts(name):
                whole = pd.concat(frames, ignore_index=True) if frames else pd.read_parquet(folder.parts(name)[0])
                runs.write_atomic(folder.table(name), lambda p, t=whole: t.to_parquet(p, index=False))  # type: ignore[misc]
        bad = [r for r in records.values() if r.status in ("failed", "timeout", "skipped")]
        notes = {n: runs.read_json(folder.notes(n)) for n in records if folder.notes(n).exists()}
        plan = self.plan
        folder.close(
            {
                "run_id": folder.run_id,
                "state": state or ("failed" if bad else "good"),
                "client": plan.params.client,
                "unit": next((s.notebook.unit for s in plan.of_unit(unit)), ""),
                "brand": unit.brand,
                "period": unit.period,
                "closed": datetime.now(UTC).isoformat(timespec="seconds"),
                "git_commit": runs.git_commit(plan.root),
                "versions": keys.versions(),
                "data": plan.fingerprint,
                "seed": plan.params.model.seed,
                "draws": plan.params.model.draws,
                "notebooks": {r.notebook: {k: getattr(r, k) for k in MANIFEST} for r in records.values()},
                **{
                    section: {n: v[section] for n, v in notes.items() if section in v}
                    for section in ("diagnostics", "sensitivity", "resources")
                },
                "params": grammar.dumps(plan.params),
            }
        )

    def on_cell(self, node: Node, cell: int, cells: int) -> None:
        """Tell that a cell starts; called in worker threads."""
        self._tell("cell", node, cell=cell, cells=cells)

    def _tell(self, what: str, node: Node, **more: Any) -> None:
        done = len(self.ended)
        total = sum(n.unit in self.plan.new for n in self.plan.steps)
        base = Progress(what, node.notebook, node.unit.brand, node.unit.period, done=done, total=total)
        self.on_progress(replace(base, **more))


def close_abandoned(plan: Plan) -> None:
    """Close runs that a killed batch left open: what they finished can be linked, and nothing can be added."""
    for unit in plan.units():
        for folder in runs.history(plan.unit_dir(unit)):
            if not folder.closed and os.access(folder.path, os.W_OK):
                notebooks = {r.notebook: {"status": r.status, "key": r.key} for r in folder.records().values()}
                folder.close({"run_id": folder.run_id, "state": "interrupted", "notebooks": notebooks})
