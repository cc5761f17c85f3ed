"""The table of contents of the notebooks: ``notebooks/suite.yaml``, checked, in the order its reads and writes imply.

A plain dataclass with own checks rather than a pydantic model: pydantic lives in the params room only, and what can be
wrong here (cycles, two writers, units that do not fit) no field validator sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from cxlab import runs
from cxlab.errors import Problem, RunError, nearest
from cxlab.params import reader
from cxlab.params.models import Params
from cxlab.vocab import LANGUAGES, TABLES, UNITS, Unit

PROFILES = tuple(get_args(Params.model_fields["profile"].annotation))
BOOKKEEPING = ("rejects", "reconciliation", "links", "merges")
_KEYS = {"id", "title", "tab", "question", "audience", "profile", "unit", "reads", "data", "writes", "timeout"}
# The unit whose artefacts a prefix names -> the units that may read them (narrower ones).
_WIDER: Mapping[str, tuple[str, ...]] = {
    "client": ("brand_period", "brand", "period"),
    "brand": ("brand_period",),
    "period": ("brand_period",),
}


@dataclass(frozen=True)
class Read:
    """One name under `reads`: ``findings``, ``client:topics``, ``previous:forecasts``; ``?`` at the end = optional."""

    name: str
    prefix: str = ""
    optional: bool = False

    @classmethod
    def parse(cls, text: str) -> Read:
        """Split the text of suite.yaml."""
        prefix, _, name = text.rstrip("?").rpartition(":")
        return cls(name, prefix, text.endswith("?"))

    def __str__(self) -> str:
        return f"{self.prefix}:{self.name}" if self.prefix else self.name


@dataclass(frozen=True)
class Notebook:
    """One entry of suite.yaml.

    Attributes
    ----------
    id : str
        Name of the template without its ending.
    title, tab, question : dict
        Text by language; `tab` is the short name in a page's navigation, default the title.
    audience : str
    profiles : tuple of str
        Profiles it belongs to; default all.
    unit : str
        What one execution is about: `brand_period` (default), `brand`, `period` or `client`.
    reads : tuple of Read
        Artefacts of notebooks that run before.
    data : tuple of str
        Canonical tables it looks at: when their rows for a unit change, it runs again.
    writes : tuple of str
        Tables and ``posterior/<name>``.
    timeout : float
        Seconds one execution may take; 0 = the batch's default.
    template : Path
    """

    id: str
    title: Mapping[str, str]
    tab: Mapping[str, str]
    question: Mapping[str, str]
    audience: str
    profiles: tuple[str, ...]
    unit: Unit
    reads: tuple[Read, ...]
    data: tuple[str, ...]
    writes: tuple[str, ...]
    timeout: float
    template: Path


@dataclass(frozen=True)
class Suite:
    """All notebooks, each after those it reads from."""

    root: Path
    notebooks: tuple[Notebook, ...]

    def __getitem__(self, notebook: str) -> Notebook:
        return next(n for n in self.notebooks if n.id == notebook)

    @property
    def ids(self) -> list[str]:
        """Ids in order of execution."""
        return [n.id for n in self.notebooks]


def load(root: Path | None = None) -> Suite:
    """Read and check ``notebooks/suite.yaml``.

    Raises
    ------
    RunError
        With every problem found: unknown keys, units, tables, artefacts; missing templates; two writers; cycles.
    """
    root = root or runs.home()
    name = "notebooks/suite.yaml"
    doc = reader.read(root / "notebooks" / "suite.yaml", name)
    problems = list(doc.problems)
    entries = doc.data.get("notebooks")
    if not problems and (not isinstance(entries, list) or set(doc.data) != {"notebooks"}):
        problems.append(Problem("the file holds one key, `notebooks`, with a list of entries", name))
    notebooks: list[Notebook] = []
    lines: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        line = doc.places.get(("notebooks", index), ("", 0))[1]
        notebook, found = _entry(entry, root, name, line)
        problems += found
        if notebook is None:
            continue
        if notebook.id in lines:
            problems.append(Problem("this id stands a second time", name, line, value=notebook.id))
            continue
        lines[notebook.id] = line
        notebooks.append(notebook)
    if not problems:
        problems = _across(notebooks, name, lines)
    if problems:
        raise RunError(problems)
    return Suite(root, tuple(_ordered(notebooks, name)))


def _entry(entry: Any, root: Path, file: str, line: int) -> tuple[Notebook | None, list[Problem]]:
    """Check one entry by itself."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return None, [Problem("an entry is a mapping with at least `id`, `title` and `question`", file, line)]
    ident = entry["id"]
    problems = [
        Problem("unknown key", file, line, where=ident, value=str(k), nearest=nearest(str(k), sorted(_KEYS)))
        for k in entry
        if k not in _KEYS
    ]

    def choice(key: str, value: str, allowed: Iterable[str]) -> None:
        legal = list(allowed)
        if value not in legal:
            hint = nearest(value, legal)
            problems.append(Problem("not known", file, line, f"{ident}.{key}", value, ", ".join(legal), hint))

    def names(key: str) -> tuple[str, ...]:
        value = entry.get(key) or []
        value = value if isinstance(value, list) else [value]
        if not all(isinstance(v, str) for v in value):
            problems.append(Problem("must be a list of names", file, line, f"{ident}.{key}", str(value)))
            return ()
        if len(set(value)) != len(value):
            problems.append(Problem("a name stands twice", file, line, f"{ident}.{key}", ", ".join(value)))
        return tuple(value)

    for key in ("title", "tab", "question"):
        text = entry.get(key, entry.get("title") if key == "tab" else None)
        if not isinstance(text, dict) or set(text) != set(LANGUAGES) or not all(map(_text, text.values())):
            allowed = ", ".join(f"{x}: text" for x in LANGUAGES)
            problems.append(Problem("needs a text in each language", file, line, f"{ident}.{key}", allowed=allowed))
    unit = entry.get("unit", "brand_period")
    choice("unit", str(unit), UNITS)
    profiles = names("profile") or PROFILES
    for profile in profiles:
        choice("profile", profile, PROFILES)
    data = names("data")
    for table in data:
        choice("data", table, (*TABLES, *BOOKKEEPING))
    writes = names("writes")
    for artefact in writes:
        try:
            runs.legal_name(artefact.removeprefix("posterior/"))
        except RunError as error:
            problems += [Problem(p.what, file, line, f"{ident}.writes", artefact, p.allowed) for p in error.problems]
    reads = tuple(map(Read.parse, names("reads")))
    for read in reads:
        if read.prefix:
            choice("reads", read.prefix, runs.PREFIXES)
    timeout = entry.get("timeout", 0)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0:
        problems.append(Problem("must be seconds", file, line, f"{ident}.timeout", str(timeout)))
        timeout = 0
    template = root / "notebooks" / "templates" / f"{ident}.ipynb"
    if not ident.replace("_", "").isalnum() or not ident.isascii():
        allowed = "letters, digits and _"
        problems.append(Problem("an id names a file and an anchor", file, line, "id", ident, allowed))
    elif not template.is_file():
        present = [p.stem for p in template.parent.glob("*.ipynb")]
        what = f"there is no notebooks/templates/{ident}.ipynb"
        problems.append(Problem(what, file, line, "id", ident, nearest=nearest(ident, present)))
    if problems:
        return None, problems
    made = Notebook(
        id=ident,
        title=dict(entry["title"]),
        tab=dict(entry.get("tab") or entry["title"]),
        question=dict(entry["question"]),
        audience=str(entry.get("audience") or ""),
        profiles=profiles,
        unit=unit,
        reads=reads,
        data=data,
        writes=writes,
        timeout=float(timeout),
        template=template,
    )
    return made, []


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _across(notebooks: list[Notebook], file: str, lines: Mapping[str, int]) -> list[Problem]:
    """Check the entries against each other."""
    problems: list[Problem] = []
    writers: dict[str, list[Notebook]] = {}
    for notebook in notebooks:
        for artefact in notebook.writes:
            writers.setdefault(artefact, []).append(notebook)
    for artefact, several in writers.items():
        if len(several) > 1 and artefact not in runs.SHARED:
            todo = "give one of them another name"
            names = ", ".join(n.id for n in several)
            line = lines[several[1].id]
            problems.append(Problem(f"{names} both write it", file, line, "writes", artefact, todo=todo))
    for notebook in notebooks:
        for read in notebook.reads:
            where = f"{notebook.id}.reads"
            line = lines[notebook.id]
            if read.name not in writers:
                hint = nearest(read.name, list(writers))
                todo = "add it to the `writes` of the notebook that makes it"
                problems.append(Problem("no notebook writes it", file, line, where, str(read), nearest=hint, todo=todo))
                continue
            problems += _fits(notebook, read, writers[read.name], file, line)
    return problems


def _fits(notebook: Notebook, read: Read, writers: list[Notebook], file: str, line: int) -> list[Problem]:
    """Whether the prefix names the unit in which the artefact is written."""
    where = f"{notebook.id}.reads"
    if read.prefix == "previous" and notebook.unit not in ("brand_period", "period"):
        return [Problem(f"a {notebook.unit} unit has no period before it", file, line, where, str(read))]
    if read.prefix in _WIDER and notebook.unit not in _WIDER[read.prefix]:
        return [Problem(f"a {notebook.unit} unit lies in no {read.prefix} unit", file, line, where, str(read))]
    source = read.prefix if read.prefix in _WIDER else notebook.unit
    if any(w.unit == source for w in writers):
        return []
    unit = writers[0].unit
    todo = f"write `{unit}:{read.name}`" if notebook.unit in _WIDER.get(unit, ()) else f"make it a {unit} notebook"
    what = f"{writers[0].id} writes it once per {unit}, not per {source}"
    return [Problem(what, file, line, where, str(read), todo=todo)]


def upstream(notebook: Notebook, read: Read, notebooks: Iterable[Notebook]) -> list[Notebook]:
    """Return the notebooks whose artefact a read means (not itself: a shared table holds its own part as well)."""
    source = read.prefix if read.prefix in _WIDER else notebook.unit
    mine = read.prefix != "previous"
    return [n for n in notebooks if read.name in n.writes and n.unit == source and not (mine and n.id == notebook.id)]


def _ordered(notebooks: list[Notebook], file: str) -> list[Notebook]:
    """Order by reads and writes; entries that do not depend on each other keep the order of the file."""
    done: list[Notebook] = []
    left = list(notebooks)
    while left:
        waiting = {n.id for n in left}
        free = [n for n in left if not waiting & _needs(n, notebooks)]
        if not free:
            circle = _circle(left, notebooks)
            raise RunError(Problem("notebooks wait for each other", file, where="reads", value=" -> ".join(circle)))
        done.append(free[0])
        left.remove(free[0])
    return done


def _needs(notebook: Notebook, notebooks: list[Notebook]) -> set[str]:
    return {u.id for r in notebook.reads if r.prefix != "previous" for u in upstream(notebook, r, notebooks)}


def _circle(left: list[Notebook], notebooks: list[Notebook]) -> list[str]:
    """Walk along unmet needs until a notebook comes back."""
    stuck = {n.id: n for n in left}
    path = [left[0].id]
    while True:
        following = next(i for i in sorted(_needs(stuck[path[-1]], notebooks)) if i in stuck)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
