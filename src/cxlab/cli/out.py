"""What the command line prints: problems, JSON, the progress and the end of a batch."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cxlab.errors import Problem

if TYPE_CHECKING:
    from rich.progress import TaskID

    from cxlab.alerts.watch import Result
    from cxlab.batch import BatchReport, Progress
    from cxlab.connect import Checkup
    from cxlab.params import Params


# words for the end of a batch that do not explain themselves
MEANT = {"kept": " (not asked for, last result)", "stale": " (to be executed)"}
MEANT |= dict.fromkeys(("fresh", "linked"), " (up to date)")
QUIET = 10.0  # seconds without a line after which the screen says what is being done
REASONS = 20  # told one by one; the others are counted


def plain(text: str) -> str:
    """Return text with control characters spelled out: client text cannot move the cursor or colour the screen."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str = "") -> None:
    """Print a line for readers."""
    print(plain(text), flush=True)


def say_json(data: Any) -> None:
    """Print one JSON object for programs."""
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str), flush=True)


def report(problems: list[Problem], *, as_json: bool = False) -> None:
    """Print problems: to stderr for readers, as JSON to stdout for programs."""
    if as_json:
        say_json({"ok": False, "problems": [p.as_dict() for p in problems]})
        return
    for problem in problems:
        print(block(problem), file=sys.stderr)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print(f"{count}; nothing was run.", file=sys.stderr)


def block(problem: Problem) -> str:
    """Return one problem as a few plain lines."""
    place = ":".join(x for x in (problem.file, str(problem.line) if problem.line else "") if x)
    head = "  ".join(x for x in (place, problem.where) if x)
    lines = [head, f"  {problem.what}"] if head else [problem.what]
    for name, value in (("found", problem.value), ("allowed", problem.allowed)):
        if value:
            lines.append(f"  {name}: {value}")
    if problem.nearest:
        lines.append(f"  did you mean {problem.nearest!r}?")
    if problem.todo:
        lines.append(f"  -> {problem.todo}")
    return "\n".join(plain(x) for x in lines)


def accounts(look: Checkup) -> None:
    """Print what became of every row, how well the lookups match, and what else a reader should know."""
    sums: dict[str, list[int]] = {}
    for line in look.reconciliation:
        counts = sums.setdefault(f"{line['source']} -> {line['table'] or 'lookups'}", [0, 0, 0, 0])
        for i, name in enumerate(("rows_in", "rows_used", "rows_out_of_scope", "rows_rejected")):
            counts[i] += line[name]
    for name, (total, used, out, rejected) in sums.items():
        say(f"  rows     {name}: {total:,} = {used:,} used + {out:,} out of scope + {rejected:,} rejected")
    rejected_for(look.rejects)
    for link in look.links:
        say(f"  link     {link['lookup']}: {link['matched']:,} of {link['rows']:,} rows ({link['rate']:.1%})")
    for notice in look.notices:
        say(f"  note     {notice}")


def rejected_for(rejects: list[dict[str, Any]]) -> None:
    """Print why rows and values were rejected: a line a source, column and reason, with the first of them."""
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for r in rejects:  # reasons that differ in a number only, such as the line of a row's twin, are one
        alike = (r["source"], r["table"] or "lookups", r["column"] or "", re.sub(r"\d+", "#", str(r["reason"])))
        kinds.setdefault(alike, []).append(r)
    sums = {key: sum(r["n"] for r in found) for key, found in kinds.items()}
    order = sorted(kinds, key=lambda key: (-sums[key], key))
    for key in order[:REASONS]:
        source, table, column, _ = key
        one = min(kinds[key], key=lambda r: (str(r["file"] or ""), r["line"] or 0))
        value = "" if one["value"] is None else f": {str(one['value'])[:80]!r}"
        place = ":".join(str(x) for x in (one["file"], one["line"]) if x)
        times = f"{sums[key]:,} times, first " if sums[key] > 1 else ""
        where = f"{source} -> {table}" + (f" {column}" if column else "")
        say(f"  reject   {where}: {one['reason']} ({times}{place}{value})")
    if len(order) > REASONS:
        rest = sum(sums[key] for key in order[REASONS:])
        say(f"  reject   and {rest:,} more for {len(order) - REASONS} further reasons")


def alarms(found: Result, client: Params) -> None:
    """Print what is new: a line an alarm, with how sure it is, and how many answers want a call."""
    from cxlab.params import items, text

    rule = client.alerts
    asked = items(client)
    names = {b.id: text(b.label, "en", b.id) for b in client.brands}
    for alarm in found.alarms:
        question = text(asked[alarm["item"]].label or client.item_labels.get(alarm["item"]), "en", alarm["item"])
        unit = " points" if alarm["metric"] == "nps" else " % satisfied"
        place = f" ({alarm['part'].replace('=', ' ')})" if alarm["part"] else ""
        bound = alarm["bound"]
        sure = f" (false with probability {bound:.2g} at most, by a bound alone)" if bound and bound < 0.05 else ""
        head = f"ALARM  {names.get(alarm['brand'], alarm['brand'])}, {question}{place}"
        if alarm["kind"] == "change":
            word = "fell" if alarm["after"] < alarm["before"] else "rose"
            what = f"{word} from {alarm['before']:.0f} to {alarm['after']:.0f}{unit}"
        else:
            what = f"is {alarm['kind']} the limit of {alarm['limit_value']:.0f}: {alarm['after']:.0f}{unit}"
        say(f"{head}: {what} since the week of {alarm['since']}, clear in the week of {alarm['found']}{sure}")
    watched = len(found.watched)
    wolf = f"a rule cries wolf within {rule.horizon} weeks with probability {rule.rate:.0%}"
    expected = f"of {watched} rules {watched * rule.rate:.1f} are expected to" if watched > 1 else ""
    new, streams = len(found.alarms), "1 stream" if watched == 1 else f"{watched} streams"
    say(f"{client.client}: {new} new alarm{'s' * (new != 1)}; {streams} watched since {found.since}")
    say(f"  rate     {wolf}{'; ' + expected if expected else ''}")
    if found.settling:
        say(f"  settling {len(found.settling)} streams are too young: {'; '.join(found.settling[:3])}")
    say(f"  care     {len(found.care)} new answers want a call")
    say(f"  files    {found.folder}/alarms.csv, care.csv, alerts.json")


@contextlib.contextmanager
def progress(first: str = "reading data", *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Give a callback that shows a batch: bars on a terminal, one line a notebook elsewhere; on stderr."""
    if quiet:
        yield lambda event: None
        return
    with _bars(first) if sys.stderr.isatty() else _lines(first) as show:
        yield show


@contextlib.contextmanager
def _lines(first: str) -> Iterator[Callable[[Progress], None]]:
    """Print a line for each notebook that ended; where none ends for a while, what is being done."""
    doing, over, last = {"": first}, threading.Event(), time.monotonic()

    def tell(line: str) -> None:
        nonlocal last
        last = time.monotonic()
        print(plain(line), file=sys.stderr, flush=True)

    def show(event: Progress) -> None:
        name = f"{event.notebook} {_place(event)}"
        if event.what == "cell":
            doing.pop("", None)
            doing[name] = f"{name} (cell {event.cell} of {event.cells})"
            return
        doing.pop(name, None)
        if event.what != "done":
            doing[""] = _line(event)
        tell(_line(event))

    def watch() -> None:
        while not over.wait(QUIET / 10):
            if doing and time.monotonic() - last > QUIET:
                tell("... " + ", ".join(list(doing.values())))

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield show
    finally:
        over.set()
        thread.join()


def _place(event: Progress) -> str:
    return "/".join(x for x in (event.brand, event.period) if x) or "all"


def _line(event: Progress) -> str:
    if event.what == "done":
        seconds = f"{event.seconds:6.1f} s" if event.seconds else ""
        status = event.status or "not asked for"
        return f"[{event.done}/{event.total}] {event.notebook} {_place(event)} {status} {seconds}".rstrip()
    return {"warming": "warming kernels", "publishing": "publishing"}.get(event.what, "")


@contextlib.contextmanager
def _bars(first: str) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        whole = bars.add_task(first, total=None)
        running: dict[tuple[str, str, str], TaskID] = {}

        def show(event: Progress) -> None:
            key = (event.notebook, event.brand, event.period)
            name = escape(plain(f"{event.notebook} {_place(event)}"))
            if event.what == "cell":
                if key not in running:
                    running[key] = bars.add_task(f"  {name}", total=event.cells)
                bars.update(running[key], completed=max(event.cell - 1, 0), total=event.cells)
            elif event.what == "done":
                if key in running:
                    bars.remove_task(running.pop(key))
                bars.update(whole, description="notebooks", completed=event.done, total=event.total)
                if event.status not in ("ok", "linked"):
                    console.print(f"{name} {event.status}", highlight=False)
            else:
                bars.update(whole, description=_line(event), total=event.total or None, completed=event.done)

        yield show


def finish(result: BatchReport) -> None:
    """Print how a batch ended."""
    counts = dict(result.counts)
    if result.dry_run:
        for step in result.plan:
            place = "/".join(x for x in (step.brand, step.period) if x) or "all"
            state = step.state
            if state == "kept" and step.why:  # there is nothing to keep
                state = "left out"
                counts["kept"] = counts.get("kept", 0) - 1
                counts[state] = counts.get(state, 0) + 1
            say(f"{state:<8} {step.notebook:<18} {place:<20} {step.why}".rstrip())
    said = ", ".join(f"{n} {status}{MEANT.get(status, '')}" for status, n in counts.items() if n > 0)
    said = said or "nothing to do"
    if result.dry_run:
        say(f"{result.client}: {said}; a dry run, nothing was executed")
        return
    for failure in result.failures:
        say(str(failure))
        if failure.status != "skipped":
            say(f"  {failure.path}{f'#{failure.cell}' if failure.cell else ''}")
    if result.site_error:
        say(f"the site could not be published: {result.site_error}")
    say(f"{result.client}: {said} in {result.seconds:.0f} s")
    if result.interrupted:
        say("interrupted; the same command goes on where it stopped")
    if result.site is not None:
        say(f"report: {result.site}")
        say(f"        {result.site.as_uri()}")
