"""Reading client files for a first look: encoding found from the bytes, waves found from the names."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from contextlib import closing, suppress
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
HEAD = 40  # rows from which the header is told
_VALUE = re.compile(r"[-+]?[\d.,:/\s-]*\d[\d.,:/\sTZ%-]*(?:[AP]M)?|true|false", re.IGNORECASE)
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
    sheet: str = ""  # of a workbook with several
    skip: int = 0  # lines above the header
    header_lines: int = 1
    labels: dict[str, dict[str, str]] = field(default_factory=dict)  # SPSS: column -> code -> text
    declared: dict[str, list[str]] = field(default_factory=dict)  # SPSS: column -> codes declared missing


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


def look(path: Path) -> list[Look]:
    """Read a file; of a workbook each sheet that holds a table.

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
    if form == "excel":
        return _workbook(path)
    encoding = find_encoding(_bytes(path)) if form in ("csv", "jsonl") else "utf-8"
    labels: dict[str, dict[str, str]] = {}
    declared: dict[str, list[str]] = {}
    if form == "spss":
        encoding, labels, declared = _spss(path)
    skip, lines = _header(_head(path, encoding)) if form == "csv" else (0, 1)
    item = Input(path=[path.name], encoding=encoding, skip_lines=skip, header_lines=lines)
    found = _read(path, str(form), item)
    found.labels, found.declared = labels, declared
    return [found]


def _read(path: Path, form: str, item: Input) -> Look:
    source = SourceFile(path, path.name, form, None, "")
    counts: dict[str, Counter[str]] = {}
    rows = 0
    for chunk in readers.read(source, item, root=str(path.parent)):
        if isinstance(chunk, list):
            continue  # rows that cannot be read are counted by `cxlab check`
        rows += chunk.num_rows
        for name in chunk.column_names:
            if name != LINE:
                counts.setdefault(name, Counter()).update(_count(chunk.column(name)))
        if rows >= MAX_ROWS:
            break
    found = Look(path, form, item.encoding, rows, counts, rows < MAX_ROWS)  # type: ignore[arg-type]
    found.sheet, found.skip, found.header_lines = item.sheet or "", item.skip_lines, item.header_lines
    return found


def _workbook(path: Path) -> list[Look]:
    """Each sheet of a workbook that holds a table; a sheet of one column or one row is a remark."""
    import openpyxl

    found = []
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl fails in many ways on a damaged file
        raise DataError(Problem("cannot be read as excel", str(path), value=str(error)[:200])) from error
    with closing(book):
        names = book.sheetnames
        heads = {name: [list(row) for row in book[name].iter_rows(max_row=HEAD, values_only=True)] for name in names}
    for name, head in heads.items():
        texts = [["" if cell is None else str(cell) for cell in row] for row in head]
        skip, lines = _header(texts)
        if sum(sum(map(bool, row)) > 1 for row in texts) < 2:
            continue
        sheet = name if len(names) > 1 else None
        item = Input(path=[path.name], sheet=sheet, skip_lines=skip, header_lines=lines)
        found.append(_read(path, "excel", item))
    if not found:
        raise DataError(Problem("no sheet of the workbook holds a table", str(path), value=", ".join(names)))
    return found


def _head(path: Path, encoding: str) -> list[list[str]]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as stream:
        text = stream.read(200_000)
    best: list[list[str]] = []
    for delimiter in ",;\t|":
        with suppress(csv.Error):
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            head = [row for _, row in zip(range(HEAD), rows, strict=False)]
            best = max(best, head, key=lambda found: sum(map(len, found)))
    return best


def _header(rows: list[list[str]]) -> tuple[int, int]:
    """Return how many lines stand above the header, and how many the header has."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    if len(rows) < 3 or max(filled) < 2 or (rows[0][:1] and rows[0][0].lower().startswith("sep=")):
        return 0, 1
    top = next(
        i
        for i, n in enumerate(filled)
        if n > 0.5 * max(filled) or (n >= 2 and n > 0.5 * filled[min(i + 1, len(rows) - 1)])
    )
    body = rows[top + 4 :] or rows[top + 1 :]
    lines = 1
    while lines < 4 and top + lines < len(rows) - 1 and _is_header(rows[top + lines], rows[top], body):
        lines += 1
    return top, lines


def _is_header(row: list[str], first: list[str], body: list[list[str]]) -> bool:
    """Tell whether a row says what columns are: texts where the rows below hold numbers and days."""
    if any(cell.lstrip().startswith('{"ImportId"') for cell in row):
        return True
    cells = [cell.strip() for cell in row]
    places = [i for i, cell in enumerate(cells) if cell]
    if not places or any(_VALUE.fullmatch(cells[i]) for i in places):
        return False
    spans = sum(i < len(first) and not first[i].strip() for i in places)  # below a name that spans several columns
    below = [[r[i].strip() for r in body if i < len(r) and r[i].strip()] for i in places]
    values = sum(bool(v) and sum(bool(_VALUE.fullmatch(x)) for x in v) > 0.8 * len(v) for v in below)
    return (values >= 2 and values >= 0.3 * len(places)) or (spans >= 1 and len(places) <= 0.7 * len(cells))


def _spss(path: Path) -> tuple[str, dict[str, dict[str, str]], dict[str, list[str]]]:
    """Return the encoding that reads the file, its value labels and the codes it declares missing."""
    import pyreadstat

    meta, encoding, failure = None, "utf-8", ""
    for name in ("utf-8", "gb18030", "cp1252"):
        try:
            given = None if name == "utf-8" else name.upper()
            _, meta = pyreadstat.read_sav(str(path), user_missing=True, encoding=given)
            encoding = name
            break
        except Exception as error:  # readstat's own errors, and those of the decoder
            failure = failure or str(error)
    if meta is None:
        raise DataError(Problem(f"cannot be read as spss: {failure[:150]}", str(path), todo="save it as UTF-8"))

    def code(value: object) -> str:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    labels = {name: {code(k): str(v) for k, v in texts.items()} for name, texts in meta.variable_value_labels.items()}
    declared: dict[str, list[str]] = {}
    for name, ranges in (meta.missing_ranges or {}).items():
        for part in ranges:
            low, high = (part["lo"], part["hi"]) if isinstance(part, dict) else (part, part)
            if isinstance(low, int | float) and isinstance(high, int | float) and high - low < 200:
                declared.setdefault(name, []).extend(str(k) for k in range(int(low), int(high) + 1))
    return encoding, labels, declared


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
    groups: dict[tuple[str, ...], list[tuple[Look, str]]] = {}
    for one in looks:
        matches = list(_WAVE.finditer(one.path.name))
        key, wave = one.path.name, ""
        if matches:
            hit = max(matches, key=lambda m: len(m[0]))
            key, wave = one.path.name[: hit.start()] + "{wave}" + one.path.name[hit.end() :], hit[0]
        groups.setdefault((str(one.path.parent), key, one.encoding, one.sheet), []).append((one, wave))
    out = []
    for (_, key, *_), members in groups.items():
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
