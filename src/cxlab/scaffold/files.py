"""Reading client files for a first look: encoding found from the bytes, waves found from the names."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from cxlab.connect import readers
from cxlab.connect.files import FORMATS, SourceFile
from cxlab.connect.readers import LINE
from cxlab.errors import DataError, ParamsError, Problem, nearest
from cxlab.params.models import Input

MAX_ROWS = 400_000
_PERIOD = r"(?:19|20)\d\d(?:[-_ ]?(?:[QqHhWw]\d{1,2}|\d\d(?:[-_]?\d\d)?))?"
_WAVE = re.compile(rf"(?<![A-Za-z0-9])(?:{_PERIOD}|[Ww](?:ave)?[-_ ]?\d{{1,2}}|[Qq][1-4]|\d{{1,3}})(?![A-Za-z0-9])")
_CJK = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]")
Format = Literal["csv", "parquet", "excel", "spss", "jsonl"]


@dataclass
class Look:
    """One file: where, how it is read, its columns as value counts."""

    path: Path
    format: Format
    encoding: str
    rows: int
    columns: dict[str, Counter[str]]
    whole: bool = True


@dataclass
class Group:
    """Files that become one input."""

    looks: list[Look]
    pattern: str  # file name, with {wave} where waves differ
    waves: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(x.rows for x in self.looks)


def look(path: Path) -> Look:
    """Read a file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    form = FORMATS.get(suffixes[-1]) if suffixes else None
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(Problem("there is no such file", str(path), nearest=nearest(path.name, siblings)))
    if form not in get_args(Format):
        raise DataError(Problem("the file's ending does not tell its format", str(path), allowed=", ".join(FORMATS)))
    if path.stat().st_size == 0:
        raise DataError(Problem("the file is empty", str(path), todo="leave it out"))
    encoding = find_encoding(_bytes(path)) if form in ("csv", "jsonl") else "utf-8"
    item = Input(path=[path.name], encoding=encoding)
    source = SourceFile(path, path.name, str(form), None, "")
    counts: dict[str, Counter[str]] = {}
    rows = 0
    whole = True
    for chunk in readers.read(source, item, root=str(path.parent)):
        if isinstance(chunk, list):
            continue  # rows that cannot be read are counted by `cxlab check`
        rows += chunk.num_rows
        for name in chunk.column_names:
            if name != LINE:
                counts.setdefault(name, Counter()).update(_count(chunk.column(name)))
        if rows >= MAX_ROWS:
            whole = False
            break
    return Look(path, form, encoding, rows, counts, whole)  # type: ignore[arg-type]


def _count(column: pa.ChunkedArray) -> Counter[str]:
    if pa.types.is_floating(column.type):  # 5.0 is the code 5
        values = column.drop_null()
        if pc.all(pc.equal(values, pc.floor(values))).as_py() and len(values):
            column = pc.cast(values, pa.int64(), safe=False)
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return Counter()
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    found = pc.value_counts(text).to_pylist()
    return Counter({x["values"]: x["counts"] for x in found if x["values"]})


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    with gzip.open(path, "rb") as stream:
        return stream.read()


def find_encoding(data: bytes) -> str:
    """Return the encoding of a text file: from its byte order mark, else the first that reads it sensibly."""
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        return "utf-32"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = data[:2000]
    if head.count(b"\x00") > len(head) / 5:
        return "utf-16-le" if head[1::2].count(b"\x00") > head[::2].count(b"\x00") else "utf-16-be"
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    for name in ("gb18030", "big5", "shift_jis"):
        try:
            odd = [c for c in data.decode(name) if ord(c) > 127]
        except UnicodeDecodeError:
            continue
        if odd and sum(_CJK.match(c) is not None for c in odd) > 0.8 * len(odd):
            return name
    try:
        data.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def group(looks: list[Look]) -> list[Group]:
    """Put files of one shape together: same name but for a wave, or mostly the same columns."""
    groups: dict[tuple[str, str, str], list[tuple[Look, str]]] = {}
    for one in looks:
        matches = list(_WAVE.finditer(one.path.name))
        key, wave = one.path.name, ""
        if matches:
            hit = max(matches, key=lambda m: len(m[0]))
            key, wave = one.path.name[: hit.start()] + "{wave}" + one.path.name[hit.end() :], hit[0]
        groups.setdefault((str(one.path.parent), key, one.encoding), []).append((one, wave))
    out = []
    for (_, key, _), members in groups.items():
        waves = [w for _, w in members]
        sensible = len(members) > 1 and len(set(waves)) == len(waves) and all(re.fullmatch(r"[\w-]+", w) for w in waves)
        if sensible and "{wave}" not in members[0][0].path.name:
            members.sort(key=lambda m: m[1])
            out.append(Group([m for m, _ in members], key, [w for _, w in members]))
        else:
            out += [Group([m], m.path.name) for m, _ in members]
    return out


def root_of(files: list[Path]) -> Path:
    """Return the folder that holds all files."""
    parents = [p.resolve().parent for p in files]
    root = parents[0]
    while not all(p.is_relative_to(root) for p in parents):
        root = root.parent
    if "$" in str(root):
        todo = "move the data to a folder without $"
        raise ParamsError(Problem("a $ in the folder's name would be read as a variable", str(root), todo=todo))
    return root
