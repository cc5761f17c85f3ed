"""What lies below ``runs/``: paths, atomic files, records of notebooks, manifests. No other module spells these paths.

::

    runs/<client>/
      .lock                              held by the batch that writes here
      _data/<fingerprint>/               canonical tables, shared by all runs
      _kept/                             vectors and fits dear to make, by their content; may be deleted at any time
      <brand|_all>/<period|_all>/<run_id>/
        context.json                     what a notebook of this unit may see
        records/<notebook>.json          status, content key, artefacts with hashes
        notes/<notebook>.json            diagnostics, sensitivity, resources
        tables/<name>.parquet            posterior/<name>.nc            notebooks/<notebook>.ipynb
        parts/<name>/<notebook>.parquet  tables that several notebooks write: merged into tables/ at the end
        manifest.json                    written last: its presence closes the run
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cxlab.errors import Problem, RunError
from cxlab.vocab import ALL

INTERACTIVE = "interactive"
SHARED = ("findings", "forecasts")  # tables to which several notebooks of a unit contribute
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")


def home() -> Path:
    """Return the folder that holds ``notebooks/``, ``params/`` and ``runs/``.

    The environment variable ``CXLAB_HOME``; else the nearest folder from the working directory upwards that has
    ``notebooks/suite.yaml``; else the repository this package is installed from.

    Raises
    ------
    RunError
        If none of them has ``notebooks/suite.yaml``.
    """
    named = os.environ.get("CXLAB_HOME")
    here = Path.cwd()
    source = Path(__file__).resolve().parents[3]
    for candidate in [Path(named).expanduser()] if named else [here, *here.parents, source]:
        if (candidate / "notebooks" / "suite.yaml").is_file():
            return candidate.resolve()
    raise RunError(
        Problem(
            "no folder with notebooks/suite.yaml was found",
            value=named or str(here),
            todo="call it inside the repository, or set CXLAB_HOME to the folder that holds notebooks/",
        )
    )


def legal_name(name: str) -> str:
    """Return `name` if it may name an artefact, else raise RunError (names become file names)."""
    if not _NAME.fullmatch(name):
        raise RunError(
            Problem(
                "no legal name for an artefact",
                value=repr(name),
                allowed="lower-case letters, digits and _, starting with a letter, 80 at most",
            )
        )
    return name


def _inside(parent: Path, part: str) -> Path:
    """Return ``parent / part``, refusing anything but a plain folder name."""
    if part in ("", ".", "..") or part.startswith("~") or Path(part).name != part or "\\" in part or "\x00" in part:
        raise RunError(Problem("no legal folder name", value=repr(part), allowed="a slug without separators"))
    return parent / part


def client_dir(root: Path, client: str) -> Path:
    """Return the folder of a client below ``root/runs``."""
    return _inside(root / "runs", client)


def store_dir(root: Path, client: str, fingerprint: str) -> Path:
    """Return the folder of the canonical tables with this fingerprint."""
    return _inside(client_dir(root, client) / "_data", fingerprint)


def unit_dir(root: Path, client: str, brand: str, period: str) -> Path:
    """Return the folder of a unit; `brand` and `period` are slugs, empty for a unit that spans all of them."""
    return _inside(_inside(client_dir(root, client), brand or ALL), period or ALL)


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in place at once, safe against power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        write(temporary)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


def write_json(path: Path, data: object) -> Path:
    """Write JSON atomically."""
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    return write_atomic(path, lambda p: p.write_text(text + "\n", encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or raise RunError naming the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(Problem(f"cannot be read: {error}", file=str(path))) from None
    if not isinstance(data, dict):
        raise RunError(Problem("is not a JSON object", file=str(path)))
    return data


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def new_run_id(unit: Path, content: str) -> str:
    """Return ``<UTC time>-<short hash>``, later than every run of the unit even if the clock went back."""
    now = datetime.now(UTC)
    newest = next((f.run_id for f in history(unit)), "")
    if newest and f"{now:%Y%m%dT%H%M%SZ}" <= newest.split("-")[0]:
        now = datetime.strptime(newest.split("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(seconds=1)
    short = hashlib.sha256(f"{content}{secrets.token_hex(8)}".encode()).hexdigest()[:6]
    return f"{now:%Y%m%dT%H%M%SZ}-{short}"


@dataclass(frozen=True)
class Record:
    """What became of one notebook in one run.

    Attributes
    ----------
    notebook, status : str
        Status is one of `cxlab.vocab.STATUSES`.
    key : str
        Content key it was executed under; empty if it was not executed. `parts` are what the key is made from.
    reads : dict
        Path of each param that it read -> hash of the value (see `cxlab.params.reads`).
    seconds : float
        Wall time of the execution that made the artefacts.
    error, cell : str
        The reason in plain words and the id of the failing cell.
    artefacts : dict
        Path inside the run -> SHA-256.
    made_by : str
        The run that executed it; an earlier one if the artefacts are linked.
    """

    notebook: str
    status: str
    key: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    started: str = ""
    attempts: int = 0
    warm: bool = False
    error: str = ""
    cell: str = ""
    artefacts: dict[str, str] = field(default_factory=dict)
    made_by: str = ""

    @property
    def finished(self) -> bool:
        """Whether its results stand (a withheld claim is a result)."""
        return self.status in ("ok", "withheld")

    @property
    def settled(self) -> bool:
        """Whether running it again under the same key would change nothing."""
        return self.finished or self.status == "no_data"


@dataclass(frozen=True)
class Folder:
    """One run of one unit."""

    path: Path

    @property
    def run_id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def closed(self) -> bool:
        """Whether nothing may be written any more."""
        return (self.path / "manifest.json").exists()

    def create(self, context: Mapping[str, Any]) -> Folder:
        """Make the folder with its context; it is open until `close`."""
        write_json(self.path / "context.json", dict(context))
        return self

    def context(self) -> dict[str, Any]:
        """Return what was known when the run was opened."""
        return read_json(self.path / "context.json")

    def table(self, name: str) -> Path:
        """Path of a table."""
        return self.path / "tables" / f"{legal_name(name)}.parquet"

    @property
    def kept(self) -> Path:
        """Folder of the client for what is dear to make, found again by its content; it need not exist."""
        return self.path.parents[2] / "_kept"

    def part(self, name: str, notebook: str) -> Path:
        """Path of one notebook's part of a shared table."""
        return _inside(self.path / "parts" / legal_name(name), f"{notebook}.parquet")

    def parts(self, name: str) -> list[Path]:
        """Return the parts of a shared table, by notebook."""
        return sorted((self.path / "parts" / legal_name(name)).glob("[!.]*.parquet"))

    def posterior(self, name: str) -> Path:
        """Path of a posterior."""
        return self.path / "posterior" / f"{legal_name(name)}.nc"

    def notebook(self, notebook: str) -> Path:
        """Path of an executed notebook."""
        return _inside(self.path / "notebooks", f"{notebook}.ipynb")

    def notes(self, notebook: str) -> Path:
        """Path of a notebook's notes."""
        return _inside(self.path / "notes", f"{notebook}.json")

    def artefact(self, name: str, notebook: str) -> Path:
        """Path of what `notebook` writes under a name of suite.yaml (``posterior/<name>``, shared or plain table)."""
        if name.startswith("posterior/"):
            return self.posterior(name.removeprefix("posterior/"))
        return self.part(name, notebook) if name in SHARED else self.table(name)

    def require_open(self) -> None:
        """Raise RunError if the run is closed."""
        if self.closed:
            problem = Problem("the run is closed and may not change", file=str(self.path), todo="start a new run")
            raise RunError(problem)

    # params that a notebook reads: noted at once, since a kernel may be ended at any time

    def note_read(self, notebook: str) -> Callable[[tuple[str, ...]], None]:
        """Return a function that notes the path of a param, once."""
        path, known = self._reads(notebook), set[tuple[str, ...]]()
        path.parent.mkdir(parents=True, exist_ok=True)

        def note(keys: tuple[str, ...]) -> None:
            if keys not in known:
                known.add(keys)
                with path.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(keys, ensure_ascii=False) + "\n")

        return note

    def take_reads(self, notebook: str) -> list[tuple[str, ...]]:
        """Return the paths that were noted, and forget them."""
        path = self._reads(notebook)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        path.unlink(missing_ok=True)
        return [tuple(json.loads(line)) for line in lines]

    def _reads(self, notebook: str) -> Path:
        return _inside(self.path / "notes", f".{notebook}.reads")

    # records -----------------------------------------------------------------------------------------------------

    def save(self, record: Record) -> None:
        """Write what became of a notebook."""
        self.require_open()
        write_json(_inside(self.path / "records", f"{record.notebook}.json"), asdict(record))

    def records(self) -> dict[str, Record]:
        """Return the records by notebook; unreadable ones count as absent."""
        out = {}
        for path in sorted((self.path / "records").glob("[!.]*.json")):
            try:
                record = Record(**read_json(path))
            except (RunError, TypeError):
                continue
            out[record.notebook] = record
        return out

    def hashes(self, paths: list[Path]) -> dict[str, str]:
        """Return path inside the run -> SHA-256 of those that exist."""
        return {p.relative_to(self.path).as_posix(): sha256(p) for p in paths if p.is_file()}

    def adopt(self, record: Record, source: Folder) -> Record:
        """Link the artefacts of a finished notebook of an earlier run into this one (copy where links cannot be)."""
        self.require_open()
        for relative in record.artefacts:
            target = self.path / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(source.path / relative, target)
            except OSError:
                write_atomic(target, lambda p, r=relative: shutil.copyfile(source.path / r, p))  # type: ignore[misc]
        self.save(record)
        return record

    def intact(self, record: Record) -> bool:
        """Whether every artefact of the record is there, as it was written."""
        return all(
            (self.path / p).is_file() and sha256(self.path / p) == digest for p, digest in record.artefacts.items()
        )

    # closing -----------------------------------------------------------------------------------------------------

    def close(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and make every file read-only."""
        self.require_open()
        write_json(self.path / "manifest.json", dict(manifest))
        for path in self.path.rglob("*"):
            if path.is_file():
                path.chmod(0o444)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest of a closed run."""
        return read_json(self.path / "manifest.json")


def history(unit: Path) -> Iterator[Folder]:
    """Yield the runs of a unit, the newest first, open ones (of a batch that was killed) included."""
    if unit.is_dir():
        for path in sorted((p for p in unit.iterdir() if _RUN_ID.fullmatch(p.name)), reverse=True):
            if (path / "context.json").is_file():
                yield Folder(path)


def latest(unit: Path, *, good: bool) -> Folder | None:
    """Return the newest closed run of a unit; with `good` the newest without a failure."""
    for folder in history(unit):
        if not folder.closed:
            continue
        try:
            state = folder.manifest().get("state")
        except RunError:
            continue
        if state == "good" or not good:
            return folder
    return None


def pseudonym_key(root: Path, client: str) -> bytes:
    """Return the client's key for pseudonymous ids, a new one on first use; kept outside ``runs/``, never published."""
    path = _inside(root / "data" / ".keys", f"{client}.key")
    return path.read_bytes() if path.is_file() else secrets.token_bytes(32)


def keep_key(root: Path, client: str, key: bytes) -> None:
    """Write the key, readable by its owner only, where git does not see it; a key that is there is never replaced."""
    folder = root / "data" / ".keys"
    path = _inside(folder, f"{client}.key")
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    temporary = folder / f".{secrets.token_hex(8)}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(key)
    try:
        os.link(temporary, path)
    except FileExistsError as error:  # another process was first
        raise RunError(
            Problem("the key was made by another process just now", str(path), todo="start again")
        ) from error
    finally:
        temporary.unlink()


def git_commit(root: Path) -> str:
    """Return the commit checked out at `root`; empty outside a git repository."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
