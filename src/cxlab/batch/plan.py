"""What a batch will do: notebooks x units as one graph, and which of them are stale, and why. Nothing is executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxlab import params as grammar
from cxlab import runs
from cxlab.batch import keys
from cxlab.batch.suite import Notebook, Suite, upstream
from cxlab.errors import ParamsError, Problem, nearest
from cxlab.params import periods, reader, reads
from cxlab.params.models import Params
from cxlab.params.notebook import declared_parameters, validate_notebook_parameters
from cxlab.vocab import ALL

GIVEN = ("params_file", "brand", "period", "run_dir")  # parameters every template has and the batch fills in
Found = tuple[runs.Folder, runs.Record]


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
        Parts of its content key but for what it reads of the params.
    visible : dict
        What its unit may see of the params (`keys.visible_params`).
    state : str
        `fresh` (its result is there), `stale`, `no_data`, or `kept` (not asked for: its last result is taken along).
    why : str
        Why it is stale, or has no data.
    found : tuple of (Folder, Record) or None
        The result that would be linked.
    key : str
        Of a stale step: as it would be if it read the params that it read last.
    """

    node: Node
    notebook: Notebook
    needs: tuple[Need, ...]
    parts: keys.Parts
    visible: Mapping[str, Any]
    state: str = ""
    why: str = ""
    found: Found | None = None
    key: str = ""

    def reads(self, record: runs.Record | None) -> dict[str, str]:
        """Return the values of today of the params that an earlier execution read."""
        return reads.digests(self.visible, reads.paths(record.reads if record else ()))

    def matches(self, record: runs.Record) -> bool:
        """Whether executing it now would give what is recorded."""
        return record.key == keys.key_of(self.parts, self.reads(record))


@dataclass
class Plan:
    """Everything a batch is going to do.

    Attributes
    ----------
    notebooks : tuple of Notebook
        Those of this client.
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
    suite: Suite
    notebooks: tuple[Notebook, ...]
    store: Path
    fingerprint: str
    fresh: bool = False
    steps: dict[Node, Step] = field(default_factory=dict)
    targets: dict[Unit, runs.Folder] = field(default_factory=dict)
    new: set[Unit] = field(default_factory=set)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Folder that holds ``notebooks/`` and ``runs/``."""
        return self.suite.root

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

    def find(self, node: Node, wanted: Callable[[runs.Record], bool] = lambda record: True) -> Found | None:
        """Return the newest result of a node that is `wanted` and whose files are as they were written."""
        for folder in runs.history(self.unit_dir(node.unit)):
            record = folder.records().get(node.notebook)
            if record and record.settled and wanted(record) and folder.intact(record):
                return folder, record
        return None

    def upstream(self, step: Step, ended: Mapping[Node, runs.Record]) -> str:
        """Hash the keys of what a step reads from; what is absent counts as such, so its coming makes the step stale.

        Parameters
        ----------
        ended : mapping
            How nodes of this batch ended; those not in it are taken from the plan.
        """
        out = {}
        for need in step.needs:
            planned = self.steps.get(need.node)
            if planned and need.node not in ended and planned.state in ("stale", "fresh"):
                out[str(need.node)] = planned.key
                continue
            record = ended.get(need.node)
            if record is None and (found := self.find(need.node)):
                record = found[1]
            out[str(need.node)] = record.key if record and record.finished else "absent"
        return keys.digest(out)


@dataclass(frozen=True)
class Selection:
    """What an operator asks for, checked: the client's notebooks, ids of those asked for, brands, periods."""

    notebooks: tuple[Notebook, ...]
    asked: tuple[str, ...]
    brands: tuple[str, ...]
    periods: tuple[str, ...]
    narrowed: bool


def select(
    params: Params,
    suite: Suite,
    *,
    only: Iterable[str] = (),
    brands: Iterable[str] = (),
    periods_: Iterable[str] = (),
) -> Selection:
    """Check the names an operator gave and those of the params.

    Raises
    ------
    ParamsError
        With every name that is not legal and the nearest legal one.
    """
    problems: list[Problem] = []
    chosen: list[list[str]] = []
    for find, names in ((grammar.find_brand, brands), (grammar.find_period, periods_)):
        ids = []
        for name in names:
            try:
                hit = find(params, name)
                ids.append(hit if isinstance(hit, str) else hit.id)
            except ParamsError as error:
                problems += error.problems
        chosen.append(ids)
    of_profile = [n for n in suite.notebooks if params.profile in n.profiles]
    mine = tuple(n for n in of_profile if params.notebooks is None or n.id in params.notebooks)
    asked = tuple(only)
    for key, wanted, legal in (("notebooks", params.notebooks or (), of_profile), ("--only", asked, mine)):
        known = [n.id for n in legal]
        for index, name in enumerate(wanted):
            if name not in known:
                file, line = grammar.place(params, key, index)
                allowed, hint = ", ".join(known), nearest(name, known)
                problems.append(Problem("there is no such notebook", file, line, key, repr(name), allowed, hint))
    if problems:
        raise ParamsError(problems)
    own = (b.id for b in grammar.own_brands(params))
    return Selection(
        mine,
        asked or tuple(n.id for n in mine),
        tuple(b for b in own if not chosen[0] or b in chosen[0]),
        tuple(p for p in grammar.labels(params) if not chosen[1] or p in chosen[1]),
        narrowed=bool(chosen[0] or chosen[1]),
    )


def make(
    params: Params,
    selection: Selection,
    *,
    params_file: str,
    suite: Suite,
    store: Path,
    fingerprint: str,
    partitions: Mapping[tuple[str, str, str], str],
    fresh: bool = False,
) -> Plan:
    """Plan a batch.

    Parameters
    ----------
    params : Params
    selection : Selection
        What was asked for.
    params_file : str
        As the user named it.
    store, fingerprint
        The canonical tables (see `cxlab.runs.build_store`).
    partitions : mapping
        (table, brand, period) -> content hash.
    fresh : bool
        Execute what was asked for even if its result is there.

    Raises
    ------
    ParamsError
        Parameters that a template does not declare.
    """
    plan = Plan(params, params_file, suite, selection.notebooks, store, fingerprint, fresh)
    plan.parameters = sidecars(plan.notebooks)
    first = params.periods.history_from or params.periods.first
    code = keys.of_code()
    templates = {n.id: keys.of_template(n, plan.parameters[n.id]) for n in plan.notebooks}
    notebooks = {n.id: n for n in plan.notebooks}
    visible: dict[Unit, dict[str, Any]] = {}
    for node in _nodes(selection):
        notebook, unit = notebooks[node.notebook], node.unit
        last = unit.period or params.periods.last
        data, own = keys.of_data(partitions, notebook, brand=unit.brand, first=first, last=last)
        if unit not in visible:
            visible[unit] = keys.visible_params(params, brand=unit.brand, period=unit.period)
        parts = {"template": templates[notebook.id], "data": data, "code": code}
        step = Step(node, notebook, _needs(node, notebook, plan.notebooks, params), parts, visible[unit])
        if notebook.data and not own:
            step.state, step.why = "no_data", "no rows in " + ", ".join(notebook.data)
        elif notebook.id not in selection.asked:
            step.state = "kept"
        plan.steps[node] = step
    for step in plan.steps.values():
        _judge(plan, step)
    for unit in plan.units():
        _target(plan, unit)
    return plan


def _nodes(selection: Selection) -> list[Node]:
    """Return all nodes, each after what it needs: by period, units that span all first, then as in the suite."""
    out = []
    for notebook in selection.notebooks:
        over_brands = selection.brands if notebook.unit in ("brand_period", "brand") else ("",)
        over_periods = selection.periods if notebook.unit in ("brand_period", "period") else ("",)
        out += [Node(Unit(p, b), notebook.id) for p in over_periods for b in over_brands]
    kinds = {n.id: n.unit for n in selection.notebooks}
    if selection.narrowed:  # of the units that span more than what was asked for, only those that something reads
        read: set[str] = set()
        for notebook in reversed(selection.notebooks):
            if notebook.unit == "brand_period" or notebook.id in read:
                read |= {u.id for r in notebook.reads for u in upstream(notebook, r, selection.notebooks)}
        out = [n for n in out if kinds[n.notebook] == "brand_period" or n.notebook in read]
    order = {n.id: i for i, n in enumerate(selection.notebooks)}
    spans = {i for i, kind in kinds.items() if kind in ("client", "brand")}
    return sorted(out, key=lambda n: (n.notebook not in spans, n.unit.period, order[n.notebook], n.unit.brand))


def _needs(node: Node, notebook: Notebook, notebooks: tuple[Notebook, ...], params: Params) -> tuple[Need, ...]:
    out: dict[Node, Need] = {}
    for read in notebook.reads:
        unit, optional = (node.unit.wider(read.prefix) if read.prefix else node.unit), read.optional
        if read.prefix == "previous":
            before = periods.parse(node.unit.period, params.periods.grain).previous().label
            unit, optional = Unit(before, node.unit.brand), True
            if before < params.periods.first:
                continue
        for other in upstream(notebook, read, notebooks):
            target = Node(unit, other.id)
            if target not in out or not optional:
                out[target] = Need(target, optional)
    return tuple(out.values())


def _judge(plan: Plan, step: Step) -> None:
    """Decide whether a step's result is there already, assuming that everything stale before it will succeed."""
    if step.state == "no_data":
        return
    needed = [n.node for n in step.needs if not n.optional and n.node in plan.steps]
    if blocked := [n for n in needed if plan.steps[n].state == "no_data"]:
        step.state, step.why = "no_data", f"{blocked[0].notebook} has no data"
        return
    step.parts["upstream"] = plan.upstream(step, {})
    if step.state == "kept":
        step.found = plan.find(step.node)
        step.why = "" if step.found else "not asked for and never run"
        return
    if not plan.fresh and (found := plan.find(step.node, step.matches)):
        step.found, step.key = found, found[1].key
        step.state = "no_data" if found[1].status == "no_data" else "fresh"
        step.why = found[1].error if step.state == "no_data" else ""
        return
    folders = runs.history(plan.unit_dir(step.node.unit))
    last = next((r for f in folders if (r := f.records().get(step.node.notebook))), None)
    now = step.reads(last)
    step.state, step.key = "stale", keys.key_of(step.parts, now)
    if plan.fresh:
        step.why = "asked for afresh"
    elif last is None:
        step.why = "it has not run yet"
    elif not last.settled:
        step.why = f"it ended as {last.status}"
    else:
        step.why = keys.changed(step.parts, last.parts, reads.changed(last.reads, now))


def _target(plan: Plan, unit: Unit) -> None:
    """Choose the folder of a unit: its latest run if that holds exactly what is wanted, else a new one."""
    steps, place = plan.of_unit(unit), plan.unit_dir(unit)
    newest, good = runs.latest(place, good=False), runs.latest(place, good=True)
    wanted = {s.node.notebook: s.found[1] for s in steps if s.found}
    if good and good == newest and all(s.state != "stale" for s in steps):
        held = {k: (r.key, r.artefacts) for k, r in good.records().items() if r.status != "no_data" or r.key}
        if held == {k: (r.key, r.artefacts) for k, r in wanted.items()}:
            plan.targets[unit] = good
            return
    # A unit without data gets a run that says so, once: the site lists it from there.
    nothing = all(s.state == "no_data" and not s.found for s in steps)
    recorded = {k: r.status for k, r in newest.records().items()} if newest else {}
    if newest and nothing and recorded == {s.node.notebook: "no_data" for s in steps}:
        plan.targets[unit] = newest
    elif nothing or any(s.state == "stale" or s.found for s in steps):
        plan.targets[unit] = runs.Folder(place / runs.new_run_id(place, "".join(s.key for s in steps)))
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
            given = doc.data
            problems += doc.problems
            what, todo = "the batch fills this parameter in", "remove it"
            problems += [Problem(what, doc.name, doc.places[k,][1], k, todo=todo) for k in GIVEN if k in given]
        try:
            probe = {**given, **dict.fromkeys(GIVEN, "")}
            checked = validate_notebook_parameters(declared_parameters(cell.source), probe, notebook=name)
            out[notebook.id] = {k: v for k, v in checked.items() if k not in GIVEN}
        except ParamsError as error:
            problems += error.problems
    if problems:
        raise ParamsError(problems)
    return out
