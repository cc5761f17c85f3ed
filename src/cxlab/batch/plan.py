"""What a batch will do: notebooks x units as one graph, and which of them are stale, and why. Nothing is executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxlab import params as grammar
from cxlab import runs
from cxlab.batch import keys
from cxlab.batch.suite import Notebook, Suite, upstream
from cxlab.errors import ParamsError, Problem, RunError
from cxlab.params import periods, reader
from cxlab.params.models import Params
from cxlab.params.notebook import declared_parameters, validate_notebook_parameters
from cxlab.vocab import ALL

GIVEN = ("params_file", "brand", "period", "run_dir")  # parameters every template has and the batch fills in


@dataclass(frozen=True, order=True)
class Unit:
    """What one execution is about; empty text where it spans all.

    Attributes
    ----------
    period, brand : str
        Period label and brand id (in this order, so that units sort by time).
    """

    period: str
    brand: str

    def __str__(self) -> str:
        return "/".join((self.brand or ALL, self.period or ALL))

    def wider(self, prefix: str) -> Unit:
        """Return the unit that a prefix of `reads` means."""
        if prefix == "client":
            return Unit("", "")
        return Unit("", self.brand) if prefix == "brand" else Unit(self.period, "")


@dataclass(frozen=True, order=True)
class Node:
    """One notebook for one unit."""

    unit: Unit
    notebook: str

    def __str__(self) -> str:
        return f"{self.notebook} {self.unit}"


@dataclass(frozen=True)
class Need:
    """An edge: what a node reads from."""

    node: Node
    optional: bool  # it runs without, when the other failed or has no data


@dataclass
class Step:
    """A node with all that is known before execution.

    Attributes
    ----------
    node, notebook
    needs : tuple of Need
    parts : dict
        Parts of its content key but for `upstream`.
    state : str
        `fresh` (its result is there), `stale`, `no_data`, or `kept` (not asked for: its last result is taken along).
    why : str
        Why it is stale, or has no data.
    found : tuple of (Folder, Record) or None
        The result that would be linked.
    """

    node: Node
    notebook: Notebook
    needs: tuple[Need, ...]
    parts: keys.Parts
    state: str = ""
    why: str = ""
    found: tuple[runs.Folder, runs.Record] | None = None
    key: str = ""


@dataclass
class Plan:
    """Everything a batch is going to do.

    Attributes
    ----------
    steps : dict
        In an order in which each comes after what it needs; by period, then as in suite.yaml.
    targets : dict
        Unit -> folder its notebooks will lie in: a new one, or the latest if nothing in it is stale.
    new : set of Unit
        Units that get a new run.
    parameters : dict
        Notebook -> parameters of its sidecar.
    """

    params: Params
    params_file: str
    root: Path
    suite: Suite
    notebooks: tuple[Notebook, ...]
    store: Path
    fingerprint: str
    steps: dict[Node, Step] = field(default_factory=dict)
    targets: dict[Unit, runs.Folder] = field(default_factory=dict)
    new: set[Unit] = field(default_factory=set)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    first: str = ""
    fresh: bool = False

    def unit_dir(self, unit: Unit) -> Path:
        """Return the folder of a unit."""
        brand = grammar.slug(unit.brand) if unit.brand else ""
        return runs.unit_dir(self.root, grammar.slug(self.params.client), brand, unit.period)

    def of_unit(self, unit: Unit) -> list[Step]:
        """Steps of one unit."""
        return [s for s in self.steps.values() if s.node.unit == unit]

    def units(self) -> list[Unit]:
        """Units in order."""
        return list(dict.fromkeys(n.unit for n in self.steps))

    def stale(self) -> list[Step]:
        """Steps that will be executed, as far as one can tell now."""
        return [s for s in self.steps.values() if s.state == "stale"]


def select(
    params: Params, suite: Suite, *, only: Iterable[str], brands: Iterable[str], periods_: Iterable[str]
) -> tuple[tuple[Notebook, ...], list[str], list[str], list[str]]:
    """Check the names an operator gave.

    Returns
    -------
    tuple
        Notebooks of this client; ids asked for; brand ids; period labels.

    Raises
    ------
    ParamsError
        With every name that is not legal and the nearest legal one.
    """
    problems: list[Problem] = []
    chosen: list[list[str]] = []
    for find, names in ((grammar.find_brand, brands), (grammar.find_period, periods_)):
        found = []
        for name in names:
            try:
                hit = find(params, name)
                found.append(hit if isinstance(hit, str) else hit.id)
            except ParamsError as error:
                problems += error.problems
        chosen.append(found)
    mine: tuple[Notebook, ...] = ()
    asked = list(only)
    try:
        mine = suite.select(profile=params.profile, ids=params.notebooks)
        Suite(suite.root, mine).select(profile=params.profile, ids=asked)
    except RunError as error:
        problems += error.problems
    if problems:
        raise ParamsError(problems)
    own = [b.id for b in grammar.own_brands(params)]
    labels = grammar.labels(params)
    return (
        mine,
        asked or [n.id for n in mine],
        [b for b in own if not chosen[0] or b in chosen[0]],
        [p for p in labels if not chosen[1] or p in chosen[1]],
    )


def make(
    params: Params,
    *,
    params_file: str,
    suite: Suite,
    store: Path,
    fingerprint: str,
    partitions: Mapping[tuple[str, str, str], str],
    only: Iterable[str] = (),
    brands: Iterable[str] = (),
    periods_: Iterable[str] = (),
    fresh: bool = False,
) -> Plan:
    """Plan a batch.

    Parameters
    ----------
    params : Params
    params_file : str
        As the user named it.
    store, fingerprint
        The canonical tables (see `cxlab.runs.build_store`).
    partitions : mapping
        (table, brand, period) -> content hash.
    only, brands, periods_ : iterables of str
        Notebooks, brands, periods asked for; empty = all.
    fresh : bool
        Execute what was asked for even if its result is there.

    Raises
    ------
    ParamsError
        Names that are not legal, parameters a template does not declare.
    """
    only, brands, periods_ = list(only), list(brands), list(periods_)
    mine, asked, chosen_brands, chosen_periods = select(params, suite, only=only, brands=brands, periods_=periods_)
    plan = Plan(params, params_file, suite.root, suite, mine, store, fingerprint, fresh=fresh)
    plan.first = params.periods.history_from or params.periods.first
    plan.parameters = sidecars(mine)
    nodes = _nodes(mine, chosen_brands, chosen_periods, narrowed=bool(brands or periods_))
    code = keys.of_code()
    templates = {n.id: keys.of_template(n, plan.parameters[n.id]) for n in mine}
    by_id = {n.id: n for n in mine}
    for node in nodes:
        notebook = by_id[node.notebook]
        last = node.unit.period or params.periods.last
        data, own = keys.of_data(partitions, notebook, brand=node.unit.brand, first=plan.first, last=last)
        step = Step(
            node,
            notebook,
            _needs(node, notebook, mine, params),
            {
                "template": templates[notebook.id],
                "params": keys.of_params(params, brand=node.unit.brand, period=node.unit.period),
                "data": data,
                "code": code,
            },
        )
        if notebook.data and not own:
            step.state, step.why = "no_data", "no rows in " + ", ".join(notebook.data)
        elif notebook.id not in asked:
            step.state = "kept"
        plan.steps[node] = step
    for step in plan.steps.values():
        judge(plan, step)
    for unit in plan.units():
        _target(plan, unit)
    return plan


def _nodes(notebooks: tuple[Notebook, ...], brands: list[str], labels: list[str], *, narrowed: bool) -> list[Node]:
    """Return all nodes, each after what it needs: by period, units that span all first, then as in the suite."""
    out = []
    for notebook in notebooks:
        over_brands = brands if notebook.unit in ("brand_period", "brand") else [""]
        over_periods = labels if notebook.unit in ("brand_period", "period") else [""]
        out += [Node(Unit(p, b), notebook.id) for p in over_periods for b in over_brands]
    if narrowed:  # of the units that span more than what was asked for, only those that something reads
        kinds = {n.id: n.unit for n in notebooks}
        read: set[str] = set()
        for notebook in reversed(notebooks):
            if notebook.unit == "brand_period" or notebook.id in read:
                read |= {u.id for r in notebook.reads for u in upstream(notebook, r, notebooks)}
        out = [n for n in out if kinds[n.notebook] == "brand_period" or n.notebook in read]
    order = {n.id: i for i, n in enumerate(notebooks)}
    spans = {n.id: n.unit in ("client", "brand") for n in notebooks}
    return sorted(out, key=lambda n: (not spans[n.notebook], n.unit.period, order[n.notebook], n.unit.brand))


def _needs(node: Node, notebook: Notebook, notebooks: tuple[Notebook, ...], params: Params) -> tuple[Need, ...]:
    out: dict[Node, Need] = {}
    for read in notebook.reads:
        if read.prefix == "previous":
            before = periods.parse(node.unit.period, params.periods.grain).previous().label
            unit, optional = Unit(before, node.unit.brand), True
            if before < params.periods.first:
                continue
        else:
            unit, optional = (node.unit.wider(read.prefix) if read.prefix else node.unit), read.optional
        for other in upstream(notebook, read, notebooks):
            target = Node(unit, other.id)
            if target not in out or not optional:
                out[target] = Need(target, optional)
    return tuple(out.values())


def judge(plan: Plan, step: Step) -> None:
    """Decide whether a step's result is there already, assuming that everything stale before it will succeed."""
    if step.state == "no_data":
        return
    blocked = [n.node for n in step.needs if not n.optional and _state(plan, n.node) == "no_data"]
    if blocked:
        step.state, step.why = "no_data", f"{blocked[0].notebook} has no data"
        return
    step.parts["upstream"] = upstream_part(plan, step, {})
    step.key = keys.key(step.parts)
    if step.state == "kept":
        step.found = find(plan, step.node, "")
        step.why = "" if step.found else "not asked for and never run"
        return
    step.found = None if plan.fresh else find(plan, step.node, step.key)
    if step.found:
        record = step.found[1]
        step.state = "no_data" if record.status == "no_data" else "fresh"
        step.why = record.error if step.state == "no_data" else ""
        return
    last = next(
        (r for f in runs.history(plan.unit_dir(step.node.unit)) if (r := f.records().get(step.node.notebook))), None
    )
    step.state = "stale"
    step.why = (
        "asked for afresh"
        if plan.fresh
        else "it has not run yet"
        if last is None
        else f"it ended as {last.status}"
        if not last.settled
        else keys.changed(step.parts, last.parts)
    )


def _state(plan: Plan, node: Node) -> str:
    return plan.steps[node].state if node in plan.steps else ""


def upstream_part(plan: Plan, step: Step, ended: Mapping[Node, runs.Record]) -> str:
    """Hash the keys of what a step reads from; what is not there counts as absent, so its coming makes the step stale.

    Parameters
    ----------
    ended : mapping
        How nodes of this batch ended; those not in it are taken from the plan.
    """
    out = {}
    for need in step.needs:
        key = "absent"
        if need.node in ended:
            record = ended[need.node]
            key = record.key if record.finished else "absent"
        elif need.node in plan.steps and plan.steps[need.node].state in ("stale", "fresh"):
            key = plan.steps[need.node].key
        elif found := find(plan, need.node, ""):
            key = found[1].key if found[1].finished else "absent"
        out[str(need.node)] = key
    return keys.digest(out)


def find(plan: Plan, node: Node, key: str) -> tuple[runs.Folder, runs.Record] | None:
    """Return the newest result of a node under `key` (any, if empty) whose files are as they were written."""
    for folder in runs.history(plan.unit_dir(node.unit)):
        record = folder.records().get(node.notebook)
        if record and record.settled and (not key or record.key == key) and folder.intact(record):
            return folder, record
    return None


def _target(plan: Plan, unit: Unit) -> None:
    """Choose the folder of a unit: its latest run if that holds exactly what is wanted, else a new one."""
    steps = plan.of_unit(unit)
    folder = runs.latest(plan.unit_dir(unit), good=True)
    wanted = {s.node.notebook: s.found[1] for s in steps if s.found}
    if folder and all(s.state != "stale" for s in steps):
        held = {k: (r.key, r.artefacts) for k, r in folder.records().items() if r.status != "no_data" or r.key}
        if held == {k: (r.key, r.artefacts) for k, r in wanted.items()} and folder == runs.latest(
            plan.unit_dir(unit), good=False
        ):
            plan.targets[unit] = folder
            return
    # A unit without data gets a run that says so, once: the site lists it from there.
    newest = runs.latest(plan.unit_dir(unit), good=False)
    nothing = all(s.state == "no_data" and not s.found for s in steps)
    if (
        nothing
        and newest
        and {k: r.status for k, r in newest.records().items()} == {s.node.notebook: "no_data" for s in steps}
    ):
        plan.targets[unit] = newest
        return
    if nothing or any(s.state == "stale" or s.found for s in steps):
        content = "".join(s.key for s in steps)
        plan.targets[unit] = runs.Folder(plan.unit_dir(unit) / runs.new_run_id(plan.unit_dir(unit), content))
        plan.new.add(unit)


def sidecars(notebooks: Iterable[Notebook]) -> dict[str, dict[str, Any]]:
    """Read the parameters beside each template (``<id>.yaml``) and check them, with those the batch gives.

    Raises
    ------
    ParamsError
        A template without the four parameters of the batch, unknown names, wrong types: all at once.
    """
    import nbformat

    problems: list[Problem] = []
    out: dict[str, dict[str, Any]] = {}
    for notebook in notebooks:
        name = f"notebooks/templates/{notebook.template.name}"
        cells = nbformat.read(notebook.template, as_version=4).cells
        cell = next((c for c in cells if "parameters" in c.metadata.get("tags", [])), None)
        if cell is None:
            todo = "tag the cell that holds the parameters `parameters`"
            problems.append(Problem("the template has no parameters cell", name, todo=todo))
            continue
        beside = notebook.template.with_suffix(".yaml")
        given: dict[str, Any] = {}
        if beside.is_file():
            doc = reader.read(beside, f"notebooks/templates/{beside.name}")
            problems += doc.problems
            given = doc.data
            problems += [
                Problem("the batch fills this parameter in", doc.name, doc.places[k,][1], k, todo="remove it")
                for k in GIVEN
                if k in given
            ]
        try:
            declared = declared_parameters(cell.source)
            probe = {**given, **dict.fromkeys(GIVEN, "")}
            checked = validate_notebook_parameters(declared, probe, notebook=name)
            out[notebook.id] = {k: v for k, v in checked.items() if k not in GIVEN}
        except ParamsError as error:
            problems += error.problems
    if problems:
        raise ParamsError(problems)
    return out
