"""What a batch says at its end, for people, programs and schedulers."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cxlab.batch.execute import Execution
from cxlab.batch.plan import Plan
from cxlab.errors import EXIT_FAILED, EXIT_OK


@dataclass(frozen=True)
class Failure:
    """A notebook that did not give its result.

    Attributes
    ----------
    notebook, brand, period : str
        Brand and period are empty where the unit spans all.
    status : str
        `failed`, `timeout` or `skipped`.
    reason : str
        In plain words.
    cell : str
        Id of the failing cell.
    path : Path
        The executed notebook, saved up to the failing cell; the run folder if it was skipped.
    """

    notebook: str
    brand: str
    period: str
    status: str
    reason: str
    cell: str
    path: Path

    def __str__(self) -> str:
        place = "/".join(p for p in (self.brand, self.period) if p) or "all"
        return f"{self.notebook} {place}: {self.status}: {self.reason}"


@dataclass(frozen=True)
class Planned:
    """One line of a plan.

    Attributes
    ----------
    state : str
        `stale` (will be executed), `fresh`, `no_data` or `kept` (not asked for).
    why : str
        Why it is stale or has no data.
    """

    notebook: str
    brand: str
    period: str
    state: str
    why: str


@dataclass(frozen=True)
class BatchReport:
    """The end of a batch.

    Attributes
    ----------
    counts : dict
        Status -> number of notebooks; `linked` = an earlier result stands, `fresh` = its whole run stands.
    executed : tuple of str
        Notebooks executed, as ``<notebook> <brand>/<period>``.
    failures : tuple of Failure
        Those that failed first, then those skipped because of them.
    plan : tuple of Planned
    runs : tuple of Path
        New run folders.
    site : Path or None
        Index page; None if nothing was published.
    site_error : str
        Why publication failed; empty otherwise.
    exit_code : int
        0 all good, 1 something failed, 130 interrupted. (2 is raised as an error: nothing ran.)
    seconds : float
        Wall time of the whole batch.
    warm : dict
        Seconds of imports of the warm parent, and what it could not load. Empty if cold.
    """

    client: str
    dry_run: bool
    counts: dict[str, int]
    executed: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    plan: tuple[Planned, ...] = ()
    runs: tuple[Path, ...] = ()
    site: Path | None = None
    site_error: str = ""
    interrupted: bool = False
    seconds: float = 0.0
    warm: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What a scheduler looks at."""
        if self.interrupted:
            return 130
        return EXIT_FAILED if self.failures or self.site_error else EXIT_OK

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""

        def plain(value: Any) -> Any:
            if isinstance(value, Path):
                return str(value)
            if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
            return [plain(v) for v in value] if isinstance(value, list | tuple) else value

        return {**{k: plain(v) for k, v in asdict(self).items()}, "exit_code": self.exit_code}


def report_of(plan: Plan, execution: Execution | None, began: float) -> BatchReport:
    """Return the report of a plan, or of its execution; `began` is when the batch began, by `time.perf_counter`."""
    planned = tuple(Planned(n.notebook, n.unit.brand, n.unit.period, s.state, s.why) for n, s in plan.steps.items())
    report = BatchReport(plan.params.client, execution is None, {}, plan=planned)
    if execution is None:
        states = [p.state for p in planned]
    else:
        linked = set(execution.linked)
        states = ["linked" if n in linked else r.status for n, r in execution.ended.items()]
        states += [s.state for n, s in plan.steps.items() if n not in execution.ended and s.state != "stale"]
        failures = []
        for node, record in execution.ended.items():
            if record.status in ("failed", "timeout", "skipped"):
                folder, unit = plan.targets[node.unit], node.unit
                path = folder.notebook(node.notebook)
                what = (node.notebook, unit.brand, unit.period, record.status, record.error, record.cell)
                failures.append(Failure(*what, path if path.is_file() else folder.path))
        report = replace(
            report,
            executed=tuple(map(str, execution.executed)),
            failures=tuple(sorted(failures, key=lambda f: f.status == "skipped")),
            runs=tuple(plan.targets[u].path for u in sorted(plan.new) if plan.targets[u].path.exists()),
        )
    counts = dict(Counter(s for s in states if s).most_common())
    return replace(report, counts=counts, seconds=round(time.perf_counter() - began, 3))
