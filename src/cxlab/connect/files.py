"""Which files an input names, in which order, and what their bytes are: paths, globs, waves, content hashes."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from cxlab.errors import Problem, nearest
from cxlab.params.models import Input, Params

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".sav": "spss",
    ".zsav": "spss",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
WILD = ("*", "?", "[", "{wave}")  # signs of a path that may name several files
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class SourceFile:
    """One file of an input, or its database table (`path` is None); `name` is unique in the input."""

    path: Path | None
    name: str
    format: str
    wave: str | None
    digest: str


@dataclass
class Inventory:
    """The files of every input, what is wrong with them and what was left out on purpose."""

    files: dict[str, list[SourceFile]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def expand(text: str, *, where: str, problems: list[Problem]) -> str | None:
    """Replace ``${VAR}`` by the environment; a name that is not set is a problem and gives None."""
    missing = [name for name in _VARIABLE.findall(text) if name not in os.environ]
    for name in missing:
        problems.append(
            Problem(
                f"the environment variable {name} is not set",
                where=where,
                value=text,
                todo=f"set it, e.g. export {name}=/path/to/data",
            )
        )
    return None if missing else _VARIABLE.sub(lambda m: os.environ[m.group(1)], text)


def inventory(params: Params) -> Inventory:
    """Find the files of every input; identical files of one input are read once and said so.

    Parameters
    ----------
    params : Params
        Loaded params; a relative `data_root` is taken from the working folder.
    """
    found = Inventory()
    root_text = expand(params.data_root, where="data_root", problems=found.problems)
    root = Path(root_text).expanduser() if root_text is not None else None
    if root is not None and not root.is_dir():
        if any(i.path for i in params.inputs.values()):
            todo = "cxlab demo (or make demo) makes the demo world" if root.name == "demo" else "set data_root"
            what = "the data folder does not exist"
            found.problems.append(Problem(what, where="data_root", value=str(root), todo=todo))
        root = None
    for name, item in params.inputs.items():
        if item.database is not None:
            found.files[name] = [SourceFile(None, item.table or "", "database", None, "")]
        elif root is not None:
            found.files[name] = _once(name, _resolve(name, item, root, found), found)
        else:
            found.files[name] = []
    return found


def _resolve(name: str, item: Input, root: Path, found: Inventory) -> list[SourceFile]:
    out: list[SourceFile] = []
    base = root.resolve()
    folders = {str(Path(p).parent) for p in item.path or []}
    apart = len(folders) > 1 or any(sign in f for f in folders for sign in WILD)  # one name may stand in two folders
    for at, pattern in enumerate(item.path or []):
        where = f"inputs.{name}.path" + (f"[{at}]" if len(item.path or []) > 1 else "")
        waves: list[str | None] = list(item.waves or []) if "{wave}" in pattern else [None]
        for wave in waves:
            text = pattern if wave is None else pattern.replace("{wave}", wave)
            if Path(text).is_absolute() or ".." in Path(text).parts:
                found.problems.append(
                    Problem("a path must stay below data_root", where=where, value=text, todo="change data_root")
                )
                continue
            matches = [root / text] if (root / text).is_file() else []
            if not matches and any(sign in text for sign in WILD):
                matches = sorted(p for p in root.glob(text) if p.is_file())
            if not matches:
                names = [p.name for p in (root / text).parent.iterdir()] if (root / text).parent.is_dir() else []
                found.problems.append(
                    Problem(
                        "no file matches" if any(sign in text for sign in WILD) else "no such file",
                        file=str(root / text),
                        where=where,
                        nearest=nearest(Path(text).name, names),
                        todo="check path and data_root",
                    )
                )
            for path in matches:
                form = item.format or _format(path)
                if form is None:
                    found.problems.append(
                        Problem(
                            "the file's ending does not tell its format",
                            file=str(path),
                            where=f"inputs.{name}.format",
                            allowed="csv, parquet, excel, spss, jsonl",
                        )
                    )
                elif not path.resolve().is_relative_to(base):
                    found.problems.append(Problem("the file lies outside data_root", file=str(path), where=where))
                elif path.stat().st_size == 0:
                    found.problems.append(Problem("the file is empty", file=str(path), where=where))
                else:
                    try:
                        shown = path.relative_to(root).as_posix() if apart else path.name
                        out.append(SourceFile(path, shown, form, wave, digest(path)))
                    except OSError as error:
                        found.problems.append(
                            Problem("the file cannot be read", file=str(path), where=where, value=error.strerror or "")
                        )
    return out


def _format(path: Path) -> str | None:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes = suffixes[:-1]
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _once(name: str, files: list[SourceFile], found: Inventory) -> list[SourceFile]:
    """Keep one of the files with the same content: overlapping globs and files sent twice change nothing."""
    seen: dict[tuple[str, str | None], SourceFile] = {}
    for file in dict.fromkeys(files):
        first = seen.setdefault((file.digest, file.wave), file)
        if first is not file:
            found.notices.append(f"{name}: {file.name} holds the same bytes as {first.name} and is read once")
    return list(seen.values())


def digest(path: Path) -> str:
    """Return the BLAKE2b hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
