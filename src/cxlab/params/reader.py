"""One YAML file -> plain values, each with the line it stands on; nothing is executed, nothing is guessed.

YAML 1.2 rules on PyYAML's event stream: only ``true`` and ``false`` are booleans (``on`` is a word, lookups use it),
dates stay text, ``010`` is an error instead of 8, a repeated key is an error instead of a silent winner, and size,
depth and aliases are bounded, so that a hostile file costs neither memory nor time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cxlab.errors import Problem, nearest

KeyPath = tuple[str | int, ...]  # the keys from the root to a value
Place = tuple[str, int]  # file as the user wrote it, one-based line

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 50_000  # after aliases are followed

_INT = re.compile(r"[-+]?(0|[1-9]\d*)")
_LEADING_ZERO = re.compile(r"[-+]?0\d+(\.\d*)?")
_FLOAT = re.compile(r"[-+]?(\.\d+|(0|[1-9]\d*)(\.\d*)?)([eE][-+]?\d+)?")
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}


@dataclass
class Document:
    """What a file says.

    Attributes
    ----------
    name : str
        The file as the user wrote it, for messages.
    data : dict
        Its mapping; empty if the file could not be read.
    places : dict
        Keys from the root -> (file, line). For a key of a mapping the line of the key.
    problems : list of Problem
    """

    name: str
    data: dict[Any, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Stop(Exception):
    """Reading further makes no sense; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@dataclass
class _Node:
    """A value with its line; `children` are (key, key's line, node) of a mapping or (index, line, node) of a list."""

    line: int
    value: Any = None
    children: list[tuple[Any, int, _Node]] | None = None
    is_list: bool = False
    size: int = 1
    depth: int = 1


def read(path: Path, name: str) -> Document:
    """Read a params file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        How to call it in messages.

    Returns
    -------
    Document
        Problems are collected in it, never raised.
    """
    doc = Document(name)
    try:
        root = _Composer(doc, _text(path, name)).compose()
        if root.children is None or root.is_list:
            kind = "a list" if root.is_list else "a single value"
            raise _Stop(Problem(f"a params file is a mapping of keys to values, this one is {kind}", name, root.line))
        doc.data = _plain(root, (), doc)
    except _Stop as stop:
        doc.problems.append(stop.problem)
        doc.data = {}
    return doc


def _text(path: Path, name: str) -> str:
    """Return the file's text, or stop with what is wrong with its bytes."""
    if not path.is_file():  # before reading: a device or pipe would never end
        what = "this is a folder, not a file" if path.is_dir() else "there is no such file"
        if path.exists() and not path.is_dir():
            what = "this is no ordinary file"
        raise _Stop(Problem(what, name, nearest=near_file(path), todo="give the path of a .yaml file"))
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _Stop(
                Problem(
                    "the file is too large for a params file",
                    name,
                    value=f"{size:,} bytes",
                    allowed=f"{MAX_BYTES:,} bytes",
                    todo="name the data under `inputs: path`; split long params with `extends`",
                )
            )
        data = path.read_bytes()
    except OSError as error:
        what = f"the file cannot be read: {error.strerror or error}"
        raise _Stop(Problem(what, name, todo="check its permissions")) from None
    if not data.strip():
        raise _Stop(Problem("the file is empty", name, todo="`cxlab init data/*.csv -o FILE` writes a first version"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Stop(
            Problem(
                f"the file is not UTF-8: byte {error.start + 1:,} has no meaning",
                name,
                data.count(b"\n", 0, error.start) + 1,
                value=f"0x{data[error.start]:02x}",
                todo="save it as UTF-8 in your editor",
            )
        ) from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise _Stop(Problem("the file holds a NUL byte: it is no text file, or it is UTF-16", name, line))
    return text


class _Composer:
    """Builds nodes from parser events without recursion, so that depth cannot exhaust the stack."""

    def __init__(self, doc: Document, text: str) -> None:
        self.doc = doc
        self.text = text
        self.anchors: dict[str, _Node] = {}
        self.open: list[tuple[_Node, list[Any], str | None]] = []  # node, pending key or [], anchor
        self.root: _Node | None = None
        self.total = 0

    def compose(self) -> _Node:
        try:
            for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
                self._take(event)
        except yaml.YAMLError as error:
            raise _Stop(self._syntax(error)) from None
        if self.root is None:
            raise _Stop(Problem("the file holds only comments", self.doc.name, todo="write the params, or delete it"))
        return self.root

    def _take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise _Stop(Problem("a second document starts with ---", self.doc.name, line, todo="one file, one client"))
        if isinstance(event, yaml.AliasEvent):
            node = self.anchors.get(event.anchor or "")
            if node is None:
                todo = f"write &{event.anchor} before its value"
                raise _Stop(Problem(f"*{event.anchor} is not defined above", self.doc.name, line, todo=todo))
            self._add(node, line, node.size)
        elif isinstance(event, yaml.ScalarEvent):
            node = _Node(line, self._scalar(event, line))
            if event.anchor:
                self.anchors[event.anchor] = node
            self._add(node, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
                self._tag(event.tag, line)
            if len(self.open) >= MAX_DEPTH:
                raise _Stop(Problem(f"more than {MAX_DEPTH} levels of nesting", self.doc.name, line))
            node = _Node(line, children=[], is_list=isinstance(event, yaml.SequenceStartEvent))
            self.open.append((node, [], event.anchor))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node, _, anchor = self.open.pop()
            if anchor:  # only now: an alias inside its own value would never end
                self.anchors[anchor] = node
            self._add(node, node.line)

    def _add(self, node: _Node, line: int, size: int = 1) -> None:
        self.total += size
        if self.total > MAX_VALUES:
            todo = "write fewer aliases (*name)" if self.anchors else "split the file"
            raise _Stop(Problem(f"more than {MAX_VALUES:,} values", self.doc.name, line, todo=todo))
        if len(self.open) + node.depth > MAX_DEPTH:
            raise _Stop(Problem(f"more than {MAX_DEPTH} levels of nesting", self.doc.name, line))
        if not self.open:
            self.root = node
            return
        parent, key, _ = self.open[-1]
        assert parent.children is not None
        if parent.is_list:
            parent.children.append((len(parent.children), line, node))
        elif not key:
            key.append((self._key(node, line), line))
            return
        else:
            (name, key_line) = key.pop()
            parent.children.append((name, key_line, node))
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)

    def _key(self, node: _Node, line: int) -> Any:
        if node.children is not None:
            raise _Stop(Problem("a key must be a single value, not a list or mapping", self.doc.name, line))
        if node.value is None:
            raise _Stop(Problem("a key is missing before the colon", self.doc.name, line))
        return {True: "true", False: "false"}[node.value] if isinstance(node.value, bool) else node.value

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        text: str = event.value
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._tag(event.tag, line)
        if event.style is not None or event.tag is not None:
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text) and len(text) <= 18:
            return int(text)
        if _LEADING_ZERO.fullmatch(text):
            self.doc.problems.append(
                Problem(
                    "a number with a leading zero: some programs read it as octal, others drop the zero",
                    self.doc.name,
                    line,
                    value=text,
                    todo=f"write '{text}' in quotes if it is a code, {text.lstrip('+-0') or '0'} if it is a number",
                )
            )
            return text
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _tag(self, tag: str, line: int) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self.doc.problems.append(
            Problem(
                "tags are not allowed: a params file holds text, numbers, lists and mappings only",
                self.doc.name,
                line,
                value=shown[:80],
                todo="remove the tag; nothing was executed",
            )
        )

    def _syntax(self, error: yaml.YAMLError) -> Problem:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).splitlines()[0]
        context = getattr(error, "context", None)
        todo = ""
        if "'\\t'" in what or (mark and mark.buffer and "\t" in _line_of(self.text, line)[: mark.column + 1]):
            what, todo = "a tab: YAML indents with spaces", "replace tabs by spaces"
        elif "special characters" in what or "unacceptable" in what:
            position = getattr(error, "position", 0)
            line = self.text.count("\n", 0, position) + 1
            what = "a control character that YAML does not allow"
            todo = 'delete it, or write it as "\\x.." in double quotes'
        elif "mapping values are not allowed" in what:
            todo = "put text that holds ': ' in quotes; check the indentation of this line and the one above"
        elif "expected <block end>" in what:
            todo = "check the indentation: keys of one mapping start in the same column"
        elif "cannot start any token" in what or "expected alphabetic" in what:
            todo = "put the text in quotes"
        elif context and "flow" in context:
            todo = "check that every [ { and quote is closed"
        return Problem(f"not valid YAML: {what}", self.doc.name, line, value=_line_of(self.text, line), todo=todo)


def _line_of(text: str, line: int) -> str:
    lines = text.splitlines()
    return lines[line - 1].strip()[:80] if 0 < line <= len(lines) else ""


def _plain(node: _Node, path: KeyPath, doc: Document) -> Any:
    """Turn nodes into lists, dicts and scalars; note every place; report repeated keys."""
    if node.children is None:
        return node.value
    if node.is_list:
        for index, line, _ in node.children:
            doc.places[*path, index] = (doc.name, line)
        return [_plain(child, (*path, index), doc) for index, _, child in node.children]
    out: dict[Any, Any] = {}
    merged: dict[Any, Any] = {}
    first: dict[str, int] = {}
    for key, line, child in node.children:
        if key == "<<":
            parts = _plain(child, path, doc)
            for part in parts if isinstance(parts, list) else [parts]:
                merged = {**part, **merged} if isinstance(part, dict) else merged
            continue
        if str(key) in first:
            doc.problems.append(
                Problem(
                    f"the key stands here a second time; it is already in line {first[str(key)]}",
                    doc.name,
                    line,
                    where=dotted((*path, key)),
                    todo="keep one of the two",
                )
            )
            continue
        first[str(key)] = line
        doc.places[*path, key] = (doc.name, line)
        out[key] = _plain(child, (*path, key), doc)
    return {**merged, **out}


def dotted(path: KeyPath) -> str:
    """Return keys as readers write them: ``brands[0].id``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) and text else f".{key}" if text else str(key)
    return text


def near_file(file: Path) -> str:
    """Return the params file in the same folder whose name is closest."""
    try:
        found = {p.stem: p.name for p in file.parent.iterdir() if p.suffix in (".yaml", ".yml")}
    except OSError:
        return ""
    near = nearest(file.stem, list(found))
    return found.get(near, "")
