"""`cxlab init`: a first params file guessed from data files, every line explained, doubtful guesses marked."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cxlab import params
from cxlab.errors import DataError, ParamsError, Problem
from cxlab.params import presets, reader
from cxlab.scaffold.files import group, look, root_of
from cxlab.scaffold.guess import guess, to_id
from cxlab.scaffold.text import write

__all__ = ["Guess", "init"]


@dataclass(frozen=True)
class Guess:
    """What was written.

    Attributes
    ----------
    text : str
        The params file.
    summary : str
        One line: how many files, questions, brands, which periods.
    doubts : list of str
        What a reader should look at first.
    """

    text: str
    summary: str
    doubts: list[str]


def init(files: list[Path], output: Path, *, client: str = "", force: bool = False) -> Guess:
    """Write a params file with a mapping guessed from data files.

    Parameters
    ----------
    files : list of Path
        CSV (any usual delimiter and encoding), Parquet, Excel, SPSS or JSON lines; gz too.
    output : Path
        The file to write; its folder is made.
    client : str
        Id of the client; default: the name of the output file.
    force : bool
        Replace an existing file.

    Raises
    ------
    ParamsError
        If the output exists or is no YAML file, or if nothing in the data can be mapped.
    DataError
        With every file that cannot be read.
    """
    problems = []
    if output.suffix not in (".yaml", ".yml"):
        problems.append(Problem("the output is a YAML file", str(output), todo="give a name that ends in .yaml"))
    elif output.exists() and not force:
        problems.append(Problem("the file exists already", str(output), todo="give another name, or --force"))
    looks = []
    for file in dict.fromkeys(files):
        try:
            looks += look(file)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems) if any(p.file != str(output) for p in problems) else ParamsError(problems)
    root = root_of([x.path for x in looks])
    name = client or to_id(output.stem, default="client")
    mapping = guess(group(looks), name, _wordings())
    if not any(i.table for i in mapping.inputs):
        todo = "write the mapping by hand: params/examples show how"
        what = "no ratings, comments, amounts or customers were recognised in these files"
        raise ParamsError(Problem(what, ", ".join(x.path.name for x in looks), todo=todo))
    folder = output.resolve().parent
    text = write(mapping, client=name, output=output, root=root)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(text, output)
    items = sum(len(i.items) for i in mapping.inputs)
    span = mapping.first if mapping.first == mapping.last else f"{mapping.first} to {mapping.last}"
    brands = "1 brand" if len(mapping.brands) == 1 else f"{len(mapping.brands)} brands"
    mapping.doubts += [f"{i.name}: {doubt}" for i in mapping.inputs for doubt in i.doubts]
    n_files = len({x.path for x in looks})
    summary = f"{n_files} file{'s' * (n_files != 1)}, {items} question{'s' * (items != 1)}, {brands}, {span}"
    return Guess(text, summary, mapping.doubts)


def _replace(text: str, output: Path) -> None:
    """Write beside the output, prove that it loads, then move it into place."""
    handle, name = tempfile.mkstemp(suffix=".yaml", prefix=".init-", dir=output.resolve().parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        params.load(name)
        Path(name).chmod(0o644)
        Path(name).replace(output)
    finally:
        Path(name).unlink(missing_ok=True)


def _wordings() -> dict[str, dict[str, int]]:
    """Return the texts of answers that the core preset knows: scale -> text -> code."""
    found = presets.find("core", Path())
    assert found is not None
    scales = reader.read(found, "core").data["scales"]
    out: dict[str, dict[str, int]] = {}
    for name, scale in scales.items():
        for language in ("en", "zh"):
            texts = {str(t[language]): int(code) for code, t in scale.get("labels", {}).items() if language in t}
            ordered = {t: c for code in scale["codes"] for t, c in texts.items() if c == code}
            if len(ordered) == len(scale["codes"]):
                out[f"{name}.{language}"] = ordered
        if "map" in scale:
            ordered = {t: c for code in scale["codes"] for t, c in scale["map"].items() if c == code}
            out[f"{name}.map"] = {str(t): int(c) for t, c in ordered.items()}
    return out
